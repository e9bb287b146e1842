"""Naming records by their pictures, their barcodes, and both.

The pictures of the references become a second library. Records that came for testing are asked with
all that there is of them: each picture and each barcode answers alone, and then both together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merian.catalogue import Catalogue
from merian.demo.tables import rows_of
from merian.demo.thumbs import thumb
from merian.identify import PICTURE_PARTS
from merian.identify.answers import read_answers
from merian.identify.into_catalogue import append_answers
from merian.identify.record_job import beside, identify_records
from merian.identify.records import Records
from merian.library import Settings, build_library
from merian.report import Figures, Name, Note, Picture, Pictures, Section, Table, Text
from merian.taxonomy import MAIN_RANKS, Taxonomy

__all__ = ["Seen", "Voice", "see_records", "tell_seen"]

_ASKED = """
SELECT o.occurrenceID, p.mediaID, p.accessURI, s.nucleotideSequenceID, s.sequence
FROM occurrence o
LEFT JOIN media p USING (occurrenceID)
LEFT JOIN sequence s USING (occurrenceID)
WHERE o.split LIKE 'test%'
ORDER BY ALL
"""
_SHOWN = 6
_WORDS = {"picture": "pictures alone", "barcode": "barcodes alone",
          "consensus": "both together"}  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """What one kind of evidence says of all records that have it.

    Attributes:
        kind: picture, barcode or consensus.
        asked: How many there are.
        standing: How many answers stand at each rank.
        wrong: How many stand by what is neither the true taxon nor one above it.
    """

    kind: str
    asked: int
    standing: Mapping[str, int]
    wrong: int


@dataclass(frozen=True)
class Seen:
    """What pictures and barcodes say.

    Attributes:
        voices: By kind of evidence.
        promise: What is promised of it, a line each.
        contradicting: How many contradictions there are.
        strongest: The strongest of them, one a species: as `merian identify` lists them.
        truth: What is true of these records.
    """

    voices: Sequence[Voice]
    promise: Sequence[str]
    contradicting: int
    strongest: Sequence[Mapping[str, str]]
    truth: Mapping[str, Mapping[str, str]]


def see_records(folder: Path, truth: Mapping[str, Mapping[str, str]]) -> Seen:
    """Build the library of pictures, ask both, and write what they say into the catalogue.

    Args:
        folder: Of the demonstration; it has a library of barcodes.
        truth: What is true of each record, by column.
    """
    asked, out = folder / "asked.tsv", folder / "records.tsv"
    with Catalogue.open(folder / "catalogue", read_only=True) as catalogue:
        catalogue.write_table(_ASKED, asked)
    build_library(
        [folder / "references.tsv"], folder / "looks",
        checklist=Taxonomy.open(folder / "taxonomy"), settings=Settings(pictures=True),
        parts=PICTURE_PARTS,
    )  # fmt: skip
    found = identify_records(Records([asked]), [folder / "library", folder / "looks"], out)
    append_answers(folder / "catalogue", found)
    single, contradicting = beside(out)
    rows = [*read_answers(single), *read_answers(out)]
    # What a record with one kind of evidence says stands in its own row and nowhere else.
    voices = [_voice(kind, [row for row in rows if row["evidence"] == kind], truth)
              for kind in _WORDS]  # fmt: skip
    told = rows_of(contradicting)
    first: dict[str, Mapping[str, str]] = {}
    for row in told:
        first.setdefault(truth[row["id"]]["species"], row)
    strongest = list(first.values())[:_SHOWN]
    return Seen(voices, found.promise, len(told), strongest,
                {row["id"]: truth[row["id"]] for row in strongest})  # fmt: skip


def _voice(
    kind: str,
    rows: Sequence[Mapping[str, str | float | None]],
    truth: Mapping[str, Mapping[str, str]],
) -> Voice:
    standing = {rank: sum(row["rank"] == rank for row in rows) for rank in MAIN_RANKS}
    wrong = sum(
        bool(row["rank"]) and truth[str(row["id"])].get(str(row["rank"])) != row["name"]
        for row in rows
    )
    return Voice(kind, len(rows), standing, wrong)


def tell_seen(seen: Seen, pictures: Mapping[str, Path]) -> Section:
    """Return the section.

    Args:
        seen: What was found.
        pictures: By record.
    """
    ranks = ("species", "genus", "family", "order")
    rows = [
        [_WORDS[one.kind], one.asked, *(one.standing.get(rank, 0) for rank in ranks),
         one.asked - sum(one.standing.get(rank, 0) for rank in ranks), one.wrong,
         f"{100 * one.wrong / one.asked:.1f} %" if one.asked else None]
        for one in seen.voices
    ]  # fmt: skip
    both = next(one for one in seen.voices if one.kind == "consensus")
    # What is promised of each alone stands in its card; the last lines are of both.
    of_both = [line for line in seen.promise if " together: " in line] or seen.promise
    shown = [
        Picture(thumb(pictures[row["id"]]), Name(seen.truth[row["id"]]["species"]),
                row["words"], f"photograph of {row['id']}")
        for row in seen.strongest
        if row["id"] in pictures
    ]  # fmt: skip
    return Section(
        "What pictures say, and both together",
        [
            Text(
                "The pictures of the references became a second library. The network that looks "
                "at them was trained on photographs of all sorts of things and has never seen "
                "this world; how much its word is worth was learnt by holding out the library's "
                "own pictures, species, genera and families."
            ),
            Figures(
                [
                    (f"{100 * both.wrong / both.asked:.1f} %" if both.asked else "none",
                     "of the answers of both together are wrong"),
                    (seen.contradicting, "contradictions between pictures, barcodes and labels"),
                ]
            ),
            Table(
                ["evidence", "asked", *ranks, "above", "wrong", "of all"],
                rows,
                "At which rank the answers stand, and how many are wrong",
            ),
            Text("\n\n".join(f"{line[:1].upper()}{line[1:]}." for line in of_both)),
            *(
                [Pictures(shown, "The strongest contradictions, one a species: its name in truth",
                          width=180)]
                if shown else []
            ),
            Note(
                "A contradiction is a swapped tube, a wrong label or a wrong answer: a person "
                "looks. merian review shows them one by one."
            ),
        ],
    )  # fmt: skip
