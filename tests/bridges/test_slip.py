"""SLIP against the frames of RFC 1055 and against itself, however the stream is cut."""

from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.bridges.slip import Decoder, encode

PACKETS = st.lists(st.binary(min_size=1, max_size=60), max_size=6)


def test_the_escapes_are_those_of_the_rfc():
    assert encode(b"a\xc0b\xdbc") == b"\xc0a\xdb\xdcb\xdb\xddc\xc0"


@given(PACKETS, st.integers(1, 7))
def test_packets_come_back_however_they_are_cut(packets, size):
    stream = b"".join(map(encode, packets))
    decoder = Decoder()
    out = [p for at in range(0, len(stream), size) for p in decoder.feed(stream[at : at + size])]
    assert out == packets


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_in_bounded_memory(data):
    decoder = Decoder(limit=50)
    assert all(0 < len(packet) <= 51 for packet in decoder.feed(data + b"\xc0"))
