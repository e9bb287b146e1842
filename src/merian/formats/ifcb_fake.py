"""Faked bins of an IFCB: one of the first kind and two of the newer, with faults real ones have.

The newer kind has a trigger without picture, a line that is cut short and a .roi that ends too
early; the first kind has two pictures of one trigger that overlap.
"""

from __future__ import annotations

import random
from pathlib import Path

from merian.formats.ifcb_triggers import LAYOUTS

__all__ = ["fake_bins"]


def fake_bins(folder: Path, seed: int) -> Path:
    """Write three bins below a folder."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    root = folder / f"bins{seed}"
    root.mkdir(parents=True)
    _first(root / f"IFCB1_2011_2{seed % 100:02d}_182610", chance)
    _newer(root / f"D20220522T0004{seed % 60:02d}_IFCB134", chance, whole=True)
    _newer(root / f"D20220522T0030{seed % 60:02d}_IFCB134", chance, whole=False)
    return root


def _pixels(chance: random.Random, count: int) -> bytes:
    return bytes(chance.randrange(190, 220) for _ in range(count))


def _first(stem: Path, chance: random.Random) -> None:
    """Write a bin of the first kind, whose pictures begin at byte 1."""
    boxes = (
        (1, 202, 673, 24, 12), (2, 210, 432, 30, 16), (2, 230, 440, 18, 12), (3, -11, -11, 0, 0),
    )  # fmt: skip
    lines, pixels = [], b"\0"
    for number, (trigger, x, y, width, height) in enumerate(boxes):
        fields = [trigger, *(f"{chance.random():.6f}" for _ in range(6)), number * 0.4,
                  number * 0.4 + 0.2, x, y, width, height, len(pixels), -0.25]  # fmt: skip
        lines.append(",".join(map(str, fields)) + ",\n")
        pixels += _pixels(chance, width * height)
    stem.with_suffix(".adc").write_text("".join(lines), encoding="utf-8")
    stem.with_suffix(".roi").write_bytes(pixels + b"\0")
    stem.with_suffix(".hdr").write_text(
        '"Imaging FlowCytobot Acquisition Software version 1.0; October 2005"\n'
        '"SyringeStatus =  0"\n"Temp Humidity BinarizeThresh PMT1hv(ssc)"\n'
        f'" 11.{chance.randrange(100, 999)}"," 32.1"," 30"," .675"\n',
        encoding="utf-8",
    )


def _newer(stem: Path, chance: random.Random, *, whole: bool) -> None:
    """Write a bin of the newer kind."""
    names = LAYOUTS[2].names
    sizes = ((0, 0), (16, 9), (20, 12), (8, 8))
    lines, pixels = [], b""
    for number, (width, height) in enumerate(sizes, 1):
        told = [f"{chance.random():.6f}" for _ in range(12)]
        box = [820, 900 + number, width, height] if width else [0, 0, 0, 0]
        fields = [number, *told, *box, len(pixels), 0, 0, 0, 0, 200.5 * number, 0.08 * number]
        lines.append(",".join(map(str, fields)) + "\n")
        pixels += _pixels(chance, width * height)
    if not whole:
        lines[2] = lines[2][:30] + "\n"
        pixels = pixels[:-20]
    header = {
        "SoftwareVersion": "2.0.0.0", "triggerCount": len(sizes), "roiCount": 3,
        "humidity": 52.5, "temperature": 19.9, "runTime": 802.0, "inhibitTime": 0.32,
        "gpsLatitude": 58.26, "gpsLongitude": 11.43, "ADCFileFormat": ", ".join(names),
        "runSampleFast": "False", "FileComment": "fake: with a colon",
    }  # fmt: skip
    stem.with_suffix(".adc").write_text("".join(lines), encoding="utf-8")
    stem.with_suffix(".roi").write_bytes(pixels)
    stem.with_suffix(".hdr").write_text(
        "".join(f"{key}: {value}\n" for key, value in header.items()), encoding="utf-8"
    )
