"""CoralNet: points on pictures of reefs and their labels (annotation CSV).

One row is a point of a picture, in pixels from its left and upper edge, which begin with 0::

    Name,Row,Column,Label code
    IMG_0056.jpg,1528,426,Porit

``Label`` (older exports) and ``Label code`` are short codes of the labelset, ``Label ID`` a number
of CoralNet; a point without label is one that nobody has annotated. An export may have more::

    Date, five columns that the source names, Height (cm), Latitude, Longitude, Depth, Camera,
    Photographer, Water quality, Strobes, Framing gear used, White balance card, Comments,
    Annotator, Date annotated, Machine suggestion 1..5, Machine confidence 1..5 (percent)

The annotator ``robot`` is CoralNet's classifier, ``alleviate`` its answer where it was surer than
the source asks for, and ``Imported`` a label that was uploaded, which counts as a human's. Without
that column no row says whether it was confirmed, and all labels are taken for a human's. Each
suggestion is an identification of its own, with its confidence as probability.

A point is an occurrence and a region of the picture without size; the picture is an event, with
date, place and depth, and whatever else was measured of it. With ``--images FOLDER`` the size of
each picture is looked up there, so that a point is told in parts of it too; with the height that a
picture covers (``Height (cm)``) it then has a scale. Names of pictures are unique within one source
of CoralNet: ``--set source=NAME`` keeps those of two apart. CoralNet-Toolbox writes such tables
too, with ``Patch Size``, ``Long Label``, ``Verified`` and confidences as parts of 1; they are read.

Written is what CoralNet's upload takes: all points, whichever format they came from, the centre of
a region that is more than a point, and the label that stands. Further columns are added where there
is something in them; CoralNet ignores them. A region whose place in pixels is not known is left
out.

Reference: https://coralnet.ucsd.edu, help pages of *Export Annotations, CSV* and of the upload.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from merian.catalogue.sources import Columns, Reading, Reject, Rows
from merian.errors import FormatError
from merian.files import existing
from merian.formats.coralnet_write import write
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
from merian.formats.delimited_rows import rows_of
from merian.formats.picture_shelf import PictureShelf
from merian.formats.region_shapes import numbers, outline, region
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import ChunkedRows

__all__ = ["FORMAT"]

_SURE = ("Name", "Row", "Column")
_LABELS = ("Label code", "Label", "Label ID")
_ROBOTS = "('robot', 'alleviate')"
_NULLS = ("nan", "NaN", "None")
_SUGGESTIONS = range(1, 6)

# What feeds a term, so that it is no measurement.
_TAKEN = frozenset({
    *_SURE, *_LABELS, "Date", "Latitude", "Longitude", "Depth", "Camera", "Photographer",
    "Comments", "Annotator", "Date annotated", "Path", "Long Label", "Verified", "Units",
    *(f"Machine {what} {n}" for n in _SUGGESTIONS for what in ("suggestion", "confidence")),
})  # fmt: skip
_OF_POINTS = ("Patch Size", "Area", "Perimeter", "Annotation Type")


def _sniff(path: Path) -> int:
    here = peek_columns(path, ",")
    return (3 if here & {*_LABELS} else 1) if here >= {*_SURE} else 0


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "CSV of CoralNet")
    head = read_head(path, ",", '"')
    missing = [name for name in _SURE if name not in head.columns]
    if missing:
        raise FormatError(
            f"has no column {missing[0]}, which CSV of CoralNet has", path=path,
            line=head.header_lines,
        )  # fmt: skip
    before = f"coralnet:{options.extra['source']}:" if options.extra.get("source") else "coralnet:"
    feeds = [_record(head, before), *_suggestions(head, before), *_measurements(head, before)]
    notes = [*head.notes]
    if first_given(_LABELS, head.columns) and not {"Annotator", "Verified"} & {*head.columns}:
        notes.append("no column Annotator: all labels are taken for a human's")
    media = Rows(path, "media", _Media(head, PictureShelf(options.images), before))
    return Reading("coralnet", (delimited(head, feeds, _NULLS), media), (path,), tuple(notes))


def _picture(before: str) -> str:
    return f"{literal(before)} || {column('Name')}"


def _point(before: str) -> str:
    return f"{_picture(before)} || ':' || {column('Row')} || ',' || {column('Column')}"


def _probability(head: Head, number: int) -> str | None:
    """Return SQL of a confidence as a part of 1; a text that is no number stays, to be refused."""
    name = f"Machine confidence {number}"
    if name not in head.columns:
        return None
    value = f"try_cast({column(name)} AS DOUBLE)"
    whole = "1" if _is_toolbox(head) else "100"
    return f"CASE WHEN {value} IS NULL THEN {column(name)} ELSE ({value} / {whole})::VARCHAR END"


def _is_toolbox(head: Head) -> bool:
    return bool({"Patch Size", "Long Label", "Verified"} & {*head.columns})


def _machine(head: Head) -> str | None:
    """Return the SQL condition that a label is a machine's."""
    if "Annotator" in head.columns:
        return f"lower({column('Annotator')}) IN {_ROBOTS}"
    return "lower(Verified) = 'false'" if "Verified" in head.columns else None


def _record(head: Head, before: str) -> Columns:
    label, machine = first_given(_LABELS, head.columns), _machine(head)
    first = "Machine suggestion 1"
    same = f"{machine} AND {label} = {column(first)}" if first in head.columns else ""
    depth = None
    if "Depth" in head.columns:
        depth = "regexp_replace(Depth, '^([0-9.]+) *m$', '\\1')"
    human = "ValidatedByHuman"
    return Columns(
        "record",
        terms_of(
            head,
            {
                "Date": "eventDate",
                "Latitude": "decimalLatitude",
                "Longitude": "decimalLongitude",
                "Photographer": "recordedBy",
                "Annotator": "identifiedBy",
                "Date annotated": "dateIdentified",
                "Long Label": "identificationRemarks",
            },
            {
                "occurrenceID": _point(before),
                "basisOfRecord": "'MachineObservation'",
                "datasetName": f"nullif({literal(before[9:-1])}, '')",
                "eventID": _picture(before),
                "eventType": "'picture'",
                "minimumDepthInMeters": depth,
                "maximumDepthInMeters": depth,
                "verbatimIdentification": label,
                "taxonConceptID": f"'coralnet:label:' || {column('Label ID')}"
                if "Label ID" in head.columns else None,
                "agentType": f"CASE WHEN {machine} THEN 'machine' ELSE 'human' END"
                if machine else None,
                "identificationVerificationStatus": f"CASE WHEN {machine} THEN "
                f"'PredictedByMachine' WHEN NOT {machine} THEN '{human}' END" if machine else None,
                "probability": f"CASE WHEN {same} THEN {_probability(head, 1)} END"
                if machine and label and same and _probability(head, 1) else None,
            },
        ),
    )  # fmt: skip


def _suggestions(head: Head, before: str) -> list[Columns]:
    feeds = []
    for number in _SUGGESTIONS:
        name = f"Machine suggestion {number}"
        if name not in head.columns:
            continue
        terms = {
            "occurrenceID": _point(before),
            "verbatimIdentification": column(name),
            "agentType": "'machine'",
            "identificationVerificationStatus": "'PredictedByMachine'",
            "identificationReferences": literal(name),
            "probability": _probability(head, number),
        }
        where = f"{column(name)} IS NOT NULL"
        feeds.append(Columns("identification", terms_of(head, {}, terms), where=where))
    return feeds


def _measurements(head: Head, before: str) -> list[Columns]:
    """Feed what has no other place: of a point what is a point's, and all else of the picture."""
    units = column("Units") if "Units" in head.columns else None
    feeds = []
    for name in head.columns:
        if name in _TAKEN:
            continue
        subject = {"occurrenceID": _point(before)} if name in _OF_POINTS else (
            {"eventID": _picture(before)}
        )  # fmt: skip
        unit = {
            "Height (cm)": "'cm'", "Patch Size": "'px'", "Perimeter": units,
            "Area": f"{units} || '²'" if units else None,
        }.get(name)  # fmt: skip
        terms = {
            **subject,
            "measurementType": literal(name),
            "measurementValue": column(name),
            **({"measurementUnit": unit} if unit else {}),
        }
        feeds.append(Columns("measurement", terms, where=f"{column(name)} IS NOT NULL"))
    return feeds


class _Media(ChunkedRows):
    """The pictures and the points on them; anew each time they are asked for."""

    def __init__(self, head: Head, shelf: PictureShelf, before: str) -> None:
        self.head, self.shelf, self.before = head, shelf, before

    def _rows(self) -> Iterator[dict[str, object] | Reject]:
        wanted = ("Name", "Row", "Column", "Path", "Camera", "Comments", "Height (cm)")
        last = ""
        for line, (name, row, col, file, camera, said, height) in rows_of(
            self.head, wanted, _NULLS
        ):
            if not (name and row and col):
                continue
            picture = self.before + name
            size = self.shelf.size(name)
            if picture != last:
                yield from self.shelf.rejects()
                place = self.shelf.place(name)
                yield {
                    "line": line,
                    "mediaID": picture,
                    "accessURI": file if file and place == name else place,
                    "pixelXDimension": size and size[0],
                    "pixelYDimension": size and size[1],
                    "pixelsPerMillimetre": _scale(height, size),
                    "captureDevice": camera,
                    "mediaRemarks": said,
                }
                last = picture
            yield from self._point(line, (col, row), picture, size)

    def _point(
        self, line: int, at: tuple[str, str], picture: str, size: tuple[int, int] | None
    ) -> Iterator[dict[str, object] | Reject]:
        known = f"{picture}:{at[1]},{at[0]}"
        row: dict[str, object] = {
            "line": line, "mediaID": known, "occurrenceID": known, "derivedFromMediaID": picture,
        }  # fmt: skip
        place = numbers(" ".join(at))
        if place is None or len(place) != 2 or min(place) < 0:
            reason = "no place in the picture: Column and Row in pixels expected"
            yield Reject(self.head.path, line, reason, ",".join(at), "regionOutline", "value")
            yield row
            return
        x, y = place
        if size is not None and (x > size[0] or y > size[1]):
            reason = f"outside of the picture, which has {size[0]} columns and {size[1]} rows"
            yield Reject(self.head.path, line, reason, ",".join(at), "xFrac", "value")
            size = None
        row["regionOutline"] = outline("POINT", [(x, y)])
        yield row | region([(x, y)], size)


def _scale(height: str, size: tuple[int, int] | None) -> float | None:
    """Return pixels of a millimetre, where the height that a picture covers is told."""
    told = numbers(height) if height and size else None
    return size[1] / (10 * told[0]) if told and size and told[0] > 0 else None


def _fake(folder: Path, seed: int) -> Path:
    """Write 4 points on each of 6 pictures, some a robot's and one without label."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    columns = (
        "Name", "Date", "Site", "Transect", "Height (cm)", "Latitude", "Longitude", "Depth",
        "Camera", "Photographer", "Comments", "Row", "Column", "Label", "Annotator",
        "Date annotated", "Machine suggestion 1", "Machine confidence 1", "Machine suggestion 2",
        "Machine confidence 2",
    )  # fmt: skip
    rows = []
    for number in range(24):
        shot, at = divmod(number, 4)
        label = chance.choice(("Porit", "CCA", "Turf", "Acrop"))
        other = "Sand" if label != "Sand" else "CCA"
        sure = chance.randint(51, 99)
        robot = shot % 3 == 1
        comment = 'a "soft" bottom,\nnear the wreck' if shot == 2 else ""
        rows.append([
            f"IMG_{seed:02d}{shot:02d}_räf.jpg", f"2019-05-{1 + shot:02d}", f"Site {shot // 2}",
            "1-2" if shot else "", 40, round(5.789 + shot / 100, 3), -50, f"{8 + shot}m",
            "Nikon" if shot % 2 else "", "J. Doe", comment, 150 + 300 * (at // 2),
            200 + 400 * (at % 2) + seed, "" if number == 23 else label,
            "" if number == 23 else "robot" if robot else "Imported" if shot == 3 else "a.diver",
            "" if number == 23 else f"2019-06-01 10:{number:02d}:00+00:00",
            label if number != 23 else "", sure if number != 23 else "",
            other if robot else "", 100 - sure if robot else "",
        ])  # fmt: skip
    path = folder / f"annotations{seed}.csv"
    write_delimited(path, columns, rows, ",")
    return path


FORMAT = Format(
    name="coralnet",
    title="CoralNet: annotation CSV, points and labels",
    sniff=_sniff,
    read=_read,
    write=write,
    fake=_fake,
    lacks=lambda path: (
        lacking_columns(path, ",", {*_SURE, "Label"}) if "Row" in peek_columns(path, ",") else ""
    ),
    suffix=".csv",
)
