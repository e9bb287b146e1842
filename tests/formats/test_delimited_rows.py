"""The second look at a table sees the rows that the catalogue takes, under the same lines."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from merian.catalogue import Catalogue, Reading, Summary
from merian.catalogue.sources import Columns, Reject
from merian.errors import FormatError
from merian.formats.delimited import delimited, read_head
from merian.formats.delimited_rows import rows_of
from merian.formats.region_shapes import corners, numbers, outline, region, side
from merian.formats.row_chunks import chunked

Take = Callable[[Reading], tuple[Catalogue, Summary]]

ODD = (
    "1,plain,2", '2,"a, b",2', '3,"over\nlines",2', '4,"a ""quote""",2', "5,short", "6,a,b,c,d", "",
    "  ", '7,in the "middle" of it,2', "8, blanks ,2", "9,ü,2", '10,"two\n\nbreaks",2', ",,",
    '11,"closed" late,2',
)  # fmt: skip


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_rows_are_those_of_the_catalogue(tmp_path: Path, take_in: Take, packed: bool) -> None:
    chance = random.Random(5)
    lines = [chance.choice(ODD) for _ in range(400)]
    lines[200:200] = ['12,"never closed,2'] + ["13,x,y"] * 1_010
    text = "a,b,c\n" + "\n".join(lines) + '\n14,"open to the end,2\n15,z,2\n'
    content = text.replace("\n", "\r\n").encode() if packed else text.encode()
    path = tmp_path / "table.csv"
    path.write_bytes(gzip.compress(content) if packed else content)
    head = read_head(path, ",", '"')
    terms = {"occurrenceID": "line__", "occurrenceRemarks": "b", "datasetName": "a"}
    source = delimited(head, [Columns("occurrence", terms)])
    catalogue, _ = take_in(Reading("table", (source,), (path,)))
    found = catalogue.query(
        "SELECT occurrenceID::INT, coalesce(datasetName, ''), coalesce(occurrenceRemarks, '') "
        "FROM occurrence ORDER BY 1"
    ).fetch()
    assert [(line, a, b) for line, (a, b, _) in rows_of(head, ("a", "b", "none"))] == found
    assert len(found) > 1_200


def test_rows_may_be_padded_and_hold_nulls(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1\nNA,2\n1,2,3\n")
    head = read_head(path, ",", '"')
    assert list(rows_of(head, ("a", "b"), ("NA",), padded=True)) == [
        (2, ("1", "")), (3, ("", "2"))
    ]  # fmt: skip
    path.write_bytes(gzip.compress(path.read_bytes() * 9000)[:-9])
    with pytest.raises(FormatError, match="is damaged or cannot be read"):
        list(rows_of(head, ("a",)))


def test_rows_are_gathered_and_rejects_handed_on(tmp_path: Path) -> None:
    bad = Reject(tmp_path, 3, "no")
    assert list(chunked([{"line": 1, "a": 1}, {"line": 2, "b": 2}, bad])) == [
        bad, {"line": [1, 2], "a": [1, None], "b": [None, 2]}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[1,2.5,-3e2]", [1, 2.5, -300]), ("[[1, 2], [3, 4]]", [1, 2, 3, 4]), ("1 2", [1, 2]),
        ("[1e999]", None), ("[1,2,99999999]", None), ("[nan]", None), ("", None), ("[]", None),
        ("[1,2]; DROP", None), ("1-2", [1, -2]),
    ],
)  # fmt: skip
def test_numbers_of_a_field(text: str, found: list[float] | None) -> None:
    assert numbers(text) == found


def test_regions_are_clipped_and_outlines_closed() -> None:
    box = [(-10.0, 5.0), (30.0, 5.0), (30.0, 200.0)]
    assert region(box, (20, 100)) == {
        "xFrac": 0, "yFrac": 0.05, "widthFrac": 1, "heightFrac": 0.95
    }  # fmt: skip
    assert region(box, None) == {}
    assert outline("POLYGON", box) == "POLYGON ((-10 5, 30 5, 30 200, -10 5))"
    assert outline("POLYGON", [*box, box[0]]) == outline("POLYGON", box)
    assert corners("Circle", [0, 0, 0]) is None
    assert [side(v) for v in ("640", 0, "1e12", "x", 2.5, None)] == [640] + [None] * 5


def test_columns_of_one_name_are_told_apart_however_many_they_are(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("id,Name,name,," + "x," * 100_000 + "y\n" + "1,2\n")
    names = read_head(path).columns
    assert names[:6] == ("id", "Name", "name (3)", "column 4", "x", "x (6)")
    assert len({name.casefold() for name in names}) == len(names) == 100_005
