"""Memory: it does not grow with the input or with the answer."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="no peak of memory is told on this system")

COLUMNS = ("occurrenceID", "sequence", "targetGene", "verbatimIdentification", "country")

# Linux counts the memory of the process that started a process into the peak that getrusage
# tells; VmHWM is its own.
PEAK = """
import resource, sys
from pathlib import Path
def peak():
    status = Path("/proc/self/status")
    if status.exists():
        told = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
        return int(told.split()[1]) >> 10
    unit = 20 if sys.platform == "darwin" else 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> unit
"""

IMPORT = (
    PEAK
    + """
from pathlib import Path
from merian.catalogue import Catalogue, Columns, Delimited, Reading
columns = sys.argv[3].split(",")
path = Path(sys.argv[1])
feed = Columns("record", {c: c for c in columns})
reading = Reading("test", (Delimited(path, ",", columns, (feed,)),), (path,))
with Catalogue.create(sys.argv[2], threads=2, memory="150MB") as made:
    added = made.ingest(reading).added
    print(added["sequence"], peak())
"""
)

ASK = (
    PEAK
    + """
from merian.catalogue import Catalogue
with Catalogue.create(sys.argv[1], threads=2) as made:
    made.query("SELECT 1").fetch()
    before = peak()
    result = made.query("SELECT range, repeat('x', 100) FROM range(3000000)")
    rows = sum(len(batch) for batch in result.batches())
    print(rows, peak() - before)
"""
)


def told(*arguments: str) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 2, done.stdout
    first, second = done.stdout.split()
    return int(first), int(second)


def test_an_import_larger_than_its_memory(tmp_path: Path) -> None:
    """300 MB of text in 150 MB for DuckDB: the rest of the process is Python and buffers."""
    chance = random.Random(0)
    block = "".join(chance.choices("ACGT", k=4000))
    path = tmp_path / "table.csv"
    with path.open("w") as stream:
        stream.write(",".join(COLUMNS) + "\n")
        for number in range(150_000):
            shift = number % 2000
            sequence = block[shift : shift + 1900] + block[number // 2000 : number // 2000 + 100]
            stream.write(f"S{number},{sequence},COI-5P,Apis mellifera,Chad{number % 50}\n")
    size = path.stat().st_size >> 20
    rows, peak = told(IMPORT, str(path), str(tmp_path / "made"), ",".join(COLUMNS))
    assert rows == 150_000
    assert size > 280
    assert peak < 450


def test_an_answer_is_never_all_in_memory(tmp_path: Path) -> None:
    rows, grown = told(ASK, str(tmp_path / "made"))
    assert rows == 3_000_000
    assert grown < 120
