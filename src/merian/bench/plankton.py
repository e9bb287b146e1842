"""Plankton named by supervised training against CLIP: the same trunk, pictures, steps, optimizer.

Planktonzilla reports macro-F1 .874 for a supervised ViT-L and .849 for the best CLIP, from recipes
that differ in more than the aim. Here nothing else differs: behind the same frozen network the same
trunk is trained on ISIIS pictures (3,603 that the map calls plankton, of 49 lineages) to name the
lineage, or to lie near its text, in the ways of `plankton_arms`. Folds are drawn by chance, or so
that near-duplicates stay together; every picture is asked once, by what has not seen it.

Each arm answers by its own head, or by the texts of the classes, several wordings averaged; by a
linear probe and by 1, 5 or 10 examples on what its trunk has learnt; and for pictures of UVP6 and
FlowCam, which it never saw, at the rank of class, as they are and made like those of ISIIS.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.bench.instruments import INSTRUMENTS, Instrument, without_conflicts
from merian.bench.near_pictures import near_groups, spread_folds
from merian.bench.picture_folders import read_set, vectors_shown
from merian.bench.plankton_jobs import FROZEN, SHOTS, Job, Material, Told, do_all, inner_score
from merian.bench.plankton_tree import PlanktonTree, Taxa, read_taxa
from merian.errors import InputError, MissingExtraError
from merian.learn.bootstrap import Interval
from merian.learn.scores import SCORES, macro_f1, score_difference, score_interval

__all__ = ["PEERS", "WORKING", "run"]

WORKING = ("work", "data", "processes")
_SOURCE = "Planktonzilla notebooks, ViT-L/14, highest epoch on validation, split by picture"
PEERS = {
    "supervised, macro-F1": {"value": 87.4, "unit": "%", "source": _SOURCE},
    "best CLIP, macro-F1": {"value": 84.9, "unit": "%", "source": _SOURCE},
}

ISIIS = "plankton/isiis_planktonset1"
LINEAGES = "plankton/planktonzilla/planktonzilla_taxonomy.csv"
SPLITS = ("random", "grouped")
_NEAR = 0.95  # cosine; see `merian.bench.picture_probes`
_TURNS = ("turned by 180", "turned by 90", "turned by 270")
_LIKE = "made like ISIIS"
_SHOWN = ("as it is", _LIKE)
_RANKS = ("phylum", "class", "order", "family")
_SUPERVISED, _PLAIN, _BY_TAXON = "supervised", "CLIP, plain", "CLIP, by taxon"
_BY_CHANCE = (FROZEN, _SUPERVISED, _PLAIN, _BY_TAXON)  # what is asked of folds by chance too

Numbers = NDArray[np.int64]
Rows = dict[str, dict[str, Any]]
Answers = dict[tuple[str, str], dict[str, NDArray[Any]]]
"""(split, arm) -> what was told, over seeds: see `_gathered`."""


def run(
    *,
    data: Path = Path("../shared/data"),
    folds: int = 3,
    seeds: int = 1,
    steps: int = 150,
    batch: int = 128,
    hidden: int = 512,
    turns: int = 1,
    rates: str = "0.001",
    splits: str = "random,grouped",
    draws: int = 500,
    seed: int = 0,
    processes: int = 2,
    work: Path | None = None,
) -> Rows:
    """Return the figures of each arm.

    Args:
        data: The folder that holds plankton/ and packages/.
        folds: Each is asked once.
        seeds: How often all is done, with other folds and other starts.
        steps: Of each training.
        batch: Pictures of a step.
        hidden: Numbers of the trunk's hidden layer.
        turns: Of a picture to learn from, 1 to 4; by half a turn first.
        rates: Learning rates to choose from, with commas between.
        splits: Which: random, grouped. Other instruments, and ranks, are asked of grouped alone.
        draws: For the intervals; groups are drawn.
        seed: The first.
        processes: How many trainings at a time.
        work: Where vectors, and what arms say, are kept. A temporary folder if not given.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("merian bench plankton", "models")
    from merian.bench.plankton_arms import ARMS  # noqa: PLC0415 - torch is an extra

    tried, cuts = _rates(rates), [name for name in splits.split(",") if name]
    if not cuts or set(cuts) - set(SPLITS):
        raise InputError(f"--splits {splits}: some of {', '.join(SPLITS)} expected")
    if not 1 <= turns <= 1 + len(_TURNS):
        raise InputError(f"--turns {turns}: 1 to {1 + len(_TURNS)} expected")
    place = nullcontext(work) if work else tempfile.TemporaryDirectory(prefix="merian-bench-")
    with place as made:
        kept = Path(str(made))
        material, taxa, truths = _material(
            data, kept, range(seed, seed + seeds), folds, turns, processes
        )
        base = Job("", "grouped", seed, 0, tried[0], steps, batch, hidden)
        chosen = _chosen(list(ARMS), tried, base, material, kept, processes)
        jobs = [
            replace(base, arm=arm, split=split, seed=one, fold=fold, rate=chosen.get(arm, 0.0))
            for split in cuts
            for one in range(seed, seed + seeds)
            for fold in range(folds)
            for arm in (FROZEN, *ARMS)
            if split == "grouped" or arm in _BY_CHANCE
        ]
        told = do_all(jobs, material, kept, processes)
        found = _gathered(jobs, told, material)
    rows: Rows = {
        "pictures": {
            "value": len(material.labels),
            "unit": f"in {material.groups.max() + 1} groups, of {len(taxa.lineages)} lineages",
        }
    }
    rows |= {f"{arm}: learning rate": {"value": rate, "unit": ""} for arm, rate in chosen.items()}
    arms = (FROZEN, *ARMS)
    for split in cuts:
        rows |= _at_home(
            found, split, [arm for arm in arms if (split, arm) in found], material, draws
        )
    if "grouped" in cuts:
        rows |= _by_rank(found, arms, material, taxa.tree, draws)
        rows |= _elsewhere(found, arms, truths, taxa.tree, draws)
    return rows


def _rates(text: str) -> list[float]:
    try:
        found = [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        found = []
    if not found or min(found) <= 0:
        raise InputError(f"--rates {text}: numbers above 0 expected, with commas between")
    return found


# -- what is asked ---------------------------------------------------------------------------------


def _material(
    data: Path, work: Path, seeds: Sequence[int], folds: int, turns: int, processes: int
) -> tuple[Material, Taxa, dict[str, Numbers]]:
    """Return what is learnt from, its classes, and the true class nodes of other instruments."""
    isiis = read_set(data / ISIIS, work)
    taxa = read_taxa(data / LINEAGES, isiis.names)
    labels = taxa.place[isiis.labels]
    rows = np.flatnonzero(labels >= 0)
    labels = labels[rows]
    turned = [vectors_shown(isiis, how, work, rows, processes) for how in _TURNS[: turns - 1]]
    groups = near_groups(isiis.features[rows], isiis.hashes[rows], _NEAR)
    parts = {}
    for one in seeds:
        parts[f"random {one}"] = spread_folds(labels, np.arange(len(labels)), folds, one)
        parts[f"grouped {one}"] = spread_folds(labels, groups, folds, one)
    others: dict[str, NDArray[np.float32]] = {}
    truths: dict[str, Numbers] = {}
    for instrument in INSTRUMENTS:
        found = read_set(data / instrument.folder, work)
        truth = _class_nodes(instrument, found.names, taxa.tree)[found.labels]
        asked = np.flatnonzero((truth >= 0) & without_conflicts(found.files))
        truths[instrument.name] = truth[asked]
        shown = (found.features[asked], vectors_shown(found, _LIKE, work, asked, processes))
        others |= {f"{instrument.name}, {how}": x for how, x in zip(_SHOWN, shown, strict=True)}
    vectors = np.stack([isiis.features[rows], *turned], axis=1)
    return Material(vectors, labels, groups, parts, taxa.lineages, others), taxa, truths


def _class_nodes(instrument: Instrument, folders: Sequence[str], tree: PlanktonTree) -> Numbers:
    """Return of each folder the node at the rank of class; -1 where nothing is shared."""
    known = {tree.forest.names[node]: node for node in np.unique(tree.at["class"]).tolist()}
    taxa = [instrument.of(folder).taxon for folder in folders]
    if missing := [taxon for taxon in taxa if taxon and taxon not in known]:
        raise InputError(
            f"{instrument.name} is asked for {missing[0]}, which is no class of the pictures "
            f"learnt from; these are {', '.join(known)}"
        )
    return np.array([known[taxon] if taxon else -1 for taxon in taxa], np.int64)


def _chosen(
    arms: Sequence[str], rates: Sequence[float], base: Job, material: Material, work: Path,
    processes: int,
) -> dict[str, float]:  # fmt: skip
    """Return the rate of each arm that names an inner part of the first fold's material best."""
    jobs = [replace(base, arm=arm, rate=rate, inner=True) for arm in arms for rate in rates]
    if len(rates) < 2:
        return dict.fromkeys(arms, rates[0])
    scores = {
        (job.arm, job.rate): inner_score(job, told, material)
        for job, told in zip(jobs, do_all(jobs, material, work, processes), strict=True)
    }
    return {arm: max(rates, key=lambda rate: scores[arm, rate]) for arm in arms}


def _gathered(jobs: Sequence[Job], told: Sequence[Told], material: Material) -> Answers:
    """Return what each arm says on each split.

    "own" float[seeds, n, classes], "probe" int[seeds, n] and "1 shots" int[seeds * draws, n] put
    the folds together; "others NAME" float[seeds * folds, m, classes] has each of them.
    """
    n, found = len(material.labels), {}
    for split, arm in dict.fromkeys((job.split, job.arm) for job in jobs):
        runs: dict[int, dict[str, NDArray[Any]]] = {}
        others: dict[str, list[NDArray[Any]]] = {}
        for job, one in zip(jobs, told, strict=True):
            if (job.split, job.arm) != (split, arm):
                continue
            asked = np.flatnonzero(material.folds[f"{split} {job.seed}"] == job.fold)
            whole = runs.setdefault(job.seed, {})
            for name, each in one.items():
                if name.startswith("others "):
                    others.setdefault(name, []).append(np.asarray(each))
                    continue
                answers = np.asarray(each)
                lead = answers if answers.ndim == 2 and name.endswith("shots") else answers[None]
                shape = (lead.shape[0], n, *lead.shape[2:])
                whole.setdefault(name, np.zeros(shape, lead.dtype))[:, asked] = lead
        names = next(iter(runs.values()))
        found[split, arm] = {
            **{name: np.concatenate([each[name] for each in runs.values()]) for name in names},
            **{name: np.stack(each) for name, each in others.items()},
        }
    return found


# -- what comes of it ------------------------------------------------------------------------------


def _at_home(
    found: Answers, split: str, arms: Sequence[str], material: Material, draws: int
) -> Rows:
    """Return the figures of ISIIS pictures on a split."""
    y, groups = material.labels, material.groups
    rows: Rows = {}
    hows = ("probe", *(f"{k} shots" for k in SHOTS))

    def difference(one: str, other: str, how: str) -> None:
        told, less = (_named(found[split, arm], how) for arm in (one, other))
        row = _row(score_difference(macro_f1, y, told, less, groups, rounds=draws))
        rows[f"{split}: {one} less {other}, {how}, macro-F1"] = row

    for arm in arms:
        own = found[split, arm]["own"].argmax(2)
        for name, score in SCORES.items():
            told = score_interval(score, y, own, groups, rounds=draws)
            rows[f"{split}: {arm}, own, {name}"] = _row(told)
        for how in hows:
            told = score_interval(macro_f1, y, _named(found[split, arm], how), groups, rounds=draws)
            rows[f"{split}: {arm}, {how}, macro-F1"] = _row(told)
        if arm != _SUPERVISED:
            difference(_SUPERVISED, arm, "own")
        if arm not in (FROZEN, _SUPERVISED, _PLAIN):
            difference(arm, _PLAIN, "own")
    for how in hows:
        difference(_SUPERVISED, _PLAIN, how)
        difference(_SUPERVISED, _BY_TAXON, how)
    return rows


def _by_rank(
    found: Answers, arms: Sequence[str], material: Material, tree: PlanktonTree, draws: int
) -> Rows:
    """Return the figures at each rank: probabilities of classes are summed up the tree."""
    rows: Rows = {}
    for rank in _RANKS:
        for arm in arms:
            named = [tree.of_rank(p, rank) for p in found["grouped", arm]["own"]]
            truth, told = named[0][1][material.labels], np.stack([q.argmax(1) for q, _ in named])
            score = score_interval(macro_f1, truth, told, material.groups, rounds=draws)
            rows[f"grouped: {arm}, own, macro-F1 at {rank}"] = _row(score)
    return rows


def _named(told: Mapping[str, NDArray[Any]], how: str) -> Numbers:
    """Return int[runs, n]: the classes that are named."""
    return told[how].argmax(2) if how == "own" else told[how]


def _elsewhere(
    found: Answers, arms: Sequence[str], truths: Mapping[str, Numbers], tree: PlanktonTree,
    draws: int,
) -> Rows:  # fmt: skip
    """Return the figures of other instruments, by what was trained on the grouped split."""
    rows: Rows = {}
    for instrument, nodes in truths.items():
        names = np.unique(tree.at["class"])
        truth = np.searchsorted(names, nodes)
        shared = np.isin(np.arange(len(names)), truth)
        rows[f"{instrument}: pictures"] = {
            "value": len(truth), "unit": f"of {shared.sum()} classes that ISIIS has too",
        }  # fmt: skip
        for how in _SHOWN:
            told: dict[tuple[str, str], Numbers] = {}
            for arm in arms:
                runs = found["grouped", arm][f"others {instrument}, {how}"]
                q = np.stack([tree.of_rank(p.astype(np.float64), "class")[0] for p in runs])
                told[arm, "all"] = q.argmax(2)
                told[arm, "shared"] = np.where(shared, q, -1).argmax(2)
            _score_elsewhere(rows, f"{instrument}, {how}", told, truth, arms, draws)
    return rows


def _score_elsewhere(
    rows: Rows, where: str, told: Mapping[tuple[str, str], Numbers], truth: Numbers,
    arms: Sequence[str], draws: int,
) -> None:  # fmt: skip
    """Add the figures of one instrument, shown one way."""
    for among in ("all", "shared"):
        for arm in arms:
            for name in ("macro-F1", "balanced accuracy"):
                score = score_interval(SCORES[name], truth, told[arm, among], rounds=draws)
                rows[f"{where}: {arm}, among {among}, {name}"] = _row(score)
        for one, other in ((_SUPERVISED, _PLAIN), (_SUPERVISED, _BY_TAXON), (_BY_TAXON, _PLAIN)):
            less = score_difference(
                macro_f1, truth, told[one, among], told[other, among], rounds=draws
            )
            rows[f"{where}: {one} less {other}, among {among}, macro-F1"] = _row(less)


def _row(told: Interval) -> dict[str, Any]:
    value, low, high = (
        None if np.isnan(each) else round(100 * each, 1)
        for each in (told.value, told.low, told.high)
    )
    return {"value": value, "low": low, "high": high, "n": told.n, "unit": "%"}
