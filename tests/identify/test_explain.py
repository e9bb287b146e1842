"""How an answer is explained: letters side by side, the path, and what would settle it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.identify.makers import (
    bases,
    changed,
    group,
    grown,
    header,
    known,
    new,
    trace_of,
    write_references,
)

from merian.cli import main
from merian.errors import InputError, NotFoundError
from merian.identify import PARTS, Identifier
from merian.identify.explain import explain
from merian.identify.layout import laid_over, lay, letters
from merian.identify.lookup import find_barcode
from merian.identify.queries import Queries
from merian.library import Library, build_library
from merian.nucleotides import MAY_BE, reverse_complement

BUS = bases(1)
CUS = changed(BUS, 20, 60, 250, 260, 270)
TWIN = changed(BUS, 100, 101, 102, 103, 104, 105, 106, 107)


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Library:
    folder = tmp_path_factory.mktemp("explain")
    path = write_references(
        folder / "reference.fasta",
        [
            ("a1", header("Aus bus"), BUS),
            ("a2", header("Aus bus"), BUS),
            ("a3", header("Aus bus"), changed(BUS, 5)),
            ("c1", header("Aus cus"), CUS),
            ("c2", header("Aus cus"), changed(CUS, 6)),
            ("t1", header("Aus tus"), TWIN),
            ("t2", header("Aus tus"), changed(TWIN, 3)),
            ("t3", header("Aus tus"), changed(TWIN, 4)),
            ("v1", header("Aus vus"), TWIN),
            ("v2", header("Aus vus"), changed(TWIN, 2)),
            ("v3", header("Aus vus"), changed(TWIN, 1)),
            ("s1", header("Aus sp.", more=",t:BOLD:AAA0001"), changed(BUS, *range(0, 300, 9))),
            ("d1", header("Dus dus", "Dus"), changed(BUS, *range(0, 300, 5))),
            ("e1", header("Eus eus", "Eus", "Eidae"), changed(BUS, *range(0, 300, 5))),
        ],
    )  # fmt: skip
    build_library([path], folder / "library")
    return Library.open(folder / "library")


# -- letters side by side -------------------------------------------------------------------------


def test_a_layout_shows_mismatches_gaps_and_letters_that_fit():
    reference = bases(3, 200)
    query = reference[:50] + "R" + reference[51:100] + reference[101:]
    query = changed(query.replace("R", "A"), 20)
    query = query[:50] + ("R" if reference[50] in "AG" else "Y") + query[51:]
    layout = lay(query, reference)
    assert layout.marks[20] == "*"
    assert layout.marks[50] == ":"
    assert layout.query.count("-") == 1
    assert layout.mismatches == 2
    assert layout.query.replace("-", "") == query
    assert layout.reference == reference


def test_what_hangs_over_falls_out_and_places_count_from_one():
    reference = bases(4, 200)
    layout = lay(reference[30:180], reference)
    first, *_, last = layout.blocks(60)
    assert (first[0], first[2], first[4], first[6]) == (1, 60, 31, 90)
    assert (last[0], last[2], last[4], last[6]) == (121, 150, 151, 180)
    assert lay(reference[:60], bases(5, 40)) is None


def test_the_other_strand_is_shown_backwards():
    reference = bases(6, 200)
    layout = lay(reverse_complement(reference)[10:150], reference)
    assert layout.reverse
    assert layout.mismatches == 0
    first, *_, last = layout.blocks(60)
    assert (first[0], first[4]) == (1, 190)
    assert (last[2], last[6]) == (140, 51)


@given(st.lists(st.integers(0, 249), max_size=8), st.integers(0, 100), st.booleans())
def test_columns_agree_with_the_count_of_align(places, cut, reverse):
    reference = bases(7, 250)
    query = changed(reference, *places)[cut:]
    layout = lay(reverse_complement(query) if reverse else query, reference)
    assert layout.reverse == reverse
    assert layout.mismatches <= sum(place >= cut for place in {*places})
    assert len(layout.marks) == len(layout.query) == len(layout.reference)


def test_references_lie_over_one_sequence():
    anchor = bases(8, 200)
    over = laid_over(anchor, [anchor[20:150], anchor[:90] + anchor[91:]])
    assert (over[0] > 0).tolist() == [20 <= place < 150 for place in range(200)]
    assert (over[1] > 0).all()
    assert (over[1] == 16).sum() == 1
    assert not laid_over(anchor, [bases(9, 40)]).any()


def test_letters_of_several_bases_are_those_of_the_code():
    bits = {base: 1 << place for place, base in enumerate("ACGT")}
    for letter, may in MAY_BE.items():
        assert letters(sum(bits[base] for base in may)) == letter
    assert letters(bits["A"] | 16) == "A/-"
    assert letters(16) == "-"


# -- the path and the letters in which rivals differ ----------------------------------------------


def test_where_it_stopped_and_why(library):
    outcomes = [known("Aus bus", 0.6), known("Aus cus", 0.25), new("genus", "Aus", 0.1),
                new("family", "Aidae", 0.05)]  # fmt: skip
    found = explain(trace_of(library, changed(BUS, 20), outcomes), library)
    assert [step.stands for step in found.path] == [True, True, True, True, False]
    assert found.stopped == (
        "It stops at the genus: Aus bus has 0.600, where 0.900 are needed to stand. Of the rest, "
        "0.250 are on Aus cus and 0.100 are on something under Aus that is not in this library."
    )
    stands = explain(trace_of(library, BUS, [known("Aus bus", 0.95)], "species"), library)
    assert "0.950 is not below the 0.900" in stands.stopped


def test_neighbours_say_where_they_come_from(library):
    found = explain(trace_of(library, BUS, [known("Aus bus", 1.0)]), library)
    nearest = found.neighbours[0]
    assert (nearest.match.id, nearest.records, nearest.reference.line) == ("a1", 2, 1)
    assert nearest.reference.file.endswith("reference.fasta")


def test_the_places_at_which_rivals_differ(library):
    query = changed(BUS, 20, 60)[:258]  # has what Aus cus has at two of three places
    outcomes = [known("Aus bus", 0.5), known("Aus cus", 0.4), new("genus", "Aus", 0.1)]
    found = explain(trace_of(library, query, outcomes), library)
    assert set(found.compared) == {"Aus bus", "Aus cus"}
    assert [one.place for one in found.differences] == [21, 61, 251]
    sides = {"first": found.compared[0], "second": found.compared[1]}
    assert [sides[one.agrees] for one in found.differences] == ["Aus cus", "Aus cus", "Aus bus"]
    assert [one.match.name for one, _ in found.layouts] == [*found.compared]


def test_an_ambiguous_letter_agrees_with_both(library):
    pair = {BUS[20], CUS[20]}
    letter = next(x for x, may in MAY_BE.items() if {*may} == pair)
    query = BUS[:20] + letter + BUS[21:]
    outcomes = [known("Aus bus", 0.5), known("Aus cus", 0.5)]
    found = explain(trace_of(library, query, outcomes), library)
    assert [one.agrees for one in found.differences if one.place == 21] == ["both"]


def test_outcomes_that_read_alike_are_one(library):
    outcomes = [known("Aus bus", 0.5), new("genus", "Aus", 0.2), new("genus", "Aus", 0.3)]
    found = explain(trace_of(library, BUS, outcomes), library)
    assert [one.probability for one in found.outcomes] == [0.5, 0.5]


# -- what would settle it -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "outcomes", "kind", "told"),
    [
        pytest.param(
            TWIN, [known("Aus tus", 0.5), known("Aus vus", 0.49)], "another marker",
            "Aus tus (0.50) and Aus vus (0.49) share this barcode", id="a shared barcode",
        ),
        pytest.param(
            BUS[70:240], [known("Aus bus", 0.5), known("Aus cus", 0.45)], "longer read",
            "170 of 300 bases were read; Aus bus (0.50) and Aus cus (0.45) differ at 0 of the "
            "places read and at 5 others", id="they differ in the rest",
        ),
        pytest.param(
            BUS, [known("Aus bus", 0.5), known("Aus cus", 0.45)], "picture",
            "are of one genus and 1.7 % apart", id="close species",
        ),
        pytest.param(
            changed(BUS, *range(3, 300, 12)),
            [new("genus", "Aus", 0.8), known("Aus bus", 0.15)], "references",
            "something under Aus that is not in this library (0.80), which has 4 species of Aus.",
            id="its species is missing",
        ),
        pytest.param(
            changed(BUS, *range(0, 300, 9)),
            [group("Aus", "BOLD:AAA0001", 0.9), known("Aus bus", 0.1)], "references",
            "unnamed BOLD:AAA0001 under Aus (0.90), behind which stands 1 record without a name",
            id="an unnamed group",
        ),
        pytest.param(
            changed(BUS, *range(0, 300, 5)), [known("Dus dus", 0.5), known("Eus eus", 0.5)],
            "labels", "though beyond one phylum they have nothing in common: one of their labels "
            "is probably wrong", id="a mislabelled reference",
        ),
        pytest.param(
            changed(BUS, *range(0, 300, 4)),
            [new("", "", 0.7), new("family", "Aidae", 0.3)], "picture", "looks may",
            id="far from all",
        ),
    ],
)  # fmt: skip
def test_what_settles_it_best(library, query, outcomes, kind, told):
    found = explain(trace_of(library, query, outcomes), library)
    assert found.best.kind == kind
    assert told in found.best.why
    assert 0 < found.best.settles <= 1
    assert found.best == max(found.observations, key=lambda one: one.settles)


def test_nothing_more_is_needed_of_a_sure_species(library):
    outcomes = [known("Aus bus", 0.98), known("Aus cus", 0.02)]
    found = explain(trace_of(library, BUS, outcomes, "species"), library)
    assert found.best.kind == "nothing"
    assert "0.98" in found.best.why


def test_a_barcode_that_aligns_with_nothing(library):
    trace = replace(trace_of(library, bases(99), [new("", "", 1.0)], ""), matches=[])
    found = explain(trace, library)
    assert not found.neighbours
    assert not found.layouts
    assert found.best.settles > 0


def test_shares_are_shares_whatever_the_outcomes(library):
    for query in (BUS, BUS[:120], TWIN):
        outcomes = [known("Aus bus", 0.3), known("Aus cus", 0.2), known("Aus tus", 0.2),
                    group("Aus", "BOLD:AAA0001", 0.1), new("genus", "Aus", 0.1),
                    new("family", "Aidae", 0.06), new("", "", 0.04)]  # fmt: skip
        found = explain(trace_of(library, query, outcomes), library)
        assert all(0 <= one.settles <= 1 for one in found.observations)
        assert found.doubt == pytest.approx(1 - 0.09 - 0.04 - 0.04)


# -- the record, and the verb ---------------------------------------------------------------------


def test_a_record_is_found_by_its_id(tmp_path):
    path = tmp_path / "query.fasta"
    path.write_text(
        f">q1\n{BUS}\n>q2 more\n{CUS[:100].lower()}\n{CUS[100:]}\n>p\n{'MKVLEF' * 30}\n"
    )
    assert find_barcode(Queries([path]), "q2").sequence == CUS
    with pytest.raises(NotFoundError, match=r"no record 'q3'.*Did you mean q"):
        find_barcode(Queries([path]), "q3")
    with pytest.raises(InputError, match="the record 'p' was set aside"):
        find_barcode(Queries([path]), "p")
    table = tmp_path / "query.csv"
    table.write_text(f"processid,nucleotides\nx1,{BUS}\nx2,{CUS}\n")
    options = "processid=occurrenceID", "nucleotides=sequence"
    mapping = dict(option.split("=") for option in options)
    from merian.formats import Options

    assert find_barcode(Queries([table], Options(mapping)), "x2").sequence == CUS


class Fake:
    """An identifier that always has the same trace."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def trace(self, query: str):
        outcomes = [known("Aus bus", 0.6), known("Aus cus", 0.3), new("genus", "Aus", 0.1)]
        return trace_of(self.library, query, outcomes)


@pytest.fixture
def verb(library, monkeypatch, tmp_path):
    """``merian explain`` with an identifier that reckons nothing; and a file to ask about."""
    chosen = []

    class Identifier:
        @staticmethod
        def open(opened, choice):
            chosen.append(choice)
            return Fake(opened)

    monkeypatch.setattr("merian.identify.Identifier", Identifier, raising=False)
    path = tmp_path / "query.fasta"
    path.write_text(f">q1\n{changed(BUS, 20, 200)}\n")
    words = ["explain", "q1", "--library", str(library.folder), "--query", str(path)]
    return words, chosen


def test_the_verb_tells_it_all(verb, capsys):
    words, chosen = verb
    assert (
        main([*words, "--alpha", "0.1", "--novelty", "0.7,0.1,0.1,0.1", "--promise", "rank"]) == 0
    )
    assert (chosen[0].alpha, chosen[0].novelty[0], chosen[0].by_rank) == (0.1, 0.7, True)
    shown = capsys.readouterr().out
    for told in (
        "q1: It is Aus at least.", "flags: shared-barcode", "It stops at the genus: Aus bus has",
        "something under Aus that is not in this library", "reference.fasta:1",
        "The query and a1 (Aus bus)", "query          1 ",
        "Aus bus and Aus cus differ at 5 places of the query. It has what Aus bus has at 4",
        "The one observation that would settle it best: a picture",
    ):  # fmt: skip
        assert told in shown


def test_the_verb_prints_json(verb, capsys):
    words, _ = verb
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answer"]["name"] == "Aus"
    assert told["references"][0]["id"] == "a1"
    assert told["references"][0]["line"] == 1
    assert told["differences"][0] == {
        "place": 21, "query": CUS[20], "first": BUS[20], "second": CUS[20], "agrees": "second",
    }  # fmt: skip
    assert told["settled_best_by"]["kind"] == "picture"
    assert {"path", "outcomes", "alignments", "observations", "doubt", "stopped"} <= set(told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["explain", "q1", "--library", "{}"], "say which barcode"),
        (["explain", "--library", "{}", "--sequence", "ACGT"], "too short"),
        (["explain", "--library", "{}", "--sequence", "MKVLEF" * 30], "a protein"),
        (["explain", "q1", "--library", "{}", "--query", "no.fasta"], "no such"),
        (["explain", "--library", "{}", "--sequence", BUS, "--novelty", "1,2"], "four shares"),
        (["explain", "--library", "{}", "--sequence", BUS, "--alpha", "5"], "between 0 and 1"),
    ],
    ids=["no file", "short", "protein", "absent", "novelty", "alpha"],
)
def test_what_the_user_can_put_right_is_told_in_one_line(words, told, library, verb, capsys):
    assert main([word.replace("{}", str(library.folder)) for word in words]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert told in shown.err


# -- an identifier that reckons -------------------------------------------------------------------


@pytest.fixture(scope="module")
def grown_library(tmp_path_factory) -> Path:
    """A library of a small tree, without one species and one record of another; and these two."""
    folder = tmp_path_factory.mktemp("grown")
    species = grown()
    missing = species.pop("Gaaus ais")
    known = species["Gbbus bis"].pop()
    rows = [row for rows in species.values() for row in rows]
    path = write_references(folder / "reference.fasta", rows)
    build_library([path], folder / "library", parts=PARTS)
    asked = [("known", "", known[2]), ("missing", "", missing[0][2])]
    (folder / "query.fasta").write_text("".join(f">{id}\n{text}\n" for id, _, text in asked))
    return folder


@pytest.mark.parametrize("id", ["known", "missing"])
def test_an_explanation_is_of_the_answer_that_identify_gives(grown_library, id, capsys):
    identifier = Identifier.open(grown_library / "library")
    query = find_barcode(Queries([grown_library / "query.fasta"]), id).sequence
    answer, trace = identifier.identify([query])[0], identifier.trace(query)
    assert trace.determination == answer
    found = explain(trace, identifier.library)
    assert sum(one.probability for one in found.outcomes) == pytest.approx(1, abs=1e-6)
    assert {step.rank: step.probability for step in found.path} == pytest.approx(
        dict(answer.probabilities)
    )
    stood = [step for step in found.path if step.stands]
    assert ([stood[-1].name] if stood else []) == ([answer.name] if answer.name else [])
    assert 0 <= found.doubt <= 1
    words = ["--library", str(grown_library / "library"), "--query"]
    assert main(["explain", id, *words, str(grown_library / "query.fasta")]) == 0
    shown = capsys.readouterr().out
    assert answer.explanation in shown
    assert "The one observation that would settle it best" in shown


def test_what_is_missing_is_told(grown_library):
    identifier = Identifier.open(grown_library / "library")
    files = Queries([grown_library / "query.fasta"])
    known, missing = (
        explain(identifier.trace(find_barcode(files, id).sequence), identifier.library)
        for id in ("known", "missing")
    )
    assert known.outcomes[0].name == "Gbbus bis"
    assert known.neighbours[0].match.name == "Gbbus bis"
    assert missing.outcomes[0].new
    assert missing.best.kind in {"references", "picture"}
    assert missing.doubt > known.doubt
