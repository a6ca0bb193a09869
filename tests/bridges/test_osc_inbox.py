"""The queues of senders: turns, order, what makes room for what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.bridges import osc, osc_inbox
from rnnmuse.bridges.osc_inbox import BACKLOG, BYTES, ENDS, PACKETS, SENDERS, Inbox, ending
from rnnmuse.protocol import TABLE, addresses

TEMPO = "/rnnmuse/transport/tempo"
PANIC = osc.build("/rnnmuse/transport/panic", ())


def note(pitch, velocity, player=1):
    return osc.build(f"/rnnmuse/player/{player}/note", (pitch, velocity))


def drained(inbox):
    """All that waits: sender and message."""
    out = []
    while item := inbox.take():
        out.append((item[0], *((m.address, *m.arguments) for m in osc.parse(item[1]))))
    return out


def test_senders_are_served_in_turn_each_in_its_own_order():
    inbox = Inbox()
    for number in range(100):
        inbox.put("flood", note(60, number))
    inbox.put("other", PANIC)
    inbox.put("third", note(1, 1))
    inbox.put("other", note(2, 2))
    served = drained(inbox)
    assert [sender for sender, *_ in served[:6]] == ["flood", "other", "third", "flood", "other", "flood"]
    assert [m[2] for sender, m in served if sender == "flood"] == list(range(100))
    assert not inbox


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 127)), max_size=BACKLOG))
def test_without_a_backlog_everything_arrives_in_its_order(items):
    inbox = Inbox()
    for number, (sender, pitch) in enumerate(items):
        packet = osc.build(TEMPO, (float(20 + number),)) if pitch % 2 else note(pitch, number)
        assert inbox.put(sender, packet) == 0
    served = drained(inbox)
    for sender in "abc":
        wanted = [20 + n if pitch % 2 else n for n, (one, pitch) in enumerate(items) if one == sender]
        assert [m[-1] for one, m in served if one == sender] == wanted


def test_in_a_backlog_a_value_takes_the_place_of_the_earlier_one():
    inbox = Inbox()
    for number in range(3000):
        assert inbox.put("fader", osc.build(TEMPO, (20 + number / 10,))) == 0
        assert inbox.put("fader", osc.build("/rnnmuse/player/2/latent/xy", (0.5, number / 3000))) == 0
    assert inbox.waiting("fader") <= BACKLOG + 2
    served = drained(inbox)
    assert served[-2:] == [
        ("fader", (TEMPO, pytest.approx(319.9))),
        ("fader", ("/rnnmuse/player/2/latent/xy", 0.5, pytest.approx(2999 / 3000))),
    ]


def test_a_value_never_moves_past_a_note_or_a_command():
    inbox = Inbox()
    for number in range(BACKLOG):
        inbox.put("a", note(60, number))
    sent = [(TEMPO, 100.0), ("/rnnmuse/player/1/start",), (TEMPO, 120.0), (TEMPO,), (TEMPO, 140.0)]
    for address, *values in sent:
        inbox.put("a", osc.build(address, values))
    assert [m for _, m in drained(inbox)[BACKLOG:]] == sent


@pytest.mark.parametrize(
    "address",
    ["/rnnmuse/transport/position", "/rnnmuse/player/1/mode", "/rnnmuse/player/1/when", "/rnnmuse/player/1/note"],
)
def test_what_is_no_mere_value_is_never_replaced(address):
    inbox = Inbox()
    for number in range(PACKETS):
        assert inbox.put("a", osc.build(address, (number,))) == 0
    assert len(drained(inbox)) == PACKETS


def test_past_the_limit_the_oldest_values_go_then_the_oldest_others():
    inbox = Inbox()
    commands = [osc.build("/rnnmuse/ping", (number,)) for number in range(PACKETS)]
    lost = 0
    for number, command in enumerate(commands):
        lost += inbox.put("a", osc.build(TEMPO, (float(20 + number),)))  # what follows keeps each apart
        lost += inbox.put("a", command)
    assert lost == PACKETS
    assert [m[1] for _, m in drained(inbox)] == list(range(PACKETS))
    for number in range(PACKETS + 10):
        lost += inbox.put("a", osc.build("/rnnmuse/ping", (number,)))
    assert lost == PACKETS + 10
    assert [m[1] for _, m in drained(inbox)] == list(range(10, PACKETS + 10))


ENDINGS = [
    ("/rnnmuse/transport/panic",), ("/rnnmuse/transport/stop",), ("/rnnmuse/player/3/stop",), ("/rnnmuse/text/3/stop",),
    ("/rnnmuse/player/3/note", 64, 0), ("/rnnmuse/player/3/note", 64.0, 0.0), ("/rnnmuse/player/*/stop",),
    ("/rnnmuse/player/{1,2}/note", 64, 0), ("/rnnmuse/transport/{stop,panic}",), ("/rnnmuse/transport/*",),
]  # fmt: skip


@pytest.mark.parametrize("message", ENDINGS, ids=str)
@pytest.mark.parametrize("bundled", [False, True])
def test_what_ends_something_is_not_dropped_in_a_flood(message, bundled):
    packet = osc.build(message[0], message[1:])
    packet = osc.bundle(osc.NOW, [note(1, 1), packet]) if bundled else packet
    inbox = Inbox()
    inbox.put("a", packet)
    for number in range(5 * PACKETS):
        inbox.put("a", note(60, 1 + number % 127))
        inbox.put("a", osc.build(TEMPO, (100.0,)))
    assert inbox.take() == ("a", packet)
    assert len(drained(inbox)) <= PACKETS


@pytest.mark.parametrize(
    "message", [("/rnnmuse/player/3/note", 64, 1), ("/rnnmuse/player/3/note", 64), ("/rnnmuse/player/3/note", 300, 0),
                ("/rnnmuse/player/3/note", "a", 0), ("/rnnmuse/stopped",), ("/rnnmuse/player/*/start",)], ids=str
)  # fmt: skip
def test_what_ends_nothing(message):
    assert ending(osc.build(message[0], message[1:])) is None


def test_of_endings_alike_the_last_stays_so_that_all_of_them_fit():
    """Every single ending of the table, ten times over, from one sender that is never served."""
    single = [note(pitch, 0, player) for player in range(1, 17) for pitch in range(128)]
    single += [osc.build(a, ()) for a in addresses() if a.endswith(("/stop", "/panic"))]
    assert len(single) == 2082 < ENDS
    inbox = Inbox()
    for _ in range(10):
        for packet in single:
            inbox.put("a", packet)
    waiting = [inbox.take()[1] for _ in range(inbox.waiting("a"))]
    assert waiting[-len(single) :] == single
    assert len(waiting) <= len(single) + PACKETS


def test_the_memory_of_a_sender_is_bounded_whatever_it_sends():
    inbox = Inbox()
    for number in range(ENDS + 2000):
        inbox.put("a", osc.bundle(number, [note(64, 0)]))
    assert inbox.waiting("a") <= ENDS + PACKETS
    for number in range(400):
        inbox.put("b", osc.build("/rnnmuse/text/1/prompt", (f"{number}" + "x" * 8000,)))
    assert inbox.waiting("b") * 8000 <= BYTES
    for number in range(400):
        inbox.put("c", osc.bundle(number, [note(64, 0), osc.build("/a", ("x" * 8000,))]))
    assert inbox.waiting("c") * 8000 <= 4 * BYTES


def test_more_senders_than_queues_share_one_and_keep_their_names():
    inbox = Inbox()
    for number in range(10 * SENDERS):
        inbox.put(number, note(60, 0))
    served = [sender for sender, _ in drained(inbox)]
    assert served[:SENDERS] == list(range(SENDERS))
    assert len(served) == 10 * SENDERS, "note-offs of different senders are not alike"
    assert len(set(served)) == 10 * SENDERS


COMMANDS = st.one_of(
    st.tuples(st.just("/rnnmuse/player/1/note"), st.integers(60, 63), st.integers(0, 2)),
    st.tuples(st.sampled_from(["/rnnmuse/transport/stop", "/rnnmuse/transport/panic", "/rnnmuse/player/1/start"])),
    st.tuples(st.just(TEMPO), st.floats(20, 999, width=32)),
)


@given(st.lists(COMMANDS, max_size=60), st.integers(1, 6))
def test_whatever_is_dropped_the_last_ending_of_each_kind_arrives_after_all_that_it_ends(sent, limit):
    """Tiny limits, and nothing is handled in between: the worst that a flood can do."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(osc_inbox, "PACKETS", limit)
        patched.setattr(osc_inbox, "BACKLOG", 1)
        inbox = Inbox()
        lost = sum(inbox.put("a", osc.build(address, arguments)) for address, *arguments in sent)
    arrived = [message for _, message in drained(inbox)]
    assert len(arrived) + lost <= len(sent)
    for end in ("/rnnmuse/transport/stop", "/rnnmuse/transport/panic"):
        was, now = ([address for address, *_ in messages] for messages in (sent, arrived))
        if end in was:
            after = was[::-1][: was[::-1].index(end)]
            assert now[::-1].index(end) <= len(after), "else what it ended begins again"
    for pitch in range(60, 64):
        was = [v for address, *rest in sent for v in rest[1:] if address.endswith("/note") and rest[0] == pitch]
        now = [v for address, *rest in arrived for v in rest[1:] if address.endswith("/note") and rest[0] == pitch]
        if was and was[-1] == 0:
            assert now[-1] == 0, "else the note hangs"
    left = iter(sent)
    assert all(message in left for message in arrived), "what arrives keeps its order"


def test_nothing_is_shed_where_the_sender_can_be_made_to_wait():
    inbox = Inbox()
    for number in range(3 * PACKETS):
        assert inbox.put("tcp", note(60, number % 128), shed=False) == 0
    assert inbox.waiting("tcp") == 3 * PACKETS


def test_the_table_has_the_endings_that_are_known_here():
    """A new command that ends something must be added to `ending`: it is then named here."""
    words = {row.address.rsplit("/", 1)[1] for row in TABLE if row.access == "w"}
    assert words & {"stop", "panic", "note"} == {"stop", "panic", "note"}
