"""Four bars of drums with human timing, then the same seed at half the density."""

from pathlib import Path

import rnnmuse
from rnnmuse.music.pianoroll import save_roll


def main(out: Path = Path("out")) -> None:
    out.mkdir(exist_ok=True)
    drummer = rnnmuse.load("grooves")
    for name, density in (("busy", 6.0), ("sparse", 3.0)):
        beat = drummer.generate(4, tempo=100, density=density, seed=5)
        rnnmuse.write_midi(beat, out / f"{name}.mid")
        save_roll(beat, out / f"{name}.png")
        print(f"{name}: {len(beat.notes)} strokes, first at {beat.notes[0].start:.3f} beats: {out / name}.mid")


if __name__ == "__main__":
    main()
