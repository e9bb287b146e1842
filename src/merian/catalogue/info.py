"""What a catalogue holds, counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from merian.catalogue.definitions import STANDING
from merian.catalogue.ingest import REASON
from merian.catalogue.query import quiet_cursor
from merian.catalogue.schema import RANKS, TABLES, quoted
from merian.catalogue.summary import Info, RunInfo, SplitInfo

__all__ = ["describe"]


_SPLITS = "SELECT splitName, method, seed, parts FROM split ORDER BY splitName"


def describe(con: duckdb.DuckDBPyConnection, path: Path) -> Info:
    """Count everything that `merian info` shows."""
    cursor = quiet_cursor(con)

    def rows(sql: str) -> list[Any]:
        return cursor.execute(sql).fetchall()

    try:
        ranks = ", ".join(f"count(DISTINCT {quoted(rank)})" for rank in RANKS)
        dates = rows(
            "SELECT min(split_part(eventDate, '/', 1)), max(split_part(eventDate, '/', -1)) "
            "FROM event"
        )[0]
        box = rows(
            "SELECT min(decimalLongitude), min(decimalLatitude), max(decimalLongitude), "
            "max(decimalLatitude) FROM event "
            "WHERE decimalLongitude IS NOT NULL AND decimalLatitude IS NOT NULL"
        )[0]
        locks = rows(
            "SELECT DISTINCT taxonomyLock FROM run WHERE taxonomyLock IS NOT NULL ORDER BY 1"
        )
        return Info(
            path=str(path),
            tables={name: rows(f"SELECT count(*) FROM {name}")[0][0] for name in TABLES},
            rejects=dict(
                rows(f"SELECT {REASON}, count(*) FROM rejects GROUP BY 1 ORDER BY 2 DESC, 1")
            ),
            runs=_runs(rows("SELECT * FROM run ORDER BY finishedAt, runID"), cursor),
            names=dict(
                zip(
                    RANKS,
                    rows(f"SELECT {ranks} FROM identification i WHERE {STANDING}")[0],
                    strict=True,
                )
            ),
            identified=rows("SELECT count(*) FROM determination WHERE scientificName IS NOT NULL")[
                0
            ][0],
            dates=None if dates[0] is None else dates,
            box=None if box[0] is None else box,
            markers=dict(
                rows(
                    "SELECT coalesce(targetGene, 'not said'), count(*) FROM sequence "
                    "GROUP BY 1 ORDER BY 2 DESC, 1"
                )
            ),
            taxonomies=[json.loads(lock) for (lock,) in locks],
            splits=[_split(row) for row in rows(_SPLITS)],
        )
    finally:
        cursor.close()


def _split(row: tuple[str, str, int, str]) -> SplitInfo:
    name, method, seed, parts = row
    records = {part: told["records"] for part, told in json.loads(parts).items()}
    return SplitInfo(name, method, seed, records)


def _runs(found: list[Any], cursor: duckdb.DuckDBPyConnection) -> list[RunInfo]:
    columns = [d[0] for d in cursor.description or []]
    runs = []
    for values in found:
        row = dict(zip(columns, values, strict=True))
        runs.append(
            RunInfo(
                id=row["runID"],
                verb=row["verb"],
                inputs=list(json.loads(row["inputs"])),
                version=row["merianVersion"],
                finished=f"{row['finishedAt']:%Y-%m-%d %H:%M:%S} UTC",
                taxonomy=json.loads(row["taxonomyLock"]) if row["taxonomyLock"] else None,
            )
        )
    return runs
