"""The screen's web server: the page's files, a WebSocket for each page, and a line to the stage (TCP, SLIP frames)."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from rnnmuse.bridges import osc, slip
from rnnmuse.web.relay import MOST_CHARACTERS, Page, Relay

PAGES = 32
"""Pages at once."""
AGAIN = 0.5
"""Seconds between two tries to reach the stage, and between two ticks of the relay."""
UNSENT = 1 << 16
"""Bytes that may wait for the stage before more is thrown away, and in the system for a page."""
HERE = Path(__file__).parent


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
        async with anyio.create_task_group() as group:
            group.start_soon(follow, relay, osc_port)
            yield
            relay.close()
            group.cancel_scope.cancel()

    async def page(web: WebSocket) -> None:
        if not is_own(web.headers, host) or len(relay.pages) >= PAGES:
            await web.close()
            return
        await web.accept()
        joined = relay.join()
        try:
            async with anyio.create_task_group() as group:
                for work in (_out(web, joined), _in(web, joined, relay), joined.slow.wait()):
                    group.start_soon(_until_over, work, group.cancel_scope)
        finally:  # one that is slow is not told so: it does not read
            relay.leave(joined)

    folders = {"/own": own, "/fonts": HERE.parent / "cover" / "fonts", "/": HERE / "page"}
    files = [Mount(path, Files(directory=folder, html=True)) for path, folder in folders.items() if folder is not None]
    return Starlette(routes=[WebSocketRoute("/socket", page), *files], lifespan=life)


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
        message = await page.take()
        await (web.send_text(message) if isinstance(message, str) else web.send_bytes(message))


async def _in(web: WebSocket, page: Page, relay: Relay) -> None:
    while (message := await web.receive())["type"] == "websocket.receive":
        relay.take(page, message.get("text") or "")


async def _until_over(work: Awaitable[Any], all_of_it: anyio.CancelScope) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        await work
    all_of_it.cancel()


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
        while not reader.at_eof():
            relay.tick()
            with anyio.move_on_after(AGAIN):
                for packet in decoder.feed(await reader.read(65536)):
                    relay.packet(packet)
    finally:
        relay.lost()


def bind(host: str, port: int) -> socket.socket:
    """The socket to serve on; OSError names what could not be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, so that asyncio sends without delay
    try:
        if os.name == "posix":  # elsewhere it would let two listen
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)  # for each page: the system, too, holds little
        made.bind((host, port))
        made.listen()
    except OSError as error:
        made.close()
        raise OSError(f"{host} port {port}: {error.strerror}; --host and --port name another") from None
    return made


def serve(relay: Relay, sock: socket.socket, osc_port: int, host: str, own: Path | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # a page's damaged frame is no news
    config = uvicorn.Config(
        application(relay, osc_port, host, own), ws="websockets-sansio", ws_max_size=4 * MOST_CHARACTERS,
        ws_per_message_deflate=False, access_log=False, log_config=None, server_header=False,
        timeout_graceful_shutdown=1)  # fmt: skip
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # which uvicorn calls when it has ended all
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[sock])
