"""MIDI outputs that vanish and come back, on a driver that the test turns by hand."""

import pytest

from rnnmuse.bridges.midi import MidiOut, Ports
from rnnmuse.realtime.seats import Sent, Settings
from rnnmuse.realtime.stage import Stage


class Driver:
    """What python-rtmidi offers, over one port that is there or not; ``deaf`` loses what is sent, as JACK does
    before it has connected."""

    MidiIn = None

    def __init__(self) -> None:
        self.there, self.deaf, self.sounding, self.heard = True, False, set(), []

    def MidiOut(self, api, name):
        return self

    def get_ports(self):
        return ["synth:in"] if self.there else []

    def open_port(self, at, name):
        pass

    def close_port(self):
        pass

    def delete(self):
        pass

    def send_message(self, message):
        if self.deaf:
            return
        status, pitch, _ = message
        self.heard.append(message)
        if status & 0xF0 == 0xB0 and pitch == 123:
            self.sounding = {key for key in self.sounding if key[0] != status & 15}
        elif status & 0xF0 == 0x90:
            self.sounding.add((status & 15, pitch))
        elif status & 0xF0 == 0x80:
            self.sounding.discard((status & 15, pitch))


def play(output, pitch, velocity, channel=0):
    output.prepare(Sent(channel + 1, channel, pitch, velocity, 0.0, 1.0, 0))()


@pytest.fixture
def driver(monkeypatch):
    monkeypatch.setattr("rnnmuse.bridges.midi.DRAIN", 0.0)
    return Driver()


@pytest.fixture
def look(driver):
    """One look of the ports' thread, which does not run here."""
    stage = Stage(Settings(engine=False, osc=False))
    ports = Ports(stage)
    ports._rtmidi, ports._apis = driver, [0]
    ports._stop.set()
    ports.output("synth")
    look = ports._wanted[0]
    look.stage = stage
    yield look
    stage.close()


@pytest.mark.parametrize("deaf", [False, True])
def test_what_a_lost_port_was_playing_is_ended_when_it_is_back(driver, look, deaf):
    stage = look.stage
    for pitch in (60, 64, 67):
        play(stage.outputs["synth"], pitch, 90)
    driver.there = False
    look()
    assert "synth" not in stage.outputs
    driver.there, driver.deaf = True, deaf
    look()
    driver.deaf = False
    play(stage.outputs["synth"], 64, 80)  # played anew: it is not to be cut
    look()
    assert driver.sounding == {(0, 64)}
    assert stage.outputs["synth"].left == set()


def test_what_is_left_is_ended_on_closing_too(driver, look):
    play(look.stage.outputs["synth"], 60, 90, channel=9)
    for _ in range(2):  # lost twice before anything was heard
        driver.there = False
        look()
        driver.there = driver.deaf = True
        look()
    driver.deaf = False
    look.stage.outputs["synth"].close()
    assert driver.sounding == set()


def test_a_port_that_never_was_lost_sends_nothing_more_on_closing(driver):
    output = MidiOut(driver, "synth")
    play(output, 60, 90)
    play(output, 60, 0)
    output.close()
    assert driver.heard == [[0x90, 60, 90], [0x80, 60, 0]]
