"""MIDI in: the calls that messages become, on a handler that records them and a clock that the test sets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnmuse.bridges.midi_in import MidiReceiver


class Recorder:
    """A handler that keeps what it was called with."""

    def __init__(self):
        self.time, self.calls, self.fine = 0, [], set()

    def now(self):
        return self.time

    def note(self, *what):
        self.calls.append(("note", *what))

    def control(self, *what):
        self.calls.append(("control", *what))

    def wants_fine(self, channel, coarse):
        return (channel, coarse) in self.fine

    def program(self, *what):
        self.calls.append(("program", *what))

    def all_sound_off(self, channel):
        self.calls.append(("all_sound_off", channel))

    def all_notes_off(self, channel):
        self.calls.append(("all_notes_off", channel))

    def transport(self, command):
        self.calls.append(("transport", command))

    def clock(self, *what):
        self.calls.append(("clock", *what))


class Table:
    def __init__(self):
        self.handler = Recorder()
        self.receiver = MidiReceiver(self.handler)

    def __call__(self, *data):
        """All calls that a message leads to."""
        self.handler.calls.clear()
        self.receiver.receive(data)
        return list(self.handler.calls)

    def notes(self, *data):
        """The notes that a message leads to."""
        return [call[1:] for call in self(*data) if call[0] == "note"]


@pytest.fixture
def table():
    return Table()


def test_notes_have_their_channel(table):
    assert table(0x90, 60, 90) == [("note", 0, 60, 90)]
    assert table(0x90, 60, 0) == [("note", 0, 60, 0)]
    assert table(0x93, 61, 1) == [("note", 3, 61, 1)]
    assert table(0x83, 61, 64) == [("note", 3, 61, 0)]
    assert table(0x80, 99, 0) == []


def test_the_sustain_pedal_holds_notes_of_its_channel(table):
    table(0xB0, 64, 127)
    table(0x90, 60, 90)
    table(0x91, 60, 90)
    assert table.notes(0x80, 60, 0) == []
    assert table.notes(0x81, 60, 0) == [(1, 60, 0)]
    assert table.notes(0xB0, 64, 63) == [(0, 60, 0)]


def test_a_key_struck_again_under_the_pedal_and_held_goes_on(table):
    table(0xB0, 64, 127)
    table(0x90, 60, 90)
    table(0x80, 60, 0)
    assert table.notes(0x90, 60, 80) == [(0, 60, 0), (0, 60, 80)]
    assert table.notes(0xB0, 64, 0) == []
    assert table.notes(0x80, 60, 0) == [(0, 60, 0)]


def test_the_sostenuto_pedal_holds_the_keys_that_were_down(table):
    table(0x90, 60, 90)
    table(0xB0, 66, 127)
    table(0x90, 64, 90)
    assert table.notes(0x80, 60, 0) == []
    assert table.notes(0x80, 64, 0) == [(0, 64, 0)]
    assert table(0xB0, 66, 0) == [("note", 0, 60, 0), ("control", 0, 66, 0.0)]


def test_a_note_that_both_pedals_hold_ends_with_the_last(table):
    table(0x90, 60, 90)
    table(0xB0, 66, 127)
    table(0xB0, 64, 127)
    table(0x80, 60, 0)
    assert table.notes(0xB0, 66, 0) == []
    assert table.notes(0xB0, 64, 0) == [(0, 60, 0)]


def test_the_soft_pedal_is_a_controller(table):
    assert table(0xB2, 67, 127) == [("control", 2, 67, 1.0)]


def test_all_notes_off_concerns_its_channel_and_respects_the_pedal(table):
    table(0x90, 60, 90)
    table(0x91, 62, 90)
    table(0xB1, 64, 127)
    assert table(0xB0, 123, 0) == [("note", 0, 60, 0), ("all_notes_off", 0)]
    assert table(0xB1, 123, 0) == [("all_notes_off", 1)]
    assert table.notes(0xB1, 64, 0) == [(1, 62, 0)]


def test_all_sound_off_ends_what_pedals_hold(table):
    table(0x90, 60, 90)
    table(0x95, 61, 90)
    table(0xB5, 66, 127)
    table(0xB5, 64, 127)
    table(0x85, 61, 0)
    assert table(0xB5, 120, 0) == [("note", 5, 61, 0), ("all_sound_off", 5)]
    assert table.notes(0x80, 60, 0) == [(0, 60, 0)]


@pytest.mark.parametrize("number", [124, 125, 126, 127])
def test_other_mode_messages_are_all_notes_off(table, number):
    table(0x94, 60, 90)
    assert table(0xB4, number, 0) == [("note", 4, 60, 0), ("all_notes_off", 4)]


def test_local_control_means_nothing(table):
    assert table(0xB0, 122, 127) == []


def test_reset_all_controllers_lifts_the_pedals(table):
    for number in (64, 66, 67):
        table(0xB0, number, 127)
    table(0x90, 60, 90)
    table(0x80, 60, 0)
    table(0xB0, 101, 0)
    table(0xB0, 100, 6)
    calls = table(0xB0, 121, 0)
    assert ("note", 0, 60, 0) in calls
    assert [call[2:] for call in calls if call[0] == "control"] == [(64, 0.0), (66, 0.0), (67, 0.0)]
    assert table(0xB0, 6, 15) == [("control", 0, 6, 15 / 127)], "no parameter is selected any more"
    assert not table.receiver.mpe


def test_echoes_are_ignored(table):
    echoes = table.receiver.echoes
    echoes.sent(0, 0, 60)
    table.handler.time = 3_000_000
    assert table(0x90, 60, 90) == []
    assert table(0x80, 60, 0) == []
    assert table(0x90, 60, 90) == [("note", 0, 60, 90)]
    echoes.sent(table.handler.time, 0, 61)
    table.handler.time += 50_000_000
    assert table(0x90, 61, 90) == [("note", 0, 61, 90)]


def test_an_echo_of_a_key_that_the_performer_holds_hangs_no_note(table):
    table(0x90, 60, 90)
    table.receiver.echoes.sent(0, 0, 60)
    assert table(0x90, 60, 70) == []
    assert table(0x80, 60, 0) == [("note", 0, 60, 0)]
    assert table(0x80, 60, 0) == []


def test_the_time_of_arrival_decides_what_is_an_echo(table):
    table.receiver.echoes.sent(0, 0, 60)
    table.handler.time = 10**9  # the thread was late
    table.receiver.receive((0x90, 60, 90), 3_000_000)
    assert table.handler.calls == []


def test_controllers_have_seven_or_fourteen_bits(table):
    assert table(0xB2, 20, 127) == [("control", 2, 20, 1.0)]
    assert table(0xB2, 52, 0) == [("control", 2, 52, 0.0)]
    table.handler.fine = {(2, 20)}
    assert table(0xB2, 52, 0) == [("control", 2, 20, (127 << 7) / 16383)]
    assert table(0xB1, 52, 0) == [("control", 1, 52, 0.0)]


def test_program_changes(table):
    assert table(0xC3, 4) == [("program", 3, 4)]


def test_mpe_members_are_one_performer(table):
    for data in ((0xB0, 101, 0), (0xB0, 100, 6), (0xB0, 6, 15)):
        assert table(*data) == []
    assert table.receiver.mpe
    table(0xE3, 0, 64)  # no bend
    assert table.notes(0x93, 60, 90) == [(0, 60, 90)]
    table(0xE4, *divmod(8192 + round(8192 * 2 / 48), 128)[::-1])
    assert table.notes(0x94, 60, 90) == [(0, 62, 90)]
    assert table.notes(0x84, 60, 0) == [(0, 62, 0)]
    table(0xE5, 0, 64)
    assert table.notes(0x95, 60, 90) == [(0, 60, 90)]  # the same pitch twice: ended when both are
    assert table.notes(0x83, 60, 0) == []
    assert table.notes(0x85, 60, 0) == [(0, 60, 0)]


def test_the_mpe_managers_pedal_and_mode_messages_concern_all_members(table):
    table.receiver.mpe = True
    table(0xB0, 64, 127)
    table(0x92, 60, 90)
    table(0x93, 64, 90)
    assert table.notes(0x82, 60, 0) == []
    assert table.notes(0xB0, 64, 0) == [(0, 60, 0)]
    assert table(0xB0, 123, 0) == [("note", 0, 64, 0), ("all_notes_off", 0)]
    table(0x92, 60, 90)
    table(0x93, 64, 90)
    assert table(0xB2, 123, 0) == [("note", 0, 60, 0)], "a member's message concerns its own notes"


def test_a_change_of_mpe_ends_the_notes_where_they_began(table):
    table(0x93, 60, 90)
    for data in ((0xB0, 101, 0), (0xB0, 100, 6)):
        table(*data)
    assert table(0xB0, 6, 15) == [("note", 3, 60, 0)]
    assert table(0x83, 60, 0) == []


def test_machine_control(table):
    assert table(0xF0, 0x7F, 0x7F, 0x06, 0x02, 0xF7) == [("transport", "continue")]
    assert table(0xF0, 0x7F, 0x7F, 0x06, 0x03, 0xF7) == [("transport", "continue")]
    assert table(0xF0, 0x7F, 0x7F, 0x06, 0x01, 0xF7) == [("transport", "stop")]
    assert table(0xF0, 0x7F, 0x7F, 0x06, 0x04, 0xF7) == []


def test_clock_messages_keep_their_time(table):
    table.receiver.receive((0xF8,), 77)
    table.receiver.receive((0xF2, 5, 1), 78)
    assert table.handler.calls == [("clock", 0xF8, 77, 0), ("clock", 0xF2, 78, 133)]


def test_a_lost_port_ends_its_notes(table):
    table(0xB5, 64, 127)
    table(0x90, 60, 90)
    table(0x95, 61, 90)
    table(0x85, 61, 0)
    table.handler.calls.clear()
    table.receiver.release()
    assert sorted(table.handler.calls) == [("note", 0, 60, 0), ("note", 5, 61, 0)]
    table(0x95, 60, 90)
    assert table.notes(0x85, 60, 0) == [(5, 60, 0)], "the pedal is forgotten"


DAMAGED = [(), (0x90,), (0x90, 60), (0xF0,), (0xB0, 7), (0xE0, 1), (0xFF, 0, 0), (0xC0,), (0x90, 200, 90), (0xF2, 1),
           (0x90, 60, 90, 90), (0xF0, 0x7F, 0x7F, 0x06), (0x20, 60, 90)]  # fmt: skip


@pytest.mark.parametrize("data", DAMAGED)
def test_damaged_messages_are_ignored(table, data):
    assert table(*data) == []


MESSAGES = st.sampled_from(
    [(status, channel, pitch, velocity) for channel in (0, 0, 1) for pitch in (60, 61)
     for status, velocity in ((0x90, 90), (0x90, 90), (0x80, 0), (0x90, 0))]
    + [(0xB0, channel, pedal, value) for channel in (0, 1) for pedal in (64, 66) for value in (0, 63, 64, 127)]
    + [(0xB0, channel, mode, 0) for channel in (0, 1) for mode in (120, 121, 123, 126)]
)  # fmt: skip


def sounds(messages, channel, pitch):
    """Whether a note sounds after messages, by the standard's words, from the whole list of them, key by key.

    The last strike of the key sounds on while the key is down, while the sustain pedal has been down since it went up,
    or while the sostenuto pedal has been down since a moment at which the key was down.
    """
    mine = [(status, *rest) for status, at, *rest in messages if at == channel]
    alive = down = pedal = sostenuto = caught = False
    for status, number, value in mine:
        if status == 0xB0:
            lift = number == 121 or value < 64
            if number in (64, 121):
                pedal = not lift
            if number in (66, 121):
                caught = not lift and (caught or (down and not sostenuto))
                sostenuto = not lift
            down = down and number not in (120, 123, 126)
            alive = alive and number != 120
            caught = caught and (number != 120)
        elif number == pitch:
            down = status == 0x90 and value > 0
            alive = alive or down
        alive = alive and (down or pedal or caught)
        caught = caught and alive
    return alive


@settings(max_examples=300, deadline=None)
@given(st.lists(MESSAGES, min_size=12, max_size=50))
def test_what_sounds_is_what_the_standard_says(messages):
    handler = Recorder()
    receiver = MidiReceiver(handler)
    sounding = set()
    for count, (status, channel, number, value) in enumerate(messages, 1):
        handler.calls.clear()
        receiver.receive((status | channel, number, value))
        for at, pitch, velocity in [call[1:] for call in handler.calls if call[0] == "note"]:
            assert velocity or (at, pitch) in sounding, "ended, and did not sound"
            assert not velocity or (at, pitch) not in sounding, "begun twice"
            (sounding.add if velocity else sounding.discard)((at, pitch))
        expected = {(c, p) for c in (0, 1) for p in (60, 61) if sounds(messages[:count], c, p)}
        assert sounding == expected, messages[:count]
    handler.calls.clear()
    receiver.release()
    assert sorted(handler.calls) == sorted(("note", *key, 0) for key in sounding)
