"""What the desk shows of the board: a page of records, the tree with its counts, the progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import numpy as np
from numpy.typing import NDArray

from merian.catalogue.schema import RANKS, quoted
from merian.desk.asking import Condition, condition_of, without
from merian.desk.board import BOARD
from merian.desk.desk import Desk
from merian.errors import InputError

__all__ = [
    "SORTS",
    "Branch",
    "View",
    "greatest",
    "lineage",
    "opened_in",
    "page_of",
    "path_in",
    "paths_in",
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
        above: Where several taxa are called so, the lineage of the one that is meant, as `lineage`
            has it; "" for all that are called so.
        ask: What else is asked for.
        sort: The order, one of `SORTS`.
        pin: The record that others are to be like.
        start: The first record of the page.
    """

    rank: str = ""
    name: str = ""
    above: str = ""
    ask: str = ""
    sort: str = "id"
    pin: str = ""
    start: int = 0

    def address(self, path: str = "/", what: str = "", **changes: Any) -> str:
        """Return the address of this view, or of one that differs, or of what is told of it."""
        told = {**vars(replace(self, **{"start": 0, **changes})), "what": what}
        query = urlencode({key: value for key, value in told.items() if value})
        return f"{path}?{query}" if query else path

    def condition(self, desk: Desk) -> Condition:
        """Return what holds for its records."""
        asked = condition_of(self.ask, desk.measured)
        if self.rank == UNNAMED:
            return Condition("scientificName IS NULL") & asked
        if self.rank:
            # Also a rank that has no column of its own, for what stands there.
            column = quoted(self.rank) if self.rank in RANKS else None
            if column:
                return Condition(f"{column} = ?", (self.name,)) & self._lineage() & asked
            return Condition("taxonRank = ? AND scientificName = ?", (self.rank, self.name)) & asked
        return asked

    def _lineage(self) -> Condition:
        """Return what holds of the ranks above, where one of several of a name is meant."""
        held = Condition()
        if self.above:
            given = dict(parse_qsl(self.above))
            for rank in RANKS[: RANKS.index(self.rank)]:
                name = given.get(rank)
                held &= (
                    Condition(f"{quoted(rank)} = ?", (name,)) if name
                    else Condition(f"{quoted(rank)} IS NULL")
                )  # fmt: skip
        return held


def lineage(above: Mapping[str, str | None], rank: str) -> str:
    """Return the taxa above a rank as an address holds them; "none" where there are none."""
    ranks = RANKS[: RANKS.index(rank)] if rank in RANKS else ()
    return urlencode([(one, above[one]) for one in ranks if above.get(one)]) or UNNAMED


def view_of(query: Mapping[str, str], desk: Desk) -> View:
    """Return the view that an address asks for."""
    start = query.get("start", "0")
    if not start.isascii() or not start.isdecimal() or len(start) > 9:
        raise InputError(f"start={start[:20]}: expected a number of records")
    sort = query.get("sort", "")
    if sort not in SORTS:
        sort = "like" if query.get("pin") else "outlier" if desk.likeness else "unsure"
    return View(
        query.get("rank", "")[:40], query.get("name", "")[:400], query.get("above", "")[:2_000],
        _asked(query), sort, query.get("pin", "")[:400], int(start),
    )  # fmt: skip


def _asked(query: Mapping[str, str]) -> str:
    """Return the question, with the box that was drawn on a map in it."""
    ask = query.get("ask", "")[:600]
    box = [query.get(side, "").strip()[:20] for side in ("south", "west", "north", "east")]
    if not any(box):
        return ask
    return f"{without('within', ask)} within:{','.join(box)}".strip()


@dataclass(frozen=True)
class Page:
    """Some records of a view, and how many it has."""

    rows: list[dict[str, Any]]
    count: int


def page_of(desk: Desk, view: View) -> Page:
    """Return one page of a view."""
    held = view.condition(desk)
    if view.sort == "like":
        wanted, count = _alike(desk, view, held)
    else:
        with desk.cursor() as con:
            (count,) = con.execute(
                f"SELECT count(*) FROM {BOARD} WHERE {held.sql}", [*held.values]
            ).fetchall()[0]
            # The places of the page first, so that wide rows are not sorted.
            places = con.execute(
                f"SELECT place FROM {BOARD} WHERE {held.sql} ORDER BY {SORTS[view.sort][0]}, place "
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


def _alike(desk: Desk, view: View, held: Condition) -> tuple[list[int], int]:
    """Return the places of a page of what is like the pinned record, and how many there are."""
    pinned = desk.value(f"SELECT place FROM {BOARD} WHERE record = ?", [view.pin])
    if pinned is None:
        raise InputError("no record is pinned: choose one and press P")
    if not desk.likeness.has(int(pinned)):
        raise InputError(f"{view.pin}: has no stored vector to compare others with")
    likeness = desk.likeness.to(int(pinned))
    places: NDArray[np.int64]
    if held.sql == "true":
        places = np.arange(1, len(likeness) + 1)
    else:
        with desk.cursor() as con:
            found = con.execute(
                f"SELECT place FROM {BOARD} WHERE {held.sql} ORDER BY place", [*held.values]
            ).fetchnumpy()
        places = np.asarray(found["place"], np.int64)
    order = greatest(likeness[places - 1], view.start, PAGE)
    return places[order].tolist(), len(places)


def greatest(values: NDArray[np.float32], start: int, count: int) -> NDArray[np.int64]:
    """Return which values stand from `start` on if the greatest is first, and NaN last.

    Of equals the first one stands first. Only what may be on the page is put in order.
    """
    low = np.where(np.isnan(values), np.float32(-np.inf), values)
    stop = start + count
    kept = np.arange(len(low))
    if stop < len(low):
        edge = np.partition(low, len(low) - stop)[len(low) - stop]
        kept = np.flatnonzero(low >= edge)
    order = np.argsort(-low[kept], kind="stable")[start:stop]
    return kept[order]


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
    """A taxon of the tree: how many records are in it, and how many of them are accepted.

    Attributes:
        rank: Its rank.
        name: Its name.
        above: Its lineage where others are called so too, else "".
        count: Its records.
        done: Those that were accepted.
        below: The taxa in it.
    """

    rank: str
    name: str
    above: str = ""
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
        called: dict[tuple[str, str], list[tuple[Branch, dict[str, str]]]] = {}
        for *names, count, done in rows:
            here, path = root, dict[str, str]()
            here.count += count
            here.done += done
            for rank, name in zip(RANKS, names, strict=True):
                if name:
                    own = here.below.get((rank, name))
                    if own is None:
                        own = here.below[rank, name] = Branch(rank, name)
                        called.setdefault((rank, name), []).append((own, dict(path)))
                    path[rank] = name
                    here = own
                    here.count += count
                    here.done += done
        for several in called.values():
            if len(several) > 1:  # homonyms, or one taxon that not all labels place alike
                for own, above in several:
                    own.above = lineage(above, own.rank)
        return root

    found: Branch = desk.kept("tree", make)
    return found


def paths_in(root: Branch, rank: str, name: str) -> list[list[Branch]]:
    """Return of each taxon that is called so the branches from below the root down to it."""
    stack: list[tuple[Branch, list[Branch]]] = [(root, [])]
    found = []
    while stack:
        here, path = stack.pop()
        if (here.rank, here.name) == (rank, name):
            found.append(path)
        stack += [(one, [*path, one]) for one in reversed(here.below.values())]
    return found


def path_in(root: Branch, rank: str, name: str, above: str = "") -> list[Branch]:
    """Return the branches down to a taxon; to the first that is called so if none is meant."""
    paths = paths_in(root, rank, name)
    meant = [path for path in paths if path[-1].above == above]
    return (meant or paths or [[]])[0]


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
