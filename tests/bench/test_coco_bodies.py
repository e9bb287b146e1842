"""A COCO file of one's own: its bodies as they are, and the figures that COCO's own code gives."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from merian.bench.coco_bodies import TrueBody, true_bodies
from merian.bench.instance_scores import AREAS, compare, figures
from merian.bench.trays_learned import run
from merian.errors import InputError, NotFoundError
from merian.tray.instances import Instance

NAMES = ("GYTL2T_1.png", "G9XHGJ_1.png", "other.png", "gone.png")


def square(side: int, left: int, top: int) -> list[list[float]]:
    right, below = left + side, top + side
    return [[left, top, right, top, right, below, left, below]]


@pytest.fixture
def coco(tmp_path):
    """Dark squares on white: of each picture two bodies, and a third that is debris or unknown."""
    images, annotations = [], []
    for number, name in enumerate(NAMES):
        images.append({"id": number, "file_name": name, "width": 240, "height": 200})
        pixels = np.full((200, 240, 3), 235, np.uint8)
        for kind, left in ((1, 30), (1, 100), (2 + number % 2, 170)):
            pixels[60:100, left : left + 40] = 40
            annotations.append({"id": len(annotations) + 1, "image_id": number,
                                "category_id": kind, "iscrowd": 0, "bbox": [left, 60, 40, 40],
                                "area": 1600, "segmentation": square(40, left, 60)})  # fmt: skip
        if name != "gone.png":
            Image.fromarray(pixels).save(tmp_path / name)
    content = {"images": images, "annotations": annotations, "categories": [
        {"id": 1, "name": "b"}, {"id": 2, "name": "u"}, {"id": 3, "name": "d"}]}  # fmt: skip
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_bodies_are_those_of_the_part_and_of_the_categories(coco):
    every = [*true_bodies(coco)]
    assert [one.name for one in every] == [*NAMES[:3]]
    assert [len(one.bodies) for one in every] == [3, 3, 3]
    (held,) = true_bodies(coco, "valid", ["b"], ["u"])  # as MassID45 publishes it
    assert held.name == "GYTL2T_1.png"
    body = held.bodies[0]
    assert (body.left, body.top, body.mask.shape) == (30, 60, (40, 40))
    assert body.mask.all()
    assert [(one.left, len(held.bodies)) for one in held.ignored] == [(170, 2)]
    (tested,) = true_bodies(coco, "test", ["b"], ["u"])
    assert (tested.name, len(tested.bodies), len(tested.ignored)) == ("G9XHGJ_1.png", 2, 0)


def test_what_is_not_asked_neither_counts_nor_costs(coco):
    told = run(data=coco, part="valid", categories="b", ignored="u")
    assert told["classical: there"]["value"] == 2
    assert told["classical: found"]["value"] == 2
    assert told["classical: AP"]["value"] == pytest.approx(1, abs=1e-3)
    told = run(data=coco, part="test", categories="b")  # debris was found there, as a body
    assert told["classical: count error"]["value"] == 0.5
    assert told["classical: recall"]["value"] == 1


def test_what_cannot_be_asked_is_told(coco, tmp_path):
    with pytest.raises(InputError, match="train, valid, test expected"):
        [*true_bodies(coco, "val")]
    with pytest.raises(InputError, match="no category is called 'bug'"):
        [*true_bodies(coco, "", ["bug"])]
    for name in NAMES[:3]:
        (tmp_path / name).write_bytes(b"\x89PNG\r\n")
    with pytest.raises(InputError, match=r"no picture .*3 pictures that cannot be read"):
        [*true_bodies(coco)]
    with pytest.raises(NotFoundError):
        [*true_bodies(tmp_path / "nothing.json")]


@pytest.mark.parametrize("seed", range(4))
def test_figures_with_crowds_are_those_of_pycocotools(seed):
    random = np.random.default_rng(seed)
    side = 160
    truths, answers, compared = [], [], []
    for picture in range(3):
        true, crowds, found = [], [], []
        for number in range(10):  # in cells, so that crowds do not lie over each other
            size = int(random.choice([8, 22, 34]))
            left, top = number % 4 * 40, number // 4 * 40
            body = TrueBody(random.random((size, size)) < 0.9, left, top)
            (crowds if number % 3 == 2 else true).append(body)
            for _ in range(random.integers(3)):
                moved = [int(v) for v in random.integers(0, 5, 2)]
                mask = body.mask[: size - moved[0], : size - moved[1]]
                found.append(Instance(mask, left + moved[1], top + moved[0], random.random()))
        compared.append(compare(found, true, ignored=crowds))
        truths += [(picture, one, crowd) for crowd, some in ((0, true), (1, crowds))
                   for one in some]  # fmt: skip
        answers += [(picture, one) for one in found]

    def told(one) -> dict[str, object]:
        whole = np.zeros((side, side), np.uint8, order="F")
        whole[one.top : one.top + len(one.mask), one.left : one.left + one.mask.shape[1]] = one.mask
        return {"segmentation": coco_mask.encode(whole), "area": float(one.mask.sum())}

    with contextlib.redirect_stdout(io.StringIO()):
        there, said = COCO(), COCO()
        images = [{"id": n, "width": side, "height": side} for n in range(3)]
        there.dataset = {"images": images, "categories": [{"id": 1}], "annotations": [
            {"id": n, "image_id": picture, "category_id": 1, "iscrowd": crowd, "ignore": crowd,
             **told(one)} for n, (picture, one, crowd) in enumerate(truths, 1)]}  # fmt: skip
        said.dataset = {"images": images, "categories": [{"id": 1}], "annotations": [
            {"id": n, "image_id": picture, "category_id": 1, "score": one.score, **told(one)}
            for n, (picture, one) in enumerate(answers, 1)]}  # fmt: skip
        there.createIndex(), said.createIndex()
        judged = COCOeval(there, said, "segm")
        judged.params.maxDets = [1, 100, 1000]
        judged.params.areaRng = [[low, min(high, 1e10)] for low, high in AREAS.values()]
        judged.params.areaRngLbl = [*AREAS]
        judged.evaluate(), judged.accumulate()
    precision = judged.eval["precision"][:, :, 0, :, 2]
    ours = figures(compared)
    for place, name in enumerate(AREAS):
        assert ours[f"AP{name}"] == pytest.approx(precision[..., place].mean())
    assert ours["AP50"] == pytest.approx(precision[0, :, 0].mean())
