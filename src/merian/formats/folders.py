"""The files of a folder, in an order that does not hang on the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["visible_files"]


def visible_files(root: Path) -> Iterator[Path]:
    """Return the files below a folder but hidden ones, sorted within each folder."""
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(folder) / name
