"""Catalogue of Life Data Packages: both layouts, all spellings, the real samples."""

from __future__ import annotations

import gzip
import json
import zipfile

import duckdb
import pytest

from merian.errors import FormatError
from merian.taxonomy.build import build
from merian.taxonomy.checklists import read_usages


@pytest.fixture
def con():
    return duckdb.connect()


def write(folder, **files):
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        (folder / f"{stem.replace('__', '-')}.{suffix}").write_text(content)
    return folder


def usages(con, *columns):
    listed = ", ".join(columns)
    return con.execute(f"SELECT {listed} FROM usage ORDER BY ordinal").fetchall()


def problems(con):
    return con.execute("SELECT file, line, id, reason FROM problem ORDER BY ALL").fetchall()


def test_all_in_one_table(con, tmp_path):
    write(
        tmp_path,
        NameUsage_tsv="ID\tparentID\tstatus\trank\tscientificName\tauthorship\tcode\n"
        "g\t\taccepted\tGenus\tAbies\tMill.\tICN\n"
        "a\tg\tAccepted\tspecies\tAbies alba Mill.\tMill.\tICN\n"
        "p\ta\tsynonym\tspecies\tPinus picea\tL.\tICN\n"
        "m\ta\tmisapplied\tspecies\tPinus abies\tauct.\t\n"
        "b\t\tbare name\tspecies\tAbies nuda\t\t\n"
        "o\tnowhere\tprovisionally accepted\tspecies\tAbies orba\t\t\n",
    )
    source = read_usages(tmp_path, con)
    assert (source.kind, source.title, source.problems) == ("coldp", tmp_path.name, 1)
    assert usages(
        con, "id", "parentID", "acceptedID", "name", "authorship", "rank", "status", "code", "line"
    ) == [
        ("g", None, None, "Abies", "Mill.", "genus", "accepted", "icn", 2),
        ("a", "g", None, "Abies alba", "Mill.", "species", "accepted", "icn", 3),
        ("p", None, "a", "Pinus picea", "L.", "species", "synonym", "icn", 4),
        ("m", None, "a", "Pinus abies", "auct.", "species", "misapplied", None, 5),
        ("o", "nowhere", None, "Abies orba", None, "species", "provisionally accepted", None, 7),
    ]
    assert problems(con) == [
        ("NameUsage.tsv", 6, "b", "bare name: used for no taxon and no synonym; left out")
    ]


def test_names_taxa_and_synonyms_apart(con, tmp_path):
    write(
        tmp_path,
        names_tsv="ID\tscientificName\tauthorship\trank\n1\tAbies\t\tgenus\n2\tAbies alba\tMill.\t"
        "species\n3\tPinus picea\tL.\tspecies\n4\tAbies nuda\t\tspecies\n",
        taxa_tsv="ID\tparentID\tnameID\tprovisional\nt1\t\t1\tfalse\nt2\tt1\t2\ttrue\nt9\tt1\t99\t\n",
        synonyms_tsv="taxonID\tnameID\tstatus\nt2\t3\t\nt1\t3\tambiguous synonym\nt2\t98\t\n",
    )
    read_usages(tmp_path, con)
    assert usages(con, "id", "parentID", "acceptedID", "name", "status", "file", "line") == [
        ("t1", None, None, "Abies", "accepted", "taxa.tsv", 2),
        ("t2", "t1", None, "Abies alba", "provisionally accepted", "taxa.tsv", 3),
        # A synonym of two taxa is two rows with ids of their own.
        ("t2:3", None, "t2", "Pinus picea", "synonym", "synonyms.tsv", 2),
        ("t1:3", None, "t1", "Pinus picea", "ambiguous synonym", "synonyms.tsv", 3),
    ]
    lost = "points to a name that is not in the table of names"
    assert problems(con) == [
        ("names.tsv", 5, "4", "bare name: used for no taxon and no synonym; left out"),
        ("synonyms.tsv", 4, "t2:98", lost),
        ("taxa.tsv", 4, "t9", lost),
    ]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("name-usage.tsv", "id\tparentid\tscientificname"),
        ("NAME_USAGE.TXT", "col:ID\tcol:parentId\tcol:scientificName"),
        ("nameusages.csv", "ID,parent_id,Scientific Name"),
        ("Name Usage.csv", '"ID";"parentID";"scientificName"'),
    ],
)
def test_spellings(con, tmp_path, name, header):
    split = next(mark for mark in "\t;," if mark in header)
    rows = [["1", "", "Abies"], ["2", "1", "Abies alba"]]
    text = "\n".join([header, *(split.join(row) for row in rows)])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_text(text)
    assert read_usages(tmp_path, con).kind == "coldp"
    assert usages(con, "id", "parentID", "name") == [("1", None, "Abies"), ("2", "1", "Abies alba")]
    assert read_usages(tmp_path / "data" / name, con).kind == "coldp"


def test_a_name_in_parts(con, tmp_path):
    write(
        tmp_path,
        NameUsage_tsv="ID\trank\tscientificName\tuninomial\tgenericName\tinfragenericEpithet\t"
        "specificEpithet\tinfraspecificEpithet\tcultivarEpithet\n"
        "1\tgenus\t\tAbies\t\t\t\t\t\n"
        "2\tspecies\t\t\tAbies\t\talba\t\t\n"
        "3\tsubspecies\t\t\tAbies\t\talba\tborisii\t\n"
        "4\tsubgenus\t\t\tAbies\tPiceaster\t\t\t\n"
        "5\tspecies\t\t\tAbies\tPiceaster\talba\t\t\n"
        "6\tcultivar\t\t\tAbies\t\talba\t\tPendula\n"
        "7\tspecies\tAbies whole\t\tAbies\t\tother\t\t\n",
    )
    read_usages(tmp_path, con)
    assert [name for (name,) in usages(con, "name")] == [
        "Abies",
        "Abies alba",
        "Abies alba borisii",
        "Abies (Piceaster)",
        "Abies alba",
        "Abies alba 'Pendula'",
        "Abies whole",
    ]


def test_parents_in_columns(con, tmp_path):
    write(
        tmp_path,
        NameUsage_tsv="ID\tparentID\tstatus\trank\tscientificName\tkingdom\torder\tfamily\tgenus\n"
        "g\t\taccepted\tgenus\tAbies\tPlantae\tPinales\tPinaceae\tAbies\n"
        "s\t\taccepted\tspecies\tAbies alba\tPlantae\tPinales\tPinaceae\tAbies\n"
        "x\tg\taccepted\tspecies\tAbies grandis\tPlantae\tPinales\tPinaceae\tAbies\n"
        "y\ts\tsynonym\tspecies\tPinus picea\t\t\t\t\n"
        "u\t\taccepted\tsuperfamily\tPinoidea\tPlantae\tPinales\tPinaceae\t\n"
        "w\t\taccepted\tspecies\tPicea abies\tPlantae\t\tPinaceae\tPicea\n",
    )
    source = read_usages(tmp_path, con)
    assert usages(con, "id", "parentID") == [
        ("g", "family:Pinaceae"),
        ("s", "g"),
        ("x", "g"),
        ("y", None),
        ("u", "order:Pinales"),
        ("w", "genus:Picea"),
        ("kingdom:Plantae", None),
        ("order:Pinales", "kingdom:Plantae"),
        ("family:Pinaceae", "order:Pinales"),
        ("genus:Picea", "family:Pinaceae"),
    ]
    assert any("higher taxa added: 4" in note for note in source.notes)


def test_columns_do_not_speak_where_parents_do(con, tmp_path):
    write(
        tmp_path,
        NameUsage_tsv="ID\tparentID\trank\tscientificName\tfamily\n"
        "f\t\tfamily\tPinaceae\tPinaceae\ng\tf\tgenus\tAbies\tTaxaceae\n",
    )
    assert read_usages(tmp_path, con).notes == ()
    assert usages(con, "id", "parentID") == [("f", None), ("g", "f")]


def test_parents_given_by_name(con, tmp_path):
    write(
        tmp_path,
        NameUsage_tsv="ID\tparentID\trank\tscientificName\n1\t\tgenus\tAbies\n2\tAbies\tspecies\t"
        "Abies alba\n3\tPicea\tspecies\tPicea abies\n",
    )
    notes = read_usages(tmp_path, con).notes
    assert usages(con, "id", "parentID") == [("1", None), ("2", "1"), ("3", "Picea")]
    assert notes == ("1 parents are given by name and not by id",)


def test_title_and_version(con, tmp_path):
    usage = "ID\tscientificName\n1\tAbies\n"
    write(tmp_path, NameUsage_tsv=usage)
    (tmp_path / "metadata.yaml").write_text(
        "# a comment\nalias: short\ntitle: 'A list: of names'\ndescription: |\n  title: no\n"
        "issued: 2024-01-02\ncontact:\n  title: Dr\n"
    )
    source = read_usages(tmp_path, con)
    assert (source.title, source.version) == ("A list: of names", "2024-01-02")
    (tmp_path / "metadata.yaml").unlink()
    (tmp_path / "metadata.json").write_text(json.dumps({"title": "In JSON", "version": 3}))
    source = read_usages(tmp_path, con)
    assert (source.title, source.version) == ("In JSON", "3")


def test_a_zip_and_a_gzip(con, tmp_path):
    usage = "ID\tscientificName\n1\tAbies\n"
    with zipfile.ZipFile(tmp_path / "list.zip", "w") as packed:
        packed.writestr("top/NameUsage.tsv", usage)
        packed.writestr("top/metadata.yaml", "title: Packed\n")
        packed.writestr("top/Reference.tsv", "not needed")
    source = read_usages(tmp_path / "list.zip", con)
    assert (source.kind, source.title) == ("coldp", "Packed")
    assert usages(con, "id", "name", "file") == [("1", "Abies", "NameUsage.tsv")]


def test_several_packages_are_not_guessed_between(con, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, NameUsage_tsv="ID\tscientificName\n1\tAbies\n")
    with pytest.raises(FormatError, match=r"several packages \(a, b"):
        read_usages(tmp_path, con, "coldp")


def test_columns_that_are_missing(con, tmp_path):
    write(tmp_path, NameUsage_tsv="scientificName\trank\nAbies\tgenus\n")
    with pytest.raises(FormatError, match=r"NameUsage\.tsv:1: has no column id"):
        read_usages(tmp_path, con, "coldp")


def test_circles_and_orphans_reach_the_build(con, tmp_path):
    write(
        tmp_path,
        NameUsage_tsv="ID\tparentID\tstatus\trank\tscientificName\na\tb\taccepted\tgenus\tAbies\n"
        "b\ta\taccepted\tgenus\tPicea\nc\tnowhere\taccepted\tgenus\tPinus\n"
        "d\tnowhere\tsynonym\tgenus\tLarix\ne\t\tsynonym\tgenus\tTsuga\n",
    )
    source = read_usages(tmp_path, con)
    taxonomy, report = build(con, source.title, source.version)
    assert (taxonomy.taxa, report.synonyms) == (3, 0)
    assert sorted(report.by_reason().values()) == [1, 1, 1, 1]


# --- the real samples ---------------------------------------------------------------------------

# What each holds after reading: taxa and synonyms of the built tree. 20 has bare names alone and
# 32 has references alone.
SAMPLES = {
    "0": (24, 5), "1": (19, 5), "2": (4, 3), "3": (3, 0), "4": (4, 1), "5": (1, 0), "6": (1, 0),
    "7": (25, 5), "8": (4, 4), "9": (3, 1), "11": (13, 2), "13": (2, 0), "15": (3, 1),
    "16": (5, 0), "17": (1, 0), "18": (13, 5), "21": (4, 0), "22": (6, 0), "23": (15, 0),
    "25": (3, 1), "28": (45, 1), "30": (50, 27), "33": (1, 0), "36": (1, 0), "43": (11, 3),
    "44": (2, 1), "bibtex": (1, 0),
}  # fmt: skip


@pytest.fixture(scope="session")
def samples(shared):
    return shared / "taxonomy/col_coldp_samples/importer/src/test/resources/coldp"


@pytest.mark.parametrize(("name", "counts"), SAMPLES.items())
def test_a_sample_is_built(con, samples, name, counts):
    source = read_usages(samples / name, con, "coldp")
    taxonomy, report = build(con, source.title, source.version)
    assert (taxonomy.taxa, report.synonyms) == counts


def test_every_sample_is_read_or_refused_with_a_reason(samples):
    refused = {}
    for folder in sorted(samples.iterdir()):
        con = duckdb.connect()
        try:
            source = read_usages(folder, con, "coldp")
            build(con, source.title, source.version)
        except FormatError as error:
            refused[folder.name] = str(error)
    assert set(refused) == {"20", "32"}
    assert "holds no names (2 rows set aside)" in refused["20"]
    assert "holds no NameUsage and no Name table" in refused["32"]


def test_the_first_sample_name_by_name(con, samples):
    source = read_usages(samples / "0", con)
    assert source.title == "ColDP Example. The full dataset title"
    assert source.version.startswith("v.48")
    rows = {row[0]: row[1:] for row in usages(con, "id", "parentID", "name", "authorship", "rank")}
    assert rows["1001"] == ("101", "Crepis bakeri", "Greene", "species")
    # Two taxon concepts of one name.
    assert (
        rows["Hind2013"] == rows["Jarvis2007"] == ("110", "Gundelia tournefortii", "L.", "species")
    )
    synonyms = con.execute("SELECT name, acceptedID FROM usage WHERE acceptedID IS NOT NULL")
    assert set(synonyms.fetchall()) == {
        ("Viridae", "1"),
        ("Compositae", "10"),
        ("Leontodon leysseri", "1006"),
        ("Leontodon saxatilis", "1006"),
        ("Leonida taraxacoida", "1006"),
    }
    expected = (samples / "0/expected-barenames.txt").read_text().split("\n")
    bare = con.execute("SELECT content FROM problem ORDER BY 1").fetchall()
    assert [name for (name,) in bare] == sorted(e.split(" [")[0] for e in expected if e)


def test_synonyms_without_a_parent_are_the_bare_names_that_are_expected(con, samples):
    source = read_usages(samples / "18", con)
    _, report = build(con, source.title, source.version)
    expected = (samples / "18/expected-barenames.txt").read_text().split("\n")
    left = [p.content for p in report.problems if "no accepted name" in p.reason]
    assert len(left) == len([e for e in expected if e])
    assert all(any(e.startswith(name) for e in expected) for name in left)


def test_line_breaks_inside_a_field_cost_only_themselves(con, shared):
    folder = shared / "taxonomy/col_coldp_samples/reader/src/test/resources/coldp/stray"
    source = read_usages(folder, con)
    assert len(usages(con, "id")) == 32
    assert source.problems == 5
    assert ("23341", "Porrotha", 39) in usages(con, "id", "name", "line")


def test_a_packed_table_is_read(con, tmp_path):
    folder = tmp_path / "list"
    folder.mkdir()
    with gzip.open(folder / "NameUsage.tsv", "wt") as stream:
        stream.write("ID\tscientificName\n1\tAbies\n")
    read_usages(folder, con)
    assert usages(con, "id", "name") == [("1", "Abies")]
