"""The text network in torch: a stack of GRU layers, one step a character, logits by the tied embedding.

The trunk is the one of the stream network, deeper. A step reads the last character and, as a cheap look back, hashed
rows for the last two and the last three together: with them it learned TinyShakespeare in a third of the time. It is
held back from learning its text by heart, which a megabyte allows in a few rounds: locked dropout (one mask a
chunk, Gal and Ghahramani 2016) on the embedding, between the layers and on the output, DropConnect on the recurrent
weights (Merity et al. 2018), and characters read as unknown at random, which also teaches it what to do about those it
has never seen. The output sees every layer; its matrix is the embedding (Press and Wolf 2017).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnmuse.models.alphabet import UNKNOWN
from rnnmuse.models.text import gram_rows


@dataclass(frozen=True, slots=True)
class TextShape:
    """Sizes of a text network: ``classes`` characters, ``places`` of a grid of verse and ``grams`` rows a table for
    characters together (either 0 without)."""

    classes: int
    places: int = 0
    grams: int = 4096
    embed: int = 128
    """Width of a character's embedding."""
    hidden: int = 512
    """Units of each GRU layer."""
    layers: int = 2
    """GRU layers."""

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    @property
    def pairs(self) -> int:
        """Rows of the table of pairs: one a pair where there are few."""
        return min(self.classes**2, self.grams)


@dataclass(frozen=True, slots=True)
class Dropout:
    """How much is held back in training, each 0 to under 1."""

    unknown: float = 0.03
    """Share of characters read as unknown."""
    embed: float = 0.1
    """Share dropped of the input to the first layer."""
    grams: float = 0.2
    """Share dropped of the rows for characters together."""
    between: float = 0.2
    """Share dropped of the output of each layer on the way to the next."""
    output: float = 0.25
    """Share dropped of all layers' outputs on the way to the logits."""
    recurrent: float = 0.2
    """Share dropped of the recurrent weights."""


class Trunk(nn.GRU):
    """A stack of GRU layers with locked dropout between them and DropConnect on the recurrent weights."""

    def __init__(self, shape: TextShape, drop: Dropout) -> None:
        super().__init__(shape.embed, shape.hidden, shape.layers, batch_first=True)
        self.drop = drop

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Every layer's outputs (B, T, layers x H) and the new state (layers, B, H) from inputs (B, T, E)."""
        outputs, states = [], []
        for k, (w_ih, w_hh, b_ih, b_hh) in enumerate(self.all_weights):
            if k:
                x = locked(x, self.drop.between, self.training)
            dropped = functional.dropout(w_hh, self.drop.recurrent, self.training)
            weights = [w_ih, dropped, b_ih, b_hh]
            x, new = torch.gru(x, state[k : k + 1], weights, True, 1, 0.0, self.training, False, True)
            outputs.append(x)
            states.append(new)
        return torch.cat(outputs, -1), torch.cat(states)


class TextNet(nn.Module):
    """Embeddings, trunk and tied output; see the module's docstring."""

    def __init__(self, shape: TextShape, drop: Dropout | None = None) -> None:
        super().__init__()
        self.shape, self.drop = shape, drop or Dropout()
        self.embedding = nn.Embedding(shape.classes, shape.embed)
        self.place = nn.Embedding(shape.places, shape.embed) if shape.places else None
        self.trunk = Trunk(shape, self.drop)
        self.project = nn.Linear(shape.layers * shape.hidden, shape.embed)
        self.bias = nn.Parameter(torch.zeros(shape.classes))
        nn.init.normal_(self.embedding.weight, std=shape.embed**-0.5)
        if self.place is not None:
            nn.init.normal_(self.place.weight, std=shape.embed**-0.5)
        if shape.grams:
            self.pairs, self.triples = (nn.Embedding(n, shape.embed) for n in (shape.pairs, shape.grams))
            nn.init.zeros_(self.pairs.weight)
            nn.init.zeros_(self.triples.weight)

    def forward(
        self, inputs: Tensor, places: Tensor | None, state: Tensor | None, before: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, T, C) of the characters after ``inputs`` (B, T), and the new state (layers, B, H).

        ``places`` (B, T) are the places of the characters that are expected, not of those that are read; ``before``
        (B, 2) the two characters before the first input, START without.
        """
        if self.training and self.drop.unknown:
            hidden = torch.rand(inputs.shape, device=inputs.device) < self.drop.unknown
            inputs = inputs.masked_fill(hidden & (inputs > UNKNOWN), UNKNOWN)
        x = self.embedding(inputs)
        if self.shape.grams:
            if before is None:
                before = inputs.new_zeros(len(inputs), 2)
            row = torch.cat((before, inputs), 1)
            pairs, triples = gram_rows(
                row[:, 2:], row[:, 1:-1], row[:, :-2], self.shape.classes, self.shape.pairs, self.shape.grams
            )
            x = x + locked(self.pairs(pairs), self.drop.grams, self.training)
            x = x + locked(self.triples(triples), self.drop.grams, self.training)
        if self.place is not None and places is not None:
            x = x + self.place(places)
        if state is None:
            state = x.new_zeros(self.shape.layers, len(x), self.shape.hidden)
        h, state = self.trunk(locked(x, self.drop.embed, self.training), state)
        h = locked(h, self.drop.output, self.training)
        return functional.linear(self.project(h), self.embedding.weight, self.bias), state


def locked(x: Tensor, share: float, training: bool) -> Tensor:
    """Dropout with one mask for all steps of x (B, T, W)."""
    if not training or not share:
        return x
    return x * functional.dropout(torch.ones_like(x[:, :1]), share)
