"""How hard a data set is, measured by methods that need no training.

A synthetic world is of use only if it is as hard as nature: if a nearest neighbour is right as
often as on real barcodes, if ImageNet features confuse its species as they confuse real ones,
if Otsu's threshold cuts its organisms out as badly. The functions take arrays, so that a real
data set can be measured with the same.

Every figure has an interval, 95 %. Where answers within a genus stand or fall together it is a
bootstrap over genera; Wilson's is for shares of things that are independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Figure", "image_neighbours", "mean_figure", "overlap", "share_figure"]

Labels = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Figure:
    """A figure with its interval, the number it was measured on, and what is counted."""

    value: float
    low: float
    high: float
    n: int
    unit: str

    def row(self) -> dict[str, object]:
        """Return it as a bench returns it."""
        return {
            "value": round(self.value, 3), "low": round(self.low, 3), "high": round(self.high, 3),
            "n": self.n, "unit": self.unit,
        }  # fmt: skip


def share_figure(
    right: npt.NDArray[np.bool_], unit: str, groups: Labels | None = None, rounds: int = 1000
) -> Figure:
    """Return how often something is right, in percent.

    Args:
        right: One answer each.
        unit: What is counted.
        groups: Answers of one group (a genus) are drawn together. Without, Wilson's interval.
        rounds: Of the bootstrap.
    """
    if groups is not None:
        figure = mean_figure(np.where(right, 100.0, 0.0), unit, groups, rounds)
        # A bootstrap of nothing but right answers has no width.
        if 0 < figure.value < 100:
            return figure
    n, share, z = len(right), float(np.mean(right)), 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Figure(100 * share, 100 * (middle - half), 100 * (middle + half), n, unit)


def mean_figure(
    values: npt.NDArray[np.floating[Any]], unit: str, groups: Labels, rounds: int = 1000
) -> Figure:
    """Return a mean, with the interval of a bootstrap over groups."""
    number = np.unique(groups, return_inverse=True)[1]
    total = np.bincount(number, values)
    count = np.bincount(number)
    drawn = np.random.default_rng(0).integers(len(count), size=(rounds, len(count)))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Figure(float(np.mean(values)), float(low), float(high), len(values), unit)


def image_neighbours(
    features: Floats, species: Labels, genus: Labels, family: Labels, specimen: Labels
) -> dict[str, Figure]:
    """Return how often the nearest picture of another specimen has the right species and family.

    No figure is returned where nothing could be asked.

    Asked are the pictures whose species has another specimen; all pictures may be answers.

    Args:
        features: float32[n, d], unit length.
        species: Of each picture, as a number or a name; unique beyond its genus.
        genus: For the interval.
        family: Of each picture.
        specimen: Pictures of one specimen do not answer for each other.
    """
    number = np.unique(specimen, return_inverse=True)[1]
    kind = np.unique(species, return_inverse=True)[1]
    specimens_of = np.bincount(np.unique(np.stack([kind, number]), axis=1)[0])
    asked = np.flatnonzero(specimens_of[kind] > 1)
    if not len(asked):
        return {}
    nearest = np.empty(len(asked), np.int64)
    for start in range(0, len(asked), 1024):  # so that memory stays small
        few = asked[start : start + 1024]
        cosine = features[few] @ features.T
        cosine[number[few][:, None] == number[None]] = -2
        nearest[start : start + len(few)] = cosine.argmax(axis=1)
    return {
        rank: share_figure(
            labels[nearest] == labels[asked], f"% of pictures, {rank} of the nearest", genus[asked]
        )
        for rank, labels in (("species", species), ("family", family))
    }


def overlap(found: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> float:
    """Return the intersection of two masks over their union."""
    union = int(np.count_nonzero(found | true))
    return int(np.count_nonzero(found & true)) / union if union else 1.0
