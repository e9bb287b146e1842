"""What was measured, picture by picture, until all are there: then each is set beside its group.

A collection may have ten million pictures, so nothing of it is kept in memory: rows go into a
database in the work folder in batches, and what a specimen is against others (as large as they, of
the same id, a picture of the same scale) is asked of it in the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merian.database import connect
from merian.measure.codes import FAR_FROM_GROUP, RATIO_SPREADS, worst_first
from merian.measure.measurement import told_calibration
from merian.measure.specimens import Measured, Specimen

__all__ = ["Rows", "Stage", "Tally", "rows_of"]

_BATCH = 4_000
_MEMORY = "1GB"
_TABLES = {
    "shot": (
        "shot BIGINT", "image VARCHAR", "address VARCHAR", "region VARCHAR", "media VARCHAR",
        "width BIGINT", "height BIGINT", "scale DOUBLE", "relative DOUBLE",
        "calibration VARCHAR", "own BOOLEAN", "found BIGINT", "expected BIGINT", "colours VARCHAR",
        "codes VARCHAR",
    ),
    "specimen": (
        "n BIGINT", "shot BIGINT", "number BIGINT", "id VARCHAR", "region VARCHAR",
        "record VARCHAR", "grp VARCHAR", "x BIGINT", "y BIGINT", "w BIGINT", "h BIGINT",
        "outline VARCHAR", "points VARCHAR", "codes VARCHAR", "score DOUBLE",
        "placed_by VARCHAR",
    ),
    "measured": (
        "n BIGINT", "place BIGINT", "trait VARCHAR", "version VARCHAR", "value DOUBLE",
        "low DOUBLE", "high DOUBLE", "unit VARCHAR", "pixels DOUBLE", "calibration VARCHAR",
        "points VARCHAR", "named VARCHAR", "codes VARCHAR",
    ),
    "aside": ("image VARCHAR", "address VARCHAR", "reason VARCHAR"),
}  # fmt: skip
_MEDIA = [column.split()[0] for column in _TABLES["shot"]].index("media") - 1
_TALLY = """
SELECT (SELECT count(*) FROM shot), (SELECT count(*) FROM shot WHERE scale IS NOT NULL),
    (SELECT count(*) FROM specimen), (SELECT count(*) FROM measured), (SELECT count(*) FROM aside)
"""
_LENGTHS = ("body_length", "feret")  # what is taken for the size: the first that was measured
_IN_GROUP, _FOR_RATIO, _OF_RIG = 5, 10, 5  # how many tell what is usual
_RIG_SPREAD = 0.01  # of scales: where they spread more they are not of one rig
_OFF = 0.02


@dataclass(frozen=True)
class Tally:
    """How much there is.

    Attributes:
        shots: Pictures that were measured.
        scaled: Those of them that have a scale.
        specimens: What was found in them.
        values: What was measured of these.
        aside: Pictures that were set aside, and the reason of the first.
    """

    shots: int
    scaled: int
    specimens: int
    values: int
    aside: tuple[int, str]


@dataclass(frozen=True)
class Rows:
    """What is written of a picture that was measured, without the numbers that all get.

    Attributes:
        shot: Of the picture.
        specimens: For each the row of itself, and those of what was measured of it.
    """

    shot: Sequence[Any]
    specimens: Sequence[tuple[Sequence[Any], Sequence[Sequence[Any]]]]

    @property
    def media(self) -> str:
        """The id of the picture, where it has one."""
        return str(self.shot[_MEDIA])

    def to_json(self) -> str:
        """Return them as a line of text."""
        return json.dumps([self.shot, self.specimens], default=lambda number: number.item())


def rows_of(measured: Measured) -> Rows:
    """Return what is written of a picture."""
    asked, scale, colours = measured.asked, measured.calibration, measured.colours
    told = "" if colours is None else (
        f"chart of {colours.patches} patches, off by {colours.residual:.1f} (CIE76), "
        f"before {colours.before:.1f}"
    )  # fmt: skip
    shot = (
        asked.name, asked.address, json.dumps(asked.region) if asked.region else "", asked.media,
        measured.width, measured.height, scale.pixels_per_mm if scale else None,
        scale.relative if scale else None, told_calibration(scale) if scale else "",
        asked.calibration is not None, len(measured.specimens), asked.expected, told,
        ";".join(measured.codes),
    )  # fmt: skip
    return Rows(shot, [_rows_of(one) for one in measured.specimens])


def _rows_of(one: Specimen) -> tuple[Sequence[Any], Sequence[Sequence[Any]]]:
    rings = [ring.ravel().tolist() for ring in one.outline]
    own = (
        one.number, one.id, one.region, one.record, one.group, *one.box,
        json.dumps(rings, separators=(",", ":")), json.dumps(dict(one.points)),
        ";".join(one.codes), one.score, one.placed_by,
    )  # fmt: skip
    return own, [
        (m.trait, m.version, m.value, m.low, m.high, m.unit, m.pixels, m.calibration,
         json.dumps(m.points), json.dumps(m.named), ";".join(m.codes))
        for m in one.measurements
    ]  # fmt: skip


class Stage:
    """Rows that wait in a database."""

    def __init__(self, work: Path) -> None:
        self.con = connect(work / "measured.duckdb", memory=_MEMORY, spill=work / "spill")
        for name, columns in _TABLES.items():
            self.con.execute(f"CREATE TABLE {name} ({', '.join(columns)})").fetchall()
        self._waiting: dict[str, list[Sequence[object]]] = {name: [] for name in _TABLES}
        self.specimens = self.shots = 0

    def close(self) -> None:
        """Close the database."""
        self.con.close()

    def add(self, rows: Rows) -> None:
        """Take in a picture that was measured."""
        self._row("shot", (self.shots, *rows.shot))
        for row, values in rows.specimens:
            self._row("specimen", (self.specimens, self.shots, *row))
            for place, value in enumerate(values):
                self._row("measured", (self.specimens, place, *value))
            self.specimens += 1
        self.shots += 1

    def set_aside(self, image: str, address: str, reason: str) -> None:
        """Take note of a picture that could not be measured."""
        self._row("aside", (image, address, reason))

    def settle(self) -> None:
        """Write what waits, and tell what stands out of its group."""
        for name in _TABLES:
            self._write(name)
        self._doubt("shot", "shot", "scale-outlier", _OUTLIERS)
        self._doubt("specimen", "n", "duplicate-id", _DUPLICATES)
        present = {trait for (trait,) in self.rows("SELECT DISTINCT trait FROM measured")}
        size = next((trait for trait in _LENGTHS if trait in present), None)
        if size is not None:
            self._doubt("measured", "n", "size", _SIZES, f"trait = '{size}'", size)
        for part in ("body", "elytra"):
            both = f"trait IN ('{part}_length', '{part}_width')"
            self._doubt("measured", "n", "ratio", _RATIOS, both, part)

    def rows(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, in batches, by a cursor of their own."""
        asked = self.con.cursor().execute(sql, list(values))
        while batch := asked.fetchmany(_BATCH):
            yield from batch

    def codes(self) -> dict[str, int]:
        """Return how many specimens, or pictures without any, have each code."""
        counts: dict[str, int] = {}
        for (codes,) in self.rows(ALL_CODES):
            for code in worst_first([code for code in codes.split(";") if code]):
                counts[code] = counts.get(code, 0) + 1
        return {code: counts[code] for code in worst_first([*counts])}

    def tally(self) -> Tally:
        """Return how much there is of everything."""
        shots, scaled, specimens, values, aside = next(self.rows(_TALLY))
        first = "SELECT image || ': ' || reason FROM aside ORDER BY image LIMIT 1"
        (reason,) = next(self.rows(first), ("",))
        return Tally(shots, scaled, specimens, values, (aside, str(reason)))

    def _doubt(
        self, table: str, key: str, code: str, which: str, where: str = "true", of: str = ""
    ) -> None:
        chosen = which.format(of=of)
        self.con.execute(
            f"UPDATE {table} SET codes = if(codes = '', '', codes || ';') || '{code}' "
            f"WHERE {where} AND {key} IN ({chosen})"
        ).fetchall()

    def _row(self, table: str, row: Sequence[object]) -> None:
        waiting = self._waiting[table]
        waiting.append(row)
        if len(waiting) >= _BATCH:
            self._write(table)

    def _write(self, table: str) -> None:
        rows = self._waiting[table]
        if not rows:
            return
        kinds = [column.rpartition(" ")[2] for column in _TABLES[table]]
        lists = ", ".join(f"unnest(?::{kind}[])" for kind in kinds)
        columns = [list(column) for column in zip(*rows, strict=True)]
        self.con.execute(f"INSERT INTO {table} SELECT {lists}", columns).fetchall()
        self._waiting[table] = []


_OUTLIERS = f"""
SELECT shot FROM shot, (
    SELECT median(scale) AS m, median(abs(scale / m0 - 1)) AS spread, count(*) AS c
    FROM shot, (SELECT median(scale) AS m0 FROM shot WHERE own) WHERE own
) WHERE own AND c >= {_OF_RIG} AND spread < {_RIG_SPREAD} AND abs(scale / m - 1) > {_OFF}
"""
_DUPLICATES = """
SELECT n FROM specimen WHERE id <> '' AND id IN (
    SELECT id FROM specimen WHERE id <> '' GROUP BY id HAVING count(*) > 1)
"""
_SIZES = f"""
WITH one AS (SELECT n, grp, unit, value FROM measured JOIN specimen USING (n)
             WHERE trait = '{{of}}' AND grp <> '' AND value > 0),
usual AS (SELECT grp, unit, median(value) AS m FROM one GROUP BY ALL HAVING count(*) >= {_IN_GROUP})
SELECT n FROM one JOIN usual USING (grp, unit)
WHERE value > {FAR_FROM_GROUP} * m OR value < m / {FAR_FROM_GROUP}
"""
_RATIOS = f"""
WITH one AS (SELECT l.n, grp, ln(w.pixels / l.pixels) AS r
             FROM measured l JOIN measured w ON l.n = w.n AND l.trait = '{{of}}_length'
                 AND w.trait = '{{of}}_width' JOIN specimen s ON s.n = l.n
             WHERE grp <> '' AND l.pixels > 0 AND w.pixels > 0),
usual AS (SELECT grp, median(r) AS m FROM one GROUP BY grp HAVING count(*) >= {_FOR_RATIO}),
spread AS (SELECT grp, 1.4826 * median(abs(r - m)) AS s
           FROM one JOIN usual USING (grp) GROUP BY grp)
SELECT n FROM one JOIN usual USING (grp) JOIN spread USING (grp)
WHERE abs(r - m) > greatest({RATIO_SPREADS} * s, ln(1.25))
"""
ALL_CODES = """
SELECT concat_ws(';', nullif(h.codes, ''), nullif(s.codes, ''), nullif(m.codes, ''))
FROM shot h LEFT JOIN specimen s USING (shot)
LEFT JOIN (SELECT n, string_agg(codes, ';') AS codes FROM measured WHERE codes <> '' GROUP BY n) m
USING (n)
"""
