"""Training of four-part writing and of the harmony's tables, on music made here."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from rnnmuse.events import Note
from rnnmuse.models.bundle import find, load_chorale, verify
from rnnmuse.models.chorale import ORDER, nats
from rnnmuse.models.originality import FILE, Index
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece
from rnnmuse.play.degrees import Tables, chord_name, chords_of, smoothed
from rnnmuse.train.harmony import learn, save, sheet_of

pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from rnnmuse.train.chorale import index as of_chorales
from rnnmuse.train.chorale.data import Chorale, read_chorales, room, shifts
from rnnmuse.train.chorale.objective import ChoraleObjective
from rnnmuse.train.chorale.recipe import ChoraleRecipe
from rnnmuse.train.chorale.run import train_chorale

CADENCE = [[72, 67, 64, 48], [72, 69, 65, 53], [71, 67, 62, 55], [72, 67, 64, 48]]


def written(folder: Path, by: int, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["note0", "note1", "note2", "note3"])
        for beat in CADENCE * 2:
            rows.writerows([[pitch + by for pitch in beat]] * 4)


@pytest.fixture
def corpus(tmp_path):
    for split, shift in (("train", (0, 1, 2, -1, -2, 3)), ("valid", (-3,)), ("test", (4,))):
        for by in shift:
            written(tmp_path / "bach" / split, by, f"c{by}")
    parts = [Part(str(v), notes=[Note(float(i), b[v], 1.0) for i, b in enumerate(CADENCE)]) for v in range(4)]
    (tmp_path / "beside").mkdir()
    write_midi(Piece(parts[::-1]), tmp_path / "beside" / "own.mid")
    write_midi(Piece(parts[:2]), tmp_path / "beside" / "duet.mid")
    return tmp_path


def test_chorales_are_read_with_their_split_and_the_highest_voice_first(corpus):
    found, unread = read_chorales([corpus / "bach", corpus / "beside"])
    assert [c.split for c in found].count("train") == 6
    assert [c.split for c in found].count("test") == 1
    own = next(c for c in found if c.split == "beside")
    assert own.beats().tolist() == CADENCE
    assert [line.split(":")[0] for line in unread] == ["duet.mid"]
    assert {c.tonic for c in found if c.name == "c2"} == {2}


def test_a_transposition_stays_within_the_voices_room(corpus):
    found, _ = read_chorales([corpus / "bach"])
    limits = room(found)
    for chorale in found:
        low, high = shifts(chorale.voices, limits)
        for by in (low, high):
            assert ((chorale.voices + by >= limits[0]) & (chorale.voices + by <= limits[1])).all()


def test_a_resumed_reading_draws_the_same_batches(corpus):
    found, _ = read_chorales([corpus / "bach"])
    first, second = (ChoraleObjective(ChoraleRecipe("x"), found) for _ in range(2))
    first.begin(0, 1)
    second.begin(0, 1)
    second.restore(first.state())
    assert [first._drawn(c)[1] for c in found] == [second._drawn(c)[1] for c in found]


def test_a_model_is_trained_exported_and_played(corpus, monkeypatch):
    monkeypatch.setenv("RNNMUSE_MODELS", str(corpus / "models"))
    recipe = corpus / "small.toml"
    recipe.write_text(
        'name = "small"\nembed = 8\nhidden = 24\nhead = 24\ndropout = 0.0\ninput_dropout = 0.0\n', "utf-8"
    )
    folders = [corpus / "bach", corpus / "beside"]
    train_chorale(folders, "small", recipe=recipe, epochs=25, work=corpus / "run", device="cpu")
    model = load_chorale("small")
    assert Index.load(find("small").folder / FILE).pieces == 7, "training writes it"
    test = next(c for c in read_chorales(folders)[0] if c.split == "test").beats()
    learned = nats(model, test) / len(test)
    assert learned < 0.6 * 4 * np.log(60)  # of four voices drawn evenly from sixty classes
    assert learned < nats(model, test[::-1].copy()) / len(test)
    assert len(ORDER) == len(model.low) == 4


def sheet(chords, key):
    notes, symbols = list[Note](), list[ChordSymbol]()
    tones = {"C": 64, "F": 65, "G7": 67, "Am": 69, "Dm": 62}
    for bar, text in enumerate(chords):
        symbols.append(ChordSymbol(4.0 * bar, text))
        notes += [Note(4.0 * bar + i, tones[text], 1.0) for i in range(4)]
    piece = Piece([Part("Melody", notes=notes)], metres=[Metre(0.0, 4, 4)], keys=[Key(0.0, key)], chords=symbols)
    return sheet_of("x", piece)


def test_tables_learn_which_chord_goes_with_which_note_and_what_follows(tmp_path):
    made = sheet(["C", "F", "G7", "C"] * 4, 0)
    assert made.key.tonic == 0
    assert made.labels[:4].tolist() == [0, 0, 25, 25]
    tables = learn([made] * 60)
    save(tables, tmp_path / "t.npz")
    loaded = Tables.load(str(tmp_path / "t.npz"))
    assert loaded.moves[0, 0, 37, 0] > 0.9  # from the dominant seventh to the tonic, at a bar line
    found = smoothed(loaded, list(made.segments))
    names = [chord_name(*divmod(int(chords_of(state).argmax()), 5)) for state in found]
    assert names[::2] == ["C", "F", "G7", "C"] * 4


def walked(seed: int, beats: int = 40) -> np.ndarray:
    """Four voices that walk at random, a note a beat."""
    rng = np.random.default_rng(seed)
    steps = rng.choice((-4, -3, -2, -1, 1, 2, 3, 5), (beats, 4))
    return np.array([72, 66, 60, 50]) + np.clip(np.cumsum(steps, 0), -9, 9)


def voices_of(name: str, beats: np.ndarray, by: int = 0) -> Chorale:
    return Chorale(name, np.repeat(beats + by, 4, 0), 0, "test")


def test_the_index_of_chorales_finds_a_voice_that_was_learned_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNMUSE_MODELS", str(tmp_path / "models"))
    shutil.copytree(find("chorales").folder, tmp_path / "models" / "own")
    for number in range(6):
        folder = tmp_path / "bach" / ("train" if number < 5 else "test")
        folder.mkdir(parents=True, exist_ok=True)
        sixteenths = np.repeat(walked(number), 4, 0)
        sixteenths[2::8, 1:] += 1  # passing notes between the beats, which a harmonisation has not
        np.savetxt(folder / f"{number}.csv", sixteenths, fmt="%d", delimiter=",")
    of_chorales.index_chorales(find("own"), [tmp_path / "bach"])
    verify(find("own"))
    index = Index.load(find("own").folder / FILE)
    assert index.pieces == 5
    again = index.find(of_chorales.written(voices_of("again", walked(2), 3))[1:])
    assert again.run.notes >= 30
    assert again.overlap > 0.9
    new = [index.find(of_chorales.written(voices_of("new", walked(seed)))[1:]).run.notes for seed in range(100, 110)]
    assert max(new) < 16, new
    assert index.runs[3] < 16, "the held-out one has nothing in common"
