"""Rigs: everything that a performance is set up with, in one TOML file, read into dataclasses.

`FIELDS` documents every field. The file that `rnnmuse rig new` writes, the checks and docs/rigs.md are made from it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from rnnmuse.bridges.drums import KITS
from rnnmuse.clock import Metre, checked_metre
from rnnmuse.errors import RnnmuseError
from rnnmuse.protocol import MODES, PARAMETERS, PARTS, PLAYERS, PORT, SOURCES, Argument, ProtocolError
from rnnmuse.session.checks import check_parameter
from rnnmuse.session.lineup import CHARTS, MODELS, PROGRAMS, SEATS, TEMPOS
from rnnmuse.session.seat import PartSetting, Seat, hearing


class RigError(RnnmuseError):
    """A rig that cannot be used; the text names file, line and field."""


def _number(name: str, low: float, high: float, kind: str = "f", unit: str = "") -> Argument:
    return Argument(name, kind, low, high, unit=unit)


def _text(name: str, *choices: str) -> Argument:
    return Argument(name, "s", choices=choices)


FIELDS: dict[str, dict[str, tuple[Argument, Any, str]]] = {
    "stage": {
        "host": (_text("host"), "127.0.0.1", "address where rnnmuse listens for OSC; 0.0.0.0 lets other machines in"),
        "port": (_number("port", 0, 65535, "i"), PORT, "port for OSC, UDP and TCP; 0 takes a free one"),
        "query": (_number("query", 0, 65535, "i"), 7807, "port for OSCQuery (HTTP); 0 for none"),
        "tempo": (_number("tempo", 20, 999, unit="bpm"), 120.0, "tempo"),
        "metre": (_text("metre"), "4/4", "time signature"),
        "swing": (_number("swing", 0.5, 0.75), 0.5, "position of the second eighth within its beat"),
        "source": (_text("source", *SOURCES), "internal", "who leads the clock"),
        "model": (_text("model"), "lieder", "the model that players begin with"),
        "chart": (_text("chart"), "", 'chords in bars that players play over, such as "Am7 | D7 | Gmaj7 % |"'),
        "key": (_text("key"), "", "the key of all players; empty to follow what is heard"),
        "split": (_number("split", 0, 127, "i"), 0, "notes below this MIDI note give the chords; 0 for none"),
        "chords": (_number("chords", 0, 16, "i"), 0, "the MIDI channel whose notes give the chords; 0 for none"),
        "virtual": (Argument("virtual", "b"), True, "open the virtual ports rnnmuse in and rnnmuse out"),
        "clock": (Argument("clock", "b"), False, "send MIDI clock on rnnmuse out"),
        "mpe": (Argument("mpe", "b"), False, "rnnmuse in takes MPE; channel 1 manages all others"),
        "latency": (_number("latency", -1000, 1000, unit="ms"), 0.0, "rnnmuse out gets notes earlier by this much"),
        "kit": (_text("kit", *KITS), "gm", "how drum notes are named on rnnmuse out"),
        "discovery": (Argument("discovery", "b"), False, "advertise by zeroconf (extra discovery)"),
        "play": (Argument("play", "b"), False, "start the clock at once"),
    },
    "player": {
        "model": (_text("model"), "", "its model; empty for the stage's"),
        "mode": (_text("mode", *MODES), "off", "what it does with what it hears"),
        "channel": (_number("channel", 0, 16, "i"), 0, "MIDI channel of its notes; 0 for its own number"),
        "program": (_number("program", 0, 128, "i"), 0, "General MIDI program of its notes; 0 for the model's"),
        "target": (_text("target"), "", "its notes go to outputs whose name contains this; empty for all"),
        "hears": (_text("hears"), "", 'MIDI channels and players it hears, such as "ch1 2"; empty for its own channel'),
        "when": (_text("when", "now", "beat", "bar"), "now", "when changes of mode and parameters take effect"),
        "started": (Argument("started", "b"), False, "plays as soon as the clock runs"),
        "mute": (Argument("mute", "b"), False, "plays, but is not heard"),
        "solo": (Argument("solo", "b"), False, "mutes every other player that is not solo too"),
        **PARAMETERS,
    },
    "part": {
        "channel": (_number("channel", 0, 16, "i"), 0, "MIDI channel of the part; 0 for the next free one"),
        "program": (_number("program", 0, 128, "i"), 0, "General MIDI program of the part; 0 for the model's"),
    },
    "output": {
        "kind": (_text("kind", "midi", "dirt", "ardour"), "midi", "a MIDI port, SuperDirt, or Ardour's transport"),
        "port": (_text("port"), "", "part of the MIDI port's name"),
        "host": (_text("host"), "127.0.0.1", "where SuperDirt or Ardour runs"),
        "number": (_number("number", 1, 65535, "i"), 57120, "SuperDirt's UDP port; Ardour's is 3819"),
        "latency": (_number("latency", -1000, 1000, unit="ms"), 0.0, "it gets notes earlier by this much"),
        "clock": (Argument("clock", "b"), False, "send it MIDI clock"),
        "kit": (_text("kit", *KITS), "gm", "how drum notes are named there"),
        "sound": (_text("sound"), "superpiano", "SuperDirt's sound for notes"),
        "drum": (_text("drum"), "drum", "SuperDirt's sound for drums"),
    },
    "input": {
        "port": (_text("port"), "", "part of the MIDI port's name"),
        "mpe": (Argument("mpe", "b"), False, "takes MPE"),
    },
    "learn": {
        "channel": (_number("channel", 1, 16, "i"), 1, "MIDI channel"),
        "controller": (_number("controller", 0, 127, "i"), 1, "controller number"),
        "address": (_text("address"), "", "the OSC address that it sets"),
        "low": (_number("low", -1e6, 1e6), 0.0, "value at 0"),
        "high": (_number("high", -1e6, 1e6), 1.0, "value at 127"),
    },
}
"""Table, field: argument (its kind and range), default, meaning. ``player`` is [player.1] to [player.16] and, in a
preset, [preset.1.player.1]; ``part`` is [player.1.part.1] to 8; ``output``, ``input`` and ``learn`` are lists
([[output]])."""


@dataclass(frozen=True, slots=True)
class Rig:
    """A rig: the stage's fields, its players, presets, ports and learned controllers."""

    stage: dict[str, Any] = field(default_factory=lambda: {n: row[1] for n, row in FIELDS["stage"].items()})
    """By field of `FIELDS`, units as there."""
    players: dict[int, Seat] = field(default_factory=dict)
    """By number, 1 to 16."""
    presets: dict[int, dict[int, Seat]] = field(default_factory=dict)
    """Seats by number of the preset, then of the player."""
    outputs: tuple[dict[str, Any], ...] = ()
    """Each by field of `FIELDS`."""
    inputs: tuple[dict[str, Any], ...] = ()
    """Each by field of `FIELDS`."""
    learned: tuple[dict[str, Any], ...] = ()
    """Each by field of `FIELDS`."""

    @property
    def metre(self) -> Metre:
        """The time signature."""
        return parse_metre(str(self.stage["metre"]))

    def models(self) -> set[str]:
        """The name of every model that the rig asks for."""
        seats = [*self.players.values(), *(seat for preset in self.presets.values() for seat in preset.values())]
        return {str(self.stage["model"]), *(seat.model for seat in seats if seat.model)}


def parse_metre(text: str) -> Metre:
    """A metre from "3/4"; ValueError says what is wrong with it."""
    match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{1,2})\s*", text)
    if match is None:
        raise ValueError(f"metre: {text[:20]!r}; must be such as 4/4 or 6/8")
    return checked_metre(int(match[1]), int(match[2]))


def load(path: Path) -> Rig:
    """Read a rig; RigError names the line and the field of the first mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RigError(f"{path}: is not a text file in UTF-8") from None
    try:
        return parse(text)
    except RigError as error:
        raise RigError(f"{path}: {error}") from None


def parse(text: str) -> Rig:
    """A rig from TOML text; RigError names the line and the field."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = str(error).replace("end of document", f"line {text.count(chr(10)) + 1}")
        raise RigError(re.sub(r"(.*) \(at (.*)\)", r"\2: \1", where)) from None
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of thousands of digits
        raise RigError(f"not a rig: {str(error).splitlines()[0][:120]}") from None
    return _Reader(text).rig(data)


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def rig(self, data: dict[str, Any]) -> Rig:
        known = ("stage", "player", "preset", "output", "input", "learn")
        for name in data:
            if name not in known:
                self._fail((name,), f"[{name}]: not known; must be one of {', '.join(known)}")
        stage = self._table("stage", ("stage",), data.get("stage", {}))
        presets = {}
        for number, preset in self._numbered(("preset",), data.get("preset", {}), 128):
            for name in preset:
                if name != "player":
                    self._fail(("preset", str(number), name), f"[preset.{number}] {name}: not known; must be player")
            presets[number] = self._players(("preset", str(number), "player"), preset.get("player", {}))
        return Rig(
            stage,
            self._players(("player",), data.get("player", {})),
            presets,
            self._list("output", data),
            self._list("input", data),
            self._list("learn", data),
        )

    def _players(self, path: tuple[str, ...], data: Any) -> dict[int, Seat]:
        out = {}
        for number, table in self._numbered(path, data, PLAYERS):
            at = (*path, str(number))
            values = self._table("player", at, {name: value for name, value in table.items() if name != "part"})
            parameters = {n: values[n] for n in PARAMETERS if n in table}
            own = {n: value for n, value in values.items() if n not in PARAMETERS}
            parts = {
                n: PartSetting(**self._table("part", (*at, "part", str(n)), part))
                for n, part in self._numbered((*at, "part"), table.get("part", {}), PARTS)
            }
            out[number] = Seat(**own, parameters=parameters, parts=parts)
        return out

    def _numbered(self, path: tuple[str, ...], data: Any, last: int) -> list[tuple[int, Any]]:
        title = ".".join(path)
        if not isinstance(data, dict):
            self._fail(path, f"{title}: must be tables such as [{title}.1]")
        for name, table in data.items():
            if not (name.isdecimal() and 1 <= int(name) <= last):
                self._fail((*path, name), f"[{title}.{name}]: the number must be 1 to {last}")
            if not isinstance(table, dict):
                self._fail((*path, name), f"{title}.{name}: must be a table such as [{title}.1]")
        return [(int(name), table) for name, table in data.items()]

    def _list(self, name: str, data: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        tables = data.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
            self._fail((name,), f"{name}: must be written as [[{name}]]")
        return tuple(self._table(name, (name,), table, at) for at, table in enumerate(tables))

    def _table(self, kind: str, path: tuple[str, ...], data: Any, nth: int = 0) -> dict[str, Any]:
        if not isinstance(data, dict):
            self._fail(path, f"{'.'.join(path)}: must be a table")
        fields, title = FIELDS[kind], ".".join(path)
        out = {name: row[1] for name, row in fields.items()}
        for name, value in data.items():
            where = f"[{title}] {name}"
            if name not in fields:
                self._fail((*path, name), f"{where}: not known; must be one of {', '.join(fields)}", nth)
            argument = fields[name][0]
            if (argument.kind == "b") != isinstance(value, bool):
                needs = "true or false" if argument.kind == "b" else "text" if argument.kind == "s" else "a number"
                self._fail((*path, name), f"{where}: {value!r}; must be {needs}", nth)
            if argument.kind == "b":
                out[name] = value
                continue
            try:
                out[name] = argument.check(f"[{title}] {name}", value)
                if name == "hears":
                    hearing(value)
                elif name == "metre":
                    parse_metre(value)
                check_parameter(name, value)
            except (ProtocolError, ValueError) as error:
                text = str(error).replace(f"{where} {argument.name}:", f"{where}:").removeprefix(f"{name}: ")
                self._fail((*path, name), text if text.startswith("[") else f"{where}: {text}", nth)
        return out

    def _fail(self, path: tuple[str, ...], text: str, nth: int = 0) -> None:
        raise RigError(f"line {self._line(path, nth)}: {text}")

    def _line(self, path: tuple[str, ...], nth: int) -> int:
        """The line where a field, or the nth table of the name, is written."""
        table, seen, header = "", -1, 1
        for number, line in enumerate(self._lines, 1):
            if match := re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line):
                table = match[1].replace('"', "").replace(" ", "")
                seen += table == path[0] and line.lstrip().startswith("[[")
                if table == ".".join(path):
                    header = number
                    if len(path) == 1 or not line.lstrip().startswith("[["):
                        return number
            elif match := re.match(r"""\s*["']?([^="']+?)["']?\s*=""", line):
                full = ".".join(part for part in (table, match[1].strip()) if part)
                if full == ".".join(path) and (seen == nth or seen < 0 or not table or table != path[0]):
                    return number
        return header


def write(rig: Rig) -> str:
    """The rig as TOML; `parse` gives it back. Fields that have their default are left out."""
    table: dict[str, Any] = {"stage": _given("stage", rig.stage)}
    for name, tables in (("output", rig.outputs), ("input", rig.inputs)):
        if tables:
            table[name] = [_given(name, one) for one in tables]
    if rig.learned:
        table["learn"] = [dict(one) for one in rig.learned]
    if rig.players:
        table["player"] = {str(number): _seat(seat) for number, seat in sorted(rig.players.items())}
    if rig.presets:
        table["preset"] = {
            str(number): {"player": {str(player): _seat(seat) for player, seat in sorted(seats.items())}}
            for number, seats in sorted(rig.presets.items())
        }
    return tomli_w.dumps(table)


def _given(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value != FIELDS[kind][name][1]}


def _seat(seat: Seat) -> dict[str, Any]:
    fields = {name: getattr(seat, name) for name in FIELDS["player"] if name not in PARAMETERS}
    out = _given("player", fields) | seat.parameters
    parts = {
        str(n): _given("part", {"channel": p.channel, "program": p.program}) for n, p in sorted(seat.parts.items())
    }
    return out | ({"part": parts} if parts else {})


def band_rig(style: str) -> Rig:
    """The rig of a band: its chart, tempo and four players, who begin as soon as the clock runs."""
    stage = {n: row[1] for n, row in FIELDS["stage"].items()} | {
        "tempo": TEMPOS[style],
        "chart": CHARTS[style],
        "play": True,
    }
    players = {
        player: Seat(
            "free",
            MODELS[role],
            program=PROGRAMS[style].get(role, 0),
            started=True,
            parameters={"role": role, "style": style},
        )
        for player, role in SEATS.items()
    }
    return Rig(stage, players)


def _toml(value: Any) -> str:
    """A value in TOML's spelling, for the template and the reference."""
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def template() -> str:
    """A rig with every field, its default and its meaning, for `rnnmuse rig new`."""
    titles = {"stage": "[stage]", "player": "[player.1]", "part": "[player.1.part.1]", "output": "[[output]]",
              "input": "[[input]]", "learn": "[[learn]]"}  # fmt: skip
    lines = ["# A rig for rnnmuse live. Lines that begin with # show the defaults."]
    for kind, fields in FIELDS.items():
        used = kind in ("stage", "player")
        lines += ["", titles[kind] if used else f"# {titles[kind]}"]
        for name, (argument, default, doc) in fields.items():
            chosen = "accompany" if name == "mode" else default
            sign = "" if name in ("mode", "tempo") else "# "
            lines.append(f"{sign}{name} = {_toml(chosen)}".ljust(34) + f" # {doc}{_limits(argument)}")
    lines += ["", "# A preset, recalled by /rnnmuse/preset/recall 1 or a MIDI program change:", "# [preset.1.player.1]",
              '# mode = "free"', '# key = "D minor"']  # fmt: skip
    return "\n".join(lines) + "\n"


def _limits(argument: Argument) -> str:
    if argument.choices:
        return f" ({', '.join(argument.choices)})"
    if argument.low is None or argument.high is None:
        return ""
    return f" ({argument.low:g} to {argument.high:g}{' ' + argument.unit if argument.unit else ''})"


def reference() -> str:
    """Every field as Markdown tables, for docs/rigs.md."""
    lines = []
    for kind, fields in FIELDS.items():
        title = {
            "player": "[player.1] … [player.16]",
            "part": "[player.1.part.1] … [player.16.part.8]",
            "stage": "[stage]",
        }.get(kind, f"[[{kind}]]")
        lines += [f"### `{title}`", "", "| field | default | |", "| --- | --- | --- |"]
        for name, (argument, default, doc) in fields.items():
            lines.append(f"| `{name}` | `{_toml(default)}` | {doc}{_limits(argument)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
