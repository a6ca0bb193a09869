"""`make kills`: processes that are killed (SIGKILL) while they save; what they saved before must load, whole.

`python tests/kills.py COUNT` kills COUNT times, in turn a rig with its presets, a checkpoint, a bundle and a file with
its record of provenance. Prints a row for each, exits with 1 where something was lost. A child says each number that
it has saved; after the kill the number that loads must be that one, or the next.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rnnmuse.config import Rig, load, write
from rnnmuse.events import Note
from rnnmuse.models.bundle import find, read_about, verify
from rnnmuse.music.midi import read_midi, write_midi
from rnnmuse.music.piece import Part, Piece
from rnnmuse.provenance.marks import read
from rnnmuse.provenance.record import Made
from rnnmuse.session.seat import Seat
from rnnmuse.storage import write_whole


def save_rig(folder: Path, number: int) -> None:
    seat = Seat(parameters={"seed": number})
    rig = Rig(players={1: seat}, presets={n: {1: seat} for n in range(1, 60)})
    write_whole(folder / "my.toml", write(rig).encode())


def load_rig(folder: Path) -> int:
    rig = load(folder / "my.toml")
    numbers = {rig.players[1].parameters["seed"], *(seats[1].parameters["seed"] for seats in rig.presets.values())}
    assert len(numbers) == 1
    assert len(rig.presets) == 59
    return int(numbers.pop())


def save_checkpoint(folder: Path, number: int) -> None:
    import torch

    from rnnmuse.train.checkpoint import Log, save

    Log(folder).append({"step": number})
    save(folder / "last.ckpt", {"step": number, "weights": torch.full((60_000,), float(number))})


def load_checkpoint(folder: Path) -> int:
    from rnnmuse.train.checkpoint import Log, load

    held = load(folder / "last.ckpt")
    assert bool((held["weights"] == held["step"]).all())
    assert held["step"] in [row["step"] for row in Log(folder).rows()]
    return int(held["step"])


def save_bundle(folder: Path, number: int) -> None:
    from rnnmuse.train.bundle import new_bundle

    with new_bundle(folder / "mine") as partial:
        (partial / "model.toml").write_text(f'format = 1\nkind = "cover"\nabout = "{number}"\n')
        (partial / "weights.safetensors").write_bytes(bytes([number % 256]) * 200_000)


def load_bundle(folder: Path) -> int:
    os.environ["RNNMUSE_MODELS"] = str(folder)
    bundle = find("mine")
    verify(bundle)
    number = int(read_about(bundle.folder)["about"])
    assert set((bundle.folder / "weights.safetensors").read_bytes()) == {number % 256}
    return number


def save_piece(folder: Path, number: int) -> None:
    notes = [Note(i / 4, 60, 0.25) for i in range(2000)]
    write_midi(Piece([Part(notes=notes)], made=Made("generate", seed=number)), folder / "a.mid")


def load_piece(folder: Path) -> int:
    found = read(folder / "a.mid")
    assert found is not None
    assert found.intact
    assert len(read_midi(folder / "a.mid").notes) == 2000
    assert found.made.seed is not None
    return found.made.seed


KINDS: dict[str, tuple[Callable[[Path, int], None], Callable[[Path], int]]] = {
    "rig": (save_rig, load_rig),
    "checkpoint": (save_checkpoint, load_checkpoint),
    "bundle": (save_bundle, load_bundle),
    "piece": (save_piece, load_piece),
}


def killed(kind: str, folder: Path, first: int, after: float) -> int:
    """Let a child save ``first`` and on, kill it; the number it said last."""
    said, says = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(said)
            number = first
            while True:
                KINDS[kind][0](folder, number)
                os.write(says, b"%d\n" % number)
                number += 1
        finally:
            os._exit(1)
    os.close(says)
    with os.fdopen(said, "rb") as lines:
        line = lines.readline()  # once it has begun
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
        rest = lines.read()
    os.waitpid(child, 0)
    return int((line + rest).split()[-1])


def main(count: int, seed: int = 1) -> int:
    import torch

    torch.set_num_threads(1)
    rng = random.Random(seed)
    lost = 0
    for kind in KINDS:
        done, behind, began = 0, 0, time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            folder, number = Path(name), 0
            for _ in range(count // len(KINDS)):
                said = killed(kind, folder, number + 1, rng.random() * 0.012)
                try:
                    number = KINDS[kind][1](folder)
                    behind += number not in (said, said + 1)
                except Exception as error:
                    print(f"{kind}: after {said}: {type(error).__name__}: {error}")
                    behind += 1
                    break
                done += 1
            left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
        print(f"{kind:<12} killed {done:>4} times, lost {behind}, left beside {len(left)}, "
              f"{time.monotonic() - began:.1f} s")  # fmt: skip
        lost += behind
    return lost


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)))
