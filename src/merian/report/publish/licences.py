"""Licences: what a licence that somebody wrote down is, and what several of them mean together.

Collections write one licence in twenty ways (``CC-BY-NC 4.0``, ``CreativeCommons - Attribution
Non-Commercial``, a URL). Here each is read into one of few; what cannot be read is not guessed.

Reference: https://creativecommons.org/licenses/, and its chart of compatible licences
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["NO_ADVICE", "Licence", "consequences", "hub_name", "read_licence"]

NO_ADVICE = "This is no legal advice."

_CC = "https://creativecommons.org/"
_NUMBER = re.compile(r"\b([1-4])[._ ]?(0|5)\b")
_EMPTY = {"", "-", "none", "null", "nan", "n/a", "na", "unknown", "unspecified", "not specified",
          "?", "no license", "no licence"}  # fmt: skip


@dataclass(frozen=True)
class Licence:
    """A licence.

    Attributes:
        code: ``CC0``, ``CC BY``, ``CC BY-NC-SA``, ..., ``public domain``, ``reserved``,
            ``unknown``.
        version: ``4.0``, where it is stated.
        given: As it was written.
    """

    code: str
    version: str = ""
    given: str = ""

    @property
    def parts(self) -> frozenset[str]:
        """The conditions of a Creative Commons licence: BY, NC, ND, SA."""
        return frozenset(self.code.removeprefix("CC ").split("-") if "BY" in self.code else ())

    @property
    def name(self) -> str:
        """The code with the version."""
        return f"{self.code} {self.version}".strip()

    @property
    def url(self) -> str:
        """Where it can be read; "" if it is none that can."""
        if self.code == "CC0":
            return f"{_CC}publicdomain/zero/1.0/"
        if self.code == "public domain":
            return f"{_CC}publicdomain/mark/1.0/"
        if "BY" in self.code:
            kind = self.code.removeprefix("CC ").lower()
            return f"{_CC}licenses/{kind}/{self.version or '4.0'}/"
        return ""

    @property
    def may_be_republished(self) -> bool:
        """Whether copies may be given on without asking, under its conditions."""
        return self.code not in {"unknown", "reserved"}


def read_licence(text: str | None) -> Licence:
    """Return the licence that a text means."""
    given = (text or "").strip()
    plain = " ".join(re.sub(r"[_\-/\s]+", " ", given.lower()).split())
    if plain in _EMPTY or given.lower() in _EMPTY:
        return Licence("unknown", given=given)
    if re.search(r"\bcc ?(0|zero)\b|publicdomain zero|\bzero\b|no rights reserved", plain):
        return Licence("CC0", "1.0", given)
    found = _conditions(plain)
    if found:
        number = _NUMBER.search(plain)
        return Licence(found, f"{number[1]}.{number[2]}" if number else "", given)
    if re.search(r"public ?domain|\bpdm\b", plain):
        return Licence("public domain", given=given)
    if re.search(r"all rights reserved|©|\(c\)|copyright", plain):
        return Licence("reserved", given=given)
    return Licence("unknown", given=given)


def _conditions(plain: str) -> str:
    """Return the code of a Creative Commons licence with attribution, or ""."""
    words = set(plain.replace(".", " ").split())
    squeezed = re.search(r"\bcc ?by ?(nc)? ?(nd|sa)?\b", plain)
    by = bool(squeezed) or "attribution" in plain or ("by" in words and "creative" in plain)
    if not by or not ({"cc", "licenses"} & words or squeezed or "commons" in plain
                      or "attribution" in plain):  # fmt: skip
        by = "by" in words and "licenses" in words
    if not by:
        return ""
    told = (squeezed[0] if squeezed else "") + " "
    commercial = "nc" in words or "noncommercial" in plain or "non commercial" in plain
    derivatives = "nd" in words or re.search(r"no ?deriv", plain)
    alike = "sa" in words or re.search(r"share ?alike", plain)
    code = "CC BY"
    code += "-NC" if commercial or "nc" in told else ""
    if derivatives or "nd " in told:
        return f"{code}-ND"
    return f"{code}-SA" if alike or "sa " in told else code


def hub_name(licences: Mapping[Licence, int]) -> str:
    """Return what the Hugging Face Hub calls a licence, or ``other`` for several."""
    codes = {(licence.code, licence.version) for licence in licences}
    if len({code for code, _ in codes}) != 1:
        return "other"
    code, version = sorted(codes)[-1]
    if code == "CC0":
        return "cc0-1.0"
    if "BY" in code:
        return f"{code.lower().replace(' ', '-')}-{version or '4.0'}"
    return "unknown" if code == "unknown" else "other"


def consequences(licences: Mapping[Licence, int]) -> list[str]:
    """Return what the licences of pictures mean for the whole, in sentences.

    Args:
        licences: Each licence with the number of pictures under it.
    """
    if not licences:
        return []
    by = {code: sum(n for one, n in licences.items() if one.code == code)
          for code in sorted({one.code for one in licences})}  # fmt: skip
    counted = ", ".join(f"{code}: {number:,}" for code, number in by.items())
    told = [f"Every picture keeps its own licence ({counted})."]
    parts = {part for one in licences for part in one.parts}
    asked = [
        words
        for part, words in (
            ("BY", "name who made each picture and its licence"),
            ("NC", "not use them commercially"),
            ("SA", "share what you make of them under the same licence"),
            ("ND", "not give on changed ones"),
        )
        if part in parts
    ]
    if asked:
        told.append(f"Whoever uses all of them together must {_listed(asked)}.")
    elif all(one.code in {"CC0", "public domain"} for one in licences):
        told.append("All of them may be used for anything.")
    told += _clashes(by)
    if "ND" in parts:
        told.append(
            "ND forbids to give on what was made from a picture, and a crop is made from it: "
            "train on crops, but do not publish them."
        )
    for code, why in (
        ("unknown", "without a licence, or with one that is not known"),
        ("reserved", "with all rights reserved"),
    ):
        if by.get(code):
            told.append(
                f"Pictures {why}: {by[code]:,}. They may not be republished without asking whoever "
                "holds the rights."
            )
    return [*told, NO_ADVICE]


def _clashes(by: Mapping[str, int]) -> list[str]:
    """Return which licences cannot be merged into one work."""
    alike = [code for code in by if code.endswith("-SA")]
    other = [code for code in by if "NC" in code and not code.endswith("-SA")]
    pairs = [f"{a} and {b}" for i, a in enumerate(alike) for b in alike[i + 1 :]]
    pairs += [f"CC BY-SA and {code}" for code in other if "CC BY-SA" in alike and "ND" not in code]
    if not pairs:
        return []
    return [
        f"Pictures under {_listed(pairs, ', nor ')} cannot be merged into one adaptation, since "
        "each would have to be under both licences; a collection may hold them side by side, each "
        "under its own."
    ]


def _listed(words: list[str], last: str = " and ") -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + last + words[-1]
