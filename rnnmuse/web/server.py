"""The screen's web server: the page's files, a WebSocket for each page, and the connection to the stage."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from rnnmuse.bridges import osc, slip
from rnnmuse.protocol import TABLE
from rnnmuse.system import MACHINE
from rnnmuse.web.connection import carry, is_own
from rnnmuse.web.files import Takes, cover
from rnnmuse.web.gate import Gate
from rnnmuse.web.relay import FRAME, MOST_CHARACTERS, PACE, Relay
from rnnmuse.web.session import Session
from rnnmuse.web.training import Training
from rnnmuse.web.uploads import Uploads

PAGES = 32
"""Pages at once."""
REQUESTS = 128
"""Connections and requests of one server at once."""
AGAIN = 0.5
"""Seconds between two tries to reach the stage, and between two ticks of the relay."""
READ = 1 << 12
"""Bytes that are read of a page at once: some 80 messages, before others have their turn."""
UNSENT = 1 << 16
"""Bytes that may wait for the stage before more is thrown away, and in the system for a page."""
HERE = Path(__file__).parent
VIEWS = ("play", "pad", "words", "cover", "setup", "monitor")
"""The views of the page; each has an address of its own."""
ROWS = [
    {
        "address": row.address,
        "access": row.access,
        "doc": row.doc,
        "arguments": [asdict(argument) for argument in row.arguments],
    }
    for row in TABLE
]
ROWS_JSON = json.dumps(ROWS, ensure_ascii=False).encode()
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


class Socket(WebSocketsSansIOProtocol):
    """A page's WebSocket; a page that floods keeps no other's panic waiting."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.max_size = READ  # type: ignore[attr-defined]  # of asyncio's, which reads 256 KiB at once without
        super().connection_made(transport)


class Files(StaticFiles):
    """Files that a browser asks for again after each update of rnnmuse."""

    def file_response(self, *args: Any, **more: Any) -> Response:
        response = super().file_response(*args, **more)
        response.headers["Cache-Control"] = "no-cache"
        return response


class PageFiles(Files):
    """The page's own files, held in memory: a browser asks for some thirty of them before it draws anything."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, html=True)
        self._held = {file.name: _held(file) for file in directory.iterdir() if file.suffix in KINDS}
        self._held["."] = self._held["index.html"]

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path not in self._held or scope["method"] not in ("GET", "HEAD"):
            return await super().get_response(path, scope)
        data, headers = self._held[path]
        response = Response(data, headers=headers)
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


def _held(file: Path) -> tuple[bytes, dict[str, str]]:
    """A file's bytes, and the headers that it is served with."""
    data = file.read_bytes()
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    kind = f"{KINDS[file.suffix]}; charset=utf-8"
    return data, {"Content-Type": kind, "Cache-Control": "no-cache", "ETag": etag}


def application(
    relay: Relay,
    host: str = "127.0.0.1",
    own: Path | None = None,
    follow: Callable[[], Any] | None = None,
    token: str = "",
    allow: tuple[str, ...] = (),
) -> Starlette:
    """The screen as an ASGI application.

    ``own`` is a folder with a page of the user's, served under /own/; ``follow`` is a task that runs beside it. With a
    ``token`` nothing is served without it, and with ``allow`` nothing to other networks; see `rnnmuse.web.gate`.
    """

    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            if follow is not None:
                group.start_soon(follow)
            yield
            relay.close()
            training.close()
            group.cancel_scope.cancel()

    async def page(web: WebSocket) -> None:
        if not is_own(web.headers, host) or len(relay.pages) >= PAGES:
            await web.close()
            return
        await web.accept()
        joined = relay.join(FRAME if "together" in web.query_params else 0.0)
        joined.put(takes.state())
        joined.put(training.state())
        try:
            await carry(web, joined, lambda message: relay.take(joined, message if isinstance(message, str) else ""))
        finally:  # one that is slow gets no message about it: it does not read
            relay.leave(joined)

    session = Session()
    relay.also_hears = session.hear
    takes, uploads, training = Takes(relay, session), Uploads(relay, session), Training(relay)

    async def view(request: Request) -> Response:
        return await shell.get_response("index.html", request.scope)

    shell = PageFiles(HERE / "page")
    views = [Route(f"/{name}", view) for name in VIEWS]
    folders = {"/own": own, "/fonts": HERE.parent / "cover" / "fonts"}
    files = [Mount(path, Files(directory=folder, html=True)) for path, folder in folders.items() if folder is not None]
    gate = Middleware(Gate, host=host, token=token, allow=allow)
    routes = [
        WebSocketRoute("/socket", page),
        Route("/table.json", table),
        Route("/favicon.ico", no_icon),
        *takes.routes,
        *uploads.routes,
        *training.routes,
        Route("/covers/{name}", cover),
        *views,
        *files,
        Mount("/", shell),
    ]
    return Starlette(routes=routes, lifespan=life, middleware=[gate])


def table(request: Request) -> Response:
    """Every row of the protocol, from which the page makes its controls."""
    return Response(ROWS_JSON, media_type="application/json", headers={"Cache-Control": "no-cache"})


def no_icon(request: Request) -> Response:
    """Browsers ask for it where a page of the user's names no icon."""
    return Response(status_code=204)


async def follow(relay: Relay, host: str, port: int) -> None:
    """Keep a connection to the stage for ever."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            with contextlib.closing(writer):
                await _listen_and_hurry(relay, host, port, reader, writer)
        await asyncio.sleep(AGAIN)


async def _listen_and_hurry(
    relay: Relay, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Listen with a second connection for what is urgent: the stage serves its senders in turn."""
    answers, urgent = await asyncio.open_connection(host, port)
    draining = asyncio.create_task(_drain(answers))

    def quickest() -> asyncio.StreamWriter:
        return writer if draining.done() else urgent  # the stage closes one that is silent when it has too many

    try:
        await _listen(relay, reader, writer, quickest)
    finally:
        draining.cancel()
        urgent.close()


async def _drain(reader: asyncio.StreamReader) -> None:
    """Read what nobody wants, so that it does not wait in the stage."""
    with contextlib.suppress(OSError):
        while await reader.read(65536):
            pass


async def _listen(
    relay: Relay,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    urgent: Callable[[], asyncio.StreamWriter],
) -> None:
    def send_urgent(packet: bytes) -> None:
        urgent().write(slip.encode(packet))

    def send(packet: bytes) -> None:
        if writer.transport.get_write_buffer_size() < UNSENT:
            writer.write(slip.encode(packet))

    async def keep_pace() -> None:
        while True:
            await relay.holds.wait()
            await asyncio.sleep(PACE)
            relay.pace()

    decoder = slip.Decoder(osc.MAX_BYTES)
    relay.connected(send, send_urgent)
    pacing = asyncio.create_task(keep_pace())
    try:
        while not reader.at_eof():
            relay.tick()
            with anyio.move_on_after(AGAIN):
                for packet in decoder.feed(await reader.read(65536)):
                    relay.packet(packet)
    finally:
        pacing.cancel()
        relay.lost()


def reachable(host: str) -> str:
    """The address at which a server that listens on ``host`` is reached from this machine."""
    return "127.0.0.1" if host in ("", "0.0.0.0", "::") else host


def bind(host: str, port: int) -> socket.socket:
    """The socket to serve on; OSError names what could not be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, so that asyncio sends without delay
    try:
        if MACHINE.shares_addresses:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)  # for each page: the system, too, holds little
        made.bind((host, port))
        made.listen()
    except OSError as error:
        made.close()
        raise OSError(f"{host} port {port}: {error.strerror}") from None
    return made


def server(app: Starlette) -> uvicorn.Server:
    """A server for an application, on the terms of this process: no compression, no log, few connections."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # a client's damaged frame is no news
    return uvicorn.Server(
        uvicorn.Config(
            app,
            ws=Socket,
            ws_max_size=4 * MOST_CHARACTERS,
            ws_per_message_deflate=False,
            access_log=False,
            log_config=None,
            server_header=False,
            limit_concurrency=REQUESTS,
            timeout_graceful_shutdown=1,
        )
    )


def serve(relay: Relay, sock: socket.socket, osc_port: int, host: str, own: Path | None = None, **gate: Any) -> None:
    """Serve the screen until Ctrl-C or SIGTERM; ``gate`` is the token and the networks of `application`."""
    app = application(relay, host, own, lambda: follow(relay, "127.0.0.1", osc_port), **gate)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # which uvicorn calls when it has ended all
    with contextlib.suppress(KeyboardInterrupt):
        server(app).run(sockets=[sock])
