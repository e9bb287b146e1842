"""Identifiers of a label map, there and back: the name of an id must be the target's.

Which checklist an authority's ids belong to is found by trying: the one that returns a name of the
target's own lineage for most of them. A table with a column called like the authority
("aphia_id") and one with names does as well. An id of a taxon above the target is a loss and no
error; without any checklist the ids are held against each other.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from merian.audit.label_case import DOUBT, ERROR, NOTE, Case, lineage_text
from merian.audit.label_witness import Witness, kingdom_of, transferred
from merian.errors import FormatError
from merian.files import existing, open_text
from merian.taxonomy.label_map import LabelTarget
from merian.taxonomy.tree import Taxonomy

__all__ = ["Register", "identifiers", "read_ids", "registers"]

_LSID = {"aphia": "urn:lsid:marinespecies.org:taxname:"}
_NAMES = ("name", "scientificname", "scientific_name", "canonical_name")
_ENOUGH, _MOST = 5, 0.5  # ids that a checklist knows, and the share that return the lineage
_CLASS = 2  # its place in a lineage: what shares a phylum alone is not near
_BLOCK = 1 << 17  # ids that are read at a time
_LETTERS = 2  # in which two forms of one name differ
_STABLE = ("Animalia", "Plantae")  # whose phyla are called the same everywhere

# authority -> (its title, id -> the names that it may stand for, the accepted one first)
Register = dict[str, tuple[str, Mapping[str, tuple[str, ...]]]]


def read_ids(path: Path | str) -> Register:
    """Read a table of names and ids of one or several authorities."""
    path = existing(path, "table of identifiers")
    with open_text(path) as stream:
        first = stream.readline()
        stream.seek(0)
        rows = csv.DictReader(stream, delimiter="\t" if "\t" in first else ",")
        columns = {(c or "").strip().lower().lstrip("\ufeff"): c for c in rows.fieldnames or ()}
        name = next((columns[c] for c in _NAMES if c in columns), None)
        ids = {c.removesuffix("_id"): columns[c] for c in columns if c.endswith("_id")}
        ids.pop("parent", None)
        if name is None or not ids:
            raise FormatError(
                f"has the columns {', '.join(columns) or 'none'}; expected a name ({_NAMES[0]}) "
                "and ids (aphia_id, NCBI_ID ...)",
                path=path, line=1,
            )  # fmt: skip
        found: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for row in rows:
            for authority, column in ids.items():
                value = (row.get(column) or "").strip().removesuffix(".0")
                if value:
                    found[authority][value] = (*found[authority].get(value, ()), row[name] or "")
    return {authority: (path.name, names) for authority, names in found.items()}


def registers(witness: Witness, tables: Sequence[Register]) -> Register:
    """Return for each authority the table or checklist that answers for its ids."""
    given: dict[str, dict[str, list[LabelTarget]]] = defaultdict(lambda: defaultdict(list))
    for target in witness.labels.targets.values():
        for authority, ids in target.ids.items():
            for one in ids:
                given[authority][one].append(target)
    found: Register = {}
    wanted = {_LSID.get(a, "") + one for a, asked in given.items() for one in asked}
    wanted |= {one for asked in given.values() for one in asked}
    known_rows = [(t, _rows_of(t, wanted)) for t in witness.taxonomies]
    for authority, asked in given.items():
        candidates = [t[a] for t in tables for a in t if a.casefold() == authority.casefold()]
        candidates += [
            (t.lock.checklist, _answers(t, rows, authority, asked)) for t, rows in known_rows
        ]
        best = 0
        for title, table in candidates:
            known = [one for one in asked if one in table]
            right = sum(any(_in(table[one], t) for t in asked[one]) for one in known)
            if len(known) >= _ENOUGH and right >= _MOST * len(known) and right > best:
                best = right
                found[authority] = (title, table)
    return found


def _rows_of(taxonomy: Taxonomy, wanted: set[str]) -> dict[str, int]:
    """Return the rows of many ids in one pass; to look up each alone reads all ids each time."""
    found: dict[str, int] = {}
    for strings, rows in ((taxonomy.ids, None), (taxonomy.retired_ids, taxonomy.retired_row)):
        for low in range(0, len(strings), _BLOCK):
            texts = strings.between(low, min(low + _BLOCK, len(strings)))
            for place, one in enumerate(texts, low):
                if one in wanted:
                    found.setdefault(one, place if rows is None else int(rows[place]))
    return found


def _answers(
    taxonomy: Taxonomy, rows: Mapping[str, int], authority: str, asked: Iterable[str]
) -> Mapping[str, tuple[str, ...]]:
    """Return the names that a checklist has for ids, if they are its own."""
    found: dict[str, tuple[str, ...]] = {}
    for one in asked:
        node = rows.get(one, rows.get(_LSID.get(authority, "") + one))
        if node is not None:
            accepted = taxonomy.name_of(int(taxonomy.accepted[node]))
            found[one] = tuple(dict.fromkeys((accepted, taxonomy.name_of(node))))
    return found


def _in(names: Sequence[str], target: LabelTarget) -> bool:
    """Return whether one of the names is in a lineage."""
    lineage = {n.casefold() for n in target.lineage.values()}
    return any(name.casefold() in lineage for name in names)


def identifiers(witness: Witness, known: Register) -> Iterator[Case]:
    """Find ids that belong to another name."""
    told: set[tuple[str, str]] = set()
    for key, target in witness.labels.targets.items():
        if not target.lineage:
            continue
        for authority, ids in target.ids.items():
            if authority not in known:
                continue
            title, names = known[authority]
            answers = [(one, names[one]) for one in ids if one in names]
            if not answers or any(_in(found, target) for _, found in answers):
                continue
            one, found = answers[0]
            if any(p.name in found for p in witness.places(target.name)):
                continue  # the target is a synonym of what the id is
            moved = transferred(found[0].casefold(), target.name.casefold())
            if moved or _spelled_alike(found[0], target):
                continue
            told.add((authority, one))
            yield _wrong(witness, key, target, authority, one, found[0], title)
    yield from _against_each_other(witness, told)


def _spelled_alike(found: str, target: LabelTarget) -> bool:
    """Return whether a name is another form of one of the lineage: Polycystinea, Metazoa."""
    kingdom = kingdom_of([found])
    return any(
        Levenshtein.distance(found, name, score_cutoff=_LETTERS) <= _LETTERS
        or (kingdom != "" and kingdom == kingdom_of([name]))
        for name in target.lineage.values()
    )


def _wrong(
    witness: Witness, key: tuple[str, str], target: LabelTarget, authority: str, one: str,
    found: str, title: str,
) -> Case:  # fmt: skip
    """Return what is to be said of an id with a name that is not in the lineage."""
    lineage = {n.casefold() for n in target.lineage.values()}
    mine = kingdom_of(target.lineage.values())
    near = list(target.lineage.values())[_CLASS:-1][-2:]
    ways = [{n.casefold() for n in p.path} for p in witness.places(found)]
    same = found.rsplit(" ", maxsplit=1)[-1].casefold() == target.name.split(" ")[-1].casefold()
    if same or any(n.casefold() in way for way in ways for n in near):
        severity, why = NOTE, "a near relative or a synonym"
    elif any(
        target.name.casefold() in (n.casefold() for n in p.path) for p in witness.places(found)
    ):
        severity, why = DOUBT, "a taxon below it"
    elif any(way & (lineage - {mine.casefold()}) for way in ways):
        severity, why = DOUBT, "another taxon of the same group"
    elif ways and (mine in _STABLE or all(kingdom_of(way) != mine for way in ways)):
        severity, why = ERROR, "something in another branch"
    else:
        severity, why = DOUBT, "a name that is not in the lineage"
    return Case(
        "id", severity, target.name, f"{authority} {one}", found,
        f"{authority} {one} is {found} ({title}), {why}; the map has it for {lineage_text(target)}",
        (key,),
    )  # fmt: skip


def _against_each_other(witness: Witness, told: set[tuple[str, str]]) -> Iterator[Case]:
    """Find ids that several targets carry of which none is above the others."""
    owners: dict[tuple[str, str], dict[str, list[tuple[str, str]]]] = defaultdict(dict)
    lineages: dict[str, tuple[str, ...]] = {}
    for key, target in witness.labels.targets.items():
        if not target.lineage:
            continue
        lineages[target.name] = tuple(target.lineage.values())
        for authority, ids in target.ids.items():
            for one in ids:
                owners[authority, one].setdefault(target.name, []).append(key)
    own = _own_ids(witness)
    for (authority, one), names in owners.items():
        if len(names) < 2 or (authority, one) in told:
            continue
        ways = [lineages[name] for name in names]
        common = [n for n in ways[0] if all(n in way for way in ways)]
        if any(way[-1] in common for way in ways):
            continue  # it is that of the taxon above, stamped on those below
        if common and own.get((authority, common[-1])) in (None, one) and len(common) > 2:
            continue  # most likely that of a taxon above all of them
        few = min(names, key=lambda name: (len(names[name]), name))
        yield Case(
            "id", DOUBT if len(common) < 3 else NOTE, " and ".join(sorted(names)[:3]),
            f"{authority} {one}", "",
            f"{authority} {one} is given to {len(names)} taxa whose nearest common taxon is "
            f"{common[-1] if common else 'none'}", tuple(names[few]),
        )  # fmt: skip


def _own_ids(witness: Witness) -> dict[tuple[str, str], str]:
    """Return the id that most labels of a name have, by authority."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for target in witness.labels.targets.values():
        for authority, ids in target.ids.items():
            counts[authority, target.name].update(ids)
    return {where: max(c, key=lambda one: (c[one], one)) for where, c in counts.items() if c}
