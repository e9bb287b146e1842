"""A table of names beside a FASTA file: of each sequence's id its lineage, or its NCBI taxid.

Three kinds are read, with a header or without. A column for each rank, or one with the name; one
column with the whole lineage, written as QIIME, SINTAX, DADA2 or MIDORI2 write it; or one with a
taxid, whose lineage is looked up in a taxonomy that was built from the NCBI's. Every column of ids
counts, so that the NCBI's ``accession2taxid`` is read as it is. What the table says stands above
what the header of a sequence says.

References: https://docs.qiime2.org (taxonomy.tsv), https://mothur.org/wiki/taxonomy_outline,
https://ftp.ncbi.nlm.nih.gov/pub/taxonomy/accession2taxid/README
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from merian.catalogue import RANKS, Chunk, Reading, Reject, Rows
from merian.errors import FormatError, InputError
from merian.files import existing, open_text
from merian.formats.delimited import Head, head_text, read_head, rows_behind
from merian.formats.fasta import Record, Sequences
from merian.formats.fasta_headers import flavour_of, lineage_terms
from merian.formats.table_terms import guess, plain
from merian.taxonomy import NONE, Taxonomy
from merian.unpacking import UNREADABLE

__all__ = ["NamesTable", "ids_of", "named"]

_ID_TERMS = frozenset(
    "occurrenceID associatedSequences nucleotideSequenceID materialEntityID catalogNumber".split()
)
_IDS = frozenset(
    "accessionversion featureid feature seqid sequenceid asv asvid otu otuid name header".split()
)
_TAXIDS = frozenset(
    "taxid ncbitaxid ncbitaxonid ncbiid taxonomyid ncbitaxonomyid staxid staxids".split()
)
_LINEAGES = frozenset(
    "taxon taxonomy lineage classification taxonomicpath taxonpath taxonomicclassification".split()
)
_NAMES = ("scientificName", "verbatimIdentification")
_BESIDE = ("taxonConceptID", "targetGene")  # a BIN and the gene, where the table has them
_NOTHING = frozenset({"", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"})
_SUPPORT = re.compile(r"\(\d{1,3}(?:\.\d+)?\)(?=\s*(?:[;,]|$))")  # as mothur writes behind names
_CHUNK = 10_000

Terms = Mapping[str, str]


@dataclass(frozen=True)
class _Roles:
    """What the columns of a table are for, by their numbers."""

    ids: Sequence[int]
    terms: Mapping[int, str]
    lineage: int | None = None
    taxid: int | None = None


class NamesTable:
    """Names by id.

    Attributes:
        path: The table.
        notes: What was made of its columns.
    """

    def __init__(
        self, path: Path | str, wanted: set[str], taxonomy: Taxonomy | None = None
    ) -> None:
        """Read a table.

        Args:
            path: The table, gzipped or not. That of all accessions of the NCBI has 300 million
                rows, so only those are kept that are wanted.
            wanted: What the sequences may be called, see `ids_of`.
            taxonomy: Where taxids are looked up.
        """
        self.path = existing(path, "table of names")
        head = read_head(self.path, _delimiter(self.path))
        first = [*head.columns] if _is_headed(head) else None
        roles = _roles(head, first is not None)
        if roles.taxid is not None and taxonomy is None:
            raise InputError(
                f"{self.path}: gives taxids; say where they are looked up: --taxonomy TAXONOMY, as "
                "`merian taxonomy build taxdump.tar.gz -o TAXONOMY` makes it of the NCBI's"
            )
        self.notes = [_told(self.path, head, roles, first is not None)]
        self._row: dict[str, int] = {}
        self._cells: list[tuple[str, ...]] = []
        self._said_twice: set[str] = set()
        try:
            example = self._read(head, roles, 0 if first is None else head.header_lines, wanted)
        except UNREADABLE as error:
            raise FormatError(f"is damaged or cut short ({error})", path=self.path) from None
        if not example:
            raise FormatError("holds no names: no row has an id and a name", path=self.path)
        if not self._row:
            raise FormatError(
                f"none of its ids is one of the sequences': its first is {example!r}, theirs "
                f"{next(iter(sorted(wanted)), '')!r}",
                path=self.path,
            )
        self._roles = roles
        asked = {cells[0] for cells in self._cells} if roles.taxid is not None else set()
        self._lineages = _looked_up(taxonomy, asked) if taxonomy is not None else {}
        self._known: dict[int, Terms | str] = {}

    def __len__(self) -> int:
        """Return how many ids have a name."""
        return len(self._row)

    def find(self, keys: Sequence[str]) -> Terms | str:
        """Return the terms of the first of these ids that the table has, or why there are none."""
        for key in keys:
            row = self._row.get(key)
            if row is None:
                continue
            if key in self._said_twice:
                return f"the table of names says two things of its id: {key!r}"
            found = self._known.get(row)
            if found is None:
                found = self._known[row] = self._terms(self._cells[row])
            return found
        return f"its id is not in the table of names: {self.path.name}"

    def _read(self, head: Head, roles: _Roles, skip: int, wanted: set[str]) -> str:
        """Read all rows, keep each distinct set of names once, and return the first id."""
        chosen = [*roles.terms]
        if roles.lineage is not None:
            chosen = [roles.lineage]
        if roles.taxid is not None:
            chosen = [roles.taxid]
        numbers: dict[tuple[str, ...], int] = {}
        example = ""
        with open_text(self.path, head.encoding) as stream:
            rows = rows_behind(stream, head, skip, strict=True)
            for row in _whole(rows, self.path, skip):
                keys = [row[place].strip() for place in roles.ids if place < len(row)]
                if example and wanted.isdisjoint(keys):
                    continue  # as nearly all rows of a large table
                cells = tuple(_cell(row, number) for number in chosen)
                if not any(cells):
                    continue
                example = example or next(filter(None, keys), "")
                for key in wanted.intersection(keys):
                    number = numbers.setdefault(cells, len(numbers))
                    if self._row.setdefault(key, number) != number:
                        self._said_twice.add(key)
        self._cells = [*numbers]
        return example

    def _terms(self, cells: tuple[str, ...]) -> Terms | str:
        roles = self._roles
        if roles.taxid is not None:
            return self._lineages.get(cells[0]) or f"its taxid is not in the taxonomy: {cells[0]}"
        if roles.lineage is not None:
            return _of_lineage(cells[0]) or f"its lineage cannot be read: {cells[0][:80]}"
        said = {term: text for term, text in zip(roles.terms.values(), cells, strict=True) if text}
        ranked = {rank: said[rank] for rank in RANKS if rank in said}
        found = dict(lineage_terms(ranked))
        label = next((said[term] for term in _NAMES[::-1] if term in said), "")
        if label:
            found["verbatimIdentification"] = label
            if not ranked or "scientificName" in said:
                found["scientificName"] = said.get("scientificName", label)
                found.pop("taxonRank", None)
        return found | {term: said[term] for term in _BESIDE if term in said}


def ids_of(reading: Reading) -> set[str] | None:
    """Return all that the sequences of a FASTA file may be called; None for any other file."""
    found: set[str] = set()
    for source in reading.sources:
        if not isinstance(source, Rows) or not isinstance(source.chunks, Sequences):
            return None
        for one in source.chunks.rows():
            if not isinstance(one, Reject):
                found.update(_keys(*one))
    return found


def named(reading: Reading, names: NamesTable) -> Reading:
    """Return what is read of a FASTA file with the names of a table."""
    sources = [
        replace(source, chunks=_Named(source.chunks, names))
        for source in reading.sources
        if isinstance(source, Rows) and isinstance(source.chunks, Sequences)
    ]
    return replace(reading, sources=sources, notes=())


def _whole(rows: Iterator[list[str]], path: Path, skip: int) -> Iterator[list[str]]:
    """Return rows, and say where one cannot be read."""
    number = skip
    try:
        for number, row in enumerate(rows, skip + 1):  # noqa: B007 told of where it breaks off
            yield row
    except csv.Error as error:
        what = f"cannot be read as a table ({error})"
        raise FormatError(what, path=path, line=number + 1) from None


@dataclass(frozen=True)
class _Named:
    """The sequences of a file, each with the name that a table gives it."""

    sequences: Sequences
    names: NamesTable

    def __iter__(self) -> Iterator[Chunk | Reject]:
        seen: set[str] = set()
        rows: list[dict[str, object]] = []
        for found in self.sequences.rows():
            if isinstance(found, Reject):
                yield found
                continue
            record, row = found
            keys = _keys(record, row)
            terms = self.names.find(keys)
            where = self.sequences.path, record.line
            if keys[0] in seen:
                problem = f"the id {keys[0]!r} was seen before in this file"
                yield Reject(*where, problem, record.header)
                continue
            seen.add(keys[0])
            if isinstance(terms, str):
                yield Reject(*where, terms, record.header)
                continue
            kept = {k: row[k] for k in ("associatedSequences", "targetGene") if row.get(k)}
            own = {"occurrenceID": keys[0], "sequence": record.sequence, "line": record.line}
            rows.append({**kept, **terms, **own})
            if len(rows) == _CHUNK:
                yield _columns(rows)
                rows = []
        if rows:
            yield _columns(rows)


_VERSION = re.compile(r"([A-Z]{1,6}_?[0-9]{5,})\.[0-9]+")  # of an accession; "ASV.2" has none


def _keys(record: Record, row: Mapping[str, object]) -> list[str]:
    """Return what a sequence may be called in a table: its id first, then its accession."""
    word = record.header.split(maxsplit=1)[0]
    found = [str(row["occurrenceID"]), word, word.split(";")[0], word.split("|")[0]]
    found.append(str(row.get("associatedSequences") or ""))
    bare = [versioned[1] for key in found if (versioned := _VERSION.fullmatch(key))]
    return [*dict.fromkeys(key for key in (*found, *bare) if key)]


def _columns(rows: Sequence[Mapping[str, object]]) -> Chunk:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


# -- what the columns are for -------------------------------------------------------------------


def _cell(row: Sequence[str], place: int) -> str:
    text = row[place].strip() if place < len(row) else ""
    return "" if text in _NOTHING else text


def _is_lineage(text: str) -> bool:
    return ";" in text.strip().strip(";") or text.startswith(("k:", "d:", "k__", "d__", "sk__"))


def _delimiter(path: Path) -> str:
    """Return what parts the columns; the signs in a lineage must not mislead."""
    line = head_text(path).split("\n", 1)[0]
    if "\t" in line:
        return "\t"
    return "," if "," in line.split(";", 1)[0] else ""


def _is_headed(head: Head) -> bool:
    """Return whether the first line names the columns: no cell of it is a lineage or a number."""
    return not any(_is_lineage(c) or c.split(" (")[0].isdigit() for c in head.columns)


def _roles(head: Head, headed: bool) -> _Roles:
    """Find out what each column is for."""
    words = [plain(name) if headed else "" for name in head.columns]
    terms = [guess(name) if headed else None for name in head.columns]
    ids = [i for i, t in enumerate(terms) if t in _ID_TERMS or words[i] in _IDS] or [0]
    sample = [[_cell(row, i) for row in head.rows] for i in range(len(head.columns))]
    if not headed:
        sample = [[name, *rest] for name, rest in zip(head.columns, sample, strict=True)]
    rest = [i for i in range(len(head.columns)) if i not in ids]
    ranks = {i: t for i in rest if (t := terms[i]) in RANKS}
    given = {i: t for i in rest if (t := terms[i]) in (*RANKS, *_NAMES, *_BESIDE) and t}
    lineages = [
        i for i in rest
        if (many := sum(map(_is_lineage, sample[i])))
        and (words[i] in _LINEAGES or 2 * many > len(sample[i]))
    ]  # fmt: skip
    if not ranks and lineages:
        named_so = [i for i in lineages if words[i] in _LINEAGES]
        return _Roles(ids, {}, lineage=(named_so or lineages)[0])
    taxids = [
        i for i in rest
        if (words[i] in _TAXIDS or not headed or (words[i] == "taxonid" and not ranks))
        and sample[i] and all(text.isdigit() for text in sample[i] if text)
    ]  # fmt: skip
    if taxids and not ranks:
        return _Roles(ids, {}, taxid=taxids[0])
    single = [i for i in rest if words[i] in _LINEAGES and i not in given]
    if single and not given:
        given = {single[0]: "verbatimIdentification"}
    if not any(term in (*RANKS, *_NAMES) for term in given.values()):
        raise FormatError(
            f"no column holds names: its columns are {', '.join(head.columns[:12])}. Expected ids, "
            "and either columns called by ranks (family, genus, species), one with lineages such "
            "as k__Animalia;p__..., or one called taxid",
            path=head.path,
            line=head.header_lines,
        )
    kept: dict[int, str] = {}
    for place, term in given.items():
        if term not in kept.values():
            kept[place] = term
    return _Roles(ids, kept)


def _told(path: Path, head: Head, roles: _Roles, headed: bool) -> str:
    """Say what was made of the columns."""

    def called(place: int) -> str:
        return repr(head.columns[place]) if headed else str(place + 1)

    ids = ", ".join(map(called, roles.ids))
    if roles.taxid is not None:
        names = f"taxids in column {called(roles.taxid)}"
    elif roles.lineage is not None:
        names = f"lineages in column {called(roles.lineage)}"
    else:
        said = [f"{head.columns[i]}={term}" for i, term in roles.terms.items()]
        names = f"names in {', '.join(said)}"
    return f"{path.name}: ids in {ids}, {names}"


# -- lineages -----------------------------------------------------------------------------------


def _of_lineage(text: str) -> Terms | None:
    """Return the terms of a lineage in one string, whoever wrote it."""
    text = _SUPPORT.sub("", text.strip())
    tries = (("sintax", f"x;tax={text};"), ("midori", f"x###{text}"), ("qiime", f"x {text}"))
    for flavour, header in (*tries, ("coidb", f"x {text}"), ("dada2", text.replace("; ", ";"))):
        terms = flavour_of(flavour).read(header)
        if terms is not None:
            return {k: v for k, v in terms.items() if k != "occurrenceID"}
    return None


def _looked_up(taxonomy: Taxonomy, wanted: set[str]) -> dict[str, Terms]:
    """Return the lineages of taxids; those that the taxonomy does not have are left out."""
    row_of = {key: row for row, key in enumerate(taxonomy.ids) if key in wanted}
    for key, row in zip(taxonomy.retired_ids, taxonomy.retired_row.tolist(), strict=True):
        if key in wanted and row != NONE:
            row_of.setdefault(key, row)
    found: dict[str, Terms] = {}
    for key, row in row_of.items():
        path = taxonomy.path(row)
        terms = {r: taxonomy.name_of(n) for n in path if (r := taxonomy.rank_of(n)) in RANKS}
        name = taxonomy.name_of(path[-1])
        terms |= {"scientificName": name, "verbatimIdentification": name}
        if taxonomy.rank_of(path[-1]) in RANKS:
            terms["taxonRank"] = taxonomy.rank_of(path[-1])
        found[key] = terms | {"taxonConceptID": f"NCBI:txid{key}"}
    return found
