"""The built-in synthesiser on a sound card that only takes what it is given."""

import sys
import types

import numpy as np
import pytest

from rnnmuse.bridges.sound_card import SoundCard
from rnnmuse.errors import MissingExtraError, PortError


class Stream:
    """Stands in for sounddevice's stream; ``ask`` is the driver asking for the next block."""

    fails = False

    def __init__(self, callback, channels, **_: object) -> None:
        if self.fails:
            raise Failure("no device\nmore")
        self.callback, self.channels, self.running = callback, channels, False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    close = stop

    def ask(self, frames: int) -> np.ndarray:
        out = np.full((frames, self.channels), 9.0, np.float32)
        self.callback(out, frames, None, None)
        return out


class Failure(Exception):
    pass


@pytest.fixture
def driver(monkeypatch):
    module = types.ModuleType("sounddevice")
    module.OutputStream, module.PortAudioError = type("OneStream", (Stream,), {}), Failure
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_notes_are_heard_until_they_end(driver):
    card = SoundCard()
    stream = card._stream
    assert not stream.ask(500).any()
    card.send(b"\xc0\x13")
    for pitch in range(40, 100):
        card.send(bytes((0x90, pitch, 127)))
    loud = np.concatenate([stream.ask(512) for _ in range(20)])
    assert 0.1 < np.abs(loud).max() <= 1.0
    card.send(b"\xb0\x78\x00")
    stream.ask(44100 * 4)
    assert np.abs(stream.ask(512)).max() < 1e-3
    card.close()
    assert not stream.running


def test_no_sound_card_is_one_line(driver):
    driver.OutputStream.fails = True
    with pytest.raises(PortError, match=r"cannot be opened \(no device\)$"):
        SoundCard()


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"rnnmuse\[sound\]"):
        SoundCard()
