"""An encoder that is fitted to sequences as they are: no names, no steps, seconds.

What comes of it is a model like any other (see `saved`). The same sequences in the same order give
the same one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from merian.barcode.spectrum import BarcodeSpectrum, SpectrumConfig
from merian.barcode.tokens import PAD, KmerTokens
from merian.barcode.vocabulary import preprocessing_of
from merian.learn.encoding import EncoderAlone
from merian.learn.saved import save_model
from merian.threads import one_thread

__all__ = ["FITTED", "fit_spectrum"]

FITTED = "barcode-spectrum"
_BASES = 1500  # that are read of a barcode, as the recipe of that name reads them
_AT_A_TIME = 256
_WIDTH, _SEED = 512, 0


def fit_spectrum(
    folder: Path | str,
    sequences: Sequence[str],
    data: Mapping[str, Any] | None = None,
    width: int = _WIDTH,
) -> str:
    """Fit a spectrum to barcodes, write it as a model, and return its id.

    Args:
        folder: Where to.
        sequences: Clean ones; all are read five times.
        data: What to say of them.
        width: Numbers of a vector at most; there are no more directions than barcodes.
    """
    words = KmerTokens(1, None, _BASES)

    def batches() -> Iterator[Tensor]:
        for first in range(0, len(sequences), _AT_A_TIME):
            rows = [words.encode(text) for text in sequences[first : first + _AT_A_TIME]]
            tokens = np.full((len(rows), max(map(len, rows))), PAD, np.int64)
            for number, row in enumerate(rows):
                tokens[number, : len(row)] = row
            yield torch.from_numpy(tokens)

    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        spectrum = BarcodeSpectrum(SpectrumConfig(width=min(width, max(len(sequences), 1))))
        spectrum.fit(batches)
    card = {
        "name": FITTED,
        "preprocessing": preprocessing_of(words),
        "data": {"fitted_to": len(sequences), **(data or {})},
    }
    return save_model(folder, EncoderAlone(spectrum, "fitted"), card, half=True)
