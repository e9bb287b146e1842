"""Batches of packs: the same from the same chance, whoever reads them."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from merian.barcode.tokens import MASK, PAD, UNKNOWN, KmerTokens  # noqa: E402
from merian.errors import InputError, NotFoundError  # noqa: E402
from merian.image.transforms import Augmentation, augmented, square  # noqa: E402
from merian.learn.examples import Masking, PackedBarcodes, PackedPictures  # noqa: E402
from merian.learn.pack import open_pack  # noqa: E402
from merian.learn.pack_gather import Asked  # noqa: E402
from merian.learn.packing import make_pack  # noqa: E402
from merian.nucleotides import reverse_complement  # noqa: E402

from .packs import bases, pictures, records, table  # noqa: E402

TOKENS = KmerTokens(k=4, bases=400)


@pytest.fixture(scope="module")
def barcodes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("barcodes")
    rows = [*records(30), ("n", "Aus bus", "N" * 40 + bases(99, 100)), ("s", "Dus", bases(98, 60))]
    return make_pack([table(folder / "a.csv", rows)], folder / "p", Asked(shard_size=8)).pack


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    return make_pack([pictures(folder / "pics", 10)], folder / "p", Asked(valid=0)).pack


def chance(seed=0):
    return np.random.default_rng(seed)


def test_words_of_a_barcode_and_their_classes(barcodes):
    examples = PackedBarcodes(barcodes, TOKENS)
    order = chance().permutation(barcodes.size)
    batch = examples.batch(order, chance())
    texts = barcodes.read(order)
    assert batch["tokens"].dtype == batch["labels"].dtype == torch.int64
    assert batch["tokens"].shape == batch["keep"].shape == batch["masked"].shape == (32, 75)
    assert not batch["masked"].any()
    for row, text in enumerate(texts):
        words = TOKENS.encode(text)
        assert batch["tokens"][row, : len(words)].tolist() == words.tolist()
        assert batch["keep"][row].sum() == len(words)
        assert (batch["tokens"][row, len(words) :] == PAD).all()
    species = barcodes.labels("species")[order]
    assert batch["labels"][:, -1].tolist() == species.tolist()
    assert (batch["labels"][:, -1] == -1).sum() == 1
    assert examples.names(order[:2]) == barcodes.records(order[:2])
    assert examples.preprocessing == {"k": 4, "stride": None, "bases": 400}


def test_a_share_of_the_words_that_mean_something_is_hidden(barcodes):
    examples = PackedBarcodes(barcodes, TOKENS, Masking(0.4))
    batch = examples.batch(np.arange(barcodes.size), chance())
    known = batch["tokens"] > UNKNOWN
    assert not (batch["masked"] & ~known).any()
    wanted = [max(1, round(0.4 * n)) for n in known.sum(1).tolist()]
    assert batch["masked"].sum(1).tolist() == wanted
    plain = PackedBarcodes(barcodes, TOKENS).batch(np.arange(barcodes.size), chance())
    assert torch.equal(plain["tokens"], batch["tokens"])


def test_random_words_stand_for_some_of_those_that_are_hidden(barcodes):
    rows = np.arange(barcodes.size)
    plain = PackedBarcodes(barcodes, TOKENS, Masking(0.5)).batch(rows, chance())
    batch = PackedBarcodes(barcodes, TOKENS, Masking(0.5, random=0.2)).batch(rows, chance())
    assert "shown" not in plain
    assert not torch.equal(plain["masked"], batch["masked"])  # chance goes on otherwise
    others = batch["shown"] != MASK
    assert not (others & ~batch["masked"]).any()
    wanted = [round(0.2 * n) for n in batch["masked"].sum(1).tolist()]
    assert others.sum(1).tolist() == wanted
    drawn = batch["shown"][others]
    assert drawn.min() > UNKNOWN
    assert drawn.max() < TOKENS.size
    assert len(set(drawn.tolist())) > 0.6 * len(drawn)
    assert (drawn == batch["tokens"][others]).float().mean() < 0.1
    with pytest.raises(InputError, match="share of 2 random words"):
        Masking(0.5, random=2)


def test_a_barcode_begins_anywhere_and_lies_on_either_strand(barcodes):
    examples = PackedBarcodes(barcodes, TOKENS, Masking(0.0, True, True))
    wanted = {}
    for row, text in enumerate(barcodes.read(np.arange(30))):
        wanted[row] = {
            tuple(TOKENS.encode(strand, offset).tolist())
            for strand in (text, reverse_complement(text))
            for offset in range(4)
        }
    seen: dict[int, set[tuple[int, ...]]] = {row: set() for row in wanted}
    for seed in range(60):
        batch = examples.batch(np.arange(30), chance(seed))
        for row in range(30):
            words = batch["tokens"][row][batch["keep"][row]]
            seen[row].add(tuple(words.tolist()))
    assert all(seen[row] <= wanted[row] for row in wanted)
    assert np.mean([len(found) for found in seen.values()]) > 7.5  # of 8


def test_a_batch_hangs_on_its_generator_alone(barcodes, photos):
    for examples in (
        PackedBarcodes(barcodes, TOKENS, Masking(0.5, True, True)),
        PackedPictures(photos, 24, Augmentation()),
    ):
        first = examples.batch(np.array([3, 1, 7]), chance(1))
        again = pickle.loads(pickle.dumps(examples))
        again.batch(np.array([0]), chance(5))
        second = again.batch(np.array([3, 1, 7]), chance(1))
        other = examples.batch(np.array([3, 1, 7]), chance(2))
        key = "tokens" if "tokens" in first else "pixels"
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not torch.equal(first[key], other[key])
        assert sum(examples.shards) == examples.pack.size


def test_workers_of_torch_read_the_same(barcodes):
    examples = PackedBarcodes(barcodes, TOKENS, Masking(0.5))

    class Plans(torch.utils.data.Dataset):
        def __getitem__(self, plan):
            return examples.batch(np.arange(plan, plan + 4), chance(plan))

    examples.batch(np.arange(32), chance())  # the parent has read shards before it forks
    loader = torch.utils.data.DataLoader(
        Plans(), sampler=[0, 8, 20, 28], batch_size=None, num_workers=2
    )
    for plan, batch in zip([0, 8, 20, 28], loader, strict=True):
        wanted = examples.batch(np.arange(plan, plan + 4), chance(plan))
        assert all(torch.equal(batch[name], wanted[name]) for name in wanted)


def test_pictures_are_of_one_size_and_stay_bytes(photos):
    plain = PackedPictures(photos, 24, ranks=["label"]).batch(np.arange(10), chance())
    assert plain["pixels"].shape == (10, 24, 24, 3)
    assert plain["pixels"].dtype == torch.uint8
    assert plain["labels"].shape == (10, 1)
    assert set(plain["labels"].flatten().tolist()) == {0, 1}
    assert PackedPictures(photos, 24).preprocessing == {"size": 24}


def test_what_does_not_fit_is_told(barcodes, photos):
    with pytest.raises(InputError, match="holds barcodes, and pictures are needed"):
        PackedPictures(barcodes, 24)
    with pytest.raises(InputError, match="holds pictures, and barcodes are needed"):
        PackedBarcodes(photos, TOKENS)
    with pytest.raises(NotFoundError, match="at the rank 'tribe'"):
        PackedBarcodes(barcodes, TOKENS, ranks=["tribe"])
    with pytest.raises(InputError, match="share of 1 hidden"):
        Masking(1)
    with pytest.raises(InputError, match="a crop keeps"):
        Augmentation(least=0)
    with pytest.raises(InputError, match="pictures of 0 pixels"):
        PackedPictures(photos, 0)


def test_a_picture_that_is_damaged_within_is_named(tmp_path):
    folder = pictures(tmp_path / "pics", 4)
    file = folder / "Copepoda" / "002.png"
    content = bytearray(file.read_bytes())
    content[60:200] = bytes(140)  # its head and its end are as they should be
    file.write_bytes(content)
    made = make_pack([folder], tmp_path / "p", Asked(valid=0))
    with pytest.raises(InputError, match=r"the picture of pics/Copepoda/002\.png cannot be read"):
        PackedPictures(open_pack(tmp_path / "p"), 24).batch(np.arange(4), chance())
    assert made.pack.size == 4


# -- pixels -------------------------------------------------------------------------------------


def test_all_of_a_picture_is_in_its_square():
    image = Image.new("RGB", (40, 10), (200, 100, 50))
    assert (square(image, 20) == (200, 100, 50)).all()
    image.paste((0, 0, 0), (10, 2, 30, 8))
    found = square(image, 20)
    assert found.shape == (20, 20, 3)
    dark = (found < 30).all(axis=2)
    assert 20 <= dark.sum() <= 40  # 20 x 6 at half of the size, less the soft rim
    assert (found[0] == (200, 100, 50)).all()
    assert (square(image.rotate(90, expand=True), 20) == np.rot90(found)).mean() > 0.99


def test_an_augmentation_does_what_it_says_and_no_more():
    pixels = chance(3).integers(0, 256, (20, 20, 3), np.uint8)
    image = Image.fromarray(pixels)
    still = Augmentation(least=1, stretch=1, flips=False, turns="never", light=0)
    assert np.array_equal(augmented(image, 20, still, chance()), pixels)
    turned = Augmentation(least=1, turns="quarters", light=0)
    wanted = {np.rot90(p, k).tobytes() for p in (pixels, pixels[:, ::-1]) for k in range(4)}
    seen = {augmented(image, 20, turned, chance(seed)).tobytes() for seed in range(80)}
    assert seen == wanted
    lit = Augmentation(least=1, stretch=1, flips=False, turns="never", light=0.2)
    change = augmented(image, 20, lit, chance()).astype(int) - pixels
    assert 0 < np.abs(change).max() <= math.ceil(0.4 * 127.5)


def test_a_crop_keeps_the_share_it_should():
    ramp = np.zeros((200, 200, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(200), np.arange(200)[:, None]
    asked = Augmentation(least=0.5, stretch=1.5, flips=False, turns="never", light=0)
    for seed in range(40):
        found = augmented(Image.fromarray(ramp), 50, asked, chance(seed)).astype(float)
        inside = found[20:30, 20:30]  # its ends may lie in what fills the square up
        wide, high = (float(np.ptp(inside[..., c])) / 9 * 50 for c in (0, 1))
        assert 0.45 * 200**2 < wide * high <= 1.06 * 200**2
        assert 0.6 < wide / high < 1.6


def test_a_picture_is_turned_by_any_angle_and_keeps_its_shape():
    pixels = np.full((60, 100, 3), 200, np.uint8)
    pixels[25:35, 20:80] = 0  # a bar, six times as long as it is wide
    asked = Augmentation(least=1, light=0)
    angles, lengths = [], []
    for seed in range(40):
        found = augmented(Image.fromarray(pixels), 100, asked, chance(seed))
        y, x = np.nonzero(found[..., 0] < 100)
        assert abs(len(x) - 600) < 40
        spread, ways = np.linalg.eigh(np.cov(np.stack([x, y])))
        lengths.append(np.sqrt(spread * 12))  # of a bar: its sides
        angles.append(np.arctan2(ways[1, 1], ways[0, 1]) % np.pi)
        assert (found[:2] == 200).all()  # no black corners
    assert np.allclose(lengths, (10, 60), rtol=0.07)
    assert np.histogram(angles, 4, (0, np.pi))[0].min() >= 3


def test_an_augmentation_that_is_none_is_refused():
    with pytest.raises(InputError, match="turns is 'up'; any, quarters, never expected"):
        Augmentation(turns="up")
