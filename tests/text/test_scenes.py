import itertools
import re

import pytest

from rnnmuse.text.author import Author
from rnnmuse.text.scenes import LONGEST


@pytest.fixture(scope="module")
def scene(text_model):
    return Author(text_model).scene(["Ann", "Ben", "Old Cy"], 9, seed=2)


def test_the_cast_speaks_in_turn(scene):
    speakers = [speech.speaker for speech in scene.speeches if not speech.direction]
    assert len(speakers) == 9
    assert set(speakers) <= {"Ann", "Ben", "Old Cy"}
    assert all(a != b for a, b in itertools.pairwise(speakers))
    assert all(1 <= len(speech.lines) <= LONGEST for speech in scene.speeches)


def test_nobody_speaks_off_stage(scene):
    on_stage: set[str] = set()
    for speech in scene.speeches:
        words = " ".join(speech.lines)
        if speech.direction:
            named = {name for name in ("Ann", "Ben", "Old Cy") if name in words}
            on_stage = on_stage | named if words.startswith("Enter") else on_stage - named
            on_stage = set() if words == "Exeunt." else on_stage
        else:
            assert speech.speaker in on_stage
    assert not on_stage


def test_the_script_has_names_in_capitals_and_directions_in_brackets(scene):
    blocks = scene.text().split("\n\n")
    assert all(re.match(r"\[.*\]$|(ANN|BEN|OLD CY):\n", block) for block in blocks)


def test_cues_are_on_bar_lines_in_order(scene):
    cues = scene.cues(tempo=120, rate=2)
    assert [cue["beat"] for cue in cues] == [1.0] * len(cues)
    bars = [cue["bar"] for cue in cues]
    assert bars == sorted(bars)
    assert all(cue["seconds"] == (cue["bar"] - 1) * 2.0 for cue in cues)


@pytest.mark.parametrize(
    ("cast", "count", "named"),
    [
        (["Ann"], 4, "cast: Ann"),
        (["Ann", "ann"], 4, "cast"),
        (["Ann", "B\x07"], 4, "cast"),
        (["A", "B"], 0, "speeches: 0"),
    ],
)
def test_mistakes_are_named(text_model, cast, count, named):
    with pytest.raises(ValueError, match=named):
        Author(text_model).scene(cast, count)


def test_random_is_seeded(text_model):
    author = Author(text_model)
    assert author.scene(["A", "B"], 3, seed=1) == author.scene(["A", "B"], 3, seed=1)
