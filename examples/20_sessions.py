"""Two visitors of an installation: each has a session of their own in one stage, in their own key."""

import subprocess
import sys
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_packet import OscPacket

KEYS = {1: "C major", 2: "F# major"}
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def main(out: Path = Path("out"), notes: int = 24) -> None:
    options = ["--sessions", "2", "--osc-port", "0", "--no-midi", "--tempo", "160", "--model", "leadsheet"]
    live = subprocess.Popen(
        [sys.executable, "-m", "rnnmuse.cli.main", "live", *options], stdout=subprocess.PIPE, text=True
    )
    assert live.stdout is not None
    port = int(live.stdout.readline().rsplit(":", 1)[1])  # the first line says where it listens
    udp = socket(AF_INET, SOCK_DGRAM)
    udp.settimeout(20)

    def send(session: int, address: str, *values: object) -> None:
        packet = build_msg(f"/rnnmuse/session/{session}/{address}", list(values)).dgram
        udp.sendto(packet, ("127.0.0.1", port))

    played: dict[int, list[int]] = {session: [] for session in KEYS}
    try:
        for session, key in KEYS.items():
            send(session, "subscribe")
            send(session, "player/1/param/key", key)
            send(session, "player/1/start")
            send(session, "transport/play")
        while min(map(len, played.values())) < notes:
            message = OscPacket(udp.recv(65536)).messages[0].message
            for session in KEYS:
                if message.address == f"/rnnmuse/session/{session}/out/1/note" and message.params[1]:
                    played[session].append(message.params[0])
    finally:
        live.terminate()
        live.wait(10)
    lines = []
    for session, key in KEYS.items():
        names = [NAMES[pitch % 12] for pitch in played[session][:notes]]
        lines.append(f"session {session}, {key}: {' '.join(names)}")
        print(lines[-1])
    out.mkdir(exist_ok=True)
    (out / "sessions.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
