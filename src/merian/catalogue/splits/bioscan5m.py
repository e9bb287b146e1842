"""BIOSCAN-5M's partitions: seen and unseen species, by whole barcodes.

The rules, with their numbers (Gharaee et al. 2024, arXiv 2406.12723, and the code published with
it). A barcode counts without N at its ends.

1. A *placeholder* is a name with "malaise" however spelled, that begins in small letters, has a
   digit, two capitals in a row, a capital after the first letter, a dot, ``_`` or ``?``, or aff,
   n. sp, sp ex, gen, sp. and something. No species: **pretrain**. A real name: *seen*.
2. A placeholder with at least 8 records whose genus is the genus of a seen species: *unseen*. All
   other placeholders: **other_heldout**.
3. A seen species with 1 record: **train**.
4. **test**, of seen species with n >= 8 records and b >= 3 barcodes: whole barcodes, up to
   floor(4 + (n - 8) / 4) records and at most 25, at least 3, and no more than
   floor(1 + (b - 2) / 3) barcodes, drawn among the larger half of those that fit. So the test is
   flat, and 1 barcode or 2 are never divided.
5. **val**: of seen species with at least 20 records left, 5 % of these by the same rule, of at
   least 2 barcodes; and barcodes of a single record of species with 7 to 19, up to 5 % of the
   records of all small species. So val is like train, and not like test.
6. Of unseen species: **test_unseen** by rule 4, **val_unseen** 20 % of the rest, **key_unseen** all
   that is left.

Where the published code leaves it open, or would leak: a barcode with several species is never
drawn. With a real one among them it goes to train, and a placeholder that shares a barcode with a
real name is not unseen but other_heldout. Records without a species go where their barcode goes.
The draw is seeded, and does not depend on the order of the records.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from merian.catalogue.splits.by_species import BySpecies, Long, by_species
from merian.catalogue.splits.placing import Placing, Reasons
from merian.catalogue.splits.plan import Part, Plan

__all__ = ["PARTITIONS", "bioscan5m", "drawn", "is_placeholder", "most_tested"]

PARTITIONS = (
    Part("pretrain", 0, "learn"), Part("train", 0, "learn"), Part("val", 0, "tune"),
    Part("test", 0, "test"), Part("key_unseen", 0, "keys"), Part("val_unseen", 0, "tune"),
    Part("test_unseen", 0, "test"), Part("other_heldout", 0, "aside"),
)  # fmt: skip
PRETRAIN, TRAIN, VAL, TEST, KEY_UNSEEN, VAL_UNSEEN, TEST_UNSEEN, HELDOUT = range(8)

_MALAISE = re.compile(r"(?i)m+a+[li]+a+[il]+[sz]+e+")
_SPECIES = re.compile(r"[0-9]|[A-Z][A-Z]|.[A-Z]|[._?]|^[a-z]")
_EITHER = re.compile(
    r"\baff\b|\bn[.\s]+sp\b|\bsp\s+ex\b|\bgen\b|\bsp\b\.?[\s\w]+|affinis\s+[0-9A-Z]+"
)
_VIABLE, _SMALL, _LARGE, _MOST = 8, 7, 20, 25
_VAL, _VAL_UNSEEN = 0.05, 0.2


def is_placeholder(species: str, genus: str = "") -> bool:
    """Return whether a name of a species is a placeholder, by BIOSCAN-5M's rule."""
    own = _MALAISE.search(genus) or (
        genus[:1].islower() and not genus.startswith(("unclassified", "unassigned"))
    )
    return bool(
        own or _MALAISE.search(species) or _SPECIES.search(species)
        or _EITHER.search(species) or _EITHER.search(genus)
    )  # fmt: skip


def most_tested(records: int) -> int:
    """Return how many records of a species are wanted in a test."""
    return 0 if records < _VIABLE else min(4 + (records - _VIABLE) // 4, _MOST)


def bioscan5m(
    plan: Plan,
    piece: npt.NDArray[np.int32],
    species: tuple[npt.NDArray[np.int32], list[str]],
    genus: tuple[npt.NDArray[np.int32], list[str]],
) -> Placing:
    """Divide records as BIOSCAN-5M does.

    Args:
        plan: The seed.
        piece: Of each record: its barcode, and what else hangs together with it.
        species: Of each record, -1 for none; and the names.
        genus: The same.
    """
    rng = np.random.default_rng(plan.seed)
    found = by_species(piece, species[0])
    seen, unseen = _sorted_out(found, species, genus)
    part = np.full(found.pieces, PRETRAIN, np.int8)
    reasons = Reasons()
    why = np.full(found.pieces, reasons.number("no species: to pretrain"), np.int32)

    def put(chosen: Long, where: int, text: str) -> None:
        part[chosen] = where
        why[chosen] = reasons.number(text)

    alone = found.species
    put(np.flatnonzero(alone >= 0), HELDOUT,
        "a placeholder with fewer than 8 records, of no seen genus, or that shares a barcode "
        "with a real name: to other_heldout")  # fmt: skip
    own = np.flatnonzero(alone >= 0)
    put(own[seen[alone[own]]], TRAIN, "seen species, what test and val left: to train")
    put(own[unseen[alone[own]]], KEY_UNSEEN, "unseen species, what test and val left")
    single = own[seen[alone[own]] & (found.records[alone[own]] == 1)]
    put(single, TRAIN, "its species has 1 record: to train")
    _put_shared(found, seen, unseen, put)

    for kind, pieces in found.whole(seen | unseen):
        _draw(found, int(found.records[kind]), pieces, bool(seen[kind]), rng, put)
    _fill_val(found, seen, part, rng, put)
    reason = why[piece]
    followed = (species[0] < 0) & (part[piece] != PRETRAIN)
    reason[followed] = reasons.number("no species, but another record of its barcode has one")
    return Placing(PARTITIONS, part[piece], piece, reason, list(reasons.texts))


def _sorted_out(
    found: BySpecies,
    species: tuple[npt.NDArray[np.int32], list[str]],
    genus: tuple[npt.NDArray[np.int32], list[str]],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which species are seen, and which are unseen."""
    code, names = species
    of_genus, genera = genus
    named = code >= 0
    kinds = len(names)
    pair = np.unique(np.stack([code[named], of_genus[named]], axis=1), axis=0)
    seen = np.ones(kinds, bool)
    for kind, above in pair.tolist():
        if is_placeholder(names[kind], genera[above] if above >= 0 else ""):
            seen[kind] = False
    known = np.zeros(len(genera) + 1, bool)
    known[of_genus[named][seen[code[named]]]] = True
    known[-1] = False  # where there is no genus
    viable = np.bincount(code[named][known[of_genus[named]]], minlength=kinds)
    unseen = ~seen & (viable >= _VIABLE)
    of, within = found.shared()
    real = np.unique(of[seen[within]])
    unseen[within[np.isin(of, real)]] = False
    return seen, unseen


def _put_shared(
    found: BySpecies, seen: npt.NDArray[np.bool_], unseen: npt.NDArray[np.bool_], put: object
) -> None:
    """Place barcodes that several species share."""
    assert callable(put)
    of, within = found.shared()
    all_unseen = np.setdiff1d(of, of[~unseen[within]])
    put(np.setdiff1d(of, all_unseen), HELDOUT, "several placeholders share its barcode")
    put(all_unseen, KEY_UNSEEN, "several unseen species share its barcode: to key_unseen")
    put(np.unique(of[seen[within]]), TRAIN, "its barcode has several species names: to train")


def _draw(
    found: BySpecies,
    records: int,
    pieces: Long,
    seen: bool,
    rng: np.random.Generator,
    put: object,
) -> None:
    """Draw test and val of one species."""
    assert callable(put)
    pieces = pieces[np.lexsort((rng.permutation(len(pieces)), found.size[pieces]))]
    size = found.size[pieces]
    target = most_tested(records)
    most = 4 + (records - _VIABLE) // 3
    barcodes = 1 + (len(pieces) - 2) // 3 if len(pieces) > 2 else 0
    taken = drawn(size, target, 3, most, barcodes, rng)
    told = f"{int(size[taken].sum())} of {records} records" if len(taken) else ""
    put(pieces[taken], TEST if seen else TEST_UNSEEN,
        f"{'seen' if seen else 'unseen'} species, {told} tested")  # fmt: skip
    left = np.setdiff1d(np.arange(len(pieces)), taken)
    rest = records - int(size[taken].sum())
    if seen and rest < _LARGE:
        return
    share = _VAL if seen else _VAL_UNSEEN
    barcodes = max(1, int(share * len(left))) if len(left) > 1 else 0
    chosen = left[drawn(size[left], share * rest, 0, 2 * share * rest, barcodes, rng)]
    told = f"{'seen' if seen else 'unseen'} species, {100 * share:.0f} % of what test left"
    put(pieces[chosen], VAL if seen else VAL_UNSEEN, told)


def drawn(
    size: Long, target: float, least: int, most: float, pieces: int, rng: np.random.Generator
) -> Long:
    """Return which pieces of a species are drawn, by their places.

    Args:
        size: Of each piece, from small to large.
        target: How many records are wanted.
        least: With fewer nothing is drawn.
        most: More are never drawn.
        pieces: How many pieces may be drawn at most.
        rng: What draws.
    """
    left, taken, got = np.arange(len(size)), list[int](), 0
    while len(taken) < pieces and got < target and len(left) > 1:
        fits = left[size[left] <= target - got]
        if not len(fits):
            first = int(left[0])
            if got or size[first] < least or size[first] > most or 2 * size[first] >= size.sum():
                break
            at = first
        elif len(taken) + 1 == pieces:
            at = int(fits[-1])
        else:
            at = int(fits[rng.integers(len(fits) // 2, len(fits))])
        taken.append(at)
        got += int(size[at])
        left = left[left != at]
    return np.array(taken if got >= least else [], np.int64)


def _fill_val(
    found: BySpecies,
    seen: npt.NDArray[np.bool_],
    part: npt.NDArray[np.int8],
    rng: np.random.Generator,
    put: object,
) -> None:
    """Add barcodes of a single record of small species to val."""
    assert callable(put)
    small, small_records = [], int((found.records[seen] == 1).sum())
    for kind, pieces in found.whole(seen):
        left = pieces[part[pieces] == TRAIN]
        rest, tested = (
            int(found.size[left].sum()),
            int(found.size[pieces[part[pieces] == TEST]].sum()),
        )
        if rest < _LARGE and found.records[kind] > 1:
            small_records += rest
        if _SMALL <= rest < _LARGE and tested <= most_tested(int(found.records[kind])):
            single = left[found.size[left] == 1]
            if len(single) and len(left) > 1:
                small.append(int(single[rng.integers(len(single))]))
    wanted = round(_VAL * small_records)
    chosen = rng.permutation(np.array(small, np.int64))[:wanted]
    put(chosen, VAL, "a barcode with one record, of a seen species with 7 to 19: to val")
