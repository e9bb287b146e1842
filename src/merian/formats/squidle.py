"""SQUIDLE+: points and polygons on pictures of the sea floor, as its server exports them (CSV).

One row is an annotation. A dot stands between the parts of a column's name; the user chooses
which columns there are, so that few are needed: ``point.x``, ``point.y``, a name of the picture
(``point.media.id``, ``.key`` or ``.path_best``) and of the label (``label.name`` or
``label.lineage_names``)::

    id comment likelihood needs_review tag_names created_at updated_at user.username
    label.id label.uuid label.name label.lineage_names
    label.translated.{id,uuid,name,lineage_names,translation_info}
    point.id point.x point.y point.t point.polygon (or point.data.polygon, point.data)
    point.media.id point.media.key point.media.path_best point.media.timestamp_start
    point.media.deployment.{id,key,name} point.media.deployment.campaign.{id,key,name}
    point.pose.{timestamp,lat,lon,dep,alt} point.pose.data.*

``point.x`` and ``point.y`` are parts of the picture, counted from its left and upper edge. A
polygon is a list of pairs, each the way from that point, again in parts of the picture. ``dep`` and
``alt`` are metres. Lines may begin with a number in a column without a name, which is passed over.

A point is an occurrence; what it lies on is a region of the picture, without size if it is a point.
The label is the lineage, ``Biota > Macroalgae > Brown``, as it came, and the id of the label its
concept. A label that was translated into another scheme is a second identification, a machine's.
``needs_review`` is a status of the identification. Pictures, deployments and campaigns are events,
each a part of the next. What has no other place is a measurement under its column's name.

The pictures are on the web. With ``--images FOLDER`` they are looked up there by the last part of
their address; only then their size is known, and outlines in pixels are told.

Reference: https://squidle.org (its API: annotation/export, template dataframe.csv).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
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
from merian.formats.region_shapes import numbers, outline, region
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import ChunkedRows

__all__ = ["FORMAT"]

_PLACE = frozenset({"point.x", "point.y"})
_MEDIA = ("point.media.id", "point.media.key", "point.media.path_best")
_LABELS = ("label.lineage_names", "label.name")
_SURE = frozenset({*_PLACE, "label.name", "point.id", "point.media.key", "point.media.path_best"})
_POLYGONS = ("point.polygon", "point.data.polygon", "point.data")
_DEPLOYMENT, _CAMPAIGN = "point.media.deployment.", "point.media.deployment.campaign."
_NULLS = ("nan", "None", "NaN")
_UNITS = {"point.pose.alt": "m", "point.t": "s"}

# What feeds a term, so that it is no measurement.
_TAKEN = frozenset({
    *_PLACE, *_MEDIA, *_LABELS, *_POLYGONS, "id", "comment", "likelihood", "needs_review",
    "tag_names", "created_at", "updated_at", "user.username", "label.id", "label.uuid", "point.id",
    "label.translated.lineage_names", "label.translated.name", "label.translated.uuid",
    "label.translated.id", "label.translated.translation_info", "point.media.timestamp_start",
    "point.pose.timestamp", "point.pose.lat", "point.pose.lon", "point.pose.dep", "column 1",
    f"{_DEPLOYMENT}key", f"{_CAMPAIGN}key",
})  # fmt: skip


def _sniff(path: Path) -> int:
    here = peek_columns(path, ",")
    return 3 if here >= _PLACE and here & {*_MEDIA} and here & {*_LABELS} else 0


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "export of SQUIDLE+")
    head = read_head(path, ",", '"')
    for needed in ((name,) for name in sorted(_PLACE)), (_MEDIA, _LABELS):
        for names in needed:
            if not {*names} & {*head.columns}:
                raise FormatError(
                    f"has no column {' or '.join(names)}, which exports of SQUIDLE+ have",
                    path=path,
                    line=head.header_lines,
                )
    feeds = [_record(head), *_events(head), *_translated(head), *_measurements(head)]
    shelf = PictureShelf(options.images)
    media = Rows(path, "media", _Media(head, shelf))
    return Reading("squidle", (delimited(head, feeds, _NULLS), media), (path,), head.notes)


def _given(head: Head, *names: str) -> str | None:
    return first_given(names, head.columns)


def _called(kind: str, sql: str | None) -> str | None:
    """Return SQL of an identifier that says of what it is one."""
    return f"{literal(f'squidle:{kind}:')} || {sql}" if sql else None


def _picture(head: Head) -> str:
    return _called("media", _given(head, *_MEDIA)) or ""


def _point(head: Head) -> str:
    """Return SQL of a point: its id, or else its picture and its place in it."""
    if "point.id" in head.columns:
        return f"'squidle:point:' || {column('point.id')}"
    place = [f"coalesce({column(name)}, '')" for name in ("point.x", "point.y")]
    return f"{_picture(head)} || ':' || {place[0]} || ',' || {place[1]}"


def _concept(head: Head, kind: str) -> str | None:
    return _given(head, f"{kind}.uuid") or _called("label", _given(head, f"{kind}.id"))


def _record(head: Head) -> Columns:
    review = "needs_review" in head.columns
    remarks = [
        f"{before} || {column(name)}" if before else column(name)
        for name, before in (("comment", ""), ("tag_names", "'tags: '"), ("label.id", "'label '"))
        if name in head.columns
    ]
    depth = _given(head, "point.pose.dep")
    return Columns(
        "record",
        terms_of(
            head,
            {
                "likelihood": "probability",
                "user.username": "identifiedBy",
                "point.pose.lat": "decimalLatitude",
                "point.pose.lon": "decimalLongitude",
            },
            {
                "occurrenceID": _point(head),
                "basisOfRecord": "'MachineObservation'",
                "datasetName": _given(head, f"{_CAMPAIGN}name", f"{_CAMPAIGN}key"),
                "eventID": _picture(head),
                "eventType": "'picture'",
                "parentEventID": _deployment(head) or _campaign(head),
                "eventDate": _given(head, "point.pose.timestamp", "point.media.timestamp_start"),
                "minimumDepthInMeters": depth,
                "maximumDepthInMeters": depth,
                "verbatimIdentification": _given(head, *_LABELS),
                "taxonConceptID": f"CASE WHEN {_given(head, *_LABELS)} IS NOT NULL "
                f"THEN {_concept(head, 'label')} END" if _concept(head, "label") else None,
                "identificationID": _called("annotation", _given(head, "id")),
                "dateIdentified": _given(head, "updated_at", "created_at"),
                "identificationVerificationStatus": "CASE WHEN lower(needs_review) IN "
                "('true', '1', 't') THEN 'needs review' END" if review else None,
                "identificationRemarks": f"nullif(concat_ws('; ', {', '.join(remarks)}), '')"
                if remarks else None,
            },
        ),
    )  # fmt: skip


def _deployment(head: Head) -> str | None:
    """Return SQL of the deployment, whose key is its own only within a campaign."""
    key = _given(head, f"{_DEPLOYMENT}key", f"{_DEPLOYMENT}id", f"{_DEPLOYMENT}name")
    above = _campaign(head)
    if key is None:
        return None
    return f"'squidle:deployment:' || concat_ws('/', substr({above}, 18), {key})" if above else (
        _called("deployment", key)
    )  # fmt: skip


def _campaign(head: Head) -> str | None:
    names = (f"{_CAMPAIGN}key", f"{_CAMPAIGN}id", f"{_CAMPAIGN}name")
    return _called("campaign", _given(head, *names))


def _events(head: Head) -> list[Columns]:
    """Feed the deployments and campaigns that pictures are parts of."""
    deployment, campaign = _deployment(head), _campaign(head)
    above = {"parentEventID": campaign} if campaign else {}
    return [
        Columns("event", {"eventID": sql, "eventType": literal(kind), **more}, where=f"{sql} <> ''")
        for kind, sql, more in (("deployment", deployment, above), ("campaign", campaign, {}))
        if sql
    ]


def _translated(head: Head) -> list[Columns]:
    label = _given(head, "label.translated.lineage_names", "label.translated.name")
    if label is None:
        return []
    by = _given(head, "label.translated.translation_info")
    terms: dict[str, str | None] = {
        "occurrenceID": _point(head),
        "verbatimIdentification": label,
        "taxonConceptID": _concept(head, "label.translated"),
        "agentType": "'machine'",
        "identificationReferences": f"coalesce('translated: ' || {by}, 'translated')"
        if by else "'translated'",
    }  # fmt: skip
    return [Columns("identification", terms_of(head, {}, terms), where=f"{label} IS NOT NULL")]


def _measurements(head: Head) -> list[Columns]:
    """Feed what has no other place, as a measurement of what its name begins with."""
    feeds = []
    for name in head.columns:
        if name in _TAKEN or name == f"{_CAMPAIGN}name":
            continue
        subject, of = "eventID", _picture(head)
        if name.startswith(_CAMPAIGN):
            of = _campaign(head) or of
        elif name.startswith(_DEPLOYMENT):
            of = _deployment(head) or of
        elif not name.startswith(("point.media.", "point.pose.")):
            subject, of = "occurrenceID", _point(head)
        terms = {
            subject: of,
            "measurementType": literal(name),
            "measurementValue": column(name),
            **({"measurementUnit": literal(_UNITS[name])} if name in _UNITS else {}),
        }
        feeds.append(Columns("measurement", terms, where=f"{column(name)} IS NOT NULL"))
    return feeds


class _Media(ChunkedRows):
    """The pictures, and the regions of them; anew each time they are asked for."""

    def __init__(self, head: Head, shelf: PictureShelf) -> None:
        self.head, self.shelf = head, shelf

    def _rows(self) -> Iterator[dict[str, object] | Reject]:
        polygons = next((name for name in _POLYGONS if name in self.head.columns), "")
        wanted = (*_MEDIA, "point.id", "point.x", "point.y", polygons)
        last = ""
        for line, fields in rows_of(self.head, wanted, _NULLS):
            number, key, address, point, x, y, drawn = fields
            called = number or key or address
            if not called:
                continue
            picture = f"squidle:media:{called}"
            if picture != last:
                yield {"line": line, **self._picture(picture, address, key)}
                yield from self.shelf.rejects()
                last = picture
            known = f"squidle:point:{point}" if point else f"{picture}:{x},{y}"
            if "point.id" in self.head.columns and not point:
                continue
            yield from self._region(line, (x, y), drawn, known, picture, address or key)

    def _picture(self, picture: str, address: str, key: str) -> dict[str, object]:
        width, height = self.shelf.size(address or key) or (None, None)
        return {
            "mediaID": picture,
            "accessURI": self.shelf.place(address) if address else None,
            "pixelXDimension": width,
            "pixelYDimension": height,
        }

    def _region(
        self, line: int, at: tuple[str, str], drawn: str, known: str, picture: str, name: str
    ) -> Iterator[dict[str, object] | Reject]:
        """Return the region of one annotation; a point that is nowhere is told and left out."""
        place = numbers(",".join(at)) if all(at) else None
        row: dict[str, object] = {
            "line": line, "mediaID": known, "occurrenceID": known, "derivedFromMediaID": picture,
        }  # fmt: skip
        if place is None or len(place) != 2 or not all(0 <= part <= 1 for part in place):
            if any(at):  # annotations of a whole picture have no point
                reason = "no place in the picture: two numbers from 0 to 1 expected"
                yield Reject(self.head.path, line, reason, ",".join(at), "xFrac", "value")
                yield row
            return
        x, y = place
        points = [(x, y)]
        offsets = _offsets(drawn)
        if offsets is None:
            reason = "not a polygon: a list of pairs of numbers expected"
            yield Reject(self.head.path, line, reason, drawn, "regionOutline", "value")
        elif offsets:
            points = [(x + dx, y + dy) for dx, dy in offsets]
        size = self.shelf.size(name)
        if size is not None:
            pixels = [(px * size[0], py * size[1]) for px, py in points]
            row["regionOutline"] = outline("POLYGON" if offsets else "POINT", pixels)
        yield row | region(points, (1, 1))


def _offsets(text: str) -> list[tuple[float, float]] | None:
    """Return the corners of a polygon; none where there is no polygon, None for what is not one."""
    if "{" in text:  # point.data as it is: an object with much or nothing in it
        text = text.partition("polygon")[2].strip("\"': ").partition("]]")[0]
    if not text.strip("[](){} "):
        return []
    found = numbers(text)
    if found is None or len(found) % 2 or len(found) < 6:
        return None
    return list(zip(found[::2], found[1::2], strict=True))


def _fake(folder: Path, seed: int) -> Path:
    """Write 5 points on each of 6 pictures, with lineages of many depths and a polygon."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    columns = (
        "", "comment", "id", "label.id", "label.lineage_names", "label.name", "label.uuid",
        "likelihood", "needs_review", "point.data.polygon", "point.id",
        f"{_CAMPAIGN}key", f"{_DEPLOYMENT}key", "point.media.id", "point.media.key",
        "point.media.path_best", "point.pose.alt", "point.pose.dep", "point.pose.lat",
        "point.pose.lon", "point.pose.timestamp", "point.x", "point.y", "tag_names", "updated_at",
        "user.username",
    )  # fmt: skip
    lineages = (
        "Biota > Macroalgae > Large canopy-forming > Brown > Ecklonia radiata", "Biota",
        "Physical > Substrate > Unconsolidated (soft)", "Physical > Substrate", "",
    )  # fmt: skip
    rows = []
    for number in range(30):
        shot, at = divmod(number, 5)
        lineage = lineages[(number + seed) % 5]
        name = lineage.split(" > ")[-1]
        x, y = ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75), (0.5, 0.5))[at]
        drawn = "[[-0.1, 0.1], [-0.1, -0.1], [0.1, -0.1], [0.1, 0.1]]" if number % 7 == 3 else ""
        key = f"PR_20100604_23{shot:02d}{seed % 60:02d}_LC16"
        rows.append([
            number, "hard to tell" if number == 4 else "", 900_000 + number,
            str(len(lineage)) if lineage else "", lineage, name,
            f"5b3ca3b9-20c0-4a7f-a08e-{len(lineage):012d}" if lineage else "", 1.0,
            number % 6 == 0, drawn, seed * 1000 + number, "Tasmania201006", "r2010_lanterns_14",
            seed * 100 + shot, key, f"https://example.org/full_res/{key}.jpg",
            round(chance.uniform(1.7, 2.3), 3), round(chance.uniform(21, 28), 3),
            round(-43.13 - chance.random() / 100, 6) if shot else "", 148.006 if shot else "",
            f"2010-06-04 23:{shot:02d}:{seed % 60:02d}", x, y, "",
            f"2021-03-{1 + number % 28:02d} 02:10:36.601827", "a.diver",
        ])  # fmt: skip
    for row in rows:  # of a picture the pose is the same on each row
        row[16:20] = rows[rows.index(row) // 5 * 5][16:20]
    path = folder / f"annotations-u{seed}-lanterns-dataframe.csv"
    write_delimited(path, columns, rows, ",")
    return path


FORMAT = Format(
    name="squidle",
    title="SQUIDLE+: annotations of sea floor pictures (CSV)",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=lambda path: lacking_columns(path, ",", _SURE),
    tested_on="IMOS AUV Lanterns shallow 2012 (1,500 points on 300 pictures)",
)
