"""`rnnmuse originality`: what a file has in common with what the models learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rnnmuse.cli.command import DAMAGED, Json, examples, show_json

TEXTS = (".txt", ".json", ".srt", ".vtt", ".md")


@examples("rnnmuse originality song.mid", "rnnmuse originality song.mid --model lieder --json")
def originality(
    file: Annotated[Path, typer.Argument(help="Music, or a text.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Compare with this model's corpus; by default the models of its record, or every model."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the longest run that FILE has in common with the training corpus; exit with 1 for one that is too long.

    Of music: notes in any transposition and tempo; of text: letters. The overlap stands beside that of real pieces
    with each other.
    """
    from rnnmuse.provenance.marks import read

    found = read(file)
    names = model or (sorted(found.made.models) if found is not None else [])
    rows = _texts(file, names) if file.suffix.lower() in TEXTS else _music(file, names)
    if as_json:
        show_json(rows)
    else:
        for row in rows:
            print(row["text"])
        if not rows:
            print(f"{file}: no model to compare with has an index of its corpus")
    if any(row["copied"] for row in rows):
        raise typer.Exit(DAMAGED)


def _music(file: Path, names: list[str]) -> list[dict[str, Any]]:
    from rnnmuse.models.bundle import bundles, find
    from rnnmuse.models.originality import DRUM_LIMIT, FILE, Index, lines_of
    from rnnmuse.music.read import read_music

    piece = read_music(file)
    chosen = [find(name) for name in names] if names else list(bundles().values())
    lines = lines_of(piece)
    rows: list[dict[str, Any]] = []
    for bundle in chosen:
        if not (bundle.folder / FILE).exists():
            continue
        index = Index.load(bundle.folder / FILE)
        common = index.find(lines)
        run = common.run
        limit = DRUM_LIMIT if run.drum else index.limit
        copied = run.notes >= limit
        bar = 0
        for bar, start in enumerate(piece.bar_lines(), piece.first_bar):
            if start > run.beat + 1e-6:
                bar -= 1
                break
        place = f" (part {run.part or 'without a name'}, bar {bar})" if run.notes else ""
        what = "strokes" if run.drum else "notes"
        text = (
            f"{bundle.name}: longest run {run.notes} {what}{place}, {'copied' if copied else 'not copied'} "
            f"(from {limit}); real pieces: median {index.runs[1]:.0f}, 95 % up to {index.runs[2]:.0f}; overlap "
            f"{common.overlap:.1%}, real pieces up to {index.overlaps[2]:.1%} (95 %)"
        )
        row = {"model": bundle.name, "run": run.notes, "limit": limit, "part": run.part, "beat": run.beat}
        more = {"overlap": common.overlap, "real_runs": index.runs, "real_overlaps": index.overlaps}
        chance = {"false_alarm": index.false_alarm(max(1, len(piece.notes)))}
        rows.append({**row, **more, **chance, "copied": copied, "text": text})
    return rows


def _texts(file: Path, names: list[str]) -> list[dict[str, Any]]:
    from rnnmuse.models.bundle import bundles, find
    from rnnmuse.models.fingerprint import LIMIT, Fingerprint

    try:
        words = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{file.name}: not a text in UTF-8") from None
    rows: list[dict[str, Any]] = []
    for bundle in [find(name) for name in names] if names else list(bundles().values()):
        if not (bundle.folder / "training.bin").exists():
            continue
        longest = Fingerprint.load(bundle.folder / "training.bin").longest(words)
        copied = longest > LIMIT
        text = f"{bundle.name}: longest run {longest} letters, {'copied' if copied else 'not copied'} (over {LIMIT})"
        rows.append({"model": bundle.name, "run": longest, "limit": LIMIT, "copied": copied, "text": text})
    return rows
