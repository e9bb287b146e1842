"""Finding every body in the photograph of a tray, and counting them against the truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.demo.tables import rows_of
from merian.demo.thumbs import shrunk
from merian.measure.asked import of_files
from merian.measure.calibration import declared
from merian.measure.definitions import chosen, definitions
from merian.report import Figures, Histogram, Picture, Pictures, Section, Text
from merian.report.trayed import write_page
from merian.tray.bodies import SIZES, Settings
from merian.tray.finding import finder
from merian.tray.run import Done, find_all

__all__ = ["Poured", "find_bodies", "tell_poured"]

_SURE = 0.01  # what the world's own scales are told with
_ALIKE = 0.5  # of two boxes, the share of what both cover

Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class Poured:
    """What was found in a tray.

    Attributes:
        done: What the run has come to.
        true: How many bodies there are in truth.
        matched: How many of them have a box of their own that is nearly theirs.
        lengths: Of the bodies found, in mm.
        overlay: The tray with what was found drawn over it.
    """

    done: Done
    true: int
    matched: int
    lengths: Sequence[float]
    overlay: Path


def find_bodies(folder: Path) -> Poured | None:
    """Look at the tray of the world, if it has one.

    Args:
        folder: Of the demonstration.
    """
    trays = folder / "world" / "trays"
    if not (trays / "trays.coco.json").is_file():
        return None
    told = json.loads((trays / "trays.coco.json").read_text(encoding="utf-8"))
    image = told["images"][0]
    true = np.array([one["bbox"] for one in told["annotations"] if one["image_id"] == image["id"]],
                    np.float64)  # fmt: skip
    name, find = finder("classical")
    scale = declared(float(image["px_per_mm"]), _SURE, "trays.coco.json")
    settings = Settings(name, find, chosen(definitions(), SIZES), scale)
    photo, out = trays / image["file_name"], folder / "tray"
    done = find_all(of_files([photo]), settings, out, page=write_page, sources=[photo])
    rows = rows_of(out / "instances.tsv")
    boxes = [[float(row[key]) for key in ("left", "top", "width", "height")] for row in rows]
    return Poured(
        done, len(true), _matched(np.array(boxes, np.float64).reshape(-1, 4), true.reshape(-1, 4)),
        [float(row["length"]) for row in rows if row["unit"] == "mm" and row["length"]],
        next((out / "overlays").glob("*.png")),
    )  # fmt: skip


def _matched(found: Boxes, true: Boxes) -> int:
    """Return how many boxes have one of the others for themselves, the most alike first."""
    low = np.maximum(found[:, None, :2], true[None, :, :2])
    high = np.minimum((found[:, :2] + found[:, 2:])[:, None], (true[:, :2] + true[:, 2:])[None])
    both = np.clip(high - low, 0, None).prod(axis=2)
    either = found[:, 2:].prod(axis=1)[:, None] + true[:, 2:].prod(axis=1)[None] - both
    alike = both / np.maximum(either, 1)
    count = 0
    while alike.size and alike.max() >= _ALIKE:
        one, other = np.unravel_index(alike.argmax(), alike.shape)
        alike[one], alike[:, other] = 0, 0
        count += 1
    return count


def tell_poured(poured: Poured) -> Section:
    """Return the section."""
    largest = max(poured.lengths, default=1.0)
    return Section(
        "A tray",
        [
            Text(
                "A trap's catch in one photograph. Every body is found, cut out and measured; "
                "where bodies lie over each other even the truth shows only what can be seen."
            ),
            Figures(
                [
                    (poured.done.bodies, "bodies were found"),
                    (poured.true, "are there in truth"),
                    (poured.matched, "of these have a box of their own"),
                ]
            ),
            Pictures([Picture(shrunk(poured.overlay), alternative="the tray with outlines")],
                     "What was found, drawn over the photograph", width=620),
            Histogram(
                "How long they are", [("bodies", list(poured.lengths))],
                [float(edge) for edge in np.linspace(0, np.ceil(largest), 21)], "mm",
            ),
        ],
    )  # fmt: skip
