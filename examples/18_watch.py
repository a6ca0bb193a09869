"""See what a player is about to play, two beats ahead: an OSC client that watches the stage."""

import subprocess
import sys
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_packet import OscPacket


def main(out: Path = Path("out"), notes: int = 12) -> None:
    command = [sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0", "--no-midi", "--tempo", "160"]
    live = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert live.stdout is not None
    port = int(live.stdout.readline().rsplit(":", 1)[1])  # the first line says where it listens
    udp = socket(AF_INET, SOCK_DGRAM)
    udp.settimeout(20)

    def send(address: str, *values: object) -> None:
        udp.sendto(build_msg(address, list(values)).dgram, ("127.0.0.1", port))

    lines: list[str] = []
    planned: dict[tuple[int, float], float] = {}
    beat = 0
    try:
        send("/rnnmuse/subscribe")
        send("/rnnmuse/watch")
        send("/rnnmuse/player/1/start")
        while len(lines) < notes:
            message = OscPacket(udp.recv(65536)).messages[0].message
            pitch, velocity, *rest = [*message.params, 0, 0]
            if message.address == "/rnnmuse/beat":
                beat = message.params[0]
            elif message.address == "/rnnmuse/out/1/planned" and velocity:
                planned[pitch, round(rest[0], 3)] = beat
            elif message.address == "/rnnmuse/out/1/recalled":
                planned = {key: known for key, known in planned.items() if key[1] < message.params[0]}
            elif message.address == "/rnnmuse/out/1/note" and velocity and (pitch, round(rest[1], 3)) in planned:
                known = planned.pop((pitch, round(rest[1], 3)))
                lines.append(f"note {pitch} on beat {rest[1]:.2f} was known on beat {known}")
                print(lines[-1])
    finally:
        live.terminate()
        live.wait(10)
    out.mkdir(exist_ok=True)
    (out / "planned.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
