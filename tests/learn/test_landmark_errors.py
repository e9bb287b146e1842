"""How far landmarks may be off: along a body and across it, beside what single looks differ by."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from merian.learn.landmark_errors import Off, errors_in_use


def test_an_error_has_two_sides():
    way = (math.cos(0.4), math.sin(0.4))
    off = Off.of(3.0, 0.5, way)
    assert off.along(way) == pytest.approx(3)
    assert off.along((-way[1], way[0])) == pytest.approx(0.5)
    assert Off.of(2.0, 2.0, way).along((1.0, 0.0)) == pytest.approx(2)
    both = off.beside(Off.of(4.0, 1.2, way))
    assert both.along(way) == pytest.approx(5)
    assert both.along((-way[1], way[0])) == pytest.approx(1.3)


def bodies(count, along=0.02, across=0.005, looks=0.01):
    """Bodies at any angle, whose landmark is off by so much, and by as much as looks differ."""
    random = np.random.default_rng(1)
    for number in range(count):
        angle, reach = random.uniform(0, 7), random.uniform(50, 400)
        way = np.array([math.cos(angle), math.sin(angle)])
        spread = looks * random.uniform(0.2, 2)
        far = random.normal(0, np.hypot([along, across], spread)) * reach
        if number % 10 == 9:
            far = np.array([0.5, 0.0]) * reach  # missed
        point = np.array([100.0, 80.0]) + far[0] * way + far[1] * np.array([-way[1], way[0]])
        own = Off.of(spread * reach, spread * reach, (1.0, 0.0))
        mark = SimpleNamespace(point=tuple(point), looks=own, sure=0.9 if number % 2 else 0.3)
        yield SimpleNamespace(marks={"tip": mark}, reach=reach, way=tuple(way)), {
            "tip": (100.0, 80.0), "unseen": (1.0, 1.0),
        }  # fmt: skip


def test_errors_are_told_beside_those_of_looks():
    told = errors_in_use(bodies(3000), lambda _name, _mark: True)
    assert set(told) == {"along tip", "across tip"}
    assert told["along tip"]["value"] == pytest.approx(0.02, rel=0.05)
    assert told["across tip"]["value"] == pytest.approx(0.005, rel=0.15)
    assert told["along tip"]["low"] < 0.02 < told["along tip"]["high"]
    assert told["along tip"]["n"] == 2700


def test_what_looks_differ_by_may_be_all():
    told = errors_in_use(bodies(400, 0.0, 0.0, looks=0.01), lambda _name, _mark: True)
    assert told["along tip"]["value"] < 0.004


def test_only_landmarks_that_are_taken_count():
    told = errors_in_use(bodies(100), lambda _name, mark: mark.sure > 0.5)
    assert told["along tip"]["n"] == 40  # half of all, and a fifth of these is missed
