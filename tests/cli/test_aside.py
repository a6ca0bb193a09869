"""Warnings of a performance: nobody waits for whoever reads them."""

import logging
import threading

from rnnmuse.cli.aside import MOST_WAITING, Aside


class Stalled(logging.Handler):
    """A pipe that nobody reads until ``read`` is set."""

    def __init__(self):
        super().__init__()
        self.read, self.begun, self.lines = threading.Event(), threading.Event(), []

    def emit(self, record):
        self.begun.set()
        assert self.read.wait(20)
        self.lines.append(record.getMessage())


def logger(handler):
    made = logging.Logger("rnnmuse.test")
    made.addHandler(handler)
    return made


def test_warnings_never_wait_for_a_pipe_that_nobody_reads():
    stalled = Stalled()
    aside = Aside(stalled)
    log, warned = logger(aside), threading.Event()

    def warn():
        for number in range(MOST_WAITING + 501):
            log.warning("port %d is gone", number)
            if not number:
                stalled.begun.wait(20)
        warned.set()

    threading.Thread(target=warn, daemon=True).start()
    assert warned.wait(20)
    stalled.read.set()
    aside.close()
    assert stalled.lines[: MOST_WAITING + 1] == [f"port {number} is gone" for number in range(MOST_WAITING + 1)]
    assert stalled.lines[MOST_WAITING + 1 :] == ["500 more warnings came while nobody read them"]


def test_the_end_waits_until_what_was_said_is_written():
    told = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    aside = Aside(handler)
    logger(aside).error("the last word")
    aside.close()
    assert told == ["the last word"]


def test_a_pipe_that_is_never_read_keeps_no_program_from_ending():
    stalled = Stalled()
    aside = Aside(stalled)
    for number in range(MOST_WAITING + 5):
        logger(aside).warning("%d", number)
    aside.close()
    assert aside._writer.daemon
    stalled.read.set()
