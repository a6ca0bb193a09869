import numpy as np
import pytest
import torch

from rnnmuse.events import Note
from rnnmuse.models.likelihood import event_likelihoods, log_likelihood
from rnnmuse.models.stream import START_EVENT, StreamModel
from rnnmuse.music.codec import (
    BEATS,
    ECHO,
    ECHO_REST,
    KIND,
    MICROTIME,
    ON,
    PITCH,
    SUB,
    UNKNOWN,
    VELOCITY,
    Encoded,
    PartClass,
    encode,
)
from rnnmuse.music.echo import EXACT, echo_class
from rnnmuse.music.piece import Part, Piece
from rnnmuse.train.stream.data import Lanes, Music, whole
from rnnmuse.train.stream.export import step_graph
from rnnmuse.train.stream.network import Shape, StreamNet

PARTS = (PartClass("voice", 53, (6,), sung=True), PartClass("piano", 0, (0,)), PartClass("drums", drum=True))
SHAPE = Shape(parts=3, drums=2, embed=16, hidden=24, head=8, key=8, value=8, slots=48)


def song(seed=1, notes=40, step=0.5):
    """A random tune over held chords and a beat, as events of PARTS."""
    rng = np.random.default_rng(seed)
    tune = [Note(i * step, int(rng.integers(55, 80)), step * 0.9, int(rng.integers(30, 110))) for i in range(notes)]
    chords = [Note(4.0 * i, p, 3.5) for i in range(int(notes * step / 4)) for p in (48, 52, int(rng.integers(53, 60)))]
    beat = [Note(i * 1.0 + 0.02, 36, 0.1, 90) for i in range(int(notes * step))]
    parts = [Part("Voice", 53, notes=tune), Part("Piano", 0, notes=chords), Part("Drums", drum=True, notes=beat)]
    return encode(Piece(parts), PARTS)


def random_net(shape=SHAPE, seed=0):
    """A network whose every weight matters."""
    torch.manual_seed(seed)
    net = StreamNet(shape).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        net.copying.bias[:4] = 0.5
    return net


@torch.no_grad()
def nll(net, pieces, chunk):
    """Nats by event and head of each piece, read in chunks."""
    state, out = None, {}
    for batch, index in whole(Music(pieces, net.shape.parts, net.shape.drums, torch.device("cpu")), 3, chunk):
        found, state = net(batch, state)
        for lane, piece in enumerate(index):
            if piece >= 0:
                out.setdefault(piece, []).append(found[lane][batch.mask[lane] > 0])
    return [torch.cat(out[i]) for i in sorted(out)]


@pytest.mark.parametrize("chunk", [1, 7, 48])
def test_chunks_of_any_size_say_the_same(chunk):
    net, pieces = random_net(), [song(1), song(2, 25), song(3, 60)]
    for wanted, got in zip(nll(net, pieces, 31), nll(net, pieces, chunk), strict=True):
        torch.testing.assert_close(got, wanted, atol=2e-5, rtol=1e-5)


def test_the_step_in_numpy_equals_the_full_pass():
    net, piece = random_net(), song(4, 70)
    assert len(piece) > 2 * SHAPE.slots, "the memory must lose slots"
    weights = {key: value.detach().numpy() for key, value in net.state_dict().items()}
    model = StreamModel("test", PARTS, weights, step_graph(weights).SerializeToString(), SHAPE.slots)
    stepped = [-value for value in event_likelihoods(model, piece)]
    np.testing.assert_allclose(stepped, nll(net, [piece], 29)[0].sum(-1).numpy(), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("field", [PITCH, VELOCITY, MICROTIME])
def test_nothing_is_told_of_what_is_to_come(field):
    net, piece, at = random_net(), song(5), 50
    other = Encoded(piece.events.copy(), piece.context)
    other.events[at, field] = (other.events[at, field] + 3) % 20
    other.events[at + 1 :, PITCH] = (other.events[at + 1 :, PITCH] + 7) % 128
    before, after = nll(net, [piece], 200)[0], nll(net, [other], 200)[0]
    torch.testing.assert_close(after[:at], before[:at])
    torch.testing.assert_close(after[at, :field], before[at, :field])


def test_a_possible_event_has_a_finite_loss_and_a_silent_off_does_not():
    net, piece = StreamNet(SHAPE).eval(), song(6)
    assert nll(net, [piece], 64)[0].max() < 30
    wrong = Encoded(piece.events.copy(), piece.context)
    wrong.events[0, KIND] = 0
    assert nll(net, [wrong], 64)[0][0, KIND] > 1e6


def riffs(count, seed):
    """Pieces that each play a random riff of 12 notes over and over."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        riff = rng.integers(50, 80, 12).tolist()
        notes = [Note(0.5 * i, riff[i % 12], 0.4) for i in range(48)]
        out.append(encode(Piece([Part("Piano", 0, notes=notes)]), PARTS[1:2]))
    return out


def test_a_planted_riff_is_predicted():
    """What was never heard in training is known when it comes back: only the memory can tell."""
    torch.manual_seed(1)
    shape = Shape(parts=1, embed=24, hidden=48, head=24, key=16, value=16, slots=96)
    net = StreamNet(shape)
    lanes = Lanes(Music(riffs(120, 1), 1, -1, torch.device("cpu")), range(12), 96, (0, 0), 1)
    adam = torch.optim.Adam(net.parameters(), 6e-3)
    state = None
    for _ in range(90):
        batch = lanes.next()
        found, state = net(batch, state)
        loss = found.sum() / batch.mask.sum()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
    net.eval()
    first, again = [], []
    for piece, found in zip(held := riffs(8, 99), nll(net, held, 96), strict=True):
        on = piece.events[:, KIND] == ON
        pitches = found[:, PITCH].numpy()[on]
        first.append(pitches[1:12].mean())
        again.append(pitches[24:].mean())
    assert np.mean(first) > 2.5, "a riff is no surprise the first time"
    assert np.mean(again) < np.mean(first) / 2


def test_a_planned_bar_is_read_where_it_is_asked_to():
    """With the plan that a bar restates the one before, its place there is pointed to, more the more is asked."""
    net = random_net()
    riff = [Note(i * 0.5, (60, 64, 67, 71, 62, 65, 69, 57)[i % 8], 0.4) for i in range(40)]
    piece = encode(Piece([Part("Piano", 0, notes=riff)]), PARTS)
    weights = {key: value.detach().numpy() for key, value in net.state_dict().items()}
    model = StreamModel("test", PARTS, weights, step_graph(weights).SerializeToString(), SHAPE.slots)
    unplanned, planned_rows = piece.context.copy(), piece.context.copy()
    unplanned[:, [ECHO, ECHO_REST]] = UNKNOWN[ECHO]
    planned_rows[:, [ECHO, ECHO_REST]] = echo_class(1, EXACT)
    found = []
    for asked, rows in (
        (0.0, unplanned),
        (6.0, unplanned),
        (0.0, planned_rows),
        (6.0, planned_rows),
        (12.0, planned_rows),
    ):
        state, total, previous, before = model.start(), 0.0, START_EVENT, rows[0].tolist()
        for index, (row, place) in enumerate(zip(piece.events.tolist(), rows.tolist(), strict=True)):
            expected, state = model.step(state, previous, before, restate=asked)
            if index >= 40:
                total += log_likelihood(expected, state.sounding, row, place, len(PARTS))
            previous, before = tuple(row), place
        found.append(total)
    plain, without, planned, more, most = found
    assert without == plain, "nothing is asked for where the plan says nothing"
    assert planned < more < most


def test_events_far_into_the_music_are_told_as_near_its_start():
    """The position does not matter, only distances: the same music later in time is as likely."""
    net, piece = random_net(), song(7, 20)
    weights = {key: value.detach().numpy() for key, value in net.state_dict().items()}
    model = StreamModel("test", PARTS, weights, step_graph(weights).SerializeToString(), SHAPE.slots)
    found = []
    for start in (0, 96 * 100_000):
        expected, state = model.step(model.start(start), START_EVENT, piece.context[0].tolist())
        for row, context in zip(piece.events.tolist()[:30], piece.context.tolist(), strict=False):
            expected, state = model.step(state, tuple(row), context)
        assert state.grid - start == int((piece.events[:30, BEATS] * 24 + piece.events[:30, SUB]).sum())
        found.append(expected.logits(BEATS))
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


@pytest.mark.filterwarnings("ignore:overflow")
def test_scores_and_logits_far_from_zero_are_told_as_the_full_pass_tells_them():
    net, piece = random_net(), song(8, 40)
    with torch.no_grad():
        for query in (net.query1, net.query2):
            query.weight *= 60
            query.bias -= 60
        net.heads[BEATS].bias -= 150
        net.heads[SUB].bias += 150
        net.heads[PITCH].bias += 150
    weights = {key: value.detach().numpy() for key, value in net.state_dict().items()}
    model = StreamModel("test", PARTS, weights, step_graph(weights).SerializeToString(), SHAPE.slots)
    stepped = [-value for value in event_likelihoods(model, piece)]
    np.testing.assert_allclose(stepped, nll(net, [piece], 29)[0].sum(-1).numpy(), atol=2e-3, rtol=1e-4)
