"""The graph of neighbours, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from merian.discover import graph as graphs
from merian.discover import neighbour_graph, open_graph, unit_rows
from merian.errors import FormatError, InputError


@pytest.fixture
def vectors():
    chance = np.random.default_rng(0)
    middle = chance.normal(size=(12, 24)) * 2
    return (middle[chance.integers(0, 12, 500)] + chance.normal(size=(500, 24))).astype(np.float32)


def test_neighbours_are_those_of_scikit_learn(vectors, monkeypatch):
    monkeypatch.setattr(graphs, "_COLUMNS", 64)
    found = neighbour_graph(vectors, 9)
    unit = unit_rows(vectors)[0].astype(np.float64)
    far, near = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(unit).kneighbors(unit)
    assert np.array_equal(found.nearest, near[:, 1:])
    np.testing.assert_allclose(found.distance, far[:, 1:], atol=1e-6)


def test_cells_find_most_of_them(vectors, monkeypatch):
    wanted = neighbour_graph(vectors, 8)
    monkeypatch.setattr(graphs, "EXACT", 100)
    monkeypatch.setattr(graphs, "_PER_CELL", 20)
    found = neighbour_graph(vectors, 8)
    same = [len(np.intersect1d(a, b)) for a, b in zip(found.nearest, wanted.nearest, strict=True)]
    assert np.mean(same) > 0.95 * 8
    assert (found.nearest != np.arange(500)[:, None]).all()
    assert (np.diff(found.distance, axis=1) >= 0).all()
    monkeypatch.setattr(graphs, "_PROBED", 1)  # so few that there are not enough: more are opened
    assert (neighbour_graph(vectors, 30).nearest >= 0).all()


def test_what_is_not_there_has_no_neighbours_and_is_nobodys(vectors):
    some = vectors[:40].copy()
    some[3], some[17] = np.nan, 0.0
    found = neighbour_graph(some, 5)
    assert (found.nearest[[3, 17]] == -1).all()
    assert np.isinf(found.distance[[3, 17]]).all()
    assert not np.isin([3, 17], found.nearest).any()
    kept = np.setdiff1d(np.arange(40), [3, 17])
    assert np.array_equal(found.nearest[kept], kept[neighbour_graph(vectors[kept], 5).nearest])


@pytest.mark.parametrize("rows", [0, 1, 2, 4])
def test_fewer_rows_than_neighbours(vectors, rows):
    found = neighbour_graph(vectors[:rows], 6)
    assert found.nearest.shape == found.distance.shape == (rows, 6)
    assert ((found.nearest >= 0).sum(axis=1) == max(0, rows - 1)).all()


def test_equal_rows_are_at_no_distance():
    found = neighbour_graph(np.ones((50, 3)), 4)
    assert (found.distance == 0).all()
    assert (found.nearest != np.arange(50)[:, None]).all()


def test_a_graph_is_kept_under_its_vectors(vectors, tmp_path, monkeypatch):
    found = neighbour_graph(vectors, 5, folder=tmp_path)
    monkeypatch.setattr(graphs, "_found", None)  # is not called again
    again = neighbour_graph(vectors, 5, folder=tmp_path)
    assert np.array_equal(again.nearest, found.nearest)
    assert np.array_equal(again.distance, found.distance)
    (folder,) = tmp_path.iterdir()
    assert open_graph(folder, vectors).key == found.key
    with pytest.raises(FormatError, match="other vectors"):
        open_graph(folder, vectors + 1)
    with pytest.raises(TypeError):
        neighbour_graph(vectors + 1, 5, folder=tmp_path)  # others are looked for anew
    before = [(file.name, file.read_bytes()) for file in sorted(folder.iterdir())]
    found.save(folder)
    assert [(file.name, file.read_bytes()) for file in sorted(folder.iterdir())] == before
    (folder / "neighbours.safetensors").write_bytes(b"cut")
    with pytest.raises(FormatError, match="cut off"):
        open_graph(folder)


def test_what_cannot_be_searched_is_said():
    with pytest.raises(InputError, match="0 neighbours"):
        neighbour_graph(np.ones((3, 2)), 0)
    with pytest.raises(InputError, match="a row for each item"):
        neighbour_graph(np.ones(3))
