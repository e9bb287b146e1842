"""The page of a run of ``merian identify``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from merian.database import connect
from merian.errors import FormatError, NotFoundError
from merian.identify.wording import FLAGS
from merian.report.identified import _ADVICE, write_identified
from tests.test_report import HOSTILE, Outline

COLUMNS = [
    "id", "family", "genus", "species", "p_family", "p_genus", "p_species", "rank", "name", "p",
    "runner_up", "p_runner_up", "identity", "overlap", "nearest", "group", "verdict", "flags",
    "explanation",
]  # fmt: skip


def row(id: str, rank: str, name: str, **more: object) -> dict[str, object]:
    usual = {
        "family": "Aidae", "genus": "Aus", "species": "Aus bus", "p_family": 1.0, "p_genus": 0.99,
        "p_species": 0.97, "p": 0.97, "runner_up": "", "p_runner_up": 0.0, "identity": 0.998,
        "overlap": 650, "nearest": "a1;a2", "group": "", "flags": "",
        "verdict": "its species is in this library (97 %)", "explanation": f"About {id}.",
    }  # fmt: skip
    return {"id": id, "rank": rank, "name": name} | usual | more


ROWS = [
    *(row(f"s{i}", "species", "Aus bus") for i in range(60)),
    row("g1", "genus", "Aus", flags="shared_barcode", p_species=0.5),
    row("g2", "genus", "Aus", flags="novel;short", p_species=0.1, identity=0.91,
        verdict="its species is not in this library (90 %); most probably under Aus"),
    row("f1", "family", "Aidae", flags="equal", identity=0.84),
    row("o1", "order", "Aales", p_species=0.2, identity=0.81),
    row("r1", "species", "Aus bus", flags="other_strand"),
    row("n1", "", "", p=1.0, p_species=None, identity=None, flags="no_match",
        verdict="nothing like it is in this library"),
]  # fmt: skip
TOLD = {
    "merian": {"format": "merian-answers", "run": "identify-0123", "taxonomy": None},
    "set_aside": {"This is a protein": 2, "The sequence is empty": 1},
    "promise": ["promise: at most 5 % of answers are wrong", "no promise where genus is absent"],
    "novelty": [0.7, 0.2, 0.08, 0.02],
    "estimated": True,
    "strata": [{"name": "genus absent", "genera": 30, "records": 99, "error": 0.031,
                "promised": False}],
}  # fmt: skip


def write_table(path: Path, rows: list[dict[str, object]], told: object = TOLD) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    else:
        _write_tsv(path, rows)
    if told is not None:
        Path(f"{path}.merian.json").write_text(json.dumps(told), encoding="utf-8")
    return path


def _write_tsv(path: Path, rows: list[dict[str, object]]) -> None:
    tsv = path.with_suffix(".tsv")
    with tsv.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE)
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in one.items()} for one in rows)
    if path.suffix == ".parquet":
        numbers = {k: "DOUBLE" for k in COLUMNS if k.startswith("p") or k == "identity"}
        source = f"read_csv('{tsv}', delim='\t', quote='', types={numbers})"
        with connect() as con:
            con.execute(f"COPY (SELECT * FROM {source}) TO '{path}'")


def squeezed(text: str) -> str:
    """A text without blanks: tags part what is read without any."""
    return "".join(text.split())


def page_of(path: Path) -> Outline:
    page = path.with_suffix(".html")
    write_identified(path, page)
    return Outline(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("suffix", [".tsv", ".parquet", ".jsonl"])
def test_the_page_tells_of_the_run(tmp_path, suffix):
    text = squeezed(page_of(write_table(tmp_path / f"out{suffix}", ROWS)).text)
    for told in (
        "answers 66", "named to a species 61", "named to a genus 2", "named to a family 1",
        "named higher up, or not at all 2", "set aside 3", "This is a protein 2",
        "Promise: at most 5 % of answers are wrong.", "No promise where genus is absent.",
        "estimated from these records: 70.0 % are of a species that the library has",
        "genus absent 30 99 3.1 % no: too few genera", "Aus bus species 61 99.8",
        "its species is in this library 64", "its species is not in this library 1",
        "shared_barcode 1 two species or more are equally near", "named to a species (61)",
        "to a genus (2)", "above, or not at all (2)", "identify-0123",
    ):  # fmt: skip
        assert squeezed(told) in text


def test_what_needs_a_look_comes_in_the_order_of_its_urgency(tmp_path):
    text = page_of(write_table(tmp_path / "out.tsv", ROWS)).text
    places = [text.index(f"About {key}.") for key in ("f1", "n1", "g1", "g2", "o1")]
    assert places == sorted(places)
    assert "About r1." not in text  # the other strand is no fault
    assert "About s0." not in text


def test_only_some_of_what_needs_a_look_is_shown(tmp_path):
    rows = [row(f"x{i}", "genus", "Aus", flags="novel") for i in range(100)]
    text = page_of(write_table(tmp_path / "out.tsv", rows)).text
    assert text.count("About x") == 40
    assert "and 60 more" in text


def test_a_table_alone_is_enough(tmp_path):
    path = tmp_path / "out.tsv"
    path.write_text("id\trank\tname\tp\nq1\tgenus\tAus\t0.9\nq2\t\t\t1\n")
    outline = page_of(path)
    assert "answers2" in outline.text
    assert "What is promised" not in outline.text
    path.write_text("id\trank\tname\tp\n")
    assert "answers0" in page_of(path).text


def test_what_stands_in_the_table_is_never_markup(tmp_path):
    hostile = row(HOSTILE, "genus", HOSTILE, flags=HOSTILE, explanation=HOSTILE, verdict=HOSTILE)
    outline = page_of(write_table(tmp_path / "out.jsonl", [hostile], {"promise": HOSTILE}))
    tags = {tag for tag, _ in outline.tags}
    assert not tags & {"script", "img"}
    assert HOSTILE in outline.text


def test_the_same_answers_give_the_same_bytes(tmp_path):
    path = write_table(tmp_path / "out.tsv", ROWS)
    write_identified(path, tmp_path / "a.html")
    write_identified(path, tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_every_flag_has_its_advice():
    assert _ADVICE.keys() == FLAGS.keys()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("out.tsv", "id\tname\nq1\tAus\n", "no column rank"),
        ("out.xlsx", "PK", "ends with .tsv"),
        ("out.parquet", "no parquet", "cannot be read as a table"),
    ],
)
def test_what_is_no_table_of_answers_is_told(tmp_path, name, content, told):
    (tmp_path / name).write_text(content)
    with pytest.raises(FormatError, match=told):
        write_identified(tmp_path / name, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
    with pytest.raises(NotFoundError, match="no such table of answers"):
        write_identified(tmp_path / "none.tsv", tmp_path / "page.html")
