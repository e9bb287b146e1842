"""Published encoders of pictures, in each layout, against the papers' formulas."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from safetensors.torch import save_file  # noqa: E402

from merian.errors import FormatError, InputError  # noqa: E402
from merian.image.efficientnet_lite import CONFIGS, EfficientNetLite  # noqa: E402
from merian.learn import load_model  # noqa: E402
from merian.learn.published import adopt  # noqa: E402
from merian.learn.published_pictures import Said  # noqa: E402

from .foreign_pictures import (  # noqa: E402
    HEADS,
    SIZE,
    WIDTH,
    clip,
    dinov2,
    dinov3,
    hugging,
    numbers,
    quick,
    timm,
    vector,
)

PICTURE = np.random.default_rng(5).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)


def without_key_bias(net):
    for block in net["blocks"]:
        block["k"] = (block["k"][0], block["k"][1] * 0)
    return net


plain, scaled = numbers(), numbers(scale=True)
registers = numbers(registers=2, scale=True)
three = without_key_bias(numbers(registers=2, scale=True))
HALF, IMAGENET = Said(pixels="half"), Said(pixels="imagenet")

# name: layout, state, what is said, what the oracle is told
LAYOUTS = {
    "timm": ("vit", timm(plain), HALF, (plain, "half", {})),
    "timm, mean": ("vit", timm(plain), Said(pixels="half", pool="mean"),
                   (plain, "half", {"pool": "mean of norms"})),
    "timm, norm of the mean": ("vit", timm(plain, norm_name="fc_norm"), IMAGENET,
                               (plain, "imagenet", {"pool": "norm of mean"})),
    "timm, DINOv2 with registers": ("vit", timm(registers), IMAGENET, (registers, "imagenet", {})),
    "DINOv2": ("dinov2", dinov2(scaled), Said(), (scaled, "imagenet", {})),
    "DINOv2 with registers": ("dinov2", dinov2(registers), Said(), (registers, "imagenet", {})),
    "DINOv2, Hugging Face": ("dinov2", hugging(registers, "dinov2"), Said(),
                             (registers, "imagenet", {})),
    "ViT, Hugging Face": ("hf-vit", hugging(plain, "vit"), Said(),
                          (plain, "half", {"epsilon": 1e-12})),
    "DINOv3": ("dinov3", dinov3(three), Said(),
               (three, "imagenet", {"epsilon": 1e-5, "turn": True})),
    "DINOv3, Hugging Face": ("dinov3", hugging(three, "dinov3"), Said(size=SIZE),
                             (three, "imagenet", {"epsilon": 1e-5, "turn": True})),
    "CLIP": ("clip", clip(plain), Said(activation="quick-gelu"),
             (plain, "clip", {"epsilon": 1e-5, "before": True, "patch_bias": False,
                              "project": True, "act": quick})),
    "open_clip": ("clip", clip(plain), Said(activation="gelu"),
                  (plain, "clip", {"epsilon": 1e-5, "before": True, "patch_bias": False,
                                   "project": True})),
    "CLIP, Hugging Face": ("hf-clip", hugging(plain, "clip"), Said(activation="quick-gelu"),
                           (plain, "clip", {"epsilon": 1e-5, "before": True, "patch_bias": False,
                                            "project": True, "act": quick})),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("kind", ["safetensors", "torch"])
def test_a_vector_is_that_of_the_published_network(tmp_path, name, kind):
    layout, state, said, (net, colours, told) = LAYOUTS[name]
    file = tmp_path / "weights"
    if kind == "torch":
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, file)
    else:
        save_file(state, file)
    said = replace(said, size=SIZE)  # DINOv3 has no places that tell it
    made = adopt(file, tmp_path / "model", heads=HEADS, pictures=said)
    assert made.layout == layout
    eye = load_model(tmp_path / "model", "cpu", "float32")
    wanted = vector(net, PICTURE, colours, **told)
    assert eye.dim == len(wanted)
    assert np.allclose(eye.encode([PICTURE])[0], wanted / np.linalg.norm(wanted), atol=2e-6)
    with torch.inference_mode():
        seen = torch.from_numpy(PICTURE)[None].permute(0, 3, 1, 2).float()
        found = eye.network.features((seen - 127) / 128)[0].numpy()
    assert np.allclose(found, wanted, atol=1e-5)


def test_the_same_file_gives_the_same_model(tmp_path):
    save_file(dinov2(scaled), tmp_path / "a.safetensors")
    made = [adopt(tmp_path / "a.safetensors", tmp_path / n, heads=HEADS) for n in ("x", "y")]
    assert made[0].id == made[1].id
    files = [(tmp_path / n / "weights.safetensors").read_bytes() for n in ("x", "y")]
    assert files[0] == files[1]
    assert made[0].left_out == ("head.bias", "head.weight", "mask_token")


def test_what_no_tensor_tells_is_read_beside_the_weights(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    save_file(clip(plain), folder / "open_clip_model.safetensors")
    told = {"model_cfg": {"quick_gelu": True, "vision_cfg": {"width": WIDTH}},
            "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}  # fmt: skip
    (folder / "open_clip_config.json").write_text(json.dumps(told))
    made = adopt(folder, tmp_path / "m", heads=HEADS)
    assert (made.encoder["activation"], made.encoder["pixels"]) == ("quick-gelu", "half")
    with pytest.raises(InputError, match="says quick_gelu, and --activation gelu"):
        adopt(folder, tmp_path / "n", heads=HEADS, pictures=Said(activation="gelu"))
    other = tmp_path / "vit"
    other.mkdir()
    save_file(hugging(plain, "vit"), other / "model.safetensors")
    (other / "config.json").write_text(json.dumps({
        "num_attention_heads": HEADS, "layer_norm_eps": 1e-3, "hidden_act": "gelu"}))  # fmt: skip
    (other / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.485, 0.456, 0.406]})
    )
    made = adopt(other, tmp_path / "o")
    assert made.encoder["epsilon"] == 1e-3
    assert (made.encoder["heads"], made.encoder["pixels"]) == (HEADS, "imagenet")
    with pytest.raises(InputError, match="says 2 heads, and --heads 4; leave it out"):
        adopt(other, tmp_path / "p", heads=4)


def test_a_picture_of_another_size_draws_the_places_out(tmp_path):
    save_file(dinov2(scaled), tmp_path / "a")
    adopt(tmp_path / "a", tmp_path / "m", heads=HEADS, pictures=Said(size=2 * SIZE))
    eye = load_model(tmp_path / "m", "cpu", "float32")
    seen = []
    eye.network.blocks[0].register_forward_hook(lambda _m, args, _o: seen.append(args[0].shape[1]))
    assert np.isfinite(eye.encode([PICTURE])).all()
    assert seen == [1 + 4 * (SIZE // 4) ** 2]
    with pytest.raises(InputError, match="a multiple of the 4 pixels of a patch"):
        adopt(tmp_path / "a", tmp_path / "n", heads=HEADS, pictures=Said(size=SIZE + 1))


def lite_of_timm(network):
    """The tensors of a network of ours, as timm calls them."""
    first = {"depthwise.conv": "conv_dw", "depthwise.norm": "bn1", "project.conv": "conv_pw",
             "project.norm": "bn2"}  # fmt: skip
    later = {"expand.conv": "conv_pw", "expand.norm": "bn1", "depthwise.conv": "conv_dw",
             "depthwise.norm": "bn2", "project.conv": "conv_pwl",
             "project.norm": "bn3"}  # fmt: skip
    stages = [(s, b) for s, many in enumerate((1, 2, 2, 3, 3, 4, 1)) for b in range(many)]
    state = {}
    for key, value in network.state_dict().items():
        begin, _, kind = key.rpartition(".")
        if begin.startswith("blocks"):
            _, number, inside = begin.split(".", 2)
            stage, block = stages[int(number)]
            state[f"blocks.{stage}.{block}.{(later if stage else first)[inside]}.{kind}"] = value
        else:
            names = {"stem.conv": "conv_stem", "stem.norm": "bn1", "head.conv": "conv_head",
                     "head.norm": "bn2", "classifier": "classifier"}  # fmt: skip
            state[f"{names[begin]}.{kind}"] = value
    return state


def test_an_efficientnet_of_timm_is_read(tmp_path):
    torch.manual_seed(0)
    network = EfficientNetLite(CONFIGS["efficientnet-lite0"]).eval()
    save_file(lite_of_timm(network), tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"does not say whose.*--layout lite"):
        adopt(tmp_path / "model.safetensors", tmp_path / "m")
    made = adopt(tmp_path / "model.safetensors", tmp_path / "m", layout="lite")
    assert made.encoder["kind"] == "efficientnet-lite0"
    with torch.inference_mode():
        seen = torch.randn(1, 3, 64, 64)
        found = load_model(tmp_path / "m", "cpu", "float32").network.features(seen)
        assert torch.allclose(found, network.features(seen), atol=1e-6)
    (tmp_path / "config.json").write_text('{"architecture": "efficientnet_lite0"}')
    with pytest.raises(InputError, match="is efficientnet_lite0; only those that TensorFlow"):
        adopt(tmp_path / "model.safetensors", tmp_path / "n")


@pytest.mark.parametrize(
    ("change", "said", "message"),
    [
        (lambda s: s.pop("blocks.1.mlp.fc2.bias"), HALF, r"lacks blocks\.1\.mlp\.fc2\.bias of"),
        (lambda s: s.update(extra=torch.zeros(1)), HALF, "has extra beside what the layout vit"),
        (lambda s: s.update(pos_embed=torch.zeros(1, 9, WIDTH + 1)), HALF, "would be positions"),
        (lambda s: s.update(pos_embed=torch.zeros(1, 12, WIDTH)), HALF, "has 12 places"),
        (lambda s: s["norm.weight"].fill_(torch.nan), HALF, "are not finite"),
        (lambda s: None, Said(), r"Say it: --pixels half"),
        (lambda s: None, Said(pixels="loud"), "pixels is 'loud'; imagenet, half, clip expected"),
        (lambda s: None, Said(pixels="half", pool="max"), "pool is 'max'; cls, mean expected"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path, change, said, message):
    state = timm(numbers(seed=3))
    change(state)
    save_file(state, tmp_path / "a")
    with pytest.raises((InputError, FormatError), match=message):
        adopt(tmp_path / "a", tmp_path / "m", heads=HEADS, pictures=said)
    assert not (tmp_path / "m").exists()


def test_more_that_does_not_fit(tmp_path):
    save_file(clip(plain), tmp_path / "clip")
    with pytest.raises(InputError, match="does not say which activation"):
        adopt(tmp_path / "clip", tmp_path / "m", heads=HEADS)
    with pytest.raises(InputError, match=r"width of 16 has.*--heads"):
        adopt(tmp_path / "clip", tmp_path / "m", pictures=Said(activation="gelu"))
    with pytest.raises(InputError, match="reads pictures, which have no bases"):
        adopt(tmp_path / "clip", tmp_path / "m", bases=9)
    with pytest.raises(FormatError, match="has not the layout dinov3"):
        adopt(tmp_path / "clip", tmp_path / "m", layout="dinov3")
    state = dinov3(three)
    state["rope_embed.periods"] *= 2
    save_file(state, tmp_path / "three")
    with pytest.raises(FormatError, match="turns places by periods up to"):
        adopt(tmp_path / "three", tmp_path / "m", heads=HEADS)
