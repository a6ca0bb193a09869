"""The built-in synthesiser on a sound card that only takes what it is given, when the test asks for it."""

import os
import sys
import threading
import time
import types

import numpy as np
import pytest

from rnnmuse.bridges.output import Program, Sent
from rnnmuse.bridges.sound_card import LATE, MOST, STALLED, SoundCard, play
from rnnmuse.bridges.sound_out import NAME, SoundOut
from rnnmuse.clock import PPQ
from rnnmuse.errors import MissingExtraError, PortError
from rnnmuse.realtime.stage import Settings
from rnnmuse.testing import StageClient

RATE = 44100


class Failure(Exception):
    pass


class Stream:
    """Stands in for sounddevice's stream; ``ask`` is the driver asking for the next block, at the card's own time."""

    def __init__(self, callback, channels, latency, **_: object) -> None:
        self.callback, self.channels, self.latency, self.active = callback, channels, latency, False

    def start(self) -> None:
        self.active = True

    def abort(self) -> None:
        self.active = False

    close = abort

    def ask(self, frames: int, ahead: float | None = None) -> np.ndarray:
        """``ahead``: seconds until the block sounds, where the driver says so."""
        out = np.full((frames, self.channels), 9.0, np.float32)
        when = None
        if ahead is not None:
            when = types.SimpleNamespace(outputBufferDacTime=5.0 + ahead, currentTime=5.0)
        self.callback(out, frames, when, None)
        return out

    def hear(self, seconds: float) -> np.ndarray:
        """Ask for so much in blocks."""
        return np.concatenate([self.ask(512) for _ in range(round(seconds * RATE / 512))])


class Driver:
    """Stands in for the sounddevice module."""

    PortAudioError = Failure

    def __init__(self) -> None:
        self.fails, self.streams, self.rate = False, [], float(RATE)

    def query_devices(self, kind: str) -> dict[str, object]:
        assert kind == "output"
        return {"name": "two loudspeakers", "default_samplerate": self.rate}

    def OutputStream(self, **options: object) -> Stream:  # as the module has it
        if self.fails:
            raise Failure("no device\nmore")
        self.streams.append(Stream(**options))
        return self.streams[-1]


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000_000

    def __call__(self) -> int:
        return self.time


@pytest.fixture
def driver():
    return Driver()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def card(driver, clock):
    return SoundCard(driver, clock)


def until(test, patience=20.0):
    end = time.monotonic() + patience
    while not test():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


# -- the card ---------------------------------------------------------------------------------------------------


def test_notes_are_heard_until_they_end(card):
    stream = card._stream
    assert not stream.ask(500).any()
    card.send(b"\xc0\x13")
    for pitch in range(40, 100):
        card.send(bytes((0x90, pitch, 127)))
    loud = stream.hear(0.2)
    assert 0.1 < np.abs(loud).max() <= 1.0
    card.send(b"\xb0\x78\x00")
    stream.hear(4)
    assert np.abs(stream.ask(512)).max() < 1e-3
    card.close()
    assert not stream.active


@pytest.mark.parametrize("early", [(0, 0, 0), (3, 1, 5), (5, 0, 2)])
def test_a_note_sounds_at_its_time_however_unevenly_the_driver_asks(card, clock, early):
    """Blocks are asked for some milliseconds early; where each sounds the driver knows."""
    stream, begun, heard = card._stream, clock.time, []
    due = begun + 20_000_000
    card.send(b"\x90\x45\x7f", due)
    for number in range(40):
        sounds = begun + 50_000_000 + number * 256 * 1_000_000_000 // RATE
        clock.time = sounds - 20_000_000 - early[number % 3] * 1_000_000
        heard.append(stream.ask(256, (sounds - clock.time) / 1e9))
    onset = np.flatnonzero(np.abs(np.concatenate(heard)[:, 0]) > 1e-6)[0] / RATE
    assert onset == pytest.approx((due + card.delay - begun - 50_000_000) / 1e9, abs=0.0005)


def test_a_card_that_stood_still_plays_what_is_new_and_ends_what_sounds(card, clock):
    stream = card._stream
    card.send(b"\x90\x3c\x50")
    stream.ask(4096), stream.ask(4096)
    assert card._synth.sounding == 1
    for pitch in range(60, 72):
        card.send(bytes((0x90, pitch, 80)))
    card.send(b"\x80\x3c\x00")
    clock.time += LATE + 1
    card.send(b"\x90\x48\x50")
    card.send(b"\x80\x48\x00")
    stream.hear(4)
    assert card.dropped == 12
    assert card._synth.sounding == 0


def test_what_waits_for_a_card_is_bounded_and_no_note_off_is_lost(card):
    stream = card._stream
    card.send(b"\x90\x3c\x50")
    stream.ask(64), stream.ask(64)
    assert card._synth.sounding == 1
    for _ in range(3 * MOST):
        card.send(b"\x90\x40\x50")
    card.send(b"\x80\x3c\x00")
    assert len(card._inbox) <= MOST + 1
    stream.hear(0.1)
    card.silence()
    stream.hear(4)
    assert card._synth.sounding == 0


def test_a_card_that_asks_no_more_or_is_gone_says_so(card, clock):
    card._stream.ask(64)
    assert not card.trouble
    clock.time += STALLED + 1
    assert card.trouble == "the sound card takes no more sound"
    card._stream.ask(64)
    assert not card.trouble
    card._stream.active = False
    assert card.trouble == "the sound card is gone"


def test_it_plays_at_the_cards_own_rate(driver, clock):
    driver.rate = 48000.0
    assert SoundCard(driver, clock).rate == 48000


def test_no_sound_card_is_one_line(driver):
    driver.fails = True
    with pytest.raises(PortError, match=r"cannot be opened \(no device\)$"):
        SoundCard(driver)


def test_no_device_at_all_is_one_line(driver, monkeypatch):
    def query(kind):
        raise Failure("Error querying device -1")

    monkeypatch.setattr(driver, "query_devices", query)
    with pytest.raises(PortError, match=r"^no sound card was found$"):
        SoundCard(driver)


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"rnnmuse\[sound\]"):
        SoundCard()


# -- the process, in a thread, and the output that feeds it --------------------------------------------------------


class Beside:
    """The process that `SoundOut` starts, in this one: its card is the test's. ``frozen`` it reads nothing."""

    def __init__(self, driver: Driver, frozen: bool = False, now=None) -> None:
        read, write = os.pipe()
        said, say = os.pipe()
        self.stdin, self.stdout = os.fdopen(write, "wb", buffering=0), os.fdopen(said, "rb")
        self._frames, self.told = os.fdopen(read, "rb"), os.fdopen(say, "wb", buffering=0)
        self.card: SoundCard | None = None
        self.killed, self.done = False, threading.Event()
        self._driver, self._frozen, self._now = driver, frozen, now or Clock()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self.card = SoundCard(self._driver, self._now)
        except PortError as error:
            self.told.write(f"{error}\n".encode())
        else:
            self.told.write(f"ready {self.card.name}\n".encode())
            if not self._frozen:
                play(self.card, self._frames, self.told, self.stream.hear)
                self.die()

    @property
    def stream(self) -> Stream:
        return self._driver.streams[-1]

    def die(self) -> None:
        if not self.done.is_set():
            self.done.set()
            self.told.close()

    def kill(self) -> None:
        self.killed = True
        self.die()

    def wait(self) -> None:
        self.done.wait(20)


def opened(driver, lost=lambda why: None, frozen=False, now=None):
    made = []
    out = SoundOut(lost, lambda: made.append(Beside(driver, frozen, now)) or made[0])
    return out, made[0]


def test_a_stage_is_heard_and_nothing_sounds_after_a_panic_and_a_stop(driver):
    client = StageClient(Settings(port=0, engine=False))
    out, beside = opened(driver, now=lambda: client.time)
    assert out.card == "two loudspeakers"
    client.stage.add_output(out)
    client.send("/rnnmuse/transport/play")
    for pitch in (60, 64, 67):
        client.stage.notes.plan_on(1, PPQ, pitch, 100)
    client.run(0.6)
    until(lambda: len(beside.card._inbox) >= 3)
    assert np.abs(beside.stream.hear(0.5)).max() > 0.01
    assert beside.card._synth.sounding == 3
    assert not client.hung()
    until(lambda: len(beside.card._inbox) >= 3)
    beside.stream.hear(3)
    assert beside.card._synth.sounding == 0
    client.close()
    until(beside.done.is_set)
    assert not beside.stream.active


def test_programs_and_drums_reach_the_card(driver):
    out, beside = opened(driver)
    out.program(Program(1, 0, 3, 73, "flute"))()
    out.prepare(Sent(1, 9, 22, 90, 0.0, 0.0, 0, drum=True))()
    out.send(b"\xe3\x00\x60")
    until(lambda: len(beside.card._inbox) == 3)
    assert [message for _, message in beside.card._inbox] == [b"\xc3\x49", b"\x99\x2a\x5a", b"\xe3\x00\x60"]
    out.join()
    assert beside.done.is_set()
    assert not beside.killed


def test_a_card_that_dies_is_told_once_and_the_music_goes_on(driver):
    told = []
    out, beside = opened(driver, told.append)
    client = StageClient(Settings(port=0, engine=False))
    out._lost = lambda why: (told.append(why), client.stage.lose(NAME, why))
    client.stage.add_output(out)
    client.send("/rnnmuse/transport/play")
    beside.stream.active = False
    until(lambda: told)
    assert told == ["the sound card is gone"]
    assert NAME not in client.stage.outputs
    client.stage.notes.plan_on(1, PPQ, 60, 100)
    client.stage.notes.plan_off(1, 2 * PPQ, 60)
    client.run(2.0)
    assert len(client.notes()) == 2
    assert [error for error in client.errors() if NAME in error[2]] == [
        ("/rnnmuse/midi/ports", "port", f"{NAME} is gone: the sound card is gone")
    ]
    with pytest.raises(PortError, match="the sound card is gone"):
        out.send(b"\x90\x3c\x50")
    client.close()


def test_a_process_that_takes_nothing_holds_nobody_up(driver):
    out, _ = opened(driver, frozen=True)
    for _ in range(3000):
        out.send(b"\x90\x3c\x50")
        out.send(b"\x80\x3c\x00")
    assert out.dropped > 1000
    out.close()


def test_no_card_is_the_reason_that_the_process_gives(driver):
    driver.fails = True
    with pytest.raises(PortError, match=r"^the sound card cannot be opened \(no device\)$"):
        opened(driver)


def test_a_process_that_says_nothing_is_an_error(driver):
    class Silent(Beside):
        def _run(self):
            self.die()

    with pytest.raises(PortError, match="process ended"):
        SoundOut(start=lambda: Silent(driver))


def test_a_process_that_does_not_start_is_one_line():
    def start():
        raise OSError(12, "Cannot allocate memory")

    with pytest.raises(PortError, match="could not be started \\(Cannot allocate memory\\)"):
        SoundOut(start=start)


def test_the_real_process_starts_or_says_why_not():
    """Wherever the tests run: a sound card, or one clear line."""
    try:
        out = SoundOut()
    except PortError as error:
        assert any(part in str(error) for part in ("sound card", "PortAudio", "rnnmuse[sound]")), error
        assert "\n" not in str(error)
    else:
        out.join()
