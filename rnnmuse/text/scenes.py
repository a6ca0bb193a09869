"""Scenes for the stage: who speaks, what they say, who comes and goes.

The words and the order of the speakers are the model's: after each speech it is asked how likely each name of the cast
is to come next. Its text knows no stage directions (there are none in TinyShakespeare), so entrances and exits follow a
rule: one comes in before speaking for the first time, and leaves after the last time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnmuse.text.pronounce import syllables
from rnnmuse.text.writer import Writer

LONGEST = 12
"""Lines of a speech at most."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What ``speaker`` says; without a speaker the lines are a stage direction."""

    speaker: str
    lines: tuple[str, ...]
    """Without line ends."""

    @property
    def direction(self) -> bool:
        return not self.speaker


@dataclass(frozen=True, slots=True)
class Scene:
    """Speeches and directions in order."""

    speeches: tuple[Speech, ...]
    """As they are spoken."""

    def text(self) -> str:
        """As a script: names in capitals, directions in brackets."""
        blocks = []
        for speech in self.speeches:
            words = "\n".join(speech.lines)
            blocks.append(f"[{words}]" if speech.direction else f"{speech.speaker.upper()}:\n{words}")
        return "\n\n".join(blocks)

    def cues(self, tempo: float = 120.0, rate: float = 2.0, bar: float = 4.0) -> list[dict[str, object]]:
        """When each speech begins if spoken at ``rate`` syllables a beat: bar (from 1), beat in it, seconds, speaker,
        text. Each begins on a bar line; a direction takes a bar."""
        out: list[dict[str, object]] = []
        beat = 0.0
        for speech in self.speeches:
            text = "\n".join(speech.lines)
            out.append(
                {
                    "bar": int(beat // bar) + 1,
                    "beat": beat % bar + 1,
                    "seconds": round(beat * 60 / tempo, 3),
                    "speaker": speech.speaker,
                    "text": text,
                }
            )
            beats = bar if speech.direction else syllables(text) / rate
            beat += max(1.0, -(-beats // bar)) * bar
        return out


def scene(writer: Writer, cast: Sequence[str], speeches: int, prompt: str = "") -> Scene:
    """So many speeches among ``cast`` (2 to 12 names), after a ``prompt`` that sets the tone.

    ValueError for a cast that cannot be.
    """
    names = [" ".join(name.split()) for name in cast]
    if not 2 <= len(names) <= 12 or len({name.lower() for name in names}) != len(names):
        raise ValueError(f"cast: {', '.join(names) or 'nobody'}; must be 2 to 12 different names")
    for name in names:
        if not re.fullmatch(r"[^\W\d_][\w' .-]{0,30}", name):
            raise ValueError(f"cast: {name!r}; must be a name of up to 31 letters")
    if not 1 <= speeches <= 500:
        raise ValueError(f"speeches: {speeches}; must be 1 to 500")
    writer.hear(f"{prompt}\n\n" if prompt else "\n\n")
    said: list[Speech] = []
    last = ""
    for _ in range(speeches):
        last = _next_speaker(writer, [name for name in names if name != last])
        writer.hear(f"{last.upper()}:\n")
        said.append(Speech(last, tuple(_speech(writer))))
    return Scene(tuple(_directed(said)))


def _next_speaker(writer: Writer, names: Sequence[str]) -> str:
    """Drawn by how likely the model finds each name here, a character's mean, so that long names are no worse."""
    means = []
    for name in names:
        state, logits, total = writer.state, writer.logits, 0.0
        classes = writer.model.alphabet.encode(f"{name.upper()}:\n")
        for k in classes:
            scores = logits.astype(np.float64)
            finite = scores[np.isfinite(scores)]
            total += float(scores[k] if np.isfinite(scores[k]) else finite.min()) - float(
                finite.max() + np.log(np.exp(finite - finite.max()).sum())
            )
            out, state = writer.model.step(state, [k])
            logits = out[0]
        means.append(total / max(1, len(classes)))
    share = np.exp(np.array(means) - max(means))
    return writer.random.choices(list(names), share.tolist())[0]


def _speech(writer: Writer) -> list[str]:
    """The lines of one speech; ends at a blank line, or at the end of a line when it grows long."""
    text = ""
    while True:
        c = writer.next()
        text += c or "\n\n"
        lines = text.split("\n")
        if text.strip() and (text.endswith("\n\n") or (text.endswith("\n") and len(lines) > LONGEST)):
            if not text.endswith("\n\n"):
                writer.hear("\n")
            return [line.strip() for line in lines if line.strip()]
        if re.search(r"\n[^\n:]{1,24}:\n$", text):  # another name without a blank line: the speech was over before it
            kept = [line.strip() for line in lines[:-2] if line.strip()]
            writer.hear("\n")
            if kept:
                return kept
            text = ""
        if len(text) > 1500:
            writer.hear("\n\n")
            return [line.strip() for line in lines if line.strip()]


def _directed(said: Sequence[Speech]) -> list[Speech]:
    """With entrances and exits."""
    first = {speech.speaker: i for i, speech in reversed(list(enumerate(said)))}
    final = {speech.speaker: i for i, speech in enumerate(said)}
    opening = sorted((name for name, i in first.items() if i <= 1), key=lambda name: first[name])
    out = [Speech("", (f"Enter {' and '.join(opening)}.",))]
    on_stage = list(opening)
    for i, speech in enumerate(said):
        if speech.speaker not in on_stage:
            out.append(Speech("", (f"Enter {speech.speaker}.",)))
            on_stage.append(speech.speaker)
        out.append(speech)
        if final[speech.speaker] == i and i < len(said) - 2 and len(on_stage) > 2:
            out.append(Speech("", (f"Exit {speech.speaker}.",)))
            on_stage.remove(speech.speaker)
    out.append(Speech("", ("Exeunt.",) if len(on_stage) > 1 else (f"Exit {on_stage[0]}.",)))
    return out
