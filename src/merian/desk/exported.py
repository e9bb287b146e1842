"""What the desk hands out as a table: the records that are asked for, or what was decided of them.

A table is sent as it is read, so that ten million records take no more memory than a page. It is
tab-separated UTF-8 in the terms of the catalogue, and shows one moment: what is decided while it is
sent is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from merian.catalogue.reviewed import VERB
from merian.catalogue.schema import RANKS, quoted
from merian.desk.board import BOARD, SAID
from merian.desk.browsing import SORTS, View
from merian.desk.desk import Desk
from merian.errors import InputError
from merian.formats.delimited import tabbed

__all__ = ["KINDS", "table_of"]

KINDS = ("records", "verdicts")
"""What can be handed out."""

_BATCH = 2_000
_RECORDS = (
    "record", "kind", "scientificName", "taxonRank", "identificationQualifier", *RANKS, "state",
    "agentType", "identifiedBy", "dateIdentified", "probability", "identificationType",
    "taxonConceptID", "human", "machine", "picture", "barcode", "clash", "outlier", "eventDate",
    "decimalLatitude", "decimalLongitude", "country", "locality", "datasetName", "clusterCode",
    "mediaID", "pictures",
)  # fmt: skip
_RUN = "json_extract_string(r.arguments, '$.{}')".format
_VERDICTS = f"""
SELECT s.record, {_RUN("kind")} AS decision, i.scientificName, i.taxonRank,
    i.identificationQualifier, {", ".join(f"i.{quoted(rank)}" for rank in RANKS)},
    i.identificationVerificationStatus, {_RUN("by")} AS decidedBy, r.startedAt AS decidedAt,
    {_RUN("why")} AS why, if(i.runID IN (SELECT {_RUN("undoes")} FROM main.run r
        WHERE r.verb = '{VERB}' AND {_RUN("undoes")} IS NOT NULL), 'yes', 'no') AS undone,
    i.identificationID, i.runID
FROM main.identification i JOIN main.run r USING (runID) JOIN {SAID} s USING (identificationID)
WHERE r.verb = '{VERB}' AND {_RUN("kind")} <> 'undo'
    AND s.record IN (SELECT record FROM {BOARD} WHERE {{held}})
ORDER BY r.startedAt, i.runID, s.record
"""


def table_of(desk: Desk, view: View, what: str) -> Iterator[str]:
    """Return a table, some lines at a time.

    Args:
        desk: It.
        view: Which records.
        what: One of `KINDS`: the records in the order of the view, or each decision about them.
    """
    if what not in KINDS:
        raise InputError(f"what={what[:20]}: expected one of {', '.join(KINDS)}")
    held = view.condition(desk)
    if what == "verdicts":
        sql = _VERDICTS.format(held=held.sql)
    else:
        order = SORTS[view.sort if view.sort != "like" else "id"][0]
        columns = ", ".join(map(quoted, _RECORDS))
        sql = f"SELECT {columns} FROM {BOARD} WHERE {held.sql} ORDER BY {order}, place"
    return _lines(desk, sql, held.values)


def _lines(desk: Desk, sql: str, values: tuple[object, ...]) -> Iterator[str]:
    with desk.cursor() as con:
        con.execute(sql, [*values])
        names = [str(column[0]) for column in con.description or ()]
        yield tabbed(names)
        shown = [_rounded if name == "outlier" else _shown for name in names]
        while rows := con.fetchmany(_BATCH):
            yield "".join(
                tabbed(show(value) for show, value in zip(shown, row, strict=True)) for row in rows
            )


def _shown(value: object) -> str:
    """Return a value as a cell; a number as it is, so that it is no other one when it is read."""
    if isinstance(value, str):  # as most are
        return value
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.isoformat(timespec='seconds')}Z"
    return repr(value) if isinstance(value, float) else str(value)


def _rounded(value: object) -> str:
    """Return a number of 32 bits as a cell: it has no more digits."""
    return f"{value:.6g}" if isinstance(value, float) else _shown(value)
