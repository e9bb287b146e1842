"""A table with a column a rank: one row a taxon, or one row a record.

The tree is the one that the rows imply together (see `merian.taxonomy.implied`); their conflicts
are in the table ``conflict``. Columns may be called as the ranks (``family``), or as BOLD calls
them (``family_name``). Words that mean "not known" (``None``, ``NA``, ``not_classified``) are no
names.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from merian.errors import FormatError
from merian.taxonomy.checklists import Source
from merian.taxonomy.checklists.classification import rank_columns
from merian.taxonomy.checklists.tables import Table, count, describe, load
from merian.taxonomy.implied import implied_usages
from merian.taxonomy.vocabulary import NOT_KNOWN

__all__ = ["read", "sniff"]

_LOW = {"family", "genus", "species"}


def sniff(path: Path) -> bool:
    """Return whether there are two columns of ranks, one of them family or lower."""
    try:
        found = _ranks(describe(path))
        return len(found) > 1 and bool(_LOW & set(found))
    except (FormatError, OSError):
        return False


def _ranks(table: Table) -> dict[str, int]:
    return rank_columns(
        {
            name.lower().removesuffix("_name").removesuffix(" name"): place
            for place, name in reversed(list(enumerate(table.columns)))
        }
    )


def read(path: Path, con: duckdb.DuckDBPyConnection) -> Source:
    """Read the table and make the usages that it implies."""
    table = describe(path)
    ranks = _ranks(table)
    if not ranks:
        raise FormatError(
            "has no column that is called as a rank (kingdom, phylum, class, order, family, "
            f"genus, species ...); its header is {', '.join(table.columns)[:200]!r}",
            path=path,
            line=1,
        )
    load(con, table, "raw", ranks)
    unknown = ", ".join(f"'{word}'" for word in NOT_KNOWN)
    cells = ", ".join(
        f'CASE WHEN lower("{rank}") NOT IN ({unknown}) THEN "{rank}" END AS "{rank}"'
        for rank in ranks
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE lineage AS SELECT {cells}, count(*) AS count "
        "FROM raw GROUP BY ALL"
    ).fetchall()
    rows = count(con, "raw")
    implied_usages(con, "lineage")
    for name in ("raw", "lineage", "implied_row", "implied_node"):
        con.execute(f"DROP TABLE {name}").fetchall()
    notes = [f"implied by {rows} rows with the columns {', '.join(ranks)}"]
    if conflicts := count(con, "conflict"):
        notes.append(f"names on which the rows contradict each other: {conflicts} (table conflict)")
    return Source("ranks", path.name.split(".")[0], "", tuple(notes), count(con, "problem"))
