"""The tables of a world: what users have, and what is true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from merian.files import write_text
from merian.formats.bioscan5m import COLUMNS, FURTHER
from merian.formats.delimited import write_delimited
from merian.world.biota import RANKS, Biota
from merian.world.labels import Label, Synonym
from merian.world.pictures import Taken
from merian.world.ranges import Collecting
from merian.world.reads import Read
from merian.world.specimens import PLATE, STATES, WITHHELD, Specimens

__all__ = ["Records", "write_specimens", "write_truth"]

_WELLS = [f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 13)][:PLATE]
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TRUTH = (
    "processid", *RANKS, "species_number", "withheld", "label", "label_fault", "mislabelled",
    "tube_of", "copy_of", "state", "missing_barcode", "reverse", "numt", "slipped", "start", "stop",
    "instrument", "scale", "scale_mm", "px_per_mm", "organism_px", "elevation", "site",
)  # fmt: skip


@dataclass(frozen=True)
class Records:
    """All that is known of the records of a world, column by column."""

    names: Sequence[str]
    biota: Biota
    specimens: Specimens
    labels: Sequence[Label]
    reads: Sequence[Read]
    clusters: NDArray[np.int32] | None
    places: Collecting
    instruments: NDArray[np.int8]
    taken: Sequence[Taken] | None
    splits: Sequence[str]


def write_specimens(path: Path, records: Records) -> None:
    """Write the table that users have."""
    rows = (_specimen(records, number) for number in range(len(records.names)))
    write_delimited(path, (*COLUMNS, *FURTHER), rows, ",")


def _specimen(records: Records, number: int) -> list[str]:
    label, read, places = records.labels[number], records.reads[number], records.places
    taken = records.taken[number] if records.taken else None
    phylum, class_, order, family, genus, species = label.names
    cluster = records.clusters[number] if records.clusters is not None else -1
    values = {
        "processid": records.names[number],
        "sampleid": f"P{number // PLATE:04d}-{_WELLS[number % PLATE]}",
        "taxon": label.lowest,
        "phylum": phylum, "class": class_, "order": order, "family": family, "genus": genus,
        "species": species,
        "dna_bin": _bin(int(cluster)) if cluster >= 0 and read.sequence else "",
        "dna_barcode": read.sequence,
        "country": places.country[number],
        "province_state": places.province[number],
        "coord-lat": _number(places.latitude[number]),
        "coord-lon": _number(places.longitude[number]),
        "inferred_ranks": "0",
        "split": records.splits[number],
        "px_per_mm": f"{taken.px_per_mm:.4f}" if taken else "",
        "event_date": places.date[number],
        "instrument": f"camera-{records.instruments[number] + 1}" if taken else "",
    }  # fmt: skip
    return [values.get(column, "") for column in (*COLUMNS, *FURTHER)]


def _bin(number: int) -> str:
    """Return a cluster's number in the form of a BIN."""
    letters, digits = divmod(number, 10_000)
    high, low = divmod(letters, 26)
    return f"BOLD:{_LETTERS[high // 26 % 26]}{_LETTERS[high % 26]}{_LETTERS[low]}{digits:04d}"


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6g}"


def write_truth(
    folder: Path, records: Records, synonyms: Sequence[Synonym], unknown: NDArray[np.int8]
) -> None:
    """Write what is true of the species and of every record."""
    biota, specimens = records.biota, records.specimens
    write_delimited(
        folder / "species.csv",
        ("species_number", *RANKS, "withheld", "abundance", "plan", "synonym"),
        _species(biota, synonyms, unknown),
        ",",
    )
    write_text(folder / "tree.nwk", biota.newick() + "\n")
    count = range(len(records.names))
    write_delimited(folder / "specimens.csv", _TRUTH, (_true(records, n) for n in count), ",")
    if records.taken is None:
        return
    measures = (
        [records.names[n], biota.names[-1][int(specimens.species[n])], name, f"{value:.5g}"]
        for n in count
        for name, value in records.taken[n].measures.items()
    )
    write_delimited(
        folder / "measures.csv", ("processid", "species", "measure", "value"), measures, ","
    )
    landmarks = (
        [records.names[n], name, f"{x:.2f}", f"{y:.2f}"]
        for n in count
        for name, (x, y) in records.taken[n].landmarks.items()
    )
    write_delimited(folder / "landmarks.csv", ("processid", "landmark", "x", "y"), landmarks, ",")


def _species(
    biota: Biota, synonyms: Sequence[Synonym], unknown: NDArray[np.int8]
) -> Iterable[list[str]]:
    others = {synonym.species: synonym.name for synonym in synonyms}
    for number in range(len(biota)):
        yield [
            str(number), *biota.lineage(number), WITHHELD[unknown[number]],
            f"{biota.abundance[number]:.6g}", str(biota.plan[number]), others.get(number, ""),
        ]  # fmt: skip


def _true(records: Records, number: int) -> list[str]:
    specimens, read, label = records.specimens, records.reads[number], records.labels[number]
    species, first = int(specimens.species[number]), int(specimens.copy_of[number])
    tube = int(specimens.tube[number])
    taken = records.taken[number] if records.taken else None
    return [
        records.names[number], *records.biota.lineage(species), str(species),
        WITHHELD[specimens.withheld[number]], label.lowest, label.dirty,
        str(int(specimens.called[number] != species)),
        records.names[tube] if tube != (first if first >= 0 else number) else "",
        records.names[first] if first >= 0 else "",
        STATES[specimens.state[number]] if taken else "",
        str(int(not read.sequence)), str(int(read.reverse)), str(int(read.numt)),
        str(read.slipped), str(read.start), str(read.stop),
        str(int(records.instruments[number])),
        *((taken.scale, f"{taken.scale_mm:g}", f"{taken.px_per_mm:.6g}", str(taken.organism))
          if taken else ("", "", "", "")),
        _number(float(records.places.elevation[number])), str(int(records.places.site[number])),
    ]  # fmt: skip
