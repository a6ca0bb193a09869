import random
import threading

import numpy as np
import pytest

from rnnmuse.errors import ReadError
from rnnmuse.events import Note
from rnnmuse.music.codec import PartClass
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Part, Piece
from rnnmuse.train import shards
from rnnmuse.train.corpus import load_corpus
from rnnmuse.train.grouping import sketch
from rnnmuse.train.shards import Stored
from rnnmuse.train.stream.recipe import Recipe

RECIPE = Recipe("r", (PartClass("piano", 0, (0,)),))


def tune(seed: int, shift: int = 0) -> Piece:
    rng = random.Random(seed)
    pitches = [60 + rng.choice([0, 2, 4, 5, 7, 9, 11, 12]) + shift for _ in range(60)]
    return Piece([Part("Piano", notes=[Note(i / 2, p, 0.5) for i, p in enumerate(pitches)])])


@pytest.fixture
def folder(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    for seed in range(30):
        write_midi(tune(seed), music / f"tune{seed:02d}.mid")
    return music


def load(folder, recipe=RECIPE, **more):
    return load_corpus([folder], recipe, folder.parent / "cache", workers=1, **more)


def test_every_file_is_read_and_the_others_are_told(folder):
    (folder / "junk.mid").write_bytes(b"junk")
    (folder / "short.mid").write_bytes(b"")
    write_midi(Piece([Part(notes=[Note(0, 60, 1)])]), folder / "tiny.mid")
    steps = []
    corpus = load(folder, progress=lambda done, every: steps.append((done, every)))
    assert len(corpus.items) == 30
    assert sorted(line.split(":")[0] for line in corpus.unread) == ["junk.mid", "short.mid", "tiny.mid"]
    assert steps[-1] == (33, 33)
    assert {item.split for item in corpus.items} == {"train", "validation", "test"}


def test_shards_are_reused_and_only_changed_ones_made_anew(folder):
    first = load(folder)
    cache = folder.parent / "cache"
    before = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(before) == 2
    again = load(folder)
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == before
    assert [i.name for i in again.items] == [i.name for i in first.items]
    write_midi(tune(99), folder / "tune00.mid")
    load(folder)
    assert len({p.name for p in cache.iterdir()} - set(before)) == 1


def test_a_transposition_shares_its_originals_split(folder):
    for seed in range(12):
        write_midi(tune(seed, 5), folder / f"copy{seed:02d}.mid")
    places = {item.name: (item.group, item.split) for item in load(folder).items}
    assert all(places[f"copy{seed:02d}.mid"] == places[f"tune{seed:02d}.mid"] for seed in range(12))
    assert len({group for group, _ in places.values()}) == 30


def test_a_sketch_ignores_the_key_but_not_the_tune():
    assert sketch(tune(1)) == sketch(tune(1, 7))
    assert not sketch(tune(1)) & sketch(tune(2))


def test_given_splits_and_excluded_words(folder):
    rows = "\n".join(f"tune{i:02d}.mid,{'test' if i < 5 else 'train'}" for i in range(30))
    (folder / "info.csv").write_text("midi_filename,split\n" + rows)
    corpus = load(folder, RECIPE.changed(splits="info.csv", exclude=("tune07",)))
    assert [item.name for item in corpus.of("test")] == [f"tune{i:02d}.mid" for i in range(5)]
    assert len(corpus.items) == 29
    with pytest.raises(ReadError, match=r"none\.csv"):
        load(folder, RECIPE.changed(splits="none.csv"))


def test_nothing_to_read_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="no music files"):
        load(tmp_path / "empty")
    (tmp_path / "empty" / "a.mid").write_bytes(b"x")
    with pytest.raises(ReadError, match=r"a\.mid"):
        load(tmp_path / "empty")


def test_two_workers_read_what_one_reads(folder, tmp_path):
    alone = load(folder)
    many = load_corpus([folder], RECIPE, tmp_path / "other", workers=2)
    assert [(i.name, i.split, i.encoded.events.tolist()) for i in alone.items] == [
        (i.name, i.split, i.encoded.events.tolist()) for i in many.items
    ]


def test_processes_that_hold_shares_hold_every_training_piece_once_between_them(folder, tmp_path):
    for seed in range(30, 120):
        write_midi(tune(seed), folder / f"tune{seed:03d}.mid")
    whole = {item.name: item for item in load(folder).items}
    shares = [load(folder, share=(rank, 3)) for rank in range(3)]
    held = []
    for rank, corpus in enumerate(shares):
        assert {item.name: (item.split, item.group) for item in corpus.items} == {
            name: (item.split, item.group) for name, item in whole.items()
        }
        for item in corpus.items:
            assert len(item.encoded) == len(whole[item.name].encoded)
            assert np.array_equal(item.encoded.events, whole[item.name].encoded.events)
            assert np.array_equal(item.encoded.context, whole[item.name].encoded.context)
            if item.split == "train":
                held += [item.name] * (not isinstance(item.encoded, Stored))
            else:
                assert isinstance(item.encoded, Stored) == (rank > 0)
    assert sorted(held) == sorted(item.name for item in whole.values() if item.split == "train")


def test_two_that_make_the_same_shard_at_once_do_not_meet(folder, monkeypatch):
    both, save = threading.Barrier(2), np.savez_compressed

    def written(path, **arrays):
        save(path, **arrays)
        both.wait(timeout=30)

    monkeypatch.setattr(np, "savez_compressed", written)
    corpora = []
    threads = [threading.Thread(target=lambda: corpora.append(load(folder))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(corpus.items) for corpus in corpora] == [30, 30]
    assert len(list((folder.parent / "cache").iterdir())) == 2


def test_processes_that_load_together_share_the_encoding(folder, tmp_path, monkeypatch):
    """Of two that take turns, none makes a shard that the other has made."""
    for seed in range(30, 120):
        write_midi(tune(seed), folder / f"tune{seed:03d}.mid")
    made, read = [], shards._read
    monkeypatch.setattr(shards, "_read", lambda bucket: made.append(bucket.files) or read(bucket))
    second = threading.Thread(target=load, args=(folder,), kwargs={"together": (1, 2)})
    second.start()
    first = load(folder, together=(0, 2))
    second.join()
    assert len(set(made)) == 8
    assert len(made) <= 10  # the last ones may be made by both
    assert len(first.items) == 120
