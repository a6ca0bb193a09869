"""Take a piece through the model's events and back, and write it as MIDI."""

from pathlib import Path

from rnnmuse.events import Note
from rnnmuse.music.codec import PartClass, decode, encode
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Key, Part, Piece

# The opening of "Ode to Joy" (Beethoven, 1824), with a played, unquantised touch.
PITCHES = [64, 64, 65, 67, 67, 65, 64, 62, 60, 60, 62, 64, 64, 62, 62]


def main(out: Path = Path("out")) -> Path:
    notes = [Note(i + 0.004 * (i % 3), p, 0.9, 70 + i % 5 * 4) for i, p in enumerate(PITCHES)]
    piece = Piece(parts=[Part("Melody", 0, notes=notes)], keys=[Key(0.0, 0)], title="Ode to Joy")
    events = encode(piece, (PartClass("piano"),)).events
    back = decode(events)
    out.mkdir(exist_ok=True)
    path = out / "demo.mid"
    write_midi(Piece(parts=[Part("Melody", 0, notes=back)], title=piece.title), path)
    worst = max(abs(a.start - b.start) for a, b in zip(notes, back, strict=True))
    print(f"{len(notes)} notes became {len(events)} events and came back, at most {worst * 500:.2f} ms off at 120 bpm.")
    print(f"Wrote {path}. Open it in any DAW.")
    return path


if __name__ == "__main__":
    main()
