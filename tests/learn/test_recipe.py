"""Recipes: small typed TOML, whose faults are named with their line."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.learn.recipe_text import RECIPE

from merian.errors import FormatError, InputError, NotFoundError
from merian.learn.recipe import find_recipe, read_recipe, recipe_names
from merian.learn.schedule import share_of_highest
from merian.learn.tables import to_toml

GOOD = RECIPE


def read(tmp_path, old="", new="", changes=()):
    assert old in GOOD
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    return read_recipe(path, changes)


def line_of(text: str) -> int:
    return GOOD[: GOOD.index(text)].count("\n") + 1


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_reads_tells_what_it_is_and_writes_itself(name, tmp_path):
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.about.endswith(".")
    assert recipe.needs.endswith(".")
    path = tmp_path / "again.toml"
    path.write_text(recipe.text(), encoding="utf-8")
    again = read_recipe(path)
    assert again == recipe
    assert again.text() == recipe.text()


@pytest.mark.parametrize(
    ("old", "new", "line_at", "message"),
    [
        ("steps = 24", "stesp = 24", "steps = 24", "no key 'stesp'. Did you mean steps"),
        ("batch = 8", 'batch = "8"', "batch = 8", 'training.batch is "8"; expected a whole num'),
        ("batch = 8", "batch = true", "batch = 8", "training.batch is true; expected a whole"),
        ("batch = 8", "batch = 0", "batch = 8", "training.batch is 0; expected a finite number, a"),
        ("batch = 8\n", "", "[training]", "[training] needs the key 'batch'"),
        ('"cosine"', '"cosin"', 'kind = "cosine"', "Did you mean cosine"),
        ("warm_up = 0.1", "warm_up = nan", "warm_up", "expected a finite number"),
        ("[schedule]", "[shedule]", "[schedule]", "a recipe has no 'shedule'. Did you mean sch"),
        ('name = "tiny"', "name = 3", "name", "name is 3; expected text"),
        ('name = "tiny"', "seed = 3", "name", "a recipe has no 'seed'"),
        ("steps = 24", "", "[training]", "either 'steps' or 'epochs'"),
        ("steps = 24", "steps = 24\nepochs = 1", "[training]", "either 'steps' or 'epochs'"),
        ("pieces = 2", "pieces = 9", "pieces", "no more than the 8 examples of a batch"),
        ("learning_rate = 0.01", "learning_rate = 1\nblock = 4", None, "a key of kl-shampoo"),
        (
            "window = 2",
            "window = 2\nsize = 9",
            None,
            "data.size is a key of pictures, records",
        ),
        ("learning_rate = 0.01", "learning_rate = 1\nbetas = [0.9]", None, "a list of 2 values"),
        ('kind = "tiny"', "frozen = false", "[encoder]", "[encoder] needs the key 'kind'"),
    ],
)
def test_a_fault_is_told_with_its_key_its_line_and_what_was_meant(
    tmp_path, old, new, line_at, message
):
    with pytest.raises(FormatError) as caught:
        read(tmp_path, old, new)
    assert message in str(caught.value)
    assert "mine.toml:" in str(caught.value)
    if line_at is not None:
        assert caught.value.line == line_of(line_at)


def test_what_is_not_toml_not_text_or_not_there_is_told(tmp_path):
    with pytest.raises(FormatError, match=r"not TOML: .*line"):
        read(tmp_path, "batch = 8", "batch = ")
    with pytest.raises(FormatError, match=r"no table \[optimizer\]"):
        read(tmp_path, '[optimizer]\nkind = "adamw"\nlearning_rate = 0.01\n', "")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(FormatError, match="UTF-8"):
        read_recipe(tmp_path / "latin.toml")
    with pytest.raises(NotFoundError, match="Did you mean barcode-masked"):
        find_recipe("barcode-maskd")
    with pytest.raises(NotFoundError, match="no such recipe"):
        find_recipe(tmp_path / "none.toml")


def test_changes_are_typed_as_in_the_file(tmp_path):
    changes = ("training.steps=7", "optimizer.kind=muon", 'encoder.from="a b"', "encoder.width=3")
    recipe = read(tmp_path, changes=(*changes, "optimizer.betas=[0.8, 0.9]", "encoder.lid = on"))
    assert recipe.training.steps == 7
    assert recipe.optimizer.kind == "muon"
    assert recipe.optimizer.betas == (0.8, 0.9)
    assert recipe.encoder.from_ == "a b"
    assert recipe.encoder.settings == {"width": 3, "lid": "on"}
    assert 'from = "a b"' in recipe.text()
    for change, message in (
        ("steps=7", "expected table.key=value"),
        ("training.steps", "expected table.key=value"),
        ("trainin.steps=7", "Did you mean training"),
        ("training.steps=7.5", r"training.steps is 7.5; expected a whole number"),
    ):
        with pytest.raises(InputError, match=message):
            read(tmp_path, changes=(change,))


def test_a_length_that_is_asked_for_takes_the_place_of_the_recipes():
    for name in recipe_names():
        steps = read_recipe(name, ["training.steps=3"]).training
        assert (steps.steps, steps.epochs) == (3, None)
        epochs = read_recipe(name, ["training.epochs=0.5"]).training
        assert (epochs.steps, epochs.epochs) == (None, 0.5)
        with pytest.raises(InputError, match="and not both"):
            read_recipe(name, ["training.steps=3", "training.epochs=2"])


def test_toml_is_written_as_it_is_read():
    import tomllib

    value = {"a": 'q"\\\n\x7fé', "b": {"c": [1.5, 2.0], "d": True, "e": -3, "f": 1e-7, "g": None}}
    assert tomllib.loads(to_toml(value)) == {
        "a": value["a"], "b": {k: v for k, v in value["b"].items() if v is not None}
    }  # fmt: skip


def course(tmp_path, steps, **values):
    lines = "\n".join(f"{k} = {v}" for k, v in values.items())
    recipe = read(tmp_path, 'kind = "cosine"\nwarm_up = 0.1', lines)
    return [share_of_highest(recipe.schedule, step, steps) for step in range(steps)]


def test_the_learning_rate_rises_and_falls_as_it_should(tmp_path):
    cosine = course(tmp_path, 100, kind='"cosine"', warm_up=10, floor=0.1)
    assert cosine[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert cosine[10] == 1.0
    assert cosine[55] == pytest.approx(0.55)  # half way down
    assert 0.1 < cosine[99] < 0.102
    assert all(a >= b for a, b in pairwise(cosine[10:]))
    assert course(tmp_path, 9, kind='"constant"', warm_up=0.0) == [1.0] * 9
    stable = course(tmp_path, 100, kind='"warm-up-stable-decay"', warm_up=0.1, decay=0.2)
    assert stable[10:81] == [1.0] * 71
    assert stable[90] == pytest.approx(0.5)
    assert stable[99] == pytest.approx(0.05)


def test_one_cycle_is_that_of_torch(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is an extra")
    ours = course(tmp_path, 50, kind='"one-cycle"', warm_up=0.3)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=50, pct_start=0.3
    )
    found = []
    for _ in range(50):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(found) < 50:
            theirs.step()
    assert ours == pytest.approx(found, abs=1e-9)
