"""What flat rows say of occurrences, their events and their material.

All rows of one occurrence are merged first, then split: where they agree they are one, and where
they do not, the first word counts and the other goes to the rejects.
"""

from __future__ import annotations

from collections.abc import Iterable

from merian.catalogue.again import merge
from merian.catalogue.checks import literal, typed
from merian.catalogue.labels import LABEL_TERMS, Labels
from merian.catalogue.schema import TABLES, quoted
from merian.catalogue.staging import Staging

__all__ = ["any_of", "content_id", "keep_date", "split_facts"]

# A record has a thing in a collection only if one of these says so; a preparation alone does not.
_MATERIAL_SIGNS = (
    "catalogNumber", "otherCatalogNumbers", "institutionCode", "collectionCode", "fieldNumber",
    "typeStatus",
)  # fmt: skip


def content_id(columns: Iterable[str]) -> str:
    """Return the SQL of an identifier made of what the columns hold.

    Empty columns do not enter it, so that a file that lacks a column and a file that leaves it
    empty agree.
    """
    parts = ", ".join(f"{literal(c + '=')} || CAST({quoted(c)} AS VARCHAR)" for c in columns)
    if not parts:  # nothing that could make it out
        return "CAST(NULL AS VARCHAR)"
    return f"left(md5(concat_ws(chr(31), {parts})), 20)"


def any_of(columns: Iterable[str]) -> str:
    """Return the SQL of whether any of the columns, of whatever types, holds something."""
    return "(" + (" OR ".join(f"{quoted(c)} IS NOT NULL" for c in columns) or "false") + ")"


def split_facts(staging: Staging, view: str, labels: Labels) -> int:
    """Split what the rows say of occurrences, events and material.

    Args:
        staging: The staging database.
        view: The flat rows, as SQL.
        labels: What their labels say.

    Returns:
        The number of rows that repeat an earlier one word for word.
    """
    staging.run(f"CREATE TABLE facts AS {_facts(staging.terms('record'), view, labels)}")
    repeats = merge(staging, "facts", "occurrenceID", "occurrence", whole=view)
    event = _take_events(staging)
    have = staging.columns("facts")
    own = [quoted(c) for c in TABLES["occurrence"].columns if c in have and c != "eventID"]
    own += [f"{event} AS eventID"] if event else []
    staging.take("occurrence", f"SELECT ord, {', '.join(own)} FROM facts")
    _take_material(staging)
    staging.run("DROP TABLE facts")
    return repeats


def _facts(terms: tuple[str, ...], view: str, labels: Labels) -> str:
    """Return the SQL of what a record says of its occurrence, its event and its material."""
    columns = {
        t: typed(t, quoted(t))
        for table in ("event", "occurrence", "material")
        for t in TABLES[table].columns
        if t in terms
    }
    keep_date(columns)
    source = view
    label = [t for t in LABEL_TERMS if t in terms]
    if labels.has_stages and label:
        given = "r.lifeStage, " if "lifeStage" in terms else ""
        columns["lifeStage"] = f"coalesce({given}label__.lifeStage)"
        key = f"coalesce({', '.join('r.' + quoted(t) for t in label)})"
        source = f"{view} r LEFT JOIN labels label__ ON label__.verbatim = {key}"
    listed = ", ".join(f"{sql} AS {quoted(t)}" for t, sql in columns.items())
    return f"SELECT ord, {listed} FROM {source}"


def keep_date(columns: dict[str, str]) -> None:
    """Keep the text of a date that cannot be read, beside the empty date."""
    if "eventDate" in columns:
        unread = f'if({columns["eventDate"]} IS NULL, "eventDate", NULL)'
        given = columns.get("verbatimEventDate")
        columns["verbatimEventDate"] = f"coalesce({given}, {unread})" if given else unread


def _take_events(staging: Staging) -> str | None:
    """Take the events out of the facts; return the SQL of a fact's event, if it can have one."""
    have = staging.columns("facts")
    told = [c for c in TABLES["event"].columns if c in have and c != "eventID"]
    given = ["eventID"] if "eventID" in have else []
    made = [f"if({any_of(told)}, {content_id(told)}, NULL)"] if told else []
    if not given and not made:
        return None
    key = f"coalesce({', '.join([*given, *made])})"
    # Grouped before they are hashed: a thousand places are fewer than a million rows.
    columns = [quoted(c) for c in (*given, *told)]
    grouped = (
        f"SELECT min(ord) AS ord, {', '.join(columns)} FROM facts GROUP BY {', '.join(columns)}"
    )
    listed = ", ".join(["ord", f"{key} AS eventID", *(quoted(c) for c in told)])
    staging.take(
        "event",
        f"SELECT * FROM (SELECT {listed} FROM ({grouped})) WHERE eventID IS NOT NULL ORDER BY ord",
    )
    return key


def _take_material(staging: Staging) -> None:
    """Take the things in a collection out of the facts."""
    have = staging.columns("facts")
    signs = [c for c in ("materialEntityID", *_MATERIAL_SIGNS) if c in have]
    if not signs:
        return
    given = ["materialEntityID"] if "materialEntityID" in have else []
    identity = content_id(("occurrenceID", *(c for c in _MATERIAL_SIGNS if c in have)))
    key = f"coalesce({', '.join([*given, identity])})"
    told = [
        quoted(c)
        for c in TABLES["material"].columns
        if c in have and c not in ("occurrenceID", "materialEntityID")
    ]
    listed = ", ".join(["ord", f"{key} AS materialEntityID", "occurrenceID", *told])
    staging.take("material", f"SELECT {listed} FROM facts WHERE {any_of(signs)}")
