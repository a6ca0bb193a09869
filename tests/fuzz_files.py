"""Damaged files by the thousand, and the slowest of them through every command: `make fuzz`.

    python tests/fuzz_files.py read midi 2000            # kinds: midi, musicxml, mxl, abc, kern
    python tests/fuzz_files.py commands 100 --first 0    # the slowest that were read, through every command

What is read is kept in OUT by how long it took, slowest first, so that `commands` finds it. Each file must be read or
refused in one line, in 1 s (scores 5 s), in 256 MB; each command must do its work or say one line, without a traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import os
import resource
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from rnnmuse.errors import ReadError, ReadWarning
from rnnmuse.music.musicxml import musicxml_bytes
from rnnmuse.music.read import read_music

TESTS = Path(__file__).parent
CASES = TESTS / "cases"
OUT = Path("out/fuzz")
KEPT = 60
"""Files of each kind that are kept for `commands`."""
LIMITS = {"midi": 1.0, "musicxml": 5.0, "mxl": 5.0, "abc": 5.0, "kern": 5.0}
SUFFIX = {"midi": "mid", "musicxml": "musicxml", "mxl": "mxl", "abc": "abc", "kern": "krn"}
MEMORY = 256


def module(name: str) -> object:
    spec = importlib.util.spec_from_file_location(name, TESTS / "music" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def maker(kind: str) -> Callable[[int], bytes]:
    """What makes the mutant of a number."""
    scores, midi = module("test_score_mutants"), module("test_midi_mutants")
    if kind == "midi":
        real = [path.read_bytes() for path in sorted(CASES.glob("*.mid")) if path.stat().st_size < 200_000]

        def one(seed: int) -> bytes:
            data = midi.original(seed) if seed % 2 else real[seed // 2 % len(real)]  # type: ignore[attr-defined]
            return midi.mutant(data, Random(seed))  # type: ignore[attr-defined, no-any-return]

        return one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadWarning)
        xml = [path.read_bytes() for path in sorted(CASES.glob("*.musicxml")) if "enc" not in path.name]
        xml += [musicxml_bytes(read_music(CASES / name)) for name in ("soft.kar", "bend.mid")]

    def other(seed: int) -> bytes:
        random = Random(seed)
        if kind in ("abc", "kern"):
            data = scores.ABC if kind == "abc" else scores.KERN  # type: ignore[attr-defined]
            return scores.byte_mutant(data, random)  # type: ignore[attr-defined, no-any-return]
        data = xml[seed % len(xml)]
        if kind == "mxl":
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("META-INF/container.xml", '<rootfile full-path="a.xml"/>')
                inner = scores.xml_mutant(data, random) if seed % 2 else data  # type: ignore[attr-defined]
                archive.writestr("a.xml", inner)
            whole = buffer.getvalue()
            return whole if seed % 2 else scores.byte_mutant(whole, random)  # type: ignore[attr-defined, no-any-return]
        mutate = scores.xml_mutant if seed % 2 else scores.byte_mutant  # type: ignore[attr-defined]
        return mutate(data, random)  # type: ignore[no-any-return]

    return other


def spent() -> float:
    """Seconds of processor time of this process and its children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def read(kind: str, count: int, first: int) -> int:
    """Read mutants; returns how many were handled wrongly."""
    make, wrong, kept = maker(kind), 0, []
    OUT.mkdir(parents=True, exist_ok=True)
    times, refused = [], 0
    for seed in range(first, first + count):
        path = OUT / f"now.{SUFFIX[kind]}"
        path.write_bytes(make(seed))
        began, processor = time.monotonic(), time.process_time()
        was_read = False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ReadWarning)
                read_music(path)
            was_read = True
        except ReadError as error:
            refused += 1
            if "\n" in str(error) or len(str(error)) > 400:
                wrong += 1
                print(f"{kind} {seed}: not one line: {str(error)[:200]!r}")
        except Exception as error:
            wrong += 1
            print(f"{kind} {seed}: {type(error).__name__}: {str(error)[:200]}")
        wall, processor = time.monotonic() - began, time.process_time() - processor
        times.append((wall, processor, seed))
        if wall > LIMITS[kind] and (processor > LIMITS[kind] or kind in ("abc", "kern")):
            wrong += 1
            print(f"{kind} {seed}: {wall:.1f} s ({processor:.1f} s of this process)")
        if was_read:
            kept.append((wall, seed, path.read_bytes()))
    path.unlink()
    for place, (_, seed, data) in enumerate(sorted(kept, reverse=True)[:KEPT]):
        (OUT / f"{kind}-{place:03d}-{seed}.{SUFFIX[kind]}").write_bytes(data)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    slowest = max(times)
    print(
        f"{kind}: {count} files, {refused} refused, {wrong} wrong; slowest {slowest[0]:.2f} s wall "
        f"(seed {slowest[2]}), "
        f"{max(p for _, p, _ in times):.2f} s of processor here; {own} MB here, {child} MB in children that ended"
    )
    return wrong + (own > MEMORY)


COMMANDS = (
    ("show", "FILE"),
    ("cues", "FILE"),
    ("listen", "FILE", "--rate", "16000", "--out", "a.wav", "--force"),
    ("play", "FILE", "--record", "r.mid", "--force"),
    ("continue", "FILE", "--bars", "1", "--out", "c.mid", "--force", "--seed", "1"),
    ("infill", "FILE", "--bars", "1", "--out", "i.mid", "--force", "--seed", "1"),
    ("vary", "FILE", "--out", "v.mid", "--force", "--seed", "1"),
    ("groove", "FILE", "--out", "g.mid", "--force", "--seed", "1"),
    ("interpolate", "FILE", "FILE", "--steps", "3", "--out", "p.mid", "--force"),
    ("lyrics", "FILE", "--seed", "1"),
    ("cover", "FILE", "--size", "64", "--out", "c.png"),
)


def commands(count: int, first: int) -> int:
    """The slowest files through every command, in this process; returns how many went wrong."""
    from rnnmuse.cli import main as command

    kinds = [sorted(OUT.glob(f"{kind}-*"))[:KEPT] for kind in LIMITS]
    files = [path for row in zip(*(k + [None] * (KEPT - len(k)) for k in kinds), strict=True) for path in row if path]
    wrong, times = 0, []
    work = OUT / "work"
    work.mkdir(parents=True, exist_ok=True)
    home = Path.cwd()
    for path in files[first : first + count]:
        for words in COMMANDS:
            argv = ["rnnmuse", *(str(home / path) if word == "FILE" else word for word in words)]
            out, err, code = io.StringIO(), io.StringIO(), 0
            os.chdir(work)
            sys.argv, began = argv, spent()
            try:
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    command.main()
            except SystemExit as end:
                code = int(end.code or 0)
            except BaseException as error:
                code = 99
                err.write(f"{type(error).__name__}: {error}")
            finally:
                os.chdir(home)
            took = spent() - began
            times.append((took, words[0], path.name))
            said = [line for line in err.getvalue().splitlines() if line.strip()]
            errors = [line for line in said if not line.startswith("rnnmuse: warning")]
            bad = code not in (0, 2) or "Traceback" in err.getvalue() + out.getvalue()
            if bad or (code == 2 and len(errors) != 1):
                wrong += 1
                print(f"{words[0]} {path.name}: exit {code}: {' | '.join(said)[-300:]}", flush=True)
        worst = max(times[-len(COMMANDS) :])
        print(f"{path.name}: {len(COMMANDS)} commands, slowest {worst[1]} {worst[0]:.1f} s", flush=True)
    times.sort(reverse=True)
    print(f"{len(times)} command lines, {wrong} wrong; slowest in s of processor time:")
    for took, name, file in times[:8]:
        print(f"  {took:5.1f}  {name} {file}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("read", "commands"))
    parser.add_argument("words", nargs="+", help="read: KIND COUNT; commands: COUNT")
    parser.add_argument("--first", type=int, default=0, help="the first mutant, or file")
    given = parser.parse_args()
    if given.what == "read":
        wrong = read(given.words[0], int(given.words[1]), given.first)
    else:
        wrong = commands(int(given.words[0]), given.first)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
