"""What an encoder is worth as one more evidence of `merian identify`: the same library twice.

One is built without an encoder, one with the spectrum that is fitted to its own references. Both
are asked the same queries: the genus of new species (open), and species known and new together
(mixed). Each figure has its interval over genera, and so has the difference. An encoder would be
the default if genus (open) or AUROC (mixed) rose by a point on two sources of four.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping

import numpy as np

from merian import __version__
from merian.bench.answers import answer_task
from merian.bench.encoder_scores import Figures
from merian.bench.encoder_splits import REFERENCES, RULER, Split
from merian.bench.encoder_study import Part, Study
from merian.bench.scoring import Answered, Floats, drawn_figures, read_answered
from merian.bench.yardstick import Task
from merian.identify import PARTS, Choice
from merian.learn.bootstrap import draw, middle
from merian.library import Settings, build_library

__all__ = ["EVIDENCE", "compared"]

_SOURCES = ("coi", "insects", "its1", "yeast")
_ARMS: Mapping[str, str | None] = {"without": None, "with": "barcode-spectrum"}
_ROUNDS = 1000
# What is told of each kind of split, and what it is a share of.
_OPEN = {"genus_of_known_genus": ("genus", "% of queries whose genus is known")}
_MIXED = {
    "auroc_known_species": ("AUROC", "% that a known species is told from a new one"),
    "species_of_known": ("species", "% of queries whose species is known"),
}
_BOTH = {
    "stood_by_wrong": ("wrong", "% of answers that stand, at any rank"),
    "mean_depth": ("depth", "ranks that are stood by"),
}


def _answers(split: Split, arm: str) -> Answered:
    """Return the answers of one arm; what was answered before is read again."""
    called = f"evidence-{arm}-{__version__}"
    file, place = split.folder / "answers" / f"{called}.tsv", split.folder / f"library-{called}"
    if not file.is_file():
        file.parent.mkdir(exist_ok=True)
        if place.exists():
            shutil.rmtree(place)
        given = Settings(encoder=_ARMS[arm])
        references = [split.folder / REFERENCES]
        library = build_library(references, place, settings=given, parts=PARTS).library
        answer_task(RULER, split.folder, library, Choice(), file)
    return read_answered(RULER, split.folder, file)


def _evidence(_study: Study, split: Split) -> Figures:
    """Return the figures of both arms, and how far they are apart."""
    return compared({arm: _answers(split, arm) for arm in _ARMS})


def compared(answers: Mapping[str, Answered]) -> Figures:
    """Return figures of two ways of answering, and of the second less the first.

    Args:
        answers: Both, to the same queries, by name; the plain one first.
    """
    first = next(iter(answers.values()))
    genera = np.unique(first.genus)
    draws = np.concatenate([np.ones((1, len(genera))), draw(len(genera), _ROUNDS)])
    drawn = {name: drawn_figures(one, genera, draws) for name, one in answers.items()}
    mixed = bool((first.known == 0).any())
    told = {**(_MIXED if mixed else _OPEN), **_BOTH}
    count = len(first.genus)
    figures: Figures = {}
    plain, other = answers
    kind = "mixed" if mixed else "open"
    for key, (what, unit) in told.items():
        for name, found in drawn.items():
            figures[f"{kind}, {what}, {name}"] = _figure(found[key], count, unit)
        points = "ranks" if key == "mean_depth" else "points"
        apart = drawn[other][key] - drawn[plain][key]
        figures[f"{kind}, {what}, {other} less {plain}"] = _figure(apart, count, points)
    return figures


def _figure(values: Floats, count: int, unit: str) -> dict[str, object]:
    """Return the first value, with the interval of the others."""
    low, high = middle(values[1:])
    return {"value": round(float(values[0]), 3), "low": round(low, 3), "high": round(high, 3),
            "n": count, "unit": unit}  # fmt: skip


EVIDENCE = Part(
    tuple(Task(source, kind, 0) for kind in ("open", "mixed") for source in _SOURCES),
    (), _evidence, controls=False,
)  # fmt: skip
"""For `merian bench dna-encoders`."""
