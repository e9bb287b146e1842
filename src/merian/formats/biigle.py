"""BIIGLE: annotations and labels of pictures, as its CSV reports tell them.

A report is a zip with a CSV for each volume (or label tree, or user), or one of these CSV. Of
annotations (*CSV image annotation report*) one row is a label of an annotation, which may have
several, by several users::

    annotation_label_id label_id label_name label_hierarchy user_id firstname lastname
    image_id filename image_longitude image_latitude shape_id shape_name points attributes
    annotation_id created_at

``label_hierarchy`` is the path from the root, ``Animalia > Annelida > Polychaeta``; ``points`` a
list in pixels from the upper left corner: x1,y1,x2,y2 ... of ``Point``, ``LineString``, ``Polygon``
and ``Rectangle`` (four corners, which may be turned); x,y,radius of a ``Circle``; of an ``Ellipse``
the ends of its long and then of its short axis. ``attributes`` are JSON and may hold width and
height of the picture, its altitude, and its area, which gives a scale; what else they hold is not
kept. Older reports lack ``annotation_id`` and ``created_at``; then an annotation is known by its
picture, shape and points.

Of pictures (*CSV image label report*) one row is a label of a whole picture::

    image_label_id image_id filename longitude latitude user_id firstname lastname
    label_id label_name label_hierarchy created_at

An annotation is an occurrence and a region of its picture, with its outline (a circle or an ellipse
as a polygon, and its numbers in the remarks); each label is an identification by its user, and none
is lost. A label of a picture is one of an occurrence that is the whole picture. The path is kept as
it stands, and the id of the label is its concept. Where neither attributes nor ``--images FOLDER``
tell how large a picture is, a region has its outline alone. Reports of videos are not read.

Reference: https://biigle.de/manual/tutorials/reports/reports-schema
"""

from __future__ import annotations

import json
import random
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from merian.catalogue.sources import Columns, Reading, Rows, Source
from merian.errors import FormatError
from merian.files import existing, new_file
from merian.formats.biigle_regions import Regions
from merian.formats.delimited import (
    Head,
    column,
    delimited,
    first_given,
    head_text,
    lacking_columns,
    literal,
    peek_columns,
    read_head,
    terms_of,
    write_delimited,
)
from merian.formats.picture_shelf import PictureShelf
from merian.formats.registry import Format, Options
from merian.unpacking import Scratch, unzip

__all__ = ["FORMAT"]

_OF_ANNOTATIONS = frozenset({"annotation_label_id", "image_id", "shape_name", "points"})
_OF_PICTURES = frozenset({"image_label_id", "image_id", "label_id"})
_LABELS = ("label_hierarchy", "label_name")
_SURE = frozenset({*_OF_ANNOTATIONS, "label_name", "label_hierarchy"})
_VIDEO = "is a report of videos, and only those of pictures are read"
_FEW = 1 << 16  # bytes of a packed table that are looked at

# What attributes may tell of a picture -> its unit.
_ATTRIBUTES = {
    "metadata.yaw": "degrees", "metadata.distance_to_ground": "m", "metadata.area": "m²",
    "laserpoints.area": "m²", "laserpoints.count": "", "laserpoints.distance": "",
    "laserpoints.px": "", "size": "bytes",
}  # fmt: skip
_ALTITUDE = "metadata.gps_altitude"


def _kind(columns: frozenset[str]) -> str:
    """Return of what a table of these columns is a report, or ""."""
    if columns >= _OF_ANNOTATIONS:
        return "annotations"
    return "pictures" if columns >= _OF_PICTURES and columns & {*_LABELS} else ""


def _sniff(path: Path) -> int:
    if path.is_file() and zipfile.is_zipfile(path):
        return 3 if any(_kind(columns) for columns in _packed(path).values()) else 0
    return 3 if _kind(peek_columns(path, ",")) else 0


def _packed(path: Path) -> dict[str, frozenset[str]]:
    """Return the columns of the first tables in a zip; nothing for what is damaged."""
    found: dict[str, frozenset[str]] = {}
    try:
        with zipfile.ZipFile(path) as packed:
            names = [name for name in packed.namelist() if name.lower().endswith(".csv")]
            for name in sorted(names)[:20]:
                with packed.open(name) as stream:
                    line = stream.read(_FEW).split(b"\n")[0].decode("utf-8-sig", "replace")
                found[name] = frozenset(part.strip('\r" ') for part in line.split(","))
    except Exception:
        return found
    return found


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "report of BIIGLE")
    shelf = PictureShelf(options.images)
    if not (path.is_file() and zipfile.is_zipfile(path)):
        sources, notes = _table(path, path, shelf, None)
        return Reading("biigle", sources, (path,), notes)
    scratch = Scratch("biigle")
    unzip(path, scratch.folder, lambda name: name.lower().endswith(".csv"))
    tables = sorted(p for p in scratch.folder.rglob("*") if p.is_file())
    if not tables:
        raise FormatError("holds no CSV; ask BIIGLE for a report of the type CSV", path=path)
    read = [_table(t, path / t.relative_to(scratch.folder), shelf, scratch) for t in tables]
    told = dict.fromkeys(note for _, notes in read for note in notes)
    return Reading("biigle", [s for sources, _ in read for s in sources], (path,), tuple(told))


def _table(
    path: Path, shown: Path, shelf: PictureShelf, scratch: Scratch | None
) -> tuple[list[Source], tuple[str, ...]]:
    """Return the sources of one table, which keep the folder that it was unpacked to."""
    if path.is_file() and not path.stat().st_size:
        raise FormatError("is empty", path=shown)
    head = read_head(path, ",", '"')
    kind = _kind(frozenset(head.columns))
    if not kind:
        missing = sorted(_OF_ANNOTATIONS - {*head.columns}) or ["label_name"]
        lack = f"has no column {missing[0]}, which reports of BIIGLE have"
        video = any(name.startswith("video_") for name in head.columns)
        raise FormatError(_VIDEO if video else lack, path=shown, line=head.header_lines)
    feeds = [_annotations(head) if kind == "annotations" else _pictures(head), *_told(head)]
    media = Rows(shown, "media", Regions(head, shown, shelf, kind == "pictures", scratch))
    return [replace(delimited(head, feeds), shown=shown), media], head.notes


def _annotation(head: Head) -> str:
    """Return SQL of what an annotation is called; see `Regions`, which calls it so too."""
    if "annotation_id" in head.columns:
        return "'biigle:annotation:' || annotation_id"
    return "'biigle:image:' || image_id || ':' || coalesce(shape_name, '') || points"


def _person(head: Head) -> str | None:
    names = [name for name in ("firstname", "lastname") if name in head.columns]
    user = "'user ' || user_id" if "user_id" in head.columns else None
    if not names:
        return user
    told = f"nullif(concat_ws(' ', {', '.join(names)}), '')"
    return f"coalesce({told}, {user})" if user else told


def _labelled(head: Head, occurrence: str, label: str, place: tuple[str, str]) -> Columns:
    """Feed what annotations and labels of pictures have in common."""
    depth = None
    if "attributes" in head.columns:
        altitude = f"try_cast({_attribute(_ALTITUDE)} AS DOUBLE)"
        depth = f"CASE WHEN {altitude} < 0 THEN (-{altitude})::VARCHAR END"
    return Columns(
        "record",
        terms_of(
            head,
            {place[0]: "decimalLongitude", place[1]: "decimalLatitude",
             "created_at": "dateIdentified"},
            {
                "occurrenceID": occurrence,
                "basisOfRecord": "'MachineObservation'",
                "eventID": "'biigle:image:' || image_id",
                "eventType": "'picture'",
                "minimumDepthInMeters": depth,
                "maximumDepthInMeters": depth,
                "verbatimIdentification": first_given(_LABELS, head.columns),
                "taxonConceptID": "'biigle:label:' || label_id"
                if "label_id" in head.columns else None,
                "identificationID": label,
                "identifiedBy": _person(head),
                "identificationRemarks": "'user ' || user_id"
                if "user_id" in head.columns else None,
            },
        ),
    )  # fmt: skip


def _annotations(head: Head) -> Columns:
    label = f"'biigle:annotation-label:' || {column('annotation_label_id')}"
    return _labelled(head, _annotation(head), label, ("image_longitude", "image_latitude"))


def _pictures(head: Head) -> Columns:
    label = f"'biigle:image-label:' || {column('image_label_id')}"
    return _labelled(head, "'biigle:image:' || image_id", label, ("longitude", "latitude"))


def _attribute(name: str) -> str:
    """Return SQL of one of the attributes of a picture, NULL where they are no JSON."""
    path = literal(f"$.{name}")
    return f"CASE WHEN json_valid(attributes) THEN json_extract_string(attributes, {path}) END"


def _told(head: Head) -> list[Columns]:
    """Feed what the attributes tell of pictures, and columns that BIIGLE does not have."""
    feeds = []
    if "attributes" in head.columns:
        for name, unit in (*_ATTRIBUTES.items(), (_ALTITUDE, "m")):
            terms = {
                "eventID": "'biigle:image:' || image_id",
                "measurementType": literal(name),
                "measurementValue": _attribute(name),
                **({"measurementUnit": literal(unit)} if unit else {}),
            }
            feeds.append(Columns("measurement", terms, where=f"{_attribute(name)} IS NOT NULL"))
    return feeds


_COLUMNS = (
    "annotation_label_id", "label_id", "label_name", "label_hierarchy", "user_id", "firstname",
    "lastname", "image_id", "filename", "image_longitude", "image_latitude", "shape_id",
    "shape_name", "points", "attributes", "annotation_id", "created_at",
)  # fmt: skip
_SHAPES = (
    ("Point", 1, "[{x},{y}]"),
    ("Circle", 4, "[{x},{y},25.5]"),
    ("Rectangle", 5, "[{x},{y},{a},{y},{a},{b},{x},{b}]"),
    ("Polygon", 3, "[{x},{y},{a},{y},{a},{b}]"),
    ("LineString", 2, "[{x},{y},{a},{b}]"),
    ("Ellipse", 6, "[{x},{y},{a},{y},320,80,320,240]"),
)


def _fake(folder: Path, seed: int) -> Path:
    """Write the zip of a volume: annotations of all shapes, some with labels of two users."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    labels = ("Animalia > Porifera > Demospongiae", "Animalia > Annelida > Buskiella sp",
              "Laser point")  # fmt: skip
    rows: list[list[object]] = []
    for number in range(24):
        annotation = number // 2 if number < 8 else number - 4  # the first four have two labels
        image = annotation // 4
        at = {"x": chance.randint(1, 150), "y": 40.25, "a": chance.randint(200, 700), "b": 300}
        name, shape, drawn = _SHAPES[annotation % 6]
        points: object = drawn.format(**at)
        if number < 8 and number % 2:
            points = rows[-1][13]
        label = labels[(number + seed) % 3]
        attributes = {
            "size": 300_000 + image, "mimetype": "image/jpeg", "width": 640, "height": 480,
            "metadata": {"gps_altitude": -2400.5 - image, "distance_to_ground": 2.5},
        }  # fmt: skip
        rows.append([
            seed * 1000 + number, 5 + len(label), label.split(" > ")[-1], label, 3 + number % 2,
            ("Maria", "Jo")[number % 2], ("Müller", "O'Neil, jr.")[number % 2], 70 + image,
            f"DSC_{seed:02d}{image:03d}.jpg", -12.25 if image else "", 78.5 if image else "",
            shape, name, points,
            json.dumps(attributes, separators=(",", ":")) if image != 2 else "",
            400 + annotation, f"2025-07-{1 + number:02d} 09:15:30",
        ])  # fmt: skip
    with tempfile.TemporaryDirectory() as work:
        write_delimited(Path(work) / "12-greenland.csv", _COLUMNS, rows, ",")
        content = (Path(work) / "12-greenland.csv").read_bytes()
    path = folder / f"{seed}_csv_image_annotation_report.zip"
    with new_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo("12-greenland.csv", (2025, 1, 1, 0, 0, 0)), content)
    return path


def _lacks(path: Path) -> str:
    if path.is_file() and head_text(path, 64).startswith("video_"):
        return _VIDEO
    return lacking_columns(path, ",", _SURE)


FORMAT = Format(
    name="biigle",
    title="BIIGLE: CSV reports of annotations and labels of pictures",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
)
