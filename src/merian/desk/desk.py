"""The desk of one catalogue: what is open, what is shown, what is decided.

One process holds the catalogue. Every question has a cursor of its own, so that several pages are
answered at once; decisions are written one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from merian.catalogue import Catalogue
from merian.catalogue.reviewed import Changed, Decision, decide, decisions, undo
from merian.desk.board import BOARD, SAID, kinds_of, make_board, refresh
from merian.desk.likeness import Likeness
from merian.errors import InputError
from merian.taxonomy import Taxonomy

__all__ = ["Desk"]

Row = dict[str, Any]


class Desk:
    """A catalogue that is looked at.

    Attributes:
        catalogue: It, open for writing.
        by: Who sits at the desk, unless a decision says otherwise.
        taxonomy: A checklist for names that the catalogue does not have.
        embeddings: The vectors that were given; None for those in the catalogue.
        likeness: What is alike by stored vectors.
        records: How many records there are.
        change: A number that grows with every change; what was counted before is counted anew.
        work: A folder for what is gone when the desk closes.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        by: str = "",
        taxonomy: Taxonomy | None = None,
        embeddings: Path | None = None,
    ) -> None:
        self.catalogue, self.by, self.taxonomy = catalogue, by, taxonomy
        self.embeddings = embeddings
        self.change = 0
        self._writing = threading.Lock()
        self._con = catalogue.held()
        work = _work_of(self._con)
        self.work = work
        self.records = make_board(self._con, work / "board.duckdb")
        self._measured: tuple[str, ...] = tuple(
            str(row[0])
            for row in self._con.execute(
                "SELECT DISTINCT measurementType FROM main.measurement "
                "WHERE measurementValueNumeric IS NOT NULL AND measurementType IS NOT NULL "
                "LIMIT 500"
            ).fetchall()
        )
        self._kept: dict[str, tuple[int, Any]] = {}
        self.likeness = Likeness.open(self._con, catalogue.path, embeddings, work)

    @property
    def measured(self) -> Sequence[str]:
        """The kinds of measurements that there are."""
        return self._measured

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection for one question."""
        cursor = self._con.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return rows as dictionaries."""
        with self.cursor() as con:
            con.execute(sql, [*values])
            names = [column[0] for column in con.description or ()]
            return [dict(zip(names, row, strict=True)) for row in con.fetchall()]

    def value(self, sql: str, values: Sequence[object] = ()) -> Any:
        """Return the first column of the first row."""
        with self.cursor() as con:
            found = con.execute(sql, [*values]).fetchone()
            return found[0] if found else None

    def kept(self, key: str, make: Any) -> Any:
        """Return what was made before, unless something has changed since."""
        change, value = self._kept.get(key, (-1, None))
        if change != self.change:
            change = self.change
            value = make()
            self._kept[key] = (change, value)
        return value

    # -- decisions ------------------------------------------------------------------------------

    def decide(self, decision: Decision) -> Changed:
        """Write a decision, and show it from now on."""
        with self._writing, self.cursor() as con:
            kinds = kinds_of(con, [*decision.seen])
            _all_there(kinds, decision.seen)
            return self._shown(con, decide(con, decision, kinds, SAID))

    def undo(self, run: str, by: str) -> Changed:
        """Undo a decision, and show that."""
        with self._writing, self.cursor() as con:
            records = [
                str(row[0])
                for row in con.execute(
                    "SELECT coalesce(occurrenceID, nucleotideSequenceID, mediaID) "
                    "FROM main.identification WHERE runID = ?", [run],
                ).fetchall()
            ]  # fmt: skip
            return self._shown(con, undo(con, run, by, kinds_of(con, records), SAID))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Within this, nothing else is written; afterwards all is counted anew."""
        with self._writing:
            try:
                yield
            finally:
                self.change += 1

    @contextmanager
    def quiet(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection while which is used nothing is decided."""
        with self._writing, self.cursor() as con:
            yield con

    def _shown(self, con: duckdb.DuckDBPyConnection, changed: Changed) -> Changed:
        refresh(con, changed.stands)
        self.likeness.moved(con, [*changed.stands])
        self.change += 1
        return changed

    def decided(self, most: int | None = None) -> list[Row]:
        """Return what was decided, the last first."""
        with self.cursor() as con:
            return decisions(con, most)

    def cards(self, records: Sequence[str]) -> list[Row]:
        """Return the rows of the board of some records, in the order asked for."""
        if len(records) == 1:  # compared where it lies, and nothing joined
            return self.rows(f"SELECT * FROM {BOARD} WHERE record = ?", records)
        found = self.rows(
            f"SELECT * FROM {BOARD} WHERE record IN (SELECT unnest(?::VARCHAR[]))", [[*records]]
        )
        by_id = {row["record"]: row for row in found}
        return [by_id[record] for record in records if record in by_id]


def _all_there(kinds: Mapping[str, str], records: Mapping[str, str]) -> None:
    missing = [record for record in records if record not in kinds]
    if missing:
        raise InputError(f"{missing[0]}: the catalogue has no such record")


def _work_of(con: duckdb.DuckDBPyConnection) -> Path:
    """Return the catalogue's work folder, where what does not fit into memory lies."""
    spill = con.execute("SELECT current_setting('temp_directory')").fetchall()[0][0]
    return Path(str(spill)).parent
