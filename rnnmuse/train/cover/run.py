"""One cover model from a folder of images to a bundle: material, adversarial training with pictures, export."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from safetensors.torch import load_file, save_file

from rnnmuse.models.bundle import FORMAT, NAME, Bundle, find, user_folder, verify, write_sums
from rnnmuse.models.cover import ATTRIBUTES
from rnnmuse.train.cover.abstracts import abstracts
from rnnmuse.train.cover.augment import attributes
from rnnmuse.train.cover.data import Images, Pixels, load_images, variants
from rnnmuse.train.cover.objective import Material, Progress, Trainer
from rnnmuse.train.cover.recipe import CoverRecipe, cover_recipe_text, read_cover_recipe, recipe_of
from rnnmuse.train.cover.wasserstein import distances, levels_for
from rnnmuse.train.stream.recipe import toml_value

MINUTES = 120.0
TUNING_MINUTES = 30.0
MOST = 12_000  # training pictures held in memory
WEIGHTS = "weights.safetensors"
OPPONENT = "opponent.safetensors"
"""The discriminator's weights, in a bundle so that fine-tuning can go on from them."""


def train_cover(
    folders: Sequence[Path],
    name: str,
    *,
    start: str | None = None,
    recipe: Path | None = None,
    architecture: str | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int | None = None,
    work: Path | None = None,
    again: bool = False,
    threads: int | None = None,
) -> Bundle | Path:
    """Train or fine-tune on ``folders`` and write the bundle ``name`` into the user's models.

    Only the coordinate architecture makes a bundle; of the others the run's folder is returned, with its pictures,
    log and measures. An interrupted run goes on where it was when called again. ValueError and RnnmuseError say what
    is wrong with an argument or with every file.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"name: {name!r}; use 1 to 41 of a-z, 0-9, - and _, not - or _ first")
    if minutes is not None and not 0 < minutes < 1e6:
        raise ValueError(f"minutes: {minutes}; must be above 0")
    if steps is not None and steps < 1:
        raise ValueError(f"steps: {steps}; must be at least 1")
    if threads is not None:
        torch.set_num_threads(threads)
    console = Console(stderr=True)
    plan = _plan(folders, name, start, recipe, architecture)
    if seed is not None:
        plan = plan.changed(seed=seed)
    if minutes is None and steps is None:
        minutes = TUNING_MINUTES if start else MINUTES
    work = work or user_folder().parent / "runs" / name
    if again:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    images = read_images(folders, plan, console)
    _tell(console, images)
    (work / "recipe.toml").write_text(cover_recipe_text(plan), "utf-8")
    material = material_of(images.of("train"), plan)
    trainer = Trainer(plan, material, work)
    if trainer.resume():
        console.print(f"going on with an earlier run at step {trainer.now.step} (--again starts over)")
    elif start:
        begin_from(trainer, find(start))
    with Bar(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task("training", total=1.0)

        def report(now: Progress) -> None:
            if now.step % 5 == 0:
                shown = f"step {now.step}  G {now.generator:.2f}  D {now.discriminator:.2f}  real {now.right:.2f}"
                bar.update(task, completed=now.done, description=shown)

        held = as_tensor(variants(images.of("test"), plan.side, 1, 0), plan.colours)

        def pictures() -> None:
            path = work / f"pictures-{trainer.now.step:06d}.png"
            save_grid(trainer, path)
            console.print(f"step {trainer.now.step}: {path}", markup=False)

        def measure() -> dict[str, Any]:
            found = measured(trainer, held, 500)
            console.print(f"step {trainer.now.step}: distance to held-out pictures {found}", markup=False)
            return {"distance": found}

        trainer.run(minutes, steps, report, pictures, measure if len(held) > 1 and plan.side >= 32 else None, 1800.0)
    pictures()
    if plan.architecture != "coordinate":
        return work
    counts = f"{images.works('train')} works in {len(images.of('train'))} squares"
    plan = plan.changed(about=plan.about or f"Trained on {counts}" + (f", from {start}." if start else "."))
    return export(trainer, plan, user_folder() / name)


def _plan(folders: Sequence[Path], name: str, start: str | None, recipe: Path | None,
          architecture: str | None) -> CoverRecipe:  # fmt: skip
    given = [
        flag for flag, value in (("--from", start), ("--recipe", recipe), ("--architecture", architecture)) if value
    ]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)}: use one of them")
    if recipe is not None:
        return read_cover_recipe(recipe).changed(name=name)
    sources = tuple({"folder": folder.name} for folder in folders)
    if start is not None:
        bundle = find(start)
        if bundle.about.get("kind") != "cover":
            raise ValueError(f"--from: {start!r} is a {bundle.about.get('kind')} model; must be a cover model")
        plan = read_cover_recipe(bundle.folder / "recipe.toml")
        return plan.changed(name=name, data=sources, about="", note="", learning_rate=plan.learning_rate / 2)
    return recipe_of(architecture or "coordinate", name).changed(data=sources)


def read_images(folders: Sequence[Path], plan: CoverRecipe, console: Console | None = None) -> Images:
    """`load_images` at the recipe's size, with a progress bar."""
    side = plan.side if plan.side < 32 else plan.side * 3 // 2
    shown = console or Console(quiet=True)
    with Bar(TextColumn("reading"), BarColumn(), TimeElapsedColumn(), console=shown, transient=True) as bar:
        task = bar.add_task("", total=None)
        return load_images(folders, side, lambda done, every: bar.update(task, completed=done, total=every))


def _tell(console: Console, images: Images) -> None:
    for line in images.unread[:20]:
        console.print(f"skipped {line}", markup=False)
    if len(images.unread) > 20:
        console.print(f"skipped {len(images.unread) - 20} more")
    counts = ", ".join(f"{images.works(split)} works in {len(images.of(split))} squares to {split}"
                       for split in ("train", "test"))  # fmt: skip
    console.print(counts)


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
    weights = torch.where(abstract[:, 0] > 0, plan.abstract / max(1, len(images) - works), (1 - plan.abstract) / works)
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
        z = torch.randn(len(index), trainer.shape.latent, generator=random)
        out.append(trainer.mean(z, bank[index], random).clamp(-1, 1))
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
    index = torch.multinomial(trainer.material.weights, count, replacement=True, generator=random)
    c = trainer.material.conditions[index]
    z = torch.randn(count, trainer.shape.latent, generator=random)
    trainer.mean.eval()
    made = torch.cat([trainer.mean(z[i : i + 16], c[i : i + 16], random) for i in range(0, count, 16)])
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
    """Write the bundle: the running mean's weights, the opponent's, model.toml, the recipe and a first card."""
    folder.mkdir(parents=True, exist_ok=True)
    material = trainer.material
    held = {key: value.half().contiguous() for key, value in trainer.mean.state_dict().items()}
    held["frequency"] = trainer.mean.state_dict()["frequency"].float().contiguous()
    save_file(held, folder / WEIGHTS)
    opponent = {key: value.half().contiguous() for key, value in trainer.discriminator.state_dict().items()}
    save_file(opponent, folder / OPPONENT)
    for file in (WEIGHTS, OPPONENT):
        (folder / file).chmod(0o644)
    about = {"format": FORMAT, "name": plan.name, "kind": "cover", "about": plan.about, "side": plan.side,
             "attributes": list(ATTRIBUTES), "mean": [round(float(v), 6) for v in material.mean],
             "spread": [round(float(v), 6) for v in material.spread]}  # fmt: skip
    (folder / "model.toml").write_text("".join(f"{k} = {toml_value(v)}\n" for k, v in about.items()), "utf-8")
    (folder / "recipe.toml").write_text(cover_recipe_text(plan), "utf-8")
    save_grid(trainer, folder / "pictures.jpg", 12, 6)
    if not (folder / "card.md").exists():
        lines = [f"# {plan.name}", plan.about, f"`rnnmuse evaluate {plan.name} FOLDER` measures it."]
        (folder / "card.md").write_text("\n\n".join([*lines, "![pictures](pictures.jpg)"]) + "\n", "utf-8")
    (folder / "eval.json").write_text(json.dumps({"training": training_of(trainer)}))
    write_sums(folder)
    return find(plan.name) if folder.parent == user_folder() else Bundle(plan.name, folder, {"kind": "cover"})


def training_of(trainer: Trainer) -> dict[str, float]:
    """Steps, minutes and minutes of processor time of a run."""
    now = trainer.now
    return {"steps": now.step, "minutes": round(now.seconds / 60, 1), "processor": round(now.processor / 60, 1)}


def begin_from(trainer: Trainer, bundle: Bundle) -> None:
    """Take both networks' weights from a bundle."""
    verify(bundle)
    weights = {key: value.float() for key, value in load_file(bundle.folder / WEIGHTS).items()}
    for network in (trainer.generator, trainer.mean):
        network.load_state_dict(weights)
    opponent = bundle.folder / OPPONENT
    if opponent.exists():
        trainer.discriminator.load_state_dict({key: v.float() for key, v in load_file(opponent).items()})
