"""Rows that Python makes one by one: their values as text, and the rows in chunks.

A row is a mapping from term to value with the column ``line``; a reject may stand between and is
handed on at once.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence

from merian.catalogue.sources import Chunk, Reject

__all__ = ["ChunkedRows", "Row", "chunked", "said_text", "text_of"]

Row = Mapping[str, object]

_ROWS = 10_000


def chunked(rows: Iterable[Row | Reject], size: int = _ROWS) -> Iterator[Chunk | Reject]:
    """Gather rows into columns of equal length; a row need not have all of them."""
    waiting: list[Row] = []
    for row in rows:
        if isinstance(row, Reject):
            yield row
            continue
        waiting.append(row)
        if len(waiting) == size:
            yield _columns(waiting)
            waiting = []
    if waiting:
        yield _columns(waiting)


def _columns(rows: Sequence[Row]) -> Chunk:
    terms = dict.fromkeys(term for row in rows for term, value in row.items() if value is not None)
    return {term: [row.get(term) for row in rows] for term in terms}


class ChunkedRows(ABC):
    """Rows that are made anew each time they are asked for, in chunks."""

    def __iter__(self) -> Iterator[Chunk | Reject]:
        return chunked(self._rows())

    @abstractmethod
    def _rows(self) -> Iterator[Row | Reject]: ...


def text_of(value: object) -> str | None:
    """Return what a value says, as text that can be stored; None if it says nothing."""
    if value is None or value == "":
        return None
    text = str(value)
    # Half of a pair of surrogates, which JSON can write and nobody can store.
    text = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\0", "") or None


def said_text(value: object) -> str | None:
    """Return any value of JSON as the text of a measurement."""
    if isinstance(value, str) or value is None:
        return text_of(value)
    return text_of(json.dumps(value, ensure_ascii=False))
