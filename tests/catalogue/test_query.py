"""Queries: they read the tables of a catalogue, in batches, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from merian.catalogue import Catalogue
from merian.errors import CatalogueError, InputError


@pytest.fixture
def filled(catalogue: Catalogue, make) -> Catalogue:
    catalogue.ingest(
        make(
            [
                {"occurrenceID": f"s{i:05d}", "genus": "Apis", "country": "Chad"}
                for i in range(25_000)
            ]
        )
    )
    return catalogue


def test_rows_come_in_batches(filled: Catalogue) -> None:
    result = filled.query("SELECT occurrenceID FROM occurrence ORDER BY 1")
    assert result.columns == ("occurrenceID",)
    sizes = [len(batch) for batch in result.batches(10_000)]
    assert sizes == [10_000, 10_000, 5_000]


def test_two_results_can_be_read_side_by_side(filled: Catalogue) -> None:
    one = iter(filled.query("SELECT occurrenceID FROM occurrence ORDER BY 1"))
    two = iter(filled.query("SELECT occurrenceID FROM occurrence ORDER BY 1 DESC"))
    assert [next(one), next(two), next(one)] == [("s00000",), ("s24999",), ("s00001",)]


def test_a_result_does_not_outlive_a_write(filled: Catalogue, make) -> None:
    result = filled.query("SELECT * FROM occurrence")
    rows = result.batches(10)
    next(rows)
    filled.ingest(make([{"occurrenceID": "new"}]))
    with pytest.raises(CatalogueError, match="read the result to its end first"):
        for _ in rows:
            pass


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM occurrence",
        "DROP TABLE occurrence",
        "CREATE TABLE mine AS SELECT 1",
        "UPDATE occurrence SET sex = 'x'",
        "COPY occurrence TO 'stolen.csv'",
        "ATTACH 'other.duckdb'",
        "SET threads = 1",
        "INSTALL httpfs",
        "CHECKPOINT",
    ],
)
def test_only_reading_is_allowed(filled: Catalogue, sql: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        filled.query(sql).fetch()
    assert filled.query("SELECT count(*) FROM occurrence").value() == 25_000
    assert not (tmp_path / "stolen.csv").exists()


def test_no_progress_is_printed_among_answers(filled: Catalogue) -> None:
    assert filled.query("SELECT current_setting('enable_progress_bar')").value() is False


def test_two_statements_are_refused(filled: Catalogue) -> None:
    with pytest.raises(InputError, match="found 2 statements"):
        filled.query("SELECT 1; SELECT 2")


@pytest.mark.parametrize("read_only", [True, False])
def test_files_cannot_be_read(tmp_path: Path, read_only: bool) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("password\nlinnaeus\n")
    Catalogue.create(tmp_path / "new").close()
    with Catalogue.open(tmp_path / "new", read_only=read_only) as opened:
        for sql in (
            f"SELECT * FROM read_csv('{secret}')",
            f"SELECT * FROM '{secret}'",
            f"SELECT * FROM read_text('{secret}')",
            f"SELECT * FROM glob('{tmp_path}/*')",
        ):
            with pytest.raises(InputError):
                opened.query(sql).fetch()


def test_variables_of_the_caller_are_no_tables(filled: Catalogue) -> None:
    hidden = {"a": [1, 2]}
    with pytest.raises(InputError, match="There are event, occurrence"):
        filled.query("SELECT * FROM hidden")
    assert hidden


def test_errors_name_what_there_is(filled: Catalogue) -> None:
    with pytest.raises(InputError, match=r"Did you mean occurrence"):
        filled.query("SELECT * FROM occurence")
    with pytest.raises(InputError, match=r"scientificName is in identification, determination"):
        filled.query("SELECT scientficName FROM identification")
    with pytest.raises(InputError, match="Parser Error"):
        filled.query("SELEC 1")


def test_an_error_in_the_middle_is_told(filled: Catalogue) -> None:
    with pytest.raises(InputError):
        filled.query("SELECT CAST(occurrenceID AS INTEGER) FROM occurrence").fetch()


def test_info_counts_everything(filled: Catalogue, make, checklist) -> None:
    filled.ingest(
        make(
            [
                {
                    "occurrenceID": "x1",
                    "species": "Bombus lucorum",
                    "genus": "Bombus",
                    "eventDate": "2019-05-03",
                    "decimalLatitude": "10",
                    "decimalLongitude": "-5",
                    "sequence": "ACGT" * 30,
                    "targetGene": "COI-5P",
                },
                {
                    "occurrenceID": "x2",
                    "species": "Bombus lucorum",
                    "genus": "Bombus",
                    "eventDate": "2021-01",
                    "decimalLatitude": "95",
                    "decimalLongitude": "7",
                    "sequence": "",
                    "targetGene": "",
                },
            ]
        ),
        taxonomy=checklist,
    )
    info = filled.info()
    assert info.tables["occurrence"] == 25_002
    assert info.identified == 25_002
    assert info.names["genus"] == 2
    assert info.names["species"] == 1
    assert info.dates == ("2019-05-03", "2021-01")
    assert info.box == (-5.0, 10.0, -5.0, 10.0)
    assert info.markers == {"COI-5P": 1}
    assert info.rejects == {
        "value decimalLatitude: out of range, expected at least -90 and at most 90": 1
    }
    assert info.taxonomies == [checklist.lock.as_dict()]
    assert [run.verb for run in info.runs] == ["import", "import"]
