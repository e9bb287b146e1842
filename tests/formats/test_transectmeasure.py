"""TransectMeasure: dot points, drops of a camera, counts of points."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError, NotFoundError
from merian.formats import Options, find_format, read_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]

COLUMNS = (
    "Filename\tFrame\tImage row\tImage col\tDepth\tOpCode\tBROAD\tMORPHOLOGY\tscientific\t"
    "qualifiers\tCAAB_code\t\tRadius %"
)
TOP = f"Dot Point Measurements\n\nGenerated: Thursday\n\n{COLUMNS}\n"


def written(folder: Path, *lines: str, top: str = TOP, name: str = "points.txt") -> Path:
    path = folder / name
    path.write_text(top + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def rejects(catalogue: Catalogue) -> list[tuple[object, ...]]:
    return catalogue.query("SELECT line, scope, term, reason FROM rejects ORDER BY ALL").fetch()


def test_points_of_a_picture(tmp_path: Path, take_in: Take) -> None:
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    path = written(
        tmp_path,
        "a.png\t      0\t50\t100\t12\tD1\tSponges\tErect\t\tBleached\t10000913\t\t38.7",
        "a.png\t      0\t10\t20\t12\tD1\t\t\t\t\t\t\t5.0",
        "b.png\t      7\t10\t20\t\t\tSeagrasses\t\tZostera sp\t\t\t\t5.0",
        "b.png\t0\tx\t20\t\t\tRock\t\t\t\t\t\t5.0",
        "short\t0",
    )
    reading = read_path(path, Options(images=tmp_path))
    assert reading.format == "transectmeasure"
    catalogue, _ = take_in(reading)
    assert catalogue.query(
        "SELECT occurrenceID, derivedFromMediaID, xFrac, yFrac, regionOutline FROM media "
        "WHERE occurrenceID IS NOT NULL ORDER BY ALL"
    ).fetch() == [
        ("transectmeasure:a.png:10,20", "transectmeasure:a.png", 0.1, 0.1, "POINT (20 10)"),
        ("transectmeasure:a.png:50,100", "transectmeasure:a.png", 0.5, 0.5, "POINT (100 50)"),
        ("transectmeasure:b.png#7:10,20", "transectmeasure:b.png#7", None, None, "POINT (20 10)"),
        ("transectmeasure:b.png:x,20", "transectmeasure:b.png", None, None, None),
    ]
    assert catalogue.query(
        "SELECT verbatimIdentification, taxonConceptID, identificationRemarks FROM identification "
        "ORDER BY ALL"
    ).fetch() == [
        ("Rock", None, None), ("Seagrasses > Zostera sp", None, None),
        ("Sponges > Erect", "CAAB:10000913", "Bleached"),
    ]  # fmt: skip
    deep = "SELECT eventID, minimumDepthInMeters FROM event ORDER BY 1"
    assert catalogue.query(deep).fetch() == [
        ("transectmeasure:D1", 12), ("transectmeasure:b.png", None)
    ]  # fmt: skip
    place = "no place in the picture: Image row and Image col in pixels expected"
    assert rejects(catalogue) == [
        (9, "value", "regionOutline", place), (10, "row", None, "found 2 fields, expected 13")
    ]  # fmt: skip


def test_the_label_may_be_in_other_columns(tmp_path: Path, take_in: Take) -> None:
    top = "Dot Point Measurements\n\n\n\nFilename\tImage row\tImage col\tFauna\tGround\n"
    path = written(tmp_path, "a.png\t1\t2\tSponge\tSand", top=top)
    reading = read_path(path)
    assert reading.notes == [
        "no columns of levels: say which hold the label, --set label=COLUMN+COLUMN"
    ]
    catalogue, _ = take_in(read_path(path, Options(extra={"label": "Ground+Fauna"})))
    label = catalogue.query("SELECT verbatimIdentification FROM identification").value()
    assert label == "Sand > Sponge"
    with pytest.raises(NotFoundError, match=r"has no column 'Faun' .*Did you mean Fauna"):
        read_path(path, Options(extra={"label": "Faun"}))


def test_drops_are_found_beside_points_or_where_the_user_says(
    tmp_path: Path, take_in: Take
) -> None:
    path = find_format("transectmeasure").fake(tmp_path, 1)
    reading = read_path(path)
    beside = tmp_path / "2023-03_Reef1_stereo-BRUVs_Metadata.csv"
    assert reading.notes == [f"drops are read from {beside}", "dates begin with the day"]
    assert reading.inputs == [path, beside]
    catalogue, _ = take_in(reading)
    assert catalogue.query(
        "SELECT eventDate, verbatimEventDate, decimalLongitude FROM event "
        "WHERE eventType = 'drop' ORDER BY ALL LIMIT 1"
    ).fetch() == [("2023-03-14T23:30", "14/03/2023 23:30", 114.92)]
    assert read_path(path, Options(extra={"metadata": ""})).inputs == [path]
    with pytest.raises(NotFoundError, match="no such table of drops"):
        read_path(path, Options(extra={"metadata": str(tmp_path / "gone.csv")}))
    assert read_path(beside).format == "transectmeasure"


def test_dates_that_are_open_are_kept_as_they_are(tmp_path: Path, take_in: Take) -> None:
    path = written(
        tmp_path, "c,1,-34,114,03/04/2023 5:00,12", "c,2,-34,114,2023-04-05T06:07:08+08:00,NA",
        top="campaignid,opcode,latitude_dd,longitude_dd,date_time,depth_m\n", name="drops.csv",
    )  # fmt: skip
    reading = read_path(path)
    assert reading.notes == [
        "dates such as 3/4/... may begin with the day or the month; kept as they are"
    ]
    catalogue, summary = take_in(reading)
    assert summary.values_rejected == 0
    assert catalogue.query(
        "SELECT eventID, eventDate, verbatimEventDate, maximumDepthInMeters FROM event ORDER BY 1"
    ).fetch() == [
        ("transectmeasure:c:1", None, "03/04/2023 5:00", 12),
        ("transectmeasure:c:2", "2023-04-05T06:07:08+08:00", None, None),
    ]


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    chosen = find_format("transectmeasure")
    path = written(tmp_path, top="Dot Point Measurements\n\nFilename\tFrame\tImage row\n")
    with pytest.raises(FormatError, match="has no line with Filename, Image row, Image col"):
        read_path(path, format="transectmeasure")
    assert chosen.sniff(path) == 0
    assert chosen.lacks
    assert chosen.lacks(path) == "has no line with Filename, Image row, Image col"
    counts = written(tmp_path, top="campaignid,opcode,count,level_1,level_2\n", name="counts.csv")
    assert chosen.lacks(counts) == "has no column caab_code"


REAL = {
    "Backwards": (601, 601, 30), "Backwards_Relief": (601, 383, 30),
    "Forwards": (640, 640, 32), "Forwards_Relief": (641, 311, 32),
}  # fmt: skip


def test_real_dot_points_of_the_south_west_corner(shared: Path, take_in: Take) -> None:
    folder = shared / "benthic" / "catami_caab_checkem"
    for name, (points, labels, pictures) in REAL.items():
        path = folder / f"2023-03_SwC_stereo-BRUVs_{name}_Dot_Point_Measurements.txt"
        catalogue, summary = take_in(read_path(path))
        assert summary.rows_rejected == summary.values_rejected == 0
        assert summary.added["occurrence"] == points
        assert summary.added["identification"] == labels
        assert summary.added["media"] == points + pictures
        with path.open(encoding="utf-8") as stream:
            rows = [line.rstrip("\n").split("\t") for line in list(stream)[5:]]
        codes = Counter(row[29] for row in rows if row[29])
        found = catalogue.query(
            "SELECT taxonConceptID[6:], count(*) FROM determination GROUP BY ALL"
        ).fetch()
        assert dict(found) == codes
        drops = "SELECT count(*), count(decimalLatitude) FROM event WHERE eventType = 'drop'"
        assert catalogue.query(drops).fetch() == [(32, 32)]


def test_real_counts_and_drops_of_exmouth(shared: Path, take_in: Take) -> None:
    path = shared / "benthic/catami_caab_checkem/2024-05_Exmouth-Gulf_stereo-BRUVs_benthos.csv"
    reading = read_path(path)
    assert reading.format == "transectmeasure"
    catalogue, summary = take_in(reading)
    assert summary.rows_rejected == summary.values_rejected == 0
    assert (summary.added["occurrence"], summary.added["event"]) == (286, 325)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    total: Counter[str] = Counter()
    for row in rows:
        total[row["caab_code"]] += int(row["count"])
    found = catalogue.query(
        "SELECT taxonConceptID[6:], sum(organismQuantity::INT)::INT FROM occurrence "
        "JOIN determination USING (occurrenceID) GROUP BY ALL"
    ).fetch()
    assert dict(found) == total
    assert catalogue.query(
        "SELECT count(*), count(DISTINCT eventID) FROM occurrence JOIN event USING (eventID) "
        "WHERE eventDate LIKE '2024-05-%+08:00'"
    ).fetch() == [(286, 190)]
