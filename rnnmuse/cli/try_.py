"""`rnnmuse try`: the first sound after an installation, and what to do next."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnmuse.cli import keys
from rnnmuse.cli.command import examples, progress
from rnnmuse.cli.files import Force, target
from rnnmuse.cli.live import OVER, Screen, add_web, say, serve
from rnnmuse.errors import RnnmuseError

if TYPE_CHECKING:  # it is loaded where there is a sound card
    from rnnmuse.bridges.sound_out import SoundOut

MODEL, TEMPO, KEY, CHORDS, BARS, SEED = "band", 104.0, "D minor", "Dm Bb F C", 4, 7
STYLE, CHART = "pop", "Dm | Bb | F | C"
NEXT = {
    "1": (
        "In a DAW",
        "pip install 'rnnmuse[live]'                  once, for MIDI ports",
        "rnnmuse live --mode free                     plays to its MIDI port, rnnmuse out",
        "in the DAW: a track with the input rnnmuse out and an instrument",
        "send your keyboard or clock to rnnmuse in; on Windows add a loopMIDI port first",
        "rnnmuse bridges list                         more for Ardour, Live, Bitwig, Reaper",
    ),
    "2": (
        "In a live-coding tool",
        "rnnmuse bridges list                         Pure Data, SuperCollider, TidalCycles and more",
        "rnnmuse bridges install pd                   or another; it says where its files go",
        "rnnmuse live                                 listens to OSC on port 7707",
        'send /rnnmuse/player/1/mode "free", then /rnnmuse/transport/play and /rnnmuse/player/1/start',
        "rnnmuse bridges check pd                     hears whether notes come through",
    ),
    "3": (
        "With files",
        "rnnmuse continue song.mid --bars 8           plays on where a piece stops",
        'rnnmuse generate --key "D minor" --chords "Dm Gm A Dm" --audio song.wav',
        "rnnmuse groove beat.mid                      drums as a human plays them",
        "rnnmuse cover song.mid --title Night         its cover",
        "rnnmuse train stream my_midi_files --name mine --from lieder    your own music",
    ),
}
"""What to do next: a heading and five lines for each number."""
ASK = "Next: 1 in a DAW, 2 in a live-coding tool, 3 with files"


@examples("rnnmuse try", "rnnmuse try --no-sound")
def try_(
    sound: Annotated[bool, typer.Option(help="Play on the sound card, if there is one.")] = True,
    browser: Annotated[bool, typer.Option(help="Open the screen in the browser while it plays.")] = True,
    out: Annotated[Path, typer.Option(help="Folder for the output if there is no sound card.")] = Path("out"),
    force: Force = False,
) -> None:
    """Hear the band at once: on the sound card, or as files where there is none."""
    if sound:
        from rnnmuse.bridges.sound_out import SoundOut

        try:
            card = SoundOut()
        except (RnnmuseError, OSError) as error:
            print(f"No sound here: {error}.")
        else:
            _play(card, browser)
            return
    _write(out, force)
    _ask()


def _play(card: SoundOut, browser: bool) -> None:
    """Play on a sound card until Ctrl-C, with the screen in the browser."""
    from rnnmuse.protocol import PORT
    from rnnmuse.realtime.stage import Settings, Stage

    sys.setswitchinterval(0.0002)
    try:
        stage = Stage(Settings(port=PORT, tempo=TEMPO))
        stage.open()
    except OSError:  # another stage has the port
        stage = Stage(Settings(port=0, tempo=TEMPO))
        stage.open()
    try:
        stage.add_output(card)

        stage.closers.append(add_web("127.0.0.1", stage.port, None, False, Screen(port=0, browser=browser)))
        say(f"A {STYLE} band plays {CHART} on {card.card}; OSC on port {stage.port}. Ctrl-C ends.\n{ASK}")
        stage.take("/rnnmuse/harmony/chart", CHART)
        stage.take("/rnnmuse/band", STYLE)
        stage.take("/rnnmuse/transport/play")

        def press(key: str) -> None:
            if key in NEXT:
                say(OVER + _lines(key))
            else:
                keys.press(stage, key)

        serve(stage, press)
    finally:
        stage.close()
    if not sys.stdin.isatty():
        _ask()


def _write(out: Path, force: bool) -> None:
    """Write MIDI, sound and a piano roll, and say where."""
    from rnnmuse.compose.muse import load
    from rnnmuse.music.midi import write_midi
    from rnnmuse.music.pianoroll import save_roll
    from rnnmuse.music.sound import write_sound

    began = time.perf_counter()
    with progress(f"{MODEL} plays {BARS} bars"):
        piece = load(MODEL).generate(BARS, tempo=TEMPO, key=KEY, chords=CHORDS, seed=SEED, ending=True)
        midi, wav, roll = (target(out / f"first{suffix}", force) for suffix in (".mid", ".wav", ".png"))
        write_midi(piece, midi)
        save_roll(piece, roll)
        write_sound(piece, wav)
    print(f"The model {MODEL} has played {BARS} bars in {KEY}, after {time.perf_counter() - began:.1f} s:")
    print(f"  sound       {wav}  ({piece.seconds_at(piece.end):.0f} s)\n  piano roll  {roll}\n  MIDI        {midi}")


def _ask(read: Callable[[str], str] = input) -> None:
    """Offer what to do next: by number on a terminal, all of it elsewhere."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("\n".join(_lines(number) for number in NEXT))
        return
    while True:
        try:
            number = read(f"{ASK} (Enter ends): ").strip()
        except EOFError:
            print()
            return
        if not number:
            return
        print(_lines(number) if number in NEXT else "1, 2 or 3")


def _lines(number: str) -> str:
    title, *lines = NEXT[number]
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines)])
