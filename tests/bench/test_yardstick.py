"""What measures identification: agrees with the yardstick, and its intervals behave."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from merian.bench import measure
from merian.bench.answers import Translation, answer_task, library_of
from merian.bench.promise import held_out, kept
from merian.bench.references import draw_tree, write_queries, write_references
from merian.bench.scoring import drawn_figures, read_answered
from merian.bench.search import repeated
from merian.bench.yardstick import (
    Task,
    load_yardstick,
    novelty_of,
    rows_of,
    tasks_of,
    write_task,
)
from merian.errors import NotFoundError
from merian.identify import Choice, Determination, Match
from merian.learn.bootstrap import draw, middle
from merian.library import build_library

RANKS = ("phylum", "class", "order", "family", "genus", "species")


@pytest.fixture(scope="module")
def yardstick(shared):
    return load_yardstick(shared.parent / "bench" / "barcodes.py")


def made_rows(rng, genera=8, species=3, records=5):
    """Rows of the yardstick: genera in two families each, species 6 % apart."""

    def changed(sequence, share):
        other = rng.choice(list("ACGT"), len(sequence))
        return np.where(rng.random(len(sequence)) < share, other, sequence)

    rows = []
    root = rng.choice(list("ACGT"), 400)
    for genus in range(genera):
        stem, family = changed(root, 0.3), f"F{genus // 2}idae"
        for kind in range(species):
            own = changed(stem, 0.08)
            last = f"Genus{'abcdefghij'[genus]}"
            name = f"{last}_species{'abcdefghij'[kind]}"
            for _ in range(records):
                names = ["Arthropoda", "Insecta", "Diptera", family, last, name]
                rows.append((f"x{len(rows)}", "".join(changed(own, 0.005)), names))
    return rows


@pytest.fixture
def task(yardstick, tmp_path):
    rows = made_rows(np.random.default_rng(0))
    reference, query = yardstick.make(rows, "mixed", 0)
    write_task(yardstick, tmp_path, reference, query)
    return tmp_path


def guesses(yardstick, folder, seed=0):
    """Answers that are often wrong, some missing, that stand by any rank."""
    rng = np.random.default_rng(seed)
    with (folder / "truth.tsv").open(newline="") as stream:
        truth = list(csv.DictReader(stream, delimiter="\t"))
    answers = []
    for row in truth:
        if rng.random() < 0.1:
            continue
        names = [row[r] if rng.random() < 0.8 else "Wrong" for r in RANKS]
        if rng.random() < 0.2:
            names[5] = ""
        rank = ("", *RANKS)[int(rng.integers(7))]
        answers.append((row["id"], names, np.sort(rng.random(6).round(1))[::-1], rank))
    yardstick.write_answers(folder / "guesses.tsv", answers)
    return folder / "guesses.tsv"


def test_our_parts_of_the_figures_add_up_to_the_yardsticks(yardstick, task):
    for seed in range(5):
        path = guesses(yardstick, task, seed)
        answered = read_answered(yardstick, task, path)
        genera = np.unique(answered.genus)
        ours = drawn_figures(answered, genera, np.ones((1, len(genera))))
        theirs = yardstick.score(task, path)
        same = set(theirs) - {"n", "answered", "depth_at_5", "species_named_at_5"}
        assert same >= {"stood_by_wrong", "mean_depth", "auroc_known_species", "ece_species"}
        for name in same:
            assert ours[name][0] == pytest.approx(theirs[name]), name


def test_they_do_so_on_real_data_with_missing_ranks(yardstick, tmp_path):
    rows = rows_of(yardstick, "its1")[::7]
    write_task(yardstick, tmp_path, *yardstick.make(rows, "far", 0))
    path = guesses(yardstick, tmp_path)
    answered = read_answered(yardstick, tmp_path, path)
    assert not answered.of_family.all()
    genera = np.unique(answered.genus)
    ours = drawn_figures(answered, genera, np.ones((1, len(genera))))
    theirs = yardstick.score(tmp_path, path)
    for name in set(theirs) & set(ours):
        assert ours[name][0] == pytest.approx(theirs[name]), name


def test_a_drawn_genus_counts_as_often_as_it_was_drawn(yardstick, task):
    answered = read_answered(yardstick, task, guesses(yardstick, task))
    genera = np.unique(answered.genus)
    draws = draw(len(genera), 50)
    assert (draws.sum(axis=1) == len(genera)).all()
    whole = drawn_figures(answered, genera, draws)
    for number in (0, 7):
        times = draws[number].astype(int)
        rows = np.concatenate(
            [
                np.flatnonzero(answered.genus == g)
                for g, n in zip(genera, times, strict=True)
                for _ in range(n)
            ]
        )
        again = type(answered)(**{k: v[rows] for k, v in vars_of(answered).items()})
        own = drawn_figures(again, genera, np.ones((1, len(genera))))
        for name, values in own.items():
            # Over genera, one that was drawn twice is two, but not so where its rows are repeated.
            if not name.startswith("error"):
                assert whole[name][number] == pytest.approx(values[0]), name


def vars_of(answered):
    return {name: getattr(answered, name) for name in answered.__dataclass_fields__}


def test_an_interval_of_few_genera_is_wide_and_of_many_narrow():
    rng = np.random.default_rng(0)
    widths = []
    for genera in (10, 1000):
        shares = rng.random(genera)
        drawn = draw(genera, 1000) @ shares / genera
        low, high = middle(drawn)
        assert low < shares.mean() < high
        widths.append(high - low)
    assert widths[0] > 5 * widths[1]


def test_errors_count_each_genus_once(yardstick, tmp_path):
    names = ["P", "C", "O", "Fa", "Aus", "Aus_bus"]
    other = ["P", "C", "O", "Fa", "Cus", "Cus_dus"]
    rows = [("a", "ACGT", names)] * 9 + [("b", "ACGT", other)]
    write_task(yardstick, tmp_path, [rows[0], rows[-1]], rows)
    answers = [(f"q{i}", names, [1.0] * 6, "species") for i in range(10)]
    yardstick.write_answers(tmp_path / "a.tsv", answers)
    found = read_answered(yardstick, tmp_path, tmp_path / "a.tsv").errors()
    assert found == {"species present": (0.5, 0.1, 2, 10)}


def test_a_name_that_is_missing_in_the_tree_is_written_as_the_references_have_it(
    yardstick, tmp_path
):
    lineages = [
        "p:Ascomycota,c:Sacc,o:Saccharales,f:Sacc_fam_Incertae_sedis,g:Candida,s:Candida_bus",
        "p:Ascomycota,c:Sacc,o:Saccharales,f:Ausaceae,g:Aus,s:Aus_bus_var__cus",
        "p:Ascomycota,c:Sacc,o:Saccharales,f:Ausaceae,g:Aus,s:Aus_sp_X12",
    ]
    rng = np.random.default_rng(0)
    with (tmp_path / "reference.fasta").open("w") as stream:
        for number, lineage in enumerate(lineages):
            stream.write(f">r{number};tax={lineage};\n{''.join(rng.choice(list('ACGT'), 300))}\n")
    library = build_library([tmp_path / "reference.fasta"], tmp_path / "library").library
    translation = Translation(yardstick, library, tmp_path)
    assert translation.changed == {"family": 1, "species": 1}

    def row(group="", matches=(), **names):
        shares = dict.fromkeys(names, 0.9)
        return translation.row(
            Determination(-1, "", "", 1.0, names, shares, "", 0.0, group, "", (), "", matches, 0.05)
        )

    above = {"phylum": "Ascomycota", "class": "Sacc", "order": "Saccharales"}
    names, shares = row(**above, genus="Candida", species="Candida bus")
    assert names[3:] == ["Sacc_fam_Incertae_sedis", "Candida", "Candida_bus"]
    assert shares == [0.9] * 6
    names, _ = row(**above, family="Ausaceae", genus="Aus", species="Aus bus")
    assert names[5] == "Aus_bus_var__cus"
    group = next(library.group_name[g] for g in library.unnamed.tolist() if g >= 0)
    names, shares = row(group, **above, family="Ausaceae", genus="Aus")
    assert names[5] == "Aus_sp_X12"
    assert shares == [0.9] * 5 + [0.0]
    names, shares = row(**above)
    assert names == ["Ascomycota", "Sacc", "Saccharales", "", "", ""]
    assert shares == [0.9] * 3 + [0.0] * 3
    match = Match(1, "r1", "Aus bus", 1.0, 300, 0, False)
    assert row(matches=[match], **above, family="Ausaceae", genus="Aus", species="Aus bus")[0][5]


def test_merian_answers_a_task(yardstick, task):
    library = library_of(task, task / "library")
    answer_task(yardstick, task, library, Choice(), task / "merian.tsv")
    found = yardstick.score(task, task / "merian.tsv")
    assert found["answered"] == 100
    assert found["species_of_known"] > 90
    assert library_of(task, task / "library", keep=True).hash == library.hash


def test_our_tasks_are_written_as_the_yardstick_writes_its_own(yardstick, tmp_path, monkeypatch):
    rows = made_rows(np.random.default_rng(1))
    monkeypatch.setattr(yardstick, "sources", lambda: {"toy": lambda: iter(rows)})
    yardstick.split(tmp_path)
    for kind in ("mixed", "far", "open"):
        split = yardstick.make(yardstick.unique(rows), kind, 1)
        write_task(yardstick, tmp_path / "ours", *split)
        for file in ("reference.fasta", "query.fasta", "truth.tsv"):
            theirs = (tmp_path / f"toy_{kind}_1" / file).read_text()
            assert (tmp_path / "ours" / file).read_text() == theirs
        assert sum(novelty_of(tmp_path / "ours")) == pytest.approx(1)


def test_a_held_out_set_has_all_strata(yardstick, tmp_path):
    write_task(yardstick, tmp_path, *held_out(yardstick, made_rows(np.random.default_rng(2)), 100))
    assert min(novelty_of(tmp_path)) > 0


def test_a_promise_is_kept_up_to_two_standard_errors():
    def errors(*shares):
        return [{"species absent": [share, 0.0, 50, 200]} for share in shares]

    assert kept(errors(0.04, 0.05), 0.05)["species absent, kept"]["value"] == 1
    assert kept(errors(0.04, 0.08), 0.05)["species absent, kept"]["value"] == 1
    found = kept(errors(*[0.07, 0.08] * 10), 0.05)
    assert found["species absent, kept"]["value"] == 0
    assert found["species absent, wrong of genera"]["value"] == 7.5
    assert "family absent, kept" not in found


def test_tasks_are_named_by_source_kind_and_seed():
    assert len(tasks_of()) == 60
    assert tasks_of("coi, its1", "far", "1") == [Task("coi", "far", 1), Task("its1", "far", 1)]
    with pytest.raises(NotFoundError, match="there is no kind 'near'"):
        tasks_of("coi", "near")


def test_without_the_yardstick_the_benches_say_so(tmp_path):
    for bench in ("barcodes", "promise", "search"):
        with pytest.raises(NotFoundError, match="yardstick is not there"):
            measure(bench, {"yardstick": str(tmp_path / "barcodes.py")})


def test_where_things_lie_does_not_change_what_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr("merian.bench.promise.run", quick)
    hashes = {
        measure("promise", {"out": str(tmp_path / name), "draws": draws}).data_hash
        for name, draws in (("a", "1"), ("b", "1"), ("b", "2"))
    }
    assert len(hashes) == 2


def quick(*, out: str = "", draws: int = 1):
    return {"nothing": {"value": draws}}


def test_repeated_queries_are_alike_or_all_different():
    texts = ["ACGT" * 50, "GGTT" * 50]
    alike = repeated(texts, 20, False, 0)
    assert sorted(alike) == sorted(texts * 10)
    different = repeated(texts, 500, True, 0)
    assert len(set(different)) == 500
    for text in different:
        apart = min(sum(a != b for a, b in zip(text, one, strict=True)) for one in texts)
        assert apart in (1, 2)


def test_synthetic_references_are_as_far_apart_as_said(yardstick, tmp_path):
    tree = draw_tree(3000)
    write_references(tree, tmp_path / "reference.fasta")
    write_queries(tree, tmp_path / "query.fasta", 50)
    records = list(yardstick.fasta(tmp_path / "reference.fasta"))
    assert len(records) == 3000
    assert len({header for header, _ in records}) == 3000
    assert len(list(yardstick.fasta(tmp_path / "query.fasta"))) == 50
    bases = tree.bases
    of_genus = [float((bases[i] != bases[i + 1]).mean()) for i in range(0, 300, 6)]
    apart = [float((bases[i] != bases[i + 6]).mean()) for i in range(0, 300, 6)]
    assert 0.03 < np.mean(of_genus) < 0.08
    assert 0.10 < np.mean(apart) < 0.22
    assert build_library([tmp_path / "reference.fasta"], tmp_path / "l").library.is_named().all()
