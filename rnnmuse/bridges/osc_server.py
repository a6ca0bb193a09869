"""The OSC sockets of the stage: UDP, and TCP with SLIP frames on the same port number.

One thread selects, reads and handles. Reading is quick: packets go to an `Inbox`, which serves the senders in turn, a
slice of time after each round of reading. So a flood from one sender delays another's packet by a few milliseconds.
Any thread may send; none ever waits for a client.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import selectors
import socket
import struct
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, Protocol

from rnnmuse.bridges import osc, slip
from rnnmuse.bridges.osc_inbox import PACKETS, Inbox
from rnnmuse.bridges.osc_subscribers import Subscribers
from rnnmuse.system import MACHINE

log = logging.getLogger("rnnmuse.osc")

LEASE = 60.0
"""Seconds of a subscription that does not say how long."""
CONNECTIONS = 64
"""TCP clients at once. For one more, the one without a subscription that has been silent longest is let go."""
UNSENT = 1 << 16
"""Bytes that may wait for a TCP client before it is dropped."""
REPLY_PORTS = 1024
"""Senders whose reply port is remembered."""
RECEIVE_BUFFER = 1 << 22
"""Bytes of UDP that may wait to be read, as far as the system allows: its usual size loses what is past 270 packets."""
READ, SERVED, SLICE = 256, 64, 0.002
"""Of one round: packets read from UDP, packets handled, and seconds after which no further one is handled."""
REST = 0.0003
"""Seconds that the thread sleeps after a slice that left packets waiting: Linux stops a thread with real-time priority
that is never idle for 50 ms of each second, and other threads want their turn."""
TOLD = 1.0
"""Seconds between two errors that tell one sender of dropped packets, and between two reports of a failing handler."""

UDP_SEGMENT = 103
MOST_SEGMENTS = 32
"""Linux cuts what one call sends into datagrams of equal size, 64 at most: a quarter of the time of a call for each."""

PROMPT = 4
"""Clients that get a chord at its time. The others get it next, in the order in which they subscribed: each of them is
as much later as the last time, which disturbs less than taking turns."""
ASIDE = 64
"""Chords that may wait aside; with one more, the oldest leaves with the chord."""
BIT = 2
"""Clients that `OscServer.send_aside` sends to."""


class Client(NamedTuple):
    """The sender of a packet: a UDP address, or a TCP connection (which has a number).

    ``session`` is the session whose prefix its addresses have, and those of its answers; 0 for addresses without.
    """

    host: str
    port: int
    connection: int = 0
    session: int = 0


@lru_cache(128)
def _runs(packets: tuple[bytes, ...], session: int) -> list[tuple[list[bytes], int]]:
    """The packets in their order, in runs that one system call can send, with the size to cut each run by.

    The datagrams of a run are of one size, but for its last, which may be smaller.
    """
    if session:
        packets = tuple(osc.in_session(packet, session) for packet in packets)
    runs: list[tuple[list[bytes], int]] = []
    ended = True
    for packet in packets:
        if ended or len(packet) > runs[-1][1] or len(runs[-1][0]) >= MOST_SEGMENTS:
            runs.append(([], len(packet)))
        run, size = runs[-1]
        run.append(packet)
        ended = len(packet) < size
    return runs


class Waiting(Protocol):
    """Packets that wait to be handled: an `Inbox`."""

    def __bool__(self) -> bool: ...

    def waiting(self, sender: Client) -> int: ...

    def put(self, sender: Client, packet: bytes, shed: bool = True) -> int: ...

    def take(self) -> tuple[Client, bytes] | None: ...


@dataclass(slots=True)
class _Connection:
    stream: socket.socket
    """The client's TCP socket."""
    heard: float
    """When it last sent something, in monotonic seconds."""
    decoder: slip.Decoder = field(default_factory=lambda: slip.Decoder(osc.MAX_BYTES))
    """Makes packets of the bytes that come."""
    unsent: bytearray = field(default_factory=bytearray)
    """Bytes that the socket has not taken yet."""
    events: int = 0
    """What the selector watches it for."""
    broken: str = ""
    """Why it must be dropped, as soon as the selecting thread comes to it."""


class _Held:
    """Packets for some clients: one after another without others in between, within `OscServer.together`."""

    __slots__ = ("audience", "later", "packets", "prompt")

    def __init__(self, audience: object, prompt: list[Client], later: list[Client]) -> None:
        self.audience = audience
        self.prompt, self.later = prompt, dict.fromkeys(later)
        self.packets: list[bytes] = []


class OscServer:
    """Sockets on one port. ``handle`` is called with each packet and its client, in the thread that selects.

    `open` registers callbacks with a selector, as the data of its keys; its thread calls them without arguments.
    """

    def __init__(
        self,
        host: str,
        port: int,
        handle: Callable[[bytes, Client], None],
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.host, self.port, self._handle, self._now, self._sleep = host, port, handle, now, sleep
        self.subscribers: Subscribers[Client] = Subscribers(now)
        self.watchers: Subscribers[Client] = Subscribers(now)
        self.monitors: Subscribers[Client] = Subscribers(now)
        self._slice, self._rest = SLICE, REST
        self._inbox = self._made_inbox()
        self._reply_ports: OrderedDict[Client, int] = OrderedDict()
        self._udp: socket.socket | None = None
        self._tcp: socket.socket | None = None
        self._selector: selectors.BaseSelector | None = None
        self._connections: dict[Client, _Connection] = {}
        self._paused: set[Client] = set()
        self._count = 0
        self._buffer = memoryview(b"")
        self._bell: tuple[socket.socket, socket.socket] | None = None  # its near end, and the one that is rung
        self._rung = False
        self._attend: deque[Client] = deque()  # TCP clients that the selecting thread must look at
        self._spare: int | None = None  # a descriptor that is given up to turn a client away when there is no other
        self._told: OrderedDict[Client, float] = OrderedDict()
        self._failures, self._reported = 0, -TOLD
        self._held: list[_Held] = []
        self._aside: deque[_Held] = deque()  # those of their clients that are left, the oldest first
        self._in_order = threading.Lock()  # of what waits aside: taken while a client's part of it is sent
        self._holder = 0  # the thread whose packets are held back until the end of `together`
        self._segments = hasattr(socket.socket, "sendmsg")
        self._sending = threading.Lock()  # of what waits for TCP clients

    # -- life -----------------------------------------------------------------------------------------------

    def _made_inbox(self) -> Waiting:
        return Inbox()

    def open(self, selector: selectors.BaseSelector) -> None:
        """Take the port; OSError, with what to look for, where it is taken."""
        self._selector = selector
        self._udp, self._tcp = udp, tcp = self._bound()
        self.port = udp.getsockname()[1]
        self._spare = os.open(os.devnull, os.O_RDONLY)
        self._buffer = memoryview(bytearray(1 << 16))
        self._bell = bell, rung = socket.socketpair()
        for sock, act in ((udp, self._packets), (tcp, self._accept), (bell, self._answer_bell)):
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ, act)
        rung.setblocking(False)

    def _bound(self) -> tuple[socket.socket, socket.socket]:
        """The two sockets. A free UDP port may be taken for TCP: without a wish, another one is tried."""
        for attempt in range(8):
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            if MACHINE.shares_addresses:
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                udp.bind((self.host, self.port))
                tcp.bind((self.host, udp.getsockname()[1]))
                tcp.listen(CONNECTIONS)
            except OSError as error:
                udp.close()
                tcp.close()
                if self.port or attempt == 7:
                    text = f"port {self.port}: {error.strerror}; is rnnmuse live running already?"
                    raise OSError(text) from None
                continue
            return udp, tcp
        raise AssertionError

    def close(self) -> None:
        """Send what waits aside and close every socket; packets that came and still wait are not handled."""
        while self.send_aside():
            pass
        selector, self._selector = self._selector, None
        with self._sending:
            connections, self._connections = self._connections, {}
        bell, rung = self._bell or (None, None)
        sockets = [self._udp, self._tcp, bell, *(one.stream for one in connections.values())]
        self._udp = self._tcp = self._bell = None
        self._inbox = self._made_inbox()
        for sock in sockets:
            if sock is not None:
                if selector is not None:
                    with contextlib.suppress(KeyError, ValueError, OSError):
                        selector.unregister(sock)
                sock.close()
        if rung is not None:
            rung.close()
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    # -- in -------------------------------------------------------------------------------------------------

    def _packets(self) -> None:
        """Read what UDP has brought, up to `READ` packets, then handle a slice."""
        for _ in range(READ):
            if self._udp is None:
                return
            try:
                size, (host, port) = self._udp.recvfrom_into(self._buffer)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # an answer to a client that is gone came back
            client = Client(host, port)
            if lost := self._keep(client, bytes(self._buffer[:size])):
                self._tell_lost(client, lost)
        self._serve()

    def _keep(self, client: Client, packet: bytes, shed: bool = True) -> int:
        """Let a packet wait; returns how many were dropped for it."""
        return self._inbox.put(client, packet, shed)

    def _serve(self) -> None:
        """Handle packets for a slice of time; the bell brings the thread back for the rest."""
        end = self._now() + self._slice
        for _ in range(SERVED):
            item = self._inbox.take()
            if item is None:
                break
            client, packet = item
            try:
                self._handle(packet, client)
            except Exception:  # one bad packet must not end the music
                self._failures += 1
                if self._now() - self._reported >= TOLD:
                    self._reported = self._now()
                    log.exception("%d packets could not be handled; the last of %s", self._failures, client)
            if self._now() >= end:
                break
        for client in [one for one in self._paused if self._inbox.waiting(one) <= PACKETS // 2]:
            self._paused.discard(client)
            self._watch(client)
        self.subscribers.expire()
        self.watchers.expire()
        self.monitors.expire()
        if self._inbox:
            self._ring()
            self._sleep(self._rest)

    def _ring(self) -> None:
        """Let the selecting thread come back at once."""
        if not self._rung:
            self._rung = True
            if (bell := self._bell) is not None:
                with contextlib.suppress(OSError):
                    bell[1].send(b"x")

    def _answer_bell(self) -> None:
        if (bell := self._bell) is not None:
            with contextlib.suppress(OSError):
                bell[0].recv(64)
        self._rung = False  # first: what is added from here on rings again
        while self._attend:
            client = self._attend.popleft()
            connection = self._connections.get(client)
            if connection is not None and connection.broken:
                self._drop(client, connection.broken)
            else:
                self._watch(client)
        self._serve()

    def _tell_lost(self, client: Client, count: int) -> None:
        """Tell a sender, once a second at most, that it sends more than can be handled."""
        if self._now() - self._told.get(client, -TOLD) < TOLD:
            return
        self._told[client] = self._now()
        self._told.move_to_end(client)
        if len(self._told) > REPLY_PORTS:
            self._told.popitem(last=False)
        text = f"more than {PACKETS} packets wait; {count} or more of the oldest were dropped"
        log.warning("%s:%d: %s", client.host, client.port, text)
        self.send(self.target(client), osc.build("/rnnmuse/error", ("packet", "limit", text)))

    # -- TCP ------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        assert self._tcp is not None
        try:
            stream, (host, port) = self._tcp.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._turn_away()
            return
        if len(self._connections) >= CONNECTIONS and not self._make_room():
            log.warning("%s:%d: turned away; all %d TCP clients are subscribed", host, port, CONNECTIONS)
            stream.close()
            return
        stream.setblocking(False)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._count += 1
        client = Client(host, port, self._count)
        self._connections[client] = _Connection(stream, self._now())
        self._watch(client)

    def _turn_away(self) -> None:
        """No descriptor is left: close the client that waits, or the selector would report it for ever."""
        assert self._tcp is not None
        log.warning("a TCP client was turned away: too many open files")
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
            with contextlib.suppress(OSError):
                self._tcp.accept()[0].close()
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY)

    def _make_room(self) -> bool:
        """Drop the client without a subscription that has been silent longest; False where all are subscribed."""
        subscribed = self._subscribed()
        idle = [client for client in self._connections if client not in subscribed]
        if not idle:
            return False
        silent = min(idle, key=lambda client: self._connections[client].heard)
        self._drop(silent, "it was silent longest, and another client came")
        return True

    def _subscribed(self) -> set[Client]:
        return {one.client for one in self.subscribers.running()}

    def _watch(self, client: Client) -> None:
        """Let the selector watch a client's socket for what is wanted now."""
        connection = self._connections.get(client)
        if connection is None or self._selector is None:
            return
        reads = 0 if client in self._paused else selectors.EVENT_READ
        wanted = reads | (selectors.EVENT_WRITE if connection.unsent else 0)
        if wanted == connection.events:
            return
        if not connection.events:
            self._selector.register(connection.stream, wanted, lambda: self._ready(client))
        elif wanted:
            self._selector.modify(connection.stream, wanted, lambda: self._ready(client))
        else:
            self._selector.unregister(connection.stream)
        connection.events = wanted

    def _ready(self, client: Client) -> None:
        """A client's socket can be read or written."""
        connection = self._connections.get(client)
        if connection is None:
            return
        if connection.unsent:
            with self._sending:
                self._flush(client, connection)
        if client not in self._paused and not self._read(client, connection):
            return
        self._watch(client)
        self._serve()

    def _read(self, client: Client, connection: _Connection) -> bool:
        """Read once; False if the client is gone."""
        try:
            data = connection.stream.recv(1 << 14)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return False
        connection.heard = self._now()
        for packet in connection.decoder.feed(data):
            self._keep(client, packet, shed=False)
        if self._inbox.waiting(client) >= PACKETS:  # nothing of TCP is dropped: the client has to wait
            self._paused.add(client)
        return True

    def _drop(self, client: Client, why: str = "") -> None:
        """Close a TCP client's socket and forget it. What it sent before is still handled."""
        with self._sending:
            connection = self._connections.pop(client, None)
        if connection is None:
            return
        if why:
            log.warning("%s:%d is dropped: %s", client.host, client.port, why)
        if connection.events and self._selector is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(connection.stream)
        connection.stream.close()
        self._paused.discard(client)
        self._reply_ports.pop(client, None)
        self.subscribers.remove(client)
        self.watchers.remove(client)
        self.monitors.remove(client)

    # -- out ------------------------------------------------------------------------------------------------

    def target(self, client: Client) -> Client:
        """Where answers to a client go."""
        port = self._reply_ports.get(client)
        return client if port is None else client._replace(port=port)

    def reply_to(self, client: Client, port: int) -> None:
        """Send the answers to another port of the client's host. A TCP client gets them by its connection always."""
        if client.connection:
            return
        self._reply_ports[client] = port
        self._reply_ports.move_to_end(client)
        if len(self._reply_ports) > REPLY_PORTS:
            self._reply_ports.popitem(last=False)

    def subscribe(self, client: Client, seconds: float, ahead: int = 0) -> None:
        """Begin or renew a lease; ``ahead`` is in nanoseconds. ProtocolError ("limit") where there are too many."""
        self.subscribers.add(self.target(client), client, seconds, ahead)

    def unsubscribe(self, client: Client) -> None:
        """End the lease. What was sent before leaves before."""
        target = self.target(client)
        self._hurry(target)
        self.subscribers.remove(target)

    def lookaheads(self) -> frozenset[int]:
        """The look-aheads in use, in nanoseconds; not 0."""
        return self.subscribers.lookaheads()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What this thread sends inside leaves at the end, in as few system calls as may be.

        The first `PROMPT` clients get it then, and answers go then. What is for further clients, and what goes by TCP
        to a watcher, which shows notes and plays none, waits for `send_aside`: no chord waits for the last of 200
        subscribers to have the one before, and no instrument's note for a screen's.
        """
        self._holder = threading.get_ident()
        try:
            yield
        finally:
            self._holder = 0
            held, self._held = self._held, []
            for group in held:
                for client in group.prompt:
                    if client is group.audience or self._has_audience(client):
                        self._hurry(client)
                        self._send_all(client, group.packets)
                if group.later:
                    self._put_aside(group)

    def send_aside(self) -> bool:
        """Send what waits for the next `BIT` clients, of the oldest chord first; False once nothing waits.

        Called by the thread that uses `together`, between chords. Whatever goes to a client otherwise takes along what
        waits for it, so its packets keep their order.
        """
        with self._in_order:
            if self._aside:
                self._send_oldest(BIT)
            return bool(self._aside)

    def _hold(self, audience: object, clients: Callable[[], list[Client]], packet: bytes) -> None:
        """Keep a packet for an audience until the end of `together`."""
        if not self._held or self._held[-1].audience is not audience:
            prompt: list[Client] = []
            later: list[Client] = []
            for client in clients():
                screen = client.connection and client in self.watchers
                (later if screen or len(prompt) >= PROMPT else prompt).append(client)
            self._held.append(_Held(audience, prompt, later))
        self._held[-1].packets.append(packet)

    def _put_aside(self, group: _Held) -> None:
        with self._in_order:
            self._aside.append(group)
            if len(self._aside) > ASIDE:
                self._send_oldest()

    def _hurry(self, client: Client) -> None:
        """Send what waits aside for a client, before something else goes to it."""
        if self._aside:
            with self._in_order:
                for group in self._aside:
                    if client in group.later:
                        self._send_part(group, client)

    def _send_oldest(self, most: int | None = None) -> None:
        """Send the oldest waiting chord to its next ``most`` clients, without to all. The caller holds the lock."""
        group = self._aside[0]
        for client in list(islice(group.later, most)):
            self._send_part(group, client)
        if not group.later:
            self._aside.popleft()

    def _send_part(self, group: _Held, client: Client) -> None:
        """Send a client's part of what waits aside; one whose lease is over gets nothing. The caller holds the lock."""
        del group.later[client]
        if self._has_audience(client):
            self._send_all(client, group.packets)

    def _has_audience(self, client: Client) -> bool:
        """Whether a client has asked for what it was not the one to cause, and its lease runs."""
        return client in self.subscribers or client in self.watchers or client in self.monitors

    def tell(self, clients: Subscribers[Client], packet: bytes) -> None:
        """Send to the watchers, or to the monitors."""
        for one in clients.running():
            self.send(one.client, packet)

    def broadcast(self, packet: bytes, ahead: int | None = None) -> None:
        """Send to every subscriber, or to those of one look-ahead in nanoseconds."""
        if self._holder and self._holder == threading.get_ident():
            audience = self.subscribers.of(ahead)
            self._hold(audience, lambda: [one.client for one in self.subscribers.running(ahead)], packet)
        else:
            for one in self.subscribers.running(ahead):
                self._hurry(one.client)
                self._send(one.client, packet)

    def send(self, client: Client, packet: bytes) -> None:
        """Send one packet; one that cannot be sent is lost, as UDP's are."""
        if self._holder and self._holder == threading.get_ident():
            self._hold(client, lambda: [client], packet)
        else:
            self._hurry(client)
            self._send(client, packet)

    def _send(self, client: Client, packet: bytes) -> None:
        host, port, connection, session = client
        if session:
            packet = osc.in_session(packet, session)
        if connection:
            self._send_tcp(client, slip.encode(packet))
        elif self._udp is not None:
            with contextlib.suppress(OSError):
                self._udp.sendto(packet, (host, port))

    def _send_all(self, client: Client, packets: list[bytes]) -> None:
        """Send some packets in as few system calls as may be."""
        if len(packets) == 1:
            self._send(client, packets[0])
            return
        runs = _runs(tuple(packets), client.session)
        if client.session:
            client = client._replace(session=0)
        if client.connection:
            self._send_tcp(client, b"".join(slip.encode(packet) for run, _ in runs for packet in run))
        elif self._udp is not None:
            for run, size in runs:
                if len(run) == 1 or not self._segments or not self._send_segments(self._udp, run, size, client[:2]):
                    for packet in run:
                        self._send(client, packet)

    def _send_segments(self, udp: socket.socket, packets: list[bytes], size: int, to: tuple[str, int]) -> bool:
        """Send datagrams of one size by one call; False, from then on, where the system cannot."""
        try:
            udp.sendmsg(packets, [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", size))], 0, to)
        except BlockingIOError:
            pass  # lost, as UDP's are
        except OSError:
            self._segments = False
        return self._segments

    def _send_tcp(self, client: Client, frames: bytes) -> None:
        with self._sending:
            client = client._replace(session=0)
            connection = self._connections.get(client)
            if connection is None or connection.broken:
                return
            connection.unsent += frames
            self._flush(client, connection)

    def _flush(self, client: Client, connection: _Connection) -> None:
        """Send what the client takes now; the selecting thread sees to the rest. The caller holds the lock."""
        try:
            sent = connection.stream.send(connection.unsent)
            del connection.unsent[:sent]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            connection.broken = error.strerror or "its connection is broken"
        if len(connection.unsent) > UNSENT:
            connection.broken = f"more than {UNSENT} bytes wait for it; it does not read"
        if connection.broken or (connection.unsent and not connection.events & selectors.EVENT_WRITE):
            self._attend.append(client)
            self._ring()
