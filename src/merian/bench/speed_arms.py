"""What `merian.bench.encoder_speed` lets race, each arm in a process of its own.

An arm is made once and says how many units (words, sequences, scans) one round of it is. The
process then waits: for every line that comes in it does one round and prints the seconds of
processor time and of the clock. So arms can take turns, and none pays for what another has left in
the memory.
"""

from __future__ import annotations

import importlib
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from merian.barcode.tokens import MASK, KmerTokens
from merian.learn.encoders import build_encoder
from merian.learn.looking import NetworkEncoder
from merian.learn.objectives import MaskedTokens
from merian.learn.saved import load_model

__all__ = ["ARMS", "Round", "make", "mean_cosine", "serve"]

Round = tuple[int, Callable[[], object]]
"""How many units a round is, and what does it."""

K, WIDTH, LAYERS, HEADS = 4, 768, 4, 4  # BarcodeBERT 4-4-4
TRAINED = 16  # barcodes of a step
FULL, SHORT = (650, 658), (140, 250)  # bases: of COI, and of ITS1
EMBEDDED = {FULL: 32, SHORT: 96}  # barcodes of a round
SCAN = {"batch": 4, "words": 660, "heads": 16, "channels": 48, "state": 64}
CHUNK = 64


def barcodes(count: int, bases: tuple[int, int]) -> list[str]:
    """Return sequences drawn by chance, the same each time."""
    chance = random.Random(0)  # noqa: S311 - it guards no secret
    return ["".join(chance.choices("ACGT", k=chance.randint(*bases))) for _ in range(count)]


def _tokens() -> KmerTokens:
    return KmerTokens(K)


def _hidden(count: int) -> tuple[Tensor, Tensor]:
    """Return words int64[b, t], and which half of them are hidden."""
    tokens = _tokens()
    words = torch.stack([
        torch.from_numpy(tokens.encode(text)[: FULL[0] // K]) for text in barcodes(count, FULL)
    ])  # fmt: skip
    return words, torch.rand(words.shape, generator=torch.Generator().manual_seed(0)) < 0.5


def _bert() -> nn.Module:
    torch.manual_seed(0)
    tokens = _tokens()
    return build_encoder({
        "kind": "barcode-bert", "vocabulary": tokens.size, "positions": tokens.length,
        "width": WIDTH, "layers": LAYERS, "heads": HEADS, "norm_first": False,
    })  # fmt: skip


def _peer(heads: bool) -> Any:
    """Return the same network of the package transformers."""
    peer: Any = importlib.import_module("transformers")
    torch.manual_seed(0)
    tokens = _tokens()
    config = peer.BertConfig(
        vocab_size=tokens.size, hidden_size=WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, intermediate_size=4 * WIDTH, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, max_position_embeddings=tokens.length,
    )  # fmt: skip
    if heads:
        return peer.BertForMaskedLM(config).train()
    return peer.BertModel(config, add_pooling_layer=False).eval()


# -- training -------------------------------------------------------------------------------------


def _peer_trains() -> Round:
    network = _peer(heads=True)
    words, hidden = _hidden(TRAINED)
    asked, wanted = words.masked_fill(hidden, MASK), words.masked_fill(~hidden, -100)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step() -> None:
        network(input_ids=asked, labels=wanted).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return words.numel(), step


def _trains(precision: str) -> Round:
    objective = MaskedTokens(_bert(), _tokens().size).train()
    words, hidden = _hidden(TRAINED)
    batch = {"tokens": words, "masked": hidden, "keep": torch.ones_like(hidden)}
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-4)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = objective(batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return words.numel(), step


# -- embedding ------------------------------------------------------------------------------------


def _peer_embeds(bases: tuple[int, int]) -> Round:
    """Embed as one does with transformers: a batch is as long as the longest of it."""
    network, tokens = _peer(heads=False), _tokens()
    texts = barcodes(EMBEDDED[bases], bases)

    @torch.inference_mode()
    def embed() -> None:
        for first in range(0, len(texts), 16):
            few(texts[first : first + 16])

    def few(texts: list[str]) -> Tensor:
        rows = [torch.from_numpy(tokens.encode(text)) for text in texts]
        words = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        keep = words != 0
        states = network(input_ids=words, attention_mask=keep.long()).last_hidden_state
        pooled = (states * keep[:, :, None]).sum(1) / keep.sum(1, keepdim=True)
        return nn.functional.normalize(pooled, dim=1)

    return len(texts), embed


def _embeds(precision: str, bases: tuple[int, int]) -> Round:
    encoder = NetworkEncoder(
        network=_bert(), name="speed", modality="barcode", dim=WIDTH, space="speed", id="speed",
        card={}, preprocessing={"k": K}, device="cpu", precision=precision,
    )  # fmt: skip
    texts = barcodes(EMBEDDED[bases], bases)
    return len(texts), lambda: encoder.encode(texts)


# -- the scan -------------------------------------------------------------------------------------


def _scan_input() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    b, t, heads, channels, state = SCAN.values()
    x = torch.randn(b, t, heads, channels, requires_grad=True)
    fading = -torch.rand(b, t, heads) * 0.1
    write, read = torch.randn(b, t, state), torch.randn(b, t, state)
    return x, fading.requires_grad_(), write.requires_grad_(), read.requires_grad_()


def word_by_word(x: Tensor, fading: Tensor, write: Tensor, read: Tensor) -> Tensor:
    """Return the scan of `merian.barcode.mamba`, by its definition."""
    state = torch.zeros(*x.shape[:1], *x.shape[2:], write.shape[-1])  # b h p n
    found = []
    taken, fades = x.unbind(1), fading.exp().unbind(1)
    for xs, kept, b, c in zip(taken, fades, write.unbind(1), read.unbind(1), strict=True):
        state = kept[:, :, None, None] * state + xs[..., None] * b[:, None, None, :]
        found.append((state @ c[:, None, :, None]).squeeze(-1))
    return torch.stack(found, 1)


def _scans(chunked: bool) -> Round:
    from merian.barcode.mamba import scan  # noqa: PLC0415 - for two arms alone

    given = _scan_input()

    def both_ways() -> None:
        found = scan(*given, chunk=CHUNK) if chunked else word_by_word(*given)
        total: Any = found.sum()
        total.backward()
        for tensor in given:
            tensor.grad = None

    return 1, both_ways


ARMS: dict[str, Callable[[], Round]] = {
    "train, transformers float32": _peer_trains,
    "train, Merian float32": lambda: _trains("float32"),
    "train, Merian bfloat16": lambda: _trains("bfloat16"),
    "embed COI, transformers float32": lambda: _peer_embeds(FULL),
    "embed COI, Merian float32": lambda: _embeds("float32", FULL),
    "embed COI, Merian bfloat16": lambda: _embeds("bfloat16", FULL),
    "embed COI, Merian int8": lambda: _embeds("int8", FULL),
    "embed ITS1, transformers float32": lambda: _peer_embeds(SHORT),
    "embed ITS1, Merian float32": lambda: _embeds("float32", SHORT),
    "embed ITS1, Merian bfloat16": lambda: _embeds("bfloat16", SHORT),
    "embed ITS1, Merian int8": lambda: _embeds("int8", SHORT),
    "scan, word by word": lambda: _scans(chunked=False),
    "scan, in chunks": lambda: _scans(chunked=True),
}


def make(arm: str) -> Round:
    """Make an arm, and do a round that is not counted."""
    units, once = ARMS[arm]()
    once()
    return units, once


def mean_cosine(model: Path | str, texts: list[str], precision: str) -> tuple[float, float]:
    """Return the mean and the lowest cosine of an encoder's vectors to those in float32."""
    wanted = load_model(model, "cpu", "float32").encode(texts)
    found = load_model(model, "cpu", precision).encode(texts)
    cosine = (wanted * found).sum(1)
    return float(cosine.mean()), float(cosine.min())


def serve(made: Callable[[], Round], threads: int) -> None:
    """Make an arm, and do a round of it for every line that comes in."""
    torch.set_num_threads(threads)
    units, once = made()
    print(json.dumps({"units": units}), flush=True)  # noqa: T201 - it answers who started it
    for _ in sys.stdin:
        clock, used = time.perf_counter(), time.process_time()
        once()
        took = {"cpu": time.process_time() - used, "clock": time.perf_counter() - clock}
        print(json.dumps(took), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve(lambda: make(sys.argv[1]), int(sys.argv[2]))
