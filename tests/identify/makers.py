"""A library whose barcodes are made by hand, and traces of answers that nobody reckoned."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from merian.barcode import align
from merian.identify.determination import Determination, Match, Outcome, Trace
from merian.library import Library

RANKS = ("kingdom", "phylum", "family", "genus", "species")
PATH = ("Animalia", "Arthropoda", "Aidae", "Aus", "Aus bus")


def bases(seed: int, length: int = 300) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=length))


def changed(sequence: str, *places: int) -> str:
    """The sequence with another base at each place."""
    letters = list(sequence)
    for place in places:
        letters[place] = "CGTA"["ACGT".index(letters[place])]
    return "".join(letters)


def header(species: str, genus: str = "Aus", family: str = "Aidae", more: str = "") -> str:
    return f"tax=k:Animalia,p:Arthropoda,f:{family},g:{genus},s:{species.replace(' ', '_')}{more}"


def write_references(path: Path, rows: Sequence[tuple[str, str, str]]) -> Path:
    path.write_text("".join(f">{key};{names};\n{text}\n" for key, names, text in rows))
    return path


def matches_of(library: Library, query: str) -> list[Match]:
    """All references that align, the nearest first."""
    found = align(query, library.sequences())
    order = sorted(range(len(library)), key=lambda e: (-found.identity[e], e))
    return [
        Match(
            entry,
            library.records_of(entry)[0].id,
            library.name_of(entry),
            float(found.identity[entry]),
            int(found.overlap[entry]),
            int(found.mismatches[entry]),
            bool(found.reverse[entry]),
        )
        for entry in order
        if found.overlap[entry]
    ]


def known(name: str, probability: float) -> Outcome:
    return Outcome("species", name, False, "", probability)


def new(rank: str, name: str, probability: float) -> Outcome:
    return Outcome(rank, name, True, "", probability)


def group(name: str, called: str, probability: float) -> Outcome:
    return Outcome("genus", name, False, called, probability)


def trace_of(
    library: Library,
    query: str,
    outcomes: Sequence[Outcome],
    stood: str = "genus",
    path: Sequence[str] = PATH,
) -> Trace:
    """A trace of a query with these outcomes, all in one genus or above it."""
    matches = matches_of(library, query)
    first = outcomes[0].probability
    below = {"species": first, "genus": sum(o.probability for o in outcomes if o.name != "Aidae")}
    taxa = [
        (rank, name, min(1.0, below.get(rank, 1.0))) for rank, name in zip(RANKS, path, strict=True)
    ]
    at = RANKS.index(stood) if stood else -1
    determination = Determination(
        node=-1,
        rank=stood,
        name=path[at] if stood else "",
        probability=taxa[at][2] if stood else 1.0,
        names=dict(zip(RANKS, path, strict=True)),
        probabilities={rank: p for rank, _, p in taxa},
        runner_up="",
        runner_up_probability=0.0,
        group="",
        verdict="Its species is in the library.",
        flags=("shared-barcode",),
        explanation=f"It is {path[at] if stood else 'nothing'} at least.",
        matches=matches[:5],
        alpha=0.05,
    )
    placed = [replace(one, node=_node_of(library, one)) for one in outcomes]
    return Trace(query, determination, taxa, dict.fromkeys(RANKS, 0.9), placed, matches)


def _node_of(library: Library, outcome: Outcome) -> int:
    taxonomy = library.taxonomy
    found = taxonomy.find(outcome.name) if outcome.name else ()
    return next((int(n) for n in found if taxonomy.rank_of(int(n)) == outcome.rank), -1)


def grown(
    families: int = 4, each: int = 3, records: int = 3, length: int = 300
) -> dict[str, list[tuple[str, str, str]]]:
    """Species by name, with their records: barcodes that drifted apart along a tree."""
    draw = random.Random(11)

    def drifted(sequence: str, share: float) -> str:
        return changed(sequence, *draw.sample(range(length), round(share * length)))

    found: dict[str, list[tuple[str, str, str]]] = {}
    root = bases(12, length)
    for f in range(families):
        family, names = drifted(root, 0.15), f"F{'abcdefgh'[f]}idae"
        for g in range(each):
            genus, called = drifted(family, 0.08), f"G{'abcdefgh'[f]}{'abcdefgh'[g]}us"
            for s in range(each):
                species, name = drifted(genus, 0.04), f"{called} {'abcdefgh'[s]}is"
                found[name] = [
                    (f"{called}{s}{r}", header(name, called, names), drifted(species, 0.004))
                    for r in range(records)
                ]
    return found
