"""Watchers get each value once it holds, whoever set it, and each note when it is planned."""

import pytest

from rnnmuse.bridges.osc_server import Client
from rnnmuse.testing import StageClient

OTHER = Client("127.0.0.1", 40_000)


@pytest.fixture
def stage():
    made = StageClient()
    made.send("/rnnmuse/watch", 3600)
    made.run(0.1)
    yield made
    made.close()


def values(stage, address, since=0):
    return [message.arguments for message in stage.received(address)[since:]]


def test_what_another_client_sets_is_told_once_it_holds(stage):
    before = len(values(stage, "/rnnmuse/transport/tempo"))
    for bpm in (90.0, 100.0, 133.0):
        stage.send("/rnnmuse/transport/tempo", bpm, client=OTHER)
    stage.send("/rnnmuse/player/2/norm/density", 0.5, client=OTHER)
    stage.run(0.2)
    assert values(stage, "/rnnmuse/transport/tempo", before) == [(133.0,)], "of several within 20 ms the last"
    assert values(stage, "/rnnmuse/player/2/param/density") == [(12.0,)]


def test_a_value_that_waits_for_the_beat_is_told_on_the_beat(stage):
    stage.send("/rnnmuse/player/1/when", "beat", client=OTHER)
    stage.send("/rnnmuse/transport/play", client=OTHER)
    stage.run(0.1)
    stage.send("/rnnmuse/player/1/param/temperature", 2.0, client=OTHER)
    stage.run(0.1)
    assert not values(stage, "/rnnmuse/player/1/param/temperature")
    stage.run(0.6)
    assert values(stage, "/rnnmuse/player/1/param/temperature") == [(2.0,)]


def test_what_is_refused_is_told_as_it_was(stage):
    stage.send("/rnnmuse/player/1/model", "nosuch", client=OTHER)
    stage.run(0.2)
    assert values(stage, "/rnnmuse/player/1/model") == [("lieder",)]


def test_every_note_is_planned_before_it_begins_and_a_stop_recalls_the_rest(stage):
    stage.send("/rnnmuse/player/1/start", client=OTHER)
    stage.run(4)
    for _ in range(40):  # at some moment a note has begun, and the next is not far
        stage.run(0.1)
        planned = {(p, beat) for p, velocity, beat, _, _ in values(stage, "/rnnmuse/out/1/planned") if velocity}
        played = {(p, beat) for p, velocity, _, beat in values(stage, "/rnnmuse/out/1/note") if velocity}
        assert played
        assert played <= planned
        last = max(beat for _, beat in played)
        if max(beat for _, beat in planned) > last:
            break
    else:
        raise AssertionError("it shows what is about to be played")
    stage.send("/rnnmuse/player/1/stop", client=OTHER)
    stage.run(0.2)
    recalled = values(stage, "/rnnmuse/out/1/recalled")[-1][0]
    assert last <= recalled < max(beat for _, beat in planned)
    assert values(stage, "/rnnmuse/player/1/started")[-1] == (0,)
    assert values(stage, "/rnnmuse/transport/running")[-1] == (1,)


def test_a_subscriber_that_does_not_watch_gets_none_of_it():
    plain = StageClient()
    plain.send("/rnnmuse/transport/tempo", 90.0, client=OTHER)
    plain.send("/rnnmuse/player/1/start", client=OTHER)
    plain.run(1)
    addresses = {message.address for message in plain.received()}
    assert "/rnnmuse/out/1/note" in addresses
    assert not addresses & {"/rnnmuse/transport/tempo", "/rnnmuse/out/1/planned", "/rnnmuse/transport/running"}
    plain.close()


def test_muted_and_not_solo_players_play_on_unheard(stage):
    for player in (1, 2):
        stage.send(f"/rnnmuse/player/{player}/start", client=OTHER)
    stage.run(2)
    stage.send("/rnnmuse/player/1/mute", 1, client=OTHER)
    assert not [sent for sent in stage.output.sounding.values() if sent.player == 1]
    at = len(stage.notes("on"))
    stage.run(4)
    assert {sent.player for sent in stage.notes("on")[at:]} == {2}
    stage.send("/rnnmuse/player/1/mute", 0, client=OTHER)
    stage.send("/rnnmuse/player/1/solo", 1, client=OTHER)
    at = len(stage.notes("on"))
    stage.run(4)
    assert {sent.player for sent in stage.notes("on")[at:]} == {1}
    stage.send("/rnnmuse/player/1/solo", 0, client=OTHER)
    at = len(stage.notes("on"))
    stage.run(4)
    assert {sent.player for sent in stage.notes("on")[at:]} == {1, 2}
    assert not stage.output.twice
    assert stage.hung() == []


def test_mute_and_solo_are_part_of_a_preset(stage):
    stage.send("/rnnmuse/player/3/mute", 1)
    stage.send("/rnnmuse/preset/store", 1)
    stage.send("/rnnmuse/player/3/mute", 0)
    stage.send("/rnnmuse/preset/recall", 1)
    assert stage.ask("/rnnmuse/player/3/mute") == (1,)


def test_running_and_started_are_values(stage):
    stage.send("/rnnmuse/player/1/started", 1)
    assert stage.ask("/rnnmuse/player/1/started") == (1,)
    assert stage.ask("/rnnmuse/transport/running") == (0,)
    stage.send("/rnnmuse/transport/running", 1)
    stage.run(2)
    assert stage.notes("on")
    stage.send("/rnnmuse/transport/running", 0)
    assert stage.ask("/rnnmuse/transport/running") == (0,)
    assert not stage.output.sounding


def test_a_monitor_gets_a_copy_of_what_comes_in(stage):
    stage.send("/rnnmuse/monitor", 60)
    stage.send("/rnnmuse/transport/tempo", 99, client=OTHER)
    stage.send("/rnnmuse/ping", 1, client=OTHER)
    assert values(stage, "/rnnmuse/monitored") == [("127.0.0.1:40000", "/rnnmuse/transport/tempo", "[99.0]")]
    stage.send("/rnnmuse/monitor", 0)
    stage.send("/rnnmuse/transport/tempo", 98, client=OTHER)
    assert len(values(stage, "/rnnmuse/monitored")) == 1


def test_a_test_note_sounds_on_one_output_and_ends(stage):
    stage.send("/rnnmuse/midi/test", "recording")
    assert [(sent.channel, sent.pitch, sent.velocity) for sent in stage.notes()] == [(0, 60, 90)]
    stage.run(1)
    assert [sent.velocity for sent in stage.notes()] == [90, 0]
    stage.send("/rnnmuse/midi/test", "no such output")
    assert "must be part of one of: recording output" in stage.errors()[-1][2]
    assert stage.hung() == []


RIFF = [(0, 0.5, 62), (0.5, 0.5, 65), (1, 1, 69), (2, 0.5, 67), (2.5, 0.5, 65), (3, 1, 64)]
PROMPT = [number for start, beats, pitch in RIFF for number in (start, beats, pitch, 90)]


def test_a_prompt_is_heard_as_if_it_had_been_played(stage):
    stage.send("/rnnmuse/transport/position", 8)
    stage.send("/rnnmuse/player/1/prompt", *PROMPT)
    stage.settle()
    heard = stage.engine.engine.players[1]._past
    assert [(note.beat, note.pitch) for note in heard if note.velocity] == [(s + 4, pitch) for s, _, pitch in RIFF]
    for wrong, code in ((PROMPT[:3], "count"), ([0, 1, 200, 90], "range"), ([0, 1, "x", 90], "type"), ([], "count")):
        stage.send("/rnnmuse/player/1/prompt", *wrong)
        assert stage.errors()[-1][1] == code
    stage.send("/rnnmuse/player/1/start")
    stage.run(3)
    assert stage.notes("on")
    assert stage.hung() == []


def test_a_phrase_model_takes_a_prompt_as_its_phrase_and_shows_its_phrases(stage):
    stage.send("/rnnmuse/player/1/model", "phrases")
    stage.send("/rnnmuse/player/1/prompt", *PROMPT)
    stage.send("/rnnmuse/player/1/mode", "loop")
    stage.send("/rnnmuse/transport/play")
    stage.run(6)
    assert {sent.pitch for sent in stage.notes("on")} == {pitch for _, _, pitch in RIFF}
    slot, *numbers = stage.ask("/rnnmuse/player/1/latent/phrase", 2)
    assert slot == 2
    assert len(numbers) % 4 == 0
    assert len(numbers) >= 8
    assert all(0 <= pitch <= 127 for pitch in numbers[2::4])
    stage.send("/rnnmuse/player/2/latent/phrase", 1)
    stage.settle()
    assert "no latent space" in stage.errors()[-1][2]
    assert stage.hung() == []
