"""Play four notes to a live player by MIDI, with mido, and print what it answers; clock comes along."""

import subprocess
import sys
import time
from pathlib import Path

import mido


def backend() -> mido.Backend | None:
    """The first of mido's rtmidi backends that has ports: JACK, ALSA, CoreMIDI; None where there is no MIDI."""
    for api in ("UNIX_JACK", "LINUX_ALSA", "MACOSX_CORE"):
        try:
            found = mido.Backend(f"mido.backends.rtmidi/{api}", load=True)
            found.get_output_names()
        except Exception:  # a driver that is not there, each with its own kind of error
            continue
        return found
    return None


def main(out: Path = Path("out")) -> None:
    command = [sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0", "--mode", "accompany"]
    live = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert live.stdout is not None
    line = next(text for text in live.stdout if text.startswith("MIDI"))
    lines = [line.strip()]
    try:
        midi = backend() if "rnnmuse in" in line else None
        if midi is None:
            lines.append("no MIDI system is running here: nothing was played")
        else:
            to = next(name for name in midi.get_output_names() if "rnnmuse in" in name)
            from_ = next(name for name in midi.get_input_names() if "rnnmuse out" in name)
            with midi.open_output(to) as player, midi.open_input(from_) as heard:
                for pitch in (60, 64, 67, 72):
                    player.send(mido.Message("note_on", note=pitch, velocity=90))
                    end = time.monotonic() + 10
                    while time.monotonic() < end:
                        message = heard.receive()
                        if message.type == "note_on":
                            lines.append(f"{pitch} is answered with {message.note}")
                            break
                    player.send(mido.Message("note_off", note=pitch))
    finally:
        live.terminate()
        live.wait(10)
    print("\n".join(lines))
    out.mkdir(exist_ok=True)
    (out / "mido.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
