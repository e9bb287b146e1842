"""How many swapped BINs and badly read sequences an audit of a reference tells, and what else.

In real COI some records get the BIN of another record, any or one of its genus; beside them are
added shuffled sequences, some on the other strand, pseudogenes, sequences with a base lost or
doubled, and ITS1. Then the whole is audited once. What is told of records to which nothing was
done is counted too; some of these are faults of the real data.
"""

from __future__ import annotations

import csv
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from merian.audit import audit_reference
from merian.audit.findings import Audit
from merian.bench.realism import share_figure
from merian.bench.suspects import plant_faults
from merian.bench.yardstick import Row, load_yardstick, rows_of
from merian.errors import NotFoundError
from merian.files import open_text
from merian.formats.delimited import write_delimited
from merian.nucleotides import reverse_complement

__all__ = ["audit_planted", "plant_bins"]

_RANKS = ("phylum", "class", "order", "family", "genus", "species")
_COLUMNS = ("processid", "bin_uri", *_RANKS, "sequence")
_LEAST = 200  # letters; an audit holds no shorter ones against each other

Records = list[dict[str, str]]


def audit_planted(
    path: Path, yardstick: Path, folder: Path, swapped: int, added: int, seed: int
) -> dict[str, dict[str, object]]:
    """Plant both in real COI, audit it, and count.

    Args:
        path: A table of records with BINs: processid, bin, the ranks, nucleotides.
        yardstick: Where the real ITS1 is found.
        folder: Where what is made goes.
        swapped: How many records get the BIN of any other, and as many that of one of their genus.
        added: How many of each kind of badly read sequences.
        seed: Of the choice.
    """
    chance = random.Random(seed)  # noqa: S311 nothing secret
    rows = _read(path)
    held = Counter(row["bin_uri"] for row in rows)
    alone = [held[row["bin_uri"]] == 1 for row in rows]
    planted = plant_bins(rows, swapped, chance)
    bad = _badly_read(rows, rows_of(load_yardstick(yardstick), "its1"), added, chance)
    file = folder / "planted.csv"
    every = [*rows, *(row for kind in bad.values() for row in kind)]
    write_delimited(file, _COLUMNS, ([row[c] for c in _COLUMNS] for row in every), ",")
    figures = {"BIN: records that have theirs to themselves": _share(alone, "% of records")}
    return figures | _counted(audit_reference([file]), rows, planted, bad)


def plant_bins(rows: Records, count: int, chance: random.Random) -> dict[str, set[str]]:
    """Give records the BINs of others, and return their ids by how they were chosen.

    A record that has its BIN to itself is left as it is: nothing else here tells what is right.

    Args:
        rows: The records; they are changed.
        count: How many of each kind.
        chance: Of the choice.
    """
    of_genus: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        of_genus[row["genus"]].add(row["bin_uri"])
    every = sorted({row["bin_uri"] for row in rows})
    held = Counter(row["bin_uri"] for row in rows)
    known = [row for row in rows if held[row["bin_uri"]] > 1]
    shared = [row for row in known if row["genus"] and len(of_genus[row["genus"]]) > 1]
    found: dict[str, set[str]] = {}
    done: set[str] = set()
    for how, pool in (("of its genus", shared), ("of any other", known)):
        chosen = chance.sample([row for row in pool if row["processid"] not in done], count)
        before = {row["processid"]: row["bin_uri"] for row in chosen}
        for row in chosen:
            others = sorted(of_genus[row["genus"]]) if how == "of its genus" else every
            row["bin_uri"] = chance.choice([one for one in others if one != row["bin_uri"]])
        found[how] = set(before)
        done |= found[how]
    return found


def _read(path: Path) -> Records:
    """Return the records with a BIN that are long enough for one."""
    if not path.is_file():
        raise NotFoundError(
            f"{path}: the COI with BINs is not there; name its place with --binned, or leave the "
            "part out with --swapped 0"
        )
    with open_text(path) as stream:
        return [
            {
                "processid": row["processid"], "bin_uri": row["bin"],
                **{rank: row[rank] for rank in _RANKS}, "sequence": row["nucleotides"],
            }
            for row in csv.DictReader(stream, delimiter="\t")
            if row["bin"] and len(row["nucleotides"]) >= _LEAST
        ]  # fmt: skip


def _badly_read(
    rows: Records, other: Sequence[Row], count: int, chance: random.Random
) -> Mapping[str, Records]:
    """Return records to be added, by what is wrong with them."""
    known = [(r["processid"], r["sequence"], [r[rank] for rank in _RANKS]) for r in rows]
    made = dict(plant_faults(known, other, count, chance))
    del made["chimeras of two families"]  # an audit does not look for them
    made["on the other strand"] = [
        (f"t{number}", reverse_complement(text), names)
        for number, (_, text, names) in enumerate(chance.sample(known, count))
    ]
    return {
        kind: [
            {"processid": f"planted-{key}", "bin_uri": "", "sequence": text,
             **dict(zip(_RANKS, names, strict=True))}
            for key, text, names in found
        ]
        for kind, found in made.items()
    }  # fmt: skip


def _counted(
    audit: Audit, rows: Records, planted: dict[str, set[str]], bad: Mapping[str, Records]
) -> dict[str, dict[str, object]]:
    """Return how many of each were told."""
    told = {
        finding.name: [dict(zip(finding.columns, row, strict=True)) for row in finding.rows]
        for finding in audit.findings
    }
    bins = {str(row["record"]): str(row["doubt"]) for row in told["bins"]}
    read = {str(row["record"]) for row in told["misread"]}
    swapped = set().union(*planted.values())
    figures = {
        f"BIN {how}: told": _share([key in bins for key in sorted(keys)], "% of swapped")
        for how, keys in planted.items()
    }
    own = [bins[key] == "this record" for key in sorted(swapped & bins.keys())]
    figures["BIN swapped: told as the fault of this record"] = _share(own, "% of told")
    rest = [row["processid"] for row in rows if row["processid"] not in swapped]
    figures["BIN: told of others"] = _share([key in bins for key in rest], "% of others")
    for kind, made in bad.items():
        hits = [row["processid"] in read for row in made]
        figures[f"badly read, {kind}: told"] = _share(hits, "% of added")
    everyone = [row["processid"] in read for row in rows]
    figures["badly read: told of real records"] = _share(everyone, "% of records")
    return figures


def _share(hits: Sequence[bool], unit: str) -> dict[str, object]:
    return share_figure(np.array(hits, bool), unit).row()
