"""The page of points: data in, data out, hostile names as data, thumbnails, places."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from merian.errors import InputError
from merian.pictures import BadPictureError
from merian.report.scatter import NONE, Scatter, places_of, write_scatter

HOSTILE = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a&b \u2028 '\"")


def page_of(tmp_path, count=5, names=("Aus", "", "Aus", "Bus", "Bus"), picture=None, title="T"):
    places = np.array([[0, 0], [4, 2], [2, 1], [0, 2], [4, 0]][:count], np.float32)
    what = Scatter(title, places, [f"r{i}" for i in range(count)], {"label": names}, "So.", picture)
    return write_scatter(tmp_path / "points.html", what), (tmp_path / "points.html").read_text()


def data_of(html):
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])


def numbers(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_places_and_names_are_all_there(tmp_path):
    told, html = page_of(tmp_path)
    data = data_of(html)
    x, y = (numbers(data[axis], "<u2") for axis in "xy")
    assert x.tolist() == [0, 65535, 32768, 0, 65535]  # both axes in one scale, in the middle
    assert (y.min(), y.max()) == (16384, 49151)
    assert y[0] > y[1]  # the second axis goes up
    column = data["columns"][0]
    codes = numbers(column["codes"], "<u4")
    assert [column["names"][code] for code in codes] == ["Aus", NONE, "Aus", "Bus", "Bus"]
    assert column["names"][-1] == NONE and column["counts"] == [2, 2, 1]
    assert (told.points, told.pictures, told.bad) == (5, 0, ())
    assert told.size == len(html.encode())
    assert (numbers(data["slots"], "<i4") == -1).all()


def test_names_are_data_and_never_markup(tmp_path):
    _, html = page_of(tmp_path, 3, HOSTILE, title=HOSTILE[0])
    assert html.count("<script") == 2  # the data, and the program
    assert "<img" not in html
    assert sorted(data_of(html)["columns"][0]["names"]) == sorted(HOSTILE)
    script = re.search(r"<script>(.*?)</script>", html, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; script-src 'sha256-{digest}'" in html  # nothing else may run
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", script)


def test_thumbnails_are_in_sheets_and_bad_ones_are_told(tmp_path):
    colours = [(255, 0, 0), (0, 255, 0), None, (0, 0, 255)]

    def picture(row):
        if row == 4:
            raise BadPictureError("cut off")
        return colours[row] and Image.new("RGB", (30, 20), colours[row])

    told, html = page_of(tmp_path, picture=picture)
    data = data_of(html)
    assert told.pictures == 3 and told.bad == ((4, "cut off"),)
    assert numbers(data["slots"], "<i4").tolist() == [0, 1, -1, 2, -1]
    sheet = re.search(r'class="sheet">(.*?)</script>', html)[1]
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet))).convert("RGB"), np.int64)
    for slot, colour in enumerate([colours[0], colours[1], colours[3]]):
        middle = image[data["side"] // 2, slot * data["side"] + data["side"] // 2]
        assert np.abs(middle - colour).max() < 40


def test_the_same_input_gives_the_same_bytes(tmp_path):
    assert page_of(tmp_path)[1] == page_of(tmp_path)[1]


def test_no_points_make_a_page(tmp_path):
    what = Scatter("None", np.zeros((0, 2)), [], {"label": []})
    assert write_scatter(tmp_path / "none.html", what).points == 0


@pytest.mark.parametrize("columns", [{}, {"label": ["one"]}], ids=["none", "short"])
def test_lengths_that_differ_are_refused(tmp_path, columns):
    with pytest.raises(InputError, match="one length and a column"):
        write_scatter(tmp_path / "x.html", Scatter("T", np.zeros((2, 2)), ["a", "b"], columns))
    assert list(tmp_path.iterdir()) == []


def test_places_that_are_not_finite_are_refused(tmp_path):
    what = Scatter("T", np.array([[0, np.nan]]), ["a"], {"label": ["x"]})
    with pytest.raises(InputError, match="finite"):
        write_scatter(tmp_path / "x.html", what)


def test_two_main_axes_are_those_of_a_decomposition():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(40, 6)) * [9, 4, 1, 1, 1, 1]
    places, how = places_of(vectors, "pca")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    u, s, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
    assert np.allclose(np.abs(places), np.abs(u[:, :2] * s[:2]), atol=1e-5)
    assert "PCA" in how
    assert np.array_equal(places, places_of(vectors * 4, "pca")[0])  # length says nothing


def test_a_way_that_is_not_there_is_told():
    with pytest.raises(InputError, match="auto, umap or pca"):
        places_of(np.eye(3), "tsne")
    with pytest.raises(InputError, match="finite"):
        places_of(np.full((3, 2), np.nan), "pca")
    assert places_of(np.ones((1, 3)))[0].shape == (1, 2)
