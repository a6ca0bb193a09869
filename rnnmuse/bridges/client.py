"""Clients of a running stage, over UDP: `Client`, and `AsyncClient` for asyncio. docs/osc.md lists the addresses.

with Client() as stage:
    stage.set("/rnnmuse/transport/tempo", 96)
    stage.send("/rnnmuse/player/1/start")
    for note in stage.notes(seconds=8):
        print(note.pitch, note.beat)
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from rnnmuse.bridges import osc
from rnnmuse.errors import RnnmuseError
from rnnmuse.protocol import PORT

Value = str | int | float | bool | bytes
Values = tuple[Value, ...]

LEASE = 60.0
"""Seconds for which a client subscribes; it renews at half of it."""
LARGEST = 65536
PATIENCE = 3.0
"""Seconds that a client waits for an answer."""
_NOTE = re.compile(r"/rnnmuse/out/(\d+)/note")


class StageError(RnnmuseError):
    """The stage refused a message, or does not answer.

    ``address`` is the message's; ``code`` is the stage's, empty where it did not answer.
    """

    def __init__(self, text: str, address: str = "", code: str = "") -> None:
        super().__init__(text)
        self.address, self.code = address, code


@dataclass(frozen=True, slots=True)
class Heard:
    """A note of a player: ``pitch`` and ``velocity`` as in MIDI, velocity 0 at its end.

    ``beats`` is its length where that is known already, else 0; ``beat`` its position; ``player`` counts from 1.
    """

    player: int
    pitch: int
    velocity: int
    beats: float
    beat: float


class _Mail:
    """What came in: kept by address until it is asked for. It has no socket."""

    def __init__(self) -> None:
        self.waiting: deque[osc.Message] = deque(maxlen=4096)

    def take(self, packet: bytes) -> None:
        """Keep the messages of a packet; a damaged one is dropped."""
        with contextlib.suppress(RnnmuseError, ValueError):
            self.waiting.extend(osc.parse(packet))

    def find(self, wanted: Callable[[osc.Message], bool]) -> osc.Message | None:
        """Take out the first message that is wanted."""
        for message in self.waiting:
            if wanted(message):
                self.waiting.remove(message)
                return message
        return None

    def forget(self, address: str) -> None:
        """Drop answers of before: the next one belongs to the next question."""
        kept = [m for m in self.waiting if m.address != address and not _refusal(m, address)]
        self.waiting = deque(kept, maxlen=4096)


def _refusal(message: osc.Message, address: str) -> bool:
    return message.address == "/rnnmuse/error" and message.arguments[:1] == (address,)


def _answers(address: str, answer: str) -> Callable[[osc.Message], bool]:
    return lambda message: message.address == answer or _refusal(message, address)


def _read(message: osc.Message | None, address: str, port: int) -> Values:
    """The arguments of an answer; StageError for a refusal, or where none came."""
    if message is None:
        raise StageError(f"{address}: nothing answers on port {port}: start it with: rnnmuse live", address)
    if message.address == "/rnnmuse/error":
        code, text = [*map(str, message.arguments[1:3]), "", ""][:2]
        raise StageError(text, address, code)
    return message.arguments


def _heard(message: osc.Message) -> Heard:
    found = _NOTE.fullmatch(message.address)
    assert found is not None
    pitch, velocity, beats, beat = message.arguments[:4]
    return Heard(int(found[1]), int(pitch), int(velocity), float(beats), float(beat))


def _is_note(message: osc.Message) -> bool:
    return bool(_NOTE.fullmatch(message.address)) and len(message.arguments) >= 4


class Client:
    """A client of the stage on ``port`` of ``host``, to be used in a ``with`` statement. StageError where none answers.

    One thread may use it. ``patience`` is how many seconds it waits for an answer.
    """

    def __init__(self, port: int = PORT, host: str = "127.0.0.1", patience: float = PATIENCE) -> None:
        self.port, self.host, self.patience = port, host, patience
        self.version = ""
        """The version of the stage's rnnmuse."""
        self._mail = _Mail()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def __enter__(self) -> Client:
        try:
            self._socket.connect((self.host, self.port))
            self.version = str(self.ask("/rnnmuse/hello")[1])
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.send("/rnnmuse/unsubscribe")
        self._socket.close()

    def send(self, address: str, *values: Value) -> None:
        """Send a message and do not wait; `errors` has what was refused."""
        with contextlib.suppress(ConnectionError):
            self._socket.send(osc.build(address, values))

    def ask(self, address: str, *values: Value, answer: str = "") -> Values:
        """Send a message and return its answer's arguments; ``answer`` is its address where that is another one."""
        answer = answer or address
        self._mail.forget(answer)
        self.send(address, *values)
        return _read(self._wait(_answers(address, answer), self.patience), address, self.port)

    def set(self, address: str, *values: Value) -> Values:
        """Set a value that can be asked for, and return what the stage holds then. StageError says why it refuses."""
        self.send(address, *values)
        return self.ask(address)

    def notes(self, seconds: float | None = None) -> Iterator[Heard]:
        """The notes of all players as they sound, with their ends, for ``seconds`` or, without it, endlessly."""
        end = None if seconds is None else time.monotonic() + seconds
        renew = 0.0
        while (left := LEASE if end is None else end - time.monotonic()) > 0:
            if time.monotonic() >= renew:
                self.ask("/rnnmuse/subscribe", LEASE, answer="/rnnmuse/subscribed")
                renew = time.monotonic() + LEASE / 2
            message = self._wait(_is_note, min(left, renew - time.monotonic()))
            if message is not None:
                yield _heard(message)

    def errors(self) -> list[StageError]:
        """What the stage has refused since the last call."""
        self._wait(lambda message: False, 0.0)
        found = []
        while (message := self._mail.find(lambda m: m.address == "/rnnmuse/error")) is not None:
            address, code, text = [*map(str, message.arguments), "", "", ""][:3]
            found.append(StageError(text, address, code))
        return found

    def _wait(self, wanted: Callable[[osc.Message], bool], patience: float) -> osc.Message | None:
        end = time.monotonic() + patience
        while (message := self._mail.find(wanted)) is None:
            left = end - time.monotonic()
            self._socket.settimeout(max(left, 1e-4))
            try:
                self._mail.take(self._socket.recv(LARGEST))
            except (TimeoutError, BlockingIOError):
                return None
            except ConnectionError:  # nobody has the port
                return None
        return message


class AsyncClient:
    """`Client` for asyncio, to be used in an ``async with`` statement. Its tasks may share it."""

    def __init__(self, port: int = PORT, host: str = "127.0.0.1", patience: float = PATIENCE) -> None:
        self.port, self.host, self.patience = port, host, patience
        self.version = ""
        """The version of the stage's rnnmuse."""
        self._mail = _Mail()
        self._came: asyncio.Condition
        self._transport: asyncio.DatagramTransport

    async def __aenter__(self) -> AsyncClient:
        self._came = asyncio.Condition()
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._take), remote_addr=(self.host, self.port)
        )
        try:
            self.version = str((await self.ask("/rnnmuse/hello"))[1])
        except BaseException:
            self._transport.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.send("/rnnmuse/unsubscribe")
        self._transport.close()

    def send(self, address: str, *values: Value) -> None:
        """Send a message and do not wait."""
        self._transport.sendto(osc.build(address, values))

    async def ask(self, address: str, *values: Value, answer: str = "") -> Values:
        """Send a message and return its answer's arguments; ``answer`` is its address where that is another one."""
        answer = answer or address
        self._mail.forget(answer)
        self.send(address, *values)
        return _read(await self._wait(_answers(address, answer), self.patience), address, self.port)

    async def set(self, address: str, *values: Value) -> Values:
        """Set a value that can be asked for, and return what the stage holds then. StageError says why it refuses."""
        self.send(address, *values)
        return await self.ask(address)

    async def notes(self, seconds: float | None = None) -> AsyncIterator[Heard]:
        """The notes of all players as they sound, with their ends, for ``seconds`` or, without it, endlessly."""
        end = None if seconds is None else time.monotonic() + seconds
        renew = 0.0
        while (left := LEASE if end is None else end - time.monotonic()) > 0:
            if time.monotonic() >= renew:
                await self.ask("/rnnmuse/subscribe", LEASE, answer="/rnnmuse/subscribed")
                renew = time.monotonic() + LEASE / 2
            message = await self._wait(_is_note, min(left, renew - time.monotonic()))
            if message is not None:
                yield _heard(message)

    def _take(self, packet: bytes) -> None:
        self._mail.take(packet)
        asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()

    async def _wait(self, wanted: Callable[[osc.Message], bool], patience: float) -> osc.Message | None:
        found: list[osc.Message] = []

        def look() -> bool:
            message = self._mail.find(wanted)
            found.extend([message] if message is not None else [])
            return message is not None

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(patience, 0.0)), self._came:
                await self._came.wait_for(look)
        return found[0] if found else None


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take_packet = take

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._take_packet(data)
