"""Packs: complete, in parts that do not leak, with the names that stand."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Rows
from merian.cli import main
from merian.errors import FormatError, InputError, NotFoundError
from merian.formats import read_path
from merian.learn.order import WINDOW
from merian.learn.pack import check_pack, open_pack
from merian.learn.pack_gather import Asked
from merian.learn.packing import make_pack
from merian.nucleotides import reverse_complement

from .packs import HEAD, bases, pictures, records, table


def everything(pack):
    return np.arange(pack.size)


def hashes(folder: Path) -> dict[str, bytes]:
    files = [f for f in sorted(folder.rglob("*")) if f.is_file()]
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Fifty barcodes in shards of seven. Nobody may change it."""
    folder = tmp_path_factory.mktemp("packed")
    source = table(folder / "a.csv", records(50))
    return make_pack([source], folder / "p", Asked(shard_size=7, valid=0.2))


def test_what_was_packed_is_read_again_in_any_order(packed):
    rows, pack = records(50), packed.pack
    assert (pack.kind, pack.size, packed.set_aside) == ("barcodes", 50, {})
    assert len(pack.shards) > 7
    assert max(pack.shards) == 7
    order = np.random.default_rng(0).permutation(50)
    told = {key: (name, sequence) for key, name, sequence in rows}
    species = [pack.names("species")[n] for n in pack.labels("species")[order]]
    found = zip(pack.records(order), species, pack.read(order), strict=True)
    assert {key: (name, sequence) for key, name, sequence in found} == told
    assert pack.ranks == ("family", "genus", "species")
    assert pack.names("genus") == ["Aus", "Dus"]
    assert len(set(pack.ids(order))) == 50
    assert len(pack._kept) <= WINDOW


def test_parts_hold_all_between_them_and_can_be_sent_to_other_processes(packed):
    pack = packed.pack
    parts = [pack.part(name) for name in ("train", "valid")]
    assert pack.parts == {"train": parts[0].size, "valid": parts[1].size}
    held = [record for part in parts for record in part.records(everything(part))]
    assert held == pack.records(everything(pack))
    sent = pickle.loads(pickle.dumps(parts[1]))
    assert sent.read([3, 0]) == parts[1].read([3, 0])
    assert sent.read([0]) == pack.read([parts[0].size])
    assert np.array_equal(sent.labels("species"), pack.labels("species")[parts[0].size :])
    with pytest.raises(NotFoundError, match="has no part test; there are train, valid"):
        pack.part("test")
    with pytest.raises(IndexError, match="from 0 on"):
        sent.read([parts[1].size])
    with pytest.raises(IndexError, match="from 0 on"):
        sent.read([-1])


def test_the_same_input_gives_the_same_bytes(packed, tmp_path):
    source = packed.pack.folder.parent / "a.csv"
    make_pack([source], tmp_path / "q", Asked(shard_size=7, valid=0.2))
    first, second = hashes(packed.pack.folder), hashes(tmp_path / "q")
    assert first == second
    assert set(first) > {"pack.json", "labels.json", "index.safetensors", "rejects.tsv"}
    assert not [name for name in first if "work" in name or "items" in name]


def test_what_is_the_same_or_of_one_specimen_is_in_one_part(tmp_path):
    # Each sequence three times, once on the other strand; half of the specimens have two markers.
    rows = [
        (f"{copy}{i}", "Aus bus", reverse_complement(bases(i)) if copy == "c" else bases(i))
        for i in range(60)
        for copy in "abc"
    ]
    rows += [(f"a{i}", "Aus bus", bases(1000 + i // 3)) for i in range(0, 60, 2)]
    pack = make_pack([table(tmp_path / "a.csv", rows)], tmp_path / "p", Asked(valid=0.3)).pack
    parts: dict[str, set[str]] = {}
    for name in ("train", "valid"):
        part = pack.part(name)
        held = zip(part.records(everything(part)), part.read(everything(part)), strict=True)
        for record, text in held:
            for key in (record, min(text, reverse_complement(text))):
                parts.setdefault(key, set()).add(name)
    assert pack.size == len(rows)
    assert 0.1 < pack.parts["valid"] / pack.size < 0.5
    assert all(len(names) == 1 for names in parts.values())


def test_a_share_is_held_out_and_stays_where_it_is_when_records_come(tmp_path):
    few = make_pack([table(tmp_path / "a.csv", records(200))], tmp_path / "p", Asked(valid=0.2))
    more = make_pack([table(tmp_path / "b.csv", records(300))], tmp_path / "q", Asked(valid=0.2))
    held = [set(m.pack.part("valid").records(range(m.pack.parts["valid"]))) for m in (few, more)]
    assert 17 < len(held[0]) < 63  # four standard deviations
    assert held[0] == {record for record in held[1] if record < "r0200"}
    none = make_pack([table(tmp_path / "c.csv", records(9))], tmp_path / "r", Asked(valid=0))
    assert none.pack.parts == {"train": 9}


def test_a_published_split_is_kept_and_no_twin_of_a_test_is_learned(tmp_path):
    head = "processid,species,split,dna_barcode,phylum,dna_bin,family,genus,class,order\n"
    rows = [
        ("a", "train", 1), ("b", "train", 2), ("c", "val", 2), ("d", "test", 3), ("e", "train", 3),
        ("f", "pretrain", 4), ("g", "key_unseen", 5), ("h", "train", 6),
    ]  # fmt: skip
    file = tmp_path / "a.csv"
    file.write_text(
        head + "".join(f"{k},Aus bus,{s},{bases(n)},,,,,Insecta,\n" for k, s, n in rows)
    )
    made = make_pack([file], tmp_path / "p", Asked(format="bioscan-5m", valid=0.5))
    held = {
        name: sorted(part.records(everything(part)))
        for name in made.pack.parts
        for part in [made.pack.part(name)]
    }
    assert held == {"train": ["a", "f", "h"], "valid": ["c"], "test": ["d", "g"]}
    assert made.set_aside == {"the same is in a part that is held out": 2}
    assert "\tb\t" in (tmp_path / "p" / "rejects.tsv").read_text()


def test_a_name_counts_where_the_label_says_so_without_reserve(tmp_path):
    names = ["Aus bus", "Aus cf. bus", "Aus sp. 3", "Aus", "Aus bus minor", "unidentified"]
    rows = [(f"k{i}", name, bases(i)) for i, name in enumerate(names)]
    file = table(tmp_path / "a.csv", rows)
    text = file.read_text().replace(",unidentified,unidentified", ",,unidentified")
    file.write_text(text)
    pack = make_pack([file], tmp_path / "p", Asked(valid=0)).pack
    found = {}
    for place, record in enumerate(pack.records(everything(pack))):
        numbers = [int(pack.labels(rank)[place]) for rank in ("genus", "species")]
        found[record] = [
            pack.names(rank)[n] if n >= 0 else None
            for rank, n in zip(("genus", "species"), numbers, strict=True)
        ]
    assert found == {
        "k0": ["Aus", "Aus bus"], "k1": ["Aus", None], "k2": ["Aus", None], "k3": ["Aus", None],
        "k4": ["Aus", "Aus bus"], "k5": [None, None],
    }  # fmt: skip
    assert "Aus sp. 3" in pack.names("label")
    with pytest.raises(NotFoundError, match=r"'specie'.*Did you mean species"):
        pack.names("specie")


def test_a_class_that_is_no_name_is_a_label_alone(tmp_path):
    folder = pictures(tmp_path / "pics", 4)
    (folder / "detritus").rename(folder / "copepod_calanoid")
    (folder / "Copepoda").rename(folder / "Calanus finmarchicus")
    pack = make_pack([folder], tmp_path / "p", Asked(valid=0)).pack
    assert pack.names("label") == ["Calanus finmarchicus", "copepod_calanoid"]
    assert pack.names("species") == ["Calanus finmarchicus"]
    assert sorted(pack.labels("species").tolist()) == [-1, -1, 0, 0]


def test_homonyms_of_two_kingdoms_are_two_classes(tmp_path):
    file = tmp_path / "a.csv"
    rows = [("Animalia", 1), ("Plantae", 2), ("", 3)]
    file.write_text(
        "processid,kingdom,genus,sequence\n"
        + "".join(f"k{i},{kingdom},Oenanthe,{bases(i)}\n" for kingdom, i in rows)
    )
    pack = make_pack([file], tmp_path / "p", Asked(valid=0)).pack
    assert pack.names("genus") == ["Oenanthe (Animalia)", "Oenanthe (Plantae)"]
    assert sorted(pack.labels("genus").tolist()) == [-1, 0, 1]


def test_a_name_that_merian_gave_itself_is_no_label(tmp_path):
    with Catalogue.create(tmp_path / "cat") as opened:
        bare = tmp_path / "a.fasta"
        bare.write_text(f">one\n{bases(1)}\n>two\n{bases(2)}\n")
        opened.ingest(read_path(bare))
        for key, verb in (("one", "identify"), ("two", "import")):
            columns = {"line": [1], "occurrenceID": [key], "genus": ["Aus"], "species": ["Aus bus"],
                       "scientificName": ["Aus bus"], "taxonRank": ["species"],
                       "agentType": ["machine"]}  # fmt: skip
            file = tmp_path / f"{key}.txt"
            file.write_text(key)
            rows = Rows(file, "identification", [columns])
            opened.ingest(Reading("answers", (rows,), (file,)), verb=verb)
    pack = make_pack([tmp_path / "cat"], tmp_path / "p", Asked(valid=0)).pack
    named = dict(zip(pack.records([0, 1]), pack.labels("species").tolist(), strict=True))
    assert named == {"one": -1, "two": 0}
    assert pack.header["sources"][0]["barcodes"] == 2


def test_what_is_too_short_is_set_aside_and_told(tmp_path):
    rows = [*records(5), ("short", "Aus bus", bases(9)[:30]), ("words", "Aus bus", "no barcode 1")]
    made = make_pack([table(tmp_path / "a.csv", rows)], tmp_path / "p")
    assert made.pack.size == 5
    assert made.set_aside == {"not nucleotides": 1, "too short": 1}
    told = (tmp_path / "p" / "rejects.tsv").read_text()
    assert "\tshort\ttoo short: 30 bases called of the 50 needed" in told
    with pytest.raises(InputError, match=r"nothing is left to pack: all 1 barcodes.*too short"):
        make_pack([table(tmp_path / "b.csv", rows[5:6])], tmp_path / "q")
    assert not (tmp_path / "q").exists()


def test_pictures_lie_in_tars_that_anybody_reads(tmp_path):
    folder = pictures(tmp_path / "pics", 12)
    (folder / "Copepoda" / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    made = make_pack([folder], tmp_path / "p", Asked(shard_size=5, valid=0.25))
    pack = made.pack
    assert (pack.kind, pack.size) == ("pictures", 12)
    assert sum(made.set_aside.values()) == 1
    assert pack.names("label") == ["Copepoda", "detritus"]
    held = dict(zip(pack.records(everything(pack)), pack.read(everything(pack)), strict=True))
    for record, content in held.items():
        assert (tmp_path / record).read_bytes() == content
    seen = {}
    for shard in sorted((tmp_path / "p" / "shards").iterdir()):
        with tarfile.open(shard) as tar:
            members = tar.getmembers()
            for picture, beside in zip(members[::2], members[1::2], strict=True):
                assert Path(picture.name).stem == Path(beside.name).stem
                told = json.loads(tar.extractfile(beside).read())
                seen[told["record"]] = tar.extractfile(picture).read()
                assert told["label"] in told["record"]
    assert seen == held


def test_a_picture_that_has_gone_or_changed_is_set_aside(tmp_path):
    folder = pictures(tmp_path / "pics", 6)
    with Catalogue.create(tmp_path / "cat") as opened:
        opened.ingest(read_path(folder))
    (folder / "Copepoda" / "000.jpg").unlink()
    pictures(tmp_path / "other", 9)
    (tmp_path / "other" / "Copepoda" / "008.png").replace(folder / "Copepoda" / "002.png")
    made = make_pack([tmp_path / "cat"], tmp_path / "p")
    assert made.pack.size == 4
    told = (tmp_path / "p" / "rejects.tsv").read_text()
    assert "cannot be opened (No such file or directory)" in told
    assert "has changed since it was imported" in told


def test_a_region_of_a_picture_is_cut_out(tmp_path):
    whole = pictures(tmp_path / "pics", 1, (80, 60)) / "Copepoda" / "000.jpg"
    columns = {
        "line": [1, 2], "occurrenceID": ["a", "b"], "accessURI": [str(whole), "https://x.org/a.jpg"],
        "xFrac": ["0.25", None], "yFrac": ["0.5", None], "widthFrac": ["0.5", None],
        "heightFrac": ["0.25", None],
    }  # fmt: skip
    with Catalogue.create(tmp_path / "cat") as opened:
        opened.ingest(Reading("boxes", (Rows(whole, "record", [columns]),), (whole,)))
    made = make_pack([tmp_path / "cat"], tmp_path / "p", Asked(valid=0))
    assert made.set_aside == {
        "is on the web; nothing is fetched, so bring the file and import it": 1
    }
    with Image.open(io.BytesIO(made.pack.read([0])[0])) as piece, Image.open(whole) as file:
        assert np.array_equal(np.asarray(piece), np.asarray(file)[30:45, 20:60])


def test_a_pack_that_is_not_whole_is_told(packed, tmp_path, capsys):
    shutil.copytree(packed.pack.folder, tmp_path / "p")
    assert check_pack(tmp_path / "p") == len(hashes(tmp_path / "p")) - 2
    assert main(["pack", "--check", str(tmp_path / "p")]) == 0
    shard = next((tmp_path / "p" / "shards").glob("train*"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:200] + b"\0" + whole[201:])
    with pytest.raises(InputError, match=r"1 of \d+ files have changed.*train-00000.parquet"):
        check_pack(tmp_path / "p")
    shard.write_bytes(whole[:-9])
    assert main(["pack", "--check", str(tmp_path / "p")]) == 2
    size = f"{len(whole):,}"
    with pytest.raises(FormatError, match=rf"train-00000.parquet: has .* where {size} were"):
        open_pack(tmp_path / "p")
    shard.unlink()
    with pytest.raises(FormatError, match="is missing: the pack is not complete"):
        open_pack(tmp_path / "p")
    with pytest.raises(FormatError, match=r"is no pack, which holds pack\.json"):
        open_pack(tmp_path)
    capsys.readouterr()


def test_the_same_command_does_nothing_twice_and_another_is_refused(tmp_path):
    source = table(tmp_path / "a.csv", records(9))
    assert not make_pack([source], tmp_path / "p").done_before
    assert make_pack([source], tmp_path / "p").done_before
    with pytest.raises(InputError, match="holds another pack; name a new folder"):
        make_pack([source], tmp_path / "p", Asked(valid=0.5))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("a")
    with pytest.raises(InputError, match="is not empty"):
        make_pack([source], tmp_path / "full")


def test_what_cannot_be_packed_is_told(tmp_path):
    source = table(tmp_path / "a.csv", records(9))
    for asked, told in (
        (Asked(kind="sounds"), "--kind sounds: expected one of barcodes, pictures, records"),
        (Asked(valid=1), "--valid 1: expected a share"),
        (Asked(shard_size=0), "--shard-size 0"),
        (Asked(kind="pictures"), "no pictures there"),
    ):
        with pytest.raises(InputError, match=told):
            make_pack([source], tmp_path / "p", asked)
    with pytest.raises(InputError, match="give what to pack"):
        make_pack([], tmp_path / "p")
    make_pack([source], tmp_path / "p")
    with pytest.raises(InputError, match="is a pack already"):
        make_pack([tmp_path / "p"], tmp_path / "q")


def test_a_file_of_no_use_is_told_with_the_reason(tmp_path):
    protein = tmp_path / "protein.fasta"
    protein.write_text(">p1\n" + "MKVLAAGIVGLPWQRST" * 9 + "\n")
    for kind in (None, "barcodes"):
        with pytest.raises(InputError, match=r"1 set aside, the first \(line 1\): looks like prot"):
            make_pack([protein], tmp_path / "p", Asked(kind))
    short = tmp_path / "short.fasta"
    short.write_text(">s1\nACGT\n>s2\nACGTACGT\n")
    with pytest.raises(InputError, match="first because too short: 8 bases"):  # by id
        make_pack([short], tmp_path / "p")


def test_both_kinds_at_once_need_a_word(tmp_path):
    with Catalogue.create(tmp_path / "cat") as opened:
        opened.ingest(read_path(table(tmp_path / "a.csv", records(4))))
        opened.ingest(read_path(pictures(tmp_path / "pics", 2)))
    with pytest.raises(InputError, match="4 barcodes, 2 pictures: say which is meant with --kind"):
        make_pack([tmp_path / "cat"], tmp_path / "p")
    assert make_pack([tmp_path / "cat"], tmp_path / "p", Asked(kind="pictures")).pack.size == 2


def test_several_sources_are_one_pack_and_what_comes_twice_counts_once(tmp_path):
    first = table(tmp_path / "a.csv", records(20))
    second = table(tmp_path / "b.csv", records(15, start=10))
    pack = make_pack([first, second], tmp_path / "p").pack
    assert sorted(pack.records(everything(pack))) == [f"r{i:04}" for i in range(25)]


def test_a_killed_packing_leaves_nothing_and_starts_afresh(tmp_path):
    source = table(tmp_path / "a.csv", records(1000))
    command = [sys.executable, "-m", "merian", "pack", str(source), "--out", str(tmp_path / "p"),
               "--shard-size", "10"]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".p.*.part/shards/*")):
        assert child.poll() is None, "it was done before it could be killed"
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "p").exists()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert open_pack(tmp_path / "p").size == 1000
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a.csv", "p"]


def test_the_command_line_tells_what_was_packed(tmp_path, capsys):
    rows = [*records(12), ("short", "Aus bus", bases(9)[:30])]
    source = table(tmp_path / "a.csv", rows, HEAD)
    assert main(["pack", str(source), "--out", str(tmp_path / "p"), "--valid", "0"]) == 0
    told = capsys.readouterr().out
    assert "12 barcodes in 1 shard (train 12)" in told
    assert "too short" in told
    assert main(["pack", str(source)]) == 2
    assert "merian pack SOURCE... --out PACK" in capsys.readouterr().err


def test_real_barcodes_and_pictures(shared, tmp_path):
    pack = make_pack(
        [shared / "dna" / "coi_palaemonidae_bags" / "Palaemonidae.tsv"], tmp_path / "p"
    ).pack
    assert pack.size == 1022
    assert len(pack.names("species")) == 121
    found = make_pack([shared / "plankton" / "uvp6_uvpec" / "img_sample"], tmp_path / "q").pack
    assert found.size == 1250
    assert len(found.names("label")) == 10
