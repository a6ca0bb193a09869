"""The table at work: packets and messages to the handlers that the rows of `rnnmuse.protocol` name."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_address import AddressSpace, is_pattern
from rnnmuse.bridges.osc_server import Client
from rnnmuse.protocol import TABLE, Entry, ProtocolError, Row, addresses
from rnnmuse.realtime.control.call import LOCAL, Call, Fail, Reply
from rnnmuse.realtime.scheduler import Scheduler

log = logging.getLogger("rnnmuse.stage")

Handler = Callable[..., None]

FARTHEST = 60.0
"""Seconds that a time tag may lie ahead."""

MOST_TIMED, MOST_OF_ONE = 2048, 1024
"""Messages with a time tag that may wait: of all senders, and of one, so that none shuts the others out."""


class Control:
    """Takes packets by `handle` and messages by `take`. ``nouns`` are the handlers' objects by the name of their file.

    Every row has its handler from the beginning: AttributeError where one is missing. Whatever is wrong with a message
    is answered with /rnnmuse/error, and changes nothing.
    """

    def __init__(
        self,
        nouns: Mapping[str, object],
        scheduler: Scheduler,
        reply: Reply,
        fail: Fail,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._scheduler, self._reply, self._fail, self._wall = scheduler, reply, fail, wall
        self._timed: Counter[Client] = Counter()
        self.addresses = _known()
        self._space = AddressSpace(_tree())
        self.took: Callable[[Client, Entry, str, list[Any]], None] = lambda *message: None
        """Called after a message was acted on."""
        self.setters: dict[str, Handler] = {}
        self.getters: dict[str, Handler] = {}
        for row in TABLE:
            if row.access != "r":
                self.setters[row.handler] = _method(nouns, row)
                if row.access == "rw":
                    self.getters[row.handler] = _method(nouns, row, "get_")

    def handle(self, data: bytes, client: Client) -> None:
        """Take one packet from a client. The stage's lock is given back between two addresses."""
        try:
            messages = osc.parse(data)
        except ProtocolError as error:
            self._fail(client, "packet", error)
            return
        budget = osc.Budget()
        for message in messages:
            if message.tag > osc.NOW and (wait := osc.seconds_of(message.tag) - self._wall()) > 0.0005:
                with self._scheduler.turn():
                    self._later(message, client, wait)
            else:
                self._take(message.address, message.arguments, client, budget)
            if budget.over:
                return

    def take(self, address: str, *arguments: Any, client: Client = LOCAL) -> None:
        """Take a message from this process, such as a rig's; a mistake goes to the subscribers."""
        with self._scheduler.lock:
            self._take(address, arguments, client, osc.Budget())

    def check(self, address: str, *arguments: Any) -> None:
        """ProtocolError if the message could not be taken."""
        if address not in self.addresses:
            raise ProtocolError("address", f"{address[:80]}: not known; docs/osc.md lists every address")
        self.addresses[address].row.check(address, arguments)

    def value(self, address: str) -> Any:
        """The answer of a getter that answers at once, for this process itself."""
        found: list[Any] = []
        entry = self.addresses[address]
        call = Call(
            address, LOCAL, entry.player, entry.word, lambda client, to, values: found.extend(values), self._fail
        )
        self.getters[entry.row.handler](call)
        return found[0] if len(found) == 1 else found

    def _later(self, message: osc.Message, client: Client, wait: float) -> None:
        if wait > FARTHEST:
            text = f"{message.address[:80]}: due in {wait:.0f} s; must be within {FARTHEST:.0f} s"
            self._fail(client, message.address, ProtocolError("time", text))
        elif self._timed[client] >= MOST_OF_ONE or self._timed.total() >= MOST_TIMED:
            most = MOST_OF_ONE if self._timed[client] >= MOST_OF_ONE else MOST_TIMED
            text = f"{message.address[:80]}: {most} messages wait for their time already; must be fewer"
            self._fail(client, message.address, ProtocolError("limit", text))
        else:
            self._timed[client] += 1

            def act() -> None:
                self._timed[client] -= 1
                if not self._timed[client]:
                    del self._timed[client]
                self._take(message.address, message.arguments, client, osc.Budget())

            self._scheduler.commands.at(self._scheduler.now() + round(wait * 1e9), act)
            self._scheduler.wake()

    def _take(self, address: str, arguments: tuple[Any, ...], client: Client, budget: osc.Budget) -> None:
        try:
            if is_pattern(address):
                found = self._space.match(address, budget)
            else:
                budget.spend()
                found = (address,) if address in self.addresses else ()
            if not found:
                raise ProtocolError("address", f"{address[:80]}: not known; /rnnmuse/list says what is")
            for one in found:
                if not arguments and self.addresses[one].row.access == "rw":
                    budget.spend(osc.ANSWER)
                with self._scheduler.turn():
                    self._do(self.addresses[one], one, arguments, client)
        except ProtocolError as error:
            self._fail(client, address, error)

    def _do(self, entry: Entry, address: str, arguments: tuple[Any, ...], client: Client) -> None:
        try:
            self._call(entry, address, arguments, client)
        except ProtocolError as error:
            self._fail(client, address, error)
        except Exception as error:  # a mistake of ours: it is reported, and the music goes on
            log.exception("%s", address)
            self._fail(client, address, ProtocolError("internal", f"{address}: {type(error).__name__}"))

    def _call(self, entry: Entry, address: str, arguments: tuple[Any, ...], client: Client) -> None:
        row = entry.row
        if row.access == "r":
            raise ProtocolError("access", f"{address}: is sent, not taken")
        call = Call(address, client, entry.player, entry.word, self._reply, self._fail)
        if row.access == "rw" and not arguments:
            self.getters[row.handler](call)
            return
        if not row.arguments and not row.free and arguments in ((1,), (0,)):
            if not arguments[0]:
                return  # a button that is let go
            arguments = ()  # a trigger works with 1 or T too
        values = list(arguments) if row.free else row.check(address, arguments)
        self.setters[row.handler](call, *values)
        self.took(client, entry, address, values)


_known = cache(addresses)


@cache
def _tree() -> AddressSpace:
    return AddressSpace(_known())


def _method(nouns: Mapping[str, object], row: Row, prefix: str = "") -> Handler:
    noun, name = row.handler.split(".")
    if noun not in nouns or not hasattr(nouns[noun], prefix + name):
        raise AttributeError(f"{row.address}: no handler {noun}.{prefix}{name}")
    method: Handler = getattr(nouns[noun], prefix + name)
    return method
