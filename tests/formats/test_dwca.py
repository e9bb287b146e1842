"""Darwin Core Archives: how rows hang together, also where the descriptor is wrong."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from tests.formats.drawn import catalogues, chunks, contents

from merian.catalogue import TABLES, Catalogue, Delimited, Reading, Rows, Summary
from merian.errors import FormatError
from merian.formats import find_format, read_path, sniff

Take = Callable[[Reading], tuple[Catalogue, Summary]]
DWC = "http://rs.tdwg.org/dwc/terms/"


def table(kind: str, key: str, file: str, row_type: str, terms: str, default: str = "") -> str:
    fields = "".join(
        f'<field index="{index}" term="{DWC}{term}"/>'
        for index, term in enumerate(terms.split(","))
        if term
    )
    return (
        f'<{kind} rowType="{row_type}" fieldsTerminatedBy="," ignoreHeaderLines="1" '
        f'encoding="UTF-8"><files><location>{file}</location></files><{key} index="0"/>'
        f"{fields}{default}</{kind}>"
    )


def archive(folder: Path, *tables: str, **files: str) -> Path:
    folder.mkdir()
    (folder / "meta.xml").write_text(
        '<archive xmlns="http://rs.tdwg.org/dwc/text/">' + "".join(tables) + "</archive>"
    )
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


@pytest.fixture
def cruise(tmp_path: Path) -> Path:
    """An archive with events at its core, whose occurrences name no event themselves."""
    return archive(
        tmp_path / "cruise",
        table("core", "id", "event.csv", f"{DWC}Event", "eventID,year,month,day,decimalLatitude"),
        table(
            "extension", "coreid", "occ.csv", f"{DWC}Occurrence",
            ",occurrenceID,scientificName,scientificNameAuthorship,taxonRank,associatedMedia",
            f'<field default="MachineObservation" term="{DWC}basisOfRecord"/>',
        ),
        table(
            "extension", "coreid", "fact.csv",
            "http://rs.iobis.org/obis/terms/ExtendedMeasurementOrFact",
            ",occurrenceID,measurementType,measurementValue",
        ),
        table("extension", "coreid", "odd.csv", "http://example.org/Oddity", ""),
        event="id,y,m,d,lat\nE1,2021,9,6,32.9\nE2,2021,,,33\n",
        occ="id,occ,name,author,rank,media\n"
        'E1,O1,"Mesodinium rubrum Lohmann, 1908","Lohmann, 1908",Species,http://a/1|http://a/2\n'
        "E2,O2,Ciliophora,,phylum,\n",
        fact="id,occ,type,value\nE1,O1,length,12\nE1,,volume,5\n",
        odd="id\nE1\n",
    )  # fmt: skip


def test_occurrences_hang_on_the_events_of_their_core(cruise: Path, take_in: Take) -> None:
    assert sniff(cruise).name == "dwc-a"
    reading = read_path(cruise)
    assert "the extension Oddity is ignored" in reading.notes
    catalogue, summary = take_in(reading)
    assert summary.rows_rejected == summary.values_rejected == 0
    found = catalogue.query(
        "SELECT occurrenceID, eventID, eventDate, decimalLatitude, basisOfRecord "
        "FROM occurrence JOIN event USING (eventID) ORDER BY 1"
    ).fetch()
    assert found == [
        ("O1", "E1", "2021-09-06", 32.9, "MachineObservation"),
        ("O2", "E2", "2021", 33.0, "MachineObservation"),
    ]


def test_a_name_is_taken_without_its_author(cruise: Path, take_in: Take) -> None:
    catalogue, _ = take_in(read_path(cruise))
    found = catalogue.query(
        "SELECT scientificName, scientificNameAuthorship, taxonRank, species, "
        "verbatimIdentification FROM identification ORDER BY occurrenceID"
    ).fetch()
    assert found == [
        ("Mesodinium rubrum", "Lohmann, 1908", "species", "Mesodinium rubrum",
         "Mesodinium rubrum Lohmann, 1908"),
        ("Ciliophora", None, "phylum", None, "Ciliophora"),
    ]  # fmt: skip


def test_a_measurement_is_of_the_occurrence_or_else_of_the_event(
    cruise: Path, take_in: Take
) -> None:
    catalogue, _ = take_in(read_path(cruise))
    found = catalogue.query(
        "SELECT occurrenceID, eventID, measurementType, measurementValueNumeric "
        "FROM measurement ORDER BY 3"
    ).fetch()
    assert found == [("O1", None, "length", 12.0), (None, "E1", "volume", 5.0)]


def test_media_in_one_field_are_parted(cruise: Path, take_in: Take) -> None:
    catalogue, _ = take_in(read_path(cruise))
    found = catalogue.query("SELECT occurrenceID, accessURI FROM media ORDER BY 2").fetch()
    assert found == [("O1", "http://a/1"), ("O1", "http://a/2")]


def test_a_zip_is_unpacked_for_as_long_as_it_is_read(cruise: Path, take_in: Take) -> None:
    path = cruise.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as packed:
        for file in cruise.iterdir():
            packed.write(file, f"inside/{file.name}")
    reading = read_path(path)
    (source, *_) = reading.sources
    assert isinstance(source, Delimited)
    where = source.path
    _, summary = take_in(reading)
    assert summary.added["occurrence"] == 2
    assert where.exists()
    del reading
    assert not where.exists()


def test_identifications_of_the_core_are_not_taken_twice(tmp_path: Path, take_in: Take) -> None:
    parts = (
        table("core", "id", "occ.csv", f"{DWC}Occurrence", "occurrenceID,scientificName"),
        table(
            "extension", "coreid", "name.csv", f"{DWC}Identification",
            ",identificationID,scientificName,identifiedBy",
        ),
    )  # fmt: skip
    core = "id,name\nO1,Aedes aegypti\nO2,\nO3,Apis mellifera\n"
    some = "id,key,name,by\nO1,I1,Aedes aegypti,A\nO1,I2,Aedes albopictus,B\n"
    whole = archive(tmp_path / "whole", *parts, occ=core, name=some + "O3,I3,Apis mellifera,A\n")
    catalogue, _ = take_in(read_path(whole))
    count = "SELECT count(*) FROM identification"
    assert catalogue.query(count).value() == 3
    partly = archive(tmp_path / "partly", *parts, occ=core, name=some)
    catalogue, _ = take_in(read_path(partly))
    found = catalogue.query("SELECT DISTINCT occurrenceID FROM identification ORDER BY 1").fetch()
    assert found == [("O1",), ("O3",)]


def test_a_checklist_is_sent_to_the_taxonomy(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "list",
        table("core", "id", "taxon.csv", f"{DWC}Taxon", "taxonID,scientificName"),
        taxon="id,name\n1,Aedes aegypti\n",
    )
    assert find_format("dwc-a").sniff(path) == 0
    with pytest.raises(FormatError, match="merian taxonomy build"):
        read_path(path, format="dwc-a")


def test_a_reject_names_the_archive_and_not_its_copy(tmp_path: Path, new_catalogue) -> None:
    """The copy that was unpacked has another name each time, and is gone."""
    folder = find_format("dwc-a").fake(tmp_path / "fake", 1)
    table = folder / "occurrence.txt"
    table.write_text(table.read_text().rstrip("\n") + "\nonly two\tfields\n")
    packed = tmp_path / "archive.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    found = []
    for _ in range(2):
        catalogue = new_catalogue()
        catalogue.ingest(read_path(packed))
        found.append(catalogue.query("SELECT file, reason FROM rejects").fetch())
    assert found[0] == found[1]
    assert [file for file, _ in found[0]] == [str(packed / "occurrence.txt")]


def attached(rows: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    """Let everything drawn belong to an occurrence: an archive holds nothing else."""
    known = {row["occurrenceID"] for row in rows["occurrence"]}
    at = {row["eventID"] for row in rows["occurrence"]}
    things: dict[object, object] = {}
    for row in rows["material"]:
        things.setdefault(row["occurrenceID"] if row["occurrenceID"] in known else "O0",
                          row["materialEntityID"])  # fmt: skip
    thing_of = {thing: owner for owner, thing in things.items()}

    def hung(row: dict[str, object]) -> dict[str, object]:
        owner = row.get("occurrenceID")
        owner = owner if owner in known else "O0"
        told = {**row, "occurrenceID": owner}
        if thing_of.get(row.get("materialEntityID")) != owner:
            told.pop("materialEntityID", None)
        return told

    pictures = {row["mediaID"]: hung(row) for row in rows["media"]}
    barcodes = {row["nucleotideSequenceID"]: hung(row) for row in rows["sequence"]}

    def of(row: dict[str, object]) -> dict[str, object]:
        """Hang a row on the occurrence of its picture or barcode, where it has one."""
        owner = (pictures.get(row.get("mediaID")) or barcodes.get(row.get("nucleotideSequenceID"))
                 or {}).get("occurrenceID")  # fmt: skip
        gone = [name for name in ("mediaID", "nucleotideSequenceID")
                if row.get(name) and owner is None]  # fmt: skip
        kept = {name: value for name, value in row.items() if name not in gone}
        return hung({**kept, "occurrenceID": owner or row.get("occurrenceID")})

    measured = [row if row.get("eventID") in at - {None} else {**of(row), "eventID": None}
                for row in rows["measurement"]]  # fmt: skip
    return {
        "event": [row for row in rows["event"] if row["eventID"] in at],
        "occurrence": rows["occurrence"],
        "material": [{**row, "occurrenceID": thing_of[row["materialEntityID"]]}
                     for row in rows["material"] if row["materialEntityID"] in thing_of],
        "media": list(pictures.values()),
        "sequence": list(barcodes.values()),
        "identification": [of(row) for row in rows["identification"]],
        "measurement": measured,
    }  # fmt: skip


def plainly(catalogue: Catalogue) -> dict[str, list[list[object]]]:
    """Return all rows, without what an archive adds on purpose and the shape of blanks."""
    added = {"occurrence": ("organismQuantity", "organismQuantityType"),
             "identification": ("identificationVerificationStatus", "species")}  # fmt: skip
    found = {}
    for name, rows in contents(catalogue).items():
        places = [place for place, column in enumerate(TABLES[name].columns)
                  if column not in added.get(name, ())]  # fmt: skip
        found[name] = sorted(
            ([re.sub(r"[\t\n]", " ", row[p]) if isinstance(row[p], str) else row[p] for p in places]
             for row in rows), key=repr,
        )  # fmt: skip
    return found


@settings(
    max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(catalogues().map(attached))
def test_nothing_is_lost_through_an_archive(rows: dict[str, list[dict[str, object]]]) -> None:
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
            find_format("dwc-a").write(first, folder / "archive")  # type: ignore[misc]
            summary = second.ingest(read_path(folder / "archive"))
            assert not summary.rejected
            assert plainly(second) == plainly(first)
