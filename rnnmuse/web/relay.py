"""Between the stage's OSC and the pages of browsers, without a socket of its own: who calls it brings bytes and time.

To a page, and from it, goes JSON: an array of an OSC address and its arguments. Two messages are the relay's own:
``["live", 0 or 1]``, and a picture of the stream, which is its JPEG as a binary message.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rnnmuse.bridges import osc
from rnnmuse.protocol import ProtocolError, addresses

LEASE, RENEW, SILENCE = 30.0, 2.0, 5.0
"""Seconds: of a lease, between two renewals (each is answered), without a word after which the stage is away."""
MOST_CHARACTERS = 4096
"""Of a message from a page."""
WAITING = 512
"""Messages that may wait for a page; one that reads more slowly is let go."""
OURS = ("/rnnmuse/subscribe", "/rnnmuse/unsubscribe", "/rnnmuse/reply_to")
KNOWN = addresses()


class Page:
    """What waits for one browser's page; of the pictures only the newest. ``slow`` is set when it does not keep up."""

    def __init__(self) -> None:
        self.slow = asyncio.Event()
        self._ready = asyncio.Event()
        self._waiting: deque[str] = deque()
        self._picture = b""

    def put(self, message: str) -> None:
        """Send a message when its turn comes."""
        if len(self._waiting) >= WAITING:
            self.slow.set()
            return
        self._waiting.append(message)
        self._ready.set()

    def show(self, picture: bytes) -> None:
        """Send a picture, in place of one that still waits."""
        self._picture = picture
        self._ready.set()

    async def take(self) -> str | bytes:
        """The next message, once there is one; pictures come after all others."""
        while not (self._waiting or self._picture):
            self._ready.clear()
            await self._ready.wait()
        if self._waiting:
            return self._waiting.popleft()
        picture, self._picture = self._picture, b""
        return picture


class Relay:
    """One stage and any number of pages. ``told`` is called when the stage comes (True) or goes (False)."""

    def __init__(self, now: Callable[[], float] = time.monotonic, told: Callable[[bool], None] | None = None) -> None:
        self.now, self.told = now, told
        self.live = False
        self.pages: set[Page] = set()
        self._send: Callable[[bytes], None] | None = None
        self._heard = self._asked = 0.0
        self._pictures = False

    def connected(self, send: Callable[[bytes], None]) -> None:
        """There is a line to the stage; ``send`` takes a packet."""
        self._send = send
        self._subscribe()

    def lost(self) -> None:
        """The line is gone."""
        self._send = None
        self._turn(False)

    def tick(self) -> None:
        """Renew the lease, and see whether the stage answers; called every half second or so."""
        if self._send is not None and self.now() - self._asked >= RENEW:
            self._subscribe()
        if self.now() - self._heard > SILENCE:
            self._turn(False)

    def packet(self, data: bytes) -> None:
        """Take a packet from the stage."""
        try:
            messages = osc.parse(data)
        except ProtocolError:
            return
        self._heard = self.now()
        self._turn(True)
        for message in messages:
            match message.address, message.arguments:
                case "/rnnmuse/cover/frame", (_, bytes() as picture):
                    for page in self.pages:
                        page.show(picture)
                case address, arguments if address != "/rnnmuse/subscribed":
                    self._tell(address, *arguments)

    def close(self) -> None:
        """Leave the stage as it would be without the screen."""
        self._end_pictures()
        if self._send is not None:
            self._send(osc.build("/rnnmuse/unsubscribe", ()))

    def join(self) -> Page:
        """A new page."""
        page = Page()
        page.put(json.dumps(["live", int(self.live)]))
        self.pages.add(page)
        return page

    def leave(self, page: Page) -> None:
        """The page is gone; with the last one go the pictures that a page asked for."""
        self.pages.discard(page)
        if not self.pages:
            self._end_pictures()

    def take(self, page: Page, text: str) -> None:
        """A message from a page: checked, sent to the stage, and what it sets told to the other pages.

        What cannot be sent is answered with one /rnnmuse/error, as the stage would.
        """
        address = ""
        try:
            address, *values = _read(text)
            values = _checked(address, values)
            if not self.live or self._send is None:
                raise ProtocolError("away", f"{address}: rnnmuse live is not there")
        except ProtocolError as error:
            page.put(json.dumps(["/rnnmuse/error", address[:80], error.code, str(error)]))
            return
        self._send(osc.build(address, values))
        if values or KNOWN[address].row.access == "w":  # else it only asks
            self._tell(address, *values, but=page)
        if address == "/rnnmuse/cover/stream" and values:
            self._pictures = bool(values[0])

    def _subscribe(self) -> None:
        assert self._send is not None
        self._asked = self.now()
        self._send(osc.build("/rnnmuse/subscribe", (LEASE,)))

    def _turn(self, live: bool) -> None:
        if live != self.live:
            self.live = live
            self._tell("live", int(live))
            if self.told is not None:
                self.told(live)

    def _tell(self, *message: Any, but: Page | None = None) -> None:
        text = json.dumps(message, default=repr)
        for page in self.pages - {but}:
            page.put(text)

    def _end_pictures(self) -> None:
        if self._pictures and self._send is not None:
            self._send(osc.build("/rnnmuse/cover/stream", (0.0,)))
        self._pictures = False


def _read(text: str) -> list[Any]:
    """An address and its arguments, from JSON; ProtocolError for what is neither."""
    try:
        message = json.loads(text) if len(text) <= MOST_CHARACTERS else None
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, list) or not message or not isinstance(message[0], str):
        shape = f"must be a JSON array of an address and arguments, up to {MOST_CHARACTERS} characters"
        raise ProtocolError("message", f"message: {text[:40]!r}; {shape}")
    for value in message[1:]:
        if not (isinstance(value, str) or (isinstance(value, int | float) and abs(value) < 2**31)):  # nor NaN
            raise ProtocolError("type", f"message: {str(value)[:40]!r}; must be text or a number below 2^31")
    return message


def _checked(address: str, values: list[Any]) -> list[Any]:
    """The arguments as the stage takes them; ProtocolError for what it, or the screen, would not."""
    if address not in KNOWN:
        raise ProtocolError("address", f"{address[:80]}: not known; docs/osc.md lists every address")
    row = KNOWN[address].row
    if row.access == "r" or address in OURS:
        raise ProtocolError("access", f"{address}: is not a page's to send")
    return values if row.free or (row.access == "rw" and not values) else row.check(address, values)
