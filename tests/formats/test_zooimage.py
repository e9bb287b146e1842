"""ZooImage's .zid: objects with their pictures in a zip."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from merian.catalogue import Catalogue, Reading, Summary
from merian.containers import read_address
from merian.errors import FormatError
from merian.formats import find_format, read_path
from merian.pictures import read_picture

Take = Callable[[Reading], tuple[Catalogue, Summary]]
SAMPLE = "BIO.2000-05-03.p72"


@pytest.fixture
def zid(tmp_path: Path) -> Path:
    return find_format("zooimage").fake(tmp_path, 2)


def repacked(path: Path, change: Callable[[str], str]) -> None:
    """Write a .zid again with another text."""
    with zipfile.ZipFile(path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in members.items():
            text = change(content.decode()) if name.endswith(".zim") else content
            packed.writestr(name, text)


def test_a_sample_is_taken_in(zid: Path, take_in: Take) -> None:
    catalogue, summary = take_in(read_path(zid))
    assert summary.added == {
        "event": 2, "occurrence": 4, "media": 3, "measurement": 4 + 4 * 2,
    }  # fmt: skip
    assert catalogue.query(
        "SELECT eventID, parentEventID, eventType, eventDate FROM event ORDER BY 1"
    ).fetch() == [
        (SAMPLE, None, "sample", "2000-05-03"),
        (f"{SAMPLE}+A", SAMPLE, "fraction", "2000-05-03"),
    ]
    rows = catalogue.query(
        "SELECT occurrenceID, accessURI, round(pixelsPerMillimetre, 3), captureDevice FROM media "
        "ORDER BY 1"
    ).fetch()
    assert rows[0] == (
        f"{SAMPLE}+A_1", f"{zid}!/{SAMPLE}/{SAMPLE}+A_1.jpg", 23.624, "HP_Scanjet_8200",
    )  # fmt: skip
    assert read_picture(rows[0][1]).pixels.shape[:2] == (12, 21)
    assert catalogue.query(
        "SELECT line, term, reason, content FROM rejects ORDER BY 1"
    ).fetch() == [
        (18, "accessURI", "there is no picture of the object", f"{SAMPLE}+A_4"),
        (19, None, "has 2 fields, and the header 4", "5\tx"),
    ]


def test_a_folder_of_samples(zid: Path, take_in: Take) -> None:
    find_format("zooimage").fake(zid.parent, 3)
    (zid.parent / "cut.zid").write_bytes(zid.read_bytes()[:-60])
    catalogue, summary = take_in(read_path(zid.parent))
    assert summary.added["occurrence"] == 8
    told = catalogue.query("SELECT file, reason FROM rejects WHERE line IS NULL").fetch()
    ((file, reason),) = told
    assert Path(file).name == "cut.zid"
    assert reason.startswith("is damaged or cannot be read (")


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (lambda t: t.replace("\n2\t", "\n1\t"), 16, "object 1 was there before"),
        (lambda t: t.replace("\n2\t", "\nx\t"), 16, "no number of an object: 'x'"),
        (lambda t: t.replace("\n2\tB", "\n2\t\tB"), 16, "has 5 fields, and the header 4"),
    ],
)
def test_a_row_that_cannot_be_is_set_aside(
    zid: Path, take_in: Take, change: Callable[[str], str], line: int, reason: str
) -> None:
    repacked(zid, change)
    catalogue, _ = take_in(read_path(zid))
    rows = "SELECT line, reason FROM rejects WHERE scope = 'row' ORDER BY 1"
    assert (line, reason) in catalogue.query(rows).fetch()


def test_what_is_no_zid(zid: Path, tmp_path: Path) -> None:
    repacked(zid, lambda text: text.split("[Data]")[0])
    with pytest.raises(FormatError, match=r"the \.zim has no table of objects"):
        read_path(zid)
    with zipfile.ZipFile(zid, "w") as packed:
        packed.writestr("a/readme.txt", "none")
    with pytest.raises(FormatError, match=r"holds no \.zim with a table of objects"):
        read_path(zid)
    zid.write_bytes(zid.read_bytes()[:-30])
    with pytest.raises(FormatError, match="is damaged or cannot be read"):
        read_path(zid)
    other = tmp_path / "other.zid"
    other.write_text("text")
    zooimage = find_format("zooimage")
    assert zooimage.sniff(other) == 0
    assert zooimage.lacks
    assert zooimage.lacks(other) == "is no zip"
    (tmp_path / "none").mkdir()
    with pytest.raises(FormatError, match=r"holds no \.zid"):
        read_path(tmp_path / "none", format="zooimage")


def test_a_text_that_would_grow_without_end_is_left(zid: Path) -> None:
    with zipfile.ZipFile(zid, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("b/b_dat1.zim", b"\n" * (65 << 20))
    (source, *_) = read_path(zid).sources
    reasons = [getattr(chunk, "reason", "") for chunk in source.chunks]  # type: ignore[union-attr]
    assert "the .zim would unpack to 68,157,440 bytes" in reasons


def test_real_samples(shared: Path, take_in: Take) -> None:
    folder = shared / "plankton" / "zooimage_zid" / "examples"
    counts = {}
    for path in folder.glob("*.zid"):
        with zipfile.ZipFile(path) as packed:
            pictures = [name for name in packed.namelist() if name.endswith(".jpg")]
        counts[path.name.removesuffix(".zid")] = len(pictures)
    assert sum(counts.values()) == 66 + 226
    catalogue, summary = take_in(read_path(folder, format="zooimage"))
    assert not summary.rejected
    assert (
        dict(
            catalogue.query(
                "SELECT parentEventID, count(*) FROM occurrence JOIN event USING (eventID) "
                "GROUP BY 1"
            ).fetch()
        )
        == counts
    )
    found = catalogue.query(
        "SELECT m.accessURI, m.pixelsPerMillimetre, w.measurementValueNumeric FROM media m "
        "JOIN measurement w USING (occurrenceID) WHERE w.measurementType = 'Width' "
        "ORDER BY 1 LIMIT 30"
    ).fetch()
    for address, pixels, width in found:
        assert read_address(address).startswith(b"\xff\xd8")
        # A picture shows its object whole, with a margin.
        assert read_picture(address).pixels.shape[1] >= width * pixels - 1
        assert re.search(r"\.zid!/BIO", address)
