"""How good a cover model is: its pictures beside works that it never saw, and the covers that are printed from them.

Nothing that is measured here is part of a loss. Pictures: how well they lend themselves to a print
(`rnnmuse.train.cover.measures`), the sliced Wasserstein distance of their patches, the gap of their power spectra,
their diversity (the mean distance of two pictures over that of two real ones), and their distance to the nearest
training picture beside the closest pair of different real works. Covers: contrast, figure and inks in each look, and
whether like music has like covers.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from rich.console import Console
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from torch.nn import functional

from rnnmuse.cover.looks import LOOKS
from rnnmuse.cover.picture import Design, design_for, gallery
from rnnmuse.cover.video import excerpt
from rnnmuse.errors import RnnmuseError
from rnnmuse.models.bundle import find, load_cover, write_sums
from rnnmuse.models.cover import CoverModel
from rnnmuse.music.piece import Piece
from rnnmuse.music.read import music_files, read_music
from rnnmuse.train.card import opening, save_card
from rnnmuse.train.cover.data import Images, variants
from rnnmuse.train.cover.measures import composition_of, edge_widths, music_vector, printed_at, small_vector, told_apart
from rnnmuse.train.cover.objective import Trainer
from rnnmuse.train.cover.recipe import CoverRecipe
from rnnmuse.train.cover.run import (
    as_tensor,
    begin_from,
    generated,
    material_of,
    pixels_of,
    read_images,
    save_pictures,
    tiled,
    training_of,
    unit,
)  # fmt: skip
from rnnmuse.train.cover.wasserstein import blurred, distances
from rnnmuse.train.recipe import read_recipe

SAMPLES = 2000
NEAR = 500
SEEDS = 24
"""Covers drawn in each look."""
SMALL = 16  # side at which pictures are compared for likeness of the whole


def evaluate_cover(name: str, folders: Sequence[Path], out: Path | None = None, beside: Sequence[Path] = (),
                   music: Path | None = None, samples: int = SAMPLES) -> str:  # fmt: skip
    """Measure the cover model ``name`` on the works it was trained on and those held out; returns a report.

    ``beside`` are run folders of other networks (of `rnnmuse train cover --architecture`) measured likewise; ``music``
    is a folder of pieces whose covers are compared; fewer ``samples``, fewer covers. With ``out`` (or a bundle
    of your own) the report goes into its card.md and eval.json, with pictures and a sheet of covers in each look.
    """
    bundle = find(name)
    plan = read_recipe(bundle.folder / "recipe.toml", CoverRecipe)
    console = Console(stderr=True)
    images = read_images(folders, plan, console)
    trainer = trainer_for(images, plan, bundle.folder)
    begin_from(trainer, bundle)
    trainer.mean.eval()
    model = load_cover(name)
    out = out or bundle.folder
    out.mkdir(parents=True, exist_ok=True)
    squares = {split: variants(images.of(split), plan.side, 1, 0) for split in ("train", "test")}
    training, held = unit(as_tensor(squares["train"])), unit(as_tensor(squares["test"]))
    made = generated(trainer, samples)
    rows = {"training works (the floor)": distances(training, held), name: distances(made, held)}
    for run in beside:
        other = _other(run, images, plan)
        rows[f"{other.recipe.architecture}, {_told(training_of(other))}"] = distances(generated(other, samples), held)
    rows["held-out works, blurred"] = distances(_blurred(held), held)
    near = nearest(made[:NEAR], training, [s.work for s in images.squares if s.split == "train"], out / "nearest.png")
    seeds = max(2, min(SEEDS, SEEDS * samples // SAMPLES))
    titles = [(f"Title {number}", "Artist") for number in range(1, seeds + 1)]
    pieces = halves_in(music, console) if music is not None else []
    result: dict[str, Any] = {
        "training": _training(bundle.folder),
        "works": {split: images.works(split) for split in ("train", "test")},
        "squares": {split: len(images.of(split)) for split in ("train", "test")},
        "samples": samples,
        "seeds": seeds,
        "pictures": {"held-out works": composition_of(squares["test"]), name: composition_of(pixels_of(made[:NEAR]))},
        "distance": {row: {str(level): round(value, 1) for level, value in each.items()} for row, each in rows.items()},
        "diversity": round(spread_of(made[:NEAR]) / spread_of(torch.cat([training, held])), 3),
        "spectrum": {"made": round(spectrum_gap(made, held), 3), "floor": round(spectrum_gap(training, held), 3)},
        **near,
        "covers": printed_at(model, list(LOOKS), titles),
        "music": music_likeness(model, pieces) if pieces else {},
        "3000 px": {look: timed(name, look) for look in LOOKS},
    }  # fmt: skip
    save_pictures(made[:96], out / "pictures.jpg", 16)
    designs = [replace(design_for(piece, 1), title=piece.title or "Untitled") for _, piece in pieces[::2]]
    drawn = [Design(seed, title=title, artist=artist) for seed, (title, artist) in enumerate(titles, 1)]
    sheets(model, designs or drawn, out)
    (out / "eval.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    text = report(name, result)
    save_card(out, card(plan, text, result["training"]))
    if out == bundle.folder:
        write_sums(out)
    return text


def _training(folder: Path) -> dict[str, float]:
    """What a bundle's eval.json says of its training."""
    try:
        return dict(json.loads((folder / "eval.json").read_text("utf-8")).get("training", {}))
    except (OSError, ValueError):
        return {}


def _told(training: dict[str, float]) -> str:
    told = f"{training['steps']:,} steps, {training['minutes']:.0f} min"
    return told + (f" ({training['processor']:.0f} min of processor time)" if training.get("processor") else "")


def trainer_for(images: Images, plan: CoverRecipe, folder: Path) -> Trainer:
    return Trainer(plan, material_of(images.of("train"), plan.changed(variants=1, figure=0.0)), folder)


def _other(run: Path, images: Images, plan: CoverRecipe) -> Trainer:
    recipe = run / "recipe.toml"
    if not (run / "last.ckpt").exists() or not recipe.exists():
        raise ValueError(f"--beside: {run} is no run's folder; it needs last.ckpt and recipe.toml")
    other = trainer_for(images, read_recipe(recipe, CoverRecipe).changed(side=plan.side, colours=3), run)
    other.resume()
    other.mean.eval()
    return other


def _blurred(images: torch.Tensor) -> torch.Tensor:
    """Each picture through a Gaussian whose spread is a twenty-fourth of the side."""
    radius = images.shape[-1] / 24
    made = [Image.fromarray(one).filter(ImageFilter.GaussianBlur(radius)) for one in pixels_of(images)]
    return unit(as_tensor(np.stack([np.asarray(one) for one in made])))


def spread_of(images: torch.Tensor) -> float:
    """Mean Euclidean distance of two pictures, over all pairs."""
    flat = functional.avg_pool2d(images, 2).flatten(1)
    total = torch.cdist(flat, flat).sum()
    return float(total / (len(flat) * (len(flat) - 1)))


def spectrum_gap(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mean |difference| in nats of two sets' log power spectra of lightness, over rings of one cycle a picture.

    It stands beside the Wasserstein distance because no term of the training knows it.
    """
    return float((_spectrum(a) - _spectrum(b)).abs().mean())


def _spectrum(images: torch.Tensor) -> torch.Tensor:
    side = images.shape[-1]
    window = torch.hann_window(side)
    grey = images.mean(1)
    power = torch.fft.fft2((grey - grey.mean((1, 2), keepdim=True)) * window * window[:, None]).abs().square().mean(0)
    line = torch.fft.fftfreq(side) * side
    ring = (line.square() + line[:, None].square()).sqrt().round().long()
    sums = torch.zeros(side).index_add(0, ring.flatten(), power.flatten())
    counts = torch.zeros(side).index_add(0, ring.flatten(), torch.ones(side * side))
    return (sums / counts.clamp(min=1))[1 : side // 2 + 1].add(1e-9).log()


def small(images: torch.Tensor) -> torch.Tensor:
    """Pictures at 16 x 16, mean taken out, flat."""
    flat = functional.interpolate(blurred(images), size=(SMALL, SMALL), mode="area").flatten(1)
    return flat - flat.mean(1, keepdim=True)


def nearest(made: torch.Tensor, training: torch.Tensor, works: Sequence[int], path: Path) -> dict[str, Any]:
    """Distances of samples to their nearest training picture (mirrored ones too), beside the closest pairs of
    different works; saves the ten closest, sample above neighbour."""
    samples, both = small(made), torch.cat([small(training), small(training.flip(3))])
    best, where = torch.cdist(samples, both).min(1)
    own = small(training)
    between = torch.cdist(own, torch.cat([own, small(training.flip(3))]))
    work = torch.tensor(works)
    between[work[:, None] == torch.cat([work, work])] = float("inf")
    pairs = between.min(1).values
    order = best.argsort()[:10]
    neighbours = torch.cat([training, training.flip(3)])[where[order]]
    Image.fromarray(tiled(pixels_of(torch.cat([made[order], neighbours])), len(order))).resize(
        (1280, 256), Image.Resampling.NEAREST
    ).save(path)
    return {"nearest training picture": round(float(best.min()), 3), "median nearest": round(float(best.median()), 3),
            "closest real pair": round(float(pairs.min()), 3),
            "median real pair": round(float(pairs.median()), 3)}  # fmt: skip


def halves_in(folder: Path, console: Console, most: int = 48) -> list[tuple[int, Piece]]:
    """Both halves, by bars, of up to ``most`` pieces drawn from a folder, each with its piece's number."""
    files = music_files(folder)
    chosen = sorted(random.Random(1).sample(files, min(most, len(files))))
    out: list[tuple[int, Piece]] = []
    for number, file in enumerate(chosen):
        try:
            piece = read_music(file)
            bars = min(256, int(piece.end / piece.metre_at(0).bar_beats) // 2)
            halves = [excerpt(piece, start, bars) for start in (1, bars + 1)]
        except (RnnmuseError, ValueError) as error:
            console.print(f"skipped {file.name}: {error}", markup=False)
            continue
        out += [(number, half) for half in halves]
    if len(out) < 6:
        raise RnnmuseError(f"{folder}: {len(out) // 2} pieces of two bars and more; must be at least 3")
    return out


def varied(piece: Piece, seed: int) -> Piece:
    """The piece as somebody else might play it: other velocities (by up to 9), six notes of a hundred missing."""
    draw = random.Random(seed)
    parts = []
    for part in piece.parts:
        notes = [replace(note, velocity=max(1, min(127, note.velocity + draw.randint(-9, 9)))) for note in part.notes
                 if draw.random() > 0.06]  # fmt: skip
        parts.append(replace(part, notes=notes or part.notes))
    return replace(piece, parts=parts)


def music_likeness(model: CoverModel, pieces: Sequence[tuple[int, Piece]], look: str = "screen") -> dict[str, Any]:
    """Whether like pieces have like covers, at one seed.

    ``pieces`` are both halves of each piece, one after the other. Over all pairs of halves: Spearman's rank correlation
    of the distance of traits and profiles, in units of their reaches, and that of the covers at 64 px in CIELAB; the
    mean distance of the covers of one piece's halves over that of different pieces'. Over groups of 16: the share
    of pieces whose cover, drawn at another size and as a poor JPEG, is nearest to their own; the same where the
    piece is played by somebody else (`varied`).
    """
    designs = [design_for(piece, 1, look=look) for _, piece in pieces]
    near = pdist(np.stack([music_vector(design) for design in designs]))
    covers = np.stack([small_vector(model, design) for design in designs])
    far = pdist(covers)
    number = np.array([index for index, _ in pieces])
    same = (number[:, None] == number)[np.triu_indices(len(number), 1)]
    first = pieces[::2]
    other = np.stack([small_vector(model, design_for(varied(piece, index), 1, look=look)) for index, piece in first])
    again = np.stack([small_vector(model, design, again=True) for design in designs[::2]])
    return {
        "pieces": len(first),
        "rank correlation": round(float(spearmanr(near, far).statistic), 3),
        "halves": round(float(far[same].mean() / far[~same].mean()), 3),
        "told apart": round(told_apart(covers[::2], again), 3),
        "played by others": round(told_apart(covers[::2], other), 3),
    }


def sheets(model: CoverModel, designs: Sequence[Design], out: Path, cell: int = 200) -> None:
    """A sheet of 16 covers in each look, one JPEG a look."""
    for look in LOOKS:
        sheet = gallery(model, [replace(design, look=look) for design in designs[:16]], 8, cell)
        sheet.save(out / f"{look}.jpg", quality=85)


def timed(name: str, look: str) -> dict[str, float]:
    """Seconds and peak memory of a 3000 x 3000 cover with text, in a process of its own, and the width of its edges
    from 10 to 90 % in pixels, that of 90 % of them."""
    code = "import sys; from rnnmuse.cli.main import app; app(sys.argv[1:], standalone_mode=False)"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cover.png"
        args = ["cover", "--seed", "1", "--model", name, "--look", look, "--title", "A title", "--artist", "An artist",
                "--out", str(path)]  # fmt: skip
        began, used, peak = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN), 0
        process = subprocess.Popen([sys.executable, "-c", code, *args], stdout=subprocess.DEVNULL)
        while process.poll() is None:
            peak = max(peak, _resident(process.pid))
            time.sleep(0.01)
        seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if process.returncode:
            raise RnnmuseError(f"{name}: a cover could not be drawn")
        widths = edge_widths(np.asarray(Image.open(path)))
    processor = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return {"seconds": round(seconds, 1), "processor seconds": round(processor, 1), "peak MB": peak // 10**6,
            "edge px": round(float(np.quantile(widths, 0.9)), 2) if len(widths) else 0.0}  # fmt: skip


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds at most so far (Linux; 0 elsewhere)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def report(name: str, result: dict[str, Any]) -> str:
    """The result as Markdown, as it stands in the card."""
    pictures, covers, drawn = result["pictures"], result["covers"], result["3000 px"]
    lines = [
        "Nothing below is part of a loss. How well pictures lend themselves to a print, medians:",
        "",
        "| pictures | figure stands out, 0-1 | between 4 tones | steep slopes | above 16 cycles | chroma |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [f"| {row} | {e['prominence']:.2f} | {e['tones']:.2f} | {e['edges']:.1f} | {e['fine']:.3f} | "
              f"{e['saturation']:.0f} |" for row, e in pictures.items()]  # fmt: skip
    lines += [
        "",
        f"Covers of {result.get('seeds', SEEDS)} seeds at 400 px (contrast, figure) and one of 3000 px "
        f"({os.cpu_count()} shared cores):",
        "",
        "| look | least contrast of text | median | largest shape at 64 px covers 12-60 % and differs by 30 L* | "
        "inks, most | edges 10-90 %, px | seconds (processor) | MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for look, found in covers.items():
        at = drawn[look]
        lines.append(
            f"| {look} | {found['contrast, least']:.1f} | {found['contrast, median']:.1f} | "
            f"{100 * found['figure at 64 px']:.0f} % | {found['inks']} | {at['edge px']:.1f} | {at['seconds']:.1f} "
            f"({at['processor seconds']:.1f}) | {at['peak MB']} |"
        )
    levels = list(next(iter(result["distance"].values())))
    lines += [
        "",
        f"Sliced Wasserstein distance (x 1,000) of {result['samples']} generated pictures to the "
        f"{result['squares']['test']} squares of {result['works']['test']} held-out works, by level of the Laplacian "
        "pyramid:",
        "",
        "| pictures | " + " | ".join(f"{level} px" for level in levels) + " |",
        "| --- |" + " ---: |" * len(levels),
    ]
    for row, found in result["distance"].items():
        lines.append(f"| {row} | " + " | ".join(f"{found[level]:.1f}" for level in levels) + " |")
    spectrum = result["spectrum"]
    lines += [
        "",
        f"- Gap of the power spectra: {spectrum['made']:.3f} nats; floor {spectrum['floor']:.3f}.",
        f"- Diversity: mean pairwise distance {result['diversity']:.2f} of the real pictures'.",
        f"- Memory: nearest training picture of {min(NEAR, result['samples'])} samples at "
        f"{result['nearest training picture']:.2f} (median {result['median nearest']:.2f}); closest pair of different "
        f"works {result['closest real pair']:.2f} (median {result['median real pair']:.2f}). "
        "The ten closest, samples above: nearest.png.",
    ]
    if music := result["music"]:
        lines.append(
            f"- Music: over all pairs of the halves of {music['pieces']} pieces, the rank correlation of the distance "
            "of the notes (traits and profiles) and that of the covers in the first look at one seed is "
            f"{music['rank correlation']:.2f}; the covers of a piece's two halves are {music['halves']:.2f} times as "
            f"far apart as those of different pieces. Among 16 pieces, {100 * music['told apart']:.0f} % of covers "
            "drawn again at another size and as a JPEG of quality 50 are nearest to the piece's own at 64 px, and "
            f"{100 * music['played by others']:.0f} % where the piece is played by somebody else (other velocities, "
            "six notes of a hundred missing)."
        )
    return "\n".join(lines)


def card(plan: CoverRecipe, text: str, training: dict[str, float]) -> list[str]:
    """The model's card in Markdown."""
    lines = opening(plan.name, plan.about, plan.data)
    if plan.abstract:
        lines.append(
            f"- {100 * plan.abstract:.0f} % abstract pictures drawn by the procedures of "
            "`rnnmuse/train/cover/abstracts.py`"
        )
    lines += ["", "Works are split, not squares: 80 % to train, 20 % held out.", "", "## Network", "",
              f"Convolutional generator of {plan.side} px against a convolutional discriminator; non-saturating "
              f"loss, R1 {plan.r1}, batch {plan.batch}, rate {plan.learning_rate}, running mean {plan.mean}, "
              "differentiable augmentation." + (f" {_told(training)}." if training else ""),
              *([plan.note] if plan.note else []),
              "The whole recipe is in recipe.toml.", "", "## How well it does", "", text, "",
              "Pictures, not chosen:", "", "![pictures](pictures.jpg)", "", "![nearest](nearest.png)", "",
              "Covers of pieces, one seed, not chosen:"]  # fmt: skip
    for look in LOOKS:
        lines += ["", f"`{look}`", "", f"![{look}]({look}.jpg)"]
    return lines
