"""The pages of `merian discover`: one of all clusters, and a card for each.

Each page is one file that needs nothing else; all that comes from data is escaped. Names of genera
and below are slanted, codes are not hidden in anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from merian.discover.cards import Card, cards_of
from merian.discover.folder import FORMAT, VERSION
from merian.discover.registry import Cluster
from merian.discover.run import Discovered
from merian.discover.source import Given
from merian.files import write_text
from merian.report.clustered_points import write_points
from merian.report.page import (
    Figures,
    Gallery,
    Link,
    Map,
    Name,
    Note,
    Part,
    Section,
    Table,
    Text,
    Thumbnail,
    page,
)
from merian.report.small_picture import small_picture
from merian.stamp import stamp
from merian.taxonomy.ranks import RANK_NUMBER

__all__ = ["card_page", "write_pages"]

_CARDS = "cards"
_LISTED = 1000  # clusters on the page of all
_MEMBERS = 100  # on a card; all are in members.tsv
_NOT_NEW = (
    "What stands here has no name in the libraries that were asked, or in the catalogue. That does "
    "not make it new to science."
)


def write_pages(
    found: Discovered, given: Given, folder: Path, cards: int, run: str, *, points: bool = False
) -> None:
    """Write the page of all clusters and a card for each of the largest.

    Args:
        found: What was found.
        given: What was grouped.
        folder: Where to.
        cards: How many clusters get a card.
        run: The id of the run.
        points: Whether a page of all vectors as points is written too.
    """
    mark = stamp(FORMAT, VERSION, run)
    shown: list[tuple[Card, bytes]] = []
    (folder / _CARDS).mkdir(exist_ok=True)
    for card in cards_of(found, given.catalogue, cards):
        pictures = [(record, *small_picture(address)) for record, address in card.pictures]
        shown.append((card, pictures[0][1] if pictures else b""))
        text = card_page(card, pictures, mark)
        write_text(folder / _CARDS / f"{card.cluster.code}.html", text)
    write_text(folder / "clusters.html", _whole(found, shown, mark))
    if points:
        write_points(found, folder, run)


# -- all clusters ---------------------------------------------------------------------------------


def _whole(found: Discovered, shown: Sequence[tuple[Card, bytes]], mark: dict[str, object]) -> str:
    """Return the page of all clusters."""
    registry = found.registry
    codes = {registry.current(code) for code in found.code.values()}
    clusters = [one for one in registry.standing() if one.code in codes]
    carded = {card.cluster.code for card, _ in shown}
    rows = [_listed(one, one.code in carded) for one in clusters[:_LISTED]]
    figures: list[tuple[object, str]] = [
        (len(clusters), "clusters"),
        (len(codes - {*found.before.clusters}), "of them new"),
        (len(found.code), "records in them"),
        (len(found.alone), "records left alone"),
    ]
    parts: list[Part] = [Figures(figures), Note(_NOT_NEW)]
    if found.named or found.bare:
        parts.append(
            Text(
                f"{found.looked_at:,} records were looked at. {found.named:,} stand by a species "
                f"and were left out; {found.bare:,} have nothing to be grouped by."
            )
        )
    columns: tuple[str, ...] = (
        "cluster", "specimens", "stands under", "probability", "nearest named species", "distance",
        "stability",
    )  # fmt: skip
    told = [i for i in range(len(columns)) if any(row[i] is not None for row in rows)]
    columns = tuple(columns[i] for i in told)
    rows = [[row[i] for i in told] for row in rows]
    listed: list[Part] = [
        Table(columns, rows, "Each under the lowest taxon that its members support together",
              more=len(clusters) - len(rows))
    ] if rows else [Text("No cluster was found: no two records are alike enough.")]  # fmt: skip
    sections = [Section("What was found", parts), Section("The clusters", listed)]
    pictures = [
        Thumbnail(small, card.cluster.code, _as_name(card.cluster), _under(card.cluster))
        for card, small in shown
        if small
    ]
    if pictures:
        sections.append(Section("Their middles", [Gallery("The medoid of each", pictures)]))
    sections.append(Section("How it was done", [_method(found)]))
    return page(
        "What has no name yet", sections, subtitle="Clusters with provisional names that stay",
        stamp=mark,
    )  # fmt: skip


def _listed(one: Cluster, has_card: bool) -> list[object]:
    """Return the row of a cluster."""
    name = Link(one.name, f"{_CARDS}/{one.code}.html") if has_card else one.name
    return [
        name, one.specimens, _under(one) or None, _rounded(one.probability),
        one.nearest or one.nearest_reference or None, _rounded(one.distance, 4),
        _rounded(one.support, 2),
    ]  # fmt: skip


def _method(found: Discovered) -> Table:
    """Return what was chosen and what was found to be best."""
    rows: list[list[object]] = [
        [name, "found" if name == "clusters" and value is None else str(value)]
        for name, value in found.method.settings.items()
    ]
    return Table(("setting", "value"), rows)


# -- one cluster ----------------------------------------------------------------------------------


def card_page(
    card: Card, pictures: Sequence[tuple[str, bytes, str]], mark: dict[str, object]
) -> str:
    """Return the page of one cluster.

    Args:
        card: What is known of it.
        pictures: Records with a small picture, or why there is none.
        mark: The stamp.
    """
    one = card.cluster
    shown = [
        Thumbnail(data, record, "medoid" if record == one.medoid else "", "", missing)
        for record, data, missing in pictures
    ]
    sections = [
        Section("What it is", _what(card)),
        *([Section("What it looks like", [
            Text("The medoid first, then the members that differ most from those before."),
            Gallery("Members", shown),
        ])] if shown else []),
        *_where(card),
        *_barcode(card),
        *_traits(card),
        Section("Its members", [_members(card)]),
        Section("Its history", [_history(card)]),
    ]  # fmt: skip
    also = f"; also {', '.join(card.aliases)}" if card.aliases else ""
    return page(one.name, sections, subtitle=f"Cluster {one.code}{also}", stamp=mark)


def _what(card: Card) -> list[Part]:
    """Return where a cluster stands and how sure that is."""
    one = card.cluster
    figures: list[tuple[object, str]] = [(one.specimens, "specimens")]
    if one.parent and one.probability is not None:
        figures.append((_percent(one.probability), f"that a member belongs to {one.parent}"))
    if one.distance is not None:
        figures.append((_percent(one.distance, 1), "from the nearest species with a name"))
    if one.support is not None:
        figures.append((_percent(one.support), "found again when part of the records is drawn"))
    parts: list[Part] = [Figures(figures)]
    if one.promoted:
        entry = [e for e in card.history if e.action == "promoted" and e.name == one.promoted][-1]
        why = f": {entry.why}" if entry.why else ""
        parts.append(Note(f"It was given this name by {entry.by} on {entry.at}{why}."))
    else:
        parts.append(Note(_NOT_NEW))
    if one.distance == 0 and one.measure == "barcode" and one.nearest:
        parts.append(
            Note(
                f"Its medoid has the same barcode as {one.nearest}. It may be that species, if the "
                "barcode does not part it from others; look at the specimens."
            )
        )
    if one.parent:
        parts.append(
            Text(
                f"It stands under the {one.parent_rank} {one.parent}: "
                f"{_percent(one.standing or 0)} of its members stand by that or by something below "
                "it, each as merian identify promises. A member drawn at random belongs to it with "
                f"a probability of {_percent(one.probability or 0)}. Nothing below is supported."
            )
        )
    else:
        parts.append(Text("No taxon is stood by more than half of its members."))
    if one.nearest or one.nearest_reference:
        parts.append(
            Text(
                f"The nearest species with a name is {_nearest(one)}, {_far(one)} from its medoid "
                f"{one.medoid}."
            )
        )
    if card.beside and card.beside.guesses:
        held = {name for _, name in one.lineage}
        rows: list[list[object]] = [
            [rank, _slanted(name, rank), round(p, 3), "yes" if name in held else "a guess"]
            for rank, name, p in card.beside.guesses
        ]
        columns = ("rank", "name", "probability", "stood by")
        parts.append(Table(columns, rows, "What its members say together"))
    return parts


def _where(card: Card) -> list[Section]:
    """Return places and dates."""
    facts = card.facts
    parts: list[Part] = []
    if facts.places:
        count = f"{len(facts.places):,} of {len(card.members):,} members have coordinates"
        parts.append(Map(count, facts.places))
    if facts.dates:
        first, last = facts.dates
        when = f"on {first}" if first == last else f"from {first} to {last}"
        parts.append(Text(f"Found {when}."))
    if facts.countries:
        parts.append(Table(("country", "members"), [[*row] for row in facts.countries]))
    return [Section("Where and when", parts)] if parts else []


def _barcode(card: Card) -> list[Section]:
    """Return how far apart members are, and the barcode of the medoid."""
    parts: list[Part] = []
    if card.beside:
        middle = card.beside.middle
        rows: list[list[object]] = [
            ["members to their medoid, mean", round(middle.mean, 4)],
            ["members to their medoid, most", round(middle.widest, 4)],
        ]
        if card.beside.apart is not None:
            rows.append([f"to the nearest cluster, {card.other}".rstrip(", "),
                         round(card.beside.apart, 4)])  # fmt: skip
        parts.append(Table(("distance", "of 1"), rows))
    if card.sequence:
        parts += [
            Text(f"The barcode of the medoid {card.cluster.medoid}, {len(card.sequence)} bases:"),
            Text(card.sequence),
        ]
    return [Section("How alike they are", parts)] if parts else []


def _traits(card: Card) -> list[Section]:
    """Return what was measured."""
    rows: list[list[object]] = [
        [trait.name, trait.unit or None, trait.count, trait.median, trait.least, trait.most]
        for trait in card.facts.traits
    ]
    columns = ("trait", "unit", "measured", "median", "least", "most")
    return [Section("Traits", [Table(columns, rows)])] if rows else []


def _members(card: Card) -> Table:
    """Return the records of a cluster, and what each says alone."""
    rows: list[list[object]] = [
        [
            member.id + (" (medoid)" if member.id == card.cluster.medoid else ""),
            f"{member.rank} {member.name}".strip() or None,
            _rounded(member.probability),
        ]
        for member in card.members[:_MEMBERS]
    ]
    return Table(("record", "stands alone by", "probability"), rows,
                 more=len(card.members) - len(rows))  # fmt: skip


def _history(card: Card) -> Table:
    """Return what became of a cluster."""
    rows: list[list[object]] = [
        [str(e.number), e.action, e.code, ", ".join(e.others) or None, e.name or None,
         e.by or None, e.at or None, e.why or None]
        for e in card.history
    ]  # fmt: skip
    return Table(("entry", "what", "cluster", "others", "name", "by", "date", "why"), rows)


# -- words ----------------------------------------------------------------------------------------


def _under(one: Cluster) -> str:
    return f"{one.parent_rank} {one.parent}".strip()


def _nearest(one: Cluster) -> str:
    """Return the nearest species and its reference."""
    if not one.nearest:
        return one.nearest_reference
    return f"{one.nearest} ({one.nearest_reference})" if one.nearest_reference else one.nearest


def _far(one: Cluster) -> str:
    """Return how far the nearest species is, in words."""
    if one.distance is None:
        return "at a distance that is not known"
    if one.measure == "picture":
        return f"{one.distance:.3f} away (1 less the cosine)"
    return f"{_percent(one.distance, 1)} of the bases away"


def _as_name(one: Cluster) -> str:
    return _slanted(one.name, one.parent_rank)


def _slanted(name: str, rank: str) -> str:
    return Name(name) if RANK_NUMBER.get(rank, 0) >= RANK_NUMBER["genus"] else name


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"
