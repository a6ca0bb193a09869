"""The plugin as VST3 in a track of Ardour: its scanner finds it, its transport leads, notes go there and back."""

import contextlib
import glob
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from echo import begun_again, echo, free_port, jack, jack_connect, note, program, until
from programs import TRACK, Surface, ardour, build_plugin, in_full, missing, no_plugin, osc_port

from rnnmuse.bridges.hosts import HostError, Line
from rnnmuse.bridges.ports import MidiSystem
from rnnmuse.realtime.rig import open_ports

pytest.importorskip("rtmidi", reason="python-rtmidi is not installed")
SCANNER = "/usr/lib/ardour7/ardour-vst3-scanner"
pytestmark = [
    pytest.mark.skipif(
        bool(missing("jackd", "ardour7-lua")) or not glob.glob(SCANNER),
        reason="jackd or Ardour 7 is not installed",
    ),
    pytest.mark.skipif(bool(no_plugin()), reason=no_plugin()),
    in_full,
]
PLUGIN = TRACK.replace(
    's:save_state("")',
    """local track = s:route_by_name("Muse")
local plugin = ARDOUR.LuaAPI.new_plugin(s, "2046504473616C636573756D00000000", ARDOUR.PluginType.VST3, "")
assert(not plugin:isnil(), "the plugin was not found")
track:add_processor_by_index(plugin, 0, nil, true)
s:save_state("")""",
)


def scanned(folder: Path) -> None:
    """The plugin where Ardour looks for it, and what its scanner finds in it."""
    home = folder / "home"
    (home / ".vst3").mkdir(parents=True)
    shutil.copytree(build_plugin()["folder"] / "rnnmuse.vst3", home / ".vst3" / "rnnmuse.vst3")
    plugin = next((home / ".vst3").glob("rnnmuse.vst3/Contents/*/rnnmuse.so"))
    os.utime(plugin, (1e9, 1e9))  # one made in this second Ardour 7.3 takes for newer than what was found
    places = os.environ | {"HOME": str(home), "LD_LIBRARY_PATH": "/usr/lib/ardour7", "LC_ALL": "C.UTF-8"}
    words = [SCANNER, "-f", "-v", str(home / ".vst3/rnnmuse.vst3")]
    done = subprocess.run(words, env=places, capture_output=True, text=True, timeout=60)
    assert 'n_midi_inputs="1" n_midi_outputs="1"' in done.stdout, done.stdout + done.stderr


@begun_again
def test_its_transport_leads_and_notes_go_both_ways_through_its_track(tmp_path):
    scanned(tmp_path)
    with jack(), echo() as stage:
        ports = open_ports(stage.stage, MidiSystem()).virtual()
        assert all(state.state == "open" for state in ports), ports
        with ardour(tmp_path, PLUGIN, RNNMUSE_PORT=str(stage.port), RNNMUSE_ENGINE="none") as made:
            stage.reached(60)
            assert stage.probe(4) == "plugin"
            s = stage.stage
            until(lambda: s.control.value("/rnnmuse/transport/source") == "osc")
            surface = Surface(osc_port(made))
            surface.press("/transport_play", lambda: s.clock.running)
            until(lambda: s.transport.place > 2)
            assert abs(float(s.clock.tempo) - 120) < 0.5
            surface.insist("/strip/monitor_input", 1, 1.0)
            jack_connect("rnnmuse out", "ardour:Muse/midi_in 1", 60)  # what the track gets, the player hears
            with program(["jack_midi_dump", "-a"], None, None, signal.SIGINT) as dump:  # not while Ardour begins
                jack_connect("ardour:Muse/midi_out 1", "midi-monitor:input")
                notes_go_both_ways(stage, dump)
                notes_lie_on_the_beat(stage, dump)
                with s.lock:
                    s.notes.plan_on(1, s.clock.tick_at(s.now()) + 480, 100, 90)
                until(lambda: (100, 90) in played(dump, "9"))
                stage.crash()
                until(lambda: (100, 0) in played(dump, "8"), 20, "the note hangs")
            surface.say("/transport_stop")
            assert made.process.poll() is None


STEPS = (
    "copy rnnmuse.vst3 from the release's folder to .vst3",
    "have Ardour scan its plugins",
    "put rnnmuse on a MIDI track",
    "press play",
)
"""What a person does who has the package, until the first note; none of it in a terminal."""


def answers(port):
    with contextlib.suppress(HostError), Line(port, 1.0) as line:
        return line.name == "rnnmuse"
    return False


@begun_again
def test_from_the_installed_package_to_a_note_in_a_track_in_four_steps(tmp_path):
    """The package is what its installer leaves: a command in .local/bin. Nothing else was started or registered."""
    port, root, done = free_port(), str(Path(__file__).parents[2]), []
    installed = tmp_path / "home" / ".local" / "bin" / "rnnmuse"
    installed.parent.mkdir(parents=True)
    text = f'#!/bin/sh\nexec {sys.executable} -c "from rnnmuse.cli.main import main; main()" "$@"\n'
    installed.write_text(text)
    installed.chmod(0o755)
    env = {"RNNMUSE_PORT": str(port), "PYTHONPATH": root, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")}
    try:
        scanned(tmp_path)
        done += STEPS[:2]
        with jack(), ardour(tmp_path, PLUGIN, **env) as made:
            done.append(STEPS[2])
            until(lambda: answers(port), 90, "the plugin does not start rnnmuse")
            with Line(port) as line:
                surface = Surface(osc_port(made))
                with program(["jack_midi_dump", "-a"], None, None, signal.SIGINT) as dump:
                    jack_connect("ardour:Muse/midi_out 1", "midi-monitor:input", 60)
                    until(lambda: line.ask("/rnnmuse/transport/source") == ("osc",), 60)
                    surface.press("/transport_play", lambda: line.ask("/rnnmuse/transport/running") == (1,))
                    done.append(STEPS[3])
                    until(lambda: len(played(dump, "9")) > 3, 30, "no note came")
                    surface.say("/transport_stop")
                    until(lambda: len(played(dump, "8")) >= len(played(dump, "9")), 20, "a note hangs")
        assert tuple(done) == STEPS
        assert len(STEPS) <= 4
    finally:
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = entry.read_bytes().split(b"\0")
                if b"--until-alone" in words and str(port).encode() in words:
                    os.kill(int(entry.parent.name), signal.SIGTERM)


def notes_go_both_ways(stage, dump):
    stage.plan(200, ticks=20, afresh=False)
    stage.wait(200)
    result = stage.result()
    assert (result.sent, result.lost, result.open) == (200, 0, 0)
    with contextlib.suppress(AssertionError):
        until(lambda: len(played(dump, "8")) >= 400, 10)
    # the plugin plays each note and, with Thru, passes on the one that the track got by rnnmuse's port
    assert Counter(played(dump, "9")) == {note(number): 2 for number in range(200)}
    assert len(played(dump, "8")) == 400


def notes_lie_on_the_beat(stage, dump):
    """Of the host's own timeline, to the sample."""
    s = stage.stage
    begin = (s.clock.tick_at(s.now()) // 960 + 2) * 960
    for number in range(8):
        with s.lock:
            s.notes.plan_on(1, begin + 480 * number, 40 + number, 77)
            s.notes.plan_off(1, begin + 480 * number + 100, 40 + number)
    until(lambda: len([line for line in dump.lines if line.endswith("velocity  77")]) == 16)
    first: dict[str, int] = {}  # of each pitch: the plugin's own; what passes through comes a period later
    for line in dump.lines:
        if line.endswith("velocity  77"):
            first.setdefault(line.split("pitch")[1], int(line.split(":")[0]))
    frames = list(first.values())
    apart = [b - a for a, b in itertools.pairwise(frames)]
    assert all(abs(gap - 12000) <= 2 for gap in apart), apart


def played(dump, kind):
    """Pitch and velocity of the note-ons (9) or note-offs (8) that a monitor has seen."""
    found = (re.search(rf": {kind}0 (\w\w) (\w\w)", line) for line in dump.lines)
    return [(int(m[1], 16), int(m[2], 16)) for m in found if m]
