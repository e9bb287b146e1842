"""PlanktoScope: what its segmenter writes for EcoTaxa, with what the microscope knows of it.

A zip or a folder with ``ecotaxa_export.tsv`` (or ``ecotaxa_NAME.tsv``) and a picture for each
object, as `ecotaxa` reads it; the columns of the acquisition make it out
(``acq_celltype``, ``acq_fnumber_objective``, ``acq_imaged_volume``, ``acq_instrument_id``). Beyond
that:

- ``process_pixel`` is in micrometres, whatever the instrument is called. Some versions wrote that
  of another lens; ``--set pixel_um=0.75`` says the right one.
- The volumes, meshes and sizes have units, which the measurements get: ``acq_imaged_volume`` mL,
  ``acq_celltype`` um, ``sample_total_volume`` L.
- A ``metadata.json`` beside the table fills in what the table leaves empty: some versions lost
  the place on the way.

Widths, heights and boxes of objects (``object_width``, ``object_bx``) are in pixels of the frame.

Reference: https://docs.planktoscope.community (image segmentation); PlanktoScope issues 358, 360,
890, 927, 953 and 954.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path, PurePosixPath

from PIL import Image

from merian.catalogue.sources import Reading
from merian.errors import FormatError
from merian.files import existing, new_file, write_json
from merian.formats.ecotaxa_read import Ways, is_planktoscope, read_tables, tables_at
from merian.formats.ecotaxa_tables import Table, peek
from merian.formats.ecotaxa_values import FAULTS, PREDEFINED
from merian.formats.registry import Format, Options
from merian.unpacking import UNREADABLE_ZIP

__all__ = ["FORMAT"]

_METADATA = "metadata.json"
_MOST = 1 << 20  # bytes of the metadata; real ones have two thousand
_UNITS = {
    "acq_volume": "mL", "acq_imaged_volume": "mL", "sample_concentrated_sample_volume": "mL",
    "sample_total_volume": "L", "acq_celltype": "um", "acq_minimum_mesh": "um",
    "acq_maximum_mesh": "um", "acq_fnumber_objective": "mm", "process_pixel": "um",
    "acq_camera_shutter_speed": "us", "sample_speed_through_water": "kn",
    "sample_gear_net_opening": "mm",
    **{f"object_{name}": "px" for name in ("width", "height", "bx", "by", "major", "minor",
                                           "perim.", "equivalent_diameter")},
    **{f"object_{name}": "px2" for name in ("area", "area_exc", "convex_area", "filled_area")},
}  # fmt: skip


def _sniff(path: Path) -> int:
    return 3 if any(is_planktoscope(peek(table)) for table in tables_at(path)) else 0


def _read(path: Path, options: Options) -> Reading:
    path = existing(path)
    told, wrong = dict[str, str](), list[str]()
    # Of several data sets nothing says which one the metadata are of.
    if len(tables_at(path)) == 1 and (block := _beside(path)):
        told = _metadata(path, block)
        for name, value in list(told.items()):
            if fault := FAULTS[PREDEFINED.get(name, "t")](value):
                wrong.append(f"{_METADATA}: {name} {value!r} is {fault}; it is left out")
                del told[name]
    reading = read_tables("planktoscope", path, options, Ways(_UNITS, told, in_um=True))
    # Its notes grow while the rows are read, so they are added to and not copied.
    if isinstance(reading.notes, list):
        reading.notes.extend(wrong)
    inputs = [*reading.inputs]
    if told and path.is_file() and not zipfile.is_zipfile(path):
        inputs.append(path.parent / _METADATA)
    return replace(reading, inputs=inputs)


def _beside(path: Path) -> bytes:
    """Return the metadata beside a table, or in a zip with it; nothing where there are none."""
    try:
        if path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                found = [n for n in packed.namelist() if PurePosixPath(n).name == _METADATA
                         and not n.startswith("__MACOSX")]  # fmt: skip
                if len(found) != 1:
                    return b""
                with packed.open(found[0]) as stream:
                    return stream.read(_MOST + 1)
        beside = (path if path.is_dir() else path.parent) / _METADATA
        if not beside.is_file():
            return b""
        with beside.open("rb") as file:
            return file.read(_MOST + 1)
    except UNREADABLE_ZIP as error:
        raise FormatError(f"is damaged ({str(error)[:200]})", path=path) from None


def _metadata(path: Path, block: bytes) -> dict[str, str]:
    """Return what the microscope says of a data set, by column."""
    file = path / _METADATA
    if len(block) > _MOST:
        raise FormatError(f"has more than {_MOST:,} bytes; metadata have few", path=file)
    try:
        content = json.loads(block)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise FormatError(f"is no JSON ({str(error)[:200]})", path=file, line=line) from None
    if not isinstance(content, dict):
        raise FormatError("is no JSON object with the fields of a data set", path=file, line=1)
    return {
        str(name).lower(): str(value).strip()
        for name, value in content.items()
        if isinstance(value, str | int | float) and "_" in str(name) and str(value).strip()
    }


def _lacks(path: Path) -> str:
    if not path.is_file():
        return ""
    columns = peek(Table(path))
    if is_planktoscope(columns) and "object_id" not in columns:
        return "has no column object_id"
    return ""


def _fake(folder: Path, seed: int) -> Path:
    """Write a folder of six objects whose place stands in the metadata alone."""
    root = folder / f"planktoscope{seed}"
    columns = ("img_file_name", "object_id", "object_lat", "object_date", "object_width",
               "sample_id", "sample_total_volume", "acq_id", "acq_instrument",
               "acq_instrument_id", "acq_celltype", "acq_imaged_volume", "acq_fnumber_objective",
               "process_id", "process_pixel")  # fmt: skip
    lines = [columns, ["[f]" if name == "object_width" else "[t]" for name in columns]]
    for place in range(6):
        name = f"12_00_0{place}_{seed}"
        lines.append([
            f"{name}.jpg", name, "", "20210122", str(20 + place), f"net_{seed}", "0.019",
            f"net_{seed}_1", "PlanktoScope v2.5", "Babane Batoukoa", "300", "2.9320", "16", "1",
            "0.75",
        ])  # fmt: skip
        stream = BytesIO()
        Image.new("RGB", (20 + place, 18), (seed * 9 % 256, 40 * place, 200)).save(stream, "JPEG")
        with new_file(root / f"{name}.jpg") as picture:
            picture.write(stream.getvalue())
    with new_file(root / "ecotaxa_export.tsv", text=True) as table:
        table.write("".join("\t".join(line) + "\n" for line in lines))
    write_json(root / _METADATA, {"object_lat": "-21.6167", "object_lon": "-38.2667",
                                  "sample_gear_net_opening": 40, "objects": []})  # fmt: skip
    return root


FORMAT = Format(
    name="planktoscope",
    title="PlanktoScope: tables of its segmenter for EcoTaxa, with pictures",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
)
