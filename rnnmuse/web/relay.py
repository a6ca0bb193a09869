"""Between the stage's OSC and the clients of the web process, without a socket: the caller brings bytes and time.

To a page, and from it, goes JSON: an array of an OSC address and its arguments. Two messages are the relay's own:
``["live", 0 or 1]``, and a picture of the stream, which is its JPEG as a binary message. A page that asks for it gets
what comes within a frame together, as an array of messages.

What pages set is held for a moment, and the last value of an address is sent: a flood of faders is a few messages.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_address import AddressSpace, is_pattern
from rnnmuse.protocol import PLAYERS, ProtocolError, addresses

LEASE, RENEW, SILENCE = 30.0, 2.0, 5.0
"""Seconds: of a lease, between two questions to the stage, without a message after which it counts as away."""
MOST_CHARACTERS = 4096
"""Characters of a message from a page."""
WAITING = 512
"""Messages that may wait for a page; one that reads more slowly is closed."""
FRAME = 1 / 60
"""Seconds between two messages to a page that gets them together."""
PACE, PORTION = 0.01, 16
"""Seconds between two portions of values that pages set, and values in one."""
TOGETHER, QUESTIONS = 8, 32
"""Getters in a packet, and getters that are asked before the stage has answered."""
OURS = ("/rnnmuse/subscribe", "/rnnmuse/unsubscribe", "/rnnmuse/reply_to", "/rnnmuse/watch")
URGENT = ("/rnnmuse/transport/panic", "/rnnmuse/transport/stop")
"""Commands that do not wait behind what pages have sent before, nor are undone by it: they go twice, at once by a
connection of their own, and in their place among the others."""
KNOWN = addresses()
STATE = tuple(
    address
    for address, entry in KNOWN.items()
    if entry.row.access == "rw"
    and not entry.row.free
    and not any(sign in entry.row.address for sign in ("{k}", "{n}", "{axis}", "/norm/", "/latent/x", "/latent/y"))
) + tuple(f"/rnnmuse/player/{player}/latent/xy" for player in range(1, PLAYERS + 1))
"""The values that pages get whole, and that are kept here."""
Hear = Callable[[str, tuple[Any, ...]], None]

_OURS = AddressSpace(OURS)
_VALUES = frozenset(STATE)
_ALIVE = 0  # the number of the relay's own /rnnmuse/sync
_ASKED = -7707  # and of its /rnnmuse/ping behind the getters that it asks


class Page:
    """What waits for one client; of the pictures only the newest. ``slow`` is set when it does not keep up.

    ``frame`` seconds lie between two messages to it, and what has come meanwhile goes together; 0: each by itself.
    """

    def __init__(self, frame: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._frame, self._now, self._sent = frame, now, -frame
        self.slow = asyncio.Event()
        self._ready = asyncio.Event()
        self._waiting: deque[str | bytes] = deque()
        self._values: dict[str, str] = {}
        self._picture = b""

    def put(self, message: str | bytes) -> None:
        """Send a message when its turn comes."""
        if len(self._waiting) >= WAITING:
            self.slow.set()
            return
        self._waiting.append(message)
        self._ready.set()

    def set(self, address: str, message: str) -> None:
        """Send a value, in place of an earlier one of its address that still waits."""
        self._values[address] = message
        self._ready.set()

    def show(self, picture: bytes) -> None:
        """Send a picture, in place of one that still waits."""
        self._picture = picture
        self._ready.set()

    async def take(self) -> str | bytes:
        """The next message, once there is one; values come before, pictures after all others."""
        while not (self._waiting or self._values or self._picture):
            self._ready.clear()
            await self._ready.wait()
        if self._frame and (self._values or self._waiting):
            if (rest := self._sent + self._frame - self._now()) > 0:
                await asyncio.sleep(rest)
            self._sent = self._now()
            texts = [*self._values.values(), *self._waiting]
            self._values.clear()
            self._waiting.clear()
            return f"[{','.join(map(str, texts))}]"
        if self._values:
            return self._values.pop(next(iter(self._values)))
        if self._waiting:
            return self._waiting.popleft()
        picture, self._picture = self._picture, b""
        return picture


class Relay:
    """One stage and any number of pages and watchers, for whom it subscribes as long as there are any.

    ``changed`` is called when the stage comes (True) or goes (False). ``state`` holds the stage's values, by address,
    while there is a client: `STATE` is asked once, and the stage sends what changes.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, changed: Callable[[bool], None] | None = None
    ) -> None:
        self.now, self._changed = now, changed
        self.live = False
        self.pages: set[Page] = set()
        self._watchers: set[Hear] = set()
        self.also_hears: Hear = lambda address, arguments: None
        """Called with each message of the stage that comes for the others; it causes none."""
        self._send: Callable[[bytes], None] | None = None
        self._urgent: Callable[[bytes], None] | None = None
        self._heard = self._asked = 0.0
        self._subscribed = self._pictures = False
        self.state: dict[str, list[Any]] = {}
        self.whole = False
        """Whether ``state`` is known."""
        self._questions: deque[str] = deque()
        self._wanted: set[str] = set()
        self._held: dict[str, list[Any]] = {}
        self._paced = 0.0
        self.holds = asyncio.Event()
        """Set while values wait for `pace`."""

    def connected(self, send: Callable[[bytes], None], urgent: Callable[[bytes], None] | None = None) -> None:
        """There is a connection to the stage; ``send`` takes a packet, ``urgent`` one that waits behind no other."""
        self._send, self._urgent = send, urgent
        self._renew()

    def lost(self) -> None:
        """The connection is gone."""
        self._send, self._subscribed, self.whole = None, False, False
        self._held.clear()
        self.holds.clear()
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
                case ("/rnnmuse/subscribed", _) | ("/rnnmuse/watched", _) | ("/rnnmuse/synced", (0,)):
                    continue
                case "/rnnmuse/pong", (number,) if number == _ASKED:
                    self._ask()
                case "/rnnmuse/cover/frame", (_, bytes() as picture):
                    for page in self.pages:
                        page.show(picture)
                case address, arguments if address in _VALUES:
                    self.state[address] = list(arguments)
                    if not arguments:  # such as the pad of a player whose model has none
                        del self.state[address]
                    self._set(address, *arguments)
                    self._hear(address, arguments)
                case address, arguments:
                    self._tell(address, *arguments)
                    self._hear(address, arguments)

    def close(self) -> None:
        """Leave the stage as it would be without the relay."""
        self._end_pictures()
        if self._send is not None:
            self._unsubscribe()

    # -- pages and watchers ---------------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        """Send every page a message of this server itself."""
        for page in self.pages:
            page.put(text)

    def join(self, frame: float = 0.0) -> Page:
        """A new page; ``frame`` as for `Page`."""
        page = Page(frame, self.now)
        page.put(json.dumps(["live", int(self.live)]))
        if self.whole:
            page.put(self._whole())
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
        """A message from a page: checked, and sent to the stage, which tells every client what holds then.

        A value goes at once, or with the next portion of `pace` if one has just gone; what is not a value goes at
        once, after the values that came before. What cannot be sent is answered with one /rnnmuse/error, as the stage
        would.
        """
        address = ""
        try:
            address, *values = _read(text)
            values = _checked(address, values)
            send = self._sender(address)
            self._hurry(address, values)
        except ProtocolError as error:
            page.put(json.dumps(["/rnnmuse/error", address[:80], error.code, str(error)]))
            return
        if not values and not self.whole:
            self._wanted.add(address)
        row = KNOWN[address].row
        if values and row.access == "rw" and not row.free:
            self._held.pop(address, None)  # the last value comes last
            self._held[address] = values
            if self.now() - self._paced >= PACE:
                self.pace()
            else:
                self.holds.set()
        else:
            while self._held:
                self.pace()
            send(osc.build(address, values))
        if address == "/rnnmuse/cover/stream" and values:
            self._pictures = bool(values[0])

    def pace(self) -> None:
        """Send a portion of the values that pages set; called every `PACE` seconds while ``holds`` is set."""
        self._paced = self.now()
        portion = list(islice(self._held, PORTION))
        packets = [osc.build(address, self._held.pop(address)) for address in portion]
        if self._send is not None:
            for packet in packets:
                self._send(packet)
        if not self._held:
            self.holds.clear()

    def send(self, address: str, values: list[Any]) -> None:
        """A message of this server itself, checked as a page's; ProtocolError for what the stage would not take."""
        values = _checked(address, values)
        send = self._sender(address)
        self._hurry(address, values)
        send(osc.build(address, values))

    def pass_on(self, packet: bytes) -> None:
        """Send the stage an OSC packet of a client. ProtocolError for one that the client may not send."""
        messages = osc.parse(packet)
        for message in messages:
            if is_pattern(message.address):
                if _OURS.match(message.address):
                    raise ProtocolError("access", f"{message.address[:80]}: selects addresses that are not a client's")
            else:
                _allowed(message.address)
        send = self._sender(messages[0].address if messages else "packet")
        if not packet.startswith(b"#"):  # a bundle may be due later
            self._hurry(messages[0].address, messages[0].arguments)
        send(packet)

    def _sender(self, address: str) -> Callable[[bytes], None]:
        if not self.live or self._send is None:
            raise ProtocolError("away", f"{address[:80]}: rnnmuse live is not there")
        return self._send

    def _hurry(self, address: str, values: Sequence[Any]) -> None:
        """Send what is urgent at once; it is also sent in its place."""
        if address in URGENT and self._urgent is not None:
            self._urgent(osc.build(address, values))

    # -- the stage ------------------------------------------------------------------------------------------

    def _want(self) -> None:
        """Subscribe when the first client comes, unsubscribe when the last one goes: notes cost the stage time."""
        if self._send is None or bool(self.pages or self._watchers) == self._subscribed:
            return
        if self._subscribed:
            self._unsubscribe()
        else:
            self._renew()

    def _renew(self) -> None:
        assert self._send is not None
        self._asked, first = self.now(), not self._subscribed
        self._subscribed = bool(self.pages or self._watchers)
        if not self._subscribed:
            self._send(osc.build("/rnnmuse/sync", (_ALIVE,)))
            return
        for address in ("/rnnmuse/subscribe", "/rnnmuse/watch"):
            self._send(osc.build(address, (LEASE,)))
        if first:  # values set from here on are forwarded
            self._questions = deque(STATE)
            self._ask()

    def _unsubscribe(self) -> None:
        assert self._send is not None
        self._subscribed = self.whole = False
        self._send(osc.build("/rnnmuse/unsubscribe", ()))
        self._send(osc.build("/rnnmuse/watch", (0.0,)))

    def _ask(self) -> None:
        """Ask for the next values; when all were asked, pages get them."""
        if not self._subscribed or self._send is None:
            return
        asked = [self._questions.popleft() for _ in range(min(QUESTIONS, len(self._questions)))]
        for at in range(0, len(asked), TOGETHER):
            self._send(osc.bundle(osc.NOW, [osc.build(address, ()) for address in asked[at : at + TOGETHER]]))
        if asked:
            self._send(osc.build("/rnnmuse/ping", (_ASKED,)))
        elif not self.whole:
            self.whole = True
            self._wanted.clear()
            whole = self._whole()
            for page in self.pages:
                page.put(whole)

    def _whole(self) -> str:
        return json.dumps(["state", self.state], default=repr)

    def _turn(self, live: bool) -> None:
        if live != self.live:
            self.live = live
            self._tell("live", int(live))
            if self._changed is not None:
                self._changed(live)

    def _tell(self, *message: Any) -> None:
        if self.pages:
            text = json.dumps(message, default=repr)
            for page in self.pages:
                page.put(text)

    def _set(self, address: str, *values: Any) -> None:
        """Tell pages a value; before all are known, they get them together, but for those that a page asked for."""
        if self.pages and (self.whole or address in self._wanted):
            text = json.dumps([address, *values], default=repr)
            for page in self.pages:
                page.set(address, text)

    def _hear(self, address: str, arguments: tuple[Any, ...]) -> None:
        self.also_hears(address, arguments)
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
