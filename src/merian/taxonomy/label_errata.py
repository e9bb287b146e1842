"""A map of labels with errata laid over it, and names completed from others and the checklist.

An erratum says of a label of a source what it should have been, who says so and why. It stands in
a table of its own, so that the map stays as it was proposed or published, and what was repaired
can be read, sent and taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from merian.errors import FormatError
from merian.taxonomy.label_map import Fault, LabelMap, LabelTarget
from merian.taxonomy.match import match_name
from merian.taxonomy.ranks import MAIN_RANKS
from merian.taxonomy.tree import Taxonomy

__all__ = ["completed", "is_applied", "with_errata"]

_UNSAID = frozenset({"", "unranked"})


def is_applied(target: LabelTarget) -> bool:
    """Return whether a row names records: it is decided, and nobody has rejected it."""
    return target.status != "rejected" and target.kind != "unsure"


def with_errata(labels: LabelMap, errata: LabelMap) -> LabelMap:
    """Return a map in which errata stand for the rows of their labels.

    Those without a name of who says so, or without a reason, are set aside.

    Raises:
        FormatError: They are of another checklist.
    """
    if labels.lock and errata.lock and labels.lock != errata.lock:
        raise FormatError(
            f"its names are of {errata.lock}, and those of {labels.path} of {labels.lock}; "
            "migrate one of them",
            path=errata.path,
        )
    good: dict[tuple[str, str], LabelTarget] = {}
    faults = [*errata.faults]
    for key, target in errata.targets.items():
        if target.by and target.reason:
            good[key] = replace(target, count=target.count or _count(labels, key))
        else:
            missing = " and ".join(
                word for word, told in (("by", target.by), ("reason", target.reason)) if not told
            )
            faults.append(Fault(target.line, f"an erratum without {missing}", target.label))
    return LabelMap(
        labels.path, {**labels.targets, **good}, (*labels.faults, *faults),
        labels.lock or errata.lock,
    )  # fmt: skip


def _count(labels: LabelMap, key: tuple[str, str]) -> int | None:
    target = labels.targets.get(key)
    return target.count if target else None


def completed(labels: LabelMap, taxonomy: Taxonomy | None = None) -> LabelMap:
    """Return a map whose bare names have what other rows, or the checklist, know of them.

    Whoever corrects a row writes a name; authorship, id and lineage are looked up. A name that
    the checklist does not have, or has several times, stays as it is and is listed.

    Raises:
        FormatError: The map is of another checklist.
    """
    if taxonomy is not None and labels.lock not in (None, taxonomy.lock):
        raise FormatError(
            f"its names are of {labels.lock}, and the taxonomy is {taxonomy.lock}; "
            "`merian taxonomy migrate` moves a map to another",
            path=labels.path,
        )
    whole = _known(labels.targets.values())
    targets: dict[tuple[str, str], LabelTarget] = {}
    faults = [*labels.faults]
    for key, target in labels.targets.items():
        found: LabelTarget | str = target
        if _is_bare(target):
            same = whole.get((target.name, "")) if target.rank in _UNSAID else None
            same = same or whole.get((target.name, target.rank))
            if same is not None:
                found = replace(
                    target, lineage=same.lineage, taxon_id=same.taxon_id,
                    authorship=same.authorship,
                )  # fmt: skip
            elif taxonomy is not None:
                found = _looked_up(target, taxonomy)
        elif taxonomy is not None and target.name and not target.taxon_id:
            found = _looked_up(target, taxonomy)
        if isinstance(found, str):
            faults.append(Fault(target.line, found, f"{target.source},{target.label}"))
            found = target
        targets[key] = found
    lock = labels.lock or (taxonomy.lock if taxonomy else None)
    return LabelMap(labels.path, targets, tuple(faults), lock)


def _is_bare(target: LabelTarget) -> bool:
    """Return whether a row gives a name and nothing above it."""
    return bool(target.name) and len(target.lineage) == 1 and target.rank != "kingdom"


def _known(targets: Iterable[LabelTarget]) -> Mapping[tuple[str, str], LabelTarget]:
    """Return rows by name and rank, and by name alone where that is one taxon."""
    found: dict[tuple[str, str], LabelTarget] = {}
    several: set[tuple[str, str]] = set()
    for target in targets:
        if not target.name or _is_bare(target) or not is_applied(target):
            continue
        for key in ((target.name, target.rank), (target.name, "")):
            before = found.setdefault(key, target)
            if (before.taxon_id, before.lineage) != (target.taxon_id, target.lineage):
                several.add(key)
    return {key: target for key, target in found.items() if key not in several}


def _looked_up(target: LabelTarget, taxonomy: Taxonomy) -> LabelTarget | str:
    """Return a row with what the checklist knows of its taxon, or why it knows none."""
    node = taxonomy.find_id(target.taxon_id) if target.taxon_id else -1
    if target.taxon_id and node < 0:
        return f"the checklist has no id {target.taxon_id!r}"
    if node < 0:
        higher = {r: n for r, n in target.lineage.items() if r in MAIN_RANKS and r != target.rank}
        rank = None if target.rank in _UNSAID else target.rank
        found = match_name(
            taxonomy, target.name, rank=rank, authorship=target.authorship or None, higher=higher
        )
        if found.match_type != "EXACT":
            return f"{target.name}: {found.cause or 'not in the checklist'}; {found.note}"
        node = found.accepted
    node = int(taxonomy.accepted[node])
    line = {taxonomy.rank_of(n): taxonomy.name_of(n) for n in taxonomy.path(node)[:-1]}
    own = taxonomy.rank_of(node)
    lineage = {rank: name for rank, name in line.items() if rank in MAIN_RANKS and rank != own}
    return replace(
        target,
        lineage=lineage | {own: taxonomy.name_of(node)},
        taxon_id=taxonomy.ids[node],
        authorship=taxonomy.authorship[node] or "",
    )
