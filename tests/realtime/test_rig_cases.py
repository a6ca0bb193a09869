"""The rigs of tests/cases, for reports on other programs: stop, controller 123, pedals."""

from pathlib import Path

import pytest

from rnnmuse.bridges.midi_in import MidiReceiver
from rnnmuse.config import load
from rnnmuse.realtime.rig import open_rig
from rnnmuse.testing import StageClient

CASES = Path(__file__).parents[1] / "cases"
START, CONTINUE, STOP, CLOCK = 0xFA, 0xFB, 0xFC, 0xF8


@pytest.fixture
def opened():
    made = []

    def open_(name):
        made.append(StageClient())
        open_rig(made[0].stage, load(CASES / name), None)
        made[0].settle()
        return made[0], MidiReceiver(made[0].stage.midi)

    yield open_
    assert not made[0].hung()
    made[0].close()


def pulses(stage, count):
    for _ in range(count):
        stage.stage.midi.clock(CLOCK, stage.time)
        stage.run(0.5 / 24)


def begun(stage, since=0):
    return [sent for _, sent in stage.output.events[since:] if sent.velocity]


def test_free_playing_begins_and_ends_with_the_hosts_start_and_stop(opened):
    stage, _ = opened("rig_free.toml")
    pulses(stage, 24)
    assert not begun(stage), "nothing plays before the host starts"
    stage.stage.midi.clock(START, stage.time)
    pulses(stage, 120)
    assert begun(stage)
    stage.stage.midi.clock(STOP, stage.time)
    assert not stage.output.sounding
    since = len(stage.output.events)
    pulses(stage, 96)  # hosts send clock on while they stand
    assert not begun(stage, since)
    stage.stage.midi.clock(CONTINUE, stage.time)
    pulses(stage, 120)
    assert begun(stage, since)


def test_controller_123_ends_what_plays_and_the_player_goes_on(opened):
    stage, receiver = opened("rig_free.toml")
    stage.stage.midi.clock(START, stage.time)
    while not stage.output.sounding:
        pulses(stage, 1)
    receiver.receive([0xB0, 123, 0])
    assert not stage.output.sounding
    since = len(stage.output.events)
    pulses(stage, 192)
    assert begun(stage, since)


def test_harmony_follows_the_keys_and_the_pedal(opened):
    stage, receiver = opened("rig_harm.toml")
    stage.send("/rnnmuse/transport/play")
    receiver.receive([0x90, 60, 90])
    stage.run(1.0)
    assert stage.output.sounding
    receiver.receive([0xB0, 64, 127])
    receiver.receive([0x80, 60, 0])
    stage.run(0.5)
    assert stage.output.sounding, "the pedal holds the key, and so what is played with it"
    receiver.receive([0xB0, 64, 0])
    stage.run(2.0)
    assert not stage.output.sounding


def test_controller_121_lifts_a_pedal_that_was_left_down(opened):
    stage, receiver = opened("rig_harm.toml")
    stage.send("/rnnmuse/transport/play")
    receiver.receive([0xB0, 64, 127])
    receiver.receive([0x90, 60, 90])
    receiver.receive([0x80, 60, 0])
    stage.run(1.0)
    assert stage.output.sounding
    receiver.receive([0xB0, 121, 0])
    stage.run(2.0)
    assert not stage.output.sounding


def test_keys_of_another_channel_are_not_harmonised(opened):
    stage, receiver = opened("rig_harm.toml")
    stage.send("/rnnmuse/transport/play")
    receiver.receive([0x93, 60, 90])
    stage.run(1.0)
    assert not begun(stage)
    receiver.receive([0x83, 60, 0])
