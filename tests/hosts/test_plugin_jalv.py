"""The LV2 plugin, built here, in jalv on a real JACK server; and its description, read by LV2's own validator."""

import itertools
import signal
import subprocess

import pytest
from echo import echo, jack, jack_connect, program, until
from programs import build_plugin, jalv, missing, no_plugin

pytestmark = pytest.mark.skipif(bool(no_plugin()), reason=no_plugin())
needs_jalv = pytest.mark.skipif(bool(missing("jalv", "jackd")), reason="jalv or jackd is not installed")


@pytest.fixture(scope="module")
def plugin():
    return build_plugin()["folder"]


def test_its_description_is_valid(plugin):
    if missing("lv2_validate", "sord_validate"):
        pytest.skip("lv2_validate and sordi are not installed")
    files = [str(file) for file in plugin.glob("rnnmuse.lv2/*.ttl")]
    done = subprocess.run(["lv2_validate", *files], capture_output=True, text=True)
    output = done.stdout + done.stderr
    assert " errors among " in output  # it has read them
    # DPF also writes the names that MOD's devices show, and KXStudio's programs; those are not among LV2's own
    others = ("http://moddevices.com/ns/mod#", "http://kxstudio.sf.net/ns/lv2ext/programs#")
    errors = [error for error in output.split("error: ")[1:] if not any(name in error for name in others)]
    assert errors == []


@needs_jalv
def test_every_note_goes_through_the_host_and_back(plugin):
    with jack(), echo() as stage, jalv(stage.port, plugin, temperature=0.7) as made:
        stage.reached()
        assert stage.probe(3) == "plugin"
        until(lambda: abs(stage.stage.control.value("/rnnmuse/player/1/param/temperature") - 0.7) < 1e-6)
        result = stage.play(60)
        assert (result.sent, result.lost, result.open) == (60, 0, 0)
        assert made.process.poll() is None


@needs_jalv
def test_the_host_goes_on_without_rnnmuse_and_ends_its_notes(plugin):
    dump_command = (["jack_midi_dump"], None, None, signal.SIGINT)
    with jack(), echo() as stage, jalv(stage.port, plugin) as made, program(*dump_command) as dump:
        jack_connect("muse:lv2_events_out", "midi-monitor:input")
        stage.reached()
        stage.stage.take("/rnnmuse/transport/play")
        with stage.stage.lock:
            stage.stage.notes.plan_on(1, 960, 60, 90)
        until(lambda: any("90 3c 5a" in line.lower() for line in dump.lines))
        stage.crash()
        until(lambda: any("80 3c 00" in line.lower() for line in dump.lines))
        with echo(stage.port) as again:
            again.reached()
            assert again.play(10).lost == 0
        assert made.process.poll() is None


@needs_jalv
def test_the_host_killed_and_started_again(plugin):
    with jack(wait=False), echo() as stage:
        with jalv(stage.port, plugin) as made:
            stage.reached()
            stage.plan(3000, ticks=20)
            until(lambda: len(stage.came) > 20)
            made.kill()
        stage.sounding.clear()
        before = stage.stage.about.claims()
        with jalv(stage.port, plugin, "again"):  # the player of the one that was killed is its own for some seconds yet
            until(lambda: len(stage.stage.about.claims()) > len(before))
            (stage.player,) = set(stage.stage.about.claims()) - set(before)
            seen = len(stage.came)
            stage.plan(300, first=4000, ticks=20)
            until(lambda: len(stage.came) > seen + 20)
            stage.stage.take("/rnnmuse/transport/stop")
            until(lambda: not stage.sounding)


@needs_jalv
def test_the_hosts_transport_leads(plugin):
    with jack(), echo() as stage, jalv(stage.port, plugin, lead=1), program(["jack_transport"]) as transport:
        stage.reached()
        desk = stage.stage.control
        until(lambda: desk.value("/rnnmuse/transport/source") == "osc")
        for word in ("master", "tempo 96", "play"):
            transport.say(word)
        until(lambda: stage.stage.clock.running)
        until(lambda: abs(desk.value("/rnnmuse/transport/tempo") - 96) < 0.1)
        transport.say("stop")
        until(lambda: not stage.stage.clock.running)
        transport.say("exit")


@needs_jalv
def test_notes_lie_on_the_hosts_own_timeline_to_the_sample(plugin):
    dump_command = (["jack_midi_dump", "-a"], None, None, signal.SIGINT)
    with (
        jack(),
        echo() as stage,
        jalv(stage.port, plugin, lead=1),
        program(*dump_command) as dump,
        program(["jack_transport"]) as transport,
    ):
        jack_connect("muse:lv2_events_out", "midi-monitor:input")
        stage.reached()
        until(lambda: stage.stage.control.value("/rnnmuse/transport/source") == "osc")
        for word in ("master", "tempo 120", "play"):
            transport.say(word)
        until(lambda: stage.stage.clock.running and stage.stage.transport.place > 1)
        begin = (stage.stage.clock.tick_at(stage.stage.now()) // 960 + 2) * 960
        for number in range(12):
            with stage.stage.lock:
                stage.stage.notes.plan_on(1, begin + 480 * number, 60 + number, 90)
                stage.stage.notes.plan_off(1, begin + 480 * number + 100, 60 + number)
        until(lambda: len([line for line in dump.lines if ": 90" in line]) == 12)
        frames = [int(line.split(":")[0]) for line in dump.lines if ": 90" in line]
        transport.say("exit")
    apart = [b - a for a, b in itertools.pairwise(frames)]
    assert all(abs(gap - 12000) <= 2 for gap in apart), apart
