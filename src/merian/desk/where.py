"""Where and when records were found: of a name, for the page of one of them; and of a view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merian.desk.asking import Condition
from merian.desk.board import BOARD
from merian.desk.desk import Desk

__all__ = ["dots_of", "month_of", "months_of", "places_of"]

_CELLS = 160  # from west to east: a dot of the map is as wide
_LEAST = 16.0  # degrees that a map shows at least, see `merian.report.world_map`
_PLACED = "decimalLatitude IS NOT NULL AND decimalLongitude IS NOT NULL"

Dots = tuple[list[tuple[float, float]], list[int]]


def dots_of(desk: Desk, held: Condition) -> Dots:
    """Return places of records and how many are at each; near ones are one, at their middle.

    However many records there are, no more places come back than a map can show.
    """
    where = f"FROM {BOARD} WHERE {held.sql} AND {_PLACED}"
    (told,) = desk.rows(
        "SELECT max(decimalLatitude) - min(decimalLatitude) AS high, "
        f"max(decimalLongitude) - min(decimalLongitude) AS wide {where}", held.values,
    )  # fmt: skip
    if told["high"] is None:
        return [], []
    side = max(_LEAST, told["wide"], 2 * told["high"]) / _CELLS
    rows = desk.rows(
        "SELECT avg(decimalLatitude) AS north, avg(decimalLongitude) AS east, count(*) AS n "
        f"{where} GROUP BY floor(decimalLatitude / {side}), floor(decimalLongitude / {side}) "
        "ORDER BY n DESC, 1, 2", held.values,
    )  # fmt: skip
    return [(row["north"], row["east"]) for row in rows], [int(row["n"]) for row in rows]


def _called(row: Mapping[str, Any]) -> Condition:
    """Return what holds of records that go by the name of one, and are not a homonym of it."""
    held = Condition("scientificName = ?", (row["scientificName"],))
    for rank in ("kingdom", "order", "family"):
        if row[rank]:
            held &= Condition(f'("{rank}" IS NULL OR "{rank}" = ?)', (row[rank],))
    return held


def places_of(desk: Desk, row: Mapping[str, Any]) -> Dots:
    """Return where the records were found that go by the name of one."""
    return dots_of(desk, _called(row))


def months_of(desk: Desk, row: Mapping[str, Any]) -> list[int]:
    """Return how many records that go by the name of one are of each month."""
    found, held = [0] * 12, _called(row)
    for told in desk.rows(
        f"SELECT try_cast(substr(eventDate, 6, 2) AS INTEGER) AS month, count(*) AS n FROM {BOARD} "
        f"WHERE {held.sql} AND regexp_matches(eventDate, '^[0-9]{{4}}-[0-9]{{2}}') GROUP BY 1",
        held.values,
    ):
        if told["month"] and 1 <= told["month"] <= 12:
            found[told["month"] - 1] = told["n"]
    return found


def month_of(date: str | None) -> int:
    """Return the number of a date's month, or 0."""
    text = str(date or "")[5:7]
    return int(text) if text.isdecimal() and text.isascii() and 1 <= int(text) <= 12 else 0
