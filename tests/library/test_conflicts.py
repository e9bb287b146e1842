"""Where sources contradict each other."""

from __future__ import annotations

import csv

import pytest

from merian.library import add_to_library, build_library
from merian.library.conflicts import KINDS
from merian.taxonomy import read_checklist

from .conftest import bases, lineage


def told(library) -> list[tuple[str, str, str, str, str]]:
    path = library.edition_folder / "conflicts.tsv"
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        return [(r["kind"], r["of"], r["says"], r["source"].rsplit("/", 1)[-1], r["references"])
                for r in rows]  # fmt: skip


def test_what_two_sources_say_differently_is_told_with_who_says_it(write, tmp_path):
    one = write([
        ("a1", lineage("Aus bus"), bases(1)), ("a2", lineage("Aus cus"), bases(2)),
        ("a3", lineage("Aus dus"), bases(3)), ("AB123456", lineage("Aus eus"), bases(4)),
        ("a5", lineage("Aus sp. 3"), bases(5)), ("a6", lineage("Bus bus", "Bus"), bases(6)),
    ], "one.fasta")  # fmt: skip
    two = write([
        ("b1", lineage("Aus zus"), bases(1)),  # another species of the same sequence
        ("a2", lineage("Aus yus"), bases(12)),  # of the same id
        ("b3", lineage("Aus dus"), bases(3)),  # the same
        ("AB123456.1", lineage("Aus xus"), bases(14)),
        ("b5", lineage("Aus wus"), bases(5)),  # says more, and nothing else
        ("b6", lineage("Bus bus", "Bus", family="Cidae"), bases(16)),
        ("b7", lineage("Bus cus", "Bus", family="Cidae"), bases(17)),
    ], "two.fasta")  # fmt: skip
    done = build_library([one, two], tmp_path / "lib")
    sequence, identifier, accession, place = KINDS
    assert told(done.library) == [
        (sequence, "a1", "Aus bus", "one.fasta", "1"),
        (sequence, "a1", "Aus zus", "two.fasta", "1"),
        (identifier, "a2", "Aus cus", "one.fasta", "1"),
        (identifier, "a2", "Aus yus", "two.fasta", "1"),
        (accession, "AB123456", "Aus eus", "one.fasta", "1"),
        (accession, "AB123456", "Aus xus", "two.fasta", "1"),
        (place, "genus Bus", "family Aidae", "one.fasta", "1"),
        (place, "genus Bus", "family Cidae", "two.fasta", "2"),
    ]  # fmt: skip
    assert done.library.header["conflicts"] == dict.fromkeys(KINDS, 1)


@pytest.mark.parametrize("added", [False, True])
def test_accessions_are_compared_and_additions_are_sources_too(tmp_path, added):
    paths = []
    for name, species, seed in (("one", "Aus bus", 1), ("two", "Aus cus", 2)):
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_text(
            "processid,genus,species,genbank_accession,sequence\n"
            f"{name}1,Aus,{species},AB123456,{bases(seed)}\n{name}2,Aus,{species},,{bases(seed)}\n"
        )
    if added:
        build_library(paths[:1], tmp_path / "lib")
        library = add_to_library(tmp_path / "lib", paths[1:]).library
    else:
        library = build_library(paths, tmp_path / "lib").library
    assert [row[:3] for row in told(library)] == [
        (KINDS[2], "AB123456", "Aus bus"), (KINDS[2], "AB123456", "Aus cus")
    ]  # fmt: skip


def test_a_source_alone_and_a_barcode_that_two_share_in_one_are_no_conflict(write, tmp_path):
    one = write([("a1", lineage("Aus bus"), bases(1)), ("a2", lineage("Aus cus"), bases(1))])
    assert told(build_library([one], tmp_path / "alone").library) == []
    two = write([("b1", lineage("Aus cus"), bases(1))], "two.fasta")
    done = build_library([one, two], tmp_path / "lib")
    assert told(done.library) == []
    assert "conflicts" not in done.library.header


def test_a_checklist_settles_synonyms_and_places(write, tmp_path):
    table = tmp_path / "checklist.csv"
    table.write_text(
        "taxonID,parentNameUsageID,acceptedNameUsageID,taxonRank,scientificName,taxonomicStatus\n"
        "1,,,family,Aidae,accepted\n2,1,,genus,Aus,accepted\n3,2,,species,Aus bus,accepted\n"
        "4,,3,species,Xus bus,synonym\n"
    )
    checklist = read_checklist(table)[0]
    one = write([("a", lineage("Aus bus"), bases(1))], "one.fasta")
    two = write([("b", lineage("Xus bus", "Xus", "Xidae"), bases(1))], "two.fasta")
    assert len(told(build_library([one, two], tmp_path / "plain").library)) == 2
    matched = build_library([one, two], tmp_path / "matched", checklist=checklist)
    assert told(matched.library) == []
