import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.events import Note
from rnnmuse.music.codec import (
    KEY,
    KIND,
    ON,
    PITCH,
    PartClass,
    assign,
    decode,
    encode,
    from_grid,
    to_grid,
    transposed,
)
from rnnmuse.music.piece import Key, Metre, Part, Piece

PIANO = (PartClass("piano"),)
played = st.lists(
    st.builds(Note, st.floats(0, 24), st.integers(21, 108), st.floats(0.1, 4), st.integers(1, 127)), max_size=40
)


@given(st.floats(0, 10_000))
def test_time_survives_to_half_a_480th(beat):
    assert from_grid(*to_grid(beat)) == pytest.approx(beat, abs=1 / 960 + 1e-9)


@given(played)
def test_decode_gives_back_what_was_encoded(notes):
    piece = Piece(parts=[Part(notes=sorted(notes))])
    once = decode(encode(piece, PIANO).events)
    again = decode(encode(Piece(parts=[Part(notes=once)]), PIANO).events)
    assert [(n.pitch, n.velocity) for n in once] == [(n.pitch, n.velocity) for n in again]
    np.testing.assert_allclose([n.start for n in once], [n.start for n in again], atol=1e-9)


@given(played)
def test_ons_and_offs_pair_up(notes):
    sounding = set()
    for row in encode(Piece(parts=[Part(notes=sorted(notes))]), PIANO).events.tolist():
        if row[KIND] == ON:
            assert row[PITCH] not in sounding
            sounding.add(row[PITCH])
        else:
            sounding.remove(row[PITCH])
    assert not sounding


def test_bar_phase_follows_the_metre():
    piece = Piece(parts=[Part(notes=[Note(b, 60, 0.5) for b in (0, 1, 2, 3, 4.5)])], metres=[Metre(0, 3, 4)])
    encoded = encode(piece, PIANO)
    ons = encoded.context[encoded.events[:, KIND] == ON]
    assert ons[:, :2].tolist() == [[0, 0], [1, 0], [2, 0], [0, 0], [1, 12]]


def test_transposing_moves_pitch_and_key():
    piece = Piece(parts=[Part(notes=[Note(0, 60, 1)])], keys=[Key(0, 11, True)])
    up = transposed(encode(piece, PIANO), 2)
    assert up.events[:, PITCH].tolist() == [62, 62]
    assert up.context[0, KEY] == 12 + 1


def test_parts_of_one_family_go_by_their_name_and_their_program():
    strings = tuple(PartClass(name, program, (5,)) for name, program in
                    (("violin 1", 40), ("violin 2", 40), ("viola", 41), ("cello", 42)))  # fmt: skip
    names = (("Violin 1", 40), ("Violin 2", 40), ("Viola", 41), ("Violoncello", 42), ("Violino", 40))
    assert [assign(Part(name, program), strings) for name, program in names] == [0, 1, 2, 3, 0]
