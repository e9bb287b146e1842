"""Writing a table for EcoTaxa: alone, or in a zip or a folder with its pictures.

A row is a picture of an object. Two passes are made over the objects: the first counts the cells
of every column, so that those that fit can be chosen, the second writes. The mark of UTF-8 stands
first, without which EcoTaxa would read Latin-1.

Reference: as `merian.formats.ecotaxa`.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from merian.catalogue.definitions import STANDING as SAID_LAST
from merian.catalogue.schema import TABLES, quoted
from merian.containers import BadAddressError, container_of, read_address
from merian.errors import InputError
from merian.files import check_outside, new_file, new_folder
from merian.formats.ecotaxa_columns import (
    Cells,
    Levels,
    Notes,
    choose,
    column_of,
    fitted,
    object_cells,
)
from merian.formats.ecotaxa_scale import pixels_per_mm
from merian.formats.ecotaxa_terms import FURTHER
from merian.formats.ecotaxa_values import NUMERIC, PREDEFINED
from merian.formats.flat import STANDING, rows
from merian.pictures import BadPictureError, coloured, facts, whole

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["write_tables"]

_NUMBER = r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
_NUMERIC_TERMS = ("individualCount", "coordinateUncertaintyInMeters", "minimumElevationInMeters",
                  "maximumElevationInMeters", "probability",
                  "pixelsPerMillimetreUncertainty")  # fmt: skip
_LONGEST_ID = 255
_SUFFIXES = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "TIFF": (".tif", ".tiff"),
             "BMP": (".bmp",), "GIF": (".gif",)}  # fmt: skip
_ODD = re.compile(r'[\x00-\x1f"*:<>?|]')
_DATE = (1980, 1, 1, 0, 0, 0)  # no clock goes into a file
_READ_ME = "notes.txt"

# What is measured on a picture is of the object that it shows; the rank of a picture is its own.
_MEASURED = f"""
SELECT coalesce(m.occurrenceID, t.occurrenceID, p.occurrenceID) AS subject,
    m.measurementType AS name,
    arg_min(coalesce(m.measurementValue, CAST(m.measurementValueNumeric AS VARCHAR)),
        m.measurementID) AS value,
    bool_and(m.measurementRemarks IS DISTINCT FROM 'text' AND regexp_full_match(
        coalesce(m.measurementValue, CAST(m.measurementValueNumeric AS VARCHAR)), '{_NUMBER}')
    ) AS numeric, count(*) AS times
FROM measurement m
LEFT JOIN material t ON t.materialEntityID = m.materialEntityID
LEFT JOIN media p ON p.mediaID = m.mediaID
WHERE m.measurementType IS NOT NULL AND NOT (m.mediaID IS NOT NULL
    AND m.measurementType = 'img_rank')
    AND coalesce(m.measurementValue, CAST(m.measurementValueNumeric AS VARCHAR)) IS NOT NULL
GROUP BY ALL HAVING subject IS NOT NULL
"""
# Of several tables; the first that has a column of a name gives it.
_TOLD = {
    "o": [c for c in TABLES["occurrence"].columns if c != "eventID"],
    "e": [c for c in TABLES["event"].columns if c not in {"eventType", "parentEventID"}],
    "i": [c for c in TABLES["identification"].columns
          if c not in {"occurrenceID", "materialEntityID", "mediaID", "nucleotideSequenceID"}],
    "p": ["mediaID", "accessURI", "derivedFromMediaID", "xFrac", "yFrac", "widthFrac",
          "heightFrac", "pixelsPerMillimetre", "pixelsPerMillimetreUncertainty", "captureDevice",
          "license", "rightsHolder", "mediaRemarks", "subjectPart", "subjectOrientation"],
}  # fmt: skip
_OWN = ("above", "whole", "rank", "names", "values")
_ROWS = f"""
SELECT {", ".join(f"{table}.{quoted(c)}" for table, names in _TOLD.items() for c in names)},
    e.parentEventID, whole.accessURI, r.rank, m.names, m.values
FROM (SELECT coalesce(a.occurrenceID, t.occurrenceID) AS subject, a.*
    FROM media a LEFT JOIN material t ON t.materialEntityID = a.materialEntityID) p
JOIN occurrence o ON o.occurrenceID = p.subject
LEFT JOIN event e ON e.eventID = o.eventID
LEFT JOIN ({STANDING}) i ON i.subject = o.occurrenceID
LEFT JOIN media whole ON whole.mediaID = p.derivedFromMediaID
LEFT JOIN (SELECT mediaID, min(measurementValue) AS rank FROM measurement
    WHERE measurementType = 'img_rank' GROUP BY mediaID) r ON r.mediaID = p.mediaID
LEFT JOIN (SELECT subject, list(name ORDER BY name) AS names, list(value ORDER BY name) AS values
    FROM ({_MEASURED}) GROUP BY subject) m ON m.subject = o.occurrenceID
ORDER BY o.occurrenceID, try_cast(r.rank AS DOUBLE) NULLS LAST, p.mediaID
"""
_NAMES = [name for names in _TOLD.values() for name in names] + list(_OWN)


def write_tables(catalogue: Catalogue, path: Path) -> int:
    """Write the objects that have a picture, and return the number of rows.

    Args:
        catalogue: The catalogue.
        path: A name that ends in .tsv or .txt is a table alone, in .zip a zip with the pictures;
            any other is a folder with them.
    """
    path, notes = Path(path), Notes()
    writer = _Writer(catalogue, notes)
    if path.suffix.lower() in {".tsv", ".txt"}:
        with new_file(path) as stream:
            count = writer.write(stream, None)
        if notes.counted:  # EcoTaxa takes ecotaxa*.txt for a table
            with new_file(path.with_name(f"notes_{path.stem}.txt"), text=True) as stream:
                stream.write(notes.as_text())
        return count
    name = f"ecotaxa_{re.sub(r'[^A-Za-z0-9_.-]', '_', path.stem)}.tsv"
    with _bundle(path) as put, tempfile.TemporaryFile() as table:
        count = writer.write(table, put)
        table.seek(0)
        put(name, table)
        if notes.counted:
            put(_READ_ME, io.BytesIO(notes.as_text().encode()))
    return count


_Put = Callable[[str, IO[bytes]], None]


@contextmanager
def _bundle(path: Path) -> Iterator[_Put]:
    """Open a zip or a folder to put files into, by name."""
    if path.suffix.lower() == ".zip":
        with new_file(path) as stream, zipfile.ZipFile(stream, "w") as packed:

            def put(name: str, content: IO[bytes]) -> None:
                told = zipfile.ZipInfo(name, _DATE)
                told.external_attr = 0o644 << 16
                text = name.endswith((".tsv", ".txt"))
                told.compress_type = zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED
                with packed.open(told, "w", force_zip64=True) as member:
                    _copy(content, member)

            yield put
        return
    if path.is_dir() and any(path.iterdir()) and not any(path.glob("ecotaxa_*.tsv")):
        raise InputError(
            f"{path}: holds other files, which would be lost; name a new folder, or a zip"
        )
    check_outside(path)
    with new_folder(path) as folder:

        def lay(name: str, content: IO[bytes]) -> None:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as member:
                _copy(content, member)

        yield lay


def _copy(content: IO[bytes], target: IO[bytes]) -> None:
    while block := content.read(1 << 20):
        target.write(block)


@dataclass
class _Picture:
    """A picture of a row: where it lies, and the region of it that is meant."""

    address: str
    box: tuple[float, float, float, float] | None


class _Writer:
    """The rows of a catalogue, as cells."""

    def __init__(self, catalogue: Catalogue, notes: Notes) -> None:
        self.catalogue, self.notes = catalogue, notes
        self.levels = Levels(catalogue, notes)
        self.kinds = dict.fromkeys(("object_pixels_per_mm",), "f")
        self.kinds |= {c: "f" for c, term in FURTHER.items() if term in _NUMERIC_TERMS}
        for name, numeric in rows(
            catalogue, f"SELECT name, bool_and(numeric) FROM ({_MEASURED}) GROUP BY 1 ORDER BY 1"
        ):
            column = column_of(str(name))
            both = numeric and self.kinds.get(column, "f") == "f"
            self.kinds[column] = "f" if both else "t"
        self._names: dict[str, str] = {}

    def write(self, stream: IO[bytes], put: _Put | None) -> int:
        """Write the table, hand on its pictures, and return the number of rows."""
        counted: Counter[str] = Counter()
        for cells, _ in self._rows(Notes()):
            counted.update(name for name, cell in cells.items() if cell)
        if not counted:
            raise InputError(
                "no object of this catalogue has a picture, and EcoTaxa takes none without; "
                "import the pictures first, or write another format"
            )
        columns = choose(counted, self.kinds, self.notes)
        self._tell_left()
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="", write_through=True)
        table = csv.writer(text, delimiter="\t", lineterminator="\n")
        table.writerow(columns)
        table.writerow([f"[{self._kind(name)}]" for name in columns])
        count = 0
        written: dict[str, str] = {}
        for cells, picture in self._rows(self.notes):
            if put is not None:
                name = cells["img_file_name"]
                if name not in written:
                    content = self._content(picture, cells)
                    if content is None:
                        continue
                    written[name] = self._file(name, picture, content)
                    put(written[name], io.BytesIO(content))
                cells["img_file_name"] = written[name]
            table.writerow([fitted(n, cells.get(n, ""), self.kinds, self.notes) for n in columns])
            count += 1
        text.detach()
        return count

    def _kind(self, name: str) -> str:
        if name in PREDEFINED:
            return "f" if PREDEFINED[name] in NUMERIC else "t"
        return self.kinds.get(name, "t") if name.lower().startswith("object_") else "t"

    def _rows(self, notes: Notes) -> Iterator[tuple[Cells, _Picture]]:
        """Return the cells of each row and its picture."""
        self._names = {}
        for row in rows(self.catalogue, _ROWS):
            record: dict[str, object] = {}
            for name, value in zip(_NAMES, row, strict=True):
                record.setdefault(name, value)
            picture = _picture_of(record)
            if picture is None:
                notes.say("picture without a file, which is not written", str(record["mediaID"]))
                continue
            if len(str(record["occurrenceID"])) > _LONGEST_ID:
                notes.say(f"object whose id has more than the {_LONGEST_ID} characters that fit",
                          str(record["occurrenceID"]))  # fmt: skip
                continue
            cells = object_cells(record)
            _add_measured(cells, record, notes)
            cells |= self.levels.cells(record["eventID"], record["above"])
            _drop_told_twice(cells)
            cells["img_file_name"] = self._name(record, picture)
            cells["img_rank"] = str(record["rank"] or "")
            yield cells, picture

    def _name(self, record: Mapping[str, object], picture: _Picture) -> str:
        """Return the name of a picture's file: as it was, unless another picture has it."""
        own, media = f"{record['occurrenceID']}/", str(record["mediaID"])
        name = media.removeprefix(own)
        if name == media:
            inside = container_of(picture.address)
            name = posixpath.basename((inside[1] or inside[0]).replace("\\", "/"))
        parts = [_ODD.sub("_", part) for part in PurePosixPath(name.replace("\\", "/")).parts]
        name = "/".join(part for part in parts if part not in {"/", "..", "."}) or "picture"
        what = f"{picture.address} {picture.box}"
        stem, suffix = posixpath.splitext(name)
        number = 1
        while self._names.setdefault(name.lower(), what) != what:
            number += 1
            name = f"{stem}_{number}{suffix}"
        return name

    def _file(self, name: str, picture: _Picture, content: bytes) -> str:
        """Return the name with the suffix of what the file is."""
        suffixes = _SUFFIXES.get(facts(content).format, ())
        if not suffixes or name.lower().endswith(suffixes):
            return name
        made, number = name + suffixes[0], 1
        what = f"{picture.address} {picture.box}"
        while self._names.setdefault(made.lower(), what) != what:
            number += 1
            made = f"{name}_{number}{suffixes[0]}"
        return made

    def _content(self, picture: _Picture, cells: Cells) -> bytes | None:
        """Return a picture as a file that EcoTaxa opens, or None where it cannot be had."""
        try:
            content = read_address(picture.address)
            if picture.box is None and facts(content).format in _SUFFIXES:
                return content
            return _cut(content, picture.box)
        except (BadAddressError, BadPictureError) as error:
            self.notes.say("picture that cannot be read; its row is not written",
                           f"{cells['img_file_name']}: {error}")  # fmt: skip
            return None

    def _tell_left(self) -> None:
        """Note what of the catalogue has no place in a table of EcoTaxa."""
        for what, sql in _LEFT.items():
            (count,) = next(rows(self.catalogue, sql))
            if count:
                self.notes.counted[what] += int(str(count))
                self.notes.first.setdefault(what, "")


_LEFT = {
    "object without a picture, which EcoTaxa does not take": """
        SELECT count(*) FROM occurrence WHERE occurrenceID NOT IN (
            SELECT coalesce(a.occurrenceID, t.occurrenceID) AS subject FROM media a
            LEFT JOIN material t ON t.materialEntityID = a.materialEntityID
            WHERE subject IS NOT NULL)""",
    "further name of an object beside the one that stands": f"""
        SELECT count(*) - (SELECT count(*) FROM determination) FROM identification i
        WHERE {SAID_LAST}""",
    "sequence": "SELECT count(*) FROM sequence",
    "thing in a collection": "SELECT count(*) FROM material",
    "unit of a measurement": "SELECT count(measurementUnit) FROM measurement",
}


def _picture_of(record: Mapping[str, object]) -> _Picture | None:
    """Return where the picture of a row lies; a region without a file lies in the larger one."""
    if record["accessURI"]:
        return _Picture(str(record["accessURI"]), None)
    box = tuple(record[name] for name in ("xFrac", "yFrac", "widthFrac", "heightFrac"))
    if not record["whole"] or None in box:
        return None
    x, y, width, height = (float(str(part)) for part in box)
    return _Picture(str(record["whole"]), (x, y, width, height))


def _cut(content: bytes, box: tuple[float, float, float, float] | None) -> bytes:
    """Return a region of a picture, or all of it, as a PNG."""
    image = whole(content)
    if box is not None:
        x, y, width, height = box
        left, top = min(int(x * image.width), image.width - 1), min(int(y * image.height),
                                                                    image.height - 1)  # fmt: skip
        right = min(max(round((x + width) * image.width), left + 1), image.width)
        below = min(max(round((y + height) * image.height), top + 1), image.height)
        image = image.crop((left, top, right, below))
    stream = io.BytesIO()
    plain = image if image.mode in {"L", "RGB", "RGBA", "P", "1", "I;16"} else coloured(image)
    plain.save(stream, "PNG")
    return stream.getvalue()


def _add_measured(cells: Cells, record: Mapping[str, object], notes: Notes) -> None:
    """Add what was measured on an object; of its name only what no identification tells."""
    names, values = record["names"] or (), record["values"] or ()
    named = "object_annotation_category" in cells
    for name, value in zip(names, values, strict=True):  # type: ignore[call-overload]
        column = column_of(str(name))
        if named and column.startswith("object_annotation_") and column in PREDEFINED:
            notes.say("column of a name beside the one that stands", f"{column} {value}")
        else:
            cells.setdefault(column, str(value))
    status, category = "object_annotation_status", "object_annotation_category"
    if cells.get(status) and not (cells.get(category) or cells.get(f"{category}_id")):
        notes.say("status without a category, which EcoTaxa refuses", cells.pop(status))


def _drop_told_twice(cells: Cells) -> None:
    """Drop what the reader finds in the columns of the acquisition and the process again."""
    if cells.get("object_dwc_capturedevice") == cells.get("acq_instrument"):
        cells.pop("object_dwc_capturedevice", None)
    scale = cells.pop("object_pixels_per_mm", "")
    lower = {name.lower(): cell for name, cell in cells.items()}
    if scale and str(pixels_per_mm(lower)) != scale:
        cells["object_pixels_per_mm"] = scale
