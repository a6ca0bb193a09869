"""Cards: a model's page in Markdown, written by the evaluation and kept where people wrote in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

_HEADING = re.compile(r"^## .*$", re.MULTILINE)


def opening(name: str, about: str, data: Sequence[Mapping[str, str]]) -> list[str]:
    """The first lines of a card: name, what the model is, and its data with licences."""
    lines = [f"# {name}", "", about, "", "## Data", ""]
    for source in data:
        if "origin" in source:
            lines.append(f"- {source['origin']}. Licence: {source['licence']}. sha256 `{source['sha256']}`")
        else:
            lines.append(f"- {', '.join(source.values())}")
    return lines


def save_card(folder: Path, lines: Sequence[str]) -> None:
    """Write ``folder``/card.md; sections of the card that is there, under headings of their own, stay at its end."""
    path = folder / "card.md"
    new = "\n".join(lines).rstrip("\n") + "\n"
    old = sections(path.read_text("utf-8")) if path.exists() else {}
    own = sections(new)
    for heading, text in old.items():
        if heading not in own:
            new += f"\n{heading}\n{text.rstrip()}\n"
    partial = path.with_suffix(".tmp")
    partial.write_text(new, "utf-8")
    partial.replace(path)


def sections(text: str) -> dict[str, str]:
    """The text under each second-level heading of a Markdown page."""
    found = list(_HEADING.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return {match[0].rstrip(): text[match.end() : end] for match, end in zip(found, ends, strict=True)}
