"""The OSC sockets: UDP, TCP with SLIP on the same number, who asked, who has subscribed, where answers go."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from rnnmuse.bridges import osc, slip

LEASE = 60.0
CONNECTIONS = 32
UNSENT = 1 << 16
"""Bytes that may wait for a TCP client before it is let go."""

RECEIVE_BUFFER = 1 << 20
"""Bytes of UDP that may wait to be read, as far as the system allows: its usual size loses what is past 270 packets."""

UDP_SEGMENT = 103
MOST_SEGMENTS = 32
"""Linux cuts what one call sends into datagrams of equal size, 64 at most: a quarter of the time of a call for each."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who sent a packet: a UDP address, or a TCP connection (which has a number)."""

    host: str
    port: int
    connection: int = 0


@dataclass(slots=True)
class Lease:
    """A subscription: until when (monotonic seconds), and how many nanoseconds ahead of their time it gets notes."""

    until: float
    ahead: int = 0


class _Connection:
    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.decoder = slip.Decoder(osc.MAX_BYTES)
        self.unsent = bytearray()


class OscServer:
    """Sockets on one port. ``deliver`` is called with each packet and its client, in the thread that selects."""

    def __init__(self, host: str, port: int, deliver: Callable[[bytes, Client], None]) -> None:
        self.host, self.port, self._deliver = host, port, deliver
        self.subscribers: dict[Client, Lease] = {}
        self._reply_ports: dict[Client, int] = {}
        self._udp: socket.socket | None = None
        self._tcp: socket.socket | None = None
        self._connections: dict[int, _Connection] = {}
        self._count = 0
        self._selector: selectors.BaseSelector | None = None
        self._held: dict[Client, list[bytes]] = {}
        self._holder = 0  # the thread whose packets are held back until the end of `together`
        self._segments = hasattr(socket.socket, "sendmsg")
        self._sending = threading.Lock()  # a cover's progress is told by a thread of its own

    def open(self, selector: selectors.BaseSelector) -> None:
        """Take the port; OSError, with what to look for, where it is taken."""
        self._selector = selector
        for attempt in range(8):
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                udp.bind((self.host, self.port))
                tcp.bind((self.host, udp.getsockname()[1]))
                tcp.listen(8)
            except OSError as error:
                udp.close()
                tcp.close()
                if self.port or attempt == 7:  # a free UDP port may be taken for TCP: try another
                    text = f"port {self.port}: {error.strerror}; is rnnmuse live running already?"
                    raise OSError(text) from None
                continue
            break
        self._udp, self._tcp, self.port = udp, tcp, udp.getsockname()[1]
        for sock, act in ((udp, self._packets), (tcp, self._accept)):
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ, act)

    def close(self) -> None:
        """Close every socket."""
        for sock in (self._udp, self._tcp, *(c.stream for c in self._connections.values())):
            if sock is not None:
                sock.close()
        self._udp = self._tcp = None
        self._connections.clear()

    # -- in -------------------------------------------------------------------------------------------------

    def _packets(self) -> None:
        assert self._udp is not None
        for _ in range(64):  # then let the others have a turn
            try:
                data, (host, port) = self._udp.recvfrom(65536)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an answer to a client that is gone came back
            self._deliver(data, Client(host, port))

    def _accept(self) -> None:
        assert self._tcp is not None
        assert self._selector is not None
        with contextlib.suppress(OSError):
            stream, (host, port) = self._tcp.accept()
            if len(self._connections) >= CONNECTIONS:
                stream.close()
                return
            stream.setblocking(False)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._count += 1
            client = Client(host, port, self._count)
            self._connections[client.connection] = _Connection(stream)
            self._selector.register(stream, selectors.EVENT_READ, lambda: self._read(client))

    def _read(self, client: Client) -> None:
        connection = self._connections.get(client.connection)
        if connection is None:
            return
        try:
            data = connection.stream.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        for packet in connection.decoder.feed(data):
            self._deliver(packet, client)

    def _drop(self, client: Client) -> None:
        connection = self._connections.pop(client.connection, None)
        self.subscribers.pop(client, None)
        if connection is not None and self._selector is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(connection.stream)
            connection.stream.close()

    # -- out ------------------------------------------------------------------------------------------------

    def target(self, client: Client) -> Client:
        """Where answers to a client go."""
        return Client(client.host, self._reply_ports.get(client, client.port), client.connection)

    def reply_to(self, client: Client, port: int) -> None:
        """Send the answers to another port of the client's host."""
        self._reply_ports[client] = port

    def subscribe(self, client: Client, seconds: float, ahead: int = 0) -> None:
        """Begin or renew a lease."""
        self.subscribers[self.target(client)] = Lease(time.monotonic() + seconds, ahead)

    def unsubscribe(self, client: Client) -> None:
        """End the lease."""
        self.subscribers.pop(self.target(client), None)

    def leased(self) -> Iterator[tuple[Client, Lease]]:
        """The subscribers whose lease runs."""
        now = time.monotonic()
        for client, lease in list(self.subscribers.items()):
            if lease.until < now:
                self.subscribers.pop(client, None)
            else:
                yield client, lease

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What this thread sends inside leaves at the end, in as few system calls as may be."""
        self._holder = threading.get_ident()
        try:
            yield
        finally:
            self._holder = 0
            held, self._held = self._held, {}
            for client, packets in held.items():
                self._send(client, packets)

    def send(self, client: Client, packet: bytes) -> None:
        """Send one packet; one that cannot be sent is lost, as UDP's are."""
        if self._holder and self._holder == threading.get_ident():
            self._held.setdefault(client, []).append(packet)
        else:
            self._send(client, [packet])

    def _send(self, client: Client, packets: list[bytes]) -> None:
        if client.connection:
            with self._sending:
                self._send_tcp(client, b"".join(map(slip.encode, packets)))
        elif self._udp is not None:
            to = (client.host, client.port)
            for size, equal in groupby(packets, len):
                run = list(equal)
                while len(run) > 1 and self._segments and self._send_segments(run[:MOST_SEGMENTS], size, to):
                    run = run[MOST_SEGMENTS:]
                for packet in run:
                    with contextlib.suppress(OSError):
                        self._udp.sendto(packet, to)

    def _send_segments(self, packets: list[bytes], size: int, to: tuple[str, int]) -> bool:
        """Send datagrams of one size by one call; False, from then on, where the system cannot."""
        assert self._udp is not None
        try:
            self._udp.sendmsg(packets, [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", size))], 0, to)
        except BlockingIOError:
            pass  # lost, as UDP's are
        except OSError:
            self._segments = False
        return self._segments

    def _send_tcp(self, client: Client, frame: bytes) -> None:
        connection = self._connections.get(client.connection)
        if connection is None:
            return
        connection.unsent += frame
        with contextlib.suppress(BlockingIOError, InterruptedError):
            try:
                sent = connection.stream.send(connection.unsent)
            except (BrokenPipeError, ConnectionError):
                self.subscribers.pop(client, None)  # its reader sees the end and lets it go
                return
            del connection.unsent[:sent]
        if len(connection.unsent) > UNSENT:  # it does not read: never wait for it
            with contextlib.suppress(OSError):
                connection.stream.shutdown(socket.SHUT_RDWR)

    def broadcast(self, packet: bytes, ahead: int | None = None) -> None:
        """Send to every subscriber, or to those of one look-ahead."""
        for client, lease in self.leased():
            if ahead is None or lease.ahead == ahead:
                self.send(client, packet)
