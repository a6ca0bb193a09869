"""What a page sends: music for a player or for the memory of the session, a rig, and files to train on."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from rnnmuse.errors import RnnmuseError
from rnnmuse.events import Note
from rnnmuse.music.piece import Piece
from rnnmuse.protocol import PARAMETERS, PLAYERS, ProtocolError
from rnnmuse.web.relay import Relay
from rnnmuse.web.session import Session

MOST_BYTES = 4 << 20
"""Bytes of a file."""
PROMPT, MOST_NOTES = 64.0, 380
"""Beats of a prompt, and its notes: as many as one OSC packet holds."""
PHRASE = 16.0
"""Beats from the beginning of a file that a phrase model gets; it takes its own length of them."""


class TooLargeError(RnnmuseError):
    """A file is larger than is taken."""


async def body(request: Request, most: int = MOST_BYTES) -> bytes:
    """The body of a request; TooLargeError as soon as it is too large."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > most:
            raise TooLargeError(f"file: more than {most >> 20} MiB; must be smaller")
    return bytes(data)


def guarded(handle: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """A handler whose errors are one line with a status."""

    async def guarded(request: Request) -> Response:
        try:
            answer = await handle(request)
            return answer if isinstance(answer, Response) else JSONResponse(answer)
        except TooLargeError as error:
            return PlainTextResponse(str(error), 413)
        except ProtocolError as error:
            return PlainTextResponse(str(error), 503 if error.code == "away" else 400)
        except (RnnmuseError, ValueError, OSError) as error:
            return PlainTextResponse(str(error).splitlines()[0][:400] if str(error) else type(error).__name__, 400)
        except ClientDisconnect:
            return Response(status_code=400)

    return guarded


class Uploads:
    """Routes for a prompt, a memory and a rig."""

    def __init__(self, relay: Relay, session: Session) -> None:
        self._relay, self._session = relay, session
        self.routes = [
            Route("/prompt", guarded(self._prompt), methods=["POST"]),
            Route("/memory", guarded(self._memory), methods=["POST"]),
            Route("/rig", guarded(self._rig), methods=["POST"]),
            Route("/rig.toml", guarded(self._saved)),
        ]

    async def _prompt(self, request: Request) -> Any:
        player = request.query_params.get("player", "1")
        if not (player.isdecimal() and len(player) < 3 and 1 <= int(player) <= PLAYERS):
            raise ValueError(f"player: {player[:20]!r}; must be 1 to {PLAYERS}")
        data, name = await body(request), request.query_params.get("name", "")
        piece = await anyio.to_thread.run_sync(_read, data, name)
        phrase = f"/rnnmuse/player/{player}/latent/xy" in self._relay.state
        notes = prompt_of(piece, self._session.plays_drums(int(player)), phrase)
        if not notes:
            raise ValueError(f"{name[:80]}: has no notes")
        numbers = [
            number for n in notes for number in (n.start, max(0.01, min(256.0, n.duration)), n.pitch, n.velocity)
        ]
        self._relay.send(f"/rnnmuse/player/{player}/prompt", numbers)
        return {"notes": len(notes)}

    async def _memory(self, request: Request) -> Any:
        data, name = await body(request), request.query_params.get("name", "")
        piece = await anyio.to_thread.run_sync(_read, data, name)
        kept, notes = await anyio.to_thread.run_sync(keep_memory, piece, name)
        self._relay.send("/rnnmuse/memory/recall", [kept])
        return {"name": kept, "notes": notes}

    async def _rig(self, request: Request) -> Any:
        from rnnmuse.config import parse

        try:
            text = (await body(request)).decode()
        except UnicodeDecodeError:
            raise ValueError("rig: is not a text file in UTF-8") from None
        count = 0
        for address, *values in messages_of(parse(text)):
            self._relay.send(address, values)
            count += 1
        return {"messages": count}

    async def _saved(self, request: Request) -> Response:
        from rnnmuse.config import write

        if not self._relay.whole:
            raise ValueError("rig: the stage's values are not known yet; open the page first")
        headers = {"Content-Disposition": 'attachment; filename="rnnmuse.toml"', "Cache-Control": "no-store"}
        return Response(write(rig_of(self._relay.state)), media_type="application/toml", headers=headers)


def _read(data: bytes, name: str) -> Piece:
    from rnnmuse.music.read import read_music

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (Path(name).name or "file.mid")
        path.write_bytes(data)
        return read_music(path)


def prompt_of(piece: Piece, drums: bool, phrase: bool) -> list[Note]:
    """The notes that a player gets: of the drums or of the others, the last bars or, for a phrase, the first."""
    chosen = [part for part in piece.parts if part.drum == drums and part.notes] or piece.parts
    notes = sorted(note for part in chosen for note in part.notes)
    if phrase:
        first = [note for note in notes if note.start < PHRASE]
        return first[:MOST_NOTES]
    begin = max(0.0, piece.end - PROMPT)
    last = [note for note in notes if note.start >= begin][-MOST_NOTES:]
    return [Note(note.start - begin, note.pitch, note.duration, note.velocity) for note in last]


def keep_memory(piece: Piece, file: str) -> tuple[str, int]:
    """Keep a piece's top line as a memory named after a file; the name, and its notes. ValueError where it has none."""
    from rnnmuse.play.recollection import Recollection
    from rnnmuse.session.memories import keep, path_of

    memory = Recollection()
    for note in sorted(note for part in piece.parts if not part.drum for note in part.notes):
        memory.hear(note.start, note.pitch)
    if not len(memory):
        raise ValueError(f"{file[:80]}: has no notes but drums'")
    stem = re.sub(r"[^A-Za-z0-9 _-]+", "-", Path(file).stem).strip(" _-")[:56] or "file"
    name, number = stem, 1
    while path_of(name).exists():
        number += 1
        name = f"{stem} {number}"
    keep(memory, name)
    return name, len(memory)


def messages_of(rig: Any) -> Iterator[tuple[Any, ...]]:
    """The messages that set a running stage up as a rig says; ports are not opened by them."""
    stage = rig.stage
    yield "/rnnmuse/transport/tempo", float(stage["tempo"])
    yield "/rnnmuse/transport/metre", rig.metre.numerator, rig.metre.denominator
    yield "/rnnmuse/transport/swing", float(stage["swing"])
    for number, seat in sorted(rig.players.items()):
        at = f"/rnnmuse/player/{number}"
        yield f"{at}/model", seat.model or stage["model"]
        for name, value in seat.parameters.items():
            yield f"{at}/param/{name}", value
        if seat.channel:
            yield f"{at}/channel", seat.channel
        yield f"{at}/program", seat.program
        for part, setting in seat.parts.items():
            yield f"{at}/part/{part}/channel", setting.channel
            yield f"{at}/part/{part}/program", setting.program
        for name in ("when", "hears", "target"):
            if getattr(seat, name):
                yield f"{at}/{name}", getattr(seat, name)
        for name in ("mute", "solo"):
            yield f"{at}/{name}", int(getattr(seat, name))
        yield f"{at}/mode", seat.mode
        yield f"{at}/started", int(seat.started)


def rig_of(state: dict[str, list[Any]]) -> Any:
    """A rig of the values that a stage has: tempo, metre, swing, and each player that is not as it was at first."""
    from rnnmuse.config import Rig
    from rnnmuse.session.seat import Seat

    def one(address: str, otherwise: Any) -> Any:
        return state.get(address, [otherwise])[0]

    rig = Rig()
    metre = state.get("/rnnmuse/transport/metre", [4, 4])
    rig.stage.update(
        tempo=round(float(one("/rnnmuse/transport/tempo", 120.0)), 3),
        metre=f"{metre[0]}/{metre[1]}",
        swing=round(float(one("/rnnmuse/transport/swing", 0.5)), 4),
        source=one("/rnnmuse/transport/source", "internal"),
    )
    for number in range(1, PLAYERS + 1):
        at = f"/rnnmuse/player/{number}"
        parameters = {
            name: value if isinstance(value, str | int) else round(value, 5)
            for name, (_, default, _) in PARAMETERS.items()
            if (value := one(f"{at}/param/{name}", default)) != default
        }
        seat = Seat(
            mode=one(f"{at}/mode", "off"),
            model=one(f"{at}/model", ""),
            program=one(f"{at}/program", 0),
            target=one(f"{at}/target", ""),
            started=bool(one(f"{at}/started", 0)),
            when=one(f"{at}/when", "now"),
            mute=bool(one(f"{at}/mute", 0)),
            solo=bool(one(f"{at}/solo", 0)),
            parameters=parameters,
        )
        hears, channel = one(f"{at}/hears", f"ch{number}"), one(f"{at}/channel", 0)
        seat.hears = "" if hears == f"ch{number}" else hears
        seat.channel = 0 if channel == (number if number < 10 else number % 16 + 1) else channel
        if seat != Seat(model=seat.model) or seat.model not in ("", rig.stage["model"]):
            rig.players[number] = seat
    return rig
