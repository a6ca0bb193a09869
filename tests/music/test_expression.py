import pytest

from rnnmuse import clock
from rnnmuse.events import Note
from rnnmuse.music.drums import general_midi
from rnnmuse.music.expression import SUSTAIN, expressed, expressed_live
from rnnmuse.music.keys import follow_keys
from rnnmuse.music.piece import Key, Part, Piece, Tempo
from rnnmuse.music.roles import BASS, CHORDS, LEAD, band_roles


def score():
    notes = [Note(0.5 * i, 60 + (i * 7) % 12, 0.5, 80) for i in range(64)]
    return Piece([Part("Piano", 0, notes=notes)], tempos=[Tempo(0.0, 100.0)], keys=[Key(0.0, 0)])


def test_expression_gives_a_score_dynamics_tempo_and_pedal():
    plain, played = score(), expressed(score(), ending=True)
    assert len({n.velocity for n in played.notes}) > 6
    assert [(n.start, n.pitch, n.duration) for n in played.notes] == [
        (n.start, n.pitch, n.duration) for n in plain.notes
    ]
    assert played.tempos[-1].bpm < 0.7 * max(t.bpm for t in played.tempos)
    pedal = [c for c in played.parts[0].controls if c.number == SUSTAIN]
    assert pedal
    assert pedal[-1].value == 0


def test_the_fader_scales_it():
    def spread(amount):
        velocities = [n.velocity for n in expressed(score(), amount).notes]
        return max(velocities) - min(velocities)

    assert spread(0.0) == 0 < spread(0.5) < spread(1.0)
    with pytest.raises(ValueError, match="expression: 3"):
        expressed(score(), 3)


def test_what_is_before_the_start_is_left_alone():
    played = expressed(score(), start=16.0)
    assert {n.velocity for n in played.notes if n.start < 16} == {80}


def test_keys_are_followed_where_the_music_moves():
    def scale(tonic, start):
        return [Note(start + 0.5 * i, 60 + tonic + s, 0.5) for i, s in enumerate((0, 2, 4, 5, 7, 9, 11, 12) * 8)]

    keys = follow_keys(scale(0, 0.0) + scale(6, 32.0))
    assert [(k.tonic, k.minor) for k in keys] == [(0, False), (6, False)]
    assert 28 <= keys[1].beat <= 40
    assert follow_keys([]) == [Key(0.0, 0)]
    chromatic = [Note(20.0, 61, 0.5)]
    assert len(follow_keys(sorted(scale(0, 0.0) + chromatic))) == 1, "one note is no change of key"


KITS = [
    (22, "general", 42),
    (26, "general", 46),
    (50, "general", 50),
    (50, "roland", 48),
    (58, "roland", 43),
    (38, "roland", 38),
    (126, "general", 81),
]


@pytest.mark.parametrize(("note", "kit", "wanted"), KITS)
def test_drum_notes_are_those_of_general_midi(note, kit, wanted):
    assert general_midi(note, kit) == wanted
    with pytest.raises(ValueError, match="kit: 'tabla'"):
        general_midi(36, "tabla")


def test_parts_of_a_band_have_roles():
    low = [Note(float(i), 36, 0.9) for i in range(8)]
    high = [Note(float(i), 76 + i % 3, 0.9) for i in range(8)]
    block = [Note(2.0 * i, p, 1.9) for i in range(4) for p in (60, 64, 67)]
    piece = Piece([Part("a", 30, notes=high), Part("b", 48, notes=block), Part("c", 38, notes=low),
                   Part("d", drum=True, notes=low)])  # fmt: skip
    assert [part.program for part in band_roles(piece).parts] == [LEAD, CHORDS, BASS, 0]


def test_live_the_bar_line_and_the_middle_of_the_phrase_are_louder():
    def loud(beat, pitch=64, amount=1.0, tonic=None):
        return expressed_live(80, pitch, amount, clock.COMMON, round(beat * clock.PPQ), tonic)

    assert loud(4) > loud(4.5)
    assert loud(8) > loud(0)
    assert loud(0, 76) > loud(0, 64)
    assert loud(0, 65, tonic=0) < loud(0, 66, tonic=0)  # the raised fourth is charged more
    assert loud(3.25, amount=0.0) == 80
    assert abs(loud(8, amount=2.0) - 80) == pytest.approx(2 * abs(loud(8) - 80))


def test_live_the_rules_are_those_of_a_whole_piece():
    """What both can know agrees: the difference of two notes of one pitch, length and chord is the same."""
    piece = Piece([Part("Lead", 73, notes=[Note(float(beat), 64, 1.0, 80) for beat in range(16)])], keys=[Key(0.0, 0)])
    whole = {n.start: n.velocity for n in expressed(piece).notes}
    live = {beat: expressed_live(80, 64, 1.0, clock.COMMON, round(beat * clock.PPQ), 0) for beat in whole}
    for beat in whole:
        assert abs((whole[beat] - whole[0.0]) - (live[beat] - live[0.0])) <= 1
