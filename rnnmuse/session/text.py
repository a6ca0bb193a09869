"""A live text player: writes ahead of the beat, in chunks that leave on time, alone or with a player's notes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from random import Random
from typing import Any

from rnnmuse.clock import COMMON, PPQ, Metre
from rnnmuse.models.alphabet import ascii_of
from rnnmuse.models.text import TextModel
from rnnmuse.protocol import TEXT_PARAMETERS
from rnnmuse.session.messages import Chunk, TextOrder, Unsay
from rnnmuse.session.stream import AHEAD, REACTION, tick_of
from rnnmuse.text.chunks import Chunker
from rnnmuse.text.mixture import Mixture
from rnnmuse.text.sense import UNKNOWN_WORDS, sense

DEFAULT = "shakespeare"
ENDLESS = 1 << 40
MOST_CHARACTERS = 400
"""Characters drawn for one chunk at most."""

WORD_TRIALS, PHRASE_TRIALS = 4, 3
"""How often a word that is not in the dictionary is drawn again; how many phrases are drawn to say the best of."""

PHRASE_CHARACTERS = 120
"""Characters of a phrase at most."""

DOUBTS = 6
"""Words in a row that were never found, after which the text is taken to be in another language."""

REPLY = 200
"""Characters that a player reads of what the voice before it said."""


@dataclass(slots=True)
class TextPlayer:
    """Text player ``number`` (1-16). ``load`` returns a model by name."""

    number: int
    load: Callable[[str], TextModel]
    parameters: dict[str, Any] = field(default_factory=lambda: {name: row[1] for name, row in TEXT_PARAMETERS.items()})
    """Values by name, in the units and ranges of `rnnmuse.protocol.TEXT_PARAMETERS`."""
    bound: int = 0
    """The note player whose notes take the syllables; 0 for none."""
    mixture: Mixture | None = None
    """The models that it writes with, and their text; None until it reads or writes."""
    random: Random = field(default_factory=lambda: Random(1))
    """Seeded by the parameter ``seed``."""
    reaction: float = REACTION
    """Beats between now and the earliest that can still be said."""
    others: Mapping[int, TextPlayer] = field(default_factory=dict)
    """Every text player by number, for taking turns."""
    turns: int = 0
    """Turns that this player has spoken since it began."""
    metre: Metre = COMMON
    """The stage's."""
    _weights: dict[str, float] = field(default_factory=dict)
    """Faders by model, each 0 or more; empty for the default model alone."""
    _chunker: Chunker = field(default_factory=Chunker)
    """Cuts the characters into chunks."""
    _ready: deque[tuple[str, float]] = field(default_factory=deque)
    """Chunks written and not said, each with its syllables."""
    _said: deque[tuple[int, tuple[str, float]]] = field(default_factory=deque)
    """Chunks said, each with its tick and its syllables."""
    _job: int = 0
    """The job of the last `generate`."""
    _index: int = 0
    """Chunks of the job that were said."""
    _left: int = 0
    """Chunks of the job that are still to be said; 0 when it is silent."""
    _at: float = 0.0
    """Beat of the next chunk."""
    _doubts: int = 0
    """Words in a row that the dictionary does not have."""
    _turn: str = ""
    """What was said in this turn so far, then in the last one."""
    _speaking: bool = False
    """Whether its turn has begun and not ended."""

    @property
    def writing(self) -> bool:
        return self._left > 0

    def generate(self, chunks: int, seed: int | None, job: int, beat: float) -> list[TextOrder]:
        """Write ``chunks`` chunks (0: until stopped), from ``beat`` on or, as ``when`` says, the next beat or bar."""
        orders = self.stop(beat)
        if seed is not None:
            self.random.seed(seed)
        if not self._ready:
            self._write()  # a model may have to be loaded: before the time of the first chunk is taken
        self._job, self._index, self._left = job, 0, chunks or ENDLESS
        self.turns, self._speaking, self._turn = 0, False, ""
        self._at = self._start(beat)
        return orders

    def stop(self, beat: float) -> list[TextOrder]:
        """Say no more; what was written ahead is forgotten."""
        was, self._left = self.writing, 0
        self._said.clear()
        return [Unsay(self.number, tick_of(beat))] if was else []

    def reset(self, beat: float) -> list[TextOrder]:
        """Forget the prompt and what was written."""
        self.mixture = None
        self._doubts = 0
        self._ready.clear()
        self._chunker = Chunker(self.parameters["unit"])
        return self.stop(beat)

    def prompt(self, text: str) -> None:
        """Read ``text`` as what came before; what was written but not yet said is dropped."""
        self._fresh()
        self._mixed().hear(text)

    def mix(self, name: str, weight: float) -> None:
        """A model's fader. A model that is not loaded yet is loaded; the mixture keeps its text. The first takes the
        place of the default."""
        self.load(name)  # BundleError names what is wrong with it
        self._weights[name] = weight
        if self.mixture is not None and name in self.mixture.weights:
            self.mixture.fade(name, weight)
        elif self.mixture is not None:
            heard, self.mixture = self.mixture.text, None
            self._mixed().hear(heard)
        self._fresh()

    def change(self, name: str, value: Any, beat: float) -> None:
        """Set a parameter; it holds from the next chunk on."""
        before = self.parameters[name]
        self.parameters[name] = value
        try:
            if name == "unit":
                self._chunker = Chunker(value)
            if name == "seed":
                self.random.seed(value)
        except ValueError:
            self.parameters[name] = before
            raise
        self._fresh()
        if self.mixture is not None:
            self.mixture.kind = self.parameters["mixture"]

    def bind(self, player: int) -> None:
        """Say a syllable with each note of ``player`` from now on; 0 for by the beat again."""
        self.bound = player
        if player:
            self.change("unit", "syllable", 0.0)

    def advance(self, now: float, limit: int = 1) -> list[TextOrder]:
        """Up to ``limit`` chunks for what is due AHEAD beats after the earliest that can still be said."""
        orders: list[TextOrder] = []
        while self.writing and not self.bound and len(orders) < limit and self._at <= now + self.reaction + AHEAD:
            if not self._takes_turn():
                break
            text, length = self._next()
            self._at = max(self._at, now)  # what comes late, as after a model was loaded, is said at once
            orders.append(self._order(tick_of(self._at), (text, length)))
            self._at += max(length, 1 / 3) / float(self.parameters["rate"])
            if self.parameters["unit"] == "line" or text.endswith("\n"):
                self._at = float(ceil(self._at - 1e-9))  # a line begins on a beat
            self._spoke(text)
        while self._said and self._said[0][0] < tick_of(now - 1):
            self._said.popleft()
        return orders

    def moved(self, beat: float) -> None:
        """The clock was moved or stopped: go on from the next beat there."""
        self._said.clear()
        self._at = float(ceil(beat + self.reaction - 1e-9))

    def wake(self, now: float) -> float:
        """The beat at which `advance` has something to do; infinity for never."""
        if not self.writing:
            return float("inf")
        if self.bound or not self._may_speak():
            return float("inf")
        return max(now, self._at - self.reaction - AHEAD)

    @property
    def patience(self) -> float:
        """Beats by which `advance` may come later than `wake` says."""
        return 0.0

    def prepare(self) -> None:
        """Write some syllables ahead for the notes to come."""
        while self.bound and self.writing and len(self._ready) < 4:
            self._write()

    def with_note(self, tick: int) -> list[TextOrder]:
        """A note of the player it is bound to begins at ``tick``: its syllable. Notes at one tick share one."""
        if not self.writing or (self._said and self._said[-1][0] == tick):
            return []
        return [self._order(tick, self._next())]

    def taken_back(self, tick: int) -> list[TextOrder]:
        """The player's notes from ``tick`` on are recalled: their syllables come with later ones."""
        back: list[tuple[str, float]] = []
        while self._said and self._said[-1][0] >= tick:
            back.insert(0, self._said.pop()[1])
        self._ready.extendleft(reversed(back))
        self._index -= len(back)
        self._left += len(back)
        return [Unsay(self.number, tick)] if back else []

    def _start(self, beat: float) -> float:
        when = self.parameters["when"]
        if when == "now":
            return beat
        if when == "bar":
            return self.metre.next_bar(tick_of(beat + self.reaction) - 1) / PPQ
        return float(ceil(beat + self.reaction - 1e-9))

    def _order(self, tick: int, chunk: tuple[str, float]) -> TextOrder:
        self._left -= 1
        order = Chunk(self.number, tick, self._job, self._index, self._written(chunk[0]), self._left == 0)
        self._index += 1
        self._said.append((tick, chunk))
        return order

    def _written(self, text: str) -> str:
        return ascii_of(text) if self.parameters["ascii"] else text

    def _next(self) -> tuple[str, float]:
        """The next chunk."""
        if not self._ready:
            self._write()
        return self._ready.popleft()

    def _write(self) -> None:
        """Write until at least one more chunk is ready.

        Of words the first that the dictionary has is taken, of phrases the one whose grammar is best.
        """
        mixture, unit = self._mixed(), self.parameters["unit"]
        trials = {"word": WORD_TRIALS, "phrase": PHRASE_TRIALS}.get(unit, 1) if self._doubts < DOUBTS else 1
        best: tuple[float, list[tuple[str, float]], Chunker, Any] | None = None
        begun = mixture.save() if trials > 1 else None
        for _ in range(trials):
            if best is not None and begun is not None:
                mixture.restore(begun)
            chunker = self._chunker.copy()
            found = self._drawn(mixture, chunker, PHRASE_CHARACTERS if unit == "phrase" else MOST_CHARACTERS)
            score = sense("".join(text for text, _ in found)) if trials > 1 else 0.0
            if best is None or score > best[0]:
                best = score, found, chunker, mixture.save() if trials > 1 else None
            if unit == "word" and score >= 0:
                break
        assert best is not None
        score, found, self._chunker, place = best
        if place is not None:
            mixture.restore(place)
            self._doubts = self._doubts + 1 if score == UNKNOWN_WORDS else 0
        self._ready.extend(found)

    def _drawn(self, mixture: Mixture, chunker: Chunker, most: int) -> list[tuple[str, float]]:
        for _ in range(most):
            found = chunker.feed(mixture.next(self.random, self.parameters["temperature"], self.parameters["top_p"]))
            if found:
                return found
        return chunker.rest() or [(" ", 1.0)]

    def _may_speak(self) -> bool:
        """Whether it is this player's turn: always, unless it comes ``after`` another that writes too."""
        other = self.others.get(int(self.parameters.get("after", 0)))
        if self._speaking or other is None or other is self or not other.writing:
            return True
        return self.turns < other.turns or (self.turns == other.turns and self.number < other.number)

    def _takes_turn(self) -> bool:
        """Whether it may speak; as a turn begins, it hears what the other said and waits for its end."""
        if not self._may_speak():
            return False
        other = self.others.get(int(self.parameters.get("after", 0)))
        if not self._speaking and other is not None and other is not self and other.writing:
            self._at = max(self._at, other._at)
            if other.turns and other._turn:
                self._fresh()
                self._mixed().hear(other._turn[-REPLY:])
        if not self._speaking:
            self._speaking, self._turn = True, ""
        return True

    def _spoke(self, text: str) -> None:
        """A chunk was said; a turn ends with a sentence or a line."""
        self._turn += text
        if text.rstrip(" \"')”’")[-1:] in (".", "!", "?", "\n", "。", "！", "？") or len(self._turn) > REPLY:
            self.turns, self._speaking = self.turns + 1, False

    def _fresh(self) -> None:
        """What was written ahead but not yet planned was for other settings."""
        self._ready.clear()
        self._chunker = Chunker(self.parameters["unit"])

    def _mixed(self) -> Mixture:
        if self.mixture is None:
            weights = self._weights or {DEFAULT: 1.0}
            self.mixture = Mixture([self.load(name) for name in weights], weights)
            self.mixture.kind = self.parameters["mixture"]
        return self.mixture
