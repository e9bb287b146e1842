"""One package from one catalogue: complete, the same each time, and read by others."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dwca.read import DwCAReader
from PIL import Image

from merian.catalogue import TABLES, Catalogue, Reading, Rows
from merian.cli import main
from merian.errors import FormatError, InputError
from merian.formats import read_path
from merian.formats.about import About, Agent
from merian.report.publish import Published, publish, read_about, unsaid, with_words

ABOUT = About(
    title="Plankton of an invented sea",
    description="Pictures of a net and what was named on them, made up for a test.",
    creators=(Agent.read("Maria S. Merian <m@example.org> (https://orcid.org/0000-0002-1)"),),
    license="CC BY 4.0",
    doi="10.1234/abcd",
    date="2026-01-02",
)
DWC, AC = "http://rs.tdwg.org/dwc/terms/", "http://rs.tdwg.org/ac/terms/"


def rows(table: str, listed: list[dict[str, object]], path: Path) -> Rows:
    terms = dict.fromkeys(term for row in listed for term in row)
    made = {term: [row.get(term) for row in listed] for term in terms}
    return Rows(path, table, [{"line": list(range(1, len(listed) + 1)), **made}])


@pytest.fixture(scope="module")
def sea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """A frame with two regions, a crop, two barcodes, names by people and machines, and a net."""
    folder = tmp_path_factory.mktemp("sea")
    for name in ("frame", "crop"):
        Image.new("RGB", (20, 10), "navy").save(folder / f"{name}.png")
    frame, crop = str(folder / "frame.png"), str(folder / "crop.png")
    event = {
        "eventID": "E1",
        "eventDate": "2020-05-01",
        "decimalLatitude": 54.2,
        "decimalLongitude": 10.1,
        "minimumDepthInMeters": 5,
        "samplingProtocol": "net",
    }
    occurrences: list[dict[str, object]] = [
        {
            "occurrenceID": f"O{n}",
            "eventID": "E1",
            "basisOfRecord": "MachineObservation",
            "split": ("train", "val")[n % 2],
        }
        for n in range(3)
    ]
    box = {"xFrac": 0.1, "yFrac": 0.2, "widthFrac": 0.3, "heightFrac": 0.4}
    media: list[dict[str, object]] = [
        {
            "mediaID": "F",
            "accessURI": frame,
            "pixelsPerMillimetre": 24.5,
            "license": "CC0",
            "pixelsPerMillimetreUncertainty": 0.02,
        },
        {
            "mediaID": "R0",
            "occurrenceID": "O0",
            "derivedFromMediaID": "F",
            "license": "CC BY-NC",
            "regionOutline": "POINT (3 4)",
            **box,
        },
        {
            "mediaID": "R1",
            "occurrenceID": "O1",
            "derivedFromMediaID": "F",
            "license": "CC BY-SA",
            **box,
        },
        {
            "mediaID": "C",
            "occurrenceID": "O2",
            "derivedFromMediaID": "F",
            "accessURI": crop,
            "rightsHolder": "A lab",
            "contentHash": "ab" * 16,
        },
    ]
    sequences = [
        {
            "nucleotideSequenceID": "N",
            "occurrenceID": "O2",
            "sequence": "ACGTACGT",
            "targetGene": "COI-5P",
            "readCount": 12,
            "associatedSequences": "AB1",
        }
    ]
    names: list[dict[str, object]] = [
        {
            "identificationID": "I0",
            "occurrenceID": "O0",
            "verbatimIdentification": "Calanus sp. 1",
            "identifiedBy": "A. Person",
            "agentType": "human",
            "dateIdentified": "2021-01-01",
        },
        {
            "identificationID": "I1",
            "mediaID": "R0",
            "scientificName": "Calanus finmarchicus",
            "identifiedBy": "net v1",
            "agentType": "machine",
            "probability": 0.75,
        },
        {
            "identificationID": "I2",
            "nucleotideSequenceID": "N",
            "scientificName": "Oithona",
            "agentType": "machine",
            "identificationVerificationStatus": "dubious",
        },
    ]
    measured: list[dict[str, object]] = [
        {
            "measurementID": "T",
            "eventID": "E1",
            "measurementType": "temperature",
            "measurementValue": "12.5",
            "measurementUnit": "°C",
        },
        {
            "measurementID": "L",
            "occurrenceID": "O0",
            "mediaID": "R0",
            "measurementType": "length",
            "measurementValue": "0.4",
            "measurementLower": 0.3,
            "measurementUpper": 0.5,
        },
    ]
    source = folder / "source"
    source.write_text("sea")
    tables = {
        "event": [event],
        "occurrence": occurrences,
        "media": media,
        "sequence": sequences,
        "identification": names,
        "measurement": measured,
    }
    with Catalogue.create(folder / "catalogue") as made:
        made.ingest(
            Reading("drawn", tuple(rows(t, r, source) for t, r in tables.items()), (source,))
        )
        yield made


@pytest.fixture(scope="module")
def package(sea: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Published]:
    path = tmp_path_factory.mktemp("published") / "sea"
    return path, publish(sea, path, ABOUT, media="copy")


def test_everything_is_there(package: tuple[Path, Published]) -> None:
    path, made = package
    assert {p.name for p in path.iterdir()} == {
        "README.md", "croissant.json", "dwc-a.zip", "dwc-dp", "huggingface", "licences.csv",
    }  # fmt: skip
    assert made.counts["occurrence"] == 3
    assert made.counts["media"] == 4
    assert made.findings.count("error") == 0, made.findings.kinds


def test_the_same_catalogue_gives_the_same_bytes(
    sea: Catalogue, package: tuple[Path, Published], tmp_path: Path
) -> None:
    publish(sea, tmp_path / "again", ABOUT, media="copy")
    first, second = (
        {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
        for root in (package[0], tmp_path / "again")
    )
    assert list(first) == list(second)
    assert [name for name in first if first[name] != second[name]] == []


# --- read by others -----------------------------------------------------------------------------


def test_an_independent_reader_reads_the_archive(package: tuple[Path, Published]) -> None:
    with DwCAReader(str(package[0] / "dwc-a.zip")) as archive:
        core = {row.id: row for row in archive}
        assert set(core) == {"O0", "O1", "O2"}
        assert core["O0"].data[f"{DWC}geodeticDatum"] == "EPSG:4326"
        assert core["O0"].data[f"{DWC}identificationVerificationStatus"] == "ValidatedByHuman"
        assert core["O0"].data[f"{DWC}scientificName"] == "Calanus"
        assert core["O2"].data[f"{DWC}organismQuantity"] == "12"
        assert core["O2"].data[f"{DWC}organismQuantityType"] == "DNA sequence reads"
        by: dict[str, list[dict[str, str]]] = {}
        for row in core.values():
            for extension in row.extensions:
                by.setdefault(extension.rowtype.rsplit("/", 1)[-1], []).append(extension.data)
        names = {d[f"{DWC}identificationID"]: d for d in by["Identification"]}
        assert set(names) == {"I0", "I1", "I2"}
        assert names["I1"][f"{DWC}identificationVerificationStatus"] == "PredictedByMachine"
        assert names["I2"][f"{DWC}identificationVerificationStatus"] == "dubious"
        pictures = {d["http://purl.org/dc/terms/identifier"]: d for d in by["Multimedia"]}
        assert pictures["R0"][f"{AC}isROIOf"] == "F"
        assert pictures["R0"][f"{AC}widthFrac"] == "0.3"
        assert pictures["C"][f"{AC}derivedFrom"] == "F"
        assert pictures["F"][f"{AC}resourceCreationTechnique"].startswith("24.5 pixels per mill")
        facts = {d[f"{DWC}measurementID"]: d for d in by["MeasurementOrFact"]}
        assert facts["T"]["urn:merian:ofEventID"] == "E1"
        assert by["DNADerivedData"][0]["http://rs.gbif.org/terms/dna_sequence"] == "ACGTACGT"
        assert archive.metadata.find("dataset/title").text == ABOUT.title
        assert archive.metadata.find("dataset/creator/individualName/surName").text == "Merian"


def test_frictionless_finds_no_fault(package: tuple[Path, Published]) -> None:
    frictionless = pytest.importorskip("frictionless", reason="frictionless is not installed")
    folder = package[0] / "dwc-dp"
    said = json.loads((folder / "datapackage.json").read_text())
    assert said.pop("profile") == "http://rs.tdwg.org/dwc-dp/1.0/dwc-dp-profile.json"
    assert (said["id"], said["created"]) == ("https://doi.org/10.1234/abcd", "2026-01-02T00:00:00Z")
    for resource in said["resources"]:
        for field in resource["schema"]["fields"]:
            assert {"name", "title", "description", "type", "dcterms:isVersionOf"} <= set(field)
    read = frictionless.Package.from_descriptor(said, basepath=str(folder))
    report = read.validate()
    assert report.valid, report.flatten(["type", "message"])
    rows = {row["media_pk"]: row for row in read.get_resource("media").read_rows()}
    assert rows["R0"]["isPartOfMedia_fk"] == "F"
    assert rows["C"]["derivedFromMedia_fk"] == "F"
    accepted = {
        row["identification_pk"]
        for row in read.get_resource("identification").read_rows()
        if row["isAcceptedIdentification"]
    }
    assert accepted == {"I0", "I2"}


def test_mlcroissant_loads_the_tables(package: tuple[Path, Published]) -> None:
    pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    code = (
        "import json, sys, mlcroissant as ml\n"
        "data = ml.Dataset(jsonld=sys.argv[1])\n"
        "print(json.dumps([sorted(data.metadata.ctx.issues.errors),\n"
        "    [r['occurrence/occurrence_pk'].decode() for r in data.records('occurrence')]]))\n"
    )
    # rdflib warns of itself, so it has a process of its own.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(package[0] / "croissant.json")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], ["O0", "O1", "O2"]]


def test_croissant_names_every_file_with_its_hash(package: tuple[Path, Published]) -> None:
    said = json.loads((package[0] / "croissant.json").read_text())
    assert said["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert said["license"] == "https://creativecommons.org/licenses/by/4.0/"
    files = {one["@id"]: one for one in said["distribution"] if "sha256" in one}
    assert {"dwc-dp/media.csv", "dwc-a.zip", "licences.csv"} <= set(files)
    for name, one in files.items():
        assert hashlib.sha256((package[0] / name).read_bytes()).hexdigest() == one["sha256"]
    sets = {one["@id"]: one for one in said["recordSet"]}
    media = {field["@id"]: field for field in sets["media"]["field"]}
    assert media["media/isPartOfMedia_fk"]["references"] == {"field": {"@id": "media/media_pk"}}


# --- read back ----------------------------------------------------------------------------------


def read_back(catalogue: Catalogue, name: str) -> list[tuple[object, ...]]:
    listed = ", ".join(f'"{c}"' for c in TABLES[name].columns)
    return catalogue.query(f"SELECT {listed} FROM {name} ORDER BY ALL").fetch()


def everything(
    catalogue: Catalogue, name: str, images: Path | None = None
) -> list[tuple[object, ...]]:
    """Return a table; addresses as they are in a package whose copied pictures lie in a folder."""
    own = {"occurrenceStatus": "coalesce(occurrenceStatus, 'present')"}
    if name == "media":
        frame = f"'{images}/0000/0000000.png'" if images else "'frame.png'"
        own["accessURI"] = (
            f"CASE WHEN mediaID = 'F' THEN {frame} WHEN mediaID = 'C' THEN 'crop.png' END"
        )
    listed = ", ".join(own.get(c, f'"{c}"') for c in TABLES[name].columns)
    return catalogue.query(f"SELECT {listed} FROM {name} ORDER BY ALL").fetch()


def test_the_data_package_is_read_back(
    sea: Catalogue, package: tuple[Path, Published], tmp_path: Path
) -> None:
    with Catalogue.create(tmp_path / "back") as back:
        summary = back.ingest(read_path(package[0] / "dwc-dp"))
        assert not summary.rejected
        images = package[0] / "huggingface" / "images"
        for name in TABLES:
            assert read_back(back, name) == everything(sea, name, images), name
        (place,) = back.query("SELECT accessURI FROM media WHERE mediaID = 'F'").fetch()[0]
        with Image.open(str(place)) as picture:
            assert picture.size == (20, 10)


def test_the_archive_is_read_back_with_its_regions_and_what_is_of_events(
    sea: Catalogue, package: tuple[Path, Published], tmp_path: Path
) -> None:
    with Catalogue.create(tmp_path / "back") as back:
        back.ingest(read_path(package[0] / "dwc-a.zip"))
        for name in ("event", "media", "measurement"):
            assert read_back(back, name) == everything(
                sea, name, package[0] / "huggingface" / "images"
            ), name
        asked = "SELECT sequence, targetGene, readCount, associatedSequences FROM sequence"
        assert back.query(asked).fetch() == sea.query(asked).fetch()
        asked = "SELECT occurrenceID, scientificName, probability FROM determination ORDER BY 1"
        assert back.query(asked).fetch() == sea.query(asked).fetch()


# --- licences, the card, pictures ---------------------------------------------------------------


def test_each_picture_keeps_its_licence(package: tuple[Path, Published]) -> None:
    path, _ = package
    with (path / "licences.csv").open(newline="") as stream:
        given = {row["given"]: row for row in csv.DictReader(stream)}
    assert given["CC BY-NC"]["licence"] == "CC BY-NC"
    assert given[""]["may be republished"] == "no"
    text = (path / "README.md").read_text()
    assert "CC BY-SA and CC BY-NC cannot be merged into one adaptation" in text
    assert "Pictures without a licence, or with one that is not known: 1." in text
    assert text.count("This is no legal advice.") == 1
    assert "The tables are under CC BY 4.0" in text


def test_pictures_are_copied_where_their_licence_allows_it(
    package: tuple[Path, Published],
) -> None:
    path, made = package
    images = path / "huggingface" / "images"
    with (images / "metadata.csv").open(newline="") as stream:
        listed = list(csv.DictReader(stream))
    assert [row["mediaID"] for row in listed] == ["F"]
    assert (images / listed[0]["file_name"]).is_file()
    assert "Pictures that were copied: 1." in made.notes
    assert "Not copied, since their licence is unknown or reserves all rights: 1." in made.notes


def test_the_card_says_where_the_tables_are(package: tuple[Path, Published]) -> None:
    folder = package[0] / "huggingface"
    front = (folder / "README.md").read_text().split("---")[1]
    assert 'pretty_name: "Plankton of an invented sea"' in front
    found: dict[str, Any] = {}
    for line in front.splitlines():
        if "path: " in line:
            file = folder / line.split("path: ")[1]
            with duckdb.connect() as con:
                found[file.stem] = [
                    key for (key,) in con.execute(
                        f"SELECT mediaID FROM '{file}' ORDER BY 1").fetchall()
                ]  # fmt: skip
    assert found == {"train": ["C", "R0"], "validation": ["R1"], "unassigned": ["F"]}


# --- what is said of it -------------------------------------------------------------------------


def test_what_is_missing_is_told() -> None:
    told = " ".join(unsaid(About()))
    for word in ("--title", "--description", "--creator", "--contact", "--license", "--doi"):
        assert word in told
    assert unsaid(ABOUT) == []
    assert "GBIF takes CC0" in " ".join(unsaid(About(license="CC BY-SA 4.0")))


def test_about_is_read_from_a_file_and_words_stand_above_it(tmp_path: Path) -> None:
    file = tmp_path / "about.toml"
    file.write_text('title = "A"\ncreators = ["B C <b@c.de>", "D"]\nlicence = "CC0"\n')
    about = with_words(read_about(file), title="E", contact="F <f@g.hi>")
    assert (about.title, about.license) == ("E", "CC0")
    assert [(a.name, a.mail) for a in about.creators] == [("B C", "b@c.de"), ("D", "")]
    assert about.asked == Agent("F", "f@g.hi")
    assert (about.creators[0].given, about.creators[0].family) == ("B", "C")


@pytest.mark.parametrize(
    ("text", "why"),
    [("titel = 'x'", "Did you mean title"), ("title = 1", "a text is expected"), ("=", "no TOML"),
     ("creators = [1]", "a list of texts")],
)  # fmt: skip
def test_a_wrong_file_of_words_says_why(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "about.toml"
    file.write_text(text)
    with pytest.raises(FormatError, match=why):
        read_about(file)


def test_a_date_is_a_day() -> None:
    with pytest.raises(InputError, match="expected a day"):
        with_words(About(), date="yesterday")


# --- the verb -----------------------------------------------------------------------------------


def test_the_verb_publishes_and_checks(
    sea: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    sea.close()
    verb = ["publish", str(sea.path), "-o", "out", "--title", "Plankton of a sea"]
    assert main([*verb, "--creator", "A B <a@b.c>", "--license", "CC0"]) == 0
    told = capsys.readouterr()
    assert "out: 1 event, 1 protocol, 3 occurrence" in told.out
    assert "No DOI" in told.err
    assert main(verb) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["publish", "--check", "out/dwc-a.zip", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["error"] == 0
    assert main(["publish", "--check", "out"]) == 0
    capsys.readouterr()
    with zipfile.ZipFile("out/dwc-a.zip") as packed:
        packed.extractall("broken")
    occurrences = Path("broken/occurrence.txt")
    occurrences.write_text(occurrences.read_text().replace("MachineObservation", "Robot"))
    assert main(["publish", "--check", "broken"]) == 2
    assert "BASIS_OF_RECORD_INVALID" in capsys.readouterr().out
    assert main(["publish"]) == 2
    assert "expected a catalogue and --out" in capsys.readouterr().err
    assert main(["publish", "x", "--check", "out"]) == 2


# --- where pictures lie -------------------------------------------------------------------------


def addresses(package: Path) -> dict[str, list[str]]:
    """Return what each part of a package calls its pictures."""
    found: dict[str, list[str]] = {}
    with (package / "dwc-dp" / "media.csv").open(newline="") as stream:
        found["dwc-dp"] = [row["accessURI"] for row in csv.DictReader(stream)]
    with DwCAReader(str(package / "dwc-a.zip")) as archive:
        found["dwc-a"] = [
            one.data[f"{AC}accessURI"] for row in archive for one in row.extensions
            if one.rowtype.endswith("Multimedia")
        ]  # fmt: skip
    with duckdb.connect() as con:
        found["huggingface"] = [
            text for (text,) in con.execute(
                f"SELECT accessURI FROM '{package}/huggingface/data/*.parquet'").fetchall()
        ]  # fmt: skip
    return {part: sorted({text for text in texts if text}) for part, texts in found.items()}


def everything_said(package: Path) -> str:
    """Return all that the files of a package say, packed or not."""
    told = []
    for file in sorted(package.rglob("*")):
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as packed:
                told += [packed.read(name).decode() for name in packed.namelist()]
        elif file.suffix == ".parquet":
            with duckdb.connect() as con:
                told.append(str(con.execute(f"FROM '{file}'").fetchall()))
                told.append(str(con.execute(f"FROM parquet_kv_metadata('{file}')").fetchall()))
        elif file.is_file() and file.suffix != ".png":
            told.append(file.read_text())
    return "\n".join(told)


def test_no_folder_of_this_machine_is_told(sea: Catalogue, tmp_path: Path) -> None:
    folders = [str(sea.path.parent), str(Path.home())]
    for media in ("none", "copy"):
        made = publish(sea, tmp_path / media, ABOUT, media=media)
        said = everything_said(tmp_path / media)
        assert [folder for folder in folders if folder in said] == []
        assert "crop.png" in said
        assert any("2" in note and "--media copy" in note for note in made.notes) == (
            media == "none"
        )
    told = addresses(tmp_path / "none")
    assert set(told) == {"dwc-dp", "dwc-a", "huggingface"}
    assert all(names == ["crop.png", "frame.png"] for names in told.values())
    assert addresses(tmp_path / "copy") == {
        "dwc-dp": ["../huggingface/images/0000/0000000.png", "crop.png"],
        "dwc-a": ["crop.png", "huggingface/images/0000/0000000.png"],
        "huggingface": ["crop.png", "images/0000/0000000.png"],
    }


def test_pictures_are_named_where_they_lie_or_will_lie_on_the_web(
    sea: Catalogue, tmp_path: Path
) -> None:
    publish(sea, tmp_path / "link", ABOUT, media="link")
    here = [str(sea.path.parent / name) for name in ("crop.png", "frame.png")]
    assert addresses(tmp_path / "link")["dwc-a"] == here
    where = "https://example.org/pictures"
    publish(sea, tmp_path / "web", ABOUT, media="copy", media_url=f"{where}/")
    assert addresses(tmp_path / "web")["dwc-dp"] == ["crop.png", f"{where}/0000/0000000.png"]
    with pytest.raises(InputError, match="--media-url ftp"):
        publish(sea, tmp_path / "no", ABOUT, media="none", media_url="ftp://x.org")
    assert not (tmp_path / "no").exists()


def test_a_file_that_is_no_picture_is_not_copied(tmp_path: Path) -> None:
    secret = tmp_path / "secret.key"
    secret.write_text("of nobody else")
    media: list[dict[str, object]] = [
        {"mediaID": "M", "accessURI": str(secret), "license": "CC0"}
    ]  # fmt: skip
    with Catalogue.create(tmp_path / "catalogue") as made:
        source = tmp_path / "source"
        source.write_text("x")
        tables = (rows("media", media, source), rows("occurrence", [{"occurrenceID": "O"}], source))
        made.ingest(Reading("drawn", tables, (source,)))
        told = publish(made, tmp_path / "copy", ABOUT, media="copy")
    assert "Not copied, since they cannot be read as pictures: 1." in told.notes
    held = [file for file in (tmp_path / "copy").rglob("*") if file.is_file()]
    assert not any(b"of nobody else" in file.read_bytes() for file in held)


def test_pictures_within_files_and_on_the_web(tmp_path: Path) -> None:
    """A member of a zip is copied out, a web address stays, a file that is gone is told."""
    picture = tmp_path / "a.png"
    Image.new("L", (4, 3), 7).save(picture)
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as packed:
        packed.write(picture, "in/side/a.PNG")
    (tmp_path / "a.roi").write_bytes(bytes(range(12)))
    uris = ["https://example.org/x.jpg", f"{tmp_path}/some.zip!/in/side/a.PNG",
            f"{tmp_path}/gone.png", f"{tmp_path}/a.roi!/0/4/3", f"file://{picture}",
            "C:\\Users\\me\\b.jpg", f"file://{picture}"]  # fmt: skip
    media: list[dict[str, object]] = [
        {"mediaID": f"M{n}", "accessURI": uri, "license": "CC0"} for n, uri in enumerate(uris)
    ]
    occurrence: list[dict[str, object]] = [{"occurrenceID": "O"}]
    with Catalogue.create(tmp_path / "catalogue") as made:
        source = tmp_path / "source"
        source.write_text("x")
        tables = (rows("media", media, source), rows("occurrence", occurrence, source))
        made.ingest(Reading("drawn", tables, (source,)))
        told = publish(made, tmp_path / "copy", ABOUT, media="copy")
        publish(made, tmp_path / "none", ABOUT)
    assert addresses(tmp_path / "none")["dwc-dp"] == [
        "a.png", "a.roi!/0/4/3", "b.jpg", "gone.png", "https://example.org/x.jpg",
        "some.zip!/in/side/a.PNG",
    ]  # fmt: skip
    images = tmp_path / "copy" / "huggingface" / "images"
    files = sorted(p.name for p in images.rglob("*") if p.suffix != ".csv" and p.is_file())
    assert files == ["0000000.pgm", "0000001.png", "0000002.png"]
    with Image.open(images / "0000" / "0000001.png") as copied:
        assert copied.getpixel((0, 0)) == 7
    assert "Pictures that were copied: 3." in told.notes
    assert "Not copied, since their files are not there: 2." in told.notes
    assert "Not copied, since they lie on the web: 1." in told.notes
    with Catalogue.create(tmp_path / "back") as back:
        back.ingest(read_path(tmp_path / "copy" / "dwc-dp"))
        there = back.query("SELECT count(DISTINCT accessURI), count(*) FROM media WHERE "
                           "starts_with(accessURI, '/')").fetch()  # fmt: skip
        assert there == [(3, 4)]
