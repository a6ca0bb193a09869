"""Harmonise a tune in four parts, over chords that are heard and over chords that are given."""

from pathlib import Path

from rnnmuse.compose.harmonise import Harmonising, in_four_parts, with_chords
from rnnmuse.events import Note
from rnnmuse.music.midi import write_midi
from rnnmuse.music.musicxml import write_musicxml
from rnnmuse.music.piece import Metre, Part, Piece, Tempo

TUNE = [(67, 1), (67, 1), (66, 1), (64, 1), (62, 1), (67, 1), (69, 1), (71, 2)]  # the first line of Old Hundredth


def main(out: Path = Path("out")) -> None:
    notes, beat = [], 0.0
    for pitch, beats in TUNE:
        notes.append(Note(beat, pitch, beats))
        beat += beats
    tune = Piece([Part("Melody", 52, notes=notes)], [Tempo(0.0, 88.0)], [Metre(0.0, 4, 4)], pickup=1.0)
    out.mkdir(exist_ok=True)
    write_musicxml(in_four_parts(tune, Harmonising(seed=2)), out / "chorale.musicxml")
    waltz = with_chords(tune, Harmonising(pattern="oom-pah"))
    write_midi(waltz, out / "oom-pah.mid")
    given = in_four_parts(tune, Harmonising(chords="G | Em D/F# | G"))
    write_midi(given, out / "given.mid")
    print(f"chords heard: {' '.join(chord.text for chord in waltz.chords)}")
    for part in given.parts:
        print(f"{part.name:8} {' '.join(str(note.pitch) for note in part.notes)}")


if __name__ == "__main__":
    main()
