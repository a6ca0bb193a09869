"""One figure of rnnmuse or of a peer, measured in the Python that runs this file: `python bench_probes.py NAME`.

A probe prints JSON lines ``{"figure": …, "value": …, "unit": …}``. `bench_pairs.py` and `bench_peers.py` run them
in turn, each in a process of its own. rnnmuse is imported inside its probes alone: the file
also runs where only a peer is installed.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROBES: dict[str, Callable[[], None]] = {}
NOTE = b"/rnnmuse/out/1/note\0"


def probe(function: Callable[[], None]) -> Callable[[], None]:
    PROBES[function.__name__] = function
    return function


def tell(figure: str, value: float, unit: str) -> None:
    print(json.dumps({"figure": figure, "value": value, "unit": unit}), flush=True)


def median_of(call: Callable[[], object], count: int, warm: int = 20) -> float:
    """Median seconds of a call."""
    for _ in range(warm):
        call()
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# -- rnnmuse ----------------------------------------------------------------------------------------------------


def _player(name: str, full: bool) -> Any:
    from random import Random

    from rnnmuse.compose.muse import load
    from rnnmuse.music.piece import Piece
    from rnnmuse.play.limits import Constraints, Rules
    from rnnmuse.play.sampler import Frame, Player

    model = load(name).model
    rules = Rules(Constraints(), Piece(), model.drums, len(model.parts))
    player = Player(model, Frame(Piece()), rules, Random(1))
    while full and player.state.slots < model.slots:
        player.next(player.grid, 10**9)
    return player


@probe
def event() -> None:
    """One event of `lieder` with a full memory: step, reads, draws, limits."""
    began = time.perf_counter()
    player = _player("lieder", False)
    player.next(player.grid, 10**9)
    tell("start to the first event", time.perf_counter() - began, "s")
    while player.state.slots < player.model.slots:
        player.next(player.grid, 10**9)
    tell("event, memory full", median_of(lambda: player.next(player.grid, 10**9), 1000), "s")
    tell("memory of the process", megabytes(), "MB")


@probe
def event_empty() -> None:
    """The first hundred events of a piece, whose memory is nearly empty."""
    times = []
    for _ in range(4):
        player = _player("lieder", False)
        times.append(median_of(lambda player=player: player.next(player.grid, 10**9), 100, 2))  # type: ignore[misc]
    tell("event, memory empty", statistics.median(times), "s")


@probe
def phrase() -> None:
    """Decoding a phrase of four bars at a new point."""
    from random import Random

    from rnnmuse.models.bundle import load_phrase

    model, random = load_phrase("phrases"), Random(1)
    bars = max(model.bars)
    points = [model.draw(bars, random) for _ in range(240)]
    tell("phrase decoded", median_of(lambda: model.decode(points.pop()), 200), "s")


@probe
def character() -> None:
    """One character of `verse`."""
    from random import Random

    from rnnmuse.models.bundle import load_text
    from rnnmuse.text.writer import Writer

    writer = Writer(load_text("verse"), random=Random(1))
    tell("character of text", median_of(writer.next, 1500), "s")


@probe
def cover() -> None:
    """A cover of 1,000 px with a title."""
    from rnnmuse.cover.picture import Design, draw
    from rnnmuse.models.bundle import load_cover

    model = load_cover("covers")
    tell("cover of 1000 px", median_of(lambda: draw(model, Design(1, title="A title"), 1000, 1000), 3, 1), "s")


@contextmanager
def _live(*options: str) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """`rnnmuse live` and a client of it that has subscribed."""
    command = [sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0", "--no-midi", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(60)
            client.connect(("127.0.0.1", port))
            client.send(_osc("/rnnmuse/subscribe", 600))
            yield process, client
    finally:
        process.terminate()
        process.wait(20)


@probe
def start() -> None:
    """`rnnmuse live`: to its answer, to its first note, and the memory of all its processes."""
    began = time.perf_counter()
    with _live("--demo") as (process, client):
        client.send(_osc("/rnnmuse/ping", 1))
        client.recv(65536)
        tell("live, to its answer", time.perf_counter() - began, "s")
        while NOTE not in client.recv(65536):
            pass
        tell("live, to its first note", time.perf_counter() - began, "s")
        tell("live, memory of all processes", _memory(process.pid), "MB")


@probe
def commands() -> None:
    """Whole commands, from the start of the process to its end."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "x.mid")
        python = [sys.executable, "-m", "rnnmuse.cli.main"]
        for figure, words in (
            ("rnnmuse --version", ["--version"]),
            ("rnnmuse generate, 8 bars", ["generate", "--bars", "8", "--seed", "1", "--out", out]),
        ):
            began = time.perf_counter()
            subprocess.run([*python, *words], check=True, capture_output=True)
            tell(figure, time.perf_counter() - began, "s")


@probe
def reaction() -> None:
    """From a note in by OSC to the answer's first note out, `accompany`."""
    with _live("--mode", "accompany") as (_, client):
        for packet in (
            _osc("/rnnmuse/player/1/param/steady", 0),
            _osc("/rnnmuse/models"),
        ):
            client.send(packet)
        while b"/rnnmuse/models" not in client.recv(65536):
            pass
        seconds = []
        client.settimeout(1.0)
        for number in range(60):
            pitch = 60 + number * 7 % 12
            began = time.perf_counter()
            client.send(_osc("/rnnmuse/player/1/note", pitch, 90, 0.2))
            while (left := began + 1.0 - time.perf_counter()) > 0:  # other messages come all the time
                client.settimeout(left)
                try:
                    if NOTE in client.recv(65536):
                        seconds.append(time.perf_counter() - began)
                        break
                except TimeoutError:
                    break
            end = time.perf_counter() + 0.25
            while (left := end - time.perf_counter()) > 0:  # what follows is not this note's
                client.settimeout(left)
                try:
                    client.recv(65536)
                except TimeoutError:
                    break
            client.settimeout(1.0)
        tell("note in to note out", statistics.median(seconds[5:]), "s")


@probe
def training() -> None:
    """Steps of training of a small stream network, its examples made up: one thread."""
    import torch

    from rnnmuse.events import Note
    from rnnmuse.music.codec import PartClass, encode
    from rnnmuse.music.piece import Part, Piece
    from rnnmuse.train.stream.data import Music, whole
    from rnnmuse.train.stream.network import Shape, StreamNet

    torch.set_num_threads(1)
    torch.manual_seed(0)
    notes = [Note(i / 2, 48 + i * 7 % 24, 0.4, 60 + i % 40) for i in range(400)]
    pieces = [encode(Piece([Part("Piano", 0, notes=notes)]), (PartClass("piano", 0, (0,)),))] * 8
    net = StreamNet(Shape(parts=1, drums=0))
    adam = torch.optim.Adam(net.parameters(), 1e-3)
    batch, _ = next(iter(whole(Music(pieces, 1, 0, torch.device("cpu")), 8, 128)))

    def step() -> None:
        adam.zero_grad()
        net(batch, None)[0].mean().backward()
        adam.step()

    tell("training step", median_of(step, 8, 2), "s")


@probe
def gru() -> None:
    """The limit of a step in plain torch: a GRU and linear heads of the sizes of `lieder`, no memory, no draw."""
    import torch

    torch.set_num_threads(1)
    trunk = torch.nn.GRU(320, 512)
    heads = torch.nn.Linear(512, 1024)
    state = torch.zeros(1, 1, 512)
    given = torch.zeros(1, 1, 320)

    def step() -> None:
        nonlocal state
        with torch.inference_mode():
            out, state = trunk(given, state)
            heads(out)

    tell("GRU and heads in plain torch", median_of(step, 1000), "s")


# -- the limits -------------------------------------------------------------------------------------------------


@probe
def limits() -> None:
    """What nothing can be faster than: bare Python, a bare UDP echo, a copy of 4 MB."""
    began = time.perf_counter()
    for _ in range(5):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    tell("bare Python", (time.perf_counter() - began) / 5, "s")
    code = (
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', 0))\n"
        "print(s.getsockname()[1], flush=True)\nwhile True:\n    d, a = s.recvfrom(65536)\n    s.sendto(d, a)\n"
    )
    echo = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert echo.stdout is not None
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", int(echo.stdout.readline())))
    client.settimeout(5)

    def once() -> None:
        client.send(b"/a\0\0,\0\0\0")
        client.recv(100)

    tell("bare UDP echo", median_of(once, 500), "s")
    echo.kill()
    echo.wait()


# -- peers: random weights of their published sizes ----------------------------------------------------------------


def _notochord(figure: str, **sizes: int) -> None:
    began = time.perf_counter()
    import torch
    from notochord import EventConstraints, Notochord

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Notochord(**sizes).eval()
    model.reset()
    allowed = EventConstraints({1: set(range(21, 109))}, max_time=1.0)

    def once() -> None:
        if len(model.held_notes) > 12:
            model.held_notes.clear()
        found = model.sample(allowed, "vtip").as_dict()
        model.feed(found["inst"], found["pitch"], found["time"], found["vel"])

    once()
    tell(f"{figure}: start to the first event", time.perf_counter() - began, "s")
    tell(f"{figure}: event", median_of(once, 200), "s")
    tell(f"{figure}: memory of the process", megabytes(), "MB")


@probe
def notochord() -> None:
    """notochord 0.8.0, its default size."""
    _notochord("notochord")


@probe
def notochord_small() -> None:
    """notochord 0.8.0 with 2.4 million parameters: 256 wide, one layer of 512."""
    _notochord("notochord 2.4 M", emb_size=256, rnn_hidden=512, rnn_layers=1, mlp_layers=1)


@probe
def impsy() -> None:
    """IMPSY 1.2.1, size s, nine dimensions."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    began = time.perf_counter()
    import numpy as np
    from impsy import mdrnn
    from impsy.utils import mdrnn_config

    sizes = mdrnn_config("s")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.keras"
        shape = (9, sizes["units"], sizes["mixes"], sizes["layers"])
        mdrnn.build_mdrnn_model(*shape, inference=True).save(path)
        net = mdrnn.KerasMDRNN(path, *shape)
        value = [mdrnn.random_sample(out_dim=9)]

        def once() -> None:
            value[0] = mdrnn.proc_generated_touch(np.asarray(net.generate(value[0])), 9)

        once()
        tell("impsy: start to the first event", time.perf_counter() - began, "s")
        tell("impsy: event", median_of(once, 100), "s")
        tell("impsy: memory of the process", megabytes(), "MB")


@probe
def notochord_server() -> None:
    """From a message to notochord's own OSC server to its answer."""
    import torch
    from notochord import Notochord

    with tempfile.TemporaryDirectory() as folder:
        weights = f"{folder}/random.ckpt"
        torch.save({"kw": {"model": {}}, "model_state": Notochord().state_dict()}, weights)
        port = _free()
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.bind(("127.0.0.1", 0))
        client.settimeout(0.5)
        request = _osc("/notochord/feed_query", 1, 60, 0.1, 80.0, "next_inst", 1)
        command = [sys.executable, "-m", "notochord", "server", "--checkpoint", weights, "--receive-port", str(port)]
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            while time.perf_counter() - began < 90:
                client.sendto(request, ("127.0.0.1", port))
                try:
                    client.recv(65536)
                    break
                except (TimeoutError, ConnectionError):
                    continue
            else:
                raise SystemExit("notochord's server does not answer")
            tell("notochord: server, to its answer", time.perf_counter() - began, "s")
            tell("notochord: server, memory", _memory(process.pid), "MB")
            client.settimeout(2.0)
            time.sleep(1.0)

            def once() -> None:
                client.sendto(request, ("127.0.0.1", port))
                client.recv(65536)
                time.sleep(0.02)

            tell("notochord: note in to note out", median_of(once, 150) - 0.02, "s")
        finally:
            process.kill()
            process.wait()


# -- what probes share ------------------------------------------------------------------------------------------


def _osc(address: str, *values: object) -> bytes:
    """An OSC 1.0 message, so that a peer's environment needs nothing of ours."""
    import struct

    def text(value: str) -> bytes:
        data = value.encode() + b"\0"
        return data + bytes(-len(data) % 4)

    tags, data = ",", b""
    for value in values:
        if isinstance(value, int):
            tags, data = tags + "i", data + struct.pack(">i", value)
        elif isinstance(value, float):
            tags, data = tags + "f", data + struct.pack(">f", value)
        else:
            tags, data = tags + "s", data + text(str(value))
    return text(address) + text(tags) + data


def _free() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def _memory(pid: int) -> float:
    """Megabytes of a process and its children, shared pages once (PSS)."""
    pids, found = [pid], 0.0
    for one in pids:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            pids += [int(child) for child in task.read_text().split()]
        lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        found += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return found


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        PROBES[wanted]()
