"""A thousand damaged files: each reads, or gives one line, soon and in little memory."""

import struct
import time
import tracemalloc
from random import Random

import pytest

from rnnmuse.errors import ReadError
from rnnmuse.events import Control, Lyric, Note
from rnnmuse.music.midi import midi_bytes, read_midi
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece, Tempo

pytestmark = pytest.mark.filterwarnings("ignore::rnnmuse.errors.ReadWarning")


def original(seed: int) -> bytes:
    random = Random(seed)
    parts = [
        Part(
            f"Part {i}",
            random.randrange(128),
            drum=i == 2,
            notes=sorted(
                Note(b / 4, random.randrange(30, 90), random.choice([0.25, 0.5, 2.0]), random.randrange(1, 128))
                for b in range(0, 60, random.randrange(1, 4))
            ),
            controls=[Control(float(b), 64, 127 * (b % 2)) for b in range(8)],
            lyrics=[Lyric(float(b), "la") for b in range(4)],
        )
        for i in range(1 + seed % 4)
    ]
    maps = (
        [Tempo(0, 90), Tempo(4, 131.5)],
        [Metre(0, 3, 4), Metre(6, 7, 8)],
        [Key(0, 2, True)],
        [ChordSymbol(0, "Dm")],
    )
    return midi_bytes(Piece(parts, *maps, title=f"Piece {seed}"))


def mutant(data: bytes, random: Random) -> bytes:
    out = bytearray(data)
    for _ in range(random.randrange(1, 12)):
        at = random.randrange(len(out)) if out else 0
        match random.randrange(6):
            case 0 if out:
                out[at] ^= 1 << random.randrange(8)
            case 1 if out:
                out[at] = random.choice([0, 0x7F, 0x80, 0xFF, 0xF0, 0xF7])
            case 2:
                del out[at : at + random.randrange(1, 9)]
            case 3:
                out[at:at] = random.randbytes(random.randrange(1, 9))
            case 4:
                del out[at:]
            case 5:
                out[at:at] = out[max(0, at - 40) : at]
    return bytes(out)


@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_mutants(seed):
    data, random = original(seed), Random(seed)
    read_midi(data)
    read = refused = 0
    for _ in range(100):
        damaged = mutant(data, random)
        began = time.process_time()
        try:
            piece = read_midi(damaged)
        except ReadError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            read += 1
            assert all(0 <= n.pitch <= 127 and 1 <= n.velocity <= 127 and n.duration > 0 for n in piece.notes)
        assert time.process_time() - began < 1.0
    assert read
    assert refused


def test_mutants_take_little_memory():
    data, random = original(3), Random(99)
    tracemalloc.start()
    try:
        for _ in range(60):
            try:
                read_midi(mutant(data, random))
            except ReadError:
                continue
        assert tracemalloc.get_traced_memory()[1] < 256 * 2**20
    finally:
        tracemalloc.stop()


def repeated(notes: int) -> bytes:
    """The densest file there can be: one note over and over in running status."""
    body = b"\x00\x90\x3c\x40" + b"\x01\x3c\x00\x00\x3c\x40" * notes + b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(body)) + body


@pytest.mark.parametrize("notes", [300_000, 1_400_000])
def test_a_huge_file_is_refused_at_once(notes):
    began = time.process_time()
    with pytest.raises(ReadError, match=r"2,000,000|140,000"):
        read_midi(repeated(notes))
    assert time.process_time() - began < 1.0


def test_what_is_just_small_enough_is_read_in_a_ratio_to_its_size():
    def seconds(notes: int) -> float:
        began = time.process_time()
        assert len(read_midi(repeated(notes)).notes) == notes + 1
        return time.process_time() - began

    small = min(seconds(6_000) for _ in range(3))
    assert seconds(60_000) < 25 * small, "reading takes time in proportion to the size"


def test_music21_reads_the_notes_and_tempos_that_we_write():
    music21 = pytest.importorskip("music21")
    notes = [Note(i * 0.5, 50 + i, 0.5, 20 + i) for i in range(30)] + [
        Note(i * 0.5, 84 - i, 0.5, 90) for i in range(16)
    ]
    piece = Piece([Part("A", 40, notes=sorted(notes))], tempos=[Tempo(0, 90), Tempo(4, 132)], metres=[Metre(0, 3, 4)])
    stream = music21.midi.translate.midiStringToStream(midi_bytes(piece))
    got = [
        (float(element.getOffsetInHierarchy(stream)), note.pitch.midi, note.volume.velocity)
        for element in stream.recurse().notes
        for note in (element.notes if element.isChord else [element])
    ]
    assert sorted(got) == sorted((n.start, n.pitch, n.velocity) for n in notes)
    marks = stream.recurse().getElementsByClass("MetronomeMark")
    assert sorted({round(mark.number) for mark in marks}) == [90, 132]
