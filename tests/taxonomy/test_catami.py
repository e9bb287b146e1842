"""CATAMI's tree of labels: three tables of it, as nodes, as a checklist and as a forest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from merian.errors import FormatError
from merian.learn import Forest
from merian.taxonomy import match_name, read_checklist
from merian.taxonomy.catami import catami_kind, catami_nodes, catami_paths

SCHEME = """SPECIES_CODE,CATAMI_DISPLAY_NAME,CATAMI_PARENT_ID,CPC_CODES,Changes since v1.3
80000000,Biota,, BIOTA ,
82000000,Physical,, P ,
63600901,Seagrasses,80000000, SEAG ,
63600903,Seagrasses: Strap-like leaves,80000901, SEAGS,
80300000,Macroalgae,80000000, MA ,
80300906,Macroalgae: Red,80300000, MAR ,
82001000,Substrate,82000000, S ,
82001005,Substrate: Sand / mud (<2mm) ,82001000, SU ,
82001001,Substrate: Consolidated (hard),82001000, SC ,
82002000,Bedforms,82000000, B ,
82003000,Relief,82000000, R ,
99,Ring: A,98,,
98,Ring,99,,
"""
WRONG_PARENT = "its parent 80000901 does not exist; it hangs under 63600901 by its name"


@pytest.fixture
def scheme(tmp_path: Path) -> Path:
    path = tmp_path / "catami-caab-codes.csv"
    path.write_text(SCHEME, encoding="utf-8")
    return path


def test_the_scheme_is_four_trees(scheme: Path) -> None:
    nodes = {node.code: node for node in catami_nodes(scheme)}
    assert nodes["82001005"].path == ("Physical", "Substrate", "Sand / mud (<2mm)")
    assert nodes["80300906"].path == ("Biota", "Macroalgae", "Red")
    assert nodes["80300906"].also == "MAR"
    seagrass = nodes["63600903"]
    assert (seagrass.parent, seagrass.path) == (
        "63600901", ("Biota", "Seagrasses", "Strap-like leaves")
    )  # fmt: skip
    assert (
        seagrass.problem
        == "its parent 80000901 does not exist; it hangs under 63600901 by its name"
    )
    assert Counter(node.tree for node in nodes.values()) == {
        "biota": 7, "substrate": 3, "bedforms": 1, "relief": 1, "": 1,
    }  # fmt: skip


def test_paths_make_a_forest(scheme: Path) -> None:
    paths = [path for path in catami_paths(scheme) if "Ring" not in path[1]]
    forest = Forest.of_paths(paths)
    assert forest.trees == ("bedforms", "biota", "relief", "substrate")
    assert forest.path(forest.node("substrate", ("Substrate", "Sand / mud (<2mm)"))) == (
        "Substrate", "Sand / mud (<2mm)"
    )  # fmt: skip


def test_a_checklist_is_built_whose_names_and_codes_are_found(scheme: Path) -> None:
    taxonomy, report = read_checklist(scheme)
    reasons = report.by_reason()
    assert reasons.pop(WRONG_PARENT)
    assert len(reasons) == 1, "the ring is told"
    red = match_name(taxonomy, "Macroalgae: Red").as_dict()
    assert red["acceptedUsage"]["key"] == "80300906"
    hard = match_name(taxonomy, "Consolidated").as_dict()  # as a label of it is read
    assert hard["acceptedUsage"]["key"] == "82001001"
    assert match_name(taxonomy, "Seagrasses").as_dict()["usage"]["key"] == "63600901"


def test_the_version_of_globalarchive(tmp_path: Path) -> None:
    path = tmp_path / "schema.csv"
    path.write_text(
        '"caab_code","level_1","level_2","level_3","family","genus","species","qualifiers"\n'
        '"82002003","Biota","Bedforms","2D","","","",""\n'
        '"54079009","Biota","Macroalgae","Canopy","Lessoniaceae","Ecklonia","radiata","Drift"\n'
        '"80300903","Biota","Macroalgae","Canopy","","","",""\n'
    )
    assert catami_kind(path) == "levels"
    assert [(n.code, n.parent, n.path[-1], n.tree) for n in catami_nodes(path)] == [
        ("82002003", "bedforms:Biota > Bedforms", "2D", "bedforms"),
        ("bedforms:Biota > Bedforms", "biota:Biota", "Bedforms", "bedforms"),
        ("biota:Biota", "", "Biota", "biota"),
        ("54079009", "80300903", "Ecklonia radiata", "biota"),
        ("80300903", "biota:Biota > Macroalgae", "Canopy", "biota"),
        ("biota:Biota > Macroalgae", "biota:Biota", "Macroalgae", "biota"),
    ]
    assert ("bedforms", ("Bedforms", "2D")) in catami_paths(path)


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    assert catami_kind(path) == ""
    with pytest.raises(FormatError, match="is no table of CATAMI"):
        catami_nodes(path)


REAL = {
    "catami_caab_checkem/catami-caab-codes_1.4.csv": (
        289, {"biota": 252, "substrate": 19, "bedforms": 9, "relief": 8, "": 1}, 2, 288),
    "catami_caab_checkem/benthic-annotation-schema-forward-facing.csv": (
        311, {"biota": 267, "substrate": 19, "relief": 15, "bedforms": 9, "": 1}, 0, 310),
    "catami_benthicnet_probes/catami_ex.csv": (
        310, {"biota": 272, "substrate": 23, "bedforms": 8, "relief": 7}, 0, 310),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_a_real_table(shared: Path, name: str) -> None:
    taxa, trees, problems, nodes = REAL[name]
    path = shared / "benthic" / name
    taxonomy, report = read_checklist(path)
    assert (taxonomy.taxa, len(report.problems)) == (taxa, problems)
    assert Counter(node.tree for node in catami_nodes(path)) == trees
    forest = Forest.of_paths(catami_paths(path))
    assert forest.size == nodes
    assert forest.trees == ("bedforms", "biota", "relief", "substrate")
