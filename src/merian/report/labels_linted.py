"""The page of a label map that was checked: what was found, the worst first, with its evidence."""

from __future__ import annotations

from merian.audit.label_case import CHECKS, ERROR, NOTE, SEVERITIES
from merian.audit.label_lint import Found, LabelLint
from merian.report.page import Bars, Figures, Note, Part, Section, Table, Text, page

__all__ = ["linted_page"]

_WORST = 12
_SHOWN = 30  # findings of each check; all are in the table
_NAMES = 6  # labels that are named of each


def linted_page(done: LabelLint) -> str:
    """Return the page."""
    sections = [_summary(done)]
    for check, (title, advice) in CHECKS.items():
        found = [f for f in done.found if f.case.check == check]
        if found:
            sections.append(_section(title, advice, found))
    if done.notes:
        sections.append(Section("What was looked at", [Note(note) for note in done.notes]))
    images = f": {done.counts.total:,} images" if done.counts.path is not None else ""
    return page(
        "A map of labels, checked",
        sections,
        subtitle=f"{done.labels.path.name}{images}",
        stamp=done.stamp,
    )


def _summary(done: LabelLint) -> Section:
    """Return the numbers, and the worst findings of all."""
    labels = done.labels
    figures: list[tuple[object, str]] = [
        (f"{len(labels.targets):,}", "labels"),
        (f"{len(labels.sources):,}", "sources"),
        (sum(f.case.severity == ERROR for f in done.found), "errors"),
        (done.faults - sum(f.case.severity == ERROR for f in done.found), "doubts"),
    ]
    rows = [(CHECKS[check][0], *numbers) for check, *numbers in done.table()]
    parts: list[Part] = [
        Figures(figures),
        Text(
            "An error contradicts a checklist, the label's own words or the map itself. A doubt "
            "has evidence against it that could be read otherwise. A note is for a person to "
            "decide, and nothing is known to be wrong."
        ),
    ]
    if not done.found:
        return Section("What was found", [*parts, Text("Nothing was found.")])
    parts.append(Table(("check", "errors", "doubts", "notes", "images"), rows))
    images = [
        (f"{f.case.says} ({f.case.check})", float(f.images.number))
        for f in done.found[:_WORST] if f.case.severity > NOTE and f.images.number
    ]  # fmt: skip
    if images:
        parts.append(Bars("Images of the worst findings", images))
    return Section("What was found", parts)


def _section(title: str, advice: str, found: list[Found]) -> Section:
    """Return the findings of one check."""
    rows = []
    for one in found[:_SHOWN]:
        case = one.case
        said = list(dict.fromkeys(f"{label} ({source})" for source, label in case.keys))
        more = f" and {len(said) - _NAMES:,} more" if len(said) > _NAMES else ""
        rows.append((
            SEVERITIES[case.severity], str(one.images), ", ".join(said[:_NAMES]) + more,
            case.under, case.evidence,
        ))  # fmt: skip
    columns = ("severity", "images", "labels", "put under", "evidence")
    table = Table(columns, rows, more=max(0, len(found) - _SHOWN))
    return Section(f"{title}: {len(found):,}", [Text(advice), table])
