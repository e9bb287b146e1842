"""Labels in a table of text: one row a label, with the item that it is of, its tree and its path.

    image,tree,label
    dive-3/0001.jpg,biota,Cnidaria > Corals > Branching
    dive-3/0001.jpg,substrate,Sand
    dive-3/0002.jpg,relief,

An item has as many rows as it has labels; the same label twice (at two points, say) counts once. A
row without a label says that the tree was looked at. Without a column ``tree`` all labels are of
one. Other columns are passed over.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from merian.errors import FormatError, InputError
from merian.files import content_hash, existing, open_text
from merian.formats.delimited import Head, read_head, rows_behind
from merian.learn.forest import Forest, ForestLabels
from merian.learn.forest import Path as NodePath

__all__ = ["LabelTable", "forest_labels", "forest_of", "read_label_table"]

_ITEM = ("image", "id", "file", "filename", "record", "materialentityid", "occurrenceid")
_TREE, _LABEL = ("tree",), ("label", "path")
_BETWEEN = ">"
_ONE = "labels"

Label = tuple[str, NodePath]


@dataclass(frozen=True)
class LabelTable:
    """What a table says.

    Attributes:
        path: The file.
        hash: Of what is in it.
        labels: Of each item its labels, each a tree and a path; the path may be empty.
    """

    path: Path
    hash: str
    labels: dict[str, frozenset[Label]]

    def rows(self, items: Sequence[Sequence[str]]) -> list[frozenset[Label]]:
        """Return the labels of some items.

        Args:
            items: Of each the names by which the table may know it. An address is also known by
                its last part, where only one of them ends so.
        """
        last = Counter[str]()
        for names in items:
            last.update({name.rsplit("/", 1)[-1] for name in names})
        found = []
        for names in items:
            ends = [end for name in names if last[end := name.rsplit("/", 1)[-1]] == 1]
            key = next((name for name in (*names, *ends) if name in self.labels), None)
            found.append(self.labels[key] if key is not None else frozenset())
        if items and not any(found):
            raise InputError(
                f"{self.path}: none of the {len(items):,} items has a label there; its first is "
                f"{next(iter(self.labels))!r}, and the first item is {items[0][0]!r}"
            )
        return found


def read_label_table(path: Path | str) -> LabelTable:
    """Read a table of labels.

    Raises:
        FormatError: A column is missing, or a row has no item or a name that is empty, or cannot
            be read.
    """
    file = existing(path, "table of labels")
    head = read_head(file)
    columns = {name.lower(): place for place, name in reversed([*enumerate(head.columns)])}
    item, tree, label = (
        next((columns[name] for name in names if name in columns), None)
        for names in (_ITEM, _TREE, _LABEL)
    )
    if item is None or label is None:
        raise FormatError(
            "expected a column image (or id) and a column label; its columns are "
            + ", ".join(head.columns[:12]),
            path=file,
            line=head.header_lines,
        )
    found: dict[str, set[Label]] = {}
    with open_text(file, head.encoding) as stream:
        for line, cells in _rows_of(stream, head):
            told = [
                cells[place].strip() if place is not None and place < len(cells) else ""
                for place in (item, tree, label)
            ]
            names = tuple(" ".join(name.split()) for name in told[2].split(_BETWEEN))
            if not told[0] or (tree is not None and not told[1]):
                raise FormatError(
                    f"a label without {'a tree' if told[0] else 'an item'}", path=file, line=line
                )
            if told[2] and "" in names:
                raise FormatError(
                    f"the label {told[2]!r} has an empty name; expected as in "
                    "'Cnidaria > Corals'", path=file, line=line,
                )  # fmt: skip
            found.setdefault(told[0], set()).add((told[1] or _ONE, names if told[2] else ()))
    if not found:
        raise FormatError("holds no label", path=file)
    return LabelTable(file, content_hash(file), {k: frozenset(v) for k, v in found.items()})


def _rows_of(stream: IO[str], head: Head) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a table that hold something, and the line on which each ends."""
    rows = rows_behind(stream, head)
    while True:
        before = head.header_lines + rows.line_num
        try:
            cells = next(rows, None)
        except csv.Error as error:
            raise FormatError(
                f"a row that begins there cannot be read ({error}); look for a quote that is not "
                "closed", path=head.path, line=before + 1,
            ) from None  # fmt: skip
        if cells is None:
            return
        line = head.header_lines + rows.line_num
        if any("\0" in cell for cell in cells):
            raise FormatError(
                "holds a NUL, which no text does: the file is damaged; get a fresh copy",
                path=head.path, line=line,
            )  # fmt: skip
        if any(cell.strip() for cell in cells):
            yield line, cells


def forest_of(rows: Iterable[frozenset[Label]], least: int = 1) -> Forest:
    """Return the forest of the labels of some records; a node on fewer than `least` is none."""
    counts = Counter[Label]()
    for labels in rows:
        above = [(tree, path[:end]) for tree, path in labels for end in range(1, len(path) + 1)]
        counts.update(set(above))
    kept = [node for node, count in counts.items() if count >= least]
    if not kept:
        raise InputError(
            f"no label stands on {least} records or more, so there is nothing to learn"
        )
    return Forest.of_paths(kept)


def forest_labels(forest: Forest, rows: Sequence[frozenset[Label]]) -> ForestLabels:
    """Return labels as nodes; one that is no node is the lowest above it that is."""
    looked = np.zeros((len(rows), len(forest.trees)), bool)
    for number, labels in enumerate(rows):
        for tree, path in labels:
            if not path and tree in forest.trees:
                looked[number, forest.trees.index(tree)] = True
    lists = [[forest.node(*label) for label in labels] for labels in rows]
    return ForestLabels.of_lists(forest, lists, looked)
