"""ABC files taken apart: tunes, and the voices of each as texts of their own, so that each becomes a part."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_FIELD = re.compile(r"^([A-Za-z]):(.*)$")
_INLINE_VOICE = re.compile(r"\[V:\s*([^\]\s]+)[^\]]*\]")
_OPTION = re.compile(r'(\w+)\s*=\s*("[^"]*"|\S+)')


@dataclass(slots=True)
class Tune:
    """A tune: (name, ABC text) of each voice, and by how many semitones each sounds higher than its text."""

    voices: list[tuple[str, str]] = field(default_factory=list)
    shifts: list[int] = field(default_factory=list)
    """Semitones, one for each voice."""


@dataclass(slots=True)
class _Voice:
    name: str = ""
    """As ``V:`` gives it."""
    shift: int = 0
    """Semitones by which it sounds higher than its text."""
    lines: list[str] = field(default_factory=list)
    """Its lines of ABC."""


def tunes(text: str) -> list[Tune]:
    """The tunes of an ABC file. Fields before the first ``X:`` count for every tune, as ABC 2.1 has it."""
    head: list[str] = []
    found: list[list[str]] = []
    for line in text.splitlines():
        line = line.rstrip()
        if line.startswith("X:"):
            found.append([])
        (found[-1] if found else head).append(line)
    if not found:
        return [_tune(head)] if any(line.startswith("K:") for line in head) else []
    shared = [line for line in head if re.match(r"[LMQRU]:", line)]
    return [_tune([lines[0], *shared, *lines[1:]]) for lines in found]


def _tune(lines: list[str]) -> Tune:
    header: list[str] = []
    voices: dict[str, _Voice] = {}
    current = ""
    in_body = False
    for line in lines:
        if line.startswith("%"):
            continue
        line = re.sub(r"(?<!\\)%.*$", "", line)
        match = _FIELD.match(line)
        if match and match[1] == "V":
            current = _declare(voices, match[2])
            continue
        if not in_body:
            header.append(line)
            in_body = bool(match and match[1] == "K")
            if in_body:
                current = ""
            continue
        if not line.strip():
            break
        if match and match[1] in "Ww" and match[1] == "W":
            continue
        for name, music in _pieces(line, current):
            current = name
            if music.strip():
                voices.setdefault(name, _Voice()).lines.append(music)
    playing = [voice for name, voice in voices.items() if any(not re.match(r"[A-Za-z]:", line) for line in voice.lines)]
    tune = Tune()
    for voice in playing:
        tune.voices.append((voice.name, "\n".join([*header, *voice.lines]) + "\n"))
        tune.shifts.append(voice.shift)
    return tune


def _pieces(line: str, current: str) -> list[tuple[str, str]]:
    """A line of music with the voice of each stretch of it."""
    out: list[tuple[str, str]] = []
    at = 0
    for match in _INLINE_VOICE.finditer(line):
        out.append((current, line[at : match.start()]))
        current, at = match[1], match.end()
    out.append((current, line[at:]))
    return out


def _declare(voices: dict[str, _Voice], text: str) -> str:
    """Take a ``V:`` field; returns the voice that it names."""
    name, _, rest = text.strip().partition(" ")
    voice = voices.setdefault(name, _Voice())
    options = {key.lower(): value.strip('"') for key, value in _OPTION.findall(rest)}
    voice.name = options.get("name", options.get("nm", voice.name))
    shift = _whole(options.get("transpose", "0")) + 12 * _whole(options.get("octave", "0"))
    clef = options.get("clef", rest.split()[0] if rest.split() and "=" not in rest.split()[0] else "")
    if clef.endswith(("-8", "+8")):
        shift += 12 if clef.endswith("+8") else -12
    voice.shift = shift or voice.shift
    return name


def _whole(text: str) -> int:
    return max(-48, min(48, int(text))) if re.fullmatch(r"[+-]?\d{1,3}", text) else 0
