"""MIDI through real JACK servers (the dummy driver), and a program that is on them by rtmidi2 itself."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from jackd import JackError, finish, jack_connect, until
from jackd import jack as jack_server

from rnnmuse.bridges import osc
from rnnmuse.bridges.midi import Ports
from rnnmuse.bridges.midi_in import MidiReceiver
from rnnmuse.bridges.output import Sent
from rnnmuse.bridges.ports import MidiSystem
from rnnmuse.bridges.synth import SynthOut, soundfont

pytest.importorskip("rtmidi2", reason="rtmidi2 is not installed")
TOOLS = ("jackd", "jack_lsp", "jack_connect")
pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason="jackd with its tools is not installed"
)

PLAYER = """
import ctypes, sys
ctypes.CDLL("libjack.so.0", mode=ctypes.RTLD_GLOBAL)  # rtmidi2's own speaks to no server of today
import rtmidi2
out, into = rtmidi2.MidiOut("tester", rtmidi2.API_UNIX_JACK), rtmidi2.MidiIn("tester", api=rtmidi2.API_UNIX_JACK)
out.open_virtual_port("out"); into.open_virtual_port("in")
into.callback = lambda message, _: print("heard", *message, flush=True)
print("open", flush=True)
for line in sys.stdin:
    out.send_raw(*[int(word) for word in line.split()])
into.callback = None
into.close_port(); out.close_port()
del into, out
"""


class Lines:
    """What a process prints, line by line, with patience instead of sleep."""

    def __init__(self, command, env):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self.timer = threading.Timer(60, self.process.kill)
        self.timer.start()

    def until(self, test):
        for line in self.process.stdout:
            if test(line):
                return line
        raise AssertionError("it ended before it said so")

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(20)
        self.timer.cancel()
        return code


@pytest.fixture
def jack():
    try:
        with jack_server() as found:
            yield os.environ | found
    except JackError as error:
        pytest.skip(str(error))


def ports(env):
    return subprocess.run(["jack_lsp"], env=env, capture_output=True, text=True, check=True).stdout.split("\n")


def begins(line):
    """Whether the player heard a note begin, on any channel."""
    words = line.split()
    return words[0] == "heard" and words[1].isdecimal() and 144 <= int(words[1]) < 160 and words[3] != "0"


def sounding(lines):
    """The notes that sound, by status and pitch, after all that the player heard."""
    left = set()
    for line in lines:
        words = line.split()
        if begins(line):
            left.add((int(words[1]) - 16, words[2]))
        elif words[0] == "heard" and 128 <= int(words[1]) < 144:
            left.discard((int(words[1]), words[2]))
    return left


def test_a_midi_note_in_is_midi_notes_out(jack):
    live = Lines([sys.executable, "-m", "rnnmuse.cli.main", "live", "--port", "0", "--mode", "accompany"], jack)
    player = Lines([sys.executable, "-c", PLAYER], jack)
    try:
        assert "rnnmuse in" in live.until(lambda line: line.startswith("MIDI"))
        player.until(lambda line: line.startswith("open"))
        known = ports(jack)
        for source, target in ((":out", ":rnnmuse in"), (":rnnmuse out", ":in")):
            first = next(port for port in known if port.endswith(source))
            second = next(port for port in known if port.endswith(target))
            subprocess.run(["jack_connect", first, second], env=jack, check=True)
        heard = []
        for pitch in (60, 64, 67):
            player.process.stdin.write(f"144 {pitch} 90\n")
            player.process.stdin.flush()
            heard.append(player.until(begins))
        assert live.end() == 0
        while sounding(heard):
            heard.append(player.until(lambda line: line.startswith("heard")))
    finally:
        player.process.stdin.close()
        player.process.wait(10)
        player.timer.cancel()
        if live.process.poll() is None:
            live.end(signal.SIGKILL)


def test_a_player_that_is_killed_leaves_no_note_behind(jack):
    words = ["live", "--port", "0", "--mode", "accompany"]
    live = Lines([sys.executable, "-m", "rnnmuse.cli.main", *words], jack)
    player = Lines([sys.executable, "-c", PLAYER], jack)
    try:
        live.until(lambda line: line.startswith("MIDI"))
        player.until(lambda line: line.startswith("open"))
        jack_connect("tester:out", ":rnnmuse in")
        jack_connect(":rnnmuse out", "tester-01:in")
        player.process.stdin.write("144 60 90\n")
        player.process.stdin.flush()
        heard = [player.until(begins)]
        live.end(signal.SIGKILL)
        while sounding(heard):
            heard.append(player.until(lambda line: line.startswith("heard")))
    finally:
        player.process.stdin.close()
        player.process.wait(10)
        player.timer.cancel()
        if live.process.poll() is None:
            live.end(signal.SIGKILL)


CLOCK = """
import ctypes, sys, time
ctypes.CDLL("libjack.so.0", mode=ctypes.RTLD_GLOBAL)
import rtmidi2
out = rtmidi2.MidiOut("clock", rtmidi2.API_UNIX_JACK)
out.open_virtual_port("out")
print("open", flush=True)
sys.stdin.readline()
out.send_raw(0xFA)
began = time.monotonic()
for pulse in range(100000):
    time.sleep(max(0.0, began + pulse * 60 / 90 / 24 - time.monotonic()))
    out.send_raw(0xF8)
    if pulse % 24 == 0:
        print("beat", pulse // 24, flush=True)
    if pulse == 24 * 8:
        break
out.send_raw(0xFC)
print("end", flush=True)
sys.stdin.readline()
out.close_port()
del out
"""


def ask(port, address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(10)
        udp.sendto(osc.build(address, ()), ("127.0.0.1", port))
        return osc.parse(udp.recv(4096))[0].arguments


def test_a_midi_clock_in_is_the_tempo(jack, tmp_path):
    rig = tmp_path / "rig.toml"
    rig.write_text('[stage]\nport = 0\nsource = "midi"\nclock = true\n')
    live = Lines([sys.executable, "-m", "rnnmuse.cli.main", "live", str(rig)], jack)
    port = int(live.until(lambda line: line.startswith("OSC")).rsplit(":", 1)[1])
    clock = Lines([sys.executable, "-c", CLOCK], jack)
    try:
        live.until(lambda line: line.startswith("MIDI"))
        clock.until(lambda line: line.startswith("open"))
        known = ports(jack)
        source = next(name for name in known if name.endswith("clock:out") or name.endswith(":out"))
        target = next(name for name in known if name.endswith(":rnnmuse in"))
        subprocess.run(["jack_connect", source, target], env=jack, check=True)
        clock.process.stdin.write("\n")
        clock.process.stdin.flush()
        clock.until(lambda line: line.startswith("beat 8"))
        (tempo,) = ask(port, "/rnnmuse/transport/tempo")
        assert abs(tempo - 90) < 1.5  # a shared machine sends it with jitter; test_midi_clock holds it to 0.5
        assert 7.8 < ask(port, "/rnnmuse/transport/position")[0] < 8.6
        clock.until(lambda line: line.startswith("end"))
        clock.process.stdin.write("\n")
        clock.process.stdin.flush()
        assert clock.process.wait(10) == 0
        clock.timer.cancel()
        assert live.end() == 0
    finally:
        for program in (clock, live):
            if program.process.poll() is None:
                program.end(signal.SIGKILL)


def test_the_mido_example_plays_through_jack(jack, tmp_path):
    pytest.importorskip("rtmidi", reason="python-rtmidi, by which mido reaches ports, is not installed")
    example = Path(__file__).parents[2] / "examples" / "05_mido_client.py"
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, env=jack, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is answered with") == 4


def test_a_port_that_vanishes_is_told_and_opened_again(jack, tmp_path):
    rig = tmp_path / "rig.toml"
    rig.write_text(
        '[stage]\nport = 0\nvirtual = false\nplay = true\n[[output]]\nport = "tester"\n'
        '[player.1]\nmode = "free"\nstarted = true\n'
    )
    player = Lines([sys.executable, "-c", PLAYER], jack)
    player.until(lambda line: line.startswith("open"))
    live = Lines([sys.executable, "-m", "rnnmuse.cli.main", "live", str(rig)], jack)
    port = int(live.until(lambda line: line.startswith("OSC")).rsplit(":", 1)[1])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(20)
            udp.sendto(osc.build("/rnnmuse/subscribe", ()), ("127.0.0.1", port))
            player.until(begins)
            player.process.stdin.close()
            assert player.process.wait(10) == 0
            player.timer.cancel()
            while (message := osc.parse(udp.recv(4096))[0]).address != "/rnnmuse/error":
                pass
            assert message.arguments[1:] == ("port", "tester is gone: its port vanished")
        player = Lines([sys.executable, "-c", PLAYER], jack)
        player.until(begins)
        assert live.end() == 0
    finally:
        player.process.stdin.close()
        player.process.wait(10)
        player.timer.cancel()
        if live.process.poll() is None:
            live.end(signal.SIGKILL)


class Performer:
    """The handler of an input, which keeps the notes."""

    def __init__(self):
        self.notes = []

    def note(self, *what):
        self.notes.append(what)

    def now(self):
        return time.monotonic_ns()

    def __getattr__(self, name):
        return lambda *_: None


def hear_and_be_heard(env, output, performer):
    """A program on the server hears what is played, and the performer what it plays."""
    player = Lines([sys.executable, "-c", PLAYER], env)
    try:
        player.until(lambda line: line.startswith("open"))
        jack_connect("tester:out", ":rnnmuse in")
        jack_connect(":rnnmuse out", "tester-01:in")
        output.prepare(Sent(1, 0, 60, 90, 0.0, 1.0, 0))()
        output.prepare(Sent(1, 0, 60, 0, 0.0, 1.0, 0))()
        player.until(begins)
        performer.notes.clear()
        player.process.stdin.write("146 62 90\n")
        player.process.stdin.flush()
        until(lambda: performer.notes == [(2, 62, 90)])
    finally:
        player.process.stdin.close()
        player.process.wait(10)
        player.timer.cancel()


def test_ports_come_back_when_jack_is_started_again(jack):
    outputs, lost, performer = {}, [], Performer()

    def lose(output, why):
        lost.append(why)
        output.close()

    def states():
        return {state.state for state in ports.state()}

    ports = Ports(
        MidiSystem(["jack"]),
        lambda output: outputs.update(out=output),
        lose,
        lambda mpe, echoes: MidiReceiver(performer, mpe, echoes),
    )
    ports.virtual()
    ports.open()
    assert states() == {"open"}
    hear_and_be_heard(jack, outputs["out"], performer)
    name = jack["JACK_DEFAULT_SERVER"]
    found = subprocess.run(["pgrep", "-f", f"jackd -n {name} "], capture_output=True, text=True, check=True)
    os.kill(int(found.stdout), signal.SIGKILL)
    os.waitpid(int(found.stdout), 0)  # else its name is in use
    until(lambda: states() == {"gone"})
    assert lost == ["the jack server is gone"]
    assert performer.notes[-1] == (2, 62, 0)
    command = ["jackd", "-n", name, "-S", "--no-realtime", "-t", "20000", "-d", "dummy", "-r", "48000", "-p", "256"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: states() == {"open"})
        hear_and_be_heard(jack, outputs["out"], performer)
    finally:
        ports.close()
        finish(server, 3)


def test_a_synthesiser_is_played(jack, monkeypatch):
    font = soundfont()
    if font is None or shutil.which("fluidsynth") is None:
        pytest.skip("fluidsynth or a SoundFont is not installed")
    for name, value in jack.items():
        monkeypatch.setenv(name, value)
    synth = SynthOut(font, ("-a", "jack"))
    synth.prepare(Sent(1, 0, 60, 90, 0.0, 0.0, 0))()
    synth.prepare(Sent(1, 0, 60, 0, 1.0, 0.0, 0))()
    assert synth._process.poll() is None
    try:  # on a busy machine it registers late; each look at the ports takes some milliseconds
        assert any("fluidsynth" in "".join(ports(jack)) for _ in range(1000))
    finally:
        synth.close()
