from __future__ import annotations

import random

import numpy as np
import pytest
from tests.identify.biota import Record, biota, drifted, library_of

from merian.barcode import read_query
from merian.identify import Choice, Identifier
from merian.identify.determination import Outcome
from merian.identify.wording import FLAGS, outcome_in_words
from merian.library.neighbours import find, finder_of
from merian.nucleotides import reverse_complement

ORDER = ("kingdom", "family", "genus", "species")


@pytest.fixture(scope="module")
def everything() -> list[Record]:
    return biota(5, 4, 3, 4, seed=3)


@pytest.fixture(scope="module")
def references(everything) -> list[Record]:
    """Of every species but the fourth record; without the last species, genus and family."""
    return [
        r
        for r in everything
        if r.id[-1] != "3" and r.id[2] != "c" and r.id[1] != "d" and r.id[0] != "e"
    ]


@pytest.fixture(scope="module")
def identifier(references, tmp_path_factory) -> Identifier:
    return Identifier.open(library_of(tmp_path_factory.mktemp("id"), references))


def of(records: list[Record], pattern: str) -> Record:
    """The record whose id fits, "?" for any letter."""
    return next(
        r for r in records if all(p in ("?", c) for p, c in zip(pattern, r.id, strict=True))
    )


def depth(rank: str) -> int:
    return ORDER.index(rank) + 1 if rank else 0


def test_a_known_species_is_named(identifier, everything):
    record = of(everything, "aab3")
    found = identifier.identify([record.sequence])[0]
    assert found.names["species"] == record.species
    assert found.probabilities["species"] > 0.8
    assert found.matches[0].name == record.species
    assert "in this library" in found.verdict
    assert "novel" not in found.flags


def test_a_barcode_within_a_long_read_is_answered_as_itself(identifier, everything):
    # What is before and behind it has many words that are in the library, here and there.
    pieces = [r.sequence[n : n + 15] for r in everything for n in range(0, len(r.sequence), 15)]
    random.Random(8).shuffle(pieces)
    before, after = "".join(pieces[:200]), "".join(pieces[200:500])
    for pattern in ("aab3", "aac0", "ada0"):
        barcode = of(everything, pattern).sequence
        alone = identifier.identify([barcode])[0]
        for read in (before + barcode + after, reverse_complement(before + barcode + after)):
            found = identifier.identify([read])[0]
            assert (found.rank, found.name) == (alone.rank, alone.name)
            assert found.probability == pytest.approx(alone.probability, abs=0.02)
            near, far = (find(finder_of(identifier.library), x)[0] for x in (barcode, read))
            assert far.shared.max() == pytest.approx(near.shared.max(), abs=0.05)


@pytest.mark.parametrize(
    ("pattern", "lowest"), [("aac0", "genus"), ("ada0", "family"), ("eaa0", "kingdom")]
)
def test_what_the_library_lacks_is_not_named_below_what_it_has(
    identifier, everything, pattern, lowest
):
    record = of(everything, pattern)
    found = identifier.identify([record.sequence])[0]
    assert depth(found.rank) <= depth(lowest)
    if found.rank:
        assert found.name in ("Animalia", record.family, record.genus)
    assert "not in this library" in found.verdict
    assert "novel" in found.flags


def test_the_probabilities_are_those_of_a_tree(identifier, everything):
    found = identifier.identify([r.sequence for r in everything[::7]])
    for answer in found:
        shares = [answer.probabilities[r] for r in ORDER if r in answer.probabilities]
        assert shares == sorted(shares, reverse=True)
        assert all(0 <= share <= 1 for share in shares)
    trace = identifier.trace(everything[0].sequence)
    assert sum(o.probability for o in trace.outcomes) == pytest.approx(1)
    for rank, name, share in trace.path:
        taxonomy = identifier.library.taxonomy
        node = int(taxonomy.find(name)[0])
        below = sum(
            o.probability
            for o in trace.outcomes
            if o.name and taxonomy.is_ancestor(node, int(taxonomy.find(o.name)[0]))
        )
        assert share == pytest.approx(below), rank


def test_an_answer_does_not_hang_on_what_else_is_asked(identifier, everything):
    queries = [r.sequence for r in everything[:60]]
    together = identifier.identify(queries)
    alone = [identifier.identify([query])[0] for query in queries]
    backwards = identifier.identify(queries[::-1])[::-1]
    assert together == alone
    assert together == backwards


def test_the_strand_does_not_matter(identifier, everything):
    query = of(everything, "bab3").sequence
    plain, turned = identifier.identify([query, reverse_complement(query)])
    assert plain.names == turned.names
    assert plain.probabilities == pytest.approx(turned.probabilities, abs=1e-6)
    assert "other_strand" in turned.flags
    assert "other_strand" not in plain.flags


def test_cutting_the_ends_changes_no_answer(identifier, everything):
    """Unless bases that told species apart were among those cut: then it is no farther down."""
    asked = [r for r in everything if r.id[-1] == "3"]
    whole = identifier.identify([r.sequence for r in asked])
    for cut in (slice(30, None), slice(None, -30)):
        found = identifier.identify([r.sequence[cut] for r in asked])
        same = sum(a.name == b.name for a, b in zip(whole, found, strict=True))
        assert same >= 0.9 * len(asked)
        for a, b in zip(whole, found, strict=True):
            if "genus" in (a.rank, b.rank):
                assert b.names["genus"] == a.names["genus"]


def test_a_short_piece_is_answered_and_flagged(identifier, everything):
    record = of(everything, "aab3")
    found = identifier.identify([record.sequence[100:200]])[0]
    assert "short" in found.flags
    assert found.names["genus"] == record.genus
    assert found.matches[0].overlap == 100


@pytest.mark.parametrize("change", ["n", "iupac", "lower", "gaps", "rna"])
def test_what_can_be_read_is_answered_as_what_it_is(identifier, everything, change):
    record = of(everything, "bbb3")
    text = record.sequence
    if change == "n":
        text = "N" * 12 + text[12:200] + "NNN" + text[203:] + "N" * 5
    elif change == "iupac":
        text = text[:50].replace("A", "R", 3) + text[50:]
    elif change == "lower":
        text = text.lower()
    elif change == "gaps":
        text = "---" + text[:100] + "--" + text[100:]
    else:
        text = text.replace("T", "U")
    clean, reason = read_query(text)
    assert not reason
    assert identifier.identify([clean])[0].names["species"] == record.species


def test_species_that_share_a_barcode_are_named_as_a_set_and_stood_above(tmp_path, references):
    twin = of(references, "aaa0")
    shared = [
        *references,
        Record("x0", twin.family, twin.genus, f"{twin.genus} twinus", twin.sequence),
    ]
    identifier = Identifier.open(library_of(tmp_path, shared))
    found = identifier.identify([twin.sequence])[0]
    assert found.rank != "species"
    assert "shared_barcode" in found.flags
    assert twin.species in found.explanation
    assert f"{twin.genus} twinus" in found.explanation


def test_a_match_without_a_name_is_one_of_the_outcomes(tmp_path, references):
    group = [
        Record(f"u{n}", "Faidae", "Gaaus", "Gaaus sp. 9", drifted(random.Random(n), base, 0.003))
        for base in [drifted(random.Random(99), of(references, "aaa0").sequence, 0.09)]
        for n in range(4)
    ]
    identifier = Identifier.open(library_of(tmp_path, [*references, *group]))
    found = identifier.identify([group[0].sequence])[0]
    assert found.rank != "species"
    assert "species" not in found.names
    trace = identifier.trace(group[0].sequence)
    best = max((o for o in trace.outcomes if o.group), key=lambda o: o.probability)
    assert best.group == "Gaaus sp. 9"
    assert best.name == "Gaaus"
    assert "unnamed Gaaus sp. 9 under Gaaus" in [outcome_in_words(o) for o in trace.outcomes]


def test_a_species_known_from_one_record_is_flagged(tmp_path, references):
    lone = of(references, "aaa0")
    few = [r for r in references if r.species != lone.species or r is lone]
    for records, alone in ((few, True), (references, False)):
        library = library_of(tmp_path / str(alone), records)
        found = Identifier.open(library, Choice(alpha=0.4)).identify([lone.sequence])[0]
        assert found.rank == "species"
        assert ("single_reference" in found.flags) == alone


def test_what_is_like_nothing_has_no_name(identifier):
    noise = "".join(random.Random(0).choices("ACGT", k=300))
    found = identifier.identify([noise, "ACGT" * 30])
    for answer in found:
        assert answer.rank in ("", "kingdom")
        assert answer.explanation


def test_a_mix_that_is_given_moves_the_answers(references, everything, identifier):
    query = of(everything, "aac0").sequence
    known = Identifier.open(identifier.library, Choice(novelty=(0.97, 0.01, 0.01, 0.01)))
    lacking = Identifier.open(identifier.library, Choice(novelty=(0.01, 0.97, 0.01, 0.01)))
    species = [
        i.identify([query])[0].probabilities["species"] for i in (known, identifier, lacking)
    ]
    assert species[0] > species[1] > species[2]


def test_the_mix_of_a_batch_is_estimated(identifier, everything, references):
    there = {r.species for r in references}
    present = [r.sequence for r in everything if r.species in there and r.id[-1] == "3"]
    absent = [r.sequence for r in everything if r.id[0] == "e"]
    assert identifier.estimate_novelty(present)[0] > 0.7
    assert identifier.estimate_novelty(absent)[0] < 0.3
    assert sum(identifier.estimate_novelty(absent)) == pytest.approx(1)


def test_every_flag_is_told(identifier, everything):
    found = identifier.identify([r.sequence for r in everything])
    assert {flag for answer in found for flag in answer.flags} <= set(FLAGS)


def test_outcomes_in_words():
    assert outcome_in_words(Outcome("species", "Aus bus", False, "", 1)) == "Aus bus"
    new = Outcome("genus", "Aus", True, "", 1)
    assert outcome_in_words(new) == "something under Aus that is not in this library"
    assert outcome_in_words(Outcome("", "", True, "", 1)) == "something that is not in this library"


def test_answers_are_mostly_right_and_never_below_what_they_know(
    identifier, everything, references
):
    """The whole biota: of all answers few are wrong, and known species are mostly named."""
    there = {r.species for r in references}
    asked = [r for r in everything if r.species not in there or r.id[-1] == "3"]
    found = identifier.identify([r.sequence for r in asked])
    true = [{"family": r.family, "genus": r.genus, "species": r.species} for r in asked]
    wrong = [
        a.rank not in ("", "kingdom") and t[a.rank] != a.name
        for a, t in zip(found, true, strict=True)
    ]
    assert np.mean(wrong) <= 0.1
    best = [
        a.names.get("species") == t["species"]
        for a, t in zip(found, true, strict=True)
        if t["species"] in there
    ]
    assert np.mean(best) > 0.95
