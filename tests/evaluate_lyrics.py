"""`make evaluate-lyrics SONGS=folder`: words for songs that have English words, beside their own. Not a test.

Prints over all songs: notes with a syllable or held, and the share of stressed syllables on strong notes, of the words
written here and of the songs' own, measured the same way (`rnnmuse.text.lyrics.fit`).
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from rnnmuse.errors import RnnmuseError
from rnnmuse.music.musicxml import write_musicxml
from rnnmuse.music.piece import Piece
from rnnmuse.music.read import music_files, read_music
from rnnmuse.text.author import author
from rnnmuse.text.lyrics import HELD, fit, write_lyrics
from rnnmuse.text.melody import sung_part
from rnnmuse.text.pronounce import lexicon, plain, words_of

COMMON = re.compile(r"<text[^>]*>(?:the|and|of|my|to|is|with|that|for)</text>", re.IGNORECASE)
GERMAN = re.compile(r"<text[^>]*>(?:und|die|der|ich|les|des|et|que|il|che|non)</text>", re.IGNORECASE)


def english(piece: Piece, index: int) -> bool:
    """Whether nearly all words of a part are in the dictionary."""
    text = "".join(x.text[:-1] if x.text.endswith("-") else x.text + " " for x in piece.parts[index].lyrics)
    words = words_of(text)
    known = sum(lexicon().index(plain(word).strip("'")) >= 0 for word in words)
    return len(words) >= 20 and known >= 0.9 * len(words)


def main(folders: list[str], model: str = "verse", wanted: int = 100) -> None:
    writer = author(model)
    paths = [path for folder in folders for path in music_files(Path(folder))]
    mine, theirs, songs, checked, lost = [0, 0, 0, 0], [0, 0, 0, 0], 0, 0, 0
    for path in paths:
        if songs == wanted:
            break
        if path.suffix in (".musicxml", ".xml"):
            raw = path.read_text("utf-8", "replace")
            if (
                len(COMMON.findall(raw)) < 8
                or len(GERMAN.findall(raw)) > len(COMMON.findall(raw))
                or len(raw) > 1_500_000
            ):
                continue
        try:
            piece = read_music(path)
            index = sung_part(piece)
            if not english(piece, index):
                continue
            made, _ = write_lyrics(writer, piece, part=index, seed=songs)
        except (RnnmuseError, ValueError) as error:
            print(f"left out {path.name}: {error}")
            continue
        songs += 1
        for total, one in ((mine, fit(made, index)), (theirs, fit(piece, index))):
            for at, value in enumerate((one.notes, one.marked, one.stressed, one.strong)):
                total[at] += value
        if songs % 5 == 0:  # every fifth is read back by music21
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "song.musicxml"
                write_musicxml(made, file)
                back = read_music(file)
                words = [x.text for x in back.parts[sung_part(back)].lyrics]
                checked += 1
                lost += words != [x.text for x in made.parts[index].lyrics if x.text != HELD]
        print(f"{songs:4} {mine[3] / max(1, mine[2]):.3f} {theirs[3] / max(1, theirs[2]):.3f} {path.name}", flush=True)
    print(f"songs {songs}, model {model}")
    print(f"notes {mine[0]:,}, with a syllable or held {mine[1] / max(1, mine[0]):.2%}")
    own = theirs[3] / max(1, theirs[2])
    print(f"stressed syllables on strong notes: {mine[3] / max(1, mine[2]):.1%}; the songs' own words {own:.1%}")
    print(f"read back from MusicXML: {checked - lost} of {checked} with every syllable")


if __name__ == "__main__":
    options = [a for a in sys.argv[1:] if a.startswith("--model=")]
    main([a for a in sys.argv[1:] if not a.startswith("--")], options[0][8:] if options else "verse")
