"""BIOSCAN-5M's own split, where the user has its table: train, test of the same species, unseen.

References are the distinct barcodes of ``train``; queries those of ``test``, whose species are
known, and of ``test_unseen``, of which the genus alone is. Barcodes end with N where they were
filled up. What is no barcode is set aside in ``rejects.tsv`` beside the split. The split remembers
the table that it was made of, so that no other is answered with it.

Reference: Gharaee et al. 2024, doi:10.48550/arXiv.2406.12723
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from merian.barcode import read_query
from merian.bench.encoder_splits import (
    RANKS,
    Split,
    is_written,
    open_split,
    plain_name,
    unique_rows,
    write_split,
)
from merian.bench.yardstick import Row
from merian.errors import FormatError, InputError, NotFoundError
from merian.files import content_hash, existing, open_text

__all__ = ["bioscan_split"]

_COLUMNS = ("processid", "dna_barcode", "split", "genus", "species")
_TRAIN, _ASKED = "train", ("test", "test_seen", "test_unseen")
_ENDINGS = ("*.csv", "*.csv.gz", "*.tsv", "*.tsv.gz")
_MADE_OF = "table.json"
_LONGEST = 100_000  # letters of a cell; barcodes have hundreds
_ENCODING = "utf-8-sig"  # to find another out, five million rows would be read once more

Aside = list[tuple[int, str, str]]


def bioscan_split(data: Path, folder: Path) -> Split:
    """Return BIOSCAN-5M's own split; it is written when it is first asked for.

    Args:
        data: The table of metadata, or a folder that holds it.
        folder: Where the split is written.
    """
    table = _table_in(existing(data, "BIOSCAN-5M table"))
    held = {"hash": content_hash(table)}
    if is_written(folder):
        if json.loads((folder / _MADE_OF).read_text(encoding="utf-8")) != held:
            raise InputError(
                f"{folder}: was made of another table than {table}; name a new folder with --work"
            )
        return open_split(folder)
    aside: Aside = []
    rows: dict[str, list[Row]] = {"train": [], "asked": []}
    for part, row in _rows(table, aside):
        rows["train" if part == _TRAIN else "asked"].append(row)
    if not rows["train"] or not rows["asked"]:
        raise FormatError(
            f"has {len(rows['train'])} barcodes with species in the split train and "
            f"{len(rows['asked'])} in {', '.join(_ASKED)}; some of both expected{_first(aside)}",
            path=table,
        )
    lines = ["file\tline\trecord\treason", *(f"{table}\t{n}\t{i}\t{why}" for n, i, why in aside)]
    beside = {"rejects.tsv": "\n".join(lines) + "\n", _MADE_OF: json.dumps(held) + "\n"}
    return write_split(folder, unique_rows(rows["train"]), unique_rows(rows["asked"]), beside)


def _first(aside: Aside) -> str:
    """Return what was set aside, in few words."""
    if not aside:
        return ""
    line, record, why = aside[0]
    return f". {len(aside)} set aside, the first (line {line}, {record}): {why}"


def _table_in(data: Path) -> Path:
    """Return the one table of this kind."""
    if data.is_file():
        return data
    places = (data, data / "metadata" / "csv", data / "metadata" / "tsv")
    found = [
        file
        for place in places
        for ending in _ENDINGS
        for file in sorted(place.glob(ending))
        if set(_COLUMNS) <= set(_head(file)[0])
    ]
    if len(found) != 1:
        told = ", ".join(map(str, found)) or "none"
        raise NotFoundError(
            f"{data}: one table with the columns {', '.join(_COLUMNS)} expected; found {told}. "
            "Give the file itself"
        )
    return found[0]


def _head(file: Path) -> tuple[list[str], str]:
    """Return the columns of a table and what stands between them."""
    with open_text(file, _ENCODING) as stream:
        line = stream.readline().rstrip("\r\n")
    mark = "\t" if "\t" in line else ","
    return next(csv.reader([line], delimiter=mark), []), mark


def _rows(table: Path, aside: Aside) -> Iterator[tuple[str, Row]]:
    """Yield the barcodes with a species of the splits that are used."""
    columns, mark = _head(table)
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise FormatError(
            f"lacks the columns {', '.join(missing)} of BIOSCAN-5M", path=table, line=1
        )
    with open_text(table, _ENCODING) as stream:
        reader = csv.DictReader(stream, delimiter=mark)
        for row in _told(reader, table):
            part = row["split"] or ""
            if part not in (_TRAIN, *_ASKED) or not (row["species"] and row["genus"]):
                continue
            text, why = read_query((row["dna_barcode"] or "").rstrip("Nn"))
            if why:
                aside.append((reader.line_num, row["processid"] or "", why))
                continue
            names = [plain_name(row.get(rank) or "") for rank in RANKS]
            yield part, (row["processid"] or "", text, names)


def _told(reader: csv.DictReader[str], table: Path) -> Iterator[dict[str, str]]:
    """Yield the rows; say which line is none."""
    before = csv.field_size_limit(_LONGEST)  # else it hangs on what has run before
    try:
        yield from reader
    except csv.Error as error:
        raise FormatError(
            f"cannot be read as a table ({error}); is a quote not closed?",
            path=table, line=reader.line_num,
        ) from None  # fmt: skip
    finally:
        csv.field_size_limit(before)
