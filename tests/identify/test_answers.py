"""The answer table: the same in all its forms."""

from __future__ import annotations

import json

import duckdb
import pytest
from tests.identify.fake import determination

from merian.errors import FormatError, InputError
from merian.identify.answers import (
    COLUMNS,
    answer_line,
    check_suffix,
    lines_of,
    read_answers,
    write_answers,
)

SUFFIXES = (".tsv", ".txt", ".parquet", ".jsonl", ".json")
MARK = {"format": "merian-answers", "run": "identify-1"}


@pytest.fixture
def parts(tmp_path):
    """Two parts, one of them empty."""
    found = [determination(f"ACGT{n}") for n in range(40)]
    ids = [f'q "{n}"\té' for n in range(40)]
    first, second = tmp_path / "0.part", tmp_path / "1.part"
    first.write_text("".join(lines_of(ids, map(answer_line, found))), encoding="utf-8")
    second.write_text("")
    return [first, second]


def test_all_forms_hold_the_same(parts, tmp_path):
    found = {}
    for suffix in SUFFIXES:
        path = tmp_path / f"a{suffix}"
        seen = []
        assert write_answers(parts, path, MARK, seen.append) == 40
        found[suffix] = [*read_answers(path)]
        assert seen == found[suffix]
        assert all([*row] == [*COLUMNS] for row in seen)
        before = path.read_bytes()
        write_answers(parts, path, MARK)
        assert path.read_bytes() == before
    assert all(rows == found[".tsv"] for rows in found.values())
    row = found[".tsv"][1]
    assert row["id"] == 'q "1" é'
    assert row["explanation"].startswith('"Told" by')
    assert {type(row["p_species"]), type(row["overlap"])} == {float, int}
    assert row["nearest"] == "r0;r1;r2;r3;r4"
    nowhere = next(r for r in found[".tsv"] if r["rank"] is None)
    assert nowhere["name"] is None
    assert nowhere["nearest"] is None
    assert nowhere["identity"] is None
    assert nowhere["p"] == 1.0
    assert {p.name for p in tmp_path.iterdir()} == {
        "0.part", "1.part", *(f"a{s}" for s in SUFFIXES)
    }  # fmt: skip


def test_other_programs_read_them(parts, tmp_path):
    for suffix in (".parquet", ".json"):
        write_answers(parts, tmp_path / f"a{suffix}", MARK)
    assert len(json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))) == 40
    with duckdb.connect() as con:
        path = str(tmp_path / "a.parquet")
        kinds = con.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
        assert {name: kind for name, kind, *_ in kinds} == COLUMNS
        ((mark,),) = con.execute(
            "SELECT value FROM parquet_kv_metadata(?) WHERE key = 'merian'", [path]
        ).fetchall()
        assert json.loads(mark) == MARK


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_of_nothing_is_a_table(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    assert write_answers([], path, MARK) == 0
    assert [*read_answers(path)] == []


def test_a_suffix_that_says_nothing(tmp_path):
    with pytest.raises(InputError, match=r"'\.csv' is not known; use one of \.tsv"):
        check_suffix(tmp_path / "a.csv")
    with pytest.raises(InputError, match="'none' is not known"):
        check_suffix(tmp_path / "a")


def test_a_table_of_others_is_read_or_told(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("id\tgenus\trank\tscore\nx\tAus\tgenus\t12\n")
    assert [*read_answers(path)] == [{"id": "x", "genus": "Aus", "rank": "genus", "score": "12"}]
    path.write_text("name\tgenus\nx\tAus\n")
    with pytest.raises(FormatError, match="with a column id"):
        [*read_answers(path)]
    path.write_text("id\tp\nx\tmuch\n")
    with pytest.raises(FormatError, match=r"a\.tsv:2:p: expected a number, found 'much'"):
        [*read_answers(path)]
    path.write_text("id\tp\nx\n")
    with pytest.raises(FormatError, match=r":2: found 1 fields, expected 2"):
        [*read_answers(path)]
    other = tmp_path / "a.jsonl"
    other.write_text('{"id": "x"}\n{"id":\n')
    with pytest.raises(FormatError, match=r":2: is no row of JSON"):
        [*read_answers(other)]
