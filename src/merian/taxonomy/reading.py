"""From a checklist's files to a `Taxonomy`, in a working database that is thrown away."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from merian.database import connect
from merian.taxonomy.build import BuildReport, build
from merian.taxonomy.checklists import read_usages
from merian.taxonomy.tree import Taxonomy

__all__ = ["read_checklist"]

# A checklist of five million names needs about this much beside its arrays; more only
# if the machine has it to spare, since DuckDB moves the rest to the disk.
_MEMORY = "2GB"


def read_checklist(
    path: Path | str,
    *,
    kind: str | None = None,
    title: str | None = None,
    version: str | None = None,
    threads: int | None = None,
) -> tuple[Taxonomy, BuildReport]:
    """Read a checklist of any known kind.

    Args:
        path: Its file, folder or archive.
        kind: One of `merian.taxonomy.checklists.KINDS`; found out if not given.
        title: What to call it, where it should not be what it calls itself.
        version: Its version, likewise.
        threads: How many threads DuckDB may use; the result is the same for any.
    """
    work = Path(tempfile.mkdtemp(prefix="merian-checklist-"))
    try:
        con = connect(
            work / "checklist.duckdb", memory=_MEMORY, threads=threads, spill=work / "spill"
        )
        try:
            source = read_usages(path, con, kind)
            name = title or source.title
            taxonomy, report = build(con, name, source.version if version is None else version)
        finally:
            con.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    notes = [f"read as {source.kind}", *source.notes, *report.notes]
    return taxonomy, replace(report, notes=notes)
