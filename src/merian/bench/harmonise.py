"""How fast a map of labels names 17.4 million records, beside a dictionary look-up for each row.

The records are those of Planktonzilla-17M, made from its map of labels and its counts of pictures
(``--planktonzilla`` names the folder of planktonzilla_taxonomy.csv and samples.json; labels that
share a count share it alike). Without that folder, labels are made up from a made-up checklist, in
the ways of real ones, and mapped by `merian labels propose`; what each should give is known, and
counted.

The records stand in a catalogue as an import leaves them, and are named by `apply_labels`, in a
child of two threads: an identification is appended to each. Then it is applied again, and once more
with one erratum. The other child does what is published: it reads the same records, looks each
label up in a dictionary of (source, label), and writes the same columns to a CSV. Both must put
every record under the same taxon.

Reference: https://github.com/Inria-Chile/planktonzilla (generate_planktonzilla.py)
"""

from __future__ import annotations

import csv
import json
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from merian.bench.child import on_cores, run_child
from merian.bench.synthetic_checklist import write_checklist
from merian.catalogue import Catalogue
from merian.catalogue.checks import literal
from merian.catalogue.label_apply import target_columns
from merian.catalogue.schema import RANKS
from merian.database import connect
from merian.errors import InputError
from merian.taxonomy import Taxonomy, read_checklist, save_taxonomy
from merian.taxonomy.label_errata import is_applied, with_errata
from merian.taxonomy.label_map import LabelMap, read_label_map
from merian.taxonomy.label_map_table import write_label_map
from merian.taxonomy.propose import RawLabel, propose
from merian.taxonomy.ranks import RANK_NUMBER

__all__ = ["run"]

_CORES, _MEMORY = 2, "3GB"
_COLUMNS = ("scientificName", "taxonRank", *RANKS)
_TABLE, _COUNTS = "planktonzilla_taxonomy.csv", "samples.json"
_FORMS = (
    "{}", "{}", "{}", "nauplii<{}", "{}_multiple", "part<{}", "like<{}", "larvae_{}", "dead<{}",
)  # fmt: skip
_LIFELESS = ("detritus", "bubble", "fiber<detritus", "badfocus", "plastic_fiber", "t001", "other")


def run(
    *, rows: int = 17_404_047, planktonzilla: Path | None = None, seed: int = 0
) -> dict[str, dict[str, object]]:
    """Make the records, name them in both ways, and measure it."""
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as folder:
        place = Path(folder)
        right: dict[str, dict[str, object]] = {}
        if planktonzilla is not None:
            map_, counts = _published(planktonzilla)
        else:
            map_, counts, right = _made_up(place, seed)
        scaled = _scaled(counts, rows)
        _write_records(place, scaled)
        (place / "map").write_text(str(map_.resolve()), encoding="utf-8")
        with on_cores(_CORES):
            ours = run_child("merian.bench.harmonise", "apply", folder)
            theirs = run_child("merian.bench.harmonise", "look up", folder)
        done, peer = json.loads(ours.output), json.loads(theirs.output)
        total = sum(scaled.values())
        same = _same(done["taxa"], peer["taxa"], total)
    return {
        "seconds": {"value": round(done["first"], 1), "n": total, "unit": "s, two threads"},
        "CPU seconds": {"value": round(done["cpu"], 1), "n": total, "unit": "s"},
        "peak memory": {"value": round(ours.peak, 2), "n": 1, "unit": "GB"},
        "applied again": {"value": round(done["again"], 1), "n": total, "unit": "s"},
        "with one erratum": {"value": round(done["erratum"], 1), "n": done["changed"],
                             "unit": "s, n records appended"},
        "a look-up for each row": {"value": round(peer["seconds"], 1), "n": total, "unit": "s"},
        "its CPU seconds": {"value": round(peer["cpu"], 1), "n": total, "unit": "s"},
        "its peak memory": {"value": round(theirs.peak, 2), "n": 1, "unit": "GB"},
        "times as fast": {"value": round(peer["seconds"] / done["first"], 2), "n": 1,
                          "unit": "seconds of the look-up over ours"},
        "records under the same taxon": {"value": round(same, 6), "n": total, "unit": "share"},
        **right,
    }  # fmt: skip


def _published(folder: Path) -> tuple[Path, dict[tuple[str, str], int]]:
    """Return the map of Planktonzilla and how many pictures each label has."""
    table, counts = folder / _TABLE, folder / _COUNTS
    for file in (table, counts):
        if not file.is_file():
            raise InputError(
                f"{file}: is not there; --planktonzilla needs the folder of {_TABLE} and "
                f"{_COUNTS}. Without it the bench runs on a made-up map"
            )
    shared: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    with table.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            key = (row["Dataset"], row["proposed_label"], row["root_class"])
            shared[key].append((row["Dataset"], row["Raw_Labels"]))
    found: dict[tuple[str, str], int] = {}
    for entry in json.loads(counts.read_text(encoding="utf-8"))["counts"]:
        labels = shared.get((entry["dataset"], entry["proposed_label"], entry["root_class"]), [])
        for place, label in enumerate(labels):
            found[label] = entry["n"] // len(labels) + (place < entry["n"] % len(labels))
    return table, found


def _made_up(
    place: Path, seed: int, names: int = 4_000
) -> tuple[Path, dict[tuple[str, str], int], dict[str, dict[str, object]]]:
    """Make labels from a made-up checklist, propose a map of them, and count what is right."""
    write_checklist(place / "checklist", names, seed)
    taxonomy, report = read_checklist(place / "checklist")
    save_taxonomy(taxonomy, place / "taxonomy", report)
    taxonomy = Taxonomy.open(place / "taxonomy")
    rng = np.random.default_rng(seed)
    low = np.flatnonzero(taxonomy.rank >= RANK_NUMBER["family"])
    # Homonyms are left open, as they should be; what is right is known of the others alone.
    meant: dict[tuple[str, str], str | None] = {}
    for node in rng.choice(low, size=min(1_500, len(low)), replace=False).tolist():
        name = taxonomy.name_of(node)
        taxa = {int(n) for n in taxonomy.accepted[taxonomy.find(name)]}
        form = _FORMS[int(rng.integers(len(_FORMS)))]
        source = f"source {int(rng.integers(15))}"
        accepted = taxonomy.name_of(taxa.pop()) if len(taxa) == 1 else "?"
        meant[source, form.format(name)] = accepted
    meant |= {(f"source {n}", label): None for n in range(15) for label in _LIFELESS}
    raws = [RawLabel(source, label) for source, label in meant]
    targets = propose(taxonomy, raws)
    write_label_map(place / "map.tsv", targets, taxonomy.lock)
    known = [t for t in targets if meant[t.source, t.label] != "?"]
    right = [t for t in known if (t.name or None) == meant[t.source, t.label]
             and t.kind != "unsure"]  # fmt: skip
    counts = {key: int(1 + 1e6 * rng.power(0.1)) for key in meant}
    share: dict[str, object] = {"value": round(len(right) / len(known), 4), "n": len(known),
                                "unit": "share of labels without homonym"}  # fmt: skip
    return place / "map.tsv", counts, {"proposed as it was made": share}


def _scaled(counts: dict[tuple[str, str], int], rows: int) -> dict[tuple[str, str], int]:
    """Return counts in the same proportions, as many as are asked for, none left out."""
    labels = sorted(counts)
    if rows < len(labels):
        raise InputError(f"--rows {rows}: at least one record for each of {len(labels):,} labels")
    weights = np.array([max(counts[label], 1) for label in labels], dtype=np.float64)
    ends = np.floor(np.cumsum(weights) / weights.sum() * (rows - len(labels))).astype(np.int64)
    ends[-1] = rows - len(labels)
    return dict(zip(labels, (np.diff(ends, prepend=0) + 1).tolist(), strict=True))


def _write_records(place: Path, counts: dict[tuple[str, str], int]) -> None:
    """Write the records, in no order of their labels, and a catalogue as an import leaves it."""
    records = place / "records.parquet"
    con = connect(memory="2GB", spill=place / "spill")
    con.register("labels", {
        "source": np.array([source for source, _ in counts], dtype=object),
        "label": np.array([label for _, label in counts], dtype=object),
        "n": np.array([*counts.values()], dtype=np.int64),
        "code": np.arange(len(counts)),
    })  # fmt: skip
    con.execute(
        "COPY (SELECT printf('%08d', row_number() OVER ()) AS id, source, label FROM "
        "(SELECT code FROM (SELECT code, unnest(range(n)) AS k FROM labels) "
        f"ORDER BY hash(k * 65537 + code)) JOIN labels USING (code)) TO {literal(records)} "
        "(FORMAT parquet)"
    ).fetchall()
    con.close()
    Catalogue.create(place / "catalogue").close()
    with connect(place / "catalogue" / "catalogue.duckdb", memory="2GB",
                 spill=place / "spill") as con:  # fmt: skip
        con.execute(
            "INSERT INTO occurrence BY NAME SELECT id AS occurrenceID, source AS datasetName, "
            f"'import-1' AS runID FROM {literal(records)}"
        ).fetchall()
        con.execute(
            "INSERT INTO identification BY NAME SELECT left(md5(id), 20) AS identificationID, "
            "id AS occurrenceID, 'label' AS identificationType, 'human' AS agentType, "
            f"label AS verbatimIdentification, 'import-1' AS runID FROM {literal(records)}"
        ).fetchall()


def _same(ours: list[list[str]], theirs: list[list[str]], total: int) -> float:
    """Return the share of the records that both put under one taxon, by its name and kingdom."""
    a, b = ({tuple(key): int(n) for *key, n in found} for found in (ours, theirs))
    return sum(min(n, b.get(key, 0)) for key, n in a.items()) / total


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _apply(place: Path) -> dict[str, object]:
    """Name the records by the map; again; and with one erratum."""
    labels = read_label_map((place / "map").read_text(encoding="utf-8"))
    target = max(labels.targets.values(), key=lambda t: (t.kind == "living", t.label))
    erratum = replace(target, lineage={}, kind="detritus", by="the bench", reason="to be measured")
    changed = with_errata(labels, LabelMap(labels.path, {(target.source, target.label): erratum},
                                           (), labels.lock))  # fmt: skip
    seconds, appended = [], []
    with Catalogue.open(place / "catalogue", threads=_CORES, memory=_MEMORY) as catalogue:
        start = _cpu()
        for one in (labels, labels, changed):
            done = catalogue.apply_labels(one)
            seconds.append(done.seconds)
            appended.append(done.appended)
            if len(seconds) == 1:
                cpu = _cpu() - start
                taxa = catalogue.query(
                    "SELECT scientificName, kingdom, count(*) FROM identification "
                    "WHERE replacesIdentificationID IS NOT NULL GROUP BY ALL"
                ).fetch()
    return {"first": seconds[0], "again": seconds[1], "erratum": seconds[2], "cpu": cpu,
            "changed": appended[2], "taxa": taxa}  # fmt: skip


def _look_up(place: Path) -> dict[str, object]:
    """Look up each record in a dictionary and write what it finds, as is published."""
    labels = read_label_map((place / "map").read_text(encoding="utf-8"))
    taxa: Counter[tuple[object, object]] = Counter()
    start, cpu = time.perf_counter(), _cpu()
    known: dict[tuple[str, str], Sequence[str | None]] = {}
    for key, target in labels.targets.items():
        if is_applied(target):
            said = target_columns(target, labels)
            known[key] = [said[column] for column in _COLUMNS]
    at = _COLUMNS.index("kingdom")
    con = connect(memory="1GB", threads=_CORES)
    found = con.execute(f"SELECT id, source, label FROM {literal(place / 'records.parquet')}")
    with (place / "named.csv").open("w", encoding="utf-8", newline="") as stream:
        write = csv.writer(stream).writerow
        while rows := found.fetchmany(10_000):
            for identifier, source, label in rows:
                said_ = known.get((source, label))
                if said_ is not None:
                    taxa[said_[0], said_[at]] += 1
                    write((identifier, *said_))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "cpu": _cpu() - cpu, "taxa": [[*k, n] for k, n in taxa.items()]}


if __name__ == "__main__":
    print(json.dumps((_apply if sys.argv[1] == "apply" else _look_up)(Path(sys.argv[2]))))  # noqa: T201
