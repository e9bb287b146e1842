"""Names of an import matched to a checklist, each distinct name in its context once.

A name that is found (exactly, as a synonym, or in another spelling) gets the identifier of its
accepted taxon and the lock of the checklist. A name of which only something higher is found gets
none: the identification must not say less than its label does, nor more.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from merian.catalogue.schema import RANKS, quoted

if TYPE_CHECKING:
    from merian.catalogue.staging import Staging
    from merian.taxonomy import Taxonomy

__all__ = ["match_identifications"]

_FOUND = ("EXACT", "VARIANT")
_DIRECT = {"taxonRank": "rank", "scientificNameAuthorship": "authorship"}


def match_identifications(staging: Staging, taxonomy: Taxonomy) -> None:
    """Fill ``taxonID`` and ``taxonomyLock`` of the new identifications; say how it went."""
    from merian.taxonomy import match_names  # noqa: PLC0415  (loaded only where it is asked for)

    if not staging.has("new_identification"):
        return
    staging.step("matching names", staging.rows_read)
    have = staging.columns("new_identification")
    context = [c for c in (*RANKS, *_DIRECT) if c in have and c not in ("species", "subspecies")]
    asked = ", ".join(quoted(c) for c in ("scientificName", *context))
    rows = staging.run(
        f"SELECT {asked} FROM new_identification WHERE scientificName IS NOT NULL "
        "GROUP BY ALL ORDER BY ALL"
    )
    if not rows:
        return
    names, *columns = (list(column) for column in zip(*rows, strict=True))
    hints = {_DIRECT.get(c, c): column for c, column in zip(context, columns, strict=True)}
    answers = match_names(taxonomy, names, hints)
    found = [kind in _FOUND for kind in answers.match_type]
    ids = [
        taxonomy.ids[int(taxonomy.accepted[node])] if good else None
        for node, good in zip(answers.node, found, strict=True)
    ]
    key = {f"k{i}": column for i, column in enumerate((names, *columns))}
    staging.run("DROP TABLE IF EXISTS matched")
    listed = ", ".join(f"{k} VARCHAR" for k in key)
    staging.run(f"CREATE TABLE matched ({listed}, taxon VARCHAR)")
    staging.append("matched", {**key, "taxon": ids})
    for column in ("taxonID", "taxonomyLock"):
        if column not in have:
            staging.run(f"ALTER TABLE new_identification ADD COLUMN {column} VARCHAR")
    same = " AND ".join(
        f"{quoted(c)} IS NOT DISTINCT FROM m.k{i}"
        for i, c in enumerate(("scientificName", *context))
    )
    staging.con.execute(
        "UPDATE new_identification SET taxonID = m.taxon, taxonomyLock = ? "
        f"FROM matched m WHERE m.taxon IS NOT NULL AND {same}",
        [str(taxonomy.lock)],
    ).fetchall()
    counts = Counter(answers.match_type)
    told = ", ".join(f"{counts[k]:,} {k}" for k in ("EXACT", "VARIANT", "HIGHERRANK", "NONE"))
    staging.notes.append(f"distinct names matched to {taxonomy.lock}: {told}")
