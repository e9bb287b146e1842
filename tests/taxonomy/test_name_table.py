"""Tables of names as they come: ragged, quoted, in any encoding, or no table at all."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from merian import processes as processes_module
from merian.errors import FormatError, InputError, MerianError
from merian.taxonomy import Taxonomy, match_table, save_taxonomy

from .makers import ANIMALS_AND_DIATOMS, make


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return make(ANIMALS_AND_DIATOMS)[0]


def matched(taxonomy: Taxonomy, path: Path) -> list[dict[str, str]]:
    """Match a table to CSV and read the answers."""
    out = path.parent / "out.csv"
    match_table(taxonomy, path, out)
    with out.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"scientificName,b,c\nCalanus\nCopepoda,1\n", ["Calanus", "Copepoda"]),
        (b"scientificName,b\nCalanus,1,2,3\nCopepoda,1\n", ["Calanus", "Copepoda"]),
        (b'scientificName,b\n"Calanus",1\n"Copepoda",2\n', ["Calanus", "Copepoda"]),
        (b'scientificName,b\nCalanus,"two\nlines"\nCopepoda,2\n', ["Calanus", "Copepoda"]),
        (b'"scientificName","a\nb"\nCalanus,1\n', ["Calanus"]),
        (b"scientificName;b\r\nCalanus;1\r\n", ["Calanus"]),
        (b"\xef\xbb\xbfscientificName|b\nCalanus|1\n", ["Calanus"]),
        ("scientificName,b\nCalanus,é\n".encode("utf-16"), ["Calanus"]),
        (b"scientificName,b\nCalanus,\x96\x85\xf8\n", ["Calanus"]),
        (b"scientificName\n  Calanus\n#Calanus\nCopepoda \n", ["Calanus", "", "Copepoda"]),
        # A comma in an author is no delimiter where the header has none.
        (
            b"scientificName\nCalanus finmarchicus (Gunnerus, 1770)\nCalanus Leach, 1816\n",
            ["Calanus finmarchicus", "Calanus"],
        ),
    ],
)
def test_what_can_be_read(
    taxonomy: Taxonomy, tmp_path: Path, content: bytes, names: list[str]
) -> None:
    (tmp_path / "names.csv").write_bytes(content)
    found = matched(taxonomy, tmp_path / "names.csv")
    assert names == [row["matchedName"] for row in found]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"", "is empty"),
        ("a.tsv", b"", "is empty"),
        ("a.csv", bytes(range(256)) * 8, "is no text"),
        ("a.xlsx", b"PK\x03\x04" + bytes(100), "is no text"),
        ("a.parquet", b"PAR1 and no more", "cannot be read as a table"),
        ("a.csv", b"\n\n\n", "no column 'scientificName'"),
        ("a.csv", b"name,b\nCalanus,1\n", "no column 'scientificName'; there are name, b"),
    ],
)
def test_what_cannot(
    taxonomy: Taxonomy, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MerianError, match=reason) as caught:
        match_table(taxonomy, tmp_path / name, tmp_path / "out.tsv")
    assert str(tmp_path / name) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_folders_in_the_place_of_files(taxonomy: Taxonomy, tmp_path: Path) -> None:
    source = tmp_path / "names.csv"
    source.write_text("scientificName\nCalanus\n")
    with pytest.raises(InputError, match="is a folder; give the file with the names"):
        match_table(taxonomy, tmp_path, tmp_path / "out.tsv")
    (tmp_path / "out.tsv").mkdir()
    with pytest.raises(InputError, match="is a folder; give the name of a file"):
        match_table(taxonomy, source, tmp_path / "out.tsv")
    with pytest.raises(InputError, match="cannot be written here"):
        match_table(taxonomy, source, source / "out.tsv")


def test_a_table_may_be_replaced_by_its_answers(taxonomy: Taxonomy, tmp_path: Path) -> None:
    table = tmp_path / "names.csv"
    table.write_text("scientificName,matchType\nCalanus,mine\n")
    match_table(taxonomy, table, table)
    with table.open(newline="") as stream:
        row = next(csv.DictReader(stream))
    assert (row["matchType"], row["merian_matchType"]) == ("mine", "EXACT")


def test_a_name_with_a_star_is_one_file(taxonomy: Taxonomy, tmp_path: Path) -> None:
    (tmp_path / "n*.csv").write_text("scientificName\nCalanus\n")
    (tmp_path / "names.csv").write_text("scientificName\nCopepoda\n")
    assert [r["matchedName"] for r in matched(taxonomy, tmp_path / "n*.csv")] == ["Calanus"]


def test_ctrl_c_leaves_nothing(taxonomy: Taxonomy, tmp_path: Path) -> None:
    """Neither a file nor a process."""
    save_taxonomy(taxonomy, tmp_path / "taxonomy")
    rows = "".join(f"Calanus finmarchikus {i}\n" for i in range(60_000))
    (tmp_path / "names.csv").write_text("scientificName\n" + rows)
    script = (
        "import sys; from merian.taxonomy import Taxonomy, match_table\n"
        "t = Taxonomy.open(sys.argv[1])\n"
        "match_table(t, sys.argv[2], sys.argv[3], progress=lambda w: print(w, flush=True))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "taxonomy", tmp_path / "names.csv",
         tmp_path / "out.tsv"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert child.stdout is not None
    with child.stdout:
        while b"distinct" not in child.stdout.readline():
            assert child.poll() is None
        time.sleep(0.7)
        assert child.poll() is None, "it was done before it could be interrupted"
        os.killpg(child.pid, 2)
        assert child.wait(20) != 0
    for _ in range(50):
        try:
            os.killpg(child.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the second process is still there")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["names.csv", "taxonomy"]


def test_a_second_process_that_fails_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "_WORTH_A_PROCESS", 2)
    monkeypatch.setattr(processes_module.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(processes_module, "_CHILD", "import sys; sys.stdin.read(); sys.exit(3)")
    with pytest.raises(MerianError, match="a process ended with 3"):
        processes_module.in_processes("merian.taxonomy.names:bare_names", ["Aus", "Bus"] * 5)


def test_a_format_error_names_the_file(taxonomy: Taxonomy, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(FormatError) as caught:
        match_table(taxonomy, tmp_path / "a.csv", tmp_path / "out.tsv")
    assert caught.value.path == tmp_path / "a.csv"
