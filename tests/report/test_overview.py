"""Reports on whole things: what is told of a catalogue, answers and a bench; what is refused."""

from __future__ import annotations

import csv
import json

import duckdb
import pytest
from tests.test_report import HOSTILE, Outline

from merian.catalogue import RANKS, Catalogue
from merian.catalogue.asking import asking
from merian.catalogue.reviewed import Decision
from merian.cli import main
from merian.desk.desk import Desk
from merian.errors import InputError
from merian.report.overview import report_on
from merian.report.overview.judged import answered_sql, verdict_sql, wilson
from merian.report.overview.parts import percent
from merian.report.overview.records import make_tables
from merian.report.overview.what import _kind_of

FAMILIES = {"Apis": "Apidae", "Bombus": "Apidae", "Osmia": "Megachilidae"}
HEAD = ["catalogNumber", "scientificName", "family", "order", "class", "country", "eventDate",
        "decimalLatitude", "decimalLongitude"]  # fmt: skip


def rows(count=90):
    for i in range(count):
        genus = ("Apis", "Bombus", "Osmia")[i % 3]
        name = HOSTILE if i == 7 else f"{genus} {'abcdefgh'[i % 8]}us"
        date = f"20{10 + i % 7}-{i % 12 + 1:02}-03" if i % 5 else ""
        country = HOSTILE if i % 2 else "Chad"
        yield [f"M{i}", name, FAMILIES[genus], "Hymenoptera", "Insecta", country, date,
               10 + i % 9, 20 + i % 4]  # fmt: skip


def answer(con, i, name, p, rank="species", lack="", remark="", run="run-1"):
    """An answer of Merian about a record."""
    genus = name.split()[0]
    told = {"scientificName": name, "taxonRank": rank, "genus": genus,
            "species": name if rank == "species" else None, "family": FAMILIES[genus]}  # fmt: skip
    con.execute(
        "INSERT INTO identification BY NAME SELECT ? AS identificationID, o.occurrenceID, "
        "'nucleotideSequence' AS identificationType, 'machine' AS agentType, "
        + ", ".join(f"? AS {key}" for key in told)
        + ", ? AS probability, 'Merian 0.1.0, library x' AS identifiedBy, "
        "'barcode, at most 5 % wrong for any mixture; nearest references R1' || ? AS "
        "identificationReferences, 'PredictedByMachine' AS identificationVerificationStatus, "
        "? AS identificationRemarks, ? AS runID FROM occurrence o "
        "JOIN material m USING (occurrenceID) WHERE m.catalogNumber = ?",
        [f"a{i}", *told.values(), p, lack, remark, run, f"M{i}"],
    ).fetchall()


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    """A catalogue of bees with answers: every tenth is wrong, a third of another genus is new."""
    folder = tmp_path_factory.mktemp("museum")
    with (folder / "bees.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([HEAD, *rows()])
    assert main(["import", str(folder / "bees.csv"), "--into", str(folder / "museum"), "-q"]) == 0
    with Catalogue.open(folder / "museum") as opened:
        con = opened.held()
        con.execute(
            "INSERT INTO run BY NAME SELECT 'run-1' AS runID, 'identify' AS verb, '{}' AS "
            "arguments, '{}' AS inputs, '0.1.0' AS merianVersion, '{}' AS summary"
        )
        for i, row in enumerate(rows(60)):
            name = row[1]
            if i == 7:
                continue
            if i % 10 == 0:
                name = "Osmia wrongus"
            if i % 6 == 5:
                answer(con, i, name.split()[0], 0.97, "genus",
                       remark=f"most probable is something under {name.split()[0]} that is not in "
                       "this library at 62 %, then x")  # fmt: skip
            else:
                answer(con, i, name, 0.9 + (i % 10) / 100)
    return folder / "museum"


def found(report, title):
    (section,) = [one for one in report.as_dict()["sections"] if one["title"] == title]
    return section["parts"]


def test_a_catalogue_is_told_in_full_and_in_the_same_bytes(museum):
    report = report_on(museum)
    text = report.html()
    outline = Outline(text)
    assert "script" not in {tag for tag, _ in outline.tags}
    assert HOSTILE in outline.text
    assert text == report_on(museum).html()
    figures = found(report, "In short")[0]["figures"]
    assert figures["records"] == 90
    (plot,) = found(report, "What is known of each record")
    assert sum(row[-1] for row in plot["rows"]) == 90
    months = next(p for p in found(report, "When") if "month" in p["columns"])
    assert sum(row[1] for row in months["rows"]) == sum(1 for row in rows() if row[6])
    where = found(report, "Where")
    assert sum(row[2] for row in where[1]["rows"]) == 90
    absent = dict(found(report, "What is not here")[0]["rows"])
    assert "merian measure" in absent["How large they are"]


def test_labels_tell_what_is_right_where_nobody_has_looked(museum):
    report = report_on(museum)
    figures, text, plot = found(report, "How sure, and how often right")
    asked = [row for i, row in enumerate(rows(60)) if i != 7]
    wrong = sum(1 for i in range(60) if i % 10 == 0 and i % 6 != 5)
    assert sum(row[-1] for row in plot["rows"]) == len(asked)
    right = figures["figures"]["are right"]
    assert right == percent(1 - wrong / len(asked))
    assert "labels" in text["text"]
    (_, promised) = found(report, "The promise, and whether it was kept")[:2]
    ((evidence, alpha, answers, genera, failed, *_),) = promised["rows"]
    assert (evidence, alpha, answers, genera, failed) == ("barcode", "5 %", len(asked), 3, wrong)
    lacking = found(report, "What the libraries lack")[0]["figures"]
    assert lacking["most probably not in the library"] == str(sum(i % 6 == 5 for i in range(60)))


def test_what_people_say_at_the_desk_stands_above_labels(museum, tmp_path):
    import shutil

    copy = shutil.copytree(museum, tmp_path / "copy")
    with Catalogue.open(copy) as opened:
        desk = Desk(opened, by="someone")
        seen = {
            row["record"]: row["stands"]
            for row in desk.rows(
                "SELECT b.record, b.stands FROM desk.main.board b JOIN identification i "
                "ON i.occurrenceID = b.record WHERE i.runID = 'run-1' AND i.taxonRank = 'species' "
                "ORDER BY b.record LIMIT 30"
            )
        }
        says = {"scientificName": "Apis nova", "taxonRank": "species", "genus": "Apis",
                "species": "Apis nova", "family": "Apidae"}  # fmt: skip
        desk.decide(Decision("name", seen, "someone", says=says))
    report = report_on(copy)
    figures, text, _ = found(report, "How sure, and how often right")
    assert "desk" in text["text"]
    assert figures["figures"]["are right"] == percent(0)
    (verdict,) = [p for p in found(report, "The promise, and whether it was kept") if "rows" in p]
    # A catalogue holds no answers that name nothing, so it cannot say that it was not kept.
    assert verdict["rows"][0][-1] in ("more, of those that name something", "not contradicted")


def test_a_name_that_was_dismissed_says_nothing_of_another(museum, tmp_path):
    import shutil

    copy = shutil.copytree(museum, tmp_path / "copy")
    with Catalogue.open(copy) as opened:
        desk = Desk(opened, by="someone")
        (row,) = desk.rows(
            "SELECT b.record, b.stands, i.scientificName FROM desk.main.board b "
            "JOIN identification i ON i.occurrenceID = b.record "
            "WHERE i.runID = 'run-1' AND i.taxonRank = 'species' AND b.record = 'M1'"
        )
        desk.decide(Decision("dismiss", {row["record"]: row["stands"]}, "someone"))
    told = {}
    for name in (row["scientificName"], "Apis elsewhere"):
        with Catalogue.open(copy) as opened, asking(opened) as con:
            make_tables(con)
            con.execute(
                "UPDATE lineage SET name = ?, species = ? WHERE name = ? AND rank = 'species'",
                [name, name, row["scientificName"]],
            ).fetchall()
            con.execute(answered_sql("voice IN ('reviewed', 'dismissed')", ["answer"])).fetchall()
            told[name] = con.execute("SELECT verdict FROM answered WHERE id = ?",
                                     [row["record"]]).fetchall()  # fmt: skip
    assert told == {row["scientificName"]: [("wrong",)], "Apis elsewhere": [(None,)]}


def test_an_empty_catalogue_says_what_to_do(tmp_path):
    Catalogue.create(tmp_path / "empty").close()
    report = report_on(tmp_path / "empty")
    assert "merian import" in Outline(report.html()).text


# -- right and wrong ------------------------------------------------------------------------------

G, S = {"genus": "A"}, {"genus": "A", "species": "A b"}
F, H = {"family": "F"}, {"family": "H"}
CASES = [
    # rank and names of the answer, rank and names of what is so, whether a person denied it
    ("species", S, "species", S, 0, "right"),
    ("species", {"genus": "A", "species": "A c"}, "species", S, 0, "wrong"),
    ("genus", G, "species", S, 0, "right"),
    ("genus", {"genus": "B"}, "species", S, 0, "wrong"),
    ("species", S, "genus", G, 0, None),
    ("species", {"genus": "B", "species": "B b"}, "genus", G, 0, "wrong"),
    ("species", S, "genus", {"genus": "A", "species": "A sp. 1"}, 0, None),
    ("species", S, "genus", G, 1, "wrong"),
    ("genus", G, "genus", G, 1, "right"),
    ("family", F, "species", S, 0, None),
    ("tribe", F, "family", H, 0, "wrong"),
    ("superfamily", F, "family", H, 0, None),
    ("species", {"species": "A b"}, "species", None, 0, None),
]


@pytest.mark.parametrize(("rank", "names", "other", "truth", "dismissed", "verdict"), CASES)
def test_an_answer_is_right_at_or_above_what_is_so(rank, names, other, truth, dismissed, verdict):
    def lineage(alias, rank, names):
        name = None if names is None else names.get(rank, "x")
        columns = {"name": name, "rank": rank} | {r: (names or {}).get(r) for r in RANKS}
        told = ", ".join(
            f'{"NULL::VARCHAR" if v is None else repr(v)} AS "{k}"' for k, v in columns.items()
        )
        return f"(SELECT {told}) {alias}"

    sql = verdict_sql("a", "t", "true" if dismissed else "false")
    with duckdb.connect() as con:
        ((said,),) = con.execute(
            f"SELECT {sql} FROM {lineage('a', rank, names)}, {lineage('t', other, truth)}"
        ).fetchall()
    assert said == verdict


def test_wilson_is_what_the_textbook_says():
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)  # statsmodels
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1
    assert wilson(0, 0) == (0.0, 1.0)


# -- benches --------------------------------------------------------------------------------------

PERCENT = {"n": 10, "unit": "%"}
BENCH = {
    "bench": "world", "version": "0.1.0", "data_hash": "0123456789abcdef", "seed": 3,
    "figures": {
        "real: species of the known": {"value": 95.1, "low": 94.0, "high": 96.0} | PERCENT,
        "real: genus of the unknown": {"value": 80.0, "low": 70.0, "high": 90.0} | PERCENT,
        f"real: {HOSTILE}": {"value": 3.0, "low": None, "high": None, "n": None, "unit": "%"},
        "seconds": {"value": 3, "low": None, "high": None, "n": None, "unit": None},
    },
    "peers": {"real COI": {"species of the known": [94.4, 95.2]},
              "Other": {"value": 87.4, "unit": "%", "source": HOSTILE}},
}  # fmt: skip


@pytest.fixture
def bench(tmp_path):
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(BENCH), encoding="utf-8")
    return path


def test_a_bench_stands_beside_peers_and_what_was_wanted(bench):
    name = "real: species of the known"
    report = report_on(bench, wanted=(f"{name} >= 95", "seconds <= 2"))
    text = Outline(report.html()).text
    assert HOSTILE in text
    assert "94.4–95.2" in text
    overview = found(report, "In short")
    assert overview[0]["figures"]["of 2 wanted reached"] == 1
    assert [row[-1] for row in overview[1]["rows"]] == ["reached", "missed"]
    (real,) = found(report, "real")
    assert real["rows"][0][:4] == [name, 95.1, 94.0, 96.0]
    (others,) = [p for p in found(report, "What others report") if "rows" in p]
    assert others["rows"] == [["real COI", "species of the known", "94.4", "95.2"],
                              [HOSTILE, "Other", "87.4", None]]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "why"),
    [("real: species of the know >= 3", "Did you mean"), ("nonsense", "expected"),
     ("seconds >= 1e", "is no number")],
    ids=["unknown", "nonsense", "number"],
)  # fmt: skip
def test_what_is_wanted_of_no_figure_is_refused(bench, wanted, why):
    with pytest.raises(InputError, match=why):
        report_on(bench, wanted=(wanted,))


def test_a_figure_without_a_number_is_told_with_its_file(bench):
    bench.write_text(json.dumps(BENCH | {"figures": {"a": {"value": None}}}), encoding="utf-8")
    with pytest.raises(InputError, match="'a' has no value"):
        report_on(bench)


# -- what it is asked about -----------------------------------------------------------------------


def test_anything_else_is_refused_in_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello", encoding="utf-8")
    (tmp_path / "list.json").write_text("[1]", encoding="utf-8")
    (tmp_path / "counts").mkdir()
    header = {"merian": {"format": "merian-counts", "format_version": "1.0"}}
    (tmp_path / "counts" / "counts.json").write_text(json.dumps(header), encoding="utf-8")
    (tmp_path / "counts" / "counts.html").write_text("", encoding="utf-8")
    for name, why in (("empty", "is nothing that has a report"), ("text.txt", "is nothing"),
                      ("list.json", "is nothing"), ("gone", "no such"),
                      ("counts", "has its page already: counts.html")):  # fmt: skip
        assert main(["report", str(tmp_path / name), "-o", str(tmp_path / "p.html")]) == 2
        told = capsys.readouterr().err
        assert why in told
        assert told.count("\n") == 1
        assert not (tmp_path / "p.html").exists()


def test_options_of_one_kind_are_refused_for_another(bench, museum):
    with pytest.raises(InputError, match="--against is for answers"):
        report_on(bench, against=museum)
    with pytest.raises(InputError, match="--wanted is for the JSON of a bench"):
        report_on(museum, wanted=("a >= 1",))


def test_several_tables_of_answers_are_not_guessed_among(tmp_path):
    told = {"merian": {"format": "merian-answers", "format_version": "1.0"}}
    for name in ("a.tsv", "b.tsv", "a.evidence.tsv"):
        (tmp_path / name).write_text("id\n", encoding="utf-8")
        (tmp_path / f"{name}.merian.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(InputError, match=r"several tables of answers \(a.tsv, b.tsv\)"):
        _kind_of(tmp_path)
    (tmp_path / "b.tsv").unlink()
    assert _kind_of(tmp_path) == ("merian-answers", tmp_path / "a.tsv")


def test_the_verb_writes_a_page_and_numbers_and_replaces_only_its_own(
    bench, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "bench.json", "--json", "numbers.json"]) == 0
    assert "the page: report.html" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_bytes()
    assert json.loads((tmp_path / "numbers.json").read_text())["about"] == "bench"
    assert main(["report", "bench.json"]) == 0
    assert (tmp_path / "report.html").read_bytes() == page
    (tmp_path / "report.html").write_text("mine", encoding="utf-8")
    assert main(["report", "bench.json"]) == 2
    assert (tmp_path / "report.html").read_text() == "mine"
    assert main(["report", "bench.json", "-o", "x.html", "--json", "x.html"]) == 2
    assert main(["report", "bench.json", "-o", str(tmp_path)]) == 2
