"""What stands in several parts of a split: counted for each kind of group, and for each taxon.

Whatever a split was made by, the same kinds are looked at: barcodes, specimens, BINs, samples,
pictures with the same bytes. A BIN on two sides is no fault in a test of known species, whose
records share it; a barcode is one, and so is a specimen. Parts that are set aside do not count.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from merian.catalogue.checks import literal
from merian.catalogue.splits.groups import keyed

__all__ = [
    "LOOKED_AT", "Leak", "find_leaks", "json_of_leaks", "leaks_of_json", "pairs_of", "taxa_of",
]  # fmt: skip

LOOKED_AT = ("specimen", "barcode", "picture", "bin", "sample", "cruise", "instrument")
"""The kinds of groups that are looked at, the gravest first."""


@dataclass(frozen=True)
class Leak:
    """What of one kind stands in several parts.

    Attributes:
        kind: The kind of group.
        groups: How many there are with more than one record.
        shared: How many of these are in several parts.
        records: Records outside the parts that learn, in groups that are in a part that learns.
        tested: All records outside the parts that learn that have such a group.
        note: How much was looked at, where it was not all.
    """

    kind: str
    groups: int
    shared: int
    records: int
    tested: int
    note: str = ""

    @property
    def share(self) -> float:
        """The share of what is tested that leaks."""
        return self.records / self.tested if self.tested else 0.0


def leaks_of_json(text: str) -> list[Leak]:
    """Read what `find_leaks` has found, as it is stored."""
    return [Leak(**one) for one in json.loads(text)]


def json_of_leaks(leaks: Sequence[Leak]) -> str:
    """Return leaks as they are stored."""
    return json.dumps([asdict(leak) for leak in leaks])


def find_leaks(con: duckdb.DuckDBPyConnection, fold: bool) -> list[Leak]:
    """Return what stands in several parts.

    Args:
        con: The catalogue, with the temporary table ``sides`` (n, part, role).
        fold: Whether every part is a test once: then what any two parts share leaks.
    """
    found = []
    learned = "parts > 1" if fold else "learned AND NOT s.learns"
    for kind in LOOKED_AT:
        row = con.execute(f"""
WITH s AS (
    SELECT n, key, part, role = 'learn' AS learns FROM {keyed(con, kind)} JOIN sides USING (n)
    WHERE role <> 'aside'
), g AS (
    SELECT key, count(*) AS size, count(DISTINCT part) AS parts, bool_or(learns) AS learned
    FROM s GROUP BY key
)
SELECT (SELECT count(*) FILTER (size > 1) FROM g), (SELECT count(*) FILTER (parts > 1) FROM g),
    count(DISTINCT s.n) FILTER ({learned}), count(DISTINCT s.n) FILTER ({fold} OR NOT s.learns)
FROM s JOIN g USING (key)
""").fetchall()[0]
        if row[3] or row[0]:
            groups, shared, records, tested = (int(value or 0) for value in row)
            found.append(Leak(kind, groups, shared, records, tested))
    return found


def pairs_of(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Return kind, two parts, shared groups and the records of these in each, for all that is."""
    rows: list[tuple[Any, ...]] = []
    for kind in LOOKED_AT:
        rows += con.execute(f"""
WITH s AS (
    SELECT key, part, count(*) AS records
    FROM {keyed(con, kind)} JOIN sides USING (n) WHERE role <> 'aside' GROUP BY key, part
)
SELECT {literal(kind)}, a.part, b.part, count(*), CAST(sum(a.records) AS BIGINT),
    CAST(sum(b.records) AS BIGINT)
FROM s a JOIN s b ON a.key = b.key AND a.part < b.part GROUP BY ALL ORDER BY ALL
""").fetchall()
    return rows


def taxa_of(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str, int]]:
    """Return taxon, part and records."""
    return [
        (str(taxon), str(part), int(records))
        for taxon, part, records in con.execute(
            "SELECT coalesce(label, ''), part, count(*) FROM sides LEFT JOIN label USING (n) "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    ]
