"""FASTA with the headers of coidb, for its users and for vsearch databases made like it.

::

    >PROCESSID Animalia;Arthropoda;Insecta;Diptera;Culicidae;Aedes;Aedes aegypti;BOLD:AAA4210

The seven ranks from kingdom to species, then the BIN; a rank that is not known is empty. Read
like any FASTA (see `merian.formats.fasta`).

Reference: https://github.com/insect-biome-atlas/coidb
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from merian.catalogue.sources import Reading
from merian.files import write_text
from merian.formats.fasta import fake_barcodes, read
from merian.formats.fasta_headers import SEVEN
from merian.formats.fasta_write import Labelled, write_fasta
from merian.formats.registry import Format, Options

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["FORMAT"]


def _header(item: Labelled) -> str:
    names = [item.ranks.get(rank, "").replace(";", ",") for rank in SEVEN]
    return f"{item.id} {';'.join([*names, item.concept])}"


def _read(path: Path, options: Options) -> Reading:
    extra = {**options.extra, "header": "coidb"}
    return read(path, Options(options.mapping, options.images, options.marker, extra))


def _write(catalogue: Catalogue, path: Path) -> int:
    return write_fasta(catalogue, path, _header)


def _fake(folder: Path, seed: int) -> Path:
    """Write 20 barcodes."""
    text = ""
    for identifier, lineage, bin_uri, sequence in fake_barcodes(seed, 20):
        text += f">{_header(Labelled(identifier, sequence, bin_uri, lineage))}\n{sequence}\n"
    path = folder / f"coidb{seed}.fasta"
    write_text(path, text)
    return path


FORMAT = Format(
    name="fasta-coidb",
    title="FASTA with coidb's headers",
    sniff=lambda _: 0,  # `fasta` finds the flavour of any file by itself
    read=_read,
    write=_write,
    fake=_fake,
    suffix=".fasta",
)
