"""Encoders of barcodes by the papers' protocols, always beside plain controls.

Every encoder is trained through the product, by a recipe on the references of a split and nothing
else, and asked for the names of the queries: species that have references (closed), genera of new
species (open), BINs, fungi without copies, ways to learn without labels, what each part of
BarcodeMamba+ is worth, and what an encoder adds to `merian identify`. Beside it stand words of six
bases, vsearch and megablast where they are installed, and `merian identify`.
`bench/encoder_arms.py` holds the recipes and their steps.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from merian.bench import encoder_speed
from merian.bench.encoder_bins import BINS
from merian.bench.encoder_evidence import EVIDENCE
from merian.bench.encoder_parts import BIOSCAN, PARTS
from merian.bench.encoder_scores import T_95, Figures
from merian.bench.encoder_study import Part, Study, answer
from merian.bench.yardstick import PLACE, chosen
from merian.errors import InputError, MissingExtraError
from merian.files import write_text

__all__ = ["run"]

NAME = "dna-encoders"
WORKING = ("work", "processes")

_PAPERS = "BarcodeBERT (README of its branch BIOSCAN-5M; published, other data: BIOSCAN-5M)"
PEERS: Mapping[str, Mapping[str, float]] = {
    f"{_PAPERS}: species, fine-tuned / linear probe / genus of new species by 1-NN": {
        "BarcodeBERT fine-tuned": 99.28, "BarcodeBERT linear probe": 94.47,
        "BarcodeBERT 1-NN": 47.03, "CNN fine-tuned": 97.70, "CNN 1-NN": 29.88,
        "DNABERT-S linear probe": 95.50, "DNABERT-S 1-NN": 17.70, "BLAST species": 99.78,
        "BLAST genus": 58.74,
    },
    "BIN reconstruction, AMI with the true number (published, other data: BIOSCAN-5M)": {
        "DNABERT-S": 87.63, "HyenaDNA": 84.68, "BarcodeMamba": 82.92, "BarcodeMAE": 80.27,
        "BarcodeBERT": 74.24,
    },
    "BarcodeMamba, abstract (published, other data: CANADA-1.5M)": {
        "species, linear probe": 99.2, "genus of new species, 1-NN": 70.2,
    },
    "BarcodeMamba+, species (published, other data: UNITE and INSD)": {
        "BLAST yeast": 75.4, "BLAST filamentous": 33.4, "BarcodeMamba+ yeast": 80.6,
        "BarcodeMamba+ filamentous": 46.5, "BarcodeMamba+ validation": 81.7,
        "the same without pretraining": 78.6,
    },
}  # fmt: skip
_THROUGHPUT = "throughput"
# What a bench says itself of every training, and what takes the place of a changed key.
_OWN = {"training.steps": "--steps", "training.seed": "--seeds", "encoder.from": "the arms"}


def run(
    *,
    yardstick: Path = PLACE,
    work: Path | None = None,
    data: str = "",
    only: str = "",
    seeds: int = 3,
    steps: int | None = None,
    changes: str = "",
    peers: bool = True,
    processes: int = 2,
) -> Figures:
    """Train the encoders and ask them, and the controls.

    Args:
        yardstick: The script; the real data lies where it looks for it.
        work: A folder for splits, runs and answers. What is done there is not done again, so a
            bench that was killed goes on. A temporary one if not given.
        data: BIOSCAN-5M's table of metadata, or the folder that holds it: its own split is asked
            (closed, open) instead of the yardstick's.
        only: Parts, with commas between: open, closed, bins, fungi, pretraining, ablation,
            evidence, throughput; all if empty.
        seeds: Of the trainings of the part pretraining; 2 or more give an interval over them.
        steps: Of every training, instead of those of the table.
        changes: In every recipe, as table.key=value, with semicolons between.
        peers: Whether to ask vsearch and megablast where they are installed.
        processes: How many trainings at a time, each with one thread; 0 for all in this process.
    """
    if steps is not None and steps < 1:
        raise InputError(f"--steps {steps}: 1 or more expected")
    if not 1 <= seeds <= max(T_95):
        raise InputError(f"--seeds {seeds}: 1 to {max(T_95)} expected")
    if processes < 0:
        raise InputError(f"--processes {processes}: 0 or more expected")
    said = _changes(changes)
    try:
        import torch  # noqa: F401, PLC0415 - an extra, without which nothing below is there
    except ModuleNotFoundError:
        raise MissingExtraError("merian bench dna-encoders", "models") from None
    known: Mapping[str, Part] = BIOSCAN if data else {**PARTS, "bins": BINS, "evidence": EVIDENCE}
    others = () if data else (_THROUGHPUT,)
    names = chosen(only, (*known, *others), "part")
    with ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory(prefix="merian-bench-"))
        folder = (work or Path(made)).resolve()
        if folder.exists() and not folder.is_dir():
            raise InputError(f"--work {folder}: is a file; a folder expected")
        folder.mkdir(parents=True, exist_ok=True)
        study = Study(
            folder, yardstick, Path(data) if data else None, seeds, steps, said, peers, processes
        )
        figures = answer(study, {name: known[name] for name in names if name in known})
        if _THROUGHPUT in names:
            figures |= _throughput()
        write_text(folder / "table.md", _table(figures))
    return figures


def _throughput() -> Figures:
    """Return how fast encoders train and embed; what cannot be measured is said."""
    for what, why in encoder_speed.not_measured().items():
        print(f"{_THROUGHPUT}: {what}: {why}", file=sys.stderr)  # noqa: T201 - no figure says it
    return {f"{_THROUGHPUT}: {name}": value for name, value in encoder_speed.measure().items()}


def _changes(text: str) -> tuple[str, ...]:
    """Return the changes of recipes, none of which the bench would overwrite."""
    said = tuple(change.strip() for change in text.split(";") if change.strip())
    for change in said:
        key = change.partition("=")[0].strip()
        if key in _OWN:
            raise InputError(f"--changes {change}: the bench sets {key} itself, by {_OWN[key]}")
    return said


def _table(figures: Figures) -> str:
    """Return the figures as a table for a page."""
    lines = ["| figure | value | n | unit |", "|---|---|---|---|"]
    for name, figure in figures.items():
        low, high = figure.get("low"), figure.get("high")
        told = f"{figure['value']}" + (f" ({low} to {high})" if low is not None else "")
        lines.append(f"| {name} | {told} | {figure.get('n', '')} | {figure.get('unit', '')} |")
    return "\n".join(lines) + "\n"
