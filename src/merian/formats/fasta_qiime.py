"""FASTA for QIIME 2, with the table of lineages beside it.

QIIME imports two files: the sequences, of whose headers it takes the first word, and a table with
the columns ``Feature ID`` and ``Taxon``, which lies beside as ``<name>.taxonomy.tsv``::

    >ID k__Animalia;p__Arthropoda;c__Insecta;o__Diptera;f__Culicidae;g__Aedes;s__Aedes aegypti

The lineage stands in the header too, so that the file says all by itself; it is read like any
FASTA (see `merian.formats.fasta`).

Reference: https://docs.qiime2.org (importing taxonomies)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from merian.catalogue.sources import Reading
from merian.files import new_file, write_text
from merian.formats.fasta import fake_barcodes, read
from merian.formats.fasta_headers import SEVEN
from merian.formats.fasta_write import Labelled, labelled, write_fasta
from merian.formats.registry import Format, Options

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["FORMAT"]


def _taxon(item: Labelled) -> str:
    return ";".join(f"{rank[0]}__{item.ranks.get(rank, '').replace(';', ',')}" for rank in SEVEN)


def _header(item: Labelled) -> str:
    return f"{item.id} {_taxon(item)}"


def _read(path: Path, options: Options) -> Reading:
    extra = {**options.extra, "header": "qiime"}
    return read(path, Options(options.mapping, options.images, options.marker, extra))


def _write(catalogue: Catalogue, path: Path) -> int:
    name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    with new_file(path.with_name(f"{name}.taxonomy.tsv"), text=True) as stream:
        stream.write("Feature ID\tTaxon\n")
        for item in labelled(catalogue):
            stream.write(f"{item.id}\t{_taxon(item)}\n")
    return write_fasta(catalogue, path, _header)


def _fake(folder: Path, seed: int) -> Path:
    """Write 20 barcodes."""
    text = ""
    for identifier, lineage, bin_uri, sequence in fake_barcodes(seed, 20):
        text += f">{_header(Labelled(identifier, sequence, bin_uri, lineage))}\n{sequence}\n"
    path = folder / f"qiime{seed}.fasta"
    write_text(path, text)
    return path


FORMAT = Format(
    name="fasta-qiime",
    title="FASTA for QIIME 2 and its table of lineages",
    sniff=lambda _: 0,  # `fasta` finds the flavour of any file by itself
    read=_read,
    write=_write,
    fake=_fake,
    suffix=".fasta",
)
