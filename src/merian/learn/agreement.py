"""How far two partitions agree: mutual information and pairs, corrected for chance.

The expected mutual information is exact, by the hypergeometric distribution. Clusters of one size
share its terms, so that a hundred thousand records in ten thousand clusters take seconds.

References: Vinh, Epps & Bailey, Information theoretic measures for clusterings comparison, JMLR
2010; Hubert & Arabie, Comparing partitions, Journal of Classification 1985.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.errors import InputError

__all__ = [
    "adjusted_mutual_information",
    "adjusted_rand_index",
    "expected_mutual_information",
    "mutual_information",
    "normalised_mutual_information",
    "purity",
]

Mean = Literal["arithmetic", "maximum", "minimum", "geometric"]
Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]

_CHUNK = 1 << 22  # terms at a time
_NONE = 1e-15  # what rounding leaves of 0


def adjusted_mutual_information(
    one: ArrayLike, other: ArrayLike, mean: Mean = "arithmetic"
) -> float:
    """Return AMI: 0 as by chance, 1 for the same partition.

    (I - E[I]) / (mean(H, H') - E[I]), E over all ways to deal the records to clusters of the same
    sizes. Two partitions that are both whole, or both all single, agree: 1.

    Args:
        one: The cluster of each record; numbers or names.
        other: The same of the other partition.
        mean: Of the two entropies. Papers differ; "arithmetic" is the most used.
    """
    sizes, others, both = _table(one, other)
    if _same_trivial(sizes, others):
        return 1.0
    expected = expected_mutual_information(sizes, others)
    top = _mean(_entropy(sizes), _entropy(others), mean)
    above, below = _information(sizes, others, both) - expected, top - expected
    if abs(below) < _NONE:
        return 0.0
    return float(above / below)


def normalised_mutual_information(
    one: ArrayLike, other: ArrayLike, mean: Mean = "arithmetic"
) -> float:
    """Return I / mean(H, H'), 0 to 1; not corrected, so many small clusters look good."""
    sizes, others, both = _table(one, other)
    if _same_trivial(sizes, others):
        return 1.0
    top = _mean(_entropy(sizes), _entropy(others), mean)
    return float(_information(sizes, others, both) / top) if top > _NONE else 0.0


def mutual_information(one: ArrayLike, other: ArrayLike) -> float:
    """Return I in natural units."""
    return _information(*_table(one, other))


def adjusted_rand_index(one: ArrayLike, other: ArrayLike) -> float:
    """Return ARI: how many pairs of records are together in both, corrected for chance."""
    sizes, others, both = _table(one, other)
    n = float(sizes.sum())
    together, first, second = (float((x * (x - 1.0)).sum()) for x in (both[2], sizes, others))
    pairs = n * (n - 1)
    expected = first * second / pairs if pairs else 0.0
    top = (first + second) / 2
    return 1.0 if top == expected else (together - expected) / (top - expected)


def purity(clusters: ArrayLike, classes: ArrayLike) -> float:
    """Return the share of records that have the most frequent class of their cluster.

    It grows with the number of clusters, and is 1 where each record is its own.
    """
    sizes, _, (rows, _, count) = _table(clusters, classes)
    most = np.zeros(len(sizes), np.int64)
    np.maximum.at(most, rows, count)
    return float(most.sum() / sizes.sum())


def expected_mutual_information(sizes: ArrayLike, others: ArrayLike) -> float:
    """Return the mean of I over all ways to deal records to clusters of these sizes."""
    a, a_times = np.unique(np.asarray(sizes, np.int64), return_counts=True)
    b, b_times = np.unique(np.asarray(others, np.int64), return_counts=True)
    n = int((a * a_times).sum())
    if n != int((b * b_times).sum()) or min(a[0], b[0]) < 1:
        raise InputError(
            f"clusters of {n} and of {int((b * b_times).sum())} records; equal expected"
        )
    logs = np.log(np.arange(1, n + 1, dtype=np.longdouble))
    factorial = np.concatenate([[0], np.cumsum(logs)]).astype(np.float64)  # of 0! to n!
    rows, columns = (x.ravel() for x in np.meshgrid(a, b, indexing="ij"))
    times = np.outer(a_times, b_times).ravel().astype(np.float64)
    first = np.maximum(rows + columns - n, 1)
    terms = np.minimum(rows, columns) - first + 1
    total, start, ends = 0.0, 0, np.cumsum(terms)
    while start < len(rows):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        part = slice(start, stop)
        total += _terms(rows[part], columns[part], times[part], first[part], terms[part], factorial)
        start = stop
    return total


def _terms(
    a: Numbers, b: Numbers, times: Floats, first: Numbers, terms: Numbers, factorial: Floats
) -> float:
    """Return the sum over k, the records that a pair of clusters shares, of P(k) k/n log(kn/ab)."""
    n = len(factorial) - 1
    starts = np.cumsum(terms) - terms
    k = np.arange(terms.sum()) + np.repeat(first - starts, terms)
    fixed = factorial[a] + factorial[b] + factorial[n - a] + factorial[n - b] - factorial[n]
    wide_a, wide_b = np.repeat(a, terms), np.repeat(b, terms)
    log_p = np.repeat(fixed, terms) - (
        factorial[k] + factorial[wide_a - k] + factorial[wide_b - k]
        + factorial[n - wide_a - wide_b + k]
    )  # fmt: skip
    gain = np.log(n * k.astype(np.float64)) - np.repeat(np.log(a * b.astype(np.float64)), terms)
    return float((np.repeat(times, terms) * np.exp(log_p) * (k / n) * gain).sum())


def _table(
    one: ArrayLike, other: ArrayLike
) -> tuple[Numbers, Numbers, tuple[Numbers, Numbers, Numbers]]:
    """Return the sizes of the clusters of both, and the shared records: row, column, count."""
    first, second = np.asarray(one), np.asarray(other)
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise InputError(
            f"partitions of {list(first.shape)} and {list(second.shape)} records; two of the same "
            "records, one or more, expected"
        )
    row, sizes = np.unique(first, return_inverse=True, return_counts=True)[1:]
    column, others = np.unique(second, return_inverse=True, return_counts=True)[1:]
    cells, count = np.unique(row.astype(np.int64) * len(others) + column, return_counts=True)
    rows, columns = np.divmod(cells, len(others))
    return sizes.astype(np.int64), others.astype(np.int64), (rows, columns, count.astype(np.int64))


def _information(sizes: Numbers, others: Numbers, both: tuple[Numbers, Numbers, Numbers]) -> float:
    rows, columns, count = both
    n = float(sizes.sum())
    chance = sizes[rows].astype(np.float64) * others[columns]
    return max(float((count / n * np.log(n * count / chance)).sum()), 0.0)


def _entropy(sizes: Numbers) -> float:
    share = sizes / sizes.sum()
    return float(-(share * np.log(share)).sum())


def _same_trivial(sizes: Numbers, others: Numbers) -> bool:
    n = sizes.sum()
    return len(sizes) == len(others) and len(sizes) in (1, n)


def _mean(one: float, other: float, mean: Mean) -> float:
    means = {
        "arithmetic": (one + other) / 2,
        "maximum": max(one, other),
        "minimum": min(one, other),
        "geometric": float(np.sqrt(one * other)),
    }
    if mean not in means:
        raise InputError(f"no mean is called {mean!r}; there are {', '.join(means)}")
    return means[mean]
