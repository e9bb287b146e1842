"""CVAT for images 1.1: boxes, polygons, masks and other shapes on pictures, in one XML file.

::

    <annotations><version>1.1</version><meta>...</meta>
      <image id="0" name="a/b.jpg" width="5568" height="3712">
        <box label="beetle" source="manual" occluded="0" xtl ytl xbr ybr rotation z_order="0">
          <attribute name="sex">female</attribute>
        </box>
        <polygon points="x,y;x,y;..."/> <polyline points=.../> <points points=.../>
        <ellipse cx cy rx ry/> <mask rle="3, 2, ..." left top width height/> <cuboid .../>
        <skeleton label="beetle"><points label="head" points="x,y" outside="0"/></skeleton>
        <tag label="blurred"/>
      </image>
    </annotations>

Read as it stands, gzipped, or within the zip that CVAT exports, whose pictures are read where they
lie. A picture is a row of media; a shape is a region of it, an occurrence, and its label the
name. A tag is about the whole picture. ``source="auto"`` is a machine's, ``manual`` a human's; any
other (file, semi-auto) is a remark. Attributes, a ``rotation``, ``occluded``, ``z_order`` and
``group_id`` other than 0 are measurements under their own names. A turned box, an ellipse, a cuboid
and a skeleton are drawn as polygons or points, and keep their numbers in a measurement that is
called after them. The names and addresses of people in <meta> are not read. Tracks of videos are
not read: export them as "CVAT for images".

Shapes have no ids in CVAT: a shape is called after its picture's id and its place on it, and all
after the file's name and a hash of it, or ``--set dataset=NAME``. Attributes of ours: ``media_id``
and ``occurrence_id``; ``px_per_mm``, ``license`` and ``rights_holder`` of an image.

Reference: https://docs.cvat.ai/docs/dataset_management/formats/xml_format/
"""

from __future__ import annotations

import random
import re
import zipfile
from pathlib import Path

from merian.catalogue.sources import Reading, Rows
from merian.errors import FormatError
from merian.files import content_hash, existing, write_text
from merian.formats.cvat_rows import CvatHead, Pictures, ShapeFacts, Shapes, read_cvat_head
from merian.formats.cvat_write import write_cvat
from merian.formats.cvat_xml import IN_ZIP
from merian.formats.delimited import head_text
from merian.formats.registry import Format, Options
from merian.unpacking import UNREADABLE_ZIP

__all__ = ["FORMAT"]

_ROOT = re.compile(r"<annotations[\s>]")


def _head_of(path: Path) -> str:
    """Return the first characters of the XML, also of one in a zip."""
    try:
        if path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed, packed.open(IN_ZIP) as inside:
                return inside.read(1 << 16).decode("utf-8", "replace")
    except (*UNREADABLE_ZIP, KeyError):
        return ""
    return head_text(path)


def _sniff(path: Path) -> int:
    """Return 3 for a root <annotations> with pictures, tracks or CVAT's meta below it."""
    text = _head_of(path).lstrip("\ufeff \t\r\n")
    if not text.startswith("<") or not _ROOT.search(text[:4000]):
        return 0
    if re.search(r"<image\s[^>]*\bname=", text) or re.search(r"<track\s", text):
        return 3
    return 2 if "<meta>" in text else 0


def _lacks(path: Path) -> str:
    text = _head_of(path).lstrip("\ufeff \t\r\n")
    if text.startswith("<") and not _sniff(path) and _ROOT.search(text[:4000]):
        return "has no <image> with a name"
    return ""


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "CVAT file")
    if path.is_dir():
        raise FormatError("is a folder; CVAT's XML file or its zip is expected", path=path)
    stem = re.sub(r"\.(xml(\.gz)?|zip)$", "", path.name, flags=re.IGNORECASE)
    dataset = options.extra.get("dataset") or f"{stem}-{content_hash(path)[:8]}"
    head: CvatHead = read_cvat_head(path, dataset, options)
    sources = (
        Rows(path, "media", Pictures(head)),
        Rows(path, "record", Shapes(head)),
        Rows(path, "measurement", ShapeFacts(head)),
    )
    return Reading("cvat", sources, (path,), tuple(head.notes))


def _fake(folder: Path, seed: int) -> Path:
    """Write two pictures with a shape of each kind, and the faults that real files have."""
    chance = random.Random(seed)  # noqa: S311  nothing secret

    def x() -> str:
        return f"{chance.uniform(0, 100):.2f}"

    def shape(kind: str, inside: str = "", **more: str) -> str:
        said = {"label": chance.choice(("Carabus", "Pterostichus")), "source": "manual",
                "occluded": "0", **more, "z_order": "0"}  # fmt: skip
        told = " ".join(f'{key}="{value}"' for key, value in said.items())
        return f"    <{kind} {told}>\n{inside}    </{kind}>\n"

    named = '      <attribute name="sex">female &amp; old</attribute>\n'
    part = '      <points label="head" source="manual" outside="0" points="4.00,5.00">\n'
    points = ";".join(f"{x()},{x()}" for _ in range(4))
    first = [
        shape("box", named, xtl="10.00", ytl="20.25", xbr="40.10", ybr="60.00"),
        shape("box", xtl="10", ytl="20", xbr="50", ybr="30", rotation="45.0", source="auto"),
        shape("box", xtl="-3.5", ytl="90", xbr="20", ybr="104", occluded="1"),
        shape("polygon", points=points, source="file"),
        shape("polyline", points=points),
        shape("points", points=f"{x()},{x()}"),
        shape("points", points=points),
        shape("ellipse", cx="50", cy="50", rx="10", ry="5"),
        shape("mask", rle="1, 2, 3", left="8", top="9", width="3", height="2"),
        shape("skeleton", part + "      </points>\n"),
        shape("tag"),
    ]
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        "  <meta>\n    <task>\n      <name>beetles</name>\n      <owner>\n        <username>anna"
        "</username>\n      </owner>\n    </task>\n  </meta>\n"
        f'  <image id="0" name="a/{seed}.jpg" width="120" height="100">\n{"".join(first)}'
        "  </image>\n"
        f'  <image id="1" name="b.jpg" width="120" height="100">\n  </image>\n'
        f'  <image id="1" name="c.jpg" width="120" height="100">\n{shape("tag")}  </image>\n'
        "</annotations>\n"
    )
    path = folder / "annotations.xml"
    write_text(path, text)
    return path


FORMAT = Format(
    name="cvat",
    title="CVAT for images 1.1: shapes on pictures",
    sniff=_sniff,
    read=_read,
    write=write_cvat,
    fake=_fake,
    lacks=_lacks,
    suffix=".xml",
    tested_on="2018 NEON beetles: 577 pictures with 11,655 boxes",
    tells_parts=True,
)
