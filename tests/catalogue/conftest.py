"""A small table of specimens in any dress, and what reads it into a catalogue."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from merian.catalogue import Catalogue, Columns, Delimited, Reading
from merian.taxonomy import Taxonomy, read_checklist

Rows = Sequence[Mapping[str, str]]
Make = Callable[..., Reading]


def table_text(rows: Rows, delimiter: str = ",", end: str = "\n", quoting: int = 0) -> str:
    """Write rows as a table; the first row names the columns."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting)
    columns = list(dict.fromkeys(c for row in rows for c in row))
    writer.writerow(columns)
    writer.writerows([row.get(c, "") for c in columns] for row in rows)
    return stream.getvalue()


def reading_of(path: Path, columns: Sequence[str], **settings: Any) -> Reading:
    """A reading of a file whose columns are called like the terms that they feed."""
    feeds = settings.pop("feeds", None) or (Columns("record", {c: f'"{c}"' for c in columns}),)
    source = Delimited(path=path, delimiter=settings.pop("delimiter", ","), columns=columns,
                       feeds=feeds, **settings)  # fmt: skip
    return Reading("test", (source,), (path,))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write rows to a file and return the reading of it."""
    count = 0

    def written(rows: Rows, **settings: Any) -> Reading:
        nonlocal count
        count += 1
        text = table_text(rows, settings.get("delimiter", ","), settings.pop("end", "\n"))
        path = tmp_path / settings.pop("name", f"table{count}.csv")
        data = text.encode(settings.get("encoding", "utf-8"))
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        columns = list(dict.fromkeys(c for row in rows for c in row))
        return reading_of(path, columns, **settings)

    return written


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """An empty catalogue, open for writing."""
    with Catalogue.create(tmp_path / "catalogue") as made:
        yield made


@pytest.fixture
def checklist(tmp_path: Path) -> Taxonomy:
    """A checklist of three species."""
    path = tmp_path / "checklist.csv"
    path.write_text(
        "family,genus,species\nApidae,Apis,Apis mellifera\nApidae,Bombus,Bombus lucorum\n"
        "Calanidae,Calanus,Calanus finmarchicus\n"
    )
    return read_checklist(path)[0]


@pytest.fixture
def rejects(catalogue: Catalogue) -> Callable[[], list[tuple[Any, ...]]]:
    """All rejects: scope, line, term, reason, content."""
    sql = "SELECT scope, line, term, reason, content FROM rejects ORDER BY rejectID"
    return lambda: catalogue.query(sql).fetch()
