"""A band on stage: four roles, one harmony, fills, turns with the drums, and an ending on cue."""

import pytest

from rnnmuse import config
from rnnmuse.clock import PPQ
from rnnmuse.music.theory import parse_chord
from rnnmuse.play.band import CRASH, SECTION, Band
from rnnmuse.protocol import STYLES
from rnnmuse.realtime.rig import open_rig
from rnnmuse.session.lineup import CHARTS, SEATS
from rnnmuse.testing import StageClient

NUMBER = {role: player for player, role in SEATS.items()}


def begun(stage, player=0):
    """Beat and note of what began, of one player or of all."""
    return [(s.beat, s) for _, s in stage.output.events if s.velocity and player in (0, s.player)]


@pytest.mark.parametrize("style", STYLES)
def test_one_message_is_a_band_in_the_chart_with_every_role_in_every_phrase(style):
    stage = StageClient()
    stage.send("/rnnmuse/band", style)
    stage.settle()
    tempo = float(stage.stage.clock.tempo)
    stage.run(40 * 60 / tempo)
    assert not stage.errors()
    assert stage.ask("/rnnmuse/band") == (style,)
    assert stage.ask("/rnnmuse/harmony/chart") == (CHARTS[style],)
    chart = stage.engine.engine.harmony.chart
    for player in SEATS:
        beats = [beat for beat, _ in begun(stage, player)]
        assert all(any(16 * k <= beat < 16 * k + 16 for beat in beats) for k in range(2)), player
    for player in (1, 2, 3):
        for beat, sent in begun(stage, player):
            if abs(beat / 2 - round(beat / 2)) < 0.01:
                assert sent.pitch % 12 in parse_chord(chart.at(round(beat) + 1e-6)[0]).pitch_classes
    assert not stage.output.twice
    assert not stage.hung()
    stage.close()


@pytest.mark.parametrize("settles", [False, True])
def test_a_chart_that_was_given_wins_and_one_that_is_refused_does_not(settles):
    for given, holds in (("Am7 | D7 |", "Am7 | D7 |"), ("Am7 | H7 |", CHARTS["pop"])):
        stage = StageClient()
        stage.send("/rnnmuse/harmony/chart", given)
        if settles:
            stage.settle()
        stage.send("/rnnmuse/band", "pop")
        stage.settle()
        assert stage.ask("/rnnmuse/harmony/chart") == (holds,)
        assert stage.engine.engine.harmony.chart.text == holds
        stage.run(5.0)
        assert {sent.player for _, sent in begun(stage)} == set(SEATS)
        stage.close()


def test_another_style_brings_its_chart_and_leaves_a_given_one():
    stage = StageClient()
    stage.send("/rnnmuse/band", "pop")
    stage.settle()
    stage.send("/rnnmuse/band", "folk")
    assert stage.ask("/rnnmuse/harmony/chart") == (CHARTS["folk"],)
    stage.send("/rnnmuse/harmony/chart", "Em | A7 |")
    stage.send("/rnnmuse/band", "game")
    assert stage.ask("/rnnmuse/harmony/chart") == ("Em | A7 |",)
    stage.close()


@pytest.mark.parametrize("metre", [(3, 4), (7, 8)])
def test_a_band_plays_in_other_metres(metre):
    stage = StageClient()
    stage.send("/rnnmuse/transport/metre", *metre)
    stage.send("/rnnmuse/band", "jazz")
    stage.run(5.0)
    assert not stage.errors()
    assert {sent.player for _, sent in begun(stage)} == set(SEATS)
    assert not stage.hung()
    stage.close()


def test_the_ending_comes_on_cue_with_a_final_chord_and_the_clock_stops():
    stage = StageClient()
    stage.send("/rnnmuse/band", "pop")
    stage.send("/rnnmuse/transport/tempo", 120.0)
    stage.settle()
    stage.run(9.0)
    (over,) = stage.ask("/rnnmuse/transport/ending")
    assert over % 4 == 0
    assert 18 < over <= 18 + 4 * 8
    stage.run(24.0)
    assert not stage.stage.clock.running
    last = over - 4
    for player in (2, 3, 4):
        final = [sent.pitch for beat, sent in begun(stage, player) if last - 0.1 <= beat < over]
        assert final
        assert all(abs(beat - last) < 0.1 for beat, _ in begun(stage, player) if last - 0.1 <= beat)
    assert CRASH in [sent.pitch for beat, sent in begun(stage, 4) if beat > last - 0.1]
    assert not stage.output.sounding
    stage.send("/rnnmuse/transport/play")  # and it plays again
    stage.run(4.0)
    assert stage.stage.clock.running
    stage.close()


def test_a_band_is_let_go():
    stage = StageClient()
    stage.send("/rnnmuse/band", "folk")
    stage.run(4.0)
    stage.send("/rnnmuse/band", "")
    stage.run(0.5)
    since = len(stage.output.events)
    stage.run(4.0)
    assert not [sent for _, sent in stage.output.events[since:] if sent.velocity]
    assert stage.ask("/rnnmuse/band") == ("",)
    assert not stage.errors()
    stage.close()


def test_an_ending_without_a_clock_is_refused_and_a_restart_is_not_ended():
    stage = StageClient()
    stage.send("/rnnmuse/transport/ending")
    stage.settle()
    assert "the clock stands" in stage.errors()[0][2]
    stage.send("/rnnmuse/band", "folk")
    stage.run(5.0)
    stage.send("/rnnmuse/transport/ending")
    stage.run(0.2)
    stage.send("/rnnmuse/transport/play")
    stage.run(25.0)
    assert stage.stage.clock.running
    stage.close()


def test_in_fours_the_drums_have_every_other_four_bars_to_themselves():
    stage = StageClient()
    stage.send("/rnnmuse/band", "jazz")
    stage.send("/rnnmuse/transport/tempo", 200.0)
    stage.send("/rnnmuse/band/fours", 4)
    stage.settle()
    stage.run(36 * 0.3)
    others = [beat for player in (1, 2, 3) for beat, _ in begun(stage, player)]
    assert [beat for beat in others if beat < 15]
    assert not [beat for beat in others if 16.2 <= beat < 31.8]
    assert len([beat for beat, _ in begun(stage, 4) if 16 <= beat < 32]) > 16
    assert [beat for beat in others if beat >= 32]
    stage.close()


def test_a_role_is_a_persons_and_the_others_play_on():
    stage = StageClient()
    stage.send("/rnnmuse/band", "jazz")
    stage.settle()
    stage.run(4.0)
    stage.send(f"/rnnmuse/player/{NUMBER['bass']}/mode", "off")
    stage.run(4.0)
    since = stage.stage.clock.beat_at(stage.time) - 6
    assert not [beat for beat, _ in begun(stage, NUMBER["bass"]) if beat > since]
    assert all([beat for beat, _ in begun(stage, NUMBER[role]) if beat > since] for role in ("drums", "chords"))
    stage.close()


def test_the_band_is_fuller_when_the_performer_is_louder():
    band = Band()
    quiet, loud = Band(), Band()
    for beat in range(16):
        quiet.hear(beat, 40)
        loud.hear(beat, 112)
    assert quiet.dense(4, 16.0) < band.dense(4, 16.0) < loud.dense(4, 16.0)
    assert quiet.dense(4, 40.0) == band.dense(4, 40.0)  # nobody plays any more


def test_fills_are_where_sections_end_and_the_ending_waits_for_a_phrase():
    band = Band()
    assert [bar for bar in range(32) if band.fills(bar)] == [SECTION - 1 + SECTION * k for k in range(4)]
    for beat in range(0, 64, 5):
        band = Band()
        over = band.end(float(beat)) / PPQ
        assert over % 4 == 0
        assert (over / 4 - 1) % 4 == 0
        assert 12 <= over - 4 - beat + 4 <= 32


@pytest.mark.parametrize("style", STYLES)
def test_the_rig_of_a_band_seats_it(style):
    rig = config.parse(config.write(config.band_rig(style)))
    assert rig == config.band_rig(style)
    stage = StageClient()
    open_rig(stage.stage, rig, None)
    stage.run(8.0)
    assert {sent.player for _, sent in begun(stage)} == set(SEATS)
    stage.close()


@pytest.mark.parametrize("style", STYLES)
def test_a_band_that_takes_over_from_one_that_was_stopped_begins_at_once_and_in_measure(style):
    stage = StageClient()
    stage.send("/rnnmuse/band", "jazz")
    stage.run(20.0)
    stage.send("/rnnmuse/transport/stop")
    stage.run(0.3)
    before = len(stage.output.events)
    stage.send("/rnnmuse/band", style)  # a tempo, models, modes and a start, within one moment
    stage.run(20.0)
    came = [(s.beat, s) for _, s in stage.output.events[before:] if s.velocity]
    first = {player: min(beat for beat, s in came if s.player == player) for player in SEATS}
    assert max(first.values()) < 16, first
    places = [round(beat * 24) for beat, _ in came]
    assert max(places.count(place) for place in places) <= 16  # no bars of the past at once
    assert not stage.hung()


def test_what_was_played_before_a_stop_is_not_kept_when_the_stage_begins_again():
    """Beats count from 0 again: what came later in the last pass is not of the last minutes."""
    stage = StageClient()
    stage.send("/rnnmuse/band", "pop")
    stage.run(100.0)
    players = stage.engine.engine.players
    before = sum(len(player._loop) + len(player._past) for player in players.values())
    for _ in range(3):
        stage.send("/rnnmuse/transport/stop")
        stage.run(1.0)
        stage.send("/rnnmuse/transport/play")
        stage.run(20.0)
        beat = stage.engine.engine.beat + 16
        for player in players.values():
            assert all(heard.beat < beat for heard in player._past)
            assert all(order.tick < beat * PPQ for order in player._loop)
            assert len(player._drawn_at) <= 2 * SECTION
    after = sum(len(player._loop) + len(player._past) for player in players.values())
    assert 0 < after < before / 2
    assert not stage.faults()
