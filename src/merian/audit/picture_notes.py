"""What an audit saw of pictures, written into their catalogue as measurements.

Each picture gets what was measured of its object, the hash of its pixels, and a row for each fault
it is told for, so that a query can leave it out. Of two that look alike the first says which the
other is, so that a split can tell what stands in several parts. A measurement's id is a hash of
what it says: the same audit is never written twice, and another one, with other limits, stands
beside it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

from merian import __version__
from merian.audit.pictures import PictureAudit
from merian.catalogue import Catalogue, Chunk, Reading, Rows
from merian.catalogue.splits.near_leaks import LOOKS_LIKE, PIXELS
from merian.errors import InputError
from merian.learn.pack_gather import is_catalogue

__all__ = ["FLAG", "check_catalogue", "write_notes"]

FLAG = "picture fault"
"""The type of a measurement that says what a picture is told for."""

_MEASURED = {
    "stands_out": ("object stands out", "times the reflections of the ground"),
    "blur": ("blur of the object", "pixels of a picture of 512"),
    "scattered": ("object in other pieces", "share"),
    "cut": ("object cut by the picture's edge", "root of its area"),
    "covers": ("object covers", "share of the picture"),
}
_TERMS = (
    "measurementID", "mediaID", "measurementType", "measurementValue", "measurementValueNumeric",
    "measurementUnit", "measurementMethod", "measurementDeterminedBy",
)  # fmt: skip
_BATCH = 5_000


def check_catalogue(sources: Sequence[Path]) -> Path:
    """Return the catalogue that is to be written into, or say why there is none."""
    if len(sources) != 1 or not is_catalogue(sources[0]):
        raise InputError(
            "--write needs one catalogue as the only source; `merian import` makes one of files"
        )
    return sources[0]


def write_notes(folder: Path, done: PictureAudit) -> int:
    """Write what was seen into a catalogue, and return how many measurements are new."""
    limits = json.dumps(done.audit.settings["limits"])
    method = f"merian audit pictures, limits {limits}"
    # The rows wait in a file: one process of DuckDB asks, the other writes.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        for row in _rows(done, method):
            waiting.write(json.dumps(row) + "\n")
        waiting.seek(0)
        source = Rows(folder / "catalogue.duckdb", "measurement", _chunks(waiting))
        with Catalogue.open(folder) as opened:
            before = int(str(opened.query("SELECT count(*) FROM measurement").value()))
            opened.ingest(
                Reading("audit", (source,), ()),
                verb="audit pictures",
                arguments=dict(done.audit.settings),
            )
            return int(str(opened.query("SELECT count(*) FROM measurement").value())) - before


def _rows(done: PictureAudit, method: str) -> Iterator[list[object]]:
    """Return the measurements, picture by picture."""
    by = f"Merian {__version__}"
    found = done.con.execute(
        "WITH like_it AS (SELECT a AS n, list([i.id, cosine] ORDER BY i.id) AS others "
        "FROM (SELECT a, b, printf('%.4f', cosine) AS cosine FROM pair) p "
        "JOIN item i ON i.n = p.b GROUP BY a) "
        f"SELECT id, flags, others, pixels, {', '.join(_MEASURED)} FROM item JOIN seen USING (n) "
        "LEFT JOIN flag USING (n) LEFT JOIN like_it USING (n) ORDER BY id, n"
    )
    line = 0
    while batch := found.fetchmany(_BATCH):
        for media, flags, others, pixels, *values in batch:
            told: list[tuple[object, ...]] = [
                (kind, f"{value:.6g}", value, unit)
                for value, (kind, unit) in zip(values, _MEASURED.values(), strict=True)
                if value is not None
            ]
            told += [(FLAG, flag, None, None) for flag in (flags or "").split(";") if flag]
            if pixels:
                told.append((PIXELS, pixels, None, None))
            told += [(LOOKS_LIKE, o, float(cosine), "cosine") for o, cosine in others or []]
            for what in told:
                row = (media, *what, method, by)
                key = hashlib.blake2b(json.dumps(row).encode(), digest_size=10).hexdigest()
                line += 1
                yield [line, key, *row]


def _chunks(stream: IO[str]) -> Iterator[Chunk]:
    """Return the rows as columns."""
    while lines := [*islice(stream, _BATCH)]:
        columns: Sequence[Sequence[object]] = [*zip(*map(json.loads, lines), strict=True)]
        yield dict(zip(("line", *_TERMS), columns, strict=True))
