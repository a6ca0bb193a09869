"""`make trust`: the table of docs/trust.md, measured here. `python tests/trust.py --share 0.01` does a hundredth of it.

The whole takes hours on two cores; pieces and poems go on where they stopped, in out/counts.
A row says how much of it was done; the exit status is 1 where one is not as it
must be.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
Row = Callable[[float], tuple[str, bool]]
POEMS = ("haiku", "couplet", "ballad", "sonnet", "song", "jueju", "lushi")


def of(count: int, share: float) -> int:
    return max(1, round(count * share))


def ledger(share: float) -> tuple[str, bool]:
    """Random notes, ends and lost outputs; what was sent must agree with what an output would hold."""
    from rnnmuse.realtime.ledger import Ledger

    steps, rng = of(1_000_000, share), random.Random(1)
    holds: dict[object, int] = {}

    def send(key: object, velocity: int, owner: int) -> None:
        assert velocity or key in holds, "an end without a beginning"
        holds.__setitem__(key, owner) if velocity else holds.pop(key)

    made, hung = Ledger(send), 0
    for step in range(steps):
        key = (rng.randrange(3), rng.randrange(16), rng.randrange(128))
        match rng.randrange(20):
            case 0:
                made.end(owner=rng.randrange(4))
            case 1:
                made.end(output=rng.randrange(3))
            case 2 if step % 50 == 0:
                gone = rng.randrange(3)
                made.forget(gone)
                for held in [held for held in holds if held[0] == gone]:  # type: ignore[index]
                    del holds[held]
            case n if n < 12:
                made.on(key, 1 + rng.randrange(127), rng.randrange(4))
            case _:
                made.off(key, rng.choice((None, rng.randrange(4))))
        if step % 10_000 == 9_999 or step == steps - 1:
            made.end()
            hung += len(holds)
    return f"{hung} hung in {steps:,} steps", hung == 0


def script(*words: str) -> Row:
    """A row that runs a script and shows its last line; ``COUNT:n`` is n times the share."""

    def run(share: float) -> tuple[str, bool]:
        given = [str(of(int(word[6:]), share)) if word.startswith("COUNT:") else word for word in words]
        done = subprocess.run([sys.executable, *given], capture_output=True, text=True, check=False)
        last = (done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["no word"])[-1]
        return last[:150], done.returncode == 0

    return run


def kills(share: float) -> tuple[str, bool]:
    count = max(4, of(1000, share))
    done = subprocess.run(
        [sys.executable, str(TESTS / "kills.py"), str(count)], capture_output=True, text=True, check=False
    )
    return f"{'0 lost' if done.returncode == 0 else done.stdout[-150:]} of {count}", done.returncode == 0


def counts(what: str, *more: str) -> Row:
    """A row of counts.py, which goes on where it stopped."""
    return script(str(TESTS / "counts.py"), what, "--count", "COUNT:1000", *more)


def lookups(share: float) -> tuple[str, bool]:
    """Processor time of the guard for a note: following the line of its part, looking up what would come next."""
    from rnnmuse.compose.muse import load
    from rnnmuse.models.bundle import bundles
    from rnnmuse.models.originality import FILE
    from rnnmuse.play.guard import Guard

    spent: list[float] = []

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            began = time.thread_time()
            try:
                return method(*given)
            finally:
                spent.append(time.thread_time() - began)

        return run

    take, allowed, parts, good = Guard.take, Guard.allowed, [], True
    Guard.take, Guard.allowed = timed(take), timed(allowed)  # type: ignore[method-assign]
    try:
        for name, bundle in bundles().items():
            if bundle.kind != "stream" or not (bundle.folder / FILE).exists():
                continue
            spent.clear()
            notes = sum(len(load(name).generate(16, seed=seed).notes) for seed in range(of(10, share)))
            each, worst = 1000 * sum(spent) / notes, 1000 * sorted(spent)[int(len(spent) * 0.999)]
            parts.append(f"{name} {each:.3f} ms (99.9 % of the calls {worst:.2f})")
            good &= each <= 0.1
    finally:
        Guard.take, Guard.allowed = take, allowed  # type: ignore[method-assign]
    return "a note: " + "; ".join(parts), good


def indexes() -> list[str]:
    """The table of docs/trust.md: what each model's index holds, and what real pieces have in common."""
    from rnnmuse.models.bundle import bundles
    from rnnmuse.models.originality import FILE, Index

    lines = [
        "| index | pieces | figures | bytes | real pieces: run, median and 95 % | overlap, 95 % |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, bundle in bundles().items():
        path = bundle.folder / FILE
        if path.exists():
            index = Index.load(path)
            lines.append(
                f"| {name} | {index.pieces:,} | {index.figures:,} | {path.stat().st_size:,} | {index.runs[1]:.0f}, "
                f"{index.runs[2] + 1e-9:.0f} | {index.overlaps[2]:.1%} |".replace("% |", " % |")
            )
    return lines


def write_indexes(page: Path) -> None:
    """Put the table of `indexes` in the place of the one that the page has."""
    lines, made = page.read_text("utf-8").splitlines(), indexes()
    first = lines.index(made[0])
    last = next(at for at in range(first, len(lines)) if not lines[at].startswith("|"))
    page.write_text("\n".join([*lines[:first], *made, *lines[last:]]) + "\n", "utf-8")


def file(kind: str, count: int) -> Row:
    return script(str(TESTS / "fuzz_files.py"), "read", kind, f"COUNT:{count}")


def mutants(kind: str, count: int) -> Row:
    return script(str(TESTS / "fuzz.py"), kind, "--count", f"COUNT:{count}")


ROWS: dict[str, Row] = {
    "hung notes in ledger steps": ledger,
    "hostile OSC packets": mutants("osc", 1_000_000),
    "hostile MIDI files": file("midi", 10_000),
    "hostile MusicXML": file("musicxml", 500),
    "hostile MXL": file("mxl", 500),
    "hostile ABC": file("abc", 500),
    "hostile kern": file("kern", 500),
    "hostile bundles": mutants("bundle", 5_000),
    "hostile images": mutants("image", 2_000),
    "hostile rigs": mutants("rig", 5_000),
    "hostile WebSocket": mutants("websocket", 100_000),
    "provenance of every writer": script("-m", "pytest", "-q", str(TESTS / "provenance")),
    **{f"runs of the corpus, {name}": counts(name) for name in ("piano", "lieder", "leadsheet", "grooves", "band")},
    **{f"runs of letters, {form}": counts(form) for form in POEMS},
    "looking up what is known": lookups,
    "planted canary": script("-m", "pytest", "-q", str(TESTS / "train" / "stream" / "test_canary.py")),
    "killed while saving": kills,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="how much of each row, above 0 to 1")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--indexes", action="store_true", help="write the table of indexes into docs/trust.md, no more")
    given = parser.parse_args()
    if given.indexes:
        write_indexes(TESTS.parent / "docs" / "trust.md")
        return 0
    os.environ["RNNMUSE_TRUST"] = "1"
    wrong = 0
    print("| what | figure | |\n| --- | --- | --- |", flush=True)
    for name, row in ROWS.items():
        if given.only not in name:
            continue
        began = time.monotonic()
        try:
            text, good = row(given.share)
        except Exception as error:  # one row that fails does not hide the others
            text, good = f"{type(error).__name__}: {error}", False
        wrong += not good
        print(f"| {name} | {text} | {'ok' if good else 'NOT'}, {time.monotonic() - began:.0f} s |", flush=True)
    print(
        "\nThe band for 30 real minutes and a simulated day: make soak. Covers beside their corpus: rnnmuse evaluate."
    )
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main()))
