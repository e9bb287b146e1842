"""Which part of a pack each item goes to, and where in it.

A published split is kept. Without one, a share is held out by the hash of what is read (of a record
that of its barcode, where it has one), and what hangs together stays together: the same sequence on
either strand, the same picture, and all items of one specimen. What would be learned from and is
held out as well is set aside, since a test that was learned is none.

Within a part the items stand in the order of a hash of their ids, so that every shard is a fair
sample of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from merian.catalogue.checks import literal
from merian.catalogue.schema import quoted
from merian.errors import InputError
from merian.learn.pack_gather import Gathered, Progress, items_sql
from merian.learn.pack_labels import CELLS, COLUMNS, Classes, class_names
from merian.learn.pack_pictures import look_at_all
from merian.learn.pack_records import look_at_records
from merian.learn.pack_sequences import look_at_sequences

__all__ = ["PARTS", "arrange"]

PARTS = ("train", "valid", "test")

_SPLIT = """CASE
    WHEN lower(split) IN ('train', 'training', 'pretrain') THEN 'train'
    WHEN lower(split) IN ('val', 'valid', 'validation', 'val_unseen') THEN 'valid'
    WHEN split IS NOT NULL THEN 'test'
END"""
_RANK = "CASE part WHEN 'test' THEN 2 WHEN 'valid' THEN 1 ELSE 0 END"
_TWIN = "the same is in a part that is held out"


def arrange(
    con: duckdb.DuckDBPyConnection, found: Gathered, valid: float, work: Path, step: Progress
) -> Classes:
    """Make the table ``packed``: every item with its ``place`` and ``part``; return the classes.

    Args:
        con: A database in the work folder.
        found: The items; what is set aside is added to its rejects.
        valid: The share that is held out.
        work: A folder for what is needed meanwhile.
        step: Is told how far it is.
    """
    con.execute(
        f"CREATE TABLE raw AS SELECT row_number() OVER (ORDER BY id, record) AS n, * "
        f"FROM ({items_sql(found.tables)})"
    )
    step("looking at what is to be packed", 0)
    before = len(found.rejects)
    if found.kind == "barcodes":
        look_at_sequences(con, found)
    elif found.kind == "pictures":
        look_at_all(con, found, work, step)
    else:
        look_at_records(con, found, work, step)
    if not _count(con, "looked"):
        raise InputError(
            f"nothing is left to pack: all {_count(con, 'raw'):,} {found.kind} were set aside, "
            f"the first because {found.rejects[before][3]}"
        )
    step("reading labels", 0)
    classes = _name(con, work)
    step("dividing into parts", 0)
    contents = ("barcode_content", "content") if found.kind == "records" else ("content",)
    _divide(con, valid, contents)
    _set_twins_aside(con, found, contents)
    order = " ".join(f"WHEN {literal(part)} THEN {i}" for i, part in enumerate(PARTS))
    con.execute(
        f"CREATE TABLE packed AS SELECT row_number() OVER "
        f"(ORDER BY CASE part {order} END, md5(id), id, record) - 1 AS place, "
        f"r.* EXCLUDE (content, split), l.* EXCLUDE (n), p.part, c.cell "
        "FROM raw r JOIN looked l USING (n) JOIN parts p USING (n) JOIN cells c USING (n) "
        "ORDER BY place"
    )
    return classes


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _name(con: duckdb.DuckDBPyConnection, work: Path) -> Classes:
    """Make the tables ``cells`` (item -> cell) and ``names`` (cell -> its names)."""
    listed = ", ".join(quoted(c) for c in CELLS)
    same = " AND ".join(f"r.{quoted(c)} IS NOT DISTINCT FROM k.{quoted(c)}" for c in CELLS)
    con.execute(
        f"CREATE TABLE kinds AS SELECT row_number() OVER (ORDER BY {listed}) - 1 AS cell, {listed} "
        f"FROM (SELECT DISTINCT {listed} FROM raw JOIN looked USING (n))"
    )
    con.execute(f"CREATE TABLE cells AS SELECT r.n, k.cell FROM raw r JOIN kinds k ON {same}")
    rows = con.execute(f"SELECT {listed} FROM kinds ORDER BY cell").fetchall()
    names = class_names(rows)
    file = work / "names.tsv"
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        for number, row in enumerate(names):
            stream.write("\t".join((str(number), *row)) + "\n")
    columns = {"cell": "BIGINT", **dict.fromkeys(COLUMNS, "VARCHAR")}
    con.execute(
        f"CREATE TABLE names AS SELECT * FROM read_csv({literal(file)}, columns = {columns}, "
        "delim = '\t', header = false, quote = '', escape = '', auto_detect = false, nullstr = '')"
    )
    return Classes.of(names)


def _divide(con: duckdb.DuckDBPyConnection, valid: float, contents: Sequence[str]) -> None:
    """Make the table ``parts``: the part of each item.

    Args:
        con: The database.
        valid: The share that is held out.
        contents: The hashes of what is read of an item; the first that it has decides.
    """
    # The digit before it lets the hash of a barcode win over those of pictures.
    key = ", ".join(f"'{number}' || l.{name}" for number, name in enumerate(contents))
    con.execute(
        f"CREATE TABLE keys AS SELECT n, r.record, {', '.join(f'l.{name}' for name in contents)}, "
        f"coalesce({key}) AS key, {_SPLIT} AS split FROM raw r JOIN looked l USING (n)"
    )
    several = con.execute("SELECT count(*) - count(DISTINCT record) FROM keys").fetchall()[0][0]
    before = None
    while (several or len(contents) > 1) and before != (now := _keys(con)):
        before = now  # what hangs together takes the least key; in a few rounds all have it
        for by in ("record", *contents):
            con.execute(
                "CREATE OR REPLACE TABLE keys AS SELECT * REPLACE (if("
                f"{by} IS NULL, key, min(key) OVER (PARTITION BY {by})) AS key) FROM keys"
            )
    published = con.execute("SELECT count(*) FROM keys WHERE split = 'valid'").fetchall()[0][0]
    share = 0 if published else round(valid * 1_000_000)
    held_out = f"md5_number_lower('valid' || substr(key, 2)) % 1000000 < {share}"
    con.execute(
        f"CREATE TABLE parts AS SELECT n, {', '.join(contents)}, "
        "CASE WHEN coalesce(split, 'train') = 'train' "
        f"THEN if({held_out}, 'valid', 'train') ELSE split END AS part FROM keys"
    )


def _keys(con: duckdb.DuckDBPyConnection) -> object:
    """Return what changes when any key does."""
    return con.execute("SELECT sum(md5_number_lower(key) % 4294967296) FROM keys").fetchall()[0][0]


def _set_twins_aside(
    con: duckdb.DuckDBPyConnection, found: Gathered, contents: Sequence[str]
) -> None:
    """Leave out of what is learned from all that is held out as well, and tell it."""
    twins = " OR ".join(
        f"({name} IS NOT NULL AND {_RANK} < max({_RANK}) OVER (PARTITION BY {name}))"
        for name in contents
    )
    con.execute(f"CREATE TABLE twins AS SELECT n FROM parts QUALIFY {twins}")
    rows = con.execute("SELECT record FROM raw JOIN twins USING (n) ORDER BY n").fetchall()
    found.rejects += [("", "", record, _TWIN) for (record,) in rows]
    con.execute("DELETE FROM parts WHERE n IN (SELECT n FROM twins)")
