"""Covers, sheets, loops and the live picture, drawn with an untrained model."""

import io
import subprocess
import wave
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageCms
from typer.testing import CliRunner

from rnnmuse.cli.main import app
from rnnmuse.cover.live import LivePicture
from rnnmuse.cover.picture import MOST_BYTES, Design, contact_sheet, design_for, draw, parse_grid, picture_of, write
from rnnmuse.cover.video import Walk, excerpt, frames, parse_size, write_loop_sound
from rnnmuse.errors import RnnmuseError
from rnnmuse.events import Note
from rnnmuse.jobs import messages as m
from rnnmuse.jobs.process import Jobs
from rnnmuse.models.bundle import load_cover
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Part, Piece


@pytest.fixture
def model(covers):
    return load_cover("covers")


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def test_the_same_piece_and_seed_give_the_same_cover_others_another(model, piece):
    first, again, other = (np.asarray(draw(model, design_for(piece, seed), 64, 64)[0], int) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 2
    coloured = np.asarray(draw(model, design_for(piece, 3, palette="sea"), 64, 64)[0], int)
    assert np.abs(first - coloured).mean() > 2


def test_one_note_changed_changes_the_picture_less_than_another_tune_does(model, piece):
    line = piece.parts[0].notes
    one = [replace(n, pitch=n.pitch + (i == 3)) for i, n in enumerate(line)]
    other = [replace(n, pitch=60 + 7 * (i % 2)) for i, n in enumerate(line)]
    first, near, far = (
        picture_of(model, design_for(Piece([Part(notes=notes)], keys=piece.keys), 3)).astype(int)
        for notes in (line, one, other)
    )
    assert 0 < np.abs(first - near).mean() < np.abs(first - far).mean()


def test_the_command_writes_what_distributors_take(covers, piece, tmp_path):
    path = tmp_path / "song.mid"
    write_midi(piece, path)
    out = tmp_path / "cover.jpg"
    result = run("cover", path, "--size", 300, "--title", "A Song", "--artist", "Someone", "--out", out)
    assert result.exit_code == 0, result.output
    assert "300 x 300, seed 1, text at" in result.output
    with Image.open(out) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (300, 300))
        assert image.info["dpi"] == (300, 300)
        assert "sRGB" in ImageCms.getProfileName(ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"])))
        assert b"model covers, seed 1" in image.info["comment"]
    assert not list(tmp_path.glob(".*.part"))


def test_formats_variations_and_grid(covers, tmp_path):
    out = tmp_path / "c.png"
    result = run("cover", "--seed", 5, "--size", 80, "--formats", "square,story", "--variations", 2, "--out", out)
    assert result.exit_code == 0, result.output
    sizes = {path.name: Image.open(path).size for path in tmp_path.glob("*.png")}
    assert sizes == {"c-5-square.png": (80, 80), "c-5-story.png": (1080, 1920), "c-6-square.png": (80, 80),
                     "c-6-story.png": (1080, 1920)}  # fmt: skip
    result = run("cover", "--seed", 5, "--grid", "3x2", "--out", tmp_path / "grid.jpg")
    assert result.exit_code == 0, result.output
    width, height = Image.open(tmp_path / "grid.jpg").size
    assert width > height


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--seed", "-1"], "seed: -1; must be 0 to"),
        ([], "name a file of music, or a --seed"),
        (["--seed", "1", "--grid", "4"], "grid: '4'"),
        (["--seed", "1", "--formats", "cd"], "formats: 'cd'"),
        (["--seed", "1", "--size", "20"], "size: 20; must be 64"),
        (["--seed", "1", "--mood", "x"], "mood: 'x'"),
        (["--seed", "1", "--out", "x.gif"], "out: x.gif; must end with"),
        (["--seed", "1", "--variations", "0"], "variations: 0"),
        (["--seed", "1", "--title", "ก"], "no font here has"),
        (["--seed", "1", "--look", "etching"], "look: 'etching'; must be one of screen, riso"),
        (["--seed", "1", "--look", "gradient", "--out", "x.svg"], "gradient has no SVG form"),
        (["--seed", "1", "--trim", "3", "--out", "x.pdf"], "trim: 3.0; must be 20 to 1000 mm"),
        (["nothing.mid"], "nothing.mid"),
        (["sheet", "a.mid", "--columns", "13"], "columns: 13; must be 1 to 12"),
        (["sheet", "a.mid", "--titles", "pyproject.toml"], "titles: pyproject.toml has"),
        (["sheet", "a.mid", "--titles", "no.txt"], "titles: no.txt"),
        (["video", "--seed", "1", "--out", "x.avi"], "out: x.avi"),
        (["video", "--seed", "1", "--size", "71x71"], "size: '71x71'"),
    ],
)
def test_mistakes_are_named(covers, args, message):
    result = run("cover", *(args or ["draw"]))
    assert result.exit_code != 0
    assert message in str(result.exception)


def test_a_jpeg_that_is_too_large_loses_quality_and_a_png_says_so(tmp_path, monkeypatch):
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8))
    monkeypatch.setattr("rnnmuse.cover.picture.MOST_BYTES", 150_000)
    assert write(image, tmp_path / "a.jpg") == ""
    assert (tmp_path / "a.jpg").stat().st_size <= 150_000
    assert "write .jpg" in write(image, tmp_path / "a.png")
    assert MOST_BYTES == 10_000_000


def test_sheets_hold_a_cover_for_each_seed(model):
    sheet = contact_sheet(model, Design(seed=3), 2, 2, 40)
    assert sheet.size == (2 * 48 + 8, 2 * 74 + 8)
    assert contact_sheet(model, design_for(None, 3), 2, 2, 40) == sheet
    for index in range(4):  # each is what the seed below it draws
        whole, _ = draw(model, design_for(None, 3 + index), 80, 80)
        x, y = 8 + index % 2 * 48, 8 + index // 2 * 74
        assert sheet.crop((x, y, x + 40, y + 40)) == whole.resize((40, 40), Image.Resampling.LANCZOS)
    with pytest.raises(ValueError, match="grid: 13x1"):
        contact_sheet(model, Design(), 13, 1)
    assert parse_grid("4 x 3") == (4, 3)


def test_a_sheet_holds_a_cover_for_each_piece_with_its_title(covers, piece, tmp_path):
    for name in ("First_Song", "second", "third"):
        write_midi(piece, tmp_path / f"{name}.mid")
    songs = [tmp_path / f"{name}.mid" for name in ("First_Song", "second", "third")]
    out, titles = tmp_path / "sheet.png", tmp_path / "titles.txt"
    result = run("cover", "sheet", *songs, "--columns", 2, "--cell", 64, "--out", out)
    assert result.exit_code == 0, (result.output, result.exception)
    sheet = np.asarray(Image.open(out), int)
    assert sheet.shape == (2 * 72 + 8, 2 * 72 + 8, 3)
    one, two, three = sheet[8:72, 8:72], sheet[8:72, 80:144], sheet[80:144, 8:72]
    assert np.abs(one - two).mean() > 0.1 < np.abs(two - three).mean()  # one piece, but other titles
    titles.write_text("A | B\n静夜思 | 李白\nA | B\n", "utf-8")
    assert run("cover", "sheet", *songs, "--columns", 2, "--cell", 64, "--titles", titles, "--out", out).exit_code == 0
    sheet = np.asarray(Image.open(out), int)
    assert np.array_equal(sheet[8:72, 8:72], sheet[80:144, 8:72])
    assert not np.array_equal(sheet[8:72, 8:72], sheet[8:72, 80:144])


def test_a_walk_closes_and_follows_loudness(piece):
    walk = Walk(piece, Design(seed=2), 96)
    assert walk.seconds == pytest.approx(8.0)  # four bars at 120 bpm
    begin, end = walk.at(0.0), walk.at(walk.seconds - 1e-6)
    assert np.allclose(begin[0], end[0], atol=1e-3)
    steps = [np.abs(walk.at(t + 0.05)[0] - walk.at(t)[0]).max() for t in np.arange(0, 8, 0.25)]
    assert max(steps) < 0.5
    assert walk.loudness(0.02) > walk.loudness(0.45)


def test_parts_drive_inks_and_beats_cut(piece):
    """The lowest part drives the first ink, the highest the last; what sounds at the end sounds on at the beginning."""
    low = Part("low", notes=[Note(0.0, 40, 0.5, 120), Note(7.9, 40, 0.1, 120)])
    high = Part("high", notes=[Note(2.0, 90, 0.5, 120)])
    walk = Walk(Piece([high, low]), Design(seed=2), 96)
    assert walk.beats == pytest.approx([0.5 * beat for beat in range(8)])
    assert [walk.beat(at) for at in (0.0, 0.49, 0.5, 3.99, 4.0)] == [0, 0, 1, 7, 0]
    assert walk.sounding(0.01)[0] > 0.5 > walk.sounding(0.01)[2]
    assert walk.sounding(1.01)[2] > 0.5 > walk.sounding(1.01)[1]
    assert walk.sounding(0.0)[0] == pytest.approx(walk.sounding(4.0)[0])
    alone = Walk(Piece([Part(notes=[*low.notes, *high.notes])]), Design(seed=2), 96)
    assert alone.sounding(0.01)[0] > alone.sounding(0.01)[2]  # by register


def test_a_loop_has_no_seam_and_its_shapes_grow_with_the_notes(model, piece):
    design = design_for(excerpt(piece, 1, 1), 3, title="A", look="geometric")
    walk = Walk(excerpt(piece, 1, 1), design, model.latent)
    made = [frame.astype(int) for frame in frames(model, design, walk, 64, 64, 8)]
    assert len(made) == 16
    steps = [np.abs(a - b).mean() for a, b in pairwise(made)]
    assert min(steps) > 0  # it never stands still
    for one, two in zip((*walk.at(0.0), walk.sounding(0.0)), (*walk.at(2.0), walk.sounding(2.0)), strict=True):
        assert one == pytest.approx(two, abs=1e-6)
    assert walk.beat(2.0) == walk.beat(0.0) == 0
    again = list(frames(model, design, walk, 64, 64, 8))
    assert all(np.array_equal(a, b) for a, b in zip(made, again, strict=True))


def test_the_command_writes_vectors_with_named_inks(covers, tmp_path):
    made = ["cover", "--seed", "4", "--size", "300", "--title", "A"]
    result = run(*made, "--palette", "noir", "--out", tmp_path / "a.svg")
    assert result.exit_code == 0, (result.output, result.exception)
    assert "black 50/40/40/100" in result.output
    assert 'data-ink="black"' in (tmp_path / "a.svg").read_text()
    pytest.importorskip("reportlab", reason="reportlab is not installed")
    result = run(*made, "--look", "gradient", "--trim", "40", "--out", tmp_path / "a.pdf")
    assert result.exit_code == 0, (result.output, result.exception)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_an_excerpt_is_moved_to_the_beginning(piece, tmp_path):
    part = excerpt(piece, 2, 2)
    assert part.end <= 8.0
    assert [n.pitch for n in part.parts[1].notes] == [41, 43]
    with pytest.raises(RnnmuseError, match="bars 9 to 10: no notes"):
        excerpt(piece, 9, 2)
    with pytest.raises(ValueError, match="must be 1 to 256"):
        excerpt(piece, 0, 2)
    with wave.open(str(write_loop_sound(part, 4.0, tmp_path / "a.wav"))) as sound:
        assert sound.getnframes() == 4 * 44100
    assert parse_size("640x360") == (640, 360)


@pytest.mark.parametrize(("ending", "video", "audio"), [("mp4", "h264", "aac"), ("webm", "vp9", "opus")])
def test_a_loop_is_a_film_with_sound(covers, piece, tmp_path, ending, video, audio):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg is not installed")
    write_midi(piece, tmp_path / "song.mid")
    out = tmp_path / f"loop.{ending}"
    result = run("cover", "video", tmp_path / "song.mid", "--bars", 1, "--size", "96x64", "--fps", 8, "--title", "A",
                 "--out", out)  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    told = subprocess.run([ffmpeg.get_ffmpeg_exe(), "-i", str(out)], capture_output=True, text=True).stderr
    assert f"Video: {video}" in told
    assert "96x64" in told
    assert f"Audio: {audio}" in told
    frames, seconds = ffmpeg.count_frames_and_secs(str(out))
    assert frames == 16
    assert seconds == pytest.approx(2.0, abs=0.1)


def test_the_live_picture_follows_and_forgets(model):
    live = LivePicture(model, Design(seed=1))
    quiet = np.asarray(live.picture(0.0), int)
    assert np.array_equal(quiet, np.asarray(live.picture(0.0), int))
    for index in range(40):
        live.hear(index * 0.05, 90, 127)
    traits, loud = live.move(2.0)
    assert loud > 0.3
    for second in range(3, 9):
        traits, loud = live.move(float(second))
    assert loud < 0.01
    assert traits.register > 0.8
    assert len(live.jpeg(9.0)) <= 7000


def test_jobs_draw_progress_and_answer_mistakes(covers, tmp_path):
    sent = []
    jobs = Jobs(sent.append, tmp_path / "covers", now=lambda: 1.0)
    settings = {"model": "covers", "mood": "", "palette": "", "seed": None, "size": 64, "title": "../../x"}
    jobs.take(m.DrawCover(1, settings, (m.HeardNote(4.0, 60, 80), m.HeardNote(5.0, 64, 90)), 120.0))
    first = sent[-1]
    assert isinstance(first, m.CoverDone)
    assert first.job == 1
    assert (tmp_path / "covers" / first.name).exists()
    jobs.take(m.DrawCover(2, settings, (), 120.0))
    assert sent[-1].name != first.name
    assert len(list((tmp_path / "covers").iterdir())) == 2
    jobs.take(m.DrawCover(3, settings | {"model": "none"}, (), 120.0))
    assert isinstance(sent[-1], m.JobFailed)
    assert sent[-1].job == 3
    jobs.take(m.Stream(4.0, {"model": "covers", "mood": "", "palette": "", "look": "riso", "seed": None}))
    assert jobs.wait() == 0.0
    jobs.advance()
    assert isinstance(sent[-1], m.Frame)
    assert jobs.wait() == pytest.approx(0.25)
    jobs.take(m.Stream(0.0, {"model": "covers", "seed": None}))
    assert jobs.wait() is None
