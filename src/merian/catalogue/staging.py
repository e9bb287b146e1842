"""The first half of an import: every source in a table of text, and a view of it by term.

The tables live in a database of their own in memory, which DuckDB spills into the work folder
of the catalogue as it grows: nothing of it reaches the catalogue's file, so an import that is
killed here leaves no trace. A row's place is one number, ``ord``: its source, line and position
in the line. It sorts as the input does, and decides which of two rows came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from merian.catalogue.checks import MACROS
from merian.catalogue.schema import TABLES, quoted, record_terms
from merian.catalogue.sources import Chunk, Columns, Delimited, Reading, Reject, Rows
from merian.catalogue.text_table import DelimitedTable, field_value, table_view
from merian.errors import FormatError

__all__ = ["CONTENT", "Feed", "Staging", "line_of", "place_of", "source_of"]

CONTENT = 1000
"""Characters of a reject's content that are kept."""

_LINE_BITS, _POSITION_BITS = 40, 10
_MOST = (1 << (63 - _LINE_BITS - _POSITION_BITS)) - 1  # sources
_APART = 32  # sources of rows for one table that have a table of texts each

Step = Callable[[str, int], None]


def place_of(source: int, line: str, position: str = "0") -> str:
    """Return the SQL of a row's place."""
    high = source << (_LINE_BITS + _POSITION_BITS)
    return f"({high} + {line} * {1 << _POSITION_BITS} + {position} % {1 << _POSITION_BITS})"


def line_of(place: str) -> str:
    """Return the SQL of the line in a place."""
    return f"(({place} >> {_POSITION_BITS}) & {(1 << _LINE_BITS) - 1})"


def source_of(place: str) -> str:
    """Return the SQL of the source in a place."""
    return f"({place} >> {_LINE_BITS + _POSITION_BITS})"


@dataclass(frozen=True)
class Feed:
    """One selection of rows for one table: ``SELECT ord, <terms> FROM ...``."""

    table: str
    terms: tuple[str, ...]
    sql: str
    content: str
    origin: str
    source: int
    texts: str | None
    shared: bool = False

    def line(self, place: str) -> str:
        """Return the SQL of ``line__`` in the origin for a place."""
        return f"({place} >> {_POSITION_BITS})" if self.shared else line_of(place)


class Staging:
    """The staging database of one import."""

    def __init__(self, con: duckdb.DuckDBPyConnection, work: Path, step: Step) -> None:
        self.con, self.work, self.step = con, work, step
        self.feeds: list[Feed] = []
        self.rows_read = 0
        self.notes: list[str] = []
        self._rejects: list[Reject] = []
        self._taken: set[str] = set()
        self.run("ATTACH ':memory:' AS staging")
        self.run("USE staging")
        for macro in MACROS:
            self.run(macro)
        self.run("CREATE TABLE files (source BIGINT, file VARCHAR)")
        self.run(
            "CREATE TABLE rejects (scope VARCHAR, file VARCHAR, line BIGINT, term VARCHAR, "
            "reason VARCHAR, content VARCHAR)"
        )

    def run(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run one statement to its end."""
        return self.con.execute(sql, list(parameters)).fetchall()

    def close(self) -> None:
        """Forget everything that was staged."""
        self.run("USE catalogue")
        self.run("DETACH staging")

    def count(self, sql: str) -> int:
        """Return the one number that a query gives."""
        return int(self.run(sql)[0][0])

    def has(self, name: str) -> bool:
        """Return whether there is ``name``, a table ``new_<table>`` or one that was laid aside."""
        return name in self._taken

    def lay_aside(self, name: str, rows: str) -> None:
        """Keep rows, as SQL, in a table of their own."""
        self.run(f"CREATE OR REPLACE TABLE {name} AS {rows}")
        self._taken.add(name)

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table but its place."""
        found = self.run(f"SELECT column_name FROM (DESCRIBE {table})")
        return [column for (column,) in found if column != "ord"]

    def take(self, table: str, rows: str) -> None:
        """Add rows, as SQL, to ``new_<table>``, whichever columns they have."""
        name = f"new_{table}"
        if not self.has(name):
            self.run(f"CREATE TABLE {name} AS {rows}")
            self._taken.add(name)
            return
        have = self.columns(name)
        for column, kind in self.run(f"SELECT column_name, column_type FROM (DESCRIBE {rows})"):
            if column not in have and column != "ord":
                self.run(f"ALTER TABLE {name} ADD COLUMN {quoted(column)} {kind}")
        self.run(f"INSERT INTO {name} BY NAME {rows}")

    def load(self, reading: Reading) -> None:
        """Stage all sources."""
        if len(reading.sources) > _MOST:
            raise FormatError(
                f"is read as {len(reading.sources):,} tables, and an import takes {_MOST:,}; "
                "import it in parts, a folder with fewer files at a time",
                path=reading.sources[0].path.parent,
            )
        counted = Counter(s.table for s in reading.sources if isinstance(s, Rows))
        shared = {table: _Shared(table) for table, n in counted.items() if n > _APART}
        for number, source in enumerate(reading.sources):
            self.run("INSERT INTO files VALUES (?, ?)", [number, str(source.called)])
            before = self.rows_read
            if isinstance(source, Delimited):
                self._load_delimited(number, source)
            elif source.table in shared:
                self._load_shared(number, source, shared[source.table])
            else:
                self._load_rows(number, source)
            if self.rows_read == before:
                self.notes.append(f"{source.called} has no rows")
        for one in shared.values():
            self._feed_shared(one)
        self.flush_rejects()
        if not self.rows_read:
            where = reading.sources[0].path if reading.sources else None
            raise FormatError(
                "found no rows: it is empty or holds only a header. Expected at least one row "
                f"of {reading.format}",
                path=where,
            )

    def reject(self, reject: Reject) -> None:
        """Keep what cannot be taken in."""
        self._rejects.append(reject)
        if len(self._rejects) >= 20_000:
            self.flush_rejects()

    def flush_rejects(self) -> None:
        """Write the rejects gathered in Python to their table."""
        if not self._rejects:
            return
        columns: dict[str, list[object]] = {
            "scope": [r.scope for r in self._rejects],
            "file": [str(r.path) for r in self._rejects],
            "line": [r.line for r in self._rejects],
            "term": [r.term for r in self._rejects],
            "reason": [r.reason for r in self._rejects],
            "content": [r.content[:CONTENT] for r in self._rejects],
        }
        self.append(
            "rejects", columns, "scope, file, CAST(line AS BIGINT) AS line, term, reason, content"
        )
        self._rejects.clear()

    def append(
        self, table: str, columns: Mapping[str, Sequence[object]], select: str = "*"
    ) -> None:
        """Append columns made in Python to a table."""
        self.con.register("batch", {name: _texts(values) for name, values in columns.items()})
        self.run(f"INSERT INTO {table} BY NAME SELECT {select} FROM batch")
        self.con.unregister("batch")

    # -- delimited files ------------------------------------------------------------------------

    def _load_delimited(self, number: int, source: Delimited) -> None:
        if len({column.lower() for column in source.columns}) < len(source.columns):
            raise FormatError(
                "two columns have the same name, or names that differ only in case: "
                + ", ".join(source.columns),
                path=source.called,
            )
        self.step(f"reading {source.called.name}", self.rows_read)
        table = DelimitedTable(self, number, source)
        self.rows_read += table.load()
        for feed in source.feeds:
            self._add_feed(number, table.name, feed, source.columns)

    # -- rows made by Python --------------------------------------------------------------------

    def _load_rows(self, number: int, source: Rows) -> None:
        table, terms = f"text_{number}", dict[str, None]()
        self.run(f"CREATE TABLE {table} (line__ BIGINT, rest__ VARCHAR)")
        self._append_rows(source, table, terms)
        same = Columns(source.table, {term: quoted(term) for term in terms})
        self.run(table_view(number))
        self._add_feed(number, f"raw_{number}", same, tuple(terms))

    def _load_shared(self, number: int, source: Rows, shared: _Shared) -> None:
        """Stage the rows of one of very many sources beside those of the others.

        A table for each would be thousands, and every query one over all of them.
        """
        if shared.number is None:
            shared.number = number
            self.run(f"CREATE TABLE text_{number} (line__ BIGINT, rest__ VARCHAR)")
        self._append_rows(source, f"text_{shared.number}", shared.terms, number << _LINE_BITS)

    def _feed_shared(self, shared: _Shared) -> None:
        if shared.number is None:
            return
        same = Columns(shared.table, {term: quoted(term) for term in shared.terms})
        self.run(table_view(shared.number))
        self._add_feed(0, f"raw_{shared.number}", same, tuple(shared.terms))
        # The place of a row has the number of its source in it already.
        self.feeds[-1] = replace(self.feeds[-1], source=shared.number, shared=True)

    def _append_rows(
        self, source: Rows, table: str, terms: dict[str, None], first: int | None = None
    ) -> None:
        """Append the rows of a source.

        Args:
            source: It.
            table: The table of texts.
            terms: The columns that this has, which grow.
            first: What is added to the lines, if the table is that of several sources.
        """
        allowed = record_terms() if source.table == "record" else TABLES[source.table].columns
        for chunk in source.chunks:
            if isinstance(chunk, Reject):
                self.reject(chunk)
                self.rows_read += chunk.scope == "row"
                continue
            for term in chunk:
                if term != "line" and term not in terms:
                    if term not in allowed:
                        raise FormatError(f"no term {term!r} in {source.table}", path=source.called)
                    terms[term] = None
                    self.run(f"ALTER TABLE {table} ADD COLUMN {quoted(term)} VARCHAR")
            if first is not None:
                given = enumerate(chunk["line"], 1)
                lines = [first + (n if line is None else int(str(line))) for n, line in given]
                chunk = {**chunk, "line": lines}  # noqa: PLW2901
            self._append_chunk(table, chunk)
            self.rows_read += len(chunk["line"])
            self.step(f"reading {source.called.name}", self.rows_read)

    def _append_chunk(self, table: str, chunk: Chunk) -> None:
        names = {f"c{i}": term for i, term in enumerate(chunk) if term != "line"}
        columns: dict[str, Sequence[object]] = {n: chunk[t] for n, t in names.items()}
        select = ", ".join(f"{field_value(n, ())} AS {quoted(t)}" for n, t in names.items())
        self.append(
            table,
            {"line": chunk["line"], **columns},
            "CAST(line AS BIGINT) AS line__" + (f", {select}" if select else ""),
        )

    # -- views by term --------------------------------------------------------------------------

    def _add_feed(self, number: int, raw: str, feed: Columns, columns: Sequence[str]) -> None:
        if feed.table != "record" and feed.table not in TABLES:
            raise FormatError(
                f"no table is called {feed.table!r}; there are record, {', '.join(TABLES)}"
            )
        allowed = record_terms() if feed.table == "record" else TABLES[feed.table].columns
        unknown = [term for term in feed.terms if term not in allowed]
        if unknown:
            raise FormatError(f"{feed.table} has no column {', '.join(unknown)}")
        origin, position = raw, "0"
        if feed.each:
            origin = (
                f"(SELECT *, unnest({feed.each}) AS item, "
                f"generate_subscripts({feed.each}, 1) AS position__ FROM {raw})"
            )
            position = "position__"
        place = place_of(number, "line__", position)
        terms = ", ".join(
            f"{_expression(sql, columns)} AS {quoted(term)}" for term, sql in feed.terms.items()
        )
        where = f" WHERE {feed.where}" if feed.where else ""
        text = feed.terms.get("sequence")
        content = ", ".join(f"coalesce({quoted(c)}, '')" for c in columns) or "''"
        texts = f"SELECT {place} AS ord, {_expression(text or '', columns)} AS text__ "
        texts += f"FROM {origin}{where}"
        self.feeds.append(
            Feed(
                feed.table,
                tuple(feed.terms),
                f"SELECT {place} AS ord, {terms} FROM {origin}{where}",
                f"left(concat_ws(chr(9), {content}), {CONTENT})",
                raw,
                number,
                texts if text and feed.table in ("record", "sequence") else None,
            )
        )

    @property
    def texts_stay(self) -> bool:
        """Whether sequences stay with their rows until they are written.

        They are most of what there is. Their identifiers are hashes of them, so nothing else needs
        them in between; only where the input names its sequences must they be compared.
        """
        terms = {*self.terms("record"), *self.terms("sequence")}
        return "sequence" in terms and "nucleotideSequenceID" not in terms

    def texts(self) -> str:
        """Return the SQL of all sequences as they came, by place."""
        parts = [
            f"SELECT * FROM ({feed.texts}) WHERE text__ IS NOT NULL"
            for feed in self.feeds
            if feed.texts
        ]
        return "(" + " UNION ALL ".join(parts) + ")"

    def forget_columns(self) -> None:
        """Give back the room of all columns that are not needed for sequences any more."""
        for number in sorted({feed.source for feed in self.feeds}):
            texts = [f.texts for f in self.feeds if f.source == number and f.texts]
            columns = self.columns(f"text_{number}")
            needed = {c for c in columns if any(c in text for text in texts)}
            needed |= {c for c in columns if c.endswith("__")}
            if not texts or not self.texts_stay:
                self.run(f"DROP VIEW IF EXISTS raw_{number}")
                self.run(f"DROP TABLE text_{number}")
                continue
            for column in columns:
                if column not in needed:
                    self.run(f"ALTER TABLE text_{number} DROP COLUMN {quoted(column)}")
            self.run(f"DROP VIEW IF EXISTS raw_{number}")
            self.run(table_view(number))

    def terms(self, table: str) -> tuple[str, ...]:
        """Return the terms that are fed to a table, in the order of the schema."""
        fed = {term for feed in self.feeds if feed.table == table for term in feed.terms}
        order = record_terms() if table == "record" else TABLES[table].columns
        return tuple(term for term in order if term in fed)

    def view(self, table: str) -> str:
        """Return the SQL of all rows that are fed to a table, as text."""
        parts = [f"({feed.sql})" for feed in self.feeds if feed.table == table]
        return "(" + " UNION ALL BY NAME ".join(parts) + ")"


class _Shared:
    """A table of texts for the rows of very many sources.

    Attributes:
        table: The table that they feed.
        number: That of the first source, which its name has; None before there is one.
        terms: Its columns.
    """

    def __init__(self, table: str) -> None:
        self.table = table
        self.number: int | None = None
        self.terms: dict[str, None] = {}


def _expression(sql: str, columns: Sequence[str]) -> str:
    """Return the SQL of a term: a column as it is, anything else as text or NULL."""
    plain = sql.removeprefix('"').removesuffix('"') in columns
    return sql if plain else f"nullif(CAST(({sql}) AS VARCHAR), '')"


def _texts(values: Sequence[object]) -> np.ndarray[Any, Any]:
    """Return values as an array of texts and None, which is how DuckDB reads Python fastest."""
    array = np.empty(len(values), dtype=object)
    array[:] = [v if v is None or isinstance(v, str) else str(v) for v in values]
    return array
