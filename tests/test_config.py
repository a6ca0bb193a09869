"""Rigs: every mistake names its line and field, and what is written is read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.config import FIELDS, Rig, RigError, load, parse, reference, template, write
from rnnmuse.protocol import MODES, PARTS, PLAYERS
from rnnmuse.session.seat import PartSetting, Seat


def test_the_template_is_a_rig_and_holds_every_field():
    text = template()
    assert parse(text).players[1].mode == "accompany"
    for fields in FIELDS.values():
        for name in fields:
            assert f"{name} = " in text
    bare = "\n".join(
        line.removeprefix("# ") for line in text.splitlines() if " = " in line or line.startswith(("# [", "["))
    )
    everything = parse(bare.replace("# A rig", "").replace('address = ""', 'address = "/rnnmuse/ping"'))
    assert everything.outputs
    assert everything.learned


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[stage]\ntempo = 5\n", r"line 2: \[stage\] tempo: 5; must be 20 to 999"),
        ('[stage]\nport = 7000\n\n[player.1]\nmode = "freee"', r"line 5: \[player.1\] mode: 'freee'; must be one of"),
        ("[stage]\nvolume = 3", r"line 2: \[stage\] volume: not known; must be one of host"),
        ("[player.17]", "line 1: .*17.*1 to 16"),
        ("[players]", r"line 1: \[players\]: not known"),
        ('[[output]]\nport = "a"\n[[output]]\nlatency = "x"', r"line 4: \[output\] latency: 'x'; must be a number"),
        ("[stage]\nclock = 1", "line 2: .*must be true or false"),
        ("[stage]\ntempo = 'fast'", "line 2: .*must be a number"),
        ("[stage]\ntempo = ", "line 2"),
        ("[player.2]\nhears = 'ch17'", r"line 2: .*'ch17'; must be ch1-ch16"),
        ("[preset.1.player.3]\ndensity = 99", r"line 2: .*density: 99; must be 0 to 24"),
        ("[preset.200.player.3]", "line 1: .*1 to 128"),
        ("[player.2]\nkey = 'H minor'", r"line 2: \[player.2\] key: .*'H minor'"),
        ("[player.2]\nscale = 'wide'", r"line 2: \[player.2\] scale: .*'wide'"),
        ("[player.2]\nchord = 'Qm'", r"line 2: \[player.2\] chord: .*'Qm'"),
        ("[stage]\nmetre = '4/5'", r"line 2: \[stage\] metre"),
        ("stage = 3", "line 1"),
        ("[learn]\nchannel = 1", r"line 1: learn: must be written as \[\[learn\]\]"),
    ],
)
def test_a_mistake_is_named_with_its_line(text, said):
    with pytest.raises(RigError, match=said):
        parse(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(RigError, match="absent"):
        load(tmp_path / "absent.toml")
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RigError, match="UTF-8"):
        load(tmp_path / "x.toml")


def test_the_page_holds_every_field_and_its_example_is_a_rig():
    page = (Path(__file__).parents[1] / "docs" / "rigs.md").read_text("utf-8")
    assert page.endswith(reference()), "write it anew: rnnmuse.config.reference()"
    example = page.split("```toml\n")[1].split("```")[0]
    assert parse(example).players[2].started


PARTS_OF = st.dictionaries(
    st.integers(1, PARTS), st.builds(PartSetting, st.integers(0, 16), st.integers(0, 128)), max_size=2
)
SEATS = st.builds(
    Seat,
    mode=st.sampled_from(MODES),
    model=st.sampled_from(["", "grooves"]),
    channel=st.integers(0, 16),
    program=st.integers(0, 128),
    target=st.sampled_from(["", "synth"]),
    started=st.booleans(),
    hears=st.sampled_from(["", "ch1 2", "all"]),
    when=st.sampled_from(["now", "bar"]),
    parameters=st.fixed_dictionaries(
        {},
        optional={
            "temperature": st.floats(0, 5),
            "key": st.sampled_from(["", "D minor", "F# major"]),
            "chord": st.sampled_from(["", "Gsus4"]),
        },
    ),
    parts=PARTS_OF,
)
PLAYERS_OF = st.dictionaries(st.integers(1, PLAYERS), SEATS, max_size=3)


@given(PLAYERS_OF, st.dictionaries(st.integers(1, 128), PLAYERS_OF, max_size=2))
def test_what_is_written_is_read(players, presets):
    rig = parse(write(Rig(players=players, presets=presets)))
    assert rig.players == players
    assert rig.presets == presets


@given(st.text(max_size=200))
def test_any_text_is_a_rig_or_one_clear_error(text):
    try:
        parse(text)
    except RigError as error:
        assert str(error)
