"""UVP6's folders of classes and PlanktoScope's tables."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError, InputError
from merian.formats import Options, find_format, read_path, sniff
from merian.formats.uvp6 import footer

Take = Callable[[Reading], tuple[Catalogue, Summary]]


def png(grey: np.ndarray) -> bytes:  # type: ignore[type-arg]
    stream = BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def drawn(ground: int = 254, bar: int = 27, height: int = 40) -> np.ndarray:  # type: ignore[type-arg]
    """A picture as EcoTaxa draws it, with a bar of so many pixels below."""
    grey = np.full((height + 31, 60), ground)
    grey[5:15, 20:30] = 120
    grey[height + 10, 5 : 5 + bar] = 254 - ground
    return grey


# -- UVP6 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grey", "rows"),
    [(drawn(), 31), (drawn(ground=0), 31), (drawn(bar=7), 0), (drawn()[:31], 0),
     (drawn(ground=100), 0), (np.full((80, 60), 254), 0),
     (np.random.default_rng(1).integers(0, 255, (80, 60)), 0)],
    ids=["white", "black", "short bar", "small", "grey", "empty", "noise"],
)  # fmt: skip
def test_a_bar_of_scale_is_seen(grey: np.ndarray, rows: int) -> None:  # type: ignore[type-arg]
    assert footer(png(grey)) == rows


def test_a_bar_is_left_out_and_the_picture_kept(tmp_path: Path, take_in: Take) -> None:
    for name, content in (("Copepoda__25828/1.png", png(drawn())),
                          ("Copepoda__25828/2.png", png(drawn()[:40])),
                          ("detritus__00/1.png", png(drawn()))):  # fmt: skip
        (tmp_path / "s" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s" / name).write_bytes(content)
    reading = read_path(tmp_path / "s", Options(extra={"pixel_um": "73"}), "uvp6")
    catalogue, summary = take_in(reading)
    assert not summary.rejected
    assert catalogue.query(
        "SELECT mediaID, occurrenceID, derivedFromMediaID, yFrac, round(heightFrac, 4), "
        "regionOutline, accessURI, round(1000 / pixelsPerMillimetre) FROM media ORDER BY 1"
    ).fetch() == [
        ("s/Copepoda__25828/1.png", None, None, None, None, None,
         f"{tmp_path}/s/Copepoda__25828/1.png", 73.0),
        ("s/Copepoda__25828/1.png#object", "1", "s/Copepoda__25828/1.png", 0.0, 0.5634,
         "POLYGON ((0 0, 60 0, 60 40, 0 40, 0 0))", None, 73.0),
        ("s/Copepoda__25828/2.png", "2", None, None, None, None,
         f"{tmp_path}/s/Copepoda__25828/2.png", 73.0),
        ("s/detritus__00/1.png", None, None, None, None, None,
         f"{tmp_path}/s/detritus__00/1.png", 73.0),
        ("s/detritus__00/1.png#object", "1", "s/detritus__00/1.png", 0.0, 0.5634,
         "POLYGON ((0 0, 60 0, 60 40, 0 40, 0 0))", None, 73.0),
    ]  # fmt: skip
    assert catalogue.query(
        "SELECT occurrenceID, verbatimIdentification, scientificName, taxonConceptID "
        "FROM identification ORDER BY 1, 2"
    ).fetch() == [("1", "Copepoda__25828", "Copepoda", "EcoTaxa:25828"),
                  ("1", "detritus__00", None, "EcoTaxa:0"),
                  ("2", "Copepoda__25828", "Copepoda", "EcoTaxa:25828")]  # fmt: skip
    assert "2 pictures have a bar of scale below, which is left out" in summary.notes
    assert any("1 objects lie in two classes or more" in note for note in summary.notes)


def test_the_bar_may_be_said(tmp_path: Path) -> None:
    fake = find_format("uvp6").fake(tmp_path, 1)

    def regions(bar: str) -> int:
        reading = read_path(fake, Options(extra={"bar": bar}))
        chunks = [c for c in reading.sources[0].chunks if not hasattr(c, "reason")]  # type: ignore[union-attr]
        return sum(1 for c in chunks for m in c["mediaID"] if str(m).endswith("#object"))  # type: ignore[index]

    assert [regions(bar) for bar in ("0", "31", "10", "9999999999999")] == [0, 9, 9, 0]
    for setting in ({"bar": "-1"}, {"bar": "²"}, {"pixel_um": "0"}):
        with pytest.raises(InputError, match="is expected"):
            read_path(fake, Options(extra=setting))


def test_only_what_is_of_a_uvp6_is_claimed(tmp_path: Path) -> None:
    classes = tmp_path / "classes"
    for name in ("Copepoda__1", "detritus__2"):
        (classes / name).mkdir(parents=True)
        (classes / name / "7.png").write_bytes(png(drawn()[:40]))
    assert sniff(classes).name == "image-folder"
    assert find_format("uvp6").lacks is not None
    assert "no table with the columns objid" in find_format("uvp6").lacks(classes)  # type: ignore[misc]
    (classes / "t.tsv").write_text("objid\tacq_threshold\n7\t21\n")
    assert sniff(classes).name == sniff(tmp_path).name == "uvp6"
    (classes / "other").mkdir()
    assert sniff(classes).name == "image-folder"
    with pytest.raises(FormatError, match="Copepoda__6666"):
        read_path(classes, format="uvp6")


def test_no_picture_of_the_real_sample_has_a_bar(shared: Path, take_in: Take) -> None:
    path = shared / "plankton" / "uvp6_uvpec"
    reading = read_path(path)
    assert reading.format == "uvp6"
    catalogue, summary = take_in(reading)
    assert not summary.rejected
    assert summary.added == {"occurrence": 1150, "media": 1250, "identification": 1250,
                             "measurement": 1150}  # fmt: skip
    assert catalogue.query(
        "SELECT taxonConceptID, count(*) FROM identification GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3"
    ).fetch() == [("EcoTaxa:8888", 250), ("EcoTaxa:6666", 200), ("EcoTaxa:1111", 100)]
    assert any("100 objects lie in two classes or more, such as Copepoda__6666 and "
               "darksphere__7777" in note for note in summary.notes)  # fmt: skip
    assert catalogue.query("SELECT DISTINCT measurementValue FROM measurement").fetch() == [("21",)]


# -- PlanktoScope -------------------------------------------------------------------------------


def test_a_planktoscope_tells_pixels_units_and_place(tmp_path: Path, take_in: Take) -> None:
    fake = find_format("planktoscope").fake(tmp_path, 1)
    assert sniff(fake).name == sniff(fake / "ecotaxa_export.tsv").name == "planktoscope"
    assert find_format("ecotaxa").sniff(fake) == 2
    catalogue, summary = take_in(read_path(fake))
    assert not summary.rejected
    assert catalogue.query(
        "SELECT DISTINCT round(1000 / pixelsPerMillimetre, 6), captureDevice FROM media"
    ).fetch() == [(0.75, "PlanktoScope v2.5")]
    assert catalogue.query(
        "SELECT decimalLatitude, decimalLongitude, eventDate FROM event WHERE eventType IS NULL"
    ).fetch() == [(-21.6167, -38.2667, "2021-01-22")]
    assert catalogue.query(
        "SELECT measurementType, any_value(measurementValue), measurementUnit FROM measurement "
        "GROUP BY ALL ORDER BY 1"
    ).fetch() == [
        ("acq_celltype", "300", "um"), ("acq_fnumber_objective", "16", "mm"),
        ("acq_imaged_volume", "2.9320", "mL"), ("acq_instrument", "PlanktoScope v2.5", None),
        ("acq_instrument_id", "Babane Batoukoa", None),
        ("object_width", catalogue.query("SELECT any_value(measurementValue) FROM measurement "
         "WHERE measurementType = 'object_width'").value(), "px"),
        ("process_pixel", "0.75", "um"), ("sample_gear_net_opening", "40", "mm"),
        ("sample_total_volume", "0.019", "L"),
    ]  # fmt: skip


def test_a_zip_of_a_planktoscope_and_a_pixel_that_is_said(tmp_path: Path, take_in: Take) -> None:
    fake = find_format("planktoscope").fake(tmp_path, 2)
    packed = Path(shutil.make_archive(str(tmp_path / "export"), "zip", fake))
    assert sniff(packed).name == "planktoscope"
    catalogue, _ = take_in(read_path(packed, Options(extra={"pixel_um": "1.5"})))
    found = catalogue.query("SELECT DISTINCT round(1000 / pixelsPerMillimetre, 6) FROM media")
    assert found.fetch() == [(1.5,)]
    assert catalogue.query("SELECT count(DISTINCT decimalLatitude) FROM event").value() == 1
    with zipfile.ZipFile(packed) as stream:
        assert "metadata.json" in stream.namelist()


@pytest.mark.parametrize(
    ("content", "told"),
    [("{", "is no JSON"), ("[1]", "no JSON object"), ("[" * 100_000, "is no JSON"),
     (" " * 1_100_000, "more than 1,048,576 bytes"), ("\udcff", "is no JSON")],
    ids=["cut", "list", "deep", "long", "no text"],
)  # fmt: skip
def test_damaged_metadata_are_one_error(tmp_path: Path, content: str, told: str) -> None:
    fake = find_format("planktoscope").fake(tmp_path, 1)
    (fake / "metadata.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(FormatError, match=told):
        read_path(fake)


def test_wrong_metadata_are_left_out_and_told(tmp_path: Path) -> None:
    fake = find_format("planktoscope").fake(tmp_path, 1)
    (fake / "metadata.json").write_text(json.dumps({"object_lat": 99, "object_lon": "1"}))
    reading = read_path(fake)
    assert any("object_lat '99' is out of range" in note for note in reading.notes)
