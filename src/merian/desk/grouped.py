"""The clusters of what has no name yet, at the desk: shown, merged, promoted, undone.

What happens is what `merian discover merge`, `promote` and `undo` do, by the same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from merian.catalogue.clusters import KEPT, write_clusters
from merian.catalogue.schema import quoted
from merian.desk.board import take_in
from merian.desk.desk import Desk
from merian.discover.in_catalogue import names_of
from merian.discover.merging import merge, promote, undo
from merian.discover.registry import Registry
from merian.discover.tables import read_registry, rows_of
from merian.errors import InputError
from merian.stamp import run_id

__all__ = ["clusters_of", "decide_cluster"]

_SHOWN, _CARDS = 11, 200


def registry_of(desk: Desk) -> Registry:
    """Return what the catalogue knows of clusters."""
    rows = {
        name: desk.rows(f"SELECT {', '.join(map(quoted, table.columns))} FROM main.{quoted(name)}")
        for name, table in KEPT.items()
    }
    members = ((str(row["recordID"]), str(row["clusterCode"])) for row in rows["clusterMember"])
    return read_registry(rows["cluster"], members, rows["clusterHistory"])


def clusters_of(desk: Desk) -> tuple[list[dict[str, Any]], list[Any], int]:
    """Return the clusters that stand with some members of each, the history, and their number."""
    registry = registry_of(desk)
    standing = registry.standing()
    members = registry.members()
    told = []
    for one in standing[:_CARDS]:
        records = sorted(members.get(one.code, []), key=lambda r: (r != one.medoid, r))
        told.append({"one": one, "count": len(records), "aliases": registry.aliases(one.code),
                     "cards": desk.cards(records[:_SHOWN])})  # fmt: skip
    undone = {entry.undoes for entry in registry.history}
    history = [
        {"entry": entry, "open": entry.agent == "human" and entry.number not in undone
         and entry.action in ("merged", "promoted")}
        for entry in reversed(registry.history) if entry.agent == "human"
    ]  # fmt: skip
    return told, history, len(standing)


def decide_cluster(desk: Desk, told: dict[str, Any], by: str, why: str) -> dict[str, Any]:
    """Merge, promote or undo; return what was done.

    Args:
        desk: It.
        told: do: merge with clusters, promote with clusters and name, or undo with entry.
        by: Who decides.
        why: For what reason.
    """
    if not by.strip():
        raise InputError("say who decides this; it stands in the catalogue")
    by, at = " ".join(by.split()), datetime.now(UTC).date().isoformat()
    codes = [str(code) for code in told.get("clusters") or []]
    change: Callable[[Registry], Registry]
    if told.get("do") == "merge":
        change = lambda known: merge(known, codes, by=by, at=at, why=why)  # noqa: E731
    elif told.get("do") == "promote" and len(codes) == 1:
        name = str(told.get("name") or "")
        change = lambda known: promote(known, codes[0], name, by=by, at=at, why=why)  # noqa: E731
    elif told.get("do") == "undo":
        entry = told.get("entry")
        if not isinstance(entry, int):
            raise InputError("say which entry is to be undone")
        change = lambda known: undo(known, entry, by=by, at=at, why=why)  # noqa: E731
    else:
        raise InputError("choose two clusters or more to merge, or one to promote")
    with desk.writing():
        after = change(registry_of(desk))
        arguments = {"do": told["do"], "clusters": codes, "who": by, "why": why, "date": at}
        rows = rows_of(after)
        run = run_id("discover", {"arguments": arguments, "known": rows})
        with desk.cursor() as con:
            appended = write_clusters(
                con, rows, names_of(after),
                {"runID": run, "arguments": arguments, "inputs": {}},
            )  # fmt: skip
            desk.likeness.moved(con, take_in(con, run))
    last = after.history[-1]
    return {"code": last.code, "action": last.action, "name": last.name, "appended": appended,
            "entry": last.number}  # fmt: skip
