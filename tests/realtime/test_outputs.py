"""Outputs that want notes early, MIDI clock out, and changes at the bar, on a manual clock."""

import threading

import pytest

from rnnmuse.bridges import dirt
from rnnmuse.clock import PPQ, Clock
from rnnmuse.protocol import ProtocolError
from rnnmuse.realtime.scheduler import TOO_LATE, Scheduler
from rnnmuse.realtime.seats import Settings
from rnnmuse.realtime.stage import Stage


class Port:
    def __init__(self, table, name="port", ahead=0, clock=False):
        self.name, self.ahead, self.clock, self.table = name, ahead, clock, table
        self.notes, self.data = [], []
        self.broken = False

    def prepare(self, sent):
        def send():
            if self.broken:
                raise RuntimeError("gone")
            self.notes.append((self.table.now, sent))

        return send

    def transport(self, data):
        if self.broken:
            raise RuntimeError("gone")
        self.data.append((self.table.now, data))

    def close(self):
        pass


class Table:
    def __init__(self):
        self.now = 0
        self.stage = Stage(Settings(engine=False, osc=False), now=lambda: self.now)

    def until(self, seconds, step=1_000_000):
        while self.now < seconds * 1e9:
            for lane in list(self.stage.lanes.values()):
                lane.early = lane.each = 0  # there is no outbox here that waits for the time
                lane.run_due(self.now)
            self.now += step

    def port(self, **options):
        port = Port(self, **options)
        self.stage.add_output(port)
        return port


@pytest.fixture
def table():
    return Table()


def test_each_output_gets_its_notes_as_early_as_it_wants(table):
    slow, fast = table.port(name="slow", ahead=100_000_000), table.port(name="fast")
    late = table.port(name="late", ahead=-50_000_000)
    table.stage.desk.local("/rnnmuse/transport/play")
    table.stage.plan_note(1, PPQ, 60, 90)
    table.stage.plan_off(1, 2 * PPQ, 60)
    table.until(1.5)
    for port, early in ((slow, 0.1), (fast, 0.0), (late, -0.05)):
        assert [at / 1e9 for at, _ in port.notes] == pytest.approx([0.5 - early, 1.0 - early], abs=0.002)
        assert [sent.due / 1e9 for _, sent in port.notes] == pytest.approx([0.5, 1.0], abs=0.001)
        assert [sent.velocity for _, sent in port.notes] == [90, 0]
        assert port.notes[0][1].beats == 1.0
    assert not table.stage.ledger.sounding


def test_a_recalled_note_takes_its_end_with_it(table):
    port = table.port()
    stage = table.stage
    stage.desk.local("/rnnmuse/transport/play")
    stage.plan_note(1, PPQ, 60, 90)
    stage.plan_off(1, 2 * PPQ, 60)
    stage._order(("recall", 1, 0))
    stage.plan_note(1, PPQ, 60, 80)
    stage.plan_off(1, 4 * PPQ, 60)
    table.until(2.5)
    assert [(round(s.beat), s.velocity) for _, s in port.notes] == [(1, 80), (4, 0)]


def test_a_port_that_is_gone_is_let_go_and_the_others_play_on(table):
    broken, good = table.port(name="broken", clock=True), table.port(name="good")
    table.stage.desk.local("/rnnmuse/transport/play")
    table.stage.plan_note(1, PPQ, 60, 90)
    table.until(0.6)
    broken.broken = True
    table.stage.plan_off(1, 2 * PPQ, 60)
    table.until(1.2)
    assert "broken" not in table.stage.outputs
    assert [s.velocity for _, s in good.notes] == [90, 0]
    assert not table.stage.ledger.sounding


def test_clock_goes_out_in_time_and_follows_start_stop_and_position(table):
    port = table.port(clock=True)
    desk = table.stage.desk
    desk.local("/rnnmuse/transport/play")
    table.until(2.0)
    pulses = [at for at, data in port.data if data == [0xF8]]
    assert port.data[0][1] == [0xFA]
    assert len(pulses) == 96
    assert max(abs(at - i * 500e6 / 24) for i, at in enumerate(pulses)) <= 1_000_000
    desk.local("/rnnmuse/transport/stop")
    assert port.data[-1][1] == [0xFC]
    desk.local("/rnnmuse/transport/position", 6.1)
    before = len(port.data)
    desk.local("/rnnmuse/transport/continue")
    table.until(3.0)
    said = [data for _, data in port.data[before:]]
    assert said[:3] == [[0xF2, 25, 0], [0xFB], [0xF8]]  # the next sixteenth is 6.25 beats
    assert port.data[before + 1][0] / 1e9 == pytest.approx(2.0 + 0.15 * 0.5, abs=0.002)


def test_changes_come_at_the_bar_when_that_is_asked(table):
    stage = table.stage
    told = []
    stage.tell = lambda *message: told.append((table.now, message))
    stage.desk.local("/rnnmuse/transport/play")
    stage.desk.local("/rnnmuse/player/1/when", "bar")
    table.until(0.3)
    stage.desk.local("/rnnmuse/player/1/param/density", 3)
    table.until(2.5)
    ((at, _),) = [(at, m) for at, m in told if m[0] == "set"]
    assert at / 1e9 == pytest.approx(2.0, abs=0.003)


def test_an_action_that_fails_does_not_end_the_music():
    stage = Stage(Settings(engine=False, osc=False))
    stage.open()
    later = threading.Event()
    try:
        stage.desk.local("/rnnmuse/transport/play")
        stage.scheduler.plan(0, lambda: 1 / 0)
        stage.scheduler.plan(10, later.set)
        assert later.wait(10)
    finally:
        stage.close()


def test_tidal_events_are_notes():
    pairs = ["cps", 0.5, "s", "superpiano", "note", 4.0, "orbit", 2, "gain", 1.0, "delta", 0.5]
    assert dirt.note_of(pairs, 120) == (3, 64, 80, 1.0)
    assert dirt.note_of(["midinote", 50, "velocity", 0.5, "sustain", 1.0], 60) == (1, 50, 64, 1.0)
    for wrong in (["note"], [1, 2], ["note", "c"], ["note", float("nan")], ["n", 500]):
        with pytest.raises(ProtocolError, match="/dirt/play"):
            dirt.note_of(wrong, 120)


def test_a_note_struck_again_ends_where_the_next_begins(table):
    port = table.port()
    table.stage.desk.local("/rnnmuse/transport/play")
    for player, begins, ends in ((1, 1, 4), (2, 2, 3)):
        table.stage.desk.local(f"/rnnmuse/player/{player}/channel", 1)
        table.stage.plan_note(player, begins * PPQ, 60, 90)
        table.stage.plan_off(player, ends * PPQ, 60)
    table.until(2.5)
    assert [(sent.beat, sent.velocity, sent.due / 5e8) for _, sent in port.notes] == [
        (1, 90, 1), (2, 0, 2), (2, 90, 2), (3, 0, 3)]  # fmt: skip


def test_a_late_end_does_not_cut_the_next_note_of_its_pitch(table):
    port, stage = table.port(), table.stage
    stage.desk.local("/rnnmuse/transport/play")
    stage.plan_note(1, PPQ, 60, 90)
    stage.plan_off(1, 3 * PPQ, 60)
    table.until(0.75)
    stage._order(("off_all", 1, 2 * PPQ))
    stage.plan_note(1, 2 * PPQ, 60, 80)
    stage.plan_off(1, 4 * PPQ, 60)
    table.until(2.5)
    assert [(round(sent.beat), sent.velocity) for _, sent in port.notes] == [(1, 90), (2, 0), (2, 80), (4, 0)]


def test_a_player_with_a_target_plays_to_it_and_to_the_recording(table):
    synth, other, take = table.port(name="My Synth"), table.port(name="other"), table.port(name="record take.mid")
    table.stage.desk.local("/rnnmuse/transport/play")
    table.stage.desk.local("/rnnmuse/player/2/target", "synth")
    table.stage.plan_note(2, PPQ, 60, 90)
    table.stage.plan_off(2, 2 * PPQ, 60)
    table.until(1.5)
    assert [len(port.notes) for port in (synth, other, take)] == [2, 0, 2]
    assert table.stage.desk.value("/rnnmuse/player/2/target") == "synth"


def test_a_note_heard_while_the_clock_stands_ends_at_once():
    stage, told = Stage(Settings(engine=False, osc=False)), []
    stage.tell = lambda *message: told.append(message)
    stage.desk.local("/rnnmuse/player/1/note", 60, 90, 2.0)
    assert [message[3:] for message in told] == [(60, 90), (60, 0)]


def test_a_note_that_leaves_ahead_is_dropped_by_its_own_time():
    clock = Clock()
    clock.start(0)
    ahead = 100_000_000
    lane, done = Scheduler(clock, ahead=ahead), []
    for tick in (PPQ, 2 * PPQ):
        lane.plan(tick, lambda tick=tick: done.append(tick))
    beat = 500_000_000
    lane.run_due(beat + TOO_LATE - 1)  # 200 ms after it was to leave, but not yet 100 ms after its own time
    lane.run_due(2 * beat + TOO_LATE + 1)
    assert done == [PPQ]
    assert lane.lateness.dropped == 1
