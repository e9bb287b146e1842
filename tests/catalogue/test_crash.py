"""kill -9 in the middle of an import leaves the catalogue as it was, or complete."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from merian.catalogue import Catalogue, Columns, Delimited, Reading

ROWS = 40_000
COLUMNS = ("occurrenceID", "country", "sequence", "targetGene", "verbatimIdentification", "sex")

IMPORT = """
import sys
sys.path.insert(0, sys.argv[3])
from test_crash import reading
from pathlib import Path
from merian.catalogue import Catalogue
def progress(what, rows):
    print(what, flush=True)
with Catalogue.open(sys.argv[2], threads=2) as made:
    print("imported", made.ingest(reading(Path(sys.argv[1])), progress=progress).added, flush=True)
"""


def reading(path: Path) -> Reading:
    feed = Columns("record", {c: f'"{c}"' for c in COLUMNS})
    return Reading("test", (Delimited(path, ",", COLUMNS, (feed,)),), (path,))


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("crash") / "table.csv"
    chance = random.Random(1)
    with path.open("w") as stream:
        stream.write(",".join(COLUMNS) + "\n")
        for number in range(ROWS):
            sequence = "".join(chance.choices("ACGT", k=300))
            sex = "F,extra" if number % 1000 == 0 else "F"
            stream.write(f"S{number},Chad{number % 100},{sequence},COI-5P,Apis mellifera,{sex}\n")
    return path


def start(table: Path, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", IMPORT, str(table), str(path), str(Path(__file__).parent)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def counts(path: Path) -> dict[str, int]:
    with Catalogue.open(path, read_only=True) as opened:
        names = ("event", "occurrence", "sequence", "identification", "rejects", "run")
        return {n: int(str(opened.query(f"SELECT count(*) FROM {n}").value())) for n in names}


NOTHING = dict.fromkeys(("event", "occurrence", "sequence", "identification", "rejects", "run"), 0)
ALL = {"event": 100, "occurrence": 39_960, "sequence": 39_960, "identification": 39_960,
       "rejects": 40, "run": 1}  # fmt: skip


def kill_at(child: subprocess.Popen[str], word: str, delay: float) -> bool:
    """Kill the child so long after it said a word; return whether it was still at work."""
    with child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith(word):
                break
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        return "imported" not in child.stdout.read()


@pytest.mark.parametrize(
    ("word", "delay"),
    [
        ("reading", 0.0),
        ("reading", 0.06),
        ("splitting sequence", 0.01),
        ("checking values", 0.0),
        ("writing event", 0.0),
        ("writing sequence", 0.0),
        ("writing sequence", 0.04),
        ("writing sequence", 0.1),
        ("writing identification", 0.0),
        ("writing identification", 0.01),
        ("writing identification", 0.03),
        ("writing identification", 0.06),
    ],
)
def test_killed_imports_leave_nothing_or_all(
    table: Path, tmp_path: Path, word: str, delay: float
) -> None:
    path = tmp_path / "catalogue"
    Catalogue.create(path).close()
    at_work = kill_at(start(table, path), word, delay)
    found = counts(path)
    assert found in (NOTHING, ALL)
    if not at_work:
        assert found == ALL
    with Catalogue.open(path, threads=2) as opened:
        summary = opened.ingest(reading(table))
        assert summary.done_before == (found == ALL)
    assert counts(path) == ALL
    assert sorted(p.name for p in path.iterdir()) == ["catalogue.duckdb", "merian.json"]


def test_an_import_that_fails_leaves_nothing(table: Path, tmp_path: Path) -> None:
    """An error of any kind between the first write and the last takes all of it back."""
    with Catalogue.create(tmp_path / "catalogue") as made:

        def stop(what: str, rows: int) -> None:
            if what == "writing identification":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            made.ingest(reading(table), progress=stop)
        assert made.query("SELECT count(*) FROM occurrence").value() == 0
        assert made.ingest(reading(table)).added["occurrence"] == 39_960
    assert counts(tmp_path / "catalogue") == ALL
