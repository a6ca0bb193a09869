"""MIDI through a real JACK server (the dummy driver): a note goes in, the player's notes come out."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from echo import JackError
from echo import jack as jack_server

from rnnmuse.bridges import osc
from rnnmuse.bridges.output import Sent
from rnnmuse.bridges.synth import SynthOut, soundfont

rtmidi = pytest.importorskip("rtmidi", reason="python-rtmidi is not installed")
TOOLS = ("jackd", "jack_lsp", "jack_connect")
pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS) or rtmidi.API_UNIX_JACK not in rtmidi.get_compiled_api(),
    reason="jackd with its tools, or python-rtmidi's JACK, is not installed",
)

PLAYER = """
import sys, rtmidi
api = rtmidi.API_UNIX_JACK
out, into = rtmidi.MidiOut(api, "tester"), rtmidi.MidiIn(api, "tester")
out.open_virtual_port("out"); into.open_virtual_port("in")
into.set_callback(lambda message, _: print("heard", *message[0], flush=True))
print("open", flush=True)
for line in sys.stdin:
    out.send_message([int(word) for word in line.split()])
into.close_port(); out.close_port(); into.delete(); out.delete()
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


def test_a_midi_note_in_is_midi_notes_out(jack):
    live = Lines([sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0", "--mode", "accompany"], jack)
    player = Lines([sys.executable, "-c", PLAYER], jack)
    try:
        assert "rnnmuse in" in live.until(lambda line: line.startswith("MIDI"))
        player.until(lambda line: line.startswith("open"))
        known = ports(jack)
        for source, target in ((":out", ":rnnmuse in"), (":rnnmuse out", ":in")):
            first = next(port for port in known if port.endswith(source))
            second = next(port for port in known if port.endswith(target))
            subprocess.run(["jack_connect", first, second], env=jack, check=True)
        sounding = set()

        def heard():  # the parts have channels of their own
            line = player.until(lambda text: text.startswith(("heard 12", "heard 13", "heard 14")))
            status, pitch = line.split()[1:3]
            (sounding.add if int(status) >= 144 else sounding.discard)((str(int(status) | 16), pitch))
            return int(status) >= 144

        for pitch in (60, 64, 67):
            player.process.stdin.write(f"144 {pitch} 90\n")
            player.process.stdin.flush()
            while not heard():
                pass
        player.process.stdin.write("176 123 0\n")
        player.process.stdin.flush()
        while sounding:
            heard()
        assert live.end() == 0
    finally:
        player.process.stdin.close()  # it then closes its ports, without which the server would not end
        player.process.wait(10)
        player.timer.cancel()
        if live.process.poll() is None:
            live.end(signal.SIGKILL)


CLOCK = """
import sys, time, rtmidi
out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, "clock")
out.open_virtual_port("out")
print("open", flush=True)
sys.stdin.readline()
out.send_message([0xFA])
began = time.monotonic()
for pulse in range(100000):
    time.sleep(max(0.0, began + pulse * 60 / 90 / 24 - time.monotonic()))
    out.send_message([0xF8])
    if pulse % 24 == 0:
        print("beat", pulse // 24, flush=True)
    if pulse == 24 * 8:
        break
out.send_message([0xFC])
print("end", flush=True)
sys.stdin.readline()
out.close_port(); out.delete()
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
            player.until(lambda line: line.startswith("heard 14"))
            player.process.stdin.close()
            assert player.process.wait(10) == 0
            player.timer.cancel()
            while (message := osc.parse(udp.recv(4096))[0]).address != "/rnnmuse/error":
                pass
            assert message.arguments[1] == "port"
            assert message.arguments[2] in (
                "tester is gone: its port vanished",
                "tester is gone: MIDI port 'tester-01:in' is gone",  # a note found out first
            )
        player = Lines([sys.executable, "-c", PLAYER], jack)
        player.until(lambda line: line.startswith("heard 14"))
        assert live.end() == 0
    finally:
        player.process.stdin.close()
        player.process.wait(10)
        player.timer.cancel()
        if live.process.poll() is None:
            live.end(signal.SIGKILL)


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
