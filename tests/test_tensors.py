from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file

from merian.errors import FormatError
from merian.tensors import map_tensors, write_tensors


def test_what_is_written_is_read_by_us_and_by_the_formats_own_library(tmp_path):
    arrays = {
        "text": np.frombuffer(b"ACGTA", np.uint8),
        "pairs": np.arange(6, dtype=np.uint64).reshape(3, 2),
        "none": np.empty(0, np.int32),
        "share": np.linspace(0, 1, 3, dtype=np.float32),
    }
    path = tmp_path / "a.safetensors"
    write_tensors(path, arrays, "test 1.0")
    for found in (map_tensors(path), load_file(path)):
        assert sorted(found) == sorted(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)
    write_tensors(tmp_path / "b.safetensors", dict(reversed(arrays.items())), "test 1.0")
    assert path.read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert map_tensors(path)["pairs"].flags.aligned


@pytest.mark.parametrize("keep", [0, 4, 9, 60, -1])
def test_a_file_that_is_cut_off_is_told(keep, tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"x": np.arange(100)}, "test 1.0")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FormatError, match="not a complete safetensors file"):
        map_tensors(path)
