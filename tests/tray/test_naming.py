"""Names of crops by a library of pictures, counts of them, and both in a catalogue."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image, ImageDraw

from merian.catalogue import Catalogue
from merian.cli import main

torch = pytest.importorskip("torch")

from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.encoding import EncoderAlone  # noqa: E402
from merian.learn.saved import save_model  # noqa: E402

GROUND = (228, 225, 216)
LOOKS = {"Carabidae": (60, 40, 30), "Coccinellidae": (190, 40, 30), "Syrphidae": (40, 60, 150)}
ORDERS = {"Carabidae": "Coleoptera", "Coccinellidae": "Coleoptera", "Syrphidae": "Diptera"}


def draw(pen, name, x, y, wide=20, high=13):
    pen.ellipse([x - wide, y - high, x + wide, y + high], fill=LOOKS[name])


def noisy(image, seed):
    pixels = np.asarray(image) + np.random.default_rng(seed).normal(0, 2, (*image.size[::-1], 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A library of crops of three families, a tray of 12 of their kind, and a catalogue."""
    folder = tmp_path_factory.mktemp("naming")
    (folder / "refs").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for name in LOOKS:
        for number in range(8):
            image = Image.new("RGB", (48, 34), GROUND)
            draw(ImageDraw.Draw(image), name, 24, 17, *rng.integers((18, 11), (22, 15)).tolist())
            file = f"{name}{number}.png"
            noisy(image, number).save(folder / "refs" / file)
            rows.append({"id": file[:-4], "image": file, "kingdom": "Animalia",
                         "order": ORDERS[name], "family": name, "genus": f"{name[:-4]}us",
                         "species": f"{name[:-4]}us {('albus', 'niger')[number % 2]}"})  # fmt: skip
    with (folder / "refs.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, [*rows[0]])
        table.writeheader()
        table.writerows(rows)
    torch.manual_seed(0)
    vit = {"image_size": 32, "patch": 8, "width": 32, "layers": 1, "heads": 2, "hidden": 32}
    save_model(folder / "eye", EncoderAlone(build_encoder({"kind": "vit", **vit}), "test"),
               {"preprocessing": {"size": 32}})  # fmt: skip
    assert main(["library", "build", str(folder / "refs.csv"), "-o", str(folder / "lib"),
                 "--pictures", "--encoder", str(folder / "eye"), "--map", "image=accessURI",
                 "--images", str(folder / "refs"), "-q"]) == 0  # fmt: skip
    image = Image.new("RGB", (420, 320), GROUND)
    for number in range(12):
        name = [*LOOKS][number % 3]
        draw(ImageDraw.Draw(image), name, 60 + 100 * (number % 4), 60 + 100 * (number // 4))
    noisy(image, 9).save(folder / "tray.png")
    Catalogue.create(folder / "catalogue").close()
    said = ["photo\tinstance\ttruth"] + [f"tray.png\t{n + 1}\t{[*LOOKS][n % 3]}" for n in range(12)]
    (folder / "said.tsv").write_text("\n".join([*said, "tray.png\t\tSyrphidae"]))
    assert run(folder, "--into", folder / "catalogue", "--validated", folder / "said.tsv") == 0
    return folder


def run(folder, *more):
    return main(["tray", str(folder / "tray.png"), "-o", str(folder / "out"), "-l",
                 str(folder / "lib"), "--alpha", "0.4", "--rank", "family", "--processes", "1",
                 "-q", *map(str, more)])  # fmt: skip


def table(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_every_crop_has_an_answer_with_its_probabilities(made):
    rows = table(made / "out" / "names.tsv")
    assert [row["instance"] for row in rows] == [str(n) for n in range(1, 13)]
    assert all(0 < float(row["p_order"]) <= 1 for row in rows)
    best = [row["family"] for row in rows]
    assert sum(a == [*LOOKS][n % 3] for n, a in enumerate(best)) >= 10
    assert not list((made / "out").glob("answers*"))  # no table with paths of this machine


def test_a_copy_of_a_photograph_takes_no_names_away(made, tmp_path):
    (tmp_path / "trays").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "trays" / name).write_bytes((made / "tray.png").read_bytes())
    assert main(["tray", str(tmp_path / "trays"), "-o", str(tmp_path / "out"), "-l",
                 str(made / "lib"), "--alpha", "0.4", "--processes", "1", "-q"]) == 0  # fmt: skip
    rows = table(tmp_path / "out" / "names.tsv")
    assert len(rows) == 12
    assert all(row["p_order"] for row in rows)


def test_instances_and_outlines_carry_the_names(made):
    rows = table(made / "out" / "instances.tsv")
    names = table(made / "out" / "names.tsv")
    assert [row["name"] for row in rows] == [row["name"] for row in names]
    assert any(row["name"] for row in rows)


def test_counts_have_intervals_and_hold_what_was_missed(made):
    counts = {row["kind"]: row for row in table(made / "out" / "counts.tsv")}
    flies = counts["Syrphidae"]
    assert float(flies["from"]) <= 5 <= float(flies["to"])
    assert int(flies["validated"]) == 4
    page = (made / "out" / "tray.html").read_text()
    assert "How many of each kind" in page
    assert "is not known" not in page


def test_names_stand_in_the_catalogue_beside_their_regions(made):
    with Catalogue.open(made / "catalogue", read_only=True) as opened:
        rows = opened.query(
            "SELECT i.agentType, x.derivedFromMediaID IS NOT NULL FROM identification i "
            "JOIN media x USING (mediaID)"
        ).fetch()
        named = sum(bool(row["name"]) for row in table(made / "out" / "names.tsv"))
        assert len(rows) == named > 0
        assert set(rows) == {("machine", True)}
        assert opened.query("SELECT count(*) FROM rejects").value() == 0
