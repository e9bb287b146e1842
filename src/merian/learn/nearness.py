"""How near vectors in fewer bits are to those in float32, asked on a sample of what is embedded.

Fewer bits are harmless to most trained networks and not to all: where a few numbers are much larger
than the rest, the rest is rounded away. So it is measured where it is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from merian.encoder import Floats
from merian.errors import InputError
from merian.learn.embedding_items import Items
from merian.learn.looking import NetworkEncoder

__all__ = ["LEAST", "nearness"]

LEAST = 0.999
"""The lowest cosine to the vector in float32 with which a vector may be used."""

_SAMPLE = 32


def nearness(
    eye: NetworkEncoder, exact: NetworkEncoder, items: Items, count: int, refuse: bool
) -> dict[str, Any]:
    """Return the cosines of a sample's vectors to those in float32, as the index holds them.

    Args:
        eye: What embeds.
        exact: The same in float32.
        items: What is embedded.
        count: How many there are; the sample is spread evenly over them.
        refuse: Whether to stop where a vector is too far off.
    """
    rows = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).round().astype(int))
    sample = [item for row in rows.tolist() for item in items.read(row, row + 1).items]
    wanted, found = exact.encode(sample), eye.encode(sample)
    told = _cosines(wanted, found)
    low = told["lowest"]
    if refuse and low is not None and low < LEAST:
        raise InputError(
            f"in {eye.precision}, a vector of {eye.name} has a cosine of {low:.4f} to the one in "
            f"float32 (a sample of {told['sample']}; {LEAST} expected); take --precision float32"
        )
    return told


def _cosines(wanted: Floats, found: Floats) -> dict[str, Any]:
    there = ~np.isnan(wanted).any(axis=1)
    cosine = (wanted[there].astype(np.float64) * found[there]).sum(axis=1)
    if not len(cosine):
        return {"sample": 0, "mean": None, "lowest": None}
    return {
        "sample": len(cosine),
        "mean": round(float(cosine.mean()), 6),
        "lowest": round(float(cosine.min()), 6),
    }
