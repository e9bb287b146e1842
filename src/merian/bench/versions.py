"""How well what became of each taxon is found between two versions of a checklist.

A real checklist is edited by lot (see `checklist_edits`), so that the truth is known, with ids kept
and with all ids other ones. Told are recall and precision of each kind, how often a taxon that was
decided was decided wrongly, and how long it takes; the last also for a made checklist of any size.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from merian.bench.checklist_edits import edited
from merian.bench.synthetic_checklist import write_checklist
from merian.taxonomy import Taxonomy, read_checklist
from merian.taxonomy.tree import NONE
from merian.taxonomy.versions import KINDS, compare

__all__ = ["run", "scores"]


def run(
    *, checklist: str = "", names: int = 200_000, each: int = 200, seed: int = 0
) -> dict[str, dict[str, object]]:
    """Measure.

    Args:
        checklist: The file or folder of a real one; a made one if not given.
        names: How many names the made one has.
        each: How many edits of each kind.
        seed: Of the edits.
    """
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as folder:
        made = checklist or write_checklist(Path(folder) / "checklist", names, seed)
        old, _ = read_checklist(made)
    figures: dict[str, dict[str, object]] = {
        "names": {"value": len(old), "n": len(old), "unit": "names of the older version"}
    }
    for ids in (True, False):
        told = scores(old, each=each, seed=seed, ids=ids)
        with_ids = "with ids" if ids else "without ids"
        figures |= {f"{name}, {with_ids}": figure for name, figure in told.items()}
    return figures


def scores(
    old: Taxonomy, *, each: int, seed: int = 0, ids: bool = True
) -> dict[str, dict[str, object]]:
    """Return recall and precision of each kind against a version with a known truth."""
    second = edited(old, each=each, seed=seed, ids=ids)
    start = time.perf_counter()
    found = compare(old, second.taxonomy)
    seconds = time.perf_counter() - start
    truth = np.zeros(old.taxa, dtype=np.uint8)
    for row, kind in second.truth.items():
        truth[row] = KINDS.index(kind)
    figures: dict[str, dict[str, object]] = {}
    for number, kind in enumerate(KINDS):
        is_so, told = truth == number, found.kind == number
        right = int((is_so & told).sum())
        if is_so.any():
            share = round(right / int(is_so.sum()), 4)
            figures[f"recall of {kind}"] = {"value": share, "n": int(is_so.sum()), "unit": "share"}
        if told.any():
            share = round(right / int(told.sum()), 4)
            figures[f"precision of {kind}"] = {"value": share, "n": int(told.sum()),
                                               "unit": "share"}  # fmt: skip
    wrong = 0
    for row, key in second.meant.items():
        node = int(found.target[row])
        wrong += node != NONE and second.taxonomy.ids[node] != key
    figures["decided for a wrong taxon"] = {
        "value": wrong, "n": len(second.meant), "unit": "renamed and lumped taxa",
    }  # fmt: skip
    figures["seconds"] = {"value": round(seconds, 2), "n": len(old), "unit": "s, the comparison"}
    return figures
