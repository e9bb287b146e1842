"""NEON's beetles: every length with its unit, its person, its picture and its line."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError, MerianError
from merian.formats import find_format, read_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]

LENGTHS = (
    "SELECT occurrenceID, mediaID, measurementType, measurementValue, measurementUnit, "
    "calibrationID, measurementDeterminedBy FROM measurement ORDER BY ALL"
)


def test_a_row_a_beetle(tmp_path: Path, take_in: Take) -> None:
    path = tmp_path / "all.csv"
    path.write_text(
        "elytraLength_pix,elytraWidth_pix,elytraLength_cm,elytraWidth_cm,user_name,genus,species,"
        "individualID,outliers\n150.0,75,1.5,0.75,A,Carabus,goryi,A01_1,True\n"
        "1,2,3,4,A,NA,NA,,False\n1,2\n"
    )
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query(LENGTHS).fetch() == [
        ("A01_1", "A01", "elytraLength", "1.5", "cm", "A01/A", "A"),
        ("A01_1", "A01", "elytraLength", "150.0", "px", None, "A"),
        ("A01_1", "A01", "elytraWidth", "0.75", "cm", "A01/A", "A"),
        ("A01_1", "A01", "elytraWidth", "75", "px", None, "A"),
        (None, "A01", "scalebar", "100", "px/cm", "A01/A", "A"),
    ]
    assert catalogue.query(
        "SELECT DISTINCT measurementRemarks FROM measurement ORDER BY 1"
    ).fetch() == [("of a picture made smaller",), ("outliers True",)]
    assert catalogue.query("SELECT accessURI, pixelsPerMillimetre FROM media").fetch() == [
        ((tmp_path / "A01.jpg").as_posix(), None)
    ]
    assert catalogue.query(
        "SELECT occurrenceID, isPartOfMaterialEntityID, verbatimIdentification FROM material "
        "JOIN determination USING (occurrenceID)"
    ).fetch() == [("A01_1", "A01", "Carabus goryi")]
    assert catalogue.query("SELECT line, reason FROM rejects ORDER BY 1").fetch() == [
        (3, "no id of a beetle"), (4, "2 fields; 9 are expected")
    ]  # fmt: skip


def test_a_row_a_line(tmp_path: Path, take_in: Take) -> None:
    path = tmp_path / "BeetleMeasurements.csv"
    path.write_text(
        "pictureID,scalebar,cm_pix,individual,structure,lying_flat,coords_pix,dist_pix,dist_cm,"
        "scientificName,user_name,measureID,coords_pix_scaled_up\n"
        "A01.jpg,x,100,2,ElytraLength,Yes,\"{'x1': 1, 'y1': 2, 'x2': 4, 'y2': 6}\",5,0.05,"
        "Carabus goryi,A,uuid-1,\"{'x1': 10.5, 'y1': 20, 'x2': 40, 'y2': 60}\"\n"
    )
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query("SELECT mediaID, derivedFromMediaID, regionOutline, occurrenceID "
                           "FROM media WHERE regionOutline IS NOT NULL").fetch() == [
        ("A01_2/A/ElytraLength", "A01", "LINESTRING (10.5 20.0, 40.0 60.0)", None)
    ]  # fmt: skip
    assert catalogue.query(
        "SELECT measurementID, mediaID, measurementValue, measurementUnit FROM measurement "
        "WHERE measurementUnit = 'cm'"
    ).fetch() == [("uuid-1", "A01_2/A/ElytraLength", "0.05", "cm")]


def test_a_row_a_drawn_beetle(tmp_path: Path, take_in: Take) -> None:
    path = tmp_path / "trait_annotations.csv"
    path.write_text(
        "groupImageFilePath,BeetlePosition,individualID,coords_scalebar,coords_elytra_max_length,"
        "px_scalebar,px_elytra_max_length,cm_scalebar,cm_elytra_max_length\n"
        'group_images/IMG_1.png,1,N1,"[[0, 0], [0, 800]]","[[1, 2], [1, 402]]",800,400,1.0,0.5\n'
    )
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query(LENGTHS).fetch() == [
        ("IMG_1/1", "IMG_1/1/elytra_max_length", "elytra_max_length", "0.5", "cm", "IMG_1", None),
        ("IMG_1/1", "IMG_1/1/elytra_max_length", "elytra_max_length", "400", "px", None, None),
        (None, "IMG_1/scalebar", "scalebar", "800", "px/cm", "IMG_1", None),
    ]
    assert catalogue.query(
        "SELECT pixelsPerMillimetre FROM media WHERE mediaID = 'IMG_1'"
    ).value() == 80  # fmt: skip


def drawn(**more: Any) -> dict[str, Any]:
    return {
        "group_img_basename": "img_1", "beetle_position": 2, "group_img_rel_path": "g/IMG_1.png",
        "indiv_img_rel_path": "b.png", "individual_id": "N2", "origin_x": 100, "origin_y": 50,
        "taxon_id": "MECKON", "scientific_name": "Mecyclothorax konanus",
        "measurements": [
            {"measurement_type": "scalebar", "polyline_px": [-100, 0, -100, 800]},
            {"measurement_type": "width", "polyline_px": [0, 0, 30, 40, 60, 80]},
            {"measurement_type": "none", "polyline_px": None},
        ],
        **more,
    }  # fmt: skip


def test_lines_are_moved_to_the_larger_picture(tmp_path: Path, take_in: Take) -> None:
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps([drawn(), drawn(origin_x=None), "x"], indent=1))
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query(
        "SELECT mediaID, regionOutline FROM media WHERE regionOutline IS NOT NULL ORDER BY 1"
    ).fetch() == [
        ("img_1/2/width", "LINESTRING (100.0 50.0, 130.0 90.0, 160.0 130.0)"),
        ("img_1/scalebar", "LINESTRING (0.0 50.0, 0.0 850.0)"),
    ]
    assert catalogue.query(
        "SELECT accessURI, pixelsPerMillimetre, occurrenceID FROM media "
        "WHERE mediaID = 'img_1/2/crop'"
    ).fetch() == [((tmp_path / "b.png").as_posix(), 80, "img_1/2")]
    assert catalogue.query(
        "SELECT measurementValue, measurementUnit FROM measurement "
        "WHERE measurementType = 'width' ORDER BY 2"
    ).fetch() == [("0.125", "cm"), ("100", "px")]
    assert catalogue.query("SELECT reason FROM rejects ORDER BY 1").fetch() == [
        ("no beetle with a position and measurements",),
        ("no larger picture, or no place on it",),
        ("none is no line of two points or more",),
    ]


def test_what_is_none_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(FormatError, match="is no table of measured beetles: expected"):
        read_path(path, format="neon-beetles")


def test_mutated_files_never_break_the_reader(tmp_path: Path) -> None:
    whole = find_format("neon-beetles").fake(tmp_path, 3).read_bytes()
    other = json.dumps([drawn(), drawn()], indent=1).encode()
    chance = random.Random(4)
    seen = 0
    for number in range(200):
        data = bytearray((whole, other)[number % 2])
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.choice(
                (b"", b"\x00", b"\xff", b'"', b",", b"1e999", b"9" * 400, b"-", b"\n")
            )
        path = tmp_path / ("mutant.csv", "mutant.json")[number % 2]
        path.write_bytes(data)
        try:
            for source in read_path(path, format="neon-beetles").sources:
                seen += sum(1 for _ in source.chunks)  # type: ignore[union-attr]
        except MerianError:
            continue
    assert seen > 100


def test_all_measurements_of_2018(shared: Path, take_in: Take) -> None:
    path = shared / "traits" / "neon2018_beetlepalooza" / "all_measurements.csv.gz"
    reading = read_path(path)
    assert reading.format == "neon-beetles"
    assert "rows by person: A 11459, B 4061, C 4012" in reading.notes[0]
    assert reading.notes[1].startswith("43 ids were measured more than once")
    catalogue, summary = take_in(reading)
    assert summary.rows_rejected == 0
    with gzip.open(path, "rt") as stream:
        rows = list(csv.DictReader(stream))
    assert summary.added["occurrence"] == len({r["individualID"] for r in rows}) == 11104
    assert catalogue.query(
        "SELECT count(*) FILTER (materialEntityType = 'sample') FROM material"
    ).value() == 577  # fmt: skip
    lengths = {(r["individualID"], r["user_name"], r["elytraLength_cm"]) for r in rows}
    assert catalogue.query(
        "SELECT count(*) FROM measurement WHERE measurementType = 'elytraLength' "
        "AND measurementUnit = 'cm'"
    ).value() == len(lengths)
    assert catalogue.query(
        "SELECT count(*), min(measurementValueNumeric) FROM measurement "
        "WHERE measurementType = 'scalebar'"
    ).fetch()[0][0] == len({(r["individualID"].rsplit("_", 1)[0], r["user_name"]) for r in rows})


@pytest.mark.parametrize(
    ("name", "beetles", "pictures", "lines", "points"),
    [
        ("biorepo-formatted__annotations.json", 328, 29, 328 + 325 + 328 + 29, 3),
        ("hawaii-formatted__annotations.json.gz", 1601, 417, 1601 * 3 + 417, 0),
    ],
)
def test_the_drawn_beetles(
    shared: Path, take_in: Take, name: str, beetles: int, pictures: int, lines: int, points: int
) -> None:
    reading = read_path(shared / "traits" / "beetle_traits_toras" / name)
    assert reading.format == "neon-beetles"
    catalogue, summary = take_in(reading)
    assert summary.rows_rejected == 0
    assert not any("has no rows" in note for note in summary.notes)
    assert summary.values_rejected == points  # a line of one point, or of none
    assert summary.added["occurrence"] == beetles
    assert catalogue.query(
        "SELECT count(*) FILTER (regionOutline LIKE 'LINESTRING%'), count(DISTINCT "
        "derivedFromMediaID) FROM media"
    ).fetch()[0] == (lines, pictures)
    # Published: median scales of 783 and 279 px/cm.
    (scale,) = catalogue.query(
        "SELECT median(measurementValueNumeric) FROM measurement WHERE measurementType = 'scalebar'"
    ).fetch()[0]
    assert scale > 200
