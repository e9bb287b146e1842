"""An identifier that answers by the letters of a sequence, for tests of the road to it.

It writes a line into a file for every batch that it is asked, so that tests can count them.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from merian.identify import Choice, Determination, Match, Promise
from merian.identify.answers import answer_line
from merian.library import Library

OPENER = "tests.identify.fake:open_answerer"
LINEAGE = {
    "kingdom": "Animalia", "phylum": "Arthropoda", "class": "Insecta", "order": "Diptera",
    "family": "Aidae", "genus": "Aus", "species": "Aus bus",
}  # fmt: skip
RANKS = [*LINEAGE]


def determination(sequence: str) -> Determination:
    """Stand at a rank that hangs on the sequence; nowhere for a few."""
    number = hashlib.blake2b(sequence.encode(), digest_size=2).digest()[0]
    depth = number % 8
    shares = {rank: 1 - number * (place + 1) / 3000 for place, rank in enumerate(RANKS)}
    rank = RANKS[depth - 1] if depth else ""
    matches = [Match(n, f"r{n}", "Aus bus", 1 - n / 300, len(sequence), n, False) for n in range(7)]
    return Determination(
        node=depth - 1,
        rank=rank,
        name=LINEAGE.get(rank, ""),
        probability=shares.get(rank, 1.0),
        names={r: n for r, n in LINEAGE.items() if r != "tribe"},
        probabilities=shares,
        runner_up="",
        runner_up_probability=0.0,
        group="",
        verdict="as it is",
        flags=("short",) if number % 2 else (),
        explanation=f'"Told"\tby {number}, naïvely.',
        matches=matches if depth else [],
        alpha=0.05,
    )


class FakeIdentifier:
    """Takes the place of the real one."""

    def __init__(self, library: Library, choice: Choice) -> None:
        self.library, self.choice = library, choice
        self.promise = Promise(choice.alpha, choice.novelty, choice.by_rank, {}, (), {}, False)
        self.promised = self.promise.lines

    @classmethod
    def open(cls, library: Library | Path | str, choice: Choice | None = None) -> FakeIdentifier:
        opened = library if isinstance(library, Library) else Library.open(library)
        return cls(opened, choice or Choice())

    def identify(self, queries: Sequence[str]) -> list[Determination]:
        note_batch(queries)
        return [determination(query) for query in queries]

    def estimate_novelty(self, queries: Sequence[str]) -> tuple[float, float, float, float]:
        assert queries == sorted(set(queries), key=queries.index)
        return 0.7, 0.2, 0.05, 0.05


def note_batch(queries: Sequence[str]) -> None:
    time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
    if log := os.environ.get("FAKE_LOG"):
        with Path(log).open("a") as stream:
            stream.write("".join(f"{os.getpid()} {query}\n" for query in queries))
    if os.environ.get("FAKE_DEATH"):
        os._exit(7)


def open_answerer(
    folders: str, expected: str, _settings: str
) -> Callable[[Sequence[str]], list[str]]:
    ((_, folder),), (hash,) = json.loads(folders), json.loads(expected)
    identifier = FakeIdentifier.open(folder)
    assert identifier.library.hash == hash
    return lambda asked: [answer_line(found) for found in identifier.identify(asked)]
