"""Identifications: from labels and rank columns to names that stand in columns of their own.

The label stays as it came. The name is what the label supports, or the name at the lowest rank
that the row gives; what the label says beside the name goes to its own columns.
"""

from __future__ import annotations

from collections.abc import Mapping

from merian.catalogue.checks import literal, typed
from merian.catalogue.labels import LABEL_TERMS, Labels
from merian.catalogue.schema import RANKS, TABLES, quoted

__all__ = ["identification_rows"]

# What makes two identifications the same one: who says what of what, on which evidence.
_IDENTITY = (
    "occurrenceID", "materialEntityID", "mediaID", "nucleotideSequenceID", "identificationType",
    "verbatimIdentification", "scientificName", "taxonConceptID", "identifiedBy",
    "dateIdentified", "identificationReferences",
)  # fmt: skip

# An identification is of one thing: of the most direct evidence among those that are given.
_MOST_DIRECT = ("nucleotideSequenceID", "mediaID", "materialEntityID", "occurrenceID")

_REPLACED = "replacesIdentificationID"

# By the number of columns that hold a label: the readings that are joined, the surer one first.
_SAID: tuple[tuple[str, ...], ...] = ((), ("l",), ("s", "l"))


def identification_rows(
    terms: tuple[str, ...], view: str, labels: Labels, targets: tuple[str, ...]
) -> str | None:
    """Return the SQL of the identifications in some rows; None if they can hold none.

    Args:
        terms: The columns of the rows.
        view: The rows, as SQL.
        labels: What the labels say.
        targets: Which identifiers among the columns say what was identified.
    """
    ranks = [rank for rank in RANKS if rank in terms]
    text = [t for t in LABEL_TERMS if t in terms]
    signs = [*text, *ranks, *(["taxonConceptID"] if "taxonConceptID" in terms else [])]
    if not signs:
        return None
    columns = _columns(terms, labels, ranks, text, targets)
    source = _labelled(view, text)
    inner = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in columns.items())
    where = named = " OR ".join(
        f"{quoted(sign)} IS NOT NULL"
        for sign in (*text, *ranks, "taxonConceptID")
        if sign in columns
    )
    shown = {column: quoted(column) for column in columns}
    if _REPLACED in columns:  # what names nothing takes another back; it is nobody's evidence
        where = f"{named} OR {_REPLACED} IS NOT NULL"
        for column in ("identificationType", "agentType"):
            shown[column] = f"if({named}, {quoted(column)}, NULL) AS {quoted(column)}"
    key = "identificationID"
    identity = ", ".join(f"{literal(c + '=')} || {quoted(c)}" for c in _IDENTITY if c in columns)
    made = f"left(md5(concat_ws(chr(31), {identity})), 20)"
    if key in terms:
        made = f"coalesce({quoted(key)}, {made})"
    others = ", ".join(sql for column, sql in shown.items() if column != key)
    rows = f"SELECT ord, {inner} FROM {source}"
    return f"SELECT ord, {made} AS {key}, {others} FROM ({rows}) WHERE {where}"


def _labelled(view: str, text: list[str]) -> str:
    """Return the rows joined to what their labels say."""
    if not text:
        return f"(SELECT * FROM {view}) r"
    key = f"coalesce({', '.join('r.' + quoted(t) for t in text)})"
    source = f"(SELECT * FROM {view}) r LEFT JOIN labels l ON l.verbatim = {key}"
    if len(text) == 2:
        source += " LEFT JOIN labels s ON s.verbatim = r.scientificName"
    return source


def _columns(
    terms: tuple[str, ...],
    labels: Labels,
    ranks: list[str],
    text: list[str],
    targets: tuple[str, ...],
) -> Mapping[str, str]:
    """Return the SQL of every column of an identification that can hold something."""
    own = [t for t in TABLES["identification"].columns if t in terms]
    columns = {t: typed(t, "r." + quoted(t)) for t in own if t not in _MOST_DIRECT}
    columns.update(_targets([t for t in targets if t in terms]))
    clean = {rank: labels.rank_value(rank) for rank in ranks}
    columns.update(clean)
    said = _SAID[len(text)]
    names = [f"{table}.name" for table in said]
    name = f"coalesce({', '.join([*names, *(clean[r] for r in reversed(ranks)), 'NULL'])})"
    columns["scientificName"] = name
    if text:
        columns["verbatimIdentification"] = f"coalesce({', '.join('r.' + quoted(t) for t in text)})"
        for term, field in (
            ("identificationQualifier", "qualifier"),
            ("taxonConceptID", "concept"),
            ("scientificNameAuthorship", "authorship"),
        ):
            given = [f"r.{quoted(term)}"] if term in terms else []
            told = [f"{table}.{field}" for table in said]
            columns[term] = f"coalesce({', '.join([*given, *told])})"
    columns["taxonRank"] = _rank(terms, clean, name, said)
    for term, default in (("identificationType", "label"), ("agentType", "human")):
        columns[term] = (
            f"coalesce({columns[term]}, '{default}')" if term in columns else f"'{default}'"
        )
    return columns


def _rank(
    terms: tuple[str, ...], clean: Mapping[str, str], name: str, said: tuple[str, ...]
) -> str:
    """Return the SQL of the rank of the name.

    It is the rank that the row gives, unless the label doubts a part of the name (*Calanus cf.
    finmarchicus* is a genus, whatever the row says); else that of the column which holds the name.
    """
    # The doubt of the label that gives the name, and of no other.
    doubted = " ".join(
        f"WHEN {table}.name IS NOT NULL THEN if({table}.qualifier IS NULL, NULL, {table}.rank)"
        for table in said
    )
    found = [f"CASE {doubted} END"] if said else []
    if "taxonRank" in terms:
        found.append(f"lower(r.{quoted('taxonRank')})")
    if clean:
        whens = " ".join(f"WHEN {sql} THEN '{rank}'" for rank, sql in reversed(list(clean.items())))
        found.append(f"CASE {name} {whens} END")
    found += [f"{table}.rank" for table in said]
    return f"coalesce({', '.join(found)})" if found else "CAST(NULL AS VARCHAR)"


def _targets(given: list[str]) -> dict[str, str]:
    """Return the SQL of what was identified, so that exactly one is set."""
    columns: dict[str, str] = {}
    above: list[str] = []
    for target in _MOST_DIRECT:
        if target in given:
            sql = f"r.{quoted(target)}"
            columns[target] = f"if({' OR '.join(above)}, NULL, {sql})" if above else sql
            above.append(f"{sql} IS NOT NULL")
    return columns
