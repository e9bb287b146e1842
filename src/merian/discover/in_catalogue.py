"""A catalogue as the place where clusters are found and kept.

What is grouped are its occurrences, and sequences and pictures that belong to none. What is said of
them is what stands, people's words above those of machines, without what clusters have said before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from merian import __version__
from merian.catalogue import Catalogue
from merian.catalogue.clusters import KEPT, PEOPLE_AND_MACHINES_SAY, ClusterName
from merian.catalogue.media import ADDRESS, PARENT, SUBJECT, THING, box
from merian.catalogue.schema import quoted
from merian.discover.names import qualifier_of
from merian.discover.registry import Cluster, Registry
from merian.discover.standing import RANKS, Standing, of_rows
from merian.discover.subjects import Subjects
from merian.discover.tables import read_registry, rows_of
from merian.identify.told import HUMAN_ERROR, MACHINE_ERROR
from merian.image.addresses import address_of, region_of
from merian.taxonomy import read_label

__all__ = [
    "evidence_hash", "keep", "kept", "names_of", "pictures_of", "said_in", "sequences_in",
    "together", "with_evidence",
]  # fmt: skip

_MEMORY = "1GB"
_SEQUENCES = """
SELECT coalesce(s.occurrenceID, t.occurrenceID, s.nucleotideSequenceID) AS record,
    s.nucleotideSequenceID, s.sequence
FROM sequence s LEFT JOIN material t ON t.materialEntityID = s.materialEntityID
WHERE s.sequence IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY record ORDER BY length(s.sequence) DESC, s.nucleotideSequenceID) = 1
ORDER BY record
"""
_CALLED = """
SELECT s.nucleotideSequenceID, coalesce(s.occurrenceID, t.occurrenceID)
FROM sequence s LEFT JOIN material t ON t.materialEntityID = s.materialEntityID
WHERE coalesce(s.occurrenceID, t.occurrenceID) IS NOT NULL
"""
_PICTURES = f"""
SELECT coalesce({SUBJECT}, x.mediaID) AS record, {ADDRESS} AS address,
    {box("left_", "top_", "width_", "height_")}
FROM media x {PARENT} {THING} WHERE {ADDRESS} IS NOT NULL ORDER BY record, x.mediaID
"""


def sequences_in(path: Path) -> Subjects:
    """Return the records of a catalogue that have a sequence."""
    from merian.barcode import read_query  # noqa: PLC0415 - loads numba

    ids, sequences, aside = [], [], []
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
        for record, key, text in opened.query(_SEQUENCES):
            clean, reason = read_query(str(text))
            if reason:
                aside.append((str(path), "", str(key), reason))
                continue
            ids.append(str(record))
            sequences.append(clean)
        called = {str(key): str(record) for key, record in opened.query(_CALLED)}
    order = sorted(range(len(ids)), key=ids.__getitem__)
    return Subjects(
        [ids[n] for n in order], [sequences[n] for n in order], called=called, aside=aside
    )


def pictures_of(path: Path) -> dict[str, list[str]]:
    """Return where the pictures of each record are."""
    found: dict[str, list[str]] = {}
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
        for record, address, *sides in opened.query(_PICTURES):
            region = region_of([None if side is None else float(str(side)) for side in sides])
            found.setdefault(str(record), []).append(address_of(str(address), region))
    return found


def with_evidence(
    subjects: Subjects, barcodes: Subjects, pictures: Mapping[str, Sequence[str]]
) -> Subjects:
    """Return subjects with all that a catalogue has of them, for their cards.

    Barcodes are put beside vectors, which stay what records are grouped by.
    """
    text = dict(zip(barcodes.ids, barcodes.sequence, strict=True))
    return Subjects(
        subjects.ids,
        [text.get(record, "") for record in subjects.ids] if text else (),
        subjects.vector,
        subjects.encoder,
        pictures or subjects.files,
        {**barcodes.called, **subjects.called},
        [*barcodes.aside, *subjects.aside] if subjects is not barcodes else barcodes.aside,
        subjects.both,
    )


def together(barcodes: Subjects, shown: Subjects) -> Subjects:
    """Return all records that have a barcode or the vector of a picture, with both of each.

    Args:
        barcodes: With sequences.
        shown: With the vectors of pictures.
    """
    assert shown.vector is not None
    ids = sorted({*barcodes.ids, *shown.ids})
    place = {record: number for number, record in enumerate(ids)}
    vector = np.full((len(ids), shown.vector.shape[1]), np.nan, np.float32)
    vector[[place[record] for record in shown.ids]] = shown.vector
    return Subjects(
        ids, (), vector, shown.encoder, shown.files, shown.called, shown.aside, both=True
    )


def evidence_hash(path: Path, kind: str) -> str:
    """Return the hash of what a catalogue's vectors are made of."""
    table, columns = ("sequence", "nucleotideSequenceID, sequence") if kind == "barcodes" else (
        "media", "mediaID, accessURI, contentHash, xFrac, yFrac, widthFrac, heightFrac"
    )  # fmt: skip
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
        sql = (
            f"SELECT count(*), bit_xor(md5_number_lower(concat_ws(chr(31), {columns}))) "
            f"FROM {table}"
        )
        return "-".join(str(value) for value in opened.query(sql).fetch()[0])


def said_in(path: Path, subjects: Subjects) -> Standing:
    """Return what a catalogue says of records."""
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
        return of_rows(subjects.ids, _rows(opened))


def _rows(opened: Catalogue) -> Iterator[dict[str, Any]]:
    """Return what stands by each record, as rows of an answer table.

    A machine that goes on where a person has stopped is believed as a machine; one that says
    something else is not.
    """
    ranks = ", ".join(quoted(rank) for rank in RANKS)
    found = opened.query(
        f"SELECT subject, scientificName, taxonRank, probability, by_hand, {ranks} "
        f"FROM ({PEOPLE_AND_MACHINES_SAY}) ORDER BY subject, by_hand DESC"
    )
    for _, rows in groupby(found, key=itemgetter(0)):
        first, *others = (_row(*row) for row in rows)
        for other in others:
            depth = RANKS.index(first["rank"]) if first["rank"] else -1
            goes_on = other["rank"] and RANKS.index(other["rank"]) > depth
            if goes_on and (depth < 0 or other.get(first["rank"]) == first[first["rank"]]):
                first = {**other, **first, "rank": other["rank"]}
        yield first


def _row(
    record: object, name: object, rank: object, probability: object, by_hand: object,
    *names: object,
) -> dict[str, Any]:  # fmt: skip
    """Return what one identification says."""
    sure = 1 - (HUMAN_ERROR if by_hand else MACHINE_ERROR)
    p = sure if probability is None else float(str(probability))
    depth = "species" if rank == "subspecies" else str(rank or "")
    said = {one: str(text) for one, text in zip(RANKS, names, strict=True) if text}
    if depth in RANKS and name:
        said.setdefault(depth, str(name))
    if depth not in said:  # between two ranks: what stands above it holds
        depth = next((one for one in reversed(RANKS[:-1]) if one in said), "")
    upto = RANKS[: RANKS.index(depth) + 1] if depth else ()
    row: dict[str, Any] = {"id": str(record), "rank": depth, "by_hand": bool(by_hand)}
    for one in upto:
        if one in said:
            row |= {one: said[one], f"p_{one}": p}
    return row


# -- what is kept ---------------------------------------------------------------------------------


def kept(path: Path) -> Registry:
    """Return what a catalogue knows of clusters."""
    with Catalogue.open(path, read_only=True, memory=_MEMORY) as opened:
        rows = {
            name: [
                dict(zip(table.columns, row, strict=True))
                for row in opened.query(
                    f"SELECT {', '.join(map(quoted, table.columns))} FROM {quoted(name)}"
                )
            ]
            for name, table in KEPT.items()
        }
    members = ((str(row["recordID"]), str(row["clusterCode"])) for row in rows["clusterMember"])
    return read_registry(rows["cluster"], members, rows["clusterHistory"])


def keep(
    registry: Registry, path: Path, run: str, arguments: Mapping[str, object],
    inputs: Mapping[str, str] | None = None,
) -> int:  # fmt: skip
    """Write what is known of clusters into a catalogue; return the identifications appended."""
    told = {"runID": run, "arguments": dict(arguments), "inputs": dict(inputs or {})}
    with Catalogue.open(path) as opened:
        return opened.keep_clusters(rows_of(registry), names_of(registry), told)


def names_of(registry: Registry) -> list[ClusterName]:
    """Return what the members of clusters are called, where that says something."""
    return [
        ClusterName(code, says)
        for code in registry.clusters
        if (says := _says(registry, registry.whole(registry.current(code)))) is not None
    ]


def _says(registry: Registry, one: Cluster) -> dict[str, object] | None:
    """Return what the identification of a member says; None where it says nothing new."""
    lineage: dict[str, object] = dict(one.lineage)
    if one.promoted:
        return _as_promoted(registry, one, lineage)
    qualifier = qualifier_of(one.parent_rank, one.code)
    if not one.parent or not qualifier:
        return None
    return {
        **lineage,
        "scientificName": one.parent,
        "taxonRank": one.parent_rank,
        "identificationQualifier": qualifier,
        "identificationType": "cluster",
        "agentType": "machine",
        "identifiedBy": f"Merian {__version__}",
        "identificationReferences": f"cluster {one.code} of {one.specimens:,} specimens",
        "identificationVerificationStatus": "PredictedByMachine",
        "probability": one.probability,
    }


def _as_promoted(registry: Registry, one: Cluster, lineage: dict[str, object]) -> dict[str, object]:
    """Return what the members of a cluster are called that a person has named."""
    label = read_label(one.promoted)
    entry = [e for e in registry.history if e.action == "promoted" and e.code == one.code
             and e.name == one.promoted][-1]  # fmt: skip
    words = (label.name or "").split(" ")
    depth = "species" if len(words) > 1 else label.rank or _rank_of(words[0], one)
    kept_ranks = RANKS[: RANKS.index(depth)] if depth in RANKS else RANKS
    said = {rank: name for rank, name in lineage.items() if rank in kept_ranks}
    if depth == "species":
        if said.get("genus", words[0]) != words[0]:
            said = {}  # a name in another genus than the cluster's: what is above is not known
        said |= {"genus": words[0], "species": " ".join(words[:2])}
    elif depth:
        said[depth] = words[0]
    return {
        **said,
        "verbatimIdentification": one.promoted,
        "scientificName": label.name,
        "taxonRank": depth or None,
        "identificationQualifier": label.qualifier,
        "identificationType": "cluster",
        "agentType": "human",
        "identifiedBy": entry.by,
        "dateIdentified": entry.at,
        "identificationReferences": f"cluster {one.code} of {one.specimens:,} specimens",
        "identificationVerificationStatus": "ValidatedByHuman",
        "identificationRemarks": entry.why or None,
    }


def _rank_of(name: str, one: Cluster) -> str:
    """Return the rank of a name of one word: that of the lineage, else a genus."""
    return next((rank for rank, known in one.lineage if known == name), "genus")
