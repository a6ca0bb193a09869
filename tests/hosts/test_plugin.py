"""The plugin as CLAP, VST3 and LV2 in a host of its own, with rnnmuse live, which it starts itself."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from echo import echo, free_port, program, until
from programs import build_plugin, build_plugin_host, in_full, missing, no_plugin

from rnnmuse.bridges import plugin as files
from rnnmuse.bridges.hosts import Line
from rnnmuse.models.bundle import bundles
from rnnmuse.protocol import MODES, PARAMETERS, addresses

pytestmark = pytest.mark.skipif(bool(no_plugin()), reason=no_plugin())
FORMATS = ("clap", "vst3", "lv2")
HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "bridges" / "plugin"
INDEX = {
    name: number
    for number, name in enumerate(
        re.findall(r'\{"[^"]+", "(\w+)"', (SOURCE / "parameters.hpp").read_text("utf-8").split("kRows[kCount]")[1])
    )
}
STATUSES = re.findall(
    r'"([^"]+)"', (SOURCE / "parameters.hpp").read_text("utf-8").split("kStatuses[] = {")[1].split("}")[0]
)
CLEAN = {"open": 0, "twice": 0, "faults": 0, "allocations": 0, "locks": 0}


class Take:
    """What a run of the host printed."""

    def __init__(self, text: str) -> None:
        self.lines = [line.split() for line in text.splitlines()]
        self.text = text
        end = next(line for line in text.splitlines() if line.startswith("end "))
        self.end = {name: float(value) for name, value in re.findall(r"(\w+) (\d+)", end)}

    def ons(self, most: float = 1e9) -> list[tuple[str, ...]]:
        """Beat, pitch and velocity of what began; the channel is the player's, of whom each instance has its own."""
        return [(line[1], *line[3:]) for line in self.lines if line[0] == "on" and float(line[1]) < most]

    def clean(self) -> None:
        assert {name: self.end[name] for name in CLEAN} == CLEAN, self.text[-400:]


def command(kind: str, *words: object) -> list[str]:
    return [str(word) for word in (build_plugin_host(), kind, build_plugin()[kind], *words)]


def ran(kind: str, port: int, *words: object, env: dict[str, str] | None = None) -> Take:
    places = os.environ | {"RNNMUSE_PORT": str(port), "RNNMUSE_ENGINE": "none"} | (env or {})
    done = subprocess.run(command(kind, *words), capture_output=True, text=True, timeout=100, env=places)
    if done.returncode == 77:
        pytest.skip("this system has no seccomp")
    assert done.returncode == 0, (done.returncode, done.stdout[-500:], done.stderr[-500:])
    return Take(done.stdout)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """A registration: the first plugin starts rnnmuse, those after it find it. Its port and environment."""
    folder = tmp_path_factory.mktemp("data")
    place = files.register(folder)
    assert files.register(folder) == place
    port = free_port()
    root = str(SOURCE.parents[1])
    yield port, {"RNNMUSE_ENGINE": str(place), "PYTHONPATH": root}
    with Line(port) as line:  # it would end by itself, ALONE seconds after the last plugin
        assert line.name == "rnnmuse"
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with_port = entry.read_bytes().split(b"\0")
        if b"--until-alone" in with_port and str(port).encode() in with_port:
            os.kill(int(entry.parent.name), signal.SIGTERM)


@pytest.fixture(scope="module")
def bounced(engine):
    """Half a minute, faster than time, by the plugin that also starts rnnmuse."""
    port, env = engine
    return ran("clap", port, "wait", 40, "stand", 0.5, "bounce", 30, "stand", 0.1, env=env)


def test_it_starts_rnnmuse_and_its_bounce_has_notes_from_the_first_beat_on(bounced):
    assert ["reached", "1", "0", "0", "0"] in bounced.lines
    bounced.clean()
    assert len(bounced.ons()) > 50
    assert float(bounced.ons()[0][0]) == 0


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_bounces_the_same_notes(engine, bounced, kind):
    port, env = engine
    again = ran(kind, port, "wait", 40, "stand", 0.5, "offline", "bounce", 30, "stand", 0.1, env=env)
    again.clean()
    assert again.ons() == bounced.ons()


def test_a_live_take_has_the_notes_of_the_bounce(engine, bounced):
    port, env = engine
    live = ran("clap", port, "wait", 40, "stand", 0.5, "play", 6, "stand", 0.2, env=env)
    live.clean()
    assert live.ons(11.5) == bounced.ons(11.5)


@in_full
def test_a_minute_bounced_twice_is_the_live_take(engine):
    port, env = engine
    words = ("wait", 40, "stand", 0.5)
    bounces = [ran("clap", port, *words, "bounce", 60, "stand", 0.1, env=env) for _ in range(2)]
    live = ran("clap", port, *words, "play", 60, "stand", 0.2, env=env)
    for take in (*bounces, live):
        take.clean()
    assert len(live.ons(119)) > 100
    assert bounces[0].ons() == bounces[1].ons()
    assert live.ons(119) == bounces[0].ons(119)


@pytest.mark.parametrize("kind", ["clap", pytest.param("vst3", marks=in_full), pytest.param("lv2", marks=in_full)])
def test_in_every_pass_of_a_loop_notes_end_with_it_and_the_music_goes_on(engine, kind):
    """Four passes of four beats have the notes of sixteen beats without a loop."""
    port, env = engine
    drums = ("set", INDEX["model"], 3, "wait", 40, "stand", 1)
    line = [(float(beat), pitch) for beat, pitch, _ in ran(kind, port, *drums, "bounce", 10, env=env).ons(16)]
    take = ran(kind, port, *drums, "loop", 4, 8.2, "stand", 0.2, env=env)
    take.clean()
    looped, passes = [], 0
    for what, beat, *rest in take.lines:
        passes += what == "pass"
        if what == "on" and passes < 4:
            looped.append((float(beat) + 4 * passes, rest[1]))

    def within(notes):
        """Without those so near a seam that they may lie on its other side."""
        return [(pitch, pytest.approx(beat, abs=0.01)) for beat, pitch in sorted(notes) if 0.06 < beat % 4 < 3.94]

    assert passes == 4
    assert len(line) > 20
    found = [(pitch, beat) for beat, pitch in sorted(looped) if 0.06 < beat % 4 < 3.94]
    assert found == within(line)


@pytest.mark.parametrize("kind", FORMATS)
def test_bars_of_seven_eighths_are_counted_as_the_host_counts_them(engine, kind):
    port, env = engine
    take = ran(kind, port, "metre", 7, 8, "wait", 40, "stand", 0.7, "bounce", 6, "stand", 0.1, env=env)
    take.clean()
    with Line(port) as line:
        assert line.ask("/rnnmuse/transport/metre") == (7, 8)
    again = ran("clap", port, "metre", 7, 8, "wait", 40, "stand", 0.7, "bounce", 6, "stand", 0.1, env=env)
    assert again.ons() == take.ons()
    ran("clap", port, "metre", 4, 4, "wait", 40, "stand", 0.3, env=env)


def test_two_instances_have_two_players(engine):
    port, env = engine
    first = program(command("clap", "wait", 40, "stand", 3), env | {"RNNMUSE_PORT": str(port)})
    with first as made:
        made.until("reached", 40)
        other = ran("vst3", port, "wait", 40, "stand", 0.2, env=env)
        mine = next(line.split()[1] for line in made.lines if line.startswith("param"))
    theirs = next(line[1] for line in other.lines if line[0] == "param")
    assert float(mine) != float(theirs)


@pytest.mark.parametrize("kind", ["clap", pytest.param("vst3", marks=in_full), pytest.param("lv2", marks=in_full)])
def test_twenty_instances_in_one_host(engine, kind):
    """Sixteen have a player each; the others say so, play nothing and pass on what they hear."""
    port, env = engine
    words = ("instances", 20, "set", INDEX["density"], 4, "wait", 60, "stand", 1)
    moves = ("loop", 4, 4.1, "jump", 17.5, "play", 1, "anew", 96000, "stand", 0.3, "play", 1, "stand", 0.3)
    take = ran(kind, port, *words, *moves, env=env)
    assert ["reached", "1", "0", "0", "0"] in take.lines
    take.clean()
    assert take.end["notes"] > 40
    found = re.findall(r"instance \d+ status (\d+) player (\d+)", take.text)
    assert len(found) == 20
    players = [int(player) for status, player in found if STATUSES[int(status)] == "connected"]
    assert len(set(players)) == len(players) >= 15, "one may be another test's for some seconds yet"
    left = [STATUSES[int(status)] for status, _ in found]
    assert left.count("all 16 players are taken") == 20 - len(players)


@in_full
def test_of_two_processes_one_leads_the_clock_and_when_it_is_gone_the_other(engine):
    port, env = engine
    play = ("wait", 40, "stand", 0.5, "play", 30)
    env = env | {"RNNMUSE_PORT": str(port)}
    with program(command("clap", *play), env) as first:
        first.until("reached", 40)
        with Line(port) as line:
            line.send("/rnnmuse/monitor", 60.0)

            def leaders(count):
                """Who says where the beat is, in so many messages."""
                found = []
                while len(found) < count:
                    said = line.wait("/rnnmuse/monitored", 15)
                    assert said is not None, "nobody leads"
                    if said[1] == "/rnnmuse/transport/beat":
                        found.append(said[0])
                return set(found)

            (one,) = leaders(5)
            with program(command("vst3", *play), env) as second:
                second.until("reached", 40)
                assert leaders(25) == {one}
                first.process.terminate()
                until(lambda: leaders(1) != {one}, 25)


def test_what_another_client_sets_comes_to_the_host(engine):
    port, env = engine
    with program(command("clap", "wait", 40, "stand", 4), env | {"RNNMUSE_PORT": str(port)}) as made:
        made.until("reached", 40)
        player = int(float(made.until("param ", 40).split()[1]))
        with Line(port) as line:
            until(lambda: line.ask(f"/rnnmuse/player/{player}/mode") == ("free",))
            line.wait("/rnnmuse/nothing", 0.6)  # the plugin's own words come back to it at first
            line.send(f"/rnnmuse/player/{player}/param/density", 3.0)
            line.send(f"/rnnmuse/player/{player}/param/key", "D minor")
        made.until(f"param 3.000000 {INDEX['density']}")
        made.until(f"param 15.000000 {INDEX['key']}")


@pytest.mark.parametrize("kind", FORMATS)
def test_the_audio_thread_neither_locks_nor_allocates_nor_calls_the_system(engine, kind):
    port, env = engine
    words = ("wait", 40, "stand", 0.5, "loop", 3, 3, "jump", 17.3, "play", 1, "stand", 0.1)
    ran(kind, port, *words, env=env)  # the engine is there: what is guarded may not start it
    take = ran(kind, port, "guard", *words, env=env)
    take.clean()
    assert take.end["notes"] > 5
    assert take.end["mean_ns"] < 50_000, "an order of magnitude, on a machine that is shared"


@in_full
def test_its_threads_share_nothing_unguarded(engine, tmp_path):
    port, env = engine
    made = tmp_path / "threads"
    words = ["g++", "-std=gnu++17", "-O1", "-g", "-fsanitize=thread", str(HERE / "plugin_threads.cpp"), "-o", str(made)]
    subprocess.run([*words, "-lpthread"], check=True)
    ran("clap", port, "wait", 40, env=env)  # rnnmuse is there
    done = subprocess.run([str(made), str(port), "8"], capture_output=True, text=True, timeout=60)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the thread sanitizer does not run in this kernel")
    assert "ThreadSanitizer" not in done.stderr, done.stderr[:3000]
    assert int(done.stdout.split()[-1]) > 0, "notes came"


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_forbidden_is_seen(kind):
    port = free_port()
    assert ran(kind, port, "guard", "guilty", 1, "stand", 0.2).end["allocations"] > 0
    assert ran(kind, port, "guard", "guilty", 2, "stand", 0.2).end["locks"] == 1
    with pytest.raises(AssertionError, match=str(-signal.SIGSYS)):
        ran(kind, port, "guard", "guilty", 3, "stand", 0.2)


@pytest.mark.parametrize("kind", FORMATS)
def test_without_rnnmuse_it_is_silent_and_passes_on_what_it_hears(kind):
    take = ran(kind, free_port(), "note", 60, 100, "stand", 0.1, "note", 60, 0, "cc", 1, 64, "stand", 0.1)
    take.clean()
    assert [line[2:] for line in take.lines if line[0] in ("on", "off")] == [["2", "60", "100"], ["2", "60", "0"]]
    assert [line[2:] for line in take.lines if line[0] == "midi"] == [["178", "1", "64"]]


@pytest.mark.parametrize("kind", FORMATS)
def test_no_controller_changes_a_parameter(engine, kind):
    port, env = engine
    words = [word for cc in range(1, 128) if cc not in (120, 123) for word in ("cc", cc, 99)]
    take = ran(kind, port, "wait", 40, "stand", 0.5, *words, "stand", 0.3, env=env)
    moved = {line[2] for line in take.lines[1:] if line[0] == "param"}
    assert moved <= {"0"}, "its player's number is all that it tells the host"


@pytest.mark.parametrize("kind", ["clap", "vst3"])
def test_parameters_have_the_ranges_of_the_protocol_and_texts_both_ways(kind):
    lines = ran(kind, free_port(), "params", "stand", 0.01).text.splitlines()
    rows = [line.split(" ", 1)[1].split("|") for line in lines if line.startswith("parameter ")]
    assert len(rows) == len(INDEX)
    found = {int(row[0]): row for row in rows}
    for name, (argument, default, _) in PARAMETERS.items():
        if name in INDEX and argument.kind != "s" and name != "seed":
            row = found[INDEX[name]]
            assert [float(one) for one in row[3:6]] == pytest.approx([argument.low, argument.high, default]), row
    assert all(row[8] == "1" for row in rows[:-2]), [row for row in rows if row[8] != "1"]


def test_every_address_and_name_that_it_sends_is_known():
    text = (SOURCE / "parameters.hpp").read_text("utf-8")
    known = addresses()
    rows = re.findall(r'\{"[^"]+", "\w+".*?(nullptr|"[^"]*")\},\n', text.split("kRows[kCount]")[1])
    sent = [word.strip('"') for word in rows if word != "nullptr"]
    assert len(sent) > 15
    for word in sent:
        assert (word if word[0] == "/" else f"/rnnmuse/player/1/{word}") in known, word
    link = (SOURCE / "link.hpp").read_text("utf-8")
    for address in re.findall(r'Builder\("(/rnnmuse/[\w/]+)"\)', link):
        assert address in known, address
    named = dict(re.findall(r"constexpr const char\* (k\w+)\[\] = \{(.*?)\};", text, re.S))
    assert tuple(re.findall(r'"([^"]*)"', named["kModes"])) == MODES
    kinds = {name: bundle.about.get("kind") for name, bundle in bundles().items()}
    assert set(re.findall(r'"([^"]*)"', named["kModels"])) <= {n for n, k in kinds.items() if k in ("stream", "phrase")}


PRESETS = re.findall(
    r'\{"([^"]+)", "([a-z-]+)", "[^"]+", "\w+", \{(.*?)\}, \d\}', (SOURCE / "presets.hpp").read_text("utf-8")
)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_host_lists_the_presets_and_each_sets_the_player(kind):
    take = ran(kind, free_port(), "params", *(w for n in range(len(PRESETS)) for w in ("preset", n, "values")))
    listed = [line[7:].split("|") for line in take.text.splitlines() if line.startswith("preset ")]
    assert [one[1] for one in listed] == [name for name, _, _ in PRESETS]
    if kind == "clap":
        assert [one[2] for one in listed] == [key for _, key, _ in PRESETS]
    assert len({key for _, key, _ in PRESETS}) == len(PRESETS) > 10
    assert take.text.count("loaded 1") == len(PRESETS)
    values = [line for line in take.lines if line[0] == "value"]
    for number, (name, _, settings) in enumerate(PRESETS):
        now = values[number * len(values) // len(PRESETS) :][: len(values) // len(PRESETS)]
        for symbol, value in re.findall(r"\{k(\w+), ([\d.]+)f?\}", settings):
            assert float(now[INDEX[symbol.lower()]][1]) == pytest.approx(float(value)), (name, symbol)


def test_lv2_presets_leave_the_harmony_and_the_host_alone():
    text = (build_plugin()["lv2"].parent / "presets.ttl").read_text("utf-8")
    assert text.count("lv2:port\n") == len(PRESETS)
    symbols = set(re.findall(r'lv2:symbol "(\w+)"', text))
    assert {"model", "mode", "density"} <= symbols
    assert not symbols & {"player", "key", "chord", "seed", "lead", "thru", "lv2_enabled"}
    label = f'rdfs:label "{PRESETS[6][0]}"'
    assert label in (build_plugin()["lv2"].parent / "manifest.ttl").read_text("utf-8")
    if not missing("lv2info"):  # lilv's own reading
        done = subprocess.run(
            ["lv2info", "urn:rnnmuse:plugin"],
            capture_output=True,
            text=True,
            env=os.environ | {"LV2_PATH": f"{build_plugin()['folder']}:/usr/lib/lv2"},
        )
        assert PRESETS[6][0] in done.stdout


def test_vst3_has_its_groups_as_units_and_takes_a_value_from_its_controller_alone():
    take = ran("vst3", free_port(), "params", "control", INDEX["density"], 5, "values")
    units = dict(line[5:].split("|")[:2] for line in take.text.splitlines() if line.startswith("unit "))
    rows = [line.split(" ", 1)[1].split("|") for line in take.text.splitlines() if line.startswith("parameter ")]
    found = {int(row[0]): units[row[2]] for row in rows}
    assert (found[INDEX["model"]], found[INDEX["key"]], found[INDEX["x"]]) == ("Player", "Harmony", "Pad")
    assert ["controlled", "1", "0", "0", "0"] in take.lines
    assert (
        next(line[1] for line in take.lines if line[:1] + line[2:3] == ["value", str(INDEX["density"])]) == "5.000000"
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_what_sounds_ends_when_the_plugin_is_deactivated_and_plays_on_at_another_rate(engine, kind):
    port, env = engine
    words = ["set", INDEX["model"], 3, "wait", 40, "stand", 0.5]
    for rate, block in ((44100, 64), (192000, 4096), (96000, 1), (48000, 256)):
        words += ["block", 256, "anew", rate, "at", 0, "stand", 0.3, "block", max(block, 16), "play", 1.3]
        words += ["block", block, "bounce", 0.01]
    take = ran(kind, port, *words, "anew", 48000, "stand", 0.1, env=env)
    take.clean()
    assert take.end["notes"] > 10


@pytest.mark.parametrize("kind", FORMATS)
def test_loaded_and_let_go_twenty_times(kind):
    ran(kind, free_port(), "again", 20, "stand", 0.05).clean()


@pytest.mark.parametrize("kind", ["clap", "vst3"])
def test_its_state_comes_back(kind):
    words = ("set", INDEX["density"], 5, "stand", 0.05, "save", "set", INDEX["density"], 1, "stand", 0.05, "load")
    take = ran(kind, free_port(), *words, "stand", 0.05)
    assert ["loaded", "1", "0", "0", "0"] in take.lines


def test_notes_end_when_rnnmuse_is_gone():
    with echo() as stage:
        env = {"RNNMUSE_PORT": str(stage.port), "RNNMUSE_ENGINE": "none"}
        words = ("set", INDEX["mode"], 0, "wait", 10, "stand", 0.5, "play", 9, "stand", 0.1)
        with program(command("clap", *words), env) as made:
            stage.reached()
            until(lambda: stage.stage.clock.running)
            with stage.stage.lock:
                stage.stage.notes.plan_on(
                    stage.stage.about.claims()[0], stage.stage.clock.tick_at(stage.stage.now()) + 480, 60, 90
                )
            made.until(" 60 90")
            stage.crash()
            made.until(" 60 0", 15)
            assert made.process.poll() is None


def test_where_the_files_go(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    assert {kind: path.name for kind, path in files.folders().items()} == {
        "lv2": ".lv2",
        "vst3": ".vst3",
        "clap": ".clap",
    }
    with pytest.raises(files.PluginError, match=r"no rnnmuse\.lv2"):
        files.built(tmp_path)
