"""A text player says lines on the beat; each is shown as it comes, in the terminal and in a file."""

import subprocess
import sys
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_packet import OscPacket


def main(out: Path = Path("out"), words: int = 12) -> None:
    command = [sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0", "--no-midi"]
    live = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert live.stdout is not None
    port = int(live.stdout.readline().rsplit(":", 1)[1])  # the first line says where it listens
    udp = socket(AF_INET, SOCK_DGRAM)
    udp.settimeout(30)

    def send(address: str, *values: object) -> None:
        udp.sendto(build_msg(address, list(values)).dgram, ("127.0.0.1", port))

    shown = ""
    try:
        send("/rnnmuse/subscribe")
        send("/rnnmuse/transport/tempo", 180)
        send("/rnnmuse/text/1/mix", "shakespeare", 0.6)  # two faders
        send("/rnnmuse/text/1/mix", "verse", 0.4)
        send("/rnnmuse/text/1/prompt", "The night is dark,\n")
        send("/rnnmuse/text/1/generate", words, 7)
        last = 0
        while not last:
            message = OscPacket(udp.recv(65536)).messages[0].message
            if message.address == "/rnnmuse/out/text/1":
                _job, _index, text, last = message.params
                print(text, end="", flush=True)
                shown += text
    finally:
        live.terminate()
        live.wait(10)
    print()
    out.mkdir(exist_ok=True)
    (out / "words.txt").write_text(shown, "utf-8")


if __name__ == "__main__":
    main()
