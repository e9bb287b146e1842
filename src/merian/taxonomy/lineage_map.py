"""Maps that give a label a path through EcoTaxa's tree, such as that of Panaiotis and others.

One CSV a source, called after it (``zoocam.csv``), or one file alone::

    lineage,taxon,level1,level2,plankton
    /living/Eukaryota/.../Annelida/larvae<Annelida,larvae<Annelida,larvae_Annelida,Annelida,TRUE

``level1`` is the label that pictures carry, ``taxon`` where there is none. The steps of a path have
no ranks, so that the lineage of a target has the keys "level 1", "level 2" ..., and its rank is
unranked. A last step that
begins with a small letter is no taxon ("larvae<Annelida"): it is kept as the qualifier. A table
without ``lineage`` says only whether a label is plankton, and its targets have no lineage.

Reference: https://github.com/ThelmaPana/plankton_classif
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from merian.taxonomy.label_map import LEVEL, LabelTarget

__all__ = ["is_lineage_table", "target"]

_KINDS = ("detritus", "artefact")
_TEMPORARY = re.compile(r" temp$")
_NAME = re.compile(r"[A-Z][^\W\d_]+(?:-[^\W\d_]+)*(?: [a-z-]+)?")
_WORD = re.compile(r"[^\W_]+")
_FLAGS = {"true": True, "false": False}


def is_lineage_table(header: Collection[str]) -> bool:
    """Return whether the header is that of a table of paths."""
    return {"taxon", "plankton"} <= set(header) and bool(
        {"lineage", "level1", "level2"} & set(header)
    )


def target(source: str, line: int, row: Mapping[str, str]) -> LabelTarget | str:
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
        source, label, {f"{LEVEL}{n}": name for n, name in enumerate(names, 1)}, called, kind,
        qualifier if kind == "living" else "",
        _FLAGS.get((row.get("plankton") or "").strip().lower()), {}, line,
    )  # fmt: skip
