"""Darwin Core Archives: what meta.xml says, and what it must not be able to do."""

from __future__ import annotations

import gc
import io
import tarfile
import zipfile

import pytest

from merian.dwc_archive import unpack
from merian.errors import FormatError, NotFoundError
from merian.unpacking import Scratch, untar, unzip

META = """<?xml version="1.0"?>
<archive xmlns="http://rs.tdwg.org/dwc/text/">
  <core encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy=""
        ignoreHeaderLines="1" rowType="http://rs.tdwg.org/dwc/terms/Taxon">
    <files><location>taxon.txt</location></files>
    <id index="0"/>
    <field index="0" term="http://rs.tdwg.org/dwc/terms/taxonID"/>
    <field index="2" term="http://rs.tdwg.org/dwc/terms/scientificName"/>
    <field index="3" term="http://purl.org/dc/terms/license" default="CC0"/>
    <field term="http://rs.tdwg.org/dwc/terms/kingdom" default="Plantae"/>
    <field index="2" term="http://rs.tdwg.org/dwc/terms/acceptedNameUsage"/>
  </core>
  <extension encoding="ISO-8859-1" rowType="http://rs.gbif.org/terms/1.0/VernacularName">
    <files><location>names/common.csv</location></files>
    <coreid index="1"/>
    <field index="0" term="http://rs.tdwg.org/dwc/terms/vernacularName"/>
  </extension>
</archive>"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a" / "names").mkdir(parents=True)
    (tmp_path / "a" / "meta.xml").write_text(META)
    (tmp_path / "a" / "taxon.txt").write_text("id\tx\tname\tlicence\tmore\n1\t\tAbies\t\t\n")
    (tmp_path / "a" / "names" / "common.csv").write_text("fir,1\n")
    return tmp_path / "a"


def zipped(folder, target, prefix=""):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                packed.write(file, prefix + str(file.relative_to(folder)))
    return target


def test_a_folder(folder):
    with unpack(folder) as archive:
        core, (names,) = archive.core, archive.extensions
    assert core.row_type == "Taxon"
    assert core.paths == (folder / "taxon.txt",)
    assert core.columns == ("taxonID", "", "scientificName", "license", "")
    assert core.defaults == {"license": "CC0", "kingdom": "Plantae"}
    assert core.copies == {"acceptedNameUsage": "scientificName"}
    assert (core.delimiter, core.quote, core.header_lines, core.id_column) == ("\t", "", 1, 0)
    assert core.encoding == "utf-8-sig"
    assert names.row_type == "VernacularName"
    assert names.paths == (folder / "names" / "common.csv",)
    # What is not said is as the standard says.
    assert (names.delimiter, names.quote, names.header_lines, names.id_column) == (",", '"', 0, 1)
    assert names.encoding == "cp1252"
    assert names.columns == ("vernacularName", "")
    assert (folder / "taxon.txt").exists()


def test_meta_xml_alone_is_enough(folder):
    assert unpack(folder / "meta.xml").core == unpack(folder).core


@pytest.mark.parametrize("prefix", ["", "wrapped/in/"])
def test_a_zip_is_unpacked_and_goes_again(folder, tmp_path, prefix):
    path = zipped(folder, tmp_path / "a.zip", prefix)
    with unpack(path) as archive:
        file = archive.core.paths[0]
        assert file.read_text().endswith("Abies\t\t\n")
    assert not file.exists()
    archive = unpack(path)
    file = archive.core.paths[0]
    assert file.exists()
    del archive
    gc.collect()
    assert not file.exists()


def test_leftovers_of_an_operating_system_are_no_archive(folder, tmp_path):
    path = zipped(folder, tmp_path / "a.zip", "deep/er/")
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("__MACOSX/meta.xml", "junk")
    assert unpack(path).core.row_type == "Taxon"


def test_a_header_is_enough_where_there_is_no_meta_xml(tmp_path):
    (tmp_path / "Taxon.tsv").write_text("dwc:taxonID\tscientificName\ttaxonRank\n1\tAbies\tgenus\n")
    (tmp_path / "vernacularname.txt").write_text("taxonID\tvernacularName\n1\tfir\n")
    (tmp_path / "notes.txt").write_text("nothing")
    archive = unpack(tmp_path)
    assert archive.core.row_type == "Taxon"
    assert archive.core.columns == ("taxonID", "scientificName", "taxonRank")
    assert archive.core.id_column == 0
    assert [e.row_type for e in archive.extensions] == ["VernacularName"]
    assert unpack(tmp_path / "Taxon.tsv").core == archive.core


def test_records_that_name_their_taxon_are_records(tmp_path):
    path = tmp_path / "download.tsv"
    path.write_text("gbifID\ttaxonID\tscientificName\n1\t2\tAbies\n")
    assert unpack(path).core.row_type == "Occurrence"
    path.write_text("taxonID\tscientificName\n2\tAbies\n")
    assert unpack(path).core.row_type == "Taxon"


def test_the_term_of_a_second_namespace_keeps_its_full_name(folder):
    more = '<field index="1" term="http://purl.org/dc/elements/1.1/license"/></core>'
    (folder / "meta.xml").write_text(META.replace("</core>", more))
    assert unpack(folder).core.columns[1] == "http://purl.org/dc/elements/1.1/license"


def test_names_of_files_are_found_in_any_case(folder):
    (folder / "taxon.txt").rename(folder / "Taxon.TXT")
    assert unpack(folder).core.paths == (folder / "Taxon.TXT",)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("taxon.txt", "absent.txt", "names the file 'absent.txt'"),
        ("taxon.txt", "../taxon.txt", "leads out of its own folder"),
        ("taxon.txt", "/etc/passwd", "leads out of its own folder"),
        ("taxon.txt", r"C:\taxon.txt", "leads out of its own folder"),
        ("<location>taxon.txt</location>", "", "names no file"),
        ('index="2"', 'index="two"', "a number from 0 on"),
        ('index="2"', 'index="-2"', "a number from 0 on"),
        ('index="2"', 'index="999999999"', "a number from 0 on"),
        ('fieldsTerminatedBy="\\t"', 'fieldsTerminatedBy="||"', "one character"),
        ('encoding="UTF-8"', 'encoding="klingon"', "not known"),
        ('term="http://rs.tdwg.org/dwc/terms/taxonID"', "", "without a term"),
        ("</archive>", "", "no well-formed XML"),
        ("archive", "bundle", "its root is <bundle>"),
        ('<?xml version="1.0"?>', '<!DOCTYPE a SYSTEM "file:///etc/passwd">', "document type"),
        (
            '<?xml version="1.0"?>',
            '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>',
            "document type",
        ),
    ],
)
def test_what_is_wrong_with_meta_xml_is_said(folder, old, new, what):
    (folder / "meta.xml").write_text(META.replace(old, new))
    with pytest.raises(FormatError, match=what) as found:
        unpack(folder)
    assert str(folder / "meta.xml") in str(found.value)


def test_an_empty_meta_xml(folder):
    (folder / "meta.xml").write_text("")
    with pytest.raises(FormatError, match="no element found"):
        unpack(folder)


def test_nothing_of_the_kind(tmp_path):
    with pytest.raises(NotFoundError, match="no such Darwin Core Archive"):
        unpack(tmp_path / "absent")
    with pytest.raises(FormatError, match=r"holds no meta\.xml"):
        unpack(tmp_path)
    zipped(tmp_path, tmp_path / "empty.zip")
    with pytest.raises(FormatError, match=r"holds no meta\.xml"):
        unpack(tmp_path / "empty.zip")
    (tmp_path / "junk.txt").write_bytes(bytes(range(1, 256)))
    with pytest.raises(FormatError, match="names no Darwin Core terms"):
        unpack(tmp_path / "junk.txt")


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt", "..\\out.txt"])
def test_a_zip_may_not_write_outside(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as packed:
        packed.writestr(name, "x")
    (tmp_path / "in").mkdir()
    with pytest.raises(FormatError, match="leads out of its own folder"):
        unzip(tmp_path / "bad.zip", tmp_path / "in")
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt"])
def test_a_tar_may_not_write_outside(tmp_path, name):
    with tarfile.open(tmp_path / "bad.tar", "w") as packed:
        member = tarfile.TarInfo(name)
        member.size = 1
        packed.addfile(member, io.BytesIO(b"x"))
    (tmp_path / "in").mkdir()
    with pytest.raises(FormatError, match="leads out of its own folder"):
        untar(tmp_path / "bad.tar", tmp_path / "in")
    assert not (tmp_path / "out.txt").exists()


def test_a_bomb_is_stopped(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("taxon.txt", bytes(80 << 20))
    before = set(tmp_path.iterdir())
    with pytest.raises(FormatError, match="more than 200 times its size"):
        unpack(tmp_path / "bomb.zip")
    assert set(tmp_path.iterdir()) == before
    with tarfile.open(tmp_path / "bomb.tgz", "w:gz") as packed:
        member = tarfile.TarInfo("nodes.dmp")
        member.size = 80 << 20
        packed.addfile(member, io.BytesIO(b"\0" * member.size))
    scratch = Scratch("test")
    with pytest.raises(FormatError, match="more than 200 times its size"):
        untar(tmp_path / "bomb.tgz", scratch.folder)
    scratch.close()
    assert not scratch.folder.exists()


def test_a_damaged_zip(folder, tmp_path):
    path = zipped(folder, tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    at = content.find(b"taxon.txt") + 12
    content[at : at + 20] = b"\xff" * 20
    path.write_bytes(bytes(content))
    with pytest.raises(FormatError, match="cannot be unpacked"):
        unpack(path)


def test_the_real_archive_of_cruises(shared):
    path = shared / "plankton/ifcb_irfcb/vignettes/articles/files/iRfcb-DwC-A.zip"
    with unpack(path) as archive:
        assert archive.core.row_type == "Event"
        assert archive.core.columns[:2] == ("parentEventID", "eventID")
        assert archive.core.id_column == 1
        occurrence, fact = archive.extensions
        assert (occurrence.row_type, fact.row_type) == ("Occurrence", "MeasurementOrFact")
        for table in (archive.core, occurrence, fact):
            first = table.paths[0].read_text().splitlines()[0]
            header = [name.strip('"') for name in first.split("\t")]
            assert all(h == c for h, c in zip(header, table.columns, strict=True) if c)


def test_the_reader_of_others_agrees(shared):
    from dwca.read import DwCAReader

    path = shared / "plankton/ifcb_irfcb/vignettes/articles/files/iRfcb-DwC-A.zip"
    with unpack(path) as archive, DwCAReader(str(path)) as theirs:
        tables = (archive.core, *archive.extensions)
        described = (theirs.descriptor.core, *theirs.descriptor.extensions)
        for mine, other in zip(tables, described, strict=True):
            assert mine.paths[0].name == other.file_location
            assert mine.delimiter == other.fields_terminated_by
            assert mine.quote == other.fields_enclosed_by
            assert mine.header_lines == other.lines_to_ignore
            assert mine.id_column in {other.id_index, other.coreid_index}
            for field in other.fields:
                name = field["term"].rsplit("/", 1)[-1]
                assert mine.columns[field["index"]] == name
