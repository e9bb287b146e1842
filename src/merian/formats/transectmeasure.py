"""TransectMeasure and EventMeasure: dot points on pictures of the sea floor, with CATAMI's labels.

*Dot Point Measurements*, as SeaGIS's programs export them: a title, when it was made, empty lines,
then a table parted by tabs, a row for each point::

    Filename Frame Time (mins) Image row Image col Date Location Site # Transect # Latitude
    Longitude Rugosity Depth Collector Fishing status ... level_2 level_3 level_4 level_5
    scientific qualifiers CAAB_code (a column without name) Radius %

Which columns stand behind ``Fishing status``, and which attributes a point has, each laboratory
says for itself; ``campaignid``, ``OpCode`` and ``Period`` are usual. The label of a point is the
path of its levels, ``Seagrasses > Strap-like leaves > Thalassodendron spp``: the columns called
``level_`` and a number (or BROAD, MORPHOLOGY, TYPE), and then ``scientific``. Others are named with
``--set label=COLUMN+COLUMN``. ``CAAB_code`` is its concept, ``qualifiers`` its remarks. A point
without levels has no identification; points that could not be scored have one, ``Unscorable``.

A point is an occurrence and a region of its picture without size; its place is told in pixels, and
in parts of the picture where ``--images FOLDER`` tells how large that is. An ``OpCode`` (a drop of
the camera, or a transect) of a campaign is an event, else each picture is one. Columns without a
place of their own are measurements: ``Radius %`` of the point, all others of the event.

What GlobalArchive asks for beside them is read by the same name: counts of points
(``campaignid opcode count caab_code level_1 ... level_8 family genus species``; one occurrence for
each class of a drop, with the count as its quantity) and drops (``opcode`` or ``sample``,
``latitude_dd longitude_dd date_time depth ...``), which are events. A table of drops that lies
beside the points as ``CAMPAIGN_Metadata.csv`` is read with them; ``--set metadata=FILE`` names
another, ``--set metadata=`` none. Dates such as 14/03/2023 are read if no row leaves open which is
the day.

Reference: https://www.seagis.com.au; https://globalarchivemanual.github.io/CheckEM
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from merian.catalogue.sources import Columns, Reading, Reject, Rows, Source
from merian.errors import FormatError, NotFoundError, did_you_mean
from merian.files import existing, find_encoding, write_text
from merian.formats.delimited import (
    Head,
    column,
    delimited,
    first_given,
    head_text,
    literal,
    read_head,
    terms_of,
    unique_names,
)
from merian.formats.delimited_rows import rows_of
from merian.formats.picture_shelf import PictureShelf
from merian.formats.region_shapes import numbers, outline, region
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import ChunkedRows
from merian.formats.transectmeasure_drops import (
    BEFORE,
    NULLS,
    drops,
    drops_beside,
    kind_of,
    label_path,
    lacking,
    table_of,
)

__all__ = ["FORMAT"]

_TITLE = "Dot Point Measurements"
_NEEDED = ("Filename", "Image row", "Image col")
_LEVEL = re.compile(r"level[_ ]?\d+", re.IGNORECASE)
_OTHER_LEVELS = ("broad", "morphology", "type")
_TAKEN = frozenset({
    *_NEEDED, "Frame", "Date", "Location", "Latitude", "Longitude", "Depth", "Collector",
    "campaignid", "OpCode", "scientific", "qualifiers", "CAAB_code",
})  # fmt: skip
_OF_POINTS = {"Radius %": "%"}


def _sniff(path: Path) -> int:
    if not path.is_file():
        return 0
    return 3 if _header(head_text(path)) is not None or kind_of(path) else 0


def _header(text: str) -> int | None:
    """Return which line names the columns of dot points, None where none does."""
    for number, line in enumerate(text.split("\n")[:60]):
        if {*_NEEDED} <= {name.strip() for name in line.split("\t")}:
            return number
    return None


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "export of TransectMeasure")
    if kind_of(path):
        return Reading("transectmeasure", *table_of(path, options.extra.get("metadata")))
    head = _head(path)
    levels = _levels(head, options.extra.get("label", ""))
    campaign = _first(head, "campaignid")
    feeds = [_record(head, levels), *_measurements(head, levels)]
    media = Rows(path, "media", _Media(head, PictureShelf(options.images)))
    sources: list[Source] = [delimited(head, feeds, NULLS), media]
    inputs, notes = [path], [*head.notes]
    if not levels:
        notes.append("no columns of levels: say which hold the label, --set label=COLUMN+COLUMN")
    beside = drops_beside(path, campaign, options.extra.get("metadata"))
    if beside is not None:
        source, told = drops(beside, campaign)
        sources.append(source)
        inputs.append(beside)
        notes += [f"drops are read from {beside}", *told]
    return Reading("transectmeasure", sources, inputs, notes)


def _head(path: Path) -> Head:
    """Return the head of the table that stands below the title."""
    whole = read_head(path, "\t", "")  # tells what is no text
    text = head_text(path)
    at = _header(text)
    if at is None:
        raise FormatError(
            f"has no line with {', '.join(_NEEDED)}, which names the columns of dot points",
            path=path,
        )
    lines = text.split("\n")[at:]
    names = unique_names(name.strip() for name in lines[0].rstrip("\r").split("\t"))
    rows = tuple(tuple(f.strip() for f in line.rstrip("\r").split("\t")) for line in lines[1:-1])
    return Head(path, find_encoding(path), "\t", "", at + 1, names, (), rows or whole.rows)


def _first(head: Head, name: str) -> str:
    """Return what the first rows have in a column, if they have one."""
    place = head.columns.index(name) if name in head.columns else len(head.columns)
    return next((row[place] for row in head.rows if len(row) > place and row[place]), "")


def _levels(head: Head, said: str) -> tuple[str, ...]:
    """Return the columns whose path is the label."""
    if said:
        names = [name.strip() for name in said.split("+")]
        for name in names:
            if name not in head.columns:
                raise NotFoundError(
                    f"{head.path}: has no column {name!r} for the label."
                    + did_you_mean(name, head.columns)
                )
        return tuple(names)
    found = [name for name in head.columns if _LEVEL.fullmatch(name)]
    found.sort(key=lambda name: int(re.sub(r"\D", "", name)))
    lowered = {name.lower(): name for name in head.columns}
    found = found or [lowered[name] for name in _OTHER_LEVELS if name in lowered]
    return (*found, "scientific") if "scientific" in head.columns else tuple(found)


def _within(head: Head) -> str:
    """Return SQL of what stands before a name that is unique within a campaign only."""
    if "campaignid" not in head.columns:
        return literal(BEFORE)
    return f"{literal(BEFORE)} || coalesce(campaignid || ':', '')"


def _picture(head: Head) -> str:
    frame = ""
    if "Frame" in head.columns:
        frame = " || CASE WHEN Frame <> '0' THEN '#' || Frame ELSE '' END"
        frame = f" || coalesce({frame[4:]}, '')"
    return f"{_within(head)} || Filename{frame}"


def _point(head: Head) -> str:
    return f"{_picture(head)} || ':' || {column('Image row')} || ',' || {column('Image col')}"


def _event(head: Head) -> str:
    drop = f"coalesce({column('OpCode')}, Filename)" if "OpCode" in head.columns else "Filename"
    return f"{_within(head)} || {drop}"


def _record(head: Head, levels: Sequence[str]) -> Columns:
    depth = first_given(("Depth",), head.columns)
    label = label_path(levels) if levels else None
    code = next((name for name in head.columns if name.lower() == "caab_code"), None)
    return Columns(
        "record",
        terms_of(
            head,
            {
                "Date": "eventDate",
                "Location": "locality",
                "Latitude": "decimalLatitude",
                "Longitude": "decimalLongitude",
                "Collector": "recordedBy",
                "campaignid": "datasetName",
            },
            {
                "occurrenceID": _point(head),
                "basisOfRecord": "'MachineObservation'",
                "eventID": _event(head),
                "minimumDepthInMeters": depth,
                "maximumDepthInMeters": depth,
                "verbatimIdentification": label,
                "taxonConceptID": f"CASE WHEN {label} IS NOT NULL THEN 'CAAB:' || {column(code)} "
                "END" if code and label else None,
                "identificationRemarks": f"CASE WHEN {label} IS NOT NULL THEN qualifiers END"
                if label and "qualifiers" in head.columns else None,
            },
        ),
    )  # fmt: skip


def _measurements(head: Head, levels: Sequence[str]) -> list[Columns]:
    feeds = []
    for name in head.columns:
        if name in _TAKEN or name in levels or name.startswith("column "):
            continue
        own = name in _OF_POINTS
        terms = {
            "occurrenceID" if own else "eventID": _point(head) if own else _event(head),
            "measurementType": literal(name),
            "measurementValue": column(name),
            **({"measurementUnit": literal(_OF_POINTS[name])} if own else {}),
        }
        feeds.append(Columns("measurement", terms, where=f"{column(name)} IS NOT NULL"))
    return feeds


class _Media(ChunkedRows):
    """The pictures and the points on them; anew each time they are asked for."""

    def __init__(self, head: Head, shelf: PictureShelf) -> None:
        self.head, self.shelf = head, shelf

    def _rows(self) -> Iterator[dict[str, object] | Reject]:
        wanted = ("campaignid", "Filename", "Frame", "Image row", "Image col")
        last = ""
        for line, (campaign, name, frame, row, col) in rows_of(self.head, wanted, NULLS):
            if not (name and row and col):
                continue
            within = f"{campaign}:" if campaign else ""
            picture = f"{BEFORE}{within}{name}" + (f"#{frame}" if frame not in ("", "0") else "")
            size = self.shelf.size(name)
            if picture != last:
                yield from self.shelf.rejects()
                yield {
                    "line": line,
                    "mediaID": picture,
                    "accessURI": self.shelf.place(name),
                    "pixelXDimension": size and size[0],
                    "pixelYDimension": size and size[1],
                }
                last = picture
            known = f"{picture}:{row},{col}"
            region_row: dict[str, object] = {
                "line": line,
                "mediaID": known,
                "occurrenceID": known,
                "derivedFromMediaID": picture,
            }
            place = numbers(f"{col} {row}")
            if place is None or len(place) != 2:
                reason = "no place in the picture: Image row and Image col in pixels expected"
                at = f"{row},{col}"
                yield Reject(self.head.path, line, reason, at, "regionOutline", "value")
                yield region_row
                continue
            points = [(place[0], place[1])]
            region_row["regionOutline"] = outline("POINT", points)
            yield region_row | region(points, size)


def _fake(folder: Path, seed: int) -> Path:
    """Write 5 points on each of 4 pictures of 3 drops, and the table of the drops beside them."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    campaign = f"2023-03_Reef{seed}_stereo-BRUVs"
    columns = (
        *_NEEDED[:1], "Frame", "Time (mins)", *_NEEDED[1:], "Date", "Location", "Site #",
        "Transect #", "Latitude", "Longitude", "Rugosity", "Depth", "Collector", "Fishing status",
        "campaignid", "relief_annotated", "OpCode", "Period", "Frame info 3", "level_2",
        "level_3", "level_4", "level_5", "scientific", "qualifiers", "CAAB_code", "", "Radius %",
    )  # fmt: skip
    labels = (
        ("Macroalgae", "Erect coarse branching", "Red", "", "", "", "80300906"),
        ("Seagrasses", "Strap-like leaves", "", "", "Thalassodendron spp", "", "63618905"),
        ("Substrate", "Unconsolidated (soft)", "Sand / mud (<2mm)",
         "Coarse sand (with shell fragments)", "", "", "82001014"),
        ("Unscorable", "", "", "", "", "", "00000001"), ("",) * 7,
    )  # fmt: skip
    lines = [_TITLE, "", "Generated: Thursday 26 October 2023 09:18:19", "", "\t".join(columns)]
    for number in range(20):
        shot = number // 5
        drop = str(10 + min(shot, 2))
        at = (str(100 + 40 * number), str(chance.randint(10, 1900)))
        lines.append("\t".join([
            f"{drop}_{shot}_DSC0{6000 + seed}.JPG", "      0", "", *at, *[""] * 10, campaign, "no",
            drop if shot else "", "1", "", *labels[number % 5], "",
            f"{chance.uniform(5, 100):.1f}",
        ]))  # fmt: skip
    path = folder / f"{campaign}_Dot_Point_Measurements.txt"
    write_text(path, "\n".join(lines) + "\n")
    rows = ["sample,latitude_dd,longitude_dd,date_time,location,status,depth,comment"]
    rows += [
        f"{10 + n},-34.13{n}55,114.92{n},{14 + n}/03/2023 23:3{n},,No-take,{39 + n}.6,"
        + ('"GPS off, ""lost"""' if n == 1 else "")
        for n in range(3)
    ]
    write_text(folder / f"{campaign}_Metadata.csv", "\n".join(rows) + "\n")
    return path


def _lacks(path: Path) -> str:
    if not path.is_file():
        return ""
    text = head_text(path)
    if text.startswith(_TITLE):
        return f"has no line with {', '.join(_NEEDED)}" if _header(text) is None else ""
    return lacking(path)


FORMAT = Format(
    name="transectmeasure",
    title="TransectMeasure, EventMeasure: dot points with CATAMI's labels; tables of GlobalArchive",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
    tested_on="dot points of the South-west Corner 2023 (4 exports, 2,483 points), counts and "
    "drops of Exmouth Gulf 2024",
)
