"""Labels in doubt: which are, which are not, and on which side the fault is seen."""

from __future__ import annotations

import pytest
from tests.audit.makers import bases, changed, library_of, lineage, species_of

from merian.audit.mislabels import doubt
from merian.audit.near import near_all
from merian.audit.records import Records


def doubts_of(folder, rows):
    """Record, name that fits better, rank, and whether it is this record."""
    library = library_of(folder, rows)
    records = Records(library)
    found = doubt(records, near_all(library, lambda _what, _count: None))
    return [
        (library.records_of(entry)[0].id, records.name(name), rank, bool(sure))
        for entry, name, rank, sure in zip(
            found.entry.tolist(), found.name.tolist(), found.rank, found.sure, strict=True
        )
    ]


def test_a_clean_reference_has_none(clean, tmp_path):
    assert doubts_of(tmp_path, clean) == []


def test_a_wrong_label_is_found_with_the_name_that_fits(clean, tmp_path):
    rows = [*clean, ("wrong", lineage("Aus cus"), changed(bases(1), 2, 9))]
    assert doubts_of(tmp_path, rows) == [("wrong", "Aus bus", "species", True)]


def test_of_two_that_disagree_the_one_whose_name_is_at_home_elsewhere_is_wrong(clean, tmp_path):
    # "Hus ius" is known from here alone; beside it lies a record that says it is Aus bus.
    rows = [
        *clean,
        ("only", lineage("Hus ius", "Hidae"), bases(7)),
        ("wrong", lineage("Aus bus"), changed(bases(7), 1)),
    ]
    assert ("wrong", "Hus ius", "family", True) in doubts_of(tmp_path, rows)
    assert "only" not in {record for record, *_ in doubts_of(tmp_path / "again", rows)}


def test_where_nothing_tells_which_is_wrong_both_are_told(clean, tmp_path):
    rows = [
        *clean,
        ("one", lineage("Aus bus"), bases(8)),
        ("two", lineage("Dus eus", "Didae"), bases(8)),
    ]
    found = doubts_of(tmp_path, rows)
    assert {(record, sure) for record, _, _, sure in found} == {("one", False), ("two", False)}


def test_species_that_share_a_barcode_are_no_wrong_labels(clean, tmp_path):
    rows = [*clean, *(("x" + r[0], lineage("Aus xus"), r[2]) for r in species_of("Aus bus", 1, 6))]
    assert doubts_of(tmp_path, rows) == []


def test_a_lone_species_near_another_family_is_found(clean, tmp_path):
    rows = [
        *clean,
        *species_of("Dus fus", 11, 3, family="Didae"),
        ("lone", lineage("Dus hus", "Didae"), changed(bases(4), 6, 3)),
    ]
    assert doubts_of(tmp_path, rows) == [("lone", "Fus gus", "order", True)]


def test_a_lone_species_far_from_all_is_no_wrong_label(clean, tmp_path):
    rows = [*clean, ("lone", lineage("Dus hus", "Didae"), changed(bases(4), 60, 3))]
    assert doubts_of(tmp_path, rows) == []


def test_what_is_named_to_no_species_is_not_held_against_names(clean, tmp_path):
    rows = [*clean, ("open", lineage("Aus sp."), changed(bases(1), 1))]
    assert doubts_of(tmp_path, rows) == []


@pytest.fixture(autouse=True)
def folders(tmp_path):
    (tmp_path / "again").mkdir()
