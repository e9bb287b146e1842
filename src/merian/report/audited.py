"""The page of an audit: what was found, what it means, what to do, and the first cases of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merian.audit import Audit, Finding
from merian.report.page import (
    Bars,
    Figures,
    Gallery,
    Name,
    Note,
    Part,
    Section,
    Table,
    Text,
    Thumbnail,
    page,
)

Shown = Mapping[str, Sequence[Thumbnail]]
"""Small pictures by the name of what was found."""

__all__ = ["audited_page"]

_SHOWN = 25  # rows of each table; all are in the files
_NAMES = frozenset({"species", "label_name", "fits_better", "in_species"})


def audited_page(audit: Audit, shown: Shown | None = None) -> str:
    """Return the page of an audit, with small pictures of what is shown."""
    of = shown or {}
    return page(
        audit.title,
        [_summary(audit), *(_section(one, of.get(one.name, ())) for one in audit.findings)],
        subtitle=audit.subtitle,
        stamp=audit.stamp,
    )


def _summary(audit: Audit) -> Section:
    """Return what was looked at, and how much was found of each kind."""
    rows = [
        (finding.title, finding.count, finding.noun, f"{finding.name}.tsv")
        for finding in audit.findings
    ]
    parts: list[Part] = [
        Figures([(f"{number:,}", what) for number, what in audit.looked_at]),
        Table(("what", "found", "of", "all of them in"), rows),
    ]
    parts += [Note(note) for note in audit.notes]
    return Section("What was found", parts)


def _section(finding: Finding, shown: Sequence[Thumbnail]) -> Section:
    """Return what was found of one kind."""
    title = f"{finding.title}: {finding.count:,}"
    if not finding.count and not finding.bars:
        return Section(title, [Text("None was found.")])
    parts: list[Part] = [Text(finding.advice)]
    if finding.bars:
        marked = frozenset(label for label, _ in finding.bars if label[:1] in "CE")
        parts.append(Bars(finding.title, finding.bars, "species", marked))
    if shown:
        parts.append(Gallery("The first of them", shown))
    rows = _worst(finding)
    if rows:
        columns = finding.shown or finding.columns
        at = [finding.columns.index(column) for column in columns]
        cells = [[_cell(columns[k], row[i]) for k, i in enumerate(at)] for row in rows[:_SHOWN]]
        heads = [column.replace("_", " ") for column in columns]
        parts.append(Table(heads, cells, more=max(0, len(rows) - _SHOWN)))
    return Section(title, parts)


def _worst(finding: Finding) -> list[tuple[object, ...]]:
    """Return the rows that are worth a look first; of grades, what is not well."""
    rows = [tuple(row) for row in finding.rows]
    if "grade" not in finding.columns:
        return rows
    at = finding.columns.index("grade")
    return sorted((row for row in rows if row[at] in ("C", "E")), key=lambda row: str(row[at]))[
        ::-1
    ]


def _cell(column: str, value: object) -> object:
    """Return a cell as it is shown."""
    if column in _NAMES and isinstance(value, str) and " " in value:
        return Name(value)
    if column.endswith("line"):  # a place, and no quantity
        return str(value)
    return round(value, 3) if isinstance(value, float) else value
