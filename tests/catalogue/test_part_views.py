"""A part of a split is written as if the catalogue held nothing else."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from merian.catalogue import TABLES, Catalogue, Reading, Rows
from merian.catalogue.splits import Plan, parts_of
from merian.cli import main
from merian.errors import CatalogueError, InputError
from merian.formats import formats, write_path

PARTS = ("train", "val", "test")
COUNT = 60


def everything() -> Iterator[tuple[str, dict[str, list[object]]]]:
    """Records with all that may hang on them: cruises, trays, extracts, regions of pictures."""
    rng = np.random.default_rng(8)
    n = range(COUNT)

    def rows(table: str, **columns: object) -> tuple[str, dict[str, list[object]]]:
        told = {name: list(values) for name, values in columns.items()}  # type: ignore[call-overload]
        return table, {"line": list(range(2, 2 + len(next(iter(told.values()))))), **told}

    yield rows("event", eventID=[f"E{i % 9}" for i in n[:9]] + ["C0", "C1"],
               parentEventID=[f"C{i % 2}" for i in n[:9]] + [None, None],
               decimalLatitude=[str(i) for i in n[:11]], decimalLongitude=["5"] * 11)  # fmt: skip
    yield rows("occurrence", occurrenceID=[f"O{i:02}" for i in n],
               eventID=[f"E{i % 9}" for i in n], split=["came"] * COUNT)  # fmt: skip
    yield rows("material", materialEntityID=[f"M{i:02}" for i in n] + ["X0", "X1", "TRAY"],
               occurrenceID=[f"O{i:02}" for i in n] + ["O00", "O01", None],
               isPartOfMaterialEntityID=["TRAY"] * COUNT + [None] * 3,
               derivedFromMaterialEntityID=[None] * COUNT + ["M00", "M01", None])  # fmt: skip
    # A picture of a record, a region of it that shows another record, and a picture of nobody.
    yield rows("media", mediaID=[f"P{i:02}" for i in n] + [f"R{i:02}" for i in n] + ["N0", "N1"],
               occurrenceID=[f"O{i:02}" for i in n] + [f"O{(i + 1) % COUNT:02}" for i in n]
               + [None, None],
               derivedFromMediaID=[None] * COUNT + [f"P{i:02}" for i in n] + [None, None],
               accessURI=[f"{i}.jpg" for i in n] + [None] * COUNT + ["a.jpg", "b.jpg"])  # fmt: skip
    yield rows("sequence", nucleotideSequenceID=[f"S{i:02}" for i in n] + ["S-free"],
               materialEntityID=[f"M{i:02}" for i in n] + [None],
               sequence=["".join(rng.choice(list("ACGT"), 60)) for _ in [*n, COUNT]])  # fmt: skip
    subjects = {
        "occurrenceID": [f"O{i:02}" for i in n], "mediaID": [f"P{i:02}" for i in n] + ["N0", "N1"],
        "nucleotideSequenceID": [f"S{i:02}" for i in n] + ["S-free"], "materialEntityID": ["X1"],
    }  # fmt: skip
    for column, named in subjects.items():
        yield rows("identification", identificationID=[f"{column}-{one}" for one in named],
                   scientificName=[f"Aus {one.lower()}" for one in named],
                   **{column: named})  # fmt: skip
    yield rows("measurement", measurementID=[f"L{i:02}" for i in n] + ["LE", "LP"],
               occurrenceID=[f"O{i:02}" for i in n] + [None, None],
               eventID=[None] * COUNT + ["C1", None], mediaID=[None] * COUNT + [None, "P05"],
               measurementType=["length"] * (COUNT + 2),
               measurementValue=["3"] * (COUNT + 2))  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A catalogue with all kinds of rows and two splits of it. Nobody may change it."""
    folder = tmp_path_factory.mktemp("parted")
    source = folder / "source"
    source.write_text("made here")
    given = [Rows(source, table, [chunk]) for table, chunk in everything()]
    with Catalogue.create(folder / "cat") as made:
        made.ingest(Reading("test", given, (source,)))
        plan = Plan(name="s", by=("specimen",), parts=parts_of("train=50,val=25,test=25"), least=1)
        made.split(plan)
        made.split(Plan(name="cut", preset="dates", cuts=("2015-01-01", "2016-01-01")))
        counts = dict(made.query("SELECT part, count(*) FROM placement "
                                 "WHERE splitName = 's' GROUP BY ALL"))  # fmt: skip
    assert set(counts) == set(PARTS)
    assert min(counts.values()) > 5
    return folder / "cat"


def keys(opened: Catalogue, table: str) -> set[str]:
    return {str(key) for (key,) in opened.query(f"SELECT {TABLES[table].key} FROM {table}")}


def records(path: Path, part: str) -> set[str]:
    sql = f"SELECT recordID FROM placement WHERE splitName = 's' AND part = '{part}'"
    with Catalogue.open(path, read_only=True) as opened:
        return {str(one) for (one,) in opened.query(sql)}


def test_parts_are_all_there_is_and_share_nothing(whole: Path) -> None:
    found: dict[str, dict[str, set[str]]] = {}
    for part in PARTS:
        with Catalogue.open(whole, read_only=True, part=f"s:{part}") as opened:
            found[part] = {table: keys(opened, table) for table in TABLES}
    with Catalogue.open(whole, read_only=True) as opened:
        every = {table: keys(opened, table) for table in TABLES}
    for table in ("occurrence", "sequence", "identification"):
        own = [found[part][table] for part in PARTS]
        assert set().union(*own) == every[table]
        assert sum(map(len, own)) == len(every[table]), table
    for part in PARTS:
        placed = records(whole, part)
        assert found[part]["occurrence"] == {one for one in placed if one.startswith("O")}
        assert {one for one in found[part]["media"] if one.startswith("N")} == {
            one for one in placed if one.startswith("N")
        }
        assert ("S-free" in found[part]["sequence"]) == ("S-free" in placed)
        # What was measured on a picture goes with the record that the picture is of.
        assert ("LP" in found[part]["measurement"]) == ("O05" in placed)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_stands_by_itself(whole: Path, part: str) -> None:
    links = {
        ("occurrence", "eventID"): "event", ("event", "parentEventID"): "event",
        ("material", "occurrenceID"): "occurrence",
        ("material", "isPartOfMaterialEntityID"): "material",
        ("material", "derivedFromMaterialEntityID"): "material",
        ("media", "occurrenceID"): "occurrence", ("media", "derivedFromMediaID"): "media",
        ("sequence", "materialEntityID"): "material",
        ("identification", "occurrenceID"): "occurrence", ("identification", "mediaID"): "media",
        ("identification", "nucleotideSequenceID"): "sequence",
        ("identification", "materialEntityID"): "material",
        ("measurement", "occurrenceID"): "occurrence", ("measurement", "eventID"): "event",
        ("measurement", "mediaID"): "media",
    }  # fmt: skip
    own = records(whole, part)
    with Catalogue.open(whole, read_only=True, part=f"s:{part}") as opened:
        there = {table: keys(opened, table) for table in TABLES}
        for (table, column), other in links.items():
            sql = f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"
            assert {str(one) for (one,) in opened.query(sql)} <= there[other], (table, column)
        # The picture that a region was cut from is there, and does not tell whose it is else.
        foreign = opened.query("SELECT mediaID, occurrenceID, accessURI FROM media "
                               "WHERE mediaID LIKE 'P%'").fetch()  # fmt: skip
        assert any(f"O{str(media)[1:]}" not in own for media, _, _ in foreign)
        for media, occurrence, address in foreign:
            mine = f"O{str(media)[1:]}"
            assert occurrence == (mine if mine in own else None)
            assert address
        assert opened.query("SELECT DISTINCT split FROM occurrence").fetch() == [(part,)]
        named = opened.query("SELECT occurrenceID FROM determination").fetch()
        assert {str(one) for (one,) in named} == there["occurrence"]
        assert opened.query("SELECT count(*) FROM placement WHERE part <> 'train'").value() == (
            0 if part == "train" else len(own)
        ) + opened.query("SELECT count(*) FROM placement WHERE splitName = 'cut' "
                         "AND part <> 'train'").value()  # fmt: skip


@pytest.mark.parametrize("name", [f.name for f in formats().values() if f.write])
def test_every_format_writes_a_part(whole: Path, tmp_path: Path, name: str) -> None:
    suffix = formats()[name].suffix or ".out"
    told = []
    for part in ("s", "s:test"):
        out = tmp_path / f"{part}".replace(":", "-") / f"out{suffix}"
        out.parent.mkdir()
        try:
            with Catalogue.open(whole, read_only=True, part=part) as opened:
                told.append(write_path(opened, out, name))
        except InputError as error:  # pictures that are not there, outlines that nobody drew
            told.append(re.sub(r"\d+|/\S+", "", str(error)))
    if isinstance(told[0], int) and told[0]:
        assert 0 < told[1] < told[0]
    else:
        assert told[0] == told[1]


def exported(whole: Path, out: Path, split: str) -> list[dict[str, str]]:
    asked = ["export", str(whole), "--format", "bioscan-5m", "--split", split, "-o", str(out), "-q"]
    assert main(asked) == 0
    with out.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_part_stands_in_its_column(whole: Path, tmp_path: Path) -> None:
    rows = exported(whole, tmp_path / "all.csv", "s")
    for part in PARTS:
        own = {row["processid"] for row in rows if row["split"] == part}
        assert own == {one for one in records(whole, part) if one.startswith("O")}
        assert {
            r["processid"] for r in exported(whole, tmp_path / f"{part}.csv", f"s:{part}")
        } == own
    some = exported(whole, tmp_path / "two.csv", "s:val+test")
    assert {row["split"] for row in some} == {"val", "test"}
    one, other = (
        json.loads((tmp_path / f"{name}.csv.merian.json").read_text())["merian"]["run"]
        for name in ("val", "test")
    )
    assert one != other


def test_a_note_says_where_parts_have_no_place(whole: Path, tmp_path: Path, capsys) -> None:
    asked = ["export", str(whole), "--format", "fasta", "-o", str(tmp_path / "a.fasta")]
    assert main([*asked, "--split", "s"]) == 0
    assert "fasta has no place for the part" in " ".join(capsys.readouterr().err.split())
    assert main([*asked, "--split", "s:train"]) == 0
    assert "no place" not in capsys.readouterr().err


def test_of_clusters_a_part_has_its_own_members(whole: Path, tmp_path: Path) -> None:
    path = shutil.copytree(whole, tmp_path / "catalogue")
    members = sorted(one for part in PARTS for one in records(path, part))
    with Catalogue.open(path) as opened:
        tables = {"cluster": [], "clusterHistory": [],
                  "clusterMember": [(one, "MRN-0aaaaa") for one in members]}  # fmt: skip
        opened.keep_clusters(tables, [], {"runID": "r", "arguments": {}, "inputs": {}})
    with Catalogue.open(path, read_only=True, part="s:test") as opened:
        found = {str(one) for (one,) in opened.query("SELECT recordID FROM clusterMember")}
    assert found == records(path, "test")


def test_query_and_publish_take_a_part(whole: Path, tmp_path: Path, capsys) -> None:
    sql = "SELECT count(*) AS n, min(split) AS part FROM occurrence"
    assert main(["query", str(whole), sql, "--split", "s:val", "--format", "csv"]) == 0
    own = sum(one.startswith("O") for one in records(whole, "val"))
    assert capsys.readouterr().out.split() == ["n,part", f"{own},val"]
    out = tmp_path / "t.parquet"
    assert main(["query", str(whole), "occurrence", "--split", "s:val", "-o", str(out), "-q"]) == 0
    assert capsys.readouterr().out.startswith(f"{own} rows")
    package = tmp_path / "package"
    asked = ["publish", str(whole), "--split", "s:val+test", "-o", str(package), "-q"]
    assert main([*asked, "--title", "Parts", "--license", "CC0"]) in (0, 2)
    tables = {path.stem for path in (package / "huggingface" / "data").iterdir()}
    assert any("test" in one for one in tables), tables
    assert not any("train" in one for one in tables), tables
    with (package / "dwc-dp" / "occurrence.csv").open(newline="") as stream:
        ids = {row["occurrenceID"] for row in csv.DictReader(stream)}
    assert ids == {o for p in ("val", "test") for o in records(whole, p) if o.startswith("O")}


def test_what_is_set_aside_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("line")
    cells = {"line": [2, 3, 4], "occurrenceID": ["a", "b", "c"],
             "eventDate": ["2014-01-01", "2016-01-01", "2014-12-31/2015-01-02"]}  # fmt: skip
    with Catalogue.create(tmp_path / "cat") as made:
        made.ingest(Reading("test", [Rows(source, "record", [cells])], (source,)))
        made.split(Plan(name="d", preset="dates", cuts=("2015-01-01",)))
    sql = "SELECT occurrenceID, split FROM occurrence ORDER BY 1"
    with Catalogue.open(tmp_path / "cat", read_only=True, part="d") as opened:
        assert opened.query(sql).fetch() == [("a", "train"), ("b", "test")]
    with Catalogue.open(tmp_path / "cat", read_only=True, part="d:aside") as opened:
        assert opened.query(sql).fetch() == [("c", "aside")]


@pytest.mark.parametrize("verb", ["export", "query", "publish"])
def test_a_wrong_part_is_one_line(whole: Path, tmp_path: Path, capsys, verb: str) -> None:
    out = tmp_path / "out.csv"
    more = {"export": ["--format", "bioscan-5m"], "query": ["occurrence"], "publish": []}[verb]
    for split, told in (("t", "no such split"), ("s:vla", "has no part 'vla'")):
        assert main([verb, str(whole), *more, "--split", split, "-o", str(out), "-q"]) == 2
        said = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err).strip()
        assert told in said
        assert len(said.splitlines()) == 1
        assert not out.exists()


def test_a_part_is_for_reading(whole: Path) -> None:
    with pytest.raises(CatalogueError, match="for reading only"):
        Catalogue.open(whole, part="s:train")
    with Catalogue.open(whole):  # nothing was left locked
        pass
