"""Maps from the labels of image collections to taxa: Merian's own, and those of others.

A map says for a label of a source ("eudoxie_Abylopsis tetragona" of ZooScan) which lineage it is
put under, what kind of thing it is, and which stage or part of it. It names nothing by itself: it
holds no specimens. Merian's own is described in `merian.taxonomy.label_map_table`. The table of
Planktonzilla is a CSV, one row a label::

    Dataset, Raw_Labels, Kingdom ... Genus, Species, proposed_label, plankton, living, root_class,
    qualifier, wikidata_ID, aphia_ID, NCBI_ID, BOLD_ID, ecotaxa_ID

Names are in lower case and ``Species`` is the epithet alone; here they are spelled as names are.
Identifiers came through a table of floats ("135403.0"); several stand between semicolons. They were
found by name, from the species up to the kingdom, so that a label may carry those of a taxon above
its own, and ``ecotaxa_ID`` is no category of EcoTaxa: `LabelTarget.ids` keeps them for checks, and
none of them is an identity. Words for "nothing" ("None", "nan") are nothing.

The benchmark of Panaiotis et al. keeps a CSV a source, with paths instead of ranks: see
`merian.taxonomy.lineage_map`. Such a file, or the folder of them, is read too.

References: https://github.com/Inria-Chile/planktonzilla,
https://github.com/ThelmaPana/plankton_classif (Earth Syst. Sci. Data 18, 945, 2026)
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from merian.errors import FormatError
from merian.files import existing, marked_encoding, open_text
from merian.taxonomy.lock import TaxonomyLock

__all__ = ["COLUMNS", "LEVEL", "Fault", "LabelMap", "LabelTarget", "read_label_map"]

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
COLUMNS = (
    "Dataset", "Raw_Labels", "Kingdom", "Phylum", "Class", "Order", "Family", "Genus", "Species",
    "proposed_label", "plankton", "living", "root_class", "qualifier", "wikidata_ID", "aphia_ID",
    "NCBI_ID", "BOLD_ID", "ecotaxa_ID",
)  # fmt: skip
LEVEL = "level "  # before the number of a step, where a map gives no ranks
KINDS = frozenset({"living", "detritus", "artefact", "inert"})
_NEEDED = ("Dataset", "Raw_Labels", "proposed_label", "root_class")
_IDS = ("wikidata_ID", "aphia_ID", "NCBI_ID", "BOLD_ID", "ecotaxa_ID")
_NOTHING = frozenset({"", "none", "nan", "null", "na", "n/a", "<na>"})
_NAME = re.compile(r"[^\W\d_]+(-[^\W\d_]+)*")
_EPITHET = re.compile(r"[^\W\d_]+(-[^\W\d_]+)*( [^\W\d_]+)*")
_WRONG = "\0"  # where a row that has not as many fields as columns says so
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class LabelTarget:
    """What a label of a source is put under.

    Attributes:
        source: The collection that the label is of.
        label: It, character by character.
        lineage: rank -> name, from the kingdom down; empty for what is no taxon. Where the map
            gives no ranks they are "level 1", "level 2" ...
        called: What the map calls it: the lowest name, or "bubble".
        kind: living, detritus, artefact or inert; in a map of Merian also placeholder (a label
            that names nothing) and unsure (nobody has decided yet).
        qualifier: larvae, egg, part, part_tail, like, mix ...; "" where it says none.
        kept: Whether the map's makers train on it; None where that is not said.
        ids: authority -> identifiers, for checks.
        line: Where it stands, counted from 1.
        count: How many records carry the label, where the map says so.
        authorship: Who published the name.
        taxon_id: The taxon in the checklist of the map.
        life_stage: nauplius, egg ...
        part: head, tail ...; "part" where it is not said which.
        multiple: Whether several are in one picture.
        like: Whether it only looks like the taxon.
        doubt: What stands in doubt behind the name: cf. finmarchicus, sp. 1.
        status: proposed, accepted or rejected; "" where the map knows no such thing.
        reason: Why this taxon, or why none.
        candidates: The taxa that it could be, where nothing decided.
        by: Who decided.
        remarks: What else is to be said.
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
    count: int | None = None
    authorship: str = ""
    taxon_id: str = ""
    life_stage: str = ""
    part: str = ""
    multiple: bool = False
    like: bool = False
    doubt: str = ""
    status: str = ""
    reason: str = ""
    candidates: str = ""
    by: str = ""
    remarks: str = ""

    @property
    def rank(self) -> str:
        """The lowest rank that is named, unranked where the map gives no ranks, or ""."""
        last = self._last[0]
        return "unranked" if last.startswith(LEVEL) else last

    @property
    def name(self) -> str:
        """The name at that rank, or ""."""
        return self._last[1]

    @property
    def explained(self) -> bool:
        """Whether somebody has written why the label is put where it is."""
        return bool(self.by and self.reason)

    @property
    def _last(self) -> tuple[str, str]:
        return [("", ""), *self.lineage.items()][-1]


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
        lock: The checklist whose names and ids it uses, where it says so.
    """

    path: Path
    targets: Mapping[tuple[str, str], LabelTarget]
    faults: tuple[Fault, ...]
    lock: TaxonomyLock | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The collections whose labels it knows."""
        return tuple(sorted({source for source, _ in self.targets}))


def read_label_map(path: Path | str) -> LabelMap:
    """Read a map in the shape of Merian's, of Planktonzilla's or of Panaiotis's.

    Rows that are wrong are set aside.

    Raises:
        FormatError: It is no such table.
    """
    path = existing(path, "map of labels")
    targets: dict[tuple[str, str], LabelTarget] = {}
    faults: list[Fault] = []
    locks: set[TaxonomyLock] = set()
    try:
        for file in _tables(path):
            for line, row, read in _rows(file):
                found = row[_WRONG] if _WRONG in row else read(line, row)
                if isinstance(found, str):
                    content = ",".join(text for name, text in row.items() if name != _WRONG)
                    faults.append(Fault(line, found, content[:1000]))
                    continue
                before = targets.setdefault((found.source, found.label), found)
                if before is not found:
                    faults.append(Fault(
                        line, f"the label stands on line {before.line} too",
                        f"{found.source},{found.label}",
                    ))  # fmt: skip
                elif lock := label_map_table.lock_of(row):
                    locks.add(lock)
    except (OSError, EOFError, UnicodeError, csv.Error) as error:
        raise FormatError(f"is damaged or cannot be read ({error})", path=path) from None
    if not targets:
        raise FormatError("holds no label that can be read", path=path)
    if len(locks) > 1:
        told = "; ".join(sorted(str(lock) for lock in locks))
        raise FormatError(
            f"its rows are of several checklists ({told}); a map is of one: migrate the rows of "
            "the others first, or keep them in a map of their own",
            path=path,
        )
    return LabelMap(path, targets, tuple(faults), locks.pop() if locks else None)


def _tables(path: Path) -> list[Path]:
    """Return the files of a map: of a folder, the tables of paths (counts may lie beside them)."""
    if not path.is_dir():
        return [path]
    found = []
    for file in sorted(path.glob("*.csv")):
        with open_text(file, marked_encoding(file)) as stream:
            if lineage_map.is_lineage_table(_header(stream.readline())[0]):
                found.append(file)
    if not found:
        raise FormatError(
            "holds no CSV with the columns taxon, plankton and lineage or level1; name the map "
            "itself",
            path=path,
        )
    return found


_Reader = Callable[[int, Mapping[str, str]], "LabelTarget | str"]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str], _Reader]]:
    """Return the rows as texts by column, with the line that each ends on and who reads it."""
    with open_text(path, marked_encoding(path)) as stream:
        header, delimiter = _header(stream.readline())
        if not any(header):
            raise FormatError("begins with no row of columns' names; is it empty?", path=path)
        columns, read = _reader(path, header)
        lines = csv.reader((line.replace("\0", "") for line in stream), delimiter=delimiter)
        for values in lines:
            if any(values):
                row = dict.fromkeys(columns, "") | dict(zip(columns, values, strict=False))
                if len(values) != len(columns) and any(values[len(columns) :]) | (read is _target):
                    row[_WRONG] = f"{len(values)} fields, expected {len(columns)}"
                yield lines.line_num + 1, row, read


def _header(line: str) -> tuple[list[str], str]:
    """Return the columns of a table, and what stands between them."""
    delimiter = max(",\t;", key=line.count)
    found = next(csv.reader([line.replace("\0", "")], delimiter=delimiter), [])
    return [name.strip().lstrip("\ufeff") for name in found], delimiter


def _reader(path: Path, header: list[str]) -> tuple[list[str], _Reader]:
    """Return the columns, spelled as their reader knows them, and the reader."""
    columns = label_map_table.own_columns(path, header)
    if columns is not None:
        return columns, label_map_table.target
    if lineage_map.is_lineage_table(header):
        return header, partial(lineage_map.target, path.stem)
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise FormatError(
            f"has no column {', '.join(missing)}; the columns of a map of labels are "
            f"{', '.join(label_map_table.COLUMNS)}, or as in Planktonzilla's {', '.join(COLUMNS)}",
            path=path, line=1,
        )  # fmt: skip
    return header, _target


def _target(line: int, row: Mapping[str, str]) -> LabelTarget | str:
    """Return what a row says, or why that cannot be."""
    source, label = row["Dataset"].strip(), row["Raw_Labels"]
    if not source or not label.strip():
        return "names no collection or no label"
    kind = row["root_class"].strip().lower()
    if kind not in KINDS:
        return f"root_class is {kind!r}; {', '.join(sorted(KINDS))} expected"
    lineage = _lineage(row)
    if isinstance(lineage, str):
        return lineage
    qualifier = _given(row, "qualifier")
    return LabelTarget(
        source, label, lineage, _given(row, "proposed_label"), kind, qualifier,
        _FLAGS.get(row.get("plankton", "").strip().lower()),
        {name.removesuffix("_ID"): _ids(_given(row, name)) for name in _IDS if _given(row, name)},
        line,
        life_stage={"larvae": "larva", "egg": "egg"}.get(qualifier, ""),
        part=qualifier.removeprefix("part_") if qualifier.startswith("part") else "",
        multiple=qualifier == "mix",
        like=qualifier == "like",
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


# At the end, because it needs what is defined above.
from merian.taxonomy import label_map_table, lineage_map  # noqa: E402
