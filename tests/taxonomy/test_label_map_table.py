"""Merian's own map of labels: what is written is read, whatever a spreadsheet has done to it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.errors import FormatError
from merian.taxonomy import TaxonomyLock
from merian.taxonomy.label_map import LabelTarget, read_label_map
from merian.taxonomy.label_map_table import COLUMNS, write_label_map

LOCK = TaxonomyLock("List of life", "2026-01", "00ff00ff")
CALANUS = LabelTarget(
    "zoo scan", "nauplii_Calanus", {"kingdom": "Animalia", "genus": "Calanus"}, "Calanus",
    "living", "nauplius", None, {"checklist": ("0012",)}, 2, count=1234, authorship="Leach, 1816",
    taxon_id="0012", life_stage="nauplius", status="proposed", reason="exact; 1 taxon",
)  # fmt: skip
ROWS = (
    CALANUS,
    LabelTarget(
        "zoo scan", "-", {}, "placeholder", "placeholder", "", None, {}, 3, count=7,
        status="accepted", by="M. Sibylla", remarks="=not a formula\nbut two lines",
    ),
    LabelTarget(
        "uvp", "1E5", {"kingdom": "Animalia", "subclass": "Copepoda"}, "Copepoda", "living",
        "like", None, {}, 5, multiple=True, like=True, status="rejected",
        candidates="12 Copepoda | 13 Copépode", doubt="cf. sp. 1",
    ),
)  # fmt: skip


def same(one: LabelTarget, other: LabelTarget) -> bool:
    return replace(one, line=0) == replace(other, line=0)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "map.tsv"
    assert write_label_map(path, ROWS, LOCK) == 3
    found = read_label_map(path)
    assert found.lock == LOCK
    assert found.faults == ()
    assert all(same(a, b) for a, b in zip(found.targets.values(), ROWS, strict=True))
    assert (tmp_path / "map.tsv").read_bytes() == path.read_bytes()
    write_label_map(tmp_path / "again.tsv", found.targets.values(), found.lock)
    assert (tmp_path / "again.tsv").read_bytes() == path.read_bytes()


TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")) | st.sampled_from("'=-+@0123456789"),
    min_size=1, max_size=12,
).filter(lambda text: bool(text.strip()))  # fmt: skip


@given(label=TEXT)
def test_every_label_comes_back_to_the_letter(
    label: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("map") / "map.tsv"
    write_label_map(path, [replace(CALANUS, label=label)], LOCK)
    assert [*read_label_map(path).targets] == [("zoo scan", label)]


@pytest.mark.parametrize("text", ["1E5", "MAR1", "0012", "=A1", "-", "+x", "true", "2-3", "'a",
                                  "12345678901234567", "Dec 2", "1,5"])  # fmt: skip
def test_what_a_spreadsheet_would_change_is_protected(tmp_path: Path, text: str) -> None:
    path = tmp_path / "map.tsv"
    write_label_map(path, [replace(CALANUS, label=text)], None)
    assert f"\t'{text}\t" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [("\t", "utf-16"), (",", "utf-8-sig"), (";", "cp1252")]
)
def test_it_survives_a_spreadsheet(tmp_path: Path, delimiter: str, encoding: str) -> None:
    """Sorted by another column, other delimiter, other encoding, a column more, numbers shown."""
    path = tmp_path / "map.tsv"
    write_label_map(path, ROWS, LOCK)
    head, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter="\t")
    order = [*range(5, len(head)), *range(5)]
    changed = io.StringIO()
    writer = csv.writer(changed, delimiter=delimiter)
    writer.writerow([*(head[i].upper() for i in order), "my notes"])
    for row in reversed(rows):
        row[head.index("count")] = row[head.index("count")].replace("1234", "1,234")
        writer.writerow([*(row[i] for i in order), "x"])
    writer.writerow([""] * (len(head) + 1))
    path.write_bytes(changed.getvalue().encode(encoding))
    found = read_label_map(path)
    assert (found.lock, found.faults) == (LOCK, ())
    # A spreadsheet writes its own line break into a cell of two lines.
    assert all(same(found.targets[row.source, row.label], row) for row in ROWS)


def test_a_name_that_was_changed_leaves_its_lineage_behind(tmp_path: Path) -> None:
    path = tmp_path / "map.tsv"
    write_label_map(path, [CALANUS], LOCK)
    path.write_text(path.read_text(encoding="utf-8").replace("\tCalanus\t", "\tAcartia\t"))
    (found,) = read_label_map(path).targets.values()
    assert (found.rank, found.name, dict(found.lineage)) == (
        "genus", "Acartia", {"genus": "Acartia"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a\tb\tbeast\t\t\t\t", "kind is 'beast'; taxon, detritus"),
        ("a\tb\ttaxon\t\t\t\t", "is a taxon, but names none"),
        ("a\tb\tdetritus\tCalanus\t\t\t", "is detritus, but names the taxon Calanus"),
        ("a\tb\ttaxon\tCalanus\tgenre\t\t", "taxonRank is 'genre', which is no rank"),
        ("a\tb\ttaxon\tCalanus\tgenus\tmany\t", "multiple is 'many'; yes or nothing"),
        ("a\tb\ttaxon\tCalanus\tgenus\t\tsome", "count is 'some'; a whole number"),
        ("a\t \ttaxon\tCalanus\tgenus\t\t", "names no label"),
    ],
)
def test_a_wrong_row_is_set_aside_with_its_line(tmp_path: Path, row: str, reason: str) -> None:
    path = tmp_path / "map.tsv"
    head = "source\tlabel\tkind\tscientificName\ttaxonRank\tmultiple\tcount"
    path.write_text(f"{head}\ns\tfine\tdetritus\t\t\t\t12.0\n{row}\n")
    found = read_label_map(path)
    assert [(t.label, t.count) for t in found.targets.values()] == [("fine", 12)]
    assert found.faults[0].line == 3
    assert found.faults[0].reason.startswith(reason)


def test_maps_of_two_checklists_and_of_a_later_format_are_told(tmp_path: Path) -> None:
    path = tmp_path / "map.tsv"
    write_label_map(path, ROWS, LOCK)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("2026-01", "2025-01", 1))
    with pytest.raises(FormatError, match="of several checklists"):
        read_label_map(path)
    path.write_text(text.replace("merian-label-map 1.0", "merian-label-map 2.0", 1))
    assert "1.x expected" in read_label_map(path).faults[0].reason
    path.write_text("source\tlabel\n")
    with pytest.raises(FormatError, match="says nothing of its labels"):
        read_label_map(path)


def test_the_map_of_a_benchmark_is_read_too(shared: Path) -> None:
    found = read_label_map(shared / "plankton" / "taxonomy_match_panaiotis" / "taxonomy_match")
    assert len(found.sources) == 6
    target = found.targets["isiis", "Aulacanthidae"]
    assert (target.kept, [*target.lineage.values()][-2:]) == (
        True, ["Phaeocystida", "Aulacanthidae"],
    )  # fmt: skip
    assert COLUMNS[0] == "source"
