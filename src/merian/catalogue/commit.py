"""The end of an import: what is new against what the catalogue holds, in one transaction.

Nothing in a catalogue is overwritten. A row whose identifier it knows already is not written
again; where the new row says something else, that goes to the rejects. Evidence that hangs on
nothing is set aside. Then everything new, the rejects and the run itself are written in one
transaction: whoever looks sees all of it or nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from merian.catalogue.checks import literal
from merian.catalogue.schema import TABLES, quoted
from merian.catalogue.staging import CONTENT, Staging, line_of, source_of
from merian.database import transaction

__all__ = ["reconcile", "write"]

# What a row may hang on: column -> the table in which it must be found.
_SUBJECTS = {
    "nucleotideSequenceID": "sequence",
    "mediaID": "media",
    "materialEntityID": "material",
    "occurrenceID": "occurrence",
}

# A picture may show a trap, and a drawer holds many specimens; other evidence is of something.
_ARTICLE = {"occurrence": "an", "identification": "an", "material": "some", "media": "some"}
_MUST_HANG = ("sequence", "identification", "measurement")


def reconcile(staging: Staging) -> dict[str, int]:
    """Leave in the ``new_*`` tables what the catalogue lacks.

    Returns:
        By table, how many rows it holds already.
    """
    present = [name for name in TABLES if staging.has(f"new_{name}")]
    for name in present:
        _reject_keyless(staging, name)
        if any(feed.table == name for feed in staging.feeds):
            _reject_orphans(staging, name)
    already = {}
    for name in sorted(present, key=lambda name: name != "occurrence"):
        already[name] = _leave_out_known(staging, name)
    return {name: already[name] for name in present if already[name]}


def _columns(staging: Staging, table: str) -> list[str]:
    """Return the columns of a table but ours."""
    return [c for c in staging.columns(table) if not c.endswith("__")]


def _reject_keyless(staging: Staging, name: str) -> None:
    key = quoted(TABLES[name].key)
    _set_aside(staging, name, f"{key} IS NULL", literal("no identifier"))


def _reject_orphans(staging: Staging, name: str) -> None:
    """Set rows aside that hang on what is neither in this input nor in the catalogue."""
    columns = _columns(staging, f"new_{name}")
    subjects = [c for c in _SUBJECTS if c in columns and c != TABLES[name].key]
    for column in subjects:
        target = _SUBJECTS[column]
        c = quoted(column)
        known = f"SELECT {c} FROM catalogue.main.{target}"
        if staging.has(f"new_{target}"):
            known += f" UNION ALL SELECT {c} FROM new_{target} WHERE {c} IS NOT NULL"
        what = f"{_ARTICLE.get(target, 'a')} {target}"
        reason = literal(f"hangs on {what} that is neither in this input nor in the catalogue: ")
        _set_aside(staging, name, f"{c} IS NOT NULL AND {c} NOT IN ({known})", f"{reason} || {c}")
    if name in _MUST_HANG:
        also = ["eventID"] if "eventID" in columns else []
        none = " AND ".join(f"{quoted(c)} IS NULL" for c in (*subjects, *also)) or "true"
        _set_aside(
            staging,
            name,
            none,
            literal(f"{_ARTICLE.get(name, 'a')} {name} of nothing: no identifier of a subject"),
        )


def _set_aside(staging: Staging, name: str, condition: str, reason: str) -> None:
    """Move rows of a new table to the rejects."""
    table = f"new_{name}"
    if not staging.count(f"SELECT count(*) FROM {table} WHERE {condition}"):
        return
    texts = ", ".join(f"CAST({quoted(c)} AS VARCHAR)" for c in _columns(staging, table))
    staging.run(
        f"INSERT INTO rejects SELECT 'row', f.file, {line_of('t.ord')}, NULL, t.reason, t.content "
        f"FROM (SELECT ord, {reason} AS reason, "
        f"left(concat_ws(chr(9), {texts}), {CONTENT}) AS content "
        f"FROM {table} WHERE {condition}) t JOIN files f ON f.source = {source_of('t.ord')}"
    )
    staging.run(f"DELETE FROM {table} WHERE {condition}")


def _leave_out_known(staging: Staging, name: str) -> int:
    """Take out the rows that the catalogue holds, and write down where they differ."""
    held, table, key = f"catalogue.main.{name}", f"new_{name}", TABLES[name].key
    k = quoted(key)
    if not staging.count(f"SELECT count(*) FROM (SELECT 1 FROM {held} LIMIT 1)"):
        return 0
    staging.run(
        f"CREATE OR REPLACE TABLE known AS SELECT * FROM {table} "
        f"WHERE {k} IN (SELECT {k} FROM {held})"
    )
    count = staging.count("SELECT count(*) FROM known")
    if count:
        for column in _columns(staging, table):
            if column != key:
                _reject_difference(staging, name, column)
        if name == "event":
            staging.lay_aside("more_event", "SELECT * FROM known")
        staging.run(f"DELETE FROM {table} WHERE {k} IN (SELECT {k} FROM known)")
        if name == "occurrence" and "eventID" not in staging.terms("record"):
            _drop_events_of_known(staging)
    staging.run("DROP TABLE known")
    return count


def _reject_difference(staging: Staging, name: str, column: str) -> None:
    """Write down the values of one column that differ from what the catalogue holds."""
    # Whoever comes second may know more of where and when something happened.
    held = f"AND h.{quoted(column)} IS NOT NULL" if name == "event" else ""
    k, c = quoted(TABLES[name].key), quoted(column)
    content = f"left(CAST(n.{c} AS VARCHAR), {CONTENT})"
    source = "known n"
    if column == "eventID" and staging.has("new_event"):
        # The identifier of an event is mostly a hash; its place and date say more.
        told = [x for x in _columns(staging, "new_event") if x != "eventID"]
        texts = ", ".join(f"CAST(e.{quoted(x)} AS VARCHAR)" for x in told) or "e.eventID"
        content = f"left(concat_ws(', ', {texts}), {CONTENT})"
        source = "known n LEFT JOIN new_event e ON e.eventID = n.eventID"
    staging.run(
        f"INSERT INTO rejects SELECT 'value', f.file, {line_of('n.ord')}, {literal(column)}, "
        f"{literal(f'already in the catalogue with other {column}: ')} || n.{k} || ' has ' "
        f"|| coalesce(chr(39) || left(CAST(h.{c} AS VARCHAR), 60) || chr(39), 'none'), {content} "
        f"FROM {source} JOIN catalogue.main.{name} h ON h.{k} = n.{k} "
        f"JOIN files f ON f.source = {source_of('n.ord')} "
        f"WHERE n.{c} IS NOT NULL AND n.{c} IS DISTINCT FROM h.{c} {held}"
    )


def _fill_events(staging: Staging) -> None:
    """Give events of the catalogue what they lack and this input knows; no value is changed."""
    columns = [c for c in _columns(staging, "more_event") if c != "eventID"]
    for c in map(quoted, columns):
        staging.run(
            f"UPDATE catalogue.main.event SET {c} = m.{c} FROM more_event m "
            f"WHERE m.eventID = event.eventID AND event.{c} IS NULL AND m.{c} IS NOT NULL"
        )


def _drop_events_of_known(staging: Staging) -> None:
    """Take out events that only occurrences known already would have used."""
    if staging.has("new_event") and "eventID" in _columns(staging, "known"):
        staging.run(
            "DELETE FROM new_event WHERE eventID IN (SELECT eventID FROM known) AND eventID NOT IN "
            "(SELECT eventID FROM new_occurrence WHERE eventID IS NOT NULL) AND eventID NOT IN "
            "(SELECT eventID FROM catalogue.main.event)"
        )


def write(staging: Staging, run: Mapping[str, object]) -> None:
    """Write everything new, the rejects and the run, in one transaction."""
    identifier = literal(run["runID"])
    with transaction(staging.con):
        for name in TABLES:
            if staging.has(f"new_{name}"):
                staging.step(f"writing {name}", staging.rows_read)
                _write_table(staging, name, identifier)
        if staging.has("more_event"):
            _fill_events(staging)
        staging.run(
            "INSERT INTO catalogue.main.rejects BY NAME SELECT "
            "(SELECT coalesce(max(rejectID), 0) FROM catalogue.main.rejects) + row_number() OVER "
            "(ORDER BY file, line, scope, term, reason, content) AS rejectID, "
            f"*, {identifier} AS runID FROM rejects ORDER BY rejectID"
        )
        columns = ", ".join(quoted(c) for c in run)
        marks = ", ".join("?" for _ in run)
        staging.run(
            f"INSERT INTO catalogue.main.run ({columns}) VALUES ({marks})", list(run.values())
        )


def _write_table(staging: Staging, name: str, run: str) -> None:
    columns = ", ".join(quoted(c) for c in _columns(staging, f"new_{name}"))
    insert = f"INSERT INTO catalogue.main.{name} BY NAME SELECT {columns}, {run} AS runID"
    if name != "sequence" or not staging.texts_stay:
        # Records stand as they came, also those that came twice and were merged.
        order = " ORDER BY ord" if name == "occurrence" else ""
        staging.run(f"{insert} FROM new_{name}{order}")
        return
    # The texts stream past a table of keys. The optimizer sees as many rows on either side and
    # might put the texts into the table instead, which takes ten times the memory.
    staging.run("SET disabled_optimizers = 'join_order,build_side_probe_side'")
    try:
        staging.run(
            f"{insert}, if(same__, text__, sequence_of(text__)) AS sequence "
            f"FROM {staging.texts()} JOIN new_sequence USING (ord) WHERE sequenceLength IS NOT NULL"
        )
    finally:
        staging.run("RESET disabled_optimizers")
    staging.run(f"{insert} FROM new_sequence WHERE sequenceLength IS NULL")
