"""Harmonise a tune note by note, as a live player does, and write both as a MIDI file."""

from pathlib import Path

from rnnmuse.events import Note
from rnnmuse.models.bundle import load_stream
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Part, Piece
from rnnmuse.session.messages import NoteOn
from rnnmuse.session.stream import StreamPlayer

TUNE = [64, 64, 65, 67, 67, 65, 64, 62, 60, 60, 62, 64, 64, 62, 62]  # Beethoven's Ode to Joy, a note a beat


def main(out: Path = Path("out")) -> None:
    player = StreamPlayer(1, load_stream("leadsheet"))
    player.change("pattern", "held", 0.0)
    player.change("key", "C major", 0.0)
    player.set_mode("harmonise", 0.0)
    melody, chords = Part("melody"), Part("chords")
    for beat, pitch in enumerate(TUNE):
        melody.notes.append(Note(beat, pitch, 1.0, 90))
        for order in player.hear(beat, pitch, 90):
            if isinstance(order, NoteOn):
                chords.notes.append(Note(beat, order.pitch, 1.9, order.velocity))
        player.hear(beat + 0.9, pitch, 0)
    out.mkdir(exist_ok=True)
    write_midi(Piece([melody, chords]), out / "harmonised.mid")
    print(f"{len(melody.notes)} notes, {len(chords.notes)} beneath them: {out / 'harmonised.mid'}")


if __name__ == "__main__":
    main()
