"""What is to become of names when a checklist is replaced by a newer version of itself.

Whatever holds names (a catalogue, a library, a model, a map of labels) tells its uses of the older
version; a plan is made of them, with one row for each, which people read and decide where the
comparison cannot. It is a table beside which its stamp lies: both versions' locks, the targets, and
a hash of all that it says but for the decisions. A plan is only applied if it would be made again
just so.

A decision is the id of a taxon of the newer version; ``keep``, to stay under the old name; or
``parent``, to go to what is surely above it (of a split, what its parts have in common). What is
not decided stays as well.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from merian.errors import FormatError, InputError
from merian.files import existing, marked_encoding, open_text, write_text
from merian.stamp import check_stamp, run_id, stamp, stamp_beside
from merian.taxonomy.label_map_table import protected, unprotected
from merian.taxonomy.lock import TaxonomyLock
from merian.taxonomy.strings import NamePool
from merian.taxonomy.tree import NONE, Node, Taxonomy
from merian.taxonomy.versions import Comparison, Outcome, outcome

__all__ = [
    "COLUMNS", "KEEP", "PARENT", "Move", "Plan", "Use", "decided", "mark_of", "moves_of",
    "read_decisions", "read_plan", "write_plan",
]  # fmt: skip

KEEP, PARENT = "keep", "parent"
UNKNOWN = "unknown"
COLUMNS = (
    "target", "where", "name", "rank", "id", "outcome", "new_name", "new_rank", "new_id",
    "candidates", "records", "state", "why", "decision",
)  # fmt: skip
_FORMAT, _VERSION = "merian-migration", "1.0"


@dataclass(frozen=True)
class Use:
    """A name of the older version in something that holds names.

    Attributes:
        where: The table, file or rank in it.
        id: The taxon's id; "" where only a name is given.
        name: The name as it stands there.
        rank: Its rank, or "".
        records: How many records it is on.
    """

    where: str
    id: str
    name: str
    rank: str
    records: int


@dataclass(frozen=True)
class Move:
    """What becomes of a use.

    Attributes:
        use: It.
        kind: One of `KINDS`, or "unknown" for what the older version does not have.
        found: The taxon of the newer version, or -1 where that has to be decided.
        candidates: Those that it may be.
        why: In words.
        row: The usage of the older version, or -1.
        decision: As it was written, or "".
        node: Where it goes; -1 if it stays under its old name.
        above: What is surely above it: what the parts of a split have in common, or the nearest
            taxon above that is decided; -1 if nothing is.
    """

    use: Use
    kind: str
    found: Node
    candidates: tuple[Node, ...]
    why: str
    row: int
    decision: str = ""
    node: Node = NONE
    above: Node = NONE

    def sensu(self, old: TaxonomyLock) -> str:
        """Return the old name, so that nobody takes it for one of the newer version."""
        return f"{self.use.name} sensu {old.checklist} {old.version}".strip()

    @property
    def state(self) -> str:
        """Whether it is decided, and by whom."""
        if self.decision:
            return "decided by you"
        return "decided" if self.found != NONE else "undecided"


def moves_of(compared: Comparison, uses: Sequence[Use]) -> list[Move]:
    """Find out what becomes of names."""
    old = compared.old
    rows = NamePool.index(old.ids).find_all([use.id for use in uses])
    known: dict[int, Outcome] = {}
    moves = []
    for use, found in zip(uses, rows.tolist(), strict=True):
        row = _usage(old, use, found if use.id else NONE)
        if row == NONE:
            why = "the older version has no such id" if use.id else "no one taxon has this name"
            moves.append(Move(use, UNKNOWN, NONE, (), f"{why}: {use.id or use.name}", NONE))
            continue
        told = known.get(row)
        if told is None:
            told = known[row] = outcome(compared, row)
        moves.append(
            Move(
                use,
                told.kind,
                told.node,
                told.candidates,
                told.why,
                row,
                node=told.node,
                above=_above(compared, row, told),
            )
        )
    return moves


def _usage(old: Taxonomy, use: Use, found: int) -> int:
    """Return the usage that is meant: of the taxon, and if one of its names stands there, that."""
    if use.id:
        found = found if found != NONE else old.find_id(use.id)
        if found == NONE:
            return NONE
        taxon = int(old.accepted[found])
        named = [int(n) for n in old.find(use.name) if int(old.accepted[n]) == taxon]
        return taxon if taxon in named or not named else min(named)
    found_all = [int(n) for n in old.find(use.name)]
    taxa = [n for n in found_all if n < old.taxa] or found_all
    of_rank = [n for n in taxa if old.rank_of(n) == use.rank] if use.rank else taxa
    taxa = of_rank or taxa
    return taxa[0] if len(taxa) == 1 else NONE


def decided(compared: Comparison, move: Move, decision: str, where: str = "") -> Move:
    """Return a move as somebody has decided it.

    Args:
        compared: Both versions.
        move: What was found.
        decision: An id of the newer version, `KEEP` or `PARENT`; "" for what was found.
        where: File and line, for errors.
    """
    decision = decision.strip()
    if not decision:
        return replace(move, decision="", node=move.found)
    if decision.lower() == KEEP:
        return replace(move, decision=KEEP, node=NONE)
    new = compared.new
    if decision.lower() == PARENT:
        if move.above == NONE:
            raise InputError(
                f"{where}: {move.use.name} is to go to what is surely above it, and nothing is in "
                "the newer version; name a taxon, or write keep"
            )
        return replace(move, decision=PARENT, node=move.above)
    node = new.find_id(decision)
    if node == NONE:
        listed = ", ".join(f"{new.ids[n]} ({new.name_of(n)})" for n in move.candidates)
        raise InputError(
            f"{where}: {decision!r} is no id of {new.lock}; expected keep, parent or an id"
            + (f", as {listed}" if listed else "")
        )
    return replace(move, decision=decision, node=int(new.accepted[node]))


def _above(compared: Comparison, row: int, told: Outcome) -> Node:
    """Return the lowest taxon that is surely above, or is, what a usage means."""
    if told.node != NONE:
        return int(compared.new.parent[told.node])
    if told.kind == "split" and len(told.candidates) > 1:
        return compared.new.common_ancestor(np.array(told.candidates))
    for upper in reversed(compared.old.path(row)[:-1]):
        sure = outcome(compared, upper).node
        if sure != NONE:
            return sure
    return NONE


# -- the plan -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What a plan's file says.

    Attributes:
        path: It.
        old: The folder of the older version.
        new: The folder of the newer version.
        old_lock: Its lock.
        new_lock: Its lock.
        targets: What is to be migrated, as it was named.
        mark: The hash of all but the decisions.
        decisions: (target, where, id, name, rank) -> the decision, its line, and on how many
            records the name was.
    """

    path: Path
    old: Path
    new: Path
    old_lock: TaxonomyLock
    new_lock: TaxonomyLock
    targets: tuple[str, ...]
    mark: str
    decisions: Mapping[tuple[str, ...], tuple[str, int, str]]


def mark_of(compared: Comparison, moves: Mapping[str, Sequence[Move]]) -> str:
    """Return the hash of a plan: of both locks, the targets and all rows but their decisions."""
    rows = [_row(compared, target, move)[:-3] for target, each in moves.items() for move in each]
    text = json.dumps(
        [compared.old.lock.as_dict(), compared.new.lock.as_dict(), sorted(moves), sorted(rows)]
    )
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _row(compared: Comparison, target: str, move: Move) -> list[str]:
    new, use = compared.new, move.use
    there = move.node != NONE
    return [
        target, use.where, use.name, use.rank, use.id, move.kind,
        new.name_of(move.found) if move.found != NONE else "",
        new.rank_of(move.found) if move.found != NONE else "",
        new.ids[move.found] if move.found != NONE else "",
        " | ".join(f"{new.ids[n]} {new.name_of(n)}" for n in move.candidates),
        str(use.records), move.state, move.why
        + (f"; goes to {new.name_of(move.node)}" if there and move.decision else ""),
        move.decision,
    ]  # fmt: skip


def write_plan(
    path: Path, compared: Comparison, moves: Mapping[str, Sequence[Move]], folders: Sequence[Path]
) -> str:
    """Write a plan with its stamp beside it, and return its hash.

    Args:
        path: Where to.
        compared: Both versions.
        moves: By target, as it was named.
        folders: Of the older and of the newer version.
    """
    # Quoted and guarded as spreadsheets need it, so that what they save is what was written.
    text = io.StringIO(newline="")
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(COLUMNS)
    for target, each in moves.items():
        for move in each:
            cells = [" ".join(cell.split()) for cell in _row(compared, target, move)]
            # What a row is known by: target, where, name, rank and id.
            table.writerow([*map(protected, cells[:5]), *cells[5:]])
    mark = mark_of(compared, moves)
    old, new = compared.old.lock.as_dict(), compared.new.lock.as_dict()
    write_text(path, text.getvalue())
    told = stamp(_FORMAT, _VERSION, run_id("migrate", {"plan": mark}), new)
    about = {"from": {"folder": str(folders[0]), **old}, "to": {"folder": str(folders[1]), **new},
             "targets": list(moves), "hash": mark}  # fmt: skip
    stamp_beside(path, told, about)
    return mark


def read_plan(path: Path) -> Plan:
    """Read a plan that was written before, with what was decided in it since."""
    existing(path, "plan")
    beside = Path(f"{path}.merian.json")
    if not beside.is_file():
        raise FormatError(
            f"is no plan of a migration: {beside.name} is not beside it. Without --apply, "
            "`merian taxonomy migrate` writes both",
            path=path,
        )
    about = check_stamp(beside, _FORMAT, 1)
    old, new = (
        TaxonomyLock(about[key]["checklist"], about[key]["version"], about[key]["hash"])
        for key in ("from", "to")
    )
    decisions: dict[tuple[str, ...], tuple[str, int, str]] = {}
    for line, row in _table(path, COLUMNS):
        key = tuple(row[name] for name in ("target", "where", "id", "name", "rank"))
        decisions[key] = row["decision"].strip(), line, row["records"].strip()
    return Plan(
        path, Path(about["from"]["folder"]), Path(about["to"]["folder"]), old, new,
        tuple(about["targets"]), str(about["hash"]), decisions,
    )  # fmt: skip


def read_decisions(path: Path) -> list[tuple[dict[str, str], str]]:
    """Read a table of decisions: the column decision, and id or name (or both, and target).

    Returns:
        Of each row the columns that it gives, and file and line.
    """
    found = []
    for line, row in _table(path, ("decision",)):
        asked = {name: row[name] for name in ("target", "where", "id", "name", "rank", "decision")
                 if row.get(name)}  # fmt: skip
        if "decision" not in asked:
            continue
        if not {"id", "name"} & asked.keys():
            raise FormatError("says neither id nor name of what is decided", path=path, line=line)
        found.append((asked, f"{path}:{line}"))
    return found


def _table(path: Path, needed: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table, with tabs or commas and in UTF-16 as spreadsheets save it."""
    existing(path, "table")
    with open_text(path, marked_encoding(path)) as stream:
        text = stream.read().lstrip("\ufeff")
    if not text.strip():
        raise FormatError("is empty; expected a row with the columns' names", path=path)
    first = text.splitlines()[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max("\t,;", key=first.count))
    head = [name.strip() for name in next(rows)]
    missing = [name for name in needed if name not in head]
    if missing:
        raise FormatError(f"has no column {', '.join(missing)}", path=path, line=1)
    return [
        (number, dict.fromkeys(head, "") | dict(zip(head, map(unprotected, row), strict=False)))
        for number, row in enumerate(rows, start=2)
        if row
    ]
