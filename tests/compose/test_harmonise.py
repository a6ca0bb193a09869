"""A melody with chords and in four parts, judged by rules that are counted here."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from rnnmuse.compose.harmonise import Harmonising, frames, harmonised, in_four_parts, melody_of, with_chords
from rnnmuse.events import Note
from rnnmuse.models.bundle import load_chorale
from rnnmuse.music.midi import read_midi, write_midi
from rnnmuse.music.musicxml import write_musicxml
from rnnmuse.music.piece import Metre, Part, Piece
from rnnmuse.music.read import read_music
from rnnmuse.music.theory import parse_chord

OLD_HUNDREDTH = [67, 67, 66, 64, 62, 67, 69, 71, 71, 71, 71, 69, 67, 72, 71, 69]


def tune(pitches=OLD_HUNDREDTH, beats=1.0, **maps):
    notes = [Note(i * beats, p, beats, 90) for i, p in enumerate(pitches)]
    return Piece([Part("Melody", 52, notes=notes)], metres=[Metre(0.0, 4, 4)], **maps)


@pytest.fixture(scope="module")
def model():
    return load_chorale("chorales")


@pytest.fixture(scope="module")
def chorale():
    return in_four_parts(tune(), Harmonising())


def test_four_parts_keep_the_melody_their_ranges_and_their_order(chorale, model):
    assert [part.name for part in chorale.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert [n.pitch for n in chorale.parts[0].notes] == OLD_HUNDREDTH
    for voice, part in enumerate(chorale.parts):
        assert all(model.low[voice] <= n.pitch <= model.high[voice] for n in part.notes)
        assert sum(n.duration for n in part.notes) == pytest.approx(16.0)
    for beat in range(16):
        sounding = [next(n.pitch for n in part.notes if n.start <= beat < n.end) for part in chorale.parts]
        assert sounding == sorted(sounding, reverse=True)


def test_four_parts_are_chords_in_the_key(chorale):
    assert (chorale.keys[0].tonic, chorale.keys[0].minor) == (7, False)
    outside = sum(n.pitch % 12 not in {7, 9, 11, 0, 2, 4, 6} for n in chorale.notes)
    assert outside <= 6
    last = {n.pitch % 12 for part in chorale.parts for n in part.notes if n.end == 16.0}
    assert len(last) >= 3


def test_parallels_are_rare(model):
    found = steps = 0
    for seed in range(4):
        voices = harmonised(model, np.array(OLD_HUNDREDTH), 7, seed)
        for old, new in pairwise(voices.tolist()):
            steps += 1
            found += any(
                (old[i] - old[j]) % 12 == (new[i] - new[j]) % 12 in (0, 7) and (new[i] - old[i]) * (new[j] - old[j]) > 0
                for i, j in combinations(range(4), 2)
            )
    assert found / steps <= 0.05


def test_the_same_seed_writes_the_same_parts(model):
    line = np.array(OLD_HUNDREDTH)
    assert (harmonised(model, line, 7, 5) == harmonised(model, line, 7, 5)).all()


def test_where_the_melody_rests_so_do_the_voices(model):
    voices = harmonised(model, np.array([67, 69, 0, 71, 67]), 7)
    assert not voices[2].any()
    assert voices[[0, 1, 3, 4]].all()


def test_chords_that_are_given_are_written():
    chart = "G | D/F# | Em | C"
    made = in_four_parts(tune(), Harmonising(chords=chart))
    right = 0
    for beat in range(16):
        chord = parse_chord(chart.split(" | ")[beat // 4])
        sounding = [next(n.pitch for n in part.notes if n.start <= beat < n.end) for part in made.parts]
        right += sounding[3] % 12 == chord.bass and {p % 12 for p in sounding[1:]} <= chord.pitch_classes
    assert right >= 15


@pytest.mark.parametrize("suffix", [".mid", ".musicxml"])
def test_what_is_written_is_read_again(chorale, tmp_path, suffix):
    path = tmp_path / f"chorale{suffix}"
    (write_midi if suffix == ".mid" else write_musicxml)(chorale, path)
    again = read_music(path)
    for part, wanted in zip(again.parts, chorale.parts, strict=True):
        assert [(n.start, n.pitch) for n in part.notes] == [(n.start, n.pitch) for n in wanted.notes]


def test_chords_beneath_a_melody_are_in_the_file_as_notes_and_as_symbols(tmp_path):
    made = with_chords(tune(), Harmonising(pattern="oom-pah"))
    path = tmp_path / "made.mid"
    write_midi(made, path)
    assert [part.name for part in read_midi(path).parts] == ["Melody", "Chords"]
    assert made.chords[0].text == "G"
    for note in made.parts[1].notes:
        holds = [c for c in made.chords if c.beat <= note.start + 1e-6][-1]
        assert note.pitch % 12 in parse_chord(holds.text).pitch_classes


def test_frames_are_the_beats_that_are_felt():
    assert frames(tune())[:3] == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]
    jig = tune(beats=0.5)
    jig.metres = [Metre(0.0, 6, 8)]
    assert frames(jig)[:3] == [(0.0, 1.5), (1.5, 3.0), (3.0, 4.5)]


def test_the_melody_is_the_top_of_the_first_pitched_part():
    piece = tune()
    piece.parts[0].notes.append(Note(0.0, 60, 1.0))
    piece.parts.insert(0, Part("Drums", drum=True, notes=[Note(0.0, 36, 0.5)]))
    assert [n.pitch for n in melody_of(piece).notes] == OLD_HUNDREDTH
    with pytest.raises(ValueError, match="melody"):
        melody_of(Piece([Part(drum=True, notes=[Note(0.0, 36, 1.0)])]))


@pytest.mark.parametrize(
    ("field", "value"), [("key", "H"), ("chords", "Q | C"), ("pattern", "polka"), ("temperature", 0)]
)
def test_what_cannot_be_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field[:3]):
        Harmonising(**{field: value})
