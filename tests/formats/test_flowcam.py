"""FlowCam runs: lists of both kinds, collages, context and classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.catalogue.sources import Reject, Rows
from merian.errors import FormatError
from merian.formats import find_format, read_path
from merian.formats.flowcam_files import Layout, layout_of, read_classes, read_context

Take = Callable[[Reading], tuple[Catalogue, Summary]]
REAL = "flowcam_COMICS_DY086_20171118_MSC019_t0_4x"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return find_format("flowcam").fake(tmp_path, 3)


def rejects(reading: Reading) -> list[tuple[str, int | None, str, str | None, str]]:
    return [
        (reject.path.name, reject.line, reject.reason, reject.term, reject.scope)
        for source in reading.sources
        if isinstance(source, Rows)
        for reject in source.chunks
        if isinstance(reject, Reject)
    ]


def test_a_run_is_taken_in(run: Path, take_in: Take) -> None:
    catalogue, summary = take_in(read_path(run))
    assert summary.added == {
        "event": 1, "occurrence": 4, "media": 5, "identification": 3,
        "measurement": 4 * 4 + 8,
    }  # fmt: skip
    (event,) = catalogue.query(
        "SELECT eventID, eventDate, decimalLatitude, decimalLongitude, locality FROM event"
    ).fetch()
    # Half a place is none.
    assert event == ("run3", "2014-07-20T04:53:03/2014-07-20T06:12:27", None, None, None)
    volume = (
        "SELECT measurementValueNumeric, measurementUnit FROM measurement "
        "WHERE eventID = 'run3' AND measurementType = 'Fluid/FluidVolumeImaged_ml'"
    )
    assert catalogue.query(volume).fetch() == [(0.25, "mL")]
    assert catalogue.query(
        "SELECT mediaID, accessURI, pixelXDimension, pixelYDimension, pixelsPerMillimetre, "
        "captureDevice FROM media WHERE derivedFromMediaID IS NULL"
    ).fetch() == [
        ("run3/run3_000001.tif", (run / "run3_000001.tif").as_posix(), 60, 24, 551.57198,
         "FlowCam 101"),
    ]  # fmt: skip
    assert catalogue.query(
        "SELECT mediaID, occurrenceID, xFrac, yFrac, widthFrac, heightFrac, regionOutline "
        "FROM media WHERE derivedFromMediaID = 'run3/run3_000001.tif' ORDER BY 1"
    ).fetch()[2] == (
        # It sticks out by six pixels: the fractions are clipped, the outline is not.
        "run3_3", "run3_3", 0.6, 0.0, 0.4, 10 / 24, "POLYGON ((36 0, 66 0, 66 10, 36 10, 36 0))",
    )  # fmt: skip


def test_classes_are_identifications(run: Path, take_in: Take) -> None:
    catalogue, _ = take_in(read_path(run / "run3.lst"))
    assert catalogue.query(
        "SELECT occurrenceID, agentType, verbatimIdentification, identificationReferences, "
        "identificationVerificationStatus FROM identification ORDER BY 1"
    ).fetch() == [
        ("run3_1", "human", "Ciliophora", "run3.cla, mine", None),
        ("run3_2", "human", "Ciliophora", "run3.cla, mine", None),
        ("run3_4", "machine", "small", "run3.cla, mine", "PredictedByMachine"),
    ]


def test_faults_are_told_with_their_place(run: Path) -> None:
    assert rejects(read_path(run)) == [
        ("run3.ctx", 7, "no degrees: LocationLongitude", "decimalLongitude", "value"),
        ("run3.lst", 17, "has 3 fields, and 10 are expected", None, "row"),
        ("run3.cla", 21, "no particle of this run", None, "row"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("\n2|21|", "\n1|21|", "particle 1 was there before"),
        ("\n2|21|", "\n2|x|", "image_x is no whole number: 'x'"),
        ("|14|9|", "|0|9|", "0 x 9 pixels at 21, 0 are no part of a collage"),
        ("|14|9|", "|1000000000000|9|", "image_w is no whole number: '1000000000000'"),
        ("|14|9|", "|99999|9|", "99999 x 9 pixels at 21, 0 are no part of a collage"),
        ("|14|9|", "|14|9|9|", "has 11 fields, and 10 are expected"),
    ],
)
def test_a_row_that_cannot_be_is_set_aside(run: Path, old: str, new: str, reason: str) -> None:
    path = run / "run3.lst"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    assert ("run3.lst", 14, reason, None, "row") in rejects(read_path(path))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: p.unlink(), "the collage cannot be opened (No such file or directory): "),
        (lambda p: p.write_bytes(b""), "the collage cannot be read (the file is empty)"),
        (lambda p: p.write_bytes(b"II*\0junk"), "the collage cannot be read (is no picture"),
    ],
)
def test_a_collage_that_is_not_there(
    run: Path, take_in: Take, change: Callable[[Path], object], reason: str
) -> None:
    change(run / "run3_000001.tif")
    reading = read_path(run / "run3.lst")
    (told,) = [row for row in rejects(reading) if row[3] == "accessURI"]
    assert told[2].startswith(reason.strip())
    assert told[2].endswith("its regions have no picture")
    catalogue, summary = take_in(reading)
    assert summary.added["media"] == 5  # their outlines are still known
    known = "SELECT count(xFrac), count(regionOutline) FROM media"
    assert catalogue.query(known).fetch() == [(0, 4)]


def test_the_scale_of_the_context_counts_where_the_row_has_none(run: Path, take_in: Take) -> None:
    path = run / "run3.lst"
    path.write_text(path.read_text().replace("|1.8130|", "|0|"))
    catalogue, _ = take_in(read_path(path))
    scale = "SELECT DISTINCT pixelsPerMillimetre FROM media"
    assert catalogue.query(scale).fetch() == [(None,)]  # 1 is what nobody calibrated
    context = run / "run3.ctx"
    context.write_text(context.read_text().replace("Constant=1.0000", "Constant=2.5"))
    catalogue, _ = take_in(read_path(path))
    assert catalogue.query(scale).fetch() == [(400.0,)]


def old_list(path: Path, count: int) -> None:
    """Write a list of VisualSpreadsheet 1 or 2."""
    between = ["120.5"] if count == 47 else []
    rows = []
    for number in (1, 2):
        fields = [str(number), "2.2000", *(["7.5"] * 20), *between, *(["1.0"] * 12),
                  "old_000001.tif", str(20 * number), "3", "15", "12", "500", "600"]  # fmt: skip
        rows.append(fields + ["9"] * (count - len(fields)))
    path.write_text("\n".join(["004", "3.0", *(":".join(row) for row in rows)]) + "\n")


@pytest.mark.parametrize("count", [44, 47])
def test_an_older_list_has_colons_and_no_names(tmp_path: Path, take_in: Take, count: int) -> None:
    Image.new("L", (100, 50)).save(tmp_path / "old_000001.tif")
    old_list(tmp_path / "old.lst", count)
    assert find_format("flowcam").sniff(tmp_path / "old.lst") == 2
    catalogue, summary = take_in(read_path(tmp_path / "old.lst"))
    assert not summary.rejected
    assert catalogue.query(
        "SELECT mediaID, xFrac, yFrac, widthFrac, round(pixelsPerMillimetre, 3) FROM media "
        "WHERE occurrenceID IS NOT NULL ORDER BY 1"
    ).fetch() == [("old_1", 0.2, 0.06, 0.15, 454.545), ("old_2", 0.4, 0.06, 0.15, 454.545)]
    told = catalogue.query("SELECT DISTINCT measurementType FROM measurement")
    kinds = {kind for (kind,) in told}
    assert {"abd_diameter", "esd_diameter", "src_x", "ch4_width"} <= kinds
    assert ("timestamp1" in kinds) == (count == 47)


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("", "is empty or no text"),
        ("017\nnum-fields|3\nid|int32\n", "names 1 of the 3 columns that it is said to have"),
        ("017\nnum-fields|999999\nid|int32\n", "is said to have 999999 columns"),
        ("017\nnum-fields|2\nid|int32\nimage_x|int32\n",
         "has no column collage_file, image_y, image_w, image_h"),
        ("a\nb\n1:2:3\n", "has no line num-fields, and no rows of 44 or 47 fields"),
    ],
)  # fmt: skip
def test_what_is_no_list(tmp_path: Path, text: str, lacks: str) -> None:
    path = tmp_path / "a.lst"
    path.write_text(text)
    flowcam = find_format("flowcam")
    assert flowcam.sniff(path) == 0
    assert flowcam.lacks
    assert flowcam.lacks(path).startswith(lacks)
    with pytest.raises(FormatError, match=r"a list of FlowCam is expected"):
        read_path(path, format="flowcam")


def test_a_part_of_a_run_names_its_list(run: Path) -> None:
    lacks = find_format("flowcam").lacks
    assert lacks
    assert lacks(run / "run3.cla") == "is a part of a run: give the .lst beside it"
    with pytest.raises(FormatError, match=r"It might be flowcam, but it is a part of a run"):
        read_path(run / "run3.cla")


# What VisualSpreadsheet 3.4.5 wrote, cut down: two classifications, most of their classes empty.
CLASSES = "v3 2 test 3 0 OR 0 0 1 OR 0 3 1 12 14 2 OR 0 0 LCL 2 1A OR 0 0 2A AND 1 ESD>3 1 89"


def test_classes_of_two_classifications(tmp_path: Path) -> None:
    path = tmp_path / "a.cla"
    path.write_text("\n".join(CLASSES.split()) + "\n")
    found = [
        (one.classification, one.label, one.filtered, [number for _, number in one.numbers])
        for one in read_classes(path)
    ]
    assert found == [
        ("test", "0", False, []), ("test", "1", False, [1, 12, 14]), ("test", "2", False, []),
        ("LCL", "1A", False, []), ("LCL", "2A", True, [89]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("v4 1", 1, "is of version 'v4', and only v3 is known"),
        ("v3", 2, "ends where the number of classifications should stand"),
        ("v3 1 a 1 b NOR", 6, "'NOR' stands where OR or AND should"),
        ("v3 1 a 1 b OR 0 2 7", 10, "ends where the id of a particle should stand"),
        ("v3 1 a 1 b OR 0 x", 8, "'x' stands where the number of particles should"),
        ("v3 999999999999", 2, "'999999999999' stands where the number of classifications should"),
    ],
)
def test_classes_that_break_off(run: Path, text: str, line: int, message: str) -> None:
    path = run / "run3.cla"
    path.write_text("\n".join(text.split()) + "\n")
    assert ("run3.cla", line, f"the rest of the classes is left: {message}", None, "row") in (
        rejects(read_path(run))
    )


def test_two_runs_in_a_folder_have_their_own_classes(run: Path) -> None:
    for suffix in (".lst", ".cla"):
        (run / f"run3{suffix}").rename(run / f"other{suffix}")
    (run / "run3.lst").write_text((run / "other.lst").read_text())
    reading = read_path(run)
    (source,) = [s for s in reading.sources if isinstance(s, Rows) and s.table == "identification"]
    (chunk,) = [chunk for chunk in source.chunks if not isinstance(chunk, Reject)]
    assert chunk["occurrenceID"] == ["other_1", "other_2", "other_4"]


def test_keys_without_a_value_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.ctx"
    path.write_text("[General]\nTechnicianName= \nTimeZone=\n[Laser]\nEnabled=1\nno key\n")
    assert list(read_context(path)) == [(5, "Laser", "Enabled", "1")]


def test_a_real_run(shared: Path, take_in: Take) -> None:
    path = shared / "plankton" / "flowcam_morphocut"
    layout = layout_of(path / f"{REAL}.lst")
    assert isinstance(layout, Layout)
    assert (layout.version, len(layout.names), layout.names[-1]) == ("017", 65, "image_id")
    catalogue, summary = take_in(read_path(path))
    assert (summary.added["occurrence"], summary.added["media"]) == (506, 507)
    assert not summary.rejected
    assert summary.added["measurement"] == 506 * (65 - 6)
    assert catalogue.query(
        "SELECT pixelXDimension, pixelYDimension, round(pixelsPerMillimetre, 2) FROM media "
        "WHERE derivedFromMediaID IS NULL"
    ).fetch() == [(1200, 1920, 551.57)]
    # Every region lies within the collage, and its diameter in pixels within its box.
    assert catalogue.query(
        "SELECT count(*) FROM media WHERE xFrac + widthFrac <= 1 AND yFrac + heightFrac <= 1 AND "
        "round(widthFrac * 1200) = pixelXDimension AND round(heightFrac * 1920) = pixelYDimension"
    ).value() == 506  # fmt: skip
    assert catalogue.query(
        "SELECT count(*) FROM media m JOIN measurement d USING (occurrenceID) "
        "WHERE d.measurementType = 'abd_diameter' AND d.measurementValueNumeric "
        "* m.pixelsPerMillimetre / 1000 <= greatest(m.pixelXDimension, m.pixelYDimension)"
    ).value() == 506  # fmt: skip
