"""Kinds of MIDI files that readers get wrong: a case of each in tests/cases, and more of its kind made here."""

import struct
import warnings
from pathlib import Path

import pytest

from rnnmuse.errors import ReadError, ReadWarning
from rnnmuse.events import Bend, Control, Lyric, Program
from rnnmuse.music.midi import midi_bytes, read_midi
from rnnmuse.music.smf import Track, parse, serialise

CASES = Path(__file__).parents[1] / "cases"
PITCHES = [60, 62, 64, 65, 67, 65, 64, 62, 60, 64, 67, 72, 71, 67, 64, 60]
NOTES = [(480 * i, bytes((0x90, pitch, 90))) for i, pitch in enumerate(PITCHES)]
NOTES += [(480 * i + 460, bytes((0x80, pitch, 64))) for i, pitch in enumerate(PITCHES)]
NOTES.sort()


def chunk(kind: bytes, body: bytes, length: int | None = None) -> bytes:
    return kind + struct.pack(">I", len(body) if length is None else length) + body


def body(events: list[tuple[int, bytes]] | None = None) -> bytes:
    """The events of a track as bytes."""
    return serialise(0, 480, [Track(NOTES if events is None else events, 7680)])[22:]


HEADER = chunk(b"MThd", struct.pack(">HHH", 1, 1, 480))


def quiet(data: bytes | Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadWarning)
        return read_midi(data)


def meta(kind: int, payload: bytes) -> bytes:
    return bytes((0xFF, kind)) + payload


# ----------------------------------------------------------------------------------------------------------
# What is not understood is skipped, with one warning that names it


@pytest.mark.parametrize(
    ("name", "named"),
    [("key_18flats.mid", "key signature of -18"), ("timesig_2bytes.mid", "time signature of 2 bytes"),
     ("alien_first.mid", "unknown chunk 'XFIH'")],
)  # fmt: skip
def test_odd_files_are_read_with_one_warning(name, named):
    with pytest.warns(ReadWarning, match=named) as caught:
        piece = read_midi(CASES / name)
    assert len(caught) == 1
    assert [note.pitch for note in piece.notes] == PITCHES[: len(piece.notes)]
    assert len(piece.notes) >= 12


@pytest.mark.parametrize(
    "odd",
    [
        meta(0x59, b"\x00\x02"), meta(0x59, b"\x00"), meta(0x59, b""), meta(0x59, b"\x08\x00"),
        meta(0x58, b"\x00\x02\x18\x08"), meta(0x58, b"\x04\x09\x18\x08"), meta(0x58, b"\x04"),
        meta(0x51, b"\x00\x00\x00"), meta(0x51, b"\x07"), meta(0x51, b"\x07\xa1\x20\x00"),
        meta(0x54, b"\xff" * 5), meta(0x54, b"\x00"), meta(0x20, b"\x63"), meta(0x20, b""), meta(0x21, b""),
        meta(0x00, b"\x01"),
    ],
)  # fmt: skip
def test_an_odd_meta_event_costs_itself_alone(odd):
    with pytest.warns(ReadWarning) as caught:
        piece = read_midi(serialise(0, 480, [Track([(0, odd), *NOTES], 7680)]))
    assert len(caught) == 1
    assert [note.pitch for note in piece.notes] == PITCHES
    assert (piece.tempo_at(0), piece.metre_at(0).bar_beats, piece.keys) == (120, 4, [])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"junk" * 32 + HEADER + chunk(b"MTrk", body()), id="bytes before the header"),
        pytest.param(HEADER + chunk(b"XFIH", b"abc") + chunk(b"MTrk", body()), id="chunk before the track"),
        pytest.param(HEADER + chunk(b"MTrk", body()) + chunk(b"XFKM", b"\x00" * 9), id="chunk after the track"),
        pytest.param(HEADER + chunk(b"MTrk", body()) + b"\x00" * 5, id="bytes after the last chunk"),
        pytest.param(HEADER + chunk(b"MTrk", body(), 12), id="length too short"),
        pytest.param(HEADER + chunk(b"MTrk", body(), 0), id="length 0"),
        pytest.param(HEADER + chunk(b"MTrk", body(), 0xFFFFFFFF), id="length too long"),
        pytest.param(HEADER + chunk(b"MTrk", body()[:-4]), id="no end of track"),
        pytest.param(HEADER + chunk(b"MTrk", body()[:-4], len(body())), id="no end of track, cut off"),
        pytest.param(chunk(b"MThd", struct.pack(">HHH", 5, 1, 480)) + chunk(b"MTrk", body()), id="type 5"),
        pytest.param(chunk(b"MThd", struct.pack(">HHH", 1, 1, 0)) + chunk(b"MTrk", body()), id="division 0"),
        pytest.param(HEADER + chunk(b"MTrk", b"\x00\xf4" + body()), id="undefined status"),
        pytest.param(HEADER + chunk(b"MTrk", b"\x00\x40" + body()), id="data byte without status"),
    ],
)
def test_damage_costs_no_note(data):
    with pytest.warns(ReadWarning) as caught:
        piece = read_midi(data)
    assert len(caught) == 1
    assert [note.pitch for note in piece.notes] == PITCHES
    assert [note.start for note in piece.notes] == list(range(16))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(chunk(b"MThd", struct.pack(">HHH", 1, 99, 480)) + chunk(b"MTrk", body()), id="wrong track count"),
        pytest.param(
            chunk(b"MThd", struct.pack(">HHHH", 1, 1, 480, 0)) + chunk(b"MTrk", body()), id="longer header"
        ),
        pytest.param(
            b"RIFF" + struct.pack("<I", 999) + b"RMID" + b"DISP\x02\x00\x00\x00ab"
            + b"data" + struct.pack("<I", len(HEADER + chunk(b"MTrk", body()))) + HEADER + chunk(b"MTrk", body()),
            id="RMID with another chunk first",
        ),
    ],
)  # fmt: skip
def test_what_the_specification_allows_is_read_in_silence(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        assert [note.pitch for note in read_midi(data).notes] == PITCHES


def test_running_status_goes_on_over_meta_events_and_system_exclusive():
    track = b"\x00\x90\x3c\x40\x60\xff\x01\x01x\x00\x3c\x00\x00\xf0\x02\x43\xf7\x00\x3e\x40\x60\x3e\x00\x00\xff\x2f\x00"
    assert [(n.start, n.pitch) for n in read_midi(HEADER + chunk(b"MTrk", track)).notes] == [(0.0, 60), (0.2, 62)]


def test_nothing_left_of_a_damaged_file_is_one_error():
    with pytest.raises(ReadError, match="damaged"):
        quiet(HEADER + chunk(b"MTrk", b"\x00\x90"))
    with pytest.raises(ReadError, match="no track"):
        quiet(HEADER)


def test_a_type_2_file_of_20000_patterns_is_read_in_a_row():
    pattern = b"\x00\x90\x3c\x40\x60\x80\x3c\x40\x00\xff\x2f\x00"
    metre = b"\x00\xff\x58\x04\x01\x02\x18\x08"
    data = chunk(b"MThd", struct.pack(">HHH", 2, 20_000, 96)) + chunk(b"MTrk", metre + pattern)
    piece = read_midi(data + chunk(b"MTrk", pattern) * 19_999)
    assert len(piece.parts) == 1
    assert [note.start for note in piece.notes] == list(range(20_000))


# ----------------------------------------------------------------------------------------------------------
# SMPTE time


def test_smpte_time_becomes_seconds_and_beats():
    piece = read_midi(CASES / "smpte25x40.mid")
    assert [n.start for n in piece.notes] == list(range(16))
    assert [piece.seconds_at(n.start) for n in piece.notes] == pytest.approx([i / 2 for i in range(16)])


@pytest.mark.parametrize(("frames", "rate"), [(24, 24), (25, 25), (29, 30_000 / 1001), (30, 30)])
@pytest.mark.parametrize("resolution", [1, 4, 40, 80, 100])
def test_every_smpte_division_keeps_its_seconds(frames, rate, resolution):
    events = [(tick, bytes((0x90, 60, 0 if i % 2 else 90))) for i, tick in enumerate((0, 7, 9, 100))]
    data = serialise(0, (256 - frames) << 8 | resolution, [Track(events, 100)])
    for piece in (read_midi(data), read_midi(midi_bytes(read_midi(data)))):
        found = [piece.seconds_at(time) for note in piece.notes for time in (note.start, note.end)]
        assert found == pytest.approx([tick / rate / resolution for tick in (0, 7, 9, 100)], rel=1e-5)


# ----------------------------------------------------------------------------------------------------------
# Channels: programs, controllers, bends and pressure by channel and time


def test_programs_count_whatever_track_they_stand_in():
    assert [part.program for part in read_midi(CASES / "program_elsewhere.mid").parts] == [40, 32]


def test_controllers_bends_and_pressure_in_another_track_belong_to_their_channel():
    setup = [
        (0, b"\xb0\x07\x20"),
        (0, b"\xb0\x0a\x7f"),
        (0, b"\xe0\x00\x50"),
        (480, b"\xd0\x33"),
        (481, b"\xa0\x3c\x05"),
    ]
    part = read_midi(serialise(1, 480, [Track(setup, 481), Track(NOTES, 7680)])).parts[0]
    assert part.controls == [Control(0, 7, 32), Control(0, 10, 127)]
    assert part.bends == [Bend(0, 2048)]
    assert [(p.beat, p.value, p.pitch) for p in part.pressures] == [(1, 51, -1), (481 / 480, 5, 60)]


def test_a_program_change_in_the_middle_is_kept():
    piece = read_midi(CASES / "program_midway.mid")
    (part,) = piece.parts
    assert part.program == 0
    assert [change.beat for change in part.programs] == [8.0]
    assert read_midi(midi_bytes(piece)).parts == piece.parts


def test_each_part_of_a_channel_has_the_program_of_its_first_note():
    late = [(tick + 960, message) for tick, message in NOTES]
    first = [(0, b"\xc0\x05"), *NOTES[:2], (900, b"\xc0\x09")]
    parts = read_midi(serialise(1, 480, [Track(first, 960), Track(late, 8640)])).parts
    assert [part.program for part in parts] == [5, 9]
    assert parts[0].programs == [Program(900 / 480, 9)]


def test_a_changed_program_is_written_in_place_of_the_old_one():
    piece = read_midi(CASES / "program_elsewhere.mid")
    piece.parts[0].program = 73
    assert [part.program for part in read_midi(midi_bytes(piece)).parts] == [73, 32]
    changes = [m for t in parse("x", midi_bytes(piece)).tracks for _, m in t.events if m[0] == 0xC0]
    assert changes == [bytes((0xC0, 73))]


def test_bends_survive_reading_and_writing():
    piece = read_midi(CASES / "bend.mid")
    assert len(piece.parts[0].bends) == 21
    assert read_midi(midi_bytes(piece)).parts[0].bends == piece.parts[0].bends


def test_parts_beyond_fifteen_go_to_a_second_port():
    from rnnmuse.events import Note
    from rnnmuse.music.piece import Part, Piece

    piece = Piece([Part(f"p{i}", i, notes=[Note(0, 40 + i, 1)]) for i in range(20)])
    back = read_midi(midi_bytes(piece))
    assert [part.program for part in back.parts] == list(range(20))
    assert len({part.channel for part in back.parts}) == 20
    assert not any(part.drum for part in back.parts)


# ----------------------------------------------------------------------------------------------------------
# Words


def test_karaoke_words_become_lyrics():
    piece = read_midi(CASES / "soft.kar")
    assert piece.title == "Test song"
    (melody,) = piece.parts
    assert [lyric.text for lyric in melody.lyrics] == [
        "Hel-", "lo", "world,", "good", "morn-", "ing", "to", "you.", "Come", "and", "sing", "a-", "long", "with", "me",
        "now.",
    ]  # fmt: skip
    assert [lyric.beat for lyric in melody.lyrics] == list(range(16))
    assert [lyric.ends for lyric in melody.lyrics] == ["line" if i == 7 else "" for i in range(16)]


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("shift_jis", ["さ", "く", "ら", "さ", "く", "ら", "や", "よ", "い", "の"]),
        ("euc_jp", ["さくら", "やよい", "の", "そら", "は"]),
        ("cp1251", ["Калинка", "малинка", "моя", "В", "саду"]),
        ("cp1252", ["Grüße", "für", "schöne", "Müllerin"]),
        ("cp1252", ["Frère", "Jacques", "où", "été"]),
        ("cp1250", ["Příliš", "žluťoučký", "kůň", "úpěl", "ďábelské"]),
        ("big5", ["春眠不覺曉", "處處聞啼鳥", "夜來風雨聲"]),
        ("utf-8", ["Ελλάδα", "θάλασσα"]),
    ],
)
def test_the_encoding_of_words_is_found_and_kept(encoding, words):
    events = [(480 * i, meta(5, word.encode(encoding))) for i, word in enumerate(words)]
    data = serialise(0, 480, [Track(sorted(NOTES + events, key=lambda event: event[0]), 7680)])
    piece = read_midi(data)
    assert [lyric.text for lyric in piece.parts[0].lyrics] == words
    assert midi_bytes(piece) == data
    piece.parts[0].lyrics.append(Lyric(15.0, "❤ új"))
    assert [lyric.text for lyric in read_midi(midi_bytes(piece)).parts[0].lyrics] == [*words, "❤ új"]


def test_the_words_of_the_case_are_right():
    words = "".join(lyric.text for lyric in read_midi(CASES / "sjis.mid").parts[0].lyrics)
    assert words == "さくらさくらやよいのそらはみわた"


def test_line_ends_of_rp_017_are_kept():
    words = [b"Hel", b"lo \r", b"you", b"\n", b"Bye "]
    events = [(480 * i, meta(5, word)) for i, word in enumerate(words)]
    data = serialise(0, 480, [Track(sorted(NOTES + events, key=lambda event: event[0]), 7680)])
    piece = read_midi(data)
    assert piece.parts[0].lyrics == [
        Lyric(0, "Hel-"), Lyric(1, "lo", "line"), Lyric(2, "you", "paragraph"), Lyric(4, "Bye"),
    ]  # fmt: skip
    assert midi_bytes(piece) == data


# ----------------------------------------------------------------------------------------------------------
# Times that make no music


def test_a_note_hours_away_is_one_error():
    with pytest.raises(ReadError, match="no note begins or ends for") as caught:
        read_midi(CASES / "c5_far_39999.mid")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ticks", "division"), [(480 * 39_000, 480), (480 * 2_500, 480), (0x0FFFFFFF, 480), (3_000, 1)]
)
def test_others_of_the_kind(ticks, division):
    far = [*NOTES[:2], (ticks, b"\x90\x3c\x40"), (ticks + 1, b"\x80\x3c\x40")]
    stuck = [(0, b"\x90\x3c\x40"), (ticks, b"\x80\x3c\x40")]
    for events in (far, stuck):
        with pytest.raises(ReadError):
            read_midi(serialise(0, division, [Track(events, ticks + 1)]))


def test_an_end_of_track_far_away_is_no_matter():
    assert read_midi(serialise(0, 480, [Track(NOTES, 480 * 39_000)])).end < 16
