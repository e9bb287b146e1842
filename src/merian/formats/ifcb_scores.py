"""IFCB class scores: what a classifier or a person called the regions of a bin.

One file a bin: ``D20220522T000439_IFCB134_class.h5``, ``..._class_v2.h5``, ``..._class_v1.mat`` or,
of a person, ``D20220522T000439_IFCB134.mat``; or a folder with all of them below it. The layouts
are told in `ifcb_score_files`. The name of the file tells the bin; where it does not,
``--set bin=D20220522T000439_IFCB134`` does.

The occurrences are those of the format ifcb, ``<bin>_<number of the trigger>``, so that names join
the pictures: import the bins first. The best class of a classifier is an identification by a
machine (PredictedByMachine) with its score as probability; if it is below the classifier's own
threshold, that is remarked. A person's is ValidatedByHuman. "unclassified" is no name: such a
region is an occurrence without one. ``--set scores=all`` keeps the score of every class as a
measurement. What a file counts beside (``cell_count``) is a measurement too.

The date is that of the classification, where it is told; of a .mat, when the file was written.
Needs the extra ``ifcb``. Files are read by another process, since damaged ones can end the one that
reads them (`guarded_arrays`).

Reference: https://github.com/hsosik/ifcb-analysis; https://github.com/WHOIGit/ifcb_classifier;
Torstensson et al. 2024, iRfcb
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from merian.catalogue.sources import Chunk, Reading, Reject, Rows
from merian.errors import FormatError, InputError, MissingExtraError
from merian.files import existing
from merian.formats.delimited import head_bytes
from merian.formats.folders import visible_files
from merian.formats.guarded_arrays import HDF5, MATLAB, read_arrays
from merian.formats.ifcb_bins import BinName, bin_of
from merian.formats.ifcb_score_files import Given, Scored, scored
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import Row, chunked

__all__ = ["FORMAT"]

_ENDING = re.compile(r"(_class(_?v\d+)?)?\.(mat|h5)", re.IGNORECASE)
_LOOKED_AT = 5_000
_ORDER = 1 << 24


def _is_of_scores(path: Path) -> bool:
    name = bin_of(path.name)
    return name is not None and bool(_ENDING.fullmatch(path.name[len(name.text) :]))


def _sniff(path: Path) -> int:
    try:
        if path.is_file():
            magic = head_bytes(path, 32)
            return 3 if _is_of_scores(path) and magic.startswith((HDF5, MATLAB)) else 0
        files = [*islice(visible_files(path), _LOOKED_AT)] if path.is_dir() else []
    except OSError:
        return 0
    share = sum(map(_is_of_scores, files)) / max(len(files), 1)
    return 3 if share >= 0.5 else 2 if share else 0


def _lacks(path: Path) -> str:
    if "_class" not in path.name or not path.is_file() or _is_of_scores(path):
        return ""
    if head_bytes(path, 32).startswith((HDF5, MATLAB)):
        return "has no name of a bin in its own (D20220522T000439_IFCB134_class.h5)"
    return ""


def _read(path: Path, options: Options) -> Reading:
    path = existing(path, "file of class scores or folder of them").absolute()
    files, passed = _files(path, options)
    every = options.extra.get("scores", "")
    if every not in {"", "best", "all"}:
        raise InputError(f"scores={every}: best or all is expected")
    notes = [f"files of class scores: {len(files)}"]
    if passed:
        notes.append(f"files that are none are passed over: {passed}")
    if path.is_file():
        scored(path, read_arrays(path))  # a file that cannot be read at all is no reject
    counts: Counter[str] = Counter()
    sources = [
        Rows(path, "record", _Files(files, _regions, notes, counts, tell=True)),
        Rows(path, "identification", _Files(files, _names, notes, Counter())),
        Rows(path, "measurement",
             _Files(files, _all_scores if every == "all" else _counts, notes, Counter())),
    ]  # fmt: skip
    return Reading("ifcb-scores", sources, [file for _, file in files], notes)


def _files(path: Path, options: Options) -> tuple[list[tuple[BinName, Path]], int]:
    """Return the files with their bins, and how many others there are."""
    if path.is_file():
        told = options.extra.get("bin", "") or path.name
        name = bin_of(told)
        if name is None:
            raise FormatError(
                f"{told!r} tells no bin; rename the file to <bin>_class.h5 or give "
                "--set bin=D20220522T000439_IFCB134",
                path=path,
            )
        return [(name, path)], 0
    found, passed = [], 0
    for file in visible_files(path):
        name = bin_of(file.name)
        if name is not None and _is_of_scores(file):
            found.append((name, file))
        else:
            passed += 1
    if not found:
        raise FormatError(
            "holds no class scores; files called as D20220522T000439_IFCB134_class.h5 are expected",
            path=path,
        )
    return found, passed


@dataclass(frozen=True)
class _Files:
    """The rows of one table, anew each time they are asked for.

    Attributes:
        files: All files with their bins.
        rows: What one of them gives to the table.
        notes: What there is to say; it grows when all was read.
        counts: What was counted.
        tell: Whether to tell what is wrong, and the counts; one of the tables does.
    """

    files: list[tuple[BinName, Path]]
    rows: Callable[[BinName, Scored, Path], Iterator[Row]]
    notes: list[str]
    counts: Counter[str]
    tell: bool = False

    def __iter__(self) -> Iterator[Chunk | Reject]:
        self.counts.clear()
        yield from chunked(self._all())
        if self.tell:
            told = [f"{what}: {count}" for what, count in sorted(self.counts.items()) if count]
            self.notes.extend(note for note in told if note not in self.notes)

    def _all(self) -> Iterator[Row | Reject]:
        for place, (name, file) in enumerate(self.files):
            try:
                found = scored(file, read_arrays(file))
            except MissingExtraError:
                raise
            except (FormatError, OSError) as error:
                if self.tell:
                    yield Reject(file, None, str(error).removeprefix(f"{file}: "))
                continue
            if self.tell:
                self._count(found)
                for reason, content in found.faults:
                    yield Reject(file, None, reason, content)
            for row in self.rows(name, found, file):
                yield {**row, "line": int(str(row["line"])) + place * _ORDER}

    def _count(self, found: Scored) -> None:
        unnamed = sum(not any(one.label for one in names) for names in found.names.values())
        self.counts["regions that are unclassified or have no class"] += unnamed
        for note in found.notes:
            self.counts[note] += 1


# -- tables -------------------------------------------------------------------------------------


def _regions(name: BinName, found: Scored, _file: Path) -> Iterator[Row]:
    for number in found.names:
        yield {
            "line": number,
            "occurrenceID": name.region(number),
            "basisOfRecord": "MachineObservation",
            **name.event(),
        }


def _names(name: BinName, found: Scored, file: Path) -> Iterator[Row]:
    for number, names in found.names.items():
        for one in names:
            if one.label is not None:
                yield {"line": number, "occurrenceID": name.region(number),
                       **_named(one, found, file)}  # fmt: skip


def _named(one: Given, found: Scored, file: Path) -> dict[str, object]:
    status = "ValidatedByHuman" if one.by_human else "PredictedByMachine"
    return {
        "identificationType": "media",
        "agentType": "human" if one.by_human else "machine",
        "verbatimIdentification": one.label,
        "identifiedBy": found.by,
        "dateIdentified": found.written,
        "identificationReferences": file.name,
        "identificationVerificationStatus": status,
        "probability": one.probability,
        "identificationRemarks": one.remark,
    }


def _counts(name: BinName, found: Scored, file: Path) -> Iterator[Row]:
    return _measured(name, found, file, every=False)


def _all_scores(name: BinName, found: Scored, file: Path) -> Iterator[Row]:
    return _measured(name, found, file, every=True)


def _measured(name: BinName, found: Scored, file: Path, *, every: bool) -> Iterator[Row]:
    for number in found.names:
        for kind, value in found.measured(number, every):
            yield {
                "line": number,
                "occurrenceID": name.region(number),
                "measurementType": kind,
                "measurementValue": value,
                "measurementMethod": found.by or file.name,
            }


# -- faked --------------------------------------------------------------------------------------

_CLASSES = ["Mesodinium_rubrum", "Strombidium-like", "Ciliophora", "Chaetoceros_cf_convolutus"]


def _fake(folder: Path, seed: int) -> Path:
    """Write one file of each layout; two regions are unclassified, and one number is none."""
    try:
        import h5py  # noqa: PLC0415 - extras
        from scipy.io import savemat  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("files of class scores", "ifcb") from None
    chance = random.Random(seed)  # noqa: S311  nothing secret
    root = folder / f"scores{seed}"
    root.mkdir(parents=True)
    scores = np.array([[chance.random() / 5 for _ in _CLASSES] for _ in range(4)])
    for row, column in enumerate((0, 1, 0, 3)):
        scores[row, column] = 0.5 + chance.random() / 2
    best = [_CLASSES[int(row.argmax())] for row in scores]
    stem = f"D2022052{1 + seed % 9}T00"
    kept = np.array([*best[:3], "unclassified"], object)
    first = {
        "roinum": np.array([[2], [3], [4], [6]], np.uint16), "TBscores": scores,
        "TBclass": np.array(best, object)[:, None], "TBclass_above_threshold": kept[:, None],
        "class2useTB": np.array([*_CLASSES, "unclassified"], object)[:, None],
        "classifierName": "results_12Jun2024",
    }  # fmt: skip
    nan = float("nan")
    manual = {
        "classlist": np.array([[1, 1, nan], [2, 2, 3], [3, nan, 2], [4, 9, nan]]),
        "class2use_manual": np.array(["unclassified", *_CLASSES], object),
        "class2use_auto": np.array(["unclassified", *_CLASSES], object),
    }
    for ending, content in (("0100_IFCB134_class_v1.mat", first), ("0200_IFCB134.mat", manual)):
        path = root / f"{stem}{ending}"
        savemat(path, content, do_compression=True)
        _date(path)
    with h5py.File(root / f"{stem}0300_IFCB134_class_v2.h5", "w") as stream:
        given = stream.create_dataset("scores", data=scores)
        given.attrs["class_labels"] = [label.encode() for label in _CLASSES]
        given.attrs["bin_id"] = f"{stem}0300_IFCB134"
        stream["roi_numbers"] = np.array([2, 3, 4, -1], np.int32)
    with h5py.File(root / f"{stem}0400_IFCB134_class.h5", "w") as stream:
        stream["output_scores"], stream["class_labels"] = scores, _CLASSES
        stream["roi_numbers"] = np.array([2, 3, 5, 7], np.int32)
        stream["class_name_auto"], stream["class_name"] = best, [*best[:3], "unclassified"]
        stream["classifier_name"], stream["thresholds"] = ["Faked V5"], [0.5, 0.4, 0.3, 0.99]
        stream["cell_count"] = np.array([1, 1, 4, 2])
    return root


def _date(path: Path) -> None:
    """Put a time into a .mat that is not that of writing, so that the same bytes come again."""
    content = path.read_bytes()
    told = b"MATLAB 5.0 MAT-file, Platform: PCWIN64, Created on: Fri May 31 14:09:15 2024"
    path.write_bytes(told.ljust(116) + content[116:])


FORMAT = Format(
    name="ifcb-scores",
    title="IFCB: class scores (.h5, .mat) and manual lists (.mat)",
    sniff=_sniff,
    read=_read,
    fake=_fake,
    lacks=_lacks,
    tested_on="ClassiPyR's scores and manual list of a bin of IFCB134, iRfcb's class file (1,218 "
    "regions)",
)
