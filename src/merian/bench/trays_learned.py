"""Bodies in drawn trays, found by a network that was trained and by the classical finder.

The worlds are none that the network learned from (`merian.bench.drawn_trays`) and none that levels
were chosen on (worlds 21 to 23). Whole trays go the way that `merian tray` goes: tiles, merging and
all. A count error is the sum of the differences tray by tray, as a share of all bodies; intervals
are those of a bootstrap over trays.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from merian.bench.drawn_trays import ASKED, write_worlds
from merian.bench.instance_scores import Compared, compare, figures
from merian.formats.outlines import read_mask
from merian.tray.finding import finder as finder_of
from merian.tray.photograph import open_photograph
from merian.tray.search import bodies_in

__all__ = ["TrueBody", "run", "true_bodies"]

_TOLD = ("AP", "AP50", "AP75", "AP small", "AP medium", "AP large", "AR", "F1", "precision",
         "recall", "score at best F1", "found", "there", "count error")  # fmt: skip
_WITH_INTERVAL = ("AP", "AP50", "F1", "count error")
_ROUNDS = 200


class TrueBody(NamedTuple):
    """A true body."""

    mask: NDArray[np.bool_]
    left: int
    top: int


def run(
    *,
    seeds: Sequence[int] = ASKED,
    trays: int = 1,
    level: int = 2,
    finders: str = "classical",
    folder: Path | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure the finders.

    Args:
        seeds: Of the worlds.
        trays: Of each world.
        level: Of nuisance and crowding, 1 to 3.
        finders: Which, with commas between: classical, or the folder of a run.
        folder: Where the trays are kept; they are drawn anew if not given.
    """
    with TemporaryDirectory(prefix="merian-trays-") as made:
        files = write_worlds(folder or Path(made), seeds, trays=trays, level=level,
                             size=(1600, 1200))  # fmt: skip
        told: dict[str, dict[str, Any]] = {}
        for name in finders.split(","):
            compared = [one for file in files for one in _compared(file, name)]
            told |= {f"{name}: {k}": v for k, v in _figures(compared).items()}
    return told


def true_bodies(coco: Path) -> dict[Path, list[TrueBody]]:
    """Return the bodies of each picture of a COCO file of masks."""
    content = json.loads(coco.read_text(encoding="utf-8"))
    names = {image["id"]: coco.parent / image["file_name"] for image in content["images"]}
    found: dict[Path, list[TrueBody]] = {place: [] for place in names.values()}
    for one in content["annotations"]:
        told = one["segmentation"]
        mask = read_mask(told["size"], told["counts"])
        runs = mask.run_lengths()
        whole = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(
            (mask.height, mask.width), order="F"
        )
        left, top, width, height = (int(side) for side in mask.box)
        cut = whole[top : top + height, left : left + width].copy()
        found[names[one["image_id"]]].append(TrueBody(cut, left, top))
    return found


def _compared(coco: Path, finder: str) -> list[Compared]:
    """Compare what a finder finds in each picture with what is there."""
    return [
        compare(bodies_in(open_photograph(str(place)), finder_of(finder)[1], workers=1), true)
        for place, true in true_bodies(coco).items()
    ]


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
