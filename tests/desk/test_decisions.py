"""What people decide: appended, told apart, undone, never overwritten; and what the board shows."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from merian.catalogue import Catalogue
from merian.catalogue.reviewed import Decision, StaleError, decide
from merian.desk.asking import condition_of, words_of
from merian.desk.board import SAID, kinds_of, refresh_records
from merian.desk.browsing import SORTS, View, opened_in, page_of, path_in, progress, tree_of
from merian.desk.crops import Crops, shown
from merian.desk.desk import Desk
from merian.desk.naming import complete, named, recent
from merian.desk.specimen import scale_bar, specimen_of
from merian.errors import CatalogueError, InputError
from tests.desk.conftest import COUNT, labels


@pytest.fixture
def desk(museum):
    with Catalogue.open(museum) as opened:
        yield Desk(opened, "Anna")


@pytest.fixture(scope="module")
def looked(kept, tmp_path_factory):
    """A desk at which nothing is decided."""
    folder = tmp_path_factory.mktemp("looked") / "museum"
    shutil.copytree(kept, folder)
    with Catalogue.open(folder) as opened:
        yield Desk(opened, "Anna")


def seen(desk, *records):
    return {row["record"]: row["stands"] or "" for row in desk.cards(records)}


def row(desk, record):
    return desk.cards([record])[0]


def all_said(desk):
    return desk.rows("SELECT * FROM main.identification ORDER BY identificationID")


def test_the_board_has_every_record_once(looked):
    desk = looked
    assert desk.records == COUNT
    found = page_of(desk, View(sort="id"))
    assert [one["record"] for one in found.rows] == [record for record, *_ in labels()]
    assert all(one["state"] == "open" and one["mediaID"] for one in found.rows)


def test_what_stands_is_what_the_catalogue_says_stands(looked):
    desk = looked
    stands = {r["record"]: (r["stands"], r["scientificName"]) for r in
              page_of(desk, View(sort="id")).rows}  # fmt: skip
    view = desk.rows("SELECT occurrenceID, identificationID, scientificName FROM determination")
    assert stands == {r["occurrenceID"]: (r["identificationID"], r["scientificName"]) for r in view}


@pytest.mark.parametrize(
    ("kind", "name", "rank", "state"),
    [("accept", "Osmia bicornis", "species", "accepted"), ("up", "Osmia", "genus", "accepted"),
     ("dismiss", "Osmia", "genus", "dismissed"),
     ("look", "Osmia bicornis", "species", "look again"),
     ("name", "Apis mellifera", "species", "accepted")],
)  # fmt: skip
def test_a_decision_is_appended_and_undone_by_another(desk, kind, name, rank, state):
    before = all_said(desk)
    stood = row(desk, "R000")
    says = named(desk, "apis mellifera") if kind == "name" else None
    done = desk.decide(Decision(kind, seen(desk, "R000"), "Bea", "it has no red hair", says))
    now = row(desk, "R000")
    assert (now["scientificName"], now["taxonRank"], now["state"]) == (name, rank, state)
    added = [one for one in all_said(desk) if one not in before]
    assert len(added) == 1
    assert added[0]["runID"] == done.run
    assert added[0]["identificationID"] == now["stands"]
    assert "it has no red hair" in added[0]["identificationRemarks"]
    if kind == "look":  # said again as it was, by whom it was
        assert added[0]["replacesIdentificationID"] == stood["stands"]
        assert "Bea" in added[0]["identificationRemarks"]
        assert added[0]["agentType"] == stood["agentType"]
    else:
        assert (added[0]["agentType"], added[0]["identifiedBy"]) == ("human", "Bea")
        assert added[0]["replacesIdentificationID"] is None
    # The view of the catalogue, which exports read, says the same.
    view = desk.rows("SELECT * FROM determination WHERE occurrenceID = 'R000'")[0]
    assert view["identificationID"] == now["stands"]

    desk.undo(done.run, "Bea")
    again = row(desk, "R000")
    for term in (
        "scientificName",
        "taxonRank",
        "agentType",
        "state",
        "identifiedBy",
        "probability",
    ):
        assert again[term] == stood[term]
    assert all(one in all_said(desk) for one in before)
    assert len(all_said(desk)) == len(before) + 2
    view = desk.rows("SELECT * FROM determination WHERE occurrenceID = 'R000'")[0]
    assert view["scientificName"] == stood["scientificName"]
    with pytest.raises(InputError, match="undone already"):
        desk.undo(done.run, "Bea")


def test_decided_and_undone_again_and_again(desk):
    """Also where several say the very same."""
    with desk.cursor() as con:
        con.execute(
            "INSERT INTO main.identification BY NAME SELECT * REPLACE "
            "('0' || identificationID AS identificationID) FROM main.identification "
            "WHERE occurrenceID = 'R001' AND agentType = 'human'"
        ).fetchall()
        con.execute(
            "INSERT INTO desk.main.said SELECT 'R001', identificationID FROM main.identification "
            "WHERE occurrenceID = 'R001' AND identificationID LIKE '0%' "
            "AND identificationID NOT IN (SELECT identificationID FROM desk.main.said)"
        ).fetchall()
        refresh_records(con, ["R001"])
    stood = row(desk, "R001")
    states = {"accept": "accepted", "look": "look again", "dismiss": "dismissed", "up": "accepted"}
    for kind in ("accept", "look", "dismiss", "look", "up", "look"):
        done = desk.decide(Decision(kind, seen(desk, "R001"), "Anna"))
        assert row(desk, "R001")["stands"] == done.stands["R001"]
        assert row(desk, "R001")["state"] == states[kind]
        desk.undo(done.run, "Bea")
        again = row(desk, "R001")
        assert (again["scientificName"], again["state"], again["agentType"]) == (
            stood["scientificName"], "open", "human")  # fmt: skip


def test_the_lineage_goes_with_the_name(desk):
    desk.decide(Decision("name", seen(desk, "R000"), "Bea", "", named(desk, "Lasius niger")))
    found = row(desk, "R000")
    assert (found["genus"], found["family"], found["order"]) == (
        "Lasius",
        "Formicidae",
        "Hymenoptera",
    )
    desk.decide(Decision("up", seen(desk, "R000"), "Bea"))
    found = row(desk, "R000")
    assert (found["scientificName"], found["species"], found["family"]) == (
        "Lasius",
        None,
        "Formicidae",
    )


def test_two_windows_lose_nothing(desk):
    one, other = seen(desk, "R000", "R001"), seen(desk, "R001", "R002")
    first = desk.decide(Decision("accept", one, "Anna"))
    count = len(all_said(desk))
    with pytest.raises(StaleError) as told:
        desk.decide(Decision("name", other, "Bea", "", named(desk, "Apis mellifera")))
    assert told.value.stands == {"R001": first.stands["R001"]}
    assert len(all_said(desk)) == count
    assert row(desk, "R002")["state"] == "open"
    desk.decide(
        Decision("name", seen(desk, "R001", "R002"), "Bea", "", named(desk, "Apis mellifera"))
    )
    with pytest.raises(StaleError):  # what Bea has said stands on top
        desk.undo(first.run, "Anna")
    assert row(desk, "R001")["identifiedBy"] == "Bea"


def test_many_are_decided_at_once_or_none(desk):
    everything = seen(desk, *(record for record, *_ in labels()))
    done = desk.decide(Decision("accept", everything, "Anna"))
    assert len(done.stands) == COUNT
    assert progress(desk)["accepted"] == COUNT
    assert desk.decided()[0]["records"] == COUNT
    desk.undo(done.run, "Anna")
    assert progress(desk)["open"] == COUNT
    with pytest.raises(InputError, match="no such record"):
        desk.decide(Decision("accept", {**everything, "nobody": ""}, "Anna"))


@pytest.mark.parametrize(
    ("decision", "words"),
    [(Decision("accept", {}, "Anna"), "no record"), (Decision("accept", {"R000": ""}, "  "), "who"),
     (Decision("name", {"R000": ""}, "Anna"), "which name"),
     (Decision("eat", {"R000": ""}, "Anna"), "expected one of")],
    ids=["nothing", "nobody", "no name", "no deed"],
)  # fmt: skip
def test_what_is_no_decision_is_refused(looked, decision, words):
    with pytest.raises(InputError, match=words):
        looked.decide(decision)


def test_nothing_is_accepted_that_has_no_name(desk):
    with desk.cursor() as con:
        con.execute("DELETE FROM main.identification WHERE occurrenceID = 'R004'").fetchall()
        con.execute("DELETE FROM desk.main.said WHERE record = 'R004'").fetchall()
        with pytest.raises(InputError, match="no name"):
            decide(con, Decision("accept", {"R004": ""}, "A"), kinds_of(con, ["R004"]), SAID)
        done = decide(con, Decision("name", {"R004": ""}, "A", "", {"scientificName": "Apis"}),
                      kinds_of(con, ["R004"]), SAID)  # fmt: skip
    assert done.stands["R004"]


# -- contradictions -------------------------------------------------------------------------------


def test_contradictions_are_found_and_answered(desk):
    found = page_of(desk, View(ask="clash:yes", sort="clash"))
    # Lasius and Formica share a family, so they differ at the genus, and come last.
    expected = {record for n, (record, *_) in enumerate(labels()) if n % 10 == 0}
    assert {one["record"] for one in found.rows} == expected
    ranks = [one["clashRank"] for one in found.rows]
    assert ranks == sorted(ranks)
    assert {one["clash"] for one in found.rows} == {"human and machine"}
    desk.decide(Decision("accept", seen(desk, "R000"), "Anna"))
    assert page_of(desk, View(ask="clash:yes", sort="clash")).count == len(expected) - 1
    assert progress(desk)["clashes"] == len(expected) - 1


# -- asking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "holds"),
    [
        ("genus:Osmia", lambda n, g, s: g == "Osmia"),
        ("GENUS:osmia", lambda n, g, s: g == "Osmia"),
        ("name:Osmia*", lambda n, g, s: g == "Osmia"),
        ("-genus:Osmia", lambda n, g, s: g != "Osmia"),
        ("genus:Osmia country:Chad", lambda n, g, s: g == "Osmia" and n % 2),
        ('name:"Apis mellifera"', lambda n, g, s: s == "Apis mellifera"),
        ("mellif", lambda n, g, s: s == "Apis mellifera"),
        ("R01", lambda n, g, s: 10 <= n < 20),
        ("decimalLatitude>=50", lambda n, g, s: n >= 20),
        ("latitude<48.05", lambda n, g, s: n == 0),
        ("eventDate>=2019-12", lambda n, g, s: n % 12 == 11),
        ("habitat:none", lambda n, g, s: True),
        ("locality:none", lambda n, g, s: False),
        ("state:reviewed", lambda n, g, s: False),
        ("pixelsPerMillimetre:20 R003", lambda n, g, s: n == 3),
        ("scientificName:Formica -family:x", lambda n, g, s: False),
        ("machine:Formica", lambda n, g, s: n % 10 == 0),
        ("", lambda n, g, s: True),
        ("100%", lambda n, g, s: False),
        ("R0_0", lambda n, g, s: False),
        ("'; DROP TABLE board; --", lambda n, g, s: False),
        ('country:"Chad\' OR 1=1 --"', lambda n, g, s: False),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_question_finds_what_it_says(looked, ask, holds):
    desk = looked
    expected = [r for n, (r, g, s) in enumerate(labels()) if holds(n, g, s)]
    assert [one["record"] for one in page_of(desk, View(ask=ask, sort="id")).rows] == expected
    assert desk.value("SELECT count(*) FROM desk.main.board") == COUNT


@pytest.mark.parametrize(
    ("ask", "words"),
    [("gneus:Osmia", "Did you mean genus"), ("p<much", "number"), ('"half', "partner"),
     ("x" * 600, "letters")],
    ids=["term", "number", "quote", "long"],
)  # fmt: skip
def test_a_question_that_cannot_be_read_is_refused(ask, words):
    with pytest.raises(InputError, match=words):
        condition_of(ask)


def test_words_are_taken_apart():
    assert words_of('-a:"b c" d>=1 "e f"') == [
        (True, "a", ":", "b c"), (False, "d", ">=", "1"), (False, "", "", "e f")]  # fmt: skip


@pytest.mark.parametrize("sort", [key for key in SORTS if key != "like"])
def test_every_order_shows_every_record_once(looked, sort):
    found = page_of(looked, View(sort=sort))
    assert {one["record"] for one in found.rows} == {record for record, *_ in labels()}


# -- names ----------------------------------------------------------------------------------------


def test_names_are_completed_and_read(desk):
    assert complete(desk, "osm")[0]["name"] == "Osmia"
    assert {one["name"] for one in complete(desk, "Osmia ")} >= {"Osmia bicornis", "Osmia cornuta"}
    assert [one["name"] for one in complete(desk, "mellif")] == ["Apis mellifera"]
    assert complete(desk, "") == []
    assert named(desk, "  osmia   bicornis ")["family"] == "Megachilidae"
    new = named(desk, "Osmia caerulescens (Linnaeus, 1758)")
    assert (new["species"], new["family"], new["taxonRank"]) == (
        "Osmia caerulescens",
        "Megachilidae",
        "species",
    )
    assert named(desk, "Osmia cf. cornuta")["identificationQualifier"] == "cf. cornuta"
    for text in ("", "???", "unidentified insect", "<script>", "Xyzus"):
        with pytest.raises(InputError):
            named(desk, text)
    desk.decide(Decision("name", seen(desk, "R000"), "Bea", "", new))
    assert recent(desk) == ["Osmia caerulescens"]
    assert complete(desk, "Osmia cae")[0]["name"] == "Osmia caerulescens"


def test_names_of_a_checklist_are_offered(kept, tmp_path):
    from merian.taxonomy import Taxonomy, read_checklist

    (tmp_path / "list.csv").write_text(
        "kingdom,order,family,genus,species\nAnimalia,Hymenoptera,Apidae,Bombus,Bombus terrestris\n"
    )
    checklist, report = read_checklist(tmp_path / "list.csv")
    from merian.taxonomy import save_taxonomy

    save_taxonomy(checklist, tmp_path / "names", report)
    shutil.copytree(kept, tmp_path / "museum")
    with Catalogue.open(tmp_path / "museum") as opened:
        desk = Desk(opened, "Anna", Taxonomy.open(tmp_path / "names"))
        assert [one["name"] for one in complete(desk, "bomb")][:2] == [
            "Bombus",
            "Bombus terrestris",
        ]
        says = named(desk, "Bombus terrestris")
        assert (says["family"], says["taxonRank"]) == ("Apidae", "species")
        assert says["taxonomyLock"]
        assert named(desk, "Bombus lucorum")["family"] == "Apidae"


# -- the tree, pictures, one record ---------------------------------------------------------------


def test_the_tree_counts(desk):
    tree = tree_of(desk)
    assert tree.count == COUNT
    path = path_in(tree, "genus", "Osmia")
    assert [one.name for one in path] == ["Hymenoptera", "Megachilidae", "Osmia"]
    assert path[-1].count == sum(genus == "Osmia" for _, genus, _ in labels())
    assert sum(one.count for one in path[-1].children) == path[-1].count
    assert {id(one) for one in path} <= opened_in(tree, path, most=1)
    desk.decide(Decision("accept", seen(desk, "R000"), "Anna"))
    assert path_in(tree_of(desk), "species", "Osmia bicornis")[-1].done == 1


def test_thumbnails_are_made_once_and_may_go(looked):
    desk = looked
    media = row(desk, "R003")["mediaID"]
    crops = Crops(desk)
    first = crops.thumbnail(media)
    assert first.startswith(b"\xff\xd8")
    files = [*(desk.catalogue.path / "thumbnails").rglob("*.jpg")]
    assert len(files) == 1
    files[0].write_bytes(b"kept")
    assert crops.thumbnail(media) == b"kept"
    shutil.rmtree(desk.catalogue.path / "thumbnails")
    assert crops.thumbnail(media) == first


def test_a_specimen_has_its_evidence(desk):
    desk.decide(Decision("accept", seen(desk, "R005"), "Anna", "compared"))
    found = specimen_of(desk, Crops(desk), "R005")
    assert (found.before, found.after) == ("R004", "R006")
    assert [one["stands"] for one in found.ledger] == [True, False, False]
    assert found.plates[0].size == (64, 48)
    assert found.plates[0].bar == (10.0, "0.5 mm")
    assert ("locality", "meadow") in found.facts
    assert specimen_of(desk, Crops(desk), "nobody") is None
    assert shown(desk, record="R005")[0].scale == 20


@pytest.mark.parametrize(
    ("width", "scale", "said"),
    [(1000, 100, "2 mm"), (1000, 1, "200 mm"), (64, 20, "0.5 mm"), (1000, 5000, "50 µm"),
     (1000, None, None), (1000, 0, None), (1000, float("nan"), None), (0, 5, None)],
    ids=str,
)  # fmt: skip
def test_a_scale_bar_is_round_and_fits(width, scale, said):
    found = scale_bar(width, scale)
    assert (found and found[1]) == said
    if found:
        assert 0.08 * width <= found[0] <= 0.25 * width


# -- likeness -------------------------------------------------------------------------------------


def test_outliers_are_far_from_the_middle_of_their_name(desk):
    from merian.desk.likeness import Likeness

    random = np.random.default_rng(0)
    names = [name for *_, name in labels()]
    kinds = {name: n for n, name in enumerate(sorted(set(names)))}
    vectors = np.eye(8, dtype=np.float32)[[kinds[name] for name in names]]
    vectors += random.normal(0, 0.05, vectors.shape).astype(np.float32)
    vectors[5] = np.eye(8)[7]  # R005 goes by another name than it looks
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = Likeness(vectors.astype(np.float16), np.arange(COUNT), None, COUNT)
    with desk.cursor() as con:
        made._begin(con)
    desk.likeness = made
    assert page_of(desk, View(sort="outlier")).rows[0]["record"] == "R005"

    def oracle(place):
        own = [n for n in range(COUNT) if row(desk, f"R{n:03}")["scientificName"]
               == row(desk, f"R{place:03}")["scientificName"] and n != place]  # fmt: skip
        middle = vectors[own].mean(axis=0)
        return 1 - middle @ vectors[place] / np.linalg.norm(middle)

    for place in (0, 5, 17):
        assert row(desk, f"R{place:03}")["outlier"] == pytest.approx(oracle(place), abs=2e-3)
    desk.decide(Decision("name", seen(desk, "R005"), "Anna", "", named(desk, "Osmia cornuta")))
    assert row(desk, "R005")["outlier"] == pytest.approx(oracle(5), abs=2e-3)
    first = page_of(desk, View(sort="like", pin="R002")).rows
    assert first[0]["record"] == "R002"
    assert first[1]["scientificName"] == row(desk, "R002")["scientificName"]


def test_a_catalogue_that_is_held_says_so(looked):
    desk = looked
    with pytest.raises(CatalogueError, match="open for writing in this process already"):
        Catalogue.open(desk.catalogue.path)
