"""The questions of `merian bench dna-encoders` that are asked of splits with names.

Species whose references are there (closed), the genus of species that have none (open), the same
without queries that are a reference or a part of one (fungi), ways of learning without labels
(pretraining), and what each part of BarcodeMamba+ is worth (ablation).

References: Millan Arias et al., BarcodeBERT, 2026; Safari et al., BarcodeMAE, 2025; Gao et al.,
BarcodeMamba, 2024, and BarcodeMamba+, 2025 (the protocols).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from merian.bench.encoder_arms import (
    ABLATION,
    FINE_TUNED,
    PRETRAINING,
    SELF_SUPERVISED,
    SPECTRUM,
    UNTRAINED,
)
from merian.bench.encoder_scores import (
    Figures,
    Marks,
    difference,
    k_nearest,
    rightly,
    share,
)
from merian.bench.encoder_splits import Split, duplicates
from merian.bench.encoder_study import Part, Study
from merian.bench.yardstick import Task

__all__ = ["BIOSCAN", "PARTS"]

_UNITS = {
    "species": "% of queries whose species is known",
    "genus": "% of queries whose species is new",
}
_KNOWN = (SELF_SUPERVISED, FINE_TUNED, SPECTRUM)
_NEW = (*_KNOWN, UNTRAINED)
_WORDS_NN, _MEMBERS = "6-mer 1-NN", "weights of the encoder"

Methods = dict[str, Marks]


def _closed(study: Study, split: Split) -> Figures:
    """Return how often the species is right, of species that have references."""
    return _compared(study, split, "species", _of_known(study, split))


def _of_known(study: Study, split: Split) -> Methods:
    """Return the methods that name species."""
    at = split.asked("species")
    learned = study.learned(split, SELF_SUPERVISED)
    named = study.learned(split, FINE_TUNED).names["species"]
    near = k_nearest(split, learned.references, learned.queries, "species")
    fitted = study.learned(split, SPECTRUM)
    beside = k_nearest(split, fitted.references, fitted.queries, "species")
    return {
        "fine-tuned": rightly(split, "species", named, at),
        "linear probe": rightly(split, "species", learned.probed, at),
        "self-supervised 1-NN": rightly(split, "species", near, at),
        "spectrum, heads": rightly(split, "species", fitted.names["species"], at),
        "spectrum, linear probe": rightly(split, "species", fitted.probed, at),
        "spectrum 1-NN": rightly(split, "species", beside, at),
    }


def _open(study: Study, split: Split) -> Figures:
    """Return how often the genus is right, of species that have no reference."""
    return _compared(study, split, "genus", _of_new(study, split))


def _of_new(study: Study, split: Split) -> Methods:
    """Return the methods that name genera of new species: nearest by vectors of several arms."""
    at = split.asked("genus")
    found: Methods = {}
    for arm in _NEW:
        learned = study.learned(split, arm)
        for weighted, called in ((False, "1-NN"), (True, "softmax 10-NN")):
            near = k_nearest(split, learned.references, learned.queries, "genus", weighted)
            found[f"{arm} {called}"] = rightly(split, "genus", near, at)
    return found


def _compared(
    study: Study,
    split: Split,
    rank: str,
    methods: Methods,
    left: NDArray[np.bool_] | None = None,
) -> Figures:
    """Return the figures of methods and controls, and how far the methods are from these.

    Args:
        study: Of which the controls were asked.
        split: What was asked.
        rank: Whose names count.
        methods: Marks by name.
        left: Queries that count; all if not given.
    """
    controls = study.control_marks(split, rank)
    if left is not None:
        methods, controls = (
            {name: np.where(left, marks, np.nan) for name, marks in some.items()}
            for some in (methods, controls)
        )
    genus, unit = split.truth("genus"), _UNITS[rank]
    figures: Figures = {}
    for name, marks in {**methods, **controls}.items():
        figures |= _one(f"{rank}, {name}", share(marks, genus, unit))
    if not figures:
        return {}
    best = max(controls, key=lambda name: float(np.nanmean(controls[name])))
    for name, marks in methods.items():
        for control in dict.fromkeys((best, _WORDS_NN)):
            said = ", the best control" if control == best else ""
            key = f"{rank}, {name} less {control}{said}"
            figures |= _all(key, difference(marks, controls[control], genus))
    chance = methods.get(f"{UNTRAINED} 1-NN")
    if chance is not None:
        learned = methods[f"{SELF_SUPERVISED} 1-NN"]
        key = f"{rank}, {SELF_SUPERVISED} 1-NN less {UNTRAINED} 1-NN"
        figures |= _all(key, difference(learned, chance, genus))
    return figures


def _fungi(study: Study, split: Split) -> Figures:
    """Return the same without queries that a reference gives away."""
    drop = duplicates(split)
    at = split.asked("genus" if split.asked("genus").any() else "species")
    figures: Figures = {
        f"{_kind(split)}, dropped": {
            "value": round(100 * float(drop[at].mean()), 3), "n": int(at.sum()),
            "unit": "% of queries: a reference, within one, or around one",
        }
    }  # fmt: skip
    for rank, of_rank in (("species", _of_known), ("genus", _of_new)):
        if split.asked(rank).any():
            found = _compared(study, split, rank, of_rank(study, split), ~drop)
            figures |= {f"{_kind(split)}, {name}": figure for name, figure in found.items()}
    return figures


def _kind(split: Split) -> str:
    return split.name.split("_")[1]


def _pretraining(study: Study, split: Split) -> Figures:
    """Return ways of learning without labels, beside each other and beside chance."""
    arms = (*PRETRAINING, UNTRAINED)
    genus = split.truth("genus")
    figures: Figures = {}
    marks: dict[str, dict[str, list[Marks]]] = {"1-NN": {}, "linear probe": {}}
    for arm in arms:
        many = [study.learned(split, arm, seed) for seed in range(1, study.seeds + 1)]
        marks["1-NN"][arm] = [
            rightly(split, "genus", k_nearest(split, x.references, x.queries, "genus"),
                    split.asked("genus"))
            for x in many
        ]  # fmt: skip
        marks["linear probe"][arm] = [
            rightly(split, "species", x.probed, split.asked("species")) for x in many
        ]
        figures |= {
            f"{arm}, {_MEMBERS}": {"value": many[0].parameters, "n": len(many)},
            f"{arm}, time of a training": {
                "value": round(float(np.mean([x.seconds for x in many])), 1), "n": len(many),
                "unit": "s",
            },
        }  # fmt: skip
    for how, rank in (("1-NN", "genus"), ("linear probe", "species")):
        for arm, each in marks[how].items():
            figures |= _one(f"{rank}, {arm} {how}", share(each, genus, _UNITS[rank]))
        for name, control in study.control_marks(split, rank).items():
            figures |= _one(f"{rank}, {name}", share(control, genus, _UNITS[rank]))
        for one, other, claim in _CLAIMS:
            found = difference(marks[how][one], marks[how][other], genus, claim)
            figures |= _all(f"{rank}, {one} less {other}, {how}", found)
    return figures


# Who is said to be better than whom.
_CLAIMS = (
    ("MAE", "BERT", "BarcodeMAE's claim"),
    ("causal", "BERT", "BarcodeMamba's claim"),
    ("MAE", "causal", "that hiding beats reading on"),
    ("BERT", UNTRAINED, "that it learns anything"),
)


def _ablation(study: Study, split: Split) -> Figures:
    """Return what fine-tuning loses without each of its parts."""
    figures: Figures = {}
    genus = split.truth("genus")
    for rank in ("species", "genus"):
        at = split.asked("species")  # of known species the genus is known too
        marks = {
            arm: rightly(split, rank, study.learned(split, arm).names[rank], at) for arm in ABLATION
        }
        for arm, each in marks.items():
            figures |= _one(f"{rank}, {arm}", share(each, genus, _UNITS["species"]))
        for arm in ABLATION[1:]:
            key = f"{rank}, {ABLATION[0]} less {arm}"
            figures |= _all(key, difference(marks[ABLATION[0]], marks[arm], genus))
        for name, names in study.control_names(split).items():
            own = rightly(split, rank, names[rank], at)
            figures |= _one(f"{rank}, {name}", share(own, genus, _UNITS["species"]))
    return figures


def _one(name: str, figure: dict[str, object]) -> Figures:
    return {name: figure} if figure else {}


def _all(name: str, figures: Figures) -> Figures:
    return {name + more: figure for more, figure in figures.items()}


def _tasks(kind: str, *sources: str) -> tuple[Task, ...]:
    return tuple(Task(source, kind, 0) for source in sources)


PARTS: Mapping[str, Part] = {
    "open": Part(
        _tasks("open", "coi", "insects", "its1"), _NEW, _open
    ),
    "closed": Part(_tasks("closed", "coi", "its1"), _KNOWN, _closed),
    "pretraining": Part(
        _tasks("mixed", "coi"), (*PRETRAINING, UNTRAINED), _pretraining, seeds=True
    ),
    "fungi": Part(
        (*_tasks("closed", "its1"), *_tasks("open", "its1")),
        _NEW, _fungi,
    ),
    "ablation": Part(_tasks("closed", "its1"), ABLATION, _ablation),
}  # fmt: skip

# BIOSCAN-5M asks known and new species of the same references.
BIOSCAN: Mapping[str, Part] = {
    "closed": Part(_tasks("mixed", "bioscan"), _KNOWN, _closed),
    "open": Part(_tasks("mixed", "bioscan"), _NEW, _open),
}
