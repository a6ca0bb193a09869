"""The commands of the phrase models as a user types them, and the page that tells of them."""

import re
from pathlib import Path

import pytest
from PIL import Image

from rnnmuse.events import Note
from rnnmuse.music.midi import read_midi, write_midi
from rnnmuse.music.piece import Metre, Part, Piece

PAGE = Path(__file__).parents[2] / "docs" / "phrases.md"


@pytest.fixture
def song(piece, run):
    """song.mid: four bars and the same again, three times."""
    parts = []
    for part in piece.parts:
        notes = [
            Note(max(0.0, n.start) + 16 * k, n.pitch, n.duration, n.velocity) for k in range(3) for n in part.notes
        ]
        parts.append(Part(part.name, part.program, notes=sorted(notes)))
    write_midi(Piece(parts, keys=piece.keys), "song.mid")
    return read_midi(Path("song.mid"))


@pytest.fixture
def beat(run):
    """beat.mid: four bars of stiff drums."""
    strokes = [Note(k / 2, 42, 0.1, 80) for k in range(32)]
    strokes += [Note(float(k), 36 if k % 2 == 0 else 38, 0.1, 80) for k in range(16)]
    write_midi(Piece([Part("Drums", drum=True, notes=sorted(strokes))]), "beat.mid")
    return read_midi(Path("beat.mid"))


def test_interpolate_begins_and_ends_with_the_two(run, song):
    other = [Note(float(k), 72 - k, 1.0) for k in range(8)]
    write_midi(Piece([Part("Voice", notes=other)]), "other.mid")
    code, out, _ = run("interpolate", "song.mid", "other.mid", "--steps", "5", "--picture", "way.png")
    assert code == 0
    assert "5 phrases of 2 bars" in out
    notes = read_midi(Path("song-to-other.mid")).notes
    want = [n.pitch for n in song.parts[0].notes if n.start < 7.9]
    assert [n.pitch for n in notes if n.start < 7.9] == want
    assert [n.pitch for n in notes if n.start > 31.9] == [n.pitch for n in other]
    assert Image.open("way.png").width == 1600


def test_vary_changes_the_melody_alone_and_the_seed_repeats_it(run, song):
    for name in ("a.mid", "b.mid"):
        assert run("vary", "song.mid", "--amount", "0.5", "--seed", "3", "--out", name)[0] == 0
    a, b = read_midi(Path("a.mid")), read_midi(Path("b.mid"))
    assert a.parts[0].notes == b.parts[0].notes
    assert a.parts[1].notes == song.parts[1].notes
    assert [n.pitch for n in a.parts[0].notes] != [n.pitch for n in song.parts[0].notes]


def test_groove_keeps_every_stroke_and_moves_by_the_amount(run, beat):
    def moved(amount):
        code, _, _ = run("groove", "beat.mid", "--amount", str(amount), "--seed", "4", "--out", f"{amount}.mid")
        assert code == 0
        notes = read_midi(Path(f"{amount}.mid")).notes
        assert sorted((round(n.start * 2), n.pitch) for n in notes) == sorted(
            (round(n.start * 2), n.pitch) for n in beat.notes
        )
        return notes

    still, half, whole = moved(0), moved(0.5), moved(1)
    assert [n.start for n in still] == [n.start for n in beat.notes]
    assert [n.velocity for n in still] == [n.velocity for n in beat.notes]

    def off(notes):
        return sum(abs(n.start * 2 - round(n.start * 2)) for n in notes)

    assert 0 < off(half) < off(whole)
    assert len({n.velocity for n in whole}) > 8


def test_groove_fills_in_around_what_is_kept(run, beat):
    assert run("groove", "beat.mid", "--keep", "kick,snare", "--seed", "1", "--out", "kit.mid")[0] == 0
    made = read_midi(Path("kit.mid")).notes
    kept = [(n.start, n.pitch, n.velocity) for n in beat.notes if n.pitch in (36, 38)]
    assert [(n.start, n.pitch, n.velocity) for n in made if n.pitch in (36, 38)] == kept
    assert {n.pitch for n in made} - {36, 38}


def test_groove_makes_a_kit_of_taps(run, song):
    assert run("groove", "song.mid", "--taps", "--seed", "1", "--out", "kit.mid")[0] == 0
    made = read_midi(Path("kit.mid"))
    drums = [part for part in made.parts if part.drum]
    assert len({n.pitch for n in drums[0].notes}) >= 2


def test_infill_leaves_what_is_around_the_gap(run, song):
    words = ["--bars", "5-8", "--candidates", "3", "--seed", "2", "--out", "filled.mid", "--picture", "filled.png"]
    code, out, _ = run("infill", "song.mid", *words)
    assert code == 0
    assert "nats an event" in out
    made = read_midi(Path("filled.mid"))

    def outside(piece):
        return [(n.start, n.pitch, n.part) for n in piece.notes if not 16 <= n.start < 32]

    assert outside(made) == outside(song)
    new = [n for n in made.notes if 16 <= n.start < 32]
    assert new
    assert [(n.start, n.pitch) for n in new] != [(n.start, n.pitch) for n in song.notes if 16 <= n.start < 32]
    assert all(n.end <= 32 + 1e-6 for n in new)


def test_map_draws_phrases_by_two_axes(run):
    code, out, _ = run("map", "phrases", "--across", "contour", "--up", "register", "--out", "m.svg")
    assert code == 0
    assert "m.svg" in out
    text = Path("m.svg").read_text()
    assert "contour" in text
    assert text.count("<rect") > 500


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["interpolate", "song.mid", "song.mid", "--steps", "1"], "steps: 1; must be 2 to 64"),
        (["vary", "song.mid", "--bars", "3"], "bars: 3"),
        (["vary", "song.mid", "--amount", "2"], "amount: 2"),
        (["vary", "song.mid", "--model", "lieder"], "a phrase model is needed"),
        (["vary", "waltz.mid"], "metre: 3/4"),
        (["groove", "song.mid"], "no drums"),
        (["groove", "beat.mid", "--keep", "cowbell"], "keep: 'cowbell'"),
        (["groove", "beat.mid", "--model", "phrases"], "no groove"),
        (["infill", "song.mid", "--bars", "x"], "bars: 'x'"),
        (["infill", "song.mid", "--bars", "40-44"], "ends before bar 40"),
        (["infill", "song.mid", "--bars", "5", "--candidates", "0"], "candidates: 0"),
        (["map", "phrases", "--across", "colour"], "axis: 'colour'"),
        (["map", "phrases", "--across", "register", "--up", "register"], "twice"),
        (["map", "phrases", "--out", "m.gif"], "format"),
    ],
)
def test_a_mistake_is_one_line(run, song, beat, words, said):
    waltz = Piece([Part("Voice", notes=[Note(float(k), 60 + k, 1.0) for k in range(12)])], metres=[Metre(0.0, 3, 4)])
    write_midi(waltz, "waltz.mid")
    code, _, err = run(*words)
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_the_page_is_true(run, song, beat, capsys):
    """Its commands on files, and its Python, run as they stand."""
    text = PAGE.read_text("utf-8")
    for name in ("a.mid", "b.mid"):
        Path(name).write_bytes(Path("song.mid").read_bytes())
    Path("tapped.mid").write_bytes(Path("song.mid").read_bytes())
    commands = re.findall(r"^rnnmuse ((?:interpolate|vary|groove|map) .*?)(?: +#.*)?$", text, re.MULTILINE)
    assert len(commands) == 6
    for line in commands:
        assert run(*line.split())[0] == 0, line
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, {})


def test_every_latent_address_of_the_page_is_known():
    from rnnmuse.protocol import addresses

    known = addresses()
    found = re.findall(r"^(/rnnmuse/[a-z0-9/_]+)", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(found) > 8
    assert all(address in known for address in found)
