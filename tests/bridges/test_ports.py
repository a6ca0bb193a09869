"""The port layer with a driver that is a folder: it sends to a file, hears from a pipe, and fails as the test says."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rnnmuse.bridges import ports
from rnnmuse.bridges.ports import MidiSystem
from rnnmuse.errors import PortError

DRIVER = """
import os, signal, threading, time
from pathlib import Path

API_MACOSX_CORE = 1
FOLDER = Path(os.environ["FAKE_MIDI"])

def mode():
    return (FOLDER / "mode").read_text()

class Port:
    def __init__(self, client=None, api=0):
        pass

    @property
    def ports(self):
        return (FOLDER / "ports").read_text().split("\\n")

    def open_port(self, number):
        self.open_virtual_port("")

    def open_virtual_port(self, name):
        if mode() == "abort":
            os.abort()
        if mode() == "hang":
            time.sleep(1000)
        if mode() == "fail":
            raise RuntimeError("the device is busy")
        (FOLDER / "pid").write_text(str(os.getpid()))

    def close_port(self):
        if mode() == "hang on closing":
            time.sleep(1000)

class MidiOut(Port):
    def send_raw(self, *message):
        if mode() == "stall":
            time.sleep(1000)
        with (FOLDER / "sent").open("a") as file:
            file.write(bytes(message).hex() + "\\n")

class MidiIn(Port):
    callback = None

    def ignore_types(self, **types):
        pass

    def open_virtual_port(self, name):
        super().open_virtual_port(name)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with open(FOLDER / "heard") as pipe:
            for line in pipe:
                self.callback(list(bytes.fromhex(line)), 0.0)
        (FOLDER / "taken").touch()
"""


class Machine:
    """The machine that the driver is of."""

    def __init__(self, folder):
        self.folder = folder
        self.plug("Synth", "Keys")
        self.mode("")
        os.mkfifo(folder / "heard")

    def plug(self, *names):
        new = self.folder / "new"
        new.write_text("\n".join(names))
        new.replace(self.folder / "ports")

    def mode(self, text):
        (self.folder / "mode").write_text(text)

    def sent(self):
        file = self.folder / "sent"
        return file.read_text().split() if file.exists() else []

    def pid(self):
        return int((self.folder / "pid").read_text())


def until(test, patience=20.0):
    end = time.monotonic() + patience
    while not test():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def gone(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return state.rsplit(")", 1)[1].split()[0] == "Z"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    folder = tmp_path / "driver"
    folder.mkdir()
    (tmp_path / "rtmidi2.py").write_text(DRIVER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("FAKE_MIDI", str(folder))
    monkeypatch.syspath_prepend(tmp_path)
    return Machine(folder)


@pytest.fixture
def system(machine):
    made = MidiSystem(["coremidi"])
    made.settle()
    yield made
    made.close()


def test_ports_are_listed_as_they_come_and_go(machine, system):
    assert system.names() == (["Synth", "Keys"], ["Synth", "Keys"])
    assert system.reason == ""
    machine.plug("Keys")
    until(lambda: system.names() == (["Keys"], ["Keys"]))
    assert system.wait(0)


def test_messages_are_sent_and_what_sounds_ends_with_the_port(machine, system):
    port = system.open_output("syn", print)
    assert port.name == "Synth"
    for message in (b"\xc0\x05", b"\x90\x3c\x5a", b"\x91\x3d\x5a", b"\x92\x3e\x5a", b"\x90\x3c\x00", b"\xb2\x7b\x00"):
        port.send(message)
    until(lambda: len(machine.sent()) == 6)
    port.close()
    until(lambda: gone(machine.pid()))
    assert machine.sent()[6:] == ["813d00"]
    with pytest.raises(PortError, match="'Synth' is gone"):
        port.send(b"\xf8")


def test_messages_arrive_with_their_time(machine, system):
    heard, before = [], time.monotonic_ns()
    system.open_input("Keys", lambda data, when: heard.append((data, when)), print)
    with (machine.folder / "heard").open("w") as pipe:
        pipe.write("903c5a\nf8\nf07e7f0901f7\n")
    until(lambda: len(heard) == 3)
    assert [data for data, _ in heard] == [b"\x90\x3c\x5a", b"\xf8", bytes.fromhex("f07e7f0901f7")]
    times = [when for _, when in heard]
    assert before < times[0] <= times[1] <= times[2] <= time.monotonic_ns()


PLAYER = """
import sys, time
from rnnmuse.bridges.ports import MidiSystem
system = MidiSystem(["coremidi"])
system.settle()
port = system.open_output("Synth", print)
port.send(b"\\x90\\x3c\\x5a")
print("playing", flush=True)
time.sleep(1000)
"""


def test_a_player_that_is_killed_leaves_no_note_behind(machine):
    path = os.pathsep.join([os.environ["PYTHONPATH"], str(Path(__file__).parents[2])])
    player = subprocess.Popen(
        [sys.executable, "-c", PLAYER], env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE
    )
    try:
        assert player.stdout.readline() == b"playing\n"
        until(lambda: machine.sent() == ["903c5a"])
    finally:
        player.kill()
        player.wait(20)
        player.stdout.close()
    until(lambda: machine.sent() == ["903c5a", "803c00"])
    until(lambda: gone(machine.pid()))


def test_a_signal_to_every_process_of_the_player_ends_no_note_too_early(machine, system):
    """A service manager sends SIGTERM to all: the port outlives the player, which ends the notes."""
    port = system.open_output("Synth", print)
    port.send(b"\x90\x3c\x5a")
    until(lambda: machine.sent())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(machine.pid(), number)
    port.send(b"\x80\x3c\x00")
    until(lambda: machine.sent() == ["903c5a", "803c00"])


def test_a_message_that_is_too_long_is_an_error(machine, system):
    port = system.open_output("Synth", print)
    with pytest.raises(ValueError, match="message: 5000 bytes; must be at most 4000"):
        port.send(bytes(5000))


@pytest.mark.parametrize(("mode", "why"), [("abort", "the MIDI driver failed"), ("fail", "the device is busy"),
                                           ("hang", "did not answer within 0.5 s")])  # fmt: skip
def test_a_driver_that_fails_while_it_opens_is_an_error(machine, system, monkeypatch, mode, why):
    monkeypatch.setattr(ports, "OPENING", 0.5 if mode == "hang" else 20.0)
    lost = []
    machine.mode(mode)
    with pytest.raises(PortError, match=why):
        system.open_output("Synth", lost.append)
    assert lost == []
    machine.mode("")
    monkeypatch.setattr(ports, "OPENING", 20.0)
    system.open_output("Synth", lost.append).send(b"\xf8")
    until(lambda: machine.sent() == ["f8"])


def test_a_port_that_nobody_has_is_an_error(machine, system):
    with pytest.raises(PortError, match="'flute': there is no port of this name"):
        system.open_output("flute", print)


def test_a_port_that_vanishes_is_told_once(machine, system):
    lost = []
    port = system.open_output("Synth", lost.append)
    machine.plug("Keys")
    until(lambda: lost)
    assert (lost, port.lost) == (["its port vanished"], True)
    until(lambda: gone(machine.pid()))
    assert lost == ["its port vanished"]


def test_a_driver_that_dies_is_told(machine, system):
    lost = []
    system.open_input("Keys", lambda *_: None, lost.append)
    os.kill(machine.pid(), signal.SIGKILL)
    until(lambda: lost)
    assert lost == ["its driver ended"]


def test_a_driver_that_takes_nothing_holds_nobody_up(machine, system):
    lost = []
    port = system.open_output("Synth", lost.append)
    machine.mode("stall")
    errors = []

    def play():
        try:
            for _ in range(100_000):
                port.send(b"\x90\x3c\x5a")
        except PortError as error:
            errors.append(str(error))

    threading.Thread(target=play, daemon=True).start()
    until(lambda: errors)
    assert "takes no messages" in errors[0]
    until(lambda: gone(machine.pid()))  # by itself: nobody may be left to end it
    assert lost == ["its driver ended"]
    port.close()


def test_a_player_that_reads_nothing_holds_no_driver_up(machine, system):
    stop, heard = threading.Event(), []

    def receive(data, when):
        heard.append(data)
        stop.wait(60)

    system.open_input("Keys", receive, print)
    with (machine.folder / "heard").open("w") as pipe:
        pipe.write("903c5a\n" * 50_000)  # returns once the driver has taken them
        pipe.write("803c00\n")
    until(lambda: (machine.folder / "taken").exists())
    stop.set()
    until(lambda: len(heard) > 1000)


def test_a_driver_that_hangs_on_closing_is_ended(machine, system):
    port = system.open_output("Synth", print)
    port.send(b"\xf8")
    until(lambda: machine.sent())
    machine.mode("hang on closing")
    port.close()
    until(lambda: gone(machine.pid()))


def test_without_the_library_the_reason_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    system = MidiSystem()
    system.settle()
    assert "pip install 'rnnmuse[midi]'" in system.reason
    assert system.names() == ([], [])
    with pytest.raises(PortError, match="rtmidi2 is not installed"):
        system.open_output("Synth", print)
    system.close()


def test_a_driver_that_is_not_there_gives_its_reason(machine, monkeypatch):
    (machine.folder.parent / "rtmidi2.py").write_text("raise OSError('no such driver')")
    system = MidiSystem(["coremidi"])
    system.settle()
    assert system.reason == "no such driver"
    system.close()


def test_windows_has_no_virtual_ports(machine):
    system = MidiSystem(["winmm"])
    with pytest.raises(PortError, match="Windows has no virtual ports"):
        system.open_output("rnnmuse out", print, virtual=True)
    system.close()


def test_nothing_opens_on_a_system_that_is_closed(machine, system):
    system.close()
    with pytest.raises(PortError, match="'Synth': the MIDI system is closed"):
        system.open_output("Synth", print)


def test_a_port_that_opens_while_the_system_closes_is_closed(machine, system, monkeypatch):
    made = ports._Port

    def slow(*words):
        port = made(*words)
        system.close()
        return port

    monkeypatch.setattr(ports, "_Port", slow)
    with pytest.raises(PortError, match="'rnnmuse out': the MIDI system is closed"):
        system.open_output("rnnmuse out", print, virtual=True)
    until(lambda: gone(machine.pid()))


def test_a_system_that_starts_no_process_has_no_ports(machine, monkeypatch):
    def refuse(*words, **options):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", refuse)
    system = MidiSystem(["coremidi"])
    system.settle()
    assert system.reason == "coremidi: Resource temporarily unavailable"
    system.close()
