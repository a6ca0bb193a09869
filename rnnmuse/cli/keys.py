"""Single keys from the terminal while a stage plays."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnmuse.realtime.stage import Stage

HELP = "Keys  space play or stop, - and + tempo, 1 to 9 mute a player, p panic, q quit"
STEP = 2.0
"""Bpm by which a key changes the tempo."""
LOOK = 0.25
"""Seconds between two looks at whether the keyboard is still wanted."""


def press(stage: Stage, key: str) -> None:
    """Do what a key stands for; other keys do nothing."""
    if key == " ":
        stage.take("/rnnmuse/transport/stop" if stage.clock.running else "/rnnmuse/transport/continue")
    elif key in ("+", "=", "-"):
        tempo = float(stage.clock.tempo) + (-STEP if key == "-" else STEP)
        stage.take("/rnnmuse/transport/tempo", min(999.0, max(20.0, tempo)))
    elif key.isdigit() and key != "0":
        stage.take(f"/rnnmuse/player/{key}/mute", int(not stage.players.look(int(key)).mute))
    elif key == "p":
        stage.take("/rnnmuse/transport/panic")
    elif key == "q":
        stage.leave()


def listening(take: Callable[[str], None]) -> contextlib.AbstractContextManager[bool]:
    """While it lasts, each key that is pressed is given to ``take``, in a thread of its own.

    Its value is whether there is a keyboard: a terminal that belongs to this program, not one that it shares from the
    background. What the terminal was set to before is set again at the end.
    """
    if not sys.stdin.isatty():
        return contextlib.nullcontext(False)
    return _windows(take) if os.name == "nt" else _posix(take)


@contextlib.contextmanager
def _posix(take: Callable[[str], None]) -> Iterator[bool]:
    import select
    import termios
    import tty

    file = sys.stdin.fileno()
    if os.getpgrp() != os.tcgetpgrp(file):  # to read would stop a program in the background
        yield False
        return
    before = termios.tcgetattr(file)
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError, ValueError):
                if select.select([file], [], [], LOOK)[0]:
                    key = os.read(file, 1)
                    if not key:
                        return
                    take(key.decode("latin-1"))
                continue
            return

    try:
        tty.setcbreak(file)
        threading.Thread(target=read, name="keys", daemon=True).start()
        yield True
    finally:
        over.set()
        with contextlib.suppress(termios.error):
            termios.tcsetattr(file, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _windows(take: Callable[[str], None]) -> Iterator[bool]:
    import msvcrt

    over = threading.Event()

    def read() -> None:
        while not over.wait(LOOK):
            while msvcrt.kbhit():  # type: ignore[attr-defined]
                take(msvcrt.getwch())  # type: ignore[attr-defined]

    threading.Thread(target=read, name="keys", daemon=True).start()
    try:
        yield True
    finally:
        over.set()
