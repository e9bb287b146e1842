"""The size of a pixel in tables of EcoTaxa, whose columns seldom tell the unit.

``process_particle_pixel_size_mm`` of a ZooScan is in millimetres; ``process_pixel`` and
``acq_pixel`` are micrometres from a FlowCam, a PlanktoScope, a UVP6 or ZooProcess's later
versions, and millimetres from a UVP5. No pixel is as large as a millimetre, so 1 and more are
micrometres; less is told by the instrument, or not at all.

Reference: the help of EcoTaxa and of EcoPart on units; PlanktoScope issues 358, 360 and 927.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from merian.formats.ecotaxa_values import number

__all__ = ["pixels_per_mm"]

_PIXEL = re.compile(r"(?:acq|process)_(?:particle_)?pixel(?:_?size)?(?:_(mm|um|µm))?")
_MILLIMETRES = re.compile(r"uvp ?5|zooscan|zoocam|isiis|epson")
_MICROMETRES = re.compile(r"uvp ?6|planktoscope|flowcam|ifcb|microscop")
_PLAUSIBLE = (0.5, 20_000.0)  # pixels of a millimetre: a camera above the sea bed, a microscope


def pixels_per_mm(
    values: Mapping[str, str], pixel_um: float | None = None, *, in_um: bool = False
) -> float | str | None:
    """Return the calibration of a row's picture, why it cannot be told, or None without one.

    Args:
        values: The row.
        pixel_um: The size of a pixel in micrometres, where the user says it.
        in_um: Whether a size without a unit is in micrometres.
    """
    if pixel_um is not None:
        return 1000 / pixel_um
    if told := number(values.get("object_pixels_per_mm", "")):
        return told
    found = [(name, cell) for name, cell in values.items() if _PIXEL.fullmatch(name)]
    # A unit in the name is worth more than none.
    found.sort(key=lambda pair: not _PIXEL.fullmatch(pair[0])[1])  # type: ignore[index]
    instrument = "planktoscope" if in_um else values.get("acq_instrument", "").lower()
    return _scale(*found[0], instrument) if found else None


@lru_cache(maxsize=4096)
def _scale(name: str, cell: str, instrument: str) -> float | str:
    size = number(cell.replace(",", "."))
    if size is None or size <= 0:
        return f"{name}: {cell!r} is no size of a pixel; pictures have no scale"
    unit = (_PIXEL.fullmatch(name) or [None, None])[1]
    if unit is None:
        # No pixel is larger than a millimetre; below that, the instrument must tell.
        in_mm = size < 1 and bool(_MILLIMETRES.search(instrument))
        in_um = size >= 1 or bool(_MICROMETRES.search(instrument))
        if not in_mm and not in_um:
            return (f"{name} {cell}: neither it nor the instrument tells whether these are "
                    "micrometres or millimetres, so pictures have no scale; say --set pixel_um="
                    "SIZE")  # fmt: skip
        unit = "um" if in_um else "mm"
    scale = 1 / size if unit == "mm" else 1000 / size
    if not _PLAUSIBLE[0] <= scale <= _PLAUSIBLE[1]:
        return f"{name} {cell}: {scale:.3g} pixels of a millimetre cannot be; say --set pixel_um="
    return scale
