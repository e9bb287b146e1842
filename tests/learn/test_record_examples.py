"""Records as examples of several modalities: each its own, what is missing told, chance given."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from merian.barcode.tokens import MASK, PAD, UNKNOWN, KmerTokens  # noqa: E402
from merian.errors import InputError  # noqa: E402
from merian.formats import Options  # noqa: E402
from merian.image.transforms import square  # noqa: E402
from merian.learn.devices import Place  # noqa: E402
from merian.learn.examples import Augmentation, Masking, PackedPictures  # noqa: E402
from merian.learn.feeding import Piece, Reader  # noqa: E402
from merian.learn.pack_gather import Asked  # noqa: E402
from merian.learn.packing import make_pack  # noqa: E402
from merian.learn.record_examples import PackedRecords  # noqa: E402
from merian.pictures import decode  # noqa: E402
from merian.text import TextWords, worded  # noqa: E402

from .packs import bases, pictures  # noqa: E402

ALL = ("image", "barcode", "text", "place")
BARCODES, TEXTS = KmerTokens(k=4, bases=300), TextWords((), 64)
HEAD = (
    "occurrenceID,kingdom,family,genus,species,verbatimIdentification,sequence,decimalLatitude,"
    "decimalLongitude,eventDate,accessURI,pixelsPerMillimetre"
)
ROWS = [
    "a,Animalia,Aidae,Aus,Aus bus,,{0},10.5,-3,2019-07-04,Copepoda/000.jpg,20",
    "b,Animalia,Aidae,Aus,,,{1},,,,Copepoda/002.png,",
    "c,Animalia,,Oenanthe,,,,-20,100,2019,Copepoda/004.png,",
    "d,Plantae,,Oenanthe,,,{3},,,,,",
    "e,,,,,bubble_round,{3},1,2,2020-02,detritus/001.png,",
    "f,,,,,unidentified,{5},,,,detritus/003.jpg,",
]


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Six records of which hardly any has all. Nobody may change it."""
    folder = tmp_path_factory.mktemp("examples")
    pictures(folder / "images", 6)
    text = "\n".join([HEAD, *ROWS])
    file = folder / "a.csv"
    file.write_text(text.format(*map(bases, range(6))) + "\n")
    return make_pack(
        [file], folder / "p", Asked("records", valid=0, options=Options(images=folder / "images"))
    ).pack


def chance(seed=0):
    return np.random.default_rng(seed)


def by_record(pack):
    return {record: n for n, record in enumerate(pack.records(np.arange(pack.size)))}


def examples(pack, **more):
    return PackedRecords(pack, ALL, **{"size": 16, "barcodes": BARCODES, "texts": TEXTS, **more})


def test_a_batch_holds_what_each_record_has_and_tells_what_it_lacks(pack):
    rows = by_record(pack)
    order = np.array([rows[record] for record in "abcdef"])
    batch = examples(pack).batch(order, chance())
    assert batch["present"].tolist() == [
        [True, True, True, True], [True, True, True, False], [True, False, True, True],
        [False, True, True, False], [True, True, True, True], [True, True, False, False],
    ]  # fmt: skip
    for n, content in enumerate(pack.read(order)):
        whole = square(decode(content, 16), 16) if content else np.full((16, 16, 3), 127)
        assert np.array_equal(batch["image.pixels"][n].numpy(), whole)
    for n, text in enumerate(pack.sequences(order)):
        tokens, keep = batch["barcode.tokens"][n], batch["barcode.keep"][n]
        asked = BARCODES.encode(text, 0).tolist() if text else [UNKNOWN]
        assert tokens[keep].tolist() == asked
        assert (tokens[~keep] == PAD).all()
    species = worded({"kingdom": "Animalia", "family": "Aidae", "genus": "Aus",
                      "species": "Aus bus"}, "names")  # fmt: skip
    told = [species, "Animalia Aidae Aus", "Animalia Oenanthe", "Plantae Oenanthe", "bubble round"]
    for n, text in enumerate(told):
        kept = batch["text.keep"][n]
        assert batch["text.tokens"][n][kept].tolist() == TEXTS.encode(text).tolist()
    assert batch["text.keep"][5].sum() == 1  # a network never looks at nothing
    assert (batch["text.tokens"][5][1:] == PAD).all()
    place = batch["place.place"]
    assert place[0].tolist() == [10.5, -3, 185]
    assert place[2, :2].tolist() == [-20, 100]
    assert place[2, 2].isnan()
    assert place[1].isnan().all()
    assert len(set(batch["ids"].tolist())) == 6
    assert (batch["ids"].dtype, batch["labels"].shape) == (torch.int64, (6, len(pack.ranks)))
    assert batch["image.mm"][0].tolist() == [2, 1.5]  # 40 x 30 pixels, 20 a mm
    assert batch["image.mm"][1:].isnan().all()
    assert set(batch) == {
        "image.pixels", "image.mm", "barcode.tokens", "barcode.keep", "text.tokens", "text.keep",
        "place.place", "present", "labels", "ids",
    }  # fmt: skip


def test_columns_stand_in_the_order_asked_for_and_what_nobody_has_is_a_batch_too(pack):
    made = PackedRecords(pack, ("barcode", "image"), size=8, barcodes=BARCODES, ranks=("genus",))
    rows = by_record(pack)
    batch = made.batch(np.array([rows["c"]]), chance())
    assert batch["present"].tolist() == [[False, True]]
    assert batch["barcode.tokens"].tolist() == [[UNKNOWN]]
    assert batch["barcode.keep"].tolist() == [[True]]
    assert batch["labels"].tolist() == [[pack.names("genus").index("Oenanthe (Animalia)")]]
    bare = made.batch(np.array([rows["d"]]), chance())
    assert (bare["image.pixels"] == 127).all()
    assert made.preprocessing["image"] == {"size": 8}
    assert set(made.preprocessing) == {"barcode", "image"}
    assert made.names([rows["d"]]) == ["d"]


def test_chance_changes_what_is_learned_from_and_nothing_else(pack):
    more = {"augment": Augmentation(), "masking": Masking(share=0.5, any_frame=True)}
    looked, learned = examples(pack, **more), examples(pack, learns=True, **more)
    order = np.arange(6)
    one, same = (looked.batch(order, chance(seed)) for seed in (1, 2))
    assert all(
        torch.equal(one[key], same[key]) for key in one if key not in {"place.place", "image.mm"}
    )
    first, again, other = (learned.batch(order, chance(seed)) for seed in (1, 1, 2))
    for key in ("image.pixels", "barcode.tokens", "text.tokens"):
        assert torch.equal(first[key], again[key])
        assert first[key].shape != other[key].shape or not torch.equal(first[key], other[key])
    hidden = (first["barcode.tokens"] == MASK).sum() / first["barcode.keep"].sum()
    assert 0.4 < hidden < 0.6
    assert not (one["barcode.tokens"] == MASK).any()
    assert torch.equal(first["present"], one["present"])


def test_all_wordings_are_drawn_and_an_account_is_that_of_the_lowest_name(pack):
    made = examples(pack, learns=True, wordings=("lowest", "photo", "account"),
                    accounts={"Aus": "Small.", "Aus bus": "It swims. " * 40})  # fmt: skip
    rows = by_record(pack)
    draws = chance()
    said = {made.worded(np.array([rows["a"]]), draws)[0] for _ in range(40)}
    assert {"Aus bus", "a photo of Aus bus"} < said
    (account,) = (text for text in said if "It swims." in text)
    assert "Small" not in account
    assert any("Small." in made.worded(np.array([rows["b"]]), draws)[0] for _ in range(40))
    assert made.worded(np.array([rows["f"]]), draws) == [""]
    fixed = examples(pack, wordings=("photo", "ranks"))
    assert fixed.worded(np.array([rows["e"]]), draws) == ["a photo of bubble round"]


def test_kept_vectors_stand_for_what_is_then_not_read(pack, tmp_path, monkeypatch):
    vectors = chance().normal(size=(6, 5)).astype(np.float16)
    rows = by_record(pack)
    vectors[rows["d"]] = np.nan
    np.save(tmp_path / "image.npy", vectors)
    monkeypatch.setattr(PackedPictures, "batch", None)  # a picture that is read is an error
    order = np.array([rows[record] for record in "dab"])
    for kept in (vectors, tmp_path / "image.npy", str(tmp_path / "image.npy")):
        made = examples(pack, kept={"image": kept})
        batch = pickle.loads(pickle.dumps(made)).batch(order, chance())
        assert batch["present"][:, 0].tolist() == [False, True, True]
        assert torch.equal(batch["image.vectors"][1:], torch.from_numpy(vectors[order[1:]]).float())
        assert batch["image.vectors"][0].tolist() == [0] * 5
        assert not any(key.startswith(("image.pixels", "image.mm")) for key in batch)
    with pytest.raises(InputError, match=r"float16\[5, 5\]; a row .* each of the 6 examples"):
        examples(pack, kept={"image": vectors[:5]}).batch(order, chance())


def test_what_is_read_in_two_processes_is_what_one_reads(pack):
    made = examples(pack, learns=True, augment=Augmentation(), masking=Masking(any_frame=True))
    here, given = (
        Place(torch.device("cpu"), "float32"),
        [Piece(1, n, 0, np.arange(6)) for n in (0, 1)],
    )
    one, two = (list(Reader(made, 3, here, given=given, workers=w)) for w in (0, 2))
    assert len(one) == len(two) == 2
    for (_, first), (_, second) in zip(one, two, strict=True):
        assert torch.equal(first["image.pixels"], second["image.pixels"])
        assert torch.equal(first["text.tokens"], second["text.tokens"])
        assert torch.equal(first["barcode.tokens"], second["barcode.tokens"])


def test_what_does_not_go_together_is_told(pack, tmp_path):
    for modalities, more, told in (
        (("image", "sound"), {}, "no modality is called 'sound'; there are image, barcode"),
        ((), {}, "one or more expected"),
        (("image", "image"), {}, "each once"),
        (("image", "barcode"), {"barcodes": None}, "barcode needs the words that it is cut into"),
        (("image", "text"), {"wordings": ()}, "no wording"),
    ):
        with pytest.raises(InputError, match=told):
            PackedRecords(pack, modalities, **{"barcodes": BARCODES, "texts": TEXTS, **more})
    plain = make_pack([pictures(tmp_path / "pics", 2)], tmp_path / "p").pack
    with pytest.raises(InputError, match="holds pictures, and records are needed"):
        PackedRecords(plain, ("image",))
    bare = make_pack([tmp_path / "pics"], tmp_path / "q", Asked("records")).pack
    with pytest.raises(InputError, match="no record has what barcode needs"):
        PackedRecords(bare, ("image", "barcode"), barcodes=BARCODES)
