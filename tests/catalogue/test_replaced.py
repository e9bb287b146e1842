"""Readers of a catalogue whose names a map of labels or a migration has said again."""

from __future__ import annotations

from pathlib import Path

import pytest

from merian.audit import audit_pictures
from merian.catalogue import Catalogue
from merian.catalogue.definitions import own_answer
from merian.catalogue.splits.records import number_records
from merian.database import connect
from merian.formats import find_format, read_path
from merian.library.reading import split_rows

_AGAIN = """
INSERT INTO identification BY NAME SELECT * REPLACE (identificationID || '~' AS identificationID,
    identificationID AS replacesIdentificationID, 'Newer' AS scientificName,
    'Newer' AS genus, '{run}' AS runID) FROM identification
"""


def say_again(catalogue: Catalogue, run: str = "later") -> None:
    catalogue._writer().execute(_AGAIN.format(run=run)).fetchall()


def test_names_that_were_replaced_are_not_counted(catalogue: Catalogue, make) -> None:
    catalogue.ingest(make([
        {"occurrenceID": str(n), "genus": name, "scientificName": name}
        for n, name in enumerate(("Osmia", "Apis"))
    ]))  # fmt: skip
    assert catalogue.info().names["genus"] == 2
    say_again(catalogue)
    assert catalogue.info().names["genus"] == 1


def test_a_split_takes_the_name_that_stands_by_a_picture(catalogue: Catalogue) -> None:
    catalogue._writer().execute("INSERT INTO media BY NAME SELECT 'm' AS mediaID").fetchall()
    catalogue._writer().execute(
        "INSERT INTO identification BY NAME SELECT 'i' AS identificationID, 'm' AS mediaID, "
        "'human' AS agentType, 'Osmia' AS scientificName"
    ).fetchall()
    say_again(catalogue)
    con = catalogue._writer()
    number_records(con, None)
    assert con.execute("SELECT DISTINCT scientificName FROM named").fetchall() == [("Newer",)]


def test_what_stands_of_rows_in_hand_is_a_table(make, tmp_path: Path) -> None:
    rows = make([{"occurrenceID": "1", "nucleotideSequenceID": "s", "sequence": "ACGT"}])
    with split_rows(rows, tmp_path, lambda *_: None) as staging:
        kind = staging.con.execute(
            "SELECT table_type FROM information_schema.tables WHERE table_name = 'determination'"
        ).fetchall()
    assert kind == [("BASE TABLE",)]


def test_points_are_written_once_with_their_own_suggestions(tmp_path: Path) -> None:
    table = tmp_path / "annotations.csv"
    table.write_text(
        "Name,Row,Column,Label,Annotator,Machine suggestion 1,Machine confidence 1\n"
        "a.jpg,1,2,CCA,a.diver,Turf,60\n"
    )
    write = find_format("coralnet").write
    assert write
    with Catalogue.create(tmp_path / "catalogue") as catalogue:
        catalogue.ingest(read_path(table))
        write(catalogue, tmp_path / "before.csv")
        say_again(catalogue)
        catalogue._writer().execute(
            "UPDATE identification SET identificationReferences = "
            "'label map x; ' || identificationReferences, agentType = 'human' "
            "WHERE replacesIdentificationID IS NOT NULL"
        ).fetchall()
        write(catalogue, tmp_path / "after.csv")
    assert (tmp_path / "after.csv").read_bytes() == (tmp_path / "before.csv").read_bytes()


def test_a_picture_in_two_classes_is_found_after_a_map_was_applied(
    tmp_path: Path, pictures_in_two_classes: Path
) -> None:
    with Catalogue.create(tmp_path / "catalogue") as catalogue:
        catalogue.ingest(read_path(pictures_in_two_classes))
        say_again(catalogue)
    with audit_pictures([tmp_path / "catalogue"], processes=1) as done:
        labels = done.con.execute("SELECT DISTINCT label FROM item").fetchall()
    assert labels == [("Apis | Osmia",)]


@pytest.fixture
def pictures_in_two_classes(tmp_path: Path) -> Path:
    """One record that its source names twice."""
    from PIL import Image

    Image.new("RGB", (40, 40), "white").save(tmp_path / "one.png")
    table = tmp_path / "names.csv"
    table.write_text(
        "occurrenceID,accessURI,verbatimIdentification\n"
        + "".join(f"1,{tmp_path / 'one.png'},{name}\n" for name in ("Apis", "Osmia"))
    )
    return table


@pytest.mark.parametrize(
    ("verb", "agent", "label", "who", "own"),
    [
        ("identify", "machine", None, "Merian 1, library x", True),
        ("migrate", "machine", None, "Merian 1, library x", True),
        ("migrate", "human", None, None, False),
        ("migrate", "human", "tuft", "Merian 1", False),
        ("migrate", "machine", "tuft", "Merian 1", False),
        ("import", "machine", None, "Merian 1", False),
        (None, None, None, None, False),
    ],
)
def test_own_answers_stay_so_and_nobody_elses_become_so(verb, agent, label, who, own) -> None:
    with connect(memory="100MB") as con:
        found = con.execute(
            f"SELECT {own_answer('i', 'r')} FROM (SELECT ? AS agentType, ? AS "
            "verbatimIdentification, ? AS identifiedBy) i, (SELECT ? AS verb) r",
            [agent, label, who, verb],
        ).fetchall()
    assert found == [(own,)]
