"""The tables of a metabarcoding run: taxa, clusters, presence, richness, features, samples.

Long tables have one row for what a sample has and none for what it lacks. Reads are counted once,
under the taxon at which their feature stands; summed over `taxa.tsv` they are those of the table,
but for features that were set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from merian import __version__
from merian.formats.biom import write_biom
from merian.formats.delimited import write_delimited
from merian.metabarcoding.clusters import stable_id
from merian.metabarcoding.draws import KINDS
from merian.metabarcoding.naming import Lineage
from merian.metabarcoding.reckoning import Columns, Reckoning
from merian.metabarcoding.samples import Sheet
from merian.taxonomy import MAIN_RANKS

__all__ = ["write_tables"]

_PRESENT = 0.05  # probabilities of presence below are not written

Row = Sequence[object]


def write_tables(folder: Path, found: Reckoning, sheet: Sheet) -> None:
    """Write all tables into a folder.

    Args:
        folder: The folder.
        found: What was reckoned.
        sheet: What is known of the samples.
    """
    by_taxon = found.reads_by(found.named.stands)
    taxa = sorted({int(t) for kinds, *_ in by_taxon for t in kinds}, key=_order(found))
    _write(folder / "taxa.tsv", _TAXA, _taxa(found, by_taxon))
    _write_wide(folder, found, by_taxon, taxa)
    _write(folder / "presence.tsv", _PRESENCE, _presence(found))
    by_cluster = found.reads_by(found.unnamed)
    _write(folder / "clusters.tsv", _CLUSTERS, _clusters(found))
    _write(folder / "clusters_by_sample.tsv", _CLUSTERED, _clustered(found, by_cluster))
    _write(folder / "richness.tsv", _RICHNESS, _richness(found, sheet))
    _write(folder / "features.tsv", _FEATURES, _features(found, sheet))
    terms = sorted({term for one in sheet.terms.values() for term in one})
    _write(folder / "samples.tsv", (*_SAMPLES, *terms), _samples(found, sheet, terms))


def _write(path: Path, columns: Sequence[str], rows: Iterator[Row]) -> None:
    write_delimited(path, columns, rows, "\t", _shown)


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _order(found: Reckoning) -> Callable[[int], tuple[Lineage, int]]:
    return lambda taxon: (found.named.taxa.lineages[taxon], taxon)


# -- taxa ---------------------------------------------------------------------------------------

_TAXA = (
    "sample", "taxon_id", "rank", "name", "lineage", "reads", "features", "presence",
)  # fmt: skip
_PRESENCE = ("sample", "taxon_id", "rank", "name", "presence")

By = Sequence[Columns]


def _lineage(found: Reckoning, taxon: int) -> str:
    return ";".join(name for name in found.named.taxa.lineages[taxon] if name)


def _taxa(found: Reckoning, by_taxon: By) -> Iterator[Row]:
    taxa = found.named.taxa
    for sample, (kinds, reads, features) in enumerate(by_taxon):
        sure = dict(zip(*(column.tolist() for column in found.presence[sample]), strict=True))
        name = found.table.samples[sample]
        rows = zip(kinds.tolist(), reads.tolist(), features.tolist(), strict=True)
        for taxon, count, many in sorted(rows, key=lambda row: (-row[1], _order(found)(row[0]))):
            yield (
                name, taxa.id(taxon), taxa.rank(taxon), taxa.name(taxon), _lineage(found, taxon),
                count, many, sure.get(taxon) if taxon else None,
            )  # fmt: skip


def _write_wide(folder: Path, found: Reckoning, by_taxon: By, taxa: Sequence[int]) -> None:
    """Write a row a taxon and a column a sample, as text and as BIOM."""
    place = {taxon: row for row, taxon in enumerate(taxa)}
    kept: list[list[tuple[int, int]]] = [[] for _ in taxa]
    for sample, (kinds, reads, _) in enumerate(by_taxon):
        for taxon, count in zip(kinds.tolist(), reads.tolist(), strict=True):
            kept[place[taxon]].append((sample, count))
    known, samples = found.named.taxa, found.table.samples

    def rows() -> Iterator[Row]:
        for taxon, counts in zip(taxa, kept, strict=True):
            row = [0] * len(samples)
            for sample, count in counts:
                row[sample] = count
            names = (*known.lineages[taxon], *[""] * len(MAIN_RANKS))[: len(MAIN_RANKS)]
            yield (known.id(taxon), known.rank(taxon), known.name(taxon), *names, *row)

    columns = ("taxon_id", "rank", "name", *MAIN_RANKS, *samples)
    _write(folder / "taxa_wide.tsv", columns, rows())
    write_biom(
        folder / "taxa.biom",
        [(known.id(taxon), known.lineages[taxon]) for taxon in taxa],
        samples,
        ((row, s, count) for row, counts in enumerate(kept) for s, count in counts),
        f"Merian {__version__}",
    )


def _presence(found: Reckoning) -> Iterator[Row]:
    taxa = found.named.taxa
    for sample, (which, sure) in enumerate(found.presence):
        rows = [(t, p) for t, p in zip(which.tolist(), sure.tolist(), strict=True) if p >= _PRESENT]
        for taxon, share in sorted(rows, key=lambda row: (-row[1], _order(found)(row[0]))):
            name = found.table.samples[sample]
            yield (name, taxa.id(taxon), taxa.rank(taxon), taxa.name(taxon), share)


# -- clusters -----------------------------------------------------------------------------------

_CLUSTERS = (
    "cluster", "under_id", "under_rank", "under", "lineage", "feature", "features", "reads",
    "samples", "sequence",
)  # fmt: skip
_CLUSTERED = ("sample", "cluster", "under_rank", "under", "reads", "features")


def _clusters(found: Reckoning) -> Iterator[Row]:
    """Return the clusters of what has no species' name, those with the most reads first."""
    taxa, stands = found.named.taxa, found.named.stands
    heads = found.unnamed
    reads = np.bincount(heads[heads >= 0], found.reads[heads >= 0], minlength=len(heads))
    many = np.bincount(heads[heads >= 0], minlength=len(heads))
    pairs = np.stack([found.table.sample, heads[found.table.feature]])
    pairs = np.unique(pairs[:, pairs[1] >= 0], axis=1)
    samples = np.bincount(pairs[1], minlength=len(heads))
    names = found.cluster_ids
    for head in sorted(names, key=lambda h: (-reads[h], names[h])):
        taxon = int(stands[head])
        yield (
            names[head], taxa.id(taxon), taxa.rank(taxon), taxa.name(taxon),
            _lineage(found, taxon), found.table.features[head], int(many[head]),
            int(reads[head]), int(samples[head]), found.sequences[head],
        )  # fmt: skip


def _clustered(found: Reckoning, by_cluster: By) -> Iterator[Row]:
    taxa, names = found.named.taxa, found.cluster_ids
    for sample, (heads, reads, features) in enumerate(by_cluster):
        rows = zip(heads.tolist(), reads.tolist(), features.tolist(), strict=True)
        for head, count, many in sorted(rows, key=lambda row: (-row[1], names[row[0]])):
            taxon = int(found.named.stands[head])
            name = found.table.samples[sample]
            yield (name, names[head], taxa.rank(taxon), taxa.name(taxon), count, many)


# -- samples and features -----------------------------------------------------------------------

_RICHNESS = (
    "sample", "control", "reads", "features", "reads_set_aside",
    *(
        f"{kind.replace(' ', '_')}{end}"
        for kind in KINDS for end in ("", "_low", "_high")
    ),
)  # fmt: skip
_SAMPLES = ("sample", "control", "on_sheet", "reads", "features")
_FEATURES = (
    "id", "sequence_id", "taxon_id", "rank", "name", "p", "cluster", "reads", "samples",
    "reads_in_controls", "library", "sequence",
)  # fmt: skip


def _totals(found: Reckoning, sample: int) -> tuple[int, int, int]:
    """Return reads, features and the reads of those that were set aside."""
    part = slice(found.bounds[sample], found.bounds[sample + 1])
    reads, lost = found.table.reads[part], found.named.stands[found.table.feature[part]] < 0
    return int(reads.sum()), len(reads), int(reads[lost].sum())


def _richness(found: Reckoning, sheet: Sheet) -> Iterator[Row]:
    for sample, name in enumerate(found.table.samples):
        told: list[object] = []
        for kind in KINDS:
            one = found.richness[kind]
            told += [round(float(one.mean[sample]), 2), int(one.low[sample]), int(one.high[sample])]
        yield (name, sheet.controls.get(name), *_totals(found, sample), *told)


def _samples(found: Reckoning, sheet: Sheet, terms: Sequence[str]) -> Iterator[Row]:
    for sample, name in enumerate(found.table.samples):
        mine: Mapping[str, str] = sheet.terms.get(name, {})
        on = "" if sheet.path is None else "yes" if name in sheet.terms else "no"
        reads, features, _ = _totals(found, sample)
        yield (name, sheet.controls.get(name), on, reads, features, *(mine.get(t) for t in terms))


def _features(found: Reckoning, sheet: Sheet) -> Iterator[Row]:
    taxa, named, table = found.named.taxa, found.named, found.table
    many = np.bincount(table.feature, minlength=len(table.features))
    control = np.array([name in sheet.controls for name in table.samples], bool)
    here = control[table.sample] if len(table.sample) else np.zeros(0, bool)
    inside = np.bincount(table.feature[here], table.reads[here], minlength=len(table.features))
    for number, key in enumerate(table.features):
        taxon, text = int(named.stands[number]), found.sequences[number]
        said: Sequence[object] = ("", "", "", None)
        if taxon >= 0:
            sure = named.told[number]["p"]
            said = (taxa.id(taxon), taxa.rank(taxon), taxa.name(taxon), sure)
        yield (
            key, stable_id(text) if text else "", *said,
            found.cluster_ids.get(int(found.unnamed[number]), ""), int(found.reads[number]),
            int(many[number]), int(inside[number]), named.library[number], text,
        )  # fmt: skip
