"""How large a picture is in life: from a table to the network, in packs, recipes and embeddings."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")
from safetensors.torch import load_file  # noqa: E402

from merian.catalogue import Catalogue, Reading, Rows  # noqa: E402
from merian.cli import main  # noqa: E402
from merian.learn.building import build_task  # noqa: E402
from merian.learn.embedding import embed  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.encoding import EncoderAlone, features  # noqa: E402
from merian.learn.examples import Augmentation, PackedPictures  # noqa: E402
from merian.learn.looking import SizedPicture  # noqa: E402
from merian.learn.pack import open_pack  # noqa: E402
from merian.learn.pack_gather import Asked  # noqa: E402
from merian.learn.packing import make_pack  # noqa: E402
from merian.learn.recipe import read_recipe  # noqa: E402
from merian.learn.saved import load_model, save_model  # noqa: E402
from merian.learn.several_looks import PackedLooks  # noqa: E402
from merian.learn.trainer import train  # noqa: E402

VIT = {"image_size": 16, "patch": 8, "width": 16, "layers": 1, "heads": 2, "hidden": 16}
SCALES = {0: "40", 1: "", 2: "80", 3: "0.5", 5: "", 9: ""}


def photos(folder, scales=SCALES):
    """A table of pictures of 40 x 20 pixels, and of how many pixels a millimetre has."""
    (folder / "pics").mkdir(parents=True)
    lines = ["image,species,px_per_mm"]
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "pics" / f"{number}.png")
        scale = scales.get(number, "20") if scales else ""
        lines.append(f"pics/{number}.png,{('Aus bus', 'Dus eus')[number % 2]},{scale}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder / "table.csv"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return photos(tmp_path_factory.mktemp("sized"))


@pytest.fixture(scope="module")
def pack(table):
    return make_pack([table], table.parent / "pack", Asked(valid=0.3)).pack


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An encoder whose vectors hang on the size."""
    torch.manual_seed(0)
    network = build_encoder({"kind": "vit", **VIT, "millimetres": True})
    torch.nn.init.normal_(network.size.map.weight)
    folder = tmp_path_factory.mktemp("model") / "m"
    save_model(folder, EncoderAlone(network, "test"), {"preprocessing": {"size": 16}})
    return folder


def wanted(number):
    scale = float(SCALES.get(number, "20") or "nan")
    return [40 / scale, 20 / scale]


def picture_of(pack):
    """The number of each picture of a pack, by its pixels."""
    drawn = [np.random.default_rng(n).integers(0, 256, (20, 40, 3), np.uint8) for n in range(12)]
    found = []
    for content in pack.read(np.arange(len(pack))):
        with Image.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image)
        found.append(next(n for n in range(12) if np.array_equal(pixels, drawn[n])))
    return found


def test_a_pack_holds_the_sides_and_nan_where_nothing_is_known(pack):
    assert pack.sized
    found = pack.millimetres(np.arange(12))
    assert found.dtype == np.float32
    assert np.allclose(found, [wanted(n) for n in picture_of(pack)], equal_nan=True)
    assert np.isnan(found).all(axis=1).sum() == 3
    assert np.array_equal(pack.millimetres([7, 2]), found[[7, 2]], equal_nan=True)


def test_a_pack_without_sizes_is_as_it_was(tmp_path):
    plain = make_pack([photos(tmp_path / "a", None)], tmp_path / "pack", Asked(valid=0.0)).pack
    assert not plain.sized
    assert np.isnan(plain.millimetres([0, 3])).all()
    assert "mm" not in PackedPictures(plain, 16).batch(np.arange(3), np.random.default_rng(0))


def test_a_pack_from_before_sizes_is_not_taken_for_one_that_was_asked_for(tmp_path, capsys):
    words = ["pack", str(photos(tmp_path / "a", None)), "--out", str(tmp_path / "pack")]
    assert [main(words), main(words)] == [0, 0]
    assert "was packed before, of the same" in capsys.readouterr().err
    header = tmp_path / "pack" / "pack.json"
    old = json.loads(header.read_text())
    old["merian"]["format_version"] = "1.0"
    header.write_text(json.dumps(old))
    assert main(words) == 2
    assert "did not hold the sizes of pictures in life; give --out" in capsys.readouterr().err
    assert open_pack(tmp_path / "pack").size == 12  # it opens as it did


def test_a_region_is_as_large_as_its_pixels(tmp_path, model):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "tray.png")
    columns = {
        "line": [1], "occurrenceID": ["a"], "accessURI": [str(tmp_path / "tray.png")],
        "xFrac": ["0.25"], "yFrac": ["0.5"], "widthFrac": ["0.5"], "heightFrac": ["0.25"],
        "pixelsPerMillimetre": ["10"],
    }  # fmt: skip
    with Catalogue.create(tmp_path / "cat") as opened:
        tray = tmp_path / "tray.png"
        opened.ingest(Reading("boxes", (Rows(tray, "record", [columns]),), (tray,)))
    pack = make_pack([tmp_path / "cat"], tmp_path / "pack", Asked(valid=0)).pack
    assert pack.millimetres([0]).tolist() == [[4.0, 1.5]]
    both = [embed(tmp_path / place, tmp_path / f"e {place}", model) for place in ("cat", "pack")]
    assert np.array_equal(both[0].vectors(), both[1].vectors())


def test_a_batch_tells_the_sides_of_what_is_shown(pack):
    rows, whole = np.arange(12), pack.millimetres(np.arange(12))
    plain = PackedPictures(pack, 16).batch(rows, np.random.default_rng(0))
    assert np.array_equal(plain["mm"].numpy(), whole, equal_nan=True)
    crops = Augmentation(least=0.25, most=0.25)
    cropped = PackedPictures(pack, 16, crops).batch(rows, np.random.default_rng(0))
    assert np.allclose(cropped["mm"].numpy(), whole / 2, equal_nan=True)
    looks = PackedLooks(pack, 16, 3, 8, (0.01, 0.16)).batch(rows, np.random.default_rng(0))
    assert looks["large mm"].shape == (12, 2, 2)
    assert looks["small mm"].shape == (12, 3, 2)
    known = ~np.isnan(whole[:, 0])
    shares = {
        k: looks[f"{k} mm"].numpy()[known] / whole[known][:, None] for k in ("large", "small")
    }
    assert (shares["large"] >= 0.4 - 1e-6).all()
    assert (shares["small"] <= 0.4 + 1e-6).all()
    assert (shares["small"] >= 0.1 - 1e-6).all()
    assert np.allclose(shares["small"][..., 0], shares["small"][..., 1])


DINO = (
    *(f"encoder.{key}={value}" for key, value in VIT.items()), "data.size=16",
    "objective.small_size=8", "objective.prototypes=8", "objective.projection=8",
    "objective.small_looks=1", "training.pieces=1", "training.workers=0",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("picture-ranks", ("encoder.pretrained=false", "data.size=32")),
        ("picture-dino-small-16", DINO),
    ],
)
def test_a_recipe_teaches_a_network_that_is_told_the_size(name, changes, pack, tmp_path):
    more = ("encoder.millimetres=true", "training.steps=2", "training.precision=float32")
    recipe = read_recipe(name, [*changes, *more, "training.batch=12"])
    train(recipe, build_task(recipe, pack.folder), tmp_path / "run")
    weights = load_file(tmp_path / "run" / "model" / "weights.safetensors")
    which = "encoder" if name == "picture-ranks" else "heads.student"
    learned = weights[f"{which}.size.map.weight"]
    assert learned[:, -1].abs().sum() > 0  # that nothing is known of some
    assert learned[:, :-1].abs().sum() > 0


def test_a_network_without_sizes_is_trained_on_with_them(pack, tmp_path):
    torch.manual_seed(0)
    network = build_encoder({"kind": "vit", **VIT})
    prepared = {"preprocessing": {"size": 16}}
    save_model(tmp_path / "m", EncoderAlone(network, "test"), prepared)
    changes = (f"encoder.from={tmp_path / 'm'}", "encoder.millimetres=true", "data.size=16")
    task = build_task(read_recipe("picture-ranks", changes), pack.folder)
    encoder = task.objective.encoder
    assert encoder.config.millimetres
    batch = task.train.batch(np.arange(4), np.random.default_rng(0))
    with torch.no_grad():
        assert torch.equal(features(encoder, batch), features(network, batch))
        encoder.size.map.weight.normal_()
        assert not torch.equal(features(encoder, batch), features(network, batch))
    save_model(tmp_path / "sized", EncoderAlone(encoder, "test"), prepared)
    changes = (f"encoder.from={tmp_path / 'sized'}", "data.size=16")
    again = build_task(read_recipe("picture-ranks", changes), pack.folder).objective.encoder
    assert torch.equal(again.size.map.weight, encoder.size.map.weight)


def test_an_encoder_is_told_the_size_of_each_picture(model):
    eye = load_model(model)
    pixels = np.random.default_rng(1).integers(0, 256, (20, 40, 3), np.uint8)
    unknown, missing = (math.nan, math.nan), SizedPicture(None, (1.0, 1.0))
    mixed = [pixels, SizedPicture(pixels, (2.0, 1.0)), None, SizedPicture(pixels, (8.0, 4.0)),
             SizedPicture(pixels, unknown), missing]  # fmt: skip
    rejects = []
    found = eye.encode(mixed, rejects)
    assert [row for row, _ in rejects] == [2, 5]
    assert np.array_equal(found[0], found[4])
    apart = found[[0, 1, 3]] @ found[[0, 1, 3]].T - np.eye(3)
    assert apart.max() < 0.999
    for row in (0, 1, 3):  # whatever stands beside it
        assert np.array_equal(eye.encode([mixed[row]])[0], found[row])


def test_embed_brings_the_size_from_a_table_and_from_a_pack(table, pack, model, tmp_path):
    listed = embed(table, tmp_path / "listed", model, shard_size=5)
    packed = embed(pack.folder, tmp_path / "packed", model)
    ids = {name: row for row, name in enumerate(listed.ids())}
    order = [ids[name] for name in packed.ids()]
    assert np.array_equal(listed.vectors()[order], packed.vectors())
    eye = load_model(model)
    contents = pack.read(np.arange(12))
    told = [SizedPicture(c, wanted(n)) for c, n in zip(contents, picture_of(pack), strict=True)]
    assert np.array_equal(packed.vectors(), eye.encode(told).astype(np.float16))
    untold = eye.encode(contents).astype(np.float16)
    same = (packed.vectors() == untold).all(axis=1)
    assert same.sum() == 3  # of these nothing is known
