"""What a reference is named to: the names of its ranks, as far down as its label supports.

A reference counts as named to a species only where its label says so without reserve. *Aus cf.
bus*, *Aus* sp. 3 and *Aus* sp. are named to the genus; the first two also tell them apart from
other unnamed *Aus*, so what they say is kept as a provisional name. Words that stand for no taxon
(unidentified, incertae sedis, unk) leave their rank empty.

A naming is one line: the names of `LINEAGE` from high to low, then a name without a rank, then the
provisional name, with tabs between. A million references have some ten thousand of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from merian.catalogue import RANKS
from merian.formats.fasta_headers import is_placeholder
from merian.taxonomy import Label, read_labels
from merian.taxonomy.ranks import RANK_NUMBER
from merian.taxonomy.vocabulary import LIFE_STAGES, PARTS, PLACEHOLDERS, REMARKS

__all__ = ["COLUMNS", "LINEAGE", "Namings", "lineage_of", "provisional_of"]

# A subspecies counts as its species: no library holds enough of them to tell them apart.
LINEAGE = tuple(rank for rank in RANKS if rank != "subspecies")

# What is asked of the catalogue's tables for each reference, in this order.
COLUMNS = (
    *LINEAGE,
    "scientificName",
    "taxonRank",
    "identificationQualifier",
    "verbatimIdentification",
)

_SPECIES, _GENUS = LINEAGE.index("species"), LINEAGE.index("genus")
_NO_NAME = frozenset({"placeholder", "none", "identifier"})

# Words of a qualifier that do not tell one unnamed species from another: an X does.
_TELL_NOTHING = (
    frozenset(
        "n gen sp spp species cf aff nr indet det et nov new nova agg group complex sedis not "
        "identified classified fungal bacterial sample voucher isolate".split()
    )
    | PLACEHOLDERS
    | REMARKS
    | frozenset(LIFE_STAGES)
    | frozenset(PARTS)
) - {"x"}
_FAMILY = ("idae", "aceae")  # how the names of families end, and no name of a genus
_WORD = re.compile(r"[^\W_]+")

Row = tuple[str | None, ...]


def lineage_of(naming: str) -> list[str]:
    """Return the names of a naming by rank, and the name without a rank; "" is not known."""
    return naming.split("\t")[:-1]


def provisional_of(naming: str) -> str:
    """Return the provisional name of a naming, or ""."""
    return naming.rsplit("\t", 1)[1]


class Namings:
    """Reads rows into namings, each distinct row once."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Take all texts that may stand in a cell of a genus, a species or a name."""
        read = read_labels(sorted(set(texts)))
        self._labels: Mapping[str, Label] = {label.verbatim: label for label in read}
        self._known: dict[Row, str] = {}

    def read(self, row: Row) -> str:
        """Return the naming of a row of `COLUMNS`."""
        found = self._known.get(row)
        if found is None:
            found = self._known[row] = self._read(row)
        return found

    def _read(self, row: Row) -> str:
        cells = dict(zip(COLUMNS, row, strict=True))
        names = [_higher_name(cells[rank]) for rank in LINEAGE]
        names[_GENUS] = self._read_name(cells["genus"], 1)
        names[_SPECIES] = self._read_name(cells["species"], 2)
        provisional = _telling(cells["species"], names[_GENUS])
        lowest, given = cells["scientificName"], cells["taxonRank"]
        unranked = ""
        if lowest and not is_placeholder(lowest):
            unranked = _place(names, *self._lowest(lowest), given)
        if names[_GENUS] in names[:_GENUS] or names[_GENUS].endswith(_FAMILY):
            names[_GENUS] = ""  # a family in the place of a genus that is not known
        if doubted := cells["identificationQualifier"]:
            # What the label leaves open, no column beside it may close.
            depth = RANK_NUMBER.get(given or "", 0)
            if 0 < depth < RANK_NUMBER["species"]:
                names = [
                    name if RANK_NUMBER[rank] <= depth else ""
                    for rank, name in zip(LINEAGE, names, strict=True)
                ]
            provisional = provisional or _provisional(lowest, doubted)
        # "Aus bus f. sp. cus": no species that can be read, and yet one thing.
        genus, label = names[_GENUS], _tidy(cells["verbatimIdentification"])
        if genus and label.startswith(f"{genus} ") and label[len(genus) + 1 :][:1].islower():
            provisional = provisional or _telling(label, genus)
        if names[_SPECIES]:
            provisional = ""
            names[_GENUS] = names[_GENUS] or names[_SPECIES].split(" ", 1)[0]
        if any(names):
            unranked = ""
        return "\t".join(" ".join(part.split()) for part in (*names, unranked, provisional))

    def _read_name(self, text: str | None, words: int) -> str:
        """Return the name in the cell of a genus (one word) or species (two), or ""."""
        if not text:
            return ""
        label = self._labels[text]
        if label.kind == "virus" or (label.kind == "hybrid" and words == 2):
            return text
        if is_placeholder(text) or label.kind in _NO_NAME or not label.name:
            return ""
        found = label.name.split(" ")
        if len(found) < words or (words == 1 and label.kind == "informal"):
            return ""
        return " ".join(found[:words])

    def _lowest(self, text: str) -> tuple[str, str]:
        """Return the name and, where the label shows it, the rank of a name in one column."""
        label = self._labels[text]
        if label.kind in _NO_NAME:
            return "", ""
        name = label.name or (text if label.kind in {"virus", "hybrid"} else "")
        if name and label.kind == "scientific" and " " in name:
            return " ".join(name.split(" ")[:2]), "species"
        return name, label.rank or ""


def _higher_name(text: str | None) -> str:
    """Return the name in the cell of a rank, or "" where it stands for no taxon."""
    if not text or is_placeholder(text):
        return ""
    return text.replace("_", " ").replace("\t", " ").strip()


def _place(names: list[str], name: str, shown: str, given: str | None) -> str:
    """Put the lowest name at its rank if nothing is there; return it if it has no rank."""
    rank = given if given in RANK_NUMBER else shown
    if RANK_NUMBER.get(rank or "", 0) > RANK_NUMBER["species"]:
        rank = "species"
    if rank == "species" and " " not in name:
        return ""  # "Aus" in the place of a species says that it is an Aus, as the genus does
    if rank in LINEAGE:
        place = LINEAGE.index(rank)
        names[place] = names[place] or name
        return ""
    return "" if name in names else name


def _tidy(text: str | None) -> str:
    return " ".join((text or "").replace("_", " ").split())


def _telling(text: str | None, genus: str) -> str:
    """Return the label of a species that is none, if it tells more than its genus."""
    words = _WORD.findall(_tidy(text).lower())
    return "" if _TELL_NOTHING.issuperset(set(words) - {genus.lower()}) else _tidy(text)


def _provisional(name: str | None, qualifier: str | None) -> str:
    """Return what a qualified label calls an unnamed species, or "" if it tells nothing."""
    words = _WORD.findall(qualifier.lower()) if qualifier else []
    if not qualifier or _TELL_NOTHING.issuperset(words):
        return ""
    return qualifier if not name or name in qualifier else f"{name} {qualifier}"
