"""BenthicNet: pictures of the sea floor from all the world, with labels in several trees at once.

A CSV with a row for each picture; the labelled part has a column for each tree of CATAMI::

    dataset site image url latitude longitude datetime altitude depth platform partition
    catami_biota catami_substrate catami_relief catami_bedforms colour_qualifier
    biota_mask substrate_mask relief_mask bedforms_mask

A cell of a tree holds a path (``Biota > Cnidaria > Corals``), a list of paths, or a list of numbers
of nodes, ``[0, 1, 5]``. What the numbers mean is told by BenthicNet's list of nodes,
``catami_ex.csv``: give it with ``--set nodes=FILE``. Of a list of numbers the lowest nodes are the
labels, as those above them follow. Each label is an identification of the picture by itself, so
that a picture has as many as were given, in as many trees, as deep as somebody dared to go; an
empty cell says that nobody looked, and nothing is made of it. The tree is told in
``identificationReferences``, as *CATAMI biota*. Masks are the numbers of nodes of which nothing is
known; they are kept as measurements, as they stand.

The id of a picture is ``dataset/site/image``. That is also where its file lies below ``--images
FOLDER``; else its address on the web is kept. ``partition`` is the part of the published split.

Reference: Lowe et al. 2025, doi:10.1038/s41597-025-04491-1 (data: doi:10.20383/103.0614)
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from merian.catalogue.sources import Columns, Reading, Reject, Rows
from merian.errors import FormatError
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
from merian.formats.delimited_rows import rows_of
from merian.formats.picture_shelf import PictureShelf
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import ChunkedRows
from merian.taxonomy.catami import TREES, catami_nodes

__all__ = ["FORMAT"]

_SURE = frozenset({"dataset", "site", "image", "url"})
_LABELS = {f"catami_{tree}": tree for tree in TREES} | {"colour_qualifier": "colour"}
_MASKS = (*(f"{tree}_mask" for tree in TREES), "colour_mask")
_NULLS = ("nan", "NaN", "None")
_SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".JPG")
_TAKEN = frozenset({*_SURE, *_LABELS, "latitude", "longitude", "datetime", "depth", "platform",
                    "partition", "column 1"})  # fmt: skip
_UNITS = {"altitude": "m"}

_NUMBERS = re.compile(r"[\[({]?\s*(\d+(?:\s*,\s*\d+)*)?\s*,?\s*[\])}]?")
_TEXTS = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")

Path_ = tuple[str, ...]


def _sniff(path: Path) -> int:
    here = peek_columns(path, ",")
    return 3 if here >= {"dataset", "site"} and here & {"image", "url"} and (
        here & {*_LABELS} or here >= {"url", "latitude", "longitude"}
    ) else 0  # fmt: skip


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "table of BenthicNet")
    head = read_head(path, ",", '"')
    for names in (("dataset",), ("site",), ("image", "url")):
        if not {*names} & {*head.columns}:
            raise FormatError(
                f"has no column {' or '.join(names)}, which BenthicNet has", path=path,
                line=head.header_lines,
            )  # fmt: skip
    nodes, inputs = _nodes(options.extra.get("nodes", ""))
    labels = Rows(path, "identification", _Labels(head, nodes))
    media = Rows(path, "media", _Media(head, PictureShelf(options.images)))
    feeds = [_record(head), _sites(), *_measurements(head)]
    notes = [*head.notes]
    if not nodes and _has_numbers(head):
        notes.append(
            "labels are numbers of nodes: give BenthicNet's list of them, --set nodes=catami_ex.csv"
        )
    sources = (delimited(head, feeds, _NULLS), media, labels)
    return Reading("benthicnet", sources, (path, *inputs), tuple(notes))


def _nodes(said: str) -> tuple[Mapping[str, Sequence[Path_]], list[Path]]:
    """Return the paths of the nodes of each tree by their numbers."""
    if not said:
        return {}, []
    file = existing(Path(said), "list of BenthicNet's nodes")
    found: dict[str, list[Path_]] = {}
    for node in catami_nodes(file):
        found.setdefault(node.tree, []).append(node.path)
    return found, [file]


def _has_numbers(head: Head) -> bool:
    places = [head.columns.index(name) for name in _LABELS if name in head.columns]
    cells = (row[place] for row in head.rows for place in places if len(row) > place)
    return any(re.search(r"\d", cell) and _NUMBERS.fullmatch(cell) for cell in cells)


def _picture(head: Head) -> str:
    """Return SQL of what a picture is called; see `_name_of`, which calls it so too."""
    last = "nullif(regexp_extract(url, '([^/]+)/*$', 1), '')" if "url" in head.columns else None
    image = column("image") if "image" in head.columns else None
    name = f"coalesce({image}, {last})" if image and last else image or last
    return f"'benthicnet:' || dataset || '/' || site || '/' || {name}"


def _name_of(dataset: str, site: str, image: str, url: str) -> str:
    name = image or url.rstrip("/").rpartition("/")[2]
    return f"{dataset}/{site}/{name}" if dataset and site and name else ""


def _record(head: Head) -> Columns:
    depth = first_given(("depth",), head.columns)
    return Columns(
        "record",
        terms_of(
            head,
            {
                "dataset": "datasetName",
                "partition": "split",
                "latitude": "decimalLatitude",
                "longitude": "decimalLongitude",
                "datetime": "eventDate",
                "platform": "samplingProtocol",
            },
            {
                "occurrenceID": _picture(head),
                "basisOfRecord": "'MachineObservation'",
                "eventID": _picture(head),
                "parentEventID": "'benthicnet:' || dataset || '/' || site",
                "eventType": "'picture'",
                "minimumDepthInMeters": depth,
                "maximumDepthInMeters": depth,
            },
        ),
    )


def _sites() -> Columns:
    event = "'benthicnet:' || dataset || '/' || site"
    terms = {"eventID": event, "eventType": "'site'", "locality": "site"}
    return Columns("event", terms, where="dataset IS NOT NULL AND site IS NOT NULL")


def _measurements(head: Head) -> list[Columns]:
    feeds = []
    for name in head.columns:
        if name in _TAKEN:
            continue
        subject = "mediaID" if name in _MASKS else "eventID"
        terms = {
            subject: _picture(head),
            "measurementType": literal(name),
            "measurementValue": column(name),
            **({"measurementUnit": literal(_UNITS[name])} if name in _UNITS else {}),
        }
        feeds.append(Columns("measurement", terms, where=f"{column(name)} IS NOT NULL"))
    return feeds


class _Media(ChunkedRows):
    """The pictures, anew each time they are asked for."""

    def __init__(self, head: Head, shelf: PictureShelf) -> None:
        self.head, self.shelf = head, shelf

    def _rows(self) -> Iterator[dict[str, object] | Reject]:
        wanted = ("dataset", "site", "image", "url")
        for line, (dataset, site, image, url) in rows_of(self.head, wanted, _NULLS):
            name = _name_of(dataset, site, image, url)
            if not name:
                continue
            tried = [f"{name}{suffix}" for suffix in _SUFFIXES]
            file = next((t for t in tried if self.shelf.place(t) != t), "")
            size = self.shelf.size(file) if file else None
            yield from self.shelf.rejects()
            yield {
                "line": line,
                "mediaID": f"benthicnet:{name}",
                "occurrenceID": f"benthicnet:{name}",
                "accessURI": self.shelf.place(file) if file else url or name,
                "pixelXDimension": size and size[0],
                "pixelYDimension": size and size[1],
            }


class _Labels(ChunkedRows):
    """The labels of all trees, anew each time they are asked for."""

    def __init__(self, head: Head, nodes: Mapping[str, Sequence[Path_]]) -> None:
        self.head, self.nodes = head, nodes

    def _rows(self) -> Iterator[dict[str, object] | Reject]:
        present = [name for name in _LABELS if name in self.head.columns]
        wanted = ("dataset", "site", "image", "url", *present)
        for line, (dataset, site, image, url, *cells) in rows_of(self.head, wanted, _NULLS):
            name = _name_of(dataset, site, image, url)
            for column_name, cell in zip(present, cells, strict=True):
                if not name or not cell:
                    continue
                labels = self._labels(_LABELS[column_name], cell)
                if isinstance(labels, str):
                    yield Reject(self.head.path, line, labels, cell, column_name, "value")
                    continue
                for label in labels:
                    yield {
                        "line": line,
                        "mediaID": f"benthicnet:{name}",
                        "verbatimIdentification": label,
                        "identificationReferences": f"CATAMI {_LABELS[column_name]}",
                    }

    def _labels(self, tree: str, cell: str) -> list[str] | str:
        """Return the labels of a cell, or why it has none."""
        if _NUMBERS.fullmatch(cell):
            numbers = [int(n) for n in re.findall(r"\d+", cell) if len(n) < 10]
            return self._numbered(tree, numbers)
        if cell[0] in "[({":
            told = [one or other for one, other in _TEXTS.findall(cell)]
            if not told and cell.strip("[](){} "):
                return "neither a path, nor a list of paths or of numbers"
            return list(dict.fromkeys(text for text in told if text))
        return [cell]

    def _numbered(self, tree: str, numbers: Sequence[int]) -> list[str] | str:
        paths = self.nodes.get(tree)
        if paths is None:  # colours have no list: a number is all that is told of one
            if self.nodes and tree in TREES and numbers:
                return f"the list of nodes has none of {tree}"
            return [str(n) for n in numbers]
        far = [n for n in numbers if n >= len(paths)]
        if far:
            return f"no such node: {far[0]} of {tree}, whose {len(paths)} nodes begin with 0"
        given = [paths[n] for n in dict.fromkeys(numbers)]
        above = {path[:end] for path in given for end in range(1, len(path))}
        return [" > ".join(path) for path in given if path not in above]


def _fake(folder: Path, seed: int) -> Path:
    """Write 12 pictures of 3 sites, with labels of many depths, and trees that nobody looked at."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    columns = (
        "dataset", "site", "image", "url", "latitude", "longitude", "datetime", "altitude",
        "depth", "platform", "partition", *_LABELS,
    )  # fmt: skip
    biota = ("", "Biota", "['Biota > Cnidaria > Corals', 'Biota > Sponges']",
             "['Biota > Macroalgae > Filamentous / filiform > Turfing algae']")  # fmt: skip
    ground = ("Substrate > Unconsolidated (soft) > Sand / mud (<2mm)", "", "[]")
    rows = []
    for number in range(12):
        site = f"site{seed}-{number // 4}"
        name = f"PR_{seed:02d}{number:03d}"
        rows.append([
            "FK2010", site, name if number % 5 else "", f"https://example.org/{site}/{name}.jpg",
            round(chance.uniform(-44, -43), 6), round(chance.uniform(147, 148), 6),
            f"2010-06-04 23:10:{number:02d}", round(chance.uniform(1.5, 3), 2),
            round(chance.uniform(20, 90), 2), "AUV", ("train", "test")[number % 2],
            biota[number % 4], ground[number % 3], "Flat" if number % 3 == 1 else "", "",
            "['Red', 'Brown']" if number == 7 else "",
        ])  # fmt: skip
    path = folder / f"benthicnet_labelled_{seed}.csv"
    write_delimited(path, columns, rows, ",")
    return path


FORMAT = Format(
    name="benthicnet",
    title="BenthicNet: pictures of the sea floor with labels in several trees",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=lambda path: lacking_columns(path, ",", _SURE),
)
