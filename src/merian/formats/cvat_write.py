"""A catalogue as one XML file of CVAT for images 1.1: its pictures, regions, and names that stand.

The ids of the catalogue stand beside the shapes as attributes that CVAT passes over, so that what
is written reads back as the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from merian.files import new_file
from merian.formats.annotated import PICTURES, REGIONS, SAID, Said, only, picture_name
from merian.formats.cvat_shapes import shape_of
from merian.formats.flat import rows
from merian.formats.outlines import OutlineError, pixel_box

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["write_cvat"]

_SOURCE = "source "
_SHAPES = ("box", "ellipse", "cuboid", "skeleton")
_FLAGS = ("occluded", "z_order", "group_id")
_TRUTH = {"true": "1", "false": "0"}
_PREFIX = "attribute."

# Of each picture together, in the order of the pictures.
_BY_PICTURE = f"""
SELECT r.*, i.agentType FROM ({REGIONS}) AS r(media, picture, occurrence, x, y, w, h, outline,
    width, height, name, remarks, score)
LEFT JOIN determination i ON i.occurrenceID = r.occurrence
ORDER BY r.picture, r.media
"""
_SAID_BY_PICTURE = f"""
SELECT coalesce(m.derivedFromMediaID, m.mediaID), s.* FROM ({SAID}) AS s(media, kind, value)
JOIN media m ON m.mediaID = s.media ORDER BY ALL
"""


def write_cvat(catalogue: Catalogue, path: Path) -> int:
    """Write the pictures and regions of a catalogue; return the number of shapes."""
    titles = [str(row[0]) for row in rows(
        catalogue, "SELECT DISTINCT datasetName FROM occurrence WHERE datasetName IS NOT NULL"
    )]  # fmt: skip
    labels = sorted({str(row[10]) for row in rows(catalogue, REGIONS)} - {""})
    said = Said(
        ((picture, media), kind, value)
        for picture, media, kind, value in rows(catalogue, _SAID_BY_PICTURE)
    )
    regions = _Grouped(rows(catalogue, _BY_PICTURE))
    folder, count = path.parent.absolute(), 0
    with new_file(path, text=True) as stream:
        stream.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
        stream.write("  <version>1.1</version>\n  <meta>\n    <task>\n")
        stream.write(f"      <name>{_text(titles[0])}</name>\n" if len(titles) == 1 else "")
        stream.write("      <mode>annotation</mode>\n      <labels>\n")
        for label in labels:
            stream.write(f"        <label>\n          <name>{_text(label)}</name>\n")
            stream.write("          <attributes>\n          </attributes>\n        </label>\n")
        stream.write("      </labels>\n    </task>\n  </meta>\n")
        for number, picture in enumerate(rows(catalogue, PICTURES)):
            _write_image(stream, number, picture, folder)
            for region in regions.of(str(picture[0])):
                count += _write_region(stream, region, said)
            stream.write("  </image>\n")
        stream.write("</annotations>\n")
    return count


class _Grouped:
    """Regions, walked along with their pictures."""

    def __init__(self, found: Iterator[tuple[Any, ...]]) -> None:
        self._found, self._next = found, next(found, None)

    def of(self, picture: str) -> Iterator[tuple[Any, ...]]:
        while self._next is not None and self._next[1] <= picture:
            if self._next[1] == picture:
                yield self._next
            self._next = next(self._found, None)


def _text(text: str) -> str:
    return escape(_allowed(text)).replace("\r", "&#13;")


def _allowed(text: str) -> str:
    """Return a text without the characters that XML has no place for."""
    return "".join(c for c in text if c in "\t\n\r" or " " <= c < "\ufffe" or c > "\uffff")


def _attributes(said: Mapping[str, object]) -> str:
    """Return attributes; what a parser would make a blank is written by its number."""
    told = ((key, quoteattr(_allowed(str(value)), {"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}))
            for key, value in said.items() if value is not None)  # fmt: skip
    return "".join(f" {key}={value}" for key, value in told)


def _write_image(stream: IO[str], number: int, row: Sequence[Any], folder: Path) -> None:
    media, address, width, height, licence, holder, scale, _, _, splits, _ = row
    said = {
        "id": number, "name": picture_name(address, folder), "subset": only(splits),
        "width": width, "height": height, "px_per_mm": scale, "license": licence,
        "rights_holder": holder, "media_id": media, "split": only(splits),
    }  # fmt: skip
    stream.write(f"  <image{_attributes(said)}>\n")


def _write_region(stream: IO[str], row: Sequence[Any], said: Said) -> int:
    """Write one region as one shape, or as one for each of its polygons."""
    media, picture, occurrence, *fractions, outline, width, height, name, remarks, score, agent = (
        row
    )
    told = said.of((picture, media))
    kept = {kind: told.pop(kind) for kind in _SHAPES if kind in told}
    here = [side for side in fractions if side is not None]
    whole = here == [0, 0, 1, 1] or not here
    box = None
    if len(here) == 4 and width and height:
        box = pixel_box((here[0], here[1], here[2], here[3]), width, height)
    try:
        shapes = shape_of(outline, kept, box, whole)
    except OutlineError:
        shapes = shape_of(None, {}, box, whole)
    source = "auto" if agent == "machine" else "manual"
    if remarks and str(remarks).startswith(_SOURCE):
        source = str(remarks).removeprefix(_SOURCE)
    # Elsewhere (COCO) it is true or false that something is occluded.
    flags = {f: _TRUTH.get(told[f], told[f]) for f in _FLAGS if f in told}
    told = {key: value for key, value in told.items() if key not in flags}
    for part, (kind, numbers, points) in enumerate(shapes, 1):
        attributes = {
            "label": name, "source": source, "occluded": "0", **numbers, "z_order": "0",
            **flags, "score": score, "occurrence_id": occurrence,
            "media_id": media if part == 1 else f"{media}/part-{part}",
        }  # fmt: skip
        stream.write(f"    <{kind}{_attributes(attributes)}>\n")
        for point in points:
            stream.write(f"      <points{_attributes(point)}>\n      </points>\n")
        for key, value in told.items():
            shown = _attributes({"name": key.removeprefix(_PREFIX)})
            stream.write(f"      <attribute{shown}>{_text(value)}</attribute>\n")
        stream.write(f"    </{kind}>\n")
    return len(shapes)
