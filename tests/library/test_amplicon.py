"""Amplicons cut out of references."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merian.errors import InputError
from merian.library import Primers, Settings, add_to_library, build_library
from merian.nucleotides import MAY_BE, reverse_complement

from .conftest import bases, lineage
from .test_build import names

FORWARD, REVERSE = "GGWACWGGWTGAACWGTWTAYCCYCC", "TAIACYTCIGGRTGICCRAARAAYCA"


def primers(mismatches=None, keep=False, forward=FORWARD, reverse=REVERSE) -> Primers:
    return Primers.of(forward, reverse, mismatches, keep)


def site(primer: str, seed: int = 0) -> str:
    """One of the sequences that a primer is written for."""
    chance = random.Random(seed)
    return "".join(chance.choice(MAY_BE["N" if x == "I" else x]) for x in primer)


AT_START, AT_END = site(FORWARD), reverse_complement(site(REVERSE))


def wrong(text: str, count: int) -> str:
    """A site with so many wrong letters, spread over those that are one base only."""
    places = [i for i, x in enumerate(FORWARD) if x in "ACGT"][:: 16 // max(count, 1)][:count]
    return "".join(
        {"A": "C", "C": "A", "G": "T", "T": "G"}[x] if i in places else x
        for i, x in enumerate(text)
    )


def slowly(found: Primers, text: str) -> list[tuple[int, int, int]]:
    """Places of the forward primer on one strand, letter by letter: begin, end, mismatches."""
    hits = []
    for place in range(len(text) - len(found.forward) + 1):
        count = 0
        for x, p in zip(text[place:], found.forward, strict=False):
            bases_of = "" if x == "N" else MAY_BE[x]
            count += p != "N" and not set(bases_of) & set(MAY_BE[p])
        if count <= found.most(found.forward):
            hits.append((place, place + len(found.forward), count))
    return hits


def test_what_lies_between_the_primers_is_kept_on_either_strand():
    inner = bases(1, 313)
    whole = bases(2, 80) + AT_START + inner + AT_END + bases(3, 40)
    for text in (whole, reverse_complement(whole)):
        assert primers().cut([text]) == ([inner], [3])
    assert primers().cut([bases(2, 30) + AT_START + inner]) == ([inner], [1])
    assert primers().cut([inner + AT_END + bases(3, 9)]) == ([inner], [2])
    assert primers().cut([reverse_complement(inner + AT_END)])[0] == [inner]
    assert primers().cut([inner])[1] == [0]


@pytest.mark.parametrize("count", range(7))
def test_as_many_mismatches_as_are_allowed(count):
    inner = bases(1, 313)
    text = wrong(AT_START, count) + inner + AT_END
    assert primers().most(primers().forward) == 4  # 15 % of 26 letters
    assert primers().most(primers().reverse) == 3  # of 23: three are inosine
    assert primers().cut([text])[1] == [3 if count <= 4 else 2]
    assert primers(6).cut([text])[1] == [3]
    assert primers(0).cut([text])[1] == [3 if count == 0 else 2]


def test_codes_of_a_reference_count_as_what_they_may_be_and_n_as_nothing():
    inner = bases(1, 313)
    coded = AT_START[:2] + "N" * 5 + AT_START[7:]
    assert primers().cut([coded + inner + AT_END])[1] == [2]
    letters = ["R" if x in "AG" else "Y" for x in AT_START]
    assert primers(0).cut(["".join(letters) + inner + AT_END])[1] == [3]
    assert primers().cut(["N" * 26 + inner + "N" * 26])[1] == [0]


def test_of_several_places_the_one_that_fits_best_is_taken():
    inner = bases(1, 200)
    text = wrong(AT_START, 2) + bases(4, 60) + AT_START + inner + AT_END + bases(5, 90) + AT_END
    assert primers().cut([text])[0] == [inner]


@given(st.text("ACGTRYN", min_size=0, max_size=60), st.integers(0, 40), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_the_loop_finds_what_a_slow_search_finds(text, place, seed):
    found = primers(3, forward="ACGTRYKMACGT", reverse="TTTTTTTTTTTTTTTTTTTTTTTTTTTTTT")
    text = text[:place] + site("ACGTRYKMACGT", seed) + text[place:]
    row = found.find([text])[0].tolist()
    strands = [slowly(found, text), slowly(found, reverse_complement(text))]
    fewest = min(count for hits in strands for *_, count in hits)
    assert row[0] in (1, 2)
    hits = strands[row[3]]
    begin = row[1] if row[0] == 1 else len(text) - row[2]
    assert (begin, fewest) in [(end, count) for _, end, count in hits]


@pytest.mark.parametrize(
    ("forward", "told"),
    [("ACGTAC", "too short"), ("NNNNNNNNNNACG", "too short"), ("ACGTZACGTACGT", "'Z'")],
)
def test_what_is_no_primer_is_told(forward, told):
    with pytest.raises(InputError, match=told):
        primers(forward=forward)
    with pytest.raises(InputError, match="from 0 to 13"):
        primers(14)


def library_of(write, tmp_path, rows, **said):
    asked = Settings(primers=primers(**said))
    path = write([(key, lineage("Aus bus"), text) for key, text in rows])
    return build_library([path], tmp_path / "lib", settings=asked)


INNER = [bases(1, 313)[:100] + bases(50 + i, 10) + bases(1, 313)[110:] for i in range(14)]
WHOLE = [(f"w{i}", bases(9, 40) + AT_START + text + AT_END) for i, text in enumerate(INNER)]


def test_one_primer_is_enough_where_the_sequence_ends_before_the_other(write, tmp_path):
    rows = [*WHOLE, ("short", AT_START + INNER[0][:250]), ("end", INNER[1][100:] + AT_END),
            ("on", AT_START + INNER[2] + bases(7, 200)), ("none", INNER[3])]  # fmt: skip
    done = library_of(write, tmp_path, rows)
    found = {r.id: done.library.sequence(e) for e in range(len(done.library))
             for r in done.library.records_of(e)}  # fmt: skip
    assert found["short"] == INNER[0][:250]
    assert found["end"] == INNER[1][100:]
    assert [found[f"w{i}"] for i in range(14)] == INNER
    aside = {row.split("\t")[2]: row for row in done.rejects.read_text().splitlines()[1:]}
    assert set(aside) == {"on", "none"}
    assert "goes on beyond" in aside["on"]
    assert "no primer" in aside["none"]
    assert "14 references have both primers; 2 end before the other" in done.notes[-1]


def test_trimmed_references_are_kept_beside_an_amplicon_if_asked(write, tmp_path):
    turned = reverse_complement(INNER[4][20:])
    rows = [*WHOLE, ("trimmed", INNER[3]), ("turned", turned), ("other", bases(77, 300))]
    done = library_of(write, tmp_path, rows, keep=True)
    found = {r.id: done.library.sequence(e) for e in range(len(done.library))
             for r in done.library.records_of(e)}  # fmt: skip
    assert found["trimmed"] == INNER[3]
    assert found["turned"] == INNER[4][20:]
    assert sum(done.set_aside.values()) == 1
    assert "near to no amplicon" in done.rejects.read_text().splitlines()[1]


def test_cut_references_that_are_alike_stand_behind_one_entry(write, tmp_path):
    rows = [WHOLE[0], ("again", bases(5, 20) + AT_START + INNER[0] + AT_END + bases(6, 20))]
    done = library_of(write, tmp_path, rows)
    assert (len(done.library), done.library.records) == (1, 2)


def test_an_addition_is_cut_in_the_same_way(write, tmp_path):
    library_of(write, tmp_path, WHOLE)
    more = write([("m", lineage("Aus cus"), bases(3, 9) + AT_START + INNER[5] + AT_END)], "m.fasta")
    done = add_to_library(tmp_path / "lib", [more])
    assert names(done.library)["m"] == "Aus cus"
    assert done.library.sequences(0)[5] == INNER[5]
    other = Settings(primers=primers(5))
    with pytest.raises(InputError, match="were cut with"):
        add_to_library(tmp_path / "lib", [more], settings=other)
    said = done.library.header["segments"]
    assert said[0]["settings"]["primers"] == said[1]["settings"]["primers"]


def test_an_addition_is_held_against_the_amplicons_of_the_library(write, tmp_path):
    build = library_of(write, tmp_path, WHOLE, keep=True)
    more = [
        ("trimmed", lineage("Aus zus"), bases(20, 30) + INNER[3] + bases(21, 30)),
        ("beyond", lineage("Aus zus"), AT_START + INNER[4] + bases(22, 300)),
    ]
    folder = build.library.folder
    done = add_to_library(folder, [write(more, "more.fasta")])
    assert done.records == 1
    rows = [line.split("\t")[2:] for line in done.rejects.read_text().splitlines()[1:]]
    assert [key for key, _ in rows] == ["beyond"]
    assert "goes on beyond" in rows[0][1]
    (added,) = [e for e in range(len(done.library)) for r in done.library.records_of(e)
                if r.id == "trimmed"]  # fmt: skip
    assert done.library.sequence(added) == INNER[3]


def test_an_amplicon_of_unknown_letters_is_too_short(write, tmp_path):
    text = bases(30, 300) + AT_START + bases(31, 12) + "N" * 220 + bases(32, 12) + AT_END
    rows = [*WHOLE, ("unknown", text + bases(33, 300))]
    done = library_of(write, tmp_path, rows)
    assert done.set_aside == {"shorter than 50 called bases": 1}


def test_primers_that_fit_nothing_are_told(write, tmp_path):
    with pytest.raises(InputError, match="Were the primers cut off already"):
        library_of(write, tmp_path, [(f"w{i}", text) for i, text in enumerate(INNER)])
    assert not (tmp_path / "lib").exists()
