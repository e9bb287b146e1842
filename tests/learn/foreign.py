"""Published networks as their papers define them, and checkpoints of them in each layout.

Nothing here is of Merian: words are looked up in a dictionary, and states are computed from the
tensors under their published names, in float64, without padding. So what Merian makes of a
checkpoint can be held against it.
"""

from __future__ import annotations

import math
from itertools import product

import torch

WIDTH, LAYERS, HEADS, HIDDEN, POSITIONS = 24, 2, 3, 40, 230


def vocabulary(k, specials, letters="ACGT", n_last=False):
    """The rows of words: the specials, and all words in the order of the alphabet."""
    words = sorted("".join(each) for each in product(letters, repeat=k))
    if n_last:
        words = [w for w in words if "N" not in w] + [w for w in words if "N" in w]
    return {word: row for row, word in enumerate([*specials, *words])}


def rows_of(text, words, k, unknown):
    """The rows of a barcode's words, side by side, what is left over not read."""
    parts = [text[i : i + k] for i in range(0, len(text) - k + 1, k)]
    return torch.tensor([words.get(part, words.get(unknown, -1)) for part in parts])


def drawn(shapes, seed=0, scale=0.3):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(*shape, generator=generator) * scale + (name.endswith("m.weight") * 1.0)
        for name, shape in shapes.items()
    }


# -- BERT -----------------------------------------------------------------------------------------


def bert(rows, seed=0, scale=0.3, positions=POSITIONS):
    """The state of a BertModel."""
    linear = {
        "attention.self.query": (WIDTH, WIDTH),
        "attention.self.key": (WIDTH, WIDTH),
        "attention.self.value": (WIDTH, WIDTH),
        "attention.output.dense": (WIDTH, WIDTH),
        "intermediate.dense": (HIDDEN, WIDTH),
        "output.dense": (WIDTH, HIDDEN),
    }
    shapes = {
        "embeddings.word_embeddings.weight": (rows, WIDTH),
        "embeddings.position_embeddings.weight": (positions, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm.weight": (WIDTH,),
        "embeddings.LayerNorm.bias": (WIDTH,),
    }
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        for name, (out, into) in linear.items():
            shapes |= {f"{at}.{name}.weight": (out, into), f"{at}.{name}.bias": (out,)}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{at}.{name}.weight": (WIDTH,), f"{at}.{name}.bias": (WIDTH,)}
    shapes |= {"pooler.dense.weight": (WIDTH, WIDTH), "pooler.dense.bias": (WIDTH,)}
    return drawn(shapes, seed, scale)


def bert_states(state, rows):
    """The last hidden states of one barcode, float64[t, width]."""
    state = {name: tensor.double() for name, tensor in state.items()}

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x, name):
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + 1e-12).sqrt()
        return x * state[f"{name}.weight"] + state[f"{name}.bias"]

    x = state["embeddings.word_embeddings.weight"][rows]
    x = x + state["embeddings.position_embeddings.weight"][: len(rows)]
    x = norm(x + state["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        query, key, value = (
            linear(x, f"{at}.attention.self.{name}").view(len(rows), HEADS, -1)
            for name in ("query", "key", "value")
        )
        scores = torch.einsum("ihd,jhd->hij", query, key) / math.sqrt(WIDTH // HEADS)
        mixed = torch.einsum("hij,jhd->ihd", scores.softmax(-1), value).reshape(len(rows), WIDTH)
        out = linear(mixed, f"{at}.attention.output.dense")
        x = norm(x + out, f"{at}.attention.output.LayerNorm")
        up = linear(x, f"{at}.intermediate.dense")
        up = up * (1 + torch.erf(up / math.sqrt(2))) / 2
        x = norm(x + linear(up, f"{at}.output.dense"), f"{at}.output.LayerNorm")
    return x


def under(state, begin):
    return {begin + name: tensor for name, tensor in state.items()}


def config(rows, **more):
    """What transformers writes of the network."""
    return {
        "vocab_size": rows, "hidden_size": WIDTH, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "intermediate_size": HIDDEN, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, "torch_dtype": None,
        "position_embedding_type": "absolute", "id2label": {0: "LABEL_0"}, **more,
    }  # fmt: skip


# -- Mamba ----------------------------------------------------------------------------------------

INNER, STATE, CHANNELS, WINDOW = 2 * WIDTH, 5, 8, 4


def mamba(rows, seed=0):
    """The state of BarcodeMamba's backbone."""
    heads, mixed = INNER // CHANNELS, INNER + 2 * STATE
    block = {
        "mixer.in_proj.weight": (INNER + mixed + heads, WIDTH),
        "mixer.conv1d.weight": (mixed, 1, WINDOW),
        "mixer.conv1d.bias": (mixed,),
        "mixer.dt_bias": (heads,),
        "mixer.A_log": (heads,),
        "mixer.D": (heads,),
        "mixer.norm.weight": (INNER,),
        "mixer.out_proj.weight": (WIDTH, INNER),
        "norm1.weight": (WIDTH,),
        "norm1.bias": (WIDTH,),
        "norm2.weight": (WIDTH,),
        "norm2.bias": (WIDTH,),
        "mlp.fc1.weight": (HIDDEN, WIDTH),
        "mlp.fc1.bias": (HIDDEN,),
        "mlp.fc2.weight": (WIDTH, HIDDEN),
        "mlp.fc2.bias": (WIDTH,),
    }
    shapes = {"embeddings.word_embeddings.weight": (rows, WIDTH)}
    for layer in range(LAYERS):
        shapes |= {f"layers.{layer}.{name}": shape for name, shape in block.items()}
    return drawn(shapes | {"ln_f.weight": (WIDTH,), "ln_f.bias": (WIDTH,)}, seed)


def mamba_states(state, rows):
    """The last hidden states of one barcode, one step of time after the other, in float64."""
    state = {name: tensor.double() for name, tensor in state.items()}

    def norm(x, name):
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return x * state[f"{name}.weight"] + state[f"{name}.bias"]

    def mixer(x, at):
        heads, mixed = INNER // CHANNELS, INNER + 2 * STATE
        kernel = state[f"{at}.conv1d.weight"][:, 0]
        fading = -state[f"{at}.A_log"].exp()
        memory = torch.zeros(heads, CHANNELS, STATE, dtype=torch.float64)
        past = [torch.zeros(mixed, dtype=torch.float64)] * (WINDOW - 1)
        out = []
        for word in x:
            z, xbc, dt = (state[f"{at}.in_proj.weight"] @ word).split([INNER, mixed, heads])
            past = [*past, xbc][-WINDOW:]
            seen = sum(kernel[:, i] * past[i] for i in range(WINDOW)) + state[f"{at}.conv1d.bias"]
            taken, write, read = (seen * seen.sigmoid()).split([INNER, STATE, STATE])
            taken = taken.view(heads, CHANNELS)
            dt = (1 + (dt + state[f"{at}.dt_bias"]).exp()).log()
            memory = memory * (dt * fading).exp()[:, None, None]
            memory = memory + dt[:, None, None] * taken[:, :, None] * write
            y = memory @ read + state[f"{at}.D"][:, None] * taken
            y = y.flatten() * z * z.sigmoid()
            y = y / (y.square().mean() + 1e-5).sqrt() * state[f"{at}.norm.weight"]
            out.append(state[f"{at}.out_proj.weight"] @ y)
        return torch.stack(out)

    x = state["embeddings.word_embeddings.weight"][rows]
    for layer in range(LAYERS):
        at = f"layers.{layer}"
        x = x + mixer(norm(x, f"{at}.norm1"), f"{at}.mixer")
        up = norm(x, f"{at}.norm2") @ state[f"{at}.mlp.fc1.weight"].T + state[f"{at}.mlp.fc1.bias"]
        inner = math.sqrt(2 / math.pi) * (up + 0.044715 * up**3)
        up = up * (1 + inner.tanh()) / 2
        x = x + up @ state[f"{at}.mlp.fc2.weight"].T + state[f"{at}.mlp.fc2.bias"]
    return norm(x, "ln_f")
