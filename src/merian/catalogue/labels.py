"""What the labels of an import say, read once for each that is distinct.

A million specimens carry some ten thousand labels. Each is read by `merian.taxonomy` into a
name, a qualifier, a life stage, a part of the body and a concept, and joined back in SQL. The
label itself is kept as it came.
"""

from __future__ import annotations

from merian.catalogue.checks import literal
from merian.catalogue.schema import RANKS, quoted
from merian.catalogue.staging import Staging

__all__ = ["LABEL_TERMS", "Labels"]

LABEL_TERMS = ("verbatimIdentification", "scientificName")
_NO_NAME = {"placeholder", "none"}

# A longer list of constants is slower than a join.
_MANY = 50


class Labels:
    """The table ``labels`` of the staging database, and what holds for all of it.

    Attributes:
        has_stages: Whether any label tells a life stage.
        has_parts: Whether any label tells a part of the body.
        placeholders: Values of rank columns that name nothing (``unassigned``).
    """

    def __init__(self, staging: Staging) -> None:
        # Imported here, because the parser is needed for an import alone.
        from merian.taxonomy import read_labels  # noqa: PLC0415

        texts = _distinct(staging, LABEL_TERMS)
        values = _distinct(staging, RANKS)
        both = sorted(texts | values)
        read = read_labels(both)
        self.placeholders = sorted(
            label.verbatim for label in read if label.verbatim in values and label.kind in _NO_NAME
        )
        staging.run("CREATE TABLE placeholders (value VARCHAR)")
        if len(self.placeholders) > _MANY:
            staging.append("placeholders", {"value": self.placeholders})
        told = [label for label in read if label.verbatim in texts]
        self.has_stages = any(label.life_stage for label in told)
        self.has_parts = any(label.part for label in told)
        staging.run(
            "CREATE TABLE labels (verbatim VARCHAR, name VARCHAR, rank VARCHAR, "
            "authorship VARCHAR, qualifier VARCHAR, lifeStage VARCHAR, part VARCHAR, "
            "concept VARCHAR)"
        )
        if told:
            staging.append(
                "labels",
                {
                    "verbatim": [t.verbatim for t in told],
                    # A hybrid formula or a virus has no other name than its label.
                    "name": [
                        t.name or (t.verbatim if t.kind in {"hybrid", "virus"} else None)
                        for t in told
                    ],
                    "rank": [t.rank for t in told],
                    "authorship": [t.authorship for t in told],
                    "qualifier": [t.qualifier for t in told],
                    "lifeStage": [t.life_stage for t in told],
                    "part": [t.part for t in told],
                    "concept": [t.concept for t in told],
                },
            )

    def rank_value(self, rank: str) -> str:
        """Return the SQL of a rank column in which placeholders are NULL."""
        if not self.placeholders:
            return quoted(rank)
        none = ", ".join(literal(text) for text in self.placeholders)
        if len(self.placeholders) > _MANY:
            none = "SELECT value FROM placeholders"
        return f"if({quoted(rank)} IN ({none}), NULL, {quoted(rank)})"


def _distinct(staging: Staging, terms: tuple[str, ...]) -> set[str]:
    """Return the distinct texts in these columns of all rows that carry a name."""
    found: set[str] = set()
    for table in ("record", "identification"):
        for term in staging.terms(table):
            if term in terms:
                rows = staging.run(f"SELECT DISTINCT {quoted(term)} FROM {staging.view(table)}")
                found.update(text for (text,) in rows if text is not None)
    return found
