"""Records in files: read back after every writer, and one changed byte is caught. The files stay what they are."""

import io
import json
import random
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnnmuse.events import Note
from rnnmuse.music.midi import midi_bytes, read_midi, write_midi
from rnnmuse.music.musicxml import musicxml_bytes, write_musicxml
from rnnmuse.music.pianoroll import save_roll
from rnnmuse.music.piece import Part, Piece, credited
from rnnmuse.music.read import read_music
from rnnmuse.music.sound import write_sound
from rnnmuse.provenance.marks import SIDECAR, read, seal, seal_file, unseal
from rnnmuse.provenance.record import BLANK, COMPOSITE, TRAINED, Made, chosen, made_of, sentence

MADE = Made("continue", {"lieder": "sha256:" + "ab" * 32}, 7, {"key": "D & <minor>", "word": 'é "quoted"'}, 0.4)
PIECE = Piece([Part("Voice", 53, notes=[Note(0, 60, 1), Note(1, 62, 1)])], title="Song", made=MADE)
CASES = Path(__file__).parents[1] / "cases"


def _png(path):
    from rnnmuse.cover.picture import write

    write(Image.new("RGB", (40, 40), "teal"), path, "about", MADE)


def _svg(path):
    path.write_text('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9"><g/></svg>')
    seal_file(path, MADE)


def _pdf(path):
    canvas = pytest.importorskip("reportlab.pdfgen.canvas").Canvas(str(path))
    canvas.drawString(10, 10, "x")
    canvas.save()
    seal_file(path, MADE)


def _sound(path):
    pytest.importorskip("soundfile")
    write_sound(Piece([Part(notes=[Note(0, 60, 0.1)])], made=MADE), path, rate=8000)


def _video(path):
    pytest.importorskip("imageio_ffmpeg")
    from rnnmuse.cover.video import write_video

    pictures = (np.full((64, 64, 3), 40 * i, np.uint8) for i in range(5))
    write_video(pictures, path, (64, 64), 10, 5, made=MADE)


def _json(path):
    path.write_text('{"a": 1}\n')
    seal_file(path, MADE)


def _text(path):
    path.write_text("words\n")
    seal_file(path, MADE)


WRITERS = {
    "a.mid": lambda path: write_midi(PIECE, path),
    "a.musicxml": lambda path: write_musicxml(PIECE, path),
    "a.mxl": lambda path: write_musicxml(PIECE, path),
    "roll.png": lambda path: save_roll(PIECE, path),
    "roll.svg": lambda path: save_roll(PIECE, path),
    "a.png": _png,
    "a.jpg": _png,
    "a.svg": _svg,
    "a.pdf": _pdf,
    "a.wav": _sound,
    "a.flac": _sound,
    "a.aiff": _sound,
    "a.ogg": _sound,
    "a.mp4": _video,
    "a.webm": _video,
    "a.json": _json,
    "a.txt": _text,
    "a.srt": _text,
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marks")
    done = {}

    def get(name):
        if name not in done:
            WRITERS[name](folder / name)
            done[name] = folder / name
        return done[name]

    return get


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_writer_wrote_is_read_back(written, name):
    found = read(written(name))
    assert found is not None
    assert found.intact
    assert found.made == MADE
    assert found.record["digitalSourceType"] == COMPOSITE
    assert found.beside == (name in ("a.ogg", "a.txt", "a.srt"))


@pytest.mark.parametrize("name", WRITERS)
def test_one_changed_byte_is_caught(written, tmp_path, name):
    """Some bytes of every file, those in and around the record too; of small files every byte."""
    path = written(name)
    data = path.read_bytes()
    beside = path.with_name(path.name + SIDECAR)
    (tmp_path / beside.name).write_bytes(beside.read_bytes()) if beside.exists() else None
    near = data.find(b'{"rnnmuse": "')
    spots = range(len(data)) if len(data) < 400 else random.Random(1).sample(range(len(data)), 150)
    around = range(max(0, near - 40), min(len(data), near + 40)) if near >= 0 else ()
    for at in {*spots, *around, 0, len(data) - 1}:
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        (tmp_path / name).write_bytes(changed)
        found = read(tmp_path / name)
        assert found is None or not found.intact, at
    for more in (data + b"\0", data[:-1], data[:40] + b"x" + data[40:]):
        (tmp_path / name).write_bytes(more)
        found = read(tmp_path / name)
        assert found is None or not found.intact


def test_a_changed_sidecar_is_caught(written, tmp_path):
    path = written("a.txt")
    beside = path.with_name(path.name + SIDECAR).read_bytes()
    (tmp_path / "a.txt").write_bytes(path.read_bytes())
    for at in range(0, len(beside), 5):
        changed = bytearray(beside)
        changed[at] ^= 1
        (tmp_path / ("a.txt" + SIDECAR)).write_bytes(changed)
        found = read(tmp_path / "a.txt")
        assert found is None or not found.intact, at


def test_the_record_is_where_other_programs_look(written):
    mido = pytest.importorskip("mido")
    texts = [message.text for message in mido.MidiFile(written("a.mid")).tracks[0] if message.type == "text"]
    assert json.loads(texts[0].removeprefix("rnnmuse:provenance "))["models"] == dict(MADE.models)
    from xml.etree import ElementTree as ET

    score = ET.fromstring(written("a.musicxml").read_bytes())
    field = score.find("identification/miscellaneous/miscellaneous-field[@name='rnnmuse-provenance']")
    assert made_of(json.loads(field.text)) == MADE
    with zipfile.ZipFile(written("a.mxl")) as archive:
        assert archive.testzip() is None
        inner = archive.read("score.musicxml")
    assert unseal(inner, ".musicxml").intact
    for name in ("a.png", "a.jpg"):
        with Image.open(written(name)) as picture:
            picture.load()
            xmp = picture.info["xmp"]
        assert _source_type(xmp) == COMPOSITE
    assert _source_type(ET.tostring(ET.parse(written("a.svg")).getroot())) == COMPOSITE
    import wave

    with wave.open(str(written("a.wav"))) as sound:
        assert sound.getnframes() > 8000
    chunks = _riff(written("a.wav").read_bytes())
    assert set(chunks) == {b"fmt ", b"data", b"LIST", b"bext", b"_PMX"}
    assert len(chunks[b"bext"]) == 602  # EBU Tech 3285, without a coding history
    assert _source_type(chunks[b"_PMX"]) == COMPOSITE


def _riff(data):
    chunks, at = {}, 12
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        chunks[data[at : at + 4]] = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return chunks


def _source_type(xmp):
    from xml.etree import ElementTree as ET

    text = xmp.decode() if isinstance(xmp, bytes) else xmp
    body = text[text.index("<x:xmpmeta") : text.index("</x:xmpmeta>") + 12] if "<x:xmpmeta" in text else text
    root = ET.fromstring(body)
    return root.find(".//{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType").text


def test_other_readers_still_read_the_sound_and_the_video(written):
    soundfile = pytest.importorskip("soundfile")
    plain = {}
    for name in ("a.wav", "a.flac", "a.aiff"):
        plain[name], _ = soundfile.read(written(name))
    assert len({len(samples) for samples in plain.values()}) == 1
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    for name in ("a.mp4", "a.webm"):
        frames, _ = ffmpeg.count_frames_and_secs(str(written(name)))
        assert frames == 5


def test_music_of_people_is_written_as_it_was():
    """Without a record nothing is added, and a file with one is written back byte for byte."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        piece = read_midi(CASES / "pedal_left_down.mid")
    assert b"rnnmuse" not in midi_bytes(piece)
    data = midi_bytes(PIECE)
    again = read_midi(data)
    assert again.made is None
    assert midi_bytes(again) == data
    assert unseal(midi_bytes(again), ".mid").intact


def test_a_new_record_takes_the_place_of_the_old_one():
    piece = read_midi(midi_bytes(PIECE))
    piece.parts[0].notes.append(Note(3, 64, 1))
    changed = unseal(midi_bytes(piece), ".mid")
    assert not changed.intact, "edited after it was sealed"
    piece.made = Made("infill", {}, 8)
    data = midi_bytes(piece)
    assert data.count(b"rnnmuse:provenance") == 1
    found = unseal(data, ".mid")
    assert found.intact
    assert found.made.what == "infill"


def test_a_record_says_nothing_about_the_machine_and_stays_small():
    made = Made("text", {}, 1, {"font": Path("/home/anna/secret/font.ttf"), "prompt": "x" * 10_000, "n": float("nan")})
    record = json.loads(made.text("1"))
    assert record["settings"]["font"] == "font.ttf"
    assert len(record["settings"]["prompt"]) == 200
    many = Made("text", {}, 1, {f"s{i}": "y" * 200 for i in range(1000)})
    assert len(many.text("1")) < 1000
    assert record["content"] == BLANK


def test_shares_follow_the_notes():
    people = Piece([Part(notes=[Note(i, 60, 1) for i in range(6)])])
    longer = Piece([Part(notes=[Note(i, 60, 1) for i in range(8)])])
    once = credited(longer, people, Made("continue", {"a": "1"}))
    assert once.made.people == pytest.approx(6 / 8)
    twice = credited(Piece([Part(notes=[Note(i, 60, 1) for i in range(16)])]), once, Made("continue", {"b": "2"}))
    assert twice.made.people == pytest.approx(6 / 16)
    assert twice.made.models == {"a": "1", "b": "2"}
    assert credited(Piece(), people, MADE).made.people == 0.0
    assert Made("generate", people=0.0).source_type == TRAINED


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"rnnmuse": "',
        b'{"rnnmuse": "1", "what": 3, "models": {}, "settings": {}, "content": "sha256:' + b"0" * 64 + b'"}',
        b'{"rnnmuse": "1", ' * 100_000,
        b'{"rnnmuse": "' + b"[" * 50_000 + b'"content": "sha256:' + b"0" * 64 + b'"}',
        b'{"rnnmuse": "1", "what": "x", "models": {}, "settings": {}, "people": 9, "content": "sha256:' + b"0" * 64
        + b'"}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".mid", ".png", ".wav", ".json", ".svg"])
def test_hostile_records_are_none(data, suffix):
    assert unseal(data, suffix) is None


def test_a_record_without_its_source_type_is_not_intact():
    text = b'{"rnnmuse": "1", "what": "x", "models": {}, "settings": {}, "content": "sha256:' + b"0" * 64 + b'"}'
    found = unseal(b"junk" + text, ".png")
    assert found is not None
    assert not found.intact


def test_what_cannot_hold_a_record_gets_one_beside_it(tmp_path):
    with pytest.raises(ValueError, match="format"):
        seal(b"x", ".xyz", MADE)
    with pytest.raises(ValueError, match="not a PNG"):
        seal(b"x", ".png", MADE)
    (tmp_path / "odd.json").write_text("[1]")
    seal_file(tmp_path / "odd.json", MADE)
    assert read(tmp_path / "odd.json").beside
    seal_file(tmp_path / "odd.json", None)
    assert read(tmp_path / "odd.json") is None, "a file written without a record leaves none of the file before it"


def test_chosen_settings_are_those_that_differ():
    from rnnmuse.compose.muse import Settings

    assert chosen(Settings(seed=3, key="D minor"), "seed") == {"key": "D minor"}
    assert "40%" in sentence(json.loads(MADE.text("1")))


def test_every_way_to_make_a_piece_leaves_its_record(tmp_path):
    from rnnmuse.compose.muse import joined, load
    from rnnmuse.models.bundle import find

    muse = load("lieder")
    song = Piece([Part("Voice", 53, notes=[Note(i, 60 + i % 5, 1) for i in range(8)])])
    whole = joined(song, muse.continue_(song, 2, seed=3))
    assert whole.made.models == {"lieder": find("lieder").digest}
    assert whole.made.people == pytest.approx(8 / len(whole.notes))
    write_midi(whole, tmp_path / "a.mid")
    assert read(tmp_path / "a.mid").intact
    assert read_music(tmp_path / "a.mid").notes == whole.notes or len(read_music(tmp_path / "a.mid").notes) == len(
        whole.notes
    )


def test_a_sealed_picture_is_the_same_picture():
    held = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(held, "PNG")
    sealed = Image.open(io.BytesIO(seal(held.getvalue(), ".png", MADE)))
    assert sealed.tobytes() == Image.open(held).tobytes()


def test_scores_keep_their_schema_order():
    data = musicxml_bytes(PIECE).decode()
    assert data.index("<encoding>") < data.index("<miscellaneous>") < data.index("</identification>")
