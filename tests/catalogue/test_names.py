"""Names: what a label says goes where it belongs, and the label stays."""

from __future__ import annotations

from typing import Any

from merian.catalogue import Catalogue


def identified(catalogue: Catalogue, *columns: str) -> list[tuple[Any, ...]]:
    listed = ", ".join(f'"{c}"' for c in columns)
    return catalogue.query(f"SELECT {listed} FROM identification ORDER BY occurrenceID").fetch()


def test_a_label_is_kept_and_read(catalogue: Catalogue, make) -> None:
    catalogue.ingest(
        make(
            [
                {"occurrenceID": "1", "verbatimIdentification": "Calanus cf. finmarchicus"},
                {"occurrenceID": "2", "verbatimIdentification": "Apis mellifera Linnaeus, 1758"},
                {"occurrenceID": "3", "verbatimIdentification": "detritus"},
                {"occurrenceID": "4", "verbatimIdentification": "BOLD:AAA1234"},
            ]
        )
    )
    assert identified(
        catalogue,
        "verbatimIdentification",
        "scientificName",
        "taxonRank",
        "identificationQualifier",
        "scientificNameAuthorship",
        "taxonConceptID",
    ) == [
        ("Calanus cf. finmarchicus", "Calanus", "genus", "cf. finmarchicus", None, None),
        (
            "Apis mellifera Linnaeus, 1758",
            "Apis mellifera",
            "species",
            None,
            "Linnaeus, 1758",
            None,
        ),
        ("detritus", None, None, None, None, None),
        ("BOLD:AAA1234", None, None, None, None, "BOLD:AAA1234"),
    ]


def test_age_and_part_are_fields(catalogue: Catalogue, make) -> None:
    catalogue.ingest(
        make(
            [
                {
                    "occurrenceID": "1",
                    "verbatimIdentification": "Copepoda nauplii",
                    "accessURI": "a.jpg",
                    "lifeStage": "",
                },
                {
                    "occurrenceID": "2",
                    "verbatimIdentification": "Chaetognatha head",
                    "accessURI": "b.jpg",
                    "lifeStage": "",
                },
                {
                    "occurrenceID": "3",
                    "verbatimIdentification": "Copepoda nauplii",
                    "accessURI": "c.jpg",
                    "lifeStage": "N2",
                },
            ]
        )
    )
    found = catalogue.query(
        "SELECT o.lifeStage, m.subjectPart, i.scientificName FROM occurrence o "
        "JOIN media m USING (occurrenceID) JOIN identification i USING (occurrenceID) ORDER BY 1, 2"
    ).fetch()
    assert sorted(found, key=str) == sorted(
        [("nauplius", None, "Copepoda"), (None, "head", "Chaetognatha"), ("N2", None, "Copepoda")],
        key=str,
    )


def test_without_a_label_the_lowest_rank_names(catalogue: Catalogue, make) -> None:
    catalogue.ingest(
        make(
            [
                {
                    "occurrenceID": "1",
                    "order": "Diptera",
                    "family": "Sciaridae",
                    "genus": "",
                    "species": "",
                },
                {
                    "occurrenceID": "2",
                    "order": "Diptera",
                    "family": "unassigned",
                    "genus": "",
                    "species": "",
                },
                {
                    "occurrenceID": "3",
                    "order": "Diptera",
                    "family": "Sciaridae",
                    "genus": "Bradysia",
                    "species": "Bradysia difformis",
                },
                {"occurrenceID": "4", "order": "", "family": "", "genus": "", "species": ""},
            ]
        )
    )
    assert identified(catalogue, "scientificName", "taxonRank", "family") == [
        ("Sciaridae", "family", "Sciaridae"),
        ("Diptera", "order", None),
        ("Bradysia difformis", "species", "Sciaridae"),
    ]


def test_a_rank_is_told_by_the_column_that_holds_the_name(catalogue: Catalogue, make) -> None:
    catalogue.ingest(
        make(
            [
                {
                    "occurrenceID": "1",
                    "verbatimIdentification": "Sciaridae",
                    "order": "Diptera",
                    "family": "Sciaridae",
                }
            ]
        )
    )
    assert identified(catalogue, "scientificName", "taxonRank") == [("Sciaridae", "family")]


def test_a_scientific_name_loses_its_author_and_stays_verbatim(catalogue: Catalogue, make) -> None:
    catalogue.ingest(
        make([{"occurrenceID": "1", "scientificName": "Apis mellifera Linnaeus, 1758"}])
    )
    assert identified(catalogue, "verbatimIdentification", "scientificName") == [
        ("Apis mellifera Linnaeus, 1758", "Apis mellifera")
    ]


def test_many_placeholders(catalogue: Catalogue, make) -> None:
    """More than fit into a list of constants."""
    rows = [
        {"occurrenceID": f"{i}", "order": "Diptera", "family": f"unassigned {i}"} for i in range(80)
    ]
    catalogue.ingest(make(rows))
    assert set(identified(catalogue, "scientificName", "family")) == {("Diptera", None)}


def test_of_several_identifications_one_stands(catalogue: Catalogue, make) -> None:
    rows = [
        {
            "occurrenceID": "1",
            "verbatimIdentification": "Apis",
            "agentType": "machine",
            "dateIdentified": "2024",
        },
        {
            "occurrenceID": "1",
            "verbatimIdentification": "Apis cerana",
            "agentType": "human",
            "dateIdentified": "2019",
        },
        {
            "occurrenceID": "1",
            "verbatimIdentification": "Apis mellifera",
            "agentType": "human",
            "dateIdentified": "2020-01-02",
        },
        {
            "occurrenceID": "2",
            "verbatimIdentification": "Bombus",
            "agentType": "machine",
            "dateIdentified": "2024",
        },
        {
            "occurrenceID": "2",
            "verbatimIdentification": "Vespa",
            "agentType": "machine",
            "dateIdentified": "May",
        },
        {"occurrenceID": "3", "verbatimIdentification": "", "agentType": "", "dateIdentified": ""},
    ]
    summary = catalogue.ingest(make(rows))
    assert summary.added["identification"] == 5
    assert catalogue.query(
        "SELECT occurrenceID, scientificName FROM determination ORDER BY 1"
    ).fetch() == [("1", "Apis mellifera"), ("2", "Bombus")]


def test_consensus_stands_above_single_evidence(catalogue: Catalogue, make) -> None:
    rows = [
        {
            "occurrenceID": "1",
            "verbatimIdentification": n,
            "agentType": "machine",
            "identificationType": t,
        }
        for n, t in (("Apis", "media"), ("Bombus", "consensus"), ("Vespa", "nucleotideSequence"))
    ]
    catalogue.ingest(make(rows))
    assert catalogue.query("SELECT scientificName FROM determination").fetch() == [("Bombus",)]


def test_a_doubted_species_is_a_genus_whatever_the_row_says(catalogue: Catalogue, make) -> None:
    name = "Calanus cf. finmarchicus"
    catalogue.ingest(
        make(
            [
                {"occurrenceID": "1", "scientificName": name, "taxonRank": "SPECIES"},
                {"occurrenceID": "2", "scientificName": "Calanus", "taxonRank": "Genus"},
            ]
        )
    )
    assert identified(catalogue, "scientificName", "taxonRank") == [
        ("Calanus", "genus"),
        ("Calanus", "genus"),
    ]


def test_names_are_matched_to_a_checklist(catalogue: Catalogue, make, checklist) -> None:
    rows = [
        {"occurrenceID": str(i), "verbatimIdentification": label}
        for i, label in enumerate(
            ("Apis mellifera", "Calanus cf. finmarchicus", "Vespa", "detritus")
        )
    ]
    catalogue.ingest(make(rows), taxonomy=checklist)
    lock = str(checklist.lock)
    found = identified(catalogue, "taxonID", "taxonomyLock")
    assert [(taxon is not None, locked) for taxon, locked in found] == [
        (True, lock), (True, lock), (False, None), (False, None)
    ]  # fmt: skip
    names = {taxon: checklist.names[n] for n, taxon in enumerate(checklist.ids)}
    assert [names.get(taxon) for taxon, _ in found] == ["Apis mellifera", "Calanus", None, None]
