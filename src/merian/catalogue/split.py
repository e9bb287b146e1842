"""The second half of an import: flat rows split into the tables, in SQL.

For every table of the catalogue a table ``new_<name>`` is made in the staging database, typed,
checked, with its identifiers, and each identifier once. Where the input gives no identifier it
is a hash of what makes the thing itself: place and date of an event, text and subject of an
identification. So the same input gives the same identifiers, and what was imported before is
recognised.
"""

from __future__ import annotations

from merian.catalogue.again import merge
from merian.catalogue.checks import checked_terms, literal, problem, typed
from merian.catalogue.facts import any_of, content_id, keep_date, split_facts
from merian.catalogue.labels import LABEL_TERMS, Labels
from merian.catalogue.naming import identification_rows
from merian.catalogue.schema import TABLES, quoted
from merian.catalogue.staging import CONTENT, Feed, Staging, line_of, source_of

__all__ = ["split"]

# What makes a row of evidence the same row again.
_IDENTITY = {
    "media": (
        "occurrenceID", "materialEntityID", "derivedFromMediaID", "accessURI", "contentHash",
        "xFrac", "yFrac", "widthFrac", "heightFrac", "regionOutline",
    ),
    "sequence": (
        "occurrenceID", "materialEntityID", "targetGene", "sequence", "associatedSequences",
    ),
    "measurement": (
        "occurrenceID", "eventID", "materialEntityID", "mediaID", "measurementType",
        "measurementValue", "measurementValueNumeric", "measurementUnit", "measurementMethod",
        "calibrationID", "measurementDeterminedBy", "measurementDeterminedDate",
    ),
}  # fmt: skip

# Without one of these a row of evidence says nothing.
_EVIDENCE = {
    "media": ("mediaID", "accessURI", "contentHash"),
    "sequence": ("nucleotideSequenceID", "sequence", "associatedSequences"),
    "measurement": ("measurementValue", "measurementValueNumeric"),
}

_SUBJECTS = {
    "media": ("occurrenceID", "materialEntityID"),
    "sequence": ("occurrenceID", "materialEntityID"),
    "measurement": ("occurrenceID",),
}


def split(staging: Staging) -> int:
    """Make the tables ``new_*``; return how many rows repeated an earlier one word for word."""
    labels = Labels(staging)
    repeats = 0
    if staging.terms("record"):
        repeats = _split_record(staging, labels)
    for table in TABLES:
        fed = staging.terms(table)
        if fed:
            staging.step(f"checking {table}", staging.rows_read)
            staging.take(table, _direct_rows(staging, table, labels))
            if table in _EVIDENCE:
                _drop_empty(staging, table)
    staging.step("checking values", staging.rows_read)
    _reject_values(staging)
    staging.forget_columns()
    for name in TABLES:
        if staging.has(f"new_{name}"):
            merge(staging, f"new_{name}", TABLES[name].key, name)
    return repeats


# -- records ------------------------------------------------------------------------------------


def _split_record(staging: Staging, labels: Labels) -> int:
    """Split the flat rows; return the number of plain repetitions."""
    terms = staging.terms("record")
    view = f"(SELECT * FROM {staging.view('record')} WHERE occurrenceID IS NOT NULL)"
    _reject_unidentified(staging)
    staging.step("splitting records", staging.rows_read)
    repeats = split_facts(staging, view, labels)
    label = tuple(t for t in LABEL_TERMS if t in terms and labels.has_parts)
    for table, signs in _EVIDENCE.items():
        fed = [t for t in terms if t in TABLES[table].columns]
        if any(t in fed for t in signs):
            own = [t for t in fed if t not in TABLES["occurrence"].columns or t == "occurrenceID"]
            keep = [
                t
                for t in own
                if t in _SUBJECTS[table] or not t.endswith("ID") or t in _own_ids(table)
            ]
            staging.step(f"splitting {table}", staging.rows_read)
            staging.take(table, _evidence_rows(staging, table, tuple(keep), view, label))
            _drop_empty(staging, table)
    named = identification_rows(tuple(terms), view, labels, ("occurrenceID",))
    if named:
        staging.step("splitting identification", staging.rows_read)
        staging.take("identification", named)
    return repeats


def _own_ids(table: str) -> tuple[str, ...]:
    """The identifiers in a flat row that belong to this table and are no subject of it."""
    return (TABLES[table].key, "derivedFromMediaID", "calibrationID")


def _reject_unidentified(staging: Staging) -> None:
    """Set rows aside that do not say which occurrence they are about."""
    for feed in staging.feeds:
        if feed.table != "record":
            continue
        has_id = "occurrenceID" in feed.terms
        where = "occurrenceID IS NULL" if has_id else "true"
        staging.run(
            f"INSERT INTO rejects SELECT 'row', f.file, {line_of('r.ord')}, 'occurrenceID', "
            f"'no identifier', o.content__ "
            f"FROM (SELECT DISTINCT ord FROM ({feed.sql}) WHERE {where}) r "
            # By itself, since a column of the input may be called like one of ours.
            f"JOIN (SELECT line__, {feed.content} AS content__ FROM {feed.origin}) o "
            f"ON o.line__ = {feed.line('r.ord')} "
            f"JOIN files f ON f.source = {source_of('r.ord')}"
        )


# -- evidence -----------------------------------------------------------------------------------


def _evidence_rows(
    staging: Staging, table: str, terms: tuple[str, ...], view: str, label: tuple[str, ...]
) -> str:
    """Return the SQL of pictures, sequences or measurements.

    Args:
        staging: The staging database.
        table: Which of them.
        terms: The columns of the rows that are for it.
        view: The rows, as SQL.
        label: The columns of the rows that hold a label which may tell what a picture shows.
    """
    key = TABLES[table].key
    columns = {t: typed(t, quoted(t)) for t in terms}
    source = view
    if table == "measurement" and "measurementValue" in terms:
        given = columns.get("measurementValueNumeric")
        number = "number(measurementValue)"
        columns["measurementValueNumeric"] = f"coalesce({given}, {number})" if given else number
    if table == "media" and label:
        source = _with_parts(view, columns, label)
    inner = ", ".join(f"{sql} AS {quoted(t)}" for t, sql in columns.items())
    identity = content_id([c for c in _IDENTITY[table] if c in columns])
    told = [quoted(c) for c in columns if c != key]
    if "sequence" in columns:
        told = [c for c in told if c != quoted("sequenceLength")]
        told.append("length(sequence) AS sequenceLength")
        if staging.texts_stay:
            inner += ', "sequence" AS text__'
            told.remove(quoted("sequence"))
            told.append("sequence IS NOT DISTINCT FROM text__ AS same__")
    others = ", ".join(told)
    made = f"coalesce({quoted(key)}, {identity})" if key in columns else identity
    # The text is looked at here and not its value, which would be worked out twice.
    signs = [c for c in _EVIDENCE[table] if c in terms]
    return (
        f"SELECT ord, {made} AS {quoted(key)}, {others} "
        f"FROM (SELECT ord, {inner} FROM (SELECT * FROM {source} WHERE {any_of(signs)}))"
    )


def _drop_empty(staging: Staging, table: str) -> None:
    """Take out rows of evidence whose only content was refused."""
    columns = staging.columns(f"new_{table}")
    signs = ["sequenceLength" if c == "sequence" else c for c in _EVIDENCE[table]]
    signs = [c for c in signs if c in columns and c != TABLES[table].key]
    given = TABLES[table].key in staging.terms(table) + staging.terms("record")
    if signs and not given:
        staging.run(f"DELETE FROM new_{table} WHERE NOT {any_of(signs)}")


def _with_parts(view: str, columns: dict[str, str], label: tuple[str, ...]) -> str:
    """Let the label say which part of the body a picture shows, where the row does not."""
    given = columns.get("subjectPart")
    columns["subjectPart"] = f"coalesce({given}, part__)" if given else "part__"
    key = ", ".join(f"r.{quoted(c)}" for c in label)
    return (
        f"(SELECT r.*, l.part AS part__ FROM (SELECT * FROM {view}) r "
        f"LEFT JOIN labels l ON l.verbatim = coalesce({key}))"
    )


def _direct_rows(staging: Staging, table: str, labels: Labels) -> str:
    """Return the SQL of the rows that an input gives to one table itself."""
    terms, view = staging.terms(table), staging.view(table)
    if table == "identification":
        targets = tuple(TABLES[table].columns[1:5])
        return (
            identification_rows(terms, view, labels, targets)
            or f"SELECT ord, '' AS identificationID FROM {view} LIMIT 0"
        )
    if table in _EVIDENCE:
        return _evidence_rows(staging, table, terms, view, ())
    key = TABLES[table].key
    columns = {t: typed(t, quoted(t)) for t in terms}
    if table == "event":
        keep_date(columns)
    inner = ", ".join(f"{sql} AS {quoted(t)}" for t, sql in columns.items())
    others = [c for c in columns if c != key]
    given = [quoted(key)] if key in columns else []
    if others and table != "occurrence":
        given.append(f"if({any_of(others)}, {content_id(others)}, NULL)")
    made = f"coalesce({', '.join(given)})" if given else "CAST(NULL AS VARCHAR)"
    listed = ", ".join(["", *(quoted(c) for c in others)])
    return f"SELECT ord, {made} AS {quoted(key)}{listed} FROM (SELECT ord, {inner} FROM {view})"


# -- values -------------------------------------------------------------------------------------


def _reject_values(staging: Staging) -> None:
    """Write down every value that its check turned into nothing."""
    for feed in staging.feeds:
        known = " AND occurrenceID IS NOT NULL" if feed.table == "record" else ""
        if feed.table == "record" and "occurrenceID" not in feed.terms:
            continue
        terms = checked_terms(feed.terms)
        # Testing a barcode twice is slow, so it has a way of its own.
        refused = _refused(staging, feed, [t for t in terms if t != "sequence"], known)
        for term in terms:
            if term in refused or term == "sequence":
                _reject_value(staging, feed, term, known)


def _refused(staging: Staging, feed: Feed, terms: list[str], known: str) -> set[str]:
    """Return the terms of which a value is refused: seldom any, so all are asked at once."""
    if not terms:
        return set()
    asked = ", ".join(
        f"coalesce(bool_or({quoted(t)} IS NOT NULL AND {typed(t, quoted(t))} IS NULL), false)"
        for t in terms
    )
    (found,) = staging.run(f"SELECT {asked} FROM ({feed.sql}) WHERE true{known}")
    return {term for term, refused in zip(terms, found, strict=True) if refused}


def _reject_value(staging: Staging, feed: Feed, term: str, known: str) -> None:
    """Write down the values of one term that were refused."""
    x = quoted(term)
    rows = f"SELECT ord, {x} AS x FROM ({feed.sql}) WHERE {x} IS NOT NULL{known}"
    if term == "sequence" and staging.has("new_sequence"):
        # Testing a barcode again is slow, and nearly all of them are known to be good.
        staging.run(
            f"CREATE OR REPLACE TABLE doubted AS SELECT ord FROM ({rows}) WHERE ord NOT IN "
            "(SELECT ord FROM new_sequence WHERE sequenceLength IS NOT NULL)"
        )
        if not staging.count("SELECT count(*) FROM doubted"):
            return
        staging.run(
            f"CREATE OR REPLACE TABLE doubted AS {rows} AND ord IN (SELECT ord FROM doubted)"
        )
        rows = "SELECT * FROM doubted"
    staging.run(
        f"INSERT INTO rejects SELECT DISTINCT 'value', f.file, {line_of('v.ord')}, "
        f"{literal(term)}, {problem(term, 'v.x')}, left(v.x, {CONTENT}) FROM ({rows}) v "
        f"JOIN files f ON f.source = {source_of('v.ord')} WHERE {typed(term, 'v.x')} IS NULL"
    )
