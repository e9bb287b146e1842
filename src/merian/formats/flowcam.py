"""FlowCam: the particles of a run, in collages.

::

    run17.lst             a row for each particle: where in which collage, and what was measured
    run17_000001.tif      a collage: pictures of particles side by side (_bin.tif are their masks)
    run17.ctx             how the instrument was set
    run17.cla             which particles were put into which class

The list is read, or a folder with lists below it. How the files are written is told in
`flowcam_files`. A run is an event, from its start to its end by the context; what the context
states are measurements of the event, with ``FluidVolumeImaged_ml`` among them. A particle is an
occurrence, ``<run>_<id>``, and a region of its collage. Its columns are measurements; lengths and
areas are in micrometres, and those called ``raw_`` in pixels. ``cal_const``, micrometres a pixel,
gives pixelsPerMillimetre; without it ``CalibrationConstant`` of the context does, unless that is 1,
as it is where nobody calibrated.

A class is an identification, by a person: the file does not say who filled it. Only where the class
has filters, which the program fills it by, is it a machine's. A file of classes belongs to the run
of its name, or to the only run in its folder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from merian.catalogue.sources import Chunk, Reading, Reject, Rows
from merian.errors import FormatError
from merian.files import existing
from merian.formats.flowcam_fake import fake_run
from merian.formats.flowcam_files import (
    PLACE,
    Layout,
    Particle,
    layout_of,
    positive,
    read_classes,
    read_context,
    read_particles,
)
from merian.formats.folders import visible_files
from merian.formats.registry import Format, Options
from merian.formats.row_chunks import Row, chunked
from merian.pictures import BadPictureError, opened
from merian.unpacking import UNREADABLE

__all__ = ["FORMAT"]

_LOOKED_AT = 5_000
_ORDER = 1 << 24
_MASK = "_bin.tif"
_LENGTHS = frozenset("abd_diameter length width esd_diameter fd_diameter perimeter "
                     "convex_perimeter".split())  # fmt: skip
_UNITS = {**dict.fromkeys(_LENGTHS, "um"), "abd_area": "um2", "filled_area": "um2",
          "elapsed_time": "s", "cal_const": "um/px", "FluidVolumeImaged_ml": "mL"}  # fmt: skip


def _is_list(path: Path) -> bool:
    return path.suffix.lower() == ".lst" and isinstance(layout_of(path), Layout)


def _sniff(path: Path) -> int:
    try:
        if path.is_file():
            found = layout_of(path) if path.suffix.lower() == ".lst" else ""
            return 0 if isinstance(found, str) else 3 if found.version else 2
        lists = [file for file in islice(visible_files(path), _LOOKED_AT) if _is_list(file)]
        # Collages are pictures, but a list beside them says what they are.
        near = any(len(file.relative_to(path).parts) <= 2 for file in lists)
    except OSError:
        return 0
    return 3 if near else 2 if lists else 0


def _lacks(path: Path) -> str:
    if not path.is_file() or path.suffix.lower() not in {".lst", ".ctx", ".cla"}:
        return ""
    if path.suffix.lower() != ".lst":
        return "is a part of a run: give the .lst beside it"
    found = layout_of(path)
    return found if isinstance(found, str) else ""


@dataclass(frozen=True)
class _Run:
    """A run.

    Attributes:
        name: Of its list.
        list: Its list.
        layout: How that is written.
        context: Its context, if there is one.
        classes: Its files of classes.
    """

    name: str
    list: Path
    layout: Layout
    context: Path | None
    classes: tuple[Path, ...]

    def particle(self, number: int) -> str:
        """Return the id of a particle."""
        return f"{self.name}_{number}"


def _read(path: Path, _options: Options) -> Reading:
    path = existing(path, "list of a FlowCam run or folder of runs").absolute()
    lists = (
        [path] if path.is_file() else [f for f in visible_files(path) if f.suffix.lower() == ".lst"]
    )
    runs, rejects = [], []
    for file in lists:
        layout = layout_of(file)
        if isinstance(layout, Layout):
            runs.append(_run(file, layout))
        elif path.is_file():
            raise FormatError(f"{layout}; a list of FlowCam is expected", path=path)
        else:
            rejects.append(Reject(file, None, layout))
    if not runs:
        raise FormatError("holds no list (.lst) of a FlowCam run", path=path)
    notes = [f"runs: {len(runs)}"]
    masks = sum(1 for run in runs for _ in run.list.parent.glob(f"{_escaped(run.name)}*{_MASK}"))
    if masks:
        notes.append(f"masks of collages ({_MASK}) are not taken: {masks}")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise FormatError("holds two runs of one name; give them one by one", path=path)
    tables: tuple[tuple[str, Callable[[_Run], Iterator[Row | Reject]]], ...] = (
        ("event", _event), ("media", _collages), ("record", _particles),
        ("identification", _classes), ("measurement", _measurements),
    )  # fmt: skip
    sources = [
        Rows(path, table, _Runs(runs, rows, rejects if not number else []))
        for number, (table, rows) in enumerate(tables)
        if table != "identification" or any(run.classes for run in runs)
    ]
    inputs = []
    for run in runs:
        inputs += [run.list, *([run.context] if run.context else []), *run.classes]
    return Reading("flowcam", sources, inputs, notes)


def _escaped(name: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", name)


def _run(file: Path, layout: Layout) -> _Run:
    context = file.with_suffix(".ctx")
    beside = sorted(file.parent.iterdir())
    classes = [other for other in beside if other.suffix.lower() == ".cla"]
    if sum(other.suffix.lower() == ".lst" for other in beside) > 1:
        classes = [other for other in classes if other.stem == file.stem]
    return _Run(file.stem, file, layout, context if context.is_file() else None, tuple(classes))


@dataclass(frozen=True)
class _Runs:
    """The rows of one table, anew each time they are asked for.

    Attributes:
        runs: All runs.
        rows: What one of them gives to the table.
        first: Rejects that are told once.
    """

    runs: list[_Run]
    rows: Callable[[_Run], Iterator[Row | Reject]]
    first: list[Reject]

    def __iter__(self) -> Iterator[Chunk | Reject]:
        yield from self.first
        yield from chunked(self._all())

    def _all(self) -> Iterator[Row | Reject]:
        for place, run in enumerate(self.runs):
            try:
                for row in self.rows(run):
                    if isinstance(row, Reject):
                        yield row
                    else:
                        yield {**row, "line": int(str(row["line"])) + place * _ORDER}
            except UNREADABLE as error:
                yield Reject(run.list, None, f"is damaged or cannot be read ({error})")


# -- tables -------------------------------------------------------------------------------------


def _context(run: _Run) -> dict[str, tuple[int, str]]:
    """Return the first value of each key of a context, with its line."""
    found: dict[str, tuple[int, str]] = {}
    for line, _, key, value in read_context(run.context) if run.context else ():
        found.setdefault(key, (line, value))
    return found


def _event(run: _Run) -> Iterator[Row | Reject]:
    told = _context(run)
    row: dict[str, object] = {"line": 1, "eventID": run.name, "eventType": "FlowCam run"}
    began, ended = (told.get(key, (0, ""))[1] for key in ("RunStartTime", "RunEndTime"))
    if began:
        row["eventDate"] = f"{began}/{ended}" if ended and ended >= began else began
    places: dict[str, object] = {}
    for term, key, most in (("decimalLatitude", "LocationLatitude", 90),
                            ("decimalLongitude", "LocationLongitude", 180)):  # fmt: skip
        line, text = told.get(key, (0, ""))
        if not text:
            continue
        try:
            fits = abs(float(text)) <= most
        except ValueError:
            fits = False
        if fits:
            places[term] = text
        else:
            assert run.context is not None
            yield Reject(run.context, line, f"no degrees: {key}", text, term, "value")
    row |= places if len(places) == 2 else {}  # half a place is none
    if "LocationName" in told:
        row["locality"] = told["LocationName"][1]
    yield row


def _device(told: dict[str, tuple[int, str]]) -> str:
    serial = told.get("SerialNo", (0, ""))[1]
    return f"FlowCam {serial}".strip()


@lru_cache(maxsize=4096)
def _looked_at(path: Path) -> tuple[int, int, str] | str:
    """Return width, height and hash of a collage, or why it is none."""
    try:
        content = path.read_bytes()
        with opened(content) as picture:
            width, height = picture.size
    except OSError as error:
        return f"the collage cannot be opened ({error.strerror})"
    except BadPictureError as error:
        return f"the collage cannot be read ({error})"
    return width, height, hashlib.blake2b(content, digest_size=16).hexdigest()


def _collage(run: _Run, particle: Particle) -> Path | None:
    """Return where the collage of a particle lies, whatever folder it was written to."""
    name = re.split(r"[\\/]", particle.values["collage_file"])[-1]
    return run.list.parent / name if name and name not in {".", ".."} and "\0" not in name else None


def _collages(run: _Run) -> Iterator[Row | Reject]:
    """Return the collages of a run, each at the particle that names it first."""
    seen: set[Path] = set()
    told = _context(run)
    for particle in read_particles(run.list, run.layout):
        path = _collage(run, particle) if isinstance(particle, Particle) else None
        if path is None or isinstance(particle, Reject) or path in seen:
            continue
        seen.add(path)
        found = _looked_at(path)
        row: dict[str, object] = {
            "line": particle.line,
            "mediaID": f"{run.name}/{path.name}",
            "accessURI": None,
            "captureDevice": _device(told),
            "pixelsPerMillimetre": _scale(particle, told),
        }
        if isinstance(found, str):
            yield Reject(path, None, f"{found}: its regions have no picture", path.name,
                         "accessURI", "value")  # fmt: skip
        else:
            row |= {"accessURI": path.as_posix(), "format": "image/tiff",
                    "pixelXDimension": found[0], "pixelYDimension": found[1],
                    "contentHash": found[2]}  # fmt: skip
        yield row


def _scale(particle: Particle, told: dict[str, tuple[int, str]]) -> float | None:
    """Return the pixels of a millimetre."""
    micrometres = particle.scale
    if micrometres is None:
        micrometres = positive(told.get("CalibrationConstant", (0, ""))[1])
        micrometres = None if micrometres == 1 else micrometres
    return None if micrometres is None else round(1000 / micrometres, 6)


def _particles(run: _Run) -> Iterator[Row | Reject]:
    told = _context(run)
    for particle in read_particles(run.list, run.layout):
        if isinstance(particle, Reject):
            yield particle
            continue
        path, (x, y, width, height) = _collage(run, particle), particle.box
        name = run.particle(particle.number)
        row: dict[str, object] = {
            "line": particle.line,
            "occurrenceID": name,
            "eventID": run.name,
            "basisOfRecord": "MachineObservation",
            "mediaID": name,
            "derivedFromMediaID": f"{run.name}/{path.name}" if path else None,
            "pixelXDimension": width,
            "pixelYDimension": height,
            "regionOutline": f"POLYGON (({x} {y}, {x + width} {y}, {x + width} {y + height}, "
            f"{x} {y + height}, {x} {y}))",
            "pixelsPerMillimetre": _scale(particle, told),
            "captureDevice": _device(told),
        }
        size = _looked_at(path) if path else ""
        if not isinstance(size, str):
            row |= _fractions(particle.box, size[:2])
        yield row


def _fractions(box: tuple[int, int, int, int], size: tuple[int, int]) -> dict[str, float]:
    """Return a box as fractions of its collage, without what sticks out; nothing if all does."""
    x, y, width, height = box
    left, right = (min(max(edge, 0), size[0]) for edge in (x, x + width))
    top, below = (min(max(edge, 0), size[1]) for edge in (y, y + height))
    if left == right or top == below:
        return {}
    return {
        "xFrac": left / size[0], "yFrac": top / size[1],
        "widthFrac": (right - left) / size[0], "heightFrac": (below - top) / size[1],
    }  # fmt: skip


def _classes(run: _Run) -> Iterator[Row | Reject]:
    known = {p.number for p in read_particles(run.list, run.layout) if isinstance(p, Particle)}
    for file in run.classes:
        try:
            for one in read_classes(file):
                for line, number in one.numbers:
                    if number not in known:
                        yield Reject(
                            file, line, "no particle of this run", f"{number}: {one.label}"
                        )
                        continue
                    yield {
                        "line": line,
                        "occurrenceID": run.particle(number),
                        "identificationType": "media",
                        "agentType": "machine" if one.filtered else "human",
                        "verbatimIdentification": one.label,
                        "identificationVerificationStatus":
                            "PredictedByMachine" if one.filtered else None,
                        "identificationReferences": f"{file.name}, {one.classification}",
                    }  # fmt: skip
        except FormatError as error:
            reason = str(error).removeprefix(f"{file}:{error.line}: ").removeprefix(f"{file}: ")
            yield Reject(file, error.line, f"the rest of the classes is left: {reason}")


def _measurements(run: _Run) -> Iterator[Row | Reject]:
    for line, section, key, value in read_context(run.context) if run.context else ():
        yield {"line": line, "eventID": run.name, "measurementType": f"{section}/{key}",
               "measurementValue": value, "measurementUnit": _UNITS.get(key)}  # fmt: skip
    hidden = {"id", "collage_file", *PLACE}
    for particle in read_particles(run.list, run.layout):
        if isinstance(particle, Particle):
            for key, value in particle.values.items():
                if value and key not in hidden:
                    yield {"line": particle.line, "occurrenceID": run.particle(particle.number),
                           "measurementType": key, "measurementValue": value,
                           "measurementUnit": _UNITS.get(key)}  # fmt: skip


FORMAT = Format(
    name="flowcam",
    title="FlowCam: lists of particles (.lst) with collages, context and classes",
    sniff=_sniff,
    read=_read,
    fake=fake_run,
    lacks=_lacks,
    tested_on="a run of DY086 in MorphoCut's tests (version 017, 506 particles)",
)
