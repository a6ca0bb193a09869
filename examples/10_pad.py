"""Move a pad under a looping phrase, by OSC, and draw what was heard."""

import math
import subprocess
import sys
import time
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_packet import OscPacket

import rnnmuse
from rnnmuse.music.pianoroll import save_roll

SECONDS = 8.0


def main(out: Path = Path("out")) -> None:
    command = [sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0", "--no-midi"]
    live = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert live.stdout is not None
    port = int(live.stdout.readline().rsplit(":", 1)[1])
    udp = socket(AF_INET, SOCK_DGRAM)

    def send(address: str, *values: object) -> None:
        udp.sendto(build_msg(address, list(values)).dgram, ("127.0.0.1", port))

    notes: list[rnnmuse.Note] = []
    try:
        send("/rnnmuse/subscribe")
        send("/rnnmuse/transport/tempo", 140.0)
        send("/rnnmuse/player/1/model", "phrases")
        send("/rnnmuse/player/1/param/key", "D major")
        send("/rnnmuse/player/1/mode", "loop")
        send("/rnnmuse/player/1/latent/map", "density", "register")
        send("/rnnmuse/transport/play")
        began = time.monotonic()
        while (now := time.monotonic() - began) < SECONDS:
            turn = 2 * math.pi * now / SECONDS  # once around the pad
            send("/rnnmuse/player/1/latent/xy", 0.5 + 0.45 * math.sin(turn), 0.5 - 0.45 * math.cos(turn))
            udp.settimeout(0.05)
            try:
                message = OscPacket(udp.recv(65536)).messages[0].message
            except TimeoutError:
                continue
            if message.address == "/rnnmuse/out/1/note" and message.params[1] > 0:
                pitch, velocity, beats, beat = message.params
                notes.append(rnnmuse.Note(beat, pitch, max(beats, 0.25), velocity))
    finally:
        live.terminate()
        live.wait(10)
    piece = rnnmuse.Piece([rnnmuse.Part("Pad", 73, notes=sorted(notes))], title="Once around the pad")
    out.mkdir(exist_ok=True)
    rnnmuse.write_midi(piece, out / "pad.mid")
    print(f"{len(notes)} notes; {save_roll(piece, out / 'pad.png')}")


if __name__ == "__main__":
    main()
