from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import merian.library.build as build_module
from merian.errors import FormatError, InputError, NotFoundError
from merian.files import content_hash, only_writer
from merian.formats import Options
from merian.library import Library, Settings, add_to_library, build_library
from merian.taxonomy import NONE, read_checklist

from .conftest import bases, lineage


def names(library: Library) -> dict[str, str]:
    """The name of each record's entry, by id."""
    return {
        record.id: library.name_of(entry)
        for entry in range(len(library))
        for record in library.records_of(entry)
    }


@pytest.fixture
def library(small, tmp_path) -> Library:
    return build_library([small], tmp_path / "lib").library


def test_references_are_named_as_far_as_their_label_goes(library):
    assert names(library) == {
        "a1": "Aus bus", "a2": "Aus bus", "a3": "Aus bus", "a4": "Aus cus",
        "a5": "Aus (Aus cf. bus)", "a6": "Aus (Aus sp. 3)", "a7": "Aus (Aus sp. 3)",
        "a8": "Aus (a8)", "a9": "Aus (a8)", "b1": "Aus (BOLD:AAA0001)",
        "b2": "Aus (BOLD:AAA0001)", "b3": "Bidae (b3)", "b4": "Bidae (b4)",
    }  # fmt: skip
    species = [library.taxonomy.name_of(int(n)) for n in library.node[library.is_named()].tolist()]
    assert sorted(set(species)) == ["Aus bus", "Aus cus"]
    ranks = {library.taxonomy.rank_of(n) for n in range(library.taxonomy.taxa)}
    assert ranks == {"kingdom", "phylum", "family", "genus", "species"}


def test_an_entry_is_a_sequence_under_a_name(library):
    assert len(library) == 11
    assert library.records == 13
    assert library.multiplicity.tolist() == [2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    assert library.sequence(0) == library.sequence(2) == bases(1)
    assert library.node[0] != library.node[2]
    assert library.unnamed.tolist() == [-1, -1, -1, 0, 1, 1, 2, 3, 3, 4, 5]
    assert [*library.group_name] == ["Aus cf. bus", "Aus sp. 3", "a8", "BOLD:AAA0001", "b3", "b4"]
    assert library.group_node.tolist() == [library.node[library.unnamed == g][0] for g in range(6)]
    assert library.lengths().tolist() == [120] * 11
    assert library.sequences(1, 3) == [bases(2), bases(1)]


def test_each_record_knows_where_it_comes_from(library, small):
    first, second = library.records_of(0)
    assert (first.id, first.file, first.line, first.label) == ("a1", str(small), 1, "Aus_bus")
    assert (second.id, second.line) == ("a2", 3)
    bin_ = library.records_of(8)[0]
    assert (bin_.id, bin_.concept) == ("b2", "BOLD:AAA0001")
    for wrong in (-1, 11):
        for ask in (library.sequence, library.records_of, library.name_of):
            with pytest.raises(IndexError, match="there is no entry"):
                ask(wrong)


def test_the_same_input_gives_the_same_bytes_whatever_the_threads(small, tmp_path, monkeypatch):
    build_library([small], tmp_path / "one")
    for cores in (1, 4):
        monkeypatch.setattr("merian.database.os.cpu_count", lambda cores=cores: cores)
        build_library([small], tmp_path / f"with{cores}")
        assert content_hash(tmp_path / "one") == content_hash(tmp_path / f"with{cores}")


def test_a_library_that_was_copied_or_opened_twice_is_the_same(library, tmp_path):
    shutil.copytree(library.folder, tmp_path / "copy")
    shutil.rmtree(library.folder)
    copy = Library.open(tmp_path / "copy")
    assert copy.hash == library.hash
    assert copy.records_of(0)[1].id == "a2"


def test_an_addition_keeps_old_entries_and_joins_what_is_alike(small, write, tmp_path):
    lib = tmp_path / "lib"
    before = build_library([small], lib).library
    old = [before.sequence(e) for e in range(len(before))]
    more = write([
        ("c1", lineage("Aus bus"), bases(1)),
        ("c2", lineage("Aus aus", genus="Aus"), bases(20)),
        ("c3", lineage("Aus sp. 3"), bases(4)),
        ("c4", lineage("Zus zus", genus="Zus", family="Aaidae"), bases(21)),
        ("c5", lineage("", more=",t:BOLD:AAA0001"), bases(22)),
        ("c6", lineage("Aus sp."), bases(6)),
    ], "more.fasta")  # fmt: skip
    sequences = content_hash(lib / "segments" / "000")
    done = add_to_library(lib, [more])
    now = done.library
    assert (done.records, done.entries) == (6, 3)
    assert [now.sequence(e) for e in range(len(before))] == old
    assert content_hash(lib / "segments" / "000") == sequences
    assert [r.id for r in now.records_of(0)] == ["a1", "a2", "c1"]
    assert names(now) == {
        **names(before), "c1": "Aus bus", "c2": "Aus aus", "c3": "Aus (Aus sp. 3)",
        "c4": "Zus zus", "c5": "Aus (BOLD:AAA0001)", "c6": "Aus (a8)",
    }  # fmt: skip
    assert sorted(p.name for p in (lib / "editions").iterdir()) == ["001"]
    assert now.hash != before.hash
    # The tree is that of a library built at once, and the library that was open still answers.
    at_once = build_library([small, more], tmp_path / "at once").library
    assert now.taxonomy.lock == at_once.taxonomy.lock
    assert names(now) == names(at_once)
    assert before.sequence(3) == old[3]


def test_an_addition_may_outvote_what_the_labels_said(write, tmp_path):
    first = write([("a", lineage("Aus bus", family="Bidae"), bases(1))], "first.fasta")
    library = build_library([first], tmp_path / "lib").library
    assert library.taxonomy.name_of(library.taxonomy.at_rank(library.node, "family")[0]) == "Bidae"
    rows = [(f"b{i}", lineage("Aus bus"), bases(i)) for i in (2, 3)]
    library = add_to_library(tmp_path / "lib", [write(rows, "more.fasta")]).library
    families = {
        library.taxonomy.name_of(int(n)) for n in library.taxonomy.at_rank(library.node, "family")
    }
    assert families == {"Aidae"}
    problems = library.edition_folder / "taxonomy" / "problems.tsv"
    assert "genus Aus: family Aidae (2), family Bidae (1)" in problems.read_text()


def test_a_file_that_is_known_is_passed_over(small, library):
    before = content_hash(library.folder)
    done = add_to_library(library.folder, [small])
    assert (list(done.known), done.rejects, done.records) == ([small], None, 0)
    assert content_hash(library.folder) == before


@pytest.mark.parametrize("where", ["gathering", "parts", "header"])
def test_an_addition_that_breaks_off_leaves_the_library_as_it_was(
    where, library, write, tmp_path, monkeypatch
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = content_hash(library.folder)
    header = (library.folder / "library.json").read_bytes()
    parts = [stop] if where == "parts" else []
    target = {"gathering": "segment_of", "header": "write_json"}.get(where)
    more = write([("c1", lineage("Aus dus"), bases(30))], "more.fasta")
    with monkeypatch.context() as patch:
        if target:
            patch.setattr(build_module, target, stop)
        with pytest.raises(KeyboardInterrupt):
            add_to_library(library.folder, [more], parts=parts)
    assert (library.folder / "library.json").read_bytes() == header
    assert where == "header" or content_hash(library.folder) == before
    assert Library.open(library.folder).hash == library.hash
    assert names(add_to_library(library.folder, [more]).library)["c1"] == "Aus dus"


def test_a_build_that_breaks_off_leaves_nothing(small, tmp_path):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    there = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        build_library([small], tmp_path / "lib", parts=[stop])
    assert sorted(tmp_path.iterdir()) == there


def test_further_parts_see_the_finished_library_and_travel_with_it(small, tmp_path):
    def part(library: Library, segment: Path, edition: Path, _progress: object) -> None:
        (segment / "index.txt").write_text(str(len(library)))
        (edition / "fit.txt").write_text(library.sequence(0))
        assert library.header["counts"]["entries"] == 11

    library = build_library([small], tmp_path / "lib", parts=[part]).library
    assert (library.segment_folders[0] / "index.txt").read_text() == "11"
    assert (library.edition_folder / "fit.txt").read_text() == bases(1)


def test_what_cannot_be_taken_in_is_set_aside_with_its_line(tmp_path):
    path = tmp_path / "mixed.fasta"
    good = lineage("Aus bus")
    path.write_text(
        f">ok;tax={good};\n{bases(1)}\n>short;tax={good};\n{bases(1)[:49]}\n"
        f">protein;tax={good};\nMKLVPEQILFMKLVPEQILF\n>junk;tax={good};\n{'N' * 80}ACGT\n"
        f">bare;tax=k:unidentified;\n{bases(2)}\n>ok;tax={good};\n{bases(3)}\n"
    )
    done = build_library([path], tmp_path / "lib")
    lines = done.rejects.read_text().splitlines()
    assert lines[0] == "file\tline\tid\treason"
    found = [tuple(line.split("\t")[1:]) for line in lines[1:]]
    assert [(line, key) for line, key, _ in found] == [
        ("3", "short"), ("5", "protein"), ("7", "junk"), ("9", "bare"), ("11", "ok;tax=k:Animalia,"
         "p:Arthropoda,f:Aidae,g:Aus,s:Aus_bus;"),
    ]  # fmt: skip
    for (_, _, reason), told in zip(
        found, ("shorter than 50", "protein", "too few", "no name", "seen before"), strict=True
    ):
        assert told in reason
    assert sum(done.set_aside.values()) == 5
    assert "the id was seen before in this file" in done.set_aside
    assert done.library.records == 1


def test_exactly_fifty_called_bases_are_enough(write, tmp_path):
    path = write([("a", lineage("Aus bus"), "NN" + bases(1, 50) + "NNN")])
    assert build_library([path], tmp_path / "lib").library.sequence(0) == bases(1, 50)


def test_one_marker_alone(tmp_path):
    path = tmp_path / "table.csv"
    rows = [("a", "COI-5P", 1), ("b", "28S", 2), ("c", "", 3)]
    text = "processid,species,genus,marker,sequence\n"
    path.write_text(text + "".join(f"{k},Aus bus,Aus,{m},{bases(s)}\n" for k, m, s in rows))
    options = Options({"marker": "targetGene"})
    done = build_library([path], tmp_path / "all", settings=Settings(options=options))
    assert done.library.header["counts"]["markers"] == {"28S": 1, "COI-5P": 1}
    one = build_library(
        [path], tmp_path / "one", settings=Settings(options=options, marker="coi-5p")
    )
    assert names(one.library) == {"a": "Aus bus", "c": "Aus bus"}
    assert one.set_aside == {"another marker": 1}


def test_names_of_a_checklist(small, write, tmp_path):
    table = tmp_path / "checklist.csv"
    table.write_text(
        "kingdom,phylum,class,family,genus,species\n"
        "Animalia,Arthropoda,Insecta,Aidae,Aus,Aus bus\n"
        "Animalia,Arthropoda,Insecta,Aidae,Aus,Aus zus\n"
        "Animalia,Arthropoda,Insecta,Xidae,Xus,Xus yus\n"
        "Animalia,Arthropoda,Insecta,Bidae,,\n"
    )
    checklist = read_checklist(table)[0]
    other = write([("x", "k:Nowhere,g:Qus,s:Qus_rus", bases(40))], "other.fasta")
    done = build_library([small, other], tmp_path / "lib", checklist=checklist)
    found = names(done.library)
    assert found["a1"] == "Aus bus"
    assert found["a4"] == "Aus (Aus cus)"  # the checklist has no such species
    assert found["b3"] == "Bidae (b3)"
    assert done.set_aside == {"none of its names is in the checklist": 1}
    held = {done.library.taxonomy.name_of(n) for n in range(done.library.taxonomy.taxa)}
    assert held == {"Animalia", "Arthropoda", "Insecta", "Aidae", "Aus", "Aus bus", "Bidae"}
    more = write([("y", lineage("Aus zus"), bases(41))], "more.fasta")
    with pytest.raises(InputError, match="give that one with --taxonomy"):
        add_to_library(tmp_path / "lib", [more])
    added = add_to_library(tmp_path / "lib", [more], checklist=checklist).library
    assert names(added) == {**found, "y": "Aus zus"}
    plain = build_library([small], tmp_path / "plain").library
    with pytest.raises(InputError, match="without a checklist"):
        add_to_library(plain.folder, [more], checklist=checklist)


def test_labels_of_tables_are_read_as_everywhere(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(
        "processid,family,genus,species,bin_uri,sequence\n"
        + "".join(
            f"r{i},Aidae,{genus},{species},{bin_},{bases(i)}\n"
            for i, (genus, species, bin_) in enumerate([
                ("Aus", "Aus bus Linnaeus", ""), ("Aus", "Aus nr. bus", ""), ("", "Cus dus", ""),
                ("Aus", "Aus Rodriguez12", ""), ("None", "", "BOLD:AAB1234"), ("Aus", "Aus bus cus",
                 ""), ("unk", "unk", ""), ("Aus", "Aus bus?", ""), ("Aidae", "Aus", ""),
                ("Aus", "Aus Buseni", ""), ("Aus", "Aus", ""),
            ])
        )
    )  # fmt: skip
    assert names(build_library([path], tmp_path / "lib").library) == {
        "r0": "Aus bus", "r1": "Aus (Aus nr. bus)", "r2": "Cus dus", "r3": "Aus (Aus Rodriguez12)",
        "r4": "Aidae (BOLD:AAB1234)", "r5": "Aus bus", "r6": "Aidae (r6)",
        "r7": "Aus (Aus bus?)", "r8": "Aidae (Aus)", "r9": "Aus (Aus Buseni)", "r10": "Aus (r10)",
    }  # fmt: skip


def test_a_name_below_the_species_that_cannot_be_read_is_a_provisional_one(write, tmp_path):
    path = write([
        ("a", "f:Aidae,g:Aus,s:Aus_bus_f_sp__cus", bases(1)),
        ("b", "f:Aidae,g:Aus,s:Aus_bus_f_sp__cus", bases(2)),
        ("c", "f:Aidae,g:Aidae,s:unidentified", bases(3)),
    ])  # fmt: skip
    assert names(build_library([path], tmp_path / "lib").library) == {
        "a": "Aus (Aus bus f sp cus)", "b": "Aus (Aus bus f sp cus)", "c": "Aidae (c)",
    }  # fmt: skip


def test_what_the_user_can_put_right(small, library, tmp_path):
    out = tmp_path / "new"
    with pytest.raises(NotFoundError, match="no such reference"):
        build_library([tmp_path / "nothing.fasta"], out)
    with pytest.raises(InputError, match="`merian library add` adds to it"):
        build_library([small], library.folder)
    empty, protein, bare = (tmp_path / f"{n}.fasta" for n in ("empty", "protein", "bare"))
    empty.write_text("")
    protein.write_text(f">p;tax={lineage('Aus bus')};\n{'MKLVPEQILF' * 9}\n")
    bare.write_text(f">only an id\n{bases(1)}\n")
    for path, told in ((empty, "empty"), (protein, "protein"), (bare, "needs a lineage")):
        with pytest.raises(InputError, match=told):
            build_library([path], out)
        with pytest.raises(InputError, match=told):
            add_to_library(library.folder, [path])
    assert not out.exists()
    assert Library.open(library.folder).hash == library.hash
    (tmp_path / "folder").mkdir()
    with pytest.raises(FormatError, match="is no reference library"):
        Library.open(tmp_path / "folder")
    with pytest.raises(NotFoundError, match="no such library"):
        Library.open(tmp_path / "nowhere")
    with only_writer(library.folder), pytest.raises(InputError, match="another process"):
        add_to_library(library.folder, [small])


def test_a_table_without_sequences_says_so(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("processid,species,genbank\na,Aus bus,AB123456\n")
    options = Options({"genbank": "associatedSequences"})
    with pytest.raises(InputError, match=r"no sequence \(1\)"):
        build_library([path], tmp_path / "lib", settings=Settings(options=options))


def test_a_damaged_library_is_told(library):
    file = library.segment_folders[0] / "records.safetensors"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(FormatError, match="not a complete safetensors file"):
        Library.open(library.folder)
    header = library.folder / "library.json"
    said = json.loads(header.read_text())
    said["merian"]["format_version"] = "9.0"
    header.write_text(json.dumps(said))
    with pytest.raises(FormatError, match=r"this Merian reads 1\.x"):
        Library.open(library.folder)


def test_every_node_and_group_is_there(library):
    assert (library.node != NONE).all()
    assert np.array_equal(library.is_named(), library.unnamed == NONE)
    assert int(library.multiplicity.sum()) == library.records


def test_real_references(shared, tmp_path):
    path = shared / "dna" / "its_yeast_mycoai_test1" / "test1.fasta.gz"
    library = build_library([path], tmp_path / "lib").library
    assert library.records > 4000
    assert library.header["counts"]["taxa"]["species"] > 1000
    assert all(record.concept.startswith("SH") for record in library.records_of(7))
