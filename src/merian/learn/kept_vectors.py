"""What a frozen tower makes of a pack's records, made once and kept beside them.

It is embedded as `merian embed` does it, by several processes and a shard at a time, so that what
was killed goes on; then all vectors lie in one file that is mapped. The name of the file is the id
of the tower: weights, and what is done to an item before.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from merian.errors import InputError
from merian.files import only_writer
from merian.learn.embedding import embed
from merian.learn.embeddings import Embeddings
from merian.learn.encoding import EncoderAlone
from merian.learn.pack import Pack
from merian.learn.pack_gather import Asked
from merian.learn.saved import save_model

__all__ = ["Progress", "kept_vectors"]

_KINDS = {"image": "pictures", "barcode": "barcodes"}

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of how much."""


def kept_vectors(
    tower: nn.Module,
    modality: str,
    preprocessing: Mapping[str, Any],
    pack: Pack,
    part: str,
    progress: Progress | None = None,
) -> Path:
    """Return the file of numpy with float16[examples, width]: NaN where there is no item.

    Args:
        tower: It.
        modality: image or barcode.
        preprocessing: What is done to an item before.
        pack: All of it.
        part: Of which the vectors are meant.
        progress: Is told how far it is.
    """
    folder = pack.folder / "kept"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: what a frozen tower sees is kept there, and it cannot be made "
            f"({error.strerror}); copy the pack to where you may write"
        ) from None
    with only_writer(folder):
        model = folder / f"{modality}.model"
        number = save_model(
            model, EncoderAlone(tower, "tower"), {"name": modality, "preprocessing": preprocessing}
        )
        file = folder / f"{number}.{part}.npy"
        if not file.is_file():
            made = embed(
                pack.folder,
                folder / f"{number}.{part}",
                model,
                asked=Asked(_KINDS[modality]),
                part=part,
                processes=os.cpu_count() or 1,
                precision="float32",
                progress=progress,
            )
            _joined(made, file)
        shutil.rmtree(folder / f"{number}.{part}", ignore_errors=True)
        shutil.rmtree(model)
    return file


def _joined(made: Embeddings, file: Path) -> None:
    """Write all vectors into one file, which is there whole or not at all."""
    part = file.with_suffix(".part")
    shape = (len(made), int(made.encoder["dim"]))
    rows = np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=shape)
    begin = 0
    for number in made.shards:
        vectors = made.shard(number)[2]
        rows[begin : begin + len(vectors)] = vectors
        begin += len(vectors)
    rows.flush()
    del rows
    part.replace(file)
