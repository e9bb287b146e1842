"""Text files in every dress: ends of lines, encodings, quotes, gzip."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merian.catalogue import Catalogue, Columns, Delimited, Reading
from merian.catalogue.staging import Staging, line_of
from merian.database import connect
from merian.errors import FormatError

COLUMNS = ("occurrenceID", "locality", "occurrenceRemarks")


def taken_in(data: bytes, *, columns=COLUMNS, name: str = "t.csv", **settings):
    """Import a file into a fresh catalogue; return line-independent rows, and the rejects."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        feed = Columns("record", {c: f'"{c}"' for c in COLUMNS if c in columns})
        settings = {"delimiter": ",", "feeds": (feed,), "columns": columns} | settings
        with Catalogue.create(Path(folder) / "catalogue", threads=2) as made:
            summary = made.ingest(Reading("test", (Delimited(path=path, **settings),), (path,)))
            rows = made.query(
                "SELECT occurrenceID, locality, occurrenceRemarks FROM occurrence "
                "LEFT JOIN event USING (eventID) ORDER BY occurrenceID"
            ).fetch()
            rejects = made.query("SELECT line, reason, content FROM rejects ORDER BY line").fetch()
        return rows, rejects, summary


def test_ends_of_lines_may_mix() -> None:
    data = b"h,h,h\r\na,1,x\nb,2,y\r\n\r\nc,3,z\rd,4,w"
    rows, rejects, _ = taken_in(data + b"\ne,5\r\n")
    assert rows == [("a", "1", "x"), ("b", "2", "y"), ("c", "3", "z"), ("d", "4", "w")]
    assert rejects == [(7, "found 2 fields, expected 3", "e,5")]


def test_a_mark_at_the_start_is_no_content() -> None:
    data = "\ufeffa,1,x\nb,2,y\n".encode()
    assert taken_in(data, header_lines=0)[0] == [("a", "1", "x"), ("b", "2", "y")]
    assert taken_in(data.replace(b"\n", b"\r\n"), header_lines=0)[0][0] == ("a", "1", "x")


def test_a_very_wide_table_is_read_at_once() -> None:
    """An expression for each column would be planned for most of a minute."""
    columns = (*COLUMNS, *(f"x{n}" for n in range(2_000)))
    lines = [
        ",".join([key, "1", text] + ["NA"] * 2_000) for key, text in (("a", "x"), ("b", '"y"'))
    ]
    start = time.process_time()
    rows, rejects, _ = taken_in("\n".join([",".join(columns), *lines]).encode(), columns=columns)
    assert rows == [("a", "1", "x"), ("b", "1", "y")]
    assert not rejects
    assert time.process_time() - start < 20


def test_windows_text_is_read() -> None:
    data = "h,h,h\na,Côte d’Ivoire,œil\n".encode("cp1252")
    assert taken_in(data, encoding="cp1252")[0] == [("a", "Côte d’Ivoire", "œil")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_wrong_encoding_is_an_error(end: bytes) -> None:
    data = b"h,h,h\na,C\xf4te,x\n".replace(b"\n", end)
    with pytest.raises(FormatError, match=r"t\.csv: .*(UTF-8|utf-8)"):
        taken_in(data)


def test_a_packed_file_is_unpacked() -> None:
    data = gzip.compress(b'h,h,h\r\na,1,"x\ny"\r\nb,2\r\n')
    rows, rejects, _ = taken_in(data, name="t.csv.gz")
    assert rows == [("a", "1", "x\ny")]
    assert rejects == [(4, "found 2 fields, expected 3", "b,2")]


def test_control_characters_are_content() -> None:
    data = b"h,h,h\na,1\x1f2,x\x1ey\n"
    assert taken_in(data)[0] == [("a", "1\x1f2", "x\x1ey")]


def test_binary_content_is_an_error() -> None:
    with pytest.raises(FormatError, match="binary"):
        taken_in(bytes(range(256)) * 10, encoding="cp1252")


def test_blanks_around_fields_go() -> None:
    data = b"h,h,h\n a , 1, x y \nb,  ,\n"
    assert taken_in(data)[0] == [("a", "1", "x y"), ("b", None, None)]


def test_a_quote_may_be_no_quote() -> None:
    data = b'h,h,h\na,5" nail,"x\nb,2,y\n'
    rows, rejects, _ = taken_in(data, quote="")
    assert rows == [("a", '5" nail', '"x'), ("b", "2", "y")]
    assert rejects == []


def test_a_field_may_span_lines() -> None:
    data = b'h,h,h\na,"one\ntwo\n\nfour",x\nb,2,y\nc,"say ""so""",z\nd,4\n'
    rows, rejects, summary = taken_in(data)
    assert rows == [("a", "one\ntwo\n\nfour", "x"), ("b", "2", "y"), ("c", 'say "so"', "z")]
    assert rejects == [(8, "found 2 fields, expected 3", "d,4")]
    assert summary.rows_read == 4


def test_an_open_quote_costs_one_row() -> None:
    data = b'h,h,h\na,"never closed,x\nb,2,y\nc,3,z\n'
    rows, rejects, _ = taken_in(data)
    assert rows == [("b", "2", "y"), ("c", "3", "z")]
    assert rejects == [(2, "a quote opens here and is not closed", 'a,"never closed,x')]


def test_an_open_quote_does_not_swallow_a_later_row() -> None:
    data = b'h,h,h\na,"never closed,x\nb,2,y\nc,"three",z\nd,"4\n",w\n'
    rows, rejects, _ = taken_in(data)
    assert rows == [("b", "2", "y"), ("c", "three", "z"), ("d", "4\n", "w")]
    assert [line for line, *_ in rejects] == [2]


def test_a_quote_in_the_middle_is_text() -> None:
    assert taken_in(b'h,h,h\na,5" nail,x\n')[0] == [("a", '5" nail', "x")]


def test_a_quoted_row_that_misfits() -> None:
    rows, rejects, _ = taken_in(b'h,h,h\n"a","1"\n"b","2\n3","x","y"\nc,3,z\n')
    assert rows == [("c", "3", "z")]
    assert [(line, reason) for line, reason, _ in rejects] == [
        (2, "found 2 fields, expected 3"), (3, "found 4 fields, expected 3")
    ]  # fmt: skip


def test_a_line_beyond_all_measure_is_an_error() -> None:
    with pytest.raises(FormatError, match=r"t.csv:3: a line is longer than"):
        taken_in(b"h,h,h\na,1,x\nb,1," + b"x" * (9 << 20) + b"\n")


def test_a_very_long_line_is_read() -> None:
    long = "x" * (7 << 20)
    assert taken_in(f"h,h,h\na,1,{long}\nb,2,y\n".encode())[0] == [
        ("a", "1", long),
        ("b", "2", "y"),
    ]


def test_lines_are_counted_across_pieces() -> None:
    """Two threads split a file of many megabytes; every row must still know its line."""
    filler = "x" * 40
    lines = ["h,h,h"]
    bad = {}
    for number in range(2, 400_000):
        if number % 50_021 == 0:
            bad[number] = f"bad{number}"
            lines.append(f"bad{number}")
        elif number % 30_011 == 0:
            lines.append(f'{number},"{number}",{filler}')
        elif number % 20_011 == 0:
            lines.append("")
        else:
            lines.append(f"{number},{number},{filler}")
    rows, rejects, _ = taken_in("\n".join(lines).encode())
    assert [(line, content) for line, _, content in rejects] == sorted(bad.items())
    assert all(name == locality for name, locality, _ in rows)
    assert len(rows) == sum("," in line for line in lines) - 1


def test_every_line_may_be_quoted() -> None:
    two = "two\n"
    lines = ['"h","h","h"']
    lines += [f'"{n:06d}","place, {n}","{two * (n % 7 == 0)}x"' for n in range(45_000)]
    rows, rejects, summary = taken_in("\r\n".join(lines).encode())
    assert rejects == []
    assert (len(rows), summary.rows_read) == (45_000, 45_000)
    assert rows[7] == ("000007", "place, 7", "two\nx")


CELL = st.text(st.sampled_from('ab",\n \té\u2028;'), max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(CELL, CELL), min_size=1, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from([",", "\t", ";"]),
)
def test_whatever_csv_writes_is_read(cells, end: str, quoting, delimiter: str) -> None:
    """Python's csv module is the oracle; blanks around a field are no content."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(COLUMNS)
    for number, (place, remark) in enumerate(cells):
        writer.writerow([f"id{number:03d}", place, remark])
    rows, rejects, summary = taken_in(stream.getvalue().encode(), delimiter=delimiter)
    assert rejects == []
    assert summary.rows_read == len(cells)
    expected = [
        (f"id{n:03d}", place.strip(" ") or None, remark.strip(" ") or None)
        for n, (place, remark) in enumerate(cells)
    ]
    assert rows == expected


def test_lines_stay_in_order_however_many_words_say_nothing(tmp_path: Path) -> None:
    """Read by several threads, a big file keeps its header on top and each row on its line."""
    path, count = tmp_path / "big.csv", 120_000
    remark = "x" * 250
    with path.open("w") as stream:
        stream.write("h,h,h\n")
        stream.writelines(f"{n},here,{remark if n % 50 else ''}\n" for n in range(count))
        stream.write("last,one,too,many\n")
    nulls = ("N/A", "NaN", "nan", "NULL", "null", "None", "n/a", "not_classified")
    feed = Columns("record", {c: f'"{c}"' for c in COLUMNS})
    source = Delimited(path, ",", COLUMNS, (feed,), nulls=nulls)
    with connect(threads=4) as con:
        staging = Staging(con, tmp_path, lambda _what, _rows: None)
        staging.load(Reading("test", (source,), (path,)))
        wrong = f"SELECT count(*) FROM {staging.view('record')} WHERE {line_of('ord')} - 2 <> "
        assert staging.count(f"{wrong} CAST(occurrenceID AS BIGINT)") == 0
        assert staging.count(f"SELECT count(*) FROM {staging.view('record')}") == count
        assert staging.run("SELECT line FROM rejects") == [(count + 2,)]
