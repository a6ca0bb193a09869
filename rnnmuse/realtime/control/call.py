"""One message as its handler gets it: who asked, for which address and player."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rnnmuse.bridges.osc_server import Client
from rnnmuse.protocol import ProtocolError

LOCAL = Client("", 0)
"""The sender of messages that come from this process; its mistakes go to the subscribers."""

Reply = Callable[[Client, str, tuple[Any, ...]], None]
Fail = Callable[[Client, str, ProtocolError], None]


@dataclass(frozen=True, slots=True)
class Call:
    """A message: ``word`` is the part of the address that varies, such as a parameter's name or a part's number."""

    address: str
    """The whole address."""
    client: Client
    """Who sent it, and gets the answer."""
    player: int
    """1 to 16; 0 where the address has none."""
    word: str
    _reply: Reply
    """Sends an answer."""
    _fail: Fail
    """Sends an error."""

    def answer(self, *values: Any) -> None:
        """Answer at the address that was asked."""
        self._reply(self.client, self.address, values)

    def reply(self, address: str, *values: Any) -> None:
        """Answer at another address."""
        self._reply(self.client, address, values)

    def fail(self, code: str, text: str) -> None:
        """Say what is wrong, also long after the message came."""
        self._fail(self.client, self.address, ProtocolError(code, text))
