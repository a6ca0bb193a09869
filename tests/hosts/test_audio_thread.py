"""The plugin's audio thread: plugin_host.c counts its allocations and locks and forbids it the system."""

import re
import signal
import subprocess

import pytest
from echo import echo, free_port, program, until
from programs import HEADERS, build_plugin_host, missing, no_headers

from rnnmuse.protocol import PARAMETERS

pytestmark = pytest.mark.skipif(
    bool(missing("gcc", "make", "pkg-config"))
    or bool(subprocess.run(["pkg-config", "--exists", "lv2", "liblo"]).returncode),
    reason="no gcc, lv2-dev or liblo-dev",
)
CLEAN = "allocations 0 locks 0 open 0"


@pytest.fixture(scope="module", params=["lv2", *HEADERS])
def host(request, tmp_path_factory):
    """A command that plays so many blocks with the plugin and an engine on this port."""
    if request.param in HEADERS and no_headers(request.param):
        pytest.skip(no_headers(request.param))
    made, plugin = build_plugin_host(request.param, tmp_path_factory.mktemp(request.param))
    return lambda port, blocks, rolls=0, guilty=0: [str(w) for w in (made, plugin, port, blocks, rolls, guilty)]


def ran(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode == 77:
        pytest.skip("this system has no seccomp")
    return done


def test_what_is_forbidden_is_seen(host):
    assert "allocations 1 locks 0" in ran(host(free_port(), 20, 1, 1)).stdout
    assert "allocations 0 locks 1" in ran(host(free_port(), 20, 1, 2)).stdout
    assert ran(host(free_port(), 20, 1, 3)).returncode == -signal.SIGSYS


def test_without_rnnmuse_it_is_silent_and_never_waits(host):
    done = ran(host(free_port(), 300, 1))
    assert done.returncode == 0, done.stderr
    assert f"notes 0 {CLEAN}" in done.stdout
    assert "connected" not in done.stdout


def test_notes_go_both_ways_and_end_when_rnnmuse_is_gone(host):
    with echo() as stage, program(host(stage.port, 1600)) as made:
        stage.reached()
        assert stage.probe(4) == "lv2"
        result = stage.play(200)
        assert (result.sent, result.lost, result.open) == (200, 0, 0)
        with stage.stage.lock:
            stage.stage.notes.plan_on(1, stage.stage.clock.tick_at(stage.stage.now()) + 480, 60, 90)
        until(lambda: 60 in stage.sounding)
        made.until("connected 1")
        stage.crash()
        made.until("connected 0")
        last = made.until("blocks", 40)
        assert f"notes 201 {CLEAN}" in last, last


def test_a_host_that_is_held_up_loses_no_note(host):
    with echo() as stage, program(host(stage.port, 800)) as made:
        stage.reached()
        stage.plan(300)
        until(lambda: len(stage.came) > 20)
        made.process.send_signal(signal.SIGSTOP)
        since = stage.stage.transport.place
        until(lambda: stage.stage.transport.place > since + 1.7)  # what waits would not fit the usual buffer
        made.process.send_signal(signal.SIGCONT)
        stage.wait(300)
        assert (stage.result().sent, stage.result().lost, stage.result().open) == (300, 0, 0)
        assert CLEAN in made.until("blocks", 40)


def test_its_transport_leads_without_a_lock(host):
    with echo() as stage, program(host(stage.port, 800, 1)) as made:
        clock = stage.stage.clock
        until(lambda: clock.running)
        until(lambda: stage.stage.transport.place > 1)
        assert abs(float(clock.tempo) - 120) < 0.01
        until(lambda: not clock.running)
        assert CLEAN in made.until("blocks", 40)


def test_a_prototype_has_the_ranges_of_the_protocol_and_keeps_its_state(host):
    lines = ran(host(free_port(), 1)).stdout
    if "parameter" not in lines:
        pytest.skip("LV2 says its ranges in Turtle: test_lv2 reads them")
    assert "state kept" in lines
    found = {
        name: tuple(map(float, numbers.split()))
        for name, numbers in re.findall(r"parameter (.+?) ([\d. e+]+)\n", lines)
    }
    titles = {"Temperature": "temperature", "Top p": "top_p", "Density": "density", "Velocity": "velocity",
              "Humanise": "humanise", "Lowest note": "low", "Highest note": "high"}  # fmt: skip
    for title, name in titles.items():
        argument, default, _ = PARAMETERS[name]
        assert found[title] == (default, argument.low, argument.high)
