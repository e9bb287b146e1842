"""Importing: what a table becomes, and what happens the second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from merian.catalogue import Catalogue, Columns, Delimited, Reading, Reject, Rows
from merian.catalogue.schema import TABLES
from merian.errors import FormatError

SPECIMEN = {
    "occurrenceID": "S1",
    "catalogNumber": "12",
    "institutionCode": "ZMB",
    "country": "Chad",
    "decimalLatitude": "10.5",
    "decimalLongitude": "20",
    "eventDate": "2020-05-03",
    "sex": "F",
    "accessURI": "S1.jpg",
    "targetGene": "COI-5P",
    "sequence": "ACGT" * 20,
    "verbatimIdentification": "Apis mellifera",
    "measurementType": "length",
    "measurementValue": "3.5",
    "measurementUnit": "mm",
}


def read(path: Path, columns: list[str], *feeds: Columns, **settings) -> Reading:
    source = Delimited(path=path, delimiter=",", columns=columns, feeds=feeds, **settings)
    return Reading("test", (source,), (path,))


def test_a_flat_row_becomes_one_row_in_every_table(catalogue: Catalogue, make) -> None:
    summary = catalogue.ingest(make([SPECIMEN]))
    assert summary.added == dict.fromkeys(
        ("event", "occurrence", "material", "media", "sequence", "identification", "measurement"), 1
    )
    assert summary.rejected == {}
    joined = catalogue.query(
        "SELECT e.country, m.catalogNumber, p.accessURI, s.sequenceLength, i.scientificName, "
        "x.measurementValueNumeric, o.sex, o.runID FROM occurrence o JOIN event e USING (eventID) "
        "JOIN material m USING (occurrenceID) JOIN media p USING (occurrenceID) "
        "JOIN sequence s USING (occurrenceID) JOIN identification i USING (occurrenceID) "
        "JOIN measurement x USING (occurrenceID)"
    ).fetch()
    assert joined == [("Chad", "12", "S1.jpg", 80, "Apis mellifera", 3.5, "female", summary.run)]


def test_rows_without_content_make_no_rows(catalogue: Catalogue, make) -> None:
    empty = dict.fromkeys(SPECIMEN, "") | {"occurrenceID": "S2", "targetGene": "COI-5P"}
    summary = catalogue.ingest(make([SPECIMEN, empty]))
    assert {k: v for k, v in summary.added.items() if v != 1} == {"occurrence": 2}


def test_one_place_is_one_event(catalogue: Catalogue, make) -> None:
    rows = [SPECIMEN | {"occurrenceID": f"S{i}", "country": "ABC"[i % 3]} for i in range(30)]
    assert catalogue.ingest(make(rows)).added["event"] == 3


def test_every_row_knows_its_line(catalogue: Catalogue, make, rejects, tmp_path: Path) -> None:
    text = "occurrenceID,sex\nA,F\n\nB,M\nC\nD,x,y\n  \n,F\nE,M\n"
    path = tmp_path / "t.csv"
    path.write_text(text)
    columns = ["occurrenceID", "sex"]
    summary = catalogue.ingest(read(path, columns, Columns("record", {c: c for c in columns})))
    assert rejects() == [
        ("row", 5, None, "found 1 field, expected 2", "C"),
        ("row", 6, None, "found 3 fields, expected 2", "D,x,y"),
        ("row", 8, "occurrenceID", "no identifier", "\tF"),
    ]
    assert (summary.rows_read, summary.added["occurrence"], summary.rows_rejected) == (6, 3, 3)


def test_padded_rows_may_be_short(catalogue: Catalogue, tmp_path: Path, rejects) -> None:
    path = tmp_path / "t.csv"
    path.write_text('occurrenceID,sex,lifeStage\nA\nB,M\n"C","F"\nD,M,adult,x\n')
    columns = ["occurrenceID", "sex", "lifeStage"]
    feed = Columns("record", {c: f'"{c}"' for c in columns})
    catalogue.ingest(read(path, columns, feed, padded=True))
    assert catalogue.query("SELECT occurrenceID, sex FROM occurrence ORDER BY 1").fetch() == [
        ("A", None),
        ("B", "male"),
        ("C", "female"),
    ]
    assert [(r[1], r[3]) for r in rejects()] == [(5, "found 4 fields, expected 3")]


def test_words_for_nothing(catalogue: Catalogue, make) -> None:
    reading = make(
        [{"occurrenceID": "A", "sex": "None"}, {"occurrenceID": "B", "sex": "M"}], nulls=("None",)
    )
    catalogue.ingest(reading)
    assert catalogue.query("SELECT sex FROM occurrence ORDER BY occurrenceID").fetch() == [
        (None,),
        ("male",),
    ]


def test_a_list_in_a_field_feeds_several_rows(catalogue: Catalogue, make) -> None:
    rows = [{"occurrenceID": "A", "pictures": "1.jpg|2.jpg"}, {"occurrenceID": "B", "pictures": ""}]
    feeds = (
        Columns("record", {"occurrenceID": '"occurrenceID"'}),
        Columns(
            "media",
            {"occurrenceID": '"occurrenceID"', "accessURI": "item"},
            each="string_split(\"pictures\", '|')",
        ),
    )
    summary = catalogue.ingest(make(rows, feeds=feeds))
    assert summary.added == {"occurrence": 2, "media": 2}


def test_a_feed_may_choose_its_rows(catalogue: Catalogue, make) -> None:
    rows = [{"occurrenceID": "A", "size": "3"}, {"occurrenceID": "B", "size": ""}]
    feeds = (
        Columns("record", {"occurrenceID": '"occurrenceID"'}),
        Columns(
            "measurement",
            {
                "occurrenceID": '"occurrenceID"',
                "measurementType": "'size'",
                "measurementValue": '"size"',
            },
            where='"size" IS NOT NULL',
        ),
    )
    assert catalogue.ingest(make(rows, feeds=feeds)).added == {"occurrence": 2, "measurement": 1}


def test_two_markers_of_one_specimen(catalogue: Catalogue, make) -> None:
    """BOLD has a row for every marker of a specimen."""
    other = SPECIMEN | {"targetGene": "28S", "sequence": "GGCC" * 20}
    summary = catalogue.ingest(make([SPECIMEN, other, SPECIMEN]))
    assert summary.added["occurrence"] == 1
    assert summary.added["sequence"] == 2
    assert summary.added["identification"] == 1
    assert summary.repeats == 1
    assert summary.rejected == {}


def test_a_contradiction_is_set_aside(catalogue: Catalogue, make, rejects) -> None:
    rows = [
        {"occurrenceID": "X", "sex": "", "country": "Chad"},
        {"occurrenceID": "X", "sex": "M", "country": "Chad"},
        {"occurrenceID": "X", "sex": "F", "country": "Mali"},
    ]
    summary = catalogue.ingest(make(rows))
    assert catalogue.query(
        "SELECT sex, country FROM occurrence JOIN event USING (eventID)"
    ).fetch() == [("male", "Chad")]
    assert summary.added == {"event": 1, "occurrence": 1}
    assert rejects() == [
        (
            "value",
            4,
            "country",
            "occurrence again with other country: X has 'Mali', kept 'Chad' of line 2",
            "Mali",
        ),
        (
            "value",
            4,
            "sex",
            "occurrence again with other sex: X has 'female', kept 'male' of line 3",
            "female",
        ),
    ]
    assert summary.rejected == {
        "value country: occurrence again with other country": 1,
        "value sex: occurrence again with other sex": 1,
    }


def test_a_given_event_is_kept_once(catalogue: Catalogue, make, rejects) -> None:
    rows = [
        {"occurrenceID": "1", "eventID": "trap-1", "country": "Chad"},
        {"occurrenceID": "2", "eventID": "trap-1", "country": "Chad"},
        {"occurrenceID": "3", "eventID": "trap-1", "country": "Mali"},
        {"occurrenceID": "4", "eventID": "trap-2", "country": ""},
    ]
    assert catalogue.ingest(make(rows)).added == {"event": 2, "occurrence": 4}
    assert catalogue.query("SELECT eventID, country FROM event ORDER BY 1").fetch() == [
        ("trap-1", "Chad"),
        ("trap-2", None),
    ]
    assert [r[3] for r in rejects()] == [
        "event again with other country: trap-1 has 'Mali', kept 'Chad' of line 2"
    ]


def test_the_same_import_again_writes_nothing(catalogue: Catalogue, make) -> None:
    reading = make([SPECIMEN])
    first = catalogue.ingest(reading)
    before = {t: catalogue.query(f"SELECT count(*) FROM {t}").value() for t in first.added}
    again = catalogue.ingest(reading)
    assert again.done_before
    assert again.run == first.run
    assert "already imported" in again.as_text()
    assert {t: catalogue.query(f"SELECT count(*) FROM {t}").value() for t in first.added} == before
    assert catalogue.query("SELECT count(*) FROM run").value() == 1


def test_a_moved_file_is_the_same_input(catalogue: Catalogue, make, tmp_path: Path) -> None:
    first = make([SPECIMEN], name="a.csv")
    catalogue.ingest(first)
    (tmp_path / "elsewhere").mkdir()
    second = make([SPECIMEN], name="elsewhere/a.csv")
    assert catalogue.ingest(second).done_before


def test_other_arguments_are_another_run_of_known_rows(catalogue: Catalogue, make) -> None:
    reading = make([SPECIMEN])
    added = catalogue.ingest(reading).added
    again = catalogue.ingest(reading, arguments={"marker": "COI-5P"})
    assert not again.done_before
    assert again.added == {}
    assert again.already == added
    assert again.rejected == {}


def test_what_is_known_is_never_overwritten(catalogue: Catalogue, make, rejects) -> None:
    catalogue.ingest(make([SPECIMEN]))
    changed = SPECIMEN | {
        "sex": "M",
        "country": "Mali",
        "sequence": "TTGG" * 20,
        "accessURI": "new.jpg",
        "verbatimIdentification": "Apis cerana",
        "catalogNumber": "12",
    }
    summary = catalogue.ingest(make([changed, SPECIMEN | {"occurrenceID": "S9"}]))
    assert summary.added == {
        "occurrence": 1,
        "material": 1,
        "media": 2,
        "sequence": 2,
        "identification": 2,
        "measurement": 1,
    }
    assert catalogue.query(
        "SELECT sex, country FROM occurrence JOIN event USING (eventID) ORDER BY occurrenceID"
    ).fetch() == [("female", "Chad"), ("female", "Chad")]
    told = [(r[1], r[2], r[3].split(":")[0], r[4]) for r in rejects()]
    assert told == [
        (
            2,
            "eventID",
            "already in the catalogue with other eventID",
            "2020-05-03, 10.5, 20.0, Mali",
        ),
        (2, "sex", "already in the catalogue with other sex", "male"),
    ]
    assert catalogue.query("SELECT count(*) FROM event").value() == 1


def test_evidence_of_nothing_is_set_aside(catalogue: Catalogue, make, rejects) -> None:
    catalogue.ingest(make([{"occurrenceID": "known"}]))
    rows = [
        {"id": "new", "of": "new", "url": "1.jpg"},
        {"id": "also", "of": "known", "url": "2.jpg"},
        {"id": "more", "of": "lost", "url": "3.jpg"},
    ]
    feeds = (
        Columns("record", {"occurrenceID": '"id"'}),
        Columns("media", {"occurrenceID": '"of"', "accessURI": '"url"'}),
    )
    summary = catalogue.ingest(make(rows, feeds=feeds))
    assert summary.added == {"occurrence": 3, "media": 2}
    assert [(r[0], r[1], r[3]) for r in rejects()] == [
        (
            "row",
            4,
            "hangs on an occurrence that is neither in this input nor in the catalogue: lost",
        )
    ]


def rows_of(table: str, *chunks: object, path: Path = Path("made.fasta")) -> Rows:
    return Rows(path, table, chunks)  # type: ignore[arg-type]


def test_rows_made_by_python(catalogue: Catalogue, tmp_path: Path, rejects) -> None:
    path = tmp_path / "x.fasta"
    path.write_text(">a\nACGT\n")
    source = rows_of(
        "record",
        {"line": [1, 3], "occurrenceID": ["a", "b"], "sequence": ["ACGT", "MELQ"]},
        Reject(path, 5, "empty sequence", ">c"),
        {"line": [6], "occurrenceID": ["d"], "individualCount": [7], "country": [None]},
        path=path,
    )
    summary = catalogue.ingest(Reading("made", (source,), (path,)))
    assert summary.rows_read == 4
    assert summary.added == {"occurrence": 3, "sequence": 1}
    assert [(r[0], r[1], r[3]) for r in rejects()] == [
        ("value", 3, "looks like protein: found E, L, Q"),
        ("row", 5, "empty sequence"),
    ]
    assert catalogue.query(
        "SELECT individualCount FROM occurrence ORDER BY occurrenceID"
    ).fetch() == [(None,), (None,), (7,)]


@pytest.mark.parametrize("table", ["identification", "media", "sequence", "measurement", "event"])
@pytest.mark.parametrize("term", ["key", "occurrenceID"])
def test_rows_that_say_nothing_of_a_thing_add_nothing(catalogue, tmp_path, table, term) -> None:
    """A damaged table may have kept one column alone."""
    catalogue.ingest(make_known(tmp_path))
    before = catalogue.query("SELECT count(*) FROM occurrence").fetch()
    path = tmp_path / "cut.csv"
    path.write_text("x")
    key = TABLES[table].key if term == "key" or table == "event" else term
    source = rows_of(table, {"line": [1, 2], key: ["a", "b"]}, path=path)
    summary = catalogue.ingest(Reading("made", (source,), (path,)))
    assert set(summary.added) <= {"event", "media"}
    assert catalogue.query("SELECT count(*) FROM occurrence").fetch() == before


def test_tables_fed_by_themselves(catalogue: Catalogue, tmp_path: Path, rejects) -> None:
    catalogue.ingest(make_known(tmp_path))
    path = tmp_path / "labels.txt"
    path.write_text("x")
    sources = (
        rows_of(
            "media",
            {
                "line": [1, 2],
                "mediaID": ["m1", "m2"],
                "occurrenceID": ["a", None],
                "accessURI": ["1.jpg", "trap.jpg"],
            },
            path=path,
        ),
        rows_of(
            "sequence",
            {
                "line": [1],
                "nucleotideSequenceID": ["q1"],
                "occurrenceID": ["a"],
                "sequence": ["acgt"],
            },
            path=path,
        ),
        rows_of(
            "identification",
            {
                "line": [1, 2, 3, 4],
                "mediaID": ["m1", None, None, "gone"],
                "nucleotideSequenceID": [None, "q1", None, None],
                "occurrenceID": ["a", "a", None, None],
                "verbatimIdentification": ["Apis", "Apis mellifera", "Bombus", "Vespa"],
                "agentType": ["machine"] * 4,
                "probability": ["0.5", "0.9", "0.1", "2"],
                "dateIdentified": ["2020", "2021", "2022", "2023"],
            },
            path=path,
        ),
        rows_of(
            "measurement",
            {
                "line": [1],
                "mediaID": ["m1"],
                "measurementType": ["length"],
                "measurementValue": ["3 mm"],
            },
            path=path,
        ),
        rows_of("event", {"line": [1], "eventID": ["e1"], "country": ["Chad"]}, path=path),
        rows_of(
            "occurrence",
            {"line": [1, 2], "occurrenceID": ["z", None], "eventID": ["e1", "e1"]},
            path=path,
        ),
        rows_of(
            "material", {"line": [1], "occurrenceID": ["z"], "catalogNumber": ["7"]}, path=path
        ),
    )
    summary = catalogue.ingest(Reading("made", sources, (path,)))
    assert summary.added == {
        "event": 1,
        "occurrence": 1,
        "material": 1,
        "media": 2,
        "sequence": 1,
        "identification": 2,
        "measurement": 1,
    }
    assert sorted((r[0], r[1], r[3]) for r in rejects()) == [
        ("row", 2, "no identifier"),
        ("row", 3, "an identification of nothing: no identifier of a subject"),
        ("row", 4, "hangs on some media that is neither in this input nor in the catalogue: gone"),
        ("value", 4, "out of range, expected at least 0 and at most 1"),
    ]
    targets = catalogue.query(
        "SELECT mediaID, nucleotideSequenceID, occurrenceID FROM identification ORDER BY 1"
    ).fetch()
    assert targets == [("m1", None, None), (None, "q1", None)]
    standing = catalogue.query("SELECT occurrenceID, scientificName FROM determination").fetch()
    assert standing == [("a", "Apis mellifera")]


def make_known(folder: Path) -> Reading:
    path = folder / "known.csv"
    path.write_text("occurrenceID\na\n")
    return read(path, ["occurrenceID"], Columns("record", {"occurrenceID": "occurrenceID"}))


def test_the_same_sequence_id_with_another_sequence(catalogue: Catalogue, make, rejects) -> None:
    rows = [
        {"occurrenceID": "a", "nucleotideSequenceID": "q", "sequence": s} for s in ("ACGT", "ACGG")
    ]
    assert catalogue.ingest(make(rows)).added == {"occurrence": 1, "sequence": 1}
    assert [(r[1], r[2]) for r in rejects()] == [(3, "sequence")]
    summary = catalogue.ingest(make([rows[0] | {"sequence": "AACC"}]))
    assert summary.rejected == {"value sequence: already in the catalogue with other sequence": 1}
    assert catalogue.query("SELECT sequence FROM sequence").fetch() == [("ACGT",)]


@pytest.mark.parametrize("text", ["", "\n\n", "occurrenceID\n", "occurrenceID\n\n  \n", "\ufeff"])
def test_a_file_without_rows_is_an_error(catalogue: Catalogue, tmp_path: Path, text: str) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match="no rows"):
        catalogue.ingest(
            read(path, ["occurrenceID"], Columns("record", {"occurrenceID": "occurrenceID"}))
        )
    assert catalogue.info().tables["occurrence"] == 0
    assert catalogue.ingest(make_known(tmp_path)).added == {"occurrence": 1}


def test_an_unknown_term_is_an_error(catalogue: Catalogue, make) -> None:
    with pytest.raises(FormatError, match="has no column colour"):
        catalogue.ingest(make([{"occurrenceID": "a", "colour": "red"}]))
    with pytest.raises(FormatError, match="differ only in case"):
        catalogue.ingest(make([{"occurrenceID": "a", "sex": "F", "Sex": "M"}]))


def test_nothing_is_left_behind(catalogue: Catalogue, make) -> None:
    catalogue.ingest(make([SPECIMEN]))
    with pytest.raises(FormatError):
        catalogue.ingest(make([{"occurrenceID": "a", "colour": "red"}]))
    catalogue.query("SELECT 1").fetch()
    assert sorted(p.name for p in catalogue.path.iterdir()) == ["catalogue.duckdb", "merian.json"]


def test_the_summary_speaks(catalogue: Catalogue, make) -> None:
    text = catalogue.ingest(make([SPECIMEN, SPECIMEN | {"decimalLatitude": "99"}])).as_text()
    assert "1 occurrence" in text
    assert "set aside: 0 rows and 1 value of" in text
    assert "value decimalLatitude: out of range" in text


def test_progress_is_told(catalogue: Catalogue, make) -> None:
    told: list[tuple[str, int]] = []
    catalogue.ingest(make([SPECIMEN]), progress=lambda what, rows: told.append((what, rows)))
    assert told[0] == ("reading table1.csv", 0)
    assert ("writing occurrence", 1) in told


def test_very_many_sources_share_a_table_and_keep_their_names(tmp_path: Path) -> None:
    """A row is found again by its file and line, whichever of the sources it is of."""
    count = 90
    sources = []
    for number in range(count):
        file = tmp_path / f"shard-{number}"
        chunk: dict[str, list[object]] = {
            "line": [1, 2, 7], "occurrenceID": [f"O{number}-{i}" for i in range(3)],
        }  # fmt: skip
        if number == 40:  # a column that the others do not have, with a value that is none
            chunk["decimalLatitude"] = ["1.5", "north", None]
            chunk["decimalLongitude"] = ["2.5", "3.5", None]
        if number == 41:
            chunk["occurrenceID"][2] = None
        sources.append(Rows(file, "record", [chunk]))
        kinds = {"line": [1], "occurrenceID": [f"O{number}-0"], "measurementType": ["area"],
                 "measurementValue": [str(number)]}  # fmt: skip
        sources.append(Rows(file, "measurement", [kinds]))
    source = tmp_path / "source"
    source.write_text("x")
    with Catalogue.create(tmp_path / "catalogue") as catalogue:
        catalogue.ingest(Reading("drawn", tuple(sources), (source,)))
        assert catalogue.query("SELECT count(*) FROM occurrence").value() == 3 * count - 1
        assert catalogue.query("SELECT count(*) FROM measurement").value() == count
        rejects = "SELECT file, line, term FROM rejects ORDER BY line, term"
        found = [(Path(str(file)).name, line, term)
                 for file, line, term in catalogue.query(rejects).fetch()]  # fmt: skip
        assert ("shard-40", 2, "decimalLatitude") in found
        assert ("shard-41", 7, "occurrenceID") in found
        first = catalogue.query("SELECT occurrenceID FROM occurrence LIMIT 4").fetch()
        assert first == [("O0-0",), ("O0-1",), ("O0-2",), ("O1-0",)]


def test_more_sources_than_an_import_can_count_are_refused(tmp_path: Path) -> None:
    sources = [Rows(tmp_path / "a", "record", []) for _ in range(8192)]
    with (
        Catalogue.create(tmp_path / "catalogue") as catalogue,
        pytest.raises(FormatError, match=r"8,192 tables, and an import takes 8,191; import it in"),
    ):
        catalogue.ingest(Reading("drawn", tuple(sources), ()))


def test_an_event_of_before_is_filled_in_with_what_comes_later(catalogue, make):
    place = {"occurrenceID": "a", "eventID": "E"}
    catalogue.ingest(make([place], name="first.csv"))
    more = {"occurrenceID": "b", "eventID": "E", "decimalLatitude": "5", "decimalLongitude": "6"}
    catalogue.ingest(make([more], name="second.csv"))
    sql = "SELECT eventID, decimalLatitude, decimalLongitude FROM event"
    assert catalogue.query(sql).fetch() == [("E", 5.0, 6.0)]
