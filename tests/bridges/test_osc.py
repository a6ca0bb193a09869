"""Packets against python-osc, which builds and reads them too, and against bytes of every kind."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from rnnmuse.bridges.osc import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_MESSAGES,
    MAX_PRICE,
    NOW,
    Budget,
    Message,
    build,
    bundle,
    parse,
    seconds_of,
    tag_of,
)
from rnnmuse.protocol import ProtocolError

CASES = Path(__file__).parents[1] / "cases"
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
FLOATS = st.floats(width=32, allow_nan=False)
VALUES = st.one_of(st.integers(-(2**31), 2**31 - 1), FLOATS, TEXT, st.binary(min_size=1, max_size=20))
TYPES = {int: "i", float: "f", str: "s", bytes: "b"}


@given(st.lists(VALUES, max_size=6))
def test_what_is_built_is_read(values):
    assert parse(build("/a/b", values)) == [Message("/a/b", tuple(values))]
    builder = OscMessageBuilder("/a/b")
    for value in values:
        builder.add_arg(value, TYPES[type(value)])
    assert build("/a/b", values) == builder.build().dgram


TYPED = st.one_of(
    st.tuples(st.just("i"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just("h"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("f"), FLOATS),
    st.tuples(st.just("d"), st.floats(allow_nan=False)),
    st.tuples(st.just("s"), TEXT),
    st.tuples(st.just("b"), st.binary(min_size=1, max_size=20)),
    st.tuples(st.just("r"), st.integers(0, 2**32 - 1)),
    st.tuples(st.just("m"), st.tuples(*[st.integers(0, 255)] * 4)),
    st.tuples(st.sampled_from("TFN"), st.none()),
)


@given(st.lists(TYPED, max_size=8))
def test_every_type_is_read_as_python_osc_reads_it(typed):
    builder = OscMessageBuilder("/x")
    for kind, value in typed:
        builder.add_arg(value, kind)
    packet = builder.build().dgram
    assert parse(packet) == [Message("/x", tuple(OscMessage(packet).params))]


def test_arrays_are_lists_and_a_message_may_lack_type_tags():
    assert parse(b"/x\0\0,[ii]f\0\0\0\0\0\1\0\0\0\2" + struct.pack(">f", 0.5)) == [Message("/x", ([1, 2], 0.5))]
    assert parse(b"/x\0\0") == [Message("/x", ())]


@given(st.lists(VALUES, max_size=4), st.integers(0, 2**64 - 1))
def test_a_bundle_carries_its_time_tag(values, tag):
    inner = bundle(7, [build("/c", [1])])
    packet = bundle(tag, [build("/a", values), inner])
    assert parse(packet) == [Message("/a", tuple(values), tag), Message("/c", (1,), 7)]


def test_python_oscs_own_bundles_are_read():
    builder = OscMessageBuilder("/x")
    for value in (True, False, 2.5, "é", 3):
        builder.add_arg(value)
    bundled = OscBundleBuilder(1_700_000_000.5)
    bundled.add_content(builder.build())
    (message,) = parse(bundled.build().dgram)
    assert message.arguments == (True, False, 2.5, "é", 3)
    assert seconds_of(message.tag) == pytest.approx(1_700_000_000.5, abs=1e-5)
    assert seconds_of(tag_of(1.25)) == 1.25


def nested(depth: int) -> bytes:
    packet = build("/a", [])
    for _ in range(depth):
        packet = bundle(NOW, [packet])
    return packet


WRONG = {
    "nothing": (b"", "packet"),
    "not a multiple of four": (b"abc", "packet"),
    "no address": (b"abcd", "packet"),
    "too large": (b"/" + bytes(MAX_BYTES + 3), "size"),
    "no time tag": (b"#bundle\0", "packet"),
    "negative element": (b"#bundle\0" + bytes(8) + struct.pack(">i", -4) + b"/a\0\0", "packet"),
    "empty element": (b"#bundle\0" + bytes(8) + struct.pack(">i", 0), "packet"),
    "element too long": (b"#bundle\0" + bytes(8) + struct.pack(">i", 400) + b"/a\0\0", "packet"),
    "too deep": (nested(MAX_DEPTH + 1), "depth"),
    "much too deep": (nested(400), "depth"),
    "an argument short": (b"/a\0\0,i\0\0", "packet"),
    "no UTF-8": (b"/a\0\0,s\0\0\xff\xfe\xfd\0", "packet"),
    "an address that is no UTF-8": (b"/\xff\xff\0,\0\0\0", "packet"),
    "a string without an end": (b"/a\0\0,s\0\0abcd", "packet"),
    "a blob too long": (b"/a\0\0,b\0\0" + struct.pack(">i", 5) + b"abcd", "packet"),
    "a negative blob": (b"/a\0\0,b\0\0" + struct.pack(">i", -1) + b"abcd", "packet"),
    "no comma": (b"/a\0\0ifs\0", "packet"),
    "an unknown type": (b"/a\0\0,Q\0\0", "type"),
    "an unknown type among others": (b"/a\0\0,hQ\0" + bytes(8), "type"),
    "an array left open": (b"/a\0\0,[[\0", "packet"),
    "too many messages": (bundle(NOW, [build("/a", [])] * (MAX_MESSAGES + 1)), "size"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_error_of_one_line(name, caplog):
    packet, code = WRONG[name]
    with pytest.raises(ProtocolError) as caught:
        parse(packet)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert not caplog.records, "a flood of bad packets must not become a flood of log lines"


def test_the_limits_themselves_are_allowed():
    assert parse(nested(MAX_DEPTH)) == [Message("/a", ())]
    assert len(parse(bundle(NOW, [build("/a", [])] * MAX_MESSAGES))) == MAX_MESSAGES
    assert len(parse(build("/a", ["x" * (MAX_BYTES - 12)]))[0].arguments[0]) == MAX_BYTES - 12


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    for packet in (data, b"/" + data, b"#bundle\0" + data, b"/a\0\0," + data):
        try:
            parse(packet)
        except ProtocolError:
            continue


@given(st.lists(TYPED, max_size=6), st.data())
def test_damaged_packets_are_read_or_refused(typed, data):
    builder = OscMessageBuilder("/rnnmuse/x")
    for kind, value in typed:
        builder.add_arg(value, kind)
    packet = bytearray(bundle(NOW, [builder.build().dgram] * 2))
    for _ in range(data.draw(st.integers(1, 5))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse(bytes(packet[: data.draw(st.integers(0, len(packet)))]))
    except ProtocolError:
        return


def test_a_budget_is_spent_to_the_last_and_then_refuses():
    budget = Budget()
    for _ in range(MAX_PRICE):
        budget.spend()
    assert not budget.over
    with pytest.raises(ProtocolError, match=f"must cost up to {MAX_PRICE}") as caught:
        budget.spend()
    assert caught.value.code == "limit"
    assert budget.over


def test_the_datagram_that_stopped_the_stage_is_read_as_180_patterns():
    messages = parse((CASES / "one_datagram.bin").read_bytes())
    assert {(m.address, m.arguments) for m in messages} == {("/rnnmuse/player/*/latent/1", (0.5,))}
    assert len(messages) == 180
