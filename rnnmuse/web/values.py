"""Values of the stage's getters, asked by OSC over a TCP connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any

from rnnmuse.bridges import osc, slip
from rnnmuse.errors import RnnmuseError
from rnnmuse.protocol import ProtocolError

KEPT = 0.5
"""Seconds for which a value is not asked for again."""
PATIENCE, ENGINE = 2.0, 2.0
"""Seconds to wait for the stage's answers, and then for those that it gives once its engine has moved on."""
TOGETHER, PACKETS = 8, 4
"""Getters in a packet, and packets before the answers are waited for: the stage's other clients get their turns."""
PAUSE = 0.004
"""Seconds between two such rounds."""

Value = tuple[Any, ...]


class AwayError(RnnmuseError):
    """The stage does not answer."""


class Values:
    """The stage's values, as they were ``kept`` seconds ago at most. One question is on its way at a time."""

    def __init__(self, host: str, port: int, kept: float = KEPT, now: Callable[[], float] = time.monotonic) -> None:
        self._host, self._port, self._kept, self._now = host, port, kept, now
        self._known: dict[str, tuple[float, Value | None]] = {}
        self._asking = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._handled: asyncio.Future[None] | None = None
        self._number = 0

    async def ask(self, addresses: Iterable[str], age: float | None = None) -> dict[str, Value]:
        """The values of getters, none of them older than ``age`` seconds (as old as ``kept`` says without).

        An address that has no value, such as the latent point of a player without a phrase model, is left out.
        AwayError where the stage does not answer.
        """
        wanted = list(addresses)
        async with self._asking:
            since = self._now() - (self._kept if age is None else age)
            missing, hangs = self._unknown(wanted, since), False
            for at in range(0, len(missing), TOGETHER * PACKETS):
                if at:
                    await asyncio.sleep(PAUSE)
                some, asked = missing[at : at + TOGETHER * PACKETS], self._now()
                await self._round(some)
                late = self._unknown(some, asked)
                if late and not hangs:  # they wait for the engine, which may be at work, or begin
                    hangs = not await self._caught_up()
                for one in self._unknown(late, asked):  # what was not answered has no value
                    self._known[one] = asked, None
            return {one: value for one in wanted if (value := self._known[one][1]) is not None}

    def _unknown(self, addresses: Iterable[str], since: float) -> list[str]:
        """The addresses of which nothing is known that is as new."""
        return [one for one in addresses if one not in self._known or self._known[one][0] < since]

    async def _caught_up(self) -> bool:
        """Wait until the engine has handled what came before, and not for long; returns whether it has."""
        try:
            async with asyncio.timeout(ENGINE):
                await self._exchange([], "/rnnmuse/sync")
        except (OSError, TimeoutError):
            return False
        return True

    async def _round(self, addresses: list[str]) -> None:
        """Ask for some values, and wait until the stage has handled the questions."""
        questions = [osc.build(address, ()) for address in addresses]
        starts = range(0, len(questions), TOGETHER)
        packets = [osc.bundle(osc.NOW, questions[at : at + TOGETHER]) for at in starts]
        try:
            async with asyncio.timeout(PATIENCE):
                if self._writer is not None:
                    with contextlib.suppress(ConnectionError):  # of a stage that is gone; another may be there
                        await self._exchange(packets)
                        packets = []
                if packets:
                    await self._exchange(packets)
        except (OSError, TimeoutError) as error:
            self.close()
            raise AwayError(f"rnnmuse live does not answer on port {self._port}") from error

    async def _exchange(self, packets: list[bytes], last: str = "/rnnmuse/ping") -> None:
        """Send packets, and wait until the stage has handled them and the question that follows them."""
        if self._writer is None:
            reader, self._writer = await asyncio.open_connection(self._host, self._port)
            self._reading = asyncio.create_task(self._read(reader))
        self._number += 1
        self._handled = asyncio.get_running_loop().create_future()
        for packet in (*packets, osc.build(last, (self._number,))):
            self._writer.write(slip.encode(packet))
        await self._handled

    async def _read(self, reader: asyncio.StreamReader) -> None:
        decoder = slip.Decoder(osc.MAX_BYTES)
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                for packet in decoder.feed(data):
                    with contextlib.suppress(ProtocolError):
                        for message in osc.parse(packet):
                            self._take(message)
        if self._handled is not None and not self._handled.done():
            self._handled.set_exception(ConnectionError("the stage closed the connection"))
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def _take(self, message: osc.Message) -> None:
        if message.address not in ("/rnnmuse/pong", "/rnnmuse/synced"):
            self._known[message.address] = self._now(), message.arguments
        elif message.arguments == (self._number,) and self._handled is not None and not self._handled.done():
            self._handled.set_result(None)

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()
        self._reading = self._writer = None
