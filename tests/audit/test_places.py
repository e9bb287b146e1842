"""The audit of places and dates: every kind of fault is found, and what is right is left alone."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from merian.audit import Audit, audit_places
from merian.audit.place_points import Cases, look_at_points
from merian.cli import main
from merian.errors import InputError
from merian.place.countries import cities
from merian.place.maps import country

HEAD = (
    "occurrenceID", "decimalLatitude", "decimalLongitude", "country", "eventDate", "locality",
    "samplingProtocol", "parentEventID", "minimumDepthInMeters", "dateIdentified",
    "scientificName", "coordinateUncertaintyInMeters",
)  # fmt: skip


def table(folder: Path, rows: list[dict[str, object]]) -> Path:
    lines = [",".join(HEAD)]
    for number, row in enumerate(rows):
        full = {"occurrenceID": f"r{number}", "scientificName": "Apis mellifera", **row}
        lines.append(",".join(str(full.get(name, "")) for name in HEAD))
    file = folder / "records.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def place(north, east, **more):
    return {"decimalLatitude": north, "decimalLongitude": east, **more}


def audited(folder: Path, rows: list[dict[str, object]], **settings) -> dict[str, list]:
    done = audit_places(table(folder, rows), today="2026-01-01", **settings)
    return {f.name: [dict(zip(f.columns, row, strict=True)) for row in f.rows]
            for f in done.findings if f.count}  # fmt: skip


RIGHT = [
    place(59.911, 10.757, country="Norway", eventDate="2020-06-01", locality="Oslo"),
    place(-3.1013, -60.0217, country="Brasil", eventDate="2020-06-01", locality="Manaus"),
    place(56.012, 3.043, eventDate="2020-06-01", samplingProtocol="bongo net"),
    place(58.012, 4.043, country="Norway", eventDate="2020-06-02", samplingProtocol="CTD"),
    place(46.2022, 6.1457, country="France", locality="a step over the border"),
    place(42.011, 50.513, samplingProtocol="plankton net", locality="Caspian Sea"),
    place(16.2651, -61.5511, country="France", locality="Guadeloupe"),
    place(4.1755, 73.5093, samplingProtocol="Malaise trap", locality="an atoll"),
    {"country": "Norway", "locality": "no coordinates"},
]


FAULTS = [
    (place(10.757, 59.911, country="NO"), "swapped", "59.911, 10.757"),
    (place(-3.1013, 60.0217, country="BRA"), "sign", "-3.1013, -60.0217"),
    (place(33.8651, 151.2099, country="Australia"), "sign", "-33.8651, 151.21"),
    (place(48.8566, 2.3522, country="Japan"), "country", None),
    (place(0, 0, country="Kenya"), "zero", None),
    (place(50.0712, 20.0443, samplingProtocol="Bongo net"), "on_land", None),
    (place(56.0121, 3.0431, samplingProtocol="Malaise trap"), "in_sea", None),
    (place(50.0712, 20.0443, minimumDepthInMeters=300), "depth", None),
    (place(95.1234, 10.2341), "impossible", "a longitude: the two are swapped"),
    (place(59.9112, 10.7571, eventDate="3/4/2012"), "date_unread",
     "2012-04-03 or 2012-03-04"),
    (place(59.9112, 10.7571, eventDate="2031-01-01"), "date", None),
    (place(59.9112, 10.7571, eventDate="1650-01-01"), "date", None),
    (place(59.9112, 10.7571, eventDate="2020-06-20/2020-06-02"), "date",
     "2020-06-02/2020-06-20"),
    (place(59.9112, 10.7571, eventDate="2020-06-20", dateIdentified="2019-01-01"),
     "identified", None),
    (place(60, 10), "precision", None),
    (place(60.1, 10.2, coordinateUncertaintyInMeters=30), "precision", None),
]  # fmt: skip


def test_every_fault_is_found_and_what_is_right_is_left_alone(tmp_path):
    found = audited(tmp_path, [*RIGHT, *(row for row, _, _ in FAULTS)])
    assert {kind: len(rows) for kind, rows in found.items()} == Counter(k for _, k, _ in FAULTS)
    for _, kind, probably in FAULTS:
        if probably is not None:
            assert any(row["probably"].startswith(probably) for row in found[kind])


def test_an_instrument_has_a_first_year(tmp_path):
    rows = [place(56.0121, 3.0431, eventDate=f"{year}-05-01", samplingProtocol="UVP6 profile")
            for year in (2009, 2021)]  # fmt: skip
    found = audited(tmp_path, rows, since=[("uvp6", 2019)])["date"]
    assert [row["date"] for row in found] == ["2009-05-01"]
    assert found[0]["told"] == "UVP6 profile since 2019"


def test_events_are_held_against_each_other(tmp_path):
    cruise = {"parentEventID": "M1", "samplingProtocol": "CTD"}
    rows = [
        place(56.0121, 3.0431, eventDate="2020-06-01T00:00:00", **cruise),
        place(56.5121, 3.0431, eventDate="2020-06-01T06:00:00", **cruise),
        place(36.5121, -13.0431, eventDate="2020-06-01T12:00:00", **cruise),
        place(59.9, 10.7571, country="Norway", locality="Bygdoy"),
        place(69.6541, 18.9571, country="Norway", locality="Bygdoy"),
    ]
    found = audited(tmp_path, rows)
    assert set(found) == {"speed", "apart"}
    assert [row["km_per_hour"] > 75 for row in found["speed"]] == [True]
    assert found["apart"][0]["kilometres"] == pytest.approx(1130, rel=0.05)
    many = [place(47.1234, 8.2345, locality=f"place {k % 3}") for k in range(30)]
    assert audited(tmp_path, many, many=20)["constant"][0]["places"] == 3


def test_the_point_of_a_city_stands_in(tmp_path):
    names, north, east = cities()
    at = int(np.flatnonzero(names == "Nairobi")[0])
    rows = [place(north[at], east[at], country="Kenya", eventDate=f"20{k}-01-02")
            for k in range(10, 22)]  # fmt: skip
    found = audited(tmp_path, rows)
    assert list(found) == ["stand_in"]
    assert "Nairobi" in found["stand_in"][0]["found"]
    assert found["stand_in"][0]["records"] == 12


def test_swapping_is_found_and_mended_for_every_main_city():
    _, north, east = cities()
    told = country(north, east)
    right = (np.abs(east) <= 90) & (north != east)
    north, east, told = east[right], north[right], told[right]
    count = len(north)
    points = {
        "latitude": north, "longitude": east, "code": told, "setting": np.full(count, ""),
        "uncertainty": np.full(count, np.nan), "depth": np.full(count, np.nan),
        "records": np.ones(count, np.int64), "event": np.arange(count).astype(str),
    }  # fmt: skip
    cases = Cases()
    look_at_points(points, cases)
    found = {row[-1]: row[6] for row in cases.sorted("swapped")}
    assert cases.counts["swapped"] > 0.9 * count
    for event, words in found.items():
        k = int(event)
        assert words.startswith(f"{east[k]:g}, {north[k]:g}: latitude and longitude swapped")


def test_the_verb(tmp_path, capsys):
    file = table(tmp_path, [*RIGHT, place(10.757, 59.911, country="Norway")])
    command = ["audit", "places", str(file), "--date", "2026-01-01", "-o", str(tmp_path / "out")]
    assert main(command) == 0
    assert main([*command[:-1], str(tmp_path / "again"), "--strict"]) == 1
    assert "Latitude and longitude swapped" in capsys.readouterr().out
    for name in ("swapped.tsv", "audit.html", "audit.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["found"]["swapped"] == 1
    # A catalogue says the same as the table that it was made of.
    assert main(["import", str(file), "--into", str(tmp_path / "c"), "-q"]) == 0
    before = (tmp_path / "c" / "catalogue.duckdb").read_bytes()
    assert main(["audit", "places", str(tmp_path / "c"), "--strict", "-q"]) == 1
    assert (tmp_path / "c" / "catalogue.duckdb").read_bytes() == before


def test_what_cannot_be_asked(tmp_path, capsys):
    with pytest.raises(InputError, match="one of the two"):
        audit_places(tmp_path, today="2026-01-01", marine=True, terrestrial=True)
    assert main(["audit", "places", str(tmp_path / "nowhere")]) == 2
    assert main(["audit", "places", str(table(tmp_path, RIGHT)), "--since", "UVP6=soon"]) == 2
    assert "expected a year" in capsys.readouterr().err
    empty = table(tmp_path, [{}])
    done: Audit = audit_places(empty, today="2026-01-01")
    assert done.found == 0
