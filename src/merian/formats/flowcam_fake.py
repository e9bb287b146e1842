"""A faked run of a FlowCam, with the faults that real ones have."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image

from merian.formats.flowcam_files import PLACE

__all__ = ["fake_run"]


def fake_run(folder: Path, seed: int) -> Path:
    """Write a run with a particle at the edge, a row cut short and a class that names nobody."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    root = folder / f"run{seed}"
    root.mkdir(parents=True)
    names = ["id", *PLACE, "cal_const", "abd_diameter", "raw_area", "timestamp", "collage_file"]
    kinds = {"cal_const": "double", "timestamp": "timestamp", "collage_file": "string"}
    boxes = ((0, 0, 20, 12), (21, 0, 14, 9), (36, 0, 30, 10), (0, 13, 9, 9))
    picture = f"run{seed}_000001.tif"
    rows = [
        [number, *box, "1.8130", f"{chance.random() * 40:.4f}", "244.0000",
         "2019-10-08T14:23:07.847", picture]
        for number, box in enumerate(boxes, 1)
    ]  # fmt: skip
    lines = ["017", f"num-fields|{len(names)}"]
    lines += [f"{name}|{kinds.get(name, 'int32')}" for name in names]
    lines += ["|".join(map(str, row)) for row in rows] + ["5|0|22"]
    (root / f"run{seed}.lst").write_text("\n".join(lines) + "\n", encoding="utf-8")
    Image.new("RGB", (60, 24), (chance.randrange(180, 230),) * 3).save(root / picture)
    (root / f"run{seed}.ctx").write_text(
        "[Software]\nSoftwareName=VisualSpreadsheet\nSerialNo=101\n[General]\nLocationName= \n"
        "LocationLatitude=43.7\nLocationLongitude=x\n"
        f"RunStartTime=2014-07-20 04:53:{seed % 60:02d}\n"
        "RunEndTime=2014-07-20 06:12:27\n[Fluid]\nFluidVolumeImaged_ml=0.2500\n"
        "CalibrationConstant=1.0000\n",
        encoding="utf-8",
    )
    classes = ["v3", "1", "mine", "3", "Ciliophora", "OR", "0", "2", "1", "2", "empty", "AND", "0",
               "0", "small", "OR", "1", "ESD < 10", "2", "4", "99"]  # fmt: skip
    (root / f"run{seed}.cla").write_text("\n".join(classes) + "\n", encoding="utf-8")
    return root
