"""A sentence encoder that somebody else trained; here a tiny one, in a folder."""

import importlib.util

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from merian.errors import MissingExtraError, NotFoundError  # noqa: E402
from merian.learn.adapted import Adapted, AdaptedConfig  # noqa: E402
from merian.learn.encoders import build_encoder, modality_of  # noqa: E402
from merian.learn.encoding import described, features  # noqa: E402
from merian.text.hub import HubText  # noqa: E402

here = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="the extra hub is not installed"
)
WORDS = "[PAD] [UNK] [CLS] [SEP] insecta diptera sciaridae apidae apis mellifera a photo of".split()
LINEAGES = ["Insecta Diptera Sciaridae", "Apis", "a photo of Apis mellifera " * 4]


@pytest.fixture
def folder(tmp_path):
    """A BERT of 8 numbers and the words of its tokenizer, as transformers writes them."""
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    told = {word: number for number, word in enumerate(WORDS)}
    inner = Tokenizer(models.WordPiece(told, unk_token="[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]",
               "sep_token": "[SEP]"}  # fmt: skip
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(tmp_path / "tiny")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **special)
    tokenizer.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


@here
def test_a_vector_is_the_mean_over_the_words(folder):
    import transformers

    eye = HubText(folder)
    assert (eye.name, eye.modality, eye.dim) == ("tiny", "text", 8)
    found = eye.encode(LINEAGES)
    network = transformers.BertModel.from_pretrained(folder).eval()
    with torch.no_grad():
        tokens = torch.tensor([[2, 4, 5, 6, 3]])
        states = network(input_ids=tokens).last_hidden_state[0].mean(0).numpy()
    np.testing.assert_allclose(found[0], states / np.linalg.norm(states), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


@here
def test_a_vector_does_not_hang_on_what_stands_beside_it(folder):
    eye = HubText(folder)
    together = eye.encode([*LINEAGES, *LINEAGES[::-1], *["Apis mellifera"] * 9])
    for number, text in enumerate(LINEAGES):
        assert eye.encode([text]).tobytes() == together[number].tobytes()
    assert together[1].tobytes() == together[4].tobytes()


@here
def test_what_is_missing_is_set_aside(folder):
    rejects = []
    found = HubText(folder).encode([None, "Apis", " "], rejects)
    assert np.isnan(found).all(1).tolist() == [True, False, True]
    assert sorted(rejects) == [(0, "it is missing"), (2, "it is empty")]


@here
def test_its_id_tells_weights_and_words_apart(folder):
    eye = HubText(folder)
    eye.encode(LINEAGES)  # using it does not change it
    assert HubText(folder).id == eye.id == eye.space
    assert HubText(folder, length=5).id != eye.id
    from transformers import BertModel

    network = BertModel.from_pretrained(folder)
    network.embeddings.LayerNorm.bias.data += 1
    network.save_pretrained(folder)
    assert HubText(folder).id != eye.id


@here
def test_long_texts_are_cut(folder):
    eye = HubText(folder, length=1000)
    assert eye.length == 64  # the network has no more places
    assert np.isfinite(eye.encode(["apis " * 500])).all()


@here
def test_it_is_a_tower_that_stays_as_it_is(folder):
    eye = HubText(folder)
    adapted = Adapted(eye.network, AdaptedConfig()).train()
    batch = {"tokens": torch.tensor([[2, 4, 5, 3]]), "keep": torch.ones(1, 4).bool()}
    kept = torch.from_numpy(eye.encode(["Insecta Diptera"]))
    torch.testing.assert_close(features(adapted, batch), adapted.mapped(kept))
    assert not any(p.requires_grad for p in adapted.tower.parameters())
    card = described(adapted)
    assert card["tower"] == {"kind": "text-hub", "source": str(folder), "revision": ""}
    assert modality_of(card) == "text"
    torch.testing.assert_close(features(build_encoder(card), batch), features(adapted, batch))


@here
def test_what_is_not_there_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match=r"no model of transformers.*expected a folder with"):
        HubText(tmp_path / "empty")


def test_without_the_extra_it_is_named(monkeypatch, tmp_path):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "transformers" else find(name)
    )
    with pytest.raises(MissingExtraError, match=r"merian\[hub\]"):
        HubText(tmp_path)
