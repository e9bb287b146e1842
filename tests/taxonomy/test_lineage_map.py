"""Maps of paths without ranks, one table a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from merian.errors import FormatError
from merian.taxonomy.label_map import LabelMap, read_label_map

TABLE = """lineage,taxon,level1,level2,plankton
/living/Eukaryota/Metazoa/Annelida/larvae<Annelida,larvae<Annelida,larvae_Annelida,Annelida,TRUE
//detritus,detritus,detritus,detritus,FALSE
/not-living/artefact/bubble,bubble,bubble,bubble,FALSE
/living/Eukaryota/4/Clupeiformes temp/Sardina temp,Sardina,Sardina,Sardina,TRUE
,,,,
/living/Eukaryota,Sardina,Sardina,Sardina,TRUE
"""


def write(folder: Path, text: str = TABLE, name: str = "zoocam.csv") -> LabelMap:
    (folder / name).write_text(text, encoding="utf-8")
    return read_label_map(folder)


def test_paths_become_lineages(tmp_path: Path) -> None:
    found = write(tmp_path)
    worm = found.targets["zoocam", "larvae_Annelida"]
    assert tuple(worm.lineage.values()) == ("Eukaryota", "Metazoa", "Annelida")
    assert (worm.name, worm.rank, worm.qualifier, worm.kept) == (
        "Annelida", "unranked", "larvae", True,
    )  # fmt: skip
    assert found.targets["zoocam", "detritus"].kind == "detritus"
    assert found.targets["zoocam", "bubble"].kind == "artefact"
    assert found.targets["zoocam", "bubble"].lineage == {}
    fish = found.targets["zoocam", "Sardina"]
    assert tuple(fish.lineage.values()) == ("Eukaryota", "Clupeiformes", "Sardina")
    assert [(fault.line, fault.reason) for fault in found.faults] == [
        (7, "the label stands on line 5 too"),
    ]  # fmt: skip
    assert read_label_map(tmp_path / "zoocam.csv").targets == found.targets


def test_counts_beside_the_tables_are_no_map(tmp_path: Path) -> None:
    (tmp_path / "counts.csv").write_text("source,label,n\nzoocam,Sardina,12\n")
    assert write(tmp_path).sources == ("zoocam",)


def test_a_table_without_paths_has_no_lineages(tmp_path: Path) -> None:
    found = write(tmp_path, "taxon,level2,plankton\nCiliate_mix,other_Ciliophora,TRUE\n")
    target = found.targets["zoocam", "Ciliate_mix"]
    assert (target.lineage, target.called, target.kind) == ({}, "other_Ciliophora", "living")


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "taxon,level1,plankton\n"])
def test_what_is_no_such_map_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(FormatError):
        write(tmp_path, text)


def test_the_real_maps(shared: Path) -> None:
    found = read_label_map(shared / "plankton" / "taxonomy_match_panaiotis" / "taxonomy_match")
    assert found.sources == ("flowcam", "ifcb", "isiis", "uvp6", "zoocam", "zooscan")
    assert len(found.targets) == 461
    comb = found.targets["zooscan", "Ctenophora"]
    assert "Metazoa" in comb.lineage.values()
