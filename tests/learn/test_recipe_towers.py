"""Recipes with several encoders: a table for each modality."""

from __future__ import annotations

from dataclasses import replace

import pytest

from merian.errors import FormatError, InputError
from merian.learn.recipe import read_recipe

GOOD = """
[data]
kind = "records"
k = 4

[towers.barcode]
kind = "barcode-cnn"
low_rank = 2

[towers.image]
kind = "vit"
scale = "small"
frozen = true

[objective]
kind = "contrastive"
width = 32

[optimizer]
kind = "adamw"
learning_rate = 0.01

[training]
batch = 8
steps = 2
"""


def read(tmp_path, old="", new="", changes=()):
    assert old in GOOD
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    return read_recipe(path, changes)


def test_towers_read_change_and_write_themselves(tmp_path):
    changes = ["towers.image.from=run", "towers.text.kind=text-transformer", "objective.scale=5"]
    recipe = read(tmp_path, changes=changes)
    assert [*recipe.towers] == ["image", "barcode", "text"]  # in one order, however they stand
    assert recipe.towers["image"].from_ == "run"
    assert recipe.towers["image"].kind is None  # the model brings kind and sizes
    assert recipe.towers["image"].settings == {}
    assert recipe.towers["image"].frozen
    assert recipe.towers["barcode"].low_rank == 2
    assert recipe.towers["text"].trunk == 512
    path = tmp_path / "again.toml"
    path.write_text(recipe.text(), encoding="utf-8")
    assert read_recipe(path) == replace(recipe, name="mine")
    assert read_recipe(path).text() == recipe.text()
    assert "[encoder]" not in recipe.text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[towers.image]", "[towers.picture]", "no modality is called 'picture'"),
        ('[towers.image]\nkind = "vit"', "[towers.image]", "needs the key 'kind', or 'from'"),
        ("frozen = true", "frozen = true\nlow_rank = 4", "says not to; give one"),
        ("low_rank = 2", "low_rank = 0", "at least 1"),
        ('[data]\nkind = "records"', '[data]\nkind = "barcodes"', "needs data.kind = 'records'"),
        ("width = 32", "width = 32\nbound_to = 'text'", "there is no [towers.text]"),
        ('kind = "contrastive"\nwidth = 32', 'kind = "ranks"', "are for the objective contrast"),
        ("[objective]", '[encoder]\nkind = "vit"\n[objective]', "leave it out"),
        ("width = 32", "width = 32\npositives = 'all'", "expected one of taxon"),
    ],
)
def test_what_does_not_go_together_is_told(tmp_path, old, new, message):
    with pytest.raises(FormatError) as caught:
        read(tmp_path, old, new)
    assert message in str(caught.value)


def test_one_tower_is_too_few(tmp_path):
    text = GOOD[: GOOD.index("[towers.image]")] + GOOD[GOOD.index("[objective]") :]
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(FormatError, match="two modalities or more"):
        read_recipe(path)


@pytest.mark.parametrize("change", ["towers.frozen=true", "data.kind.x=3", "towers=3", "a.b=1"])
def test_a_change_names_a_key(tmp_path, change):
    with pytest.raises(InputError, match="--set"):
        read(tmp_path, changes=[change])
