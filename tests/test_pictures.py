"""Files of pictures: every mode, what their Exif tells, and what is not to be opened."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from merian.errors import InputError
from merian.pictures import LIMIT, BadPictureError, decode, facts, pixel_limit, read_picture, whole


def content_of(image, kind="PNG", **more):
    held = io.BytesIO()
    image.save(held, kind, **more)
    return held.getvalue()


def grey(values, dtype):
    return Image.fromarray(np.array([values], dtype))


def shades(content):
    return [decode(content).getpixel((x, 0))[0] for x in range(3)]


def exif_of(place=None, taken=None, offset=None, orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation  # one that is empty would not be written
    exif.get_ifd(0x8825).update(place or {})
    details = {0x9003: taken, 0x9011: offset}
    exif.get_ifd(0x8769).update({tag: text for tag, text in details.items() if text})
    return exif


PLACE = {1: "S", 2: (33.0, 51.0, 36.0), 3: "E", 4: (151.0, 12.0, 0.0)}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_picture_is_upright(orientation, kind):
    from PIL import ImageOps

    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :8] = 255, 0, 0
    content = content_of(Image.fromarray(pixels), kind, exif=exif_of(orientation=orientation))
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    found = read_picture(content)
    assert np.array_equal(found.pixels, np.asarray(wanted))
    assert (found.facts.height, found.facts.width) == found.pixels.shape[:2]
    assert whole(content).size == wanted.size


def test_what_is_see_through_becomes_white():
    assert decode(content_of(Image.new("RGBA", (2, 2)))).getpixel((0, 0)) == (255, 255, 255)
    assert decode(content_of(Image.new("LA", (2, 2), (0, 128)))).getpixel((0, 0)) == (127,) * 3
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([9, 8, 7] * 256)
    assert decode(content_of(palette)).getpixel((0, 0)) == (9, 8, 7)
    assert decode(content_of(palette, transparency=0)).getpixel((0, 0)) == (255, 255, 255)
    keyed = content_of(Image.new("RGB", (2, 2), (1, 2, 3)), transparency=(1, 2, 3))
    assert decode(keyed).getpixel((0, 0)) == (255, 255, 255)


def test_every_mode_becomes_rgb():
    assert decode(content_of(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "TIFF")).getpixel(
        (0, 0)
    ) == (0, 255, 255)
    assert decode(content_of(Image.new("CMYK", (8, 8)), "JPEG")).mode == "RGB"
    assert decode(content_of(Image.new("1", (8, 8), 1))).getpixel((0, 0)) == (255, 255, 255)
    assert decode(content_of(Image.new("L", (8, 8), 77), "BMP")).getpixel((0, 0)) == (77,) * 3
    reddish = decode(content_of(Image.new("LAB", (8, 8), (128, 168, 128)), "TIFF"))
    assert np.allclose(reddish.getpixel((0, 0)), (180, 90, 121), atol=3)


def test_more_than_eight_bits_become_eight():
    assert shades(content_of(grey([0, 257 * 100, 65_535], np.uint16))) == [0, 100, 255]
    assert shades(content_of(grey([0, 257 * 100, 65_535], np.uint16), "TIFF")) == [0, 100, 255]
    # A camera of 12 bits, whose values would else be as good as black.
    assert shades(content_of(grey([0, 2048, 4095], np.uint16), "TIFF")) == [0, 128, 255]
    assert shades(content_of(grey([0, 1, 255], np.int32), "TIFF")) == [0, 1, 255]
    assert shades(content_of(grey([-1, 0, 1], np.float32), "TIFF")) == [0, 127, 255]
    assert shades(content_of(grey([np.nan, -2, 2], np.float32), "TIFF")) == [0, 0, 255]
    assert shades(content_of(grey([-3, -3, -3], np.float32), "TIFF")) == [0, 0, 0]
    with pytest.raises(BadPictureError, match="holds no number"):
        decode(content_of(grey([np.nan] * 3, np.float32), "TIFF"))


def test_a_large_jpeg_is_decoded_small_and_never_too_small():
    large = content_of(Image.new("RGB", (1600, 1200), (10, 200, 30)), "JPEG")
    assert decode(large, 224).size == (400, 300)
    assert decode(large, 1200).size == (1600, 1200)
    small = read_picture(large, 224)
    assert (small.facts.width, small.facts.height) == (1600, 1200)
    assert small.pixels.shape == (300, 400, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_place_and_time_are_told(kind):
    exif = exif_of(PLACE, "2024:07:09 23:59:58", "+10:00", orientation=6)
    told = {"exif": exif}
    if kind == "TIFF":  # whose own tags these are
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[0x0112] = 6
        tags[0x8825], tags[0x8769] = exif.get_ifd(0x8825), exif.get_ifd(0x8769)
        told = {"tiffinfo": tags}
    found = facts(content_of(Image.new("RGB", (40, 30)), kind, **told))
    assert (found.format, found.width, found.height) == (kind, 30, 40)
    assert (found.latitude, found.longitude) == (-33.86, 151.2)
    assert found.taken == "2024-07-09T23:59:58+10:00"
    assert found.mime == f"image/{kind.lower()}"


@pytest.mark.parametrize(
    "place",
    [
        {**PLACE, 2: (91.0, 0.0, 0.0)},
        {**PLACE, 4: (180.0, 1.0, 0.0)},
        {**PLACE, 1: "?"},
        {**PLACE, 2: (33.0, 51.0)},
        {1: "N", 2: (33.0, 51.0, 0.0)},
    ],
)
def test_half_a_place_or_none_on_earth_is_not_told(place):
    found = facts(content_of(Image.new("L", (4, 4)), exif=exif_of(place)))
    assert (found.latitude, found.longitude) == (None, None)


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "2024:13:01 00:00:00", "soon"])
def test_a_time_that_is_none_is_not_told(taken):
    assert facts(content_of(Image.new("L", (4, 4)), exif=exif_of(taken=taken))).taken is None


def test_damaged_metadata_do_no_harm():
    content = content_of(Image.new("L", (4, 4), 9), exif=exif_of(PLACE, "2024:07:09 23:59:58"))
    rng = np.random.default_rng(0)
    start = content.index(b"eXIf") + 4
    length = struct.unpack(">I", content[start - 8 : start - 4])[0]
    for _ in range(60):
        block = bytearray(content[start : start + length])
        for place in rng.integers(0, length, 6):
            block[place] = rng.integers(256)
        checked = struct.pack(">I", zlib.crc32(b"eXIf" + block))
        damaged = content[:start] + block + checked + content[start + length + 4 :]
        assert facts(damaged).width == 4
        assert set(np.unique(read_picture(damaged).pixels)) == {9}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP"])
def test_what_is_cut_short_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    content = content_of(Image.fromarray(noise), kind)
    for share in (0.02, 0.5, 0.9):
        with pytest.raises(BadPictureError, match=r"cut short|no picture that can be read"):
            facts(content[: int(len(content) * share)])
        with pytest.raises(BadPictureError):
            decode(content[: int(len(content) * share)])


@pytest.mark.parametrize(
    "content",
    [
        b"MZ\x90\x00 a program",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        b"GIF89a" + b"\0" * 4,
        b"II*\0\xff\xff\xff\xff",
    ],
)
def test_what_is_no_picture_is_refused(content):
    for look in (facts, decode):
        with pytest.raises(BadPictureError, match="is no picture that can be read"):
            look(content)


def test_an_empty_file_and_none_are_told(tmp_path):
    with pytest.raises(BadPictureError, match="the file is empty"):
        decode(b"")
    with pytest.raises(BadPictureError, match=r"gone\.png: cannot be opened \(No such file"):
        read_picture(tmp_path / "gone.png")
    with pytest.raises(BadPictureError, match="cannot be opened"):
        read_picture(tmp_path)


def bomb(width, height):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * ((width // 8 + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_by_a_limit_that_can_be_set(monkeypatch):
    small = content_of(Image.new("L", (101, 100)))
    monkeypatch.setenv(LIMIT, "10000")
    for look in (facts, decode, read_picture):
        with pytest.raises(BadPictureError, match=rf"more than 10,000 pixels.*raise {LIMIT}"):
            look(small)
    monkeypatch.setenv(LIMIT, "10100")
    assert facts(small).width == 101
    large = bomb(16_000, 12_000)  # 192 million pixels, more than Pillow opens by itself
    monkeypatch.delenv(LIMIT)
    with pytest.raises(BadPictureError, match="more than 178 million pixels"):
        facts(large)
    monkeypatch.setenv(LIMIT, "200000000")
    before = Image.MAX_IMAGE_PIXELS
    assert facts(large).width == 16_000
    assert before == Image.MAX_IMAGE_PIXELS
    monkeypatch.setenv(LIMIT, "many")
    with pytest.raises(InputError, match="MERIAN_PIXEL_LIMIT is 'many'; a number of pixels"):
        pixel_limit()


def test_a_text_that_unpacks_without_end_is_refused():
    told = PngImagePlugin.PngInfo()
    told.add_text("comment", "a" * (80 << 20), zip=True)
    with pytest.raises(BadPictureError, match="no picture that can be read"):
        decode(content_of(Image.new("L", (4, 4)), pnginfo=told))
