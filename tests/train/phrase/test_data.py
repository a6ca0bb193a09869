"""Phrases out of encoded pieces."""

import numpy as np

from rnnmuse.events import Note
from rnnmuse.music.codec import encode
from rnnmuse.music.harmony import lead_sheet
from rnnmuse.music.phrases import ONSET, melody_notes
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece
from rnnmuse.train.corpus import Item
from rnnmuse.train.grouping import sketch
from rnnmuse.train.phrase.data import joined, windows
from rnnmuse.train.phrase.recipe import KIT, MELODY

SCALE = [60, 62, 64, 65, 67, 69, 71, 72]


def item(piece, name="a", split="train"):
    return Item(name, encode(lead_sheet(piece), MELODY), sketch(piece), split=split)


def tune(bars, metre=(4, 4), length=1.0, step=1):
    beats = bars * metre[0] * 4 // metre[1]
    notes = [Note(k * length, SCALE[k * step * (1 + k // 8) % 8], length) for k in range(int(beats / length))]
    chords = [ChordSymbol(0.0, "C"), ChordSymbol(4.0, "Am")]
    return Piece([Part("Voice", 53, notes=notes)], metres=[Metre(0.0, *metre)], keys=[Key(0.0, 0)], chords=chords)


def test_windows_are_whole_bars_a_bar_apart_with_their_harmony():
    found = windows([item(tune(4))], 2, False)
    assert len(found) == 3
    first = melody_notes(found.grids[0])
    assert [n.pitch for n in first] == SCALE
    assert [n.start for n in first] == [float(k) for k in range(8)]
    assert found.context[0, 0].tolist() == [0, 0, 0]
    assert found.context[0, 16].tolist() == [0, 9, 1]
    assert found.context[1, 0].tolist() == [0, 9, 1]  # from the second bar on


def test_two_four_is_taken_in_pairs_and_three_four_not_at_all():
    assert len(windows([item(tune(8, (2, 4)))], 2, False)) == 3
    assert len(windows([item(tune(8, (3, 4)))], 2, False)) == 0


def test_what_a_phrase_cannot_hold_is_left_out():
    fast = windows([item(tune(4, length=0.125))], 2, False)
    assert len(fast) == 0  # two notes on a sixteenth
    sparse = tune(4)
    sparse.parts[0].notes = [n for n in sparse.parts[0].notes if n.start < 4 or n.start >= 8]
    assert len(windows([item(sparse)], 2, False)) == 1  # bars 3 and 4; bar 2 is empty


def test_a_phrase_that_comes_again_is_kept_once():
    piece = tune(2)
    again = [Note(n.start + 8, n.pitch, n.duration) for n in piece.parts[0].notes]
    piece.parts[0].notes += again
    piece.chords = [ChordSymbol(0.0, "C")]
    found = windows([item(piece)], 2, False)
    assert len(found) == 2  # as written, and begun in its second bar
    assert len(np.unique(found.grids.reshape(len(found), -1), axis=0)) == 2


def test_drums_keep_their_early_first_stroke():
    notes = [Note(max(0, 4 * k - 0.06) + b, p, 0.1, 90) for k in range(3) for b, p in enumerate([36, 38, 36, 38])]
    piece = Piece([Part("Drums", drum=True, notes=sorted(notes))])
    found = windows([Item("a", encode(piece, KIT), frozenset())], 2, True)
    assert len(found) == 2
    assert found.grids[1, 0, 0, 0] == 1
    assert found.grids[1, 0, 0, 2] < 12  # before the beat


def test_a_song_in_two_corpora_has_one_split():
    random = np.random.default_rng(3)
    songs = []
    for _ in range(3):
        line = [Note(float(k), int(p), 1.0) for k, p in enumerate(60 + random.integers(0, 12, 64))]
        songs.append(Piece([Part("Voice", 53, notes=line)], chords=[ChordSymbol(0.0, "C")]))
    higher = Piece(
        [Part("Voice", 53, notes=[Note(n.start, n.pitch + 5, n.duration) for n in songs[0].notes])],
        chords=[ChordSymbol(0.0, "F")],
    )
    first = [item(songs[0], "song", "test"), item(songs[1], "other", "train")]
    second = [item(higher, "the song, higher", "train"), item(songs[2], "third", "train")]
    found = {i.name: i.split for i in joined([first, second])}
    assert found == {"song": "test", "other": "train", "the song, higher": "test", "third": "train"}


def test_onsets_are_pitches():
    grids = windows([item(tune(2))], 2, False).grids
    assert set(grids[0, ::4, 0] - ONSET) == set(SCALE)
