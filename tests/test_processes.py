"""More processes: the same answers, in order, whatever their number."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from merian import processes
from merian.errors import InputError, MerianError
from merian.processes import in_order, in_processes

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


# -- one batch after the other ------------------------------------------------------------------

LENGTHS = "tests.test_processes:lengths"


def lengths(most: str):
    """What a child opens: answers texts with their lengths and with who it is."""
    if most == "0":
        raise InputError("it cannot be opened")

    def answer(asked: list[str]) -> list[list[int]]:
        print("this goes to the other stream")  # noqa: T201
        if len(asked) > int(most):
            raise InputError(f"more than {most}")
        return [[len(text), os.getpid()] for text in asked]

    return answer


def in_children(batches, processes: int, most: str = "9"):
    return in_order(lengths(most), LENGTHS, [most], batches, processes)


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a child find this module."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]), prepend=os.pathsep)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_batches_are_answered_in_order(count: int, importable: None) -> None:
    batches = [(n, ["x" * n] * (n % 3)) for n in range(30)]
    found = list(in_children(iter(batches), count))
    assert [n for n, _ in found] == [*range(30)]
    assert all([size for size, _ in answers] == [n] * (n % 3) for n, answers in found)
    workers = {worker for _, answers in found for _, worker in answers}
    assert len(workers) <= count
    assert (os.getpid() in workers) == (count == 1)


def test_one_batch_or_none_needs_no_child() -> None:
    assert list(in_children([], 2)) == []
    ((_, answers),) = in_children([("a", ["xy"])], 2)
    assert answers == [[2, os.getpid()]]


def test_no_more_is_read_ahead_than_is_needed(importable: None) -> None:
    read = []

    def batches():
        for n in range(100):
            read.append(n)
            yield n, ["x"]

    answered = in_children(batches(), 2)
    next(answered)
    assert len(read) <= 8
    answered.close()


@pytest.mark.parametrize(("most", "told"), [("0", "it cannot be opened"), ("2", "more than 2")])
def test_what_a_child_cannot_do_is_told(most: str, told: str, importable: None) -> None:
    here = lengths("9")
    with pytest.raises(MerianError, match=told):
        list(in_order(here, LENGTHS, [most], [(n, ["x"] * 3) for n in range(9)], 2))
