"""How far new music runs along what its model learned from, with the guard off and on."""

from pathlib import Path

from rnnmuse import load, write_midi
from rnnmuse.models.originality import lines_of


def main(out: Path = Path("out")) -> None:
    out.mkdir(exist_ok=True)
    muse = load("lieder")
    corpus = muse.model.corpus
    assert corpus is not None
    print(f"{muse.name} learned from {corpus.pieces} pieces; real ones repeat {corpus.runs[1]:.0f} notes (median)")
    for original in (0.0, 0.5):
        piece = muse.generate(8, seed=7, original=original)
        found = corpus.find(lines_of(piece))
        print(f"original {original}: longest run {found.run.notes} notes, overlap {found.overlap:.1%}")
        write_midi(piece, out / f"original-{original:g}.mid")


if __name__ == "__main__":
    main()
