"""No file breaks a format: it is recognised, or refused with an error that teaches."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue.sources import Rows
from merian.errors import FormatError, MerianError, NotFoundError
from merian.formats import Options, find_format, formats, read_path, sniff


def _jpeg(path: Path) -> bytes:
    Image.new("RGB", (40, 30), (200, 10, 10)).save(path, "JPEG")
    return path.read_bytes()


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "readme.txt").write_text("nothing to see\n")


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("meta.xml", "<archive><core rowType='x'></archive>")


TABLE = "processid\tsampleid\tbin_uri\tcoord\tmarker_code\tnuc\n"
ROTTEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda p: p.write_bytes(b""),
    "spaces": lambda p: p.write_bytes(b"\n\n  \n"),
    "one byte": lambda p: p.write_bytes(b">"),
    "header only.tsv": lambda p: p.write_text(TABLE),
    "ragged.tsv": lambda p: p.write_text(TABLE + "a\tb\n" + "c\td\te\tf\tg\th\ti\tj\n" * 3),
    "junk": lambda p: p.write_bytes(bytes(range(256)) * 50),
    "junk with a header": lambda p: p.write_bytes(b">seq\n" + bytes(range(256)) * 20),
    "cut.gz": lambda p: p.write_bytes(gzip.compress(b">a\nACGT\n" * 9000)[:90]),
    "cut.tsv.gz": lambda p: p.write_bytes(gzip.compress(TABLE.encode() + b"a\tb\n" * 9000)[:-20]),
    "gz of nothing.gz": lambda p: p.write_bytes(gzip.compress(b"")),
    "gz in name.gz": lambda p: p.write_bytes(b"\x1f\x8bnot really gzipped"),
    "latin-1.tsv": lambda p: p.write_bytes((TABLE + "Müller\té\t\t\t\tAC\n").encode("latin-1")),
    "utf-16.csv": lambda p: p.write_bytes("species,lat\nAedes aegypti,3\n".encode("utf-16")),
    "protein.faa": lambda p: p.write_text(">p1\nMKVLWAALLVTFLAGCQ\n"),
    "cut.jpg": lambda p: p.write_bytes(_jpeg(p)[:200]),
    "text.png": lambda p: p.write_text("no picture"),
    "folder": _folder,
    "empty folder": lambda p: p.mkdir(),
    "broken.zip": lambda p: p.write_bytes(b"PK\x03\x04 and then nothing"),
    "odd meta.zip": _zip,
    "meta.xml": lambda p: p.write_text("<archive><core"),
    "json.json": lambda p: p.write_text('{"a": [1, 2], "b": 3}'),
    "prose.txt": lambda p: p.write_text("Once upon a time, there was a moth.\nIt flew, far.\n"),
    "no line end.csv": lambda p: p.write_text("species,lat"),
    "quotes.csv": lambda p: p.write_text('species,lat\n"Aedes aegypti,3\n'),
    "long line.csv": lambda p: p.write_text("species,sequence\nAedes," + "A" * 300_000 + "\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROTTEN)
@pytest.mark.parametrize("format_name", sorted(formats()))
def test_nothing_but_our_errors_escapes(tmp_path: Path, name: str, format_name: str) -> None:
    path = tmp_path / name
    ROTTEN[name](path)
    chosen = find_format(format_name)
    assert chosen.sniff(path) in {0, 1, 2, 3}
    try:
        reading = read_path(path, Options(), format_name)
        for source in reading.sources:
            if isinstance(source, Rows):
                for _ in source.chunks:
                    pass
    except MerianError as error:
        assert name in str(error) or "meta.xml" in str(error)


@pytest.mark.parametrize("name", sorted(formats()))
def test_a_format_knows_its_own(tmp_path: Path, name: str) -> None:
    path = find_format(name).fake(tmp_path, 1)
    found = sniff(path).name
    assert found == name or (name.startswith("fasta-") and found == "fasta")


@pytest.mark.parametrize("name", sorted(formats()))
def test_a_fake_is_the_same_each_time_and_another_for_another_seed(
    tmp_path: Path, name: str
) -> None:
    fake = find_format(name).fake

    def content(where: str, seed: int) -> dict[str, bytes]:
        (tmp_path / where).mkdir()
        fake(tmp_path / where, seed)
        return {
            str(p.relative_to(tmp_path / where)): p.read_bytes()
            for p in (tmp_path / where).rglob("*")
            if p.is_file()
        }

    first = content("a", 1)
    assert first == content("b", 1)
    assert first != content("c", 2)


@pytest.mark.parametrize("name", sorted(formats()))
def test_a_module_tells_the_spec(name: str) -> None:
    chosen = find_format(name)
    assert chosen.title
    assert bool(chosen.write) == bool(chosen.suffix)


def test_what_no_format_knows_lists_the_formats(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"\0\1\2")
    with pytest.raises(FormatError, match=r"no format knows this.*fasta.*--map"):
        read_path(path)


def test_an_unknown_name_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="Did you mean bold-bcdm"):
        read_path(tmp_path, format="bold-bcdn")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file or folder"):
        read_path(tmp_path / "nothing.csv")


def test_utf_16_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    ROTTEN["utf-16.csv"](path)
    with pytest.raises(FormatError, match="CSV UTF-8"):
        read_path(path, format="table")


def test_a_table_that_lacks_a_column_says_what_it_might_be(tmp_path: Path) -> None:
    path = tmp_path / "bold.tsv"
    columns = TABLE.strip().split("\t")
    path.write_text("\t".join(c for c in columns if c != "marker_code") + "\nP1\tS1\t\t\tACGT\n")
    told = read_path(path).notes[-1]
    assert "It might be bold-bcdm, but it has no column" in told
    assert "marker_code" in told
    assert not any("might be" in note for note in read_path(path, format="table").notes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"images": [{"file": "x.jpg"}]}', "It might be coco, but it has no annotations, no cat"),
        ('{"images": [{"file": "x.jpg"}]}', "be megadetector, but it has no detection_categories"),
        ('{"images": [{"file": "x.jpg"}]}', "be ifdo, but it has no image-set-header, no image-"),
        ('{"images": [{"file": "x.jpg"}]}', "be inselect, but it has no inselect version, no it"),
        ('{"images": [{}], "annotations": [{}], "categories": [{}]}', "no image with an id, nor"),
        ("[1, 2]", "a list whose first element has no image_id, category_id and bbox"),
        ('{"images": [\n{', r"As JSON it is broken (odd.json:2: is cut short"),
        ("words", "It is no JSON, as its name says"),
    ],
    ids=["coco", "megadetector", "ifdo", "inselect", "elements", "list", "broken", "words"],
)
def test_json_that_no_format_knows_says_what_it_might_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd.json").write_text(text)
    with pytest.raises(FormatError) as error:
        sniff("odd.json")
    assert told in str(error.value)


def test_a_folder_that_no_format_knows_tells_the_files_in_it_that_one_knows(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing to see\n")
    (tmp_path / "b.fasta").write_text(">a\nACGTACGT\n")
    with pytest.raises(FormatError, match=r"formats know b\.fasta \(fasta\); give one of these"):
        read_path(tmp_path)


def test_a_zip_with_a_name_that_is_no_text_is_told_of_and_never_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("\u00e9\u00e9\u00e9.xml", "<annotations/>")
    data = path.read_bytes()
    assert data.count(b"\xc3\xa9") == 6
    path.write_bytes(data.replace(b"\xc3\xa9", b"\xb6\xb6"))
    for name, form in formats().items():
        assert form.sniff(path) == 0, name
        if form.lacks:
            form.lacks(path)
    with pytest.raises(FormatError):
        read_path(path)
