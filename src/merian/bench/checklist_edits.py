"""A second version of a real checklist, with a known truth, for measuring how versions compare.

Species, genera and what is between are edited as editors of checklists do, by lot: moved to another
genus with the old name kept as a synonym, or under the same id without it; spelled otherwise;
sunk into a neighbour; a synonym raised to a species of its own; a genus cut in two; a genus put
under another family; a rank changed; a species left out. What each old taxon has become is written
down. No taxon is edited twice, nor one beside an edited one where that would hide either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from merian.database import connect
from merian.taxonomy import RANKS, STATUSES, Taxonomy, build
from merian.taxonomy.tree import CODES

__all__ = ["Edited", "edited"]

_PLAIN = re.compile(r"[A-Z][a-z]+ [a-z-]+")

_COLUMNS = ("id", "parentID", "acceptedID", "name", "authorship", "rank", "status", "code")


@dataclass
class Edited:
    """The second version.

    Attributes:
        taxonomy: It.
        truth: Old taxon -> what became of it, where that is not "same".
        meant: Old taxon -> the id of the taxon that it is now, where that is another id.
    """

    taxonomy: Taxonomy
    truth: dict[int, str] = field(default_factory=dict)
    meant: dict[int, str] = field(default_factory=dict)


class _Editor:
    """The rows of a checklist, and what was done to them."""

    def __init__(self, old: Taxonomy, seed: int) -> None:
        self.old, self.random = old, np.random.default_rng(seed)
        self.ids = [f"{key}" or f"row{row}" for row, key in enumerate(old.ids)]
        ids, author = self.ids, [*old.authorship]
        names = [old.name_of(row) for row in range(len(old))]
        self.rows: list[dict[str, str | None] | None] = [
            {
                "id": ids[row], "name": names[row], "authorship": author[row],
                "parentID": ids[old.parent[row]] if old.parent[row] >= 0 else None,
                "acceptedID": ids[old.accepted[row]] if row >= old.taxa else None,
                "rank": old.rank_of(row), "status": STATUSES[old.status[row]],
                "code": CODES[old.code[row]],
            }
            for row in range(len(old))
        ]  # fmt: skip
        self.used = set(names)
        self.truth: dict[int, str] = {}
        self.meant: dict[int, str] = {}
        self.busy: set[int] = set()

    def row(self, row: int) -> dict[str, str | None]:
        found = self.rows[row]
        assert found is not None
        return found

    def rename(self, row: int, name: str, parent: str | None, synonym: bool) -> None:
        """Give a species another name: in a new row, the old one its synonym; or in place."""
        told = self.row(row)
        self.used.add(name)
        if not synonym:
            told["name"], told["parentID"] = name, parent
            return
        fresh = {**told, "id": f"new-{told['id']}", "name": name, "parentID": parent}
        self.rows.append(fresh)
        for other in self.rows:
            if other is not None and other["acceptedID"] == told["id"]:
                other["acceptedID"] = fresh["id"]
            if other is not None and other["parentID"] == told["id"]:
                other["parentID"] = fresh["id"]  # subspecies keep their names, as editors do
        told.update(status="synonym", acceptedID=fresh["id"], parentID=None)
        self.meant[row] = str(fresh["id"])

    def drop(self, row: int) -> None:
        """Leave a species out, with its synonyms."""
        key = self.ids[row]
        for number, other in enumerate(self.rows):
            if other is not None and key in (other["id"], other["acceptedID"]):
                self.rows[number] = None


def edited(old: Taxonomy, *, each: int = 100, seed: int = 0, ids: bool = True) -> Edited:
    """Make a second version.

    Args:
        old: The first one.
        each: How many edits of each kind at most; small checklists get fewer.
        seed: Of the lots.
        ids: Whether the second version keeps the ids of the first; else all are others.
    """
    editor = _Editor(old, seed)
    species = _rows(old, "species")
    genera = _rows(old, "genus")
    children = {int(g): [int(c) for c in old.children(g) if old.rank_of(int(c)) == "species"]
                for g in genera}  # fmt: skip
    genus_of = {child: genus for genus, below in children.items() for child in below}
    tips = [s for s in species.tolist() if old.end[s] == s + 1 and s in genus_of]
    order = editor.random.permutation(len(tips)).tolist()
    lots = iter([tips[place] for place in order])
    families = _rows(old, "family")
    at = int(min(each, max(1, len(tips) // 40)))
    _genera(editor, genera, children, families, max(1, at // 4))
    _species(editor, lots, genus_of, children, genera, at, ids)
    _ranks(editor, at // 4)
    return _built(editor, ids)


def _rows(old: Taxonomy, rank: str) -> np.ndarray:
    return np.flatnonzero(old.rank[: old.taxa] == RANKS.index(rank))


def _genera(
    editor: _Editor,
    genera: np.ndarray,
    children: dict[int, list[int]],
    families: np.ndarray,
    count: int,
) -> None:
    """Put genera under other families, and cut some in two."""
    old = editor.old
    family_of = dict(zip(genera.tolist(), old.at_rank(genera, "family").tolist(), strict=True))
    lots = editor.random.permutation(genera).tolist()
    whole = [g for g in lots if family_of[g] >= 0]
    class_of = old.at_rank(families, "class")
    for genus in whole[:count]:
        near = class_of == old.at_rank(genus, "class")
        others = families[(families != family_of[genus]) & near]
        if not len(others):
            continue
        editor.row(genus)["parentID"] = editor.ids[int(editor.random.choice(others))]
        editor.truth[genus] = "moved"
        editor.busy.update([genus, *children[genus]])
    wide = [
        g for g in whole
        if len(children[g]) >= 4 and g not in editor.busy
        and _PLAIN.fullmatch(old.name_of(children[g][0]))
    ]  # fmt: skip
    for genus in wide[:count]:
        name = f"Neo{old.name_of(genus).lower()}"
        if name in editor.used:
            continue
        told = editor.row(genus)
        key = f"new-{editor.ids[genus]}"
        editor.rows.append({**told, "id": key, "name": name})
        editor.used.add(name)
        editor.truth[genus] = "split"
        editor.busy.update([genus, *children[genus]])
        for child in children[genus][: len(children[genus]) // 2]:
            if not _PLAIN.fullmatch(old.name_of(child)):
                continue
            new_name = f"{name} {old.name_of(child).split(' ', 1)[1]}"
            editor.rename(child, new_name, key, synonym=True)
            editor.truth[child] = "renamed"
            editor.truth |= dict.fromkeys(old.descendants(child).tolist(), "moved")


class _Lots:
    """What is done to species, each kind by a function that says whether it could be done."""

    def __init__(
        self,
        editor: _Editor,
        genus_of: dict[int, int],
        children: dict[int, list[int]],
        genera: np.ndarray,
    ) -> None:
        old = editor.old
        self.editor, self.genus_of, self.children, self.genera = editor, genus_of, children, genera
        self.class_of_genus = old.at_rank(genera, "class")
        self.synonyms: dict[int, list[int]] = {}
        for row in range(old.taxa, len(old)):
            if STATUSES[old.status[row]] == "synonym":
                self.synonyms.setdefault(int(old.accepted[row]), []).append(row)

    def _to(self, row: int, genus: int, epithet: str, synonym: bool) -> bool:
        editor = self.editor
        name = f"{editor.old.name_of(genus)} {epithet}"
        if name in editor.used or (genus != self.genus_of[row] and genus in editor.busy):
            return False
        editor.rename(row, name, editor.ids[genus], synonym=synonym)
        editor.truth[row] = "renamed"
        return True

    def transfer(self, row: int, synonym: bool = True) -> bool:
        old, genus = self.editor.old, self.genus_of[row]
        near = self.genera[self.class_of_genus == old.at_rank(genus, "class")]
        other = int(self.editor.random.choice(near))
        return other != genus and self._to(row, other, old.name_of(row).split(" ", 1)[1], synonym)

    def in_place(self, row: int) -> bool:
        return self.transfer(row, synonym=False)

    def spelling(self, row: int) -> bool:
        epithet = self.editor.old.name_of(row).split(" ", 1)[1]
        other = f"{epithet[:-1]}{'um' if epithet[-1] == 'a' else 'a'}"
        return self._to(row, self.genus_of[row], other, synonym=True)

    def lump(self, row: int) -> bool:
        editor = self.editor
        others = [c for c in self.children[self.genus_of[row]] if c != row and c not in editor.busy]
        if not others:
            return False
        into = int(editor.random.choice(others))
        for usage in editor.rows:
            if usage is not None and usage["acceptedID"] == editor.ids[row]:
                usage["acceptedID"] = editor.ids[into]
        editor.row(row).update(status="synonym", acceptedID=editor.ids[into], parentID=None)
        editor.truth[row] = editor.truth[into] = "lumped"
        editor.meant[row] = editor.ids[into]
        editor.busy.add(into)
        return True

    def split(self, row: int) -> bool:
        editor, old = self.editor, self.editor.old
        names = [
            s for s in self.synonyms.get(row, [])
            if len(old.find(old.name_of(s))) == 1 and old.name_of(s).count(" ") == 1
        ]  # fmt: skip
        if not names:
            return False
        editor.row(names[0]).update(
            status="accepted", acceptedID=None, parentID=editor.ids[self.genus_of[row]],
            rank="species",
        )  # fmt: skip
        editor.truth[row] = "split"
        return True

    def gone(self, row: int) -> bool:
        self.editor.drop(row)
        self.editor.truth[row] = "gone"
        return True


def _species(
    editor: _Editor,
    lots: Iterable[int],
    genus_of: dict[int, int],
    children: dict[int, list[int]],
    genera: np.ndarray,
    count: int,
    ids: bool,
) -> None:
    """Rename, sink, raise and leave out species."""
    does = _Lots(editor, genus_of, children, genera)
    kinds = ["transfer", *(["in_place"] if ids else []), "spelling", "lump", "split", "gone"]
    left = dict.fromkeys(kinds, count)
    for row in lots:
        taken = row in editor.busy or genus_of[row] in editor.busy
        if taken or not _PLAIN.fullmatch(editor.old.name_of(row)):
            continue
        open_kinds = [kind for kind, number in left.items() if number]
        if not open_kinds:
            return
        kind = str(editor.random.choice(open_kinds))
        if getattr(does, kind)(row):
            left[kind] -= 1
            editor.busy.add(row)


def _ranks(editor: _Editor, count: int) -> None:
    """Change the rank of some subfamilies, or of subspecies where there are none."""
    old = editor.old
    for rank, other in (("subfamily", "tribe"), ("subspecies", "variety"), ("class", "subclass")):
        rows = [r for r in _rows(old, rank).tolist() if r not in editor.busy]
        if rows:
            for row in editor.random.permutation(rows)[: max(count, 1)].tolist():
                editor.row(row)["rank"] = other
                editor.truth[row] = "rank changed"
            return


def _built(editor: _Editor, ids: bool) -> Edited:
    rows = [row for row in editor.rows if row is not None]
    shown = {str(row["id"]): str(row["id"]) if ids else f"v2:{n}" for n, row in enumerate(rows)}
    con = connect()
    try:
        columns = {
            name: np.array(
                [shown.get(str(row[name]), row[name]) if name.endswith(("id", "ID")) else row[name]
                 for row in rows], dtype=object,
            )
            for name in _COLUMNS
        }  # fmt: skip
        con.register("rows", {"ordinal": np.arange(1, len(rows) + 1), **columns})
        con.execute(
            "CREATE TABLE usage AS SELECT ordinal, "
            + ", ".join(f'CAST("{name}" AS VARCHAR) AS "{name}"' for name in _COLUMNS)
            + ", CAST(NULL AS VARCHAR) AS file, CAST(NULL AS BIGINT) AS line FROM rows"
        ).fetchall()
        taxonomy, _ = build(con, editor.old.lock.checklist, "second")
    finally:
        con.close()
    meant = {row: shown[key] for row, key in editor.meant.items() if key in shown}
    return Edited(taxonomy, editor.truth, meant)
