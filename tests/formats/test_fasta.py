"""The grammar of FASTA and FASTQ: what is read, what is set aside, and where."""

from __future__ import annotations

import gzip
from pathlib import Path

import dnaio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.catalogue.sources import Reading, Reject, Rows
from merian.errors import FormatError, InputError
from merian.formats import Options, read_path
from merian.formats.fasta import Record, records, sniff


def rows_of(reading: Reading) -> tuple[list[dict[str, object]], list[Reject]]:
    (source,) = reading.sources
    assert isinstance(source, Rows)
    rows: list[dict[str, object]] = []
    rejects: list[Reject] = []
    for chunk in source.chunks:
        if isinstance(chunk, Reject):
            rejects.append(chunk)
        else:
            names = list(chunk)
            rows += [
                dict(zip(names, values, strict=True))
                for values in zip(*chunk.values(), strict=True)
            ]
    return rows, rejects


def read_text(
    path: Path, text: str | bytes, **extra: str
) -> tuple[list[dict[str, object]], list[Reject]]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return rows_of(read_path(path, Options(extra=extra), "fasta"))


def test_lines_are_those_of_the_headers(tmp_path: Path) -> None:
    rows, rejects = read_text(tmp_path / "a.fa", ">a one\nACGT\nACGT\n\n>b\r\nAC GT\r\n;note\nTT\n")
    assert not rejects
    assert [(r["line"], r["occurrenceID"], r["sequence"]) for r in rows] == [
        (1, "a", "ACGTACGT"),
        (5, "b", "ACGTTT"),
    ]
    assert rows[0]["sequenceRemarks"] == "one"


def test_bad_records_are_set_aside_and_the_rest_is_read(tmp_path: Path) -> None:
    rows, rejects = read_text(
        tmp_path / "a.fa", b">a\nACGT\n>\nACGT\n>empty\n>a\nGGGG\n>j\x01nk\nAC\n>z\xe9ro\nTT\n"
    )
    assert [r["occurrenceID"] for r in rows] == ["a", "zéro"]
    assert [(r.line, r.reason.split(";")[0]) for r in rejects] == [
        (3, "the header is empty"),
        (5, "there is no sequence under this header"),
        (6, "the id 'a' was seen before in this file"),
        (8, "holds bytes that are no text"),
    ]


def test_a_sequence_before_the_first_header_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_text("ACGT\n>a\nTTTT\n")
    found = list(records(path))
    assert isinstance(found[0], Reject)
    assert found[0].line == 1
    assert found[1] == Record(2, "a", "TTTT")


def test_a_gzipped_file_cut_short_gives_what_came_before(tmp_path: Path) -> None:
    text = "".join(f">s{n}\n{'ACGT' * 30}{n % 10 * 'A'}\n" for n in range(5000)).encode()
    whole = gzip.compress(text)
    rows, rejects = read_text(tmp_path / "a.fa.gz", whole[: len(whole) // 2])
    assert len(rows) > 500
    assert [r["occurrenceID"] for r in rows] == [f"s{n}" for n in range(len(rows))]
    assert "cut short" in rejects[-1].reason
    assert len(rejects) == 1


def test_the_flavour_can_be_forced_and_marker_given(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_text(">a Aedes aegypti\nACGT\n")
    reading = read_path(path, Options(marker="COI-5P", extra={"header": "bare"}))
    (row,), _ = rows_of(reading)
    assert row["sequenceRemarks"] == "Aedes aegypti"
    assert row["targetGene"] == "COI-5P"
    assert "as told" in reading.notes[0]
    with pytest.raises(InputError, match="no FASTA header is called"):
        read_path(path, Options(extra={"header": "nothing"}))


def test_headers_without_ids_are_called_by_their_line(tmp_path: Path) -> None:
    lineage = "Animalia;Arthropoda;Insecta;Diptera;Culicidae;Aedes;"
    rows, rejects = read_text(
        tmp_path / "ref.fa.gz", gzip.compress(f">{lineage}\nAC\n>{lineage}\nAC\n".encode())
    )
    assert [r["occurrenceID"] for r in rows] == ["ref:1", "ref:3"]
    assert not rejects


def test_an_odd_header_keeps_its_id(tmp_path: Path) -> None:
    text = "".join(f">A{n};tax=k:Animalia,g:Aedes;\nACGT\n" for n in range(9)) + ">odd one\nACGT\n"
    rows, _ = read_text(tmp_path / "a.fa", text)
    assert rows[-1]["occurrenceID"] == "odd"
    assert rows[-1]["genus"] is None


def test_a_broken_fastq_record_costs_only_itself(tmp_path: Path) -> None:
    good = [f"@r{n} x\nACGTACGT\n+\nIIIIIIII\n" for n in range(300)]
    good[150] = "@bad\nACGT\n+\nIII\n"
    good[200] = "@worse\nACGT\n"
    rows, rejects = read_text(tmp_path / "a.fq", "".join(good))
    assert [r["occurrenceID"] for r in rows] == [f"r{n}" for n in range(300) if n not in (150, 200)]
    assert [r.line for r in rejects] == [601, 801]
    assert rows[151]["line"] == 609


def test_a_fastq_cut_short_gives_what_came_before(tmp_path: Path) -> None:
    text = "".join(f"@r{n}\n{'ACGT' * 20}\n+\n{'I' * 80}\n" for n in range(3000)).encode()
    whole = gzip.compress(text)
    rows, rejects = read_text(tmp_path / "a.fq.gz", whole[: len(whole) * 2 // 3])
    assert [r["occurrenceID"] for r in rows] == [f"r{n}" for n in range(len(rows))]
    assert len(rows) > 1500
    assert "cut short" in rejects[-1].reason


def test_a_protein_is_a_fasta(tmp_path: Path) -> None:
    path = tmp_path / "p.faa"
    path.write_text(">sp|P1|X\nMKVLWAALLVTFLAGCQAKVEQ*\n")
    assert sniff(path) == 3


def test_what_is_no_fasta_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_text("a,b\n1,2\n")
    assert sniff(path) == 0
    with pytest.raises(FormatError, match="begins with '>'"):
        read_path(path, format="fasta")


WORD = st.text(alphabet="ABCdef0123_.|;=-", min_size=1, max_size=20)


@given(st.lists(st.tuples(WORD, st.text(alphabet="ACGTN", min_size=1, max_size=200)), max_size=20))
def test_records_are_those_that_dnaio_reads(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("oracle") / "a.fasta"
    with dnaio.open(path, mode="w", fileformat="fasta") as sink:
        for header, sequence in items:
            sink.write(dnaio.SequenceRecord(header, sequence))
    with dnaio.open(path) as source:
        expected = [(r.name, r.sequence) for r in source]
    found = [(r.header, r.sequence) for r in records(path) if isinstance(r, Record)]
    assert found == expected
