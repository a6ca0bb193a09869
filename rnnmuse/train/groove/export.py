"""From trained groove weights to the files of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from rnnmuse.train.graph import decoder_graph, encoder_graph, in_half


def write_groove(weights: Mapping[str, Any], folder: Path) -> None:
    """Write ``groove.safetensors`` and the two graphs ``groove-reader.onnx`` and ``groove-step.onnx``."""

    half = {key: np.ascontiguousarray(np.asarray(value, np.float16)) for key, value in weights.items()}
    save_file(half, folder / "groove.safetensors")
    (folder / "groove-reader.onnx").write_bytes(encoder_graph(half, every=1).SerializeToString())
    (folder / "groove-step.onnx").write_bytes(in_half(decoder_graph(half)).SerializeToString())
