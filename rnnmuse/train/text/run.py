"""`rnnmuse train text`: what a run of `rnnmuse.train.run` reads, trains and writes for text models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import ClassVar, Unpack, cast

from rnnmuse.models.bundle import Bundle
from rnnmuse.models.text import TextModel
from rnnmuse.text.alphabet import Alphabet
from rnnmuse.text.writer import Settings, Writer
from rnnmuse.train.loop import Progress
from rnnmuse.train.run import Options, Run, Training, Watch, about_of, trained
from rnnmuse.train.text.data import Row, Texts, alphabet_for, load_texts
from rnnmuse.train.text.export import export_text, text_graph, text_network_of
from rnnmuse.train.text.network import TextNet
from rnnmuse.train.text.objective import TextObjective, train
from rnnmuse.train.text.recipe import TextRecipe

CHECKED = 4000
"""Characters of the held-out text by which the int8 form is judged."""


def train_text(places: Sequence[Path], name: str, **options: Unpack[Options]) -> Bundle | None:
    """Train or fine-tune a text model, as `rnnmuse.train.run.trained` says."""
    return cast("Bundle | None", trained(TextTraining(), places, name, options))


class TextTraining(Training[TextRecipe]):
    kind: ClassVar[str] = "text"
    recipe = TextRecipe
    unit: ClassVar[str] = "nats a character"
    try_with: ClassVar[str] = "rnnmuse text --model {}"

    def __init__(self) -> None:
        self._start: TextNet | None = None
        self._alphabet: Alphabet | None = None
        self._texts = Texts()

    def fresh(self, sources: Sequence[Path], name: str) -> TextRecipe:
        return TextRecipe(name, data=tuple({"place": place.name} for place in sources))

    def begin_from(self, bundle: Bundle) -> None:
        self._start, self._alphabet = text_network_of(bundle)

    def tuned(self, recipe: TextRecipe) -> TextRecipe:
        """A gentler rate, and epochs as the minutes allow."""
        return recipe.changed(tail=False, learning_rate=1e-3, epochs=300, patience=12)

    def read(self, sources: Sequence[Path], recipe: TextRecipe, run: Run) -> list[str]:
        self._texts = load_texts(sources, recipe)
        self._known = self._alphabet or alphabet_for(self._texts, recipe)
        return self._texts.unread

    def summary(self) -> str:
        texts = self._texts
        counts = ", ".join(f"{len(getattr(texts, split))} {split}" for split in ("train", "validation", "test"))
        size, different = sum(map(len, texts.train)), len(self._known.characters)
        return f"texts: {counts}; {size:,} characters to learn from, {different} different ones"

    def fitted(self, recipe: TextRecipe) -> TextRecipe:
        """Fewer lanes for little text, so that an epoch has at least some steps."""
        size = sum(map(len, self._texts.train))
        return recipe.changed(lanes=max(4, min(recipe.lanes, size // (recipe.chunk * 16) // 4 * 4)))

    def before(self, recipe: TextRecipe) -> float:
        grid, texts = recipe.verse == "regulated", self._texts
        rows = [Row.of(part or texts.train, self._known, grid) for part in (texts.train, texts.validation)]
        return TextObjective(recipe, *rows).validate(self._start)[0] if self._start is not None else float("nan")

    def train(self, recipe: TextRecipe, run: Run) -> Progress:
        def preview(net: TextNet, epoch: int) -> str:
            return "\n" + sample(net, self._known, recipe, run.folder / f"preview-{epoch:03d}.txt", epoch)

        with run.bar() as bar:
            watch = Watch(run, bar, run.folder, self.unit, preview)
            self._net, now = train(
                recipe, self._texts, self._known, run.folder, start=self._start, minutes=run.minutes,
                devices=run.devices, nodes=run.nodes, device=run.device, report=watch.step, epoch_end=watch.epoch,
            )  # fmt: skip
        return now

    def export(self, recipe: TextRecipe, folder: Path, start: str | None) -> Bundle:
        about = recipe.about or about_of(f"{len(self._texts.train)} texts", start)
        return exported(self._net, self._known, recipe.changed(about=about), self._texts, folder)


def exported(net: TextNet, alphabet: Alphabet, recipe: TextRecipe, texts: Texts, folder: Path) -> Bundle:
    """The bundle of a trained network."""
    held = texts.validation or texts.train
    row = Row.of(held, alphabet, recipe.verse == "regulated")
    places = None if row.places is None else row.places[:CHECKED].tolist()
    return export_text(net, alphabet, recipe, folder, texts.train, row.classes[:CHECKED].tolist(), places)


def sample(net: TextNet, alphabet: Alphabet, recipe: TextRecipe, path: Path, seed: int) -> str:
    """Some text as the model writes it now; kept at ``path``."""
    weights = {key: value.detach().float().cpu().numpy() for key, value in net.state_dict().items()}
    model = TextModel(recipe.name, alphabet, weights, text_graph(weights).SerializeToString(), {"verse": recipe.verse})
    text = Writer(model, Settings(temperature=0.8), Random(seed)).text(300)
    path.write_text(text, "utf-8")
    return text
