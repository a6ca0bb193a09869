"""The built-in synthesiser on a sound card, by sounddevice (the ``sound`` extra): messages in, sound out.

It needs numpy: run it in a process of its own beside the live core.
"""

from __future__ import annotations

import threading
from typing import Any

from rnnmuse.errors import MissingExtraError, PortError
from rnnmuse.music.synth import Synth

LEVEL = 0.6
"""Leaves room for many notes at once; what is over 1 all the same is bent, not cut."""


class SoundCard:
    """An open sound card that plays what it is sent. PortError where there is none."""

    def __init__(self, rate: int = 44100) -> None:
        try:
            import numpy as np
            import sounddevice
        except (ImportError, OSError):  # without its library sounddevice raises OSError
            raise MissingExtraError("the built-in synthesiser", "sound") from None
        self._np = np
        self._synth = Synth(rate)
        self._lock = threading.Lock()
        self.name = "built-in synthesiser"
        try:
            self._stream: Any = sounddevice.OutputStream(
                samplerate=rate, channels=2, dtype="float32", latency="low", callback=self._fill
            )
            self._stream.start()
        except sounddevice.PortAudioError as error:
            raise PortError(
                f"sound card: cannot be opened ({(str(error).splitlines() or ['no reason given'])[0]})"
            ) from None

    def send(self, message: bytes) -> None:
        """Play a channel message with the next block; other messages are ignored."""
        with self._lock:
            self._synth.send(message)

    def close(self) -> None:
        """Stop at once."""
        self._stream.stop()
        self._stream.close()

    def _fill(self, out: Any, frames: int, when: Any, status: Any) -> None:
        with self._lock:
            block = self._synth.render(frames)
        out[:] = self._np.tanh(block * LEVEL)
