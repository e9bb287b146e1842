"""Pictures that are there twice, and those that cannot tell what they show."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from merian.audit import Limits, audit_pictures
from merian.catalogue import Catalogue
from merian.cli import main
from merian.errors import InputError
from merian.formats import read_path
from merian.image.likeness import TURNS, candidates, cosines, look_of, turned
from merian.image.quality import see

TURNED = {
    1: Image.Transpose.FLIP_LEFT_RIGHT, 2: Image.Transpose.FLIP_TOP_BOTTOM,
    3: Image.Transpose.ROTATE_180, 4: Image.Transpose.TRANSPOSE, 5: Image.Transpose.ROTATE_90,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
}  # fmt: skip


def beetle(seed: int, size: int = 160, at: tuple[int, int] | None = None) -> Image.Image:
    """A dark body with spots of its own, before a light ground with some noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    y, x = at or (size // 2 + seed % 7, size // 2 - seed % 5)
    tall, wide = random.integers(22, 48), random.integers(16, 40)
    body = ((rows - y) / tall) ** 2 + ((columns - x) / wide) ** 2 < 1
    pixels = np.full((size, size, 3), 205.0) + random.normal(0, 2, (size, size, 1))
    pixels[body] = 60
    for _ in range(8):
        v, h = y + random.integers(-25, 25), x + random.integers(-15, 15)
        spot = body & ((rows - v) ** 2 + (columns - h) ** 2 < random.integers(30, 150))
        pixels[spot] = random.integers(20, 150)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def ground(seed: int) -> Image.Image:
    """The same without a body."""
    noise = np.random.default_rng(seed).normal(0, 2, (160, 160, 1))
    return Image.fromarray(np.clip(205 + noise + np.zeros(3), 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in two classes, with one fault of each kind."""
    root = tmp_path_factory.mktemp("pictures") / "drawer"
    for name in ("Carabus", "Cicindela"):
        (root / name).mkdir(parents=True)
    first, second = root / "Carabus", root / "Cicindela"
    for seed in range(4):
        beetle(seed).save(first / f"c{seed}.png")
        beetle(seed + 10).save(second / f"d{seed}.png")
    (second / "twice.png").write_bytes((first / "c0.png").read_bytes())
    Image.open(first / "c1.png").save(first / "pixels.tif")
    (first / "again.jpg").write_bytes(jpeg(beetle(2).resize((120, 120)), 75))
    ground(5).save(second / "empty.png")
    beetle(20).filter(ImageFilter.GaussianBlur(5)).save(second / "soft.png")
    beetle(21, at=(4, 80)).save(second / "edge.png")
    pieces = np.asarray(ground(6)).copy()
    for row in (20, 70, 120):
        for column in (20, 70, 120):
            pieces[row : row + 18, column : column + 18] = 50
    Image.fromarray(pieces).save(first / "pieces.png")
    (first / "short.jpg").write_bytes(jpeg(beetle(30))[:2000])
    (first / "text.jpg").write_bytes(b"no picture at all")
    return root


def told(root: Path, **settings: object) -> dict[str, list[dict[str, object]]]:
    with audit_pictures([root], processes=1, **settings) as done:
        return {
            found.name: [dict(zip(found.columns, row, strict=True)) for row in found.rows]
            for found in done.audit.findings
        }


def names(rows: list[dict[str, object]], column: str = "file") -> set[str]:
    return {Path(str(row[column])).name for row in rows}


def test_each_fault_is_found_and_nothing_else(collection: Path) -> None:
    found = told(collection)
    assert names(found["same_bytes"]) == {"c0.png", "twice.png"}
    assert names(found["same_pixels"]) == {"c1.png", "pixels.tif"}
    assert [(Path(str(r["file"])).name, Path(str(r["other_file"])).name)
            for r in found["alike"]] == [("again.jpg", "c2.png")]  # fmt: skip
    assert {(r["how"], r["label"]) for r in found["conflicts"]} == {
        ("the same bytes", "Carabus"), ("the same bytes", "Cicindela"),
    }  # fmt: skip
    assert names(found["empty"]) == {"empty.png"}
    assert names(found["blurred"]) == {"soft.png"}
    assert names(found["fragmented"]) == {"pieces.png"}
    assert names(found["cut_by_edge"]) == {"edge.png"}
    assert names(found["file_cut_off"]) == {"short.jpg"}
    assert names(found["unreadable"]) == {"text.jpg"}


def test_several_processes_say_the_same(collection: Path) -> None:
    with audit_pictures([collection], processes=2) as done:
        several = [finding.rows for finding in done.audit.findings]
    with audit_pictures([collection], processes=1) as done:
        assert several == [finding.rows for finding in done.audit.findings]


def test_a_limit_decides(collection: Path) -> None:
    assert not told(collection, limits=Limits(blur=50))["blurred"]
    with (
        pytest.raises(InputError, match="a cosine between"),
        audit_pictures([collection], limits=Limits(alike=2)),
    ):
        pass


def test_the_catalogue_takes_what_was_seen_once(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "catalogue"
    with Catalogue.create(folder) as made:
        made.ingest(read_path(collection))
    out = tmp_path / "out"
    words = ["audit", "pictures", str(folder), "--processes", "1"]
    assert main([*words, "--write", "-o", str(out), "--strict"]) == 1
    assert "measurements written" in capsys.readouterr().err
    assert main([*words, "--write"]) == 0
    assert "0 measurements written" in capsys.readouterr().err
    with Catalogue.open(folder, read_only=True) as opened:
        flags = opened.query(
            "SELECT measurementValue FROM measurement JOIN media USING (mediaID) "
            "WHERE measurementType = 'picture fault' ORDER BY 1"
        ).fetch()
        alike = opened.query(
            "SELECT count(*), count(x.mediaID), count(m.mediaID), min(measurementValueNumeric) "
            "FROM measurement m LEFT JOIN media x ON x.mediaID = m.measurementValue "
            "WHERE measurementType = 'picture looks like'"
        ).fetch()[0]
        pixels = opened.query(
            "SELECT count(*) FROM measurement WHERE measurementType = 'picture pixels'"
        ).value()
    assert flags == [("blurred",), ("cut_by_edge",), ("empty",), ("fragmented",)]
    count, *others, cosine = alike
    assert others == [count, count]
    assert count > 0
    assert float(str(cosine)) >= 0.96
    assert pixels == 15
    with (out / "scores.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert len(rows) == 15
    assert {row["flags"] for row in rows if row["file"].endswith("soft.png")} == {"blurred"}
    page = (out / "audit.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") > 8


def test_pictures_in_a_zip_are_looked_at(collection: Path, tmp_path: Path) -> None:
    rows = ["id\tpicture\tname"]
    packed = tmp_path / "pictures.zip"
    with zipfile.ZipFile(packed, "w") as stream:
        for number, name in enumerate(("c0.png", "c1.png")):
            stream.write(collection / "Carabus" / name, name)
            rows.append(f"r{number}\t{packed}!/{name}\tCarabus")
    table = tmp_path / "list.tsv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    with Catalogue.create(tmp_path / "catalogue") as made:
        from merian.formats import Options

        terms = {"id": "occurrenceID", "picture": "accessURI", "name": "verbatimIdentification"}
        made.ingest(read_path(table, Options(mapping=terms)))
    with audit_pictures([tmp_path / "catalogue"], processes=1) as done:
        assert done.audit.looked_at[0] == (2, "pictures")
        assert all(not finding.count for finding in done.audit.findings)


def test_a_source_in_which_nothing_opens_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawer = tmp_path / "drawer" / "Carabus"
    drawer.mkdir(parents=True)
    (drawer / "text.jpg").write_bytes(b"no picture at all")
    (drawer / "empty.png").write_bytes(b"")
    assert main(["audit", "pictures", str(tmp_path / "drawer"), "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err.count("error") == 0
    found = told(tmp_path / "drawer")
    rows = [row for listed in found.values() for row in listed]
    assert names(rows) == {"text.jpg", "empty.png"}
    assert len(rows) == 2


def test_writing_needs_a_catalogue_and_a_wrong_path_is_told(
    collection: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "pictures", str(collection), "--write"]) == 2
    assert "--write needs one catalogue" in capsys.readouterr().err
    assert main(["audit", "pictures", str(collection / "nowhere")]) == 2
    assert main(["audit", "pictures"]) == 2


@pytest.mark.parametrize("turn", range(1, 8), ids=lambda turn: TURNS[turn].replace(" ", "-"))
def test_a_turned_picture_is_the_same_by_its_look(turn: int) -> None:
    plain, other = look_of(beetle(3)), look_of(beetle(3).transpose(TURNED[turn]))
    assert plain is not None
    assert other is not None
    assert cosines(plain.waves[None], turned(other.waves[None], turn))[0] > 0.98


def test_turned_pictures_are_found_if_asked_for(tmp_path: Path) -> None:
    root = tmp_path / "turned"
    root.mkdir()
    for seed in range(5):
        beetle(seed).save(root / f"{seed}.png")
    beetle(2).transpose(TURNED[5]).save(root / "turned.png")
    beetle(4).transpose(TURNED[1]).save(root / "mirrored.png")
    assert not told(root)["alike"]
    found = {(Path(str(r["file"])).name, Path(str(r["other_file"])).name, r["turned"])
             for r in told(root, turned=True)["alike"]}  # fmt: skip
    assert {pair[:2] for pair in found} == {("2.png", "turned.png"), ("4.png", "mirrored.png")}
    assert {pair[2] for pair in found} <= {"mirrored", "turned by 90", "turned by 270"}


def test_candidates_are_few_and_hold_what_is_alike() -> None:
    random = np.random.default_rng(0)
    looks = random.integers(-90, 90, (4000, 144)).astype(np.int8)
    looks[1] = np.clip(looks[0] + random.integers(-9, 9, 144), -127, 127)
    pairs = {(int(a), int(b)) for one, other, _ in candidates(looks)
             for a, b in zip(one, other, strict=True)}  # fmt: skip
    assert {(0, 1), (1, 0)} & pairs
    assert len(pairs) < 500  # of 8 million


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_blur_is_measured_in_pixels(sigma: float) -> None:
    seen = see(beetle(1).filter(ImageFilter.GaussianBlur(sigma)))
    assert seen.blur == pytest.approx(sigma, rel=0.35)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (600, 1)])
def test_the_smallest_pictures_do_no_harm(size: tuple[int, int]) -> None:
    seen = see(Image.new("RGB", size, (90, 120, 30)))
    assert np.isfinite(list(vars(seen).values())).all()
    assert look_of(Image.new("RGB", size)) is None


def test_the_hundred_pictures_of_uvp6_in_two_classes_come_out(shared: Path, tmp_path: Path) -> None:
    root = shared / "plankton" / "uvp6_uvpec" / "img_sample"
    if not root.is_dir():
        pytest.skip("the UVP6 sample is not there")
    # The same file names in both; thirty of the hundred are enough here.
    made = tmp_path / "sample"
    classes = ("Copepoda__6666", "darksphere__7777")
    both = sorted(set.intersection(*({f.name for f in (root / c).iterdir()} for c in classes)))
    assert len(both) == 100
    for name in classes:
        (made / name).mkdir(parents=True)
        for file in both[:30]:
            shutil.copy(root / name / file, made / name / file)
    found = told(made)
    torn = [row for row in found["conflicts"] if row["how"] == "the same bytes"]
    assert names(torn) == set(both[:30])
    assert len(torn) == 60
