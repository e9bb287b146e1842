"""What is asked for: a box on the map, one of several taxa of a name, and tables of it."""

from __future__ import annotations

import csv
import io
import math
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.catalogue import Catalogue
from merian.catalogue.reviewed import Decision
from merian.cli import main
from merian.desk.asking import condition_of, within, without, words_of
from merian.desk.browsing import View, greatest, opened_in, page_of, path_in, paths_in, tree_of
from merian.desk.desk import Desk
from merian.desk.exported import table_of
from merian.desk.naming import named
from merian.desk.where import dots_of, months_of, places_of
from merian.errors import InputError
from tests.desk.conftest import COUNT, HOSTILE


@pytest.fixture(scope="module")
def looked(kept, tmp_path_factory):
    """A desk at which nothing is decided."""
    folder = tmp_path_factory.mktemp("asked") / "museum"
    shutil.copytree(kept, folder)
    with Catalogue.open(folder) as opened:
        yield Desk(opened, "Anna")


@pytest.fixture
def desk(museum):
    with Catalogue.open(museum) as opened:
        yield Desk(opened, "Anna")


# -- the map --------------------------------------------------------------------------------------


def test_a_box_finds_what_lies_in_it(looked):
    # Records lie at 48, 48.1 ... north and 11.5 east.
    found = page_of(looked, View(ask="within:48.95,11,49.55,12", sort="id"))
    assert [row["record"] for row in found.rows] == [f"R{n:03}" for n in range(10, 16)]
    assert page_of(looked, View(ask="within:48,-12,60,-11")).count == 0
    assert page_of(looked, View(ask="-within:48.95,11,49.55,12")).count == COUNT - 6
    # From 170 east over the date line to 12 east, and to 11 east.
    assert page_of(looked, View(ask="within:0,170,90,12")).count == COUNT
    assert page_of(looked, View(ask="within:0,170,90,11")).count == 0


@pytest.mark.parametrize(
    "told",
    ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "10,0,5,1", "0,0,91,1", "0,-181,1,1", "nan,0,1,1",
     "0,0,1,inf", "1;DROP,0,2,3"],
)  # fmt: skip
def test_what_is_no_box_is_refused(told):
    with pytest.raises(InputError, match="within"):
        condition_of(f'within:"{told}"')


WORDS = st.lists(st.sampled_from(
    ["a:b", "-c:d", '"family:Apidae"', '"-x"', '-"-y"', 'e:"g"', '"p<1"', 'k:"-v"', '"a=b"',
     'k:"=v"', 'k:">=v"', 'p<"=1"', 'k:"b:c"', 'e:"f g"',
     "within:1,2,3,4", '"x y"', "z", "p<0.5", 'q:""']
), max_size=6)  # fmt: skip


@given(WORDS)
def test_a_question_without_its_boxes_is_else_the_same(words):
    text = " ".join(words)
    rest = [word for word in words_of(text) if word[1] != "within"]
    assert words_of(without("within", text)) == rest
    assert within(without("within", text)) == []
    assert within(text) == (["1", "2", "3", "4"] if "within:1,2,3,4" in words else [])


def test_the_places_of_a_map_are_few_and_all_are_counted(desk):
    held = condition_of("")
    places, counts = dots_of(desk, held)
    assert sum(counts) == COUNT
    assert all(47.9 < north < 52 and 11.4 < east < 11.6 for north, east in places)
    with desk.cursor() as con:  # ten thousand all over the world are no more dots than it shows
        con.execute(
            "INSERT INTO desk.main.board BY NAME SELECT 1000 + n AS place, 'W' || n AS record, "
            "'open' AS state, (n * 37 % 1800) / 10 - 90 AS decimalLatitude, "
            "(n * 101 % 3600) / 10 - 180 AS decimalLongitude FROM range(10000) r(n)"
        ).fetchall()
    places, counts = dots_of(desk, held)
    assert sum(counts) == COUNT + 10_000
    assert len(places) <= 161 * 81
    assert dots_of(desk, condition_of("family:none country:Chad")) == ([], [])


def test_where_and_when_a_name_was_found(looked):
    row = looked.cards(["R000"])[0]
    assert sum(places_of(looked, row)[1]) == sum(months_of(looked, row)) == COUNT // 5


# -- orders ---------------------------------------------------------------------------------------


NUMBERS = st.lists(st.sampled_from([math.nan, -1.0, 0.0, 0.25, 0.5, 0.5, 0.75, 1.0]), max_size=40)


@given(NUMBERS, st.integers(0, 45), st.integers(1, 12))
def test_a_page_of_the_greatest_is_that_of_all_in_order(values, start, count):
    told = np.array(values, np.float32)
    order = sorted(range(len(told)), key=lambda n: (
        math.isnan(told[n]), -told[n] if not math.isnan(told[n]) else 0, n))  # fmt: skip
    assert greatest(told, start, count).tolist() == order[start : start + count]


# -- taxa of one name -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def homonyms(tmp_path_factory):
    """Three birds and two plants of a genus Oenanthe, and one that nobody knows the place of."""
    folder = tmp_path_factory.mktemp("homonyms")
    rows = ["occurrenceID,kingdom,family,genus,scientificName,decimalLatitude,decimalLongitude"]
    rows += [f"B{n},Animalia,Muscicapidae,Oenanthe,Oenanthe oenanthe,50,{n}" for n in range(3)]
    rows += [f"P{n},Plantae,Apiaceae,Oenanthe,Oenanthe aquatica,40,{n}" for n in range(2)]
    rows += ["X0,,,Oenanthe,Oenanthe,30,0"]
    (folder / "o.csv").write_text("\n".join(rows) + "\n")
    assert main(["import", str(folder / "o.csv"), "--into", str(folder / "museum"), "-q"]) == 0
    with Catalogue.open(folder / "museum") as opened:
        yield Desk(opened, "Anna")


def test_taxa_of_one_name_stand_apart(homonyms):
    tree = tree_of(homonyms)
    paths = paths_in(tree, "genus", "Oenanthe")
    assert sorted(tuple(one.name for one in path) for path in paths) == [
        ("Animalia", "Muscicapidae", "Oenanthe"), ("Oenanthe",),
        ("Plantae", "Apiaceae", "Oenanthe")]  # fmt: skip
    assert sorted(path[-1].count for path in paths) == [1, 2, 3]
    for path in paths:
        one = path[-1]
        assert one.above  # each says which it is, and is led to by that
        view = View("genus", "Oenanthe", one.above, sort="id")
        found = page_of(homonyms, view)
        assert found.count == one.count
        assert {row["record"][0] for row in found.rows} == {
            "B" if one.count == 3 else "P" if one.count == 2 else "X"}  # fmt: skip
        assert path_in(tree, "genus", "Oenanthe", one.above) == path
        assert id(one) in opened_in(tree, path, most=1)
    assert page_of(homonyms, View("genus", "Oenanthe")).count == 6  # all that are called so
    assert not any(one.above for one in tree.children if one.rank == "kingdom")
    assert path_in(tree, "genus", "Nobody") == []
    hostile = View("genus", "Oenanthe", "kingdom=' OR 1=1 --&family=%00", sort="id")
    assert page_of(homonyms, hostile).count == 0


def test_the_map_of_a_name_is_not_that_of_its_homonym(homonyms):
    with homonyms.cursor() as con:
        con.execute("UPDATE desk.main.board SET scientificName = 'Oenanthe'").fetchall()
    try:
        bird, plant = homonyms.cards(["B0", "P0"])
        assert sum(places_of(homonyms, bird)[1]) == 4  # with the one that may be either
        assert sum(places_of(homonyms, plant)[1]) == 3
    finally:
        with homonyms.cursor() as con:
            con.execute(
                "UPDATE desk.main.board SET scientificName = coalesce(species, genus)"
            ).fetchall()


# -- tables ---------------------------------------------------------------------------------------


def table(desk, view, what):
    text = "".join(table_of(desk, view, what))
    return [*csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)]


def test_the_records_of_a_view_as_a_table(looked):
    rows = table(looked, View(ask="genus:Osmia", sort="id"), "records")
    shown = page_of(looked, View(ask="genus:Osmia", sort="id")).rows
    assert [row["record"] for row in rows] == [row["record"] for row in shown]
    assert {row["family"] for row in rows} == {"Megachilidae"}
    assert {row["state"] for row in rows} == {"open"}
    assert table(looked, View(sort="id"), "records")[-1]["locality"] == HOSTILE
    assert table(looked, View(ask="genus:Nobody"), "records") == []
    with pytest.raises(InputError, match="expected one of"):
        table_of(looked, View(), "secrets")
    with pytest.raises(InputError, match="Did you mean"):
        table_of(looked, View(ask="gneus:Osmia"), "records")


def test_a_cell_is_one_line_whatever_it_holds(desk):
    with desk.cursor() as con:
        con.execute(
            "UPDATE desk.main.board SET locality = E'a\\tb\\r\\nc\\n' WHERE record = 'R001'"
        ).fetchall()
    rows = table(desk, View(sort="id"), "records")
    assert len(rows) == COUNT
    assert rows[1]["locality"] == "a b  c "


def test_numbers_of_a_table_are_those_of_the_catalogue(desk):
    with desk.cursor() as con:
        con.execute(
            "UPDATE desk.main.board SET decimalLatitude = 48.13743219, decimalLongitude = 1e-7 / 3,"
            " probability = 0.99999994, outlier = 0.123456789 WHERE record = 'R001'"
        ).fetchall()
    (row,) = table(desk, View(ask="R001"), "records")
    numbers = ("decimalLatitude", "decimalLongitude", "probability")
    assert [float(row[name]) for name in numbers] == [48.13743219, 1e-7 / 3, 0.99999994]
    assert row["outlier"] == "0.123457"


def test_the_verdicts_so_far_as_a_table(desk):
    def seen(*records):
        return {row["record"]: row["stands"] or "" for row in desk.cards(records)}

    assert table(desk, View(), "verdicts") == []
    desk.decide(Decision("accept", seen("R000", "R001"), "Bea", "red\thair"))
    done = desk.decide(Decision("name", seen("R002"), "Anna", "", named(desk, "Apis mellifera")))
    desk.undo(done.run, "Anna")
    desk.decide(Decision("look", seen("R003"), "Anna"))
    rows = table(desk, View(), "verdicts")
    assert [(r["record"], r["decision"], r["decidedBy"], r["undone"]) for r in rows] == [
        ("R000", "accept", "Bea", "no"), ("R001", "accept", "Bea", "no"),
        ("R002", "name", "Anna", "yes"), ("R003", "look", "Anna", "no")]  # fmt: skip
    assert rows[0]["why"] == "red hair"
    assert rows[2]["scientificName"] == "Apis mellifera"
    assert [r["record"] for r in table(desk, View(ask="R001"), "verdicts")] == ["R001"]


def test_a_table_is_sent_with_its_name(shown):
    status, told, text = shown.get("/export?what=records&ask=genus%3AOsmia&sort=id")
    assert status == 200
    assert told["content-type"].startswith("text/tab-separated-values")
    assert told["content-disposition"] == "attachment; filename*=UTF-8''museum-records.tsv"
    assert text.splitlines()[0].startswith("record\tkind\tscientificName\t")
    assert len(text.splitlines()) == 1 + len(shown.stands("genus:Osmia"))
    assert shown.get("/export?what=passwords")[0] == 400
    assert shown.get("/export?ask=gneus:x")[0] == 400
    assert shown.get("/export", Host="evil.example")[0] == 421
