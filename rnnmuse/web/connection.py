"""A WebSocket and the page that its messages wait in: who may open one, and how messages go both ways."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
from starlette.websockets import WebSocket, WebSocketDisconnect

from rnnmuse.web.relay import Page


def is_own(headers: Mapping[str, str], host: str) -> bool:
    """Whether a page of this server asks for a WebSocket.

    Its origin must be the host that it asks: an IP address, localhost or the host that is served. Another name could
    be made to point here (DNS rebinding).
    """
    scheme, _, asked = headers.get("origin", "").partition("://")
    return scheme == "http" and asked == headers.get("host") and is_known(asked, host)


def is_known(asked: str, host: str) -> bool:
    """Whether the host that was asked is an IP address, localhost or the host that is served."""
    with contextlib.suppress(ValueError):
        name = urlsplit(f"//{asked}").hostname or ""
        return name in ("localhost", host) or bool(ipaddress.ip_address(name))
    return False


async def carry(web: WebSocket, page: Page, take: Callable[[str | bytes], None]) -> None:
    """Send what waits for a page and take what comes, until the client leaves or does not keep up."""
    async with anyio.create_task_group() as group:
        for work in (_send(web, page), _receive(web, take), page.slow.wait()):
            group.start_soon(_until_over, work, group.cancel_scope)


async def _send(web: WebSocket, page: Page) -> None:
    while True:
        message = await page.take()
        await (web.send_text(message) if isinstance(message, str) else web.send_bytes(message))


async def _receive(web: WebSocket, take: Callable[[str | bytes], None]) -> None:
    while (message := await web.receive())["type"] == "websocket.receive":
        text = message.get("text")
        take(text if text is not None else message.get("bytes") or b"")
        await anyio.lowlevel.checkpoint()  # a client that floods does not keep another's panic waiting


async def _until_over(work: Awaitable[Any], all_of_it: anyio.CancelScope) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        await work
    all_of_it.cancel()
