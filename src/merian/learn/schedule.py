"""The course of the learning rate: a pure function of the step, so that there is no state to save.

One-cycle is that of Smith and Topin (2018) with the two cosines and the divisors (25 and 10,000)
that torch has by default; the momentum is left as it is.
"""

from __future__ import annotations

import math

from merian.learn.recipe import SchedulePart

__all__ = ["share_of_highest"]

_START, _END = 25.0, 1e4  # of one cycle: where it begins and ends, as divisors


def share_of_highest(schedule: SchedulePart, step: int, steps: int) -> float:
    """Return the learning rate of a step as a share of the highest.

    Args:
        schedule: Its course.
        step: The step, counted from 0.
        steps: How many there are.
    """
    rise = min(_steps(schedule.warm_up, steps), steps)
    if schedule.kind == "one-cycle":
        return _one_cycle(step, rise, steps, schedule.floor)
    if step < rise:
        return (step + 1) / rise
    if schedule.kind == "constant":
        return 1.0
    if schedule.kind == "cosine":
        begin = rise
        done = _share(step, begin, steps)
        return schedule.floor + (1 - schedule.floor) * (1 + math.cos(math.pi * done)) / 2
    begin = max(rise, steps - _steps(schedule.decay, steps))
    return 1 - (1 - schedule.floor) * _share(step, begin, steps)


def _steps(given: float, steps: int) -> int:
    """Return a number of steps that is given as such, or below 1 as a share of all."""
    return round(given * steps) if given < 1 else round(given)


def _share(step: int, begin: int, end: int) -> float:
    """Return how far a step is between two; no step is at the end, so that each still learns."""
    return min(1.0, max(0.0, (step - begin) / max(end - begin, 1)))


def _one_cycle(step: int, rise: int, steps: int, floor: float) -> float:
    peak = max(rise - 1, 0)
    last = max(steps - 1, 1)
    if step <= peak and peak > 0:
        return _cosine(1 / _START, 1.0, step / peak)
    return _cosine(
        1.0, max(floor, 1 / _START / _END), min(1.0, (step - peak) / max(last - peak, 1))
    )


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))
