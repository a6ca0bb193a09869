"""Presets of the players, and the rig's file."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rnnmuse.errors import RnnmuseError
from rnnmuse.protocol import ProtocolError
from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.control.latent import LatentControl
from rnnmuse.realtime.control.player import PlayerControl
from rnnmuse.realtime.players import Players
from rnnmuse.session.seat import Seat


class PresetControl:
    """Rows of /rnnmuse/preset, /rnnmuse/presets and /rnnmuse/rig. ``take`` takes a message of this process."""

    def __init__(
        self, players: Players, control: PlayerControl, latent: LatentControl, take: Callable[..., None]
    ) -> None:
        self._players, self._control, self._latent, self._take = players, control, latent, take
        self.save: Callable[[], Callable[[], str]] | None = None
        """Called with the stage's lock: takes down how things are, and returns what writes it and names the file."""
        self._saving = threading.Lock()

    def store(self, call: Call, number: int) -> None:
        self._players.store_preset(number)

    def recall(self, call: Call, number: int) -> None:
        if number not in self._players.presets:
            known = ", ".join(map(str, sorted(self._players.presets))) or "none is stored"
            raise ProtocolError("range", f"{call.address} number: {number}; must be one of: {known}")
        self._recall(number)

    def recall_program(self, number: int) -> None:
        """Recall the preset of a MIDI program change, if there is one."""
        if number in self._players.presets:
            self._recall(number)

    def numbers(self, call: Call) -> None:
        call.answer(*sorted(self._players.presets))

    def save_rig(self, call: Call) -> None:
        """Write the rig's file, in a thread of its own: a disk may be slow or full."""
        if self.save is None:
            raise ProtocolError("rig", f"{call.address}: no rig was loaded; begin with rnnmuse live RIG.toml")
        if not self._saving.acquire(blocking=False):
            raise ProtocolError("limit", f"{call.address}: the rig is being saved already")
        write = self.save()

        def work() -> None:
            try:
                call.answer(write())
            except (OSError, RnnmuseError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else error
                call.fail("rig", f"{call.address}: the rig was not saved ({reason}); the file is as it was")
            finally:
                self._saving.release()

        threading.Thread(target=work, name="save rig", daemon=True).start()

    def seat(self, player: int, wanted: Seat) -> None:
        """Change a player to what is wanted."""
        self._control.set_up(player, wanted, self._take, self._latent.restore)

    def _recall(self, number: int) -> None:
        for player in sorted(self._players.seats.keys() | self._players.presets[number].keys()):
            self.seat(player, self._players.presets[number].get(player, Seat()))
