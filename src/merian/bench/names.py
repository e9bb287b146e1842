"""How fast a large table of names is matched: 5 million rows against a 4-million-name checklist.

The table has 400,000 distinct names; 20 % of them are dirty in the ways of real tables: a slip
of the pen, an author, capitals, underscores, a qualifier, a name that the checklist lacks. What
each dirty name should give is known, and counted.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from merian.bench.child import run_child
from merian.bench.synthetic_checklist import write_checklist
from merian.database import connect
from merian.errors import InputError
from merian.taxonomy import Taxonomy, match_table, read_checklist, save_taxonomy
from merian.taxonomy.ranks import RANK_NUMBER

__all__ = ["run"]

_VOWELS = "aeiou"


def run(
    *, names: int = 4_000_000, rows: int = 5_000_000, distinct: int = 400_000, seed: int = 0
) -> dict[str, dict[str, object]]:
    """Make the checklist and the table, match in a child process, and measure it."""
    if not 0 < distinct <= min(names, rows):
        raise InputError(
            f"the bench names expects --distinct from 1 to the smaller of --names and --rows, "
            f"{min(names, rows):,}; found {distinct:,}"
        )
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as folder:
        place = Path(folder)
        write_checklist(place / "checklist", names, seed)
        taxonomy, report = read_checklist(place / "checklist")
        save_taxonomy(taxonomy, place / "taxonomy", report)
        taxonomy = Taxonomy.open(place / "taxonomy")
        _write_table(taxonomy, place / "names.parquet", rows, distinct, seed)
        del taxonomy
        child = run_child("merian.bench.names", folder)
        found = child.output.split()
    wrong, checked = int(found[0]), int(found[1])
    return {
        "seconds": {"value": round(child.seconds, 1), "n": rows, "unit": "s, whole process"},
        "rows per second": {"value": round(rows / child.seconds), "n": rows, "unit": "rows/s"},
        "peak memory": {"value": round(child.peak, 2), "n": 1, "unit": "GB, larger process"},
        "answered as expected": {
            "value": round(1 - wrong / checked, 5),
            "n": checked,
            "unit": "share of distinct names, slips apart",
        },
        "slips of the pen, right name": {
            "value": round(float(found[2]), 4), "n": int(found[4]), "unit": "share",
        },
        "slips of the pen, wrong name": {
            "value": round(float(found[3]), 4), "n": int(found[4]), "unit": "share",
        },
    }  # fmt: skip


def _write_table(taxonomy: Taxonomy, path: Path, rows: int, distinct: int, seed: int) -> None:
    """Write names, what each should match, drawn with a long tail."""
    rng = np.random.default_rng(seed)
    species = np.flatnonzero(taxonomy.rank == RANK_NUMBER["species"])
    chosen = rng.choice(species, size=distinct, replace=False)
    clean = [taxonomy.name_of(int(node)) for node in chosen]
    dirty = np.flatnonzero(rng.random(distinct) < 0.2)
    written, expected = list(clean), ["EXACT"] * distinct
    for i in dirty:
        written[i], expected[i] = _spoil(clean[i], taxonomy.authorship[int(chosen[i])], rng)
    con = connect()
    con.register(
        "names",
        {
            "n": np.arange(distinct),
            "scientificName": np.array(written, dtype=object),
            "expected": np.array(expected, dtype=object),
            "clean": np.array(clean, dtype=object),
        },
    )
    pick = np.concatenate(
        [np.arange(distinct), (distinct * rng.power(0.35, rows - distinct)).astype(np.int64)]
    )
    rng.shuffle(pick)
    con.register("picked", {"n": pick, "record": np.arange(rows)})
    con.execute(
        f'COPY (SELECT record, "scientificName", expected, clean FROM picked JOIN names USING (n) '
        f"ORDER BY record) TO '{path}' (FORMAT parquet)"
    ).fetchall()
    con.close()


def _spoil(name: str, author: str, rng: np.random.Generator) -> tuple[str, str]:
    """Return a name as tables have it, and what it should give."""
    genus, epithet = name.split(" ")[:2]
    at = int(rng.integers(2, len(name) - 1))
    # Another letter than the one that stands there: a slip that changes nothing is none.
    letter = _VOWELS.replace(name[at], "")[int(rng.integers(4))]
    return [
        (f"{name} {author}", "EXACT"),
        (name.upper(), "EXACT"),
        (name.replace(" ", "_"), "EXACT"),
        (f"{genus} cf. {epithet}", "GENUS"),
        (f"{genus} sp. {at}", "GENUS"),
        (f"{genus} qqzz{epithet}", "GENUS"),
        (name[:at] + letter + name[at + 1 :], "SLIP"),
        (name[:at] + name[at + 1 :], "SLIP"),
        ("unidentified insect", "NONE"),
        (f"  {name}  ", "EXACT"),
    ][int(rng.integers(10))]


def _measured(place: Path) -> None:
    """Match the table, as a child whose memory and time are its own, and count the answers.

    A homonym is answered with its candidates and no name; that is right where several taxa of
    the checklist carry the name.
    """
    taxonomy = Taxonomy.open(place / "taxonomy")
    match_table(taxonomy, place / "names.parquet", place / "out.parquet")
    counts = (
        connect()
        .execute(
            f"""
        SELECT count(*) FILTER (expected <> 'SLIP' AND NOT coalesce(good, false)),
               count(*) FILTER (expected <> 'SLIP'),
               avg(CAST(good AS INT)) FILTER (expected = 'SLIP'),
               avg(CAST("usageKey" IS NOT NULL AND "matchedRank" = 'species' AND NOT good AS INT))
                   FILTER (expected = 'SLIP'),
               count(*) FILTER (expected = 'SLIP')
        FROM (SELECT *, CASE expected
                WHEN 'EXACT' THEN "matchType" = 'EXACT' AND "matchedName" = clean
                                  OR cause = 'homonym'
                WHEN 'GENUS' THEN "matchedName" = split_part(clean, ' ', 1) OR cause = 'homonym'
                WHEN 'SLIP' THEN "matchedName" = clean
                ELSE "matchType" = 'NONE' END AS good
              FROM (SELECT DISTINCT "scientificName", clean, expected, "matchType",
                           "matchedName", "matchedRank", "usageKey", cause
                    FROM '{place / "out.parquet"}'))
        """
        )
        .fetchall()[0]
    )
    print(*counts)  # noqa: T201  (read by the parent)


if __name__ == "__main__":
    _measured(Path(sys.argv[1]))
