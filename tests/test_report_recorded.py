"""The page of a run of ``merian identify`` about records: their pictures and contradictions."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from merian.errors import FormatError
from merian.identify.disagreements import Contradiction, write_disagreements
from merian.report.identified import write_identified
from tests.test_report import HOSTILE, Outline

COLUMNS = (
    "id", "species", "p_species", "rank", "name", "p", "identity", "flags", "verdict",
    "explanation", "library", "evidence", "item", "picture",
)  # fmt: skip


def row(id: str, name: str, picture: object = None, **more: object) -> dict[str, object]:
    usual = {
        "species": name, "p_species": 0.97, "rank": "species", "p": 0.97, "identity": None,
        "flags": "", "verdict": "", "explanation": f"About {id}.", "library": "looks",
        "evidence": "picture" if picture else "barcode", "item": "i",
    }  # fmt: skip
    return {"id": id, "name": name, "picture": picture and str(picture)} | usual | more


def contradiction(id: str, strength: float = 0.8) -> Contradiction:
    return Contradiction(
        id, "order", "barcode", "Diptera", 0.99, "picture", "Coleoptera", 0.9, strength
    )


def draw(path: Path, size: tuple[int, int] = (640, 320)) -> Path:
    """Draw a picture whose left half is red and whose right half is blue."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    image.save(path)
    return path


def write(folder: Path, rows: list[dict[str, object]], found=(), suffix: str = ".tsv") -> Path:
    out = folder / f"out{suffix}"
    if suffix == ".jsonl":
        out.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    else:
        with out.open("w", encoding="utf-8", newline="") as stream:
            table = csv.DictWriter(stream, COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE)
            table.writeheader()
            table.writerows({k: "" if v is None else v for k, v in one.items()} for one in rows)
    write_disagreements(folder / "out.disagreements.tsv", found)
    Path(f"{out}.merian.json").write_text(json.dumps({"disagreements": len(found)}))
    return out


def page_of(out: Path) -> Outline:
    page = out.parent / "page.html"
    write_identified(out, page)
    return Outline(page.read_text(encoding="utf-8"))


def thumbnails(outline: Outline) -> list[tuple[str, Image.Image]]:
    """The alternative text and the pixels of each picture on a page."""
    found = []
    for tag, told in outline.tags:
        if tag == "img":
            head, data = str(told["src"]).split(",", 1)
            assert head == "data:image/jpeg;base64"
            image = Image.open(io.BytesIO(base64.b64decode(data)))
            assert image.format == "JPEG"
            found.append((str(told["alt"]), image.convert("RGB")))
    return found


@pytest.mark.parametrize("suffix", [".tsv", ".jsonl"])
def test_each_record_is_shown_with_what_it_is(tmp_path, suffix):
    picture = draw(tmp_path / "fly.png")
    rows = [
        row("A1", "Aus bus", picture, evidence="consensus", p=0.9996),
        row("A2", "Aidae", picture, rank="family", p=0.876, flags="novel"),
        row("A3", "", picture, rank="", p=1.0),
    ]
    outline = page_of(write(tmp_path, rows, suffix=suffix))
    assert "What the records are" in outline.text
    shown = dict(thumbnails(outline))
    assert shown.keys() == {"A1: Aus bus", "A2: Aidae", "A3: no name"}
    assert {image.size for image in shown.values()} == {(160, 80)}
    assert "species, 99 % · consensus" in outline.text
    assert "family, 88 % · picture · novel" in outline.text
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '<p class="name">Aus bus</p>' in text
    assert "<p>Aidae</p>" in text


def test_a_region_is_cut_out(tmp_path):
    picture = draw(tmp_path / "tray.jpg", (4000, 1000))
    rows = [
        row("left", "Aus bus", f"{picture}#xywh=percent:0,0,25,100"),
        row("right", "Aus bus", f"{picture}#xywh=percent:90,0,5,100"),
        row("small", "Aus bus", f"{picture}#xywh=percent:1,10,2,3"),
    ]
    shown = {alt.split(":")[0]: image for alt, image in thumbnails(page_of(write(tmp_path, rows)))}
    assert {key: image.size for key, image in shown.items()} == {
        "left": (160, 160), "right": (32, 160), "small": (80, 30)
    }  # fmt: skip
    red, _, blue = shown["left"].getpixel((80, 80))
    assert red > 200 > 60 > blue
    red, _, blue = shown["right"].getpixel((16, 80))
    assert blue > 200 > 60 > red


def test_a_picture_that_cannot_be_shown_leaves_a_box_with_its_name(tmp_path):
    (tmp_path / "cut.jpg").write_bytes(draw(tmp_path / "fly.jpg").read_bytes()[:200])
    rows = [
        row("gone", "Aus bus", tmp_path / "gone & lost.jpg"),
        row("cut", "Aus cus", tmp_path / "cut.jpg"),
        row("web", "Aus dus", "https://example.org/web.jpg"),
        row("there", "Aus eus", tmp_path / "fly.jpg"),
    ]
    outline = page_of(write(tmp_path, rows))
    assert [alt for alt, _ in thumbnails(outline)] == ["there: Aus eus"]
    boxes = [told for tag, told in outline.tags if tag == "div" and told.get("class") == "missing"]
    assert len(boxes) == 3
    for name in ("gone & lost.jpg: cannot be opened", "cut.jpg: is no picture", "web.jpg: is on"):
        assert name in outline.text
    assert str(tmp_path) not in outline.text


def test_what_stands_in_the_tables_is_never_markup(tmp_path):
    rows = [
        row(HOSTILE, HOSTILE, f"{HOSTILE}.jpg", evidence=HOSTILE, flags=HOSTILE),
        row(f"2{HOSTILE}", "Aus bus", draw(tmp_path / "fly.png")),
    ]
    outline = page_of(write(tmp_path, rows, [contradiction(HOSTILE)], ".jsonl"))
    assert "script" not in {tag for tag, _ in outline.tags}
    assert [alt for alt, _ in thumbnails(outline)] == [f"2{HOSTILE}: Aus bus"]
    assert outline.text.count(HOSTILE) >= 4
    # Nothing is fetched: all that an attribute points to is on the page itself.
    places = [told[name] for _, told in outline.tags for name in ("src", "href") if name in told]
    assert all(str(place).startswith(("data:", "#")) for place in places)


def test_names_take_turns_and_what_needs_a_look_comes_first(tmp_path):
    picture = draw(tmp_path / "fly.png", (8, 8))
    rows = [row(f"a{n:03}", "Aus bus", picture) for n in range(200)]
    rows += [row(f"b{n}", "Bus cus", picture) for n in range(20)]
    rows += [row("c0", "Cus dus", picture, flags="novel"), row("d0", "Dus eus", picture)]
    rows += [row("x0", "Xus yus", None)]
    outline = page_of(write(tmp_path, rows, [contradiction("d0"), contradiction("a150")]))
    ids = [alt.split(":")[0] for alt, _ in thumbnails(outline)]
    assert len(ids) == len(set(ids)) == 60
    assert ids[:3] == ["a150", "c0", "d0"]
    assert sum(id.startswith("b") for id in ids) == 20
    assert "60 of 222 records with a picture" in outline.text
    assert "species, 97 % · picture · contradicted" in outline.text


def test_the_strongest_contradictions_are_listed(tmp_path):
    found = [contradiction(f"q{n}", 0.9 - n / 100) for n in range(25)]
    outline = page_of(write(tmp_path, [row("q0", "Aus bus")], found))
    assert "There are 25 contradictions, listed in out.disagreements.tsv" in outline.text
    assert outline.text.count("The barcode says order Diptera (99 %)") == 20
    assert "and 5 more" in outline.text
    assert outline.text.index("q0") < outline.text.index("q19")
    assert "q20" not in outline.text
    outline = page_of(write(tmp_path, [row("q0", "Aus bus")]))
    assert "No evidence, label or place contradicts another." in outline.text


def test_a_list_of_contradictions_that_is_gone_or_another_file_is_told(tmp_path):
    out = write(tmp_path, [row("q0", "Aus bus")], [contradiction("q0")])
    listed = tmp_path / "out.disagreements.tsv"
    listed.write_text("what\tis this\n1\t2\n")
    with pytest.raises(FormatError, match="no list of contradictions"):
        page_of(out)
    listed.unlink()
    assert "Their list, out.disagreements.tsv, is gone." in page_of(out).text


def test_identities_are_shown_only_where_there_are_barcodes(tmp_path):
    picture = draw(tmp_path / "fly.png")
    rows = [row("p1", "Aus bus", picture), row("p2", "Aus", picture, rank="genus", flags="novel")]
    seen = page_of(write(tmp_path, rows)).text
    assert "identity" not in seen
    assert "How alike they are" not in seen
    assert "What each picture and each barcode of a record says" in seen
    rows.append(row("b1", "Aus bus", identity=0.987, flags="short"))
    seen = page_of(write(tmp_path, rows)).text
    assert "median identity, %" in seen
    assert "98.7" in seen
    assert "How alike they are" in seen


def test_barcodes_have_no_gallery(tmp_path):
    out = write(tmp_path, [row("b1", "Aus bus", identity=0.987, flags="short")])
    outline = page_of(out)  # records, all of them without a picture
    assert "What they look like" not in outline.text
    assert "gallery" not in (tmp_path / "page.html").read_text(encoding="utf-8")
    Path(f"{out}.merian.json").write_text(json.dumps({"disagreements": None}))
    outline = page_of(out)
    assert "What the barcodes are" in outline.text
    assert "Contradictions" not in outline.text
    assert "merian explain ID shows how one of them came about" in outline.text
