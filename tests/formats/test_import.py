"""From a file into a catalogue and out again: counts, round trips, golden files."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from dwca.read import DwCAReader

from merian.catalogue import TABLES, Catalogue, Reading, Summary
from merian.dwc_archive import unpack
from merian.errors import InputError
from merian.formats import Options, find_format, formats, read_path, write_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]
Read = Callable[[Catalogue], dict[str, list[tuple[object, ...]]]]

GOLDEN = Path(__file__).parent / "golden"
# The pictures of a Parquet file move into it, and it is no text: it has tests of its own.
WRITERS = sorted(name for name, f in formats().items() if f.write and name != "hf-parquet")

# What is in a fake, by format.
COUNTS = {
    "benthicnet": {"event": 15, "occurrence": 12, "media": 12, "identification": 22,
                   "measurement": 12},
    "biigle": {"event": 5, "occurrence": 20, "media": 25, "identification": 24,
               "measurement": 12},
    "bioscan-1m": {"occurrence": 20, "material": 20, "media": 20, "sequence": 20,
                   "identification": 20},
    "bioscan-5m": {"event": 2, "occurrence": 30, "material": 30, "media": 30, "sequence": 30,
                   "identification": 30, "measurement": 106},
    "bold-bcdm": {"event": 20, "occurrence": 20, "material": 20, "sequence": 24,
                  "identification": 20},
    "bold-v4": {"event": 20, "occurrence": 20, "material": 20, "media": 8, "sequence": 20,
                "identification": 20},
    "coco": {"occurrence": 10, "media": 12, "identification": 7, "measurement": 21},
    "coralnet": {"event": 6, "occurrence": 24, "media": 30, "identification": 54,
                 "measurement": 17},
    "cvat": {"occurrence": 11, "media": 13, "identification": 11, "measurement": 6},
    "dwc-a": {"event": 12, "occurrence": 12, "media": 12, "identification": 12,
              "measurement": 12},
    "dwc-dp": {"event": 4, "occurrence": 12, "material": 12, "media": 12, "identification": 12,
               "measurement": 12},
    "ecotaxa": {"event": 18, "occurrence": 12, "media": 13, "identification": 8,
                "measurement": 46},
    "fasta": {"occurrence": 40, "sequence": 40, "identification": 40},
    "fasta-coidb": {"occurrence": 20, "sequence": 20, "identification": 20},
    "fasta-qiime": {"occurrence": 20, "sequence": 20, "identification": 20},
    "flatbug": {"occurrence": 5, "media": 6, "measurement": 15},
    "flowcam": {"event": 1, "occurrence": 4, "media": 5, "identification": 3,
                "measurement": 24},
    "hf-imagefolder": {"event": 9, "occurrence": 9, "media": 8, "identification": 9,
                       "measurement": 5},
    "hf-parquet": {"event": 8, "occurrence": 12, "media": 11, "identification": 9},
    "ifcb": {"event": 3, "occurrence": 7, "media": 8, "measurement": 176},
    "ifcb-features": {"event": 1, "occurrence": 3, "measurement": 9},
    "ifcb-scores": {"event": 4, "occurrence": 15, "identification": 14, "measurement": 4},
    "ifdo": {"event": 6, "occurrence": 25, "media": 30, "identification": 25, "measurement": 6},
    "image-folder": {"occurrence": 6, "media": 6, "identification": 4},
    "inselect": {"occurrence": 6, "material": 6, "media": 7, "identification": 4,
                 "measurement": 6},
    "massid45": {"material": 12, "sequence": 8},
    "megadetector": {"event": 4, "occurrence": 6, "media": 13, "identification": 6,
                     "measurement": 6},
    "neon-beetles": {"occurrence": 9, "material": 10, "media": 1, "identification": 9,
                     "measurement": 82},
    "planktonzilla": {"event": 12, "occurrence": 12, "media": 12, "identification": 12,
                      "measurement": 3},
    "planktoscope": {"event": 4, "occurrence": 6, "media": 6, "measurement": 14},
    "squidle": {"event": 8, "occurrence": 30, "media": 36, "identification": 24,
                "measurement": 6},
    "table": {"event": 25, "occurrence": 25, "identification": 25},
    "transectmeasure": {"event": 4, "occurrence": 20, "media": 24, "identification": 16,
                        "measurement": 30},
    "uvp6": {"occurrence": 8, "media": 14, "identification": 9, "measurement": 8},
    "webdataset": {"event": 11, "occurrence": 12, "media": 11, "identification": 12,
                   "measurement": 11},
    "zooimage": {"event": 2, "occurrence": 4, "media": 3, "measurement": 12},
    "zooprocess": {"event": 3, "occurrence": 3, "media": 6, "measurement": 54},
}  # fmt: skip
SET_ASIDE = {
    "coco": 2, "cvat": 2, "ecotaxa": 2, "fasta": 1, "flowcam": 2, "hf-imagefolder": 1, "ifcb": 1,
    "ifcb-features": 2, "ifcb-scores": 2, "image-folder": 2, "neon-beetles": 1, "uvp6": 1,
    "zooimage": 1, "zooprocess": 2,
}  # fmt: skip
# Values of rows that were kept.
WITHOUT_VALUE = {
    "flatbug": 1, "flowcam": 1, "hf-imagefolder": 1, "hf-parquet": 1, "ifcb": 1, "webdataset": 2,
    "zooimage": 1, "zooprocess": 1,
}  # fmt: skip


def test_every_format_is_counted() -> None:
    assert set(COUNTS) == set(formats())


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_a_fake_is_taken_in_whole(tmp_path: Path, take_in: Take, name: str) -> None:
    chosen = find_format(name)
    _, summary = take_in(chosen.read(chosen.fake(tmp_path, 1), Options()))
    assert summary.added == COUNTS[name]
    assert summary.rows_rejected == SET_ASIDE.get(name, 0)
    assert summary.values_rejected == WITHOUT_VALUE.get(name, 0)


@pytest.mark.parametrize("seed", [2])
@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_read_back(
    tmp_path: Path, take_in: Take, tables: Read, name: str, seed: int
) -> None:
    chosen = find_format(name)
    assert chosen.write
    path = chosen.fake(tmp_path / "fake", seed)
    first, _ = take_in(chosen.read(path, Options()))
    written = tmp_path / f"written{chosen.suffix}"
    count = chosen.write(first, written)
    images = tmp_path / "fake" / "images"
    options = Options(images=images if images.is_dir() else None)
    second, summary = take_in(chosen.read(written, options))
    assert summary.rows_rejected == summary.values_rejected == 0
    assert tables(second) == tables(first)
    assert count == {"bold-bcdm": 24, "ecotaxa": 13}.get(name, COUNTS[name]["occurrence"])


@pytest.mark.parametrize("name", WRITERS)
def test_bytes_are_the_same_whatever_the_threads(
    tmp_path: Path, new_catalogue: Callable[..., Catalogue], name: str
) -> None:
    chosen = find_format(name)
    assert chosen.write
    path = chosen.fake(tmp_path / "fake", 3)
    found = []
    for threads in (1, 2, 4):
        catalogue = new_catalogue(threads)
        catalogue.ingest(chosen.read(path, Options()))
        written = tmp_path / f"written{threads}{chosen.suffix}"
        chosen.write(catalogue, written)
        found.append(written.read_bytes())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_as_it_was(tmp_path: Path, take_in: Take, name: str) -> None:
    # After a change that is meant: write the files of `found` to the golden folder, and read
    # the difference before committing it.
    chosen = find_format(name)
    assert chosen.write
    catalogue, _ = take_in(chosen.read(chosen.fake(tmp_path / "fake", 1), Options()))
    written = tmp_path / "written" / f"golden{chosen.suffix}"
    chosen.write(catalogue, written)
    if chosen.suffix == ".zip":
        with zipfile.ZipFile(written) as packed:
            packed.extractall(written.parent)
        written.unlink()
    found = {p.name: p.read_text(encoding="utf-8") for p in sorted(written.parent.iterdir())}
    folder = GOLDEN / name
    expected = {p.name: p.read_text(encoding="utf-8") for p in sorted(folder.iterdir())}
    assert found == expected


def test_a_written_file_appears_complete_or_not_at_all(tmp_path: Path, take_in: Take) -> None:
    chosen = find_format("fasta")
    assert chosen.write
    catalogue, _ = take_in(chosen.read(chosen.fake(tmp_path, 1), Options()))
    packed = tmp_path / "out.fasta.gz"
    chosen.write(catalogue, packed)
    plain = tmp_path / "out.fasta"
    chosen.write(catalogue, plain)
    first, _ = take_in(read_path(packed))
    assert len(first.query("SELECT * FROM sequence").fetch()) == 40
    assert not list(tmp_path.glob(".*"))


# --- Darwin Core Archives -----------------------------------------------------------------------


def test_an_independent_reader_reads_our_archive(tmp_path: Path, take_in: Take) -> None:
    bcdm, dwca = find_format("bold-bcdm"), find_format("dwc-a")
    assert dwca.write
    catalogue, _ = take_in(bcdm.read(bcdm.fake(tmp_path, 1), Options()))
    path = tmp_path / "archive.zip"
    assert dwca.write(catalogue, path) == 20
    with DwCAReader(str(path)) as archive:
        assert archive.descriptor.core.type == "http://rs.tdwg.org/dwc/terms/Occurrence"
        rows = list(archive)
        assert len(rows) == 20
        first = rows[1].data
        assert first["http://rs.tdwg.org/dwc/terms/scientificName"] == "Pieris rapae"
        assert first["http://rs.tdwg.org/dwc/terms/eventDate"] == "2011-11-07/2011-11-14"
        sequences = [
            extension.data["http://rs.gbif.org/terms/dna_sequence"]
            for row in rows
            for extension in row.extensions
            if extension.rowtype == "http://rs.gbif.org/terms/1.0/DNADerivedData"
        ]
        assert len(sequences) == 24
        assert all(set(sequence) <= set("ACGT") for sequence in sequences)


def test_an_independent_reader_and_ours_agree(tmp_path: Path) -> None:
    path = find_format("dwc-a").fake(tmp_path, 1)
    archive = unpack(path)
    with DwCAReader(str(path)) as other:
        assert other.descriptor.core.type.endswith(archive.core.row_type)
        kinds = [e.type.rsplit("/", 1)[-1] for e in other.descriptor.extensions]
    assert kinds == [table.row_type for table in archive.extensions]


def test_all_tables_go_through_an_archive(tmp_path: Path, take_in: Take, tables: Read) -> None:
    dwca = find_format("dwc-a")
    assert dwca.write
    source = find_format("bold-bcdm")
    first, _ = take_in(source.read(source.fake(tmp_path, 1), Options()))
    expected = tables(first)
    columns = TABLES["identification"].columns
    place, who = (columns.index(name) for name in ("identificationVerificationStatus", "agentType"))
    said = {"human": "ValidatedByHuman", "machine": "PredictedByMachine"}
    expected["identification"] = [
        (*row[:place], row[place] or said[str(row[who])], *row[place + 1 :])
        for row in expected["identification"]
    ]
    for path in (tmp_path / "archive.zip", tmp_path / "folder"):
        dwca.write(first, path)
        second, _ = take_in(read_path(path))
        assert tables(second) == expected


# --- what each format means ---------------------------------------------------------------------


def test_two_markers_are_two_sequences_of_one_specimen(tmp_path: Path, take_in: Take) -> None:
    chosen = find_format("bold-bcdm")
    catalogue, _ = take_in(chosen.read(chosen.fake(tmp_path, 1), Options()))
    found = catalogue.query(
        "SELECT occurrenceID, list(targetGene ORDER BY targetGene) FROM sequence "
        "GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL"
    ).fetch()
    assert found == [(f"FAKE01{n:03d}-26", ["28S", "COI-5P"]) for n in (0, 6, 12, 18)]


def test_a_name_copied_from_a_bin_is_a_machines(tmp_path: Path, take_in: Take) -> None:
    chosen = find_format("bold-bcdm")
    catalogue, _ = take_in(chosen.read(chosen.fake(tmp_path, 1), Options()))
    found = catalogue.query(
        "SELECT DISTINCT identificationReferences, agentType FROM identification ORDER BY ALL"
    ).fetch()
    assert found == [("BIN Taxonomy Match (Jun 2020)", "machine"), ("Morphology", "human")]


def test_coordinates_of_both_kinds_are_read(tmp_path: Path, take_in: Take) -> None:
    path = tmp_path / "a.tsv"
    rows = ["(19.3786,-88.1892)", "[-35.261, 149.059]", "None", "[1e-05, -0]", "north of the lake"]
    path.write_text(
        "processid\tsampleid\tbin_uri\tcoord\tmarker_code\tnucraw\n"
        + "".join(f"P{n}\tS{n}\tNone\t{coord}\tCOI-5P\tACGTACGT\n" for n, coord in enumerate(rows))
    )
    catalogue, summary = take_in(read_path(path))
    found = catalogue.query(
        "SELECT occurrenceID, decimalLatitude, decimalLongitude FROM occurrence "
        "LEFT JOIN event USING (eventID) ORDER BY 1"
    ).fetch()
    assert found == [
        ("P0", 19.3786, -88.1892), ("P1", -35.261, 149.059), ("P2", None, None),
        ("P3", 1e-05, 0.0), ("P4", None, None),
    ]  # fmt: skip
    assert summary.values_rejected == 2


def test_pictures_keep_their_own_licences(tmp_path: Path, take_in: Take) -> None:
    chosen = find_format("bold-v4")
    catalogue, _ = take_in(chosen.read(chosen.fake(tmp_path, 1), Options()))
    found = catalogue.query("SELECT DISTINCT accessURI, license FROM media ORDER BY 1").fetch()
    assert found == [
        ("http://example.org/a.jpg", "CreativeCommons - Attribution"),
        ("http://example.org/b.jpg", None),
    ]
    (who,) = catalogue.query("SELECT DISTINCT recordedBy FROM occurrence").fetch()
    assert who == ("Günther Müller",)


def test_pictures_of_bioscan_lie_where_the_layout_says(tmp_path: Path, take_in: Take) -> None:
    chosen = find_format("bioscan-5m")
    catalogue, _ = take_in(chosen.read(chosen.fake(tmp_path, 1), Options()))
    paths = [Path(str(uri)) for (uri,) in catalogue.query("SELECT accessURI FROM media").fetch()]
    assert len(paths) == 30
    assert all(path.is_file() for path in paths)
    assert all("cropped_256" in path.parts for path in paths)


def test_a_folder_of_bioscan_is_read_whole(tmp_path: Path, take_in: Take) -> None:
    find_format("bioscan-5m").fake(tmp_path, 1)
    reading = read_path(tmp_path)
    assert reading.format == "bioscan-5m"
    _, summary = take_in(reading)
    assert summary.added["media"] == 30


def test_a_calibration_is_the_pictures(tmp_path: Path, take_in: Take, tables: Read) -> None:
    chosen = find_format("bioscan-5m")
    assert chosen.write
    path = chosen.fake(tmp_path, 1)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{lines[0]},px_per_mm", *(f"{line},82.5" for line in lines[1:])]))
    first, _ = take_in(chosen.read(path, Options()))
    assert first.query("SELECT DISTINCT pixelsPerMillimetre FROM media").fetch() == [(82.5,)]
    written = tmp_path / "again.csv"
    chosen.write(first, written)
    second, _ = take_in(read_path(written))
    assert tables(second) == tables(first)


def test_namibia_is_a_country(tmp_path: Path, take_in: Take) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,countryCode,lat,species\n1,NA,NA,Aedes aegypti\n2,DE,3,NA\n")
    catalogue, summary = take_in(read_path(path))
    codes = catalogue.query("SELECT countryCode, decimalLatitude FROM event ORDER BY 1").fetch()
    assert codes == [("DE", 3.0), ("NA", None)]
    assert summary.added["identification"] == 1


def test_rows_without_ids_are_called_by_their_line(tmp_path: Path, take_in: Take) -> None:
    path = tmp_path / "finds.csv"
    path.write_text("species,lat,lon\nAedes aegypti,1,2\n\nApis mellifera,3,4\n")
    catalogue, _ = take_in(read_path(path))
    found = catalogue.query("SELECT occurrenceID FROM occurrence ORDER BY 1").fetch()
    assert found == [("finds:2",), ("finds:4",)]


def test_a_protein_is_set_aside_by_the_catalogue(tmp_path: Path, take_in: Take) -> None:
    path = tmp_path / "p.fasta"
    path.write_text(">p1\nMKVLWAALLVTFLAGCQ\n>d1\nACGTACGTAC\n")
    catalogue, summary = take_in(read_path(path))
    assert summary.added["sequence"] == 1
    (reason,) = catalogue.query("SELECT reason FROM rejects").fetch()[0]
    assert "protein" in str(reason)


def test_columns_may_be_called_like_our_own(tmp_path: Path, take_in: Take) -> None:
    """A row without an identifier is set aside with all that its columns hold."""
    file = tmp_path / "table.csv"
    file.write_text(
        "id,species,source,file,ord,line,x,content\n"
        "a,Apis mellifera,s1,f1,1,2,3,4\n,Apis cerana,s2,f2,5,6,7,8\n"
    )
    options = Options({"id": "occurrenceID", "species": "scientificName"})
    catalogue, summary = take_in(read_path(file, options, "table"))
    assert summary.added["occurrence"] == 1
    rejects = catalogue.query("SELECT line, content FROM rejects").fetch()
    assert rejects == [(3, "\tApis cerana\ts2\tf2\t5\t6\t7\t8")]


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_stamped(tmp_path: Path, take_in: Take, name: str) -> None:
    chosen = find_format(name)
    catalogue, _ = take_in(chosen.read(chosen.fake(tmp_path / "in", 1), Options()))
    out = tmp_path / f"out{chosen.suffix}"
    assert write_path(catalogue, out, name) > 0
    stamp = json.loads(Path(f"{out}.merian.json").read_text())["merian"]
    assert stamp["format"] == name
    assert stamp["run"].startswith("export-")


def test_a_format_that_cannot_be_written(tmp_path: Path, take_in: Take) -> None:
    chosen = find_format("fasta")
    catalogue, _ = take_in(chosen.read(chosen.fake(tmp_path, 1), Options()))
    with pytest.raises(InputError, match="can be read and not written; what can be written: bios"):
        write_path(catalogue, tmp_path / "out.tsv", "bold-v4")
