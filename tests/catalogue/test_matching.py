"""Names of an import matched to a checklist."""

from __future__ import annotations

from tests.taxonomy.makers import checklist

from merian.catalogue import Catalogue

ROWS = [
    {"occurrenceID": "a", "scientificName": "Calanus finmarchicus"},
    {"occurrenceID": "b", "scientificName": "Calanus borealis"},
    {"occurrenceID": "c", "scientificName": "Calanus finmarchicos"},
    {"occurrenceID": "d", "scientificName": "Calanus hyperboreus"},
    {"occurrenceID": "e", "scientificName": "Ctenophora"},
    {"occurrenceID": "f", "scientificName": "Ctenophora", "kingdom": "Chromista"},
    {"occurrenceID": "g", "scientificName": "Copepoda nauplii"},
    {"occurrenceID": "h", "scientificName": "detritus"},
]


def test_names_get_the_taxon_that_they_mean(catalogue: Catalogue, make) -> None:
    taxonomy = checklist()
    summary = catalogue.ingest(make(ROWS), taxonomy=taxonomy)
    found = dict(catalogue.query("SELECT occurrenceID, taxonID FROM identification"))
    expected = {"a": "s1", "b": "s1", "c": "s1", "d": None, "e": None, "f": "g3", "g": "c1"}
    assert expected == {k: v for k, v in found.items() if k != "h"}
    assert found.get("h") is None
    locks = catalogue.query(
        "SELECT DISTINCT taxonomyLock FROM identification WHERE taxonID IS NOT NULL"
    ).fetch()
    assert locks == [(str(taxonomy.lock),)]
    assert any("4 EXACT, 1 VARIANT, 1 HIGHERRANK, 1 NONE" in note for note in summary.notes)
    # What was written in the label is never changed by a match.
    names = dict(catalogue.query("SELECT occurrenceID, scientificName FROM identification"))
    assert names["b"] == "Calanus borealis"
    assert names["g"] == "Copepoda"


def test_another_checklist_is_another_import(catalogue: Catalogue, make) -> None:
    reading = make(ROWS)
    first = catalogue.ingest(reading, taxonomy=checklist())
    assert catalogue.ingest(reading, taxonomy=checklist()).done_before
    second = catalogue.ingest(reading, taxonomy=checklist().restrict([0]))
    assert not second.done_before
    assert first.run != second.run
    # What is there stays; the difference is written down.
    found = dict(catalogue.query("SELECT occurrenceID, taxonID FROM identification"))
    assert found["f"] == "g3"
    reasons = catalogue.query("SELECT DISTINCT term FROM rejects ORDER BY 1").fetch()
    assert ("taxonomyLock",) in reasons
