"""Records on their way into a pack: each picture with the barcode and the place of its record.

What is wrong with one kind of evidence leaves the others: a record whose pictures cannot be read is
still its barcode, and one whose barcode is too short is still its pictures. A barcode that several
examples have is kept once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from merian.barcode import MINIMUM_BASES
from merian.learn.pack_gather import Gathered, Progress
from merian.learn.pack_pictures import look_at_all
from merian.learn.pack_sequences import CONTENT, tell_short

__all__ = ["FACTS", "look_at_records", "modalities_of", "record_arrays"]

FACTS = ("marker", "sequence", "latitude", "longitude", "day")
"""What is told of a record beside its names."""

_BATCH = 10_000


def look_at_records(
    con: duckdb.DuckDBPyConnection, found: Gathered, work: Path, step: Progress
) -> None:
    """Make the table ``looked``: as of pictures, and the hash of the barcode where there is one.

    An example without a picture has neither a hash of one nor a suffix.
    """
    # A record with several pictures has its barcode as often.
    tell_short(con, found, "SELECT min(n) AS n, record, called FROM raw GROUP BY record, called")
    con.execute(
        "UPDATE raw SET sequence = NULL, marker = NULL, barcode = NULL "
        f"WHERE called < {MINIMUM_BASES}"
    )
    look_at_all(con, found, work, step)
    con.execute(
        "CREATE TABLE alone AS SELECT min(n) AS n FROM raw WHERE sequence IS NOT NULL AND record "
        "NOT IN (SELECT record FROM raw JOIN looked USING (n)) GROUP BY record"
    )
    con.execute(
        "UPDATE raw SET id = barcode, address = NULL, license = NULL "
        "WHERE n IN (SELECT n FROM alone)"
    )
    con.execute("INSERT INTO looked SELECT n, NULL, NULL, NULL, NULL FROM alone")
    con.execute(
        f"CREATE OR REPLACE TABLE looked AS SELECT l.*, {CONTENT} AS barcode_content "
        "FROM looked l JOIN raw USING (n)"
    )


def modalities_of(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return how many examples have a picture, a barcode, a place."""
    counts = con.execute("SELECT count(suffix), count(sequence), count(latitude) FROM packed")
    return dict(zip(("image", "barcode", "place"), counts.fetchall()[0], strict=True))


def record_arrays(con: duckdb.DuckDBPyConnection, work: Path) -> dict[str, NDArray[Any]]:
    """Return what the index holds of records alone.

    They are ``place`` float32[n, 3], ``number`` int32[n] (which record), ``barcode`` int32[n]
    (which barcode, -1 for none), and the barcodes as strings, in a file of the work folder.
    """
    rows = con.execute("SELECT latitude, longitude, day FROM packed ORDER BY place").fetchnumpy()
    places = [np.ma.filled(column.astype(np.float32), np.nan) for column in rows.values()]
    con.execute(
        "CREATE TABLE spelled AS SELECT sequence, row_number() OVER (ORDER BY min(place)) - 1 AS "
        "number FROM packed WHERE sequence IS NOT NULL GROUP BY sequence"
    )
    con.execute(
        "CREATE TABLE numbered AS SELECT record, row_number() OVER (ORDER BY min(place)) - 1 AS "
        "number FROM packed GROUP BY record"
    )
    numbers = con.execute(
        "SELECT coalesce(s.number, -1) AS barcode, r.number AS number FROM packed p "
        "LEFT JOIN spelled s USING (sequence) JOIN numbered r USING (record) ORDER BY place"
    ).fetchnumpy()
    return {
        "place": np.stack(places, axis=1),
        **{name: column.astype(np.int32) for name, column in numbers.items()},
        **_spelled(con, work / "barcodes.txt"),
    }


def _spelled(con: duckdb.DuckDBPyConnection, file: Path) -> dict[str, NDArray[Any]]:
    """Return the barcodes as arrays of `Strings`; the text is mapped, not held."""
    rows = con.execute("SELECT sequence FROM spelled ORDER BY number")
    lengths = [np.zeros(1, np.int64)]
    with file.open("wb") as stream:
        while batch := rows.fetchmany(_BATCH):
            texts = [sequence.encode() + b"\n" for (sequence,) in batch]
            stream.write(b"".join(texts))
            lengths.append(np.fromiter(map(len, texts), np.int64, len(texts)))
    empty = not file.stat().st_size  # which cannot be mapped
    text = np.empty(0, np.uint8) if empty else np.memmap(file, np.uint8, "r").view(np.ndarray)
    return {"spelled.text": text, "spelled.start": np.cumsum(np.concatenate(lengths))}
