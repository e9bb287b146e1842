"""EcoTaxa's tables: what it refuses, what becomes of them, and back again."""

from __future__ import annotations

import csv
import io
import random
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue import TABLES, Catalogue, Reading, Summary
from merian.errors import FormatError, InputError
from merian.formats import Options, find_format, read_path, sniff, write_path
from merian.formats.ecotaxa_columns import column_of
from merian.formats.ecotaxa_rules import check
from merian.formats.ecotaxa_scale import pixels_per_mm
from merian.formats.ecotaxa_values import clock, day, degrees, number

Take = Callable[[Reading], tuple[Catalogue, Summary]]
Read = Callable[[Catalogue], dict[str, list[tuple[object, ...]]]]


def picture(path: Path, grey: int = 9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (12, 8), grey).save(path)
    return path


def table(
    path: Path, columns: Sequence[str], types: Sequence[str], *rows: Sequence[str]
) -> Path:  # fmt: skip
    """Write a table, and a picture for each that it names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [columns, [f"[{kind}]" for kind in types], *rows]
    text = "".join("\t".join(line) + "\n" for line in lines)
    path.write_bytes(text.encode("utf-8-sig" if not text.isascii() else "ascii"))
    if "img_file_name" in columns:
        for grey, row in enumerate(rows):
            name = row[columns.index("img_file_name")]
            if name and not (path.parent / name).exists():
                picture(path.parent / name, grey)
    return path


def told(path: Path) -> list[tuple[int | None, str, str]]:
    """What is wrong: line, column and the words before the particulars."""
    return [(f.line, f.column, f.reason.split(":")[0]) for f in check(path)]


# -- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.5", 1.5), ("-45.6846", -45.6846), ("1°30 00", 1.5), ("-1°30 00", -1.5), ("0°15 36", 0.26),
     ("-0°30 0", -0.5), ("1°30", None), ("x", None), ("nan", None), ("1_0", None), ("inf", None),
     (f"1°{'9' * 400} 00", None)],
)  # fmt: skip
def test_degrees(text: str, value: float | None) -> None:
    assert degrees(text) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [("20140420", "2014-04-20"), ("2014-04-20", "2014-04-20"), ("20140433", None),
     ("2015-11-31", None), ("2014-0420", None), ("20.04.2014", None), ("", None)],
)  # fmt: skip
def test_days(text: str, value: str | None) -> None:
    assert day(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("042000", "04:20:00"), ("420", "04:20:00"), ("0420", "04:20:00"), ("4", "00:04:00"),
     ("04:20:00", "04:20:00"), ("020139.315", "02:01:39.315"), ("9920", None), ("5:31", None),
     ("246000", None), ("420.5", None), ("", None)],
)  # fmt: skip
def test_times(text: str, value: str | None) -> None:
    assert clock(text) == value


@pytest.mark.parametrize(
    ("values", "scale"),
    [({"process_particle_pixel_size_mm": "0.0106"}, 1 / 0.0106),
     ({"process_pixel": "10.6"}, 1000 / 10.6),
     ({"acq_pixel": "73", "acq_instrument": "uvp6"}, 1000 / 73),
     ({"acq_pixel": "0.174", "acq_instrument": "UVP5"}, 1 / 0.174),
     ({"process_pixel": "0.75", "acq_instrument": "PlanktoScope v2.5"}, 1000 / 0.75),
     ({"process_pixel": "0.75", "acq_pixel_um": "0.5"}, 2000.0),
     ({"object_pixels_per_mm": "7.5", "process_pixel": "10.6"}, 7.5),
     ({"sample_tot_vol": "3"}, None)],
)  # fmt: skip
def test_the_unit_of_a_pixel_is_told_by_name_value_or_instrument(
    values: dict[str, str], scale: float | None
) -> None:
    assert pixels_per_mm(values) == (None if scale is None else pytest.approx(scale))


def test_a_unit_that_nothing_tells_is_not_guessed() -> None:
    found = pixels_per_mm({"process_pixel": "0.174", "acq_instrument": "camera"})
    assert isinstance(found, str)
    assert "--set pixel_um" in found
    assert pixels_per_mm({"process_pixel": "0.174"}, 2.0) == 500
    assert "cannot be" in str(pixels_per_mm({"process_pixel": "9999"}))
    assert "no size" in str(pixels_per_mm({"process_pixel": "0"}))


def test_numbers_are_finite() -> None:
    assert [number(text) for text in ("1e3", " 2", "1e999", "0x1")] == [1000.0, 2.0, None, None]


# -- what EcoTaxa refuses -----------------------------------------------------------------------

GOOD = ("object_id", "img_file_name", "object_lat", "object_area")
KINDS = ("t", "t", "f", "f")


def test_a_good_table_has_nothing_wrong(tmp_path: Path) -> None:
    path = table(tmp_path / "ecotaxa_a.tsv", GOOD, KINDS, ("a", "a.png", "1", "nan"),
                 ("b", "b.png", "43°30 15", "NA"), ("b", "c.png", "", "1e3"))  # fmt: skip
    assert check(path) == check(tmp_path) == []


def test_every_wrong_cell_is_told_with_its_line_and_column(tmp_path: Path) -> None:
    columns = (*GOOD, "object_date", "object_time", "object_annotation_status", "img_rank")
    path = table(
        tmp_path / "ecotaxa_a.tsv", columns, (*KINDS, "t", "t", "t", "f"),
        ("a", "a.png", "91", "big", "20149999", "2560", "sure", "first"),
        ("", "b.png", "north", "1", "", "", "", ""),
        ("a", "a.png", "1,5", "2,5", "", "", "", "", "more"),
        ("c", "", "1", "1", "", "", "", "", ""),
    )  # fmt: skip
    assert told(path) == [
        (3, "object_lat", "out of range"), (3, "object_area", "not a number"),
        (3, "object_date", "not a date"), (3, "object_time", "not a time"),
        (3, "object_annotation_status", "no status of EcoTaxa"), (3, "img_rank", "not a number"),
        (3, "object_annotation_category_id", "is empty"),
        (4, "object_lat", "not degrees"), (4, "object_id", "is empty"),
        (5, "object_lat", "a decimal comma"), (5, "object_area", "a decimal comma"),
        (5, "", "cells behind the last column"),
        (5, "object_id", "the same object and picture as before"),
        (6, "", "cells behind the last column"), (6, "img_file_name", "names no picture"),
    ]  # fmt: skip


def test_headers_are_told(tmp_path: Path) -> None:
    columns = ("object_id", "object_x", "OBJECT_X", "plain", "weather_rain", "acq_gain", "")
    path = table(tmp_path / "ecotaxa_a.tsv", columns, ("t", "F", "f", "t", "t", "f", "t"),
                 ("a", "1", "1", "1", "1", "1", "1"))  # fmt: skip
    assert told(path) == [
        (2, "object_x", "has no type"), (1, "object_x (3)", "a second column of this name"),
        (1, "plain", "has no prefix"),
        (1, "weather_rain", "has a prefix that EcoTaxa does not know"),
        (1, "column 7", "has no name"), (1, "acq_id", "is missing"),
        (1, "img_file_name", "is missing"),
    ]  # fmt: skip


def test_limits_are_told(tmp_path: Path) -> None:
    texts = [f"object_t{n}" for n in range(22)]
    path = table(tmp_path / "ecotaxa_a.tsv", ("object_id", "img_file_name", *texts),
                 ["t"] * 24, ("x" * 256, "a.png", "y" * 251, *["z"] * 21))  # fmt: skip
    assert told(path) == [
        (1, "object_t20", "one free column too many"),
        (1, "object_t21", "one free column too many"),
        (3, "object_id", "id too long for EcoTaxa"), (3, "object_t0", "text too long for EcoTaxa"),
    ]  # fmt: skip
    numbers = [f"object_n{n}" for n in range(501)]
    path = table(tmp_path / "b" / "ecotaxa_b.tsv", ("object_id", "img_file_name", *numbers),
                 ["t", "t", *"f" * 501], ("a", "a.png", *["1"] * 501))  # fmt: skip
    assert told(path) == [(1, "object_n500", "one free column too many")]


def test_files_are_told(tmp_path: Path) -> None:
    path = table(tmp_path / "Ecotaxa_a.tsv", GOOD, KINDS, ("a", "a.png", "1", "1"))
    assert told(path) == [(None, "", "EcoTaxa passes this file over")]
    assert "capital" not in str(check(path)[0])
    text = "object_id\timg_file_name\tobject_note\n[t]\t[t]\t[t]\na\ta.png\tZoë\n"
    for encoding, faults in (
        ("utf-8", [(3, "", "UTF-8 without its mark")]), ("utf-8-sig", []), ("latin-1", []),
    ):  # fmt: skip
        other = tmp_path / encoding / "ecotaxa_b.tsv"
        picture(other.parent / "a.png")
        other.write_bytes(text.encode(encoding))
        assert told(other) == faults
    bare = tmp_path / "ecotaxa_c.tsv"
    bare.write_text("object_id\timg_file_name\na\ta.png\n")
    assert told(bare) == [(2, "", "has no line of types")]


def test_duplicates_and_torn_acquisitions_are_found_over_all_tables(tmp_path: Path) -> None:
    columns = ("object_id", "img_file_name", "sample_id", "acq_id")
    for name, sample in (("a", "s1"), ("b", "s2")):
        table(tmp_path / f"ecotaxa_{name}.tsv", columns, "tttt",
              ("o", "o.png", sample, "acq1"), (name, f"{name}.png", sample, "acq1"))  # fmt: skip
    assert told(tmp_path) == [
        (3, "object_id", "the same object and picture as before"),
        (3, "acq_id", "an acquisition in two samples"),
    ]
    first = check(tmp_path)[0]
    assert f"line 3 of {tmp_path / 'ecotaxa_a.tsv'}" in str(first)
    assert str(first).startswith(f"{tmp_path / 'ecotaxa_b.tsv'}:3:object_id: ")


def test_a_category_needs_a_status_and_the_reverse(tmp_path: Path) -> None:
    columns = (*GOOD[:2], "object_annotation_category", "object_annotation_status")
    path = table(tmp_path / "ecotaxa_a.tsv", columns, "tttt", ("a", "a.png", "Copepoda", ""),
                 ("b", "b.png", "", "validated"), ("c", "c.png", "", ""),
                 ("d", "d.png", "Copepoda", "Validated"))  # fmt: skip
    assert told(path) == [
        (3, "object_annotation_status", "is empty"), (4, "object_annotation_category", "is empty"),
    ]  # fmt: skip


def test_what_is_no_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"holds no table called ecotaxa\*\.tsv"):
        check(tmp_path)
    (tmp_path / "ecotaxa_a.tsv").write_bytes(b"")
    assert told(tmp_path) == [(1, "", "is empty; the names of the columns are expected")]


# -- what becomes of a table --------------------------------------------------------------------


def test_an_object_its_levels_and_its_name(tmp_path: Path, take_in: Take) -> None:
    columns = (
        "object_id", "img_file_name", "img_rank", "object_lat", "object_lon", "object_date",
        "object_time", "object_depth_min", "object_annotation_category",
        "object_annotation_category_id", "object_annotation_status",
        "object_annotation_person_name", "object_annotation_person_email",
        "object_annotation_date", "object_annotation_time", "object_area", "object_Note",
        "sample_id", "sample_tot_vol", "acq_id", "acq_instrument", "process_id", "process_pixel",
    )  # fmt: skip
    row = (
        "o1", "a.png", "0", "-1°30 0", "7.5", "20140420", "420", "10", "egg<Actinopterygii",
        "85078.0", "predicted", "Zoë", "z@x.org", "20150101", "93000".zfill(6), "12.5", "007",
        "s", "21", "s", "zooscan", "p", "10.6",
    )  # fmt: skip
    second = ("o1", "b.png", "1", *row[3:])
    path = table(tmp_path / "ecotaxa_a.tsv", columns,
                 ["f" if c in {"img_rank", "object_area"} else "t" for c in columns], row,
                 second)  # fmt: skip
    assert sniff(path).name == sniff(tmp_path).name == "ecotaxa"
    catalogue, summary = take_in(read_path(path))
    assert not summary.rejected
    assert catalogue.query(
        "SELECT o.occurrenceID, basisOfRecord, lifeStage, eventDate, eventTime, decimalLatitude, "
        "minimumDepthInMeters, parentEventID FROM occurrence o JOIN event USING (eventID)"
    ).fetch() == [("o1", "MachineObservation", "egg", "2014-04-20", "04:20:00", -1.5, 10.0,
                   "process:s/s/p")]  # fmt: skip
    assert catalogue.query(
        "SELECT eventID, parentEventID, eventType FROM event WHERE eventType IS NOT NULL "
        "ORDER BY 1"
    ).fetch() == [("acq:s/s", "sample:s", "acquisition"), ("process:s/s/p", "acq:s/s", "process"),
                  ("sample:s", None, "sample")]  # fmt: skip
    assert catalogue.query(
        "SELECT verbatimIdentification, scientificName, taxonConceptID, agentType, "
        "identificationVerificationStatus, identifiedBy, dateIdentified FROM identification"
    ).fetch() == [("egg<Actinopterygii", "Actinopterygii", "EcoTaxa:85078", "machine",
                   "PredictedByMachine", "Zoë <z@x.org>", "2015-01-01T09:30:00")]  # fmt: skip
    assert catalogue.query(
        "SELECT mediaID, accessURI, pixelXDimension, round(pixelsPerMillimetre, 3), captureDevice "
        "FROM media ORDER BY 1"
    ).fetch() == [(f"o1/{name}", str(tmp_path / name), 12, 94.34, "zooscan")
                  for name in ("a.png", "b.png")]  # fmt: skip
    assert catalogue.query(
        "SELECT coalesce(occurrenceID, eventID, mediaID), measurementType, measurementValue, "
        "measurementValueNumeric, measurementRemarks FROM measurement ORDER BY 1, 2"
    ).fetch() == [
        ("acq:s/s", "acq_instrument", "zooscan", None, None),
        ("o1", "object_Note", "007", 7.0, "text"), ("o1", "object_area", "12.5", 12.5, None),
        ("o1/a.png", "img_rank", "0", 0.0, None), ("o1/b.png", "img_rank", "1", 1.0, None),
        ("process:s/s/p", "process_pixel", "10.6", 10.6, None),
        ("sample:s", "sample_tot_vol", "21", 21.0, None),
    ]  # fmt: skip


def test_statuses(tmp_path: Path, take_in: Take) -> None:
    columns = (*GOOD[:2], "object_annotation_category", "object_annotation_status")
    rows = [(f"{n}", f"{n}.png", "Copepoda", status) for n, status in enumerate(
        ("predicted", "validated", "dubious", "discarded", "", "nonsense"))]  # fmt: skip
    path = table(tmp_path / "ecotaxa_a.tsv", columns, "tttt", *rows)
    catalogue, summary = take_in(read_path(path))
    assert catalogue.query(
        "SELECT occurrenceID, agentType, identificationVerificationStatus FROM identification "
        "ORDER BY 1"
    ).fetch() == [("0", "machine", "PredictedByMachine"), ("1", "human", "ValidatedByHuman"),
                  ("2", "human", "dubious"), ("4", "human", None),
                  ("5", "human", None)]  # fmt: skip
    # A name that was discarded says what the object is not.
    assert catalogue.query(
        "SELECT occurrenceID, measurementType, measurementValue FROM measurement ORDER BY 2"
    ).fetch() == [("3", "object_annotation_category", "Copepoda"),
                  ("3", "object_annotation_status", "discarded")]  # fmt: skip
    assert summary.rejected == {"value object_annotation_status: no status of EcoTaxa": 1}


def test_what_cannot_be_right_is_set_aside_and_the_rest_goes_in(
    tmp_path: Path, take_in: Take
) -> None:
    columns = (*GOOD, "object_date")
    path = table(tmp_path / "ecotaxa_a.tsv", columns, (*KINDS, "t"),
                 ("a", "a.png", "91", "big", "20149999"), ("", "b.png", "1", "1", ""),
                 ("a", "a.png", "1", "5", ""), ("c", "c.png", "1", "1", "", "more"),
                 ("d", "d.png", "1", "2", ""))  # fmt: skip
    (tmp_path / "c.png").unlink()
    (tmp_path / "d.png").write_bytes(b"no picture")
    catalogue, _ = take_in(read_path(path))
    found = catalogue.query(
        "SELECT scope, line, term, split_part(reason, ':', 1), content FROM rejects "
        "ORDER BY line, term NULLS FIRST"
    ).fetch()
    assert found == [
        ("value", 3, "object_area", "not a number", "big"),
        ("value", 3, "object_date", "not a date", "20149999"),
        ("value", 3, "object_lat", "out of range", "91"),
        ("row", 4, "object_id", "is empty", "\tb.png\t1\t1\t"),
        ("row", 5, "object_id", "the same object and picture as before", "a a.png"),
        ("value", 6, None, "cells behind the last column", "more"),
        ("value", 6, "img_file_name", "picture is missing", "c.png"),
        ("value", 7, "img_file_name", "picture does not open", "d.png"),
    ]
    assert catalogue.query(
        "SELECT occurrenceID, count(accessURI) FROM occurrence LEFT JOIN media "
        "USING (occurrenceID) GROUP BY 1 ORDER BY 1"
    ).fetch() == [("a", 1), ("c", 0), ("d", 0)]
    assert catalogue.query("SELECT measurementValue FROM measurement ORDER BY 1").fetch() == [
        ("1",), ("2",)
    ]  # fmt: skip


def test_an_acquisition_in_two_samples_is_two_events(tmp_path: Path, take_in: Take) -> None:
    columns = ("object_id", "img_file_name", "sample_id", "acq_id")
    path = table(tmp_path / "ecotaxa_a.tsv", columns, "tttt", ("a", "a.png", "s1", "q"),
                 ("b", "b.png", "s2", "q"))  # fmt: skip
    catalogue, summary = take_in(read_path(path))
    assert not summary.rejected
    assert catalogue.query(
        "SELECT o.occurrenceID, parentEventID FROM occurrence o JOIN event USING (eventID) "
        "ORDER BY 1"
    ).fetch() == [("a", "acq:s1/q"), ("b", "acq:s2/q")]


def test_a_level_without_an_id_is_told_apart_by_its_columns(tmp_path: Path, take_in: Take) -> None:
    path = table(tmp_path / "ecotaxa_a.tsv", (*GOOD[:2], "sample_ship"), "ttt",
                 ("a", "a.png", "Tara"), ("b", "b.png", "Tara"), ("c", "c.png", "Meteor"),
                 )  # fmt: skip
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query(
        "SELECT measurementValue, count(DISTINCT o.occurrenceID) FROM measurement m "
        "JOIN event e ON e.parentEventID = m.eventID JOIN occurrence o ON o.eventID = e.eventID "
        "GROUP BY 1 ORDER BY 1"
    ).fetch() == [("Meteor", 1), ("Tara", 2)]


def test_a_decimal_comma_of_an_export_is_read(tmp_path: Path, take_in: Take) -> None:
    path = tmp_path / "ecotaxa_export.tsv"
    path.write_text("object_id\tobject_lat\tobject_lon\tobject_area\tobject_sr\n"
                    "a\t18,0\t-24,416\t1,125\tx\n")  # fmt: skip
    catalogue, summary = take_in(read_path(path))
    assert not summary.rejected
    assert catalogue.query("SELECT decimalLatitude, decimalLongitude FROM event").fetch() == [
        (18.0, -24.416)
    ]
    assert catalogue.query(
        "SELECT measurementValue, measurementValueNumeric FROM measurement ORDER BY 1"
    ).fetch() == [("1,125", 1.125), ("x", None)]


def test_a_quote_that_is_not_closed_costs_its_line(tmp_path: Path, take_in: Take) -> None:
    path = tmp_path / "ecotaxa_a.tsv"
    body = 'a\t"two\nlines"\nb\t5" net\nc\t"open\nd\tlast\n'
    path.write_text(f"object_id\tobject_note\tobject_x\tobject_y\n[t]\t[t]\t[f]\t[f]\n{body}")
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query(
        "SELECT occurrenceID, measurementValue FROM measurement ORDER BY 1"
    ).fetch() == [("a", "two\nlines"), ("b", '5" net'), ("d", "last")]
    assert catalogue.query("SELECT line, reason FROM rejects").fetch() == [
        (6, "a quote opens here and is not closed")
    ]


def test_settings(tmp_path: Path, take_in: Take) -> None:
    path = table(tmp_path / "t" / "ecotaxa_a.tsv", (*GOOD[:2], "sample_id"), "ttt",
                 ("a", "a.png", "s"))  # fmt: skip
    shutil.move(path.parent / "a.png", tmp_path / "elsewhere.png")
    reading = read_path(path)
    assert "none of its first pictures lies in" in reading.notes[0]
    picture(tmp_path / "pictures" / "a.png")
    options = Options(images=tmp_path / "pictures", extra={"pixel_um": "2", "project": "77"})
    catalogue, _ = take_in(read_path(path, options))
    assert catalogue.query(
        "SELECT occurrenceID, datasetName, mediaID, pixelsPerMillimetre FROM occurrence "
        "JOIN media USING (occurrenceID)"
    ).fetch() == [("77/a", "77", "77/a/a.png", 500.0)]
    assert catalogue.query("SELECT eventID FROM event WHERE eventType = 'sample'").fetch() == [
        ("sample:77/s",)
    ]
    with pytest.raises(InputError, match="micrometres is expected"):
        read_path(path, Options(extra={"pixel_um": "-1"}))


def test_a_zip_is_read_where_it_lies(tmp_path: Path, take_in: Take) -> None:
    fake = find_format("ecotaxa").fake(tmp_path / "fake", 1)
    packed = tmp_path / "project.zip"
    with zipfile.ZipFile(packed, "w") as stream:
        for file in sorted(fake.parent.rglob("*.*")):
            stream.write(file, f"a b/{file.relative_to(fake.parent).as_posix()}")
        stream.writestr("a b/.~lock.ecotaxa_fake1.tsv#", "someone")
        stream.writestr("__MACOSX/a b/ecotaxa_fake1.tsv", "\0\1")
    assert sniff(packed).name == "ecotaxa"
    catalogue, summary = take_in(read_path(packed))
    assert summary.added["media"] == 13
    address = catalogue.query("SELECT min(accessURI) FROM media").value()
    assert address == f"{packed}!/a b/images/1_0.png"
    assert [f.aside for f in check(packed)] == ["row", "row"]


@pytest.mark.parametrize("damage", ["cut", "flip", "bomb"])
def test_a_damaged_zip_is_one_error(tmp_path: Path, damage: str) -> None:
    packed = tmp_path / "project.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as stream:
        rows = "x" * 30_000_000 if damage == "bomb" else "a\ta.png\n" * 300
        stream.writestr("ecotaxa_a.tsv", "object_id\timg_file_name\n[t]\t[t]\n" + rows)
    content = bytearray(packed.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[60] ^= 0xFF
    packed.write_bytes(bytes(content))
    with pytest.raises(FormatError):
        for source in read_path(packed, format="ecotaxa").sources:
            for _ in source.chunks:  # type: ignore[union-attr]
                pass


# -- back again ---------------------------------------------------------------------------------

AWKWARD = ("plain", 'a "quoted" one', "tab\there", "two\nlines", "Zoë ×10³", "007", "1e5", "nan",
           "'", "=1+1", "a" * 250, "<b>", "x, y; z")  # fmt: skip


def generated(folder: Path, seed: int) -> Path:
    """Write a table with awkward values in every place that the format has for them."""
    chance = random.Random(seed)
    columns = (
        "object_id", "img_file_name", "img_rank", "object_lat", "object_lon", "object_date",
        "object_time", "object_depth_min", "object_depth_max", "object_annotation_category",
        "object_annotation_category_id", "object_annotation_status",
        "object_annotation_person_name", "object_annotation_date", "object_annotation_time",
        "object_link", "object_area", "object_perim.", "object_note", "object_%area",
        "object_dwc_sex", "object_dwc_locality", "sample_id", "sample_note", "acq_id",
        "acq_instrument", "acq_pixel", "process_id", "process_software",
    )  # fmt: skip
    numeric = {"img_rank", "object_area", "object_perim.", "object_%area"}
    rows: list[list[str]] = []
    for place in range(40):
        name = f"{chance.choice(('', 'sub/', 'Ü/'))}{place}.png"
        if place > 30 and place % 2:  # one more picture of the same object
            rows.append([rows[-1][0], name, "1", *rows[-1][3:]])
            continue
        sample = f"s {place // 10}"
        category = chance.choice(("", "Copepoda", "nauplii<Cirripedia", "part (Annelida)", "t001"))
        concept = chance.choice(("", "12846"))
        status = chance.choice(("predicted", "validated", "dubious", "discarded"))
        rows.append([
            f"o{place}", name, chance.choice(("", "0", "0.0")), f"{chance.uniform(-90, 90)!r}",
            "179.99", chance.choice(("", "20140420", "2020-02-29")),
            chance.choice(("", "420", "010203.25")), "0", chance.choice(("", "10.50")),
            category, concept if category or status == "validated" else "",
            status if category else status if concept and status == "validated" else "",
            chance.choice(("", "Zoë", "A <a@b.c>")), chance.choice(("", "20151111")), "",
            chance.choice(("", "https://x.org/?a=1")), f"{chance.random()!r}", "1e-7",
            chance.choice(AWKWARD), "nan", chance.choice(("", "female")),
            chance.choice(AWKWARD[:6]), sample, AWKWARD[seed], f"{sample}/q", "uvp6", "73", "p",
            f"{place // 10}",
        ])  # fmt: skip
    folder.mkdir(parents=True)
    for grey, row in enumerate(rows):
        picture(folder / row[1], grey)
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerow([f"[{'f' if name in numeric else 't'}]" for name in columns])
    writer.writerows(rows)
    path = folder / f"ecotaxa_{seed}.tsv"
    path.write_bytes(text.getvalue().encode("utf-8-sig"))
    return path


def without_places(tables: dict[str, list[tuple[object, ...]]]) -> dict[str, list[object]]:
    """The tables but for where a picture lies."""
    at = TABLES["media"].columns.index("accessURI")
    found: dict[str, list[object]] = {name: list(rows) for name, rows in tables.items()}
    found["media"] = sorted(((*row[:at], *row[at + 1 :]) for row in tables["media"]), key=str)
    return found


@pytest.mark.parametrize(("seed", "suffix"), [(2, ""), (3, ".zip")])
def test_nothing_is_lost_on_the_way_out_and_in(
    tmp_path: Path, take_in: Take, tables: Read, seed: int, suffix: str
) -> None:
    first, summary = take_in(read_path(generated(tmp_path / "in", seed)))
    assert not summary.rejected
    out = tmp_path / f"out{suffix}"
    assert write_path(first, out, "ecotaxa") == 40
    assert check(out) == []
    second, summary = take_in(read_path(out))
    assert not summary.rejected
    before, after = without_places(tables(first)), without_places(tables(second))
    for name in before:
        assert after[name] == before[name], name
    again = tmp_path / f"again{suffix}"
    write_path(second, again, "ecotaxa")
    if suffix:
        with zipfile.ZipFile(out) as one, zipfile.ZipFile(again) as two:
            assert one.read("ecotaxa_out.tsv") == two.read("ecotaxa_again.tsv")


def test_records_of_another_kind_are_written_as_ecotaxa_takes_them(
    tmp_path: Path, take_in: Take
) -> None:
    fake = find_format("bioscan-5m")
    first, _ = take_in(fake.read(fake.fake(tmp_path / "fake", 1), Options()))
    out = tmp_path / "out.zip"
    assert write_path(first, out, "ecotaxa") == 30
    assert check(out) == []
    with zipfile.ZipFile(out) as packed:
        notes = packed.read("notes.txt").decode()
    assert "30 x sequence\n" in notes
    second, _ = take_in(read_path(out))
    names = "SELECT occurrenceID, verbatimIdentification, scientificName, taxonRank, genus, " \
            "taxonConceptID FROM determination ORDER BY 1"  # fmt: skip
    assert second.query(names).fetch() == first.query(names).fetch()
    places = "SELECT o.occurrenceID, country, decimalLatitude, split FROM occurrence o LEFT JOIN " \
             "event USING (eventID) ORDER BY 1"  # fmt: skip
    assert second.query(places).fetch() == first.query(places).fetch()


def test_what_does_not_fit_is_cut_or_left_out_and_told(tmp_path: Path, take_in: Take) -> None:
    texts = [f"object_t{n:02}" for n in range(23)]
    path = table(tmp_path / "in" / "ecotaxa_a.tsv", ("object_id", "img_file_name", *texts),
                 ["t"] * 25, ("a", "a.png", "y" * 300, *["z"] * 22),
                 ("b", "", *[""] * 23))  # fmt: skip
    first, _ = take_in(read_path(path))
    out = tmp_path / "out.tsv"
    assert write_path(first, out, "ecotaxa") == 1
    shutil.copy(tmp_path / "in" / "a.png", tmp_path / "a.png")
    assert told(out) == [(None, "", "EcoTaxa passes this file over")]
    assert (tmp_path / "notes_out.txt").read_text(encoding="utf-8") == (
        "3 x free column too many: 20 of object_ fit, such as object_t20\n"
        "1 x object without a picture, which EcoTaxa does not take\n"
        f"1 x text cut to the 250 characters that fit, such as object_t00: {'y' * 60}...\n"
    )


def test_a_catalogue_without_pictures_is_not_written(tmp_path: Path, take_in: Take) -> None:
    fake = find_format("bold-bcdm")
    catalogue, _ = take_in(fake.read(fake.fake(tmp_path / "fake", 1), Options()))
    with pytest.raises(InputError, match="no object of this catalogue has a picture"):
        write_path(catalogue, tmp_path / "out.zip", "ecotaxa")
    assert not (tmp_path / "out.zip").exists()


def test_two_pictures_of_one_name_and_a_region_become_files(tmp_path: Path, take_in: Take) -> None:
    for number_ in (1, 2):
        picture(tmp_path / str(number_) / "a.png", number_)
    Image.new("RGB", (100, 50), (0, 0, 0)).save(tmp_path / "tray.png")
    Image.new("L", (9, 9), 3).save(tmp_path / "b.webp")
    path = tmp_path / "media.csv"
    path.write_text(
        "occurrenceID,mediaID,accessURI,derivedFromMediaID,xFrac,yFrac,widthFrac,heightFrac\n"
        f",tray,{tmp_path}/tray.png,,,,,\na,1,{tmp_path}/1/a.png,,,,,\n"
        f"b,2,{tmp_path}/2/a.png,,,,,\nc,3,,tray,0.5,0,0.25,1\nd,4,{tmp_path}/b.webp,,,,,\n"
        f"e,5,{tmp_path}/gone.png,,,,,\n"
    )
    from merian.catalogue import Columns
    from merian.formats.delimited import delimited, read_head

    head = read_head(path)
    terms = {name: f'"{name}"' for name in head.columns}
    feeds = [Columns("media", terms), Columns("occurrence", {"occurrenceID": '"occurrenceID"'},
                                              where='"occurrenceID" IS NOT NULL')]  # fmt: skip
    catalogue, _ = take_in(Reading("table", (delimited(head, feeds),), (path,)))
    out = tmp_path / "out"
    assert write_path(catalogue, out, "ecotaxa") == 4
    assert check(out) == []
    assert sorted(p.name for p in out.iterdir()) == [
        "a.png", "a_2.png", "b.webp.png", "ecotaxa_out.tsv", "notes.txt", "tray.png",
    ]  # fmt: skip
    with Image.open(out / "tray.png") as cut:
        assert cut.size == (25, 50)
    assert "gone.png" in (out / "notes.txt").read_text()


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path, take_in: Take) -> None:
    fake = find_format("ecotaxa")
    catalogue, _ = take_in(fake.read(fake.fake(tmp_path / "fake", 1), Options()))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("dear")
    with pytest.raises(InputError, match="holds other files, which would be lost"):
        write_path(catalogue, mine, "ecotaxa")
    assert (mine / "thesis.txt").read_text() == "dear"
    (mine / "thesis.txt").unlink()
    assert write_path(catalogue, mine, "ecotaxa") == write_path(catalogue, mine, "ecotaxa") == 13


def test_the_column_of_a_measurement() -> None:
    assert column_of("area") == "object_area"
    assert column_of("object_%area") == "object_%area"
    assert column_of("body length (mm)") == "object_body_length_(mm)"
    assert column_of("lat") == "object_measured_lat"
    assert column_of("tot_vol", "sample") == "sample_tot_vol"
    assert column_of("acq_x") == "object_acq_x"


def test_what_a_table_lacks_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ecotaxa_a.tsv"
    path.write_text("object_lat\tobject_lon\tobject_area\tsample_id\n1\t2\t3\ts\n")
    told_ = read_path(path).notes[-1]
    assert "It might be ecotaxa, but it has no columns img_file_name, object_id" in told_
