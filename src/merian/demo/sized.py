"""Measuring some of the specimens that were asked about, beside what is so.

What is true is taken from the world's own masks. The lengths of bodies are not asked here: they are
defined for insects with closed wings, and most of these have spread ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merian.demo.tables import rows_of
from merian.demo.thumbs import shrunk
from merian.formats.delimited import write_delimited
from merian.measure.asked import of_files, read_about
from merian.measure.definitions import chosen, definitions
from merian.measure.run import Done, measure_all
from merian.measure.shapes import Shape
from merian.measure.specimens import Settings
from merian.pictures import decode
from merian.report import Figures, Picture, Pictures, Section, Table, Text
from merian.report.measured import write_page

__all__ = ["Length", "Sized", "measure_some", "tell_sized"]

_COUNT = 24
_TRAITS = {"feret": "longest extent", "area": "area"}
_SURE = "1"  # percent; what the world's own scales are told with
_SHOWN = 6


@dataclass(frozen=True)
class Length:
    """A measurement beside the truth, in mm or mm².

    Attributes:
        trait: What was measured.
        value: What came out.
        low: Of its interval, k = 2.
        high: The same.
        true: What is so.
        codes: What is doubtful.
    """

    trait: str
    value: float
    low: float
    high: float
    true: float
    codes: str


@dataclass(frozen=True)
class Sized:
    """What was measured.

    Attributes:
        done: What the run has come to.
        lengths: The measurements whose truth is known.
        overlays: Pictures of some of them.
    """

    done: Done
    lengths: Sequence[Length]
    overlays: Sequence[Path]


def measure_some(folder: Path, pictures: Mapping[str, Path]) -> Sized | None:
    """Measure the first of some records, with the scale that each came with.

    Args:
        folder: Of the demonstration.
        pictures: By record, those that may be measured.
    """
    ids = sorted(pictures)[:_COUNT]
    if not ids:
        return None
    scales = _scales(folder / "world" / "specimens.csv")
    files = [pictures[key] for key in ids]
    about = folder / "measured.tsv"
    write_delimited(
        about, ("image", "id", "px_per_mm", "uncertainty"),
        ((file.as_posix(), key, scales[key], _SURE)
         for key, file in zip(ids, files, strict=True)), "\t",
    )  # fmt: skip
    told = read_about(about)
    settings = Settings(chosen(definitions(), [*_TRAITS]), single=True)
    out = folder / "measures"
    done = measure_all(
        map(told.told, of_files(files)), settings, out, overlays=_SHOWN, page=write_page,
        sources=[about],
    )  # fmt: skip
    rows = rows_of(out / "measurements.tsv")
    true = {key: _true(folder / "world" / "truth", key, float(scales[key])) for key in ids}
    lengths = [
        Length(row["trait"], float(row["value"]), float(row["low"]), float(row["high"]),
               true[row["id"]][row["trait"]], row["codes"])
        for row in rows
        if row["unit"].startswith("mm") and row["trait"] in true[row["id"]]
    ]  # fmt: skip
    return Sized(done, lengths, sorted((out / "overlays").glob("*.png")))


def _true(truth: Path, key: str, scale: float) -> dict[str, float]:
    """Return what a record's true mask measures; nothing of a picture that shows nothing."""
    mask = np.asarray(decode((truth / "masks" / f"{key}.png").read_bytes()).convert("L")) > 0
    if not mask.any():
        return {}
    shape = Shape(mask)
    return {"feret": shape.feret.length / scale, "area": shape.area / scale**2}


def _scales(path: Path) -> dict[str, str]:
    return {row["processid"]: row["px_per_mm"] for row in rows_of(path)}


def tell_sized(sized: Sized) -> Section:
    """Return the section."""
    rows = []
    for trait, called in _TRAITS.items():
        for word, some in (
            ("all", [one for one in sized.lengths if one.trait == trait]),
            ("without a code", [one for one in sized.lengths
                                if one.trait == trait and not one.codes]),
        ):  # fmt: skip
            if some:
                off = np.array([abs(one.value / one.true - 1) for one in some])
                held = sum(one.low <= one.true <= one.high for one in some)
                rows.append(
                    [
                        called,
                        word,
                        len(some),
                        f"{100 * float(np.median(off)):.1f} %",
                        f"{held} of {len(some)}",
                    ]
                )
    coded = sum(bool(one.codes) for one in sized.lengths)
    return Section(
        "How large they are",
        [
            Text(
                "Specimens were cut out of their pictures and measured. Each value has an interval "
                "that admits the scale and the outline, and a code where something is doubtful: a "
                "body that touches the border, is faint, or lies on a ground of several colours."
            ),
            Figures(
                [
                    (sized.done.specimens, "specimens measured"),
                    (sized.done.measurements, "values, each with its interval"),
                    (coded, "of them have a code"),
                ]
            ),
            Table(
                ["trait", "", "values", "off, in the median", "the truth is inside"], rows,
                "Beside what the true masks measure; intervals of k = 2, where 95 of 100 are meant",
            ),
            Pictures(
                [Picture(shrunk(file), alternative="overlay of a measured specimen")
                 for file in sized.overlays],
                "What was measured, drawn over the pictures", width=180,
            ),
        ],
    )  # fmt: skip
