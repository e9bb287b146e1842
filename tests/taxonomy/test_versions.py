"""What became of each taxon between two versions of a checklist, and what a plan makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from merian.bench.checklist_edits import edited
from merian.bench.versions import scores
from merian.errors import InputError
from merian.taxonomy import Taxonomy, read_checklist
from merian.taxonomy.migration import Use, decided, moves_of
from merian.taxonomy.versions import KINDS, Comparison, compare, outcome
from tests.taxonomy.makers import checklist, make

ABOVE = [
    ("k", None, None, "Animalia", "", "kingdom"),
    ("f", "k", None, "Aidae", "", "family"),
    ("f2", "k", None, "Bidae", "", "family"),
    ("g", "f", None, "Aus", "Smith, 1900", "genus"),
    ("h", "f", None, "Bus", "Smith, 1901", "genus"),
]
ONE = ("s", "g", None, "Aus bus", "Smith, 1900", "species")
TWO = ("t", "g", None, "Aus cus", "Jones, 1910", "species")


def synonym(row: tuple, of: str, status: str = "synonym") -> tuple:
    return (row[0], None, of, *row[3:6], status)


def versions(before: list, after: list, ids: bool = True) -> Comparison:
    old, _ = make([*ABOVE, *before])
    rows = [*ABOVE, *after]
    if not ids:
        rows = [tuple(f"n{v}" if i < 3 and v else v for i, v in enumerate(row)) for row in rows]
    new, _ = make(rows)
    return compare(old, new)


def kind_of(compared: Comparison, name: str) -> str:
    (row,) = [int(n) for n in compared.old.find(name) if n < compared.old.taxa]
    return KINDS[compared.kind[row]]


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "names"])
@pytest.mark.parametrize(
    ("after", "kind", "now"),
    [
        ([ONE, TWO], "same", "Aus bus"),
        ([("s", "h", *ONE[2:]), TWO], "moved", "Aus bus"),
        ([(*ONE[:5], "subspecies"), TWO], "rank changed", "Aus bus"),
        ([("x", "h", None, "Bus bus", "(Smith, 1900)", "species"), synonym(ONE, "x"), TWO],
         "renamed", "Bus bus"),
        ([TWO, synonym(ONE, "t")], "lumped", "Aus cus"),
        ([TWO], "gone", None),
        ([("s", "g", None, "Aus bus", "Miller, 1999", "species"), TWO], "same", "Aus bus"),
        ([synonym(ONE, "t", status="ambiguous synonym"), TWO], "ambiguous", None),
    ],
)  # fmt: skip
def test_what_became_of_a_species(after, kind, now, ids) -> None:
    compared = versions([ONE, TWO], after, ids)
    told = outcome(compared, int(compared.old.find("Aus bus")[0]))
    if kind == "ambiguous" and ids:
        pytest.skip("the id says which one it is")
    assert told.kind == kind == kind_of(compared, "Aus bus")
    assert (compared.new.name_of(told.node) if told.node >= 0 else None) == now
    assert told.why


def test_both_sides_of_a_lump_are_told_and_decided() -> None:
    compared = versions([ONE, TWO], [TWO, synonym(ONE, "t")])
    for name in ("Aus bus", "Aus cus"):
        told = outcome(compared, int(compared.old.find(name)[0]))
        assert (told.kind, compared.new.name_of(told.node)) == ("lumped", "Aus cus")


def test_a_synonym_that_is_a_species_now_splits_its_taxon_and_is_followed_itself() -> None:
    raised = ("t", "g", None, *TWO[3:])
    compared = versions([ONE, synonym(TWO, "s")], [ONE, raised])
    old, new = compared.old, compared.new
    whole = outcome(compared, int(old.find("Aus bus")[0]))
    assert whole.kind == "split"
    assert whole.node == -1
    assert sorted(new.name_of(n) for n in whole.candidates) == ["Aus bus", "Aus cus"]
    # What was called Aus cus is what is called so now.
    part = outcome(compared, int(old.find("Aus cus")[0]))
    assert new.name_of(part.node) == "Aus cus"


def test_a_genus_is_split_by_a_new_one_and_not_by_one_that_there_was() -> None:
    new_genus = ("n", "f", None, "Cus", "New, 2020", "genus")
    after = [ONE, new_genus, ("x", "n", None, "Cus cus", "(Jones, 1910)", "species"),
             synonym(TWO, "x")]  # fmt: skip
    assert kind_of(versions([ONE, TWO], after), "Aus") == "split"
    after = [ONE, ("x", "h", None, "Bus cus", "(Jones, 1910)", "species"), synonym(TWO, "x")]
    compared = versions([ONE, TWO], after)
    assert [kind_of(compared, name) for name in ("Aus", "Bus", "Aus cus")] == [
        "same", "same", "renamed",
    ]  # fmt: skip


def test_an_id_alone_renames_and_witnesses_that_disagree_decide_nothing() -> None:
    after = [("s", "h", None, "Bus bus", "(Smith, 1900)", "species"), TWO]
    compared = versions([ONE, TWO], after)
    told = outcome(compared, int(compared.old.find("Aus bus")[0]))
    assert (told.kind, compared.new.name_of(told.node)) == ("renamed", "Bus bus")
    # Without ids it is gone, and what may have become of it is listed.
    compared = versions([ONE, TWO], after, ids=False)
    told = outcome(compared, int(compared.old.find("Aus bus")[0]))
    assert (told.kind, told.node) == ("gone", -1)
    assert [compared.new.name_of(n) for n in told.candidates] == ["Bus bus"]
    # The id of one, the name of another.
    after = [
        ("s", "h", None, "Bus bus", "", "species"),
        ("z", *ONE[1:]),
        TWO,
        ("u", "g", None, "Aus dus", "", "species"),
        ("v", "g", None, "Aus eus", "", "species"),
    ]
    before = [ONE, TWO, after[3], ("v", "g", None, "Aus fus", "", "species")]
    compared = versions(before, after)
    told = outcome(compared, int(compared.old.find("Aus bus")[0]))
    assert told.kind == "ambiguous"
    assert sorted(compared.new.name_of(n) for n in told.candidates) == ["Aus bus", "Bus bus"]


def test_numbers_of_lines_are_no_ids() -> None:
    names = [f"Aus {a}us" for a in "bcdfghklmn"]
    before = [(str(n), "g", None, name, "", "species") for n, name in enumerate(names)]
    after = [(str(n), "g", None, name, "", "species") for n, name in enumerate(["Aus aus", *names])]
    compared = versions(before, after)
    assert not compared.links.ids_trusted
    assert compared.counts()["same"] == compared.old.taxa


def test_the_same_version_changes_nothing() -> None:
    taxonomy = checklist()
    compared = compare(taxonomy, taxonomy)
    assert compared.counts()["same"] == taxonomy.taxa
    assert compared.target.tolist() == taxonomy.accepted.tolist()


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "names"])
@pytest.mark.parametrize("seed", range(4))
def test_there_and_back_through_renames_gives_the_same_names(seed: int, ids: bool) -> None:
    letters = "bcdfghklmnprst"
    species = [
        (f"s{n}", "gh"[n % 2], None, f"{'AB'[n % 2]}us {letters[n]}us", f"A{n}, 19{n + 10}",
         "species") for n in range(len(letters))
    ]  # fmt: skip
    renamed = [n for n in range(len(letters)) if (n * 7 + seed) % 3 == 0]
    after = []
    for n, row in enumerate(species):
        if n not in renamed:
            after.append(row)
            continue
        other = f"{'BA'[n % 2]}us {letters[n]}us"
        after += [(f"x{n}", "hg"[n % 2], None, other, row[4], "species"), synonym(row, f"x{n}")]
    back = list(species)
    back += [(f"x{n}", None, f"s{n}", f"{'BA'[n % 2]}us {letters[n]}us", species[n][4], "species",
              "synonym") for n in renamed]  # fmt: skip
    there = versions(species, after, ids)
    again = compare(there.new, make([*ABOVE, *back])[0])
    for row in range(there.old.taxa):
        middle = outcome(there, row).node
        end = outcome(again, middle).node
        assert again.new.name_of(end) == there.old.name_of(row)
    assert there.counts()["renamed"] == len(renamed)


def test_a_decision_is_an_id_keep_or_parent() -> None:
    raised = ("t", "g", None, *TWO[3:])
    compared = versions([ONE, synonym(TWO, "s")], [ONE, raised])
    (move,) = moves_of(compared, [Use("table", "s", "Aus bus", "species", 5)])
    assert (move.state, move.node) == ("undecided", -1)
    new = compared.new
    assert new.name_of(decided(compared, move, "t").node) == "Aus cus"
    assert new.name_of(decided(compared, move, "parent").node) == "Aus"
    assert decided(compared, move, "keep").node == -1
    assert decided(compared, move, "").state == "undecided"
    with pytest.raises(InputError, match=r"plan.tsv:3: 'q' is no id of .*as s \(Aus bus\), t"):
        decided(compared, move, "q", "plan.tsv:3")


def test_a_use_of_what_the_older_version_does_not_have_stays_undecided() -> None:
    compared = versions([ONE], [ONE])
    moves = moves_of(compared, [Use("t", "zz", "Xus", "", 1), Use("t", "", "Yus", "genus", 1)])
    assert [m.kind for m in moves] == ["unknown", "unknown"]
    assert all(m.state == "undecided" for m in moves)


@pytest.fixture(scope="module")
def beetles(shared: Path) -> Taxonomy:
    return read_checklist(shared / "taxonomy/col_checklistbank/xcol/103.txtree")[0]


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "names"])
def test_the_edits_of_a_real_checklist_are_found(beetles: Taxonomy, ids: bool) -> None:
    figures = scores(beetles, each=40, seed=1, ids=ids)
    assert figures["decided for a wrong taxon"]["value"] == 0
    told = {name: f["value"] for name, f in figures.items() if name.startswith(("recall", "prec"))}
    assert {name.split(" of ")[1] for name in told} >= {"renamed", "lumped", "split", "gone"}
    low = {n: v for n, v in told.items() if v < 0.97 and n != "precision of ambiguous"}
    assert low == {}


def test_the_edited_version_of_a_real_one_is_the_same_for_the_same_seed(beetles: Taxonomy) -> None:
    one, two = (edited(beetles, each=10, seed=3) for _ in range(2))
    assert one.truth == two.truth
    assert one.taxonomy.lock == two.taxonomy.lock


def test_two_real_versions_of_worms_are_compared(shared: Path) -> None:
    older = read_checklist(shared / "taxonomy/worms_dwca_sample/dwca/10")[0]
    newer = read_checklist(shared / "taxonomy/worms_fathomnet/faketree/taxon.txt")[0]
    compared = compare(older, newer)
    # As WoRMS itself says of them.
    for name, kind, now in (
        ("Anaspidea", "renamed", "Aplysiida"),
        ("Archaeogastropoda", "renamed", "Vetigastropoda"),
        ("Aclididae", "lumped", "Eulimidae"),
        ("Sacoglossa", "rank changed", "Sacoglossa"),
        ("Gymnosomata", "rank changed", "Gymnosomata"),
    ):
        told = outcome(compared, int(older.find(name)[0]))
        assert (told.kind, newer.name_of(told.node)) == (kind, now)
