"""Merian's answers to a task of the yardstick, in the shape in which all tools are scored.

The yardstick compares names letter by letter with those of the references. A library reads these
as names: a variety counts as its species, *Incertae sedis* is no family, a genus under two families
goes to the commoner. So an answer is written with the name that the references of the taxon named
carry in the task; nearly all of them are the same.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from merian.barcode import read_query
from merian.bench.yardstick import quietly
from merian.identify import PARTS, Choice, Determination, Identifier
from merian.library import Library, build_library

__all__ = ["Change", "Translation", "answer_task", "library_of", "queries_of", "write_answers"]

_MISSING = ("", "unk")
_BATCH = 500
_SEED = 0  # of what is done to queries

Key = tuple[str, ...]

Change = Callable[[str, np.random.Generator], str]
"""What is done to a query before it is asked."""


def library_of(folder: Path, place: Path, keep: bool = False) -> Library:
    """Build the library of a task's references, or open the one that is there already."""
    if keep and (place / "library.json").is_file():
        return Library.open(place)
    if place.exists():
        shutil.rmtree(place)
    return build_library([folder / "reference.fasta"], place, parts=PARTS).library


def answer_task(
    yardstick: ModuleType,
    folder: Path,
    library: Library,
    choice: Choice,
    answers: Path,
    change: Change | None = None,
) -> Identifier:
    """Ask a library all queries of a task, changed or as they are, and write the answers."""
    identifier = Identifier.open(library, choice)
    names, asked = queries_of(yardstick, folder, change)
    determinations: list[Determination] = []
    for first in range(0, len(asked), _BATCH):
        determinations += identifier.identify(asked[first : first + _BATCH])
    translation = Translation(yardstick, library, folder)
    write_answers(yardstick, answers, names, determinations, translation)
    return identifier


def queries_of(
    yardstick: ModuleType, folder: Path, change: Change | None = None
) -> tuple[list[str], list[str]]:
    """Return the names and the sequences of a task's queries, of those that are barcodes.

    Args:
        yardstick: The script.
        folder: Of the task.
        change: What is done to each, if anything.
    """
    with quietly():
        rows = [*yardstick.fasta(folder / "query.fasta")]
    if change is not None:
        chance = np.random.default_rng(_SEED)
        rows = [(name, change(text, chance)) for name, text in rows]
    read = [(name, read_query(text)[0]) for name, text in rows]
    names = [name for name, sequence in read if sequence]
    return names, [sequence for _, sequence in read if sequence]


def write_answers(
    yardstick: ModuleType,
    path: Path,
    ids: Sequence[str],
    determinations: Sequence[Determination],
    translation: Translation,
) -> None:
    """Write determinations as an answer file of the yardstick."""
    rows = []
    for name, determination in zip(ids, determinations, strict=True):
        names, confidence = translation.row(determination)
        rank = determination.rank if determination.rank in yardstick.RANKS else ""
        rows.append((name, names, confidence, rank))
    part = path.with_name(path.name + ".part")
    yardstick.write_answers(part, rows)
    part.replace(path)


class Translation:
    """From the names of a library to those that its references have in a task.

    Attributes:
        changed: How many references have another name in the library, by rank.
    """

    def __init__(self, yardstick: ModuleType, library: Library, folder: Path) -> None:
        self._ranks: Sequence[str] = yardstick.RANKS
        self._clean = yardstick.clean
        self.changed: Counter[str] = Counter()
        with quietly():
            labels: Mapping[str, list[str]] = yardstick.reference_names(folder)
        taxonomy = library.taxonomy
        columns = [taxonomy.at_rank(library.node, rank).tolist() for rank in self._ranks]
        # Labels of the references under each name, at its rank and at the unnamed ones above it.
        counts: dict[tuple[Key, int], Counter[str]] = {}
        for entry, nodes in enumerate(zip(*columns, strict=True)):
            unnamed = int(library.unnamed[entry])
            group = library.group_name[unnamed] if unnamed >= 0 else ""
            names = [taxonomy.name_of(node) if node >= 0 else "" for node in nodes]
            keys = self._keys(names, group)
            called = [*names[:-1], names[-1] or group]
            for record in library.records_of(entry):
                for place, label in enumerate(labels[record.id]):
                    if label not in _MISSING and keys[place]:
                        counts.setdefault((keys[place], place), Counter())[label] += 1
                    if label not in _MISSING and label != self._clean(called[place]):
                        self.changed[self._ranks[place]] += 1
        # The commonest, and of equals the first in the alphabet.
        self._label = {
            key: min(found, key=lambda label: (-found[label], label))
            for key, found in counts.items()
        }
        self._labels = labels

    def _keys(self, names: Sequence[str], group: str) -> list[Key]:
        """Return for each rank the named taxon that tells what is written there, () for none.

        That is the taxon at the rank, or, where it is missing, the next below it.
        """
        keys: list[Key] = [()] * len(names)
        below: Key = ("group", group) if group else ()
        for place in range(len(names) - 1, -1, -1):
            if names[place]:
                below = (self._ranks[place], *names[: place + 1])
            keys[place] = below
        return keys

    def row(self, determination: Determination) -> tuple[list[str], list[float]]:
        """Return the names and their probabilities by the yardstick's ranks."""
        names = [determination.names.get(rank, "") for rank in self._ranks]
        group = "" if names[-1] else determination.group
        keys = self._keys(names, group)
        written = [
            self._label.get((key, place), self._clean(names[place])) if key else ""
            for place, key in enumerate(keys)
        ]
        if names[-1]:
            written[-1] = self._nearest(determination, written[-1])
        confidence: list[float] = []
        probabilities: Mapping[str, Any] = determination.probabilities
        below = 0.0
        for place in range(len(names) - 1, -1, -1):
            # Where the tree has no such rank, it is as certain as what is named below.
            below = float(probabilities.get(self._ranks[place], below if written[place] else 0.0))
            confidence.append(below)
        return written, confidence[::-1]

    def _nearest(self, determination: Determination, usual: str) -> str:
        """Return the label of the nearest reference of the species: it may be one of several."""
        species = determination.names["species"]
        for match in determination.matches:
            if match.name == species:
                return self._labels[match.id][-1]
        return usual
