"""MegaDetector: detections are regions that a machine named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError, InputError
from merian.formats import Options, find_format, read_path, sniff

Take = Callable[[Reading], tuple[Catalogue, Summary]]


def written(path: Path, *images: Any, **more: Any) -> Path:
    value = {
        "info": {"detector": "md", "detection_completion_time": "2022-08-01 10:00:00"},
        "detection_categories": {"1": "animal"},
        "images": images,
        **more,
    }
    path.write_text(json.dumps(value, indent=1))
    return path


def options(**extra: str) -> Options:
    return Options(extra={"dataset": "d", **extra})


def test_a_detection_is_a_region_that_a_machine_named(tmp_path: Path, take_in: Take) -> None:
    one = {"category": "1", "conf": 0.9, "bbox": [0.25, 0.5, 0.125, 0.5]}
    image = {"file": "a/b.jpg", "datetime": "2022-07-01 04:05:06", "location": "S1"}
    path = written(tmp_path / "a.json", {**image, "detections": [one], "frame_rate": 5})
    catalogue, summary = take_in(read_path(path, options()))
    assert summary.rows_rejected == summary.values_rejected == 0
    assert catalogue.query(
        "SELECT x.mediaID, p.accessURI, x.xFrac, x.yFrac, x.widthFrac, x.heightFrac "
        "FROM media x JOIN media p ON p.mediaID = x.derivedFromMediaID"
    ).fetch() == [("d/a/b.jpg#1", (tmp_path / "a/b.jpg").as_posix(), 0.25, 0.5, 0.125, 0.5)]
    assert catalogue.query(
        "SELECT verbatimIdentification, probability, agentType, identifiedBy, dateIdentified, "
        "eventDate, locality FROM determination JOIN occurrence USING (occurrenceID) "
        "JOIN event USING (eventID)"
    ).fetch() == [
        ("animal", 0.9, "machine", "md", "2022-08-01T10:00:00", "2022-07-01T04:05:06", "S1")
    ]
    assert catalogue.query("SELECT mediaID, measurementType, measurementValue FROM measurement"
                           ).fetch() == [("d/a/b.jpg", "frame_rate", "5")]  # fmt: skip


def test_the_surest_classification_names_it(tmp_path: Path, take_in: Take) -> None:
    one = {"category": "1", "conf": 0.9, "bbox": [0, 0, 1, 1], "frame_number": 4,
           "classifications": [["1", 0.2], ["0", 0.7]]}  # fmt: skip
    path = written(
        tmp_path / "a.json",
        {"file": "b.jpg", "detections": [one]},
        classification_categories={"0": "red fox", "1": "dog"},
        classification_category_descriptions={"0": "x;mammalia;carnivora;canidae;vulpes;vulpes;f"},
    )
    catalogue, _ = take_in(read_path(path, options()))
    assert catalogue.query(
        'SELECT verbatimIdentification, "class", family, species, probability, '
        "identificationRemarks FROM determination"
    ).fetch() == [("red fox", "Mammalia", "Canidae", "Vulpes vulpes", 0.7, "also dog 0.2")]
    assert catalogue.query(
        "SELECT measurementType, measurementValue FROM measurement ORDER BY 1"
    ).fetch() == [("category", "animal"), ("conf", "0.9"), ("frame_number", "4")]


def test_failures_stay_and_faults_are_set_aside(tmp_path: Path, take_in: Take) -> None:
    path = written(
        tmp_path / "a.json",
        {"file": "a.jpg", "failure": "no access", "detections": None},
        {"file": "b.jpg", "detections": ["x", {"category": "1", "conf": 0.5, "bbox": [1, 2]},
                                         {"category": "9", "conf": 5, "bbox": [0.5, 0, 0.75, 1]}]},
        {"file": "b.jpg", "detections": []},
        {"detections": []},
    )  # fmt: skip
    catalogue, _ = take_in(read_path(path, options()))
    assert catalogue.query("SELECT mediaRemarks FROM media WHERE mediaID = 'd/a.jpg'").value() == (
        "failure: no access"
    )
    assert catalogue.query("SELECT reason, term FROM rejects ORDER BY 1").fetch() == [
        ("a detection that is none", None),
        ("a picture without a file", None),
        ("no box: left, top, width and height as fractions are expected", "xFrac"),
        ("out of range, expected at least 0 and at most 1", "probability"),
        ("the file b.jpg was seen before", None),
    ]
    assert catalogue.query("SELECT widthFrac FROM media WHERE xFrac = 0.5").value() == 0.5


def test_a_threshold_leaves_out_what_is_unsure(tmp_path: Path, take_in: Take) -> None:
    found = [{"category": "1", "conf": c, "bbox": [0, 0, 1, 1]} for c in (0.1, 0.2, 0.9)]
    path = written(tmp_path / "a.json", {"file": "a.jpg", "detections": found})
    reading = read_path(path, options(threshold="0.2"))
    assert "1 detections are below the threshold of 0.2" in reading.notes
    assert take_in(reading)[1].added["occurrence"] == 2
    with pytest.raises(InputError, match="threshold=much: a number from 0 to 1"):
        read_path(path, options(threshold="much"))


def test_it_is_told_from_coco(tmp_path: Path) -> None:
    path = find_format("megadetector").fake(tmp_path, 1)
    assert sniff(path).name == "megadetector"
    value = json.loads(path.read_text())
    del value["detection_categories"]
    path.write_text(json.dumps(value))
    assert sniff(path).name == "megadetector"
    with pytest.raises(FormatError, match="has no images with a file"):
        read_path(find_format("coco").fake(tmp_path, 1), format="megadetector")
