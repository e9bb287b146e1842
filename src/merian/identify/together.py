"""What libraries that answer about one record have learnt of each other: worth and promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.identify.fusion import Witness
from merian.identify.promise import Promise

__all__ = ["Decided", "Together"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Together:
    """What is known of several libraries that are asked about one record.

    Attributes:
        worth: Of the prior, of what each library says, and, where they count, of place and date.
        whole: Promises for records of which all lack as much, then, for each of the libraries, of
            which it alone has the species; each as strict as those before. The barcodes are whole.
        pieces: The same where a barcode is but a piece; as strict as all of whole ones.
    """

    worth: Floats
    whole: tuple[Promise, ...]
    pieces: tuple[Promise, ...] = ()

    def promise(self, *, piece: bool = True) -> Promise:
        """Return what holds in all cases that a record may be: the last has the strictest."""
        return (self.pieces or self.whole if piece else self.whole)[-1]


@dataclass(frozen=True)
class Decided:
    """What decides the answers of several libraries.

    Attributes:
        worth: Of the prior, and of what each library says.
        whole: By rank, the probability that is needed to stand there.
        pieces: The same where a barcode is but a piece.
    """

    worth: list[float]
    whole: list[float]
    pieces: list[float]

    def thresholds(self, witnesses: Sequence[Witness]) -> Floats:
        """Return what is needed of a record of which something is said."""
        needed = self.pieces if any(one.piece for one in witnesses) else self.whole
        return np.array([needed])
