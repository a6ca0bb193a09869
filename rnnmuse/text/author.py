"""A text model ready to write: plain text, verse in a form, scenes. `author` loads one by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from rnnmuse.errors import RnnmuseError
from rnnmuse.models.text import TextModel
from rnnmuse.text import regulated
from rnnmuse.text.forms import FORMS, unknown_form
from rnnmuse.text.grid import Grid
from rnnmuse.text.han import SCRIPTS, simplified
from rnnmuse.text.scenes import Scene, scene
from rnnmuse.text.themes import likings
from rnnmuse.text.verse import Poet
from rnnmuse.text.writer import Settings, Writer


@dataclass(frozen=True, slots=True)
class Author:
    """One text model. Every method takes a ``seed``; the same seed writes the same."""

    model: TextModel
    """By characters; its alphabet is all that can be written."""

    def stream(
        self,
        length: int,
        unit: str = "characters",
        *,
        prompt: str = "",
        seed: int = 0,
        settings: Settings | None = None,
    ) -> Iterator[str]:
        """Text piece by piece, as `Writer.stream`; the prompt is not repeated."""
        yield from self._writer(prompt, seed, settings).stream(length, unit)

    def text(
        self,
        length: int,
        unit: str = "characters",
        *,
        prompt: str = "",
        seed: int = 0,
        settings: Settings | None = None,
    ) -> str:
        """``length`` characters, words, lines or poems that follow on from ``prompt``."""
        if self.model.verse:
            if unit not in ("lines", "poems"):
                raise ValueError(f"unit: {unit!r}; {self.model.name} writes whole poems: use lines or poems")
            poems = length if unit == "poems" else -(-length // 4)
            lines = [
                "\n".join(self.poem("jueju", prompt=prompt, seed=seed + i, settings=settings)) for i in range(poems)
            ]
            whole = "\n\n".join(lines)
            return whole if unit == "poems" else "\n".join([x for x in whole.split("\n") if x][:length])
        return self._writer(prompt, seed, settings).text(length, unit)

    def poem(
        self,
        form: str,
        *,
        prompt: str = "",
        seed: int = 0,
        settings: Settings | None = None,
        width: int = 0,
        theme: Sequence[str] = (),
        stanzas: int = 1,
        device: str = "",
        title: str = "",
        acrostic: str = "",
        script: str = "traditional",
    ) -> list[str]:
        """The lines of a poem in a form (`rnnmuse.text.forms.NAMES`); ``width`` is 5 or 7 for Chinese, 0 draws one.

        English poems: ``theme`` are words (`rnnmuse.text.themes`), ``stanzas`` how often the form is repeated, an empty
        line between them, ``device`` a repetition of `rnnmuse.text.forms.DEVICES`. Chinese poems: ``title`` is what the
        poem is about, ``acrostic`` what the first characters of the lines spell, ``script`` traditional or simplified.
        ValueError for a wish that the form does not take.
        """
        if script not in SCRIPTS:
            raise ValueError(f"script: {script!r}; use one of {', '.join(SCRIPTS)}")
        chinese = form in ("jueju", "lushi")
        english_only, chinese_only = (theme or device or stanzas != 1), (title or acrostic or script != SCRIPTS[0])
        if (chinese and english_only) or (not chinese and chinese_only):
            wishes = "theme, stanzas and device" if chinese else "title, acrostic and script"
            raise ValueError(
                f"form: {form!r} takes no {wishes}; those are for {'English' if chinese else 'Chinese'} verse"
            )
        settings = settings or Settings()
        random = np.random.default_rng(seed)
        if chinese:
            grid = Grid(4 if form == "jueju" else 8, width or (5, 7)[int(random.integers(2))])
            lines = regulated.regulated_poem(
                self.model,
                grid,
                random,
                prompt=prompt,
                temperature=settings.temperature,
                top_p=settings.top_p,
                required=settings.required,
                banned=settings.banned,
                title=title,
                acrostic=acrostic,
            )
            return [simplified(line) for line in lines] if script == "simplified" else lines
        if form not in FORMS:
            raise unknown_form(form)
        if self.model.verse:
            raise RnnmuseError(f"model: {self.model.name!r} writes no {form}; use another, such as verse")
        poet = self.poet(settings, random)
        poet.liking = likings(theme)
        return poet.poem(FORMS[form].repeated(stanzas, device) if stanzas != 1 or device else FORMS[form], prompt)

    def poet(self, settings: Settings, random: np.random.Generator) -> Poet:
        """One that writes poem after poem."""
        return Poet(
            self.model,
            random,
            settings.temperature,
            settings.top_p,
            required=settings.required,
            banned=settings.banned,
        )

    def scene(
        self,
        cast: Sequence[str],
        speeches: int = 8,
        *,
        prompt: str = "",
        seed: int = 0,
        settings: Settings | None = None,
    ) -> Scene:
        """A scene among ``cast``; see `rnnmuse.text.scenes`."""
        return scene(self._writer("", seed, settings), cast, speeches, prompt)

    def _writer(self, prompt: str, seed: int, settings: Settings | None) -> Writer:
        writer = Writer(self.model, settings or Settings(), Random(seed))
        writer.hear(prompt)
        return writer


def author(name: str) -> Author:
    """Load the text model ``name``; BundleError says what is wrong with it."""
    from rnnmuse.models.bundle import load_text

    return Author(load_text(name))
