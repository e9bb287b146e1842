"""Coverage: which species of a list no library or model here can name, and what comes closest.

A species that is lacking is not lost: its genus may be there, and an answer at genus is right. So
it is told for each species of the list how far down it can be named, by barcodes, by pictures and
by models, and which relative is nearest to what is missing: of the lowest taxon that both share,
the species with most references. Names are matched as everywhere (see `merian.taxonomy.match`), so
synonyms and spellings count; a checklist adds the synonyms that libraries do not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merian.errors import InputError
from merian.formats.delimited import write_delimited
from merian.identify.learning_across import answers_pictures
from merian.identify.place_evidence import binomial
from merian.identify.sightings import Sightings
from merian.library import Library
from merian.taxonomy import MAIN_RANKS, Taxonomy, match_names

__all__ = ["COLUMNS", "KINDS", "Coverage", "Known", "Local", "cover", "of_library", "of_model",
           "write_coverage"]  # fmt: skip

KINDS = ("barcodes", "pictures", "models")
"""What may name a species."""

COLUMNS = (
    "species", "records", "named_at", *KINDS, "known_as", "known_by", "closest", "shares"
)  # fmt: skip
"""Those of the table: the lowest rank that can be named by any kind and by each, what the species
is called there and where, the closest relative that is there, and the taxon that both share."""

_UP = tuple(reversed(MAIN_RANKS))
_FOUND = ("EXACT", "VARIANT")


@dataclass(frozen=True)
class Local:
    """A species of the list.

    Attributes:
        name: The species.
        records: How many there are in the list.
        named_at: By kind, the lowest rank that can be named; "" for none.
        known_as: What it is called where it is known, if that is another name.
        known_by: Which library or model has it, or the lowest taxon of it.
        closest: The closest relative that is there; "" where the species itself is.
        shares: Rank and name of the lowest taxon that both share.
    """

    name: str
    records: int
    named_at: Mapping[str, str]
    known_as: str
    known_by: str
    closest: str
    shares: str

    @property
    def best(self) -> str:
        """The lowest rank that can be named by anything; "" for none."""
        return next((rank for rank in _UP if rank in self.named_at.values()), "")


@dataclass(frozen=True, eq=False)
class Known:
    """What a library or a model can name.

    Attributes:
        label: What it is called.
        kinds: Which of `KINDS` it answers.
        names: By rank, each name in small letters, with how it is written, the species below it
            that has most references, and how many these are.
        taxonomy: What names are matched to, if it has one.
    """

    label: str
    kinds: tuple[str, ...]
    names: Mapping[str, Mapping[str, tuple[str, str, int]]]
    taxonomy: Taxonomy | None = None


@dataclass(frozen=True)
class Coverage:
    """What a list's species can be named to.

    Attributes:
        species: What can be named least comes first; of these, what has most records.
        left_out: How many taxa of the list are no species.
        kinds: Of which kinds anything was given.
    """

    species: Sequence[Local]
    left_out: int
    kinds: tuple[str, ...]

    def by_rank(self, kind: str | None = None) -> dict[str, tuple[int, int]]:
        """Return species and records by the rank that can be named, by one kind or by any."""
        found = dict.fromkeys((*_UP, ""), (0, 0))
        for one in self.species:
            rank = one.best if kind is None else one.named_at.get(kind, "")
            species, records = found[rank]
            found[rank] = species + 1, records + one.records
        return {rank: counts for rank, counts in found.items() if counts[0]}


# -- what is known --------------------------------------------------------------------------------


def of_library(name: str, library: Library) -> Known:
    """Return what a library can name."""
    nodes, entry = np.unique(library.node, return_inverse=True)
    many = np.bincount(entry.reshape(-1), library.multiplicity.astype(np.float64))
    taxonomy = library.taxonomy
    species = taxonomy.at_rank(nodes, "species")
    of_species: dict[int, int] = {}
    for own, count in zip(species.tolist(), many.tolist(), strict=True):
        if own >= 0:
            of_species[own] = of_species.get(own, 0) + int(count)
    held: dict[str, dict[str, tuple[str, str, int]]] = {}
    for rank in MAIN_RANKS:
        names = held.setdefault(rank, {})
        for own, at in zip(species.tolist(), taxonomy.at_rank(nodes, rank).tolist(), strict=True):
            if at < 0:
                continue
            best = (taxonomy.name_of(own), of_species[own]) if own >= 0 else ("", 0)
            _keep(names, taxonomy.name_of(at), *best)
    kinds: tuple[str, ...] = ("pictures",) if library.kind == "picture" else ("barcodes",)
    if answers_pictures(library):
        kinds = ("barcodes", "pictures")
    return Known(name, kinds, held, taxonomy)


def of_model(name: str, card: Mapping[str, Any]) -> Known:
    """Return what a model can name: the classes of its heads.

    Args:
        name: What it is called.
        card: As `merian train` leaves it.
    """
    heads = (card.get("objective") or {}).get("heads") or {}
    labels = heads.get("labels")
    if not labels:
        raise InputError(
            f"{name}: the model has no head that names anything; give the library that was built "
            "with it: --library"
        )
    held: dict[str, dict[str, tuple[str, str, int]]] = {}
    for rank, names in zip(labels["ranks"], labels["names"], strict=True):
        for one in names:
            plain = str(one).replace("_", " ")
            species = plain if rank == "species" else ""
            _keep(held.setdefault(rank, {}), plain, species, 1)
            if rank == "species":  # a genus is named by the species of it
                _keep(held.setdefault("genus", {}), plain.split()[0], species, 1)
    return Known(name, ("models",), held)


def _keep(names: dict[str, tuple[str, str, int]], name: str, species: str, count: int) -> None:
    """Remember a taxon, and the species of it with most references."""
    key = name.casefold()
    had = names.get(key, (name, "", 0))
    better = count > had[2] or (count == had[2] and species < had[1]) or not had[1]
    names[key] = (name, species, count) if better else had


# -- the list -------------------------------------------------------------------------------------


def cover(
    sightings: Sightings, known: Sequence[Known], checklist: Taxonomy | None = None
) -> Coverage:
    """Find out how far down each species of a list can be named.

    Args:
        sightings: The list.
        known: What there is.
        checklist: Whose synonyms and classification count too.
    """
    if not known:
        raise InputError("give what is to name them: --library FOLDER, or --model RUN")
    counts: dict[str, int] = {}
    above: dict[str, dict[str, str]] = {}
    left_out = 0
    for name, told, many in zip(
        sightings.names, sightings.above, sightings.count.tolist(), strict=True
    ):
        plain = binomial(name)
        if not plain:
            left_out += 1
            continue
        counts[plain] = counts.get(plain, 0) + many
        above.setdefault(plain, {}).update({"genus": plain.split()[0], **told})
    if not counts:
        raise InputError(
            f"{sightings.path}: none of its {left_out:,} names is that of a species "
            f"({', '.join(sightings.names[:3])} ...)"
        )
    names = sorted(counts)
    spelt = [*_spellings(names, above, checklist)]
    found = [_matched(one, names, above) for one in known]
    kinds = tuple(kind for kind in KINDS if any(kind in one.kinds for one in known))
    species = [
        _local(name, counts[name], above[name], spelt[place], known, [f[place] for f in found])
        for place, name in enumerate(names)
    ]
    order = {rank: depth for depth, rank in enumerate(("", *MAIN_RANKS))}
    species.sort(key=lambda one: (order[one.best], -one.records, one.name))
    return Coverage(species, left_out, kinds)


def _spellings(
    names: Sequence[str], above: dict[str, dict[str, str]], checklist: Taxonomy | None
) -> Iterator[list[str]]:
    """Return all names of each species; what stands above it in the checklist is remembered."""
    if checklist is None:
        yield from ([name] for name in names)
        return
    hints = {rank: [above[name].get(rank) for name in names] for rank in ("kingdom", "phylum")}
    answers = match_names(checklist, names, hints)
    for name, node, kind in zip(names, answers.node.tolist(), answers.match_type, strict=True):
        if node < 0 or kind not in _FOUND:
            yield [name]
            continue
        taxon = int(checklist.accepted[node])
        for up in checklist.path(taxon):
            if checklist.rank_of(up) in MAIN_RANKS:
                above[name].setdefault(checklist.rank_of(up), checklist.name_of(up))
        if (genus := int(checklist.at_rank([taxon], "genus")[0])) >= 0:
            above[name]["genus"] = checklist.name_of(genus)
        others = [checklist.name_of(int(one)) for one in (taxon, *checklist.synonyms(taxon))]
        yield [*dict.fromkeys([name, *others])]


def _matched(
    known: Known, names: Sequence[str], above: Mapping[str, Mapping[str, str]]
) -> list[int]:
    """Return which taxon of a library's own tree each name is; -1 for none."""
    if known.taxonomy is None:
        return [-1] * len(names)
    hints = {rank: [above[name].get(rank) for name in names] for rank in ("kingdom", "phylum")}
    answers = match_names(known.taxonomy, names, hints)
    return [
        int(known.taxonomy.accepted[node]) if node >= 0 and kind in _FOUND else -1
        for node, kind in zip(answers.node.tolist(), answers.match_type, strict=True)
    ]


def _local(
    name: str,
    records: int,
    above: Mapping[str, str],
    spelt: Sequence[str],
    known: Sequence[Known],
    nodes: Sequence[int],
) -> Local:
    """Return how far down one species can be named."""
    named_at: dict[str, str] = {}
    best: tuple[int, str, str, str, str] = (len(_UP), "", "", "", "")
    for one, node in zip(known, nodes, strict=True):
        depth, taxon, relative = _lowest(one, node, above, spelt)
        for kind in one.kinds:
            had = named_at.get(kind, "")
            if depth < len(_UP) and (not had or depth < _UP.index(had)):
                named_at[kind] = _UP[depth]
        if depth < best[0]:
            best = depth, taxon, relative, one.label, f"{_UP[depth]} {taxon}"
    depth, taxon, relative, label, shares = best
    if depth == 0:
        return Local(name, records, named_at, taxon if taxon != name else "", label, "", "")
    return Local(name, records, named_at, "", label, relative, shares)


def _lowest(
    known: Known, node: int, above: Mapping[str, str], spelt: Sequence[str]
) -> tuple[int, str, str]:
    """Return how far up the lowest taxon is that is known, its name, and a species of it."""
    own = dict(above)
    taxonomy = known.taxonomy
    asked = list(spelt)
    if taxonomy is not None and node >= 0:
        for up in taxonomy.path(node):
            if taxonomy.rank_of(up) in MAIN_RANKS:
                own[taxonomy.rank_of(up)] = taxonomy.name_of(up)
        asked.append(own.get("species", ""))
    if taxonomy is not None:  # another name of it may be one that the library knows as a synonym
        for name in spelt[1:]:
            found = taxonomy.accepted[taxonomy.find(name)].tolist()
            asked += [taxonomy.name_of(int(one)) for one in found]
    for depth, rank in enumerate(_UP):
        held = known.names.get(rank, {})
        for name in asked if rank == "species" else [own.get(rank, "")]:
            if name.casefold() in held:
                written, relative, _ = held[name.casefold()]
                return depth, written, relative
    return len(_UP), "", ""


def write_coverage(coverage: Coverage, out: Path) -> int:
    """Write the table, tab-separated, and return how many rows it has."""
    rows = (
        [one.name, one.records, one.best, *(one.named_at.get(kind, "") for kind in KINDS),
         one.known_as, one.known_by, one.closest, one.shares]
        for one in coverage.species
    )  # fmt: skip
    return write_delimited(out, COLUMNS, rows, "\t")
