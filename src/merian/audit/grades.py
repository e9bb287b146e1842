"""How well species and clusters agree: the grades A to E of BAGS.

The rules are those of BAGS (Fontes et al. 2021, Molecular Ecology Resources 21:573) as its program
applies them, the first that holds:

    E  one of its clusters holds another species too, or a record of another genus or family
    D  fewer than 3 records
    C  two clusters or more, none shared
    B  one cluster, 3 to 10 records
    A  one cluster, more than 10 records

Records without a cluster are not counted. BAGS differs in what it looks at: it downloads all of
BOLD that has a BIN, drops barcodes below a length or with 1 % of N and names that are none, and
asks tables of all of BOLD how many species a BIN holds. Here the library is what is looked at: a
BIN that another species shares elsewhere in BOLD is E there, and can be seen here only where such
a table is given. BAGS also takes "Aus cf. bus" and "Aus ssp." for species; a library does not.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merian.audit.clusters import Clusters
from merian.audit.findings import Finding
from merian.audit.records import PLACE, Records, place_of
from merian.errors import FormatError
from merian.files import existing, open_text
from merian.formats.delimited import read_head
from merian.taxonomy import NONE

__all__ = ["grade_of", "graded", "read_bins"]

_FEW, _MANY = 3, 11
_MEANS = {
    "A": "one {kind} of its own, more than 10 records",
    "B": "one {kind} of its own, 3 to 10 records",
    "C": "several {many}, none shared",
    "D": "fewer than 3 records",
    "E": "shares a {kind} with another species",
}


@dataclass(frozen=True)
class _Held:
    """What clusters hold.

    Attributes:
        members: species -> cluster -> records.
        inside: cluster -> species.
        unnamed: cluster -> what else records in it are named to.
    """

    members: dict[int, dict[int, list[int]]]
    inside: dict[int, set[int]]
    unnamed: dict[int, set[int]]


def grade_of(records: int, clusters: int, shared: bool) -> str:
    """Return the grade of a species.

    Args:
        records: How many it has that are in a cluster.
        clusters: How many clusters these are in.
        shared: Whether one of the clusters holds another species too.
    """
    if shared:
        return "E"
    if records < _FEW:
        return "D"
    if clusters > 1:
        return "C"
    return "A" if records >= _MANY else "B"


def read_bins(path: Path | str) -> dict[str, int]:
    """Return how many species BINs hold, from a table with bin_uri and species_per_bin."""
    path = existing(path, "table of BINs")
    head = read_head(path)
    wanted = ("bin_uri", "species_per_bin")
    if missing := [name for name in wanted if name not in head.columns]:
        raise FormatError(
            f"has no column {missing[0]}; a table with bin_uri and species_per_bin is expected, "
            f"and this one has {', '.join(head.columns[:6])}",
            path=path,
            line=head.header_lines,
        )
    at, count = (head.columns.index(name) for name in wanted)
    found = {}
    with open_text(path, head.encoding) as stream:
        rows = csv.reader(stream, delimiter=head.delimiter)
        for line, row in enumerate(rows, start=1):
            if line <= head.header_lines or not row:
                continue
            if len(row) <= max(at, count) or not row[count].strip().isdigit():
                raise FormatError("expected a BIN and a whole number", path=path, line=line)
            found[row[at].strip()] = int(row[count])
    return found


def graded(
    records: Records, clusters: Clusters, elsewhere: Mapping[str, int] | None = None
) -> tuple[Finding, Finding]:
    """Return the grade of each species, and the clusters that several species share.

    Args:
        records: Of the library.
        clusters: Of these records.
        elsewhere: How many species a BIN holds in all of BOLD, as far as that is known.
    """
    beyond = {c for c, name in enumerate(clusters.names) if (elsewhere or {}).get(name, 0) > 1}
    held = _held(records, clusters)
    rows = [
        _row(records, clusters, held, species, beyond)
        for species in sorted(held.members, key=records.name)
    ]
    counts = Counter(str(row[1]) for row in rows)
    kind = clusters.kind
    return (
        Finding(
            name="grades",
            title=f"Species and {clusters.many}",
            advice=(
                f"Grades of BAGS. E: see which records share the {kind} (clusters.tsv); a wrong "
                "label stands among the mislabels too, else the species share a barcode, or one "
                "name is a synonym of the other. C: the species may be several, or its records "
                "come from far apart. D: add records. A and B need nothing."
            ),
            noun="species graded C or E",
            count=counts["C"] + counts["E"],
            columns=(
                "species",
                "grade",
                "records",
                clusters.many.replace(" ", "_"),
                "which",
                "shared_with",
            ),
            rows=rows,
            bars=[
                (f"{grade}: {means.format(kind=kind, many=clusters.many)}", counts[grade])
                for grade, means in _MEANS.items()
            ],
        ),
        _shared_clusters(records, clusters, held),
    )


def _held(records: Records, clusters: Clusters) -> _Held:
    """Sort records by species and cluster."""
    held = _Held(defaultdict(lambda: defaultdict(list)), defaultdict(set), defaultdict(set))
    species_of = records.species[records.entry].tolist()
    node_of = np.asarray(records.library.node)[records.entry].tolist()
    rows = zip(species_of, clusters.of_record.tolist(), node_of, strict=True)
    for record, (species, cluster, node) in enumerate(rows):
        if cluster < 0:
            continue
        if species == NONE:
            held.unnamed[cluster].add(node)
        else:
            held.members[species][cluster].append(record)
            held.inside[cluster].add(species)
    return held


def _row(
    records: Records, clusters: Clusters, held: _Held, species: int, beyond: set[int]
) -> Sequence[object]:
    """Return the row of a species; ``beyond`` are the clusters that others share elsewhere."""
    own = held.members[species]
    others = {other for cluster in own for other in held.inside[cluster]} - {species}
    # "Bus sp." in a cluster of Aus bus: named no farther than to a genus, but to another one.
    around = {node for cluster in own for node in held.unnamed[cluster]}
    is_in = records.library.taxonomy.is_ancestor
    others |= {node for node in around if not is_in(node, species)}
    away = not beyond.isdisjoint(own)
    count = sum(map(len, own.values()))
    which = sorted(own.items(), key=lambda item: (-len(item[1]), item[0]))
    shared_with = sorted(records.name(other) for other in others)
    if away and not others:
        shared_with.append("others in BOLD")
    return (
        records.name(species),
        grade_of(count, len(own), bool(others) or away),
        count,
        len(own),
        "; ".join(f"{clusters.names[cluster]} ({len(those)})" for cluster, those in which),
        "; ".join(shared_with),
    )


def _shared_clusters(records: Records, clusters: Clusters, held: _Held) -> Finding:
    """Return the records of clusters that several species share."""
    shared = sorted(cluster for cluster, species in held.inside.items() if len(species) > 1)
    rows: list[Sequence[object]] = []
    for cluster in shared:
        those = {species: held.members[species][cluster] for species in held.inside[cluster]}
        for species in sorted(those, key=lambda s: (-len(those[s]), records.name(s))):
            told = (clusters.names[cluster], records.name(species), len(those[species]))
            rows += [
                (*told, *place_of(records.library.reference(record))) for record in those[species]
            ]
    return Finding(
        name="clusters",
        title=f"{clusters.many[0].upper()}{clusters.many[1:]} of several species",
        advice=(
            "Who is together, record by record. One record against many is mostly a wrong label; "
            "many against many are synonyms, or species that the barcode does not tell apart."
        ),
        noun=clusters.kind,
        count=len(shared),
        columns=("cluster", "species", "of_species", *PLACE),
        rows=rows,
        shown=("cluster", "species", "of_species", "record", "line"),
        fault=False,  # its species are graded E and counted there
    )
