"""EcoTaxa: tables of pictures of plankton, with what was measured on them and who named them.

The table that EcoTaxa imports is called ``ecotaxa*.tsv`` (or ``.txt``), has tabs between its
cells, names in line 1 and types in line 2: ``[f]`` for numbers, ``[t]`` for text::

    object_id  object_lat  object_lon  object_date  object_time  object_depth_min  object_depth_max
    object_annotation_category  object_annotation_status  object_annotation_person_name ...
    img_file_name  img_rank  sample_id  acq_id  acq_instrument  process_id
    object_area  sample_tot_vol  process_pixel ...                               (free columns)

Exports are the same without the line of types; those called BAK have it. A path is one table, a
folder with any number of them and pictures anywhere below, or a zip of such a folder; a zip
``*Images.zip`` within is one that UVP6 made of a sample. Pictures lie beside their table and stay
in the zip. Several rows of an object are several pictures, by ``img_rank``.

What becomes of it: an object is an occurrence (``object_id``) at an event of its own place, time
and depth, which is a part of its process, that of its acquisition, that of its sample (event ids
``process:S/A/P``, ``acq:S/A``, ``sample:S``). The category is the label as it came, in the
display form ``egg<Actinopterygii`` too; *predicted* was named by a machine, *validated* and
*dubious* by a person. A name that was *discarded* says what the object is not: it stays among the
measurements. Every other column is a measurement under its full name: of the object, of its
picture (``img_rank``), or of the sample, acquisition or process.

The size of a pixel is read from ``process_pixel``, ``acq_pixel`` and the like; where neither
name, nor value, nor instrument tells the unit, no scale is taken and a note says so.

Odd in real ones: UTF-8 without its mark, which EcoTaxa reads as Latin-1; times without their
zeros (420); degrees as ``43°30 15``; decimal commas in exports; ids as ``45072.0``; columns of
samples without a ``sample_id``; a name with white space behind it; quotes around all cells.

What EcoTaxa would refuse, `merian.formats.ecotaxa_rules.check` tells for all cells at once. Here
what cannot be right is set aside with its line and column, and the rest is taken in.

Settings: ``--set pixel_um=0.75`` says the size of a pixel in micrometres; ``--set
project=14853`` puts a word before all ids, so that those of two projects are kept apart.

What is written: one table and, in a zip or a folder, its pictures. A name is written as it came,
or in display form where a life stage is known (``egg<Actinopterygii``). What EcoTaxa has no
column for stands in free columns ``object_dwc_...``, which are read back; what does not fit is
told in ``notes.txt``, or beside a single table. An object needs a picture to be written.

Reference: https://ecotaxa.obs-vlfr.fr; ecotaxa/ecotaxa_back (its import and its test tables).
"""

from __future__ import annotations

import random
from io import BytesIO
from itertools import islice
from pathlib import Path

from PIL import Image

from merian.catalogue.sources import Reading
from merian.files import new_file
from merian.formats.ecotaxa_read import is_planktoscope, read_tables, tables_at
from merian.formats.ecotaxa_tables import Table, is_like, is_named, peek
from merian.formats.ecotaxa_write import write_tables
from merian.formats.folders import visible_files
from merian.formats.registry import Format, Options

__all__ = ["FORMAT"]

_SURE = frozenset({"object_id", "img_file_name"})
_LOOKED_AT = 1_000  # files of a folder


def _sniff(path: Path) -> int:
    tables = tables_at(path)
    if any(is_planktoscope(peek(table)) for table in tables):
        return 2  # which the format of its own knows better
    if not tables:
        return 0
    return 2 if _is_project(path) else 3


def _is_project(path: Path) -> bool:
    """Return whether a folder is a project of ZooProcess, which says more than its tables do."""
    if not path.is_dir():
        return False
    return any(file.suffix.lower() == ".pid" for file in islice(visible_files(path), _LOOKED_AT))


def _lacks(path: Path) -> str:
    if not path.is_file():
        return ""
    columns = peek(Table(path))
    if not columns or is_like(columns):
        return ""
    if sum(name.startswith(("object_", "acq_", "process_", "sample_", "img_"))
           for name in columns) < 4 and not is_named(path.name):  # fmt: skip
        return ""
    missing = [name for name in sorted(_SURE) if name not in columns]
    return f"has no column{'s' * (len(missing) > 1)} {', '.join(missing)}"


def _read(path: Path, options: Options) -> Reading:
    return read_tables("ecotaxa", path, options)


# -- faking -------------------------------------------------------------------------------------

_COLUMNS = (
    "img_file_name", "img_rank", "object_id", "object_lat", "object_lon", "object_date",
    "object_time", "object_depth_min", "object_depth_max", "object_annotation_category",
    "object_annotation_category_id", "object_annotation_status", "object_annotation_person_name",
    "object_annotation_date", "object_annotation_time", "object_area", "object_Hu_moment_1",
    "object_shape", "sample_id", "sample_tot_vol", "acq_id", "acq_instrument", "process_id",
    "process_pixel",
)  # fmt: skip
_NUMBERS = frozenset({"img_rank", "object_lat", "object_lon", "object_depth_min",
                      "object_depth_max", "object_area", "object_Hu_moment_1"})  # fmt: skip
_NAMES = (("Oncaeidae", "78418", "predicted"), ("egg<Actinopterygii", "85078", "validated"),
          ("detritus", "84963.0", "dubious"), ("", "", ""))  # fmt: skip


def _fake(folder: Path, seed: int) -> Path:
    """Write a table of 12 objects, one with two pictures, and what is odd in real ones."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    types = [f"[{'f' if name in _NUMBERS else 't'}]" for name in _COLUMNS]
    rows = [_fake_row(chance, seed, place) for place in range(12)]
    rows.append({**rows[3], "img_file_name": "images/again.png", "img_rank": "1"})
    for place, row in enumerate(rows):
        picture = BytesIO()
        Image.new("L", (20 + place, 15), (seed * 41 + place * 17) % 256).save(picture, "PNG")
        with new_file(folder / row["img_file_name"]) as stream:
            stream.write(picture.getvalue())
    rows.append({**rows[5]})  # the same object and picture once more
    rows.append({**rows[6], "object_id": ""})
    lines = [_COLUMNS, types, *([row[name] for name in _COLUMNS] for row in rows)]
    path = folder / f"ecotaxa_fake{seed}.tsv"
    with new_file(path) as stream:
        # As the oldest programs write it: Latin-1 and the line ends of Windows.
        stream.write("".join("\t".join(cells) + "\r\n" for cells in lines).encode("latin-1"))
    return path


def _fake_row(chance: random.Random, seed: int, place: int) -> dict[str, str]:
    category, concept, status = chance.choice(_NAMES)
    sample = f"fake{seed}_{place // 6}"
    named = ("Zoé Müller", "20151111", "53100") if category and place % 2 else ("", "", "")
    cells = (
        f"images/{seed}_{place}.png", "0" if place % 3 else "", f"{sample}_{place}",
        "43°30 15" if place % 4 else f"{chance.uniform(-60, 60):.4f}", "7.25", "20140420",
        chance.choice(("420", "042000", "04:20:00")), "100.0", f"{chance.randint(101, 900)}.0",
        category, concept, status, named[0], named[1], named[2].zfill(6) if named[2] else "",
        str(chance.randint(90, 9000)), f"{chance.random():.6f}",
        chance.choice(("round", 'a "long" one', "")), sample, "21", f"d1_{sample}", "zooscan",
        f"zooprocess_{sample}", "10.6",
    )  # fmt: skip
    return dict(zip(_COLUMNS, cells, strict=True))


FORMAT = Format(
    name="ecotaxa",
    title="EcoTaxa: tables to import and exports, with pictures",
    sniff=_sniff,
    read=_read,
    write=write_tables,
    fake=_fake,
    lacks=_lacks,
    suffix=".tsv",
    tested_on="the 76 tables of EcoTaxa's own tests, import and export of ecotaxar",
)
