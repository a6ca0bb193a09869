"""Covers asked for over real sockets: the jobs' process draws, the stage goes on."""

import io
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_stage import Client, serving

from rnnmuse.realtime.control.cover import ASK, HUNG
from rnnmuse.realtime.stage import Settings, Stage
from rnnmuse.testing import StageClient


@pytest.fixture
def stage(covers, tmp_path, monkeypatch):
    monkeypatch.setenv("RNNMUSE_COVERS", str(tmp_path / "covers"))
    monkeypatch.setattr("test_stage.PATIENCE", 90.0)  # at the lowest priority, on whatever machine
    with serving(Stage(Settings(port=0, engine=False))) as made:
        yield made


def test_a_cover_is_drawn_into_the_output_folder_and_told_of(stage, tmp_path):
    client = Client(stage.port)
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/player/1/note", 60, 90)
    (job,) = client.ask("/rnnmuse/cover/generate", 7, 200, "Night", "Anna")
    shares = [client.wait("/rnnmuse/cover/progress").arguments]
    done = client.wait("/rnnmuse/cover/done").arguments
    assert done[0] == job == shares[0][0]
    assert 0 < shares[0][1] <= 1
    assert "/" not in done[1]
    with Image.open(tmp_path / "covers" / done[1]) as image:
        assert image.size == (200, 200)


def test_settings_are_kept_and_mistakes_are_answered(stage):
    client = Client(stage.port)
    client.send("/rnnmuse/subscribe")
    assert client.ask("/rnnmuse/cover/mood") == ("",)
    client.send("/rnnmuse/cover/mood", "angry")
    client.send("/rnnmuse/cover/generate", 1, 64)
    address, _, text = client.wait("/rnnmuse/error").arguments
    assert address == "/rnnmuse/cover/generate"
    assert "mood: 'angry'" in text
    client.send("/rnnmuse/cover/generate", 1, 20)
    assert "size" in client.wait("/rnnmuse/error").arguments[2]
    client.send("/rnnmuse/cover/mood", "dark")
    assert client.ask("/rnnmuse/cover/mood") == ("dark",)


def test_the_stream_moves_with_the_notes_and_ends(stage):
    client = Client(stage.port)
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/cover/stream", 12.0)
    still = client.wait("/rnnmuse/cover/frame").arguments[1]
    assert len(still) <= 7000
    for pitch in range(48, 84, 2):
        client.send("/rnnmuse/player/1/note", pitch, 127)
        client.send("/rnnmuse/player/1/note", pitch, 0)
    frames = [_pixels(client.wait("/rnnmuse/cover/frame").arguments[1]) for _ in range(6)]
    assert frames[0].shape == (128, 128, 3)
    assert max(np.abs(frame - _pixels(still)).mean() for frame in frames) > 1
    assert client.ask("/rnnmuse/cover/stream") == (12.0,)
    client.send("/rnnmuse/cover/stream", 0)
    assert client.ask("/rnnmuse/cover/stream") == (0.0,)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not list threads")
def test_every_thread_that_draws_has_the_lowest_priority(stage):
    """The process is started by a thread of realtime priority where that is allowed; nothing may be left of it."""
    client = Client(stage.port)
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/cover/generate", 1, 64)
    client.wait("/rnnmuse/cover/done")
    threads = [int(path.name) for path in Path(f"/proc/{stage.covers._link.pid}/task").iterdir()]
    assert threads
    assert {(os.sched_getscheduler(t), os.getpriority(os.PRIO_PROCESS, t)) for t in threads} == {(os.SCHED_BATCH, 19)}


def test_a_lost_process_is_told_of_and_started_again(stage):
    client = Client(stage.port)
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/cover/generate", 1, 4000)
    while (link := stage.covers._link) is None or link.pid is None:
        client.ask("/rnnmuse/ping", 1, answer="/rnnmuse/pong")
    os.kill(link.pid, signal.SIGKILL)
    assert "lost" in client.wait("/rnnmuse/error").arguments[2]
    client.send("/rnnmuse/cover/generate", 2, 64)
    client.wait("/rnnmuse/cover/done")


def _pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)), np.float64)


class Jobs:
    """In place of the link to the jobs' process."""

    def __init__(self, *words, **more):
        self.sent, self.closed = [], False

    def __class_getitem__(cls, kind):
        return cls

    def send(self, message):
        self.sent.append(type(message).__name__)

    def close(self, patience=0.0):
        self.closed = True


def test_a_process_that_was_only_just_started_is_not_taken_for_one_that_hangs(monkeypatch):
    monkeypatch.setattr("rnnmuse.realtime.control.cover.Link", Jobs)
    stage = StageClient()
    stage.time += 2 * HUNG  # the machine has been up for longer than the process may be silent
    stage.send("/rnnmuse/watch", 3600)
    stage.send("/rnnmuse/cover/stream", 8)
    covers = stage.stage.covers
    covers.watch()
    link = covers._link
    assert link is not None
    assert not link.closed
    stage.time += ASK + 1
    covers.watch()
    assert link.sent[-1] == "Ping"
    stage.time += HUNG
    covers.watch()
    assert link.closed
    stage.run(0.2)
    assert ("/rnnmuse/cover/stream", "cover") in [error[:2] for error in stage.errors()], "it is told"
    assert stage.received("/rnnmuse/cover/stream")[-1].arguments == (0.0,), "and shown"
