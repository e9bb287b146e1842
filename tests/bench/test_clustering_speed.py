"""The bench of the speed of clustering, at a size at which it says nothing but that it works."""

from __future__ import annotations

import numpy as np
import pytest

from merian.bench.clustering_speed import measure, mixture
from merian.errors import InputError


def test_rows_are_the_same_whether_all_or_some_are_made():
    whole = mixture(5000, 8, "close", 3)
    some = np.array([0, 7, 4095, 4096, 4999])
    assert np.array_equal(mixture(5000, 8, "close", 3, some), whole[some])


def test_the_exact_tree_agrees_as_scikit_learns_does():
    figures = measure(300, 8, "apart", 0, ("exact", "scikit-learn"))
    assert figures["300 x 8, apart: AMI, less that of scikit-learn"]["value"] == 0
    assert figures["300 x 8, apart: exact, AMI"]["value"] > 0.5
    assert all(figures[f"300 x 8, apart: exact, {key}"]["value"] >= 0 for key in ("cpu", "peak"))


def test_what_cannot_be_measured_is_said():
    with pytest.raises(InputError, match="100 rows or more"):
        measure(10, 8, "apart", 0, ("exact",))
