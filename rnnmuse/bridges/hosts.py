"""The other ends of the bridges: which hosts there are, where their files go, whether their bridge answers.

Each folder of the top-level ``bridges/`` has a ``host.toml`` that says it: `Host` holds its fields.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
import socket
import statistics
import time
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rnnmuse.bridges import osc
from rnnmuse.errors import RnnmuseError
from rnnmuse.protocol import PORT
from rnnmuse.system import MACHINE

WAYS = ("osc", "midi", "both", "files")


class HostError(RnnmuseError):
    """A host that is not known, or whose bridge cannot be installed or does not answer."""


@dataclass(frozen=True, slots=True)
class Host:
    """A program that rnnmuse plays with.

    ``tried`` is the version that the tests have run, empty for "not yet tried in the host". ``way`` is how notes go
    (osc, midi, both, files). ``probe`` says that its bridge answers /rnnmuse/probe. ``places`` are folders by system
    (linux, darwin, win32), empty where files are opened from wherever they are. ``steps`` lead to a first note.
    """

    name: str
    """Its folder's name, by which it is asked for."""
    title: str
    """The name that is shown."""
    folder: Path
    """Where its bridge lies."""
    tried: str
    way: str
    probe: bool
    files: tuple[str, ...]
    """The bridge's files that are copied, relative to the folder."""
    places: dict[str, str]
    features: tuple[str, ...]
    """What the bridge can do, such as "notes in" or "transport"."""
    steps: tuple[str, ...]

    @property
    def place(self) -> Path | None:
        """Where this system's host looks for the files; None where it does not matter."""
        found = self.places.get(MACHINE.platform, "")
        return Path(os.path.expandvars(found)).expanduser() if found else None


def folder() -> Path:
    """The bridges' folder: in the wheel, or beside the package in a checkout."""
    inside = Path(str(resources.files("rnnmuse"))) / "_data" / "bridges"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "bridges"


def hosts() -> dict[str, Host]:
    """Every host by its name."""
    return {file.parent.name: _read(file) for file in sorted(folder().glob("*/host.toml"))}


def find(name: str) -> Host:
    """One host; HostError names those there are."""
    known = hosts()
    if name not in known:
        raise HostError(f"host: {name!r}; must be one of {', '.join(known)}")
    return known[name]


def _read(file: Path) -> Host:
    data = tomllib.loads(file.read_text("utf-8"))
    names = {"title", "tried", "way", "probe", "files", "places", "features", "steps"}
    wrong = names ^ data.keys()
    if wrong or data["way"] not in WAYS:
        raise HostError(f"{file}: {', '.join(sorted(wrong)) or 'way'}: missing or not known")
    return Host(file.parent.name, data["title"], file.parent, data["tried"], data["way"], data["probe"],
                tuple(data["files"]), data["places"], tuple(data["features"]), tuple(data["steps"]))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Copy:
    """One file to be copied. ``state``: new, same, or differs (another file is there already)."""

    source: Path
    """The file in the bridge's folder."""
    target: Path
    """The file in the host's folder."""
    state: str


def plan(host: Host, target: Path) -> list[Copy]:
    """What copying the host's files into a folder would do."""
    out = []
    for name in host.files:
        source, to = host.folder / name, target / name
        state = "new" if not to.exists() else "same" if filecmp.cmp(source, to, shallow=False) else "differs"
        out.append(Copy(source, to, state))
    return out


def copy(copies: list[Copy]) -> None:
    """Do it; what differs is overwritten, so ask before."""
    for one in copies:
        if one.state != "same":
            one.target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(one.source, one.target)


class Line:
    """A UDP line to a running rnnmuse live; HostError where nobody answers."""

    def __init__(self, port: int = PORT, patience: float = 3.0) -> None:
        self.port, self.patience = port, patience
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))

    def __enter__(self) -> Line:
        (self.name, self.version, _) = self.ask("/rnnmuse/hello")
        self.ask("/rnnmuse/subscribe", 60, answer="/rnnmuse/subscribed")
        return self

    def __exit__(self, *_: object) -> None:
        self.send("/rnnmuse/unsubscribe")
        self._socket.close()

    def send(self, address: str, *values: object) -> None:
        """Send one message."""
        with contextlib.suppress(ConnectionError):
            self._socket.send(osc.build(address, values))

    def wait(self, address: str, patience: float | None = None) -> tuple[object, ...] | None:
        """The arguments of the next such message; None if it does not come in time."""
        end = time.monotonic() + (self.patience if patience is None else patience)
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                messages = osc.parse(self._socket.recv(65536))
            except ConnectionError:
                break
            except TimeoutError:
                break
            for message in messages:
                if message.address == address:
                    return message.arguments
        return None

    def ask(self, address: str, *values: object, answer: str = "") -> tuple[object, ...]:
        """Send a message and wait for its answer; HostError where none comes."""
        self.send(address, *values)
        found = self.wait(answer or address)
        if found is None:
            raise HostError(f"nothing answers on port {self.port}: start it with: rnnmuse live")
        return found


def check(host: Host, port: int = PORT, patience: float = 5.0) -> list[str]:
    """Try the connection by a real exchange, with a running rnnmuse live and the host; returns what was found.

    A bridge of our own answers ten probes; from another host that plays notes, a note is waited for. For MIDI,
    rnnmuse's ports are looked at. HostError says what is missing and what to do.
    """
    if host.way == "files":
        return [f"only files pass between rnnmuse and {host.title}: " + "; ".join(host.steps)]
    with Line(port) as line:
        lines = [f"rnnmuse {line.version} answers on port {port}"]
        if host.probe:
            lines.append(_probes(host, line, patience))
        if host.way in ("midi", "both"):
            lines.append(_midi(line, needed=not host.probe))
        if not host.probe and "notes in" in host.features:
            lines.append(_notes(host, line, patience))
        return lines


def _probes(host: Host, line: Line, patience: float) -> str:
    ways: list[float] = []
    base = time.time_ns() % 1_000_000
    for number in range(base, base + 10):
        began = time.perf_counter()
        line.send("/rnnmuse/probe", number)
        while True:
            found = line.wait("/rnnmuse/probed", patience)
            if found is None:
                text = f"{host.title} does not answer: " + "; ".join(host.steps)
                raise HostError(text if not ways else f"{host.title} answered {len(ways)} of 10 probes")
            if found == (number, host.name):
                break
        ways.append(1000 * (time.perf_counter() - began))
    return f"{host.title} answers 10 of 10 probes, there and back in {statistics.median(ways):.1f} ms (median)"


def _midi(line: Line, needed: bool) -> str:
    ports = line.ask("/rnnmuse/midi/ports")
    if ports:
        return f"MIDI out: {', '.join(map(str, ports))}"
    text = "no MIDI ports are open: pip install 'rnnmuse[midi]', or name a port in a rig (docs/midi.md)"
    if needed:
        raise HostError(text)
    return text


def _notes(host: Host, line: Line, patience: float) -> str:
    before = line.ask("/rnnmuse/stats")[0]
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if line.ask("/rnnmuse/stats")[0] != before:
            return f"a note came from {host.title}"
        time.sleep(0.1)
    raise HostError(
        f"no note came from {host.title} in {patience:g} s (play one while this runs): " + "; ".join(host.steps)
    )
