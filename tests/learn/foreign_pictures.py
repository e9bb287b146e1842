"""Small encoders of pictures in the layouts of others, and what they give, by the papers' formulas.

The numbers are drawn once, under plain names. Writers put them under the names of each layout; the
oracle reckons with them in 64 bits, word by word, and shares nothing with the code that is tested.
"""

from __future__ import annotations

import math

import numpy as np
import torch

WIDTH, HEADS, LAYERS, PATCH, SIDE, HIDDEN, OUT = 16, 2, 2, 4, 3, 24, 6
SIZE = PATCH * SIDE
COLOURS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5,) * 3, (0.5,) * 3),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}


def numbers(registers=0, scale=False, seed=0):
    """Draw a network."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.normal(0, 0.3, shape).astype(np.float32)

    net = {
        "patch": draw(WIDTH, 3, PATCH, PATCH), "patch_bias": draw(WIDTH), "cls": draw(WIDTH),
        "places": draw(1 + SIDE * SIDE, WIDTH), "registers": draw(registers, WIDTH),
        "norm_in": (1 + draw(WIDTH), draw(WIDTH)), "norm": (1 + draw(WIDTH), draw(WIDTH)),
        "project": draw(WIDTH, OUT), "blocks": [],
    }  # fmt: skip
    for _ in range(LAYERS):
        net["blocks"].append({
            "norm1": (1 + draw(WIDTH), draw(WIDTH)), "norm2": (1 + draw(WIDTH), draw(WIDTH)),
            **{name: (draw(WIDTH, WIDTH), draw(WIDTH)) for name in ("q", "k", "v", "o")},
            "up": (draw(HIDDEN, WIDTH), draw(HIDDEN)), "down": (draw(WIDTH, HIDDEN), draw(WIDTH)),
            "scale1": draw(WIDTH) if scale else None, "scale2": draw(WIDTH) if scale else None,
        })  # fmt: skip
    return net


# -- the oracle -----------------------------------------------------------------------------------


def norm(x, by, epsilon):
    spread = np.sqrt(((x - x.mean()) ** 2).mean() + epsilon)
    return (x - x.mean()) / spread * by[0].astype(float) + by[1].astype(float)


def linear(x, by):
    return by[0].astype(float) @ x + by[1].astype(float)


def gelu(x):
    return np.array([v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x])


def quick(x):
    return x / (1 + np.exp(-1.702 * x))


def turned(x, row, column):
    """Rotate pairs of a head's numbers by the angles of a place (DINOv3)."""
    half, quarter = len(x) // 2, len(x) // 4
    out = x.copy()
    for i in range(half):
        at = (row + 0.5) / SIDE * 2 - 1 if i < quarter else (column + 0.5) / SIDE * 2 - 1
        angle = 2 * math.pi * at / 100 ** ((i % quarter) / quarter)
        out[i] = x[i] * math.cos(angle) - x[i + half] * math.sin(angle)
        out[i + half] = x[i + half] * math.cos(angle) + x[i] * math.sin(angle)
    return out


def vector(net, picture, colours, *, epsilon=1e-6, act=gelu, pool="cls", before=False,
           turn=False, own_place=True, patch_bias=True, project=False):  # fmt: skip
    """Return the vector of one picture uint8[SIZE, SIZE, 3]."""
    mean, spread = (np.array(part) for part in COLOURS[colours])
    seen = (picture / 255 - mean) / spread
    cls = net["cls"].astype(float)
    words = [cls + (net["places"][0] if own_place and not turn else 0)]
    words += [word.astype(float) for word in net["registers"]]
    first = len(words)
    for row in range(SIDE):
        for column in range(SIDE):
            tile = seen[row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
            word = np.einsum("dcij,ijc->d", net["patch"].astype(float), tile)
            word += net["patch_bias"] if patch_bias else 0
            words.append(word + (0 if turn else net["places"][1 + row * SIDE + column]))
    if before:
        words = [norm(word, net["norm_in"], epsilon) for word in words]
    head = WIDTH // HEADS
    for block in net["blocks"]:
        normed = [norm(word, block["norm1"], epsilon) for word in words]
        q, k, v = ([linear(word, block[name]) for word in normed] for name in "qkv")
        mixed = [np.zeros(WIDTH) for _ in words]
        for h in range(HEADS):
            part = slice(h * head, (h + 1) * head)
            asks, keys = [x[part] for x in q], [x[part] for x in k]
            if turn:
                for place in range(SIDE * SIDE):
                    at = divmod(place, SIDE)
                    asks[first + place] = turned(asks[first + place], *at)
                    keys[first + place] = turned(keys[first + place], *at)
            for i, ask in enumerate(asks):
                weight = np.exp([ask @ key / math.sqrt(head) for key in keys])
                weight /= weight.sum()
                mixed[i][part] = sum(w * x[part] for w, x in zip(weight, v, strict=True))
        scale = 1 if block["scale1"] is None else block["scale1"]
        words = [w + scale * linear(m, block["o"]) for w, m in zip(words, mixed, strict=True)]
        scale = 1 if block["scale2"] is None else block["scale2"]
        words = [
            w + scale * linear(act(linear(norm(w, block["norm2"], epsilon), block["up"])),
                               block["down"])
            for w in words
        ]  # fmt: skip
    if pool == "cls":
        found = norm(words[0], net["norm"], epsilon)
    elif pool == "mean of norms":
        found = np.mean([norm(word, net["norm"], epsilon) for word in words[first:]], axis=0)
    else:
        found = norm(np.mean(words[first:], axis=0), net["norm"], epsilon)
    return found @ net["project"] if project else found


# -- the layouts ----------------------------------------------------------------------------------


def pair(name, by):
    return {f"{name}.weight": by[0], f"{name}.bias": by[1]}


def joined(block):
    return tuple(np.concatenate([block[name][i] for name in "qkv"]) for i in (0, 1))


def tensors(state):
    return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in state.items()}


def timm(net, registers="reg_token", norm_name="norm"):
    state = {"cls_token": net["cls"][None, None], "pos_embed": net["places"][None],
             **pair("patch_embed.proj", (net["patch"], net["patch_bias"])),
             **pair(norm_name, net["norm"]),
             **pair("head", (net["project"].T, np.zeros(OUT)))}  # fmt: skip
    if len(net["registers"]):
        state[registers] = net["registers"][None]
    for i, block in enumerate(net["blocks"]):
        at = f"blocks.{i}"
        state |= {**pair(f"{at}.norm1", block["norm1"]), **pair(f"{at}.attn.qkv", joined(block)),
                  **pair(f"{at}.attn.proj", block["o"]), **pair(f"{at}.norm2", block["norm2"]),
                  **pair(f"{at}.mlp.fc1", block["up"]),
                  **pair(f"{at}.mlp.fc2", block["down"])}  # fmt: skip
        if block["scale1"] is not None:
            state |= {f"{at}.ls1.gamma": block["scale1"], f"{at}.ls2.gamma": block["scale2"]}
    return tensors(state)


def dinov2(net):
    return timm(net, "register_tokens") | {"mask_token": torch.zeros(1, WIDTH)}


def dinov3(net):
    state = timm(net, "storage_tokens") | {"mask_token": torch.zeros(1, WIDTH)}
    del state["pos_embed"]
    quarter = WIDTH // HEADS // 4
    state["rope_embed.periods"] = (100 ** (torch.arange(quarter) / quarter)).bfloat16()
    for i in range(LAYERS):
        mask = torch.ones(3 * WIDTH)
        mask[WIDTH : 2 * WIDTH] = 0
        state[f"blocks.{i}.attn.qkv.bias_mask"] = mask
    return state


def clip(net):
    state = {"class_embedding": net["cls"], "positional_embedding": net["places"],
             "conv1.weight": net["patch"], **pair("ln_pre", net["norm_in"]),
             **pair("ln_post", net["norm"]), "proj": net["project"]}  # fmt: skip
    for i, block in enumerate(net["blocks"]):
        at, (weight, bias) = f"transformer.resblocks.{i}", joined(block)
        state |= {**pair(f"{at}.ln_1", block["norm1"]), f"{at}.attn.in_proj_weight": weight,
                  f"{at}.attn.in_proj_bias": bias, **pair(f"{at}.attn.out_proj", block["o"]),
                  **pair(f"{at}.ln_2", block["norm2"]), **pair(f"{at}.mlp.c_fc", block["up"]),
                  **pair(f"{at}.mlp.c_proj", block["down"])}  # fmt: skip
    tower = {f"visual.{name}": value for name, value in state.items()}
    text = {"positional_embedding": np.zeros((7, 8)), "token_embedding.weight": np.zeros((9, 8)),
            "transformer.resblocks.0.attn.in_proj_weight": np.zeros((24, 8)),
            "ln_final.weight": np.zeros(8), "text_projection": np.zeros((8, OUT)),
            "logit_scale": np.zeros(1)}  # fmt: skip
    return tensors(text | tower)


def hugging(net, kind):
    """ViT, DINOv2, DINOv3 or CLIP as Hugging Face calls them."""
    names = {
        "vit": ("layernorm_before", "attention.attention.{}", "attention.output.dense",
                "layernorm_after", "intermediate.dense", "output.dense"),
        "dinov2": ("norm1", "attention.attention.{}", "attention.output.dense", "norm2", "mlp.fc1",
                   "mlp.fc2"),
        "dinov3": ("norm1", "attention.{}_proj", "attention.o_proj", "norm2", "mlp.up_proj",
                   "mlp.down_proj"),
        "clip": ("layer_norm1", "self_attn.{}_proj", "self_attn.out_proj", "layer_norm2", "mlp.fc1",
                 "mlp.fc2"),
    }[kind]  # fmt: skip
    at = {"dinov3": "layer", "clip": "vision_model.encoder.layers"}.get(kind, "encoder.layer")
    whole = kind in {"vit", "dinov2"}
    state = {}
    for i, block in enumerate(net["blocks"]):
        parts = dict(zip(("norm1", "", "o", "norm2", "up", "down"), names, strict=True))
        parts.pop("")
        parts |= {short: names[1].format(long if whole else short)
                  for short, long in (("q", "query"), ("k", "key"), ("v", "value"))}  # fmt: skip
        for ours, theirs in parts.items():
            state |= pair(f"{at}.{i}.{theirs}", block[ours])
        if kind == "dinov3":
            del state[f"{at}.{i}.attention.k_proj.bias"]
        if block["scale1"] is not None:
            state[f"{at}.{i}.layer_scale1.lambda1"] = block["scale1"]
            state[f"{at}.{i}.layer_scale2.lambda1"] = block["scale2"]
    if kind == "clip":
        e = "vision_model.embeddings"
        state |= {f"{e}.class_embedding": net["cls"], f"{e}.patch_embedding.weight": net["patch"],
                  f"{e}.position_embedding.weight": net["places"],
                  "visual_projection.weight": net["project"].T,
                  **pair("vision_model.pre_layrnorm", net["norm_in"]),
                  **pair("vision_model.post_layernorm", net["norm"])}  # fmt: skip
        return tensors(state)
    patches = "patch_embeddings" if kind == "dinov3" else "patch_embeddings.projection"
    state |= {"embeddings.cls_token": net["cls"][None, None],
              **pair(f"embeddings.{patches}", (net["patch"], net["patch_bias"])),
              **pair("norm" if kind == "dinov3" else "layernorm", net["norm"])}  # fmt: skip
    if kind != "dinov3":
        state["embeddings.position_embeddings"] = net["places"][None]
    if kind != "vit":
        state["embeddings.mask_token"] = np.zeros((1, WIDTH))
    if len(net["registers"]):
        state["embeddings.register_tokens"] = net["registers"][None]
    return tensors(state)
