"""A sentence encoder from the Hugging Face Hub, as it is: a control for encoders of our own.

MiniLM and its like have read a good part of what is written, and hardly a lineage. They are loaded
from a folder, or by name from the Hub, through the extra `hub`; nothing of them is trained. The
vector of a text is the mean over its words, as their authors of `all-MiniLM` take it. Weights are
read as safetensors, and no program that comes with them is run.

Reference: Wang and others, MiniLM, arXiv:2002.10957; Reimers and Gurevych, arXiv:1908.10084.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from merian.barcode.pooling import mean_over_words
from merian.encoder import Floats
from merian.errors import InputError, MissingExtraError, NotFoundError
from merian.threads import one_thread

__all__ = ["HubConfig", "HubNetwork", "HubText"]

_BATCH, _ROOM = 8, 16  # texts of a batch, and what its length is a multiple of
_FEW = 1024  # texts that are made ready at a time


@dataclass(frozen=True)
class HubConfig:
    """Which one.

    Attributes:
        source: A folder, or a name on the Hub, as sentence-transformers/all-MiniLM-L6-v2.
        revision: The commit, branch or tag of a name; empty for the newest, which may change.
    """

    source: str
    revision: str = ""


class HubNetwork(nn.Module):
    """The network; its weights come from where the configuration says."""

    kind = "text-hub"

    def __init__(self, config: HubConfig) -> None:
        super().__init__()
        self.config = config
        network = _loaded("AutoModel", config, use_safetensors=True)
        self.width = int(network.config.hidden_size)
        self.positions = int(getattr(network.config, "max_position_embeddings", 512))
        self.network = network.float().requires_grad_(False).eval()

    def train(self, mode: bool = True) -> HubNetwork:
        """Leave the network as it is: it does not learn."""
        super().train(mode)
        self.network.eval()
        return self

    def pooled(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return float[b, width], the mean over the words that are kept."""
        mask = torch.ones_like(tokens) if keep is None else keep.to(tokens.dtype)
        states = self.network(input_ids=tokens, attention_mask=mask).last_hidden_state
        return mean_over_words(states, keep)


class HubText:
    """An `Encoder` (see `merian.encoder`) of texts that somebody else trained.

    Args:
        source: A folder, or a name on the Hub.
        revision: The commit, branch or tag of a name; give a commit to have the same again.
        length: What lies beyond so many words of a text is not read.
        device: cpu or cuda.

    Raises:
        MissingExtraError: The extra `hub` is not installed.
        NotFoundError: There is no such folder, and no such name that can be had.
    """

    modality = "text"

    def __init__(
        self, source: Path | str, revision: str = "", *, length: int = 128, device: str = "cpu"
    ) -> None:
        if length < 1:
            raise InputError(f"{length} words of a text; 1 or more expected")
        config = HubConfig(str(source), revision)
        self.network = HubNetwork(config).to(device)
        self.device, self.length = device, min(length, self.network.positions)
        self._tokenizer = _loaded("AutoTokenizer", config)
        self.name = Path(config.source).name or config.source
        self.dim = self.network.width
        # Before it is first used: it keeps how long texts may be among what it tells of itself.
        self.id = self.space = _id_of(self.network, self._tokenizer, self.length)
        self.card: Mapping[str, Any] = {
            "name": self.name,
            "modality": self.modality,
            "source": config.source,
            "revision": revision,
            "preprocessing": {"words": "hub", "length": self.length, "pool": "mean"},
        }

    def encode(self, items: Sequence[Any], rejects: list[tuple[int, str]] | None = None) -> Floats:
        """Return float32[n, dim], rows of unit length; NaN where a text is missing or empty."""
        found = np.full((len(items), self.dim), np.nan, np.float32)
        aside = rejects if rejects is not None else []
        with one_thread(), torch.inference_mode():
            for first in range(0, len(items), _FEW):
                for room, ready in self._ready(items[first : first + _FEW], first, aside).items():
                    for start in range(0, len(ready), _BATCH):
                        few = ready[start : start + _BATCH]
                        found[[row for row, _ in few]] = self._look([w for _, w in few], room)
        return found

    def _ready(
        self, items: Sequence[Any], first: int, rejects: list[tuple[int, str]]
    ) -> dict[int, list[tuple[int, list[int]]]]:
        """Return rows and words by the length of their batch, which follows from their own."""
        found: dict[int, list[tuple[int, list[int]]]] = {}
        for row, item in enumerate(items, first):
            words = self._read(item)
            if words:
                found.setdefault(-(-len(words) // _ROOM) * _ROOM, []).append((row, words))
            else:
                rejects.append((row, "it is missing" if item is None else "it is empty"))
        return found

    def _read(self, item: Any) -> list[int]:
        """Return the words of a text with those that stand around it; none of an empty one."""
        text = " ".join(str(item or "").split())
        if not text:
            return []
        told = self._tokenizer(text, truncation=True, max_length=self.length)
        return [int(word) for word in told["input_ids"]]

    def _look(self, few: Sequence[Sequence[int]], room: int) -> Floats:
        """Return float32[few, dim] of unit length, in a batch of one shape."""
        tokens = torch.full((_BATCH, room), int(self._tokenizer.pad_token_id or 0))
        keep = torch.zeros(_BATCH, room, dtype=torch.bool)
        for number in range(_BATCH):
            words = few[number] if number < len(few) else few[0]
            tokens[number, : len(words)] = torch.tensor(words)
            keep[number, : len(words)] = True
        vectors = self.network.pooled(tokens.to(self.device), keep.to(self.device))
        unit = functional.normalize(vectors.float(), dim=1)[: len(few)]
        return np.asarray(unit.cpu().numpy(), np.float32)


def _loaded(what: str, config: HubConfig, **more: Any) -> Any:
    """Return a model or a tokenizer of transformers."""
    if importlib.util.find_spec("transformers") is None:
        raise MissingExtraError("a text encoder from the Hugging Face Hub", "hub")
    import transformers  # noqa: PLC0415 - an extra

    here = Path(config.source).is_dir()
    try:
        return getattr(transformers, what).from_pretrained(
            config.source, revision=config.revision or "main", local_files_only=here, **more
        )
    except (OSError, ValueError, KeyError) as error:
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise NotFoundError(
            f"{config.source}: no {what.removeprefix('Auto').lower()} of transformers can be had "
            f"from there ({said}); expected a folder with config.json, model.safetensors and "
            "tokenizer.json, or a name on the Hub and a network"
        ) from None


def _id_of(network: HubNetwork, tokenizer: Any, length: int) -> str:
    """Return a hash of all that decides a vector."""
    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    inner = getattr(tokenizer, "backend_tokenizer", None)
    words = (
        inner.to_str() if inner is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    )
    digest.update(json.dumps([words, length, "mean"]).encode())
    return digest.hexdigest()
