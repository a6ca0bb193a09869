"""The real programs with their bridges over OSC: every note there and back, either end lost and found again."""

import pytest
from echo import echo, until
from programs import HOSTS, missing, still_open


@pytest.fixture(params=HOSTS)
def host(request, tmp_path):
    command, start = HOSTS[request.param]
    if missing(*command.split()):
        pytest.skip(f"{command} is not installed")
    return request.param, lambda port: start(port, tmp_path)


def test_every_note_goes_there_and_back(host):
    name, start = host
    with echo() as stage, start(stage.port) as made:
        stage.reached()
        assert stage.probe(7) == name
        result = stage.play(60)
        assert (result.sent, result.lost, result.open) == (60, 0, 0)
        assert result.median < 40
        until(lambda: still_open(made) == 0)


def test_rnnmuse_gone_ends_the_notes_and_is_found_again(host):
    _, start = host
    with echo() as stage, start(stage.port) as made:
        stage.reached()
        stage.stage.take("/rnnmuse/transport/play")
        with stage.stage.lock:
            stage.stage.notes.plan_on(1, 0, 60, 90)
        until(lambda: still_open(made) == 1)
        stage.crash()
        until(lambda: still_open(made) == 0)
        with echo(stage.port) as again:
            again.reached()
            assert again.play(10).lost == 0


def test_the_host_killed_and_started_again(host):
    _, start = host
    with echo() as stage:
        with start(stage.port) as made:
            stage.reached()
            stage.plan(3000, ticks=20)
            until(lambda: len(stage.came) > 20)
            made.kill()
        stage.sounding.clear()
        seen = len(stage.came)
        with start(stage.port) as made:
            until(lambda: len(stage.came) > seen + 20)
            stage.stage.take("/rnnmuse/transport/stop")
            until(lambda: still_open(made) == 0 and not stage.sounding)
