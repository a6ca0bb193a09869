"""A stage as the web process sees it: the real OSC sockets and packets, and values that are a dictionary."""

import random
import selectors
import socket
import threading
from contextlib import contextmanager

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_address import AddressSpace, is_pattern
from rnnmuse.bridges.osc_server import OscServer
from rnnmuse.protocol import WATCHED_COMMANDS, ProtocolError, addresses

KNOWN = addresses()
DEFAULTS = {"f": 0.5, "i": 1, "s": "text"}


def lasting_port():
    """A free port that stays so while nobody has it: the system gives those of other programs from 32768 on."""
    for port in random.SystemRandom().sample(range(15000, 32000), 100):
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


class FakeStage:
    """Answers getters, sync, ping and subscribe; keeps what it is sent. ``mute`` makes it answer nothing, ``hangs`` no
    sync: its engine is busy."""

    def __init__(self, port=0):
        self.values = {
            address: tuple(DEFAULTS[a.kind] for a in row.arguments)
            for address, (row, _, _) in KNOWN.items()
            if row.access == "rw" and not row.free
        }
        self.values["/rnnmuse/transport/tempo"] = (120.0,)
        self.received = []
        self.asked = []
        self.mute = self.hangs = False
        self.server = OscServer("127.0.0.1", port, self.handle)
        self.selector = selectors.DefaultSelector()
        self.server.open(self.selector)
        self.port = self.server.port
        self.space = AddressSpace(KNOWN)
        self.ending = threading.Event()
        self.arrived = threading.Condition()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ending.is_set():
            for key, _ in self.selector.select():
                if not self.ending.is_set():
                    key.data()
        self.server.close()
        self.selector.close()

    def close(self):
        if not self.ending.is_set():
            self.ending.set()
            self.server._ring()
            self.thread.join(10)

    def handle(self, packet, client):
        if self.mute:
            return
        budget = osc.Budget()
        for message in osc.parse(packet):
            found = self.space.match(message.address, budget) if is_pattern(message.address) else [message.address]
            for address in found:
                self.take(address, message.arguments, client, budget)

    def take(self, address, arguments, client, budget):
        def answer(where, *values):
            budget.spend(osc.ANSWER)
            self.server.send(client, osc.build(where, values))

        if address == "/rnnmuse/sync" and not self.hangs:
            answer("/rnnmuse/synced", *arguments)
        elif address == "/rnnmuse/provenance":
            answer(address, "0", "type", 0.0, "grooves", "sha256:1")
        elif address == "/rnnmuse/ping":
            answer("/rnnmuse/pong", *arguments)
        elif address == "/rnnmuse/watch":
            seconds = arguments[0] if arguments else 60.0
            if seconds:
                self.server.watchers.add(client, client, seconds)
            else:
                self.server.watchers.remove(client)
            answer("/rnnmuse/watched", seconds)
        elif address == "/rnnmuse/subscribe":
            self.server.subscribe(client, *(arguments or (60.0,)))
            answer("/rnnmuse/subscribed", *(arguments or (60.0,)))
        elif address == "/rnnmuse/unsubscribe":
            self.server.unsubscribe(client)
        elif KNOWN[address].row.access == "rw" and not arguments:
            self.asked.append(address)
            if address in self.values:
                answer(address, *self.values[address])
            else:
                answer("/rnnmuse/error", address, "value", "there is none")
        else:
            try:
                row = KNOWN[address].row
                values = list(arguments) if row.free else row.check(address, arguments)
            except ProtocolError as error:
                answer("/rnnmuse/error", address, error.code, str(error))
                return
            if address in self.values:
                self.values[address] = tuple(values)
                self.server.tell(self.server.watchers, osc.build(address, values))
            elif KNOWN[address].row.address in WATCHED_COMMANDS:
                self.server.tell(self.server.watchers, osc.build(address, values))
        with self.arrived:
            self.received.append((address, *arguments))
            self.arrived.notify_all()

    def say(self, address, *values):
        """Send every subscriber a message."""
        self.server.broadcast(osc.build(address, values))

    def wait(self, done, patience=30):
        with self.arrived:
            assert self.arrived.wait_for(done, patience), self.received[-20:]


@contextmanager
def stage(port=0):
    made = FakeStage(port)
    try:
        yield made
    finally:
        made.close()
