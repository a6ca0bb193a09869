"""One OSC port for several sessions: `/rnnmuse/session/{s}/…` goes to session s, every other address to session 1.

A packet is sorted when it is read, and waits in the queue of its session and sender. The sessions are served by the
time that each has taken, so a flood to one delays the packets of another by that of one packet.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_address import AddressSpace, is_pattern
from rnnmuse.bridges.osc_inbox import Inbox
from rnnmuse.bridges.osc_server import Client, OscServer
from rnnmuse.protocol import ProtocolError

SENDERS = 32
"""Senders of one session with queues of their own."""

SLICE = REST = 0.001
"""As in `osc_server`: a flood takes half of the thread's time at most, and the notes of the other sessions have the
rest."""

Handle = Callable[[bytes, Client], None]


def session_of(client: Client) -> int:
    """The session that a client of the common port speaks to."""
    return client.session or 1


class SessionInbox:
    """Packets by session, then by sender. The session that has been served for the shortest time is next: start-time
    fair queueing (Goyal, Vin, Cheng 1996). Used by one thread."""

    def __init__(self) -> None:
        self._inboxes: dict[int, Inbox[Client]] = {}
        self._served: dict[int, float] = {}  # seconds, or where the others were when it came to them
        self._least = 0.0

    def __bool__(self) -> bool:
        return bool(self._inboxes)

    def waiting(self, sender: Client) -> int:
        """How many packets wait in the longest queue of a sender."""
        plain = sender._replace(session=0)
        longest = max((i.waiting(sender._replace(session=s)) for s, i in self._inboxes.items()), default=0)
        return max(longest, self._inboxes[1].waiting(plain) if 1 in self._inboxes else 0)

    def put(self, sender: Client, packet: bytes, shed: bool = True) -> int:
        """Add a packet; see `Inbox.put`."""
        number = session_of(sender)
        if number not in self._inboxes:
            self._inboxes[number] = Inbox(SENDERS)
            self._served[number] = max(self._served.get(number, 0.0), self._least)
        return self._inboxes[number].put(sender, packet, shed)

    def take(self) -> tuple[Client, bytes] | None:
        """The next packet; None where none waits."""
        if not self._inboxes:
            return None
        number = min(self._inboxes, key=self._served.__getitem__)
        self._least = self._served[number]
        item = self._inboxes[number].take()
        if not self._inboxes[number]:
            del self._inboxes[number]
        return item

    def charge(self, number: int, seconds: float) -> None:
        """A packet of this session has taken so long."""
        self._served[number] = self._served.get(number, 0.0) + seconds


class CommonServer(OscServer):
    """The port that all of ``count`` sessions share, and the server of session 1. ``join`` adds another session's."""

    def __init__(
        self,
        host: str,
        port: int,
        handle: Handle,
        count: int,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fair = SessionInbox()
        super().__init__(host, port, self._dispatch, now, sleep)
        self._slice, self._rest = SLICE, REST
        self.count = count
        self.give_way: Callable[[], None] = lambda: None
        """Called before each packet is sorted or handled; may wait."""
        self._handles: dict[int, Handle] = {1: handle}
        self._others: dict[int, OscServer] = {}
        self._space = AddressSpace(f"/{number}" for number in range(1, count + 1))

    def join(self, number: int, server: OscServer, handle: Handle) -> None:
        """Give session ``number`` what comes for it; ``server`` has its subscribers."""
        self._handles[number], self._others[number] = handle, server

    def _made_inbox(self) -> SessionInbox:
        self._fair = SessionInbox()
        return self._fair

    def _keep(self, client: Client, packet: bytes, shed: bool = True) -> int:
        self.give_way()
        lost = 0
        for name, part in osc.by_session(packet).items():
            for number in self._numbers(name):
                lost += self._fair.put(client._replace(session=number), part, shed)
            if name and not self._numbers(name):  # it is refused when its turn comes
                lost += self._fair.put(client._replace(session=-1), name, shed)
        return lost

    def _numbers(self, name: bytes) -> list[int]:
        """The sessions that a name, such as 12 or *, stands for: 0 for none named, and empty where there is none."""
        text = name.decode("ascii", "replace")
        if not text:
            return [0]
        if is_pattern(text):
            try:
                return [int(found[1:]) for found in self._space.match(f"/{text}")]
            except ProtocolError:
                return []
        return [int(text)] if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= self.count else []

    def _dispatch(self, packet: bytes, client: Client) -> None:
        self.give_way()
        began = self._now()
        try:
            if client.session < 0:
                text = f"session: {packet.decode('utf-8', 'replace')[:40]}; must be 1 to {self.count}"
                answer = osc.build("/rnnmuse/error", ("/rnnmuse/session", "range", text))
                self.send(self.target(client._replace(session=0)), answer)
            else:
                self._handles[session_of(client)](packet, client)
        finally:
            self._fair.charge(session_of(client), self._now() - began)

    def _drop(self, client: Client, why: str = "") -> None:
        super()._drop(client, why)
        for number, server in ((1, self), *self._others.items()):
            here = client._replace(session=number)
            for audience in (server.subscribers, server.watchers, server.monitors):
                audience.remove(here)

    def _subscribed(self) -> set[Client]:
        servers = (self, *self._others.values())
        return {one.client._replace(session=0) for server in servers for one in server.subscribers.running()}


class SessionServer(OscServer):
    """The server of one further session: its subscribers, who send by the ``common`` port or by its own.

    ``own`` says whether it has a port of its own, where addresses have no prefix.
    """

    def __init__(self, common: CommonServer, number: int, port: int, handle: Handle, own: bool) -> None:
        super().__init__(common.host, port, handle, common._now, common._sleep)
        self._common, self._own = common, own
        common.join(number, self, handle)

    def open(self, selector: selectors.BaseSelector) -> None:
        """Take its own port, if it has one."""
        if self._own:
            super().open(selector)
        else:
            self.port = self._common.port

    def _send(self, client: Client, packet: bytes) -> None:
        if client.session:
            self._common._send(client, packet)
        else:
            super()._send(client, packet)

    def _send_all(self, client: Client, packets: list[bytes]) -> None:
        if client.session:
            self._common._send_all(client, packets)
        else:
            super()._send_all(client, packets)
