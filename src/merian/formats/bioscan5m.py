"""BIOSCAN-5M: five million insects, each with a photograph, a DNA barcode and a place.

The metadata is one CSV of 23 columns, UTF-8, a missing value is an empty field::

    processid sampleid taxon phylum class order family subfamily genus species dna_bin
    dna_barcode country province_state coord-lat coord-lon image_measurement_value
    area_fraction scale_factor inferred_ranks split index_bioscan_1M_insect chunk

``taxon`` is the lowest label, ``dna_bin`` the BIN, ``image_measurement_value`` the number of
pixels of the organism, ``area_fraction`` that of its box, ``scale_factor`` the shrinking of the
crop, ``inferred_ranks`` a code for ranks whose label was inferred (0 for none). Pictures lie at
``images/{package}/{split}/{chunk}/{processid}.jpg``; a package is ``cropped_256``,
``original_256``, ``cropped`` or ``original_full``; without ``chunk`` that folder is left out. They
are found beside the CSV, or where the user says. A folder that holds such a CSV is read too.
Further columns are taken where they are there: ``px_per_mm``, the calibration of the picture,
``instrument``, what took it, and ``event_date``. A folder that `merian world make` made has them.

Reference: Gharaee et al. 2024, doi:10.48550/arXiv.2406.12723; https://biodiversitygenomics.net
"""

from __future__ import annotations

import hashlib
import random
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from merian.catalogue.sources import Columns, Reading
from merian.errors import FormatError
from merian.files import existing, new_file
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
from merian.formats.flat import FIRST_MATERIAL, FIRST_MEDIA, SEQUENCES, STANDING, rows
from merian.formats.registry import Format, Options

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["COLUMNS", "FORMAT", "FURTHER"]

COLUMNS = (
    "processid", "sampleid", "taxon", "phylum", "class", "order", "family", "subfamily", "genus",
    "species", "dna_bin", "dna_barcode", "country", "province_state", "coord-lat", "coord-lon",
    "image_measurement_value", "area_fraction", "scale_factor", "inferred_ranks", "split",
    "index_bioscan_1M_insect", "chunk",
)  # fmt: skip
# Columns that the published table lacks and ours may have; the first two are of the picture.
FURTHER = ("px_per_mm", "instrument", "event_date")
_OF_PICTURES = FURTHER[:2]
_SURE = frozenset({"processid", "sampleid", "taxon", "dna_bin", "dna_barcode", "split"})
_PACKAGES = ("cropped_256", "original_256", "cropped", "original_full")

_PLAIN = {
    "processid": "occurrenceID",
    "sampleid": "catalogNumber",
    "phylum": "phylum", "class": "class", "order": "order", "family": "family",
    "subfamily": "subfamily", "genus": "genus", "species": "species",
    "dna_bin": "taxonConceptID",
    "dna_barcode": "sequence",
    "country": "country",
    "province_state": "stateProvince",
    "coord-lat": "decimalLatitude",
    "coord-lon": "decimalLongitude",
    "split": "split",
    "px_per_mm": "pixelsPerMillimetre",
    "instrument": "captureDevice",
    "event_date": "eventDate",
}  # fmt: skip
# What was measured on a picture -> its unit.
_MEASURED = {"image_measurement_value": "px", "area_fraction": "", "scale_factor": ""}
_INFERRED = "inferred_ranks"


def _sniff(path: Path) -> int:
    if path.is_dir():
        return 3 if _table_in(path) else 0
    return 3 if peek_columns(path, ",") >= _SURE else 0


def _table_in(folder: Path) -> Path | None:
    """Return the one table of this format in a folder, or in the published layout below it."""
    found = [
        file
        for where in (folder, folder / "metadata" / "csv")
        for file in sorted([*where.glob("*.csv"), *where.glob("*.csv.gz")])
        if peek_columns(file, ",") >= _SURE
    ]
    return found[0] if len(found) == 1 else None


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "BIOSCAN-5M table")
    table = _table_in(path) if path.is_dir() else path
    if table is None:
        raise FormatError("holds no table of BIOSCAN-5M, or several; give the file", path=path)
    head = read_head(table, ",", '"')
    missing = sorted({"processid"} - set(head.columns))
    if missing:
        raise FormatError("has no column processid, which BIOSCAN-5M has", path=table, line=1)
    images = options.images or _images_beside(table)
    pattern, note = _pattern(images, head) if images else (None, "")
    feeds = [_record(head, pattern, options.marker or "COI-5P"), *_measurements(head)]
    known = {*COLUMNS, *FURTHER}
    unknown = [name for name in head.columns if name not in known]
    notes = [*head.notes, *([note] if note else [])]
    idle = [name for name in _OF_PICTURES if name in head.columns and pattern is None]
    if idle:
        notes.append(f"{' and '.join(idle)}: of pictures, and there are none; ignored")
    if unknown:
        notes.append(f"columns that BIOSCAN-5M does not have are ignored: {', '.join(unknown)}")
    return Reading("bioscan-5m", (delimited(head, feeds),), (table,), tuple(notes))


def _images_beside(table: Path) -> Path | None:
    """Return the folder of pictures that lies beside a table in the published layout."""
    near = table.parent
    places = [near, near.parent.parent] if near.parts[-2:] == ("metadata", "csv") else [near]
    return next((place / "images" for place in places if (place / "images").is_dir()), None)


def _record(head: Head, picture: str | None, marker: str) -> Columns:
    label = first_given(
        ("taxon", "species", "genus", "subfamily", "family", "order", "class", "phylum"),
        head.columns,
    )
    index = column("index_bioscan_1M_insect")
    plain = {c: t for c, t in _PLAIN.items() if picture or c not in _OF_PICTURES}
    return Columns(
        "record",
        terms_of(
            head,
            plain,
            {
                "materialEntityID": column("processid"),
                "materialEntityType": "'specimen'",
                "basisOfRecord": "'PreservedSpecimen'",
                "verbatimIdentification": label,
                "targetGene": f"CASE WHEN {column('dna_barcode')} IS NOT NULL THEN "
                f"{literal(marker)} END" if "dna_barcode" in head.columns else None,
                "otherCatalogNumbers": f"'BIOSCAN-1M:' || {index}"
                if "index_bioscan_1M_insect" in head.columns else None,
                "accessURI": picture,
                "format": "'image/jpeg'" if picture else None,
            },
        ),
    )  # fmt: skip


def _measurements(head: Head) -> list[Columns]:
    """Feed what was measured on the pictures; a code of 0 says that nothing was inferred."""
    feeds = [(name, unit, "") for name, unit in _MEASURED.items()]
    feeds.append((_INFERRED, "", f" AND {column(_INFERRED)} <> '0'"))
    return [
        Columns(
            "measurement",
            {
                "occurrenceID": column("processid"),
                "measurementType": literal(name),
                "measurementValue": column(name),
                **({"measurementUnit": literal(unit)} if unit else {}),
            },
            where=f"{column(name)} IS NOT NULL{also}",
        )
        for name, unit, also in feeds
        if name in head.columns
    ]


def _pattern(images: Path, head: Head) -> tuple[str | None, str]:
    """Return SQL for where a record's picture is, and a note on which pictures are taken.

    The layouts are tried on the first rows; the first that leads to a file is the one.
    """
    images = existing(images, "folder of pictures").absolute()
    roots = [images / "images", images]
    places = [root / package for root in roots for package in _PACKAGES] + roots
    places = [place for place in places if place.is_dir()]
    name = f"{column('processid')} || '.jpg'"
    folders = [f"{column(c)} || '/'" for c in ("split", "chunk") if c in head.columns]
    deep = "".join(f"coalesce({folder}, '') || " for folder in folders)
    rows = [dict(zip(head.columns, row, strict=False)) for row in head.rows]
    for place in places:
        for sql, parts in ((deep, ("split", "chunk")), ("", ())):
            for row in rows:
                inner = [row[part] for part in parts if row.get(part)]
                if place.joinpath(*inner, f"{row['processid']}.jpg").is_file():
                    return f"{literal(place.as_posix() + '/')} || {sql}{name}", (
                        f"pictures are taken from {place}"
                    )
    return None, f"no picture of the first {len(rows)} records lies in {images}; none are taken"


# --- writing and faking -------------------------------------------------------------------------

_NAMES = ("phylum", "class", "order", "family", "subfamily", "genus", "species")

_EXPORT = f"""
SELECT o.occurrenceID, t.catalogNumber, i.verbatimIdentification,
    {", ".join(f'i."{rank}"' for rank in _NAMES)},
    i.taxonConceptID, s.sequence, e.country, e.stateProvince, e.decimalLatitude,
    e.decimalLongitude, {", ".join(f"m.{name}" for name in _MEASURED)},
    coalesce(m.{_INFERRED}, '0'), o.split,
    if(starts_with(t.otherCatalogNumbers, 'BIOSCAN-1M:'), t.otherCatalogNumbers[12:], NULL),
    CASE WHEN o.split = 'pretrain' THEN left(md5(o.occurrenceID), 2)
        WHEN o.split IN ('train', 'other_heldout') THEN left(md5(o.occurrenceID), 1) END,
    p.pixelsPerMillimetre, p.captureDevice, e.eventDate
FROM occurrence o
LEFT JOIN event e USING (eventID)
LEFT JOIN ({FIRST_MATERIAL}) t ON t.occurrenceID = o.occurrenceID
LEFT JOIN ({STANDING}) i ON i.subject = o.occurrenceID
LEFT JOIN ({SEQUENCES}) s ON s.subject = o.occurrenceID AND s.place = 1
LEFT JOIN ({FIRST_MEDIA}) p ON p.occurrenceID = o.occurrenceID
LEFT JOIN (
    SELECT occurrenceID, {
    ", ".join(
        f"min(measurementValue) FILTER (measurementType = '{name}') AS {name}"
        for name in (*_MEASURED, _INFERRED)
    )
}
    FROM measurement GROUP BY occurrenceID
) m ON m.occurrenceID = o.occurrenceID
ORDER BY o.occurrenceID
"""


def _write(catalogue: Catalogue, path: Path) -> int:
    """Write the 23 columns, and the further ones if any picture has a calibration."""
    found = rows(catalogue, "SELECT count(pixelsPerMillimetre) FROM media")
    columns = (*COLUMNS, *FURTHER) if next(found)[0] else COLUMNS
    return write_delimited(
        path, columns, (row[: len(columns)] for row in rows(catalogue, _EXPORT)), ","
    )


_SPECIES = (
    ("Aedes aegypti", "Arthropoda", "Insecta", "Diptera", "Culicidae", "Culicinae", "Aedes"),
    ("Apis mellifera", "Arthropoda", "Insecta", "Hymenoptera", "Apidae", "Apinae", "Apis"),
    ("", "Arthropoda", "Insecta", "Diptera", "Cecidomyiidae", "", ""),
)


def _fake(folder: Path, seed: int) -> Path:
    """Write a table of 30 specimens and a picture for each, in the published layout."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    path = folder / "metadata" / "csv" / "BIOSCAN_5M_Insect_Dataset_metadata.csv"
    listed = [_fake_row(chance, seed, number) for number in range(30)]
    write_delimited(path, COLUMNS, listed, ",")
    for number, row in enumerate(listed):
        picture = BytesIO()  # no two are the same: those would be set aside as twins
        Image.new("RGB", (16, 12), (234, 242, 8 * number)).save(picture, "JPEG")
        values = dict(zip(COLUMNS, row, strict=True))
        inside = [values[name] for name in ("split", "chunk") if values[name]]
        with new_file(folder.joinpath("images", "cropped_256", *inside, f"{row[0]}.jpg")) as stream:
            stream.write(picture.getvalue())
    return path


def _fake_row(chance: random.Random, seed: int, number: int) -> list[str]:
    identifier = f"FAKE{seed:02d}{number:03d}-26"
    species, phylum, class_, order, family, subfamily, genus = chance.choice(_SPECIES)
    split = chance.choice(("pretrain", "train", "val", "test_unseen"))
    digest = hashlib.md5(identifier.encode(), usedforsecurity=False).hexdigest()
    chunk = {"pretrain": digest[:2], "train": digest[:1]}.get(split, "")
    taxon = species or genus or family
    places = (("Canada", "Ontario", "43.53", "-80.22"), ("Costa Rica", "", "", ""))
    place = chance.choice(places)
    return [
        identifier, f"BIOUG{seed:02d}{number:03d}-A01", taxon, phylum, class_, order, family,
        subfamily, genus, species, f"BOLD:AAA{1000 + number % 9}",
        "".join(chance.choices("ACGT", k=90)), *place, str(chance.randint(900, 9000)),
        f"{chance.random():.4f}", f"{chance.uniform(0.5, 3):.4f}", chance.choice(("0", "4")),
        split, str(number) if number % 3 else "", chunk,
    ]  # fmt: skip


FORMAT = Format(
    name="bioscan-5m",
    title="BIOSCAN-5M: metadata CSV and pictures",
    sniff=_sniff,
    read=_read,
    write=_write,
    fake=_fake,
    lacks=lambda path: lacking_columns(path, ",", _SURE),
    suffix=".csv",
    tells_parts=True,
)
