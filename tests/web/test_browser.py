"""The page in a real browser: with the real rnnmuse live, and with a stage whose words and notes are known."""

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra 'web' is not installed")
pytest.importorskip("websockets", reason="the extra 'web' is not installed")

from browser import PATIENCE, PROGRAM, browser
from PIL import Image, ImageColor
from test_stage import Client, serving
from typer.testing import CliRunner

from rnnmuse.bridges import hosts, osc
from rnnmuse.cli.main import app
from rnnmuse.realtime.stage import Settings, Stage
from rnnmuse.session.messages import MoveLatent

pytestmark = pytest.mark.skipif(not PROGRAM, reason="chromium is not installed")
ROOT = Path(__file__).parents[2]
THERE = "!document.body.classList.contains('away')"
SOUNDING = "Number(document.getElementById('sounding').textContent)"
NAMED = ("button", "slider", "combobox", "textbox", "spinbutton", "radio", "link", "log", "image", "group")


@contextlib.contextmanager
def rnnmuse(*words):
    """A command of rnnmuse as a process; gives it, and the lines that it prints."""
    command = [sys.executable, "-m", "rnnmuse.cli.main", *map(str, words)]
    made = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        yield made, made.stdout
    finally:
        made.terminate()
        made.wait(PATIENCE)
        made.stdout.close()  # which a process that it started may hold


@contextlib.contextmanager
def screen(port):
    """rnnmuse screen for a stage's port; gives the page's address."""
    with rnnmuse("screen", "--http-port", 0, "--osc-port", port) as (_, lines):
        yield re.search(r"http:\S+", lines.readline())[0]


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as made:
        yield made


class NoJobs:
    """In place of the process that would draw the live picture."""

    def send(self, *message):
        pass

    def close(self, patience=0.0):
        pass


@pytest.fixture(scope="module")
def stage():
    """A stage without an engine and without pictures of its own: what it says is up to the test."""
    made = Stage(Settings(port=0, engine=False))
    made.covers._link = NoJobs()
    with serving(made):
        yield made


@pytest.fixture(scope="module")
def address(stage):
    with screen(stage.port) as found:
        yield found


@pytest.fixture
def page(tab, address, stage):
    """The whole page, and the stage at rest."""
    stage.take("/rnnmuse/transport/stop")
    tab.go(address)
    tab.until(THERE)
    yield tab
    assert not tab.mistakes


def until(test):
    """Wait for another process."""
    end = time.monotonic() + PATIENCE
    while not (found := test()):
        assert time.monotonic() < end, "never true"
        time.sleep(0.02)
    return found


def tell(stage, address, *values):
    with stage.lock:
        stage.server.broadcast(osc.build(address, values))


def say(stage, voice, text, job=1, index=0):
    tell(stage, f"/rnnmuse/out/text/{voice}", job, index, text, 0)


def lines(tab, voice):
    return tab.run(f"[...document.querySelectorAll('[aria-label=\"Voice {voice}\"] p')].map((p) => p.textContent)")


def test_the_real_thing_shows_words_and_notes_and_panic_reaches_it(tab, monkeypatch):
    monkeypatch.setattr("test_stage.PATIENCE", PATIENCE)
    with contextlib.ExitStack() as stack:
        live, told = stack.enter_context(rnnmuse("live", "--osc-port", 0, "--no-midi", "--tempo", 150))
        port = int(told.readline().rsplit(":", 1)[1])
        tab.go(stack.enter_context(screen(port)), 1440, 900)
        tab.until(THERE)
        other = Client(port)  # hears the same, by UDP
        other.send("/rnnmuse/subscribe", 600)
        other.ask("/rnnmuse/sync", 1, answer="/rnnmuse/synced")
        tab.until("document.querySelectorAll('#mix input').length === 3")
        tab.until("document.getElementById('models').value === 'lieder'")
        tab.click("button[aria-label='Start of player 1']")
        tab.until(f"{SOUNDING} > 0")
        tab.until("document.querySelector('[aria-label=\"Mode of player 1\"]').value === 'free'")
        tab.click("#voice button")
        heard = ""
        while len(heard) < 40:
            message = other.next()
            heard += message.arguments[2] if message.address == "/rnnmuse/out/text/1" else ""
        words = "document.getElementById('words').innerText.split(/\\s+/).filter(Boolean).join(' ')"
        start = " ".join(heard.split()[:-1])
        tab.until(f"{words}.startsWith({start!r})")
        tab.until("Number(document.getElementById('bar').textContent) > 1")
        if shots := os.environ.get("RNNMUSE_SHOTS"):
            tab.picture(Path(shots) / "screen.png")
        tab.press("Escape")
        tab.until(f"{SOUNDING} === 0")
        other.ask("/rnnmuse/sync", 2, answer="/rnnmuse/synced")
        assert not other.sounding
        before = other.ask("/rnnmuse/stats")[1]
        beat = other.wait("/rnnmuse/beat").arguments[0]
        other.wait("/rnnmuse/beat", lambda m: m.arguments[0] > beat + 3)  # the clock runs on, nobody plays
        assert other.ask("/rnnmuse/stats")[1] == before
        tab.click("button[aria-label='Start of player 1']")
        tab.until(f"{SOUNDING} > 0")
        live.send_signal(signal.SIGKILL)
        tab.until(f"{SOUNDING} === 0 && document.body.classList.contains('away')")
        assert "waiting for rnnmuse live" in tab.run("document.getElementById('waiting').innerText")
        stack.enter_context(rnnmuse("live", "--osc-port", port, "--no-midi", "--mode", "free"))
        tab.until(f"{THERE} && {SOUNDING} > 0")


def test_chunks_join_to_lines_in_any_script_and_are_never_html(page, stage):
    for index, text in enumerate(["Shall I com", "pare ", "thee\n", "<img src=x onerror=alert(1)> &amp;"]):
        say(stage, 1, text, 1, index)
    for index, text in enumerate(["של", "ום, ", "עולם"]):
        say(stage, 2, text, 2, index)
    say(stage, 3, "床前明", 3)
    say(stage, 3, "月光\n", 3)
    say(stage, 3, "e", 4)
    say(stage, 3, "\u0301t\u00e9 🎵", 4)
    page.until("document.querySelectorAll('#words p').length === 5 && document.body.innerText.includes('🎵')")
    assert lines(page, 1) == ["Shall I compare thee", "<img src=x onerror=alert(1)> &amp;"]
    assert lines(page, 2) == ["שלום, עולם"]
    assert lines(page, 3) == ["床前明月光", "e\u0301t\u00e9 🎵"]
    style = "getComputedStyle(document.querySelector('[aria-label=\"Voice {}\"] p'))"
    assert [page.run(f"{style.format(voice)}.direction") for voice in (1, 2, 3)] == ["ltr", "rtl", "ltr"]
    assert len({page.run(f"{style.format(voice)}.color") for voice in (1, 2, 3)}) == 3
    say(stage, 1, "a\n" * 400, 9)
    page.until("document.querySelectorAll('[aria-label=\"Voice 1\"] p').length === 12")
    page.click("#voice button[data-to$='reset']")
    page.until("document.querySelectorAll('#words section').length === 2")


def test_every_note_ends_on_the_page(page, stage):
    stage.take("/rnnmuse/transport/play")
    for pitch in range(40, 90):
        with stage.lock:
            stage.notes.plan_on(1 + pitch % 3, 0, pitch, 90)
    page.until(f"{SOUNDING} === 50")
    with stage.lock:
        stage.notes.end(1)
    page.until(f"{SOUNDING} === {sum(pitch % 3 != 0 for pitch in range(40, 90))}")
    stage.take("/rnnmuse/transport/panic")
    page.until(f"{SOUNDING} === 0")
    assert "Sounding notes: 0" in page.run("document.getElementById('roll').getAttribute('aria-label')")


def test_the_picture_moves_to_each_frame_and_no_further(page, stage):
    pixel = "[...document.getElementById('cover').getContext('2d').getImageData(100, 100, 1, 1).data]"
    for number, colour in enumerate(["#d02010", "#1030c0"], 1):
        held = io.BytesIO()
        Image.new("RGB", (128, 128), colour).save(held, "JPEG")
        tell(stage, "/rnnmuse/cover/frame", number, held.getvalue())
        rgb = ImageColor.getrgb(colour)
        page.until(f"{pixel}.slice(0, 3).every((v, i) => Math.abs(v - {list(rgb)}[i]) < 8)")


def test_the_beat_is_shown_and_space_plays_and_stops(page, stage):
    page.press(" ")
    until(lambda: stage.clock.running)
    page.until("document.querySelectorAll('#beats .on').length === 1")
    stage.take("/rnnmuse/transport/position", 4 * 41 + 1.5)
    page.until("document.getElementById('bar').textContent === '42'")
    page.press(" ")
    until(lambda: not stage.clock.running)
    page.until("document.querySelectorAll('#beats .on').length === 0")


def test_controls_set_and_show_what_the_stage_knows(page, stage):
    value = "document.querySelector('[data-to=\"{}\"]').value"
    page.until(f"{value.format('/rnnmuse/transport/tempo')} === '{float(stage.clock.tempo):g}'")
    stage.take("/rnnmuse/player/2/norm/density", 0.75)
    page.run("document.querySelector('[aria-label=\"Faders for player 2\"]').click()")
    page.until(f"{value.format('/rnnmuse/player/{p}/norm/density')} === '0.75'")
    for control, shown in (("/rnnmuse/player/{p}/norm/velocity", "0.25"), ("/rnnmuse/text/{v}/rate", "4")):
        page.run(f"(e => {{ e.value = {shown}; e.dispatchEvent(new Event('input', {{bubbles: true}})); }})"
                 f"(document.querySelector('[data-to=\"{control}\"]'))")  # fmt: skip
    for control, shown in (("/rnnmuse/player/3/mode", "answer"), ("/rnnmuse/text/{v}/unit", "line")):
        page.run(f"(e => {{ e.value = '{shown}'; e.dispatchEvent(new Event('change', {{bubbles: true}})); }})"
                 f"(document.querySelector('[data-to=\"{control}\"]'))")  # fmt: skip
    until(lambda: stage.control.value("/rnnmuse/player/2/norm/velocity") == pytest.approx(0.25))
    until(lambda: stage.control.value("/rnnmuse/text/1/rate") == 4.0)
    until(lambda: stage.control.value("/rnnmuse/player/3/mode") == "answer")
    until(lambda: stage.control.value("/rnnmuse/text/1/unit") == "line")


def test_the_pad_moves_by_finger_and_by_keys(page, stage, monkeypatch):
    moves = []

    def heard(message):
        if isinstance(message, MoveLatent) and message.act == "xy":
            moves.append((message.player, message.values))

    monkeypatch.setattr(stage.tickets, "send", heard)
    page.click("#pad")
    player, (x, y) = until(lambda: moves and moves[-1])
    assert (player, x, y) == (1, pytest.approx(0.5, abs=0.01), pytest.approx(0.5, abs=0.01))
    for key in ("ArrowRight", "ArrowUp", "ArrowUp"):
        page.press(key)
        page.until("new Promise(requestAnimationFrame)")
    assert until(lambda: moves[-1][1] == (pytest.approx(x + 0.02), pytest.approx(y + 0.04)))
    assert (
        page.run("document.getElementById('pad').getAttribute('aria-valuetext')")
        == f"x {x + 0.02:.2f}, y {y + 0.04:.2f}"
    )


def test_mistakes_are_shown_on_the_page(page, stage):
    page.run("(e => { e.value = 5; e.dispatchEvent(new Event('change', {bubbles: true})); })"
             "(document.querySelector('[type=number]'))")  # fmt: skip
    page.until("document.getElementById('error').textContent.includes('must be 20 to 999')")


@pytest.mark.parametrize("show", ["words", "cover", "roll", "all", "words,roll"])
def test_a_projector_shows_what_was_asked_for_and_no_controls(tab, address, show):
    tab.go(f"{address}?show={show}", 1920, 1080)
    tab.until(THERE)
    parts = {"words", "cover", "roll"} if show == "all" else set(show.split(","))
    seen = {part for part in ("words", "cover", "roll")
            if tab.run(f"getComputedStyle(document.getElementById('{part}')).visibility") == "visible"}  # fmt: skip
    assert seen == parts
    assert tab.run("[...document.querySelectorAll('header, form')].every((e) => !e.offsetHeight)")
    assert not tab.mistakes


def test_every_control_has_a_name_and_nothing_is_fetched_from_elsewhere(page, address):
    nodes = page.do("Accessibility.getFullAXTree")["nodes"]
    roles = [(n["role"]["value"].lower(), n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]]
    named = [(role, name) for role, name in roles if role in NAMED]
    assert len(named) > 30
    assert all(name.strip() for role, name in named), named
    fetched = page.run("performance.getEntriesByType('resource').map((e) => e.name)")
    assert len(fetched) >= 6
    assert all(name.startswith((address, "data:")) for name in fetched), fetched


def test_words_are_read_on_any_picture(page):
    """WCAG's contrast of the 16 colours against the brightest picture there could be, white, as dim as it is shown."""
    ratio = """(() => {
      const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
      const light = (paint) => {
        pen.clearRect(0, 0, 1, 1); pen.fillStyle = paint; pen.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
          .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const style = getComputedStyle(document.documentElement), dim = Number(style.getPropertyValue("--cover"));
      const behind = 255 * dim + 11 * (1 - dim);
      return import("/words.js").then(({ colour }) => Math.min(...[...Array(16).keys()].map(
        (i) => (light(colour(i + 1)) + 0.05) / (light(`rgb(${behind}, ${behind}, ${behind})`) + 0.05))));
    })()"""
    assert page.run(ratio) >= 4.5


@pytest.mark.skipif("RNNMUSE_P5" not in os.environ, reason="RNNMUSE_P5 does not name a p5.min.js (npm pack p5)")
def test_the_p5_sketch_plays_and_shows(tab, tmp_path, stage):
    assert CliRunner().invoke(app, ["bridges", "export", "p5js", str(tmp_path)]).exit_code == 0
    shutil.copy(os.environ["RNNMUSE_P5"], tmp_path / "p5.min.js")
    with rnnmuse("screen", "--http-port", 0, "--osc-port", stage.port, "--page", tmp_path) as (_, told):
        tab.go(re.search(r"http:\S+", told.readline())[0] + "own/")
        tab.until("live && frameCount > 2")
        assert "10 of 10 probes" in hosts.check(hosts.find("p5js"), stage.port)[1]
        tab.press(" ")
        until(lambda: stage.players.look(1).started)
        stage.take("/rnnmuse/transport/play")
        with stage.lock:
            stage.notes.plan_on(2, 0, 64, 90)
        tab.until("sounding.get('2 64') === 90")
        tab.press("Escape")
        tab.until("sounding.size === 0")
        assert not stage.notes.ledger.sounding
        say(stage, 1, "שלום ")
        say(stage, 1, "moon", 1, 1)
        tab.until("lines.get('1') === 'שלום moon'")
        tab.until("drawingContext.getImageData(0, 0, width, height * 0.6).data.some((v, i) => i % 4 === 0 && v > 200)")
        if shots := os.environ.get("RNNMUSE_SHOTS"):
            tab.picture(Path(shots) / "p5.png")
    assert not [text for text in tab.mistakes if "WebSocket" not in text]
