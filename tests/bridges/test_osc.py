import fnmatch
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from rnnmuse.bridges.osc import NOW, Message, build, bundle, is_pattern, match, parse, seconds_of, tag_of
from rnnmuse.protocol import ProtocolError, addresses

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
FLOATS = st.floats(width=32, allow_nan=False)
VALUES = st.one_of(st.integers(-(2**31), 2**31 - 1), FLOATS, TEXT, st.binary(min_size=1, max_size=20))


@given(st.lists(VALUES, max_size=6))
def test_what_is_built_is_read(values):
    assert parse(build("/a/b", values)) == [Message("/a/b", tuple(values))]
    builder = OscMessageBuilder("/a/b")
    for value in values:
        builder.add_arg(value, {int: "i", float: "f", str: "s", bytes: "b"}[type(value)])
    assert build("/a/b", values) == builder.build().dgram


@given(st.lists(VALUES, max_size=4), st.integers(0, 2**64 - 1))
def test_a_bundle_carries_its_time_tag(values, tag):
    inner = bundle(7, [build("/c", [1])])
    packet = bundle(tag, [build("/a", values), inner])
    assert parse(packet) == [Message("/a", tuple(values), tag), Message("/c", (1,), 7)]


def test_python_oscs_own_packets_are_read():
    builder = OscMessageBuilder("/x")
    for value in (True, False, 2.5, "é", 3):
        builder.add_arg(value)
    assert parse(builder.build().dgram) == [Message("/x", (True, False, 2.5, "é", 3))]
    bundled = OscBundleBuilder(1_700_000_000.5)
    bundled.add_content(builder.build())
    (message,) = parse(bundled.build().dgram)
    assert seconds_of(message.tag) == pytest.approx(1_700_000_000.5, abs=1e-5)
    assert seconds_of(tag_of(1.25)) == 1.25


def nested(depth: int) -> bytes:
    packet = build("/a", [])
    for _ in range(depth):
        packet = bundle(NOW, [packet])
    return packet


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"abc",
        b"abcd",
        b"/" + bytes(9000),
        b"#bundle\0",
        b"#bundle\0" + bytes(8) + struct.pack(">i", -4) + b"/a\0\0",
        b"#bundle\0" + bytes(8) + struct.pack(">i", 0),
        b"#bundle\0" + bytes(8) + struct.pack(">i", 400) + b"/a\0\0",
        nested(9),
        nested(400),
        b"/a\0\0,i\0\0",
        b"/a\0\0,s\0\0\xff\xfe\xfd\0",
        b"/\xff\xff\0,\0\0\0",
        bundle(NOW, [build("/a", [])] * 300),
    ],
)
def test_attacks_are_refused_at_once(packet):
    began = time.process_time()
    with pytest.raises(ProtocolError) as caught:
        parse(packet)
    assert "\n" not in str(caught.value)
    assert time.process_time() - began < 0.5


def test_eight_bundles_deep_is_allowed():
    assert parse(nested(8)) == [Message("/a", ())]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    for packet in (data, b"/" + data, b"#bundle\0" + data):
        try:
            parse(packet)
        except ProtocolError:
            continue


NAMES = st.text("abc12", min_size=1, max_size=6)


@given(st.lists(st.sampled_from(["a", "b", "1", "?", "*", "[ab]", "[!a]", "[a-c]"]), max_size=7), NAMES)
def test_patterns_match_as_the_shell_does(signs, name):
    pattern = "".join(signs)
    assert (match("/" + pattern, ["/" + name]) != []) == fnmatch.fnmatchcase(name, pattern)


def test_alternatives_and_slashes():
    known = list(addresses())
    assert match("/rnnmuse/transport/{play,stop}", known) == ["/rnnmuse/transport/play", "/rnnmuse/transport/stop"]
    assert match("/rnnmuse/player/[1-3]/start", known) == [f"/rnnmuse/player/{p}/start" for p in (1, 2, 3)]
    assert len(match("/rnnmuse/player/*/start", known)) == 16
    assert match("/*", known) == []
    assert is_pattern("/a/*")
    assert not is_pattern("/a/b")


@pytest.mark.parametrize("pattern", ["/rnnmuse/[a", "/{a", "/" + "*" * 1000])
def test_bad_patterns_are_refused(pattern):
    with pytest.raises(ProtocolError, match="pattern"):
        match(pattern, addresses())


def test_a_hard_pattern_takes_no_time():
    began = time.process_time()
    match("/" + "*a" * 120, ["/" + "a" * 400] * 50)
    assert time.process_time() - began < 2
