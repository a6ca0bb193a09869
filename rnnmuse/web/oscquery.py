"""OSCQuery (the proposal of Vidvox, third revision): the table of addresses as JSON over HTTP, for hosts to browse.

The tree is built once, from `rnnmuse.protocol`. Values are asked from the stage by OSC when a client wants them. A
WebSocket client may LISTEN to an address: it gets what the stage sends there, what another page or WebSocket client
sets, and a getter's value when it has changed. It may also send OSC packets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from rnnmuse.bridges import osc
from rnnmuse.protocol import Argument, ProtocolError, Row, addresses
from rnnmuse.web.connection import carry, is_own
from rnnmuse.web.relay import Page, Relay
from rnnmuse.web.values import AwayError, Value, Values

ACCESS = {"r": 1, "w": 2, "rw": 3}
ATTRIBUTES = ("ACCESS", "VALUE", "RANGE", "DESCRIPTION", "UNIT")
"""The optional attributes that nodes have."""
EXTENSIONS = {**dict.fromkeys(ATTRIBUTES, True), "LISTEN": True}
LISTENERS, LISTENED = 32, 256
"""WebSocket clients at once, and addresses that one may listen to."""
POLL, RATE = 0.1, 320
"""Seconds between two looks at the getters that are listened to, and the most of them that are asked in a second."""

Node = dict[str, Any]
KNOWN = addresses()
READABLE = frozenset(address for address, entry in KNOWN.items() if entry.row.access == "rw")


def tree() -> Node:
    """The root node, with everything below it and without values."""
    root: Node = {"FULL_PATH": "/", "ACCESS": 0, "DESCRIPTION": "rnnmuse"}
    for address, (row, _, _) in sorted(KNOWN.items()):
        node = root
        for name in address.strip("/").split("/"):
            below = node.setdefault("CONTENTS", {})
            path = node["FULL_PATH"].rstrip("/") + "/" + name
            node = below.setdefault(name, {"FULL_PATH": path, "ACCESS": 0})
        node.update(_attributes(row))
    return root


def _attributes(row: Row) -> Node:
    out: Node = {"ACCESS": ACCESS[row.access], "DESCRIPTION": row.doc}
    out["TYPE"] = "".join(argument.kind for argument in row.arguments) or "N"
    ranges = [_range(argument) for argument in row.arguments]
    if any(ranges):
        out["RANGE"] = ranges
    if any(argument.unit for argument in row.arguments):
        out["UNIT"] = [argument.unit or None for argument in row.arguments]
    return out


def _range(argument: Argument) -> Node | None:
    if argument.choices:
        return {"VALS": list(argument.choices)}
    limits = {"MIN": argument.low, "MAX": argument.high}
    return {name: limit for name, limit in limits.items() if limit is not None} or None


def find(root: Node, path: str) -> Node | None:
    """The node at a path; None where there is none."""
    node: Node | None = root
    for name in path.strip("/").split("/") if path.strip("/") else ():
        node = node.get("CONTENTS", {}).get(name) if node is not None else None
    return node


def readable(node: Node) -> Iterator[str]:
    """The addresses of a node, and of all below it, that have values."""
    if node["FULL_PATH"] in READABLE:
        yield node["FULL_PATH"]
    for below in node.get("CONTENTS", {}).values():
        yield from readable(below)


def with_values(node: Node, values: dict[str, Value]) -> Node:
    """A copy of a node in which every node whose value is known has it."""
    out = dict(node)
    if node["FULL_PATH"] in values:
        value = values[node["FULL_PATH"]]
        out["VALUE"] = [_json(one) for one in value]
        if node["TYPE"] == "N":  # how many there are depends on the model
            out["TYPE"] = "".join("s" if isinstance(one, str) else "f" for one in value) or "N"
    if "CONTENTS" in node:
        out["CONTENTS"] = {name: with_values(below, values) for name, below in node["CONTENTS"].items()}
    return out


def _json(value: Any) -> Any:
    """The JSON equivalent of an argument, as the proposal's table says; null for what has none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int) else None


@dataclass(eq=False)
class Listener:
    """A WebSocket client: what waits for it, and the addresses that it listens to, with what it last got."""

    page: Page = field(default_factory=Page)
    """Messages that wait to be sent to it."""
    last: dict[str, Value | None] = field(default_factory=dict)
    """Value last sent by address; None where none was."""

    def hear(self, address: str, value: Value) -> None:
        """A message came; it is passed on if it is listened to."""
        if address in self.last:
            self.last[address] = value
            self.page.put(osc.build(address, value))

    def see(self, address: str, value: Value) -> None:
        """A getter has this value; it is passed on if it is another one than before."""
        if address in self.last and self.last[address] != value:
            self.hear(address, value)

    def command(self, text: str) -> None:
        """A command of the client, in JSON; ProtocolError for one that is not known."""
        try:
            message = json.loads(text)
            command, path = message["COMMAND"], message["DATA"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ProtocolError("message", f"message: {text[:40]!r}; must be JSON with COMMAND and DATA") from None
        if not isinstance(path, str) or path not in KNOWN:
            raise ProtocolError("address", f"{str(path)[:80]}: must be the path of a method")
        if command == "IGNORE":
            self.last.pop(path, None)
        elif command != "LISTEN":
            raise ProtocolError("message", f"COMMAND: {str(command)[:40]!r}; must be LISTEN or IGNORE")
        elif len(self.last) >= LISTENED:
            raise ProtocolError("limit", f"LISTEN: {len(self.last)} addresses; must be up to {LISTENED}")
        else:
            self.last.setdefault(path, None)


class OscQuery:
    """The OSCQuery server of the stage at an address and port."""

    def __init__(self, relay: Relay, values: Values, host: str, osc_port: int) -> None:
        self._relay, self._values, self._host, self._osc_port = relay, values, host, osc_port
        self._tree = tree()
        self._listeners: set[Listener] = set()

    def application(self, follow: Callable[[], Any] | None = None) -> Starlette:
        """The server as an ASGI application; ``follow`` is a task that runs beside it."""

        @contextlib.asynccontextmanager
        async def life(_: Starlette) -> AsyncIterator[None]:
            async with anyio.create_task_group() as group:
                group.start_soon(self._poll)
                if follow is not None:
                    group.start_soon(follow)
                yield
                self._values.close()
                group.cancel_scope.cancel()

        routes = [WebSocketRoute("/{path:path}", self._listen), Route("/{path:path}", self._get)]
        return Starlette(routes=routes, lifespan=life)

    async def _get(self, request: Request) -> Response:
        status, answer = await self.respond(request.url.path, unquote(request.url.query))
        if answer is None:
            return Response(status_code=status)
        return JSONResponse(answer, status, headers={"Cache-Control": "no-store"})

    async def respond(self, path: str, attribute: str) -> tuple[int, Node | None]:
        """Status and JSON for a path and the attribute that is asked for (empty for all of them)."""
        if attribute == "HOST_INFO":
            return 200, self.host_info()
        node = find(self._tree, path)
        if node is None:
            return 404, {"ERROR": f"{path[:80]}: not known"}
        if attribute not in ("", "FULL_PATH", "CONTENTS", "TYPE", *ATTRIBUTES):
            known = ", ".join((*sorted(node), "VALUE", "HOST_INFO"))
            return 400, {"ERROR": f"{attribute[:40]}: must be one of {known}"}
        if attribute == "VALUE" and node["FULL_PATH"] not in READABLE:
            return 204, None
        try:
            if attribute == "VALUE":
                asked = [node["FULL_PATH"]]
            else:
                asked = list(readable(node)) if attribute in ("", "CONTENTS") else []
            node = with_values(node, await self._values.ask(asked)) if asked else node
        except AwayError as error:
            if attribute == "VALUE":
                return 504, {"ERROR": str(error)}
        if not attribute:
            return 200, node
        if attribute == "VALUE":
            return 200, {"VALUE": node["VALUE"]} if "VALUE" in node else {}
        return (200, {attribute: node[attribute]}) if attribute in node else (204, None)

    def host_info(self) -> Node:
        """The description of the host: where its OSC server is, and what it supports."""
        info: Node = {"NAME": "rnnmuse", "EXTENSIONS": EXTENSIONS}
        if self._host not in ("", "0.0.0.0", "::"):
            info["OSC_IP"] = self._host
        return info | {"OSC_PORT": self._osc_port, "OSC_TRANSPORT": "UDP"}

    # -- WebSocket ------------------------------------------------------------------------------------------

    async def _listen(self, web: WebSocket) -> None:
        foreign = "origin" in web.headers and not is_own(web.headers, self._host)
        if foreign or len(self._listeners) >= LISTENERS:
            await web.close()
            return
        await web.accept()
        listener = Listener()
        self._listeners.add(listener)
        self._relay.watch(listener.hear)
        try:
            await carry(web, listener.page, lambda message: self.take(listener, message))
        finally:
            self._listeners.discard(listener)
            self._relay.unwatch(listener.hear)

    def take(self, listener: Listener, message: str | bytes) -> None:
        """A message of a WebSocket client: a command, or an OSC packet for the stage. What is wrong is answered."""
        try:
            if isinstance(message, bytes):
                self._relay.pass_on(message)
            else:
                listener.command(message)
        except ProtocolError as error:
            listener.page.put(json.dumps({"COMMAND": "ERROR", "DATA": str(error)}))

    async def _poll(self) -> None:
        """Look again and again at the getters that are listened to."""
        while True:
            wanted = {address for one in self._listeners for address in one.last} & READABLE
            await asyncio.sleep(max(POLL, len(wanted) / RATE))
            with contextlib.suppress(AwayError):
                await self.look()

    async def look(self) -> None:
        """Pass on the values that have changed since the last look. AwayError where the stage does not answer."""
        wanted = {address for one in self._listeners for address in one.last} & READABLE
        if not wanted:
            return
        for address, value in (await self._values.ask(sorted(wanted), POLL / 2)).items():
            for listener in list(self._listeners):
                listener.see(address, value)
