"""MIDI ports that are opened and closed while the stage runs, on a system of ports that the test turns by hand."""

import pytest
from test_midi import System

from rnnmuse.config import Rig, load
from rnnmuse.realtime.control.midi import MOST_WAITING
from rnnmuse.realtime.rig import open_ports, save_rig
from rnnmuse.testing import StageClient

PORT, OPEN, CLOSE = "/rnnmuse/midi/port", "/rnnmuse/midi/open", "/rnnmuse/midi/close"


class Desk:
    """A stage, its ports, and what becomes of them."""

    def __init__(self):
        self.stage, self.system = StageClient(), System()
        self.system.there = ["My Synth", "Keys 49"]
        self.ports = open_ports(self.stage.stage, self.system)
        self.ports._stop.set()  # the test looks itself
        self.ports._thread.join()
        self.ports._stop.clear()
        self.read = 0

    def send(self, *message):
        self.stage.send(*message)
        self.stage.stage.midi._errands.join()
        self.stage.settle()

    def news(self):
        """What became of ports since the last time."""
        told = self.told(PORT)
        self.read, new = len(told), told[self.read :]
        return new

    def told(self, address):
        return [message.arguments for message in self.stage.received(address)]


@pytest.fixture
def desk():
    return Desk()


def test_an_output_is_opened_by_part_of_its_name_gets_notes_and_is_closed_with_their_ends(desk):
    desk.send(OPEN, "out", "synth")
    assert desk.news() == [("out", "synth", "open", "My Synth")]
    desk.stage.send("/rnnmuse/player/1/model", "grooves")
    desk.stage.send("/rnnmuse/player/1/mode", "free")
    desk.stage.send("/rnnmuse/transport/play")
    desk.stage.send("/rnnmuse/player/1/start")
    desk.stage.run(8.0)
    synth = desk.system.synth
    assert [message for message in synth.heard if message[0] & 0xF0 == 0x90]
    desk.send(CLOSE, "out", "My Synth")
    assert desk.news() == [("out", "synth", "closed", "")]
    assert not synth.sounding
    count = len(synth.heard)
    desk.stage.run(4.0)
    assert len(synth.heard) == count
    desk.ports.look()
    assert len(desk.system.opened) == 1, "it is looked for no more"


def test_a_keyboard_plays_while_it_is_open_and_its_notes_end_when_it_is_closed(desk):
    desk.send(OPEN, "in", "keys")
    desk.stage.send("/rnnmuse/watch", 3600)
    desk.system.receive(bytes((0x90, 60, 90)), desk.stage.time)
    assert desk.told("/rnnmuse/in/1/note")[-1][:2] == (60, 90)
    desk.send(CLOSE, "in", "keys")
    assert desk.told("/rnnmuse/in/1/note")[-1][:2] == (60, 0)
    assert desk.system.opened[-1].lost


def test_a_port_that_vanishes_is_told_and_comes_back(desk):
    desk.send(OPEN, "out", "synth")
    desk.news()
    desk.system.pull()
    assert desk.news() == [("out", "synth", "gone", "its port vanished")]
    assert any("synth is gone" in text for _, _, text in desk.stage.errors())
    desk.system.there = ["My Synth"]
    desk.ports.look()
    assert desk.news() == [("out", "synth", "open", "My Synth")]


def test_one_that_is_not_there_waits_and_can_be_given_up(desk):
    desk.send(OPEN, "in", "Fader Box")
    assert desk.news() == [("in", "Fader Box", "waiting", "there is no port of this name")]
    desk.stage.send("/rnnmuse/midi/state")
    assert desk.told("/rnnmuse/midi/state") == [
        ("in", "Fader Box", "waiting", "there is no port of this name"),
        (),
    ]
    desk.send(CLOSE, "in", "Fader Box")
    desk.system.there.append("Fader Box")
    desk.ports.look()
    assert not desk.system.opened


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ((OPEN, "out", "My"), "'My' is open already, as 'synth'"),
        ((OPEN, "up", "synth"), "must be one of in, out"),
        ((OPEN, "out", "  "), "must not be empty"),
        ((CLOSE, "out", "organ"), "'organ'; must be one of: 'synth'"),
        ((CLOSE, "in", "synth"), "must be one of: there is none"),
    ],
)
def test_what_cannot_be_done_is_one_error_and_changes_nothing(desk, message, said):
    desk.send(OPEN, "out", "synth")
    desk.news()
    desk.send(*message)
    ((_, _, text),) = desk.stage.errors()
    assert said in text
    assert desk.news() == []
    assert [one.state for one in desk.ports.state()] == ["open"]


def test_a_stage_without_midi_says_so():
    stage = StageClient()
    stage.send(OPEN, "out", "synth")
    ((_, code, text),) = stage.errors()
    assert (code, "--no-midi" in text) == ("port", True)


def test_a_driver_that_hangs_keeps_nobody_waiting_and_no_more_than_some_wait(desk):
    desk.stage.stage.midi._run_errands = lambda: None  # the thread that opens does not get on
    for number in range(MOST_WAITING + 3):
        desk.stage.send(OPEN, "out", f"port {number}")
    assert [code for _, code, _ in desk.stage.errors()] == ["limit"] * 3


def test_the_rig_that_is_saved_has_the_ports_that_are_open(desk, tmp_path):
    before = Rig(inputs=({"port": "old keys", "mpe": True},))
    desk.send(OPEN, "out", "synth")
    desk.send(OPEN, "in", "keys")
    path = tmp_path / "rig.toml"
    save_rig(desk.stage.stage, before, path)()
    saved = load(path)
    assert [one["port"] for one in saved.outputs] == ["synth"]
    assert [(one["port"], one["mpe"]) for one in saved.inputs] == [("keys", False)]
