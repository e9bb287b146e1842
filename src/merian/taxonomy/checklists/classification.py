"""Parents from columns: the flat classification of rows that name no parent.

Many checklists repeat kingdom, phylum ... genus on every row instead of pointing to a parent.
The tree that these columns imply is built over all rows (see `merian.taxonomy.implied`); where a
row of the file is itself one of its nodes, it takes that place, and only the nodes that no row
stands for are added. Rows that name a parent keep it.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from merian.taxonomy.implied import place_rows
from merian.taxonomy.ranks import RANK_NUMBER, RANKS, UNRANKED, read_rank

__all__ = ["hang", "rank_columns", "rank_numbers"]

_NO_ORDER = {UNRANKED, RANK_NUMBER["clade"], RANK_NUMBER["other"]}


def rank_columns(columns: Mapping[str, int]) -> dict[str, int]:
    """Return the columns that hold a classification, by the English word of their rank."""
    found: dict[str, int] = {}
    for name, place in columns.items():
        number = read_rank(name)
        if number is not None and number not in _NO_ORDER:
            found.setdefault(RANKS[number], place)
    return found


def rank_numbers(con: duckdb.DuckDBPyConnection, query: str) -> None:
    """Make the table ``rank_place(word, number)`` for the words of a query, ordered ranks only."""
    words = [word for (word,) in con.execute(query).fetchall()]
    con.execute("CREATE OR REPLACE TEMP TABLE rank_place(word VARCHAR, number INTEGER)").fetchall()
    known = [(word, read_rank(word)) for word in words if word]
    known = [(word, number) for word, number in known if number not in {None, *_NO_ORDER}]
    if known:
        con.executemany("INSERT INTO rank_place VALUES (?, ?)", known)


def hang(con: duckdb.DuckDBPyConnection, ranks: list[str]) -> tuple[str, ...]:
    """Give parents to the accepted rows of ``usage`` that have none, and return notes.

    Args:
        con: Holds ``usage`` and ``classified(ordinal, cap, <a column a rank>)``. ``cap`` is the
            number of a rank that the row is known to stand above, or NULL.
        ranks: The columns of ``classified`` that are ranks.
    """
    if not ranks or not _is_needed(con, ranks):
        return ()
    rank_numbers(con, "SELECT DISTINCT rank FROM usage")
    _lineages(con, ranks)
    place_rows(con, "classified_lineage")
    _owners(con)
    added = _attach(con)
    (conflicts,) = con.execute("SELECT count(*) FROM conflict").fetchall()[0]
    for table in ("classified_row", "node_owner", "new_parent", "implied_row", "implied_node"):
        con.execute(f"DROP TABLE {table}").fetchall()
    notes = [f"parents are taken from the columns {', '.join(ranks)}; higher taxa added: {added}"]
    if conflicts:
        notes.append(
            f"names on which these columns contradict themselves: {conflicts} (table conflict)"
        )
    return tuple(notes)


_ROOTLESS = (
    "(u.acceptedID IS NULL OR u.acceptedID = u.id) AND (u.parentID IS NULL OR u.parentID = u.id)"
)


def _is_needed(con: duckdb.DuckDBPyConnection, ranks: list[str]) -> bool:
    above = " OR ".join(f'NOT starts_with(u.name, c."{rank}")' for rank in ranks)
    query = (
        f"SELECT 1 FROM usage u JOIN classified c USING (ordinal) WHERE {_ROOTLESS} AND ({above})"
    )
    return bool(con.execute(f"{query} LIMIT 1").fetchall())


def _lineages(con: duckdb.DuckDBPyConnection, ranks: list[str]) -> None:
    """Make the lineage of each accepted row: the columns above its rank, and its own name."""
    numbers = {rank: RANK_NUMBER[rank] for rank in ranks}
    listed = ", ".join(str(number) for number in numbers.values())
    plain = "regexp_replace(u.name, '^[×] ?', '')"
    by_name = " ".join(f'WHEN c."{rank}" = {plain} THEN {n}' for rank, n in numbers.items())
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE classified_row AS
        SELECT c.*, {plain} AS plain, u.id,
               CASE WHEN r.number IN ({listed}) THEN r.number
                    WHEN r.number IS NULL THEN CASE {by_name} END END AS own,
               coalesce(r.number, c.cap, 1000) AS bound
        FROM usage u JOIN classified c USING (ordinal) LEFT JOIN rank_place r ON r.word = u.rank
        WHERE (u.acceptedID IS NULL OR u.acceptedID = u.id) AND u.name IS NOT NULL
        """
    ).fetchall()
    cells = ", ".join(
        f"""CASE WHEN own = {n} THEN
                 CASE WHEN starts_with(plain || ' ', "{rank}" || ' ') THEN "{rank}" ELSE plain END
            WHEN {n} < coalesce(own, bound) THEN "{rank}" END AS "{rank}" """
        for rank, n in numbers.items()
    )
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW classified_lineage AS "
        f'SELECT ordinal AS "row", {cells} FROM classified_row'
    ).fetchall()


def _owners(con: duckdb.DuckDBPyConnection) -> None:
    """Find the row of the file that stands for a node, and what each row hangs under."""
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE node_owner AS
        SELECT n.node, n.parent, n.name, n.rank, coalesce(o.id, n.id) AS id, o.id IS NULL AS added
        FROM implied_node n LEFT JOIN (
            SELECT p.node, arg_min(r.id, r.ordinal) AS id
            FROM implied_row p JOIN classified_row r ON r.ordinal = p."row"
            WHERE r.own IS NOT NULL GROUP BY p.node) o USING (node)
        """
    ).fetchall()
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE new_parent AS
        SELECT r.ordinal, r.own, CASE WHEN r.own IS NULL THEN p.node ELSE n.parent END AS parent
        FROM implied_row p JOIN classified_row r ON r.ordinal = p."row"
        JOIN node_owner n ON n.node = p.node JOIN usage u ON u.ordinal = r.ordinal
        WHERE {_ROOTLESS}
        """
    ).fetchall()


def _attach(con: duckdb.DuckDBPyConnection) -> int:
    """Set the parents and add the nodes that are needed and that no row stands for."""
    ranks = ", ".join(f"'{rank}'" for rank in RANKS)
    con.execute(
        f"""
        UPDATE usage SET parentID = o.id, rank = coalesce(usage.rank, [{ranks}][n.own + 1])
        FROM new_parent n LEFT JOIN node_owner o ON o.node = n.parent
        WHERE n.ordinal = usage.ordinal
        """
    ).fetchall()
    return int(
        con.execute(
            """
            INSERT INTO usage
            WITH RECURSIVE needed(node) AS (
                SELECT parent FROM new_parent WHERE parent IS NOT NULL
                UNION
                SELECT o.parent FROM needed JOIN node_owner o USING (node)
                WHERE o.parent IS NOT NULL AND o.added)
            SELECT (SELECT max(ordinal) FROM usage) + row_number() OVER (ORDER BY o.node),
                   o.id, a.id, NULL, o.name, NULL, o.rank, 'accepted', NULL, NULL, NULL
            FROM needed JOIN node_owner o USING (node) LEFT JOIN node_owner a ON a.node = o.parent
            WHERE o.added ORDER BY o.node
            """
        ).fetchall()[0][0]
    )
