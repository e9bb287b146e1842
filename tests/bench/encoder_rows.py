"""For the bench of encoders: invented barcodes that are easy to tell apart, and short settings."""

from __future__ import annotations

import numpy as np

from merian.bench.encoder_bins import split_bins

SMALL = (
    "encoder.width=24", "encoder.hidden=32", "encoder.layers=1", "data.k=3", "training.batch=8",
    "optimizer.kind=adamw",
)  # fmt: skip
LETTERS = "abcdefghij"


def made_rows(seed=0, genera=5, species=3, records=4, length=240):
    """Rows of the yardstick: genera in two families, species 6 % apart, records 1 %."""
    rng = np.random.default_rng(seed)

    def changed(sequence, share):
        other = rng.choice(list("ACGT"), len(sequence))
        return np.where(rng.random(len(sequence)) < share, other, sequence)

    rows, root = [], rng.choice(list("ACGT"), length)
    for genus in range(genera):
        stem, family = changed(root, 0.3), f"F{'ab'[genus % 2]}idae"
        last = f"Genus{LETTERS[genus]}"
        for kind in range(species):
            own = changed(stem, 0.08)
            names = ["Arthropoda", "Insecta", "Diptera", family, last, f"{last}_sp{LETTERS[kind]}x"]
            for _ in range(records):
                rows.append((f"x{len(rows)}", "".join(changed(own, 0.013)), names))
    return rows


def halves(kind):
    """References and queries of a split of each kind."""
    rows = made_rows()
    if kind == "bins":
        return split_bins(rows, 0)
    new = [row for row in rows if row[2][-1].endswith("_spcx")]
    known = [row for row in rows if not row[2][-1].endswith("_spcx")]
    asked = known[::4]
    references = [row for row in known if row not in asked]
    if kind == "open":
        return known, new
    if kind == "closed":
        return [*references, *new[1::2]], [*asked, *new[::2]]
    return references, [*asked, *new]


def settings(work, **more):
    return {
        "work": str(work), "steps": "2", "changes": ";".join(SMALL), "processes": "0",
        "peers": "no", "seeds": "2", **more,
    }  # fmt: skip
