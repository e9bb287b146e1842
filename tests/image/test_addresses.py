"""Where a picture is: its file, a region of it, and the address that tells both."""

from __future__ import annotations

import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

from merian.image.addresses import PictureFile, address_of, apart, pixels_of, read_file, region_of
from merian.pictures import BadPictureError


@pytest.mark.parametrize("place", ["a.png", "with # and, commas#xywh=percent:1,2.png"])
@pytest.mark.parametrize("region", [None, (0.1, 0.2, 0.3, 0.7), (1e-7, 0.0, 1 / 3, 0.999)],
                         ids=["whole", "part", "odd"])  # fmt: skip
def test_an_address_tells_its_region(place, region):
    assert apart(address_of(place, region)) == (place, region)


def test_a_region_in_an_address_is_in_percent():
    assert address_of("tray.jpg", (0.1, 0.2, 0.05, 0.07)) == "tray.jpg#xywh=percent:10,20,5,7"
    assert apart("tray.jpg#xywh=1,2,3,4") == ("tray.jpg#xywh=1,2,3,4", None)


def test_a_region_has_a_pixel_at_least_and_none_beyond_the_picture():
    assert pixels_of((80, 60), (0.25, 0.5, 0.5, 0.25)) == (20, 30, 60, 45)
    assert pixels_of((80, 60), (1, 1, 0, 0)) == (79, 59, 80, 60)
    assert pixels_of((80, 60), (0.9, 0.9, 0.5, 0.5)) == (72, 54, 80, 60)
    assert region_of((0, 0, 1, 1)) is region_of((0.1, None, 0.2, 0.3)) is None


def test_a_file_that_never_ends_is_not_read(tmp_path):
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(BadPictureError, match="is no file"):
            read_file(str(tmp_path / "pipe"))
    for place in (str(tmp_path), str(tmp_path / "gone.png"), "a\0.png"):
        with pytest.raises(BadPictureError, match="cannot be opened"):
            read_file(place)
    with pytest.raises(BadPictureError, match="is on the web"):
        read_file("https://example.org/a.png")


def test_what_is_looked_at_has_a_hash_and_sides():
    held = io.BytesIO()
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(held, "PNG")
    file = PictureFile.of(held.getvalue())
    part = (0.25, 0.5, 0.5, 0.25)
    assert len({file.content_of(None, None), file.content_of(part, None), file.digest}) == 2
    assert file.sides(part, 10) == [4.0, 1.5]
    assert np.isnan(file.sides(None, None)).all()
    with pytest.raises(BadPictureError, match="has changed"):
        file.content_of(None, "0" * 32)
