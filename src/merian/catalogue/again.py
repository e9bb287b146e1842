"""The same identifier twice in one input.

Rows that agree are one. Where they differ, the value of the first row that has one is kept and
the other is written to the rejects with both places: an import never chooses in silence.
"""

from __future__ import annotations

from merian.catalogue.checks import literal
from merian.catalogue.schema import quoted
from merian.catalogue.staging import CONTENT, Staging, line_of, source_of

__all__ = ["merge"]


def merge(staging: Staging, table: str, key: str, what: str, whole: str | None = None) -> int:
    """Make each key of a staging table unique.

    Args:
        staging: The staging database.
        table: Its table, with a column ``ord``.
        key: The column that is to be unique.
        what: What a key stands for, in the words of the reject.
        whole: Rows whose plain repetitions are to be counted, as SQL; they have the key too.

    Returns:
        The number of rows of ``whole`` that repeat an earlier one word for word.
    """
    k = quoted(key)
    staging.run(
        f"CREATE OR REPLACE TABLE twice AS SELECT {k} FROM {table} GROUP BY {k} HAVING count(*) > 1"
    )
    if not staging.count("SELECT count(*) FROM twice"):
        return 0
    columns = [column for column in staging.columns(table) if column != key]
    staging.run(
        f"CREATE OR REPLACE TABLE rival AS SELECT * FROM {table} "
        f"WHERE {k} IN (SELECT {k} FROM twice)"
    )
    first = "".join(
        f", arg_min({quoted(c)}, ord) FILTER ({quoted(c)} IS NOT NULL) AS {quoted(c)}"
        for c in columns
    )
    staging.run(
        f"CREATE OR REPLACE TABLE kept AS SELECT min(ord) AS ord, {k}{first} "
        f"FROM rival GROUP BY {k}"
    )
    # A column that ends so is ours, and no fact.
    for column in _differing(staging, k, [c for c in columns if not c.endswith("__")]):
        _reject_rivals(staging, key, column, what)
    staging.run(f"DELETE FROM {table} WHERE {k} IN (SELECT {k} FROM twice)")
    staging.run(f"INSERT INTO {table} BY NAME SELECT * FROM kept ORDER BY ord")
    repeats = _repeats(staging, whole, k) if whole else 0
    for made in ("rival", "kept", "twice"):
        staging.run(f"DROP TABLE {made}")
    return repeats


def _differing(staging: Staging, k: str, columns: list[str]) -> list[str]:
    """Return the columns in which rows of one key differ: seldom any, so all are asked at once."""
    if not columns:
        return []
    ends = ", ".join(
        f"min({quoted(c)}) AS low{i}, max({quoted(c)}) AS high{i}" for i, c in enumerate(columns)
    )
    differ = ", ".join(f"coalesce(bool_or(low{i} <> high{i}), false)" for i in range(len(columns)))
    (found,) = staging.run(f"SELECT {differ} FROM (SELECT {ends} FROM rival GROUP BY {k})")
    return [column for column, differs in zip(columns, found, strict=True) if differs]


def _reject_rivals(staging: Staging, key: str, column: str, what: str) -> None:
    """Write down the values of one column that lost to an earlier row's."""
    k, c = quoted(key), quoted(column)
    staging.run(
        f"INSERT INTO rejects SELECT DISTINCT 'value', f.file, {line_of('a.ord')}, "
        f"{literal(column)}, {literal(f'{what} again with other {column}: ')} || a.{k} || ' has ' "
        f"|| chr(39) || left(CAST(a.{c} AS VARCHAR), 60) || chr(39) || ', kept ' || chr(39) "
        f"|| left(CAST(kept.{c} AS VARCHAR), 60) || chr(39) || ' of line ' "
        f"|| {line_of('b.ord')}, left(CAST(a.{c} AS VARCHAR), {CONTENT}) "
        f"FROM rival a JOIN kept USING ({k}) "
        f"JOIN (SELECT {k}, min(ord) AS ord FROM rival WHERE {c} IS NOT NULL GROUP BY {k}) b "
        f"USING ({k}) JOIN files f ON f.source = {source_of('a.ord')} "
        f"WHERE a.{c} IS DISTINCT FROM kept.{c} AND a.{c} IS NOT NULL"
    )


def _repeats(staging: Staging, whole: str, k: str) -> int:
    """Count the rows that repeat an earlier one word for word."""
    rows = f"SELECT * EXCLUDE (ord) FROM {whole} WHERE {k} IN (SELECT {k} FROM twice)"
    return staging.count(f"SELECT count(*) FROM ({rows})") - staging.count(
        f"SELECT count(*) FROM (SELECT DISTINCT * FROM ({rows}))"
    )
