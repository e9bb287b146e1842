"""Names that stand under several parents: a genus in two families, a family in two orders.

Each lineage is read from its lowest name upwards, and a name is held against the next one above it
that is given. So a family under two orders is told once, and not for each of its genera.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from merian.audit.findings import Finding
from merian.audit.records import PLACE, Records, place_of
from merian.library.naming import LINEAGE

__all__ = ["misplaced"]

_Child = tuple[int, str, int]  # rank, name, and the rank of the parent


def misplaced(records: Records) -> Finding:
    """Return the names that lineages put under several parents."""
    numbers, namings = records.namings()
    counts = Counter(numbers)
    parents: dict[_Child, Counter[str]] = defaultdict(Counter)
    behind: dict[tuple[_Child, str], set[int]] = defaultdict(set)
    for number, lineage in enumerate(namings):
        for child, parent in _steps(lineage):
            parents[child][parent] += counts[number]
            behind[child, parent].add(number)
    several = {child: found for child, found in parents.items() if len(found) > 1}
    of_naming: dict[int, list[int]] = defaultdict(list)
    wanted = {n for (child, _), those in behind.items() if child in several for n in those}
    for record, number in enumerate(numbers):
        if number in wanted:
            of_naming[number].append(record)
    rows: list[Sequence[object]] = []
    for child in sorted(several):
        rank, name, above = child
        whole = several[child].total()
        for place, (parent, count) in enumerate(
            sorted(several[child].items(), key=lambda item: (-item[1], item[0]))
        ):
            those = sorted(r for n in behind[child, parent] for r in of_naming[n])
            # Of the parent that most give, the first record is enough to see what it says.
            told = (LINEAGE[rank], name, LINEAGE[above], parent, count, count / whole)
            rows += [
                (*told, *place_of(records.library.reference(record)))
                for record in (those[:1] if place == 0 else those)
            ]
    return Finding(
        name="parents",
        title="Names under several parents",
        advice=(
            "The library follows the majority. Correct the lineages of the others; if both are "
            "right, the name is a homonym of two groups, and a checklist (--taxonomy) keeps them "
            "apart. Of the parent that most records give, only the first record is listed."
        ),
        noun="name",
        count=len(several),
        columns=("rank", "name", "parent_rank", "parent", "records", "share", *PLACE),
        rows=rows,
        shown=("rank", "name", "parent_rank", "parent", "records", "share", "record", "line"),
    )


def _steps(lineage: Sequence[str]) -> list[tuple[_Child, str]]:
    """Return each name of a lineage with the next one above it."""
    given = [(rank, name) for rank, name in enumerate(lineage[: len(LINEAGE)]) if name]
    return [((rank, name, above), parent) for (above, parent), (rank, name) in pairwise(given)]
