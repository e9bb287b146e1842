"""Maps that give a label a path through EcoTaxa's tree, such as that of Panaiotis and others.

One CSV a source, called after it (``zoocam.csv``), or one file alone::

    lineage,taxon,level1,level2,plankton
    /living/Eukaryota/.../Annelida/larvae<Annelida,larvae<Annelida,larvae_Annelida,Annelida,TRUE

``level1`` is the label that pictures carry, ``taxon`` where there is none. The steps of a path have
no ranks, so that the lineage of a target has the keys "level 1", "level 2" ... A last step that
begins with a small letter is no taxon ("larvae<Annelida"): it is kept as the qualifier. A table
without ``lineage`` says only whether a label is plankton, and its targets have no lineage.

Reference: https://github.com/ThelmaPana/plankton_classif
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from merian.errors import FormatError
from merian.files import existing, open_text
from merian.taxonomy.label_map import Fault, LabelMap, LabelTarget, read_label_map

__all__ = ["open_label_map", "read_lineage_map"]

_NEEDED = ("taxon", "plankton")
_KINDS = ("detritus", "artefact")
_TEMPORARY = re.compile(r" temp$")
_NAME = re.compile(r"[A-Z][^\W\d_]+(?:-[^\W\d_]+)*(?: [a-z-]+)?")
_WORD = re.compile(r"[^\W_]+")
_FLAGS = {"true": True, "false": False}


def open_label_map(path: Path | str) -> LabelMap:
    """Read a map in any of the layouts that are known."""
    path = existing(path, "map of labels")
    if path.is_dir() or _has_paths(path):
        return read_lineage_map(path)
    return read_label_map(path)


def read_lineage_map(path: Path | str) -> LabelMap:
    """Read a table of paths, or a folder of such tables.

    Raises:
        FormatError: There is no such table.
    """
    path = existing(path, "map of labels")
    files = [path] if path.is_file() else sorted(path.glob("*.csv"))
    files = [file for file in files if _has_paths(file)]
    if not files:
        raise FormatError(
            "holds no CSV with the columns taxon and plankton; name the map itself", path=path
        )
    targets: dict[tuple[str, str], LabelTarget] = {}
    faults: list[Fault] = []
    for file in files:
        with open_text(file) as stream:
            rows = csv.DictReader((line.replace("\0", "") for line in stream), restkey="")
            for row in rows:
                found = _target(file.stem, rows.line_num, row)
                if isinstance(found, str):
                    faults.append(Fault(rows.line_num, found, str(row.get("taxon") or "")[:1000]))
                    continue
                before = targets.setdefault((found.source, found.label), found)
                if before is not found:
                    reason = f"the label stands on line {before.line} too"
                    faults.append(Fault(found.line, reason, f"{found.source},{found.label}"))
    if not targets:
        raise FormatError("holds no label that can be read", path=path)
    return LabelMap(path, targets, tuple(faults))


def _has_paths(path: Path) -> bool:
    """Return whether the header is that of a table of paths."""
    if not path.is_file():
        return False
    with open_text(path) as stream:
        header = [name.strip().lstrip("\ufeff") for name in next(csv.reader(stream), [])]
    return set(_NEEDED) <= set(header) and bool({"lineage", "level1", "level2"} & set(header))


def _target(source: str, line: int, row: dict[str, str]) -> LabelTarget | str:
    """Return what a row says, or why that cannot be."""
    label = (row.get("level1") or row.get("taxon") or "").strip()
    if not label:
        return "names no label"
    steps = [step.strip() for step in (row.get("lineage") or "").split("/") if step.strip()]
    said = [*steps, *(_WORD.findall((row.get("level2") or label).lower()) if not steps else ())]
    kind = next((kind for kind in _KINDS if kind in said), "living")
    if "not-living" in steps and kind == "living":
        kind = "artefact"
    names: list[str] = []
    qualifier = ""
    for number, step in enumerate(steps):
        name = _TEMPORARY.sub("", step.split("<")[0])
        if kind == "living" and _NAME.fullmatch(name) and name not in names:
            names.append(name)
        elif number == len(steps) - 1 and name not in ("living", *names):
            qualifier = name
    called = names[-1] if names else (row.get("level2") or label).strip()
    return LabelTarget(
        source, label, {f"level {n}": name for n, name in enumerate(names, 1)}, called, kind,
        qualifier if kind == "living" else "",
        _FLAGS.get((row.get("plankton") or "").strip().lower()), {}, line,
    )  # fmt: skip
