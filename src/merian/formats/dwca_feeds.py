"""What the tables of a Darwin Core Archive feed: one table, seen by its terms.

A term is taken where the catalogue has one of the same name; what needs more (dates in three
columns, a name with its author, the id that links a row to the core) is put together here in SQL.
The rest of the archive is told in `merian.formats.dwca`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from merian.catalogue.schema import RANKS, TABLES
from merian.catalogue.sources import Columns
from merian.dwc_archive import ArchiveFile
from merian.files import open_text
from merian.formats.delimited import binomial, column, literal, unique_names
from merian.formats.registry import Options
from merian.formats.table_terms import darwin_term

__all__ = ["MEASUREMENTS", "PICTURES", "View", "feeds_of", "view_of"]

MEASUREMENTS = frozenset({"MeasurementOrFact", "ExtendedMeasurementOrFact"})
PICTURES = frozenset({"Multimedia", "Image"})
_NAMED = ("scientificName", *reversed(RANKS))
_NAMING = frozenset(TABLES["identification"].columns)
# A core says these of the record as a whole, not of a picture.
_NOT_IN_A_CORE = frozenset(TABLES["media"].columns) - {"occurrenceID", "materialEntityID"}
_SUBJECTS = frozenset({"occurrenceID", "materialEntityID"})
_EVENT_ONLY = frozenset(TABLES["event"].columns) - {"eventID"}


@dataclass(frozen=True)
class View:
    """One table of an archive by term.

    Attributes:
        kind: Its row type.
        core: The row type of the core.
        columns: Unique names of its columns.
        given: term -> the name of its column.
        defaults: term -> its default.
        key: SQL of the id that links it to the core, or None.
    """

    kind: str
    core: str
    columns: tuple[str, ...]
    given: Mapping[str, str]
    defaults: Mapping[str, str]
    key: str | None

    def sql(self, term: str) -> str | None:
        """Return a term's value as SQL, with its default."""
        if term not in self.given:
            return literal(self.defaults[term]) if term in self.defaults else None
        value = column(self.given[term])
        if term in self.defaults:
            return f"coalesce({value}, {literal(self.defaults[term])})"
        return value

    def first(self, *terms: str) -> str | None:
        """Return SQL of the first of these terms that has a value."""
        found = [sql for sql in map(self.sql, terms) if sql]
        return f"coalesce({', '.join(found)})" if len(found) > 1 else found[0] if found else None


def view_of(table: ArchiveFile, core: str, notes: list[str]) -> View:
    """Name the columns, and find the one that links to the core."""
    names = unique_names(table.columns)
    given = {t: n for t, n in zip(table.columns, names, strict=True) if t}
    given |= {t: given[other] for t, other in table.copies.items() if other in given}
    unmapped = _unmapped(table, given)
    given |= {term: names[place] for term, place in unmapped.items()}
    if unmapped:
        notes.append(
            f"{table.row_type}: meta.xml maps no column to {', '.join(unmapped)}, "
            "but the header does: the header is followed"
        )
    own = f"{table.row_type[:1].lower()}{table.row_type[1:]}ID"
    link = f"{core[:1].lower()}{core[1:]}ID"
    at = names[table.id_column] if table.id_column >= 0 else None
    # An archive whose descriptor links rows by their own id is wrong; the named column is not.
    own_row = {given.get(own), given.get("measurementID"), given.get("identificationID")}
    if table.row_type != core and link in given and at != given[link]:
        at = given[link]
    elif table.row_type != core and at in own_row:
        at = None
    return View(table.row_type, core, names, given, table.defaults, column(at) if at else None)


def _unmapped(table: ArchiveFile, given: Mapping[str, str]) -> dict[str, int]:
    """Return the ids that the header has and the descriptor forgot, with their places."""
    if not table.header_lines or "" not in table.columns:
        return {}
    with open_text(table.paths[0], table.encoding) as stream:
        header = stream.readline(1 << 20).rstrip("\r\n").split(table.delimiter)
    found: dict[str, int] = {}
    for place, (term, text) in enumerate(zip(table.columns, header, strict=False)):
        name = text.strip().strip(table.quote or " ").rsplit("/", 1)[-1]
        if not term and name not in given and name in {
            "eventID", "parentEventID", "occurrenceID", "eventType", "verbatimIdentification",
        }:  # fmt: skip
            found[name] = place
    return found


def feeds_of(view: View, named_apart: bool, options: Options) -> list[Columns]:
    """Return what the columns of a table feed.

    Args:
        view: The table.
        named_apart: Whether an extension names every record, so that the core need not.
        options: What the user says.
    """
    if view.kind == "Event":
        return [Columns("event", _plain(view, "event") | _given(
            eventID=view.first("eventID") or view.key, eventDate=_date(view)))]  # fmt: skip
    if view.kind == "Occurrence":
        return _occurrence(view, named_apart, options)
    links = _links(view)
    if view.kind in MEASUREMENTS:
        event = links.pop("eventID", None)
        if event and "occurrenceID" in links:
            event = f"CASE WHEN {links['occurrenceID']} IS NULL THEN {event} END"
        alone = view.sql("ofEventID")  # as our own archives say that it is of an event
        if alone and "occurrenceID" in links:
            event = alone
            links["occurrenceID"] = f"CASE WHEN {alone} IS NULL THEN {links['occurrenceID']} END"
        return [Columns("measurement", _plain(view, "measurement") | links | _given(eventID=event))]
    links.pop("eventID", None)
    if view.kind == "Identification":
        return [Columns("identification", _plain(view, "identification") | links | _naming(view))]
    if view.kind == "DNADerivedData":
        marker = literal(options.marker) if options.marker else None
        # MIxS names its terms by number: 44 is the gene, 45 a part of it.
        gene = view.first("targetGene", "target_gene", "0000044", "target_subfragment", "0000045")
        gene = gene or marker
        return [Columns("sequence", _plain(view, "sequence") | links | _given(targetGene=gene))]
    return [_media(view, links)]


def _media(view: View, links: dict[str, str]) -> Columns:
    """Return what an extension of pictures feeds.

    In Audiovisual Core the identifier names the picture; in the simple extension it is the address.
    A region of a larger picture need not have a file of its own.
    """
    address = view.first("accessURI", "identifier", "goodQualityAccessURI", "references")
    media, region = view.sql("identifier"), view.sql("isROIOf")
    where = f"{address} IS NOT NULL"
    if "accessURI" not in view.given:
        media = None
    elif media:
        plain = view.sql("accessURI")
        alone = f"{region} IS NOT NULL" if region else "false"
        address = (
            f"CASE WHEN {plain} IS NOT NULL OR {alone} OR NOT regexp_matches({media}, "
            f"'^https?://') THEN {plain} ELSE {address} END"
        )
        where = f"{media} IS NOT NULL OR {where}"
    remark = view.first("mediaRemarks", "comments", "caption", "description", "title")
    if view.sql("showsSeveral") and "occurrenceID" in links:
        links["occurrenceID"] = (
            f"CASE WHEN {view.sql('showsSeveral')} IS NULL THEN {links['occurrenceID']} END"
        )
    more = _given(accessURI=address, mediaID=media, mediaRemarks=remark,
                  derivedFromMediaID=view.first("derivedFromMediaID", "isROIOf", "derivedFrom"),
                  contentHash=view.first("contentHash", "hashValue"))  # fmt: skip
    return Columns("media", _plain(view, "media") | links | more, where=where)


def _given(**terms: str | None) -> dict[str, str]:
    return {term: sql for term, sql in terms.items() if sql is not None}


def _plain(view: View, table: str, leave: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the terms that a table of the catalogue has under the same name."""
    found: dict[str, str] = {}
    allowed = (
        {name for t in TABLES.values() for name in t.columns}
        if table == "record"
        else set(TABLES[table].columns)
    )
    for name in (*view.given, *view.defaults):
        term = darwin_term(name)
        sql = view.sql(name)
        if term in allowed and term not in leave and term not in found and sql:
            found[term] = sql
    return found


def _links(view: View) -> dict[str, str]:
    """Return what a row of an extension belongs to."""
    occurrence = view.sql("occurrenceID")
    if view.core == "Occurrence":
        return _given(occurrenceID=view.key or occurrence)
    return _given(occurrenceID=occurrence, eventID=view.sql("eventID") or view.key)


def _date(view: View) -> str | None:
    """Return the date, put together from year, month and day where it is not given whole."""
    whole = view.sql("eventDate")
    year, month, day = (view.sql(term) for term in ("year", "month", "day"))
    if not (year and month and day):
        return whole
    parts = (
        f"nullif(concat_ws('-', {year}, lpad({month}, 2, '0'), "
        f"CASE WHEN {month} IS NOT NULL THEN lpad({day}, 2, '0') END), '')"
    )
    return f"coalesce({whole}, {parts})" if whole else parts


def _occurrence(view: View, named_apart: bool, options: Options) -> list[Columns]:
    terms = _plain(view, "record", _NOT_IN_A_CORE | {"measurementID"})
    if "occurrenceID" not in terms and view.kind == view.core and view.key:
        terms["occurrenceID"] = view.key
    if view.core == "Event":
        event = view.first("eventID") or view.key
        terms |= _given(eventID=event)
        # What an extension repeats of its event is the event's, and stands there.
        terms = {t: s for t, s in terms.items() if t == "eventID" or t not in _EVENT_ONLY}
    else:
        terms |= _given(eventDate=_date(view))
    if named_apart:
        terms = {t: s for t, s in terms.items() if t not in _NAMING or t in _SUBJECTS}
    else:
        terms |= _naming(view)
    if "sequence" in terms and options.marker:
        terms.setdefault("targetGene", literal(options.marker))
    feeds = [Columns("record", terms)]
    pictures = view.sql("associatedMedia")
    if pictures and "occurrenceID" in terms:
        parts = f"string_split({pictures}, '|')"
        feeds.append(
            Columns(
                "media",
                {
                    "occurrenceID": terms["occurrenceID"],
                    "accessURI": f"nullif(trim({parts}[item]), '')",
                },
                each=f"range(1, 1 + coalesce(len({parts}), 0))",
                where=f"{pictures} IS NOT NULL",
            )
        )
    return feeds


def _naming(view: View) -> dict[str, str]:
    """Return the terms of an identification: the name without its author, the label as it came."""
    name, author = view.sql("scientificName"), view.sql("scientificNameAuthorship")
    label = view.first("verbatimIdentification", *_NAMED)
    if label is None:
        return {}
    if name and author:
        name = (
            f"CASE WHEN {author} IS NOT NULL AND ends_with({name}, {author}) "
            f"THEN trim(left({name}, length({name}) - length({author}))) ELSE {name} END"
        )
    machine = f"{view.sql('identificationVerificationStatus') or 'NULL'} ILIKE '%machine%'"
    genus, epithet, below = map(view.sql, ("genus", "specificEpithet", "infraspecificEpithet"))
    genus = view.sql("genericName") or genus
    species = f"{genus} || ' ' || {epithet}" if genus and epithet else None
    return _given(
        verbatimIdentification=label,
        scientificName=name,
        species=view.first("species") or species or _at_rank(view, "species", name),
        subspecies=view.first("subspecies") or (f"{species} || ' ' || {below}"
                                                if species and below else None),
        agentType=view.sql("agentType") or (f"CASE WHEN {machine} THEN 'machine' END"),
    )  # fmt: skip


def _at_rank(view: View, rank: str, name: str | None) -> str | None:
    """Return SQL of the name where it stands at this rank; without ranks, if it is a binomial."""
    given = view.sql("taxonRank")
    if name is None:
        return None
    return (
        f"CASE WHEN lower({given}) = {literal(rank)} THEN {name} END" if given else binomial(name)
    )
