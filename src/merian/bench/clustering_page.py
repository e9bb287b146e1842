"""The page of the clustering study: claims with their figures, tables, and both drawings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from merian.bench.clustering_claims import Claim
from merian.bench.clustering_ranks import Ranked
from merian.bench.clustering_study import FOUND, TRUE, Scored
from merian.files import new_file
from merian.report.page import Intervals, Note, Part, Points, Section, Table, Text, page
from merian.stamp import stamp

__all__ = ["sentence", "write_page"]

_SHOWN = (("Ward", TRUE), ("Ward", FOUND), ("Ward, UMAP", TRUE), ("HDBSCAN, UMAP", FOUND))
_SERIES = 6


def write_page(
    file: Path,
    rows: Sequence[Scored],
    claims: Sequence[Claim],
    ranks: Sequence[Ranked],
    absent: Mapping[str, str],
    run: str,
) -> None:
    """Write the page.

    Args:
        file: Where to.
        rows: What the study found.
        claims: Judged.
        ranks: What agrees with which rank.
        absent: What was left out -> why.
        run: The id of the run.
    """
    sections = []
    if claims:
        sections.append(_claims(claims))
    if rows:
        sections += [_tables(rows), _proxy(rows)]
    if ranks:
        sections.append(_ranks(ranks))
    if absent:
        told = [(name, why) for name, why in absent.items()]
        sections.append(Section("What was left out", [Table(("what", "why"), told)]))
    text = page(
        "Clusters without names", sections,
        subtitle="How far groups that nobody named are the classes that somebody would name",
        stamp=stamp("merian-clustering-study", "1.0", run),
    )  # fmt: skip
    with new_file(file, text=True) as stream:
        stream.write(text)


def sentence(claim: Claim) -> str:
    """Return a claim, its verdict and the figures that it was made from."""
    if not claim.n:
        return f"{claim.says} Not asked: the encoders or sets that it needs were left out."
    return (
        f"{claim.says} {claim.verdict.capitalize()}: {claim.value:+.3f} "
        f"({claim.low:+.3f} to {claim.high:+.3f}), {claim.about}; {claim.n} comparisons."
    )


def _claims(claims: Sequence[Claim]) -> Section:
    parts: list[Part] = [Text("\n\n".join(sentence(claim) for claim in claims))]
    parts.append(Note(
        "A verdict is made from the interval alone: wholly on the side that is claimed is "
        "confirmed, wholly on the other refuted. What learned here learned for minutes; of large "
        "encoders, trained for days, none of this is proof."
    ))  # fmt: skip
    return Section("Three claims", parts)


def _tables(rows: Sequence[Scored]) -> Section:
    """Return AMI of each encoder on each set, by some clusterers."""
    sets = list(dict.fromkeys(row.set for row in rows))
    encoders = list(dict.fromkeys(row.encoder for row in rows))
    at = {(row.set, row.encoder, row.clusterer, row.number): row for row in rows}
    parts: list[Part] = [Text(
        "AMI times 100, the mean of the seeds. 0 is chance, 100 the classes themselves. Noise "
        "counts as one more cluster; what is left of AMI without it is in study.tsv."
    )]  # fmt: skip
    for clusterer, number in _SHOWN:
        table = [
            [encoder, *(_cell(at.get((name, encoder, clusterer, number))) for name in sets)]
            for encoder in encoders
        ]
        if any(cell for row in table for cell in row[1:]):
            parts.append(Table(("encoder", *sets), table, f"{clusterer}, {number}"))
    found = [row for row in rows if row.number == FOUND and not row.clusterer.startswith("HDB")]
    if found:
        parts.append(Table(
            ("set", "classes", "encoder", "by", "clusters found"),
            [(row.set, row.classes, row.encoder, row.clusterer, row.clusters) for row in found
             if row.encoder == encoders[0]],
            f"Numbers that were found, as {encoders[0]} sees the sets",
        ))  # fmt: skip
    return Section("Encoders, clusterers and sets", parts)


def _cell(row: Scored | None) -> str:
    if row is None:
        return ""
    if math.isnan(row.low):
        return f"{100 * row.ami:.0f}"
    return f"{100 * row.ami:.0f} ({100 * row.low:.0f} to {100 * row.high:.0f})"


def _proxy(rows: Sequence[Scored]) -> Section:
    sets = list(dict.fromkeys(row.set for row in rows))[:_SERIES]
    series = [
        (
            name,
            [row.silhouette for row in rows if row.set == name],
            [row.ami for row in rows if row.set == name],
        )
        for name in sets
    ]
    return Section("Silhouette against AMI", [
        Text("Each point is one encoder and one clusterer. The silhouette needs no names; where it "
             "rises with AMI, it can choose among clusterings."),
        Points("Silhouette in UMAP's space, and AMI", series, "silhouette", "AMI"),
    ])  # fmt: skip


def _ranks(ranks: Sequence[Ranked]) -> Section:
    """Return AMI by rank, a drawing for each set, and a table of all."""
    parts: list[Part] = []
    for name in dict.fromkeys(row.set for row in ranks):
        own = [row for row in ranks if row.set == name]
        shown = [row for row in own if row.number == TRUE or row.seen.startswith("vsearch")]
        parts.append(Intervals(
            f"{name}: AMI times 100 by rank, number of names given (vsearch has its own)",
            [(f"{row.rank}: {row.seen}", 100 * row.ami, 100 * row.low, 100 * row.high)
             for rank in dict.fromkeys(row.rank for row in own)
             for row in shown if row.rank == rank],
        ))  # fmt: skip
        parts.append(Table(
            ("seen", "rank", "names", "clusters found", "AMI", "specimens"),
            [(row.seen, row.rank, row.classes, row.clusters, row.ami, row.n) for row in own
             if row.number == FOUND],
            f"{name}: one number of clusters, found without names",
        ))  # fmt: skip
    return Section("Images, barcodes and both, by rank", parts)
