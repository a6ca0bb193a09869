"""Subtitle files, read back by a reader of their own."""

import itertools
import re

import pytest

from rnnmuse.text.subtitles import Cue, subtitles, timed

LINES = ["Shall I compare thee to a summer's day?", "", "Thou art more lovely", "<b> & -->"]


def read_back(text, comma):
    stamp = rf"(\d\d):(\d\d):(\d\d){re.escape(comma)}(\d\d\d)"
    out = []
    for block in re.split(r"\n\n+", text.strip()):
        found = re.fullmatch(rf"(\d+)\n{stamp} --> {stamp}\n(.+)", block, re.DOTALL)
        if found:
            times = list(map(int, found.groups()[1:9]))
            seconds = [h * 3600 + m * 60 + s + ms / 1000 for h, m, s, ms in (times[:4], times[4:])]
            out.append((int(found[1]), *seconds, found.groups()[-1]))
    return out


@pytest.mark.parametrize(("form", "comma"), [("srt", ","), ("vtt", ".")])
def test_files_say_when_each_line_comes(form, comma):
    cues = timed(LINES, rate=2.0)
    text = subtitles(cues, 120, form)
    assert text.startswith("WEBVTT\n\n") == (form == "vtt")
    back = read_back(text, comma)
    assert [number for number, *_ in back] == [1, 2, 3]
    assert back[0][1:3] == (0.0, 2.5)  # ten syllables at two a beat, half a second a beat
    assert back[1][1] == 4.0  # a new stanza begins on a bar line
    assert "-->" not in back[2][3]
    assert all(a[2] <= b[1] for a, b in itertools.pairwise(back))


def test_hours_are_hours():
    assert "02:46:40,000" in subtitles([Cue(0, 20000, "x")], 120, "srt")


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: timed(LINES, 0), "rate: 0"),
        (lambda: timed(LINES, float("nan")), "rate: nan"),
        (lambda: subtitles([], 5, "srt"), "tempo: 5"),
        (lambda: subtitles([], 120, "ass"), "format: 'ass'"),
    ],
)
def test_mistakes_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
