"""Maps of labels applied: appended beside what stands, once, and again only where they change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merian.catalogue import Catalogue
from merian.errors import CatalogueError
from merian.taxonomy import TaxonomyLock
from merian.taxonomy.label_errata import with_errata
from merian.taxonomy.label_map import LabelMap, LabelTarget, read_label_map

LOCK = TaxonomyLock("List of life", "2026-01", "00ff00ff")
ANIMALS = {"kingdom": "Animalia", "phylum": "Arthropoda"}


def row(label: str, name: str = "", *, source: str = "", **more: Any) -> LabelTarget:
    """A row of a map: a genus of animals, or no taxon."""
    lineage = ANIMALS | {"genus": name} if name else {}
    given = {"kind": "living" if name else "detritus", "status": "accepted", **more}
    kind = given.pop("kind")
    return LabelTarget(source, label, lineage, name or kind, kind, "", None, {}, 2,
                       taxon_id=name and f"id:{name}", **given)  # fmt: skip


def a_map(*rows: LabelTarget, name: str = "map.tsv") -> LabelMap:
    path = Path(__file__)  # any file that is there: its hash is an input of the run
    return LabelMap(path.with_name(path.name), {(r.source, r.label): r for r in rows}, (), LOCK)


@pytest.fixture
def filled(catalogue: Catalogue, make) -> Catalogue:
    rows = [
        ("1", "zoo", "nauplii_Calanus", ""),
        ("2", "zoo", "tuft", ""),
        ("3", "uvp", "tuft", ""),
        ("4", "uvp", "blob", ""),
        ("5", "uvp", "new", ""),
    ]
    catalogue.ingest(make([
        {"occurrenceID": key, "datasetName": source, "verbatimIdentification": label,
         "dateIdentified": date}
        for key, source, label, date in rows
    ]))  # fmt: skip
    return catalogue


MAP = a_map(
    row("nauplii_Calanus", "Calanus", life_stage="nauplius", reason="the name"),
    row("tuft", "Trichodesmium", source="uvp", multiple=True),
    row("tuft", "Acartia"),
    row("blob"),
    row("new", kind="unsure"),
    row("gone", "Calanus"),
)
STANDS = "SELECT occurrenceID, scientificName, taxonID FROM determination ORDER BY 1"


def test_each_label_is_read_as_its_source_means_it(filled: Catalogue) -> None:
    done = filled.apply_labels(MAP)
    assert (done.revision, done.appended) == (1, 4)
    assert done.by_kind == {"detritus": 1, "taxon": 3}
    assert done.undecided == (("uvp", "new", 1),)
    assert (done.unmapped, done.unused) == ((), 1)
    assert filled.query(STANDS).fetch()[:4] == [
        ("1", "Calanus", "id:Calanus"),
        ("2", "Acartia", "id:Acartia"),
        ("3", "Trichodesmium", "id:Trichodesmium"),
        ("4", None, None),
    ]
    sql = (
        "SELECT agentType, taxonRank, phylum, taxonomyLock, verbatimIdentification, "
        "identificationRemarks, identifiedBy FROM identification WHERE taxonID = 'id:Calanus'"
    )
    ((*said, by),) = filled.query(sql).fetch()
    assert said == ["human", "genus", "Arthropoda", str(LOCK), "nauplii_Calanus",
                    "taxon; life stage nauplius; because the name"]  # fmt: skip
    assert by.startswith("Merian ")
    assert filled.query("SELECT count(*) FROM identification").fetch() == [(9,)]


def test_applied_again_it_does_nothing(filled: Catalogue) -> None:
    filled.apply_labels(MAP)
    before = filled.query("SELECT * FROM identification ORDER BY ALL").fetch()
    again = filled.apply_labels(MAP)
    assert (again.run, again.appended, again.revision) == ("", 0, 1)
    assert filled.query("SELECT * FROM identification ORDER BY ALL").fetch() == before
    assert filled.query("SELECT count(*) FROM run").fetch() == [(2,)]


def test_errata_change_what_they_name_and_nothing_else(filled: Catalogue) -> None:
    filled.apply_labels(MAP)
    erratum = row("tuft", "Oithona", source="zoo", by="M. Sibylla", reason="looked at 20")
    done = filled.apply_labels(with_errata(MAP, a_map(erratum)))
    assert (done.revision, done.by_kind) == (2, {"taxon": 1})
    assert filled.query(STANDS).fetch()[1] == ("2", "Oithona", "id:Oithona")
    sql = "SELECT count(*) FROM identification WHERE occurrenceID = '2'"
    assert filled.query(sql).fetch() == [(3,)]  # the label, the map, the erratum
    back = filled.apply_labels(MAP)
    assert (back.revision, back.appended) == (3, 1)
    assert filled.query(STANDS).fetch()[1] == ("2", "Acartia", "id:Acartia")


def test_an_erratum_replaces_what_was_said_again_since(filled: Catalogue) -> None:
    """A migration says what stands again in a newer checklist; then an erratum comes."""
    filled.apply_labels(MAP)
    filled._writer().execute(
        "INSERT INTO identification BY NAME SELECT * REPLACE ('Newer' AS scientificName, "
        "identificationID AS replacesIdentificationID, identificationID || '+1' AS "
        "identificationID) FROM identification WHERE taxonID IS NOT NULL"
    ).fetchall()
    assert filled.query(STANDS).fetch()[:2] == [
        ("1", "Newer", "id:Calanus"), ("2", "Newer", "id:Acartia")
    ]  # fmt: skip
    erratum = row("tuft", "Oithona", source="zoo", by="M. Sibylla", reason="looked at 20")
    done = filled.apply_labels(with_errata(MAP, a_map(erratum)))
    assert done.appended == 1
    assert filled.query(STANDS).fetch()[:2] == [
        ("1", "Newer", "id:Calanus"), ("2", "Oithona", "id:Oithona")
    ]  # fmt: skip
    # Each was replaced by one at most, so that exactly one stands.
    sql = (
        "SELECT max(n) FROM (SELECT count(*) AS n FROM identification "
        "WHERE replacesIdentificationID IS NOT NULL GROUP BY replacesIdentificationID)"
    )
    assert filled.query(sql).fetch() == [(1,)]


def test_what_the_map_no_longer_decides_gets_its_label_back(filled: Catalogue) -> None:
    first = filled.query(STANDS).fetch()
    filled.apply_labels(MAP)
    rejected = replace(MAP.targets["", "nauplii_Calanus"], status="rejected")
    done = filled.apply_labels(
        replace(MAP, targets={**MAP.targets, ("", rejected.label): rejected})
    )
    assert done.by_kind == {"withdrawn": 1}
    assert filled.query(STANDS).fetch()[0] == first[0]
    everything = {key: replace(t, status="rejected") for key, t in MAP.targets.items()}
    filled.apply_labels(replace(MAP, targets=everything))
    assert filled.query(STANDS).fetch() == first


def test_what_a_person_says_besides_stands_where_it_stood(filled: Catalogue, make) -> None:
    """Earlier or later, dated or not: the map takes the place of the label alone."""
    taylor = {"verbatimIdentification": "Metridia", "identifiedBy": "A. Taylor"}
    for key, date in (("1", "2019-05-01"), ("2", "")):
        filled.ingest(make([{"occurrenceID": key, "dateIdentified": date, **taylor}]))
    before = dict(filled.query("SELECT occurrenceID, identifiedBy FROM determination").fetch())
    assert before["1"] == "A. Taylor"
    filled.apply_labels(MAP)
    after = dict(filled.query("SELECT occurrenceID, identifiedBy FROM determination").fetch())
    assert after["1"] == "A. Taylor"
    assert (after["2"] == "A. Taylor") == (before["2"] == "A. Taylor")


def test_records_that_came_since_are_read_without_the_others(filled: Catalogue, make) -> None:
    filled.apply_labels(MAP)
    filled.ingest(make([{"occurrenceID": "9", "datasetName": "uvp",
                         "verbatimIdentification": "tuft"}]))  # fmt: skip
    done = filled.apply_labels(MAP)
    assert (done.appended, done.by_kind) == (1, {"taxon": 1})
    assert filled.query(STANDS).fetch()[-1] == ("9", "Trichodesmium", "id:Trichodesmium")
    assert filled.apply_labels(MAP).appended == 0


def test_pictures_have_the_source_of_their_occurrence(catalogue: Catalogue, make) -> None:
    rows = [
        {"occurrenceID": f"o{n}", "datasetName": source, "mediaID": f"m{n}",
         "accessURI": f"{n}.png", "verbatimIdentification": "tuft"}
        for n, source in enumerate(["zoo", "uvp"])
    ]  # fmt: skip
    catalogue.ingest(make(rows))
    catalogue.apply_labels(MAP)
    assert [name for _, name, _ in catalogue.query(STANDS).fetch()] == ["Acartia", "Trichodesmium"]


def test_an_empty_catalogue_a_reader_and_an_unnamed_source(
    catalogue: Catalogue, make, tmp_path: Path
) -> None:
    assert catalogue.apply_labels(MAP).appended == 0
    catalogue.ingest(make([{"occurrenceID": "1", "verbatimIdentification": "tuft"}]))
    assert catalogue.apply_labels(a_map(row("tuft", "Acartia", source="zoo"))).unmapped == (
        ("", "tuft", 1),
    )
    done = catalogue.apply_labels(a_map(row("tuft", "Acartia", source="zoo")), source="zoo")
    assert done.appended == 1
    Catalogue.create(tmp_path / "other").close()
    with (
        Catalogue.open(tmp_path / "other", read_only=True) as reader,
        pytest.raises(CatalogueError, match="reading only"),
    ):
        reader.apply_labels(MAP)


def test_errata_need_a_name_and_a_reason() -> None:
    found = with_errata(MAP, a_map(row("tuft", "Oithona"), row("blob", "Oithona", by="me")))
    assert [fault.reason for fault in found.faults] == [
        "an erratum without by and reason", "an erratum without reason",
    ]  # fmt: skip
    assert found.targets == MAP.targets


def test_a_map_of_paths_without_ranks_names_what_its_pictures_carry(
    catalogue: Catalogue, make, tmp_path: Path
) -> None:
    (tmp_path / "zoocam.csv").write_text(
        "lineage,taxon,level1,level2,plankton\n"
        "/living/Eukaryota/Metazoa/Annelida/larvae<Annelida,larvae<Annelida,larvae_Annelida,x,TRUE\n"
    )
    catalogue.ingest(make([{"occurrenceID": "1", "datasetName": "zoocam",
                            "verbatimIdentification": "larvae_Annelida"}]))  # fmt: skip
    assert catalogue.apply_labels(read_label_map(tmp_path / "zoocam.csv")).appended == 1
    sql = "SELECT scientificName, taxonRank, taxonomyLock FROM determination"
    assert catalogue.query(sql).fetch() == [("Annelida", None, None)]
