"""CLIBD's split: seen and unseen species, with keys that answer beside queries that are asked.

The rules, with their numbers (Gong et al. 2024, arXiv 2405.17537, and the code published with it).
No species: **no_split**. Species with 1 record: **single_species**. Of species with at least 10
records 80 % are seen, 10 % are unseen in val and 10 % in test; their records go 70 % to
**train_seen** and 10 % each to **seen_keys**, **val_seen** and **test_seen**. Species with 2 to 9
records are unseen, half of them in val and half in test. Of unseen species half of the records are
asked, in **val_unseen** or **test_unseen**, and half are keys, in **val_unseen_keys** or
**test_unseen_keys**.

The published split was drawn by record, so that the same barcode is learned, asked and a key. Here
barcodes stay whole: a species that has but one barcode is not asked. A barcode with several species
goes to no_split, or to **shared**, which is set aside, if one of them is unseen; records without a
species go where their barcode goes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from merian.catalogue.splits.by_species import by_species, deal
from merian.catalogue.splits.placing import Placing, Reasons
from merian.catalogue.splits.plan import Part, Plan

__all__ = ["CLIBD_PARTS", "clibd"]

CLIBD_PARTS = (
    Part("no_split", 0, "learn"), Part("single_species", 0, "learn"),
    Part("train_seen", 0, "learn"), Part("seen_keys", 0, "keys"),
    Part("val_seen", 0, "tune"), Part("test_seen", 0, "test"),
    Part("val_unseen", 0, "tune"), Part("val_unseen_keys", 0, "keys"),
    Part("test_unseen", 0, "test"), Part("test_unseen_keys", 0, "keys"),
    Part("shared", 0, "aside"),
)  # fmt: skip
NO_SPLIT, SINGLE, TRAIN, KEYS, VAL, TEST, VAL_UNSEEN, VAL_KEYS, TEST_UNSEEN, TEST_KEYS = range(10)
SHARED = 10

_COMMON = 10
_OF_SEEN = ((TRAIN, 0.7), (KEYS, 0.1), (VAL, 0.1), (TEST, 0.1))
_WHERE = {
    TRAIN: _OF_SEEN,
    VAL_UNSEEN: ((VAL_KEYS, 0.5), (VAL_UNSEEN, 0.5)),
    TEST_UNSEEN: ((TEST_KEYS, 0.5), (TEST_UNSEEN, 0.5)),
}
_TOLD = {TRAIN: "seen", VAL_UNSEEN: "unseen in val", TEST_UNSEEN: "unseen in test"}


def clibd(plan: Plan, piece: npt.NDArray[np.int32], species: npt.NDArray[np.int32]) -> Placing:
    """Divide records as CLIBD does, by whole barcodes.

    Args:
        plan: The seed.
        piece: Of each record: its barcode, and what else hangs together with it.
        species: Of each record; -1 for none.
    """
    rng = np.random.default_rng(plan.seed)
    found = by_species(piece, species)
    kind_of = _kinds(found.records, rng)
    reasons = Reasons()
    part = np.full(found.pieces, NO_SPLIT, np.int8)
    why = np.full(found.pieces, reasons.number("no species: to no_split"), np.int32)
    why[found.species == -2] = reasons.number("its barcode has several species: to no_split")
    of, within = found.shared()
    unseen = np.unique(of[np.isin(kind_of[within], (VAL_UNSEEN, TEST_UNSEEN))])
    part[unseen] = SHARED
    why[unseen] = reasons.number("its barcode has several species, one of them unseen: set aside")
    for kind, pieces in found.whole(np.ones(len(kind_of), bool)):
        group = int(kind_of[kind])
        if group == SINGLE:
            part[pieces] = SINGLE
            why[pieces] = reasons.number("its species has 1 record")
            continue
        shares = _WHERE[group]
        dealt = deal(found.size[pieces], tuple(share for _, share in shares), rng)
        part[pieces] = np.array([where for where, _ in shares])[dealt]
        bound = "at least 10" if found.records[kind] >= _COMMON else "2 to 9"
        one = ", one barcode: not asked" if len(pieces) == 1 else ""
        why[pieces] = reasons.number(f"a species with {bound} records, {_TOLD[group]}{one}")
    reason = why[piece]
    followed = (species < 0) & (part[piece] != NO_SPLIT)
    reason[followed] = reasons.number("no species, but another record of its barcode has one")
    return Placing(CLIBD_PARTS, part[piece], piece, reason, list(reasons.texts))


def _kinds(records: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return of each species whether it is seen, unseen in val or in test, or single."""
    kind = np.full(len(records), SINGLE, np.int64)
    common = rng.permutation(np.flatnonzero(records >= _COMMON))
    seen, val = int(0.8 * len(common)), int(0.1 * len(common))
    kind[common[:seen]] = TRAIN
    kind[common[seen : seen + val]] = VAL_UNSEEN
    kind[common[seen + val :]] = TEST_UNSEEN
    rare = rng.permutation(np.flatnonzero((records >= 2) & (records < _COMMON)))
    kind[rare[: len(rare) // 2]] = VAL_UNSEEN
    kind[rare[len(rare) // 2 :]] = TEST_UNSEEN
    return kind
