"""Ardour, a whole DAW without its window: it records our MIDI, leads and follows, and holds the plugin in a track."""

import contextlib
import glob
import re
import signal

import mido
import pytest
from echo import begun_again, echo, jack, jack_connect, note, program, until
from programs import TRACK, Surface, ardour, build_plugin, in_full, missing, no_plugin, osc_port

from rnnmuse.realtime.lead.ardour import ardour as leader

rtmidi = pytest.importorskip("rtmidi", reason="python-rtmidi is not installed")
pytestmark = [
    pytest.mark.skipif(
        bool(missing("jackd", "ardour7-lua")) or not glob.glob("/usr/lib/ardour7/hardour-*"),
        reason="jackd or Ardour 7 is not installed",
    ),
    in_full,
]


def saved_notes(session):
    """The notes in the MIDI files that Ardour recorded: channel, pitch, velocity; of a file half written, none."""
    files = sorted((session / "interchange").rglob("*.mid"))
    with contextlib.suppress(EOFError, OSError, ValueError):
        return [(m.channel, m.note, m.velocity) for file in files for m in mido.MidiFile(file)
                if m.type == "note_on" and m.velocity]  # fmt: skip
    return []


def connected(stage, made):
    """rnnmuse's output for Ardour's transport, once Ardour answers."""
    link = leader(stage.stage.transport, "ardour", "127.0.0.1", osc_port(made))
    stage.stage.add_output(link)
    until(lambda: link.there, 90, "Ardour does not answer")
    return link


def record(stage, folder, count, ticks=20):
    """Play notes into the armed track, and what Ardour then has in its own files."""
    from rnnmuse.bridges.ports import MidiSystem
    from rnnmuse.realtime.rig import open_ports

    ports = open_ports(stage.stage, MidiSystem()).virtual()
    assert all(state.state == "open" for state in ports), ports
    with ardour(folder) as made:
        link = connected(stage, made)
        surface = Surface(link.port)
        jack_connect("rnnmuse out", "ardour:Muse/midi_in 1", 60)  # earlier, the session that is loaded takes it back
        surface.insist("/strip/recenable", 1, 1.0)
        surface.say("/rec_enable_toggle")
        with contextlib.suppress(AssertionError):  # it may roll at once, and a second play would end the recording
            until(lambda: link.rolls, 4)
        stage.stage.take("/rnnmuse/transport/play")
        until(lambda: link.rolls and stage.stage.transport.place > 4, 20, "Ardour does not roll with us")
        stage.plan(count, ticks=ticks, afresh=False)
        stage.over()
        stage.stage.take("/rnnmuse/transport/stop")
        for _ in range(10):  # what was captured is written some time after the stop
            surface.say("/save_state")
            with contextlib.suppress(AssertionError):
                until(lambda: len(saved_notes(folder / "session")) >= len(stage.tally.left), 1)
                break
    return saved_notes(folder / "session")


@begun_again
def test_it_records_every_note_and_rolls_with_us(tmp_path):
    with jack(), echo() as stage:
        found = record(stage, tmp_path, 40)
    assert found == [(0, *note(number)) for number in range(40)]


@begun_again
def test_its_clock_leads_and_its_transport_starts_and_stops_us(tmp_path):
    from rnnmuse.bridges.ports import MidiSystem
    from rnnmuse.realtime.rig import open_ports

    with jack(), echo() as stage:
        ports = open_ports(stage.stage, MidiSystem()).virtual()
        assert all(state.state == "open" for state in ports), ports
        s = stage.stage
        s.take("/rnnmuse/transport/source", "midi")
        s.take("/rnnmuse/transport/tempo", 77)
        with ardour(tmp_path) as made:
            surface = Surface(connected(stage, made).port)
            jack_connect("ardour:MIDI Clock out", "rnnmuse in")
            surface.press("/transport_play", lambda: s.clock.running)
            until(lambda: abs(float(s.clock.tempo) - 120) < 1.5 and s.transport.place > 4)
            surface.press("/transport_stop", lambda: not s.clock.running)


@begun_again
def test_killed_and_started_again_it_rolls_again_and_no_note_hangs(tmp_path):
    from rnnmuse.bridges.ports import MidiSystem
    from rnnmuse.realtime.rig import open_ports

    with jack(wait=False), echo() as stage:  # a killed client stops a server that waits for it
        ports = open_ports(stage.stage, MidiSystem()).virtual()
        assert all(state.state == "open" for state in ports), ports
        with ardour(tmp_path) as made:
            link = connected(stage, made)
            jack_connect("rnnmuse out", "ardour:Muse/midi_in 1", 60)
            stage.plan(10000, ticks=20)
            until(lambda: link.rolls and len(stage.tally.left) > 20, 30, "Ardour does not roll with us")
            made.kill()
        until(lambda: not link.there and not link.rolls, 10, "its end is not noticed")
        with ardour(tmp_path, again=True) as made, program(["jack_midi_dump"], None, None, signal.SIGINT) as dump:
            if osc_port(made) != link.port:
                pytest.skip("meanwhile another Ardour has taken its OSC port")
            until(lambda: link.rolls, 90, "Ardour does not roll with us again")
            jack_connect("rnnmuse out", "ardour:Muse/midi_in 1", 60)
            jack_connect("ardour:Muse/midi_out 1", "midi-monitor:input")
            Surface(link.port).insist("/strip/monitor_input", 1, 1.0)
            until(lambda: len(on(dump)) > 20, 30, "no notes go through its track")
            stage.stage.take("/rnnmuse/transport/stop")
            until(lambda: not link.rolls, 20, "Ardour does not stop with us")
            until(lambda: not on(dump, sounding=True), 20, "notes hang in its track")


def on(dump, sounding=False):
    """The pitches of the note-ons that a monitor has seen; or those that have not been ended yet."""
    began, ended = [], []
    for line in dump.lines:
        found = re.search(r": ([89])0 (\w\w) (\w\w)", line)
        if found:
            (began if found[1] == "9" and found[3] != "00" else ended).append(found[2])
    return [pitch for pitch in set(began) if began.count(pitch) > ended.count(pitch)] if sounding else began


PLUGIN = TRACK.replace(
    's:save_state("")',
    """local track = s:route_by_name("Muse")
local plugin = ARDOUR.LuaAPI.new_plugin(s, "urn:rnnmuse:plugin", ARDOUR.PluginType.LV2, "")
assert(not plugin:isnil(), "the plugin was not found")
track:add_processor_by_index(plugin, 0, nil, true)
s:save_state("")""",
)


@begun_again
def test_the_plugin_sits_in_its_track_and_its_transport_leads(tmp_path):
    if no_plugin():
        pytest.skip(no_plugin())
    path = build_plugin()["folder"]
    with jack(), echo() as stage:
        env = {"LV2_PATH": f"{path}:/usr/lib/lv2", "RNNMUSE_PORT": str(stage.port), "RNNMUSE_ENGINE": "none"}
        with ardour(tmp_path, PLUGIN, **env) as made:
            stage.reached(60)
            assert stage.probe(4) == "plugin"
            s = stage.stage
            until(lambda: s.control.value("/rnnmuse/transport/source") == "osc")
            surface = Surface(osc_port(made))
            surface.press("/transport_play", lambda: s.clock.running)
            until(lambda: s.transport.place > 2)
            assert abs(float(s.clock.tempo) - 120) < 0.5
            surface.press("/transport_stop", lambda: not s.clock.running)
