"""`rnnmuse`: the commands, and one line instead of a traceback for whatever goes wrong."""

from __future__ import annotations

import os
import sys

import typer

from rnnmuse.cli import (
    bridges,
    compose,
    cover,
    cues,
    demo,
    doctor,
    evaluate,
    listen,
    live,
    lyrics,
    models,
    phrases,
    play,
    ports,
    rig,
    screen,
    show,
    text,
    train,
)
from rnnmuse.errors import RnnmuseError

app = typer.Typer(
    help="A recurrent model that continues your music: MIDI in, MIDI out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
app.command("generate")(compose.generate)
app.command("continue")(compose.continue_)
app.command("text")(text.text)
app.command("lyrics")(lyrics.lyrics)
app.command("setting")(lyrics.setting)
app.command("cues")(cues.cues)
app.command("interpolate")(phrases.interpolate)
app.command("vary")(phrases.vary)
app.command("groove")(phrases.groove)
app.command("infill")(phrases.infill)
app.command("map")(phrases.map_)
app.command("demo")(demo.demo)
app.command("live")(live.live)
app.command("play")(play.play)
app.command("ports")(ports.ports)
app.command("screen")(screen.screen)
app.command("show")(show.show)
app.command("listen")(listen.listen)
app.command("evaluate")(evaluate.evaluate)
app.command("doctor")(doctor.doctor)
app.add_typer(bridges.app, name="bridges")
app.add_typer(cover.app, name="cover")
app.add_typer(models.app, name="models")
app.add_typer(rig.app, name="rig")
app.add_typer(train.app, name="train")


def main() -> None:
    """Run the command line; exit with 2 after an error that the user can mend, 70 after one of ours."""
    try:
        app()
    except (RnnmuseError, ValueError, OSError) as error:
        _say(str(error) or type(error).__name__)
        sys.exit(2)
    except KeyboardInterrupt:
        _say("stopped")
        sys.exit(130)
    except Exception as error:
        if os.environ.get("RNNMUSE_DEBUG"):
            raise
        _say(f"internal error: {type(error).__name__}: {error} (RNNMUSE_DEBUG=1 shows where)")
        sys.exit(70)


def _say(text: str) -> None:
    print(f"rnnmuse: {' '.join(text.split())}", file=sys.stderr)


if __name__ == "__main__":
    main()
