"""The text RNN as it is played: one step a character, or a batch of texts a step, in onnxruntime.

``step(state, character, place) -> (logits, state)``, the state explicit and of one size however long the text. The
mathematics is in `rnnmuse.train.text.network`; tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.alphabet import START, UNKNOWN, Alphabet
from rnnmuse.models.fingerprint import Fingerprint
from rnnmuse.models.runtime import session

Floats = NDArray[np.float32]
Index = TypeVar("Index")


def gram_rows(last: Index, second: Index, third: Index, classes: int, pairs: int, triples: int) -> tuple[Index, Index]:
    """Rows of the tables of pairs and of triples for the last three characters; numbers, arrays or tensors."""
    a: Any = last
    both = a * classes + second
    every = both * classes + third
    row = both if pairs == classes * classes else both * 40503 % 1000003 % pairs
    return row, every * 40503 % 1000003 % triples


@dataclass(frozen=True, slots=True)
class State:
    """What the model remembers of B texts: ``hidden`` (B, width) and the two characters ``before`` the next (B, 2)."""

    hidden: Floats
    before: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.hidden)

    def __getitem__(self, rows: Any) -> State:
        """The states of some of the texts, in any order, repeated where asked twice."""
        return State(self.hidden[rows], self.before[rows])


class TextModel:
    """A loaded text model. ``name`` is the bundle's, ``about`` its model.toml.

    ``training`` tells quotations from the training text; None where the bundle does not say what it read.
    """

    digest = ""
    """The hash of its bundle, for records of provenance."""

    def __init__(
        self,
        name: str,
        alphabet: Alphabet,
        weights: Mapping[str, NDArray[Any]],
        step: bytes,
        about: Mapping[str, Any] | None = None,
        training: Fingerprint | None = None,
    ) -> None:
        self.name, self.alphabet, self.about, self.training = name, alphabet, dict(about or {}), training
        self._session = session(step)
        self.classes = len(alphabet)
        w = {k: np.ascontiguousarray(weights[k], np.float32) for k in weights if not k.startswith("trunk")}
        self._characters = w["embedding.weight"]
        self._place = w.get("place.weight")
        self._pairs, self._triples = w.get("pairs.weight"), w.get("triples.weight")
        if len(self._characters) != self.classes:
            raise ValueError(f"alphabet: {self.classes} classes; the network has {len(self._characters)}")
        self.width = int(next(i for i in self._session.get_inputs() if i.name == "state").shape[1])
        self._written = np.zeros(self.classes, np.float32)
        self._written[UNKNOWN] = -np.inf  # is read, never written

    @property
    def verse(self) -> str:
        """The verse whose grid it knows, such as "regulated"; empty for none."""
        return str(self.about.get("verse", ""))

    def start(self, texts: int = 1) -> State:
        """The state before any text, for a batch of ``texts``."""
        return State(np.zeros((texts, self.width), np.float32), np.full((texts, 2), START, np.int64))

    def begin(self, place: int = 0) -> tuple[Floats, State]:
        """Logits (1, classes) of a text's first character, at ``place``, and the state after its start."""
        return self.step(self.start(), [START], [place])

    def step(
        self, state: State, characters: Sequence[int], places: Sequence[int] | None = None
    ) -> tuple[Floats, State]:
        """Read a character of each of B texts; logits (B, classes) of the next ones, which stand at ``places``."""
        last = np.asarray(characters, np.int64)
        x = self._characters[last]
        if self._pairs is not None and self._triples is not None:
            second, third = state.before[:, 1], state.before[:, 0]
            pair, triple = gram_rows(last, second, third, self.classes, len(self._pairs), len(self._triples))
            x = x + self._pairs[pair] + self._triples[triple]
        if self._place is not None and places is not None:
            x = x + self._place[np.asarray(places, np.int64)]
        new, logits = self._session.run(None, {"x": x, "state": state.hidden})
        return logits + self._written, State(new, np.stack((state.before[:, 1], last), 1))

    def read(self, text: str, state: State | None = None) -> tuple[Floats, State]:
        """Read a whole text (after ``state``, else from the start); logits (1, classes) of what comes next."""
        logits, state = self.begin() if state is None else (None, state)
        for character in self.alphabet.encode(text):
            logits, state = self.step(state, [character])
        if logits is None:
            raise ValueError("text: empty; there must be something to read")
        return logits, state
