"""What the partner and the band do, measured: `python tests/evaluate_partner.py PART… --tunes FOLDER`.
Not a test.

Parts: riffs, ways, vary, groove, taps, fill, answer, accompany, foretold, memory, band, area. Each prints its figures
in a line or two.
Tunes are scores with chords. The tunes that a model learned from are left out with ``--names``, a file with a name a
line.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from rnnmuse.clock import PPQ, Clock, Metre
from rnnmuse.compose.infill import infill
from rnnmuse.compose.muse import Settings, load
from rnnmuse.compose.phrases import load_phrases, with_harmony
from rnnmuse.engine.process import Engine
from rnnmuse.errors import RnnmuseError
from rnnmuse.events import Note
from rnnmuse.models.bundle import find, load_stream
from rnnmuse.models.likelihood import half_likelihoods
from rnnmuse.music.attributes import distance
from rnnmuse.music.codec import GRID, Encoded, decode, drum_parts, encode
from rnnmuse.music.harmony import lead_sheet
from rnnmuse.music.keys import follow_keys
from rnnmuse.music.midi import write_midi
from rnnmuse.music.phrases import ONSET, Grid
from rnnmuse.music.piece import Part, Piece, Tempo
from rnnmuse.music.read import music_files, read_music
from rnnmuse.music.theory import parse_chord, scale_pitch_classes
from rnnmuse.play.recollection import Recollection
from rnnmuse.protocol import STYLES
from rnnmuse.session import messages as m
from rnnmuse.session.lineup import CHARTS, SEATS
from rnnmuse.session.messages import NoteOff, NoteOn, Recall
from rnnmuse.session.phrase import PhrasePlayer
from rnnmuse.testing import StageClient, shared_model
from rnnmuse.train.corpus import load_corpus
from rnnmuse.train.recipe import read_recipe
from rnnmuse.train.shards import prepared
from rnnmuse.train.stream.features import features
from rnnmuse.train.stream.recipe import Recipe

PARTS = {}


def part(function):
    PARTS[function.__name__] = function
    return function


# -- material -------------------------------------------------------------------------------------------------------


def tunes(options: argparse.Namespace, metres: tuple[float, ...] = (4.0,)) -> Iterator[Piece]:
    """Lead sheets with a key, in a metre of so many beats, that the models did not learn from."""
    names = set(options.names.read_text().split("\n")) if options.names else None
    count = 0
    for path in sorted(music_files(options.tunes)):
        if names is not None and path.stem not in names:
            continue
        try:
            piece = lead_sheet(read_music(path))
        except (RnnmuseError, ValueError):
            continue
        if len(piece.metres) != 1 or piece.metres[0].bar_beats not in metres or len(piece.parts[0].notes) < 32:
            continue
        if not piece.keys or len(piece.keys) > 1:
            piece.keys = follow_keys(piece.parts[0].notes)[:1]
        count += 1
        if count > options.skip:
            yield piece
        if count == options.skip + options.most:
            return


def human(notes: list[Note], random: Random, tempo: float, spread: float = 0.015) -> list[Note]:
    """Notes as a person plays them: onsets off by some 15 ms, lengths and velocities uneven."""
    beat = tempo / 60
    return [
        replace(
            n,
            start=max(0.0, n.start + random.gauss(0, spread) * beat),
            duration=max(0.05, n.duration * random.uniform(0.8, 0.98)),
            velocity=max(20, min(120, round(random.gauss(80, 8)))),
        )
        for n in notes
    ]


def outside(pitches: list[int], scale: frozenset[int]) -> float:
    return sum(p % 12 not in scale for p in pitches) / max(1, len(pitches))


def scale_of(piece: Piece) -> frozenset[int]:
    key = piece.keys[0]
    return scale_pitch_classes(key.tonic, "minor" if key.minor else "major")


# -- phrases --------------------------------------------------------------------------------------------------------


def played(player: PhrasePlayer, begin: float, end: float) -> list[Note]:
    """What a phrase player plays between two beats, its orders obeyed as the stage does."""
    notes: list[list[int]] = []
    beat = begin
    while beat < end:
        for order in player.advance(beat):
            if isinstance(order, NoteOn):
                notes.append([order.tick, order.pitch, order.velocity, 0])
            elif isinstance(order, NoteOff):
                next(n for n in reversed(notes) if n[1] == order.pitch)[3] = order.tick
            elif isinstance(order, Recall):
                notes = [n for n in notes if n[0] < order.tick]
        beat += 0.05
    return [Note(on / PPQ, pitch, (off - on) / PPQ, velocity) for on, pitch, velocity, off in notes]


@part
def riffs(options: argparse.Namespace) -> None:
    """Captured riffs: how many notes of them come back, with pitch, velocity and time, in each of three turns."""
    random, model = Random(1), load_phrases("phrases").model
    whole = right = passes = 0
    for piece in tunes(options):
        notes = piece.parts[0].notes
        first = 4.0 * random.randint(1, 6)
        offset = 4.0 * random.randint(0, 9)
        riff = [replace(n, start=n.start - first) for n in notes if first <= n.start < first + 8]
        if len(riff) < 4:
            continue
        riff = human(riff, random, 120)
        player = PhrasePlayer(1, model)
        player.set_mode("loop", offset)
        for beat, pitch, velocity in sorted(
            [(offset + n.start, n.pitch, n.velocity) for n in riff] + [(offset + n.end, n.pitch, 0) for n in riff]
        ):
            player.hear(beat, pitch, velocity)
        line = player.metre.next_bar(round((offset + max(n.start for n in riff) + 0.12) * PPQ)) / PPQ
        pressed = line + random.choice((-0.3, -0.05, 0.0, 0.1, 0.2, 1.3))
        player.move("capture", (), pressed)
        begin = line if pressed <= line + 0.25 else line + 4
        back = played(player, pressed, begin + 26)
        held = [n for n in riff if n.start >= line - offset - 8 - 0.125]
        for turn in range(3):
            base = begin + turn * 8
            for n in held:
                want = base + n.start - (line - offset - 8)
                slack = 0.3 if turn == 0 else 0.004  # what was pressed late begins late once
                hit = any(
                    b.pitch == n.pitch and b.velocity == n.velocity and abs(b.start - want) <= slack for b in back
                )
                right += hit
                whole += 1
                if not hit and options.loud:
                    near = [(round(b.start - want, 3), b.velocity - n.velocity) for b in back if b.pitch == n.pitch]
                    print(turn, pressed - line, n, sorted(near, key=lambda x: abs(x[0]))[:2])
            passes += 1
    print(f"riffs: {right} of {whole} notes come back in {passes} turns ({100 * right / max(1, whole):.1f} %)")


@part
def ways(options: argparse.Namespace) -> None:
    """Ways between two phrases of one key: notes outside it in each step, beside the worse end."""
    phrases, random = load_phrases("phrases"), Random(1)
    found: list[tuple[Grid, Grid, frozenset[int], tuple[int, bool]]] = []
    for piece in tunes(options):
        read = phrases.read(piece, 2)
        key = with_harmony(piece).keys[0]
        piece.keys = [key]
        for grid, context in list(zip(read.grids, read.contexts, strict=True))[:6]:
            if (grid[:, 0] >= ONSET).sum() >= 6:
                found.append((grid, context, scale_of(piece), (key.tonic, key.minor)))
    count = worse = 0
    shares: list[float] = []
    ends: list[float] = []
    for _ in range(2000):
        a = random.choice(found)
        same = [one for one in found if one[3] == a[3] and one is not a]
        if not same:
            continue
        b = random.choice(same)
        steps = phrases.between(a[:2], b[:2], 8)
        out = [outside((g[g[:, 0] >= ONSET, 0] - ONSET).tolist(), a[2]) for g in steps]
        worst = max(out[0], out[-1])
        worse += any(share > worst + 0.03 for share in out[1:-1])
        if options.loud and any(share > worst + 0.03 for share in out[1:-1]):
            print(a[3], int(a[1][0, 0]), int(b[1][0, 0]), [round(share, 2) for share in out])
        shares += out[1:-1]
        ends += [out[0], out[-1]]
        count += 1
        if count == 100:
            break
    print(
        f"ways: {worse} of {count} have a step with more notes outside the key than the worse end + 3 points; "
        f"steps {100 * np.mean(shares):.1f} %, ends {100 * np.mean(ends):.1f} %"
    )


@part
def vary(options: argparse.Namespace) -> None:
    """How much `vary` changes by its amount, and what it takes out of the key."""
    phrases = load_phrases("phrases")
    amounts = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
    rows, out, nothing, backwards = [], [], 0, 0
    for seed, piece in enumerate(tunes(options)):
        cut = replace(piece, parts=[replace(piece.parts[0], notes=[n for n in piece.parts[0].notes if n.start < 32])])
        before = phrases.read(cut, 2).grids
        row = []
        for amount in amounts:
            made = phrases.vary(cut, amount, seed)
            after = phrases.read(made, 2).grids
            row.append(float(np.mean([distance(a, b) for a, b in zip(before, after, strict=False)])))
            if amount == 0.5:
                out.append(
                    outside([n.pitch for n in made.parts[0].notes], scale_of(piece))
                    - outside([n.pitch for n in cut.parts[0].notes], scale_of(piece))
                )
        rows.append(row)
        nothing += row[1] <= row[0] + 1e-9
        backwards += any(b < a - 1e-9 for a, b in pairwise(row))
        if len(rows) == 40:
            break
    mean = np.mean(rows, 0)
    print(
        "vary: "
        + ", ".join(f"{a:g} -> {m:.3f}" for a, m in zip(amounts, mean, strict=True))
        + f"; 0.1 changes nothing in {nothing} of {len(rows)}, less than a smaller amount in {backwards}; "
        f"notes outside the key at 0.5: {100 * np.mean(out):+.1f} points"
    )


PATTERNS = {
    "rock": {36: (0, 8, 10), 38: (4, 12), 42: tuple(range(0, 16, 2))},
    "house": {36: (0, 4, 8, 12), 38: (4, 12), 42: tuple(range(16)), 46: (2, 6, 10, 14)},
    "funk": {36: (0, 3, 7, 10), 38: (4, 9, 12, 15), 42: tuple(range(16))},
}


@part
def groove(options: argparse.Namespace) -> None:
    """A programmed beat of one level: how far each drum's mean level moves."""
    beats = load_phrases("beats")
    worst = 0.0
    spread = []
    for name, pattern in PATTERNS.items():
        for level in (64, 80, 100, 112, 124):
            notes = [
                Note(bar * 4 + step / 4, pitch, 0.1, level)
                for bar in range(4) for pitch, steps in pattern.items() for step in steps
            ]  # fmt: skip
            piece = Piece([Part("Drums", 0, True, sorted(notes))], tempos=[Tempo(0.0, 110.0)])
            for amount in (0.7, 1.0):
                made = beats.groove(piece, amount, seed=1)
                for pitch in pattern:
                    own = [n.velocity for n in made.parts[0].notes if n.pitch == pitch]
                    moved = float(np.mean(own)) - level
                    spread.append(float(np.std(own)))
                    if abs(moved) > abs(worst):
                        worst = moved
                    if abs(moved) > 5:
                        print(f"groove: {name} {level} {pitch} {amount}: {moved:+.1f}")
    print(f"groove: the level of a drum moves by {worst:+.1f} at most; strokes vary by {np.mean(spread):.1f}")


@part
def taps(options: argparse.Namespace) -> None:
    """Equal taps: how alike the bars are that are made for them (Jaccard of their strokes)."""
    beats, found = load_phrases("beats"), []
    for seed, steps in enumerate([(0, 4, 8, 12), (0, 6, 8, 14), (0, 3, 6, 10, 12), (0, 2, 4, 6, 8, 10, 12, 14)] * 5):
        notes = [Note(bar * 4 + step / 4, 38, 0.1, 96) for bar in range(8) for step in steps]
        piece = Piece([Part("Taps", 0, True, notes)], tempos=[Tempo(0.0, 110.0)])
        made = beats.groove(piece, 1.0, seed=seed, taps=True).parts[0].notes
        bars = [{(round((n.start - 4 * b) * 4), n.pitch) for n in made if 0 <= round(n.start * 4) - 16 * b < 16}
                for b in range(8)]  # fmt: skip
        found += [len(a & b) / max(1, len(a | b)) for i, a in enumerate(bars) for b in bars[:i]]
    print(f"taps: Jaccard of bars for equal taps {np.mean(found):.3f} (least {np.min(found):.2f})")


@part
def fill(options: argparse.Namespace) -> None:
    """In-fill of lead sheets: notes of the new bars outside the key, and strong beats in the sheet's chord."""
    muse, shares, real, strong = load("leadsheet"), [], [], []
    for seed, piece in enumerate(tunes(options)):
        scale = scale_of(piece)
        made = infill(muse, piece, 5, 8, None, Settings(seed=seed), 4)
        new = [n for p in made.piece.parts for n in p.notes if made.start <= n.start < made.end - 1e-6]
        old = [n for p in piece.parts for n in p.notes if made.start <= n.start < made.end - 1e-6]
        shares.append(outside([n.pitch for n in new], scale))
        real.append(outside([n.pitch for n in old], scale))
        for n in new:
            if round(n.start * 24) % 48 == 0 and (c := [c for c in piece.chords if c.beat <= n.start + 1e-6]):
                strong.append(n.pitch % 12 in parse_chord(c[-1].text).pitch_classes)
        if seed == 29:
            break
    print(
        f"infill: {100 * np.mean(shares):.1f} % of the new notes outside the key (the real bars "
        f"{100 * np.mean(real):.1f} %), {100 * np.mean(strong):.1f} % of those on strong beats in the chord"
    )


# -- the partner ----------------------------------------------------------------------------------------------------


class Live:
    """An engine with one player on a clock that is turned by hand; what it plays is in ``notes``."""

    def __init__(self, mode: str, tempo: float, model: str = "leadsheet", metre: tuple[int, int] = (4, 4), **values):
        self.tempo, self.beat = tempo, 0.0
        self.planned: list[NoteOn | NoteOff] = []
        clock = Clock()
        clock.set_tempo(tempo, 0)
        clock.metre = Metre(*metre)
        clock.start(0)
        self.clock = clock
        self.engine = Engine(self._got, lambda: clock.time_at(round(self.beat * PPQ)) + 1, model, shared_model)
        self.engine.take(m.SetClock(clock, 0.0, 1))
        for name, value in values.items():
            self.engine.take(m.SetParameter(0, 1, name, value, 0.0))
        self.engine.take(m.SetMode(0, 1, mode, 0.0))

    def _got(self, message) -> None:
        if isinstance(message, NoteOn | NoteOff):
            self.planned.append(message)
        elif isinstance(message, Recall):
            self.planned = [p for p in self.planned if not isinstance(p, NoteOn) or p.tick < message.tick]
        elif isinstance(message, m.EndNotes | m.AllOff):
            self.planned = [p for p in self.planned if isinstance(p, NoteOff) or p.tick <= round(self.beat * PPQ) + PPQ]

    def run(self, until: float, step: float = 0.05) -> None:
        while self.beat < until - 1e-9:
            self.beat = min(until, self.beat + step)
            for _ in range(400):
                if not self.engine.advance():
                    break

    def hear(self, pitch: int, velocity: int) -> None:
        self.engine.take(m.Hear(1, self.beat, pitch, velocity))
        self.engine.advance()

    def perform(self, notes: list[Note], offset: float) -> None:
        edges = [(offset + n.start, 1, n) for n in notes] + [(offset + n.end, 0, n) for n in notes]
        for beat, on, n in sorted(edges, key=lambda e: e[:2]):
            self.run(beat)
            self.hear(n.pitch, n.velocity if on else 0)

    def ons(self, first: float, last: float, part: int | None = None) -> list[NoteOn]:
        return sorted(
            (o for o in self.planned if isinstance(o, NoteOn) and first * PPQ <= o.tick < last * PPQ
             and (part is None or o.part == part)), key=lambda o: o.tick
        )  # fmt: skip


def motifs(pitches: list[int]) -> list[tuple[int, ...]]:
    """Three intervals in a row."""
    steps = [b - a for a, b in pairwise(pitches)]
    return [tuple(steps[i : i + 3]) for i in range(len(steps) - 2)]


def cells(onsets: list[float]) -> list[tuple[int, ...]]:
    """The rhythm of each bar in which something begins, in sixteenths."""
    found: dict[int, set[int]] = {}
    for onset in onsets:
        step = round(onset * 4)
        found.setdefault(step // 16, set()).add(step % 16)
    return [tuple(sorted(one)) for one in found.values()]


def shared(mine: list, theirs: list) -> float | None:
    return sum(one in set(theirs) for one in mine) / len(mine) if mine else None


def scale_wide(piece: Piece) -> frozenset[int]:
    """The key's scale, in minor with the raised seventh."""
    key = piece.keys[0]
    return scale_of(piece) | ({(key.tonic + 11) % 12} if key.minor else set())


@part
def answer(options: argparse.Namespace) -> None:
    """Scripted performers play four bars and are answered."""
    random, number = Random(3), 0
    pieces = list(tunes(options))
    names = ("motif", "real motif", "cell", "real cell", "key", "real key")
    rows: dict[str, list[float]] = {name: [] for name in names}
    early = twice = 0
    late: list[float] = []
    lengths, closed, kept = [], [], []
    # a tune that is long enough has several performers, each with other bars of it
    for piece, first_bar in ((piece, bar) for bar in range(0, 40, 8) for piece in pieces):
        notes = piece.parts[0].notes
        first = 4.0 * first_bar + piece.pickup % 4
        if number == options.most:
            break
        phrase = [replace(n, start=n.start - first) for n in notes if first <= n.start < first + 16]
        following = [replace(n, start=n.start - first) for n in notes if first + 16 <= n.start < first + 32]
        if len(phrase) < 8 or len(following) < 8:
            continue
        number += 1
        tempo = random.uniform(70, 150)
        live = Live(options.mode, tempo, options.model, seed=random.randrange(1 << 30))
        live.perform(human(phrase, random, tempo), 4.0)
        live.run(46)
        early += bool(live.ons(4.0, 19.0))
        ons = live.ons(19.0, 44, 0)
        if not ons:
            late.append(999.0)
            continue
        entry = ons[0].tick / PPQ
        late.append(abs(entry - round(entry / 4) * 4) * 60000 / tempo)
        twice += sum(a.tick == b.tick for a, b in pairwise(ons))
        pitches = [o.pitch for o in ons]
        scale = scale_wide(piece)
        for name, value in (
            ("motif", shared(motifs(pitches), motifs([n.pitch for n in phrase]))),
            ("real motif", shared(motifs([n.pitch for n in following]), motifs([n.pitch for n in phrase]))),
            ("cell", shared(cells([o.tick / PPQ for o in ons]), cells([n.start for n in phrase]))),
            ("real cell", shared(cells([n.start for n in following]), cells([n.start for n in phrase]))),
            ("key", 1 - outside([o.pitch for o in live.ons(19.0, 44)], scale)),
            ("real key", 1 - outside([n.pitch for n in phrase], scale)),
        ):
            if value is not None:
                rows[name].append(value)
        if rows["real key"][-1] >= 0.95:
            kept.append(rows["key"][-1])
        lengths.append((ons[-1].tick / PPQ - entry) / 4)
        closed.append((pitches[-1] - piece.keys[0].tonic) % 12 in (0, 3, 4, 7))
        if options.loud:
            print(piece.title, entry, [(round(o.tick / PPQ - entry, 2), o.pitch) for o in ons][:16])
    print(
        f"{options.mode}: {len(late)} performers; "
        + ", ".join(f"{name} {np.mean(values):.3f}" for name, values in rows.items())
        + f", key where the performer keeps to it {np.mean(kept):.3f} ({len(kept)}); "
        + f"within 20 ms of the bar line {100 * np.mean(np.array(late) <= 20):.0f} %; "
        f"{twice} notes at once in the melody; {early} broken in on the performer; {np.mean(lengths):.1f} bars, "
        f"closed on a tone of the tonic {100 * np.mean(closed):.0f} %"
    )


@part
def accompany(options: argparse.Namespace) -> None:
    """Scripted performers play sixteen bars and are accompanied."""
    random = Random(4)
    ratios, kept, key, agree = [], [], [], []
    for piece in tunes(options):
        notes = [n for n in piece.parts[0].notes if n.start < 64]
        tempo = random.uniform(70, 150)
        live = Live("accompany", tempo, options.model, seed=random.randrange(1 << 30))
        live.perform(human(notes, random, tempo), 4.0)
        ons = live.ons(4.0, 68)
        if len(notes) < 16:
            continue
        ratios.append(len(ons) / len(notes))
        key.append(1 - outside([o.pitch for o in ons], scale_wide(piece)))
        bars = [frozenset(round(o.tick / PPQ * 4) - 16 * b for o in live.ons(4 * b - 0.05, 4 * b + 3.95))
                for b in range(2, 17)]  # fmt: skip
        kept += [len(a & b) >= 0.8 * len(a | b) for a, b in pairwise(bars) if a or b]
        for o in ons:
            chord = [c for c in piece.chords if c.beat <= o.tick / PPQ - 4 + 0.1]
            if chord and o.tick % PPQ < 60:
                agree.append(o.pitch % 12 in parse_chord(chord[-1].text).pitch_classes)
    print(
        f"accompany: {len(ratios)} performers; notes {np.mean(ratios):.2f} times the performer's (most "
        f"{np.max(ratios):.2f}, above 1.5 in {np.sum(np.array(ratios) > 1.5)}), pattern kept in "
        f"{100 * np.mean(kept):.0f} % of bars, in key {100 * np.mean(key):.1f} %, on the beat in the "
        f"sheet's chord {100 * np.mean(agree):.0f} %"
    )


@part
def foretold(options: argparse.Namespace) -> None:
    """Riffs of two bars, each played four times: how many notes of the fifth are the likeliest, by what was remembered
    alone; then what a look-up takes after an hour of playing, and how large the memory is."""
    random, right, whole = Random(5), 0, 0
    for _ in range(100):
        scale = [60 + random.choice((0, 2, 5, 7)) + step for step in (0, 2, 4, 5, 7, 9, 11, 12)]
        starts = sorted(random.sample(range(16), random.randint(5, 10)))
        riff = [(at / 2, random.choice(scale)) for at in starts]
        known, line = Recollection(), [pitch for _, pitch in riff] * 5
        for turn in range(4):
            for at, pitch in riff:
                known.hear(8 * turn + at, pitch)
        for index in range(4 * len(riff), 5 * len(riff)):
            expected = known.expect(line[:index])
            right += expected is not None and int(expected.argmax()) == line[index]
            whole += 1
    print(f"foretold: {right} of {whole} notes of the fifth turn ({100 * right / whole:.1f} %)")
    known, line, beat, sizes = Recollection(), [60], 0.0, []
    for minute in range(60):
        for _ in range(240):
            line.append(max(48, min(84, line[-1] + random.choice((-4, -2, -1, 1, 2, 3)))))
            beat += 0.5
            known.hear(beat, line[-1])
        if minute % 20 == 19:
            sizes.append(len(known._table))
    begun = time.process_time()
    for index in range(1000):
        known.expect(line[-index - 6 : len(line) - index])
    took = time.process_time() - begun
    print(f"foretold: a look-up {took:.3f} ms of processor time after an hour; contexts after 20, 40, 60 min {sizes}")


@part
def memory(options: argparse.Namespace) -> None:
    """Nats an event of the second halves of held-out pieces, the first half in the memory, cleared, or not heard."""
    bundle = find(options.model)
    recipe = read_recipe(bundle.folder / "recipe.toml", Recipe)
    if options.pieces[0].suffix == ".npz":  # encoded already
        with np.load(options.pieces[0]) as held:
            ends = np.cumsum(held["test_lengths"])[:-1]
            events, context = np.split(held["test_events"], ends), np.split(held["test_context"], ends)
        pieces = [Encoded(*pair) for pair in zip(events, context, strict=True)]
    else:
        corpus = load_corpus(options.pieces, recipe, cache=options.cache, workers=1)
        pieces = [item.encoded for item in corpus.of("test")]
    pieces = [piece for piece in pieces if len(piece) >= 100]
    pieces = pieces[:: max(1, -(-len(pieces) // options.most))]
    model, rows = load_stream(bundle.name), []
    for encoded in pieces:
        found = -half_likelihoods(model, Encoded(encoded.events[: options.events], encoded.context[: options.events]))
        rows.append((found.shape[1], *found.sum(1)))
    table = np.array(rows)
    whole = table.sum(0)
    on, cleared, unheard = whole[1:] / whole[0]
    better = 100 * np.mean(table[:, 1] < table[:, 2])
    print(
        f"memory {bundle.name}: {len(rows)} pieces, {int(whole[0])} events in second halves: {on:.3f} nats with the "
        f"first half in the memory, {cleared:.3f} with it cleared ({100 * (1 - on / cleared):.1f} % lower, in "
        f"{better:.0f} % of the pieces), {unheard:.3f} without having heard it ({100 * (1 - on / unheard):.1f} % lower)"
    )


# -- the band -------------------------------------------------------------------------------------------------------


def band_piece(stage: StageClient, style: str) -> Piece:
    """What a stage's band has played, as a piece."""
    clock = stage.stage.clock
    programs = {"lead": 80, "bass": 33}
    parts = {player: Part(role, programs.get(role, 0), role == "drums") for player, role in SEATS.items()}
    open_: dict[tuple[int, int, int], tuple[float, int]] = {}
    for at, sent in stage.output.events:
        key, beat = (sent.player, sent.channel, sent.pitch), clock.beat_at(at)
        if sent.velocity:
            open_[key] = (beat, sent.velocity)
        elif key in open_ and sent.player in parts:
            start, velocity = open_.pop(key)
            length = 0.1 if parts[sent.player].drum else max(0.03, beat - start)
            parts[sent.player].notes.append(Note(start, sent.pitch, length, velocity))
    for one in parts.values():
        one.notes.sort()
    return Piece(list(parts.values()), tempos=[Tempo(0.0, float(clock.tempo))], title=f"{style} band")


def playing(
    style: str, minutes: float, tempo: float = 120.0, seed: int = 1, chart: str = ""
) -> tuple[StageClient, Piece]:
    stage = StageClient()
    for player in SEATS if seed != 1 else ():
        stage.send(f"/rnnmuse/player/{player}/param/seed", seed)
    if chart:
        stage.send("/rnnmuse/harmony/chart", chart)
    stage.send("/rnnmuse/band", style)
    stage.send("/rnnmuse/transport/tempo", tempo)
    stage.settle()
    late = 0
    for _ in range(round(minutes * 60)):
        stage.run(1.0)
        late += stage.stage.lateness.dropped
    return stage, band_piece(stage, style)


@part
def band(options: argparse.Namespace) -> None:
    """Each style for some simulated minutes: bars that are late, strong beats in the chart, bars that return."""
    for style in STYLES:
        stage, piece = playing(style, options.minutes)
        chart = stage.engine.engine.harmony.chart
        strong, root, again, empty = [], [], {role: [] for role in SEATS.values()}, 0
        drums = {part.name: part for part in piece.parts}["drums"]
        bars = int(piece.end // 4) - 1
        first: dict[int, float] = {}  # of each bar line the stroke nearest to it
        for beat in (n.start for n in drums.notes if abs(n.start / 4 - round(n.start / 4)) < 0.02):
            first[round(beat / 4)] = min(first.get(round(beat / 4), 1.0), abs(beat - 4 * round(beat / 4)))
        late = list(first.values())
        for one in piece.parts:
            content = [
                frozenset(
                    (round((n.start - 4 * b) * 12), n.pitch)
                    for n in one.notes
                    if 4 * b - 0.04 <= n.start < 4 * b + 3.96
                )
                for b in range(1, bars)
            ]
            empty += sum(not bar for bar in content)
            again[one.name] = [
                any(len(bar & other) >= 0.7 * len(bar | other) for other in content[max(0, i - 8) : i])
                for i, bar in enumerate(content) if bar
            ]  # fmt: skip
            for n in one.notes:
                if not one.drum and chart is not None and abs(n.start / 2 - round(n.start / 2)) < 0.02:
                    tones = parse_chord(chart.at(round(n.start * 2) / 2 + 1e-6)[0])
                    strong.append(n.pitch % 12 in tones.pitch_classes)
                    if one.name == "bass" and abs(n.start / 4 - round(n.start / 4)) < 0.02:
                        root.append(n.pitch % 12 == tones.bass)
        told = ", ".join(f"{role} {100 * np.mean(found):.0f} %" for role, found in again.items())
        near = {round(n.start / 4) for n in drums.notes if abs(n.start / 4 - round(n.start / 4)) < 0.02}
        print(
            f"band {style}: {bars} bars, {len(piece.notes)} notes, {stage.stage.lateness.dropped} dropped; drums on "
            f"the bar line within {max(late) * 500:.0f} ms, {len(set(range(1, bars)) - near)} bars without; strong "
            f"beats in the chart's chord {100 * np.mean(strong):.1f} %, bass on the root at bar lines "
            f"{100 * np.mean(root):.0f} %; bars that return within 8: {told}; errors {len(stage.errors())}, "
            f"hung {len(stage.hung())}"
        )
        if options.out:
            write_midi(piece, options.out / f"band-{style}.mid")


def in_roles(piece: Piece) -> Piece:
    """The piece as the model `band` hears it: four parts, on the grid that its events have."""
    classes = load_stream("band").parts
    first = min((n.start for part in piece.parts for n in part.notes), default=0.0)
    parts = [Part(own.name, own.program, own.drum) for own in classes]
    for note in decode(encode(piece, classes).events, int(first) * GRID, drum_parts(classes)):
        parts[note.part].notes.append(note)
    return Piece(parts, tempos=piece.tempos[:1])


def windows_of(piece: Piece, most: int = 6) -> list[Piece]:
    """Windows of sixteen bars of 4/4 in which something plays, spread over a piece. What is early counts to its bar."""
    found, early = [], 0.05
    for start in range(0, int(piece.end) - 63, 64):
        parts = [
            replace(
                one,
                notes=[
                    replace(n, start=max(0.0, n.start - start))
                    for n in one.notes
                    if start - early <= n.start < start + 64 - early
                ],
            )
            for one in piece.parts
        ]
        parts = [one for one in parts if one.notes]
        if sum(len(one.notes) for one in parts) >= 64:
            found.append(Piece(parts, tempos=piece.tempos[:1]))
    return found[:: max(1, len(found) // most)][:most]


@part
def area(options: argparse.Namespace) -> None:
    """How well a forest tells the band's 16-bar windows from those of held-out band pieces (``--pieces``).

    Both as four roles: real pieces have more parts than the band has players.
    """
    names = options.names.read_text().split("\n")
    rows: list[dict[str, float]] = []
    label, group = [], []
    for path in sorted(p for folder in options.pieces for p in folder.rglob("*.mid") if p.name in
                       {Path(name).name for name in names}):  # fmt: skip
        piece = read_music(path)
        if len(piece.metres) == 1 and piece.metres[0].bar_beats == 4:
            for window in windows_of(in_roles(prepared(piece, "band"))):
                rows.append(features(window, 16, 4.0))
                label.append(0)
                group.append(zlib.crc32(path.name.encode()) % 10**6)
    charts = list(CHARTS.values())
    for number, style in enumerate(options.styles):
        for concert in range(options.concerts):  # each with its own seed, and all but the first with another's chart
            chart = charts[(STYLES.index(style) + concert) % len(charts)]
            played_ = in_roles(playing(style, options.minutes / 4, seed=1 + concert, chart=chart)[1])
            for window in windows_of(played_, 4):
                rows.append(features(window, 16, 4.0))
                label.append(1)
                group.append(10**7 + 100 * number + concert)
    keys = [k for k in rows[0] if not all(np.isnan(row[k]) for row in rows)]
    table = np.nan_to_num(np.array([[row[k] for k in keys] for row in rows]), nan=-1.0)
    labels, areas = np.array(label), []
    weights = np.zeros(len(keys))
    for train, test in GroupKFold(5, shuffle=True, random_state=1).split(table, groups=group):
        if len(set(labels[test])) == 2:
            forest = RandomForestClassifier(300, min_samples_leaf=2, random_state=1).fit(table[train], labels[train])
            areas.append(roc_auc_score(labels[test], forest.predict_proba(table[test])[:, 1]))
            weights += forest.feature_importances_
    told = ", ".join(
        f"{keys[i]} ({np.median(table[labels == 1, i]):.2f}, real {np.median(table[labels == 0, i]):.2f})"
        for i in np.argsort(-weights)[:8]
    )
    print(
        f"area of {', '.join(options.styles)}: {labels.sum()} windows of the band, {(labels == 0).sum()} of pieces: "
        f"{np.mean(areas):.2f}; told by {told}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=[])
    parser.add_argument("--tunes", type=Path)
    parser.add_argument("--names", type=Path)
    parser.add_argument("--pieces", nargs="*", type=Path, default=[])
    parser.add_argument("--mode", default="answer")
    parser.add_argument("--model", default="leadsheet")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--styles", nargs="*", default=list(STYLES), choices=STYLES, help="of `area`")
    parser.add_argument("--concerts", type=int, default=4, help="of each style, in `area`")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path, help="a folder for what the band plays")
    parser.add_argument("--cache", type=Path, help="a folder for what `memory` encodes")
    parser.add_argument("--events", type=int, default=4000, help="of each piece at most, in `memory`")
    parser.add_argument("--loud", action="store_true")
    parser.add_argument("--most", type=int, default=100)
    options = parser.parse_args()
    for name in options.parts or PARTS:
        PARTS[name](options)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
