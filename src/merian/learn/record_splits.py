"""Splits of records into what is learned from, what is searched, and what is asked.

A third of the species is unseen: none of their records is learned from, and some of them stand
among the keys. Of the others some records are learned from, some are keys, some are asked. What
moves is the whole barcode: records with one barcode never stand on two sides, since a network
that has read a barcode knows its answer.

References: Gong et al., CLIBD, ICLR 2025, arXiv:2405.17537 (keys and queries, seen and unseen; its
splits are by record); Gharaee et al., BIOSCAN-5M, 2024, arXiv:2406.12723 (by barcode).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.nucleotides import reverse_complement

__all__ = ["PARTS", "RecordSplit", "leaks", "plain_barcode", "split_records"]

PARTS = (
    "aside", "train", "seen keys", "seen val", "seen test", "unseen keys", "unseen val",
    "unseen test",
)  # fmt: skip
_ASIDE, _TRAIN, _SEEN, _UNSEEN = 0, 1, 2, 5  # keys, val and test of seen ones, and of unseen ones
_SIDES = {"train": "train", "keys": "keys", "val": "queries", "test": "queries"}

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class RecordSplit:
    """In which part each record stands.

    Attributes:
        part: int8[n]; its number in PARTS.
    """

    part: NDArray[np.int8]

    def rows(self, *parts: str) -> Numbers:
        """Return the numbers of the records of some parts, in order."""
        wanted = [PARTS.index(part) for part in parts]
        return np.flatnonzero(np.isin(self.part, wanted))

    @property
    def sides(self) -> list[str]:
        """What each record is for: train, keys, queries, or "" for none."""
        return [_SIDES.get(PARTS[part].split()[-1], "") for part in self.part.tolist()]


def plain_barcode(sequence: str) -> str:
    """Return what two reads of one barcode have in common: no gaps, no N at the ends, one strand.

    Reads that begin or end elsewhere are different barcodes here.
    """
    text = "".join(letter for letter in sequence.upper() if letter.isalpha()).strip("N")
    return min(text, reverse_complement(text)) if text else ""


def split_records(
    species: Sequence[str],
    barcodes: Sequence[object],
    *,
    unseen: float = 1 / 3,
    keys: float = 0.2,
    asked: float = 0.2,
    val: float = 0.2,
    seed: int = 0,
) -> RecordSplit:
    """Split records by whole barcode.

    A species needs three barcodes of its own to be asked as a seen one and two to be unseen; with
    fewer it is learned from. A barcode of several species is learned from if none of them is
    unseen, stands among the keys if all are, and is set aside else; so is a record without a
    species. A record without a barcode counts as one with its own.

    Args:
        species: Of each record; "" where not known.
        barcodes: Of each record: what is equal for records with one barcode, as `plain_barcode`
            returns it; "" or None where there is none.
        unseen: Share of the species that nothing is learned from.
        keys: Share of a seen species' records that are searched.
        asked: Share of them that are asked. Of an unseen species half are asked, half searched.
        val: Share of the species that are asked while settings are chosen, and not in the end.
        seed: Of all chance.
    """
    if len(species) != len(barcodes):
        raise InputError(f"{len(species)} species of {len(barcodes)} barcodes; as many expected")
    for name, share in (("unseen", unseen), ("keys", keys), ("asked", asked), ("val", val)):
        if not 0 < share < 1:
            raise InputError(f"a share of {share:g} for {name}; between 0 and 1 expected")
    random = np.random.default_rng(seed)
    names, of_record = np.unique(np.asarray(species, np.str_), return_inverse=True)
    alike = [
        ("", row) if barcode in ("", None) else barcode for row, barcode in enumerate(barcodes)
    ]
    number = {barcode: place for place, barcode in enumerate(dict.fromkeys(alike))}
    group = np.array([number[barcode] for barcode in alike], np.int64)
    named = names[of_record] != ""
    pairs = np.unique(np.stack([group[named], of_record[named]]), axis=1)
    shared = np.bincount(pairs[0], minlength=len(number)) > 1
    own: list[list[int]] = [[] for _ in names]
    for barcode, kind in pairs[:, ~shared[pairs[0]]].T.tolist():
        own[kind].append(barcode)
    size = np.bincount(group[named], minlength=len(number))
    held = _held_out([len(some) for some in own], unseen, random)
    later = random.random(len(names)) < val
    of_group = np.full(len(number), _TRAIN, np.int8)
    for kind, some in enumerate(own):
        # The smallest go first, so that no part is much larger than its share.
        drawn = sorted(random.permutation(some).tolist(), key=lambda one: int(size[one]))
        query = 1 if later[kind] else 2
        if held[kind]:
            _deal(of_group, drawn, size, [(_UNSEEN + query, 0.5)], _UNSEEN)
        elif len(some) > 2:
            wanted = [(_SEEN + query, asked), (_SEEN, keys)]
            _deal(of_group, drawn, size, wanted, _TRAIN)
    hidden = np.zeros(len(number), np.int64)
    np.add.at(hidden, pairs[0], held[pairs[1]])
    several = np.bincount(pairs[0], minlength=len(number))
    of_group[shared & (hidden == several)] = _UNSEEN
    of_group[shared & (hidden > 0) & (hidden < several)] = _ASIDE
    # A barcode that is also of records without a name stays where it is; those are set aside.
    part = np.where(named, of_group[group], _ASIDE)
    return RecordSplit(part.astype(np.int8))


def leaks(sides: Sequence[str], barcodes: Sequence[object]) -> dict[tuple[str, str], int]:
    """Return how many barcodes stand on two sides at once, by the sides; {} if none does.

    Args:
        sides: Of each record, such as train, keys and queries; "" for a record that is not used.
        barcodes: Of each record; "" or None where there is none.
    """
    found: dict[object, set[str]] = {}
    for side, barcode in zip(sides, barcodes, strict=True):
        if side and barcode not in ("", None):
            found.setdefault(barcode, set()).add(side)
    return _counted(found)


def _counted(found: Mapping[object, Iterable[str]]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for where in found.values():
        ordered = sorted(where)
        for place, one in enumerate(ordered):
            for other in ordered[place + 1 :]:
                counts[one, other] = counts.get((one, other), 0) + 1
    return dict(sorted(counts.items()))


def _held_out(
    counts: Sequence[int], share: float, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which species are unseen: a share of those that can be asked at all."""
    able = np.flatnonzero(np.asarray(counts) > 1)
    found = np.zeros(len(counts), bool)
    found[random.permutation(able)[: round(share * len(able))]] = True
    return found


def _deal(
    of_group: NDArray[np.int8],
    drawn: Sequence[int],
    size: NDArray[np.int64],
    wanted: Sequence[tuple[int, float]],
    rest: int,
) -> None:
    """Give a species' barcodes to its parts: each gets one at least, and so does the rest."""
    total, left = int(sum(size[one] for one in drawn)), list(drawn)
    for place, (part, share) in enumerate(wanted):
        had = 0
        still = len(wanted) - place - 1
        while len(left) > still + 1 and (had == 0 or had + size[left[0]] <= round(share * total)):
            one = left.pop(0)
            of_group[one] = part
            had += int(size[one])
    of_group[left] = rest
