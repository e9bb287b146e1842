"""Naming barcodes by a library, with a promise, and holding the answers against the truth.

Records that came for training, with a species of the checklist on their label, become the library;
those that came for testing are asked. Beside each answer stands what many labs do today: the name
of the most similar reference, if the two are 97 % alike. A species that the library lacks gets a
wrong name so, always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merian.catalogue import Catalogue
from merian.demo.tables import rows_of
from merian.identify import PARTS
from merian.identify.answers import read_answers
from merian.identify.check import Check, check_promise, read_truth
from merian.identify.into_catalogue import append_answers
from merian.identify.job import Identified, identify_files
from merian.identify.queries import Queries
from merian.library import Library, build_library
from merian.taxonomy import Taxonomy

__all__ = ["STRATA", "Answer", "Answers", "name_barcodes", "true_records", "write_tables"]

STRATA = (
    "its species",
    "its genus, not its species",
    "its family, not its genus",
    "not even its family",
)
"""What the library has of a record."""

_REFERENCES = """
SELECT o.occurrenceID, p.accessURI, s.sequence, i.phylum, i.class, i."order", i.family, i.genus,
    i.species
FROM occurrence o
JOIN sequence s USING (occurrenceID)
LEFT JOIN media p USING (occurrenceID)
JOIN determination i USING (occurrenceID)
WHERE s.sequence IS NOT NULL AND o.split IN ('train', 'val')
    AND i.taxonRank = 'species' AND i.taxonID IS NOT NULL
ORDER BY ALL
"""
_QUERIES = """
SELECT o.occurrenceID, s.sequence
FROM occurrence o
JOIN sequence s USING (occurrenceID)
WHERE s.sequence IS NOT NULL AND o.split LIKE 'test%'
ORDER BY ALL
"""
_NAMED = """
SELECT occurrenceID, taxonID FROM determination WHERE taxonRank = 'species' AND taxonID IS NOT NULL
"""
_TRUTH = "world/truth/specimens.csv"
_RULE = 0.97  # the identity above which many labs take the name of a species


@dataclass(frozen=True)
class Answer:
    """An answer, and what is so.

    Attributes:
        id: The record that was asked about.
        rank: Of the taxon stood by, or "".
        name: Of it.
        flags: What a user should look at.
        explanation: One sentence.
        reference: The record that is nearest, or "".
        nearest: The species of that record.
        identity: Of the two barcodes, over what both have.
        truth: What is true of the record, by column.
        stratum: What the library has of it; a place in STRATA.
        reason: What is odd about the record or its nearest reference, or "".
    """

    id: str
    rank: str
    name: str
    flags: Sequence[str]
    explanation: str
    reference: str
    nearest: str
    identity: float
    truth: Mapping[str, str]
    stratum: int
    reason: str

    @property
    def wrong(self) -> bool:
        """Whether it stands by what is neither the true taxon nor one above it."""
        return bool(self.rank) and self.truth.get(self.rank) != self.name

    @property
    def ruled(self) -> bool:
        """Whether the nearest neighbour gives it a name by the 97 % rule."""
        return self.identity >= _RULE

    @property
    def ruled_wrong(self) -> bool:
        """Whether that name is not the true one."""
        return self.ruled and self.nearest != self.truth["species"]


@dataclass(frozen=True)
class Answers:
    """All answers.

    Attributes:
        found: What `merian identify` tells of its run.
        check: What `merian promise check` tells of it.
        each: The answers, in the order of the table.
        references: Records in the library.
        species: Species among them.
    """

    found: Identified
    check: Check
    each: Sequence[Answer]
    references: int
    species: int


def write_tables(folder: Path) -> None:
    """Write what is learnt from and what is asked about, as tables that a user could make too."""
    with Catalogue.open(folder / "catalogue", read_only=True) as catalogue:
        catalogue.write_table(_REFERENCES, folder / "references.tsv")
        catalogue.write_table(_QUERIES, folder / "queries.tsv")


def true_records(folder: Path) -> dict[str, dict[str, str]]:
    """Return what is true of each record, by column."""
    return {row["processid"]: row for row in rows_of(folder / _TRUTH)}


def name_barcodes(folder: Path, truth: Mapping[str, Mapping[str, str]]) -> Answers:
    """Build the library, ask it, and write the answers into the table and the catalogue.

    Each step is one that a user could do with the files that are left in the folder.
    """
    with Catalogue.open(folder / "catalogue", read_only=True) as catalogue:
        taxa = catalogue.query(_NAMED).fetch()
    taxonomy = Taxonomy.open(folder / "taxonomy")
    named = {str(key): taxonomy.name_of(taxonomy.find_id(str(taxon))) for key, taxon in taxa}
    built = build_library(
        [folder / "references.tsv"], folder / "library", checklist=taxonomy, parts=PARTS
    )
    queries = Queries([folder / "queries.tsv"])
    # A few hundred are answered before a second process would have begun.
    found = identify_files(queries, folder / "library", folder / "answers.tsv", processes=1)
    append_answers(folder / "catalogue", found)
    library = built.library
    known = {library.reference(record).id for record in range(built.records)}
    species = {named[key] for key in known}
    promised = {"alpha": found.alpha, "novelty": found.novelty, "by_rank": found.by_rank}
    check = check_promise(read_truth(folder / _TRUTH), found.out, library=library, promise=promised)
    return Answers(
        found, check, _judged(truth, found.out, library, named), built.records, len(species)
    )


def _judged(
    truth: Mapping[str, Mapping[str, str]], table: Path, library: Library, named: Mapping[str, str]
) -> list[Answer]:
    """Return the answers of a table beside the truth, and the accepted names of records."""
    answers = []
    for row in read_answers(table):
        nearest = str(row["nearest"] or "").partition(";")[0]
        true = truth[row["id"]]
        answers.append(
            Answer(
                row["id"],
                row["rank"] or "",
                row["name"] or "",
                str(row["flags"] or "").split(";"),
                row["explanation"] or "",
                nearest,
                named.get(nearest, ""),
                row["identity"] or 0.0,
                true,
                _stratum(true, library.taxonomy),
                _reason(true, truth[nearest]) if nearest else "",
            )
        )
    return answers


def _stratum(true: Mapping[str, str], names: Taxonomy) -> int:
    """Return what a library with these names has of a record."""
    ranks = ("species", "genus", "family")
    return next((i for i, rank in enumerate(ranks) if len(names.find(true[rank]))), len(ranks))


def _reason(query: Mapping[str, str], reference: Mapping[str, str]) -> str:
    """Return why a name taken from that reference would be wrong."""
    if query["tube_of"] or reference["tube_of"]:
        return "a tube was swapped"
    if reference["mislabelled"] == "1":
        return "the reference is mislabelled"
    if query["species"] == reference["species"]:
        return ""
    near = next((r for r in ("genus", "family") if query[r] == reference[r]), "")
    return f"two species of a {near}" if near else "not even of a family"
