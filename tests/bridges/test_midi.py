"""MIDI outputs and the ports of a performance, on a system of ports that the test turns by hand."""

import pytest

from rnnmuse.bridges import drums
from rnnmuse.bridges.midi import MidiOut, Ports
from rnnmuse.bridges.midi_in import MidiReceiver
from rnnmuse.bridges.output import Program, Sent
from rnnmuse.errors import PortError


class Synth:
    """An instrument at the other end of a port; ``deaf`` loses what is sent, as JACK does before it has connected."""

    def __init__(self):
        self.deaf, self.sounding, self.heard = False, set(), []

    def hear(self, message):
        if self.deaf:
            return
        self.heard.append(tuple(message))
        status, channel = message[0] & 0xF0, message[0] & 15
        if status == 0xB0 and message[1] == 123:
            self.sounding = {key for key in self.sounding if key[0] != channel}
        elif status == 0x90:
            self.sounding.add((channel, message[1]))
        elif status == 0x80:
            self.sounding.discard((channel, message[1]))


class Port:
    """A port as `rnnmuse.bridges.ports` gives it, which ends what it plays as it is closed."""

    def __init__(self, name, synth, lose):
        self.name, self.synth, self.tell, self.lost, self.full = name, synth, lose, False, False
        self.sounding = set()

    def send(self, message):
        if self.lost or self.full:
            raise PortError(f"MIDI port {self.name!r} is gone")
        self.synth.hear(message)

    def close(self):
        self.lost = True


class System:
    """The ports of a machine: ``there`` are their names."""

    def __init__(self):
        self.there, self.synth, self.opened, self.receive, self.refuse = ["My Synth"], Synth(), [], None, False
        self.reason, self.tries = "", 0

    def settle(self):
        pass

    def names(self):
        return self.there, self.there

    def open_output(self, name, lost, virtual=False):
        self.tries += 1
        found = name if virtual else next((each for each in self.there if name.lower() in each.lower()), None)
        if found is None or self.refuse:
            raise PortError(f"MIDI port {name!r}: there is no port of this name")
        self.opened.append(Port(found, self.synth, lost))
        return self.opened[-1]

    def open_input(self, name, receive, lost, virtual=False):
        self.receive = receive
        return self.open_output(name, lost, virtual)

    def wait(self, seconds):
        return False

    def close(self):
        for port in self.opened:
            port.close()

    def pull(self):
        """Unplug everything."""
        self.there = []
        for port in [port for port in self.opened if not port.lost]:
            port.lost = True
            port.tell("its port vanished")


class Performance:
    """What the ports are opened for, as a stage has its outputs."""

    def __init__(self):
        self.time, self.outputs, self.errors, self.calls, self.lost = 0.0, {}, [], [], []
        self.system = System()
        self.ports = Ports(self.system, self.add, self.lose, self.receiver, self.errors.append, lambda: self.time)

    def add(self, output):
        self.outputs[output.name] = output

    def lose(self, output, why):
        assert self.outputs.get(output.name) is output
        del self.outputs[output.name]
        self.lost.append(why)
        output.close()

    def receiver(self, mpe, echoes):
        return MidiReceiver(self, mpe, echoes)

    def now(self):
        return 0

    def note(self, *what):
        self.calls.append(what)

    def play(self, pitch, velocity, channel=0, name="synth"):
        self.outputs[name].prepare(Sent(channel + 1, channel, pitch, velocity, 0.0, 1.0, 0))()


@pytest.fixture
def stage():
    return Performance()


@pytest.mark.parametrize("deaf", [False, True])
def test_what_a_lost_port_was_playing_is_ended_when_it_is_back(stage, deaf):
    assert stage.ports.output("synth").state == "open"
    for pitch in (60, 64, 67):
        stage.play(pitch, 90)
    stage.system.pull()
    assert stage.outputs == {}
    assert stage.lost == ["its port vanished"]
    stage.system.there, stage.system.synth.deaf = ["My Synth"], deaf
    stage.ports.look()
    stage.system.synth.deaf = False
    stage.play(64, 80)  # played again: it is not to be cut
    stage.ports.look()
    assert stage.system.synth.sounding == {(0, 64)}


def test_what_is_left_is_ended_on_closing_too(stage):
    stage.ports.output("synth")
    stage.play(60, 90, channel=9)
    for _ in range(2):  # lost twice before anything was heard
        stage.system.pull()
        stage.system.there, stage.system.synth.deaf = ["My Synth"], True
        stage.ports.look()
    stage.system.synth.deaf = False
    stage.outputs["synth"].close()
    assert stage.system.synth.sounding == set()


def test_a_port_that_never_was_lost_sends_nothing_more_on_closing(stage):
    stage.ports.output("synth")
    stage.play(60, 90)
    stage.play(60, 0)
    stage.outputs["synth"].close()
    assert stage.system.synth.heard == [(0x90, 60, 90), (0x80, 60, 0)]


def test_the_state_of_each_port_is_told(stage):
    stage.system.there = []
    stage.ports.output("synth")
    stage.ports.input("synth")

    def states():
        return [(port.direction, port.state, port.detail) for port in stage.ports.state()]

    missing = "there is no port of this name"
    assert states() == [("out", "waiting", missing), ("in", "waiting", missing)]
    stage.system.there = ["My Synth"]
    stage.ports.look()
    assert states() == [("out", "open", "My Synth"), ("in", "open", "My Synth")]
    stage.system.pull()
    assert states() == [("out", "gone", "its port vanished"), ("in", "gone", "its port vanished")]
    stage.ports.look()
    assert [state for _, state, _ in states()] == ["gone", "gone"]


def test_virtual_ports_come_back_with_their_server(stage):
    assert [port.state for port in stage.ports.virtual(clock=True, ahead=5)] == ["open", "open"]
    output = stage.outputs["rnnmuse out"]
    assert (output.clock, output.ahead) == (True, 5)
    stage.system.refuse = True
    stage.system.pull()
    stage.ports.look()
    assert {port.state for port in stage.ports.state()} == {"gone"}
    stage.system.refuse = False
    stage.ports.look()
    assert {port.state for port in stage.ports.state()} == {"open"}
    assert stage.outputs["rnnmuse out"] is not output


def test_a_port_that_does_not_open_is_tried_more_and_more_seldom(stage):
    stage.system.refuse = True
    stage.ports.output("synth")
    for _ in range(600):
        stage.time += 1.0
        stage.ports.look(changed=False)
    assert 15 < stage.system.tries < 30
    stage.ports.look(changed=True)
    assert stage.system.tries < 31


def test_an_output_that_is_closed_because_a_note_could_not_be_sent_is_opened_again(stage):
    stage.ports.output("synth")
    first = stage.outputs["synth"]
    stage.system.opened[0].full = True
    with pytest.raises(PortError, match="My Synth"):
        stage.play(60, 90)
    stage.lose(first, "full")  # as a stage does
    assert stage.ports.state()[0].state == "gone"
    stage.ports.look()
    assert stage.outputs["synth"] is not first
    assert stage.system.synth.heard[-1] == (0xBF, 123, 0)


def test_programs_are_sent_and_sent_again(stage):
    stage.ports.output("synth")
    stage.outputs["synth"].program(Program(1, 0, 2, 33, "bass"))()
    assert stage.system.synth.heard == [(0xC2, 33)]
    stage.system.pull()
    stage.system.there = ["My Synth"]
    stage.ports.look()
    assert stage.system.synth.heard[-1] == (0xC2, 33)


def test_drums_leave_as_general_midi_names_them(stage):
    stage.ports.output("synth")
    stage.play(22, 90, channel=9)
    stage.play(42, 80, channel=9)
    stage.play(22, 0, channel=9)
    stage.play(42, 0, channel=9)
    stage.play(22, 90, channel=0)
    assert stage.system.synth.heard == [(0x99, 42, 90), (0x99, 42, 80), (0x89, 42, 0), (0x90, 22, 90)]


def test_a_roland_kit_gets_its_own_notes(stage):
    stage.ports.output("synth", kit="roland")
    stage.play(26, 90, channel=9)
    assert stage.system.synth.heard == [(0x99, 26, 90)]


def test_every_drum_note_of_a_roland_kit_has_a_general_midi_name():
    sent = [36, 38, 40, 37, 48, 50, 45, 47, 43, 58, 46, 26, 42, 22, 44, 49, 55, 57, 52, 51, 59, 53]
    assert all(35 <= drums.pitch_out("gm", 9, pitch) <= 81 for pitch in sent)


def test_what_was_sent_and_comes_back_is_not_heard(stage):
    stage.ports.output("synth")
    stage.ports.input("synth")
    stage.play(60, 90)
    stage.system.receive(bytes((0x90, 60, 90)), 1_000_000)
    stage.system.receive(bytes((0x90, 62, 90)), 1_000_000)
    assert stage.calls == [(0, 62, 90)]


def test_the_held_notes_of_a_lost_input_end(stage):
    stage.ports.input("synth")
    stage.system.receive(bytes((0x90, 62, 90)), 0)
    stage.system.pull()
    assert stage.calls == [(0, 62, 90), (0, 62, 0)]
    assert stage.errors == ["synth is gone: its port vanished"]


def test_a_port_that_is_lost_before_it_is_known_is_looked_for():
    stage = Performance()

    def add(output):
        stage.add(output)
        stage.system.pull()  # in the middle of opening

    stage.ports = Ports(stage.system, add, stage.lose, stage.receiver, stage.errors.append)
    stage.ports.output("synth")
    assert stage.outputs == {}
    assert stage.ports.state()[0].state == "gone"


def test_closing_closes_every_port_and_opens_none_again(stage):
    stage.ports.output("synth")
    stage.ports.input("synth")
    stage.ports.close()
    stage.outputs["synth"].close()
    assert all(port.lost for port in stage.system.opened)
    stage.ports.look()
    assert len(stage.system.opened) == 2
    assert stage.errors == []


def test_the_output_keeps_its_interface(stage):
    port = Port("x", Synth(), print)
    output = MidiOut(port, "x", ahead=7, clock=True)
    output.transport([0xF8])
    assert port.synth.heard == [(0xF8,)]
    assert (output.name, output.ahead, output.clock) == ("x", 7, True)
