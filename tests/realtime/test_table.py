"""The table at work: every row has its handler, and whatever is wrong is answered and changes nothing."""

from dataclasses import replace

import pytest

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_server import Client
from rnnmuse.protocol import TABLE, addresses
from rnnmuse.realtime.control import table
from rnnmuse.realtime.control.table import FARTHEST, MOST_OF_ONE, MOST_TIMED, Control
from rnnmuse.realtime.stage import Settings, Stage
from rnnmuse.testing import StageClient


@pytest.fixture
def stage():
    made = StageClient(Settings(port=0, engine=False), subscribe=False)
    yield made
    made.close()


def test_every_row_has_its_handler_and_every_setter_its_getter(stage):
    control = stage.stage.control
    for row in TABLE:
        if row.access == "r":
            assert not row.handler
            continue
        assert callable(control.setters[row.handler]), row.address
        assert (row.handler in control.getters) == (row.access == "rw"), row.address
        noun, name = row.handler.split(".")
        assert control.setters[row.handler].__func__.__name__ == name
        assert control.setters[row.handler].__module__ == f"rnnmuse.realtime.control.{noun}"


@pytest.mark.parametrize("handler", ["transport.fly", "weather.tempo"])
def test_a_row_without_a_handler_is_no_stage(monkeypatch, handler):
    row = next(row for row in TABLE if row.handler == "transport.tempo")
    monkeypatch.setattr(table, "TABLE", (replace(row, handler=handler),))
    with pytest.raises(AttributeError, match=f"{row.address}: no handler {handler}"):
        Stage(Settings(engine=False, osc=False))


def test_a_setter_without_its_getter_is_no_stage(monkeypatch):
    row = next(row for row in TABLE if row.handler == "transport.play")
    monkeypatch.setattr(table, "TABLE", (replace(row, access="rw"),))
    with pytest.raises(AttributeError, match=r"no handler transport\.get_play"):
        Stage(Settings(engine=False, osc=False))


def test_every_getter_answers_at_its_address(stage):
    for address, entry in addresses().items():
        if entry.row.access == "rw" and "/player/3/" not in address:
            answer = stage.ask(address)
            if not entry.row.free and "/latent" not in address:  # without a phrase model there is no point to tell
                taken = entry.row.check(address, answer)
                assert len(taken) >= 1, address
    assert not stage.errors()


def test_every_address_takes_what_its_row_allows_or_says_why(stage):
    """The lowest, highest and one impossible value of each argument; nothing is an internal error."""
    for address, entry in addresses().items():
        row = entry.row
        if row.access == "r" or ("/player/" in address and "/player/2/" not in address):
            continue
        if "/cover/" in address or "/preset/recall" in address:
            continue
        edges = [[_edge(argument, low) for argument in row.arguments] for low in (True, False)]
        for values in edges:
            stage.send(address, *values)
        stage.send(address, *[b"\0"] * max(1, len(row.arguments)))
        stage.settle()
    codes = {code for _, code, _ in stage.errors()}
    assert "internal" not in codes, [error for error in stage.errors() if error[1] == "internal"]
    assert "type" in codes


def _edge(argument, low):
    if argument.kind == "s":
        return argument.choices[0 if low else -1] if argument.choices else ""
    return argument.low if low else argument.high


@pytest.mark.parametrize(
    ("address", "values", "code"),
    [
        ("/rnnmuse/transport/tempo", (1e9,), "range"),
        ("/rnnmuse/transport/tempo", (float("nan"),), "range"),
        ("/rnnmuse/transport/tempo", ("fast",), "type"),
        ("/rnnmuse/transport/metre", (4, 5), "range"),
        ("/rnnmuse/transport/metre", (0, 4), "range"),
        ("/rnnmuse/nothing", (), "address"),
        ("/rnnmuse/player/17/start", (), "address"),
        ("/rnnmuse/player/1/note", (60,), "count"),
        ("/rnnmuse/out/1/note", (60, 1, 1.0, 1.0), "access"),
        ("/rnnmuse/player/1/hears", ("ch17",), "range"),
        ("/rnnmuse/player/1/param/key", ("H moll",), "value"),
        ("/rnnmuse/preset/recall", (99,), "range"),
        ("/rnnmuse/rig/save", (), "rig"),
        ("/rnnmuse/midi/learn", ("/rnnmuse/nothing",), "address"),
        ("/rnnmuse/midi/learn", ("/rnnmuse/player/1/mode",), "address"),
        ("/rnnmuse/describe", ("/rnnmuse/nothing",), "address"),
        ("/rnnmuse/player/1/latent", ("a",), "type"),
        ("/rnnmuse/player/1/latent", (0.0,) * 1100, "count"),
        ("/rnnmuse/player/1/latent/average", (0,), "range"),
        ("/dirt/play", ("orbit", 99, "note", 4), "range"),
        ("/" + "*" * 1000, (), "pattern"),
    ],
)
def test_a_mistake_is_answered_and_changes_nothing(stage, address, values, code):
    stage.send(address, *values)
    ((_, found, text),) = stage.errors()
    assert found == code
    assert text
    assert "\n" not in text
    assert stage.ask("/rnnmuse/transport/tempo") == (120.0,)
    assert stage.ask("/rnnmuse/transport/metre") == (4, 4)


def test_a_handler_that_fails_is_an_error_and_the_next_message_is_taken(stage):
    stage.stage.control.setters["transport.swing"] = lambda *values: 1 / 0
    stage.send("/rnnmuse/transport/swing", 0.6)
    assert stage.errors() == [("/rnnmuse/transport/swing", "internal", "/rnnmuse/transport/swing: ZeroDivisionError")]
    stage.send("/rnnmuse/transport/tempo", 90)
    assert stage.ask("/rnnmuse/transport/tempo") == (90.0,)


def test_a_pattern_addresses_several_and_says_which_mistake_is_whose(stage):
    stage.send("/rnnmuse/player/[1-3]/param/temperature", 0.5)
    assert [stage.ask(f"/rnnmuse/player/{p}/param/temperature")[0] for p in (1, 2, 3, 4)] == [0.5, 0.5, 0.5, 1.0]
    stage.send("/rnnmuse/player/{1,2}/param/low", 200)
    assert [address for address, _, _ in stage.errors()] == [f"/rnnmuse/player/{p}/param/low" for p in (1, 2)]


def test_a_norm_is_the_parameter_from_0_to_1(stage):
    stage.send("/rnnmuse/player/4/norm/low", 0.5)
    assert stage.ask("/rnnmuse/player/4/param/low") == (64,)
    assert stage.ask("/rnnmuse/player/4/norm/low")[0] == pytest.approx(64 / 127)


def test_a_button_that_is_let_go_does_nothing(stage):
    stage.send("/rnnmuse/transport/play", 1.0)
    stage.run(0.5)
    stage.send("/rnnmuse/transport/stop", 0)
    stage.send("/rnnmuse/transport/stop", False)
    assert stage.stage.clock.running
    stage.send("/rnnmuse/transport/stop", True)
    assert not stage.stage.clock.running


def test_only_so_many_messages_wait_for_a_time_and_none_for_next_year(stage):
    stage.send("/rnnmuse/transport/tempo", 50, due=FARTHEST + 1)
    assert [code for _, code, _ in stage.errors()] == ["time"]
    for number in range(MOST_OF_ONE + 3):
        stage.send("/rnnmuse/ping", number, due=1.0)
    assert [code for _, code, _ in stage.errors()] == ["time", "limit", "limit", "limit"]
    for port in range(50_001, 50_004):  # nor do they shut the messages of another sender out
        for number in range(MOST_OF_ONE // 2):
            stage.send("/rnnmuse/ping", number, due=1.0, client=Client("127.0.0.1", port))
    stage.run(1.1)
    assert len(stage.received("/rnnmuse/pong")) == MOST_OF_ONE
    others = [len(stage.received("/rnnmuse/pong", Client("127.0.0.1", port))) for port in range(50_001, 50_004)]
    assert others == [MOST_OF_ONE // 2, MOST_TIMED - MOST_OF_ONE - MOST_OF_ONE // 2, 0]
    assert not stage.stage.control._timed
    assert stage.ask("/rnnmuse/transport/tempo") == (120.0,)


def test_a_time_that_is_over_is_now(stage):
    stage.send("/rnnmuse/ping", 5, due=-10.0)
    assert stage.received("/rnnmuse/pong")[0].arguments == (5,)


def test_a_bundle_in_a_bundle_keeps_its_own_time(stage):
    inner = osc.bundle(osc.tag_of(stage.wall + 1.0), [osc.build("/rnnmuse/ping", [2])])
    stage.send_packet(osc.bundle(osc.tag_of(stage.wall + 0.5), [osc.build("/rnnmuse/ping", [1]), inner]))
    for seconds, count in ((0.49, 0), (0.02, 1), (0.47, 1), (0.04, 2)):
        stage.run(seconds)
        assert len(stage.received("/rnnmuse/pong")) == count


def test_it_says_hello_and_what_it_knows(stage):
    assert stage.ask("/rnnmuse/hello")[0] == "rnnmuse"
    assert stage.ask("/rnnmuse/ping", 7, answer="/rnnmuse/pong") == (7,)
    assert "/rnnmuse/transport/tempo" in stage.ask("/rnnmuse/list", "/rnnmuse/transport")
    assert stage.ask("/rnnmuse/describe", "/rnnmuse/transport/tempo")[1] == "rw"


def test_control_needs_a_noun_for_every_row(stage):
    with pytest.raises(AttributeError, match="no handler"):
        Control({}, stage.stage.scheduler, print, print)
