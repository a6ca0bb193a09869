"""The commands of the pages on text, lyrics and the stage are run as they stand."""

import re
import shlex
from pathlib import Path

import pytest

from rnnmuse.cli import main as command
from rnnmuse.events import Note
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Part, Piece

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = [
    line.split("  #")[0].strip()
    for page in ("text.md", "lyrics.md", "stage.md")
    for block in re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
    if line.startswith("rnnmuse ") and not line.startswith("rnnmuse train")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_does_what_it_says(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tune = [Note(float(i), 60 + (i * 5) % 12, 0.9) for i in range(7)] + [Note(8.0 + i, 64, 0.9) for i in range(7)]
    write_midi(Piece([Part("Voice", 53, notes=tune)]), "song.mid")
    monkeypatch.setattr("sys.argv", shlex.split(line))
    command.app(standalone_mode=False)
    assert capsys.readouterr().out.strip()
    words = shlex.split(line)
    if "--out" in words:
        assert (tmp_path / words[words.index("--out") + 1]).stat().st_size > 20


def test_there_are_commands():
    assert len(COMMANDS) > 12
