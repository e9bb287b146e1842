"""Dividing by declared groups: pieces go whole to one part, and each taxon is cut by the shares.

Pieces that hold the rarest taxa are placed first, large ones before small ones, each to the part
that its rarest taxon still wants most; where a taxon has too few records to be cut by shares, what
the whole lacks decides. It follows iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011,
doi 10.1007/978-3-642-23808-6_10), with whole groups in place of single records, in one pass.

Where there is a part to learn from, it takes what cannot be divided: taxa with fewer records than
were asked for, and taxa whose records hang together in one piece. If these hold more than half of
all records, as BINs of a species each do, whole taxa are dealt by the shares instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from merian.catalogue.splits.placing import Placing, Reasons
from merian.catalogue.splits.plan import Plan

__all__ = ["at_random", "stratified"]

_WHOLE = (
    "most taxa hang together as a whole, so that they cannot be divided: whole taxa are dealt, and "
    "what is tested is mostly not learned"
)
_OF_PART = 0.5  # a piece with a larger share of all records cannot be divided fairly


def stratified(plan: Plan, piece: npt.NDArray[np.int32], label: npt.NDArray[np.int32]) -> Placing:
    """Divide records.

    Args:
        plan: The parts, their shares, and from how many records on a taxon is divided.
        piece: Of each record: what hangs together; numbered from 0 on without gaps.
        label: The taxon of each record, -1 for none.
    """
    from merian.catalogue.splits.loops import fill_parts  # noqa: PLC0415 - loads numba

    taxon = label - int(label.min())  # those without a name are divided like a taxon
    unnamed = int(label.min()) < 0
    taxon, dealt = _dealt(plan, piece, taxon)
    pieces, taxa = int(piece.max()) + 1, int(taxon.max()) + 1
    size = np.bincount(piece, minlength=pieces).astype(np.int32)
    held, records = np.unique(piece.astype(np.int64) * taxa + taxon, return_counts=True)
    of_piece, of_taxon = held // taxa, (held % taxa).astype(np.int32)
    first = np.searchsorted(of_piece, np.arange(pieces + 1))
    total = np.bincount(taxon, minlength=taxa)
    spread = np.bincount(of_taxon, minlength=taxa)  # in how many pieces a taxon is
    leading = _rarest(first, of_taxon, total)

    part = np.full(pieces, -1, np.int8)
    why = np.full(pieces, -1, np.int32)
    reasons = Reasons()
    if plan.first >= 0:
        rare = total < plan.least
        if unnamed:
            rare[taxon[np.argmin(label)]] = False
        lone = (spread == 1) & ~rare & (total > 1)
        if dealt:
            lone[:] = False
        for chosen, text in (
            (lone, "all records of its taxon hang together: to {}"),
            (rare, f"its taxon has fewer than {plan.least} records: to {{}}"),
        ):
            hit = np.unique(of_piece[chosen[of_taxon]])
            part[hit] = plan.first
            why[hit] = reasons.number(text.format(plan.parts[plan.first].name))
    free = np.flatnonzero(part < 0)
    share = _shares(plan, int(size[part >= 0].sum()), len(piece))
    have = np.zeros((taxa, len(plan.parts)))
    placed = np.zeros(len(plan.parts))
    # Those of the first part count, or a taxon would be given to it again.
    fixed = part[of_piece] >= 0
    np.add.at(have, (of_taxon[fixed], part[of_piece[fixed]]), records[fixed])
    tie = np.random.default_rng(plan.seed).permutation(pieces)
    order = free[np.lexsort((tie[free], -size[free], leading[free], total[leading[free]]))]
    fill_parts(
        order.astype(np.int32), leading, size, first.astype(np.int64), of_taxon,
        records.astype(np.int32), total.astype(np.float64), share, have, placed, part,
    )  # fmt: skip
    _explain(why, size, first, reasons)
    reason = why[piece]
    if dealt:
        whole = (taxon == taxa - 1) & (np.bincount(of_piece[~fixed], minlength=pieces) > 0)[piece]
        reason[whole] = reasons.number("its taxon hangs together: whole taxa are dealt by shares")
    return Placing(
        plan.parts, part[piece], piece, reason, list(reasons.texts),
        (*_notes(size, len(piece)), *([_WHOLE] if dealt else [])),
    )  # fmt: skip


def _dealt(
    plan: Plan, piece: npt.NDArray[np.int32], taxon: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], bool]:
    """Return taxa, those that hang together as one, if there are so many that they are dealt."""
    taxa = int(taxon.max()) + 1
    held = np.unique(piece.astype(np.int64) * taxa + taxon)
    total = np.bincount(taxon, minlength=taxa)
    lone = (np.bincount(held % taxa, minlength=taxa) == 1) & (total >= max(plan.least, 2))
    if 2 * int(total[lone].sum()) <= len(taxon) or int(lone.sum()) < len(plan.parts):
        return taxon, False
    merged = np.cumsum(~lone) - 1
    merged[lone] = int((~lone).sum())
    return merged[taxon].astype(np.int32), True


def _rarest(
    first: npt.NDArray[Any], of_taxon: npt.NDArray[np.int32], total: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    """Return the taxon of each piece that has the fewest records; of equal ones the first."""
    # Numbers of taxa are unique, so the least of (records, taxon) is one taxon.
    rank = np.empty(len(total), np.int64)
    order = np.lexsort((np.arange(len(total)), total))
    rank[order] = np.arange(len(total))
    return order[np.minimum.reduceat(rank[of_taxon], first[:-1])].astype(np.int32)


def _shares(plan: Plan, fixed: int, count: int) -> npt.NDArray[np.float64]:
    """Return the shares of what is free, so that with what is fixed the asked ones come out."""
    share = np.array([part.share for part in plan.parts])
    if plan.first < 0 or fixed in (0, count):
        return share
    wanted = share * count
    # No more than half as much again: taxa that can be divided keep most of their records there.
    others = np.minimum(wanted / (count - fixed), 1.5 * share)
    others[plan.first] = 0
    others *= min(1.0, 0.9 / max(others.sum(), 1e-9))
    others[plan.first] = 1 - others.sum()
    return others


def _explain(
    why: npt.NDArray[np.int32],
    size: npt.NDArray[np.int32],
    first: npt.NDArray[Any],
    reasons: Reasons,
) -> None:
    """Say of each piece that was free why it is where it is."""
    left = why < 0
    single = left & (size == 1)
    several = left & (size > 1) & (np.diff(first) == 1)
    mixed = left & (size > 1) & (np.diff(first) > 1)
    for chosen, text in (
        (single, "its taxon was cut by the shares"),
        (several, "its taxon was cut by the shares, with all that hangs together with it"),
        (mixed, "the rarest taxon of all that hangs together with it was cut by the shares"),
    ):
        if chosen.any():
            why[chosen] = reasons.number(text)


def _notes(size: npt.NDArray[np.int32], count: int) -> tuple[str, ...]:
    """Say so if one piece is so large that the shares cannot be kept."""
    largest = int(size.max())
    if largest <= 0.05 * count or count < 20:
        return ()
    told = f"{largest:,} of {count:,} records hang together and are in one part"
    more = (
        "; the shares cannot be kept. Declare fewer groups, or a shorter distance"
        if largest > _OF_PART * count
        else ""
    )
    return (told + more,)


def at_random(plan: Plan, count: int) -> Placing:
    """Place every record by itself: a split that leaks whatever hangs together."""
    share = np.array([part.share for part in plan.parts])
    bounds = np.round(np.cumsum(share) * count).astype(np.int64)
    part = np.empty(count, np.int8)
    part[np.random.default_rng(plan.seed).permutation(count)] = np.searchsorted(
        bounds, np.arange(count), side="right"
    ).clip(max=len(share) - 1)
    text = "drawn by itself, whatever hangs together with it: a random split by record LEAKS"
    return Placing(
        plan.parts, part, np.arange(count, dtype=np.int32), np.zeros(count, np.int32), [text]
    )
