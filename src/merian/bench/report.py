"""How long the report of a large catalogue takes, how much memory, and how large its page is.

A catalogue is drawn that has something for every section: names of people and answers with a
promise (one in twenty is wrong), places, dates, pictures, barcodes and measurements. The report is
made by a process of its own, as a user would, and its time is from start to end.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from merian.bench.child import run_child
from merian.catalogue import Catalogue

__all__ = ["WORKING", "run"]

WORKING = ("folder",)

_FAMILIES, _GENERA, _SPECIES = 60, 600, 5_000
_EVENTS, _FILES, _SIDE = 20_000, 200, 160

# Few species are common and many are rare, as in a trap.
_DRAWN = f"""
CREATE TEMP TABLE drawn AS
SELECT n, 'R' || lpad(n::VARCHAR, 8, '0') AS id, floor({_SPECIES} * pow(u, 6))::INTEGER AS s, p, v
FROM (SELECT n, (hash(n, $seed) % 1000003) / 1000003 AS u, (hash(n, $seed, 1) % 1000003) / 1000003
    AS p, (hash(n, $seed, 2) % 1000003) / 1000003 AS v FROM range($specimens) r(n))
"""
_NAMES = f"""
    'Insecta' AS class, 'Order' || s % 12 || 'ptera' AS "order",
    'Familia' || s % {_FAMILIES} || 'idae' AS family, 'Genus' || s % {_GENERA} AS genus
"""
_SPELT = f"'Genus' || s % {_GENERA} || ' species' || s"
_TABLES = (
    f"""INSERT INTO event BY NAME SELECT 'e' || n AS eventID, 'land ' || n % 40 AS country,
    (hash(n, 7) % 130000) / 1000 - 55 AS decimalLatitude,
    (hash(n, 8) % 340000) / 1000 - 170 AS decimalLongitude,
    (DATE '2001-01-01' + (hash(n, 9) % 8000)::INTEGER)::VARCHAR AS eventDate
    FROM range({_EVENTS}) r(n)""",
    f"""INSERT INTO occurrence BY NAME SELECT id AS occurrenceID, 'e' || n % {_EVENTS} AS eventID
    FROM drawn""",
    f"""INSERT INTO media BY NAME SELECT 'p' || id AS mediaID, id AS occurrenceID,
    $pictures || n % {_FILES} || '.jpg' AS accessURI FROM drawn WHERE v < 0.8""",
    """INSERT INTO sequence BY NAME SELECT 's' || id AS nucleotideSequenceID, id AS occurrenceID,
    'ACGT' AS sequence FROM drawn WHERE p < 0.9""",
    f"""INSERT INTO identification BY NAME SELECT 'h' || id AS identificationID,
    id AS occurrenceID, 'label' AS identificationType, 'human' AS agentType,
    {_SPELT} AS scientificName, {_SPELT} AS species, 'species' AS taxonRank, {_NAMES}
    FROM drawn WHERE v < 0.7""",
    f"""INSERT INTO identification BY NAME SELECT 'm' || id AS identificationID,
    's' || id AS nucleotideSequenceID, 'nucleotideSequence' AS identificationType,
    'machine' AS agentType, {_SPELT} AS scientificName, {_SPELT} AS species,
    'species' AS taxonRank, {_NAMES}, 0.9 + p / 10 AS probability, 'Merian' AS identifiedBy,
    'barcode, at most 5 % wrong for any mixture; nearest references r' || n
        AS identificationReferences, 'bench' AS runID,
    if(n % 7 = 0, 'Most: most probable is something under Genus' || s % 600 ||
        ' that is not in this library at 70 %.', NULL) AS identificationRemarks
    FROM (SELECT * REPLACE (if(n % 20 = 0, s + 1, s) AS s) FROM drawn WHERE p < 0.9)""",
    """INSERT INTO measurement BY NAME SELECT 'q' || id AS measurementID, id AS occurrenceID,
    'body_length' AS measurementType, 'mm' AS measurementUnit, exp(2 * v + 3 * p - 2)
        AS measurementValueNumeric FROM drawn WHERE v < 0.5""",
    """INSERT INTO run BY NAME SELECT 'bench' AS runID, 'identify' AS verb, '{}' AS arguments,
    '{}' AS inputs, '0' AS merianVersion, '{}' AS summary""",
)


def run(
    specimens: int = 100_000, seed: int = 0, folder: Path | None = None
) -> dict[str, dict[str, Any]]:
    """Return the figures.

    Args:
        specimens: Records of the catalogue.
        seed: Of what is drawn.
        folder: Where the catalogue and its page stay; nowhere, if not given.
    """
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        place = folder or Path(made)
        catalogue = _catalogue(place, specimens, seed)
        page, numbers = place / "report.html", place / "report.json"
        done = run_child(
            "merian", "report", str(catalogue), "--out", str(page), "--json", str(numbers), "-q"
        )
        told = json.loads(numbers.read_text(encoding="utf-8"))
        return {
            "report": {"value": round(done.seconds, 1), "n": specimens, "unit": "s"},
            "peak memory": {"value": round(done.peak, 2), "n": specimens, "unit": "GB"},
            "page": {"value": round(page.stat().st_size / 1e6, 2), "unit": "MB"},
            "sections": {"value": len(told["sections"])},
        }


def _catalogue(folder: Path, specimens: int, seed: int) -> Path:
    """Draw a catalogue of so many records."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(min(_FILES, specimens)):
        rough = random.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(rough).resize((_SIDE, _SIDE)).save(pictures / f"{number}.jpg")
    Catalogue.create(folder / "catalogue").close()
    given = {"seed": seed, "specimens": specimens, "pictures": f"{pictures}/"}
    with Catalogue.open(folder / "catalogue") as opened:
        con = opened.held()
        for sql in (_DRAWN, *_TABLES):
            con.execute(sql, {k: v for k, v in given.items() if f"${k}" in sql}).fetchall()
    return folder / "catalogue"
