"""What every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

# Real data lies beside a checkout, never in it, and is not shipped.
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; without it the test is skipped."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the real data is not beside this checkout")
    return SHARED / "data"
