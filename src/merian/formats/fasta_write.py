"""Writing FASTA: what the flavours have in common.

One sequence is one record, in the order of the ids. Its id is the occurrence's; where an
occurrence has several sequences, the marker or a number is added, so that ids stay unique. Signs
that end an id or a name in a header (blanks, ``;``, ``,``) become underscores. Sequences are
written in one line, as the tools that read reference files expect. A name that ends in ``.gz`` is
packed.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from merian.catalogue.schema import RANKS
from merian.files import new_file
from merian.formats.flat import SEQUENCES, STANDING, rows

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["Labelled", "joined", "labelled", "write_fasta"]

_QUERY = f"""
SELECT s.subject, s.targetGene, s.sequence, s.place, s.places, i.taxonConceptID,
    {", ".join(f'i."{rank}"' for rank in RANKS)}
FROM ({SEQUENCES}) s LEFT JOIN ({STANDING}) i USING (subject)
WHERE s.subject IS NOT NULL ORDER BY s.subject, s.place
"""


@dataclass(frozen=True)
class Labelled:
    """A sequence with the name that stands for it. ``ranks`` holds only ranks that are named."""

    id: str
    sequence: str
    concept: str
    ranks: dict[str, str]


def joined(text: str) -> str:
    """Return a text as one word of a header."""
    return re.sub(r"[\s;,]+", "_", text)


def labelled(catalogue: Catalogue) -> Iterator[Labelled]:
    """Return the sequences of a catalogue with their names."""
    seen: set[str] = set()
    for subject, gene, sequence, place, places, concept, *names in rows(catalogue, _QUERY):
        plain = joined(str(subject))
        if places != 1 and gene:
            plain = f"{plain}.{joined(str(gene))}"
        if plain in seen:
            plain = f"{plain}.{place}"
        seen.add(plain)
        ranks = {rank: str(name) for rank, name in zip(RANKS, names, strict=True) if name}
        yield Labelled(plain, str(sequence), str(concept or ""), ranks)


def write_fasta(catalogue: Catalogue, path: Path, header: Callable[[Labelled], str]) -> int:
    """Write all sequences, complete or not at all, and return how many there are."""
    count = 0
    with new_file(path) as stream:
        # Without name and time, the same content is the same bytes.
        packed = gzip.GzipFile("", "wb", 6, stream, 0) if path.suffix == ".gz" else None
        sink = cast(IO[bytes], packed or stream)
        for item in labelled(catalogue):
            sink.write(f">{header(item)}\n{item.sequence}\n".encode())
            count += 1
        if packed:
            packed.close()
    return count
