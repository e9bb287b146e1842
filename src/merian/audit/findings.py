"""What an audit found: tables that a curator can work through, and how they are written.

A finding is one kind of fault, with all of its cases. Each case takes one row, or a row for each
record that has part in it, with the record's id, file and line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merian.files import check_replaceable, write_json
from merian.formats.delimited import write_delimited
from merian.library.reading import Reject
from merian.stamp import run_id, stamp

__all__ = ["HEADER", "Audit", "Finding", "check_out", "set_aside", "write_tables"]

HEADER = "audit.json"
_FORMAT, _VERSION = "merian-audit", "1.0"


@dataclass(frozen=True)
class Finding:
    """One kind of fault.

    Attributes:
        name: Of its table, without the ending.
        title: What was found.
        advice: What it means, and what to do with it.
        noun: What is counted, in the singular.
        count: How many cases there are.
        columns: Of the table.
        rows: Of the table; a case may take several.
        fault: Whether a case is a fault: what only informs is not asked about by ``--strict``.
        bars: Counts by a word, for a picture of them.
        shown: The columns that a page has room for; all if empty.
    """

    name: str
    title: str
    advice: str
    noun: str
    count: int
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    fault: bool = True
    bars: Sequence[tuple[str, float]] = ()
    shown: Sequence[str] = ()


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        verb: What was done.
        title: Of the page.
        subtitle: What was looked at.
        looked_at: Numbers: how many, and of what.
        findings: In the order in which they are told.
        settings: What decided the result.
        notes: What the reader should know.
        remarks: What the formats have to say; for the screen alone.
    """

    verb: str
    title: str
    subtitle: str
    looked_at: Sequence[tuple[int, str]]
    findings: Sequence[Finding]
    settings: Mapping[str, object]
    notes: Sequence[str] = ()
    remarks: Sequence[str] = ()

    @property
    def found(self) -> int:
        """How many faults there are, of all kinds."""
        return sum(finding.count for finding in self.findings if finding.fault)

    @property
    def stamp(self) -> dict[str, Any]:
        """What is said of every file that is written."""
        return stamp(_FORMAT, _VERSION, run_id(self.verb.replace(" ", "-"), dict(self.settings)))


def check_out(out: Path) -> None:
    """Make sure that a folder may be written: it is not there, is empty, or is an earlier audit."""
    check_replaceable(out, HEADER, "an audit")


def write_tables(audit: Audit, folder: Path) -> None:
    """Write a table for each finding, and what was counted, into a folder."""
    for finding in audit.findings:
        write_delimited(folder / f"{finding.name}.tsv", finding.columns, finding.rows, "\t", _shown)
    counts = {finding.name: finding.count for finding in audit.findings}
    write_json(
        folder / HEADER,
        {
            "merian": audit.stamp,
            "looked_at": {what: number for number, what in audit.looked_at},
            "found": counts,
            "settings": dict(audit.settings),
            "notes": list(audit.notes),
        },
    )


def set_aside(rejects: Sequence[Reject]) -> Finding:
    """Return what was not looked at, and why."""
    return Finding(
        name="set_aside",
        title="Set aside, and not looked at",
        advice="Nothing can be said of these. Mend the file if they should have been looked at.",
        noun="record",
        count=len(rejects),
        columns=("record", "file", "line", "reason"),
        rows=[(found.id, found.file, found.line, found.reason) for found in rejects],
        fault=False,
    )


def _shown(value: object) -> str:
    """Return what stands in a cell: the same digits for the same number."""
    if value is None:
        return ""
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
