"""`rnnmuse`: the commands, and one line instead of a traceback for whatever goes wrong."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import Annotated, Any, TextIO

import typer

from rnnmuse import __version__
from rnnmuse.cli.command import (
    EXIT_CODES,
    INTERNAL,
    LEARN,
    OK,
    PICTURES,
    PLAY,
    SETUP,
    STOPPED,
    WORDS,
    WRITE,
    WRONG,
    App,
)
from rnnmuse.errors import ReadWarning, RnnmuseError

COMMANDS = {
    PLAY: {
        "try": "try_:try_",
        "live": "live:live",
        "play": "play:play",
        "listen": "listen:listen",
        "screen": "screen:screen",
    },
    WRITE: {
        "generate": "compose:generate",
        "continue": "compose:continue_",
        "infill": "phrases:infill",
        "vary": "phrases:vary",
        "interpolate": "phrases:interpolate",
        "groove": "phrases:groove",
        "harmonise": "harmonise:harmonise",
    },
    WORDS: {"text": "text:text", "lyrics": "lyrics:lyrics", "setting": "lyrics:setting"},
    PICTURES: {"show": "show:show", "map": "phrases:map_"},
    LEARN: {"prepare": "prepare:prepare", "analyse": "analyse:analyse", "evaluate": "evaluate:evaluate"},
    SETUP: {
        "demo": "demo:demo",
        "cues": "cues:cues",
        "ports": "ports:ports",
        "doctor": "doctor:doctor",
        "selfcheck": "selfcheck:selfcheck",
        "provenance": "provenance:provenance",
        "authorship": "authorship:authorship",
        "originality": "originality:originality",
    },
}
"""The commands by the panel of the help in which they stand, each with its module of `rnnmuse.cli` and function."""
GROUPS = {"cover": PICTURES, "train": LEARN, "models": LEARN, "rig": SETUP, "bridges": SETUP}
"""Groups of commands, each the ``app`` of the module of its name, and their panels; they follow the commands."""

app: App
"""The whole command line, built when it is asked for."""


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault("app", command_line())


def command_line(word: str = "") -> App:
    """The command line with the command or group that ``word`` names alone, else with every one.

    To load and to build them all takes longer than it takes a stage to open.
    """
    made = App(
        help="Models that play along: they continue, accompany and answer your music; MIDI in, MIDI out.",
        pretty_exceptions_enable=False,
        epilog="Exit codes: "
        + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
        + "\n\nEach command has examples: rnnmuse COMMAND -h",
    )
    made.callback(invoke_without_command=True)(rnnmuse)
    known = {name for functions in COMMANDS.values() for name in functions} | GROUPS.keys()
    for panel, functions in COMMANDS.items():
        for name, place in functions.items():
            if word not in known or name == word:
                module, _, function = place.partition(":")
                found = getattr(import_module(f"rnnmuse.cli.{module}"), function)
                made.command(name, rich_help_panel=panel)(found)
    for name, panel in GROUPS.items():
        if word not in known or name == word:
            made.add_typer(import_module(f"rnnmuse.cli.{name}").app, name=name, rich_help_panel=panel)
    return made


def _version(asked: bool) -> None:
    if asked:
        print(f"rnnmuse {__version__}")
        raise typer.Exit


def rnnmuse(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Models that play along: they continue, accompany and answer your music; MIDI in, MIDI out."""
    if context.invoked_subcommand is None:
        if sys.stdin.isatty() and sys.stdout.isatty():
            from rnnmuse.cli.try_ import try_

            try_()
        else:
            print(context.get_help())


def main() -> None:
    """Run the command line; `rnnmuse.cli.command.EXIT_CODES` says with which code it ends."""
    warnings.showwarning = _show_warning
    try:
        command_line("".join(sys.argv[1:2]))(prog_name="rnnmuse")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has what it wanted
        sys.exit(OK)
    except OSError as error:
        _say(_reason(error))
        sys.exit(WRONG)
    except (RnnmuseError, ValueError) as error:
        _say(str(error) or type(error).__name__)
        sys.exit(WRONG)
    except KeyboardInterrupt:
        _say("stopped")
        sys.exit(STOPPED)
    except Exception as error:
        if os.environ.get("RNNMUSE_DEBUG"):
            raise
        _say(f"internal error: {type(error).__name__}: {error} (RNNMUSE_DEBUG=1 shows where)")
        sys.exit(INTERNAL)


def _reason(error: OSError) -> str:
    """An error of the system without its number: the file, then what is wrong with it."""
    if error.strerror is None or isinstance(error, RnnmuseError):
        return str(error) or type(error).__name__
    reason = error.strerror[:1].lower() + error.strerror[1:]
    return f"{os.fspath(error.filename)}: {reason}" if isinstance(error.filename, (str, os.PathLike)) else reason


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """One line on stderr for what was skipped in a file; other warnings are for developers."""
    if issubclass(category, ReadWarning):
        _say(str(message))


def _say(text: str) -> None:
    print(f"rnnmuse: {' '.join(text.split())}", file=sys.stderr)


if __name__ == "__main__":
    main()
