"""BIOSCAN-5M's own split, of an invented table in its layout."""

from __future__ import annotations

import csv

import pytest

torch = pytest.importorskip("torch")

from tests.bench.encoder_rows import halves, settings  # noqa: E402

from merian.bench import measure  # noqa: E402
from merian.bench.bioscan import bioscan_split  # noqa: E402
from merian.bench.encoder_splits import open_split  # noqa: E402
from merian.errors import FormatError, InputError, NotFoundError  # noqa: E402
from merian.formats.bioscan5m import COLUMNS  # noqa: E402


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """One control is asked, so that the tests are quick."""
    monkeypatch.setattr("merian.bench.encoder_study.controls_there", lambda: ["6-mer 1-NN"])


def bioscan_table(path, mark=","):
    """A table in BIOSCAN-5M's layout of invented barcodes; some rows of no use."""
    references, queries = halves("mixed")
    rows = [("train", row) for row in references]
    rows += [("test_unseen" if r[2][-1].endswith("_spcx") else "test", r) for r in queries]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter=mark)
        writer.writeheader()
        for number, (part, (key, sequence, names)) in enumerate(rows):
            lineage = dict(
                zip(("phylum", "class", "order", "family", "genus", "species"), names, strict=True)
            )
            filled = sequence + "N" * (number % 3)
            writer.writerow({"processid": key, "dna_barcode": filled, "split": part, **lineage})
        first = rows[0][1]
        writer.writerow({"processid": "p1", "dna_barcode": first[1], "split": "pretrain"})
        wrong = {"split": "train", "genus": "Aus", "species": "Aus bus"}
        writer.writerow({"processid": "bad", "dna_barcode": "ACGT", **wrong})
        writer.writerow({"processid": "copy", "dna_barcode": first[1] + "NN", "split": "train",
                         "genus": first[2][4], "species": first[2][5]})  # fmt: skip
    return path


def test_bioscans_own_split_is_asked(tmp_path):
    table = bioscan_table(tmp_path / "BIOSCAN_5M_Insect_Dataset_metadata.csv")
    figures = measure(
        "dna-encoders", settings(tmp_path / "work", data=str(tmp_path), yardstick="nowhere.py")
    ).figures
    assert {name.partition(":")[0] for name in figures} == {"closed bioscan", "open bioscan"}
    assert figures["closed bioscan: species, 6-mer 1-NN"]["value"] > 90
    references, queries = halves("mixed")
    split = open_split(tmp_path / "work" / "splits" / "bioscan_mixed_0")
    assert [s for s, _ in split.references] == [row[1] for row in references]
    assert len(split.queries) == len(queries)
    rejects = (tmp_path / "work/splits/bioscan_mixed_0/rejects.tsv").read_text().splitlines()
    assert len(rejects) == 2
    assert rejects[1].split("\t")[:3] == [
        str(table),
        str(len(references) + len(queries) + 3),
        "bad",
    ]


def test_a_table_with_tabs_is_read_and_what_is_none_is_told(tmp_path):
    table = bioscan_table(tmp_path / "metadata.tsv", "\t")
    split = bioscan_split(tmp_path, tmp_path / "split")
    assert len(split.references) == len(halves("mixed")[0])
    bioscan_table(tmp_path / "second.csv")
    with pytest.raises(NotFoundError, match="Give the file itself"):
        bioscan_split(tmp_path, tmp_path / "other")
    (tmp_path / "third.csv").write_text("processid,split\na,train\n", encoding="utf-8")
    with pytest.raises(FormatError, match="lacks the columns dna_barcode"):
        bioscan_split(tmp_path / "third.csv", tmp_path / "other")
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(lines[:3]) + "\n", encoding="utf-8")
    with pytest.raises(FormatError, match="2 barcodes with species in the split train and 0"):
        bioscan_split(table, tmp_path / "other")


def test_a_split_is_asked_only_of_the_table_that_it_was_made_of(tmp_path):
    table = bioscan_table(tmp_path / "one.csv")
    first = bioscan_split(table, tmp_path / "split")
    assert bioscan_split(table, tmp_path / "split").queries == first.queries
    table.write_text(table.read_text(encoding="utf-8").replace("Genusa", "Aus"), encoding="utf-8")
    with pytest.raises(InputError, match="made of another table"):
        bioscan_split(table, tmp_path / "split")


def test_what_is_no_table_is_told_with_its_line(tmp_path, request):
    before = csv.field_size_limit(10_000_000)  # as an import leaves it
    request.addfinalizer(lambda: csv.field_size_limit(before))
    table = bioscan_table(tmp_path / "one.csv")
    lines = table.read_text(encoding="utf-8").splitlines()
    opened = "\n".join([*lines[:3], '"' + "A" * 140_000, *lines[3:]])
    table.write_text(opened + "\n", encoding="utf-8")
    with pytest.raises(FormatError, match="is a quote not closed"):
        bioscan_split(table, tmp_path / "split")
    few = "processid,split,genus,species,dna_barcode\nP1,train,Aus,Aus bus,AC!GT\n"
    table.write_text(few, encoding="utf-8")
    with pytest.raises(FormatError, match=r"1 set aside, the first \(line 2, P1\)"):
        bioscan_split(table, tmp_path / "split")
