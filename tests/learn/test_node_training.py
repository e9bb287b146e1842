"""Training on labels at any nodes: from a table of them, or from the ranks of a pack."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is an extra")

from torch import nn  # noqa: E402

from merian.cli import main  # noqa: E402
from merian.errors import FormatError, InputError  # noqa: E402
from merian.learn.building import build_task  # noqa: E402
from merian.learn.forest import ForestLabels  # noqa: E402
from merian.learn.label_table import forest_labels, forest_of, read_label_table  # noqa: E402
from merian.learn.node_decoding import least_cost_node  # noqa: E402
from merian.learn.node_objective import NodeExamples, Nodes  # noqa: E402
from merian.learn.node_scores import count_nodes  # noqa: E402
from merian.learn.objectives import build_objective  # noqa: E402
from merian.learn.pack_gather import Asked  # noqa: E402
from merian.learn.packing import make_pack  # noqa: E402
from merian.learn.recipe import read_recipe  # noqa: E402

CONFIG = {"kind": "picture"}


class Colours(nn.Module):
    """The mean colour of a picture, and two layers."""

    width = 24

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 24), nn.GELU(), nn.Linear(24, 24), nn.GELU())

    def features(self, pixels):
        return self.layers(pixels.mean((2, 3)))


def quadrats(folder, count=48):
    """Pictures whose red tells what lives there and whose blue the ground, with gaps in labels."""
    random, lines = np.random.default_rng(0), ["image,x,tree,label"]
    (folder / "dive").mkdir(parents=True)
    for i in range(count):
        name, life, sand = f"q{i:03}.png", int(random.integers(3)), bool(random.integers(2))
        colour = np.array([100 * life, 30, 200 * sand]) + random.normal(0, 5, (16, 16, 3))
        Image.fromarray(colour.clip(0, 255).astype(np.uint8)).save(folder / "dive" / name)
        path = ["Cnidaria > Corals > Branching", "Cnidaria > Corals > Massive", "Sponges"][life]
        cut = " > ".join(path.split(" > ")[: int(random.integers(1, 4))])
        lines += [f"{name},1,biota,{cut}", f"{name},2,biota,{cut}"]  # at two points
        if random.random() < 0.5:  # else nobody looked at the ground
            lines.append(f"{name},,substrate,{'Sand' if sand else 'Rock'}")
        if i % 7 == 0:
            lines.append(f"{name},,relief,")  # looked at, and nothing there
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder / "dive"


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quadrats")
    make_pack([quadrats(folder)], folder / "pack")
    return folder / "pack"


def asked(pack, *changes):
    size = ("data.size=16", "data.augment=false", "encoder.pretrained=false")
    labels = f'data.labels="{pack.parent / "labels.csv"}"'
    return read_recipe("picture-nodes", (*size, labels, *changes))


def learnt(form, task, steps=150):
    torch.manual_seed(0)
    own = task.objective
    made = Nodes(Colours(), own.forest, own.counts, form=form, about=CONFIG)
    rows = np.arange(sum(task.train.shards))
    batch = NodeExamples(task.train.examples, task.train.labels, form).batch(
        rows, np.random.default_rng(0)
    )
    adam = torch.optim.Adam(made.parameters(), 0.01)
    for _ in range(steps):
        adam.zero_grad()
        made(batch).loss.backward()
        adam.step()
    return made, batch


def test_a_table_of_labels_is_joined_to_the_pictures_of_a_pack(pack):
    task = build_task(asked(pack), pack)
    forest = task.objective.forest
    assert forest.trees == ("biota", "substrate")  # nothing is ever there in relief
    assert forest.size == 7
    table = read_label_table(pack.parent / "labels.csv")
    rows = np.arange(sum(task.train.shards))
    batch = task.train.batch(rows, np.random.default_rng(0))
    for name, there in zip(task.train.names(rows), batch["there"].tolist(), strict=True):
        told = table.labels[name.rsplit("/", 1)[-1]]
        above = {(tree, path[:end]) for tree, path in told for end in range(1, len(path) + 1)}
        at = np.flatnonzero(there).tolist()
        assert {(forest.trees[forest.tree[n]], forest.path(n)) for n in at} == above
    told = task.card["labels"]
    assert told["nodes"] == {"biota": 5, "substrate": 2}
    assert "labels" not in batch


@pytest.mark.parametrize("form", ["coherent", "plain", "one-path", "path-sum"])
def test_every_form_learns_and_a_card_builds_it_again(pack, form):
    task = build_task(asked(pack), pack)
    made, batch = learnt(form, task)
    outcome = made.eval()(batch)
    assert all(value > 0.85 for value in outcome.figures.values())
    p = made.probabilities(batch).detach().numpy()
    forest = made.forest
    hung = forest.parent >= 0
    assert (p[:, forest.parent[hung]] >= p[:, hung] - 1e-6).all()
    there, known = task.train.labels.marks()
    told = forest.above(p > 0.5)
    assert count_nodes(told, there, known).f1 > 0.9
    if form in {"one-path", "path-sum"}:
        assert set(outcome.figures) == {"accuracy biota", "accuracy substrate"}
        lowest = task.train.labels.single()
        said = least_cost_node(forest, p)
        right = said[lowest[:, 0] >= 0, 0]
        assert (right >= 0).mean() > 0.9
    card = json.loads(json.dumps(made.card()))
    again = build_objective(card, Colours())
    again.load_state_dict(made.state_dict())
    assert again.eval()(batch).loss.item() == outcome.loss.item()


def test_what_is_not_known_changes_nothing(pack):
    task = build_task(asked(pack), pack)
    made, batch = learnt("coherent", task, steps=3)
    other = {**batch, "there": torch.where(batch["known"], batch["there"], ~batch["there"])}
    first, second = made(batch), made(other)
    assert first.loss.item() == second.loss.item()
    assert first.figures == second.figures
    assert first.weights == second.weights


def test_names_of_a_pack_are_a_tree_where_no_table_is_given(tmp_path):
    lines = ["processid,family,genus,species,sequence"]
    names = [("Aidae", "Aus", "Aus bus"), ("Aidae", "Aus", ""), ("Aidae", "", ""), ("", "", "")]
    lines += [f"r{i},{','.join(names[i % 4])},{'ACGT' * 40}{'ACGT'[i % 4] * i}" for i in range(8)]
    (tmp_path / "bees.csv").write_text("\n".join([*lines, f"r9,Bidae,Cus,Cus dus,{'T' * 99}"]))
    make_pack([tmp_path / "bees.csv"], tmp_path / "pack", Asked(valid=0))
    text = read_recipe("picture-nodes").text()
    for old in ("size = 224\n", "augment = true\n", "pretrained = true\n"):
        text = text.replace(old, "")
    text = text.replace("pictures", "barcodes").replace("efficientnet-lite0", "barcode-cnn")
    (tmp_path / "mine.toml").write_text(text)
    task = build_task(read_recipe(tmp_path / "mine.toml", ["data.k=1"]), tmp_path / "pack")
    forest = task.objective.forest
    assert forest.trees == ("taxonomy",)
    assert {forest.path(n) for n in range(forest.size)} == {
        ("Aidae",), ("Aidae", "Aus"), ("Aidae", "Aus", "Aus bus"),
        ("Bidae",), ("Bidae", "Cus"), ("Bidae", "Cus", "Cus dus"),
    }  # fmt: skip
    labels = task.train.labels
    deepest = [forest.path(n)[-1] if n >= 0 else "" for n in labels.single()[:, 0]]
    assert sorted(deepest) == ["", "", "Aidae", "Aidae", "Aus", "Aus", "Aus bus", "Aus bus",
                               "Cus dus"]  # fmt: skip
    outcome = task.objective(task.train.batch(np.arange(4), np.random.default_rng(0)))
    assert torch.isfinite(outcome.loss)


def test_the_command_trains_on_a_table_of_labels(pack, tmp_path, capsys):
    changes = (*(f'data.labels="{pack.parent / "labels.csv"}"', "data.size=32"),
               "encoder.pretrained=false", "training.batch=8", "training.steps=2",
               "training.workers=0")  # fmt: skip
    sets = [word for change in changes for word in ("--set", change)]
    run = tmp_path / "run"
    assert main(["train", "picture-nodes", "--data", str(pack), "--out", str(run), *sets]) == 0
    card = json.loads((run / "model" / "card.json").read_text())
    assert card["objective"]["heads"]["forest"]["trees"] == ["biota", "substrate"]
    assert card["data"]["labels"]["nodes"] == {"biota": 5, "substrate": 2}
    figures = json.loads((run / "result.json").read_text())["figures"]
    assert "recall biota" in figures
    capsys.readouterr()
    for recipe, change, message in (
        ("picture-ranks", sets[1], "data.labels is for the objective nodes"),
        ("picture-nodes", 'objective.ranks=["genus"]', "give one"),
        ("picture-nodes", "objective.form=dense", "dense"),
        ("picture-nodes", "objective.least=99", "so there is nothing to learn"),
        ("picture-nodes", "data.labels=nowhere.csv", "nowhere.csv"),
    ):
        words = ["train", recipe, "--data", str(pack), "--out", str(tmp_path / "no")]
        assert main([*words, *sets[:2], "--set", change]) == 2
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == 1


def test_a_row_of_labels_that_cannot_be_read_is_told_with_its_line(tmp_path, request):
    before = csv.field_size_limit(2000)  # what ran before may have set another
    request.addfinalizer(lambda: csv.field_size_limit(before))
    good = "image,label\n" + "q,Sand\n" * 9998  # behind what is looked at first
    file = tmp_path / "labels.csv"
    for text, message in (
        (good + 'q,"Rock\n' + "q,Sand\n" * 500, r"labels.csv:10000: .*quote that is not closed"),
        (good + "q,Rock\0\nq,Sand\n", r"labels.csv:10000: .*NUL"),
    ):
        file.write_text(text)
        with pytest.raises(FormatError, match=message):
            read_label_table(file)


def test_tables_of_labels_tell_what_is_wrong_with_them(tmp_path):
    file = tmp_path / "labels.tsv"
    for text, message in (
        ("image\tname\nq\tSand\n", "expected a column image"),
        ("image\ttree\tlabel\nq\t\tSand\n", ":2: a label without a tree"),
        ("image\ttree\tlabel\n\tx\tSand\n", ":2: a label without an item"),
        (
            "image\tlabel\nq\tA\nq\tSand > > Fine\n",
            ":3: the label 'Sand > > Fine'",
        ),
        ("image\tlabel\n", "holds no label"),
    ):
        file.write_text(text)
        with pytest.raises(FormatError, match=message):
            read_label_table(file)
    file.write_text("file\tlabel\nb/q.png\tSand>Fine\nb/q.png\tRock\n\nr.png\t\n")
    table = read_label_table(file)
    rows = table.rows([("a/q.png",), ("b/q.png",), ("a/r.png", "id7")])
    assert rows == [
        frozenset(), {("labels", ("Sand", "Fine")), ("labels", ("Rock",))}, {("labels", ())},
    ]  # fmt: skip
    forest = forest_of(rows)
    labels = forest_labels(forest, rows)
    there, known = labels.marks()
    assert there.any(axis=1).tolist() == [False, True, False]
    assert known.all(axis=1).tolist() == [False, True, True]  # looked at, and nothing there
    with pytest.raises(InputError, match="none of the 1 items has a label"):
        table.rows([("z.png",)])
    with pytest.raises(InputError, match="labels of 0 examples"):
        NodeExamples(
            type("Some", (), {"shards": (2,)})(), ForestLabels.of_lists(forest, []), "plain"
        )
