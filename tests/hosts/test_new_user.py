"""A page's steps as a new user takes them, with the real rnnmuse live: export, start, check, and notes come."""

import glob
import re
import shlex
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import pytest
from echo import ROOT, free_port, jack, jack_connect, program, until
from jackd import jack_rtmidi
from programs import DPF, QUIET, SONIC_PI, ardour, in_full, missing, no_plugin, osc_port, sonic_pi, voices
from typer.testing import CliRunner

from rnnmuse.bridges import hosts
from rnnmuse.bridges.plugin import install, plan
from rnnmuse.bridges.synth import soundfont
from rnnmuse.cli.main import app


@contextmanager
def started(*words):
    """`rnnmuse live` on a free port; yields the port."""
    command = [sys.executable, "-m", "rnnmuse.cli.main", "live", *words, "--osc-port", "0"]
    with program(command, {"PYTHONPATH": str(ROOT)}) as made:
        yield int(made.until("OSC", 60).rsplit(":", 1)[1])


@pytest.fixture
def live():
    with started("--no-midi") as port:
        yield port


def position(port):
    with hosts.Line(port) as line:
        return line.ask("/rnnmuse/transport/position")[0]


def export(name, folder):
    done = CliRunner().invoke(app, ["bridges", "export", name, str(folder)])
    assert done.exit_code == 0, done.output


def notes_out(port):
    with hosts.Line(port) as line:
        return line.ask("/rnnmuse/stats")[1]


@pytest.mark.skipif(bool(missing("csound")), reason="csound is not installed")
def test_csound(live, tmp_path):
    export("csound", tmp_path)
    ports = [f"--omacro:RNNMUSE={live}", f"--omacro:RNNMUSE_OURS={free_port()}"]
    with program(["csound", "-+rtaudio=null", *ports, tmp_path / "play.csd"], cwd=tmp_path):
        until(lambda: notes_out(live) > 4, 30, "player 1 does not play")
        assert "10 of 10 probes" in hosts.check(hosts.find("csound"), live)[1]


@pytest.mark.skipif(bool(missing("pd")), reason="pd is not installed")
def test_pure_data(live, tmp_path):
    export("pd", tmp_path)
    help_patch = tmp_path / "rnnmuse-help.pd"
    help_patch.write_text(help_patch.read_text("utf-8").replace("rnnmuse 7707", f"rnnmuse {live}"), "utf-8")
    click = tmp_path / "click.pd"  # the message boxes free and start, as a mouse would press them
    click.write_text(
        "#N canvas 0 0 90 90 12;\n#X obj 9 9 loadbang;\n#X obj 9 30 delay 1500;\n"
        "#X msg 9 60 \\; rnnmuse-send /rnnmuse/player/1/mode free \\; rnnmuse-send /rnnmuse/player/1/start;\n"
        "#X connect 0 0 1 0;\n#X connect 1 0 2 0;\n"
    )
    command = ["pd", "-nogui", "-noaudio", "-nomidi", "-stderr", "-path", tmp_path, help_patch, click]
    with program(command) as made:
        made.until("note:", 40)  # the help patch prints what its player plays
        assert "10 of 10 probes" in hosts.check(hosts.find("pd"), live)[1]


@pytest.mark.skipif(bool(missing("sclang")), reason="sclang is not installed")
def test_supercollider(live, tmp_path):
    place = tmp_path / "Extensions" / "RNNMuse"
    export("supercollider", place)
    script, settings = tmp_path / "user.scd", tmp_path / "sclang.yaml"
    script.write_text(f'm = RNNMuse("127.0.0.1", {live}).start; m.player(1).onNote = {{ |p| ("note" + p).postln }}; '
                      "m.player(1).start;")  # fmt: skip
    settings.write_text(f"includePaths: [{place}]\nexcludePaths: []\n")
    with program(["sclang", "-l", settings, script], QUIET) as made:
        made.until("note", 60)
        assert "10 of 10 probes" in hosts.check(hosts.find("supercollider"), live)[1]


@pytest.mark.skipif(bool(missing("fluidsynth", "jackd")) or not soundfont(), reason="no fluidsynth, JACK or SoundFont")
def test_fluidsynth(tmp_path):
    pytest.importorskip("rtmidi2", reason="rtmidi2 is not installed")
    export("fluidsynth", tmp_path)
    *command, _font = shlex.split(hosts.find("fluidsynth").steps[1], comments=True)
    with jack(), program([*command, soundfont()]) as made, started(tmp_path / "fluidsynth.toml") as live:
        until(lambda: voices(made) > 0, 40, "nothing sounds")
        assert "MIDI out: synth" in hosts.check(hosts.find("fluidsynth"), live)
        made.say("quit")
        made.process.wait(10)


@pytest.mark.skipif(
    bool(missing("ruby", "erl", "scsynth", "jackd", "o2m")) or not SONIC_PI.exists(),
    reason="Sonic Pi's server, or jackd, is not installed",
)
def test_sonic_pi(live, tmp_path):
    export("sonic-pi", tmp_path)
    with jack(), sonic_pi(tmp_path) as host:
        host.run_bridge(live, tmp_path)
        until(lambda: notes_out(live) > 4, 30, "player 1 does not play")
        assert "10 of 10 probes" in hosts.check(hosts.find("sonic-pi"), live, 20)[1]


@in_full
@pytest.mark.skipif(
    bool(missing("jackd", "ardour7-lua")) or not glob.glob("/usr/lib/ardour7/hardour-*"),
    reason="jackd or Ardour 7 is not installed",
)
def test_ardour(tmp_path):
    pytest.importorskip("rtmidi2", reason="rtmidi2 is not installed")
    export("ardour", tmp_path)
    with jack(), started(tmp_path / "ardour.toml") as live, ardour(tmp_path) as made:
        port = osc_port(made)  # once the session is loaded: what was connected before, it takes back
        jack_connect("ardour:MIDI Clock out", "rnnmuse in", 60)
        page = (ROOT / "docs" / "hosts" / "ardour.md").read_text("utf-8")
        message = re.search(r'python3 -c "(.*)"', page)[1].replace("3819", str(port))
        for patience in (5, 5, 30):  # as the page says: it may not hear the first
            subprocess.run([sys.executable, "-c", message], check=True)
            with suppress(AssertionError):
                until(lambda: position(live) > 2, patience)
        assert position(live) > 2, "its clock does not lead"
        rtmidi2 = jack_rtmidi()
        keyboard, done = rtmidi2.MidiOut("keyboard", rtmidi2.API_UNIX_JACK), threading.Event()
        keyboard.open_virtual_port("keys")
        jack_connect("keyboard:keys", "rnnmuse in")  # as a track would be

        def play():
            while not done.wait(0.25):
                keyboard.send_raw(0x90, 60, 100)
                keyboard.send_raw(0x80, 60, 0)

        threading.Thread(target=play, daemon=True).start()
        try:
            assert "a note came from Ardour" in hosts.check(hosts.find("ardour"), live)
            until(lambda: notes_out(live) > 4, 30, "player 1 does not accompany")
        finally:
            done.set()
            keyboard.close_port()


@pytest.mark.skipif(bool(no_plugin()), reason=no_plugin())
def test_the_plugin_is_built_from_the_exported_folder_and_installed(tmp_path):
    export("plugin", tmp_path / "my-plugin")
    words = [
        "make",
        "-C",
        tmp_path / "my-plugin",
        "UI=0",
        f"DPF={DPF}",
        f"OUT={tmp_path}/out",
        f"BUILD={tmp_path}/build",
    ]
    subprocess.run(words, check=True, capture_output=True)
    placed = plan(tmp_path / "out", tmp_path / "folders")
    install(placed)
    assert {one.target.relative_to(tmp_path / "folders").as_posix() for one in placed} == {
        "lv2/rnnmuse.lv2",
        "vst3/rnnmuse.vst3",
        "clap/rnnmuse.clap",
    }
    assert all(one.state == "same" for one in plan(tmp_path / "out", tmp_path / "folders"))
