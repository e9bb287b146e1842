"""EcoTaxa's tree of categories, as its taxonomy server gives it out (TSV).

Plankton images are sorted into taxa (type P) and into things that are no taxa (type M, for
morphological): life stages and parts such as ``nauplius<Copepoda``, detritus, artefacts. The
latter are kept as nodes with the status ``morphological``, under their display name, which alone
tells one *nauplius* from another. Deprecated categories that were renamed become synonyms of
what they were renamed to.

Reference: https://ecotaxoserver.obs-vlfr.fr
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from merian.errors import FormatError
from merian.taxonomy.checklists import Source
from merian.taxonomy.checklists.tables import check, count, describe, load

__all__ = ["read", "sniff"]

_NEEDED = ("id", "parent_id", "name", "taxotype")
_ALSO = ("display_name", "rank", "taxostatus", "rename_to")


def sniff(path: Path) -> bool:
    """Return whether the header is that of EcoTaxa's categories."""
    try:
        return set(_NEEDED) <= set(describe(path).columns)
    except (FormatError, OSError):
        return False


def read(path: Path, con: duckdb.DuckDBPyConnection) -> Source:
    """Read the categories into ``usage``."""
    table = describe(path)
    check(table, _NEEDED, table.columns)
    places = {
        name: table.columns.index(name) for name in (*_NEEDED, *_ALSO) if name in table.columns
    }
    load(con, table, "raw", places, needed=_NEEDED)
    for column in _ALSO:
        if column not in places:
            con.execute(f"ALTER TABLE raw ADD COLUMN {column} VARCHAR").fetchall()
    renamed = "(taxostatus = 'D' AND rename_to IS NOT NULL AND rename_to <> id)"
    con.execute(
        f"""
        INSERT INTO usage
        SELECT line, id,
               CASE WHEN NOT coalesce({renamed}, false) THEN parent_id END,
               CASE WHEN {renamed} THEN rename_to END,
               CASE WHEN taxotype = 'M' THEN coalesce(display_name, name) ELSE name END,
               NULL, lower(rank),
               CASE WHEN {renamed} THEN 'synonym' WHEN taxotype = 'M' THEN 'morphological'
                    WHEN taxostatus = 'D' THEN 'deprecated' WHEN taxostatus = 'N'
                    THEN 'not reviewed' ELSE 'accepted' END,
               NULL, file, line
        FROM raw
        """
    ).fetchall()
    con.execute("DROP TABLE raw").fetchall()
    kinds = con.execute(
        "SELECT count(*) FILTER (status = 'morphological'), count(acceptedID), "
        "count(*) FILTER (status = 'deprecated') FROM usage"
    ).fetchall()[0]
    notes = (
        f"categories that are no taxa: {kinds[0]}; renamed: {kinds[1]}; "
        f"deprecated and not renamed: {kinds[2]}",
    )
    return Source("ecotaxa", "EcoTaxa", "", notes, count(con, "problem"))
