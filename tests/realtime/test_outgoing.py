"""The queue to another process: what is replaced, what keeps its order, what a full queue takes."""

import pickle
import threading
from dataclasses import dataclass, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.clock import Clock
from rnnmuse.realtime.outgoing import Outgoing
from rnnmuse.session import messages as m

PLAYER = st.integers(1, 2)
BEAT = st.just(1.0)
MESSAGES = st.one_of(
    st.builds(m.Hear, PLAYER, BEAT, st.integers(60, 62), st.sampled_from([0, 90])),
    st.builds(m.SetParameter, st.integers(1, 99), PLAYER, st.sampled_from(["key", "density"]), st.integers(), BEAT),
    st.builds(m.SetMode, st.integers(1, 99), PLAYER, st.sampled_from(["off", "free"]), BEAT),
    st.builds(m.Start, st.integers(1, 99), PLAYER, BEAT),
    st.builds(m.Stop, st.integers(1, 99), PLAYER, BEAT),
    st.builds(m.Generate, PLAYER, BEAT, st.none(), st.integers(1, 9), BEAT),
    st.builds(m.SetClock, st.just(Clock()), st.sampled_from([0.0, 0.1]), st.integers(1, 2)),
    st.builds(m.SetModel, st.integers(1, 99), PLAYER, st.sampled_from(["a", "b"]), BEAT),
)


def filled(messages, limit):
    """A queue with these messages put in, the refused ones, and the same as a plain list would have it."""
    queue, refused, slow = Outgoing(limit), [], []
    for message in messages:
        place = next((i for i, one in enumerate(slow) if one.key is not None and one.key == message.key), None)
        if place is not None and not message.moves_back and slow[place].era == message.era:
            slow[place] = message
        else:
            if place is not None:
                del slow[place]
            if not (message.droppable and len(slow) >= limit):
                slow.append(message)
        if not queue.put(message):
            refused.append(message)
    return queue, refused, slow


def taken(queue):
    queue.grant(10**6)
    out = []
    while (message := queue.get(wait=False)) is not None:
        out.append(message)
    return out


@given(st.lists(MESSAGES, max_size=60), st.integers(1, 12))
def test_it_holds_what_a_plain_list_would(messages, limit):
    queue, refused, slow = filled(messages, limit)
    assert taken(queue) == slow
    assert all(message.droppable for message in refused)


@given(st.lists(MESSAGES, max_size=60), st.integers(1, 12))
def test_ends_of_notes_and_stops_are_never_dropped(messages, limit):
    queue, refused, _ = filled(messages, limit)
    out = taken(queue)
    ends = [message for message in messages if isinstance(message, m.Hear) and not message.velocity]
    assert [message for message in out if isinstance(message, m.Hear) and not message.velocity] == ends
    for player in (1, 2):
        stops = [message for message in messages if message == m.Stop(getattr(message, "ticket", 0), player, 1.0)]
        assert [message for message in out if isinstance(message, m.Stop) and message.player == player] == stops[-1:]
    assert not any(isinstance(message, m.Stop | m.Start | m.SetMode | m.SetParameter) for message in refused)


def test_a_value_is_replaced_in_its_place_and_a_stop_moves_to_the_end():
    queue = Outgoing()
    first, last = m.SetParameter(1, 1, "key", "C major", 0.0), m.SetParameter(3, 1, "key", "D major", 0.0)
    note = m.Hear(1, 0.0, 60, 90)
    for message in (first, m.Stop(2, 1, 0.0), note, last, m.Stop(4, 1, 0.5)):
        assert queue.put(message)
    assert taken(queue) == [last, note, m.Stop(4, 1, 0.5)]


def test_a_value_that_was_sent_is_not_replaced():
    queue = Outgoing()
    queue.grant(1)
    queue.put(m.Ping())
    assert queue.get(wait=False) == m.Ping()
    queue.put(m.Ping())
    assert queue.get(wait=False) is None, "no credit"
    queue.grant(1)
    assert queue.get(wait=False) == m.Ping()


def test_a_flood_of_one_value_is_one_message():
    queue = Outgoing(8)
    for number in range(10_000):
        assert queue.put(m.MoveLatent(number, 1, "dimension", (1, number), 0.0))
    assert len(queue) == 1
    assert taken(queue)[0].values == (1, 9_999)


def test_closing_returns_what_waited_and_wakes_the_reader():
    queue, got = Outgoing(), []
    reader = threading.Thread(target=lambda: got.append(queue.get()))
    reader.start()
    queue.put(m.Ping())  # without credit it waits
    assert queue.close() == [m.Ping()]
    reader.join(20)
    assert got == [None]
    assert queue.get() is None


def test_a_reader_that_waits_gets_what_is_put():
    queue, got = Outgoing(), []
    queue.grant(1)
    reader = threading.Thread(target=lambda: got.append(queue.get()))
    reader.start()
    queue.put(m.Ping())
    reader.join(20)
    assert got == [m.Ping()]


# -- every message ---------------------------------------------------------------------------------------------------

EXAMPLES = {
    "str": "free",
    "int": 1,
    "float": 1.0,
    "int | None": None,
    "bool": True,
    "Any": "C major",
    "tuple[Any, ...]": (0.5, 0.5),
    "frozenset[int]": frozenset({1}),
    "Clock": Clock(),
    "dict[str, Any]": {"latent": [0.0]},
    "Mapping[str, tuple[str, ...]]": {"stream": ("lieder",)},
    "tuple[tuple[float, float, int, int], ...]": ((0.0, 1.0, 60, 80),),
    "tuple[tuple[float, str], ...]": ((0.0, "Am7"),),
    "tuple[tuple[float, int], ...]": ((0.0, 60),),
    "tuple[PartInfo, ...]": (m.PartInfo("piano"),),
}


def types(kind):
    """The types of messages of this kind, but for the one that holds another."""
    found = [one for one in vars(m).values() if isinstance(one, type) and issubclass(one, kind)]
    return [one for one in found if one not in (kind, m.InSession, m.Several)]


def every(kind):
    """A message of each type of this kind, by its fields' types."""
    return [type_(*(EXAMPLES[str(field.type)] for field in fields(type_))) for type_ in types(kind)]


@pytest.mark.parametrize(
    "message", [*every(m.ToEngine), *every(m.FromEngine)], ids=lambda message: type(message).__name__
)
def test_every_message_goes_through_a_pipe_and_cannot_be_changed(message):
    assert pickle.loads(pickle.dumps(message)) == message
    for field in fields(message):
        with pytest.raises(AttributeError):
            setattr(message, field.name, None)
    assert not hasattr(message, "__dict__")


@pytest.mark.parametrize("message", every(m.ToEngine), ids=lambda message: type(message).__name__)
def test_a_message_of_a_session_goes_through_a_pipe_and_queues_as_what_it_holds(message):
    held = m.InSession(3, message)
    assert pickle.loads(pickle.dumps(held)) == held
    assert (held.key, held.droppable, held.moves_back) == (message.key, message.droppable, message.moves_back)
    assert (held.share, held.session, held.era) == (message.share, 3, message.era)


def test_a_jump_overtakes_nothing_and_a_tempo_holds_from_where_it_waits():
    clock, queue = Clock(), Outgoing()
    queue.put(m.SetClock(clock, 0.0, jumps=1))
    queue.put(m.SetMode(1, 1, "free", 120.0))
    queue.put(m.SetClock(clock, 0.1, jumps=1))
    assert [type(one) for one in taken(queue)] == [m.SetClock, m.SetMode]
    queue.put(m.SetClock(clock, 0.0, jumps=1))
    queue.put(m.SetMode(1, 1, "free", 120.0))  # a beat of the place before the jump
    for number in range(2, 500):
        queue.put(m.SetClock(clock, 0.0, jumps=number))
    assert [getattr(one, "jumps", None) for one in taken(queue)] == [None, 499]


def test_sessions_are_served_in_turn_and_fill_only_their_own_queues():
    queue = Outgoing(4)
    queue.grant(100)
    flood = [queue.put(m.InSession(2, m.Sync(number))) for number in range(10)]
    assert flood == [True] * 4 + [False] * 6
    assert all(queue.put(m.InSession(number, m.Sync(0))) for number in (1, 3))
    assert queue.put(m.InSession(1, m.SetBand(1, "fours", 4.0)))
    assert queue.put(m.InSession(3, m.SetBand(1, "fours", 8.0)))
    assert queue.put(m.InSession(3, m.SetBand(2, "fours", 2.0)))  # in place of the one before, not of session 1's
    order = [queue.get(wait=False) for _ in range(len(queue))]
    assert [one.number for one in order] == [2, 1, 3, 2, 1, 3, 2, 2]
    assert [one.message.value for one in order if isinstance(one.message, m.SetBand)] == [4.0, 2.0]
    assert queue.get(wait=False) is None


@pytest.mark.parametrize("message", every(m.ToEngine), ids=lambda message: type(message).__name__)
def test_every_message_to_the_engine_says_how_it_behaves_in_a_queue(message):
    assert isinstance(message.droppable, bool)
    assert isinstance(message.moves_back, bool)
    hash(message.key)
    if message.key is None:  # an event of its own keeps its order, and there may be any number of it
        assert not message.moves_back
        assert message.droppable or isinstance(message, m.Bye | m.Hear | m.Heard | m.MoveLatent)
    elif hasattr(message, "player"):
        other = type(message)(*(2 if f.name == "player" else getattr(message, f.name) for f in fields(message)))
        assert other.key != message.key
    if isinstance(message, m.Hear):
        assert m.Hear(1, 0.0, 60, 90).droppable
        assert not m.Hear(1, 0.0, 60, 0).droppable


def test_values_of_different_kinds_have_different_keys():
    keyed = [message for message in every(m.ToEngine) if message.key is not None]
    assert len({message.key for message in keyed}) == len(keyed)


def test_the_engine_acts_on_every_message_and_names_one_that_it_does_not_know():
    from rnnmuse.engine.process import Engine

    dispatch = vars(Engine)["_take"].dispatcher.dispatch
    for type_ in types(m.ToEngine):
        if type_ is not m.Bye:  # ends the loop that serves the engine
            assert dispatch(type_) is not dispatch(object), type_

    @dataclass(frozen=True, slots=True)
    class Unknown:
        ticket: int = 0

    with pytest.raises(TypeError, match="Unknown"):
        Engine(lambda message: None).take(Unknown())


def test_the_stage_acts_on_every_message_of_the_engine_and_refuses_one_that_it_does_not_know():
    from rnnmuse.realtime.stage import Settings, Stage

    stage = Stage(Settings(engine=False, osc=False))
    link = {m.Ready, m.Handled, m.Loading, m.Failed}  # the supervisor's own
    assert set(stage.orders._acts) == set(types(m.FromEngine)) - link
    with pytest.raises(KeyError):
        stage.orders.order(m.Ready())
