"""Seven checks of a label map, offline, with what evidence there is; the worst first.

Without a checklist the map is held against itself: labels and their own lineages, contradictions,
parents, ids, what its sources usually hold. Each checklist, list of homonyms and table of flags
adds witnesses. No check changes anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from merian.audit.label_against_target import against_target
from merian.audit.label_between import contradictions, parents, policies, synonyms
from merian.audit.label_case import CHECKS, ERROR, NOTE, SEVERITIES, Case, merged
from merian.audit.label_counts import Images, LabelCounts, find_counts, read_counts
from merian.audit.label_habitat import habitats, read_flags, read_habitats
from merian.audit.label_homonyms import Sources, homonyms, plain_words
from merian.audit.label_ids import identifiers, read_ids, registers
from merian.audit.label_prior import strangers
from merian.audit.label_witness import Witness, read_homonyms
from merian.files import check_replaceable, write_json
from merian.formats.delimited import write_delimited
from merian.stamp import run_id, stamp
from merian.taxonomy.label_errata import completed, is_applied
from merian.taxonomy.label_map import LabelMap, read_label_map
from merian.taxonomy.tree import Taxonomy

__all__ = ["COLUMNS", "Found", "LabelLint", "check_folder", "lint_labels", "write_lint"]

COLUMNS = (
    "severity", "check", "images", "at_most", "labels", "sources", "says", "under", "better",
    "evidence", "lines", "raw_labels",
)  # fmt: skip
HEADER = "labels.json"
TABLE = "findings.tsv"
_FORMAT, _VERSION = "merian-label-lint", "1.0"


@dataclass(frozen=True)
class Found:
    """A finding with its images."""

    case: Case
    images: Images


@dataclass(frozen=True)
class LabelLint:
    """What was found in a map.

    Attributes:
        labels: The map.
        counts: Of its images.
        found: The findings, the worst first.
        notes: What was looked at, and what could not be.
        settings: What decided the result.
    """

    labels: LabelMap
    counts: LabelCounts
    found: Sequence[Found]
    notes: Sequence[str]
    settings: dict[str, object]

    @property
    def faults(self) -> int:
        """How many findings are more than a question."""
        return sum(found.case.severity > NOTE for found in self.found)

    def table(self) -> list[tuple[str, int, int, int, int]]:
        """Return check, errors, doubts, notes, and images of errors and doubts."""
        number = Counter((f.case.check, f.case.severity) for f in self.found)
        rows = []
        for check in CHECKS:
            by = [number[check, severity] for severity in sorted(SEVERITIES, reverse=True)]
            if any(by):
                keys = {
                    key for f in self.found if f.case.check == check and f.case.severity > NOTE
                    for key in f.case.keys
                }  # fmt: skip
                rows.append((check, by[0], by[1], by[2], self.counts.of(keys).number))
        return rows

    @property
    def stamp(self) -> dict[str, Any]:
        """What is said of every file that is written."""
        return stamp(_FORMAT, _VERSION, run_id("labels-lint", dict(self.settings)))


def lint_labels(
    path: Path | str,
    *,
    taxonomies: Sequence[Taxonomy] = (),
    homonym_list: Path | None = None,
    counts: Path | None = None,
    flags: Path | None = None,
    where: Path | None = None,
    ids: Sequence[Path] = (),
    progress: Callable[[str], None] | None = None,
) -> LabelLint:
    """Check a label map.

    Args:
        path: The map.
        taxonomies: Checklists as witnesses.
        homonym_list: GBIF's list of homonyms.
        counts: A table of images by label; found beside the map if not given.
        flags: A table of habitats and fossils by taxon.
        where: A table of the habitat of each source.
        ids: Tables of names with the ids of an authority.
        progress: Told what is being done.
    """
    tell = progress or (lambda _: None)
    tell("Reading the map")
    labels = read_label_map(path)
    labels = completed(labels) if labels.lock else labels
    table = read_counts(labels, counts or find_counts(labels.path))
    listed = read_homonyms(homonym_list) if homonym_list else {}
    # What is open or rejected names no record.
    decided = {key: one for key, one in labels.targets.items() if is_applied(one)}
    witness = Witness(replace(labels, targets=decided), taxonomies, listed)
    tell("Looking at what the sources hold")
    sources = Sources.of(witness)
    known = registers(witness, [read_ids(one) for one in ids])
    tell("Checking labels")
    cases = [
        *against_target(witness), *homonyms(witness, sources), *plain_words(witness, sources),
        *strangers(witness, sources), *contradictions(witness), *synonyms(witness),
        *parents(witness), *policies(witness), *identifiers(witness, known),
    ]  # fmt: skip
    if flags:
        told = read_flags(flags, witness)
        cases += habitats(witness, told, read_habitats(where) if where else {})
    found = [Found(case, table.of(case.keys)) for case in _once(merged(cases))]
    order = {check: number for number, check in enumerate(CHECKS)}
    found.sort(key=lambda f: (
        -f.case.severity, -f.images.number, order[f.case.check], f.case.says, f.case.under,
    ))  # fmt: skip
    notes = _notes(labels, table, taxonomies, listed, flags, {a: t for a, (t, _) in known.items()})
    settings: dict[str, object] = {
        "map": str(path), "taxonomies": [t.lock.as_dict() for t in taxonomies],
        "homonyms": str(homonym_list or ""), "counts": str(table.path or ""),
        "flags": str(flags or ""), "where": str(where or ""), "ids": [str(one) for one in ids],
    }  # fmt: skip
    return LabelLint(labels, table, found, notes, settings)


def _once(cases: Sequence[Case]) -> list[Case]:
    """Leave out what another finding about the same rows says with more evidence."""
    order = ("longer-name", "homonym", "no-taxon", "descendant", "branch", "prior")
    worst: dict[tuple[str, str], tuple[int, int]] = {}
    for case in cases:
        if case.check in order:
            for key in case.keys:
                rank = (case.severity, -order.index(case.check))
                worst[key] = max(worst.get(key, (0, -99)), rank)
    return [
        case for case in cases
        if case.check not in order
        or any(worst[key] == (case.severity, -order.index(case.check)) for key in case.keys)
    ]  # fmt: skip


def _notes(
    labels: LabelMap, counts: LabelCounts, taxonomies: Sequence[Taxonomy], listed: object,
    flags: Path | None, known: dict[str, str],
) -> list[str]:  # fmt: skip
    """Return what the reader should know of what was looked at."""
    notes = []
    if labels.faults:
        first = labels.faults[0]
        notes.append(
            f"{len(labels.faults):,} rows of the map were set aside; the first is line "
            f"{first.line}: {first.reason}"
        )
    if counts.path is None:
        notes.append("no counts of images were given or found beside the map: --counts TABLE")
    elif counts.unused:
        notes.append(f"{counts.unused:,} rows of {counts.path.name} belong to no label of the map")
    if any(number > 1 for number in counts.members.values()):
        notes.append(
            f"{counts.path.name if counts.path else ''} counts by target: where several labels "
            "share one, their images are an upper bound"
        )
    if not taxonomies:
        notes.append("no checklist was given (--taxonomy): the map is held against itself alone")
    if not listed:
        notes.append("no list of homonyms was given (--homonyms)")
    if flags is None:
        notes.append("habitats and fossils were not looked at: --flags TABLE")
    ids = {authority for t in labels.targets.values() for authority in t.ids}
    for authority in sorted(ids):
        title = known.get(authority)
        notes.append(
            f"the ids of {authority} were looked up in {title}" if title
            else f"no checklist answers for the ids of {authority}: held against each other alone"
        )  # fmt: skip
    return notes


def check_folder(out: Path) -> None:
    """Make sure that a folder may be written: it is not there, is empty, or an earlier result."""
    check_replaceable(out, HEADER, "findings", "the table and the page")


def write_lint(done: LabelLint, folder: Path) -> None:
    """Write the table of findings, and what was counted, into a folder."""
    write_delimited(folder / TABLE, COLUMNS, [row(done, f) for f in done.found], "\t", str)
    write_json(
        folder / HEADER,
        {
            "merian": done.stamp,
            "labels": len(done.labels.targets),
            "sources": len(done.labels.sources),
            "images": done.counts.total,
            "found": {check: by for check, *by in done.table()},
            "errors": sum(f.case.severity == ERROR for f in done.found),
            "settings": done.settings,
            "notes": list(done.notes),
        },
    )


def row(done: LabelLint, found: Found) -> tuple[object, ...]:
    """Return a finding as a row of the table."""
    case = found.case
    targets = done.labels.targets
    return (
        SEVERITIES[case.severity], case.check, found.images.number,
        "at most" if found.images.at_most else "", len(case.keys),
        " ".join(sorted({source for source, _ in case.keys})), case.says, case.under, case.better,
        case.evidence, " ".join(str(targets[key].line) for key in case.keys),
        " | ".join(dict.fromkeys(label for _, label in case.keys)),
    )  # fmt: skip
