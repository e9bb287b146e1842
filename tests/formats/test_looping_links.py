"""A file that is a link to itself: it is there, and whoever asks about it gets an error."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from merian.catalogue.sources import Reject, Rows
from merian.errors import MerianError
from merian.formats import find_format, formats, read_path

FILES = 6


@pytest.mark.parametrize("name", sorted(formats()))
def test_a_link_to_itself_in_place_of_any_file_is_told(tmp_path: Path, name: str) -> None:
    form = find_format(name)
    whole = tmp_path / "whole"
    whole.mkdir()
    place = form.fake(whole, 1).relative_to(whole)
    files = sorted(file.relative_to(whole) for file in whole.rglob("*") if file.is_file())
    for number, file in enumerate(files[:: max(1, len(files) // FILES)]):
        copy = tmp_path / str(number)
        shutil.copytree(whole, copy)
        (copy / file).unlink()
        (copy / file).symlink_to(copy / file)
        path = copy / place
        assert form.sniff(path) in {0, 1, 2, 3}
        assert not form.lacks or isinstance(form.lacks(path), str)
        try:
            reading = read_path(path, format=name)
            for source in reading.sources:
                if isinstance(source, Rows):
                    for chunk in source.chunks:
                        assert not isinstance(chunk, Reject) or chunk.reason
        except MerianError as error:
            assert str(error)
