"""The licences of everything that rnnmuse needs and learned from: `python .ci/licences.py` writes dist/ATTRIBUTION.md.

Packages are those that an installation with the given extras has, found in this environment; data are those of the
models' recipes. What is not on the allow-lists is named, and the exit status is 1.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
ALLOWED = ("MIT", "BSD", "APACHE", "ISC", "PSF", "PYTHON", "HPND", "ZLIB", "MPL-2.0", "MOZILLA PUBLIC", "0BSD", "CC0",
           "UNLICENSE", "FTL", "PUBLIC DOMAIN")  # fmt: skip
"""What a licence may begin with or be called; MPL-2.0 concerns changes of its own files alone."""
ONLY_AS_EXTRAS = {
    "aalink": "GPL-3.0-or-later",
    "imageio-ffmpeg": "BSD-2-Clause; its ffmpeg program GPL-2.0-or-later",
}
"""Extras that a user installs on purpose, and that no other part of rnnmuse imports without asking (docs/trust.md)."""
LIBRARIES = {"soundfile": "BSD-3-Clause; its libsndfile LGPL-2.1-or-later, a shared library",
             "python-bidi": "LGPL-3.0-or-later", "uharfbuzz": "Apache-2.0; HarfBuzz MIT",
             "rtmidi2": "MIT", "python-osc": "Unlicense", "freetype-py": "BSD-3-Clause; FreeType FTL"}  # fmt: skip
"""Packages whose metadata says too little, or too much, looked up by hand."""
WEAK = ("LGPL",)
"""Copyleft that ends at the library: it is installed beside rnnmuse and can be exchanged."""
DATA = ("CC0", "CC-BY-4.0", "CC BY 4.0", "PUBLIC DOMAIN", "MIT", "BSD-3-CLAUSE", "APACHE-2.0")


def needed(extras: tuple[str, ...] = ("live",)) -> dict[str, Distribution]:
    """The distributions that rnnmuse and the extras need, and what these need, as far as they are installed."""
    found: dict[str, Distribution] = {}
    waiting = [("rnnmuse", frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, own = waiting.pop()
        key = (re.sub(r"[-_.]+", "-", name).lower(), own)
        if key in seen:
            continue
        seen.add(key)
        try:
            one = distribution(name)
        except PackageNotFoundError:
            continue
        if key[0] != "rnnmuse":
            found[key[0]] = one
        for line in one.requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in (*own, "")):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return dict(sorted(found.items()))


def licence(one: Distribution) -> str:
    """A distribution's licence: its SPDX expression, its first classifier, or the first line of its text."""
    name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()
    if name in LIBRARIES:
        return LIBRARIES[name]
    about = one.metadata
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    classes = [text.split(" :: ")[-1] for text in about.get_all("Classifier") or () if text.startswith("License ::")]
    if classes:
        return ", ".join(classes)
    return (about.get("License") or "unknown").strip().splitlines()[0][:80]


def allowed(text: str) -> bool:
    """Whether each alternative or part of a licence is on the list; of alternatives one is enough."""
    first = text.split(";")[0].upper()
    return any(
        all(
            any(word in part for word in (*ALLOWED, *WEAK)) and "AGPL" not in part
            for part in re.split(r" AND |, ", one)
        )
        for one in first.replace("(", "").replace(")", "").split(" OR ")
    )


def data() -> list[tuple[str, str, str]]:
    """Model, origin and licence of every set of data."""
    out = []
    for path in sorted(ROOT.glob("models/*/recipe.toml")):
        recipe = tomllib.loads(path.read_text("utf-8"))
        for one in recipe.get("data", []):
            out.append(
                (path.parent.name, str(one.get("origin", one.get("set", ""))), str(one.get("licence", "unknown")))
            )
    return out


def data_allowed(text: str) -> bool:
    """Whether a licence of data is on the list."""
    return any(text.upper().startswith(word) for word in DATA)


def attribution(extras: tuple[str, ...] = ("live",)) -> str:
    """The attribution of a release, in Markdown."""
    lines = ["# Attribution", "", "rnnmuse is licensed under Apache-2.0. It needs:", ""]
    lines += ["| package | version | licence |", "| --- | --- | --- |"]
    lines += [f"| {name} | {one.version} | {licence(one)} |" for name, one in needed(extras).items()]
    lines += ["", "Its models learned from:", "", "| model | data | licence |", "| --- | --- | --- |"]
    lines += [f"| {model} | {origin} | {terms} |" for model, origin, terms in data()]
    lines += ["", "Extras under other terms, installed only when asked for:", ""]
    lines += [f"- {name}: {terms}" for name, terms in ONLY_AS_EXTRAS.items()]
    return "\n".join(lines) + "\n"


def wrong(extras: tuple[str, ...] = ("live",)) -> list[str]:
    """What is not allowed, a line each."""
    packages = [f"{name}: {licence(one)}" for name, one in needed(extras).items() if not allowed(licence(one))]
    return packages + [f"{model}: {origin}: {terms}" for model, origin, terms in data() if not data_allowed(terms)]


if __name__ == "__main__":
    out = ROOT / "dist" / "ATTRIBUTION.md"
    out.parent.mkdir(exist_ok=True)
    out.write_text(attribution(), "utf-8")
    print(out)
    for line in wrong():
        print(f"not allowed: {line}", file=sys.stderr)
    sys.exit(bool(wrong()))
