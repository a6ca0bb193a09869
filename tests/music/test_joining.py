# tables of cases
"""A continuation begins from a stated condition, and the piece before it stays as it was."""

from pathlib import Path

from rnnmuse.events import Bend, Control, Note, Pressure
from rnnmuse.music.joining import joined, settled
from rnnmuse.music.midi import midi_bytes, read_midi
from rnnmuse.music.piece import Key, Part, Piece, Tempo
from rnnmuse.music.smf import parse

CASES = Path(__file__).parents[1] / "cases"
NOTES = [Note(i, 60, 1) for i in range(16)]


def controls(*found: tuple[float, int, int]) -> list[Control]:
    return [Control(*one) for one in found]


def test_the_pedal_of_the_case_is_up_where_the_continuation_begins():
    piece = read_midi(CASES / "pedal_left_down.mid")
    mark = piece.bar_start_after(piece.end - 0.2)
    new = Piece([Part(notes=[Note(mark, 60, 1)])])
    whole = read_midi(midi_bytes(joined(piece, new, mark)))
    before_new = [c for c in whole.parts[0].controls if c.number == 64 and c.beat <= mark]
    assert before_new[-1] == Control(mark, 64, 0)
    fading = [c for c in whole.parts[0].controls if c.number in (7, 11) and c.beat <= mark]
    assert all(fading[-1].value >= 64 for _ in fading[:1])


def test_pedals_bends_pressure_and_modulation_are_released():
    part = Part(
        notes=NOTES,
        controls=controls((0, 64, 127), (1, 66, 90), (2, 1, 50), (3, 67, 10)),
        bends=[Bend(4, 99)],
        pressures=[Pressure(5, 3)],
        channel=2,
    )
    out = settled(Piece([part]), 16.0).parts[0]
    assert [c for c in out.controls if c.beat == 16] == controls((16, 64, 0), (16, 66, 0), (16, 1, 0))
    assert out.bends[-1] == Bend(16, 0)
    assert out.pressures[-1] == Pressure(16, 0)


def test_a_fade_ends_and_an_ordinary_level_stays():
    faded = Part(notes=NOTES, controls=controls((0, 11, 100), (14, 11, 60), (15, 11, 20), (15.5, 11, 0)))
    steady = Part(notes=NOTES, controls=controls((0, 11, 100), (8, 11, 80)))
    out = settled(Piece([faded, steady]), 16.0)
    assert out.parts[0].controls[-1] == Control(16, 11, 60)
    assert out.parts[1].controls == steady.controls


def test_what_is_released_already_gets_no_event():
    piece = Piece([Part(notes=NOTES, controls=controls((0, 64, 127), (8, 64, 0)), bends=[Bend(1, 5), Bend(2, 0)])])
    assert settled(piece, 16.0) == piece


def test_every_event_of_the_piece_is_in_the_continuation():
    data = (CASES / "play_me.mid").read_bytes()
    piece = read_midi(data)
    new = Piece(
        [*(Part() for _ in piece.parts), Part("New", 73, notes=[Note(8.0, 80, 1)])],
        tempos=piece.tempos,
        keys=[Key(0.0, 3)],
    )
    tracks = parse("b", midi_bytes(joined(piece, new, 8.0))).tracks
    for ours, theirs in zip(parse("a", data).tracks, tracks, strict=False):
        rest = iter(theirs.events)
        assert all(event in rest for event in ours.events)
    assert len(tracks) == 4


def test_maps_change_from_the_continuation_on():
    piece = Piece([Part(notes=NOTES)], tempos=[Tempo(0, 90), Tempo(20, 50)])
    whole = joined(piece, Piece([Part(notes=[Note(16, 60, 1)])], tempos=[Tempo(0, 90), Tempo(16, 140)]), 16.0)
    assert whole.tempos == [Tempo(0, 90), Tempo(16, 140)]
