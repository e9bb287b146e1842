"""Importing: first everything is staged and checked, then it is written in one transaction.

A killed import leaves the catalogue as it was, or complete. The id of a run is a hash of the
input and of what was asked, so the second run of the same command finishes a killed one, and
finds a complete one done.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from merian import __version__
from merian.catalogue.commit import reconcile, write
from merian.catalogue.matching import match_identifications
from merian.catalogue.schema import TABLES
from merian.catalogue.sources import Reading
from merian.catalogue.split import split
from merian.catalogue.staging import Staging
from merian.catalogue.summary import Summary
from merian.files import content_hash
from merian.stamp import run_id

if TYPE_CHECKING:
    from merian.taxonomy import Taxonomy

__all__ = ["REASON", "Progress", "ingest"]

Progress = Callable[[str, int], None]
"""Is told what is being done, and how many rows were read so far."""

# What a reject is counted under: its reason up to the colon, behind which stand the particulars.
REASON = "scope || coalesce(' ' || term, '') || ': ' || split_part(reason, ':', 1)"


def ingest(
    con: duckdb.DuckDBPyConnection,
    work: Path,
    reading: Reading,
    *,
    verb: str = "import",
    arguments: Mapping[str, object] | None = None,
    taxonomy: Taxonomy | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Take a reading into the catalogue that is open for writing on ``con``."""
    start, clock = time.perf_counter(), datetime.now(UTC).replace(tzinfo=None)
    step = progress or (lambda _what, _rows: None)
    if taxonomy is not None:
        # Matched to another checklist, the same input is another import.
        arguments = {**(arguments or {}), "taxonomy": str(taxonomy.lock)}
    # The hashes are worked out while the rows are read, unless they may show that all is done.
    hashing = _Hashing(reading, verb, arguments)
    if con.execute("SELECT count(*) FROM run").fetchall()[0][0]:
        step("hashing the input", 0)
        run, _ = hashing.result()
        found = con.execute("SELECT summary FROM run WHERE runID = ?", [run]).fetchall()
        if found:
            return Summary(**json.loads(found[0][0]), done_before=True)
    work.mkdir(parents=True, exist_ok=True)
    staging = Staging(con, work, step)
    try:
        staging.load(reading)
        run, inputs = hashing.result()
        repeats = split(staging)
        if taxonomy is not None:
            match_identifications(staging, taxonomy)
        already = reconcile(staging)
        summary = _summary(staging, run, reading, repeats, already)
        write(
            staging,
            {
                "runID": run,
                "verb": verb,
                "arguments": _json({"format": reading.format, **(arguments or {})}),
                "inputs": _json(inputs),
                "merianVersion": __version__,
                "taxonomyLock": _json(taxonomy.lock.as_dict()) if taxonomy is not None else None,
                "summary": _json(summary.as_dict()),
                "startedAt": clock,
                "finishedAt": datetime.now(UTC).replace(tzinfo=None),
            },
        )
    finally:
        staging.close()
        shutil.rmtree(work, ignore_errors=True)
    seconds = time.perf_counter() - start
    return replace(summary, seconds=round(seconds, 3))


class _Hashing:
    """The hashes of the input files and the id of the run, in the background."""

    def __init__(self, reading: Reading, verb: str, arguments: Mapping[str, object] | None) -> None:
        self._reading, self._verb, self._arguments = reading, verb, dict(arguments or {})
        pool = ThreadPoolExecutor(1)
        self._future = pool.submit(self._work)
        pool.shutdown(wait=False)

    def _work(self) -> tuple[str, dict[str, str]]:
        inputs = {str(path): content_hash(path) for path in self._reading.inputs}
        # A file that was moved is the same file.
        files = sorted((Path(path).name, digest) for path, digest in inputs.items())
        asked = {"format": self._reading.format, "inputs": files, "arguments": self._arguments}
        return run_id(self._verb, asked), inputs

    def result(self) -> tuple[str, dict[str, str]]:
        """Wait for the id of the run and the hashes by file name."""
        return self._future.result()


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, default=str, sort_keys=True)


def _summary(
    staging: Staging, run: str, reading: Reading, repeats: int, already: Mapping[str, int]
) -> Summary:
    added = {
        name: staging.count(f"SELECT count(*) FROM new_{name}")
        for name in TABLES
        if staging.has(f"new_{name}")
    }
    rejected = dict(
        staging.run(f"SELECT {REASON}, count(*) FROM rejects GROUP BY 1 ORDER BY 2 DESC, 1")
    )
    by_scope = dict(staging.run("SELECT scope, count(*) FROM rejects GROUP BY 1"))
    return Summary(
        run=run,
        format=reading.format,
        rows_read=staging.rows_read,
        added={name: count for name, count in added.items() if count},
        already=dict(already),
        rejected=rejected,
        repeats=repeats,
        rows_rejected=by_scope.get("row", 0),
        values_rejected=by_scope.get("value", 0),
        notes=(*reading.notes, *staging.notes),
    )
