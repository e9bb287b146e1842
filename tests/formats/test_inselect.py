"""Inselect: items of a document are regions of its scan."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError, MerianError
from merian.formats import Options, find_format, read_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]
NAMED = Options(extra={"dataset": "d"})


def written(path: Path, *items: Any, **more: Any) -> Path:
    value = {"inselect version": 2, "items": items, "scanned extension": ".png", **more}
    path.write_text(json.dumps(value, indent=1))
    return path


def test_an_item_is_a_region_of_the_scan(tmp_path: Path, take_in: Take) -> None:
    Image.new("L", (60, 40)).save(tmp_path / "a.png")
    fields = {"catalogNumber": "7", "scientificName": "Elsinoë", "Genus": "Elsinoe", "Box": "3"}
    path = written(
        tmp_path / "a.inselect",
        {"fields": fields, "rect": [0.25, 0.5, 0.5, 0.25], "rotation": 90},
        {"rect": [0.5, 0.5, 0.5, 0.75]},
        properties={"Created by": "anna"},
    )
    catalogue, summary = take_in(read_path(path, NAMED))
    assert summary.rows_rejected == summary.values_rejected == 0
    assert catalogue.query(
        "SELECT mediaID, occurrenceID, accessURI, pixelXDimension, xFrac, yFrac, widthFrac, "
        "heightFrac FROM media ORDER BY mediaID"
    ).fetch() == [
        ("d", None, (tmp_path / "a.png").as_posix(), 60, None, None, None, None),
        ("d/1", "d/1", None, None, 0.25, 0.5, 0.5, 0.25),
        ("d/2", "d/2", None, None, 0.5, 0.5, 0.5, 0.5),
    ]
    assert catalogue.query(
        "SELECT catalogNumber, verbatimIdentification, genus FROM material "
        "JOIN determination USING (occurrenceID)"
    ).fetch() == [("7", "Elsinoë", "Elsinoe")]
    assert catalogue.query(
        "SELECT measurementType, measurementValue, measurementUnit FROM measurement ORDER BY 1"
    ).fetch() == [("Box", "3", None), ("rotation", "90", "degrees")]


def test_faults_are_set_aside(tmp_path: Path, take_in: Take) -> None:
    path = written(tmp_path / "a.inselect", {"rect": [1, 2]}, "x", {"rect": [0, 0, 3, 1]})
    catalogue, _ = take_in(read_path(path, NAMED))
    told = "no rect: left, top, width and height as fractions are expected"
    assert catalogue.query("SELECT line, term, reason FROM rejects ORDER BY line").fetch() == [
        (4, "xFrac", told), (10, None, "no item: {...} is expected"), (11, "xFrac", told)
    ]  # fmt: skip


def test_what_is_no_document_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.inselect"
    path.write_text('{"inselect version": 9, "items": [{"rect": [0, 0, 1, 1]}]}')
    with pytest.raises(FormatError, match="its version is '9', with 1 items"):
        read_path(path, format="inselect")


def test_mutated_files_never_break_the_reader(tmp_path: Path) -> None:
    whole = find_format("inselect").fake(tmp_path, 3).read_bytes()
    chance = random.Random(4)
    seen = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.choice(
                (b"", b"\x00", b"\xff", b'"', b"1e999", b"9" * 400, b"-", b"[", b"\\ud800")
            )
        path = tmp_path / "mutant.inselect"
        path.write_bytes(data)
        find_format("inselect").sniff(path)
        try:
            for source in read_path(path, NAMED, "inselect").sources:
                seen += sum(1 for _ in source.chunks)  # type: ignore[union-attr]
        except MerianError:
            continue
    assert seen > 30


@pytest.mark.parametrize(
    ("name", "items", "size"),
    [
        ("Plecoptera_Accession_Drawer_4.inselect", 336, None),
        ("barcodes.inselect", 3, (1237, 1456)),
        ("pinned.inselect", 1, (813, 643)),
        ("shapes.inselect", 5, (459, 437)),
    ],
)
def test_real_documents(
    shared: Path, take_in: Take, name: str, items: int, size: tuple[int, int] | None
) -> None:
    path = shared / "traits" / "inselect" / name
    reading = read_path(path)
    assert reading.format == "inselect"
    catalogue, summary = take_in(reading)
    assert summary.rows_rejected == summary.values_rejected == 0
    assert summary.added["occurrence"] == items == len(json.loads(path.read_text())["items"])
    assert catalogue.query(
        "SELECT pixelXDimension, pixelYDimension FROM media WHERE accessURI IS NOT NULL"
    ).fetch() == [size or (None, None)]
