"""Ardour's transport over OSC, with an Ardour that is a socket: led, followed, gone and back."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from rnnmuse.bridges import ardour, osc


def until(test, patience=15.0):
    end = time.monotonic() + patience
    while not test():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


class Clock:
    """The clock that Ardour's transport is tied to; its owner tells its outputs when it starts and stops."""

    def __init__(self):
        self.leader, self.runs, self.outputs = "internal", False, []

    def source(self):
        return self.leader

    def running(self):
        return self.runs

    def resume(self):
        self.runs = True

    def halt(self):
        self.runs = False

    def play(self):
        self.runs = True
        self.tell([0xFA])

    def stop(self):
        self.runs = False
        self.tell([0xFC])

    def tell(self, data):
        for output in self.outputs:
            output.transport(data)


class Host(threading.Thread):
    """As Ardour answers: its state once a surface is set up, and when it changes; a heartbeat."""

    def __init__(self, port=0, rolls=False):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.settimeout(0.02)
        self.port = self.socket.getsockname()[1]
        self.rolls, self.surface, self.said, self.over = rolls, None, [], False
        self.start()

    def run(self):
        while not self.over:
            self.tell("/heartbeat", 1.0)
            try:
                message = osc.parse(self.socket.recv(65536))[0]
            except TimeoutError:
                continue
            self.said.append(message.address)
            if message.address == "/set_surface":
                self.surface = message.arguments[6]
            elif message.address in ("/transport_play", "/transport_stop"):
                self.rolls = message.address == "/transport_play"
            self.tell("/transport_play", float(self.rolls))
            self.tell("/transport_stop", float(not self.rolls))
        self.socket.close()

    def tell(self, address, *values):
        if self.surface:
            self.socket.sendto(osc.build(address, values), ("127.0.0.1", self.surface))

    def end(self):
        self.over = True
        self.join(5)


@contextmanager
def host(*words):
    made = Host(*words)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(ardour, "PATIENCE", 0.3)
    monkeypatch.setattr(ardour, "AGAIN", 0.1)
    made = Clock()
    yield made
    for output in made.outputs:
        output.close()


def output(clock, port):
    link = ardour.ArdourOut(clock, "ardour", "127.0.0.1", port)
    clock.outputs.append(link)
    return link


def test_it_rolls_and_stops_with_the_clock(clock):
    with host() as made:
        link = output(clock, made.port)
        until(lambda: link.there)
        assert not link.rolls
        clock.play()
        until(lambda: link.rolls)
        clock.stop()
        until(lambda: not link.rolls)
        assert [word for word in made.said if word != "/set_surface"] == [
            "/goto_start",
            "/transport_play",
            "/transport_stop",
        ]


def test_gone_and_back_it_rolls_again(clock):
    with host() as made:
        link = output(clock, made.port)
        clock.play()
        until(lambda: link.rolls)
    until(lambda: not link.there and not link.rolls)
    with host(made.port):
        until(lambda: link.rolls)


def test_one_that_rolls_already_is_not_told_to(clock):
    """Play said to an Ardour that rolls would end its recording."""
    clock.play()
    with host(0, True) as made:
        link = output(clock, made.port)
        until(lambda: link.rolls)
        until(lambda: link._wanted is None)
        assert set(made.said) == {"/set_surface"}


def test_its_transport_starts_and_stops_a_clock_that_follows(clock):
    clock.leader = "osc"
    with host() as made:
        link = output(clock, made.port)
        until(lambda: link.there)
        for rolls in (True, False):
            made.rolls = rolls
            link._say("/ask")  # it tells its state
            until(lambda: clock.runs == rolls)  # noqa: B023
