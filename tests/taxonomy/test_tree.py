"""The algebra of the tree, against plain loops over parents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.errors import FormatError, InputError, NotFoundError
from merian.taxonomy import NONE, STATUSES, Taxonomy, save_taxonomy

from .makers import ANIMALS_AND_DIATOMS, make

_RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")


@st.composite
def forests(draw: st.DrawFn) -> list[tuple[str | None, ...]]:
    """Rows of a checklist with several roots, synonyms, orphans and circles."""
    count = draw(st.integers(1, 25))
    rows: list[tuple[str | None, ...]] = []
    for i in range(count):
        kind = draw(st.sampled_from(["taxon"] * 6 + ["synonym"]))
        name = (
            draw(st.sampled_from(["Aus", "Bus", "Cus bus", "Dus"]))
            + "abcdefghijklmnopqrstuvwxyz"[i]
        )
        target = f"n{draw(st.integers(0, count + 1))}"  # may be itself, absent or later
        rank = draw(st.sampled_from(_RANKS))
        if kind == "taxon":
            parent = draw(st.sampled_from([None, target, target]))
            rows.append((f"n{i}", parent, None, name, "", rank, "accepted"))
        else:
            rows.append((f"n{i}", None, target, name, "", rank, "synonym"))
    return draw(st.permutations(rows))


def ancestors(taxonomy: Taxonomy, node: int) -> list[int]:
    """A node and all above it, lowest first, by walking."""
    line = [int(taxonomy.accepted[node])]
    while taxonomy.parent[line[-1]] != NONE:
        line.append(int(taxonomy.parent[line[-1]]))
    return line


@settings(max_examples=60, deadline=None)
@given(forests())
def test_algebra_agrees_with_walking_up(rows: list[tuple[str | None, ...]]) -> None:
    if not any(row[6] == "accepted" for row in rows):
        return
    taxonomy, report = make(rows)
    nodes = range(len(taxonomy))
    lines = [ancestors(taxonomy, n) for n in nodes]
    pairs = [(a, b) for a in nodes for b in nodes]
    left, right = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    lowest = [next((x for x in lines[a] if x in lines[b]), NONE) for a, b in pairs]
    assert lowest == taxonomy.lowest_common_ancestor(left, right).tolist()
    assert [lines[a][0] in lines[b] for a, b in pairs] == taxonomy.is_ancestor(left, right).tolist()
    depths = [0 if x == NONE else len(lines[x]) for x in lowest]
    assert depths == taxonomy.agreement_depth(left, right).tolist()
    assert [line[::-1] for line in lines] == [
        [x for x in row if x != NONE] for row in taxonomy.lineage(np.array(nodes)).tolist()
    ]
    for node in nodes:
        assert lines[node][::-1] == taxonomy.path(node)
        below = [n for n in range(taxonomy.taxa) if lines[node][0] in lines[n][1:]]
        assert below == taxonomy.descendants(node).tolist()
        assert [n for n in below if lines[n][1] == lines[node][0]] == taxonomy.children(
            node
        ).tolist()
        for rank in _RANKS:
            there = [x for x in lines[node] if taxonomy.rank_of(x) == rank]
            assert (there[0] if there else NONE) == taxonomy.at_rank([node], rank)[0]
    # Nothing is lost: every row is in the tree or among the problems.
    misfits = {p.id for p in report.problems if "set aside" in p.reason}
    assert {row[0] for row in rows} == {*taxonomy.ids} | misfits


@settings(max_examples=30, deadline=None)
@given(forests(), st.randoms())
def test_order_of_input_does_not_matter(rows: list[tuple[str | None, ...]], random: object) -> None:
    """Circles aside: where one is cut depends on which row comes first."""
    if not any(row[6] == "accepted" for row in rows):
        return
    taxonomy, report = make(rows)
    if any("circle" in p.reason for p in report.problems):
        return
    again, _ = make(sorted(rows, key=lambda row: str(row[0])))
    assert taxonomy.lock == again.lock


@settings(max_examples=30, deadline=None)
@given(forests(), st.data())
def test_restriction_keeps_what_it_should(
    rows: list[tuple[str | None, ...]], data: st.DataObject
) -> None:
    if not any(row[6] == "accepted" for row in rows):
        return
    taxonomy, _ = make(rows)
    picked = data.draw(st.lists(st.integers(0, len(taxonomy) - 1), min_size=1, max_size=3))
    part = taxonomy.restrict(picked)
    lines = [ancestors(taxonomy, n) for n in range(len(taxonomy))]
    wanted = {lines[n][0] for n in picked}
    kept = {
        taxonomy.ids[n]
        for n in range(len(taxonomy))
        if wanted & set(lines[n]) or any(lines[n][0] in lines[w] for w in wanted)
    }
    assert kept == {*part.ids}
    for node in range(len(part)):
        whole = taxonomy.find_id(part.ids[node])
        assert part.name_of(node) == taxonomy.name_of(whole)
        assert [part.ids[n] for n in part.path(node)] == [
            taxonomy.ids[n] for n in taxonomy.path(whole)
        ]
        assert node in part.find(part.names[int(part.canonical[node])])


def test_saved_and_opened_it_is_the_same(tmp_path: Path) -> None:
    taxonomy, report = make(ANIMALS_AND_DIATOMS)
    save_taxonomy(taxonomy, tmp_path / "t", report)
    opened = Taxonomy.open(tmp_path / "t")
    assert taxonomy.lock == opened.lock
    assert [*taxonomy.ids] == [*opened.ids]
    for name in ("parent", "rank", "accepted", "end", "depth", "status", "code", "rows_by_name"):
        assert getattr(taxonomy, name).tolist() == getattr(opened, name).tolist(), name
    assert opened.names.first_words[0].between(0, 3) == taxonomy.names.first_words[0].between(0, 3)
    before = {p.name: p.read_bytes() for p in (tmp_path / "t").iterdir()}
    opened.save(tmp_path / "u")
    assert before == {p.name: p.read_bytes() for p in (tmp_path / "u").iterdir()}


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    taxonomy, report = make(ANIMALS_AND_DIATOMS)
    save_taxonomy(taxonomy, tmp_path / "t", report)
    file = tmp_path / "t" / "taxonomy.safetensors"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(FormatError, match="not a complete safetensors file"):
        Taxonomy.open(tmp_path / "t")
    with pytest.raises(FormatError, match="is not a taxonomy"):
        Taxonomy.open(tmp_path)
    with pytest.raises(NotFoundError, match="no such taxonomy folder"):
        Taxonomy.open(tmp_path / "nowhere")


def test_a_folder_with_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="other things in it"):
        make(ANIMALS_AND_DIATOMS)[0].save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_what_does_not_fit_is_named_with_its_line() -> None:
    taxonomy, report = make(
        [
            ("a", None, None, "Animalia", "", "kingdom", "accepted"),
            ("b", "zz", None, "Aus bus", "", "species", "accepted"),
            ("c", "d", None, "Cus", "", "genus", "accepted"),
            ("d", "c", None, "Dus", "", "genus", "accepted"),
            ("e", None, "gone", "Eus eus", "", "species", "synonym"),
            ("f", None, None, "Fus fus", "", "species", "unaccepted"),
            ("g", None, "h", "Gus gus", "", "species", "synonym"),
            ("h", None, "b", "Hus hus", "", "species", "synonym"),
            ("i", "h", None, "Ius ius", "", "species", "accepted"),
            ("j", "a", None, "", "", "genus", "accepted"),
            ("k", "a", None, "Kus", "", "superduper", "accepted"),
        ]
    )
    assert {(p.id, p.line): p.reason for p in report.problems} == {
        ("b", 3): "parent is not in the checklist; kept as a root",
        ("c", 4): "is its own ancestor; the circle was cut here",
        ("e", 6): "synonym of a name that is not in the checklist; set aside",
        ("f", 7): "not accepted, and no accepted name is given; set aside",
        ("i", 10): "parent is a synonym; placed under its accepted name",
        ("j", 11): "no name; set aside",
    }
    assert report.notes == ["ranks that are not known here count as unranked: superduper"]
    b, g, i = (taxonomy.find_id(x) for x in "bgi")
    assert taxonomy.accepted[g] == b
    assert taxonomy.parent[i] == b
    assert STATUSES[taxonomy.status[g]] == "synonym"
    assert taxonomy.rank_of(taxonomy.find_id("k")) == "unranked"


def test_names_are_found_bare() -> None:
    taxonomy, _ = make(ANIMALS_AND_DIATOMS)
    pulchella = taxonomy.find_id("s4")
    assert taxonomy.find("Ctenophora pulchella").tolist() == [pulchella]
    assert taxonomy.find("Ctenophora pul").tolist() == []
    assert len(taxonomy.find("Ctenophora")) == 2
    assert taxonomy.find_id("nothing") == NONE
    assert taxonomy.common_ancestor([taxonomy.find_id("s1"), taxonomy.find_id("s3")]) == (
        taxonomy.find_id("f1")
    )
    with pytest.raises(NotFoundError, match="Did you mean genus"):
        taxonomy.at_rank([0], "genuss")


def test_synonyms_and_status() -> None:
    taxonomy, _ = make(ANIMALS_AND_DIATOMS)
    names = {taxonomy.name_of(int(n)) for n in taxonomy.synonyms(taxonomy.find_id("s1"))}
    assert names == {"Monoculus finmarchicus", "Calanus borealis"}
    assert taxonomy.is_synonym(taxonomy.find_id("y2"))
