"""Barcodes whose relationship is known."""

from __future__ import annotations

import numpy as np


def mutate(sequence, share, rng):
    """Another sequence, with that share of its bases replaced by others."""
    other = {base: [b for b in "ACGT" if b != base] for base in "ACGT"}
    hit = rng.random(len(sequence)) < share
    return "".join(
        other[base][rng.integers(3)] if new else base
        for base, new in zip(sequence, hit, strict=True)
    )


def random_sequence(length, rng):
    return "".join(rng.choice(list("ACGT"), length))


def make_family():
    """Forty barcodes: eight groups of five that differ by a few in a hundred."""
    rng = np.random.default_rng(0)
    root = "".join(rng.choice(list("AACGTT"), 658))
    stems = [mutate(root, 0.15, rng) for _ in range(8)]
    return [mutate(stem, 0.02, rng) for stem in stems for _ in range(5)]


FAMILY = make_family()
