"""Samples joined with their pictures, individuals and DNA: what fits, and what does not and why."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest

from merian.cli import main
from merian.errors import FormatError, InputError
from merian.identify import composition
from merian.identify.detectability import Listings
from merian.metabarcoding.dna_lists import (
    read_detectability,
    read_dna_lists,
    read_listings,
    write_listings,
)
from merian.metabarcoding.joined_samples import SampleTables, join_samples


def table(path: Path, head: str, *rows: str) -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def run(*words: object) -> int:
    return main([str(word) for word in words])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_what_does_not_fit_is_listed_with_its_reason(tmp_path):
    tables = SampleTables(
        sheet=table(
            tmp_path / "sheet.csv", "sample,pictures,expected_replicates", "A,1,3", "B,1,3",
            "C,2,3", "A,1,3", ",1,3", "D,,",
        ),
        pictures=table(
            tmp_path / "p.csv", "sample,picture", "A,a.jpg", "B,b.jpg", "C,c1.jpg", "C,c2.jpg",
            "C,c2.jpg", "B,both.jpg", "C,both.jpg",
        ),
        individuals=table(
            tmp_path / "i.csv", "specimen,image,sample,predicted", "i1,a.jpg,,fly", "i2,a.jpg,A,",
            "i3,a.jpg,B,bee", "i4,gone.jpg,A,bee", "i5,,A,fly", "i5,,B,fly", "i6,,,fly",
        ),
        replicates=table(
            tmp_path / "r.csv", "sample_id\trun_accession".replace("\t", ","), "A,A_Rep1",
            "A,A_Rep2", "A,A_Rep3", "b,B_Rep1", "X,X_Rep1", "C,",
        ),
    )  # fmt: skip
    with join_samples(tables) as joined:
        assert joined.samples() == ["A", "B", "C", "D"]
        found = set(joined.rows("SELECT reason, sample, id, line, aside FROM finding"))
        counts = list(joined.rows("SELECT sample, pictures, individuals, replicates "
                                  "FROM sample_row ORDER BY sample"))  # fmt: skip
        said = dict(joined.rows("SELECT id, said FROM finding WHERE what = 'replicate'"))
        every = list(joined.rows("SELECT sample, what, id, picture, answer FROM joined"))
    assert found == {
        ("sample twice", "A", "A", 5, True), ("sample without a code", "", "", 6, True),
        ("picture twice", "C", "c2.jpg", 6, True),
        ("picture of two samples", "B", "both.jpg", 7, True),
        ("picture of two samples", "C", "both.jpg", 8, True),
        ("individual and its picture of two samples", "B", "i3", 4, True),
        ("individual of no picture", "A", "i4", 5, False),
        ("individual of two samples", "A", "i5", 6, True),
        ("individual of two samples", "B", "i5", 7, True),
        ("individual that names no sample", "", "i6", 8, True),
        ("replicate of no sample", "b", "B_Rep1", 5, True),
        ("replicate of no sample", "X", "X_Rep1", 6, True),
        ("replicate without a code", "C", "", 7, True),
        ("sample without a picture", "D", "D", None, False),
        ("sample without an individual", "B", "B", None, False),
        ("sample without an individual", "C", "C", None, False),
        ("sample without an individual", "D", "D", None, False),
        ("sample without DNA", "B", "B", None, False),
        ("sample without DNA", "C", "C", None, False),
        ("sample without DNA", "D", "D", None, False),
        ("other number of replicates", "B", "B", None, False),
        ("other number of replicates", "C", "C", None, False),
    }  # fmt: skip
    assert said["B_Rep1"] == "no sample has this code; B is the same but for capitals"
    assert counts == [("A", 1, 3, 3), ("B", 1, 0, 0), ("C", 2, 0, 0), ("D", 0, 0, 0)]
    assert ("A", "individual", "i1", "a.jpg", "fly") in every  # it has the sample of its picture
    assert len(every) == 4 + 3 + 3


def test_only_what_a_picture_says_stands_against_an_individual(tmp_path):
    tables = SampleTables(
        pictures=table(tmp_path / "p.csv", "sample,picture", ",plain.jpg", "A,a.jpg", "A,both.jpg",
                       "B,both.jpg"),
        individuals=table(
            tmp_path / "i.csv", "specimen,picture,sample", "i1,plain.jpg,A", "i2,both.jpg,B",
            "i3,gone.jpg,A", "i4,gone.jpg,", "i5,a.jpg,A",
        ),
    )  # fmt: skip
    with join_samples(tables) as joined:
        kept = list(joined.rows("SELECT id, sample FROM joined WHERE what = 'individual' "
                                "ORDER BY id"))  # fmt: skip
        found = list(joined.rows("SELECT id, reason, aside FROM finding WHERE what = 'individual' "
                                 "ORDER BY id"))  # fmt: skip
    # A picture of no sample, or of two, does not contradict an individual that names its own.
    assert kept == [("i1", "A"), ("i2", "B"), ("i3", "A"), ("i5", "A")]
    assert found == [("i3", "individual of no picture", False),
                     ("i4", "individual that names no sample", True)]  # fmt: skip


def test_numbers_of_a_picture_count_anew_on_each_and_codes_of_specimens_do_not(tmp_path):
    pictures = table(tmp_path / "p.csv", "sample,picture", "A,a1", "A,a2", "B,b1")
    rows = "a1,1", "a1,2", "a2,1", "b1,1", "b1,1"
    counts, reasons = {}, {}
    for column in ("instance", "specimen"):
        things = table(tmp_path / f"{column}.tsv", f"photo\t{column}",
                       *(row.replace(",", "\t") for row in rows))  # fmt: skip
        with join_samples(SampleTables(pictures=pictures, individuals=things)) as joined:
            counts[column] = dict(joined.rows("SELECT sample, individuals FROM sample_row"))
            reasons[column] = sorted(joined.rows(
                "SELECT reason, line FROM finding WHERE what = 'individual'"
            ))  # fmt: skip
    assert counts == {"instance": {"A": 3, "B": 1}, "specimen": {"A": 1, "B": 0}}
    assert reasons == {
        "instance": [("individual twice", 6)],
        "specimen": [("individual of two samples", line) for line in (2, 4, 5, 6)],
    }


def test_every_row_is_joined_or_listed(tmp_path):
    chance = random.Random(4)
    rows = [
        f"{chance.choice(['A', 'B', 'C', '', 'Z'])},{chance.choice(['', *map(str, range(40))])}"
        for _ in range(200)
    ]
    sheet = table(tmp_path / "s.csv", "sample,x", "A,1", "B,1", "C,1")
    runs = table(tmp_path / "r.csv", "sample,replicate", *rows)
    with join_samples(SampleTables(sheet=sheet, replicates=runs)) as joined:
        kept = next(joined.rows("SELECT count(*) FROM joined"))[0]
        aside = list(joined.rows("SELECT line FROM finding WHERE what = 'replicate'"))
        ids = [row[0] for row in joined.rows("SELECT id FROM joined")]
    assert kept + len(aside) == 200
    assert len(set(aside)) == len(aside)
    assert len(set(ids)) == len(ids)


def test_a_code_tells_its_sample_where_no_column_does(tmp_path):
    sheet = table(tmp_path / "s.csv", "event,x", "T1,1", "T1_a,1", "T12,1")
    runs = table(tmp_path / "r.csv", "run,x", "T1_Rep1,", "T1_a_Rep1,", "T12-2,", "T123_1,")
    with join_samples(SampleTables(sheet=sheet, replicates=runs)) as joined:
        found = list(joined.rows("SELECT sample, id FROM joined ORDER BY id"))
        left = list(joined.rows("SELECT reason, id FROM finding WHERE what = 'replicate'"))
    assert found == [("T12", "T12-2"), ("T1", "T1_Rep1"), ("T1_a", "T1_a_Rep1")]
    assert left == [("replicate that names no sample", "T123_1")]


def test_lists_are_read_by_lineages_and_ranks(tmp_path):
    runs = table(tmp_path / "r.csv", "sample,replicate", "A,A1", "B,B1", "C,C1")
    taxa = table(
        tmp_path / "t.csv", "replicate,phylum,class,order,family,name,lineage,reads",
        "A1,Arthropoda,Insecta,Diptera,NULL,,,3", "A1,Mollusca,Gastropoda,,,,,1",
        "B1,Arthropoda,Insecta,Coleoptera,Carabidae,Abax ater,,9", "B1,,,,,,,",
        "A1,Arthropoda,Arachnida,Araneae,,,,0", "X1,Arthropoda,Insecta,Diptera,,,,2",
    )  # fmt: skip
    kinds = ["Araneae", "Coleoptera", "Diptera", "Insecta"]
    with join_samples(SampleTables(replicates=runs)) as joined:
        found = read_dna_lists(joined, taxa, {}, kinds)
    nan = np.nan  # C has no list, and B has one without spiders
    expected = [[0, 0, 1, 1], [0, 1, 0, 1], [nan] * 4]
    np.testing.assert_array_equal(found.listed, expected)
    assert found.paths == [
        (), ("Arthropoda", "Insecta"), ("Arthropoda", "Insecta"), ("Arthropoda",)
    ]  # fmt: skip
    assert found.others == [("A", "Gastropoda", "Mollusca")]
    assert found.strangers == [("", 1)]
    long = table(tmp_path / "l.tsv", "sample\tname\tlineage", "A\tDiptera\tArthropoda;Insecta")
    with join_samples(SampleTables(replicates=runs)) as joined:
        assert read_dna_lists(joined, long, {}, kinds).listed[0].tolist() == [0, 0, 1, 1]


def test_a_lineage_stands_before_ranks_that_leave_some_out(tmp_path):
    runs = table(tmp_path / "r.csv", "sample,replicate", "A,A1", "B,B1", "C,C1", "D,D1")
    taxa = table(
        tmp_path / "t.csv", "sample,phylum,class,family,lineage,reads",
        "A,Arthropoda,Insecta,Tipulidae,Arthropoda;Insecta;Diptera;Tipulidae,2",
        "B,Arthropoda,Insecta,Tipulidae,Arthropoda;Insecta;Diptera,2",
        "C,unclassified,,,,7", "C,Arthropoda,Insecta,,,0",
    )  # fmt: skip
    with join_samples(SampleTables(replicates=runs)) as joined:
        found = read_dna_lists(joined, taxa, {}, ["Diptera", "Tipulidae"])
    insects = ("Arthropoda", "Insecta")
    assert found.paths == [insects, (*insects, "Diptera")]
    # Nothing of C has a name or reads, but it was sequenced; D was not.
    np.testing.assert_array_equal(found.listed, [[1, 1], [1, 1], [0, 0], [np.nan] * 2])


def test_one_name_of_two_taxa_is_told_apart_by_its_rank_or_by_what_is_above(tmp_path):
    runs = table(tmp_path / "r.csv", "sample,replicate", "A,A1", "B,B1")
    flies = ("Arthropoda", "Insecta", "Diptera", "Tipulidae")
    forms = [
        table(tmp_path / "ranks.csv", "sample,kingdom,phylum,class,order,family,genus",
              "A,Animalia,Ctenophora,,,,", "B,Animalia,Arthropoda,Insecta,Diptera,,Ctenophora"),
        table(tmp_path / "lines.csv", "sample,lineage,name", "A,Animalia,Ctenophora",
              "B,Animalia;Arthropoda;Insecta;Diptera,Ctenophora"),
        table(tmp_path / "names.csv", "sample,name,rank", "A,Ctenophora,phylum",
              "B,Ctenophora,genus"),
    ]  # fmt: skip
    own, either = [[0], [1]], [[1], [1]]
    for ranks, above, expected in (
        ({"Ctenophora": "genus"}, {}, (own, either, own)),
        ({}, {"Ctenophora": flies}, (own, own, either)),
        ({"Ctenophora": "genus"}, {"Ctenophora": flies}, (own, own, own)),
        ({}, {}, (either, either, either)),
    ):
        for taxa, listed in zip(forms, expected, strict=True):
            with join_samples(SampleTables(replicates=runs)) as joined:
                found = read_dna_lists(joined, taxa, {}, ["Ctenophora"], ranks, above)
            assert found.listed.tolist() == listed
            # What is of another taxon is among what no picture is named as.
            assert [one[0] for one in found.others] == (["A"] if listed is own else [])


def test_what_is_known_is_read_as_it_was_written(tmp_path):
    present = np.array([[1.0, 0.25], [np.nan, 0.0]])
    listed = np.array([[1.0, 0.0], [1.0, np.nan]])
    known = Listings(["s", "t"], ["a", "b"], [("x", "y"), ()], present, listed)
    write_listings(tmp_path / "listings.tsv", known)
    again = read_listings(tmp_path / "listings.tsv")
    np.testing.assert_array_equal(again.present, present)
    np.testing.assert_array_equal(again.listed, listed)
    assert again.paths == known.paths
    words = table(tmp_path / "w.csv", "Sample,Taxon,Present,Listed", "s,a,12,yes", "s,b,no,")
    assert read_listings(words).present.tolist() == [[1.0, 0.0]]
    bad = table(tmp_path / "bad.csv", "sample,taxon,present,listed", "s,a,some,yes")
    with pytest.raises(FormatError, match=r"bad\.csv:2: present is 'some'"):
        read_listings(bad)
    with pytest.raises(InputError, match="has no column listed"):
        read_listings(table(tmp_path / "no.csv", "sample,taxon,present", "s,a,1"))


KINDS = {  # how often it is there, and listed if it is and if not
    "beetle": (0.8, 0.8, 0.3), "fly": (0.9, 0.9, 0.5), "mite": (0.5, 0.5, 0.1),
    "snail": (0.4, 0.7, 0.05),
}  # fmt: skip
LINEAGES = {"beetle": "Arthropoda;Insecta", "fly": "Arthropoda;Insecta",
            "mite": "Arthropoda;Arachnida", "snail": "Mollusca"}  # fmt: skip


@pytest.fixture
def traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten traps with individuals, of which some are validated, and lists; few draws are enough."""
    monkeypatch.setattr(composition, "_DRAWS", 200)
    monkeypatch.setattr(composition, "_BURN", 50)
    chance = random.Random(2)
    things, taxa, runs = [], [], []
    for trap in (f"T{n}" for n in range(10)):
        runs += [f"{trap},{trap}_{n}" for n in (1, 2)]
        for kind, (often, found, false) in KINDS.items():
            there = chance.random() < often
            for number in range(chance.randint(1, 12) if there else 0):
                answer = kind if chance.random() < 0.85 else chance.choice([*KINDS])
                truth = kind if chance.random() < 0.3 else ""
                things.append(f"{trap},{trap}-{kind}-{number},{answer},{truth},0.8")
            if chance.random() < (found if there else false):
                taxa.append(f"{trap},{kind},{LINEAGES[kind]}")
    table(tmp_path / "runs.csv", "sample,replicate", *runs, "T99,T99_1")
    table(tmp_path / "taxa.csv", "sample,name,lineage", *taxa, "T1,Homo sapiens,Chordata")
    table(tmp_path / "things.csv", "sample,specimen,predicted,validated,score", *things)
    return tmp_path


def test_the_verb_writes_tables_and_a_page(traps, capsys):
    words = ("sample", "--individuals", traps / "things.csv", "--replicates", traps / "runs.csv",
             "--taxa", traps / "taxa.csv")  # fmt: skip
    assert run(*words, "-o", traps / "out") == 0
    said = capsys.readouterr()
    assert "learnt from the other samples, left out in 10 parts" in said.err
    views = rows_of(traps / "out" / "views.tsv")
    assert {row["seen_by"] for row in views} >= {"both", "pictures only", "DNA only"}
    for row in views:
        assert float(row["from"]) <= float(row["count"]) + 0.5
        if row["seen_by"] == "DNA only":
            assert row["listed"] == "yes"
        assert float(row["listed_if_not"]) <= float(row["listed_if_there"])
    samples = {row["sample"]: row for row in rows_of(traps / "out" / "samples.tsv")}
    assert samples["T1"]["replicates"] == "2"
    assert float(samples["T1"]["from"]) <= float(samples["T1"]["kinds"]) <= 4
    assert rows_of(traps / "out" / "dna_others.tsv")[0]["taxon"] == "Homo sapiens"
    # Without a sheet, a trap of which there is DNA alone is a sample too, and that is said.
    assert [row["reason"] for row in rows_of(traps / "out" / "findings.tsv")] == [
        "sample without an individual"
    ]
    text = (traps / "out" / "sample.html").read_text(encoding="utf-8")
    assert "How lists tell of taxa" in text
    before = {path.name: path.read_bytes() for path in (traps / "out").iterdir()}
    assert run(*words, "-o", traps / "out", "-q") == 0
    assert {path.name: path.read_bytes() for path in (traps / "out").iterdir()} == before

    told = read_detectability(traps / "out" / "detectability.json")
    assert told.kinds == sorted(KINDS)
    assert told.paths[told.kinds.index("mite")] == ("Arthropoda", "Arachnida")
    # What was learnt here weighs other samples, as does what it was learnt from.
    things = [line for line in (traps / "things.csv").read_text().splitlines() if "T3" in line]
    table(traps / "new.csv", "sample,specimen,predicted,validated,score", *things)
    ways = []
    for file in ("detectability.json", "listings.tsv"):
        out = traps / f"by {file}"
        assert run("sample", "--individuals", traps / "new.csv", "--taxa", traps / "taxa.csv",
                   "--detectability", traps / "out" / file, "-o", out, "-q") == 0  # fmt: skip
        assert "earlier samples" in json.loads((out / "sample.json").read_text())["learnt_from"]
        ways.append({row["taxon"]: float(row["present"]) for row in rows_of(out / "views.tsv")})
    assert ways[0].keys() == ways[1].keys()
    assert all(abs(ways[0][kind] - ways[1][kind]) < 0.1 for kind in ways[0])


def test_traps_of_which_every_fifth_is_sequenced_are_learnt_from(traps, capsys):
    head, *things = (traps / "things.csv").read_text().splitlines()
    more = [
        line.replace(f"T{n}", f"S{n}{site}")
        for line in things for n in range(10) for site in "ABCDE" if line.startswith(f"T{n},")
    ]  # fmt: skip
    table(traps / "sites.csv", head, *more)
    head, *taxa = (traps / "taxa.csv").read_text().splitlines()
    table(traps / "first.csv", head, *(f"S{row[1]}A{row[2:]}" for row in taxa))
    assert run("sample", "--individuals", traps / "sites.csv", "--taxa", traps / "first.csv") == 0
    assert "learnt from the other samples, left out in 10 parts" in capsys.readouterr().err


def test_ranks_of_answers_tell_names_apart(tmp_path):
    table(tmp_path / "runs.csv", "sample,replicate", "A,A1", "B,B1")
    things = table(tmp_path / "i.csv", "sample,specimen,name,rank,validated",
                   "A,i1,Ctenophora,genus,Ctenophora", "B,i2,Ctenophora,Genus,")  # fmt: skip
    taxa = table(tmp_path / "t.csv", "sample,phylum,genus", "A,Ctenophora,", "B,,Ctenophora")
    out = tmp_path / "out"
    assert run("sample", "--individuals", things, "--taxa", taxa, "-o", out, "-q") == 0
    assert [(row["sample"], row["listed"]) for row in rows_of(out / "views.tsv")] == [
        ("A", "no"), ("B", "yes"),
    ]  # fmt: skip
    assert [row["sample"] for row in rows_of(out / "dna_others.tsv")] == ["A"]
    # Without individuals there is no kind to look for, and all that is listed is other.
    assert run("sample", "--replicates", tmp_path / "runs.csv", "--taxa", taxa, "-o", out) == 0
    assert len(rows_of(out / "dna_others.tsv")) == 2


def test_a_run_is_known_by_all_that_decides_it(tmp_path, monkeypatch):
    monkeypatch.setattr(composition, "_DRAWS", 20)
    monkeypatch.setattr(composition, "_BURN", 5)
    head = "sample,specimen,name,other,validated"
    things = table(tmp_path / "i.csv", head, "A,i1,fly,bee,fly", "B,i2,bee,bee,")
    table(tmp_path / "l.csv", "sample,taxon,present,listed", "x,fly,1,1", "y,fly,0,0")

    def ran(*more: object) -> str:
        out = tmp_path / "out"
        assert run("sample", "--individuals", things, "-o", out, "-q", *more) == 0
        return json.loads((out / "sample.json").read_text())["merian"]["run"]

    taxa = ("--taxa", table(tmp_path / "t.csv", "sample,name", "A,fly", "B,bee"))
    ways = [(), ("--seed", 1), ("--map", "other=answer"), taxa,
            (*taxa, "--detectability", tmp_path / "l.csv")]  # fmt: skip
    first = [ran(*way) for way in ways]
    assert len(set(first)) == len(ways)
    assert [ran(*way) for way in ways] == first
    table(tmp_path / "l.csv", "sample,taxon,present,listed", "x,fly,1,1", "y,fly,0,1")
    assert ran(*ways[4]) not in first
    table(things, head, "A,i1,fly,bee,fly", "B,i2,bee,bee,bee")
    assert ran() not in first


def test_too_few_samples_are_counted_by_pictures_alone(traps, capsys):
    things = [line for line in (traps / "things.csv").read_text().splitlines() if "T3" in line]
    table(traps / "few.csv", "sample,specimen,predicted,validated,score", *things)
    assert run("sample", "--individuals", traps / "few.csv", "--taxa", traps / "taxa.csv") == 0
    assert "too few samples have both" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing is told of samples but their codes"),
        (("--replicates", "gone.csv"), "no such table of replicates"),
        (("--replicates", "empty.csv"), "is empty"),
        (("--pictures", "runs.csv"), "none of its columns (sample, replicate) is called as one of "
                                     "pictures"),
        (("--replicates", "runs.csv", "--detectability", "x.json"), "give them by --taxa"),
        (("--replicates", "runs.csv", "--taxa", "runs.csv"), "is one of taxa, of lineages"),
        (("empty.csv", "--replicates", "runs.csv"), "is empty"),
        (("--catalogue", "gone"), "no such catalogue"),
    ],
    ids=["nothing", "gone", "empty", "column", "no list", "no taxa", "empty sheet", "catalogue"],
)  # fmt: skip
def test_what_cannot_be_joined_is_said_in_one_line(words, said, traps, monkeypatch, capsys):
    monkeypatch.chdir(traps)
    Path("empty.csv").write_bytes(b"")
    assert run("sample", *words, "-q") == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert said in told[0]


def test_a_catalogue_tells_pictures_and_individuals(tmp_path, capsys):
    head = "occurrenceID,eventID,scientificName,identifiedBy,agentType,dateIdentified,probability"
    names = [f"o{n},e{n % 2},{'Apis mellifera' if n < 5 else 'Abax ater'},net,machine,2024-01-01,"
             "0.9" for n in range(10)]  # fmt: skip
    assert run("import", table(tmp_path / "m.csv", head, *names), "--into", tmp_path / "c",
               "-q") == 0  # fmt: skip
    runs = table(tmp_path / "r.csv", "sample,replicate", "e0,e0_1")
    out = tmp_path / "out"
    assert run("sample", "--catalogue", tmp_path / "c", "--replicates", runs, "-o", out, "-q") == 0
    before = (out / "sample.json").read_bytes()
    assert run("sample", "--catalogue", tmp_path / "c", "--replicates", runs, "-o", out, "-q") == 0
    assert (out / "sample.json").read_bytes() == before  # to be read does not change a catalogue
    rows = {row["sample"]: row for row in rows_of(out / "samples.tsv")}
    assert (rows["e0"]["individuals"], rows["e0"]["replicates"]) == ("5", "1")
    assert rows["e1"]["replicates"] == "0"
    assert {row["taxon"] for row in rows_of(out / "views.tsv")} == {"Abax ater", "Apis mellifera"}
    people = [name.replace("machine", "human") for name in names]
    assert run("import", table(tmp_path / "h.csv", head, *people), "--into", tmp_path / "d",
               "-q") == 0  # fmt: skip
    assert run("sample", "--catalogue", tmp_path / "d", "-o", out, "-q") == 0
    assert len(rows_of(out / "joined.tsv")) == 10  # no machine has named any: nothing is counted
    assert not (out / "views.tsv").exists()


def test_massid45_has_three_replicates_of_each_sample(shared, tmp_path):
    runs = shared / "traits" / "massid45" / "MassID45_ENA_accnos.tsv"
    if not runs.is_file():
        pytest.skip(f"{runs} is not there")
    with join_samples(SampleTables(replicates=runs)) as joined:
        assert len(joined.samples()) == 45
        assert set(joined.rows("SELECT replicates FROM sample_row")) == {(3,)}
        assert list(joined.rows("SELECT * FROM finding")) == []
    sheet = table(
        tmp_path / "sheet.csv", "sample,expected_replicates",
        *(f"{line.split()[1]},3" for line in runs.read_text().splitlines()[1::3]), "GNONE1,3",
    )  # fmt: skip
    with join_samples(SampleTables(sheet=sheet, replicates=runs)) as joined:
        assert sorted(joined.rows("SELECT reason, sample FROM finding")) == [
            ("other number of replicates", "GNONE1"), ("sample without DNA", "GNONE1"),
        ]  # fmt: skip
