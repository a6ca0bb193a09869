"""Walks through the page in a real browser with the real rnnmuse: by keyboard, by few clicks, and through floods."""

import base64
import contextlib
import json
import os
import socket
import urllib.request
from collections import deque

import pytest

pytest.importorskip("starlette", reason="the extra 'web' is not installed")

from browser import PATIENCE, PROGRAM, browser
from programs import in_full
from test_browser import SHOWN, THERE, rnnmuse
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from rnnmuse.music.midi import read_midi

pytestmark = pytest.mark.skipif(not PROGRAM, reason="chromium is not installed")


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as made:
        yield made


@contextlib.contextmanager
def live(*words):
    """rnnmuse live with its screen; gives the page's address."""
    with rnnmuse("live", "--osc-port", 0, "--no-midi", "--no-browser", "--screen", *words) as (_, told):
        yield next(line for line in told if line.startswith("Screen")).split()[1]


@in_full
def test_a_newcomer_has_sixteen_bars_of_a_band_as_a_file_after_four_clicks(tab):
    clicks = 0

    def click(selector):
        nonlocal clicks
        clicks += 1
        tab.click(selector)

    with live("--tempo", 400) as page:
        tab.go(page)
        tab.until(THERE)
        tab.until("document.querySelectorAll('select[data-offers=model] option').length > 3")
        click("[data-to='/rnnmuse/transport/play']")  # a band takes the tempo of a clock that runs
        click("#record")
        tab.until("document.getElementById('record').getAttribute('aria-pressed') === 'true'")
        click("#band")
        bar = "Number(document.getElementById('place').textContent.split('.')[0])"
        begun = tab.run(bar)
        tab.until(f"{bar} > {begun + 18}")
        click("#last")
        assert clicks <= 6
        address = tab.run("document.getElementById('last').href")
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            piece = read_midi(answer.read())
        assert 56 <= piece.end <= 66
        assert len([part for part in piece.parts if part.notes]) >= 3
        assert any(part.drum for part in piece.parts)
        assert len({note.start // 4 for note in piece.notes}) >= 8, "at 400 bpm a loaded machine leaves bars out"
        with urllib.request.urlopen(page + "session.mid", timeout=PATIENCE) as answer:
            assert len(read_midi(answer.read()).notes) >= len(piece.notes) * 0.9
    assert not tab.mistakes


def focused(tab):
    return tab.run("((e) => `${e.id} ${e.dataset.to} ${e.textContent.trim()}`)(document.activeElement)")


def tab_to(tab, wanted):
    for _ in range(80):
        press(tab, "Tab", 9)
        if wanted in focused(tab):
            return
    raise AssertionError(f"{wanted} is not reached; at {focused(tab)}")


def press(tab, key, code=0, text=""):
    more = {"text": text} if text else {}
    for kind in ("keyDown", "keyUp"):
        tab.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)


@in_full
def test_by_keyboard_alone_from_opening_to_a_band_in_d_minor_with_a_chart(tab):
    with live() as page:
        tab.go(page)
        tab.until(THERE)
        tab.until("document.querySelectorAll('select[data-offers=model] option').length > 3")
        tab_to(tab, "band")
        seen = tab.run("getComputedStyle(document.activeElement).outlineStyle")
        assert seen == "solid", "the focus is seen"
        press(tab, "Enter", 13, "\r")
        tab_to(tab, "/rnnmuse/harmony/key" if tab.run(f"!!{SHOWN.format('/rnnmuse/harmony/key')}") else "param/key")
        key = "document.querySelector('#view select').value"
        press(tab, "Home", 36)
        tab.until(f"{key} === ''")
        for _ in range(24):
            press(tab, "ArrowDown", 40)
            if tab.run(key) == "D minor":
                break
        assert tab.run(key) == "D minor"
        press(tab, "Tab", 9)
        for letter in "Dm | Gm | A7 | Dm":
            press(tab, letter, ord(letter.upper()), letter)
        press(tab, "Enter", 13, "\r")
        tab.until("document.querySelectorAll('.chart li').length === 4")
        tab.until("document.querySelectorAll('.chart .now').length === 1")
        tab.until("document.querySelectorAll('.chart .coming').length === 1")
        tab.until("document.querySelectorAll('.strip').length >= 3")
        press(tab, "Escape", 27)
        tab.until(f"{SHOWN.format('/rnnmuse/player/1/started')}.getAttribute('aria-pressed') === 'false'")
    assert not tab.mistakes


def test_a_phone_needs_the_token_and_floods_of_sockets_and_bytes_are_refused(tab):
    with live("--listen", "0.0.0.0") as page:
        assert "?token=" in page
        host = page.split("/")[2]
        bare = page.split("?", maxsplit=1)[0]
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(bare, timeout=PATIENCE)
        tab.go(page)
        tab.until(THERE)
        assert "token" not in tab.run("location.href"), "it is not shown on a projector"
        with urllib.request.urlopen(page, timeout=PATIENCE) as answer:
            cookie = answer.headers["set-cookie"].split(";")[0]
        for headers, origin in (({}, f"http://{host}"), ({"Cookie": cookie}, "http://evil.example")):
            with pytest.raises(Exception, match="403"):
                connect(f"ws://{host}/socket", origin=origin, additional_headers=headers, open_timeout=PATIENCE)

        def join():
            return connect(f"ws://{host}/socket", origin=f"http://{host}", additional_headers={"Cookie": cookie},
                           compression=None, max_size=None, open_timeout=PATIENCE)  # fmt: skip

        with contextlib.ExitStack() as stack:
            opened = 0
            for _ in range(60):
                with contextlib.suppress(Exception):
                    stack.enter_context(join())
                    opened += 1
            assert 20 <= opened < 32, "and the rest is refused"
            assert tab.run(THERE)
        with join() as web:
            with contextlib.suppress(ConnectionClosed):
                web.send("x" * (20 << 20))
            with pytest.raises(ConnectionClosed):
                deque(web)  # all that comes until it is closed
        tab.click("#band")
        tab.until(f"{SHOWN.format('/rnnmuse/player/1/started')}.getAttribute('aria-pressed') === 'true'")
    assert not tab.mistakes


@in_full
def test_panic_comes_through_a_flood_of_the_page(tab):
    with live() as page:
        tab.go(page)
        tab.until(THERE)
        tab.until("document.querySelectorAll('select[data-offers=model] option').length > 3")
        tab.click("#band")
        tab.until(f"{SHOWN.format('/rnnmuse/player/1/started')}.getAttribute('aria-pressed') === 'true'")
        host = page.split("/")[2]
        with connect(f"ws://{host}/socket", origin=f"http://{host}", compression=None, max_size=None) as web:
            for number in range(2000):
                web.send(json.dumps(["/rnnmuse/player/1/param/density", number % 24]))
            tab.press("Escape")
            tab.until(f"{SHOWN.format('/rnnmuse/player/1/started')}.getAttribute('aria-pressed') === 'false'")
        tab.until("import('/notes.js').then(({ sounding }) => sounding() === 0)")


def test_a_name_that_was_made_to_point_here_gets_nothing():
    with live() as page, socket.create_connection(("127.0.0.1", int(page.split(":")[2].strip("/")))) as web:
        key = base64.b64encode(os.urandom(16)).decode()
        web.sendall(f"GET /socket HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n"
                    f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    f"Sec-WebSocket-Key: {key}\r\n\r\n"
                    .encode())  # fmt: skip
        assert web.recv(12) == b"HTTP/1.1 403"
