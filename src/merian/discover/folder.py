"""A run of discover as files: a folder that the next run reads and writes again.

    discover.json  what it is: format, run, settings and counts
    clusters.tsv   a row for every code that was ever given: name, parent, nearest species ...
    members.tsv    a row for every record that is in a cluster
    history.tsv    what became of clusters, and why; rows are added and never changed
    ranks.tsv      of a tree, the group of every record at each rank that is known of some, and
                   how well it is found again
    alone.tsv      the records that were left alone, and those without anything to go by
    set_aside.tsv  what could not be read, with its line and the reason

It is complete or absent. Where it is there already, codes are matched to those in it, so that names
stay when more data come.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merian.discover.registry import Entry, Registry
from merian.discover.run import Discovered
from merian.discover.tables import CLUSTERS, HISTORY, MEMBERS, read_registry, rows_of
from merian.errors import FormatError, InputError
from merian.files import check_replaceable, open_text, write_json
from merian.formats.delimited import write_delimited
from merian.stamp import check_stamp, stamp

__all__ = [
    "FORMAT",
    "HEADER",
    "VERSION",
    "check_decisions",
    "check_folder",
    "read_folder",
    "write_folder",
    "write_run",
]

FORMAT, VERSION, HEADER = "merian-clusters", "1.0", "discover.json"
_MEMBERS = (*MEMBERS, "goesBy", "name")
_RANKED = ("recordID", "rank", "group", "support")
_TABLES = {"cluster": "clusters.tsv", "clusterMember": "members.tsv",
           "clusterHistory": "history.tsv"}  # fmt: skip


def check_folder(folder: Path) -> None:
    """Make sure that a folder may be written: it is not there, is empty, or is one of ours."""
    check_replaceable(folder, HEADER, "clusters", "the tables and the pages")


def read_folder(folder: Path) -> Registry:
    """Return what a folder knows; nothing if it is not there or empty."""
    if not (folder / HEADER).is_file():
        return Registry()
    check_stamp(folder / HEADER, FORMAT, 1)
    clusters = _rows(folder / _TABLES["cluster"], CLUSTERS)
    members = _rows(folder / _TABLES["clusterMember"], MEMBERS)
    history = _rows(folder / _TABLES["clusterHistory"], HISTORY)
    pairs = ((row["recordID"], row["clusterCode"]) for row in members)
    try:
        return read_registry(clusters, pairs, history)
    except FormatError as error:
        if error.path is not None:
            raise
        raise FormatError(str(error), path=folder) from None


def check_decisions(folder: Path, known: Registry) -> None:
    """Make sure that a folder tells of no decision of people that is lost when it is replaced.

    Args:
        folder: It; it need not be there.
        known: What takes its place.
    """
    told = {_of(entry) for entry in known.history}
    for entry in read_folder(folder).history:
        if entry.agent == "human" and _of(entry) not in told:
            raise InputError(
                f"{folder}: entry {entry.number} of its history ({entry.code} {entry.action} by "
                f"{entry.by}) would be lost, as it was decided there alone, or meanwhile; run it "
                "again, or name another folder with -o"
            )


def _of(entry: Entry) -> tuple[object, ...]:
    return entry.number, entry.action, entry.code, entry.others, entry.by, entry.at


def _rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Return the rows of a table, None where a cell is empty."""
    with open_text(path) as stream:
        reader = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        head = next(reader, [])
        missing = [column for column in columns if column not in head]
        if missing:
            raise FormatError(
                f"lacks the column {missing[0]}; give the folder as `merian discover` wrote it",
                path=path, line=1,
            )  # fmt: skip
        for number, cells in enumerate(reader, start=2):
            if len(cells) != len(head):
                raise FormatError(
                    f"found {len(cells)} fields, expected {len(head)}", path=path, line=number
                )
            yield dict(zip(head, (cell or None for cell in cells), strict=True))


def write_folder(registry: Registry, folder: Path) -> None:
    """Write what is known of clusters into a folder that is not in its place yet."""
    rows = rows_of(registry)
    names = {one.code: one.name for one in registry.standing()}
    write_delimited(folder / "clusters.tsv", CLUSTERS, rows["cluster"], "\t")
    members = (
        (record, code, registry.current(code), names[registry.current(code)])
        for record, code in rows["clusterMember"]
    )
    write_delimited(folder / "members.tsv", _MEMBERS, members, "\t")
    write_delimited(folder / "history.tsv", HISTORY, rows["clusterHistory"], "\t")


def write_run(found: Discovered, folder: Path, run: str, inputs: dict[str, Any]) -> None:
    """Write what a run has found into a folder that is not in its place yet."""
    write_folder(found.registry, folder)
    alone = [(record, "like no other, or too few are") for record in found.alone]
    write_delimited(folder / "alone.tsv", ("recordID", "reason"), alone, "\t")
    if found.cuts:
        write_delimited(folder / "ranks.tsv", _RANKED, _at_ranks(found), "\t")
    aside = found.subjects.aside
    if aside:
        columns = ("file", "line", "id", "reason")
        write_delimited(folder / "set_aside.tsv", columns, aside, "\t")
    write_json(
        folder / HEADER,
        {
            "merian": stamp(FORMAT, VERSION, run),
            "inputs": inputs,
            "settings": found.method.settings,
            "grouping": found.told,
            "ranks": {
                rank: {"groups": cut.count, "agreement": round(cut.agreement, 4),
                       "named": cut.named}
                for rank, cut in found.cuts.items()
            },
            "counts": {
                "records": found.looked_at, "named": found.named, "without": found.bare,
                "set_aside": len(aside), "grouped": len(found.code), "alone": len(found.alone),
                "clusters": len(set(found.code.values())),
            },
        },
    )  # fmt: skip


def _at_ranks(found: Discovered) -> Iterator[tuple[object, ...]]:
    """Return the group of each record at each rank, counted from 1, and its support."""
    for rank, cut in found.cuts.items():
        support = [None if np.isnan(one) else round(float(one), 4) for one in cut.support]
        for record, group in zip(found.subjects.ids, cut.label.tolist(), strict=True):
            if group >= 0:
                yield record, rank, group + 1, support[group]
