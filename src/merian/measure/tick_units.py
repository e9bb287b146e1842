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
_LOUDEST = 4.0  # of the usual mark: what is above is something that lies on it


@dataclass(frozen=True)
class Marking:
    """What a step may be.

    Attributes:
        step: Millimetres of a step, the likeliest.
        why: What says so.
        others: Other lengths of a step, in millimetres, with the reason; the likeliest first.
    """

    step: float
    why: str
    others: tuple[tuple[float, str], ...]


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
    _Model((2, 20), 0.5, "half millimetres"),
    _Model((10, 20), 0.5, "half millimetres"),
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
    fits = sorted(
        ((score, number) for number, model in enumerate(_MODELS)
         for score in _scores(values, places, model.levels)),
    )  # fmt: skip
    best = _MODELS[fits[0][1]]
    near = [_MODELS[number] for score, number in fits[1:] if score - fits[0][0] < _NEARLY]
    others: dict[float, str] = {}
    if best.step == 0:  # marks that no ruler has, as a whole
        return Marking(1.0, "longer marks that fit no ruler", _UNSURE[()])
    for step, why in _UNSURE.get(best.levels, ()):
        others.setdefault(step, why)
    for model in near:
        if model.step and model.levels:
            others.setdefault(model.step, f"{_told(model.levels)} may be longer: {model.what}")
    others.pop(best.step, None)
    return Marking(best.step, f"{_told(best.levels)}: {best.what}", tuple(others.items()))


def _told(levels: tuple[int, ...]) -> str:
    if not levels:
        return "all marks are alike"
    names = [f"{level}{'nd' if level in {2, 32} else 'th'}" for level in levels]
    return f"every {' and '.join((', '.join(names[:-1]), names[-1]) if names[1:] else names)}"


def _scores(values: Doubles, places: NDArray[np.int64], levels: tuple[int, ...]) -> Iterator[float]:
    """Yield Schwarz's criterion of a model, if it holds: the best of where the levels begin."""
    count = len(values)
    longest = levels[-1] if levels else 1
    if count < 1.6 * longest + 3:
        return
    best = math.inf
    for start in range(longest):
        columns = [np.ones(count)]
        columns += [((places - start) % level == 0).astype(float) for level in levels]
        design = np.column_stack(columns)
        normal = design.T @ design
        if np.linalg.matrix_rank(normal) < len(normal):
            continue
        fit = np.linalg.solve(normal, design.T @ values)
        left = values - design @ fit
        variance = max(float(left @ left) / max(count - len(fit), 1), 1e-4)
        errors = np.sqrt(variance * np.diag(np.linalg.inv(normal)))
        if levels and not (fit[1:] > np.maximum(_STEP * fit[0], _SURE * errors[1:])).all():
            continue
        score = count * math.log(max(float(left @ left) / count, 1e-4)) + len(fit) * math.log(count)
        # Where the levels begin is one more thing that was chosen.
        score += 2 * math.log(longest)
        best = min(best, score)
    if math.isfinite(best):
        yield best
