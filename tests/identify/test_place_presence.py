"""Presence: ratios of place and day, held against their definition; and lists as they are read."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from merian.errors import FormatError, InputError
from merian.identify.ladder import ROOT, Ladder
from merian.identify.place_evidence import binomial, spot_of
from merian.identify.presence import (
    BLOCK_KM,
    BOUND,
    NUMBERS,
    REACHES,
    SITE_KM,
    Presence,
    Spots,
    points,
)
from merian.identify.sightings import Near, half_of, read_sightings

# Two genera under a family: 0 | 1 2 | 3 4 5.
LADDER = Ladder(
    ("family", "genus", "species"),
    np.array([[0, 1, 3], [0, 1, 4], [0, 2, 5]], np.int32),
    np.array([0, 1, 1, 2, 2, 2], np.int8),
    np.array([-1, 0, 0, 1, 1, 2], np.int32),
    np.arange(6, dtype=np.int32),
    np.full(6, -1, np.int32),
    np.array([2, 2, 1, 0, 0, 0, 1], np.int32),
)
EVERY = np.arange(6)


def visits(seed: int = 3, count: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    latitude, longitude = chance.uniform(-20, 20, count), chance.uniform(170, 190, count)
    longitude = np.where(longitude > 180, longitude - 360, longitude)
    half = chance.integers(-1, 24, count).astype(np.int8)
    return points(latitude, longitude), half, chance.choice([3, 4, 5, ROOT], count)


def spots(point: np.ndarray, half: int = -1, without: float = 0.0) -> Spots:
    count = len(point)
    return Spots(point, np.full(count, half, np.int8), np.full(count, without))


def said(presence: Presence, at: Spots, gone: int = ROOT) -> np.ndarray:
    """What is said of all six rungs, for each spot."""
    number = np.repeat(np.arange(len(at)), 6)
    lost = np.full(len(at), gone, np.int32)
    return presence.describe(at, number, np.tile(EVERY, len(at)), lost)


def test_ratios_are_what_the_definition_says():
    # All far apart, so that each cell holds one visit.
    latitude, longitude = np.array([0.0, 0.0, 40.0, 80.0]), np.array([0.0, 60.0, 179.9, -90.0])
    rung = np.array([3, 4, 5, 3])
    point = points(latitude, longitude)
    presence = Presence(LADDER, point, np.full(4, -1, np.int8), rung)
    asked = points(np.array([1.0]), np.array([0.5]))
    found = said(presence, spots(asked))
    above = {0: ROOT, 1: 0, 2: 0, 3: 1, 4: 1, 5: 2}
    under = {0: {3, 4, 5}, 1: {3, 4}, 2: {5}, 3: {3}, 4: {4}, 5: {5}}
    for place, reach in enumerate(REACHES):
        apart = np.linalg.norm(point - asked, axis=1)
        weight = np.where(apart < reach, (1 - (apart / reach) ** 2) ** 2, 0)
        ratio = {ROOT: 1.0}
        for taxon in range(6):
            own = np.isin(rung, [*under[taxon]])
            seen, chance = weight[own].sum(), own.sum() * weight.sum() / 4
            ratio[taxon] = (seen + 0.5 * ratio[above[taxon]]) / (chance + 0.5)
        assert found[:, place] == pytest.approx([np.log(ratio[taxon]) for taxon in range(6)])


def test_nothing_is_said_where_nobody_looked_and_no_day_is_known():
    presence = Presence(LADDER, *visits())
    nowhere = points(np.array([85.0]), np.array([10.0]))
    assert not said(presence, spots(nowhere, half=5)).any()
    here = visits()[0][:5]
    assert not said(presence, spots(here))[:, -1].any()


def test_numbers_are_bounded_and_the_tree_is_a_part_of_it():
    point = points(np.r_[np.zeros(500), np.full(500, 50.0)], np.zeros(1000))
    rung = np.repeat([3, 5], 500)
    presence = Presence(LADDER, point, np.full(1000, -1, np.int8), rung)
    found = said(presence, spots(point[:1]))
    assert np.abs(found).max() <= BOUND
    assert (found[3, :-1] > 0.5).all() and (found[5, :-1] < -2).all()
    # A species that was never met says what its genus says.
    assert found[4] == pytest.approx(found[1])


@pytest.mark.parametrize("half", [-1, 7])
@pytest.mark.parametrize("gone", [1, 3, 5])
def test_what_is_gone_is_as_if_it_were_effort_alone(gone, half):
    point, halves, rung = visits()
    under = {1: (3, 4), 3: (3,), 5: (5,)}[gone]
    less = Presence(LADDER, point, halves, np.where(np.isin(rung, under), ROOT, rung))
    asked = spots(point[::20], half)
    one = said(Presence(LADDER, point, halves, rung), asked, gone)
    assert one == pytest.approx(said(less, asked), abs=1e-6)


@pytest.mark.parametrize("side", [SITE_KM, BLOCK_KM])
def test_a_cube_that_is_left_out_is_as_if_it_had_not_been_visited(side):
    point, halves, rung = visits()
    asked = point[17:18]
    inside = (np.floor(point / side) == np.floor(asked / side)).all(axis=1)
    assert inside.any()
    whole = Presence(LADDER, point, halves, rung)
    less = Presence(LADDER, point[~inside], halves[~inside], rung[~inside])
    one, other = said(whole, spots(asked, 7, side)), said(less, spots(asked, 7))
    # Of a site the means of larger cells move a little.
    assert one == pytest.approx(other, abs=1e-6 if side == BLOCK_KM else 0.1)
    assert np.abs(said(whole, spots(asked, 7)) - one).max() > 0.2


def test_days_tell_among_the_visits_of_the_surroundings():
    count = 60
    chance = np.random.default_rng(1)
    point = points(chance.uniform(0, 2, count), chance.uniform(0, 2, count))
    half = np.repeat(np.array([12, 23], np.int8), count // 2)
    rung = np.repeat([3, 5], count // 2)
    presence = Presence(LADDER, point, half, rung)
    summer = said(presence, spots(point[:1], half=11))
    winter = said(presence, spots(point[:1], half=0))  # the year is a circle
    assert summer[3, -1] > 0.5 > -0.5 > winter[3, -1]
    assert winter[5, -1] > 0.5 > -0.5 > summer[5, -1]


def test_many_spots_are_as_one_by_one():
    presence = Presence(LADDER, *visits())
    asked = spots(visits()[0][:30], 4, SITE_KM)
    together = said(presence, asked)
    alone = [said(presence, asked.taken(np.array([n]))) for n in range(30)]
    assert together == pytest.approx(np.concatenate(alone))
    assert together.shape == (180, NUMBERS)


# -- lists ----------------------------------------------------------------------------------------

TABLE = (
    "scientificName,family,decimalLatitude,decimalLongitude,eventDate,occurrenceStatus\n"
    "Aus bus L. 1758,Aidae,52.11,5.21,2020-06-03,present\n"
    "Aus bus L. 1758,Aidae,52.12,5.22,2021-06-07/2021-07-01,present\n"
    "Aus bus L. 1758,Aidae,10,10,,present\n"
    "Bus_cus,,0,0,2020,present\n"
    "Bus_cus,,91,0,2020,present\n"
    ",,1,1,,present\n"
    "Dus gone,,1,1,,absent\n"
)


def test_a_list_is_read_as_what_differs_in_it(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(TABLE)
    found = read_sightings(path)
    assert found.names == ["Aus bus L. 1758", "Bus cus"]
    assert found.count.tolist() == [3, 2]
    assert found.above[0] == {"family": "Aidae"}
    assert found.taxon.tolist() == [0, 0, 1]  # two days of one half of a month at one place
    assert sorted(found.half.tolist()) == [-1, -1, 10]
    assert found.latitude[found.half == 10] == pytest.approx([52.115])
    assert np.isnan(found.latitude[found.taxon == 1]).all()
    assert [note.split()[0] for note in found.notes] == ["1", "2"]
    assert found.placed


@pytest.mark.parametrize("suffix", ["tsv", "zip", "folder"])
def test_downloads_are_read_alike(tmp_path, suffix):
    csv = tmp_path / "list.csv"
    csv.write_text(TABLE)
    tabbed = TABLE.replace(",", "\t")
    if suffix == "tsv":
        path = tmp_path / "list.tsv"
        path.write_text(tabbed)
    elif suffix == "zip":
        path = tmp_path / "download.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("occurrence.txt", "gbifID\t" + tabbed.replace("\n", "\n1\t")[:-2])
    else:
        path = tmp_path / "download"
        path.mkdir()
        (path / "occurrence.txt").write_text("gbifID\t" + tabbed.replace("\n", "\n1\t")[:-2])
    assert read_sightings(path).hash == read_sightings(csv).hash


def test_only_what_is_near_is_read(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(TABLE)
    assert read_sightings(path, Near(52, 5, 50)).count.tolist() == [2]
    with pytest.raises(InputError, match="names no taxon within that distance"):
        read_sightings(path, Near(-52, 5, 50))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("a,b\n1,2\n", "no column of names"),
        ("species,latitude\nAus bus,1\n", "only one of latitude and longitude"),
        ("species\n,\n", "names no taxon"),
    ],
    ids=["empty", "no names", "half a place", "no rows"],
)
def test_a_list_that_is_none_says_so(tmp_path, text, said):
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises((InputError, FormatError), match=said):
        read_sightings(path)


def test_dates_and_names():
    assert spot_of(1, 2, "2020-01-15/2020-12-31") == (1, 2, 0)
    assert spot_of(1, 2, "2020-12-16T10:00") == (1, 2, 23)
    assert spot_of(1, 2, "2020") == spot_of(1, 2, None) == spot_of(1, 2, "2020-13-01") == (1, 2, -1)
    assert half_of(1, 16) == 1
    assert binomial("Aus (Bus) cus-dus Miller, 1901") == "Aus cus-dus"
    assert binomial("Aus") == binomial("Aus Miller") == binomial("Aus sp. 1") == ""


def test_counts_that_are_no_numbers_count_one(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("species,count\nApis mellifera,nan\nOsmia rufa,inf\nOsmia rufa,3\n")
    assert read_sightings(path).count.tolist() == [1, 4]
