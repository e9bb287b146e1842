"""Darwin Core Data Packages: those of others, and that nothing is lost through our own."""

from __future__ import annotations

import gzip
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from tests.formats.drawn import catalogues, chunks, contents

from merian.catalogue import Catalogue, Reading, Rows, Summary
from merian.errors import FormatError
from merian.formats import find_format, read_path, sniff
from merian.formats.dwc_dp_tables import package_tables
from merian.formats.dwc_dp_write import PROFILE

Take = Callable[[Reading], tuple[Catalogue, Summary]]


def package(folder: Path, profile: str = PROFILE, **tables: str) -> Path:
    """Write a package; a table's name may have _ for -."""
    folder.mkdir(exist_ok=True)
    resources = []
    for key, text in tables.items():
        name = key.replace("_", "-")
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        resources.append(
            {"name": name, "path": f"{name}.csv", "profile": "tabular-data-resource",
             "mediatype": "text/csv"}
        )  # fmt: skip
    said = {"profile": profile, "resources": resources}
    (folder / "datapackage.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def test_a_package_of_a_draft_relates_rows_by_their_ids(tmp_path: Path, take_in: Take) -> None:
    path = package(
        tmp_path / "birds",
        "http://rs.tdwg.org/dwc-dp/0.1/dwc-dp-profile.json",
        event="eventID,eventDate,locationID\nS1,2025-04-26T20:57:00+02:00,L4\n",
        occurrence="occurrenceID,eventID,scientificName,organismQuantity,organismQuantityType\n"
        "1,S1,Apus apus,3,individuals\n2,S1,Turdus merula,12.5,% biomass\n",
    )
    assert sniff(path).name == "dwc-dp"
    catalogue, summary = take_in(read_path(path))
    assert summary.rows_rejected == summary.values_rejected == 0
    found = catalogue.query(
        "SELECT occurrenceID, eventDate, individualCount, organismQuantity, organismQuantityType, "
        "scientificName FROM occurrence JOIN event USING (eventID) "
        "JOIN determination USING (occurrenceID) ORDER BY 1"
    ).fetch()
    assert found == [
        ("1", "2025-04-26T20:57:00+02:00", 3, None, None, "Apus apus"),
        ("2", "2025-04-26T20:57:00+02:00", None, "12.5", "% biomass", "Turdus merula"),
    ]


def test_what_two_tables_say_together_is_joined(tmp_path: Path, take_in: Take) -> None:
    path = package(
        tmp_path / "p",
        event="event_pk,eventProtocol_fk\nE1,p1\n",
        protocol="protocol_pk,protocolName\np1,bottom trawl\n",
        occurrence="occurrence_pk,event_fk,occurrenceStatus\nO1,E1,notDetected\n",
        agent="agent_pk,preferredAgentName\na1,A. Net\n",
        occurrence_agent_role="occurrence_fk,agent_fk,agentRoleOrder\nO1,a1,1\n",
        material="materialEntity_pk,evidenceForOccurrence_fk\nM1,O1\n",
        media="media_pk,accessURI,usagePolicy_fk\nP1,https://e.org/1.jpg,u1\n",
        usage_policy="usagePolicy_pk,license,rightsHolder\nu1,CC BY 4.0,A museum\n",
        material_media="media_fk,materialEntity_fk,subjectPartLiteral\nP1,M1,wing\n",
        nucleotide_sequence="nucleotideSequence_pk,sequence\nN1,ACGTAC\n",
        molecular_protocol="molecularProtocol_pk,target_gene,pcr_primer_forward\nm1,COI,GGTC\n",
        nucleotide_analysis="nucleotideAnalysis_pk,molecularProtocol_fk,nucleotideSequence_fk,"
        "materialEntity_fk,readCount\nX1,m1,N1,M1,7\n",
        media_assertion="assertionID,media_fk,assertionType,assertionValue\nA1,P1,length,3\n",
        survey="survey_pk\ns\n",
    )
    reading = read_path(path)
    assert "tables that are ignored: survey" in reading.notes
    catalogue, summary = take_in(reading)
    assert not summary.rejected

    def asked(columns: str, table: str) -> tuple[object, ...]:
        return catalogue.query(f"SELECT {columns} FROM {table}").fetch()[0]

    assert asked("eventID, samplingProtocol", "event") == ("E1", "bottom trawl")
    assert asked("recordedBy, occurrenceStatus", "occurrence") == ("A. Net", "absent")
    assert asked("license, rightsHolder, materialEntityID, subjectPart", "media") == (
        "CC BY 4.0", "A museum", "M1", "wing"
    )  # fmt: skip
    assert asked("sequence, targetGene, pcrPrimerForward, materialEntityID, readCount",
                 "sequence") == ("ACGTAC", "COI", "GGTC", "M1", 7)  # fmt: skip
    assert asked("mediaID, measurementType, measurementValueNumeric", "measurement") == (
        "P1", "length", 3.0
    )  # fmt: skip


def test_names_of_occurrences_are_not_taken_twice(tmp_path: Path, take_in: Take) -> None:
    occurrence = "occurrence_pk,event_fk,scientificName\nO1,E1,Apis mellifera\nO2,E1,\n"
    names = "identification_pk,occurrence_fk,scientificName,identifiedBy\n"
    both = package(
        tmp_path / "both", event="event_pk\nE1\n", occurrence=occurrence,
        identification=names + "I1,O1,Apis mellifera,A\nI2,O2,Bombus terrestris,B\n",
    )  # fmt: skip
    catalogue, _ = take_in(read_path(both))
    count = "SELECT count(*) FROM identification"
    assert catalogue.query(count).value() == 2
    other = package(tmp_path / "other", event="event_pk\nE1\n", occurrence=occurrence,
                    identification=names + "I2,O2,Bombus terrestris,B\n")  # fmt: skip
    reading = read_path(other)
    assert any("names that no identification gives" in note for note in reading.notes)
    catalogue, _ = take_in(reading)
    assert catalogue.query(count).value() == 2


def test_gzipped_tables_and_a_zip_around_all(tmp_path: Path, take_in: Take) -> None:
    path = package(tmp_path / "p", event="event_pk\nE1\n")
    said = json.loads((path / "datapackage.json").read_text())
    said["resources"][0]["path"] = "event.csv.gz"
    (path / "datapackage.json").write_text(json.dumps(said))
    (path / "event.csv.gz").write_bytes(gzip.compress(b"event_pk,eventDate\nE1,2020\nE2,x\n"))
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as packed:
        for file in ("datapackage.json", "event.csv.gz"):
            packed.write(path / file, f"inside/{file}")
    assert sniff(tmp_path / "p.zip").name == "dwc-dp"
    catalogue, summary = take_in(read_path(tmp_path / "p.zip"))
    assert summary.added["event"] == 2
    found = catalogue.query("SELECT file, line, term FROM rejects").fetch()
    assert found == [(str(tmp_path / "p.zip" / "event.csv.gz"), 3, "eventDate")]


def test_a_bad_row_beside_good_ones_is_set_aside_with_its_line(
    tmp_path: Path, take_in: Take
) -> None:
    path = package(
        tmp_path / "p", event="event_pk\nE1\n",
        occurrence="occurrence_pk,event_fk\nO1,E1\nO2\nO3,E1,more\n",
    )  # fmt: skip
    catalogue, summary = take_in(read_path(path))
    assert summary.added["occurrence"] == 1
    found = catalogue.query("SELECT line, reason FROM rejects ORDER BY 1").fetch()
    assert found == [(3, "found 1 field, expected 2"), (4, "found 3 fields, expected 2")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is no JSON"),
        ("[]", "no list of resources"),
        ('{"profile": "http://rs.tdwg.org/dwc-dp/1.0/x", "resources": [1]}', "without a name"),
        ('{"profile": "tabular-data-package", "resources": []}', "its profile is tabular"),
        ('{"profile": "http://rs.tdwg.org/dwc-dp/1.0/x", "resources": []}', "none of the tables"),
        ('{"profile": "dwc-dp", "resources": [{"name": "event", "path": "../e.csv"}]}',
         "leads out of its own folder"),
    ],
)  # fmt: skip
def test_what_is_no_package_says_why(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "datapackage.json").write_text(text)
    with pytest.raises(FormatError, match=why):
        read_path(tmp_path, format="dwc-dp")


def test_a_package_without_its_profile_is_told(tmp_path: Path) -> None:
    path = package(tmp_path / "p", "", event="event_pk\nE1\n")
    dwc_dp = find_format("dwc-dp")
    assert dwc_dp.sniff(path) == 0
    assert dwc_dp.lacks is not None
    assert "does not name its profile" in dwc_dp.lacks(path)


def test_every_field_is_one_of_a_term(tmp_path: Path, take_in: Take) -> None:
    """The standard asks for a title, a description and a term with an address."""
    for table in package_tables():
        assert len({field.name for field in table.fields}) == len(table.fields)
        for field in table.fields:
            assert field.title, field
            assert field.meaning, field
            assert field.type in {"string", "integer", "number", "boolean"}
            assert table.ours or field.term.startswith("http"), field


# --- nothing is lost ----------------------------------------------------------------------------


@settings(
    max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(catalogues())
def test_nothing_is_lost_through_a_package(rows: dict[str, list[dict[str, object]]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        source.write_text(json.dumps(rows))
        sources = [Rows(source, table, chunks(found)) for table, found in rows.items() if found]
        with (
            Catalogue.create(folder / "a", threads=1) as first,
            Catalogue.create(folder / "b", threads=1) as second,
        ):
            first.ingest(Reading("drawn", tuple(sources), (source,)))
            find_format("dwc-dp").write(first, folder / "package")  # type: ignore[misc]
            summary = second.ingest(read_path(folder / "package"))
            assert not summary.rejected
            assert contents(second) == contents(first)
