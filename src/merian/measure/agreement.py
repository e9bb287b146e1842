"""How far measurements of the same things by several people or methods agree, and why not.

Of each pair: bias (the mean of the first less the second), MAE, RMSE, the 95 % limits of Bland and
Altman, Lin's concordance, and the share of pairs more than a tenth apart. Of all together: the
intraclass correlation for single measurements and absolute agreement, ICC(2,1), the standard error
of measurement, and the spread between people. Intervals are drawn by picture: what was measured on
one picture shares its scale.

Where pixels are known, an error is parted. Each length is pixels over a scale. Given one scale for
both, the mean of theirs, what is left is the error without the scale. Of that, what holds for all
things alike (one measures farther, by a constant and by a part of the size) is another *definition*
of what is measured; the rest is *placement* of the ends. The squares add up::

    own² = scale + definition + placement          (means over things; own² is RMSE²)

where ``scale`` is what a shared scale takes away. It is below zero where faults of the scale made
good for others.

References: Bland & Altman, Lancet 1986; Lin, Biometrics 1989; Shrout & Fleiss, Psychological
Bulletin 1979.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from merian.learn.bootstrap import Interval, draw, middle
from merian.measure.ratings import Ratings

__all__ = ["Agreement", "Doubt", "Pair", "Together", "agreement"]

Floats = NDArray[np.float64]

_LIMITS = 1.959963984540054
_FAR = 0.2  # of the length, beyond what a pair is apart anyway
_FAR_SPREADS = 5.0  # robust; those who agree badly are not told of every thing
_LEAST_ALIKE = 0.5  # correlation within a picture
_LEAST_ON_A_PICTURE = 5


@dataclass(frozen=True)
class Pair:
    """How far two agree on a trait.

    Attributes:
        one: Who measured first.
        other: Whom it is compared with.
        images: On how many pictures; 0 if none is known.
        own: Figures where each has their own scale: bias, mae, rmse, sd, low and high (limits of
            agreement), relative (mean of the absolute difference over the mean, in percent), ccc.
        shared: The same where both have one scale; empty if no pixels are known.
        pixels: bias, mae and rmse in pixels; empty if none are known.
        scale_ratio: The mean of the scale of the first over that of the other, and its spread over
            pictures.
        parts: The share of the squared error by scale, definition and placement.
    """

    one: str
    other: str
    images: int
    own: dict[str, Interval]
    shared: dict[str, Interval]
    pixels: dict[str, Interval]
    scale_ratio: tuple[float, float] | None
    parts: dict[str, Interval]


@dataclass(frozen=True)
class Together:
    """How far all agree, on what all have measured: ICC(2,1) and what it is made of.

    Attributes:
        raters: Who.
        own: icc, sem (standard error of measurement) and between (the spread between raters).
        shared: The same with one scale.
    """

    raters: tuple[str, ...]
    own: dict[str, Interval]
    shared: dict[str, Interval]


@dataclass(frozen=True)
class Doubt:
    """A pair of measurements, or a picture, that should be looked at again."""

    trait: str
    image: str
    subject: str
    one: str
    other: str
    reason: str


@dataclass(frozen=True)
class Agreement:
    """How far the measurements of one trait agree.

    Attributes:
        ratings: What was measured.
        pairs: Of all who measured the same things, each with each.
        together: Of all at once; None where nothing was measured by all.
        doubts: What should be looked at again.
    """

    ratings: Ratings
    pairs: tuple[Pair, ...]
    together: Together | None
    doubts: tuple[Doubt, ...]


def agreement(ratings: Ratings, *, rounds: int = 1000, seed: int = 0) -> Agreement:
    """Return how far the measurements of one trait agree.

    Args:
        ratings: Of the trait.
        rounds: How often pictures are drawn again for the intervals.
        seed: Of drawing.
    """
    pairs: list[Pair] = []
    doubts: list[Doubt] = []
    # A later rater less an earlier: B less A.
    for other, one in combinations(range(len(ratings.raters)), 2):
        both = np.isfinite(ratings.value[:, [one, other]]).all(axis=1)
        if both.any():
            pairs.append(_pair(ratings, one, other, np.flatnonzero(both), rounds, seed))
            doubts.extend(_doubts(ratings, one, other, np.flatnonzero(both)))
    return Agreement(ratings, tuple(pairs), _together(ratings, rounds, seed), tuple(doubts))


# -- two --------------------------------------------------------------------------------------


def _pair(
    ratings: Ratings, one: int, other: int, rows: NDArray[np.int64], rounds: int, seed: int
) -> Pair:
    x, y = ratings.value[rows, one], ratings.value[rows, other]
    group = ratings.image[rows]
    own = _figures(x, y, group, rounds, seed)
    shared: dict[str, Interval] = {}
    pixels: dict[str, Interval] = {}
    parts: dict[str, Interval] = {}
    ratio = None
    scale = _scale(ratings)
    known = np.isfinite(scale[rows][:, [one, other]]).all(axis=1)
    if known.any():
        some = rows[known]
        p, q = ratings.pixels[some, one], ratings.pixels[some, other]
        s, t = scale[some, one], scale[some, other]
        common = (s + t) / 2
        of = group[known]
        shared = _figures(p / common, q / common, of, rounds, seed)
        in_pixels = _figures(p, q, of, rounds, seed)
        pixels = {name: in_pixels[name] for name in ("bias", "mae", "rmse")}
        parts = _parts(p / s - q / t, (p - q) / common, (p + q) / common / 2, of, rounds, seed)
        by_image = _means(s / t, of)
        ratio = float(by_image.mean()), float(by_image.std(ddof=1)) if len(by_image) > 1 else 0.0
    images = len(np.unique(group[group < len(ratings.images)]))
    return Pair(
        ratings.raters[one], ratings.raters[other], images, own, shared, pixels, ratio, parts
    )


def _scale(ratings: Ratings) -> Floats:
    """Return pixels per unit; NaN where no pixels are known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale: Floats = np.where(ratings.value > 0, ratings.pixels / ratings.value, np.nan)
    return scale


def _means(values: Floats, group: NDArray[np.int64]) -> Floats:
    number = np.unique(group, return_inverse=True)[1]
    means: Floats = np.bincount(number, values) / np.bincount(number)
    return means


def _figures(
    x: Floats, y: Floats, group: NDArray[np.int64], rounds: int, seed: int
) -> dict[str, Interval]:
    """Return the figures of a pair with their intervals, all from sums over pictures."""
    d, middle_of = x - y, (x + y) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(middle_of > 0, np.abs(d) / middle_of, np.nan)
    there = np.isfinite(relative)
    sums = [
        np.ones_like(d), d, np.abs(d), d * d, x, y, x * x, y * y, x * y,
        np.where(there, relative, 0), there.astype(np.float64),
    ]  # fmt: skip

    def figures(total: Floats) -> Floats:
        n, sd, sa, sq, sx, sy, sxx, syy, sxy, share, of = total.T
        with np.errstate(divide="ignore", invalid="ignore"):
            bias, square = sd / n, sq / n
            spread = np.sqrt(np.maximum(square - bias**2, 0) * n / (n - 1))
            mx, my = sx / n, sy / n
            ccc = 2 * (sxy / n - mx * my) / (
                sxx / n - mx**2 + syy / n - my**2 + (mx - my) ** 2
            )  # fmt: skip
            return np.stack([
                bias, sa / n, np.sqrt(square), spread, bias - _LIMITS * spread,
                bias + _LIMITS * spread, 100 * share / of, ccc,
            ], axis=1)  # fmt: skip

    names = ("bias", "mae", "rmse", "sd", "low", "high", "relative", "ccc")
    return _drawn(names, np.stack(sums, axis=1), figures, group, rounds, seed)


def _parts(
    own: Floats, shared: Floats, size: Floats, group: NDArray[np.int64], rounds: int, seed: int
) -> dict[str, Interval]:
    """Return the shares of the squared error: scale, definition, placement."""
    sums = [np.ones_like(own), own * own, shared, shared * shared, size, size * size, shared * size]

    def figures(total: Floats) -> Floats:
        n, so, sd, sq, sl, sll, sld = total.T
        with np.errstate(divide="ignore", invalid="ignore"):
            mean, size_mean = sd / n, sl / n
            variance = sll / n - size_mean**2
            slope = np.where(variance > 1e-12, (sld / n - mean * size_mean) / variance, 0.0)
            # What a straight line in the size explains: its mean and its slope.
            definition = mean**2 + slope**2 * np.maximum(variance, 0)
            whole = so / n
            return np.stack(
                [(whole - sq / n) / whole, definition / whole, (sq / n - definition) / whole],
                axis=1,
            )

    names = ("scale", "definition", "placement")
    return _drawn(names, np.stack(sums, axis=1), figures, group, rounds, seed)


def _drawn(
    names: tuple[str, ...],
    sums: Floats,
    figures: Callable[[Floats], Floats],
    group: NDArray[np.int64],
    rounds: int,
    seed: int,
) -> dict[str, Interval]:
    """Return figures of sums with their intervals, drawing groups again."""
    number = np.unique(group, return_inverse=True)[1]
    groups = int(number.max()) + 1
    by_group = np.zeros((groups, sums.shape[1]))
    np.add.at(by_group, number, sums)
    value = figures(by_group.sum(axis=0, keepdims=True))[0]
    n = len(sums)
    if groups < 2:  # drawn again it is always itself, which would look certain
        nan = float("nan")
        return {
            name: Interval(float(v), nan, nan, n, 1) for name, v in zip(names, value, strict=True)
        }
    drawn = figures(draw(groups, rounds, seed) @ by_group)
    return {
        name: Interval(float(value[at]), *middle(drawn[:, at]), n, groups)
        for at, name in enumerate(names)
    }


# -- all --------------------------------------------------------------------------------------


def _together(ratings: Ratings, rounds: int, seed: int) -> Together | None:
    whole = np.isfinite(ratings.value).all(axis=1)
    if whole.sum() < 2:
        return None
    group = ratings.image[whole]
    own = _icc(ratings.value[whole], group, rounds, seed)
    scale = _scale(ratings)[whole]
    known = np.isfinite(scale).all(axis=1)
    shared: dict[str, Interval] = {}
    if known.sum() > 1:
        common = scale[known].mean(axis=1, keepdims=True)
        lengths = ratings.pixels[whole][known] / common
        shared = _icc(lengths, group[known], rounds, seed)
    return Together(ratings.raters, own, shared)


def _icc(values: Floats, group: NDArray[np.int64], rounds: int, seed: int) -> dict[str, Interval]:
    """Return ICC(2,1), the standard error of measurement and the spread between raters."""
    k = values.shape[1]
    row = values.sum(axis=1)
    sums = np.column_stack([np.ones(len(values)), row**2, (values**2).sum(axis=1), values])

    def figures(total: Floats) -> Floats:
        n, rows, squares, columns = total[:, 0], total[:, 1], total[:, 2], total[:, 3:]
        with np.errstate(divide="ignore", invalid="ignore"):
            grand = columns.sum(axis=1) ** 2 / (n * k)
            between_rows = rows / k - grand
            between_columns = (columns**2).sum(axis=1) / n - grand
            rest = squares - grand - between_rows - between_columns
            of_rows = between_rows / (n - 1)
            of_columns = between_columns / (k - 1)
            of_rest = np.maximum(rest, 0) / ((n - 1) * (k - 1))
            icc = (of_rows - of_rest) / (
                of_rows + (k - 1) * of_rest + k * (of_columns - of_rest) / n
            )
            between = np.sqrt(np.maximum(of_columns - of_rest, 0) / n)
            return np.stack([icc, np.sqrt(of_rest), between], axis=1)

    return _drawn(("icc", "sem", "between"), sums, figures, group, rounds, seed)


# -- what to look at again ----------------------------------------------------------------------


def _doubts(ratings: Ratings, one: int, other: int, rows: NDArray[np.int64]) -> list[Doubt]:
    """Return what no two who measure the same thing would find."""
    x, y = ratings.value[rows, one], ratings.value[rows, other]
    who = ratings.raters[one], ratings.raters[other]
    found: list[Doubt] = []

    def image(number: int) -> str:
        return ratings.images[number] if number < len(ratings.images) else ""

    positive = (x > 0) & (y > 0)
    apart = np.log(np.where(positive, x, 1.0) / np.where(positive, y, 1.0))
    apart = np.where(positive, apart - np.median(apart[positive]), 0.0) if positive.any() else x * 0
    spread = 1.4826 * float(np.median(np.abs(apart)))
    far = np.abs(apart) > max(np.log1p(_FAR), _FAR_SPREADS * spread)
    for at in np.flatnonzero(far).tolist():
        row = int(rows[at])
        found.append(Doubt(
            ratings.trait, image(int(ratings.image[row])), ratings.subjects[row], *who,
            f"{x[at]:.4g} and {y[at]:.4g} {ratings.unit}: apart by {np.expm1(abs(apart[at])):.0%} "
            "more than these two are as a rule; swapped, rolled, or not the same thing",
        ))  # fmt: skip
    order = np.argsort(ratings.image[rows], kind="stable")
    numbers, first = np.unique(ratings.image[rows][order], return_index=True)
    for number, here in zip(numbers.tolist(), np.split(order, first[1:]), strict=True):
        a, b = x[here], y[here]
        if len(a) < _LEAST_ON_A_PICTURE or a.std() == 0 or b.std() == 0:
            continue
        alike = float(np.corrcoef(a, b)[0, 1])
        if alike < _LEAST_ALIKE:
            found.append(Doubt(
                ratings.trait, image(number), "", *who,
                f"correlate by {alike:.2f} over {len(a)} things of this picture; "
                "their numbers may be in another order",
            ))  # fmt: skip
    return found
