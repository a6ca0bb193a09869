"""`rnnmuse`: the commands, and one line instead of a traceback for whatever goes wrong."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, TextIO

import typer

from rnnmuse import __version__
from rnnmuse.cli import (
    analyse,
    authorship,
    bridges,
    compose,
    cover,
    cues,
    demo,
    doctor,
    evaluate,
    harmonise,
    listen,
    live,
    lyrics,
    models,
    originality,
    phrases,
    play,
    ports,
    provenance,
    rig,
    screen,
    selfcheck,
    show,
    text,
    train,
    try_,
)
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

app = App(
    help="Models that play along: they continue, accompany and answer your music; MIDI in, MIDI out.",
    pretty_exceptions_enable=False,
    epilog="Exit codes: "
    + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    + "\n\nEach command has examples: rnnmuse COMMAND -h",
)
COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    PLAY: {"try": try_.try_, "live": live.live, "play": play.play, "listen": listen.listen, "screen": screen.screen},
    WRITE: {
        "generate": compose.generate,
        "continue": compose.continue_,
        "infill": phrases.infill,
        "vary": phrases.vary,
        "interpolate": phrases.interpolate,
        "groove": phrases.groove,
        "harmonise": harmonise.harmonise,
    },
    WORDS: {"text": text.text, "lyrics": lyrics.lyrics, "setting": lyrics.setting},
    PICTURES: {"show": show.show, "map": phrases.map_},
    LEARN: {"analyse": analyse.analyse, "evaluate": evaluate.evaluate},
    SETUP: {
        "demo": demo.demo,
        "cues": cues.cues,
        "ports": ports.ports,
        "doctor": doctor.doctor,
        "selfcheck": selfcheck.selfcheck,
        "provenance": provenance.provenance,
        "authorship": authorship.authorship,
        "originality": originality.originality,
    },
}
"""The commands by the panel of the help in which they stand; groups of commands follow."""
for panel, functions in COMMANDS.items():
    for name, function in functions.items():
        app.command(name, rich_help_panel=panel)(function)
app.add_typer(cover.app, name="cover", rich_help_panel=PICTURES)
app.add_typer(train.app, name="train", rich_help_panel=LEARN)
app.add_typer(models.app, name="models", rich_help_panel=LEARN)
app.add_typer(rig.app, name="rig", rich_help_panel=SETUP)
app.add_typer(bridges.app, name="bridges", rich_help_panel=SETUP)


def _version(asked: bool) -> None:
    if asked:
        print(f"rnnmuse {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def rnnmuse(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Models that play along: they continue, accompany and answer your music; MIDI in, MIDI out."""
    if context.invoked_subcommand is None:
        if sys.stdin.isatty() and sys.stdout.isatty():
            try_.try_()
        else:
            print(context.get_help())


def main() -> None:
    """Run the command line; `rnnmuse.cli.command.EXIT_CODES` says with which code it ends."""
    warnings.showwarning = _show_warning
    try:
        app(prog_name="rnnmuse")
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
