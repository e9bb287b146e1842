"""CATAMI's tree of labels as a checklist: codes of CAAB, and a name for each node.

A node is called by the last part of its path (*Brown*), which several may be; its whole path as it
is displayed (*Macroalgae: Filamentous / filiform: Brown*) and its code of Coral Point Count are
synonyms, which are its own. So is what a label of it is read as (*Unconsolidated*, of
*Unconsolidated (soft)*), where no node is called so. Nodes have no ranks. See
`merian.taxonomy.catami` for the tables.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from merian.errors import FormatError
from merian.taxonomy.catami import catami_kind, catami_nodes
from merian.taxonomy.checklists import Source
from merian.taxonomy.names import read_labels

__all__ = ["read", "sniff"]


def sniff(path: Path) -> bool:
    """Return whether a file is one of the tables of CATAMI."""
    try:
        return bool(catami_kind(path))
    except (FormatError, OSError):
        return False


def read(path: Path, con: duckdb.DuckDBPyConnection) -> Source:
    """Read the nodes into ``usage``."""
    nodes = catami_nodes(path)
    read_as = _read_as({node.path[-1] for node in nodes})
    rows: list[tuple[object, ...]] = []
    for node in nodes:
        line = node.line or None
        rows.append((node.code, node.parent or None, None, node.path[-1], "accepted", line))
        shown = ": ".join(node.path[1:] if node.path[0] in ("Biota", "Physical") else node.path)
        for what, name in (("path", shown), ("cpc", node.also), ("read", read_as[node.path[-1]])):
            if name and name != node.path[-1]:
                rows.append((f"{node.code}:{what}", None, node.code, name, "synonym", line))
    con.executemany(
        "INSERT INTO usage SELECT ?, ?, ?, ?, ?, NULL, NULL, ?, NULL, ?, ?",
        [(number, *row[:5], path.name, row[5]) for number, row in enumerate(rows)],
    ).fetchall()
    wrong = [node for node in nodes if node.problem]
    if wrong:
        con.executemany(
            "INSERT INTO problem VALUES (?, ?, ?, ?, ?)",
            [(path.name, n.line, n.code, n.problem, ": ".join(n.path)) for n in wrong],
        ).fetchall()
    trees = sorted({node.tree for node in nodes if node.tree})
    implied = sum(not node.line for node in nodes)
    notes = [f"trees: {', '.join(trees)}"]
    if implied:
        notes.append(f"nodes that have no row and stand above others: {implied}")
    return Source("catami", "CATAMI", "", tuple(notes), len(wrong))


def _read_as(names: set[str]) -> dict[str, str]:
    """Return what labels with these names are read as, "" where a node has that name itself."""
    read = {label.verbatim: label.name or "" for label in read_labels(sorted(names))}
    return {name: "" if bare in names else bare for name, bare in read.items()}
