"""What all readers of checklists share: finding the kind, tables of any dialect, wrong input."""

from __future__ import annotations

import csv
import zipfile

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.errors import FormatError, NotFoundError
from merian.taxonomy.checklists import KINDS, make_tables, read_usages, sniff_kind
from merian.taxonomy.checklists.tables import Table, describe, load


@pytest.fixture
def con():
    return duckdb.connect()


def loaded(con, path, names, **how):
    make_tables(con)
    load(con, describe(path), "raw", {name: i for i, name in enumerate(names)}, **how)
    columns = ", ".join(names)
    rows = con.execute(f"SELECT line, {columns} FROM raw ORDER BY line").fetchall()
    return rows, con.execute("SELECT file, line, reason, content FROM problem").fetchall()


# --- tables -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_tabs_stand_without_quotes_and_lines_are_physical(con, tmp_path, ending):
    path = tmp_path / "a.tsv"
    lines = ["id\tname\tmore", '1\t"Abies\tx', "", "2\t Picea ", "\t\t", "3\tPinus\tx\t", "4\tNULL"]
    path.write_bytes(ending.join(lines).encode())
    rows, problems = loaded(con, path, ["id", "name"])
    assert rows == [(2, "1", '"Abies'), (4, "2", "Picea"), (6, "3", "Pinus"), (7, "4", None)]
    assert problems == []


def test_quotes_hold_delimiters_quotes_and_line_breaks(con, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        'id,name,more\n1,"Abies, ""x""",a\n2,"of two\nlines",b\n3,plain 5" long,c\n'
        '4,Picea,"d\n\ne"\n5,"","f"\n'
    )
    rows, problems = loaded(con, path, ["id", "name", "more"])
    assert rows == [
        (2, "1", 'Abies, "x"', "a"),
        (3, "2", "of two\nlines", "b"),
        (5, "3", 'plain 5" long', "c"),
        (6, "4", "Picea", "d\n\ne"),
        (9, "5", None, "f"),
    ]
    assert problems == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.text('ab",;\n', max_size=6).map(str.strip)] * 3), min_size=1, max_size=8
    )
)
def test_what_the_csv_module_writes_is_read(tmp_path_factory, table):
    table = [("x" + one, two, three) for one, two, three in table]
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["one", "two", "three"])
        writer.writerows(table)
    rows, problems = loaded(duckdb.connect(), path, ["one", "two", "three"])
    filled = [tuple(cell or None for cell in row) for row in table]
    assert [row[1:] for row in rows] == filled
    assert problems == []


def test_a_quote_that_is_never_closed_costs_one_line(con, tmp_path):
    path = tmp_path / "a.csv"
    body = "".join(f"{i},Abies a{i}\n" for i in range(500))
    path.write_text(f'id,name\nx,"never closed\n{body}')
    rows, _ = loaded(con, path, ["id", "name"])
    assert rows[1:] == [(i + 3, str(i), f"Abies a{i}") for i in range(500)]


def test_rows_of_another_width_are_set_aside(con, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("id\tname\n1\tAbies\n2\n3\tPicea\textra\n4\tPinus\n")
    rows, problems = loaded(con, path, ["id", "name"], needed=("id", "name"))
    assert [row[0] for row in rows] == [2, 5]
    assert [(line, content) for _, line, _, content in problems] == [
        (3, "2"),
        (4, "3\tPicea\textra"),
    ]
    assert "has 3 fields where the header has 2" in problems[1][2]


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
def test_the_delimiter_is_found(con, tmp_path, delimiter):
    path = tmp_path / "a.csv"
    path.write_text(f'id{delimiter}name\n1{delimiter}"a{delimiter}b"\n')
    assert loaded(con, path, ["id", "name"])[0] == [(2, "1", f"a{delimiter}b")]


def test_latin_1_is_read_and_a_mark_is_dropped(con, tmp_path):
    (tmp_path / "a.tsv").write_bytes("id\tname\n1\tM\xfcller\n".encode("latin-1"))
    assert loaded(con, tmp_path / "a.tsv", ["id", "name"])[0] == [(2, "1", "Müller")]
    (tmp_path / "b.tsv").write_bytes("\ufeffid\tname\n1\tMüller\n".encode())
    assert describe(tmp_path / "b.tsv").columns == ("id", "name")
    assert loaded(con, tmp_path / "b.tsv", ["id", "name"])[0] == [(2, "1", "Müller")]


def test_the_order_holds_when_many_threads_read(tmp_path):
    con = duckdb.connect(config={"threads": 4})
    path = tmp_path / "a.tsv"
    count = 700_000
    path.write_text("id\tname\n" + "".join(f"{i}\t{'x' * 60}\n" for i in range(count)))
    make_tables(con)
    load(con, describe(path), "raw", {"id": 0})
    wrong = con.execute("SELECT count(*) FROM raw WHERE line <> id::BIGINT + 2").fetchall()
    assert wrong == [(0,)]
    assert con.execute("SELECT count(*) FROM raw").fetchall() == [(count,)]


def test_files_without_a_header_start_at_their_first_line(con, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1\tAbies\n2\tPicea\n")
    make_tables(con)
    load(con, Table(path, "\t", "", "utf-8-sig", 0, ("", "")), "raw", {"id": 0})
    assert con.execute("SELECT line, id FROM raw").fetchall() == [(1, "1"), (2, "2")]


# --- kinds --------------------------------------------------------------------------------------


def test_each_kind_is_found(tmp_path):
    samples = {
        "coldp/NameUsage.tsv": "col:ID\tcol:scientificName\n1\tAbies\n",
        "dwca/taxon.txt": "taxonID\tscientificName\n1\tAbies\n",
        "ncbi.tsv": "tax_id\tparent_tax_id\trank\tscientific_name\n1\t1\tno rank\troot\n",
        "ecotaxa.tsv": "id\tparent_id\tname\ttaxotype\n1\t\tBiota\tP\n",
        "clb/name_usage_1.csv": "id,name_id,parent_id,status\n1,1,,ACCEPTED\n",
        "clb/name_1.csv": "id,scientific_name,authorship,rank,code\n1,Abies,,GENUS,BOTANICAL\n",
        "tree.txtree": "Abies [genus]\n  Abies alba Mill. [species]\n",
        "ranks.csv": "family,genus\nPinaceae,Abies\n",
        "catami.csv": "caab_code,level_1,level_2,level_3,family,genus,species,qualifiers\n"
        "80300903,Biota,Macroalgae,Canopy,,,,\n",
    }
    for name, content in samples.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    found = {}
    names = ("coldp", "dwca", "ncbi.tsv", "ecotaxa.tsv", "clb", "tree.txtree", "ranks.csv")
    for name in (*names, "catami.csv"):
        con = duckdb.connect()
        source = read_usages(tmp_path / name, con)
        found[source.kind] = con.execute("SELECT count(*) FROM usage").fetchall()[0][0]
        assert sniff_kind(tmp_path / name) == source.kind
    assert set(found) == set(KINDS)
    assert found["txtree"] == 2


@pytest.mark.parametrize("kind", [None, *KINDS])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.tsv", b""),
        ("blank.tsv", b"\n\n\n"),
        ("header.csv", b"colour,shape\nred,round\n"),
        ("junk.bin", bytes(range(256)) * 64),
        ("junk.zip", b"PK\x03\x04" + bytes(range(256)) * 8),
        ("junk.gz", b"\x1f\x8b" + bytes(64)),
    ],
)
def test_what_is_no_checklist_is_a_clear_error(con, tmp_path, kind, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FormatError) as found:
        read_usages(path, con, kind)
    assert name in str(found.value)
    if kind is None:
        assert "coldp (Catalogue of Life Data Package)" in str(found.value)


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_an_empty_folder_is_a_clear_error(con, tmp_path, kind):
    with pytest.raises(FormatError):
        read_usages(tmp_path, con, kind)


def test_a_kind_that_is_not_there(con, tmp_path):
    with pytest.raises(NotFoundError, match=r"'coldb'.*Did you mean coldp"):
        read_usages(tmp_path, con, "coldb")
    with pytest.raises(NotFoundError, match="no such checklist"):
        read_usages(tmp_path / "absent", con)


@pytest.mark.parametrize("kind", ["coldp", "dwca", "ncbi"])
def test_a_bomb_is_stopped_and_leaves_nothing(con, tmp_path, kind, monkeypatch):
    inside = {"coldp": "NameUsage.tsv", "dwca": "taxon.txt", "ncbi": "nodes.dmp"}[kind]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(inside, bytes(80 << 20))
    with pytest.raises(FormatError, match="more than 200 times its size"):
        read_usages(tmp_path / "bomb.zip", con, kind)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_header_alone_holds_no_names(con, tmp_path):
    (tmp_path / "NameUsage.tsv").write_text("ID\tscientificName\n")
    with pytest.raises(FormatError, match="holds no names"):
        read_usages(tmp_path, con)


def test_reading_again_replaces_what_was_there(con, tmp_path):
    (tmp_path / "NameUsage.tsv").write_text("ID\tscientificName\n1\tAbies\n")
    read_usages(tmp_path, con)
    read_usages(tmp_path, con)
    assert con.execute("SELECT count(*) FROM usage").fetchall() == [(1,)]
