"""The first sound, and what the terminal shows while a stage plays."""

import os
import re
import sys
import wave
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from rnnmuse.bridges.output import Sent
from rnnmuse.cli import keys, roll, try_
from rnnmuse.music.midi import read_midi
from rnnmuse.testing import StageClient


def test_without_a_sound_card_files_are_written_and_named(run):
    code, out, _ = run("try", "--no-sound")
    assert code == 0
    piece = read_midi(Path("out/first.mid"))
    assert len({part.program for part in piece.parts if part.notes}) > 1
    with wave.open("out/first.wav") as sound:
        assert sound.getnframes() / sound.getframerate() > piece.seconds_at(piece.end)
    assert Image.open("out/first.png").width > 100
    for name in ("first.mid", "first.wav", "first.png"):
        assert str(Path("out") / name) in out
    for title, *lines in try_.NEXT.values():
        assert len(lines) == 5
        assert all(line in out for line in (title, *lines))


def test_why_there_is_no_sound_is_said_before_the_files(run, monkeypatch):
    monkeypatch.setattr("rnnmuse.bridges.sound_out._start", lambda: (_ for _ in ()).throw(OSError(2, "no such file")))
    code, out, _ = run("try")
    assert code == 0
    assert out.startswith("No sound here: ")
    assert Path("out/first.wav").exists()


def test_what_to_do_next_is_asked_for_by_number(monkeypatch, capsys):
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    answers = iter(["2", "9", ""])
    try_._ask(lambda question: next(answers))
    out = capsys.readouterr().out
    assert try_.NEXT["2"][1] in out
    assert try_.NEXT["1"][1] not in out
    assert "1, 2 or 3" in out


def sent(pitch, beat, velocity=90, drum=False, part=0):
    return Sent(1, 9 if drum else 0, pitch, velocity, beat, 0.0, 0, part, drum)


def test_a_note_is_drawn_where_it_sounded():
    made = roll.Roll()
    for one in (sent(60, 2.0), sent(60, 4.0, 0), sent(36, 5.0, drum=True)):
        made.prepare(one)()
    lines = made.draw(8.0, 80).plain.split("\n")
    assert len(lines) == roll.ROWS + 1
    assert all(len(line) == 80 for line in lines)
    columns = {i for line in lines[:-1] for i, mark in enumerate(line) if mark != " "}
    assert columns == set(range(20, 40))  # 10 columns a beat
    assert [i for i, mark in enumerate(lines[-1]) if mark == "•"] == [50]
    assert set("".join(made.draw(20.0, 80).plain.split("\n")[:-1])) == {" "}  # all is past


def test_higher_notes_stand_higher_and_a_note_sounds_until_its_end():
    made = roll.Roll()
    made.prepare(sent(48, 1.0))()
    made.prepare(sent(84, 1.0))()
    lines = made.draw(3.0, 64).plain.split("\n")[:-1]
    filled = [i for i, line in enumerate(lines) if line.strip()]
    assert filled == [0, roll.ROWS - 1]
    assert all(line[-1] != " " for i, line in enumerate(lines) if i in filled)


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_the_picture_fits_the_terminal(columns):
    stage = StageClient()
    made = roll.Roll()
    stage.stage.add_output(made)
    stage.send("/rnnmuse/player/1/mode", "free")
    stage.send("/rnnmuse/transport/play")
    stage.send("/rnnmuse/player/1/start")
    stage.run(3.0)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in roll.picture(made, stage.stage, columns)]
    assert all(len(line) <= columns for line in lines)
    assert "120.0 bpm" in "".join(lines)
    assert "1:free" in " ".join(lines)
    assert (len(lines) > roll.ROWS) == (columns >= roll.NARROW)
    stage.close()


def test_a_terminal_that_is_gone_ends_the_roll_alone():
    stage = StageClient()
    end = roll.show(stage.stage, lambda text: False)
    end()
    assert "terminal" not in stage.stage.outputs
    stage.close()


def test_keys_play_stop_mute_and_change_the_tempo():
    stage = StageClient()
    keys.press(stage.stage, " ")
    assert stage.stage.clock.running
    keys.press(stage.stage, "+")
    keys.press(stage.stage, "+")
    keys.press(stage.stage, "-")
    assert stage.ask("/rnnmuse/transport/tempo") == (122.0,)
    keys.press(stage.stage, "3")
    stage.settle()
    assert stage.ask("/rnnmuse/player/3/mute") == (1,)
    keys.press(stage.stage, "3")
    stage.settle()
    assert stage.ask("/rnnmuse/player/3/mute") == (0,)
    keys.press(stage.stage, " ")
    assert not stage.stage.clock.running
    for other in ("x", "0", "\x1b", ""):
        keys.press(stage.stage, other)
    assert not stage.errors()
    stage.close()


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal")
def test_keys_come_from_a_terminal_that_is_set_back_after_them():
    import pty
    import termios
    import threading

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    pressed, came = [], threading.Event()
    with pytest.MonkeyPatch.context() as patch, os.fdopen(theirs, closefd=False) as terminal:
        patch.setattr(sys, "stdin", terminal)
        patch.setattr(os, "tcgetpgrp", lambda file: os.getpgrp())
        with keys.listening(lambda key: (pressed.append(key), came.set())) as listens:
            assert listens
            os.write(ours, b"q")
            assert came.wait(10)
        assert pressed == ["q"]
        patch.setattr(os, "tcgetpgrp", lambda file: os.getpgrp() + 1)  # in the background
        with keys.listening(pressed.append) as listens:
            assert not listens
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def test_a_program_without_a_terminal_takes_no_keys(monkeypatch):
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with keys.listening(lambda key: None) as listens:
            assert not listens


def test_the_roll_is_drawn_in_colours_of_parts():
    made = roll.Roll()
    made.prepare(sent(60, 0.0, part=0))()
    made.prepare(sent(67, 0.0, part=1))()
    console = Console(force_terminal=True, color_system="standard", width=80)
    with console.capture() as drawn:
        console.print(made.draw(1.0, 79))
    assert {"\x1b[36m", "\x1b[35m"} <= set(re.findall(r"\x1b\[3\dm", drawn.get()))
