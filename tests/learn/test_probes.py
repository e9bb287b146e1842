"""Neighbours and linear probes, against loops in 64 bits and plain algebra."""

from __future__ import annotations

import numpy as np
import pytest

from merian.errors import InputError
from merian.learn import probes
from merian.learn.linear_probe import fit_by_steps, fit_ridge, left_out_errors
from merian.learn.probes import nearest, vote, weighted_vote


def points(seed=0, n=40, m=70, d=5, classes=6):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d)), rng.integers(classes, size=m)


def loop(queries, references, k):
    found = []
    for q in queries:
        cosine = [q @ r / np.linalg.norm(q) / np.linalg.norm(r) for r in references]
        order = sorted(range(len(references)), key=lambda i: (-cosine[i], i))[:k]
        found.append([(i, cosine[i]) for i in order])
    return found


def test_neighbours_are_those_of_a_loop_also_in_pieces(monkeypatch):
    queries, references, _ = points()
    expected = loop(queries, references, 9)
    for rows, columns in ((1024, 16384), (7, 11)):
        monkeypatch.setattr(probes, "_ROWS", rows)
        monkeypatch.setattr(probes, "_COLUMNS", columns)
        got = nearest(queries, references, 9)
        assert got.references.tolist() == [[i for i, _ in row] for row in expected]
        assert np.allclose(got.cosines, [[c for _, c in row] for row in expected], atol=1e-6)


def test_of_equals_the_first_are_taken(monkeypatch):
    references = np.tile(np.eye(3), (5, 1))
    for columns in (16384, 4):
        monkeypatch.setattr(probes, "_COLUMNS", columns)
        got = nearest(np.eye(3)[:2], references, 4).references
        assert got.tolist() == [[0, 3, 6, 9], [1, 4, 7, 10]]
    few = nearest(np.eye(3), np.eye(3)[:2], 9)
    assert few.references.tolist() == [[0, 1], [1, 0], [0, 1]]


@pytest.mark.parametrize("k", [1, 4, 9])
@pytest.mark.parametrize("temperature", [None, 0.02, 0.5])
def test_votes_are_those_of_a_loop(k, temperature):
    queries, references, labels = points()
    found = nearest(queries, references, 9)
    expected = []
    for row in loop(queries, references, k):
        sums = {}
        for i, cosine in row:
            weight = 1 if temperature is None else np.exp(cosine / temperature)
            sums[labels[i]] = sums.get(labels[i], 0) + weight
        expected.append(max(sums, key=sums.get))  # the first of equals came first
    got = (
        vote(found, labels, k)
        if temperature is None
        else weighted_vote(found, labels, k, temperature)
    )
    assert got.tolist() == expected


def clouds(seed=0, n=300, d=6, classes=4, noise=0.7):
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(classes, d))
    labels = rng.integers(classes, size=n)
    return 5 + 3 * (middles[labels] + noise * rng.normal(size=(n, d))), labels


def ridge_of(x, labels, ridge, classes):
    """The ridge solution by the normal equations, as scores of new vectors."""
    middle, spread = x.mean(0), x.std(0)
    z = np.column_stack([(x - middle) / spread, np.ones(len(x))])
    held = np.diag([ridge] * x.shape[1] + [0.0])
    weights = np.linalg.solve(z.T @ z + held, z.T @ np.eye(classes)[labels])
    return lambda new: np.column_stack([(new - middle) / spread, np.ones(len(new))]) @ weights


def test_the_closed_form_is_that_of_the_normal_equations():
    x, labels = clouds()
    probe = fit_ridge(x, labels, ridges=[3.0])
    expected = ridge_of(x, labels, 3.0, 4)(x)
    assert np.allclose(x @ probe.weights + probe.bias, expected, atol=1e-9)
    assert (probe.predict(x) == expected.argmax(1)).mean() == 1


def test_the_ridge_is_chosen_by_leaving_each_record_out():
    x, labels = clouds(n=60, d=30, noise=2.0)
    ridges = [0.1, 10.0, 100.0, 10_000.0]
    errors = []
    middle, spread = x.mean(0), x.std(0)  # as when fitted with all
    for ridge in ridges:
        error = 0.0
        for i in range(60):
            others = np.arange(60) != i
            z = np.column_stack([(x - middle) / spread, np.ones(60)])
            held = np.diag([ridge] * 30 + [0.0])
            weights = np.linalg.solve(
                z[others].T @ z[others] + held, z[others].T @ np.eye(4)[labels[others]]
            )
            error += ((z[i] @ weights - np.eye(4)[labels[i]]) ** 2).sum()
        errors.append(error / 60)
    assert left_out_errors(x, labels, ridges) == pytest.approx(errors, rel=1e-9)
    assert fit_ridge(x, labels, ridges).ridge == ridges[int(np.argmin(errors))]
    assert 0 < np.argmin(errors) < 3


def test_steps_find_the_minimum_of_logistic_regression():
    x, labels = clouds(n=200)
    probe = fit_by_steps(x, labels, epochs=400, batch=200, rate=0.5, decay=0.01)
    z = (x - x.mean(0)) / x.std(0)
    # Where the gradient of the loss, written out anew, is zero.
    w = probe.weights * x.std(0)[:, None]
    b = probe.bias + x.mean(0) @ probe.weights
    p = np.exp(z @ w + b)
    p /= p.sum(1, keepdims=True)
    wrong = (p - np.eye(4)[labels]) / 200
    assert np.abs(z.T @ wrong + 0.01 * w).max() < 1e-6
    assert np.abs(wrong.sum(0) + 0.01 * b).max() < 1e-6


@pytest.mark.parametrize("fit", [fit_ridge, lambda x, y: fit_by_steps(x, y, rate=0.1, epochs=30)])
def test_probes_name_new_vectors_whatever_the_labels_are_called(fit):
    x, labels = clouds()
    names = np.array([7, 3, 40, 11])[labels]
    names[250:] = -1  # not known
    probe = fit(x, names)
    assert probe.classes.tolist() == [3, 7, 11, 40]
    right = np.array([7, 3, 40, 11])[labels[250:]]
    assert (probe.predict(x[250:]) == right).mean() > 0.8
    assert np.array_equal(fit(x, names).weights, probe.weights)


def test_a_number_that_never_changes_does_no_harm():
    x, labels = clouds()
    flat = np.column_stack([x, np.full(len(x), 1e6)])
    for fit in (fit_ridge, fit_by_steps):
        assert np.isfinite(fit(flat[:100], labels[:100]).weights).all()
    assert np.array_equal(fit_ridge(flat, labels).predict(flat), fit_ridge(x, labels).predict(x))
    assert nearest(np.zeros((1, 2)), np.ones((3, 2)), 1).cosines.tolist() == [[0]]


def test_what_cannot_be_is_refused():
    found = nearest(np.eye(2), np.eye(2), 2)
    for message, ask in (
        ("without a label", lambda: vote(found, [0, -1], 2)),
        ("cannot vote", lambda: vote(found, [0, 1], 3)),
        ("one for each reference", lambda: vote(found, [0], 1)),
        ("above 0", lambda: weighted_vote(found, [0, 1], 1, temperature=0)),
        ("queries of 2 numbers", lambda: nearest(np.eye(2), np.eye(3), 1)),
        ("finite numbers", lambda: nearest([[np.nan]], [[1.0]], 1)),
        ("needs some", lambda: fit_ridge(np.eye(2), [-1, -1])),
        ("must be above 0", lambda: fit_ridge(np.eye(2), [0, 1], ridges=[0])),
        ("a label of each", lambda: fit_by_steps(np.eye(2), [0])),
    ):
        with pytest.raises(InputError, match=message):
            ask()


def test_words_of_real_barcodes_name_species_and_bins_agree_with_them(shared):
    import csv
    import gzip

    from merian.barcode.words import CODE, as_text
    from merian.learn.agreement import adjusted_mutual_information
    from merian.learn.bootstrap import mean_interval

    file = shared / "multimodal" / "bold_insect_coi" / "bold_coi_784species_cap30.tsv.gz"
    if not file.is_file():
        pytest.skip("the barcodes of insects from BOLD are not there")
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    binned = [row for row in rows if row["bin_uri"]]
    agreed = adjusted_mutual_information(
        [row["species_name"] for row in binned], [row["bin_uri"] for row in binned]
    )
    assert agreed == pytest.approx(0.98842, abs=1e-5)  # as scikit-learn has it

    rows = rows[::4]
    distinct, which = np.unique([row["nucleotides"] for row in rows], return_inverse=True)
    words = np.zeros((len(distinct), 4**5), np.float32)
    for number, sequence in enumerate(distinct):
        windows = np.lib.stride_tricks.sliding_window_view(CODE[as_text(sequence)], 5)
        windows = windows[(windows < 4).all(axis=1)]
        words[number] = np.bincount(windows @ 4 ** np.arange(5), minlength=4**5)
    species, genus = (
        np.unique([row[rank] for row in rows], return_inverse=True)[1]
        for rank in ("species_name", "genus_name")
    )
    asked = which % 5 == 0  # no sequence on both sides
    known = ~asked
    asked &= np.isin(species, species[known])
    found = nearest(words[which[asked]], words[which[known]], 1)
    right = vote(found, species[known], 1) == species[asked]
    figure = mean_interval(right, genus[asked], rounds=200)
    assert figure.value > 0.975
    assert figure.low < figure.value < figure.high
