"""Words on notes: counted, read back from MIDI and by music21, and their stress measured on songs of our own."""

import pytest
from music21 import converter

from rnnmuse.compose.setting import METRES, TENTH, rhythm, sections_of, set_words, stresses
from rnnmuse.events import Lyric, Note
from rnnmuse.models.bundle import load_stream
from rnnmuse.music.midi import midi_bytes, read_midi
from rnnmuse.music.musicxml import musicxml_bytes
from rnnmuse.music.piece import Key, Metre, Part, Piece
from rnnmuse.music.scores import parse_scores
from rnnmuse.text.author import Author
from rnnmuse.text.lyrics import HELD, fit, syllables_of, tune_of, with_lyrics, write_lyrics
from rnnmuse.text.melody import melody_of, sung_part, weight
from rnnmuse.text.pronounce import rhymes, sound, words_of


def song(slurs=()):
    """Two phrases of eight quarters and two more of six, in 4/4, with a rest after each."""
    notes, at = [], 0.0
    for size in (7, 7, 5, 5):
        for i in range(size):
            notes.append(Note(at + i, 60 + (i * 5) % 12, 1.0 if i + 1 < size else 0.5, 80))
        at += size + 1 if size == 7 else 8
    return Piece([Part("Voice", 53, notes=notes, slurs=list(slurs))], metres=[Metre(0.0, 4, 4)], keys=[Key(0.0, 0)])


def test_every_note_has_a_syllable_or_holds_one(text_model):
    piece = song(slurs=[(2.0, 3.0)])
    made, words = write_lyrics(Author(text_model), piece, seed=1)
    part = made.parts[0]
    assert [lyric.beat for lyric in part.lyrics] == [note.start for note in part.notes]
    assert [lyric.text for lyric in part.lyrics][3] == HELD
    assert sum(len(line) for line in words.syllables) == len(part.notes) - 1
    found = fit(made, 0)
    assert found.marked == found.notes == len(part.notes)


def test_lines_fit_their_phrases_and_rhyme_two_by_two(text_model):
    _, words = write_lyrics(Author(text_model), song(), seed=3)
    assert [len(line) for line in words.syllables] == [7, 7, 5, 5]
    ends = [words_of(line)[-1] for line in words.lines]
    assert rhymes(ends[0], ends[1])
    assert rhymes(ends[2], ends[3])


def test_stress_is_drawn_to_strong_beats(text_model):
    strong = stressed = 0
    for seed in range(3):
        found = fit(write_lyrics(Author(text_model), song(), seed=seed)[0], 0)
        strong, stressed = strong + found.strong, stressed + found.stressed
    assert strong / stressed > 0.75  # half by chance


def test_a_phrase_that_returns_keeps_its_words(text_model):
    _, words = write_lyrics(Author(text_model), song(), seed=3, refrain=True)
    _, free = write_lyrics(Author(text_model), song(), seed=3)
    melody = melody_of(song())
    tunes = [tune_of(melody, phrase) for phrase in melody.phrases]
    again = [tunes.index(tune) for tune in tunes]
    assert again != list(range(len(tunes)))  # the song has such a phrase
    assert words.lines == tuple(words.lines[i] for i in again)
    assert len(set(free.lines)) == len(free.lines)


def test_the_measure_knows_good_from_bad():
    piece = song()
    melody = melody_of(piece)
    # stresses on beats 1 and 3, then the same words a beat late
    good = [*syllables_of("Morning water morning"), "the"]
    words = (good * 5)[:24]
    assert fit(with_lyrics(piece, 0, melody, words), 0).strong > 0
    on = Piece(
        [
            Part(
                "v",
                notes=[Note(i, 60, 1) for i in range(4)],
                lyrics=[Lyric(i, t) for i, t in enumerate(["wa-", "ter", "wa-", "ter"])],
            )
        ]
    )
    off = Piece(
        [
            Part(
                "v",
                notes=[Note(i, 60, 1) for i in range(1, 5)],
                lyrics=[Lyric(i + 1, t) for i, t in enumerate(["wa-", "ter", "wa-", "ter"])],
            )
        ]
    )
    assert fit(on, 0).strong == fit(on, 0).stressed == 2
    assert fit(off, 0).strong == 0


def test_midi_keeps_the_words(text_model):
    made, _ = write_lyrics(Author(text_model), song(slurs=[(2.0, 3.0)]), seed=1)
    back = read_midi(midi_bytes(made))
    assert [x.text for x in back.parts[0].lyrics] == [x.text for x in made.parts[0].lyrics]


def test_music21_reads_the_words_back(text_model):
    made, _ = write_lyrics(Author(text_model), song(slurs=[(2.0, 4.0)]), seed=2)
    xml = musicxml_bytes(made)
    assert b"<extend" in xml
    score = converter.parse(xml.decode(), format="musicxml")
    read = [(x.text, x.syllabic) for note in score.recurse().notes for x in note.lyrics]
    wanted = [x.text for x in made.parts[0].lyrics if x.text != HELD]
    assert [text + "-" * (kind in ("begin", "middle")) for text, kind in read] == wanted
    back = parse_scores(xml, "song.musicxml")[0]
    assert [note.pitch for note in back.parts[0].notes] == [note.pitch for note in made.parts[0].notes]
    assert melody_of(back).held == melody_of(made).held


def test_syllables_keep_their_marks():
    assert syllables_of("Remember, the water!") == ["re-".capitalize(), "mem-", "ber,", "the", "wa-", "ter!"]


def test_metrical_weight():
    four, six = Piece(metres=[Metre(0, 4, 4)]), Piece(metres=[Metre(0, 6, 8)])
    assert [weight(four, b) for b in (0, 1, 2, 3, 0.5, 0.25, 4)] == [3, 1, 2, 1, 0, -1, 3]
    assert [weight(six, b) for b in (0, 0.5, 1.0, 1.5, 3.0)] == [3, 0, 0, 2, 3]
    upbeat = Piece(metres=[Metre(0, 4, 4)], pickup=1.0)
    assert [weight(upbeat, b) for b in (0, 1, 3, 5)] == [1, 3, 2, 3]


def test_the_singers_part_is_found():
    low, high = Part("Bass", notes=[Note(0, 40, 1)]), Part("Flute", notes=[Note(0, 80, 1)])
    assert sung_part(Piece([low, high])) == 1
    assert sung_part(Piece([Part("Tenor", notes=[Note(0, 50, 1)]), high])) == 0
    assert sung_part(Piece([high, Part("x", notes=[Note(0, 50, 1)], lyrics=[Lyric(0, "la")])])) == 1
    with pytest.raises(ValueError, match="melody"):
        sung_part(Piece([Part("Drums", drum=True, notes=[Note(0, 38, 1)])]))


WORDS = "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate"


def test_words_are_set_to_a_melody():
    piece = set_words(load_stream("lieder"), WORDS, key="G major", seed=1)
    part = piece.parts[0]
    texts = [x.text for x in part.lyrics]
    assert texts == [s for line in WORDS.split("\n") for s in syllables_of(line)]
    assert [x.beat for x in part.lyrics] == [note.start for note in part.notes]
    assert all(note.pitch % 12 in {7, 9, 11, 0, 2, 4, 6} for note in part.notes)
    assert part.notes[-1].pitch % 12 == 7
    assert all(a.end <= b.start + 1e-9 for a, b in zip(part.notes, part.notes[1:], strict=False))
    found = fit(piece, 0)
    assert found.strong >= 0.9 * found.stressed
    assert set_words(load_stream("lieder"), WORDS, key="G major", seed=1) == piece


STANZA = """The ships go down the golden tide,
And all the bells are still;
The gulls are crying far and wide,
The moon is on the hill."""


@pytest.fixture(scope="module")
def settings_of_a_stanza():
    model = load_stream("lieder")
    return [set_words(model, STANZA, seed=seed).parts[0] for seed in range(8)]


def test_every_seed_has_a_rhythm_of_its_own(settings_of_a_stanza):
    rhythms = {tuple((n.start, n.duration) for n in part.notes) for part in settings_of_a_stanza}
    assert len(rhythms) == len(settings_of_a_stanza)


def test_a_singer_can_breathe_and_reach_the_notes(settings_of_a_stanza):
    for part in settings_of_a_stanza:
        holes = [b.start - a.end for a, b in zip(part.notes, part.notes[1:], strict=False)]
        assert max(holes) <= 1.0
        assert sum(hole >= 0.5 for hole in holes) >= 3  # a breath after each line
        pitches = [note.pitch for note in part.notes]
        assert max(pitches) - min(pitches) <= TENTH


def test_lines_follow_as_a_a_b_a():
    assert [section for _, section in sections_of(STANZA)] == list("AABA")
    again = f"{STANZA}\n\nO day\n{STANZA}"
    assert [section for _, section in sections_of(again)] == list("AABA" + "A" + "AABA")
    places = rhythm([("One by one", "A"), ("Two by two", "A"), ("Six by six", "B")], METRES[0], 1)
    lines = [[(p.offset, p.length) for p in places if p.line == line][:-1] for line in range(3)]
    assert lines[0] == lines[1]


def test_a_line_that_returns_keeps_its_melody():
    part = set_words(load_stream("lieder"), f"{STANZA}\n\nAnd then the day\n{STANZA}", seed=2).parts[0]
    size = sum(len(syllables_of(line)) for line in STANZA.split("\n"))
    first, last = part.notes[: size - 1], part.notes[-size:-1]  # the very last note is the tonic
    assert [n.pitch for n in first] == [n.pitch for n in last]


def test_long_rows_of_weak_syllables_get_a_beat():
    marks = stresses("and it is to be in the of")
    assert any(marks)
    assert max(len(run) for run in "".join("x" if m else "." for m in marks).split("x")) <= 3
    assert sound("remember").stress == "010"


@pytest.mark.parametrize(
    ("change", "named"),
    [({"text": " \n"}, "words: none"), ({"key": "H dur"}, "key"), ({"low": 70, "high": 72}, "low, high"),
     ({"tempo": 1}, "tempo: 1")],
)  # fmt: skip
def test_wishes_that_cannot_be_met_are_named(change, named):
    with pytest.raises(ValueError, match=named):
        set_words(load_stream("lieder"), **{"text": WORDS, **change})
