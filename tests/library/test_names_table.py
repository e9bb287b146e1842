"""References as FASTA and a table of names, lineages or taxids."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from merian.errors import FormatError, InputError
from merian.formats import Options
from merian.library import Settings, add_to_library, build_library
from merian.library.names_table import NamesTable
from merian.taxonomy import read_checklist

from .conftest import bases
from .test_build import names


@pytest.fixture
def plain(tmp_path) -> Path:
    """Four sequences without names; the last is called by its accession alone."""
    path = tmp_path / "plain.fasta"
    heads = ("s1 first", "s2|COI", "s3;size=4", "AB123456.1 fourth")
    path.write_text("".join(f">{h}\n{bases(i)}\n" for i, h in enumerate(heads)))
    return path


def named_by(plain: Path, text: str, checklist=None, name="names.tsv", **said):
    table = plain.parent / name
    table.write_text(text)
    settings = Settings(names=table, **said)
    return build_library([plain], plain.parent / "lib", checklist=checklist, settings=settings)


RANKS = "family\tgenus\tspecies\n"


@pytest.mark.parametrize(
    "text",
    [
        "id\tfamily\tgenus\tspecies\tbin_uri\n"
        "s1\tAidae\tAus\tAus bus\t\ns2\tAidae\tAus\tAus sp. 3\t\n"
        "s3\tAidae\tAus\t\tBOLD:AAA0001\nAB123456\tBidae\tNA\t\t\n",
        "Feature ID\tTaxon\tConfidence\n"
        "s1\tk__Animalia; f__Aidae; g__Aus; s__Aus bus\t1\n"
        "s2\tk__Animalia; f__Aidae; g__Aus; s__Aus sp. 3\t1\n"
        "s3\tk__Animalia; f__Aidae; g__Aus; s__\t0.7\n"
        "AB123456\tk__Animalia; f__Bidae\t0.7\n",
        "s1\tk:Animalia,f:Aidae,g:Aus,s:Aus_bus\ns2\tk:Animalia,f:Aidae,g:Aus,s:Aus_sp._3\n"
        "s3\tk:Animalia,f:Aidae,g:Aus\nAB123456\tk:Animalia,f:Bidae\n",
        "s1\tAnimalia;Arthropoda;Insecta;Diptera;Aidae;Aus;Aus bus\n"
        "s2\tAnimalia;Arthropoda;Insecta;Diptera;Aidae;Aus;Aus sp. 3\n"
        "s3\tAnimalia;Arthropoda;Insecta;Diptera;Aidae;Aus\n"
        "AB123456\tAnimalia;Arthropoda;Insecta;Diptera;Bidae;\n",
        'id,taxonomy\ns1,"Animalia;Arthropoda;Insecta;Diptera;Aidae;Aus;Aus bus"\n'
        'AB123456,"Animalia;Arthropoda;Insecta;Diptera;Bidae"\n'
        's2,"Animalia;Arthropoda;Insecta;Diptera;Aidae;Aus;Aus sp. 3"\n'
        's3,"Animalia;Arthropoda;Insecta;Diptera;Aidae;Aus"\n',
    ],
    ids=["ranks", "QIIME", "SINTAX, no header", "DADA2, no header", "CSV"],
)  # fmt: skip
def test_names_come_from_the_table_however_it_writes_them(plain, text):
    done = named_by(plain, text)
    found = names(done.library)
    assert found["s1"] == "Aus bus"
    assert found["s2|COI"] == "Aus (Aus sp. 3)"
    assert found["s3;size=4"].startswith("Aus (")
    assert found["AB123456.1"] == "Bidae (AB123456.1)"
    assert done.set_aside == {}
    first = done.library.records_of(0)[0]
    assert (first.file, first.line, first.label) == (str(plain), 1, first.label)
    assert first.label.replace("_", " ") == "Aus bus"


def test_a_bin_and_a_marker_beside_the_name_are_kept(plain):
    done = named_by(plain, "id\tgenus\tbin_uri\tmarker\ns1\tAus\tBOLD:AAA0001\t28S\n", marker="28S")
    assert names(done.library) == {"s1": "Aus (BOLD:AAA0001)"}
    assert done.library.records_of(0)[0].marker == "28S"


def test_one_name_in_a_column_is_read_as_a_label(plain):
    done = named_by(plain, "id\tscientificName\ns1\tAus bus Linnaeus\ns2\tAus cf. bus\n")
    assert names(done.library) == {"s1": "Aus bus", "s2|COI": "Aus (Aus cf. bus)"}


def test_blanks_beside_an_id_are_no_part_of_it(plain):
    done = named_by(plain, "id\tgenus\tspecies\ns1 \tAus\tAus bus\n s3\tAus\tAus cus\n")
    assert names(done.library) == {"s1": "Aus bus", "s3;size=4": "Aus cus"}


@pytest.mark.parametrize("support", ["(100)", "(98.5)"])
def test_the_support_that_mothur_writes_behind_a_name_is_no_part_of_it(plain, support):
    parts = ["Animalia", "Arthropoda", "Insecta", "Diptera", "Aidae", "Aus", "Aus_bus"]
    rows = [f"s1\t{''.join(f'{part}{support};' for part in parts)}", f"s2\t{';'.join(parts)};"]
    done = named_by(plain, "\n".join(rows) + "\n")
    assert set(names(done.library).values()) == {"Aus bus"}
    assert done.library.header["counts"]["taxa"]["kingdom"] == 1


def test_a_column_called_taxon_holds_lineages_though_few_have_one(plain):
    text = "Feature ID\tTaxon\n#q2:types\tcategorical\ns1\tk__Animalia; g__Aus; s__Aus bus\n"
    done = named_by(plain, text + "s2\tUnassigned\ns3\tUnassigned\n")
    assert names(done.library) == {"s1": "Aus bus"}
    assert done.set_aside["its lineage cannot be read"] == 2


def test_what_the_table_does_not_have_or_says_twice_is_set_aside_with_its_line(plain):
    done = named_by(plain, "id\tgenus\tspecies\ns1\tAus\tAus bus\ns2\tAus\tAus cus\ns2\tB\tB cus\n")
    rows = [line.split("\t")[1:] for line in done.rejects.read_text().splitlines()[1:]]
    assert [(line, key) for line, key, _ in rows] == [("3", "s2|COI"), ("5", "s3;size=4"),
                                                     ("7", "AB123456.1")]  # fmt: skip
    assert "says two things" in rows[0][2]
    assert done.set_aside == {
        "its id is not in the table of names": 2,
        "the table of names says two things of its id": 1,
    }


def dump(folder: Path) -> Path:
    """A small dump of the NCBI's taxonomy."""
    folder.mkdir()
    nodes = [(1, 1, "no rank"), (2, 1, "kingdom"), (3, 2, "family"), (4, 3, "genus"),
             (5, 4, "species"), (6, 4, "species")]  # fmt: skip
    called = {1: "root", 2: "Metazoa", 3: "Aidae", 4: "Aus", 5: "Aus bus", 6: "Aus sp. 3"}
    (folder / "nodes.dmp").write_text("".join(f"{a}\t|\t{b}\t|\t{c}\t|\n" for a, b, c in nodes))
    (folder / "names.dmp").write_text(
        "".join(f"{k}\t|\t{v}\t|\t\t|\tscientific name\t|\n" for k, v in called.items())
    )
    (folder / "merged.dmp").write_text("77\t|\t5\t|\n")
    (folder / "delnodes.dmp").write_text("88\t|\n")
    return folder


TAXIDS = "accession\taccession.version\ttaxid\tgi\nx\ts1\t77\t0\nx2\ts2\t6\t0\n" \
    "x3\ts3\t88\t0\nAB123456\tAB123456.1\t4\t0\n"  # fmt: skip


@pytest.mark.parametrize("text", [TAXIDS, "s1\t77\ns2\t6\ns3\t99\nAB123456\t4\n"])
def test_taxids_are_looked_up_merged_ones_too(plain, tmp_path, text):
    ncbi = read_checklist(dump(tmp_path / "dump"))[0]
    done = named_by(plain, text, ncbi)
    assert names(done.library) == {
        "s1": "Aus bus", "s2|COI": "Aus (Aus sp. 3)", "AB123456.1": "Aus (AB123456.1)"
    }  # fmt: skip
    assert done.set_aside == {"its taxid is not in the taxonomy": 1}
    taxonomy = done.library.taxonomy
    above = [taxonomy.name_of(node) for node in taxonomy.path(int(done.library.node[0]))]
    assert above == ["root", "Metazoa", "Aidae", "Aus", "Aus bus"]


def test_taxids_without_a_taxonomy_are_told(plain):
    with pytest.raises(InputError, match="--taxonomy"):
        named_by(plain, TAXIDS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("id\tx\ns1\ty\n", "no column holds names"),
        ("id\tgenus\tspecies\n", "holds no names"),
        ("id\tgenus\nq1\tAus\n", "none of its ids is one of the sequences': its first is 'q1'"),
    ],
)
def test_a_table_that_is_none_is_told(plain, text, told):
    with pytest.raises(FormatError, match=told):
        named_by(plain, text)
    assert not (plain.parent / "lib").exists()


def test_a_table_that_is_cut_short_is_told(plain, tmp_path):
    packed = gzip.compress(("id\tgenus\n" + "".join(f"q{i}\tAus\n" for i in range(9999))).encode())
    (tmp_path / "names.tsv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(FormatError, match="cut short"):
        build_library([plain], tmp_path / "lib", settings=Settings(names=tmp_path / "names.tsv.gz"))


def test_of_a_large_table_only_what_is_wanted_is_kept(plain, tmp_path):
    table = tmp_path / "names.tsv"
    rows = [f"q{i}\tAus\tAus b{i}" for i in range(50_000)]
    table.write_text("id\tgenus\tspecies\n" + "\n".join([*rows, "s1\tAus\tAus bus"]) + "\n")
    names_table = NamesTable(table, {"s1", "s2"})
    assert len(names_table) == 1
    assert names_table.find(["s1"])["species"] == "Aus bus"
    assert "not in the table" in names_table.find(["q1"])


def test_a_file_with_names_of_its_own_is_refused(plain, tmp_path):
    own = tmp_path / "own.csv"
    own.write_text(f"processid,species,sequence\na,Aus bus,{bases(3)}\n")
    table = tmp_path / "names.tsv"
    table.write_text("id\tgenus\ns1\tAus\n")
    with pytest.raises(InputError, match="names of its own"):
        build_library([plain, own], tmp_path / "lib", settings=Settings(names=table))


def test_the_same_sequences_with_other_names_are_something_new(plain, tmp_path):
    named_by(plain, "id\tgenus\tspecies\ns1\tAus\tAus bus\n")
    table = tmp_path / "names.tsv"
    again = add_to_library(tmp_path / "lib", [plain], settings=Settings(names=table))
    assert again.rejects is None
    table.write_text("id\tgenus\tspecies\ns2\tAus\tAus cus\n")
    more = add_to_library(tmp_path / "lib", [plain], settings=Settings(names=table))
    assert names(more.library) == {"s1": "Aus bus", "s2|COI": "Aus cus"}
    said = more.library.header["segments"][1]["settings"]["names"]
    assert said["file"] == str(table)


def test_a_header_that_says_something_else_yields_to_the_table(plain, tmp_path):
    plain.write_text(f">s1;tax=g:Xus,s:Xus_yus;\n{bases(1)}\n")
    table = tmp_path / "names.tsv"
    table.write_text("id\tgenus\tspecies\ns1\tAus\tAus bus\n")
    settings = Settings(names=table, options=Options())
    assert names(build_library([plain], tmp_path / "lib", settings=settings).library) == {
        "s1": "Aus bus"
    }


def test_a_quote_that_is_never_closed_is_told(plain):
    text = 'id,genus,species\n"s1","Aus","Aus bus\ns2,Aus,Aus cus\ns3,Aus,Aus dus\n'
    with pytest.raises(FormatError, match="cannot be read as a table"):
        named_by(plain, text, name="names.csv")


def test_only_accessions_have_versions(tmp_path):
    path = tmp_path / "plain.fasta"
    path.write_text(f">ASV.1\n{bases(1)}\n>ASV.2\n{bases(2)}\n>AB123456.1\n{bases(3)}\n")
    table = tmp_path / "names.tsv"
    table.write_text("id\tgenus\nASV\tAus\nASV.2\tBus\nAB123456\tCus\n")
    done = build_library([path], tmp_path / "lib", settings=Settings(names=table))
    found = {key: name.split()[0] for key, name in names(done.library).items()}
    assert found == {"ASV.2": "Bus", "AB123456.1": "Cus"}
