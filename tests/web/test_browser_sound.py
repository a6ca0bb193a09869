"""What the page itself plays, in a real browser: sound, Web MIDI and the keys of the computer."""
# ruff: noqa: F811 (fixtures of the other file)

import json

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra 'web' is not installed")

from browser import PROGRAM
from test_browser import THERE, address, page, ports, stage, tab, tell, until  # noqa: F401

pytestmark = pytest.mark.skipif(not PROGRAM, reason="chromium is not installed")
RATE, SECONDS, LATENCY = 48000, 2, 45.0
LOOKAHEAD = 0.006
"""Seconds by which the page's compressor is late, as the Web Audio specification has it."""
AHEAD = f"""globalThis.heard = [];
globalThis.AudioContext = class extends OfflineAudioContext {{
  constructor() {{ super(1, {RATE * SECONDS}, {RATE}); globalThis.offline = this; }}
  get state() {{ return "running"; }}
}};
localStorage.setItem("sound", "on");
document.dispatchEvent(new Event("pointerdown"));
const now = performance.now.bind(performance);
let held;
performance.now = () => {{
  if (held === undefined) queueMicrotask(() => {{ held = undefined; }});
  return held ??= now();
}};
Promise.all([import("/notes.js"), import("/clock.js")]).then(([{{ onNote }}, {{ timeOf }}]) =>
  {{ onNote((note) => heard.push({{ ...note, left: timeOf(note.beat) - performance.now() }})); }})
  .then(() => new Promise((awake) => setTimeout(awake)))"""
"""Notes sound into a buffer whose time stands at 0, and each is kept with the ms that were left until its beat: the
same time for all that hear it, however long the machine lets them wait in between."""
RENDER = (
    """offline.startRendering().then((buffer) => Array.from(buffer.getChannelData(0), (v) => Math.round(v * 1e5)))"""
)


def sounds(page):
    """What the page has played, from now on."""
    return np.array(page.run(RENDER)) / 1e5


def heard(page, count):
    page.until(f"heard.length >= {count}")
    return json.loads(page.run("JSON.stringify(heard)"))


def play(stage, pitch, beat, channel=1, velocity=100):
    tell(stage, "/rnnmuse/out/1/planned", pitch, velocity, beat, 1, channel)
    tell(stage, "/rnnmuse/out/1/note", pitch, velocity, 1.0, beat)


def share_above(samples, hertz):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return power[np.fft.rfftfreq(len(samples), 1 / RATE) > hertz].sum() / power.sum()


def onset(samples):
    return np.argmax(np.abs(samples) > 0.02 * np.abs(samples).max()) / RATE


def test_a_note_sounds_at_the_time_of_its_beat_with_its_pitch(page, stage):
    page.run(AHEAD)
    stage.take("/rnnmuse/transport/play")
    page.until("document.querySelectorAll('#beats .on').length === 1")
    page.until("import('/clock.js').then(({ beatAt }) => beatAt() > 1)")
    beat = page.run("import('/clock.js').then(({ beatAt }) => beatAt())") + 0.03  # it comes a little early, and waits
    play(stage, 69, beat)
    (note,) = heard(page, 1)
    samples = sounds(page)
    wanted = min(2 * LATENCY, max(0.0, note["left"] + LATENCY)) / 1000
    assert onset(samples) == pytest.approx(wanted + LOOKAHEAD, abs=0.004)
    power = np.abs(np.fft.rfft(samples[: RATE // 2]))
    assert np.fft.rfftfreq(RATE // 2, 1 / RATE)[power.argmax()] == pytest.approx(440, abs=8)


def test_drums_are_noise_and_strokes_and_a_melody_is_neither(page, stage):
    found = {}
    for name, pitch, channel in (("hat", 42, 10), ("kick", 36, 10), ("tune", 42 + 24, 1)):
        page.reload()
        page.until(THERE)
        page.run(AHEAD)
        play(stage, pitch, 0.0, channel)
        heard(page, 1)
        found[name] = sounds(page)
    assert share_above(found["hat"], 5000) > 0.9
    assert share_above(found["kick"], 500) < 0.1
    assert share_above(found["tune"], 5000) < 0.05
    late = slice(int(0.6 * RATE), int(0.9 * RATE))
    loud = {name: np.abs(one[late]).max() for name, one in found.items()}
    assert loud["hat"] < 0.001 < loud["tune"], "a stroke dies away, a held note does not"


@pytest.mark.parametrize("end", ["its note-off", "panic"])
def test_what_ends_is_silent(page, stage, end):
    page.run(AHEAD)
    play(stage, 60, 0.0)
    heard(page, 1)
    if end == "panic":
        stage.take("/rnnmuse/transport/panic")
    else:
        tell(stage, "/rnnmuse/out/1/note", 60, 0, 1.0, 0.0)
    heard(page, 2)
    samples = sounds(page)
    assert np.abs(samples[RATE:]).max() < 1e-4


MIDI = """globalThis.sent = [];
globalThis.keys = { id: "k", name: "Keys", state: "connected", onmidimessage: null };
globalThis.synth = { id: "s", name: "Synth", state: "connected",
  send: (data, at) => sent.push([...data, at - performance.now()]) };
globalThis.midi = { inputs: new Map([["k", keys]]), outputs: new Map([["s", synth]]), onstatechange: null };
navigator.requestMIDIAccess = async () => {
  if (globalThis.refuses) throw new DOMException("not allowed");
  return midi;
};"""
OPEN = "[...document.querySelectorAll('button')].find((e) => e.textContent === 'Open Web MIDI')"
CHOOSE = """((e, value) => {{
  e.value = value;
  e.dispatchEvent(new Event("change"));
}})(document.getElementById("midi-{}"), "{}")"""


@pytest.fixture
def set_up(page, address):
    page.go(f"{address}setup")
    page.until(THERE)
    page.run(MIDI)
    page.run("document.querySelector('#tabs [data-view=setup]').click()")
    return page


def test_web_midi_plays_both_ways_and_a_keyboard_that_is_unplugged_leaves_no_note(set_up, stage):
    before = stage.player.notes_in
    set_up.run(f"{OPEN}.click()")
    set_up.until("!!document.getElementById('midi-in')")
    set_up.run(CHOOSE.format("in", "k"))
    set_up.run(CHOOSE.format("out", "s"))
    set_up.run("keys.onmidimessage({ data: [0x90, 60, 90] })")
    until(lambda: stage.player.notes_in == before + 1)
    play(stage, 64, 0.0, channel=3)
    set_up.until("sent.length === 1")
    assert set_up.run("sent[0].slice(0, 3)") == [0x92, 64, 100]
    set_up.run(SENT)
    set_up.observe("#errors")
    set_up.run("keys.state = 'disconnected'; midi.onstatechange()")
    set_up.until("out.some(([a, pitch, velocity]) => a === '/rnnmuse/player/1/note' && pitch === 60 && !velocity)")
    assert set_up.run("document.getElementById('midi-in').value") == ""
    set_up.until("shown.some((text) => text.includes('Keys is gone'))")
    set_up.run("midi.outputs.delete('s'); midi.onstatechange()")
    tell(stage, "/rnnmuse/out/1/note", 64, 0, 1.0, 0.0)
    set_up.until("import('/notes.js').then(({ sounding }) => sounding() === 0)")
    assert set_up.run("sent.length") == 1


def test_web_midi_that_is_refused_says_so_and_can_be_asked_again(set_up):
    set_up.observe("#errors")
    set_up.run(f"globalThis.refuses = true; {OPEN}.click()")
    set_up.until("shown.some((text) => text.includes('Web MIDI: not allowed'))")
    set_up.run(f"globalThis.refuses = false; {OPEN}.click()")
    set_up.until("!!document.getElementById('midi-in')")


SENT = """globalThis.out = [];
import("/stage.js").then(({ hear }) => { hear((address, values, own) => own && out.push([address, ...values])); })"""
KEY = "dispatchEvent(new KeyboardEvent('{}', {{ code: '{}', key: 'x', bubbles: true }}))"


PANICS = "out.filter(([address]) => address === '/rnnmuse/transport/panic').length"


def test_panic_is_sent_by_the_touch_and_before_the_page_begins_to_sound(page):
    """An AudioContext takes some 90 ms to begin."""
    page.run(SENT)
    page.run("""globalThis.began = [];
      globalThis.AudioContext = class extends OfflineAudioContext {
        constructor() { super(1, 48000, 48000); began.push(out.length); }
        get state() { return "running"; }
      };
      localStorage.setItem("sound", "on"); 0""")
    page.press("Escape")
    page.until("began.length > 0")
    assert page.run(f"[{PANICS}, began[0]]") == [1, 1]
    page.click(".panic")
    assert page.run(PANICS) == 2, "once for a click"
    page.run("document.querySelector('.panic').focus()")
    for kind in ("keyDown", "keyUp"):
        page.do("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    assert page.run(PANICS) == 3, "and by its key"
    x, y = page.run("((box) => [box.x + 9, box.y + 9])(document.querySelector('.panic').getBoundingClientRect())")
    page.do("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", clickCount=1)
    assert page.run(PANICS) == 4, "a finger that is still down has ended the notes"


def test_letters_are_a_keyboard_but_not_in_a_field(page):
    page.run(SENT)
    page.run("document.activeElement.blur()")
    for kind, code in (("down", "A"), ("down", "A"), ("up", "A"), ("down", "X"), ("down", "D"), ("up", "D")):
        page.run("document.body." + KEY.format(f"key{kind}", f"Key{code}"))
    notes = [one[1:] for one in page.run("out") if one[0].endswith("/note")]
    assert notes == [[60, 90], [60, 0], [76, 90], [76, 0]]
    page.run("document.querySelector('#view input[type=text]')." + KEY.format("keydown", "KeyA"))
    assert len([one for one in page.run("out") if one[0].endswith("/note")]) == 4
    page.run("document.body." + KEY.format("keydown", "KeyS"))
    page.run("dispatchEvent(new Event('blur'))")
    assert page.run("out.at(-1)")[-1] == 0, "a page that loses the keyboard ends its notes"
