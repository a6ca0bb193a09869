"""Files that are written whole or not at all: an error, or the end of the process, at every step of writing."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rnnmuse.storage import replacing, write_whole

STEPS = ("open", "write", "fsync", "replace")


class Ended(BaseException):
    """Stands for the end of the process: nothing after it runs but what Python unwinds."""


def failing(monkeypatch, step, error, at=0):
    """Let the ``at``-th call of one step of writing fail."""
    calls = 0

    def once(real):
        def call(*given, **more):
            nonlocal calls
            calls += 1
            if calls == at + 1:
                raise error
            return real(*given, **more)

        return call

    if step == "open":
        monkeypatch.setattr(Path, "open", once(Path.open))
    elif step == "write":
        real = Path.open

        def opened(self, *given, **more):
            file = real(self, *given, **more)
            if "w" in (given[0] if given else more.get("mode", "r")):

                class Watched:
                    def __enter__(self):
                        return self

                    def __exit__(self, *error):
                        file.close()

                    write = staticmethod(once(file.write))

                return Watched()
            return file

        monkeypatch.setattr(Path, "open", opened)
    else:
        holder, name = {"fsync": (os, "fsync"), "replace": (Path, "replace")}[step]
        monkeypatch.setattr(holder, name, once(getattr(holder, name)))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Ended()], ids=["full", "ended"])
@pytest.mark.parametrize("step", STEPS)
def test_what_fails_leaves_what_was_there(tmp_path, monkeypatch, step, error):
    path = tmp_path / "a.toml"
    write_whole(path, b"old")
    with monkeypatch.context() as patch:
        failing(patch, step, error)
        with pytest.raises(type(error)):
            write_whole(path, [b"new ", b"and whole"])
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.toml"]
    write_whole(path, [b"new ", b"and whole"])
    assert path.read_bytes() == b"new and whole"


def test_the_disk_fills_up_after_the_first_piece(tmp_path, monkeypatch):
    path = tmp_path / "a.mid"
    with monkeypatch.context() as patch:
        failing(patch, "write", OSError(28, "full"), at=1)
        with pytest.raises(OSError, match="full"):
            write_whole(path, [b"one", b"two"])
    assert not os.listdir(tmp_path)


def test_the_data_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("data" if not order else "name"), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("replace"), replace(self, to))[1])
    write_whole(tmp_path / "a", b"x")
    assert order == ["data", "replace", "name"]


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path):
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom rnnmuse.storage import replacing\n"
        f"with replacing({str(tmp_path / 'a.toml')!r}) as partial:\n    partial.write_text('half')\n    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    (left,) = tmp_path.iterdir()
    other = tmp_path / f".a.{os.getpid()}0.notes.toml"
    other.write_text("somebody else's")
    write_whole(tmp_path / "a.toml", b"whole")
    assert not left.exists()
    assert other.exists()


def test_threads_that_write_the_same_file_at_once_do_not_meet(tmp_path):
    path = tmp_path / "a.toml"
    with replacing(path) as partial:
        partial.write_text("first")
        second = threading.Thread(target=write_whole, args=(path, b"second"))
        second.start()
        second.join()
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_links_permissions_and_devices(tmp_path):
    path, link = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    write_whole("/dev/null", b"x")
    with pytest.raises(OSError, match="space"), replacing("/dev/full") as device:
        device.write_bytes(b"x" * 100_000)


def test_nothing_is_lost_when_it_is_killed_while_saving():
    """The loop of `make kills`, 24 times: rigs with presets, checkpoints, bundles, files with their record."""
    script = Path(__file__).parent / "kills.py"
    done = subprocess.run([sys.executable, str(script), "24"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("lost 0") == 4


def test_a_log_whose_last_row_was_cut_off_is_read(tmp_path):
    pytest.importorskip("torch")
    from rnnmuse.train.checkpoint import Log

    log = Log(tmp_path)
    log.append({"step": 1})
    with log.path.open("a") as file:
        file.write('{"step": 2, "lo')
    assert log.rows() == [{"step": 1}]
    log.append({"step": 3})
    assert log.rows() == [{"step": 1}, {"step": 3}]


def test_a_bundle_whose_exchange_was_cut_off_is_brought_back(models):
    from rnnmuse.models.bundle import bundles, find

    folder = models / "mine"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text('format = 1\nkind = "cover"\n')
    for ask in (lambda: find("mine"), lambda: bundles()["mine"]):
        folder.rename(models / ".mine.old")
        assert ask().folder == folder
        assert folder.is_dir()
