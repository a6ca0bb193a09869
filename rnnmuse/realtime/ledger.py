"""The ledger of sounding notes: every note-on is entered, and whatever happens, ended."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

Key = tuple[Hashable, int, int]
"""Output, channel (0-15), pitch (0-127)."""

Send = Callable[[Key, int, int], None]
"""Sends a note: its key, velocity (0 for a note-off) and owner."""


@dataclass(slots=True)
class Ledger:
    """Sounding notes by output, channel and pitch, with the owner (a player) of each.

    All notes go out through `on` and `off`, so that no output ever holds a note that is not in the ledger.
    """

    send: Send
    """Sends what begins and ends."""
    sounding: dict[Key, int] = field(default_factory=dict)
    """Owner by output, channel and pitch."""

    def on(self, key: Key, velocity: int, owner: int = 0) -> None:
        """Start a note; one that still sounds at the key is ended first."""
        if key in self.sounding:
            self.off(key)
        self.sounding[key] = owner  # entered first: if sending fails, the note is still ended later
        self.send(key, velocity, owner)

    def off(self, key: Key, owner: int | None = None) -> bool:
        """End a note; False if it does not sound, or is another owner's by now."""
        if key not in self.sounding or (owner is not None and self.sounding[key] != owner):
            return False
        self.send(key, 0, self.sounding.pop(key))
        return True

    def end(self, owner: int | None = None, output: Hashable | None = None) -> int:
        """End every note, or those of one owner, or on one output; returns their number."""
        keys = [
            key for key, by in self.sounding.items()
            if (owner is None or by == owner) and (output is None or key[0] == output)
        ]  # fmt: skip
        for key in keys:
            self.off(key)
        return len(keys)

    def forget(self, output: Hashable) -> int:
        """Remove the notes of an output that is gone, and return their number; their ends have nowhere to go."""
        keys = [key for key in self.sounding if key[0] == output]
        for key in keys:
            del self.sounding[key]
        return len(keys)
