"""How well the harmony layer does on lead sheets that it did not learn from.

    python tests/evaluate_harmony.py FOLDER [--count 50] [--editions OTHER]

FOLDER holds OpenEWLD's lead sheets; those held out are chosen as in `rnnmuse.train.harmony`. Each melody is played to
the layer note by note, as a performer would, and `harmonise` plays beneath it. Prints JSON:

- ``changes_a_bar`` (of ours and of the sheet), ``melody_in_chord`` on strong beats (bar lines and middles of bars),
  ``whole_triads`` of the chords struck, ``parallels`` of bass and melody from one chord to the next;
- agreement by half bars: ``exact`` the sheet's root and triad, ``two_tones`` at least two tones of its triad in common,
  ``function`` the same of tonic, subdominant and dominant; online (decided with the first note of a half bar), with
  look-ahead, and where the sheet's chords are played too;
- ``melody_heard``: the share of each chord's half bar in which the melody has a tone of it, ours and the sheet's;
- ``ceiling``: how often chords agree where the melody is the same: of two passages of one sheet (half a bar, a whole
  one), and of half bars in passages of two bars that a sheet shares with a tune of another collection, ``--editions``;
- ``slash_bass``: of the sheet's slash chords, given as a chart, those whose named bass is the lowest note;
- keys: exact, and exact, a fifth away or relative.
"""

import argparse
import json
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from rnnmuse.clock import PPQ, Metre
from rnnmuse.errors import RnnmuseError
from rnnmuse.music.harmony import block_chords
from rnnmuse.music.piece import Key, Part, Piece
from rnnmuse.music.read import music_files, read_music
from rnnmuse.music.theory import parse_chord
from rnnmuse.play.harmony import EARLY, Harmony, follow
from rnnmuse.play.voicing import voiced, whole
from rnnmuse.session.beneath import Beneath
from rnnmuse.session.messages import NoteOff, NoteOn
from rnnmuse.train.harmony import QUALITY, lead_sheets, sheet_of

TRIAD = {0: (0, 4, 7), 1: (0, 3, 7), 2: (0, 4, 7), 3: (0, 3, 7), 4: (0, 3, 6)}


def label(text):
    chord = parse_chord(text)
    return -1 if chord.root < 0 else chord.root * 5 + QUALITY[chord.quality]


def tones(one):
    return {(one // 5 + s) % 12 for s in TRIAD[one % 5]}


def function(one, key):
    """T, S or D of a triad in a key: by the function of the degree, for chords outside it by the tones they share."""
    third = 3 if key.minor else 4
    homes = {"T": {0, third, 7}, "S": {5, (5 + third) % 12, 0}, "D": {7, 11, 2}}
    relative = {(tone - key.tonic) % 12 for tone in tones(one)}
    return max(homes, key=lambda name: len(homes[name] & relative))


def compare(pairs):
    known = [(a, b, key) for a, b, key in pairs if a >= 0 and b >= 0]
    count = len(known)
    triad = {0: 0, 1: 1, 2: 0, 3: 1, 4: 2}
    return {
        "half_bars": count,
        "shared_tones": round(sum(len(tones(a) & tones(b)) for a, b, _ in known) / 3 / count, 3),
        "exact": round(sum(a // 5 == b // 5 and triad[a % 5] == triad[b % 5] for a, b, _ in known) / count, 3),
        "two_tones": round(sum(len(tones(a) & tones(b)) >= 2 for a, b, _ in known) / count, 3),
        "function": round(sum(function(a, key) == function(b, key) for a, b, key in known) / count, 3),
    }


def fits(pairs):
    """The share of the melody's beats that are tones of the triads, and of half bars whose first notes all are."""
    beats, first = [], []
    for segment, one in pairs:
        if one < 0 or not segment.heard.sum():
            continue
        own = sorted(tones(one))
        beats.append((segment.heard[:, own].sum(), segment.heard.sum()))
        if segment.heard[0].sum():
            first.append(segment.heard[0][own].sum() == segment.heard[0].sum())
    inside, whole_ = np.array(beats).sum(0)
    return {"beats": round(float(inside / whole_), 3), "first_notes": round(float(np.mean(first)), 3)}


def degree_of(sheet):
    return [-1 if one < 0 else (one // 5 - sheet.key.tonic) % 12 * 5 + one % 5 for one in sheet.labels.tolist()]


def passages(sheet, length):
    """Runs of half bars by what the melody has in them, above the tonic; those that say little are left out."""
    rows = [tuple((np.roll(s.heard, -sheet.key.tonic, axis=1).sum(0) > 0.2).astype(int)) for s in sheet.segments]
    for at in range(len(rows) - length + 1):
        run = tuple(rows[at : at + length])
        if sum(map(sum, run)) >= 2 * length and len(set(run)) >= 0.7 * length:
            yield (sheet.key.minor, sheet.segments[at].within, run), at


def ceiling(sheets, others, length):
    """Agreement of chords in their keys where the melody of so many half bars is the same, in ``others``, or in the
    sheet itself without them."""
    pairs = set()
    index = defaultdict(list)
    for number, sheet in enumerate(others or sheets):
        for run, at in passages(sheet, length):
            index[run].append((number, at))
    for number, sheet in enumerate(sheets):
        for run, at in passages(sheet, length):
            for other, place in index[run]:
                if others or (other == number and place < at):
                    pairs |= {(number, at + i, other, place + i) for i in range(length)}
    found = [
        (degree_of(sheets[a])[i], degree_of((others or sheets)[b])[j], Key(0.0, 0, sheets[a].key.minor))
        for a, i, b, j in sorted(pairs)
    ]
    return compare(found) if found else None


def metre_of(piece):
    first = piece.metre_at(0.0)
    return Metre(first.numerator, first.denominator, round(piece.pickup * PPQ))


def played(sheet):
    """The melody played to the layer and harmonised; returns decisions by half bar and what sounded at each onset."""
    piece, harmony = sheet.piece, Harmony(metre=metre_of(sheet.piece))
    beneath, sounding = Beneath(1), {}
    line = sorted(n for n in piece.parts[0].notes)
    events = sorted([(n.start, 1, n.pitch) for n in line] + [(n.end - 0.02, 0, n.pitch) for n in line])
    decisions, onsets, seconds, held, now = {}, [], [], set(), 0.0

    def obey(orders):
        for order in orders:
            if isinstance(order, NoteOn):
                sounding[order.pitch] = order.tick
            elif isinstance(order, NoteOff):
                sounding.pop(order.pitch, None)

    for beat, begins, pitch in events:
        while now < beat - 0.05:
            now = min(now + 0.1, beat - 0.05)
            obey(beneath.advance(harmony, now, bool(held)))
        if begins:
            start = time.perf_counter()
            harmony.hear(beat, pitch, 80)
            obey(beneath.under(harmony, beat, pitch, 80))
            seconds.append(time.perf_counter() - start)
            held.add(pitch)
            first, _, _, _ = harmony.segment(beat + EARLY)
            decisions.setdefault(round(first, 3), harmony.at(max(beat, first)).chord)
            onsets.append((beat, pitch, tuple(sorted(sounding)), beneath.chord))
        else:
            harmony.hear(beat, pitch, 0)
            held.discard(pitch)
        now = beat
    key = harmony.at(now).key
    return decisions, onsets, seconds, key


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--editions", type=Path, help="tunes with chords, a file each, of another collection")
    asked = parser.parse_args()
    training, held_out = lead_sheets(asked.folder)
    sheets = held_out[: asked.count]
    others = []
    for path in music_files(asked.editions) if asked.editions else ():
        try:
            others.append(sheet_of(path.name, read_music(path)))
        except (RnnmuseError, ValueError):
            continue
    others = [sheet for sheet in others if sheet is not None]
    heard_online, heard_ahead, heard_sheet = [], [], []
    online, ahead, full, seconds = [], [], [], []
    changes, theirs, strong, struck, outer = [], [], [], [], []
    keys, keys_full, keys_online, slash = [], [], [], []
    for sheet in sheets:
        piece, metre = sheet.piece, metre_of(sheet.piece)
        bars = max(1, len(piece.bar_starts(piece.end)))
        decisions, onsets, took, key = played(sheet)
        seconds += took
        keys_online.append((key, sheet.key))
        for start, wanted in zip(sheet.starts, sheet.labels.tolist(), strict=True):
            got = decisions.get(round(start, 3))
            if got:
                online.append((label(got), wanted, sheet.key))
        for start, segment, wanted in zip(sheet.starts, sheet.segments, sheet.labels.tolist(), strict=True):
            heard_sheet.append((segment, wanted))
            heard_online.append((segment, label(decisions.get(round(start, 3)) or "N.C.")))
        chords = [chord for _, _, _, chord in onsets]
        changes.append(sum(a != b for a, b in pairwise(chords)) / bars)
        theirs.append(sum(a != b for a, b in pairwise([c.text for c in piece.chords])) / bars)
        half = metre.ticks // 2 if metre.beats >= 4 and metre.beats % 2 == 0 else metre.ticks
        for beat, pitch, _, chord in onsets:
            if (round(beat * PPQ) - metre.bar_line) % half == 0 and chord:
                strong.append(pitch % 12 in parse_chord(chord).pitch_classes)
        last = None
        for _, pitch, sounding, chord in onsets:
            if last is not None and chord == last[1]:
                last = (last[0], chord, pitch)
                continue
            struck.append(whole((*sounding, pitch), chord))
            if last is not None and sounding and last[0]:
                low, high = (last[0][0], sounding[0]), (last[2], pitch)
                same = (low[1] - low[0]) * (high[1] - high[0]) > 0
                outer.append(same and (high[0] - low[0]) % 12 == (high[1] - low[1]) % 12 in (0, 7))
            last = (sounding, chord, pitch)
        melody = Piece([piece.parts[0]], metres=piece.metres, pickup=piece.pickup)
        found = follow(melody)
        for one, wanted in zip(found, sheet.labels.tolist(), strict=False):
            ahead.append((label(one.chord), wanted, sheet.key))
        heard_ahead += [(segment, label(one.chord)) for segment, one in zip(sheet.segments, found, strict=False)]
        held = [one.key for one in found]
        keys.append((max(held, key=held.count), sheet.key))
        both = Piece(
            [piece.parts[0], Part(notes=block_chords(piece.chords, piece.end))], metres=piece.metres,
            pickup=piece.pickup,
        )  # fmt: skip
        heard = follow(both)
        for one, wanted in zip(heard, sheet.labels.tolist(), strict=False):
            full.append((label(one.chord), wanted, sheet.key))
        held = [one.key for one in heard]
        keys_full.append((max(held, key=held.count), sheet.key))
        for symbol in piece.chords:
            chord = parse_chord(symbol.text)
            if chord.root >= 0 and chord.bass != chord.root:
                top = next((n.pitch for n in piece.parts[0].notes if n.end > symbol.beat), 72)
                notes = voiced(symbol.text, top)
                slash.append(bool(notes) and notes[0] % 12 == chord.bass)

    def right(pairs):
        def near(a, b):
            fifth = a.minor == b.minor and (a.tonic - b.tonic) % 12 in (0, 5, 7)
            relative = a.minor != b.minor and (a.tonic - b.tonic) % 12 in ((9,) if a.minor else (3,))
            return fifth or relative

        exact = sum((a.tonic, a.minor) == (b.tonic, b.minor) for a, b in pairs if a)
        return {"exact": round(exact / len(pairs), 3), "near": round(sum(near(a, b) for a, b in pairs) / len(pairs), 3)}

    print(
        json.dumps(
            {
                "sheets": len(sheets),
                "half_bars": len(ahead),
                "changes_a_bar": [round(float(np.mean(changes)), 2), round(float(np.mean(theirs)), 2)],
                "melody_in_chord": round(float(np.mean(strong)), 3),
                "whole_triads": round(float(np.mean(struck)), 3),
                "parallels": round(float(np.mean(outer)), 4),
                "agreement_online": compare(online),
                "agreement_ahead": compare(ahead),
                "agreement_chords_heard": compare(full),
                "melody_heard": {
                    "sheet": fits(heard_sheet),
                    "online": fits(heard_online),
                    "ahead": fits(heard_ahead),
                },
                "ceiling": {
                    "half_bar_of_the_sheet": ceiling([*sheets, *training], [], 1),
                    "bar_of_the_sheet": ceiling([*sheets, *training], [], 2),
                    "two_bars_of_another_edition": ceiling([*sheets, *training], others, 4) if others else None,
                },
                "always_the_tonic": compare([(k.tonic * 5 + int(k.minor), b, k) for _, b, k in ahead]),
                "slash_bass": [round(float(np.mean(slash)), 3), len(slash)],
                "keys_melody": right(keys),
                "keys_melody_online": right(keys_online),
                "keys_chords_heard": right(keys_full),
                "milliseconds_a_note": round(median(seconds) * 1000, 2),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
