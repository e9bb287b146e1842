"""ZooProcess: sections, places in minutes, regions of a scan, tables of samples."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from merian.catalogue import Catalogue, Reading, Summary
from merian.catalogue.sources import Reject, Rows
from merian.errors import FormatError
from merian.formats import find_format, read_path
from merian.formats.zooprocess_regions import region, scale
from merian.formats.zooprocess_text import Item, Statement, degrees, read_text, when

Take = Callable[[Reading], tuple[Catalogue, Summary]]
SCAN = "cruise5_st20_n7_d2_1"
REAL = "apero2023_tha_bioness_006_st20_n_n7_d2_2_sur_4_1"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return find_format("zooprocess").fake(tmp_path, 5)


def rejects(reading: Reading) -> list[tuple[str, int | None, str, str | None]]:
    return [
        (reject.path.name, reject.line, reject.reason, reject.term)
        for source in reading.sources
        if isinstance(source, Rows)
        for reject in source.chunks
        if isinstance(reject, Reject)
    ]


def test_a_project_is_taken_in(project: Path, take_in: Take) -> None:
    catalogue, summary = take_in(read_path(project))
    assert {name: summary.added[name] for name in ("event", "occurrence", "media")} == {
        "event": 3, "occurrence": 3, "media": 1 + 3 + 2,
    }  # fmt: skip
    place = (47.846, -15.437, "2023-06-14T22:51", 55.0, 106.0)
    assert catalogue.query(
        "SELECT eventID, parentEventID, eventType, decimalLatitude, decimalLongitude, eventDate, "
        "minimumDepthInMeters, maximumDepthInMeters FROM event ORDER BY 1"
    ).fetch() == [
        ("cruise5_st20_n7", None, "sample", *place),
        (SCAN, "cruise5_st20_n7", "scan", *place),
        # 75.84 minutes are none, and half a place is none.
        ("cruise5_st21_n1", None, "sample", None, None, "2023-06-15T01:02", 0.0, 50.0),
    ]
    assert catalogue.query(
        "SELECT mediaID, pixelXDimension, pixelYDimension, round(pixelsPerMillimetre, 4), "
        "captureDevice FROM media WHERE occurrenceID IS NULL"
    ).fetch() == [(SCAN, 2500, 1500, 94.4882, "ZooScan Hydroptic_V3")]
    assert catalogue.query(
        "SELECT occurrenceID, derivedFromMediaID, xFrac, widthFrac, heightFrac, regionOutline "
        f"FROM media WHERE mediaID = '{SCAN}_2'"
    ).fetch() == [
        # It sticks out of the scan: the fractions are clipped, the outline is not.
        (f"{SCAN}_2", SCAN, 0.96, 0.04, 100 / 1500,
         "POLYGON ((2400 1400, 2566 1400, 2566 1522, 2400 1522, 2400 1400))"),
    ]  # fmt: skip
    assert catalogue.query(
        "SELECT mediaID, occurrenceID, accessURI FROM media WHERE accessURI IS NOT NULL ORDER BY 1"
    ).fetch() == [
        (f"{SCAN}_{n}.jpg", f"{SCAN}_{n}", (project / f"{SCAN}_{n}.jpg").as_posix()) for n in (1, 3)
    ]
    assert catalogue.query(
        "SELECT DISTINCT eventID, measurementValue, measurementUnit FROM measurement "
        "WHERE measurementType = 'Sample/Vol' OR measurementType = 'Sample/vol'"
    ).fetch() == [("cruise5_st20_n7", "124.5", "m3")]
    assert catalogue.query(
        "SELECT measurementValue FROM measurement WHERE measurementType = 'Particules_Process'"
    ).fetch() == [("Splitted analysis",)]


def test_faults_are_told_with_their_place(project: Path) -> None:
    assert rejects(read_path(project)) == [
        ("zooscan_sample_header_table.csv", 3, "no degrees and minutes: latitude",
         "decimalLatitude"),
        ("zooscan_sample_header_table.csv", 4, "has 2 fields, and the header 8", None),
        (f"{SCAN}_dat1.pid", 31, "has 3 fields, and the header 9", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("48.2584", 90, 48.430667), ("15.2622", 180, 15.437), ("-3.3", 180, -3.5), ("0", 90, 0.0),
        ("47.5999", 90, 47.999833), ("47.60", 90, None), ("48.7584", 90, None), ("91", 90, None),
        ("nan", 90, None), ("x", 90, None), ("inf", 90, None), ("-0.3000", 90, -0.5),
    ],
)  # fmt: skip
def test_degrees_and_minutes(text: str, most: int, expected: float | None) -> None:
    found = degrees(text, most)
    assert found == (None if expected is None else pytest.approx(expected, abs=2e-6))


def test_times() -> None:
    assert when("20230614-2251") == "2023-06-14T22:51"
    assert when("20240328_1907") == "2024-03-28T19:07"
    assert when("14 June") == "14 June"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"Resolution": "2400"}, 94.488189), ({"PixSize": "0.0106"}, 94.339623),
        ({"Resolution": "2400", "PixSize": "0.0106"}, 94.488189),
        ({"Resolution": "4800", "PixSize": "0.0106"}, None),
        ({"Resolution": "0"}, None), ({"Resolution": "x", "PixSize": "-1"}, None), ({}, None),
    ],
)  # fmt: skip
def test_two_statements_of_scale_must_agree(told: dict[str, str], expected: float | None) -> None:
    assert scale(Statement(1, "Info", key, value) for key, value in told.items()) == expected


@pytest.mark.parametrize(
    "box", ["1e9;0;5;5", "0;0;0;5", "0;0;5;-5", "x;0;5;5", "nan;0;5;5", "0;0;5"]
)
def test_a_box_that_cannot_be_is_none(box: str) -> None:
    values = dict(zip(("BX", "BY", "Width", "Height"), box.split(";"), strict=False))
    assert region(Item(1, 1, "a", values), (100, 100)) == {}


def test_a_table_that_is_missing_is_told(project: Path) -> None:
    path = project / f"{SCAN}_dat1.pid"
    path.write_text(path.read_text().split("[Data]")[0])
    assert (path.name, None, "has no table of objects: no line begins with !Item", None) in (
        rejects(read_path(project))
    )


def test_measures_alone_have_objects_without_a_scan(project: Path, take_in: Take) -> None:
    (project / f"{SCAN}_meas.txt").write_text(f" \tLabel\tArea\tBX\tBY\n1\t{SCAN}\t9\t1\t2\n")
    other = project / "other_1_meas.txt"
    other.write_text(" \tLabel\tArea\tBX\tBY\n1\tother_1\t803\t6603\t349\n2\tother_1\t7\n")
    reading = read_path(project)
    assert "_meas.txt of scans that have a .pid are not read: 1" in reading.notes
    catalogue, summary = take_in(read_path(other))
    assert summary.added == {"event": 1, "occurrence": 1, "measurement": 3}
    assert catalogue.query("SELECT line, reason FROM rejects").fetch() == [
        (3, "has 3 fields, and the header 5")
    ]


@pytest.mark.parametrize("name", ["a.pid", "a_meas.txt", "zooscan_sample_header_table.csv"])
def test_a_name_alone_is_not_enough(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("12345\n")  # a .pid is mostly the number of a process
    zooprocess = find_format("zooprocess")
    assert zooprocess.sniff(path) == zooprocess.sniff(tmp_path) == 0
    with pytest.raises(FormatError, match=r"is no \.pid that begins with PID"):
        read_path(path, format="zooprocess")
    with pytest.raises(FormatError, match=r"holds no \.pid"):
        read_path(tmp_path, format="zooprocess")


def test_sections_may_come_twice_and_have_lines_without_a_key() -> None:
    text = "PID\n[A]\nx= 1\n[B]\nloose\n[A]\nx= 2\n[Data]\n!Item;Label;Area;Area\n1;a;2;3"
    found = read_text(enumerate(text.split("\n"), 1))
    assert [(s.line, s.section, s.key, s.value) for s in found.statements] == [
        (3, "A", "x", "1"), (5, "B", "", "loose"), (7, "A", "x", "2"),
    ]  # fmt: skip
    assert (found.columns, found.line) == (("Item", "Label", "Area", "Area (4)"), 9)


# -- real files ---------------------------------------------------------------------------------


@pytest.fixture
def real(shared: Path) -> Path:
    return shared / "plankton" / "zooscan_zooprocess"


def test_a_real_scan(real: Path, take_in: Take) -> None:
    catalogue, summary = take_in(read_path(real / "project" / "work" / f"{REAL}_dat1.pid"))
    assert summary.added["occurrence"] == 439  # which its section states too
    assert summary.added["media"] == 440
    assert not summary.rejected
    assert catalogue.query(
        "SELECT DISTINCT measurementValue FROM measurement "
        "WHERE measurementType = 'Particules_Process/Analysed_Objects'"
    ).fetch() == [("439",)]
    # All lie within the scan, as wide as they are measured.
    assert catalogue.query(
        "SELECT count(*) FROM media m JOIN measurement d USING (occurrenceID) WHERE "
        "d.measurementType = 'Width' AND round(m.widthFrac * 25000) = d.measurementValueNumeric"
    ).value() == 439  # fmt: skip
    assert catalogue.query(
        "SELECT DISTINCT decimalLatitude, decimalLongitude, eventDate FROM event"
    ).fetch() == [(48.430667, -22.494333, "2023-06-14T22:51")]


def test_real_places_are_those_that_ecotaxa_got(real: Path, take_in: Take) -> None:
    """ZooProcess itself turned the minutes of this haul into degrees for EcoTaxa."""
    with (real / "features" / "ecotaxa_2855_223.tsv").open(newline="") as stream:
        _, row = csv.DictReader(stream, delimiter="\t")  # the first tells types
    assert row["sample_id"] == "apero2023_tha_bioness_013_st46_d_n4"
    table = real / "project" / "Zooscan_meta" / "zooscan_sample_header_table.csv"
    catalogue, summary = take_in(read_path(table))
    assert summary.added["event"] == len(table.read_text().splitlines()) - 1
    assert not summary.rejected
    # The table has the other net of the haul.
    found = catalogue.query(
        "SELECT DISTINCT decimalLatitude, decimalLongitude FROM event "
        "WHERE eventID LIKE '%_013_st46_d_n%'"
    ).fetch()
    assert found == [(float(row["object_lat"]), float(row["object_lon"]))] == [(47.846, -15.437)]


def test_a_real_project(real: Path, take_in: Take) -> None:
    reading = read_path(real)
    assert reading.format == "zooprocess"
    _, summary = take_in(reading)
    lines = {path.name: len(path.read_text().splitlines()) - 1 for path in real.rglob("*_meas.txt")}
    assert len(lines) == 2
    assert summary.added["occurrence"] == 439 + sum(lines.values())
    assert not summary.rejected
