"""A piece as a file of any kind that rnnmuse writes, by its suffix; and as a notebook shows it."""

from __future__ import annotations

import base64
import os
import tempfile
from html import escape
from pathlib import Path

from rnnmuse.music.midi import write_midi
from rnnmuse.music.musicxml import write_musicxml
from rnnmuse.music.pianoroll import FORMATS, save_roll
from rnnmuse.music.piece import Piece
from rnnmuse.music.sound import check_format, write_sound

MIDI = (".mid", ".midi")
SCORES = (".musicxml", ".xml", ".mxl")
SHOWN_RATE, SHOWN_SECONDS = 22050, 120.0
"""Samples a second of the sound in a notebook, and the longest piece that has one there."""
SHOWN_WIDTH = 1000


def save(piece: Piece, path: Path | str, *, overwrite: bool = False) -> Path:
    """Write ``piece`` as MIDI, MusicXML, a piano roll or sound, by the suffix of ``path``; returns the path.

    The file appears whole or not at all. FileExistsError where there is one and ``overwrite`` is not given; ValueError
    for another suffix.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (*MIDI, *SCORES, *FORMATS):
        check_format(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; overwrite=True replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".rnnmuse-") as folder:
        made = Path(folder) / path.name
        if suffix in MIDI:
            write_midi(piece, made)
        elif suffix in SCORES:
            write_musicxml(piece, made)
        elif suffix in FORMATS:
            save_roll(piece, made)
        else:
            write_sound(piece, made)
        os.replace(made, path)
    return path


def as_html(piece: Piece) -> str:
    """The piano roll of a piece as a picture, and its sound where it lasts no longer than `SHOWN_SECONDS`."""
    if not piece.notes:
        return f"<p>{escape(piece.title or 'A piece')}: no notes</p>"
    with tempfile.TemporaryDirectory() as folder:
        roll = save_roll(piece, Path(folder) / "roll.png", width=SHOWN_WIDTH)
        parts = [f'<img alt="piano roll" src="{_data("image/png", roll)}" style="max-width:100%">']
        if piece.seconds_at(piece.end) <= SHOWN_SECONDS:
            sound = Path(folder) / "sound.wav"
            write_sound(piece, sound, rate=SHOWN_RATE)
            parts.append(f'<audio controls src="{_data("audio/wav", sound)}"></audio>')
    return "<div>" + "<br>".join(parts) + "</div>"


def _data(kind: str, path: Path) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
