"""Adversarial training: a generator G and a discriminator D play

    min over G, max over D of V(D, G) = E_x[log D(x)] + E_z[log(1 - D(G(z)))]

(Goodfellow et al. 2014, equation 1); x are pictures of the training set, z standard normal latents, D(x) the
probability that x is real. G is trained on the non-saturating form, max E_z[log D(G(z))] (section 3 there). D answers
in logits, so that log D = -softplus(-logit). Both see augmented pictures. D's gradient on real pictures is held
small (R1, Mescheder et al. 2018, every 16th step as in StyleGAN2), and what is kept of G is the running mean of its
weights (EMA). One term is added to G's loss: the squared difference between the attributes that a picture has and
those it was asked for. Nothing that `rnnmuse evaluate` measures is part of a loss.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rnnmuse.train.checkpoint import LAST, Budget, Log, load, random_state, restore_random, save
from rnnmuse.train.cover.augment import attributes, augment
from rnnmuse.train.cover.network import NETWORKS, CoverShape
from rnnmuse.train.cover.recipe import CoverRecipe
from rnnmuse.train.device import device_for, half_is_faster

R1_EVERY = 16
NOTE_EVERY = 10  # steps between two readings of the losses: each waits for the GPU


@dataclass(slots=True)
class Progress:
    """What a run can say of itself."""

    step: int = 0
    """Steps that are over."""
    done: float = 0.0
    """Share of the run that was over when the step began."""
    seconds: float = 0.0
    """Time in training, earlier parts of the run included."""
    processor: float = 0.0
    """Seconds of processor time, of all threads: less than ``seconds`` where other programs run."""
    generator: float = math.nan
    """Its loss in nats, a running mean; NaN before the first reading."""
    discriminator: float = math.nan
    """Its loss in nats with R1, a running mean; NaN before the first reading."""
    asked: float = math.nan
    """Mean squared difference from the conditions asked for, in units of their spread; NaN where it is not used."""
    right: float = math.nan
    """Share of real pictures that the discriminator takes for real; near 1 it has learned them by heart."""


Report = Callable[[Progress], None]


@dataclass(slots=True)
class Material:
    """Training pictures and their conditions.

    ``images`` (n, c, s, s) uint8, ``conditions`` (n, k) float32 standardised, ``weights`` (n,) how often each is drawn.
    """

    images: torch.Tensor
    conditions: torch.Tensor
    weights: torch.Tensor
    mean: torch.Tensor
    """Mean of each attribute over the training pictures; empty for grey ones."""
    spread: torch.Tensor
    """Standard deviation of each attribute over the training pictures; empty for grey ones."""

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of real pictures in -1 to 1, some mirrored, and their conditions."""
        index = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        images = self.images[index].float() / 127.5 - 1
        if self.images.shape[1] == 3:  # a mirrored digit is none
            mirrored = torch.rand(count, 1, 1, 1, generator=generator, device=images.device) < 0.5
            images = torch.where(mirrored, images.flip(3), images)
        return images.contiguous(memory_format=torch.channels_last), self.conditions[index]

    def to(self, device: torch.device) -> Material:
        """The same on a device."""
        held = (self.images, self.conditions, self.weights, self.mean, self.spread)
        return Material(*(each.to(device) for each in held))


class Trainer:
    """One run: networks, their optimisers, and a folder that it is resumed from. It uses the GPU where there is one."""

    def __init__(self, recipe: CoverRecipe, material: Material, folder: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.device = torch.device(device_for())
        self.recipe, self.material, self.folder = recipe, material.to(self.device), folder
        self.shape = shape_of(recipe)
        make_generator, make_discriminator = NETWORKS[recipe.architecture]
        self.generator: nn.Module = self._placed(make_generator(self.shape))
        self.discriminator: nn.Module = self._placed(make_discriminator(self.shape))
        self.mean = copy.deepcopy(self.generator).eval()
        betas = (recipe.momentum, 0.99)
        self.of_generator = torch.optim.Adam(self.generator.parameters(), recipe.learning_rate, betas)
        self.of_discriminator = torch.optim.Adam(self.discriminator.parameters(), recipe.learning_rate, betas)
        self.random = torch.Generator(self.device).manual_seed(recipe.seed)
        self.now = Progress()

    def _placed(self, network: nn.Module) -> nn.Module:
        return network.to(self.device, memory_format=torch.channels_last)

    def _half(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.half and half_is_faster())

    # -- one step -------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One step of D and one of G."""
        recipe = self.recipe
        fall = min(1.0, (1 - self.now.done) / recipe.fall) if recipe.fall else 1.0
        rate = recipe.learning_rate * min(1.0, (self.now.step + 1) / 100) * fall
        for optimiser in (self.of_generator, self.of_discriminator):
            for group in optimiser.param_groups:
                group["lr"] = rate
        real, c = self.material.draw(recipe.batch, self.random)
        fake = self._fake(c)
        self._discriminator_step(real, fake.detach(), c)
        self._generator_step(fake, c)
        self.now.step += 1
        keep = min(recipe.mean, (1 + self.now.step) / (10 + self.now.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.mean.parameters()), list(self.generator.parameters()), 1 - keep)
            for kept, own in zip(self.mean.buffers(), self.generator.buffers(), strict=True):
                kept.copy_(own)

    def _fake(self, c: torch.Tensor) -> torch.Tensor:
        with self._half():
            fake: torch.Tensor = self.generator(torch.randn(len(c), self.shape.latent, device=self.device), c)
        return fake.float()

    def _judge(self, images: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        with self._half():
            logits: torch.Tensor = self.discriminator(self._changed(images), c)
        return logits.float()

    def _changed(self, images: torch.Tensor) -> torch.Tensor:
        changed = augment(images) if self.recipe.augment else images
        return changed.contiguous(memory_format=torch.channels_last)

    def _discriminator_step(self, real: torch.Tensor, fake: torch.Tensor, c: torch.Tensor) -> None:
        self.discriminator.requires_grad_(True)
        on_real, on_fake = self._judge(real, c), self._judge(fake, c)
        loss = by_place(functional.softplus(-on_real)) + by_place(functional.softplus(on_fake))
        if self.recipe.r1 and self.now.step % R1_EVERY == 0:
            seen = self._changed(real).requires_grad_(True)
            (slope,) = torch.autograd.grad(by_place(self.discriminator(seen, c), True), seen, create_graph=True)
            loss = loss + self.recipe.r1 / 2 * R1_EVERY * slope.square().sum((1, 2, 3)).mean()
        self.of_discriminator.zero_grad()
        loss.backward()
        self.of_discriminator.step()
        self._note("discriminator", loss)
        self._note("right", (on_real[:, 0] > 0).float().mean())

    def _generator_step(self, fake: torch.Tensor, c: torch.Tensor) -> None:
        self.discriminator.requires_grad_(False)
        loss = by_place(functional.softplus(-self._judge(fake, c)))
        self._note("generator", loss)
        if self.recipe.asked and self.shape.colours == 3:
            mean, spread = self.material.mean, self.material.spread
            found = (attributes(fake) - mean) / spread
            asked = (found - c[:, : found.shape[1]]).square().clamp(max=25).mean()
            loss = loss + self.recipe.asked * asked
            self._note("asked", asked)
        self.of_generator.zero_grad()
        loss.backward()
        self.of_generator.step()

    def _note(self, name: str, value: torch.Tensor) -> None:
        if self.now.step % NOTE_EVERY == 0:
            before, now = getattr(self.now, name), float(value.detach())
            setattr(self.now, name, now if math.isnan(before) else 0.8 * before + 0.2 * now)

    # -- a run ----------------------------------------------------------------------------------------------

    def run(self, minutes: float | None, steps: int | None, report: Report, pictures: Callable[[], None],
            measure: Callable[[], dict[str, Any]] | None = None, measure_every: float = 600.0) -> None:  # fmt: skip
        """Train until ``minutes`` of this run or ``steps`` in all are over; saved every 90 s and at Ctrl-C."""
        before, used = self.now.seconds, self.now.processor - time.process_time()
        budget = Budget(minutes, steps)
        measured = self.now.seconds
        try:
            while (done := budget.done(self.now.step)) < 1:
                self.now.done = done
                self.step()
                self.now.seconds = before + budget.seconds
                self.now.processor = used + time.process_time()
                if self.now.step % self.recipe.pictures_every == 0:
                    pictures()
                    self.log({})
                if measure and self.now.seconds - measured > measure_every:
                    self.log(measure())
                    measured = self.now.seconds
                if budget.due():
                    self.save()
                report(self.now)
        finally:
            self.save()

    def log(self, more: dict[str, Any]) -> None:
        Log(self.folder).append({name: round(value, 4) for name, value in asdict(self.now).items()} | more)

    def save(self) -> None:
        held = {name: getattr(self, name).state_dict() for name in SAVED}
        more = {"progress": asdict(self.now), "random": self.random.get_state(), "torch": random_state()}
        save(self.folder / LAST, held | more)

    def resume(self) -> bool:
        """Go on where the folder's checkpoint stands; False without one."""
        path = self.folder / LAST
        if not path.exists():
            return False
        held = load(path, self.device)
        for name in SAVED:
            getattr(self, name).load_state_dict(held[name])
        self.now = Progress(**held["progress"])
        self.random.set_state(held["random"].cpu())
        restore_random(held["torch"])
        return True


SAVED = ("generator", "discriminator", "mean", "of_generator", "of_discriminator")


def shape_of(recipe: CoverRecipe) -> CoverShape:
    return CoverShape(recipe.side, recipe.colours, recipe.latent, recipe.conditions)


def by_place(values: torch.Tensor, summed: bool = False) -> torch.Tensor:
    """The whole picture's value plus the mean of its neighbourhoods', averaged (or summed) over the batch."""
    each = values[:, 0]
    if values.shape[1] > 1:
        each = each + values[:, 1:].mean(1)
    return each.sum() if summed else each.mean()
