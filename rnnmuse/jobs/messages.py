"""The messages between the realtime process and the jobs' process, one frozen class each.

They queue as `rnnmuse.session.messages` describes: `key`, ``droppable``, ``moves_back``, ``era``, ``share``.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import field
from typing import Any

from rnnmuse.message import Message, message


class ToJobs(Message):
    """A message to the jobs' process."""

    __slots__ = ()
    droppable = True
    moves_back = False
    era: Hashable = None
    session = 0
    share: Hashable | None = None

    @property
    def key(self) -> Hashable | None:
        """What the message is the value of; None for an event of its own."""
        return None


@message
class HeardNote(Message):
    """A note that was heard: its beat, pitch and velocity."""

    beat: float
    """Beats of the stage."""
    pitch: int
    """MIDI note, 0 to 127."""
    velocity: int
    """1 to 127."""


@message
class DrawCover(ToJobs):
    """Draws a cover of ``notes``, or of the seed where there are none. ``settings`` are fields of
    `rnnmuse.cover.picture.Design` by name, and ``model``, ``size``, ``seed``."""

    job: int
    """Number of the job, from 1."""
    settings: dict[str, Any]
    notes: tuple[HeardNote, ...]
    tempo: float
    """In bpm."""


@message
class Stream(ToJobs):
    """Sends ``rate`` pictures a second from now on; 0 ends it. ``settings`` as in `DrawCover`."""

    rate: float
    settings: dict[str, Any]
    droppable = False

    @property
    def key(self) -> Hashable:
        return "stream"


@message
class Heard(ToJobs):
    """The picture moves with a note."""

    pitch: int
    """MIDI note, 0 to 127."""
    velocity: int
    """1 to 127."""


@message
class Tempo(ToJobs):
    """The picture moves at this tempo, in bpm."""

    bpm: float
    """Beats a minute."""
    droppable = False

    @property
    def key(self) -> Hashable:
        return "tempo"


@message
class Ping(ToJobs):
    """Asks for a `Pong`."""

    droppable = False

    @property
    def key(self) -> Hashable:
        return "ping"


@message
class Bye(ToJobs):
    """The process ends."""

    droppable = False


class FromJobs(Message):
    """A message from the jobs' process."""

    __slots__ = ()


@message
class Pong(FromJobs):
    """The process is alive."""


@message
class Progress(FromJobs):
    """A share (0-1) of a job is done."""

    job: int
    """Number of the job, from 1."""
    share: float
    """0 to 1."""


@message
class CoverDone(FromJobs):
    """A cover is written; ``name`` is the file's, in the covers' folder."""

    job: int
    """Number of the job, from 1."""
    name: str


@message
class JobFailed(FromJobs):
    """A job (0: the stream of pictures) could not be done."""

    job: int
    """Number of the job, from 1; 0 for the stream."""
    text: str
    """The reason, one line."""


@message
class Frame(FromJobs):
    """A picture of the stream, JPEG."""

    number: int
    """Counts the pictures, from 1."""
    picture: bytes = field(repr=False)
    """A JPEG file."""
