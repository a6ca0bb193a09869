"""`rnnmuse selfcheck`: does it play well on this machine? One page to send with a bug report."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import DAMAGED, Json, examples, show_json
from rnnmuse.cli.files import Force, target


@examples("rnnmuse selfcheck --only bundles --only audio", "rnnmuse selfcheck --strictness 1 --only ledger --seed 7")
def selfcheck(
    strictness: Annotated[int, typer.Option(help="1 takes a minute, 10 a quarter of an hour.")] = 2,
    seed: Annotated[int | None, typer.Option(help="The same seed runs the same checks.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Run only this check; can be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the report to this file.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Check ports, clock, notes under storms, hostile OSC, a dying engine, models, memory and sound.

    Each check runs in a process of its own, so that one that crashes is a result. Exit with 1 where one failed.
    """
    from dataclasses import asdict

    from rnnmuse.selfcheck import CHECKS, page, run
    from rnnmuse.storage import write_whole

    if not 1 <= strictness <= 10:
        raise ValueError(f"strictness: {strictness}; must be 1 to 10")
    names = only or list(CHECKS)
    for name in names:
        if name not in CHECKS:
            raise ValueError(f"only: {name!r}; must be one of {', '.join(CHECKS)}")
    seed = secrets.randbits(31) if seed is None else seed
    outcomes = [run(name, strictness, seed) for name in names]
    text = page(outcomes, strictness, seed)
    if as_json:
        show_json({"strictness": strictness, "seed": seed, "checks": [asdict(one) for one in outcomes]})
    else:
        print(text)
    if out is not None:
        write_whole(target(out, force), (text + "\n").encode())
    if any(one.state == "failed" for one in outcomes):
        raise typer.Exit(DAMAGED)
