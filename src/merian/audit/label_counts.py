"""How many images a label of a map stands for, from a table of counts or the map itself.

A table counts by raw label, or by what a map calls the label (dataset, proposed_label,
root_class), as Planktonzilla's samples.json does. The second kind says only what several labels
have together: such a number is an upper bound, and is told as one.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merian.errors import FormatError
from merian.files import existing, open_text
from merian.taxonomy.label_map import LabelMap

__all__ = ["Images", "LabelCounts", "find_counts", "read_counts"]

_SOURCE = ("dataset", "source", "collection")
_LABEL = ("raw_labels", "raw_label", "label", "original_label", "taxon")
_CALLED = ("proposed_label", "called")
_NUMBER = ("n", "count", "counts", "images", "number")
_BESIDE = ("samples.json", "counts.csv", "counts.tsv", "counts.json")


@dataclass(frozen=True)
class Images:
    """A number of images, and whether it may count those of other labels too."""

    number: int
    at_most: bool = False

    def __str__(self) -> str:
        """Return it in words."""
        return f"{'at most ' if self.at_most and self.number else ''}{self.number:,}"


@dataclass(frozen=True)
class LabelCounts:
    """Counts of a map.

    Attributes:
        path: The table, or None where there is none.
        group_of: (source, label) -> the group that is counted.
        images: group -> images.
        members: group -> how many labels it has.
        unused: How many rows of the table belong to no label of the map.
    """

    path: Path | None
    group_of: Mapping[tuple[str, str], object]
    images: Mapping[object, int]
    members: Mapping[object, int]
    unused: int = 0

    def of(self, keys: Iterable[tuple[str, str]]) -> Images:
        """Return how many images labels have together."""
        touched: dict[object, int] = defaultdict(int)
        for key in keys:
            if key in self.group_of:
                touched[self.group_of[key]] += 1
        number = sum(self.images[group] for group in touched)
        return Images(number, any(self.members[g] > n for g, n in touched.items()))

    @property
    def total(self) -> int:
        """All images that are counted."""
        return sum(self.images.values())


def find_counts(path: Path) -> Path | None:
    """Return the table of counts that lies beside a map, if there is one."""
    folder = path if path.is_dir() else path.parent
    return next((folder / name for name in _BESIDE if (folder / name).is_file()), None)


def read_counts(labels: LabelMap, path: Path | None) -> LabelCounts:
    """Read a table of counts for a map; without one those in the map count, or nothing does."""
    if path is None:
        own: dict[object, int] = {k: t.count for k, t in labels.targets.items() if t.count}
        return LabelCounts(
            labels.path if own else None, {k: k for k in labels.targets if k in own}, own,
            dict.fromkeys(own, 1),
        )  # fmt: skip
    rows = _rows(existing(path, "table of counts"))
    lower = [{str(k).strip().lower(): v for k, v in row.items() if k} for row in rows]
    columns = set().union(*(row.keys() for row in lower)) if lower else set()
    source, label, called, number = (
        _first(w, columns) for w in (_SOURCE, _LABEL, _CALLED, _NUMBER)
    )
    if not number or not (label or called):
        raise FormatError(
            f"has the columns {', '.join(sorted(columns)) or 'none'}; expected a label "
            f"({', '.join(_LABEL[:3])}) and a number ({', '.join(_NUMBER[:3])}), and a source",
            path=path,
        )  # fmt: skip
    kind = "root_class" if "root_class" in columns and not label else ""
    images: dict[object, int] = defaultdict(int)
    for row in lower:
        text = str(row.get(number) or "0").strip()
        group = (
            str(row.get(source) or "").strip() if source else "",
            str(row.get(label or called) or "").strip().casefold(),
            str(row.get(kind) or "").strip().lower() if kind else "",
        )
        images[group] += int(float(text)) if text.replace(".", "", 1).isdigit() else 0
    group_of: dict[tuple[str, str], object] = {}
    members: dict[object, int] = defaultdict(int)
    for key, target in labels.targets.items():
        said = target.label.strip() if label else target.called
        group = (target.source if source else "", said.casefold(), target.kind if kind else "")
        if group in images:
            group_of[key] = group
            members[group] += 1
    used = {group: images[group] for group in members}
    return LabelCounts(path, group_of, used, dict(members), len(images) - len(used))


def _first(names: Iterable[str], columns: set[str]) -> str:
    return next((name for name in names if name in columns), "")


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table, or of the first list of objects in a JSON file."""
    try:
        with open_text(path) as stream:
            if path.suffix != ".json":
                first = stream.readline()
                stream.seek(0)
                return list(csv.DictReader(stream, delimiter="\t" if "\t" in first else ","))
            content = json.load(stream)
    except (csv.Error, json.JSONDecodeError, OSError) as error:
        raise FormatError(f"cannot be read ({error})", path=path) from None
    lists = [content] if isinstance(content, list) else list(
        content.values() if isinstance(content, dict) else ()
    )  # fmt: skip
    for value in lists:
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            return value
    raise FormatError("holds no list of objects with a label and a number", path=path)
