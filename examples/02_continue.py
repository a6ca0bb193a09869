"""Continue a melody of your own, in key, over chords."""

from pathlib import Path

import rnnmuse

TUNE = [67, 64, 64, 65, 62, 62, 60, 62, 64, 65, 67, 67, 67]
LENGTHS = [1, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2]


def main(out: Path = Path("out")) -> Path:
    notes, beat = [], 0.0
    for pitch, length in zip(TUNE, LENGTHS, strict=True):
        notes.append(rnnmuse.Note(beat, pitch, length, velocity=80))
        beat += length
    muse = rnnmuse.load("lieder")
    new = muse.continue_(notes, bars=8, key="C major", chords="C F G C", players=2, seed=1)
    tune = rnnmuse.Piece([rnnmuse.Part("Melody", 0, notes=notes)])
    out.mkdir(exist_ok=True)
    path = out / "continued.mid"
    rnnmuse.write_midi(rnnmuse.joined(tune, new), path)
    print(f"{len(notes)} notes in, {len(new.notes)} notes out: {path}")
    return path


if __name__ == "__main__":
    main()
