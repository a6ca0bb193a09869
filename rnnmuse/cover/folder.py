"""Where covers that were asked for over the wire go."""

from __future__ import annotations

import os
from pathlib import Path

from rnnmuse.models.bundle import user_folder


def covers_folder() -> Path:
    """``$RNNMUSE_COVERS``, else ``covers`` beside the models."""
    given = os.environ.get("RNNMUSE_COVERS")
    return Path(given) if given else user_folder().parent / "covers"
