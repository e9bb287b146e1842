"""Measurements that a person has corrected, appended to a catalogue; what was there stays.

They are written with their run in one transaction: who, when and why. Each says which measurement
it was corrected from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from merian import __version__
from merian.catalogue.schema import TABLES, quoted
from merian.database import transaction

__all__ = ["append_measurements"]


def append_measurements(
    con: duckdb.DuckDBPyConnection, rows: Sequence[Mapping[str, Any]], told: Mapping[str, Any]
) -> str:
    """Append rows; they are on the disk when this returns. Return the id of the run.

    Args:
        con: The catalogue, open for writing.
        rows: By term, of the table of measurements.
        told: What was decided: by, why and at, a time in UTC.
    """
    known = TABLES["measurement"].columns
    keys = [row["measurementID"] for row in rows]
    text = json.dumps({"rows": keys, **told}, sort_keys=True, ensure_ascii=False)
    run = f"measure-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"
    clock = datetime.fromisoformat(str(told["at"]).replace("Z", ""))
    with transaction(con):
        for row in rows:
            terms = [term for term in known if row.get(term) is not None]
            con.execute(
                f"INSERT INTO main.measurement ({', '.join(map(quoted, terms))}, runID) "
                f"VALUES ({', '.join('?' * len(terms))}, ?)",
                [*(row[term] for term in terms), run],
            ).fetchall()
        con.execute(
            "INSERT INTO main.run BY NAME SELECT ? AS runID, 'measure' AS verb, ? AS arguments, "
            "'{}' AS inputs, ? AS merianVersion, ? AS summary, ?::TIMESTAMP AS startedAt, "
            "?::TIMESTAMP AS finishedAt",
            [run, json.dumps({"corrected": keys, **told}, ensure_ascii=False), __version__,
             json.dumps({"added": {"measurement": len(rows)}}), clock, clock],
        ).fetchall()  # fmt: skip
    return run
