"""MIDI in: what each message becomes, on a stage without an engine and with a manual clock."""

import pytest

from rnnmuse.bridges.midi_in import MidiReceiver
from rnnmuse.realtime.leader import ClockLeader
from rnnmuse.realtime.seats import Settings
from rnnmuse.realtime.stage import Stage


class Table:
    """A stage whose engine is this test."""

    def __init__(self):
        self.now = 0
        self.stage = Stage(Settings(engine=False, osc=False), now=lambda: self.now)
        self.told = []
        self.stage.tell = lambda *message: self.told.append(message)
        self.receiver = MidiReceiver(self.stage, ClockLeader(self.stage))

    def __call__(self, *data):
        self.told.clear()
        self.receiver.receive(data)
        return [(m[1], m[3], m[4]) for m in self.told if m[0] == "hear"]


@pytest.fixture
def table():
    return Table()


def test_notes_go_to_the_player_of_their_channel(table):
    assert table(0x90, 60, 90) == [(1, 60, 90)]
    assert table(0x90, 60, 0) == [(1, 60, 0)]
    assert table(0x93, 61, 1) == [(4, 61, 1)]
    assert table(0x83, 61, 64) == [(4, 61, 0)]
    assert table(0x80, 99, 0) == []


def test_players_hear_the_channels_they_choose(table):
    table.stage.desk.local("/rnnmuse/player/2/hears", "ch1 ch3")
    assert table(0x90, 60, 90) == [(1, 60, 90), (2, 60, 90)]
    assert table(0x91, 60, 90) == []
    assert table(0x92, 60, 90) == [(2, 60, 90), (3, 60, 90)]
    table.stage.desk.local("/rnnmuse/player/1/hears", "none")
    assert table(0x90, 62, 90) == [(2, 62, 90)]


def test_players_hear_players(table):
    table.stage.desk.local("/rnnmuse/player/2/hears", "1")
    table.told.clear()
    table.stage.desk.overheard(1, 60, 80)
    table.stage.desk.overheard(3, 61, 80)
    assert [message[:2] + message[3:] for message in table.told] == [("overhear", 2, 60, 80)]


def test_the_pedal_holds_notes(table):
    table(0xB0, 64, 127)
    table(0x90, 60, 90)
    assert table(0x80, 60, 0) == []
    assert table(0x90, 60, 80) == [(1, 60, 0), (1, 60, 80)]
    assert table(0x80, 60, 0) == []
    assert table(0xB0, 64, 0) == [(1, 60, 0)]


def test_all_notes_off_is_panic(table):
    table(0x90, 60, 90)
    assert table(0xB0, 123, 0) == [(1, 60, 0)]
    assert not table.stage.ledger.sounding


def test_what_we_sent_is_not_heard(table):
    table.receiver.echoes.sent(table.now, 0, 60)
    table.now = 3_000_000
    assert table(0x90, 60, 90) == []
    assert table(0x80, 60, 0) == []
    assert table(0x90, 60, 90) == [(1, 60, 90)]
    table.receiver.echoes.sent(table.now, 0, 61)
    table.now += 10**9
    assert table(0x90, 61, 90) == [(1, 61, 90)]


def test_a_controller_is_learned(table):
    desk = table.stage.desk
    desk.local("/rnnmuse/midi/learn", "/rnnmuse/player/1/param/temperature")
    table(0xB2, 20, 0)
    assert desk.learned == {(2, 20): ("/rnnmuse/player/1/param/temperature", 0, 5)}
    table(0xB2, 20, 127)
    assert table.stage.seats[1].parameters["temperature"] == 5
    table(0xB2, 52, 0)  # the finer half of a 14-bit pair
    assert table.stage.seats[1].parameters["temperature"] == pytest.approx(5 * (127 << 7) / 16383)
    table(0xB1, 20, 0)
    assert table.stage.seats[1].parameters["temperature"] > 4
    desk.local("/rnnmuse/midi/unlearn", "/rnnmuse/player/1/param/temperature")
    assert not desk.learned


def test_a_learned_trigger_is_pulled_by_a_pressed_button(table):
    table.stage.desk.local("/rnnmuse/midi/learn", "/rnnmuse/transport/play")
    table(0xB0, 30, 0)
    assert not table.stage.clock.running
    table(0xB0, 30, 127)
    assert table.stage.clock.running


def test_mpe_members_are_one_performer(table):
    for data in ((0xB0, 101, 0), (0xB0, 100, 6), (0xB0, 6, 15)):
        table(*data)
    assert table.receiver.mpe
    table(0xE3, 0, 64)  # no bend
    assert table(0x93, 60, 90) == [(1, 60, 90)]
    table(0xE4, *divmod(8192 + round(8192 * 2 / 48), 128)[::-1])
    assert table(0x94, 60, 90) == [(1, 62, 90)]
    assert table(0x84, 60, 0) == [(1, 62, 0)]
    table(0xE5, 0, 64)
    assert table(0x95, 60, 90) == [(1, 60, 90)]  # the same pitch twice: ended when both are
    assert table(0x83, 60, 0) == []
    assert table(0x85, 60, 0) == [(1, 60, 0)]


def test_program_change_recalls_a_preset(table):
    desk = table.stage.desk
    desk.local("/rnnmuse/player/1/param/density", 3)
    desk.local("/rnnmuse/preset/store", 5)
    desk.local("/rnnmuse/player/1/param/density", 7)
    desk.local("/rnnmuse/player/2/mode", "free")
    table(0xC0, 4)
    assert table.stage.seats[1].parameters["density"] == 3
    assert table.stage.seats[2].mode == "off"


def test_machine_control(table):
    table(0xF0, 0x7F, 0x7F, 0x06, 0x02, 0xF7)
    assert table.stage.clock.running
    table(0xF0, 0x7F, 0x7F, 0x06, 0x01, 0xF7)
    assert not table.stage.clock.running


@pytest.mark.parametrize("data", [(), (0x90,), (0x90, 60), (0xF0,), (0xB0, 7), (0xE0, 1), (0xFF, 0, 0), (0xC0,)])
def test_damaged_messages_are_passed_over(table, data):
    assert table(*data) == []
