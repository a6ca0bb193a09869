"""How each host is started here, with a patch that sends every note back and prints how many sound ("open: 2")."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path

import pytest
from echo import BRIDGES, Program, free_port, jack, jack_connect, program, until
from jackd import jack_has

from rnnmuse.bridges import osc
from rnnmuse.protocol import ProtocolError

HERE = Path(__file__).parent
in_full = pytest.mark.skipif(
    not os.environ.get("RNNMUSE_HOSTS"), reason="it takes long, or wants a machine that keeps up: `make hosts` runs it"
)
QUIET = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_DISABLE_SANDBOX": "1"}


@contextmanager
def pure_data(port: int, folder: Path, *options: str) -> Iterator[Program]:
    patch = folder / "echo.pd"
    text = (HERE / "echo.pd").read_text("utf-8")
    patch.write_text(text.replace("PORT", str(port)).replace("WAV", str(folder / "pd.wav")), "utf-8")
    sound = options or ("-noaudio",)
    with program(["pd", "-nogui", *sound, "-nomidi", "-stderr", "-path", BRIDGES / "pd", patch]) as made:
        yield made


@contextmanager
def supercollider(port: int, folder: Path, script: str = "echo.scd", **more: str) -> Iterator[Program]:
    settings = folder / "sclang.yaml"
    settings.write_text(f"includePaths: [{BRIDGES / 'supercollider'}]\nexcludePaths: []\n", "utf-8")
    with program(["sclang", "-l", settings, HERE / script], QUIET | {"RNNMUSE_PORT": str(port)} | more) as made:
        made.until("ready", 60)
        yield made


@contextmanager
def csound(port: int, folder: Path, *options: str) -> Iterator[Program]:
    text = (HERE / "echo.csd").read_text("utf-8")
    score = folder / "echo.csd"
    score.write_text(text.replace("#PORT#", f"#{port}#").replace("#OURS#", f"#{free_port()}#"), "utf-8")
    sound = options or ("-odac", "-+rtaudio=null")
    with program(["stdbuf", "-oL", "csound", *sound, score], {"INCDIR": str(BRIDGES / "csound")}) as made:
        yield made


@contextmanager
def chuck(port: int, folder: Path, *options: str, server: bool = True) -> Iterator[Program]:
    """ChucK with its echo, on a JACK server of its own, or (without ``server``) on the one that is set."""
    words = f"{HERE / 'echo.ck'}:{port}:{free_port()}"
    # without sound (--silent) its time runs as fast as it can
    command = ["chuck", *options, BRIDGES / "chuck" / "RNNMuse.ck", words]
    own = jack(wait=False) if server else nullcontext()
    with own, program(command, goodbye=signal.SIGINT) as made:  # it then leaves JACK
        yield made


HOSTS: dict[str, tuple[str, Callable[[int, Path], AbstractContextManager[Program]]]] = {
    "pd": ("pd", pure_data),
    "supercollider": ("sclang", supercollider),
    "csound": ("csound", csound),
    "chuck": ("chuck jackd", chuck),
}
"""Name as the bridge tells it: the programs that must be installed, and how it is started."""


def missing(*names: str) -> str:
    """Which of the programs is not installed."""
    return next((name for name in names if shutil.which(name) is None), "")


def still_open(made: Program) -> int:
    """How many notes sound in the host, as it counts them itself."""
    return next((int(float(line.split("open:")[1])) for line in reversed(made.lines) if "open:" in line), 0)


DPF = Path(os.environ.get("DPF", "/usr/share/dpf"))


def no_plugin() -> str:
    """Why the plugin cannot be built here; empty where it can."""
    lacking = missing("g++", "make", "pkg-config")
    if lacking:
        return f"{lacking} is not installed"
    return "" if (DPF / "Makefile.plugins.mk").exists() else "dpf-source is not installed, and DPF names no checkout"


@cache
def build_plugin() -> dict[str, Path]:
    """The plugin without its window, built once: what is loaded, by format; "folder" is where all of it is.

    RNNMUSE_PLUGIN names a folder with one that was built already.
    """
    if there := os.environ.get("RNNMUSE_PLUGIN"):
        out = Path(there)
    else:
        folder = Path(tempfile.mkdtemp(prefix="rnnmuse-plugin-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        words = ["make", "-C", BRIDGES / "plugin", "UI=0", f"DPF={DPF}", f"OUT={folder}/out", f"BUILD={folder}/build"]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr, done.stderr
        assert "assertion" not in done.stderr, done.stderr
        out = folder / "out"
    library = next((out / "rnnmuse.vst3").glob("Contents/*/rnnmuse.so"))
    return {"folder": out, "clap": out / "rnnmuse.clap", "vst3": library, "lv2": out / "rnnmuse.lv2" / "rnnmuse.so"}


@cache
def build_plugin_host(*flags: str) -> Path:
    """The host of plugin_host.cpp."""
    folder = Path(tempfile.mkdtemp(prefix="rnnmuse-host-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    words = [
        "g++",
        "-std=gnu++17",
        "-O1",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-rdynamic",
        "-isystem",
        str(DPF),
        *flags,
    ]
    made = folder / "host"
    words += [str(HERE / "plugin_host.cpp"), "-o", str(made), "-ldl", "-lpthread"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return made


@contextmanager
def jalv(port: int, path: Path, name: str = "muse", connect: bool = True, **controls: float) -> Iterator[Program]:
    """The plugin in jalv, on the JACK server that is set; its output is connected to its input. ``path`` is the
    LV2_PATH that finds it."""
    settings = {"lead": 0, "thru": 0, "mode": 0} | controls
    words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    env = {"LV2_PATH": f"{path}:/usr/lib/lv2", "RNNMUSE_PORT": str(port), "RNNMUSE_ENGINE": "none"}
    with program(["jalv", "-n", name, *words, "urn:rnnmuse:plugin"], env) as made:
        if connect:
            jack_connect(f"{name}:lv2_events_out", f"{name}:lv2_events_in")
        yield made


@contextmanager
def fluidsynth(font: str, connect: bool = True) -> Iterator[Program]:
    """fluidsynth on the JACK server that is set; it tells every note (-v), and its voices when it is asked.

    Without ``connect`` rnnmuse is to find its port, which is there, by itself."""
    jack_names = ("-o", "audio.jack.id=synth", "-o", "midi.jack.id=synth")
    words = ["stdbuf", "-oL", "fluidsynth", "-a", "jack", "-m", "jack", "-v", "-R", "0", "-C", "0", "-g", "2"]
    with program([*words, *jack_names, font]) as made:
        if connect:
            jack_connect("rnnmuse out", "synth:midi")
        else:
            jack_has("synth:midi")
        try:
            yield made
        finally:
            if made.process.poll() is None:
                made.say("quit")  # it then leaves JACK, which would wait for it otherwise
                made.process.wait(10)


def heard(made: Program) -> int:
    """How many note-ons fluidsynth has taken: a note may take several voices, but has one number."""
    return len({line.split("\t")[4] for line in made.lines if "noteon" in line})


def voices(made: Program) -> int:
    """How many voices sound in fluidsynth, as it says itself."""
    after = len(made.lines)
    made.say("voice_count")
    return int(made.until("voice_count:", after=after).split()[-1])


TRACK = """
AudioEngine:set_backend("JACK", "", "")
local s = load_session("{folder}", "{name}")
local midi = ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1)
s:new_midi_track(midi, midi, true, ARDOUR.PluginInfo(), nil, nil, 1, "Muse", -1, ARDOUR.TrackMode.Normal, true)
s:save_state("")
close_session()
"""


@contextmanager
def ardour(folder: Path, lua: str = TRACK, again: bool = False, **env: str) -> Iterator[Program]:
    """Ardour without a window on the JACK server that is set: a MIDI track Muse, OSC (see osc_port), MIDI clock out."""
    home, session = folder / "home", folder / "session"
    places = {"HOME": str(home), "LC_ALL": "C.UTF-8"} | env
    everything = os.environ | places
    if not again:
        (home / ".config/ardour7").mkdir(parents=True)
        (home / ".config/ardour7/config").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<Ardour><Config><Option name="send-midi-clock" value="1"/></Config></Ardour>\n'
        )
        run = {"env": everything, "capture_output": True, "timeout": 120}
        subprocess.run(["ardour7-new_session", "-s", "48000", str(session), "muse"], **run)  # type: ignore[call-overload]
        script = folder / "track.lua"
        script.write_text(lua.format(folder=session, name="muse"))
        subprocess.run(["ardour7-lua", str(script)], **run)  # type: ignore[call-overload]
        saved = session / "muse.ardour"
        text, off = saved.read_text("utf-8"), '<Protocol name="Open Sound Control (OSC)" active="0"'
        assert off in text, "ardour7-lua made no session"
        saved.write_text(text.replace(off, off.replace('"0"', '"1"')), "utf-8")
    wrapper = Path(shutil.which("ardour7-lua") or "").read_text("utf-8")  # it knows where Ardour's own files are
    paths = dict(re.findall(r"export ((?:ARDOUR|VAMP)\w+)=(\S+)", wrapper))
    binary = next(Path("/usr/lib/ardour7").glob("hardour-*"))
    command = ["bash", "-c", 'exec -a hardour "$@"', "hardour", binary, session, "muse"]
    places |= paths | {"LD_LIBRARY_PATH": "/usr/lib/ardour7"}
    with program(command, places, goodbye=signal.SIGINT) as made:  # it does not end on SIGTERM
        yield made


def osc_port(made: Program, first: int = 3819) -> int:
    """Ardour's OSC port, once it is open: where another Ardour has the first, it takes one of the next."""
    found: list[int] = []

    def there() -> bool:
        with contextlib.suppress(FileNotFoundError):
            files = [os.readlink(file) for file in Path(f"/proc/{made.process.pid}/fd").iterdir()]
            rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
            ports = [int(row[1].split(":")[1], 16) for row in rows if f"socket:[{row[9]}]" in files]
            found[:] = [port for port in ports if first <= port < first + 20]
        return bool(found)

    until(there, 90, "Ardour does not open its OSC port")
    return found[0]


class Surface:
    """An OSC control surface for Ardour's strips. It is slow of hearing: after each order it gets a moment."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.5)
        self.say("/set_surface", 0, 159, 1, 0, 0, 0, self.socket.getsockname()[1])

    def say(self, address: str, *values: object) -> None:
        self.socket.sendto(osc.build(address, values), ("127.0.0.1", self.port))
        time.sleep(0.5)

    def insist(self, address: str, *values: object) -> None:
        """Say it until its feedback says the same: Ardour may not have made its strips yet."""
        for _ in range(20):
            self.say(address, *values)
            with contextlib.suppress(TimeoutError, ProtocolError):
                while True:
                    message = osc.parse(self.socket.recv(65536))[0]
                    if (message.address, message.arguments) == (address, values):
                        return
        raise AssertionError(f"{address} {values} did not come")

    def press(self, address: str, happened: Callable[[], bool]) -> None:
        """Say it until it has happened: a busy Ardour forgets a start or stop."""
        for _ in range(8):
            self.say(address)
            with contextlib.suppress(AssertionError):
                return until(happened, 4)
        raise AssertionError(f"{address} does nothing")


SONIC_PI = Path("/usr/lib/sonic-pi/app/server/ruby/bin/sonic-pi-server.rb")


class SonicPi:
    """Sonic Pi's server without its window: what the window would say to it, by OSC."""

    def __init__(self, made: Program, port: int, cues: int) -> None:
        self.made, self.port, self.cues = made, port, cues

    def say(self, address: str, *values: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(osc.build(address, ("test", *values)), ("127.0.0.1", self.port))

    def run_bridge(self, port: int, folder: Path = BRIDGES / "sonic-pi") -> None:
        """Run the bridge's buffer, with rnnmuse on this port."""
        text = (folder / "rnnmuse.rb").read_text("utf-8")
        assert "7707" in text
        assert "4560" in text
        self.say("/run-code", text.replace("7707", str(port)).replace("4560", str(self.cues)))

    def kill(self) -> None:
        """As a crash would, with its scsynth, Erlang and MIDI programs: all are in the group that was started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.made.process.pid, signal.SIGKILL)
        self.made.process.wait(10)


def _drain(window: socket.socket) -> None:
    """Read until an empty packet."""
    while window.recv(65536):
        pass
    window.close()


@contextmanager
def sonic_pi(folder: Path) -> Iterator[SonicPi]:
    """The server on free ports, on the JACK server that is set."""
    window = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    window.bind(("127.0.0.1", 0))
    threading.Thread(target=_drain, args=(window,), daemon=True).start()  # what it would show
    ports = [free_port() for _ in range(8)]
    server, scsynth, cues, erlang, midi_out, midi_in, web, _ = ports
    numbers = [server, window.getsockname()[1], scsynth, scsynth, cues, erlang, midi_out, midi_in, web]
    command = ["ruby", SONIC_PI, "-u", *map(str, numbers)]
    with program(command, {"HOME": str(folder)}, cwd=folder) as made:
        made.until("successfully booted", 90)
        host = SonicPi(made, server, cues)
        host.say("/cue-port-internal")
        host.say("/cue-port-start")
        try:
            yield host
        finally:
            host.say("/exit")  # it ends its scsynth, Erlang and MIDI programs
            with contextlib.suppress(subprocess.TimeoutExpired):
                made.process.wait(15)
            host.kill()  # what it forgot
            window.sendto(b"", window.getsockname())


def sonic_pi_echo(host: SonicPi, port: int) -> None:
    """Run the bridge's buffer, and another that sends every note back."""
    host.run_bridge(port)
    host.say(
        "/run-code",
        f"""
use_osc "127.0.0.1", {port}
live_loop :echo do
  use_real_time
  pitch, velocity = sync "/osc*/rnnmuse/out/1/note"
  osc "/rnnmuse/player/1/note", pitch, velocity
end
""",
    )
