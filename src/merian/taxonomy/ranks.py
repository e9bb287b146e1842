"""The ranks of the tree of life, from high to low.

A rank is stored as a small number: its place in `RANKS`. Number 0, ``unranked``, has no place
in the order. Foreign spellings (``forma``, ``no_rank``, ``Phylum (Division)``) are read.
"""

from __future__ import annotations

__all__ = ["MAIN_RANKS", "RANKS", "RANK_NUMBER", "UNRANKED", "read_rank"]

UNRANKED = 0

RANKS = (
    "unranked",
    "superdomain", "domain", "subdomain", "realm", "subrealm", "superkingdom", "kingdom",
    "subkingdom", "infrakingdom", "superphylum", "phylum", "subphylum", "infraphylum",
    "parvphylum", "gigaclass", "megaclass", "superclass", "class", "subclass", "infraclass",
    "subterclass", "parvclass", "superdivision", "division", "subdivision", "superlegion",
    "legion", "sublegion", "infralegion", "supercohort", "cohort", "subcohort", "infracohort",
    "gigaorder", "magnorder", "grandorder", "mirorder", "superorder", "order", "nanorder",
    "hypoorder", "minorder", "suborder", "infraorder", "parvorder", "megafamily", "grandfamily",
    "superfamily", "epifamily", "family", "subfamily", "infrafamily", "supertribe", "tribe",
    "subtribe", "infratribe", "supragenericname", "genus", "subgenus", "infragenus",
    "supersection", "section", "subsection", "superseries", "series", "subseries",
    "species aggregate", "species", "infraspecific name", "subspecies", "convariety",
    "variety", "subvariety", "form", "subform", "pathovar", "biovar", "chemovar", "serovar",
    "morphovar", "phagovar", "forma specialis", "cultivar group", "cultivar", "natio", "strain",
    "isolate", "clade", "other",
)  # fmt: skip

RANK_NUMBER = {rank: number for number, rank in enumerate(RANKS)}

# The ranks that tables give a column of their own.
MAIN_RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")

_ALSO = {
    "": "unranked", "no rank": "unranked", "none": "unranked", "unknown": "unranked",
    "subphylum division": "subphylum", "phylum division": "phylum",
    "subphylum (subdivision)": "subphylum", "phylum (division)": "phylum",
    "subphylum subdivision": "subphylum", "forma": "form", "f.": "form", "subforma": "subform",
    "var.": "variety", "varietas": "variety", "subsp.": "subspecies", "ssp.": "subspecies",
    "sp.": "species", "gen.": "genus", "species group": "species aggregate",
    "aggregate": "species aggregate", "species complex": "species aggregate",
    "section botany": "section", "section zoology": "section", "series botany": "series",
    "sub-class": "subclass", "sub-order": "suborder", "subterorder": "parvorder",
    "infraspecies": "infraspecific name", "infraspecific_name": "infraspecific name",
    "mutatio": "other", "aberration": "other", "proles": "other", "empire": "superdomain",
    "acellular root": "realm", "cellular root": "superdomain",
}  # fmt: skip


def read_rank(text: str | None) -> int | None:
    """Return the number of a rank in any spelling, or None for one that is not known."""
    word = " ".join((text or "").lower().replace("_", " ").split())
    return RANK_NUMBER.get(_ALSO.get(word, word))
