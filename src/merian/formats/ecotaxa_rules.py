"""What EcoTaxa refuses of a table, told for all cells at once, each with its line and column.

EcoTaxa stops at an import that has a single wrong cell. Here all of them are found before:
``check(path)`` returns them in the order of the files. What can be used in spite of its fault
(a category without a status, a text of 300 characters) is told, and still read by Merian; what
cannot be right (a latitude of 100) is set aside, alone or with its row.

The limits: 2,000 tables; of free columns 500 numeric and 20 textual ones of objects, 60 of
samples, 30 of acquisitions and 30 of processes, over all tables together; texts of 250
characters, ids of 255. Numbers may be ``nan`` or ``na``, which is nothing.

Reference: ecotaxa/ecotaxa_back, as of June 2026 (what its import accepts; its own test tables).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from merian.catalogue.sources import Reject
from merian.containers import BadAddressError, read_address
from merian.errors import FormatError
from merian.files import existing
from merian.formats.ecotaxa_lines import Head, read_head, rows_of
from merian.formats.ecotaxa_tables import Table, address_of, find_tables, inner_pictures
from merian.formats.ecotaxa_values import FAULTS, LONGEST_TEXT, NUMERIC, PLACES, PREDEFINED
from merian.pictures import BadPictureError, PictureFacts, facts

__all__ = ["Checker", "Finding", "check", "look_at"]

_MOST_TABLES = 2_000
_UNMARKED = "UTF-8 without its mark: EcoTaxa reads it as Latin-1; save it as UTF-8 with BOM"
_PLAIN = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?").fullmatch
_COMMA = re.compile(r"[+-]?\d+,\d+")
# A cell of these is told and still read.
_KEPT = frozenset({"id", "text"})


class Finding(NamedTuple):
    """One thing that EcoTaxa refuses.

    Attributes:
        file: The table.
        line: Its line, counted from 1; None where it is the whole file.
        column: The column, where it is one.
        reason: What is wrong; particulars stand behind a colon.
        content: What was found.
        aside: What Merian does not read because of it: "row", "value", or "" for nothing.
    """

    file: Path
    line: int | None
    column: str
    reason: str
    content: str = ""
    aside: str = ""

    def __str__(self) -> str:
        place = "".join(f":{part}" for part in (self.line, self.column) if part)
        return f"{self.file}{place}: {self.reason}" + (f" ({self.content})" if self.content else "")

    def as_reject(self) -> Reject:
        """Return it as what is set aside."""
        term = self.column or None
        return Reject(self.file, self.line, self.reason, self.content, term, self.aside)


# -- tables -------------------------------------------------------------------------------------


class Checker:
    """What is wrong with the tables of one import, which are looked at in order.

    Attributes:
        free: The free columns of all tables so far, with their types.
    """

    def __init__(self) -> None:
        self.free: dict[str, str] = {}
        self._count: Counter[str] = Counter()
        self._seen: dict[bytes, tuple[Path, int]] = {}
        self._owner: dict[str, str] = {}
        self._torn: set[tuple[str, str]] = set()
        self._kinds: list[str] = []
        self._looked: list[str] = []
        self._looked_kinds: list[str] = []
        self._places: list[int] = []
        self._at: dict[str, int] = {}

    def head(self, head: Head) -> list[Finding]:
        """Look at the head of a table; its rows come next."""
        shown, found = head.table.shown, list[Finding]()
        self._at = {name: at for at, name in enumerate(head.columns)}
        name = head.table.name
        if not name.startswith("ecotaxa") or not name.endswith((".tsv", ".txt")):
            found.append(Finding(
                shown, None, "", "EcoTaxa passes this file over: its name has to begin with "
                "ecotaxa in small letters and end with .tsv or .txt", name))  # fmt: skip
        if not head.types:
            found.append(Finding(shown, head.first, "", "has no line of types: [f] or [t] for each "
                                 "column is expected on line 2"))  # fmt: skip
        self._kinds = [
            self._kind(head, at, found) for at in range(len(head.columns))
        ]  # fmt: skip
        found += self._missing(head)
        looked = [at for at, kind in enumerate(self._kinds) if kind != "t"]
        self._looked = [head.columns[at] for at in looked]
        self._looked_kinds = [self._kinds[at] for at in looked]
        self._places = looked
        return found

    def _pick(self, cells: Sequence[str]) -> list[str]:
        """Return the cells of the columns that are looked at."""
        if len(cells) < len(self._kinds):
            cells = [*cells, *[""] * (len(self._kinds) - len(cells))]
        return [cells[at] for at in self._places]

    def _kind(self, head: Head, at: int, found: list[Finding]) -> str:
        """Return what a column holds, and tell what is wrong with its header."""
        name, shown = head.columns[at], head.table.shown
        kind = head.types[at] if head.types else ""

        def told(line: int, reason: str, content: str = "") -> str:
            found.append(Finding(shown, line, name, reason, content))
            return "t"

        if head.names[at].lower() != name:
            return told(1, "a second column of this name" if head.names[at] else "has no name")
        if name in PREDEFINED:
            return PREDEFINED[name]
        prefix, _, rest = name.partition("_")
        if not rest:
            return told(1, "has no prefix: object_, acq_, process_, sample_ or img_ is expected")
        if prefix not in {"object", "acq", "process", "sample"}:
            return told(1, "has a prefix that EcoTaxa does not know: object_, acq_, process_ or "
                        "sample_ is expected")  # fmt: skip
        if prefix != "object":
            kind = "t"  # whatever the line of types says
        elif head.types and kind not in {"f", "t"}:
            return told(2, "has no type: [f] or [t] is expected", f"[{kind}]" if kind else "")
        return self._place(name, prefix, kind, told)

    def _place(
        self, name: str, prefix: str, kind: str, told: Callable[[int, str], str]
    ) -> str:  # fmt: skip
        """Give a free column its place among those of all tables."""
        if prefix == "object" and not kind:
            return "t"  # there are no types at all, which was told
        if name not in self.free:
            room = f"{prefix} {kind}"
            self.free[name] = kind
            self._count[room] += 1
            if self._count[room] > PLACES[room]:
                return told(1, f"one free column too many: {PLACES[room]} of {prefix}_ fit"
                            + (f" that are [{kind}]" if prefix == "object" else ""))  # fmt: skip
        return "text" if self.free[name] == "t" else "f"  # the first table decides

    def _missing(self, head: Head) -> list[Finding]:
        found = []
        for prefix in ("object", "acq", "process", "sample"):
            used = [name for name in head.columns if name.startswith(f"{prefix}_")]
            if (used and f"{prefix}_id" not in used) or (prefix == "object" and not used):
                reason = f"is missing: there are other columns of {prefix}_" if used else (
                    "is missing")  # fmt: skip
                found.append(Finding(head.table.shown, 1, f"{prefix}_id", reason))
        if "img_file_name" not in head.columns:
            found.append(Finding(head.table.shown, 1, "img_file_name", "is missing"))
        return found

    def row(self, head: Head, line: int, cells: Sequence[str]) -> list[Finding]:
        """Look at a row; nothing is wrong with most."""
        shown, found = head.table.shown, list[Finding]()
        for name, kind, cell in zip(
            self._looked, self._looked_kinds, self._pick(cells), strict=True
        ):
            # Nearly all cells are plain numbers or short texts, and there may be 10^8 of them.
            if not cell or (_PLAIN(cell) if kind == "f" else len(cell) <= LONGEST_TEXT
                            and kind == "text") or not (fault := FAULTS[kind](cell)):  # fmt: skip
                continue
            aside = "" if kind in _KEPT else "value"
            if kind in NUMERIC and _COMMA.fullmatch(cell):
                point = FAULTS[kind](cell.replace(",", "."))
                fault, aside = (point, aside) if point else (
                    "a decimal comma: EcoTaxa expects a point", "")  # fmt: skip
            found.append(Finding(shown, line, name, fault, cell, aside))
        more = cells[len(head.columns) :]
        if more:
            reason = "cells behind the last column: the row may be shifted"
            content = "\t".join(more)
            found.append(Finding(shown, line, "", reason, content, "value" if any(more) else ""))
        return found + self.identity(head, line, cells) + self._annotation(head, line, cells)

    def _cell(self, name: str, cells: Sequence[str]) -> str:
        at = self._at.get(name, len(cells))
        return cells[at] if at < len(cells) else ""

    def identity(self, head: Head, line: int, cells: Sequence[str]) -> list[Finding]:
        """Look whether a row is of an object, of no other's picture, and of a sample of its own."""
        shown, found = head.table.shown, list[Finding]()
        told, picture = self._cell("object_id", cells), self._cell("img_file_name", cells)
        if not told:
            found.append(Finding(shown, line, "object_id", "is empty", "\t".join(cells), "row"))
        elif "img_file_name" in self._at:
            key = hashlib.blake2b(f"{told}\0{picture}".encode(), digest_size=12).digest()
            if key in self._seen:
                file, before = self._seen[key]
                where = f"line {before}" + ("" if file == shown else f" of {file}")
                found.append(Finding(shown, line, "object_id", "the same object and picture as "
                                     f"before: {where}", f"{told} {picture}", "row"))  # fmt: skip
            else:
                self._seen[key] = shown, line
        sample, acq = self._cell("sample_id", cells), self._cell("acq_id", cells)
        if sample and acq and self._owner.setdefault(acq, sample) != sample:
            if (sample, acq) not in self._torn:
                reason = f"an acquisition in two samples: {self._owner[acq]} has it too"
                found.append(Finding(shown, line, "acq_id", reason, f"{acq} in {sample}"))
            self._torn.add((sample, acq))
        return found

    def _annotation(self, head: Head, line: int, cells: Sequence[str]) -> list[Finding]:
        status = self._cell("object_annotation_status", cells)
        column = "object_annotation_category"
        if column not in self._at:
            column += "_id"
        category = self._cell(column, cells)
        shown = head.table.shown
        if status and not category:
            reason = f"is empty: a status needs a category, and this is {status}"
            return [Finding(shown, line, column, reason)]
        if category and not status:
            reason = "is empty: a category needs a status"
            return [Finding(shown, line, "object_annotation_status", reason, category)]
        return []


def look_at(
    table: Table, name: str, images: Path | None = None
) -> tuple[str, str, PictureFacts] | str:
    """Return where a picture lies, its hash and what it tells of itself; or what is wrong."""
    if not name:
        return "names no picture"
    address = address_of(table, name, images)
    if not address:
        return "picture is missing"
    try:
        content = read_address(address)
        return address, hashlib.blake2b(content, digest_size=16).hexdigest(), facts(content)
    except (BadPictureError, BadAddressError) as error:
        return f"picture does not open: {error}"


def check(path: Path | str) -> list[Finding]:
    """Return all that EcoTaxa refuses of a table, of a folder of them with pictures, or of a zip.

    Raises:
        FormatError: There is no table at all.
    """
    path = existing(path)
    tables, checker, found = find_tables(path), Checker(), list[Finding]()
    if not tables:
        raise FormatError("holds no table called ecotaxa*.tsv or ecotaxa*.txt", path=path)
    if len(tables) > _MOST_TABLES:
        found.append(Finding(path, None, "", f"too many tables: {_MOST_TABLES:,} fit into one "
                             "import", f"{len(tables):,}"))  # fmt: skip
    for table in tables:
        try:
            head = read_head(table)
            found += checker.head(head)
            found += _check_rows(head, checker)
        except FormatError as error:
            place = f"{error.path}" + (f":{error.line}" if error.line else "")
            reason = str(error).removeprefix(f"{place}: ")
            found.append(Finding(table.shown, error.line, "", reason))
    return found


def _check_rows(head: Head, checker: Checker) -> list[Finding]:
    shown, found, told, count = head.table.shown, list[Finding](), head.marked, 0
    with ExitStack() as stack:
        look = _looker(head.table, stack)
        for row in rows_of(head):
            count += 1
            if isinstance(row, Reject):
                found.append(Finding(row.path, row.line, "", row.reason, row.content, "row"))
                continue
            line, cells = row
            if not told and head.encoding != "cp1252" and not all(map(str.isascii, cells)):
                told = True
                found.append(Finding(shown, line, "", _UNMARKED))
            found += checker.row(head, line, cells)
            if "img_file_name" in head.columns:
                name = dict(zip(head.columns, cells, strict=False)).get("img_file_name", "")
                if fault := look(name):
                    found.append(Finding(shown, line, "img_file_name", fault, name, "value"))
    if not count:
        found.append(Finding(shown, None, "", "holds no object: there is nothing to import"))
    return found


def _looker(table: Table, stack: ExitStack) -> Callable[[str], str]:
    """Return what tells the fault of a picture beside a table, "" for none."""
    if len(table.members) < 2:

        def fault(name: str) -> str:
            seen = look_at(table, name)
            return seen if isinstance(seen, str) else ""

        return fault
    picture = stack.enter_context(inner_pictures(table))

    def inner_fault(name: str) -> str:
        content = picture(name) if name else None
        if content is None:
            return "picture is missing" if name else "names no picture"
        try:
            facts(content)
        except BadPictureError as error:
            return f"picture does not open: {error}"
        return ""

    return inner_fault
