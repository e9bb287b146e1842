"""How fast the desk answers: pages, names, pictures and decisions of a large catalogue.

A catalogue is made of so many records with labels of people, answers of a machine, places, dates
and vectors, and a desk is opened on it in this process. Each page is asked for several times, with
filters and orders that differ, so that nothing that was kept answers; the time is that at the
server alone, from the question to the whole answer. A decision is timed until it is on the disk
and is shown. Pictures are a thousand small files that many records share.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from merian.catalogue import Catalogue
from merian.errors import MissingExtraError

__all__ = ["run"]

_FAMILIES, _GENERA, _SPECIES = 40, 400, 2_000
_DIM, _FILES, _SIDE = 512, 1_000, 240


def run(specimens: int = 100_000, asked: int = 15, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Return times.

    Args:
        specimens: Records of the catalogue.
        asked: How often each page is asked for.
        seed: Of what is drawn.
    """
    try:
        from starlette.applications import Starlette  # noqa: PLC0415, F401 - an extra
    except ModuleNotFoundError:
        raise MissingExtraError("the bench of the desk", "app") from None
    with tempfile.TemporaryDirectory(prefix="merian-bench-") as made:
        path = _catalogue(Path(made), specimens, seed)
        return _measured(path, specimens, asked)


def _catalogue(folder: Path, specimens: int, seed: int) -> Path:
    """Make a catalogue of so many records."""
    pictures = folder / "pictures"
    pictures.mkdir()
    random = np.random.default_rng(seed)
    for number in range(min(_FILES, specimens)):
        rough = random.integers(0, 256, (12, 12, 3), np.uint8)
        Image.fromarray(rough).resize((_SIDE, _SIDE)).save(pictures / f"{number}.jpg")
    Catalogue.create(folder / "catalogue").close()
    with Catalogue.open(folder / "catalogue") as opened:
        con = opened.held()
        con.execute(f"SELECT setseed({(seed % 1000) / 1000})").fetchall()
        con.execute(
            "CREATE TEMP TABLE drawn AS SELECT 'B' || lpad(n::VARCHAR, 7, '0') AS id, n, "
            f"floor({_SPECIES} * random() * random())::INTEGER AS s, random() AS p "
            f"FROM range({specimens}) r(n)"
        ).fetchall()
        con.execute(
            "INSERT INTO event BY NAME SELECT 'e' || n AS eventID, 90 * random() - 30 AS "
            "decimalLatitude, 180 * random() - 90 AS decimalLongitude, "
            "(DATE '2015-01-01' + (n % 3000)::INTEGER)::VARCHAR AS eventDate, "
            "'land ' || n % 60 AS country "
            f"FROM range({min(specimens, 5_000)}) r(n)"
        ).fetchall()
        con.execute(
            "INSERT INTO occurrence BY NAME SELECT id AS occurrenceID, "
            f"'e' || n % {min(specimens, 5_000)} AS eventID FROM drawn"
        ).fetchall()
        con.execute(
            "INSERT INTO media BY NAME SELECT 'p' || id AS mediaID, id AS occurrenceID, "
            f"? || n % {_FILES} || '.jpg' AS accessURI, 50.0 AS pixelsPerMillimetre FROM drawn",
            [f"{pictures}/"],
        ).fetchall()
        lineage = (
            f"'Familia' || s % {_FAMILIES} || 'idae' AS family, 'Genus' || s % {_GENERA} AS genus, "
            "'Insecta' AS class, 'Arthropoda' AS phylum, 'Animalia' AS kingdom"
        )
        con.execute(
            "INSERT INTO identification BY NAME SELECT 'h' || id AS identificationID, "
            "id AS occurrenceID, 'label' AS identificationType, 'human' AS agentType, "
            f"'Genus' || s % {_GENERA} || ' species' || s AS scientificName, "
            f"'Genus' || s % {_GENERA} || ' species' || s AS species, 'species' AS taxonRank, "
            f"{lineage} FROM drawn WHERE p < 0.7"
        ).fetchall()
        con.execute(
            "INSERT INTO identification BY NAME SELECT 'm' || id AS identificationID, "
            "id AS occurrenceID, 'consensus' AS identificationType, 'machine' AS agentType, "
            f"'Genus' || s % {_GENERA} AS scientificName, 'genus' AS taxonRank, p AS probability, "
            f"{lineage} FROM (SELECT * REPLACE (if(p > 0.65, s + 1, s) AS s) FROM drawn)"
        ).fetchall()
        species = np.array(con.execute("SELECT s FROM drawn ORDER BY id").fetchall()).ravel()
    _embeddings(folder / "catalogue" / "runs" / "vectors-pictures-bench", species, random)
    return folder / "catalogue"


def _embeddings(folder: Path, species: Any, random: np.random.Generator) -> None:
    """Write vectors as `merian embed` does, a cloud for each species."""
    from merian.learn.embeddings import (  # noqa: PLC0415 - for this bench alone
        FORMAT,
        INDEX,
        VERSION,
        shard_file,
    )
    from merian.stamp import stamp  # noqa: PLC0415
    from merian.taxonomy.strings import Strings  # noqa: PLC0415
    from merian.tensors import write_tensors  # noqa: PLC0415

    middles = random.normal(size=(_SPECIES + 1, _DIM)).astype(np.float32)
    vectors = np.empty((len(species), _DIM), np.float16)
    for begin in range(0, len(species), 10_000):
        part = species[begin : begin + 10_000]
        cloud = middles[part] + 0.7 * random.standard_normal((len(part), _DIM), np.float32)
        vectors[begin : begin + len(part)] = cloud / np.linalg.norm(cloud, axis=1, keepdims=True)
    records = [f"B{n:07}" for n in range(len(species))]
    file = shard_file(folder, 0)
    file.parent.mkdir(parents=True)
    arrays = {
        "vectors": vectors, **Strings.of(records).arrays("id"),
        **Strings.of(records).arrays("record"),
        "reject": np.zeros(0, np.int64), **Strings.of([]).arrays("reason"),
    }  # fmt: skip
    write_tensors(file, arrays, "merian-embeddings 1.0")
    (folder / INDEX).write_text(json.dumps({
        "merian": stamp(FORMAT, VERSION, "bench"), "items": len(records),
        "encoder": {"id": "bench", "name": "bench", "dim": _DIM},
        "shards": [{"bytes": file.stat().st_size}],
    }))  # fmt: skip


def _asked(answer: Callable[[Any], Any], query: Callable[[int], Any], number: int) -> Any:
    return answer(query(number))


def _measured(path: Path, specimens: int, asked: int) -> dict[str, dict[str, Any]]:
    from merian.catalogue.reviewed import Decision  # noqa: PLC0415 - with the desk
    from merian.desk.browsing import View  # noqa: PLC0415
    from merian.desk.crops import Crops  # noqa: PLC0415 - an extra
    from merian.desk.desk import Desk  # noqa: PLC0415
    from merian.desk.exported import table_of  # noqa: PLC0415
    from merian.desk.pages import answers_of  # noqa: PLC0415

    with Catalogue.open(path) as opened:
        start = time.perf_counter()
        desk = Desk(opened, "bench")
        figures: dict[str, dict[str, Any]] = {
            "opened in": {"value": round(time.perf_counter() - start, 2), "n": specimens,
                          "unit": "s"}
        }  # fmt: skip
        ask = answers_of(desk)

        def timed(name: str, does: Callable[[int], Any], times: int = asked) -> None:
            taken = []
            for number in range(times):
                begin = time.perf_counter()
                does(number)
                taken.append(1000 * (time.perf_counter() - begin))
            figures[name] = {
                "value": round(float(np.median(taken)), 1), "high": round(max(taken), 1),
                "n": times, "unit": "ms, median and longest",
            }  # fmt: skip

        pages = {
            "all, by outlier": lambda n: {"sort": "outlier", "start": str(120 * n)},
            "all, least sure": lambda n: {"sort": "unsure", "start": str(120 * n)},
            "the last page of all": lambda n: {"sort": "name", "start": str(specimens - 120 - n)},
            "a family": lambda n: {"rank": "family", "name": f"Familia{n % _FAMILIES}idae"},
            "a species": lambda n: {
                "rank": "species", "name": f"Genus{n % _GENERA} species{n % _SPECIES}"
            },
            "contradictions": lambda n: {"ask": f"clash:yes p>0.{n:02}", "sort": "clash"},
            "asked, by place and date": lambda n: {
                "ask": f"country:*{n} eventDate>=2018 latitude>0 -state:accepted"
            },
            "like a pinned one": lambda n: {"pin": f"B{n:07}", "sort": "like"},
        }  # fmt: skip
        for name, query in pages.items():
            timed(f"page: {name}", partial(_asked, ask["/"], query))
        timed("more records", lambda n: ask["/"]({"part": "1", "start": str(120 * (n + 2))}))
        timed("a specimen", lambda n: ask["/specimen"]({"record": f"B{7 * n:07}"}))
        timed("the map", lambda n: ask["/map"]({"ask": f"p>0.{n:02}"}))
        view = View(ask="p>0.1", sort="name")
        timed("a table of all, sent", lambda _: sum(map(len, table_of(desk, view, "records"))), 3)
        timed("names that begin so", lambda n: ask["/names"]({"q": f"Genus{n}"}))
        crops = Crops(desk)
        timed("a thumbnail, made", lambda n: crops.thumbnail(f"pB{n:07}"))
        timed("a thumbnail, kept", lambda n: crops.thumbnail(f"pB{n:07}"))

        def decide(number: int, many: int) -> None:
            records = [f"B{(many * number + one) % specimens:07}" for one in range(many)]
            seen = {row["record"]: row["stands"] or "" for row in desk.cards(records)}
            desk.decide(Decision("accept", seen, "bench"))

        timed("a decision of one record", lambda n: decide(n, 1))
        timed("a decision of 100 records", lambda n: decide(n + 10, 100))
        taken = []
        for number in range(asked):  # when all that was counted has to be counted anew
            decide(9_000 + number, 1)
            begin = time.perf_counter()
            ask["/"]({})
            taken.append(1000 * (time.perf_counter() - begin))
        figures["page: the first after a decision"] = {
            "value": round(float(np.median(taken)), 1), "high": round(max(taken), 1), "n": asked,
            "unit": "ms, median and longest",
        }  # fmt: skip
    return figures
