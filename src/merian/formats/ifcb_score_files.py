"""What files of class scores and manual lists say of the regions of a bin.

Four layouts, told apart by the names of their arrays:

* v1 (.mat): ``TBscores``, a row a region and a column a class; ``roinum``; ``class2useTB``, with
  "unclassified" last; ``TBclass``, the best; ``TBclass_above_threshold``; ``classifierName``;
* v2 (.h5): ``scores`` with the attributes ``class_labels`` and ``bin_id``; ``roi_numbers``;
* v3 (.h5): ``output_scores`` (``output_ranks`` in old ones), ``class_labels``, ``roi_numbers``, and
  ``metadata`` with the attributes ``model_id`` and ``timestamp``; in the Nordic variant also
  ``class_name_auto``, the best, ``class_name``, "unclassified" where that is below its threshold,
  ``thresholds`` and ``classifier_name``;
* manual (.mat): ``classlist``, a row for each trigger with its number, the class that a person gave
  it and the one that a classifier gave it, counted from 1 in ``class2use_manual`` and
  ``class2use_auto``; NaN is no class.

Old v3 files keep ``roi_numbers`` in 16 bits, which are not exact beyond 2,048: those are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.errors import FormatError
from merian.formats.guarded_arrays import Arrays

__all__ = ["Given", "Scored", "scored"]

UNNAMED = "unclassified"
_SCORES = ("TBscores", "scores", "output_scores", "output_ranks")
_NUMBERS = ("roinum", "roi_numbers")
_LABELS = ("class2useTB", "scores/class_labels", "class_labels")
_BEST = ("TBclass", "class_name_auto")
_KEPT = ("TBclass_above_threshold", "class_name")
_BY = ("classifierName", "classifier_name", "metadata/model_id", "scores/model_id", "model_id")
_WHEN = ("metadata/timestamp", "timestamp")
_EXACT = 2_048  # whole numbers up to this are exact in 16 bits
_MOST_REGIONS = 1_000_000
_WRITTEN = re.compile(r"Created on: \w{3} (\w{3}) +(\d{1,2}) (\d{2}:\d{2}:\d{2}) (\d{4})")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


@dataclass(frozen=True)
class Given:
    """A name that was given to a region.

    Attributes:
        label: The class; None if it is none.
        by_human: Whether a person gave it.
        probability: The score of the class, where there is one.
        remark: What else is said.
    """

    label: str | None
    by_human: bool
    probability: float | None = None
    remark: str | None = None


@dataclass
class Scored:
    """What a file says.

    Attributes:
        by: Who or what classified.
        written: When, or when the file was written.
        names: Number of a region -> the names that it was given.
        labels: The classes of the scores.
        scores: Number of a region -> its row of ``matrix``.
        matrix: The scores.
        further: What else is said of each region, by name: the number of cells of a chain.
        faults: What is wrong with a region, and what stands there.
        notes: What else there is to say.
    """

    by: str | None = None
    written: str | None = None
    names: dict[int, list[Given]] = field(default_factory=dict)
    labels: Sequence[str] = ()
    scores: dict[int, int] = field(default_factory=dict)
    matrix: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0)))
    further: dict[str, NDArray[Any]] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def measured(self, number: int, every: bool) -> Iterator[tuple[str, str]]:
        """Return what is measured of a region, and its scores if all of them are wanted."""
        row = self.scores.get(number)
        if row is None:
            return
        for name, values in self.further.items():
            if not math.isnan(values[row]):
                yield name, f"{values[row]:g}"
        if every:
            for label, value in zip(self.labels, self.matrix[row].tolist(), strict=True):
                yield f"score of {label}", repr(value)


def scored(path: Path, arrays: Arrays) -> Scored:
    """Make out what a file says.

    Raises:
        FormatError: If it is none of the layouts, or its arrays do not fit together.
    """
    if "classlist" in arrays.numbers:
        return _manual(path, arrays)
    return _machine(path, arrays)


def _first(found: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((found[name] for name in names if name in found), None)


def _machine(path: Path, arrays: Arrays) -> Scored:
    matrix, numbers = _first(arrays.numbers, _SCORES), _first(arrays.numbers, _NUMBERS)
    labels = _first(arrays.texts, _LABELS)
    if matrix is None or numbers is None or labels is None:
        held = sorted([*arrays.numbers, *arrays.texts, *arrays.others])
        raise FormatError(
            "is no file of class scores: scores with their classes and region numbers, or "
            f"classlist, are expected, and it holds {', '.join(held[:12]) or 'nothing'}",
            path=path,
        )
    numbers = numbers.ravel()
    if matrix.ndim != 2 or matrix.shape[0] != len(numbers):
        raise FormatError(
            f"has scores of the shape {' x '.join(map(str, matrix.shape))} for {len(numbers)} "
            "regions",
            path=path,
        )
    if len(labels) == matrix.shape[1] + 1 and labels[-1] == UNNAMED:
        labels = labels[:-1]
    if len(labels) != matrix.shape[1]:
        raise FormatError(
            f"has scores of {matrix.shape[1]} classes and names {len(labels)}", path=path
        )
    found = Scored(by=_by(arrays), written=_written(arrays), labels=labels, matrix=matrix)
    exact = arrays.told.get("roi_numbers/kind", "").lstrip("<>|=") != "f2"
    for row, number in _regions(found, numbers):
        if not exact and number > _EXACT:
            found.faults.append(("the number of the region is not exact: it is kept in 16 bits",
                                 str(number)))  # fmt: skip
            continue
        found.scores[number] = row
        found.names[number] = [_best(found, arrays, row)]
    taken = {*_SCORES, *_NUMBERS, "thresholds", "output_classes"}
    for name, values in arrays.numbers.items():
        if name not in taken and values.size == len(numbers):
            found.further[name] = values.ravel()
    return found


def _regions(found: Scored, numbers: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Return the rows with the numbers of their regions; a wrong one is told among the faults."""
    seen: set[int] = set()
    for row, value in enumerate(numbers.tolist()):
        if not (value > 0 and value == value // 1 and value < _MOST_REGIONS):
            found.faults.append(("no number of a region", f"{value:g}"))
        elif value in seen:
            found.faults.append(("the region was there before", f"{value:g}"))
        else:
            seen.add(int(value))
            yield row, int(value)


def _best(found: Scored, arrays: Arrays, row: int) -> Given:
    """Return the class that a classifier gave to a region."""
    scores = found.matrix[row]
    finite = np.isfinite(scores)
    column = int(np.argmax(np.where(finite, scores, -np.inf))) if finite.any() else None
    told = _of_row(_first(arrays.texts, _BEST), row)
    kept = _of_row(_first(arrays.texts, _KEPT), row)
    label = told or (None if column is None else found.labels[column])
    if told and told in found.labels:
        column = found.labels.index(told)
    score = None if column is None else float(scores[column])
    if label is None or label == UNNAMED:
        return Given(None, False)
    remarks = []
    limits = arrays.numbers.get("thresholds")
    if kept == UNNAMED:
        limit = "" if limits is None or column is None or limits.size <= column else (
            f" of {limits.ravel()[column]:g}")  # fmt: skip
        remarks.append(f"below the threshold{limit}: {UNNAMED}")
    elif kept and kept != label:
        remarks.append(f"kept as {kept}")
    if score is not None and not 0 <= score <= 1:
        remarks.append(f"score {score:g}, which is no probability")
        score = None
    return Given(label, False, score, "; ".join(remarks) or None)


def _of_row(texts: Sequence[str] | None, row: int) -> str | None:
    return texts[row] if texts is not None and row < len(texts) else None


def _manual(path: Path, arrays: Arrays) -> Scored:
    """Make out what a person said of the regions of a bin."""
    rows = arrays.numbers["classlist"]
    if rows.ndim != 2 or rows.shape[1] < 2:
        shape = " x ".join(map(str, rows.shape))
        raise FormatError(f"has a classlist of the shape {shape}; n x 3 is expected", path=path)
    classes = arrays.texts.get("class2use_manual", [])
    if not classes:
        raise FormatError("has a classlist and no class2use_manual to name its classes", path=path)
    found = Scored(by=_by(arrays), written=_written(arrays))
    automatic = arrays.texts.get("class2use_auto", [])
    for row, number in _regions(found, rows[:, 0]):
        given = [_classed(found, rows[row, 1], classes, True)]
        if rows.shape[1] > 2:
            given.append(_classed(found, rows[row, 2], automatic, False))
        found.names[number] = [one for one in given if one is not None]
    if rows.shape[1] > 3 and np.isfinite(rows[:, 3:]).any():
        found.notes.append("columns of classlist behind the third are ignored")
    return found


def _classed(found: Scored, value: float, classes: Sequence[str], by_human: bool) -> Given | None:
    if math.isnan(value):
        return None
    if not (value == value // 1 and 1 <= value <= len(classes)):
        found.faults.append((f"no class: there are {len(classes)}", f"{value:g}"))
        return None
    label = classes[int(value) - 1]
    return Given(None if label in {UNNAMED, ""} else label, by_human)


def _by(arrays: Arrays) -> str | None:
    return _said(arrays, _BY)


def _said(arrays: Arrays, names: Sequence[str]) -> str | None:
    """Return the first text that a file holds under one of these names."""
    found = [*(arrays.texts.get(name, [])[:1] for name in names),
             *([arrays.told[name]] for name in names if name in arrays.told)]  # fmt: skip
    return next((text for texts in found for text in texts if text), None)


def _written(arrays: Arrays) -> str | None:
    """Return when it was classified; of a .mat when it was written."""
    told = _said(arrays, _WHEN)
    match = _WRITTEN.search(arrays.told.get("header", ""))
    if told or match is None or match[1] not in _MONTHS:
        return told
    return f"{match[4]}-{_MONTHS.index(match[1]) + 1:02d}-{int(match[2]):02d}T{match[3]}"
