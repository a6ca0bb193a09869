import math
from pathlib import Path

import pytest

from rnnmuse.protocol import MODES, PARAMETERS, TABLE, ProtocolError, addresses, normal, reference

ROWS = addresses()


def check(address, *values):
    return ROWS[address].row.check(address, values)


def test_addresses_are_unique_and_every_row_is_in_the_reference():
    assert len({row.address for row in TABLE}) == len(TABLE)
    text = reference()
    assert all(f"`{row.address}`" in text for row in TABLE)
    assert all(row.doc and (row.handler or row.access == "r") for row in TABLE)


def test_numbers_of_any_kind_are_taken():
    assert check("/rnnmuse/player/3/note", 60.0, True, 2) == [60, 1, 2.0]
    assert check("/rnnmuse/transport/tempo", 90) == [90.0]
    assert check("/rnnmuse/player/1/note", 60, 90) == [60, 90]


@pytest.mark.parametrize(
    ("address", "values", "code"),
    [
        ("/rnnmuse/transport/tempo", ["fast"], "type"),
        ("/rnnmuse/transport/tempo", [math.nan], "range"),
        ("/rnnmuse/transport/tempo", [math.inf], "range"),
        ("/rnnmuse/transport/tempo", [5], "range"),
        ("/rnnmuse/transport/tempo", [90, 91], "count"),
        ("/rnnmuse/player/1/note", [60], "count"),
        ("/rnnmuse/player/1/note", [60, 128], "range"),
        ("/rnnmuse/player/1/mode", ["sing"], "range"),
        ("/rnnmuse/player/1/mode", [1], "type"),
        ("/rnnmuse/player/1/model", ["x" * 2000], "range"),
        ("/rnnmuse/player/1/note", [b"x", 1], "type"),
    ],
)
def test_what_cannot_be_taken_is_named(address, values, code):
    with pytest.raises(ProtocolError, match=address) as caught:
        check(address, *values)
    assert caught.value.code == code


def test_defaults_are_legal_and_norms_span_the_range():
    for name, (argument, default, _) in PARAMETERS.items():
        assert argument.check(name, default) == default
        if argument.kind != "s":
            assert normal(name, 0) == argument.low
            assert normal(name, 1) == argument.high
    assert "accompany" in MODES


def test_the_page_is_the_table():
    page = Path(__file__).parents[1] / "docs" / "osc.md"
    assert page.read_text("utf-8").endswith(reference()), "write rnnmuse.protocol.reference() into it"
