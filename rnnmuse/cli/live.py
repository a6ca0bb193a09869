"""`rnnmuse live`: the stage, until Ctrl-C."""

from __future__ import annotations

import io
import logging
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnmuse.cli.aside import Aside
from rnnmuse.cli.command import examples, renamed
from rnnmuse.cli.screen import page_address
from rnnmuse.errors import RnnmuseError

if TYPE_CHECKING:  # it is loaded by the commands that need it
    from rnnmuse.bridges.ports import System
    from rnnmuse.bridges.sound_out import SoundOut
    from rnnmuse.config import Rig
    from rnnmuse.realtime.sessions import Sessions
    from rnnmuse.realtime.stage import Stage
    from rnnmuse.session.seat import Seat


SCREEN_PORT = 7808

log = logging.getLogger("rnnmuse.live")

OVER = "\r\033[J"
"""Writes over what the terminal shows while it plays."""


@examples(
    "rnnmuse live --demo",
    "rnnmuse live --mode accompany --model lieder --tempo 96",
    "rnnmuse live --band jazz --sound",
    "rnnmuse live my.toml",
    "rnnmuse live --screen",
)
@renamed(port="--osc-port")
def live(
    rig: Annotated[
        Path | None, typer.Argument(help="A rig: the ports and players of a performance (rnnmuse rig new).")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model that players begin with.")] = None,
    osc_port: Annotated[
        int | None, typer.Option(help="OSC port, 0 to 65535; 0 takes a free one; by default 7707.")
    ] = None,
    tempo: Annotated[float | None, typer.Option(help="Tempo in bpm, 20 to 999.")] = None,
    mode: Annotated[
        str, typer.Option(help="Mode of player 1: off, free, accompany, harmonise, continue, answer.")
    ] = "",
    band: Annotated[str, typer.Option(help="Make players 1 to 4 a band: jazz, pop, folk or game.")] = "",
    demo: Annotated[
        bool, typer.Option("--demo", help="Player 1 plays by itself at once, and is heard (--sound).")
    ] = False,
    sound: Annotated[
        bool, typer.Option("--sound", help="Play on the sound card, by fluidsynth or the built-in synthesiser.")
    ] = False,
    chords: Annotated[
        str | None, typer.Option(help='Chords that players play over, such as "Am7 | D7 | Gmaj7 % |", looped.')
    ] = None,
    midi: Annotated[bool, typer.Option(help="Open MIDI ports where the system has them.")] = True,
    record: Annotated[Path | None, typer.Option(help="Record what is played into this MIDI file.")] = None,
    authorship: Annotated[
        Path | None, typer.Option(help="Log who played and changed what, in this new file on this machine.")
    ] = None,
    screen: Annotated[bool, typer.Option("--screen", help="Open the screen in the browser.")] = False,
    http_port: Annotated[int | None, typer.Option(help="The screen's port, 0 to 65535; by default 7808.")] = None,
    listen: Annotated[
        str,
        typer.Option(
            help="Serve the screen on this address, such as 0.0.0.0, for phones on the network; prints a QR code."
        ),
    ] = "",
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="Who may open the screen with --listen: an IP address or a network; by default private networks."
        ),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the browser with --screen.")] = True,
    sessions: Annotated[
        int | None,
        typer.Option(help="Serve this many sessions, 1 to 128: /rnnmuse/session/2/… is the second (docs/sessions.md)."),
    ] = None,
    session_ports: Annotated[
        bool, typer.Option("--session-ports", help="With --sessions: session 2 also has the next port, and so on.")
    ] = False,
    until_alone: Annotated[
        float | None, typer.Option(help="Quit this many seconds after the last plugin is gone; plugins use it.")
    ] = None,
) -> None:
    """Play live: OSC and MIDI in and out, until Ctrl-C."""
    from rnnmuse import config
    from rnnmuse.bridges.ports import MidiSystem
    from rnnmuse.models.bundle import find
    from rnnmuse.protocol import MODES, STYLES
    from rnnmuse.realtime.rig import open_rig, save_rig
    from rnnmuse.realtime.stage import Settings, Stage
    from rnnmuse.session.checks import check_parameter

    if osc_port is not None and not 0 <= osc_port <= 65535:
        raise ValueError(f"osc-port: {osc_port}; must be 0 to 65535")
    if until_alone is not None and not 1 <= until_alone <= 3600:
        raise ValueError(f"until-alone: {until_alone:g}; must be 1 to 3600 seconds")
    if sessions is not None and until_alone is not None:
        raise ValueError("until-alone: cannot be combined with --sessions")
    if session_ports and sessions is None:
        raise ValueError("session-ports: needs --sessions")
    if band and band not in STYLES:
        raise ValueError(f"band: {band!r}; must be one of {', '.join(STYLES)}")
    if mode and mode not in MODES:
        raise ValueError(f"mode: {mode!r}; must be one of {', '.join(MODES)}")
    setup = config.load(rig) if rig is not None else config.Rig()
    s = setup.stage
    given = (("model", model), ("port", osc_port), ("tempo", tempo), ("chart", chords))
    s.update({n: v for n, v in given if v is not None})
    check_parameter("chart", s["chart"])
    page: Screen | None = None
    if screen or listen:
        page = Screen(listen or "127.0.0.1", http_port, tuple(allow or ()), browser)
        if http_port is None:
            page.port = 0 if s["port"] == 0 else SCREEN_PORT
    s["query"] = 0 if s["port"] == 0 else s["query"]  # a stage beside another takes no fixed port
    for name in sorted(setup.models()):
        find(name)
    system = MidiSystem() if midi else None  # first: its drivers answer while the engine starts
    settings = Settings(s["host"], s["port"], s["tempo"], s["model"])
    whole: Stage | Sessions
    if sessions is None:
        whole = stage = Stage(settings)
    else:
        from rnnmuse.realtime.sessions import Sessions

        whole = Sessions(settings, sessions, session_ports)
        stage = whole.stage(1)
    sys.setswitchinterval(0.0002)
    whole.open()
    try:
        lines = open_rig(stage, setup, system)
        if not isinstance(whole, Stage):
            lines += add_sessions(whole, setup, session_ports)
        if s["query"] or s["discovery"] or page is not None:
            stage.closers.append(add_web(s["host"], stage.port, int(s["query"]) or None, s["discovery"], page))
        if rig is not None:
            stage.presets.save = lambda: save_rig(stage, setup, rig)
        if demo or sound:
            lines.append(add_sound(stage))
        if record is not None:
            lines.append(add_recorder(stage, record))
        if authorship is not None:
            from rnnmuse.realtime.authorship import Authorship

            Authorship(stage, authorship)
            lines.append(f"Log   {authorship} (rnnmuse authorship reads it)")
        if system is not None:
            lines += [f"There {line}" for line in available(system)]
        if band:
            lines.append(f"Band  {band}: lead 1, chords 2, bass 3, drums 4; /rnnmuse/transport/ending ends it")
        else:
            lines.append(f"Players {seated(setup.players, s['model'])}")
        lines += [f"Model {s['model']}", f"Tempo {s['tempo']:g} bpm", "",
                  "Try, from any program that speaks OSC:",
                  '  /rnnmuse/player/1/mode "accompany"    then  /rnnmuse/player/1/note 60 90',
                  "  /rnnmuse/subscribe                    and listen to /rnnmuse/out/1/note",
                  "Every address: docs/osc.md. Ctrl-C ends."]  # fmt: skip
        say("\n".join(lines))
        if until_alone is not None:
            stage.leave_when_alone(until_alone)
        if band:
            stage.take("/rnnmuse/band", band)
        if demo or mode:
            stage.take("/rnnmuse/player/1/mode", "free" if demo else mode)
            stage.begin()
        if demo or mode == "free":
            stage.take("/rnnmuse/player/1/started", 1)
        serve(stage)
    finally:
        whole.close()
    say(f"{stage.player.notes_in} notes in, {stage.notes.count} notes out")


def add_sessions(sessions: Sessions, setup: Rig, ports: bool) -> list[str]:
    """Seat the players of the rig in every session; the ports that it names are session 1's."""
    from rnnmuse.realtime.rig import seat_rig

    for stage in sessions.stages[1:]:
        seat_rig(stage, setup)
    text = f"Sessions {sessions.count}: /rnnmuse/session/1/… to /rnnmuse/session/{sessions.count}/…"
    if ports:
        numbers = [stage.port for stage in sessions.stages]
        text += f", and without the prefix on the ports {', '.join(map(str, numbers))}"
    return [text]


def available(system: System) -> list[str]:
    """The MIDI ports of other programs and devices, one line for inputs and one for outputs, where there are any."""
    return [
        f"MIDI {kind}: {', '.join(names)}"
        for kind, names in zip(("inputs", "outputs"), system.names(), strict=True)
        if names
    ]


def seated(players: dict[int, Seat], model: str) -> str:
    """The players of a rig, with their modes and models."""
    lines = [f"{number} {seat.mode} ({seat.model or model})" for number, seat in sorted(players.items())]
    return ", ".join(lines) or f"1 to 16, all off ({model})"


def say(text: str, end: str = "\n") -> bool:
    """Print, even on a terminal that is gone; False then."""
    try:
        print(text, end=end, flush=True)
    except (OSError, ValueError):
        return False
    return True


ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGBREAK")
"""Signals that end a performance, with every note ended; those that the system has."""


def serve(stage: Stage, press: Callable[[str], None] | None = None) -> None:
    """Play until a signal ends it. A terminal shows a roll and takes keys, each given to ``press``."""
    for name in ENDING:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stage.leave())
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"{OVER}%(message)s" if sys.stderr.isatty() else "%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[Aside(handler)])
    logging.raiseExceptions = False  # a terminal that is gone takes no messages
    if not sys.stdout.isatty():
        stage.serve()
        return
    from rnnmuse.cli import keys, roll

    end = roll.show(stage, lambda text: say(text, end=""))
    try:
        with keys.listening(press or partial(keys.press, stage)) as listens:
            if listens:
                say(OVER + keys.HELP)
            stage.serve()
    finally:
        end()


AGAIN, LONGEST = 2.0, 30.0
"""Seconds until a sound card that was lost is tried again, twice as many after each try; and the most of them."""


def add_sound(stage: Stage) -> str:
    """Sound by fluidsynth where it and a SoundFont are installed, else by the built-in synthesiser, once it is up.

    Returns the line that says so; what comes of it is printed later.
    """
    from rnnmuse.bridges.synth import soundfont

    font = soundfont() if shutil.which("fluidsynth") is not None else None
    over = threading.Event()
    stage.closers.append(over.set)
    # It takes most of a second to see whether there is a sound card: the music does not wait.
    threading.Thread(target=keep_sound, args=(stage, font, over), name="sound", daemon=True).start()
    how = f"fluidsynth, {Path(font).name}" if font is not None else "built-in synthesiser"
    return f"Sound {how}, where it finds a sound card"


def keep_sound(
    stage: Stage,
    font: str | None,
    over: threading.Event,
    make: Callable[[Callable[[str], None]], SoundOut] | None = None,
) -> None:
    """Open the sound card, by fluidsynth with ``font`` if it can, and again when it was lost, until ``over``."""
    from rnnmuse.bridges.sound_out import NAME, SoundOut
    from rnnmuse.bridges.synth import SynthOut

    if font is not None:
        try:
            stage.add_output(SynthOut(font))
            return
        except OSError as error:
            log.debug("fluidsynth: %s", error)
    gone, pause = threading.Event(), 0.0

    def lost(why: str) -> None:
        stage.lose(NAME, why)
        gone.set()

    while not over.wait(pause):
        try:
            out = (make or SoundOut)(lost)
        except (RnnmuseError, OSError) as error:
            if not pause:
                say(f"{OVER if sys.stdout.isatty() else ''}Sound none ({error})")
                return
            pause = min(LONGEST, 2 * pause)
            continue
        gone.clear()
        stage.add_output(out)
        say(f"{OVER if sys.stdout.isatty() else ''}Sound {out.name} on {out.card}")
        while not (gone.wait(AGAIN) or over.is_set()):
            pass
        pause = AGAIN


@dataclass(slots=True)
class Screen:
    """How the screen is served: its address and port (0 for a free one), who may open it, whether a browser does."""

    host: str = "127.0.0.1"
    """The address that it listens at."""
    port: int | None = SCREEN_PORT
    """TCP port, 0 for a free one; None serves no screen."""
    allow: tuple[str, ...] = ()
    """IP addresses and networks that may open it; empty for any."""
    browser: bool = True
    """Whether a browser is opened with it."""
    token: str = ""
    """A secret that the address must carry; empty where none is needed."""

    def __post_init__(self) -> None:
        from rnnmuse.web.gate import is_loopback, networks, new_token, private

        if self.port is not None and not 0 <= self.port <= 65535:
            raise ValueError(f"http-port: {self.port}; must be 0 to 65535")
        try:
            others = not is_loopback(self.host)
        except ValueError:
            raise ValueError(f"listen: {self.host[:40]!r}; must be an IP address, such as 0.0.0.0") from None
        networks(self.allow)
        if others:
            self.token, self.allow = new_token(), self.allow or private()

    def lines(self, port: int) -> list[str]:
        """What is printed once it is served on ``port``; a browser is opened the first time."""
        from rnnmuse.web.gate import own_address

        address = page_address(self.host, port, self.token, own_address)
        lines = [f"Screen {address}"]
        if self.token:
            lines += ["Whoever has this address can play, and stop the music.", qr_code(address)]
        if self.browser:
            import webbrowser

            self.browser = False
            threading.Thread(target=webbrowser.open, args=(address,), name="browser", daemon=True).start()
        return lines


def qr_code(text: str) -> str:
    """A QR code in the characters of a terminal."""
    import segno

    out = io.StringIO()
    segno.make(text, error="l").terminal(out, border=2, compact=True)
    return out.getvalue().rstrip("\n")


def add_web(
    host: str, port: int, query: int | None, discovery: bool, screen: Screen | None = None
) -> Callable[[], None]:
    """Start the web process, which prints what it serves once it does; returns a function that ends it."""
    from rnnmuse.web.process import Report, WebProcess

    def report(report: Report) -> None:
        lines = [f"HTTP  none ({problem})" for problem in report.problems]
        if report.query is not None:
            lines.append(f"HTTP  OSCQuery {host}:{report.query}")
        if report.screen is not None and screen is not None:
            lines += screen.lines(report.screen)
        if report.discovery:
            lines.append("mDNS  advertised")
        say((OVER if sys.stdout.isatty() else "") + "\n".join(lines))

    if screen is None:
        return WebProcess(host, port, query, discovery=discovery, report=report).join
    return WebProcess(
        host, port, query, screen.port, discovery=discovery, report=report, screen_host=screen.host,
        token=screen.token, allow=screen.allow,
    ).join  # fmt: skip


def add_recorder(stage: Stage, path: Path) -> str:
    """Record what the models play into a MIDI file; returns the line that says so."""
    from dataclasses import replace

    from rnnmuse.bridges.output import RECORDING
    from rnnmuse.bridges.recorder import Recorder
    from rnnmuse.provenance.record import Made

    name = RECORDING + path.name

    def made() -> Made:
        return replace(stage.made(), people=0.0)  # what the performer sends is not recorded

    recorder = Recorder(path, float(stage.clock.tempo), lambda why: stage.lose(name, why), made=made)
    stage.add_output(recorder)
    return f"Record {path}"
