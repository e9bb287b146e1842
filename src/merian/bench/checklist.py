"""How fast a checklist of five million names is read, opened again, and asked.

A made checklist in the Catalogue of Life's format is read into a taxonomy by a child process,
opened by another, and a million lowest common ancestors of pairs drawn at random are looked up.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from merian.bench.child import run_child
from merian.bench.synthetic_checklist import write_checklist

__all__ = ["run"]

_PAIRS = 1_000_000


def run(*, names: int = 5_000_000, seed: int = 0) -> dict[str, dict[str, object]]:
    """Make the checklist, read it and ask it."""
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as folder:
        place = Path(folder)
        write_checklist(place / "checklist", names, seed)
        load = run_child("merian.bench.checklist", "load", folder)
        ask = run_child("merian.bench.checklist", "ask", folder, str(seed))
    opened, ancestors, found, missing = (float(word) for word in ask.output.split())
    rows = int(load.output)
    return {
        "load": {"value": round(load.seconds, 1), "n": rows, "unit": "s, whole process"},
        "load, peak memory": {"value": round(load.peak, 2), "n": 1, "unit": "GB"},
        "open": {"value": round(opened, 3), "n": rows, "unit": "s"},
        "lowest common ancestors": {"value": round(ancestors, 3), "n": _PAIRS, "unit": "s"},
        "find a name": {"value": round(found * 1e6), "n": 10_000, "unit": "µs each"},
        "names not found again": {"value": int(missing), "n": 10_000, "unit": "names"},
    }


def _load(place: Path) -> None:
    from merian.taxonomy import read_checklist, save_taxonomy  # noqa: PLC0415  (a child's work)

    taxonomy, report = read_checklist(place / "checklist")
    save_taxonomy(taxonomy, place / "taxonomy", report)
    print(len(taxonomy))  # noqa: T201  (read by the parent)


def _ask(place: Path, seed: int) -> None:
    import numpy as np  # noqa: PLC0415

    from merian.taxonomy import Taxonomy  # noqa: PLC0415

    start = time.perf_counter()
    taxonomy = Taxonomy.open(place / "taxonomy")
    taxonomy.find("Animalia")
    opened = time.perf_counter() - start
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, len(taxonomy), (2, _PAIRS))
    start = time.perf_counter()
    taxonomy.lowest_common_ancestor(a, b)
    ancestors = time.perf_counter() - start
    nodes = a[:10_000].tolist()
    names = [taxonomy.names[int(taxonomy.canonical[n])] for n in nodes]
    start = time.perf_counter()
    found = [taxonomy.find(name) for name in names]
    each = (time.perf_counter() - start) / len(names)
    missing = sum(node not in nodes_found for node, nodes_found in zip(nodes, found, strict=True))
    print(opened, ancestors, each, missing)  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1] == "load":
        _load(Path(sys.argv[2]))
    else:
        _ask(Path(sys.argv[2]), int(sys.argv[3]))
