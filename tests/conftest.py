"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# The README's command runs one process of tests a core, so each takes one thread: more would wait
# for one another. Read by numpy and torch when they are first imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    for _library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# Real data lies beside a checkout, never in it, and is not shipped.
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; without it the test is skipped."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the real data is not beside this checkout")
    return SHARED / "data"
