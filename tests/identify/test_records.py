"""Records from files and catalogues: what is joined, in which order, and what is set aside."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image
from tests.identify.conftest import bases, fasta

from merian.catalogue import Catalogue
from merian.errors import InputError, NotFoundError
from merian.formats import Options, formats, read_path
from merian.identify.records import PictureAsked, Record, Records, has_pictures
from merian.library.reading import Reject

PROTEIN = "MKVLAAGIVGLLLAQWERTYPLKDFGHSPLIVMKVLAAGIVGLLLAQWERTYPLKDFGHSPLIV"


def picture(path: Path, grey: int = 0) -> Path:
    """A small picture, of its own content for each path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = grey or int(hashlib.md5(str(path.name + path.parent.name).encode()).hexdigest()[:6], 16)
    image = Image.new("RGB", (20, 10), (shade >> 16, (shade >> 8) % 256, shade % 256))
    image.save(path)
    return path


def content(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def asked(path: Path, **more: object) -> PictureAsked:
    return PictureAsked(path.as_posix(), content=content(path), **more)


def read(work: Path, *paths: Path, options: Options | None = None) -> list[Record | Reject]:
    return [*Records(paths, options).read(work / "work")]


def records(found: list[Record | Reject]) -> dict[str, tuple[list[str], list[str]]]:
    """Of each record its sequences, and the names of its pictures."""
    return {
        r.id: ([s for _, s in r.barcodes], [Path(p.address).name for p in r.pictures])
        for r in found
        if isinstance(r, Record)
    }


def test_a_fasta_and_a_folder_of_pictures_by_the_same_ids_are_joined(tmp_path):
    photos = tmp_path / "photos"
    files = [picture(photos / f"{name}.png") for name in ("S1", "S3", "other")]
    path = fasta(tmp_path / "q.fasta", [("S2", bases(2)), ("S1", bases(1)), ("S3", bases(3))])
    found = read(tmp_path, photos, path)
    assert found == [
        Record("S1", (("", bases(1)),), (asked(files[0]),)),
        Record("S3", (("", bases(3)),), (asked(files[1]),)),
        Record("photos/other.png", (), (asked(files[2]),)),
        Record("S2", (("", bases(2)),)),
    ]
    assert [r.file for r in found] == [str(f) for f in (path, path, files[2], path)]
    assert [r.id for r in read(tmp_path, path, photos)] == ["S2", "S1", "S3", "photos/other.png"]


def test_of_one_id_there_may_be_several_markers_and_what_is_no_barcode_is_set_aside(tmp_path):
    path = tmp_path / "q.fasta"
    path.write_text(
        f">A|Aus bus|ITS|x\n{bases(1)}\n>A|Aus bus|COI-5P|x\n{bases(2).lower()}\n"
        f">P|Aus|COI-5P|x\n{PROTEIN}\n>B|Aus|COI-5P|x\nACGT\n>B|Aus|ITS|x\n{bases(3)}\n"
        f">A|Aus bus|ITS|x\n{bases(1)}\n>C|Aus|COI-5P|x\n"
    )
    (tmp_path / "empty.fasta").touch()
    found = read(tmp_path, path, tmp_path / "empty.fasta")
    assert [r for r in found if isinstance(r, Record)] == [
        Record("A", (("COI-5P", bases(2)), ("ITS", bases(1)))),
        Record("B", (("ITS", bases(3)),)),
    ]
    rejects = [r for r in found if isinstance(r, Reject)]
    assert [(r.line, r.id, r.reason.split(":")[0]) for r in rejects] == [
        (None, "", "The file is empty."),
        (5, "P", "This is a protein"),
        (7, "B", "The sequence is too short"),
        (13, "C|Aus|COI-5P|x", "there is no sequence under this header"),
    ]


def test_several_pictures_of_a_record_are_numbered_from_1_without_a_gap(tmp_path):
    photos = tmp_path / "photos"
    names = [
        "S1", "S1_1", "S1_2",  # all three are of S1
        "S2_1", "S2_3",  # a gap: nobody knows whether these are of S2
        "S3_1",  # an id of its own
        "S4_01", "S4_2",  # not written alike
        "nobody_1", "nobody_2",  # of no record that is known
    ]  # fmt: skip
    for name in names:
        picture(photos / f"{name}.jpg")
    picture(photos / "S5_1.jpg")
    picture(photos / "S5_1.png")  # twice the same number
    ids = ("S1", "S2", "S3_1", "S3", "S4", "S5")
    path = fasta(tmp_path / "q.fasta", [(key, bases(n)) for n, key in enumerate(ids)])
    asking = Records([path, photos])
    found = records([*asking.read(tmp_path)])
    assert found.pop("S1")[1] == ["S1.jpg", "S1_1.jpg", "S1_2.jpg"]
    assert found.pop("S3_1")[1] == ["S3_1.jpg"]
    assert [found.pop(key)[1] for key in ("S2", "S3", "S4", "S5")] == [[]] * 4
    assert {key for key, (_, pictures) in found.items() if len(pictures) == 1} == {
        f"photos/{name}"
        for name in ("S2_1.jpg", "S2_3.jpg", "S4_01.jpg", "S4_2.jpg", "nobody_1.jpg",
                     "nobody_2.jpg", "S5_1.jpg", "S5_1.png")
    }  # fmt: skip
    assert any(note.startswith("2 pictures are called ID_1, ID_2") for note in asking.notes)


def test_a_class_is_a_label_and_one_name_in_two_classes_joins_nothing(tmp_path):
    photos = tmp_path / "photos"
    for name in ("Copepoda/1.png", "detritus/1.png", "detritus/2.png"):
        picture(photos / name)
    path = fasta(tmp_path / "q.fasta", [("1", bases(1)), ("2", bases(2))])
    asking = Records([path, photos])
    found = [*asking.read(tmp_path)]
    assert records(found) == {
        "1": ([bases(1)], []),
        "2": ([bases(2)], ["2.png"]),
        "photos/Copepoda/1.png": ([], ["1.png"]),
        "photos/detritus/1.png": ([], ["1.png"]),
    }
    assert any("2 pictures are called like a record but lie in several" in n for n in asking.notes)
    (made,) = asking.catalogues(tmp_path)
    with Catalogue.open(made, read_only=True) as opened:
        labels = dict(
            opened.query("SELECT occurrenceID, verbatimIdentification FROM determination")
        )
    assert labels == {"2": "detritus", "photos/Copepoda/1.png": "Copepoda",
                      "photos/detritus/1.png": "detritus"}  # fmt: skip
    # Two views of a record, in folders that are given each by itself.
    for view in ("above", "below"):
        picture(tmp_path / view / "1.png")
    found = read(tmp_path, tmp_path / "above", path, tmp_path / "below")
    assert [p.address for p in found[0].pictures] == [
        str(tmp_path / "above" / "1.png"), str(tmp_path / "below" / "1.png")]  # fmt: skip


def test_folders_of_one_name_are_told_apart_and_a_picture_counts_once(tmp_path):
    for place in ("a/images", "b/images"):
        picture(tmp_path / place / "1.png", grey=len(place))
    one = picture(tmp_path / "b" / "images" / "2.png")
    found = read(tmp_path, tmp_path / "a/images", tmp_path / "b/images", one, one)
    assert [r.id for r in found] == ["a/images/1.png", "b/images/1.png", "b/images/2.png"]
    assert [r.id for r in read(tmp_path, one, tmp_path / "a/images/1.png")] == [
        "b/images/2.png", "a/images/1.png"]  # fmt: skip
    # A folder with the table that names its pictures.
    table = tmp_path / "a" / "t.csv"
    table.write_text("id,image\nX,images/1.png\nY,images/9.png\n")
    found = read(tmp_path, table, tmp_path / "a/images")
    assert records(found) == {"X": ([], ["1.png"])}
    rejects = [(r.id, Path(r.file).name, r.reason) for r in found if isinstance(r, Reject)]
    assert rejects == [("Y", "9.png", "cannot be opened (No such file or directory)")]


def test_a_specimen_is_known_by_its_id_and_by_its_number(tmp_path):
    """As BIOSCAN and BOLD have it: a table of process ids and sample ids."""
    table = tmp_path / "t.tsv"
    table.write_text(
        "occurrenceID\tmaterialEntityID\tsampleid\tnucleotides\n"
        f"P1\tM1\tBIOUG1-A01\t{bases(1)}\nP2\tM2\tBIOUG1-A02\t\nP3\tM3\ttwice\t\n"
        "P4\tM4\ttwice\t\nP5\tM5\tno-evidence\t\n"
    )
    photos = tmp_path / "photos"
    for name in ("M1", "BIOUG1-A02", "P1", "twice"):
        picture(photos / f"{name}.png")
    rows = [("M2", bases(2)), ("BIOUG1-A01", bases(3)), ("twice", bases(4)), ("P3", bases(5))]
    asking = Records([table, photos, fasta(tmp_path / "q.fasta", rows)])
    found = [*asking.read(tmp_path)]
    assert records(found) == {
        "P1": ([bases(1), bases(3)], ["M1.png", "P1.png"]),
        "P2": ([bases(2)], ["BIOUG1-A02.png"]),
        "P3": ([bases(5)], []),
        "twice": ([bases(4)], ["twice.png"]),
    }
    told = "\n".join(asking.notes)
    assert "2 records hold neither a sequence nor a picture" in told
    assert "1 ids are the materialEntityID of another record's specimen" in told
    assert "1 ids are the catalogNumber of one specimen alone" in told
    assert [r.id for r in found] == ["P1", "P2", "twice", "P3"]


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """A tray with two regions, a picture that is gone, one on the web, and barcodes."""
    tray = picture(tmp_path / "tray.png")
    whole = picture(tmp_path / "whole.png")
    table = tmp_path / "media.csv"
    table.write_text(
        "mediaID,occurrenceID,materialEntityID,derivedFromMediaID,accessURI,xFrac,yFrac,widthFrac,"
        "heightFrac,pixelsPerMillimetre\n"
        f"tray,,,,{tray},,,,,20\n"
        "r1,O1,,tray,,0.1,0.2,0.3,0.4,\nr2,,M2,tray,,0.5,0.5,0.5,0.5,40\nr3,,,tray,,0,0,1,0.5,\n"
        f"w,O1,,,{whole},,,,,\ngone,O3,,,{tmp_path}/gone.png,,,,,\n"
        "web,O4,,,https://example.org/a.jpg,,,,,\n"
    )
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "occurrenceID,materialEntityID,sequence\n"
        f"O1,M1,{bases(1)}\nO2,M2,\nO3,M3,{bases(3)}\nO4,M4,\nO5,M5,\n"
    )
    folder = tmp_path / "catalogue"
    with Catalogue.create(folder) as made:
        made.ingest(read_path(rows, format="table"))
        reading = read_path(table, format="table")
        feeds = [type(f)("media", f.terms) for s in reading.sources for f in s.feeds]
        (source,) = reading.sources
        made.ingest(type(reading)("table", [type(source)(**{**vars(source), "feeds": feeds})],
                                  [table]))  # fmt: skip
    return folder


def test_the_records_of_a_catalogue(tmp_path, catalogue):
    asking = Records([catalogue])
    found = [*asking.read(tmp_path / "work")]
    tray, whole = tmp_path / "tray.png", tmp_path / "whole.png"
    assert [r for r in found if isinstance(r, Record)] == [
        Record(
            "O1",
            (("", bases(1)),),
            (asked(tray, region=(0.1, 0.2, 0.3, 0.4), px_per_mm=20.0), asked(whole)),
        ),
        Record("O2", (), (asked(tray, region=(0.5, 0.5, 0.5, 0.5), px_per_mm=40.0),)),
        Record("O3", (("", bases(3)),)),
        Record("r3", (), (asked(tray, region=(0, 0, 1, 0.5), px_per_mm=20.0),)),
    ]
    rejects = {(r.id, r.file): r.reason for r in found if isinstance(r, Reject)}
    assert rejects == {
        ("O3", f"{tmp_path}/gone.png"): "cannot be opened (No such file or directory)",
        ("O4", "https://example.org/a.jpg"):
            "is on the web; nothing is fetched, so bring the file and import it",
    }  # fmt: skip
    by_id = {r.id: r for r in found if isinstance(r, Record)}
    assert by_id["O1"].media_ids == ("r1", "w")
    assert by_id["O2"].media_ids == ("r2",)
    with Catalogue.open(catalogue, read_only=True) as opened:
        ids = dict(opened.query("SELECT occurrenceID, nucleotideSequenceID FROM sequence"))
    assert by_id["O1"].sequence_ids == (ids["O1"],)
    assert asking.notes == [
        "1 records hold neither a sequence nor a picture and are not asked about"]  # fmt: skip
    # More files of the same records; and the same again from the same work folder.
    more = fasta(tmp_path / "more.fasta", [("M2", bases(2)), ("O5", bases(5))])
    asking = Records([catalogue, more])
    again = [*asking.read(tmp_path / "work")]
    assert records(again)["O2"] == ([bases(2)], ["tray.png"])
    assert [r.id for r in again if isinstance(r, Record)] == ["O1", "O2", "O3", "r3", "O5"]
    begun = asking.read(tmp_path / "work")
    assert next(begun) == again[0]  # read no farther, as for a sample
    assert [*asking.read(tmp_path / "work")] == again


def test_a_damaged_or_changed_picture_is_set_aside_and_the_barcode_is_asked(tmp_path):
    photos = tmp_path / "photos"
    whole = picture(photos / "A.png")
    (photos / "B.png").write_bytes(whole.read_bytes()[:40])
    path = fasta(tmp_path / "q.fasta", [("A", bases(1)), ("B", bases(2))])
    found = read(tmp_path, photos, path)
    assert records(found) == {"A": ([bases(1)], ["A.png"]), "B": ([bases(2)], [])}
    (reject,) = [r for r in found if isinstance(r, Reject)]
    assert (reject.id, reject.file) == ("B", str(photos / "B.png"))
    folder = tmp_path / "catalogue"
    with Catalogue.create(folder) as made:
        made.ingest(read_path(photos))
    picture(whole, grey=77)
    (reject,) = read(tmp_path, folder)
    assert "has changed since it was imported" in reject.reason


def test_the_fingerprint_is_of_contents(tmp_path):
    def print_of(*paths: Path) -> list[tuple[str, str]]:
        return Records(paths).fingerprint

    photos, table = tmp_path / "photos", tmp_path / "t.csv"
    first = picture(photos / "A.png")
    table.write_text("id,image\nA,photos/A.png\n")
    folder = tmp_path / "catalogue"
    with Catalogue.create(folder) as made:
        made.ingest(read_path(table))
    before = [print_of(p) for p in (photos, first, table, folder)]
    (photos / "notes.txt").write_text("no picture")
    assert [print_of(p) for p in (photos, first, table, folder)] == before
    picture(first, grey=99)
    after = [print_of(p) for p in (photos, first, table, folder)]
    assert all(a != b for a, b in zip(after, before, strict=True))
    photos.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(photos)
    assert print_of(photos) == after[0]


def test_whether_there_are_pictures_is_seen_at_once(tmp_path, catalogue):
    plain = fasta(tmp_path / "q.fasta", [("a", bases(1))])
    photos = picture(tmp_path / "photos" / "A.png").parent
    local, web, none = (tmp_path / f"{name}.csv" for name in ("local", "web", "none"))
    local.write_text(f"id,seq,image\nA,{bases(1)},\nB,,photos/A.png\n")
    web.write_text(f"id,seq,image_urls\nA,{bases(1)},https://a.org/1.jpg|https://a.org/2.jpg\n")
    none.write_text(f"id,seq,shelf\nA,{bases(1)},photos/A.png\n")
    with Catalogue.create(tmp_path / "bare") as made:
        made.ingest(read_path(plain))
    (tmp_path / "empty.fasta").touch()
    given = {plain: False, photos: True, photos / "A.png": True, local: True, web: False,
             none: False, catalogue: True, tmp_path / "bare": False,
             tmp_path / "empty.fasta": False}  # fmt: skip
    assert {path: has_pictures([path]) for path in given} == given
    assert has_pictures([plain, photos])
    assert has_pictures([none], Options({"shelf": "accessURI"}))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    lost = elsewhere / "lost.csv"
    lost.write_text(f"id,seq,image\nA,{bases(1)},A.png\n")
    assert not has_pictures([lost])
    assert has_pictures([lost], Options(images=elsewhere))
    with pytest.raises(NotFoundError):
        has_pictures([tmp_path / "gone.fasta"])


def test_every_format_can_be_looked_at(tmp_path):
    shown = {name for name, one in formats().items() if has_pictures([one.fake(tmp_path, 1)])}
    assert shown == {"bioscan-5m", "image-folder"}


def test_wrong_paths_are_told_and_a_table_of_nothing_is_told(tmp_path):
    with pytest.raises(InputError, match="nothing to identify"):
        Records([])
    with pytest.raises(NotFoundError, match=r"gone\.png: no such"):
        Records([tmp_path / "gone.png"])
    table = tmp_path / "t.csv"
    table.write_text("id,species\nA,Aus bus\n")
    asking = Records([table])
    assert [*asking.read(tmp_path)] == []
    assert any("--map column=sequence or column=accessURI" in note for note in asking.notes)
    table.write_text("id,sequence\n")
    (reject,) = Records([table], format="table").read(tmp_path)
    assert reject.reason == "The file holds no rows."


def test_reading_takes_no_more_memory_for_more_records(tmp_path):
    def peak(count: int) -> int:
        path = fasta(tmp_path / f"{count}.fasta", ((f"q{n}", bases(n % 50)) for n in range(count)))
        asking = Records([path])
        tracemalloc.start()
        ids = [r.id for r in asking.read(tmp_path)]
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert ids == [f"q{n}" for n in range(count)]
        return found

    # Beside the ids of this test only a batch of rows is in memory.
    assert peak(10_000) < peak(4_000) + 6_000 * 100
