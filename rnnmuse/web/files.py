"""The screen's files: what was played, and the covers that were drawn."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from rnnmuse.protocol import ProtocolError
from rnnmuse.web.relay import Relay
from rnnmuse.web.session import Session

MIDI = "audio/midi"
MOST_BARS = 256
PATIENCE = 1.0
"""Seconds to wait for the stage to say which models have played."""


class Takes:
    """Routes for the last bars, the recording, and its switch."""

    def __init__(self, relay: Relay, session: Session) -> None:
        self._relay, self._session = relay, session
        self.routes = [
            Route("/last.mid", self._last),
            Route("/session.mid", self._whole),
            Route("/record", self._record, methods=["POST"]),
        ]

    def state(self) -> str:
        """The state of the recording that pages receive."""
        return json.dumps(["recording", int(self._session.recording), self._session.recorded])

    async def _last(self, request: Request) -> Response:
        wanted = request.query_params.get("bars", "16")
        if not (wanted.isdecimal() and len(wanted) < 4 and 1 <= int(wanted) <= MOST_BARS):
            return PlainTextResponse(f"bars: {wanted[:20]!r}; must be 1 to {MOST_BARS}", 400)
        return await self._file(lambda: self._session.last_bars(int(wanted)), f"rnnmuse-last-{wanted}-bars.mid")

    async def _whole(self, request: Request) -> Response:
        return await self._file(self._session.whole, "rnnmuse-session.mid")

    async def _file(self, made: Callable[[], bytes], name: str) -> Response:
        self._session.told.clear()
        with contextlib.suppress(ProtocolError, TimeoutError):  # what made it stands in the file
            self._relay.send("/rnnmuse/provenance", [])
            await asyncio.wait_for(self._session.told.wait(), PATIENCE)
        try:
            data = made()
        except ValueError as error:
            return PlainTextResponse(str(error), 404)
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return Response(data, media_type=MIDI, headers=headers)

    async def _record(self, request: Request) -> Response:
        on = request.query_params.get("on")
        if on not in ("0", "1"):
            return PlainTextResponse(f"on: {str(on)[:20]!r}; must be 0 or 1", 400)
        self._session.record(on == "1")
        (self._relay.watch if on == "1" else self._relay.unwatch)(_listen)  # also when the last page is closed
        self._relay.tell(self.state())
        return Response(status_code=204)


def _listen(address: str, arguments: tuple[object, ...]) -> None:
    """Keeps the relay subscribed."""


async def cover(request: Request) -> Response:
    """A cover that was drawn, by its file name."""
    from rnnmuse.cover.folder import covers_folder  # models are found by what it loads: not before it is needed

    name = request.path_params["name"]
    path = covers_folder() / name
    if "/" in name or "\\" in name or name.startswith(".") or not path.is_file():
        return PlainTextResponse("no such cover", 404)
    return FileResponse(path, headers={"Cache-Control": "no-cache"})
