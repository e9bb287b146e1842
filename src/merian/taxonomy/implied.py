"""The taxonomy implied by a set of labels: lineages, one column a rank, become a tree.

Labels of specimens carry a classification each, written by many hands. A name is one node per
rank, under the next higher rank that its rows know. Three things go wrong, and each is reported:

* a family stands in two orders: the majority decides. A row that leaves a rank out contradicts
  nobody: it supports whatever lies below the rank that it does know;
* one name means two things (comb jellies and diatoms are both *Ctenophora*): the same name in two
  kingdoms, or in two phyla, is two nodes. A row that does not say its kingdom takes it from a
  name on it that stands in one kingdom only; if it has none, the name becomes a third, unplaced
  node, for a homonym is never guessed;
* a species stands under another genus than the first word of its name.

Rows are turned into numbers by DuckDB and into a tree by numpy: a million take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.taxonomy.ranks import RANKS, read_rank

__all__ = ["implied_usages", "place_rows"]

Numbers = NDArray[np.int64]

_NONE = -1


@dataclass
class _Lineages:
    """Rows as numbers: 0 is "not known", others number (rank, name) in their order."""

    ranks: list[str]
    cells: NDArray[np.int64]  # [rows, ranks]
    counts: Numbers
    rows: Numbers
    names: int


@dataclass
class _Nodes:
    """The nodes of the tree, sorted by rank, name, kingdom and phylum."""

    name: Numbers  # number of (rank, name)
    rank: Numbers  # column
    kingdom: Numbers
    phylum: Numbers
    parent: Numbers
    of_cell: NDArray[np.int64]  # [rows, ranks]


@dataclass
class _Candidates:
    """Each node with each next higher node in some row, and what became of it."""

    child: Numbers
    parent: Numbers
    count: Numbers
    contradicted: NDArray[np.bool_]


def implied_usages(con: duckdb.DuckDBPyConnection, lineage_table: str) -> None:
    """Add the usages that a table of lineages implies to ``usage``; list the conflicts.

    Args:
        con: The connection; ``usage`` may be there already, ``conflict`` is replaced.
        lineage_table: A table or view: one column a rank, called as in `RANKS`, and ``count``,
            for how many labels a row stands (1 if there is no such column).
    """
    place_rows(con, lineage_table)
    con.execute(
        "CREATE TABLE IF NOT EXISTS usage(ordinal BIGINT, id VARCHAR, parentID VARCHAR, "
        "acceptedID VARCHAR, name VARCHAR, authorship VARCHAR, rank VARCHAR, status VARCHAR, "
        "code VARCHAR, file VARCHAR, line BIGINT)"
    ).fetchall()
    con.execute(
        "INSERT INTO usage SELECT (SELECT count(*) FROM usage) + node, id, parentID, NULL, name, "
        "NULL, rank, 'accepted', NULL, NULL, NULL FROM implied_node ORDER BY node"
    ).fetchall()


def place_rows(con: duckdb.DuckDBPyConnection, lineage_table: str) -> None:
    """Make the tables ``implied_node``, ``implied_row`` and ``conflict``.

    ``implied_node(node, id, parent, parentID, rank, name)`` has the nodes; ``implied_row(row,
    node)`` the lowest node of each row, if the table of lineages has a column ``row``;
    ``conflict(rank, name, parents, kept, kind)`` what was decided: ``kind`` is ``parents``,
    ``homonym`` or ``binomial``.
    """
    lineages = _number(con, lineage_table)
    columns = {rank: i for i, rank in enumerate(lineages.ranks)}
    kingdom, phylum = _contexts(lineages, columns)
    nodes = _make_nodes(lineages, columns, kingdom, phylum)
    candidates = _find_parents(lineages, nodes)
    _write_nodes(con, lineages, nodes)
    _write_conflicts(con, nodes, candidates)
    for table in ("implied_name", "implied_raw", "candidate"):
        con.execute(f"DROP TABLE {table}").fetchall()


def _number(con: duckdb.DuckDBPyConnection, table: str) -> _Lineages:
    """Number the names, rank by rank and in the order of their bytes."""
    found = [row[0] for row in con.execute(f"DESCRIBE {table}").fetchall()]
    by_rank = {read_rank(c) or 0: c for c in found if c not in {"count", "row"} and read_rank(c)}
    if not by_rank:
        raise InputError(
            f"a table of lineages needs a column a rank (kingdom, phylum, class, order, family, "
            f"genus, species ...); found {', '.join(found)}"
        )
    ranks = [(RANKS[number], by_rank[number]) for number in sorted(by_rank)]
    cells = {rank: f"nullif(trim(\"{column}\"), '')" for rank, column in ranks}
    if {"genus", "species"} <= set(cells):
        # Some tables give the epithet alone; it means nothing without its genus.
        genus, species = cells["genus"], cells["species"]
        cells["species"] = (
            f"CASE WHEN regexp_matches({species}, '^[a-zß-ÿ]') "
            f"AND NOT contains({species}, {genus}) THEN {genus} || ' ' || {species} "
            f"ELSE {species} END"
        )
    row = '"row"' if "row" in found else "row_number() OVER ()"
    count = '"count"' if "count" in found else "1"
    columns = ", ".join(f"{cell} AS c{i}" for i, cell in enumerate(cells.values()))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE lineage_cell AS SELECT {row} AS r, {count} AS n, {columns} "
        f"FROM {table}"
    ).fetchall()
    names = " UNION ALL ".join(
        f"SELECT DISTINCT {i} AS rank, c{i} AS name FROM lineage_cell WHERE c{i} IS NOT NULL"
        for i in range(len(ranks))
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE implied_name AS "
        f"SELECT row_number() OVER (ORDER BY rank, name) AS code, rank, name FROM ({names})"
    ).fetchall()
    joins = " ".join(
        f"LEFT JOIN implied_name n{i} ON n{i}.rank = {i} AND n{i}.name = c{i}"
        for i in range(len(ranks))
    )
    codes = ", ".join(f"coalesce(n{i}.code, 0) AS c{i}" for i in range(len(ranks)))
    fetched = con.execute(
        f"SELECT r, coalesce(n, 1) AS n, {codes} FROM lineage_cell {joins} ORDER BY r"
    ).fetchnumpy()
    total = con.execute("SELECT count(*) FROM implied_name").fetchall()[0][0]
    con.execute("DROP TABLE lineage_cell").fetchall()
    return _Lineages(
        ranks=[rank for rank, _ in ranks],
        cells=np.stack([_whole(fetched[f"c{i}"]) for i in range(len(ranks))], axis=1),
        counts=_whole(fetched["n"]),
        rows=_whole(fetched["r"]),
        names=int(total),
    )


def _whole(column: NDArray[np.generic]) -> Numbers:
    return np.asarray(column, dtype=np.int64)


def _contexts(lineages: _Lineages, columns: dict[str, int]) -> tuple[Numbers, Numbers]:
    """Return the kingdom and the phylum of each row, completed where its names decide them.

    From the highest rank to the lowest: where all rows of a name that know their kingdom agree,
    the others take it. The same for the phylum, within a kingdom. Repeated until nothing changes.
    """
    cells = lineages.cells
    nothing = np.zeros(len(cells), dtype=np.int64)
    kingdom = cells[:, columns["kingdom"]].copy() if "kingdom" in columns else nothing.copy()
    phylum = cells[:, columns["phylum"]].copy() if "phylum" in columns else nothing.copy()
    first = columns.get("kingdom", columns.get("phylum", len(columns)))
    changed = bool(kingdom.any() or phylum.any())
    while changed:
        changed = False
        for column in range(first + 1, len(columns)):
            name = cells[:, column]
            if column == columns.get("phylum"):
                name = phylum
            changed |= _complete(kingdom, name, lineages.names)
            if column > columns.get("phylum", len(columns)):
                _, within = np.unique(name * (lineages.names + 1) + kingdom, return_inverse=True)
                within = np.where(name > 0, within.reshape(-1) + 1, 0)
                changed |= _complete(phylum, within, int(within.max(initial=0)))
    return kingdom, phylum


def _complete(context: Numbers, name: Numbers, names: int) -> bool:
    """Fill the context of rows from others of the same name, if those agree."""
    known = (context > 0) & (name > 0)
    lowest = np.full(names + 1, np.iinfo(np.int64).max)
    highest = np.zeros(names + 1, dtype=np.int64)
    np.minimum.at(lowest, name[known], context[known])
    np.maximum.at(highest, name[known], context[known])
    fill = (context == 0) & (name > 0)
    fill &= lowest[name] == highest[name]
    context[fill] = highest[name[fill]]
    return bool(fill.any())


def _make_nodes(
    lineages: _Lineages, columns: dict[str, int], kingdom: Numbers, phylum: Numbers
) -> _Nodes:
    """Make a node of each name at each rank in each context."""
    size = lineages.names + 1
    of_cell = np.full(lineages.cells.shape, _NONE, dtype=np.int64)
    made: list[tuple[Numbers, Numbers, Numbers, Numbers]] = []
    total = 0
    for column in range(len(lineages.ranks)):
        rows = np.flatnonzero(lineages.cells[:, column] > 0)
        context = np.zeros(len(rows), dtype=np.int64)
        if column > columns.get("kingdom", len(columns)):
            context += kingdom[rows] * size
        if column > columns.get("phylum", len(columns)):
            context += phylum[rows]
        # Contexts are numbered first, so that three large numbers fit into one of 64 bits.
        contexts, which = np.unique(context, return_inverse=True)
        many = max(len(contexts), 1)
        keys, node = np.unique(
            lineages.cells[rows, column] * many + which.reshape(-1), return_inverse=True
        )
        of_cell[rows, column] = total + node.reshape(-1)
        total += len(keys)
        inside = contexts[keys % many] if len(keys) else keys
        made.append((keys // many, np.full(len(keys), column), inside // size, inside % size))
    name, rank, in_kingdom, in_phylum = (np.concatenate(part) for part in zip(*made, strict=True))
    return _Nodes(name, rank, in_kingdom, in_phylum, np.full(total, _NONE), of_cell)


def _find_parents(lineages: _Lineages, nodes: _Nodes) -> _Candidates:
    """Choose each node's parent and return all candidates.

    A candidate is the next higher node in some row; its support is the number of labels that name
    it or one of its ancestors. The most supported wins; then the lowest; then the one named most
    often; then the first by name.
    """
    found = _pairs(lineages, nodes)
    rank = nodes.rank[found.child]
    for column in range(1, len(lineages.ranks)):  # from the top: all above is decided already
        mine = np.flatnonzero(rank == column)
        support = np.zeros(len(mine), dtype=np.int64)
        for which, met in _upward(mine, found, nodes):
            support[which] += found.count[met]
        parent = found.parent[mine]
        order = (parent, -found.count[mine], -nodes.rank[parent], -support, found.child[mine])
        best = mine[np.lexsort(order)]
        child = found.child[best]
        kept = best[np.append(True, child[1:] != child[:-1])[: len(best)]]
        nodes.parent[found.child[kept]] = found.parent[kept]
        found.contradicted[mine] = True
        for _, met in _upward(kept, found, nodes):
            found.contradicted[met] = False
    return found


def _upward(
    which: Numbers, found: _Candidates, nodes: _Nodes
) -> Iterator[tuple[Numbers, NDArray[np.intp]]]:
    """Walk up from candidates; yield, step by step, which of them meet which candidate."""
    total = len(nodes.name)
    key = found.child * total + found.parent
    current, alive = found.parent[which], np.arange(len(which))
    while len(alive):
        wanted = found.child[which[alive]] * total + current[alive]
        at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        hit = key[at] == wanted
        yield alive[hit], at[hit]
        current[alive] = nodes.parent[current[alive]]
        alive = alive[current[alive] != _NONE]


def _pairs(lineages: _Lineages, nodes: _Nodes) -> _Candidates:
    """Return every (node, next higher node in a row) with the number of labels, sorted."""
    total = max(len(nodes.name), 1)
    above = np.full(len(lineages.cells), _NONE, dtype=np.int64)
    keys, counts = [], []
    for column in range(len(lineages.ranks)):
        node = nodes.of_cell[:, column]
        both = (node != _NONE) & (above != _NONE)
        found, where = np.unique(node[both] * total + above[both], return_inverse=True)
        sums = np.zeros(len(found), dtype=np.int64)
        np.add.at(sums, where.reshape(-1), lineages.counts[both])
        keys.append(found)
        counts.append(sums)
        above = np.where(node != _NONE, node, above)
    key, count = np.concatenate(keys), np.concatenate(counts)
    return _Candidates(key // total, key % total, count, np.zeros(len(key), dtype=bool))


def _table(con: duckdb.DuckDBPyConnection, name: str, columns: dict[str, Numbers]) -> None:
    con.register("arrays", columns)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM arrays").fetchall()
    con.unregister("arrays")


def _write_nodes(con: duckdb.DuckDBPyConnection, lineages: _Lineages, nodes: _Nodes) -> None:
    """Write ``implied_node`` and ``implied_row``. A homonym's id says which one it is."""
    total = len(nodes.name)
    labels = np.zeros(total + 1, dtype=np.int64)
    for column in range(len(lineages.ranks)):
        np.add.at(labels, nodes.of_cell[:, column], lineages.counts)
    _table(
        con,
        "implied_raw",
        {
            "node": np.arange(total),
            "code": nodes.name,
            "kingdom": nodes.kingdom,
            "phylum": nodes.phylum,
            "parent": nodes.parent,
            "labels": labels[:total],
        },
    )
    ranks = ", ".join(f"'{rank}'" for rank in lineages.ranks)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE implied_node AS
        WITH named AS (
            SELECT r.node, r.code, r.parent, r.labels, [{ranks}][n.rank + 1] AS rank, n.name,
                   coalesce(k.name || coalesce(' > ' || p.name, ''), '? > ' || p.name, 'unplaced')
                   AS place,
                   count(*) OVER (PARTITION BY r.code) AS homonyms
            FROM implied_raw r JOIN implied_name n ON n.code = r.code
            LEFT JOIN implied_name k ON k.code = r.kingdom
            LEFT JOIN implied_name p ON p.code = r.phylum),
        labelled AS (
            SELECT *, rank || ':' || name ||
                   CASE WHEN homonyms > 1 THEN ' (' || place || ')' ELSE '' END AS id
            FROM named)
        SELECT l.node, l.id, CASE WHEN l.parent >= 0 THEN l.parent END AS parent,
               a.id AS parentID, l.rank, l.name, l.place, l.homonyms, l.labels
        FROM labelled l LEFT JOIN labelled a ON a.node = l.parent ORDER BY l.node
        """
    ).fetchall()
    lowest = np.full(len(lineages.rows), _NONE, dtype=np.int64)
    for column in range(len(lineages.ranks)):
        node = nodes.of_cell[:, column]
        lowest = np.where(node != _NONE, node, lowest)
    placed = lowest != _NONE
    _table(con, "implied_row", {"row": lineages.rows[placed], "node": lowest[placed]})


def _write_conflicts(
    con: duckdb.DuckDBPyConnection, nodes: _Nodes, candidates: _Candidates
) -> None:
    """Write ``conflict``: what was contradicted, what means several things, what is misnamed."""
    _table(
        con,
        "candidate",
        {
            "child": candidates.child,
            "parent": candidates.parent,
            "labels": candidates.count,
            "kept": (nodes.parent[candidates.child] == candidates.parent).astype(np.int64),
            "contradicted": candidates.contradicted.astype(np.int64),
        },
    )
    listed = "string_agg(p.rank || ' ' || p.name || ' (' || c.labels || ')', ', ' ORDER BY {})"
    by_labels = listed.format("c.labels DESC, p.node")
    first_word = "regexp_extract({}.name, '^(?:[×x] ?)?([^ ]+)', 1)"
    con.execute(
        f"""
        CREATE OR REPLACE TABLE conflict AS
        WITH pair AS (
            SELECT c.child, {by_labels} AS parents, bool_or(c.contradicted = 1) AS wrong,
                   max(CASE WHEN c.kept = 1 THEN p.rank || ' ' || p.name END) AS kept
            FROM candidate c JOIN implied_node p ON p.node = c.parent GROUP BY c.child),
        binomial AS (
            SELECT c.child, {by_labels} AS parents,
                   max(CASE WHEN c.kept = 1 THEN p.rank || ' ' || p.name END) AS kept
            FROM candidate c JOIN implied_node p ON p.node = c.parent
            JOIN implied_node n ON n.node = c.child
            WHERE n.rank = 'species' AND p.rank = 'genus' AND contains(n.name, ' ')
              AND {first_word.format("n")} <> {first_word.format("p")}
            GROUP BY c.child),
        found AS (
            SELECT n.node, n.rank, n.name, pair.parents, pair.kept, 'parents' AS kind
            FROM pair JOIN implied_node n ON n.node = pair.child WHERE pair.wrong
            UNION ALL
            SELECT n.node, n.rank, n.name, b.parents, b.kept, 'binomial'
            FROM binomial b JOIN implied_node n ON n.node = b.child
            UNION ALL
            SELECT min(node), rank, name,
                   string_agg(place || ' (' || labels || ')', ', ' ORDER BY labels DESC, node),
                   'each', 'homonym'
            FROM implied_node WHERE homonyms > 1 GROUP BY rank, name)
        SELECT rank, name, parents, kept, kind FROM found ORDER BY node, kind
        """
    ).fetchall()
