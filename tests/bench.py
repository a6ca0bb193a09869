"""`make bench`: speed and memory, as medians and ratios measured in one run. Not a test."""

from __future__ import annotations

import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from random import Random
from typing import Any
from unittest import mock

import numpy as np

from rnnmuse.bridges import osc
from rnnmuse.clock import Clock
from rnnmuse.compose.muse import load
from rnnmuse.models import kernel
from rnnmuse.models.bundle import READS, bundles, find, load_phrase, load_stream, load_text
from rnnmuse.models.memory import Memory
from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import BEATS, GRID
from rnnmuse.music.piece import Piece
from rnnmuse.play.limits import Constraints, Rules
from rnnmuse.play.sampler import Frame, Player
from rnnmuse.play.together import step_together
from rnnmuse.realtime.stage import Settings, Stage
from rnnmuse.realtime.supervisor import engine_process
from rnnmuse.session import messages as m
from rnnmuse.text.writer import Writer

SCALE = frozenset({0, 2, 4, 5, 7, 9, 11})


def timed(command: list[str], runs: int = 7) -> float:
    """Median seconds of a process."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def imports() -> None:
    bare = timed([sys.executable, "-c", "pass"])
    with_package = timed([sys.executable, "-c", "import rnnmuse"])
    print(f"import rnnmuse          {1000 * (with_package - bare):6.1f} ms over bare Python")
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "x.mid")
        whole = timed(
            [sys.executable, "-m", "rnnmuse.cli.main", "generate", "--bars", "8", "--seed", "1", "--out", out]
        )
    print(f"generate --bars 8       {whole:6.2f} s from process start to written file")


def events(name: str = "lieder", count: int = 3000) -> None:
    """Every head, sampling and masks, one event at a time, with a full memory."""
    model = load(name).model
    drums = all(part.drum for part in model.parts)
    rules = Rules(
        Constraints(scale=None if drums else SCALE, polyphony=6, rest=4.0), Piece(), model.drums, len(model.parts)
    )
    player = Player(model, Frame(Piece()), rules, Random(1))
    while player.state.slots < model.slots:
        if player.next(player.grid, 10**9) is None:
            raise SystemExit(f"{name}: fell silent")
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        if player.next(player.grid, 10**9) is None:
            raise SystemExit(f"{name}: fell silent")
        seconds.append(time.perf_counter() - began)
    seconds.sort()
    median, late = seconds[count // 2], seconds[int(count * 0.99)]
    rate = count / sum(seconds)
    print(f"one event of {name:<11}with {model.slots:,} slots {1000 * median:6.2f} ms median, "
          f"p99 {late / median:.1f} x, {rate:,.0f} events/s{', kernel' if model.compiled else ''}")  # fmt: skip


def originality(name: str, count: int = 3000) -> None:
    """What the guard takes of an event, and one look-up: shares, from one run."""
    model = load(name).model
    player = Player(model, Frame(Piece()), Rules(Constraints(rest=4.0), Piece(), model.drums, len(model.parts)),
                    Random(1))  # fmt: skip
    guard, spent = player.guard, 0.0
    assert guard is not None
    assert model.corpus is not None

    def timing(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            nonlocal spent
            began = time.perf_counter()
            try:
                return method(*given)
            finally:
                spent += time.perf_counter() - began

        return call

    guard.take, guard.allowed = timing(guard.take), timing(guard.allowed)  # type: ignore[method-assign]
    began = time.perf_counter()
    for _ in range(count):
        player.next(player.grid, 10**9)
    whole = time.perf_counter() - began
    began = time.perf_counter()
    for value in range(count):
        model.corpus.holds(value * 0x9E3779B97F4A7C15 % (1 << 64))
    one = time.perf_counter() - began
    print(f"guard of {name:<11} {spent / whole:.4f} of an event, a look-up {one / whole:.4f}")


def characters(name: str, count: int = 3000) -> None:
    """Step and sampling, one character at a time."""
    writer = Writer(load_text(name), random=Random(1))
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        writer.next()
        seconds.append(time.perf_counter() - began)
    seconds.sort()
    median = seconds[count // 2]
    print(f"one character of {name:<11}{1000 * median:6.3f} ms median, p99 {seconds[int(count * 0.99)] / median:.1f} x")


def first_chunk(requests: int = 100) -> None:
    """From an OSC request for a word now to the word, over real sockets and with the real engine."""
    stage = Stage(Settings(port=0))
    stage.open()
    thread = threading.Thread(target=stage.serve, daemon=True)
    thread.start()
    stage.supervisor.ready.wait(60)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    udp.settimeout(20)

    def send(address: str, *values: object) -> None:
        udp.sendto(osc.build(address, values), ("127.0.0.1", stage.port))

    seconds = []
    send("/rnnmuse/subscribe", 600)
    send("/rnnmuse/text/1/when", "now")
    for _ in range(requests + 1):
        began = time.perf_counter()
        send("/rnnmuse/text/1/generate", 1)
        while osc.parse(udp.recv(65536))[0].address != "/rnnmuse/out/text/1":
            pass
        seconds.append(time.perf_counter() - began)
        time.sleep(0.02)
    seconds = sorted(seconds[1:])  # the first loads the model
    stage.close()
    median, worst = 1000 * statistics.median(seconds), 1000 * seconds[-1]
    print(f"request to first word       {median:6.2f} ms median, worst {worst:.1f}")


def long_run(name: str = "lieder", count: int = 100_000) -> None:
    """Event 100,000 beside event 2,000 of the same music, where the memory is full too, in turn.

    Processor time, and what the process grew by for the events between.
    """
    model = load(name).model
    early, late = full(model, 2), full(model, 2)
    for player in (early, late):
        while player.state.slots < 2000:
            player.next(player.grid, 10**9)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while late.state.slots < count:
        late.next(late.grid, 10**9)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    seconds: list[list[float]] = [[], []]
    for _ in range(1000):
        for player, taken in zip((early, late), seconds, strict=True):
            began = time.thread_time()
            player.next(player.grid, 10**9)
            taken.append(time.thread_time() - began)
    first, last = map(statistics.median, seconds)
    print(f"event {count:,} costs {last / first:.2f} x event 2,000; memory grew by {grown:.1f} MB")
    print(f"(that is {late.grid / GRID:,.0f} beats of music)")


def recall(name: str = "lieder", events: int = 64, runs: int = 200) -> None:
    """Going back by 64 events that did not sound and playing on: the restore and the copy that the next slot needs.

    Processor time.
    """
    model = load(name).model
    player = Player(model, Frame(Piece()), Rules(Constraints(), Piece(), model.drums, len(model.parts)), Random(3))
    for _ in range(model.slots + 500):
        player.next(player.grid, 10**9)
    back, on = [], []
    for _ in range(runs):
        saved = player.save()
        for _ in range(events):
            began = time.thread_time()
            player.next(player.grid, 10**9)
            on.append(time.thread_time() - began)
        began = time.thread_time()
        player.restore(saved)
        player.next(player.grid, 10**9)
        player.next(player.grid, 10**9)  # takes the first slot that differs
        back.append(time.thread_time() - began)
    back.sort()
    extra = statistics.median(back) - 2 * statistics.median(on)
    print(f"recall of {events} events      {1000 * extra:6.2f} ms median over the two events that follow, worst "
          f"{1000 * (back[-1] - 2 * statistics.median(on)):.2f}")  # fmt: skip


def full(model: StreamModel, seed: int) -> Player:
    """A player whose memory is full."""
    player = Player(model, Frame(Piece()), Rules(Constraints(), Piece(), model.drums, len(model.parts)), Random(seed))
    while player.state.slots < model.slots:
        player.next(player.grid, 10**9)
    return player


def batches(name: str = "lieder", sizes: Sequence[int] = (1, 2, 4, 8, 16, 32, 64), rounds: int = 40) -> None:
    """Players of one model that step at once beside as many that step one after another, in turn, memories full.

    A step is the trunk, read 1 and the draw of the first head; an event is that and the draw of all heads in the
    limits. Processor time, so that a busy machine does not count.
    """
    model = load(name).model
    saved = [full(model, seed).save() for seed in range(4)]

    def players(count: int) -> list[Player]:
        out = []
        for i in range(count):
            player = Player(
                model, Frame(Piece()), Rules(Constraints(), Piece(), model.drums, len(model.parts)), Random(i)
            )
            player.restore(saved[i % len(saved)])
            state = player.state
            player.state = state._replace(
                memory=Memory.of(state.memory.slots(state.slots), model.slots), slots=model.slots
            )
            out.append(player)
        return out

    def played(group: Sequence[Player], at_once: bool) -> tuple[float, float]:
        """Processor time of the steps and of the events of a group, each of which plays one."""
        began = time.thread_time()
        if at_once:
            step_together(group)
        for player in group:
            player.prepare()
            player.save().expected.draw(BEATS, Random(1))  # type: ignore[union-attr]
        stepped = time.thread_time()
        for player in group:
            player.next(player.grid, 10**9)
        return stepped - began, time.thread_time() - began

    for size in sizes:
        alone, together = players(size), players(size)
        taken = []
        for turn in range(rounds):
            if turn % 2:
                first = played(alone, False)
                taken.append((*first, *played(together, True)))
            else:
                second = played(together, True)
                taken.append((*played(alone, False), *second))
        step, event, steps, events = (statistics.median(row[i] for row in taken) for i in range(4))
        print(f"{size:3} players of {name} at once: {step / steps:.2f} x the steps a second of one after another, "
              f"{event / events:.2f} x the events ({1e6 * steps / size:.0f} us a step)")  # fmt: skip


def compiled(names: Sequence[str] = ("lieder", "band", "piano"), count: int = 1500) -> None:
    """An event with the compiled kernel beside one without, in turn, memories full. Processor time."""
    for name in names:
        models = []
        for library in (None, kernel.library()):
            with mock.patch.object(kernel, "library", lambda library=library: library):
                models.append(load_stream(name))
        if models[1].compiled is None:
            raise SystemExit(f"compiled kernel: {kernel.in_use()}")
        players = [full(model, 1) for model in models]
        taken: list[list[float]] = [[], []]
        for turn in range(count):
            for i in ((0, 1), (1, 0))[turn % 2]:
                began = time.thread_time()
                players[i].next(players[i].grid, 10**9)
                taken[i].append(time.thread_time() - began)
        without, with_it = map(statistics.median, taken)
        print(f"an event of {name} without the kernel costs {without / with_it:.2f} x one with it "
              f"({1e6 * without:.0f} and {1e6 * with_it:.0f} us)")  # fmt: skip


def limit(name: str = "lieder", count: int = 1000) -> None:
    """A step of the trunk, and an event, each beside a copy of the bytes that it reads.

    The step reads its weights; the event those, what the reads say with theirs, keys, values and heads.
    """
    model = load(name).model
    player = full(model, 4)
    held = player.state.memory.slots(player.state.slots)
    arrays = [held.keys, held.values, *(weight for weight, _ in model.heads)]
    step, *reads = (
        path.stat().st_size for file in ("step.onnx", *READS) if (path := find(name).folder / file).exists()
    )
    size = step + sum(reads) + sum(array.nbytes for array in arrays)
    source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)
    rows, state = list(range(20)), np.zeros((1, model.hidden), np.float32)
    step_once = model._bound if model.compiled is None else partial(model.compiled.step, rows, state)
    taken = []
    for _ in range(count):
        times = [time.thread_time()]
        step_once()
        times.append(time.thread_time())
        np.copyto(target[:step], source[:step])
        times.append(time.thread_time())
        player.next(player.grid, 10**9)
        times.append(time.thread_time())
        np.copyto(target, source)
        times.append(time.thread_time())
        taken.append([after - before for before, after in pairwise(times)])
    alone, weights, event, whole = (statistics.median(row[i] for row in taken) for i in range(4))
    print(f"a step of {name} costs {alone / weights:.1f} x a copy of the {step / 1e6:.2f} MB of its weights "
          f"({1e6 * alone:.0f} and {1e6 * weights:.0f} us)")  # fmt: skip
    print(f"an event of {name} costs {event / whole:.1f} x a copy of the {size / 1e6:.1f} MB that it reads")


def phrases(name: str, count: int = 200) -> None:
    """Decoding a phrase at a new point, and encoding one."""
    model = load_phrase(name)
    random = Random(1)
    for bars in model.bars:
        decoding, encoding = [], []
        for _ in range(count):
            point = model.draw(bars, random)
            began = time.perf_counter()
            grid = model.decode(point)
            middle = time.perf_counter()
            model.encode(grid)
            decoding.append(middle - began)
            encoding.append(time.perf_counter() - middle)
        decoding.sort()
        print(
            f"{bars} bars of {name:<11}{1000 * decoding[count // 2]:6.2f} ms to decode (median), p99 "
            f"{1000 * decoding[int(count * 0.99)]:.2f} ms; {1000 * statistics.median(encoding):.2f} ms to encode"
        )


def pad(name: str, moves: int = 200) -> None:
    """From a move of the pad, sent to the engine's process, to the new phrase's notes that come back.

    What is left then is the wait for the sixteenth, which the scheduler keeps.
    """
    came: SimpleQueue[m.FromEngine] = SimpleQueue()
    engine = engine_process(name)(came.put, lambda: None)
    random, seconds = Random(2), []

    def until(kind: type[m.FromEngine]) -> None:
        while not isinstance(message := came.get(timeout=20), kind):
            if isinstance(message, m.Handled):
                engine.grant(message.count)

    until(m.Ready)
    clock = Clock()
    clock.start(time.monotonic_ns(), 0)
    engine.send(m.SetClock(clock, 0.0, 1))
    engine.send(m.SetMode(0, 1, "loop", 0.0))
    until(m.NoteOn)
    for move in range(moves):
        time.sleep(random.uniform(0.05, 0.15))
        while not came.empty():
            if isinstance(message := came.get(), m.Handled):
                engine.grant(message.count)
        began = time.perf_counter()
        beat = clock.beat_at(time.monotonic_ns())
        engine.send(m.MoveLatent(0, 1, "recall", (1 + move % 16,), beat))
        until(m.Recall)  # sent with the notes that take their place, which are computed by then
        seconds.append(time.perf_counter() - began)
    engine.join()
    seconds.sort()
    print(f"pad move of {name:<12}{1000 * seconds[moves // 2]:6.2f} ms median until the new phrase is planned, p99 "
          f"{1000 * seconds[int(moves * 0.99)]:.2f} ms")  # fmt: skip


def everything() -> None:
    imports()
    for name, bundle in bundles().items():
        match bundle.about["kind"]:
            case "stream":
                events(name)
                if load(name).model.corpus is not None:
                    originality(name)
            case "text":
                characters(name)
            case "phrase":
                phrases(name)
                pad(name)
    first_chunk()
    if kernel.library() is not None:
        compiled()
    limit()
    recall()
    batches()
    long_run()


PARTS: dict[str, Callable[[], None]] = {
    "imports": imports, "events": events, "compiled": compiled, "limit": limit, "recall": recall, "batches": batches,
    "long_run": long_run,
    "first_chunk": first_chunk,
}  # fmt: skip
"""What can be asked for alone, by name."""

if __name__ == "__main__":
    for part in sys.argv[1:]:
        if part not in PARTS:
            raise SystemExit(f"{part}: not one of {', '.join(PARTS)}")
        PARTS[part]()
    if not sys.argv[1:]:
        everything()
