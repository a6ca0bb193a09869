"""The channels and programs of the players' parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.realtime.players import DRUMS, Players
from rnnmuse.session.messages import PartInfo
from rnnmuse.session.seat import PartSetting, Seat
from rnnmuse.testing import StageClient

BAND = (PartInfo("piano", 0), PartInfo("bass", 33), PartInfo("drums", 0, True), PartInfo("strings", 48))


def players(**parts):
    said = []
    made = Players("lieder", said.append)
    return made, said


def channels(made, player):
    return [program.channel for program in made.programs() if program.player == player]


def test_players_take_the_channels_in_turn_and_leave_the_tenth_to_the_drums():
    made, _ = players()
    assert [made.own_channel(player) for player in range(1, 17)] == [*range(9), *range(10, 16), 0]
    assert made.channel(5, drum=True) == DRUMS


def test_each_part_has_a_channel_of_its_own_and_its_models_program():
    made, said = players()
    made.set_parts(1, BAND)
    assert [(p.name, p.channel, p.program, p.drum) for p in said] == [
        ("piano", 0, 0, False),
        ("bass", 1, 33, False),
        ("drums", DRUMS, 0, True),
        ("strings", 2, 48, False),
    ]


def test_the_parts_of_another_player_take_what_is_free():
    made, _ = players()
    made.set_parts(1, BAND)
    made.set_parts(2, BAND)
    assert channels(made, 1) == [0, 2, DRUMS, 3]  # the second player's own channel is its own
    assert channels(made, 2) == [1, 4, DRUMS, 5]


def test_what_is_set_comes_first():
    made, said = players()
    made.set_parts(1, BAND)
    said.clear()
    seat = made.seat(1)
    seat.channel, seat.program = 4, 57
    seat.parts = {2: PartSetting(channel=12), 4: PartSetting(program=90)}
    made.refresh()
    assert [(p.part, p.channel, p.program) for p in said] == [(0, 3, 56), (1, 11, 33), (3, 4, 89)]
    said.clear()
    made.refresh()
    assert said == [], "nothing is new"


def test_a_drum_model_has_no_program_that_a_pitched_part_takes():
    made, _ = players()
    made.seat(3).program = 12
    made.set_parts(3, (PartInfo("drums", 0, True), PartInfo("bass", 33)))
    assert [(p.channel, p.program) for p in made.programs()] == [(DRUMS, 0), (2, 11)]


def test_a_model_of_more_parts_than_there_are_channels_shares_the_players_own():
    made, _ = players()
    made.set_parts(1, tuple(PartInfo(f"part {n}") for n in range(20)))
    used = channels(made, 1)
    assert len(used) == 20
    assert DRUMS not in used
    assert used[:15] == [*range(9), *range(10, 16)]
    assert used[15:] == [0] * 5


@given(
    st.dictionaries(
        st.integers(1, 16),
        st.tuples(
            st.integers(0, 16),
            st.lists(st.booleans(), min_size=1, max_size=6),
            st.dictionaries(st.integers(1, 6), st.integers(0, 16)),
        ),
        max_size=4,
    )
)
def test_no_two_pitched_parts_share_a_channel_while_there_are_enough(setup):
    made, _ = players()
    for player, (channel, drums, settings) in setup.items():
        made.seats[player] = Seat(channel=channel, parts={n: PartSetting(c) for n, c in settings.items()})
        made.set_parts(player, tuple(PartInfo("part", n, drum) for n, drum in enumerate(drums)))
    programs = [program for program in made.programs() if not program.drum]
    assert all(program.channel == DRUMS for program in made.programs() if program.drum)
    own_channels = {made.own_channel(player) for player in setup}
    chosen = []
    for program in programs:
        wished = made.look(program.player).parts.get(program.part + 1, PartSetting()).channel
        if wished:
            assert program.channel == wished - 1
        elif program.part == next(p.part for p in programs if p.player == program.player):
            assert program.channel == made.own_channel(program.player)
        else:
            chosen.append(program.channel)
    if len(programs) + len(setup) < 15:  # there is room for all
        assert len(set(chosen)) == len(chosen)
        assert not set(chosen) & (own_channels | {DRUMS})


def test_who_listens_to_whom():
    made, _ = players()
    made.seats = {1: Seat(), 2: Seat(hears="ch1 3"), 3: Seat(hears="all"), 4: Seat(hears="none")}
    assert list(made.listeners(-1)) == [1, 2, 3]
    assert list(made.listeners(-4)) == [3]
    assert list(made.listeners(3)) == [2]
    assert list(made.listeners(-9)) == [3, 9], "a player that nobody has addressed yet"


# -- changes of model that overtake each other ------------------------------------------------------------------------


@pytest.mark.parametrize("silenced", ["/rnnmuse/transport/panic", "/rnnmuse/player/1/stop", "/rnnmuse/player/1/reset"])
@pytest.mark.parametrize("waits", ["loading", "for its line"])
@pytest.mark.parametrize(("later", "holds"), [("leadsheet", "leadsheet"), ("nobody", "grooves"), ("", "grooves")])
def test_the_model_asked_for_last_holds_though_the_player_falls_silent_between(silenced, waits, later, holds):
    stage = StageClient()
    stage.send("/rnnmuse/transport/play")
    stage.send("/rnnmuse/player/1/start")
    stage.run(0.3)
    for model in ("leadsheet", "phrases", "grooves"):
        stage.send("/rnnmuse/player/1/model", model)
    if waits == "for its line":
        stage.settle()
        assert stage.stage.players.model(1) == "lieder"
    stage.send(silenced)
    if later:
        stage.send("/rnnmuse/player/1/model", later)
    stage.run(3.0)
    assert stage.ask("/rnnmuse/player/1/model") == (holds,)
    assert stage.engine.engine.players[1].model.name == holds
    assert not stage.hung()
    stage.close()
