"""The codes of clusters that are found again, with more data, other settings, or in another order.

A cluster is the former one whose members it holds. So of each former code it is asked which of the
new clusters has most of its members: that is its heir. A new cluster that is the heir of one keeps
that code; of several, the code with the most members in it, and the others become its aliases. One
that is the heir of none gets a code of its own, which has never been given, also where its members
were of former clusters: these it was split from. Records that were not looked at this time stay
where they are.

What people have decided holds. A code that a person has promoted or merged stands before others;
where a new cluster would join two of them, each keeps the members that it had, also where the two
are merged already: so that a merger can be undone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.discover.names import code_of
from merian.discover.registry import Registry

__all__ = ["Matched", "match"]


@dataclass(frozen=True)
class Matched:
    """The codes of clusters.

    Attributes:
        code: By record, all that are in a cluster now.
        fresh: Codes that are new, with those that they were split from.
        joined: Codes that are aliases from now on, with the code that they go by.
    """

    code: Mapping[str, str]
    fresh: Mapping[str, tuple[str, ...]]
    joined: Mapping[str, str]


def match(records: Sequence[str], label: NDArray[np.int32], former: Registry) -> Matched:
    """Give clusters their codes.

    Args:
        records: Those that were looked at, each once.
        label: The cluster of each; -1 of those that were left alone.
        former: What was known before.
    """
    known = list(former.clusters)
    number = {code: place for place, code in enumerate(known)}
    was = np.array([number.get(former.code.get(record, ""), -1) for record in records], np.int64)
    count = int(label.max(initial=-1)) + 1
    shared = _shared(label, was, len(known))
    held = _held(former)
    label = _kept_apart(label, was, shared, held, known)
    shared = _shared(label, was, len(known))
    most: dict[int, tuple[int, int]] = {}  # by former code: members shared, less the cluster
    for (new, old), n in shared.items():
        most[old] = max(most.get(old, (0, 0)), (n, -new))
    heirs: dict[int, list[tuple[int, int]]] = {}  # by cluster: members shared, former code
    for old, (n, new) in sorted(most.items()):
        heirs.setdefault(-new, []).append((n, old))
    return _codes(records, label, count, shared, heirs, former, held)


def _shared(
    label: NDArray[np.int32], was: NDArray[np.int64], codes: int
) -> dict[tuple[int, int], int]:
    """Return how many members new clusters and former codes share, where they share any."""
    both = (label >= 0) & (was >= 0)
    keys, number = np.unique(label[both].astype(np.int64) * codes + was[both], return_counts=True)
    return {
        (int(key) // codes, int(key) % codes): int(n)
        for key, n in zip(keys.tolist(), number.tolist(), strict=True)
    }


def _held(former: Registry) -> set[str]:
    """Return the codes that a person has decided about."""
    chosen = {code for code, one in former.clusters.items() if one.promoted or one.by_hand}
    chosen |= {former.current(code) for code in chosen}
    return {code for code in former.clusters if code in chosen or former.current(code) in chosen}


def _kept_apart(
    label: NDArray[np.int32],
    was: NDArray[np.int64],
    shared: Mapping[tuple[int, int], int],
    held: Collection[str],
    known: Sequence[str],
) -> NDArray[np.int32]:
    """Take members out of clusters that would join what people keep apart.

    They are marked -2 less the number of their code, which they keep.
    """
    found = label.copy()
    claims: dict[int, list[tuple[int, int]]] = {}
    for (new, old), n in shared.items():
        if known[old] in held:
            claims.setdefault(new, []).append((-n, old))
    for new, by_size in claims.items():
        for _, old in sorted(by_size)[1:]:
            found[(label == new) & (was == old)] = -2 - old
    return found


def _codes(
    records: Sequence[str],
    label: NDArray[np.int32],
    count: int,
    shared: Mapping[tuple[int, int], int],
    heirs: Mapping[int, Sequence[tuple[int, int]]],
    former: Registry,
    held: Collection[str],
) -> Matched:
    """Choose the code of each cluster, given which former codes it is the heir of."""
    known = list(former.clusters)
    members = _members(records, label, count)
    taken = set(known)
    fresh: dict[str, tuple[str, ...]] = {}
    joined: dict[str, str] = {}
    found: dict[str, str] = {}
    age = {code: former.clusters[code].founded for code in known}
    origins: dict[int, list[str]] = {}
    for new, old in shared:
        origins.setdefault(new, []).append(known[old])
    for new in sorted(range(count), key=lambda n: (-len(members[n]), min(members[n], default=""))):
        if not members[new]:
            continue
        claims = [(n, known[old]) for n, old in heirs.get(new, ())]
        order = sorted(claims, key=lambda c: (c[1] not in held, -c[0], age[c[1]], c[1]))
        if order:
            code = order[0][1]
            for _, other in order[1:]:
                if former.current(other) != former.current(code):
                    joined[other] = code
        else:
            code = code_of(members[new], taken)
            taken.add(code)
            fresh[code] = tuple(sorted(origins.get(new, ())))
        found |= dict.fromkeys(members[new], code)
    for record, place in zip(records, label.tolist(), strict=True):
        if place <= -2:
            found[record] = known[-2 - place]
    return Matched(found, fresh, joined)


def _members(records: Iterable[str], label: NDArray[np.int32], count: int) -> list[list[str]]:
    members: list[list[str]] = [[] for _ in range(count)]
    for record, place in zip(records, label.tolist(), strict=True):
        if place >= 0:
            members[place].append(record)
    return members
