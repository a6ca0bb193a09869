"""The shipped models as a user meets them."""

import subprocess
import sys
from dataclasses import replace
from importlib import resources
from math import log
from statistics import median

import pytest

import rnnmuse
from rnnmuse.compose.muse import Muse, Settings, joined, load
from rnnmuse.errors import BundleError
from rnnmuse.events import Note
from rnnmuse.music.echo import bars_of, echoes, strokes
from rnnmuse.music.midi import read_midi
from rnnmuse.music.theory import parse_chord, scale_pitch_classes


@pytest.fixture(scope="module")
def lieder():
    return load("lieder")


def test_a_continuation_begins_at_the_next_bar_and_ends_with_the_last(lieder, piece):
    new = lieder.continue_(piece, 4, seed=1)
    assert new.notes
    assert min(n.start for n in new.notes) >= 16 - 0.03
    assert new.end <= 32 + 1e-6
    assert [part.name for part in new.parts][:2] == ["Voice", "Piano"]
    whole = joined(piece, new)
    assert [n for n in whole.notes if n.start < 15.9] == [n for n in piece.notes if n.start < 15.9]


def test_a_seed_is_a_promise(lieder, piece):
    assert lieder.continue_(piece, 4, seed=7).notes == lieder.continue_(piece, 4, seed=7).notes
    assert lieder.continue_(piece, 4, seed=7).notes != lieder.continue_(piece, 4, seed=8).notes


def test_a_list_of_notes_is_enough(lieder):
    new = lieder.continue_([Note(i, 60 + i, 1.0) for i in range(8)], bars=2, seed=1)
    assert all(8 - 0.03 <= n.start < 16 for n in new.notes)


@pytest.mark.parametrize("key", ["C major", "F# minor", "Eb"])
def test_every_note_is_in_the_key(lieder, key):
    made = lieder.generate(8, key=key, seed=3)
    tonic = made.keys[-1]
    allowed = scale_pitch_classes(tonic.tonic, "minor" if tonic.minor else "major")
    if tonic.minor:
        allowed |= {(tonic.tonic + 11) % 12}  # the raised seventh
    assert made.notes
    assert all(n.pitch % 12 in allowed for n in made.notes)


def test_strong_beats_are_chord_tones(lieder):
    made = lieder.generate(8, chords="Am F C G", seed=2)
    names = ["Am", "F", "C", "G"] * 2
    strong = [n for n in made.notes if round(n.start * 24) % 48 == 0]
    assert len(strong) > 8
    assert all(n.pitch % 12 in parse_chord(names[round(n.start * 24) // 96]).pitch_classes for n in strong)


def test_players_are_chosen_by_name_or_number(lieder, piece):
    assert [p.name for p in lieder.generate(8, players="piano", seed=1).parts] == ["Piano"]
    alone = replace(piece, parts=piece.parts[1:])
    new = lieder.continue_(alone, 8, players="voice", seed=1)
    assert [(p.name, bool(p.notes)) for p in new.parts] == [("Piano", False), ("Voice", True)]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"tempo": 5.0}, "tempo"),
        ({"density": 100.0}, "density"),
        ({"key": "H moll"}, "key"),
        ({"scale": "dorain"}, "dorian"),
        ({"chords": "Zz"}, "Zz"),
        ({"metre": "4/5"}, "metre"),
        ({"players": "tuba"}, "voice, piano"),
        ({"players": 3}, "players: 3"),
        ({"temperature": 9.0}, "temperature"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(lieder, change, named):
    with pytest.raises(ValueError, match=named):
        lieder.generate(2, **change)


@pytest.mark.parametrize("bars", [0, -1, 100_000])
def test_bars_are_checked(lieder, bars):
    with pytest.raises(ValueError, match="bars"):
        lieder.generate(bars)


def test_a_wrong_name_lists_near_ones():
    with pytest.raises(BundleError, match="lieder"):
        load("leider")
    with pytest.raises(BundleError, match="not known"):
        load("../../etc/passwd")


def test_drums_play_on_drums():
    made = load("grooves").generate(4, seed=1, tempo=100.0)
    assert [part.drum for part in made.parts] == [True]
    assert any(abs(n.start * 24 - round(n.start * 24)) > 0.01 for n in made.notes), "human timing comes out"
    new = load("grooves").continue_(made, 2, seed=1)
    assert all(n.start >= 16 - 0.03 for n in new.notes)


def test_playing_imports_neither_torch_nor_music21():
    code = (
        "import sys, rnnmuse; assert 'numpy' not in sys.modules; rnnmuse.load('lieder').generate(1, seed=1);"
        "print([m for m in ('torch', 'music21', 'matplotlib', 'lightning_fabric') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_names_what_it_offers():
    for name in rnnmuse.__all__:
        assert getattr(rnnmuse, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        _ = rnnmuse.nothing
    assert Settings().temperature == 1


def test_the_bass_of_a_chord_is_the_lowest_note_at_its_bar_line(lieder):
    made = lieder.generate(8, chords="C/E F G/B C", seed=4, players="piano")
    wanted = [4, 5, 11, 0] * 2
    found = 0
    for bar, bass in enumerate(wanted):
        first = [n.pitch for part in made.parts for n in part.notes if round(n.start * 24) == bar * 96]
        if first:
            found += 1
            assert min(first) % 12 == bass, (bar, first)
    assert found >= 4


def test_more_repetition_can_be_asked_for():
    grooves = load("grooves")

    def returning(repeat):
        found = 0
        for seed in range(5, 9):
            made = grooves.generate(16, seed=seed, repeat=repeat)
            content = strokes([n for part in made.parts for n in part.notes], bars_of(made, 64.0))
            found += sum((echo - 1) % 3 == 0 for echo in echoes(content) if echo)
        return found

    assert returning(1.0) > returning(0.0)
    with pytest.raises(ValueError, match=r"repeat: 1.5"):
        grooves.generate(2, repeat=1.5)


def test_density_is_obeyed_over_its_range():
    grooves = load("grooves")
    found = [len(grooves.generate(12, seed=3, density=d).notes) / 48 for d in (0.5, 2.0, 6.0)]
    assert found[0] < 1.2 < found[1] < 3.2 < found[2]


def test_an_ending_is_a_long_tonic():
    made = load("leadsheet").generate(8, seed=2, key="G major", ending=True, metre="4/4")
    last = [n for part in made.parts for n in part.notes if n.end > 31.9]
    assert last
    assert all(n.duration >= 1 for n in last)
    assert min(last, key=lambda n: n.pitch).pitch % 12 == 7
    assert made.tempos[-1].bpm < 0.8 * made.tempos[0].bpm, "a final ritard"


@pytest.mark.parametrize(
    ("model", "metre", "dominant"),
    [("lieder", "2/4", 1.0), ("piano", "3/4", 2.0), ("leadsheet", "6/8", 1.5), ("band", "4/4", 2.0)],
)
def test_a_piece_ends_with_dominant_and_tonic_in_the_bass(model, metre, dominant):
    muse = load(model)
    for seed in range(3):
        made = muse.generate(8, seed=seed, ending=True, metre=metre)
        bar = made.metres[0].bar_beats
        last = 7 * bar
        notes = [n for part in made.parts if not part.drum for n in part.notes]
        final = [n for n in notes if n.start > last - 0.04]
        assert final
        assert len({round(n.start, 3) for n in final}) == 1, "all begin the last chord together"
        assert all(n.end == pytest.approx(8 * bar) for n in final)
        assert min(final, key=lambda n: n.pitch).pitch % 12 == made.keys[-1].tonic
        assert {n.pitch % 12 for n in final} <= scale_pitch_classes(
            made.keys[-1].tonic, "minor" if made.keys[-1].minor else "major"
        )
        before = [n for n in notes if abs(n.start - (last - dominant)) < 0.05]
        assert (made.keys[-1].tonic + 7) % 12 in {n.pitch % 12 for n in before}


def test_a_drummer_ends_with_a_stroke_on_the_last_bar():
    made = load("grooves").generate(4, seed=5, ending=True)
    last = [n for part in made.parts for n in part.notes if n.start > 11.9]
    assert {n.pitch for n in last} >= {36, 49}
    assert max(n.start for n in last) < 12.1


def test_the_demo_has_no_empty_bar_and_an_end():
    """What a newcomer hears first: every bar of the continuation is played, and the last is the tonic over its bass."""
    song = read_midi((resources.files("rnnmuse") / "music" / "data" / "schumann.mid").read_bytes())
    thin = 0
    for seed in range(1, 7):
        made = load("lieder").continue_(song, 16, players=2, seed=seed, ending=True)
        piano = [n for part in made.parts if part.name.lower() == "piano" for n in part.notes]
        bars = [sum(16 + 2 * bar - 0.05 <= n.start < 18 + 2 * bar - 0.05 for n in made.notes) for bar in range(16)]
        assert all(any(16 + 2 * bar - 0.05 <= n.start < 18 + 2 * bar - 0.05 for n in piano) for bar in range(16))
        thin += sum(count <= median(bars) / 3 for count in bars[:-4])
        least = median(bars) / (4 if seed <= 3 else 6)
        assert min(bars[-4:-1]) > least, f"the last four bars come to rest, and do not stop: {bars}"
        assert min((n for n in piano if n.end > 47.9), key=lambda n: n.pitch).pitch % 12 == 8, "A flat"
    assert thin <= 3, "of 72 bars, few have a third of the notes"


def test_notes_learned_from_scores_have_dynamics():
    made = load("leadsheet").generate(8, seed=6)
    for part in made.parts:
        if len(part.notes) > 8:
            assert len({n.velocity for n in part.notes}) > 3
    plain = load("leadsheet").generate(8, seed=6, expression=0)
    assert [(n.start, n.pitch) for n in plain.notes] == [(n.start, n.pitch) for n in made.notes]


def test_players_that_do_not_play_are_named(lieder):
    made = lieder.generate(2, seed=1, players="piano")
    assert lieder.silent(made, "voice,piano") == ["voice"]
    assert lieder.silent(made, "piano") == []


def test_a_part_that_is_to_play_does_not_pause_for_long():
    """The four players of a band that are asked for play in every phrase; the lead too, which begins fewest notes."""
    made = load("band").generate(16, seed=1, players="lead,chords,bass,drums", metre="4/4")
    assert [part.name for part in made.parts] == ["Lead", "Chords", "Bass", "Drums"]
    for part in made.parts:
        ends = [0.0, *(n.end for n in part.notes)]
        starts = [*(n.start for n in part.notes), 64.0]
        sounding = [max(ends[: i + 1]) for i in range(len(starts))]
        rest = max(start - until for start, until in zip(starts, sounding, strict=True))
        assert rest <= 12, f"{part.name} rests {rest} beats"


def test_from_nothing_a_piece_has_about_as_many_notes_as_its_plan(monkeypatch):
    """Over some pieces the notes a beat are nearer to those of the plans than without the correction of each bar."""
    piano = load("piano")
    plans = []
    made_plan = Muse._plan

    def kept(*given):
        plans.append(made_plan(*given))
        return plans[-1]

    monkeypatch.setattr(Muse, "_plan", kept)

    def distance(pace):
        monkeypatch.setattr(piano.model, "pace", pace)
        off = []
        for seed in range(6):
            made = piano.generate(12, seed=seed, metre="4/4")
            rates = [plans[-1].rate(bar) for bar in range(12)]
            wanted = sum(rate for rate in rates if rate is not None) / 12
            off.append(abs(log(len(made.notes) / 48 / wanted)))
        return sum(off) / len(off)

    assert piano.model.pace > 0
    assert distance(piano.model.pace) < distance(0.0)
