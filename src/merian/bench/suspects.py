"""How many planted faults a screening of references finds, and how many good records fall.

Into real barcodes are planted what the synthetic world calls a NUMT (bases drifted, one or two
lost), single bases lost or doubled, chimeras of two families, sequences of another gene and
shuffled ones. In a synthetic world the truth of every record is known. Both are built as
`merian library build --screen` builds them.
"""

from __future__ import annotations

import csv
import random
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from merian.bench.realism import share_figure
from merian.bench.yardstick import PLACE, Row, load_yardstick, rows_of
from merian.library import Screening, Settings, build_library
from merian.library.screening import CHIMERA
from merian.world import Settings as WorldSettings
from merian.world import make_world

__all__ = ["plant_faults", "run"]

_FAMILY = 3  # its place among the names of a row
_DRIFT = (0.03, 0.07)
_CUT = (0.25, 0.75)  # of the length: where the templates of a chimera meet

Figures = dict[str, dict[str, object]]


def run(
    *,
    yardstick: Path = PLACE,
    sources: str = "coi,insects",
    planted: int = 100,
    seeds: int = 3,
    specimens: int = 5000,
) -> Figures:
    """Plant faults and look for them.

    Args:
        yardstick: The script; the real data lies where it looks for it.
        sources: Of real barcodes, with commas between; empty for none.
        planted: How many of each kind.
        seeds: How often.
        specimens: Of the synthetic world; 0 for none.
    """
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        folder = Path(made)
        for source in filter(None, sources.split(",")):
            ruler = load_yardstick(yardstick)
            own, other = rows_of(ruler, source), rows_of(ruler, "its1")
            figures |= _real(folder, source, own, other, planted, seeds)
            if source == "coi":
                aside = _aside(folder / "its1", other)
                figures["its1: fall"] = _share([key in aside for key, *_ in other], "% of records")
        if specimens:
            figures |= _world(folder / "world", specimens)
    return figures


def _real(
    folder: Path, source: str, rows: Sequence[Row], other: Sequence[Row], count: int, seeds: int
) -> Figures:
    before = _aside(folder / f"{source}_before", rows)
    found: dict[str, list[bool]] = {}
    fell: list[bool] = []
    for seed in range(seeds):
        faults = plant_faults(rows, other, count, random.Random(seed))  # noqa: S311 nothing secret
        whole = [*rows, *(row for planted in faults.values() for row in planted)]
        aside = _aside(folder / f"{source}_{seed}", whole)
        for kind, planted in faults.items():
            found.setdefault(kind, []).extend(key in aside for key, *_ in planted)
        fell += [key in aside for key, *_ in rows if key not in before]
    figures = {
        f"{source}: found, {kind}": _share(hits, "% of those planted")
        for kind, hits in found.items()
    }
    real = [key in before for key, *_ in rows]
    chimeras = [before.get(key, "").startswith(CHIMERA) for key, *_ in rows]
    figures[f"{source}: set aside with nothing planted"] = _share(real, "% of records")
    figures[f"{source}: of these, as chimeras"] = _share(chimeras, "% of records")
    figures[f"{source}: fall for what is planted beside them"] = _share(fell, "% of records")
    return figures


def plant_faults(
    rows: Sequence[Row], other: Sequence[Row], count: int, chance: random.Random
) -> Mapping[str, Sequence[Row]]:
    """Return planted records, by what is wrong with them.

    Args:
        rows: The real ones; the fourth name of each is its family.
        other: Of another gene.
        count: How many of each kind.
        chance: Of the choice.
    """
    long = [row for row in rows if len(row[1]) >= 500 and row[2][_FAMILY]]
    length = Counter(len(row[1]) for row in long).most_common(1)[0][0]
    same = [row for row in long if len(row[1]) == length]  # the same stretch of the gene
    found: dict[str, list[Row]] = {}
    for number in range(count):
        _, text, names = chance.choice(long)
        found.setdefault("pseudogenes", []).append((f"n{number}", _drifted(text, chance), names))
        place = chance.randrange(len(text))
        slipped = text[:place] + text[place + 1 :] if chance.random() < 0.5 else (
            text[:place] + text[place] + text[place:]
        )  # fmt: skip
        found.setdefault("a base lost or doubled", []).append((f"i{number}", slipped, names))
        one, two = chance.sample(same, 2)
        while one[2][_FAMILY] == two[2][_FAMILY]:
            one, two = chance.sample(same, 2)
        cut = int(chance.uniform(*_CUT) * length)
        joined = one[1][:cut] + two[1][cut:]
        found.setdefault("chimeras of two families", []).append((f"c{number}", joined, names))
        found.setdefault("another gene", []).append((f"g{number}", chance.choice(other)[1], names))
        shuffled = "".join(chance.sample(text, len(text)))
        found.setdefault("shuffled", []).append((f"s{number}", shuffled, names))
    return found


def _drifted(text: str, chance: random.Random) -> str:
    """Return a copy that has drifted as those of the synthetic world."""
    share = chance.uniform(*_DRIFT)
    letters = [chance.choice("ACGT") if chance.random() < share else x for x in text]
    for _ in range(chance.randint(1, 2)):
        del letters[chance.randrange(len(letters))]
    return "".join(letters)


def _aside(folder: Path, rows: Sequence[Row]) -> dict[str, str]:
    """Build a library of rows and return the reasons of those that are set aside, by id."""
    folder.mkdir()
    path = folder / "references.fasta"
    with path.open("w", encoding="ascii") as stream:
        for key, text, names in rows:
            letters = zip("pcofgs", names, strict=True)
            tax = ",".join(f"{letter}:{name}" for letter, name in letters if name)
            stream.write(f">{key};tax={tax};\n{text}\n")
    return _screened(path, folder / "library")


def _screened(path: Path, out: Path) -> dict[str, str]:
    settings = Settings(screening=Screening.of(None))
    done = build_library([path], out, settings=settings)
    assert done.rejects is not None
    with done.rejects.open(encoding="utf-8", newline="") as stream:
        return {row["id"]: row["reason"] for row in csv.DictReader(stream, delimiter="\t")}


def _world(folder: Path, specimens: int) -> Figures:
    species = specimens // 12
    settings = WorldSettings(species, specimens, level=3, trays=0, quadrats=0, pictures=False)
    make_world(folder, settings)
    aside = _screened(folder, folder.parent / "world_library")
    hits: dict[str, list[bool]] = {}
    with (folder / "truth" / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["missing_barcode"] == "1":
                continue
            slipped = "a base lost or doubled" if int(row["slipped"]) else "good"
            kind = "pseudogenes" if row["numt"] == "1" else slipped
            hits.setdefault(kind, []).append(row["processid"] in aside)
    told = {kind: f"world: found, {kind}" for kind in hits} | {"good": "world: good records fall"}
    return {told[kind]: _share(found, "% of them") for kind, found in sorted(hits.items())}


def _share(hits: Sequence[bool], unit: str) -> dict[str, object]:
    return share_figure(np.array(hits, bool), unit).row()
