"""English verse by a text model: every line has its syllables, every rhyme rhymes, every word is a word.

Line by line: `steer` finds several lines within `LineRules`, one is drawn by its weight; a line that repeats another or
quotes the training text is passed over, and when none is left the search goes back to the line before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnmuse.errors import RnnmuseError
from rnnmuse.models.alphabet import LETTERS_NEEDED
from rnnmuse.models.text import TextModel
from rnnmuse.text.forms import Form
from rnnmuse.text.grammar import FUNCTION, Syntax
from rnnmuse.text.line import OFFBEAT, LineGuide, LineRules, Vocabulary, vocabulary_of
from rnnmuse.text.pronounce import lexicon, plain, sound, words_of
from rnnmuse.text.steer import Found, Guide, Here, steer

BEAM = 24
TRIES = 6
"""Lines that are tried in vain before the search goes back a line."""

WORN = 6
"""Lines back in which a word that comes again counts as repeated."""

THEMED = 0.6
"""Share of the lines that have a word of the theme."""

PATIENCE = 200
"""Lines tried in all before it gives up."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a poem: its ``text``, the ``word`` that ends it, where the text and its sentence stand after it."""

    text: str
    word: str
    here: Here
    """To go on from, after its line end."""
    syntax: Syntax
    """Where its sentence stands then."""


@dataclass
class Poet:
    """Writes verse with ``model``. The same ``random`` state writes the same poem.

    ``required`` words come into lines of their own, one each; ``banned`` ones never. ``beam`` lines are written side by
    side. ``liking`` are nats by word that a theme adds. ``resampled`` counts lines passed over because they quoted the
    training text.
    """

    model: TextModel
    random: np.random.Generator
    temperature: float = 0.9
    """Of the draw."""
    top_p: float = 0.95
    """Above 0 to 1."""
    beam: int = BEAM
    required: Sequence[str] = ()
    banned: Collection[str] = ()
    liking: Mapping[str, float] = field(default_factory=dict)
    resampled: int = 0
    _vocabulary: Vocabulary | None = field(default=None, repr=False)
    """Of the model; None before it is asked for."""

    @property
    def vocabulary(self) -> Vocabulary:
        if self._vocabulary is None:
            missing = [c for c in LETTERS_NEEDED if c not in self.model.alphabet]
            if missing:
                raise RnnmuseError(
                    f"model: {self.model.name!r} has no letter {missing[0]!r}; English verse needs a to z"
                )
            self._vocabulary = vocabulary_of(self.model.alphabet, frozenset(self.banned), frozenset(self.required))
        return self._vocabulary

    def poem(self, form: Form, prompt: str = "") -> list[str]:
        """The lines of a poem, which begins with ``prompt``; an empty one stands between stanzas.

        RnnmuseError where the wishes cannot be met.
        """
        forced = self._prompt(form, prompt)
        musts = self._musts(form)
        here = Here(*self.model.begin())
        lines: list[Line] = []
        tried = [0] * (len(form.syllables) + 1)
        for _ in range(PATIENCE + 4 * len(form.syllables)):
            at = len(lines)
            if at == len(form.syllables):
                return [text for i, line in enumerate(lines) for text in (line.text, *[""] * (i in form.breaks))]
            tried[at] += 1
            found = None
            if tried[at] <= TRIES:
                start = self._after(lines[-1].here, form, at) if lines else here
                if at in form.returns:
                    found = self._again(lines[form.returns[at]], lines[-1], start)
                else:
                    begins = forced if at == 0 else self._alike(lines[0].text) if at in form.alike else ()
                    found = self._line(form, lines, start, musts.get(at, ""), begins)
            if found is not None:
                lines.append(found)
            elif tried[at] > TRIES:
                back = max(0, form.partner(at) if form.partner(at) >= 0 else at - 1)
                tried[back + 1 :] = [0] * (len(tried) - back - 1)
                del lines[back:]
        raise RnnmuseError(f"form: no {form.name} was found with these words; ask for fewer")

    def _again(self, line: Line, before: Line, start: Here) -> Line:
        """A line that returns, read where it comes."""
        logits, state = self.model.read(f"{line.text}\n", start.state)
        return Line(line.text, line.word, Here(logits, state), before.syntax.read_text(line.text))

    def _alike(self, first: str) -> list[int]:
        """The first words of a line, for another to begin with."""
        words = first.split()
        count = 1 if sound(words_of(words[0])[0]).syllables > 1 or len(words) < 3 else 2
        opening = " ".join(words[:count]).rstrip(".,;:!?—")
        return self.model.alphabet.encode(f"{opening} ")

    def line(
        self,
        syllables: int,
        here: Here,
        *,
        rhyme: str = "",
        used: Collection[str] = (),
        opens: bool = False,
        strong: Sequence[bool] | None = None,
        final: bool = False,
        musts: Sequence[str] = (),
        forced: Sequence[int] = (),
        offbeat: float = OFFBEAT,
        syntax: Syntax | None = None,
        worn: Collection[str] = (),
    ) -> list[Found]:
        """Lines of ``syllables`` from ``here``, the likeliest first; see `LineRules` and `Vocabulary.endings`.

        Each line has one of ``musts`` in it, where there are any.
        """
        endings = self.vocabulary.endings(rhyme, used, opens)
        rules = LineRules(self.vocabulary, syllables, endings, strong, final, offbeat, self.liking, worn)
        syntax = syntax or Syntax.begin()
        guides: list[Guide] = []
        fitting = [plain(must) for must in musts if sound(must).syllables + rules.shortest <= syllables]
        for _ in range(self.beam):
            guide = LineGuide(rules, syllables, syntax, forced=tuple(forced))
            if fitting:
                guide.must = fitting[int(self.random.integers(len(fitting)))]
                guide.must_count = sound(guide.must).syllables
                room = syllables - guide.must_count - rules.shortest
                guide.must_at = syllables - int(self.random.integers(0, max(1, room + 1)))
            guides.append(guide)
        return steer(self.model, here, guides, self.random, self.temperature, self.top_p)

    def _line(self, form: Form, lines: Sequence[Line], here: Here, must: str, forced: Sequence[int]) -> Line | None:
        at = len(lines)
        syllables = form.syllables[at]
        partner = form.partner(at)
        worn = worn_words([line.text for line in lines[-WORN:]])
        try:
            found = self.line(
                syllables,
                here,
                rhyme=lines[partner].word if partner >= 0 else "",
                used=[line.word for line in lines],
                opens=form.opens(at),
                strong=[i % 2 == 1 for i in range(syllables)] if form.iambic else None,
                final=at + 1 == len(form.syllables) or at in form.breaks,
                musts=[must] if must else () if forced else self.themed(worn),
                forced=forced,
                syntax=lines[-1].syntax if lines else None,
                worn=worn,
            )
        except ValueError:
            return None
        fitting = [one for one in found if self._fits(one, lines)]
        if not fitting:
            return None
        share = np.array([one.share for one in fitting])
        if share.sum() <= 0:
            return None
        one = fitting[int(self.random.choice(len(fitting), p=share / share.sum()))]
        assert isinstance(one.guide, LineGuide)
        return Line(self.model.alphabet.decode(one.classes).strip(), one.guide.word, one.here, one.guide.syntax)

    def themed(self, worn: Collection[str]) -> list[str]:
        """Words of the theme of which this line shall have one; none for some lines."""
        if not self.liking or self.random.random() >= THEMED:
            return []
        return [word for word in self.liking if word not in worn and word not in map(plain, self.banned)]

    def _fits(self, one: Found, lines: Sequence[Line]) -> bool:
        text = self.model.alphabet.decode(one.classes).strip()
        bare = " ".join(words_of(text.lower()))
        if any(bare == " ".join(words_of(line.text.lower())) for line in lines):
            return False
        if self.model.training is not None:
            before = "\n".join(line.text for line in lines[-2:])
            if self.model.training.quotes(f"{before}\n{text}"):
                self.resampled += 1
                return False
        return True

    def _after(self, here: Here, form: Form, at: int) -> Here:
        """Where a line begins: after a blank line if a stanza is over."""
        if at - 1 not in form.breaks:
            return here
        return Here(*self.model.step(here.state, self.model.alphabet.encode("\n")))

    def _prompt(self, form: Form, prompt: str) -> list[int]:
        prompt = " ".join(prompt.split())
        if not prompt:
            return []
        unknown = [word for word in words_of(prompt) if lexicon().index(plain(word)) < 0]
        if unknown:
            raise RnnmuseError(f"prompt: {unknown[0]!r} is not in the dictionary; its syllables are not known")
        count = sum(sound(word).syllables for word in words_of(prompt))
        if count >= form.syllables[0]:
            raise RnnmuseError(
                f"prompt: {count} syllables; must be under the {form.syllables[0]} of the first line of a {form.name}"
            )
        classes = self.model.alphabet.encode(prompt + " ")
        if not all(c.isalpha() or c in " ,;:—'’" for c in prompt):
            raise RnnmuseError(f"prompt: {prompt!r}; must be words with spaces, commas or dashes between them")
        return classes

    def _musts(self, form: Form) -> dict[int, str]:
        """Which line each required word goes to."""
        for word in self.required:
            if lexicon().index(plain(word)) < 0:
                raise RnnmuseError(f"require: {word!r} is not in the dictionary; its syllables are not known")
            if plain(word) in map(plain, self.banned):
                raise RnnmuseError(f"require: {word!r} is banned too")
        free = len(form.syllables) - len(form.returns)
        if len(self.required) > free:
            raise RnnmuseError(f"require: {len(self.required)} words; a {form.name} takes {free}")
        order = self.random.permutation(len(form.syllables)).tolist()
        out: dict[int, str] = {}
        for word in sorted(self.required, key=lambda w: -sound(w).syllables):
            room = [
                at
                for at in order
                if at not in out and at not in form.returns and form.syllables[at] > sound(word).syllables + 1
            ]
            if not room:
                raise RnnmuseError(f"require: {word!r} is too long for a line of a {form.name}")
            out[room[0]] = word
        return out


def worn_words(lines: Sequence[str]) -> frozenset[str]:
    """The words of lines that are noticed when they come again: all but function words."""
    return frozenset(plain(word) for line in lines for word in words_of(line)) - FUNCTION
