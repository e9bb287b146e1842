"""Queries from files and catalogues: what is read, and what is set aside with which reason."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest
from tests.identify.conftest import bases, fasta

from merian.catalogue import Catalogue
from merian.errors import FormatError, InputError, NotFoundError
from merian.formats import Options, read_path
from merian.identify.queries import Queries, Query
from merian.library.reading import Reject

PROTEIN = "MKVLAAGIVGLLLAQWERTYPLKDFGHSPLIVMKVLAAGIVGLLLAQWERTYPLKDFGHSPLIV"


def read(work: Path, *paths: Path, options: Options | None = None) -> list[Query | Reject]:
    return [*Queries(paths, options).read(work)]


def reasons(found: list[Query | Reject]) -> list[tuple[int | None, str, str]]:
    rejects = [item for item in found if isinstance(item, Reject)]
    return [(r.line, r.id, r.reason.split(":")[0]) for r in rejects]


def test_a_fasta_is_read_in_order_and_what_is_no_barcode_is_set_aside(tmp_path):
    path = tmp_path / "q.fasta"
    path.write_text(
        f">a\n{bases(1)}\n>p\n{PROTEIN}\n>b some words\n{bases(2)[:60]}\n{bases(2)[60:].lower()}\n"
        f">short\nACGT\n>junk\n{'12345%' * 20}\n>a\n{bases(3)}-NNN\n>none\n>b;size=3\n{bases(4)}\n"
    )
    found = read(tmp_path, path)
    queries = [(q.id, q.sequence) for q in found if isinstance(q, Query)]
    assert queries == [("a", bases(1)), ("b", bases(2)), ("a", bases(3)), ("b;size=3", bases(4))]
    assert reasons(found) == [
        (3, "p", "This is a protein"),
        (8, "short", "The sequence is too short"),
        (10, "junk", "This is no sequence"),
        (14, "none", "there is no sequence under this header"),
    ]
    assert {r.file for r in found if isinstance(r, Reject)} == {str(path)}


def test_fastq_gzip_and_a_gzip_that_is_cut_short(tmp_path):
    plain = "".join(f"@r{n}\n{bases(n)}\n+\n{'I' * 120}\n" for n in range(2000))
    whole, cut = tmp_path / "q.fastq.gz", tmp_path / "cut.fastq.gz"
    whole.write_bytes(gzip.compress(plain.encode()))
    cut.write_bytes(whole.read_bytes()[:40_000])
    assert [q.id for q in read(tmp_path, whole)] == [f"r{n}" for n in range(2000)]
    found = read(tmp_path, cut)
    assert 100 < len(found) < 2000
    assert [q.id for q in found[:-1]] == [f"r{n}" for n in range(len(found) - 1)]
    assert "cut short" in found[-1].reason


def test_an_empty_file_is_set_aside_and_the_rest_is_read(tmp_path):
    empty, other = tmp_path / "empty.fasta", fasta(tmp_path / "q.fasta", [("a", bases(1))])
    empty.touch()
    found = read(tmp_path, empty, other)
    assert found[0] == Reject(str(empty), None, "", "The file is empty.")
    assert found[1] == Query("a", bases(1))


def test_a_table_with_a_column_of_sequences(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text(
        f"Nr,barcode,place\nx1,{bases(1)},here\nx2,,there\nx3,{PROTEIN},there\n,{bases(2)},no\n"
        f'x5,"{bases(5)}","a, b"\nx6,{bases(6)},too,many\n'
    )
    options = Options({"Nr": "occurrenceID", "barcode": "sequence"})
    found = read(tmp_path, path, options=options)
    assert [q.id for q in found if isinstance(q, Query)] == ["x1", "x5"]
    assert sorted(reasons(found)) == [
        (3, "x2", "The sequence is empty."),
        (4, "x3", "This is a protein"),
        (5, "", "The row has no identifier."),
        (7, "", "found 4 fields, expected 3"),
    ]
    assert not (tmp_path / "tables").exists()
    with pytest.raises(FormatError, match=r"no column holds sequences.*--map column=sequence"):
        Queries([path], Options({"barcode": ""}))


def test_a_table_without_rows_is_set_aside(tmp_path):
    path = tmp_path / "q.tsv"
    path.write_text("id\tsequence\n")
    found = [*Queries([path], format="table").read(tmp_path)]
    assert reasons(found) == [(None, "", "The file holds no rows.")]


def test_the_sequences_of_a_catalogue(tmp_path):
    rows = [("a", bases(1)), ("b", bases(2)), ("c", "ACGT" * 5)]
    folder = tmp_path / "catalogue"
    table = tmp_path / "more.tsv"
    table.write_text(f"id\tsequence\tmarker\nb\t{bases(3)}\tITS\n")
    with Catalogue.create(folder) as made:
        made.ingest(read_path(fasta(tmp_path / "q.fasta", rows)))
        made.ingest(read_path(table))
        ids = [key for (key,) in made.query(
            "SELECT nucleotideSequenceID FROM sequence WHERE occurrenceID = 'b'")]  # fmt: skip
    queries = Queries([folder])
    found = [*queries.read(tmp_path)]
    assert found[0] == Query("a", bases(1))
    # Where an occurrence has two sequences, they are called by ids of their own.
    assert {q.id for q in found if isinstance(q, Query)} == {"a", *ids}
    assert reasons(found) == [(None, "c", "The sequence is too short")]
    before = queries.fingerprint
    with Catalogue.open(folder) as opened:
        opened.ingest(read_path(fasta(tmp_path / "r.fasta", [("d", bases(9))])))
    assert Queries([folder]).fingerprint != before


def test_wrong_paths_are_told_before_anything_is_read(tmp_path):
    with pytest.raises(NotFoundError, match=r"no\.fasta: no such file of queries"):
        Queries([tmp_path / "no.fasta"])
    with pytest.raises(InputError, match="nothing to identify"):
        Queries([])
    picture = tmp_path / "x.bin"
    picture.write_bytes(bytes(range(256)) * 9)
    with pytest.raises(FormatError, match="no format knows this"):
        Queries([picture])


def test_reading_takes_no_more_memory_for_more_queries(tmp_path):
    def peak(count: int) -> int:
        path = fasta(tmp_path / f"{count}.fasta", ((f"q{n}", bases(n % 50)) for n in range(count)))
        queries = Queries([path])
        tracemalloc.start()
        assert sum(1 for _ in queries.read(tmp_path)) == count
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(10_000) < 1.5 * peak(1_000) + 100_000
