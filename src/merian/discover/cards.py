"""The card of a cluster: all that is known of it, put together for its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from merian.catalogue import Catalogue
from merian.catalogue.checks import literal
from merian.discover.registry import Cluster, Entry
from merian.discover.run import Beside, Discovered
from merian.discover.standing import RANKS
from merian.identify.told import USABLE

__all__ = ["Card", "Facts", "Member", "Trait", "cards_of"]

_MEMORY = "400MB"
_ASKED = 20_000  # members whose places, dates and measurements are asked for
_PICTURES = 12


@dataclass(frozen=True)
class Member:
    """A record of a cluster: the taxon that it stands by alone, and how probable that is."""

    id: str
    rank: str
    name: str
    probability: float | None


@dataclass(frozen=True)
class Trait:
    """What was measured: how often, its median and its range."""

    name: str
    unit: str
    count: int
    median: float
    least: float
    most: float


@dataclass(frozen=True)
class Facts:
    """What a catalogue knows of members.

    Attributes:
        places: Latitude and longitude of each that has them.
        dates: The first and the last date, or nothing.
        countries: How many members are of which.
        traits: What was measured of them.
    """

    places: Sequence[tuple[float, float]] = ()
    dates: tuple[str, str] | None = None
    countries: Sequence[tuple[str, int]] = ()
    traits: Sequence[Trait] = ()


@dataclass(frozen=True)
class Card:
    """All that is known of a cluster.

    Attributes:
        cluster: It.
        aliases: Codes that go by its own now.
        members: Its records, the medoid first.
        beside: What this run has found about it; None where it has not seen it.
        other: The name of the cluster beside it, or "".
        pictures: Records and where their pictures are, the medoid's first.
        sequence: The barcode of the medoid, or "".
        facts: What the catalogue knows.
        history: What became of it.
    """

    cluster: Cluster
    aliases: Sequence[str]
    members: Sequence[Member]
    beside: Beside | None
    other: str = ""
    pictures: Sequence[tuple[str, str]] = ()
    sequence: str = ""
    facts: Facts = field(default_factory=Facts)
    history: Sequence[Entry] = ()


def cards_of(found: Discovered, catalogue: Path | None, most: int) -> Iterator[Card]:
    """Return the cards of the clusters that a run has found, the largest first."""
    registry = found.registry
    seen = {registry.current(code) for code in found.code.values()}
    members = registry.members()
    place = {record: number for number, record in enumerate(found.subjects.ids)}
    names = {one.code: one.name for one in registry.standing()}
    for one in [one for one in registry.standing() if one.code in seen][:most]:
        own = [one.code, *registry.aliases(one.code)]
        records = sorted(members[one.code], key=lambda record: (record != one.medoid, record))
        about = _about(found, one, own)
        at = place.get(one.medoid)
        text = found.subjects.sequence[at] if at is not None and found.subjects.sequence else ""
        other = registry.current(about.other) if about and about.other else ""
        yield Card(
            one, own[1:], [_member(found, place, record) for record in records], about,
            names.get(other, "") if other != one.code else "",
            _pictures(found, about, records), text,
            _facts(catalogue, records) if catalogue else Facts(),
            [e for e in registry.history if e.code in own or set(own) & set(e.others)],
        )  # fmt: skip


def _about(found: Discovered, one: Cluster, own: Sequence[str]) -> Beside | None:
    """Return what this run has found about a cluster; of one that people put together, its largest.

    What the members of one part say is not what all of them say, so of several it is left away.
    """
    parts = [found.beside[code] for code in own if code in found.beside]
    if len(parts) < 2:
        return parts[0] if parts else None
    middle = [part for part in parts if found.subjects.ids[part.middle.medoid] == one.medoid]
    return replace((middle or parts)[0], guesses=())


def _member(found: Discovered, place: Mapping[str, int], record: str) -> Member:
    at = place.get(record)
    depth = int(found.said.depth[at]) if at is not None else -1
    if at is None or depth < 0 or found.said.name[at, depth] < 0:
        return Member(record, "", "", None)
    name = found.said.names[found.said.name[at, depth]]
    return Member(record, RANKS[depth], name, float(found.said.probability[at, depth]))


def _pictures(
    found: Discovered, about: Beside | None, records: Sequence[str]
) -> list[tuple[str, str]]:
    """Return pictures of members: the medoid, those that differ most, then others."""
    spread = [found.subjects.ids[n] for n in about.middle.spread] if about else []
    files = found.subjects.files
    shown = dict.fromkeys(record for record in [*spread, *records] if files.get(record))
    return [(record, files[record][0]) for record in [*shown][:_PICTURES]]


def _facts(path: Path, records: Sequence[str]) -> Facts:
    """Return what a catalogue knows of records."""
    asked = ", ".join(literal(record) for record in sorted(records)[:_ASKED])
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
        of = (
            "FROM occurrence o JOIN event e ON e.eventID = o.eventID "
            f"WHERE o.occurrenceID IN ({asked})"
        )
        places = [
            (float(str(north)), float(str(east)))
            for north, east in opened.query(
                f"SELECT e.decimalLatitude, e.decimalLongitude {of} AND {USABLE} ORDER BY ALL"
            )
        ]
        ((first, last),) = opened.query(
            "SELECT min(split_part(e.eventDate, '/', 1)), max(split_part(e.eventDate, '/', -1)) "
            f"{of}"
        ).fetch()
        countries = [
            (str(name), int(str(count)))
            for name, count in opened.query(
                f"SELECT coalesce(e.country, e.countryCode) AS land, count(*) AS n {of} "
                "AND land IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
            )
        ]
        traits = [
            Trait(str(name), str(unit or ""), int(str(count)), *(float(str(v)) for v in values))
            for name, unit, count, *values in opened.query(
                "SELECT g.measurementType, g.measurementUnit, count(*) AS n, "
                "median(g.measurementValueNumeric), min(g.measurementValueNumeric), "
                "max(g.measurementValueNumeric) FROM measurement g "
                "LEFT JOIN media m ON m.mediaID = g.mediaID "
                "LEFT JOIN material t ON t.materialEntityID = g.materialEntityID "
                "WHERE g.measurementValueNumeric IS NOT NULL AND g.measurementType IS NOT NULL AND "
                f"coalesce(g.occurrenceID, m.occurrenceID, t.occurrenceID) IN ({asked}) "
                "GROUP BY 1, 2 ORDER BY n DESC, 1, 2"
            )
        ]
    dates = (str(first), str(last)) if first else None
    return Facts(places, dates, countries, traits)
