"""Where and when records of a name were found, for the page of one of them."""

from __future__ import annotations

from merian.desk.board import BOARD
from merian.desk.desk import Desk

__all__ = ["month_of", "months_of", "places_of"]

_MAPPED = 20_000  # places of a map


def places_of(desk: Desk, name: str | None) -> list[tuple[float, float]]:
    """Return latitude and longitude of the records of a name."""
    rows = desk.rows(
        f"SELECT decimalLatitude AS north, decimalLongitude AS east FROM {BOARD} "
        "WHERE scientificName = ? AND decimalLatitude IS NOT NULL AND decimalLongitude IS NOT NULL "
        f"ORDER BY place LIMIT {_MAPPED}", [name],
    )  # fmt: skip
    return [(row["north"], row["east"]) for row in rows]


def months_of(desk: Desk, name: str | None) -> list[int]:
    """Return how many records of a name are of each month."""
    found = [0] * 12
    for row in desk.rows(
        f"SELECT try_cast(substr(eventDate, 6, 2) AS INTEGER) AS month, count(*) AS n FROM {BOARD} "
        "WHERE scientificName = ? AND regexp_matches(eventDate, '^[0-9]{4}-[0-9]{2}') GROUP BY 1",
        [name],
    ):
        if row["month"] and 1 <= row["month"] <= 12:
            found[row["month"] - 1] = row["n"]
    return found


def month_of(date: str | None) -> int:
    """Return the number of a date's month, or 0."""
    text = str(date or "")[5:7]
    return int(text) if text.isdecimal() and text.isascii() and 1 <= int(text) <= 12 else 0
