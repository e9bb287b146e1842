"""Packs of records: each picture with the barcode, place and names of its own record."""

from __future__ import annotations

import csv
import datetime
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

from merian.catalogue import Catalogue, Reading, Rows
from merian.cli import main
from merian.database import connect
from merian.errors import InputError
from merian.files import write_json
from merian.formats import find_format, read_path
from merian.learn.pack import check_pack, open_pack
from merian.learn.pack_gather import Asked
from merian.learn.pack_items import day_of_year
from merian.learn.packing import make_pack
from merian.nucleotides import reverse_complement
from merian.world import Settings, make_world

from .packs import bases, pictures, records, table

RECORDS = Asked("records")
BIOSCAN = "processid,species,split,dna_barcode,phylum,dna_bin,taxon,sampleid,coord-lat,coord-lon\n"


def everything(pack):
    return np.arange(pack.size)


def contents(folder):
    files = [f for f in sorted(folder.rglob("*")) if f.is_file()]
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


def strandless(text):
    return min(text.strip("N"), reverse_complement(text.strip("N")))


def told(pack):
    """What a pack says of each example, by record."""
    rows = everything(pack)
    columns = (pack.records(rows), pack.ids(rows), pack.read(rows), pack.sequences(rows),
               pack.places(rows).tolist())  # fmt: skip
    found: dict[str, list] = {}
    for record, *rest in zip(*columns, strict=True):
        found.setdefault(record, []).append(tuple(rest))
    return {record: sorted(rows, key=lambda row: row[0]) for record, rows in found.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A small world in a pack. Nobody may change it."""
    folder = tmp_path_factory.mktemp("records")
    settings = Settings(species=30, specimens=60, seed=3, size=64, trays=0, quadrats=0)
    make_world(folder / "world", settings)
    with Catalogue.create(folder / "cat") as opened:
        opened.ingest(read_path(folder / "world"))
    made = make_pack([folder / "cat"], folder / "p", Asked("records", shard_size=9))
    return folder, made


def test_every_modality_is_that_of_its_record(world):
    folder, made = world
    pack = made.pack
    with (folder / "world" / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["processid"]: row for row in csv.DictReader(stream)}
    found = told(pack)
    lines = (folder / "p" / "rejects.tsv").read_text().splitlines()[1:]
    aside = {line.split("\t")[2]: line for line in lines}
    assert (pack.kind, {*found, *aside}) == ("records", set(rows))
    assert all("held out" in line for line in aside.values())
    held = {strandless(rows[record]["dna_barcode"]) for record in found}
    assert all(strandless(rows[record]["dna_barcode"]) in held for record in aside)
    rows = {record: row for record, row in rows.items() if record in found}
    files = {file.stem: file for file in (folder / "world" / "images").rglob("*.jpg")}
    for record, row in rows.items():
        ((_, picture, sequence, place),) = found[record]
        assert picture == files[record].read_bytes()
        assert sequence == row["dna_barcode"]
        date = row["event_date"] if len(row["event_date"]) == 10 else ""
        day = datetime.date.fromisoformat(date).timetuple().tm_yday if date else None
        for value, text in ((place[0], row["coord-lat"]), (place[1], row["coord-lon"])):
            assert value == pytest.approx(float(text), rel=1e-6) if text else np.isnan(value)
        assert day is None or place[2] == day
    for rank, column in (("order", "order"), ("family", "family"), ("label", "taxon")):
        numbers, names = pack.labels(rank), pack.names(rank)
        for record, number in zip(pack.records(everything(pack)), numbers, strict=True):
            assert (names[number] if number >= 0 else "") == rows[record][column]
    bare = sum(not row["dna_barcode"] for row in rows.values())
    placed = sum(bool(row["coord-lat"]) for row in rows.values())
    size = len(rows)
    assert pack.modalities == {"image": size, "barcode": size - bare, "place": placed}
    assert bare > 0
    assert sorted(pack.numbers(everything(pack)).tolist()) == list(range(size))


def test_no_barcode_and_no_record_is_in_two_parts(world):
    _, made = world
    parts: dict[str, set[str]] = {}
    for name in made.pack.parts:
        part = made.pack.part(name)
        rows = everything(part)
        for key in (*part.records(rows), *filter(None, map(strandless, part.sequences(rows)))):
            parts.setdefault(key, set()).add(name)
    assert set(made.pack.parts) == {"train", "valid", "test"}
    assert all(len(names) == 1 for names in parts.values())


def test_the_same_bytes_in_another_process_and_the_same_pack_after_a_copy(world, tmp_path):
    folder, made = world
    command = [sys.executable, "-m", "merian", "pack", str(folder / "cat"), "--kind", "records",
               "--shard-size", "9", "--out", str(tmp_path / "q"), "-q"]  # fmt: skip
    env = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    assert contents(tmp_path / "q") == contents(folder / "p")
    shutil.move(tmp_path / "q", tmp_path / "moved")
    assert check_pack(tmp_path / "moved") > 3
    copy = open_pack(tmp_path / "moved").part("train")
    sent = pickle.loads(pickle.dumps(copy))
    here = made.pack.part("train")
    rows = np.random.default_rng(0).permutation(here.size)
    assert sent.sequences(rows) == here.sequences(rows)
    assert sent.read(rows) == here.read(rows)
    assert sent.barcodes(rows).tolist() == here.barcodes(rows).tolist()
    with pytest.raises(IndexError, match="from 0 on"):
        here.sequences([here.size])


def campaign(folder):
    """A catalogue in which records lack this and that, and have several of the other."""
    files = sorted(pictures(folder / "pics", 6).rglob("0*"), key=lambda file: file.stem)
    broken = folder / "pics" / "broken.png"
    broken.write_bytes(files[1].read_bytes()[:60])
    shown = [("a", files[0]), ("a", files[1]), ("c", files[2]), ("e", broken), ("f", files[3]),
             ("h", files[4])]  # fmt: skip
    spelled = [("a", "ITS", bases(1, 400)), ("a", "COI", bases(2)), ("a", "COI", bases(3, 320)),
               ("b", "COI", bases(4)), ("e", "COI", bases(5)), ("f", "COI", bases(6)[:30]),
               ("g", "COI", bases(7)[:30]), ("h", "COI", bases(4))]  # fmt: skip
    places = [("a", 12.5, -70.25, "2019-07-04"), ("b", -3.0, 5.0, "2020-12"),
              ("c", 1.0, None, "2001"), ("d", 2.0, 3.0, "2001-01-01"),
              *((record, None, None, None) for record in "efgh")]  # fmt: skip
    feeds = [
        ("record", {"occurrenceID": [r for r, *_ in places],
                    "decimalLatitude": [lat for _, lat, *_ in places],
                    "decimalLongitude": [lon for _, _, lon, _ in places],
                    "eventDate": [date for *_, date in places],
                    "species": ["Aus bus"] * len(places)}),
        ("media", {"occurrenceID": [r for r, _ in shown], "accessURI": [str(f) for _, f in shown]}),
        ("sequence", {"occurrenceID": [r for r, *_ in spelled],
                      "targetGene": [marker for _, marker, _ in spelled],
                      "sequence": [text for *_, text in spelled]}),
    ]  # fmt: skip
    source = folder / "campaign.txt"
    source.write_text("campaign")
    rows = tuple(
        Rows(source, kind, [{"line": [*range(1, len(columns["occurrenceID"]) + 1)],
                             **{k: [None if v is None else str(v) for v in column]
                                for k, column in columns.items()}}])
        for kind, columns in feeds
    )  # fmt: skip
    with Catalogue.create(folder / "cat") as opened:
        opened.ingest(Reading("campaign", rows, (source,)))
    return folder / "cat", files


def test_a_record_is_packed_with_what_it_has(tmp_path):
    source, files = campaign(tmp_path)
    made = make_pack([source], tmp_path / "p", Asked("records", valid=0))
    pack = made.pack
    found = told(pack)
    assert set(found) == set("abcefh")
    # The commonest marker, then the longest: not the ITS of 400, not the COI of 300 bases.
    assert {row[1] for row in found["a"]} == {files[0].read_bytes(), files[1].read_bytes()}
    assert {row[2] for row in found["a"]} == {bases(3, 320)}
    assert [row[3] for row in found["a"]] == [[12.5, -70.25, 185]] * 2
    assert [row[1:3] for row in found["b"]] == [(b"", bases(4))]
    assert found["b"][0][3] == [-3, 5, 351]  # the middle of December of a leap year
    assert [row[1:3] for row in found["c"]] == [(files[2].read_bytes(), "")]
    assert np.isnan(found["c"][0][3]).all()  # half of a place is none, nor is a year a day
    assert [row[1:3] for row in found["e"]] == [(b"", bases(5))]
    assert [row[1:3] for row in found["f"]] == [(files[3].read_bytes(), "")]
    assert pack.modalities == {"image": 5, "barcode": 5, "place": 3}
    rejects = (tmp_path / "p" / "rejects.tsv").read_text()
    assert "\td\thas neither a picture nor a barcode" in rejects
    assert "\tf\ttoo short: 30 bases called of the 50 needed" in rejects
    assert "\tg\ttoo short" in rejects
    assert "\te\tis cut off" in rejects or "\te\t" in rejects
    rows = everything(pack)
    records_, barcodes = np.array(pack.records(rows)), pack.barcodes(rows)
    assert set(barcodes[records_ == "b"]) == set(barcodes[records_ == "h"])  # kept once
    assert len(set(barcodes[barcodes >= 0].tolist())) == 3
    numbers = pack.numbers(rows)
    assert len(set(numbers[records_ == "a"].tolist())) == 1
    assert len(set(numbers.tolist())) == 6
    assert pack.pictured(rows).tolist() == [bool(content) for content in pack.read(rows)]
    with tarfile.open(tmp_path / "p" / "shards" / "train-00000.tar") as tar:
        beside = [json.loads(tar.extractfile(m).read()) for m in tar if m.name.endswith("json")]
    assert [row["record"] for row in beside] == pack.records(rows)
    assert [row.get("sequence", "") for row in beside] == pack.sequences(rows)


def test_packs_of_one_kind_know_no_records(tmp_path):
    pack = make_pack([pictures(tmp_path / "pics", 3)], tmp_path / "p").pack
    assert pack.sequences([0, 1]) == ["", ""]
    assert np.isnan(pack.places([0])).all()
    assert pack.pictured([0, 1]).all()
    with pytest.raises(InputError, match="holds pictures, and records are needed"):
        pack.barcodes([0])
    plain = make_pack([table(tmp_path / "a.csv", records(3))], tmp_path / "q").pack
    assert plain.sequences([2, 0]) == plain.read([2, 0])
    assert not plain.pictured([0, 1, 2]).any()


@pytest.mark.parametrize(
    ("date", "day"),
    [
        ("2019-01-01", 1), ("2020-12-31", 366), ("2019-07-04T10:30:00Z", 185), ("2019-02", 45),
        ("2019", None), (None, None), ("2019-07-01/2019-07-11", 187), ("2019-06/2019-06", 166),
        ("2019-12-28/2020-01-03", 365), ("2019-01-01/2019-12-31", None), ("2019-05/2019-07", None),
        ("2019-07-11/2019-07-01", None), ("2019/2020", None),
    ],
)  # fmt: skip
def test_the_day_of_a_date_is_known_to_a_month_or_not_at_all(date, day):
    with connect() as con:
        sql = f"SELECT {day_of_year('d')} FROM (SELECT CAST(? AS VARCHAR) AS d)"
        assert con.execute(sql, [date]).fetchall() == [(day,)]


def test_a_part_is_decided_by_the_barcode_and_as_in_a_pack_of_barcodes(tmp_path):
    file = tmp_path / "a.csv"
    # Each barcode on both strands in two records: whatever hangs together is held out together.
    rows = [(f"{strand}{i}", reverse_complement(bases(i)) if strand == "b" else bases(i))
            for i in range(150) for strand in "ab"]  # fmt: skip
    file.write_text(BIOSCAN + "".join(f"{k},Aus bus,,{text},,,,,,\n" for k, text in rows))
    held = {}
    for kind in ("records", "barcodes"):
        asked = Asked(kind, valid=0.2, format="bioscan-5m")
        part = make_pack([file], tmp_path / kind, asked).pack.part("valid")
        held[kind] = sorted(part.records(everything(part)))
    assert held["records"] == held["barcodes"]
    assert 30 < len(held["records"]) < 90
    assert {key[1:] for key in held["records"] if key[0] == "a"} == {
        key[1:] for key in held["records"] if key[0] == "b"
    }


def test_what_a_published_test_has_is_not_learned_from_by_barcode_or_picture(tmp_path):
    find_format("bioscan-5m").fake(tmp_path, 1)
    table_ = next(tmp_path.rglob("*.csv"))
    with table_.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    images = {file.stem: file for file in (tmp_path / "images").rglob("*.jpg")}
    tests = [row for row in rows if row["split"].startswith("test")]
    learned = [row for row in rows if row["split"] in {"train", "pretrain"}
               and row["processid"] in images]  # fmt: skip
    shutil.copyfile(images[tests[0]["processid"]], images[learned[0]["processid"]])
    made = make_pack([tmp_path], tmp_path / "p", RECORDS)
    assert learned[0]["processid"] in (tmp_path / "p" / "rejects.tsv").read_text()
    train = made.pack.part("train")
    assert learned[0]["processid"] not in train.records(everything(train))


def test_bioscans_layout_is_packed_from_the_command_line(tmp_path, capsys):
    find_format("bioscan-5m").fake(tmp_path / "data", 1)
    with next((tmp_path / "data").rglob("*.csv")).open(encoding="utf-8", newline="") as stream:
        rows = {row["processid"]: row for row in csv.DictReader(stream)}
    images = {file.stem: file for file in (tmp_path / "data" / "images").rglob("*.jpg")}
    command = ["pack", str(tmp_path / "data"), "--kind", "records", "--out", str(tmp_path / "p")]
    assert main(command) == 0
    said = capsys.readouterr().out
    pack = open_pack(tmp_path / "p")
    counts = pack.modalities
    assert f"of them with a picture {counts['image']:,}, with a barcode {counts['barcode']:,}" in (
        said
    )
    assert counts["image"] > 5
    for record, ((_, picture, sequence, place),) in told(pack).items():
        assert picture == (images[record].read_bytes() if record in images else b"")
        assert sequence in {rows[record]["dna_barcode"], ""}
        latitude = rows[record]["coord-lat"]
        assert place[0] == pytest.approx(float(latitude)) if latitude else np.isnan(place[0])
        assert np.isnan(place[2])  # it has no dates
    assert main(command) == 0
    assert "was packed before" in capsys.readouterr().err


def test_a_folder_of_classes_is_packed_as_records(tmp_path):
    made = make_pack([pictures(tmp_path / "pics", 6)], tmp_path / "p", Asked("records", valid=0))
    assert made.pack.modalities == {"image": 6, "barcode": 0, "place": 0}
    assert made.pack.names("label") == ["Copepoda", "detritus"]
    assert made.pack.sequences(range(6)) == [""] * 6


def test_a_killed_packing_of_records_leaves_nothing_and_starts_afresh(tmp_path):
    source = table(tmp_path / "a.csv", records(300))
    command = [sys.executable, "-m", "merian", "pack", str(source), "--out", str(tmp_path / "p"),
               "--shard-size", "3", "--kind", "records"]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".p.*.part/shards/*")):
        assert child.poll() is None, "it was done before it could be killed"
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "p").exists()
    pack = make_pack([source], tmp_path / "p", Asked("records", shard_size=3)).pack
    assert pack.modalities["barcode"] == 300
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a.csv", "p"]


def test_a_pack_of_the_version_before_opens(tmp_path):
    pack = make_pack([pictures(tmp_path / "pics", 3)], tmp_path / "p").pack
    header = json.loads((tmp_path / "p" / "pack.json").read_text())
    assert header["merian"]["format_version"] == "1.2"
    header["merian"]["format_version"] = "1.1"
    write_json(tmp_path / "p" / "pack.json", header)
    old = open_pack(Path(tmp_path / "p"))
    assert (old.size, old.modalities, old.before_sizes) == (3, {}, False)
    assert old.read([0, 2]) == pack.read([0, 2])
