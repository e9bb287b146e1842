"""Licences: what is written, and what several mean together."""

from __future__ import annotations

import pytest

from merian.report.publish.licences import (
    NO_ADVICE,
    Licence,
    consequences,
    hub_name,
    read_licence,
)

SEEN = {
    "CC0": "CC0 1.0",
    "CC0-1.0": "CC0 1.0",
    "CC-0": "CC0 1.0",
    "CC0_1_0": "CC0 1.0",
    "No Rights Reserved": "CC0 1.0",
    "http://creativecommons.org/publicdomain/zero/1.0/legalcode": "CC0 1.0",
    "https://creativecommons.org/publicdomain/mark/1.0/": "public domain",
    "Public Domain": "public domain",
    "CC BY 4.0": "CC BY 4.0",
    "CC_BY_4_0": "CC BY 4.0",
    "CCBY": "CC BY",
    "cc-by-3.0": "CC BY 3.0",
    "Creative Commons Attribution 4.0 International": "CC BY 4.0",
    "https://creativecommons.org/licenses/by/4.0/": "CC BY 4.0",
    "CC-BY-NC 4.0": "CC BY-NC 4.0",
    "CC_BY_NC_4_0": "CC BY-NC 4.0",
    "CreativeCommons - Attribution Non-Commercial": "CC BY-NC",
    "CreativeCommons – Attribution Non-Commercial Share-Alike": "CC BY-NC-SA",
    "CreativeCommons - Attribution Share-Alike": "CC BY-SA",
    "http://creativecommons.org/licenses/by-nc-sa/3.0/us/": "CC BY-NC-SA 3.0",
    "CC BY-NC-ND": "CC BY-NC-ND",
    "Attribution-NoDerivatives 4.0": "CC BY-ND 4.0",
    "CC-BY-SA": "CC BY-SA",
    "All rights reserved": "reserved",
    "© 2014 Museum": "reserved",
    "Copyright John Doe 2020": "reserved",
    "": "unknown",
    None: "unknown",
    "not specified": "unknown",
    "ask the curator": "unknown",
    "by hand": "unknown",
}


@pytest.mark.parametrize(("text", "name"), SEEN.items(), ids=[str(text) for text in SEEN])
def test_what_is_written_is_read(text: str | None, name: str) -> None:
    found = read_licence(text)
    assert found.name == name
    assert found.given == (text or "")
    assert bool(found.url) == (found.may_be_republished)


def test_an_address_of_a_licence_is_read_as_itself() -> None:
    for code in ("CC0", "CC BY", "CC BY-SA", "CC BY-NC", "CC BY-NC-SA", "CC BY-ND", "CC BY-NC-ND"):
        licence = Licence(code, "1.0" if code == "CC0" else "4.0")
        again = read_licence(licence.url)
        assert (again.code, again.version) == (licence.code, licence.version)


def told(*codes: str) -> str:
    return " ".join(consequences({Licence(code): 2 for code in codes}))


def test_one_licence_is_told_with_what_it_asks() -> None:
    assert "must name who made each picture and its licence." in told("CC BY")
    assert "may be used for anything" in told("CC0", "public domain")
    assert NO_ADVICE in told("CC0")
    assert consequences({}) == []


def test_the_strictest_conditions_hold_for_the_whole() -> None:
    text = told("CC0", "CC BY", "CC BY-NC", "CC BY-ND")
    assert "not use them commercially" in text
    assert "not give on changed ones" in text
    assert "a crop is made from it" in text
    assert "cannot be merged" not in text


@pytest.mark.parametrize(
    ("codes", "clash"),
    [
        (("CC BY-SA", "CC BY-NC-SA"), True),
        (("CC BY-SA", "CC BY-NC"), True),
        (("CC BY-NC-SA", "CC BY-NC"), False),
        (("CC BY-SA", "CC BY"), False),
        (("CC BY-NC-SA",), False),
    ],
)
def test_licences_that_cannot_be_merged(codes: tuple[str, ...], clash: bool) -> None:
    assert ("cannot be merged into one adaptation" in told(*codes)) == clash


def test_what_may_not_be_republished_is_counted() -> None:
    text = told("unknown", "reserved")
    assert "without a licence, or with one that is not known: 2." in text
    assert "with all rights reserved: 2." in text
    assert "without asking" in text


def test_the_names_of_the_hub() -> None:
    assert hub_name({Licence("CC BY", "4.0"): 1}) == "cc-by-4.0"
    assert hub_name({Licence("CC0", "1.0"): 1}) == "cc0-1.0"
    assert hub_name({Licence("CC BY-NC-SA"): 1}) == "cc-by-nc-sa-4.0"
    assert hub_name({Licence("CC BY"): 1, Licence("CC0"): 1}) == "other"
    assert hub_name({Licence("unknown"): 1}) == "unknown"
