"""The page with the real rnnmuse live, engine and models: several pages, the pad, files of what was played."""
# ruff: noqa: F811 (fixtures of the other file)

import contextlib
import io
import json
import urllib.request

import mido
import pytest

pytest.importorskip("starlette", reason="the extra 'web' is not installed")

from browser import PATIENCE, PROGRAM
from programs import in_full
from test_browser import SHOWN, THERE, rnnmuse, settled, tab, until  # noqa: F401
from test_stage import Client
from websockets.sync.client import connect

pytestmark = pytest.mark.skipif(not PROGRAM, reason="chromium is not installed")
P = "/rnnmuse/player/1"
HELD = "import('/stage.js').then(({{ value }}) => {}.map((address) => value(address) ?? null))"


@pytest.fixture(scope="module")
def live():
    """A stage with its screen: the page's address, and an OSC client."""
    with rnnmuse("live", "--osc-port", 0, "--no-midi", "--no-browser", "--screen", "--tempo", 240) as (_, told):
        client = Client(int(told.readline().rsplit(":", 1)[1]))
        yield next(line for line in told if line.startswith("Screen")).split()[1], client


@contextlib.contextmanager
def another(page):
    """Another page of the same stage, as its WebSocket."""
    host = page.split("/")[2]
    with connect(f"ws://{host}/socket", origin=f"http://{host}", compression=None, max_size=None) as web:
        yield web


def whole(web):
    """The state that a page gets."""
    while True:
        message = web.recv(PATIENCE)
        if isinstance(message, str) and message.startswith('["state"'):
            return json.loads(message)[1]


def test_two_pages_agree_and_one_that_comes_late_has_the_whole_state(tab, live):
    page, client = live
    tab.go(page)
    tab.until(THERE)
    with another(page) as other:
        whole(other)
        for number, (address, *values) in enumerate([
            (f"{P}/model", "piano"), (f"{P}/mode", "answer"), (f"{P}/param/density", 3.0), (f"{P}/mute", 1),
            ("/rnnmuse/player/9/param/key", "Eb major"), ("/rnnmuse/harmony/chart", "Dm | G7 | C"),
            ("/rnnmuse/transport/metre", 7, 8), ("/rnnmuse/text/3/rate", 1.5), ("/rnnmuse/cover/mood", "dark"),
        ]):  # fmt: skip
            if number % 2:
                other.send(json.dumps([address, *values]))
            else:
                tab.run(f"import('/stage.js').then(({{ command }}) => command({json.dumps([address, *values])[1:-1]}))")
        density = "/rnnmuse/player/2/param/density"
        tab.run(
            f"import('/stage.js').then(({{ send }}) => {{ for (let n = 0; n < 200; n++) send('{density}', n % 20); }})"
        )
        for address, value in ((f"{P}/model", "piano"), ("/rnnmuse/cover/mood", "dark"), (density, 19)):
            tab.until(f"import('/stage.js').then(({{ value }}) => value('{address}')?.[0] === {json.dumps(value)})")

        def both():
            """The values of a page that comes now, and those that the first page holds."""
            with another(page) as late:
                state = whole(late)
            settled(tab)
            held = tab.run(HELD.format(json.dumps(sorted(state))))
            return state, dict(zip(sorted(state), held, strict=True))

        def agree():
            """Whether they are the same, but for what goes on by itself; a model that loads may set some in between."""
            state, held = both()
            moving = ("/position", "/source", "/harmony")
            return all(held[one] == state[one] or one.endswith(moving) for one in state)

        until(lambda: both()[0][f"{P}/mute"] == [1])
        until(agree)
        state, _ = both()
        assert len(state) > 500
        assert state["/rnnmuse/transport/metre"][:2] == [7, 8]
        assert state["/rnnmuse/text/3/rate"] == [1.5]
    client.send("/rnnmuse/transport/metre", 4, 4)


@pytest.fixture
def pad(tab, live):
    """The pad of player 1, whose model plays phrases."""
    page, client = live
    client.send(f"{P}/mute", 0)
    if client.ask(f"{P}/model") != ("phrases",):  # set again, it begins anew at the next bar line: in mid-test
        client.send(f"{P}/model", "phrases")
        until(lambda: client.ask(f"{P}/model") == ("phrases",))
    client.send(f"{P}/mode", "free")
    client.send("/rnnmuse/transport/play")
    tab.go(f"{page}pad")
    tab.until(THERE)
    tab.until("!!document.getElementById('pad')")
    tab.until(f"!!{SHOWN.format(P + '/latent/axis/density')}.dataset.seen")
    return tab, client


def axis(client, word):
    return client.ask(f"{P}/latent/axis/{word}")[0]


def point(client):
    return client.ask(f"{P}/latent")


def near(one, other):
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < 1e-3


def test_a_variation_keeps_what_is_locked_and_history_goes_back_and_forward(pad):
    tab, client = pad
    first, dense = point(client), axis(client, "density")
    tab.click("[aria-label='Lock density']")
    tab.run("((e) => { e.value = 0.8; e.dispatchEvent(new Event('input')); })(document.getElementById('vary-amount'))")
    tab.click(f"[data-to='{P}/latent/vary']")
    settled(tab)  # the variation, and then what is locked
    until(lambda: not near(point(client), first))
    assert axis(client, "density") == pytest.approx(dense, abs=0.02)
    second = point(client)
    tab.click("[aria-label='Back to the phrase before']")
    until(lambda: near(point(client), first))
    tab.click("[aria-label='Forward again']")
    until(lambda: near(point(client), second))
    tab.click("[aria-label='Lock density']")


def test_a_step_back_waits_for_the_point_that_it_goes_back_to(pad):
    """Clicked before the stage has answered where the pad was."""
    tab, client = pad
    first = point(client)
    tab.run(f"""import('/stage.js').then(({{ hear }}) => {{
      globalThis.got = []; globalThis.set = [];
      hear((address, args, sent) => {{
        if (address === '{P}/latent' && args.length) (sent ? set : got).push(args);
      }});
    }})""")
    clicks = (f"[data-to='{P}/latent/vary']", "[aria-label='Back to the phrase before']")
    tab.run("; ".join(f'document.querySelector("{one}").click()' for one in clicks))
    tab.until("set.length > 0")
    until(lambda: near(point(client), first))
    assert near(tab.run("set[0]"), first)
    assert any(not near(one, first) for one in tab.run("got")), "it was somewhere else before the step back"


def test_the_same_seed_varies_to_the_same_phrase(pad):
    tab, client = pad
    found = []
    for _ in range(2):
        client.send(f"{P}/latent/recall", 3)
        seed = SHOWN.format(f"{P}/param/seed")
        for number in (5, 77):
            tab.run(f"((e) => {{ e.value = {number}; e.dispatchEvent(new Event('change')); }})({seed})")
            until(lambda number=number: client.ask(f"{P}/param/seed") == (number,))
        before = point(client)
        tab.click(f"[data-to='{P}/latent/vary']")
        until(lambda before=before: not near(point(client), before))
        found.append(point(client))
    assert near(*found)


def test_what_was_just_played_becomes_the_phrase_and_its_last_bars_a_file_that_is_dragged(pad, live):
    tab, client = pad
    client.send("/rnnmuse/transport/tempo", 30)  # so that the last bars are still the last when they are taken
    before = point(client)
    tab.run("document.querySelector('#tabs [data-view=play]').click()")
    for pitch in (60, 64, 67, 72, 67, 64):
        client.send(f"{P}/note", pitch, 100, 0.5)
        client.ask("/rnnmuse/sync", pitch, answer="/rnnmuse/synced")
    settled(tab)  # what the screen writes into the file is what it has heard by then
    dragged = tab.run("""(() => { const data = new DataTransfer();
      document.getElementById("last").dispatchEvent(new DragEvent("dragstart", { dataTransfer: data, bubbles: true }));
      return data.getData("DownloadURL"); })()""")
    kind, name, address = dragged.split(":", 2)
    assert (kind, name) == ("audio/midi", "last.mid")
    with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
        file = mido.MidiFile(file=io.BytesIO(answer.read()))
    begun = [message for track in file.tracks for message in track if message.type == "note_on" and message.velocity]
    assert {60, 64, 67, 72} <= {message.note for message in begun}
    tab.run("document.querySelector('#tabs [data-view=pad]').click()")
    tab.until("!!document.getElementById('pad')")
    tab.click(f"[data-to='{P}/latent/capture']")
    until(lambda: not near(point(client), before))
    tab.click("[aria-label='Back to the phrase before']")
    until(lambda: near(point(client), before))


@in_full
def test_the_live_picture_moves_in_the_page(tab, live):
    page, client = live
    client.send("/rnnmuse/band", "pop")
    tab.go(f"{page}cover")
    tab.until(THERE)
    data = "[...document.querySelector('.picture').getContext('2d').getImageData(0, 0, 256, 256).data]"
    tab.until(f"{data}.some((v, i) => i % 4 !== 3 && v > 60)")
    some = f"{data}.filter((v, i) => i % 400 === 0)"
    first = tab.run(some)
    tab.until(f"((now, then) => now.filter((v, i) => Math.abs(v - then[i]) > 20).length > 20)({some}, {first})")
