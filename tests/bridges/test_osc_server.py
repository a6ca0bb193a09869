"""What the OSC sockets send, read back from a socket of the other side."""

import selectors
import socket
import threading

import pytest

from rnnmuse.bridges import osc, slip
from rnnmuse.bridges.osc_server import MOST_SEGMENTS, Client, OscServer


@pytest.fixture
def server():
    made = OscServer("127.0.0.1", 0, lambda data, client: None)
    made.open(selectors.DefaultSelector())
    yield made
    made.close()


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        yield made


@pytest.mark.parametrize("segments", [True, False])
def test_a_chord_arrives_as_packets_of_its_own_in_order(server, receiver, segments):
    server._segments = server._segments and segments
    client = Client(*receiver.getsockname())
    packets = [osc.build("/note", (number,)) for number in range(2 * MOST_SEGMENTS + 5)]
    packets[7:7] = [osc.build("/beat", (1, 120.0)), osc.build("/a", ("longer than the others",))]
    with server.together():
        for packet in packets:
            server.send(client, packet)
        receiver.setblocking(False)
        with pytest.raises(BlockingIOError):  # nothing leaves before the end
            receiver.recv(2048)
        receiver.settimeout(5)
    assert [receiver.recv(2048) for _ in packets] == packets
    assert receiver.getsockname() != ("127.0.0.1", server.port)


def test_what_another_thread_sends_meanwhile_leaves_at_once(server, receiver):
    client = Client(*receiver.getsockname())
    with server.together():
        server.send(client, b"/held\0\0\0,\0\0\0")
        other = threading.Thread(target=server.send, args=(client, b"/now\0\0\0\0,\0\0\0"))
        other.start()
        other.join()
        assert receiver.recv(2048).startswith(b"/now")
    assert receiver.recv(2048).startswith(b"/held")


def test_a_system_that_cannot_cut_gets_packet_by_packet(server, receiver, monkeypatch):
    monkeypatch.setattr("rnnmuse.bridges.osc_server.UDP_SEGMENT", 9999)  # no system knows that
    client = Client(*receiver.getsockname())
    for _ in range(2):
        with server.together():
            for number in range(5):
                server.send(client, osc.build("/note", (number,)))
        assert [osc.parse(receiver.recv(2048))[0].arguments for _ in range(5)] == [(n,) for n in range(5)]
    assert not server._segments


def test_tcp_gets_its_frames_together(server):
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.settimeout(5)
        server._accept()
        client = Client(*stream.getsockname(), 1)
        with server.together():
            for number in range(3):
                server.send(client, osc.build("/note", (number,)))
        decoder, got = slip.Decoder(osc.MAX_BYTES), []
        while len(got) < 3:
            got += decoder.feed(stream.recv(4096))
    assert [osc.parse(packet)[0].arguments for packet in got] == [(0,), (1,), (2,)]


def test_two_threads_that_send_by_tcp_do_not_cut_into_each_other(server):
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.settimeout(5)
        server._accept()
        client, ends = Client(*stream.getsockname(), 1), []

        def send(thread):
            for number in range(300):
                server.send(client, osc.build("/note", (thread, number)))
            ends.append(thread)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        decoder, got = slip.Decoder(osc.MAX_BYTES), []
        while len(got) < 1200:
            got += decoder.feed(stream.recv(1 << 16))
        for thread in threads:
            thread.join()
    told = [osc.parse(packet)[0].arguments for packet in got]
    assert sorted(ends) == [0, 1, 2, 3]
    assert [[n for t, n in told if t == thread] for thread in range(4)] == [list(range(300))] * 4
