"""The drawing of what flows, and the page of a map of labels."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

from merian.report.flow import flow
from merian.report.labelled import labelled_page
from merian.taxonomy.label_map import Fault, LabelMap, LabelTarget

ROWS = [
    (("scanner", "Animalia", "Arthropoda"), 600.0, "Copepoda"),
    (("scanner", "detritus"), 300.0, "fluff & <b>"),
    (("camera", "Animalia", "Arthropoda"), 80.0, "copepod"),
    (("camera", "Animalia", "Mollusca"), 19.0, "snail"),
    (("camera", "Plantae", "Tiny"), 1.0, "leaf"),
]


def drawn() -> ElementTree.Element:
    return ElementTree.fromstring(flow("labels", ("source", "kingdom", "phylum"), ROWS, unit="n"))


def test_what_flows_in_flows_out_and_boxes_are_as_high_as_it() -> None:
    boxes = {g.find("text").text: g for g in drawn().iter("g")}
    assert set(boxes) == {"scanner", "camera", "Animalia", "detritus", "other", "Arthropoda",
                          "Mollusca"}  # fmt: skip
    high = {name: float(g.find("rect").get("height")) for name, g in boxes.items()}
    assert abs(high["Animalia"] / high["detritus"] - 699 / 300) < 0.01
    assert abs(high["scanner"] + high["camera"] - 420) < 0.2
    told = boxes["Animalia"].find("title").text
    assert told == "Animalia: 699 n, 3 labels: Copepoda 600, copepod 80, snail 19"
    ribbons = [path.find("title").text for path in drawn().iter("path")]
    assert "camera to Animalia: 99 n, 2 labels: copepod 80, snail 19" in ribbons
    assert "scanner to detritus: 300 n, 1 label: fluff & <b> 300" in ribbons


def test_boxes_of_a_column_do_not_touch_and_the_tree_does_not_cross() -> None:
    columns: dict[str, list[tuple[float, float]]] = {}
    for g in drawn().iter("g"):
        rect = g.find("rect")
        columns.setdefault(rect.get("x"), []).append(
            (float(rect.get("y")), float(rect.get("height")))
        )
    for boxes in columns.values():
        for (y, height), (below, _) in pairwise(boxes):
            assert y + height + 12 < below


def test_it_is_read_out_and_nothing_is_an_empty_drawing() -> None:
    assert drawn().find("desc").text.startswith("scanner: 900 n; camera: 100 n; Animalia: 699 n")
    assert flow("nothing", ("source",), []).startswith("<svg")


def target(label: str, name: str = "", **more: object) -> LabelTarget:
    lineage = {"kingdom": "Animalia", "genus": name} if name else {}
    kind = str(more.pop("kind", "living" if name else "detritus"))
    return LabelTarget("zoo", label, lineage, name or kind, kind, "", None, {}, 2, **more)


def test_the_page_of_a_map_lists_what_is_open_and_needs_nothing_else() -> None:
    rows = [
        target("Calanus", "Calanus", count=2_000_000, status="proposed",
               reason="the name, to the letter"),
        target("<script>", kind="unsure", count=500, reason="homonym", candidates="6 a | 9 b"),
        target("copepod", "Copepoda", count=7, status="proposed", reason="the word 'copepod'"),
        target("fluff", count=100),
    ]  # fmt: skip
    labels = LabelMap(Path("m.tsv"), {(t.source, t.label): t for t in rows},
                      (Fault(9, "names no label", "x"),))  # fmt: skip
    text = labelled_page(labels)
    assert text == labelled_page(labels)
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert "http" not in text.split("</style>")[1]
    assert "6 a; 9 b" in text
    assert "2.0 M" in text
    assert "names no label" in text
    worth = text.split("Worth a look</h2>")[1].split("</section>")[0]
    assert "copepod" in worth
    assert ">Calanus<" not in worth


def test_the_page_of_a_map_without_counts_counts_labels() -> None:
    rows = [target("Calanus", "Calanus"), target("fluff")]
    text = labelled_page(LabelMap(Path("m.tsv"), {(t.source, t.label): t for t in rows}, ()))
    assert "Every label is decided." in text
    assert "zoo: 2 labels, 2 labels: " in text
