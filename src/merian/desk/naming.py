"""Names that a person types: completed from the catalogue and a checklist, and read with lineage.

A name that the catalogue or the checklist has is chosen with the taxa above it. One that neither
has is read as a label: its genus may be known, and then stands where that does. A synonym of the
checklist leads to its accepted name.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import Any

from merian.catalogue.schema import RANKS, quoted
from merian.desk.desk import Desk
from merian.errors import InputError
from merian.taxonomy import NONE, Taxonomy, read_label

__all__ = ["complete", "named", "recent"]

_MOST = 12
_SEARCHED = 400  # names of a checklist that begin so, and are looked at

Name = dict[str, Any]


def complete(desk: Desk, text: str) -> list[Name]:
    """Return names that begin so, those of the catalogue first: name, rank, above, note, count."""
    text = " ".join(text.split())
    if not text:
        return []
    found = _of_catalogue(desk, text)
    known = {(one["rank"], one["name"], one["above"]) for one in found}
    for one in _of_checklist(desk.taxonomy, text):
        if (one["rank"], one["name"], one["above"]) not in known:
            found.append(one)
            known.add((one["rank"], one["name"], one["above"]))
    return found[:_MOST]


def named(desk: Desk, name: str, rank: str = "", above: str = "") -> dict[str, str | None]:
    """Return what an identification by a name says, by column.

    Args:
        desk: It.
        name: As it was typed or chosen.
        rank: Where several taxa are called so, the rank of the one that was chosen.
        above: The taxon above it, for the same.
    """
    name = " ".join(name.split())
    if not name:
        raise InputError("say which name")
    here = [one for one in _names(desk).get(name.lower(), [])
            if rank in ("", one["rank"]) and above in ("", one["above"])]  # fmt: skip
    if len(here) > 1 and len({one["rank"] for one in here} | {one["above"] for one in here}) > 1:
        places = " and ".join(f"the {one['rank']} under {one['above']}" for one in here[:3])
        raise InputError(f"{name}: several taxa are called so, {places}; choose one of the list")
    if here:
        return dict(here[0]["says"])
    nodes = _nodes(desk.taxonomy, name, rank)
    if len(nodes) == 1 and desk.taxonomy is not None:
        return _lineage(desk.taxonomy, nodes[0])
    if len(nodes) > 1:
        raise InputError(f"{name}: several taxa of the checklist are called so; choose one")
    return _read(desk, name)


def recent(desk: Desk) -> list[str]:
    """Return the names that were given last, each once: those of the keys 1 to 9."""

    def make() -> list[str]:
        given = [one["name"] for one in desk.decided(200) if one["kind"] == "name" and one["name"]]
        return list(dict.fromkeys(given))[:9]

    found: list[str] = desk.kept("recent", make)
    return found


# -- the catalogue --------------------------------------------------------------------------------


def _names(desk: Desk) -> Mapping[str, list[Name]]:
    """Return every name that identifications carry at any rank, in lower case, with its lineage."""

    def make() -> dict[str, list[Name]]:
        ranks = ", ".join(map(quoted, RANKS))
        with desk.cursor() as con:
            rows = con.execute(
                f"SELECT {ranks}, count(*) FROM main.identification "
                f"WHERE coalesce({ranks}) IS NOT NULL GROUP BY ALL ORDER BY ALL"
            ).fetchall()
        found: dict[tuple[str, str, str], Name] = {}
        for *names, count in rows:
            path = [(rank, name) for rank, name in zip(RANKS, names, strict=True) if name]
            for depth, (rank, name) in enumerate(path):
                above = path[depth - 1][1] if depth else ""
                one = found.get((rank, name, above))
                if one is None:
                    says = dict(path[: depth + 1]) | {"scientificName": name, "taxonRank": rank}
                    one = {"name": name, "rank": rank, "above": above, "note": "", "count": 0,
                           "says": says}  # fmt: skip
                    found[rank, name, above] = one
                one["count"] += count
        by_name: dict[str, list[Name]] = {}
        for one in sorted(found.values(), key=lambda one: -one["count"]):
            by_name.setdefault(one["name"].lower(), []).append(one)
        return by_name

    names: Mapping[str, list[Name]] = desk.kept("names", make)
    return names


def _of_catalogue(desk: Desk, text: str) -> list[Name]:
    names = _names(desk)
    keys: list[str] = desk.kept("name order", lambda: sorted(names))
    low = text.lower()
    begin = bisect_left(keys, low)
    found = [*keys[begin : bisect_right(keys, low + "\U0010ffff")]]
    if len(found) < _MOST:  # an epithet alone, or letters within
        found += [key for key in keys if f" {low}" in key and key not in found][:_MOST]
    ones = [one for key in found for one in names[key]]
    ones.sort(key=lambda one: (-one["count"], one["name"]))
    return [{key: one[key] for key in ("name", "rank", "above", "note", "count")}
            for one in ones[:_MOST]]  # fmt: skip


# -- the checklist --------------------------------------------------------------------------------


def _of_checklist(taxonomy: Taxonomy | None, text: str) -> list[Name]:
    """Return names of a checklist that begin so."""
    if taxonomy is None or len(text) < 2:
        return []
    begin = text[:1].upper() + text[1:].lower()
    found = []
    first, stop = taxonomy.names.starting_with(begin)
    for name in range(first, min(stop, first + _SEARCHED)):
        for node in taxonomy.rows_of_name(name).tolist():
            accepted = int(taxonomy.accepted[node])
            parent = int(taxonomy.parent[accepted])
            note = f"{taxonomy.name_of(node)} is a synonym" if node != accepted else ""
            found.append({
                "name": taxonomy.name_of(accepted), "rank": taxonomy.rank_of(accepted),
                "above": taxonomy.name_of(parent) if parent != NONE else "", "note": note,
                "count": 0,
            })  # fmt: skip
            if len(found) >= _MOST:
                return found
    return found


def _nodes(taxonomy: Taxonomy | None, name: str, rank: str) -> list[int]:
    if taxonomy is None:
        return []
    accepted = dict.fromkeys(int(taxonomy.accepted[node]) for node in taxonomy.find(name).tolist())
    return [node for node in accepted if rank in ("", taxonomy.rank_of(node))]


def _lineage(taxonomy: Taxonomy, node: int) -> dict[str, str | None]:
    above = {taxonomy.rank_of(one): taxonomy.name_of(one) for one in taxonomy.path(node)}
    said: dict[str, str | None] = {rank: above[rank] for rank in RANKS if rank in above}
    return said | {
        "scientificName": taxonomy.name_of(node), "taxonRank": taxonomy.rank_of(node),
        "scientificNameAuthorship": taxonomy.authorship[node] or None,
        "taxonID": taxonomy.ids[node] or None, "taxonomyLock": str(taxonomy.lock),
    }  # fmt: skip


# -- neither --------------------------------------------------------------------------------------


def _read(desk: Desk, text: str) -> dict[str, str | None]:
    """Return what a name says that is known to neither."""
    label = read_label(text)
    if not label.name or label.kind not in ("scientific", "informal", "hybrid"):
        raise InputError(
            f"{text[:60]!r}: is no name of a taxon that can be read; expected one as in 'Carabus "
            "granulatus' or 'Carabus sp. 3'"
        )
    words = label.name.split(" ")
    rank = {2: "species", 3: "subspecies"}.get(len(words)) or label.rank
    genus = [one for one in _names(desk).get(words[0].lower(), []) if one["rank"] == "genus"]
    said: dict[str, str | None] = dict(genus[0]["says"]) if len(genus) == 1 else {}
    if not said:
        nodes = _nodes(desk.taxonomy, words[0], "genus")
        if len(nodes) == 1 and desk.taxonomy is not None:
            said = _lineage(desk.taxonomy, nodes[0])
            said |= dict.fromkeys(("taxonID", "taxonomyLock", "scientificNameAuthorship"))
    if len(words) == 1:
        if not said:
            raise InputError(
                f"{label.name}: neither the catalogue nor a checklist has this name, so its place "
                "is not known; open the desk with --taxonomy, or give a species"
            )
        rank = "genus"
    if len(words) > 1:
        said |= {"genus": words[0], "species": " ".join(words[:2])}
    if len(words) > 2:
        said |= {"subspecies": " ".join(words[:3])}
    return said | {
        "scientificName": label.name, "taxonRank": rank,
        "scientificNameAuthorship": label.authorship, "identificationQualifier": label.qualifier,
        "verbatimIdentification": None,
    }  # fmt: skip
