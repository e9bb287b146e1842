"""Maps of labels: what they say is read as names, and what cannot be is told with its line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from merian.errors import FormatError
from merian.taxonomy.label_map import COLUMNS, LabelTarget, read_label_map


def table(path: Path, *rows: dict[str, str]) -> Path:
    lines = [",".join(COLUMNS)]
    for given in rows:
        row = {"Dataset": "whoi", "Raw_Labels": "a", "proposed_label": "a",
               "root_class": "living", **given}  # fmt: skip
        lines.append(",".join(row.get(name, "") for name in COLUMNS))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


WHOLE = {"Kingdom": "animalia", "Phylum": "cnidaria", "Class": "hydrozoa",
         "Order": "siphonophorae", "Family": "abylidae", "Genus": "abylopsis"}  # fmt: skip


def test_a_row_is_a_lineage_of_names(tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", WHOLE | {
        "Raw_Labels": "eudoxie_Abylopsis tetragona", "Species": "tetragona", "plankton": "True",
        "proposed_label": "abylopsis tetragona", "qualifier": "part_head",
        "aphia_ID": "135403.0", "ecotaxa_ID": "239;457", "wikidata_ID": "Q1931947",
        "BOLD_ID": "nan",
    })  # fmt: skip
    (found,) = read_label_map(path).targets.values()
    assert found == LabelTarget(
        "whoi", "eudoxie_Abylopsis tetragona",
        {"kingdom": "Animalia", "phylum": "Cnidaria", "class": "Hydrozoa",
         "order": "Siphonophorae", "family": "Abylidae", "genus": "Abylopsis",
         "species": "Abylopsis tetragona"},
        "abylopsis tetragona", "living", "part_head", True,
        {"wikidata": ("Q1931947",), "aphia": ("135403",), "ecotaxa": ("239", "457")}, 2,
        part="head",
    )  # fmt: skip
    assert (found.rank, found.name) == ("species", "Abylopsis tetragona")


def test_what_is_no_taxon_has_no_lineage(tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", {"Kingdom": "None", "root_class": "artefact",
                                      "plankton": "False", "proposed_label": "bubble"})  # fmt: skip
    found = read_label_map(path).targets["whoi", "a"]
    assert (found.rank, found.name, found.called, found.kept) == ("", "", "bubble", False)


@pytest.mark.parametrize(("row", "reason"), [
    ({"Raw_Labels": " "}, "names no collection or no label"),
    ({"root_class": "alive"}, "root_class is 'alive'; artefact, detritus, inert, living expected"),
    ({"Kingdom": "animalia", "Class": "hydrozoa"}, "the lineage has a gap above the class"),
    ({"Kingdom": "animalia", "Species": "tetragona"}, "the epithet 'tetragona' has no genus"),
    ({"Kingdom": "7.0"}, "the kingdom is '7.0', which is no name"),
    ({"qualifier": "x,y"}, "20 fields, expected 19"),
    ({"Raw_Labels": "first"}, "the label stands on line 2 too"),
])  # fmt: skip
def test_a_wrong_row_is_set_aside(tmp_path: Path, row: dict[str, str], reason: str) -> None:
    path = table(tmp_path / "m.csv", {"Raw_Labels": "first"}, row, {"Raw_Labels": "last"})
    found = read_label_map(path)
    assert [label for _, label in found.targets] == ["first", "last"]
    assert [(fault.line, fault.reason) for fault in found.faults] == [(3, reason)]


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("Dataset,label\nwhoi,a\n")
    with pytest.raises(FormatError, match=r"m.csv:1: has no column Raw_Labels, proposed_label"):
        read_label_map(path)
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="begins with no row of columns' names"):
        read_label_map(path)
    table(path)
    with pytest.raises(FormatError, match="holds no label"):
        read_label_map(path)


def test_the_real_map_is_read_whole(shared: Path) -> None:
    found = read_label_map(shared / "plankton" / "planktonzilla" / "planktonzilla_taxonomy.csv")
    assert len(found.targets) == 1485
    assert found.faults == ()
    assert len(found.sources) == 15
    kinds = Counter(target.kind for target in found.targets.values())
    assert kinds == {"living": 1276, "detritus": 108, "artefact": 89, "inert": 12}
    assert sum(target.kept is True for target in found.targets.values()) == 1235
    # 198 species of plankton, and some labels that are parts of them.
    assert len({t.name for t in found.targets.values() if t.rank == "species" and t.kept}) == 198
    ids = [one for t in found.targets.values() for every in t.ids.values() for one in every]
    assert not [one for one in ids if "." in one or not one.lstrip("Q").isdecimal()]
    assert found.targets["zooscan", "eudoxie_Abylopsis tetragona"].ids["aphia"] == ("135403",)
