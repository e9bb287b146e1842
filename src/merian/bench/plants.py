"""Faults that are planted: wrong labels in a reference, leaks in a test. So the truth is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merian.bench.references import draw_tree, write_queries
from merian.bench.yardstick import Row
from merian.nucleotides import reverse_complement

__all__ = ["HOW", "KINDS", "Planted", "plant_labels", "write_labelled", "write_leaks"]

HOW = ("near", "any")
"""How labels are swapped: with another species of the genus (else family), or with any other."""

# By chance, one that was changed is another training record, or lies in one.
_NEAR = ("near", "contained", "exact")

KINDS: dict[str, tuple[str, ...]] = {
    "equal": ("exact",),
    "equal, other strand": ("exact",),
    "part": ("contained",),
    "part, other strand": ("contained",),
    "whole of a part": ("contained",),
    "near": _NEAR,
    "near, other strand": _NEAR,
    "near, cut at an end": _NEAR,
    "id": ("specimen",),
}
"""The leaks that are planted, and the tables in which they should be told."""

_SPECIES, _GENUS, _FAMILY = 5, 4, 3  # in the names of a row
_MOST = 4  # bases that are changed in a near one: less than 1 % of 408, the shortest that is cut


@dataclass(frozen=True)
class Planted:
    """Rows with wrong labels among them.

    Attributes:
        rows: All, with the labels that they have now.
        names: The right species of the rows whose label is wrong, by their numbers.
    """

    rows: Sequence[Row]
    names: dict[int, str]


def plant_labels(rows: Sequence[Row], share: float, how: str, seed: int) -> Planted:
    """Give some rows the label of another species, its whole lineage.

    Args:
        rows: Id, sequence and names of each.
        share: Of them.
        how: One of `HOW`.
        seed: Of the choice.
    """
    rng = np.random.default_rng(seed)
    lineages: dict[str, list[str]] = {}
    for _, _, names in rows:
        lineages.setdefault(names[_SPECIES], names)
    kin: dict[tuple[int, str], list[str]] = defaultdict(list)
    for species in sorted(lineages):
        for rank in (_GENUS, _FAMILY):
            kin[rank, lineages[species][rank]].append(species)
    found, right = list(rows), {}
    for number in sorted(rng.choice(len(rows), round(share * len(rows)), replace=False).tolist()):
        key, sequence, names = rows[number]
        pools = [sorted(lineages)]
        if how == "near":
            pools = [kin[_GENUS, names[_GENUS]], kin[_FAMILY, names[_FAMILY]], *pools]
        others = next(rest for pool in pools if (rest := [s for s in pool if s != names[_SPECIES]]))
        found[number] = (key, sequence, lineages[others[int(rng.integers(len(others)))]])
        right[number] = names[_SPECIES]
    return Planted(found, right)


def write_labelled(rows: Sequence[Row], ranks: Sequence[str], path: Path) -> None:
    """Write rows as FASTA with SINTAX headers; each is called by its number."""
    with path.open("w", encoding="ascii") as stream:
        for number, (_, sequence, names) in enumerate(rows):
            tax = ",".join(f"{r[0]}:{name}" for r, name in zip(ranks, names, strict=True))
            stream.write(f">{number};tax={tax};\n{sequence}\n")


def write_leaks(train: Path, test: Path, records: int, count: int, each: int, seed: int) -> None:
    """Write a test with leaks of each kind, and records that have nothing to do with the training.

    Args:
        train: The training data, as `merian.bench.references` wrote it.
        test: The file to write; a record is called by its kind and a number.
        records: How many training records there are.
        count: How many test records to write.
        each: How many of them are leaks of each kind.
        seed: Of the choice.
    """
    rng = np.random.default_rng([seed, 3])
    chosen = np.sort(rng.choice(records, each * len(KINDS), replace=False))
    kinds = rng.permutation(np.repeat(np.arange(len(KINDS)), each)).tolist()
    names = list(KINDS)
    # Of another tree, so that nothing of it is near.
    unrelated = test.with_suffix(".unrelated")
    write_queries(draw_tree(count, seed + 1000), unrelated, count - each * len(KINDS), seed)
    with test.open("w", encoding="ascii") as stream:
        for number, (kind, (key, sequence)) in enumerate(
            zip(kinds, _read(train, chosen.tolist()), strict=True)
        ):
            called, text = _leak(names[kind], key, sequence, rng)
            stream.write(f">{called or f'k{kind}_{number}'}\n{text}\n")
        for _, sequence in _read(unrelated, None):
            stream.write(f">u_{stream.tell()}\n{sequence}\n")
    unrelated.unlink()


def _read(path: Path, chosen: Sequence[int] | None) -> Iterator[tuple[str, str]]:
    """Return id and sequence of the records of those numbers, ascending; of all if None."""
    wanted = iter(chosen) if chosen is not None else None
    following = next(wanted, -1) if wanted is not None else -1
    with path.open(encoding="ascii") as stream:
        for number, (head, text) in enumerate(zip(stream, stream, strict=True)):
            if wanted is not None:
                if number != following:
                    continue
                following = next(wanted, -1)
            yield head[1:].split(";")[0].strip(), text.strip()


def _leak(kind: str, key: str, sequence: str, rng: np.random.Generator) -> tuple[str, str]:
    """Return the id of a leak, "" where it has its own, and its sequence."""
    if kind == "id":
        return key, "".join(rng.choice(list("ACGT"), len(sequence)))
    text = sequence
    if kind.startswith("part"):
        begin = int(rng.integers(1, 200))
        text = text[begin : begin + int(rng.integers(120, 400))]
    elif kind == "whole of a part":
        ends = ["".join(rng.choice(list("ACGT"), int(rng.integers(1, 60)))) for _ in range(2)]
        text = ends[0] + text + ends[1]
    elif kind.startswith("near"):
        if kind.endswith("end"):
            text = text[int(rng.integers(50, 250)) :]
        text = _changed(text, rng)
    return "", reverse_complement(text) if kind.endswith("strand") else text


def _changed(text: str, rng: np.random.Generator) -> str:
    """Return a sequence with one to a few other bases."""
    letters = list(text)
    for place in rng.choice(len(text), int(rng.integers(1, _MOST + 1)), replace=False):
        letters[place] = "ACGT".replace(letters[place], "")[int(rng.integers(3))]
    return "".join(letters)
