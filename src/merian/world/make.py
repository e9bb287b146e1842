"""Making a world: a folder as a field campaign leaves it, and beside it what is true.

The folder holds::

    specimens.csv   BIOSCAN-5M's columns, px_per_mm, event_date and instrument: what users have
    images/         a picture for each record
    trays/          bulk photographs and trays.coco.json
    quadrats/       pictures of the seafloor and quadrats.csv
    checklist/      a Catalogue of Life Data Package of what has been described
    environment/    rasters of climate and relief, GeoTIFF
    accounts/       what the books say of each species
    truth/          what is so; read by tests and benches and by nothing else
    world.json      how it was made

A world is a function of its settings and its seed. World version 1 is frozen: a later part may add
to it, but not make it easier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError
from merian.files import check_outside, new_folder, write_json
from merian.stamp import run_id, stamp
from merian.world import tables
from merian.world.accounts import write_accounts
from merian.world.barcodes import evolve
from merian.world.biota import PLANS, RANKS, Biota, make_biota
from merian.world.checklist import write_checklist
from merian.world.drawing.instrument import INSTRUMENTS
from merian.world.environment import make_environment, write_environment
from merian.world.genealogy import bins, draw_genealogy
from merian.world.labels import PRESETS, Label, draw_synonyms, write_labels
from merian.world.pictures import take_pictures
from merian.world.quadrats import write_quadrats
from merian.world.ranges import collect, make_ranges
from merian.world.reads import Read, read_barcode, read_given
from merian.world.reference import Reference, read_reference
from merian.world.specimens import PLATE, Specimens, draw_specimens, withhold
from merian.world.traits import Traits, evolve_traits
from merian.world.trays import write_trays

__all__ = ["Settings", "make_world"]

# The number of a part seeds its generator: new parts are added at the end.
_PARTS = (
    "biota", "environment", "ranges", "withheld", "specimens", "genealogy", "barcodes", "tubes",
    "labels", "synonyms", "checklist", "traits", "places", "splits", "accounts", "trays",
    "quadrats",
)  # fmt: skip
# A real family may hold most species of a reference, and a world needs some that are known.
_LARGEST_WITHHELD = 0.2
_SPLITS, _SPLIT_SHARES = ("train", "val", "test"), (0.7, 0.1, 0.2)

Progress = Callable[[str, float, float], None]


@dataclass(frozen=True)
class Settings:
    """What a world is made of.

    Attributes:
        species: How many there are; fewer are found.
        specimens: How many records.
        seed: Of everything.
        level: Of nuisance and of errors: 1 a careful studio, 2 a good collection, 3 the field.
        labels: Which names the records have; a key of PRESETS.
        size: Width and height of a picture, in pixels.
        trays: How many bulk photographs.
        quadrats: How many pictures of the seafloor.
        pictures: Whether the records have pictures.
    """

    species: int = 200
    specimens: int = 1000
    seed: int = 0
    level: int = 2
    labels: str = "museum"
    size: int = 256
    trays: int = 2
    quadrats: int = 4
    pictures: bool = True

    def check(self) -> None:
        """Say what cannot be made."""
        limits = {
            "species": (6, 2_000_000), "specimens": (1, 50_000_000), "level": (1, 3),
            "seed": (0, 2**63), "size": (64, 4096), "trays": (0, 100_000), "quadrats": (0, 100_000),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"--{name} {value}: expected a number from {low} to {high:,}")
        if self.labels not in PRESETS:
            raise InputError(f"--labels {self.labels}: expected one of {', '.join(PRESETS)}")


def make_world(
    out: Path | str,
    settings: Settings,
    *,
    barcodes: Path | None = None,
    force: bool = False,
    processes: int = 2,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Make a world in a new folder, all of it or nothing, and return what it holds.

    Args:
        out: The folder to make.
        settings: What it is made of.
        barcodes: Real sequences with their lineages, in any format that can be imported. The
            world then has their taxa and barcodes, with invented bodies.
        force: Replace a world that is there.
        processes: How many draw pictures.
        progress: Is told what is being done, how much is done and of how much.
    """
    settings.check()
    out = Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        if not (out / "world.json").is_file():
            raise InputError(f"{out}: is no world, so it is not replaced; name another folder")
        if not force:
            raise InputError(f"{out}: is there already; name another folder or give --force")
    check_outside(out)
    tell = progress or (lambda *_: None)
    reference = read_reference(barcodes, settings.species) if barcodes else None
    with new_folder(out) as folder:
        return _make(folder, settings, reference, processes, tell)


def _stream(settings: Settings, part: str) -> np.random.Generator:
    """Return the generator of one part: what one part draws does not change another."""
    return np.random.default_rng([settings.seed, 0, _PARTS.index(part)])


def _make(
    folder: Path, settings: Settings, reference: Reference | None, processes: int, tell: Progress
) -> dict[str, int]:
    def rng(part: str) -> np.random.Generator:
        return _stream(settings, part)

    tell("growing the tree", 0, 1)
    biota = (
        reference.biota(rng("biota")) if reference else make_biota(settings.species, rng("biota"))
    )
    unknown = withhold(biota, rng("withheld"), _LARGEST_WITHHELD if reference else 1.0)
    specimens = draw_specimens(biota, settings.specimens, settings.level, unknown, rng("specimens"))
    synonyms = draw_synonyms(biota, unknown, rng("synonyms"))
    labels = write_labels(
        biota, specimens, synonyms, settings.labels, settings.level, rng("labels")
    )
    traits = evolve_traits(biota, rng("traits"))
    tell("reading the barcodes", 0, 1)
    reads, kinds, clusters = _reads(biota, specimens, reference, settings)
    names = [f"W{settings.seed}-{number:06d}" for number in range(len(specimens))]
    tell("making land and sea", 0, 1)
    environment = make_environment(rng("environment"))
    ranges = make_ranges(biota, environment, rng("ranges"))
    entered = specimens.first_entry
    places = collect(ranges, environment, specimens.species, rng("places")).of(entered)
    # One plate is photographed with one instrument.
    instruments = (entered // PLATE % len(INSTRUMENTS)).astype(np.int8)
    taken = None
    if settings.pictures:
        taken = take_pictures(
            folder / "images", folder / "truth" / "masks", names, biota, traits, specimens,
            instruments, seed=settings.seed, level=settings.level, size=settings.size,
            processes=processes, progress=lambda done, all: tell("taking pictures", done, all),
        )  # fmt: skip
    tell("writing the tables", 0, 1)
    write_environment(environment, folder / "environment")
    write_checklist(folder / "checklist", biota, unknown, synonyms, rng("checklist"))
    described = np.flatnonzero(unknown == 0)
    write_accounts(biota, traits, ranges, folder / "accounts", rng("accounts"), described)
    splits = _splits(specimens, labels, kinds, rng("splits"))
    records = tables.Records(
        names, biota, specimens, labels, reads, clusters, places, instruments, taken, splits
    )
    tables.write_specimens(folder / "specimens.csv", records)
    tables.write_truth(folder / "truth", records, synonyms, unknown)
    bulk = _bulk(folder, settings, biota, traits, unknown, tell)
    counts = {
        "species": len(biota), "specimens": len(specimens),
        "withheld species": int(np.sum(unknown > 0)),
        "pictures": len(names) if taken else 0,
        "barcodes": sum(bool(read.sequence) for read in reads),
        **bulk,
    }  # fmt: skip
    decisive = {**asdict(settings), "reference": reference.hash if reference else None}
    write_json(
        folder / "world.json",
        {
            "merian": stamp("merian-world", "1.0", run_id("world", decisive)),
            "settings": decisive,
            "counts": counts,
        },
    )
    return counts


def _reads(
    biota: Biota, specimens: Specimens, reference: Reference | None, settings: Settings
) -> tuple[list[Read], NDArray[np.int64], NDArray[np.int32] | None]:
    """Return the read of every record, the number of its true sequence, and its cluster (BIN)."""
    chance = _stream(settings, "tubes")
    if reference:
        kinds = reference.pick(biota, specimens.species, chance)
        reads = [
            read_given(reference.sequences[kind], settings.level, chance) for kind in kinds.tolist()
        ]
        clusters = None
    else:
        genealogy = draw_genealogy(biota, specimens.species, _stream(settings, "genealogy"))
        bases = evolve(genealogy, biota.plan_of_nodes(), _stream(settings, "barcodes"))
        reads = [read_barcode(row, settings.level, chance) for row in bases]
        kinds = np.unique(bases, axis=0, return_inverse=True)[1].ravel().astype(np.int64)
        clusters = bins(genealogy)
        # Numbered at random: the tree's own order would tell what a BIN without a name is near to.
        clusters = chance.permutation(int(clusters.max()) + 1).astype(np.int32)[clusters]
        clusters = clusters[specimens.tube]
    in_tube = [reads[tube] for tube in specimens.tube.tolist()]
    return in_tube, kinds[specimens.tube], clusters


def _splits(
    specimens: Specimens, labels: list[Label], kinds: NDArray[np.int64], rng: np.random.Generator
) -> list[str]:
    """Return the split of every record. Equal barcodes of a species never stand in two of them."""
    drawn = rng.choice(len(_SPLITS), size=int(kinds.max(initial=0)) + 1, p=_SPLIT_SHARES)
    found = []
    for record, label in enumerate(labels):
        named = bool(label.names[-1]) and label.dirty != "number"
        if named:
            found.append(_SPLITS[drawn[kinds[record]]])
        else:
            found.append("test_unseen" if specimens.withheld[record] else "pretrain")
    return found


def _bulk(
    folder: Path,
    settings: Settings,
    biota: Biota,
    traits: Traits,
    unknown: NDArray[np.int8],
    tell: Progress,
) -> dict[str, int]:
    """Write the trays and the quadrats and return how many there are."""
    truth = folder / "truth"
    colony = biota.plan == PLANS.index("colony")
    # A reference may have nothing that is laid in trays, or nothing that grows in quadrats.
    trays = 0 if colony.all() else settings.trays
    quadrats = settings.quadrats if colony.any() else 0
    labelled = [_standing(biota, unknown, species) for species in range(len(biota))]
    if trays:
        tell("laying out the trays", 0, 1)
        write_trays(
            folder / "trays", truth / "trays", biota, traits, labelled, trays,
            settings.level, _stream(settings, "trays"),
        )  # fmt: skip
    if quadrats:
        tell("diving for the quadrats", 0, 1)
        write_quadrats(
            folder / "quadrats", truth / "quadrats", biota, traits, labelled, quadrats,
            settings.level, _stream(settings, "quadrats"),
        )  # fmt: skip
    return {"trays": trays, "quadrats": quadrats}


def _standing(biota: Biota, unknown: NDArray[np.int8], species: int) -> str:
    """Return the lowest name that a species has been given."""
    rank = len(RANKS) - 1 - int(unknown[species])
    return biota.name(species, rank)
