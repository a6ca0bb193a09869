"""Text files for training: read, cleaned, sorted into splits, and turned into one long row of classes.

Texts are .txt files (Markdown, LRC and the like too: whatever is UTF-8) and JSON lines with a ``text`` or ``lines``
field, either of them gzipped or not. What is no text is refused with one line each.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from rnnmuse.errors import RnnmuseError
from rnnmuse.models.alphabet import START, Alphabet, alphabet_of, cleaned
from rnnmuse.text.grid import Grid, places_of
from rnnmuse.train.text.network import TextNet
from rnnmuse.train.text.recipe import TextRecipe

ENDINGS = (".txt", ".md", ".text", ".jsonl", ".lrc", ".fountain")
MOST_BYTES = 512 << 20
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]+")
_STOPS = re.compile(r"[，。！？；、：]")
_NUMBERS = re.compile(r"([一二三四五六七八九十百]+首)?( ?其?[一二三四五六七八九十]+)?$")
LONGEST_TITLE = 12


@dataclass(slots=True)
class Texts:
    """Texts by split, and what could not be read, a line each.

    ``titled`` are texts of ``train`` with their titles; ``beside`` are texts of other kinds that are learned from too.
    Neither counts for the alphabet, and ``beside`` not for the splits.
    """

    train: list[str] = field(default_factory=list)
    validation: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    titled: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    @property
    def own(self) -> list[str]:
        """What the model is to write like: its training texts, without titles and with them."""
        return self.train + self.titled

    @property
    def learned(self) -> list[str]:
        """Every text that is learned from."""
        return self.own + self.beside


def text_files(places: Sequence[Path]) -> list[Path]:
    """The text files among ``places`` and in the folders among them; OSError for a place that is not there."""
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = (path for path in sorted(place.rglob("*")) if path.is_file())
            found += [p for p in inside if p.name.lower().removesuffix(".gz").endswith(ENDINGS) and p.stem != "SOURCE"]
        elif place.exists():
            found.append(place)
        else:
            raise FileNotFoundError(f"{place}: there is no such file or folder")
    return found


@dataclass(frozen=True, slots=True)
class Record:
    """One text of a file: its ``lines`` and, where the file has one, its ``title``."""

    lines: list[str]
    title: str = ""


def read_texts(path: Path, select: dict[str, str] | None = None) -> list[Record]:
    """The texts of a file; RnnmuseError says in one line why there are none."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz" or data[:2] == b"\x1f\x8b":
            unpack = zlib.decompressobj(31)
            data = unpack.decompress(data, MOST_BYTES)
    except (OSError, zlib.error, EOFError) as error:
        raise RnnmuseError(f"{path.name}: {error}") from None
    if len(data) >= MOST_BYTES:
        raise RnnmuseError(f"{path.name}: {len(data) >> 20} MB; must be under {MOST_BYTES >> 20}")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if b"\0" in data[:4096] and encoding != "utf-16":
        raise RnnmuseError(f"{path.name}: is binary; must be text in UTF-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise RnnmuseError(f"{path.name}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    if not path.name.removesuffix(".gz").endswith(".jsonl"):
        text = cleaned(text)
        if not text.strip():
            raise RnnmuseError(f"{path.name}: is empty")
        return [Record(text.split("\n"))]
    return list(_records(path.name, text, select or {}))


def _records(name: str, text: str, select: dict[str, str]) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise RnnmuseError(f"{name}: line {number} is not JSON") from None
        if not isinstance(record, dict):
            raise RnnmuseError(f"{name}: line {number} is {type(record).__name__}; must be an object")
        if any(word not in str(record.get(key, "")) for key, word in select.items()):
            continue
        body: Any = record.get("text", record.get("lines"))
        if isinstance(body, str):
            body = body.split("\n")
        if not isinstance(body, list) or not all(isinstance(part, str) for part in body):
            raise RnnmuseError(f"{name}: line {number} has neither a text nor a list of lines")
        lines = cleaned("\n".join(body)).strip("\n").split("\n")
        if any(lines):
            yield Record(lines, str(record.get("title", "")))


def regulated(lines: Sequence[str]) -> list[str] | None:
    """The four or eight lines of five or seven characters of a poem, without punctuation; None for another form.

    Poems with missing characters (a box) or editors' notes (brackets) are left out.
    """
    halves = _halves(lines)
    return halves if len(halves) in (4, 8) else None


def stanzas(lines: Sequence[str]) -> list[list[str]]:
    """A longer poem of even lines, cut into eights and, where four or more lines are left, a four."""
    halves = _halves(lines)
    if len(halves) <= 8:
        return []
    cuts = range(0, len(halves) - 7, 8)
    rest = halves[8 * len(cuts) :]
    return [halves[at : at + 8] for at in cuts] + ([rest[:4]] if len(rest) >= 4 else [])


def _halves(lines: Sequence[str]) -> list[str]:
    """The lines of a poem whose couplets are all of five or all of seven characters a line; else an empty list."""
    halves: list[str] = []
    for line in lines:
        parts = _STOPS.split(line)
        if len(parts) != 3 or parts[2]:
            return []
        halves += parts[:2]
    sizes = {len(half) for half in halves}
    return halves if sizes in ({5}, {7}) and all(_HAN.fullmatch(half) for half in halves) else []


def plain_title(title: str) -> str:
    """A title without its number in a series; empty where it is too long, not Chinese throughout, or says nothing."""
    short = _NUMBERS.sub("", title.strip()).split(" ")[-1]
    return short if _HAN.fullmatch(short) and short != "句" and len(short) <= LONGEST_TITLE else ""


def split_of(key: str) -> str:
    """The split that a text belongs to, by the hash of its beginning: a twentieth validation, a twentieth test."""
    return {0: "validation", 1: "test"}.get(int(hashlib.sha256(key.encode()).hexdigest(), 16) % 20, "train")


def load_texts(places: Sequence[Path], recipe: TextRecipe) -> Texts:
    """Read every text of ``places``, once each, in the order of its name. RnnmuseError if there is none."""
    out = Texts()
    seen: set[str] = set()
    select = {k: v for table in recipe.data for k, v in table.items() if k.startswith("select_")}
    wanted = {k.removeprefix("select_"): v for k, v in select.items()}
    longer: list[list[str]] = []
    aside = {table["place"] for table in recipe.data if table.get("role") == "beside"}
    for path in text_files(places):
        try:
            records = read_texts(path, wanted)
        except RnnmuseError as error:
            out.unread.append(str(error))
            continue
        for record in records:
            lines = record.lines
            if recipe.verse == "regulated":
                poem = regulated(lines)
                if poem is None:
                    longer += stanzas(lines) if recipe.longer else []
                    continue
                key, text = "".join(poem[:2]), "\n".join(poem) + "\n"
            else:
                text = "\n".join(lines) if recipe.tail else "\n".join(lines).strip()
                key = text[:80]
            if path.name in aside:
                out.beside.append(text)
            elif key not in seen:
                seen.add(key)
                split = "train" if recipe.tail else split_of(key)
                getattr(out, split).append(text)
                title = plain_title(record.title) if recipe.titles and split == "train" else ""
                if title:
                    out.titled.append(f"{title}\n\n{text}")
    held = {line for text in (*out.validation, *out.test) for line in text.split("\n")} if longer else set()
    out.beside += ["\n".join(lines) + "\n" for lines in longer if held.isdisjoint(lines)]
    if recipe.tail and out.train:
        whole = "".join(out.train)
        cut = int(len(whole) * (1 - recipe.validation))
        out.train, out.validation = [whole[:cut]], [whole[cut:]] if recipe.validation else []
    if not out.train:
        raise RnnmuseError(_nothing(places, out))
    if not out.validation and len(out.train) > 0:  # little text: its last tenth
        _hold_out(out, recipe.validation)
    return out


def _hold_out(out: Texts, share: float) -> None:
    longest = max(range(len(out.train)), key=lambda i: len(out.train[i]))
    text = out.train[longest]
    size = int(sum(map(len, out.train)) * share)
    cut = max(len(text) // 2, len(text) - size)
    if share and cut < len(text):
        out.train[longest], out.validation = text[:cut], [text[cut:]]


def _nothing(places: Sequence[Path], out: Texts) -> str:
    where = ", ".join(str(place) for place in places)
    if out.unread:
        more = f" (and {len(out.unread) - 1} more)" if len(out.unread) > 1 else ""
        return f"{where}: no text to learn from: {out.unread[0]}{more}"
    return f"{where}: no text to learn from; put .txt files in UTF-8 there"


@dataclass(slots=True)
class Row:
    """Texts one after the other, START before and after each: ``classes`` (N,) and, on a grid, ``places`` (N,)."""

    classes: NDArray[np.int64]
    places: NDArray[np.int64] | None

    @classmethod
    def of(cls, texts: Sequence[str], alphabet: Alphabet, grid: bool, seed: int = 1) -> Row:
        """The texts in an order drawn from ``seed``."""
        order = np.random.default_rng(seed).permutation(len(texts))
        classes, places = [[START]], [[0]]
        for at in order:
            title, _, text = texts[at].rpartition("\n\n") if grid else ("", "", texts[at])
            head = alphabet.encode(f"{title}\n") if title else []
            classes.append([*head, *alphabet.encode(text), START])
            if grid:
                lines = text.rstrip("\n").split("\n")
                places.append([0] * len(head) + [*places_of(Grid(len(lines), len(lines[0]))), 0])
        flat = np.fromiter((k for text in classes for k in text), np.int64)
        return cls(flat, np.fromiter((p for text in places for p in text), np.int64) if grid else None)

    def __len__(self) -> int:
        return len(self.classes)


@torch.no_grad()
def carried_nll(net: TextNet, row: Row, chunk: int = 512, lanes: int = 1) -> float:
    """Mean nats a character over every character of ``row`` after its first, the state carried from end to end.

    With more ``lanes`` the row is cut into that many and each begins without memory: faster, and a little higher.
    """
    net.eval()
    device = next(net.parameters()).device
    classes = torch.from_numpy(row.classes).to(device)
    places = None if row.places is None else torch.from_numpy(row.places).to(device)
    size = -(-(len(row) - 1) // lanes)
    starts = torch.arange(lanes, device=device) * size
    total, state = 0.0, None
    for at in range(0, size, chunk):
        steps = torch.arange(min(chunk, size - at), device=device)
        index = starts[:, None] + at + steps
        real = index < len(row) - 1
        index = index.clamp(max=len(row) - 2)
        before = classes[(index[:, :2] - 2).clamp(min=0)]
        logits, state = net(classes[index], None if places is None else places[index + 1], state, before)
        nll = functional.cross_entropy(logits.flatten(0, 1), classes[index + 1].flatten(), reduction="none")
        total += float(nll.double()[real.flatten()].sum())
    return total / (len(row) - 1)


@torch.no_grad()
def windowed_nll(net: TextNet, row: Row, window: int = 256, batch: int = 32) -> float:
    """Mean nats a character in windows of ``window`` characters side by side, each begun without memory."""
    net.eval()
    count = (len(row) - 1) // window
    inputs = torch.from_numpy(row.classes[: count * window]).view(count, window)
    targets = torch.from_numpy(row.classes[1 : count * window + 1]).view(count, window)
    total = 0.0
    for at in range(0, count, batch):
        logits, _ = net(inputs[at : at + batch], None, None)  # nothing of what is before the window
        total += float(
            functional.cross_entropy(logits.flatten(0, 1), targets[at : at + batch].flatten(), reduction="sum")
        )
    return total / (count * window)


def alphabet_for(texts: Texts, recipe: TextRecipe) -> Alphabet:
    """The alphabet of the training texts."""
    return alphabet_of(texts.train, recipe.least)
