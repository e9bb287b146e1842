"""Bins of an IFCB: what their three files say, and what is told where they are damaged."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.catalogue.sources import Reject, Rows
from merian.containers import read_address
from merian.errors import FormatError
from merian.formats import find_format, read_path
from merian.formats.ifcb_bins import bin_of
from merian.pictures import read_picture

Take = Callable[[Reading], tuple[Catalogue, Summary]]
FIRST = "IFCB5_2012_028_081515"
NEWER = "D20220522T000439_IFCB134"


@pytest.fixture
def bins(tmp_path: Path) -> Path:
    """Faked bins: one of the first kind and two of the newer, one of these damaged."""
    return find_format("ifcb").fake(tmp_path, 7)


def rejects(reading: Reading) -> list[tuple[str, int | None, str, str | None, str]]:
    return [
        (reject.path.name, reject.line, reject.reason, reject.term, reject.scope)
        for source in reading.sources
        if isinstance(source, Rows)
        for reject in source.chunks
        if isinstance(reject, Reject)
    ]


def rows(reading: Reading, table: str) -> list[dict[str, object]]:
    return [
        dict(zip(chunk, values, strict=True))
        for source in reading.sources
        if isinstance(source, Rows) and source.table == table
        for chunk in source.chunks
        if not isinstance(chunk, Reject)
        for values in zip(*chunk.values(), strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "version", "instrument", "began"),
    [
        ("IFCB1_2011_231_182610.adc", 1, "IFCB1", "2011-08-19T18:26:10Z"),
        ("D20130101T101010_IFCB099_00042.png", 2, "IFCB099", "2013-01-01T10:10:10Z"),
        ("D20220522T000439_IFCB134_class.h5", 2, "IFCB134", "2022-05-22T00:04:39Z"),
        ("IFCB1_2011_999_182610.adc", 1, "IFCB1", None),
        ("D20131301T101010_IFCB099", 2, "IFCB099", None),
    ],
)
def test_the_name_of_a_bin_tells_when(
    name: str, version: int, instrument: str, began: str | None
) -> None:
    found = bin_of(name)
    assert found
    assert (found.version, found.instrument, found.iso) == (version, instrument, began)


@pytest.mark.parametrize(
    "name", ["D2013_IFCB1", "IFCB1_2011_23_182610", "x", "", "E20130101T101010_IFCB099"]
)
def test_other_names_are_of_no_bin(name: str) -> None:
    assert bin_of(name) is None


def test_the_name_of_a_region_has_five_digits() -> None:
    assert bin_of("D20130101T101010_IFCB099").region(42) == "D20130101T101010_IFCB099_00042"  # type: ignore[union-attr]


def test_bins_are_taken_in(bins: Path, take_in: Take) -> None:
    catalogue, summary = take_in(read_path(bins))
    assert summary.added == {
        "event": 3, "occurrence": 7, "media": 8,
        # Headers of 6 and twice 12 values; volumes; pictures of triggers with 12 and 21 columns.
        "measurement": 6 + 12 + 12 + 1 + 2 + 2 + 3 * 12 + 3 * 21 + 2 * 21,
    }  # fmt: skip
    assert catalogue.query("SELECT * FROM event ORDER BY 1").fetch()[0][:4] == (
        "D20220522T000407_IFCB134", None, "IFCB bin", "2022-05-22T00:04:07Z",
    )  # fmt: skip
    found = catalogue.query(
        "SELECT eventID, decimalLatitude, decimalLongitude FROM event WHERE decimalLatitude > 0"
    ).fetch()
    assert sorted(found) == [
        ("D20220522T000407_IFCB134", 58.26, 11.43),
        ("D20220522T003007_IFCB134", 58.26, 11.43),
    ]
    assert catalogue.query(
        "SELECT measurementValue, measurementUnit FROM measurement "
        "WHERE eventID LIKE 'D20220522T0004%' AND measurementType = 'temperature'"
    ).fetch() == [("19.9", "degrees Celsius")]
    assert catalogue.query(
        "SELECT DISTINCT measurementValue, measurementUnit FROM measurement "
        "WHERE eventID LIKE 'D20220522T0004%' AND measurementType = 'ml_analyzed'"
    ).fetch() == [("3.340333", "mL")]  # (802 s - 0.32 s) x 0.25 mL/min
    assert catalogue.query("SELECT count(*) FROM media WHERE pixelsPerMillimetre > 0").value() == 0


def test_the_pictures_of_one_trigger_that_overlap_are_one_occurrence(bins: Path) -> None:
    first = next(bins.glob("IFCB1*.adc"))
    reading = read_path(first)
    terms = ("occurrenceID", "mediaID", "mediaRemarks")
    found = [tuple(row.get(term) for term in terms) for row in rows(reading, "record")]
    assert found == [
        (f"{first.stem}_00001", f"{first.stem}_00001", None),
        (f"{first.stem}_00002", f"{first.stem}_00002",
         "one of several pictures of trigger 2, at 210, 432 in the frame of the camera"),
        (f"{first.stem}_00002", f"{first.stem}_00003",
         "one of several pictures of trigger 2, at 230, 440 in the frame of the camera"),
    ]  # fmt: skip
    of_part = [r for r in rows(reading, "measurement") if r.get("mediaID")]
    assert {r["mediaID"] for r in of_part} == {f"{first.stem}_00003"}
    assert not any(r.get("occurrenceID") for r in of_part)
    list(reading.sources[0].chunks)  # type: ignore[union-attr]
    assert "pictures that are a part of an earlier one of their trigger: 1" in reading.notes
    assert "triggers without a picture: 1" in reading.notes


def test_pictures_of_one_trigger_that_lie_apart_are_two(bins: Path) -> None:
    first = next(bins.glob("IFCB1*.adc"))
    first.write_text(first.read_text().replace(",230,440,", ",238,440,"))  # two pixels in common
    assert len({r["occurrenceID"] for r in rows(read_path(first), "record")}) == 3


def test_faults_are_told_with_their_place(bins: Path) -> None:
    assert rejects(read_path(bins)) == [
        ("D20220522T003007_IFCB134.adc", 3, "has 5 columns, and 18 at least are expected", None,
         "row"),
        ("D20220522T003007_IFCB134.roi", 4,
         "the picture is cut off: it ends at byte 448, and the .roi at 428", "accessURI", "value"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [".hdr", ".adc", ".roi"])
@pytest.mark.parametrize("what", ["missing", "empty"])
def test_a_file_of_three_that_is_missing_or_empty(bins: Path, kind: str, what: str) -> None:
    name = "D20220522T000407_IFCB134"
    file = bins / (name + kind)
    if what == "missing":
        file.unlink()
    else:
        file.write_bytes(b"")
    reading = read_path(bins / (name + (".adc" if kind != ".adc" else ".hdr")))
    told = rejects(reading)
    regions = rows(reading, "record")
    if kind == ".hdr":
        why = "the bin has no header" if what == "missing" else "the header is empty"
        expected = [(f"{why}: only its name tells when it was taken", None)]
        assert len(regions) == 3
    elif kind == ".adc":
        expected = [
            ("the bin has no .adc: nothing tells where its pictures are", None)
            if what == "missing"
            else ("has 0 lines, and its header counts 4 triggers", None)
        ]
        assert not regions
    else:
        reason = f"the .roi is {what}: regions are kept without their pictures"
        expected = [(reason, "accessURI")]
        assert len(regions) == 3
        assert not any(r.get("accessURI") for r in regions)
    assert [(reason, term) for _, _, reason, term, _ in told] == expected
    assert [row["eventID"] for row in rows(reading, "event")] == [name]


def test_a_bin_without_content_is_set_aside(tmp_path: Path) -> None:
    for kind in (".hdr", ".adc", ".roi"):
        (tmp_path / f"D20130101T101010_IFCB099{kind}").touch()
    reading = read_path(tmp_path)
    assert [r[2] for r in rejects(reading)] == ["a bin without content: .adc, .hdr, .roi empty"]
    assert not rows(reading, "event")


def test_a_link_to_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "D20130101T101010_IFCB099.hdr").write_text("softwareVersion: 1\n")
    loop = tmp_path / "D20130101T101010_IFCB099.adc"
    loop.symlink_to(loop)
    reading = read_path(tmp_path)
    assert all("cannot be read" in r[2] or "header" in r[2] for r in rejects(reading))
    assert rejects(reading)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",16,9,0,", ",16.5,9,0,", "the width of the picture is no whole number: '16.5'"),
        (",16,9,0,", ",-16,9,0,", "-16 x 9 pixels from byte 0 are no picture"),
        (",16,9,0,", ",1000000000000,9,0,",
         "the width of the picture is no whole number: '1000000000000'"),
        (",16,9,0,", ",99999,9,0,", "99999 x 9 pixels from byte 0 are no picture"),
        (",16,9,0,", ",16,9,," * 9, "the start byte of the picture is no whole number: ''"),
        (",16,9,0,", ",16,9,0" + ",0" * 99 + ",", "has 123 columns or more, and 24 are expected"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_is_set_aside_and_counted(
    bins: Path, old: str, new: str, reason: str
) -> None:
    file = bins / "D20220522T000407_IFCB134.adc"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    reading = read_path(file)
    assert [r[:3] for r in rejects(reading)] == [(file.name, 2, reason)]
    assert [r["occurrenceID"] for r in rows(reading, "record")] == [
        f"{file.stem}_00003", f"{file.stem}_00004",
    ]  # fmt: skip


def test_a_place_that_is_none_is_told(bins: Path) -> None:
    file = bins / "D20220522T000407_IFCB134.hdr"
    file.write_text(file.read_text().replace("58.26", "-9999"))
    reading = read_path(file)
    assert rejects(reading) == [
        (file.name, 8, "no place on Earth: gpsLatitude", "decimalLatitude", "value")
    ]
    (event,) = rows(reading, "event")
    assert "decimalLongitude" not in event  # half a place is none


def test_a_sample_that_ran_fast_has_no_volume(bins: Path) -> None:
    file = bins / "D20220522T000407_IFCB134.hdr"
    file.write_text(file.read_text().replace("runSampleFast: False", "runSampleFast: True"))
    reading = read_path(file)
    assert not [r for r in rows(reading, "measurement") if r["measurementType"] == "ml_analyzed"]
    list(reading.sources[0].chunks)  # type: ignore[union-attr]
    assert "bins that ran fast, at a speed not stated: no ml_analyzed: 1" in reading.notes


def test_a_bin_that_is_there_twice_is_read_once(bins: Path) -> None:
    (bins / "copy").mkdir()
    shutil.copy(bins / "D20220522T000407_IFCB134.adc", bins / "copy")
    reading = read_path(bins)
    assert rejects(reading)[0][:3] == (
        "D20220522T000407_IFCB134.adc", None,
        "a bin of this name was found in another folder before",
    )  # fmt: skip
    assert len(rows(reading, "record")) == 8


def test_what_is_to_be_skipped_is_counted(bins: Path) -> None:
    (bins / "beads").mkdir()
    for file in bins.glob("IFCB1*"):
        file.rename(bins / "beads" / file.name)
    (bins / "readme.txt").write_text("x")
    reading = read_path(bins)
    assert any("skip, beads or bad are passed over: 1" in note for note in reading.notes)
    assert "files that are of no bin are passed over: .txt 1" in reading.notes
    assert len(rows(read_path(bins / "beads"), "record")) == 3


def test_a_folder_of_other_things_is_no_bin(tmp_path: Path) -> None:
    (tmp_path / "a.hdr").write_text("ENVI\nsamples = 3\n")
    ifcb = find_format("ifcb")
    assert ifcb.sniff(tmp_path) == ifcb.sniff(tmp_path / "a.hdr") == 0
    assert ifcb.lacks
    assert not ifcb.lacks(tmp_path / "a.hdr")
    (tmp_path / "a.hdr").write_text("SoftwareVersion: 2\nimagerID: 134\n")
    assert ifcb.lacks(tmp_path / "a.hdr").startswith("is not called as a bin is")
    with pytest.raises(FormatError, match="holds no bin"):
        read_path(tmp_path, format="ifcb")


# -- real bins ----------------------------------------------------------------------------------


@pytest.fixture
def real(shared: Path) -> Path:
    return shared / "plankton"


def volumes(catalogue: Catalogue) -> list[tuple[object, ...]]:
    return catalogue.query(
        "SELECT eventID, measurementValueNumeric FROM measurement "
        "WHERE measurementType = 'ml_analyzed' ORDER BY ALL"
    ).fetch()


def test_real_bins_of_both_kinds(real: Path, take_in: Take) -> None:
    catalogue, summary = take_in(read_path(real / "ifcb_pyifcb" / "white"))
    assert summary.added["occurrence"] == summary.added["media"] == 19  # of 118 triggers
    assert not summary.rejected
    assert "triggers without a picture: 99" in summary.notes
    # Published for this bin: 4.8850699 by its triggers, 5.0808412 by its header.
    name = "D20130526T095207_IFCB013"
    assert volumes(catalogue) == [(name, 4.88507), (name, 5.080841)]
    assert catalogue.query(
        "SELECT measurementType, measurementValue FROM measurement WHERE eventID IS NOT NULL AND "
        "measurementType IN ('syringe number', 'runType', 'Analog firmware version') ORDER BY 1"
    ).fetch() == [
        ("Analog firmware version", "36"), ("runType", "NORMAL"), ("syringe number", "75"),
    ]  # fmt: skip

    catalogue, summary = take_in(read_path(real / "ifcb_pyifcb" / "data" / "2012"))
    assert (summary.added["occurrence"], summary.added["media"]) == (5, 6)
    found = catalogue.query("SELECT occurrenceID, mediaID FROM media ORDER BY mediaID").fetch()
    assert found == [
        (f"{FIRST}_0000{whole}", f"{FIRST}_0000{part}")
        for whole, part in ((1, 1), (2, 2), (3, 3), (3, 4), (5, 5), (6, 6))
    ]
    assert volumes(catalogue) == [(FIRST, 0.003391)]  # published: 0.0033914708
    stated = catalogue.query(
        "SELECT measurementType, measurementValue FROM measurement WHERE eventID IS NOT NULL "
        "AND measurementType != 'ml_analyzed' AND measurementType != 'header' ORDER BY 1"
    ).fetch()
    assert stated == [
        ("BinarizeThresh", "30"), ("BlobSizeThresh", "10"), ("Humidity", "32.167437512207"),
        ("PMT1hv(ssc)", ".675"), ("PMT2hv(chl)", ".6"), ("SyringeStatus", "0"),
        ("Temp", "11.4799732421875"),
    ]  # fmt: skip


def test_real_pictures_are_those_that_others_took_out(real: Path) -> None:
    folder = real / "ifcb_classipyr"
    reading = read_path(folder / "raw")
    found = rows(reading, "record")
    assert [r["mediaID"] for r in found] == [f"{NEWER}_0000{n}" for n in range(2, 9)]
    for row in found:
        ours = read_picture(str(row["accessURI"])).pixels
        with Image.open(folder / "png" / NEWER / f"{row['mediaID']}.png") as image:
            theirs = np.asarray(image)
        assert ours.shape[:2] == theirs.shape
        # They stretched the contrast, so that values differ and their order does not.
        grey = ours if ours.ndim == 2 else ours[..., 0]
        assert np.corrcoef(grey.ravel(), theirs.ravel())[0, 1] > 0.99


def test_a_real_picture_of_the_first_kind_begins_where_it_says(real: Path) -> None:
    roi = real / "ifcb_pyifcb" / "data" / "2012" / FIRST / f"{FIRST}.roi"
    if not roi.exists():
        roi = next((real / "ifcb_pyifcb" / "data").rglob(f"{FIRST}.roi"))
    (row,) = [r for r in rows(read_path(roi), "record") if str(r["mediaID"]).endswith("_00002")]
    content = read_address(str(row["accessURI"]))
    assert content.startswith(b"P5 238 137 255\n")
    pixels = np.frombuffer(content[15:], np.uint8).reshape(137, 238).astype(float)
    # One byte off, and the last column would stand before the first.
    seams = [abs(pixels[:, i] - pixels[:, i - 1]).mean() for i in (1, 237)]
    assert max(seams) < 1 < abs(pixels[1:, 0] - pixels[:-1, -1]).mean()


def test_real_bins_that_are_empty_or_partial(real: Path, take_in: Take) -> None:
    _, summary = take_in(read_path(real / "ifcb_pyifcb" / "empty"))
    assert summary.added["event"] == 2
    assert "occurrence" not in summary.added
    assert "bins whose triggers have no picture: 2" in summary.notes
    reading = read_path(real / "ifcb_pyifcb" / "partial")
    assert [r[2] for r in rejects(reading)] == [
        "the .roi is missing: regions are kept without their pictures"
    ]
    assert len(rows(reading, "record")) == 6


def test_the_volume_that_others_publish(real: Path, tmp_path: Path, take_in: Take) -> None:
    packed = real / "ifcb_irfcb" / "tests" / "testthat" / "test_data" / "test_data.zip"
    with zipfile.ZipFile(packed) as stream:
        for name in stream.namelist():
            if "D20220522T003051_IFCB134." in name and name.startswith("test_data/data/"):
                (tmp_path / Path(name).name).write_bytes(stream.read(name))
    catalogue, summary = take_in(read_path(tmp_path))
    assert summary.added["occurrence"] == 2
    assert {value for _, value in volumes(catalogue)} == {2.981272}  # published: 2.9812723
