"""Bundles: a trained model as a folder, found by name, checked before it plays.

==================== =============================================================================
file                 holds
==================== =============================================================================
model.toml           format, name, kind, sizes, part classes, precision of the step graph
weights.safetensors  every weight, float16
step.onnx            the trunk's step, int8 where that costs at most 1 % of likelihood; none of a cover model
opponent.safetensors of a cover model: the discriminator, for fine-tuning
recipe.toml          data and settings it was trained with
card.md, eval.json   what it is and how well it does
SHA256SUMS           hash of each file above
==================== =============================================================================
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnmuse.errors import BundleError

if TYPE_CHECKING:
    from rnnmuse.models.cover import CoverModel
    from rnnmuse.models.stream import StreamModel

FORMAT = 1
SUMS = "SHA256SUMS"
REQUIRED = ("model.toml", "weights.safetensors", "step.onnx")
COVER = REQUIRED[:2]
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk; ``about`` is its model.toml."""

    name: str
    folder: Path
    about: dict[str, Any]

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())


def user_folder() -> Path:
    """Where trained models are kept: ``$RNNMUSE_MODELS``, else ``rnnmuse/models`` in the user's data folder."""
    if given := os.environ.get("RNNMUSE_MODELS"):
        return Path(given)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "rnnmuse" / "models"


@cache
def shipped_folder() -> Path:
    """Where the shipped bundles are: in the wheel, or beside the package in a checkout."""
    inside = Path(str(resources.files("rnnmuse"))) / "_data" / "models"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "models"


def bundles() -> dict[str, Bundle]:
    """Every bundle by name; the user's own hide shipped ones of the same name."""
    found: dict[str, Bundle] = {}
    for folder in (shipped_folder(), user_folder()):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if (path / "model.toml").exists() and NAME.fullmatch(path.name):
                try:
                    found[path.name] = Bundle(path.name, path, read_about(path))
                except BundleError:
                    continue
    return found


def find(name: str) -> Bundle:
    """The bundle called ``name``; BundleError lists near names where there is none."""
    if NAME.fullmatch(name):
        for folder in (user_folder(), shipped_folder()):
            if (folder / name / "model.toml").exists():
                return Bundle(name, folder / name, read_about(folder / name))
    known = sorted(bundles())
    near = get_close_matches(name, known, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known) or 'none'}"
    raise BundleError(f"model: {name!r} is not known; {hint}")


def read_about(folder: Path) -> dict[str, Any]:
    try:
        about = tomllib.loads((folder / "model.toml").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BundleError(f"{folder.name}/model.toml: {error}") from None
    if about.get("format") != FORMAT:
        raise BundleError(f"{folder.name}/model.toml: format {about.get('format')!r}; this version reads {FORMAT}")
    return about


def verify(bundle: Bundle) -> None:
    """Raise BundleError naming the file that is missing, not listed, or differs from SHA256SUMS."""
    where = bundle.folder
    try:
        lines = (where / SUMS).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{bundle.name}/{SUMS}: {error}") from None
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}
    for name in COVER if bundle.about.get("kind") == "cover" else REQUIRED:
        if name not in sums:
            raise BundleError(f"{bundle.name}/{name}: not listed in {SUMS}")
    for name, digest in sums.items():
        path = where / name
        if path.name != name or not path.is_file():
            raise BundleError(f"{bundle.name}/{name}: the file is missing")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise BundleError(f"{bundle.name}/{name}: damaged (its hash differs from {SUMS}); install it again")


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS over the folder's files."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name != SUMS)
    text = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files)
    (folder / SUMS).write_text(text, "utf-8")


def load_stream(name: str) -> StreamModel:
    """Load and check the stream model ``name``; BundleError names the file that is wrong."""
    from rnnmuse.models.stream import StreamModel
    from rnnmuse.music.codec import PartClass

    bundle = find(name)
    if bundle.about.get("kind") != "stream":
        raise BundleError(f"model: {name!r} is a {bundle.about.get('kind')} model; a stream model is needed")
    verify(bundle)
    weights = read_weights(bundle)
    try:
        parts = tuple(
            PartClass(**{**part, "families": tuple(part.get("families", ()))}) for part in bundle.about["parts"]
        )
        return StreamModel(name, parts, weights, (bundle.folder / "step.onnx").read_bytes())
    except Exception as error:  # onnxruntime raises its own kinds, of no common base
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise BundleError(f"{name}: the parts of the bundle do not fit together ({first})") from None


def load_cover(name: str) -> CoverModel:
    """Load and check the cover model ``name``; BundleError names the file that is wrong."""
    from rnnmuse.models.cover import CoverModel

    bundle = find(name)
    if bundle.about.get("kind") != "cover":
        raise BundleError(f"model: {name!r} is a {bundle.about.get('kind')} model; a cover model is needed")
    verify(bundle)
    try:
        return CoverModel(name, read_weights(bundle), bundle.about["mean"], bundle.about["spread"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BundleError(f"{name}: the parts of the bundle do not fit together ({error})") from None


def read_weights(bundle: Bundle) -> dict[str, Any]:
    """Weights by name as numpy arrays, finite."""
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights = load_file(bundle.folder / "weights.safetensors")
    except (OSError, SafetensorError, struct.error, ValueError) as error:
        raise BundleError(f"{bundle.name}/weights.safetensors: {error}") from None
    for key, value in weights.items():
        if not np.isfinite(value).all():
            raise BundleError(f"{bundle.name}/weights.safetensors: {key} is not finite")
    return dict(weights)
