"""Draw the cover of a short tune, and of the same tune an octave higher and faster."""

from pathlib import Path

from rnnmuse.cover.picture import described, design_for, draw, write
from rnnmuse.events import Note
from rnnmuse.models.bundle import load_cover
from rnnmuse.music.piece import Key, Part, Piece, Tempo

PITCHES = [64, 64, 65, 67, 67, 65, 64, 62, 60, 60, 62, 64, 64, 62, 62]  # "Ode to Joy" (Beethoven, 1824)


def tune(up: int, bpm: float) -> Piece:
    notes = [Note(float(i), pitch + up, 0.9, 80) for i, pitch in enumerate(PITCHES)]
    return Piece([Part("Melody", notes=notes)], [Tempo(0.0, bpm)], keys=[Key(0.0, 0)])


def main(out: Path = Path("out")) -> None:
    model = load_cover("covers")
    for name, piece in (("low", tune(0, 70)), ("high", tune(12, 180))):
        design = design_for(piece, seed=5, title="Ode to Joy", artist="L. v. Beethoven")
        image, lettering = draw(model, design, 600, 600)
        path = out / f"ode-{name}.jpg"
        write(image, path, described(model, design))
        contrast = lettering.contrast if lettering else 0.0
        print(f"Wrote {path}; the text keeps {contrast:.1f} : 1 against every pixel behind it.")


if __name__ == "__main__":
    main()
