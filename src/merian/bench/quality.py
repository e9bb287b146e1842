"""How well an audit of pictures tells empty, blurred and broken ones, and finds those there twice.

Photographs of wells that people sorted into good, empty, blurred and fragmented ones are scored.
The features and limits were chosen on one half of them (of an even hash of the process id); what
counts is the other half, which was not looked at. Then pictures of plankton are spoiled on purpose:
saved anew as JPEG, made smaller, blurred by a known amount, cut off; and the audit is asked for
them among the others. Pictures of which nobody planted a double count against its precision.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from merian.audit import Audit, audit_pictures
from merian.errors import NotFoundError
from merian.image.quality import Seen, see
from merian.pictures import decode

__all__ = ["WORKING", "run"]

WORKING = ("processes",)  # settings that do not decide the data

WELLS = Path("../shared/data/multimodal/bioscan_well_images")
PLANKTON = Path("../shared/data/plankton/isiis_planktonset1")
UVP6 = Path("../shared/data/plankton/uvp6_uvpec/img_sample")

_CLASSES = ("empty", "blurry", "fragmented")
_DRAWS = 1_000

Figures = dict[str, dict[str, object]]
Values = npt.NDArray[np.float64]


def run(
    *,
    wells: Path = WELLS,
    plankton: Path = PLANKTON,
    uvp6: Path = UVP6,
    pictures: int = 600,
    planted: int = 60,
    processes: int = 1,
    seed: int = 0,
) -> Figures:
    """Measure all; what is not at hand is left out.

    Args:
        wells: The photographs of wells, with labels.csv.
        plankton: A folder of pictures in which faults are planted.
        uvp6: The sample of UVP6, in which 100 pictures lie in two classes.
        pictures: How many of the plankton are taken.
        planted: How many of them are spoiled in each way.
        processes: How many look at pictures.
        seed: Of what is drawn.
    """
    figures: Figures = {}
    if (wells / "labels.csv").is_file():
        figures |= _wells(wells, seed)
    if plankton.is_dir():
        figures |= _planted(plankton, pictures, planted, processes, seed)
    if uvp6.is_dir():
        with audit_pictures([uvp6], processes=processes) as done:
            found = _finding(done.audit, "same_bytes")
            torn = sum(row[1] == "the same bytes" for row in _rows(done.audit, "conflicts")) // 2
        figures["UVP6, byte-identical pairs"] = {"value": found, "n": 1250, "unit": "pairs"}
        figures["UVP6, of them in two classes"] = {"value": torn, "n": 1250, "unit": "pairs"}
    if not figures:
        raise NotFoundError(f"{wells}, {plankton}: neither is there; name one with --wells")
    return figures


def _wells(folder: Path, seed: int) -> Figures:
    """Score the photographs of wells, half by half."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    start = time.process_time()
    seen = [see(decode((folder / row["file"]).read_bytes())) for row in rows]
    seconds = time.process_time() - start
    label = np.array([row["quality"] for row in rows])
    chosen = np.array([_half(row["processid"]) for row in rows])
    figures: Figures = {
        "wells, 1024 x 768": {
            "value": round(len(rows) / seconds, 1), "n": len(rows), "unit": "pictures/CPU s",
        }
    }  # fmt: skip
    for half, name in ((1, "held-out half"), (0, "half that features were chosen on")):
        inside = chosen == half
        for kind, told in (("all others", label != ""), ("good ones", label == "valid")):
            for wanted, score in zip(_CLASSES, _scores(seen), strict=True):
                yes, no = inside & (label == wanted), inside & told & (label != wanted)
                figures[f"{wanted} against {kind}, {name}"] = _area(score[yes], score[no], seed)
    return figures


def _half(key: str) -> int:
    return hashlib.blake2b(key.encode()).digest()[0] % 2


def _scores(seen: Sequence[Seen]) -> tuple[Values, Values, Values]:
    """Return how empty, blurred and broken pictures are; where nothing is, nothing is broken."""
    there = np.array([one.stands_out for one in seen])
    blur = np.array([one.blur for one in seen])
    broken = np.array([one.scattered + one.cut for one in seen])
    empty = there < 7
    return -there, np.where(empty, -1.0, blur), np.where(empty, -1.0, broken)


def _area(yes: Values, no: Values, seed: int) -> dict[str, object]:
    """Return the area under the ROC curve, with the middle 95 % of a bootstrap over pictures."""
    random = np.random.default_rng(seed)
    above = (yes[:, None] > no) + 0.5 * (yes[:, None] == no)
    drawn = [
        above[random.integers(0, len(yes), len(yes))][
            :, random.integers(0, len(no), len(no))
        ].mean()
        for _ in range(_DRAWS)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {
        "value": round(float(above.mean()), 3), "low": round(float(low), 3),
        "high": round(float(high), 3), "n": len(yes) + len(no), "unit": "AUROC",
    }  # fmt: skip


def _planted(folder: Path, pictures: int, planted: int, processes: int, seed: int) -> Figures:
    """Spoil pictures in several ways, and ask for them."""
    random = np.random.default_rng(seed)
    files = sorted(file for file in folder.rglob("*") if file.suffix in {".jpg", ".png"})
    files = [files[at] for at in sorted(random.permutation(len(files))[:pictures])]
    expected: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        root = Path(made)
        for number, file in enumerate(files):
            (root / f"{number:05}{file.suffix}").write_bytes(file.read_bytes())
        for way, spoil in _WAYS.items():
            drawn = random.permutation(len(files))[:planted]
            expected[way] = {f"{number:05}.{way}" for number in drawn.tolist()}
            for number in drawn.tolist():
                content = spoil(decode(files[number].read_bytes()))
                (root / f"{number:05}.{way}.jpg").write_bytes(content)
        start = time.process_time()
        with audit_pictures([root], processes=processes) as done:
            audit = done.audit
        seconds = time.process_time() - start
    whole = len(files) + sum(map(len, expected.values()))
    figures: Figures = {
        "plankton, whole audit": {
            "value": round(whole / seconds, 1), "n": whole, "unit": "pictures/CPU s",
        }
    } if processes == 1 else {}  # fmt: skip
    pairs = [(Path(str(row[4])), Path(str(row[7]))) for row in _rows(audit, "alike")]
    right = [one.stem[:5] == other.stem[:5] for one, other in pairs]
    figures["doubles by look, precision"] = _share(sum(right), len(right))
    alike = {path.stem for pair, good in zip(pairs, right, strict=True) if good for path in pair}
    for way in ("jpeg60", "smaller"):
        figures[f"{way}, recall"] = _share(len(expected[way] & alike), planted)
    for way, name in (("blur3", "blurred"), ("cut", "file_cut_off")):
        told = {Path(str(row[2])).stem for row in _rows(audit, name)}
        figures[f"{way}, recall"] = _share(len(expected[way] & told), planted)
        figures[f"{way}, precision"] = _share(len(expected[way] & told), len(told))
    return figures


def _jpeg(image: Image.Image, quality: int = 90) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


_WAYS: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg60": lambda image: _jpeg(image, 60),
    "smaller": lambda image: _jpeg(
        image.resize([max(8, side * 7 // 10) for side in image.size], Image.Resampling.LANCZOS), 80
    ),
    "blur3": lambda image: _jpeg(image.filter(ImageFilter.GaussianBlur(3))),
    "cut": lambda image: _jpeg(image)[: len(_jpeg(image)) * 2 // 3],
}


def _share(part: int, whole: int) -> dict[str, object]:
    return {"value": round(part / max(whole, 1), 3), "n": whole, "unit": "share"}


def _finding(audit: Audit, name: str) -> int:
    return next(finding.count for finding in audit.findings if finding.name == name)


def _rows(audit: Audit, name: str) -> Sequence[Sequence[object]]:
    return next(finding.rows for finding in audit.findings if finding.name == name)
