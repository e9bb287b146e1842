"""The encoder that ships: found by name, the default for barcodes, its card complete."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors import safe_open  # noqa: E402

from merian.errors import InputError, NotFoundError  # noqa: E402
from merian.learn import nearness, shelf, shipping  # noqa: E402
from merian.learn.embedding import embed  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.pack_gather import Asked  # noqa: E402
from merian.learn.saved import load_model, read_card, save_model  # noqa: E402

from .packs import bases, records, table  # noqa: E402
from .test_saved import PREPARED, SMALL, Named  # noqa: E402

SOURCES = [
    {"name": "a", "from": "https://example.org/a", "licence": "MIT", "used": True, "hash": "0",
     "records": 9, "sequences": 7, "set_aside": {}},
    {"name": "b", "from": "https://example.org/b", "licence": "GPL-3", "used": False, "hash": "1",
     "records": 0, "sequences": 0, "set_aside": {}},
]  # fmt: skip


@pytest.fixture
def trained(tmp_path):
    torch.manual_seed(0)
    folder = tmp_path / "run" / "model"
    card = {"preprocessing": PREPARED, "training": {"step": 3, "figures": {"loss": {"value": 1.0}}}}
    save_model(folder, Named(build_encoder(SMALL)), card)
    return tmp_path / "run"


@pytest.fixture
def shipped(tmp_path, trained, monkeypatch):
    """A shelf with one encoder on it."""
    monkeypatch.setattr(shelf, "SHELF", tmp_path / "shelf")
    shipping.ship(trained, tmp_path / "shelf" / shelf.BARCODES, SOURCES)
    return tmp_path / "shelf" / shelf.BARCODES


def test_the_encoder_alone_ships_in_sixteen_bits_with_a_card(trained, shipped):
    card = read_card(shipped)
    assert (card["name"], card["weights"]["bits"]) == (shelf.BARCODES, 16)
    assert [source["name"] for source in card["sources"]] == ["a"]
    assert card["left_out"] == [
        {"name": "b", "from": "https://example.org/b", "licence": "GPL-3"}
    ]  # fmt: skip
    assert card["sequences"] == 7
    assert f"the first {PREPARED['bases']} bases." in " ".join(card["limits"])
    assert card["training"]["held_out_figures"] == {"loss": {"value": 1.0}}
    with safe_open(shipped / "weights.safetensors", "pt") as file:
        assert all(name.startswith("encoder.") for name in file.keys())  # noqa: SIM118
    texts = [bases(i, 80) for i in range(5)]
    near = load_model(shipped).encode(texts) * load_model(trained).encode(texts)
    assert near.sum(1).min() > 0.999


def test_what_is_too_large_or_no_model_does_not_ship(tmp_path, trained, monkeypatch):
    monkeypatch.setattr(shipping, "LARGEST", 1000)
    with pytest.raises(InputError, match="at most 0 MB can ship"):
        shipping.ship(trained, tmp_path / "out", SOURCES)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="holds no model"):
        shipping.ship(tmp_path, tmp_path / "out", SOURCES)


def test_it_is_found_by_name_and_taken_for_barcodes(tmp_path, shipped):
    assert [*shelf.encoders_on_shelf()] == [shelf.BARCODES]
    encoder = load_model(shelf.BARCODES)
    assert encoder.name == shelf.BARCODES
    rows = records(9)
    source = table(tmp_path / "a.csv", rows)
    told = embed(source, tmp_path / "e", asked=Asked("barcodes"))
    unsaid = embed(source, tmp_path / "f")  # there are no pictures in it
    named = embed(source, tmp_path / "g", shelf.BARCODES)
    assert told.encoder["id"] == unsaid.encoder["id"] == named.encoder["id"] == encoder.id
    assert np.array_equal(told.vectors(), named.vectors())
    assert np.array_equal(told.vectors(), unsaid.vectors())
    fasta = tmp_path / "a.fasta"
    fasta.write_text("".join(f">{key}\n{text}\n" for key, _, text in rows), encoding="utf-8")
    assert embed(fasta, tmp_path / "h").encoder["id"] == encoder.id


def test_without_weights_it_is_said_how_to_train_one(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "SHELF", tmp_path / "empty")
    source = table(tmp_path / "a.csv", records(9))
    with pytest.raises(InputError, match=r"train one \(merian train barcode-masked"):
        embed(source, tmp_path / "e", asked=Asked("barcodes"))
    with pytest.raises(NotFoundError, match="ships its weights: efficientnet-lite0"):
        load_model(shelf.BARCODES)
    assert not (tmp_path / "e").exists()


def test_how_near_fewer_bits_are_is_written_down_and_too_far_is_refused(
    tmp_path, trained, monkeypatch
):
    source = table(tmp_path / "a.csv", records(40))
    done = embed(source, tmp_path / "e", trained, precision="int8")
    told = done.header["cosine_to_float32"]
    assert done.encoder["precision"] == "int8"
    assert told["sample"] == 32
    assert 0.999 < told["lowest"] <= told["mean"] < 1
    exact = embed(source, tmp_path / "f", trained, precision="float32")
    assert exact.header["cosine_to_float32"] is None
    cosine = (exact.vectors().astype(float) * done.vectors().astype(float)).sum(1)
    assert cosine.min() < 1
    monkeypatch.setattr(nearness, "LEAST", 1.1)
    with pytest.raises(InputError, match=r"in int8, a vector of .* take --precision float32"):
        embed(source, tmp_path / "g", trained, precision="int8")
    assert not (tmp_path / "g").exists()


def test_what_ships_is_part_of_the_package():
    root = Path(__file__).resolve().parents[2]  # the package may be installed elsewhere
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    # All of the folder goes into the wheel, whatever its files are called; none is left out.
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["src/merian"]}
    ignored = (root / ".gitignore").read_text(encoding="utf-8").split()
    assert not {"*.safetensors", "*.json", "shipped/"} & set(ignored)
    for name, card in shelf.encoders_on_shelf().items():
        weights = shelf.SHELF / name / "weights.safetensors"
        assert weights.stat().st_size < shipping.LARGEST
        assert not any("GPL" in source["licence"] for source in card["sources"])
        assert json.loads(json.dumps(card)) == card


def test_the_encoder_in_the_package_is_whole_and_puts_kin_together():
    encoder = load_model(shelf.BARCODES)
    folder = shelf.shelf_folder(shelf.BARCODES)
    assert (folder / "weights.safetensors").stat().st_size < shipping.LARGEST
    assert encoder.card["sources"]
    assert not any("GPL" in source["licence"] for source in encoder.card["sources"])
    rng = np.random.default_rng(0)
    one, other = ("".join(rng.choice([*"ACGT"], 650)) for _ in range(2))
    near = "".join("A" if place % 40 == 0 else letter for place, letter in enumerate(one))
    vectors = encoder.encode([one, near, other])
    assert vectors[0] @ vectors[1] > 0.7 > 0.4 > vectors[0] @ vectors[2]
