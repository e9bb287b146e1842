"""Pictures that lie within other files are read where they lie."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import duckdb
import numpy as np
import pytest
from PIL import Image

from merian.containers import BadAddressError, container_of, is_there, member_address, read_address
from merian.image.addresses import address_of, apart
from merian.pictures import read_picture


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as packed:
        for name, content in members.items():
            told = tarfile.TarInfo(name)
            told.size = len(content)
            packed.addfile(told, io.BytesIO(content))
    return path


def test_a_member_of_a_tar(tmp_path: Path) -> None:
    path = tar(tmp_path / "shard.tar", {"a/1.txt": b"one", "a/2 #%.txt": b"two"})
    assert read_address(member_address(path, "a/1.txt")) == b"one"
    address = member_address(path, "a/2 #%.txt")
    assert address.endswith("shard.tar!/a/2 %23%25.txt")
    assert container_of(address) == (str(path), "a/2 #%.txt")
    assert read_address(address) == b"two"
    # A region stands behind, and comes off again.
    assert apart(address_of(address, (0.1, 0.2, 0.3, 0.4))) == (address, (0.1, 0.2, 0.3, 0.4))
    with pytest.raises(BadAddressError, match=r"shard.tar has no file a/3.txt"):
        read_address(member_address(path, "a/3.txt"))


def test_a_file_that_is_written_again_is_looked_at_again(tmp_path: Path) -> None:
    path = tar(tmp_path / "shard.tar", {"a.txt": b"one"})
    assert read_address(member_address(path, "a.txt")) == b"one"
    tar(path, {"before.txt": b"x" * 20_000, "a.txt": b"other"})
    assert read_address(member_address(path, "a.txt")) == b"other"


def test_a_member_of_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("img/1.png", b"content")
    assert read_address(member_address(path, "img/1.png")) == b"content"
    with pytest.raises(BadAddressError, match="has no file"):
        read_address(member_address(path, "img/2.png"))
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(BadAddressError, match="damaged"):
        read_address(member_address(path, "img/1.png"))


@pytest.mark.parametrize("nested", [False, True])
def test_a_cell_of_a_parquet(tmp_path: Path, nested: bool) -> None:
    path = tmp_path / "train.parquet"
    cell = "CAST('picture ' || i AS BLOB)"
    made = f"{{'bytes': {cell}, 'path': 'x'}}" if nested else cell
    duckdb.sql(
        f"COPY (SELECT if(i = 70, NULL, {made}) AS image FROM range(200) t(i)) TO '{path}' "
        "(FORMAT parquet, ROW_GROUP_SIZE 2048)"
    )
    for row in (0, 63, 64, 199):
        assert read_address(member_address(path, "image", row)) == f"picture {row}".encode()
    with pytest.raises(BadAddressError, match=r"row 70 .* holds nothing"):
        read_address(member_address(path, "image", 70))
    with pytest.raises(BadAddressError, match="has no row 200"):
        read_address(member_address(path, "image", 200))
    with pytest.raises(BadAddressError, match="damaged or cannot be read"):
        read_address(member_address(path, "photo", 1))
    with pytest.raises(BadAddressError, match="image/17"):
        read_address(member_address(path, "image"))


def test_pixels_in_a_row(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    path = tmp_path / "bin.roi"
    path.write_bytes(b"\0" * 7 + pixels.tobytes())
    found = read_picture(member_address(path, 7, 6, 4))
    assert (found.pixels == pixels[..., None]).all()
    assert Image.open(io.BytesIO(read_address(member_address(path, 7, 6, 4)))).size == (6, 4)
    with pytest.raises(BadAddressError, match="cut short: it ends at byte 31"):
        read_address(member_address(path, 8, 6, 4))
    for odd in ("7/6", "a/b/c", "7/0/4", "-1/6/4", "7/6/-4"):
        with pytest.raises(BadAddressError, match=r"no picture|1024/80/60"):
            read_address(f"{path}!/{odd}")


def test_a_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"content")
    assert read_address(str(path)) == read_address(f"file://{path}") == b"content"
    assert is_there(str(path))
    assert is_there(f"{path}!/whatever")
    assert not is_there(str(tmp_path / "b.tar"))
    with pytest.raises(BadAddressError, match="damaged"):
        read_address(f"{path}!/member")
    with pytest.raises(BadAddressError, match="on the web"):
        read_address("https://example.org/a.tar!/member")
    with pytest.raises(BadAddressError, match="No such file"):
        read_address(str(tmp_path / "b.tar!/member"))
