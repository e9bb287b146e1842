"""Darwin Core Archives: what ``meta.xml`` says about the tables beside it.

An archive is a zip or a folder: one core table, tables that extend it, and ``meta.xml``, which
names their files, dialects and columns. Both checklists (core ``Taxon``) and records (core
``Occurrence`` or ``Event``) come so. Archives without ``meta.xml`` that hold one table named
after its class (``taxon.txt``, as WoRMS gives out) are read by its header.

An archive comes from a stranger: a zip may not write outside its folder nor grow without bound,
and ``meta.xml`` may declare no entities. Reference: https://dwc.tdwg.org/text/
"""

from __future__ import annotations

import codecs
import csv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any
from xml.parsers import expat

from merian.errors import FormatError
from merian.files import existing, open_text
from merian.unpacking import Scratch, safe_name, text_encoding, unzip

__all__ = ["Archive", "ArchiveFile", "Element", "parse_xml", "read_table", "unpack"]

_LONGEST_META = 16 << 20
_LONGEST_HEADER = 1 << 20

_CORES = ("Taxon", "Event", "Occurrence")
_CLASSES = {
    name.lower(): name
    for name in (
        *_CORES, "VernacularName", "SpeciesProfile", "Distribution", "MeasurementOrFact",
        "ExtendedMeasurementOrFact", "Multimedia", "Reference", "Description", "Identifier",
        "ResourceRelationship", "TypesAndSpecimen", "Identification",
    )
}  # fmt: skip


@dataclass(frozen=True)
class ArchiveFile:
    r"""One table of an archive.

    Attributes:
        row_type: The class of its rows, short: ``Taxon``, ``Occurrence``.
        paths: Its files; a table may be cut into several.
        encoding: ``utf-8-sig``, ``cp1252`` or another name that Python knows.
        delimiter: One character.
        quote: The character around fields, or ``""`` for none.
        header_lines: Lines before the first row of each file.
        id_column: Where the id of the core's row stands, or -1.
        columns: The short name of the term at each position, ``""`` where nothing is mapped. A
            second term of the same short name keeps its full one.
        defaults: term -> the value of rows that have none.
        copies: term -> the term whose column it shares, where one column is mapped twice.
    """

    row_type: str
    paths: tuple[Path, ...]
    encoding: str
    delimiter: str
    quote: str
    header_lines: int
    id_column: int
    columns: tuple[str, ...]
    defaults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    copies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Archive:
    """An archive, unpacked. What was unpacked is deleted when the archive is closed or forgotten.

    Attributes:
        folder: Where ``meta.xml`` and the tables are.
        core: The table that the others extend.
        extensions: The tables whose rows point to rows of the core.
    """

    folder: Path
    core: ArchiveFile
    extensions: tuple[ArchiveFile, ...]
    _scratch: Scratch | None = field(default=None, repr=False, compare=False)

    def close(self) -> None:
        """Delete what was unpacked from a zip; a folder stays."""
        if self._scratch is not None:
            self._scratch.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def unpack(path: Path | str) -> Archive:
    """Open an archive: a zip, a folder, its ``meta.xml``, or one table with a header.

    Keep the archive for as long as its files are read.
    """
    path = existing(path, "Darwin Core Archive")
    if path.is_dir():
        return _open_folder(path, path)
    if path.name.lower() == "meta.xml":
        return Archive(path.parent, *_read_meta(path))
    if not zipfile.is_zipfile(path):
        return Archive(path.parent, _read_header(path), ())
    scratch = Scratch("dwca")
    unzip(path, scratch.folder)
    archive = _open_folder(scratch.folder, path)
    return Archive(archive.folder, archive.core, archive.extensions, scratch)


def _open_folder(folder: Path, path: Path) -> Archive:
    """Open the archive in a folder, or in the one folder that a zip wrapped it in."""
    found = sorted(
        (p for p in folder.rglob("*") if p.name.lower() == "meta.xml" and _is_visible(p, folder)),
        key=lambda p: (len(p.parts), str(p)),
    )
    if found:
        return Archive(found[0].parent, *_read_meta(found[0]))
    tables = {
        p.stem.lower(): p
        for p in sorted(folder.rglob("*"), reverse=True)
        if p.suffix.lower() in {".txt", ".tsv", ".csv"}
        and p.stem.lower() in _CLASSES
        and _is_visible(p, folder)
    }
    core = next((tables.pop(c.lower()) for c in _CORES if c.lower() in tables), None)
    if core is None:
        raise FormatError(
            "holds no meta.xml, nor a table named taxon, event or occurrence (.txt, .tsv, .csv); "
            "a Darwin Core Archive has one of them",
            path=path,
        )
    table = _read_header(core)
    key = table.columns[table.id_column] if table.id_column >= 0 else ""
    others = [_read_header(p) for _, p in sorted(tables.items()) if p.parent == core.parent]
    return Archive(core.parent, table, tuple(t for t in others if key and t.columns[:1] == (key,)))


def _is_visible(path: Path, folder: Path) -> bool:
    """Return whether a file is no leftover of an operating system (``__MACOSX``, ``._x``)."""
    return path.is_file() and not any(
        part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts
    )


# --- meta.xml -----------------------------------------------------------------------------------


@dataclass
class Element:
    """An element of a small XML file, with its line."""

    name: str
    attributes: Mapping[str, str]
    line: int
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> list[Element]:
        """Return its children of a name."""
        return [child for child in self.children if child.name == name]


def parse_xml(path: Path) -> Element:
    """Parse a small XML file that may declare nothing of its own."""
    if path.stat().st_size > _LONGEST_META:
        raise FormatError("is larger than 16 MB; a meta.xml is a few kB", path=path)
    root = Element("", {}, 0)
    stack = [root]
    parser = expat.ParserCreate(namespace_separator=" ")

    def refuse(*_: Any) -> None:
        raise FormatError(
            "declares a document type or entities; a meta.xml needs none, and they can be used "
            "for harm. Delete the declaration if you trust the file",
            path=path,
            line=parser.CurrentLineNumber,
        )

    def start(name: str, attributes: dict[str, str]) -> None:
        element = Element(name.rsplit(" ", 1)[-1], attributes, parser.CurrentLineNumber)
        stack[-1].children.append(element)
        stack.append(element)

    def text(data: str) -> None:
        stack[-1].text += data

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = text
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise FormatError(
            f"is no well-formed XML ({expat.errors.messages[error.code]})",
            path=path,
            line=error.lineno,
        ) from None
    except (LookupError, ValueError) as error:  # an encoding that nobody knows
        raise FormatError(f"is in an encoding that cannot be read ({error})", path=path) from None
    return root.children[0]


def _read_meta(path: Path) -> tuple[ArchiveFile, tuple[ArchiveFile, ...]]:
    """Read the core and the extensions from ``meta.xml``."""
    root = parse_xml(path)
    cores = root.all("core")
    if root.name != "archive" or len(cores) != 1:
        raise FormatError(
            f"its root is <{root.name}> with {len(cores)} <core>; a Darwin Core Archive's is "
            "<archive> with one <core>",
            path=path,
        )
    core = read_table(cores[0], path, "id")
    return core, tuple(read_table(table, path, "coreid") for table in root.all("extension"))


def read_table(element: Element, path: Path, key: str) -> ArchiveFile:
    """Read one ``<core>`` or ``<extension>``, whose ids are under ``<id>`` or ``<coreid>``."""
    say = element.attributes
    paths = _locate(element, path)
    columns: dict[int, str] = {}
    defaults: dict[str, str] = {}
    copies: dict[str, str] = {}
    for term_element in element.all("field"):
        term = term_element.attributes.get("term", "").strip()
        if not term:
            raise FormatError("a <field> without a term", path=path, line=term_element.line)
        name = _short(term)
        if name in columns.values() or name in copies:
            name = term
        if "default" in term_element.attributes:
            defaults[name] = term_element.attributes["default"]
        if "index" in term_element.attributes:
            index = _number(term_element, "index", path)
            if index in columns:
                copies[name] = columns[index]
            else:
                columns[index] = name
    keys = [_number(k, "index", path) for k in element.all(key) if "index" in k.attributes]
    delimiter = _unescape(say.get("fieldsTerminatedBy", ","))
    quote = _unescape(say.get("fieldsEnclosedBy", '"'))
    for what, value, least in (
        ("fieldsTerminatedBy", delimiter, 1),
        ("fieldsEnclosedBy", quote, 0),
    ):
        if not least <= len(value) <= 1:
            raise FormatError(
                f"{what} is {value!r}; one character is expected", path=path, line=element.line
            )
    encoding = _encoding(say.get("encoding", "UTF-8"), path, element.line)
    found = _width(paths[0], encoding, delimiter, quote)
    width = max([found, *(i + 1 for i in columns), *(i + 1 for i in keys)])
    return ArchiveFile(
        row_type=_short(say.get("rowType", "")),
        paths=paths,
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
        header_lines=_number(element, "ignoreHeaderLines", path, 0),
        id_column=keys[0] if keys else -1,
        columns=tuple(columns.get(i, "") for i in range(width)),
        defaults=MappingProxyType(defaults),
        copies=MappingProxyType(copies),
    )


def _locate(element: Element, path: Path) -> tuple[Path, ...]:
    """Return the files of a table, which lie beside ``meta.xml`` or below it."""
    names = [
        location.text.strip()
        for files in element.all("files")
        for location in files.all("location")
    ]
    found = []
    for name in names:
        file = path.parent / safe_name(name, path)
        # A name written in another case opens where the archive was made, but not everywhere.
        nearby = sorted(file.parent.iterdir()) if file.parent.is_dir() else []
        same = [p for p in nearby if p.name.lower() == file.name.lower() and p.is_file()]
        if not same:
            raise FormatError(
                f"names the file {name!r}, which is not there; beside it are "
                f"{', '.join(p.name for p in nearby[:8])}",
                path=path,
                line=element.line,
            )
        found.append(file if file in same else same[0])
    if not found:
        raise FormatError(
            f"<{element.name}> names no file; <files><location>...</location></files> is expected",
            path=path,
            line=element.line,
        )
    return tuple(found)


def _short(term: str) -> str:
    return term.replace("#", "/").replace(":", "/").rstrip("/").rsplit("/", 1)[-1]


def _number(element: Element, name: str, path: Path, default: int = -1) -> int:
    text = element.attributes.get(name, str(default)).strip() or str(default)
    if not text.isdecimal() or int(text) > 10_000:
        raise FormatError(
            f"{name} is {text!r}; a number from 0 on is expected", path=path, line=element.line
        )
    return int(text)


def _unescape(text: str) -> str:
    for written, meant in (("\\t", "\t"), ("\\n", "\n"), ("\\r", "\r"), ('\\"', '"')):
        text = text.replace(written, meant)
    return text


def _encoding(name: str, path: Path, line: int) -> str:
    """Return Python's name. What claims to be Latin-1 is read as Windows-1252, its superset."""
    plain = name.strip().lower().replace("_", "-") or "utf-8"
    try:
        codecs.lookup(plain)
    except LookupError:
        raise FormatError(
            f"encoding is {name!r}, which is not known; UTF-8 is expected", path=path, line=line
        ) from None
    if plain in {"utf-8", "utf8", "us-ascii", "ascii"}:
        return "utf-8-sig"
    return "cp1252" if plain in {"iso-8859-1", "latin-1", "latin1", "windows-1252"} else plain


# --- tables by themselves -----------------------------------------------------------------------


def _first_line(path: Path, encoding: str) -> str:
    with open_text(path, encoding) as stream:
        return stream.readline(_LONGEST_HEADER)


def _split(line: str, delimiter: str, quote: str) -> list[str]:
    line = line.rstrip("\r\n")
    if not quote:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter, quotechar=quote), [""])


def _width(path: Path, encoding: str, delimiter: str, quote: str) -> int:
    line = _first_line(path, encoding)
    return len(_split(line, delimiter, quote)) if line else 0


def _read_header(path: Path) -> ArchiveFile:
    """Describe a table by its header, where there is no ``meta.xml``."""
    encoding = text_encoding(path)
    line = _first_line(path, encoding)
    delimiter = max("\t,;", key=line.count)
    quote = "" if delimiter == "\t" else '"'
    names = tuple(_short(name.strip()) for name in _split(line, delimiter, quote))
    row_type = _CLASSES.get(path.stem.lower(), "")
    is_record = {"occurrenceID", "gbifID", "basisOfRecord", "catalogNumber"} & set(names)
    row_type = row_type or ("Occurrence" if is_record or "taxonID" not in names else "Taxon")
    if not {"taxonID", "occurrenceID", "eventID", "scientificName"} & set(names):
        raise FormatError(
            f"no meta.xml beside it, and its first line names no Darwin Core terms: {line[:80]!r}. "
            "A header with taxonID, occurrenceID, eventID or scientificName is expected",
            path=path,
            line=1,
        )
    key = f"{row_type[:1].lower()}{row_type[1:]}ID"
    key = key if key in names else "taxonID"
    return ArchiveFile(
        row_type=row_type,
        paths=(path,),
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
        header_lines=1,
        id_column=names.index(key) if key in names else -1,
        columns=tuple(n if n not in names[:i] else "" for i, n in enumerate(names)),
    )
