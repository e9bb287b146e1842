"""Holding answers against validated records: worked out by hand, and on simulated answers."""

from __future__ import annotations

import numpy as np
import pytest

from merian.errors import FormatError, InputError, NotFoundError
from merian.identify.check import Truth, check_promise, read_truth
from merian.library import Library

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")


def table(path, rows):
    """Write answers: id, rank stood by, and the guesses from the family down."""
    columns = ["id", *RANKS[4:], "rank", "name"]
    lines = ["\t".join(columns)]
    for key, rank, *names in rows:
        guesses = dict(zip(RANKS[4:], names, strict=True))
        lines.append("\t".join([key, *names, rank, guesses.get(rank, "")]))
    path.write_text("\n".join(lines) + "\n")
    return path


def truth(*rows):
    return [Truth(key, dict(zip(RANKS[4:], names, strict=True))) for key, *names in rows]


def test_what_is_wrong_and_what_cannot_be_judged(tmp_path):
    known = truth(
        ("a", "Aidae", "Aus", "Aus bus"), ("b", "Aidae", "Aus", "Aus cus"),
        ("c", "Bidae", "Cus", "Cus dus"), ("d", "Bidae", "Cus", "Cus eus"),
        ("h", "Bidae", "Dus", "Dus fus"),
    )  # fmt: skip
    known += [Truth("e", {"genus": "Eus"}), Truth("f", {"genus": "Eus"}), Truth("g", {})]
    answers = table(tmp_path / "a.tsv", [
        ("a", "species", "Aidae", "Aus", "Aus_bus"),  # right, written otherwise
        ("b", "species", "Aidae", "Aus", "Aus bus"),  # wrong
        ("c", "genus", "Bidae", "Cus", "Cus eus"),  # right: the guess below is no answer
        ("d", "", "Bidae", "Xus", "Xus yus"),  # says nothing
        ("e", "species", "Eidae", "Eus", "Eus fus"),  # the truth does not go so far
        ("f", "species", "Eidae", "Xus", "Xus yus"),  # but wrong above is wrong
        ("other", "species", "Eidae", "Xus", "Xus yus"),
    ])  # fmt: skip
    done = check_promise(known, answers)
    # Aus is half wrong, Cus right, Eus wrong: each genus counts as one.
    assert done.overall.error == pytest.approx((0.5 + 0 + 1) / 3)
    assert (done.overall.records, done.overall.genera, done.overall.wrong) == (5, 3, 2)
    assert done.overall.verdict == "too few genera to say (40 are needed)"
    assert (done.undecided, done.unanswered, done.unplaced) == (1, 2, 0)
    species, genus, family = done.stops
    assert (species.records, species.wrong) == (3, 2)
    assert species.error == pytest.approx(2 / 3)
    assert (genus.records, genus.error) == (1, 0)
    assert (family.records, family.error) == (0, None)
    assert done.strata == []


def test_a_species_alone_tells_that_a_family_above_it_is_right(tmp_path):
    answers = table(tmp_path / "a.tsv", [("a", "family", "Aidae", "Aus", "Aus cus"),
                                         ("b", "family", "Aidae", "Zus", "Zus cus")])  # fmt: skip
    known = [Truth("a", {"genus": "Aus", "species": "Aus bus"}),
             Truth("b", {"genus": "Aus", "species": "Aus bus"})]  # fmt: skip
    done = check_promise(known, answers)
    assert (done.overall.records, done.overall.wrong, done.undecided) == (1, 0, 1)


@pytest.mark.parametrize(("share", "verdict"), [
    (0.02, "kept"), (0.065, "above, but within chance"), (0.2, "not kept"),
])  # fmt: skip
def test_whether_a_promise_is_kept_is_told_with_its_interval(tmp_path, share, verdict):
    bad = set(np.random.default_rng(5).permutation(400)[: round(400 * share)].tolist())
    rows, known = [], []
    for genus in range(100):
        for record in range(4):
            name = f"Aus{chr(97 + genus // 26)}{chr(97 + genus % 26)}us"
            key = f"{genus}-{record}"
            given = "Zus" if 4 * genus + record in bad else name
            rows.append((key, "genus", "Aidae", given, ""))
            known += truth((key, "Aidae", name, f"{name} bus"))
    answers = table(tmp_path / "a.tsv", rows)
    done = check_promise(known, answers)
    figure = done.overall
    assert figure.verdict == verdict
    assert figure.low < figure.error < figure.high
    # The standard error of a mean over genera, from its own spread.
    wrong = np.array([r[3] == "Zus" for r in rows]).reshape(100, 4).mean(axis=1)
    width = 2 * 1.96 * wrong.std() / np.sqrt(100)
    assert figure.high - figure.low == pytest.approx(width, rel=0.25)
    assert check_promise(known, answers) == done
    assert done.stops[1].verdict == ""
    by_rank = check_promise(known, answers, promise={"by_rank": True, "alpha": 0.5})
    assert by_rank.stops[1].verdict == "kept"


def test_the_library_tells_the_strata_apart_and_what_stands_above(small, tmp_path):
    library = Library.open(small.library)
    rows = [
        ("p", "species", "Faidae", "Gaaus", "Gaaus saus"),
        ("s", "genus", "Faidae", "Gaaus", "Gaaus saus"),
        ("g", "family", "Faidae", "Gabus", "Gabus saus"),
        ("f", "order", "Faidae", "", ""),
        ("u", "genus", "Faidae", "Gaaus", ""),
        ("w", "family", "Fbidae", "Gbbus", ""),
    ]
    answers = table(tmp_path / "a.tsv", rows)
    answers.write_text(answers.read_text().replace("order\t", "order\tDiptera"))
    known = [
        Truth("p", {"genus": "Gaaus", "species": "Gaaus saus"}),
        Truth("s", {"genus": "Gaaus", "species": "Gaaus newus"}),
        Truth("g", {"family": "Faidae", "genus": "Newus", "species": "Newus bus"}),
        Truth("f", {"order": "Diptera", "family": "Newidae", "genus": "Oldus"}),
        Truth("u", {"genus": "Gaaus"}),
        Truth("w", {"species": "Gaaus saus", "genus": "Gaaus"}),  # its family is Faidae there
    ]
    done = check_promise(known, answers, library=library)
    assert [(f.name, f.records, f.wrong) for f in done.strata] == [
        ("species present", 2, 1), ("species absent", 1, 0),
        ("genus absent", 1, 0), ("family absent", 1, 0),
    ]  # fmt: skip
    assert done.unplaced == 1
    mixed = check_promise(
        known, answers, library=library, promise={"novelty": [0.7, 0.1, 0.1, 0.1]}
    )
    assert {f.verdict for f in mixed.strata} == {""}


def test_the_truth_is_read_as_people_write_it(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "sampleid;ID;Genus;Species;Family_name\n1;a;Aus;bus;Aidae\n2;b;;Aus_cus;\n"
        "3;c;Aus;Aus sp.;unidentified\n4;;Aus;Aus bus;\n5;d;;dus;\n"
    )
    assert read_truth(path) == [
        Truth("a", {"family": "Aidae", "genus": "Aus", "species": "Aus bus"}),
        Truth("b", {"genus": "Aus", "species": "Aus cus"}),
        Truth("c", {"genus": "Aus"}),
        Truth("d", {}),
    ]


def test_what_cannot_be_checked_is_told(tmp_path):
    path = tmp_path / "t.tsv"
    with pytest.raises(NotFoundError, match="no such table of validated records"):
        read_truth(path)
    path.write_text("id\tcolour\na\tred\n")
    with pytest.raises(FormatError, match="expected a column id and one for each rank"):
        read_truth(path)
    path.write_text("id\tspecies\n")
    with pytest.raises(FormatError, match="holds no record"):
        read_truth(path)
    answers = table(tmp_path / "a.tsv", [("z", "genus", "Aidae", "Aus", "")])
    with pytest.raises(InputError, match="none of its ids is among the validated records"):
        check_promise(truth(("a", "Aidae", "Aus", "Aus bus")), answers)
    answers.write_text("id\tgenus\tspecies\na\tAus\tAus bus\n")  # the truth itself, say
    with pytest.raises(InputError, match="has no column rank"):
        check_promise(truth(("a", "Aidae", "Aus", "Aus bus")), answers)
