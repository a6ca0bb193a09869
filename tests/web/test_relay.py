"""The relay by itself: no sockets, and time by hand."""

import asyncio
import json

import pytest

from rnnmuse.bridges import osc
from rnnmuse.web.relay import LEASE, MOST_CHARACTERS, PACE, QUESTIONS, RENEW, SILENCE, STATE, WAITING, Page, Relay


class Bench:
    """A relay between a stage that is a list and a clock that is a number."""

    def __init__(self):
        self.time = 100.0
        self.sent = []
        self.asked = []
        self.values = {}
        self.answers = True
        self.changes = []
        self.relay = Relay(lambda: self.time, self.changes.append)

    def connect(self):
        self.relay.connected(self.take)

    def take(self, packet):
        """What the relay asks for itself is answered as a stage would, from ``values``."""
        for message in osc.parse(packet):
            if message.address in STATE and not message.arguments and not self.relay.whole:
                self.asked.append(message.address)
                if self.answers and message.address in self.values:
                    self.say(message.address, *self.values[message.address])
            elif message.address == "/rnnmuse/ping" and message.arguments[0] < 0:
                if self.answers:
                    self.say("/rnnmuse/pong", *message.arguments)
            else:
                self.sent.append((message.address, *message.arguments))

    @property
    def commands(self):
        """What was sent, without the relay's own questions."""
        own = ("/rnnmuse/subscribe", "/rnnmuse/unsubscribe", "/rnnmuse/watch", "/rnnmuse/sync")
        return [message for message in self.sent if message[0] not in own]

    def say(self, address, *values):
        self.relay.packet(osc.build(address, values))

    def join(self):
        page = self.relay.join()
        came(page)
        return page

    def send(self, page, *message):
        self.relay.take(page, json.dumps(message))


LOOP = asyncio.new_event_loop()


def came(page):
    """What waits for a page: messages as lists, pictures as bytes."""

    async def take():
        out = []
        while True:
            one = asyncio.ensure_future(page.take())
            await asyncio.sleep(0)
            if not one.done():
                one.cancel()
                return out
            out.append(one.result())

    return [json.loads(one) if isinstance(one, str) else one for one in LOOP.run_until_complete(take())]


@pytest.fixture
def bench():
    made = Bench()
    made.connect()
    made.say("/rnnmuse/synced", 0)
    return made


def test_a_page_is_told_at_once_whether_the_stage_is_there(bench):
    assert came(bench.relay.join()) == [["live", 1], ["state", {}]]
    assert came(Bench().relay.join()) == [["live", 0]]


ALIVE, SUBSCRIBE = [("/rnnmuse/sync", 0)], [("/rnnmuse/subscribe", LEASE), ("/rnnmuse/watch", LEASE)]
UNSUBSCRIBE = [("/rnnmuse/unsubscribe",), ("/rnnmuse/watch", 0.0)]


def test_the_lease_is_renewed_before_it_ends(bench):
    page = bench.join()
    assert bench.sent == [*ALIVE, *SUBSCRIBE]
    assert RENEW < SILENCE < LEASE
    for _ in range(20):
        bench.time += 0.5
        bench.relay.tick()
        bench.say("/rnnmuse/subscribed", LEASE)
    assert bench.sent == ALIVE + SUBSCRIBE * (1 + int(10 / RENEW))
    assert came(page) == []


def test_without_clients_it_only_asks_whether_the_stage_is_there(bench):
    for _ in range(20):
        bench.time += 0.5
        bench.relay.tick()
        bench.say("/rnnmuse/synced", 0)
    assert bench.relay.live
    assert bench.sent == ALIVE * (1 + int(10 / RENEW))


def test_the_first_client_subscribes_and_the_last_one_unsubscribes(bench):
    first, second = bench.join(), bench.join()
    heard = []

    def hear(address, arguments):
        heard.append((address, *arguments))

    bench.relay.watch(hear)
    for page in (first, second):
        bench.relay.leave(page)
    bench.say("/rnnmuse/beat", 1, 120.0)
    bench.say("/rnnmuse/synced", 0)
    bench.say("/rnnmuse/synced", 7)
    assert heard == [("/rnnmuse/beat", 1, 120.0), ("/rnnmuse/synced", 7)]
    bench.relay.unwatch(hear)
    assert bench.sent == [*ALIVE, *SUBSCRIBE, *UNSUBSCRIBE]
    bench.relay.watch(hear)
    assert bench.sent == [*ALIVE, *SUBSCRIBE, *UNSUBSCRIBE, *SUBSCRIBE]
    bench.relay.lost()
    bench.connect()
    assert bench.sent[7:] == SUBSCRIBE


def test_watchers_hear_what_the_stage_says_that_holds(bench):
    heard = []
    bench.relay.watch(lambda address, arguments: heard.append((address, *arguments)))
    page = bench.join()
    bench.send(page, "/rnnmuse/transport/tempo", 96)
    assert heard == []
    bench.say("/rnnmuse/transport/tempo", 96.0)
    assert heard == [("/rnnmuse/transport/tempo", 96.0)]
    bench.relay.pass_on(osc.build("/rnnmuse/transport/tempo", (80.0,)))
    assert came(page) == [["/rnnmuse/transport/tempo", 96.0]]
    assert bench.commands[-1] == ("/rnnmuse/transport/tempo", 80.0)


def test_a_page_that_opens_late_gets_the_whole_state_and_two_pages_hold_the_same(bench):
    bench.values = {"/rnnmuse/transport/tempo": (133.0,), "/rnnmuse/player/3/mode": ("answer",)}
    first = bench.relay.join()
    assert sorted(bench.asked) == sorted(STATE)
    assert came(first)[0] == ["live", 1]
    bench.say("/rnnmuse/transport/tempo", 90.0)
    bench.say("/rnnmuse/player/1/latent/xy", 0.25, 0.5)
    assert came(first) == [["/rnnmuse/transport/tempo", 90.0], ["/rnnmuse/player/1/latent/xy", 0.25, 0.5]]
    late = came(bench.relay.join())
    state = {"/rnnmuse/transport/tempo": [90.0], "/rnnmuse/player/3/mode": ["answer"],
             "/rnnmuse/player/1/latent/xy": [0.25, 0.5]}  # fmt: skip
    assert late == [["live", 1], ["state", state]]
    bench.say("/rnnmuse/player/1/latent/xy")  # another model, without a pad
    assert "/rnnmuse/player/1/latent/xy" not in bench.relay.state
    assert len(bench.asked) == len(STATE), "it is asked once; what changes is told"


def test_the_state_is_asked_in_portions_that_the_stage_has_answered(bench):
    bench.answers = False
    page = bench.join()
    for number in range(1, 1 + -(-len(STATE) // QUESTIONS)):
        assert len(bench.asked) == min(number * QUESTIONS, len(STATE))
        assert not bench.relay.whole
        bench.say("/rnnmuse/pong", -7707)
    bench.say("/rnnmuse/pong", -7707)
    assert len(bench.asked) == len(STATE)
    assert came(page) == [["state", {}]]
    bench.say("/rnnmuse/pong", 5)
    assert came(page) == [["/rnnmuse/pong", 5]]


def test_of_a_value_that_changes_quickly_the_last_waits(bench):
    page = bench.join()
    for number in range(2 * WAITING):
        bench.say("/rnnmuse/player/1/param/density", float(number % 24))
    assert not page.slow.is_set()
    assert came(page) == [["/rnnmuse/player/1/param/density", float((2 * WAITING - 1) % 24)]]


def test_a_silent_stage_is_away_and_comes_back_by_its_first_word(bench):
    page = bench.join()
    bench.time += SILENCE - 0.1
    bench.relay.tick()
    assert bench.relay.live
    bench.time += 0.2
    bench.relay.tick()
    assert came(page) == [["live", 0]]
    bench.say("/rnnmuse/beat", 5, 120.0)
    assert came(page) == [["live", 1], ["/rnnmuse/beat", 5, 120.0]]
    assert bench.changes == [True, False, True]


def test_a_line_that_is_lost_is_told_once_and_taken_up_again(bench):
    page = bench.join()
    bench.relay.lost()
    bench.relay.lost()
    assert came(page) == [["live", 0]]
    bench.relay.tick()
    bench.send(page, "/rnnmuse/transport/play")
    assert came(page)[0][:3] == ["/rnnmuse/error", "/rnnmuse/transport/play", "away"]
    bench.connect()
    bench.say("/rnnmuse/subscribed", LEASE)
    assert came(page) == [["live", 1], ["state", {}]]
    assert bench.sent == [*ALIVE, *SUBSCRIBE, *SUBSCRIBE]


@pytest.mark.parametrize("text", ["夜 moon\n", "שלום עולם", "مرحبا", "e\u0301🎵", "</script>\u2028", ""])
def test_text_of_any_script_arrives_as_it_was_sent(bench, text):
    page = bench.join()
    bench.say("/rnnmuse/out/text/3", 1, 0, text, 0)
    assert came(page) == [["/rnnmuse/out/text/3", 1, 0, text, 0]]


def test_text_goes_to_the_stage_as_it_was_typed(bench):
    page = bench.join()
    bench.send(page, "/rnnmuse/text/1/prompt", "שלום 夜 🎵")
    bench.relay.take(page, '["/rnnmuse/text/1/prompt", "half \\ud83c"]')  # a lone surrogate, which is no UTF-8
    assert bench.commands == [
        ("/rnnmuse/text/1/prompt", "שלום 夜 🎵"),
        ("/rnnmuse/text/1/prompt", "half ?"),
    ]


def test_messages_are_sent_in_the_tables_types(bench):
    page = bench.join()
    bench.send(page, "/rnnmuse/transport/tempo", 96)
    bench.send(page, "/rnnmuse/player/2/param/low", 40.0)
    bench.send(page, "/rnnmuse/player/1/mode", "free")
    bench.send(page, "/rnnmuse/player/1/latent", 0.5, -1)
    bench.send(page, "/rnnmuse/player/1/mode")
    assert bench.commands == [
        ("/rnnmuse/transport/tempo", 96.0),
        ("/rnnmuse/player/2/param/low", 40),
        ("/rnnmuse/player/1/mode", "free"),
        ("/rnnmuse/player/1/latent", 0.5, -1),
        ("/rnnmuse/player/1/mode",),
    ]


WRONG = {
    "": "message",
    "play": "message",
    "{}": "message",
    "[]": "message",
    "[1]": "message",
    "[" * 4000: "message",
    '["' + "x" * MOST_CHARACTERS + '"]': "message",
    '["/rnnmuse/transport/tempo", 1' + "0" * 400 + "]": "type",
    '["/rnnmuse/transport/tempo", NaN]': "type",
    '["/rnnmuse/transport/tempo", Infinity]': "type",
    '["/rnnmuse/transport/tempo", null]': "type",
    '["/rnnmuse/player/1/latent", [1]]': "type",
    '["/rnnmuse/player/1/latent", 3000000000]': "type",
    '["/rnnmuse/transport/tempo", "fast"]': "type",
    '["/rnnmuse/transport/tempo", 5]': "range",
    '["/rnnmuse/player/1/mode", "solo"]': "range",
    '["/rnnmuse/transport/play", 1, 2]': "count",
    '["/rnnmuse/text/1/generate"]': "count",
    '["/rnnmuse/player/17/start"]': "address",
    '["/rnnmuse/player/*/start"]': "address",
    '["/etc/passwd"]': "address",
    '["/rnnmuse/out/1/note", 60, 90, 1, 0]': "access",
    '["/rnnmuse/unsubscribe"]': "access",
    '["/rnnmuse/subscribe", 10, 0, 9999]': "access",
    '["/rnnmuse/reply_to", 9999]': "access",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_the_stage_would_not_take_is_answered_with_one_error_and_sent_nowhere(bench, text):
    page, other = bench.join(), bench.join()
    bench.relay.take(page, text)
    ((address, _, code, said),) = came(page)
    assert (address, code) == ("/rnnmuse/error", WRONG[text])
    assert "\n" not in said
    assert len(said) < 400
    assert not bench.commands
    bench.say("/rnnmuse/beat", 1, 120.0)
    assert came(other) == [["/rnnmuse/beat", 1, 120.0]], "the others are not told"


def test_every_page_shows_what_the_stage_says_also_the_one_that_set_it(bench):
    page, other = bench.join(), bench.join()
    bench.send(page, "/rnnmuse/player/1/param/density", 6)
    assert came(other) == came(page) == []
    bench.say("/rnnmuse/player/1/param/density", 6.0)
    assert came(other) == came(page) == [["/rnnmuse/player/1/param/density", 6.0]]


def test_of_pictures_only_the_newest_waits(bench):
    page = bench.join()
    for number in range(1, 1000):
        bench.say("/rnnmuse/cover/frame", number, b"jpeg %d" % number)
    assert came(page) == [b"jpeg 999"]
    assert not page.slow.is_set()


def test_pictures_end_with_the_last_page_if_a_page_asked_for_them(bench):
    first, second = bench.join(), bench.join()
    bench.send(first, "/rnnmuse/cover/stream", 8)
    bench.relay.leave(first)
    assert bench.commands[-1] == ("/rnnmuse/cover/stream", 8.0)
    bench.relay.leave(second)
    assert bench.commands[-1] == ("/rnnmuse/cover/stream", 0.0)
    count = len(bench.commands)
    bench.relay.leave(bench.join())  # one that did not
    assert len(bench.commands) == count


def test_closed_it_leaves_the_stage_as_without_it(bench):
    bench.send(bench.join(), "/rnnmuse/cover/stream", 4)
    bench.relay.close()
    assert bench.sent[-3:] == [("/rnnmuse/cover/stream", 0.0), *UNSUBSCRIBE]


def test_a_page_that_does_not_read_is_let_go_and_holds_no_more_than_so_much(bench):
    page, reader = bench.join(), bench.join()
    for number in range(WAITING + 100):
        bench.say("/rnnmuse/beat", number, 120.0)
        came(reader)
    assert page.slow.is_set()
    assert not reader.slow.is_set()
    assert [beat for _, beat, _ in came(page)] == list(range(WAITING))


def test_damaged_packets_are_passed_over(bench):
    page = bench.join()
    for packet in (b"", b"abc", b"/a\0", b"#bundle\0" + b"\0" * 3, bytes(9000), b"/rnnmuse/beat\0\0\0,i\0\0"):
        bench.relay.packet(packet)
    bench.say("/rnnmuse/cover/frame", 1)
    assert came(page) == [["/rnnmuse/cover/frame", 1]]
    bench.say("/rnnmuse/models", b"blob")
    assert came(page) == [["/rnnmuse/models", "b'blob'"]]
    bench.relay.packet(osc.bundle(osc.NOW, [osc.build("/rnnmuse/beat", (n, 90.0)) for n in (1, 2)]))
    assert came(page) == [["/rnnmuse/beat", 1, 90.0], ["/rnnmuse/beat", 2, 90.0]]


def test_a_flood_of_values_is_the_last_of_each_address_and_commands_keep_their_order(bench):
    page = bench.join()
    density = "/rnnmuse/player/1/param/density"
    for number in range(400):
        bench.send(page, density, number % 24)
        bench.send(page, "/rnnmuse/transport/tempo", 60.0 + number)
    assert bench.commands == [(density, 0.0)], "the first goes at once"
    assert bench.relay.holds.is_set()
    bench.time += PACE
    bench.relay.pace()
    assert bench.commands[1:] == [(density, 399 % 24), ("/rnnmuse/transport/tempo", 459.0)]
    assert not bench.relay.holds.is_set()
    bench.send(page, density, 3.0)
    bench.send(page, "/rnnmuse/player/1/start")
    bench.send(page, density, 4.0)
    assert bench.commands[3:] == [(density, 3.0), ("/rnnmuse/player/1/start",)], "what was set before holds by then"
    bench.relay.lost()
    bench.connect()
    bench.time += PACE
    bench.relay.pace()
    assert (density, 4.0) not in bench.commands, "another stage is not set up by what one held"


def test_panic_waits_for_no_portion(bench):
    urgent, page = [], bench.join()
    bench.relay.connected(bench.take, lambda packet: urgent.append(osc.parse(packet)[0].address))
    for number in range(100):
        bench.send(page, f"/rnnmuse/player/{1 + number % 16}/param/density", number % 24)
    bench.send(page, "/rnnmuse/player/1/started", 1)
    bench.send(page, "/rnnmuse/transport/panic")
    assert urgent == ["/rnnmuse/transport/panic"]
    assert bench.commands[-2:] == [("/rnnmuse/player/1/started", 1), ("/rnnmuse/transport/panic",)], "it is not undone"
    bench.relay.pass_on(osc.build("/rnnmuse/transport/stop", ()))
    later = osc.bundle(osc.NOW + (1 << 32), [osc.build("/rnnmuse/transport/stop", ())])
    bench.relay.pass_on(later)
    assert urgent[1:] == ["/rnnmuse/transport/stop"], "what is due later is not"


def test_a_page_may_get_what_comes_within_a_frame_together():
    async def talk():
        page = Page(frame=60.0)
        page.put('["live",1]')
        assert json.loads(await page.take()) == [["live", 1]], "the first goes at once"
        page.put('["/rnnmuse/beat",1]')
        page.set("/rnnmuse/transport/tempo", '["/rnnmuse/transport/tempo",90]')
        page.set("/rnnmuse/transport/tempo", '["/rnnmuse/transport/tempo",91]')
        page._frame = 0.001
        assert json.loads(await page.take()) == [["/rnnmuse/transport/tempo", 91], ["/rnnmuse/beat", 1]]
        page.show(b"picture")
        assert await page.take() == b"picture"

    asyncio.run(talk())
