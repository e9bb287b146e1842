"""Pictures: what a place says, and which are set aside."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue.sources import Reject, Rows
from merian.formats import read_path


def save(path: Path, kind: str = "PNG", size: tuple[int, int] = (12, 8), grey: int = 9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, grey).save(path, kind)
    return path


def read(path: Path) -> tuple[list[dict[str, object]], list[Reject], list[str]]:
    reading = read_path(path, format="image-folder")
    (source,) = reading.sources
    assert isinstance(source, Rows)
    rows: list[dict[str, object]] = []
    rejects: list[Reject] = []
    for chunk in source.chunks:
        if isinstance(chunk, Reject):
            rejects.append(chunk)
        else:
            rows += [
                dict(zip(chunk, values, strict=True))
                for values in zip(*chunk.values(), strict=True)
            ]
    return rows, rejects, list(reading.notes)


def test_the_place_of_a_picture_is_its_label(tmp_path: Path) -> None:
    root = tmp_path / "set"
    save(root / "Copepoda__6666" / "b.png", grey=1)
    save(root / "Copepoda__6666" / "a.jpg", "JPEG", grey=2)
    save(root / "train" / "fiber" / "c.png", grey=3)
    save(root / "Arthropoda" / "Copepoda" / "d.png", grey=4)
    save(root / "e.png", grey=5)
    rows, rejects, notes = read(root)
    assert not rejects
    assert [
        (r["occurrenceID"], r["verbatimIdentification"], r["split"], r["identificationRemarks"])
        for r in rows
    ] == [
        ("set/e.png", None, None, None),
        ("set/Arthropoda/Copepoda/d.png", "Copepoda", None, "folder Arthropoda/Copepoda"),
        ("set/Copepoda__6666/a.jpg", "Copepoda__6666", None, None),
        ("set/Copepoda__6666/b.png", "Copepoda__6666", None, None),
        ("set/train/fiber/c.png", "fiber", "train", None),
    ]
    assert notes == ["pictures: 5 (1 in no class), classes: 3"]


def test_what_is_known_of_a_picture(tmp_path: Path) -> None:
    path = save(tmp_path / "x" / "a.jpg", "JPEG", (31, 17))
    (row,), _, _ = read(tmp_path)
    assert (row["pixelXDimension"], row["pixelYDimension"]) == (31, 17)
    assert row["format"] == "image/jpeg"
    assert row["accessURI"] == path.as_posix()
    assert row["contentHash"] == hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def test_a_picture_may_tell_when_and_where_it_was_taken(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825).update({1: "N", 2: (44.0, 30.0, 0.0), 3: "W", 4: (63.0, 0.0, 36.0)})
    exif.get_ifd(0x8769)[0x9003] = "2023:05:01 08:00:00"
    save(tmp_path / "x" / "a.jpg", "JPEG", (31, 17))
    (row,), _, _ = read(tmp_path)
    assert "eventDate" not in row
    Image.new("RGB", (31, 17)).save(tmp_path / "x" / "b.jpg", exif=exif)
    rows, _, _ = read(tmp_path)
    terms = ("eventDate", "decimalLatitude", "decimalLongitude", "pixelXDimension")
    assert [[row[term] for term in terms] for row in rows] == [
        [None, None, None, 31],
        ["2023-05-01T08:00:00", 44.5, -63.01, 17],
    ]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"])
def test_a_picture_cut_short_is_set_aside(tmp_path: Path, kind: str) -> None:
    suffix = {"JPEG": "jpg"}.get(kind, kind.lower())
    path = tmp_path / "c" / f"a.{suffix}"
    path.parent.mkdir()
    noise = Image.effect_noise((64, 48), 80)
    noise.save(path, kind)
    rows, rejects, _ = read(tmp_path)
    assert len(rows) == 1
    assert not rejects
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    rows, rejects, _ = read(tmp_path)
    assert not rows
    assert rejects[0].path == path
    assert (
        "cut short" in rejects[0].reason
        or "cannot" in rejects[0].reason
        or "no picture" in rejects[0].reason
    )


def test_an_empty_and_a_false_picture_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.png").write_text("no picture at all")
    save(tmp_path / "c.png")
    rows, rejects, _ = read(tmp_path)
    assert [r["occurrenceID"] for r in rows] == [f"{tmp_path.name}/c.png"]
    assert [r.reason.split(" (")[0] for r in rejects] == [
        "the file is empty",
        "is no picture that can be read",
    ]
    assert " at 0x" not in rejects[1].reason  # the same input gives the same bytes


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b""))
    rows, rejects, _ = read(tmp_path)
    assert not rows
    assert "million pixels" in rejects[0].reason


def test_doubles_with_two_labels_are_told(tmp_path: Path) -> None:
    content = save(tmp_path / "a" / "1.png").read_bytes()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.png").write_bytes(content)
    (tmp_path / "a" / "3.png").write_bytes(content)
    _, _, notes = read(tmp_path)
    assert "2 pictures are byte for byte the same as an earlier one" in notes
    assert any("1 pictures lie in two classes or more, such as a and b" in n for n in notes)


def test_other_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png")
    save(tmp_path / "a" / ".hidden.png")
    save(tmp_path / ".thumbnails" / "1.png")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "a" / "notes.txt").write_text("x")
    rows, rejects, notes = read(tmp_path)
    assert len(rows) == 1
    assert not rejects
    assert notes[1] == "files that are no pictures are passed over: .txt 1"


def test_a_single_picture_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "moth.png")
    (row,), _, _ = read(path)
    assert row["occurrenceID"] == f"{tmp_path.name}/moth.png"
