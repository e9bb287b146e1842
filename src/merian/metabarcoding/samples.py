"""The sheet of samples: where and when each was taken, and which are controls.

A table with one row a sample, under Darwin Core's headings or those that people use. Which column
holds the ids is found from the content: the one that has most of the table's samples. Samples that
are on one side alone are listed, and what is not on the sheet has no place and date. R changes
names that begin with a digit or hold a hyphen (``1-A`` becomes ``X1.A``); these are found again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from merian.errors import FormatError
from merian.files import existing, open_text
from merian.formats.delimited import read_head
from merian.formats.feature_rows import read_rows
from merian.formats.table_terms import guess, plain

__all__ = ["Sheet", "read_sheet", "sheet_ids"]

# What a sheet may say of the reads of its samples; the names are those of the extension "DNA
# derived data" of Darwin Core (rs.gbif.org/extension/gbif/1.0/dna_derived_data), and MIxS's.
DNA_TERMS = (
    "target_gene", "target_subfragment", "pcr_primer_forward", "pcr_primer_reverse",
    "pcr_primer_name_forward", "pcr_primer_name_reverse", "pcr_primer_reference", "pcr_cond",
    "nucl_acid_ext", "nucl_acid_amp", "lib_layout", "seq_meth", "ampliconSize", "samp_size",
    "samp_size_unit", "size_frac", "samp_collect_device", "samp_mat_process", "env_broad_scale",
    "env_local_scale", "env_medium", "sop", "concentration", "concentrationUnit", "project_name",
    "otu_class_appr", "chimera_check", "annealingTemp", "annealingTempUnit",
)  # fmt: skip
_DNA = {plain(term): term for term in DNA_TERMS}
_OTHERWISE = {
    "primerforward": "pcr_primer_forward", "forwardprimer": "pcr_primer_forward",
    "primerreverse": "pcr_primer_reverse", "reverseprimer": "pcr_primer_reverse",
    "marker": "target_gene", "gene": "target_gene", "platform": "seq_meth",
    "instrument": "seq_meth",
}  # fmt: skip

_CONTROL = frozenset(
    "control iscontrol blank isblank sampletype sampleorcontrol type controltype ntc negative"
    " sampcategory controls blanks".split()
)
_YES = frozenset("1 yes true y t x".split())
_KIND = re.compile(
    r"blank|negative|control(?!led)|ctrl|positive|mock|(?<![a-z])(?:ntc|neg(?![a-z])|negc)"
)
_NONE = re.compile(r"\W*(?:no|not|non|none)(?![a-z])|non(?:control|blank)")
_DEGREES = {"decimalLatitude": 90.0, "decimalLongitude": 180.0}


@dataclass(frozen=True)
class Sheet:
    """What is known of samples.

    Attributes:
        path: The file; None where none was given.
        terms: By sample of the table, Darwin Core's terms and those of DNA derived data.
        controls: Samples of the table that are controls, and of which kind, in the sheet's words.
        missing: Samples of the table that are not on the sheet.
        unread: Samples on the sheet that are not in the table.
        notes: What the user should know.
    """

    path: Path | None
    terms: Mapping[str, Mapping[str, str]]
    controls: Mapping[str, str]
    missing: Sequence[str]
    unread: Sequence[str]
    notes: Sequence[str] = field(default_factory=tuple)


def sheet_ids(path: Path | str) -> set[str]:
    """Return all that could be the id of a sample, to know a sample by."""
    _, rows = _rows(existing(path, "sheet of samples"))
    return {cell for _, row in rows for cell in row[:8] if cell}


def read_sheet(
    path: Path | str, samples: Sequence[str], mapping: Mapping[str, str] | None = None
) -> Sheet:
    """Read a sheet for the samples of a table.

    Args:
        path: The sheet: comma, semicolon or tab between columns.
        samples: Of the table.
        mapping: Column -> term, where its name does not tell; ``id`` for that of the samples.
    """
    path = existing(path, "sheet of samples")
    columns, rows = _rows(path)
    given = {plain(name): term for name, term in (mapping or {}).items()}
    unknown = [name for name in mapping or {} if plain(name) not in map(plain, columns)]
    if unknown:
        raise FormatError(
            f"has no column {unknown[0]!r}; its columns are {', '.join(columns[:10])}", path=path
        )
    uses = [given.get(plain(name)) or _term(name) for name in columns]
    place, found = _matched(path, columns, uses, rows, samples)
    terms: dict[str, dict[str, str]] = {}
    controls: dict[str, str] = {}
    unread, notes = [], []
    for line, row in rows:
        key = found.get(row[place])
        if key is None:
            if row[place]:
                unread.append(row[place])
            continue
        if key in terms:
            notes.append(f"{path}:{line}: {row[place]!r} is there a second time; the first counts")
            continue
        cells = [(u, c) for n, (u, c) in enumerate(zip(uses, row, strict=False)) if n != place]
        terms[key] = {use: cell for use, cell in cells if use and cell and use != "control"}
        for term, most in _DEGREES.items():
            if term in terms[key] and not _is_within(terms[key][term], most):
                what = f"{term} {terms[key].pop(term)!r}"
                notes.append(f"{path}:{line}: {what} is no number of degrees; it is left out")
        kind = next(filter(None, (_control(c) for u, c in cells if u == "control")), "")
        if kind:
            controls[key] = kind
    renamed = [f"{s} ({k})" for s, k in found.items() if s != k and k in terms]
    if renamed:
        notes.append(f"taken for one another, as R writes them: {', '.join(renamed[:5])}")
    left = [name for name, use in zip(columns, uses, strict=True) if not use]
    left = [name for name in left if name != columns[place]]
    if left:
        notes.append(f"columns of the sheet that mean no term: {', '.join(left[:8])}")
    missing = [sample for sample in samples if sample not in terms]
    return Sheet(path, terms, controls, missing, unread, notes)


def _rows(path: Path) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """Return the columns and the rows with their lines, all equally long."""
    head = read_head(path)
    if len(head.columns) < 2 and not head.rows:
        raise FormatError("expected a table with one row for each sample", path=path, line=1)
    columns, passed = head.columns, head.header_lines
    with open_text(path, head.encoding) as stream:
        above = [stream.readline() for _ in range(passed)]
    # QIIME's header begins with a "#", and is no remark.
    for number, line in enumerate(above, start=1):
        if re.match(r"#\s?(sample|id\b)", line, re.IGNORECASE) and head.delimiter in line:
            names = line.lstrip("# ").rstrip("\r\n").split(head.delimiter)
            columns, passed = tuple(name.strip() for name in names), number
            break
    rows = []
    read: Iterable[tuple[int, list[str]]]
    with open_text(path, head.encoding) as stream:
        for _ in range(passed):
            stream.readline()
        if head.quote:
            read = read_rows(path, stream, head.delimiter, passed + 1, by_line=False)
        else:
            plainly = csv.reader(stream, delimiter=head.delimiter, quoting=csv.QUOTE_NONE)
            read = enumerate(plainly, start=passed + 1)
        for number, row in read:
            # QIIME 2 writes the types of columns into a row of their own.
            if any(row) and not row[0].startswith("#q2:"):
                width = len(columns)
                cells = [cell.strip() for cell in row[:width]]
                rows.append((number, cells + [""] * (width - len(row))))
    if not rows:
        raise FormatError("holds no row; one for each sample is expected", path=path)
    return columns, rows


def _term(name: str) -> str | None:
    """Return what a column means."""
    word = plain(name)
    if word in _CONTROL:
        return "control"
    return _DNA.get(word) or _OTHERWISE.get(word) or guess(name)


def _control(cell: str) -> str:
    """Return what kind of control a cell says that a sample is; "" for none."""
    word = cell.strip().lower()
    if word in _YES:
        return "control"
    return cell.strip() if _KIND.search(word) and not _NONE.match(word) else ""


def _is_within(cell: str, most: float) -> bool:
    """Return whether a cell is a number from -most to most."""
    try:
        return -most <= float(cell) <= most
    except ValueError:
        return False


def _as_r(name: str) -> str:
    """Return a name as R's make.names writes it."""
    changed = re.sub(r"[^A-Za-z0-9._]", ".", name)
    return changed if re.match(r"[A-Za-z]|\.(?!\d)", changed) else f"X{changed}"


def _matched(
    path: Path,
    columns: Sequence[str],
    uses: Sequence[str | None],
    rows: Sequence[tuple[int, Sequence[str]]],
    samples: Sequence[str],
) -> tuple[int, dict[str, str]]:
    """Return the place of the ids, and by what is written there the sample of the table."""
    exact = {sample: sample for sample in samples}
    loose = {_as_r(sample): sample for sample in samples}
    best: tuple[int, int, dict[str, str]] = (0, 0, {})
    for place in range(len(columns)):
        cells = {row[place] for _, row in rows if row[place]}
        found = {cell: exact[cell] for cell in cells if cell in exact}
        taken = {*found.values()}
        alike = {cell: loose.get(_as_r(cell), "") for cell in cells - taken}
        found |= {cell: s for cell, s in alike.items() if s and s not in taken}
        if uses[place] == "id" and found:
            return place, found
        if len(found) > best[0] and "id" not in uses:
            best = (len(found), place, found)
    if not best[0]:
        first = ", ".join(row[0] for _, row in rows[:3])
        raise FormatError(
            f"none of its columns holds the samples of the table; the table has "
            f"{', '.join(samples[:3])}, the sheet begins with {first}. Say which column does with "
            f"--map COLUMN=sample_id, or mend the names; its columns are {', '.join(columns[:10])}",
            path=path,
        )
    return best[1], best[2]
