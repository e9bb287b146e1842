"""Whether the true lengths of drawn bodies lie within the intervals of their measurements.

Pictures of a world are measured as a user measures them: masks are found, landmarks too, and the
scale is told with its standard uncertainty, off by a draw of that. A figure is told for all
specimens and for those without a code. Settings were chosen on the worlds 1 to 5.

A world tells a beetle's elytra from where they begin below the pronotum, which it draws over their
first three hundredths of the body's length. A photograph does not show that; so the length of what
is seen is the truth of `elytra_length` here, and how far values are from the whole is told beside
it.

An interval holds what the definition of a trait leaves open, as two careful people differ by it. A
world leaves nothing open: it knows from where to where a body is long. So the share of true values
within intervals without that part is told too: these hold the scale, the places and the outline.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.bench.drawn_specimens import HIDDEN
from merian.bench.traits_pictures import Drawn, drawn
from merian.formats.outlines import polygon_outline
from merian.learn.bootstrap import interval_of
from merian.measure.asked import Asked, Given
from merian.measure.calibration import declared
from merian.measure.definitions import chosen, definitions
from merian.measure.measurement import COVERAGE
from merian.measure.outline import outlines
from merian.measure.placing import Placer
from merian.measure.specimens import Measured, Settings, bodies_of, measure_pixels

__all__ = ["run"]

_TRAITS = ("body_length", "elytra_length", "body_width", "area")
_SEEDS, _CHOSEN_ON = (11, 12, 13, 14, 15), (1, 2, 3)
_ROUNDS = 1000
_SPREAD = {name: one.spread for name, one in definitions().items()}


@dataclass(frozen=True)
class _Row:
    trait: str
    scale: float
    true: float
    value: float
    low: float
    high: float
    coded: bool
    codes: tuple[str, ...]
    whole: float  # of elytra with what is hidden; else the truth
    strict: float  # half of the interval without what the definition leaves open


def run(
    seeds: Sequence[int] = _SEEDS,
    scales: Sequence[float] = (20.0,),
    count: int = 24,
    level: int = 2,
    relative: float = 0.01,
    kinds: Sequence[str] = ("beetle",),
    given: bool = False,
    network: Placer | None = None,
    traits: Sequence[str] = _TRAITS,
    cut: bool = False,
) -> dict[str, dict[str, Any]]:
    """Return the figures.

    Args:
        seeds: Of the worlds.
        scales: Pixels of a millimetre.
        count: Pictures of each world and scale.
        level: Of the nuisance, 1 to 3.
        relative: Standard uncertainty of the scale that is told.
        kinds: Sorts of insects.
        given: Whether the true masks are given, so that what is told is not of finding them.
        network: Places landmarks; figures with it are told beside those without.
        traits: What is measured.
        cut: Whether pictures are cut at the true outline; figures of bodies that are known to reach
            all sides are told beside those without.
    """
    ways = {"": Settings(chosen(definitions(), traits), single=True)}
    if network is not None:
        ways[", learned"] = replace(ways[""], placer=network)
        whole = replace(network, outlines=True)
        ways[", learned, outlines too"] = replace(ways[""], placer=whole)
    if cut:
        ways[", tight"] = replace(ways[""], tight=True)
    rows: dict[str, list[_Row]] = {way: [] for way in ways}
    lost = dict.fromkeys(ways, 0)
    pictures = 0
    for seed in seeds:
        for scale in scales:
            for one in drawn(seed, count, scale, kinds=tuple(kinds), level=level,
                             relative=relative):  # fmt: skip
                pictures += 1
                asked, picture = _asked(one, given), _cut(one) if cut else one.picture
                # What is found is the same for all networks, and is looked for once.
                bodies = None if cut else list(bodies_of(picture, asked, single=True))
                for way, settings in ways.items():
                    measured = measure_pixels(picture, asked, settings, bodies)
                    found = list(_rows(one, scale, measured))
                    lost[way] += not found
                    rows[way] += found
    figures: dict[str, dict[str, Any]] = {"pictures": {"value": pictures, "unit": "pictures"}}
    for way in ways:
        own = _figures(rows[way], scales)
        own["lost"] = {"value": lost[way], "unit": "pictures in which nothing was found"}
        figures |= {f"{name}{way}": told for name, told in own.items()}
    return figures


def _figures(rows: Sequence[_Row], scales: Sequence[float]) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for trait in _TRAITS:
        of_trait = [row for row in rows if row.trait == trait]
        figures |= _within(of_trait, trait)
    figures |= _within(rows, "all traits")
    figures |= _errors(rows, scales)
    figures |= _by_code(rows)
    return {name: told for name, told in figures.items() if told["n"]}


def _asked(one: Drawn, given: bool) -> Asked:
    """Return a picture as it is measured: with its scale, and its true mask if that is given."""
    asked = Asked(one.name, one.name, calibration=declared(one.told, one.relative, "told"))
    if not given:
        return asked
    rings = [ring.ravel().tolist() for ring in outlines(one.mask)]
    return replace(asked, outlines=(Given(polygon_outline(rings)),))


def _cut(one: Drawn) -> NDArray[np.uint8]:
    """Return a picture as it is cut at the outline of what is drawn in it."""
    rows, columns = (np.flatnonzero(one.mask.any(axis=axis)) for axis in (1, 0))
    return one.picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _rows(one: Drawn, scale: float, found: Measured) -> Iterator[_Row]:
    """Yield the traits of a picture with their truths."""
    if not found.specimens:
        return
    specimen = found.specimens[0]
    truth = {name.removesuffix("_mm"): value for name, value in one.lengths.items()}
    truth["area"] = one.area
    whole = dict(truth)
    if "elytra_length" in truth:
        truth["elytra_length"] -= HIDDEN * truth["body_length"]
    for m in specimen.measurements:
        if m.trait in truth:
            codes = (*found.codes, *specimen.codes, *m.codes)
            left_open = COVERAGE * m.value * _SPREAD[m.trait]
            strict = math.sqrt(max((m.high - m.value) ** 2 - left_open**2, 0.0))
            yield _Row(m.trait, scale, truth[m.trait], m.value, m.low, m.high, bool(codes), codes,
                       whole[m.trait], strict)  # fmt: skip


def _within(rows: Sequence[_Row], name: str) -> dict[str, dict[str, Any]]:
    """Return the share of truths within the interval: of all, and of those without a code.

    And that within the interval without what a definition leaves open.
    """
    found = {}
    for label, some in (("", rows), (", no code", [row for row in rows if not row.coded])):
        hit = np.array([row.low <= row.true <= row.high for row in some], np.float64)
        found[f"within k=2: {name}{label}"] = _told(hit, "share of true values", _mean)
    strict = np.array([abs(row.value - row.true) <= row.strict for row in rows], np.float64)
    name = f"within k=2 of the exact definition: {name}"
    return {**found, name: _told(strict, "share of true values", _mean)}


def _errors(rows: Sequence[_Row], scales: Sequence[float]) -> dict[str, dict[str, Any]]:
    found = {}
    for trait in _TRAITS:
        for scale in scales:
            some = [row for row in rows if row.trait == trait and row.scale == scale]
            fine = [row for row in some if not row.coded]
            unit = "mm2" if trait == "area" else "mm"
            at = f"{trait} at {scale:g} px/mm"
            for label, these in (("", some), (", no code", fine)):
                off = np.array([row.value - row.true for row in these])
                found[f"RMSE: {at}{label}"] = _told(off, unit, _rms)
            share = np.array([row.value / row.true - 1 for row in fine])
            found[f"bias: {at}, no code"] = _told(100 * share, "%", _mean)
            if trait == "elytra_length":
                off = np.array([row.value - row.whole for row in fine])
                found[f"RMSE: {at}, no code, with what is hidden"] = _told(off, unit, _rms)
    return found


def _by_code(rows: Sequence[_Row]) -> dict[str, dict[str, Any]]:
    """Return how often each code was given, and the truths within the interval beside it."""
    found = {}
    for code in sorted({code for row in rows for code in row.codes}):
        hit = np.array(
            [row.low <= row.true <= row.high for row in rows if code in row.codes], np.float64
        )
        found[f"within k=2 beside {code}"] = _told(hit, "share of true values", _mean)
    return found


def _told(values: NDArray[np.float64], unit: str, metric: Any) -> dict[str, Any]:
    """Return a figure with its interval, drawn specimen by specimen."""
    if not len(values):
        return {"value": math.nan, "unit": unit, "n": 0}
    got = interval_of(lambda rows: float(metric(values[rows])), len(values), rounds=_ROUNDS)
    told: Mapping[str, Any] = {
        "value": round(got.value, 5), "unit": unit, "low": round(got.low, 5),
        "high": round(got.high, 5), "n": len(values),
    }  # fmt: skip
    return dict(told)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _rms(values: NDArray[np.float64]) -> float:
    return math.sqrt(float((values**2).mean()))
