"""Published checkpoints: the states of the published network, from each layout."""

from __future__ import annotations

import argparse
import hashlib
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from safetensors.torch import save_file  # noqa: E402

from merian.barcode.tokens import PAD, KmerTokens  # noqa: E402
from merian.cli import main  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.learn.building import build_task  # noqa: E402
from merian.learn.embeddings import open_embeddings  # noqa: E402
from merian.learn.packing import make_pack  # noqa: E402
from merian.learn.published import adopt  # noqa: E402
from merian.learn.published_words import find_words  # noqa: E402
from merian.learn.recipe import read_recipe  # noqa: E402
from merian.learn.saved import load_model, read_card  # noqa: E402

from . import foreign  # noqa: E402
from .packs import bases, records, table  # noqa: E402

BERT_WORDS = foreign.vocabulary(3, ["[MASK]", "[UNK]"])
ROWS = len(BERT_WORDS)


def barcodes(letters="ACGT"):
    """Barcodes of several lengths, some with letters that were not called."""
    found = [bases(i, length) for i, length in enumerate((600, 75, 121))]
    text = list(bases(9, 200))
    for place in (0, 44, 45, 130):
        text[place] = letters[-1]
    return [*found, "".join(text)]


def states_of(folder, texts):
    """What the adopted network makes of barcodes that go through it together, with padding."""
    encoder = load_model(folder, "cpu")
    tokens = KmerTokens(**encoder.card["preprocessing"])
    words = [tokens.encode(text) for text in texts]
    longest = max(len(each) for each in words)
    padded = [np.pad(each, (0, longest - len(each)), constant_values=PAD) for each in words]
    batch = torch.from_numpy(np.stack(padded))
    with torch.no_grad():
        found = encoder.network(batch, batch != PAD)
    return [states[: len(each)] for states, each in zip(found, words, strict=True)]


def check(folder, wanted, texts, tolerance=1e-5):
    for found, states in zip(states_of(folder, texts), map(wanted, texts), strict=True):
        assert found.shape == states.shape
        assert float((found - states).abs().max()) < tolerance


def check_bert(folder, state, words=BERT_WORDS, k=3, unknown="[UNK]", letters="ACGTN"):
    def wanted(text):
        return foreign.bert_states(state, foreign.rows_of(text, words, k, unknown))

    check(folder, wanted, barcodes(letters))


# -- BERT -----------------------------------------------------------------------------------------


def arguments(**more):
    return argparse.Namespace(k_mer=3, stride=3, max_len=660, n_heads=foreign.HEADS, **more)


CLASSIFIER = {"classifier.weight": torch.zeros(64, 24), "classifier.bias": torch.zeros(64)}
SAID = {"bert_config": foreign.config(ROWS), "config": arguments(arch="transformer")}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"model": s, **SAID, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
        lambda s: {"model": foreign.under(s, "module."), **SAID, "epoch": 3},
        lambda s: {"model_state_dict": foreign.under(s, "module._orig_mod."), **SAID},
        lambda s: {"state_dict": s, "config": vars(arguments())},
    ],
)
def test_barcodebert_has_the_states_of_its_paper(tmp_path, wrap):
    state = foreign.bert(ROWS)
    torch.save(wrap(foreign.under(state, "bert.") | CLASSIFIER), tmp_path / "c.pt")
    made = adopt(tmp_path / "c.pt", tmp_path / "m")
    assert (made.layout, made.encoder["kind"]) == ("barcodebert", "barcode-bert")
    assert "classifier.weight" in made.left_out
    check_bert(tmp_path / "m", state)


def test_the_norms_add_what_the_published_ones_add(tmp_path):
    # Where words hardly differ, 1e-5 for 1e-12 would halve the states.
    state = foreign.bert(ROWS, scale=1e-3)
    torch.save({"model": foreign.under(state, "bert."), **SAID}, tmp_path / "c.pt")
    adopt(tmp_path / "c.pt", tmp_path / "m")
    check_bert(tmp_path / "m", state)


def test_a_fine_tuned_one_and_one_without_settings(tmp_path):
    state = foreign.bert(ROWS)
    whole = foreign.under(state, "base_model.bert.") | CLASSIFIER
    torch.save(whole, tmp_path / "c.pt")  # the weights alone, as people pass them on
    with pytest.raises(InputError, match="--heads 4 for BarcodeBERT"):
        adopt(tmp_path / "c.pt", tmp_path / "m")
    made = adopt(tmp_path / "c.pt", tmp_path / "m", heads=foreign.HEADS)
    assert any("taken for granted" in note for note in made.notes)
    check_bert(tmp_path / "m", state)


def test_the_first_weights_of_the_workshop(tmp_path):
    words = foreign.vocabulary(2, ["<MASK>", "<CLS>", "<UNK>"])
    state = foreign.bert(len(words), positions=330)
    whole = foreign.under(state, "module.bert.") | {"module.cls.predictions.bias": torch.zeros(19)}
    whole["module.bert.embeddings.position_ids"] = torch.arange(330)[None]
    torch.save(whole, tmp_path / "model_2.pth", _use_new_zipfile_serialization=False)
    made = adopt(tmp_path / "model_2.pth", tmp_path / "m", heads=foreign.HEADS)
    assert made.layout == "barcodebert"
    check_bert(tmp_path / "m", state, words, 2, "<UNK>")


def test_a_folder_of_hugging_face(tmp_path):
    state = foreign.bert(ROWS)
    folder = tmp_path / "hub"
    folder.mkdir()
    half = {name: t.half() for name, t in foreign.under(state, "bert.").items()}
    save_file(half | CLASSIFIER, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(foreign.config(ROWS)))
    adopt(folder, tmp_path / "m")
    check_bert(tmp_path / "m", {name: t.half().float() for name, t in state.items()})


@pytest.mark.parametrize("whole", [False, True])
def test_barcodemae_with_and_without_its_decoder(tmp_path, whole):
    state = foreign.bert(ROWS)
    found = state
    if whole:
        decoder = foreign.under(foreign.bert(ROWS, seed=1), "decoder.bert.")
        found = foreign.under(state, "encoder.") | decoder | {
            "decoder_embedding.weight": decoder["decoder.bert.embeddings.word_embeddings.weight"],
            "projection_layer.weight": torch.zeros(24, 24),
        }  # fmt: skip
    said = {"bert_config": foreign.config(ROWS), "config": arguments(arch="maelm")}
    said["decoder_config"] = foreign.config(ROWS, num_attention_heads=2)
    torch.save({"model": found, **said}, tmp_path / "c.pt")
    made = adopt(tmp_path / "c.pt", tmp_path / "m")
    assert (made.layout, made.encoder["heads"]) == ("barcodemae", foreign.HEADS)
    assert ("decoder_embedding.weight" in made.left_out) == whole
    check_bert(tmp_path / "m", state)


@pytest.mark.parametrize("layout", ["barcodemae", "barcodebert"])
def test_a_word_before_each_barcode_is_read_with_it_and_is_its_vector(tmp_path, layout):
    words = foreign.vocabulary(3, ["[MASK]", "[UNK]", "[CLS]"])
    state = foreign.bert(len(words))
    mae = layout == "barcodemae"
    said = arguments(arch="maelm" if mae else "transformer", use_cls_token=True)
    content = {"model": state if mae else foreign.under(state, "bert."), "config": said}
    torch.save(content, tmp_path / "c.pt")
    made = adopt(tmp_path / "c.pt", tmp_path / "m")
    assert made.layout == layout

    def whole(text):
        rows = foreign.rows_of(text, words, 3, "[UNK]")
        return foreign.bert_states(state, torch.cat([torch.tensor([words["[CLS]"]]), rows]))

    check(tmp_path / "m", lambda text: whole(text)[1:], barcodes("ACGTN"))
    encoder = load_model(tmp_path / "m", "cpu", "float32")
    for text, vector in zip(barcodes(), encoder.encode(barcodes()), strict=True):
        wanted = whole(text)[0]
        assert vector == pytest.approx((wanted / wanted.norm()).numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("specials", "n_last", "unknown"), [(["[MASK]"], False, "NNN"), (["[MASK]", "[UNK]"], True, "")]
)
def test_vocabularies_with_words_of_n(tmp_path, specials, n_last, unknown):
    words = foreign.vocabulary(3, specials, "ACGTN", n_last)
    state = foreign.bert(len(words))
    torch.save({"model": foreign.under(state, "bert."), **SAID}, tmp_path / "c.pt")
    made = adopt(tmp_path / "c.pt", tmp_path / "m")
    assert any("words with an N" in note for note in made.notes)
    check_bert(tmp_path / "m", state, words, letters="ACGT")
    if unknown:  # a word of N alone has its own row in both
        text = bases(3, 60) + "NNN" + bases(4, 60)
        rows = foreign.rows_of(text, words, 3, "")
        check(tmp_path / "m", lambda _: foreign.bert_states(state, rows), [text])


# -- Mamba ----------------------------------------------------------------------------------------


def lightning(state, rows):
    """A checkpoint as Lightning writes it."""
    model = foreign.under(state, "model.backbone.") | {"model.head.weight": torch.zeros(rows, 24)}
    return {"epoch": 1, "pytorch-lightning_version": "2.3.3", "state_dict": model, "loops": {}}


MAMBA_WORDS = {
    "letters": (1, foreign.vocabulary(1, ["[MASK]", "[SEP]", "[UNK]"]) | {"N": 7}, "N", 8),
    "words": (3, foreign.vocabulary(3, ["[MASK]", "[SEP]", "[UNK]"]), "[UNK]", 72),
    "bare": (2, foreign.vocabulary(2, ["[MASK]", "[SEP]", "[UNK]"]), "[UNK]", 19),
    "with n": (2, foreign.vocabulary(2, ["[MASK]", "[SEP]"], "ACGTN"), "NN", 32),
}


@pytest.mark.parametrize("kind", list(MAMBA_WORDS))
def test_barcodemamba_has_the_states_of_its_paper(tmp_path, kind):
    k, words, unknown, rows = MAMBA_WORDS[kind]
    state = foreign.mamba(rows)
    torch.save(lightning(state, rows), tmp_path / "last.ckpt")
    made = adopt(tmp_path, tmp_path / "m")
    assert (made.layout, made.left_out) == ("barcodemamba", ("model.head.weight",))
    assert made.encoder["vocabulary"] == 4**k + 3  # rows that only fill up are gone

    def wanted(text):
        return foreign.mamba_states(state, foreign.rows_of(text, words, k, unknown))

    check(
        tmp_path / "m", wanted, [t[:90] for t in barcodes("ACGT" if kind == "with n" else "ACGN")]
    )


def test_their_padding_on_the_left_is_not_needed(tmp_path):
    k, words, unknown, rows = MAMBA_WORDS["words"]
    state = foreign.mamba(rows)
    torch.save(lightning(state, rows), tmp_path / "c.ckpt")
    adopt(tmp_path / "c.ckpt", tmp_path / "m")
    text = bases(5, 90)
    alone = foreign.mamba_states(state, foreign.rows_of(text, words, k, unknown))
    encoder = load_model(tmp_path / "m", "cpu")
    tokens = torch.from_numpy(KmerTokens(3).encode(text))[None]
    padding = torch.full((1, 12), PAD)
    for parts in ([padding, tokens], [tokens, padding]):
        batch = torch.cat(parts, 1)
        with torch.no_grad():
            found = encoder.network(batch, batch != PAD)[batch != PAD]
            pooled = encoder.network.pooled(batch, batch != PAD)[0]
        assert float((found - alone).abs().max()) < 1e-5
        assert float((pooled - alone.mean(0)).abs().max()) < 1e-5
    # There it is read, and changes every state behind it.
    theirs = foreign.mamba_states(state, foreign.rows_of("N" * 36 + text, words, k, unknown))[12:]
    assert float((theirs - alone).abs().max()) > 1e-2


# -- vocabularies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3])
def test_rows_are_those_of_the_words(k):
    ours = [*("".join(word) for word in foreign.product("ACGT", repeat=k))]
    published = [
        ("barcodebert", ["[MASK]", "[UNK]"], "ACGT", False, "[UNK]"),
        ("barcodemae", ["[MASK]", "[UNK]"], "ACGT", False, "[UNK]"),
        ("barcodebert", ["[MASK]", "[CLS]", "[UNK]"], "ACGT", False, "[UNK]"),
        ("barcodemae", ["[MASK]", "[UNK]", "[CLS]"], "ACGT", False, "[UNK]"),
        ("barcodemamba", ["[MASK]", "[SEP]", "[UNK]"], "ACGT", False, "[UNK]"),
    ]
    if k > 1:  # five words of one letter are too few to be told from four
        published += [
            ("barcodebert", ["[MASK]"], "ACGTN", False, "N" * k),
            ("barcodemae", ["[MASK]", "[UNK]"], "ACGTN", True, "[UNK]"),
            ("barcodemamba", ["[MASK]", "[SEP]"], "ACGTN", False, "N" * k),
        ]
    for layout, specials, letters, n_last, unknown in published:
        theirs = foreign.vocabulary(k, specials, letters, n_last)
        found = find_words(layout, len(theirs))
        assert found.k == k
        assert found.cls == (
            theirs["[CLS]"] if layout == "barcodemae" and "[CLS]" in theirs else None
        )
        wanted = [theirs["[MASK]"], theirs[unknown], *(theirs[word] for word in ours)]
        assert found.rows.tolist() == wanted


# -- what is made of it ---------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path):
    state = foreign.bert(ROWS)
    file = tmp_path / "c.pt"
    torch.save({"model": foreign.under(state, "bert.") | CLASSIFIER, **SAID}, file)
    return file


def test_the_card_says_where_it_comes_from_and_the_bytes_are_the_same(checkpoint, tmp_path):
    said = {"name": "BarcodeBERT 3-2-3", "licence": "MIT", "source": "doi:10.1/x"}
    for folder in ("m", "n", "m"):
        adopt(checkpoint, tmp_path / folder, **said)
    for name in ("card.json", "weights.safetensors"):
        assert (tmp_path / "m" / name).read_bytes() == (tmp_path / "n" / name).read_bytes()
    card = read_card(tmp_path / "m")
    origin = card["origin"]
    assert (card["name"], card["licence"], origin["source"]) == tuple(said.values())
    assert origin["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (origin["layout"], origin["file"]) == ("barcodebert", "c.pt")
    assert origin["left_out"][-2:] == ["classifier.weight", "classifier.bias"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        adopt(checkpoint, other)
    assert (other / "notes.txt").read_text() == "mine"


def test_it_embeds_and_training_goes_on_from_it(checkpoint, tmp_path, capsys):
    assert main(["adopt", str(checkpoint), "--out", str(tmp_path / "m"), "--licence", "MIT"]) == 0
    printed = capsys.readouterr().out
    assert "barcodebert as barcode-bert, 2 layers of width 24" in printed
    assert "left out, as no encoder needs it: bert.pooler.dense, classifier" in printed
    make_pack([table(tmp_path / "t.csv", records(30))], tmp_path / "pack")
    embed = [
        "embed",
        str(tmp_path / "pack"),
        "--encoder",
        str(tmp_path / "m"),
        "-q",
        "--device",
        "cpu",
    ]
    assert main([*embed, "--out", str(tmp_path / "v")]) == 0
    with pytest.raises(InputError, match=r"make a model of it: merian adopt .*c\.pt --out MODEL"):
        load_model(checkpoint)
    made = open_embeddings(tmp_path / "v")
    state = torch.load(checkpoint, weights_only=False)["model"]
    state = {k.removeprefix("bert."): v for k, v in state.items()}
    at = made.records().index("r0004")
    rows = foreign.rows_of(bases(4), BERT_WORDS, 3, "[UNK]")
    wanted = foreign.bert_states(state, rows).mean(0)
    # Processors that have bfloat16 reckon in it.
    assert float(made.vectors()[at] @ (wanted / wanted.norm()).numpy()) > 0.999
    changes = [f"encoder.from={tmp_path / 'm'}", "data.k=3", "encoder.width=24", "encoder.heads=3"]
    recipe = read_recipe("barcode-masked", changes)
    task = build_task(recipe, tmp_path / "pack")
    begun = task.objective.encoder.state_dict()
    for name, tensor in load_model(tmp_path / "m", "cpu").network.state_dict().items():
        assert torch.equal(begun[name], tensor)
    assert task.card["starts_from"]["name"] == "barcodebert"
