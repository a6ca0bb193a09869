"""A scene and a movement-cue list, sent as OSC cues on their bars while the clock runs."""

import subprocess
import sys
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_packet import OscPacket

from rnnmuse import author, load
from rnnmuse.music.cues import bar_cues

BARS = 3  # of the show; a longer one runs on


def main(out: Path = Path("out"), desk: tuple[str, int] = ("127.0.0.1", 9000)) -> None:
    scene = author("shakespeare").scene(["Ada", "Ben"], 3, seed=1)
    speeches = {cue["bar"]: cue for cue in scene.cues(tempo=300)}
    moves = {cue.bar: cue for cue in bar_cues(load("lieder").generate(BARS, seed=1))}
    command = [sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0", "--no-midi"]
    live = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert live.stdout is not None
    port = int(live.stdout.readline().rsplit(":", 1)[1])
    udp = socket(AF_INET, SOCK_DGRAM)
    udp.settimeout(30)
    sent = []
    try:
        for address, *values in (
            ["/rnnmuse/subscribe"],
            ["/rnnmuse/transport/tempo", 300],
            ["/rnnmuse/transport/play"],
        ):
            udp.sendto(build_msg(address, values).dgram, ("127.0.0.1", port))
        bar = 0
        while bar < BARS:
            message = OscPacket(udp.recv(65536)).messages[0].message
            if message.address != "/rnnmuse/beat" or message.params[0] % 4:
                continue
            bar = message.params[0] // 4 + 1
            cues = [("/cue/move", bar, moves[bar].cue)] if bar in moves else []
            if bar in speeches:
                cues.append(("/cue/speech", bar, speeches[bar]["speaker"], speeches[bar]["text"]))
            for address, *values in cues:
                udp.sendto(build_msg(address, values).dgram, desk)
                sent.append(f"bar {bar}: {address} {values[1:]}")
                print(sent[-1])
    finally:
        live.terminate()
        live.wait(10)
    out.mkdir(exist_ok=True)
    (out / "cues.txt").write_text("\n".join(sent) + "\n", "utf-8")


if __name__ == "__main__":
    main()
