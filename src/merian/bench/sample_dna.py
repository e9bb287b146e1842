"""Whether the DNA list of a sample helps to name its pictures, as soft evidence or as a mask.

Pitfall traps (Blair et al. 2024, CV-DNA-Hybrid): specimens of five events with their pictures, and
DNA lists of 150 events over 17 taxa. Every event is asked with a head (on the vectors of the
encoder that ships, and the size of the crop) and a detectability that did not see it. Arms: the
pictures alone; a hard mask, by which what is not listed cannot be; the soft list, learnt from the
other pictured events and from all other lists; the same, where the taxa that the pictures of the
other events show are at hand (`image_multilab_order.json` of the same repository, beside the
table); and a mask of the true taxa of the event, which no DNA reaches.

How far the numbers of detectability go, and what holds the head back, is chosen within the other
events, each time. How many axes the head has was fixed before. Three ways to end the iterations of
detectability were seen on these events, which moved the second soft list by nothing and the first
by a point; the one that is kept came last. Intervals draw events, and five are few.

Counts of the five events are asked for too, with none and with a fifth of the specimens validated:
of answers, corrected, and corrected with the soft list; and how many taxa there are.

Of 150 events it is asked how probably a taxon is there: by how common it is, by the list.

Refined is what the published rule refines: to the finest rank on which all that is listed under the
named taxon agrees. Such a name can be right only where the taxon is; where it is, and the lineage
of the specimen tells the rank, the two are compared.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.bench.pitfall_events import UNTOLD, PitfallEvents, refine
from merian.identify.composition import Composition, Counts, compose
from merian.identify.detectability import Listings, learn_detectability, weighed
from merian.image.transforms import square
from merian.learn.bootstrap import Interval, mean_difference, mean_interval
from merian.learn.logistic import fit_logistic
from merian.pictures import decode
from merian.tensors import map_tensors, write_tensors
from merian.threads import one_blas_thread

__all__ = ["NAME", "PEERS", "WORKING", "run"]

NAME = "sample-dna"
WORKING = ("data", "work", "draws")

# Blair et al. 2024, 17 taxa, 28 events to validate on, networks trained on thousands of pictures of
# these traps: another training set, so that only the differences are to be compared.
PEERS = {
    "CV.eDNA (another training set), accuracy": {
        "pictures alone": 77.4, "with DNA lists": 79.6, "with lists without error": 83.6,
    },
    "CV.eDNA, refined by the list": {"at most": 72.2, "to species, at most": 5.7},
}  # fmt: skip

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Figures = dict[str, dict[str, object]]

_DATA = Path("../shared/data/traits/pitfall_crops")
_AXES = 24  # of the vectors: a fifth of the pictures of the smallest part to learn from
_HELD = (0.01, 0.03, 0.1, 0.3)
_SIZE = 224
_PARTS = 10


def run(
    *, data: Path = _DATA, work: Path | None = None, draws: int = 1000, seed: int = 0
) -> Figures:
    """Ask every event with what the others tell.

    Args:
        data: The folder of the tables and crops.
        work: Where the vectors of the pictures are kept; made each time if not given.
        draws: For the intervals.
        seed: Of the draws.
    """
    told = PitfallEvents(data)
    kept = None if work is None else work / "vectors.safetensors"
    if kept is not None and kept.is_file():
        vectors = np.asarray(map_tensors(kept)["vectors"])
    else:
        vectors = _vectors(told)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_tensors(kept, {"vectors": vectors}, "merian-bench-vectors 1")
    with one_blas_thread():
        chances = _by_pictures(told, vectors)
        figures = _naming(told, chances, draws, seed) | _counting(told, chances, seed)
        if told.shown is not None:
            figures |= _presence(told.shown, draws, seed)
    return figures


def _vectors(told: PitfallEvents) -> NDArray[np.float32]:
    """Return the vectors of the crops, and after them the logarithms of their sides."""
    from merian.learn.saved import load_model  # noqa: PLC0415 - torch is an extra

    eye = load_model("efficientnet-lite0", "cpu", "float32", "torch")
    found = []
    for file in told.files:
        picture = decode(file.read_bytes())
        # All crops have one scale, so that their size is that of the animal.
        sides = np.sort(np.log(_sides(picture)))
        vector = eye.encode([square(picture, _SIZE)])[0]
        found.append(np.concatenate([vector, [sides.mean(), sides[1] - sides[0]]]))
    return np.asarray(found, np.float32)


def _sides(picture: Image.Image) -> Floats:
    return np.asarray(picture.size, np.float64)


# -- the head ------------------------------------------------------------------------------------


def _by_pictures(told: PitfallEvents, vectors: NDArray[np.float32]) -> Floats:
    """Return float64[specimens, taxa]: by a head of the other events."""
    found = np.zeros((len(told.truth), len(told.taxa)))
    for event in np.unique(told.events):
        learn, asked = told.events != event, told.events == event
        held = min(_HELD, key=lambda one: _inner_loss(told, vectors, learn, one))
        found[asked] = _head(vectors, told.truth, learn, asked, held, len(told.taxa))
    return found


def _inner_loss(
    told: PitfallEvents, vectors: NDArray[np.float32], inside: NDArray[np.bool_], held: float
) -> float:
    """Return the mean of -log p of what a head says of each of some events by the others."""
    loss = []
    for event in np.unique(told.events[inside]):
        learn, asked = inside & (told.events != event), inside & (told.events == event)
        p = _head(vectors, told.truth, learn, asked, held, len(told.taxa))
        loss.append(-np.log(p[np.arange(len(p)), told.truth[asked]]))
    return float(np.concatenate(loss).mean())


def _head(
    vectors: NDArray[np.float32],
    truth: Ints,
    learn: NDArray[np.bool_],
    asked: NDArray[np.bool_],
    held: float,
    taxa: int,
) -> Floats:
    """Return what a head says; what it never met has as much as what it met once (Good, 1953)."""
    known = vectors[learn].astype(np.float64)
    middle, spread = known.mean(0), known.std(0)
    spread[spread == 0] = 1
    scaled = (vectors - middle) / spread
    axes = np.linalg.svd(scaled[learn, :-2], full_matrices=False)[2][:_AXES].T
    turned = scaled[:, :-2] @ axes
    turned = np.hstack([turned / turned[learn].std(), scaled[:, -2:]])
    met, number = np.unique(truth[learn], return_inverse=True)
    head = fit_logistic(turned[learn], number, len(met), held)
    once = (np.bincount(number) == 1).sum() + 1
    rest = once / (learn.sum() + once)
    found = np.full((int(asked.sum()), taxa), 0.0)
    found[:, met] = np.exp(head.logs(turned[asked])) * (1 - rest)
    new = np.setdiff1d(np.arange(taxa), met)
    found[:, new] = rest / max(1, len(new))
    told: Floats = found / found.sum(axis=1, keepdims=True)
    return told


# -- with the lists ------------------------------------------------------------------------------


def _arms(told: PitfallEvents, chances: Floats) -> dict[str, Floats]:
    """Return what each arm says of the specimens."""
    names = list(told.lists.samples)
    at = np.array([names.index(event) for event in told.events])
    arms = {"pictures alone": chances}
    arms["hard mask"] = _masked(chances, told.lists.listed[at])
    arms["soft list"] = weighed(chances, _by_lists(told, told.lists)[0][at])
    if told.shown is not None:
        arms["soft list, pictures of all other events"] = weighed(
            chances, _by_lists(told, told.shown)[0][at]
        )
    arms["mask of the truth"] = _masked(chances, told.lists.present[at])
    return arms


def _by_lists(told: PitfallEvents, known: Listings) -> tuple[Floats, Floats]:
    """Return what lists say of the pictured events, each by all others.

    Returns:
        The evidence of each taxon, float64[events, taxa], and how probably it is there.
    """
    evidence, present = np.zeros(known.listed.shape), np.zeros(known.listed.shape)
    for event in np.unique(told.events):
        mine = np.array([name == event for name in known.samples])
        learnt = learn_detectability(known.only(~mine))
        evidence[mine] = learnt.evidence(known.listed[mine])
        present[mine] = learnt.presence(known.listed[mine])
    return evidence, present


def _masked(chances: Floats, there: Floats) -> Floats:
    """Return what is left of the chances where some taxa cannot be; all where nothing is left."""
    left = chances * (there > 0)
    total = left.sum(axis=1, keepdims=True)
    found: Floats = np.where(total > 0, left / np.maximum(total, 1e-300), chances)
    return found


def _naming(told: PitfallEvents, chances: Floats, draws: int, seed: int) -> Figures:
    """Return the accuracy of each arm, against the pictures alone and against the mask."""
    rows = np.arange(len(told.truth))
    figures: Figures = {
        "specimens": {"value": len(rows), "unit": "with a crop"},
        "events with crops": {"value": len(np.unique(told.events))},
        "of a taxon that the list has": _percent(
            mean_interval(_of_list(told), told.events, rounds=draws, seed=seed)
        ),
    }
    arms = _arms(told, chances)
    right = {name: (p.argmax(axis=1) == told.truth).astype(float) for name, p in arms.items()}
    for name, p in arms.items():
        figures[f"{name}: accuracy"] = _percent(
            mean_interval(right[name], told.events, rounds=draws, seed=seed)
        )
        loss = -np.log(np.maximum(p[rows, told.truth], 1e-3))
        figures[f"{name}: -log p, at most 6.9"] = _plain(
            mean_interval(loss, told.events, rounds=draws, seed=seed)
        )
        for other in ("pictures alone", "hard mask"):
            if name.startswith("soft"):
                figures[f"{name}: accuracy above {other}"] = _percent(
                    mean_difference(right[name], right[other], told.events, rounds=draws, seed=seed)
                )
    for event in np.unique(told.events):
        mine = told.events == event
        for name in right:
            figures[f"{event}: {name}"] = {
                "value": round(100 * float(right[name][mine].mean()), 1), "n": int(mine.sum()),
                "unit": "%",
            }  # fmt: skip
    for name in arms:
        if name != "mask of the truth":
            figures |= _refined(told, arms[name].argmax(axis=1), name)
    return figures | _refined(told, told.truth, "true names")


def _of_list(told: PitfallEvents) -> Floats:
    names = list(told.lists.samples)
    at = np.array([names.index(event) for event in told.events])
    found: Floats = told.lists.listed[at, told.truth]
    return found


def _percent(one: Interval) -> dict[str, object]:
    return {
        "value": round(100 * one.value, 1), "low": round(100 * one.low, 1),
        "high": round(100 * one.high, 1), "n": one.n, "unit": "%",
    }  # fmt: skip


def _plain(one: Interval) -> dict[str, object]:
    return {
        "value": round(one.value, 3), "low": round(one.low, 3), "high": round(one.high, 3),
        "n": one.n,
    }  # fmt: skip


# -- what the events hold ------------------------------------------------------------------------


def _counting(told: PitfallEvents, chances: Floats, seed: int) -> Figures:
    """Return how far counts of the events are off: answers, corrected, and with the soft list."""
    events, row = np.unique(told.events, return_inverse=True)
    answer, taxa = chances.argmax(axis=1), len(told.taxa)
    true, doubts = np.zeros((len(events), taxa)), np.zeros((taxa, taxa))
    np.add.at(true, (row, told.truth), 1)
    np.add.at(doubts.T, answer, chances)
    at = [list(told.lists.samples).index(event) for event in events]
    chance = _by_lists(told, told.shown or told.lists)[1][at]
    figures: Figures = {}
    looked = np.zeros(len(row), bool)
    for said in ("none validated", "a fifth validated"):
        unseen = np.zeros((len(events), taxa), np.int64)
        seen = np.zeros((len(events), taxa, taxa), np.int64)
        np.add.at(unseen, (row[~looked], answer[~looked]), 1)
        np.add.at(seen, (row[looked], told.truth[looked], answer[looked]), 1)
        counts = Counts(events.tolist(), told.taxa, told.taxa, unseen, seen, doubts)
        figures |= _off(f"{said}, answers", unseen + seen.sum(axis=2), true)
        for name, one in (("alone", compose(counts)), ("list", compose(counts, chance=chance))):
            what = (
                f"{said}, by pictures alone" if name == "alone" else f"{said}, with the soft list"
            )
            figures |= _off(what, one.mean, true) | _held(what, one, true)
        # Every fifth of a random order: those that somebody looks at next.
        looked[np.random.default_rng(seed).permutation(len(row))[: len(row) // 5]] = True
    return figures


def _off(what: str, mean: Floats | Ints, true: Floats) -> Figures:
    off = np.abs(mean - true).sum(axis=1) / (mean + true).sum(axis=1)
    return {f"counts, {what}: Bray-Curtis, mean of events": {
        "value": round(float(off.mean()), 3), "n": len(true),
    }}  # fmt: skip


def _held(what: str, one: Composition, true: Floats) -> Figures:
    """Return whether intervals hold what is true, and how far numbers of taxa are off."""
    inside = (one.low <= true) & (true <= one.high)
    kinds, rich = (true > 0).sum(axis=1), one.richness
    held = (rich[:, 1] <= kinds) & (kinds <= rich[:, 2])
    return {
        f"counts, {what}: true within the interval": {
            "value": round(100 * float(inside.mean()), 1), "n": inside.size, "unit": "%",
        },
        f"taxa, {what}: number off by, mean of events": {
            "value": round(float(np.abs(rich[:, 0] - kinds).mean()), 2), "n": len(true),
        },
        f"taxa, {what}: true number within the interval": {
            "value": int(held.sum()), "n": len(true), "unit": "events",
        },
    }  # fmt: skip


# -- the published rule --------------------------------------------------------------------------


def _refined(told: PitfallEvents, named: Ints, arm: str) -> Figures:
    """Return how many names the rule refines, and how many of these can be and are right."""
    under, right = [], []
    for row, event, taxon, true in zip(told.rows, told.events, named, told.truth, strict=True):
        found = refine(told.detected.get(str(event), []), told.taxa[int(taxon)])
        if found is None or found[1] == told.taxa[int(taxon)]:
            continue
        under.append(float(taxon == true))
        if taxon == true and row[found[0]] not in UNTOLD:
            right.append(float(row[found[0]] == found[1]))
    share = 100 * len(under) / len(named)
    figures: Figures = {
        f"{arm}: refined": {"value": round(share, 1), "n": len(named), "unit": "%"},
    }
    for what, some in (
        ("refined, of the right taxon", under),
        ("refined, right where told", right),
    ):
        if some:
            figures[f"{arm}: {what}"] = {
                "value": round(100 * float(np.mean(some)), 1), "n": len(some), "unit": "%",
            }  # fmt: skip
    return figures


# -- what is there -------------------------------------------------------------------------------


def _presence(known: Listings, draws: int, seed: int) -> Figures:
    """Return how well lists foretell what the pictures of events show, each event by others."""
    fold = np.arange(len(known.samples)) % _PARTS
    common, alike, soft = (np.zeros(known.listed.shape) for _ in range(3))
    for part in range(_PARTS):
        rest, mine = known.only(fold != part), known.only(fold == part)
        learnt = learn_detectability(rest)
        common[fold == part] = learnt.prevalence
        soft[fold == part] = learnt.presence(mine.listed)
        # The list as it stands, as if it were as good for all taxa: two shares that are counted.
        shares = [
            (rest.present[rest.listed == has].sum() + 1) / ((rest.listed == has).sum() + 2)
            for has in (0, 1)
        ]
        alike[fold == part] = np.where(mine.listed > 0, shares[1], shares[0])
    groups = np.repeat(np.arange(len(known.samples)), len(known.kinds))
    loss = {
        name: -np.log(np.where(known.present > 0, p, 1 - p)).ravel()
        for name, p in (
            ("how common it is", common), ("the list, alike for all taxa", alike),
            ("the soft list", soft),
        )
    }  # fmt: skip
    figures: Figures = {"events with lists": {"value": len(known.samples)}}
    for name, values in loss.items():
        figures[f"there or not, by {name}: -log p"] = _plain(
            mean_interval(values, groups, rounds=draws, seed=seed)
        )
    for name in ("how common it is", "the list, alike for all taxa"):
        figures[f"there or not: -log p that the soft list saves on {name}"] = _plain(
            mean_difference(loss[name], loss["the soft list"], groups, rounds=draws, seed=seed)
        )
    return figures
