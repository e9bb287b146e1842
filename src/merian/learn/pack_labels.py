"""Which classes a record belongs to: the names of its lineage, rank by rank, as numbers.

A name counts at a rank only where the label says so without reserve: *Aus cf. bus* and *Aus* sp. 3
are an *Aus* and no species. What stands for no taxon, and what nobody has said, is unknown, which
is no class of its own. Under the word ``label`` stands the label as it came, which is all that
there is of a class that is no taxon (detritus, bubble).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.catalogue import RANKS
from merian.formats.fasta_headers import is_placeholder
from merian.taxonomy import read_labels
from merian.taxonomy.ranks import RANK_NUMBER

__all__ = ["CELLS", "COLUMNS", "LABEL", "UNKNOWN", "Classes", "class_names", "row_names"]

LABEL = "label"
COLUMNS = (*(rank for rank in RANKS if rank != "subspecies"), LABEL)

# What is asked of a catalogue for each record, in this order.
CELLS = (
    *COLUMNS[:-1], "scientificName", "taxonRank", "identificationQualifier",
    "verbatimIdentification",
)  # fmt: skip

UNKNOWN = -1
_GENUS, _SPECIES = COLUMNS.index("genus"), COLUMNS.index("species")
_WORDS = {"genus": 1, "species": 2}

Cells = Sequence[str | None]
Numbers = NDArray[np.int32]


@dataclass(frozen=True)
class Classes:
    """The classes of some rows.

    Attributes:
        names: The classes of each of `COLUMNS`, in the order of the alphabet.
        numbers: int32[rows, columns], the class of each row; -1 is unknown.
    """

    names: dict[str, list[str]]
    numbers: Numbers

    @classmethod
    def of(cls, rows: Sequence[Sequence[str]]) -> Classes:
        """Number the names of rows, as `class_names` returns them."""
        numbers = np.full((len(rows), len(COLUMNS)), UNKNOWN, np.int32)
        names = {}
        for place, column in enumerate(COLUMNS):
            known = sorted({row[place] for row in rows} - {""})
            number = {name: i for i, name in enumerate(known)}
            numbers[:, place] = [number.get(row[place], UNKNOWN) for row in rows]
            names[column] = known
        return cls(names, numbers)


def class_names(rows: Iterable[Cells]) -> list[list[str]]:
    """Return the classes of rows: their names, where homonyms are told apart by their kingdoms.

    Give each distinct row once, and all at once.
    """
    return _apart(row_names(rows))


def row_names(rows: Iterable[Cells]) -> list[list[str]]:
    """Return the name of each of `COLUMNS` for rows of `CELLS`; "" is unknown.

    Give many rows at once, each once: labels are slow to read.
    """
    tables = [dict(zip(CELLS, row, strict=True)) for row in rows]
    texts = {
        text
        for cells in tables
        for text in (cells["genus"], cells["species"], cells["scientificName"])
        if text
    }
    read = {label.verbatim: label for label in read_labels(sorted(texts))}
    names = {text: (label.name or "", label.kind) for text, label in read.items()}
    return [_names_of(cells, names) for cells in tables]


def _names_of(cells: dict[str, str | None], read: dict[str, tuple[str, str]]) -> list[str]:
    """Return the names of one row."""
    label = _line(cells["verbatimIdentification"] or "")
    if label[:1].islower() and not any(cells[rank] for rank in COLUMNS[:-1]):
        # "copepod_calanoid" looks like a species, and is none: names begin with a capital.
        return [*[""] * (len(COLUMNS) - 1), label]
    found = {}
    for rank in COLUMNS[:-1]:
        text = cells[rank]
        if rank in _WORDS:
            found[rank] = _scientific(text, _WORDS[rank], read)
        else:
            found[rank] = "" if not text or is_placeholder(text) else _line(text)
    lowest, rank = cells["scientificName"], cells["taxonRank"] or ""
    if RANK_NUMBER.get(rank, 0) > RANK_NUMBER["species"]:
        rank = "species"
    if lowest and not found.get(rank, "x"):
        if rank in _WORDS:
            found[rank] = _scientific(lowest, _WORDS[rank], read)
        elif not is_placeholder(lowest):
            found[rank] = _line(read[lowest][0])
    if cells["identificationQualifier"] and rank in found and rank != "species":
        # What the label leaves open, no column beside it may close.
        below = COLUMNS.index(rank) + 1
        found.update(dict.fromkeys(COLUMNS[below:-1], ""))
    if found["species"] and not found["genus"]:
        found["genus"] = found["species"].split(" ", 1)[0]
    return [*(found[rank] for rank in COLUMNS[:-1]), label]


def _scientific(text: str | None, words: int, read: dict[str, tuple[str, str]]) -> str:
    """Return the name in the cell of a genus (one word) or species (two), or ""."""
    if not text or is_placeholder(text):
        return ""
    name, kind = read[text]
    if kind == "virus" or (kind == "hybrid" and words == 2):
        return _line(text)
    if kind != "scientific" or name.count(" ") < words - 1:
        return ""
    return " ".join(name.split(" ")[:words])


def _line(text: str) -> str:
    return " ".join(text.split())


def _apart(rows: list[list[str]]) -> list[list[str]]:
    """Tell homonyms apart: two genera of one name in two kingdoms are two classes."""
    kingdoms: list[dict[str, set[str]]] = [{} for _ in COLUMNS]
    for row in rows:
        for place in range(1, len(COLUMNS) - 1):
            if row[0] and row[place]:
                kingdoms[place].setdefault(row[place], set()).add(row[0])
    torn = [{name for name, above in found.items() if len(above) > 1} for found in kingdoms]
    if not any(torn):
        return rows
    for row in rows:
        for place, names in enumerate(torn):
            if row[place] in names:  # without a kingdom nobody knows which of them it is
                row[place] = f"{row[place]} ({row[0]})" if row[0] else ""
    return rows
