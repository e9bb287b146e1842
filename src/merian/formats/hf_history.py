"""What else was said of a record, as a column of a Parquet file holds it.

A row has one name in its columns: the one that stands. What was said before it, or beside it, is a
list of objects in JSON, whose keys are the terms of an identification. It names the record, unless
it says itself on which picture, thing or sequence it rests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from merian.catalogue.schema import TABLES
from merian.catalogue.sources import Chunk, Reject
from merian.formats.delimited import column
from merian.formats.hf_rows import ParquetTable, TableRows

__all__ = ["HistoryRows"]

_ROWS = 2_000  # that are read at once
_LONGEST = 1 << 20  # characters of the list of one record
_SUBJECTS = ("occurrenceID", "materialEntityID", "mediaID", "nucleotideSequenceID")
_TERMS = tuple(name for name in TABLES["identification"].columns if name != "runID")


@dataclass(frozen=True)
class HistoryRows:
    """The further identifications of the records of a file.

    Attributes:
        table: The file.
        identifier: SQL of the id of a row's record.
        history: The column that holds them.
    """

    table: ParquetTable
    identifier: str
    history: str

    def __iter__(self) -> Iterator[Chunk | Reject]:
        terms = {"occurrenceID": self.identifier, "told": column(self.history)}
        for lines, rows, _ in TableRows(self.table, terms, {}).parts((), _ROWS):
            if isinstance(rows, Reject):
                continue  # it was told with the records
            made: dict[str, list[object]] = {name: [] for name in ("line", *_TERMS)}
            for line, (record, text) in zip(lines, rows, strict=True):
                said = _said(text)
                if isinstance(said, str):
                    yield Reject(self.table.file, line, said, text[:1000], self.history, "value")
                    continue
                for one in said:
                    subjects = any(one.get(name) for name in _SUBJECTS)
                    values = one if subjects else {**one, "occurrenceID": record}
                    made["line"].append(line)
                    for name in _TERMS:
                        made[name].append(values.get(name))
            if made["line"]:
                yield {name: tuple(values) for name, values in made.items()}


def _said(text: str | None) -> list[Mapping[str, str | None]] | str:
    """Return the identifications of a cell, or what is wrong with it."""
    if not text:
        return []
    if len(text) > _LONGEST:
        return f"has {len(text):,} characters"
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return "is no JSON"
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        return "is JSON, but no list of objects"
    return [
        {name: None if value is None else str(value) for name, value in one.items()
         if not isinstance(value, dict | list)}
        for one in told
    ]  # fmt: skip
