"""Worlds of species that are all equally common, for what pictures and barcodes say of each other.

Each species has a few specimens with a picture, a barcode and names: bodies, traits, barcodes and
nuisance are those of `merian.world`, without land, labels and trays. With real barcodes the taxa
and sequences are those of a file, and the bodies invented. Levels of one seed have the same
species and differ in nuisance alone. A world is written once: pictures, a table, and the vectors
of a frozen network; what is there is not made again.

The vectors are those of EfficientNet-Lite0 with its ImageNet weights.
"""

from __future__ import annotations

import base64
import csv
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from merian.audit.contain import Sequences, within
from merian.barcode import clean
from merian.barcode.words import as_text
from merian.errors import FormatError
from merian.files import new_folder, write_json
from merian.processes import in_processes
from merian.world.barcodes import evolve
from merian.world.biota import RANKS, Biota, make_biota
from merian.world.drawing.instrument import INSTRUMENTS
from merian.world.genealogy import draw_genealogy
from merian.world.pictures import take_pictures
from merian.world.reads import Read, read_barcode, read_given
from merian.world.reference import read_reference
from merian.world.specimens import PLATE, Specimens, draw_specimens
from merian.world.traits import evolve_traits

__all__ = ["PairedSettings", "PairedWorld", "barcode_kinds", "embed_pictures", "made_vectors",
           "made_world", "paired_world"]  # fmt: skip

NETWORK = "efficientnet-lite0"
_PARTS = ("biota", "specimens", "genealogy", "barcodes", "tubes", "traits")
_TABLE, _VECTORS, _TOLD = "records.csv", "vectors.npy", "world.json"
_AT_A_TIME = 16

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class PairedSettings:
    """What such a world is made of.

    Attributes:
        species: How many; of real barcodes those with the most, or all.
        each: Specimens of a species.
        seed: Of everything.
        level: Of nuisance, 1 to 3.
        size: Of a picture, in pixels.
        seen: Width and height in pixels at which the network sees it.
        barcodes: Real sequences with lineages; evolved ones if not given.
    """

    species: int = 2000
    each: int = 5
    seed: int = 0
    level: int = 2
    size: int = 128
    seen: int = 160
    barcodes: Path | None = None


@dataclass(frozen=True)
class PairedWorld:
    """Records of a world: one specimen each, without second entries and swapped tubes.

    Attributes:
        names: [n, ranks]; the true names from phylum to species.
        sequences: What came off the sequencer; "" where the tube failed.
        kinds: int64[n]; the number of the true barcode: reads of one are the same barcode.
        vectors: float32[n, d]; of the pictures, from the frozen network.
        seconds: How long drawing and looking took.
    """

    names: NDArray[np.str_]
    sequences: Sequence[str]
    kinds: Numbers
    vectors: NDArray[np.float32]
    seconds: float

    def __len__(self) -> int:
        return len(self.kinds)


def paired_world(folder: Path, settings: PairedSettings, processes: int = 2) -> PairedWorld:
    """Make a world in a folder, or open the one that is there."""
    told = {**asdict(settings), "barcodes": settings.barcodes and str(settings.barcodes.name)}
    if not (folder / _TOLD).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as part:
            start = time.perf_counter()
            _make(part, settings, processes)
            write_json(part / _TOLD, {**told, "seconds": round(time.perf_counter() - start, 1)})
    found = json.loads((folder / _TOLD).read_text(encoding="utf-8"))
    seconds = float(found.pop("seconds"))
    if found != told:
        raise FormatError("was made with other settings; give another folder", path=folder)
    return _open(folder, seconds)


def made_world(world: Path, folder: Path, seen: int = 160, processes: int = 2) -> PairedWorld:
    """Return the records of a world of `merian world make`.

    Args:
        world: Its folder.
        folder: Where the vectors of its pictures are kept.
        seen: Width and height in pixels at which the network sees them.
        processes: How many look.
    """
    told = {row["processid"]: row for row in _rows(world / "specimens.csv")}
    rows = _rows(world / "truth" / "specimens.csv")
    vectors = made_vectors(world, folder, seen, processes)
    own = np.array([not row["copy_of"] and not row["tube_of"] for row in rows])
    kept = [row for row, is_own in zip(rows, own, strict=True) if is_own]
    sequences = [told[row["processid"]]["dna_barcode"] for row in kept]
    names = np.array([[row[rank] for rank in RANKS] for row in kept])
    own_vectors = vectors[own].astype(np.float32)
    return PairedWorld(names, sequences, barcode_kinds(sequences), own_vectors, 0.0)


def made_vectors(
    world: Path, folder: Path, seen: int = 160, processes: int = 2
) -> NDArray[np.float16]:
    """Return the vectors of the pictures of all records of a world of `merian world make`.

    Args:
        world: Its folder.
        folder: Where the vectors are kept.
        seen: Width and height in pixels at which the network sees the pictures.
        processes: How many look.
    """
    if not (folder / _VECTORS).is_file():
        rows = _rows(world / "truth" / "specimens.csv")
        files = [str(world / "images" / f"{row['processid']}.jpg") for row in rows]
        with new_folder(folder) as part:
            np.save(part / _VECTORS, _looked_at(files, seen, processes))
    found: NDArray[np.float16] = np.load(folder / _VECTORS)
    return found


def barcode_kinds(sequences: Sequence[str]) -> Numbers:
    """Return the number of each barcode: what lies within another, on either strand, is that one.

    An empty one has a number of its own.
    """
    plain = [clean(text).strip("N") for text in sequences]
    distinct = list(dict.fromkeys(text for text in plain if text))
    start = np.cumsum([0, *map(len, distinct)], dtype=np.int64)
    laid = Sequences(as_text("".join(distinct)), start)
    group = np.arange(len(distinct), dtype=np.int32)
    holds = within(laid, laid, group, group).of_pattern
    root = list(range(len(distinct)))

    def top(one: int) -> int:
        while root[one] != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    for one, other in enumerate(holds.tolist()):
        if other >= 0:
            low, high = sorted((top(one), top(other)))
            root[high] = low
    number = {text: top(one) for one, text in enumerate(distinct)}
    return np.array(
        [number[text] if text else len(distinct) + row for row, text in enumerate(plain)], np.int64
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _open(folder: Path, seconds: float) -> PairedWorld:
    rows = _rows(folder / _TABLE)
    vectors = np.load(folder / _VECTORS).astype(np.float32)
    # A second entry is the same specimen, and a swapped tube another one's barcode.
    own = np.array([row["own"] == "1" for row in rows])
    kept = [row for row, is_own in zip(rows, own, strict=True) if is_own]
    return PairedWorld(
        np.array([[row[rank] for rank in RANKS] for row in kept]),
        [row["sequence"] for row in kept],
        np.array([int(row["kind"]) for row in kept]),
        vectors[own],
        seconds,
    )


def _make(folder: Path, settings: PairedSettings, processes: int) -> None:
    def rng(part: str, *more: int) -> np.random.Generator:
        return np.random.default_rng([settings.seed, 0, _PARTS.index(part), *more])

    reference = read_reference(settings.barcodes, settings.species) if settings.barcodes else None
    biota = (
        reference.biota(rng("biota")) if reference else make_biota(settings.species, rng("biota"))
    )
    species = np.repeat(np.arange(len(biota), dtype=np.int32), settings.each)
    specimens = draw_specimens(
        biota, len(species), settings.level, np.zeros(len(biota), np.int8),
        rng("specimens", settings.level), rng("specimens").permutation(species),
    )  # fmt: skip
    reading = rng("tubes", settings.level)
    if reference:
        kinds = reference.pick(biota, specimens.species, rng("barcodes"))
        sequences = reference.sequences
        reads = [read_given(sequences[kind], settings.level, reading) for kind in kinds.tolist()]
        kinds = barcode_kinds([sequences[kind] for kind in kinds.tolist()])
    else:
        genealogy = draw_genealogy(biota, specimens.species, rng("genealogy"))
        bases = evolve(genealogy, biota.plan_of_nodes(), rng("barcodes"))
        reads = [read_barcode(row, settings.level, reading) for row in bases]
        kinds = np.unique(bases, axis=0, return_inverse=True)[1].ravel()
    names = [f"P{number:06d}" for number in range(len(specimens))]
    traits = evolve_traits(biota, rng("traits"))
    instruments = (specimens.first_entry // PLATE % len(INSTRUMENTS)).astype(np.int8)
    take_pictures(
        folder / "images", folder / "masks", names, biota, traits, specimens, instruments,
        seed=settings.seed, level=settings.level, size=settings.size, processes=processes,
    )  # fmt: skip
    files = [str(folder / "images" / f"{name}.jpg") for name in names]
    np.save(folder / _VECTORS, _looked_at(files, settings.seen, processes))
    _write_table(folder / _TABLE, names, biota, specimens, kinds, reads)


def _write_table(
    path: Path,
    names: Sequence[str],
    biota: Biota,
    specimens: Specimens,
    kinds: Numbers,
    reads: Sequence[Read],
) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "own", "kind", *RANKS, "sequence"])
        for number, name in enumerate(names):
            own = specimens.copy_of[number] < 0 and specimens.tube[number] == number
            lineage = biota.lineage(int(specimens.species[number]))
            tube = int(specimens.tube[number])
            writer.writerow([name, int(own), kinds[tube], *lineage, reads[tube].sequence])


def _looked_at(files: Sequence[str], seen: int, processes: int) -> NDArray[np.float16]:
    texts = in_processes(
        "merian.bench.paired_world:embed_pictures", files, str(seen),
        processes=processes, worth=40, slice_of=_AT_A_TIME * 8,
    )  # fmt: skip
    return np.stack([np.frombuffer(base64.b64decode(text), np.float16) for text in texts])


def embed_pictures(files: list[str], seen: str) -> list[str]:
    """Return the vector of each picture as text; called in each process."""
    import torch  # noqa: PLC0415 - an extra

    from merian.image.transforms import square  # noqa: PLC0415
    from merian.pictures import read_picture  # noqa: PLC0415
    from merian.threads import one_thread  # noqa: PLC0415

    network, size = _network(), int(seen)
    found: list[str] = []
    with one_thread(), torch.inference_mode():
        for first in range(0, len(files), _AT_A_TIME):
            some = files[first : first + _AT_A_TIME]
            pixels = np.stack(
                [square(Image.fromarray(read_picture(Path(f), size).pixels), size) for f in some]
            )
            given = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
            told = network.features(given).float()
            rows = torch.nn.functional.normalize(told, dim=1).numpy().astype(np.float16)
            found += [base64.b64encode(row.tobytes()).decode("ascii") for row in rows]
    return found


_KEPT: list[Any] = []  # the network, opened once in a process


def _network() -> Any:
    if not _KEPT:
        from merian.image.efficientnet_lite import load_pretrained  # noqa: PLC0415 - torch

        _KEPT.append(load_pretrained(NETWORK).eval())
    return _KEPT[0]
