"""What comes out of dividing: the part of every record, and the rule that put it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merian.catalogue.splits.plan import Part

__all__ = ["Placing", "Reasons"]


@dataclass(frozen=True, eq=False)
class Placing:
    """Where each record goes.

    Attributes:
        parts: All parts, also those that hold nothing.
        part: int8; of each record.
        piece: int32; records of one number hang together.
        reason: int32; of each record.
        reasons: The texts.
        notes: What the reader should know.
    """

    parts: tuple[Part, ...]
    part: npt.NDArray[np.int8]
    piece: npt.NDArray[np.int32]
    reason: npt.NDArray[np.int32]
    reasons: Sequence[str]
    notes: tuple[str, ...] = ()


class Reasons:
    """Texts that are said of many records, each once."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Return the number of a text."""
        return self.texts.setdefault(text, len(self.texts))
