"""Darwin Core Archives as checklists, with the tree that ChecklistBank makes of a real one."""

from __future__ import annotations

import duckdb
import pytest

from merian.errors import FormatError
from merian.taxonomy.build import build
from merian.taxonomy.checklists import read_usages

META = """<archive xmlns="http://rs.tdwg.org/dwc/text/"><core fieldsTerminatedBy="{delimiter}"
 fieldsEnclosedBy="{quote}" ignoreHeaderLines="1" rowType="http://rs.tdwg.org/dwc/terms/{core}">
 <files>{files}</files><id index="0"/>{fields}</core></archive>"""


@pytest.fixture
def con():
    return duckdb.connect()


def archive(folder, terms, *parts, delimiter="\t", quote="", core="Taxon", default=""):
    """Write an archive with a file a part."""
    fields = "".join(
        f'<field index="{i}" term="http://rs.tdwg.org/dwc/terms/{term}"/>'
        for i, term in enumerate(terms)
    )
    files = "".join(f"<location>t{i}.txt</location>" for i in range(len(parts)))
    folder.mkdir(exist_ok=True)
    (folder / "meta.xml").write_text(
        META.format(
            delimiter=delimiter.replace("\t", "\\t"),
            quote=quote.replace('"', "&quot;"),
            core=core,
            files=files,
            fields=fields + default,
        )
    )
    for i, rows in enumerate(parts):
        lines = [delimiter.join(terms), *(delimiter.join(row) for row in rows)]
        (folder / f"t{i}.txt").write_text("\n".join(lines) + "\n")
    return folder


def usages(con, *columns):
    return con.execute(f"SELECT {', '.join(columns)} FROM usage ORDER BY ordinal").fetchall()


LINKED = (
    "taxonID", "parentNameUsageID", "acceptedNameUsageID", "scientificName",
    "scientificNameAuthorship", "taxonRank", "taxonomicStatus",
)  # fmt: skip


def test_parents_and_synonyms_by_id(con, tmp_path):
    rows = [
        ("1", "1", "1", "Abies", "Mill.", "Genus", "accepted"),
        ("2", "1", "2", "Abies alba Mill.", "Mill.", "species", "accepted"),
        ("3", "1", "2", "Pinus picea", "L.", "species", "synonym"),
        ("4", "9", "", "Abies orba", "", "species", "accepted"),
        ("5", "1", "", "Abies nuda", "", "species", "unaccepted"),
    ]
    source = read_usages(archive(tmp_path, LINKED, rows), con)
    assert source.kind == "dwca"
    assert usages(
        con, "id", "parentID", "acceptedID", "name", "authorship", "rank", "status", "line"
    ) == [
        ("1", None, None, "Abies", "Mill.", "genus", "accepted", 2),
        ("2", "1", None, "Abies alba", "Mill.", "species", "accepted", 3),
        ("3", None, "2", "Pinus picea", "L.", "species", "synonym", 4),
        ("4", "9", None, "Abies orba", None, "species", "accepted", 5),
    ]
    assert con.execute("SELECT line, id, content FROM problem").fetchall() == [
        (6, "5", "Abies nuda")
    ]


def test_quotes_defaults_and_several_files(con, tmp_path):
    terms = ("taxonID", "scientificName", "taxonRank")
    folder = archive(
        tmp_path,
        terms,
        [("1", '"Abies, the fir"', "")],
        [("2", "Picea", "genus")],
        delimiter=",",
        quote='"',
        default='<field term="http://rs.tdwg.org/dwc/terms/nomenclaturalCode" default="ICN"/>'
        '<field index="2" term="http://rs.tdwg.org/dwc/terms/x"/>',
    )
    read_usages(folder, con)
    assert usages(con, "ordinal", "id", "name", "rank", "code", "file", "line") == [
        (0, "1", "Abies, the fir", None, "icn", "t0.txt", 2),
        (1, "2", "Picea", "genus", "icn", "t1.txt", 2),
    ]


def test_links_by_name_alone(con, tmp_path):
    terms = ("taxonID", "scientificName", "parentNameUsage", "acceptedNameUsage", "taxonomicStatus")
    rows = [
        ("1", "Abies Mill.", "", "", "accepted"),
        ("2", "Abies alba Mill.", "Abies Mill.", "Abies alba Mill.", "accepted"),
        ("3", "Pinus picea L.", "", "Abies alba Mill.", "synonym"),
    ]
    read_usages(archive(tmp_path, terms, rows), con)
    assert usages(con, "id", "parentID", "acceptedID") == [
        ("1", None, None),
        ("2", "1", None),
        ("3", None, "2"),
    ]


FLAT = (
    "taxonID", "scientificName", "taxonRank", "kingdom", "family", "genus", "specificEpithet",
    "infraspecificEpithet",
)  # fmt: skip


def test_a_flat_list(con, tmp_path):
    rows = [
        ("1", "Abies alba", "species", "Plantae", "Pinaceae", "Abies", "alba", ""),
        (
            "2",
            "Abies alba borisii",
            "subspecies",
            "Plantae",
            "Pinaceae",
            "Abies",
            "alba",
            "borisii",
        ),
        ("3", "Oenanthe aquatica", "species", "Plantae", "Apiaceae", "Oenanthe", "aquatica", ""),
        ("4", "Oenanthe oenanthe", "species", "Animalia", "", "Oenanthe", "oenanthe", ""),
        ("5", "Pinaceae", "family", "Plantae", "Pinaceae", "", "", ""),
    ]
    source = read_usages(archive(tmp_path, FLAT, rows), con)
    parents = dict(usages(con, "id", "parentID"))
    assert parents == {
        "1": "genus:Abies",
        "2": "1",
        "3": "genus:Oenanthe (Plantae)",
        "4": "genus:Oenanthe (Animalia)",
        "5": "kingdom:Plantae",
        "kingdom:Animalia": None,
        "kingdom:Plantae": None,
        "family:Apiaceae": "kingdom:Plantae",
        "genus:Abies": "5",
        "genus:Oenanthe (Animalia)": "kingdom:Animalia",
        "genus:Oenanthe (Plantae)": "family:Apiaceae",
    }
    assert any("contradict themselves: 1" in note for note in source.notes)
    assert con.execute("SELECT name, kind FROM conflict").fetchall() == [("Oenanthe", "homonym")]


def test_records_are_no_checklist(con, tmp_path):
    folder = archive(
        tmp_path, ("occurrenceID", "scientificName"), [("1", "Abies")], core="Occurrence"
    )
    with pytest.raises(FormatError, match="its core is Occurrence"):
        read_usages(folder, con, "dwca")
    with pytest.raises(FormatError, match="no checklist that is known"):
        read_usages(folder, con)


def test_columns_that_are_missing(con, tmp_path):
    folder = archive(tmp_path, ("taxonID", "taxonRank"), [("1", "genus")])
    with pytest.raises(FormatError, match="has no column scientificName"):
        read_usages(folder, con, "dwca")


# --- real archives ------------------------------------------------------------------------------


def paths_to_root(con):
    """Return each usage as its label and those of all above it."""
    rows = con.execute(
        "SELECT id, parentID, acceptedID, trim(name || ' ' || coalesce(authorship, '')), "
        "coalesce(rank, 'unranked') FROM usage"
    ).fetchall()
    known = {row[0]: row for row in rows}

    def path(row):
        mark = "=" if row[2] else ""
        above = known.get(row[2] or row[1])
        return [*(path(above) if above else []), f"{mark}{row[3]} [{row[4]}]"]

    return sorted(path(row) for row in rows)


def test_the_tree_of_worms_is_the_one_expected(shared):
    folder = shared / "taxonomy/worms_dwca_sample/dwca/10"
    con, expected = duckdb.connect(), duckdb.connect()
    source = read_usages(folder, con)
    assert read_usages(folder / "expected.tree", expected).kind == "txtree"
    found = paths_to_root(con)
    assert len(found) == 154
    assert found == paths_to_root(expected)
    bare = (folder / "expected-barenames.txt").read_text().split("\n")
    left = con.execute("SELECT content FROM problem ORDER BY line").fetchall()
    assert [name for (name,) in left] == [line.split(" [")[0] for line in bare]
    taxonomy, report = build(con, source.title, source.version)
    assert (taxonomy.taxa, report.synonyms) == (142, 12)
    assert set(report.by_reason()) == {"not accepted, and no accepted name is given; set aside"}


def test_an_archive_without_meta_xml(con, shared):
    source = read_usages(shared / "taxonomy/worms_fathomnet/faketree", con)
    taxonomy, report = build(con, source.title, source.version)
    assert source.kind == "dwca"
    assert (taxonomy.taxa, report.synonyms) == (298, 24)
    prefix = "urn:lsid:marinespecies.org:taxname:"
    assert (f"{prefix}2", f"{prefix}1", "Animalia", "kingdom") in usages(
        con, "id", "parentID", "name", "rank"
    )
