"""The page in a real browser: with the real rnnmuse live, and with a stage whose words and notes are known."""

import base64
import contextlib
import io
import json
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
from fake_stage import lasting_port
from PIL import Image, ImageColor
from test_midi import System
from test_stage import Client, serving
from typer.testing import CliRunner

from rnnmuse.bridges import hosts, osc
from rnnmuse.cli.main import app
from rnnmuse.realtime.rig import open_ports
from rnnmuse.realtime.stage import Settings, Stage

pytestmark = pytest.mark.skipif(not PROGRAM, reason="chromium is not installed")
ROOT = Path(__file__).parents[2]
THERE = "!document.body.classList.contains('away') && document.body.dataset.whole === '1'"
SOUNDING = "Number(document.getElementById('roll').getAttribute('aria-label').split(': ')[1])"
SHOWN = "document.querySelector('[data-to=\"{}\"]')"
VIEWS = ("play", "pad", "words", "cover", "setup", "monitor")
NAMED = ("button", "slider", "combobox", "textbox", "spinbutton", "radio", "link", "log", "image")


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


class Ports(System):
    """The MIDI ports of a machine: those that the test plugs in."""

    def wait(self, seconds):
        time.sleep(min(seconds, 0.05))
        return False


@pytest.fixture(scope="module")
def ports():
    return Ports()


@pytest.fixture(scope="module")
def stage(ports):
    """A stage without an engine and without pictures of its own: what it says is up to the test."""
    made = Stage(Settings(port=0, engine=False))
    made.covers._link = NoJobs()
    open_ports(made, ports)
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
    for player in range(1, 17):
        stage.take(f"/rnnmuse/player/{player}/mute", 0)
        stage.take(f"/rnnmuse/player/{player}/solo", 0)
        stage.take(f"/rnnmuse/player/{player}/target", "")
    tab.go(address)
    tab.until(THERE)
    settled(tab)
    yield tab
    assert not tab.mistakes


FENCE = """import("/stage.js").then(({ hear, command }) => new Promise((done) => {
  const number = globalThis.fence = (globalThis.fence ?? 1000) + 1;
  const ends = hear((address, [one], sent) => {
    if (sent || address !== "/rnnmuse/synced" || one !== number) return;
    ends();
    done(true);
  });
  command("/rnnmuse/sync", number);
}))"""


def settled(tab):
    """Wait until the stage has handled what the page has sent, and the page has what the stage told until then."""
    assert tab.run(FENCE)


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


def test_the_real_thing_plays_shows_what_comes_and_panic_reaches_it(tab, monkeypatch):
    monkeypatch.setattr("test_stage.PATIENCE", PATIENCE)
    with contextlib.ExitStack() as stack:
        words = ("live", "--osc-port", 0, "--no-midi", "--tempo", 150, "--screen", "--no-browser")
        _, told = stack.enter_context(rnnmuse(*words))
        port = int(told.readline().rsplit(":", 1)[1])
        page = next(line for line in told if line.startswith("Screen")).split()[1]
        tab.go(page, 1440, 900)
        tab.until(THERE)
        other = Client(port)  # hears the same, by UDP
        other.send("/rnnmuse/subscribe", 600)
        other.ask("/rnnmuse/sync", 1, answer="/rnnmuse/synced")
        tab.until("document.querySelectorAll('select[data-offers=model] option').length > 3")
        tab.click("#band")
        tab.until(f"{SOUNDING} > 0")
        other.wait("/rnnmuse/out/1/note")
        tab.until(f"{SHOWN.format('/rnnmuse/player/2/mode')}.value !== 'off'")
        tab.until("import('/notes.js').then(({ coming }) => [...coming()].length > 0)")
        if shots := os.environ.get("RNNMUSE_SHOTS"):
            tab.until("document.getElementById('place').textContent.startsWith('3')")
            tab.picture(Path(shots) / "screen.png")
        tab.press("Escape")
        tab.until(f"{SHOWN.format('/rnnmuse/player/1/started')}.getAttribute('aria-pressed') === 'false'")
        tab.until(f"{SOUNDING} === 0")
        while other.sounding:
            other.next()
        before = other.ask("/rnnmuse/stats")[1]
        beat = other.wait("/rnnmuse/beat").arguments[0]
        other.wait("/rnnmuse/beat", lambda m: m.arguments[0] > beat + 3)  # the clock runs on, nobody plays
        assert other.ask("/rnnmuse/stats")[1] == before
        tab.go(page.rstrip("/") + "/words", 1440, 900)
        tab.until(THERE)
        tab.until("document.querySelectorAll('[data-to$=\"/mix\"]').length >= 3")
        tab.click("#say")
        heard = ""
        while len(heard) < 40:
            message = other.next()
            heard += message.arguments[2] if message.address == "/rnnmuse/out/text/1" else ""
        other.send("/rnnmuse/text/1/stop")  # the page keeps the last lines only
        said = "document.getElementById('words').innerText.split(/\\s+/).filter(Boolean).join(' ')"
        tab.until(f"{said}.startsWith({' '.join(heard.split()[:-1])!r})")


def test_a_stage_that_restarts_finds_its_pages_again(tab):
    with contextlib.ExitStack() as stack:
        port = lasting_port()
        live, told = stack.enter_context(rnnmuse("live", "--osc-port", port, "--no-midi", "--mode", "free"))
        assert int(told.readline().rsplit(":", 1)[1]) == port
        tab.go(stack.enter_context(screen(port)))
        tab.until(f"{THERE} && {SOUNDING} > 0")
        live.send_signal(signal.SIGKILL)
        tab.until(f"{SOUNDING} === 0 && document.body.classList.contains('away')")
        assert "Waiting for rnnmuse live" in tab.run("document.getElementById('waiting').innerText")
        stack.enter_context(rnnmuse("live", "--osc-port", port, "--no-midi", "--mode", "free", "--tempo", 133))
        tab.until(f"{THERE} && {SOUNDING} > 0 && document.getElementById('tempo').value === '133'")


def other_value(entry, first):
    """A value that the row takes: one for the page to set, another for a second client."""
    argument = entry.row.arguments[0]
    texts = {
        "key": ("D minor", "G major"),
        "scale": ("dorian", "blues"),
        "chord": ("G7", "Am"),
        "hears": ("ch2", "3"),
        "chart": ("Dm | A7", "C | G7"),
        "when": ("beat", "bar"),
    }
    if argument.choices:
        return argument.choices[1 if first else -1]
    if argument.kind == "s":
        return texts.get(entry.word, ("lieder", "grooves"))[0 if first else 1]
    if (argument.low, argument.high, argument.kind) == (0, 1, "i"):
        return int(first)
    share = 0.25 if first else 0.75
    value = argument.low + share * (min(argument.high, argument.low + 500) - argument.low)
    return round(value) if argument.kind == "i" else value


SET = """(e, value) => {
  if (e.getAttribute("aria-pressed") !== null) {
    if ((e.getAttribute("aria-pressed") === "true") !== Boolean(value)) e.click();
    return;
  }
  e.value = value;
  e.dispatchEvent(new Event("input", { bubbles: true }));
  e.dispatchEvent(new Event("change", { bubbles: true }));
}"""
GET = """(e) => e.getAttribute("aria-pressed") !== null ? Number(e.getAttribute("aria-pressed") === "true")
  : e.type === "text" || e.tagName === "SELECT" ? e.value : Number(e.value)"""


@pytest.mark.parametrize("view", ["play", "words", "cover", "pad", "setup"])
def test_every_control_sends_its_row_and_shows_what_another_client_sets(page, stage, address, view):
    page.go(f"{address}{view}")
    page.until(THERE)
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    every = page.run("[...document.querySelectorAll('input[data-to], select[data-to], button[data-to][aria-pressed]')]"
                     ".map((e) => e.dataset.to)")  # fmt: skip
    known = stage.control.addresses
    latent = "/latent/"  # its values are the engine's, which this stage has not
    others = ("/stream", "/rnnmuse/band")  # the last sets many values, the first goes on by itself
    rows = {one: known[one].row for one in dict.fromkeys(every) if one in known and latent not in one}
    to = [
        one for one, row in rows.items() if row.access == "rw" and len(row.arguments) == 1 and not one.endswith(others)
    ]
    assert len(to) >= {"play": 30, "words": 8, "cover": 4, "pad": 0, "setup": 1}[view], to
    assert all(one in known or "{" in one for one in every), every

    def same(one, wanted):
        found = stage.control.value(one)
        return found == wanted if isinstance(wanted, str) else found == pytest.approx(wanted, abs=0.6)

    for one in to:
        page.run(f"({SET})({SHOWN.format(one)}, {json.dumps(other_value(known[one], True))})")
    for one in to:
        until(lambda one=one: same(one, other_value(known[one], True)))
    for one in to:
        stage.take(one, other_value(known[one], False))
    for one in to:
        wanted = json.dumps(other_value(known[one], False))
        page.until(f"((shown) => shown === {wanted} || Math.abs(shown - {wanted}) < 0.6)(({GET})({SHOWN.format(one)}))")
    page.go(f"{address}{view}")  # a page that comes later shows the same
    page.until(THERE)
    for one in to:
        wanted = json.dumps(other_value(known[one], False))
        page.until(f"((shown) => shown === {wanted} || Math.abs(shown - {wanted}) < 0.6)(({GET})({SHOWN.format(one)}))")


@pytest.mark.parametrize(
    ("to", "first", "second"), [("/harmony/key", "C minor", "D minor"), ("/transport/metre", 5, 7)]
)
def test_an_answer_to_an_earlier_choice_does_not_undo_the_next(page, stage, to, first, second):
    """Stepped through with the arrow keys, faster than the stage answers."""
    shown = SHOWN.format(f"/rnnmuse{to}")
    more = [4] if "metre" in to else []
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.run(f"({SET})({shown}, {json.dumps(second)})")
    page.run(f"import('/stage.js').then(({{ take }}) => take({json.dumps([f'/rnnmuse{to}', first, *more])}))")
    assert page.run(f"{shown}.value") == str(second)
    settled(page)
    assert page.run(f"{shown}.value") == str(second)
    stage.take(f"/rnnmuse{to}", first, *more)
    page.until(f"{shown}.value === '{first}'")
    stage.take(f"/rnnmuse{to}", *([4, 4] if more else [""]))


def test_chunks_join_to_lines_in_any_script_and_are_never_html(page, stage, address):
    page.go(f"{address}words")
    page.until(THERE)
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
    page.click("#clear")
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


def test_what_is_planned_is_seen_before_it_sounds_and_goes_when_it_is_recalled(page, stage):
    count = "import('/notes.js').then(({ coming }) => [...coming()].length)"
    stage.take("/rnnmuse/transport/play")
    with stage.lock:
        stage.notes.plan_on(1, 960 * 400, 60, 90)
        stage.notes.plan_on(2, 960 * 400, 64, 90)
    page.until(f"{count}.then((n) => n === 2)")
    with stage.lock:
        stage.notes.recall(1)
    page.until(f"{count}.then((n) => n === 1)")
    stage.take("/rnnmuse/transport/stop")
    page.until(f"{count}.then((n) => n === 0)")


PIXEL = "[...document.querySelector('.picture').getContext('2d').getImageData(100, 100, 1, 1).data]"


SHOW = """import("/picture.js").then(({{ show }}) => show(Uint8Array.from(atob("{}"), (c) => c.charCodeAt(0))))
  .then(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))).then(() => true)"""


def jpeg(colour):
    """A frame of a cover that moves, in one colour."""
    held = io.BytesIO()
    Image.new("RGB", (128, 128), colour).save(held, "JPEG")
    return held.getvalue()


def test_the_picture_moves_to_each_frame_and_no_further(page, stage, address):
    page.go(f"{address}cover")
    page.until(THERE)
    for number, colour in enumerate(["#d02010", "#1030c0"], 1):
        tell(stage, "/rnnmuse/cover/frame", number, jpeg(colour))
        rgb = ImageColor.getrgb(colour)
        page.until(f"{PIXEL}.slice(0, 3).every((v, i) => Math.abs(v - {list(rgb)}[i]) < 8)")


def test_whoever_wants_less_motion_gets_a_roll_in_steps_and_still_pictures(page, stage, address):
    wish = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    page.do("Emulation.setEmulatedMedia", features=wish)
    try:
        page.go(address)
        page.until(THERE)
        stage.take("/rnnmuse/transport/play")
        frames = "import('/roll.js').then(({ frames }) => [...frames])"
        page.until(f"{frames}.then((all) => all.length >= 3)")
        assert min(page.run(frames)) >= 300
        style = "getComputedStyle(document.querySelector('summary'), '::before').transitionDuration"
        assert page.run(style) == "0s"
        page.go(f"{address}cover")
        page.until(THERE)
        page.run("globalThis.ms = performance.now(); performance.now = () => ms")
        red, blue = (SHOW.format(base64.b64encode(jpeg(colour)).decode()) for colour in ("#d02010", "#1030c0"))
        page.run(red)
        page.until(f"{PIXEL}[0] > 150")
        page.run(f"ms += 900; {blue}")
        assert page.run(f"{PIXEL}[0]") > 150, "still the first"
        page.run(f"ms += 200; {blue}")
        page.until(f"{PIXEL}[0] < 50")
    finally:
        page.do("Emulation.setEmulatedMedia", features=[])


def test_the_beat_is_shown_and_space_plays_and_stops(page, stage):
    page.press(" ")
    until(lambda: stage.clock.running)
    page.until("document.querySelectorAll('#beats .on').length === 1")
    page.observe("#place")
    stage.take("/rnnmuse/transport/position", 4 * 41 + 1.5)
    page.until("shown.some((text) => text.startsWith('42.'))")
    page.press(" ")
    until(lambda: not stage.clock.running)
    page.until("document.querySelectorAll('#beats .on').length === 0")


def test_mistakes_are_shown_on_the_page(page, stage):
    page.observe("#errors")
    page.run(f"({SET})(document.getElementById('tempo'), 5)")
    page.until("shown.some((text) => text.includes('must be 20 to 999'))")


@pytest.mark.parametrize("show", ["words", "cover", "roll", "all", "words,roll"])
def test_a_projector_shows_what_was_asked_for_and_no_controls(tab, address, show):
    tab.go(f"{address}?show={show}", 1920, 1080)
    tab.until(THERE)
    parts = {"words", "cover", "roll"} if show == "all" else set(show.split(","))
    selectors = {"words": ".words", "cover": ".picture", "roll": ".roll"}
    visible = "((e) => e && getComputedStyle(e).visibility === 'visible')(document.querySelector('{}'))"
    seen = {part for part, selector in selectors.items() if tab.run(visible.format(selector))}
    assert seen == parts
    assert tab.run("[...document.querySelectorAll('#bar, #tabs')].every((e) => !e.offsetHeight)")
    assert not tab.mistakes


@pytest.mark.parametrize("view", VIEWS)
def test_every_control_has_a_name_and_a_size_and_nothing_is_fetched_from_elsewhere(page, address, view):
    page.go(f"{address}{view}", 360, 740)
    page.until(THERE)
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    nodes = page.do("Accessibility.getFullAXTree")["nodes"]
    roles = [(n["role"]["value"].lower(), n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]]
    named = [(role, name) for role, name in roles if role in NAMED]
    assert len(named) > 10
    assert all(name.strip() for role, name in named), [role for role, name in named if not name.strip()]
    small = page.run("[...document.querySelectorAll('button, .button, select, input, summary, [role=slider], #tabs a')]"
                     ".filter((e) => e.offsetHeight && (e.offsetHeight < 43.5 || e.offsetWidth < 43.5))"
                     ".map((e) => e.outerHTML.slice(0, 120))")  # fmt: skip
    assert small == []
    assert page.run("document.documentElement.scrollWidth") <= 360, "it scrolls in one direction"
    fetched = page.run("performance.getEntriesByType('resource').map((e) => e.name)")
    assert len(fetched) >= 6
    assert all(name.startswith((address, "data:")) for name in fetched), fetched


def test_sixteen_players_fit_on_a_laptop_and_a_strip_that_is_used_stays_open(page, stage, address):
    page.go(address, 1280, 800)
    page.until(THERE)
    count = "document.querySelectorAll('.strip').length"
    closed = "document.querySelectorAll('.strip.folded').length"
    strip = "document.querySelector('.strip[data-player=\"{}\"]')"
    try:
        for player in range(1, 9):
            stage.take(f"/rnnmuse/player/{player}/mode", "continue")
        page.until(f"{count} === 8")
        assert page.run(closed) == 0
        page.run(f"{strip.format(3)}.querySelector('select').focus()")
        for player in range(9, 17):
            stage.take(f"/rnnmuse/player/{player}/mode", "continue")
        page.until(f"{count} === 16")
        assert page.run(f"{closed} === 15 && !{strip.format(3)}.classList.contains('folded')"), "a hand is on it"
        page.run("document.activeElement.blur()")
        page.click(".strip[data-player='3'] .who")
        assert page.run(f"{closed} === 16 && {strip.format(3)}.querySelector('.who').ariaExpanded === 'false'")
        ends = "[...document.querySelectorAll('.strip')].map((one) => one.getBoundingClientRect().bottom)"
        assert max(page.run(ends)) <= 800
        page.click(".strip[data-player='5'] .who")
        stage.take("/rnnmuse/player/1/started", 1)
        settled(page)
        assert page.run(f"{closed} === 15 && !{strip.format(5)}.classList.contains('folded')"), "it was opened by hand"
    finally:
        stage.take("/rnnmuse/player/1/started", 0)
        for player in range(1, 17):
            stage.take(f"/rnnmuse/player/{player}/mode", "off")


def test_all_that_can_be_set_up_is_seen_on_a_phone_and_a_group_that_was_opened_stays_open(page, address):
    page.go(f"{address}setup", 360, 800)
    page.until(THERE)
    titles = page.run("[...document.querySelectorAll('.group summary')].map((one) => one.textContent)")
    assert len(titles) == 9
    assert page.run("document.documentElement.scrollHeight") <= 800
    page.run("[...document.querySelectorAll('.group summary')].find((e) => e.textContent === 'Presets').click()")
    shown = "document.querySelector('.slots')?.offsetHeight > 0"
    page.until(shown)
    page.click("#tabs [data-view=play]")
    page.until(f"!({shown})")
    page.click("#tabs [data-view=setup]")
    page.until(shown)


def test_a_port_is_opened_tested_and_closed_and_one_that_vanishes_is_told(page, ports, stage, address):
    ports.there = ["My Synth", "Fader Box"]
    page.go(f"{address}setup")
    page.until(THERE)
    output = "[...document.querySelectorAll('.ports')].at(-1).querySelector('button.port')"
    state = f"((e) => `${{e.getAttribute('aria-pressed')}} ${{e.textContent}}`)({output})"
    page.until("document.querySelectorAll('.ports button.port').length === 4")
    page.run(f"{output}.click()")
    page.until(f"{state} === 'true My Synthopen'")
    assert ports.opened[-1].name == "My Synth"
    page.run("document.querySelector('[aria-label=\"Test note on My Synth\"]').click()")
    until(lambda: [message for message in ports.synth.heard if message[0] & 0xF0 == 0x90])
    page.observe("#errors")
    ports.pull()
    page.until(f"{state} === 'true My Synthgone'")
    page.until("shown.some((text) => text.includes('My Synth is gone'))")
    ports.there = ["My Synth"]
    page.until(f"{state} === 'true My Synthopen'")
    page.run(f"{output}.click()")
    page.until(f"{state} === 'false My Synthclosed'")
    until(lambda: ports.opened[-1].lost)


def test_a_control_is_learned_by_touching_it_and_turning_a_knob(page, ports, stage, address):
    ports.there = ["My Synth", "Fader Box"]
    page.go(f"{address}setup")
    page.until(THERE)
    page.until("document.querySelectorAll('.ports button.port').length === 4")
    page.run("document.querySelector('.ports li:nth-child(2) button.port').click()")
    page.until("document.querySelector('.ports li button.port').textContent === 'Fader Boxopen'")
    page.click("#learn")
    page.run("document.querySelector('#tabs [data-view=play]').click()")
    density = SHOWN.format("/rnnmuse/player/1/param/density")
    page.until(f"!!{density}")
    page.run("document.querySelectorAll('.strip details').forEach((one) => { one.open = true; })")
    before = page.run(f"{density}.value")
    page.click("[data-to='/rnnmuse/player/1/param/density']")
    until(lambda: stage.midi.learning)
    assert page.run(f"{density}.value") == before, "a touch that learns does not set"
    for value in (10, 127):
        ports.receive(bytes((0xB0, 21, value)), time.monotonic_ns())
    page.until(f"Number({density}.value) === Number({density}.max)")
    assert stage.midi.learned[0, 21][0] == "/rnnmuse/player/1/param/density"
    page.until("!document.body.classList.contains('learning')")
    page.go(f"{address}setup")
    page.until("document.querySelector('table')?.textContent.includes('ch 1 cc 21')")
    page.run("[...document.querySelectorAll('td button')].find((e) => e.textContent === 'Forget').click()")
    until(lambda: not stage.midi.learned)


LATIN = r"^(MIDI|Web MIDI .*|EN|English|Link|OSC|[A-Z]|ch\d+|\d+ ?(px)?|[a-z-]*shakespeare[a-z-]*)$"


@pytest.mark.parametrize("view", VIEWS)
def test_every_label_and_help_is_chinese_for_whoever_reads_it(page, address, view):
    page.run("localStorage.setItem('language', 'zh')")
    try:
        page.go(f"{address}{view}")
        page.until(THERE)
        page.run("document.body.classList.add('helping');"
                 "document.querySelectorAll('details').forEach((one) => { one.open = true; })")  # fmt: skip
        found = page.run("""[...document.querySelectorAll('.help, .name, h1, h2, h3, summary, button, #tabs a, small')]
          .filter((e) => e.offsetHeight && !e.closest('.lines, .chart, .ports') && !e.dataset.model)
          .map((e) => [e.className, e.childElementCount ? "" : e.textContent.trim()]).filter(([, text]) => text)""")
        assert len(found) > 15
        plain = [
            text for _, text in found if not re.search(r"[\u4e00-\u9fff]", text) and re.search("[A-Za-z]{2}", text)
        ]
        assert [text for text in plain if not re.match(LATIN, text)] == []
        assert page.run("document.documentElement.lang") == "zh-Hans"
        page.go(f"{address}{view}", 360, 740)
        page.until(THERE)
        assert page.run("document.getElementById('bar').offsetHeight") < 2 * 44, "it stays one row"
        assert page.run("document.documentElement.scrollWidth") <= 360
    finally:
        page.run("localStorage.removeItem('language')")


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
      return import("/dom.js").then(({ colour }) => Math.min(...[...Array(16).keys()].map(
        (i) => (light(colour(i + 1, "0.86", "0.13")) + 0.05)
          / (light(`rgb(${behind}, ${behind}, ${behind})`) + 0.05))));
    })()"""
    assert page.run(ratio) >= 4.5


AXE = os.environ.get("RNNMUSE_AXE", "")


@pytest.mark.skipif(not AXE, reason="RNNMUSE_AXE does not name an axe.min.js (npm pack axe-core)")
@pytest.mark.parametrize("theme", ["dark", "bright"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious_or_moderate(page, address, view, theme):
    page.go(f"{address}{view}")
    page.until(THERE)
    page.run(f"import('/theme.js').then(({{ dress }}) => dress('{theme}'))")
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.run(Path(AXE).read_text("utf-8") + "; 0")
    found = page.run("""axe.run().then(({ violations }) => violations.map(({ id, impact, nodes }) =>
      [id, impact, nodes.slice(0, 4).map(({ html, any }) => [html.slice(0, 160), any[0]?.message])]))""")
    assert [one for one in found if one[1] != "minor"] == []


@pytest.mark.skipif(not os.environ.get("RNNMUSE_P5"), reason="RNNMUSE_P5 does not name a p5.min.js (npm pack p5)")
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
