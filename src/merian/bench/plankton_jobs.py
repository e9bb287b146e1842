"""The trainings of `merian bench plankton`, in processes of their own, and what each says.

A job is an arm on one fold of one split. It says of the pictures of that fold, and of those of
other instruments, what its own head (or the texts of the classes) makes of them; and what a linear
probe and a few examples make of the features that it has learnt, fitted on the part to learn from
alone. The baseline learns nothing but a logistic regression on the frozen vectors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merian.bench.frozen_heads import Asked, along_axes, of_fold
from merian.bench.near_pictures import spread_folds
from merian.bench.plankton_tree import tree_of
from merian.learn.few_shot import Items, few_shot_answers
from merian.learn.logistic import fit_logistic
from merian.learn.scores import macro_f1
from merian.processes import in_processes
from merian.tensors import map_tensors, write_tensors

__all__ = ["FROZEN", "SHOTS", "Job", "Material", "do", "do_all", "inner_score"]

FROZEN = "frozen"
SHOTS = (1, 5, 10)
_DRAWS = 5
_AXES, _L2 = 256, 0.012  # of the probes: what picture-probes chooses most
_INNER = 4

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
Told = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Job:
    """One arm on one fold.

    Attributes:
        arm: Of `plankton_arms.ARMS`, or frozen.
        split: random or grouped.
        seed: Of all chance, and of the folds.
        fold: That is asked; the others are learnt from.
        rate: The highest learning rate.
        steps: How many.
        batch: Pictures of a step.
        hidden: Numbers of the trunk's hidden layer.
        inner: Whether an inner part of what may be learnt from is asked in place of the fold.
    """

    arm: str
    split: str
    seed: int
    fold: int
    rate: float
    steps: int
    batch: int
    hidden: int
    inner: bool = False


@dataclass(frozen=True)
class Material:
    """What jobs are done on, as it lies in a folder.

    Attributes:
        vectors: float32[n, turns, d]; each picture in each turn, the first as it is.
        labels: int64[n]; the class of each.
        groups: int64[n]; near-duplicates stay together.
        folds: "split seed" -> int64[n].
        lineages: Of each class its names, from the kingdom down.
        others: Name -> float32[m, d]; pictures of other instruments.
    """

    vectors: Floats
    labels: Numbers
    groups: Numbers
    folds: Mapping[str, Numbers]
    lineages: tuple[tuple[str, ...], ...]
    others: Mapping[str, Floats]

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        arrays: dict[str, NDArray[Any]] = {
            "vectors": self.vectors,
            "labels": self.labels,
            "groups": self.groups,
        }
        arrays |= {f"folds {name}": each for name, each in self.folds.items()}
        arrays |= {f"others {name}": each for name, each in self.others.items()}
        write_tensors(folder / "material.safetensors", arrays, "merian-bench-plankton 1")
        (folder / "lineages.json").write_text(json.dumps(self.lineages), encoding="utf-8")

    @classmethod
    def of(cls, folder: Path) -> Material:
        """Read it."""
        arrays = map_tensors(folder / "material.safetensors")
        lines = json.loads((folder / "lineages.json").read_text(encoding="utf-8"))

        def part(start: str) -> dict[str, NDArray[Any]]:
            return {
                name.removeprefix(start): np.asarray(each)
                for name, each in arrays.items()
                if name.startswith(start)
            }

        return cls(
            np.asarray(arrays["vectors"]), np.asarray(arrays["labels"]),
            np.asarray(arrays["groups"]), part("folds "), tuple(map(tuple, lines)),
            part("others "),
        )  # fmt: skip

    @property
    def number(self) -> str:
        """A hash of all that decides what jobs say."""
        found = hashlib.blake2b(digest_size=8)
        for each in (self.vectors, self.labels, self.groups):
            found.update(np.ascontiguousarray(each).tobytes())
        more: dict[str, NDArray[Any]] = {**self.folds, **self.others}
        for name, some in sorted(more.items()):
            found.update(name.encode() + np.ascontiguousarray(some).tobytes())
        found.update(json.dumps(self.lineages).encode())
        return found.hexdigest()


def do_all(jobs: Sequence[Job], material: Material, work: Path, processes: int) -> list[Told]:
    """Return what each job says; what is done already is not done again.

    Args:
        jobs: Which.
        material: On what.
        work: Where what they say is kept.
        processes: How many at a time.
    """
    folder = work / f"plankton-{material.number}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "lineages.json").is_file():
        material.save(folder)
    left = [job for job in jobs if not _place(job, folder).is_file()]
    # Dear and cheap ones in turn, since each process gets a part of the list.
    shares = [asdict(job) for start in range(processes) for job in left[start::processes]]
    in_processes(f"{__name__}:done", shares, str(folder), processes=processes, worth=2)
    return [map_tensors(_place(job, folder)) for job in jobs]


def done(jobs: list[dict[str, Any]], folder: str) -> list[int]:
    """Do some jobs and leave what they say in the folder; for a process of its own."""
    material = Material.of(Path(folder))
    for job in (Job(**told) for told in jobs):
        write_tensors(_place(job, Path(folder)), dict(do(job, material)), "merian-bench-told 1")
    return [0] * len(jobs)


def inner_score(job: Job, told: Told, material: Material) -> float:
    """Return the macro-F1 of a job that asked an inner part."""
    asked = _parts(job, material)[1]
    return macro_f1(material.labels[asked], told["own"].argmax(1))


def do(job: Job, material: Material) -> dict[str, NDArray[Any]]:
    """Do a job.

    Args:
        job: Which.
        material: On what.
    """
    learn, asked = _parts(job, material)
    if job.arm == FROZEN:
        own, features = _frozen(job, material, learn, asked)
    else:
        own, features = _learnt(job, material, learn, asked)
    if job.inner:
        return {"own": own[0].astype(np.float32)}
    found: dict[str, NDArray[Any]] = {"own": own[0].astype(np.float32)}
    found["probe"] = _probe(features, material, learn, asked)
    for name, p in zip(material.others, own[1:], strict=True):
        found[f"others {name}"] = p.astype(np.float32)
    known, queries = (_items(features, material, rows) for rows in (learn, asked))
    for k in SHOTS:
        found[f"{k} shots"] = few_shot_answers(known, queries, k, draws=_DRAWS, seed=job.seed)
    return found


def _learnt(
    job: Job, material: Material, learn: Numbers, asked: Numbers
) -> tuple[list[NDArray[np.float64]], Floats]:
    """Return what an arm says of those asked and of other instruments, and all features."""
    from merian.bench.plankton_arms import Lesson, teach  # noqa: PLC0415 - torch is an extra

    lesson = Lesson(
        material.vectors[learn], material.labels[learn], material.lineages, job.arm, job.rate,
        job.steps, job.batch, job.hidden, 1000 * job.seed + job.fold,
    )  # fmt: skip
    taught = teach(lesson)
    features = taught.features(material.vectors[:, 0])
    made = [features[asked], *(taught.features(each) for each in material.others.values())]
    return [taught.probabilities(each) for each in made], features


def _frozen(
    job: Job, material: Material, learn: Numbers, asked: Numbers
) -> tuple[list[NDArray[np.float64]], Floats]:
    """Return the same of a logistic regression on frozen vectors, held back as inner folds say."""
    x = material.vectors[:, 0]
    others = list(material.others.values())
    every = np.concatenate([x[learn], x[asked], *others])
    size = len(every) - len(learn)
    tree = tree_of(material.lineages, [line[-1] for line in material.lineages])
    told, _ = of_fold(
        "flat",
        Asked(
            tree, every, np.concatenate([material.labels[learn], np.zeros(size, np.int64)]),
            np.concatenate([material.groups[learn], np.zeros(size, np.int64)]),
            np.repeat([0, 1], [len(learn), size]), _AXES, job.seed,
        ),
        1,
    )  # fmt: skip
    ends = np.cumsum([len(asked), *map(len, others)])[:-1]
    return np.split(told, ends), x


def _probe(features: Floats, material: Material, learn: Numbers, asked: Numbers) -> Numbers:
    """Return what a logistic regression on features says of those asked."""
    turned = along_axes(features, learn, _AXES)
    told = fit_logistic(turned[learn], material.labels[learn], len(material.lineages), _L2)
    return told.logs(turned[asked]).argmax(1)


def _items(features: Floats, material: Material, rows: Numbers) -> Items:
    return Items([str(row) for row in rows.tolist()], features[rows], material.labels[rows])


def _parts(job: Job, material: Material) -> tuple[Numbers, Numbers]:
    """Return the pictures to learn from, and those to ask."""
    folds = material.folds[f"{job.split} {job.seed}"]
    learn, asked = np.flatnonzero(folds != job.fold), np.flatnonzero(folds == job.fold)
    if not job.inner:
        return learn, asked
    own = np.unique(material.groups[learn], return_inverse=True)[1].astype(np.int64)
    inner = spread_folds(material.labels[learn], own, _INNER, job.seed)
    return learn[inner != 0], learn[inner == 0]


def _place(job: Job, folder: Path) -> Path:
    digest = hashlib.blake2b(json.dumps(asdict(job)).encode(), digest_size=8).hexdigest()
    return folder / f"told-{digest}.safetensors"
