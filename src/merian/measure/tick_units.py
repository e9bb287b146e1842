"""What one step of a ruler is in life, told by which of its marks are longer or thicker.

Where every fifth and tenth mark is longer the marks are millimetres; where every second, and every
tenth or twentieth, they are halves; where every second, fourth and eighth, parts of an inch. Each
way to mark a ruler is a model of the strengths of the marks: a level for all, and a step more for
each mark that is one of so many. The model that explains them best by Schwarz's criterion is taken;
all that explain them nearly as well and mean another length are told with it. Marks that are all
alike could be anything, and that is said.

Reference: Schwarz, Estimating the dimension of a model, Annals of Statistics 6, 1978.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Marking", "read_marking"]

Doubles = NDArray[np.float64]

INCH = 25.4  # millimetres
_STEP = 0.12  # of the usual mark: longer marks are so much longer, or thicker, at least
_SURE = 4.0  # standard errors of that
_NEARLY = 12.0  # of Schwarz's criterion: e to the sixth times as likely is enough
_SPREAD = 0.08  # of the usual mark: no print and no light is more even
_FAR = 3.5  # spreads: what is farther is something that lies on a mark, and counts no more
_LOUDEST = 4.0  # of the usual mark: what is above is something that lies on it


@dataclass(frozen=True)
class Marking:
    """What a step may be.

    Attributes:
        step: Millimetres of a step, the likeliest.
        why: What says so.
        others: Other lengths of a step, in millimetres, with the reason; the likeliest first.
        levels: Of how many marks one is longer.
    """

    step: float
    why: str
    others: tuple[tuple[float, str], ...]
    levels: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Model:
    levels: tuple[int, ...]
    step: float
    what: str


_MODELS = (
    _Model((5, 10), 1.0, "millimetres"),
    _Model((10,), 1.0, "millimetres"),
    _Model((2, 10, 20), 0.5, "half millimetres"),
    _Model((2, 10), 0.5, "half millimetres"),
    _Model((2, 4, 8, 16, 32), INCH / 32, "32nds of an inch"),
    _Model((2, 4, 8, 16), INCH / 16, "16ths of an inch"),
    _Model((4, 8, 16), INCH / 16, "16ths of an inch"),
    _Model((2, 4, 8), INCH / 8, "8ths of an inch"),
    # What follows says less than a unit, and is never taken for sure.
    _Model((5,), 1.0, "millimetres"),
    _Model((2,), 0.5, "half millimetres"),
    _Model((4,), 0.0, ""),
    _Model((8,), 0.0, ""),
    _Model((2, 4), INCH / 8, "8ths of an inch"),
    _Model((4, 8), INCH / 16, "16ths of an inch"),
    _Model((), 1.0, "millimetres"),
)
_UNSURE: dict[tuple[int, ...], tuple[tuple[float, str], ...]] = {
    (5,): ((2.0, "every fifth mark may be a centimetre"), (0.1 * INCH, "tenths of an inch")),
    (2,): ((5.0, "every second mark may be a centimetre"), (1.0, "every second mark alike"),
           (INCH / 8, "8ths of an inch"), (INCH / 16, "16ths of an inch")),
    (2, 4): ((INCH / 16, "16ths of an inch"), (0.5, "half millimetres")),
    (4, 8): ((INCH / 8, "8ths of an inch"), (INCH / 32, "32nds of an inch")),
    (): ((0.5, "half millimetres"), (10.0, "centimetres"), (5.0, "half centimetres"),
         (2.0, "every second millimetre"), (INCH / 16, "16ths of an inch"),
         (INCH / 8, "8ths of an inch"), (0.1, "tenths of a millimetre")),
}  # fmt: skip


def read_marking(strength: Doubles) -> Marking:
    """Return what a step of a ruler is.

    Args:
        strength: Of each mark, over their median; NaN where it is not known.
    """
    known = np.isfinite(strength)
    values = np.minimum(strength, _LOUDEST)[known]
    places = np.flatnonzero(known)
    fits = sorted(_scores(values, places), key=lambda fit: fit[0])
    best = _MODELS[fits[0][1]]
    near = [_MODELS[number] for score, number in fits[1:] if score < fits[0][0] + _NEARLY]
    others: dict[float, str] = {}
    if best.step == 0:  # marks that no ruler has, as a whole
        return Marking(1.0, "longer marks that fit no ruler", _UNSURE[()])
    for step, why in _UNSURE.get(best.levels, ()):
        others.setdefault(step, why)
    few = len(strength) < 4.2 * max(best.levels, default=0)
    if "inch" in best.what and (few or len(best.levels) < 4):
        others.setdefault(best.step / 2, "too few marks to see whether there is a longer one")
        others.setdefault(best.step * 2, "too few of the longest marks to be sure of them")
    for model in near:
        if model.step and model.levels:
            others.setdefault(model.step, f"{_told(model.levels)} may be longer: {model.what}")
    others.pop(best.step, None)
    return Marking(
        best.step, f"{_told(best.levels)}: {best.what}", tuple(others.items()), best.levels
    )


def _told(levels: tuple[int, ...]) -> str:
    if not levels:
        return "all marks are alike"
    names = [f"{level}{'nd' if level in {2, 32} else 'th'}" for level in levels]
    return f"every {' and '.join((', '.join(names[:-1]), names[-1]) if names[1:] else names)}"


def _scores(values: Doubles, places: NDArray[np.int64]) -> list[tuple[float, int]]:
    """Return Schwarz's criterion of each model that holds, and its number."""
    left = {
        number: list(_fits(values, places, model.levels)) for number, model in enumerate(_MODELS)
    }
    spread = min(
        max(1.4826 * float(np.median(np.abs(rest))), _SPREAD)
        for fits in left.values() for rest, _ in fits
    )  # fmt: skip
    scores = []
    for number, fits in left.items():
        longest = max(_MODELS[number].levels, default=1)
        for rest, size in fits:
            loss = float(np.minimum((rest / spread) ** 2, _FAR**2).sum())
            # Where the levels begin is one more thing that was chosen.
            scores.append((loss + size * math.log(len(values)) + 2 * math.log(longest), number))
    return [min((one for one in scores if one[1] == n), default=(math.inf, n)) for n in left]


def _fits(
    values: Doubles, places: NDArray[np.int64], levels: tuple[int, ...]
) -> Iterator[tuple[Doubles, int]]:
    """Yield what a model leaves and how many numbers it has, where it holds."""
    longest = levels[-1] if levels else 1
    if len(values) < 1.1 * longest + 3:  # its longest mark was there to be seen
        return
    # All starts at once: [start, mark, level].
    shifted = places[None] - np.arange(longest)[:, None]
    designs = np.stack(
        [np.ones(shifted.shape), *((shifted % level == 0).astype(float) for level in levels)],
        axis=2,
    )
    kept = np.ones(shifted.shape)
    for _ in range(3):  # what lies on a mark is no part of it
        used = designs * kept[..., None]
        # A level without a mark of its own leaves nothing to solve; it is passed over below.
        normal = np.swapaxes(used, 1, 2) @ designs + 1e-9 * np.eye(designs.shape[2])
        fit = np.linalg.solve(normal, (np.swapaxes(used, 1, 2) @ values)[..., None])
        left = values - (designs @ fit)[..., 0]
        spread = np.maximum(1.4826 * np.median(np.abs(left), axis=1), _SPREAD)
        kept = (np.abs(left) <= _FAR * spread[:, None]).astype(float)
    counts = used.sum(1)
    own = counts - np.concatenate([counts[:, 1:], np.zeros((len(counts), 1))], axis=1)
    # One longest mark is longer by chance.
    held = (own >= 1).all(1) & ((own[:, -1] >= 2) | (not levels))
    for start in np.flatnonzero(held).tolist():
        step, rest = fit[start, :, 0], left[start]
        errors = spread[start] * np.sqrt(np.diag(np.linalg.inv(normal[start])))
        if (step[1:] > np.maximum(_STEP * step[0], _SURE * errors[1:])).all():
            yield rest, len(step)
