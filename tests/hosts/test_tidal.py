"""TidalCycles itself, in ghci with the bridge's boot file: its patterns drive players and parameters, by time tags."""

import itertools
import shutil
import socket
import subprocess
from contextlib import contextmanager

import pytest
from echo import BRIDGES, echo, free_port, program, until

from rnnmuse.bridges import osc


def installed():
    if shutil.which("ghci") is None:
        return False
    found = subprocess.run(["ghc-pkg", "list", "--simple-output", "tidal"], capture_output=True, text=True)
    return "tidal" in found.stdout


pytestmark = pytest.mark.skipif(not installed(), reason="ghc or Tidal is not installed")


@contextmanager
def tidal(port, folder, superdirt=57120):
    """ghci with the boot file, on ports of its own."""
    text = (BRIDGES / "tidal" / "BootTidal.hs").read_text("utf-8")
    assert "oPort = 7707" in text
    text = text.replace("oPort = 7707", f"oPort = {port}")
    text = text.replace("cVerbose = True", f"cVerbose = True, cCtrlPort = {free_port()}, cTempoPort = {free_port()}")
    text = text.replace("superdirtTarget {", f"superdirtTarget {{oPort = {superdirt}, ")
    boot = folder / "BootTidal.hs"
    boot.write_text(text, "utf-8")
    with program(["ghci", "-v0", "-ignore-dot-ghci", "-ghci-script", boot], cwd=folder) as made:
        made.say('putStrLn "booted"')
        made.until("booted", 60)
        assert not [line for line in made.lines if "error" in line], made.lines
        yield made


def test_a_pattern_drives_players_and_parameters(tmp_path):
    with echo() as stage, tidal(stage.port, tmp_path) as made:
        desk = stage.stage.control
        made.say("setcps 2")
        made.say('d1 $ pitch "60 64 67 72" # player 3 # vel 80 # beats 0.1')
        made.say('d2 $ temperature "0.5" # player 2')
        made.say('once $ mode "accompany" # player 4 # key (pure "D minor") # lowest 40')
        made.say("once $ bpm 97")
        heard = stage.heard
        until(lambda: len(heard()) > 40)
        assert {hear.player for hear in heard()} == {3}
        pitches = [hear.pitch for hear in heard()]
        first = pitches.index(60)
        assert pitches[first : first + 32] == [60, 64, 67, 72] * 8
        until(lambda: desk.value("/rnnmuse/player/2/param/temperature") == 0.5)
        until(lambda: desk.value("/rnnmuse/player/4/mode") == "accompany")
        assert desk.value("/rnnmuse/player/4/param/key") == "D minor"
        assert desk.value("/rnnmuse/player/4/param/low") == 40
        assert desk.value("/rnnmuse/transport/tempo") == 97
        made.say("hush")
        assert not stage.sounding  # the stage's clock stands: no note lasts


def test_its_time_tags_are_the_times_of_the_notes(tmp_path):
    with echo() as stage, tidal(stage.port, tmp_path) as made:
        stage.stage.take("/rnnmuse/transport/play")
        made.say("setcps 2")
        made.say('d1 $ pitch "60 64 67 72" # player 1 # beats 0.1')
        until(lambda: len(stage.when) > 50)
        made.say("hush")
    apart = [(b - a) / 1e6 for a, b in zip(stage.when[10:], stage.when[11:], strict=False)]
    assert sorted(abs(gap - 125) for gap in apart)[len(apart) // 2] < 3, "ms from an eighth of a second"


def test_dirt_play_is_heard_and_superdirt_gets_its_own(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as superdirt:
        superdirt.bind(("127.0.0.1", 0))
        superdirt.settimeout(20)
        with echo() as stage, tidal(stage.port, tmp_path, superdirt.getsockname()[1]) as made:
            made.say('d1 $ note "0 3 7" # s "superpiano" # orbit 4 # hear 1')
            until(lambda: len(stage.heard()) >= 6)
            assert {hear.player for hear in stage.heard()} == {5}
            assert {hear.pitch for hear in stage.heard()} == {60, 63, 67}
            tags = []
            while len(tags) < 6:
                message = osc.parse(superdirt.recv(65536))[0]
                if message.address == "/dirt/play":
                    event = dict(zip(message.arguments[::2], message.arguments[1::2], strict=True))
                    assert event["s"] == "superpiano"
                    tags.append(osc.seconds_of(message.tag))
            assert all(abs(b - a - event["delta"]) < 0.001 for a, b in itertools.pairwise(tags))


def test_tidal_killed_and_started_again(tmp_path):
    with echo() as stage:
        stage.stage.take("/rnnmuse/transport/play")
        for _ in range(2):
            with tidal(stage.port, tmp_path) as made:
                seen = len(stage.when)
                made.say("setcps 2")
                made.say('d1 $ pitch "60 64 67 72" # player 1 # beats 0.5')
                until(lambda: len(stage.when) > seen + 10)  # noqa: B023
                made.kill()
            until(lambda: not stage.sounding, 10, "a note of a dead Tidal hangs")
