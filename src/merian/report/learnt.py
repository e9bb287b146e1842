"""The page of what a library would answer otherwise, with what people have corrected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merian.files import write_text
from merian.identify.correcting import Trial
from merian.report.page import Bars, Figures, Name, Note, Section, Table, Text, page
from merian.stamp import run_id, stamp

__all__ = ["write_learnt"]

_SHOWN = 1_000


def write_learnt(file: Path, tried: Trial, catalogue: str, library: str) -> None:
    """Write the page of a trial.

    Args:
        file: It.
        tried: What was tried.
        catalogue: What was reviewed.
        library: What is to learn.
    """
    changes = tried.changes
    parts: list[Any] = [
        Figures([
            (tried.taken, "corrections that the library lacks"),
            (len(changes), "determinations that would change"),
            (tried.known, "corrections that it has already"),
            (len(tried.contrary), "corrections against a reference of its own"),
        ]),
        Text(
            "The library was copied, the copy was given the names that people have validated, and "
            "learnt anew how far its names can be trusted; then the same records were asked of "
            "both. Those that people have named themselves are not counted."
        ),
    ]  # fmt: skip
    if changes:
        parts.append(Bars("How answers change", [(k, float(n)) for k, n in tried.counted.items()]))
    sections = [Section("In short", parts)]
    if changes:
        rows = [[one.id, one.what, *_told(one.before), *_told(one.now)] for one in changes[:_SHOWN]]
        sections.append(Section("Each change", [Table(
            ["record", "how", "until now", "p", "then", "p"], rows, more=len(changes) - len(rows),
        )]))  # fmt: skip
    if tried.contrary:
        rows = [[key, Name(own), Name(name)] for key, own, name in tried.contrary[:_SHOWN]]
        sections.append(Section("Against the library", [
            Note("The library holds these records under another name. Build it anew from its "
                 "sources, so that it has one name for each."),
            Table(["record", "in the library", "corrected"], rows,
                  more=len(tried.contrary) - len(rows)),
        ]))  # fmt: skip
    run = run_id("learn", {"changes": [(one.id, dict(one.now)) for one in changes]})
    write_text(file, page(
        "What would change", sections,
        subtitle=f"{library}, with what was corrected in {catalogue}",
        stamp=stamp("merian-page", "1.0", run),
    ))  # fmt: skip


def _told(said: Mapping[str, Any]) -> list[Any]:
    return [Name(said["name"]) if said["name"] else "nothing", said["p"]]
