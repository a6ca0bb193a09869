"""The messages between the realtime process and the engine: one frozen class each.

`ToEngine` messages say what the performer does and wants; `FromEngine` messages say what is to be played and what was
accepted. Beats are positions of the stage's clock in quarter notes, ticks the same in `PPQ` a beat. Players are
numbered from 1 to 16. A ``ticket`` is a number that the sender chooses; the engine answers it with `Accepted` or
`Refused`. A ``job`` is the number under which a request is answered, a ``seed`` a number from which all chance follows
(None goes on with the present one). ``pitch`` is a MIDI note number, 0 to 127; ``velocity`` is 0 to 127, 0 at a note's
end; ``program`` is a General MIDI program, 0 to 127. ``text`` is one line for people, but in messages of text players
it is what they read or write.

How a message behaves in a full queue is a property of its type: see `ToEngine`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import field
from typing import Any

from rnnmuse.clock import Clock
from rnnmuse.message import Message, message


class ToEngine(Message):
    """A message to the engine.

    Two messages in a queue with the same `key` are one value: the later replaces the earlier, in its place or, if it
    ``moves_back`` or is of another `era`, at the end. A message without a key keeps its order. A ``droppable`` one is
    refused by a full queue, and where too many of its `share` wait. Each ``session`` has a queue of its own.
    """

    __slots__ = ()
    droppable = False
    moves_back = False
    era: Hashable = None
    session = 0

    @property
    def share(self) -> Hashable | None:
        """Which part of the queue a droppable message counts to; None for the whole."""
        return None

    @property
    def key(self) -> Hashable | None:
        """What the message is the value of; None for a message that is an event of its own."""
        return None


class FromEngine(Message):
    """A message from the engine."""

    __slots__ = ()


# -- to the engine: the link itself ---------------------------------------------------------------------------------


@message
class Ping(ToEngine):
    """Asks for a `Handled`, which shows that the engine is alive."""

    @property
    def key(self) -> Hashable:
        return "ping"


@message
class Bye(ToEngine):
    """The engine ends."""


@message
class Sync(ToEngine):
    """Asks for a `Synced` with the same number after everything before it was handled.

    With ``played`` the players first play as far ahead as they may.
    """

    number: int
    played: bool = False
    droppable = True


@message
class ListModels(ToEngine):
    """Asks for `Models`."""

    @property
    def key(self) -> Hashable:
        return "list models"


@message
class SetClock(ToEngine):
    """The stage's clock as it is now, and how many seconds ahead of their time the outputs want notes.

    ``jumps`` counts the starts, stops and changes of position. When it has grown, the players begin again from the new
    place, and those in ``started`` play. What the engine sent before it accepted the ``ticket`` belongs to the old
    place.
    """

    clock: Clock
    ahead: float
    jumps: int = 0
    started: frozenset[int] = frozenset()
    ticket: int = 0

    @property
    def key(self) -> Hashable:
        return "clock"

    @property
    def era(self) -> Hashable:  # type: ignore[override]
        """A jump does not overtake what was sent before it, whose beats are of the place before."""
        return self.jumps


# -- both ways: one engine for several sessions --------------------------------------------------------------------


@message
class InSession(ToEngine, FromEngine):
    """A message of one of several sessions that share the engine."""

    number: int
    """1 to `rnnmuse.protocol.SESSIONS`."""
    message: Any
    """A `ToEngine` or `FromEngine` message."""

    @property
    def session(self) -> int:  # type: ignore[override]
        return self.number

    @property
    def droppable(self) -> bool:  # type: ignore[override]
        return bool(self.message.droppable)

    @property
    def moves_back(self) -> bool:  # type: ignore[override]
        return bool(self.message.moves_back)

    @property
    def era(self) -> Hashable:  # type: ignore[override]
        return self.message.era  # type: ignore[no-any-return]

    @property
    def share(self) -> Hashable | None:
        return self.message.share  # type: ignore[no-any-return]

    @property
    def key(self) -> Hashable | None:
        return self.message.key  # type: ignore[no-any-return]


@message
class Several(FromEngine):
    """What several sessions sent in one round, in order."""

    messages: tuple[InSession, ...]


# -- to the engine: the harmony of the stage ---------------------------------------------------------------------------


@message
class SetHarmony(ToEngine):
    """A part of what is given takes a value from ``beat`` on: ``name`` is "chart", "chord", "key" or "split"."""

    ticket: int
    name: str
    value: Any
    """Text of a chart, chord or key, empty for none; of "split" a MIDI note, 0 for none."""
    beat: float

    @property
    def key(self) -> Hashable:
        return "harmony", self.name, self.ticket == 0  # a new engine's set-up is not replaced


@message
class SetBand(ToEngine):
    """What the roles of a band share takes a value: ``name`` is "fours" or "density"."""

    ticket: int
    name: str
    value: float
    """Of "fours" bars, 0 for none; of "density" 0 to 1."""

    @property
    def key(self) -> Hashable:
        return "band", self.name, self.ticket == 0  # a new engine's set-up is not replaced


@message
class Memory(ToEngine):
    """What was played in this session: ``act`` is "forget", or "remember" or "recall" with the file of a ``name``."""

    ticket: int
    act: str
    name: str = ""
    droppable = True


@message
class Heard(ToEngine):
    """Beat and pitch of each note that the performer had played before this engine began."""

    notes: tuple[tuple[float, int], ...]


@message
class End(ToEngine):
    """All players come to an end, cued at ``beat``; answered with `EndsAt`."""

    beat: float

    @property
    def key(self) -> Hashable:
        return "end"


@message
class HearChord(ToEngine):
    """A note of the chord track begins, or ends where ``velocity`` is 0."""

    beat: float
    pitch: int
    velocity: int

    @property
    def droppable(self) -> bool:  # type: ignore[override]
        return self.velocity > 0


# -- to the engine: note players ------------------------------------------------------------------------------------


@message
class Hear(ToEngine):
    """``player`` hears a note begin, or end where ``velocity`` is 0. ``source`` is the player that played it; 0 is the
    performer."""

    player: int
    beat: float
    pitch: int
    velocity: int
    source: int = 0

    @property
    def share(self) -> Hashable:
        return "hear", self.player

    @property
    def droppable(self) -> bool:  # type: ignore[override]
        return self.velocity > 0


@message
class SetParameter(ToEngine):
    """A parameter of `rnnmuse.protocol.PARAMETERS` takes a value from ``beat`` on."""

    ticket: int
    player: int
    name: str
    """A row of the table."""
    value: Any
    """In the unit and range of its row."""
    beat: float

    @property
    def key(self) -> Hashable:
        return "parameter", self.player, self.name, self.ticket == 0  # a new engine's set-up is not replaced


@message
class SetMode(ToEngine):
    """The player's mode changes at ``beat``."""

    ticket: int
    player: int
    mode: str
    """One of `rnnmuse.protocol.MODES`."""
    beat: float
    moves_back = True

    @property
    def key(self) -> Hashable:
        return "mode", self.player, self.ticket == 0  # as above


@message
class LoadModel(ToEngine):
    """Loads a model for a later `SetModel`; refused where it cannot be played.

    Not a value: one that is refused must not have replaced one that is accepted.
    """

    ticket: int
    player: int
    model: str
    """A name of `Models`."""
    droppable = True


@message
class SetModel(ToEngine):
    """The player plays another model from ``beat`` on. Not a value, as `LoadModel`."""

    ticket: int
    player: int
    model: str
    """A name of `Models`."""
    beat: float
    droppable = True


@message
class Start(ToEngine):
    """The player begins to play at the next beat."""

    ticket: int
    player: int
    beat: float
    moves_back = True

    @property
    def key(self) -> Hashable:
        return "start", self.player


@message
class Stop(ToEngine):
    """The player falls silent. What the engine sent for it before it accepted the ticket is void."""

    ticket: int
    player: int
    beat: float
    moves_back = True

    @property
    def key(self) -> Hashable:
        return "stop", self.player


@message
class Reset(ToEngine):
    """The player forgets what it heard and played."""

    player: int
    beat: float
    moves_back = True

    @property
    def key(self) -> Hashable:
        return "reset", self.player


@message
class Generate(ToEngine):
    """The player plays for ``beats`` beats from the next beat on; `Done` names the job when the last note is
    planned."""

    player: int
    beats: float
    seed: int | None
    job: int
    beat: float
    droppable = True


@message
class MoveLatent(ToEngine):
    """One act on the latent space of a phrase model, such as ``xy`` or ``recall``; see `rnnmuse.protocol`."""

    ticket: int
    player: int
    act: str
    values: tuple[Any, ...]
    """The act's arguments, in the order and the ranges of its row."""
    beat: float

    @property
    def droppable(self) -> bool:  # type: ignore[override]
        return self.key is None

    @property
    def key(self) -> Hashable | None:
        if self.act == "dimension":
            return "latent", self.player, self.values[0]
        if self.act == "axis":
            return "axis", self.player, self.values[0]
        return (self.act, self.player) if self.act in ("xy", "x", "y", "latent", "morph", "map", "restore") else None


@message
class Prompt(ToEngine):
    """The player takes ``notes`` (start and length in beats, pitch, velocity) for what was played up to ``beat``."""

    ticket: int
    player: int
    notes: tuple[tuple[float, float, int, int], ...]
    beat: float
    droppable = True


@message
class ShowPhrase(ToEngine):
    """Asks for the `Phrase` of a slot (1-16) of a phrase player, 0 for the point that it plays."""

    ticket: int
    player: int
    slot: int
    droppable = True


# -- to the engine: text players ------------------------------------------------------------------------------------


@message
class TextGenerate(ToEngine):
    """The text player says ``chunks`` chunks, 0 for without end."""

    player: int
    chunks: int
    seed: int | None
    job: int
    beat: float
    droppable = True


@message
class TextPrompt(ToEngine):
    """The text player reads ``text`` as what came before."""

    player: int
    text: str
    droppable = True

    @property
    def share(self) -> Hashable:
        return "prompt"


@message
class TextMix(ToEngine):
    """The fader of one model in a text player's mixture."""

    ticket: int
    player: int
    model: str
    """A name of `Models`."""
    weight: float
    """0 or more."""

    @property
    def key(self) -> Hashable:
        return "mix", self.player, self.model


@message
class TextBind(ToEngine):
    """The text player says a syllable with each note of player ``bound``; 0 for by the beat."""

    ticket: int
    player: int
    bound: int

    @property
    def key(self) -> Hashable:
        return "bind", self.player


@message
class TextSet(ToEngine):
    """A parameter of `rnnmuse.protocol.TEXT_PARAMETERS` takes a value."""

    ticket: int
    player: int
    name: str
    """A row of the table."""
    value: Any
    """In the unit and range of its row."""
    beat: float

    @property
    def key(self) -> Hashable:
        return "text parameter", self.player, self.name


@message
class TextStop(ToEngine):
    """The text player says no more. What the engine sent for it before it accepted the ticket is void."""

    ticket: int
    player: int
    beat: float
    moves_back = True

    @property
    def key(self) -> Hashable:
        return "text stop", self.player


@message
class TextReset(ToEngine):
    """The text player forgets its prompt and what it wrote."""

    player: int
    beat: float
    droppable = True


# -- from the engine ------------------------------------------------------------------------------------------------


@message
class Ready(FromEngine):
    """The engine takes messages."""


@message
class Handled(FromEngine):
    """So many more messages were handled; the link may send as many again."""

    count: int
    """Messages since the last `Handled`."""


@message
class Loading(FromEngine):
    """A model is being loaded: the next answer may take its time."""

    model: str


@message
class Knows(FromEngine):
    """So many of the performer's notes are known."""

    notes: int


@message
class EndsAt(FromEngine):
    """The ending that was cued is over at ``tick``."""

    tick: int


@message
class Failed(FromEngine):
    """The engine's last message before it ends by itself."""

    text: str


@message
class Accepted(FromEngine):
    """The message with this ticket holds now."""

    ticket: int


@message
class Refused(FromEngine):
    """The message with this ticket changed nothing; the text says why."""

    ticket: int
    text: str


@message
class Mistake(FromEngine):
    """A message without a ticket could not be acted on; ``of_text`` where it was a text player's."""

    player: int
    text: str
    of_text: bool = False


@message
class PlayerFailed(FromEngine):
    """The player's model raised an error while it played; the player is gone until it gets a model."""

    player: int
    model: str
    text: str


@message
class Synced(FromEngine):
    """The answer to `Sync`."""

    number: int
    """That of the `Sync`."""


@message
class Models(FromEngine):
    """The names of the models by kind."""

    names: Mapping[str, tuple[str, ...]]


@message
class PartInfo(Message):
    """A part that a model plays: its name, General MIDI program (0-127) and whether it is the drums."""

    name: str
    program: int = 0
    drum: bool = False


@message
class Parts(FromEngine):
    """The parts of the model that a player has now; notes name them by index."""

    player: int
    parts: tuple[PartInfo, ...]
    digest: str = ""
    """The hash of the model's bundle."""


@message
class ModeOf(FromEngine):
    """The mode that a player has now."""

    player: int
    mode: str


@message
class HarmonyIs(FromEngine):
    """What holds at ``beat``, and the chords that come after it as pairs of beat and symbol. ``chord`` and ``key`` are
    empty where none is known; ``source`` is as in `rnnmuse.play.harmony.HalfBar`."""

    beat: float
    chord: str
    key: str
    confidence: float
    """Probability of the chord, 0 to 1; 1 where it is given."""
    source: str
    coming: tuple[tuple[float, str], ...] = ()


@message
class LatentState(FromEngine):
    """Where a phrase player is in its latent space: ``latent``, ``xy``, ``map``, ``axes``, ``slots``; empty without."""

    player: int
    state: dict[str, Any] = field(default_factory=dict)
    """Coordinates in standard deviations; places on the pad and on the axes 0 to 1."""


@message
class Phrase(FromEngine):
    """The notes (start and length in beats, pitch, velocity) of a phrase player's slot; the answer to `ShowPhrase`."""

    ticket: int
    slot: int
    notes: tuple[tuple[float, float, int, int], ...]


@message
class NoteOn(FromEngine):
    """A note of ``part`` (an index into `Parts`) begins at ``tick``. A drum stroke ends by itself."""

    player: int
    tick: int
    pitch: int
    velocity: int
    part: int = 0
    drum: bool = False


@message
class NoteOff(FromEngine):
    """The last note of this part and pitch ends at ``tick``."""

    player: int
    tick: int
    pitch: int
    part: int = 0


@message
class AllOff(FromEngine):
    """Every note of the player ends at ``tick``."""

    player: int
    tick: int


@message
class Recall(FromEngine):
    """What is planned for the player at or after ``tick`` is taken back."""

    player: int
    tick: int


@message
class EndNotes(FromEngine):
    """Every note of the player ends at once."""

    player: int


@message
class Done(FromEngine):
    """The job of a `Generate` is over; ``notes`` were played."""

    player: int
    job: int
    notes: int


@message
class Chunk(FromEngine):
    """A chunk of text is said at ``tick``; ``index`` counts the job's chunks, ``last`` marks the final one."""

    player: int
    tick: int
    job: int
    index: int
    text: str
    last: bool


@message
class Unsay(FromEngine):
    """What the text player was to say at or after ``tick`` is taken back."""

    player: int
    tick: int


Order = NoteOn | NoteOff | AllOff | Recall | EndNotes | Done
"""What a note player sends."""

TextOrder = Chunk | Unsay
"""What a text player sends."""
