"""Our definitions against ImageJ's numbers of real specimens, 27 pixels a millimetre."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from merian.measure.asked import Asked
from merian.measure.calibration import declared
from merian.measure.definitions import chosen, definitions
from merian.measure.specimens import Settings, measure_pixels
from merian.pictures import read_picture

CROPS = Path(__file__).resolve().parents[3] / "shared/data/traits/pitfall_crops"
pytestmark = pytest.mark.skipif(
    not CROPS.exists(), reason="the crops of pitfall traps are not here"
)
IMAGEJ = ("Area", "Feret", "MinFeret", "Major", "Minor", "AR", "Round", "Solidity", "Circ.")


def table() -> list[dict[str, str]]:
    with (CROPS / "specimens.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def column(name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in table()])


def test_ratios_are_made_of_lengths_as_imagej_makes_them():
    # Its numbers have three digits, and the least body is a millimetre.
    area, perimeter, major, minor = map(column, ("Area", "Perim", "Major", "Minor"))
    assert column("Circ") == pytest.approx(4 * math.pi * area / perimeter**2, rel=0.008)
    assert column("AR") == pytest.approx(major / minor, rel=0.008)
    assert column("Round") == pytest.approx(4 * area / (math.pi * major**2), rel=0.008)
    # Its ellipse has the area of the mask.
    assert math.pi / 4 * major * minor == pytest.approx(area, rel=0.007)


def test_shapes_of_crops_are_near_those_of_imagej():
    settings = Settings(chosen(definitions(), IMAGEJ), declared(27.0, 0.0), single=True)
    names = {one.id: one.aliases[0] for one in settings.traits}
    apart: dict[str, list[float]] = {name: [] for name in IMAGEJ}
    # Not the least: of a mite of ten pixels a threshold decides.
    rows = sorted(table(), key=lambda row: -float(row["Feret"]))[60:100:10]
    for row in rows:
        place = CROPS / "crops" / row["Label"]
        found = measure_pixels(read_picture(place).pixels, Asked(place.name, str(place)), settings)
        for m in found.specimens[0].measurements:
            true = float(row[names[m.trait].rstrip(".")])
            apart[names[m.trait]].append(abs(m.value / true - 1))
    middle = {name: float(np.median(values)) for name, values in apart.items()}
    assert middle["Feret"] < 0.02
    for name in ("Area", "MinFeret", "Major", "Minor", "AR", "Round"):
        assert middle[name] < 0.08, name
