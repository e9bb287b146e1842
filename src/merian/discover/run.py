"""One run of discover: records are grouped, the groups get names, and what was known grows.

Which records: those that `merian identify` leaves without a species, or all of them. What is done
with the answer (tables of a folder, a catalogue) is told in `folder` and `in_catalogue`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.discover.clustering import Clustering, group
from merian.discover.landing import AGREE, land
from merian.discover.matching import match
from merian.discover.merging import grown
from merian.discover.middles import Kin, Middle, Nearest, beside, middle_of
from merian.discover.names import name_of
from merian.discover.ranks import RankCut, at_ranks
from merian.discover.registry import Cluster, Registry
from merian.discover.standing import RANKS, Standing, nothing_said
from merian.discover.subjects import Subjects
from merian.errors import InputError

__all__ = ["Beside", "Discovered", "Method", "Progress", "discover"]

Progress = Callable[[str, float, float | None], None]

_IDENTITY = ("identity", "together")  # methods that compare sequences


@dataclass(frozen=True)
class Method:
    """How records are grouped.

    Attributes:
        name: identity (of sequences), together (identity, then pictures), ward, hdbscan or
            k-means; "" for what suits the records.
        clusters: How many; found if None.
        reduce: none, pca or umap.
        seed: Of what is drawn.
        distance: Of identity, the share of bases up to which sequences hang together.
        least: Members of a cluster at least.
        agree: The share of members beyond which a parent is stood by.
    """

    name: str = ""
    clusters: int | None = None
    reduce: str = "none"
    seed: int = 0
    distance: float = 0.022
    least: int = 2
    agree: float = AGREE

    def of(self, subjects: Subjects) -> Method:
        """Return the method with its name, or say why it does not suit."""
        name = self.name or ("ward" if subjects.vector is not None else "identity")
        if subjects.both:
            if self.name not in ("", "identity", "together"):
                raise InputError(
                    f"--method {name} is for vectors of one kind; of barcodes and pictures the "
                    "barcodes are grouped by identity, and the pictures refine that"
                )
            name = "together"
        if name == "identity" and not subjects.sequence:
            raise InputError(
                "--method identity is for sequences, and these are vectors; leave it out, or give "
                "the sequences"
            )
        if name not in _IDENTITY and subjects.vector is None:
            raise InputError(
                f"--method {name} is for vectors, and these are sequences; `merian embed` makes "
                "vectors of them, or leave --method out"
            )
        if name in _IDENTITY and self.clusters is not None:
            raise InputError(
                "--clusters is for vectors; sequences hang together up to a distance: --distance"
            )
        if name in _IDENTITY and self.reduce != "none":
            raise InputError(f"--reduce {self.reduce} is for vectors, and not for identity")
        if name not in _IDENTITY and self.distance != Method.distance:
            raise InputError(
                f"--distance {self.distance:g} is for the identity of sequences; --clusters says "
                f"how many groups {name} is to make of vectors"
            )
        return replace(self, name=name)

    @property
    def settings(self) -> dict[str, object]:
        """What decides the result, for a stamp."""
        return {
            "method": self.name,
            **({"distance": self.distance} if self.name in _IDENTITY else
               {"clusters": self.clusters, "reduce": self.reduce, "seed": self.seed}),
            "least": self.least, "agree": self.agree,
        }  # fmt: skip


@dataclass(frozen=True)
class Beside:
    """What a run has found about a cluster that is not kept.

    Attributes:
        middle: Its medoid and how wide it is.
        other: The code of the cluster beside it, or "".
        apart: How far that is.
        guesses: Rank, name and probability of the best guesses, those stood by and those below.
    """

    middle: Middle
    other: str
    apart: float | None
    guesses: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True, eq=False)
class Discovered:
    """What a run has found.

    Attributes:
        registry: What is known now.
        subjects: The records that were grouped.
        said: What is said of each of them.
        code: By record, of those in a cluster.
        beside: By code.
        looked_at: How many records there were, named ones among them.
        named: How many of them were left out because they stand by a species.
        bare: Records that have nothing to be grouped by.
        method: How it was done.
        told: What the grouping says of itself: the scores of what was tried, and so on.
        before: What was known before.
        cuts: The same tree cut at each rank of which the records stand by two names or more.
    """

    registry: Registry
    subjects: Subjects
    said: Standing
    code: Mapping[str, str]
    beside: Mapping[str, Beside]
    looked_at: int
    named: int
    bare: int
    method: Method
    told: Mapping[str, Any] = field(default_factory=dict)
    before: Registry = field(default_factory=Registry)
    cuts: Mapping[str, RankCut] = field(default_factory=dict)

    @property
    def alone(self) -> list[str]:
        """The records that were left alone."""
        return [record for record in self.subjects.ids if record not in self.code]


def discover(
    subjects: Subjects,
    said: Standing | None,
    method: Method,
    former: Registry,
    kin: Kin | None,
    run: str,
    everything: bool = False,
    progress: Progress = lambda *_: None,
) -> Discovered:
    """Group records and name the groups.

    Args:
        subjects: All that there are.
        said: What is said of each of them; None where nobody has identified them.
        method: How.
        former: What was known before.
        kin: Finds the nearest named species, if a library was given.
        run: Its id.
        everything: Whether those that stand by a species are grouped too.
        progress: Is told how far it is.
    """
    method = method.of(subjects)
    whole = said if said is not None else nothing_said(len(subjects))
    unnamed = whole.unnamed if not everything else np.ones(len(subjects), bool)
    there = subjects.there()
    chosen = unnamed & there
    some, told_of = subjects.only(chosen), whole.only(chosen)
    if not len(some):
        raise InputError(_nothing(len(subjects), unnamed, there))
    progress("grouping", 0, None)
    clustering = _grouped(some, method, progress)
    support = dict(enumerate(np.asarray(clustering.support, np.float64).tolist()))
    label = _large_enough(np.asarray(clustering.label, np.int32), method.least)
    cuts = at_ranks(clustering, {rank: told_of.stood_by(rank) for rank in RANKS})
    progress("naming clusters", 0, None)
    found = match(some.ids, label, former)
    place = {record: number for number, record in enumerate(some.ids)}
    of_code: dict[str, list[int]] = {}
    for record, code in found.code.items():
        of_code.setdefault(code, []).append(place[record])
    every = {code: np.array(sorted(at), np.int64) for code, at in sorted(of_code.items())}
    about = _about(some, told_of, every, method, progress)

    def describe(code: str, _records: object) -> Cluster:
        members = every[code]
        near = _nearest(some, told_of, about[code].middle.medoid, kin)
        share = [support.get(n) for n in set(label[members].tolist())]
        return _described(code, members, some, told_of, about[code], near, method,
                          share[0] if len(share) == 1 else None)  # fmt: skip

    registry = grown(former, found, frozenset(some.ids), describe, run)
    return Discovered(
        registry, some, told_of, found.code, about, len(subjects), int((~unnamed).sum()),
        int((unnamed & ~there).sum()), method, _told(clustering), former, cuts,
    )  # fmt: skip


def _nothing(count: int, unnamed: NDArray[np.bool_], there: NDArray[np.bool_]) -> str:
    """Say why there is nothing to group."""
    if not count:
        return "there are no records; nothing can be grouped"
    if not unnamed.any():
        return f"all {count:,} records stand by a species; --all groups them too"
    missing = int((unnamed & ~there).sum())
    return f"{missing:,} records have no name, and none of them a sequence or a vector to go by"


def _grouped(subjects: Subjects, method: Method, progress: Progress) -> Clustering:
    """Return the cluster of each record."""
    if method.name in _IDENTITY:
        return _by_identity(subjects, method, progress)
    assert subjects.vector is not None
    return group(
        subjects.vector, method.name, clusters=method.clusters, reduce=method.reduce,
        seed=method.seed,
    )  # fmt: skip


def _told(found: Clustering) -> dict[str, Any]:
    """Return what a grouping says of itself."""
    tried = [{key: _plain(value) for key, value in asdict(one).items()} for one in found.chosen]
    return {
        "method": found.method, "settings": dict(found.settings), "tried": tried,
        "left": {why: int(count) for why, count in found.left.items()},
    }  # fmt: skip


def _by_identity(subjects: Subjects, method: Method, progress: Progress) -> Clustering:
    """Return groups of sequences, refined by pictures where there are any to refine them."""
    from merian.discover.sequences import Identity, by_identity  # noqa: PLC0415 - loads scipy

    def grouped(distance: float) -> Clustering:
        return by_identity(
            subjects.sequence,
            Identity(distance=distance, tree=False),
            progress=lambda what, done: progress(what, done, None),
        )

    if method.name == "identity":
        return grouped(method.distance)
    from merian.discover.joined import FINER, with_pictures  # noqa: PLC0415 - as above

    assert subjects.vector is not None
    finer = grouped(FINER) if method.distance > FINER else None
    return with_pictures(grouped(method.distance), subjects.vector, finer)


def _plain(value: Any) -> Any:
    """Return a number of numpy as one of Python, which JSON can hold; NaN as nothing."""
    found = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(found, float) and np.isnan(found) else found


def _large_enough(label: NDArray[np.int32], least: int) -> NDArray[np.int32]:
    """Leave members of small clusters alone."""
    sizes = np.bincount(label[label >= 0], minlength=int(label.max(initial=-1)) + 1)
    small = (label >= 0) & (sizes[np.maximum(label, 0)] < least) if len(sizes) else label >= 0
    return np.where(small, -1, label).astype(np.int32)


def _about(
    subjects: Subjects,
    said: Standing,
    every: Mapping[str, NDArray[np.int64]],
    method: Method,
    progress: Progress,
) -> dict[str, Beside]:
    """Return what is found about each cluster besides what is kept."""
    middles = {}
    for number, (code, members) in enumerate(every.items()):
        progress("looking at clusters", number, len(every))
        middles[code] = middle_of(subjects, members)
    codes = [*every]
    near = beside(subjects, [middles[code].medoid for code in codes])
    found = {}
    for code, next_one in zip(codes, near, strict=True):
        landing = land(said, every[code], method.agree)
        found[code] = Beside(
            middles[code],
            codes[next_one[0]] if next_one else "",
            next_one[1] if next_one else None,
            tuple((guess.rank, guess.name, guess.probability) for guess in landing.path),
        )
    return found


def _nearest(subjects: Subjects, said: Standing, medoid: int, kin: Kin | None) -> Nearest | None:
    """Return the nearest named species: as the libraries say, else the reference of the answer."""
    if kin is not None:
        return kin.nearest(subjects, medoid)
    if not said.nearest[medoid] or np.isnan(said.identity[medoid]):
        return None
    return Nearest("", said.nearest[medoid], 1 - float(said.identity[medoid]), "barcode")


def _described(
    code: str,
    members: NDArray[np.int64],
    subjects: Subjects,
    said: Standing,
    about: Beside,
    near: Nearest | None,
    method: Method,
    support: float | None,
) -> Cluster:
    """Return a cluster as it is kept."""
    landing = land(said, members, method.agree)
    parent = landing.parent
    name, rank = (parent.name, parent.rank) if parent else ("", "")
    return Cluster(
        code=code,
        founded=0,
        provisional=name_of(name, rank, code),
        parent=name,
        parent_rank=rank,
        lineage=tuple(landing.lineage.items()),
        probability=parent.probability if parent else None,
        standing=parent.standing if parent else None,
        specimens=len(members),
        support=None if support is None or np.isnan(support) else support,
        medoid=subjects.ids[about.middle.medoid],
        nearest=near.name if near else "",
        nearest_reference=near.reference if near else "",
        distance=near.distance if near else None,
        measure=near.measure if near else "",
    )
