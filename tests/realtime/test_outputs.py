"""Outputs that want notes early, MIDI clock out, and lanes, with the clocks in the test's hands."""

import pytest

from rnnmuse.bridges import dirt
from rnnmuse.clock import PPQ, Clock
from rnnmuse.protocol import ProtocolError
from rnnmuse.realtime.lanes import TOO_LATE, Lane, Lateness
from rnnmuse.realtime.stage import Settings
from rnnmuse.session import messages as m
from rnnmuse.testing import RecordingOutput, StageClient

P1, T = "/rnnmuse/player/1", "/rnnmuse/transport"


@pytest.fixture
def stage():
    """A stage without an engine; the tests plan the notes."""
    made = StageClient(Settings(port=0, engine=False))
    yield made
    assert not made.hung()
    made.close()


def port(stage, name, **options):
    made = RecordingOutput(lambda: stage.time, name, **options)
    stage.stage.add_output(made)
    return made


def plan(stage, player, begins, ends, velocity=90, pitch=60):
    stage.stage.notes.plan_on(player, round(begins * PPQ), pitch, velocity)
    stage.stage.notes.plan_off(player, round(ends * PPQ), pitch)


def seconds(stage, since, output):
    return [(at - since) / 1e9 for at, _ in output.events]


def test_each_output_gets_its_notes_as_early_as_it_wants(stage):
    slow, fast = port(stage, "slow", ahead=100_000_000), port(stage, "fast")
    late = port(stage, "late", ahead=-50_000_000)
    stage.send(f"{T}/play")
    began = stage.time
    plan(stage, 1, 1, 2)
    stage.run(1.5)
    for output, early in ((slow, 0.1), (fast, 0.0), (late, -0.05)):
        assert seconds(stage, began, output) == pytest.approx([0.5 - early, 1.0 - early], abs=0.0005)
        assert [(sent.due - began) / 1e9 for _, sent in output.events] == pytest.approx([0.5, 1.0])
        assert [sent.velocity for _, sent in output.events] == [90, 0]
        assert output.events[0][1].beats == 1.0
    assert not stage.stage.notes.ledger.sounding


def test_a_recalled_note_takes_its_end_with_it(stage):
    stage.send(f"{T}/play")
    plan(stage, 1, 1, 2)
    stage.stage.orders.order(m.Recall(1, 0))
    plan(stage, 1, 1, 4, velocity=80)
    stage.run(2.5)
    assert [(round(s.beat), s.velocity) for s in stage.notes()] == [(1, 80), (4, 0)]


def test_clock_goes_out_in_time_and_follows_start_stop_and_position(stage):
    output = port(stage, "port", clock=True)
    stage.send(f"{T}/play")
    began = stage.time
    stage.run(1.99)
    pulses = [at - began for at, data in output.data if data == [0xF8]]
    assert output.data[0][1] == [0xFA]
    assert len(pulses) == 96
    assert max(abs(at - i * 500e6 / 24) for i, at in enumerate(pulses)) <= 250_000
    stage.send(f"{T}/stop")
    assert output.data[-1][1] == [0xFC]
    stage.send(f"{T}/position", 6.1)
    before, again = len(output.data), stage.time
    stage.send(f"{T}/continue")
    stage.run(1.0)
    said = [data for _, data in output.data[before:]]
    assert said[:3] == [[0xF2, 25, 0], [0xFB], [0xF8]]  # the next sixteenth is 6.25 beats
    assert (output.data[before + 1][0] - again) / 1e9 == pytest.approx(0.15 * 0.5, abs=0.0005)


def test_an_action_that_fails_does_not_end_the_music(stage):
    stage.send(f"{T}/play")
    stage.stage.scheduler.commands.at(stage.time, lambda: 1 / 0)
    stage.stage.scheduler.lanes[0].plan(10, lambda: 1 / 0)
    plan(stage, 1, 1, 2)
    stage.run(1.5)
    assert [code for _, code, _ in stage.errors()] == ["internal", "internal"]
    assert len(stage.notes()) == 2


def test_tidal_events_are_notes():
    pairs = ["cps", 0.5, "s", "superpiano", "note", 4.0, "orbit", 2, "gain", 1.0, "delta", 0.5]
    assert dirt.note_of(pairs, 120) == (3, 64, 80, 1.0)
    assert dirt.note_of(["midinote", 50, "velocity", 0.5, "sustain", 1.0], 60) == (1, 50, 64, 1.0)
    for wrong in (["note"], [1, 2], ["note", "c"], ["note", float("nan")], ["n", 500]):
        with pytest.raises(ProtocolError, match="/dirt/play"):
            dirt.note_of(wrong, 120)


def test_a_note_struck_again_ends_where_the_next_begins_and_the_next_has_its_own_end(stage):
    stage.send(f"{T}/play")
    for player, begins, ends in ((1, 1, 4), (2, 2, 3)):
        stage.send(f"/rnnmuse/player/{player}/channel", 1)
        plan(stage, player, begins, ends)
    stage.run(2.5)
    assert [(sent.beat, sent.velocity, sent.player) for sent in stage.notes()] == [
        (1, 90, 1), (2, 0, 1), (2, 90, 2), (3, 0, 2)]  # fmt: skip


def test_each_note_is_of_its_part_though_it_is_struck_again(stage):
    stage.send(f"{T}/play")
    for part, begins in ((0, 1), (1, 2), (0, 3)):
        stage.stage.notes.plan_on(1, begins * PPQ, 60, 90, part)
        stage.stage.notes.plan_off(1, (begins + 4) * PPQ, 60, part)
    stage.run(5.0)
    assert [(sent.beat, sent.velocity, sent.part) for sent in stage.notes()] == [
        (1, 90, 0), (2, 0, 0), (2, 90, 1), (3, 0, 1), (3, 90, 0), (7, 0, 0)]  # fmt: skip


def test_a_late_end_does_not_cut_the_next_note_of_its_pitch(stage):
    stage.send(f"{T}/play")
    plan(stage, 1, 1, 3)
    stage.run(0.75)
    stage.stage.orders.order(m.AllOff(1, 2 * PPQ))
    plan(stage, 1, 2, 4, velocity=80)
    stage.run(1.75)
    assert [(round(sent.beat), sent.velocity) for sent in stage.notes()] == [(1, 90), (2, 0), (2, 80), (4, 0)]


def test_a_player_with_a_target_plays_to_it_and_to_the_recording(stage):
    synth, other, take = port(stage, "My Synth"), port(stage, "other"), port(stage, "record take.mid")
    stage.send(f"{T}/play")
    stage.send("/rnnmuse/player/2/target", "synth")
    plan(stage, 2, 1, 2)
    stage.run(1.5)
    assert [len(output.events) for output in (synth, other, take)] == [2, 0, 2]
    assert stage.ask("/rnnmuse/player/2/target") == ("synth",)


def test_a_change_of_channel_while_a_note_sounds_ends_it_there(stage):
    stage.send(f"{T}/play")
    plan(stage, 1, 1, 4)
    plan(stage, 1, 3, 4, pitch=64)
    stage.run(1.0)
    stage.send(f"{P1}/channel", 5)
    stage.run(1.5)
    assert [(sent.channel, sent.pitch, sent.velocity) for sent in stage.notes()] == [
        (0, 60, 90), (0, 60, 0), (4, 64, 90), (4, 64, 0)]  # fmt: skip


def test_a_note_with_a_length_ends_by_itself_and_at_once_while_the_clock_stands():
    stage = StageClient()
    stage.send(f"{P1}/note", 60, 90, 2.0)
    stage.settle()
    heard = [message for message in stage.engine.taken if isinstance(message, m.Hear)]
    assert [(hear.pitch, hear.velocity) for hear in heard] == [(60, 90), (60, 0)]
    stage.send(f"{T}/play")
    stage.send(f"{P1}/note", 62, 90, 2.0)
    stage.run(0.99)
    heard = [message for message in stage.engine.taken if isinstance(message, m.Hear)][2:]
    assert [(hear.pitch, hear.velocity) for hear in heard] == [(62, 90)]
    stage.run(0.02)
    heard = [message for message in stage.engine.taken if isinstance(message, m.Hear)][2:]
    assert [(hear.pitch, hear.velocity) for hear in heard] == [(62, 90), (62, 0)]
    assert heard[1].beat == pytest.approx(2.0, abs=0.01)
    stage.close()


def test_a_note_that_leaves_ahead_is_dropped_by_its_own_time():
    clock = Clock()
    clock.start(0)
    lateness, done = Lateness(), []
    lane = Lane(clock, 100_000_000, lateness)
    for tick in (PPQ, 2 * PPQ):
        lane.plan(tick, lambda tick=tick: done.append(tick))
    beat = 500_000_000
    lane.run_due(beat + TOO_LATE - 1)  # 200 ms after it was to leave, but not yet 100 ms after its own time
    lane.run_due(2 * beat + TOO_LATE + 1)
    assert done == [PPQ]
    assert lateness.dropped == 1


def test_a_note_that_is_dropped_takes_its_end_with_it_and_the_end_of_one_that_sounds_is_always_sent():
    clock = Clock()
    clock.start(0)
    lateness, done = Lateness(), []
    lane = Lane(clock, 0, lateness)
    sounding = lane.plan(0, lambda: done.append("begin"))
    lane.plan(PPQ, lambda: done.append("end"), ends=True, after=sounding)
    late = lane.plan(PPQ, lambda: done.append("late"))
    lane.plan(2 * PPQ, lambda: done.append("end of late"), ends=True, after=late)
    lane.run_due(0)
    lane.run_due(10**10)
    assert done == ["begin", "end"]
    assert lateness.dropped == 1
    assert len(lane) == 0


def test_at_one_tick_ends_come_first_and_a_lane_says_when_it_is_due():
    clock = Clock()
    clock.start(0)
    lane, done = Lane(clock, 0, Lateness(), early=1_000, each=100), []
    for name in "ab":
        lane.plan(PPQ, lambda name=name: done.append(name))
    lane.plan(PPQ, lambda: done.append("end"), ends=True)
    assert lane.run_due(0) == 500_000_000 - 1_000 - 3 * 100
    assert lane.run_due(500_000_000 - 1_301) == 500_000_000 - 1_300
    assert done == []
    assert lane.run_due(500_000_000 - 1_300) is None
    assert done == ["end", "a", "b"]
    lane.plan(2 * PPQ, lambda: done.append("later"))
    clock.stop(600_000_000)
    assert lane.run_due(10**10) is None
    assert done[-1] == "b"
