"""What music asks of a picture: stated, repeatable, smooth."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from rnnmuse.cover.traits import (
    MOODS,
    NAMES,
    PROFILE,
    PROFILE_REACH,
    REACH,
    TONE,
    WISHES,
    Traits,
    conditions_of,
    latent_of,
    profile_of,
    tone_of,
    traits_of,
    traits_of_seed,
)  # fmt: skip
from rnnmuse.errors import RnnmuseError
from rnnmuse.events import Note
from rnnmuse.models.cover import ABSTRACT, ATTRIBUTES, CONDITIONS
from rnnmuse.music.piece import Key, Part, Piece, Tempo


def tune(step=1.0, pitch=60, velocity=80, tempo=120, key=None):
    notes = [Note(i * step, pitch + (0, 4, 7, 12)[i % 4], step, velocity) for i in range(32)]
    return Piece([Part("p", notes=notes)], [Tempo(0.0, tempo)], keys=[key] if key else [])


def test_each_trait_follows_its_music():
    plain = traits_of(tune())
    assert traits_of(tune(key=Key(0.0, 0, True))).mode == -1 == -plain.mode
    assert traits_of(tune(tempo=180)).tempo > plain.tempo
    assert traits_of(tune(step=0.25)).density > plain.density
    assert traits_of(tune(pitch=84)).register > plain.register
    assert traits_of(tune(velocity=120)).dynamics > plain.dynamics
    foreign = tune(key=Key(0.0, 6))
    assert traits_of(foreign).chromaticism > plain.chromaticism


def test_the_circle_of_fifths_is_a_circle():
    turns = [traits_of(tune(key=Key(0.0, tonic * 7 % 12))) for tonic in range(12)]
    places = [(turn.fifths_x, turn.fifths_y) for turn in turns]
    gaps = [math.dist(a, b) for a, b in pairwise([*places, places[0]])]
    assert np.allclose(gaps, gaps[0])
    minor = traits_of(tune(key=Key(0.0, 9, True)))
    assert (minor.fifths_x, minor.fifths_y) == pytest.approx((turns[0].fifths_x, turns[0].fifths_y), abs=1e-9)


def test_traits_are_bounded_whatever_the_music():
    wild = [Note(i / 96, i % 128, 0.01, 127) for i in range(2000)]
    slow = [Note(0.0, 0, 4000.0, 1)]
    for piece in (Piece([Part(notes=wild)], [Tempo(0.0, 400)]), Piece([Part(notes=slow)], [Tempo(0.0, 5)]),
                  Piece([Part(drum=True, notes=wild)])):  # fmt: skip
        assert np.abs(traits_of(piece).vector()).max() <= 1.5
    with pytest.raises(RnnmuseError, match="no notes"):
        traits_of(Piece())


def test_wishes_name_attributes_and_add_up():
    assert set(WISHES) == set(NAMES)
    named = {a for wish in [*WISHES.values(), *MOODS.values()] for a in wish}
    assert named <= {*ATTRIBUTES, "abstract"}
    c = conditions_of(Traits(mode=1.0, register=1.0))
    assert c.shape == (CONDITIONS,)
    wanted = WISHES["mode"]["brightness"] + WISHES["register"]["brightness"]
    assert c[ATTRIBUTES.index("brightness")] == pytest.approx(wanted)
    assert 0 <= c[ABSTRACT] <= 1
    assert np.allclose(conditions_of(Traits(mode=1.0), strength=0.0)[:ABSTRACT], 0)


def test_moods_are_added_and_mistakes_named():
    plain, dark, both = (conditions_of(Traits(), mood) for mood in ("", "dark", "Dark + calm"))
    assert dark[0] < plain[0]
    assert both[ATTRIBUTES.index("detail")] < dark[ATTRIBUTES.index("detail")]
    with pytest.raises(ValueError, match="mood: 'angry'; must be of calm, stormy"):
        conditions_of(Traits(), "angry")


def test_latents_correlate_as_stated():
    """Against the kernel that random Fourier features estimate (Rahimi and Recht 2007)."""
    a = Traits(tempo=0.5)
    for distance in (0.0, 0.7, 1.5):
        b = replace(a, register=distance)
        products = [latent_of(a, seed, 500) @ latent_of(b, seed, 500) / 500 for seed in range(20)]
        assert np.mean(products) == pytest.approx(math.exp(-(distance**2) / (2 * REACH**2)), abs=0.05)
    p = np.zeros(PROFILE, np.float32)
    for distance in (0.2, 0.5):
        q = p + np.eye(PROFILE, dtype=np.float32)[4] * distance
        products = [latent_of(a, seed, 500, p) @ latent_of(a, seed, 500, q) / 500 for seed in range(20)]
        assert np.mean(products) == pytest.approx(math.exp(-(distance**2) / (2 * PROFILE_REACH**2)), abs=0.05)
    assert np.array_equal(latent_of(a, 3, 96), latent_of(a, 3, 96))
    assert abs(np.corrcoef(latent_of(a, 3, 5000), latent_of(a, 4, 5000))[0, 1]) < 0.1


def test_a_profile_is_how_often_degrees_steps_and_gaps_come():
    profile = profile_of(tune(step=0.5, key=Key(0.0, 0)))  # C E G C, 32 notes
    share = 3 * profile**2
    assert share[:12].tolist() == pytest.approx([0.5, 0, 0, 0, 0.25, 0, 0, 0.25, 0, 0, 0, 0])
    steps = dict(zip(range(-7, 8), share[12:27].tolist(), strict=True))
    assert {k: round(v * 31) for k, v in steps.items() if v} == {4: 8, 3: 8, 5: 8, -7: 7}  # an octave down is beyond
    assert share[27:].tolist() == pytest.approx([0, 0, 1, 0, 0, 0, 0, 0])
    assert np.linalg.norm(profile) == pytest.approx(1)
    transposed = tune(step=0.5, pitch=67, key=Key(0.0, 7))
    assert np.array_equal(profile, profile_of(transposed))
    assert not profile_of(Piece()).any()
    drums = profile_of(Piece([Part(drum=True, notes=tune().notes)]))
    assert np.linalg.norm(drums) == pytest.approx(1)


def test_the_notes_have_a_tone_of_their_own():
    def tone(**settings):
        return dict(zip(ATTRIBUTES, tone_of(profile_of(tune(**settings)), 1).tolist(), strict=False))

    assert tone(step=2.0)["brightness"] > tone(step=0.25)["brightness"] + 0.5
    narrow, wide = (
        Piece([Part(notes=[replace(n, pitch=60 + step * (i % 2)) for i, n in enumerate(tune().parts[0].notes)])])
        for step in (2, 7)
    )
    tint = ATTRIBUTES.index("tint")
    assert tone_of(profile_of(wide), 1)[tint] > tone_of(profile_of(narrow), 1)[tint] + 0.5
    assert tone(step=1.0)["warmth"] > tone(step=0.5)["warmth"] + 0.5  # even eighths are cooler
    assert np.abs(tone_of(profile_of(wide), 1)).max() <= 1.5 * TONE
    assert not tone_of((), 1).any()


def test_other_seeds_add_a_mood_that_is_the_same_for_all_pieces():
    one, two = (profile_of(tune(step=step)) for step in (0.5, 1.0))
    moods = [tone_of(profile, 7) - tone_of(profile, 1) for profile in (one, two)]
    assert moods[0] == pytest.approx(moods[1], abs=1e-6)
    assert moods[0][:ABSTRACT].any()
    assert not moods[0][ABSTRACT:].any()


def test_seeds_have_traits_of_their_own():
    assert traits_of_seed(1) == traits_of_seed(1) != traits_of_seed(2)
