"""The card of a library: what it covers, what it was made of, and where a promise can be given.

The facts are gathered once and told three ways: as a page, as Markdown, which goes where a data set
is published, and as JSON, which has every rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.identify import Choice, Identifier, lengths
from merian.identify.clades import promise_by_clade
from merian.identify.ladder import ladder_of
from merian.identify.learning_pictures import is_learnt
from merian.library import Library
from merian.stamp import run_id, stamp
from merian.taxonomy import MAIN_RANKS, NONE

__all__ = ["card_of", "clade_rank", "species_records"]

_RANKS = ("phylum", "class", "order", "family")  # told of in JSON
_FEW, _MANY = 3, 40  # clades that a page can show
_RECORDS = ((1, 1, "1"), (2, 2, "2"), (3, 5, "3 to 5"), (6, 10, "6 to 10"), (11, None, "over 10"))

Rows = NDArray[np.int64]


def card_of(library: Library, rank: str | None = None, alpha: float = 0.05) -> dict[str, Any]:
    """Gather the facts.

    Args:
        library: The library.
        rank: Of the clades that are told one by one; chosen if None.
        alpha: What would be promised.
    """
    pictures = library.kind == "picture"
    learnt = not pictures or is_learnt(library)
    identifier = Identifier(library, Choice(alpha)) if learnt else None
    ladder = ladder_of(library) if identifier is None else identifier.ladder
    rank = rank or clade_rank(library, ladder.ranks)
    ranks = [r for r in _RANKS if r in ladder.ranks]
    own = {"kind": "picture", "encoder": library.header["encoder"]} if pictures else {
        "lengths": _lengths(library)
    }  # fmt: skip
    asked = {"library": library.hash, "rank": rank, "alpha": alpha}
    lock = library.taxonomy.lock.as_dict()
    return {
        "merian": stamp("merian-library-card", "1.0", run_id("card", asked), lock),
        "library": {"name": library.folder.name, "hash": library.hash},
        "counts": library.header["counts"],
        **own,
        "records_per_species": _records_per_species(library),
        f"shared_{library.kind}s": int(_is_shared(library).sum()),
        "rank": rank,
        "clades": {r: _clades(library, r) for r in dict.fromkeys([*ranks, rank])},
        "taxonomy": library.header["checklist"] or lock,
        "sources": _sources(library),
        "set_aside": dict(_set_aside(library).most_common()),
        "conflicts": dict(library.header.get("conflicts", {})),
        "settings": library.header["segments"][0]["settings"],
        "promise": None if identifier is None else _promise(identifier, rank),
    }


def clade_rank(library: Library, ranks: Sequence[str]) -> str:
    """Return the lowest rank above the genus with no more taxa than a page can show."""
    taxa = library.header["counts"]["taxa"]
    above = [r for r in MAIN_RANKS if r in ranks and r not in ("genus", "species")]
    fit = [r for r in above if _FEW <= taxa.get(r, 0) <= _MANY]
    return fit[-1] if fit else (above[-1] if above else ranks[0])


# -- what it covers -----------------------------------------------------------------------------


def _lengths(library: Library) -> dict[str, int]:
    quantiles = np.quantile(library.lengths(), (0, 0.05, 0.5, 0.95, 1))
    names = ("shortest", "p05", "median", "p95", "longest")
    return {name: int(q) for name, q in zip(names, quantiles.tolist(), strict=True)}


def species_records(library: Library) -> tuple[Rows, Rows]:
    """Return the species, and how many records each has."""
    named = library.is_named()
    species, number = np.unique(library.node[named], return_inverse=True)
    records = np.bincount(number, library.multiplicity[named], minlength=len(species))
    return species.astype(np.int64), records.astype(np.int64)


def _records_per_species(library: Library) -> dict[str, int]:
    _, records = species_records(library)
    return {
        name: int(((records >= low) & (records <= (high or records.max(initial=0)))).sum())
        for low, high, name in _RECORDS
    }


def _is_shared(library: Library) -> NDArray[np.bool_]:
    """Return of each species, as `species_records` has them, whether another has its barcode."""
    named = library.is_named()
    digest = np.concatenate([segment.digest for segment in library.segments])[named]
    species, own = np.unique(library.node[named], return_inverse=True)
    number = np.unique(digest, axis=0, return_inverse=True)[1].reshape(-1)
    pairs = np.unique(np.stack([number, own], axis=1), axis=0)  # a sequence under a species
    several = np.bincount(pairs[:, 0])[pairs[:, 0]] > 1
    shared = np.zeros(len(species), bool)
    shared[pairs[several, 1]] = True
    return shared


def _clades(library: Library, rank: str) -> list[dict[str, Any]]:
    """Return what is held of each taxon of a rank, the one with most references first."""
    taxonomy = library.taxonomy
    clade = taxonomy.at_rank(library.node, rank)
    genus = taxonomy.at_rank(library.node, "genus")
    family = taxonomy.at_rank(library.node, "family")
    species, records = species_records(library)
    of_species = taxonomy.at_rank(species, rank)
    shared = _is_shared(library)
    order, bounds, taxa = _grouped(clade)
    found = []
    for rows, taxon in zip(np.split(order, bounds), taxa, strict=True):
        own = of_species == taxon
        found.append(
            {
                "name": taxonomy.name_of(taxon) if taxon != NONE else "",
                "above": _above(library, taxon),
                "references": int(library.multiplicity[rows].sum()),
                "named_to_species": int(
                    library.multiplicity[rows][library.unnamed[rows] < 0].sum()
                ),
                "families": _count(family[rows]),
                "genera": _count(genus[rows]),
                "species": int(own.sum()),
                "species_with_one_record": int((own & (records == 1)).sum()),
                f"species_that_share_a_{library.kind}": int((own & shared).sum()),
                "unnamed_groups": _count(library.unnamed[rows]),
                "node": int(taxon),
            }
        )
    return sorted(found, key=lambda row: (row["name"] == "", -row["references"], row["name"]))


def _grouped(values: NDArray[np.int32]) -> tuple[Rows, Rows, list[int]]:
    """Return rows in the order of their values, where these change, and the values."""
    order = np.argsort(values, kind="stable").astype(np.int64)
    bounds = np.flatnonzero(np.diff(values[order])) + 1
    return order, bounds, values[order[np.append(0, bounds)]].tolist()


def _count(values: NDArray[np.int32]) -> int:
    return int(np.count_nonzero(np.unique(values) >= 0))


def _above(library: Library, taxon: int) -> str:
    """Return the taxon of a main rank above another, in words."""
    if taxon == NONE:
        return ""
    names = [
        library.taxonomy.name_of(node)
        for node in library.taxonomy.path(taxon)[:-1]
        if library.taxonomy.rank_of(node) in MAIN_RANKS
    ]
    return names[-1] if names else ""


# -- what it was made of ------------------------------------------------------------------------


def _sources(library: Library) -> list[dict[str, Any]]:
    """Return the files, with how many references each has brought."""
    found = []
    for part, segment in zip(library.header["segments"], library.segments, strict=True):
        counts = np.bincount(segment.file, minlength=len(segment.files)).tolist()
        brought = dict(zip(segment.files, counts, strict=True))
        for path, digest in part["inputs"].items():
            # A catalogue is told by its imports: "cat (bold.tsv)".
            own = sum(n for name, n in brought.items() if name.startswith((path + " (",)))
            told = part.get("packages", {}).get(path, {})
            found.append(
                {
                    "file": Path(path).name,
                    "hash": digest,
                    "references": brought.get(path, 0) + own,
                    "part": part["folder"],
                    **told,
                }
            )
    return found


def _set_aside(library: Library) -> Counter[str]:
    found: Counter[str] = Counter()
    for part in library.header["segments"]:
        found.update(part["set_aside"])
    return found


# -- where a promise can be given -----------------------------------------------------------------


def _promise(identifier: Identifier, rank: str) -> dict[str, Any]:
    library, ladder, promise = identifier.library, identifier.ladder, identifier.promise
    simulated = identifier.evidence.simulated
    whole = simulated.taken(simulated.length == lengths.NAMES.index("whole"))
    by_clade = promise_by_clade(whole, ladder, promise, rank) if rank in ladder.ranks else {}
    clades = [
        {
            "name": library.taxonomy.name_of(node),
            "strata": {name: asdict(fared) for name, fared in strata.items()},
        }
        for rung, strata in by_clade.items()
        if (node := int(ladder.node[rung])) != NONE
    ]
    return {
        "alpha": promise.alpha,
        "holds": promise.holds,
        "lines": identifier.promised(),
        "strata": [asdict(stratum) for stratum in promise.strata],
        "clades": sorted(clades, key=lambda row: str(row["name"])),
    }
