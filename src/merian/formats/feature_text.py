"""Feature tables as text: a header, then a row a feature or a row a sample.

DADA2's `seqtab` (rows are samples, the columns are the sequences themselves; from R's write.table
or write.csv, where the header may be one name short), QIIME 2 (``# Constructed from biom file``,
then ``#OTU ID``), vsearch (``--otutabout``: ``#OTU ID``), swarm, OBITools, a spreadsheet: ids or
sequences in the first column, a column of sequences, columns of other kinds between the samples.
Which way round it is, and which column is what, is found from the content; where that leaves a
doubt, it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from merian.catalogue.sources import Reject
from merian.errors import FormatError, InputError
from merian.files import find_encoding, open_text
from merian.formats.feature_rows import fields, read_rows
from merian.formats.feature_table import (
    MOST_READS,
    FeatureTable,
    Gathered,
    bare_id,
    sequence_id,
)
from merian.formats.table_terms import guess, plain

__all__ = ["USES", "read_text"]

_DNA = re.compile(r"[ACGTUNRYSWKMBDHVacgtunryswkmbdhv-]{30,}")
_LOOKED_AT = 30  # rows
_DELIMITERS = "\t,; "
_IDS = frozenset("id otu otuid asv asvid featureid feature zotu motu rownames row".split())
# Columns of numbers that are no samples: sums, swarm's, and those of a search in references.
_TOTALS = frozenset("total totals sum sums totalreads grandtotal".split())
_NUMBERS = _TOTALS | frozenset(
    "abundance cloud length spread quality size count seqlength len"
    " identity pident evalue bitscore confidence taxid".split()
)
# OBITools says of a column that it is a sample; its other numbers are none.
_OBITOOLS = re.compile(r"(?:merged_)?sample:(.+)", re.IGNORECASE)
_HEADER = re.compile(r"#\s*(?:otu|asv|zotu|motu|feature|sample|id)\b.*[\t,;]", re.IGNORECASE)
USES = ("id", "sequence", "sample", "ignore")


@dataclass(frozen=True)
class _Head:
    """The header of a table, and how its rows are read."""

    path: Path
    names: list[str]
    first: list[list[str]]  # rows to look at
    unnamed: bool  # R writes no name above the names of rows
    marked: bool  # "#OTU ID": rows are features
    rows: Callable[[], Iterator[tuple[int, list[str]]]]


def read_text(
    path: Path,
    mapping: Mapping[str, str],
    rows: str | None,
    features: Collection[str],
    samples: Collection[str],
) -> FeatureTable:
    """Read a feature table; see `merian.formats.feature_table.read_feature_table`."""
    head = _head(path)
    uses = {plain(name): use for name, use in mapping.items()}
    for name, use in mapping.items():
        if use not in USES:
            raise InputError(f"--map {name}={use}: expected one of {', '.join(USES)}")
        if plain(name) not in map(plain, head.names):
            raise FormatError(
                f"has no column {name!r}; its columns are {_some(head.names)}", path=path
            )
    names = head.names[1:]
    sequences_above = sum(map(_is_dna, names)) > len(names) / 2
    if rows is None:
        rows = _direction(head, sequences_above, features, samples)
    if rows == "samples":
        return _of_samples(head, uses, sequences_above, features, samples)
    return _of_features(head, uses, features, samples)


def _head(path: Path) -> _Head:
    """Find delimiter and header: the first line that is no remark."""
    encoding = find_encoding(path)
    skipped = 0
    with open_text(path, encoding) as stream:
        for line in stream:
            remark = line.startswith("# ") and not _HEADER.match(line)
            if line.strip() and not (remark or line.strip() == "#"):
                break
            skipped += 1
        else:
            raise FormatError("is empty; a feature table is expected", path=path)
        text = line.rstrip("\r\n")
    delimiter = max(_DELIMITERS, key=lambda d: (len(fields(text, d)) > 1, text.count(d)))
    if delimiter == " " and '"' not in text and len(fields(text, "\t")) > 1:
        delimiter = "\t"

    def read() -> Iterator[tuple[int, list[str]]]:
        with open_text(path, encoding) as stream:
            for _ in range(skipped + 1):
                stream.readline()
            by_line = delimiter in "\t "
            for line, row in read_rows(path, stream, delimiter, skipped + 2, by_line=by_line):
                if any(row):
                    yield line, row

    names = [name.strip() for name in fields(text, delimiter)]
    first = [row for _, row in islice(read(), _LOOKED_AT)]
    if not first:
        raise FormatError("holds a header and no rows", path=path, line=skipped + 1)
    marked = names[0].startswith("#")
    names[0] = names[0].lstrip("#").strip()
    unnamed = len(first[0]) == len(names) + 1
    if unnamed:
        names = ["", *names]
    if len(names) < 2:
        raise FormatError(
            f"expected columns of samples, found one column {names[0]!r}", path=path, line=1
        )
    return _Head(path, names, first, unnamed or not names[0], marked, read)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:20] or "(no name)" for name in names[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _is_dna(text: str) -> bool:
    return _DNA.fullmatch(text.strip()) is not None


def _direction(
    head: _Head, sequences_above: bool, features: Collection[str], samples: Collection[str]
) -> str:
    """Return whether rows are features or samples."""
    keys = [row[0] for row in head.first]
    if sequences_above:
        return "samples"
    columns = range(len(head.names))
    told = any(guess(name) == "sequence" for name in head.names)
    if head.marked or told or any(_all_dna(head, place) for place in columns):
        return "features"
    above, beside = head.names[1:], keys
    said = {"features": 0, "samples": 0}
    known = {bare_id(key) for key in features}
    said["samples"] += sum(bare_id(name) in known for name in above)
    said["features"] += sum(bare_id(key) in known for key in beside)
    named = set(samples)
    said["features"] += sum(name in named for name in above)
    said["samples"] += sum(key in named for key in beside)
    if plain(head.names[0]) in _IDS:
        said["features"] += 1
    if guess(head.names[0]) in ("eventID", "materialEntityID") or plain(head.names[0]) == "sample":
        said["samples"] += 1
    if said["features"] == said["samples"]:
        raise FormatError(
            "does not tell whether its rows are features or samples: no column holds sequences, "
            "and its ids are neither in the FASTA nor in the sheet of samples. Say it with "
            "--set rows=features (or rows=samples), give the FASTA of its features, or name a "
            f"column with --map COLUMN=sequence; its columns are {_some(head.names)}",
            path=head.path,
        )
    return max(said, key=lambda way: said[way])


def _all_dna(head: _Head, place: int) -> bool:
    cells = [row[place] for row in head.first if len(row) > place and row[place]]
    return bool(cells) and all(map(_is_dna, cells))


def _is_total(made: Gathered, kind: str, name: str, known: Collection[str]) -> bool:
    """Return whether a row or column is a sum of the others, and note that it is not read."""
    if plain(name) not in _TOTALS or name in known:
        return False
    made.notes.append(f"the {kind} {name!r} is not read, as it is a sum")
    return True


def _of_samples(
    head: _Head,
    uses: Mapping[str, str],
    sequences_above: bool,
    features: Collection[str],
    samples: Collection[str],
) -> FeatureTable:
    """Read a table whose rows are samples and whose columns are features."""
    made = Gathered(head.path)
    numbers: list[int | None] = [None] * len(head.names)
    for place, name in enumerate(head.names[1:], start=1):
        use = uses.get(plain(name))
        if use == "ignore" or (sequences_above and not _is_dna(name) and use is None):
            made.notes.append(f"the column {name!r} is not read")
            continue
        if use is None and _is_total(made, "column", name, features):
            continue
        text = name.strip() if _is_dna(name) else ""
        numbers[place] = made.feature(sequence_id(text) if text else bare_id(name), text, 0)
    places = [place for place, number in enumerate(numbers) if number is not None]
    for line, row in head.rows():
        if len(row) != len(head.names):
            _short(made, line, row, len(head.names))
            continue
        if not row[0].strip():
            made.rejects.append(Reject(made.path, line, "The sample has no id.", ""))
            continue
        if _is_total(made, "row", row[0].strip(), samples):
            continue
        found = _counts(made, line, row, places)
        if found is None:
            continue
        made.samples.append(row[0].strip())
        for place, reads in found:
            number = numbers[place]
            if number is not None:
                made.add(number, len(made.samples) - 1, reads)
    return _checked(made)


def _of_features(
    head: _Head,
    uses: Mapping[str, str],
    features: Collection[str],
    samples: Collection[str],
) -> FeatureTable:
    """Read a table whose rows are features and whose columns are, mostly, samples."""
    made = Gathered(head.path)
    places = _places(head, uses, samples, made)
    made.samples = [_OBITOOLS.sub(r"\1", head.names[place]) for place in places["sample"]]
    at = {place: number for number, place in enumerate(places["sample"])}
    for line, row in head.rows():
        if len(row) != len(head.names):
            _short(made, line, row, len(head.names))
            continue
        if places["id"] and _is_total(made, "row", row[places["id"][0]].strip(), features):
            continue
        found = _counts(made, line, row, places["sample"])
        if found is None:
            continue
        text = row[places["sequence"][0]].strip() if places["sequence"] else ""
        key = bare_id(row[places["id"][0]]) if places["id"] else sequence_id(text)
        number = made.feature(key, text, line)
        for place, reads in found if number is not None else ():
            made.add(number or 0, at[place], reads)
    return _checked(made)


def _places(
    head: _Head, uses: Mapping[str, str], samples: Collection[str], made: Gathered
) -> dict[str, list[int]]:
    """Return where ids, sequences and samples are, or say what is missing or in doubt."""
    places: dict[str, list[int]] = {use: [] for use in USES}
    left = []
    said = {*uses.values()} & {"id", "sequence"}  # what is said needs no guess
    told = any(map(_OBITOOLS.fullmatch, head.names))
    for place, name in enumerate(head.names):
        use = uses.get(plain(name)) or _use(head, place, samples)
        if plain(name) not in uses and (
            use in said or (use == "sample" and told and not _OBITOOLS.fullmatch(name))
        ):
            use = None
        if use:
            places[use].append(place)
        else:
            left.append(name)
    if left:
        made.notes.append(f"columns that are not read: {_some(left)}")
    if len(places["id"]) > 1 and head.unnamed and _numbered(head):  # R's numbers of rows
        places["id"].remove(0)
    if not places["sample"]:
        raise FormatError(
            f"no column holds counts of reads; its columns are {_some(head.names)}", path=head.path
        )
    for use in ("id", "sequence"):
        if len(places[use]) > 1:
            both = " and ".join(repr(head.names[place]) for place in places[use])
            raise FormatError(
                f"{both} could each be the {use}; say which with --map COLUMN={use}",
                path=head.path,
            )
    if not places["id"] and not places["sequence"]:
        raise FormatError(
            "no column holds ids or sequences; say which does with --map COLUMN=id or "
            f"COLUMN=sequence. Its columns are {_some(head.names)}",
            path=head.path,
        )
    return places


def _numbered(head: _Head) -> bool:
    """Return whether the first column counts the rows."""
    return [row[0] for row in head.first] == [str(n + 1) for n in range(len(head.first))]


def _use(head: _Head, place: int, samples: Collection[str]) -> str | None:
    """Return what a column is by its name and content; None for what is not read."""
    name = head.names[place]
    if name in samples:
        return "sample"
    if _all_dna(head, place) or guess(name) == "sequence":
        return "sequence"
    if place == 0 and (head.unnamed or head.marked):
        return "id"
    if plain(name) in _IDS or guess(name) == "occurrenceID":
        return "id"
    if plain(name) in _NUMBERS or not (name or place == 0):
        return None
    cells = [row[place].strip() for row in head.first if len(row) > place]
    if all(_number(cell) is not None for cell in cells):
        return "sample"
    # Most cells are numbers: one that is none is a fault of its row, not of the column.
    if sum(_number(cell) is not None for cell in cells) > 0.8 * len(cells):
        return "sample"
    return "id" if place == 0 else None


def _number(cell: str) -> float | None:
    """Return a count as a number; an empty cell is none."""
    if not cell or cell in ("NA", "nan", "-"):
        return 0.0
    try:
        return float(cell)
    except ValueError:
        return None


def _counts(
    made: Gathered, line: int, row: Sequence[str], places: Sequence[int]
) -> list[tuple[int, int]] | None:
    """Return the places and counts that are not zero; None, and a reject, for a bad row."""
    found = []
    for place in places:
        cell = row[place]
        if cell == "0":
            continue
        value = _number(cell.strip())
        if value is None or not 0 <= value < MOST_READS or value != value // 1:
            what = "is no count" if value is None or not abs(value) < MOST_READS else (
                "is less than nothing"
            ) if value < 0 else (
                "is no whole number; give counts of reads, as they were before any table was made "
                "relative"
            )  # fmt: skip
            made.rejects.append(Reject(made.path, line, f"A cell {what}: {cell[:40]!r}.", row[0]))
            return None
        if value:
            found.append((place, int(value)))
    return found


def _short(made: Gathered, line: int, row: Sequence[str], expected: int) -> None:
    reason = f"The row has {len(row)} fields where {expected} are expected."
    made.rejects.append(Reject(made.path, line, reason, row[0] if row else ""))


def _checked(made: Gathered) -> FeatureTable:
    """Return the table, unless most of it was set aside."""
    taken = max(len(made.features), 1)
    if made.rejects and len(made.rejects) >= taken:
        first = made.rejects[0]
        raise FormatError(
            f"{len(made.rejects):,} rows cannot be read as counts, of which the first: "
            f"{first.reason}",
            path=made.path,
            line=first.line,
        )
    return made.table()
