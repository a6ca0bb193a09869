"""Words for a melody, and a melody for the words of a sonnet; both as MIDI with lyrics."""

from pathlib import Path

from rnnmuse import Note, Part, Piece, author, write_midi
from rnnmuse.compose.setting import set_words
from rnnmuse.models.bundle import load_stream
from rnnmuse.text.lyrics import write_lyrics

out = Path("out")
out.mkdir(exist_ok=True)
tune = [(0, 67, 1), (1, 67, 1), (2, 69, 1), (3, 67, 1), (4, 72, 1), (5, 71, 2),
        (8, 67, 1), (9, 67, 1), (10, 69, 1), (11, 67, 1), (12, 74, 1), (13, 72, 2)]  # fmt: skip
melody = Piece([Part("Voice", 53, notes=[Note(float(at), pitch, float(beats)) for at, pitch, beats in tune])])
song, words = write_lyrics(author("verse"), melody, seed=1)
for line in words.syllables:
    print(" ".join(line))
write_midi(song, out / "song.mid")

piece = set_words(load_stream("lieder"), "Shall I compare thee to a summer's day?", key="G major", seed=1)
for lyric, note in zip(piece.parts[0].lyrics, piece.parts[0].notes, strict=True):
    print(f"beat {note.start:4}: {lyric.text:6} {note.pitch}")
write_midi(piece, out / "setting.mid")
