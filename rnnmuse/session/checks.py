"""Checks of values that the table's ranges cannot express: keys, scales, chords, metres."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnmuse.music.theory import parse_chord, parse_key, scale_pitch_classes
from rnnmuse.play.chart import parse_chart
from rnnmuse.protocol import ProtocolError


def _key(text: str) -> None:
    if text:
        parse_key(text)


def _scale(text: str) -> None:
    if text:
        scale_pitch_classes(0, text)


def _chord(text: str) -> None:
    if text:
        parse_chord(text)


def _chart(text: str) -> None:
    if text.strip():
        parse_chart(text)


CHECKS: dict[str, Callable[[str], None]] = {"key": _key, "scale": _scale, "chord": _chord, "chart": _chart}


def check_parameter(name: str, value: Any) -> None:
    """ProtocolError, with what is allowed, for a key, scale or chord that is not one."""
    if name in CHECKS:
        try:
            CHECKS[name](value)
        except ValueError as error:
            raise ProtocolError("value", f"{name}: {error}" if name not in str(error)[:12] else str(error)) from None
