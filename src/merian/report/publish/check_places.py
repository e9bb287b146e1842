"""Holding coordinates against the country that is told, as GBIF does when it reads them.

Each different place is looked at once, by `merian.audit.place_points`; the codes are GBIF's.

Reference: https://techdocs.gbif.org/en/data-processing/ (occurrence issues and flags)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np

from merian.audit.place_points import Cases, look_at_points
from merian.place.countries import code_of

if TYPE_CHECKING:
    from merian.report.publish.looking import Looking, Sight

__all__ = ["hold_places"]

_LAT = "try_cast({decimalLatitude} AS DOUBLE)"
_LON = "try_cast({decimalLongitude} AS DOUBLE)"
_TOLD = "coalesce({countryCode}, {country}, '')"
_UNSURE = "try_cast({coordinateUncertaintyInMeters} AS DOUBLE)"
_BLOCK = 500_000

# Kind of case and words of how it is mended -> code, and what is told.
_CODES = {
    "swapped": ("PRESUMED_SWAPPED_COORDINATE",
                "is not in the country that is told; with latitude and longitude swapped it is"),
    "latitude": ("PRESUMED_NEGATED_LATITUDE",
                 "is not in the country that is told; with the other sign of the latitude it is"),
    "longitude": ("PRESUMED_NEGATED_LONGITUDE",
                  "is not in the country that is told; with the other sign of the longitude it is"),
    "both": ("PRESUMED_NEGATED_LATITUDE",
             "is not in the country that is told; with the other sign of both coordinates it is"),
    "country": ("COUNTRY_COORDINATE_MISMATCH", "is not in the country that is told, nor near it"),
}  # fmt: skip


def hold_places(looking: Looking, sight: Sight, con: duckdb.DuckDBPyConnection) -> None:
    """Note rows whose coordinates do not lie in the country that they tell.

    Args:
        looking: Notes what is found.
        sight: The table.
        con: Where it is laid out.
    """
    have = {name.casefold() for name in sight.columns}
    if not {"decimallatitude", "decimallongitude"} <= have or not {"country", "countrycode"} & have:
        return
    con.execute(
        "CREATE OR REPLACE TEMP TABLE told_place AS "
        "SELECT row_number() OVER (ORDER BY lat, lon, told) - 1 AS number, * FROM (SELECT "
        f"{sight.sql(_LAT)} AS lat, {sight.sql(_LON)} AS lon, {sight.sql(_TOLD)} AS told, "
        f"max({sight.sql(_UNSURE)}) AS unsure, count(*) AS records FROM {sight.view} t "
        "GROUP BY 1, 2, 3) WHERE lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180 "
        "AND told <> ''"
    )
    codes = {
        told: code_of(told)
        for (told,) in con.execute("SELECT DISTINCT told FROM told_place").fetchall()
    }
    count = con.execute("SELECT count(*) FROM told_place").fetchall()[0][0]
    cases = Cases()
    for start in range(0, count, _BLOCK):
        found = con.execute(
            "SELECT * FROM told_place WHERE number >= ? AND number < ? ORDER BY number",
            [start, start + _BLOCK],
        ).fetchnumpy()
        size = len(found["lat"])
        look_at_points(
            {
                "latitude": np.asarray(found["lat"]),
                "longitude": np.asarray(found["lon"]),
                "code": np.array([codes[told] for told in found["told"].tolist()]),
                "setting": np.full(size, ""),
                "uncertainty": np.ma.filled(found["unsure"].astype(np.float64), np.nan),
                "depth": np.full(size, np.nan),
                "records": np.asarray(found["records"]),
                "event": found["number"].astype(str),
            },
            cases,
        )
    _tell(looking, sight, con, cases)


def _tell(looking: Looking, sight: Sight, con: duckdb.DuckDBPyConnection, cases: Cases) -> None:
    """Note the rows of the places that were found, by code."""
    numbers: dict[str, list[int]] = {}
    for kind in ("swapped", "sign", "country"):
        for row in cases.sorted(kind):
            words = str(row[6])
            own = kind
            if kind == "sign":
                own = next((w for w in ("latitude", "longitude") if f": {w} with" in words), "both")
            numbers.setdefault(own, []).append(int(str(row[-1])))
    for kind, wrong in numbers.items():
        code, message = _CODES[kind]
        con.execute(
            "CREATE OR REPLACE TEMP TABLE wrong_place AS SELECT unnest(?) AS number", [wrong]
        )
        looking.ask(
            sight,
            "warning",
            code,
            "decimalLatitude",
            f"({_LAT}, {_LON}, {_TOLD}) IN (SELECT (lat, lon, told) FROM told_place "
            "WHERE number IN (SELECT number FROM wrong_place))",
            message,
        )
