"""Provisional names: what they look like, that they stay apart, how our own parsers read them."""

from __future__ import annotations

import pytest

from merian.discover.names import CODE, code_of, name_of, qualifier_of
from merian.library.naming import COLUMNS, Namings, lineage_of, provisional_of
from merian.taxonomy import read_label

CODES = [code_of([f"record {n}"]) for n in range(300)]


def test_a_code_hangs_on_the_members_and_not_on_their_order():
    assert code_of(["a", "b", "c"]) == code_of(["c", "a", "b"]) != code_of(["a", "b"])
    assert all(CODE.fullmatch(code) for code in CODES)


def test_a_code_that_was_given_is_never_given_again():
    first = code_of(["a"])
    second = code_of(["a"], {first})
    third = code_of(["a"], {first, second})
    assert len({first, second, third}) == 3
    assert second.startswith(first)
    assert third.startswith(second)


@pytest.mark.parametrize(
    ("rank", "words"),
    [("genus", "sp."), ("family", "gen. sp."), ("order", "gen. sp."), ("kingdom", "gen. sp.")],
)
def test_open_nomenclature_by_rank(rank, words):
    assert name_of("Aus", rank, "MRN-1abcde") == f"Aus {words} MRN-1abcde"


def test_a_species_keeps_its_name_and_nothing_has_none():
    assert name_of("Carabus auratus", "species", "MRN-1abcde") == "Carabus auratus"
    assert qualifier_of("species", "MRN-1abcde") == ""
    label = read_label(name_of("", "", "MRN-1abcde"))
    assert label.name is None
    assert label.kind == "placeholder"


@pytest.mark.parametrize(
    ("parent", "rank"), [("Carabus", "genus"), ("Carabidae", "family"), ("Coleoptera", "order"),
                         ("Insecta", "class"), ("Animalia", "kingdom")],
)  # fmt: skip
def test_our_parsers_read_no_species_out_of_any_name(parent, rank):
    for code in CODES[:60]:
        label = read_label(name_of(parent, rank, code))
        assert label.name == parent
        assert code in label.qualifier
        assert label.rank != "species"


@pytest.mark.parametrize(("parent", "rank"), [("Carabus", "genus"), ("Carabidae", "family")])
def test_a_library_takes_a_name_for_an_unnamed_outcome(parent, rank):
    code = CODES[0]
    row = dict.fromkeys(COLUMNS)
    row |= {"scientificName": parent, "taxonRank": rank, rank: parent,
            "identificationQualifier": qualifier_of(rank, code)}  # fmt: skip
    naming = Namings([parent]).read(tuple(row[column] for column in COLUMNS))
    assert provisional_of(naming) == name_of(parent, rank, code)
    assert "species" not in lineage_of(naming)
    assert parent in lineage_of(naming)
