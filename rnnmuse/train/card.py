"""Cards: a model's page in Markdown, written by the evaluation and kept where people wrote in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnmuse.storage import write_whole

_HEADING = re.compile(r"^## .*$", re.MULTILINE)
WRITTEN = ("## Data", "## Parts", "## Network", "## How well it does")
"""Sections that the evaluation writes; others are written by people."""
_MEASURE = "`rnnmuse evaluate "


def opening(name: str, about: str, data: Sequence[Mapping[str, str]]) -> list[str]:
    """The first lines of a card: name, what the model is, and its data with licences."""
    lines = [f"# {name}", "", about, "", "## Data", ""]
    for source in data:
        if "origin" in source:
            lines.append(f"- {source['origin']}. Licence: {source['licence']}. sha256 `{source['sha256']}`")
        else:
            lines.append(f"- {', '.join(source.values())}")
    return lines


def first_card(folder: Path, name: str, about: str) -> None:
    """The card of a model that was not evaluated yet; of a card that is there only measures of an earlier one go."""
    path = folder / "card.md"
    if not path.exists():
        write_whole(path, f"# {name}\n\n{about}\n\n{_MEASURE}{name} FOLDER` measures it.\n".encode())
        return
    text = path.read_text("utf-8")
    head, own = sections(text)
    kept = {heading: body for heading, body in own.items() if heading not in WRITTEN}
    if len(kept) < len(own):
        write_whole(path, _joined(head, kept).encode())


def save_card(folder: Path, lines: Sequence[str]) -> None:
    """Write ``folder``/card.md; what people wrote in the card that is there stays.

    That is: their sections, at the end, and their paragraphs before the first section.
    """
    path = folder / "card.md"
    head, own = sections("\n".join(lines))
    if path.exists():
        old, theirs = sections(path.read_text("utf-8"))
        head = "\n\n".join([head.rstrip(), *paragraphs(old)]) + "\n"
        own |= {heading: body for heading, body in theirs.items() if heading not in own and heading not in WRITTEN}
    write_whole(path, _joined(head, own).encode())


def sections(text: str) -> tuple[str, dict[str, str]]:
    """The text before the first second-level heading of a page, and that under each."""
    found = list(_HEADING.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)][: len(found)]
    body = {match[0].rstrip(): text[match.end() : end] for match, end in zip(found, ends, strict=True)}
    return text[: found[0].start() if found else len(text)], body


def paragraphs(head: str) -> list[str]:
    """The paragraphs of a card's head that people wrote: all but the title, the line after it and generated ones."""
    found = [part.strip() for part in head.split("\n\n") if part.strip()]
    if found and found[0].startswith("# "):
        found = found[2:]
    return [part for part in found if not part.startswith((_MEASURE, "!["))]


def _joined(head: str, own: Mapping[str, str]) -> str:
    parts = [head.rstrip(), *(f"{heading}\n\n{body.strip()}" for heading, body in own.items())]
    return "\n\n".join(part for part in parts if part) + "\n"
