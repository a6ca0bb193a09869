"""`rnnmuse train cover`: what a run of `rnnmuse.train.run` reads, trains and writes for cover models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from safetensors.torch import save_file

from rnnmuse.cover.field import figure_of
from rnnmuse.models.bundle import Bundle, read_weights, verify
from rnnmuse.models.cover import ATTRIBUTES
from rnnmuse.train.bundle import describe, new_bundle, written
from rnnmuse.train.cover.abstracts import abstracts
from rnnmuse.train.cover.augment import attributes
from rnnmuse.train.cover.data import Images, Pixels, load_images, variants
from rnnmuse.train.cover.objective import Material, Progress, Trainer
from rnnmuse.train.cover.recipe import CoverRecipe, recipe_of
from rnnmuse.train.cover.wasserstein import distances, levels_for
from rnnmuse.train.loop import Progress as Outcome
from rnnmuse.train.recipe import folders_of, recipe_text
from rnnmuse.train.run import Options, Run, Training, about_of, progress_bar, trained

MINUTES = 120.0
MOST = 12_000  # training pictures held in memory
MEASURE_EVERY = 1800.0  # seconds
WEIGHTS = "weights.safetensors"
DISCRIMINATOR = "discriminator.safetensors"
"""The discriminator's weights, in a bundle so that fine-tuning can start from them."""


def train_cover(
    folders: Sequence[Path],
    name: str,
    *,
    architecture: str | None = None,
    steps: int | None = None,
    threads: int | None = None,
    **options: Unpack[Options],
) -> Bundle | Path:
    """Train or fine-tune a cover model, as `rnnmuse.train.run.trained` says; ``steps`` in all end the run too.

    Only the conv architecture makes a bundle; of the others the run's folder is returned, with its pictures,
    log and measures.
    """
    given = [("--from", options.get("start")), ("--recipe", options.get("recipe")), ("--architecture", architecture)]
    flags = [flag for flag, value in given if value]
    if len(flags) > 1:
        raise ValueError(f"{' and '.join(flags)}: use one of them")
    if threads is not None:
        torch.set_num_threads(threads)
    return cast("Bundle | Path", trained(CoverTraining(architecture or "conv", steps), folders, name, options))


class CoverTraining(Training[CoverRecipe]):
    kind: ClassVar[str] = "cover"
    recipe = CoverRecipe
    tuning_minutes: ClassVar[float] = 30.0
    try_with: ClassVar[str] = "rnnmuse cover --seed 1 --model {}"

    def __init__(self, architecture: str = "conv", steps: int | None = None) -> None:
        if steps is not None and steps < 1:
            raise ValueError(f"steps: {steps}; must be at least 1")
        self.architecture, self.steps = architecture, steps
        self._start: Bundle | None = None

    def minutes(self, tuning: bool) -> float | None:
        return None if self.steps else self.tuning_minutes if tuning else MINUTES

    def fresh(self, sources: Sequence[Path], name: str) -> CoverRecipe:
        return recipe_of(self.architecture, name).changed(data=folders_of(sources))

    def begin_from(self, bundle: Bundle) -> None:
        self._start = bundle

    def tuned(self, recipe: CoverRecipe) -> CoverRecipe:
        """Half the rate."""
        return recipe.changed(learning_rate=recipe.learning_rate / 2)

    def read(self, sources: Sequence[Path], recipe: CoverRecipe, run: Run) -> list[str]:
        self._images = read_images(sources, recipe, run.console)
        return self._images.unread

    def summary(self) -> str:
        return ", ".join(
            f"{self._images.works(split)} works in {len(self._images.of(split))} squares to {split}"
            for split in ("train", "test")
        )

    def train(self, recipe: CoverRecipe, run: Run) -> Outcome:
        run.folder.mkdir(parents=True, exist_ok=True)
        (run.folder / "recipe.toml").write_text(recipe_text(recipe), "utf-8")
        trainer = self._trainer = Trainer(recipe, material_of(self._images.of("train"), recipe), run.folder)
        if not trainer.resume() and self._start is not None:
            begin_from(trainer, self._start)
        held = as_tensor(variants(self._images.of("test"), recipe.side, 1, 0), recipe.colours)
        console = run.console
        with run.bar() as bar:
            task = bar.add_task("training", total=1.0)

            def report(now: Progress) -> None:
                if now.step % 5 == 0:
                    line = f"step {now.step}  G {now.generator:.2f}  D {now.discriminator:.2f}  real {now.right:.2f}"
                    bar.update(task, completed=now.done, description=line)

            def pictures() -> None:
                path = run.folder / f"pictures-{trainer.now.step:06d}.png"
                save_grid(trainer, path)
                console.print(f"step {trainer.now.step}: {path}", markup=False)

            def measure() -> dict[str, Any]:
                found = measured(trainer, held, 500)
                console.print(f"step {trainer.now.step}: distance to held-out pictures {found}", markup=False)
                return {"distance": found}

            found = measure if len(held) > 1 and recipe.side >= 32 else None
            trainer.run(run.minutes, self.steps, report, pictures, found, MEASURE_EVERY)
        pictures()
        return Outcome(step=trainer.now.step, seconds=trainer.now.seconds)

    def result(self, before: float, now: Outcome, start: str) -> str:
        return f"{now.step:,} steps from {start}; {self._trainer.folder} shows how its pictures changed"

    def export(self, recipe: CoverRecipe, folder: Path, start: str | None) -> Bundle | Path:
        if recipe.architecture != "conv":
            return self._trainer.folder
        learned = f"{self._images.works('train')} works in {len(self._images.of('train'))} squares"
        return export(self._trainer, recipe.changed(about=recipe.about or about_of(learned, start)), folder)


def read_images(folders: Sequence[Path], plan: CoverRecipe, console: Console | None = None) -> Images:
    """`load_images` at the recipe's size, with a progress bar."""
    side = plan.side if plan.side < 32 else plan.side * 3 // 2
    with progress_bar(console or Console(quiet=True), console is not None) as bar:
        task = bar.add_task("reading", total=None)
        return load_images(folders, side, lambda done, every: bar.update(task, completed=done, total=every))


def as_tensor(pixels: Pixels, colours: int = 3) -> torch.Tensor:
    """(n, h, w, 3) uint8 to (n, colours, h, w) uint8; one colour is the mean of three."""
    if colours == 1:
        pixels = pixels.mean(-1, keepdims=True).round().astype(np.uint8)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def unit(images: torch.Tensor) -> torch.Tensor:
    """0-255 to -1 to 1."""
    return images.float() / 127.5 - 1


def material_of(squares: Pixels, plan: CoverRecipe) -> Material:
    """Crops of the training squares and abstract pictures, with their conditions."""
    count = max(1, min(plan.variants, MOST // len(squares)))
    images = as_tensor(variants(squares, plan.side, count, plan.seed), plan.colours)
    works = len(images)
    if plan.colours != 3:
        nothing = torch.zeros(0)
        return Material(images, torch.zeros(works, 0), torch.ones(works), nothing, nothing)
    more = round(works * plan.abstract / (1 - plan.abstract))
    if more:
        images = torch.cat([images, as_tensor(abstracts(min(more, 2000), plan.side, plan.seed))])
    found = torch.cat([attributes(unit(part)) for part in images.split(256)])
    mean, spread = found[:works].mean(0), found[:works].std(0, unbiased=False).clamp(min=1e-3)
    abstract = (torch.arange(len(images)) >= works).float().unsqueeze(1)
    conditions = torch.cat([((found - mean) / spread).clamp(-3, 3), abstract], 1)
    prominent = [figure_of(one).prominence if plan.figure else 0.0 for one in squares]
    stand = (1 + plan.figure * torch.tensor(prominent)).repeat_interleave(count)
    weights = torch.full((len(images),), plan.abstract / max(1, len(images) - works))
    weights[:works] = (1 - plan.abstract) * stand / stand.sum()
    return Material(images, conditions, weights, mean, spread)


@torch.no_grad()
def generated(trainer: Trainer, count: int, seed: int = 7) -> torch.Tensor:
    """``count`` pictures of the running mean, asked for what randomly drawn works of the training set have."""
    random = torch.Generator().manual_seed(seed)
    material = trainer.material
    works = material.conditions[:, -1] == 0 if material.conditions.shape[1] else torch.ones(len(material.images)) > 0
    bank = material.conditions[works]
    out = []
    for at in range(0, count, 50):
        index = torch.randint(0, len(bank), (min(50, count - at),), generator=random)
        z = torch.randn(len(index), trainer.shape.latent, generator=random).to(trainer.device)
        out.append(trainer.mean(z, bank[index.to(trainer.device)]).clamp(-1, 1).cpu())
    return torch.cat(out)


def measured(trainer: Trainer, held: torch.Tensor, count: int) -> dict[str, float]:
    """The sliced Wasserstein distance of ``count`` generated pictures to the held-out ones, by level."""
    found = distances(generated(trainer, count), unit(held), levels_for(trainer.shape.side))
    return {str(level): round(value, 1) for level, value in found.items()}


@torch.no_grad()
def save_grid(trainer: Trainer, path: Path, columns: int = 8, rows: int = 8) -> None:
    """Pictures of the running mean for latents that stay the same over a run, as one PNG or JPEG."""
    random = torch.Generator().manual_seed(trainer.recipe.seed)
    count = columns * rows
    index = torch.multinomial(trainer.material.weights.cpu(), count, replacement=True, generator=random)
    c = trainer.material.conditions[index.to(trainer.device)]
    z = torch.randn(count, trainer.shape.latent, generator=random).to(trainer.device)
    trainer.mean.eval()
    made = torch.cat([trainer.mean(z[i : i + 16], c[i : i + 16]).cpu() for i in range(0, count, 16)])
    save_pictures(made, path, columns)


def save_pictures(images: torch.Tensor, path: Path, columns: int) -> None:
    """(n, c, h, w) in -1 to 1 as one picture."""
    Image.fromarray(tiled(pixels_of(images), columns)).save(path, quality=90)


def pixels_of(images: torch.Tensor) -> Pixels:
    """(n, c, h, w) in -1 to 1 to (n, h, w, 3) uint8."""
    values = ((images.clamp(-1, 1) + 1) * 127.5).round().byte()
    return np.asarray(values.expand(-1, 3, -1, -1).permute(0, 2, 3, 1))


def tiled(pixels: Pixels, columns: int) -> NDArray[np.uint8]:
    """Pictures side by side, row by row."""
    rows = [np.concatenate(list(pixels[at : at + columns]), 1) for at in range(0, len(pixels), columns)]
    return np.concatenate(rows, 0)


def export(trainer: Trainer, plan: CoverRecipe, folder: Path) -> Bundle:
    """Write the bundle: the running mean's weights, the discriminator's, model.toml, the recipe and a first card."""
    plan = plan.changed(name=folder.name)
    material = trainer.material
    with new_bundle(folder) as partial:
        for file, network in ((WEIGHTS, trainer.mean), (DISCRIMINATOR, trainer.discriminator)):
            save_file(compact(network.state_dict()), partial / file)
            (partial / file).chmod(0o644)
        about = {
            "side": plan.side,
            "attributes": list(ATTRIBUTES),
            "mean": [round(float(v), 6) for v in material.mean],
            "spread": [round(float(v), 6) for v in material.spread],
        }
        describe(partial, "cover", plan, about)
        save_grid(trainer, partial / "pictures.jpg", 12, 6)
        (partial / "eval.json").write_text(json.dumps({"training": training_of(trainer)}))
    return written(folder)


def compact(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights as a bundle holds them: vectors in float16, the rest in int8 with a float16 scale for each output."""
    out = {}
    for key, value in state.items():
        value = value.detach().float().cpu()
        if value.ndim < 2:
            out[key] = value.half().contiguous()
            continue
        most = value.abs().flatten(1).amax(1).view(-1, *(1,) * (value.ndim - 1))
        scale = (most / 127).clamp(min=6e-8).half()
        out[key] = (value / scale.float()).round().clamp(-127, 127).to(torch.int8).contiguous()
        out[f"{key}.scale"] = scale.contiguous()
    return out


def training_of(trainer: Trainer) -> dict[str, float]:
    """Steps, minutes and minutes of processor time of a run."""
    now = trainer.now
    return {"steps": now.step, "minutes": round(now.seconds / 60, 1), "processor": round(now.processor / 60, 1)}


def begin_from(trainer: Trainer, bundle: Bundle) -> None:
    """Take both networks' weights from a bundle."""
    verify(bundle)
    for network in (trainer.generator, trainer.mean):
        network.load_state_dict(_tensors(bundle, WEIGHTS))
    if (bundle.folder / DISCRIMINATOR).exists():
        trainer.discriminator.load_state_dict(_tensors(bundle, DISCRIMINATOR))


def _tensors(bundle: Bundle, file: str) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(value).float() for key, value in read_weights(bundle, file).items()}
