"""Sonic Pi's own server: cues in, OSC out, with the bridge's buffer."""

import pytest
from echo import echo, jack, until
from programs import SONIC_PI, in_full, missing, sonic_pi, sonic_pi_echo

pytestmark = pytest.mark.skipif(
    bool(missing("ruby", "erl", "scsynth", "jackd", "o2m")) or not SONIC_PI.exists(),
    reason="Sonic Pi's server, or jackd, is not installed",
)


def test_every_cue_comes_and_goes_back(tmp_path):
    with jack(), echo() as stage, sonic_pi(tmp_path) as host:
        sonic_pi_echo(host, stage.port)
        stage.reached(30)
        until(lambda: stage.stage.players.look(1).started)  # its last line
        assert stage.probe(5) == "sonic-pi"
        result = stage.play(40, ticks=50)
        assert (result.lost, result.open) == (0, 0)


@in_full
def test_killed_and_started_again_it_plays_when_the_buffer_is_run(tmp_path):
    with jack(wait=False), echo() as stage:
        for number, home in enumerate((tmp_path / "one", tmp_path / "two")):
            home.mkdir()
            with sonic_pi(home) as host:
                sonic_pi_echo(host, stage.port)
                seen = len(stage.when)
                if not number:
                    stage.reached(30)
                    stage.plan(8000, ticks=50)
                until(lambda: len(stage.when) > seen + 10, 40, "no notes come")  # noqa: B023
                if not number:
                    host.kill()
                    stage.sounding.clear()  # what a dead host began, it cannot end
                    continue
                stage.stage.take("/rnnmuse/transport/stop")
                until(lambda: not stage.sounding, 20, "notes hang")
