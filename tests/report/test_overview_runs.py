"""Reports on runs and libraries: answers, measurements, clusters and references."""

from __future__ import annotations

import json

import pytest
from tests.library.conftest import bases, lineage
from tests.test_report import HOSTILE, Outline
from tests.test_report_identified import ROWS, TOLD, row, write_table

from merian.catalogue import Catalogue
from merian.cli import main
from merian.discover.tables import CLUSTERS, HISTORY, MEMBERS
from merian.errors import FormatError
from merian.identify import PARTS
from merian.library import build_library
from merian.report.overview import report_on
from merian.report.overview.library import of_library


def found(report, title):
    (section,) = [one for one in report.as_dict()["sections"] if one["title"] == title]
    return section["parts"]


def absent(report):
    return dict(found(report, "What is not here")[0]["rows"])


# -- answers --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bees(tmp_path_factory):
    """A catalogue that says of each answer of ROWS what it is: of s0 to s9 something else."""
    folder = tmp_path_factory.mktemp("bees")
    lines = ["occurrenceID,scientificName,genus,family"]
    for number, one in enumerate(ROWS):
        name = "Aus dus" if number < 10 else "Aus bus"
        lines.append(f"{one['id']},{name},Aus,Aidae")
    (folder / "bees.csv").write_text("\n".join(lines), encoding="utf-8")
    assert main(["import", str(folder / "bees.csv"), "--into", str(folder / "bees"), "-q"]) == 0
    return folder / "bees"


def test_answers_are_held_against_the_catalogue_in_which_they_lie(bees):
    run = bees / "runs" / "identify-1"
    run.mkdir(parents=True)
    write_table(run / "answers.tsv", ROWS, TOLD | {"alpha": 0.05})
    report = report_on(run)
    assert "script" not in {tag for tag, _ in Outline(report.html()).tags}
    _, text, plot = found(report, "How sure, and how often right")
    known = [one for one in ROWS if one["rank"] in ("species", "genus", "family")]
    assert sum(line[-1] for line in plot["rows"]) == len(known)
    assert "labels of the catalogue" in text["text"]
    promised = found(report, "The promise, and whether it was kept")[1]["rows"][0]
    silent = [one for one in ROWS if not one["name"]]  # to say nothing is never wrong
    assert silent
    assert promised[:5] == ["barcode", "5 %", len(known) + len(silent), 1, 10]
    best = found(report, "The best guess at the species")[2]
    assert sum(line[-1] for line in best["rows"]) == sum(
        one["p_species"] is not None for one in ROWS
    )
    confused = found(report, "By class")[-1]["rows"]
    assert confused == [["Aus dus", "Aus bus", 10, 0.97]]
    assert found(report, "What the libraries lack")[0]["figures"]["answers"] == str(len(ROWS))
    assert report.html() == report_on(run / "answers.tsv", against=bees).html()


def test_answers_that_rest_on_themselves_are_left_out(bees, tmp_path):
    rows = [one | {"nearest": f"x;{one['id']}"} if n % 2 else one for n, one in enumerate(ROWS)]
    report = report_on(write_table(tmp_path / "answers.tsv", rows), against=bees)
    plot = found(report, "How sure, and how often right")[2]
    kept = [
        o for n, o in enumerate(ROWS) if not n % 2 and o["rank"] in ("species", "genus", "family")
    ]
    assert sum(line[-1] for line in plot["rows"]) == len(kept)


def test_answers_alone_say_what_is_missing(tmp_path):
    table = write_table(tmp_path / "answers.jsonl", [*ROWS, row(HOSTILE, "genus", HOSTILE)])
    report = report_on(table)
    assert HOSTILE in Outline(report.html()).text
    assert "--against" in absent(report)["How sure, and how often right"]
    empty = write_table(tmp_path / "none.tsv", [ROWS[0]])
    lines = empty.read_text(encoding="utf-8").splitlines()
    empty.write_text(lines[0] + "\n", encoding="utf-8")
    assert "no answer" in absent(report_on(empty))["What was found"]


# -- measurements ---------------------------------------------------------------------------------


@pytest.fixture
def measured(tmp_path):
    head = "image specimen id group trait definition value low high unit pixels calibration codes"
    lines = ["\t".join(head.split())]
    for n in range(40):
        value = 1.1 ** (n - 10)
        ends = "\t".join(f"{share * value:.6g}" for share in (1, 0.9, 1.1))
        lines.append(f"{n}.jpg\t1\t\t{'ab'[n % 2]}\tbody_length\t1\t{ends}\tmm\t\t\t")
    (tmp_path / "measurements.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "images.tsv").write_text("image\taddress\n", encoding="utf-8")
    (tmp_path / "set_aside.tsv").write_text(
        f"image\taddress\treason\nx.jpg\tx.jpg\t{HOSTILE}\n", encoding="utf-8"
    )
    told = {"merian": {"format": "merian-measurements", "format_version": "1.0", "run": "m-1",
                       "merian": "0"}, "pictures": 40, "specimens": 40, "with_scale": 40,
            "set_aside": 1, "codes": {"small": 3}, "intervals": "k = 2"}  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(told), encoding="utf-8")
    return tmp_path


def test_measurements_have_spectra_and_the_width_of_their_intervals(measured):
    report = report_on(measured)
    assert HOSTILE in Outline(report.html()).text
    spectrum = next(p for p in found(report, "How large they are") if "plot" in p)
    assert spectrum["columns"] == ["from", "to", "all", "a", "b"]
    assert [sum(line[i] for line in spectrum["rows"]) for i in (2, 3, 4)] == [40, 20, 20]
    (sure,) = found(report, "How sure the values are")
    assert sure["rows"][0][3] == pytest.approx(10, abs=0.01)
    assert found(report, "What is doubtful")[0]["rows"][0][:2] == ["small", 3]


def test_a_run_whose_tables_are_gone_is_told(measured):
    (measured / "measurements.tsv").unlink()
    with pytest.raises(FormatError, match=r"measurements.tsv: is gone; measure again"):
        report_on(measured)


def test_a_report_replaces_nothing_that_it_is_about(bees, tmp_path, capsys):
    bench = tmp_path / "world.json"
    told = json.dumps({"bench": "world", "figures": {"a": {"value": 1}}})
    bench.write_text(told, encoding="utf-8")
    page = str(tmp_path / "page.html")
    assert main(["report", str(bench), "--out", page, "--json", str(bench)]) == 2
    assert "is what the report is about" in capsys.readouterr().err
    assert bench.read_text(encoding="utf-8") == told
    held = bees / "catalogue.duckdb"
    before = held.read_bytes()
    assert main(["report", str(bees), "--out", str(held)]) == 2
    assert held.read_bytes() == before


# -- trays ----------------------------------------------------------------------------------------


def test_a_tray_has_kinds_sizes_and_what_is_doubtful(tmp_path):
    bodies, values = (
        ["photo\tinstance\tcodes\tname"],
        ["photo\tinstance\ttrait\tvalue\tlow\thigh\tunit"],
    )
    for n in range(1, 31):
        bodies.append(f"a.jpg\t{n}\t{'parted;small' if n < 4 else ''}\t{HOSTILE if n < 11 else ''}")
        values.append(f"a.jpg\t{n}\tferet\t{n}\t{0.9 * n:.3g}\t{1.1 * n:.3g}\tmm")
    tables = {
        "instances.tsv": bodies, "measurements.tsv": values,
        "photographs.tsv": ["photo\tfound\texpected\tcalibration", "a.jpg\t30\t\t"],
        "set_aside.tsv": ["photo\taddress\treason", f"b.jpg\tb.jpg\t{HOSTILE}"],
        "counts.tsv": ["photo\tkind\tanswered\tcount\tfrom\tto\tvalidated",
                       f"a.jpg\t{HOSTILE}\t10\t12.5\t8\t15\t4", "a.jpg\tbug\t20\t17.5\t15\t22\t4"],
    }  # fmt: skip
    for name, lines in tables.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    told = {"merian": {"format": "merian-tray", "format_version": "1.0", "run": "t-1",
                       "merian": "0"}, "photographs": 1, "bodies": 30, "with_scale": 1,
            "set_aside": 1}  # fmt: skip
    (tmp_path / "tray.json").write_text(json.dumps(told), encoding="utf-8")
    report = report_on(tmp_path)
    assert HOSTILE in Outline(report.html()).text
    assert found(report, "How many of each kind")[0]["rows"] == [
        ["bug", 17.5, 20, 1], [HOSTILE, 12.5, 10, 1]
    ]  # fmt: skip
    spectrum = next(p for p in found(report, "How large they are") if "plot" in p)
    assert sum(line[2] for line in spectrum["rows"]) == 30
    assert [row[:2] for row in found(report, "What is doubtful")[0]["rows"]] == [
        ["parted", 3], ["small", 3]
    ]  # fmt: skip
    (tmp_path / "counts.tsv").unlink()
    assert "--library" in absent(report_on(tmp_path))["How many of each kind"]
    (tmp_path / "instances.tsv").unlink()
    with pytest.raises(FormatError, match=r"instances.tsv: is gone; find the bodies again"):
        report_on(tmp_path)


# -- clusters -------------------------------------------------------------------------------------


def test_clusters_are_told_with_those_that_were_left_alone(tmp_path):
    counts = {"grouped": 15, "alone": 4, "named": 2}
    told = {"merian": {"format": "merian-clusters", "format_version": "1.0", "run": "d-1",
                       "merian": "0"}, "counts": counts}  # fmt: skip
    (tmp_path / "discover.json").write_text(json.dumps(told), encoding="utf-8")
    ranks = json.dumps({"order": "Aales", "family": "Aidae", "genus": "Aus"})
    usual = {"parentName": "Aus", "parentRank": "genus", "probability": "0.9", "standing": "1",
             "support": "0.5", "mergedByHand": "False", "founded": "1", "nearestDistance": "0.05",
             "nearestBy": "barcode", "nearestName": "Aus bus", "lineage": ranks}  # fmt: skip
    lines = ["\t".join(CLUSTERS)]
    for n, size in enumerate((10, 5)):
        code = f"MRN-00000{n}"
        one = usual | {"clusterCode": code, "goesBy": code, "name": f"Aus sp. {code}",
                       "provisionalName": f"Aus sp. {code}", "specimens": str(size),
                       "medoid": HOSTILE, "founded": str(n + 1)}  # fmt: skip
        lines.append("\t".join(one.get(column, "") for column in CLUSTERS))
    (tmp_path / "clusters.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "members.tsv").write_text("\t".join(MEMBERS) + "\n", encoding="utf-8")
    (tmp_path / "history.tsv").write_text("\t".join(HISTORY) + "\n", encoding="utf-8")
    report = report_on(tmp_path)
    figures = found(report, "In short")[0]["figures"]
    assert figures == {"groups": 2, "records in them": 15, "records left alone": 4,
                       "records with a name already": 2}  # fmt: skip
    assert found(report, "Under what they stand")[0]["rows"][0][-2] == 15
    assert found(report, "How many there may be")[0]["figures"]["groups met"] == 6
    distances = found(report, "How far from the nearest with a name")[0]["rows"]
    assert sum(line[2] for line in distances) == 2
    assert "script" not in {tag for tag, _ in Outline(report.html()).tags}


# -- libraries ------------------------------------------------------------------------------------


def test_a_library_tells_how_evenly_references_are_shared_out(tmp_path):
    lines = []
    for n, (species, each) in enumerate((("bus", 5), ("cus", 2), ("dus", 1))):
        for k in range(each):
            key, names = f"{species}{k}", lineage(f"Aus {species}")
            lines.append(f">{key};tax={names};\n{bases(10 * n + k)}\n")
    (tmp_path / "r.fasta").write_text("".join(lines), encoding="utf-8")
    build_library([tmp_path / "r.fasta"], tmp_path / "lib", parts=PARTS)
    said: list[str] = []
    report = of_library(tmp_path / "lib", said.append)
    figures, each, _, curve = found(report, "How many references a species has")
    assert list(figures["figures"].values())[:3] == [3, 2.0, "33.3\u00a0%"]
    # Half the area between the curve and the diagonal, by hand: (0, 1/8, 3/8, 1) over thirds.
    assert list(figures["figures"].values())[4] == round(1 - (1 / 8 + 4 / 8 + 11 / 8) / 3, 2)
    assert [line[1] for line in each["rows"]] == [1, 1, 1, 0, 0, 0, 0, 0]
    assert curve["rows"][0] == [0.0, 0.0]
    assert found(report, "Where it is thin")[1]["rows"][0][1:4] == [3, 1, 33.3]
    assert said
    assert report_on(tmp_path / "lib").html() == report.html()


def test_a_catalogue_of_pictures_alone_has_a_report(tmp_path):
    pictures = tmp_path / "pictures" / "kind"
    pictures.mkdir(parents=True)
    from PIL import Image

    for n in range(3):
        Image.new("RGB", (20, 20), (n * 40, 90, 90)).save(pictures / f"{n}.png")
    folder = str(tmp_path / "pictures")
    assert main(["import", folder, "--into", str(tmp_path / "cat"), "-q"]) == 0
    report = report_on(tmp_path / "cat")
    assert found(report, "In short")[0]["figures"]["records"] == 3
    assert absent(report)["Where"] == "no record has coordinates"
    with Catalogue.open(tmp_path / "cat", read_only=True) as opened:
        assert opened.query("SELECT count(*) FROM media").value() == 3
