"""ChecklistBank's text tree: one name a line, children indented by two spaces.

``Name Author [rank]`` is a taxon. In front of the name, ``=`` and ``≡`` mark a synonym of the
line above that is indented less, ``*`` a basionym, ``†`` an extinct and ``?`` a provisional name.
Braces may hold ``{ID=...}``, and ``#`` starts a comment. Ids are line numbers otherwise.

Reference: https://github.com/gbif/text-tree
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import numpy as np

from merian.errors import FormatError
from merian.files import open_text
from merian.taxonomy.checklists import Source
from merian.taxonomy.checklists.tables import count
from merian.unpacking import text_encoding

__all__ = ["read", "sniff"]

_LINE = re.compile(
    r"(?P<indent> *)(?P<marks>[=≡*†?]*) ?(?P<name>[^\[{#]*(?:\[(?![^\]]*\]\s*(?:\{|#|$))[^\[{#]*)*)"
    r"(?:\[(?P<rank>[^\]]*)\])?\s*(?:\{(?P<more>[^}]*)\})?\s*(?:#.*)?$"
)
_RANKED = re.compile(r" *[=≡*†?]* ?\S.* \[[a-z][a-z ]+\]")
_COLUMNS = ("id", "parentID", "acceptedID", "name", "rank", "status", "line")


def sniff(path: Path) -> bool:
    """Return whether the first lines are names with a rank in brackets."""
    try:
        with open_text(path, text_encoding(path)) as stream:
            head = [line.strip() for line, _ in zip(stream, range(20), strict=False)]
    except (FormatError, OSError):
        return False
    first = [line for line in head if line and not line.startswith("#")]
    return bool(first) and all(_RANKED.match(line) for line in first[:3])


def read(path: Path, con: duckdb.DuckDBPyConnection) -> Source:
    """Read the tree into ``usage``."""
    rows: list[tuple[str, str, str, str, str, str, int]] = []
    wrong: list[tuple[int, str, str]] = []
    above: list[tuple[int, str]] = []  # indentation and id of the taxa from the root to here
    with open_text(path, text_encoding(path)) as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            found = _LINE.match(line.rstrip("\r\n"))
            if found is None or not found["name"].strip():
                wrong.append((number, "is not `name [rank]`", line.strip()))
                continue
            indent, marks = len(found["indent"]), found["marks"]
            while above and above[-1][0] >= indent:
                above.pop()
            given = re.search(r"\bID=(\S+)", found["more"] or "")
            name_id = given[1] if given else str(number)
            up = above[-1][1] if above else ""
            name, rank = found["name"].strip(), (found["rank"] or "").lower()
            if {"=", "≡"} & set(marks):
                if not up:
                    wrong.append((number, "a synonym that stands under no name", line.strip()))
                    continue
                rows.append((name_id, "", up, name, rank, "synonym", number))
                continue
            status = "provisionally accepted" if "?" in marks else "accepted"
            rows.append((name_id, up, "", name, rank, status, number))
            above.append((indent, name_id))
    if rows and not any(rank for *_, rank, _, _ in rows):
        raise FormatError(
            "no line has a rank in brackets; lines such as `Abies alba Mill. [species]` are "
            "expected",
            path=path,
        )
    _insert(con, path, rows, wrong)
    return Source("txtree", path.stem, "", (), count(con, "problem"))


def _insert(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    rows: list[tuple[str, str, str, str, str, str, int]],
    wrong: list[tuple[int, str, str]],
) -> None:
    """Write all rows in one statement."""
    if rows:
        columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
        con.register("parsed", {name: np.array(c) for name, c in columns.items()})
        con.execute(
            "INSERT INTO usage SELECT row_number() OVER (ORDER BY line) - 1, id, "
            "nullif(parentID, ''), nullif(acceptedID, ''), name, NULL, nullif(rank, ''), status, "
            "NULL, ?, line FROM parsed ORDER BY line",
            [path.name],
        ).fetchall()
        con.unregister("parsed")
    if wrong:
        con.executemany(
            "INSERT INTO problem VALUES (?, ?, NULL, ?, ?)",
            [(path.name, line, reason, content[:1000]) for line, reason, content in wrong],
        )
