"""`rnnmuse live --screen` and `--listen`: who is let in, and what is printed."""

import pytest
import segno

from rnnmuse.cli.live import Screen, qr_code
from rnnmuse.web.gate import private


def test_for_this_machine_alone_there_is_no_token_and_the_browser_opens_once(monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("threading.Thread.start", lambda thread: thread.run())
    screen = Screen()
    assert screen.lines(7808) == ["Screen http://127.0.0.1:7808/"]
    screen.lines(7808)  # the web process was started again
    assert opened == ["http://127.0.0.1:7808/"]


def test_for_others_there_is_a_token_in_the_address_and_its_qr_code():
    screen = Screen("192.168.1.7", browser=False)
    assert screen.allow == private()
    address, warning, code = screen.lines(8080)
    assert address == f"Screen http://192.168.1.7:8080/?token={screen.token}"
    assert "can play" in warning
    assert len(screen.token) >= 12
    assert screen.token != Screen("192.168.1.7", browser=False).token
    assert code == qr_code(address.split()[1])


def test_the_code_in_the_terminal_is_the_matrix_of_the_address():
    """Half blocks, dark on light: the oracle is the matrix itself."""
    text = "http://192.168.1.7:8080/?token=abc"
    matrix = [[0, 0, *row, 0, 0] for row in segno.make(text, error="l").matrix]
    blank = [0] * len(matrix[0])
    rows = [blank, blank, *matrix, blank, blank]
    halves = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    shown = [[halves[sign] for sign in line] for line in qr_code(text).splitlines()]
    for number, line in enumerate(shown):
        assert [above for above, _ in line] == [int(bool(one)) for one in rows[2 * number]]
        if 2 * number + 1 < len(rows):
            assert [below for _, below in line] == [int(bool(one)) for one in rows[2 * number + 1]]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Screen("myhost"), "listen: 'myhost'; must be an IP address"),
        (lambda: Screen(port=70_000), "http-port: 70000; must be 0 to 65535"),
        (lambda: Screen("0.0.0.0", allow=("house",)), "allow: 'house'; must be an IP address or a network"),
    ],
)
def test_mistakes_are_named(make, said):
    with pytest.raises(ValueError, match=said):
        make()
