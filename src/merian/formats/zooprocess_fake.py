"""A faked project of ZooProcess: a .pid with two pictures, and tables of samples."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image

__all__ = ["fake_project"]


def fake_project(folder: Path, seed: int) -> Path:
    """Write a scan whose sections repeat, with a row cut short, and a table with a bad place."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    root = folder / f"project{seed}"
    root.mkdir(parents=True)
    sample, scan = f"cruise{seed}_st20_n7", f"cruise{seed}_st20_n7_d2_1"
    sections = f"""PID
[Image]
Scanning_date= 20240321_1049
[Info]
Hardware=  Hydroptic_V3
Resolution=  2400
[Sample]
SampleId= {sample}
Date= 20230614-2251
Latitude= 47.5076
Longitude= 15.2622
Depth= 99999
Nettype= bioness
Zmax= 106
Zmin= 55
Vol= 124.5
[Image_Process]
{scan}
Corrected_width=  2500
Corrected_heigth=  1500
[Particules_Process]
PixSize=   0.0106
Measures_unit=  pixel
Splitted analysis

[Data]
!Item;Label;Area;Mean;BX;BY;Width;Height;Tag
"""
    boxes = ((1018, 377, 147, 52), (2400, 1400, 166, 122), (50, 60, 38, 45))
    rows = [
        f"{number};{scan};{chance.randrange(600, 5000)};{chance.random() * 240:.2f};"
        f"{';'.join(map(str, box))};1\n"
        for number, box in enumerate(boxes, 1)
    ]
    text = sections + "".join(rows) + f"4;{scan};77\n"
    (root / f"{scan}_dat1.pid").write_text(text, encoding="utf-8")
    for number in (1, 3):
        picture = Image.new("L", (40 + number, 30), chance.randrange(200, 250))
        picture.save(root / f"{scan}_{number}.jpg")
    (root / "zooscan_sample_header_table.csv").write_text(
        "sampleid;ship;date;latitude;longitude;zmax;zmin;vol\n"
        f"{sample};thalassa;20230614-2251;47.5076;15.2622;106;55;124.5\n"
        f"cruise{seed}_st21_n1;thalassa;20230615-0102;48.7584;22.2966;50;0;99999\n"
        f"cruise{seed}_st22_n1;thalassa\n",
        encoding="utf-8",
    )
    return root
