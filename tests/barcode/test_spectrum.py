"""The spectrum of spaced words, against counting by hand, and its matrix, against all of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from merian.barcode.spectrum import BarcodeSpectrum, SpectrumConfig  # noqa: E402
from merian.barcode.tokens import PAD, KmerTokens  # noqa: E402
from merian.errors import InputError  # noqa: E402

LETTERS = KmerTokens(1, None, 400)


def batch(texts: list[str]) -> torch.Tensor:
    rows = [LETTERS.encode(text) for text in texts]
    found = np.full((len(rows), max(map(len, rows))), PAD)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row
    return torch.from_numpy(found)


def drawn(count: int, length: int = 120, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list("ACGT"), length)) for _ in range(count)]


def by_hand(text: str, pattern: str) -> np.ndarray:
    """Roots of the counts of one pattern, of unit length."""
    words: Counter[int] = Counter()
    for start in range(len(text) - len(pattern) + 1):
        letters = [text[start + i] for i, x in enumerate(pattern) if x == "1"]
        if all(x in "ACGT" for x in letters):
            words[int("".join(str("ACGT".index(x)) for x in letters), 4)] += 1
    found = np.zeros(4 ** pattern.count("1"))
    for word, count in words.items():
        found[word] = count**0.5
    length = np.linalg.norm(found)
    return found / length if length else found


def test_the_spectrum_counts_spaced_words():
    texts = [*drawn(3), "ACGTNACGGTTACCA" * 4, "ACGTA", "ACG"]
    patterns = ("1101", "100001")
    network = BarcodeSpectrum(SpectrumConfig(width=4, patterns=" ".join(patterns)))
    found = network.spectrum(batch(texts)).numpy()
    for row, text in zip(found, texts, strict=True):
        wanted = np.concatenate([by_hand(text, pattern) for pattern in patterns])
        np.testing.assert_allclose(row, wanted, atol=1e-6)


def test_bases_that_do_not_count_change_nothing():
    network = BarcodeSpectrum(SpectrumConfig(width=4, patterns="110"))
    one, other = (batch(["ACTGGCTTA" * 5]), batch(["ACTGGCTTA" * 5]))
    other[0, 2] = KmerTokens(1).encode("G")[0]  # one of three words skips it
    ahead, behind = network.spectrum(one)[0].square(), network.spectrum(other)[0].square()
    assert int((ahead - behind).abs().gt(1e-6).sum()) <= 4


def test_the_matrix_keeps_the_widest_directions():
    texts = drawn(40, 60)
    network = BarcodeSpectrum(SpectrumConfig(width=6, patterns="111"))
    torch.manual_seed(0)
    rows = batch(texts)
    network.fit(lambda: rows.split(7))
    spectra = network.spectrum(rows).double().numpy()
    centred = spectra - spectra.mean(0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    projected = centred @ directions[:6].T / (values[:6] / len(texts) ** 0.5) ** 0.5
    projected /= np.sqrt((projected**2).mean())
    found = network.pooled(rows).detach().double().numpy()
    # A direction may point either way.
    np.testing.assert_allclose(np.abs(found), np.abs(projected), atol=2e-3)
    assert np.abs(found.mean(0)).max() < 1e-5


def test_fewer_barcodes_than_directions_leave_the_rest_at_nothing():
    rows = batch(drawn(3, 60))
    network = BarcodeSpectrum(SpectrumConfig(width=16, patterns="111"))
    network.fit(lambda: [rows])
    found = network.pooled(rows)
    assert torch.isfinite(found).all()
    assert int((found.abs().amax(0) > 1e-3).sum()) == 2  # three barcodes lie in a plane
    others = network.pooled(batch(drawn(20, 60, seed=1)))  # they differ in many other directions
    assert int((others != 0).any(0).sum()) == 2


def test_padding_on_either_side_is_no_letter():
    rows = batch(drawn(2, 60))
    network = BarcodeSpectrum(SpectrumConfig(width=4, patterns="1101 11"))
    wide = torch.nn.functional.pad(rows, (5, 9), value=3)  # an A, but for what is kept
    keep = torch.nn.functional.pad(torch.ones_like(rows, dtype=torch.bool), (5, 9))
    torch.testing.assert_close(network.pooled(wide, keep), network.pooled(rows))


def test_the_same_barcodes_give_the_same_matrix():
    rows, found = batch(drawn(30, 80)), []
    for _ in range(2):
        torch.manual_seed(3)
        network = BarcodeSpectrum(SpectrumConfig(width=5, patterns="1101"))
        network.fit(lambda: rows.split(8))
        found.append(network.out.weight.clone())
    assert torch.equal(*found)


@pytest.mark.parametrize("patterns", ["", "1102", "0110", "111111111", "110 x"])
def test_patterns_are_checked(patterns):
    with pytest.raises(InputError, match="a pattern of the encoder"):
        SpectrumConfig(patterns=patterns)


def test_it_reads_letters_and_needs_some():
    with pytest.raises(InputError, match=r"data\.k is 1"):
        SpectrumConfig(vocabulary=67)
    with pytest.raises(InputError, match="there are none"):
        BarcodeSpectrum(SpectrumConfig(width=2, patterns="11")).fit(list)
