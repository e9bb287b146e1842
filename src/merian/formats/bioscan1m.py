"""BIOSCAN-1M: the first million insects, as a TSV.

UTF-8, tabs, no quotes. A rank that is not known is ``not_classified``, never empty::

    sampleid processid uri name phylum class order family subfamily tribe genus species
    subspecies nucraw image_file chunk_number
    large_diptera_family medium_diptera_family small_diptera_family
    large_insect_order medium_insect_order small_insect_order
    copyright_license copyright_holder copyright_institution copyright_contact photographer author

``uri`` is the BIN, ``name`` the lowest label, ``nucraw`` the barcode. Pictures lie at
``{package}/part{chunk_number}/{image_file}``; older copies have them in one folder. The six
columns of subsets hold the part of a split; one of them is taken with ``split=NAME``, where NAME
is the column's.

Reference: Gharaee et al. 2023, doi:10.48550/arXiv.2307.10455
"""

from __future__ import annotations

import random
from pathlib import Path

from merian.catalogue.sources import Columns, Reading
from merian.errors import FormatError, NotFoundError, did_you_mean
from merian.files import existing
from merian.formats.delimited import (
    Head,
    column,
    delimited,
    first_given,
    lacking_columns,
    literal,
    peek_columns,
    read_head,
    terms_of,
    write_delimited,
)
from merian.formats.registry import Format, Options

__all__ = ["FORMAT"]

_SUBSETS = tuple(
    f"{size}_{what}"
    for what in ("diptera_family", "insect_order")
    for size in ("large", "medium", "small")
)
COLUMNS = (
    "sampleid", "processid", "uri", "name", "phylum", "class", "order", "family", "subfamily",
    "tribe", "genus", "species", "subspecies", "nucraw", "image_file", "chunk_number", *_SUBSETS,
    "copyright_license", "copyright_holder", "copyright_institution", "copyright_contact",
    "photographer", "author",
)  # fmt: skip
_SURE = frozenset({"sampleid", "processid", "uri", "name", "nucraw", "image_file"})
_MISSING = "not_classified"
_PACKAGES = ("cropped_256", "original_256", "cropped", "original_full", "")

_PLAIN = {
    "processid": "occurrenceID",
    "sampleid": "catalogNumber",
    "uri": "taxonConceptID",
    "phylum": "phylum", "class": "class", "order": "order", "family": "family",
    "subfamily": "subfamily", "tribe": "tribe", "genus": "genus", "species": "species",
    "subspecies": "subspecies",
    "nucraw": "sequence",
}  # fmt: skip
_LABELS = (
    "name", "subspecies", "species", "genus", "tribe", "subfamily", "family", "order", "class",
    "phylum",
)  # fmt: skip


def _sniff(path: Path) -> int:
    return 3 if peek_columns(path, "\t") >= _SURE else 0


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "BIOSCAN-1M table")
    head = read_head(path, "\t", "")
    if "processid" not in head.columns:
        raise FormatError("has no column processid, which BIOSCAN-1M has", path=path, line=1)
    subset = options.extra.get("split", "")
    if subset and subset not in head.columns:
        raise NotFoundError(
            f"{path}: has no column {subset!r} to take the split from; there are "
            f"{', '.join(s for s in _SUBSETS if s in head.columns)}."
            + did_you_mean(subset, _SUBSETS)
        )
    picture, note = _picture(head, options.images)
    barcode = "nucraw" in head.columns
    terms = terms_of(
        head,
        _PLAIN,
        {
            "materialEntityID": column("processid"),
            "materialEntityType": "'specimen'",
            "basisOfRecord": "'PreservedSpecimen'",
            "verbatimIdentification": first_given(_LABELS, head.columns),
            "split": column(subset) if subset else None,
            "accessURI": picture,
            # A licence is the picture's: without a picture it would be nobody's.
            "license": first_given(("copyright_license",), head.columns) if picture else None,
            "rightsHolder": first_given(("copyright_holder",), head.columns) if picture else None,
            "targetGene": f"CASE WHEN {column('nucraw')} IS NOT NULL THEN "
            f"{literal(options.marker or 'COI-5P')} END" if barcode else None,
        },
    )  # fmt: skip
    unknown = [name for name in head.columns if name not in COLUMNS]
    notes = [*head.notes, note]
    if unknown:
        notes.append(f"columns that BIOSCAN-1M does not have are ignored: {', '.join(unknown)}")
    source = delimited(head, (Columns("record", terms),), (_MISSING,))
    return Reading("bioscan-1m", (source,), (path,), tuple(n for n in notes if n))


def _picture(head: Head, images: Path | None) -> tuple[str | None, str]:
    """Return SQL for where a picture is, and a note; the first layout that fits is taken."""
    if "image_file" not in head.columns:
        return None, ""
    name = column("image_file")
    if images is None:
        return name, ""
    images = existing(images, "folder of pictures").absolute()
    rows = [dict(zip(head.columns, row, strict=False)) for row in head.rows]
    part = f"'part' || {column('chunk_number')} || '/' || "
    for place in (images / package for package in _PACKAGES):
        for row in rows:
            chunk = row.get("chunk_number", "")
            if chunk and (place / f"part{chunk}" / row["image_file"]).is_file():
                return f"{literal(f'{place.as_posix()}/')} || {part}{name}", ""
            if (place / row["image_file"]).is_file():
                return f"{literal(f'{place.as_posix()}/')} || {name}", ""
    return name, f"no picture of the first {len(rows)} records lies in {images}; names are kept"


def _fake(folder: Path, seed: int) -> Path:
    """Write 20 specimens."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    listed = []
    for number in range(20):
        named = number % 4 == 0
        row = {
            "sampleid": f"BIOUG{seed:02d}{number:03d}-H02", "processid": f"FAKE{seed}{number}-26",
            "uri": f"BOLD:AAD{4000 + number % 6}",
            "name": "Megaselia rufipes" if named else "Phoridae", "phylum": "Arthropoda",
            "class": "Insecta", "order": "Diptera", "family": "Phoridae",
            "genus": "Megaselia" if named else "", "species": "Megaselia rufipes" if named else "",
            "nucraw": "".join(chance.choices("ACGT", k=80)),
            "image_file": f"BIOUG{seed:02d}{number:03d}-H02.jpg", "chunk_number": str(number % 3),
            "large_insect_order": chance.choice(("train", "validation", "test", "no_split")),
            "copyright_license": "CreativeCommons - Attribution",
        }  # fmt: skip
        listed.append([row.get(name) or _MISSING for name in COLUMNS])
    path = folder / f"BIOSCAN_Insect_Dataset_metadata{seed}.tsv"
    write_delimited(path, COLUMNS, listed, "\t")
    return path


FORMAT = Format(
    name="bioscan-1m",
    title="BIOSCAN-1M: metadata TSV",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=lambda path: lacking_columns(path, "\t", _SURE),
)
