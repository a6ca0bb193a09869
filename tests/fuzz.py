"""Seeded mutants for everything that takes bytes from outside, in process; files of music are in fuzz_files.py.

    python tests/fuzz.py all --seconds 20          # every kind for 20 s each
    python tests/fuzz.py osc --count 100000        # so many of one kind
    python tests/fuzz.py rig --first 4711 --count 1 # one again

Each must do its work or be refused by the error that its reader promises, in one line, within its time and memory. A
mutant is made from its number alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import itertools
import json
import os
import random
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soak_hostile import mutants as strange

from rnnmuse.bridges import osc, slip
from rnnmuse.bridges.midi_in import MidiReceiver
from rnnmuse.bridges.osc_server import Client
from rnnmuse.config import RigError, load
from rnnmuse.errors import BundleError, ReadError
from rnnmuse.protocol import ProtocolError, addresses
from rnnmuse.testing import mutant

LIMIT = 1.0
"""Seconds of processor time that one may take."""
MOST_MEMORY = 256
"""MB that the process may grow by, over all of a kind."""

Try = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """``start`` yields what takes one mutant, and looks after the last whether all is well; ``refusals`` are the
    errors that a reader promises."""

    seeds: Callable[[], list[bytes]]
    start: Callable[[], contextlib.AbstractContextManager[Try]]
    refusals: tuple[type[Exception], ...] = ()
    limit: float = LIMIT


def packets() -> list[bytes]:
    from rnnmuse.protocol import TABLE

    values = {"i": 1, "f": 0.5, "s": "lieder"}
    made = []
    for row in TABLE:
        address = row.address.replace("{p}", "1").replace("{k}", "2").replace("{n}", "1").replace("{axis}", "density")
        if row.access == "r" or "cover" in address or "rig/save" in address or "reply_to" in address:
            continue
        made.append(osc.build(address, [values[argument.kind] for argument in row.arguments]))
    made += [osc.bundle(osc.NOW, made[:6]), osc.build("/rnnmuse/player/*/param/*", (0.5,))]
    made += [packet for packet in itertools.islice(strange(1), 2 * len(made)) if packet]
    return [*made, osc.bundle(osc.NOW, [osc.bundle(osc.NOW, made[6:9])])]


@contextlib.contextmanager
def stage() -> Iterator[Try]:
    """A whole stage with its engine in this process; after each 200 packets time passes, and a ping is answered."""
    from rnnmuse.testing import StageClient

    made, count, other = StageClient(), 0, Client("127.0.0.1", 50_001)

    def take(data: bytes) -> None:
        nonlocal count
        made.send_packet(data)
        count += 1
        if count % 200 == 0:
            made.run(1.0 if count % 2000 == 0 else 0.1)
            made.received()
            made.send("/rnnmuse/ping", count, client=other)  # a mutant may send the answers of the first elsewhere
            answers = [m.arguments for m in made.received("/rnnmuse/pong", client=other)]
            assert (count,) in answers, "a ping is not answered"
            wrong = made.faults()
            made.forget()
            assert not wrong, wrong[0]

    try:
        yield take
        made.send("/rnnmuse/transport/panic")
        made.run(0.5)
        assert not made.hung(), f"hung notes: {made.hung()}"
        assert not made.output.twice
    finally:
        made.close()


@contextlib.contextmanager
def frames() -> Iterator[Try]:
    decoder = slip.Decoder()

    def take(data: bytes) -> None:
        half = len(data) // 2
        for part in (data[:half], data[half:]):
            for packet in decoder.feed(part):
                assert len(packet) <= decoder.limit + 1
                with contextlib.suppress(ProtocolError):
                    osc.parse(packet)
        assert len(decoder._frame) <= 2 * decoder.limit + 2

    yield take


class _Hears:
    """A handler that counts what sounds."""

    def __init__(self) -> None:
        self.on: dict[tuple[Any, ...], int] = {}

    def now(self) -> int:
        return 0

    def note(self, channel: int, pitch: int, velocity: int, *_: Any) -> None:
        assert 0 <= channel < 16
        assert 0 <= pitch < 128
        assert 0 <= velocity < 128
        if velocity:
            self.on[channel, pitch] = 1
        else:
            self.on.pop((channel, pitch), None)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given, **more: None


@contextlib.contextmanager
def midi_in() -> Iterator[Try]:
    hears = _Hears()
    receivers = [MidiReceiver(hears, mpe) for mpe in (False, True)]  # type: ignore[arg-type]

    def take(data: bytes) -> None:
        for receiver in receivers:
            receiver.receive(list(data[:2000]))
            receiver.receive([byte & 0x7F if at else byte | 0x80 for at, byte in enumerate(data[:3])])

    yield take
    for receiver in receivers:
        receiver.release()
    assert not hears.on, "a note is still on"


def of_file(read: Callable[[Path], Any], name: str) -> Callable[[], contextlib.AbstractContextManager[Try]]:
    @contextlib.contextmanager
    def start() -> Iterator[Try]:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / name

            def take(data: bytes) -> None:
                path.write_bytes(data)
                read(path)

            yield take

    return start


def rigs() -> list[bytes]:
    page = (Path(__file__).parents[1] / "docs" / "rigs.md").read_text("utf-8")
    return [page.split("```toml\n")[1].split("```")[0].encode(), b"[stage]\ntempo = 90\n[player.1]\nmode = 'free'\n"]


def images() -> list[bytes]:
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    out = []
    for kind, mode in (("PNG", "RGB"), ("JPEG", "RGB"), ("GIF", "P"), ("BMP", "RGB"), ("WEBP", "RGB"), ("TIFF", "RGB")):
        held = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(held, kind)
        out.append(held.getvalue())
    return out


def read_image(path: Path) -> None:
    from rnnmuse.train.cover.data import read_image as read

    read(path)


@contextlib.contextmanager
def bundle() -> Iterator[Try]:
    """Mutants of a bundle's files, its hashes made right again, so that what reads them is reached."""
    import shutil

    from rnnmuse.models.bundle import find, load_stream, write_sums

    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        before = os.environ.get("RNNMUSE_MODELS")
        os.environ["RNNMUSE_MODELS"] = name
        stack.callback(lambda: os.environ.pop("RNNMUSE_MODELS") if before is None
                       else os.environ.__setitem__("RNNMUSE_MODELS", before))  # fmt: skip
        shipped, own = find("grooves").folder, Path(name) / "own"
        own.mkdir()
        for path in shipped.iterdir():
            if path.suffix not in (".png", ".jpg"):
                shutil.copy2(path, own / path.name)
        files = ["model.toml", "forms.npz", "originality.npz", "SHA256SUMS", "weights.safetensors", "step.onnx"]
        files = [file for file in files if (own / file).exists()]

        def take(data: bytes) -> None:
            rng = random.Random(data)
            file = files[rng.randrange(len(files))]
            good = (own / file).read_bytes()
            if len(good) < 50_000:
                bad = mutant(good, rng, [data or b"x"])
            else:  # its head says how the rest is read
                bad = mutant(good[:3000], rng, [data or b"x"]) + good[3000:]
            (own / file).write_bytes(bad)
            if file != "SHA256SUMS":
                write_sums(own)
            try:
                load_stream("own")
            finally:
                (own / file).write_bytes(good)
                write_sums(own)

        yield take


@contextlib.contextmanager
def websocket() -> Iterator[Try]:
    from rnnmuse.web.relay import Relay

    asyncio.set_event_loop(asyncio.new_event_loop())
    sent: list[bytes] = []
    relay = Relay(lambda: 0.0, lambda *given: None)
    relay.connected(sent.append)
    page = relay.join()

    def take(data: bytes) -> None:
        relay.take(page, data.decode("utf-8", "replace"))
        relay.packet(data)
        for packet in sent:
            osc.parse(packet)
        sent.clear()

    yield take


def messages() -> list[bytes]:
    rows = [[address, 0.5] for address in list(addresses())[:40]]
    return [json.dumps(row).encode() for row in [*rows, ["/rnnmuse/player/1/note", 60, 90], ["/rnnmuse/ping"]]]


def records() -> list[bytes]:
    from rnnmuse.events import Note
    from rnnmuse.music.midi import midi_bytes
    from rnnmuse.music.musicxml import musicxml_bytes
    from rnnmuse.music.piece import Part, Piece
    from rnnmuse.provenance.record import Made

    piece = Piece([Part(notes=[Note(0, 60, 1)])], made=Made("x", {"a": "b"}, 1, {}, 0.5))
    return [midi_bytes(piece), musicxml_bytes(piece)]


@contextlib.contextmanager
def provenance() -> Iterator[Try]:
    from rnnmuse.provenance.marks import unseal

    good = set(records())

    def take(data: bytes) -> None:
        for suffix in (".mid", ".musicxml", ".png", ".wav", ".json"):
            found = unseal(data, suffix)
            assert found is None or not found.intact or data in good, "a changed file passes"

    yield take


KINDS: dict[str, Kind] = {
    "osc": Kind(packets, stage, limit=5.0),  # its engine, which loads models, is in this process
    "slip": Kind(lambda: [slip.encode(packet) for packet in packets()], frames),
    "midi-in": Kind(lambda: [bytes((0x90, 60, 90)), bytes((0xB0, 101, 0)), b"\xf0\x7e\x7f\x09\x01\xf7", b"\xe0\0\x40"],
                    midi_in),
    "rig": Kind(rigs, of_file(load, "a.toml"), (RigError,)),
    "bundle": Kind(lambda: [b"seed"], bundle, (BundleError,)),
    "image": Kind(images, of_file(read_image, "a.png"), (ReadError,)),
    "websocket": Kind(messages, websocket),
    "provenance": Kind(records, provenance),
}  # fmt: skip


def run(kind: str, count: int | None, seconds: float | None, first: int = 0) -> int:
    """Try mutants of a kind; returns how many went wrong."""
    one = KINDS[kind]
    seeds, wrong, done, refused = one.seeds(), 0, 0, 0
    slowest, began = (0.0, 0), time.monotonic()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    try:
        with one.start() as take:
            for data in seeds:
                with contextlib.suppress(*one.refusals):
                    take(data)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            number = first
            while (count is None or done < count) and (seconds is None or time.monotonic() - began < seconds):
                rng = random.Random(f"{kind} {number}")
                data = mutant(rng.choice(seeds), rng, seeds)
                spent = time.process_time()
                try:
                    take(data)
                except one.refusals as error:
                    refused += 1
                    if "\n" in str(error) or len(str(error)) > 500:
                        wrong += 1
                        print(f"{kind} {number}: not one line: {str(error)[:200]!r}")
                except Exception as error:
                    wrong += 1
                    print(f"{kind} {number}: {type(error).__name__}: {str(error)[:200]}")
                    if wrong > 20:
                        break
                spent = time.process_time() - spent
                slowest = max(slowest, (spent, number))
                if spent > one.limit:
                    wrong += 1
                    print(f"{kind} {number}: {spent:.1f} s")
                done, number = done + 1, number + 1
    except AssertionError as error:
        wrong += 1
        print(f"{kind}: at the end: {error}")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 - memory
    wrong += grown > MOST_MEMORY
    print(f"{kind:<11} {done:>8,} mutants, {refused:>7,} refused, {wrong} wrong, slowest {slowest[0]:.3f} s "
          f"({slowest[1]}), memory +{grown} MB, {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("all", *KINDS))
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    seconds = 20.0 if given.seconds is None and given.count is None else given.seconds
    kinds = list(KINDS) if given.kind == "all" else [given.kind]
    with tempfile.TemporaryDirectory() as home:  # what packets name, such as memories to keep, is kept there
        os.environ["RNNMUSE_MODELS"] = str(Path(home) / "models")
        return sum(run(kind, given.count, seconds, given.first) for kind in kinds)


if __name__ == "__main__":
    sys.exit(bool(main()))
