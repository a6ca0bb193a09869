"""Between the stage's OSC and the clients of the web process, without a socket: the caller brings bytes and time.

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
from rnnmuse.bridges.osc_address import AddressSpace, is_pattern
from rnnmuse.protocol import ProtocolError, addresses

LEASE, RENEW, SILENCE = 30.0, 2.0, 5.0
"""Seconds: of a lease, between two questions to the stage, without a message after which it counts as away."""
MOST_CHARACTERS = 4096
"""Characters of a message from a page."""
WAITING = 512
"""Messages that may wait for a page; one that reads more slowly is closed."""
OURS = ("/rnnmuse/subscribe", "/rnnmuse/unsubscribe", "/rnnmuse/reply_to")
KNOWN = addresses()
Hear = Callable[[str, tuple[Any, ...]], None]

_OURS = AddressSpace(OURS)
_ALIVE = 0  # the number of the relay's own /rnnmuse/sync


class Page:
    """What waits for one client; of the pictures only the newest. ``slow`` is set when it does not keep up."""

    def __init__(self) -> None:
        self.slow = asyncio.Event()
        self._ready = asyncio.Event()
        self._waiting: deque[str | bytes] = deque()
        self._picture = b""

    def put(self, message: str | bytes) -> None:
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
    """One stage and any number of pages and watchers, for whom it subscribes as long as there are any.

    ``changed`` is called when the stage comes (True) or goes (False).
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, changed: Callable[[bool], None] | None = None
    ) -> None:
        self.now, self._changed = now, changed
        self.live = False
        self.pages: set[Page] = set()
        self._watchers: set[Hear] = set()
        self._send: Callable[[bytes], None] | None = None
        self._heard = self._asked = 0.0
        self._subscribed = self._pictures = False

    def connected(self, send: Callable[[bytes], None]) -> None:
        """There is a connection to the stage; ``send`` takes a packet."""
        self._send = send
        self._renew()

    def lost(self) -> None:
        """The connection is gone."""
        self._send, self._subscribed = None, False
        self._turn(False)

    def tick(self) -> None:
        """Renew the lease, and see whether the stage answers; called every half second or so."""
        if self._send is not None and self.now() - self._asked >= RENEW:
            self._renew()
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
                case ("/rnnmuse/subscribed", _) | ("/rnnmuse/synced", (0,)):
                    continue
                case "/rnnmuse/cover/frame", (_, bytes() as picture):
                    for page in self.pages:
                        page.show(picture)
                case address, arguments:
                    self._tell(address, *arguments)
                    self._hear(address, arguments)

    def close(self) -> None:
        """Leave the stage as it would be without the relay."""
        self._end_pictures()
        if self._send is not None:
            self._send(osc.build("/rnnmuse/unsubscribe", ()))

    # -- pages and watchers ---------------------------------------------------------------------------------

    def join(self) -> Page:
        """A new page."""
        page = Page()
        page.put(json.dumps(["live", int(self.live)]))
        self.pages.add(page)
        self._want()
        return page

    def leave(self, page: Page) -> None:
        """The page is gone; with the last one go the pictures that a page asked for."""
        self.pages.discard(page)
        if not self.pages:
            self._end_pictures()
        self._want()

    def watch(self, hear: Hear) -> None:
        """Call ``hear`` with each message of the stage, and with each that a page or a WebSocket client sends it."""
        self._watchers.add(hear)
        self._want()

    def unwatch(self, hear: Hear) -> None:
        """Call it no more."""
        self._watchers.discard(hear)
        self._want()

    def take(self, page: Page, text: str) -> None:
        """A message from a page: checked, sent to the stage, and what it sets shown to the other clients.

        What cannot be sent is answered with one /rnnmuse/error, as the stage would.
        """
        address = ""
        try:
            address, *values = _read(text)
            values = _checked(address, values)
            send = self._sender(address)
        except ProtocolError as error:
            page.put(json.dumps(["/rnnmuse/error", address[:80], error.code, str(error)]))
            return
        send(osc.build(address, values))
        if values or KNOWN[address].row.access == "w":  # else it only asks
            self._tell(address, *values, but=page)
            self._hear(address, tuple(values))
        if address == "/rnnmuse/cover/stream" and values:
            self._pictures = bool(values[0])

    def pass_on(self, packet: bytes) -> None:
        """Send the stage an OSC packet of a client. ProtocolError for one that the client may not send."""
        messages = osc.parse(packet)
        for message in messages:
            if is_pattern(message.address):
                if _OURS.match(message.address):
                    raise ProtocolError("access", f"{message.address[:80]}: selects addresses that are not a client's")
            else:
                _allowed(message.address)
        self._sender(messages[0].address if messages else "packet")(packet)
        for message in messages:
            if message.arguments and message.address in KNOWN:
                self._tell(message.address, *message.arguments)
                self._hear(message.address, message.arguments)

    def _sender(self, address: str) -> Callable[[bytes], None]:
        if not self.live or self._send is None:
            raise ProtocolError("away", f"{address[:80]}: rnnmuse live is not there")
        return self._send

    # -- the stage ------------------------------------------------------------------------------------------

    def _want(self) -> None:
        """Subscribe when the first client comes, unsubscribe when the last one goes: notes cost the stage time."""
        if self._send is None or bool(self.pages or self._watchers) == self._subscribed:
            return
        if self._subscribed:
            self._subscribed = False
            self._send(osc.build("/rnnmuse/unsubscribe", ()))
        else:
            self._renew()

    def _renew(self) -> None:
        assert self._send is not None
        self._asked = self.now()
        self._subscribed = bool(self.pages or self._watchers)
        question = ("/rnnmuse/subscribe", (LEASE,)) if self._subscribed else ("/rnnmuse/sync", (_ALIVE,))
        self._send(osc.build(*question))

    def _turn(self, live: bool) -> None:
        if live != self.live:
            self.live = live
            self._tell("live", int(live))
            if self._changed is not None:
                self._changed(live)

    def _tell(self, *message: Any, but: Page | None = None) -> None:
        if not self.pages - {but}:
            return
        text = json.dumps(message, default=repr)
        for page in self.pages - {but}:
            page.put(text)

    def _hear(self, address: str, arguments: tuple[Any, ...]) -> None:
        for hear in list(self._watchers):
            hear(address, arguments)

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


def _allowed(address: str) -> None:
    """ProtocolError for an address that the stage does not know, or that is not a client's to send."""
    if address not in KNOWN:
        raise ProtocolError("address", f"{address[:80]}: not known; docs/osc.md lists every address")
    if KNOWN[address].row.access == "r" or address in OURS:
        raise ProtocolError("access", f"{address}: is not a page's to send")


def _checked(address: str, values: list[Any]) -> list[Any]:
    """The arguments as the stage takes them; ProtocolError for what it, or the relay, would not take."""
    _allowed(address)
    row = KNOWN[address].row
    return values if row.free or (row.access == "rw" and not values) else row.check(address, values)
