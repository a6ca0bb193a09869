import torch

from rnnmuse.music.codec import KIND, ON, PART, PITCH
from rnnmuse.train.stream.network import Batch, Shape, StreamNet, start_row

SHAPE = Shape(parts=2, embed=16, hidden=24, head=8)


def batch_of(events: torch.Tensor) -> Batch:
    inputs = torch.cat((torch.tensor([[start_row()]] * len(events)), events[:, :-1]), 1)
    context = torch.zeros(*events.shape[:2], 8, dtype=torch.long)
    return Batch(
        inputs,
        context,
        events,
        context,
        torch.ones(events.shape[:2]),
        torch.zeros(len(events), 2, 128, dtype=torch.bool),
    )


def valid_events(steps: int) -> torch.Tensor:
    events = torch.zeros(1, steps, 7, dtype=torch.long)
    for t in range(steps):
        events[0, t, KIND] = ON if t % 2 == 0 else 0
        events[0, t, PART] = t // 2 % 2
        events[0, t, PITCH] = 60 + t // 2 % 5
    return events


def test_steps_equal_the_full_pass():
    torch.manual_seed(0)
    net = StreamNet(SHAPE).eval()
    events = valid_events(12)
    whole, _ = net(batch_of(events), None)
    state, parts = None, []
    full = batch_of(events)
    sounding = full.sounding()
    for t in range(12):
        before = sounding[:, t - 1] if t else torch.zeros(1, 2, 128, dtype=torch.bool)
        one = Batch(
            full.inputs[:, t : t + 1],
            full.input_context[:, t : t + 1],
            full.targets[:, t : t + 1],
            full.context[:, t : t + 1],
            full.mask[:, t : t + 1],
            before,
        )
        nll, state = net(one, state)
        parts.append(nll)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-5)


def test_a_possible_event_has_a_finite_loss_and_a_silent_off_does_not():
    net = StreamNet(SHAPE)
    events = valid_events(4)
    nll, _ = net(batch_of(events), None)
    assert nll.max() < 20
    events[0, 0, KIND] = 0
    nll, _ = net(batch_of(events), None)
    assert nll[0, 0, KIND] > 1e6


def test_it_learns_a_repeated_bar():
    torch.manual_seed(0)
    net = StreamNet(SHAPE)
    adam = torch.optim.Adam(net.parameters(), 1e-2)
    batch = batch_of(valid_events(40))
    losses = []
    for _ in range(40):
        loss = net(batch, None)[0].sum(-1).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4
