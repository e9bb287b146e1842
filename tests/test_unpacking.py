"""Unpacking what cannot be trusted."""

from __future__ import annotations

import zipfile

import pytest

from merian.errors import FormatError
from merian.unpacking import unzip


def test_a_member_without_a_name_is_refused(tmp_path):
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a.csv", "id\n1\n")
        packed.writestr("b.csv", "id\n2\n")
    # A name ends where a zero byte stands, here before it has begun.
    path.write_bytes(path.read_bytes().replace(b"a.csv", b"\0.csv"))
    with pytest.raises(FormatError, match=r"a file in it has no name"):
        unzip(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
