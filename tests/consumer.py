"""What a consumer writes: mypy reads it strictly, and tests/test_api.py runs it. It needs a stage on port {port}."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import rnnmuse


def compose(folder: Path) -> Path:
    """A song, its continuation, and both as files of four kinds."""
    muse: rnnmuse.Muse = rnnmuse.load("lieder")
    song = muse.generate(bars=2, key="D minor", tempo=96.0, seed=1)
    more = muse.continue_(song, bars=2, players="voice,piano", temperature=0.9, seed=2)
    whole: rnnmuse.Piece = rnnmuse.joined(song, more)
    for suffix in (".mid", ".musicxml", ".png", ".wav"):
        whole.save(folder / f"song{suffix}")
    read = rnnmuse.read_music(folder / "song.mid")
    highest: rnnmuse.Note = max(read.notes, key=lambda note: note.pitch)
    print(f"{len(read.notes)} notes, the highest {highest.pitch} at beat {highest.start:g}")
    return folder / "song.mid"


def ask_for_too_much() -> str:
    """An error is one line that names the field."""
    try:
        rnnmuse.load("lieder").generate(bars=0)
    except ValueError as error:
        return str(error)
    raise AssertionError


def list_them() -> list[str]:
    """The names of the stream models."""
    found: list[rnnmuse.Bundle] = rnnmuse.list_models("stream")
    return [bundle.name for bundle in found if bundle.bytes > 0 and bundle.description]


def control(port: int) -> float:
    """Set the tempo of a stage, and hear why it refuses another."""
    with rnnmuse.Client(port) as stage:
        (tempo,) = stage.set("/rnnmuse/transport/tempo", 96)
        try:
            stage.set("/rnnmuse/transport/tempo", 5000)
        except rnnmuse.StageError as error:
            print(error.code, error)
        return float(tempo)


async def listen(port: int) -> list[rnnmuse.Heard]:
    """The first notes of a stage."""
    async with rnnmuse.AsyncClient(port) as stage:
        await stage.set("/rnnmuse/player/1/mode", "free")
        stage.send("/rnnmuse/transport/play")
        stage.send("/rnnmuse/player/1/start")
        return [note async for note in stage.notes(seconds=4)]


if __name__ == "__main__":
    print(compose(Path(sys.argv[2])), ask_for_too_much(), list_them())
    print(control(int(sys.argv[1])), len(asyncio.run(listen(int(sys.argv[1])))))
