"""Commands and pulses on a clock that the test turns by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.clock import PPQ, Clock
from rnnmuse.realtime.commands import Commands
from rnnmuse.realtime.pulses import Pulse

BEAT = 500_000_000
"""A beat of 120 bpm in ns."""


class Turn:
    def __init__(self, running=True):
        self.clock, self.now, self.done = Clock(), 0, []
        self.commands = Commands(self.clock)
        if running:
            self.clock.start(0)

    def act(self, name):
        return lambda: self.done.append((name, self.now))

    def until(self, beats):
        """Go on to a time; what is due is done when `next_due` says, not by looking all the time."""
        end = round(beats * BEAT)
        while (due := self.commands.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            for act in self.commands.take_due(self.now):
                act()
        self.now = end
        for act in self.commands.take_due(self.now):
            act()

    def jump(self, change):
        change(self.now)
        for act in self.commands.jumped(self.now):
            act()

    def times(self):
        return [(name, round(at / BEAT, 2)) for name, at in self.done]


def test_a_command_comes_just_before_its_line():
    turn = Turn()
    turn.until(1.5)
    turn.commands.at_line("beat", turn.now, turn.act("beat"), lead=0)
    turn.commands.at_line("bar", turn.now, turn.act("bar"), lead=PPQ // 2)
    turn.until(9)
    assert turn.times() == [("beat", 2.0), ("bar", 3.5)]


def test_a_command_replaces_one_of_its_key_and_can_be_taken_back():
    turn = Turn()
    for name in ("one", "two"):
        turn.commands.at_line("bar", 0, turn.act(name), key="mode")
    turn.commands.at_line("bar", 0, turn.act("other"), key="other")
    assert turn.commands.waits("other")
    assert turn.commands.cancel("other")
    assert not turn.commands.cancel("other")
    turn.commands.after(PPQ, 0, turn.act("end"), "end")
    turn.commands.after(2 * PPQ, 0, turn.act("later end"), "end")
    turn.until(9)
    assert turn.times() == [("later end", 2.0), ("two", 4.0)]


def test_a_jump_sets_commands_to_the_next_line_from_there_and_cuts_lengths_short():
    turn = Turn()
    turn.commands.at_line("bar", 0, turn.act("bar"), lead=0)
    turn.commands.after(3 * PPQ, 0, turn.act("end"))
    turn.until(1)
    turn.jump(lambda now: turn.clock.locate(now, 10 * PPQ))
    assert turn.times() == [("end", 1.0)]
    turn.until(9)
    assert turn.times() == [("end", 1.0), ("bar", 3.0)]  # tick 12 beats, two beats after the jump


def test_when_the_clock_stops_everything_comes_at_once_in_order():
    turn = Turn()
    turn.commands.at_line("bar", 0, turn.act("bar"))
    turn.commands.at_line("beat", 0, turn.act("beat"))
    turn.commands.after(8 * PPQ, 0, turn.act("end"))
    turn.until(0.5)
    turn.jump(turn.clock.stop)
    assert turn.times() == [("beat", 0.5), ("bar", 0.5), ("end", 0.5)]
    assert len(turn.commands) == 0


@pytest.mark.parametrize("change", ["tempo", "stop", "locate", "start"])
@pytest.mark.parametrize("running", [True, False])
def test_a_time_is_wall_time_whatever_the_clock_does(change, running):
    turn = Turn(running)
    turn.commands.at(4 * BEAT, turn.act("later"))
    turn.commands.at(2 * BEAT, turn.act("sooner"))
    assert turn.commands.timed == 2
    turn.until(1)
    if change == "tempo":
        turn.clock.set_tempo(400, turn.now)
    else:
        turn.jump({"stop": turn.clock.stop, "start": turn.clock.start,
                   "locate": lambda now: turn.clock.locate(now, 99 * PPQ)}[change])  # fmt: skip
    turn.until(9)
    assert turn.times() == [("sooner", 2.0), ("later", 4.0)]


def test_a_tempo_moves_what_waits_for_a_line_with_the_line():
    turn = Turn()
    turn.commands.at_line("bar", 0, turn.act("bar"), lead=0)
    turn.until(2)
    turn.clock.set_tempo(240, turn.now)
    turn.until(9)
    assert turn.times() == [("bar", 3.0)]


def test_another_metre_moves_what_waits_for_a_bar():
    turn = Turn()
    turn.commands.at_line("bar", 0, turn.act("bar"), lead=0)
    turn.commands.at_line("beat", 0, turn.act("beat"), lead=0)
    turn.clock.set_metre(3, 4, 0)
    turn.commands.remetred(0)
    turn.until(9)
    assert turn.times() == [("beat", 1.0), ("bar", 3.0)]


def test_commands_of_one_time_come_in_the_order_in_which_they_were_planned():
    turn = Turn()
    for name in range(20):
        turn.commands.at(BEAT, turn.act(name))
    for name in range(20, 40):
        turn.commands.at_line("beat", 0, turn.act(name), lead=0)
    turn.until(2)
    assert [name for name, _ in turn.done] == list(range(40))


WORDS = ["beat", "bar", "after", "at", "jump", "stop", "go", "time", "metre", "tempo"]


@given(st.lists(st.tuples(st.sampled_from(WORDS), st.integers(1, 12)), max_size=40))
def test_no_command_is_lost_or_done_twice(steps):
    turn, planned = Turn(), []
    for number, (word, amount) in enumerate(steps):
        if word in ("beat", "bar", "after", "at"):
            planned.append(number)
        match word:
            case "beat" | "bar":
                turn.commands.at_line(word, turn.now, turn.act(number))
            case "after":
                turn.commands.after(amount * PPQ, turn.now, turn.act(number))
            case "at":
                turn.commands.at(turn.now + amount * BEAT, turn.act(number))
            case "jump":
                turn.jump(lambda now, amount=amount: turn.clock.locate(now, amount * PPQ + 7))
            case "stop":
                turn.jump(turn.clock.stop)
            case "go":
                turn.jump(turn.clock.resume)
            case "time":
                turn.until(turn.now / BEAT + amount / 3)
            case "metre":
                turn.clock.set_metre(amount, 4, turn.clock.metre.bar_start(turn.clock.tick_at(turn.now)))
                turn.commands.remetred(turn.now)
            case "tempo":
                turn.clock.set_tempo(40 + 20 * amount, turn.now)
    turn.jump(turn.clock.stop)
    turn.until(turn.now / BEAT + 20)
    assert sorted(name for name, _ in turn.done) == planned
    assert len(turn.commands) == 0


# -- pulses ----------------------------------------------------------------------------------------------------------


class Beats:
    def __init__(self, interval=PPQ, ahead=0):
        self.clock, self.now, self.seen = Clock(), 0, []
        self.pulse = Pulse(self.clock, interval, lambda tick, due: self.seen.append((tick, due, self.now)), ahead)

    def until(self, beats):
        end = round(beats * BEAT)
        while (due := self.pulse.run_due(self.now)) is not None and due <= end:
            self.now = max(self.now, due)
        self.now = end
        self.pulse.run_due(self.now)


def test_a_pulse_comes_at_every_multiple_with_its_time():
    beats = Beats()
    beats.clock.start(0)
    beats.pulse.begin(0)
    beats.until(3.5)
    assert beats.seen == [(n * PPQ, n * BEAT, n * BEAT) for n in range(4)]


def test_after_a_jump_it_pulses_from_the_new_place_and_a_standing_clock_has_none():
    beats = Beats()
    beats.pulse.begin(0)
    beats.until(2)
    assert beats.seen == []
    beats.clock.start(beats.now)
    beats.pulse.begin(beats.now)
    beats.until(3.5)
    beats.clock.locate(beats.now, 10 * PPQ - 240)
    beats.pulse.begin(beats.now)
    beats.until(5)
    assert [tick // PPQ for tick, _, _ in beats.seen] == [0, 1, 10, 11]
    beats.pulse.end()
    beats.until(9)
    assert len(beats.seen) == 4


def test_a_pulse_ahead_comes_so_much_before_its_time():
    beats = Beats(interval=PPQ // 24, ahead=100_000_000)
    beats.clock.start(0)
    beats.pulse.begin(0)
    beats.until(4)
    late = beats.seen[10:]
    assert len(late) > 80
    assert all(abs(due - at - 100_000_000) <= 1 for _, due, at in late)


@given(st.lists(st.integers(20, 999), min_size=1, max_size=8))
def test_over_changes_of_tempo_no_pulse_is_missing_or_twice(tempos):
    beats = Beats(interval=PPQ // 24)
    beats.clock.start(0)
    beats.pulse.begin(0)
    for number, bpm in enumerate(tempos):
        beats.clock.set_tempo(bpm, beats.now)
        beats.until(beats.now / BEAT + 0.37 * (number + 1))
    ticks = [tick for tick, _, _ in beats.seen]
    assert ticks == list(range(0, beats.clock.tick_at(beats.now) + 1, PPQ // 24))
