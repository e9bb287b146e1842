"""What the encoder that ships learns from: which sources, which sequences, which names."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from merian.bench import shipped_encoder
from merian.bench.encoder_corpus import RANKS, Source, write_corpus
from merian.bench.shipped_encoder import run
from merian.errors import InputError, MerianError

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

_TABLE = Source("dna/a", "a.tsv", id="id", sequence="text", names={"genus": "g", "species": "s"},
                fixed={"phylum": "Arthropoda"}, where={"gene": "COI-5P"})  # fmt: skip
_UNITE = Source("dna/b", "b.fasta", header="unite")
_BESIDE = Source("dna/c", "c.fasta", names={rank: rank for rank in RANKS}, beside=("n.tsv", "id"))


def _text(seed: int, size: int = 200) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=size))


def _folder(place: Path, licence: str, files: dict[str, str]) -> None:
    place.mkdir(parents=True)
    said = f"Repository: https://example.org/x\nLicence: {licence}\n"
    (place / "SOURCE.txt").write_text(said, encoding="utf-8")
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")


def _records(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {text: head[1:] for head, text in zip(lines[::2], lines[1::2], strict=True)}


def test_names_are_kept_where_the_records_of_a_sequence_agree(tmp_path):
    rows = [
        f"1\t{_text(1)}\tAus\tAus bus\tCOI-5P",
        f"2\t--{_text(1).lower()}NN\tAus\tAus cus\tCOI-5P",  # the same, by another species
        f"3\t{_text(2)}\t\tDus eus\tCOI-5P",  # its genus follows
        f"4\t{_text(3)}\tAus\tAus sp. 3\tCOI-5P",
        f"5\t{_text(4)}\tAus\tAus bus\tITS",  # another gene
        f"6\t{_text(5, 80)}\tAus\tAus bus\tCOI-5P",  # short
        f"7\t{'R' * 10 + _text(6)}\tAus\tAus bus\tCOI-5P",
    ]
    _folder(tmp_path / "dna/a", "MIT", {"a.tsv": "id\ttext\tg\ts\tgene\n" + "\n".join(rows) + "\n"})
    [told] = write_corpus(tmp_path, tmp_path / "x.fasta", [_TABLE])
    assert _records(tmp_path / "x.fasta") == {
        _text(1): "a.1;tax=p:Arthropoda,g:Aus;",
        _text(2): "a.3;tax=p:Arthropoda,g:Dus,s:Dus_eus;",
        _text(3): "a.4;tax=p:Arthropoda,g:Aus;",
    }
    assert (told["records"], told["sequences"]) == (6, 3)
    assert told["set_aside"] == {
        "is shorter than 100 bases": 1, "has more than 2% ambiguous letters": 1,
    }  # fmt: skip


def test_headers_and_tables_beside_give_names(tmp_path):
    head = ">A|k__Fungi;p__Ascomycota;c__unidentified;g__Aus;s__Aus_bus|SH1"
    _folder(tmp_path / "dna/b", "MIT", {"b.fasta": f"{head}\n{_text(1)}\n"})
    names = "id\tkingdom\tphylum\tclass\torder\tfamily\tgenus\tspecies\nx\tFungi\tBus\t\t\t\tCus\n"
    _folder(tmp_path / "dna/c", "MIT", {"c.fasta": f">x\n{_text(2)}\n", "n.tsv": names})
    write_corpus(tmp_path, tmp_path / "x.fasta", [_UNITE, _BESIDE])
    assert _records(tmp_path / "x.fasta") == {
        _text(1): "b.A;tax=p:Ascomycota,g:Aus,s:Aus_bus;",
        _text(2): "c.x;tax=p:Bus,g:Cus;",
    }


@pytest.mark.parametrize("licence", ["GPL-3 (repository)", "GNU General Public License", "AGPL-3"])
def test_nothing_under_the_gpl_is_read(tmp_path, licence):
    _folder(tmp_path / "dna/b", licence, {"b.fasta": f">A|\n{_text(1)}\n"})
    _folder(tmp_path / "dna/c", "MIT", {"c.fasta": f">x\n{_text(2)}\n", "n.tsv": "id\nx\n"})
    told = write_corpus(tmp_path, tmp_path / "x.fasta", [_UNITE, _BESIDE])
    assert [source["used"] for source in told] == [False, True]
    assert [*_records(tmp_path / "x.fasta")] == [_text(2)]
    with pytest.raises(InputError, match="holds no sequence"):
        write_corpus(tmp_path, tmp_path / "y.fasta", [_UNITE])
    assert not (tmp_path / "y.fasta").exists()


def test_a_source_must_say_where_it_is_from_and_a_table_have_its_columns(tmp_path):
    _folder(tmp_path / "dna/a", "MIT", {"a.tsv": "id\ttext\tg\ts\n"})
    with pytest.raises(InputError, match=r"a\.tsv, line 1: has no column 'gene'"):
        write_corpus(tmp_path, tmp_path / "x.fasta", [_TABLE])
    (tmp_path / "dna/a/SOURCE.txt").write_text("What: barcodes\n", encoding="utf-8")
    with pytest.raises(InputError, match="a line 'Licence:' are needed"):
        write_corpus(tmp_path, tmp_path / "x.fasta", [_TABLE])
    with pytest.raises(MerianError, match="folder of data"):
        write_corpus(tmp_path, tmp_path / "x.fasta", [_UNITE])


def test_the_encoder_is_trained_in_turn_and_ships(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from merian.learn.recipe import read_recipe
    from merian.learn.saved import load_model

    heads = [f">{n}|k__Fungi;p__P;g__Aus;s__Aus_b{'ab'[n % 2]}" for n in range(24)]
    text = "".join(f"{head}\n{_text(n)}\n" for n, head in enumerate(heads))
    _folder(tmp_path / "data/dna/b", "MIT", {"b.fasta": text})
    monkeypatch.setattr(
        shipped_encoder, "write_corpus", lambda data, out: write_corpus(data, out, [_UNITE])
    )
    small = ["encoder.width=16", "training.batch=8", "data.k=3", "data.valid=0.3"]
    for name in ("barcode-masked", "barcode-ranks"):
        steps = [*small, "training.steps=2", "training.validate=2"]
        recipe = read_recipe(name, steps).text()
        (tmp_path / f"{name}.toml").write_text(recipe, encoding="utf-8")
    asked = {
        "data": tmp_path / "data", "out": tmp_path / "made", "package": tmp_path / "shipped",
        "recipes": f"{tmp_path}/barcode-masked.toml,{tmp_path}/barcode-ranks.toml",
    }  # fmt: skip
    figures = run(**asked)
    assert figures["sequences"]["value"] == 24
    assert 0 < figures["size"]["value"] < 1
    card = json.loads((tmp_path / "shipped/card.json").read_text(encoding="utf-8"))
    assert card["training"]["objective"] == "ranks"
    assert [source["licence"] for source in card["sources"]] == ["MIT"]
    assert any(name.startswith("held out: ") for name in figures)
    first = json.loads((tmp_path / "made/run-1/run.json").read_text(encoding="utf-8"))
    last = json.loads((tmp_path / "made/run-2/run.json").read_text(encoding="utf-8"))
    assert "from" not in first["recipe"]["encoder"] or not first["recipe"]["encoder"]["from"]
    assert last["recipe"]["encoder"]["from"] == str(tmp_path / "made/run-1")
    before = load_model(tmp_path / "shipped").encode([_text(1)])
    assert run(**asked) == figures  # all of it is there
    del asked["package"]
    done = tmp_path / "made/run-2"
    assert run(**asked, trained=done) == {k: v for k, v in figures.items() if k != "size"}
    with pytest.raises(InputError, match="is no run that is done"):
        run(**asked, trained=tmp_path / "data")
    other = "".join(f"{head}\n{_text(n + 50)}\n" for n, head in enumerate(heads))
    _folder(tmp_path / "other/dna/b", "MIT", {"b.fasta": other})
    with pytest.raises(InputError, match="learned from the pack"):
        run(**asked | {"data": tmp_path / "other", "out": tmp_path / "second"}, trained=done)
    assert (load_model(tmp_path / "shipped").encode([_text(1)]) == before).all()


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not here")
def test_of_the_real_data_the_corpus_has_thirty_thousand_sequences(tmp_path):
    figures = run(data=DATA, out=tmp_path / "made", only="corpus")
    assert figures["sources"]["value"] == 10
    assert figures["sequences"]["value"] > 30_000
    first = (tmp_path / "made/corpus.fasta").read_bytes()
    assert b"taxreturn" not in first
    assert b"primerminer" not in first
