"""Reading tables of EcoTaxa, for every format that writes such: what is there, and as what.

The specification stands in `merian.formats.ecotaxa`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from merian.catalogue.sources import Reading, Reject, Rows
from merian.errors import FormatError, InputError
from merian.files import existing
from merian.formats.ecotaxa_lines import Head, read_head, rows_of
from merian.formats.ecotaxa_rows import Import, Pass, Ways, feeds
from merian.formats.ecotaxa_rules import Checker
from merian.formats.ecotaxa_tables import Table, address_of, find_tables, is_like, peek
from merian.formats.ecotaxa_values import number
from merian.formats.registry import Options

__all__ = ["Ways", "is_planktoscope", "read_tables", "tables_at"]

_PLANKTOSCOPE = frozenset({
    "acq_celltype", "acq_fnumber_objective", "acq_imaged_volume", "acq_instrument_id",
})  # fmt: skip
_LOOKED_AT = 2_000
_PEEKED = 20  # names of pictures that are looked for, to see whether they lie there at all
_APART = 20  # tables that are read as sources of their own, whose lines are told
_TOLD = 5


def is_planktoscope(columns: Sequence[str]) -> bool:
    """Return whether a PlanktoScope wrote these columns."""
    return len(_PLANKTOSCOPE.intersection(columns)) >= 3


def tables_at(path: Path) -> list[Table]:
    """Return the first tables that look like EcoTaxa's at a path; none for anything else."""
    try:
        if path.is_file() and path.suffix.lower() in {".jpg", ".jpeg", ".png", ".tif", ".tiff"}:
            return []
        tables = find_tables(path, _LOOKED_AT)[:_TOLD]
    except OSError:
        return []
    return [table for table in tables if is_like(peek(table))]


def read_tables(name: str, path: Path, options: Options, ways: Ways | None = None) -> Reading:
    """Return what there is to read in tables of EcoTaxa.

    Args:
        name: The name of the format that asks.
        path: A table, a folder or a zip.
        options: What the user says; of ``extra`` the settings ``pixel_um`` and ``project``.
        ways: What the format knows of its tables that EcoTaxa does not.
    """
    path = existing(path).absolute()
    notes: list[str] = []
    heads = _heads(path, notes)
    source = Import(
        heads,
        options.images and existing(options.images, "folder of pictures").absolute(),
        options.extra.get("project", ""),
        _pixel(options),
        set(),
        notes,
        ways or Ways(),
    )
    for head in heads:
        _note(head, source)
    groups: list[Sequence[Head]] = [[h] for h in heads] if len(heads) <= _APART else [heads]
    sources = [
        Rows(group[0].table.shown if len(group) == 1 else path, table, Pass(source, group, table))
        for table in ("record", "event", "measurement")
        for group in groups
        if any(feeds(source, head, table) for head in group)
    ]
    return Reading(name, sources, (path,), notes)


def _pixel(options: Options) -> float | None:
    told = options.extra.get("pixel_um")
    value = number(told) if told else None
    if told and (value is None or value <= 0):
        raise InputError(f"--set pixel_um={told}: the size of a pixel in micrometres is expected")
    return value


def _heads(path: Path, notes: list[str]) -> list[Head]:
    """Return the heads of all tables that have one and rows behind it."""
    tables = find_tables(path)
    if not tables:
        raise FormatError(
            "holds no table of EcoTaxa: one called ecotaxa*.tsv or ecotaxa*.txt is expected",
            path=path,
        )
    heads = []
    for table in tables:
        try:
            head = read_head(table)
            if "object_id" not in head.columns:
                raise FormatError("has no column object_id, which EcoTaxa's tables have",
                                  path=table.shown, line=1)  # fmt: skip
        except FormatError as error:
            if len(tables) == 1:
                raise
            notes.append(f"passed over: {error}")
            continue
        heads.append(head)
    if not heads:
        raise FormatError(f"holds no table that can be read. {notes[0]}", path=path)
    return heads


def _note(head: Head, source: Import) -> None:
    """See what there is to say of a table before it is read."""
    names = _pictures_named(head)
    if names and not any(address_of(head.table, name, source.images) for name in names):
        source.without.add(head.table)
        where = source.images or head.table.shown.parent
        hint = "unpack the zip, or name" if len(head.table.members) > 1 else "name"
        source.say(f"{head.table.shown}: none of its first pictures lies in {where}; none are "
                   f"taken ({hint} their folder with --images)")  # fmt: skip
    faults = [str(finding) for finding in Checker().head(head) if finding.line]
    for fault in faults[:_TOLD]:
        source.say(f"EcoTaxa would refuse {fault}")
    if len(faults) > _TOLD:
        source.say(f"EcoTaxa would refuse {len(faults) - _TOLD} more columns of {head.table.name}")


def _pictures_named(head: Head) -> list[str]:
    if "img_file_name" not in head.columns:
        return []
    at = head.columns.index("img_file_name")
    rows = (row for row in islice(rows_of(head), _PEEKED) if not isinstance(row, Reject))
    return [cells[at] for _, cells in rows if at < len(cells) and cells[at]]
