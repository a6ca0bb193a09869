"""A cued clock stands with its plan made: a start is in time, and a render plays on out of time."""

import pytest

from rnnmuse.bridges.osc_server import Client
from rnnmuse.protocol import ProtocolError
from rnnmuse.testing import StageClient

OTHER = Client("127.0.0.1", 40_000)


@pytest.fixture
def stage():
    made = StageClient()
    made.send("/rnnmuse/watch", 3600)
    made.send("/rnnmuse/transport/source", "osc")
    made.send("/rnnmuse/player/1/model", "grooves")
    made.send("/rnnmuse/player/1/mode", "free")
    made.run(0.1)
    yield made
    made.close()


def plan(stage, since=0):
    """What is planned after the last recall of everything: beat, pitch and velocity."""
    out = []
    for message in stage.received()[since:]:
        if message.address == "/rnnmuse/out/1/planned":
            pitch, velocity, beat, _, _ = message.arguments
            out.append((round(beat * 960), pitch, velocity))
        elif message.address == "/rnnmuse/out/1/recalled":
            first = round(message.arguments[0] * 960)
            out = [note for note in out if note[0] < first]
    return out


def follow(stage, beats, begin=0.0):
    """Lead the clock for so many beats at 120, ten positions a second."""
    for step in range(round(beats * 5)):
        stage.send("/rnnmuse/transport/beat", begin + step / 5, 120.0)
        stage.run(0.1)


def test_what_is_played_first_is_planned_while_the_clock_stands(stage):
    stage.send("/rnnmuse/transport/cue", 8.0, 120.0)
    stage.run(0.2)
    assert stage.ask("/rnnmuse/transport/running") == (0,)
    ahead = plan(stage)
    assert ahead
    assert all(8 <= tick / 960 <= 11 for tick, *_ in ahead)
    assert not stage.notes(), "nothing sounds yet"
    stage.send("/rnnmuse/transport/beat", 8.0, 120.0)
    stage.run(0.05)
    assert plan(stage)[: len(ahead)] == ahead, "the start keeps the plan"
    follow(stage, 4, 8.0)
    first = next(tick for tick, _, velocity in ahead if velocity)
    assert round(stage.notes("on")[0].beat * 960) == first
    assert not stage.hung()


def test_a_render_is_the_live_take(stage):
    stage.send("/rnnmuse/transport/cue", 0.0, 120.0)
    stage.run(0.2)
    follow(stage, 16)
    live = [note for note in plan(stage) if note[0] < 16 * 960]
    assert len(live) > 20
    stage.send("/rnnmuse/transport/stop")
    since = len(stage.received())
    stage.send("/rnnmuse/transport/cue", 0.0, 120.0)
    for beat in range(1, 17):
        assert stage.ask("/rnnmuse/transport/render", float(beat), 120.0, answer="/rnnmuse/transport/rendered") == (
            beat,
        )
    rendered = [note for note in plan(stage, since) if note[0] < 16 * 960]
    assert rendered == live
    assert not stage.hung()


def test_a_render_that_begins_while_the_clock_runs_never_goes_back(stage):
    follow(stage, 4)
    place = stage.ask("/rnnmuse/transport/position")[0]
    stage.ask("/rnnmuse/transport/render", 1.0, answer="/rnnmuse/transport/rendered")
    assert stage.ask("/rnnmuse/transport/position")[0] >= place
    assert stage.ask("/rnnmuse/transport/running") == (0,)
    follow(stage, 2, place)
    assert stage.ask("/rnnmuse/transport/running") == (1,)
    assert not stage.hung()


def test_a_stop_of_a_cued_clock_takes_its_plan_back(stage):
    stage.send("/rnnmuse/transport/cue", 0.0)
    stage.run(0.1)
    assert plan(stage)
    stage.send("/rnnmuse/transport/stop")
    stage.run(0.1)
    assert not plan(stage)


def test_every_end_is_told_to_watchers(stage):
    stage.send("/rnnmuse/transport/cue", 0.0)
    follow(stage, 2)
    before = len(stage.received("/rnnmuse/out/1/ended"))
    stage.send("/rnnmuse/player/1/stop")
    stage.run(0.1)
    assert len(stage.received("/rnnmuse/out/1/ended")) > before


def test_each_sender_has_a_player_of_its_own(stage):
    def claim(client, number):
        stage.send("/rnnmuse/claim", number, client=client)
        return stage.received("/rnnmuse/claim", client)[-1].arguments[0]

    clients = [Client("127.0.0.1", 41_000 + n) for n in range(17)]
    first = claim(clients[0], 0)
    assert first == 2, "player 1 plays already: somebody has set it up"
    assert claim(clients[0], 0) == first
    assert claim(clients[1], first) not in (first, 0)
    assert claim(clients[0], 9) == 9
    assert claim(clients[1], -1) == 0
    numbers = {claim(client, 0) for client in clients[:16]}
    assert numbers == set(range(1, 17))
    assert claim(clients[16], 0) == 0
    stage.send("/rnnmuse/unsubscribe", client=clients[3])
    assert claim(clients[16], 0) in numbers


# -- a stage that begins to play as its engine is there ----------------------------------------------------------


def beginning() -> StageClient:
    """A stage that was told to begin while its engine still loads."""
    client = StageClient()
    client.freeze_engine()
    client.stage.take("/rnnmuse/player/1/mode", "free")
    client.stage.begin()
    client.stage.take("/rnnmuse/player/1/started", 1)
    return client


def test_the_first_note_comes_as_soon_as_the_engine_plays():
    client = beginning()
    client.run(1.3)
    assert not client.notes()
    assert not client.stage.clock.running
    client.engine.frozen = False
    there = client.time
    client.run(4.0)
    first = next(time for time, sent in client.output.events if sent.velocity)
    started = client.stage.clock.beat_at(there)
    assert started == pytest.approx(0.0, abs=1e-6)  # beat 0 is when it was there, and nothing before was left out
    assert client.stage.clock.beat_at(first) < 2.0
    assert client.stage.lateness.worst < 1_000_000  # ns, of the clock in the test's hands
    assert not client.hung()


@pytest.mark.parametrize("word", ["stop", "play", "position"])
def test_whoever_starts_or_stops_before_the_engine_plays_is_obeyed(word):
    client = beginning()
    client.run(0.5)
    client.send(f"/rnnmuse/transport/{word}", *([8.0] if word == "position" else []))
    jumps, running = client.stage.transport.jumps, client.stage.clock.running
    client.engine.frozen = False
    client.run(1.0)
    assert (client.stage.transport.jumps, client.stage.clock.running) == (jumps, running)
    assert running == (word == "play")
    assert not client.hung()


def test_an_engine_that_dies_before_it_plays_delays_the_beginning_alone():
    client = beginning()
    client.run(0.5)
    client.kill_engine()
    client.run(0.5)
    assert client.stage.clock.running
    client.run(4.0)
    assert client.notes("on")
    assert not client.hung()


def test_one_of_several_leads_until_it_is_gone(stage):
    def lead(client, wanted=1):
        stage.send("/rnnmuse/lead", wanted, client=client)
        return stage.received("/rnnmuse/lead", client)[-1].arguments[0]

    first, second, stranger = (Client("127.0.0.1", 41_100 + n) for n in range(3))
    for client in (first, second):
        stage.send("/rnnmuse/claim", 0, client=client)
    assert lead(stranger) == 0, "it is not subscribed: nobody would see that it is gone"
    assert (lead(first), lead(second), lead(first)) == (1, 0, 1)
    assert lead(second, 0) == 0
    assert lead(first) == 1
    stage.send("/rnnmuse/unsubscribe", client=first)
    assert lead(second) == 1
    assert lead(second, 0) == 0
    stage.send("/rnnmuse/claim", 0, client=first)
    assert lead(first) == 1


@pytest.mark.parametrize("after", [0, 2])
def test_a_render_that_finds_the_engine_busy_is_answered(stage, monkeypatch, after):
    """At once, or when it has come some beats far; nothing waits for an answer that never comes."""
    asked, once_played = [], type(stage.stage.about).once_played

    def full(about, act):
        asked.append(act)
        if len(asked) > after:
            raise ProtocolError("limit", "the engine is busy; too many messages wait")
        once_played(about, act)

    monkeypatch.setattr(type(stage.stage.about), "once_played", full)
    before = len(stage.errors())
    stage.send("/rnnmuse/transport/render", 8.0, 120.0)
    stage.run(0.5)
    (error,) = stage.errors()[before:]
    assert error[:2] == ("/rnnmuse/transport/render", "limit")
    assert "the engine is busy" in error[2]
    assert ("rendered to 2" in error[2]) == (after == 2)
    assert not stage.received("/rnnmuse/transport/rendered")
