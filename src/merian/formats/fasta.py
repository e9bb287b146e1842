"""FASTA and FASTQ: sequences with one line of header each, gzipped or not.

A record is ``>header``, then the sequence on any number of lines; in FASTQ ``@header``, the
sequence, ``+``, and the qualities, which are not stored. What a header says is told by its
flavour (see `merian.formats.fasta_headers`); it is found from the first 500 headers, or given as
``header``. Lines that begin with ``;`` are comments. A protein is a FASTA too; the catalogue
sets it aside when it looks at the sequence.

A bad record (no id, an id seen before, no sequence, bytes that are no text, a file cut short)
is set aside with its line and the rest is read. Written in the flavour of SINTAX, which vsearch,
USEARCH and DADA2's relatives read, and which this reads back.

References: https://www.ncbi.nlm.nih.gov/genbank/fastaformat/, Cock et al. 2010,
doi:10.1093/nar/gkp1137 (FASTQ), https://drive5.com/usearch/manual/tax_annot.html (SINTAX)
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

import dnaio

from merian.catalogue.sources import Chunk, Reading, Reject, Rows
from merian.errors import FormatError
from merian.files import existing, open_binary, write_text
from merian.formats.delimited import head_bytes, is_binary
from merian.formats.fasta_headers import Flavour, find_flavour, flavour_of
from merian.formats.fasta_write import Labelled, joined, write_fasta
from merian.formats.registry import Format, Options
from merian.unpacking import UNREADABLE

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["FORMAT", "Record", "Sequences", "columns", "fake_barcodes", "read", "records", "sniff"]

_SAMPLE = 500
_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file: the line of its header (from 1), its header, its sequence."""

    line: int
    header: str
    sequence: str


def sniff(path: Path) -> int:
    """Return 3 for a header followed by letters, 0 for anything else."""
    lines = head_bytes(path, 1 << 14).removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n")
    lines = [line.strip() for line in lines if not line.startswith(b";")]
    if len(lines) < 2 or is_binary(lines[0]):
        return 0
    mark, sequence = lines[0][:1], lines[1]
    if not sequence.replace(b"-", b"").replace(b"*", b"").replace(b".", b"").isalpha():
        return 1 if mark == b">" and not sequence else 0
    if mark == b">":
        return 3
    return 3 if mark == b"@" and len(lines) > 2 and lines[2].startswith(b"+") else 0


def read(path: Path, options: Options) -> Reading:
    """Return the records of a FASTA or FASTQ file."""
    path = existing(path, "FASTA file")
    if path.is_dir():
        raise FormatError("is a folder; a FASTA or FASTQ file is expected", path=path)
    if not sniff(path):
        raise FormatError(
            "no FASTA: expected a line that begins with '>' (FASTQ: '@'), then a sequence",
            path=path,
            line=1,
        )
    forced = options.extra.get("header")
    if forced:
        flavour = flavour_of(forced)
        note = f"headers are read as {flavour.title}, as told"
    else:
        sample = islice((r for r in records(path) if isinstance(r, Record)), _SAMPLE)
        flavour, fit, seen = find_flavour(record.header for record in sample)
        note = f"headers are {flavour.title} ({fit} of the first {seen}); header=NAME is another"
    return Reading(
        format="fasta",
        sources=(Rows(path, "record", Sequences(path, flavour, options.marker)),),
        inputs=(path,),
        notes=(note,),
    )


@dataclass(frozen=True)
class Sequences:
    """The sequences of a file, anew each time they are asked for.

    Attributes:
        path: The file.
        flavour: What its headers say.
        marker: The gene, where they do not say it.
    """

    path: Path
    flavour: Flavour
    marker: str | None

    def __iter__(self) -> Iterator[Chunk | Reject]:
        seen: set[str] = set()
        rows: list[dict[str, object]] = []
        for found in self.rows():
            if isinstance(found, Reject):
                yield found
                continue
            record, row = found
            identifier = str(row["occurrenceID"])
            if identifier in seen:
                problem = f"the id {identifier!r} was seen before in this file"
                yield Reject(self.path, record.line, problem, record.header)
                continue
            seen.add(identifier)
            rows.append(row)
            if len(rows) == _CHUNK:
                yield columns(rows)
                rows = []
        if rows:
            yield columns(rows)

    def rows(self) -> Iterator[tuple[Record, dict[str, object]] | Reject]:
        """Return each record with its terms; nothing is remembered, so ids may come again."""
        for record in records(self.path):
            if isinstance(record, Reject):
                yield record
                continue
            row = self._row(record)
            problem = (
                "the header is empty; an id is expected" if not row["occurrenceID"]
                else "there is no sequence under this header" if not record.sequence
                else None
            )  # fmt: skip
            if problem:
                yield Reject(self.path, record.line, problem, record.header)
            else:
                yield record, row

    def _row(self, record: Record) -> dict[str, object]:
        terms = self.flavour.read(record.header)
        if terms is None:
            # One odd header in a file of others: its first word is its id, and no more is known.
            terms = {"occurrenceID": record.header.split(maxsplit=1)[0] if record.header else ""}
        elif "occurrenceID" not in terms:
            terms = {"occurrenceID": f"{_stem(self.path)}:{record.line}", **terms}
        row: dict[str, object] = {**terms, "sequence": record.sequence, "line": record.line}
        if self.marker or "targetGene" not in terms:
            row["targetGene"] = self.marker
        return row


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[0] or name


def columns(rows: list[dict[str, object]]) -> Chunk:
    """Turn rows into columns; a term that no row has is left out."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns: dict[str, list[object]] = {n: [row.get(n) for row in rows] for n in names}
    columns["basisOfRecord"] = ["MaterialSample"] * len(rows)
    return columns


# --- the two grammars ---------------------------------------------------------------------------


def records(path: Path) -> Iterator[Record | Reject]:
    """Read the records of a file and, in their place, what is wrong with it."""
    line = 1
    try:
        with open_binary(path) as stream:
            fastq = head_bytes(path, 1 << 14).lstrip()[:1] == b"@"
            for item in _fastq(path, stream) if fastq else _fasta(path, stream):
                line = item.line or line
                yield item
    except UNREADABLE as error:
        yield Reject(
            path, line, f"the file is damaged or cut short after this record ({error})", ""
        )


def _text(line: bytes) -> str:
    """Decode a header; old ones are Windows-1252."""
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _fasta(path: Path, stream: IO[bytes]) -> Iterator[Record | Reject]:
    """Read FASTA. A parser that stops at the first bad record would lose all behind it."""
    header, start = b"", 0
    parts: list[bytes] = []
    for number, raw in enumerate(stream, start=1):
        line = raw.strip()
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line[:1] == b">":
            if start:
                yield _finish(path, start, header, parts)
            header, start, parts = line[1:].strip(), number, []
        elif line and line[:1] != b";":
            if start:
                parts.append(line)
            else:
                yield Reject(
                    path, number, "a sequence before the first header ('>')", _text(line[:1000])
                )
    if start:
        yield _finish(path, start, header, parts)


def _finish(path: Path, line: int, header: bytes, parts: list[bytes]) -> Record | Reject:
    sequence = b"".join(parts)
    if b" " in sequence or b"\t" in sequence:
        sequence = b"".join(sequence.split())
    if not sequence.isascii() or is_binary(sequence) or is_binary(header):
        return Reject(path, line, "holds bytes that are no text", _text(header[:1000]))
    return Record(line, _text(header), sequence.decode("ascii"))


def _fastq(path: Path, stream: IO[bytes]) -> Iterator[Record | Reject]:
    """Read FASTQ with dnaio; from the first bad record on by hand, since dnaio stops there."""
    good = 0
    try:
        with dnaio.open(cast(BinaryIO, stream), fileformat="fastq") as reader:
            for item in reader:
                yield Record(4 * good + 1, item.name, item.sequence)
                good += 1
            return
    except (dnaio.FileFormatError, ValueError, *UNREADABLE):
        pass  # what dnaio had read ahead when it stopped may be good: it is read again below
    with open_binary(path) as again:
        yield from _mend(path, again, 4 * good)


def _mend(path: Path, stream: IO[bytes], skip: int) -> Iterator[Record | Reject]:
    """Read FASTQ from a line on, looking for the next record wherever one is broken."""
    lines = enumerate((line.rstrip(b"\r\n") for line in stream), start=1)
    window: list[tuple[int, bytes]] = list(islice(islice(lines, skip, None), 4))
    lost: tuple[int, bytes] | None = None
    while window:
        texts = [text for _, text in window]
        number = window[0][0]
        fits = len(texts) == 4 and texts[0][:1] == b"@" and texts[2][:1] == b"+"
        if fits and len(texts[1]) == len(texts[3]) and texts[1].isascii():
            if lost:
                yield _broken(path, lost)
                lost = None
            yield Record(number, _text(texts[0][1:]), texts[1].decode("ascii"))
            window = list(islice(lines, 4))
        else:
            if texts[0].strip():
                lost = lost or window[0]
            window = [*window[1:], *islice(lines, 1)]
    if lost:
        yield _broken(path, lost)


def _broken(path: Path, lost: tuple[int, bytes]) -> Reject:
    return Reject(
        path,
        lost[0],
        "no FASTQ record: expected '@' and a header, a sequence, '+', and one quality a letter",
        _text(lost[1][:1000]),
    )


# --- writing and faking -------------------------------------------------------------------------

_SINTAX = {
    "k": "kingdom", "p": "phylum", "c": "class", "o": "order", "f": "family", "g": "genus",
    "s": "species",
}  # fmt: skip


def _sintax(item: Labelled) -> str:
    names = {letter: item.ranks[rank] for letter, rank in _SINTAX.items() if rank in item.ranks}
    if item.concept:
        names["t"] = item.concept
    shown = ",".join(f"{letter}:{joined(name)}" for letter, name in names.items())
    return f"{item.id};tax={shown};" if shown else item.id


def _write(catalogue: Catalogue, path: Path) -> int:
    return write_fasta(catalogue, path, _sintax)


def fake_barcodes(seed: int, count: int) -> list[tuple[str, dict[str, str], str, str]]:
    """Return ids, lineages, BINs and sequences for the fakers of all flavours."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    lineages = [
        ("Animalia", "Arthropoda", "Insecta", "Diptera", "Culicidae", "Aedes", "Aedes aegypti"),
        ("Animalia", "Arthropoda", "Insecta", "Diptera", "Chironomidae", "Tanytarsus", ""),
        ("Animalia", "Arthropoda", "Insecta", "Hymenoptera", "Apidae", "Apis", "Apis mellifera"),
        ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major"),
    ]
    found = []
    for number in range(count):
        lineage = dict(zip(_SINTAX.values(), lineages[number % len(lineages)], strict=True))
        sequence = "".join(chance.choices("ACGT", k=120))
        bin_uri = f"BOLD:AAA{1000 + number % len(lineages)}"
        found.append((f"FAKE{seed:02d}{number:03d}-26", lineage, bin_uri, sequence))
    return found


def _fake(folder: Path, seed: int) -> Path:
    """Write 40 barcodes in the flavour of SINTAX, wrapped at 60 letters, one record bad."""
    lines = []
    for identifier, lineage, bin_uri, sequence in fake_barcodes(seed, 40):
        item = Labelled(identifier, sequence, bin_uri, {r: n for r, n in lineage.items() if n})
        lines.append(f">{_sintax(item)}")
        lines += [sequence[i : i + 60] for i in range(0, len(sequence), 60)]
    lines.append(">EMPTY-26;tax=k:Animalia;")
    path = folder / f"barcodes{seed}.fasta"
    write_text(path, "\n".join(lines) + "\n")
    return path


FORMAT = Format(
    name="fasta",
    title="FASTA and FASTQ; written with headers for SINTAX",
    sniff=sniff,
    read=read,
    write=_write,
    fake=_fake,
    tested_on="CBS ITS1 and MycoAI yeast ITS (UNITE headers), top 50 unidentified fungi, "
    "PrimerMiner and taxreturn COI, Naturalis NLVRT (bare ids)",
    suffix=".fasta",
)
