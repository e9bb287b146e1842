"""What the tables of a Darwin Core Data Package feed.

A table is read as it stands where all that is needed stands in it. What has to be put together from
two (who recorded, the marker of a sequence, what stands in a table of ours) is joined by DuckDB
first; its rows are then counted and not its lines.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb

from merian.catalogue.schema import RANKS, TABLES
from merian.catalogue.sources import Chunk, Columns, Reject, Rows, Source
from merian.database import connect
from merian.errors import FormatError
from merian.formats.delimited import Head, column, delimited, literal
from merian.formats.dwc_dp_open import Package
from merian.formats.dwc_dp_tables import NO_EVENT, OURS
from merian.formats.files_beside import made_whole

__all__ = ["sources_of"]

_CHUNK = 10_000
_HASH = "BLAKE2b-128"
_NAMING = ("scientificName", "verbatimIdentification", *RANKS)
_PLAIN = {name: frozenset(table.columns) for name, table in TABLES.items()}

# table of the package -> table of the catalogue, and what is called otherwise there: the first
# column that is given counts. A key is preferred to an identifier, since relations follow it.
_RENAMED: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "event": ("event", {
        "eventID": ("event_pk", "eventID"),
        "parentEventID": ("parentEvent_fk", "parentEventID"),
    }),
    "occurrence": ("occurrence", {
        "occurrenceID": ("occurrence_pk", "occurrenceID"), "eventID": ("event_fk", "eventID"),
    }),
    "material": ("material", {
        "materialEntityID": ("materialEntity_pk", "materialEntityID"),
        "occurrenceID": ("evidenceForOccurrence_fk", "evidenceForOccurrenceID"),
        "derivedFromMaterialEntityID": (
            "derivedFromMaterialEntity_fk", "derivedFromMaterialEntityID"),
        "isPartOfMaterialEntityID": ("isPartOfMaterialEntity_fk", "isPartOfMaterialEntityID"),
        "fieldNumber": ("fieldNumber", "collectorNumber"),
    }),
    "media": ("media", {
        "mediaID": ("media_pk", "mediaID"),
        "derivedFromMediaID": ("isPartOfMedia_fk", "isPartOfMediaID", "derivedFromMedia_fk",
                               "derivedFromMediaID"),
        "rightsHolder": ("rightsHolder", "owner"), "mediaRemarks": ("comments",),
        "subjectPart": ("subjectPartLiteral", "subjectPart"),
        "subjectOrientation": ("subjectOrientationLiteral", "subjectOrientation"),
    }),
    "occurrence-media": ("media", {
        "mediaID": ("media_fk", "mediaID"), "occurrenceID": ("occurrence_fk", "occurrenceID"),
        "subjectPart": ("subjectPartLiteral", "subjectPart"),
        "subjectOrientation": ("subjectOrientationLiteral", "subjectOrientation"),
    }),
    "material-media": ("media", {
        "mediaID": ("media_fk", "mediaID"),
        "materialEntityID": ("materialEntity_fk", "materialEntityID"),
        "subjectPart": ("subjectPartLiteral", "subjectPart"),
        "subjectOrientation": ("subjectOrientationLiteral", "subjectOrientation"),
    }),
    "nucleotide-sequence": ("sequence", {
        "nucleotideSequenceID": ("nucleotideSequence_pk", "nucleotideSequenceID"),
        "sequenceRemarks": ("nucleotideSequenceRemarks",),
    }),
    "identification": ("identification", {
        "identificationID": ("identification_pk", "identificationID"),
        "occurrenceID": ("occurrence_fk", "occurrenceID"),
        "materialEntityID": ("materialEntity_fk", "materialEntityID"),
        "mediaID": ("media_fk", "mediaID"),
        "nucleotideSequenceID": ("nucleotideSequence_fk", "nucleotideSequenceID",
                                 "nucleotideAnalysis_fk"),
        "taxonomyLock": ("classificationSystem",),
    }),
}  # fmt: skip
_ASSERTION = {
    "measurementID": ("assertionID",), "measurementType": ("assertionType",
                                                           "verbatimAssertionType"),
    "measurementValue": ("assertionValue",), "measurementUnit": ("assertionUnit",),
    "measurementAccuracy": ("assertionError",), "measurementMethod": ("assertionProtocols",),
    "measurementDeterminedBy": ("assertionBy",), "measurementRemarks": ("assertionRemarks",),
    "measurementDeterminedDate": ("assertionMadeDate",),
}  # fmt: skip
_RENAMED |= {
    f"{of}-assertion": ("measurement", {**_ASSERTION, term: (f"{key}_fk", term)})
    for of, key, term in (
        ("occurrence", "occurrence", "occurrenceID"), ("event", "event", "eventID"),
        ("material", "materialEntity", "materialEntityID"), ("media", "media", "mediaID"),
    )
}  # fmt: skip

# What a table adds to the rows of another one: main table, its key, the other, its key there, and
# the terms of the catalogue that its columns are.
_JOINED: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
    ("event", "eventProtocol_fk", "protocol", "protocol_pk", {"samplingProtocol": "protocolName"}),
    ("media", "usagePolicy_fk", "usage-policy", "usagePolicy_pk",
     {"license": "license", "rightsHolder": "rightsHolder"}),
    ("occurrence-agent-role", "agent_fk", "agent", "agent_pk",
     {"recordedBy": "preferredAgentName"}),
    ("nucleotide-analysis", "molecularProtocol_fk", "molecular-protocol", "molecularProtocol_pk",
     {"targetGene": "target_gene", "pcrPrimerForward": "pcr_primer_forward",
      "pcrPrimerReverse": "pcr_primer_reverse"}),
)  # fmt: skip
_OF_JOINED = {
    "event": ("event", {"eventID": "event_pk"}),
    "media": ("media", {"mediaID": "media_pk"}),
    "occurrence-agent-role": ("occurrence", {"occurrenceID": "occurrence_fk"}),
    "nucleotide-analysis": ("sequence", {
        "nucleotideSequenceID": "nucleotideSequence_fk", "materialEntityID": "materialEntity_fk",
        "readCount": "readCount"}),
}  # fmt: skip


def sources_of(package: Package, notes: list[str]) -> list[Source]:
    """Return all that there is to read, and note what is passed over."""
    found: list[Source] = []
    for name, heads in package.tables.items():
        for head in heads:
            if name in _RENAMED:
                found += _sources(package, name, head, notes)
            elif name.startswith(OURS):
                found += _ours(name.removeprefix(OURS), head)
    for main, key, other, its, adds in _JOINED:
        for head in package.tables.get(main, ()):
            for side in package.tables.get(other, ()):
                if key in head.columns and its in side.columns:
                    found += _joined(main, head, key, side, its, adds)
    used = {*_RENAMED, *(t for j in _JOINED for t in (j[0], j[2]))}
    left = [n for n in package.tables if n not in used and not n.startswith(OURS)]
    if left:
        notes.append(f"tables that are ignored: {', '.join(sorted(left))}")
    return found


def _sources(package: Package, name: str, head: Head, notes: list[str]) -> list[Source]:
    """Return what one table of the standard feeds."""
    table, _ = _RENAMED[name]
    terms = _terms(name, head)
    if "accessURI" in terms:
        terms["accessURI"] = made_whole(terms["accessURI"], package.beside)
    key = TABLES[table].key
    # Without one, the catalogue makes one, but for an occurrence.
    where = f"{terms['eventID']} IS DISTINCT FROM {literal(NO_EVENT)}" if name == "event" else None
    feeds = [Columns(table, terms, where=where)] if terms else []
    extra = [h for h in package.tables.get(f"{OURS}{table}", ()) if key in h.columns]
    if table in {"identification", "measurement"} and extra and key in terms:
        # The catalogue fills in what these rows lack, so they must be whole when they arrive.
        return [_with_ours(table, head, terms, extra[0])]
    if name == "identification":
        _bare_name(terms)
    if name in {"occurrence", "material"} and _named_here(package, head):
        labels = {t: column(t) for t in _PLAIN["identification"] if t in head.columns}
        labels[key] = terms[key]
        feeds.append(Columns("identification", labels, where=_any(labels, _NAMING)))
        notes.append(f"{name}: names that no identification gives are taken from here")
    return [delimited(head, feeds)] if feeds else []


def _any(terms: Mapping[str, str], names: Sequence[str]) -> str:
    return " OR ".join(f"{terms[name]} IS NOT NULL" for name in names if name in terms)


def _terms(name: str, head: Head) -> dict[str, str]:
    """Return term -> SQL for a table of the standard."""
    table, renamed = _RENAMED[name]
    taken = {c for columns in renamed.values() for c in columns}
    terms = {c: column(c) for c in head.columns if c in _PLAIN[table] and c not in taken}
    for term, columns in renamed.items():
        given = [column(c) for c in columns if c in head.columns]
        if given:
            terms[term] = f"coalesce({', '.join(given)})" if len(given) > 1 else given[0]
    if {"hashValue", "hashFunction"} <= set(head.columns) and table == "media":
        terms["contentHash"] = (
            f"CASE WHEN {column('hashFunction')} = '{_HASH}' THEN {column('hashValue')} END"
        )
    if name == "event" and "eventID" not in terms:
        raise FormatError("has neither event_pk nor eventID", path=head.path, line=1)
    if name == "occurrence":
        if "eventID" in terms:
            terms["eventID"] = f"nullif({terms['eventID']}, {literal(NO_EVENT)})"
        _count(terms)
        _status(terms)
    return terms


def _count(terms: dict[str, str]) -> None:
    """Take a quantity of individuals for what it is: a count."""
    if {"organismQuantity", "organismQuantityType"} <= set(terms):
        quantity, kind = terms["organismQuantity"], terms["organismQuantityType"]
        whole = f"{kind} = 'individuals' AND regexp_full_match({quantity}, '[0-9]+')"
        terms["individualCount"] = f"CASE WHEN {whole} THEN {quantity} END"
        for term, sql in (("organismQuantity", quantity), ("organismQuantityType", kind)):
            terms[term] = f"CASE WHEN NOT coalesce({whole}, false) THEN {sql} END"


def _status(terms: dict[str, str]) -> None:
    if "occurrenceStatus" in terms:
        given = terms["occurrenceStatus"]
        terms["occurrenceStatus"] = (
            f"CASE lower({given}) WHEN 'detected' THEN 'present' "
            f"WHEN 'notdetected' THEN 'absent' ELSE {given} END"
        )


def _bare_name(terms: dict[str, str]) -> None:
    """Leave a name that its own rank column gives to that: it was no label."""
    ranks = [terms[rank] for rank in reversed(RANKS) if rank in terms]
    name, label = terms.get("scientificName"), terms.get("verbatimIdentification")
    if name and label and ranks:
        terms["scientificName"] = (
            f"CASE WHEN {label} IS NULL AND {name} IS NOT DISTINCT FROM "
            f"coalesce({', '.join(ranks)}) THEN NULL ELSE {name} END"
        )


def _ours(table: str, head: Head) -> list[Source]:
    """Return what a table of ours feeds; identifications wait for their names."""
    if table not in TABLES or table == "identification":
        return []
    terms = {c: column(c) for c in head.columns if c in _PLAIN[table]}
    return [delimited(head, [Columns(table, terms)])] if terms else []


# --- what is put together -----------------------------------------------------------------------


def _with_ours(table: str, head: Head, terms: Mapping[str, str], extra: Head) -> Source:
    """Return the rows of a table with what a table of ours adds to them."""
    key = TABLES[table].key
    more = {c: f"b.{column(c)}" for c in extra.columns if c in _PLAIN[table] and c != key}
    whole = {term: f"a.{column(term)}" for term in terms}
    for term, sql in more.items():
        whole[term] = f"coalesce(a.{column(term)}, {sql})" if term in terms else sql
    if table == "identification":
        _bare_name(whole)
    inner = ", ".join(f"{sql} AS {column(term)}" for term, sql in terms.items())
    listed = ", ".join(f"{sql} AS {column(term)}" for term, sql in whole.items())
    sql = (
        f"SELECT a.line__, {listed} FROM (SELECT line__, {inner} FROM a) a "
        f"LEFT JOIN b ON b.{column(key)} = a.{column(key)}"
    )
    return Rows(head.path, table, _Query({"a": head, "b": extra}, sql, tuple(whole)))


def _joined(
    main: str, head: Head, key: str, side: Head, its: str, adds: Mapping[str, str]
) -> list[Source]:
    """Return what another table adds to the rows of a main one."""
    table, own = _OF_JOINED[main]
    terms = {term: f"a.{column(c)}" for term, c in own.items() if c in head.columns}
    more = {term: f"b.{column(c)}" for term, c in adds.items() if c in side.columns}
    if TABLES[table].key not in terms or not more:
        return []
    listed = ", ".join(f"{sql} AS {column(term)}" for term, sql in (terms | more).items())
    sql = f"SELECT a.line__, {listed} FROM a LEFT JOIN b ON b.{column(its)} = a.{column(key)}"
    return [Rows(head.path, table, _Query({"a": head, "b": side}, sql, (*terms, *more)))]


def _named_here(package: Package, head: Head) -> bool:
    """Return whether a table gives names that no identification does."""
    here = [c for c in ("scientificName", "verbatimIdentification") if c in head.columns]
    if not here:
        return False
    others = package.tables.get("identification", ())
    if not others:
        return True
    there = [c for c in ("scientificName", "verbatimIdentification") if c in others[0].columns]
    names = " UNION ALL ".join(f"SELECT {column(c)} AS n FROM b" for c in there) or "SELECT NULL"
    label = f"coalesce({', '.join(column(c) for c in here)})"
    sql = (
        f"SELECT 0 AS line__, {label} AS n FROM a WHERE {label} NOT IN "
        f"(SELECT n FROM ({names}) WHERE n IS NOT NULL) LIMIT 1"
    )
    query = _Query({"a": head, "b": others[0]}, sql, ("n",))
    return any(not isinstance(chunk, Reject) for chunk in query)


class _Query:
    """The rows of a query over CSV files, in chunks. It can be read more than once."""

    def __init__(self, files: Mapping[str, Head], sql: str, terms: Sequence[str]) -> None:
        self._files, self._sql, self._terms = files, sql, terms

    def __iter__(self) -> Iterator[Chunk | Reject]:
        with tempfile.TemporaryDirectory(prefix="merian-dwc-dp-") as spill:
            con = connect(memory="800MB", spill=Path(spill))
            try:
                yield from self._run(con)
            except duckdb.Error as error:
                head = self._files["a"]
                raise FormatError(
                    f"cannot be read as a table ({str(error).splitlines()[0]})", path=head.path
                ) from None
            finally:
                con.close()

    def _run(self, con: duckdb.DuckDBPyConnection) -> Iterator[Chunk | Reject]:
        for name, head in self._files.items():
            con.execute(f"CREATE TABLE {name} AS {_read(head)}").fetchall()
        for path, line, reason, content in con.execute(
            "SELECT f.file_path, e.line, e.error_message, e.csv_line FROM reject_errors e "
            "JOIN reject_scans f USING (scan_id, file_id) ORDER BY ALL"
        ).fetchall():
            if path == str(self._files["b"].path):
                yield Reject(Path(path), line, reason.splitlines()[0], content or "")
        cursor = con.execute(f"SELECT * FROM ({self._sql}) ORDER BY 1")
        while found := cursor.fetchmany(_CHUNK):
            lines, *columns = zip(*found, strict=True)
            yield {"line": lines, **dict(zip(self._terms, columns, strict=True))}


def _read(head: Head) -> str:
    """Return SQL of the rows of a CSV file with their numbers; a bad row is set aside."""
    names = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in head.columns)
    return (
        f"SELECT row_number() OVER () + {head.header_lines} AS line__, * FROM read_csv("
        f"{literal(str(head.path))}, columns={{{names}}}, delim={literal(head.delimiter)}, "
        f"quote={literal(head.quote)}, escape={literal(head.quote)}, header=false, "
        f"skip={head.header_lines}, auto_detect=false, store_rejects=true, "
        "max_line_size=8388608, nullstr='')"
    )
