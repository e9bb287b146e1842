"""A library learns from what was validated at the desk: told first, applied when asked."""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
from PIL import Image

from merian.bench.chromium import browser, chromium
from merian.catalogue import Catalogue
from merian.catalogue.definitions import STANDING
from merian.catalogue.reviewed import Decision
from merian.cli import main
from merian.desk.desk import Desk
from merian.desk.naming import named
from merian.errors import InputError
from merian.files import only_writer
from merian.formats.delimited import write_delimited
from merian.identify.correcting import Change, apply, trial
from merian.identify.corrections import corrections_of
from merian.library import Library
from merian.library.stored_vectors import stored_vectors
from merian.library.vectors import Kinship, scaled

HEAD = ("occurrenceID", "family", "genus", "scientificName", "sequence", "targetGene")


def mutated(text: str, share: float, chance: random.Random) -> str:
    return "".join(chance.choice("ACGT") if chance.random() < share else one for one in text)


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory):
    """A library of twelve species, and a catalogue of one of them and of one that it lacks."""
    folder, chance = tmp_path_factory.mktemp("learn"), random.Random(4)
    root = "".join(chance.choices("ACGT", k=600))
    kinds = {}
    for genus in ("Aus", "Bus", "Cus", "Dus"):
        above = mutated(root, 0.2, chance)
        for epithet in ("albus", "brevis", "cinctus"):
            kinds[f"{genus} {epithet}"] = mutated(above, 0.06, chance)
    lacking = "Aus novus"
    kinds[lacking] = mutated(kinds["Aus albus"], 0.08, chance)

    def write(file, names, count):
        with file.open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(HEAD)
            for n in range(count):
                for name in names:
                    genus = name.split(" ")[0]
                    rows.writerow([f"{file.stem}-{name[:5]}{n}", f"{genus}idae", genus,
                                   name if file.stem == "reference" else "",
                                   mutated(kinds[name], 0.004, chance), "COI-5P"])  # fmt: skip

    write(folder / "reference.csv", [name for name in kinds if name != lacking], 3)
    write(folder / "field.csv", [lacking, "Bus albus"], 8)
    museum, library = str(folder / "museum"), str(folder / "library")
    assert main(["library", "build", str(folder / "reference.csv"), "-o", library, "-q"]) == 0
    assert main(["import", str(folder / "field.csv"), "--into", museum, "-q"]) == 0
    assert main(["identify", museum, "-l", library, "--into", museum, "-q"]) == 0
    with Catalogue.open(museum) as opened:
        desk = Desk(opened, "Anna")
        records = [f"field-Aus n{n}" for n in range(5)]
        seen = {row["record"]: row["stands"] or "" for row in desk.cards(records)}
        desk.decide(Decision("name", seen, "Anna", "", named(desk, lacking)))
    return folder


@pytest.fixture
def folder(reviewed, tmp_path):
    for name in ("museum", "library"):
        shutil.copytree(reviewed / name, tmp_path / name)
    return tmp_path


def said(folder):
    with Catalogue.open(folder / "museum", read_only=True) as opened:
        return set(opened.query("SELECT COLUMNS(*)::VARCHAR FROM identification"))


def test_it_says_what_would_change_and_changes_nothing(folder, capsys):
    before, hashed = said(folder), Library.open(folder / "library").hash
    assert len(corrections_of(folder / "museum")) == 5
    asked = ["learn", str(folder / "museum"), "-l", str(folder / "library")]
    assert main([*asked, "-o", str(folder / "changes.tsv")]) == 0
    printed = capsys.readouterr().out
    assert "5 corrections that" in printed
    assert (said(folder), Library.open(folder / "library").hash) == (before, hashed)
    with (folder / "changes.tsv").open() as stream:
        changes = list(csv.DictReader(stream, delimiter="\t"))
    assert f"{len(changes)} determination" in printed
    assert changes
    # Nothing that a person has named is among them.
    assert not {one["id"] for one in changes} & {f"field-Aus n{n}" for n in range(5)}
    assert all((one["name_before"], one["rank_before"]) != (one["name"], one["rank"])
               for one in changes)  # fmt: skip
    page = (folder / "changes.html").read_text()
    assert "What would change" in page
    assert not [*folder.glob(".library.learning*")]

    assert main([*asked, "--apply", "-q"]) == 0
    after = said(folder)
    assert before < after
    named_now = [one for one in changes if one["name"]]
    assert len(after - before) == len(named_now)
    library = Library.open(folder / "library")
    assert library.hash != hashed
    assert "Aus novus" in {library.name_of(entry) for entry in range(len(library))}
    with Catalogue.open(folder / "museum", read_only=True) as opened:
        # The new answer stands for the library's former one; a person's label stays above both.
        machine = opened.query(
            "SELECT s.occurrenceID, scientificName FROM identification "
            "JOIN sequence s USING (nucleotideSequenceID) WHERE agentType = 'machine' AND "
            "identificationID NOT IN (SELECT replacesIdentificationID FROM identification "
            "WHERE replacesIdentificationID IS NOT NULL)"
        ).fetch()
        assert len(machine) == 16
        for one in named_now:
            assert (one["id"], one["name"]) in machine
        stands = dict(opened.query("SELECT occurrenceID, scientificName FROM determination"))
        assert stands["field-Aus n0"] == "Aus novus"
    # Once more there is nothing left to learn.
    capsys.readouterr()
    assert main([*asked, "--apply"]) == 0
    assert "0 corrections that" in capsys.readouterr().out
    assert said(folder) == after


def test_stopped_as_the_library_is_replaced_it_is_still_there(folder, monkeypatch):
    hashed, rename = Library.open(folder / "library").hash, Path.rename

    def stopped(self: Path, to: Path) -> Path:
        if self.name == "library" and Path(to).name == "library":
            raise KeyboardInterrupt
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", stopped)
    asked = ["learn", str(folder / "museum"), "-l", str(folder / "library"), "--apply", "-q"]
    assert main(asked) == 130
    assert Library.open(folder / "library").hash == hashed
    assert not [*folder.glob(".library.learning*")]


def standing(folder):
    """What machines say that stands: by occurrence, the names and whether the library is old."""
    found = {}
    with Catalogue.open(folder / "museum", read_only=True) as opened:
        for record, name, by in opened.query(
            "SELECT s.occurrenceID, i.scientificName, i.identifiedBy FROM identification i "
            f"JOIN sequence s USING (nucleotideSequenceID) WHERE {STANDING} "
            "AND i.agentType = 'machine'"
        ):
            found.setdefault(record, []).append((name, by.rpartition(" ")[2]))
    return found


def decided(folder, records, name):
    with Catalogue.open(folder / "museum") as opened:
        desk = Desk(opened, "Anna")
        seen = {row["record"]: row["stands"] or "" for row in desk.cards(records)}
        desk.decide(Decision("name", seen, "Anna", "", named(desk, name)))


def told_otherwise(tried, key, says):
    """Let the libraries with the corrections say something else of a record."""
    with tried.now.out.open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    own = next(row for row in rows if row["id"] == key)
    own |= says
    write_delimited(tried.now.out, tuple(own), [tuple(row.values()) for row in rows], "\t")
    return Change(key, "told otherwise", own, own)


def test_a_second_lesson_replaces_what_was_said_before_the_first(folder):
    museum, library = folder / "museum", folder / "library"
    first = Library.open(library).hash
    assert main(["learn", str(museum), "-l", str(library), "--apply", "-q"]) == 0
    second = Library.open(library).hash
    before = standing(folder)
    # The bees of the other name were not said anew: their answers are of the library at first.
    others = [f"field-Bus a{n}" for n in range(8)]
    assert {hashed for one in others for _, hashed in before[one]} == {first}
    decided(folder, ["field-Aus n5"], "Aus novus")
    with trial(museum, library) as tried:
        change = told_otherwise(tried, others[7], {"rank": "genus", "name": "Bus"})
        apply(replace(tried, changes=[change]), museum)
    opened = Library.open(library)
    assert opened.header["former"] == [first, second]
    assert standing(folder) == {**before, others[7]: [("Bus", opened.hash)]}


def test_what_is_no_longer_named_is_withdrawn(folder):
    museum, library = folder / "museum", folder / "library"
    key = "field-Bus a7"
    assert standing(folder)[key][0][0]
    with trial(museum, library) as tried:
        change = told_otherwise(tried, key, {"rank": "", "name": "", "p": ""})
        done = apply(replace(tried, changes=[change]), museum)
    assert done.added["identification"] == 1
    assert key not in standing(folder)
    with Catalogue.open(museum, read_only=True) as opened:
        (row,) = opened.query(
            "SELECT scientificName, agentType, replacesIdentificationID IS NOT NULL "
            "FROM identification WHERE identificationVerificationStatus = 'withdrawn'"
        ).fetch()
        stands = dict(opened.query("SELECT occurrenceID, scientificName FROM determination"))
    assert row == (None, None, True)
    assert stands[key] == "Bus"  # the label
    with Catalogue.open(museum) as opened:
        (card,) = Desk(opened, "Anna").cards([key])
        assert (card["scientificName"], card["machine"], card["state"]) == ("Bus", None, "open")


def test_a_library_that_has_changed_since_is_not_replaced(folder):
    museum, library = folder / "museum", folder / "library"
    more = folder / "more.csv"
    more.write_text(",".join(HEAD) + "\nM1,Ausidae,Aus,Aus medius," + "ACGTT" * 100 + ",COI-5P\n")
    before = said(folder)
    with trial(museum, library) as tried:
        with only_writer(library), pytest.raises(InputError, match="another process"):
            apply(tried, museum)
        assert main(["library", "add", str(library), str(more), "-q"]) == 0
        hashed = Library.open(library).hash
        with pytest.raises(InputError, match="the library has changed since; see again"):
            apply(tried, museum)
    opened = Library.open(library)
    assert opened.hash == hashed
    assert "Aus medius" in {opened.name_of(entry) for entry in range(len(opened))}
    assert said(folder) == before


def test_a_reference_of_another_name_is_set_aside(folder, capsys):
    shutil.rmtree(folder / "library")
    rows = (folder / "own.csv").open("w", newline="")
    with rows, Catalogue.open(folder / "museum", read_only=True) as opened:
        table = csv.writer(rows)
        table.writerow(HEAD)
        for record, text in opened.query("SELECT occurrenceID, sequence FROM sequence"):
            table.writerow([record, "Ausidae", "Aus", "Aus albus", text, "COI-5P"])
    assert (
        main(["library", "build", str(folder / "own.csv"), "-o", str(folder / "library"), "-q"])
        == 0
    )
    capsys.readouterr()
    assert main(["learn", str(folder / "museum"), "-l", str(folder / "library")]) == 0
    printed = capsys.readouterr().out
    assert "0 corrections that" in printed
    assert "Aus novus" in printed
    assert "build it anew" in printed


def test_without_corrections_it_says_what_to_do(folder, capsys):
    (folder / "one.csv").write_text(
        "occurrenceID,scientificName,sequence\nX,Aus albus," + "ACGT" * 60
    )
    assert main(["import", str(folder / "one.csv"), "--into", str(folder / "none"), "-q"]) == 0
    assert main(["learn", str(folder / "none"), "-l", str(folder / "library")]) == 2
    assert "merian review" in capsys.readouterr().err
    assert main(["learn", str(folder / "museum"), "-l", str(folder / "nowhere")]) == 2
    assert (
        main(["learn", str(folder / "museum"), "-l", str(folder / "library"), "-o", "x.doc"]) == 2
    )


# -- at the desk ----------------------------------------------------------------------------------


def waited(server):
    end = time.monotonic() + 240
    while (told := json.loads(server.get("/learn?part=1")[2]))["state"] == "working":
        assert time.monotonic() < end
        time.sleep(0.1)
    return told


def again(server, folder):
    """Try and apply: by the buttons, where there is a browser."""
    if chromium() is None:
        assert server.post("/learn", {"do": "try"})[0] == 200
        waited(server)
        assert server.post("/learn", {"do": "apply"})[1]["state"] == "applied"
        return
    from tests.desk.test_browser import Hands

    with browser(chromium(), folder / "profile") as tab:
        tab.ask("Page.enable")
        tab.ask("Runtime.enable")
        hands = Hands(tab)
        hands.open(f"{server.address}learn")
        assert tab.value("document.querySelector('[data-learn=apply]') === null")  # it is stale
        tab.value("document.querySelector('[data-learn=try]').click()")
        hands.until("!!document.querySelector('[data-learn=apply]')", 240)
        assert tab.value("document.querySelectorAll('main tbody tr').length") > 0
        tab.value("document.querySelector('[data-learn=apply]').click()")
        hands.until("document.querySelector('main').textContent.includes('Done:')", 120)


def test_the_desk_tells_what_would_change_and_then_applies_it(folder, open_desk, capsys, tmp_path):
    museum, library = folder / "museum", folder / "library"
    for name in ("museum", "library"):  # what `merian learn` does to the same
        shutil.copytree(folder / name, folder / "oracle" / name)
    asked = ["learn", str(folder / "oracle" / "museum"), "-l", str(folder / "oracle" / "library")]
    assert main([*asked, "-o", str(folder / "changes.tsv"), "--apply", "-q"]) == 0
    with (folder / "changes.tsv").open() as stream:
        changes = list(csv.DictReader(stream, delimiter="\t"))
    capsys.readouterr()
    with open_desk(museum, "--by", "Anna", "--library", str(library)) as server:
        assert server.post("/learn", {"do": "apply"})[0] == 400  # first look
        assert server.post("/learn", {"do": "harm"})[0] == 400
        assert server.post("/learn", {"do": "try"})[1]["state"] == "working"
        assert waited(server) == {"state": "told", "step": ANY, "count": ANY, "fault": ""}
        page = server.get("/learn")[2]
        plural = "" if len(changes) == 1 else "s"
        assert f"{len(changes)} determination{plural} would change" in page
        assert all(f">{one['id']}</a>" in page for one in changes)
        # Something is decided meanwhile: what was told is no longer it.
        done = server.post("/decide", {"kind": "look", "seen": server.seen("field-Bus a0")})[1]
        status, told = server.post("/learn", {"do": "apply"})
        assert (status, "decided since" in told["fault"]) == (400, True)
        assert server.post("/undo", {"run": done["run"]})[0] == 200
        again(server, tmp_path)
        assert "appended" in server.get("/learn")[2]
        for one in changes:  # shown at once; a person's label would stand above
            page = server.get(f"/specimen?record={one['id'].replace(' ', '+')}")[2]
            assert one["name"] in page
    assert not [*folder.glob(".library.learning*")]

    def learnt(place):  # but for the hash of the library, in which its files are told
        opened = Library.open(place)
        return {(opened.name_of(n), one.id) for n in range(len(opened))
                for one in opened.records_of(n)}  # fmt: skip

    def machine(place):
        with Catalogue.open(place, read_only=True) as opened:
            return set(opened.query(
                "SELECT nucleotideSequenceID, scientificName, probability, identificationRemarks, "
                "replacesIdentificationID IS NOT NULL FROM identification "
                "WHERE runID IN (SELECT runID FROM run WHERE verb = 'identify')"
            ))  # fmt: skip

    assert learnt(library) == learnt(folder / "oracle" / "library")
    assert machine(museum) == machine(folder / "oracle" / "museum")


def test_what_is_to_be_looked_at_again_is_no_correction(folder):
    with Catalogue.open(folder / "museum") as opened:
        desk = Desk(opened, "Anna")
        seen = {row["record"]: row["stands"] for row in desk.cards(["field-Aus n0"])}
        desk.decide(Decision("look", seen, "Bea"))
    told = corrections_of(folder / "museum")
    assert [row["record"] for row in told] == [f"field-Aus n{n}" for n in range(1, 5)]
    out = folder / "of the museum"
    assert main(["library", "build", str(folder / "museum"), "-o", str(out), "-q"]) == 0
    library = Library.open(out)
    ids = {one.id for entry in range(len(library)) for one in library.records_of(entry)}
    assert {f"field-Aus n{n}" for n in range(1, 5)} <= ids
    assert "field-Aus n0" not in ids
    rejects = "".join(file.read_text() for file in out.rglob("rejects.tsv"))
    assert "looked at again" in rejects


def test_a_desk_that_is_closed_while_it_learns_leaves_nothing_behind(folder, open_desk):
    before = Library.open(folder / "library").hash
    with open_desk(folder / "museum", "--by", "Anna", "-l", str(folder / "library")) as server:
        assert server.post("/learn", {"do": "try"})[0] == 200
        assert "would change" in server.get("/learn")[2]  # it goes on answering
        end = time.monotonic() + 60
        while not [*folder.glob(".library.learning*")] and time.monotonic() < end:
            time.sleep(0.05)
        server.child.send_signal(signal.SIGINT)
        server.child.wait(timeout=120)
    assert not [*folder.glob(".library.learning*")]
    assert not [*(folder / "museum").glob(".work-*")]
    assert Library.open(folder / "library").hash == before


def test_a_desk_without_a_library_says_so(folder, open_desk):
    with open_desk(folder / "museum") as server:
        assert "No library is known here" in server.get("/learn")[2]
        assert server.post("/learn", {"do": "try"})[0] == 400


# -- libraries of pictures, and both --------------------------------------------------------------


@pytest.fixture(scope="module")
def pictured(tmp_path_factory):
    """Libraries of pictures and of barcodes, and a catalogue of a species that both lack."""
    torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")
    from merian.learn.encoders import build_encoder
    from merian.learn.encoding import EncoderAlone
    from merian.learn.saved import save_model

    folder, chance = tmp_path_factory.mktemp("pictured"), np.random.default_rng(5)
    (folder / "images").mkdir()
    torch.manual_seed(0)
    vit = {"image_size": 32, "patch": 8, "width": 32, "layers": 1, "heads": 2, "hidden": 32}
    save_model(
        folder / "eye", EncoderAlone(build_encoder({"kind": "vit", **vit}), "test"),
        {"preprocessing": {"size": 32}},
    )  # fmt: skip
    kinds = [f"{genus} {epithet}" for genus in ("Aus", "Bus", "Cus", "Dus", "Eus")
             for epithet in ("albus", "niger")]  # fmt: skip
    patterns = {name: chance.integers(0, 256, (4, 4, 3)) for name in [*kinds, "Aus novus"]}
    letters = random.Random(6)
    texts = {name: "".join(letters.choices("ACGT", k=500)) for name in patterns}

    def write(file, names, each, named):
        with file.open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow([*HEAD, "accessURI"])
            for name in names:
                for n in range(each):
                    key = f"{file.stem}-{name[:3]}{name[4]}{n}"
                    noise = np.kron(patterns[name], np.ones((8, 8, 1)))
                    noise = noise + chance.normal(0, 12, noise.shape)
                    image = folder / "images" / f"{key}.png"
                    Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(image)
                    genus = name.split(" ")[0]
                    rows.writerow([key, f"{genus}idae", genus, name if named else "",
                                   mutated(texts[name], 0.004, letters), "COI-5P",
                                   image])  # fmt: skip

    write(folder / "reference.csv", kinds, 4, True)
    write(folder / "field.csv", ["Aus novus", "Bus albus"], 6, False)
    museum, looks, codes = (str(folder / name) for name in ("museum", "looks", "codes"))
    reference = str(folder / "reference.csv")
    assert main(["library", "build", reference, "-o", looks, "--pictures", "--encoder",
                 str(folder / "eye"), "-q"]) == 0  # fmt: skip
    assert main(["library", "build", reference, "-o", codes, "-q"]) == 0
    assert main(["import", str(folder / "field.csv"), "--into", museum, "-q"]) == 0
    assert main(["identify", museum, "-l", looks, "-l", codes, "--into", museum, "-q"]) == 0
    with Catalogue.open(museum) as opened:
        desk = Desk(opened, "Anna")
        records = [f"field-Ausn{n}" for n in range(4)]
        seen = {row["record"]: row["stands"] or "" for row in desk.cards(records)}
        says = {"scientificName": "Aus novus", "taxonRank": "species", "species": "Aus novus",
                "genus": "Aus", "family": "Ausidae"}  # fmt: skip
        desk.decide(Decision("name", seen, "Anna", "", says))
    assert main(["embed", museum, "-o", f"{museum}/runs/vectors-pictures-own", "--encoder",
                 str(folder / "eye"), "--kind", "pictures", "-q"]) == 0  # fmt: skip
    return folder


def test_libraries_of_pictures_and_of_barcodes_learn_together_from_stored_vectors(
    pictured, tmp_path, monkeypatch, capsys
):
    for name in ("museum", "looks", "codes"):
        shutil.copytree(pictured / name, tmp_path / name)
    museum, looks, codes = (tmp_path / name for name in ("museum", "looks", "codes"))

    def never(*_):
        raise AssertionError("a picture of which the vector is stored was embedded again")

    monkeypatch.setattr("merian.library.picture_vectors._Eye._answer", never)
    monkeypatch.setattr("merian.identify.record_panel.raw_vectors", never)
    capsys.readouterr()
    asked = ["learn", str(museum), "-l", str(looks), "-l", str(codes), "--processes", "1"]
    assert main([*asked, "-o", str(tmp_path / "changes.tsv"), "--apply"]) == 0
    printed = capsys.readouterr().out
    assert "4 corrections that" in printed  # each by its picture and its barcode
    with (tmp_path / "changes.tsv").open() as stream:
        changes = list(csv.DictReader(stream, delimiter="\t"))
    assert not {one["id"] for one in changes} & {f"field-Ausn{n}" for n in range(4)}
    for place in (looks, codes):
        opened = Library.open(place)
        own = [one.id for entry in range(len(opened)) if opened.name_of(entry) == "Aus novus"
               for one in opened.records_of(entry)]  # fmt: skip
        assert sorted(own) == [f"field-Ausn{n}" for n in range(4)]
    with Catalogue.open(museum, read_only=True) as opened:
        # Each answer that is said anew stands in the place of the one that it changes.
        count = opened.query(
            "SELECT count(*), count(replacesIdentificationID) FROM identification WHERE runID IN "
            "(SELECT runID FROM run WHERE verb = 'identify' ORDER BY startedAt DESC LIMIT 1)"
        ).fetch()[0]
        double = opened.query(
            "SELECT count(*) FROM (SELECT coalesce(nucleotideSequenceID, mediaID, occurrenceID) AS "
            "subject FROM identification WHERE agentType = 'machine' AND identificationID NOT IN "
            "(SELECT replacesIdentificationID FROM identification WHERE "
            "replacesIdentificationID IS NOT NULL) GROUP BY 1 HAVING count(*) > 1)"
        ).value()
    assert count[0] >= count[1]
    assert double == 0
    capsys.readouterr()
    assert main(asked) == 0
    assert "0 corrections that" in capsys.readouterr().out


def test_pictures_without_stored_vectors_are_embedded(pictured, tmp_path):
    for name in ("museum", "looks"):
        shutil.copytree(pictured / name, tmp_path / name)
    stored = stored_vectors(tmp_path / "museum", Library.open(tmp_path / "looks").encoder["id"])
    with Catalogue.open(tmp_path / "museum", read_only=True) as opened:
        media = [str(key) for (key,) in opened.query("SELECT mediaID FROM media")]
    shutil.rmtree(tmp_path / "museum" / "runs")
    asked = ["learn", str(tmp_path / "museum"), "-l", str(tmp_path / "looks")]
    assert main([*asked, "--embeddings", str(tmp_path / "looks")]) == 2
    assert main([*asked, "--processes", "1", "--apply", "-q"]) == 0
    # A vector is what it is, wherever it is from.
    kin = Kinship.open(Library.open(tmp_path / "looks"))
    same = scaled(np.stack(stored.of(media)), kin.centre).astype(int)
    own = np.asarray(kin.vectors[-1]).astype(int)
    assert len(own) == 4
    for vector in own:
        assert np.abs(same - vector).max(axis=1).min() <= 8  # of a length of 4,000
    assert stored.of(["nobody"]) == [None]
    assert stored_vectors(tmp_path / "museum", "another encoder") is None
