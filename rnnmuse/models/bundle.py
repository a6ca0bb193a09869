"""Bundles: a trained model as a folder, found by name, checked before it plays.

==================== =============================================================================
file                 holds
==================== =============================================================================
model.toml           format, name, kind, sizes, part classes, precision of the step graph
weights.safetensors  every weight, float16; of a text model the tables, int8 with a float16 scale a row; of a chorale
                     model all matrices so
step.onnx            the trunk's step, in 4 bits or int8 where that costs at most 1 % of likelihood; a text model's
                     trunk is here alone; none of a cover or chorale model
read1.onnx           what a stream model's reads of its memory say to its heads, in 4 bits (also read2.onnx); without
                     them it is computed from the weights
forms.npz            a stream model's forms of real pieces, bar by bar (`rnnmuse.play.outline`)
alphabet.json        a text model's characters
originality.npz      a stream or chorale model's index of what it learned from (`rnnmuse.models.originality`)
training.bin         a text model's fingerprint of what it read (`rnnmuse.models.fingerprint`)
encoder.onnx         of a phrase model: what it reads phrases with
groove*              of a phrase model of drums: the network that plays them as a human would
discriminator.*      of a cover model: the network that rates pictures as real or generated, for fine-tuning
recipe.toml          data and settings it was trained with
card.md, eval.json   what it is and how well it does
SHA256SUMS           hash of each file above but the card
==================== =============================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnmuse.errors import BundleError
from rnnmuse.storage import write_whole
from rnnmuse.system import MACHINE

if TYPE_CHECKING:
    from rnnmuse.models.chorale import ChoraleModel
    from rnnmuse.models.cover import CoverModel
    from rnnmuse.models.phrase import PhraseModel
    from rnnmuse.models.stream import StreamModel
    from rnnmuse.models.text import TextModel

FORMAT = 1
SUMS = "SHA256SUMS"
CARD = "card.md"
"""The one file of a bundle that people may write in: its hash is not checked."""
PICTURES = (".png", ".jpg")
"""Pictures of a card. They may be missing: the wheel leaves them out."""
REQUIRED = ("model.toml", "weights.safetensors", "step.onnx")
COVER = REQUIRED[:2]
MORE = {"phrase": ("encoder.onnx",)}
"""What a kind of model needs beyond REQUIRED."""
READS = ("read1.onnx", "read2.onnx")
GROOVE = ("groove.safetensors", "groove-reader.onnx", "groove-step.onnx")
ALIASES = {"game": "band"}
"""Names of the release before, each with what took its place."""
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk; ``about`` is its model.toml."""

    name: str
    """The model's name."""
    folder: Path
    """Where its files are."""
    about: dict[str, Any]
    """The contents of its model.toml."""

    @property
    def kind(self) -> str:
        """What it models: stream (notes), phrase, text or cover."""
        return str(self.about.get("kind", ""))

    @property
    def description(self) -> str:
        """One sentence, from its model.toml."""
        return str(self.about.get("about", ""))

    @property
    def bytes(self) -> int:
        """Size of its files on disk."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())

    @property
    def digest(self) -> str:
        """What names the bundle in a record of provenance: the SHA-256 of its SHA256SUMS; empty without."""
        try:
            return "sha256:" + hashlib.sha256((self.folder / SUMS).read_bytes()).hexdigest()
        except OSError:
            return ""


def user_folder() -> Path:
    """Where trained models are kept: ``$RNNMUSE_MODELS``, else ``rnnmuse/models`` in the user's data folder."""
    if given := os.environ.get("RNNMUSE_MODELS"):
        return Path(given)
    return MACHINE.data_folder / "rnnmuse" / "models"


@cache
def shipped_folder() -> Path:
    """Where the shipped bundles are: in the wheel, or beside the package in a checkout."""
    inside = Path(str(resources.files("rnnmuse"))) / "_data" / "models"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "models"


def is_shipped(name: str) -> bool:
    """Whether a model of this name comes with rnnmuse."""
    return (shipped_folder() / name / "model.toml").exists()


def recover(folder: Path) -> None:
    """Bring back what a bundle's exchange left where it was cut off between its two renames: the bundle before it."""
    old = folder.parent / f".{folder.name}.old"
    if old.is_dir() and not folder.exists():
        with suppress(OSError):
            old.rename(folder)


def bundles() -> dict[str, Bundle]:
    """Every bundle by name; the user's own hide shipped ones of the same name."""
    found: dict[str, Bundle] = {}
    for old in user_folder().glob(".*.old"):
        recover(old.with_name(old.name[1:-4]))
    for folder in (shipped_folder(), user_folder()):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if (path / "model.toml").exists() and NAME.fullmatch(path.name):
                try:
                    found[path.name] = Bundle(path.name, path, read_about(path))
                except BundleError:
                    continue
    return found


def broken() -> dict[str, str]:
    """Every bundle that cannot be read, and of the user's own those that cannot be played too: name and reason."""
    found: dict[str, str] = {}
    for folder in (shipped_folder(), user_folder()):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if (path / "model.toml").exists() and NAME.fullmatch(path.name):
                found.pop(path.name, None)
                try:
                    bundle = Bundle(path.name, path, read_about(path))
                    if folder == user_folder():
                        load(bundle)
                except BundleError as error:
                    found[path.name] = str(error)
    return found


def load(bundle: Bundle) -> StreamModel | CoverModel | TextModel | PhraseModel:
    """Load a model of any kind and try it with one step; BundleError says what is wrong with it."""
    from rnnmuse.models.stream import START_EVENT
    from rnnmuse.music.codec import UNKNOWN

    name, kind = bundle.name, bundle.about.get("kind")
    if kind == "cover":
        return load_cover(name)
    if kind == "text":
        text = load_text(name)
        with _fitting(name):
            text.begin()
        return text
    if kind == "phrase":
        phrase = load_phrase(name)
        with _fitting(name):
            phrase.decode(phrase.space(phrase.bars[0]).examples[0], bars=phrase.bars[0])
        return phrase
    if kind != "stream":
        raise BundleError(f"{name}/model.toml: kind: {kind!r}; must be stream, text, phrase or cover")
    stream = load_stream(name)
    with _fitting(name):
        stream.step(stream.start(), START_EVENT, UNKNOWN)
    return stream


def list_models(kind: str = "") -> list[Bundle]:
    """Every model that can be named, by name; of one ``kind``: stream, phrase, text or cover."""
    return [bundle for _, bundle in sorted(bundles().items()) if kind in ("", bundle.kind)]


def find(name: str) -> Bundle:
    """The bundle called ``name``; BundleError lists near names where there is none."""
    if NAME.fullmatch(name):
        recover(user_folder() / name)
    name = name if _is_here(name) else ALIASES.get(name, name)
    if NAME.fullmatch(name):
        for folder in (user_folder(), shipped_folder()):
            if (folder / name / "model.toml").exists():
                return Bundle(name, folder / name, read_about(folder / name))
    known = sorted(bundles())
    near = get_close_matches(name, known, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known) or 'none'}"
    raise BundleError(f"model: {name!r} is not known; {hint}")


def _is_here(name: str) -> bool:
    folders = (user_folder(), shipped_folder())
    return bool(NAME.fullmatch(name)) and any((folder / name / "model.toml").exists() for folder in folders)


def read_about(folder: Path) -> dict[str, Any]:
    try:
        about = tomllib.loads((folder / "model.toml").read_text("utf-8"))
    except RecursionError:
        raise BundleError(f"{folder.name}/model.toml: nested too deeply") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder.name}/model.toml: {str(error).splitlines()[0][:120]}") from None
    if about.get("format") != FORMAT:
        raise BundleError(f"{folder.name}/model.toml: format {about.get('format')!r}; this version reads {FORMAT}")
    parts = about.get("parts", [])
    if not isinstance(parts, list) or not all(isinstance(part, dict) and "name" in part for part in parts):
        raise BundleError(f"{folder.name}/model.toml: parts: must be tables, each with a name")
    return about


def verify(bundle: Bundle) -> None:
    """Raise BundleError naming the file that is missing, not listed, or differs from SHA256SUMS."""
    where = bundle.folder
    try:
        lines = (where / SUMS).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{bundle.name}/{SUMS}: {error}") from None
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}
    kind = bundle.about.get("kind", "")
    groove = GROOVE if bundle.about.get("groove") else ()
    needed = COVER if kind in ("cover", "chorale") else (*REQUIRED, *MORE.get(kind, ()), *groove)
    for name in needed:
        if name not in sums:
            raise BundleError(f"{bundle.name}/{name}: not listed in {SUMS}")
    for name, digest in sums.items():
        path = where / name
        if name == CARD or (path.suffix in PICTURES and not path.exists()):
            continue
        if path.name != name or not path.is_file():
            raise BundleError(f"{bundle.name}/{name}: the file is missing")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise BundleError(f"{bundle.name}/{name}: damaged (its hash differs from {SUMS}); install it again")


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS over the folder's files but the card."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name not in (SUMS, CARD))
    text = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files)
    write_whole(folder / SUMS, text.encode())


def _checked(name: str, kind: str) -> Bundle:
    """The verified bundle ``name``, of the kind that is needed."""
    bundle = find(name)
    if bundle.about.get("kind") != kind:
        raise BundleError(f"model: {name!r} is a {bundle.about.get('kind')} model; a {kind} model is needed")
    verify(bundle)
    return bundle


@contextmanager
def _fitting(name: str) -> Iterator[None]:
    """BundleError for whatever goes wrong as a model is put together from its files."""
    try:
        yield
    except Exception as error:  # onnxruntime raises its own kinds, of no common base
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise BundleError(f"{name}: the parts of the bundle do not fit together ({first})") from None


def load_stream(name: str) -> StreamModel:
    """Load and check the stream model ``name``; BundleError names the file that is wrong."""
    from rnnmuse.models import originality
    from rnnmuse.models.stream import StreamModel
    from rnnmuse.music.codec import PartClass

    bundle = _checked(name, "stream")
    if "slots" not in bundle.about.get("shape", {}):
        raise BundleError(f"{bundle.name}: trained by an earlier version, without memory; train it again")
    weights = read_weights(bundle)
    with _fitting(name):
        about = bundle.about
        parts = tuple(PartClass(**{**part, "families": tuple(part.get("families", ()))}) for part in about["parts"])
        model = StreamModel(
            name,
            parts,
            weights,
            (bundle.folder / "step.onnx").read_bytes(),
            about["shape"]["slots"],
            _forms(bundle.folder),
            float(about.get("minor", 0.3)),
            bool(about.get("score", False)),
            about.get("pitches", ()),
            float(about.get("top_p", 0.96)),
            float(about.get("gravity", 0.3)),
            float(about.get("restate", 0.0)),
            float(about.get("clash", 0.0)),
            [(bundle.folder / file).read_bytes() for file in READS if (bundle.folder / file).exists()],
            about.get("registers", ()),
            about.get("follow", ()),
            float(about.get("touch", 0.99)),
            about.get("opening"),
            float(about.get("again", 0.0)),
            float(about.get("dense", 9.0)),
            float(about.get("pace", 0.0)),
            float(about.get("stepwise", 0.0)),
            float(about.get("rhythm", 0.0)),
            float(about.get("verbatim", 0.0)),
        )
        model.digest = bundle.digest
        corpus = bundle.folder / originality.FILE
        model.corpus = originality.Index.load(corpus) if corpus.exists() else None
        return model


def write_forms(folder: Path, forms: Sequence[Sequence[Sequence[int]]]) -> None:
    """Write the forms of real pieces into a bundle; all rows have the same columns."""
    import numpy as np

    rows = np.array([row for form in forms for row in form], np.int8)
    np.savez_compressed(folder / "forms.npz", rows=rows, lengths=np.array([len(form) for form in forms], np.int16))


def _forms(folder: Path) -> list[list[list[int]]]:
    """The forms of a bundle; those of earlier versions are a list in JSON."""
    if not (folder / "forms.npz").exists():
        earlier = folder / "forms.json"
        return list(json.loads(earlier.read_text("utf-8"))) if earlier.exists() else []
    import numpy as np

    with np.load(folder / "forms.npz") as held:
        rows, lengths = held["rows"].tolist(), held["lengths"].tolist()
    out: list[list[list[int]]] = []
    for length in lengths:
        at = sum(map(len, out))
        out.append(rows[at : at + length])
    return out


def load_cover(name: str) -> CoverModel:
    """Load and check the cover model ``name``; BundleError names the file that is wrong."""
    from rnnmuse.models.cover import CoverModel

    bundle = _checked(name, "cover")
    weights = read_weights(bundle)
    with _fitting(name):
        model = CoverModel(name, weights, bundle.about["mean"], bundle.about["spread"])
        model.digest = bundle.digest
        return model


def load_chorale(name: str) -> ChoraleModel:
    """Load and check the chorale model ``name``; BundleError names the file that is wrong."""
    from rnnmuse.models.chorale import ChoraleModel

    bundle = _checked(name, "chorale")
    weights = read_weights(bundle)
    with _fitting(name):
        return ChoraleModel(name, weights, bundle.about["low"], bundle.about["high"])


def load_text(name: str) -> TextModel:
    """Load and check the text model ``name``; BundleError names the file that is wrong."""
    from rnnmuse.models.alphabet import Alphabet
    from rnnmuse.models.fingerprint import Fingerprint
    from rnnmuse.models.text import TextModel

    bundle = _checked(name, "text")
    weights = read_weights(bundle)
    known = bundle.folder / "training.bin"
    with _fitting(name):
        alphabet = Alphabet(json.loads((bundle.folder / "alphabet.json").read_text("utf-8")))
        training = Fingerprint.load(known) if known.exists() else None
        model = TextModel(name, alphabet, weights, (bundle.folder / "step.onnx").read_bytes(), bundle.about, training)
        model.digest = bundle.digest
        return model


def load_phrase(name: str) -> PhraseModel:
    """Load and check the phrase model ``name``; BundleError names the file that is wrong."""
    from rnnmuse.models.groove import GrooveModel
    from rnnmuse.models.phrase import PhraseModel

    bundle = _checked(name, "phrase")
    weights = read_weights(bundle)
    groove_weights = read_weights(bundle, GROOVE[0]) if bundle.about.get("groove") else None
    with _fitting(name):
        shape = bundle.about["shape"]
        graphs = [(bundle.folder / file).read_bytes() for file in ("encoder.onnx", "step.onnx")]
        model = PhraseModel(name, bool(shape["drum"]), tuple(shape["bars"]), weights, *graphs)
        model.digest = bundle.digest
        if groove_weights is not None:
            model.groove = GrooveModel(groove_weights, *((bundle.folder / file).read_bytes() for file in GROOVE[1:]))
        return model


def load_player(name: str) -> StreamModel | PhraseModel:
    """The model ``name`` of whichever kind a player can have."""
    return load_phrase(name) if find(name).about.get("kind") == "phrase" else load_stream(name)


def read_weights(bundle: Bundle, file: str = "weights.safetensors") -> dict[str, Any]:
    """Weights by name as numpy arrays, finite."""
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights = load_file(bundle.folder / file)
    except (OSError, SafetensorError, struct.error, ValueError) as error:
        raise BundleError(f"{bundle.name}/{file}: {error}") from None
    for key, value in weights.items():
        if not np.isfinite(value).all():
            raise BundleError(f"{bundle.name}/{file}: {key} is not finite")
    scales = {key.removesuffix(".scale"): weights.pop(key) for key in list(weights) if key.endswith(".scale")}
    for key, scale in scales.items():
        if key not in weights:
            raise BundleError(f"{bundle.name}/{file}: {key[:80]!r} has a scale but no values")
        weights[key] = weights[key].astype(np.float32) * scale.astype(np.float32)
    return dict(weights)
