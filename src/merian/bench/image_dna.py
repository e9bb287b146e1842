"""Whether pictures, barcodes and names in one space name unseen species better than each alone.

Worlds of equally common species, a third of which nothing is learned from, are drawn at three
levels of nuisance, and one with the real barcodes and lineages of insects on drawn bodies. Pictures
and barcodes are vectors of frozen encoders; small trunks behind them are learned: of pictures
alone, of barcodes alone, and of pictures with names, with barcodes, with both. Asked is as CLIBD
asks: the nearest key's name, seen and unseen species, at every rank. Splits are by whole barcode,
settings are chosen on species that are not asked in the end, and species are drawn for intervals.

Drawing and looking take most of the time; `--work` keeps the worlds.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from merian.bench.aligned_scores import Case, Figures, case_of, claims, table
from merian.bench.paired_world import PairedSettings, PairedWorld, made_world, paired_world
from merian.errors import InputError, MissingExtraError
from merian.learn.retrieval import mean_of
from merian.processes import in_processes

if TYPE_CHECKING:
    from merian.bench.aligned_arms import Plan

__all__ = ["NAME", "PEERS", "WORKING", "run"]

NAME = "image-dna"
WORKING = ("work", "processes")

_BARCODES = Path("../shared/data/multimodal/bold_insect_coi/bold_coi_784species_cap30.tsv.gz")
_SPECTRUM = 512
_ARMS = "I,D,I+T,I+D,I+D+T"


def _peer(**ways: list[float]) -> dict[str, Any]:
    return {way.replace("_", "-"): told for way, told in ways.items()}


# Gong et al., CLIBD, ICLR 2025, BIOSCAN-1M, top-1 macro %: seen, unseen, harmonic mean. A million
# photographs, ViT-B and BarcodeBERT trained whole: not to be compared in size with what is here.
PEERS = {
    "CLIBD, BIOSCAN-1M (another size), species": {
        "none": _peer(image_image=[7.2, 5.0, 5.9], DNA_DNA=[76.4, 63.6, 69.4],
                      image_DNA=[0.1, 0.0, 0.0]),
        "I, contrast of pictures": _peer(image_image=[14.2, 8.8, 10.9]),
        "I+T": _peer(image_image=[54.2, 33.6, 41.5], image_text=[57.6, 4.6, 8.5]),
        "I+D": _peer(image_image=[59.2, 45.1, 51.2], DNA_DNA=[94.4, 86.9, 90.5],
                     image_DNA=[58.1, 7.7, 13.6]),
        "I+D+T": _peer(image_image=[59.3, 45.0, 51.2], DNA_DNA=[95.6, 90.4, 92.9],
                       image_DNA=[51.6, 8.6, 14.7], image_text=[56.0, 4.8, 8.9]),
    },
    "CLIBD, BIOSCAN-1M (another size), order": {
        "none": _peer(image_image=[54.9, 48.0, 51.2], image_DNA=[7.7, 9.6, 8.5]),
        "I+D": _peer(image_image=[89.5, 97.6, 93.4], image_DNA=[99.7, 71.8, 83.5]),
        "I+D+T": _peer(image_image=[99.7, 94.4, 97.0], image_DNA=[99.4, 88.5, 93.6]),
    },
}  # fmt: skip


def run(
    *,
    species: int = 2000,
    each: int = 5,
    levels: str = "1,2,3",
    barcodes: Path | None = _BARCODES,
    world: Path | None = None,
    arms: str = _ARMS,
    steps: int = 0,
    choose: bool = True,
    draws: int = 500,
    seed: int = 0,
    size: int = 128,
    work: Path | None = None,
    processes: int = 2,
) -> Figures:
    """Draw the worlds, learn the arms and ask.

    Args:
        species: Of each world.
        each: Specimens of each of them.
        levels: Of nuisance, with commas between; none if empty.
        barcodes: Real sequences with lineages for one more world, at level 2; left out where they
            are not there.
        world: A world of `merian world make` that is asked in place of all others.
        arms: What is learned, with commas between.
        steps: Of each training; as the plan says if 0.
        choose: Whether the plan is chosen among a few, on the first world's species for choosing.
        draws: For the intervals.
        seed: Of worlds, splits and trainings.
        size: Of a picture in pixels.
        work: Where worlds are kept; a temporary folder if not given.
        processes: How many draw, look and learn.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("merian bench image-dna", "models")
    from merian.bench.aligned_arms import ARMS, PLANS, Plan  # noqa: PLC0415 - torch is an extra

    chosen = [arm for arm in arms.split(",") if arm]
    if set(chosen) - set(ARMS):
        raise InputError(f"--arms {arms}: some of {', '.join(ARMS)} expected, with commas between")
    rows: Figures = {}
    place = nullcontext(work) if work else tempfile.TemporaryDirectory(prefix="merian-bench-")
    with place as made:
        worlds = {
            name: _Drawn(str(world or Path(str(made), name.replace(" ", "-"))), settings)
            for name, settings in _worlds(
                species, each, levels, barcodes, seed, size, world
            ).items()
        }
        kept = str(Path(str(made), "seen"))
        # All are drawn first: what cannot be read is told before anything is learned.
        for one in worlds.values():
            _world(one, kept, processes)
        asked = Asking(kept, tuple(chosen), Plan(), steps, draws, seed)
        if choose:
            first = next(iter(worlds.values()))
            values = _shared("choosing", [(first, name) for name in PLANS], asked, processes)
            for name, (value, count) in zip(PLANS, values, strict=True):
                rows[f"choosing: {name}: I+D, image-image, species, macro, both"] = {
                    "value": value, "n": count, "unit": "%",
                }  # fmt: skip
            best = max(range(len(values)), key=lambda at: values[at][0])
            asked = replace(asked, plan=[*PLANS.values()][best])
        told = [(one, name) for name, one in worlds.items()]
        for found in _shared("figures", told, asked, processes):
            rows |= found
    return rows


@dataclass(frozen=True)
class _Drawn:
    """Where a world is, and what it was drawn by; without that it is one of `merian world make`."""

    folder: str
    settings: PairedSettings | None


@dataclass(frozen=True)
class Asking:
    """What is asked of every world.

    Attributes:
        kept: The folder of vectors of a world that was made elsewhere.
        arms: What is learned.
        plan: How.
        steps: Of each training; as the plan says if 0.
        draws: For the intervals.
        seed: Of splits and trainings.
    """

    kept: str
    arms: tuple[str, ...]
    plan: Plan
    steps: int
    draws: int
    seed: int

    def by(self, plan: Plan) -> Plan:
        """Return a plan with the steps that were asked for."""
        return replace(plan, steps=self.steps) if self.steps else plan


def _shared(
    function: str, items: list[tuple[_Drawn, str]], asked: Asking, processes: int
) -> list[Any]:
    """Share worlds or plans among processes: each of them is learned in one thread."""
    given = [[one.folder, one.settings and asdict(one.settings), name] for one, name in items]
    told = json.dumps(asdict(asked), default=str)
    return in_processes(
        f"merian.bench.image_dna:{function}", json.loads(json.dumps(given, default=str)), told,
        processes=processes, worth=2,
    )  # fmt: skip


def _given(items: list[Any], told: str) -> tuple[list[tuple[_Drawn, str]], Asking]:
    """Read what `_shared` has told."""
    from merian.bench.aligned_arms import Plan  # noqa: PLC0415 - torch is an extra

    found = json.loads(told)
    found |= {"plan": Plan(**found["plan"]), "arms": tuple(found["arms"])}
    worlds = []
    for folder, settings, name in items:
        if settings and settings["barcodes"]:
            settings["barcodes"] = Path(settings["barcodes"])
        worlds.append((_Drawn(folder, PairedSettings(**settings) if settings else None), name))
    return worlds, Asking(**found)


def _world(one: _Drawn, kept: str, processes: int = 1) -> PairedWorld:
    if one.settings is None:
        return made_world(Path(one.folder), Path(kept), processes=processes)
    return paired_world(Path(one.folder), one.settings, processes)


def choosing(items: list[Any], told: str) -> list[tuple[float, int]]:
    """Return how well pictures with barcodes answer of the species for choosing, by each plan."""
    from merian.bench.aligned_arms import PLANS  # noqa: PLC0415 - torch is an extra

    worlds, asked = _given(items, told)
    found: list[tuple[float, int]] = []
    frozen: dict[str, NDArray[np.float32]] = {}
    for one, name in worlds:
        case = case_of(_world(one, asked.kept), asked.seed)
        frozen = frozen or _frozen(case)
        vectors = _learned("I+D", case, frozen, asked.by(PLANS[name]), asked.seed)
        right = case.right(vectors["image"], vectors["image"], "val")
        found.append((round(100 * case.value(right, "val"), 2), len(right)))
    return found


def figures(items: list[Any], told: str) -> list[Figures]:
    """Return the table and the claims of some worlds."""
    worlds, asked = _given(items, told)
    found = []
    for one, name in worlds:
        start = time.perf_counter()
        world = _world(one, asked.kept)
        case = case_of(world, asked.seed)
        rows = _figures(name, case, _frozen(case), asked)
        found.append(rows | _times(name, world, time.perf_counter() - start))
    return found


def _worlds(
    species: int, each: int, levels: str, barcodes: Path | None, seed: int, size: int,
    world: Path | None,
) -> dict[str, PairedSettings | None]:  # fmt: skip
    """Return what is asked, by name; level 2 comes first, as the plan is chosen there."""
    if world is not None:
        return {"world": None}
    asked = sorted({int(level) for level in levels.split(",") if level}, key=lambda x: (x != 2, x))
    found: dict[str, PairedSettings | None] = {
        f"level {level}": PairedSettings(species, each, seed, level, size) for level in asked
    }
    if barcodes is not None and barcodes.exists():
        found["real barcodes"] = PairedSettings(species, each, seed, 2, size, barcodes=barcodes)
    return found


def _frozen(case: Case) -> dict[str, NDArray[np.float32]]:
    """Return what is known before anything is aligned; the spectrum has read the train alone."""
    from merian.learn.fitted import fit_spectrum  # noqa: PLC0415 - torch is an extra
    from merian.learn.saved import load_model  # noqa: PLC0415

    world, learned = case.world, case.learned.tolist()
    read = [world.sequences[row] for row in learned if world.sequences[row]]
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        # With a direction for each barcode, those that were read would be like no others.
        fit_spectrum(Path(made, "model"), read, width=max(8, min(_SPECTRUM, len(read) // 4)))
        encoder = load_model(Path(made, "model"), "cpu")
        barcodes = encoder.encode([text or None for text in world.sequences])
    return {"image": world.vectors, "barcode": barcodes}


def _learned(
    arm: str, case: Case, frozen: dict[str, NDArray[np.float32]], plan: Plan, seed: int
) -> dict[str, NDArray[np.float32]]:
    from merian.bench.aligned_arms import learn_arm  # noqa: PLC0415 - torch is an extra

    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        return learn_arm(arm, frozen, case.names, case.learned, plan, Path(made, "run"), seed=seed)


def _figures(
    name: str, case: Case, frozen: dict[str, NDArray[np.float32]], asked: Asking
) -> Figures:
    """Return the table and the claims of a world."""
    answers = {"none": case.ways(frozen, aligned=False)}
    better: dict[str, str] = {}
    for arm in asked.arms:
        vectors = _learned(arm, case, frozen, asked.by(asked.plan), asked.seed)
        answers[arm] = case.ways(vectors)
        if "both-both" in answers[arm]:
            val = case.ways(vectors, "val")
            single = ("image-image", "DNA-DNA")
            better[arm] = max(single, key=lambda way: case.value(val[way], "val"))
            weight = case.best_weight(vectors)
            both = mean_of(vectors["image"], vectors["barcode"], weights=(1 - weight, weight))
            answers[arm]["both-both, weighed"] = case.right(both, both)
    rows: Figures = {
        f"{name}: records": {"value": len(case.world), "unit": "with a picture"},
        f"{name}: learned from": {"value": len(case.learned), "unit": "records"},
        f"{name}: keys": {"value": len(case.keys), "unit": "records"},
        f"{name}: asked": {"value": len(case.queries("test")), "unit": "records"},
    }
    for arm, found in answers.items():
        rows |= table(case, f"{name}: {arm}", found, asked.draws)
    return rows | claims(case, name, answers, better, asked.draws)


def _times(name: str, world: PairedWorld, seconds: float) -> Figures:
    return {
        f"{name}: drawing and looking, when it was made": {"value": world.seconds, "unit": "s"},
        f"{name}: learning and asking": {"value": round(seconds, 1), "unit": "s"},
    }
