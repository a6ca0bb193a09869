"""What made a file: written into it, read back, and a change that is found."""

from pathlib import Path

from rnnmuse import load, write_midi
from rnnmuse.provenance.marks import read
from rnnmuse.provenance.record import sentence


def main(out: Path = Path("out")) -> None:
    out.mkdir(exist_ok=True)
    file = out / "made.mid"
    write_midi(load("grooves").generate(2, seed=5), file)
    found = read(file)
    assert found is not None
    print("verified:" if found.intact else "changed:", sentence(found.record))
    data = bytearray(file.read_bytes())
    data[-6] ^= 1
    file.with_stem("changed").write_bytes(data)
    changed = read(out / "changed.mid")
    print("one bit changed:", "not noticed" if changed is not None and changed.intact else "noticed")


if __name__ == "__main__":
    main()
