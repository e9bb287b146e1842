"""Samples in tar files: what stands together, what is read, and where a damage ends."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.catalogue.sources import Reject, Rows
from merian.containers import BadAddressError, tar_files
from merian.errors import FormatError
from merian.formats import Options, find_format, read_path, sniff
from merian.image.addresses import read_file
from merian.learn.pack_gather import Asked
from merian.learn.packing import make_pack

Take = Callable[[Reading], tuple[Catalogue, Summary]]


def png(grey: int = 7) -> bytes:
    held = io.BytesIO()
    Image.new("L", (12, 8), grey).save(held, "PNG")
    return held.getvalue()


def tar(path: Path, *files: tuple[str, bytes | str | object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as packed:
        for name, given in files:
            text = given if isinstance(given, bytes | str) else json.dumps(given)
            content = text if isinstance(text, bytes) else text.encode()
            told = tarfile.TarInfo(name)
            told.size = len(content)
            packed.addfile(told, io.BytesIO(content))
    return path


Found = tuple[list[dict[str, object]], list[Reject]]


def rows_of(reading: Reading, table: str = "record") -> Found:
    rows: list[dict[str, object]] = []
    rejects: list[Reject] = []
    for source in reading.sources:
        assert isinstance(source, Rows)
        for chunk in source.chunks if source.table == table else ():
            if isinstance(chunk, Reject):
                rejects.append(chunk)
            else:
                rows += [dict(zip(chunk, values, strict=True))
                         for values in zip(*chunk.values(), strict=True)]  # fmt: skip
    return rows, rejects


def test_a_sample_is_the_files_of_one_name(tmp_path: Path) -> None:
    path = tar(
        tmp_path / "sea" / "val-000001.tar",
        ("x/1.a.png", png(1)), ("x/1.cls", "2"), ("x/1.txt", " a copepod\n"),
        ("x/2.JPG", png(2)), ("x/2.cls", "Appendicularia"),
    )  # fmt: skip
    (tmp_path / "sea" / "classnames.txt").write_text("one\ntwo\nNoctiluca\n")
    reading = read_path(tmp_path / "sea")
    assert reading.format == "webdataset"
    first, second = rows_of(reading)[0]
    assert first["occurrenceID"] == "sea/val-000001/x/1"
    assert first["verbatimIdentification"] == "Noctiluca"
    assert first["mediaRemarks"] == "a copepod"
    assert first["split"] == "val"
    assert first["accessURI"] == f"{path}!/x/1.a.png"
    assert second["verbatimIdentification"] == "Appendicularia"
    assert read_file(str(second["accessURI"])) == png(2)
    assert (second["line"], second["pixelXDimension"]) == (2, 12)


def test_json_gives_terms_measurements_and_remarks(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", ("1.png", png()), ("1.cls", "7"), ("1.json", {
        "id": "S1", "lat": -12.50, "label": "Calanus", "area": 1e300, "alive": True, "none": None,
        "boxes": [1, 2.5], "file_name": "x.png", "deep": {"a": "ü"},
    }))  # fmt: skip
    reading = read_path(path)
    ((row,), _) = rows_of(reading)
    assert (row["occurrenceID"], row["decimalLatitude"]) == ("S1", "-12.5")
    assert row["verbatimIdentification"] == "Calanus"
    assert row["occurrenceRemarks"] == '{"boxes": [1, 2.5], "deep": {"a": "ü"}}'
    measured, _ = rows_of(reading, "measurement")
    assert [(m["measurementType"], m["measurementValue"]) for m in measured] == [
        ("area", "1e+300"), ("alive", "true"), ("file_name", "x.png"), ("cls", "7"),
    ]  # fmt: skip
    assert {m["occurrenceID"] for m in measured} == {"S1"}


def test_further_pictures_are_media_of_their_own(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", ("1.seg.png", png(1)), ("1.png", png(2)), ("1.npy", b"x"))
    reading = read_path(path)
    ((row,), _) = rows_of(reading)
    assert str(row["accessURI"]).endswith("!/1.png")
    ((mask,), _) = rows_of(reading, "media")
    assert (mask["accessURI"], mask["mediaRemarks"]) == (
        f"{path}!/1.seg.png", ".seg.png of the sample",
    )  # fmt: skip
    assert "files with other endings are left: .npy 1" in reading.notes


def test_a_text_may_be_the_label(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", ("1.png", png()), ("1.txt", "animalia arthropoda copepoda"))
    ((row,), _) = rows_of(read_path(path, Options(extra={"text": "label"})))
    assert row["verbatimIdentification"] == "animalia arthropoda copepoda"


def test_what_is_wrong_is_told_with_its_sample(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("one\n")
    path = tar(
        tmp_path / "a.tar",
        ("1.png", png()[:30]), ("1.json", "{"),
        ("2.png", png()), ("2.cls", "1"), ("2.json", "[1]"),
        ("1.cls", "0"),
        ("3.png", png()), ("3.png", png()), ("3.json", b"x" * (1 << 20) + b"x"),
        ("4.json", {"x": ["y" * 20_000]}), ("4.cls", "-1"),
    )  # fmt: skip
    rows, rejects = rows_of(read_path(path))
    assert [(r.line, r.term, r.scope, r.reason.split(" (")[0]) for r in rejects] == [
        (1, "json", "value", "is no JSON at line 1"),
        (1, "accessURI", "value", "is no picture that can be read"),
        (2, "json", "value", "is JSON, but no object"),
        (2, "cls", "value", "class 1 has no name: 1 are named"),
        (3, None, "row", "the files of a sample stand apart"),
        (4, "json", "value", "has 1,048,577 bytes; 1 MiB at most expected"),
        (4, "png", "value", "stands twice in the sample"),
        (5, "json", "value", "holds lists and objects of 20,011 characters, which are left"),
    ]
    assert [row["line"] for row in rows] == [1, 2, 4, 5]
    assert all("verbatimIdentification" not in row or row["verbatimIdentification"] is None
               for row in rows)  # fmt: skip


def test_what_stands_before_a_damage_is_read(tmp_path: Path, take_in: Take) -> None:
    path = tar(tmp_path / "a.tar", *((f"{n}.png", png(n)) for n in range(9)))
    content = path.read_bytes()
    path.write_bytes(content[:4_650])
    catalogue, summary = take_in(read_path(path, format="webdataset"))
    assert summary.added["media"] == 4
    ((line, reason),) = catalogue.query("SELECT line, reason FROM rejects").fetch()
    assert line == 5
    assert reason.startswith("what follows cannot be read: a.tar is damaged")
    address = catalogue.query("SELECT accessURI FROM media ORDER BY 1").fetch()[-1][0]
    assert read_file(str(address)) == png(3)


def test_sizes_that_lead_astray_end_the_tar(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", ("1.png", png()), ("2.png", png()))
    content = bytearray(path.read_bytes())

    def with_size(field: bytes) -> list[str]:
        changed = bytearray(content)
        head = changed[1024:1536]  # of the second file
        head[124:136] = field
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head)
        changed[1024:1536] = head
        path.write_bytes(changed)
        names: list[str] = []
        with pytest.raises(BadAddressError, match="damaged"):
            names.extend(one.name for one in tar_files(path))
        return names

    assert with_size(b"\xff" * 12) == ["1.png"]  # -1
    assert with_size(b"\xff" * 10 + b"\xf8\x00") == ["1.png"]  # back to the first
    assert with_size(b"\x80" + b"\0" * 5 + b"\xe8\xd4\xa5\x10\0\0") == ["1.png"]
    assert with_size(b"77777777777\0") == ["1.png"]


def test_packed_tars_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz"):
        pass
    with pytest.raises(FormatError, match=r"might be webdataset, but it is packed; unpack it"):
        read_path(tmp_path / "a.tar.gz")
    (tmp_path / "a.tar.gz").rename(tmp_path / "a.tar")
    with pytest.raises(FormatError, match=r"is packed; unpack it to a plain \.tar first"):
        read_path(tmp_path / "a.tar", format="webdataset")
    (tmp_path / "a.tar").write_bytes(b"x" * 5_000)
    with pytest.raises(FormatError, match="no tar with files in it, or damaged from the start"):
        read_path(tmp_path / "a.tar", format="webdataset")


def test_a_tar_of_other_things_is_none(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", ("src/a.py", "x"), ("src/a.txt", "x"))
    assert find_format("webdataset").sniff(path) == 0
    path = tar(tmp_path / "b.tar", ("a/1.png", png()), ("a/2.png", png()))
    assert find_format("webdataset").sniff(path) == 2


def test_a_pack_of_ours_is_read(tmp_path: Path, take_in: Take) -> None:
    for number, label in enumerate(("Apis mellifera", "Bombus terrestris") * 3):
        file = tmp_path / "bees" / label / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(number))
    catalogue, _ = take_in(read_path(tmp_path / "bees"))
    catalogue.close()
    made = make_pack([catalogue.path], tmp_path / "pack", Asked(kind="pictures"))
    assert made.pack
    reading = read_path(tmp_path / "pack")
    assert reading.format == "webdataset"
    again, summary = take_in(reading)
    assert summary.rows_rejected == summary.values_rejected == 0
    with Catalogue.open(catalogue.path, read_only=True) as first:
        for sql in (
            "SELECT occurrenceID FROM occurrence ORDER BY 1",
            "SELECT mediaID, occurrenceID, contentHash FROM media ORDER BY 1",
            "SELECT occurrenceID, scientificName FROM determination ORDER BY 1",
        ):
            assert again.query(sql).fetch() == first.query(sql).fetch()
    assert sniff(tmp_path / "pack").name == "webdataset"
