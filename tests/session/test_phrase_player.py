"""A phrase player on stage, on a clock that the test turns by hand; the pad moves under it."""

from random import Random

import numpy as np
import pytest

from rnnmuse.clock import Metre
from rnnmuse.models.bundle import load_phrase
from rnnmuse.models.latent import slerp
from rnnmuse.music.attributes import distance
from rnnmuse.music.phrases import STEPS_A_BEAT, melody_grid, melody_notes
from rnnmuse.session.messages import AllOff, Done, EndNotes, NoteOff, NoteOn, Recall
from rnnmuse.session.phrase import PhrasePlayer, places
from rnnmuse.session.stream import AHEAD, tick_of


@pytest.fixture(scope="module")
def model():
    return load_phrase("phrases")


@pytest.fixture(scope="module")
def beats():
    return load_phrase("beats")


class Stage:
    """Does what the realtime process does with orders: a note-off whose note-on was recalled is void."""

    def __init__(self, player: PhrasePlayer) -> None:
        self.player, self.beat = player, 0.0
        self.planned: list[dict] = []
        self.open: dict[int, dict] = {}
        self.sounding: dict[int, dict] = {}
        self.played: list[tuple[float, float, int]] = []
        self.cut: list[dict] = []

    def obey(self, orders) -> None:
        for order in orders:
            match order:
                case NoteOn(_, tick, pitch, velocity, _, drum):
                    note = {"on": tick, "off": tick + 120 if drum else None, "pitch": pitch, "velocity": velocity}
                    self.planned.append(note)
                    self.open[pitch] = note
                case NoteOff(_, tick, pitch):
                    self.open.pop(pitch)["off"] = tick
                case Recall(_, tick):
                    self.planned = [n for n in self.planned if n["on"] < tick]
                case EndNotes() | AllOff():
                    self.cut += [n for n in self.sounding.values() if n["off"] > tick_of(self.beat)]
                    self.sounding.clear()

    def run(self, until: float, step: float = 0.01) -> None:
        while self.beat < until - 1e-9:
            self.obey(self.player.advance(self.beat))
            self.beat = round(self.beat + step, 6)
            now = tick_of(self.beat)
            for pitch, note in list(self.sounding.items()):
                if note["off"] <= now:
                    self.played.append((note["on"] / 960, note["off"] / 960, pitch))
                    del self.sounding[pitch]
            for note in sorted((n for n in self.planned if n["on"] <= now), key=lambda n: n["on"]):
                assert note["on"] > now - tick_of(step) - 2, "planned for the past"
                if note["pitch"] in self.sounding:
                    self.cut.append(self.sounding[note["pitch"]])
                self.sounding[note["pitch"]] = note
            self.planned = [n for n in self.planned if n["on"] > now]

    def heard(self, first: float, last: float) -> list[tuple[float, int]]:
        every = [*self.played, *((n["on"] / 960, 0.0, p) for p, n in self.sounding.items())]
        return sorted((round(on, 3), pitch) for on, _, pitch in every if first <= on < last)


def stage(model, **parameters) -> Stage:
    player = PhrasePlayer(1, model)
    made = Stage(player)
    for name, value in parameters.items():
        made.obey(player.change(name, value, 0.0))
    made.obey(player.set_mode("loop", 0.0))
    return made


def notes_of(model, point, bars=2):
    return [(round(n.start, 3), n.pitch) for n in melody_notes(model.decode(point, bars=bars))]


def test_it_loops_the_phrase_at_its_point_in_phase_with_the_bars(model):
    made = stage(model)
    made.run(25)
    phrase = notes_of(model, made.player.slots[1])
    assert phrase
    assert [(on % 8, pitch) for on, pitch in made.heard(8, 16)] == phrase
    assert [(on % 8, pitch) for on, pitch in made.heard(16, 24)] == phrase
    assert not made.cut
    assert all(n["on"] <= tick_of(25 + AHEAD + 0.25) for n in made.planned)


def test_a_move_is_heard_from_the_next_sixteenth_and_cuts_nothing(model):
    for index in range(12):
        made = stage(model)
        at = 8.07 + 0.61 * index
        made.run(at)
        sounding = {pitch: note["off"] for pitch, note in made.sounding.items()}
        made.player.move("recall", (2 + index % 8,), made.beat)
        made.run(24)
        assert not made.cut
        for pitch, off in sounding.items():  # what sounded kept its end
            assert any(p == pitch and abs(end * 960 - off) < 1 for _, end, p in made.played)
        first = (np.floor((at + 0.02) * STEPS_A_BEAT) + 1) / STEPS_A_BEAT
        phrase = notes_of(model, made.player.slots[2 + index % 8])
        want = [(8 + on, pitch) for on, pitch in phrase if 8 + on > at + 0.25] + [(16 + on, p) for on, p in phrase]
        heard = made.heard(at + 0.25, 24)
        missing = [note for note in want if note not in heard]
        # a pitch that still sounded, or the note that the move began in the middle of, may differ in its first beats
        assert all(on < first + 4 for on, _ in missing)
        assert len(missing) <= 2


def test_thirty_moves_a_second_hang_nothing_and_never_play_the_past(model):
    made = stage(model)
    random = Random(3)
    x = y = 0.5
    for tick in range(480):
        made.run(8 + tick / 15)
        x, y = (min(1.0, max(0.0, v + random.uniform(-0.1, 0.1))) for v in (x, y))
        made.player.move("xy", (x, y), made.beat)
    made.obey(made.player.stop(made.beat))
    made.run(made.beat + 16)
    assert not made.sounding
    assert not made.planned
    assert len(made.played) > 16


def test_xy_moves_the_axes_it_names(model):
    player = PhrasePlayer(1, model)
    player.move("map", ("density", "register"), 0.0)
    found = {}
    for x, y in ((0.1, 0.5), (0.9, 0.5), (0.5, 0.1), (0.5, 0.9)):
        player.move("xy", (x, y), 0.0)
        state = player.state()
        assert state["axes"]["density"] == pytest.approx(x, abs=0.02)
        assert state["axes"]["register"] == pytest.approx(y, abs=0.02)
        found[x, y] = melody_notes(model.decode(player.point))
    assert len(found[0.9, 0.5]) > len(found[0.1, 0.5])
    assert np.mean([n.pitch for n in found[0.5, 0.9]]) > np.mean([n.pitch for n in found[0.5, 0.1]])


def test_a_pad_of_slots_has_each_at_its_place_and_is_smooth_between(model):
    player = PhrasePlayer(1, model)
    player.slots = {slot: player.slots[slot] for slot in (1, 2, 3, 4)}
    player.move("map", ("slots",), 0.0)
    for place, slot in zip(places(4), (1, 2, 3, 4), strict=True):
        player.move("xy", place, 0.0)
        np.testing.assert_array_equal(player.point, player.slots[slot])
    before = None
    for k in range(101):
        player.move("xy", (k / 100, 0.3), 0.0)
        if before is not None:
            assert np.linalg.norm(player.point - before) < 1.5
        before = player.point
    norms = [np.linalg.norm(p) for p in player.slots.values()]
    assert min(norms) * 0.99 <= np.linalg.norm(player.point) <= max(norms) * 1.01


def test_store_morph_average_vary_and_one_dimension(model):
    player = PhrasePlayer(1, model)
    one, two = player.slots[1], player.slots[2]
    player.move("morph", (1, 2, 0.5), 0.0)
    np.testing.assert_allclose(player.point, slerp(one, two, 0.5))
    player.move("store", (16,), 0.0)
    player.move("average", (1, 2), 0.0)
    assert np.dot(player.point, one) > 0
    player.move("recall", (16,), 0.0)
    player.move("vary", (0.0,), 0.0)
    np.testing.assert_allclose(player.point, player.slots[16], atol=1e-6)
    player.move("vary", (0.2,), 0.0)
    near = np.linalg.norm(player.point - player.slots[16])
    player.move("vary", (1.0,), 0.0)
    assert 0 < near < np.linalg.norm(player.point - player.slots[16])
    player.move("dimension", (3, 2.5), 0.0)
    assert player.point[2] == 2.5
    player.move("latent", tuple(one), 0.0)
    np.testing.assert_array_equal(player.point, one)


@pytest.mark.parametrize(
    ("what", "values", "why"),
    [
        ("latent", (1.0, 2.0), "latent: 2 numbers"),
        ("recall", (15.5,), "slot"),
        ("axis", ("brightness", 0.5), "axis: 'brightness'"),
        ("map", ("density", "density"), "twice"),
        ("capture", (), "capture: nothing"),
        ("fly", (), "'fly' is not known"),
    ],
)
def test_what_cannot_be_is_said(model, what, values, why):
    player = PhrasePlayer(1, model)
    before = player.point.copy()
    with pytest.raises(ValueError, match=why):
        player.move(what, values, 0.0)
    np.testing.assert_array_equal(player.point, before)


def test_what_was_played_is_captured_and_comes_back(model):
    tune = [(0, 64, 1), (1, 66, 1), (2, 67, 2), (4, 69, 1), (5, 67, 1), (6, 64, 2)]
    made = stage(model, key="E minor")
    for on, pitch, length in tune:
        made.player.hear(8.01 + on, pitch, 80)
        made.player.hear(8.01 + on + length * 0.95, pitch, 0)
    made.player.move("capture", (9,), 16.2)
    want, _ = melody_grid(melody_notes(model.decode(made.player.point, made.player._context())), 2)
    pitches = {int(step): int(p) - 2 for step, p in enumerate(want[:, 0]) if p >= 2}
    right = sum(pitches.get(on * 4) == pitch for on, pitch, _ in tune)
    assert right >= 5
    np.testing.assert_array_equal(made.player.slots[9], made.player.point)


def test_every_note_is_in_the_key_and_the_range(model):
    made = stage(model, key="D major", low=60, high=79)
    for slot in range(1, 9):
        made.player.move("recall", (slot,), made.beat)
        made.run(made.beat + 8)
    pitches = [pitch for _, _, pitch in made.played]
    assert pitches
    assert all(p % 12 in (2, 4, 6, 7, 9, 11, 1) and 60 <= p <= 79 for p in pitches)


def test_four_bars_are_the_two_said_twice_and_three_are_refused(model):
    player = PhrasePlayer(1, model)
    player.change("bars", 4, 0.0)
    assert len(player.point) == model.space(4).size
    with pytest.raises(ValueError, match="bars: 3"):
        player.change("bars", 3, 0.0)
    assert player.parameters["bars"] == 4
    player.change("bars", 2, 0.0)
    assert len(player.point) == model.space(2).size


def test_generate_plays_a_new_phrase_for_its_beats_and_says_so(model):
    made = stage(model)
    made.run(4)
    orders = made.player.generate(8, 5, 3, made.beat)
    made.obey(orders)
    every = []
    for _ in range(1200):
        every += (orders := made.player.advance(made.beat))
        made.obey(orders)
        made.beat += 0.01
    done = next(o for o in every if isinstance(o, Done))
    assert (done.player, done.job) == (1, 3)
    assert done.notes > 0
    assert not made.player.playing


def test_drums_are_played_anew_each_round_with_the_same_hits(beats):
    made = stage(beats, humanise=1.0)
    made.run(26)
    one, two = ([(on, p) for on, p in made.heard(a, a + 8)] for a in (7.9, 15.9))

    def hits(notes, start):
        return {(round((on - start) * 4), pitch) for on, pitch in notes}

    assert len(hits(one, 8) ^ hits(two, 16)) <= 2  # one at the very edge may fall into the next round
    assert [round(on - 8, 3) for on, _ in one] != [round(on - 16, 3) for on, _ in two]
    grid = stage(beats, humanise=0.0)
    grid.run(17)
    assert all(abs(on * 4 - round(on * 4)) < 1e-6 for on, _ in grid.heard(8, 16))


def test_a_move_of_drums_strikes_nothing_before_now(beats):
    made = stage(beats)
    for index in range(40):
        made.run(4 + 0.37 * index)
        made.player.move("recall", (1 + index % 16,), made.beat)
        orders = made.player.advance(made.beat)
        made.obey(orders)
        assert all(o.tick >= tick_of(made.beat) for o in orders if isinstance(o, NoteOn))


def test_modes_of_a_stream_model_are_refused(model):
    with pytest.raises(ValueError, match="mode: 'accompany'"):
        PhrasePlayer(1, model).set_mode("accompany", 0.0)


RIFF = [(0.02, 64, 0.4, 91), (0.48, 67, 0.5, 70), (1.5, 71, 1.2, 99), (2.51, 71, 0.4, 40), (4.33, 62, 0.3, 77),
        (4.66, 64, 0.3, 78), (5.0, 66, 0.9, 79), (5.0, 57, 2.9, 55), (7.5, 69, 0.45, 101)]  # fmt: skip


def played_by(made, riff, at):
    for on, pitch, length, velocity in riff:
        made.player.hear(at + on, pitch, velocity)
        made.player.hear(at + on + length, pitch, 0)


def ons(player, begin, end):
    notes = []
    beat = begin
    while beat < end:
        for order in player.advance(beat):
            if isinstance(order, NoteOn):
                notes.append((order.tick, order.pitch, order.velocity))
            elif isinstance(order, Recall):
                notes = [n for n in notes if n[0] < order.tick]
        beat += 0.05
    return notes


@pytest.mark.parametrize("bar", [4, 9])
@pytest.mark.parametrize("late", [-0.2, 0.0, 0.1])
def test_a_captured_riff_comes_back_exactly_from_its_own_first_bar(model, bar, late):
    made = stage(model, key="C major")  # the key does not bend what was captured
    played_by(made, RIFF, 4 * bar)
    line = 4 * bar + 8
    made.player.move("capture", (3,), line + late)
    notes = ons(made.player, line + late, line + 22)
    for turn in (1, 2):
        start = line + 8 * (turn - 1)
        want = [(tick_of(start + on), pitch, velocity) for on, pitch, _, velocity in RIFF]
        got = sorted(n for n in notes if tick_of(start - 0.1) <= n[0] < tick_of(start + 7.9))
        if turn == 1 and late:  # what was pressed late begins late, once
            assert [n[1:] for n in got] == [n[1:] for n in sorted(want)]
        else:
            assert got == sorted(want)


def test_a_captured_riff_is_kept_in_its_slot_until_the_pad_moves(model):
    made = stage(model)
    played_by(made, RIFF, 8)
    made.player.move("capture", (3,), 15.9)
    state = made.player.state()
    made.player.move("xy", (0.9, 0.1), 17.0)
    moved = ons(made.player, 17.0, 26.0)
    assert [n[1] for n in moved if 24 * 960 <= n[0] < 32 * 960] != [p for _, p, _, _ in RIFF]
    other = stage(model)
    other.player.move("restore", (state,), 0.0)
    other.player.move("recall", (3,), 1.0)
    notes = [n for n in ons(other.player, 1.0, 10.0) if 4 * 960 <= n[0] < 12 * 960]
    assert sorted(notes) == sorted((tick_of(4 + on), p, v) for on, p, _, v in RIFF)


def test_a_captured_riff_in_three_four_is_not_cut_to_bars_of_four(model):
    made = stage(model)
    made.player.set_metre(Metre(3, 4))
    riff = [(0.0, 60, 0.9, 80), (1.0, 64, 0.9, 81), (2.5, 67, 0.4, 82), (3.0, 69, 0.9, 83), (5.25, 72, 0.5, 84)]
    played_by(made, riff, 9)
    made.player.move("capture", (), 15.0)
    notes = ons(made.player, 15.0, 26.0)
    for start in (15, 21):
        got = sorted(n for n in notes if tick_of(start) <= n[0] < tick_of(start + 6))
        assert [n[1:] for n in got] == [(p, v) for _, p, _, v in riff]


def test_vary_changes_more_by_a_larger_amount_and_0_1_changes_something(model):
    found = []
    for amount in (0.0, 0.1, 0.3, 0.6, 1.0):
        player = PhrasePlayer(1, model)
        before = model.decode(player.point, player._context())
        player.change("seed", 5, 0.0)
        player.move("vary", (amount,), 0.0)
        found.append(distance(before, model.decode(player.point, player._context())))
    assert found[0] == 0 < found[1]
    assert found == sorted(found)


def test_a_seed_varies_to_the_same_phrase_whatever_is_played_meanwhile(beats):
    found = []
    for played in (0.0, 12.0):
        player = PhrasePlayer(1, beats)
        player.set_mode("free", 0.0)
        player.change("seed", 5, 0.0)
        Stage(player).run(played)
        player.move("vary", (0.4,), played)
        found.append(player.point)
    np.testing.assert_allclose(*found, atol=1e-6)
