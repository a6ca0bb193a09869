"""Vary a tune, go from one tune to another, let a drummer play a stiff beat."""

from pathlib import Path

import rnnmuse
from rnnmuse.compose.phrases import as_piece
from rnnmuse.music.sheet import Cell, save_sheet


def tune(pitches: list[int]) -> rnnmuse.Piece:
    return rnnmuse.Piece([rnnmuse.Part("Voice", 53, notes=[rnnmuse.Note(i, p, 1.0) for i, p in enumerate(pitches)])])


def main(out: Path = Path("out")) -> None:
    out.mkdir(exist_ok=True)
    melodies = rnnmuse.load_phrases("phrases")
    up, down = tune([60, 62, 64, 65, 67, 69, 71, 72]), tune([79, 77, 76, 74, 72, 71, 69, 67])
    way = melodies.interpolate(up, down, steps=8)
    rnnmuse.write_midi(as_piece(way, up), out / "way.mid")
    print(save_sheet([[Cell(grid, str(i + 1)) for i, grid in enumerate(way)]], out / "way.png"))
    rnnmuse.write_midi(melodies.vary(up, amount=0.3, seed=1), out / "varied.mid")

    strokes = [rnnmuse.Note(i / 2, 42, 0.1, 90) for i in range(16)]
    strokes += [rnnmuse.Note(i, 36 if i % 2 == 0 else 38, 0.1, 90) for i in range(8)]
    stiff = rnnmuse.Piece([rnnmuse.Part("Drums", drum=True, notes=sorted(strokes))])
    played = rnnmuse.load_phrases("beats").groove(stiff, amount=0.8, seed=2)
    rnnmuse.write_midi(played, out / "groove.mid")
    off = [abs(n.start * 2 - round(n.start * 2)) / 2 for n in played.notes]
    print(f"strokes are up to {500 * max(off):.0f} ms off the grid at 120 bpm, velocities "
          f"{min(n.velocity for n in played.notes)} to {max(n.velocity for n in played.notes)}")  # fmt: skip


if __name__ == "__main__":
    main()
