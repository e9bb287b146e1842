"""Leaks: what of a test was in the training, so that its score says less than it seems to.

Four kinds, each with the best training record of each test record. The first three are exclusive
and asked in this order: the same sequence on either strand; one within the other, letter by
letter; no farther apart than a stated distance over what both have. Beside these, the same
specimen by any of its ids, whatever the sequences say.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from merian.audit.contain import within
from merian.audit.findings import Audit, Finding, set_aside
from merian.audit.leak_near import open_nearest, write_searched
from merian.audit.sides import Side, read_side
from merian.barcode import align
from merian.errors import InputError
from merian.formats import Options
from merian.library.reading import Progress
from merian.nucleotides import reverse_complement
from merian.processes import in_order

__all__ = ["DISTANCE", "audit_leak"]

DISTANCE = 0.01
"""Up to which two sequences count as nearly identical, as a share of differing columns."""

_BATCH = 200  # sequences that a process is asked at once
_COLUMNS = (
    "how", "test_record", "test_file", "test_line", "test_bases", "train_record", "train_file",
    "train_line", "train_bases", "distance", "overlap", "strand",
)  # fmt: skip

Numbers = npt.NDArray[np.int64]
Row = tuple[object, ...]


def audit_leak(
    train: Path | str,
    test: Path | str,
    *,
    distance: float = DISTANCE,
    options: Options | None = None,
    format: str | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Look for what of a test was in the training.

    Args:
        train: A file in any format that can be imported, or the folder of a library.
        test: The same.
        distance: Up to which sequences are nearly identical.
        options: What is said about both files.
        format: Of both files; found from their content if None.
        progress: Is told how far it is.
    """
    if not 0 <= distance <= 0.2:
        raise InputError(f"the distance is {distance}; a share between 0 and 0.2 is expected")
    tell = progress or (lambda _what, _count: None)
    with TemporaryDirectory(prefix="merian-audit-") as made:
        work = Path(made)
        one = read_side(train, work, "training", tell, options, format)
        other = read_side(test, work, "test", tell, options, format)
        pairs = _Pairs(one, other)
        findings = _findings(pairs, work, distance, tell)
    leaked = len({row[1:4] for finding in findings for row in finding.rows})
    return Audit(
        verb="audit leak",
        title="What of the test was in the training",
        subtitle=f"{test}, held against {train}",
        looked_at=[
            (len(other), "test records"),
            (len(one), "training records"),
            (leaked, "test records with a leak"),
        ],
        findings=[*findings, set_aside([*one.rejects, *other.rejects])],
        settings={"train": one.hash, "test": other.hash, "distance": distance},
    )


class _Pairs:
    """Both sides, and how a pair of them is told."""

    def __init__(self, train: Side, test: Side) -> None:
        self.train, self.test = train, test
        self.first = train.first_records()
        order = np.argsort(test.of_record, kind="stable")
        bounds = np.searchsorted(test.of_record[order], np.arange(len(test.sequences) + 1))
        self._order, self._bounds = order, bounds

    def rows(
        self, how: str, test: int, train: int, apart: float, overlap: int, reverse: bool
    ) -> Iterator[Row]:
        """Return a row for each test record of a sequence."""
        for record in self._order[self._bounds[test] : self._bounds[test + 1]].tolist():
            yield self.row(how, record, int(self.first[train]), apart, overlap, reverse)

    def row(
        self, how: str, test: int, train: int, apart: float | None, overlap: int, reverse: bool
    ) -> Row:
        """Return the row of two records."""
        return (
            how,
            *self.test.place(test),
            self.test.sequences.size(int(self.test.of_record[test])),
            *self.train.place(train),
            self.train.sequences.size(int(self.train.of_record[train])),
            apart,
            overlap,
            "other" if reverse else "same",
        )


def _findings(pairs: _Pairs, work: Path, distance: float, progress: Progress) -> list[Finding]:
    """Return the four kinds."""
    train, test = pairs.train.sequences, pairs.test.sequences
    progress("comparing", len(test))
    exact = _exact(pairs)
    rest = np.flatnonzero(exact[0] < 0)
    rows = [
        row
        for number in np.flatnonzero(exact[0] >= 0).tolist()
        for row in pairs.rows(
            "equal", number, int(exact[0][number]), 0.0, test.size(number), bool(exact[1][number])
        )
    ]
    found = [_finding("exact", rows, distance)]
    inside = _contained(pairs, rest)
    found.append(_finding("contained", [row for _, own in inside for row in own], distance))
    rest = np.setdiff1d(rest, np.array([number for number, _ in inside], np.int64))
    write_searched(train, work / "training.sequences", work)
    found.append(_finding("near", list(_near(pairs, rest, work, distance, progress)), distance))
    found.append(_finding("specimen", list(_specimens(pairs)), distance))
    return found


def _exact(pairs: _Pairs) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Return the training sequence equal to each test sequence, -1 for none, and the strand."""
    known: dict[bytes, tuple[int, bool]] = {}
    train, test = pairs.train.sequences, pairs.test.sequences
    for number in range(len(test)):
        key, turned = _strandless(test.sequence(number))
        known.setdefault(key, (number, turned))
    # The test is the smaller; of it the keys are kept, and the training goes by.
    found: dict[bytes, tuple[int, bool]] = {}
    for number in range(len(train)):
        key, turned = _strandless(train.sequence(number))
        if key in known:
            found.setdefault(key, (number, turned))
    which, other = np.full(len(test), -1, np.int64), np.zeros(len(test), bool)
    for number in range(len(test)):
        key, turned = _strandless(test.sequence(number))
        if key in found:
            which[number], other[number] = found[key][0], found[key][1] != turned
    return which, other


def _strandless(sequence: str) -> tuple[bytes, bool]:
    """Return a hash that both strands of a sequence have, and whether it is of the other one."""
    turned = reverse_complement(sequence)
    least = min(sequence, turned)
    return hashlib.blake2b(least.encode("ascii"), digest_size=16).digest(), least != sequence


def _contained(pairs: _Pairs, asked: Numbers) -> list[tuple[int, list[Row]]]:
    """Return the test sequences that lie in a training sequence, or that hold one."""
    train, test = pairs.train.sequences, pairs.test.sequences.chosen(asked)
    holders = within(test, train).of_pattern
    held = within(train, test).of_text
    found = []
    for place, number in enumerate(asked.tolist()):
        holder, inner = int(holders[place]), int(held[place])
        if holder < 0 and inner < 0:
            continue
        how, other = ("test in training", holder) if holder >= 0 else ("training in test", inner)
        overlap = min(test.size(place), train.size(other))
        reverse = bool(align(test.sequence(place), [train.letters(other)]).reverse[0])
        found.append((number, list(pairs.rows(how, number, other, 0.0, overlap, reverse))))
    return found


def _near(
    pairs: _Pairs, asked: Numbers, work: Path, distance: float, progress: Progress
) -> Iterator[Row]:
    """Return the test records that are near a training record."""
    test = pairs.test.sequences
    numbers = asked.tolist()
    lots = [numbers[low : low + _BATCH] for low in range(0, len(numbers), _BATCH)]
    batches = ((lot, [test.sequence(number) for number in lot]) for lot in lots)
    arguments = [str(work), repr(distance)]
    processes = min(2, os.cpu_count() or 1) if len(lots) > 2 else 1
    here = open_nearest(*arguments)
    done = 0
    for lot, answers in in_order(
        here, "merian.audit.leak_near:open_nearest", arguments, batches, processes
    ):
        for number, answer in zip(lot, answers, strict=True):
            if answer is not None:
                other, mismatches, overlap, reverse = answer
                yield from pairs.rows(
                    "near", number, other, mismatches / overlap, overlap, bool(reverse)
                )
        done += len(lot)
        progress("looking for near ones", done)


def _specimens(pairs: _Pairs) -> Iterator[Row]:
    """Return the test records that share an id with a training record."""
    train, test = pairs.train, pairs.test
    keys: dict[str, list[int]] = {}
    for key, record in zip(test.keys, test.key_record.tolist(), strict=True):
        keys.setdefault(key, []).append(record)
    found: dict[int, tuple[int, str]] = {}
    for key, record in zip(train.keys, train.key_record.tolist(), strict=True):
        for own in keys.get(key, ()):
            found.setdefault(own, (record, key))
    for own in sorted(found):
        other, key = found[own]
        query = test.sequences.sequence(int(test.of_record[own]))
        aligned = align(query, [train.sequences.letters(int(train.of_record[other]))])
        overlap = int(aligned.overlap[0])
        apart = float(aligned.mismatches[0]) / overlap if overlap else None
        yield pairs.row(f"id {key}", own, other, apart, overlap, bool(aligned.reverse[0]))


def _finding(name: str, rows: Sequence[Row], distance: float) -> Finding:
    """Return one kind with its words."""
    titles = {
        "exact": "The same sequence",
        "contained": "One within the other",
        "near": f"Nearly identical: up to {100 * distance:g} % apart",
        "specimen": "The same specimen",
    }
    advice = {
        "exact": (
            "The test record was learnt by heart. Leave it out of the test, or split by sequence "
            "and not by record."
        ),
        "contained": (
            "Another reading of the same barcode, cut or grown at its ends. Leave it out as well."
        ),
        "near": (
            "Often another record of the same species, which a test of known species has to have; "
            "in a test of unseen species it is a leak. Distance counts over what both have, at "
            "least half of the shorter."
        ),
        "specimen": (
            "The same id on both sides: one animal, sequenced or exported twice. If the sequences "
            "are far apart, the id may be a mere coincidence."
        ),
    }
    return Finding(
        name=name,
        title=titles[name],
        advice=advice[name],
        noun="test record",
        count=len(rows),
        columns=_COLUMNS,
        rows=rows,
        shown=(
            "how",
            "test_record",
            "test_line",
            "train_record",
            "train_line",
            "distance",
            "overlap",
            "strand",
        ),
    )
