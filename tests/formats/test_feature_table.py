"""Feature tables in every shape that programs write, and what is wrong with others."""

from __future__ import annotations

import gzip
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from merian.errors import FormatError, MissingExtraError
from merian.formats.biom import artifact_sequences, write_biom
from merian.formats.feature_table import FeatureTable, read_feature_table, sequence_id

SAMPLES = ("S1", "S2", "S3")
COUNTS = {"A": (5, 0, 2), "B": (0, 7, 0), "C": (1, 1, 100)}


def dna(key: str) -> str:
    return "".join(random.Random(key).choices("ACGT", k=60))


def counts(table: FeatureTable) -> dict[str, tuple[int, ...]]:
    found = {key: [0] * len(table.samples) for key in table.features}
    for f, s, n in zip(
        table.feature.tolist(), table.sample.tolist(), table.reads.tolist(), strict=True
    ):
        found[table.features[f]][s] = n
    return {key: tuple(row) for key, row in found.items()}


BY_SEQUENCE = {sequence_id(dna(key)): row for key, row in COUNTS.items()}
ROWS = [(key, *map(str, row)) for key, row in COUNTS.items()]


def text(*rows: tuple[str, ...], by: str = "\t") -> str:
    return "".join(by.join(row) + "\n" for row in rows)


SEQTAB = [(s, *(str(row[n]) for row in COUNTS.values())) for n, s in enumerate(SAMPLES)]
ALL_DNA = tuple(map(dna, COUNTS))
SHAPES = {
    "vsearch --otutabout": (text(("#OTU ID", *SAMPLES), *ROWS), COUNTS),
    "biom convert --to-tsv": (
        "# Constructed from biom file\n" + text(("#OTU ID", *SAMPLES),
        *((k, *(f"{n}.0" for n in row)) for k, row in COUNTS.items())), COUNTS),
    "sequences and ids": (
        text(("ASV", "sequence", *SAMPLES, "taxonomy"),
             *((k, dna(k), *row, "k__") for k, *row in ROWS), by=","), COUNTS),
    "sums between": (
        text(("OTU", "total", *SAMPLES, "Sequence", "length"),
             *((k, "9", *row, dna(k), "60") for k, *row in ROWS), by=";"), COUNTS),
    "seqtab, col.names = NA": (text(("", *ALL_DNA), *SEQTAB), BY_SEQUENCE),
    "seqtab, one name short": (text(ALL_DNA, *SEQTAB), BY_SEQUENCE),
    "seqtab, write.csv": (
        text(('""', *(f'"{s}"' for s in ALL_DNA)), *((f'"{r[0]}"', *r[1:]) for r in SEQTAB),
             by=","), BY_SEQUENCE),
    "seqtab, write.table's own": (
        text(tuple(f'"{s}"' for s in ALL_DNA), *((f'"{r[0]}"', *r[1:]) for r in SEQTAB), by=" "),
        BY_SEQUENCE),
    "t(seqtab)": (
        text(("", *SAMPLES), *((dna(k), *row) for k, *row in ROWS), by=","), BY_SEQUENCE),
    "write.csv with numbers of rows": (
        text(("", "ASV", "sequence", *SAMPLES),
             *((str(n + 1), k, dna(k), *row) for n, (k, *row) in enumerate(ROWS)), by=","), COUNTS),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_text_of_every_shape(shape, tmp_path):
    content, expected = SHAPES[shape]
    path = tmp_path / "table.txt"
    path.write_text(content)
    table = read_feature_table(path)
    assert tuple(table.samples) == SAMPLES
    assert counts(table) == expected
    assert not table.rejects
    assert list(np.lexsort((table.feature, table.sample))) == list(range(len(table.reads)))
    if "sequence" in content.lower() or expected is BY_SEQUENCE:
        assert tuple(table.sequences) == ALL_DNA
    packed = tmp_path / "table.txt.gz"
    packed.write_bytes(gzip.compress(content.encode()))
    assert counts(read_feature_table(packed)) == expected


def test_ids_alone_are_told_apart_by_what_is_known(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text(("x", *SAMPLES), *ROWS, by=","))
    with pytest.raises(FormatError, match=r"whether its rows are features or samples.*--map"):
        read_feature_table(path)
    assert counts(read_feature_table(path, features={"A;size=3", "B"})) == COUNTS
    assert counts(read_feature_table(path, samples={"S1"})) == COUNTS
    turned = read_feature_table(path, samples={"A"})
    assert (tuple(turned.samples), tuple(turned.features)) == (("A", "B", "C"), SAMPLES)
    assert counts(read_feature_table(path, rows="samples")) == counts(turned)


def test_two_columns_that_could_be_it_are_asked_for(tmp_path):
    path = tmp_path / "t.tsv"
    rows = [(k, dna(k), dna(k)[::-1], *row) for k, *row in ROWS]
    path.write_text(text(("id", "seq1", "seq2", *SAMPLES), *rows))
    with pytest.raises(FormatError, match="'seq1' and 'seq2' could each be the sequence; say"):
        read_feature_table(path)
    table = read_feature_table(path, {"seq2": "ignore"})
    assert tuple(table.sequences) == ALL_DNA


def test_a_bad_row_is_set_aside_and_a_bad_table_is_told(tmp_path):
    path = tmp_path / "t.tsv"
    more = [(f"D{n}", "1", "0", "0") for n in range(30)]
    bad = [("E", "1", "x", "0"), ("F", "-1", "0", "0"), ("G", "0.5", "0", "0"), ("H", "1"),
           ("A", "1", "1", "1")]  # fmt: skip
    path.write_text(text(("#OTU ID", *SAMPLES), *ROWS, *more, *bad))
    table = read_feature_table(path)
    assert len(table.features) == 33
    assert [(bad.line, bad.reason.split(":")[0]) for bad in table.rejects] == [
        (35, "A cell is no count"), (36, "A cell is less than nothing"),
        (37, "A cell is no whole number; give counts of reads, as they were before any table was "
             "made relative"),
        (38, "The row has 2 fields where 4 are expected."),
        (39, "The feature is the second one called 'A'."),
    ]  # fmt: skip
    path.write_text(text(("#OTU ID", *SAMPLES), *((k, "0.1", "0.2", "0.7") for k in "ABCDE")))
    with pytest.raises(FormatError, match=r"5 rows cannot be read as counts.*no whole number"):
        read_feature_table(path)


LONG = text(("#OTU ID", *SAMPLES), *((dna(str(n)), "1", "2", "3") for n in range(2_000)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"#OTU ID\tS1\n", "holds a header and no rows"),
        (b"X\n\x00\x00\x00\x03\x00\x04", "is an object of R .*write.table"),
        (b"RDX3\nX\n\x00", "is an object of R"),
        (gzip.compress(b"X\n\x00\x00\x00\x03", mtime=0), "is an object of R"),
        (gzip.compress(LONG.encode(), mtime=0)[:-4000], "cut short"),
        (gzip.compress(b"#OTU ID", mtime=0)[:12], "cut short"),
        (b"\x00\x01\x02" * 99, "is no text"),
        (b"#OTU ID\tS1\tS1\nA\t1\t2\n", "has two samples called 'S1'"),
        (b"#OTU ID\tS1\tS2\nA\t0\t0\n", "holds no reads"),
        (b"id\tname\nA\tx\n", "whether its rows|no column holds counts"),
        (b'{"rows": []}', "is JSON and no whole BIOM"),
        (b">A\nACGT\n", "without size="),
        (b"PK\x03\x04 no zip", "damaged"),
    ],
)
def test_what_is_no_table_is_told(content, message, tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_feature_table(path)


@pytest.mark.parametrize("dense", [True, False])
def test_biom_as_json(dense, tmp_path):
    rows = [[*row] for row in COUNTS.values()]
    sparse = [[f, s, n] for f, row in enumerate(rows) for s, n in enumerate(row) if n]
    content = {
        "rows": [{"id": f"{key};size=8;", "metadata": None} for key in COUNTS],
        "columns": [{"id": name, "metadata": None} for name in SAMPLES],
        "matrix_type": "dense" if dense else "sparse", "data": rows if dense else sparse,
    }  # fmt: skip
    path = tmp_path / "t.biom"
    path.write_text(json.dumps(content))
    assert counts(read_feature_table(path)) == COUNTS


def test_biom_that_we_write_is_read(tmp_path):
    path = tmp_path / "t.biom"
    data = [(f, s, n) for f, row in enumerate(COUNTS.values()) for s, n in enumerate(row) if n]
    write_biom(path, [(key, ("Animalia", "Aidae")) for key in COUNTS], SAMPLES, data, "a test")
    assert counts(read_feature_table(path)) == COUNTS
    content = json.loads(path.read_text())
    assert content["shape"] == [3, 3]
    assert content["rows"][0]["metadata"] == {"taxonomy": ["Animalia", "Aidae"]}


def hdf5(path: Path) -> Path:
    h5py = pytest.importorskip("h5py", reason="the extra biom is not installed")
    with h5py.File(path, "w") as made:
        made["observation/ids"] = [key.encode() for key in COUNTS]
        made["sample/ids"] = [name.encode() for name in SAMPLES]
        made["observation/matrix/data"] = np.array([5.0, 2, 7, 1, 1, 100])
        made["observation/matrix/indices"] = np.array([0, 2, 1, 0, 1, 2])
        made["observation/matrix/indptr"] = np.array([0, 2, 3, 6])
    return path


def test_biom_as_hdf5_and_inside_an_artifact(tmp_path):
    path = hdf5(tmp_path / "t.biom")
    assert counts(read_feature_table(path)) == COUNTS
    artifact = tmp_path / "table.qza"
    with zipfile.ZipFile(artifact, "w") as packed:
        packed.write(path, "5f3c/data/feature-table.biom")
        packed.writestr("5f3c/metadata.yaml", "type: FeatureTable[Frequency]\n")
    assert counts(read_feature_table(artifact)) == COUNTS
    cut = tmp_path / "cut.biom"
    cut.write_bytes(path.read_bytes()[:900])
    with pytest.raises(FormatError, match=r"is no whole BIOM 2\.1 table"):
        read_feature_table(cut)


def test_without_the_extra_its_name_is_told(tmp_path, monkeypatch):
    path = tmp_path / "t.biom"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\x00" * 99)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"merian\[biom\]"):
        read_feature_table(path)


def test_the_sequences_of_an_artifact(tmp_path):
    artifact = tmp_path / "rep-seqs.qza"
    with zipfile.ZipFile(artifact, "w") as packed:
        packed.writestr("5f3c/data/dna-sequences.fasta", f">A\n{dna('A')}\n")
    file, scratch = artifact_sequences(artifact)
    assert file.read_text() == f">A\n{dna('A')}\n"
    scratch.close()
    with pytest.raises(FormatError, match="holds sequences and no table"):
        read_feature_table(artifact)
    plain = tmp_path / "q.fasta"
    plain.write_text(f">A\n{dna('A')}\n")
    assert artifact_sequences(plain) is None


def test_counts_in_the_headers_of_a_fasta(tmp_path):
    path = tmp_path / "run1.fasta"
    path.write_text(
        f">A;size=5;sample=S1\n{dna('A')}\n>A;size=2;sample=S3;\n{dna('A')}\n"
        f">B;sample=S2;size=7\n{dna('B')}\n>C\n{dna('C')}\n"
    )
    table = read_feature_table(path)
    assert counts(table) == {"A": (5, 2, 0), "B": (0, 0, 7)}
    assert tuple(table.samples) == ("S1", "S3", "S2")
    assert "no size=" in table.rejects[0].reason
    path.write_text(f">A;size=5\n{dna('A')}\n")
    assert tuple(read_feature_table(path).samples) == ("run1",)


def test_a_protein_among_the_sequences_does_not_hide_their_column(tmp_path):
    path = tmp_path / "t.csv"
    rows = [(k, dna(k) if k != "A" else "MKLSAAAGTPLWVFLEDQ", *row) for k, *row in ROWS]
    path.write_text(text(("id", "sequence", *SAMPLES), *rows, by=","))
    assert read_feature_table(path).sequences[0] == "MKLSAAAGTPLWVFLEDQ"


@pytest.mark.parametrize("by", ["\t", ","])
def test_a_quote_left_open_takes_no_row_with_it(by, tmp_path):
    path = tmp_path / "table.txt"
    above = text(("#OTU ID", "taxonomy", *SAMPLES), by=by)
    middle = [(k, "k__", *row) for k, *row in ROWS]
    middle[1] = ("B", '"Candidatus k__', *middle[1][2:])
    path.write_text(above + text(*middle, by=by), encoding="utf-8")
    if by == "\t":
        assert counts(read_feature_table(path)) == COUNTS
    else:
        with pytest.raises(FormatError, match=r":3: a quotation mark"):
            read_feature_table(path)
    # The open one stands last, or is closed by one that is open too: the width is then right.
    last = [(*row, "k__") for row in ROWS]
    last[1] = (*ROWS[1], '"k__')
    for end in ("k__", '"k__'):
        last[2] = (*ROWS[2], end)
        rows = text(("#OTU ID", *SAMPLES, "taxonomy"), *last, by=by)
        path.write_text(rows, encoding="utf-8")
        if by == "\t":
            assert counts(read_feature_table(path)) == COUNTS
        else:
            with pytest.raises(FormatError, match=r":3: a quotation mark"):
                read_feature_table(path)
    whole = rows.replace(end, '"two\nlines"')
    path.write_text(whole, encoding="utf-8")
    if by == ",":
        assert counts(read_feature_table(path)) == COUNTS


def test_a_header_behind_a_sign_and_a_blank_is_one(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("# made by hand\n" + text(("# OTU ID", *SAMPLES), *ROWS), encoding="utf-8")
    assert counts(read_feature_table(path)) == COUNTS


def test_numbers_that_are_no_reads_are_no_samples(tmp_path):
    swarm = text(
        ("OTU", "total", "amplicon", "length", "quality", "sequence", "identity", *SAMPLES, ""),
        *((str(n), "9", k, "60", "0.0002", dna(k), "98.5", *row, "")
          for n, (k, *row) in enumerate(ROWS)),
    )  # fmt: skip
    path = tmp_path / "table.tsv"
    path.write_text(swarm, encoding="utf-8")
    assert [*counts(read_feature_table(path)).values()] == [*COUNTS.values()]
    # What is said is not asked for.
    assert counts(read_feature_table(path, {"amplicon": "id"})) == COUNTS
    obitools = text(
        ("id", "best_identity:db", "family", *(f"sample:{s}" for s in SAMPLES), "taxid",
         "obiclean_headcount", "sequence"),
        *((k, "0.98", "7147", *row, "7160", "2", dna(k)) for k, *row in ROWS),
    )  # fmt: skip
    path.write_text(obitools, encoding="utf-8")
    read = read_feature_table(path)
    assert read.samples == [*SAMPLES] and counts(read) == COUNTS


def test_sums_of_a_spreadsheet_are_not_counted_again(tmp_path):
    path = tmp_path / "table.csv"
    sums = [str(sum(row[n] for row in COUNTS.values())) for n in range(3)]
    path.write_text(text(("#OTU ID", *SAMPLES), *ROWS, ("Total", *sums), by=","), encoding="utf-8")
    read = read_feature_table(path)
    assert counts(read) == COUNTS and "'Total'" in " ".join(read.notes)
    turned = [(*row, str(sum(map(int, row[1:])))) for row in SEQTAB]
    turned.append(("sum", *(str(sum(row)) for row in COUNTS.values()), "116"))
    path.write_text(text(("sample", *COUNTS, "total"), *turned, by=","), encoding="utf-8")
    assert counts(read_feature_table(path, features=COUNTS)) == COUNTS


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([[0, 0, 5], [-1, 1, 6]], "row -1"),
        ([[0, 0, None]], "no whole BIOM"),
        ([[0, 0, "many"]], "no whole BIOM"),
        ([[5]], "as many rows"),
        ([[5, 1], [1, 1], [1, 1]], "as many rows"),
    ],
)
def test_biom_that_does_not_fit_is_told(data, message, tmp_path):
    path = tmp_path / "table.biom"
    kind = "dense" if message == "as many rows" else "sparse"
    said = {"rows": [{"id": "A"}, {"id": "B"}], "columns": [{"id": "S1"}, {"id": "S2"}]}
    path.write_text(json.dumps({**said, "matrix_type": kind, "data": data}), encoding="utf-8")
    with pytest.raises(FormatError, match=message):
        read_feature_table(path)


def test_a_feature_with_a_bad_cell_leaves_no_reads_behind(tmp_path):
    path = tmp_path / "table.biom"
    said = {"rows": [{"id": "A"}, {"id": "B"}], "columns": [{"id": "S1"}, {"id": "S2"}]}
    data = [[0, 0, 5], [0, 1, -6], [1, 1, 6]]
    path.write_text(json.dumps({**said, "matrix_type": "sparse", "data": data}), encoding="utf-8")
    read = read_feature_table(path)
    assert counts(read) == {"B": (0, 6)} and len(read.rejects) == 1


def test_counts_beyond_all_reason_are_set_aside(tmp_path):
    path = tmp_path / "table.tsv"
    rows = [*ROWS, ("D", "1e300", "1", "1")]
    path.write_text(text(("#OTU ID", *SAMPLES), *rows), encoding="utf-8")
    read = read_feature_table(path)
    assert counts(read) == COUNTS and len(read.rejects) == 1
    fasta = tmp_path / "table.fasta"
    sizes = {"a": "²", "b": "9" * 30, "c": "0", "d": "3"}
    fasta.write_text(
        "".join(f">{k};size={n}\n{dna(k)}\n" for k, n in sizes.items()), encoding="utf-8"
    )
    read = read_feature_table(fasta)
    assert read.reads.tolist() == [3] and len(read.rejects) == 2


@pytest.mark.parametrize(
    ("name", "values"), [("indices", [0, 2, 1, 0, 1, 3]), ("indptr", [0, 2, 6])]
)
def test_hdf5_that_does_not_fit_is_told(name, values, tmp_path):
    path = hdf5(tmp_path / "t.biom")
    h5py = pytest.importorskip("h5py", reason="the extra biom is not installed")
    with h5py.File(path, "a") as made:
        del made[f"observation/matrix/{name}"]
        made[f"observation/matrix/{name}"] = np.array(values)
    with pytest.raises(FormatError, match=r"is no whole BIOM 2\.1 table"):
        read_feature_table(path)


def test_a_sample_without_an_id_is_set_aside(tmp_path):
    path = tmp_path / "seqtab.tsv"
    path.write_text(text(("", *ALL_DNA), *SEQTAB, ("", "7", "7", "7")), encoding="utf-8")
    read = read_feature_table(path)
    assert counts(read) == BY_SEQUENCE
    assert [(reject.line, reject.reason) for reject in read.rejects] == [
        (5, "The sample has no id.")
    ]
