"""A registry as rows: of the tables of a folder, and of those of a catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from merian.discover.names import CODE
from merian.discover.registry import Cluster, Entry, Registry
from merian.errors import FormatError

__all__ = ["CLUSTERS", "HISTORY", "MEMBERS", "read_registry", "rows_of"]

CLUSTERS = (
    "clusterCode", "name", "goesBy", "parentName", "parentRank", "probability", "standing",
    "specimens", "support", "medoid", "nearestName", "nearestReference", "nearestDistance",
    "nearestBy", "provisionalName", "promotedName", "mergedInto", "mergedByHand", "lineage",
    "founded",
)  # fmt: skip
MEMBERS = ("recordID", "clusterCode")
HISTORY = (
    "entryNumber", "action", "clusterCode", "otherCodes", "name", "nameBefore", "agentType",
    "agent", "date", "reason", "undoes",
)  # fmt: skip

Row = tuple[Any, ...]
_One = TypeVar("_One", Cluster, Entry)
_TOLD = 100  # letters of a row that cannot be read
_NEXT = "; give the tables as `merian discover` wrote them"


def rows_of(registry: Registry) -> dict[str, list[Row]]:
    """Return the rows of each table: cluster, clusterMember, clusterHistory."""
    clusters = []
    for code, one in registry.clusters.items():
        goes_by = registry.current(code)
        clusters.append((
            code, registry.whole(goes_by).name, goes_by, one.parent or None,
            one.parent_rank or None, _rounded(one.probability), _rounded(one.standing),
            one.specimens, _rounded(one.support), one.medoid or None, one.nearest or None,
            one.nearest_reference or None, _rounded(one.distance), one.measure or None,
            one.provisional, one.promoted or None, one.into or None, one.by_hand,
            json.dumps(dict(one.lineage), ensure_ascii=False), one.founded,
        ))  # fmt: skip
    history = [
        (
            e.number, e.action, e.code, ";".join(e.others) or None, e.name or None,
            e.before or None, e.agent, e.by or None, e.at or None, e.why or None, e.undoes or None,
        )
        for e in registry.history
    ]  # fmt: skip
    return {
        "cluster": clusters,
        "clusterMember": sorted(registry.code.items()),
        "clusterHistory": history,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)


def read_registry(
    clusters: Iterable[Mapping[str, Any]],
    members: Iterable[tuple[str, str]],
    history: Iterable[Mapping[str, Any]],
) -> Registry:
    """Return the registry of rows that may be texts, or None where a cell is empty.

    Raises:
        FormatError: A table was changed by something else, so that they no longer fit.
    """
    found = [_read(_cluster, row, "cluster") for row in clusters]
    found.sort(key=lambda one: (one.founded, one.code))
    made = [_read(_entry, row, "clusterHistory") for row in history]
    registry = Registry(
        {one.code: one for one in found}, dict(members),
        tuple(sorted(made, key=lambda entry: entry.number)),
    )  # fmt: skip
    for code in {one.into for one in found if one.into}.union(registry.code.values()):
        if code not in registry.clusters:
            raise FormatError(f"the tables of clusters name {code}, but have no row for it{_NEXT}")
    return registry


def _read(read: Callable[[Mapping[str, Any]], _One], row: Mapping[str, Any], table: str) -> _One:
    try:
        found = read(row)
    except (AttributeError, TypeError, ValueError) as error:
        cells = "; ".join("" if cell is None else str(cell) for cell in row.values())
        raise FormatError(
            f"{table} has a row that cannot be read ({error}): {cells[:_TOLD]}{_NEXT}"
        ) from None
    if not CODE.fullmatch(found.code):
        raise FormatError(f"{table} has {found.code!r} where the code of a cluster was{_NEXT}")
    return found


def _cluster(row: Mapping[str, Any]) -> Cluster:
    def number(name: str) -> float | None:
        return None if row[name] in (None, "") else float(row[name])

    return Cluster(
        code=row["clusterCode"],
        founded=int(row["founded"]),
        provisional=row["provisionalName"],
        parent=row["parentName"] or "",
        parent_rank=row["parentRank"] or "",
        lineage=tuple(json.loads(row["lineage"] or "{}").items()),
        probability=number("probability"),
        standing=number("standing"),
        specimens=int(row["specimens"]),
        support=number("support"),
        medoid=row["medoid"] or "",
        nearest=row["nearestName"] or "",
        nearest_reference=row["nearestReference"] or "",
        distance=number("nearestDistance"),
        measure=row["nearestBy"] or "",
        into=row["mergedInto"] or "",
        by_hand=str(row["mergedByHand"]).lower() == "true",
        promoted=row["promotedName"] or "",
    )


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        int(row["entryNumber"]),
        row["action"] or "",
        row["clusterCode"] or "",
        others=tuple(filter(None, (row["otherCodes"] or "").split(";"))),
        name=row["name"] or "",
        before=row["nameBefore"] or "",
        agent=row["agentType"] or "machine",
        by=row["agent"] or "",
        at=row["date"] or "",
        why=row["reason"] or "",
        undoes=int(row["undoes"] or 0),
    )
