"""A catalogue, a map of labels, a library and a model, from one version to the next."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from merian.catalogue import Catalogue
from merian.cli import main
from merian.library import Library
from merian.taxonomy import Taxonomy, read_checklist, save_taxonomy
from merian.taxonomy.label_errata import is_applied
from merian.taxonomy.label_map import read_label_map

HEAD = "ID,parentID,status,rank,scientificName,authorship"
ABOVE = """1,,accepted,kingdom,Animalia,
4,1,accepted,family,Megachilidae,"Latreille, 1802"
5,4,accepted,genus,Osmia,"Panzer, 1806"
"""
FIRST = (
    ABOVE
    + """6,5,accepted,species,Osmia rufa,"(Linnaeus, 1758)"
8,5,accepted,species,Osmia cornuta,"(Latreille, 1805)"
9,5,accepted,species,Osmia leaiana,"(Kirby, 1802)"
10,9,synonym,species,Osmia truncicola,"Ducke, 1908"
12,5,accepted,species,Osmia tunensis,"(Fabricius, 1787)"
13,5,accepted,species,Osmia obsoleta,"Auctor, 1900"
"""
)
SECOND = (
    ABOVE
    + """21,5,accepted,species,Osmia bicornis,"(Linnaeus, 1758)"
6,21,synonym,species,Osmia rufa,"(Linnaeus, 1758)"
8,5,accepted,species,Osmia cornuta,"(Latreille, 1805)"
9,5,accepted,species,Osmia leaiana,"(Kirby, 1802)"
10,5,accepted,species,Osmia truncicola,"Ducke, 1908"
12,8,synonym,species,Osmia tunensis,"(Fabricius, 1787)"
"""
)
NAMES = ("Osmia rufa", "Osmia cornuta", "Osmia leaiana", "Osmia truncicola", "Osmia tunensis",
         "Osmia obsoleta", "Osmia sp.")  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both versions, in which the commands are given."""
    monkeypatch.chdir(tmp_path)
    for number, text in (("1", FIRST), ("2", SECOND)):
        (tmp_path / f"v{number}").mkdir()
        (tmp_path / f"v{number}" / "NameUsage.csv").write_text(f"{HEAD}\n{text}")
        taxonomy, report = read_checklist(f"v{number}", title="Bees", version=number)
        save_taxonomy(taxonomy, f"bees{number}", report)
    return tmp_path


@pytest.fixture
def museum(place: Path) -> Path:
    rows = "".join(f"{n},{name}\n" for n, name in enumerate(NAMES))
    (place / "specimens.csv").write_text(f"occurrenceID,scientificName\n{rows}")
    command = ["import", "specimens.csv", "--into", "museum", "--taxonomy", "bees1", "-q"]
    assert main(command) == 0
    return place / "museum"


def plan(*targets: str, more: tuple[str, ...] = ()) -> int:
    return main(["taxonomy", "migrate", *targets, "--from", "bees1", "--to", "bees2", *more, "-q"])


def apply() -> int:
    return main(["taxonomy", "migrate", "--apply", "migration.tsv", "-q"])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def decide(**by: str) -> None:
    """Write decisions into the plan, by name with a line below for each blank."""
    lines = Path("migration.tsv").read_text().splitlines()
    for n, line in enumerate(lines[1:], start=1):
        cells = line.split("\t")
        cells[-1] = by.get(cells[2].replace(" ", "_"), cells[-1])
        lines[n] = "\t".join(cells)
    Path("migration.tsv").write_text("\n".join(lines) + "\n")


def names(museum: Path) -> dict[str, tuple[str, str | None, str | None]]:
    with Catalogue.open(museum, read_only=True) as opened:
        found = opened.query(
            "SELECT verbatimIdentification, scientificName, taxonID, taxonomyLock "
            "FROM determination"
        ).fetch()
    return {row[0]: (row[1], row[2], (row[3] or "")[:6]) for row in found}


def test_nothing_is_changed_before_the_list_was_shown(museum: Path, capsys) -> None:
    before = (museum / "catalogue.duckdb").read_bytes()
    capsys.readouterr()
    assert plan("museum") == 0
    shown = capsys.readouterr().out
    assert (museum / "catalogue.duckdb").read_bytes() == before
    listed = {row["name"]: row for row in rows(Path("migration.tsv"))}
    assert {name: listed[name]["outcome"] for name in NAMES[:6]} == {
        "Osmia rufa": "renamed", "Osmia cornuta": "lumped", "Osmia leaiana": "split",
        "Osmia truncicola": "split", "Osmia tunensis": "lumped", "Osmia obsoleta": "gone",
    }  # fmt: skip
    assert listed["Osmia leaiana"]["candidates"] == "9 Osmia leaiana | 10 Osmia truncicola"
    for name in NAMES[:6]:
        assert name in shown
    assert sorted(n for n, row in listed.items() if row["state"] == "undecided") == [
        "Osmia leaiana", "Osmia obsoleta",
    ]  # fmt: skip


def test_a_catalogue_is_said_again_and_what_was_said_stays(museum: Path) -> None:
    before = names(museum)
    assert plan("museum") == 0
    decide(Osmia_obsoleta="parent")
    assert apply() == 0
    found = names(museum)
    assert found["Osmia rufa"] == ("Osmia bicornis", "21", "Bees 2")
    assert found["Osmia tunensis"] == ("Osmia cornuta", "8", "Bees 2")
    assert found["Osmia truncicola"] == ("Osmia truncicola", "10", "Bees 2")
    assert found["Osmia obsoleta"] == ("Osmia", "5", "Bees 2")
    assert found["Osmia leaiana"] == before["Osmia leaiana"] == ("Osmia leaiana", "9", "Bees 1")
    with Catalogue.open(museum, read_only=True) as opened:
        told = dict(opened.query(
            "SELECT verbatimIdentification, genus || '/' || species || '/' || family "
            "FROM determination"
        ).fetch())  # fmt: skip
        assert told["Osmia rufa"] == "Osmia/Osmia bicornis/Megachilidae"
        old = opened.query(
            "SELECT scientificName FROM identification WHERE replacesIdentificationID IS NULL "
            "ORDER BY verbatimIdentification"
        ).fetch()
        assert sorted(name for (name,) in old) == sorted([*NAMES[:6], "Osmia"])
        runs = opened.query("SELECT verb FROM run ORDER BY startedAt").fetch()
    assert runs == [("import",), ("migrate",)]
    # The same command does nothing more, and the same plan would be empty but for what stays.
    assert apply() == 0
    assert names(museum) == found
    assert plan("museum") == 0
    assert [row["name"] for row in rows(Path("migration.tsv"))] == ["Osmia leaiana"]


def test_a_plan_that_no_longer_fits_is_refused(museum: Path, capsys) -> None:
    assert plan("museum") == 0
    Path("more.csv").write_text("occurrenceID,scientificName\nx,Osmia rufa\n")
    assert main(["import", "more.csv", "--into", "museum", "--taxonomy", "bees1", "-q"]) == 0
    before = names(museum)
    capsys.readouterr()
    assert apply() == 2
    assert "Make the plan anew" in capsys.readouterr().err
    assert names(museum) == before
    # So is one for another version, and a decision that cannot be.
    assert plan("museum") == 0
    decide(Osmia_leaiana="nonsense")
    assert apply() == 2
    assert "'nonsense' is no id of Bees 2" in capsys.readouterr().err
    shutil.copytree("bees1", "other")
    code = main(["taxonomy", "migrate", "--apply", "migration.tsv", "--to", "other", "-q"])
    assert code == 2
    assert "was made for Bees 2" in capsys.readouterr().err
    assert names(museum) == before


def test_decisions_come_from_a_table_too(museum: Path) -> None:
    Path("decisions.tsv").write_text("name\tdecision\nOsmia leaiana\t9\nOsmia obsoleta\tkeep\n")
    assert plan("museum", more=("--decide", "decisions.tsv")) == 0
    told = {row["name"]: row["decision"] for row in rows(Path("migration.tsv"))}
    assert (told["Osmia leaiana"], told["Osmia obsoleta"]) == ("9", "keep")
    assert apply() == 0
    assert names(museum)["Osmia leaiana"] == ("Osmia leaiana", "9", "Bees 2")
    assert names(museum)["Osmia obsoleta"][2] == "Bees 1"


def a_map(place: Path) -> Path:
    lock = Taxonomy.open("bees1").lock
    ids = {"Osmia rufa": 6, "Osmia leaiana": 9, "Osmia tunensis": 12}
    lines = ["source\tlabel\tscientificName\ttaxonRank\ttaxonID\treason\tchecklist"]
    lines += [f"trap\tlabel {i}\t{n}\tspecies\t{i}\tas read\t{lock}" for n, i in ids.items()]
    lines.append("trap\tmud\t\t\t\tno taxon\t")
    path = place / "labels.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def save_as_a_spreadsheet_does(path: Path) -> None:
    """Rewrite a table as "Unicode text": UTF-16 with its mark, CRLF, all that needs it quoted."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        found = list(csv.reader(stream, delimiter="\t"))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t", lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows(found)
    path.write_bytes(text.getvalue().encode("utf-16"))


def test_a_plan_that_a_spreadsheet_saved_is_the_same_plan(museum: Path) -> None:
    assert plan("museum") == 0
    decide(Osmia_obsoleta="parent")
    save_as_a_spreadsheet_does(Path("migration.tsv"))
    assert apply() == 0
    assert names(museum)["Osmia obsoleta"] == ("Osmia", "5", "Bees 2")


def test_names_that_spreadsheets_would_change_come_back(place: Path) -> None:
    """Quotes at the start, a formula, a date, a number with a zero before it."""
    odd = ['"Osmia" rufa', "=Osmia", "MAR1", "0012", "Osmia 'x'", "Osmia, rufa"]
    lock = str(Taxonomy.open("bees1").lock)
    with Path("map.tsv").open("w", newline="") as stream:
        table = csv.writer(stream, delimiter="\t")
        table.writerow(["label", "taxonID", "scientificName", "checklist"])
        table.writerows([f"L{n}", "", name, lock] for n, name in enumerate(odd))
    assert plan("map.tsv") == 0
    save_as_a_spreadsheet_does(Path("migration.tsv"))
    assert apply() == 0
    assert all("stays" in row["reason"] for row in rows(Path("map.tsv")))


def test_a_map_in_utf_16_is_migrated(place: Path) -> None:
    lock = str(Taxonomy.open("bees1").lock)
    Path("map.tsv").write_text(
        f"label\ttaxonID\tscientificName\tchecklist\nÄhre\t6\tOsmia rufa\t{lock}\n"
    )
    save_as_a_spreadsheet_does(Path("map.tsv"))
    assert plan("map.tsv") == 0
    assert apply() == 0
    content = Path("map.tsv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")  # so that a spreadsheet reads the accents
    with Path("map.tsv").open(encoding="utf-8-sig", newline="") as stream:
        (row,) = csv.DictReader(stream, delimiter="\t")
    assert (row["label"], row["scientificName"], row["taxonID"]) == ("Ähre", "Osmia bicornis", "21")


def test_a_map_of_labels_keeps_its_rows_and_says_why(place: Path) -> None:
    path = a_map(place)
    assert plan("labels.tsv") == 0
    assert apply() == 0
    found = {row["label"]: row for row in rows(path)}
    new = str(Taxonomy.open("bees2").lock)
    assert (found["label 6"]["scientificName"], found["label 6"]["taxonID"]) == (
        "Osmia bicornis", "21",
    )  # fmt: skip
    assert found["label 6"]["checklist"] == new
    assert found["label 6"]["reason"].startswith("as read; Osmia rufa of Bees 1")
    assert found["label 9"]["checklist"] == str(Taxonomy.open("bees1").lock)
    assert "stays Osmia leaiana" in found["label 9"]["reason"]
    assert found["mud"]["reason"] == "no taxon"
    bytes_then = path.read_bytes()
    assert apply() == 0
    assert path.read_bytes() == bytes_then


def test_a_proposed_map_is_one_of_the_newer_version_then(place: Path) -> None:
    (place / "labels.csv").write_text(
        "source,label\ntrap,Osmia rufa\ntrap,mud\ntrap,Osmia leaiana\n"
    )
    assert (
        main(["labels", "propose", "labels.csv", "--taxonomy", "bees1", "-o", "map.tsv", "-q"]) == 0
    )
    assert plan("map.tsv") == 0
    assert apply() == 0
    found = read_label_map("map.tsv")
    assert found.lock == Taxonomy.open("bees2").lock
    moved = found.targets["trap", "Osmia rufa"]
    assert (moved.name, moved.taxon_id, moved.lineage["genus"]) == ("Osmia bicornis", "21", "Osmia")
    split = found.targets["trap", "Osmia leaiana"]
    assert (split.kind, split.taxon_id, split.lineage) == ("unsure", "", {})
    assert "stays Osmia leaiana" in split.reason
    assert not is_applied(split)


def test_one_that_was_killed_between_two_targets_goes_on(museum: Path, monkeypatch) -> None:
    path = a_map(museum.parent)
    assert plan("museum", "labels.tsv") == 0
    import merian.taxonomy.moving_labels as moving

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(moving, "write_text", killed)  # after what is beside it, before itself
        assert apply() == 130
    assert path.read_bytes() == before
    first = names(museum)
    assert first["Osmia rufa"][0] == "Osmia bicornis"
    assert apply() == 0
    assert names(museum) == first
    assert path.read_bytes() != before
    assert len(json.loads(Path(f"{path}.migrated.json").read_text())["history"]) == 1


def bases(seed: int) -> str:
    import random

    return "".join(random.Random(seed).choices("ACGT", k=120))


def a_library(place: Path) -> Path:
    text = ""
    for number, name in enumerate(NAMES):
        lineage = f"k:Animalia,f:Megachilidae,g:Osmia,s:{name.replace(' ', '_')}"
        for copy in range(2):
            text += f">r{number}{copy};tax={lineage};\n{bases(10 * number + copy)}\n"
    # The sequence of a species under what was its synonym, and one that two lumped ones share.
    lineage = "k:Animalia,f:Megachilidae,g:Osmia,s:"
    text += f">x1;tax={lineage}Osmia_truncicola;\n{bases(20)}\n"
    text += f">x2;tax={lineage}Osmia_tunensis;\n{bases(10)}\n"
    (place / "refs.fasta").write_text(text)
    command = ["library", "build", "refs.fasta", "-o", "lib", "--taxonomy", "bees1", "-q"]
    assert main([*command, "--encoder", "barcode-spectrum"]) == 0
    return place / "lib"


def entries(folder: Path) -> dict[str, set[str]]:
    """The names by the ids of the records behind them."""
    library = Library.open(folder)
    found: dict[str, set[str]] = {}
    for entry in range(len(library)):
        for record in library.records_of(entry):
            found.setdefault(library.name_of(entry), set()).add(record.id)
    return found


def test_a_library_gets_a_new_tree_and_is_fitted_again(place: Path, monkeypatch) -> None:
    pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")
    folder = a_library(place)
    before = Library.open(folder)
    held = {i: before.sequence(e) for e in range(len(before)) for i in
            [r.id for r in before.records_of(e)]}  # fmt: skip
    assert entries(folder)["Osmia leaiana"] == {"r20", "r21", "r30", "r31", "x1"}
    assert plan("lib") == 0
    import merian.library.moving as moving

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(moving, "write_json", killed)  # all but the header is written
        assert apply() == 130
    assert Library.open(folder).hash == before.hash
    assert entries(folder)["Osmia rufa"] == {"r00", "r01"}
    assert apply() == 0
    found = entries(folder)
    assert found["Osmia bicornis"] == {"r00", "r01"}
    assert found["Osmia cornuta"] == {"r10", "r11", "r40", "r41", "x2"}
    assert found["Osmia truncicola"] == {"r30", "r31", "x1"}
    # Who is not known stays under the old name, and is no species of the new version.
    assert found["Osmia (Osmia leaiana sensu Bees 1)"] == {"r20", "r21"}
    assert found["Osmia (Osmia obsoleta sensu Bees 1)"] == {"r50", "r51"}
    after = Library.open(folder)
    assert {i: after.sequence(e) for e in range(len(after)) for i in
            [r.id for r in after.records_of(e)]} == held  # fmt: skip
    assert after.header["checklist"] == Taxonomy.open("bees2").lock.as_dict()
    assert after.header["migrations"][0]["from"] == Taxonomy.open("bees1").lock.as_dict()
    card = json.loads((after.edition_folder / "barcode.json").read_text())
    assert card["library"] == after.hash != before.hash
    # A lump is one entry where the sequence is one; a split parts an entry, with its vector.
    assert sum(len(after.records_of(e)) == 2 for e in range(len(after))) == 1
    from merian.library.vectors import Kinship

    vectors = Kinship.open(after).vectors[0]
    place_of = {r.id: e for e in range(len(after)) for r in after.records_of(e)}
    assert (vectors[place_of["x1"]] == vectors[place_of["r20"]]).all()
    assert len([*(folder / "segments").iterdir()]) == len([*(folder / "editions").iterdir()]) == 1
    assert apply() == 0
    # And it goes on growing, with the new version only.
    (place / "more.fasta").write_text(
        f">n1;tax=k:Animalia,f:Megachilidae,g:Osmia,s:Osmia_bicornis;\n{bases(99)}\n"
    )
    assert main(["library", "add", "lib", "more.fasta", "--taxonomy", "bees1", "-q"]) == 2
    assert main(["library", "add", "lib", "more.fasta", "--taxonomy", "bees2", "-q"]) == 0
    assert entries(folder)["Osmia bicornis"] == {"r00", "r01", "n1"}
    assert entries(folder)["Osmia (Osmia leaiana sensu Bees 1)"] == {"r20", "r21"}


@pytest.mark.parametrize("kind", ["infer-sum", "multi-head"])
def test_a_model_adds_up_what_is_one_and_leaves_untold_what_is_split(place: Path, kind) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")
    from merian.learn.heads import build_heads
    from merian.learn.moved_heads import moved_heads
    from merian.learn.rank_labels import RankLabels
    from merian.stamp import stamp

    species = [NAMES[n] for n in (0, 1, 2, 4, 5)]
    lineages = [("Osmia", name) for name in species]
    labels = RankLabels.of_lineages(("genus", "species"), lineages)
    heads = build_heads(kind, 4, labels)
    lock = Taxonomy.open("bees1").lock
    (place / "model").mkdir()
    card = {
        "merian": stamp("merian-model", "1.0", "r", lock.as_dict()),
        "objective": {"heads": heads.card()},
    }
    (place / "model" / "card.json").write_text(json.dumps(card))
    assert plan("model") == 0
    assert apply() == 0
    told = json.loads((place / "model" / "card.json").read_text())
    assert told["merian"]["taxonomy"] == Taxonomy.open("bees2").lock.as_dict()
    assert told["objective"]["heads"]["labels"] == heads.card()["labels"]
    moved = moved_heads(build_heads(kind, 4, labels), told["objective"]["heads"]["moved"])
    assert moved.labels.names == (
        ("Osmia",), ("Osmia bicornis", "Osmia cornuta", "Osmia obsoleta sensu Bees 1"),
    )  # fmt: skip
    # The weights are read as they lie in the file, and written so that they can be read again.
    moved.load_state_dict(heads.state_dict())
    moved.load_state_dict(moved.state_dict())
    vectors = torch.randn(6, 4)
    before = dict(zip(labels.names[1], heads(vectors)[1].exp().T, strict=True))
    genus, now = (part.exp() for part in moved(vectors))
    assert torch.allclose(now[:, 0], before["Osmia rufa"], atol=1e-6)
    assert torch.allclose(now[:, 1], before["Osmia cornuta"] + before["Osmia tunensis"], atol=1e-6)
    assert torch.allclose(now[:, 2], before["Osmia obsoleta"], atol=1e-6)
    assert torch.allclose(genus[:, 0], torch.ones(6), atol=1e-6)
    counts = moved.labels.counts
    assert counts == ((5,), (1, 2, 1))
    assert apply() == 0


def test_what_cannot_be_migrated_says_so(place: Path, capsys) -> None:
    (place / "note.txt").write_text("nothing\n")
    for target, said in (
        ("note.txt", "neither a catalogue"), ("nowhere", "no such catalogue"), ("bees1", "neither"),
    ):  # fmt: skip
        assert plan(target) == 2
        assert said in capsys.readouterr().err
    assert main(["taxonomy", "migrate", "bees1"]) == 2
    assert "--from OLD --to NEW" in capsys.readouterr().err
    assert main(["taxonomy", "migrate", "--apply", "note.txt"]) == 2
    assert "is no plan of a migration" in capsys.readouterr().err


def test_an_empty_catalogue_and_the_same_version(place: Path, museum: Path) -> None:
    Catalogue.create(place / "empty").close()
    assert plan("empty") == 0
    assert rows(Path("migration.tsv")) == []
    assert apply() == 0
    same = ["taxonomy", "migrate", "museum", "--from", "bees1", "--to", "bees1", "-q"]
    assert main(same) == 2
