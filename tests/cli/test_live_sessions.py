"""`rnnmuse live --sessions`: real processes, real ports."""

import re
import subprocess
import sys

import pytest

from rnnmuse.bridges.client import Client


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sessions", "0"], "sessions: 0; must be 1 to 128"),
        (["--sessions", "129"], "sessions: 129; must be 1 to 128"),
        (["--sessions", "4", "--until-alone", "5"], "until-alone: cannot be combined with --sessions"),
        (["--session-ports"], "session-ports: needs --sessions"),
        (["--sessions", "4", "--session-ports", "--osc-port", "65533"], "sessions: 4 with ports from 65533 on"),
    ],
)
def test_mistakes_are_named(options, said):
    done = subprocess.run(
        [sys.executable, "-m", "rnnmuse", "live", "--no-midi", *options], capture_output=True, text=True, timeout=60
    )
    assert done.returncode
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_session_has_its_prefix_on_the_common_port_and_a_port_of_its_own(tmp_path):
    rig = tmp_path / "house.toml"
    rig.write_text('[stage]\nchart = "Am7 | D7"\n\n[player.2]\nmode = "accompany"\n')
    options = ["--sessions", "3", "--session-ports", "--osc-port", "0", "--no-midi", "--model", "leadsheet"]
    command = [sys.executable, "-m", "rnnmuse", "live", str(rig), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as live:
        try:
            assert live.stdout is not None
            line = next(line for line in live.stdout if line.startswith("Sessions"))
            assert "/rnnmuse/session/3/" in line
            ports = [int(number) for number in re.findall(r"\d+", line.partition("on the ports")[2])]
            assert len(set(ports)) == 3
            with Client(ports[0], patience=60) as common, Client(ports[2], patience=60) as third:
                assert third.ask("/rnnmuse/sessions") == (3, 3)
                third.send("/rnnmuse/transport/tempo", 77.0)
                assert third.ask("/rnnmuse/transport/tempo") == (77.0,)
                assert common.ask("/rnnmuse/session/3/transport/tempo") == (77.0,)
                assert common.ask("/rnnmuse/transport/tempo") == (120.0,)
                assert common.ask("/rnnmuse/session/2/player/2/mode") == ("accompany",)
                assert third.ask("/rnnmuse/harmony/chart") == common.ask("/rnnmuse/harmony/chart")
                assert third.ask("/rnnmuse/hello")[2] == ports[2]
        finally:
            live.terminate()
        assert live.wait(30) == 0
