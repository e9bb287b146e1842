"""Habitat and age of the taxa of a label map against where the pictures were taken.

A camera in the sea meets no millipede and no fossil. Which taxa live where is read from a table
with the columns of WoRMS (isMarine, isBrackish, isFreshwater, isTerrestrial, isExtinct) and a name,
or the id of a checklist that is given too. Where a source works is read from a table with the
columns source and habitat; without it, it is what nearly all of the source's taxa with flags share.
A flag on a taxon above is no evidence unless it excludes: a blank says nothing.

Reference: https://rs.gbif.org/extension/gbif/1.0/speciesprofile.xml
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from merian.audit.label_case import DOUBT, ERROR, Case, lineage_text
from merian.audit.label_witness import Witness
from merian.errors import FormatError
from merian.files import existing, open_text

__all__ = ["Flags", "habitats", "read_flags", "read_habitats"]

HABITATS = ("marine", "brackish", "freshwater", "terrestrial")
_COLUMNS = {f"is{h}": h for h in (*HABITATS, "extinct")}
_NAMES = ("scientificname", "name", "canonical_name")
_YES, _NO = {"1", "true", "yes", "t"}, {"0", "false", "no", "f"}
_ENOUGH, _MOST = 5, 0.8

# folded name -> flag -> yes or no
Flags = dict[str, dict[str, bool]]


def _table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with open_text(path) as stream:
        first = stream.readline()
        stream.seek(0)
        rows = csv.DictReader(stream, delimiter="\t" if "\t" in first else ",")
        rows.fieldnames = [
            (n or "").strip().lower().lstrip("\ufeff") for n in rows.fieldnames or ()
        ]
        return list(rows.fieldnames), [{k: v or "" for k, v in r.items() if k} for r in rows]


def read_flags(path: Path | str, witness: Witness) -> Flags:
    """Read a table of flags; ids are looked up in the checklists."""
    path = existing(path, "table of habitats")
    columns, rows = _table(path)
    flags = [c for c in columns if c in _COLUMNS]
    name = next((c for c in _NAMES if c in columns), "")
    if not flags or not (name or "taxonid" in columns):
        raise FormatError(
            f"has the columns {', '.join(columns) or 'none'}; expected scientificName or taxonID, "
            "and isMarine, isFreshwater, isTerrestrial or isExtinct",
            path=path, line=1,
        )  # fmt: skip
    found: Flags = {}
    for row in rows:
        told = {
            _COLUMNS[c]: row[c].strip().lower() in _YES
            for c in flags if row.get(c, "").strip().lower() in _YES | _NO
        }  # fmt: skip
        names = [row[name]] if name else _of_id(witness, row["taxonid"].strip())
        for one in names if told else ():
            found[one.strip().casefold()] = told
    if not found:
        raise FormatError("has no flag of a name that is known; give its checklist too", path=path)
    return found


def _of_id(witness: Witness, one: str) -> list[str]:
    return [
        taxonomy.name_of(node)
        for taxonomy in witness.taxonomies
        if (node := taxonomy.find_id(one)) >= 0
    ]


def read_habitats(path: Path | str) -> dict[str, frozenset[str]]:
    """Read where each source works: the columns source and habitat, such as "marine brackish"."""
    path = existing(path, "table of habitats of the sources")
    columns, rows = _table(path)
    source = next((c for c in ("source", "dataset", "source_key") if c in columns), "")
    if not source or "habitat" not in columns:
        raise FormatError("expected the columns source and habitat", path=path, line=1)
    found: dict[str, frozenset[str]] = {}
    for number, row in enumerate(rows, 2):
        words = frozenset(row["habitat"].replace(",", " ").replace(";", " ").lower().split())
        if words - set(HABITATS):
            raise FormatError(
                f"the habitat is {row['habitat']!r}; expected {', '.join(HABITATS)}",
                path=path, line=number,
            )  # fmt: skip
        found[row[source].strip()] = words
    return found


def habitats(witness: Witness, flags: Flags, given: Mapping[str, frozenset[str]]) -> Iterator[Case]:
    """Find taxa that are extinct, or that do not live where their source works."""
    works = dict(given) or _usual(witness, flags)
    for key, target in witness.labels.targets.items():
        told = flags.get(target.name.casefold())
        if not told:
            continue
        case = lineage_text(target)
        if told.get("extinct"):
            yield Case("habitat", ERROR, target.name, case, "", f"{target.name} is extinct", (key,))
            continue
        there = works.get(key[0], frozenset())
        if there and all(told.get(habitat) is False for habitat in there):
            lives = ", ".join(h for h in HABITATS if told.get(h)) or "elsewhere"
            yield Case(
                "habitat", ERROR if given else DOUBT, target.name, case, "",
                f"{target.name} is {lives}, and {key[0]} is {', '.join(sorted(there))}", (key,),
            )  # fmt: skip


def _usual(witness: Witness, flags: Flags) -> dict[str, frozenset[str]]:
    """Return the habitats that nearly all taxa of a source with flags share."""
    taxa: dict[str, set[str]] = defaultdict(set)
    for (source, _), target in witness.labels.targets.items():
        if target.name.casefold() in flags:
            taxa[source].add(target.name.casefold())
    found: dict[str, frozenset[str]] = {}
    for source, names in taxa.items():
        counts = Counter(h for name in names for h in HABITATS if flags[name].get(h))
        if len(names) >= _ENOUGH:
            found[source] = frozenset(h for h, n in counts.items() if n >= _MOST * len(names))
    return found
