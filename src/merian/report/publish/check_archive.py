"""Checking a Darwin Core Archive: its descriptor, its metadata, its tables, how they hang together.

Reference: https://dwc.tdwg.org/text/, https://www.gbif.org/tools/data-validator/about
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from merian.catalogue.sources import Delimited
from merian.dwc_archive import Archive, ArchiveFile, Element, parse_xml, read_table, unpack
from merian.errors import FormatError
from merian.files import open_text
from merian.formats.dwca_feeds import view_of
from merian.report.publish.darwin_terms import DARWIN_TERMS, ROW_TYPES
from merian.report.publish.looking import Looking, Sight

__all__ = ["check_archive"]

_DWC = "http://rs.tdwg.org/dwc/terms/"
_UNSAID = "to be filled in"


def check_archive(folder: Path, looking: Looking) -> None:
    """Check the archive in a folder."""
    meta = next(iter(sorted(folder.rglob("meta.xml"), key=lambda p: len(p.parts))), None)
    if meta is None:
        _check_bare(folder, looking)
        return
    try:
        root = parse_xml(meta)
    except FormatError as error:
        looking.tell("error", "DWCA_UNREADABLE", "meta.xml", str(error))
        return
    cores = root.all("core")
    if len(cores) != 1:
        looking.tell(
            "error",
            "CORE_ROWTYPE_UNDETERMINED",
            "meta.xml",
            f"has {len(cores)} <core>; an archive has one",
        )
        return
    _check_metadata(meta.parent, root, looking)
    core = _table(cores[0], meta, "id", looking)
    if core is not None:
        extensions = [_table(e, meta, "coreid", looking) for e in root.all("extension")]
        _check_tables(core, [e for e in extensions if e is not None], looking)


def _check_bare(folder: Path, looking: Looking) -> None:
    """Check tables that no descriptor names."""
    looking.tell(
        "error",
        "DWCA_META_XML_NOT_FOUND",
        "meta.xml",
        "is not there; it names the tables and what their columns mean",
    )
    try:
        archive: Archive = unpack(folder)
    except FormatError:
        return
    _check_tables(archive.core, list(archive.extensions), looking)


def _table(element: Element, meta: Path, key: str, looking: Looking) -> ArchiveFile | None:
    """Return a table of the descriptor, and tell what is wrong with how it is described."""
    name = next((loc.text.strip() for f in element.all("files") for loc in f.all("location")), "")
    shown = name or f"<{element.name}>"
    _check_terms(element, shown, looking)
    if element.attributes.get("encoding", "UTF-8").upper().replace("-", "") != "UTF8":
        looking.tell(
            "warning",
            "ENCODING_INVALID",
            shown,
            "is said not to be UTF-8; GBIF reads it, many others do not",
            element.line,
        )
    try:
        table = read_table(element, meta, key)
    except FormatError as error:
        code = "FILE_MISSING" if "which is not there" in str(error) else "DWCA_UNREADABLE"
        looking.tell("error", code, shown, str(error), element.line)
        return None
    width = _width(table)
    beyond = [f"{term} at {i}" for i, term in enumerate(table.columns) if i >= width and term]
    if beyond:
        looking.tell(
            "error",
            "FIELD_INDEX_BEYOND_COLUMNS",
            shown,
            f"has {width} columns, and meta.xml looks for {', '.join(beyond)} (counted from 0)",
            element.line,
        )
        table = replace(table, columns=table.columns[:width])
    if key == "coreid" and table.id_column < 0:
        looking.tell(
            "error",
            "COREID_MISSING",
            shown,
            "meta.xml gives it no <coreid>, so its rows belong to nothing",
            element.line,
        )
    return table


def _check_terms(element: Element, shown: str, looking: Looking) -> None:
    """Tell terms and classes that nobody knows, and those that are mapped twice."""
    row_type = element.attributes.get("rowType", "")
    if row_type.rsplit("/", 1)[-1] not in ROW_TYPES:
        looking.tell(
            "warning",
            "UNKNOWN_ROWTYPE",
            shown,
            "is of a class that GBIF does not take",
            element.line,
            "rowType",
            row_type,
        )
    seen: set[str] = set()
    for field in element.all("field"):
        term = field.attributes.get("term", "")
        if term in seen:
            looking.tell(
                "error",
                "DUPLICATED_TERM",
                shown,
                "two columns are mapped to the same term",
                field.line,
                term.rsplit("/", 1)[-1],
                term,
            )
        seen.add(term)
        if term.startswith(_DWC) and term.removeprefix(_DWC) not in DARWIN_TERMS:
            looking.tell(
                "warning",
                "UNKNOWN_TERM",
                shown,
                "is no term of Darwin Core",
                field.line,
                term.rsplit("/", 1)[-1],
                term,
            )
        elif not term.startswith(("http://", "https://")):
            looking.tell(
                "info",
                "UNKNOWN_TERM",
                shown,
                "is no term that others know; they pass over it",
                field.line,
                term.rsplit(":", 1)[-1],
                term,
            )


def _width(table: ArchiveFile) -> int:
    """Return the number of columns that the first line of a table has."""
    with open_text(table.paths[0], table.encoding) as stream:
        line = stream.readline(1 << 20).rstrip("\r\n")
    if table.quote and table.quote in line:
        return len(table.columns)
    return len(line.split(table.delimiter)) if line else len(table.columns)


# --- tables -------------------------------------------------------------------------------------


def _check_tables(core: ArchiveFile, extensions: list[ArchiveFile], looking: Looking) -> None:
    """Check the rows of all tables, and whether those of extensions have one in the core."""
    cores = _sights(core, core.row_type, looking)
    link = f"{core.row_type[:1].lower()}{core.row_type[1:]}ID"
    for sight in cores:
        key = _key(core, sight)
        if key is None:
            looking.tell(
                "error",
                "RECORD_NOT_UNIQUELY_IDENTIFIED",
                sight.file,
                "no column holds the identifiers of the rows",
                term=link,
            )
        else:
            looking.hold_unique(sight, key)
        if link in sight.columns and link != key:
            looking.hold_unique(sight, link)
        _check_required(core.row_type, sight, looking)
        looking.hold_against_rules(sight)
    for table in extensions:
        for sight in _sights(table, core.row_type, looking):
            own = f"{table.row_type[:1].lower()}{table.row_type[1:]}ID"
            key = _link(table, sight, link, own, looking)
            pairs = [(c, k) for c in cores if (k := _key(core, c)) is not None]
            if key is not None and pairs:
                looking.hold_related(sight, key, pairs, f"the core, {cores[0].file}")
            if own in sight.columns and own != key:
                looking.hold_unique(sight, own, "warning")
            _check_required(table.row_type, sight, looking, inside=core.row_type)
            looking.hold_against_rules(sight)


def _link(table: ArchiveFile, sight: Sight, link: str, own: str, looking: Looking) -> str | None:
    """Return the column that links rows to the core; tell where the descriptor names another."""
    key = _key(table, sight)
    if key != link and link in sight.columns:
        why, right = f"where {link} holds the ids of the core", link
    elif key in {own, "measurementID", "identificationID"} and key != link:
        why, right = "which is the id of the row itself", None
    else:
        return key
    looking.tell(
        "error",
        "COREID_WRONG",
        sight.file,
        f"meta.xml links its rows to the core by {key or 'nothing'}, {why}",
        term=key or "",
    )
    return right


def _sights(table: ArchiveFile, core: str, looking: Looking) -> list[Sight]:
    columns = list(view_of(table, core, []).columns)
    at = table.id_column
    if 0 <= at < len(columns) and not table.columns[at] and columns[at].startswith("column "):
        columns[at] = "id" if table.row_type == core else "coreid"
    found = []
    for path in table.paths:
        source = Delimited(
            path, table.delimiter, columns, (), table.encoding, table.header_lines, table.quote
        )
        sight = looking.lay_out(source, path.name)
        if sight is not None:
            found.append(sight)
    return found


def _key(table: ArchiveFile, sight: Sight) -> str | None:
    return sight.columns[table.id_column] if 0 <= table.id_column < len(sight.columns) else None


_REQUIRED = {
    "Occurrence": (
        ("basisOfRecord", "error"),
        ("occurrenceID", "error"),
        ("scientificName", "warning"),
        ("eventDate", "warning"),
    ),
    "Event": (("eventDate", "warning"), ("samplingProtocol", "warning")),
    "Taxon": (("scientificName", "error"), ("taxonRank", "warning")),
    "MeasurementOrFact": (("measurementType", "error"),),
    "ExtendedMeasurementOrFact": (("measurementType", "error"),),
    "Identification": (("scientificName", "warning"),),
}


def _check_required(row_type: str, sight: Sight, looking: Looking, inside: str = "") -> None:
    for term, severity in _REQUIRED.get(row_type, ()):
        told_above = term == "eventDate" and inside == "Event"
        if term not in sight.columns and not told_above:
            looking.tell(
                severity,
                "REQUIRED_TERM_MISSING",
                sight.file,
                f"a table of {row_type} needs this term",
                term=term,
            )


# --- metadata -----------------------------------------------------------------------------------


def _check_metadata(folder: Path, root: Element, looking: Looking) -> None:
    """Tell what GBIF would miss in the metadata."""
    name = root.attributes.get("metadata", "eml.xml")
    file = folder / name
    if not file.is_file():
        looking.tell(
            "error",
            "EML_NOT_FOUND",
            name,
            "is not there; it says whose data these are and under which licence",
        )
        return
    try:
        said = parse_xml(file)
    except FormatError as error:
        looking.tell("error", "EML_UNREADABLE", name, str(error))
        return
    for element, code, what, least in (
        ("title", "TITLE_MISSING_OR_TOO_SHORT", "a title", 10),
        ("abstract", "DESCRIPTION_MISSING_OR_TOO_SHORT", "a description", 25),
        ("creator", "RESOURCE_CREATOR_MISSING_OR_INCOMPLETE", "who made it", 3),
        ("contact", "RESOURCE_CONTACTS_MISSING_OR_INCOMPLETE", "whom to ask", 3),
        ("intellectualRights", "LICENSE_MISSING_OR_UNKNOWN", "a licence of the data", 3),
    ):
        text = " ".join(_texts(said, element)).strip()
        if len(text) < least or _UNSAID in text:
            looking.tell(
                "error" if element == "intellectualRights" else "warning",
                code,
                name,
                f"does not say {what}; GBIF asks for it",
                term=element,
                value=text[:200],
            )


def _texts(element: Element, name: str) -> list[str]:
    """Return the texts below the elements of a name, without recursion."""
    found, open_ = [], [(element, False)]
    while open_:
        this, inside = open_.pop()
        inside = inside or this.name == name
        if inside:
            found.append(" ".join(this.text.split()))
        open_ += [(child, inside) for child in this.children]
    return [text for text in found if text]
