"""The built-in synthesiser: to the sample, whatever the blocks, and as the MIDI standard has it."""

import numpy as np
import pytest

from rnnmuse.music.synth import Synth

RATE = 16000


def played(events: list[tuple[int, bytes]], seconds: float = 1.0, block: int = 512, reverb: float = 0.0) -> np.ndarray:
    synth = Synth(RATE, reverb)
    total, done, out = int(seconds * RATE), 0, []
    while done < total:
        frames = min(block, total - done)
        for at, message in events:
            if done <= at < done + frames:
                synth.send(message, at - done)
        out.append(synth.render(frames))
        done += frames
    return np.concatenate(out)


def pitch_of(sound: np.ndarray) -> float:
    heard = sound.mean(1) * np.hanning(len(sound))
    return float(np.fft.rfftfreq(1 << 17, 1 / RATE)[np.abs(np.fft.rfft(heard, 1 << 17)).argmax()])


SONG = [
    (0, b"\xc0\x28"), (0, b"\x90\x3c\x50"), (333, b"\x99\x24\x64"), (1000, b"\xb0\x07\x30"), (1500, b"\xe0\x00\x60"),
    (2000, b"\xe0\x00\x40"), (4000, b"\xb0\x40\x7f"), (5000, b"\x80\x3c\x40"), (7000, b"\xb0\x40\x00"),
    (7001, b"\xb0\x0a\x10"), (8000, b"\x90\x40\x60"), (12000, b"\x90\x40\x00"),
]  # fmt: skip


@pytest.mark.parametrize("block", [1, 64, 1000, 16000])
def test_the_sound_does_not_depend_on_the_blocks(block):
    seconds = 0.3 if block == 1 else 1.0
    np.testing.assert_allclose(played(SONG, seconds, block, 0.13), played(SONG, seconds, 777, 0.13), atol=2e-4)


@pytest.mark.parametrize("at", [0, 1, 100, 511, 512, 700])
def test_a_stroke_begins_at_its_sample(at):
    sound = np.abs(played([(at, b"\x99\x26\x7f")], 0.1)).max(1)
    assert sound[:at].max(initial=0.0) == 0
    assert sound[at : at + 40].max() > 0.001


def test_a_note_goes_on_until_it_is_ended():
    organ = [(0, b"\xc0\x13"), (0, b"\x90\x3c\x50")]
    held = played(organ, 3.0)
    ended = played([*organ, (RATE, b"\x80\x3c\x40")], 3.0)
    assert np.abs(held[2 * RATE :]).max() > 0.05
    assert np.abs(ended[2 * RATE :]).max() < 1e-3


@pytest.mark.parametrize("end", [b"\x80\x3c\x40", b"\x90\x3c\x00", b"\xb0\x7b\x00", b"\xb0\x78\x00"])
def test_every_way_to_end_a_note(end):
    synth = Synth(RATE)
    synth.send(b"\xc0\x13")
    synth.send(b"\x90\x3c\x50")
    synth.render(1000)
    assert synth.sounding == 1
    synth.send(end)
    synth.render(RATE)
    assert synth.sounding == 0


def test_pedals_hold_what_they_should():
    organ = [(0, b"\xc0\x13"), (0, b"\x90\x3c\x50")]
    later = slice(2 * RATE, None)
    sustain = [*organ, (100, b"\xb0\x40\x7f"), (200, b"\x80\x3c\x40")]
    assert np.abs(played(sustain, 3.0)[later]).max() > 0.05
    assert np.abs(played([*sustain, (300, b"\xb0\x40\x00")], 3.0)[later]).max() < 1e-3
    sostenuto = [*organ, (100, b"\xb0\x42\x7f"), (200, b"\x80\x3c\x40"), (300, b"\x90\x43\x50"), (400, b"\x80\x43\x40")]
    sound = played(sostenuto, 3.0)[later]
    assert pitch_of(sound) / 261.63 == pytest.approx(round(pitch_of(sound) / 261.63), abs=0.02), "only the first note"


@pytest.mark.parametrize(("bend", "semitones"), [(0, -2), (8192, 0), (12288, 1), (16383, 2)])
def test_bends_move_the_pitch(bend, semitones):
    events = [(0, b"\xc0\x49"), (0, bytes((0xE0, bend & 0x7F, bend >> 7))), (0, b"\x90\x45\x50")]
    assert pitch_of(played(events)[RATE // 4 :]) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.004)


def test_a_channel_may_have_another_bend_range():
    rpn = [(0, b"\xb0\x65\x00"), (0, b"\xb0\x64\x00"), (0, b"\xb0\x06\x0c")]
    events = [(0, b"\xc0\x49"), *rpn, (0, b"\xe0\x7f\x7f"), (0, b"\x90\x39\x50")]
    assert pitch_of(played(events)[RATE // 4 :]) == pytest.approx(440, rel=0.004)


def test_volume_expression_and_pan():
    def sides(*controls: bytes) -> np.ndarray:
        return np.abs(played([(0, b"\xc0\x13"), *((0, c) for c in controls), (0, b"\x90\x3c\x50")])[2000:]).max(0)

    full = sides()
    assert sides(b"\xb0\x07\x32") == pytest.approx(full / 4, rel=0.02)
    assert sides(b"\xb0\x0b\x00") == pytest.approx([0, 0], abs=1e-6)
    left = sides(b"\xb0\x0a\x00")
    assert left[1] < 1e-3 < left[0]
    assert sides(b"\xb0\x07\x00", b"\xb0\x79\x00") == pytest.approx([0, 0], abs=1e-6), "volume is no part of a reset"


def test_a_closed_hat_stops_an_open_one():
    ringing = played([(0, b"\x99\x2e\x7f")])
    choked = played([(0, b"\x99\x2e\x7f"), (1000, b"\x99\x2a\x01")])
    later = slice(3000, 5000)
    assert np.abs(choked[later]).max() < 0.1 * np.abs(ringing[later]).max()


def test_many_notes_are_bounded():
    synth = Synth(RATE)
    for channel in range(8):
        for pitch in range(128):
            synth.send(bytes((0x90 | channel, pitch, 100)))
    synth.render(64)
    assert synth.sounding <= 192


@pytest.mark.parametrize("message", [b"", b"\x90", b"\xf8", b"\xff\x00\x00", b"\x00\x01\x02"])
def test_other_messages_are_ignored(message):
    synth = Synth(RATE)
    synth.send(message)
    assert not synth.render(100).any()
