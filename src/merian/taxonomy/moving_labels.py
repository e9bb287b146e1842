"""A map of labels in a newer version of the checklist that its rows name taxa of.

Any table with tabs or commas in which a row names a taxon: `taxonID`, the name (`scientificName`
or `taxon`), its rank, and the lock of the checklist, in a column (`checklist` or `lock`) or in a
line above the header that begins with ``#``. Everything else in the table stays as it is; what
became of a name is added to `reason`. A row that stays keeps its old lock, where rows have one;
but a map of Merian's own is of one checklist, so there it becomes one that nobody has decided.

Beside the map lies what was done, with the hash of the map as it is then: it is written first, so
that a migration that was killed in between is seen not to be complete.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merian.errors import FormatError
from merian.files import content_hash, marked_encoding, open_text, write_json, write_text
from merian.stamp import run_id, stamp
from merian.taxonomy.lock import TaxonomyLock
from merian.taxonomy.migration import Move, Use
from merian.taxonomy.tree import NONE, Taxonomy

__all__ = ["is_map", "map_moved_by", "move_map", "names_in_map"]

_FORMAT, _VERSION = "label-map-migration", "1.0"
_ROLES = {
    "id": ("taxonid",), "name": ("scientificname", "taxon", "name"), "rank": ("taxonrank", "rank"),
    "lock": ("checklist", "lock", "taxonomylock"), "author": ("scientificnameauthorship",),
    "lineage": ("lineage",), "kind": ("kind",), "reason": ("reason", "remarks"),
}  # fmt: skip
# What a spreadsheet would take for a number or a formula has an apostrophe before it.
_GUARDED = re.compile(r"[=+@-].*|0\d.*|\d{16,}")


@dataclass
class _Map:
    mark: str  # of UTF-8, which spreadsheets need
    above: list[str]
    delimiter: str
    columns: list[str]
    role: dict[str, int]
    rows: list[list[str]]


def is_map(path: Path) -> bool:
    """Return whether a file is such a table."""
    try:
        return path.is_file() and {"id", "name"} <= _read(path).role.keys()
    except (FormatError, UnicodeError, csv.Error):
        return False


def _read(path: Path) -> _Map:
    utf_16 = marked_encoding(path)
    with open_text(path, utf_16) as stream:
        text = stream.read()
    mark = "\ufeff" if utf_16 or text.startswith("\ufeff") else ""
    text = text.lstrip("\ufeff")
    lines = text.splitlines(keepends=True)
    above = []
    while lines and lines[0].lstrip('"').startswith("#"):
        above.append(lines.pop(0).strip('\r\n\t"'))
    if not lines:
        raise FormatError("holds no table; expected a row with the columns' names", path=path)
    delimiter = max("\t,;", key=lines[0].count)
    rows = [*csv.reader(io.StringIO("".join(lines), newline=""), delimiter=delimiter)]
    columns = rows.pop(0)
    lower = [name.strip().lower() for name in columns]
    role = {
        what: lower.index(word)
        for what, words in _ROLES.items()
        for word in reversed(words)
        if word in lower
    }
    missing = [words[0] for what, words in _ROLES.items() if what in ("id", "name")
               and what not in role]  # fmt: skip
    if missing:
        raise FormatError(f"has no column {', '.join(missing)}", path=path, line=len(above) + 1)
    width = len(columns)
    return _Map(mark, above, delimiter, columns, role, [(row + [""] * width)[:max(width, len(row))]
                                                  for row in rows])  # fmt: skip


def _cell(table: _Map, row: Sequence[str], what: str) -> str:
    place = table.role.get(what)
    text = row[place].strip() if place is not None else ""
    return text[1:] if text.startswith("'") and _GUARDED.fullmatch(text[1:]) else text


def _asked(table: _Map, row: Sequence[str], lock: TaxonomyLock) -> tuple[str, str, str] | None:
    """Return id, name and rank of a row that names a taxon of a checklist."""
    own = _cell(table, row, "lock")
    named = (
        own in (str(lock), _parted(lock)) if own else any(str(lock) in line for line in table.above)
    )
    key = _cell(table, row, "id"), _cell(table, row, "name"), _cell(table, row, "rank").lower()
    return key if named and (key[0] or key[1]) else None


def names_in_map(path: Path, lock: TaxonomyLock) -> list[Use]:
    """Return the names of a checklist that a map leads to, with the number of its rows."""
    table = _read(path)
    counts = Counter(filter(None, (_asked(table, row, lock) for row in table.rows)))
    return [Use("rows", *key, count) for key, count in sorted(counts.items())]


def _beside(path: Path) -> Path:
    return Path(f"{path}.migrated.json")


def map_moved_by(path: Path, mark: str) -> bool:
    """Return whether a plan was carried out on a map."""
    beside = _beside(path)
    if not beside.is_file():
        return False
    told = json.loads(beside.read_text(encoding="utf-8"))
    last = told["history"][-1]
    return bool(last["plan"] == mark and last["hash"] == content_hash(path))


def move_map(
    path: Path, moves: Sequence[Move], old: Taxonomy, new: Taxonomy, mark: str
) -> tuple[int, int]:
    """Rewrite the rows of a map, complete or not at all; return how many moved and how many stay.

    Args:
        path: The map.
        moves: What becomes of its names.
        old: The older version.
        new: The newer version.
        mark: The plan's hash.
    """
    table = _read(path)
    by = {(m.use.id, m.use.name, m.use.rank): m for m in moves}
    if "reason" not in table.role:
        table.role["reason"] = len(table.columns)
        table.columns.append("reason")
        table.rows = [[*row, ""] for row in table.rows]
    table.above = [line.replace(str(old.lock), str(new.lock)) for line in table.above]
    moved = stay = 0
    for row in table.rows:
        key = _asked(table, row, old.lock) if "lock" in table.role else _keyed(table, row)
        move = by.get(key) if key else None
        if move is None:
            if _cell(table, row, "lock") == _parted(old.lock) and not any(_keyed(table, row)[:2]):
                row[table.role["lock"]] = _parted(new.lock)  # no taxon in either
            continue
        moved, stay = moved + (move.node != NONE), stay + (move.node == NONE)
        for what, text in _said(table, row, move, old, new).items():
            if what in table.role:
                row[table.role[what]] = text
    text = _written(table)
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    before = []
    if _beside(path).is_file():
        before = json.loads(_beside(path).read_text(encoding="utf-8"))["history"]
        before = [one for one in before if one["plan"] != mark]
    did = {"plan": mark, "from": old.lock.as_dict(), "to": new.lock.as_dict(), "hash": digest,
           "rows": moved, "stay": stay}  # fmt: skip
    told = stamp(_FORMAT, _VERSION, run_id("migrate", {"plan": mark}), new.lock.as_dict())
    write_json(_beside(path), {"merian": told, "history": [*before, did]})
    write_text(path, text)
    return moved, stay


def _parted(lock: TaxonomyLock) -> str:
    """Return a lock as Merian's own maps spell it, so that its parts can be told apart."""
    return " | ".join(lock.as_dict().values())


def _keyed(table: _Map, row: Sequence[str]) -> tuple[str, str, str]:
    return _cell(table, row, "id"), _cell(table, row, "name"), _cell(table, row, "rank").lower()


def _said(
    table: _Map, row: Sequence[str], move: Move, old: Taxonomy, new: Taxonomy
) -> Mapping[str, str]:
    """Return the cells that a row gets."""
    before = _cell(table, row, "reason")
    if move.node == NONE:
        told = f"stays {move.use.name} of {old.lock}: {move.why}"
        open_ = {"reason": "; ".join(filter(None, [before, told]))}
        if " | " in _cell(table, row, "lock"):
            open_ |= dict.fromkeys(("id", "name", "rank", "author", "lineage"), "")
            open_ |= {"kind": "unsure", "lock": _parted(new.lock)}
        return open_
    node = move.node
    key = new.ids[node]
    found = {
        "id": f"'{key}" if _GUARDED.fullmatch(key) else key,
        "name": new.name_of(node),
        "rank": new.rank_of(node),
        "lock": _parted(new.lock) if " | " in _cell(table, row, "lock") else str(new.lock),
        "author": new.authorship[node],
        "lineage": " > ".join(f"{new.rank_of(n)} {new.name_of(n)}" for n in new.path(node)),
    }
    if move.kind != "same" or move.decision:
        how = f", decided ({move.decision})" if move.decision else ""
        told = f"{move.use.name} of {old.lock} is {new.name_of(node)}: {move.kind}{how}; {move.why}"
        found["reason"] = "; ".join(filter(None, [before, told]))
    return found


def _written(table: _Map) -> str:
    stream = io.StringIO(newline="")
    stream.write(table.mark)
    for line in table.above:
        stream.write(line + "\n")
    writer = csv.writer(stream, delimiter=table.delimiter, lineterminator="\n")
    writer.writerows([table.columns, *table.rows])
    return stream.getvalue()
