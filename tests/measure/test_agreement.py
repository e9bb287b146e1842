"""How far people agree: known errors are found again, and the published table comes out."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.catalogue import Catalogue, Reading, Rows
from merian.cli import main
from merian.errors import InputError
from merian.formats import read_path
from merian.measure.agreement import agreement
from merian.measure.ratings import Columns, Ratings, read_ratings

BEETLES = (
    Path(__file__).resolve().parents[3]
    / "shared/data/traits/neon2018_beetlepalooza/all_measurements.csv.gz"
)
real = pytest.mark.skipif(not BEETLES.exists(), reason="the beetles of 2018 are not here")


def ratings(value: np.ndarray, pixels: np.ndarray | None = None, per_image: int = 10) -> Ratings:
    things, people = value.shape
    image = np.arange(things) // per_image
    return Ratings(
        "length", "mm", tuple(f"{n:03}" for n in range(things)),
        tuple("ABCDEFG"[:people]), tuple(f"p{n:03}" for n in range(image[-1] + 1)), image,
        value, np.full_like(value, np.nan) if pixels is None else pixels,
    )  # fmt: skip


def table(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "lengths.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def anova(values: np.ndarray) -> tuple[float, float]:
    """ICC(2,1) and the standard error of measurement, straight from the textbook."""
    n, k = values.shape
    grand = values.mean()
    rows = k * ((values.mean(1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((values.mean(0) - grand) ** 2).sum() / (k - 1)
    rest = values - values.mean(1, keepdims=True) - values.mean(0, keepdims=True) + grand
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    return (rows - error) / (rows + (k - 1) * error + k * (columns - error) / n), error**0.5


def test_known_errors_are_found_again_and_parted():
    rng = np.random.default_rng(3)
    truth = rng.uniform(3, 15, 4000)
    scale = np.repeat(rng.normal(10, 1, 400), 10)  # pixels a millimetre
    # B's scale is 4 % longer, B ends 0.3 mm further out, and each click is 0.1 mm off.
    pixels = np.stack([truth, truth + 0.3], axis=1) * scale[:, None]
    pixels += rng.normal(0, 0.1, pixels.shape) * scale[:, None]
    own = np.stack([scale, scale * 1.04], axis=1)
    found = agreement(ratings(pixels / own, pixels))
    (pair,) = found.pairs
    assert (pair.one, pair.other, pair.images) == ("B", "A", 400)
    assert pair.scale_ratio == pytest.approx((1.04, 0), abs=1e-9)
    assert pair.shared["bias"].value == pytest.approx(0.3 / 1.02, abs=0.01)
    assert pair.shared["sd"].value == pytest.approx(0.1 * 2**0.5 / 1.02, rel=0.05)
    expected = (truth + 0.3) / 1.04 - truth
    assert pair.own["bias"].value == pytest.approx(expected.mean(), abs=0.01)
    whole = pair.own["rmse"].value ** 2
    assert pair.parts["placement"].value * whole == pytest.approx(2 * (0.1 / 1.02) ** 2, rel=0.06)
    assert pair.parts["definition"].value * whole == pytest.approx((0.3 / 1.02) ** 2, rel=0.06)
    assert sum(part.value for part in pair.parts.values()) == pytest.approx(1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(3, 40))
def test_figures_are_those_of_the_textbook(seed, people, things):
    rng = np.random.default_rng(seed)
    values = rng.uniform(1, 9, (things, 1)) + rng.normal(0, 0.5, (things, people))
    found = agreement(ratings(values, per_image=2), rounds=50)
    assert found.together is not None
    icc, error = anova(values)
    assert found.together.own["icc"].value == pytest.approx(icc, abs=1e-9)
    assert found.together.own["sem"].value == pytest.approx(error, abs=1e-9)
    assert len(found.pairs) == people * (people - 1) // 2
    for pair in found.pairs:
        x, y = (values[:, "ABCDE".index(who)] for who in (pair.one, pair.other))
        d = x - y
        own = {name: figure.value for name, figure in pair.own.items()}
        assert own["bias"] == pytest.approx(d.mean())
        assert own["mae"] == pytest.approx(np.abs(d).mean())
        assert own["rmse"] == pytest.approx(np.sqrt((d**2).mean()))
        assert own["high"] - own["low"] == pytest.approx(2 * 1.959964 * d.std(ddof=1), rel=1e-5)
        ccc = 2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
        assert own["ccc"] == pytest.approx(ccc, abs=1e-9)


def test_intervals_are_drawn_by_picture():
    rng = np.random.default_rng(1)
    by_picture = np.repeat(rng.normal(0, 1, 30), 20)
    values = np.stack([np.zeros(600), by_picture], axis=1) + 10
    (wide,) = agreement(ratings(values, per_image=20)).pairs
    (narrow,) = agreement(ratings(values, per_image=1)).pairs
    width = [p.own["bias"].high - p.own["bias"].low for p in (wide, narrow)]
    assert width[0] > 3.5 * width[1]  # the square root of 20


def test_a_swap_and_a_shuffled_picture_are_told_and_a_bias_is_not():
    rng = np.random.default_rng(2)
    truth = rng.uniform(5, 9, 60)
    other = truth * 1.3 + rng.normal(0, 0.02, 60)  # another definition, for all alike
    other[7] *= 0.4
    other[20:30] = other[20:30][::-1]
    doubts = agreement(ratings(np.stack([truth, other], axis=1))).doubts
    assert "007" in {doubt.subject for doubt in doubts}
    assert {doubt.image for doubt in doubts if not doubt.subject} == {"p002"}
    assert {doubt.image for doubt in doubts} <= {"p000", "p002"}


def test_long_and_wide_tables_are_the_same(tmp_path):
    long = [
        {"Specimen": f"s{n}", "Trait": "wing", "Rater": who, "Value": 10 + n + add, "unit": "mm"}
        for n in range(4)
        for who, add in (("x", 0), ("y", 0.5))
    ]
    wide = [
        {"specimen": row["Specimen"], "rater": row["Rater"], "wing_cm": row["Value"] / 10}
        for row in long
    ]
    for rows in (long, wide):
        (found,) = read_ratings(table(tmp_path, rows))
        assert (found.trait, found.unit, found.raters) == ("wing", "mm", ("x", "y"))
        assert found.value[:, 1] - found.value[:, 0] == pytest.approx([0.5] * 4)
        assert found.images == ()


def test_two_ways_of_one_person_count_as_two(tmp_path):
    rows = [
        {"id": n, "rater": "x", "method": how, "length_mm": n + (how == "calliper") / 10}
        for n in range(1, 5)
        for how in ("calliper", "picture")
    ]
    (found,) = read_ratings(table(tmp_path, rows))
    assert found.raters == ("x, calliper", "x, picture")
    (pair,) = agreement(found).pairs
    assert pair.own["bias"].value == pytest.approx(-0.1)


def test_what_was_measured_twice_by_the_same_is_set_aside(tmp_path):
    rows = [{"id": n, "rater": who, "length_mm": 5 + n} for n in range(4) for who in "xy"]
    (found,) = read_ratings(table(tmp_path, [*rows, {"id": 2, "rater": "x", "length_mm": 3}]))
    assert [(a.subject, a.rater) for a in found.aside] == [("2", "x")]
    assert np.isfinite(found.value).all(axis=1).sum() == 3


@pytest.mark.parametrize(("rows", "columns", "said"), [
    ([{"a": 1, "rater": "x", "length_mm": 1}], Columns(), "--subject"),
    ([{"id": 1, "length_mm": 1}], Columns(), "--rater"),
    ([{"id": 1, "rater": "x", "size": 1}], Columns(), "--value"),
    ([{"id": 1, "rater": "x", "length_mm": 1}], Columns(subject="no"), "no column no"),
    ([{"id": n, "rater": "x", "length_mm": 1} for n in range(3)], Columns(), "two people"),
    ([{"id": 1, "rater": who, "length_mm": "long"} for who in "xy"], Columns(), "two people"),
], ids=["subject", "rater", "value", "unknown", "alone", "words"])  # fmt: skip
def test_a_table_that_lacks_something_is_told_what(tmp_path, rows, columns, said):
    with pytest.raises(InputError, match=said):
        read_ratings(table(tmp_path, rows), columns)


def test_the_verb_prints_writes_and_says_what_is_wrong(tmp_path, capsys):
    rng = np.random.default_rng(5)
    rows = [
        {"id": f"{n}", "rater": who, "length_mm": 5 + n / 10 + rng.normal(0, 0.1),
         "image": f"<b>{n // 5}</b>"}
        for n in range(20) for who in "xy"
    ]  # fmt: skip
    path = table(tmp_path, rows)
    assert main(["agreement", str(path), "--out", str(tmp_path / "out")]) == 0
    assert "y - x" in capsys.readouterr().out
    page = (tmp_path / "out" / "agreement.html").read_text(encoding="utf-8")
    assert "<b>0" not in page
    with (tmp_path / "out" / "pairs.tsv").open(encoding="utf-8", newline="") as stream:
        (line,) = csv.DictReader(stream, delimiter="\t")
    assert (line["pair"], line["n"], line["images"]) == ("y - x", "20", "4")
    assert main(["agreement", str(path), "--json", "--quiet"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["pairs"][0]["own"]["bias"]["n"] == 20
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("keep")
    assert main(["agreement", str(path), "--out", str(tmp_path / "other")]) == 2
    assert main(["agreement", str(tmp_path / "absent.csv")]) == 2
    (tmp_path / "empty.csv").write_text("")
    assert main(["agreement", str(tmp_path / "empty.csv")]) == 2


def test_wrong_patterns_and_rounds_are_told_and_json_knows_no_nan(tmp_path, capsys):
    rows = [{"subject": f"a_{n}", "rater": who, "value": n + 1, "unit": "mm", "image": "a"}
            for n in range(3) for who in "XY"]  # fmt: skip
    path = str(table(tmp_path, rows))
    for words, said in (
        (["--image-pattern", "("], "cannot be read"),
        (["--image-pattern", "a_"], "has no group"),
        (["--rounds", "-1"], "expected 1 or more"),
    ):
        assert main(["agreement", path, *words]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert main(["agreement", path, "--json", "-q"]) == 0

    def refuse(constant):
        raise AssertionError(constant)

    (told,) = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert told["pairs"][0]["own"]["bias"]["low"] is None  # one picture has no interval


@real
def test_the_three_who_measured_the_beetles_of_2018():
    found = read_ratings(BEETLES, Columns(image_pattern=r"(.+)_\d+"))
    length = next(one for one in found if one.trait == "elytraLength")
    assert (len(length.aside), len(length.images)) == (43, 577)
    told = agreement(length, rounds=200)
    pairs = {(pair.one + pair.other): pair for pair in told.pairs}
    expected = {"BA": (-0.503, 0.633, 0.382), "CA": (-0.878, 0.995, 0.343),
                "CB": (-0.375, 0.492, 0.303)}  # fmt: skip
    for who, figures in expected.items():
        pair = pairs[who]
        got = pair.own["bias"].value, pair.own["rmse"].value, pair.shared["rmse"].value
        assert [round(value, 3) for value in got] == list(figures)
    assert [round(100 * pairs[who].parts["scale"].value) for who in expected] == [64, 88, 62]
    assert told.together is not None
    assert round(told.together.own["icc"].value, 3) == 0.974
    assert round(told.together.shared["icc"].value, 3) == 0.994


@real
def test_a_catalogue_tells_the_same_as_its_table(tmp_path):
    few = tmp_path / "all_measurements.csv"
    with gzip.open(BEETLES, "rt", encoding="utf-8") as source:
        head, *lines = source.read().splitlines()
    few.write_text("\n".join([head, *[line for line in lines if "A0000000" in line]]))
    with Catalogue.create(tmp_path / "c") as catalogue:
        catalogue.ingest(read_path(few))
    of_table = read_ratings(few, Columns(image_pattern=r"(.+)_\d+"))
    of_catalogue = read_ratings(tmp_path / "c")
    for one, other in zip(of_table, of_catalogue, strict=True):
        a, b = agreement(one, rounds=20), agreement(other, rounds=20)
        for p, q in zip(a.pairs, b.pairs, strict=True):
            assert p.own["bias"].value == pytest.approx(q.own["bias"].value)
            assert p.shared["rmse"].value == pytest.approx(q.shared["rmse"].value)
            assert p.images == q.images


def test_measurements_of_a_catalogue_without_a_unit_are_compared(tmp_path):
    source = tmp_path / "source"
    source.write_text("made here")
    tables = {
        "occurrence": {"occurrenceID": ["O1"]},
        "measurement": {
            "measurementID": ["1", "2"], "occurrenceID": ["O1", "O1"],
            "measurementDeterminedBy": ["X", "Y"], "measurementType": ["setae", "setae"],
            "measurementValue": ["4", "5"],
        },
    }  # fmt: skip
    rows = [
        Rows(source, name, [{"line": list(range(len(next(iter(of.values()))))), **of}])
        for name, of in tables.items()
    ]
    with Catalogue.create(tmp_path / "cat") as opened:
        opened.ingest(Reading("test", rows, (source,)))
    (found,) = read_ratings(tmp_path / "cat")
    assert found.value.tolist() == [[4, 5]]
    assert found.unit == ""
