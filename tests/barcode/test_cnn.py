"""The convolutional baseline."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from merian.barcode.cnn import BarcodeCnn, CnnConfig  # noqa: E402
from merian.barcode.tokens import KmerTokens  # noqa: E402
from merian.errors import InputError  # noqa: E402


def letters(*sequences):
    read = KmerTokens(1, bases=60)
    found = [torch.from_numpy(read.encode(sequence)) for sequence in sequences]
    return torch.nn.utils.rnn.pad_sequence(found, batch_first=True)


def small():
    torch.manual_seed(0)
    return BarcodeCnn(CnnConfig(positions=60, width=9)).eval()


def test_it_has_the_published_size():
    model = BarcodeCnn(CnnConfig())
    assert model.out.weight.shape == (500, 1920)
    assert model.pooled(torch.randint(2, 7, (2, 660))).shape == (2, 500)


def test_letters_are_one_of_five_and_padding_is_none():
    seen = []
    model = small()
    model.layers.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model.pooled(letters("ACGTN", "AC"))
    rows = seen[0][:, 0]
    assert rows.shape == (2, 60, 5)
    assert rows[0, :5].argmax(1).tolist() == [0, 1, 2, 3, 4]
    assert rows[1].sum().item() == 2
    assert rows[0].sum().item() == 5


def test_padding_and_what_lies_beyond_change_nothing():
    model = small()
    tokens = letters("ACGT" * 15)
    longer = torch.nn.functional.pad(tokens, (0, 7), value=4)
    short = letters("ACGT" * 10)
    with torch.no_grad():
        assert torch.equal(model.pooled(tokens), model.pooled(longer))
        padded = torch.nn.functional.pad(short, (0, 5))
        assert torch.equal(model.pooled(short), model.pooled(padded, padded != 0))
        assert not torch.allclose(model.pooled(tokens), model.pooled(letters("ACGA" * 15)))


def test_words_of_several_bases_are_refused():
    with pytest.raises(InputError, match=r"data\.k is 1"):
        CnnConfig(vocabulary=4099)
    with pytest.raises(InputError, match="27 bases"):
        CnnConfig(positions=20)
