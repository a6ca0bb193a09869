"""The screen's web server: the page's files, a WebSocket for each page, and a line to the stage (TCP, SLIP frames)."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from rnnmuse.bridges import osc, slip
from rnnmuse.web.relay import MOST_CHARACTERS, Page, Relay

PAGES = 32
"""Pages at once."""
AGAIN = 0.5
"""Seconds between two tries to reach the stage, and between two ticks of the relay."""
UNSENT = 1 << 16
"""Bytes that may wait for the stage before more is thrown away: it does not read."""


class Files(StaticFiles):
    """Files that a browser asks for anew after each update of rnnmuse."""

    def file_response(self, *args: Any, **more: Any) -> Response:
        response = super().file_response(*args, **more)
        response.headers["Cache-Control"] = "no-cache"
        return response


def application(relay: Relay, osc_port: int, host: str = "127.0.0.1", own: Path | None = None) -> Starlette:
    """The screen as an ASGI application. ``own`` is a folder with a page of the user's, served under /own/."""

    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        line = asyncio.create_task(follow(relay, osc_port))
        yield
        relay.close()
        await _end(line)

    async def page(web: WebSocket) -> None:
        if not is_own(web.headers, host) or len(relay.pages) >= PAGES:
            await web.close()
            return
        await web.accept()
        joined = relay.join()
        tasks = [asyncio.create_task(work) for work in (_out(web, joined), _in(web, joined, relay), joined.slow.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:  # one that is slow is not told so: it does not read
            relay.leave(joined)
            await _end(*tasks)

    routes = [WebSocketRoute("/socket", page), Mount("/", Files(directory=Path(__file__).parent / "page", html=True))]
    if own is not None:
        routes.insert(1, Mount("/own", Files(directory=own, html=True)))
    return Starlette(routes=routes, lifespan=life)


def is_own(headers: Mapping[str, str], host: str) -> bool:
    """Whether a page of this server asks for a WebSocket.

    Its origin must be the host that it asks: an IP address, localhost or the host that is served. Another name could
    be made to point here (DNS rebinding).
    """
    scheme, _, asked = headers.get("origin", "").partition("://")
    if scheme != "http" or asked != headers.get("host"):
        return False
    with contextlib.suppress(ValueError):
        name = urlsplit(f"//{asked}").hostname or ""
        return name in ("localhost", host) or bool(ipaddress.ip_address(name))
    return False


async def _out(web: WebSocket, page: Page) -> None:
    while True:
        for message in await page.take():
            await (web.send_text(message) if isinstance(message, str) else web.send_bytes(message))


async def _in(web: WebSocket, page: Page, relay: Relay) -> None:
    while (message := await web.receive())["type"] == "websocket.receive":
        relay.take(page, message.get("text") or "")


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def follow(relay: Relay, port: int) -> None:
    """Keep a line to the stage, at a port of this machine, for ever."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.closing(writer):
                await _listen(relay, reader, writer)
        await asyncio.sleep(AGAIN)


async def _listen(relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    def send(packet: bytes) -> None:
        if writer.transport.get_write_buffer_size() < UNSENT:
            writer.write(slip.encode(packet))

    decoder = slip.Decoder(osc.MAX_BYTES)
    relay.connected(send)
    try:
        while not reader.at_eof() and reader.exception() is None:
            relay.tick()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN):
                    for packet in decoder.feed(await reader.read(65536)):
                        relay.packet(packet)
    finally:
        relay.lost()


def bind(host: str, port: int) -> socket.socket:
    """The socket to serve on; OSError names what could not be had."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OSError(f"{host} port {port}: {error.strerror}; --host and --port name another") from None


def serve(relay: Relay, sock: socket.socket, osc_port: int, host: str, own: Path | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # a page's damaged frame is no news
    config = uvicorn.Config(
        application(relay, osc_port, host, own), ws="websockets-sansio", ws_max_size=4 * MOST_CHARACTERS,
        ws_per_message_deflate=False, access_log=False, log_config=None, server_header=False,
        timeout_graceful_shutdown=1)  # fmt: skip
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[sock])
