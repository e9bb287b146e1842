"""EcoTaxa's own test tables: what it refuses of each, and what is in those that are read.

What it accepts and refuses stands in the names of the folders, and in its tests (ecotaxa_back,
QA/py/tests/test_import.py). Two of its refusals need its database: an acquisition that another
project has (breaking_hierarchy) and a category that does not exist (no_classif_id).
"""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError
from merian.formats import find_format, read_path, sniff
from merian.formats.ecotaxa_rules import check
from merian.formats.ecotaxa_tables import find_tables

Take = Callable[[Reading], tuple[Catalogue, Summary]]

MISSING = ("img_file_name", "picture is missing")
UNTYPED = ("", "has no line of types")
UNKNOWN = "has a prefix that EcoTaxa does not know"
COMPLEMENT = ("complement_info", UNKNOWN)
COMMA = "a decimal comma"
TOO_MANY = "one free column too many"
# Line, column and the first words of what is wrong with the tables that are meant to be.
ISSUES: dict[str, list[tuple[int | None, str, str]]] = {
    "breaking_hierarchy": [],
    "classif_without_state": [(3, "object_annotation_status", "is empty")],
    "corrupted_img": [(4, "img_file_name", "picture does not open"), (5, *MISSING)],
    "duplicate_in_tsv": [(4, "object_id", "the same object and picture as before")],
    "empty_tsv": [(None, "", "holds no object")],
    "empty_tsv2": [(1, "", "is empty; the names of the columns are expected")],
    "extra_data_without_header": [(3, "", "cells behind the last column")],
    "no_classif_id": [],
    "predicted_but_what": [(3, "object_annotation_category_id", "is empty")],
    "tsv_issues": [
        (1, "nounderscorecol", "has no prefix"), (1, "unknown_target", UNKNOWN),
        (2, "object_wrongtype", "has no type"), (3, "object_buggy_float", "not a number"),
        (3, "object_lat", "out of range"), (3, "object_lon", "out of range"),
        (3, "object_date", "not a date"), (3, "object_time", "not a time"),
        (3, "object_annotation_status", "no status of EcoTaxa"),
        (5, "object_annotation_date", "not a date"), (5, "object_annotation_time", "not a time"),
        (6, *MISSING), (7, "img_file_name", "picture does not open"),
        (8, "object_id", "is empty"), (8, *MISSING),
    ],
    "tsv_too_many_cols": [
        (1, f"{level}_cus{number}", TOO_MANY)
        for level, numbers in (("sample", (59, 60, 61)), ("process", (29, 30, 31)),
                               ("acq", (29, 30, 31)))
        for number in numbers
    ],
}  # fmt: skip
# Tables to import, to update (their pictures are in EcoTaxa already), and its exports: how often
# what is wrong. None is no table of EcoTaxa's, but one of counts.
BUNDLES: dict[str, dict[tuple[str, str], int] | None] = {
    "UVP6_example.zip": {},
    "import de categories ambigues": {},
    "import_bad_free_data": {},
    "import_just_predicted": {},
    "import_mixed_states": {},
    "import_sparse": {("acq_id", "is missing"): 1, ("sample_id", "is missing"): 1},
    "import_test": {},
    "import_test.zip": {},
    "import_test_plus": {MISSING: 11},
    "import_test_plus_more": {},
    "import_test_tot_vol": {},
    "import_test_tot_vol_bad_update": {MISSING: 6, ("acq_id", "an acquisition in two samples"): 1},
    "import_test_tot_vol_update": {MISSING: 6},
    "import_test_upd_empty": {MISSING: 11, ("", "holds no object"): 1},
    "import_test_weird": {},
    "import_update": {MISSING: 1, ("object_annotation_status", "no status of EcoTaxa"): 1},
    "import_uvp6_zip_in_dir": {},
    "import_v_or_d_just_state": {},
    "import_various_states": {},
    "merge_test/even_more_cols": {},
    "merge_test/lots_of_cols": {},
    "merge_test/more_cols": {},
    "merge_test/second_merge": {},
    "ref_exports/bak_all_images": {},
    "ref_exports/bak_no_image": {MISSING: 12},
    "ref_exports/doi": {UNTYPED: 1, ("objid", "has no prefix"): 1},
    "ref_exports/just_annotations": {("img_file_name", "is missing"): 1,
                                     ("", "EcoTaxa passes this file over"): 1},
    "ref_exports/tsv_all_entities_no_img_no_ids": {
        UNTYPED: 3, COMPLEMENT: 3, ("img_file_name", "is missing"): 3},
    "ref_exports/tsv_by_acquisition": {UNTYPED: 3, COMPLEMENT: 3},
    "ref_exports/tsv_by_taxon": {},
    "ref_exports/tsv_with_ids": {
        UNTYPED: 3, COMPLEMENT: 3, ("img_file_name", "is missing"): 3,
        **{(f"object_{name}", COMMA): 12 for name in ("lat", "lon", "depth_min", "depth_max")},
        ("objid", "has no prefix"): 3,
        **{(name, UNKNOWN): 3 for name in (
            "processid_internal", "classif_id", "classif_who", "classif_auto_id",
            "classif_auto_name", "classif_auto_score", "classif_auto_when")},
    },
    **{f"ref_exports/{name}": None for name in (
        "abundances_by_sample", "abundances_by_sample_filtered_on_cat",
        "abundances_by_sample_filtered_on_sample", "abundances_by_subsample",
        "abundances_by_subsample_mapped", "abundances_whole_project", "biovolumes_by_sample",
        "biovolumes_by_subsample", "biovolumes_by_subsample_only_v", "concentrations",
        "concentrations_by_sample", "summary_per_sample", "summary_per_subsample",
        "summary_whole")},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "plankton" / "ecotaxa_qa"


def test_all_76_tables_are_judged(folder: Path) -> None:
    judged = {
        table.shown
        for name in (*BUNDLES, *(f"import_issues/{name}" for name in ISSUES))
        for table in find_tables(folder / name)
    } | {file for name, told in BUNDLES.items() if told is None
         for file in (folder / name).glob("*.tsv")}  # fmt: skip
    loose = set(folder.rglob("*.tsv"))
    assert len(loose) == 76
    assert loose <= judged


@pytest.mark.parametrize("name", ISSUES)
def test_a_bad_table_is_told_as_ecotaxa_tells_it(folder: Path, name: str) -> None:
    found = check(folder / "import_issues" / name)
    assert [(f.line, f.column, f.reason.split(":")[0]) for f in found] == ISSUES[name]


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_is_judged(folder: Path, name: str) -> None:
    expected = BUNDLES[name]
    if expected is None:
        with pytest.raises(FormatError, match="holds no table called"):
            check(folder / name)
        assert find_format("ecotaxa").sniff(folder / name) == 0
        return
    assert Counter((f.column, f.reason.split(":")[0]) for f in check(folder / name)) == expected
    assert sniff(folder / name).name == "ecotaxa"


def test_a_hierarchy_is_broken_by_what_was_imported_before(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "import_test", tmp_path / "a")
    shutil.copytree(folder / "import_issues" / "breaking_hierarchy", tmp_path / "b")
    (found,) = [f for f in check(tmp_path) if f.column == "acq_id"]
    assert found.content == "generic_m106_mn01_n1_sml in m106_mn01_n1_sml_brk"


def cells(name: str, content: bytes) -> list[dict[str, str]]:
    """The rows of a table by an independent reader; the line of types is none."""
    text = content.decode("utf-8-sig" if content[:3] == b"\xef\xbb\xbf" else "latin-1")
    assert name.endswith((".tsv", ".txt"))
    return [row for row in csv.DictReader(io.StringIO(text), delimiter="\t")
            if row["object_id"] != "[t]"]  # fmt: skip


def test_real_bundles_are_taken_in_whole(folder: Path, take_in: Take) -> None:
    """One catalogue for one bundle with all that is odd, since making one takes its time."""
    root = folder / "import_test_weird"
    (file,) = root.rglob("*.tsv")
    rows = cells(file.name, file.read_bytes())
    catalogue, summary = take_in(read_path(root))
    assert not summary.rejected
    assert summary.added["occurrence"] == summary.added["media"] == len(rows) == 4
    assert catalogue.query(
        "SELECT o.occurrenceID, eventDate, eventTime, verbatimIdentification, taxonConceptID, "
        "dateIdentified FROM occurrence o JOIN event USING (eventID) JOIN identification i "
        "ON i.occurrenceID = o.occurrenceID ORDER BY 1"
    ).fetch() == [
        (row["object_id"], f"2014-04-2{row['object_date'][-1]}", "04:20:00",
         row["object_annotation_category"].strip(),
         f"EcoTaxa:{row['object_annotation_category_id']}", "2015-11-11T15:31:00") for row in rows
    ]  # fmt: skip
    # Every cell is somewhere: of an object in its measurements, of the rest in those of events.
    fed = {"object_id", "object_lat", "object_lon", "object_date", "object_time",
           "object_depth_min", "object_depth_max", "sample_id", "acq_id", "process_id",
           "img_file_name"}  # fmt: skip
    free = {(name, cell.strip()) for row in rows for name, cell in row.items()
            if cell and name not in fed and not name.startswith("object_annotation")}  # fmt: skip
    told = catalogue.query("SELECT measurementType, measurementValue FROM measurement").fetch()
    assert set(told) == free


def test_a_sample_of_uvp6_in_a_zip(folder: Path, take_in: Take) -> None:
    packed = folder / "import_uvp6_zip_in_dir" / "b_da_19_Images.zip"
    with zipfile.ZipFile(packed) as stream:
        rows = cells("x.tsv", stream.read("b_da_19_Images/ecotaxa_b_da_19.tsv"))
    catalogue, summary = take_in(read_path(packed.parent))
    assert not summary.rejected
    assert catalogue.query(
        "SELECT occurrenceID, accessURI, round(1000 / pixelsPerMillimetre, 6) FROM media "
        "ORDER BY ALL"
    ).fetch() == sorted(
        (row["object_id"], f"{packed}!/b_da_19_Images/{row['img_file_name']}", 73.0) for row in rows
    )
    assert catalogue.query(
        "SELECT DISTINCT decimalLatitude, decimalLongitude, eventDate FROM event "
        "WHERE eventDate IS NOT NULL"
    ).fetch() == [(43.0, 17.0, "2020-02-05")]


def test_a_real_export_and_import_of_a_zooscan(shared: Path, take_in: Take) -> None:
    export = shared / "plankton" / "ecotaxa_ecotaxar" / "export.tsv"
    rows = cells(export.name, export.read_bytes())
    catalogue, summary = take_in(read_path(export))
    assert not summary.rejected
    assert summary.added["occurrence"] == summary.added["identification"] == len(rows) == 99
    assert catalogue.query(
        "SELECT verbatimIdentification, count(*) FROM identification GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetch() == sorted(
        Counter(row["object_annotation_category"] for row in rows).items(),
        key=lambda pair: (-pair[1], pair[0]),
    )
    assert catalogue.query(
        "SELECT sum(measurementValueNumeric) FROM measurement WHERE measurementType = 'object_area'"
    ).value() == pytest.approx(sum(float(row["object_area"]) for row in rows))
    assert find_format("ecotaxa").sniff(export.with_name("import.tsv")) == 3
    found = Counter(f.reason.split(":")[0] for f in check(export.with_name("import.tsv")))
    assert found == {"EcoTaxa passes this file over": 1, "picture is missing": 98}
