"""The record of what made a file: rnnmuse, its models, seed, settings, and how much of it people played.

Terms of the digital source type are IPTC's (NewsCodes "digitalsourcetype", which C2PA uses too).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import PurePath
from typing import Any

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED = VOCABULARY + "trainedAlgorithmicMedia"
COMPOSITE = VOCABULARY + "compositeWithTrainedAlgorithmicMedia"
BLANK = "sha256:" + "0" * 64
"""Stands for the content's hash while that is computed."""
LONGEST = 200
"""Characters of one setting that are kept."""
MOST = 32_000
"""Bytes of a record: a JPEG segment holds 65,533."""


@dataclass(frozen=True, slots=True)
class Made:
    """How a piece of output was made.

    ``what`` is the job (``continue``), ``models`` names each model with the SHA-256 of its bundle, ``settings`` are
    those that were chosen. ``people`` is the share of notes that people played, 0 to 1; None where notes say nothing,
    as in pictures.
    """

    what: str
    models: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    """None where none was used."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    people: float | None = None

    @property
    def source_type(self) -> str:
        """IPTC's digital source type: made by a trained model, or a person's work with parts that a model made."""
        return COMPOSITE if self.people else TRAINED

    def text(self, version: str) -> str:
        """The record as one line of ASCII JSON, its content's hash BLANK."""
        record: dict[str, Any] = {"rnnmuse": version, "what": self.what, "digitalSourceType": self.source_type}
        record["models"] = dict(self.models)
        if self.seed is not None:
            record["seed"] = self.seed
        if self.people is not None:
            record["people"] = round(min(1.0, max(0.0, self.people)), 4)
        record["settings"] = {name: _plain(value) for name, value in self.settings.items()}
        record["content"] = BLANK
        text = json.dumps(record, ensure_ascii=True)
        if len(text) > MOST:
            text = json.dumps(record | {"settings": {}}, ensure_ascii=True)
        return text


def _plain(value: Any) -> Any:
    """A setting as JSON has it; of a file its name alone, of a long text its beginning."""
    if isinstance(value, PurePath):
        return value.name[:LONGEST]
    if isinstance(value, str):
        return value[:LONGEST]
    if isinstance(value, (bool, int, type(None))):
        return value
    if isinstance(value, float):
        return round(value, 6) if abs(value) < 1e15 else None
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in list(value)[:64]]
    if isinstance(value, Mapping):
        return {str(key)[:LONGEST]: _plain(one) for key, one in list(value.items())[:64]}
    return str(value)[:LONGEST]


def chosen(settings: Any, *without: str) -> dict[str, Any]:
    """The fields of a dataclass that differ from their defaults, but those named ``without``."""
    if not is_dataclass(settings):
        raise TypeError(f"settings: {type(settings).__name__}; must be a dataclass")
    out: dict[str, Any] = {}
    for one in fields(settings):
        value = getattr(settings, one.name)
        if one.name not in without and value != one.default and value not in ("", (), None):
            out[one.name] = value
    return out


def made_of(record: Mapping[str, Any]) -> Made:
    """The `Made` of a record that was read; ValueError where it is none."""
    models, settings, seed, people = (record.get(name) for name in ("models", "settings", "seed", "people"))
    if not isinstance(record.get("what"), str) or not isinstance(models, dict) or not isinstance(settings, dict):
        raise ValueError("record: what, models, settings: a text and two tables are needed")
    if people is not None and not (isinstance(people, (int, float)) and 0 <= people <= 1):
        raise ValueError(f"record: people: {people!r}; must be 0 to 1")
    if seed is not None and not isinstance(seed, int):
        raise ValueError(f"record: seed: {seed!r}; must be a whole number")
    return Made(record["what"], {str(k): str(v) for k, v in models.items()}, seed, settings, people)


def sentence(record: Mapping[str, Any]) -> str:
    """A record as a sentence for people."""
    made = made_of(record)
    names = ", ".join(f"{name} ({digest[:19]})" if digest else name for name, digest in made.models.items()) or "none"
    parts = [f"rnnmuse {record.get('rnnmuse')}, {made.what}, models: {names}"]
    if made.seed is not None:
        parts.append(f"seed {made.seed}")
    if made.people is not None:
        parts.append(f"{made.people:.0%} of the notes played by people")
    if made.settings:
        parts.append("settings " + ", ".join(f"{name} {value}" for name, value in made.settings.items()))
    return "; ".join(parts)
