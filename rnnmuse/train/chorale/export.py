"""From a trained chorale network to a bundle: weights alone, which numpy plays."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from rnnmuse.models.bundle import Bundle, read_weights
from rnnmuse.train.bundle import compact, describe, new_bundle, written
from rnnmuse.train.chorale.network import ChoraleNet
from rnnmuse.train.chorale.recipe import ChoraleRecipe


def export_chorale(net: ChoraleNet, recipe: ChoraleRecipe, folder: Path, limits: list[list[int]]) -> Bundle:
    """Write the bundle; ``limits`` are the lowest and the highest note of each voice, soprano first."""
    with new_bundle(folder) as partial:
        save_file(compact(net.state_dict()), partial / "weights.safetensors")
        shape = {name: getattr(recipe, name) for name in ("embed", "hidden", "head")}
        parts = [{"name": name} for name in ("soprano", "alto", "tenor", "bass")]
        describe(partial, "chorale", recipe, {"shape": shape, "low": limits[0], "high": limits[1], "parts": parts})
    return written(folder)


def weights_of(bundle: Bundle) -> dict[str, torch.Tensor]:
    """A bundle's weights, to go on training from."""
    return {key: torch.from_numpy(value).float() for key, value in read_weights(bundle).items()}
