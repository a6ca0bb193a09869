"""The OSC sockets: what they send is read by a socket of the other side; floods come by sockets and clocks by hand."""

import contextlib
import errno
import re
import selectors
import socket
import threading
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.bridges import osc, osc_address, osc_inbox, osc_server, osc_subscribers, slip
from rnnmuse.bridges.osc_inbox import PACKETS
from rnnmuse.bridges.osc_server import ASIDE, BIT, MOST_SEGMENTS, PROMPT, READ, SLICE, UNSENT, Client, OscServer, _runs

PATIENCE = 30


class Server(OscServer):
    """A server with a selector of its own, time by hand, and a list of what it has handled."""

    def __init__(self):
        self.time = 1000.0
        self.price = 0.0  # seconds that the handler takes for a packet
        self.handled = []
        self.selector = selectors.DefaultSelector()
        super().__init__("127.0.0.1", 0, self.take, lambda: self.time, self.sleep)
        self.open(self.selector)

    def take(self, packet, client):
        self.handled.append((client, packet))
        self.time += self.price

    def sleep(self, seconds):
        self.time += seconds

    def turn(self, wait=0.0):
        """One round of the selecting thread; how many sockets were ready."""
        ready = self.selector.select(wait)
        for key, _ in ready:
            key.data()
        return len(ready)

    def until(self, done):
        while not done():
            assert self.turn(PATIENCE), "nothing comes"

    def messages(self):
        return [(m.address, *m.arguments) for _, packet in self.handled for m in osc.parse(packet)]


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()
    made.selector.close()


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(PATIENCE)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        yield made


def connect(server, count=1):
    """TCP streams to the server, once it has taken them."""
    streams, before = [], server._count
    for number in range(count):
        stream = socket.create_connection(("127.0.0.1", server.port))
        stream.settimeout(PATIENCE)
        streams.append(stream)
        server.until(lambda wanted=before + number + 1: server._count == wanted)
    return streams


def closed(stream):
    """Whether the other side has closed the stream."""
    try:
        return stream.recv(1) == b""
    except ConnectionResetError:
        return True


# -- out ----------------------------------------------------------------------------------------------------


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
        receiver.settimeout(PATIENCE)
    assert [receiver.recv(2048) for _ in packets] == packets


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


# -- more subscribers than a chord reaches at its time --------------------------------------------------------------

CROWD = [Client("127.0.0.1", 5000 + number) for number in range(PROMPT + 24)]


class Line:
    """A UDP socket that keeps what is sent, by port."""

    def __init__(self):
        self.sent = []

    def sendto(self, packet, to):
        self.sent.append((to[1], packet))

    def sendmsg(self, packets, _, __, to):
        self.sent += [(to[1], packet) for packet in packets]

    def to(self, client):
        return [packet for port, packet in self.sent if port == client.port]

    def ports(self):
        return list(dict.fromkeys(port for port, _ in self.sent))

    def close(self):
        pass


class Hall:
    """A server with a crowd of subscribers and no socket; its packets are numbered."""

    def __init__(self):
        self.time = 0.0
        self.server = OscServer("127.0.0.1", 0, lambda packet, client: None, lambda: self.time)
        self.server._udp = self.wire = Line()
        for client in CROWD:
            self.server.subscribers.add(client, Client("127.0.0.1", 1, client.port), 60)
        self.count = 0

    def packet(self):
        self.count += 1
        return osc.build("/note" if self.count % 3 else "/program", (self.count,))

    def chord(self, size=1):
        packets = [self.packet() for _ in range(size)]
        with self.server.together():
            for packet in packets:
                self.server.broadcast(packet)
        return packets


def test_a_chord_goes_to_the_first_at_once_and_to_the_others_in_their_order():
    hall = Hall()
    chord = hall.chord(3)
    ports = [client.port for client in CROWD]
    assert hall.wire.ports() == ports[:PROMPT]
    for served in range(PROMPT + BIT, len(CROWD) + 1, BIT):
        assert hall.server.send_aside() == (served < len(CROWD))
        assert hall.wire.ports() == ports[:served]
    assert all(hall.wire.to(client) == chord for client in CROWD)
    assert not hall.server.send_aside()


def test_who_has_waited_longest_is_next_when_chords_come_fast():
    hall = Hall()
    hall.chord()
    hall.server.send_aside()
    hall.chord()
    hall.wire.sent.clear()
    while hall.server.send_aside():
        pass
    late = [client.port for client in CROWD[PROMPT:]]
    assert hall.wire.ports() == late[BIT:] + late[:BIT]


def test_nothing_to_a_client_overtakes_what_waits_for_it():
    hall = Hall()
    begin = hall.chord()
    end = hall.packet()
    hall.server.send(CROWD[-1], end)
    assert hall.wire.to(CROWD[-1]) == [*begin, end]
    assert not hall.wire.to(CROWD[-2])
    panic = hall.packet()
    hall.server.broadcast(panic)
    assert hall.wire.to(CROWD[-2]) == [*begin, panic]
    assert hall.wire.to(CROWD[-1]) == [*begin, end, panic]
    assert not hall.server.send_aside()


def test_who_unsubscribes_gets_what_was_sent_before_and_nothing_more():
    hall = Hall()
    chord = hall.chord()
    hall.server.unsubscribe(CROWD[-1])
    hall.chord()
    while hall.server.send_aside():
        pass
    assert hall.wire.to(CROWD[-1]) == chord


def test_who_moves_up_to_the_first_gets_first_what_waits_for_it():
    hall = Hall()
    chords = hall.chord()
    hall.server.unsubscribe(CROWD[0])
    chords += hall.chord()
    assert hall.wire.to(CROWD[PROMPT]) == chords


def test_who_unsubscribes_while_a_chord_is_prepared_does_not_get_it():
    hall = Hall()
    with hall.server.together():
        hall.server.broadcast(hall.packet())
        hall.server.unsubscribe(CROWD[0])
        hall.server.unsubscribe(CROWD[-1])
    while hall.server.send_aside():
        pass
    assert not hall.wire.to(CROWD[0])
    assert not hall.wire.to(CROWD[-1])
    assert hall.wire.to(CROWD[1])


@pytest.mark.parametrize("noticed", [True, False])
def test_who_lets_its_lease_run_out_gets_nothing_more(noticed):
    hall = Hall()
    hall.server.subscribers.add(CROWD[-1], Client("127.0.0.1", 1, CROWD[-1].port), 1)
    hall.chord()
    hall.time = 2.0
    if noticed:
        hall.server.subscribers.expire()
    while hall.server.send_aside():
        pass
    assert not hall.wire.to(CROWD[-1])
    assert hall.wire.to(CROWD[-2])


def test_an_answer_within_a_chord_waits_for_no_turn():
    hall, guest = Hall(), Client("127.0.0.1", 9000)
    with hall.server.together():
        hall.server.broadcast(hall.packet())
        hall.server.send(guest, b"/answer\0,\0\0\0")
    assert hall.wire.to(guest)


def test_the_end_of_the_server_sends_what_waits():
    hall = Hall()
    chord = hall.chord(2)
    hall.server.close()
    assert all(hall.wire.to(client) == chord for client in CROWD)


def test_what_waits_is_bounded_and_nothing_is_lost():
    hall, sent = Hall(), []
    for _ in range(3 * ASIDE):
        sent += hall.chord()
        assert len(hall.server._aside) <= ASIDE
    while hall.server.send_aside():
        pass
    assert all(hall.wire.to(client) == sent for client in CROWD)
    assert not hall.server._aside


A_CLIENT = st.integers(0, len(CROWD) - 1)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("chord"), st.integers(1, 5)),
            st.tuples(st.just("aside"), st.integers(1, 30)),
            st.tuples(st.just("send"), A_CLIENT),
            st.tuples(st.just("broadcast"), st.just(0)),
            st.tuples(st.just("leave"), A_CLIENT),
            st.tuples(st.just("join"), A_CLIENT),
        ),
        max_size=30,
    )
)
def test_each_client_gets_what_is_for_it_in_the_order_in_which_it_was_sent(acts):
    hall = Hall()
    wanted = {client: [] for client in CROWD}
    here = list(CROWD)

    def add(clients, packets):
        for client in clients:
            wanted[client] += packets

    for act, number in acts:
        client = CROWD[number % len(CROWD)]
        match act:
            case "chord":
                add(here, hall.chord(number))
            case "aside":
                for _ in range(number):
                    hall.server.send_aside()
            case "send":
                wanted[client].append(hall.packet())
                hall.server.send(client, wanted[client][-1])
                assert hall.wire.to(client) == wanted[client]
            case "broadcast":
                add(here, [packet := hall.packet()])
                hall.server.broadcast(packet)
                assert all(hall.wire.to(one) == wanted[one] for one in here)
            case "leave" if client in here:
                here.remove(client)
                hall.server.unsubscribe(client)
                assert hall.wire.to(client) == wanted[client]
            case "join" if client not in here:
                here.append(client)
                hall.server.subscribers.add(client, Client("127.0.0.1", 1, client.port), 60)
        assert all(hall.wire.to(one) == wanted[one][: len(hall.wire.to(one))] for one in CROWD)
    hall.server.close()
    assert {client: hall.wire.to(client) for client in CROWD} == wanted


def test_threads_that_send_in_turn_keep_the_order_of_each_client():
    """One makes chords and sends what they leave without the stage's lock; the other breaks in with ends."""
    hall, stage, sent = Hall(), threading.RLock(), []

    def break_in():
        for _ in range(100):
            with stage:
                sent.append(packet := hall.packet())
                hall.server.broadcast(packet)

    other = threading.Thread(target=break_in)
    other.start()
    for _ in range(100):
        with stage:
            sent.extend(hall.chord(2))
        for _ in range(20):
            hall.server.send_aside()
    other.join()
    hall.server.close()
    assert len(sent) == 300
    assert all(hall.wire.to(client) == sent for client in CROWD[:: len(CROWD) // 8])


def test_what_is_sent_while_a_clients_part_leaves_comes_after_it():
    hall, tried = Hall(), threading.Event()
    begin, end = hall.chord(2), hall.packet()

    class Lock:
        def __init__(self):
            self.real = threading.Lock()

        def __enter__(self):
            if self.real.locked():
                tried.set()
            self.real.acquire()

        def __exit__(self, *_):
            self.real.release()

    def break_in():
        hall.server.send(CROWD[PROMPT], end)
        tried.set()

    other, send = threading.Thread(target=break_in), hall.server._send_all

    def slow(client, packets):
        if not other.ident:
            other.start()
            assert tried.wait(PATIENCE)
        send(client, packets)

    hall.server._in_order, hall.server._send_all = Lock(), slow
    hall.server.send_aside()
    other.join()
    assert hall.wire.to(CROWD[PROMPT]) == [*begin, end]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=90), st.sampled_from([0, 3]))
def test_runs_hold_the_packets_in_order_each_of_one_size_but_for_a_smaller_last(sizes, session):
    packets = tuple(osc.build("/a" + "a" * 4 * size, (number,)) for number, size in enumerate(sizes))
    runs = _runs(packets, session)
    whole = [osc.in_session(packet, session) if session else packet for packet in packets]
    assert [packet for run, _ in runs for packet in run] == whole
    for run, size in runs:
        assert len(run) <= MOST_SEGMENTS
        assert {len(packet) for packet in run[:-1]} <= {size}
        assert len(run[-1]) <= size


# -- answers ------------------------------------------------------------------------------------------------


def test_answers_go_where_the_sender_wants_them(server, receiver):
    host, port = receiver.getsockname()
    sender = Client(host, 9)
    assert server.target(sender) == sender
    server.reply_to(sender, port)
    server.send(server.target(sender), b"/a\0\0,\0\0\0")
    assert receiver.recv(2048) == b"/a\0\0,\0\0\0"
    for number in range(osc_server.REPLY_PORTS):
        server.reply_to(Client(host, 10 + number), 1)
    assert server.target(sender) == sender, "so many are remembered"
    tcp = Client(host, 9, 1)
    server.reply_to(tcp, port)
    assert server.target(tcp) == tcp


def test_a_broadcast_goes_to_all_or_to_those_of_one_lookahead(server, receiver):
    client = Client(*receiver.getsockname())
    server.subscribe(client, 10, 100_000_000)
    server.broadcast(b"/all\0\0\0\0,\0\0\0")
    server.broadcast(b"/no\0,\0\0\0", 0)
    server.broadcast(b"/ahead\0\0,\0\0\0", 100_000_000)
    assert server.lookaheads() == {100_000_000}
    assert [receiver.recv(99)[:6] for _ in range(2)] == [b"/all\0\0", b"/ahead"]
    server.unsubscribe(client)
    assert not server.subscribers


# -- floods -------------------------------------------------------------------------------------------------


class Wire:
    """A UDP socket by hand: what has come, and what was sent."""

    def __init__(self, *came):
        self.came = list(came)
        self.sent = []

    def recvfrom_into(self, buffer):
        if not self.came:
            raise BlockingIOError
        packet, address = self.came.pop(0)
        buffer[: len(packet)] = packet
        return len(packet), address

    def sendto(self, packet, address):
        self.sent.append((packet, address))

    def close(self): ...


FLOOD, OTHER = ("127.0.0.1", 40001), ("127.0.0.1", 40002)
PANIC = osc.build("/rnnmuse/transport/panic", ())


def flooded(server, rate, seconds, price, panic_at):
    """Packets at a rate (a second) by one sender, each of which takes ``price`` seconds; when another's panic is done.

    Time passes only while the server handles, or 0.2 ms for a round in which it has nothing to do.
    """
    server._udp.close()
    server._udp, server.price = Wire(), price
    began, sent, panicked = server.time, 0, None
    while server.time - began < seconds:
        due = int((server.time - began) * rate)
        server._udp.came += [(osc.build("/rnnmuse/ping", (n,)), FLOOD) for n in range(sent, due)]
        sent = max(sent, due)
        if panicked is None and server.time - began >= panic_at:
            panicked = server.time
            server._udp.came.append((PANIC, OTHER))
        server._packets()
        server.turn()  # the bell
        server.time += 0.0002
        if panicked and any(client.port == OTHER[1] for client, _ in server.handled):
            return server.time - panicked
    raise AssertionError("the panic was lost")


@pytest.mark.parametrize("price", [0.00002, 0.0002, 0.001])
def test_a_flood_of_one_does_not_delay_the_panic_of_another(server, price):
    """20,000 messages a second, of which the handler can do as many, a quarter, or a twentieth."""
    assert flooded(server, 20_000, 2.0, price, 1.0) < 0.010
    assert len(server._udp.came) <= READ, "what comes is read, whatever it takes to handle"


def test_a_sender_of_too_much_is_told_once_a_second(server):
    server._udp.close()
    server._udp, server.price = Wire(), 1.0  # whatever is handled takes a second
    server._udp.came = [(osc.build("/rnnmuse/ping", (n,)), FLOOD) for n in range(2 * PACKETS)]
    while server._udp.came:
        server._packets()
    told = [osc.parse(packet)[0].arguments for packet, address in server._udp.sent if address == FLOOD]
    assert 1 <= len(told) <= 2 * PACKETS / READ
    assert all(code == "limit" and f"more than {PACKETS} packets wait" in text for _, code, text in told)


def test_one_round_handles_a_slice_and_the_bell_brings_back_for_the_rest(server):
    server._udp.close()
    server._udp, server.price = Wire(*[(PANIC, OTHER)] * 100), 0.26 * SLICE
    server._packets()
    assert len(server.handled) == 4
    for rounds in range(24):
        assert server.turn() == 1
        assert len(server.handled) == 4 * (rounds + 2)
    assert server.turn() <= 1
    assert server.turn() == 0, "with nothing left it waits"


def test_a_handler_that_fails_is_reported_once_a_second_and_the_next_packet_is_handled(server, caplog):
    server._udp.close()
    server._udp = Wire(*[(b"/bad", OTHER)] * 50, (b"/good", OTHER))
    server._handle = lambda packet, client: server.handled.append(1 // (packet != b"/bad"))
    server._packets()
    assert server.handled == [1]
    assert len(caplog.records) == 1
    server.time += 1.0
    server._udp.came.append((b"/bad", OTHER))
    server._packets()
    assert "51 packets could not be handled" in caplog.text


def test_real_packets_of_two_senders_come_by_the_selector(server):
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.create_connection(("127.0.0.1", server.port)) as two,
    ):
        for number in range(50):
            one.sendto(osc.build("/udp", (number,)), ("127.0.0.1", server.port))
            two.sendall(slip.encode(osc.build("/tcp", (number,))))
        server.until(lambda: len(server.handled) == 100)
    for address in ("/udp", "/tcp"):
        assert [m[1] for m in server.messages() if m[0] == address] == list(range(50))


# -- TCP ----------------------------------------------------------------------------------------------------


def test_tcp_gets_its_frames_together(server):
    (stream,) = connect(server)
    with stream:
        (client,) = server._connections
        with server.together():
            for number in range(3):
                server.send(client, osc.build("/note", (number,)))
        decoder, got = slip.Decoder(osc.MAX_BYTES), []
        while len(got) < 3:
            got += decoder.feed(stream.recv(4096))
    assert [osc.parse(packet)[0].arguments for packet in got] == [(0,), (1,), (2,)]


def test_what_goes_to_a_watcher_by_tcp_leaves_after_what_goes_to_instruments(server, receiver):
    (stream,) = connect(server)
    with stream:
        (screen,) = server._connections
        instrument = Client(*receiver.getsockname())
        server.watchers.add(screen, screen, 60)
        with server.together():
            for number in range(3):
                server.send(screen, osc.build("/note", (number,)))
                server.send(instrument, osc.build("/note", (number,)))
        assert [osc.parse(receiver.recv(2048))[0].arguments for _ in range(3)] == [(0,), (1,), (2,)]
        stream.setblocking(False)
        with pytest.raises(BlockingIOError):
            stream.recv(4096)
        stream.settimeout(PATIENCE)
        while server.send_aside():
            pass
        server.send(screen, osc.build("/note", (3,)))
        decoder, got = slip.Decoder(osc.MAX_BYTES), []
        while len(got) < 4:
            got += decoder.feed(stream.recv(4096))
        assert [osc.parse(packet)[0].arguments for packet in got] == [(0,), (1,), (2,), (3,)]


def test_threads_that_send_by_tcp_do_not_cut_into_each_other(server):
    (stream,) = connect(server)
    with stream:
        (client,), ends = server._connections, []

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
    sent = [osc.parse(packet)[0].arguments for packet in got]
    assert sorted(ends) == [0, 1, 2, 3]
    assert [[n for t, n in sent if t == thread] for thread in range(4)] == [list(range(300))] * 4


def test_what_a_client_does_not_take_at_once_is_sent_when_it_does(server):
    (stream,) = connect(server)
    with stream:
        (client,) = server._connections
        server._connections[client].stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        packet = osc.build("/text", ("x" * 8000,))
        count = 0
        while not server._connections[client].unsent:
            server.send(client, packet)
            count += 1
        decoder, got = slip.Decoder(osc.MAX_BYTES), []
        stream.settimeout(0.0)
        while len(got) < count:
            server.turn(0.1)
            try:
                got += decoder.feed(stream.recv(1 << 16))
            except BlockingIOError:
                continue
        assert got == [packet] * count
        assert server.turn() == 0, "nothing is left to send: the selector is not woken for it"


def test_a_client_that_does_not_read_is_dropped_and_the_sender_never_waits(server, caplog):
    (stream,) = connect(server)
    with stream:
        (client,) = server._connections
        server.subscribe(client, 60, 100_000_000)
        packet = osc.build("/text", ("x" * 8000,))
        for _ in range(2000):  # 16 MB: more than any socket holds
            server.broadcast(packet)
        assert len(server._connections[client].unsent) <= UNSENT + 2 * len(packet)
        server.until(lambda: not server._connections)
    assert "it does not read" in caplog.text
    assert server.lookaheads() == frozenset()
    assert not server.subscribers


def test_a_client_that_goes_takes_its_subscription_with_it_and_what_it_sent_is_handled(server):
    (stream,) = connect(server)
    (client,) = server._connections
    server.subscribe(client, 60, 100_000_000)
    changes = []
    server.subscribers.on_lookaheads_changed = lambda: changes.append(server.lookaheads())
    stream.sendall(slip.encode(PANIC))
    stream.close()
    server.until(lambda: not server._connections)
    assert changes == [frozenset()]
    assert server.messages() == [("/rnnmuse/transport/panic",)]


def test_the_client_that_is_silent_longest_gives_way(server, monkeypatch, caplog):
    monkeypatch.setattr(osc_server, "CONNECTIONS", 3)
    streams = connect(server, 3)
    clients = list(server._connections)
    server.subscribe(clients[0], 3600)
    server.time += 10
    streams[1].sendall(slip.encode(PANIC))
    server.until(lambda: server.handled)
    (fourth,) = connect(server)
    assert closed(streams[2])
    assert "it was silent longest" in caplog.text
    (fifth,) = connect(server)
    assert closed(streams[1])
    for stream in (fourth, fifth):
        stream.sendall(slip.encode(PANIC))
    server.until(lambda: len(server.handled) == 3)
    assert clients[0] in server._connections
    for stream in (*streams, fourth, fifth):
        stream.close()


def test_idle_clients_without_number_shut_nobody_out(server, monkeypatch):
    monkeypatch.setattr(osc_server, "CONNECTIONS", 4)
    streams = connect(server, 20)
    streams[-1].sendall(slip.encode(PANIC))
    server.until(lambda: server.handled)
    assert len(server._connections) == 4
    for stream in streams:
        stream.close()


def test_where_all_are_subscribed_another_is_turned_away_until_a_lease_ends(server, monkeypatch, caplog):
    monkeypatch.setattr(osc_server, "CONNECTIONS", 2)
    streams = connect(server, 2)
    for client in server._connections:
        server.subscribe(client, 60)
    late = socket.create_connection(("127.0.0.1", server.port))
    late.settimeout(PATIENCE)
    server.until(lambda: "turned away" in caplog.text)
    assert closed(late)
    server.time += 61
    (third,) = connect(server)
    assert len(server._connections) == 2
    for stream in (*streams, late, third):
        stream.close()


def test_without_a_descriptor_left_a_client_is_turned_away(server, monkeypatch, caplog):
    """The selector would report a client that is neither taken nor closed for ever."""
    accept, failures = server._tcp.accept, [OSError(errno.EMFILE, "Too many open files")]

    class Full:
        def accept(self):
            if failures:
                raise failures.pop()
            return accept()

        def close(self): ...

    listening, server._tcp = server._tcp, Full()
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.settimeout(PATIENCE)
        server.until(lambda: caplog.text)
        assert closed(stream)
    assert "too many open files" in caplog.text
    assert server.turn() == 0
    server._tcp = listening
    (after,) = connect(server)
    after.close()


def test_a_tcp_client_that_sends_too_much_waits_and_loses_nothing(server):
    (stream,) = connect(server)
    server.price = SLICE  # one packet a round
    count = 4 * PACKETS
    data = b"".join(slip.encode(osc.build("/rnnmuse/ping", (n,))) for n in range(count))
    sender = threading.Thread(target=stream.sendall, args=(data,))
    sender.start()
    most = 0
    (client,) = server._connections
    while len(server.handled) < count:
        server.turn(PATIENCE)
        most = max(most, server._inbox.waiting(client))
    sender.join()
    stream.close()
    assert [m[1] for m in server.messages()] == list(range(count))
    assert most < PACKETS + 1000, "what one read brings, beyond the limit"


def test_a_tcp_flood_does_not_delay_a_udp_panic(server):
    (stream,) = connect(server)
    stream.setblocking(False)
    data = slip.encode(osc.build("/rnnmuse/ping", (1,))) * 3000
    server.price = 0.0005
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for rounds in range(60):
            with contextlib.suppress(BlockingIOError):
                stream.send(data)
            if rounds == 30:
                began = server.time
                udp.sendto(PANIC, ("127.0.0.1", server.port))
            server.turn(PATIENCE)
            if any(packet == PANIC for _, packet in server.handled):
                break
    stream.close()
    assert server.time - began < 0.010


def test_after_any_bytes_the_next_packet_is_handled(server):
    """Damaged frames and datagrams of every length; the seed is the test's."""
    random, target = Random(7), ("127.0.0.1", server.port)
    server._handle = lambda packet, client: (
        server.handled.append((client, packet)) if packet == PANIC else osc.parse(packet)
    )
    (stream,) = connect(server)
    with stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for rounds in range(1, 101):
            junk = random.randbytes(random.choice([0, 1, 3, 64, 2000, 9000]))
            udp.sendto(junk, target)
            stream.sendall(junk + b"\xc0" + slip.encode(PANIC))
            server.until(lambda wanted=rounds: len(server.handled) >= wanted)
        udp.sendto(PANIC, target)
        server.until(lambda: len(server.handled) == 101)


def test_a_frame_without_an_end_takes_bounded_memory(server):
    (stream,) = connect(server)
    for _ in range(40):
        stream.sendall(bytes(10_000))
        server.turn(PATIENCE)
    stream.sendall(b"\xc0" + slip.encode(PANIC))
    server.until(lambda: len(server.handled) == 2)
    assert [len(packet) for _, packet in server.handled] == [osc.MAX_BYTES + 1, len(PANIC)]
    stream.close()


def test_the_limits_are_those_of_the_page():
    page = (Path(__file__).parents[2] / "docs" / "osc.md").read_text("utf-8")
    limits = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", page.split("## Limits")[1].split("## Addresses")[0], re.M))
    numbers = {name: [int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", text)] for name, text in limits.items()}
    del numbers["---"], numbers["what"]
    assert numbers == {
        "packet": [osc.MAX_BYTES, osc.MAX_MESSAGES, osc.MAX_DEPTH],
        "address pattern": [osc_address.MAX_PATTERN],
        "work for one packet": [osc.MAX_PRICE, 1, osc.ANSWER, 1, osc_address.STEPS],
        "waiting UDP packets of one sender": [PACKETS, osc_inbox.BYTES // 1024],
        "waiting TCP packets of one client": [PACKETS],
        "TCP clients": [osc_server.CONNECTIONS],
        "bytes waiting for a TCP client": [UNSENT // 1024],
        "subscriptions": [osc_subscribers.SUBSCRIPTIONS, osc_subscribers.TARGETS],
        "watchers and monitors": [osc_subscribers.SUBSCRIPTIONS, osc_subscribers.TARGETS],
        "different look-aheads": [osc_subscribers.LOOKAHEADS],
        "senders with their own reply port": [osc_server.REPLY_PORTS],
    }


def test_a_port_that_is_taken_is_named(server):
    other = OscServer("127.0.0.1", server.port, lambda data, client: None)
    with pytest.raises(OSError, match=f"port {server.port}: .*; is rnnmuse live running already?"):
        other.open(server.selector)
    other.close()


def test_closed_it_leaves_no_descriptor_and_sending_is_harmless(server):
    (stream,) = connect(server)
    (client,) = server._connections
    server.close()
    assert not server.selector.get_map()
    assert closed(stream)
    server.send(client, b"/a\0\0,\0\0\0")
    server.send(Client("127.0.0.1", 9), b"/a\0\0,\0\0\0")
    stream.close()
