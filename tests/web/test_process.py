"""The web process as a real child: it serves, is started again, ends with its parent, and is never waited for."""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from fake_stage import lasting_port, stage

from rnnmuse.web import process
from rnnmuse.web.process import RESTARTS, WINDOW, Report, Starts, WebProcess

ROOT = Path(__file__).parents[2]
PATIENCE = 60


@pytest.fixture
def fake():
    with stage() as made:
        yield made


@contextlib.contextmanager
def web(*arguments, **more):
    """A web process, and the queue of its reports."""
    reports = queue.Queue()
    made = WebProcess("127.0.0.1", *arguments, report=reports.put, **more)
    try:
        yield made, reports
    finally:
        made.join(PATIENCE)


def get(port, target="/"):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{target}", timeout=PATIENCE) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:  # the stage, a thread of this process, had no turn yet
            if error.code != 504 or time.monotonic() > end:
                raise


def gone(pid):
    """Wait until a process that is not a child of this one has ended."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.01)
    return False


def test_it_serves_oscquery_and_the_screen_and_ends(fake):
    with web(fake.port, 0, 0) as (made, reports):
        report = reports.get(timeout=PATIENCE)
        assert report == Report(report.query, report.screen)
        assert json.loads(get(report.query, "/rnnmuse/transport/tempo?VALUE")) == {"VALUE": [120.0]}
        assert json.loads(get(report.query, "/?HOST_INFO"))["OSC_PORT"] == fake.port
        assert b"<title>rnnmuse</title>" in get(report.screen)
        made.join(PATIENCE)
        assert made._child.returncode == 0
        assert reports.empty(), "an end that was wanted is no news"
        for port in (report.query, report.screen):
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.1", port))


def test_killed_it_is_started_again_on_the_same_port(fake):
    port = lasting_port()
    with web(fake.port, port) as (made, reports):
        assert reports.get(timeout=PATIENCE) == Report(query=port)
        first = made.pid
        os.kill(first, signal.SIGKILL)
        assert reports.get(timeout=PATIENCE).problems == ("the web process ended (-9); it is started again",)
        assert reports.get(timeout=PATIENCE) == Report(query=port)
        assert made.pid != first
        assert json.loads(get(port, "/rnnmuse/transport/tempo?VALUE")) == {"VALUE": [120.0]}


@pytest.mark.parametrize("lived", [0.0, 1.0, 7.0, 100.0])
def test_it_is_started_again_three_times_a_minute_at_most(lived):
    """A child that always ends after so many seconds."""
    clock, times = 1000.0, []
    starts = Starts(lambda: clock)
    for _ in range(20):
        clock += starts.rest()
        times.append(clock)
        starts.note()
        clock += lived
    assert times[RESTARTS] - times[0] == RESTARTS * lived, "the first ones wait for nothing"
    for at in range(len(times) - RESTARTS - 1):
        assert times[at + RESTARTS + 1] - times[at] == max(WINDOW, (RESTARTS + 1) * lived)


def test_a_port_that_is_taken_is_reported_and_the_other_served(fake):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with web(fake.port, port, 0) as (_, reports):
            report = reports.get(timeout=PATIENCE)
            assert report.query is None
            assert report.problems == (f"127.0.0.1 port {port}: Address already in use",)
            assert b"<title>rnnmuse</title>" in get(report.screen)


def test_with_nothing_to_serve_it_ends_and_is_not_started_again(fake):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with web(fake.port, port) as (made, reports):
            assert reports.get(timeout=PATIENCE).problems
            made._thread.join(PATIENCE)
            assert not made._thread.is_alive()
            assert made._child.returncode == process.NOTHING
            assert len(made._starts._times) == 1


PARENT = """
import signal, sys, time
from rnnmuse.web.process import WebProcess
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
made = WebProcess("127.0.0.1", int(sys.argv[1]), 0, report=lambda report: print(made.pid, report.query, flush=True))
time.sleep(600)
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_its_parent_however_that_ends(fake, sign):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", PARENT, str(fake.port)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as parent:
        pid, port = map(int, parent.stdout.readline().split())
        assert json.loads(get(port, "/?HOST_INFO"))["NAME"] == "rnnmuse"
        parent.send_signal(sign)
        try:
            parent.wait(PATIENCE)
        finally:
            parent.kill()
        assert gone(pid)
        parent.stderr.read()


def test_a_child_that_hangs_is_killed_at_the_end_and_not_waited_for_before(fake):
    with web(fake.port, 0) as (made, reports):
        reports.get(timeout=PATIENCE)
        os.kill(made.pid, signal.SIGSTOP)
        made.close()  # returns at once
        assert made._child.poll() is None
        made.join(0.1)
        made._thread.join(PATIENCE)
        assert made._child.returncode == -signal.SIGKILL


def test_the_child_has_ordinary_priority_and_a_session_of_its_own(fake):
    with web(fake.port, 0) as (made, reports):
        reports.get(timeout=PATIENCE)
        assert os.sched_getscheduler(made.pid) == os.SCHED_OTHER
        assert os.getpriority(os.PRIO_PROCESS, made.pid) > os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getsid(made.pid) == made.pid, "Ctrl-C is its parent's to answer"


def test_its_parent_opens_no_http_and_loads_no_web_library():
    code = """
import sys
from rnnmuse.web.process import WebProcess
print([name for name in ("starlette", "uvicorn", "websockets", "asyncio", "numpy", "http") if name in sys.modules])
"""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True).stdout
    assert said == "[]\n"


def test_discovery_that_does_not_work_is_reported(fake, monkeypatch, tmp_path):
    (tmp_path / "zeroconf.py").write_text("raise ImportError('none')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with web(fake.port, 0, discovery=True) as (_, reports):
        report = reports.get(timeout=PATIENCE)
        assert report.query
        assert not report.discovery
        assert report.problems == ("discovery: zeroconf is not installed: pip install 'rnnmuse[discovery]'",)


def until_refused(port):
    """Wait until nobody listens at a port."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # it closes just now
            continue
    return False


def test_rnnmuse_live_serves_oscquery_and_takes_it_along_even_when_it_is_killed(tmp_path):
    port, query = lasting_port(), lasting_port()
    rig = tmp_path / "rig.toml"
    rig.write_text(f"[stage]\nport = {port}\nquery = {query}\ntempo = 133.0\nvirtual = false\n", "utf-8")
    line = [sys.executable, "-m", "rnnmuse.cli.main", "live", str(rig)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=env) as live:
        try:
            while f"OSCQuery 127.0.0.1:{query}" not in live.stdout.readline():
                assert live.poll() is None
            assert json.loads(get(query, "/rnnmuse/transport/tempo?VALUE")) == {"VALUE": [133.0]}
        finally:
            live.kill()
        assert until_refused(query)
