"""CATAMI: a tree of labels for pictures of the sea floor, in which no label needs to be a taxon.

The scheme sorts what a picture shows by form (*Sponges: Erect forms: Laminar*) and the ground by
grain and relief. Each node has a code of CAAB, the list of codes for Australian biota, and under
its two roots stand four trees that are labelled apart: what lives there (``biota``), the ground
(``substrate``), its ``relief`` and its ``bedforms``. Three tables of it are read::

    SPECIES_CODE,CATAMI_DISPLAY_NAME,CATAMI_PARENT_ID,CPC_CODES,...   the scheme itself (1.2 to 1.4)
    caab_code,level_1 ... level_8,family,genus,species,qualifiers     GlobalArchive's version
    catami                                                            BenthicNet's: a path a line,
    [BIOTA] > Biota > Cnidaria > Corals                               its tree in brackets

In the scheme a name is the path from below the root, parted by colons. Version 1.4 has a parent
that does not exist (80000901, of two kinds of seagrass); by its name such a node still has a place.
BenthicNet's list has commas at the ends of lines and repeats some; a parent may have no line.

Reference: Althaus et al. 2015, doi:10.1371/journal.pone.0141039 (CATAMI);
https://www.cmar.csiro.au/caab
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from merian.errors import FormatError
from merian.files import open_text

__all__ = ["TREES", "CatamiNode", "catami_kind", "catami_nodes", "catami_paths", "tree_of"]

TREES = ("biota", "substrate", "relief", "bedforms")
"""What is labelled apart in a picture."""

_SCHEME = frozenset({"SPECIES_CODE", "CATAMI_DISPLAY_NAME", "CATAMI_PARENT_ID"})
_LEVELS = frozenset({"caab_code", "level_1", "level_2"})
_LIST = "catami"
_IN_TREE = re.compile(r"\[(\w+)\] > (.+)")
_MOST = 100_000  # nodes; the scheme has 289
_LONGEST = 1 << 16
_DEEPEST = 100  # levels; the scheme has 8, and one whose parents go in a circle has no end


@dataclass(frozen=True)
class CatamiNode:
    """One node.

    Attributes:
        code: Its code of CAAB, or its path where it has none.
        parent: The code of the node above it, "" for a root.
        path: The names from the root down to it.
        tree: Which of the four trees it is in; "" for what stands above them.
        line: Where it stands, 0 for one that only the nodes under it imply.
        also: Further names: its code of Coral Point Count.
        problem: What was wrong with its line, and what was made of it.
    """

    code: str
    parent: str
    path: tuple[str, ...]
    tree: str
    line: int
    also: str = ""
    problem: str = ""


def catami_kind(path: Path) -> str:
    """Return which of the three tables a file is: scheme, levels, list or ""."""
    if not path.is_file():
        return ""
    try:
        with open_text(path) as stream:
            first = stream.readline(_LONGEST)
    except (OSError, EOFError, ValueError):
        return ""
    names = frozenset(name.strip().strip('"') for name in first.split(","))
    if names >= _SCHEME:
        return "scheme"
    if names >= _LEVELS and "count" not in names:
        return "levels"
    return "list" if {name.lower() for name in names if name} == {_LIST} else ""


def tree_of(path: Sequence[str]) -> str:
    """Return the tree that a path is in, "" for what stands above the trees of the ground."""
    for name in path[:2]:
        if name.lower() in TREES[1:]:
            return name.lower()
    return "" if path[0] == "Physical" else TREES[0]


def catami_nodes(path: Path) -> list[CatamiNode]:
    """Return all nodes of a table, each after the one above it where the table tells both."""
    kind = catami_kind(path)
    if not kind:
        raise FormatError(
            "is no table of CATAMI: SPECIES_CODE, CATAMI_DISPLAY_NAME and CATAMI_PARENT_ID, or "
            "caab_code and level_1 ..., or one column catami expected",
            path=path,
            line=1,
        )
    if kind == "scheme":
        return _of_scheme(path)
    return _of_paths(_levels(path) if kind == "levels" else _listed(path))


def catami_paths(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """Return tree and path of each node of the four trees, from the root of its tree down.

    `merian.learn.Forest.of_paths` makes a forest of them.
    """
    found = []
    for node in catami_nodes(path):
        if node.tree:
            root = next((i for i, name in enumerate(node.path) if name.lower() == node.tree), 0)
            found.append((node.tree, node.path[root:]))
    return found


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the rows of a table with their lines."""
    with open_text(path) as stream:
        reader = csv.DictReader(stream)
        try:
            for row in islice(reader, _MOST):
                told = {k: (v or "").strip() for k, v in row.items() if k and isinstance(v, str)}
                yield reader.line_num, told
        except csv.Error as error:
            raise FormatError(
                f"cannot be read as a table ({error})", path=path, line=reader.line_num
            ) from None


def _of_scheme(path: Path) -> list[CatamiNode]:
    told = [(line, row) for line, row in _rows(path) if row.get("SPECIES_CODE")]
    names = {row["SPECIES_CODE"]: _names(row) for _, row in told}
    above = {row["SPECIES_CODE"]: row.get("CATAMI_PARENT_ID", "") for _, row in told}
    by_name = {name: code for code, name in names.items()}
    nodes = []
    for line, row in told:
        code, problem = row["SPECIES_CODE"], ""
        parent = above[code]
        if parent and parent not in names:
            found = by_name.get(names[code][:-1], "")
            problem = f"its parent {parent} does not exist; " + (
                f"it hangs under {found} by its name" if found else "it is a root"
            )
            parent = above[code] = found
        nodes.append((code, parent, line, row.get("CPC_CODES", ""), problem))
    return [
        CatamiNode(code, parent, whole, tree_of(whole), line, also, problem)
        for code, parent, line, also, problem in nodes
        for whole in [_whole(code, names, above)]
    ]


def _names(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(name.strip() for name in row.get("CATAMI_DISPLAY_NAME", "").split(": "))


def _whole(code: str, names: dict[str, tuple[str, ...]], above: dict[str, str]) -> tuple[str, ...]:
    """Return the path of a node of the scheme, whose name tells all but the root."""
    root = code
    for _ in range(_DEEPEST):
        if not above.get(root):
            break
        root = above[root]
    return names[code] if root == code else (*names[root], *names[code])


def _levels(path: Path) -> Iterator[tuple[str, tuple[str, ...], str, int]]:
    """Return code, path and line of the rows of GlobalArchive's version."""
    for line, row in _rows(path):
        told = [row.get(f"level_{n}", "") for n in range(1, 10)]
        species = " ".join(part for part in (row.get("genus"), row.get("species")) if part)
        whole = tuple(name for name in (*told, species) if name and name != "NA")
        if whole and row.get("caab_code"):
            yield row["caab_code"], whole, "", line


def _listed(path: Path) -> Iterator[tuple[str, tuple[str, ...], str, int]]:
    """Return path, tree and line of the rows of BenthicNet's list."""
    with open_text(path) as stream:
        for line, text in enumerate(islice(stream, 1, _MOST), start=2):
            found = _IN_TREE.fullmatch(text.strip().rstrip(",").strip('" '))
            if found:
                yield "", tuple(found[2].split(" > ")), found[1].lower(), line


def _of_paths(told: Iterable[tuple[str, tuple[str, ...], str, int]]) -> list[CatamiNode]:
    """Return the nodes that paths lead through: a parent without a row stands behind its child.

    That is the order in which BenthicNet numbers them. Where no tree is told, the first names of a
    path say which it is in.
    """
    order: dict[tuple[str, tuple[str, ...]], tuple[str, int]] = {}
    for code, path, tree, line in told:
        known = order.get((tree, path))
        if known is None or (known[1] == 0 and code):
            order[tree, path] = (code, line)
        for end in range(len(path) - 1, 0, -1):
            if (tree, path[:end]) in order:
                break
            order[tree, path[:end]] = ("", 0)
    trees = {key: key[0] or tree_of(key[1]) for key in order}
    codes = {key: code or f"{trees[key]}:{' > '.join(key[1])}" for key, (code, _) in order.items()}
    return [
        CatamiNode(codes[tree, path], codes.get((tree, path[:-1]), ""), path,
                   trees[tree, path], line)
        for (tree, path), (_, line) in order.items()
    ]  # fmt: skip
