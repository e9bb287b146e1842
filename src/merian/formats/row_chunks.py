"""Rows made by Python: values of foreign files as text that can be stored, and rows in chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from merian.catalogue.sources import Chunk, Reject

__all__ = ["in_chunks", "said_text", "text_of"]

_CHUNK = 10_000


def text_of(value: object) -> str | None:
    """Return what a value says, as text that can be stored; None if it says nothing."""
    if value is None or value == "":
        return None
    text = str(value)
    # Half of a pair of surrogates, which JSON can write and nobody can store.
    text = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\0", "") or None


def in_chunks(rows: Iterator[Mapping[str, object] | Reject]) -> Iterator[Chunk | Reject]:
    """Put rows together, ten thousand a chunk; rejects go between."""
    held: list[Mapping[str, object]] = []
    for row in rows:
        if isinstance(row, Reject):
            yield row
            continue
        held.append(row)
        if len(held) == _CHUNK:
            yield _columns(held)
            held = []
    if held:
        yield _columns(held)


def _columns(rows: Sequence[Mapping[str, object]]) -> Chunk:
    names = dict.fromkeys(name for row in rows for name, value in row.items() if value is not None)
    return {name: [row.get(name) for row in rows] for name in names}


def said_text(value: object) -> str | None:
    """Return any value of JSON as the text of a measurement."""
    if isinstance(value, str) or value is None:
        return text_of(value)
    return text_of(json.dumps(value, ensure_ascii=False))
