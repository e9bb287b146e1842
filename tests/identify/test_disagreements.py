"""Contradictions: where voices part, how strong that is, labels, and places."""

from __future__ import annotations

import math
import random
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.taxonomy.makers import checklist

from merian.catalogue import RANKS, Catalogue, Reading, Rows
from merian.formats import read_path
from merian.identify.disagreements import (
    COLUMNS,
    Contradiction,
    Voice,
    contradictions,
    ranked,
    same_taxon,
    words,
    write_disagreements,
)
from merian.identify.told import (
    Place,
    Range,
    disagreements,
    great_circle,
    labels_of,
    out_of_place,
    places_of,
    ranges_of,
)

MAIN = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
FLY = ("Animalia", "Arthropoda", "Insecta", "Diptera", "Muscidae", "Musca", "Musca domestica")
BEETLE = (*FLY[:3], "Coleoptera", "Carabidae", "Carabus", "Carabus auratus")


def voice(kind: str, names: tuple[str, ...], p: float | tuple[float, ...], **more) -> Voice:
    sure = p if isinstance(p, tuple) else (p,) * len(names)
    return Voice(
        kind,
        more.pop("source", ""),
        dict(zip(MAIN, names, strict=False)),
        dict(zip(MAIN, sure, strict=False)),
        **more,
    )


def test_two_voices_part_at_the_highest_rank_at_which_they_differ():
    fly, beetle = voice("barcode", FLY, 0.99), voice("picture", BEETLE, 0.98)
    (one,) = contradictions("r", [fly, beetle])
    assert (one.rank, one.name_a, one.name_b) == ("order", "Diptera", "Coleoptera")
    assert one.strength == pytest.approx(0.99 * 0.98)
    assert words(one) == "The barcode says order Diptera (99 %), the picture Coleoptera (98 %)."
    # A rank that one of them leaves open is not compared.
    (one,) = contradictions("r", [voice("label", FLY[:3], 1.0), fly, beetle])
    assert one.rank == "order"
    only = Voice("label", "", {"species": "Carabus auratus"}, {"species": 0.95})
    (one,) = contradictions("r", [fly, only])
    assert one.rank == "species"
    assert contradictions("r", [fly, voice("label", FLY[:4], 0.9)]) == []


def test_the_weak_and_the_new_are_not_told():
    other = (*FLY[:6], "Musca autumnalis")
    a, b = voice("barcode", FLY, 0.6), voice("picture", other, 0.5)
    (one,) = contradictions("r", [a, b])
    assert (one.rank, one.strength) == ("species", pytest.approx(0.3))
    assert contradictions("r", [a, voice("picture", other, 0.3)]) == []
    new = voice("barcode", FLY, 0.4, new={"species": 0.55})
    assert contradictions("r", [new, voice("label", other, 0.95)]) == []
    assert contradictions("r", [new, voice("label", BEETLE, 0.95)])[0].rank == "order"


def test_another_classification_of_the_same_animal_is_no_contradiction():
    moved = ("Metazoa", *FLY[1:4], "Anthomyiidae", *FLY[5:])
    assert contradictions("r", [voice("barcode", FLY, 0.9), voice("label", moved, 0.95)]) == []
    sister = (*moved[:6], "Musca autumnalis")
    (one,) = contradictions("r", [voice("barcode", FLY, 0.9), voice("label", sister, 0.95)])
    assert one.rank == "species"


def test_a_synonym_is_no_contradiction():
    same = same_taxon(checklist())
    assert same("species", "Calanus finmarchicus", "Calanus borealis")
    assert same("species", "Monoculus finmarchicus", "Calanus borealis")
    assert not same("species", "Calanus glacialis", "Calanus borealis")
    # A name that was misapplied to a taxon is not its name; and unknown ones are not alike.
    assert not same("species", "Calanus glacialis", "Calanus helgolandicus")
    assert not same("species", "Aus bus", "Aus cus")
    a = Voice("barcode", "", {"species": "Calanus finmarchicus"}, {"species": 0.9})
    b = Voice("label", "", {"species": "Calanus borealis"}, {"species": 0.95})
    assert len(contradictions("r", [a, b])) == 1
    assert contradictions("r", [a, b], same) == []


def test_the_order_is_that_of_brute_force_and_does_not_depend_on_the_input():
    draw = random.Random(5)
    found: list[Contradiction] = []
    for number in range(100):
        voices = []
        for kind in ("barcode", "picture", "label"):
            names = tuple(f"{rank}{draw.randrange(2)}" for rank in MAIN)
            sure = tuple(sorted((draw.choice((0.3, 0.5, 0.7, 0.9)) for _ in MAIN), reverse=True))
            voices.append(voice(kind, names, sure))
        told = contradictions(f"r{number:02}", voices)
        found += told
        # By hand: from the top down, below the last rank at which both agree.
        expected = {}
        for a, b in combinations(voices, 2):
            differs = [a.names[rank] != b.names[rank] for rank in MAIN]
            if differs[-1]:
                first = len(MAIN)
                while first and differs[first - 1]:
                    first -= 1
                strength = a.probabilities[MAIN[first]] * b.probabilities[MAIN[first]]
                if strength >= 0.2:
                    expected[a.kind, b.kind] = (MAIN[first], strength)
        assert {(o.kind_a, o.kind_b): (o.rank, o.strength) for o in told} == expected
    assert len(found) > 30
    shuffled = draw.sample(found, len(found))
    assert ranked(shuffled) == ranked(found)
    order = ranked(found)
    for first, second in pairwise(order):
        a, b = (o.strength for o in (first, second))
        assert a > b or math.isclose(a, b)
        if math.isclose(a, b):
            assert RANKS.index(first.rank) <= RANKS.index(second.rank)


def test_the_list_is_a_table(tmp_path):
    fly = voice("barcode", FLY, 0.999, source="COI-5P")
    two = voice("barcode", BEETLE, 1.0, source="ITS2")
    rows = ranked(contradictions("r1", [fly, two]) + contradictions("r0", [fly, two]))
    path = tmp_path / "answers.disagreements.tsv"
    assert write_disagreements(path, rows) == 2
    head, first, _ = path.read_text().splitlines()
    assert head.split("\t") == list(COLUMNS)
    assert first.split("\t") == [
        "r0", "0.9990", "order", "barcode", "Diptera", "0.9990", "barcode", "Coleoptera", "1.0000",
        "The barcode by COI-5P says order Diptera (99 %), the barcode by ITS2 Coleoptera (100 %).",
    ]  # fmt: skip


def test_the_great_circle_is_that_of_vectors():
    """The angle between two vectors from the middle of the Earth, in Python's own floats."""

    def vector(y: float, x: float) -> tuple[float, ...]:
        y, x = math.radians(y), math.radians(x)
        return math.cos(y) * math.cos(x), math.cos(y) * math.sin(x), math.sin(y)

    draw = random.Random(3)
    places = [(draw.uniform(-90, 90), draw.uniform(-180, 180)) for _ in range(40)]
    places += [(90, 0), (-90, 50), (0, 180), (0, -180), (10, 179.9), (10, -179.9)]
    lats, lons = np.array(places).T
    for y, x in places:
        by_hand = []
        for other in places:
            a, b = vector(y, x), vector(*other)
            cross = math.hypot(
                a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
            )
            dot = sum(i * j for i, j in zip(a, b, strict=True))
            by_hand.append(6371.0088 * math.atan2(cross, dot))
        assert great_circle(y, x, lats, lons) == pytest.approx(by_hand, abs=1e-3)
    # Berlin to Paris.
    assert great_circle(52.52, 13.405, 48.8566, 2.3522) == pytest.approx(877.5, abs=1)


def known(*places: tuple[float, float]) -> Range:
    y, x = np.array(places, dtype=float).T
    return Range(y, x, np.array([f"o{n}" for n in range(len(places))]))


def test_a_place_that_is_far_from_all_others_contradicts_a_name():
    europe = known((48, 2), (50, 4), (49, 8), (51, 7))
    ranges = {("species", "Musca domestica"): europe}
    fly = voice("barcode", FLY, 0.9)

    def told(
        y: float, x: float, uncertainty: float = 0.0, record: str = "r"
    ) -> list[Contradiction]:
        return out_of_place(record, [fly], Place(y, x, uncertainty), ranges)

    (one,) = told(-33.9, 151.2)
    lats, lons = europe.latitudes, europe.longitudes
    nearest = great_circle(-33.9, 151.2, lats, lons).min()
    extent = max(great_circle(y, x, lats, lons).max() for y, x in zip(lats, lons, strict=True))
    assert one.strength == pytest.approx(0.9 * 4 / 5 * (1 - max(500, 3 * extent) / nearest))
    assert words(one) == (
        "The barcode says species Musca domestica (90 %), but it was found "
        f"{nearest:,.0f} km from the nearest of its 4 other places."
    )
    assert told(45, 10) == []  # near enough
    assert told(-33.9, 151.2, uncertainty=nearest) == []  # nobody knows where
    assert told(4, 50) == []  # latitude and longitude exchanged
    # Too few other places: this record is one of the four, then of three.
    assert told(-33.9, 151.2, record="o1")
    ranges["species", "Musca domestica"] = known((48, 2), (50, 4), (49, 8))
    assert told(-33.9, 151.2)
    assert told(-33.9, 151.2, record="o1") == []
    # Of a species that is hardly known the genus tells more.
    ranges["genus", "Musca"] = europe
    (one,) = told(-33.9, 151.2, record="o1")
    assert (one.rank, one.name_a) == ("genus", "Musca")
    # One that lives everywhere is nowhere out of place.
    ranges["species", "Musca domestica"] = known((48, 2), (-30, 140), (40, -100), (0, 20))
    assert told(-55, -70) == []


ROWS = (
    "occurrenceID,materialEntityID,species,order,verbatimIdentification,identifiedBy,agentType,"
    "probability,decimalLatitude,decimalLongitude\n"
    "a,m1,Calanus borealis,,,A. Person,,,60,5\n"
    "b,,Calanus finmarchicus,,,,,,61,4\n"
    "c,,Calanus finmarchicus,,,,,,62,3\n"
    "d,,Calanus finmarchicus,,,,machine,0.7,-60,100\n"
    "e,,,Calanoida,Calanus cf. glacialis,,,,0,0\n"
    "f,,Calanus finmarchicus,,,,,,62,3\n"
    "g,,,,detritus,,,,,\n"
    "h,,Calanus finmarchicus,,,,,,-70,100\n"
)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    table = tmp_path / "t.csv"
    table.write_text(ROWS)
    folder = tmp_path / "catalogue"
    with Catalogue.create(folder) as made:
        made.ingest(read_path(table, format="table"))
        said = {
            "line": [1, 2], "occurrenceID": ["g", "b"], "agentType": ["machine"] * 2,
            "scientificName": ["Calanus glacialis"] * 2, "taxonRank": ["species"] * 2,
            "species": ["Calanus glacialis"] * 2, "dateIdentified": ["2030-01-01"] * 2,
        }  # fmt: skip
        made.ingest(Reading("answers", (Rows(table, "identification", (said,)),), ()),
                    verb="identify")  # fmt: skip
    return folder


def test_labels_of_people_and_machines_but_not_our_own(catalogue):
    with Catalogue.open(catalogue, read_only=True) as opened:
        found = labels_of(opened, "abdegz")
        assert labels_of(opened, []) == {}
        above = labels_of(opened, "ab", checklist())
    assert sorted(found) == ["a", "b", "d", "e"]
    assert found["a"] == Voice(
        "label", "A. Person", {"genus": "Calanus", "species": "Calanus borealis"},
        {"genus": 0.95, "species": 0.95},
    )  # fmt: skip
    assert found["b"].names["species"] == "Calanus finmarchicus"
    assert found["d"].probabilities["species"] == 0.7
    assert found["e"].names == {"order": "Calanoida", "genus": "Calanus"}
    assert above["a"].names == {
        "kingdom": "Animalia", "phylum": "Arthropoda", "class": "Copepoda", "family": "Calanidae",
        "genus": "Calanus", "species": "Calanus borealis",
    }  # fmt: skip


def test_places_and_ranges_of_a_catalogue(catalogue):
    with Catalogue.open(catalogue, read_only=True) as opened:
        assert places_of(opened, "aeg") == {"a": Place(60, 5)}
        taxa = [("species", "Calanus finmarchicus"), ("genus", "Calanus"), ("order", "Calanoida")]
        found = ranges_of(opened, taxa)
        wider = ranges_of(opened, taxa, checklist())
    assert set(found) == {*taxa[:2]}
    one = found[taxa[0]]
    assert [*zip(one.latitudes, one.longitudes, one.only, strict=True)] == [
        (-70, 100, "h"), (61, 4, "b"), (62, 3, "")]  # fmt: skip
    assert sorted(wider[taxa[0]].only) == ["", "a", "b", "h"]
    assert [*found[taxa[1]].only] == ["h", "a", "b", ""]


def test_evidence_labels_and_places_together(catalogue):
    shrimp = ("Animalia", "Arthropoda", "Copepoda", "Calanoida", "Calanidae", "Calanus",
              "Calanus finmarchicus")  # fmt: skip
    asked = [
        ("a", [voice("barcode", shrimp, 0.9)]),
        ("b", [voice("barcode", BEETLE, 0.9), voice("picture", shrimp, 0.9)]),
        ("h", [voice("barcode", shrimp, 0.9)]),
        ("nobody", [voice("barcode", shrimp, 0.9)]),
    ]
    found = ranked(disagreements(asked, [catalogue], checklist()))
    told = [(o.id, o.kind_a, o.kind_b, o.rank) for o in found]
    assert told == [
        ("b", "barcode", "label", "class"),
        ("b", "barcode", "picture", "class"),
        ("h", "label", "place", "species"),
        ("h", "barcode", "place", "species"),
    ]
    assert ranked(disagreements(asked[::-1], [catalogue], checklist())) == found
    # Without a checklist the synonym is another species, and too few places are known.
    found = ranked(disagreements(asked, [catalogue]))
    assert [(o.id, o.kind_a, o.kind_b, o.rank) for o in found if o.id == "a"] == [
        ("a", "barcode", "label", "species")]  # fmt: skip
