"""Players on stage, on a clock that the test turns by hand."""

from itertools import pairwise

import pytest

from rnnmuse.models.bundle import load_stream
from rnnmuse.play.sampler import Player
from rnnmuse.protocol import MODES
from rnnmuse.session.messages import AllOff, EndNotes, NoteOff, NoteOn, Recall
from rnnmuse.session.stream import AHEAD, StreamPlayer, tick_of


@pytest.fixture(scope="module")
def model():
    return load_stream("lieder")


class Stage:
    """Obeys orders as the realtime process does: keeps what is planned, recalls it, counts what sounds."""

    def __init__(self, player: StreamPlayer) -> None:
        self.player, self.planned, self.sounding, self.played, self.beat = player, [], set(), [], 0.0
        self.lines: dict[int, list[tuple[float, int]]] = {}

    def obey(self, orders) -> None:
        for order in orders:
            match order:
                case Recall():
                    self.planned = [p for p in self.planned if not isinstance(p, NoteOn) or p.tick < order.tick]
                case EndNotes():
                    self.sounding.clear()
                case _:
                    self.planned.append(order)

    def run(self, until: float, step: float = 0.05) -> None:
        while self.beat < until - 1e-9:
            while orders := self.player.advance(self.beat):
                self.obey(orders)
                if self.player.mode == "loop":
                    break
            self.beat = round(self.beat + step, 6)
            now = tick_of(self.beat)  # what is planned for just now can still be taken back
            due = sorted((o for o in self.planned if o.tick < now), key=lambda o: (o.tick, isinstance(o, NoteOn)))
            self.planned = [o for o in self.planned if o.tick >= now]
            for order in due:
                if isinstance(order, NoteOn):
                    self.sounding.add(order.pitch)
                    self.played.append((order.tick / 960, order.pitch))
                    self.lines.setdefault(order.part, []).append(self.played[-1])
                elif isinstance(order, NoteOff):
                    self.sounding.discard(order.pitch)
                else:
                    assert isinstance(order, AllOff)
                    self.sounding.clear()

    def between(self, first: float, last: float) -> list[tuple[float, int]]:
        return [note for note in self.played if first <= note[0] < last]


def stage(model, mode, **parameters) -> Stage:
    player = StreamPlayer(1, model)
    made = Stage(player)
    for name, value in parameters.items():
        made.obey(player.change(name, value, 0.0))
    made.obey(player.set_mode(mode, 0.0))
    return made


def test_free_plays_from_the_next_beat_and_in_key(model):
    made = stage(model, "free", key="G major", seed=3)
    made.obey(made.player.start(0.5))
    made.run(16)
    assert made.between(0, 1) == []
    assert len(made.played) > 16
    assert all(pitch % 12 in (0, 2, 4, 6, 7, 9, 11) for _, pitch in made.played)
    made.obey(made.player.stop(made.beat))
    made.run(24)
    assert not made.sounding
    assert made.between(16.1, 24) == []


def test_a_part_stays_in_the_register_of_the_model(model, monkeypatch):
    """With another register the same draws lie there, from the first notes that are enough to tell it on."""

    def mean(low, high):
        monkeypatch.setattr(model, "registers", {0: (low, high), 1: (low, high)})
        made = stage(model, "free", seed=3)
        made.obey(made.player.start(0.0))
        made.run(48)
        late = [pitch for _, pitch in made.between(16, 48)]
        return sum(late) / len(late)

    assert mean(40.0, 44.0) + 6 < mean(76.0, 80.0)


def test_where_nothing_may_begin_for_long_it_rests_and_plays_on_afterwards(model, monkeypatch):
    made = stage(model, "free", seed=3)
    made.obey(made.player.start(0.0))
    made.run(8)
    with monkeypatch.context() as blocked:
        blocked.setattr(Player, "_playable", lambda self, grid, wait, pitches=None: {})
        made.run(80)  # longer than an event can wait
        assert made.between(12, 80) == []
        assert not made.sounding
        assert made.player.wake(made.beat) > made.beat - 0.1
    made.run(100)
    assert len(made.between(81, 100)) > 8
    assert all(beat >= 80 - AHEAD for beat, _ in made.played[-8:])


def test_a_note_that_cannot_be_answered_is_given_up_and_the_next_is_answered_at_once(model, monkeypatch):
    made = stage(model, "accompany", seed=3, steady=0)
    with monkeypatch.context() as blocked:
        blocked.setattr(Player, "_playable", lambda self, grid, wait, pitches=None: {})
        for beat in (1.0, 1.5):
            made.run(beat)
            made.obey(made.player.hear(made.beat, 60, 90))
        made.run(2.0)
        assert not made.played
    made.obey(made.player.hear(made.beat, 64, 90))  # within the beat for which it would rest
    made.run(2.3)
    assert made.between(1.9, 2.3)


def test_it_plays_no_more_than_a_little_ahead(model):
    made = stage(model, "free")
    made.obey(made.player.start(0.0))
    made.run(8)
    assert all(order.tick <= tick_of(8 + AHEAD + 0.1) for order in made.planned)


def phrase(made: Stage, start: float, notes: int = 4) -> None:
    for i in range(notes):
        made.run(start + i)
        made.obey(made.player.hear(made.beat, 60 + 2 * i, 90))
        made.run(start + i + 0.8)
        made.obey(made.player.hear(made.beat, 60 + 2 * i, 0))


def test_continue_takes_over_after_silence_and_gives_way(model):
    made = stage(model, "continue", seed=2)
    phrase(made, 1)
    made.run(5.5)
    assert made.played == []
    made.run(20)
    assert len(made.played) > 8
    assert made.played[0][0] >= 5.8
    made.obey(made.player.hear(made.beat, 70, 90))
    heard = len(made.played)
    made.run(26)
    assert len(made.played) == heard
    assert not made.sounding


def test_answer_is_as_long_as_the_phrase(model):
    made = stage(model, "answer", seed=2)
    phrase(made, 1, 4)
    made.run(30)
    assert made.played
    first = made.played[0][0]
    assert made.played[-1][0] < first + 4 + 0.1
    assert not made.sounding
    phrase(made, 31, 3)
    made.run(60)
    assert made.played[-1][0] > 34, "it answers again"


def test_accompany_answers_a_note_at_once_in_the_other_part(model):
    made = stage(model, "accompany", seed=1, steady=0)
    made.run(1)
    reactions = []
    for i in range(12):
        made.run(1 + i)
        made.obey(made.player.hear(made.beat, 60 + i, 90))
        made.obey(made.player.advance(made.beat, 1))
        reactions.append(bool(made.planned))
    made.run(14)
    assert all(reactions)
    assert len(made.played) > 6
    assert made.player._own() == {1}


def test_what_is_recalled_is_forgotten_by_the_model(model):
    made = stage(model, "free", seed=4)
    made.obey(made.player.start(0.0))
    made.run(4)
    made.obey(made.player.change("temperature", 0.9, made.beat))
    assert made.player.player.grid <= made.beat * 24 + 1
    late = [order for order in made.planned if isinstance(order, NoteOn) and order.tick >= tick_of(made.beat)]
    assert late == []


def test_a_wrong_parameter_leaves_the_old_one(model):
    made = stage(model, "free")
    with pytest.raises(ValueError, match="key"):
        made.player.change("key", "H moll", 0.0)
    assert made.player.parameters["key"] == ""


def test_the_nucleus_is_the_models_own_until_another_is_asked_for(model):
    player = StreamPlayer(1, model)
    assert player.player.top_p == model.top_p
    player.change("top_p", 0.5, 0.0)
    assert player.player.top_p == 0.5
    player.change("top_p", 0.0, 0.0)
    assert player.player.top_p == model.top_p


def test_a_loop_repeats_what_was_played(model):
    made = stage(model, "free", bars=1, seed=6)
    made.obey(made.player.start(0.0))
    made.run(8)
    made.obey(made.player.set_mode("loop", made.beat))
    made.run(24)
    rounds = [[(round(b - s, 3), p) for b, p in made.between(s, s + 4)] for s in (12, 16)]
    assert rounds[0]
    assert sorted(rounds[0]) == sorted(rounds[1])


@pytest.mark.parametrize("mode", MODES)
def test_after_any_mode_stop_ends_every_note(model, mode):
    made = stage(model, mode, seed=9)
    made.obey(made.player.start(0.0))
    phrase(made, 1)
    made.run(12)
    made.obey(made.player.stop(made.beat))
    made.run(20)
    assert not made.sounding


def test_a_turn_is_taken_at_the_bar_line_though_the_performer_plays_on(model):
    made = stage(model, "answer", turn=1, seed=3)
    for beat in range(4):
        made.run(beat + 0.1)
        made.obey(made.player.hear(made.beat, 60 + beat, 90))
    made.run(6)
    made.obey(made.player.hear(made.beat, 72, 90))  # within its turn: it plays on
    made.run(12)
    assert made.between(0, 4) == []
    assert made.between(4, 7)
    assert max(beat for beat, _ in made.played) < 8.1
    assert not made.sounding


@pytest.mark.parametrize("seed", range(1, 6))
def test_another_model_takes_over_at_the_bar_line_without_a_gap(model, seed):
    made = stage(model, "free", seed=seed)
    made.obey(made.player.start(0.0))
    made.run(7.5)
    made.obey(made.player.swap(load_stream("leadsheet"), 8.0))
    made.run(7.95)
    assert made.sounding or made.between(7, 8)  # it plays on up to the bar line
    made.run(16)
    assert made.player.model.name == "leadsheet"
    assert made.between(8, 10.1), "it rests for half a bar at most"
    made.obey(made.player.stop(made.beat))
    made.run(20)
    assert not made.sounding


def test_another_model_hears_what_was_played(model):
    made = stage(model, "free", seed=2)
    made.obey(made.player.start(0.0))
    made.run(16)
    heard = {pitch for _, pitch in made.between(0, 15.5)}
    made.obey(made.player.swap(load_stream("leadsheet"), 16.0))
    state = made.player.player.save()
    assert len(state.onsets) >= len(heard) / 2
    assert max(state.onsets) < 16 * 24
    assert not state.started


def test_a_loop_has_nothing_that_was_taken_back(model):
    made = stage(model, "free", bars=1, seed=6)
    made.obey(made.player.start(0.0))
    made.run(6)
    made.obey(made.player.change("temperature", 0.9, made.beat))
    made.run(8)
    sounded = made.between(4, 8)
    made.obey(made.player.set_mode("loop", made.beat))
    made.run(17)
    assert sorted((round(b - 8, 3), p) for b, p in made.between(12, 16)) == sorted((round(b, 3), p) for b, p in sounded)


TUNE = [(0, 60), (1, 64), (2, 67), (3, 64), (4, 65), (5, 64), (6, 62), (7, 62), (8, 60), (9, 64), (10, 67), (11, 72),
        (12, 71), (13, 67), (14, 67)]  # fmt: skip


def tune(made: Stage, start: float) -> None:
    for on, pitch in TUNE:
        made.run(start + on + 0.02)
        made.obey(made.player.hear(made.beat, pitch, 90))
        made.run(start + on + 0.8)
        made.obey(made.player.hear(made.beat, pitch, 0))


@pytest.mark.parametrize("name", ["leadsheet", "piano"])
@pytest.mark.parametrize("mode", ["answer", "continue"])
def test_it_enters_on_the_bar_line_and_makes_something_of_what_it_heard(name, mode):
    made = stage(load_stream(name), mode, seed=3)
    tune(made, 4)
    made.run(40)
    first = min(beat for beat, _ in made.played)
    assert first in (20.0, 24.0)
    assert mode == "continue" or not made.between(first + 16.1, 40)
    starts = [beat for beat, _ in made.lines[0]]
    assert name == "piano" or len(starts) == len(set(starts)), "one melody note at a time"
    assert all(pitch % 12 in (0, 2, 4, 5, 7, 9, 11) for _, pitch in made.played)


def test_answers_restate_what_they_answer():
    def motifs(pitches):
        return {tuple(b - a for a, b in pairwise(pitches[i : i + 4])) for i in range(len(pitches) - 3)}

    heard, model = motifs([pitch for _, pitch in TUNE]), load_stream("leadsheet")
    restated = 0
    for seed in range(1, 6):
        made = stage(model, "answer", seed=seed)
        tune(made, 4)
        made.run(38)
        restated += bool(motifs([pitch for beat, pitch in made.lines[0] if beat >= 19]) & heard)
    assert restated


def test_an_accompaniment_keeps_its_pattern_and_leaves_room():
    made = stage(load_stream("leadsheet"), "accompany", seed=1)
    for turn in range(4):
        tune(made, 4 + 16 * turn)
    assert len(made.between(4, 68)) <= 1.5 * 4 * len(TUNE)
    bars = [
        frozenset(round((b - 4 * i) * 4) for b, _ in made.between(4 * i - 0.05, 4 * i + 3.95)) for i in range(3, 17)
    ]
    same = [a == b for a, b in pairwise(bars)]
    assert sum(same) >= 0.6 * len(same)
    made.run(90)
    assert not made.between(84, 90), "it stops when nobody plays"


def test_an_accompaniment_begins_with_the_note_that_is_heard():
    made = stage(load_stream("leadsheet"), "accompany", seed=1)
    made.run(5.37)
    made.obey(made.player.hear(made.beat, 64, 90))
    orders = made.player.advance(made.beat, 1)
    assert [o.tick for o in orders if isinstance(o, NoteOn)] == [tick_of(made.beat)]


def test_a_drummer_restates_the_beat_it_answers_and_closes_with_a_fill():
    model, alike = load_stream("grooves"), []
    for seed in range(1, 4):
        made = stage(model, "answer", seed=seed)
        beat = [
            (bar * 4 + at, pitch) for bar in range(4) for at, pitch in ((0, 36), (1, 38), (2, 36), (2.5, 36), (3, 38))
        ]
        beat += [(half / 2, 42) for half in range(32)]
        for at, pitch in sorted(beat):
            made.run(4 + at)
            made.obey(made.player.hear(made.beat, pitch, 90))
            made.obey(made.player.hear(made.beat, pitch, 0))
        made.run(44)
        mine = made.between(19.9, 40)
        entry = round(min(at for at, _ in mine) / 4) * 4
        assert entry in (20, 24)
        first = {(round((at - entry) * 4), pitch) for at, pitch in mine if at < entry + 3.9}
        heard = {(round(at * 4), pitch) for at, pitch in beat if at < 4}
        alike.append(len(first & heard) / len(first | heard))
        assert {round((at - entry) * 4) / 4 for at, _ in mine if at > entry + 13.9} >= {14, 15}
        assert not made.between(entry + 16.1, 44)
    assert min(alike) > 0.8
