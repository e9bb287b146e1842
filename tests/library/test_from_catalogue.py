"""References from a catalogue."""

from __future__ import annotations

import pytest

from merian.catalogue import Catalogue, Reading, Rows
from merian.errors import FormatError, InputError
from merian.formats import read_path
from merian.library import add_to_library, build_library

from .conftest import bases
from .test_build import names


@pytest.fixture
def catalogue(tmp_path):
    """Two imports: three records of one, and one of another."""
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    head = "processid,family,genus,species,bin_uri,marker,genbank_accession,sequence\n"
    rows = [("a", "Aus bus", 1), ("b", "Aus cus", 2), ("c", "Aus sp.", 3)]
    first.write_text(
        head
        + "".join(
            f"{k},Aidae,Aus,{s},BOLD:AAA000{i},28S,AB12345{i},{bases(i)}\n" for k, s, i in rows
        )
    )
    second.write_text(f"processid,genus,species,sequence\nd,Aus,Aus dus,{bases(4)}\n")
    with Catalogue.create(tmp_path / "cat") as opened:
        opened.ingest(read_path(first))
        opened.ingest(read_path(second))
    return tmp_path / "cat"


def identify(catalogue, key, name, verb, agent, date=None) -> None:
    columns = {"line": [1], "occurrenceID": [key], "genus": ["Aus"], "species": [name],
               "scientificName": [name], "verbatimIdentification": [name], "taxonRank": ["species"],
               "agentType": [agent], "dateIdentified": [date]}  # fmt: skip
    rows = Rows(catalogue / "answers.tsv", "identification", [columns])
    (catalogue.parent / f"{key}{name}.txt").write_text(name)
    with Catalogue.open(catalogue) as opened:
        opened.ingest(
            Reading("answers", (rows,), (catalogue.parent / f"{key}{name}.txt",)), verb=verb
        )


def test_sequences_come_with_the_names_that_stand_and_say_where_from(catalogue, tmp_path):
    identify(catalogue, "b", "Aus eus", "import", "human", "2031-01-01")
    done = build_library([catalogue], tmp_path / "lib")
    assert names(done.library) == {
        "a": "Aus bus", "b": "Aus eus", "c": "Aus (BOLD:AAA0003)", "d": "Aus dus"
    }  # fmt: skip
    records = {r.id: r for e in range(4) for r in done.library.records_of(e)}
    first = records["a"]
    assert (first.file, first.accession, first.marker, first.concept) == (
        f"{catalogue} (first.csv)", "AB123451", "28S", "BOLD:AAA0001"
    )  # fmt: skip
    assert records["d"].file == f"{catalogue} (second.csv)"
    assert add_to_library(tmp_path / "lib", [catalogue]).rejects is None


def test_an_answer_of_our_own_is_no_reference(catalogue, tmp_path):
    identify(catalogue, "n", "Aus nus", "identify", "machine")
    (tmp_path / "bare.fasta").write_text(f">e\n{bases(5)}\n>f\n{bases(6)}\n")
    with Catalogue.open(catalogue) as opened:
        opened.ingest(read_path(tmp_path / "bare.fasta"))
    identify(catalogue, "e", "Aus fus", "identify", "machine")
    identify(catalogue, "f", "Aus gus", "import", "machine")
    identify(catalogue, "a", "Aus zus", "identify", "machine", "2040-01-01")
    done = build_library([catalogue], tmp_path / "lib")
    found = names(done.library)
    assert "e" not in found
    assert (found["f"], found["a"]) == ("Aus gus", "Aus bus")  # a human's name stands above
    aside = [line.split("\t")[2:] for line in done.rejects.read_text().splitlines()[1:]]
    assert [key for key, why in aside if "merian identify" in why] == ["e"]


def test_a_catalogue_that_has_changed_is_read_again(catalogue, tmp_path):
    build_library([catalogue], tmp_path / "lib")
    identify(catalogue, "c", "Aus hus", "import", "human", "2031-01-01")
    done = add_to_library(tmp_path / "lib", [catalogue])
    # What has not changed does not count twice.
    assert (done.records, done.library.records) == (1, 5)
    assert done.set_aside == {"it is in the library already, from the same source": 3}


def test_a_catalogue_without_sequences_is_told(tmp_path):
    Catalogue.create(tmp_path / "cat").close()
    with pytest.raises(FormatError, match="holds no sequences"):
        build_library([tmp_path / "cat"], tmp_path / "lib")
    with pytest.raises(InputError):
        build_library([tmp_path], tmp_path / "lib")
