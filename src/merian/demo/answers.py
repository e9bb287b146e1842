"""Naming barcodes by their nearest neighbour, and holding the names against the truth.

This is what most labs do today: the name of the most similar reference, whatever it is. Records
with a species' name that came for training are the references; the others with a barcode are the
queries. A species that the references do not have gets a wrong name, always.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.barcode.nearest import nearest
from merian.catalogue import Catalogue
from merian.formats.delimited import write_delimited
from merian.stamp import run_id, stamp, stamp_beside
from merian.taxonomy import Taxonomy

__all__ = ["Answers", "name_barcodes"]

_RECORDS = """
SELECT o.occurrenceID, s.sequence, o.split, i.species, i.taxonID
FROM occurrence o
JOIN sequence s USING (occurrenceID)
LEFT JOIN determination i USING (occurrenceID)
ORDER BY o.occurrenceID
"""
_USED = ("train", "val")
_RULE = 0.97  # the identity above which many labs take the name of a species


@dataclass(frozen=True)
class Answers:
    """The answers, one for each query, and what is so.

    Attributes:
        query: The records that were asked about.
        reference: The record that is nearest to each.
        name: The species of that record.
        identity: Of the two barcodes, over what both have.
        overlap: Bases that were compared.
        truth: The true species.
        known: Whether the references have the true species at all.
        reasons: Why a wrong name is wrong.
        references: How many there were.
    """

    query: Sequence[str]
    reference: Sequence[str]
    name: Sequence[str]
    identity: NDArray[np.float32]
    overlap: NDArray[np.int32]
    truth: Sequence[str]
    known: NDArray[np.bool_]
    reasons: Sequence[str]
    references: int

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the name is the true one."""
        return np.array([a == b for a, b in zip(self.name, self.truth, strict=True)], dtype=bool)

    def right_of_known(self) -> float:
        """Return the share of right names where the species is among the references."""
        return float(self.right[self.known].mean()) if self.known.any() else 0.0

    def named_of_unknown(self) -> float:
        """Return the share of the others that the 97 % rule gives a name, always a wrong one."""
        unknown = ~self.known
        return float((self.identity[unknown] >= _RULE).mean()) if unknown.any() else 0.0


def name_barcodes(catalogue: Catalogue, taxonomy: Taxonomy, folder: Path) -> Answers:
    """Name the records that are not for training, and write the answers as answers.tsv."""
    records = [
        (str(key), str(sequence), str(split), _accepted(taxonomy, species, taxon))
        for key, sequence, split, species, taxon in catalogue.query(_RECORDS)
    ]
    known = [r for r in records if r[2] in _USED and r[3]]
    asked = [r for r in records if r[2].startswith("test")]
    found = nearest([r[1] for r in asked], [r[1] for r in known], count=1)
    answered = np.flatnonzero(found.index[:, 0] >= 0).tolist()
    truth = _truth(folder / "world" / "truth" / "specimens.csv")
    species = {r[3] for r in known}
    best = [known[int(found.index[i, 0])] for i in answered]
    answers = Answers(
        query=[asked[i][0] for i in answered],
        reference=[r[0] for r in best],
        name=[r[3] for r in best],
        identity=found.identity[answered, 0],
        overlap=found.overlap[answered, 0],
        truth=[truth[asked[i][0]]["species"] for i in answered],
        known=np.array([truth[asked[i][0]]["species"] in species for i in answered], dtype=bool),
        reasons=[
            _reason(truth[asked[i][0]], truth[r[0]]) for i, r in zip(answered, best, strict=True)
        ],
        references=len(known),
    )
    _write(folder / "answers.tsv", answers, taxonomy)
    return answers


def _accepted(taxonomy: Taxonomy, species: object, taxon: object) -> str:
    """Return the accepted name of a record's species, where the label reached a species."""
    if not species or not taxon:
        return ""
    node = taxonomy.find_id(str(taxon))
    return taxonomy.name_of(node) if taxonomy.rank_of(node) == "species" else ""


def _truth(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["processid"]: row for row in csv.DictReader(stream)}


def _reason(query: dict[str, str], reference: dict[str, str]) -> str:
    """Return why a name taken from that reference would be wrong."""
    if query["tube_of"] or reference["tube_of"]:
        return "a tube was swapped"
    if reference["mislabelled"] == "1":
        return "the reference is mislabelled"
    if query["species"] == reference["species"]:
        return ""
    near = next((r for r in ("genus", "family") if query[r] == reference[r]), "")
    return f"two species of a {near}" if near else "not even of a family"


def _write(path: Path, answers: Answers, taxonomy: Taxonomy) -> None:
    identity = (f"{share:.4f}" for share in answers.identity.tolist())
    rows = zip(
        answers.query, answers.name, answers.reference, identity, answers.overlap.tolist(),
        strict=True,
    )  # fmt: skip
    write_delimited(path, ("id", "species", "reference", "identity", "overlap"), rows, "\t")
    run = run_id("demo", {"answers": [*answers.query], "taxonomy": taxonomy.lock.as_dict()})
    stamp_beside(path, stamp("merian-answers", "0.1", run, taxonomy.lock.as_dict()))
