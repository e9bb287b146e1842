"""The switches of a recipe: each reaches what it switches, and a run goes on where it was."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from tests.learn.packs import HEAD, bases  # noqa: E402

from merian.barcode.pair_tokens import learn_pairs  # noqa: E402
from merian.barcode.tokens import KmerTokens  # noqa: E402
from merian.barcode.vocabulary import words_of  # noqa: E402
from merian.errors import FormatError, InputError  # noqa: E402
from merian.learn.building import build_task  # noqa: E402
from merian.learn.order import epoch_order  # noqa: E402
from merian.learn.pack import open_pack  # noqa: E402
from merian.learn.pack_gather import Asked  # noqa: E402
from merian.learn.packing import make_pack  # noqa: E402
from merian.learn.recipe import read_recipe  # noqa: E402
from merian.learn.recipe_keys import AUXILIARY  # noqa: E402
from merian.learn.saved import load_model  # noqa: E402
from merian.learn.trainer import train  # noqa: E402

SMALL = ("encoder.width=16", "encoder.layers=1", "encoder.heads=2", "training.batch=8",
         "training.device=cpu", "training.precision=float32", "training.steps=7",
         "training.checkpoint=2", "training.average=0.5")  # fmt: skip


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    names = (("Aidae", "Aus", "Aus bus"), ("Aidae", "Dus", "Dus eus"), ("Bidae", "Eus", "Eus fus"),
             ("Bidae", "Eus", "Eus gus"), ("Bidae", "", ""), ("", "", ""))  # fmt: skip
    lines = [",".join((f"r{i}", *names[min(i % 8, 5)], bases(i))) for i in range(60)]
    lines += [f"r{i},Bidae,Eus,Eus hus,{bases(i)}" for i in range(60, 63)]
    (folder / "a.csv").write_text(HEAD + "\n".join(lines) + "\n")
    asked = Asked(shard_size=8, valid=0.2)
    return make_pack([folder / "a.csv"], folder / "p", asked).pack.folder


def built(pack, *changes, recipe="barcode-ranks"):
    return build_task(read_recipe(recipe, (*SMALL, *changes)), pack)


def test_each_switch_of_the_ranks_reaches_the_loss(pack):
    plain = built(pack)
    assert plain.sampler is None
    assert plain.objective.heads.kind == "softmax-tree"
    told = plain.objective.card()["heads"]["options"]
    assert told["smoothing"] == [0.0, 0.0]
    assert (told["even"], told["power"]) == (0.0, 0.5)
    found = built(
        pack, "objective.smoothing=[0.02, 0.03]", "objective.even=0.1", "objective.power=0",
        "objective.starts=[0, 0.25, 0.5]", "objective.rank_weights=[1, 2, 3]",
        "objective.heads=multi-head",
    )  # fmt: skip
    told = found.objective.card()["heads"]["options"]
    assert told["smoothing"] == [0.02, 0.03]
    assert told["even"] == 0.1
    assert told["starts"] == [0.0, 0.25, 0.5]
    assert told["rank_weights"] == [1.0, 2.0, 3.0]
    assert found.objective.heads.kind == "multi-head"
    found.objective.advance(0.3)
    assert found.objective.rank_weights.tolist() == [1.0, 2.0, 0.0]
    assert set(found.objective.weights_2.tolist()) == {1.0}  # all classes alike
    assert built(pack, "objective.smoothing=0.02").objective.smoothing == [0.02, 0.02]


def test_a_sampler_draws_by_the_rank_it_is_told(pack):
    found = built(pack, "sampler.kind=weighted", "sampler.rank=species",
                  "sampler.unlabelled=0.5", "sampler.power=1")  # fmt: skip
    train_part = found.train
    size = sum(train_part.shards)
    order = found.sampler.order(3)
    labels = train_part.batch(order, np.random.default_rng(0))["labels"][:, -1].numpy()
    assert len(order) == size
    assert (labels < 0).sum() == round(size / 2)
    counts = np.bincount(labels[labels >= 0])
    assert np.ptp(counts) <= 2  # classes alike
    groups = built(pack, "sampler.kind=groups", "sampler.rank=genus", "sampler.members=2")
    order = groups.sampler.order(0).reshape(-1, 2)
    genus = groups.train.batch(order.ravel(), np.random.default_rng(0))["labels"][:, 1]
    assert (np.diff(genus.reshape(-1, 2).numpy(), axis=1) == 0).all()


def test_what_is_no_class_is_drawn_as_one_without_a_name(pack):
    found = built(pack, "sampler.kind=weighted", "sampler.rank=species", "objective.least=4")
    alone = built(pack, "sampler.kind=weighted", "sampler.rank=species")
    least = found.objective.heads.labels
    assert least.sizes[-1] < alone.objective.heads.labels.sizes[-1]
    assert (found.sampler.labels >= 0).sum() == sum(least.counts[-1])
    with pytest.raises(InputError, match="no example to learn from has a class"):
        built(pack, "sampler.kind=weighted", "sampler.rank=species", "objective.least=12",
              'objective.ranks=["family"]')  # fmt: skip


def test_each_switch_of_hidden_words_reaches_its_place(pack):
    found = built(pack, "objective.variant=through", "objective.masked_share=0.9",
                  "objective.random_share=0.25", recipe="barcode-restored")  # fmt: skip
    told = found.objective.card()["heads"]
    assert (told["variant"], told["masked_share"]) == ("through", 0.9)
    batch = found.train.batch(np.arange(4), np.random.default_rng(0))
    assert (batch["shown"] > 1).sum() == sum(
        round(0.25 * n) for n in batch["masked"].sum(1).tolist()
    )
    assert "shown" not in found.valid.batch(np.arange(4), np.random.default_rng(0))
    words = built(pack, "objective.masked_share=0.5", recipe="barcode-masked").objective
    assert words.masked_share == 0.5
    with pytest.raises(FormatError, match="a key of masked-autoencoder and not of masked-tokens"):
        built(pack, "objective.variant=blank", recipe="barcode-masked")
    with pytest.raises(FormatError, match="a key of masked-tokens, masked-autoencoder and not of"):
        built(pack, "objective.masked_share=0.5")


@pytest.mark.parametrize("kind", AUXILIARY)
def test_a_second_aim_is_learned_beside_the_words(pack, tmp_path, kind):
    recipe = read_recipe("barcode-restored", (
        *SMALL, f"objective.auxiliary={kind}", "objective.auxiliary_from=0.4", "encoder.cls=true",
        "encoder.pool_cls=true", "sampler.kind=groups", "sampler.rank=genus", "sampler.members=2",
        "training.log=1", "training.steps=4",
    ))  # fmt: skip
    train(recipe, build_task(recipe, pack), tmp_path / "run")
    card = json.loads((tmp_path / "run" / "model" / "card.json").read_text())
    told = card["objective"]["heads"]["auxiliary"]
    assert (told["kind"], told["weight"], told["begins"]) == (kind, 0.1, 0.4)
    assert told["labels"]["names"] == [["Aus", "Dus", "Eus"]]
    log = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in log]
    lines = [line for line in lines if "valid" not in line]
    extra = [line["loss"] - line["loss words"] for line in lines]
    assert extra[:2] == [0, 0]  # it counts from 0.4 of four steps on
    assert all(more > 1e-6 for more in extra[2:])
    encoder = load_model(tmp_path / "run")
    words = torch.from_numpy(KmerTokens().encode(bases(3)))[None]
    with torch.inference_mode():
        whole = encoder.network.both(words)[0]
    unit = torch.nn.functional.normalize(whole, dim=1)[0].numpy()
    assert encoder.encode([bases(3)])[0] @ unit == pytest.approx(1, abs=1e-3)


def test_a_second_aim_needs_names(pack, tmp_path):
    family = built(pack, "objective.auxiliary=genus", "objective.auxiliary_rank=family",
                   recipe="barcode-masked").objective  # fmt: skip
    assert family.aim.labels.names == (("Aidae", "Bidae"),)
    aim = ("objective.auxiliary=triplet", "objective.auxiliary_rank=order")
    with pytest.raises(InputError, match="nothing has a name at the rank 'order'"):
        built(pack, *aim, recipe="barcode-masked")
    lines = [f"r{i},Aidae,Aus,Aus bus,{bases(i)}" for i in range(8)]
    (tmp_path / "a.csv").write_text(HEAD + "\n".join(lines) + "\n")
    one = make_pack([tmp_path / "a.csv"], tmp_path / "p", Asked()).pack.folder
    with pytest.raises(InputError, match="compares names at the rank 'genus', and the examples"):
        built(one, "objective.auxiliary=triplet", recipe="barcode-masked")


def test_words_are_learned_from_the_pack_and_go_with_the_model(pack, tmp_path):
    changes = ("data.words=pairs", "data.merges=40", "training.steps=2")
    recipe = read_recipe("barcode-masked", (*SMALL, *changes))
    task, again = build_task(recipe, pack), build_task(recipe, pack)
    told = task.card["preprocessing"]
    assert told == again.card["preprocessing"]
    assert (told["words"], len(told["merges"]), told["bases"]) == ("pairs", 40, 660)
    part = open_pack(pack, "train")
    texts = part.read(epoch_order(part.shards, 0, 0, 8))
    assert told["merges"] == list(learn_pairs(texts, 40).merges)
    assert task.objective.encoder.config.vocabulary == 47
    assert task.objective.encoder.config.positions == told["room"]
    train(recipe, task, tmp_path / "run")

    encoder = load_model(tmp_path / "run")
    text = bases(3, 250)
    words = torch.from_numpy(words_of(told).encode(text))[None]
    with torch.inference_mode():
        wanted = torch.nn.functional.normalize(encoder.network.pooled(words), dim=1)
    assert encoder.encode([text])[0] @ wanted[0].numpy() == pytest.approx(1, abs=1e-3)

    given = f'encoder.from="{tmp_path / "run"}"'
    named = built(pack, *changes, given)  # the words are those of the model, not learned anew
    assert named.card["preprocessing"] == told
    for change, message in (
        ("data.merges=41", "merges = 41"),
        ("data.bases=300", "bases = 300"),
        ("data.words=kmers", "'merges': 40"),
    ):
        with pytest.raises(InputError, match=message):
            built(pack, *changes, given, change)


def test_a_start_takes_no_key_that_it_does_not_know(pack, tmp_path):
    begun = built(pack, recipe="barcode-masked")
    train(read_recipe("barcode-masked", SMALL), begun, tmp_path / "a")
    given = f'encoder.from="{tmp_path / "a"}"'
    with pytest.raises(InputError, match=r"nothing is called 'widht' there.*Did you mean width"):
        built(pack, given, "encoder.widht=3")
    card = tmp_path / "a" / "model" / "card.json"
    told = json.loads(card.read_text())
    del told["objective"]["encoder"]["cls"]  # as models have it that were made before there was one
    card.write_text(json.dumps(told))
    assert built(pack, given).objective.encoder.whole is None
    with pytest.raises(InputError, match=r"encoder\.cls is True in the recipe and False in"):
        built(pack, given, "encoder.cls=true")


@pytest.mark.parametrize(
    "changes",
    [
        ("data.words=pairs", "data.stride=3"),
        ("objective.auxiliary_weight=0.3",),
        ("objective.auxiliary_from=0.3",),
        ("objective.auxiliary_rank=family",),
    ],
)
def test_a_key_that_would_do_nothing_is_refused(changes):
    with pytest.raises(FormatError, match=r"\.[a-z_]+ does nothing here: "):
        read_recipe("barcode-masked", changes)
    usual = read_recipe("barcode-masked").text()  # which has all keys
    assert "auxiliary_weight" in usual


class BrokenOffError(Exception):
    """Breaks a run off without a word."""


def weights(run):
    folder = run / "model" / "weights.safetensors"
    return folder.read_bytes(), json.loads((run / "result.json").read_text())["figures"]


def test_a_run_with_a_sampler_goes_on_where_it_was(pack, tmp_path):
    changes = (*SMALL, "sampler.kind=groups", "sampler.rank=genus", "sampler.members=3",
               "objective.starts=[0, 0.3, 0.6]", "training.pieces=2", "training.epochs=1",
    )  # fmt: skip
    changes = tuple(c for c in changes if not c.startswith("training.steps"))
    recipe = read_recipe("barcode-ranks", changes)
    train(recipe, build_task(recipe, pack), tmp_path / "whole")

    def watch(progress):
        if progress.step == 3:
            raise BrokenOffError

    with pytest.raises(BrokenOffError):
        train(recipe, build_task(recipe, pack), tmp_path / "broken", watch=watch)
    train(recipe, build_task(recipe, pack), tmp_path / "broken")
    assert weights(tmp_path / "whole") == weights(tmp_path / "broken")
    other = read_recipe("barcode-ranks", (*changes, "sampler.members=2"))
    with pytest.raises(InputError, match="members was 3 and is 2"):
        train(other, build_task(other, pack), tmp_path / "whole")


@pytest.mark.parametrize(
    "changes",
    [
        ("barcode-ranks", "objective.starts=[0, 0.5, 0.5]", "training.metric=loss"),
        ("barcode-ranks", "objective.starts=[0, 0, 0.5]", "training.metric=accuracy species",
         "training.better=higher"),
        ("barcode-masked", "objective.auxiliary=genus", "objective.auxiliary_from=0.5",
         "objective.auxiliary_weight=9"),
    ],
)  # fmt: skip
def test_patience_waits_until_the_whole_loss_counts(pack, tmp_path, changes):
    """What is best by a part of the loss is not kept, and does not end the run."""
    more = ("training.steps=12", "training.validate=1", "training.patience=2",
            "optimizer.learning_rate=1e-9")  # fmt: skip
    recipe = read_recipe(changes[0], (*SMALL, *more, *changes[1:]))
    done = train(recipe, build_task(recipe, pack), tmp_path / "run")
    told = json.loads((tmp_path / "run" / "result.json").read_text())
    assert done.step > 6
    if recipe.training.metric == "loss":
        assert told["weights_of_step"] > 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("objective.starts=[0, 1]", "objective.starts has 2 values; 3 expected, for family, genus"),
        ("objective.smoothing=[0.1, 0, 0]", "smoothing has 3 values; 2 expected, for family, gen"),
        ("objective.rank_weights=[1]", "objective.rank_weights has 1 values; 3 expected"),
        ("objective.rank_weights=[0, 0, 0]", "all ranks weigh 0"),
        ("objective.rank_weights=[1, 1, -1]", "expected a finite number, at least 0"),
        ("objective.smoothing=[0.6, 0.6]", "sum to less than 1"),
        ("sampler.kind=weighted", "sampler.rank does not say of which rank"),
        ("sampler.rank=species", "a key of weighted, groups and not of every"),
        ("sampler.kind=weight", "Did you mean weighted"),
    ],
)
def test_what_does_not_go_together_is_told(pack, change, message):
    with pytest.raises((InputError, FormatError), match=message.replace("[", r"\[")):
        built(pack, change)


def test_a_sampler_of_a_rank_or_a_size_that_is_not_there_is_told(pack):
    with pytest.raises(InputError, match="nothing has a name at the rank 'tribe'"):
        built(pack, "sampler.kind=weighted", "sampler.rank=tribe")
    with pytest.raises(FormatError, match=r"members is 4; a piece of a batch has only 2 examples"):
        built(pack, "sampler.kind=groups", "sampler.rank=genus", "training.pieces=4")
    with pytest.raises(FormatError, match="smoothing is a list; masked-tokens takes one number"):
        built(pack, "objective.smoothing=[0.1, 0.1]", recipe="barcode-masked")
