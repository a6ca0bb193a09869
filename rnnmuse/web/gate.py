"""Who may reach the screen: by address, by the name that was asked for, and by a token."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnnmuse.web.connection import is_known, is_own

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PRIVATE = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7",
           "fe80::/10")  # fmt: skip
"""The networks of a house or a stage."""


def networks(allow: Iterable[str]) -> tuple[Network, ...]:
    """Networks from addresses such as "192.168.1.20" or "192.168.1.0/24"; ValueError names the one that is none."""
    out = []
    for one in allow:
        try:
            out.append(ipaddress.ip_network(one, strict=False))
        except ValueError:
            raise ValueError(
                f"allow: {one[:40]!r}; must be an IP address or a network such as 192.168.1.0/24"
            ) from None
    return tuple(out)


def new_token() -> str:
    """A token for an address: 72 bits."""
    return secrets.token_urlsafe(9)


def is_loopback(address: str) -> bool:
    """Whether an IP address is this machine's own."""
    return ipaddress.ip_address(address.split("%")[0]).is_loopback


def own_address() -> str:
    """The address by which other machines of the network reach this one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 of RFC 5737: only the route is looked up
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def private() -> tuple[str, ...]:
    """The networks that are let in without a wish: `PRIVATE`, and this machine itself."""
    return (*PRIVATE, own_address())


class Gate:
    """Lets a request through to ``app`` if its sender, its Host, its token and, unless it only reads, its Origin are
    right.

    ``token`` empty: none is needed. A token in the address is kept in a cookie, so that the page's files and its
    WebSocket need no more than the address that was opened.
    """

    def __init__(self, app: ASGIApp, host: str, token: str = "", allow: tuple[str, ...] = ()) -> None:
        self._app, self._host, self._token, self._allow = app, host, token, networks(allow)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        why, from_query = self._why_not(scope, headers)
        if why:
            if scope["type"] == "http":
                await PlainTextResponse(f"{why}\n", 403)(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            return
        if not from_query:
            await self._app(scope, receive, send)
            return

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie = f"{_cookie(scope)}={self._token}; Path=/; HttpOnly; SameSite=Strict"
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, with_cookie)

    def _why_not(self, scope: Scope, headers: Headers) -> tuple[str, bool]:
        """Why a request is refused, if it is; and whether its token came in the address."""
        if self._allow and not self._is_allowed(scope):
            return "this address is not on the list of --allow", False
        if not is_known(headers.get("host", ""), self._host):
            return "Host: must be an IP address or localhost", False
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD") and not is_own(headers, self._host):
            return "Origin: must be the page's own", False
        if not self._token:
            return "", False
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if asked:
            right = self._is_right(asked)
            return ("" if right else "token: is not the one that rnnmuse printed"), right
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            cookies = SimpleCookie()
        held = cookies.get(_cookie(scope))
        right = held is not None and self._is_right(held.value)
        return ("" if right else "token: open the address that rnnmuse printed"), False

    def _is_right(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())

    def _is_allowed(self, scope: Scope) -> bool:
        try:
            address = ipaddress.ip_address((scope.get("client") or ("",))[0].split("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._allow)


def _cookie(scope: Scope) -> str:
    """The cookie's name: a browser keeps cookies by host, and several screens may be served by one."""
    return f"rnnmuse-{(scope.get('server') or ('', 0))[1]}"
