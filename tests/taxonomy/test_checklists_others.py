"""NCBI, EcoTaxa, tables of ranks, text trees, ChecklistBank's CSV."""

from __future__ import annotations

import shutil
import tarfile
import zipfile

import duckdb
import pytest

from merian.errors import FormatError
from merian.taxonomy.build import build
from merian.taxonomy.checklists import read_usages


@pytest.fixture
def con():
    return duckdb.connect()


def usages(con, *columns):
    return con.execute(f"SELECT {', '.join(columns)} FROM usage ORDER BY ordinal").fetchall()


def built(con, path, kind=None):
    source = read_usages(path, con, kind)
    taxonomy, report = build(con, source.title, source.version)
    return source, taxonomy.taxa, report.synonyms, report.by_reason()


# --- NCBI ---------------------------------------------------------------------------------------


def dump(*rows):
    return "".join("\t|\t".join(row) + "\t|\n" for row in rows)


@pytest.fixture
def taxdump(tmp_path):
    folder = tmp_path / "taxdump"
    folder.mkdir()
    (folder / "nodes.dmp").write_text(
        dump(
            ("1", "1", "no rank", "", "8"),
            ("9605", "1", "genus", "", "5"),
            ("9606", "9605", "species", "HS", "5"),
        )
        + "broken\n"
    )
    (folder / "names.dmp").write_text(
        dump(
            ("1", "root", "", "scientific name"),
            ("9605", "Homo", "", "scientific name"),
            ("9605", "Homo Linnaeus, 1758", "", "authority"),
            ("9605", "humans", "", "common name"),
            ("9606", "Homo sapiens", "", "scientific name"),
            ("9606", "Homo sapiens Linnaeus, 1758", "", "authority"),
            ("9606", "human", "", "genbank common name"),
            ("9606", "Homo diurnus", "", "synonym"),
            ("9606", "Homo diurnus Linnaeus, 1758", "", "authority"),
            ("9606", "Homo diurnus", "", "equivalent name"),
            ("9606", "Homo sapines", "", "misspelling"),
            ("9606", "Homo", "Homo <part>", "in-part"),
        )
    )
    (folder / "merged.dmp").write_text(dump(("12", "9606")))
    (folder / "delnodes.dmp").write_text(dump(("13",)))
    (folder / "division.dmp").write_text(dump(("0", "BCT", "Bacteria", "")))
    return folder


def packed(folder, how, target):
    if how == "folder":
        return folder
    if how == "zip":
        with zipfile.ZipFile(target / "taxdump.zip", "w") as archive:
            for file in folder.iterdir():
                archive.write(file, f"inside/{file.name}")
        return target / "taxdump.zip"
    with tarfile.open(target / "taxdump.tar.gz", "w:gz") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)
    return target / "taxdump.tar.gz"


@pytest.mark.parametrize("how", ["folder", "zip", "tar"])
def test_a_taxdump(con, taxdump, tmp_path, how):
    source = read_usages(packed(taxdump, how, tmp_path), con)
    assert (source.kind, source.title, source.problems) == ("ncbi", "NCBI Taxonomy", 1)
    assert usages(con, "id", "parentID", "acceptedID", "name", "authorship", "rank", "status") == [
        ("1", None, None, "root", None, "no rank", "accepted"),
        ("9605", "1", None, "Homo", "Linnaeus, 1758", "genus", "accepted"),
        ("9606", "9605", None, "Homo sapiens", "Linnaeus, 1758", "species", "accepted"),
        ("9606:Homo diurnus", None, "9606", "Homo diurnus", "Linnaeus, 1758", "species", "synonym"),
        ("9606:Homo sapines", None, "9606", "Homo sapines", None, "species", "misspelling"),
    ]
    assert con.execute("SELECT * FROM alias ORDER BY id").fetchall() == [
        ("12", "9606"),
        ("13", None),
    ]
    problem = con.execute("SELECT file, line, content FROM problem").fetchall()
    assert problem == [("nodes.dmp", 4, "broken")]
    taxonomy, report = build(con, source.title, source.version)
    assert (taxonomy.taxa, report.synonyms) == (3, 2)


def test_a_taxdump_without_names(con, taxdump):
    (taxdump / "names.dmp").unlink()
    with pytest.raises(FormatError, match=r"has no names\.dmp"):
        read_usages(taxdump, con, "ncbi")


def test_nodes_as_a_table(con, tmp_path):
    path = tmp_path / "nodes.tsv"
    path.write_text(
        "tax_id\tparent_tax_id\trank\tscientific_name\n1\t1\tno_rank\troot\n2\t1\tdomain\tBacteria\n"
    )
    assert read_usages(path, con).kind == "ncbi"
    assert usages(con, "id", "parentID", "name", "rank") == [
        ("1", None, "root", "no rank"),
        ("2", "1", "Bacteria", "domain"),
    ]


def test_the_real_subset(con, shared):
    path = shared / "taxonomy/ncbi_2024_09/ncbi_taxonomy_subset.tsv.gz"
    source, taxa, synonyms, reasons = built(con, path)
    assert (source.kind, taxa, synonyms, reasons) == ("ncbi", 94_151, 0, {})


# --- EcoTaxa ------------------------------------------------------------------------------------


def test_categories(con, tmp_path):
    path = tmp_path / "tree.tsv"
    path.write_text(
        "id\tparent_id\tname\tdisplay_name\trank\taphia_id\ttaxotype\ttaxostatus\trename_to\n"
        "1\t\tBiota\tBiota\tSuperdomain\t1\tP\tA\t\n"
        "2\t1\tCopepoda\tCopepoda<Biota\t\t1080\tP\tA\t\n"
        "3\t2\tnauplius\tnauplius<Copepoda\t\t\tM\tA\t\n"
        "4\t1\tCopepods\tCopepods\t\t\tP\tD\t2\n"
        "5\t4\tCalanus\tCalanus\tGenus\t\tP\tN\t\n"
        "6\t1\tOld\tOld\t\t\tP\tD\t\n"
    )
    source, taxa, synonyms, reasons = built(con, path)
    assert source.kind == "ecotaxa"
    assert usages(con, "id", "parentID", "acceptedID", "name", "rank", "status") == [
        ("1", None, None, "Biota", "superdomain", "accepted"),
        ("2", "1", None, "Copepoda", None, "accepted"),
        ("3", "2", None, "nauplius<Copepoda", None, "morphological"),
        ("4", None, "2", "Copepods", None, "synonym"),
        ("5", "4", None, "Calanus", "genus", "not reviewed"),
        ("6", "1", None, "Old", None, "deprecated"),
    ]
    assert (taxa, synonyms) == (5, 1)
    assert reasons == {"parent is a synonym; placed under its accepted name": 1}


def test_the_real_categories(con, shared):
    source, taxa, synonyms, reasons = built(con, shared / "taxonomy/ecotaxa/ecotaxa_taxonomy.tsv")
    assert "no taxa: 65; renamed: 50; deprecated and not renamed: 58" in source.notes[0]
    assert (taxa, synonyms) == (8_177, 46)
    assert reasons["parent is not in the checklist; kept as a root"] == 1_374
    assert reasons["synonym of a name that is not in the checklist; set aside"] == 4
    homonyms = con.execute("SELECT count(*) FROM usage WHERE name = 'Ctenophora'").fetchall()
    assert homonyms == [(3,)]


# --- tables of ranks ----------------------------------------------------------------------------


def test_a_table_of_ranks(con, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(
        "sampleid,phylum_name,Family,genus_name,species\n"
        "1,Arthropoda,Culicidae,Aedes,Aedes aegypti\n"
        "2,Arthropoda,Culicidae,Aedes,None\n"
        "3,Arthropoda,,not_classified,\n"
        "4,Arthropoda,Cicadidae,Aedes,Aedes albopictus\n"
    )
    source = read_usages(path, con)
    assert (source.kind, source.title) == ("ranks", "labels")
    assert usages(con, "id", "parentID", "name", "rank") == [
        ("phylum:Arthropoda", None, "Arthropoda", "phylum"),
        ("family:Cicadidae", "phylum:Arthropoda", "Cicadidae", "family"),
        ("family:Culicidae", "phylum:Arthropoda", "Culicidae", "family"),
        ("genus:Aedes", "family:Culicidae", "Aedes", "genus"),
        ("species:Aedes aegypti", "genus:Aedes", "Aedes aegypti", "species"),
        ("species:Aedes albopictus", "genus:Aedes", "Aedes albopictus", "species"),
    ]
    assert con.execute("SELECT name, parents, kept FROM conflict").fetchall() == [
        ("Aedes", "family Culicidae (2), family Cicadidae (1)", "family Culicidae")
    ]


def test_a_table_without_ranks(con, tmp_path):
    (tmp_path / "a.csv").write_text("colour,shape\nred,round\n")
    with pytest.raises(FormatError, match="no column that is called as a rank"):
        read_usages(tmp_path / "a.csv", con, "ranks")


# --- text trees ---------------------------------------------------------------------------------


def test_a_text_tree(con, tmp_path):
    path = tmp_path / "a.txtree"
    path.write_text(
        "# conifers\n"
        "Abies Mill. [genus] # fir\n"
        "  =Picea D.Don [genus]\n"
        "  †Abies fossilis [species] {ID=x7 LINK=there}\n"
        "  ?Abies dubia\n"
        "    ≡*Pinus dubia L. [species]\n"
        "\n"
        "[unassigned] Pulmonata [order]\n"
        "  [Toleria] aegerides [species]\n"
        "   [species]\n",
    )
    source = read_usages(path, con)
    assert usages(con, "id", "parentID", "acceptedID", "name", "rank", "status", "line") == [
        ("2", None, None, "Abies Mill.", "genus", "accepted", 2),
        ("3", None, "2", "Picea D.Don", "genus", "synonym", 3),
        ("x7", "2", None, "Abies fossilis", "species", "accepted", 4),
        ("5", "2", None, "Abies dubia", None, "provisionally accepted", 5),
        ("6", None, "5", "Pinus dubia L.", "species", "synonym", 6),
        ("8", None, None, "[unassigned] Pulmonata", "order", "accepted", 8),
        ("9", "8", None, "[Toleria] aegerides", "species", "accepted", 9),
    ]
    assert source.problems == 1
    assert con.execute("SELECT line FROM problem").fetchall() == [(10,)]


def test_a_synonym_of_nothing_is_set_aside(con, tmp_path):
    path = tmp_path / "a.txtree"
    path.write_text("=Picea [genus]\nAbies [genus]\n")
    assert read_usages(path, con).problems == 1
    assert usages(con, "name") == [("Abies",)]


@pytest.mark.parametrize(
    ("name", "names", "synonyms"),
    [
        ("102", 25_181, 11_246), ("103", 5_930, 2_362), ("104", 1_578, 473), ("107", 448, 109),
        ("108", 234, 0),
    ],
)  # fmt: skip
def test_the_real_text_trees(con, shared, name, names, synonyms):
    path = shared / f"taxonomy/col_checklistbank/xcol/{name}.txtree"
    source, taxa, found, reasons = built(con, path)
    assert source.kind == "txtree"
    assert (taxa + found, found, reasons) == (names, synonyms, {})


# --- ChecklistBank ------------------------------------------------------------------------------


def test_the_real_tables_of_checklistbank(con, shared):
    folder = shared / "taxonomy/col_checklistbank/test-data/xcol"
    source, taxa, synonyms, reasons = built(con, folder / "name_usage_103.csv")
    assert (source.kind, source.title) == ("checklistbank", "ChecklistBank 103")
    assert (taxa, synonyms, reasons) == (13_935, 11_246, {})
    with pytest.raises(FormatError, match="2 files name_usage"):
        read_usages(folder, con, "checklistbank")
    # The mammals of the text tree are these, written another way.
    read_usages(folder / "name_usage_103.csv", con)
    tables = {"".join(filter(None, row)) for row in usages(con, "name", "authorship")}
    read_usages(shared / "taxonomy/col_checklistbank/xcol/102.txtree", con)
    labels = {name.replace(" ", "") for (name,) in usages(con, "name")}
    # Some authorships are put another way.
    assert len(labels) == 25_072
    assert len(labels & {name.replace(" ", "") for name in tables}) == 24_945


def test_usages_without_their_names(con, shared, tmp_path):
    source = shared / "taxonomy/col_checklistbank/test-data/xcol/name_usage_104.csv"
    shutil.copyfile(source, tmp_path / source.name)
    with pytest.raises(FormatError, match=r"has no name_104\.csv beside it"):
        read_usages(tmp_path / source.name, con, "checklistbank")
