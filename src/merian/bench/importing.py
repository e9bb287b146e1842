"""How fast a table shaped like BIOSCAN-5M is imported, and in how much memory.

The table has the 23 columns of the real one, barcodes of some 660 nucleotides, 20,000 species of
which few specimens have one (9 % a species, 24 % a genus, 96 % a family, as published), and one
row in a thousand is damaged in a known way: a field too many, a latitude beyond the pole, a
protein in place of the barcode. The import runs in a process of its own, with the reader that a
user has, and everything that went in must be counted at the end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = ["run", "write_metadata"]

NAME = "import"

_COLUMNS = (
    "processid,sampleid,taxon,phylum,class,order,family,subfamily,genus,species,dna_bin,"
    "dna_barcode,country,province_state,coord-lat,coord-lon,image_measurement_value,"
    "area_fraction,scale_factor,inferred_ranks,split,index_bioscan_1M_insect,chunk"
)
_LENGTH = 660
_SPECIES, _LINEAGES = 20_000, 2_000
_BATCH = 10_000
_NUCLEOTIDES = np.frombuffer(b"ACGT", dtype=np.uint8)
_SPLITS = ("pretrain",) * 18 + ("train", "other_heldout")
_PLACES = (
    ("Costa Rica", "Guanacaste", 10.8, -85.6),
    ("Costa Rica", "Puntarenas", 9.7, -84.9),
    ("Canada", "Ontario", 43.5, -80.2),
    ("South Africa", "Mpumalanga", -24.9, 31.6),
    ("Thailand", "Nakhon Nayok", 14.3, 101.4),
)
_ORDERS = ("Diptera", "Hymenoptera", "Lepidoptera", "Coleoptera", "Hemiptera", "Psocodea")


def run(
    *, rows: int = 1_000_000, seed: int = 0, folder: Path | None = None
) -> dict[str, dict[str, object]]:
    """Write the table, import it in a child process, and measure that.

    Args:
        rows: Rows of the table.
        seed: Of its content.
        folder: Where to work; it must have room for three times the table. A temporary one if
            not given.
    """
    with tempfile.TemporaryDirectory(prefix="merian-bench-", dir=folder) as made:
        table = Path(made) / "metadata.csv"
        bad = write_metadata(table, rows, seed)
        size = table.stat().st_size / 2**30
        start = time.perf_counter()
        child = subprocess.run(
            [
                sys.executable,
                "-m",
                "merian.bench.importing",
                str(table),
                str(Path(made) / "catalogue"),
            ],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds = time.perf_counter() - start
        told = json.loads(child.stdout)
        stored = sum(f.stat().st_size for f in Path(made).glob("catalogue/*")) / 2**30
    expected = {
        "occurrence": rows - bad["fields"],
        "sequence": rows - bad["fields"] - bad["protein"],
        "row rejects": bad["fields"],
        "value rejects": bad["latitude"] + bad["protein"],
    }
    wrong = {name: told[name] for name, count in expected.items() if told[name] != count}
    if wrong:
        raise RuntimeError(f"expected {expected}, the catalogue holds {wrong}")
    return {
        "rows per second": {"value": round(rows / seconds), "n": rows, "unit": "rows/s"},
        "seconds": {"value": round(seconds, 2), "n": rows, "unit": "s, whole process"},
        "peak memory": {"value": round(told["peak"], 3), "n": 1, "unit": "GiB"},
        "table": {"value": round(size, 3), "n": rows, "unit": "GiB"},
        "catalogue": {"value": round(stored, 3), "n": rows, "unit": "GiB"},
        "rows counted": {"value": told["occurrence"], "n": rows, "unit": "occurrences"},
    }


def write_metadata(path: Path, rows: int, seed: int = 0) -> dict[str, int]:
    """Write the table and return how many rows are damaged in which way."""
    rng = np.random.default_rng(seed)
    lineages = _NUCLEOTIDES[rng.integers(0, 4, (_LINEAGES, _LENGTH))]
    names = _names(rng)
    damaged = {"fields": 0, "latitude": 0, "protein": 0}
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(_COLUMNS + "\n")
        for first in range(0, rows, _BATCH):
            count = min(_BATCH, rows - first)
            species = (rng.random(count) ** 2 * _SPECIES).astype(int)
            barcodes = lineages[species % _LINEAGES]
            changed = rng.random((count, _LENGTH)) < 0.02
            barcodes[changed] = _NUCLEOTIDES[rng.integers(0, 4, int(changed.sum()))]
            draws = rng.random((count, 8))
            lines = [
                _line(
                    first + i, names[species[i]], barcodes[i].tobytes().decode(), draws[i].tolist()
                )
                for i in range(count)
            ]
            _damage(lines, first, damaged)
            stream.write("\n".join(lines) + "\n")
    return damaged


def _names(rng: np.random.Generator) -> list[tuple[str, ...]]:
    """Return order, family, subfamily, genus, species and BIN of every species."""
    letters = np.array(list("abcdefghiklmnoprstuvxyz"))
    words = ["".join(w) for w in letters[rng.integers(0, len(letters), (_SPECIES + 10_000, 6))]]
    found: list[tuple[str, ...]] = []
    for number in range(_SPECIES):
        genus = words[_SPECIES + number % 7_000].capitalize()
        family = words[_SPECIES + 7_000 + number % 900].capitalize()
        subfamily = words[_SPECIES + 8_000 + number % 1_500].capitalize()
        bins = f"BOLD:A{chr(65 + number // 10_000)}A{number % 10_000:04d}"
        found.append(
            (
                _ORDERS[number % len(_ORDERS)],
                family + "idae",
                subfamily + "inae",
                genus,
                f"{genus} {words[number]}",
                bins,
            )
        )
    return found


def _line(number: int, names: tuple[str, ...], barcode: str, draw: list[float]) -> str:
    order, family, subfamily, genus, species, cluster = names
    family = family if draw[0] < 0.958 else ""
    subfamily = subfamily if draw[1] < 0.286 else ""
    genus = genus if draw[2] < 0.238 else ""
    species = species if draw[2] < 0.092 else ""
    taxon = species or genus or subfamily or family or order
    country, province, latitude, longitude = _PLACES[int(draw[3] * len(_PLACES))]
    latitude += int(draw[4] * 200) / 1000
    pixels = int(draw[5] * 90_000) + 1_000
    return (
        f"BENCH{number:08d}-26,BIOUG{number:08d},{taxon},Arthropoda,Insecta,{order},{family},"
        f"{subfamily},{genus},{species},{cluster},{barcode},{country},{province},{latitude:.3f},"
        f"{longitude},{pixels}.0,{draw[6]:.4f},{0.5 + draw[7]:.4f},0,"
        f"{_SPLITS[int(draw[4] * len(_SPLITS))]},,{number % 256:02x}"
    )


def _damage(lines: list[str], first: int, damaged: dict[str, int]) -> None:
    """Damage one line in a thousand, by its number, each time in another way."""
    kinds: Sequence[str] = ("fields", "latitude", "protein")
    for i in range(-first % 1000, len(lines), 1000):
        kind = kinds[(first + i) // 1000 % len(kinds)]
        fields = lines[i].split(",")
        if kind == "fields":
            fields.append("extra")
        elif kind == "latitude":
            fields[14] = "95.5"
        else:
            fields[11] = "MKLEQNWFPT" * 20
        lines[i] = ",".join(fields)
        damaged[kind] += 1


def _import(table: Path, catalogue: Path) -> dict[str, float]:
    """Import the table in this process and return what was counted and the peak of memory."""
    import resource  # noqa: PLC0415  not on every system, and only the child needs it

    from merian.catalogue import Catalogue  # noqa: PLC0415
    from merian.formats import Options, find_format  # noqa: PLC0415

    with Catalogue.create(catalogue) as made:
        made.ingest(find_format("bioscan-5m").read(table, Options()))
        told = {
            "occurrence": "SELECT count(DISTINCT occurrenceID) FROM occurrence",
            "sequence": "SELECT count(sequence) FROM sequence",
            "row rejects": "SELECT count(*) FROM rejects WHERE scope = 'row'",
            "value rejects": "SELECT count(*) FROM rejects WHERE scope = 'value'",
        }
        counts = {name: float(str(made.query(sql).value())) for name, sql in told.items()}
    unit = 1 if sys.platform == "darwin" else 1024
    return {**counts, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_import(Path(sys.argv[1]), Path(sys.argv[2]))))
