"""Looking at tables of any size: each is laid out by DuckDB, line by line, and asked in SQL.

What is asked is a condition on the text of terms; what comes back are the first rows that meet it,
with their lines, and how many there are. What does not fit into memory is kept on the disk.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb

from merian.catalogue.schema import quoted
from merian.catalogue.sources import Delimited
from merian.catalogue.staging import Staging
from merian.catalogue.text_table import DelimitedTable
from merian.database import connect
from merian.errors import FormatError
from merian.files import find_encoding
from merian.formats.delimited import literal
from merian.report.publish.check_places import hold_places
from merian.report.publish.findings import Finding, Findings
from merian.report.publish.rules import DATES, READ, RULES, Rule, rank_rule

__all__ = ["Looking", "Sight"]

_MEMORY = "1GB"
_TERM = re.compile(r"\{([A-Za-z][^{}]*)\}")


class Sight:
    """One table that was laid out.

    Attributes:
        view: Its rows in DuckDB: ``line__`` and a column for each term.
        file: What it is called.
        columns: Its terms.
    """

    def __init__(self, view: str, file: str, columns: Sequence[str]) -> None:
        self.view, self.file, self.columns = view, file, tuple(columns)

    def sql(self, condition: str) -> str:
        """Return a condition with the columns of this table; what it lacks is empty."""
        have = {name.casefold(): name for name in self.columns}

        def column(found: re.Match[str]) -> str:
            name = have.get(found[1].casefold())
            return f"t.{quoted(name)}" if name else "CAST(NULL AS VARCHAR)"

        return _TERM.sub(column, condition)


class Looking:
    """Tables that are looked at, and what is found. Use it in a ``with`` block."""

    def __init__(self, findings: Findings, today: str) -> None:
        self.findings, self.today = findings, today
        self._work = tempfile.TemporaryDirectory(prefix="merian-check-")
        self._folder = Path(self._work.name)
        self._con = connect(memory=_MEMORY, spill=self._folder)
        self._staging = Staging(self._con, self._folder, lambda _what, _rows: None)
        self._number = 0

    def __enter__(self) -> Looking:
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()
        self._work.cleanup()

    def lay_out(self, source: Delimited, shown: str) -> Sight | None:
        """Lay out a table; tell lines that do not fit, and text that is not in its encoding."""
        if source.encoding.startswith("utf-8") and find_encoding(source.path) != "utf-8-sig":
            self.tell(
                "error",
                "ENCODING_INVALID",
                shown,
                "is not UTF-8, as it should be: accents will be wrong. Save it as UTF-8",
            )
            source = Delimited(
                source.path,
                source.delimiter,
                source.columns,
                (),
                "cp1252",
                source.header_lines,
                source.quote,
            )
        self._number += 1
        table = DelimitedTable(self._staging, self._number, source)
        try:
            count = table.load()
        except (FormatError, duckdb.Error, OSError) as error:
            self.tell("error", "RESOURCE_UNREADABLE", shown, str(error).splitlines()[0])
            return None
        self._staging.flush_rejects()
        self._tell_ragged(shown)
        self.findings.rows[shown] = self.findings.rows.get(shown, 0) + count
        return self._with_dates(Sight(table.name, shown, source.columns))

    def _with_dates(self, sight: Sight) -> Sight:
        """Read the dates of a table, each that is distinct once."""
        joined, added = "", []
        for number, term in enumerate(term for term in DATES if term in sight.columns):
            dates = f"dates_{self._number}_{number}"
            self._staging.run(
                f"CREATE TABLE {dates} AS SELECT text, date_iso(text) AS iso FROM "
                f"(SELECT DISTINCT {quoted(term)} AS text FROM {sight.view})"
            )
            joined += f" LEFT JOIN {dates} d{number} ON d{number}.text = r.{quoted(term)}"
            added.append((f"{term}{READ}", f"d{number}.iso"))
        if not added:
            return sight
        listed = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in added)
        view = f"dated_{self._number}"
        self._staging.run(f"CREATE VIEW {view} AS SELECT r.*, {listed} FROM {sight.view} r{joined}")
        return Sight(view, sight.file, (*sight.columns, *(name for name, _ in added)))

    def _tell_ragged(self, shown: str) -> None:
        count = self._staging.count("SELECT count(*) FROM rejects")
        found = self._staging.run(
            f"SELECT line, reason, content FROM rejects ORDER BY line LIMIT {self.findings.most}"
        )
        made = [
            Finding("error", "COLUMN_MISMATCH", shown, reason, line, value=content or "")
            for line, reason, content in found
        ]
        if made:
            self.findings.add(*made, count=count)
        self._staging.run("DELETE FROM rejects")

    # -- asking -----------------------------------------------------------------------------------

    def tell(
        self,
        severity: str,
        code: str,
        file: str,
        message: str,
        line: int | None = None,
        term: str = "",
        value: str = "",
    ) -> None:
        """Note one thing that is not in the rows."""
        self.findings.add(Finding(severity, code, file, message, line, term, value))

    def ask(
        self,
        sight: Sight,
        severity: str,
        code: str,
        term: str,
        condition: str,
        message: str,
    ) -> int:
        """Note the rows that meet a condition, and return how many there are."""
        where = self._where(sight, condition)
        rows = f"FROM {sight.view} t WHERE {where}"
        count = self._staging.count(f"SELECT count(*) {rows}")
        if not count:
            return 0
        value = sight.sql(f"{{{term}}}")
        found = self._staging.run(
            f"SELECT line__, left({value}, 200) {rows} ORDER BY line__ LIMIT {self.findings.most}"
        )
        self.findings.add(
            *(
                Finding(severity, code, sight.file, message, line, term, text or "")
                for line, text in found
            ),
            count=count,
        )
        return count

    def hold_against_rules(self, sight: Sight) -> None:
        """Hold the rows of a table against all rules for terms that it has."""
        have = {name.casefold() for name in sight.columns}
        rules = [
            rule
            for rule in [*RULES, *self._ranks(sight)]
            if all(term.casefold() in have for term in rule.needs or (rule.term,))
        ]
        if not rules:
            return
        # All are counted in one pass; only those that are broken are looked at again.
        counts = ", ".join(f"count(*) FILTER ({self._where(sight, rule.where)})" for rule in rules)
        (found,) = self._staging.run(f"SELECT {counts} FROM {sight.view} t")
        for rule, count in zip(rules, found, strict=True):
            if count:
                self.ask(sight, rule.severity, rule.code, rule.term, rule.where, rule.message)
        hold_places(self, sight, self._con)

    def _where(self, sight: Sight, condition: str) -> str:
        return sight.sql(condition).replace("'TODAY'", literal(self.today))

    def _ranks(self, sight: Sight) -> list[Rule]:
        if "taxonRank" not in sight.columns:
            return []
        found = self._staging.run(
            f"SELECT DISTINCT {quoted('taxonRank')} FROM {sight.view} "
            f"WHERE {quoted('taxonRank')} IS NOT NULL ORDER BY 1 LIMIT 10000"
        )
        return [rank_rule([rank for (rank,) in found])]

    def hold_unique(self, sight: Sight, term: str, severity: str = "error") -> None:
        """Note identifiers that are missing, or stand in more than one row."""
        self.ask(
            sight,
            severity,
            "RECORD_NOT_UNIQUELY_IDENTIFIED",
            term,
            f"{{{term}}} IS NULL",
            "is empty, so nothing can point to the row; give each a stable identifier",
        )
        column = sight.sql(f"{{{term}}}").removeprefix("t.")
        self.ask(
            sight,
            severity,
            "RECORD_NOT_UNIQUELY_IDENTIFIED",
            term,
            f"{{{term}}} IN (SELECT {column} FROM {sight.view} GROUP BY 1 HAVING count(*) > 1)",
            "stands in more than one row; an identifier names one thing",
        )

    def hold_related(
        self, sight: Sight, term: str, others: Sequence[tuple[Sight, str]], what: str
    ) -> None:
        """Note values that point to no row of another table."""
        there = " UNION ALL ".join(
            f"SELECT {other.sql(f'{{{key}}}').removeprefix('t.')} AS k FROM {other.view}"
            for other, key in others
        )
        self.ask(
            sight,
            "error",
            "RECORD_REFERENTIAL_INTEGRITY_VIOLATION",
            term,
            f"{{{term}}} IS NOT NULL AND {{{term}}} NOT IN "
            f"(SELECT k FROM ({there}) WHERE k IS NOT NULL)",
            f"points to no row of {what}",
        )
