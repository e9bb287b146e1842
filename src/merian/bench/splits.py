"""Known and unknown species: which barcodes are asked, and which may answer.

The two protocols by which barcode identification is measured. Closed: a fifth of the barcodes of
each species with two or more is asked, and the rest answers. Open: of each genus with two or more
species a fifth of the species is withheld and asked, so that the best right answer is the genus.
Equal sequences of a species count once.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from merian.barcode import nearest
from merian.bench.realism import Figure, share_figure

__all__ = ["Answers", "Labelled", "barcode_figures", "closed", "opened", "our_answers", "unique"]


@dataclass(frozen=True)
class Labelled:
    """A barcode and its names."""

    sequence: str
    genus: str
    species: str


@dataclass(frozen=True)
class Answers:
    """The nearest reference of each query, -1 for none, and whether nothing tells them apart."""

    reference: npt.NDArray[np.int64]
    identical: npt.NDArray[np.bool_]


Split = tuple[list[Labelled], list[Labelled]]


def unique(barcodes: Sequence[Labelled]) -> list[Labelled]:
    """Return one barcode of each sequence and species, of those with names."""
    first: dict[tuple[str, str], Labelled] = {}
    for barcode in barcodes:
        if barcode.species and barcode.genus:
            first.setdefault((barcode.sequence, barcode.species), barcode)
    return list(first.values())


def closed(barcodes: Sequence[Labelled], seed: int) -> Split:
    """Return references and queries; every species of a query has a reference."""
    rng = np.random.default_rng(1000 + seed)
    members: dict[str, list[int]] = {}
    for number, barcode in enumerate(barcodes):
        members.setdefault(barcode.species, []).append(number)
    asked: set[int] = set()
    for _, numbers in sorted(members.items()):
        if len(numbers) > 1:
            fifth = max(1, round(0.2 * len(numbers)))
            asked.update(rng.choice(numbers, fifth, replace=False).tolist())
    return (
        [barcode for number, barcode in enumerate(barcodes) if number not in asked],
        [barcode for number, barcode in enumerate(barcodes) if number in asked],
    )


def opened(barcodes: Sequence[Labelled], seed: int) -> Split:
    """Return references and queries; no species of a query has a reference, every genus has."""
    rng = np.random.default_rng(1000 + seed)
    members: dict[str, set[str]] = {}
    for barcode in barcodes:
        members.setdefault(barcode.genus, set()).add(barcode.species)
    withheld: set[str] = set()
    for _, species in sorted(members.items()):
        if len(species) > 1:
            fifth = max(1, round(0.2 * len(species)))
            withheld.update(rng.choice(sorted(species), fifth, replace=False).tolist())
    return (
        [barcode for barcode in barcodes if barcode.species not in withheld],
        [barcode for barcode in barcodes if barcode.species in withheld],
    )


def our_answers(references: Sequence[Labelled], queries: Sequence[Labelled]) -> Answers:
    """Return what our own nearest neighbour says."""
    found = nearest([q.sequence for q in queries], [r.sequence for r in references], count=1)
    best = found.index[:, 0].astype(np.int64)
    return Answers(best, (best >= 0) & (found.mismatches[:, 0] == 0))


def vsearch_answers(references: Sequence[Labelled], queries: Sequence[Labelled]) -> Answers:
    """Return what vsearch says, where it is installed."""
    best = np.full(len(queries), -1, np.int64)
    identity = np.zeros(len(queries))
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        folder = Path(made)
        for name, barcodes in (("query", queries), ("reference", references)):
            records = (f">{number}\n{b.sequence}\n" for number, b in enumerate(barcodes))
            (folder / name).write_text("".join(records), encoding="ascii")
        subprocess.run(
            "vsearch --usearch_global query --db reference --id 0.5 --maxaccepts 8 "
            "--maxrejects 64 --maxhits 8 --strand both --threads 1 --quiet "
            "--userout hits --userfields query+target+id".split(),
            cwd=folder,
            check=True,
        )
        for line in (folder / "hits").read_text(encoding="ascii").splitlines():
            query, target, percent = line.split("\t")
            if float(percent) > identity[int(query)]:
                best[int(query)], identity[int(query)] = int(target), float(percent)
    return Answers(best, identity == 100)


def barcode_figures(
    sets: Sequence[Sequence[Labelled]], seed: int, rounds: int = 3, vsearch: bool = True
) -> dict[str, Figure]:
    """Return how hard barcodes are for a nearest neighbour, ours and vsearch's if installed.

    A figure for which nothing could be asked is left out.

    Args:
        sets: Barcodes with their names, one list a world; each is asked by itself, and the
            answers are taken together.
        seed: Of the first split.
        rounds: How many splits are taken together, as one rests on few withheld species.
        vsearch: Whether to ask vsearch too.
    """
    kept = [unique(barcodes) for barcodes in sets]
    askers = {"": our_answers}
    if vsearch and shutil.which("vsearch"):
        askers[", vsearch"] = vsearch_answers
    figures = {}
    for by, ask in askers.items():
        known = [_asked(closed(one, seed + i), ask) for one in kept for i in range(rounds)]
        new = [_asked(opened(one, seed + i), ask) for one in kept for i in range(rounds)]
        for name, answered, column, unit in (
            ("species of the known", known, 1, "% of queries, closed"),
            ("genus of the unknown", new, 2, "% of queries, open"),
            ("unknown identical to a named species", new, 3, "% of queries, open"),
        ):
            right = np.concatenate([one[column] for one in answered])
            # Genera of different worlds may have one name.
            genera = np.concatenate(
                [[f"{i // rounds} {genus}" for genus in one[0]] for i, one in enumerate(answered)]
            )
            if len(right):
                figures[name + by] = share_figure(right, unit, genera)
    return figures


def _asked(split: Split, ask: Callable[..., Answers]) -> tuple[npt.NDArray[Any], ...]:
    """Return each query's genus, whether species and genus are right, and whether identical."""
    references, queries = split
    answers = ask(references, queries)
    right = []
    for rank in ("species", "genus"):
        given = np.array([*(getattr(r, rank) for r in references), ""])[answers.reference]
        right.append(given == np.array([getattr(q, rank) for q in queries]))
    return np.array([q.genus for q in queries]), *right, answers.identical
