"""Values: what is believed, what is set aside, and with which words."""

from __future__ import annotations

import pytest

from merian.catalogue import Catalogue


def one(catalogue: Catalogue, make, term: str, text: str, table: str, column: str | None = None):
    """Import one row with one value and return what the catalogue holds and its rejects."""
    row = {"occurrenceID": "x", "verbatimIdentification": "Apis mellifera", term: text}
    catalogue.ingest(make([row]))
    held = catalogue.query(f'SELECT "{column or term}" FROM {table}').value()
    rejects = catalogue.query("SELECT scope, line, term, reason, content FROM rejects").fetch()
    return held, rejects


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2012-05-03", "2012-05-03"),
        ("20120503", "2012-05-03"),
        ("3-May-2012", "2012-05-03"),
        ("03 MAY 2012", "2012-05-03"),
        ("3-January-2012", "2012-01-03"),
        ("2012/05/03", "2012-05-03"),
        ("13.4.2012", "2012-04-13"),
        ("11.iv.1931", "1931-04-11"),
        ("1. VIII. 2012", "2012-08-01"),
        ("30.xii.1899", "1899-12-30"),
        ("2012-05", "2012-05"),
        ("2012", "2012"),
        ("2012-05-03T10:15:00Z", "2012-05-03T10:15:00Z"),
        ("2012-05-03 10:15", "2012-05-03T10:15"),
        ("2012-05-03/2012-05-09", "2012-05-03/2012-05-09"),
        ("3-May-2012/20120509", "2012-05-03/2012-05-09"),
    ],
)
def test_dates_that_say_what_they_mean(catalogue: Catalogue, make, text: str, iso: str) -> None:
    assert one(catalogue, make, "eventDate", text, "event") == (iso, [])


@pytest.mark.parametrize(
    "text",
    ["3/4/2012", "2012-02-30", "20121340", "spring 2012", "31-Foo-2012", "2012-05-03/2011", "99",
     "2012-13", "2012-05-03T25:00", "0000", "11.iv.31", "31.ii.1931", "3.xiii.2012", "3.iiv.2012"],
)  # fmt: skip
def test_dates_that_would_have_to_be_guessed(catalogue: Catalogue, make, text: str) -> None:
    held, rejects = one(catalogue, make, "eventDate", text, "event")
    assert held is None
    assert rejects == [
        ("value", 2, "eventDate", "not a date that can be read without guessing", text)
    ]
    assert catalogue.query("SELECT verbatimEventDate FROM event").value() == text


def test_a_verbatim_date_of_the_input_stays(catalogue: Catalogue, make) -> None:
    catalogue.ingest(
        make([{"occurrenceID": "x", "eventDate": "3/4/12", "verbatimEventDate": "III.4.12"}])
    )
    assert catalogue.query("SELECT verbatimEventDate FROM event").value() == "III.4.12"


@pytest.mark.parametrize(
    ("term", "table", "text", "value"),
    [
        ("decimalLatitude", "event", "-12.5", -12.5),
        ("decimalLatitude", "event", "12,5", 12.5),
        ("decimalLatitude", "event", "12,34567", 12.34567),
        ("decimalLongitude", "event", "1.8e2", 180.0),
        ("individualCount", "occurrence", "7", 7),
        ("individualCount", "occurrence", "7.0", 7),
        ("sex", "occurrence", "F", "female"),
        ("sex", "occurrence", "Male", "male"),
        ("sex", "occurrence", "worker", "worker"),
    ],
)
def test_values_that_are_taken(catalogue: Catalogue, make, term, table, text, value) -> None:
    assert one(catalogue, make, term, text, table) == (value, [])


@pytest.mark.parametrize(
    ("term", "text", "reason"),
    [
        ("decimalLatitude", "95", "out of range, expected at least -90 and at most 90"),
        ("decimalLongitude", "-180.1", "out of range, expected at least -180 and at most 180"),
        ("decimalLatitude", "north", "not a number"),
        ("decimalLatitude", "nan", "not a number"),
        ("decimalLatitude", "9,748", "a comma that may be decimal or of thousands"),
        ("individualCount", "3.7", "not a whole number"),
        ("individualCount", "-1", "out of range, expected at least 0"),
        ("individualCount", "many", "not a whole number"),
        ("coordinateUncertaintyInMeters", "-5", "out of range, expected at least 0"),
    ],
)
def test_values_that_are_set_aside(catalogue: Catalogue, make, rejects, term, text, reason) -> None:
    catalogue.ingest(make([{"occurrenceID": "x", "country": "Chad", term: text}]))
    assert rejects() == [("value", 2, term, reason, text)]
    table = "occurrence" if term == "individualCount" else "event"
    assert catalogue.query(f"SELECT {term} FROM {table}").value() is None
    assert catalogue.query("SELECT count(*) FROM occurrence").value() == 1


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("ACGTACGT", "ACGTACGT"),
        ("acgt", "ACGT"),
        ("AC-GT..A C", "ACGTAC"),
        ("ACGU", "ACGT"),
        ("ACGTNRYK", "ACGTNRYK"),
        ("AAAA", "AAAA"),
    ],
)
def test_sequences_in_one_form(catalogue: Catalogue, make, text: str, held: str) -> None:
    assert one(catalogue, make, "sequence", text, "sequence") == (held, [])
    assert catalogue.query("SELECT sequenceLength FROM sequence").value() == len(held)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("MELQV", "looks like protein: found E, L, Q"),
        ("ACGT*ACGT", "looks like protein: found *"),
        ("ACGTJ", "not nucleotides: found J"),
        ("ACGT5%", "not nucleotides: found %, 5"),
        ("NNNNNA", "too few of A, C, G and T: 1 of 6"),
        ("---", "no nucleotides: only gaps"),
    ],
)
def test_sequences_that_are_none(catalogue: Catalogue, make, rejects, text, reason) -> None:
    catalogue.ingest(
        make([{"occurrenceID": "x", "sequence": text}, {"occurrenceID": "y", "sequence": "ACGT"}])
    )
    assert rejects() == [("value", 2, "sequence", reason, text)]
    assert catalogue.query("SELECT occurrenceID FROM sequence").fetch() == [("y",)]
    assert catalogue.query("SELECT count(*) FROM occurrence").value() == 2


def test_an_accession_without_its_sequence_is_kept(catalogue: Catalogue, make) -> None:
    catalogue.ingest(
        make([{"occurrenceID": "x", "sequence": "MELQ", "associatedSequences": "MN123"},
              {"occurrenceID": "y", "sequence": "", "associatedSequences": "MN124"}])
    )  # fmt: skip
    found = catalogue.query("SELECT associatedSequences, sequence FROM sequence ORDER BY 1").fetch()
    assert found == [("MN123", None), ("MN124", None)]


def test_content_of_a_reject_is_cut(catalogue: Catalogue, make, rejects) -> None:
    catalogue.ingest(make([{"occurrenceID": "x", "sequence": "MELQ" * 1000}]))
    assert len(rejects()[0][4]) == 1000
