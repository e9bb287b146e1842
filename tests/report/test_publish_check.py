"""What a check finds: each fault with its file, its line and the cause that it is."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from merian.errors import FormatError
from merian.formats import find_format
from merian.formats.dwc_dp_write import PROFILE
from merian.report.publish import Finding, Findings, check

DWC = "http://rs.tdwg.org/dwc/terms/"
TODAY = "2026-11-22"
EML = (
    '<eml xmlns="https://eml.ecoinformatics.org/eml-2.2.0"><dataset><title>Insects of a garden'
    "</title><creator><individualName><surName>Merian</surName></individualName></creator>"
    "<abstract><para>Insects that were found in a garden.</para></abstract><intellectualRights>"
    "<para>CC0</para></intellectualRights><contact><electronicMailAddress>a@b.c"
    "</electronicMailAddress></contact></dataset></eml>"
)
HEAD = ["occurrenceID", "basisOfRecord", "scientificName", "eventDate"]
GOOD = ["o0", "PreservedSpecimen", "Apis mellifera", "2020-05-01"]


def described(kind: str, file: str, row_type: str, terms: list[str], key: int = 0) -> str:
    fields = "".join(
        f'<field index="{i}" term="{term if ":" in term else DWC + term}"/>'
        for i, term in enumerate(terms) if term
    )  # fmt: skip
    link = "id" if kind == "core" else "coreid"
    return (
        f'<{kind} rowType="{row_type if ":" in row_type else DWC + row_type}" '
        'fieldsTerminatedBy="\\t" fieldsEnclosedBy="" ignoreHeaderLines="1" encoding="UTF-8">'
        f'<files><location>{file}</location></files><{link} index="{key}"/>{fields}</{kind}>'
    )


def archive(folder: Path, *tables: str, eml: str = EML, **files: list[list[str]]) -> Path:
    folder.mkdir()
    (folder / "meta.xml").write_text(
        '<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">'
        + "".join(tables) + "</archive>"
    )  # fmt: skip
    if eml:
        (folder / "eml.xml").write_text(eml)
    for name, rows in files.items():
        (folder / f"{name}.txt").write_text("\n".join("\t".join(row) for row in rows) + "\n")
    return folder


def occurrences(folder: Path, terms: list[str], *rows: list[str]) -> Path:
    """Write an archive of good occurrences with further terms, the values of which are given."""
    whole = [[f"o{number}", *GOOD[1:], *row] for number, row in enumerate(rows, start=1)]
    core = described("core", "occ.txt", "Occurrence", [*HEAD, *terms])
    return archive(folder, core, occ=[[*HEAD, *terms], *whole])


def told(findings: Findings, *severities: str) -> set[tuple[str, int | None, str, str]]:
    wanted = severities or ("error", "warning")
    return {(f.code, f.line, f.term, f.value) for f in findings.found if f.severity in wanted}


def test_a_good_archive_has_nothing_to_tell(tmp_path: Path) -> None:
    found = check(occurrences(tmp_path / "a", ["sex"], ["female"]), TODAY)
    assert found.kinds == []
    assert found.rows == {"occ.txt": 1}


PLACE = ["decimalLatitude", "decimalLongitude", "geodeticDatum"]
FAULTS: dict[str, tuple[list[str], list[str], tuple[str, str, str]]] = {
    "zero": (PLACE, ["0.0", "0", "WGS84"], ("ZERO_COORDINATE", "decimalLatitude", "0.0")),
    "swapped": (PLACE, ["120.5", "45.1", "WGS84"],
                ("PRESUMED_SWAPPED_COORDINATE", "decimalLatitude", "120.5")),
    "off the globe": (PLACE, ["12", "191", "WGS84"],
                      ("COORDINATE_OUT_OF_RANGE", "decimalLatitude", "12")),
    "no number": (PLACE, ["12°N", "5", "WGS84"], ("COORDINATE_INVALID", "decimalLatitude", "12°N")),
    "one alone": (PLACE, ["12", "", "WGS84"], ("COORDINATE_INVALID", "decimalLatitude", "12")),
    "uncertainty of nothing": (["coordinateUncertaintyInMeters"], ["0"],
                               ("COORDINATE_UNCERTAINTY_METERS_INVALID",
                                "coordinateUncertaintyInMeters", "0")),
    "country": (["countryCode"], ["Canada"], ("COUNTRY_INVALID", "countryCode", "Canada")),
    "year": (["year"], ["2019"], ("RECORDED_DATE_MISMATCH", "eventDate", "2020-05-01")),
    "count": (["individualCount"], ["2.5"], ("INDIVIDUAL_COUNT_INVALID", "individualCount", "2.5")),
    "negative": (["individualCount"], ["-1"],
                 ("INDIVIDUAL_COUNT_INVALID", "individualCount", "-1")),
    "none but there": (["individualCount", "occurrenceStatus"], ["0", "present"],
                       ("INDIVIDUAL_COUNT_CONFLICTS_WITH_OCCURRENCE_STATUS", "individualCount",
                        "0")),
    "status": (["occurrenceStatus"], ["maybe"],
               ("OCCURRENCE_STATUS_UNPARSABLE", "occurrenceStatus", "maybe")),
    "rank": (["taxonRank"], ["speceis"], ("TAXON_RANK_UNKNOWN", "taxonRank", "speceis")),
    "depth": (["minimumDepthInMeters", "maximumDepthInMeters"], ["20", "10"],
              ("DEPTH_MIN_MAX_SWAPPED", "minimumDepthInMeters", "20")),
    "depth in words": (["minimumDepthInMeters"], ["20 m"],
                       ("DEPTH_NON_NUMERIC", "minimumDepthInMeters", "20 m")),
    "too deep": (["maximumDepthInMeters"], ["20000"],
                 ("DEPTH_UNLIKELY", "maximumDepthInMeters", "20000")),
    "identified tomorrow": (["dateIdentified"], ["2027-01-01"],
                            ("IDENTIFIED_DATE_UNLIKELY", "dateIdentified", "2027-01-01")),
    "no such term": (["colour"], ["red"], ("UNKNOWN_TERM", "colour", f"{DWC}colour")),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_cause_is_told_from_the_others(tmp_path: Path, fault: str) -> None:
    terms, row, (code, term, value) = FAULTS[fault]
    good = {"decimalLatitude": "1", "decimalLongitude": "2", "geodeticDatum": "WGS84"}
    found = check(occurrences(tmp_path / "a", terms, [good.get(t, "") for t in terms], row), TODAY)
    line = 1 if code == "UNKNOWN_TERM" else 3
    assert told(found) == {(code, line, term, value)}


def test_coordinates_are_held_against_the_country(tmp_path: Path) -> None:
    terms = ["decimalLatitude", "decimalLongitude", "geodeticDatum", "countryCode"]
    rows = [
        ["59.91", "10.75", "WGS84", "NO"],
        ["10.75", "59.91", "WGS84", "NO"],
        ["-3.10", "60.02", "WGS84", "BR"],
        ["33.87", "151.21", "WGS84", "AU"],
        ["48.86", "2.35", "WGS84", "JP"],
        ["56.0", "3.0", "WGS84", "NO"],  # the North Sea
        ["46.20", "6.15", "WGS84", "FR"],  # Geneva: near the border
    ]
    found = check(occurrences(tmp_path / "a", terms, *rows), TODAY)
    assert told(found) == {
        ("PRESUMED_SWAPPED_COORDINATE", 3, "decimalLatitude", "10.75"),
        ("PRESUMED_NEGATED_LONGITUDE", 4, "decimalLatitude", "-3.10"),
        ("PRESUMED_NEGATED_LATITUDE", 5, "decimalLatitude", "33.87"),
        ("COUNTRY_COORDINATE_MISMATCH", 6, "decimalLatitude", "48.86"),
    }


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        (1, "Specimen", "BASIS_OF_RECORD_INVALID"),
        (1, "", "BASIS_OF_RECORD_INVALID"),
        (0, "", "RECORD_NOT_UNIQUELY_IDENTIFIED"),
        (2, "Apis cf. mellifera", "NAME_WITH_QUALIFIER"),
        (2, "Apis sp. 1", "NAME_WITH_QUALIFIER"),
        (2, "Apis mellifera?", "NAME_WITH_QUALIFIER"),
        (2, "", "SCIENTIFIC_NAME_MISSING"),
        (3, "3/4/2012", "RECORDED_DATE_INVALID"),
        (3, "2020-02-30", "RECORDED_DATE_INVALID"),
        (3, "2020-05-02/2020-05-01", "RECORDED_DATE_INVALID"),
        (3, "2031-01-01", "RECORDED_DATE_UNLIKELY"),
        (3, "1512-01-01", "RECORDED_DATE_UNLIKELY"),
    ],
)
def test_what_every_record_needs(tmp_path: Path, column: int, value: str, code: str) -> None:
    row = list(GOOD)
    row[column] = value
    path = archive(
        tmp_path / "a", described("core", "occ.txt", "Occurrence", HEAD),
        occ=[HEAD, ["o9", *GOOD[1:]], row],
    )  # fmt: skip
    assert told(check(path, TODAY)) == {(code, 3, HEAD[column], value)}


def test_names_that_are_only_names_have_no_qualifier(tmp_path: Path) -> None:
    names = ["Aus spinosus", "Nrus agglomeratus", "Cfia affinis", "Spongilla lacustris"]
    rows = [[f"o{n}", GOOD[1], name, GOOD[3]] for n, name in enumerate(names)]
    path = archive(
        tmp_path / "a", described("core", "occ.txt", "Occurrence", HEAD), occ=[HEAD, *rows]
    )
    assert check(path, TODAY).kinds == []


def test_an_identifier_that_stands_twice_is_told_with_both_lines(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "a", described("core", "occ.txt", "Occurrence", HEAD),
        occ=[HEAD, GOOD, ["o2", *GOOD[1:]], GOOD],
    )  # fmt: skip
    code = "RECORD_NOT_UNIQUELY_IDENTIFIED"
    assert told(check(path, TODAY)) == {
        (code, 2, "occurrenceID", "o0"), (code, 4, "occurrenceID", "o0")
    }  # fmt: skip


def test_rows_that_do_not_fit_and_rows_that_hang_on_nothing(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "a",
        described("core", "occ.txt", "Occurrence", HEAD),
        described("extension", "fact.txt", "MeasurementOrFact", ["", "measurementType",
                                                                 "measurementValue"]),
        occ=[HEAD, GOOD, ["o1", "MaterialSample"]],
        fact=[["id", "type", "value"], ["o0", "length", "3"], ["o7", "length", "4"],
              ["o0", "", "5"]],
    )  # fmt: skip
    assert told(check(path, TODAY)) == {
        ("COLUMN_MISMATCH", 3, "", "o1\tMaterialSample"),
        ("RECORD_REFERENTIAL_INTEGRITY_VIOLATION", 3, "coreid", "o7"),
        ("MEASUREMENT_TYPE_MISSING", 4, "measurementType", ""),
    }


def test_a_descriptor_that_is_wrong_is_told_all_at_once(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "a",
        described("core", "occ.txt", "Occurrence", [*HEAD, "", "", "", "sex"]),
        described("extension", "gone.txt", "Identification", ["", "scientificName"]),
        described("extension", "odd.txt", "http://example.org/Oddity", [""]),
        eml="",
        occ=[HEAD, GOOD],
        odd=[["id"], ["o0"]],
    )
    found = check(path, TODAY)
    assert {(f.code, f.file) for f in found.found} == {
        ("FIELD_INDEX_BEYOND_COLUMNS", "occ.txt"), ("FILE_MISSING", "gone.txt"),
        ("UNKNOWN_ROWTYPE", "odd.txt"), ("EML_NOT_FOUND", "eml.xml"),
    }  # fmt: skip
    assert "sex at 7" in next(f.message for f in found.found if "INDEX" in f.code)


def test_text_that_is_not_utf_8_is_told_and_still_looked_at(tmp_path: Path) -> None:
    path = occurrences(tmp_path / "a", ["taxonRank"], ["genus"])
    file = path / "occ.txt"
    file.write_bytes(file.read_bytes() + "o2\tRobot\tMüllera\t2020\tgenus\n".encode("latin-1"))
    found = check(path, TODAY)
    assert [(f.code, f.line) for f in found.found] == [
        ("BASIS_OF_RECORD_INVALID", 3), ("ENCODING_INVALID", None)
    ]  # fmt: skip


def test_metadata_that_says_nothing_is_told(tmp_path: Path) -> None:
    path = occurrences(tmp_path / "a", ["sex"], ["female"])
    (path / "eml.xml").write_text(
        "<eml><dataset><title>x</title><creator><organizationName>to be filled in"
        "</organizationName></creator></dataset></eml>"
    )
    assert {kind.code for kind in check(path, TODAY).kinds} == {
        "TITLE_MISSING_OR_TOO_SHORT", "DESCRIPTION_MISSING_OR_TOO_SHORT",
        "RESOURCE_CREATOR_MISSING_OR_INCOMPLETE", "RESOURCE_CONTACTS_MISSING_OR_INCOMPLETE",
        "LICENSE_MISSING_OR_UNKNOWN",
    }  # fmt: skip


def test_of_many_findings_the_first_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    path = occurrences(tmp_path / "a", ["taxonRank"], *([["x"]] * 50))
    found = check(path, TODAY, most=4)
    (kind,) = found.kinds
    assert (kind.code, kind.count) == ("TAXON_RANK_UNKNOWN", 50)
    assert [f.line for f in found.found] == [2, 3, 4, 5]


def test_the_gravest_come_first() -> None:
    found = Findings("x")
    for severity in ("info", "warning", "error", "warning"):
        found.add(Finding(severity, severity.upper(), "f", "m"))
    assert [(k.severity, k.count) for k in found.kinds] == [
        ("error", 1), ("warning", 2), ("info", 1)
    ]  # fmt: skip
    assert found.count("warning") == 2


# --- data packages ------------------------------------------------------------------------------


def field(name: str, kind: str = "string") -> dict[str, object]:
    return {"name": name, "title": name, "description": name, "type": kind,
            "dcterms:isVersionOf": f"{DWC}{name}"}  # fmt: skip


def test_a_package_is_held_against_its_own_relations(tmp_path: Path) -> None:
    texts = {
        "event": "event_pk,eventCategory\nE1,occurrence\nE1,occurrence\n",
        "occurrence": "occurrence_pk,event_fk,occurrenceStatus\nO1,E1,detected\nO2,E9,\n",
        "identification": "identification_pk,occurrence_fk,media_fk\nI1,O1,\nI2,,\nI3,O1,P1\n",
        "media": "media_pk,pixelXDimension\nP1,wide\n",
    }
    to = {"event_fk": ("event", "event_pk"), "occurrence_fk": ("occurrence", "occurrence_pk")}
    resources: list[dict[str, object]] = []
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_text(text)
        columns = text.split("\n", 1)[0].split(",")
        schema: dict[str, object] = {
            "fields": [field(c, "integer" if "pixel" in c else "string") for c in columns],
            "primaryKey": columns[0],
            "foreignKeys": [
                {"fields": c, "reference": {"resource": to[c][0], "fields": to[c][1]}}
                for c in columns if c in to
            ],
        }  # fmt: skip
        resources.append({"name": name, "path": f"{name}.csv", "mediatype": "text/csv",
                          "profile": "tabular-data-resource", "schema": schema})  # fmt: skip
    resources.append({"name": "agent", "path": "agent.csv", "mediatype": "text/csv"})
    said = {"profile": PROFILE, "title": "t", "licenses": [{"name": "CC0"}], "id": "x",
            "contributors": [{"title": "A"}], "resources": resources}  # fmt: skip
    (tmp_path / "datapackage.json").write_text(json.dumps(said))
    twice, broken = "RECORD_NOT_UNIQUELY_IDENTIFIED", "RECORD_REFERENTIAL_INTEGRITY_VIOLATION"
    subject = "IDENTIFICATION_SUBJECT_INVALID"
    assert told(check(tmp_path, TODAY), "error") == {
        (twice, 2, "event_pk", "E1"), (twice, 3, "event_pk", "E1"),
        (broken, 3, "event_fk", "E9"),
        ("REQUIRED_VALUE_MISSING", 3, "occurrenceStatus", ""),
        (subject, 3, "identification_pk", "I2"), (subject, 4, "identification_pk", "I3"),
        ("VALUE_NOT_OF_TYPE", 2, "pixelXDimension", "wide"),
        ("FILE_MISSING", None, "", ""),
    }  # fmt: skip


def test_what_our_own_writers_fake_passes(tmp_path: Path) -> None:
    """Without metadata, but with rows that hang together."""
    for name in ("dwc-a", "dwc-dp"):
        found = check(find_format(name).fake(tmp_path, 1), TODAY)
        wrong = {k.code for k in found.kinds if k.severity == "error"}
        assert wrong == {"LICENSE_MISSING_OR_UNKNOWN"}


@pytest.mark.parametrize("text", ["", "not an archive\n", "<archive>"])
def test_what_is_neither_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.txt"
    file.write_text(text)
    with pytest.raises(FormatError, match="is no Darwin Core Archive, data package or table"):
        check(file, TODAY)


def test_damaged_archives_end_in_findings(tmp_path: Path) -> None:
    path = occurrences(tmp_path / "a", ["sex"], ["female"])
    for text in ("<archive><core>", "<archive/>", "<!DOCTYPE x><archive/>", ""):
        (path / "meta.xml").write_text(text)
        found = check(path, TODAY)
        assert found.count("error") >= 1
        assert found.kinds[0].file == "meta.xml"


# --- real archives ------------------------------------------------------------------------------


def test_a_real_archive_whose_descriptor_links_rows_by_their_own_ids(shared: Path) -> None:
    """iRfcb's example: meta.xml names occurrenceID and measurementID as coreid."""
    path = shared / "plankton/ifcb_irfcb/vignettes/articles/files/iRfcb-DwC-A.zip"
    if not path.exists():
        pytest.skip("iRfcb's archive is not there")
    found = check(path, TODAY)
    assert found.rows == {"Event.txt": 10, "Occurrence.txt": 101, "MeasurementOrFact.txt": 415}
    with zipfile.ZipFile(path) as packed:
        core = packed.read("Event.txt").decode().splitlines()
    assert len(core) == 11
    errors = {(k.code, k.file, k.term) for k in found.kinds if k.severity == "error"}
    assert errors == {
        ("COREID_WRONG", "Occurrence.txt", "occurrenceID"),
        ("COREID_WRONG", "MeasurementOrFact.txt", "measurementID"),
        ("LICENSE_MISSING_OR_UNKNOWN", "eml.xml", "intellectualRights"),
    }


def test_real_tables_without_a_descriptor(shared: Path) -> None:
    path = shared / "plankton/ifcb_obis_dwc/output"
    if not path.exists():
        pytest.skip("the tables for OBIS are not there")
    found = check(path, TODAY)
    assert found.rows == {"event.csv": 16, "occurrence.csv": 32}
    assert {k.code for k in found.kinds if k.severity == "error"} >= {"DWCA_META_XML_NOT_FOUND"}


def test_a_real_checklist(shared: Path) -> None:
    path = shared / "taxonomy/worms_dwca_sample/dwca/10"
    if not path.exists():
        pytest.skip("the sample of WoRMS is not there")
    found = check(path, TODAY)
    assert found.rows == {"worms.txt": 99}
    assert [(k.code, k.count) for k in found.kinds] == [("EML_NOT_FOUND", 1)]


def test_a_table_for_ecotaxa_is_judged_by_its_import(tmp_path: Path) -> None:
    path = find_format("ecotaxa").fake(tmp_path, 1)
    table = next(iter(sorted((path if path.is_dir() else path.parent).rglob("*.tsv"))))
    text = table.read_text(encoding="latin-1")
    head = text.split("\n", 1)[0].split("\t")
    before = check(table, TODAY)
    rows = text.splitlines()
    cells = rows[2].split("\t")
    cells[head.index("object_lat")] = "91"
    table.write_text("\n".join([*rows[:2], "\t".join(cells), *rows[3:]]) + "\n", encoding="latin-1")
    after = check(table, TODAY)
    assert after.count("error") == before.count("error") + 1
    told = next(f for f in after.found if f.term == "object_lat" and f.value == "91")
    assert (told.code, told.line, told.severity) == ("ECOTAXA_REFUSES", 3, "error")
    assert "-90 to 90" in told.message
