"""What an encoder that ships may learn from: public barcodes, each source with its licence.

The folders of data each hold a ``SOURCE.txt`` that says where the data come from and under which
licence. A folder whose licence is the GPL is left out, so that nobody need ask whether weights that
were made of it fall under the GPL too. Sequences are cleaned, and each is kept once; a name is kept
at a rank where all records of the sequence that are named there agree.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merian.barcode import read_query
from merian.catalogue.sources import Reject
from merian.errors import InputError
from merian.files import content_hash, existing, new_file, open_text
from merian.formats.fasta import records
from merian.formats.fasta_write import joined
from merian.taxonomy.ranks import MAIN_RANKS

__all__ = ["RANKS", "SOURCES", "Source", "write_corpus"]

RANKS = MAIN_RANKS[1:]
SHORTEST = 100  # bases; a network learns little of less
_AMBIGUOUS = 0.02  # the largest share of letters that are not A, C, G or T

_ONE_WORD = re.compile(r"[A-Z][a-z]+(-[a-z]+)?")
_TWO_WORDS = re.compile(r"[A-Z][a-z]+(-[a-z]+)? [a-z]+(-[a-z]+)?")
_NO_NAME = re.compile(r"unidentified|incertae|unclassified|unknown|undetermined|\bsp\b", re.I)
_LETTERS = {rank: rank[0] for rank in RANKS}
_GPL = re.compile(r"\b(A?GPL|GNU (Affero )?General Public)", re.I)

Row = tuple[str, str, dict[str, str]]
"""Id, sequence, and the names by rank."""


@dataclass(frozen=True)
class Source:
    """One folder of data.

    Attributes:
        folder: Where it lies, below the folder of all data.
        file: The table, or the FASTA file.
        id, sequence: The columns of a table.
        names: The column of each rank; what is not there is not named.
        fixed: Names that all records have.
        where: Columns and the value that they must have.
        beside: A table with the names: its file, and the column that holds the id.
        header: How a FASTA's header holds names, if it does.
    """

    folder: str
    file: str
    id: str = "processid"
    sequence: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[str, str] | None = None
    header: str = ""


def _columns(pattern: str = "{}") -> dict[str, str]:
    return {rank: pattern.format(rank) for rank in RANKS}


_COI = {"marker_code": "COI-5P"}

SOURCES = (
    Source("dna/coi_bold_curated_nl_naturalis", "BOLD_Public.21-Jun-2024.curated.NL.tsv",
           sequence="nuc", names=_columns(), where=_COI),
    Source("dna/coi_bold_public_sample_naturalis", "BOLD_Public.18-Dec-2023.sample.tsv.gz",
           sequence="nucraw", names=_columns(), where=_COI),
    Source("dna/coi_coelioxys_ropensci_bold", "coelioxys_bold_combined.tsv",
           sequence="nucleotides", names=_columns("{}_name"), where={"markercode": "COI-5P"}),
    Source("dna/coi_nl_vertebrates_naturalis", "joined.tsv.gz", sequence="sequence",
           names={rank: rank.capitalize() for rank in RANKS}),
    Source("dna/coi_palaemonidae_bags", "Palaemonidae.tsv", sequence="sequence",
           names={rank: rank for rank in ("class", "order", "family", "species")},
           fixed={"phylum": "Arthropoda"}),
    Source("dna/coi_tanytarsus_rdmpage", "sequences.tsv.gz", id="dwc:materialSampleID",
           sequence="ggbn:consensusSequence", where={"ggbn:marker": "COI-5P"},
           names={**_columns("dwc:{}"), "species": "dwc:scientificName"},
           beside=("occurrences.tsv", "dwc:materialSampleID")),
    Source("dna/its1_filamentous_cbs_dnabarcoder", "CBSITS1.fasta.gz", names=_columns(),
           beside=("CBSITS.current.classification", "id")),
    Source("dna/its_top50_unidentified_mycoai", "top50.fasta.gz"),
    Source("dna/its_yeast_mycoai_test1", "test1.fasta.gz", header="unite"),
    Source("multimodal/bold_insect_coi", "bold_coi_784species_cap30.tsv.gz",
           sequence="nucleotides", names=_columns("{}_name"), where={"markercode": "COI-5P"}),
    # Kept in the list, so that the card says why they are not among what was learned.
    Source("dna/coi_insecta_folmer_unlabelled_taxreturn",
           "folmer_insecta_fulllength_aligned_curated.fa.gz",
           fixed={"phylum": "Arthropoda", "class": "Insecta"}),
    Source("dna/coi_orders_folmer_primerminer", "01_Plecoptera_folmer.fasta"),
)  # fmt: skip


def write_corpus(
    data: Path | str, out: Path | str, sources: Sequence[Source] = SOURCES
) -> list[dict[str, Any]]:
    """Write the corpus as FASTA with SINTAX headers, and return what a card says of each source.

    Args:
        data: The folder in which the sources' folders lie.
        out: The file to write.
        sources: What to read.
    """
    data = existing(data, "folder of data")
    told = []
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for source in sources:
        said = _said(data, source)
        told.append(said)
        if not said["used"]:
            continue
        for key, text, names in _rows(data, source):
            said["records"] += 1
            sequence, why = _clean(text)
            if why:
                said["set_aside"][why] = said["set_aside"].get(why, 0) + 1
            elif sequence in found:
                found[sequence] = found[sequence][0], _agreed(found[sequence][1], names)
            else:
                said["sequences"] += 1
                found[sequence] = f"{source.folder.split('/')[-1]}.{joined(key)}", names
    if not found:
        raise InputError(f"{data}: holds no sequence that an encoder may learn from")
    _write(Path(out), found)
    return told


def _write(out: Path, found: Mapping[str, tuple[str, dict[str, str]]]) -> None:
    seen: set[str] = set()
    with new_file(out, text=True) as stream:
        for number, (sequence, (key, names)) in enumerate(found.items()):
            plain = key if key not in seen else f"{key}.{number}"
            seen.add(plain)
            lineage = ",".join(
                f"{_LETTERS[rank]}:{joined(names[rank])}" for rank in RANKS if names.get(rank)
            )
            stream.write(f">{plain};{f'tax={lineage};' if lineage else ''}\n{sequence}\n")


def _said(data: Path, source: Source) -> dict[str, Any]:
    """Return what is known of a source before it is read: where it is from, and its licence."""
    folder = existing(data / source.folder, "folder of data")
    text = existing(folder / "SOURCE.txt", "note on the source").read_text(encoding="utf-8")
    parted = (line.partition(":") for line in text.splitlines())
    lines = {name.strip(): value.strip() for name, sign, value in parted if sign}
    origin = lines.get("Repository") or lines.get("Source")
    licence = lines.get("Licence")
    if not origin or not licence:
        raise InputError(
            f"{folder / 'SOURCE.txt'}: a line 'Repository:' (or 'Source:') and a line 'Licence:' "
            "are needed; write down where the data come from"
        )
    used = not _GPL.search(licence)
    return {
        "name": source.folder.split("/")[-1],
        "from": origin,
        "licence": licence,
        "used": used,
        "hash": content_hash(existing(folder / source.file)),
        "records": 0,
        "sequences": 0,
        "set_aside": {},
    }


def _rows(data: Path, source: Source) -> Iterator[Row]:
    """Yield the records of a source, cleaned of what is no name."""
    folder = data / source.folder
    beside = {}
    if source.beside:
        file, column = source.beside
        beside = {row[column]: row for row in _table(folder / file, [column])}
    for key, sequence, said in _raw(folder, source):
        told = {**said, **beside.get(key, {})}
        names = {rank: told.get(source.names.get(rank, rank), "") for rank in RANKS}
        yield key, sequence, _named({**names, **source.fixed})


def _raw(folder: Path, source: Source) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Yield id, sequence and all that a record says of itself."""
    if not source.sequence:
        for record in records(folder / source.file):
            if isinstance(record, Reject):
                yield "", "", {}  # set aside, and counted
                continue
            key, _, rest = record.header.partition("|")
            yield key.strip(), record.sequence, _unite(rest) if source.header else {}
        return
    needed = [source.id, source.sequence, *source.where]
    for row in _table(folder / source.file, needed):
        if all(row[column] == value for column, value in source.where.items()):
            yield row[source.id], row[source.sequence], row


def _table(file: Path, needed: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a table; what a short row lacks is empty."""
    with open_text(existing(file)) as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
        for column in needed:
            if column not in (rows.fieldnames or ()):
                raise InputError(f"{file}, line 1: has no column {column!r}")
        for row in rows:
            yield {name: value.strip() for name, value in row.items() if name}


def _unite(header: str) -> dict[str, str]:
    """Return the names of a header of UNITE: ``k__Fungi;p__Ascomycota;...|SH...``."""
    letters = {letter: rank for rank, letter in _LETTERS.items()}
    parts = (part.partition("__") for part in header.partition("|")[0].split(";"))
    return {letters[x]: name.replace("_", " ") for x, _, name in parts if x in letters}


def _named(names: Mapping[str, str]) -> dict[str, str]:
    """Return what is a name: a word, of a species two; a genus follows from its species."""
    found = {}
    for rank in RANKS:
        name = " ".join(names.get(rank, "").split())
        form = _TWO_WORDS if rank == "species" else _ONE_WORD
        found[rank] = name if form.fullmatch(name) and not _NO_NAME.search(name) else ""
    if found["species"] and not found["genus"]:
        found["genus"] = found["species"].split()[0]
    return found


def _agreed(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Return the names of a sequence that two records have, down to where they contradict."""
    found = dict.fromkeys(RANKS, "")
    for rank in RANKS:
        mine, yours = one.get(rank, ""), other.get(rank, "")
        if mine and yours and mine != yours:
            break
        found[rank] = mine or yours
    return found


def _clean(text: str) -> tuple[str, str]:
    """Return the sequence and "", or "" and why it is not learned from."""
    sequence, why = read_query(text)
    if why:
        return "", "is no sequence that can be read"
    if len(sequence) < SHORTEST:
        return "", f"is shorter than {SHORTEST} bases"
    other = len(sequence) - sum(sequence.count(base) for base in "ACGT")
    if other > _AMBIGUOUS * len(sequence):
        return "", f"has more than {_AMBIGUOUS:.0%} ambiguous letters"
    return sequence, ""
