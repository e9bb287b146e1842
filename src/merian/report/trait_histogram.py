"""How often which value of a trait was measured, in bins whose edges are round numbers."""

from __future__ import annotations

import math

from merian.measure.stage import Stage
from merian.report.page import Histogram

__all__ = ["round_edges", "trait_histogram"]

_BINS = 24  # at most
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0, 20.0)


def round_edges(low: float, high: float, most: int = _BINS) -> list[float]:
    """Return edges of bins that hold all from `low` to `high`, each a few digits long."""
    power = math.floor(math.log10((high - low) / most))
    for wide in _STEPS:
        step = wide * 10.0**power
        first, last = math.floor(low / step), math.floor(high / step) + 1
        if last - first <= most:
            break
    digits = max(0, 1 - power)
    return [round(at * step, digits) for at in range(first, last + 1)]


def trait_histogram(stage: Stage, trait: str, unit: str, title: str, of: str) -> Histogram | None:
    """Return the histogram of a trait; None where there are no two values.

    Args:
        stage: What was measured.
        trait: The id of the trait.
        unit: Values in other units are left out.
        title: What is counted.
        of: What has the values: specimens, bodies.
    """
    low, high = next(stage.rows(
        "SELECT min(value), max(value) FROM measured WHERE trait = ? AND unit = ?", trait, unit
    ))  # fmt: skip
    if low is None or high <= low:
        return None
    edges = round_edges(low, high)
    step = (edges[-1] - edges[0]) / (len(edges) - 1)
    counted = stage.rows(
        "SELECT least(floor((value - ?) / ?), ?)::BIGINT, count(*) FROM measured "
        "WHERE trait = ? AND unit = ? GROUP BY 1 ORDER BY 1",
        edges[0], step, len(edges) - 2, trait, unit,
    )  # fmt: skip
    # As many times the same number: a histogram wants values, and this is a list of pointers.
    values = [edges[bin] + step / 2 for bin, count in counted for _ in range(count)]
    return Histogram(title, [(of, values)], edges, unit)
