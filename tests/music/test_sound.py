import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from rnnmuse.errors import ReadError
from rnnmuse.events import Control, Note
from rnnmuse.music.piece import Part, Piece, Tempo
from rnnmuse.music.sound import CEILING, TAIL, render, write_wav

RATE = 16000
FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")


def one(program: int, *notes: Note, drum: bool = False) -> Piece:
    return Piece([Part(program=program, notes=list(notes), drum=drum)])


@pytest.mark.parametrize("program", [0, 19, 25, 40, 53, 73])
@pytest.mark.parametrize("pitch", [57, 69, 76])
def test_a_note_sounds_at_its_pitch(program, pitch):
    sound = render(one(program, Note(0, pitch, 2.0, 100)), rate=RATE).mean(1)
    part = sound[RATE // 4 : RATE] * np.hanning(RATE - RATE // 4)
    spectrum = np.abs(np.fft.rfft(part, 1 << 17))
    hertz = np.fft.rfftfreq(1 << 17, 1 / RATE)
    loudest = hertz[spectrum.argmax()]
    want = 440 * 2 ** ((pitch - 69) / 12)
    partial = max(1, round(loudest / want))
    assert loudest / partial == pytest.approx(want, rel=0.01)
    assert partial <= 3


def test_a_note_begins_on_time_whatever_the_tempo():
    piece = Piece([Part(program=0, notes=[Note(4, 60, 1.0, 100)])], tempos=[Tempo(0, 60), Tempo(2, 120)])
    sound = np.abs(render(piece, rate=RATE)).max(1)
    first = np.flatnonzero(sound > 0.01)[0] / RATE
    assert first == pytest.approx(3.0, abs=0.01)
    assert len(sound) / RATE == pytest.approx(3.5 + TAIL, abs=0.01)


def test_forty_loud_notes_stay_below_the_ceiling():
    piece = one(48, *(Note(0, 30 + 2 * i, 2.0, 127) for i in range(40)))
    sound = render(piece, rate=RATE)
    assert 0.3 < np.abs(sound).max() <= CEILING
    assert np.isfinite(sound).all()


@pytest.mark.parametrize("stroke", [35, 38, 42, 49, 56, 80])
def test_drums_sound(stroke):
    sound = render(one(0, Note(0, stroke, 0.1, 110), drum=True), rate=RATE)
    assert np.abs(sound[: RATE // 10]).max() > 0.02
    assert np.abs(sound[-RATE // 100 :]).max() < 0.02


def test_louder_is_louder():
    loud, soft = (np.abs(render(one(0, Note(0, 60, 1.0, v)), rate=RATE)).max() for v in (120, 40))
    assert loud > 2 * soft


def test_the_pedal_holds_a_note():
    def tail(controls: list[Control]) -> float:
        piece = Piece([Part(notes=[Note(0, 60, 0.5, 100), Note(5, 72, 0.2, 1)], controls=controls)])
        return float(np.abs(render(piece, rate=RATE)[RATE : RATE * 2]).max())

    assert tail([Control(0, 64, 127), Control(4.5, 64, 0)]) > 5 * tail([])


def test_silence_and_wrong_rates():
    assert render(Piece()).shape == (0, 2)
    with pytest.raises(ValueError, match="rate 7"):
        render(Piece(), rate=7)


def test_a_wav_reads_back(tmp_path):
    samples = np.linspace(-2, 2, 1001)
    write_wav(tmp_path / "a.wav", samples, RATE)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        back = np.frombuffer(file.readframes(2000), "<i2") / 32767
    np.testing.assert_allclose(back, np.clip(samples, -1, 1), atol=1e-4)


def test_a_soundfont_that_is_none_is_named(tmp_path):
    if shutil.which("fluidsynth") is None:
        pytest.skip("fluidsynth is not installed")
    bad = tmp_path / "bad.sf2"
    bad.write_bytes(b"no font at all")
    with pytest.raises(ReadError, match=r"bad\.sf2"):
        render(one(0, Note(0, 60, 1.0)), bad)


def test_a_soundfont_plays_the_same_pitch():
    if shutil.which("fluidsynth") is None or not FONT.exists():
        pytest.skip("fluidsynth or the FluidR3 SoundFont is not installed")
    sound = render(one(19, Note(0, 69, 2.0, 100)), FONT, 44100).mean(1)[11025:44100]
    hertz = np.fft.rfftfreq(1 << 17, 1 / 44100)
    loudest = hertz[np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 17)).argmax()]
    assert min(abs(loudest / 440 / k - 1) for k in (0.5, 1, 2, 3, 4)) < 0.01
