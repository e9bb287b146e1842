"""What pictures and DNA say of the same samples: counts and richness with both, and who saw what.

Pictures are counted first by themselves. How lists tell of taxa is learnt from other samples:
earlier ones, or, where there are none, the other samples of the same run, left out in parts, so
that no sample is weighed by its own list. Then all is counted again with the lists, and for each
taxon of each sample it is told whether pictures, DNA or both have it, and how probably it is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.catalogue import Catalogue
from merian.identify.answered import AnswerColumns, read_counts
from merian.identify.composition import Composition, Counts, compose
from merian.identify.detectability import (
    Detectability,
    Listings,
    Steps,
    choose_steps,
    learn_detectability,
)
from merian.metabarcoding.dna_lists import DnaLists
from merian.metabarcoding.joined_samples import JoinedSamples

__all__ = ["VIEWS", "BothViews", "counts_of", "ranks_of", "view_rows", "weigh_samples"]

Floats = NDArray[np.float64]

VIEWS = (
    "sample", "taxon", "seen_by", "pictures", "count", "from", "to", "listed", "present",
    "overlooked", "listed_if_there", "listed_if_not",
)  # fmt: skip
_PARTS, _FEWEST = 10, 5
_EVEN = 0.5  # how probably a kind is there of which nothing is known


@dataclass(frozen=True, eq=False)
class BothViews:
    """Samples by pictures and by DNA.

    Attributes:
        alone: By the pictures alone.
        both: With the lists; the same as alone where nothing tells how lists are to be read.
        lists: What is listed; None where no lists were given.
        known: What later samples can learn from.
        told: How lists tell of taxa, learnt from all that is known; None where nothing tells.
        by: Of each sample and kind, how probably it is listed if it is there and if it is not,
            float64[samples, kinds, 2], as it was learnt from other samples; NaN where it was not.
        source: What was learnt from, in words.
    """

    alone: Composition
    both: Composition
    lists: DnaLists | None
    known: Listings | None
    told: Detectability | None
    by: Floats
    source: str


def counts_of(
    joined: JoinedSamples, catalogue: Path | None, sample: str, rank: str, more: Sequence[str]
) -> Counts | None:
    """Return the answers about the individuals of joined samples.

    None where there are none, or nothing tells how often they are wrong.

    Args:
        joined: The samples.
        catalogue: That the individuals are in; None where they are in a table.
        sample: The term of a catalogue that is a sample.
        rank: Of a catalogue, the rank at which things are counted.
        more: Kinds that are counted besides those that are answered.
    """
    if catalogue is not None:
        if not _is_named(catalogue):
            return None
        read = read_counts(catalogue, AnswerColumns(sample), rank=rank)
    else:
        if not joined.con.execute(
            "SELECT count(*) FROM kept_individual WHERE answer <> '' OR truth <> ''"
        ).fetchall()[0][0]:
            return None
        table = joined.work / "individuals.parquet"
        joined.con.execute(
            "COPY (SELECT sample, answer, truth, CASE WHEN count = '' THEN '1' ELSE count END AS "
            f"count, probability FROM kept_individual ORDER BY ALL) TO '{table}' (FORMAT parquet)"
        )
        read = read_counts(table)
    if read.doubts is None and not read.seen.any():
        return None
    return _arranged(read, joined.samples(), more)


def ranks_of(
    joined: JoinedSamples, catalogue: Path | None, rank: str, kinds: Sequence[str]
) -> dict[str, str]:
    """Return of what rank kinds are, as far as those who answered say so, and all the same.

    Args:
        joined: The samples.
        catalogue: That the individuals are in; None where they are in a table.
        rank: Of a catalogue, the rank at which things are counted.
        kinds: That are counted.
    """
    if catalogue is not None and rank:
        return dict.fromkeys(kinds, rank)
    one = "SELECT {0}, min(lower({1})) FROM {2} WHERE {0} <> '' AND {1} <> '' GROUP BY {0} HAVING "
    one += "count(DISTINCT lower({1})) = 1 ORDER BY {0}"
    if catalogue is None:
        rows = list(joined.rows(one.format("answer", "rank", "kept_individual")))
    else:
        with Catalogue.open(catalogue, read_only=True) as opened:
            rows = opened.query(
                one.format("scientificName", "taxonRank", "identification")
            ).fetch()  # fmt: skip
    return {str(kind): str(own) for kind, own in rows}


def _is_named(path: Path) -> bool:
    """Return whether a machine has named anything in a catalogue."""
    with Catalogue.open(path, read_only=True) as catalogue:
        named = catalogue.query("SELECT 1 FROM identification WHERE agentType = 'machine' LIMIT 1")
        return any(True for _ in named.batches())


def _arranged(read: Counts, samples: Sequence[str], more: Sequence[str]) -> Counts:
    """Return the counts of these samples, in their order, with more kinds; "" stays the last."""
    kinds = sorted({*read.kinds, *more} - {""}) + [""] * ("" in read.kinds)
    row = {name: n for n, name in enumerate(read.samples)}
    place = [kinds.index(kind) for kind in read.kinds]
    unseen = np.zeros((len(samples), len(read.answers)), np.int64)
    seen = np.zeros((len(samples), len(kinds), len(read.answers)), np.int64)
    for number, sample in enumerate(samples):
        if sample in row:
            unseen[number] = read.unseen[row[sample]]
            seen[number, place] = read.seen[row[sample]]
    doubts = None
    if read.doubts is not None:
        doubts = np.zeros((len(kinds), len(read.answers)))
        doubts[place] = read.doubts
    return Counts(list(samples), kinds, read.answers, unseen, seen, doubts)


def weigh_samples(
    counts: Counts,
    lists: DnaLists | None,
    *,
    earlier: Listings | None = None,
    told: Detectability | None = None,
    seed: int = 0,
) -> BothViews:
    """Count what samples hold, by pictures alone and with the lists.

    Args:
        counts: The answers about individuals.
        lists: Of the same samples and kinds, but for the kind "".
        earlier: What is known of earlier samples, to learn from.
        told: What was learnt before; stands above the former.
        seed: Of what is drawn.
    """
    alone = compose(counts, seed=seed)
    named = [kind for kind in counts.kinds if kind]
    by = np.full((len(counts.samples), len(named), 2), np.nan)
    if lists is None:
        return BothViews(alone, alone, None, None, None, by, "")
    things = counts.unseen.sum(axis=1) + counts.seen.sum(axis=(1, 2))
    present = np.where(things[:, None] > 0, alone.present[:, : len(named)], np.nan)
    known = Listings(counts.samples, named, lists.paths, present, lists.listed)
    chance = np.full((len(counts.samples), len(counts.kinds)), _EVEN)
    if told is not None or earlier is not None:
        one = told or learn_detectability(_with_kinds(earlier or known, named, lists.paths))
        source = f"{_many(one)} earlier samples"
        parts = [(np.ones(len(things), bool), one)]
    else:
        if int(known.both.sum()) < _FEWEST:
            return BothViews(alone, alone, lists, known, None, by, "")
        steps = choose_steps(known)
        parts = _left_out(known, steps)
        one = learn_detectability(known, steps)
        source = f"the other samples, left out in {len(parts)} parts"
    for chosen, part in parts:
        at = {kind: n for n, kind in enumerate(part.kinds)}
        here = np.array([n for n, kind in enumerate(named) if kind in at], np.int64)
        there = np.array([at[named[n]] for n in here], np.int64)
        asked = np.full((int(chosen.sum()), len(part.kinds)), np.nan)
        asked[:, there] = lists.listed[chosen][:, here]
        cells = np.ix_(np.flatnonzero(chosen), here)
        chance[cells] = part.presence(asked)[:, there]
        by[cells] = np.stack([part.found[there], part.false[there]], axis=1)
    return BothViews(
        alone, compose(counts, seed=seed, chance=chance), lists, known, one, by, source
    )


def _many(told: Detectability) -> int:
    return round(float(told.samples.sum(axis=1).max(initial=0)))


def _left_out(known: Listings, steps: Steps) -> list[tuple[NDArray[np.bool_], Detectability]]:
    """Return parts of the samples, each with what the others tell."""
    many = min(_PARTS, len(known.samples))
    fold = known.folds(many)
    return [
        (fold == part, learn_detectability(known.only(fold != part), steps)) for part in range(many)
    ]


def _with_kinds(
    known: Listings, kinds: Sequence[str], paths: Sequence[tuple[str, ...]]
) -> Listings:
    """Return what is known of more kinds too, which is nothing but what is above them."""
    more = [n for n, kind in enumerate(kinds) if kind not in set(known.kinds)]
    gap = np.full((len(known.samples), len(more)), np.nan)
    above: Mapping[str, tuple[str, ...]] = dict(zip(kinds, paths, strict=True))
    own = [path or above.get(kind, ()) for kind, path in zip(known.kinds, known.paths, strict=True)]
    return replace(
        known,
        kinds=[*known.kinds, *(kinds[n] for n in more)], paths=[*own, *(paths[n] for n in more)],
        present=np.hstack([known.present, gap]), listed=np.hstack([known.listed, gap]),
    )  # fmt: skip


def view_rows(found: BothViews) -> list[tuple[object, ...]]:
    """Return the rows of `VIEWS`: taxa of samples that pictures or DNA have, or that may be there.

    Pictures have a taxon that is there by them alone with more than even chance.
    """
    counts = found.both.counts
    rows: list[tuple[object, ...]] = []
    for s, sample in enumerate(counts.samples):
        for k, kind in enumerate(counts.kinds):
            if not kind:
                continue
            pictured = found.alone.present[s, k] > _EVEN
            listed = np.nan if found.lists is None else float(found.lists.listed[s, k])
            seen = _seen(bool(pictured), listed)
            if seen == "neither" and found.both.present[s, k] < _EVEN:
                continue
            rows.append((
                sample, kind, seen, round(float(found.alone.mean[s, k]), 1),
                round(float(found.both.mean[s, k]), 1), round(float(found.both.low[s, k])),
                round(float(found.both.high[s, k])), _yes_no(listed),
                round(float(found.both.present[s, k]), 3),
                round(float(found.both.overlooked[s, k]), 3), _share(found.by[s, k, 0]),
                _share(found.by[s, k, 1]),
            ))  # fmt: skip
    return rows


def _seen(pictured: bool, listed: float) -> str:
    if listed > 0:
        return "both" if pictured else "DNA only"
    return "pictures only" if pictured else "neither"


def _yes_no(listed: float) -> str:
    return "" if np.isnan(listed) else "yes" if listed > 0 else "no"


def _share(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)
