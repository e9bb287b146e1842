"""Merian's own map of labels: a table that people edit in a spreadsheet.

One row a label of a source, tab-separated, with the columns of Darwin Core where it has them::

    source, label, count      whose label, how it is written, and how many records carry it
    kind                      taxon, detritus, artefact, inert, placeholder or unsure
    scientificName, scientificNameAuthorship, taxonRank, taxonID
                              the accepted taxon in the checklist
    lifeStage, part, multiple, like, qualifier
                              what the label says beside the name; yes or nothing where it is a flag
    status                    proposed, accepted (a person agrees) or rejected (leave it out)
    reason, candidates        why, and what else it could be
    by, remarks               who decided, and what else is to be said
    lineage                   "kingdom Animalia > ... > genus Calanus", as the checklist has it
    checklist, format         the lock of the checklist, and the version of this format

It survives a spreadsheet. Checklist and format stand in every row, since a line above the header
is lost by sorting, and a file beside it by sending. Rows and columns may be sorted, columns added
and left out; commas or semicolons may have come for the tabs, UTF-16 for UTF-8. What a spreadsheet
would read as a number, a date or a formula has an apostrophe before it, which is taken off again.
Whoever changes a name need not change the lineage: one that does not end with the name is dropped.

An overlay of errata has the same columns, of which source, label, and kind or scientificName are
enough; `by` and `reason` have to be filled in, for an erratum says who and why.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from merian.errors import FormatError
from merian.files import new_file
from merian.taxonomy.label_map import LabelTarget
from merian.taxonomy.lock import TaxonomyLock
from merian.taxonomy.ranks import RANK_NUMBER, RANKS, read_rank

__all__ = [
    "COLUMNS", "STATUSES", "lock_of", "own_columns", "protected", "target", "unprotected",
    "write_label_map",
]  # fmt: skip

COLUMNS = (
    "source", "label", "count", "kind", "scientificName", "scientificNameAuthorship", "taxonRank",
    "taxonID", "lifeStage", "part", "multiple", "like", "qualifier", "status", "reason",
    "candidates", "by", "remarks", "lineage", "checklist", "format",
)  # fmt: skip
STATUSES = ("proposed", "accepted", "rejected")
_FORMAT, _MAJOR, _VERSION = "merian-label-map", 1, "1.0"
_KINDS = ("taxon", "detritus", "artefact", "inert", "placeholder", "unsure")
_YES = frozenset({"yes", "y", "true", "1", "x", "ja", "oui", "wahr", "vrai"})
_NO = frozenset({"", "no", "n", "false", "0", "nein", "non", "falsch", "faux"})
_TEXTS = {
    "scientificNameAuthorship": "authorship", "taxonID": "taxon_id", "lifeStage": "life_stage",
    "part": "part", "qualifier": "doubt", "reason": "reason", "candidates": "candidates",
    "by": "by", "remarks": "remarks",
}  # fmt: skip
# What a spreadsheet takes for a formula, a number, a date or a truth: "=A1", "1E5", "MAR1", "true".
_MISREAD = re.compile(
    r"[^\W\d_]{3,9}[ ./-]?\d{1,4}|true|false|wahr|falsch|vrai|faux|['=+@-].*|0\d.*|\d{16,}"
    r"|\d[\d.,:/ -]*\D.*|\d+[.,:/ -].*",
    re.IGNORECASE | re.DOTALL,
)


def own_columns(path: Path, header: list[str]) -> list[str] | None:
    """Return the columns of a header in our spelling, or None where it is no map of ours."""
    ours = {name.lower(): name for name in COLUMNS}
    columns = [ours.get(name.lower(), name) for name in header]
    if not {"source", "label"} <= set(columns):
        return None
    if not {"kind", "scientificName"} & set(columns):
        raise FormatError(
            "has neither a column kind nor one scientificName, so that it says nothing of its "
            f"labels; a map has the columns {', '.join(COLUMNS)}",
            path=path, line=1,
        )  # fmt: skip
    return columns


def lock_of(row: Mapping[str, str]) -> TaxonomyLock | None:
    """Return the checklist that a row names."""
    parts = [part.strip() for part in row.get("checklist", "").split("|")]
    return TaxonomyLock(*parts) if len(parts) == 3 and any(parts) else None


def target(line: int, row: Mapping[str, str]) -> LabelTarget | str:
    """Return what a row says, or why that cannot be."""
    row = {name: unprotected(text) for name, text in row.items()}
    source, label = row["source"].strip(), row["label"]
    if not label.strip():
        return "names no label"
    found = {name: row.get(name, "").strip() for name in COLUMNS}
    name, version = found["scientificName"], found["format"]
    if version and not version.startswith(f"{_FORMAT} {_MAJOR}."):
        return f"is of the format {version!r}; {_FORMAT} {_MAJOR}.x expected"
    kind = found["kind"].lower() or ("taxon" if name else "unsure")
    status = found["status"].lower() or "proposed"
    count = re.sub(r"[.,]0+$", "", found["count"])
    count = re.sub(r"(?<=\d)[,.'\s\u00a0\u202f](?=\d{3}\b)", "", count)
    flags = {name: found[name].lower() for name in ("multiple", "like")}
    rank = read_rank(found["taxonRank"])
    lineage = _lineage(found["lineage"], name, RANKS[rank or 0])
    wrong = {
        f"kind is {kind!r}; {', '.join(_KINDS)} expected": kind not in _KINDS,
        f"status is {status!r}; {', '.join(STATUSES)} expected": status not in STATUSES,
        f"count is {found['count']!r}; a whole number expected": not re.fullmatch(r"\d*", count),
        f"taxonRank is {found['taxonRank']!r}, which is no rank": rank is None,
        "is a taxon, but names none": kind == "taxon" and not name,
        f"is {kind}, but names the taxon {name}": kind != "taxon" and bool(name),
        **{f"{what} is {told!r}; yes or nothing expected": told not in _YES | _NO
           for what, told in flags.items()},
    }  # fmt: skip
    if reasons := [reason for reason, is_so in wrong.items() if is_so]:
        return reasons[0]
    multiple, like = (flags[what] in _YES for what in ("multiple", "like"))
    words = (found["part"] and "part", found["lifeStage"], like and "like", multiple and "mix")
    texts: dict[str, Any] = {field: found[column] for column, field in _TEXTS.items()}
    return LabelTarget(
        source, label, lineage, name or kind, "living" if kind == "taxon" else kind,
        next((word for word in words if word), "") or "", None,
        {"checklist": (found["taxonID"],)} if found["taxonID"] else {},
        line, count=int(count) if count else None, multiple=multiple, like=like, status=status,
        **texts,
    )  # fmt: skip


def write_label_map(
    path: Path | str, targets: Iterable[LabelTarget], lock: TaxonomyLock | None
) -> int:
    """Write a map, complete or not at all, and return the number of its rows.

    It begins with the mark of UTF-8, without which spreadsheets spoil accents.
    """
    told = " | ".join(lock.as_dict().values()) if lock else ""
    rows = 0
    with new_file(path, text=True) as stream:
        stream.write("\ufeff")
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in targets:
            writer.writerow([protected(text) for text in _cells(one, told)])
            rows += 1
    return rows


def _cells(one: LabelTarget, checklist: str) -> list[str]:
    """Return a row as texts."""
    texts = {column: getattr(one, field) for column, field in _TEXTS.items()}
    texts |= {
        "source": one.source,
        "label": one.label,
        "count": "" if one.count is None else str(one.count),
        "kind": "taxon" if one.kind == "living" else one.kind,
        "scientificName": one.name,
        "taxonRank": one.rank,
        "multiple": "yes" if one.multiple else "",
        "like": "yes" if one.like else "",
        "status": one.status or STATUSES[0],
        "lineage": " > ".join(f"{rank} {name}" for rank, name in one.lineage.items()),
        "checklist": checklist,
        "format": f"{_FORMAT} {_VERSION}",
    }
    return [texts[column] for column in COLUMNS]


def _lineage(text: str, name: str, rank: str) -> dict[str, str]:
    """Return names by rank; only the name itself where they do not end with it."""
    if not name:
        return {}
    found: dict[str, str] = {}
    for piece in text.split(" > ") if text else ():
        # A rank may have two words ("species aggregate").
        words = piece.split(" ")
        cut = 2 if " ".join(words[:2]) in RANK_NUMBER else 1
        found[" ".join(words[:cut])] = " ".join(words[cut:])
    last = list(found.items())[-1:]
    return found if last == [(rank, name)] else {rank: name}


def protected(text: str) -> str:
    """Return a text so that a spreadsheet leaves it as it is."""
    return f"'{text}" if _MISREAD.fullmatch(text) else text


def unprotected(text: str) -> str:
    """Return a text as it was before a spreadsheet was kept from it."""
    return text[1:] if text[:1] == "'" and _MISREAD.fullmatch(text[1:]) else text
