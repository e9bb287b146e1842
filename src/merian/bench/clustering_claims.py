"""Three claims of a study of zero-shot clustering, judged on what these encoders and sets show.

Inside its domain a supervised encoder makes better clusters than a self-supervised one, and outside
the other way round; and the silhouette in UMAP's space tells, without any label, which clusters are
the better ones. The first two are asked of one network, gone on with by names and by DINO on the
same pictures; the third by rank correlation of silhouette and AMI within each set. Words follow
from the intervals alone.

Reference: Lowe et al., arXiv:2406.02465.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.bench.clustering_sets import HOME
from merian.bench.clustering_study import Scored

__all__ = ["Claim", "claims_of", "proxy", "rank_correlation", "verdict"]

_NAMED, _UNNAMED = "fine-tuned", "DINO"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Claim:
    """A claim, what it comes to here, and how sure that is.

    Attributes:
        says: The claim.
        verdict: confirmed, refuted, not decided, or not asked.
        value: The figure that decides.
        low: Of its interval.
        high: The same.
        n: What of: pairs of clusterings.
        about: What the figure is.
    """

    says: str
    verdict: str
    value: float
    low: float
    high: float
    n: int
    about: str


def verdict(low: float, high: float, above: bool) -> str:
    """Return what an interval says of the claim that a figure is above 0 (or below)."""
    if low > 0 or high < 0:
        return "confirmed" if (low > 0) == above else "refuted"
    return "not decided"


def claims_of(rows: Sequence[Scored], rounds: int, seed: int) -> list[Claim]:
    """Return the three claims, judged."""
    home = [row for row in rows if row.set == HOME]
    away = [row for row in rows if row.set != HOME]
    told = f"AMI of {_NAMED} less that of {_UNNAMED}, mean of the clusterers"
    return [
        _difference(
            "Inside its domain a supervised encoder makes better clusters than a self-supervised "
            "one.", home, True, f"{told}, on {HOME}",
        ),
        _difference(
            "Outside of it, the self-supervised one makes the better clusters.", away, False,
            f"{told} and of the sets besides {HOME}",
        ),
        _proxy_claim(rows, rounds, seed),
    ]  # fmt: skip


def _difference(says: str, rows: Sequence[Scored], above: bool, about: str) -> Claim:
    """Return how much better the supervised one is: sets alike, and in each clusterers alike."""
    by: dict[tuple[str, str, str], dict[str, Scored]] = {}
    for row in rows:
        by.setdefault((row.set, row.clusterer, row.number), {})[row.encoder] = row
    sets: dict[str, list[tuple[float, Floats]]] = {}
    for (name, _, _), both in by.items():
        if _NAMED in both and _UNNAMED in both:
            one, other = both[_NAMED], both[_UNNAMED]
            sets.setdefault(name, []).append((one.ami - other.ami, one.drawn - other.drawn))
    if not sets:
        return Claim(says, "not asked", 0.0, 0.0, 0.0, 0, about)
    value = float(np.mean([np.mean([pair[0] for pair in pairs]) for pairs in sets.values()]))
    drawn = np.mean([np.mean([pair[1] for pair in pairs], axis=0) for pairs in sets.values()],
                    axis=0)  # fmt: skip
    low, high = (float(end) for end in np.quantile(drawn, [0.025, 0.975]))
    many = sum(len(pairs) for pairs in sets.values())
    return Claim(says, verdict(low, high, above), value, low, high, many, about)


def _proxy_claim(rows: Sequence[Scored], rounds: int, seed: int) -> Claim:
    """Return how well the silhouette ranks, by the mean over sets."""
    value, low, high, n = proxy(rows, lambda row: row.silhouette, rounds, seed)
    return Claim(
        "The silhouette in UMAP's space ranks clusterings as their AMI does.",
        verdict(low, high, True) if n else "not asked", value, low, high, n,
        "rank correlation (Spearman) of silhouette and AMI within a set, mean of the sets; "
        "encoders are drawn for the interval",
    )  # fmt: skip


def proxy(
    rows: Sequence[Scored], of: Callable[[Scored], float], rounds: int, seed: int
) -> tuple[float, float, float, int]:
    """Return the rank correlation of a figure and AMI, its interval, and of how many clusterings.

    Args:
        rows: Scored clusterings. Correlation is within a set, and the mean over sets.
        of: The figure.
        rounds: Draws of encoders: clusterings of one encoder hang together.
        seed: Of these draws.
    """
    encoders = sorted({row.encoder for row in rows})
    sets = sorted({row.set for row in rows})
    if len(encoders) < 3 or len(rows) < 4:
        return 0.0, 0.0, 0.0, 0
    place = {name: number for number, name in enumerate(encoders)}
    held = [
        (
            np.array([place[row.encoder] for row in rows if row.set == name]),
            np.array([of(row) for row in rows if row.set == name]),
            np.array([row.ami for row in rows if row.set == name]),
        )
        for name in sets
    ]

    def mean(times: NDArray[np.int64]) -> float:
        found = []
        for which, figure, ami in held:
            some = np.repeat(np.arange(len(which)), times[which])
            if len(some) > 2:
                found.append(rank_correlation(figure[some], ami[some]))
        return float(np.mean(found)) if found else 0.0

    random = np.random.default_rng([seed, 8])
    size = len(encoders)
    drawn = [
        mean(np.bincount(random.integers(size, size=size), minlength=size)) for _ in range(rounds)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975]) if drawn else (np.nan, np.nan)
    return mean(np.ones(size, np.int64)), float(low), float(high), len(rows)


def rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's correlation of ranks, equals at the mean of theirs; 0 where all are equal.

    Reference: Spearman, American Journal of Psychology 15, 1904.
    """
    first, second = (_ranks(values) for values in (one, other))
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum() / scale) if scale > 0 else 0.0


def _ranks(values: Floats) -> Floats:
    """Return the rank of each value; equals share the mean of theirs."""
    _, place, many = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(many)
    return np.asarray((ends - (many - 1) / 2)[place], np.float64)
