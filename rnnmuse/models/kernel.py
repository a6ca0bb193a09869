"""The compiled kernel: an event of a stream model in C (the folder ``kernel``), where the library was built.

`make kernel` builds it next to this file. It plays the bundles whose graphs are in 4 bits; without it, on a machine
that it was not built for, and for other bundles, `rnnmuse.models.stream` computes the same with numpy and onnxruntime.
Nothing is ever compiled here. ``RNNMUSE_KERNEL=off`` leaves it out.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    addressof,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_void_p,
)
from functools import cache
from pathlib import Path
from random import Random
from struct import pack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.memory import Memory
from rnnmuse.models.sampling import COLD

Floats = NDArray[np.float32]
VERSION = 3
"""Of the structs and functions of the library: that of another is not used."""
PATH = Path(__file__).with_name("stream-kernel" + (".dll" if os.name == "nt" else ".so"))
LEVELS = ("plain C", "AVX2", "AVX-512 with VNNI")
"""Instruction sets, by their number in the library."""
BLOCK, TOGETHER = 32, 16
FIELDS, READERS, MOST_CLASSES, MOST_WIDTH, MOST_SLOTS = 7, 4, 240, 1024, 8192
COUNTED = (32, 24, 128, 128, 4)
"""Sizes of the arrays at the beginning of ``struct page``."""
HIDDEN = 8 * sum(COUNTED) + 8 + 4 * (MOST_CLASSES + TOGETHER)
"""Where ``hidden`` begins in it."""
AGAIN, NONE = -2, -1
Page = Any
"""A ``struct page`` as an array of bytes."""


class _FourBits(Structure):
    _fields_ = (
        ("bits", c_void_p), ("scales", c_void_p), ("bias", c_void_p), ("inputs", c_int32), ("outputs", c_int32),
    )  # fmt: skip


class _Model(Structure):
    _fields_ = (
        ("table", c_void_p), ("inputs", _FourBits), ("hidden", _FourBits), ("out", _FourBits), ("said", _FourBits * 2),
        ("heads", c_void_p * FIELDS), ("biases", c_void_p * FIELDS),
        ("chosen", c_void_p * (FIELDS - 1)), ("places", c_void_p),
        ("null_key", c_void_p), ("null_value", c_void_p), ("bonus", c_void_p), ("asked", c_void_p),
        ("values", c_void_p),
        ("classes", c_int32 * FIELDS), ("asked_at", c_int32 * 4), ("values_at", c_int32 * (FIELDS + 1)),
        ("rows", c_int32), ("embed", c_int32), ("units", c_int32), ("head", c_int32), ("width", c_int32),
        ("value", c_int32),
    )  # fmt: skip


class _Memory(Structure):
    _fields_ = (
        ("keys", c_void_p), ("values", c_void_p), ("fields", c_void_p), ("times", c_void_p), ("stride", c_int64),
        ("field_stride", c_int64),
    )  # fmt: skip


class _Kernel(Structure):
    _fields_ = (
        ("step", CFUNCTYPE(c_int32, c_void_p, c_char_p, c_int32, c_void_p, c_void_p, c_void_p)),
        ("read", CFUNCTYPE(
            None, c_void_p, c_int32, c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_int64, c_int64,
            c_char_p, c_int32, c_float, c_int32, c_char_p, c_int32,
        )),
        ("choose", CFUNCTYPE(None, c_void_p, c_void_p, c_char_p, c_int32, c_char_p, c_int32)),
        ("draw", CFUNCTYPE(
            c_int32, c_void_p, c_void_p, c_int32, c_char_p, c_int32, c_char_p, c_int32, c_char_p, c_char_p, c_float,
            c_double, c_double,
        )),
    )  # fmt: skip


class Library:
    """The library with the best instruction set that this machine has, or number ``level`` of LEVELS.

    Plain C is only used where it is asked for, since onnxruntime is faster.

    OSError where it cannot be loaded, ValueError where it is of another version or has no such level here.
    """

    def __init__(self, path: Path, level: int | None = None) -> None:
        library = ctypes.CDLL(str(path))
        built = library.version(), library.size_of_model(), library.size_of_page()
        if built != (expected := (VERSION, ctypes.sizeof(_Model), HIDDEN)):
            raise ValueError(f"{path}: version {built}; must be {expected}: run make kernel again")
        library.kernel.restype = POINTER(_Kernel)
        tried = (2, 1) if level is None else (level,)
        found = next((one for one in tried if library.kernel(one)), None)
        if found is None:
            raise ValueError(f"{path}: this machine does not have {' or '.join(LEVELS[one] for one in tried)}")
        functions = library.kernel(found).contents
        self.path, self.level = path, LEVELS[found]
        self.step, self.read, self.choose, self.draw = functions.step, functions.read, functions.choose, functions.draw
        self.drawn_inside, self.remember = library.drawn_inside, library.remember
        self.remember.argtypes = (c_void_p, c_void_p, c_int64, c_void_p, c_char_p, c_int64, c_int64)
        self.drawn_inside.argtypes = (c_void_p, c_int32, c_double, c_double)


@cache
def library() -> Library | None:
    """The library that was built for this installation; None without one that fits."""
    if os.environ.get("RNNMUSE_KERNEL") == "off" or not PATH.exists():
        return None
    try:
        return Library(PATH)
    except (OSError, ValueError, AttributeError):
        return None


def in_use() -> str:
    """Whether the kernel is used, in words, and why not."""
    found = library()
    if found is not None:
        return f"used, with {found.level}"
    if os.environ.get("RNNMUSE_KERNEL") == "off":
        return "not used: RNNMUSE_KERNEL=off"
    try:
        if not PATH.exists():
            return "not built; numpy and onnxruntime play"
        return f"not used: {Library(PATH).path}"
    except (OSError, ValueError, AttributeError) as error:
        return f"not used: {error}"


class Compiled:
    """The weights of one model as the kernel reads them.

    ``step`` and ``said`` are its graphs; the rest are the arrays of `rnnmuse.models.stream.StreamModel` of the same
    names. ValueError where the kernel does not play such a model.
    """

    def __init__(
        self,
        library: Library,
        step: bytes,
        said: Sequence[bytes],
        table: Floats,
        heads: Sequence[tuple[Floats, Floats]],
        chosen: Sequence[Floats],
        places: Floats,
        null_key: Floats,
        null_value: Floats,
        bonus: Floats,
        asked: Floats,
        asked_at: Sequence[int],
        values: Floats,
        values_at: Sequence[int],
        slots: int,
    ) -> None:
        tensors, reads = tensors_of(step), [tensors_of(graph) for graph in said]
        if "w_out_bits" not in tensors or len(reads) != 2 or any("w_bits" not in read for read in reads):
            raise ValueError("graphs: not in 4 bits")
        self._kept: list[NDArray[Any]] = []
        model = self._model = _Model()
        model.table = self._at(table)
        model.inputs = self._four_bits(tensors, "l0_w_ih", "l0_b_ih")
        model.hidden = self._four_bits(tensors, "l0_w_hh", "l0_b_hh")
        model.out = self._four_bits(tensors, "w_out", "b_out")
        for i, read in enumerate(reads):
            model.said[i] = self._four_bits(read, "w")
        for head, (weight, bias) in enumerate(heads):
            model.heads[head], model.biases[head], model.classes[head] = self._at(weight), self._at(bias), len(bias)
        model.null_key, model.null_value, model.bonus = self._at(null_key), self._at(null_value), self._at(bonus)
        for head, rows in enumerate(chosen):
            model.chosen[head] = self._at(rows)
        model.values, model.values_at = self._at(values), (c_int32 * (FIELDS + 1))(*values_at)
        model.places, model.asked, model.asked_at = self._at(places), self._at(asked), (c_int32 * 4)(*asked_at)
        model.rows, model.embed = table.shape
        model.units, model.head = model.hidden.inputs, heads[0][0].shape[1]
        model.width, model.value = null_key.size, null_value.size
        if (
            len(heads) != FIELDS
            or bonus.shape != (READERS, 4)
            or max(model.classes) > MOST_CLASSES
            or max(model.embed, model.units, model.head, READERS * model.value) > MOST_WIDTH
            or any(size % 64 for size in (model.units, model.head, model.value, model.width))
            or model.inputs.outputs != 3 * model.units
            or slots > MOST_SLOTS
        ):
            raise ValueError("shape: not one that the kernel plays")
        self._address = ctypes.addressof(model)
        self.classes = [len(bias) for _, bias in heads]
        """Of each head."""
        self._head, self._widths = model.head, (model.width, model.value)
        self._state, self._out = c_char * (4 * model.units), c_char * (4 * model.out.outputs)
        self.page = c_char * (HIDDEN + 4 * FIELDS * self._head)
        """The type of a distribution's memory."""
        self._step, self._read, self._choose, self._draw, self._inside, self._remember = (
            library.step, library.read, library.choose, library.draw, library.drawn_inside, library.remember,
        )  # fmt: skip

    def step(self, rows: Sequence[int], state: Floats) -> tuple[Floats, Floats]:
        """The trunk's new state (1, H), and what is computed from it (W,), from the rows of the table that it reads."""
        new, out = self._state(), self._out()
        if not self._step(
            self._address, pack(f"{len(rows)}i", *rows), len(rows), address(state), addressof(new), addressof(out)
        ):
            raise IndexError(f"event, context: a class beyond those of the model, in rows {sorted(rows)}")
        return np.frombuffer(new, np.float32)[None], np.frombuffer(out, np.float32)

    def read(
        self,
        which: int,
        out: Floats,
        page: Page,
        memory: Memory,
        count: int,
        table: Floats,
        now: int,
        more: Sequence[int] = (),
        nats: float = 0.0,
        lifted: int = 0,
        chosen: bytes = b"",
        last: int = -1,
    ) -> None:
        """Read 1 or 2 (``which`` 0 or 1) of a state with ``count`` slots at grid position ``now``, into ``page``.

        ``out`` is that of `step`. ``nats`` are added to the scores of the slots ``more``, and half of them
        to the gates whose bits are set in ``lifted``.
        """
        start, end = memory.span(count)
        self._read(
            self._address, which, address(out), addressof(page), self._pointers(memory), start, end - start,
            address(table), len(table), now, pack(f"{len(more)}i", *more) if more else b"", len(more), nats, lifted,
            chosen, last,
        )  # fmt: skip

    def remember(
        self, memory: Memory, count: int, key: Floats, event: Sequence[int], interval: int, before: int, after: int
    ) -> Memory:
        """`Memory.added` of the slot with this key, for ``event`` and the interval that led to it."""
        memory, row = memory.room(count)
        if not self._remember(
            self._address, self._pointers(memory), row, address(key), bytes((*event, interval)), before, after
        ):
            raise IndexError(f"event: {tuple(event)}; has a class that the model has not")
        memory.count += 1
        return memory

    def _pointers(self, memory: Memory) -> int:
        """The address of a ``struct memory``."""
        if memory.pointers is None:
            keys, values, fields, times = memory.arrays
            if (len(keys), values.shape[1]) != self._widths:
                raise ValueError("state: not one of this model; its sizes differ")
            strides = keys.strides[0] // keys.itemsize, fields.strides[0]
            memory.pointers = _Memory(address(keys), address(values), address(fields), address(times), *strides)
        return addressof(memory.pointers)

    def choose(self, page: Page, chosen: Sequence[int], places: Sequence[int] = ()) -> None:
        """Add what the ``chosen`` classes and the place, rows of its table, say to the later heads."""
        self._choose(
            self._address, addressof(page), bytes(chosen), len(chosen), pack(f"{len(places)}i", *places), len(places)
        )

    def draw(
        self,
        head: int,
        page: Page,
        chosen: Sequence[int],
        shut: bytes | None,
        mixed: bool,
        random: Random,
        temperature: float,
        top_p: float,
        mask: bytes | None,
        lean: bytes | None,
    ) -> int:
        """A class of ``head``, as `rnnmuse.models.sampling` draws it. ``mask`` is a byte a class, ``lean`` a float."""
        at, count = addressof(page), self.classes[head]
        if (mask is not None and len(mask) != count) or (lean is not None and len(lean) != 4 * count):
            raise ValueError(f"mask, lean: must have the {count} classes of the head")
        found: int = self._draw(
            self._address, at, head, bytes(chosen), len(chosen), shut, mixed, mask, lean, temperature, top_p,
            0.0 if temperature < COLD else random.random(),
        )  # fmt: skip
        if found == AGAIN:
            found = self._inside(at, count, top_p, random.random())
        if found == NONE:
            raise ValueError("mask: allows no class")
        return found

    def hidden(self, page: Page) -> Floats:
        """What the heads read (7, head)."""
        return np.frombuffer(page, np.float32, -1, HIDDEN).reshape(FIELDS, self._head)

    def counted(self, page: Page) -> list[NDArray[np.float64]]:
        """What the memory points to: beats, sub, pitch as it was, pitch by interval; and the gates of these."""
        return np.split(np.frombuffer(page, np.float64, sum(COUNTED)), np.cumsum(COUNTED)[:-1])

    def _at(self, values: NDArray[Any]) -> int:
        """The address of an array, which is kept."""
        values = np.ascontiguousarray(values)
        self._kept.append(values)
        found: int = values.__array_interface__["data"][0]
        return found

    def _four_bits(self, tensors: dict[str, NDArray[Any]], name: str, bias: str = "") -> _FourBits:
        """A matrix of a graph, in the order of ``struct four_bits``."""
        packed, scale = tensors[f"{name}_bits"], tensors[f"{name}_scale"]
        rows, blocks, _ = packed.shape
        groups = -(-rows // TOGETHER)
        over = groups * TOGETHER - rows
        levels = np.stack((packed & 15, packed >> 4), -1)  # (rows, blocks, 16, 2): columns in order
        levels = np.pad(levels, ((0, over), (0, 0), (0, 0), (0, 0)), constant_values=8)
        levels = levels.reshape(groups, TOGETHER, blocks, 2, 4, 4).transpose(3, 0, 2, 4, 1, 5)
        scales = np.pad(scale.reshape(rows, blocks), ((0, over), (0, 0))).reshape(groups, TOGETHER, blocks)
        return _FourBits(
            self._at(levels[0] | levels[1] << 4),
            self._at(scales.transpose(0, 2, 1)),
            self._at(np.pad(tensors[bias], (0, over))) if bias else None,
            blocks * BLOCK,
            groups * TOGETHER,
        )


def address(values: NDArray[Any]) -> int:
    """The address of an array's first number."""
    return addressof(c_char.from_buffer(values.data))


def tensors_of(graph: bytes) -> dict[str, NDArray[Any]]:
    """The constants of an ONNX graph by name, those of floats and bytes that are stored as raw data."""
    out: dict[str, NDArray[Any]] = {}
    kinds = {1: np.float32, 2: np.uint8}  # TensorProto.DataType
    for field, model in _messages(graph):
        for part, tensor in _messages(model) if field == 7 else ():  # ModelProto.graph
            if part != 5:  # GraphProto.initializer
                continue
            sizes: list[int] = []
            kind, name, data = 0, "", b""
            for key, value in _messages(tensor):
                if key == 1:
                    sizes += [value] if isinstance(value, int) else _varints(value)
                elif key == 2:
                    kind = value
                elif key == 8:
                    name = value.decode()
                elif key == 9:
                    data = value
            if kind in kinds and data:
                out[name] = np.frombuffer(data, kinds[kind]).reshape(sizes)
    return out


def _messages(data: bytes) -> list[tuple[int, Any]]:
    """The fields of a protobuf message: numbers as they are, all else as bytes."""
    at, out = 0, list[tuple[int, Any]]()
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                out.append((tag >> 3, value))
            case 2:
                size, at = _varint(data, at)
                out.append((tag >> 3, data[at : at + size]))
                at += size
            case 1 | 5 as width:
                at += 8 if width == 1 else 4
            case _:
                raise ValueError("graph: not an ONNX file")
    return out


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 128:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def _varints(data: bytes) -> list[int]:
    at, out = 0, []
    while at < len(data):
        value, at = _varint(data, at)
        out.append(value)
    return out
