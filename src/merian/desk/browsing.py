"""What the desk shows of the board: a page of records, the tree with its counts, the progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np

from merian.catalogue.schema import RANKS, quoted
from merian.desk.asking import Condition, condition_of
from merian.desk.board import BOARD
from merian.desk.desk import Desk
from merian.errors import InputError

__all__ = [
    "SORTS",
    "Branch",
    "View",
    "opened_in",
    "page_of",
    "path_in",
    "progress",
    "tree_of",
    "view_of",
]

PAGE = 120  # records of a page
UNNAMED = "none"
_SHOWN = ("place", "record", "stands", "scientificName", "identificationQualifier", "taxonRank",
          "mediaID", "state", "sequenced", "clash", "clashRank", "human", "machine", "picture",
          "barcode", "probability", "agentType", "outlier")  # fmt: skip

SORTS: Mapping[str, tuple[str, str]] = {
    "outlier": ("outlier DESC NULLS LAST", "Farthest from the middle of its name first"),
    "unsure": ("probability NULLS LAST", "Least sure first"),
    "clash": ("clashRank NULLS LAST, clashStrength DESC NULLS LAST", "Strongest contradictions"),
    "like": ("likeness DESC NULLS LAST", "Most like the pinned one first"),
    "name": ("scientificName NULLS LAST", "By name"),
    "date": ("eventDate DESC NULLS LAST", "Latest first"),
    "id": ("place", "By record"),
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """What a page is about.

    Attributes:
        rank: Of the taxon that is looked at; "none" for what has no name, "" for all.
        name: Its name.
        ask: What else is asked for.
        sort: The order, one of `SORTS`.
        pin: The record that others are to be like.
        start: The first record of the page.
    """

    rank: str = ""
    name: str = ""
    ask: str = ""
    sort: str = ""
    pin: str = ""
    start: int = 0

    def address(self, **changes: Any) -> str:
        """Return the address of this view, or of one that differs."""
        told = vars(replace(self, **{"start": 0, **changes}))
        query = urlencode({key: value for key, value in told.items() if value})
        return f"/?{query}" if query else "/"

    def condition(self, desk: Desk) -> Condition:
        """Return what holds for its records."""
        asked = condition_of(self.ask, desk.measured)
        if self.rank == UNNAMED:
            return Condition("scientificName IS NULL") & asked
        if self.rank:
            # Also a rank that has no column of its own, for what stands there.
            column = quoted(self.rank) if self.rank in RANKS else None
            if column:
                return Condition(f"{column} = ?", (self.name,)) & asked
            return Condition("taxonRank = ? AND scientificName = ?", (self.rank, self.name)) & asked
        return asked


def view_of(query: Mapping[str, str], desk: Desk) -> View:
    """Return the view that an address asks for."""
    start = query.get("start", "0")
    if not start.isascii() or not start.isdecimal() or len(start) > 9:
        raise InputError(f"start={start[:20]}: expected a number of records")
    sort = query.get("sort", "")
    if sort not in SORTS:
        sort = "like" if query.get("pin") else "outlier" if desk.likeness else "unsure"
    return View(query.get("rank", "")[:40], query.get("name", "")[:400], query.get("ask", "")[:600],
                sort, query.get("pin", "")[:400], int(start))  # fmt: skip


@dataclass(frozen=True)
class Page:
    """Some records of a view, and how many it has."""

    rows: list[dict[str, Any]]
    count: int


def page_of(desk: Desk, view: View) -> Page:
    """Return one page of a view."""
    held = view.condition(desk)
    source, order = BOARD, SORTS[view.sort][0]
    with desk.cursor() as con:
        (count,) = con.execute(
            f"SELECT count(*) FROM {BOARD} WHERE {held.sql}", [*held.values]
        ).fetchall()[0]
        if view.sort == "like":
            pinned = desk.value(f"SELECT place FROM {BOARD} WHERE record = ?", [view.pin])
            if pinned is None:
                raise InputError("no record is pinned: choose one and press P")
            if not desk.likeness.has(int(pinned)):
                raise InputError(f"{view.pin}: has no stored vector to compare others with")
            likeness = desk.likeness.to(int(pinned))
            con.register("alike", {"place": np.arange(1, len(likeness) + 1), "likeness": likeness})
            source = (
                f"(SELECT b.*, nullif(a.likeness, 'NaN'::FLOAT) AS likeness FROM {BOARD} b "
                "JOIN alike a USING (place))"
            )
        # The places of the page first, so that wide rows are not sorted.
        places = con.execute(
            f"SELECT place FROM {source} WHERE {held.sql} ORDER BY {order}, place "
            f"LIMIT {PAGE} OFFSET {view.start}", [*held.values],
        ).fetchall()  # fmt: skip
    wanted = [int(place) for (place,) in places]
    if not wanted:
        return Page([], int(count))
    found = desk.rows(
        f"SELECT {', '.join(_SHOWN)} FROM {BOARD} WHERE place IN ({', '.join(map(str, wanted))})"
    )
    by_place = {row["place"]: row for row in found}
    return Page([by_place[place] for place in wanted], int(count))


def progress(desk: Desk) -> dict[str, int]:
    """Return how many records are in which state, and how many contradictions are open."""

    def count() -> dict[str, int]:
        told = {row["state"]: row["n"] for row in desk.rows(
            f"SELECT state, count(*) AS n FROM {BOARD} GROUP BY 1")}  # fmt: skip
        clashes = desk.value(f"SELECT count(*) FROM {BOARD} WHERE clash IS NOT NULL")
        return {**dict.fromkeys(("open", "accepted", "look again", "dismissed"), 0), **told,
                "records": desk.records, "clashes": int(clashes)}  # fmt: skip

    found: dict[str, int] = desk.kept("progress", count)
    return found


# -- the tree -----------------------------------------------------------------------------------


@dataclass
class Branch:
    """A taxon of the tree: how many records are in it, and how many of them are accepted."""

    rank: str
    name: str
    count: int = 0
    done: int = 0
    below: dict[tuple[str, str], Branch] = field(default_factory=dict)

    @property
    def children(self) -> list[Branch]:
        """Those below, by name."""
        return sorted(self.below.values(), key=lambda one: one.name)


def tree_of(desk: Desk) -> Branch:
    """Return the tree of all names that stand."""

    def make() -> Branch:
        ranks = ", ".join(map(quoted, RANKS))
        with desk.cursor() as con:
            rows = con.execute(
                f"SELECT {ranks}, count(*), count(*) FILTER (state = 'accepted') "
                f"FROM {BOARD} WHERE scientificName IS NOT NULL GROUP BY ALL ORDER BY ALL"
            ).fetchall()
        root = Branch("", "")
        for *names, count, done in rows:
            here = root
            here.count += count
            here.done += done
            for rank, name in zip(RANKS, names, strict=True):
                if name:
                    here = here.below.setdefault((rank, name), Branch(rank, name))
                    here.count += count
                    here.done += done
        return root

    found: Branch = desk.kept("tree", make)
    return found


def path_in(root: Branch, rank: str, name: str) -> list[Branch]:
    """Return the branches from below the root down to a taxon."""
    stack: list[tuple[Branch, list[Branch]]] = [(root, [])]
    while stack:
        here, path = stack.pop()
        if (here.rank, here.name) == (rank, name):
            return path
        stack += [(one, [*path, one]) for one in here.below.values()]
    return []


def opened_in(root: Branch, path: Sequence[Branch], most: int = 45) -> set[int]:
    """Return which branches are shown open, by identity: those of a path, and more from above.

    Args:
        root: Of the tree.
        path: Down to what is looked at.
        most: Names that are shown; what is on the path is shown anyway.
    """
    found = {id(one) for one in path}
    shown = len(root.below) + sum(len(one.below) for one in path)
    level = root.children
    while level:
        following = []
        for one in level:
            if id(one) not in found:
                if shown + len(one.below) > most:
                    continue
                shown += len(one.below)
                found.add(id(one))
            following += one.children
        level = following
    return found
