"""Rows of a catalogue by a stored split: all parts as train, valid and test, or some alone."""

from __future__ import annotations

from collections.abc import Sequence

from merian.catalogue.checks import literal
from merian.catalogue.splits.store import Stored, part_names

__all__ = ["divided", "within"]

_NAMES = {"learn": "train", "tune": "valid", "test": "test", "keys": "test"}


def divided(sql: str, splits: Sequence[Stored], asked: str, record: str, order: str) -> str:
    """Return a query whose column ``split`` is of a stored split; what is set aside is left out.

    Args:
        sql: The query; it has a column ``split``.
        splits: Those of the catalogue.
        asked: ``NAME``, or ``NAME:PART+PART`` for the records of these parts, divided anew.
        record: Its column with the id of the record.
        order: The columns that it is ordered by.
    """
    if ":" in asked:
        chosen = within(f"SELECT * REPLACE (CAST(NULL AS VARCHAR) AS split) FROM ({sql})",
                        splits, asked, record)  # fmt: skip
        return f"{chosen} ORDER BY {order}"
    split, _ = part_names(list(splits), asked)
    cases = " ".join(
        f"WHEN {literal(part)} THEN {literal(_NAMES[told['role']])}"
        for part, told in split.parts.items()
        if told["role"] in _NAMES
    )
    return (
        f"SELECT i.* REPLACE (CASE p.part {cases} END AS split) FROM ({sql}) i "
        f"JOIN placement p ON p.recordID = i.{record} AND p.splitName = {literal(split.name)} "
        f"WHERE CASE p.part {cases} END IS NOT NULL ORDER BY {order}"
    )


def within(sql: str, splits: Sequence[Stored], asked: str, record: str) -> str:
    """Return a query for the rows of some parts alone.

    Args:
        sql: The query.
        splits: Those of the catalogue.
        asked: ``NAME:PART+PART``, or ``NAME`` for all that is not set aside.
        record: The id of the record, as SQL.
    """
    split, parts = part_names(list(splits), asked)
    if ":" not in asked:
        parts = [part for part in parts if split.parts[part]["role"] != "aside"]
    listed = ", ".join(literal(part) for part in parts)
    return (
        f"SELECT * FROM ({sql}) WHERE {record} IN (SELECT recordID FROM placement "
        f"WHERE splitName = {literal(split.name)} AND part IN ({listed}))"
    )
