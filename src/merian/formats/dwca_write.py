"""Writing a Darwin Core Archive: its tables, ``meta.xml`` and ``eml.xml``.

What stands in the tables is told in `merian.formats.dwca_tables`. A column that is empty throughout
is left out, and a tab or a line break within a value becomes a space, as archives have no sure way
to hold one. A name that ends in ``.zip`` becomes a zip, any other a folder.

Reference: https://dwc.tdwg.org/text/
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from merian.files import new_file, new_folder, write_text
from merian.formats.about import About
from merian.formats.delimited import write_delimited
from merian.formats.dwca_tables import ArchiveTable, archive_tables
from merian.formats.eml import eml
from merian.formats.flat import rows

if TYPE_CHECKING:
    from merian.catalogue import Catalogue

__all__ = ["pack_folder", "write_archive", "write_archive_about", "write_descriptor"]


def write_archive(catalogue: Catalogue, path: Path) -> int:
    """Write the archive, complete or not at all, and return the number of occurrences."""
    return write_archive_about(catalogue, path, eml(About())).get("occurrence.txt", 0)


def write_archive_about(catalogue: Catalogue, path: Path, metadata: str) -> dict[str, int]:
    """Write the archive with what is said of it, and return the number of rows by file."""
    if path.suffix.lower() != ".zip":
        with new_folder(path) as folder:
            return _fill(catalogue, folder, metadata)
    with tempfile.TemporaryDirectory(prefix="merian-dwca-") as name:
        folder = Path(name)
        counts = _fill(catalogue, folder, metadata)
        pack_folder(folder, path)
    return counts


def pack_folder(folder: Path, path: Path) -> None:
    """Zip a folder's files in order and without their times, so that the bytes are the same."""
    with new_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(folder.iterdir()):
            member = zipfile.ZipInfo(file.name)
            member.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as source, packed.open(member, "w") as sink:
                while block := source.read(1 << 20):
                    sink.write(block)


def _fill(catalogue: Catalogue, folder: Path, metadata: str) -> dict[str, int]:
    """Write the tables that have rows, their descriptor and the data set's own."""
    written: list[tuple[ArchiveTable, list[tuple[str, str]]]] = []
    counts: dict[str, int] = {}
    for number, table in enumerate(archive_tables()):
        kept = _filled(catalogue, table)
        if number and not kept:
            continue
        listed = ", ".join(["id", *(f"c{i}" for i in kept)])
        names = ["id", *(f"c{i}" for i in range(len(table.terms)))]
        query = f"SELECT {listed} FROM ({table.sql}) AS t({', '.join(names)})"
        terms = [table.terms[i] for i in kept]
        header = ["id" if number == 0 else "coreid", *(name for name, _ in terms)]
        found = write_delimited(folder / table.file, header, rows(catalogue, query), "\t")
        counts[table.file] = found
        written.append((table, terms))
    parts = [(t.file, t.row_type, [uri for _, uri in terms]) for t, terms in written]
    write_descriptor(folder, parts, metadata)
    return counts


def _filled(catalogue: Catalogue, table: ArchiveTable) -> list[int]:
    """Return the places of the columns that hold anything, in a table that has rows."""
    names = ", ".join(["id", *(f"c{i}" for i in range(len(table.terms)))])
    counts = ", ".join(f"count(c{i})" for i in range(len(table.terms)))
    found = next(rows(catalogue, f"SELECT {counts} FROM ({table.sql}) AS t({names})"))
    kept = [place for place, number in enumerate(found) if number]
    # Without this one a table of pictures is one of the simple extension, where the identifier
    # is the address.
    address = [place for place, (name, _) in enumerate(table.terms) if name == "accessURI"]
    return sorted({*kept, *address}) if kept else []


def write_descriptor(
    folder: Path, parts: Sequence[tuple[str, str, Sequence[str]]], metadata: str | None = None
) -> None:
    """Write ``meta.xml`` and ``eml.xml``.

    Args:
        folder: Where the tables are.
        parts: For each table its file, row type and terms after the id; the core first.
        metadata: What ``eml.xml`` says.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">',
    ]
    for number, (file, row_type, terms) in enumerate(parts):
        kind, key = ("extension", "coreid") if number else ("core", "id")
        lines += [
            f'  <{kind} encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" '
            f'fieldsEnclosedBy="" ignoreHeaderLines="1" rowType={quoteattr(row_type)}>',
            f"    <files><location>{file}</location></files>",
            f'    <{key} index="0"/>',
            *(
                f'    <field index="{place}" term={quoteattr(term)}/>'
                for place, term in enumerate(terms, start=1)
            ),
            f"  </{kind}>",
        ]
    write_text(folder / "meta.xml", "\n".join([*lines, "</archive>"]) + "\n")
    write_text(folder / "eml.xml", metadata or eml(About()))
