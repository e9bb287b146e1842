"""The README of a package: what is in it, how much, under which licences, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merian.formats.about import About
from merian.report.publish.findings import Findings
from merian.report.publish.licences import NO_ADVICE, Licence, consequences

__all__ = ["readme"]

_WHAT = {
    "dwc-dp/": "Darwin Core Data Package: all tables, related by keys; "
    "`merian import dwc-dp` reads them back",
    "dwc-a.zip": "Darwin Core Archive, as GBIF and OBIS take it",
    "croissant.json": "description for those who train models (Croissant 1.1)",
    "huggingface/": "data card and tables for the Hugging Face Hub",
    "licences.csv": "every licence with the number of pictures under it",
}


def readme(
    about: About,
    licence: Licence,
    counts: Mapping[str, int],
    licences: Mapping[Licence, int],
    findings: Findings | None,
    notes: Sequence[str],
    place: bool = True,
) -> str:
    """Return the text, in Markdown.

    Args:
        about: What is said of the data set.
        licence: Of its tables.
        counts: The rows of each table.
        licences: Of its pictures, with how many are under each.
        findings: What the check of the package found.
        notes: What else is to be known.
        place: Whether to tell where in the package what is.
    """
    lines = [f"# {about.title or 'Records of a Merian catalogue'}", ""]
    if about.description:
        lines += [about.description, ""]
    people = ", ".join(agent.name for agent in about.creators)
    told = [
        ("Made by", people), ("Contact", f"{about.asked.name} {about.asked.mail}".strip()
                              if about.asked else ""),
        ("Identifier", about.identifier), ("Version", about.version), ("Made on", about.date),
    ]  # fmt: skip
    lines += [f"- {what}: {value}" for what, value in told if value]
    if place:
        lines += ["", "## What is in it", "", "| part | what it is |", "|---|---|"]
        lines += [f"| `{part}` | {what} |" for part, what in _WHAT.items()]
    lines += ["", "## How much", "", "| table | rows |", "|---|---:|"]
    lines += [f"| {table} | {rows:,} |" for table, rows in counts.items()]
    lines += ["", "## Licences", ""]
    if licence.code == "unknown":
        lines.append("Nobody said under which licence the tables are, so they may not be "
                     "republished without asking.")  # fmt: skip
    else:
        link = f" ({licence.url})" if licence.url else ""
        lines.append(f"The tables are under {licence.name}{link}.")
    sentences = consequences(licences) or [NO_ADVICE]
    lines += ["", *(f"{sentence}\n" for sentence in sentences)]
    if notes:
        lines += ["## To be known", "", *(f"- {note}" for note in notes), ""]
    if findings is not None:
        lines += _checked(findings)
    return "\n".join(lines).rstrip() + "\n"


def _checked(findings: Findings) -> list[str]:
    lines = ["## What the check found", ""]
    if not findings.kinds:
        return [*lines, "Nothing.", ""]
    lines += ["| | code | file | term | how often | what |", "|---|---|---|---|---:|---|"]
    return lines + [
        f"| {k.severity} | {k.code} | {k.file} | {k.term} | {k.count:,} | "
        + k.message.replace("|", "\\|")
        + " |"
        for k in findings.kinds
    ]
