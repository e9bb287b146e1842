"""BenthicNet: several labels of a picture, in several trees, each as deep as it was given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.errors import FormatError
from merian.formats import Options, find_format, read_path

Take = Callable[[Reading], tuple[Catalogue, Summary]]

HEADER = "dataset,site,image,url,latitude,longitude,depth,partition,catami_biota,catami_substrate"
HEADER += ",biota_mask,colour_qualifier"
NODES = """catami
[BIOTA] > Biota > Fishes > Rays
[BIOTA] > Biota
[SUBSTRATE] > Substrate,
[SUBSTRATE] > Substrate > Sand,
[BIOTA] > Biota > Corals
"""
LABELS = (
    "SELECT mediaID[12:], identificationReferences, verbatimIdentification FROM identification "
    "ORDER BY ALL"
)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "labelled.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def test_labels_of_several_trees(tmp_path: Path, take_in: Take) -> None:
    path = written(
        tmp_path,
        "d,s,a,https://e.org/a.jpg,-43,148,20,train,"
        '"[\'Biota > Cnidaria > Corals\', ""Biota > O\'Brien\'s""]",Substrate,,"[\'Red\']"',
        "d,s,,https://e.org/x/b.jpg,,,,test,,[],,",
        "d,s,c,,,,,,[what],,,",
    )
    reading = read_path(path)
    assert (reading.format, reading.notes) == ("benthicnet", ())
    catalogue, summary = take_in(reading)
    assert summary.added == {"event": 4, "occurrence": 3, "media": 3, "identification": 4}
    assert catalogue.query(LABELS).fetch() == [
        ("d/s/a", "CATAMI biota", "Biota > Cnidaria > Corals"),
        ("d/s/a", "CATAMI biota", "Biota > O'Brien's"),
        ("d/s/a", "CATAMI colour", "Red"),
        ("d/s/a", "CATAMI substrate", "Substrate"),
    ]
    assert catalogue.query("SELECT mediaID, accessURI FROM media ORDER BY ALL").fetch() == [
        ("benthicnet:d/s/a", "https://e.org/a.jpg"),
        ("benthicnet:d/s/b.jpg", "https://e.org/x/b.jpg"),
        ("benthicnet:d/s/c", "d/s/c"),
    ]
    assert catalogue.query("SELECT line, scope, term, reason FROM rejects").fetch() == [
        (4, "value", "catami_biota", "neither a path, nor a list of paths or of numbers")
    ]
    assert catalogue.query("SELECT count(*) FROM determination").value() == 1


def test_numbers_of_nodes_are_read_by_the_list(tmp_path: Path, take_in: Take) -> None:
    nodes = tmp_path / "nodes.csv"
    nodes.write_text(NODES, encoding="utf-8")
    path = written(
        tmp_path,
        # In the order of the list, a parent without a line behind its child: 0 Rays, 1 Fishes,
        # 2 Biota, 3 Corals.
        'd,s,a,u,,,,train,"[0, 1, 2, 3]","[1, 0]","[0, 1]","[2]"',
        'd,s,b,u,,,,train,"[2]",,,',
        'd,s,c,u,,,,train,"[4]",0,,',
    )
    bare = read_path(path)
    assert bare.notes == (
        "labels are numbers of nodes: give BenthicNet's list of them, --set nodes=catami_ex.csv",
    )
    reading = read_path(path, Options(extra={"nodes": str(nodes)}))
    assert (reading.notes, reading.inputs) == ((), (path, nodes))
    catalogue, _ = take_in(reading)
    assert catalogue.query(LABELS).fetch() == [
        ("d/s/a", "CATAMI biota", "Biota > Corals"),
        ("d/s/a", "CATAMI biota", "Biota > Fishes > Rays"),
        ("d/s/a", "CATAMI colour", "2"),
        ("d/s/a", "CATAMI substrate", "Substrate > Sand"),
        ("d/s/b", "CATAMI biota", "Biota"),
        ("d/s/c", "CATAMI substrate", "Substrate"),
    ]
    assert catalogue.query("SELECT line, term, reason FROM rejects").fetch() == [
        (4, "catami_biota", "no such node: 4 of biota, whose 4 nodes begin with 0")
    ]
    assert catalogue.query(
        "SELECT mediaID, measurementType, measurementValue FROM measurement"
    ).fetch() == [("benthicnet:d/s/a", "biota_mask", "[0, 1]")]


def test_pictures_are_found_below_their_folder(tmp_path: Path, take_in: Take) -> None:
    (tmp_path / "images" / "d" / "s").mkdir(parents=True)
    file = tmp_path / "images" / "d" / "s" / "a.jpg"
    Image.new("RGB", (40, 30)).save(file)
    path = written(tmp_path, "d,s,a,https://e.org/a.jpg,,,,,Biota,,,")
    catalogue, _ = take_in(read_path(path, Options(images=tmp_path / "images")))
    assert catalogue.query("SELECT accessURI, pixelXDimension FROM media").fetch() == [
        (file.as_posix(), 40)
    ]


def test_a_table_without_sites_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("dataset,image,url\nd,a,u\n")
    with pytest.raises(FormatError, match="has no column site, which BenthicNet has"):
        read_path(path, format="benthicnet")
    chosen = find_format("benthicnet")
    assert chosen.lacks
    assert (chosen.sniff(path), chosen.lacks(path)) == (0, "has no column site")


def test_the_real_list_numbers_every_node(shared: Path, tmp_path: Path, take_in: Take) -> None:
    nodes = shared / "benthic" / "catami_benthicnet_probes" / "catami_ex.csv"
    path = written(
        tmp_path, 'd,s,a,u,,,,train,"[271]","[22]",,', 'd,s,b,u,,,,train,"[272]","[23]",,',
        'd,s,c,u,,,,train,"[0, 1]","[1, 0]",,',
    )  # fmt: skip
    catalogue, _ = take_in(read_path(path, Options(extra={"nodes": str(nodes)})))
    assert catalogue.query(LABELS).fetch() == [
        ("d/s/a", "CATAMI biota", "Unclear"),
        ("d/s/a", "CATAMI substrate", "Water column"),
        ("d/s/c", "CATAMI biota", "Anthropogenic > Benthic equipment"),
        ("d/s/c", "CATAMI substrate", "Substrate > Consolidated (hard)"),
    ]
    assert catalogue.query("SELECT count(*) FROM rejects WHERE line = 3").value() == 2
