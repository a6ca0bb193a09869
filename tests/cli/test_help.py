"""The help of every command, as a user reads it; its examples, as a user runs them."""

import re
import shlex
import subprocess
import sys
from importlib import resources

import click
import pytest
import typer
from click.testing import CliRunner

import rnnmuse
from rnnmuse.cli import command as shared
from rnnmuse.cli.main import app
from rnnmuse.music.midi import read_midi, write_midi

ROOT = typer.main.get_command(app)
EVERY = {" ".join(words): one for words, one in shared.commands(ROOT)}
LEAVES = {words: one for words, one in EVERY.items() if not isinstance(one, click.Group)}
EXAMPLES = [line for one in LEAVES.values() for line in shared._own(one, "examples", ())]
SERVES = {("live",), ("screen",), ("play", "--model"), ("bridges", "check")}
"""They play or wait until Ctrl-C, or need a program beside them: parsed here, run by the tests of the stage."""
CHECKS = {"originality", "provenance", "selfcheck", "doctor"}
"""Their exit code is what they found."""
LEARNS = {("train",), ("prepare",), ("evaluate",), ("lyrics",), ("authorship",)}
"""They need minutes or data: parsed here, run by their own tests."""


def shown(words: str) -> str:
    runner = CliRunner()
    result = runner.invoke(ROOT, [*words.split()[1:], "--help"], prog_name="rnnmuse", env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    return re.sub(r"[│\s]+", " ", result.output)


@pytest.mark.parametrize("words", EVERY)
def test_help_says_what_every_argument_is(words):
    text = shown(words)
    own = [param for param in EVERY[words].params if not getattr(param, "hidden", False)]
    for param in own:
        told = getattr(param, "help", None)
        assert told, f"{words}: {param.name} has no help"
        assert re.sub(r"\s+", " ", told) in text, f"{words}: {param.name}"
    assert re.search(rf"Usage: {words}\b", text)


@pytest.mark.parametrize("words", LEAVES)
def test_every_command_has_an_example_of_itself(words):
    lines = shared._own(LEAVES[words], "examples", ())
    assert lines
    text = shown(words)
    for line in lines:
        assert line.replace(" draw", "").startswith(words.replace(" draw", "").removesuffix(" list")), line
        assert re.sub(r"\s+", " ", line) in text


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_run(run, line, monkeypatch, tmp_path):
    song = read_midi((resources.files("rnnmuse") / "music" / "data" / "schumann.mid").read_bytes())
    write_midi(song, tmp_path / "song.mid")
    write_midi(song, tmp_path / "other.mid")
    words = shlex.split(line)[1:]
    if "beat.mid" in words:
        write_midi(rnnmuse.load("grooves").generate(2, seed=1), tmp_path / "beat.mid")
    if words == ["try"] or any(words[: len(some)] == list(some) for some in SERVES | LEARNS):
        parse(ROOT, words)
        return
    if words[:2] == ["rig", "check"]:
        assert run("rig", "new", "my.toml")[0] == 0
    if words[:2] == ["cover", "video"]:
        pytest.importorskip("imageio_ffmpeg")
    code, out, err = run(*words)
    if words[-1] == "plugin" and "make plugin" in err:
        pytest.skip("the plugin is not built here")
    assert code == 0 or (code == shared.DAMAGED and words[0] in CHECKS), err
    assert out


def parse(command: click.Command, words: list[str]) -> None:
    """Parse a command line without running it; a click.UsageError says what is wrong."""
    with command.make_context("rnnmuse", list(words)) as context:
        while isinstance(context.command, click.Group):
            name, one, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
            context = one.make_context(name, rest, parent=context)


def test_groups_are_named_and_hold_every_command():
    text = CliRunner().invoke(ROOT, ["-h"], env={"COLUMNS": "200"}).output
    titles = [shared.PLAY, shared.WRITE, shared.WORDS, shared.PICTURES, shared.LEARN, shared.SETUP]
    places = [text.index(f"─ {title} ─") for title in titles]
    assert places == sorted(places)
    assert "─ Commands ─" not in text
    for code, meaning in shared.EXIT_CODES.items():
        assert f"{code} {meaning}" in re.sub(r"\s+", " ", text)


def test_one_word_for_one_thing():
    """Options that are called the same take the same type, and ports say whose they are."""
    kinds: dict[str, set[str]] = {}
    for one in LEAVES.values():
        for param in one.params:
            if isinstance(param, click.Option):
                for name in param.opts:
                    kinds.setdefault(name, set()).add(param.type.name)
    assert "--port" not in kinds
    assert {"--osc-port", "--http-port", "--midi-port", "--audio", "--picture"} <= set(kinds)
    for name in ("--out", "--picture", "--audio", "--seed", "--force", "--json", "--model", "--key", "--tempo"):
        assert len(kinds[name]) == 1, (name, kinds[name])


def test_a_former_name_works_and_warns(run):
    code, out, err = run("generate", "--bars", "1", "--seed", "3", "--roll=a.png", "--out", "a.mid")
    assert code == 0
    assert "--roll is now --picture" in err
    assert "a.png" in out


def test_the_version_is_in_one_place(run):
    assert run("--version") == (0, f"rnnmuse {rnnmuse.__version__}\n", "")
    done = subprocess.run([sys.executable, "-m", "rnnmuse", "-V"], capture_output=True, text=True, check=True)
    assert done.stdout == f"rnnmuse {rnnmuse.__version__}\n"


@pytest.mark.parametrize(
    "words",
    [["models"], ["models", "list"], ["ports"], ["bridges", "list"], ["generate", "--bars", "1"], ["show", "song.mid"]],
)
def test_json_is_all_that_is_printed(run, words, piece):
    import json

    write_midi(piece, "song.mid")
    code, out, _ = run(*words, "--json")
    assert code == 0
    assert json.loads(out)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_complete(shell, monkeypatch):
    monkeypatch.setenv("_RNNMUSE_COMPLETE", f"source_{shell}")
    done = CliRunner().invoke(ROOT, [], prog_name="rnnmuse")
    assert "_RNNMUSE_COMPLETE" in done.output


def test_an_unknown_command_has_one_proposal():
    done = CliRunner().invoke(ROOT, ["covr"])
    assert done.exit_code == 2
    assert done.output.count("Did you mean 'cover'?") == 1
