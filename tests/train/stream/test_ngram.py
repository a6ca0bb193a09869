import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from rnnmuse.events import Note
from rnnmuse.music.codec import KIND, OFF, ON, PITCH, VELOCITY, PartClass, encode, field_sizes
from rnnmuse.music.piece import Part, Piece
from rnnmuse.train.stream.ngram import NGram

PARTS = (PartClass("piano", 0, (0,)),)


def piece(seed):
    rng = np.random.default_rng(seed)
    notes = [Note(i * float(rng.choice([0.5, 1.0])), int(rng.choice([60, 62, 64])), 0.4, 80) for i in range(30)]
    return encode(Piece([Part(notes=notes)]), PARTS)


def brute(training, test, order):
    """The same model with dictionaries, one event at a time."""
    sizes = field_sizes(1)

    def levels(events, i, head):
        sofar = tuple(events[i][c] for c in range(head) if c != VELOCITY)
        out = [(head,), (head, "so far", sofar)]
        for back in range(1, order):
            before = tuple(events[i - back][:5]) if i >= back else None
            out.append((*out[-1], before))
        return out if order > 1 else out[:1]

    counts = defaultdict(Counter)
    for one in training:
        events = one.events.tolist()
        for i, row in enumerate(events):
            for head in range(7):
                for context in levels(events, i, head):
                    counts[context][row[head]] += 1
    total, events, sounding = np.zeros(7), test.events.tolist(), set()
    for i, row in enumerate(events):
        for head in range(7):
            p = [1 / sizes[head]] * sizes[head]
            for context in levels(events, i, head):
                if context in counts:
                    seen, kinds = counts[context], len(counts[context])
                    n = sum(seen.values())
                    p = [(seen[w] + kinds * p[w]) / (n + kinds) for w in range(sizes[head])]
            allowed = [True] * sizes[head]
            if head == KIND:
                allowed[OFF] = bool(sounding)
            if head == PITCH:
                allowed = [(w in sounding) == (row[KIND] == OFF) for w in range(128)]
            if not (head == VELOCITY and row[KIND] == OFF):
                total[head] -= math.log(p[row[head]] / sum(q for q, ok in zip(p, allowed, strict=True) if ok))
        (sounding.add if row[KIND] == ON else sounding.discard)(row[PITCH])
    return total


@pytest.mark.parametrize("order", [1, 2, 3])
def test_it_is_witten_and_bells(order):
    training, test = [piece(1), piece(2)], piece(3)
    np.testing.assert_allclose(
        NGram(training, 1, order).nll_by_head([test], -1)[0], brute(training, test, order), rtol=1e-9
    )


def test_more_context_helps_on_a_repeated_tune():
    loop = encode(Piece([Part(notes=[Note(i, 60 + i % 5, 0.5) for i in range(60)])]), PARTS)
    assert NGram([loop], 1, 4).nll_by_head([loop], -1).sum() < NGram([loop], 1, 1).nll_by_head([loop], -1).sum() / 3


def test_tuning_never_hurts_the_pieces_it_is_tuned_on():
    training, tune = [piece(i) for i in range(4)], [piece(9)]
    plain = NGram(training, 1, 4).nll_by_head(tune, -1).sum(0)
    tuned = NGram(training, 1, 4, tune).nll_by_head(tune, -1).sum(0)
    assert (tuned <= plain + 1e-9).all()
