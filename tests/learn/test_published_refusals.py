"""What is no checkpoint, or not all of one, is refused in a line, and nothing is run or written."""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import sys
import types
from collections import defaultdict

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an extra")

from safetensors.torch import save_file  # noqa: E402

from merian.cli import main  # noqa: E402
from merian.errors import FormatError, InputError, NotFoundError  # noqa: E402
from merian.learn.published import adopt  # noqa: E402
from merian.learn.published_files import open_checkpoint  # noqa: E402
from merian.learn.saved import read_card  # noqa: E402

from . import foreign  # noqa: E402

ROWS = 4**3 + 2
SAID = {"bert_config": foreign.config(ROWS)}


def bert(**changes):
    """The state of BarcodeBERT, with some tensors changed; those that are None are gone."""
    state = foreign.under(foreign.bert(ROWS), "bert.") | changes
    return {name: tensor for name, tensor in state.items() if tensor is not None}


class Calls:
    """Pickles as a call of a function, which happens when the pickle is opened."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call

    def __call__(self, *_):
        raise AssertionError("it is for pickles alone")


HOSTILE = {
    "a command": (lambda file: Calls(os.system, f"touch {file}"), "system"),
    "a file": (lambda file: Calls(open, str(file), "w"), "open"),
    "a word of Python": (lambda file: Calls(eval, f"open({str(file)!r}, 'w')"), "eval"),
    "a move": (lambda file: Calls(shutil.copy, __file__, str(file)), "shutil.copy"),
    "a pickle in it": (lambda file: Calls(torch.load, str(file)), "torch.serialization.load"),
}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", list(HOSTILE))
def test_a_hostile_pickle_is_refused_and_nothing_of_it_is_run(tmp_path, capsys, kind, packed):
    make, name = HOSTILE[kind]
    victim, file = tmp_path / "written", tmp_path / "c.pt"
    content = {"first": make(victim), "model": bert(), **SAID}
    torch.save(content, file, _use_new_zipfile_serialization=packed)
    assert main(["adopt", str(file), "--out", str(tmp_path / "m")]) == 2
    printed = capsys.readouterr()
    assert name in printed.err
    assert "so it could do anything" in printed.err
    assert "torch.save(model.state_dict(), 'weights.pt')" in printed.err
    assert printed.err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.pt"]
    # It is hostile: opened as pickles are, it does what it says.
    if kind == "a command":
        torch.load(file, weights_only=False)
        assert victim.exists()


def test_what_published_files_hold_beside_their_weights_is_read_and_is_dead(tmp_path, monkeypatch):
    made = []

    class Loud:
        """As the classes of OmegaConf are pickled; it tells when it is made."""

        def __init__(self, *given):
            made.append(given)
            self.__dict__.update(_content={"d_model": 24}, _flags=defaultdict(dict))

        def __setstate__(self, state):
            made.append(state)

    class Schedule:
        """As an older schedule pickles a function: by the name that a class has for it."""

        def __reduce__(self):
            return getattr, (torch.optim.lr_scheduler.OneCycleLR, "_annealing_cos")

    module = types.ModuleType("omegaconf.dictconfig")
    module.DictConfig, Loud.__module__, Loud.__qualname__ = Loud, module.__name__, "DictConfig"
    monkeypatch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    content = {
        "hyper_parameters": Loud(),
        "config": argparse.Namespace(n_heads=3, where=pathlib.Path("x")),
        "best": np.float64(0.5),
        "schedule": Schedule(),
        "model": bert(),
    }
    torch.save(content, tmp_path / "c.pt")
    made.clear()
    allowed = torch.serialization.get_safe_globals()
    opened = open_checkpoint(tmp_path / "c.pt")
    assert made == []
    assert opened.told == {"n_heads": 3}
    assert set(torch.serialization.get_safe_globals()) == set(allowed)
    assert adopt(tmp_path / "c.pt", tmp_path / "m").encoder["heads"] == 3


def test_a_whole_model_is_refused_with_what_its_owner_can_do(tmp_path, monkeypatch):
    class Network(torch.nn.Linear):
        pass

    module = types.ModuleType("mycoai.modules")
    module.BERT, Network.__module__, Network.__qualname__ = Network, module.__name__, "BERT"
    Network.__name__ = "BERT"
    monkeypatch.setitem(sys.modules, "mycoai", types.ModuleType("mycoai"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    torch.save(Network(2, 2), tmp_path / "its.pt")
    with pytest.raises(FormatError, match=r"whole model.*mycoai.modules.BERT.*state_dict\(\)"):
        adopt(tmp_path / "its.pt", tmp_path / "m")


def test_a_stand_in_is_no_way_to_a_function(tmp_path):
    # A stand-in takes the place of getattr, and of what getattr would have found.
    found = Calls(getattr, argparse.Namespace, "__subclasses__")
    torch.save({"x": found, "a": torch.ones(1)}, tmp_path / "c.pt")
    assert list(open_checkpoint(tmp_path / "c.pt").state) == ["a"]
    torch.save({"x": Calls(found), "a": torch.ones(1)}, tmp_path / "c.pt")
    with pytest.raises(FormatError, match="no weights can be read"):
        open_checkpoint(tmp_path / "c.pt")


# -- damage ---------------------------------------------------------------------------------------


def written(tmp_path, content):
    torch.save(content, tmp_path / "c.pt")
    return tmp_path / "c.pt"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: f.write_text("hello"), "no weights can be read"),
        (lambda f: f.write_bytes(b""), "no weights can be read"),
        (lambda f: f.write_bytes(b"\x80\x02garbage"), "no weights can be read"),
        (lambda f: f.write_bytes(b"\x80\x02}"), "no weights can be read"),
        (lambda f: torch.save([1, 2], f), "holds a list; expected tensors by name"),
        (lambda f: torch.save({"epoch": 3}, f), "holds epoch; expected tensors by name"),
        (lambda f: torch.save({}, f), "holds nothing; expected tensors by name"),
        (lambda f: torch.save({"a.b": torch.ones(2)}, f), "none of the layouts.* 1 tensor: a.b"),
        (lambda f: save_file({"a.b": torch.ones(2)}, f), "none of the layouts"),
        (lambda f: torch.save({"a": torch.ones(2), "module.a": torch.ones(2)}, f), "have one name"),
    ],
)
def test_what_is_no_checkpoint_is_told_so(tmp_path, make, message):
    make(tmp_path / "c.pt")
    with pytest.raises(FormatError, match=message):
        adopt(tmp_path / "c.pt", tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("size", [0.2, 0.9])
@pytest.mark.parametrize("kind", ["packed", "old", "safetensors"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, kind, size):
    file = tmp_path / "c.pt"
    if kind == "safetensors":
        save_file(bert(), file)
    else:
        torch.save({"model": bert(), **SAID}, file, _use_new_zipfile_serialization=kind == "packed")
    content = file.read_bytes()
    file.write_bytes(content[: int(size * len(content))])
    with pytest.raises(FormatError) as caught:
        adopt(file, tmp_path / "m", heads=3)
    assert str(file) in str(caught.value)
    assert not (tmp_path / "m").exists()


def test_folders_without_weights_are_told_what_is_looked_for(tmp_path):
    with pytest.raises(NotFoundError, match=r"model\.safetensors, pytorch_model\.bin"):
        adopt(tmp_path, tmp_path / "m")
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(NotFoundError, match="split over several files"):
        adopt(tmp_path, tmp_path / "m")
    with pytest.raises(NotFoundError, match="no such"):
        adopt(tmp_path / "nowhere.pt", tmp_path / "m")


# -- half of a network ----------------------------------------------------------------------------

QUERY = "bert.encoder.layer.1.attention.self.query"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({f"{QUERY}.weight": None}, f"lacks {QUERY}.weight of its 2 blocks"),
        ({f"{QUERY}.bias": None, "bert.embeddings.LayerNorm.bias": None}, "lacks bert.embeddings"),
        ({"bert.encoder.layer.4.output.dense.bias": torch.zeros(24)}, "of its 5 blocks"),
        ({f"{QUERY}.lora_A": torch.zeros(2)}, f"has {QUERY}.lora_A beside what the layout knows"),
        ({"register_tokens": torch.zeros(1, 4, 24)}, "has register_tokens beside"),
        ({f"{QUERY}.weight": torch.zeros(24, 23)}, r"is \[24, 23\]; expected \[24, 24\]"),
        ({f"{QUERY}.bias": torch.full((24,), float("nan"))}, "not finite"),
        ({f"{QUERY}.bias": torch.zeros(24, dtype=torch.int8)}, f"{QUERY}.bias is of int8"),
        ({"bert.encoder.layer.123456789.output.dense.bias": torch.zeros(24)}, "has bert.encoder"),
        ({"bert.embeddings.word_embeddings.weight": torch.zeros(100, 24)}, "100 rows"),
        ({"bert.embeddings.word_embeddings.weight": torch.zeros(66)}, "2 dimensions expected"),
        ({"bert.embeddings.token_type_embeddings.weight": torch.zeros(2, 3)}, "token_type"),
        ({"bert.embeddings.token_type_embeddings.weight": torch.zeros(0, 24)}, "token_type"),
        ({f"{QUERY}.weight": torch.zeros(24, 24).to_sparse()}, "weight is of sparse_coo"),
        ({"bert.embeddings.position_embeddings.weight": torch.zeros(50, 24)}, "has 50 positions"),
    ],
)
def test_nothing_is_loaded_by_half(tmp_path, changes, message):
    file = written(tmp_path, {"model": bert(**changes), **SAID})
    with pytest.raises(InputError, match=message) as caught:
        adopt(file, tmp_path / "m")
    assert str(file) in str(caught.value)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("said", "options", "message"),
    [
        ({"hidden_act": "relu"}, {}, "hidden_act is 'relu'; only 'gelu'"),
        ({"position_embedding_type": "relative_key"}, {}, "only 'absolute'"),
        ({"tokenizer": "bpe"}, {}, "words of bpe"),
        ({"layer_norm_eps": "small"}, {}, "layer_norm_eps is 'small'; a number"),
        ({"layer_norm_eps": float("inf")}, {}, "epsilon of the encoder is inf"),
        ({"use_cls_token": True}, {}, r"a word \[CLS\] stood before each barcode"),
        ({"stride": 0}, {}, "a stride of 0"),
        ({}, {"stride": 0}, "a stride of 0"),
        ({}, {"bases": 0}, "0 bases hold no word"),
        ({"k_mer": 4}, {}, "says words of 4 bases, and its vocabulary has those of 3"),
        ({"num_attention_heads": 5}, {}, "24 cannot be shared by 5 heads"),
        ({}, {"heads": 2}, "says num_attention_heads = 3, and --heads 2"),
        ({"stride": 3}, {"stride": 1}, "says stride = 3, and --stride 1"),
        ({}, {"stride": 1}, "660 bases have 658 words"),
        ({}, {"bases": 2}, "2 bases hold no word of 3"),
        ({}, {"layout": "barcodebart"}, "Did you mean barcodebert"),
        ({}, {"layout": "barcodemamba"}, r"mixer.in_proj.weight is not there; it has that of"),
    ],
)
def test_what_does_not_go_together_is_said(tmp_path, said, options, message):
    file = written(tmp_path, {"model": bert(), "bert_config": foreign.config(ROWS, **said)})
    with pytest.raises(InputError, match=message):
        adopt(file, tmp_path / "m", **options)
    assert not (tmp_path / "m").exists()


def test_a_config_of_another_network_beside_the_file_is_not_believed(tmp_path):
    file = written(tmp_path, {"model": bert(), **SAID})
    (tmp_path / "config.json").write_text('{"num_attention_heads": 4, "vocab_size": 9}')
    with pytest.raises(FormatError, match=r"num_attention_heads = 3, and .*config\.json 4"):
        adopt(file, tmp_path / "m")
    (tmp_path / "config.json").write_text('{"num_attention_heads": 3}')
    assert adopt(file, tmp_path / "m").encoder["heads"] == 3


def test_settings_of_the_file_or_of_the_caller_decide_what_is_read(tmp_path):
    file = written(tmp_path, {"model": bert(), "config": {"max_len": 300, "n_heads": 3}})
    adopt(file, tmp_path / "m", stride=2)
    assert read_card(tmp_path / "m")["preprocessing"] == {"k": 3, "stride": 2, "bases": 300}


def test_a_step_that_is_a_tensor_is_not_taken_for_the_weights(tmp_path):
    file = written(tmp_path, {"epoch": torch.tensor(3), "model": bert(), **SAID})
    assert adopt(file, tmp_path / "m").layout == "barcodebert"


def test_a_mamba_takes_no_heads_and_its_steps_are_a_row(tmp_path):
    state = foreign.under(foreign.mamba(8), "model.backbone.")
    with pytest.raises(InputError, match="has no attention; leave --heads out"):
        adopt(written(tmp_path, {"state_dict": state}), tmp_path / "m", heads=3)
    state["model.backbone.layers.0.mixer.dt_bias"] = torch.tensor(1.0)
    with pytest.raises(FormatError, match=r"dt_bias is \[\]; 1 dimensions expected"):
        adopt(written(tmp_path, {"state_dict": state}), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_the_first_mamba_and_words_of_another_kind_are_refused(tmp_path):
    state = foreign.under(foreign.mamba(72), "model.backbone.")
    more = {"model.backbone.layers.0.mixer.dt_proj.weight": torch.zeros(2)}
    with pytest.raises(FormatError, match="blocks of the first Mamba"):
        adopt(written(tmp_path, {"state_dict": state | more}), tmp_path / "m")
    words = {"model.backbone.embeddings.word_embeddings.weight": torch.zeros(768, 24)}
    with pytest.raises(FormatError, match=r"768 rows.*BPE"):
        adopt(written(tmp_path, {"state_dict": state | words}), tmp_path / "m")
    ends = {"model.backbone.layers.0.mixer.dt_bias": torch.zeros(7)}
    with pytest.raises(FormatError, match="7 heads"):
        adopt(written(tmp_path, {"state_dict": state | ends}), tmp_path / "m")
