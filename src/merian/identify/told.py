"""What catalogues tell of records beside their evidence: labels, and the places of their finds.

A label is an identification that stands, by a person or by another program; never an answer of
`merian identify`. It is taken to be wrong in 5 of 100 cases where a person gave it, and in 20 of
100 where a machine did that states no probability. Both are assumptions and are not measured; they
only order the list of contradictions.

A place speaks against a name where all other records of that species (else genus) that people have
named in the same catalogue lie far from it: three places at least, none nearer than 500 km nor than
three times the greatest distance between them. With n such places and the nearest d away, where
more than D is far, it is n / (n + 1) * (1 - D / d) sure: the rule of succession for the next find
to be among the others, times how far beyond the limit it is. Places are one where they fall into
the same tenth of a degree. A place at 0/0, none that is on the globe, and one that would fit with
latitude and longitude exchanged, is no evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merian.catalogue import RANKS, Catalogue
from merian.catalogue.checks import literal
from merian.catalogue.definitions import STANDING, STANDS_FIRST, own_answer
from merian.identify.disagreements import (
    LEAST,
    PLACE,
    Contradiction,
    Voice,
    contradictions,
    same_taxon,
    spelt_alike,
    taxa_named,
)
from merian.learn.pack_labels import CELLS, COLUMNS, row_names
from merian.taxonomy import STATUSES

if TYPE_CHECKING:
    from merian.taxonomy import Taxonomy

__all__ = [
    "USABLE",
    "Place",
    "Range",
    "disagreements",
    "great_circle",
    "labels_of",
    "out_of_place",
    "places_of",
    "ranges_of",
]

HUMAN_ERROR, MACHINE_ERROR = 0.05, 0.2  # of 1, the share of labels that is taken to be wrong
FAR_KM, EXTENTS, PLACES = 500.0, 3.0, 3
_EARTH_KM = 6371.0088  # the mean radius
_CELL = 0.1  # degrees
_MEMORY = "400MB"
_BATCH = 10_000  # the labels of a whole catalogue are gone through for each
_BLOCK = 64  # places that are compared with all others at once
_RANGED = ("species", "genus")

# As the view `determination` has it, but without answers of our own, and also of things and
# evidence that no occurrence is known of.
_STANDING = f"""
SELECT coalesce(i.occurrenceID, s.occurrenceID, m.occurrenceID, t.occurrenceID,
    i.materialEntityID, s.materialEntityID, m.materialEntityID, i.mediaID,
    i.nucleotideSequenceID) AS subject, i.*
FROM identification i
LEFT JOIN sequence s ON i.nucleotideSequenceID = s.nucleotideSequenceID
LEFT JOIN media m ON i.mediaID = m.mediaID
LEFT JOIN material t
    ON t.materialEntityID = coalesce(i.materialEntityID, s.materialEntityID, m.materialEntityID)
LEFT JOIN run r ON r.runID = i.runID
WHERE NOT {own_answer("i", "r")} AND {STANDING}
QUALIFY row_number() OVER (
    PARTITION BY subject
    ORDER BY {STANDS_FIRST}
) = 1
"""
_CELLS = ", ".join(f'"{cell}"' for cell in CELLS)
# 0/0 is what a program writes that knows no place.
USABLE = (
    "isfinite(e.decimalLatitude) AND isfinite(e.decimalLongitude) "
    "AND abs(e.decimalLatitude) <= 90 AND abs(e.decimalLongitude) <= 180 "
    "AND NOT (e.decimalLatitude = 0 AND e.decimalLongitude = 0)"
)
"""Whether an event ``e`` has a place on the globe, as SQL."""
_NAMES = {
    "species": "if(taxonRank = 'species', scientificName, "
    "if(identificationQualifier IS NULL, species, NULL))",
    # Where no record has a name DuckDB cannot bind a split_part that is filtered.
    "genus": "coalesce(genus, regexp_extract(coalesce(species, "
    "if(taxonRank IN ('genus', 'species'), scientificName, NULL)), '^[^ ]*'))",
}

Taxon = tuple[str, str]  # rank and name
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record was found, in degrees; and how far off that may be, in km."""

    latitude: float
    longitude: float
    uncertainty: float = 0.0


@dataclass(frozen=True)
class Range:
    """Where the records of a taxon were found, each tenth of a degree once.

    Attributes:
        latitudes: In degrees.
        longitudes: The same.
        only: The record, where there is one alone; else "".
    """

    latitudes: Floats
    longitudes: Floats
    only: NDArray[np.str_]

    def without(self, record: str) -> tuple[Floats, Floats]:
        """Return the places of all records but one."""
        others = self.only != record
        return self.latitudes[others], self.longitudes[others]


def great_circle(
    latitude: ArrayLike, longitude: ArrayLike, latitudes: ArrayLike, longitudes: ArrayLike
) -> Floats:
    """Return the distance between places on the globe in km, by the haversine formula."""
    phi, theta = np.radians(latitude), np.radians(longitude)
    phis, thetas = np.radians(latitudes), np.radians(longitudes)
    half = np.sin((phis - phi) / 2) ** 2
    half = half + np.cos(phi) * np.cos(phis) * np.sin((thetas - theta) / 2) ** 2
    return np.asarray(2 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


# -- asking a catalogue -------------------------------------------------------------------------


def labels_of(
    catalogue: Catalogue, ids: Iterable[str], taxonomy: Taxonomy | None = None
) -> dict[str, Voice]:
    """Return the labels that stand, by the ids of records; give a few thousand at once.

    Args:
        catalogue: Where they stand.
        ids: Of occurrences, or else of things, pictures or sequences.
        taxonomy: Names the taxa above the lowest name, where the label does not.
    """
    asked = ", ".join(literal(key) for key in sorted(set(ids)))
    if not asked:
        return {}
    sql = (
        f"SELECT subject, coalesce(identifiedBy, ''), agentType, probability, {_CELLS} "
        f"FROM ({_STANDING}) WHERE subject IN ({asked}) ORDER BY subject"
    )
    rows = catalogue.query(sql).fetch()
    cells = [tuple(None if v is None else str(v) for v in row[4:]) for row in rows]
    distinct = [*dict.fromkeys(cells)]
    read = dict(zip(distinct, row_names(distinct), strict=True))
    found = {}
    for (key, source, agent, probability, *_), cell in zip(rows, cells, strict=True):
        names = {
            rank: n for rank, n in zip(COLUMNS, read[cell], strict=True) if n and rank in RANKS
        }
        if taxonomy is not None:
            names = _lineage(names, cell[CELLS.index("scientificName")], taxonomy)
        if agent == "machine":
            sure = 1 - MACHINE_ERROR if probability is None else float(str(probability))
        else:
            sure = 1 - HUMAN_ERROR
        if names:
            found[str(key)] = Voice("label", str(source), names, dict.fromkeys(names, sure))
    return found


def _lineage(names: Mapping[str, str], lowest: str | None, taxonomy: Taxonomy) -> dict[str, str]:
    """Return names with those above the lowest one, where a checklist knows just one such taxon."""
    rank = next((rank for rank in reversed(RANKS) if rank in names), None)
    name = names[rank] if rank else lowest
    nodes = taxa_named(taxonomy, rank, name or "")
    if len(nodes) != 1:
        return dict(names)
    path = taxonomy.path(nodes.pop())
    above = {taxonomy.rank_of(node): taxonomy.name_of(node) for node in path}
    return {r: name for r, name in above.items() if r in RANKS} | dict(names)


def places_of(catalogue: Catalogue, ids: Iterable[str]) -> dict[str, Place]:
    """Return where records were found, by their ids, where that is told and can be true."""
    asked = ", ".join(literal(key) for key in sorted(set(ids)))
    if not asked:
        return {}
    found = catalogue.query(
        "SELECT o.occurrenceID, e.decimalLatitude, e.decimalLongitude, "
        "coalesce(e.coordinateUncertaintyInMeters, 0) / 1000 "
        f"FROM occurrence o JOIN event e ON e.eventID = o.eventID "
        f"WHERE o.occurrenceID IN ({asked}) AND {USABLE} ORDER BY 1"
    )
    return {str(key): Place(*(float(str(value)) for value in place)) for key, *place in found}


def ranges_of(
    catalogue: Catalogue, taxa: Iterable[Taxon], taxonomy: Taxonomy | None = None
) -> dict[Taxon, Range]:
    """Return where people have found taxa, species or genera, as far as a catalogue knows.

    Args:
        catalogue: Where the records are.
        taxa: Rank and name of each.
        taxonomy: Whose synonyms count as the same.
    """
    found: dict[Taxon, Range] = {}
    for rank in _RANGED:
        spelt: dict[str, set[str]] = {}
        for name in sorted({name for r, name in taxa if r == rank}):
            for other in _spellings(name, rank, taxonomy):
                spelt.setdefault(other, set()).add(name)
        if not spelt:
            continue
        listed = ", ".join(map(literal, sorted(spelt)))
        rows = catalogue.query(
            f"SELECT {_NAMES[rank]} AS name, round(e.decimalLatitude / {_CELL}) AS y, "
            f"round(e.decimalLongitude / {_CELL}) AS x, min(e.decimalLatitude), "
            "min(e.decimalLongitude), if(count(*) = 1, min(d.subject), '') "
            f"FROM ({_STANDING}) d JOIN occurrence o ON o.occurrenceID = d.subject "
            f"JOIN event e ON e.eventID = o.eventID "
            f"WHERE agentType IS DISTINCT FROM 'machine' AND {USABLE} AND name IN ({listed}) "
            "GROUP BY ALL ORDER BY name, y, x"
        )
        places: dict[str, dict[tuple[object, object], tuple[float, float, str]]] = {}
        for spelling, y, x, latitude, longitude, only in rows:
            for name in spelt[str(spelling)]:
                held = places.setdefault(name, {})
                alone = str(only) if (y, x) not in held else ""  # two spellings at one place
                held[y, x] = float(str(latitude)), float(str(longitude)), alone
        for name, held in places.items():
            lats, lons, records = zip(*held.values(), strict=True)
            found[rank, name] = Range(
                np.array(lats), np.array(lons), np.array(records, dtype=np.str_)
            )
    return found


def _spellings(name: str, rank: str, taxonomy: Taxonomy | None) -> set[str]:
    """Return a name and its synonyms."""
    if taxonomy is None:
        return {name}
    nodes = [n for taxon in taxa_named(taxonomy, rank, name)
             for n in (taxon, *taxonomy.synonyms(taxon))]  # fmt: skip
    return {name, *(taxonomy.name_of(int(n)) for n in nodes
                    if STATUSES[taxonomy.status[n]] != "misapplied")}  # fmt: skip


# -- places against names -----------------------------------------------------------------------


def out_of_place(
    record: str,
    voices: Sequence[Voice],
    place: Place,
    ranges: Mapping[Taxon, Range],
    least: float = LEAST,
) -> list[Contradiction]:
    """Return which voices the place of a record contradicts.

    Args:
        record: Its id; it is no evidence for itself.
        voices: What is said about it.
        place: Where it was found.
        ranges: Where the taxa that the voices name were found.
        least: The strength below which nothing is told.
    """
    found = []
    for voice in voices:
        for rank in _RANGED:
            known = ranges.get((rank, voice.names.get(rank, ""))) if voice.says(rank) else None
            places = known.without(record) if known is not None else None
            if places is None or len(places[0]) < PLACES:
                continue  # of a species that is hardly known here the genus may tell more
            far = _farness(place, *places)
            if far is not None:
                sure, nearest = far
                p = voice.probabilities[rank]
                name = f"{nearest:,.0f} km from the nearest of its {len(places[0]):,} other places"
                one = Contradiction(record, rank, voice.kind, voice.names[rank], p, PLACE, name,
                                    sure, p * sure, voice.source)  # fmt: skip
                found += [one] if one.strength >= least else []
            break
    return found


def _farness(place: Place, latitudes: Floats, longitudes: Floats) -> tuple[float, float] | None:
    """Return how sure it is that a place is too far from others, and how far it is; or None."""
    nearest = float(great_circle(place.latitude, place.longitude, latitudes, longitudes).min())
    away = nearest - place.uncertainty
    if not away > FAR_KM:
        return None
    limit = max(FAR_KM, EXTENTS * _extent(latitudes, longitudes, away / EXTENTS))
    if away <= limit:
        return None
    if abs(place.longitude) <= 90:
        exchanged = great_circle(place.longitude, place.latitude, latitudes, longitudes)
        if float(exchanged.min()) <= limit:
            return None
    count = len(latitudes)
    return count / (count + 1) * (1 - limit / away), nearest


def _extent(latitudes: Floats, longitudes: Floats, enough: float = math.inf) -> float:
    """Return the greatest distance between two places; one that is enough ends the search."""
    extent = 0.0
    for start in range(0, len(latitudes), _BLOCK):
        y, x = (side[start : start + _BLOCK, None] for side in (latitudes, longitudes))
        extent = max(extent, float(great_circle(y, x, latitudes, longitudes).max()))
        if extent >= enough:
            break
    return extent


# -- all of it ----------------------------------------------------------------------------------


def disagreements(
    asked: Iterable[tuple[str, Sequence[Voice]]],
    catalogues: Sequence[Path] = (),
    taxonomy: Taxonomy | None = None,
    least: float = LEAST,
) -> Iterator[Contradiction]:
    """Return where evidence, labels and places contradict each other, a few thousand at a time.

    Args:
        asked: The id of each record and what the evidence says.
        catalogues: Where the labels and places of records stand; the first that has one counts.
        taxonomy: What synonyms and the taxa above a label are looked up in.
        least: The strength below which nothing is told.
    """
    same = same_taxon(taxonomy) if taxonomy is not None else spelt_alike
    stream = iter(asked)
    while batch := [*islice(stream, _BATCH)]:
        ids = [key for key, _ in batch]
        labels: dict[str, Voice] = {}
        placed: dict[str, tuple[Place, Path]] = {}
        for path in catalogues:
            with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
                labels = labels_of(opened, ids, taxonomy) | labels
                placed = {k: (p, path) for k, p in places_of(opened, ids).items()} | placed
        said = {k: [*voices, *([labels[k]] if k in labels else [])] for k, voices in batch}
        ranges = {}
        for path in {path for _, path in placed.values()}:
            taxa = {(rank, v.names[rank]) for k, (_, where) in placed.items() if where == path
                    for v in said[k] for rank in _RANGED if v.says(rank)}  # fmt: skip
            with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
                ranges[path] = ranges_of(opened, taxa, taxonomy)
        for key, voices in said.items():
            yield from contradictions(key, voices, same, least)
            if key in placed:
                place, path = placed[key]
                yield from out_of_place(key, voices, place, ranges[path], least)
