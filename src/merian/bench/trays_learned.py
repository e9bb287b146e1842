"""Bodies in drawn trays, found by a network that was trained and by the classical finder.

The worlds are none that the network learned from (`merian.bench.drawn_trays`) and none that levels
were chosen on (worlds 21 to 23). Whole trays go the way that `merian tray` goes: tiles, merging and
all. A count error is the sum of the differences tray by tray, as a share of all bodies; intervals
are those of a bootstrap over trays.

Photographs of one's own are asked in their place: of a COCO file with masks, such as MassID45's,
whose validation and test are those that were published.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from merian.bench.coco_bodies import true_bodies
from merian.bench.drawn_trays import ASKED, write_worlds
from merian.bench.instance_scores import Compared, compare, figures
from merian.tray.finding import finder as finder_of
from merian.tray.search import bodies_in

__all__ = ["run"]

_TOLD = ("AP", "AP50", "AP75", "AP small", "AP medium", "AP large", "AR", "F1", "precision",
         "recall", "score at best F1", "found", "there", "count error")  # fmt: skip
_WITH_INTERVAL = ("AP", "AP50", "F1", "count error")
_ROUNDS = 200


def run(
    *,
    seeds: Sequence[int] = ASKED,
    trays: int = 1,
    level: int = 2,
    finders: str = "classical",
    folder: Path | None = None,
    data: Path | None = None,
    part: str = "",
    categories: str = "",
    ignored: str = "",
) -> dict[str, dict[str, Any]]:
    """Measure the finders.

    Args:
        seeds: Of the worlds.
        trays: Of each world.
        level: Of nuisance and crowding, 1 to 3.
        finders: Which, with commas between: classical, or the folder of a run.
        folder: Where the trays are kept; they are drawn anew if not given.
        data: A COCO file with its pictures beside it, to be asked in place of drawn trays.
        part: Of its pictures: train, valid or test; all if not given.
        categories: What is a body in it, names with commas between; all if not given.
        ignored: What is neither a body nor ground in it, the same.
    """
    told: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory(prefix="merian-trays-") as made:
        files = [data] if data is not None else write_worlds(
            folder or Path(made), seeds, trays=trays, level=level, size=(1600, 1200)
        )  # fmt: skip
        for name in finders.split(","):
            compared = [
                one for file in files for one in _compared(file, name, part, categories, ignored)
            ]
            told |= {f"{name}: {k}": v for k, v in _figures(compared).items()}
    return told


def _compared(
    coco: Path, finder: str, part: str, categories: str, ignored: str
) -> Iterator[Compared]:
    """Compare what a finder finds in each picture with what is there."""
    find = finder_of(finder)[1]
    wanted, unasked = ([one for one in names.split(",") if one] for names in (categories, ignored))
    for truth in true_bodies(coco, part, wanted, unasked):
        found = bodies_in(truth.photograph, find, workers=1)
        yield compare(found, truth.bodies, ignored=truth.ignored)


def _figures(pairs: Sequence[Compared]) -> dict[str, dict[str, Any]]:
    """Return the figures of some trays."""
    value = figures(pairs)
    random = np.random.default_rng(0)
    drawn = [
        figures([pairs[i] for i in random.integers(len(pairs), size=len(pairs))])
        for _ in range(_ROUNDS if len(pairs) > 2 else 0)
    ]
    told: dict[str, dict[str, Any]] = {}
    for name in _TOLD:
        if math.isnan(value[name]):
            continue
        unit = "bodies" if name in ("found", "there") else "share"
        told[name] = {"value": round(value[name], 4), "unit": unit, "n": len(pairs)}
        if drawn and name in _WITH_INTERVAL:
            low, high = np.quantile([one[name] for one in drawn], (0.025, 0.975))
            told[name] |= {"low": round(float(low), 4), "high": round(float(high), 4)}
    return told
