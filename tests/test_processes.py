"""More processes: the same answers, in order, whatever their number."""

from __future__ import annotations

import pytest

from merian import processes
from merian.processes import in_processes

NAMES = [f"Aus bus{letter}" for letter in "abcdefghijklmnopqrstuvw"]
WORK = "merian.taxonomy.names:bare_names"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_answers_come_in_order(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(processes.os, "cpu_count", lambda: 4)
    found = in_processes(WORK, NAMES, processes=count, worth=2)
    assert [row[0] for row in found] == NAMES


def test_it_tells_how_far_it_is() -> None:
    told: list[tuple[float, float]] = []
    in_processes(
        WORK, NAMES[:10], processes=1, slice_of=4, progress=lambda d, t: told.append((d, t))
    )
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_nothing_is_no_work() -> None:
    assert in_processes(WORK, [], worth=0) == []
