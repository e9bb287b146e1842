"""Checklists at the edge: very deep, very small, with ids that repeat and breaks in names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from merian.taxonomy import Taxonomy, match_name, save_taxonomy

from .makers import make


def test_a_tree_of_three_hundred_levels(tmp_path: Path) -> None:
    deep = 300
    letters = [f"{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(deep)]
    rows = [
        (str(i), str(i - 1) if i else None, None, f"A{letters[i]}us", "", "clade")
        for i in range(deep)
    ]
    taxonomy, report = make(rows)
    assert not report.problems
    save_taxonomy(taxonomy, tmp_path / "deep")
    taxonomy = Taxonomy.open(tmp_path / "deep")
    last = taxonomy.find_id(str(deep - 1))
    assert int(taxonomy.depth[last]) == deep - 1
    assert [taxonomy.ids[n] for n in taxonomy.lineage(last)[0]] == [str(i) for i in range(deep)]
    assert taxonomy.agreement_depth(last, last) == deep
    middle = taxonomy.find_id("150")
    assert taxonomy.common_ancestor([last, middle]) == middle
    assert len(taxonomy.restrict([middle])) == deep


def test_a_tree_of_one() -> None:
    taxonomy, _ = make([("1", None, None, "Aus", "", "genus")])
    assert (len(taxonomy), taxonomy.taxa, taxonomy.roots.tolist()) == (1, 1, [0])
    assert taxonomy.common_ancestor([0, 0]) == 0
    assert match_name(taxonomy, "Aus bus").match_type == "HIGHERRANK"
    assert match_name(taxonomy, "Bus").match_type == "NONE"
    assert len(taxonomy.restrict([0])) == 1


def test_repeated_ids_are_reported() -> None:
    taxonomy, report = make(
        [
            ("1", None, None, "Aus", "", "genus"),
            ("1", None, None, "Bus", "", "genus"),
            ("2", "1", None, "Aus cus", "", "species"),
        ]
    )
    assert report.by_reason() == {"another row has this id; links lead to that one": 1}
    assert [(p.line, p.content) for p in report.problems] == [(3, "Bus")]
    child = int(taxonomy.find("Aus cus")[0])
    assert taxonomy.name_of(int(taxonomy.parent[child])) == "Aus"


def test_breaks_in_names_ids_and_authors(tmp_path: Path) -> None:
    taxonomy, _ = make(
        [
            ("a\nb", None, None, "Aus\tbus\n", "Smith,\n1900", "species"),
            ("c", None, None, "  Cus \x00 dus ", None, "species"),
            ("d", None, "c", "Eus\r\nfus", "", "species", "synonym"),
        ]
    )
    save_taxonomy(taxonomy, tmp_path / "t")
    taxonomy = Taxonomy.open(tmp_path / "t")
    assert sorted(taxonomy.name_of(n) for n in range(len(taxonomy))) == [
        "Aus bus", "Cus dus", "Eus fus",
    ]  # fmt: skip
    assert taxonomy.authorship[int(taxonomy.find("Aus bus")[0])] == "Smith, 1900"
    assert match_name(taxonomy, "Eus fus").accepted == taxonomy.find_id("c")
    assert np.array_equal(taxonomy.accepted[taxonomy.find("Eus fus")], taxonomy.find("Cus dus"))
