"""Several sessions in one process: what one of them does, none of the others notices."""

import threading

import pytest

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_inbox import PACKETS
from rnnmuse.bridges.osc_server import PROMPT, Client
from rnnmuse.bridges.osc_sessions import SessionInbox
from rnnmuse.config import parse
from rnnmuse.jobs import messages as j
from rnnmuse.protocol import SESSIONS
from rnnmuse.realtime.control.cover import MOST_DRAWING
from rnnmuse.realtime.rig import seat_rig
from rnnmuse.realtime.sessions import Sessions
from rnnmuse.realtime.shared_thread import LEAD, NEVER, SharedThread
from rnnmuse.realtime.stage import Settings
from rnnmuse.session import messages as m
from rnnmuse.testing import ME, SessionsClient, StageClient

OTHER = Client("127.0.0.1", 50_001)


@pytest.fixture
def three():
    made = SessionsClient(3)
    yield made
    for output in made.outputs:
        assert not output.twice
    made.close()
    for output in made.outputs:
        assert not output.sounding


def at(number, rest):
    return f"/rnnmuse/session/{number}/{rest}"


def playing(client, *numbers, seed=5, mode="free"):
    for number in numbers:
        client.send(at(number, "player/1/param/seed"), seed)
        client.send(at(number, "player/1/mode"), mode)
        client.send(at(number, "player/1/start"))
        client.send(at(number, "transport/play"))
    client.settle()


def music(sents):
    return [(sent.pitch, sent.velocity, round(sent.beat, 6)) for sent in sents]


# -- addresses --------------------------------------------------------------------------------------------------


def test_an_address_without_a_session_is_session_ones(three):
    three.send("/rnnmuse/transport/tempo", 90.0)
    assert three.ask("/rnnmuse/transport/tempo") == (90.0,)
    assert three.ask(at(1, "transport/tempo")) == (90.0,)
    assert three.ask("/rnnmuse/sessions") == (1, 3)


def test_a_getter_answers_of_its_own_session(three):
    three.send(at(2, "transport/tempo"), 90.0)
    three.send(at(3, "player/2/param/temperature"), 0.5)
    three.settle()
    assert [three.ask(at(number, "transport/tempo")) for number in (1, 2, 3)] == [(120.0,), (90.0,), (120.0,)]
    asked = [three.ask(at(number, "player/2/param/temperature"))[0] for number in (1, 2, 3)]
    assert asked == [1.0, 1.0, 0.5]
    assert [three.ask(at(number, "sessions")) for number in (1, 2, 3)] == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("number", ["0", "4", "129", "-1", "x", "9" * 30, "[9]"])
def test_a_session_that_is_none_is_an_error_with_the_range(three, number):
    three.send(at(number, "ping"), 1)
    (error,) = three.received("/rnnmuse/error")
    assert error.arguments[1] == "range"
    assert error.arguments[2] == f"session: {number[:40]}; must be 1 to 3"
    assert not [one for one in three.received() if one.address.endswith("pong")]


def test_an_address_that_ends_with_the_session_is_not_known(three):
    three.send("/rnnmuse/session/2")
    assert three.received("/rnnmuse/error")[0].arguments[1] == "address"


def test_a_pattern_of_sessions_reaches_those_it_selects(three):
    three.send("/rnnmuse/session/[23]/ping", 7)
    assert sorted(one.address for one in three.received()) == [at(2, "pong"), at(3, "pong")]
    three.send("/rnnmuse/session/*/transport/tempo", 77.0)
    assert {three.ask(at(number, "transport/tempo")) for number in (1, 2, 3)} == {(77.0,)}


def test_a_bundle_is_sorted_by_session_and_keeps_its_time(three):
    parts = [osc.build(at(2, "ping"), [1]), osc.build("/rnnmuse/ping", [2])]
    later = osc.bundle(osc.tag_of(three.wall + 0.5), [osc.build(at(3, "transport/tempo"), [66.0])])
    three.send_packet(osc.bundle(osc.NOW, [*parts, later]))
    assert {(one.address, *one.arguments) for one in three.received()} == {(at(2, "pong"), 1), ("/rnnmuse/pong", 2)}
    three.run(0.4)
    assert three.ask(at(3, "transport/tempo")) == (120.0,)
    three.run(0.2)
    assert three.ask(at(3, "transport/tempo")) == (66.0,)


def test_a_damaged_bundle_that_names_a_session_is_an_error():
    three = SessionsClient(3)
    three.send_packet(osc.bundle(osc.NOW, [osc.build(at(2, "ping"), [1])])[:-4])
    assert three.received("/rnnmuse/error")[0].arguments[1] == "packet"


def test_an_error_comes_by_the_address_of_its_session(three):
    three.send(at(2, "transport/tempo"), 5.0)
    (error,) = three.received(at(2, "error"))
    assert error.arguments[:2] == ("/rnnmuse/transport/tempo", "range")


@pytest.mark.parametrize("count", [0, -1, SESSIONS + 1])
def test_the_number_of_sessions_has_a_range(count):
    with pytest.raises(ValueError, match=f"sessions: {count}; must be 1 to {SESSIONS}"):
        Sessions(Settings(port=0), count)


def test_ports_beyond_the_last_one_are_an_error():
    with pytest.raises(ValueError, match="sessions: 8 with ports from 65530 on"):
        Sessions(Settings(port=65530), 8, ports=True)


# -- subscribers ------------------------------------------------------------------------------------------------


def test_a_subscriber_of_one_session_hears_nothing_of_another(three):
    three.send(at(2, "subscribe"), 3600)
    three.send(at(3, "subscribe"), 3600, client=OTHER)
    playing(three, 1, 2)
    three.run(4.0)
    heard = {one.address for one in three.received()}
    assert at(2, "out/1/note") in heard
    assert all(address.startswith(at(2, "")) for address in heard)
    assert not [one for one in three.received(client=OTHER) if "/out/" in one.address]
    assert music(three.notes(1)) == music(three.notes(2))


def test_a_subscription_of_two_sessions_is_two_subscriptions(three):
    for number in (2, 3):
        three.send(at(number, "subscribe"), 3600)
    playing(three, 2, 3)
    three.run(2.0)
    assert {at(2, "out/1/note"), at(3, "out/1/note")} <= {one.address for one in three.received()}
    three.send(at(2, "unsubscribe"))
    before = len(three.received(at(2, "out/1/note")))
    three.run(2.0)
    assert len(three.received(at(2, "out/1/note"))) == before
    assert len(three.sessions.stage(3).server.subscribers) == 1


def test_look_aheads_are_each_sessions_own(three):
    three.send(at(2, "subscribe"), 3600, 0.2)
    assert [len(stage.scheduler.lanes) for stage in three.sessions.stages] == [1, 2, 1]


# -- the music --------------------------------------------------------------------------------------------------


def test_panic_in_one_session_leaves_the_others_notes(three):
    playing(three, 1, 2)
    while not (three.outputs[0].sounding and three.outputs[1].sounding):
        three.run(0.05)
    held = dict(three.outputs[1].sounding)
    three.send("/rnnmuse/transport/panic")
    assert not three.outputs[0].sounding
    assert three.outputs[1].sounding == held
    before = len(three.notes(1)), len(three.notes(2))
    three.run(4.0)
    assert len(three.notes(1)) == before[0]
    assert len(three.notes(2)) > before[1]


def test_clocks_tempos_and_metres_are_each_sessions_own(three):
    three.send(at(2, "transport/tempo"), 60.0)
    three.send(at(2, "transport/metre"), 3, 4)
    playing(three, 1, 2)
    three.run(4.0)
    assert three.ask("/rnnmuse/transport/position")[0] == pytest.approx(8.0, abs=0.01)
    assert three.ask(at(2, "transport/position"))[0] == pytest.approx(4.0, abs=0.01)
    assert three.ask("/rnnmuse/transport/metre") == (4, 4)
    three.send(at(2, "transport/stop"))
    assert three.ask("/rnnmuse/transport/running") == (1,)


def test_a_rig_and_a_preset_in_one_session_change_no_other(three):
    rig = parse('[stage]\nchart = "Am7 | D7"\n[player.3]\nmode = "accompany"\n')
    seat_rig(three.sessions.stage(2), rig)
    three.settle()
    assert [three.ask(at(number, "player/3/mode")) for number in (1, 2, 3)] == [("off",), ("accompany",), ("off",)]
    assert three.ask(at(2, "harmony/chart"))[0]
    assert not three.ask(at(1, "harmony/chart"))[0]
    three.send(at(2, "preset/store"), 1)
    three.send(at(2, "player/3/mode"), "off")
    three.send(at(3, "preset/recall"), 1)
    three.settle()
    assert three.received(at(3, "error"))
    three.send(at(2, "preset/recall"), 1)
    three.settle()
    assert [three.ask(at(number, "player/3/mode")) for number in (1, 2, 3)] == [("off",), ("accompany",), ("off",)]


def test_the_memory_of_what_was_played_is_each_sessions_own(three):
    for number in (1, 2):
        three.send(at(number, "player/1/mode"), "accompany")
        three.send(at(number, "transport/play"))
    for pitch in (60, 62, 64):
        three.send(at(2, "player/1/note"), pitch, 90)
        three.run(0.2)
        three.send(at(2, "player/1/note"), pitch, 0)
    three.settle()
    knows = [len(three.engine.engine.session(number).recollection) for number in (1, 2)]
    assert knows == [0, 3]


def test_the_same_seed_gives_the_same_notes_alone_and_among_others():
    alone = StageClient()
    for address, value in (("param/seed", 5), ("mode", "free")):
        alone.send(f"/rnnmuse/player/1/{address}", value)
    alone.send("/rnnmuse/player/1/start")
    alone.send("/rnnmuse/transport/play")
    alone.run(8.0)
    among = SessionsClient(6)
    for number in range(1, 7):
        playing(among, number, seed=5 if number == 4 else number)
        among.run(0.13)
    among.run(8.0)
    expected = music(alone.notes("on"))
    found = music(among.notes(4))
    assert len(expected) > 20
    assert found[: len(expected)] == expected
    assert music(among.notes(3))[:20] != expected[:20]


def test_models_are_loaded_once_for_all_sessions(three):
    loads = []
    load = three.engine.engine._load
    three.engine.engine._load = lambda name: loads.append(name) or load(name)
    for engine in three.engine.engine.engines.values():
        engine._load = three.engine.engine._load
    for number in (1, 2, 3):
        three.send(at(number, "player/1/model"), "grooves")
    playing(three, 1, 2, 3)
    three.run(3.0)
    assert loads == ["grooves"]
    assert all(three.notes(number) for number in (1, 2, 3))
    players = [three.engine.engine.session(number).players[1] for number in (1, 2, 3)]
    assert len({id(player.model) for player in players}) == 1
    assert len({id(player.player.state.memory) for player in players}) == 3


def test_few_sessions_draw_covers_at_a_time_and_let_their_process_go(monkeypatch):
    started, ended = [], []

    class Link:
        def __class_getitem__(cls, of):
            return cls

        def __init__(self, *given, **named):
            started.append(self)

        def send(self, message):
            return True

        def close(self, patience=1.0):
            ended.append(self)
            return []

    monkeypatch.setattr("rnnmuse.realtime.control.cover.Link", Link)
    six = SessionsClient(6)
    six.send("/rnnmuse/session/*/cover/generate")
    assert len(started) == MOST_DRAWING
    refused = [number for number in range(1, 7) if six.received(at(number, "error"))]
    assert len(refused) == 6 - MOST_DRAWING
    assert six.received(at(refused[0], "error"))[0].arguments[1] == "limit"
    covers = six.sessions.stage(1).covers
    assert covers.draws
    covers.received(j.CoverDone(1, "cover.png"))
    six.run(11.0)
    assert ended == started[:1]
    six.send(at(refused[0], "cover/generate"))
    assert len(started) == MOST_DRAWING + 1
    six.close()


# -- floods, a lock that is held, a lost engine -----------------------------------------------------------------


def test_a_flood_fills_the_queue_of_its_own_session_alone(three):
    for number in range(3 * PACKETS):
        three.bring(at(2, "player/1/note"), number % 128, 90)  # one sender speaks for two sessions
    three.bring(at(3, "ping"), 1)
    for _ in range(2):  # a slice of time each, of one packet at least
        three.server._serve()
    assert three.received(at(3, "pong")), "it waits behind the flood"
    lost = [one for one in three.received() if one.address.endswith("error")]
    assert [error.arguments[1] for error in lost[:1]] == ["limit"]
    three.server.handle()


def test_a_session_that_takes_long_waits_for_the_others():
    inbox = SessionInbox()
    ping = osc.build("/rnnmuse/ping", [])
    for _ in range(20):
        inbox.put(ME._replace(session=2), ping)
        for port in range(3):
            inbox.put(Client("127.0.0.1", port, 0, 3), ping)

    def served(count):
        order = []
        for _ in range(count):
            number = inbox.take()[0].session
            order.append(number)
            inbox.charge(number, 0.010 if number == 2 else 0.001)
        return order

    assert served(22).count(2) == 2  # as much time for each
    for _ in range(20):
        inbox.put(ME._replace(session=4), ping)
    assert 4 <= served(12).count(4) <= 7  # whoever comes later gets no time for when it was not there


def test_a_flood_of_notes_in_one_session_leaves_the_others_in_time(three):
    playing(three, 1, 2)
    playing(three, 3, mode="accompany")
    three.run(2.0)
    before = len(three.notes(1))
    for step in range(400):
        three.send(at(3, "player/1/note"), 40 + step % 40, 90 if step % 2 else 0)
        three.run(0.005)
    assert len(three.notes(1)) > before
    alone = [sent.beat for sent in three.notes(1)]
    late = [time - sent.due for time, sent in three.outputs[0].events]
    assert alone == sorted(alone)
    assert max(late) <= 1_000_000
    assert three.sessions.stage(1).lateness.dropped == 0


def test_what_others_hear_does_not_keep_a_session_from_playing_on(three):
    """The engine's part of fairness: in every turn the others play, however much one session hears."""
    playing(three, 2, 3)
    three.run(2.0)
    engine = three.engine.engine
    ahead = []
    for step in range(300):
        three.time += 5_000_000
        beat = engine.session(1).beat
        engine.take(m.InSession(1, m.Hear(2, beat, 40 + step % 40, 90 if step % 2 else 0)))
        engine.advance()
        ahead.append(min(engine.session(number).lead() for number in (2, 3)))
    assert min(ahead) > 1.5


def test_what_is_said_in_a_round_comes_in_one_message(three):
    said = []
    three.engine.engine.model("lieder")
    three.engine.engine.send = said.append
    for number in (1, 2, 3):
        three.engine.engine.take(m.InSession(number, m.SetMode(1, 1, "free", 0.0)))
    assert not said
    three.engine.engine.advance()
    (several,) = said
    assert isinstance(several, m.Several)
    assert [one.number for one in several.messages if isinstance(one.message, m.Accepted)] == [1, 2, 3]


def test_other_threads_leave_python_to_notes_that_are_due():
    """While a chord is about to be sent whoever takes a turn waits until it has left, and goes on between two."""
    time, slept = [0], []
    thread = SharedThread([], lambda: time[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnnmuse.realtime.shared_thread.time.sleep", lambda s: (slept.append(s), advance(s)))

        def advance(seconds):
            time[0] += round(seconds * 1e9)
            if time[0] > 1_000_000:
                thread._due = NEVER  # it was sent

        thread._due = 1_000_000
        thread.give_way()
        assert not slept
        time[0] = 1_000_000 - LEAD
        thread.give_way()
        assert sum(slept) == pytest.approx(LEAD / 1e9, abs=1e-4)


def test_a_lock_that_somebody_holds_delays_no_other_session(three):
    playing(three, 1, 2)
    three.run(2.0)
    lane = three.sessions.stage(2).scheduler.lanes[0]
    while not any(not planned.ends for *_, planned in lane._heap):  # it rests
        three.run(0.1)
    held, over = threading.Event(), threading.Event()

    def hold():
        with three.sessions.stage(1).lock:
            held.set()
            over.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    before = len(three.notes(1)), len(three.notes(2))
    try:
        until = three.time + 1_000_000_000
        while three.time < until:
            due = three.sessions.thread.turn()
            three._go_to(three.time + 100_000 if due is None else min(until, max(due, three.time + 1)))
        assert len(three.notes(1)) == before[0]
        assert len(three.notes(2)) > before[1]
    finally:
        over.set()
        thread.join()
    three.run(4.0)
    assert len(three.notes(1)) > before[0]


def test_a_lost_engine_ends_the_notes_of_all_and_all_play_on(three):
    for number in (1, 2, 3):
        three.send(at(number, "subscribe"), 3600)
    three.send(at(2, "player/1/param/density"), 2.0)
    playing(three, 1, 2)
    while not (three.outputs[0].sounding and three.outputs[1].sounding):
        three.run(0.05)
    three.kill_engine()
    assert not three.outputs[0].sounding
    assert not three.outputs[1].sounding
    assert len(three.engines) == 2
    for number in (1, 2, 3):
        assert [one.arguments[1] for one in three.received(at(number, "error"))] == ["engine"]
    before = len(three.notes(1)), len(three.notes(2))
    three.run(4.0)
    assert len(three.notes(1)) > before[0]
    assert len(three.notes(2)) > before[1]
    assert not three.notes(3)
    assert three.ask(at(2, "player/1/param/density")) == (2.0,)
    assert three.engine.engine.session(2).players[1].parameters["density"] == 2.0
    assert three.engine.engine.session(1).players[1].parameters["density"] == 0.0


def test_an_engine_that_hangs_is_replaced_for_all(three):
    playing(three, 1, 2)
    three.run(1.0)
    three.engine.frozen = True
    three.run(3.0)
    assert len(three.engines) == 2
    before = len(three.notes(2))
    three.run(2.0)
    assert len(three.notes(2)) > before


def test_a_model_that_fails_in_one_session_stops_no_other(three):
    playing(three, 1, 2)
    three.run(1.0)
    inner = three.engine.engine.session(2).players[1].player

    class Broken:
        def __getattr__(self, name):
            if name == "step":
                raise FloatingPointError("broken")
            return getattr(inner_model, name)

    inner_model, inner.model = inner.model, Broken()
    before = len(three.notes(1))
    three.run(4.0)
    assert len(three.notes(1)) > before
    errors = [one.arguments for one in three.received(at(2, "error"))]
    assert len(three.engines) == 1
    assert not three.received("/rnnmuse/error"), errors
    assert not three.received(at(1, "error"))


def test_one_session_is_like_a_stage():
    alone, one = StageClient(), SessionsClient(1)
    for client in (alone, one):
        client.send("/rnnmuse/player/1/param/seed", 3)
        client.send("/rnnmuse/player/1/mode", "free")
        client.send("/rnnmuse/player/1/start")
        client.send("/rnnmuse/transport/play")
        client.run(4.0)
    assert music(alone.notes("on")) == music(one.notes(1))
    one.close()
    assert not one.outputs[0].sounding


def test_a_crowd_that_hears_one_session_gets_every_note_of_it_in_order(three):
    crowd = [Client("127.0.0.1", 51_000 + number) for number in range(PROMPT + 24)]
    for client in (*crowd, ME):
        three.send(at(2, "subscribe"), 600.0, client=client)
    three.send(at(3, "subscribe"), 600.0)
    playing(three, 2, 3)
    three.run(3.0)
    heard = {client: three.received(at(2, "out/1/note"), client) for client in (*crowd, ME)}
    assert len(heard[ME]) > 8
    assert all(notes == heard[ME] for notes in heard.values())
    assert three.received(at(3, "out/1/note"))


def test_at_the_end_the_notes_of_every_session_end_before_the_port_closes(three, monkeypatch):
    for number in (1, 2, 3):
        three.send(at(number, "subscribe"), 600.0)
    playing(three, 1, 2, 3)
    while not all(output.sounding for output in three.outputs):
        three.run(0.05)
    sent, close = [], three.server.close
    monkeypatch.setattr(three.server, "close", lambda: (sent.append(len(three.server.sent)), close()))
    three.close()
    assert sent == [len(three.server.sent)], "closed once, and nothing is sent after that"
    for number in (1, 2, 3):
        sounding = set()
        for note in three.received(at(number, "out/1/note")):
            (sounding.add if note.arguments[1] else sounding.discard)(note.arguments[0])
        assert not sounding
