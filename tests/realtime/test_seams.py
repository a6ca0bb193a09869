"""Faults between two parts of the live core, each tested at its own stage with the clocks in the test's hands."""

import math
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from rnnmuse.bridges import osc
from rnnmuse.bridges.midi_in import MidiReceiver
from rnnmuse.bridges.osc_server import PROMPT, Client
from rnnmuse.clock import PPQ
from rnnmuse.config import Rig, load, parse
from rnnmuse.models.stream import StreamModel
from rnnmuse.realtime.outgoing import LIMIT
from rnnmuse.realtime.rig import open_rig, save_rig
from rnnmuse.realtime.stage import Settings
from rnnmuse.realtime.supervisor import MOST_FAILURES, SLOWEST_LOAD, STALLED, WINDOW
from rnnmuse.session import messages as m
from rnnmuse.testing import LOOK, ME, RecordingOutput, StageClient, shared_model

CASES = Path(__file__).parents[1] / "cases"
MIDI_CLOCK, START, CONTINUE, STOP, POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
NOTICED = (STALLED + 2 * LOOK) / 1e9
"""Seconds within which the watchdog has replaced an engine that does not answer."""

P1, P2 = "/rnnmuse/player/1", "/rnnmuse/player/2"
T = "/rnnmuse/transport"


@pytest.fixture
def stage():
    made = StageClient()
    yield made
    assert not made.hung()
    assert not made.output.twice
    made.close()


def playing(stage, player=1, mode="free", **parameters):
    """Let a player play from the first beat of the piece."""
    for name, value in parameters.items():
        stage.send(f"/rnnmuse/player/{player}/param/{name}", value)
    stage.send(f"/rnnmuse/player/{player}/mode", mode)
    stage.send(f"/rnnmuse/player/{player}/start")
    stage.settle()


def began(stage, since=0):
    """The note-ons since the output's event of this number."""
    return [sent for _, sent in stage.output.events[since:] if sent.velocity]


def pinged(stage, number=1):
    """Whether a ping is answered before anything else happens."""
    stage.send("/rnnmuse/ping", number)
    last = stage.received()[-1]
    return (last.address, last.arguments) == ("/rnnmuse/pong", (number,))


def codes(stage):
    return [code for _, code, _ in stage.errors()]


# -- 1. a flood, a slow engine, a hung engine -----------------------------------------------------------------------


def test_one_packet_of_seven_kilobytes_is_answered_and_the_music_goes_on(stage):
    playing(stage)
    stage.run(1.0)
    for number in range(20):
        stage.send_packet((CASES / "one_datagram.bin").read_bytes())
        assert pinged(stage, number)
        assert len(stage.engine.queue) <= LIMIT
    since = len(stage.output.events)
    stage.run(4.0)
    assert began(stage, since)
    assert len(stage.engines) == 1


def test_bundles_of_faders_wait_as_one_value():
    stage = StageClient(Settings(port=0, model="phrases"))
    for number in range(6):
        packets = [osc.build(f"{P1}/latent/1", [(number * 180 + k) / 200]) for k in range(180)]
        stage.send_packet(osc.bundle(osc.NOW, packets))
        assert pinged(stage, number)
    assert len(stage.engine.queue) == 1
    (value,) = stage.ask(f"{P1}/latent/1")
    assert value == pytest.approx(1079 / 200)
    assert not stage.errors()
    assert not stage.hung()


def test_a_fader_of_two_thousand_values_a_second_leaves_the_engine_time(stage):
    playing(stage)
    for step in range(2000):
        stage.send(f"{P1}/param/temperature", 0.5 + step / 4000)
        if step % 20 == 0:
            assert pinged(stage, step)
            assert len(stage.engine.queue) <= 2
            stage.run(0.01)
    assert stage.ask(f"{P1}/param/temperature")[0] == pytest.approx(0.5 + 1999 / 4000)
    assert began(stage)


@pytest.mark.parametrize("runs", [True, False], ids=["clock runs", "clock stands"])
def test_an_engine_that_is_frozen_under_a_flood_is_replaced(stage, runs):
    playing(stage)
    if not runs:
        stage.send(f"{T}/stop")
    stage.run(1.0)
    stage.freeze_engine()
    for step in range(int(NOTICED * 200)):
        stage.send(f"{P2}/note", 40 + step % 40, 90 if step % 2 else 0)
        stage.send(f"{P1}/param/temperature", 0.5 + step / 1000)
        assert pinged(stage, step)
        stage.run(0.005)
    assert len(stage.engines) == 2
    assert "engine" in codes(stage)
    assert stage.ask(f"{P1}/param/temperature")[0] == pytest.approx(0.5 + (int(NOTICED * 200) - 1) / 1000)
    since = len(stage.output.events)
    stage.run(3.0)
    assert bool(began(stage, since)) == runs


def test_a_full_queue_refuses_notes_and_keeps_their_ends_and_the_stop(stage):
    playing(stage, 2, "accompany")
    stage.run(0.1)
    stage.freeze_engine()
    held = []
    for number in range(LIMIT + 200):
        stage.send(f"/rnnmuse/player/{1 + number % 16}/note", number // 16 % 128, 90)
        if "limit" not in codes(stage):
            held.append((1 + number % 16, number // 16 % 128))
    assert codes(stage).count("limit") == LIMIT + 200 - len(held)
    assert len(stage.engine.queue) <= LIMIT
    for player, pitch in held:
        stage.send(f"/rnnmuse/player/{player}/note", pitch, 0)
    stage.send(f"{P2}/stop")
    waiting = stage.engine.queue.close()
    offs = {(w.player, w.pitch) for w in waiting if isinstance(w, m.Hear) and not w.velocity}
    assert offs == set(held)
    assert isinstance(waiting[-1], m.Stop)


def test_an_engine_that_never_becomes_ready_is_replaced(stage):
    stage.kill_engine()
    stage.freeze_engine()  # before it says that it is ready
    stage.run(SLOWEST_LOAD / 1e9 - 1)
    assert len(stage.engines) == 2
    stage.run(1 + 2 * LOOK / 1e9)
    assert len(stage.engines) == 3
    playing(stage)
    stage.run(2.0)
    assert began(stage)


@pytest.mark.parametrize("mode", ["free", "loop"])
def test_a_player_that_is_stopped_stays_so_when_its_engine_is_replaced(stage, mode):
    """Both modes begin to play where they are set while the clock runs."""
    playing(stage)
    stage.send(f"{P1}/mode", mode)
    stage.run(2.0)
    stage.send(f"{P1}/stop")
    stage.settle()
    stage.kill_engine()
    since = len(stage.output.events)
    stage.run(4.0)
    assert stage.stage.clock.running
    assert not began(stage, since)
    assert stage.ask(f"{P1}/mode") == (mode,)
    stage.send(f"{P1}/start")
    stage.run(4.0)
    assert mode == "loop" or began(stage, since)


# -- 2. jumps and times ---------------------------------------------------------------------------------------------

JUMPS = {
    "position": lambda stage: stage.send(f"{T}/position", 21.3),
    "start while running": lambda stage: stage.send(f"{T}/play"),
    "stop and continue": lambda stage: (stage.send(f"{T}/stop"), stage.send(f"{T}/continue")),
    "song position": lambda stage: lead(stage, (POSITION, 40), (MIDI_CLOCK, 0)),
    "host loop": lambda stage: (stage.send(f"{T}/source", "osc"), stage.send(f"{T}/beat", 64.0, 120.0)),
}


def lead(stage, *words):
    """MIDI clock messages from a program that leads, 24 pulses a beat of 120 bpm from then on for a beat."""
    if stage.stage.transport.source != "midi":
        stage.send(f"{T}/source", "midi")
        stage.stage.midi.clock(START, stage.time)
        for _ in range(30):
            stage.stage.midi.clock(MIDI_CLOCK, stage.time)
            stage.run(0.5 / 24)
    for status, value in words:
        stage.stage.midi.clock(status, stage.time, value)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_keeps_the_model_change_that_waits_for_the_bar(stage, jump):
    playing(stage)
    stage.run(0.7)
    stage.send(f"{P1}/model", "leadsheet")
    stage.settle()
    assert not any(isinstance(message, m.SetModel) for message in stage.engine.taken)
    JUMPS[jump](stage)
    stage.run(3.0)
    assert stage.ask(f"{P1}/model") == ("leadsheet",)
    assert stage.engine.engine.players[1].model.name == "leadsheet"


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_keeps_a_change_that_waits_for_the_bar(stage, jump):
    playing(stage)
    stage.run(0.7)
    stage.send(f"{P1}/when", "bar")
    stage.send(f"{P1}/param/density", 3.0)
    assert stage.ask(f"{P1}/param/density") == (0.0,)
    JUMPS[jump](stage)
    stage.run(3.0)
    assert stage.ask(f"{P1}/param/density") == (3.0,)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_does_not_move_a_message_with_a_time_tag(stage, jump):
    playing(stage)
    stage.run(0.7)
    end = stage.time + 2_000_000_000
    stage.send("/rnnmuse/ping", 77, due=2.0)
    JUMPS[jump](stage)
    stage.run((end - stage.time) / 1e9 - 0.01)
    assert not stage.received("/rnnmuse/pong")
    stage.run(0.02)
    assert [pong.arguments for pong in stage.received("/rnnmuse/pong")] == [(77,)]


def beats_of(stage, since=0):
    return [beat.arguments[0] for beat in stage.received("/rnnmuse/beat")[since:]]


def test_beats_are_sent_from_the_new_place_after_start_and_position_while_running(stage):
    stage.send(f"{T}/play")
    stage.run(1.2)
    assert beats_of(stage) == [0, 1, 2]
    stage.send(f"{T}/play")
    stage.run(1.2)
    assert beats_of(stage, 3) == [0, 1, 2]
    stage.send(f"{T}/position", 9.5)
    stage.run(1.0)
    assert beats_of(stage, 6) == [10, 11]


def test_beats_are_sent_after_start_and_song_position_of_midi_while_running(stage):
    lead(stage)
    seen = len(beats_of(stage))
    stage.stage.midi.clock(START, stage.time)
    for _ in range(30):
        stage.stage.midi.clock(MIDI_CLOCK, stage.time)
        stage.run(0.5 / 24)
    assert beats_of(stage, seen) == [0, 1]
    seen = len(beats_of(stage))
    stage.stage.midi.clock(POSITION, stage.time, 40)
    for _ in range(30):
        stage.stage.midi.clock(MIDI_CLOCK, stage.time)
        stage.run(0.5 / 24)
    assert beats_of(stage, seen) == [10, 11]


def test_play_with_a_time_tag_begins_then_though_the_clock_stands(stage):
    stage.send(f"{T}/play", due=2.0)
    stage.run(1.99)
    assert not stage.stage.clock.running
    stage.run(0.02)
    assert stage.stage.clock.running
    assert stage.ask(f"{T}/position")[0] == pytest.approx(0.02, abs=0.002)


@pytest.mark.parametrize("tempo", [40, 300])
def test_a_message_keeps_its_time_over_a_change_of_tempo(stage, tempo):
    stage.send(f"{T}/play")
    stage.send("/rnnmuse/ping", 5, due=2.0)
    stage.run(0.5)
    stage.send(f"{T}/tempo", tempo)
    stage.run(1.49)
    assert not stage.received("/rnnmuse/pong")
    stage.run(0.02)
    assert stage.received("/rnnmuse/pong")


def test_midi_out_says_start_or_continue_as_it_was_asked(stage):
    port = RecordingOutput(lambda: stage.time, "port", clock=True)
    stage.stage.add_output(port)

    def said():
        words = [data for _, data in port.data if data != [MIDI_CLOCK]]
        port.data.clear()
        return words

    stage.send(f"{T}/play")
    stage.run(1.0)
    assert said() == [[START]]
    stage.send(f"{T}/play")
    stage.run(0.6)
    assert said() == [[STOP], [START]]
    stage.send(f"{T}/stop")
    stage.send(f"{T}/continue")  # from 1.2 beats: the next sixteenth is the fifth
    stage.run(0.6)
    assert said() == [[STOP], [POSITION, 5, 0], [CONTINUE]]
    stage.send(f"{T}/position", 8.0)
    stage.run(0.5)
    assert said() == [[STOP], [POSITION, 32, 0], [CONTINUE]]
    stage.send(f"{T}/stop")
    stage.send(f"{T}/position", 0.0)
    stage.send(f"{T}/continue")  # at the beginning, yet what was asked for is Continue
    stage.run(0.5)
    assert said() == [[STOP], [POSITION, 0, 0], [CONTINUE]]


# -- 3. stop holds, and a channel message concerns its channel -----------------------------------------------------

SILENCERS = {"panic": f"{T}/panic", "player stop": f"{P1}/stop"}


@pytest.mark.parametrize("silencer", SILENCERS)
def test_silence_holds_over_changes_of_tempo_metre_and_swing(stage, silencer):
    playing(stage)
    stage.run(2.0)
    stage.send(SILENCERS[silencer])
    since = len(stage.output.events)
    for tempo in (90, 121, 200):
        stage.send(f"{T}/tempo", tempo)
        stage.send(f"{T}/metre", 3, 4)
        stage.send(f"{T}/swing", 0.6)
        stage.run(2.0)
    assert not began(stage, since)
    stage.send(f"{P1}/start")
    stage.run(2.0)
    assert began(stage, since)


@pytest.mark.parametrize("silencer", SILENCERS)
def test_silence_holds_over_midi_clock(stage, silencer):
    lead(stage)
    playing(stage)
    for _ in range(48):
        stage.stage.midi.clock(MIDI_CLOCK, stage.time)
        stage.run(0.5 / 24)
    assert began(stage)
    stage.send(SILENCERS[silencer])
    since = len(stage.output.events)
    for pulse in range(200):
        stage.stage.midi.clock(MIDI_CLOCK, stage.time)
        stage.run(0.5 / 24 if pulse < 100 else 0.5 / 30)
    assert not began(stage, since)


def test_a_stop_here_holds_while_another_programs_clock_runs_on(stage):
    lead(stage)
    playing(stage)
    stage.send(f"{T}/stop")
    since = len(stage.output.events)
    for _ in range(100):
        stage.stage.midi.clock(MIDI_CLOCK, stage.time)
        stage.run(0.5 / 24)
    assert not stage.stage.clock.running
    assert not began(stage, since)
    lead(stage, (START, 0), (MIDI_CLOCK, 0))
    stage.run(1.0)
    assert stage.stage.clock.running
    assert began(stage, since)


def test_play_after_a_stop_and_a_panic_lets_the_players_play_again(stage):
    playing(stage)
    stage.run(1.0)
    stage.send(f"{T}/panic")
    stage.send(f"{T}/stop")
    since = len(stage.output.events)
    stage.run(1.0)
    stage.send(f"{T}/play")
    stage.run(2.0)
    assert began(stage, since)


@pytest.mark.parametrize("number", [120, 123])
def test_all_notes_off_of_one_channel_concerns_the_players_that_hear_it(stage, number):
    def sounding():
        return {sent.player for sent in stage.output.sounding.values()}

    for player in (1, 2):
        playing(stage, player)
    while sounding() != {1, 2}:
        stage.run(0.05)
    receiver = MidiReceiver(stage.stage.midi)
    receiver.receive([0xB5, number, 0])  # channel 6, which neither hears
    assert sounding() == {1, 2}
    receiver.receive([0xB0, number, 0])
    assert sounding() == {2}
    since = len(stage.output.events)
    stage.run(4.0)
    assert {sent.player for sent in began(stage, since)} == {1, 2}, "they go on to their next notes"


@pytest.mark.parametrize("fast", [True, False], ids=["fast engine", "slow engine"])
def test_a_rig_begins_with_the_notes_of_its_model(fast):
    stage = StageClient()
    control = stage.stage.control
    take = control.take

    def taken(*values, **options):
        take(*values, **options)
        if fast:
            stage.settle()

    control.take = taken
    rig = parse('[stage]\nplay = true\ndiscovery = false\n[player.1]\nmodel = "grooves"\nmode = "free"\nstarted = true')
    open_rig(stage.stage, rig, None)
    stage.run(2.0)
    assert stage.notes("on")
    assert all(sent.drum for sent in stage.notes("on"))
    assert not stage.hung()


# -- 4. what is answered was accepted ------------------------------------------------------------------------------


def rig_text(stage, tmp_path):
    path = tmp_path / "saved.toml"
    save_rig(stage.stage, Rig(), path)()
    return load(path)


@pytest.mark.parametrize(
    ("address", "wrong", "right"),
    [
        ("param/key", "H minor", ""),
        ("param/scale", "wide", ""),
        ("param/chord", "Qm", ""),
        ("model", "nobody", "lieder"),
    ],
)
def test_what_is_refused_changes_nothing(stage, tmp_path, address, wrong, right):
    stage.send(f"{P1}/mode", "continue")
    stage.send(f"{P1}/{address}", wrong)
    stage.settle()
    ((at, code, text),) = stage.errors()
    assert (at, code) == (f"{P1}/{address}", "value")
    assert wrong in text
    assert stage.ask(f"{P1}/{address}") == (right,)
    stage.send("/rnnmuse/preset/store", 3)
    seat = stage.stage.players.presets[3][1]
    assert not seat.model
    assert not seat.parameters
    assert rig_text(stage, tmp_path).players[1].mode == "continue"


def test_while_the_engine_is_frozen_nothing_is_answered_that_it_did_not_accept(stage, tmp_path):
    stage.send(f"{P1}/param/key", "G major")
    stage.settle()
    stage.freeze_engine()
    stage.send(f"{P1}/param/key", "D minor")
    stage.send(f"{P1}/param/key")
    stage.send("/rnnmuse/preset/store", 1)
    assert not stage.received(f"{P1}/param/key")
    assert stage.stage.players.presets[1][1].parameters["key"] == "G major"
    assert rig_text(stage, tmp_path).players[1].parameters["key"] == "G major"
    stage.run(NOTICED)
    assert [answer.arguments for answer in stage.received(f"{P1}/param/key")] == [("D minor",)]
    assert stage.engine.engine.players[1].parameters["key"] == "D minor"


def test_what_was_asked_of_a_frozen_engine_is_asked_of_the_next(stage):
    stage.freeze_engine()
    stage.send(f"{P1}/mode", "continue")
    stage.send(f"{P1}/start")
    stage.send(f"{P2}/mode", "free")
    stage.send(f"{P2}/stop")
    stage.send("/rnnmuse/player/3/model", "grooves")
    stage.run(NOTICED)
    assert stage.ask(f"{P1}/mode") == ("continue",)
    assert stage.ask(f"{P2}/mode") == ("free",)
    assert stage.ask("/rnnmuse/player/3/model") == ("grooves",)
    assert not stage.stage.players.seats[2].started
    stage.send(f"{T}/play")
    stage.run(2.0)
    assert {sent.player for sent in began(stage)} == {1}


def test_a_mode_and_play_in_one_bundle_begin(stage):
    packets = [osc.build(f"{P1}/mode", ["free"]), osc.build(f"{T}/play", [])]
    stage.send_packet(osc.bundle(osc.NOW, packets))
    stage.run(2.0)
    assert began(stage)


def test_a_stop_after_a_mode_and_a_start_after_off_hold(stage):
    stage.send(f"{P1}/mode", "free")
    stage.send(f"{P1}/stop")  # before the engine has answered the mode
    stage.send(f"{P2}/mode", "off")
    stage.send(f"{P2}/start")
    stage.run(1.0)
    stage.send(f"{T}/position", 4.0)  # those that are started begin again there
    stage.run(2.0)
    assert {sent.player for sent in began(stage)} == {2}


@pytest.mark.parametrize("model", ["lieder", "phrases"])
@pytest.mark.parametrize("end", [f"{P1}/stop", f"{T}/panic", f"{T}/stop", f"{T}/play"])
def test_a_job_that_is_cut_short_is_done(stage, model, end):
    stage.send(f"{P1}/model", model)
    (job,) = stage.ask(f"{P1}/generate", 64)
    stage.run(2.0)
    assert not stage.received(f"{P1}/done")
    stage.send(end)
    stage.run(0.5)
    ((found, notes),) = [done.arguments for done in stage.received(f"{P1}/done")]
    assert found == job
    assert notes > 0


def test_a_job_that_is_lost_with_the_engine_is_told_of(stage):
    (first,) = stage.ask(f"{P1}/generate", 1)
    stage.run(2.0)
    assert [done.arguments[0] for done in stage.received(f"{P1}/done")] == [first]
    stage.freeze_engine()
    stage.send(f"{P1}/generate", 4)
    (second,) = stage.received(f"{P1}/generate")[-1].arguments
    stage.run(NOTICED)
    assert (f"{P1}/generate", "engine", f"job {second} was lost with the engine") in stage.errors()
    assert not [text for _, _, text in stage.errors() if f"job {first} " in text]


def test_a_player_that_forgets_goes_on_playing_and_a_silent_one_stays_silent(stage):
    playing(stage)
    stage.run(2.0)
    stage.send(f"{P1}/reset")
    stage.send(f"{P2}/reset")
    since = len(stage.output.events)
    stage.run(8.0)
    assert {sent.player for sent in began(stage, since)} == {1}


def test_who_hears_a_player_hears_its_notes_end_when_it_is_stopped(stage):
    stage.send(f"{P2}/hears", "1")
    stage.send(f"{P2}/mode", "continue")
    playing(stage)
    while not stage.output.sounding:
        stage.run(0.05)
    stage.send(f"{P1}/stop")
    stage.run(4.0)
    assert [sent for sent in began(stage) if sent.player == 2]


def test_a_preset_of_a_stopped_player_that_changes_at_the_bar_leaves_it_silent(stage):
    stage.send(f"{P1}/mode", "free")
    stage.send(f"{P1}/when", "bar")
    stage.run(1.0)
    stage.send(f"{P1}/stop")
    stage.send("/rnnmuse/preset/store", 1)
    stage.send(f"{P1}/mode", "continue")
    stage.run(3.0)
    stage.send(f"{P1}/start")
    stage.run(2.0)
    stage.send("/rnnmuse/preset/recall", 1)
    stage.run(0.5)
    before = len(stage.notes("on"))
    stage.run(6.0)
    assert len(stage.notes("on")) == before
    assert stage.ask(f"{P1}/mode") == ("free",)
    assert stage.ask(f"{P1}/when") == ("bar",)
    assert not stage.hung()


def test_a_preset_with_a_model_that_is_gone_changes_nothing_else_than_it_can(stage):
    stage.send(f"{P1}/param/density", 2.0)
    stage.send(f"{P1}/mode", "continue")
    stage.settle()
    stage.send("/rnnmuse/preset/store", 1)
    stage.stage.players.presets[1][1].model = "nobody"
    stage.send(f"{P1}/param/density", 5.0)
    stage.settle()
    stage.send("/rnnmuse/preset/recall", 1)
    stage.settle()
    assert "value" in codes(stage)
    assert stage.ask(f"{P1}/model") == ("lieder",)
    assert stage.ask(f"{P1}/param/density") == (2.0,)


def saved(stage):
    """Send rig/save, and wait for the thread that writes."""
    stage.send("/rnnmuse/rig/save")
    for thread in threading.enumerate():
        if thread.name == "save rig":
            thread.join(20)


def test_saving_into_a_folder_that_is_gone_is_an_error_and_the_stage_goes_on(stage, tmp_path):
    stage.stage.presets.save = lambda: save_rig(stage.stage, Rig(), tmp_path / "gone" / "my.toml")
    playing(stage)
    for _ in range(2):
        saved(stage)
    assert codes(stage) == ["rig", "rig"]
    assert "not saved" in stage.errors()[0][2]
    stage.run(2.0)
    assert began(stage)


def test_a_rig_is_saved_whole_beside_its_neighbours(stage, tmp_path):
    path = tmp_path / "my.toml"
    (tmp_path / "my.toml.tmp").write_text("a neighbour's")
    stage.stage.presets.save = lambda: save_rig(stage.stage, Rig(), path)
    stage.send(f"{P1}/param/density", 2.5)
    stage.send(f"{T}/metre", 6, 8)
    stage.settle()
    saved(stage)
    assert stage.received("/rnnmuse/rig/save")[-1].arguments == ("my.toml",)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["my.toml", "my.toml.tmp"]
    assert (tmp_path / "my.toml.tmp").read_text() == "a neighbour's"
    rig = load(path)
    assert rig.players[1].parameters == {"density": 2.5}
    assert (rig.metre.numerator, rig.metre.denominator) == (6, 8)


# -- 5. models and engines that fail -------------------------------------------------------------------------------


class Failing(StreamModel):
    """A copy of a model that raises at its step of this number, counted from when it was loaded."""

    def __init__(self, model, name, steps):
        self.__dict__.update(model.__dict__)
        self.name, self.left = name, steps

    def step(self, state, event, context):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("the graph does not fit\nits weights")
        return super().step(state, event, context)


def stage_with_failing(steps):
    """A stage that knows "failing", a model that raises at a step, besides the models that are installed."""

    def load(name):
        return Failing(shared_model("lieder"), name, steps) if name == "failing" else shared_model(name)

    return StageClient(load=load)


@pytest.mark.parametrize("steps", [1, 2, 40])
def test_a_model_that_raises_gives_way_to_the_last_that_worked(steps):
    stage = stage_with_failing(steps)
    stage.send(f"{P1}/model", "leadsheet")
    stage.send(f"{P1}/param/key", "A minor")
    playing(stage)
    stage.run(3.0)
    assert began(stage)
    stage.send(f"{P1}/model", "failing")
    stage.run(12.0)
    assert stage.ask(f"{P1}/model") == ("leadsheet",)
    ((address, text),) = [(address, text) for address, code, text in stage.errors() if code == "model"]
    assert address == P1
    assert "failing" in text
    assert "leadsheet" in text
    assert "\n" not in text
    player = stage.engine.engine.players[1]
    assert player.model.name == "leadsheet"
    assert player.parameters["key"] == "A minor"
    since = len(stage.output.events)
    stage.run(3.0)
    assert began(stage, since)
    assert len(stage.engines) == 1
    assert not stage.hung()


def test_a_model_that_cannot_make_a_step_is_refused():
    stage = stage_with_failing(0)
    playing(stage)
    stage.send(f"{P1}/model", "failing")
    stage.run(3.0)
    assert codes(stage) == ["value"]
    assert "does not fit" in stage.errors()[0][2]
    assert stage.ask(f"{P1}/model") == ("lieder",)
    assert began(stage)
    assert not stage.hung()


def test_an_engine_that_fails_three_times_in_a_minute_goes_back_to_a_model_that_worked(stage):
    playing(stage)
    stage.run(2.0)
    stage.send(f"{T}/stop")
    stage.send(f"{P1}/model", "leadsheet")  # accepted, but it never played a note
    assert stage.ask(f"{P1}/model") == ("leadsheet",)
    for _ in range(MOST_FAILURES):
        assert stage.ask(f"{P1}/model") == ("leadsheet",)
        stage.kill_engine()
        stage.run(1.0)
    assert stage.ask(f"{P1}/model") == ("lieder",)
    assert any(code == "model" and "leadsheet" in text and "lieder" in text for _, code, text in stage.errors())
    stage.send(f"{T}/play")
    since = len(stage.output.events)
    stage.run(2.0)
    assert began(stage, since)


def test_an_engine_that_fails_on_rests_for_a_minute_and_the_stage_answers(stage):
    playing(stage)
    for _ in range(2 * MOST_FAILURES):
        stage.kill_engine()
        stage.run(0.5)
    engines = len(stage.engines)
    stage.run(20.0)
    assert len(stage.engines) == engines
    assert pinged(stage)
    assert stage.stage.clock.running
    stage.run(WINDOW / 1e9 - 19)
    assert len(stage.engines) == engines + 1
    since = len(stage.output.events)
    stage.run(2.0)
    assert began(stage, since)


def test_failures_that_lie_far_apart_change_no_model(stage):
    stage.send(f"{P1}/model", "leadsheet")
    for _ in range(2 * MOST_FAILURES):
        stage.run(WINDOW / 1e9 / 2 + 1)
        stage.kill_engine()
    stage.run(1.0)
    assert stage.ask(f"{P1}/model") == ("leadsheet",)


# -- 6. outputs that come and go -----------------------------------------------------------------------------------

OTHER = Client("127.0.0.1", 50_001)
THIRD = Client("127.0.0.1", 50_002)


def aheads(stage):
    return sorted(output.ahead for output in stage.stage.outputs.all() if output.name.startswith("osc"))


def told_ahead(stage):
    stage.settle()
    return [message.ahead for message in stage.engine.taken if isinstance(message, m.SetClock)][-1]


def test_look_aheads_of_one_value_share_an_output_and_no_note_comes_twice(stage):
    stage.send("/rnnmuse/subscribe", 60, 0.1, client=OTHER)
    stage.send("/rnnmuse/subscribe", 60, 0.1002, client=THIRD)
    assert aheads(stage) == [0, 100_000_000]
    playing(stage)
    stage.run(4.0)
    notes = [[n.arguments for n in stage.received("/rnnmuse/out/1/note", client)] for client in (OTHER, THIRD)]
    assert notes[0] == notes[1]
    begun = Counter((pitch, beat) for pitch, velocity, _, beat in notes[0] if velocity)
    # a beat is a 32-bit float in OSC; parts may share a pitch
    played = Counter((sent.pitch, float(np.float32(sent.beat))) for sent in stage.notes("on"))
    assert not {note: (begun[note], count) for note, count in played.items() if begun[note] != count}
    assert len(notes[0]) > 8


def test_an_output_goes_with_its_last_subscriber_and_the_engine_knows(stage):
    playing(stage)
    stage.run(0.5)
    stage.send("/rnnmuse/subscribe", 60, 0.5, client=OTHER)
    stage.send("/rnnmuse/subscribe", 60, 0.5, client=THIRD)
    assert told_ahead(stage) == 0.5
    stage.run(2.0)
    stage.send("/rnnmuse/unsubscribe", client=OTHER)
    assert aheads(stage) == [0, 500_000_000]
    stage.send("/rnnmuse/unsubscribe", client=THIRD)
    assert aheads(stage) == [0]
    assert sorted(stage.stage.scheduler.lanes) == [0]
    assert told_ahead(stage) == 0.0
    assert not [key for key in stage.stage.notes.ledger.sounding if key[0] == "osc 500000000"]


def test_a_look_ahead_does_not_end_notes_early_elsewhere(stage):
    """The end of an answer is planned for every output; each ends its notes at its own time."""
    stage.send("/rnnmuse/subscribe", 60, 1.0, client=OTHER)
    stage.send(f"{P1}/param/density", 6.0)
    stage.send(f"{T}/play")
    stage.send(f"{P1}/generate", 8, 2)
    stage.run(7.0)
    ahead = [note.arguments for note in stage.received("/rnnmuse/out/1/note", OTHER)]
    plain = [note.arguments for note in stage.received("/rnnmuse/out/1/note")]
    assert len(plain) > 8
    assert sorted((pitch, bool(velocity), beat) for pitch, velocity, _, beat in ahead) == sorted(
        (pitch, bool(velocity), beat) for pitch, velocity, _, beat in plain
    )


def test_a_port_that_is_lost_while_notes_sound_is_told_of_and_the_others_play_on(stage):
    port = RecordingOutput(lambda: stage.time, "synth", clock=True)
    stage.stage.add_output(port)
    playing(stage)
    while not port.sounding:
        stage.run(0.05)
    port.broken = True
    since = len(stage.output.events)
    stage.run(3.0)
    assert "synth" not in stage.stage.outputs
    ((address, text),) = [(address, text) for address, code, text in stage.errors() if code == "port"]
    assert address == "/rnnmuse/midi/ports"
    assert text.startswith("synth is gone")
    assert not [key for key in stage.stage.notes.ledger.sounding if key[0] == "synth"]
    assert began(stage, since)
    back = RecordingOutput(lambda: stage.time, "synth")
    stage.stage.add_output(back)
    stage.run(3.0)
    assert back.events
    assert not stage.hung()
    assert not back.sounding
    assert not back.twice


# -- 7. parts and metres -------------------------------------------------------------------------------------------


def test_each_part_has_its_channel_and_program_from_the_start_on_change_and_on_a_new_output(stage):
    playing(stage, seed=2)  # by which the song begins without bars of the piano alone
    stage.run(8.0)
    voice, piano = stage.stage.players.programs()
    assert stage.output.programs == [voice, piano]
    assert [(p.name, p.channel, p.program) for p in (voice, piano)] == [("voice", 0, 53), ("piano", 1, 0)]
    assert {(sent.part, sent.channel) for sent in began(stage)} == {(0, 0), (1, 1)}
    assert stage.received("/rnnmuse/out/1/program")[0].arguments == (1, 1, 54, "voice")
    stage.send(f"{P1}/program", 57)
    stage.send(f"{P1}/part/2/channel", 5)
    since = len(stage.output.events)
    stage.run(4.0)
    assert [(p.part, p.channel, p.program) for p in stage.output.programs[2:]] == [(0, 0, 56), (1, 4, 0)]
    assert {(sent.part, sent.channel) for sent in began(stage, since)} == {(0, 0), (1, 4)}
    late = RecordingOutput(lambda: stage.time, "late")
    stage.stage.add_output(late)
    assert [(p.part, p.channel, p.program) for p in late.programs] == [(0, 0, 56), (1, 4, 0)]
    assert stage.ask(f"{P1}/parts") == (1, "voice", 1, 57)


def test_parts_of_two_players_share_no_channel_and_drums_have_the_tenth(stage):
    stage.send(f"{P2}/model", "leadsheet")
    stage.send("/rnnmuse/player/3/model", "grooves")
    for player in (1, 2, 3):
        playing(stage, player)
    stage.run(6.0)
    channels = {}
    for sent in began(stage):
        channels.setdefault(sent.channel, set()).add((sent.player, sent.part))
    assert all(len(parts) == 1 for parts in channels.values())
    assert channels[9] == {(3, 0)}


METRES = [(3, 4, 3.0), (6, 8, 3.0), (5, 4, 5.0), (7, 8, 3.5)]


def beat_of(stage):
    return stage.stage.transport.place


def go_to(stage, beat):
    stage.run(max(0.0, (beat - beat_of(stage)) / 2))


@pytest.mark.parametrize(("numerator", "denominator", "bar"), METRES)
def test_a_change_waits_for_the_bar_line_of_the_metre(stage, numerator, denominator, bar):
    stage.send(f"{T}/metre", numerator, denominator)
    playing(stage)
    stage.send(f"{P1}/when", "bar")
    go_to(stage, bar + 0.5)
    stage.send(f"{P1}/param/density", 3.0)
    go_to(stage, 2 * bar - 0.05)
    assert stage.ask(f"{P1}/param/density") == (0.0,)
    go_to(stage, 2 * bar)
    assert stage.ask(f"{P1}/param/density") == (3.0,)


@pytest.mark.parametrize(("numerator", "denominator", "bar"), METRES)
def test_another_model_begins_at_the_bar_line_of_the_metre(stage, numerator, denominator, bar):
    stage.send(f"{T}/metre", numerator, denominator)
    playing(stage)
    go_to(stage, bar + 0.3)
    stage.send(f"{P1}/model", "grooves")
    go_to(stage, 6 * bar)
    drums = [sent.beat for sent in began(stage) if sent.drum]
    others = [sent.beat for sent in began(stage) if not sent.drum]
    assert drums
    assert others
    assert max(others) < 2 * bar + 0.05
    assert min(drums) > 2 * bar - 0.05


@pytest.mark.parametrize(("numerator", "denominator", "bar"), METRES)
def test_a_loop_is_as_long_as_bars_of_the_metre(stage, numerator, denominator, bar):
    stage.send(f"{T}/metre", numerator, denominator)
    playing(stage, bars=1, seed=6)
    go_to(stage, 4 * bar)
    stage.send(f"{P1}/mode", "loop")
    go_to(stage, 8 * bar)
    on = [(sent.beat, sent.pitch) for sent in began(stage)]
    passes = [
        sorted((round(beat - start, 3), pitch) for beat, pitch in on if start - 0.02 <= beat < start + bar - 0.02)
        for start in (5 * bar, 6 * bar)
    ]
    assert passes[0]
    assert passes[0] == passes[1]


@pytest.mark.parametrize(("numerator", "denominator", "bar"), METRES)
def test_a_turn_lasts_bars_of_the_metre(stage, numerator, denominator, bar):
    stage.send(f"{T}/metre", numerator, denominator)
    stage.send(f"{P1}/mode", "answer")
    stage.send(f"{P1}/param/turn", 1)
    stage.send(f"{T}/play")
    stage.run(0.1)
    for step in range(4):
        stage.send(f"{P1}/note", 60 + step, 90, 0.3)
        go_to(stage, 0.5 * (step + 1))
    go_to(stage, 6 * bar)
    beats = [sent.beat for sent in began(stage)]
    assert beats
    assert min(beats) >= bar - 0.05
    assert max(beats) < 2 * bar + 0.05


@pytest.mark.parametrize(("numerator", "denominator", "bar"), METRES)
def test_an_answer_is_as_long_as_the_phrase_in_bars_of_the_metre(stage, numerator, denominator, bar):
    stage.send(f"{T}/metre", numerator, denominator)
    stage.send(f"{P1}/mode", "answer")
    stage.send(f"{T}/play")
    stage.run(0.1)
    for step in range(4):
        stage.send(f"{P1}/note", 60 + step, 90, 0.3)
        go_to(stage, 0.5 * (step + 1))
    go_to(stage, 8 * bar)
    ends = [sent.beat for _, sent in stage.output.events]
    beats = [sent.beat for sent in began(stage)]
    assert beats
    assert max(ends) <= math.floor(min(beats) / bar) * bar + bar + 0.02


def test_a_metre_change_while_a_change_waits_moves_it_to_the_new_bar_line(stage):
    playing(stage)
    stage.send(f"{P1}/when", "bar")
    go_to(stage, 0.5)
    stage.send(f"{P1}/param/density", 3.0)
    stage.send(f"{T}/metre", 3, 4)
    go_to(stage, 2.9)
    assert stage.ask(f"{P1}/param/density") == (0.0,)
    go_to(stage, 3.0)
    assert stage.ask(f"{P1}/param/density") == (3.0,)
    assert stage.stage.clock.metre.ticks == 3 * PPQ


# -- provenance -----------------------------------------------------------------------------------------------------


def test_the_stage_says_what_made_the_music(stage):
    from rnnmuse import __version__
    from rnnmuse.models.bundle import find
    from rnnmuse.provenance.record import COMPOSITE, TRAINED

    assert stage.ask("/rnnmuse/provenance") == (__version__, TRAINED, 0.0)
    playing(stage)
    stage.run(2.0)
    version, kind, share, *models = stage.ask("/rnnmuse/provenance")
    assert (version, kind, share) == (__version__, TRAINED, 0.0)
    assert models == ["lieder", find("lieder").digest]
    stage.send("/rnnmuse/player/1/note", 60, 90, 1)
    stage.settle()
    _, kind, share, *_ = stage.ask("/rnnmuse/provenance")
    assert kind == COMPOSITE
    assert share == pytest.approx(1 / (1 + stage.stage.notes.count), abs=1e-6)


def test_a_subscription_with_a_port_moves_the_answers_of_its_sender_alone(stage):
    moved = Client(ME.host, 1)
    stage.send("/rnnmuse/subscribe", 60, 0.5, 1)
    before = len(stage.received())
    stage.send("/rnnmuse/ping", 7)
    stage.send("/rnnmuse/ping", 8, client=OTHER)
    stage.send("/rnnmuse/player/1/mode", "loud")
    assert [n.arguments for n in stage.received("/rnnmuse/pong", moved)] == [(7,)]
    assert [n.arguments for n in stage.received("/rnnmuse/pong", OTHER)] == [(8,)]
    assert stage.received("/rnnmuse/error", moved)[0].arguments[1] == "range"
    assert len(stage.received()) == before
    stage.send("/rnnmuse/reply_to", ME.port)
    stage.send("/rnnmuse/ping", 9)
    assert stage.received()[-1].arguments == (9,)


def test_a_fault_is_found_whoever_is_told_of_it(stage, monkeypatch):
    monkeypatch.setattr(stage.stage.about, "_stats", lambda: 1 / 0)
    stage.send("/rnnmuse/reply_to", 1)
    stage.send("/rnnmuse/stats")
    assert not stage.errors()
    assert [error[:2] for error in stage.faults()] == [("/rnnmuse/stats", "internal")]


def test_getters_that_a_frozen_engine_leaves_open_are_bounded_and_watchers_hear_of_the_value(stage):
    stage.send("/rnnmuse/watch", 3600)
    stage.freeze_engine()
    stage.send("/rnnmuse/player/1/param/density", 3.0)
    for _ in range(3000):
        stage.send("/rnnmuse/player/1/param/density")
    refused = [error for error in stage.errors() if error[1] == "limit"]
    assert 1900 < len(refused) < 2100
    stage.run(0.5)  # a round of the watchers' finds no room
    stage.engine.frozen = False
    stage.run(0.5)
    answers = [message.arguments for message in stage.received("/rnnmuse/player/1/param/density")]
    assert set(answers) == {(3.0,)}
    assert len(answers) == 3000 - len(refused) + 1  # and what the watcher is told
    assert not stage.faults()


def test_a_busy_engine_says_that_it_lives_while_it_takes_many_messages(monkeypatch):
    from rnnmuse.engine import process

    clock, sent = [0.0], []
    monkeypatch.setattr(process.time, "perf_counter", lambda: clock[0])
    waiting = [m.Ping() for _ in range(100)]

    class Pipe:
        def poll(self, timeout):
            return bool(waiting)

        def recv(self):
            return waiting.pop(0)

        def send(self, message):
            sent.append((clock[0], message))

    class Busy:
        default = "lieder"

        def model(self, name):
            return None

        def advance(self):
            if not waiting:
                waiting.append(m.Bye())
            return True

        def take(self, message):
            clock[0] += 0.08

    process.serve(Busy(), Pipe())
    times = [time for time, message in sent if isinstance(message, m.Handled)]
    assert sum(message.count for _, message in sent if isinstance(message, m.Handled)) == 100
    assert max(b - a for a, b in zip([0.0, *times], times, strict=False)) < 0.25


# -- more subscribers than a chord reaches at its time --------------------------------------------------------------


@pytest.mark.parametrize("end", ["stop", "panic", "position", "close"])
def test_no_end_overtakes_a_note_that_still_waits_for_a_subscriber(end, monkeypatch):
    stage = StageClient()
    crowd = [Client("127.0.0.1", 51_000 + number) for number in range(PROMPT + 24)]
    for client in crowd:
        stage.send("/rnnmuse/subscribe", 600, client=client)
    monkeypatch.setattr(stage.stage.outbox, "send_rest", lambda until: None)  # no time is left for what waits
    stage.send("/rnnmuse/player/1/mode", "free")
    stage.send("/rnnmuse/transport/play")
    while not stage.output.sounding:
        stage.run(0.1)
    assert stage.stage.server._aside
    match end:
        case "close":
            stage.close()
        case "position":
            stage.send("/rnnmuse/transport/position", 64.0)
        case _:
            stage.send(f"/rnnmuse/transport/{end}")
    for client in crowd:
        sounding = set()
        for note in stage.received("/rnnmuse/out/1/note", client):
            assert (note.arguments[0] in sounding) != bool(note.arguments[1]), "each begins and ends in turn"
            (sounding.add if note.arguments[1] else sounding.discard)(note.arguments[0])
        assert not sounding
        assert stage.received("/rnnmuse/out/1/note", client) == stage.received("/rnnmuse/out/1/note", crowd[0])
    stage.close()
