"""Players at the ends of every parameter: they play or rest, and what they draw from are finite numbers."""

import math
import warnings
from random import Random

import numpy as np
import pytest

from rnnmuse.models import sampling
from rnnmuse.protocol import MODES, PARAMETERS
from rnnmuse.testing import StageClient

KEYS = {"key": ("", "F# minor", "C"), "scale": ("", "pentatonic", "chromatic"), "chord": ("", "Bbm7b5", "C")}


def ends(name):
    """The ends of a parameter's range, just inside them, and its default; its words, where it has some."""
    argument, default, _ = PARAMETERS[name]
    if argument.kind == "s":
        return KEYS.get(name, argument.choices)
    inside = [] if argument.kind == "i" else [math.nextafter(argument.low, 1e9), argument.low + 1e-3]
    return [argument.low, argument.high, default, *inside]


@pytest.fixture(autouse=True)
def strict(monkeypatch):
    """Numbers that overflow or are none raise, here and in the engine; so do warnings."""
    drawn, own = [0], sampling._drawn

    def finite(weights, random, top_p):
        drawn[0] += 1
        assert all(math.isfinite(weight) and weight >= 0 for weight in weights), weights
        assert sum(weights) > 0
        return own(weights, random, top_p)

    monkeypatch.setattr(sampling, "_drawn", finite)
    with np.errstate(divide="raise", over="raise", invalid="raise"), warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield drawn


def stage_of(model, mode, values, players=(1, 2)):
    """A stage whose players have these values, and play."""
    stage = StageClient()
    for player in players:
        stage.send(f"/rnnmuse/player/{player}/model", model)
        for name, value in values.items():
            stage.send(f"/rnnmuse/player/{player}/param/{name}", value)
        stage.send(f"/rnnmuse/player/{player}/mode", mode)
    stage.send("/rnnmuse/transport/play")
    return stage


def played(stage, beats, tempo):
    """Play some beats, with the performer in between."""
    stage.send("/rnnmuse/transport/tempo", tempo)
    for beat in range(beats):
        if beat % 12 < 6:
            stage.send("/rnnmuse/player/*/note", 60 + beat % 5, 1 + 63 * (beat % 3), 0.5)
        stage.run(60 / tempo)
    assert not stage.faults(), stage.faults()
    assert len(stage.engines) == 1
    codes = {code for _, code, _ in stage.errors()}
    assert codes <= {"value"}, stage.errors()  # such as a lowest note above the highest
    assert not stage.hung()
    assert not stage.output.twice
    stage.close()


@pytest.mark.parametrize("model", ["lieder", "grooves", "piano", "leadsheet", "chorales", "beats", "phrases"])
def test_players_at_the_ends_of_every_parameter_play_or_rest(model):
    random = Random(model)
    for mode in MODES[1:]:
        values = {name: random.choice(ends(name)) for name in PARAMETERS}
        played(stage_of(model, mode, values), 12, random.choice((20.0, 120.0, 999.0)))


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_parameter_at_each_of_its_ends_alone(name, strict):
    for value in ends(name):
        played(stage_of("lieder", "free", {name: value}, (1,)), 4, 120.0)
    assert strict[0]


@pytest.mark.parametrize("mode", ["continue", "answer", "accompany"])
@pytest.mark.parametrize(("low", "high"), [(127, 127), (120, 127), (0, 0), (0, 40), (60, 64)])
def test_what_accompanies_stays_within_the_lowest_and_the_highest_note(mode, low, high):
    values = {"low": low, "high": high, "chord": "C", "silence": 0.25}
    stage = stage_of("lieder", mode, values, (1,))
    played(stage, 12, 240.0)
    lieder = {sent.pitch for sent in stage.notes("on")}
    assert all(low <= pitch <= high for pitch in lieder), sorted(lieder)


@pytest.mark.parametrize(("density", "high"), [(24.0, 0), (0.001, 127)])
def test_a_density_that_cannot_be_reached_is_aimed_at_for_ever(density, high, strict):
    """The tilt of the waits grows with each bar, up to its bound: six nats a beat."""
    stage = stage_of("lieder", "free", {"density": density, "polyphony": 1, "high": high, "original": 0}, (1,))
    played(stage, 80, 240.0)
    assert strict[0]
