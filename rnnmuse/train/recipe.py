"""Recipes: the settings of a training run as a dataclass, read from and written to one TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import tomli_w

KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


R = TypeVar("R")


def read_recipe(path: Path, kind: type[R]) -> R:
    """Read a recipe of the dataclass ``kind``; ValueError names the file and the setting that is wrong in it."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    try:
        made: R = _made(table, kind, "")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    return made


def recipe_text(recipe: Any) -> str:
    """A recipe as TOML; `read_recipe` reads it back."""
    return tomli_w.dumps(asdict(recipe), multiline_strings=False)


def folders_of(sources: Sequence[Path]) -> tuple[dict[str, str], ...]:
    """The entry ``data`` of a recipe for a user's own files."""
    return tuple({"folder": source.name} for source in sources)


def _made(table: dict[str, Any], kind: Any, where: str) -> Any:
    known = {f.name for f in fields(kind)}
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(f"{where}unknown setting {unknown[0]!r}; use one of {', '.join(sorted(known))}")
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], value, f"{where}{name}") for name, value in table.items()})


def _value(hint: Any, value: Any, name: str) -> Any:
    """A value of TOML as its setting wants it: lists as tuples, tables as dataclasses."""
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{name}: {value!r}; must be a list")
        inner = get_args(hint)
        each = inner[:1] * len(value) if inner[1:] == (...,) else inner
        if len(each) != len(value):
            raise ValueError(f"{name}: {value!r}; must be a list of {len(each)}")
        return tuple(
            _value(one, item, f"{name}, entry {i}") for i, (one, item) in enumerate(zip(each, value, strict=True), 1)
        )
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise ValueError(f"{name}: {value!r}; must be a table")
        return _made(value, hint, f"{name}: ")
    if get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{name}: {value!r}; must be a table")
        return value
    allowed = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if type(value) in allowed or (type(value) is int and float in allowed):
        return float(value) if type(value) is int and int not in allowed else value
    raise ValueError(f"{name}: {value!r}; must be {' or '.join(KINDS.get(one, str(one)) for one in allowed)}")
