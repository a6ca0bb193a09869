"""Many states stepped at once against each stepped alone."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

import numpy as np
import pytest
from test_network import PARTS, SHAPE, random_net, song

from rnnmuse.models.likelihood import event_likelihoods, log_likelihood
from rnnmuse.models.stream import START_EVENT, StreamModel
from rnnmuse.music.piece import Piece
from rnnmuse.play.limits import Constraints, Rules
from rnnmuse.play.sampler import Frame, Player
from rnnmuse.play.together import step_together
from rnnmuse.train.graph import in_four_bits
from rnnmuse.train.stream.export import reading_graphs, step_graph


def model_of(kind):
    weights = {key: value.detach().numpy() for key, value in random_net().state_dict().items()}
    graph = step_graph(weights)
    match kind:
        case "one row":  # as bundles of earlier versions have it
            for value in [*graph.graph.input, *graph.graph.output]:
                value.type.tensor_type.shape.dim[0].dim_value = 1
            return StreamModel("test", PARTS, weights, graph.SerializeToString(), SHAPE.slots)
        case "four bits":
            said = reading_graphs(weights)
            return StreamModel("test", PARTS, weights, in_four_bits(graph), SHAPE.slots, said=said)
    return StreamModel("test", PARTS, weights, graph.SerializeToString(), SHAPE.slots)


KINDS = ("floats", "one row", "four bits")


@pytest.mark.parametrize("kind", KINDS)
def test_many_states_say_what_each_says_alone(kind):
    """States of any age, some that have lost slots and some new, in another order at every step."""
    model, random = model_of(kind), Random(1)
    pieces = [song(seed, notes) for seed, notes in ((1, 70), (2, 30), (3, 45), (4, 5), (5, 60))]
    begins = (0, 0, 40, 50, 61)
    alone, together = {}, {}
    likelihood = {False: np.zeros(len(pieces)), True: np.zeros(len(pieces))}

    def heard(which, at):
        """The event before the one at ``at``, and its context."""
        piece = pieces[which]
        return (START_EVENT if at == 0 else tuple(piece.events[at - 1].tolist())), piece.context[
            max(0, at - 1)
        ].tolist()

    for step in range(max(begin + len(piece) for begin, piece in zip(begins, pieces, strict=True))):
        lanes = [i for i, piece in enumerate(pieces) if begins[i] <= step < begins[i] + len(piece)]
        random.shuffle(lanes)
        for i in lanes:
            if step == begins[i]:
                alone[i] = together[i] = model.start(96 * i)
        rows = [heard(i, step - begins[i]) for i in lanes]
        restates = [float(i) for i in lanes]
        many = model.step_many([together[i] for i in lanes], *zip(*rows, strict=True), restates=restates)
        for i, (event, context), restate, (expected, state) in zip(lanes, rows, restates, many, strict=True):
            one, alone[i] = model.step(alone[i], event, context, restate=restate)
            together[i] = state
            np.testing.assert_allclose(state.hidden, alone[i].hidden, atol=1e-6)
            assert state[1:2] + state[5:] == alone[i][1:2] + alone[i][5:]
            at = step - begins[i]
            row, place = pieces[i].events[at].tolist(), pieces[i].context[at].tolist()
            for which, found in ((True, expected), (False, one)):
                likelihood[which][i] += log_likelihood(found, state.sounding, row, place, len(PARTS))
    np.testing.assert_allclose(likelihood[True], likelihood[False], rtol=1e-5)


def test_a_row_depends_on_no_other():
    model = model_of("four bits")
    state = model.start()
    context = song(1).context[0].tolist()
    (_, one), (_, two) = model.step_many([state, state], [START_EVENT, START_EVENT], [context, context])
    other = song(2).context[9].tolist()
    (_, three), (_, four) = model.step_many([state, state], [START_EVENT, START_EVENT], [other, context])
    np.testing.assert_array_equal(one.hidden, two.hidden)
    np.testing.assert_array_equal(two.hidden, four.hidden)
    assert np.abs(three.hidden - one.hidden).max() > 1e-3


def test_a_model_is_stepped_by_several_threads():
    model, pieces = model_of("four bits"), [song(seed, 40) for seed in range(4)]
    alone = [event_likelihoods(model, piece) for piece in pieces]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(partial(event_likelihoods, model), pieces))
    assert together == alone


def test_no_states_are_none_and_rows_that_do_not_match_are_refused():
    model = model_of("floats")
    assert model.step_many([], [], []) == []
    with pytest.raises(ValueError, match="zip"):
        model.step_many([model.start()], [START_EVENT, START_EVENT], [[0] * 13])


@pytest.mark.parametrize("kind", KINDS)
def test_players_that_are_stepped_at_once_play_what_they_play_alone(kind):
    model = model_of(kind)

    def players():
        out = []
        for seed in range(6):
            rules = Rules(Constraints(parts=frozenset({seed % 3, 2})), Piece(), model.drums, len(PARTS))
            out.append(Player(model, Frame(Piece()), rules, Random(seed), grid=24 * seed))
        return out

    alone = [[one.next(one.grid, 10**9) for _ in range(60)] for one in players()]
    together = players()
    played = [[] for _ in together]
    for turn in range(60):
        step_together(together if turn % 2 else reversed(together))
        for one, found in zip(together, played, strict=True):
            found.append(one.next(one.grid, 10**9))
    assert played == alone


def test_players_of_other_models_are_stepped_with_them():
    one, two = model_of("floats"), model_of("four bits")
    players = [
        Player(model, Frame(Piece()), Rules(Constraints(), Piece(), 2, 3), Random(1)) for model in (one, two, one)
    ]
    step_together(players)
    assert all(player._previous is None and player._expected is not None for player in players)
    assert [player._expected._model for player in players] == [one, two, one]
