"""Maps from the labels of image collections to taxa, such as that of Planktonzilla-17M.

A map says for a label of a source ("eudoxie_Abylopsis tetragona" of ZooScan) which lineage it is
put under, what kind of thing it is, and which stage or part of it. It names nothing by itself: it
holds no specimens. The table of Planktonzilla is a CSV, one row a label::

    Dataset, Raw_Labels, Kingdom ... Genus, Species, proposed_label, plankton, living, root_class,
    qualifier, wikidata_ID, aphia_ID, NCBI_ID, BOLD_ID, ecotaxa_ID

Names are in lower case and ``Species`` is the epithet alone; here they are spelled as names are.
Identifiers came through a table of floats ("135403.0"); several stand between semicolons. They were
found by name, from the species up to the kingdom, so that a label may carry those of a taxon above
its own, and ``ecotaxa_ID`` is no category of EcoTaxa: `LabelTarget.ids` keeps them for checks, and
none of them is an identity. Words for "nothing" ("None", "nan") are nothing.

Reference: https://github.com/Inria-Chile/planktonzilla
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from merian.errors import FormatError
from merian.files import existing, open_text

__all__ = ["COLUMNS", "Fault", "LabelMap", "LabelTarget", "read_label_map"]

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
COLUMNS = (
    "Dataset", "Raw_Labels", "Kingdom", "Phylum", "Class", "Order", "Family", "Genus", "Species",
    "proposed_label", "plankton", "living", "root_class", "qualifier", "wikidata_ID", "aphia_ID",
    "NCBI_ID", "BOLD_ID", "ecotaxa_ID",
)  # fmt: skip
KINDS = frozenset({"living", "detritus", "artefact", "inert"})
_NEEDED = ("Dataset", "Raw_Labels", "proposed_label", "root_class")
_IDS = ("wikidata_ID", "aphia_ID", "NCBI_ID", "BOLD_ID", "ecotaxa_ID")
_NOTHING = frozenset({"", "none", "nan", "null", "na", "n/a", "<na>"})
_NAME = re.compile(r"[^\W\d_]+(-[^\W\d_]+)*")
_EPITHET = re.compile(r"[^\W\d_]+(-[^\W\d_]+)*( [^\W\d_]+)*")
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class LabelTarget:
    """What a label of a source is put under.

    Attributes:
        source: The collection that the label is of.
        label: It, character by character.
        lineage: rank -> name, from the kingdom down; empty for what is no taxon.
        called: What the map calls it: the lowest name, or "bubble".
        kind: living, detritus, artefact or inert.
        qualifier: larvae, egg, part, part_tail, like, mix ...; "" where it says none.
        kept: Whether the map's makers train on it; None where that is not said.
        ids: authority -> identifiers, for checks.
        line: Where it stands, counted from 1.
    """

    source: str
    label: str
    lineage: Mapping[str, str]
    called: str
    kind: str
    qualifier: str
    kept: bool | None
    ids: Mapping[str, tuple[str, ...]]
    line: int

    @property
    def rank(self) -> str:
        """The lowest rank that is named, or ""."""
        return [*self.lineage, ""][len(self.lineage) - 1]

    @property
    def name(self) -> str:
        """The name at that rank, or ""."""
        return self.lineage.get(self.rank, "")


@dataclass(frozen=True)
class Fault:
    """A row of a map that is set aside, and why."""

    line: int
    reason: str
    content: str


@dataclass(frozen=True)
class LabelMap:
    """A map.

    Attributes:
        path: Its file.
        targets: (source, label) -> what it is put under, in the order of the file.
        faults: The rows that were set aside.
    """

    path: Path
    targets: Mapping[tuple[str, str], LabelTarget]
    faults: tuple[Fault, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The collections whose labels it knows."""
        return tuple(sorted({source for source, _ in self.targets}))


def read_label_map(path: Path | str) -> LabelMap:
    """Read a map in the shape of Planktonzilla's; rows that are wrong are set aside.

    Raises:
        FormatError: It is no such table.
    """
    path = existing(path, "map of labels")
    targets: dict[tuple[str, str], LabelTarget] = {}
    faults: list[Fault] = []
    try:
        with open_text(path) as stream:
            for line, row in _rows(path, stream):
                found = _target(line, row)
                if isinstance(found, str):
                    faults.append(Fault(line, found, ",".join(row.values())[:1000]))
                    continue
                before = targets.setdefault((found.source, found.label), found)
                if before is not found:
                    faults.append(Fault(
                        line, f"the label stands on line {before.line} too",
                        f"{found.source},{found.label}",
                    ))  # fmt: skip
    except (OSError, EOFError, csv.Error) as error:
        raise FormatError(f"is damaged or cannot be read ({error})", path=path) from None
    if not targets:
        raise FormatError("holds no label that can be read", path=path)
    return LabelMap(path, targets, tuple(faults))


def _rows(path: Path, stream: Iterator[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the rows as texts by column, with the line that each ends on."""
    lines = csv.reader(line.replace("\0", "") for line in stream)
    header = [name.strip().lstrip("\ufeff") for name in next(lines, [])]
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise FormatError(
            f"has no column {', '.join(missing)}; the columns of a map of labels are "
            f"{', '.join(COLUMNS)}",
            path=path, line=1,
        )  # fmt: skip
    for values in lines:
        if values:
            row = dict.fromkeys(header, "") | dict(zip(header, values, strict=False))
            if len(values) != len(header):
                row[""] = f"{len(values)} fields, expected {len(header)}"
            yield lines.line_num, row


def _target(line: int, row: Mapping[str, str]) -> LabelTarget | str:
    """Return what a row says, or why that cannot be."""
    if "" in row:
        return row[""]
    source, label = row["Dataset"].strip(), row["Raw_Labels"]
    if not source or not label.strip():
        return "names no collection or no label"
    kind = row["root_class"].strip().lower()
    if kind not in KINDS:
        return f"root_class is {kind!r}; {', '.join(sorted(KINDS))} expected"
    lineage = _lineage(row)
    if isinstance(lineage, str):
        return lineage
    return LabelTarget(
        source, label, lineage, _given(row, "proposed_label"), kind, _given(row, "qualifier"),
        _FLAGS.get(row.get("plankton", "").strip().lower()),
        {name.removesuffix("_ID"): _ids(_given(row, name)) for name in _IDS if _given(row, name)},
        line,
    )  # fmt: skip


def _given(row: Mapping[str, str], name: str) -> str:
    text = row.get(name, "").strip()
    return "" if text.lower() in _NOTHING else text


def _lineage(row: Mapping[str, str]) -> dict[str, str] | str:
    """Return the names by rank, or what is wrong with them."""
    names = {rank: _given(row, rank.capitalize()) for rank in RANKS}
    for rank, name in names.items():
        form = _EPITHET if rank == "species" else _NAME
        if name and not form.fullmatch(name):
            return f"the {rank} is {name!r}, which is no name"
    lineage = {rank: name.capitalize() for rank, name in names.items() if name}
    if names["species"]:
        if not names["genus"]:
            return f"the epithet {names['species']!r} has no genus"
        lineage["species"] = f"{lineage['genus']} {names['species'].lower()}"
    depth = [RANKS.index(rank) for rank in lineage]
    if depth and depth != list(range(len(depth))):
        return f"the lineage has a gap above the {RANKS[depth[-1]]}"
    return lineage


def _ids(text: str) -> tuple[str, ...]:
    """Return identifiers, without what a table of floats has added to them."""
    parts = (part.strip() for part in text.split(";"))
    return tuple(re.sub(r"^(\d+)\.0+$", r"\1", part) for part in parts if part)
