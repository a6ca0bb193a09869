"""Work spread over processes: the same bytes as in one, whatever dies, and one line where it cannot be."""

import json
import logging
import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rnnmuse import workers as workers_module
from rnnmuse.compose.batch import Tune, batch, read_manifest
from rnnmuse.compose.muse import Settings, load
from rnnmuse.errors import MissingExtraError, ReadError, WorkersError
from rnnmuse.events import Note
from rnnmuse.models.bundle import find
from rnnmuse.music.codec import PartClass
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Part, Piece
from rnnmuse.train import shards
from rnnmuse.train.corpus import load_corpus
from rnnmuse.train.prepared import prepare, read_set, recipe_of
from rnnmuse.train.stream.recipe import Recipe
from rnnmuse.workers import Lost, Workers, workers

cloudpickle = pytest.importorskip("cloudpickle")
distributed = pytest.importorskip("distributed")
RECIPE = Recipe("r", (PartClass("piano", 0, (0,)),))
SIZE = 6


@pytest.fixture(scope="module")
def cluster():
    """A scheduler, and two workers that are processes."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import a test
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, worker_dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as made:  # fmt: skip
        yield made


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Forty tunes, and two files that are none."""
    folder = tmp_path_factory.mktemp("music")
    for seed in range(40):
        rng = random.Random(seed)
        notes = [Note(i / 2, 60 + rng.choice([0, 2, 4, 5, 7, 9, 11, 12]), 0.5) for i in range(60)]
        (folder / str(seed % 3)).mkdir(exist_ok=True)
        write_midi(Piece([Part("Piano", notes=notes)]), folder / str(seed % 3) / f"tune{seed:02d}.mid")
    (folder / "junk.mid").write_bytes(b"junk")
    (folder / "1" / "empty.mid").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def alone(music, tmp_path_factory):
    """The set that this process makes by itself."""
    out = tmp_path_factory.mktemp("alone")
    prepare([music], RECIPE, out, Workers(1), size=SIZE)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_cluster_makes_the_bytes_of_one_process(cluster, music, alone, tmp_path):
    with workers(scheduler=cluster.scheduler_address, folders=[music, tmp_path]) as hands:
        assert hands.count == 2
        made = prepare([music], RECIPE, tmp_path / "set", hands, size=SIZE)
    assert contents(tmp_path / "set") == contents(alone)
    assert (made.files, made.pieces, len(made.unread)) == (42, 40, 2)
    assert (tmp_path / "set" / "skipped.txt").read_text().splitlines() == made.unread
    assert sorted(line.split(":")[0] for line in made.unread) == ["1/empty.mid", "junk.mid"]
    assert len(made.shards) > 4


def _die_at(name: str) -> None:
    """Have a worker's process killed when it reads the file ``name``."""
    import os
    import signal

    from rnnmuse.train import shards

    read = shards.read_music

    def reading(path, *rest):
        if path.name == name:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(path, *rest)

    shards.read_music = reading


def _live_on() -> int:
    import os

    from rnnmuse.music.read import read_music
    from rnnmuse.train import shards

    shards.read_music = read_music
    return os.getpid()


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(cluster, music, alone, tmp_path):
    with workers(scheduler=cluster.scheduler_address) as hands:
        before = hands.client.run(os.getpid)
        hands.client.run(_die_at, "tune21.mid")  # what starts in its place reads it
        prepare([music], RECIPE, tmp_path, hands, size=SIZE)
        assert before != hands.client.run(_live_on)
    assert contents(tmp_path) == contents(alone)


def test_a_task_whose_process_dies_each_time_is_told_from_the_others(cluster):
    def squared(number):
        if number == 7:
            raise distributed.KilledWorker("task", SimpleNamespace(address="a"), 3)
        return number * number

    with workers(scheduler=cluster.scheduler_address) as hands:
        found = dict(hands.outcomes(squared, [1, 2, 7]))
    assert isinstance(found.pop(7), Lost)
    assert found == {1: 1, 2: 4}


def test_what_a_task_raises_is_raised_here(cluster):
    with workers(scheduler=cluster.scheduler_address) as hands, pytest.raises(ValueError, match="invalid literal"):
        list(hands.outcomes(int, ["x"]))


class _Mortal(Workers):
    """A process of this kind dies of the files that it is given."""

    def __init__(self, names):
        super().__init__(1)
        self.names = names

    def outcomes(self, function, tasks):
        for task in tasks:
            bucket = task[1] if isinstance(task, tuple) else task
            read = {path.name for root, path in bucket.files} - {Path(name).name for name, _ in bucket.without}
            yield task, Lost("the process died") if read & self.names else function(task)


def test_a_file_that_kills_its_process_is_listed_and_the_others_are_kept(music, tmp_path):
    made = prepare([music], RECIPE, tmp_path, _Mortal({"tune05.mid", "tune06.mid"}), size=SIZE)
    assert made.pieces == 38
    assert {"2/tune05.mid: the process died", "0/tune06.mid: the process died"} < set(made.unread)


def test_a_set_is_gone_on_with_and_only_what_changed_is_made_anew(music, alone, tmp_path, monkeypatch):
    made: list[int] = []
    read = shards._read
    monkeypatch.setattr(shards, "_read", lambda bucket: made.append(len(bucket.files)) or read(bucket))

    class Stopped(Workers):
        def outcomes(self, function, tasks):
            for number, task in enumerate(tasks):
                if number == 3:
                    raise KeyboardInterrupt
                yield task, function(task)

    with pytest.raises(KeyboardInterrupt):
        prepare([music], RECIPE, tmp_path / "set", Stopped(1), size=SIZE)
    assert len(made) == 3
    assert not (tmp_path / "set" / "set.json").exists()
    prepare([music], RECIPE, tmp_path / "set", Workers(1), size=SIZE)
    assert len(made) == len(list((alone / "shards").iterdir()))
    assert contents(tmp_path / "set") == contents(alone)
    for path in music.rglob("*.mid"):  # a copy or a checkout has other times, but the same contents
        os.utime(path)
    made.clear()
    prepare([music], RECIPE, tmp_path / "set", Workers(1), size=SIZE)
    assert made == []


def test_training_reads_a_set_as_it_reads_its_files(music, alone, tmp_path):
    of_files = load_corpus([music], RECIPE, tmp_path / "cache", 1)
    of_set = load_corpus([alone], RECIPE, tmp_path / "none", 1)
    assert [(i.name, i.split, i.group, i.encoded.events.tolist()) for i in of_set.items] == [
        (i.name, i.split, i.group, i.encoded.events.tolist()) for i in of_files.items
    ]
    assert sorted(of_set.unread) == sorted(of_files.unread)
    assert recipe_of(alone).parts == RECIPE.parts
    with pytest.raises(ReadError, match=r"prepared for other parts.*piano"):
        load_corpus([alone], Recipe("r", (PartClass("organ", 16, (2,)),)), tmp_path / "none", 1)


def test_a_folder_with_other_things_is_not_written_into(music, alone, tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match="folder with other files"):
        prepare([music], RECIPE, tmp_path, Workers(1))
    with pytest.raises(ValueError, match="set for other parts"):
        prepare([music], Recipe("r", (PartClass("organ", 16, (2,)),)), alone, Workers(1))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ReadError, match="no music files"):
        prepare([tmp_path / "nothing"], RECIPE, tmp_path / "out", Workers(1))


def test_a_full_disk_is_one_line_and_keeps_what_is_there(music, tmp_path, monkeypatch):
    kept = []

    def save(path, **arrays):
        if len(kept) == 2:
            raise OSError(28, "No space left on device")
        kept.append(path)
        return store(path, **arrays)

    store = shards.np.savez_compressed
    monkeypatch.setattr(shards.np, "savez_compressed", save)
    with pytest.raises(OSError, match="No space left on device") as error:
        prepare([music], RECIPE, tmp_path, Workers(1), size=SIZE)
    assert error.value.filename == str(tmp_path / "shards")
    assert len(list((tmp_path / "shards").iterdir())) == 2


def test_a_damaged_shard_is_named_and_made_again(music, tmp_path):
    made = prepare([music], RECIPE, tmp_path, Workers(1), size=SIZE)
    whole = made.shards[0].path.read_bytes()
    made.shards[0].path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReadError, match="a damaged shard"):
        load_corpus([tmp_path], RECIPE, tmp_path / "none", 1)
    prepare([music], RECIPE, tmp_path, Workers(1), size=SIZE)
    assert made.shards[0].path.read_bytes() == whole
    (tmp_path / "set.json").write_text("{")
    with pytest.raises(ReadError, match=r"set\.json: a damaged set"):
        read_set(tmp_path)


def test_a_cluster_without_workers_and_a_wrong_address_are_one_line(monkeypatch):
    monkeypatch.setattr(workers_module, "CONNECT", 0.3)
    monkeypatch.setattr(workers_module, "ARRIVE", 0.1)
    for address in ("tcp://127.0.0.1:9", "nonsense://x", "127.0.0.1:99999"):
        with (
            pytest.raises(WorkersError, match=r"^scheduler: nothing that can be used answers"),
            workers(scheduler=address),
        ):
            pass
    with pytest.raises(WorkersError, match="there is no file"), workers(scheduler="none.json"):
        pass
    monkeypatch.setattr(workers_module, "CONNECT", 60.0)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=logging.CRITICAL) as empty,
        pytest.raises(WorkersError, match=r"has no workers .*dask worker"),
        workers(scheduler=empty.scheduler_address),
    ):
        pass


class _Other:
    """The client of a cluster whose one worker differs from this machine in what it is given."""

    def __init__(self, packages=(), **said):
        self.packages, self.said = dict(packages), said

    def wait_for_workers(self, *_, **__):
        pass

    def get_versions(self, check):
        own = {"python": "3.11.2.final.0", "distributed": "2026.8.0", "msgpack": "1", "cloudpickle": "3"}
        return {
            "scheduler": {"packages": own}, "client": {"packages": own},
            "workers": {"tcp://a:1": {"packages": own | self.packages}},
        }  # fmt: skip

    def run(self, function, paths, on_error):
        return {"tcp://a:1": function(paths) | self.said}


def test_a_scheduler_that_is_gone_is_one_line():
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=logging.CRITICAL
        ) as made,
        workers(scheduler=made.scheduler_address) as hands,
    ):
        found = hands.outcomes(abs, range(1000))
        next(found)
        made.close()
        with pytest.raises(WorkersError, match=r"is gone; run the command again to go on$"):
            list(found)


@pytest.mark.parametrize(
    ("client", "told"),
    [
        (
            _Other({"python": "3.12.1.final.0"}),
            r"worker tcp://a:1 has python 3\.12, this machine 3\.11; install the same",
        ),
        (_Other(rnnmuse="9.9"), r"worker tcp://a:1 has rnnmuse 9\.9, this machine "),
        (_Other(sees=[]), r"worker tcp://a:1 sees no '/.*'; share the folder"),
    ],
)
def test_a_worker_that_differs_is_named(client, told, tmp_path):
    with pytest.raises(WorkersError, match=told):
        workers_module._checked(client, "tcp://s:1", [tmp_path])


def test_wrong_arguments_and_a_missing_extra(monkeypatch):
    with pytest.raises(ValueError, match="use one of them"), workers(2, "tcp://x:1"):
        pass
    with pytest.raises(ValueError, match="workers: 0; must be at least 1"), workers(0):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"rnnmuse\[scale\]"), workers(2):
        pass
    with workers(1) as hands:
        assert dict(hands.outcomes(abs, [-1])) == {-1: 1}


def tunes(count: int, **more) -> list[Tune]:
    digest = find("grooves").digest
    return [Tune(f"{seed}.mid", "grooves", digest, 1, Settings(seed=seed, **more)) for seed in range(1, count + 1)]


def test_a_batch_is_what_the_command_writes_one_by_one_also_on_a_cluster(cluster, tmp_path):
    with workers(scheduler=cluster.scheduler_address) as hands:
        found = batch(tunes(3), tmp_path / "batch", hands)
    assert (found.written, found.before, found.errors) == (3, 0, ())
    for seed in (1, 2, 3):
        write_midi(load("grooves").generate(1, seed=seed), tmp_path / "one.mid")
        assert (tmp_path / "batch" / f"{seed}.mid").read_bytes() == (tmp_path / "one.mid").read_bytes()
    rows = [json.loads(line) for line in (tmp_path / "batch" / "manifest.jsonl").read_text().splitlines()]
    assert sorted(row["file"] for row in rows) == ["1.mid", "2.mid", "3.mid"]
    assert all(list(row) == ["file", "seed", "model", "hash", "settings", "seconds", "error"] for row in rows)
    assert all(row["hash"] == find("grooves").digest and row["seconds"] > 0 and row["error"] is None for row in rows)


def test_a_batch_is_gone_on_with_and_replaces_nothing(tmp_path):
    class Stopped(Workers):
        def outcomes(self, function, tasks):
            for number, task in enumerate(tasks):
                if number == 2:
                    raise KeyboardInterrupt
                yield task, function(task)

    with pytest.raises(KeyboardInterrupt):
        batch(tunes(4), tmp_path, Stopped(1))
    with (tmp_path / "manifest.jsonl").open("a") as file:
        file.write('{"file": "3.m')  # killed within a row
    before = (tmp_path / "1.mid").stat().st_mtime_ns
    (tmp_path / "4.mid").write_bytes(b"somebody's own")
    found = batch(tunes(4), tmp_path, Workers(1))
    assert (found.written, found.before) == (1, 2)
    assert found.errors == ("4.mid: a file with other contents is there; --force replaces it",)
    assert (tmp_path / "4.mid").read_bytes() == b"somebody's own"
    assert (tmp_path / "1.mid").stat().st_mtime_ns == before
    assert [row["error"] is None for row in read_manifest(tmp_path)] == [True, True, True, False]
    with pytest.raises(ValueError, match=r"is a batch with temperature None, not 0\.5; use another"):
        batch(tunes(4, temperature=0.5), tmp_path, Workers(1))
    found = batch(tunes(4), tmp_path, Workers(1), force=True)
    assert (found.written, found.errors) == (4, ())
    assert (tmp_path / "4.mid").read_bytes() != b"somebody's own"


def test_a_file_that_cannot_be_made_stops_no_batch_and_a_full_disk_does(tmp_path, monkeypatch):
    works = [*tunes(2), Tune("x.mid", "grooves", "sha256:other", 1, Settings(seed=9))]
    found = batch(works, tmp_path, Workers(1))
    assert (found.written, len(found.errors)) == (2, 1)
    assert "of this worker is not that of the command" in found.errors[0]

    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("rnnmuse.compose.batch.write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        batch(tunes(3), tmp_path, Workers(1))
    assert not (tmp_path / "3.mid").exists()


def test_covers_of_a_folder_are_those_of_the_command(run, music, tmp_path):
    code, out, err = run("cover", str(music / "0"), "--count", "2", "--size", "96", "--out", "many", "--workers", "1")
    assert code == 0, err
    assert "2 files written" in out
    assert run("cover", str(music / "0" / "tune00.mid"), "--size", "96", "--out", "one.jpg")[0] == 0
    assert (tmp_path / "many" / "tune00-1.jpg").read_bytes() == (tmp_path / "one.jpg").read_bytes()
    code, out, err = run("cover", str(music / "0"), "--count", "3", "--size", "96", "--out", "many", "--workers", "1")
    assert "1 files written, 2 were there" in out
    code, _, err = run("generate", "--workers", "2")
    assert code == 2
    assert "workers: 2; is for batches: give --count" in err
    code, _, err = run("generate", "--count", "2", "--scheduler", "none.json", "--out", "x")
    assert code == 2
    assert err.startswith("rnnmuse: scheduler: there is no file 'none.json'")
    assert len(err.strip().splitlines()) == 1
