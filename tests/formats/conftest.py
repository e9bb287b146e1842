"""What the tests of the formats share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from merian.catalogue import TABLES, Catalogue, Reading, Summary

Tables = dict[str, list[tuple[object, ...]]]


@pytest.fixture
def new_catalogue(tmp_path: Path) -> Iterator[Callable[..., Catalogue]]:
    """Make empty catalogues that are closed when the test ends."""
    made: list[Catalogue] = []

    def make(threads: int | None = None) -> Catalogue:
        catalogue = Catalogue.create(tmp_path / f"catalogue{len(made)}", threads=threads)
        made.append(catalogue)
        return catalogue

    yield make
    for catalogue in made:
        catalogue.close()


@pytest.fixture
def take_in(
    new_catalogue: Callable[..., Catalogue],
) -> Callable[[Reading], tuple[Catalogue, Summary]]:
    """Take a reading into a catalogue of its own."""

    def take(reading: Reading) -> tuple[Catalogue, Summary]:
        catalogue = new_catalogue()
        return catalogue, catalogue.ingest(reading)

    return take


def quoted(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


@pytest.fixture
def tables() -> Callable[[Catalogue], Tables]:
    """Read all tables of a catalogue, without the runs that wrote them."""

    def read(catalogue: Catalogue) -> Tables:
        return {
            name: catalogue.query(
                f"SELECT {quoted(table.columns)} FROM {name} ORDER BY ALL"
            ).fetch()
            for name, table in TABLES.items()
        }

    return read
