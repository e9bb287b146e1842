"""Grouping what was left without a species, and holding the groups against the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from merian.demo.thumbs import thumb
from merian.discover.job import Asked, Done, run_discover
from merian.discover.run import Method
from merian.discover.source import Source
from merian.report import Figures, Name, Note, Picture, Pictures, Section, Table, Text
from merian.report.clustered import write_pages

__all__ = ["Group", "Grouped", "group_unnamed", "tell_grouped"]

_SHOWN = 8
_CARDS = 20


@dataclass(frozen=True)
class Group:
    """A cluster beside the truth.

    Attributes:
        name: Its provisional name.
        parent: The taxon that it stands under, with its rank.
        members: Its records.
        species: The species that most of them are in truth.
        pure: How many of them are.
        held: Of so many grouped or left records of that species.
    """

    name: str
    parent: str
    members: Sequence[str]
    species: str
    pure: int
    held: int


@dataclass(frozen=True)
class Grouped:
    """What was found.

    Attributes:
        done: What the run has come to.
        groups: The clusters, the largest first.
    """

    done: Done
    groups: Sequence[Group]


def group_unnamed(folder: Path, truth: Mapping[str, Mapping[str, str]]) -> Grouped:
    """Group the records of the catalogue that stand by no species, by their barcodes.

    Args:
        folder: Of the demonstration; what was identified stands in its catalogue.
        truth: What is true of each record, by column.
    """
    asked = Asked(
        Source(folder / "catalogue", kind="barcodes"), Method(), [folder / "library"],
        folder / "clusters",
    )  # fmt: skip
    done = run_discover(asked, partial(write_pages, points=False), _CARDS, lambda *_: None)
    found = done.found
    of: dict[str, list[str]] = {}
    for record, code in found.code.items():
        of.setdefault(code, []).append(record)
    held = Counter(truth[record]["species"] for record in found.subjects.ids)
    groups = []
    for cluster in found.registry.standing():
        members = sorted(of.get(cluster.code, ()))
        if members:
            species, pure = Counter(truth[one]["species"] for one in members).most_common(1)[0]
            parent = f"{cluster.parent_rank} {cluster.parent}".strip()
            groups.append(Group(cluster.name, parent, members, species, pure, held[species]))
    groups.sort(key=lambda one: (-len(one.members), one.name))
    return Grouped(done, groups)


def tell_grouped(grouped: Grouped, pictures: Mapping[str, Path]) -> Section:
    """Return the section.

    Args:
        grouped: What was found.
        pictures: By record.
    """
    groups = grouped.groups
    one = sum(group.pure == len(group.members) for group in groups)
    inside = sum(len(group.members) for group in groups)
    shown = [
        Picture(thumb(pictures[member]), Name(group.name), f"in truth {group.species}",
                f"photograph of {member}")
        for group in groups[:_SHOWN // 2]
        for member in [key for key in group.members if key in pictures][:2]
    ]  # fmt: skip
    return Section(
        "What has no name yet",
        [
            Text(
                "What identify left without a species is grouped by its barcodes. Each group "
                "stands under the taxon that its members support together and gets a name that "
                "stays the same when more data come. A library can take the groups in, so that "
                "the next specimen of them is found again."
            ),
            Figures(
                [
                    (len(groups), "groups"),
                    (inside, "records in them"),
                    (one, "groups hold one species of the truth and no other"),
                    (len(grouped.done.found.alone), "records are left alone"),
                ]
            ),
            Table(
                ["group", "under", "records", "in truth mostly", "of the group", "of that species"],
                [
                    [group.name, group.parent, len(group.members), Name(group.species),
                     f"{group.pure} of {len(group.members)}", f"{group.pure} of {group.held}"]
                    for group in groups[:_SHOWN]
                ],
                "The largest groups", more=max(0, len(groups) - _SHOWN),
            ),
            *([Pictures(shown, "Two of each of the largest", width=150)] if shown else []),
            Note("merian discover list shows them; merge and promote make names of them."),
        ],
    )  # fmt: skip
