import numpy as np
import pytest
import torch

from rnnmuse.events import Note
from rnnmuse.music.codec import BEATS, GRID, KEY, KIND, PITCH, SUB, UNKNOWN, PartClass, encode
from rnnmuse.music.piece import Key, Part, Piece
from rnnmuse.train.stream.data import Lanes, Music, whole
from rnnmuse.train.stream.network import sounding, start_row

PARTS = (PartClass("piano", 0, (0,)), PartClass("drums", drum=True))


def music(count=5):
    rng = np.random.default_rng(1)
    out = []
    for size in range(count):
        notes = [Note(i * 0.5, int(rng.integers(40, 80)), 1.2) for i in range(20 + 13 * size)]
        strokes = [Note(float(i), 36, 0.1) for i in range(10)]
        piece = Piece([Part("P", notes=notes), Part("D", drum=True, notes=strokes)], keys=[Key(0, 0)])
        out.append(encode(piece, PARTS))
    return out


def on_cpu(pieces):
    return Music(pieces, 2, 1, torch.device("cpu"))


def reader(lanes, pieces=None, transpose=(0, 0), seed=3, weights=None):
    return Lanes(on_cpu(pieces or music()), lanes, 16, transpose, seed, weights)


def test_the_targets_of_a_lane_are_its_pieces_one_after_the_other():
    pieces = music()
    lanes, got, current = reader([0], pieces), [], []
    while len(got) < 5:
        batch = lanes.next()
        if batch.fresh[0]:
            current = []
            got.append(current)
            assert batch.inputs[0, 0].tolist() == start_row()
        current += batch.targets[0][batch.mask[0] > 0].tolist()
    wanted = [piece.events.tolist() for piece in pieces]
    assert all(piece in wanted for piece in got[:4])
    assert len({str(piece) for piece in got[:4]}) == 4, "no piece twice in a round"


def test_what_sounds_is_what_a_replay_says():
    before = torch.zeros(3, 2, 128, dtype=torch.bool)
    for batch, index in whole(on_cpu(music()), 3, 16):
        before = before & ~batch.fresh.view(-1, 1, 1)
        heard = sounding(batch.inputs, before, 1)
        for lane, piece in enumerate(index):
            playing = before[lane].clone()
            for t in range(int(batch.mask[lane].sum())):
                row = batch.inputs[lane, t]
                if row[KIND] < 2 and row[3] != 1:
                    playing[row[3], row[PITCH]] = row[KIND] == 1
                assert torch.equal(heard[lane, t], playing), (piece, t)
        before = heard[:, -1]


def test_times_are_those_of_the_piece():
    for batch, index in whole(on_cpu(music()), 2, 16):
        steps = batch.targets[..., BEATS] * GRID + batch.targets[..., SUB]
        for lane, piece in enumerate(index):
            count = int(batch.mask[lane].sum()) if piece >= 0 else 0
            assert torch.equal(batch.times[lane, 1 : count + 1] - batch.times[lane, :count], steps[lane, :count])


def test_the_last_pitch_of_a_part_is_the_note_before():
    for batch, index in whole(on_cpu(music(2)), 1, 16):
        if batch.fresh[0]:
            last = -1
        for t in range(int(batch.mask[0].sum())):
            row = batch.targets[0, t]
            if row[3] == 0 and index[0] >= 0:
                assert batch.last[0, t] == last
                last = int(row[PITCH]) if row[KIND] == 1 else last


def test_whole_visits_every_event_once():
    pieces = music()
    seen = {i: [] for i in range(len(pieces))}
    for batch, index in whole(on_cpu(pieces), 2, 16):
        for lane, piece in enumerate(index):
            if piece >= 0:
                assert bool(batch.fresh[lane]) == (not seen[piece])
                seen[piece] += batch.targets[lane][batch.mask[lane] > 0].tolist()
    assert [seen[i] for i in seen] == [piece.events.tolist() for piece in pieces]


def test_lanes_of_two_processes_are_the_lanes_of_one():
    one, halves = reader(range(4)), [reader([0, 2]), reader([1, 3])]
    for _ in range(12):
        batch = one.next()
        parts = [half.next() for half in halves]
        assert torch.equal(batch.targets[::2], parts[0].targets)
        assert torch.equal(batch.context[1::2], parts[1].context)


def test_transposition_moves_pitches_and_key_but_not_drums():
    piece = music(1)
    lanes, shifts = reader([0], piece, (-3, 3)), set()
    for _ in range(300):
        batch = lanes.next()
        if batch.fresh[0]:
            on = batch.targets[0, :16]
            pitched = on[:, 3] == 0
            shift = set(
                (on[pitched][:, PITCH] - torch.tensor(piece[0].events[:16][pitched.numpy()][:, PITCH])).tolist()
            )
            assert len(shift) == 1
            shifts |= shift
            assert (on[~pitched][:, PITCH] == 36).all()
            key = int(batch.context[0, 0, KEY])
            assert key == UNKNOWN[KEY] or key == min(shift) % 12
    assert shifts == set(range(-3, 4))


@pytest.mark.parametrize("column", [KEY, 6])
def test_context_is_hidden_now_and_then(column):
    lanes, hidden, shown = reader(range(8)), 0, 0
    for _ in range(40):
        batch = lanes.next()
        first = batch.context[batch.fresh][:, 0, column]
        hidden += int((first == UNKNOWN[column]).sum())
        shown += int((first != UNKNOWN[column]).sum())
    assert 0.08 < hidden / (hidden + shown) < 0.5


def test_weights_say_how_often_a_piece_is_read():
    pieces = music(2)
    lanes = reader(range(8), pieces, weights=np.array([0.9, 0.1]))
    begun = [0, 0]
    for _ in range(120):
        lanes.next()
        for place in lanes.places:
            begun[place.piece] += place.at == 16
    assert 0.8 < begun[0] / sum(begun) < 0.97


def test_the_velocity_of_a_piece_without_dynamics_is_not_learned():
    flat, lively = music(2)
    lively.events[:, 5] = np.arange(len(lively)) % 30
    batch = next(whole(on_cpu([flat, lively]), 2, 16))[0]
    assert batch.touched.tolist() == [1, 1], "for evaluation every velocity counts"
    lanes = reader(range(4), [flat, lively])
    batch = lanes.next()
    assert batch.touched.tolist() == [float(place.piece == 1) for place in lanes.places]
