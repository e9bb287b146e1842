"""What turns things into vectors: the one shape that every encoder has, whatever it looks at.

A classifier's head is no encoder; it is evidence, and lives where identification is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Encoder", "Floats"]

Floats = NDArray[np.float32]


class Encoder(Protocol):
    """Items in, unit vectors out.

    Attributes:
        name: What people call it.
        modality: barcode, image, text or place.
        dim: The length of a vector.
        space: Encoders with the same space may be compared with each other.
        id: A hash of the weights and of what is done to an item before them. It keys every stored
            vector, so that vectors of two encoders are never mixed.
        card: What it was trained on, how, under which licences, and what it scored.
    """

    name: str
    modality: str
    dim: int
    space: str
    id: str
    card: Mapping[str, Any]

    def encode(self, items: Sequence[Any], rejects: list[tuple[int, str]] | None = None) -> Floats:
        """Return float32[n, dim], rows of unit length in the order of the items.

        Args:
            items: Sequences, pictures, texts or places. None is an item that is missing.
            rejects: What cannot be read is added here: its row, and why. The row is NaN.
        """
        ...
