"""A model as a composer: `load` one, then `continue_` a piece or `generate` from nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rnnmuse.events import Note
from rnnmuse.models.bundle import load_stream
from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import GRID, assign, decode, drum_parts, encode
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece, Tempo
from rnnmuse.music.theory import estimate_key, parse_key, parse_progression, scale_pitch_classes
from rnnmuse.play.limits import Constraints
from rnnmuse.play.sampler import Event, constrained, events_until

MEMORY = 1000  # events of the prompt that are heard; the state has forgotten what was before
MAX_BARS = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """What a performer may ask for. None leaves the choice to the model, or to the piece that is continued.

    ``key`` such as ``"D minor"`` keeps every note in its scale, ``scale`` (``"dorian"``) replaces the scale;
    ``chords`` such as ``"Am F C G"``, a chord a bar, repeated; ``density`` in note-ons a beat; ``tempo`` in bpm;
    ``players`` names or a number of the model's parts; ``low`` and ``high`` MIDI notes; ``polyphony`` notes at
    once in one part; the same ``seed`` gives the same music.
    """

    temperature: float = 1.0
    top_p: float = 0.96
    seed: int | None = None
    key: str | None = None
    scale: str | None = None
    chords: str | None = None
    density: float | None = None
    tempo: float | None = None
    metre: str | None = None
    players: str | int | None = None
    low: int = 0
    high: int = 127
    polyphony: int | None = None

    def __post_init__(self) -> None:
        if self.tempo is not None and not 10 <= self.tempo <= 400:
            raise ValueError(f"tempo: {self.tempo}; must be 10 to 400 bpm")
        if self.density is not None and not 0.05 <= self.density <= 24:
            raise ValueError(f"density: {self.density}; must be 0.05 to 24 notes a beat")


def parse_metre(text: str) -> Metre:
    """A time signature such as ``3/4``; ValueError says what is allowed."""
    above, _, below = text.partition("/")
    if above.strip().isdigit() and below.strip() in ("1", "2", "4", "8", "16", "32") and 1 <= int(above) <= 32:
        return Metre(0.0, int(above), int(below))
    raise ValueError(f"metre: {text!r}; must be like 4/4: 1 to 32 over 1, 2, 4, 8, 16 or 32")


class Muse:
    """A loaded stream model that writes music. ``parts`` names what it can play."""

    def __init__(self, model: StreamModel) -> None:
        self.model = model

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def parts(self) -> list[str]:
        return [part.name for part in self.model.parts]

    def continue_(
        self, music: Piece | Iterable[Note], bars: int = 8, settings: Settings | None = None, **changes: object
    ) -> Piece:
        """``bars`` more bars of ``music``: a piece with the new notes alone, on the same time line.

        A plain iterable of notes is taken as one part of piano, or of drums for a model of drums. ``changes`` are
        fields of Settings. ValueError names the field, the value and what is allowed.
        """
        settings = replace(settings or Settings(), **changes)  # type: ignore[arg-type]
        piece = music if isinstance(music, Piece) else self._as_piece(list(music))
        _check_bars(bars)
        start = piece.bar_start_after(max(0.0, piece.end - 0.2))
        out = _frame(piece, start, bars, settings)
        prompt = Piece([_clipped(part, start) for part in piece.parts], out.tempos, out.metres, out.keys, out.chords)
        whole = encode(prompt, self.model.parts).events.tolist()
        heard = whole[-MEMORY:]
        first = min(
            (n.start for part in prompt.parts if assign(part, self.model.parts) is not None for n in part.notes),
            default=start,
        )
        end = _end(out, start, bars)
        origin = int(first) * GRID + sum(row[0] * GRID + row[1] for row in whole[:-MEMORY])
        used = sorted({row[3] for row in heard})
        players = self._players(settings.players, used)
        events = self._play(out, heard, origin, round(start * GRID), round(end * GRID), settings, players)
        notes = decode_from(events, round(start * GRID), drum_parts(self.model.parts))
        return self._spread(notes, piece, out)

    def generate(self, bars: int = 8, settings: Settings | None = None, **changes: object) -> Piece:
        """``bars`` bars from nothing."""
        settings = replace(settings or Settings(), **changes)  # type: ignore[arg-type]
        _check_bars(bars)
        metre = parse_metre(settings.metre) if settings.metre else Metre(0.0, 4, 4)
        empty = Piece(tempos=[Tempo(0.0, settings.tempo or 110.0)], metres=[metre], title=f"{self.name}")
        out = _frame(empty, 0.0, bars, settings)
        players = self._players(settings.players, [])
        end = _end(out, 0.0, bars)
        events = self._play(out, [], 0, 0, round(end * GRID), settings, players)
        return self._spread(decode_from(events, 0, drum_parts(self.model.parts)), empty, out)

    def _as_piece(self, notes: list[Note]) -> Piece:
        drum = all(part.drum for part in self.model.parts)
        found = sorted({note.part for note in notes})
        return Piece([Part(drum=drum, notes=sorted(n for n in notes if n.part == index)) for index in found])

    def _players(self, wanted: str | int | None, heard: list[int]) -> frozenset[int] | None:
        """Which part classes play."""
        count = len(self.model.parts)
        if wanted is None:
            return frozenset(heard) or None
        text = str(wanted).strip()
        if text.isdigit():
            number = int(text)
            if not 1 <= number <= count:
                raise ValueError(f"players: {number}; {self.name} has 1 to {count}")
            rest = [i for i in range(count) if i not in heard]
            return frozenset((heard + rest)[:number])
        names = [name.strip().lower() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in self.parts]
        if unknown or not names:
            raise ValueError(f"players: {', '.join(unknown) or text!r}; {self.name} has {', '.join(self.parts)}")
        return frozenset(self.parts.index(name) for name in names)

    def _play(
        self,
        frame: Piece,
        heard: Sequence[Sequence[int]],
        origin: int,
        start: int,
        end: int,
        settings: Settings,
        players: frozenset[int] | None,
    ) -> list[Event]:
        scale = None
        if settings.key or settings.scale:
            key = frame.keys[-1]
            scale = scale_pitch_classes(key.tonic, settings.scale or ("minor" if key.minor else "major"))
        rules = Constraints(
            scale=scale,
            low=settings.low,
            high=settings.high,
            polyphony=settings.polyphony,
            density=None if settings.density is None else settings.density * 1.5,
            parts=players,
            chord_tones=settings.chords is not None,
            rest=frame.metre_at(start / GRID).bar_beats,
            voices={i: 1 for i, part in enumerate(self.model.parts) if part.sung},
        )
        seed = secrets.randbits(32) if settings.seed is None else settings.seed
        player = constrained(self.model, frame, rules, seed, settings.temperature, settings.top_p, settings.density)
        player.at(origin)
        for row in heard:
            player.hear(tuple(row))
        before = player.grid
        events = list(events_until(player, start, end))
        # counted from the start of the continuation, not from the last event heard
        if events:
            first = events[0]
            wait = before + first[0] * GRID + first[1] - start
            events[0] = (wait // GRID, wait % GRID, *first[2:])
        return events

    def _spread(self, notes: list[Note], source: Piece, frame: Piece) -> Piece:
        """Notes by part class into the parts of ``source`` that play these classes, or into new ones."""
        places: dict[int, int] = {}
        parts = [Part(part.name, part.program, part.drum) for part in source.parts]
        for index, part in enumerate(source.parts):
            place = assign(part, self.model.parts)
            if place is not None and part.notes:
                places.setdefault(place, index)
        for place in sorted({note.part for note in notes}):
            if place not in places:
                own = self.model.parts[place]
                places[place] = len(parts)
                parts.append(Part(own.name.capitalize(), own.program, own.drum))
        for note in notes:
            parts[places[note.part]].notes.append(replace(note, part=places[note.part]))
        if not source.parts and notes and not frame.keys and any(not self.model.parts[n.part].drum for n in notes):
            frame.keys = [estimate_key([n for n in notes if not self.model.parts[n.part].drum])]
        return replace(frame, parts=parts)


def load(name: str) -> Muse:
    """The model called ``name``, checked and ready; BundleError where there is none or it is damaged."""
    return Muse(load_stream(name))


def joined(piece: Piece, continuation: Piece) -> Piece:
    """A piece and its continuation as one; notes of the piece that ring into the continuation are cut there."""
    new = [n.start for part in continuation.parts for n in part.notes]
    start = piece.bar_start_after(max(0.0, piece.end - 0.2)) if new else float("inf")
    parts = []
    for index, part in enumerate(continuation.parts):
        if index < len(piece.parts):
            old = piece.parts[index]
            parts.append(replace(old, notes=sorted(_clipped(old, start).notes + part.notes)))
        else:
            parts.append(part)
    return replace(continuation, parts=parts, title=piece.title, ticks_per_beat=piece.ticks_per_beat)


def decode_from(events: Sequence[Event], start: int, drums: frozenset[int]) -> list[Note]:
    import numpy as np

    rows = np.array(events, np.int16).reshape(-1, 7)
    return decode(rows, start, drums)


def _check_bars(bars: int) -> None:
    if not 1 <= bars <= MAX_BARS:
        raise ValueError(f"bars: {bars}; must be 1 to {MAX_BARS}")


def _clipped(part: Part, end: float) -> Part:
    notes = [n if n.end <= end else replace(n, duration=end - n.start) for n in part.notes if n.start < end - 1e-6]
    return replace(part, notes=notes)


def _frame(piece: Piece, start: float, bars: int, settings: Settings) -> Piece:
    """The maps of a piece with what is asked for added from ``start`` on; no notes."""
    out = Piece(
        [],
        list(piece.tempos),
        list(piece.metres),
        list(piece.keys),
        [],
        piece.title,
        piece.pickup,
        piece.ticks_per_beat,
    )
    if settings.tempo is not None:
        out.tempos = [t for t in out.tempos if t.beat < start] + [Tempo(start, settings.tempo)]
    pitched = [n for part in piece.parts if not part.drum for n in part.notes]
    if pitched and out.keys in ([], [Key(0.0, 0)]):
        out.keys = [estimate_key(pitched)]
    if settings.key:
        out.keys = [k for k in out.keys if k.beat < start] + [replace(parse_key(settings.key), beat=start)]
    elif settings.scale and not out.keys:
        out.keys = [Key(start, 0)]
    if settings.chords:
        from rnnmuse.music.harmony import estimate_chords

        known = piece.chords or (estimate_chords(piece) if pitched else [])
        asked = parse_progression(settings.chords, bars, out.metre_at(start).bar_beats)
        out.chords = [c for c in known if c.beat < start] + [ChordSymbol(c.beat + start, c.text) for c in asked]
    return out


def _end(frame: Piece, start: float, bars: int) -> float:
    beat = start
    for _ in range(bars):
        beat += frame.metre_at(beat).bar_beats
    return beat
