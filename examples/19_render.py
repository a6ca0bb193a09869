"""Bounce a player faster than time, as the plugin does where a DAW renders offline: twice the same."""

import subprocess
import sys
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_packet import OscPacket


def main(out: Path = Path("out"), beats: int = 32) -> None:
    command = [sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0", "--no-midi"]
    live = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert live.stdout is not None
    port = int(live.stdout.readline().rsplit(":", 1)[1])  # the first line says where it listens
    udp = socket(AF_INET, SOCK_DGRAM)
    udp.settimeout(30)
    planned: list[tuple[float, int]] = []

    def send(address: str, *values: object) -> None:
        udp.sendto(build_msg(address, list(values)).dgram, ("127.0.0.1", port))

    def until(address: str) -> None:
        """Take what comes until this message."""
        while True:
            message = OscPacket(udp.recv(65536)).messages[0].message
            if message.address == "/rnnmuse/out/1/planned" and message.params[1]:
                pitch, _, beat = message.params[:3]
                planned.append((round(beat, 3), pitch))
            elif message.address == "/rnnmuse/out/1/recalled":
                planned[:] = [note for note in planned if note[0] < message.params[0]]
            if message.address == address:
                return

    takes = []
    try:
        send("/rnnmuse/watch", 600.0)
        send("/rnnmuse/player/1/mode", "free")
        send("/rnnmuse/sync", 1)
        until("/rnnmuse/synced")
        for _ in range(2):
            send("/rnnmuse/transport/cue", 0.0, 120.0)  # stand at the beginning, with the first beats planned
            for beat in range(4, beats + 1, 4):
                send("/rnnmuse/transport/render", float(beat))
                until("/rnnmuse/transport/rendered")
            takes.append([note for note in planned if note[0] < beats])
    finally:
        live.terminate()
        live.wait(10)
    print(f"{len(takes[0])} notes in {beats} beats; twice the same: {takes[0] == takes[1]}")
    out.mkdir(exist_ok=True)
    (out / "render.txt").write_text("".join(f"{beat:8.3f} {pitch}\n" for beat, pitch in takes[0]))
    assert takes[0] == takes[1]


if __name__ == "__main__":
    main()
