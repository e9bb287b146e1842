"""ChecklistBank's database tables as CSV: ``name`` and ``name_usage``.

The usages have ids, parents and a status; the names that they point to have spelling, authorship
and rank. A synonym's ``parent_id`` is its accepted usage. The path is the file of usages, or a
folder with one; the names lie beside it under the same suffix: ``name_usage_103.csv`` and
``name_103.csv``, gzipped or not.

Reference: https://github.com/CatalogueOfLife/backend
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from merian.errors import FormatError
from merian.taxonomy.checklists import Source
from merian.taxonomy.checklists.tables import check, count, describe, load

__all__ = ["read", "sniff"]

_USAGE = ("id", "name_id", "parent_id", "status")
_NAME = ("id", "scientific_name", "authorship", "rank", "code")


def sniff(path: Path) -> bool:
    """Return whether this is a table of usages with a table of names beside it."""
    try:
        usages, _ = _pair(path)
        return set(_USAGE) <= set(describe(usages).columns)
    except (FormatError, OSError):
        return False


def _pair(path: Path) -> tuple[Path, Path]:
    """Return the file of usages and that of their names."""
    usages = [path] if path.is_file() else sorted(path.glob("name_usage*.csv*"))
    if len(usages) != 1 or not usages[0].name.startswith("name_usage"):
        raise FormatError(
            f"holds {len(usages)} files name_usage*.csv; give the one that is meant", path=path
        )
    stem = usages[0].name.removesuffix(".gz").removesuffix(".csv").replace("name_usage", "name", 1)
    for suffix in (".csv", ".csv.gz"):
        names = usages[0].with_name(stem + suffix)
        if names.is_file():
            return usages[0], names
    raise FormatError(f"has no {stem}.csv beside it, which holds its names", path=usages[0])


def read(path: Path, con: duckdb.DuckDBPyConnection) -> Source:
    """Join names to usages."""
    files = _pair(path)
    for file, needed, name in zip(files, (_USAGE, _NAME), ("raw", "raw_name"), strict=True):
        table = describe(file)
        check(table, needed, table.columns)
        places = {column: table.columns.index(column) for column in needed}
        load(con, table, name, places, needed=("id",))
    synonym = "regexp_matches(lower(coalesce(r.status, '')), 'synonym|misapplied')"
    con.execute(
        f"""
        INSERT INTO usage
        SELECT r.line, r.id,
               CASE WHEN NOT {synonym} THEN r.parent_id END,
               CASE WHEN {synonym} THEN r.parent_id END, n.scientific_name, n.authorship,
               replace(lower(n.rank), '_', ' '), replace(lower(r.status), '_', ' '), lower(n.code),
               r.file, r.line
        FROM raw r LEFT JOIN raw_name n ON n.id = r.name_id
        """
    ).fetchall()
    for table_name in ("raw", "raw_name"):
        con.execute(f"DROP TABLE {table_name}").fetchall()
    title = files[0].name.split(".")[0].removeprefix("name_usage").strip("_")
    return Source("checklistbank", f"ChecklistBank {title}".strip(), "", (), count(con, "problem"))
