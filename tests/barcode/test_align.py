"""Alignments of a query with references, held against whole alignments and what was planted."""

from __future__ import annotations

import re

import edlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.barcode.makers import FAMILY, mutate, random_sequence

from merian.barcode import align_loops
from merian.barcode.align import align
from merian.nucleotides import reverse_complement

MITOGENOME = [random_sequence(9000, np.random.default_rng(i)) for i in (11, 12)]


def figures(found, number=0):
    return int(found.mismatches[number]), int(found.overlap[number])


def with_gaps(sequence, count, rng):
    """Another sequence, with stretches of up to three bases gone or come."""
    for place in sorted(rng.integers(80, len(sequence) - 80, count).tolist(), reverse=True):
        size = int(rng.integers(1, 4))
        if rng.random() < 0.5:
            sequence = sequence[:place] + sequence[place + size :]
        else:
            sequence = sequence[:place] + random_sequence(size, rng) + sequence[place:]
    return sequence


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.floats(0, 0.15), st.integers(0, 4), st.booleans())
def test_mismatches_are_the_edit_distance(seed, share, gaps, ambiguous):
    rng = np.random.default_rng(seed)
    one = FAMILY[seed % 40]
    other = with_gaps(mutate(one, share, rng), gaps, rng)
    if ambiguous:
        other = other[:300] + "N" + other[301:]
    equal = [("N", base) for base in "ACGT"]
    truth = edlib.align(one, other, task="path", additionalEqualities=equal)
    mismatches, overlap = figures(align(one, [other]))
    # Ends that hang over are apart, and cost what they are long.
    hanging = truth["editDistance"] - mismatches
    assert -4 <= hanging <= 8
    assert abs(overlap + hanging - max(len(one), len(other))) <= mismatches
    if not gaps:
        assert mismatches <= sum(a != b != "N" for a, b in zip(one, other, strict=True))


def sets_of(sequence):
    """The letters of a sequence as sets of bases, a bit for each."""
    may_be = {"A": 1, "C": 2, "G": 4, "T": 8, "R": 5, "Y": 10, "N": 15}
    return np.array([may_be[letter] for letter in sequence], np.uint8)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32), st.integers(1, 400), st.integers(0, 90), st.floats(0, 0.5))
def test_windows_are_aligned_as_by_edlib(seed, size, gap, share):
    rng = np.random.default_rng(seed)
    before, one = random_sequence(int(rng.integers(0, 130)), rng), random_sequence(size, rng)
    other = mutate(one, share, rng)
    place = int(rng.integers(0, size))
    other = other[:place] + random_sequence(int(rng.integers(0, gap + 1)), rng) + other[place:]
    place = int(rng.integers(0, len(other)))
    other = other[:place] + other[place + gap :] or "A"
    if rng.random() < 0.5:
        other = "RYN"[seed % 3] + other[1:]
    one_sets, other_sets = sets_of(one), sets_of(other)
    differ = -1
    if len(one) == len(other):
        differ = int(np.count_nonzero(one_sets & other_sets == 0))
    equal = [(a, b) for a, bases in (("R", "AG"), ("Y", "CT"), ("N", "ACGT")) for b in bases]
    truth = edlib.align(one, other, task="path", additionalEqualities=equal)
    path = "".join(int(n) * kind for n, kind in re.findall(r"(\d+)(.)", truth["cigar"]))
    if 0 <= differ <= truth["editDistance"]:
        path = "=" * size
    inner = path.strip("ID")
    first, last = (path[: path.index(inner)], path[path.index(inner) + len(inner) :])
    score = differ if 0 <= differ <= truth["editDistance"] else truth["editDistance"]
    expected = (score - len(first + last), len(inner), first.count("I"), last.count("I"))
    masks = align_loops._masks(sets_of(before + one + random_sequence(seed % 70, rng)))
    found = align_loops._align_windows(masks, len(before), size, other_sets, differ)
    assert found == expected


def random_gene(codons, rng):
    """A sequence that can be read without a stop."""
    bases = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT"]
    return "".join(rng.choice([codon for codon in bases if codon not in {"TAA", "TAG"}], codons))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(0, 150), st.booleans(), st.booleans())
def test_genes_are_compared_without_gaps(seed, cut, turn, swap):
    rng = np.random.default_rng(seed)
    gene = random_gene(219, rng)
    other = mutate(gene, 0.25, rng)
    places = sum(a != b for a, b in zip(gene[cut:], other[cut:], strict=True))
    pair = [gene, other[cut:]][:: -1 if swap else 1]
    query = reverse_complement(pair[0]) if turn else pair[0]
    assert figures(align(query, [pair[1]])) == (places, 657 - cut)


def test_a_stretch_of_a_gene_that_is_shifted_has_gaps():
    rng = np.random.default_rng(9)
    gene = random_gene(219, rng)
    shifted = gene[:200] + gene[203:400] + random_sequence(3, rng) + gene[400:]
    mismatches, overlap = figures(align(gene, [shifted]))
    assert 4 <= mismatches <= 6
    assert 657 <= overlap <= 660


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 39), st.integers(0, 39), st.integers(0, 30), st.integers(0, 30))
def test_trimming_takes_away_the_evidence_of_what_is_cut_and_nothing_else(one, other, left, right):
    query, reference = FAMILY[one], FAMILY[other]
    cut = query[left : len(query) - right]
    whole, trimmed = align(query, [reference]), align(cut, [reference])
    beside = reference[left : len(query) - right]
    places = sum(a != b for a, b in zip(cut, beside, strict=True))
    direct = edlib.align(cut, beside)["editDistance"]
    assert direct <= trimmed.mismatches[0] + 2
    assert trimmed.mismatches[0] <= places
    lost = whole.mismatches[0] - trimmed.mismatches[0]
    # Of two ways with gaps that are equally good one may have a column more: so it is among
    # strangers, for 2 cuts of 8,000.
    assert -1 <= lost <= left + right
    if one // 5 == other // 5 and {one, other} != {35, 37}:  # so near that no gap pays
        assert lost >= 0
        assert figures(trimmed) == (places, len(cut))
        assert trimmed.query_stop[0] - trimmed.query_start[0] == len(cut)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(0, 3))
def test_strands_give_the_same(seed, gaps):
    rng = np.random.default_rng(seed)
    query = with_gaps(mutate(FAMILY[seed % 40], 0.05, rng), gaps, rng)[20:]
    first = seed % 40 // 5 * 5
    references = FAMILY[first : first + 5]  # those farther away lie on either strand by chance
    forward = align(query, references)
    backward = align(reverse_complement(query), references)
    turned = align(query, [reverse_complement(r) for r in references])
    for name in ("mismatches", "overlap", "query_start", "query_stop"):
        assert np.array_equal(getattr(forward, name), getattr(backward, name)), name
    # Read from the other end, an alignment of the same cost may have its gaps elsewhere.
    assert (np.abs(forward.mismatches - turned.mismatches) <= 1 + forward.mismatches // 20).all()
    assert not forward.reverse.any()
    assert backward.reverse.all()
    assert turned.reverse.all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.booleans(), st.booleans(), st.integers(100, 658))
def test_a_barcode_is_found_in_a_long_reference(seed, turn, swap, length):
    rng = np.random.default_rng(seed)
    core = FAMILY[seed % 40]
    first = int(rng.integers(0, 659 - length))
    part = mutate(core[first : first + length], 0.1, rng)
    long = MITOGENOME[0] + core + MITOGENOME[1]
    long = reverse_complement(long) if turn else long
    short, alone = align(part, [long, core]), align(part, [core])
    assert figures(short) == figures(short, 1) == figures(alone)
    assert short.reverse.tolist() == [turn, False]
    assert alone.overlap[0] > length - 10
    found = align(long, [core])
    assert figures(found) == (0, 658)
    window = (reverse_complement(long) if turn else long)[
        found.query_start[0] : found.query_stop[0]
    ]
    assert window == core


def test_two_long_sequences_are_aligned_as_a_whole():
    rng = np.random.default_rng(3)
    long = MITOGENOME[0] + FAMILY[0] + MITOGENOME[1]
    other = mutate(long, 0.01, rng)
    mismatches, overlap = figures(align(long, [other]))
    assert overlap == len(long)
    assert mismatches == sum(a != b for a, b in zip(long, other, strict=True))


def test_windows_say_what_of_the_query_was_aligned():
    rng = np.random.default_rng(4)
    flank = random_sequence(50, rng)
    query = flank + FAMILY[0] + flank
    found = align(query, [FAMILY[0], FAMILY[0][:300], reverse_complement(FAMILY[0][:300])])
    assert found.query_start.tolist() == [50, 50, 408]
    assert found.query_stop.tolist() == [708, 350, 708]
    assert found.reverse.tolist() == [False, False, True]
    assert found.identity.tolist() == [1, 1, 1]


def test_gaps_at_the_ends_are_no_columns():
    core = FAMILY[0]
    found = align(core, [core[:5] + core[9:], core[: 658 - 9] + core[658 - 5 :]])
    assert (found.overlap >= 650).all()
    assert (found.mismatches <= 4).all()


@pytest.mark.parametrize(("letter", "differs"), [("N", 0), ("R", 0), ("M", 0), ("Y", 1), ("B", 1)])
@pytest.mark.parametrize("gap", [0, 3])
def test_an_ambiguous_letter_matches_what_it_may_be(letter, differs, gap):
    core = FAMILY[0]
    place = core.index("A", 300)
    query = core[:place] + letter + core[place + 1 :]
    reference = core[:500] + core[500 + gap :]
    assert figures(align(query, [reference])) == (differs + gap, 658)
    assert figures(align(reference, [query])) == (differs + gap, 658)
    turned = align(reverse_complement(query), [reference])
    assert figures(turned) == (differs + gap, 658)


def test_what_does_not_align_has_no_overlap():
    rng = np.random.default_rng(6)
    core = FAMILY[0]
    found = align(core, ["", "ACGT", core[:99], core[:100], "N" * 700])
    assert found.overlap.tolist()[:4] == [0, 0, 0, 100]
    assert found.identity.tolist()[:4] == [0, 0, 0, 1]
    assert align(core, []).overlap.shape == (0,)
    assert align("", [core, ""]).overlap.tolist() == [0, 0]
    assert align(core[:60], [core, core[10:]]).overlap.tolist() == [60, 0]
    assert align("ACG", [core]).overlap[0] in (0, 3)
    assert align(random_sequence(300, rng), [core]).identity[0] < 0.65


def test_answers_do_not_depend_on_what_else_is_aligned():
    query = mutate(FAMILY[0], 0.05, np.random.default_rng(7))
    long = MITOGENOME[0] + FAMILY[7] + MITOGENOME[1]
    references = [*FAMILY, long, FAMILY[3][:90], "", reverse_complement(FAMILY[9])]
    together = align(query, references)
    for number, reference in enumerate(references):
        assert figures(align(query, [reference])) == figures(together, number)
