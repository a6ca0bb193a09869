"""The built-in synthesiser on a sound card, by sounddevice (the ``sound`` extra), as a process beside the live core.

It loads numpy, which the live core must not, and a driver that hangs or dies takes nothing else with it. The other end
is `rnnmuse.bridges.sound_out`. Frames on stdin, as `port_process.FRAME` heads them, are channel messages and the time
that they are for. The first line on stdout is ``ready`` and the name of the sound card, or the reason for which it did
not open; a later line is the reason for which it is gone. Stdin's end stops the sound.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, BinaryIO

from rnnmuse.bridges.port_process import FRAME, PATIENCE, leave, watched
from rnnmuse.clock import Nanoseconds
from rnnmuse.errors import MissingExtraError, PortError, RnnmuseError, first_line
from rnnmuse.music.synth import Synth
from rnnmuse.music.tones import LIVE_CHUNK, drum_sound

LEVEL = 0.6
"""Leaves room for many notes at once; what is over 1 all the same is bent, not cut."""
LATENCY = 0.04
"""Seconds of sound that the card is asked to keep, so that a busy machine leaves no gap in it."""
BLOCK = 256
"""Samples that are made at a time."""
LATE: Nanoseconds = 250_000_000
"""A note-on that waited so long, while the card stood still, is left out."""
MOST = 2048
"""Messages that wait for the card at most; over it note-ons are left out."""
STALLED: Nanoseconds = 2_000_000_000
"""A card that has asked for nothing for so long is gone."""
LOOK = 0.25
"""Seconds between two looks at whether it is."""
RING = 0.3
"""Seconds in which what sounds dies away at the end."""
_WARM = (36, 37, 38, 42, 44, 46, 49, 51)
"""Drum notes whose sound is made before the first is played."""


class SoundCard:
    """An open sound card that plays what it is sent, each message ``delay`` after its time. PortError where there is
    none.

    ``driver`` is the sounddevice module, ``now`` reads the monotonic clock in ns; both may be injected.
    """

    def __init__(self, driver: Any = None, now: Callable[[], Nanoseconds] = time.monotonic_ns) -> None:
        import numpy as np

        driver = driver or _sounddevice()
        self._np, self._now = np, now
        self._inbox: deque[tuple[Nanoseconds, bytes]] = deque()
        self.dropped = 0
        """Note-ons that were left out because the card stood still."""
        try:
            device = driver.query_devices(kind="output")
        except (driver.PortAudioError, ValueError):
            raise PortError("no sound card was found") from None
        try:
            self.name = f"{device['name']}"
            self.rate = int(device["default_samplerate"] or 44100)
            self._synth = Synth(self.rate, chunk=LIVE_CHUNK)
            for note in _WARM:
                for layer in (1, 2, 3):
                    drum_sound(note, layer, self.rate)
            self._stream: Any = driver.OutputStream(
                samplerate=self.rate, channels=2, dtype="float32", blocksize=BLOCK, latency=LATENCY, callback=self._fill
            )
            self.delay: Nanoseconds = round((self._stream.latency + BLOCK / self.rate) * 1e9)
            self._asked = now()
            self._stream.start()
        except driver.PortAudioError as error:
            raise PortError(f"the sound card cannot be opened ({first_line(error)})") from None

    def send(self, message: bytes, due: Nanoseconds | None = None) -> None:
        """Play a channel message that is for the time ``due`` (now, without one); other messages are ignored."""
        if len(self._inbox) >= MOST and message[0] & 0xF0 == 0x90 and message[2]:
            self.dropped += 1
            return
        self._inbox.append((self._now() if due is None else due, message))

    @property
    def trouble(self) -> str:
        """Why the card plays no more; empty while it does."""
        if not self._stream.active:
            return "the sound card is gone"
        if self._now() - self._asked > STALLED:
            return "the sound card takes no more sound"
        return ""

    def silence(self) -> None:
        """Let every note die away."""
        for channel in range(16):
            for control in (64, 66, 123):
                self.send(bytes((0xB0 | channel, control, 0)))

    def close(self) -> None:
        """Stop at once."""
        self._stream.abort()
        self._stream.close()

    def _fill(self, out: Any, frames: int, when: Any, status: Any) -> None:
        """Make the next block. It is called by the driver, in a thread of its own."""
        now = self._asked = self._now()
        ahead = when.outputBufferDacTime - when.currentTime if when is not None else 0.0
        if not 0 < ahead < 1:  # some drivers do not say when a block will sound
            ahead = self.delay / 1e9 - frames / self.rate
        sounds = now + round(ahead * 1e9)
        while self._inbox:
            due, message = self._inbox.popleft()
            if now - due > LATE and message[0] & 0xF0 == 0x90 and message[2]:
                self.dropped += 1
                continue
            self._synth.send(message, max(0, (due + self.delay - sounds) * self.rate // 1_000_000_000))
        out[:] = self._np.tanh(self._synth.render(frames) * LEVEL)


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise MissingExtraError("the built-in synthesiser", "sound") from None
    except OSError:
        raise PortError("sounddevice finds no PortAudio library (on Debian: apt install libportaudio2)") from None
    return sounddevice


def play(card: SoundCard, frames: BinaryIO, told: BinaryIO, wait: Callable[[float], object] = time.sleep) -> None:
    """Play what comes in ``frames`` to its end, unless the card is gone before: then say why on ``told``."""
    ended = threading.Event()

    def take() -> None:
        while len(head := frames.read(FRAME.size)) == FRAME.size:
            length, due = FRAME.unpack(head)
            message = frames.read(length)
            if len(message) < length:
                break
            card.send(message, due or None)
        ended.set()

    threading.Thread(target=take, name="frames", daemon=True).start()
    while not ended.wait(LOOK):
        if card.trouble:
            with contextlib.suppress(OSError):
                told.write(f"{card.trouble}\n".encode())
            return  # a card that is gone may hang when it is closed
    card.silence()
    wait(RING + card.delay / 1e9)
    card.close()


def main() -> None:
    """Play on the default sound card until stdin ends."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):  # they are for the player, whose end is the end of stdin
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    told = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # drivers print; stdout is for what this process says
    sys.setswitchinterval(0.0005)
    try:
        card = SoundCard()
    except (RnnmuseError, OSError) as error:
        told.write(f"{first_line(error)}\n".encode())
        leave(1)
    told.write(f"ready {card.name}\n".encode())
    gc.freeze()
    play(card, os.fdopen(0, "rb", buffering=65536), told)
    watched(PATIENCE)  # sounddevice takes leave of the driver at exit, which JACK's server waits for


if __name__ == "__main__":
    main()
