"""A reference with nothing wrong."""

from __future__ import annotations

import pytest
from tests.audit.makers import Row, species_of


@pytest.fixture
def clean() -> list[Row]:
    """Four species of two families, with nothing wrong."""
    return [
        *species_of("Aus bus", 1, 6),
        *species_of("Aus cus", 2, 6),
        *species_of("Dus eus", 3, 6, family="Didae"),
        *species_of("Fus gus", 4, 6, family="Fidae", order="Hemiptera"),
    ]
