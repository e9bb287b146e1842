"""NCBI Taxonomy: the taxdump, or a table of its nodes.

``nodes.dmp`` has the tree and ``names.dmp`` the names of each node, of which one is scientific;
synonyms, equivalent names and old spellings become synonym rows ``taxid:name``, authority lines
give authorship. ``merged.dmp`` and ``delnodes.dmp`` become the table ``alias``: a merged id with
the one that it means now, a deleted one with NULL. Fields are parted by tab, bar, tab.

A table with the header ``tax_id, parent_tax_id, rank, scientific_name`` is read too.
Reference: https://ftp.ncbi.nlm.nih.gov/pub/taxonomy/taxdump_readme.txt
"""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import duckdb

from merian.errors import FormatError
from merian.taxonomy.checklists import Source
from merian.taxonomy.checklists.tables import (
    Table,
    check,
    count,
    describe,
    load,
    load_lines,
    text,
)
from merian.unpacking import UNREADABLE_ZIP, Scratch, text_encoding, untar, unzip

__all__ = ["read", "sniff"]

_DUMPS = {"nodes.dmp", "names.dmp", "merged.dmp", "delnodes.dmp"}
_COLUMNS = ("tax_id", "parent_tax_id", "rank", "scientific_name")
# Names that mean the node as a whole. `in-part` and `includes` mean a part of it, or more.
_SYNONYMS = (
    "synonym", "equivalent name", "genbank synonym", "basionym", "anamorph", "genbank anamorph",
    "teleomorph", "synanamorph", "misspelling", "misnomer",
)  # fmt: skip


def sniff(path: Path) -> bool:
    """Return whether this is a taxdump, packed or not, or a table of its nodes."""
    try:
        if path.is_dir():
            return {"nodes.dmp", "names.dmp"} <= {p.name for p in path.iterdir()}
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                return any(PurePosixPath(n).name == "nodes.dmp" for n in packed.namelist())
        if path.name.endswith((".tar.gz", ".tgz", ".tar")) and tarfile.is_tarfile(path):
            return True
        return set(_COLUMNS) <= set(describe(path).columns)
    except (FormatError, *UNREADABLE_ZIP):
        return False


def read(path: Path, con: duckdb.DuckDBPyConnection) -> Source:
    """Read nodes, names and merged ids."""
    scratch = Scratch("taxdump")
    try:
        folder = path
        if path.is_file():
            if zipfile.is_zipfile(path):
                unzip(path, scratch.folder, _is_dump)
            elif tarfile.is_tarfile(path):
                untar(path, scratch.folder, _is_dump)
            else:
                return _read_table(path, con)
            folder = scratch.folder
        dumps = {p.name: p for p in sorted(folder.rglob("*.dmp")) if p.name in _DUMPS}
        missing = {"nodes.dmp", "names.dmp"} - set(dumps)
        if missing:
            raise FormatError(f"has no {' and no '.join(sorted(missing))}", path=path)
        _read_dumps(con, dumps)
    finally:
        scratch.close()
    merged = count(con, "alias WHERE acceptedID IS NOT NULL")
    deleted = count(con, "alias WHERE acceptedID IS NULL")
    notes = (f"merged ids: {merged}; deleted ids: {deleted}",) if merged + deleted else ()
    return Source("ncbi", "NCBI Taxonomy", "", notes, count(con, "problem"))


def _is_dump(name: str) -> bool:
    return PurePosixPath(name).name in _DUMPS


def _load_dump(con: duckdb.DuckDBPyConnection, path: Path, name: str, columns: list[str]) -> None:
    """Load the first fields of a dump. A line that has fewer goes to ``problem``."""
    scratch = Scratch("dump")
    try:
        table = Table(path, "\t", "", text_encoding(path), 0, ())
        load_lines(con, table, "dump_line", scratch)
        cells = ", ".join(f"trim(p[{i + 1}]) AS {column}" for i, column in enumerate(columns))
        con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {name} AS
            SELECT n AS line, {cells}, CASE WHEN len(p) < {len(columns)} THEN l END AS content
            FROM (SELECT n, l, string_split(regexp_replace(l, '\\t\\|\\s*$', ''),
                                            chr(9) || '|' || chr(9)) AS p
                  FROM dump_line WHERE l IS NOT NULL)
            """
        ).fetchall()
    finally:
        scratch.close()
    con.execute(
        f"INSERT INTO problem SELECT {text(path.name)}, line, NULL, 'fewer than {len(columns)} "
        f"fields; tab, bar, tab part them', left(content, 1000) FROM {name} "
        "WHERE content IS NOT NULL ORDER BY line"
    ).fetchall()
    con.execute(f"DELETE FROM {name} WHERE content IS NOT NULL").fetchall()


def _read_dumps(con: duckdb.DuckDBPyConnection, dumps: dict[str, Path]) -> None:
    _load_dump(con, dumps["nodes.dmp"], "node", ["id", "parent", "rank"])
    _load_dump(con, dumps["names.dmp"], "label", ["id", "name", "unique_name", "class"])
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE authority AS
        SELECT l.id, l.name, min(substr(a.name, length(l.name) + 2)) AS author
        FROM label l JOIN label a ON a.id = l.id AND starts_with(a.name, l.name || ' ')
        WHERE a.class = 'authority' AND l.class <> 'authority' GROUP BY l.id, l.name
        """
    ).fetchall()
    con.execute(
        """
        INSERT INTO usage
        SELECT n.line, n.id,
               CASE WHEN n.parent <> n.id THEN n.parent END, NULL, l.name, a.author, lower(n.rank),
               'accepted', NULL, 'nodes.dmp', n.line
        FROM node n
        LEFT JOIN (SELECT id, arg_min(name, line) AS name FROM label
                   WHERE class = 'scientific name' GROUP BY id) l ON l.id = n.id
        LEFT JOIN authority a ON a.id = l.id AND a.name = l.name
        """
    ).fetchall()
    classes = ", ".join(text(name) for name in _SYNONYMS)
    con.execute(
        f"""
        INSERT INTO usage
        SELECT l.line + (SELECT max(line) FROM node),
               l.id || ':' || l.name, NULL, l.id, l.name, a.author, lower(n.rank), l.class, NULL,
               'names.dmp', l.line
        FROM (SELECT DISTINCT ON (id, name) * FROM label WHERE class IN ({classes})
              ORDER BY id, name, line) l
        LEFT JOIN node n ON n.id = l.id
        LEFT JOIN authority a ON a.id = l.id AND a.name = l.name
        """
    ).fetchall()
    for table in ("node", "label", "authority"):
        con.execute(f"DROP TABLE {table}").fetchall()
    for file, columns in (("merged.dmp", ["id", "accepted"]), ("delnodes.dmp", ["id"])):
        if file in dumps:
            _load_dump(con, dumps[file], "gone", columns)
            accepted = "accepted" if len(columns) > 1 else "NULL"
            con.execute(
                f"INSERT INTO alias SELECT id, {accepted} FROM gone ORDER BY line"
            ).fetchall()
            con.execute("DROP TABLE gone").fetchall()


def _read_table(path: Path, con: duckdb.DuckDBPyConnection) -> Source:
    """Read nodes from a table with a header."""
    table = describe(path)
    check(table, _COLUMNS, table.columns)
    places = {name: table.columns.index(name) for name in _COLUMNS}
    load(con, table, "raw", places, needed=_COLUMNS)
    con.execute(
        """
        INSERT INTO usage
        SELECT line, tax_id,
               CASE WHEN parent_tax_id <> tax_id THEN parent_tax_id END, NULL, scientific_name,
               NULL, replace(lower(rank), '_', ' '), 'accepted', NULL, file, line
        FROM raw
        """
    ).fetchall()
    con.execute("DROP TABLE raw").fetchall()
    return Source("ncbi", "NCBI Taxonomy", "", (), count(con, "problem"))
