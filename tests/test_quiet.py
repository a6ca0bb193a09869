"""The error stream is silent while a block lasts, and is back afterwards, whatever happens."""

import os
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from rnnmuse.quiet import quiet


@contextmanager
def error_stream():
    """What is written on descriptor 2 inside the block; pytest moves it between a test and its fixtures."""
    read, write = os.pipe()
    held = os.dup(2)
    os.dup2(write, 2)
    os.close(write)
    os.set_blocking(read, False)

    def written():
        try:
            return os.read(read, 4096)
        except BlockingIOError:
            return b""

    try:
        yield written
    finally:
        os.dup2(held, 2)
        os.close(held)
        os.close(read)


def say(text):
    os.write(2, text)


def test_what_is_written_meanwhile_is_discarded():
    with error_stream() as stream:
        with quiet():
            say(b"a")
        say(b"b")
        assert stream() == b"b"


def test_blocks_nest():
    with error_stream() as stream:
        with quiet():
            with quiet():
                say(b"a")
            say(b"b")
        say(b"c")
        assert stream() == b"c"


def test_blocks_of_two_threads_overlap():
    """The first ends while the second lasts: each saved on its own, the second would put back the first's silence."""
    with error_stream() as stream:
        entered, leave = threading.Event(), threading.Event()

        def second():
            with quiet():
                entered.set()
                leave.wait(20)

        thread = threading.Thread(target=second)
        with quiet():
            thread.start()
            assert entered.wait(20)
        say(b"a")
        leave.set()
        thread.join(20)
        say(b"b")
        assert stream() == b"b"


def test_an_exception_brings_it_back():
    with error_stream() as stream:
        with pytest.raises(ValueError, match="x"), quiet():
            raise ValueError("x")
        say(b"a")
        assert stream() == b"a"


def test_without_an_error_stream_nothing_fails():
    code = "import os; os.close(2)\nfrom rnnmuse.quiet import quiet\nwith quiet(): pass\nprint('done')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "done\n"
