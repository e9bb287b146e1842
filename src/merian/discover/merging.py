"""What changes a registry: a new run, and what people decide: merge, promote, undo.

Each returns a new registry, whose history is longer and otherwise the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from merian.discover.matching import Matched
from merian.discover.registry import Cluster, Entry, Registry, numbered
from merian.errors import InputError
from merian.taxonomy import read_label

__all__ = ["grown", "merge", "promote", "undo"]

Describe = Callable[[str, Sequence[str]], Cluster]
"""Returns what is found about a cluster, given its code and its members of this run."""


def grown(
    former: Registry, found: Matched, seen: Collection[str], describe: Describe, run: str
) -> Registry:
    """Return what is known after a run.

    Args:
        former: What was known before.
        found: The codes of the clusters of the run.
        seen: The records that it looked at.
        describe: Tells what it has found about a cluster.
        run: Its id.
    """
    history = list(former.history)
    first = numbered(former.history) - len(history)

    def following() -> int:
        return first + len(history)

    def add(action: str, code: str, others: Sequence[str] = (), name: str = "", before: str = ""
            ) -> None:  # fmt: skip
        entry = Entry(following(), action, code, tuple(others), name, before, by=run)
        history.append(entry)

    code = _placed(former, found, seen)
    members: dict[str, list[str]] = {}
    for record in sorted(found.code):
        members.setdefault(found.code[record], []).append(record)
    clusters = dict(former.clusters)
    for one in [*found.fresh, *(c for c in members if c not in found.fresh)]:
        before = clusters.get(one)
        told = describe(one, members[one])
        if before is None:
            clusters[one] = replace(told, founded=following())
            origin = found.fresh[one]
            add("split" if origin else "founded", one, origin, told.provisional)
            continue
        clusters[one] = replace(
            told, founded=before.founded, into=before.into, by_hand=before.by_hand,
            promoted=before.promoted,
        )  # fmt: skip
        if told.provisional != before.provisional:
            add("renamed", one, (), told.provisional, before.provisional)
    for alias, into in found.joined.items():
        clusters[alias] = replace(clusters[alias], into=into, by_hand=False, specimens=0)
        add("joined", into, (alias,), clusters[into].provisional, clusters[alias].provisional)
    return Registry(clusters, code, tuple(history))


def _placed(former: Registry, found: Matched, seen: Collection[str]) -> dict[str, str]:
    """Return the code of every record, of those that were not looked at too."""
    still = {former.code[record] for record in found.code if record in former.code}
    code = {}
    for record, was in former.code.items():
        left_alone = record in seen and record not in found.code
        # A cluster of which nothing was found this time stays as it was.
        if record in found.code or (left_alone and was in still):
            continue
        code[record] = found.joined.get(was, was)
    return code | dict(found.code)


def merge(former: Registry, asked: Sequence[str], *, by: str, at: str, why: str = "") -> Registry:
    """Join clusters that are the same; the first gives its code.

    Args:
        former: What is known.
        asked: Their codes or names, two or more.
        by: Who says so.
        at: When, ISO 8601.
        why: For what reason.
    """
    codes = list(dict.fromkeys(former.current(former.find(text).code) for text in asked))
    if len(codes) < 2:
        raise InputError(
            f"{', '.join(asked)}: name one cluster alone; give the codes of two or more that are "
            "the same"
        )
    first, *others = codes
    clusters = dict(former.clusters)
    for other in others:
        clusters[other] = replace(clusters[other], into=first, by_hand=True)
    after = Registry(clusters, former.code, former.history)
    entry = Entry(
        numbered(former.history), "merged", first, tuple(others), after.whole(first).name,
        former.whole(first).name, "human", by, at, why,
    )  # fmt: skip
    return replace(after, history=(*former.history, entry))


def promote(
    former: Registry, asked: str, name: str, *, by: str, at: str, why: str = ""
) -> Registry:
    """Give a cluster a name of one's own: a published one, or another provisional one.

    Args:
        former: What is known.
        asked: Its code or name.
        name: What it is called from now on.
        by: Who says so.
        at: When, ISO 8601.
        why: For what reason.
    """
    name = " ".join(name.split())
    label = read_label(name)
    if not label.name:
        raise InputError(
            f"--name {name!r}: is no name of a taxon that can be read; expected one as in "
            "'Carabus granulatus' or 'Carabus sp. 3'"
        )
    if " " not in label.name and not label.qualifier:
        raise InputError(
            f"--name {name!r}: would not tell this {label.name} from another; add an epithet, or "
            "what it is told by, as in 'Carabus sp. 3'"
        )
    code = former.current(former.find(asked).code)
    taken = [one.code for one in former.standing() if one.name == name and one.code != code]
    if taken:
        raise InputError(
            f"--name {name!r}: is the name of {taken[0]}; `merian discover merge` says that two "
            "clusters are the same"
        )
    entry = Entry(
        numbered(former.history), "promoted", code, (), name, former.whole(code).name, "human", by,
        at, why,
    )  # fmt: skip
    clusters = dict(former.clusters)
    clusters[code] = replace(clusters[code], promoted=name)
    return Registry(clusters, former.code, (*former.history, entry))


def undo(former: Registry, number: int, *, by: str, at: str, why: str = "") -> Registry:
    """Undo what a person has decided, by a further entry.

    Args:
        former: What is known.
        number: Of the entry.
        by: Who says so.
        at: When, ISO 8601.
        why: For what reason.
    """
    undone = {entry.undoes for entry in former.history}
    found = [entry for entry in former.history if entry.number == number]
    if not found:
        raise InputError(f"{number}: the history has no such entry; it has {len(former.history)}")
    entry = found[0]
    if entry.agent != "human" or entry.action not in ("merged", "promoted"):
        raise InputError(
            f"{number}: {entry.code} was {entry.action} by a run; only what people have merged or "
            "promoted can be undone"
        )
    if number in undone:
        raise InputError(f"{number}: was undone already")
    clusters = dict(former.clusters)
    if entry.action == "merged":
        for other in entry.others:
            clusters[other] = replace(clusters[other], into="", by_hand=False)
    else:
        standing = [
            one for one in former.history
            if one.action == "promoted" and one.code == entry.code and one.number not in undone
        ]  # fmt: skip
        if standing[-1].number != number:
            raise InputError(
                f"{number}: {entry.code} was promoted again since; undo {standing[-1].number} first"
            )
        name = standing[-2].name if len(standing) > 1 else ""
        clusters[entry.code] = replace(clusters[entry.code], promoted=name)
    after = Registry(clusters, former.code, former.history)
    last = Entry(
        numbered(former.history), "undone", entry.code, entry.others,
        after.whole(entry.code).name, former.whole(former.current(entry.code)).name, "human", by,
        at, why, number,
    )  # fmt: skip
    return replace(after, history=(*former.history, last))
