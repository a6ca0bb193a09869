"""The commands of the page on covers are run as they stand, at a smaller size."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from rnnmuse.cli import main as command
from rnnmuse.music.midi import write_midi
from rnnmuse.train.cover.abstracts import abstracts

PAGE = (Path(__file__).parents[2] / "docs" / "cover.md").read_text("utf-8")
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("rnnmuse ")
]
INLINE = [words for words in re.findall(r"`(rnnmuse [^`]+)`", PAGE) if "my_pictures" in words]
SMALLER = {
    "cover": ["--size", "96"],
    "video": ["--size", "96x96", "--fps", "4"],
    "train": ["--steps", "1"],
    "sheet": [],
}


def smaller(line):
    """The words of a command, and what keeps it short; none where it is short already."""
    words = shlex.split(line)
    kind = words[2] if words[1:2] == ["cover"] and words[2] in SMALLER else words[1]
    return words + ([] if "--size" in words else SMALLER[kind])


@pytest.fixture
def place(covers, piece, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_midi(piece, "song.mid")
    write_midi(piece, "other.mid")
    Path("titles.txt").write_text("Night Trains | Anna K.\n静夜思 | 李白\n", "utf-8")
    Path("my_pictures").mkdir()
    for index, pixels in enumerate(abstracts(20, 96, 1)):
        Image.fromarray(pixels).save(f"my_pictures/{index}.png")

    def run(words):
        monkeypatch.setattr("sys.argv", words)
        command.app(standalone_mode=False)

    return run


@pytest.mark.parametrize("line", [line for line in COMMANDS if "mine" not in line])
def test_a_command_does_what_it_says(line, place, tmp_path, capsys):
    words = smaller(line)
    if "video" in words:
        pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg is not installed")
    place(words)
    told = capsys.readouterr().out.split()
    made = [tmp_path / word for word in told if word.endswith((".jpg", ".png", ".mp4", ".svg", ".pdf"))]
    assert len(made) == (3 if "--formats" in words else 1)
    assert all(path.stat().st_size > 1000 for path in made)
    if "--out" in words:
        assert made[0].name == words[words.index("--out") + 1]


def test_a_model_of_ones_own_is_trained_and_drawn_with(place, capsys):
    training, drawing = (line for line in COMMANDS if "mine" in line)
    place(smaller(training))
    assert "--model mine" in capsys.readouterr().out
    place(smaller(drawing))
    assert Path("out/song-cover.jpg").exists()


def test_there_are_commands():
    assert len(COMMANDS) >= 8
    assert INLINE
