# ruff: noqa: E501  # tables of cases
"""What is sent when a file is played, and when; no port is needed for that."""

import itertools
from pathlib import Path

import pytest

from rnnmuse.bridges.file_player import FilePlayer
from rnnmuse.cli.play_file import drum_map, excerpt, stretch
from rnnmuse.events import Bend, Control, Note, Pressure, Program
from rnnmuse.music.midi import midi_bytes, read_midi
from rnnmuse.music.piece import Metre, Part, Piece, Tempo
from rnnmuse.music.playback import performance, schedule

CASES = Path(__file__).parents[1] / "cases"


def test_the_case_is_sent_with_all_that_it_says():
    sent = schedule(read_midi(CASES / "play_me.mid"))
    assert sent[:3] == [(0.0, b"\xc0\x28"), (0.0, b"\xc1\x20"), (0.0, b"\xb0\x07\x64")]
    notes = [(at, message[1]) for at, message in sent if message[0] == 0x90]
    assert notes[:5] == [(0.0, 72), (0.5, 73), (1.0, 74), (1.5, 75), (2.0, 76)][: len(notes)]
    assert all(later - earlier == pytest.approx(0.25) for (earlier, _), (later, _) in itertools.pairwise(notes[4:]))
    assert [message for _, message in sent if message[0] == 0xB0][1:3] == [b"\xb0\x40\x7f", b"\xb0\x40\x00"]
    assert [message for _, message in sent if message[0] == 0xE0] == [b"\xe0\x00\x50", b"\xe0\x00\x40"]


def test_of_one_beat_ends_come_first_and_banks_before_programs():
    part = Part(program=5, notes=[Note(0, 60, 1), Note(1, 60, 1)], controls=[Control(0, 0, 3), Control(1, 7, 9)])
    kinds = [(sent.beat, sent.message[0] >> 4) for sent in performance(Piece([part]))]
    assert kinds == [(0, 0xB), (0, 0xC), (0, 0x9), (1, 0x8), (1, 0xB), (1, 0x9), (2, 0x8)]


def test_from_a_bar_the_state_before_it_is_sent_first():
    part = Part(
        program=1, notes=[Note(i, 60 + i, 1) for i in range(8)], programs=[Program(2, 7)], bends=[Bend(1, 100), Bend(3, -5)],
        controls=[Control(0, 7, 1), Control(1, 7, 2), Control(0, 101, 0), Control(0, 100, 0), Control(0, 6, 12), Control(5, 7, 3)],
        pressures=[Pressure(2, 44)], channel=4,
    )  # fmt: skip
    sent = schedule(Piece([part], tempos=[Tempo(0, 60)]), start=4.0)
    first = [message for at, message in sent if at == 0]
    assert first[:3] == [b"\xb4\x65\x00", b"\xb4\x64\x00", b"\xb4\x06\x0c"]
    assert set(first[3:]) == {
        b"\xc4\x07",
        b"\xb4\x07\x02",
        bytes((0xE4, 8187 & 127, 8187 >> 7)),
        b"\xd4\x2c",
        b"\x94\x40\x50",
    }
    assert first[-1][0] == 0x94
    assert (1.0, b"\xb4\x07\x03") in sent


def test_a_tempo_replaces_the_map():
    piece = Piece([Part(notes=[Note(i, 60, 0.5) for i in range(4)])], tempos=[Tempo(0, 60), Tempo(2, 240)])
    starts = [at for at, message in schedule(piece) if message[0] == 0x90]
    assert starts == [0, 1, 2, 2.25]
    assert [at for at, m in schedule(piece, bpm=120) if m[0] == 0x90] == [0, 0.5, 1, 1.5]


def test_drums_by_map_and_only_drums():
    piece = Piece([Part(drum=True, notes=[Note(0, 42, 0.1)]), Part(notes=[Note(0, 42, 1)])])
    ons = {m for _, m in schedule(piece, drums={42: 22}) if m[0] >> 4 == 9}
    assert ons == {bytes((0x99, 22, 80)), bytes((0x90, 42, 80))}


@pytest.mark.parametrize(("start", "first"), [(0.0, [b"\xfa"]), (8.0, [b"\xf2\x20\x00", b"\xfb"])])
def test_midi_clock(start, first):
    piece = Piece([Part(notes=[Note(i, 60, 1) for i in range(16)])])
    sent = schedule(piece, start, clock=True)
    assert [message for at, message in sent if message[0] in (0xF2, 0xFA, 0xFB)] == first
    pulses = [at for at, message in sent if message == b"\xf8"]
    assert len(pulses) == (16 - start) * 24 + 1
    assert sent[-1][1] == b"\xfc"


def test_stretches_are_bars():
    piece = Piece([Part(notes=[Note(i, 60, 1) for i in range(10)])], metres=[Metre(0, 3, 4)], pickup=1.0)
    assert stretch(piece, None, 0) == (0.0, 10.0)
    assert stretch(piece, 1, 2) == (1.0, 7.0)
    assert stretch(piece, 0, 1) == (0.0, 1.0)
    with pytest.raises(ValueError, match="from-bar: 9; the piece has bars 0 to 3"):
        stretch(piece, 9, 0)


def test_an_excerpt_sounds_as_the_piece_from_there():
    piece = read_midi(CASES / "play_me.mid")
    cut = read_midi(midi_bytes(excerpt(piece, 2.0, piece.end, None)))
    want = [(round(at, 4), m) for at, m in schedule(piece, 2.0) if m[0] >> 4 == 9]
    assert [(round(at, 4), m) for at, m in schedule(cut) if m[0] >> 4 == 9] == want


@pytest.mark.parametrize("text", ["42", "42=", "42=300", "x=y", "42=22;46=26"])
def test_a_wrong_drum_map_is_named(text):
    with pytest.raises(ValueError, match="drums"):
        drum_map(text)


class Clock:
    """Time that passes only while someone waits for it."""

    def __init__(self, stop_at: float = 1e9) -> None:
        self.time, self.stop_at = 100.0, stop_at

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> bool:
        self.time += seconds
        return self.time >= self.stop_at


def test_the_player_sends_on_time():
    clock, sent = Clock(), []
    player = FilePlayer(lambda message: sent.append((clock.time - 100, message)), clock.now, clock.wait)
    plan = schedule(read_midi(CASES / "play_me.mid"))
    assert player.play(plan)
    assert [m for _, m in sent[: len(plan)]] == [m for _, m in plan]
    assert [at for at, _ in sent[: len(plan)]] == pytest.approx([at for at, _ in plan])
    assert player.notes == len([m for _, m in plan if m[0] >> 4 == 9])


@pytest.mark.parametrize("stop_at", [100.1, 100.7, 101.3, 102.0])
def test_what_sounds_is_ended_whenever_it_stops(stop_at):
    clock, sounding = Clock(stop_at), set()

    def send(message: bytes) -> None:
        if message[0] >> 4 in (8, 9):
            (sounding.add if message[0] >> 4 == 9 and message[2] else sounding.discard)((message[0] & 15, message[1]))
        sent.append(message)

    sent: list[bytes] = []
    assert not FilePlayer(send, clock.now, clock.wait).play(schedule(read_midi(CASES / "play_me.mid")))
    assert not sounding
    assert b"\xb0\x40\x00" in sent[-4:]
