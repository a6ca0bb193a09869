"""Play four notes to a live player by OSC and print what it answers."""

import subprocess
import sys
import time
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_packet import OscPacket


def main(out: Path = Path("out")) -> None:
    command = [sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0", "--no-midi"]
    live = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert live.stdout is not None
    port = int(live.stdout.readline().rsplit(":", 1)[1])  # the first line says where it listens
    udp = socket(AF_INET, SOCK_DGRAM)
    udp.settimeout(20)

    def send(address: str, *values: object) -> None:
        udp.sendto(build_msg(address, list(values)).dgram, ("127.0.0.1", port))

    lines = []
    try:
        send("/rnnmuse/subscribe")
        send("/rnnmuse/transport/play")
        send("/rnnmuse/player/1/param/key", "C major")
        send("/rnnmuse/player/1/mode", "accompany")
        for pitch in (60, 64, 67, 72):
            began = time.perf_counter()
            send("/rnnmuse/player/1/note", pitch, 90, 0.5)
            while True:
                message = OscPacket(udp.recv(65536)).messages[0].message
                if message.address == "/rnnmuse/out/1/note" and message.params[1] > 0:
                    break
            answer = f"{pitch} is answered with {message.params[0]} after {1000 * (time.perf_counter() - began):.1f} ms"
            print(answer)
            lines.append(answer)
    finally:
        live.terminate()
        live.wait(10)
    out.mkdir(exist_ok=True)
    (out / "answers.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
