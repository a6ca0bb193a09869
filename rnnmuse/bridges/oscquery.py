"""OSCQuery (the proposal of Vidvox, 2018): the table of addresses as JSON over HTTP, so that hosts can browse it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from rnnmuse.protocol import Argument, Row, addresses

if TYPE_CHECKING:
    from rnnmuse.realtime.stage import Stage

PORT = 7807
ACCESS = {"r": 1, "w": 2, "rw": 3}
EXTENSIONS = {"ACCESS": True, "VALUE": True, "RANGE": True, "DESCRIPTION": True, "UNIT": True, "TYPE": True}


def node(stage: Stage, path: str) -> dict[str, Any] | None:
    """The node at a path with everything below it; None where there is none."""
    known = addresses()
    path = "/" + path.strip("/")
    below = path.rstrip("/") + "/"
    names = sorted({address[len(below) :].split("/")[0] for address in known if address.startswith(below)})
    out = _leaf(stage, path, known[path][0]) if path in known else {"FULL_PATH": path, "ACCESS": 0}
    if names:
        out["CONTENTS"] = {name: node(stage, below + name) for name in names}
    return out if names or path in known else None


def _leaf(stage: Stage, path: str, row: Row) -> dict[str, Any]:
    out: dict[str, Any] = {"FULL_PATH": path, "ACCESS": ACCESS[row.access], "DESCRIPTION": row.doc}
    out["TYPE"] = "".join(a.kind for a in row.arguments) or "N"
    if row.arguments:
        out["RANGE"] = [_range(a) for a in row.arguments]
    if any(a.unit for a in row.arguments):
        out["UNIT"] = [a.unit or None for a in row.arguments]
    if row.access == "rw":
        with stage.lock:
            value = stage.desk.value(path)
            out["VALUE"] = list(value) if isinstance(value, list | tuple) else [value]
    return out


def _range(argument: Argument) -> dict[str, Any] | None:
    if argument.choices:
        return {"VALS": list(argument.choices)}
    if argument.low is None or argument.high is None:
        return None
    return {"MIN": argument.low, "MAX": argument.high}


def host_info(stage: Stage) -> dict[str, Any]:
    """What a host asks first."""
    return {"NAME": "rnnmuse", "EXTENSIONS": EXTENSIONS, "OSC_IP": stage.settings.host, "OSC_PORT": stage.port,
            "OSC_TRANSPORT": "UDP"}  # fmt: skip


class OscQuery:
    """The HTTP server, in a thread of its own; ``port`` 0 takes a free one."""

    def __init__(self, stage: Stage, port: int = PORT) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def do_GET(self) -> None:
                status, answer = respond(stage, self.path)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((stage.settings.host, port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(3600.0,), name="oscquery", daemon=True).start()

    def close(self) -> None:
        """Stop listening; requests under way are cut off."""
        self._server.socket.close()


def respond(stage: Stage, target: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON for a request target such as ``/rnnmuse/transport?VALUE``."""
    split = urlsplit(target)
    path, wanted = unquote(split.path), split.query
    if wanted == "HOST_INFO":
        return 200, host_info(stage)
    found = node(stage, path)
    if found is None:
        return 404, {"ERROR": f"{path[:80]}: not known"}
    if not wanted:
        return 200, found
    if wanted not in found:
        known = ", ".join([*sorted(found), "HOST_INFO"])
        return (204 if wanted in EXTENSIONS else 400), {"ERROR": f"{wanted[:40]}: must be one of {known}"}
    return 200, {wanted: found[wanted]}
