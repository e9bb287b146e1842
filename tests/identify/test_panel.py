"""Several libraries: each query is answered by the one that it is for."""

from __future__ import annotations

import json
import random
from itertools import product
from pathlib import Path

import pytest
from tests.identify.conftest import bases, fasta

from merian.cli import main
from merian.errors import FormatError, InputError
from merian.identify import PARTS, Choice
from merian.identify.answers import read_answers
from merian.identify.job import identify_files, stamp_of
from merian.identify.panel import picker
from merian.identify.queries import Queries
from merian.library import build_library
from merian.library.shelf import genes_of, open_shelf, same_gene
from merian.nucleotides import reverse_complement


def child(parent: str, share: float, chance: random.Random) -> str:
    return "".join(chance.choice("ACGT") if chance.random() < share else c for c in parent)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    """Two libraries of other genes and the same species, in one folder; and queries of both."""
    folder = tmp_path_factory.mktemp("shelf")
    queries = []
    for number, gene in enumerate(("COI-5P", "ITS2")):
        chance, root, rows = random.Random(number), bases(number, 400), []
        for g, s in product("abcde", "abc"):
            if s == "a":
                of_genus = child(root, 0.15, chance)
            of_species = child(of_genus, 0.06, chance)
            name = f"tax=k:Animalia,f:Fidae,g:G{g}us,s:G{g}us_s{s}us"
            rows += [(f"{g}{s}{n};{name};", child(of_species, 0.004, chance)) for n in range(2)]
            queries.append((f"{gene}_{g}{s}", child(of_species, 0.004, chance)))
        build_library([fasta(folder / f"{gene}.fasta", rows)], folder / "libs" / gene, parts=PARTS)
    queries += [("none", bases(77, 400)), ("back", reverse_complement(queries[-1][1]))]
    fasta(folder / "q.fasta", queries)
    return folder


def test_a_folder_of_libraries_is_all_of_them(shelf):
    found = open_shelf(shelf / "libs")
    assert [*found] == ["COI-5P", "ITS2"]
    given = open_shelf([shelf / "libs" / "ITS2", shelf / "libs" / "COI-5P"])
    assert [*given] == ["ITS2", "COI-5P"]
    assert genes_of("COI-5P", found["COI-5P"]) == {"coi"}  # told by its folder alone
    with pytest.raises(InputError, match="is the same library as ITS2"):
        open_shelf([shelf / "libs" / "ITS2", shelf / "libs"])
    with pytest.raises(FormatError, match="is no reference library, and there is none directly"):
        open_shelf(shelf)


def test_genes_are_one_in_any_spelling():
    assert same_gene("COI-5P") == same_gene("cox1") == same_gene("CO1") != same_gene("16S rRNA")
    assert same_gene("ITS1") != same_gene("ITS2")


def test_each_query_goes_where_it_belongs(shelf, tmp_path):
    out = tmp_path / "a.tsv"
    done = identify_files(Queries([shelf / "q.fasta"]), shelf / "libs", out, processes=1)
    answers = {row["id"]: row for row in read_answers(out)}
    assert len(answers) == 31
    for key, row in answers.items():
        gene = "ITS2" if key == "back" else key.partition("_")[0]
        assert row["library"] == gene
    assert done.set_aside == {"It is like nothing in any library": 1}
    text = (tmp_path / "a.tsv.rejects.tsv").read_text().splitlines()[1].split("\t")
    assert text[1:] == ["61", "none", "It is like nothing in any library: COI-5P, ITS2."]
    assert {line.partition(":")[0] for line in done.promise} == {"COI-5P", "ITS2"}
    assert [*stamp_of(out)["libraries"]] == ["COI-5P", "ITS2"]
    again = identify_files(Queries([shelf / "q.fasta"]), shelf / "libs", out)
    assert again.done_before
    assert {**vars(again), "done_before": False} == vars(done)
    # The same answers as those of each alone, whatever the processes.
    alone = tmp_path / "alone.tsv"
    identify_files(Queries([shelf / "q.fasta"]), shelf / "libs" / "ITS2", alone, processes=1)
    own = {row["id"]: row for row in read_answers(alone)}
    assert "library" not in own["back"]
    assert answers["back"] == {**own["back"], "library": "ITS2"}
    two = tmp_path / "two.tsv"
    identify_files(Queries([shelf / "q.fasta"]), shelf / "libs", two, processes=2)
    assert two.read_bytes() == out.read_bytes()


def test_a_gene_that_is_named_settles_it(shelf):
    pick = picker(open_shelf(shelf / "libs"))
    with (shelf / "ITS2.fasta").open() as file:
        sequence = file.read().split("\n")[1]
    assert pick(sequence) == "ITS2"
    assert pick(f"cox1 {sequence}") == "COI-5P"
    assert pick(f"rbcL {sequence}") == "ITS2"  # of no library: then what it is like
    assert not pick(bases(99, 300))


def test_one_mix_cannot_be_estimated_for_several(shelf, tmp_path):
    with pytest.raises(InputError, match="each of several libraries meets a mix of its own"):
        identify_files(
            Queries([shelf / "q.fasta"]), shelf / "libs", tmp_path / "a.tsv", estimate=True
        )
    done = identify_files(
        Queries([shelf / "q.fasta"]), shelf / "libs", tmp_path / "a.tsv", processes=1,
        choice=Choice(0.05, (0.7, 0.2, 0.05, 0.05)),
    )  # fmt: skip
    assert done.novelty == (0.7, 0.2, 0.05, 0.05)


def test_what_follows_knows_the_libraries(shelf, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    libs = ["--library", str(shelf / "libs" / "COI-5P"), "--library", str(shelf / "libs" / "ITS2")]
    out, page = tmp_path / "a.tsv", tmp_path / "a.html"
    assert main(["import", str(shelf / "q.fasta"), "--into", "cat"]) == 0
    words = ["identify", "cat", *libs, "-o", str(out), "--report", str(page), "--into", "cat"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "COI-5P: " in said
    assert "identifications appended" in said
    assert "<th" in page.read_text() and "library" in page.read_text()
    assert main(["query", "cat", "SELECT count(DISTINCT identifiedBy) AS n FROM identification "
                 "WHERE agentType = 'machine'"]) == 0  # fmt: skip
    assert "2" in capsys.readouterr().out
    assert main(["explain", "ITS2_aa", *libs, "--query", str(shelf / "q.fasta")]) == 0
    assert "Gaus saus" in capsys.readouterr().out
    assert main(["explain", "none", *libs, "--query", str(shelf / "q.fasta")]) == 2
    assert "like nothing in any library" in capsys.readouterr().err
    truth = "".join(
        f"{g}_{a}{b}\tG{a}us\tG{a}us s{b}us\n"
        for g, a, b in product(("COI-5P", "ITS2"), "abcde", "abc")
    )
    (tmp_path / "truth.tsv").write_text("id\tgenus\tspecies\n" + truth)
    assert main(["promise", "check", "truth.tsv", "-a", str(out), *libs, "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["overall"]["records"] == 30
    assert checked["strata"][0]["records"] == 30
    assert main(["promise", "check", "truth.tsv", "-a", str(out), *libs[:2]]) == 2
    assert "holds answers of a library 'ITS2'" in capsys.readouterr().err
