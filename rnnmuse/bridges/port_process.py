"""The process of one MIDI port, or of the list of ports. It runs as a script and imports nothing of rnnmuse.

A driver can hang, can end its process by a C++ exception, and holds Python's global lock for 30 to 90 ms while a port
opens or closes. Here none of that reaches the process that plays. The other end is `rnnmuse.bridges.ports`.

Arguments: a role and a driver (``jack``, ``alsa``, ``coremidi``, ``winmm``), then the port's name.

- ``out``, ``virtual-out``: frames on stdin are sent. Stdin's end closes the port, after a note-off for each note that
  sounds and the release of each pedal that is down; so a player that crashes leaves no note behind.
- ``in``, ``virtual-in``: each message is written on stdout as a frame. Stdin's end closes the port.
- ``list``: a line of JSON on stdout whenever something changes: the inputs, the outputs, and why there can be none.
  An exit means that the driver's server is gone.

The first line on stdout is ``ready``, or the reason for which the port did not open. A frame is a header, `FRAME`
(the length of the message and a time in ns of the monotonic clock), and the message.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, BinaryIO, NoReturn

FRAME = struct.Struct("<Hq")
CLIENT = "rnnmuse"
DRAIN = 0.25
"""Seconds between the last message and the end of the port: JACK sends in its next cycle, 93 ms of 4,096 frames."""
PATIENCE = 3
"""Seconds after which the system ends this process, where the driver does not return from a call."""
OPENING = 10
"""Likewise, while the port opens."""
LONGEST = 4000
"""Bytes of a message: with its header, what a pipe takes whole or not at all."""
LOOK = 0.25
"""Seconds between two looks at the list of ports."""
APIS = {"jack": "UNIX_JACK", "alsa": "LINUX_ALSA", "coremidi": "MACOSX_CORE", "winmm": "WINDOWS_MM"}
PRIORITY = 8
"""Real-time priority of a port's process, below the scheduler's thread and above the one that reads an input."""
PEDALS = (64, 66, 69)
"""Controllers that hold notes: sustain, sostenuto, hold 2."""
JACK_MIDI = b"8 bit raw midi"
INPUT, OUTPUT = 1, 2
"""JackPortIsInput and JackPortIsOutput."""
NO_START_SERVER = 1


class Driver:
    """A MIDI system as rtmidi2 reaches it. OSError where it is not installed."""

    def __init__(self, name: str) -> None:
        self.name = name
        if name == "jack":  # before rtmidi2: its own libjack, of 2020, speaks to no server since JACK 1.9.15
            self.jack = ctypes.CDLL("libjack.so.0", mode=ctypes.RTLD_GLOBAL)

    def port(self, kind: str) -> Any:
        """An unopened rtmidi2 port, ``MidiIn`` or ``MidiOut``."""
        import rtmidi2  # here, because listing the ports of JACK does without

        api = getattr(rtmidi2, f"API_{APIS[self.name]}")
        return rtmidi2.MidiIn(CLIENT, api=api) if kind == "MidiIn" else rtmidi2.MidiOut(CLIENT, api)


def main(role: str, driver_name: str, port_name: str = "") -> None:
    """Run one role until stdin ends."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):  # they are for the player, whose end is the end of stdin
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    watched(OPENING)
    told = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # drivers print; stdout is for frames
    try:
        driver = Driver(driver_name)
        {"out": send, "virtual-out": send, "in": receive, "virtual-in": receive, "list": watch}[role](
            driver, port_name, role.startswith("virtual"), told
        )
    except Exception as error:  # each driver raises its own kinds
        told.write(f"{error or type(error).__name__}\n".encode())
        leave(1)


def raise_priority(level: int) -> None:
    """Ask for SCHED_FIFO for this thread, which the system may refuse or not have."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(level))


def leave(code: int = 0) -> NoReturn:
    """Exit without destructors, which hang in some drivers."""
    os._exit(code)


def watched(seconds: int) -> None:
    """Let the system end this process after ``seconds``; 0 for never. A timer in Python needs the global lock."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def open_port(port: Any, name: str, virtual: bool, told: BinaryIO) -> None:
    """Open a port of rtmidi2's and say so. OSError where there is none of this name."""
    names = [] if virtual else port.ports
    if virtual:
        port.open_virtual_port(name)
    elif name in names:
        port.open_port(names.index(name))
    else:
        raise OSError(f"there is no port {name!r}")
    told.write(b"ready\n")
    watched(0)
    raise_priority(PRIORITY)


def send(driver: Driver, name: str, virtual: bool, told: BinaryIO) -> None:
    """Send what comes on stdin; at its end, the note-offs, and pedals up."""
    port = driver.port("MidiOut")
    open_port(port, name, virtual, told)
    sounding: set[tuple[int, int]] = set()
    pedals: set[tuple[int, int]] = set()
    frames = os.fdopen(0, "rb", buffering=65536)
    while len(head := frames.read(FRAME.size)) == FRAME.size:
        length, _ = FRAME.unpack(head)
        message = frames.read(length)
        if len(message) < length:
            break
        watched(PATIENCE)
        port.send_raw(*message)
        watched(0)
        track(sounding, message)
        if message[0] & 0xF0 == 0xB0 and message[1] in PEDALS:
            (pedals.add if message[2] else pedals.discard)((message[0] & 0x0F, message[1]))
    watched(PATIENCE)
    for channel, pitch in sorted(sounding):
        port.send_raw(0x80 | channel, pitch, 0)
    for channel, pedal in sorted(pedals):
        port.send_raw(0xB0 | channel, pedal, 0)
    time.sleep(DRAIN)
    port.close_port()
    del port  # its JACK client too: a server waits for one that is gone without a word
    leave()


def track(sounding: set[tuple[int, int]], message: Sequence[int]) -> None:
    """Enter a note-on's channel and pitch, and strike out what a note-off or an all-notes-off ends."""
    status, channel = message[0] & 0xF0, message[0] & 0x0F
    if status == 0x90 and message[2]:
        sounding.add((channel, message[1]))
    elif status in (0x80, 0x90):
        sounding.discard((channel, message[1]))
    elif status == 0xB0 and message[1] in (120, 123):
        sounding.difference_update([key for key in sounding if key[0] == channel])


def receive(driver: Driver, name: str, virtual: bool, told: BinaryIO) -> None:
    """Write each message that arrives on stdout, with its time; a player that reads no more holds no driver up."""
    port = driver.port("MidiIn")
    port.ignore_types(midi_sysex=False, midi_time=False, midi_sense=True)

    def arrived(message: list[int], _: float) -> None:
        if len(message) <= LONGEST:
            told.write(FRAME.pack(len(message), time.monotonic_ns()) + bytes(message))

    with contextlib.suppress(OSError, AttributeError):  # Windows before Python 3.12 cannot
        os.set_blocking(told.fileno(), False)
    port.callback = arrived
    open_port(port, name, virtual, told)
    while os.read(0, 4096):
        pass
    watched(PATIENCE)
    port.callback = None
    port.close_port()
    del port
    leave()


def watch(driver: Driver, _name: str, _virtual: bool, told: BinaryIO) -> None:
    """Write the names of the inputs and outputs, and why there are none, whenever they change."""
    import json  # half of what the other roles take to start

    names = JackNames(driver.jack) if driver.name == "jack" else RtNames(driver)
    told.write(b"ready\n")
    ended = threading.Event()

    def wait_for_end() -> None:
        os.read(0, 1)
        ended.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    last = None
    while True:
        watched(PATIENCE)
        now = names()
        watched(0)
        if now != last:
            told.write(json.dumps(now).encode() + b"\n")
            last = now
        if ended.wait(LOOK):
            watched(PATIENCE)
            names.close()
            leave()


class RtNames:
    """The ports' names as rtmidi2 lists them."""

    def __init__(self, driver: Driver) -> None:
        self._into, self._out = driver.port("MidiIn"), driver.port("MidiOut")

    def __call__(self) -> tuple[list[str], list[str], str]:
        return self._into.ports, self._out.ports, ""

    def close(self) -> None:
        del self._into, self._out


class JackNames:
    """The ports' names as JACK lists them; none while no server runs. When its server ends, so does the process.

    rtmidi2 does not notice that a server is gone, and goes on naming its ports.
    """

    def __init__(self, jack: Any) -> None:
        self._jack = jack
        jack.jack_client_open.restype = ctypes.c_void_p
        jack.jack_on_shutdown.argtypes = [ctypes.c_void_p] * 3
        jack.jack_activate.argtypes = jack.jack_client_close.argtypes = jack.jack_free.argtypes = [ctypes.c_void_p]
        jack.jack_get_ports.restype = ctypes.POINTER(ctypes.c_char_p)
        jack.jack_get_ports.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong]
        self._shutdown = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: leave(1))
        self._client: Any = None

    def __call__(self) -> tuple[list[str], list[str], str]:
        if not self._client:
            self._client = self._jack.jack_client_open(f"{CLIENT} ports".encode(), NO_START_SERVER, None)
            if not self._client:
                return [], [], "no JACK server runs"
            self._jack.jack_on_shutdown(self._client, self._shutdown, None)
            self._jack.jack_activate(self._client)
        return self._list(OUTPUT), self._list(INPUT), ""  # a JACK output is an input of ours

    def _list(self, flag: int) -> list[str]:
        found = self._jack.jack_get_ports(self._client, None, JACK_MIDI, flag)
        names: list[str] = []
        while found and found[len(names)]:
            names.append(found[len(names)].decode(errors="replace"))
        if found:
            self._jack.jack_free(found)
        return names

    def close(self) -> None:
        if self._client:
            self._jack.jack_client_close(self._client)


if __name__ == "__main__":
    main(*sys.argv[1:])
