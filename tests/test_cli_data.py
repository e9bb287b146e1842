"""The verbs that take data in, ask it and give it out, end to end."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from merian.cli import main

DRAWER = """Nr;Label;kingdom;Familie;Lat;Datum
1;Osmia bicornis;Animalia;Megachilidae;48.1;2019-04-11
2;Osmia cf. cornuta;Animalia;Megachilidae;48.1;2019-04-12
3;"Apis; mellifera [red]";Animalia;Apidae;95.2;2019-04-13
4;Großer Käfer;Animalia;;48.1;2019-31-12
"""
MAP = ["--map", "Nr=occurrenceID", "--map", "Label=verbatimIdentification",
       "--map", "Familie=family", "--map", "Datum=eventDate"]  # fmt: skip

CHECKLIST = """kingdom,phylum,class,order,family,genus,species
Animalia,Arthropoda,Insecta,Hymenoptera,Megachilidae,Osmia,Osmia bicornis
Animalia,Arthropoda,Insecta,Hymenoptera,Megachilidae,Osmia,Osmia cornuta
Animalia,Arthropoda,Insecta,Hymenoptera,Apidae,Apis,Apis mellifera
Chromista,Bacillariophyta,Bacillariophyceae,Fragilariales,Ulnariaceae,Ctenophora,
Animalia,Arthropoda,Insecta,Diptera,Tipulidae,Ctenophora,
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drawer.csv").write_text(DRAWER, encoding="utf-8")
    (tmp_path / "checklist.csv").write_text(CHECKLIST, encoding="utf-8")
    return tmp_path


@pytest.fixture
def museum(place: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["import", "drawer.csv", "--into", "museum", *MAP, "-q"]) == 0
    capsys.readouterr()
    return place / "museum"


@pytest.fixture
def names(place: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["taxonomy", "build", "checklist.csv", "-o", "names", "--version", "7"]) == 0
    capsys.readouterr()
    return place / "names"


# -- import ----------------------------------------------------------------------------------


def test_import_makes_a_catalogue_and_says_what_it_did(place, capsys):
    assert main(["import", "drawer.csv", "--into", "museum", *MAP]) == 0
    shown = capsys.readouterr()
    assert "museum: a new catalogue" in shown.err
    assert "drawer.csv: read as table" in shown.err
    assert 'merian query museum "SELECT file, line, term, reason FROM rejects"' in shown.err
    assert "4 rows of table" in shown.out
    assert "4 occurrence" in shown.out
    assert "set aside: 0 rows and 2 values" in shown.out


def test_quiet_leaves_the_answer(place, capsys):
    assert main(["import", "drawer.csv", "--into", "museum", "--quiet", *MAP]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "4 rows of table" in shown.out


def test_the_same_import_does_nothing_twice(museum, capsys):
    assert main(["import", "drawer.csv", "--into", "museum", *MAP]) == 0
    assert "already imported" in capsys.readouterr().out


def test_an_import_of_nothing_usable_ends_with_2(place, capsys):
    (place / "broken.csv").write_text("catalogNumber,species\n1,2,3\n4,5,6\n", encoding="utf-8")
    assert main(["import", "broken.csv", "--format", "table", "--into", "museum"]) == 2
    shown = capsys.readouterr()
    assert "set aside: 2 rows" in shown.out
    assert "merian: error: nothing could be taken in" in shown.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["drawer.csv", "absent.csv"], "absent.csv: no such"),
        (["drawer.csv", "--format", "tabel"], "Did you mean table?"),
        (["drawer.csv", "--map", "Labl=species"], "Did you mean Label"),
        (["drawer.csv", "--map", "Label=specis"], "Did you mean species"),
        (["drawer.csv", "--map", "Label"], "expected name=value"),
        ([], "give the files"),
    ],
)
def test_a_wrong_word_leaves_nothing_behind(place, words, told, capsys):
    assert main(["import", *words, "--into", "museum"]) == 2
    assert told in capsys.readouterr().err
    assert not (place / "museum").exists()


def test_a_folder_with_other_things_is_not_touched(place, capsys):
    (place / "other").mkdir()
    (place / "other" / "thesis.txt").write_text("my life", encoding="utf-8")
    assert main(["import", "drawer.csv", "--into", "other", *MAP]) == 2
    assert "is no catalogue" in capsys.readouterr().err
    assert [f.name for f in (place / "other").iterdir()] == ["thesis.txt"]


def test_settings_of_one_format_are_handed_on(place, capsys):
    (place / "a.fasta").write_text(">x|y|z\nACGTACGTAA\n", encoding="utf-8")
    assert (
        main(["import", "a.fasta", "--into", "c", "--set", "header=bare", "--marker", "ITS"]) == 0
    )
    capsys.readouterr()
    assert main(["query", "c", "SELECT occurrenceID, targetGene FROM sequence"]) == 0
    assert capsys.readouterr().out == "occurrenceID\ttargetGene\nx|y|z\tITS\n"
    assert main(["import", "a.fasta", "--into", "c", "--set", "header=nonsense"]) == 2


# -- info, query, export -----------------------------------------------------------------------


def test_info_counts(museum, capsys):
    assert main(["info", "museum"]) == 0
    text = capsys.readouterr().out
    assert "occurrence" in text
    assert "2019-04-11 to 2019-04-13" in text
    assert "import-" in text
    assert main(["info", "museum", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tables"]["occurrence"] == 4
    assert len(found["runs"]) == 1


SQL = "SELECT occurrenceID, verbatimIdentification AS label FROM identification ORDER BY 1"
LABELS = ["Osmia bicornis", "Osmia cf. cornuta", "Apis; mellifera [red]", "Großer Käfer"]


def test_query_prints_in_every_format(museum, capsys):
    def ask(format_name: str) -> str:
        assert main(["query", "museum", SQL, "--format", format_name]) == 0
        return capsys.readouterr().out

    tsv = [line.split("\t") for line in ask("tsv").splitlines()]
    assert tsv == [["occurrenceID", "label"], *[[str(i), n] for i, n in enumerate(LABELS, 1)]]
    assert list(csv.reader(io.StringIO(ask("csv")))) == tsv
    assert [row["label"] for row in json.loads(ask("json"))] == LABELS
    assert all(label in ask("table") for label in LABELS)
    assert main(["query", "museum", SQL]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "occurrenceID\tlabel"


def test_query_of_no_rows_is_well_formed(museum, capsys):
    none = "SELECT occurrenceID FROM occurrence WHERE false"
    assert main(["query", "museum", none, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["query", "museum", none]) == 0
    assert capsys.readouterr().out == "occurrenceID\n"


def test_a_tab_in_a_field_does_not_break_a_row(museum, capsys):
    assert main(["query", "museum", "SELECT 'a' || chr(9) || 'b' || chr(10) AS x, NULL AS y"]) == 0
    assert capsys.readouterr().out == "x\ty\na b\t\n"


def test_a_long_table_is_cut_and_says_so(museum, capsys):
    assert main(["query", "museum", "SELECT range AS n FROM range(500)", "--format", "table"]) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 101
    assert "the first 100 rows" in shown.err


def test_query_writes_a_file(museum, place, capsys):
    assert main(["query", "museum", SQL, "--out", "labels.csv"]) == 0
    assert capsys.readouterr().out == "4 rows in labels.csv\n"
    with (place / "labels.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["label"] for row in csv.DictReader(stream)] == LABELS


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT * FROM occurence", "occurrence"),
        ("DELETE FROM occurrence", "expected a query that reads"),
        ("SELECT * FROM '/etc/passwd'", "merian: error"),
        ("SELEKT", "the query cannot be answered"),
    ],
)
def test_a_query_that_cannot_be_answered(museum, sql, told, capsys):
    assert main(["query", "museum", sql]) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.err.count("\n") == 1


def test_export_and_back_again(museum, place, capsys):
    assert main(["export", "museum", "--format", "dwc-a", "-o", "museum.zip"]) == 0
    assert "museum.zip" in capsys.readouterr().out
    assert main(["import", "museum.zip", "--into", "again", "-q"]) == 0
    capsys.readouterr()
    assert main(["query", "again", SQL]) == 0
    assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()[1:]] == LABELS


def test_a_format_that_is_only_read_says_which_can_be_written(museum, capsys):
    assert main(["export", "museum", "--format", "image-folder", "-o", "x"]) == 2
    shown = capsys.readouterr().err
    assert "can be read and not written" in shown
    assert "dwc-a" in shown


def test_formats_shows_all_and_one(capsys):
    from merian.formats import formats

    assert main(["formats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(formats())
    assert main(["formats", "--json"]) == 0
    listed = {f["format"]: f for f in json.loads(capsys.readouterr().out)}
    for name, found in formats().items():
        line = next(li for li in lines if li.startswith(f"{name} "))
        assert ("from the specification only" in line) == (not found.tested_on)
        assert listed[name]["writes"] == (found.write is not None)
        assert main(["formats", name]) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"{name}: {found.title}\n\n")
        assert len(text) > 300


# -- taxonomy ----------------------------------------------------------------------------------


def test_build_writes_a_taxonomy_and_counts(place, capsys):
    words = [
        "taxonomy",
        "build",
        "checklist.csv",
        "-o",
        "names",
        "--title",
        "Mine",
        "--version",
        "7",
    ]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Mine 7 (")
    assert "taxa and 0 synonyms in names" in shown.out
    assert (place / "names" / "taxonomy.lock").is_file()


def test_problems_of_a_checklist_are_counted_and_listed(place, capsys):
    folder = place / "coldp"
    folder.mkdir()
    (folder / "NameUsage.csv").write_text(
        "ID,parentID,status,rank,scientificName\n1,,accepted,genus,Osmia\n2,9,accepted,genus,Apis\n"
    )
    assert main(["taxonomy", "build", "coldp", "-o", "n"]) == 0
    assert "1 problem, each with its line in n" in capsys.readouterr().out
    assert "Apis" in (place / "n" / "problems.tsv").read_text()


def test_match_prints_what_decided_and_the_candidates(names, capsys):
    asked = ["Osmia bicorniss", "Osmia cf. cornuta", "Ctenophora", "unidentified", "Yeti [b]x[/b]"]
    assert main(["taxonomy", "match", "names", *asked]) == 0
    text = capsys.readouterr().out
    rows = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "VARIANT" in rows["Osmia bicorniss"]
    assert "'cf. cornuta' is kept as a qualifier" in rows["Osmia cf. cornuta"]
    assert "homonym" in rows["Ctenophora"]
    assert "placeholder" in rows["unidentified"]
    assert "NONE" in rows["Yeti [b]x[/b]"]
    below = text.split("Ctenophora could be:")[1]
    assert "Chromista > Bacillariophyta" in below
    assert "Animalia > Arthropoda > Insecta > Diptera > Tipulidae" in below


def test_match_in_json_has_the_shape_of_gbif(names, capsys):
    assert (
        main(["taxonomy", "match", "names", "Ctenophora", "--kingdom", "Chromista", "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["diagnostics"]["matchType"] == "EXACT"
    assert found["classification"][0]["name"] == "Chromista"
    assert found["taxonomy"]["version"] == "7"
    assert main(["taxonomy", "match", "names", "Apis", "Osmia", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_a_table_is_matched_row_by_row(names, place, capsys):
    (place / "labels.csv").write_text(
        "who,scientificName,Reich\na,Osmia bicornis,Animalia\nb,Ctenophora,Chromista\nc,detritus,\n"
    )
    words = ["taxonomy", "match", "names", "--file", "labels.csv", "-o", "out.tsv"]
    assert main([*words, "--hint", "kingdom=Reich"]) == 0
    text = capsys.readouterr().out
    assert "3 rows with 3 distinct names; the answers are in out.tsv" in text
    assert "placeholder" in text
    with (place / "out.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [row["who"] for row in rows] == ["a", "b", "c"]
    assert [row["matchType"] for row in rows] == ["EXACT", "EXACT", "NONE"]
    for word in ("--column", "--hint"):
        assert main([*words, word, "kingdom=Nr" if word == "--hint" else "nam"]) == 2
        assert "there is no column" in capsys.readouterr().err


def test_a_table_needs_a_place_for_its_answers(names, capsys):
    assert main(["taxonomy", "match", "names", "--file", "checklist.csv"]) == 2
    assert "--out" in capsys.readouterr().err
    assert main(["taxonomy", "match", "names", "Apis", "--file", "checklist.csv"]) == 2
    assert "one of the two" in capsys.readouterr().err


def test_show_counts_and_places(names, capsys):
    assert main(["taxonomy", "show", "names"]) == 0
    text = capsys.readouterr().out
    assert "species" in text
    assert "accepted" in text
    assert main(["taxonomy", "show", "names", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ranks"]["species"] == 3
    assert main(["taxonomy", "show", "names", "Osmia"]) == 0
    text = capsys.readouterr().out
    assert "children: Osmia bicornis, Osmia cornuta" in text
    assert "    Insecta (class)" in text
    assert main(["taxonomy", "show", "names", "Ctenophora", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert main(["taxonomy", "show", "names", "Osmia bicornos"]) == 2
    assert "Did you mean Osmia bicornis?" in capsys.readouterr().err
