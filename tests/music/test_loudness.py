"""Loudness against pyloudnorm, true peak against the sine that it is, files against both."""

import numpy as np
import pytest

from rnnmuse.events import Note
from rnnmuse.music.loudness import Meter, true_peaks
from rnnmuse.music.piece import Part, Piece
from rnnmuse.music.sound import CEILING, rendered, write_sound


def lufs(samples: np.ndarray, rate: int, block: int = 5000) -> float:
    meter = Meter(rate)
    for at in range(0, len(samples), block):
        meter.add(samples[at : at + block])
    return meter.loudness()


def test_a_full_scale_sine_of_997_hz_is_what_the_recommendation_says():
    t = np.arange(48000 * 5) / 48000
    one = np.sin(2 * np.pi * 997 * t)
    assert lufs(np.stack([one, 0 * one], 1), 48000) == pytest.approx(-3.01, abs=0.02)


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 96000])
def test_pyloudnorm_measures_the_same(rate):
    pyloudnorm = pytest.importorskip("pyloudnorm")
    random = np.random.default_rng(5)
    noise = random.standard_normal((rate * 6, 2)) * 0.1
    noise[rate * 2 : rate * 4] *= 0.003  # under the gates
    assert lufs(noise, rate) == pytest.approx(
        pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(noise), abs=0.05
    )


def test_silence_has_no_loudness():
    assert lufs(np.zeros((44100, 2)), 44100) == -np.inf
    assert lufs(np.zeros((10, 2)), 44100) == -np.inf


@pytest.mark.parametrize("phase", [0.0, np.pi / 4, 1.0])
def test_true_peaks_see_between_the_samples(phase):
    tone = 0.7 * np.sin(np.pi / 2 * np.arange(4800) + phase)
    samples = np.stack([tone, tone], 1).astype(np.float32)
    assert true_peaks(samples, 64)[10:-10] == pytest.approx(
        0.7, rel=0.02
    )  # four times as many points see it to 0.17 dB


def busy(parts: int, velocity: int) -> Piece:
    notes = [[Note(i / 2, 36 + 7 * p + i % 12, 0.5, velocity) for i in range(20)] for p in range(parts)]
    made = [Part(f"p{i}", 8 * i, i == 3, notes=n) for i, n in enumerate(notes)]
    return Piece(made)


@pytest.mark.parametrize(
    "piece",
    [
        busy(1, 20),
        busy(1, 127),
        busy(6, 127),
        Piece([Part(drum=True, notes=[Note(i / 2, 36, 0.1, 127) for i in range(20)])]),
    ],
)
def test_files_have_the_loudness_and_no_peak_over_the_ceiling(piece):
    with rendered(piece, rate=44100) as made:
        samples = np.concatenate(list(made.at_loudness(-16.0)))
    assert lufs(samples, 44100) == pytest.approx(-16.0, abs=1.0)
    assert true_peaks(samples, 64).max() <= CEILING * 1.005


def test_the_loudness_of_an_empty_piece_is_no_matter(tmp_path):
    assert write_sound(Piece(), tmp_path / "a.wav") == 0
