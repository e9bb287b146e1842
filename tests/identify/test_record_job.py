"""Records of pictures and barcodes on the whole road: libraries, answers, contradictions."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is not installed (the extra `models`)")

from merian.catalogue import Catalogue  # noqa: E402
from merian.cli import main  # noqa: E402
from merian.identify.answers import read_answers  # noqa: E402
from merian.learn.encoders import build_encoder  # noqa: E402
from merian.learn.encoding import EncoderAlone  # noqa: E402
from merian.learn.saved import save_model  # noqa: E402

from .makers import bases, changed  # noqa: E402

RANKS = ("kingdom", "order", "family", "genus", "species")
SPECIES = [
    ("Animalia", ("Diptera", "Coleoptera", "Odonata")[f % 3], f"{name}idae", f"{name}us",
     f"{name}us {('albus', 'niger')[s]}")
    for f, name in enumerate(("Act", "Bel", "Cer", "Dol", "Ept", "Fac")) for s in range(2)
]  # fmt: skip
EACH = 5


def picture(path: Path, species: int, seed: int) -> None:
    """Draw a picture whose colours are those of a species."""
    chance = np.random.default_rng((1, species))
    pattern = chance.integers(0, 256, (4, 4, 3))
    noise = np.random.default_rng((2, species, seed)).normal(0, 12, (32, 32, 3))
    pixels = np.kron(pattern, np.ones((8, 8, 1))) + noise
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)


def barcode(species: int, seed: int) -> str:
    family = species // 2
    own = changed(bases(family, 500), *range(7 + species, 400, 23))
    places = random.Random(seed).sample(range(450, 500), seed % 3)
    return changed(own, *places)


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as stream:
        table = csv.DictWriter(stream, [*rows[0]])
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two libraries of the same species, but for the last: only barcodes know it."""
    folder = tmp_path_factory.mktemp("records")
    images = folder / "images"
    images.mkdir()
    torch.manual_seed(0)
    vit = {"image_size": 32, "patch": 8, "width": 32, "layers": 1, "heads": 2, "hidden": 32}
    save_model(
        folder / "eye", EncoderAlone(build_encoder({"kind": "vit", **vit}), "test"),
        {"preprocessing": {"size": 32}},
    )  # fmt: skip
    pictures, sequences, asked = [], [], []
    for species, names in enumerate(SPECIES):
        lineage = dict(zip(RANKS, names, strict=True))
        for number in range(EACH):
            key = f"R{species:02}-{number}"
            picture(images / f"{key}.png", species, number)
            if species < len(SPECIES) - 1:
                pictures.append({"id": key, "image": f"{key}.png", **lineage})
            sequences.append({"id": key, "sequence": barcode(species, number), **lineage})
        key = f"Q{species:02}"
        picture(images / f"{key}.png", species, 99)
        asked.append({"id": key, "image": f"{key}.png", "sequence": barcode(species, 99)})
    asked[0]["sequence"] = barcode(7, 98)  # somebody mixed up two tubes
    asked[1]["image"] = "broken.png"
    asked[2]["sequence"] = ""
    asked[3]["image"] = ""
    content = (images / "Q01.png").read_bytes()
    (images / "broken.png").write_bytes(content[: len(content) // 2] + content[-12:])
    tables = {
        name: write(folder / f"{name}.csv", rows)
        for name, rows in (("pictures", pictures), ("sequences", sequences), ("asked", asked))
    }
    told = ["--map", "image=accessURI", "--images", str(images)]
    assert main(["library", "build", str(tables["pictures"]), "-o", str(folder / "looks"),
                 "--pictures", "--encoder", str(folder / "eye"), *told]) == 0  # fmt: skip
    assert main(["library", "build", str(tables["sequences"]), "-o", str(folder / "codes")]) == 0
    return folder


def identify(place, out, *more, source="asked.csv"):
    return main([
        "identify", str(place / source), "--library", str(place / "looks"),
        "--library", str(place / "codes"), "-o", str(out), "--map", "image=accessURI",
        "--images", str(place / "images"), *more,
    ])  # fmt: skip


@pytest.fixture(scope="module")
def answered(place, tmp_path_factory):
    out = tmp_path_factory.mktemp("answers") / "answers.tsv"
    assert identify(place, out, "--processes", "1") == 0
    return out


def rows_of(path):
    return [*read_answers(path)]


def test_a_record_is_one_row_and_each_evidence_another(answered):
    rows = {row["id"]: row for row in rows_of(answered)}
    assert sorted(rows) == [f"Q{n:02}" for n in range(len(SPECIES))]
    kinds = {key: row["evidence"] for key, row in rows.items()}
    assert {kinds.pop("Q02")} == {"picture"}
    assert {kinds.pop("Q01"), kinds.pop("Q03")} == {"barcode"}  # its picture is broken; has none
    assert set(kinds.values()) == {"consensus"}
    single = rows_of(answered.with_suffix(".evidence.tsv"))
    told = {}
    for row in single:
        told.setdefault(row["id"], []).append((row["evidence"], row["library"]))
    assert sorted(told) == sorted(kinds)
    assert {tuple(sorted(one)) for one in told.values()} == {
        (("barcode", "codes"), ("picture", "looks"))
    }


def test_each_row_tells_where_its_picture_is(place, answered):
    rows = {row["id"]: row["picture"] for row in rows_of(answered)}
    assert rows.pop("Q01") is rows.pop("Q03") is None
    assert rows == {key: str(place / "images" / f"{key}.png") for key in rows}
    for row in rows_of(answered.with_suffix(".evidence.tsv")):
        assert row["picture"] == (rows[row["id"]] if row["evidence"] == "picture" else None)


def test_the_best_guesses_are_right(answered):
    rows = {row["id"]: row for row in rows_of(answered)}
    for number, names in enumerate(SPECIES):
        if number not in (0, 1):
            assert rows[f"Q{number:02}"]["order"] == names[1]
    right = [rows[f"Q{n:02}"]["species"] == names[-1] for n, names in enumerate(SPECIES) if n > 3]
    assert np.mean(right) > 0.8


def test_what_only_one_library_has_is_not_ruled_out_by_the_other(answered):
    last = len(SPECIES) - 1
    rows = {row["id"]: row for row in rows_of(answered)}
    assert rows[f"Q{last:02}"]["species"] == SPECIES[last][-1]


def test_a_broken_picture_is_set_aside_and_its_barcode_answered(place, answered):
    with Path(f"{answered}.rejects.tsv").open() as stream:
        rejects = [*csv.DictReader(stream, delimiter="\t")]
    assert [row["id"] for row in rejects] == ["Q01"]
    assert rejects[0]["file"] == str(place / "images" / "broken.png")
    assert "picture" in rejects[0]["reason"]


def test_what_contradicts_most_stands_first(answered):
    with answered.with_suffix(".disagreements.tsv").open() as stream:
        found = [*csv.DictReader(stream, delimiter="\t")]
    strength = [float(row["strength"]) for row in found]
    assert strength == sorted(strength, reverse=True)
    # The tubes that were mixed up; and a picture or two that so small a network gets wrong.
    assert "Q00" in {row["id"] for row in found} and len(found) <= 4
    assert all({row["a"], row["b"]} == {"barcode", "picture"} for row in found)


def test_the_same_is_not_done_again_and_has_the_same_bytes(place, answered, tmp_path, capsys):
    before = {p.name: p.read_bytes() for p in answered.parent.iterdir() if p.is_file()}
    assert identify(place, answered) == 0
    assert "was done before" in capsys.readouterr().err
    again = tmp_path / "answers.tsv"
    assert identify(place, again, "--processes", "2") == 0
    after = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    for name in before.keys() - {"answers.tsv.merian.json", "answers.tsv.rejects.tsv"}:
        assert before[name] == after[name], name


def test_other_tables_hold_the_same(place, answered, tmp_path):
    out = tmp_path / "answers.jsonl"
    assert identify(place, out) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows == rows_of(answered)
    parquet = tmp_path / "answers.parquet"
    assert identify(place, parquet) == 0
    assert rows_of(parquet) == rows


def test_a_catalogue_gets_each_answer_and_the_consensus(place, tmp_path):
    folder = tmp_path / "catalogue"
    assert main(["import", str(place / "asked.csv"), "--into", str(folder), "--map",
                 "image=accessURI", "--images", str(place / "images")]) == 0  # fmt: skip
    assert main(["identify", str(folder), "--library", str(place / "looks"), "--library",
                 str(place / "codes"), "--into", str(folder)]) == 0  # fmt: skip
    with Catalogue.open(folder, read_only=True) as opened:
        found = opened.query(
            "SELECT identificationType, count(*), count(nucleotideSequenceID), count(mediaID), "
            "count(occurrenceID) FROM identification GROUP BY 1 ORDER BY 1"
        ).fetch()
        standing = opened.query(
            "SELECT count(*) FROM determination WHERE identificationType = 'consensus'"
        ).value()
    kinds = {kind: counts for kind, *counts in found}
    assert set(kinds) >= {"consensus", "nucleotideSequence"}
    assert kinds["consensus"] == [kinds["consensus"][0], 0, 0, kinds["consensus"][0]]
    assert kinds["nucleotideSequence"][1] == kinds["nucleotideSequence"][0]
    if "media" in kinds:
        assert kinds["media"][2] == kinds["media"][0]
    assert standing == kinds["consensus"][0]


def test_a_page_can_be_made(place, tmp_path):
    out, page = tmp_path / "a.tsv", tmp_path / "page.html"
    assert identify(place, out, "--report", str(page)) == 0
    text = page.read_text(encoding="utf-8")
    assert "<dt>answers</dt><dd>12</dd>" in text and "looks" in text and "codes" in text
    assert "What the records are" in text and "contradiction" in text
    assert text.count('<img src="data:image/jpeg;base64,') == 10  # Q01 is broken, Q03 has none


def test_a_picture_needs_a_library_of_pictures(place, capsys):
    picture_file = str(place / "images" / "Q05.png")
    asked = ["identify", picture_file, "--library", str(place / "codes"), "-o", "x.tsv"]
    assert main(asked) == 2
    assert "no library of pictures was given" in capsys.readouterr().err


def test_answers_about_records_can_be_held_against_the_truth(place, answered, tmp_path, capsys):
    rows = [
        {"id": f"Q{n:02}", **dict(zip(RANKS, names, strict=True))}
        for n, names in enumerate(SPECIES)
    ]
    truth = write(tmp_path / "truth.csv", rows)
    assert main(["promise", "check", str(truth), "--answers", str(answered), "--library",
                 str(place / "looks"), "--library", str(place / "codes")]) == 0  # fmt: skip
    told = capsys.readouterr().out
    assert "species present" in told and "validated records without" not in told
