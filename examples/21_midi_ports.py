"""Open a MIDI port of a stage that runs, see what becomes of it, and close it again: by OSC, as the screen does."""

import subprocess
import sys
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_packet import OscPacket


def main(out: Path = Path("out"), name: str = "Synth") -> None:
    live = subprocess.Popen(
        [sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert live.stdout is not None
    port = int(live.stdout.readline().rsplit(":", 1)[1])  # the first line says where it listens
    udp = socket(AF_INET, SOCK_DGRAM)
    udp.settimeout(20)

    def send(address: str, *values: object) -> None:
        udp.sendto(build_msg(address, list(values)).dgram, ("127.0.0.1", port))

    lines: list[str] = []
    try:
        send("/rnnmuse/subscribe")
        send("/rnnmuse/midi/open", "out", name)
        while True:
            message = OscPacket(udp.recv(65536)).messages[0].message
            if message.address == "/rnnmuse/midi/port" and message.params[1] == name:
                way, wanted, state, detail = message.params
                lines.append(f"{way} {wanted!r} is {state}" + (f": {detail}" if detail else ""))
                print(lines[-1])
                if state == "closed":
                    break
                send("/rnnmuse/midi/close", "out", name)  # open, or not there: either way it is looked for no more
    finally:
        live.terminate()
        live.wait(10)
    out.mkdir(exist_ok=True)
    (out / "ports.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
