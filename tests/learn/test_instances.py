"""Bodies in pictures: what the network is to say, and what is made of what it says."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch")

from merian.cli import main  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.learn.instance_decoding import Decoding, decode  # noqa: E402
from merian.learn.instance_examples import PackedInstances, recoloured  # noqa: E402
from merian.learn.instance_finding import BodyFinder, _windows  # noqa: E402
from merian.learn.instance_network import InstanceConfig, InstanceNetwork  # noqa: E402
from merian.learn.instance_objective import Instances  # noqa: E402
from merian.learn.instance_pack import make_instance_pack, open_instance_pack  # noqa: E402
from merian.learn.instance_targets import IGNORED, middle_of, targets  # noqa: E402
from merian.learn.unet import fused  # noqa: E402
from merian.world.masks import pack, runs_of  # noqa: E402

SIDE = 96


def disc(row: float, column: float, radius: float, side: int = SIDE) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.hypot(y - row, x - column) < radius


def owners_of(*masks: np.ndarray) -> np.ndarray:
    owners = np.zeros(masks[0].shape, np.uint16)
    for number, mask in enumerate(masks, 1):
        owners[mask] = number
    return owners


def told(owners: np.ndarray):
    """What a network that errs in nothing says of bodies, as it goes to `decode`."""
    count = int(owners.max())
    masks = [owners == number for number in range(1, count + 1)]
    middles = np.array([middle_of(mask) for mask in masks], np.float32).reshape(-1, 2)
    areas = np.array([mask.sum() for mask in masks], np.float32)
    made = targets(owners, middles, areas)
    return (made.body == 1).astype(np.float32), (made.core == 1).astype(np.float32), made.way


def whole(found, shape):
    mask = np.zeros(shape, np.bool_)
    height, width = found.mask.shape
    mask[found.top : found.top + height, found.left : found.left + width] = found.mask
    return mask


def likeness(found, owners) -> list[float]:
    """How much of each true body the nearest found one covers."""
    masks = [whole(one, owners.shape) for one in found]
    return [
        max(
            (float((m & (owners == n)).sum() / (m | (owners == n)).sum()) for m in masks), default=0
        )
        for n in range(1, int(owners.max()) + 1)
    ]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_what_is_told_without_error_is_found_again(seed):
    random = np.random.default_rng(seed)
    masks = []
    for _ in range(int(random.integers(1, 6))):  # some touch, none is covered by half
        row, column = random.uniform(12, SIDE - 12, 2)
        masks.append(disc(row, column, float(random.uniform(5, 11))))
    owners = owners_of(*masks)
    shares = [(owners == n).sum() / m.sum() for n, m in enumerate(masks, 1)]
    if min(shares) < 0.6:
        return
    found = decode(*told(owners))
    assert len(found) == len(masks)
    assert min(likeness(found, owners)) > 0.8  # a cell of two by two pixels has one owner
    assert all(0.9 < one.score <= 1 for one in found)
    places = [(one.top, one.left) for one in found]
    assert places == sorted(places)


def test_bodies_that_touch_are_two_and_one_that_another_lies_across_is_one():
    touching = owners_of(disc(48, 30, 15), disc(48, 59, 15))
    assert likeness(decode(*told(touching)), touching) == pytest.approx([1, 1], abs=0.03)
    long = np.zeros((SIDE, SIDE), np.bool_)
    long[44:54, 4:92] = True
    leg = np.zeros_like(long)
    leg[10:90, 60:66] = True
    across = owners_of(long, leg)
    found = decode(*told(across))
    assert len(found) == 2
    assert min(likeness(found, across)) > 0.95


def test_a_body_too_large_for_the_window_is_found_by_the_part_with_its_middle():
    owners = owners_of(disc(90, 48, 40))
    owners = np.ascontiguousarray(owners[:96])
    assert len(decode(*told(owners))) == 1


def test_nothing_comes_of_nothing_and_of_what_is_too_little():
    empty = np.zeros((SIDE, SIDE), np.uint16)
    assert decode(*told(empty)) == []
    spot = owners_of(disc(40, 40, 2.2))
    assert decode(*told(spot)) == []
    body, core, way = told(owners_of(disc(40, 40, 10)))
    assert decode(body, 0 * core, way) == []
    assert decode(0.4 * body, core, way) == []
    assert len(decode(0.4 * body, core, way, Decoding(body=0.3))) == 1
    assert decode(body, 0.6 * core, way, Decoding(score=0.7)) == []


def test_the_middle_of_a_bent_body_is_on_it():
    ring = disc(48, 48, 40) & ~disc(48, 48, 28) & (np.arange(SIDE)[:, None] < 60)
    row, column = middle_of(ring)
    assert ring[round(row), round(column)]
    legs = disc(48, 30, 14) | np.pad(np.ones((2, 50), np.bool_), ((47, 47), (44, 2)))
    assert middle_of(legs)[1] < 33  # the leg hardly moves it
    assert middle_of(disc(48, 48, 20)) == pytest.approx((48, 48), abs=0.5)


def test_of_what_is_ignored_or_too_small_nothing_is_asked():
    owners = owners_of(disc(30, 30, 10), disc(70, 70, 1.5))
    owners[80:, :20] = IGNORED
    made = targets(owners, np.array([[30, 30], [70, 70]], np.float32),
                   np.array([314, 7], np.float32))  # fmt: skip
    assert (made.body[80:, :20] == 2).all()
    assert (made.body[owners == 2] == 2).all()
    assert (made.core[40:, :10] == 2).all()
    assert (made.reach[35, 35], made.reach[15, 15]) == (0, pytest.approx(np.sqrt(314)))


# -- packs ----------------------------------------------------------------------------------------


def coco(folder: Path, names, *, polygon=False, categories=("bug", "debris", "unknown")) -> Path:
    """Pictures with three bodies each: a bug, debris and what nobody knows."""
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    random = np.random.default_rng(len(names))
    for key, name in enumerate(names, 1):
        ground = random.integers(190, 215, (SIDE, 2 * SIDE, 3)).astype(np.uint8)
        places = ((30, 40), (60, 110), (40, 160))
        for category, (row, column) in enumerate(places, 1):
            y, x = np.mgrid[:SIDE, : 2 * SIDE]
            mask = np.hypot(y - row, x - column) < 14
            ground[mask] = (90, 60 + 40 * category, 30)
            rle = {"size": [*mask.shape], "counts": pack(runs_of(mask))}
            square = [column - 14, row - 14, column + 14, row - 14, column + 14, row + 14,
                      column - 14, row + 14]  # fmt: skip
            annotations.append({
                "id": len(annotations) + 1, "image_id": key, "category_id": category,
                "segmentation": [square] if polygon else rle, "area": int(mask.sum()),
                "bbox": [column - 14, row - 14, 28, 28], "iscrowd": 0,
            })  # fmt: skip
        Image.fromarray(ground).save(folder / name)
        images.append({"id": key, "file_name": name, "width": 2 * SIDE, "height": SIDE})
    listed = [{"id": n, "name": name} for n, name in enumerate(categories, 1)]
    content = {"images": images, "annotations": annotations, "categories": listed}
    (folder / "t.coco.json").write_text(json.dumps(content))
    return folder / "t.coco.json"


def test_a_pack_has_the_bodies_of_the_file(tmp_path):
    file = coco(tmp_path / "trays", ["a.png", "b.png"])
    made = make_instance_pack([tmp_path / "trays"], tmp_path / "pack", valid=0)
    assert made.header["bodies"] == 6
    assert made.pictures("train") == [0, 1]
    owners = made.owners(0)
    assert [int((owners == n).sum()) for n in (1, 2, 3)] == [
        json.loads(file.read_text())["annotations"][n]["area"] for n in range(3)
    ]
    first = made.bodies[made.bodies["picture"] == 0]
    assert sorted(first["row"].tolist()) == pytest.approx([30, 40, 60], abs=0.5)
    assert made.colours(1).shape == (SIDE, 2 * SIDE, 3)
    before = (tmp_path / "pack" / "pack.json").read_bytes()
    make_instance_pack([file], tmp_path / "pack", valid=0)  # the same file: nothing to do
    assert (tmp_path / "pack" / "pack.json").read_bytes() == before
    Image.fromarray(np.zeros((SIDE, 2 * SIDE, 3), np.uint8)).save(file.parent / "b.png")
    again = make_instance_pack([file], tmp_path / "pack", valid=0)  # another picture by that name
    assert not again.colours(1).any()
    assert (tmp_path / "pack" / "pack.json").read_bytes() != before


def test_polygons_are_painted_and_categories_chosen(tmp_path):
    coco(tmp_path / "trays", ["a.png"], polygon=True)
    made = make_instance_pack(
        [tmp_path / "trays"], tmp_path / "pack", valid=0, categories=["bug"], ignored=["unknown"]
    )
    assert made.header["bodies"] == 1
    owners = np.asarray(made.owners(0))
    assert (owners == 1).sum() == pytest.approx(28 * 28, rel=0.08)
    assert (owners[30:50, 150:170] == IGNORED).all()
    assert owners[60, 110] == 0
    with pytest.raises(InputError, match="no category is called 'beetle'; there are bug, debris"):
        make_instance_pack([tmp_path / "trays"], tmp_path / "other", categories=["beetle"])


def test_the_published_split_stays_and_its_test_is_never_learned(tmp_path):
    names = ["GYTL2T_1.png", "GPRD1F_tray.png", "GXXXXX_1.png"]
    coco(tmp_path / "trays", names)
    made = make_instance_pack([tmp_path / "trays"], tmp_path / "pack", valid=0.5)
    parts = {one["name"]: one["part"] for one in made.header["pictures"]}
    assert parts["GYTL2T_1.png"] == "valid"
    assert parts["GPRD1F_tray.png"] == "test"
    learned = [PackedInstances(made, part, 64).names(np.arange(3)) for part in ("train", "valid")
               if made.pictures(part)]  # fmt: skip
    assert not any("GPRD1F" in name for some in learned for name in some)
    assert any(name == "GYTL2T_1.png, body 1" for some in learned for name in some)


def test_what_is_wrong_is_set_aside_or_told(tmp_path):
    file = coco(tmp_path / "trays", ["a.png", "b.png", "c.png", "d.png"])
    content = json.loads(file.read_text())
    content["images"][1]["file_name"] = "nowhere.png"
    content["images"][2]["width"] = 7
    (tmp_path / "trays" / "d.png").write_bytes(b"no picture")
    content["annotations"][0]["segmentation"]["counts"] = "~~"
    content["annotations"][1]["segmentation"] = [[1, 2, 3]]
    file.write_text(json.dumps(content))
    made = make_instance_pack([file], tmp_path / "pack", valid=0)
    assert made.header["bodies"] == 1
    assert made.header["set_aside"] == {
        "pictures that are not there": 1, "bodies of pictures that are not there": 3,
        "bodies without an outline that can be read": 2,
        "pictures of another size than the file says": 1, "pictures that cannot be read": 1,
    }  # fmt: skip
    for images in ([], content["images"][1:2]):
        file.write_text(json.dumps({**content, "images": images}))
        with pytest.raises(InputError, match="no body with an outline"):
            make_instance_pack([file], tmp_path / "none")
        assert not (tmp_path / "none").exists()
    (tmp_path / "trays" / "more.coco.json").write_text("{}")
    with pytest.raises(InputError, match="holds 2 COCO files"):
        make_instance_pack([tmp_path / "trays"], tmp_path / "none")
    with pytest.raises(InputError):
        open_instance_pack(tmp_path / "trays" / "more.coco.json")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    coco(folder / "trays", [f"{n}.png" for n in range(4)])
    return make_instance_pack([folder / "trays"], folder / "pack", valid=0)


def test_windows_are_the_same_for_the_same_chance_and_point_to_one_middle(packed):
    examples = PackedInstances(packed, "train", 64, 2.0)
    assert sum(examples.shards) == 12
    one, two = (examples.batch(np.arange(6), np.random.default_rng(3)) for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert one["pixels"].shape == (6, 64, 64, 3)
    way, reach = one["way"].numpy(), one["reach"].numpy()
    cells = 2 * np.mgrid[:32, :32] + 0.5
    for number in range(6):
        for size in np.unique(reach[number])[1:]:
            here = reach[number] == size
            points = (cells + way[number])[:, here]
            # Two bodies may be equally large: then there are two middles, but never a smear.
            assert len(np.unique(points.round(2), axis=1).T) <= 3
    still = PackedInstances(packed, "train", 64, augment=False).batch(
        np.arange(2), np.random.default_rng(0)
    )
    assert (still["body"].numpy()[:, 24:40, 24:40] == 1).all()  # the window lies around its body


def test_light_and_ground_change_and_nothing_else(packed):
    random = np.random.default_rng(0)
    window = np.asarray(packed.colours(0)[:64, :64])
    bodies = np.asarray(packed.owners(0)[:64, :64]) > 0
    made = [recoloured(window, bodies, random) for _ in range(20)]
    assert all(one.shape == window.shape and one.dtype == np.uint8 for one in made)
    assert len({one.tobytes() for one in made}) == 20


# -- the network ----------------------------------------------------------------------------------


def test_the_network_is_small_and_its_answers_are_as_large_as_the_picture():
    network = InstanceNetwork().eval()
    assert sum(p.numel() for p in network.parameters()) <= 400_000
    with torch.no_grad():
        body, core, way = network(torch.zeros(2, 3, 64, 96))
    assert (body.shape, core.shape, way.shape) == ((2, 64, 96), (2, 32, 48), (2, 2, 32, 48))
    with pytest.raises(InputError, match="multiples of 16"):
        network(torch.zeros(1, 3, 60, 64))
    with pytest.raises(InputError, match="1 or more expected"):
        InstanceConfig(depth=0)


def test_the_loss_is_nothing_where_all_is_right_and_falls_on_one_batch(packed):
    batch = PackedInstances(packed, "train", 64).batch(np.arange(4), np.random.default_rng(1))
    torch.manual_seed(0)
    objective = Instances(InstanceNetwork(InstanceConfig(6, 1)))

    class Right(torch.nn.Module):
        def forward(self, _):
            sure = [torch.where(batch[name] == 1, 40.0, -40.0) for name in ("body", "core")]
            return sure[0], sure[1], batch["way"] / 32

    network, objective.encoder = objective.encoder, Right()
    assert objective(batch).loss.item() == pytest.approx(0, abs=0.01)
    objective.encoder = network
    step = torch.optim.Adam(objective.parameters(), 0.01)
    losses = []
    for _ in range(8):
        outcome = objective(batch)
        losses.append(outcome.loss.item())
        step.zero_grad()
        outcome.loss.backward()
        step.step()
    assert losses[-1] < 0.85 * losses[0]
    assert set(outcome.figures) == {"body", "core", "way", "overlap"}


def test_norms_are_folded_in_without_another_answer():
    torch.manual_seed(1)
    network = InstanceNetwork(InstanceConfig(6, 1))
    for _ in range(3):
        network(torch.randn(2, 3, 32, 32))  # statistics that are not those of the start
    network.eval()
    given = torch.randn(1, 3, 48, 64)
    with torch.no_grad():
        before = network(given)
        after = fused(network)(given)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(before, after, strict=True))


@given(st.integers(1, 9000))
def test_windows_cover_a_side_once(length):
    made = list(_windows(length))
    assert made[0][0] == 0
    assert made[-1][1] == length
    assert all(one[1] == other[0] for one, other in pairwise(made))
    assert all(seen[2] <= seen[0] and seen[1] <= seen[3] <= length for seen in made)
    assert all(seen[2] % 16 == 0 for seen in made)


def test_a_picture_of_any_size_is_looked_at(monkeypatch):
    torch.manual_seed(0)
    finder = BodyFinder(InstanceNetwork(InstanceConfig(6, 1)).eval(), "chance", "0")
    for shape in ((1, 1, 3), (33, 47, 3), (16, 200, 3)):
        body, core, way = finder.maps(np.full(shape, 127, np.uint8))
        assert body.shape == tuple(side + side % 2 for side in shape[:2])
        assert way.shape == (2, *core.shape)
    picture = np.random.default_rng(0).integers(0, 255, (400, 70, 3)).astype(np.uint8)
    one = finder.maps(picture)
    monkeypatch.setattr("merian.learn.instance_finding._SIDE", 320)
    assert len(list(_windows(400))) == 4
    several = finder.maps(picture)
    assert max(float(np.abs(a - b).max()) for a, b in zip(one, several, strict=True)) < 0.02


# -- the command ----------------------------------------------------------------------------------


def test_the_recipe_trains_and_what_comes_of_it_finds(tmp_path, capsys):
    from merian.learn.instance_finding import load_body_finder

    coco(tmp_path / "trays", [f"{n}.png" for n in range(3)] + ["GYTL2T.png"])
    words = ["train", "instances", "--data", str(tmp_path / "trays"), "-o", str(tmp_path / "run")]
    changes = ("data.size=64", "data.valid=0", "encoder.width=6", "encoder.depth=1",
               "training.batch=4", "training.steps=2", "training.log=1")  # fmt: skip
    words += [word for change in changes for word in ("--set", change)]
    assert main(words) == 0
    assert "held out" in capsys.readouterr().out
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert set(result["figures"]) == {"loss", "body", "core", "way", "overlap"}
    assert "It finds the bodies" in (tmp_path / "run" / "card.md").read_text()
    assert main(words) == 0
    assert "was done before" in capsys.readouterr().err
    finder = load_body_finder(tmp_path / "run")
    picture = np.asarray(Image.open(tmp_path / "trays" / "0.png"))
    assert isinstance(finder.find(picture), list)
    assert main([*words[:4], "-o", str(tmp_path / "more"), *words[6:], "--set",
                 f'encoder.from="{tmp_path / "run"}"']) == 0  # fmt: skip
    card = json.loads((tmp_path / "more" / "model" / "card.json").read_text())
    assert card["data"]["starts_from"]["id"] == finder.id
    capsys.readouterr()
    for change, message in (
        ("data.size=60", "a multiple of 16 expected"),
        ("encoder.kind=vit", "instances are found by 'instance-unet'"),
        ("encoder.wide=4", "nothing is called 'wide'"),
        ("encoder.frozen=true", "leave it out"),
        ("objective.kind=ranks", "needs data.kind = 'instances'"),
        ('data.categories=["ant"]', "no category is called 'ant'"),
    ):
        assert main([*words[:4], "-o", str(tmp_path / "no"), "--set", change]) == 2
        told_ = capsys.readouterr().err
        assert message in told_
        assert told_.count("\n") == 1
    with pytest.raises(InputError, match="none ships by that name"):
        load_body_finder(tmp_path / "nothing")
