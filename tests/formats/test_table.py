"""The guessing of columns: what is mapped, guessed and left, and that all of it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from merian.catalogue.schema import record_terms
from merian.catalogue.sources import Columns, Delimited, Reading
from merian.errors import InputError, NotFoundError
from merian.formats import Options, read_path
from merian.formats.table_terms import darwin_term, guess, plain


def feeds(reading: Reading) -> tuple[Columns, ...]:
    (source,) = reading.sources
    assert isinstance(source, Delimited)
    return tuple(source.feeds)


def read(path: Path, text: str, **mapping: str) -> Reading:
    path.write_text(text, encoding="utf-8")
    return read_path(path, Options(mapping=mapping), "table")


@pytest.mark.parametrize(
    ("column", "term"),
    [
        ("lattitude", "decimalLatitude"), ("Lat", "decimalLatitude"), ("LONG", "decimalLongitude"),
        ("dwc:scientificName", "scientificName"), ("dwc_eventDate", "eventDate"),
        ("dcterms:license", "license"), ("Country/Ocean", "country"), ("BIN", "taxonConceptID"),
        ("nucleotides", "sequence"), ("processid", "occurrenceID"), ("sampleid", "catalogNumber"),
        ("filename", "accessURI"), ("DNA_sequence", "sequence"), ("dwc:lifestage", "lifeStage"),
        ("materialSampleID", "materialEntityID"), ("Species", "species"),
        ("taxonID", "taxonConceptID"), ("weight", None), ("x", None), ("y", None),
        ("species_slug", None), ("Catalogue no.", "catalogNumber"), ("Det. by", "identifiedBy"),
    ],
)  # fmt: skip
def test_a_column_is_guessed_by_its_name(column: str, term: str | None) -> None:
    assert guess(column) == term


def test_every_guess_is_a_term() -> None:
    from merian.formats import table_terms

    assert set(table_terms._GUESSES.values()) <= set(record_terms())


def test_no_alias_takes_the_name_of_another_term() -> None:
    for term in record_terms():
        if term not in {"taxonID"}:
            assert guess(term) == term
            assert darwin_term(term) == term


def test_a_prefix_is_one_only_before_a_sign() -> None:
    assert plain("dwc:order") == "order"
    assert plain("accession") == "accession"
    assert plain("ac_accessURI") == "accessuri"


def test_all_columns_are_accounted_for(tmp_path: Path) -> None:
    reading = read(tmp_path / "a.csv", "id;lat;lon;shelf;who\n1;2;3;A;B\n", who="recordedBy")
    assert reading.notes == (
        "5 columns parted by semicolons",
        "mapped: who=recordedBy",
        "guessed: id=occurrenceID, lat=decimalLatitude, lon=decimalLongitude",
        "ignored (give --map column=term to keep one): shelf",
    )


def test_what_the_user_says_stands_above_a_guess(tmp_path: Path) -> None:
    reading = read(
        tmp_path / "a.csv", "id,label,species\n1,x,Aedes aegypti\n", label="locality", id=""
    )
    (feed,) = feeds(reading)
    assert feed.terms["locality"] == "nullif(\"label\", 'NA')"
    assert "line__" in feed.terms["occurrenceID"]


def test_a_wrong_term_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean decimalLatitude"):
        read(tmp_path / "a.csv", "id,lat\n1,2\n", lat="decimallattitude")


def test_a_wrong_column_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="Did you mean species"):
        read(tmp_path / "a.csv", "id,species\n1,2\n", speces="species")


def test_two_columns_for_one_term_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="already"):
        read(tmp_path / "a.csv", "a,b\n1,2\n", a="species", b="species")


def test_nothing_known_says_how_to_map(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("foo,bar\n1,2\n")
    reading = read_path(tmp_path / "a.csv", Options(), "table")
    (feed,) = feeds(reading)
    assert set(feed.terms) == {"occurrenceID"}
    assert any("foo, bar" in note for note in reading.notes)


def test_a_table_of_events_feeds_events(tmp_path: Path) -> None:
    (feed,) = feeds(read(tmp_path / "a.csv", "eventID,eventDate,lat,lon\nE1,2020-01-01,1,2\n"))
    assert feed.table == "event"


def test_a_table_of_measurements_feeds_measurements(tmp_path: Path) -> None:
    text = "occurrenceID,measurementType,measurementValue,measurementUnit\n1,length,2,mm\n"
    (feed,) = feeds(read(tmp_path / "a.csv", text))
    assert feed.table == "measurement"


def test_class_alone_is_a_label(tmp_path: Path) -> None:
    (feed,) = feeds(read(tmp_path / "a.csv", "filename,class\na.jpg,detritus\n"))
    assert "class" not in feed.terms
    assert "verbatimIdentification" in feed.terms
    (feed,) = feeds(read(tmp_path / "a.csv", "filename,class,order\na.jpg,Insecta,Diptera\n"))
    assert "class" in feed.terms


def test_epithets_are_joined_and_binomials_are_not(tmp_path: Path) -> None:
    (feed,) = feeds(
        read(tmp_path / "a.csv", "id,genus,species\n1,Aedes,aegypti\n2,Apis,mellifera\n")
    )
    assert "||" in feed.terms["species"]
    (feed,) = feeds(read(tmp_path / "a.csv", "id,genus,species\n1,Aedes,Aedes aegypti\n"))
    assert "||" not in feed.terms["species"]


def test_lines_of_comment_stand_before_the_header(tmp_path: Path) -> None:
    reading = read(tmp_path / "a.tsv", "# made by X\n\nid\tspecies\n1\tAedes aegypti\n")
    (source,) = reading.sources
    assert isinstance(source, Delimited)
    assert source.header_lines == 3
    assert source.delimiter == "\t"


def test_two_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    reading = read(tmp_path / "a.csv", "id,species,Species\n1,Aedes aegypti,x\n")
    (source,) = reading.sources
    assert isinstance(source, Delimited)
    assert source.columns == ("id", "species", "Species (3)")
    assert any("second" in note for note in reading.notes)


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ('id\tsize\n1\t6" nail\n', ""),
        ('id\tname\n1\tthe "big" one\n', ""),
        ('"id"\t"name"\n"1"\t"a"\n', '"'),
        ("id,name\n1,a\n", '"'),
    ],
)
def test_a_quote_is_one_only_around_whole_fields(tmp_path: Path, text: str, quote: str) -> None:
    (source,) = read(tmp_path / "a.txt", text).sources
    assert isinstance(source, Delimited)
    assert source.quote == quote


def test_a_path_of_a_picture_begins_beside_its_table_or_where_it_is_said(tmp_path: Path) -> None:
    import duckdb

    paths = ["pics/1.png", "gone.png", "/data/1.png", "C:\\pics\\1.png", "https://x.org/1.png"]
    text = "path,species\n" + "".join(f"{path},Aus bus\n" for path in paths)

    def places(reading: Reading) -> list[str]:
        sql = feeds(reading)[0].terms["accessURI"]
        values = ", ".join(f"('{path}')" for path in paths)
        return [
            row[0]
            for row in duckdb.sql(f'SELECT {sql} FROM (VALUES {values}) t("path")').fetchall()
        ]

    assert places(read(tmp_path / "a.csv", text)) == paths  # none lies there
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "1.png").write_bytes(b"x")
    here = tmp_path.as_posix()
    wanted = [f"{here}/pics/1.png", f"{here}/gone.png", *paths[2:]]
    assert places(read(tmp_path / "a.csv", text)) == wanted
    said = read_path(tmp_path / "a.csv", Options(images=tmp_path / "pics"), "table")
    assert places(said)[:2] == [f"{here}/pics/pics/1.png", f"{here}/pics/gone.png"]
    assert places(said)[2:] == paths[2:]
