"""Rows of Parquet files are found by their number, whatever the row groups are."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from merian.containers import BadAddressError, member_address, read_address
from merian.parquet import (
    FileStamp,
    Layout,
    RowRange,
    columns_of,
    fetch,
    layout_of,
    scan,
    told_of,
)

MIB = 1 << 20


def groups_of(path: Path, rows: int, each: int, size: int = 9) -> Path:
    """Write pictures in row groups of so many rows, each cell with the number of its row."""
    parts = " UNION ALL ".join(
        f"(SELECT i, {{'bytes': (rpad(i::VARCHAR, {size}, '.'))::BLOB, 'path': 'p'}} AS image "
        f"FROM range({first}, {min(first + each, rows)}) t(i))"
        for first in range(0, rows, each)
    )
    name = str(path).replace("'", "''")
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute(
            f"COPY ({parts}) TO '{name}' (FORMAT parquet, ROW_GROUP_SIZE {each}, "
            "KV_METADATA {huggingface: '{}', note: 'é'})"
        )
    return path


def stamp(path: Path) -> FileStamp:
    told = path.stat()
    return FileStamp(str(path), told.st_size, told.st_mtime_ns)


def test_every_cell_is_found_in_any_order(tmp_path: Path) -> None:
    path = groups_of(tmp_path / "a [1] * it's.parquet", 730, 100)
    assert layout_of(stamp(path), ("image",)).rows == (100,) * 7 + (30,)
    order = random.Random(1).sample(range(730), 120)
    for row in (*order, 99, 100, 729):
        found = read_address(member_address(path, "image", row))
        assert found == str(row).ljust(9, ".").encode()
    for row in (730, 10**18, int("9" * 30)):
        with pytest.raises(BadAddressError, match=r"has no row|damaged"):
            read_address(member_address(path, "image", row))


def test_a_name_with_a_star_means_one_file(tmp_path: Path) -> None:
    path = groups_of(tmp_path / "a*.parquet", 3, 100)
    groups_of(tmp_path / "ab.parquet", 5, 100)
    assert len(fetch(f"SELECT * FROM {scan(str(path))}")) == 3


def test_a_file_that_is_written_again_is_read_again(tmp_path: Path) -> None:
    path = groups_of(tmp_path / "a.parquet", 30, 10, size=5)
    address = member_address(path, "image", 12)
    assert read_address(address) == b"12..."
    groups_of(path, 25, 5, size=7)
    assert read_address(address) == b"12....."


def test_columns_and_notes(tmp_path: Path) -> None:
    path = groups_of(tmp_path / "a.parquet", 3, 2)
    number, image = columns_of(str(path))
    assert number == ("i", "BIGINT")
    assert image.name == "image"
    assert image.kind.startswith("STRUCT(")
    assert told_of(str(path)) == {"huggingface": "{}", "note": "é"}


def test_a_large_row_group_is_read_in_parts() -> None:
    layout = Layout((0, 10, 1010), (10, 1000, 5), (64 * MIB, 32 * MIB, 100))
    assert layout.total == 1015
    assert layout.block(0) == (0, 2)
    assert layout.block(9) == (8, 2)
    assert layout.block(10) == (10, 500)
    assert layout.block(1009) == (510, 500)
    assert layout.block(1014) == (1010, 5)
    assert [layout.end_of_group(row) for row in (0, 9, 10, 1014)] == [10, 10, 1010, 1015]
    assert layout.block(1015) is layout.block(-1) is None
    assert Layout((), (), ()).block(0) is None
    assert Layout((0,), (3,), (90 * MIB,)).block(2) == (2, 1)


@pytest.mark.parametrize("most", [1, 7, 100, 2000])
def test_the_runs_of_rows_cover_all_and_stay_small(most: int) -> None:
    for groups in ([(10, 64 * MIB), (1000, 32 * MIB), (5, 100)], [(100, 10)] * 9, [(1, 99 * MIB)],
                   [(0, 0), (3, 5), (0, 0)], []):  # fmt: skip
        first = [sum(n for n, _ in groups[:i]) for i in range(len(groups))]
        layout = Layout(tuple(first), tuple(n for n, _ in groups), tuple(s for _, s in groups))
        runs, row = [], 0
        while row < layout.total:
            runs.append(layout.run(row, most))
            row += runs[-1].number
        covered = [row for run in runs for row in range(run.first, run.first + run.number)]
        assert covered == list(range(layout.total))
        assert all(run.number <= most for run in runs)
        for run in runs:
            bulk = sum(
                min(run.first + run.number, f + n) * s / n - max(run.first, f) * s / n
                for f, (n, s) in zip(first, groups, strict=True)
                if n and max(run.first, f) < min(run.first + run.number, f + n)
            )
            assert bulk <= 16 * MIB or run.number == 1


def test_a_damaged_file_is_told_and_harms_no_other(tmp_path: Path) -> None:
    good = groups_of(tmp_path / "good.parquet", 20, 10, size=200)
    content = groups_of(tmp_path / "bad.parquet", 200, 100, size=200).read_bytes()
    chance = random.Random(4)
    for number in range(25):
        path = tmp_path / f"bad{number}.parquet"
        damaged = bytearray(content)
        for _ in range(chance.randrange(1, 30)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged[: chance.randrange(len(damaged))] if number % 3 == 0 else damaged)
        try:
            read_address(member_address(path, "image", chance.randrange(200)))
        except BadAddressError as error:
            assert path.name in str(error) or "holds nothing" in str(error)
    assert read_address(member_address(good, "image", 7)).rstrip(b".") == b"7"


FORKED = """
import os, sys
from merian.containers import member_address, read_address
assert read_address(member_address(sys.argv[1], "image", 3))[:1] == b"3"
child = os.fork()
if not child:
    os._exit(0 if read_address(member_address(sys.argv[1], "image", 25))[:2] == b"25" else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_was_forked_reads_too(tmp_path: Path) -> None:
    path = groups_of(tmp_path / "a.parquet", 30, 10)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, str(path)], timeout=60, check=False
    )
    assert done.returncode == 0


def test_runs_are_plain_ranges() -> None:
    assert "BETWEEN 5 AND 7" in scan("a", RowRange(5, 3))
