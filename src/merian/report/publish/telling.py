"""What the user says of a data set: from a TOML file and from the command line.

    title = "Insects of one garden"
    description = "..."
    creators = ["Maria Sibylla Merian <msm@example.org> (https://orcid.org/0000-0002-1825-0097)"]
    contact = "..."            # the first creator if it is left out
    license = "CC BY 4.0"      # of the tables; pictures keep their own
    doi = "10.5281/zenodo.1"
    version = "1.0"
    keywords = ["Insecta"]

What is missing is told, with what GBIF makes of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from merian.errors import FormatError, InputError, did_you_mean
from merian.files import existing
from merian.formats.about import About, Agent
from merian.report.publish.licences import Licence, read_licence

__all__ = ["data_licence", "read_about", "unsaid", "with_words"]

_NAMES = tuple(field.name for field in fields(About))
_GBIF = {("CC0", "1.0"), ("CC BY", "4.0"), ("CC BY-NC", "4.0")}


def read_about(path: Path) -> About:
    """Read what is said of a data set from a TOML file."""
    path = existing(path, "file")
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"is no TOML ({error})", path=path) from None
    said = {"license" if key == "licence" else key: value for key, value in said.items()}
    for key in said:
        if key not in _NAMES:
            raise FormatError(
                f"says {key!r}; it may say {', '.join(_NAMES)}." + did_you_mean(key, _NAMES),
                path=path,
            )
    return About(**{key: _value(key, value, path) for key, value in said.items()})


def _value(key: str, value: Any, path: Path) -> Any:
    several = key in {"creators", "keywords"}
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in values) or (len(values) != 1 and not several):
        kind = "a list of texts" if several else "a text"
        raise FormatError(f"{key} is {value!r}; {kind} is expected", path=path)
    if key in {"creators", "contact"}:
        made = tuple(Agent.read(one) for one in values)
        return made if several else made[0]
    return tuple(values) if several else values[0]


def with_words(
    about: About, *, title: str | None = None, description: str | None = None,
    creator: Sequence[str] = (), contact: str | None = None, license: str | None = None,
    doi: str | None = None, version: str | None = None, date: str | None = None,
) -> About:  # fmt: skip
    """Return what is said with the words of the command line, which stand above those of a file."""
    if date is not None and not re.fullmatch(r"\d{4}-\d{2}-\d{2}(T[\d:.+Z-]+)?", date):
        raise InputError(f"--date {date}: expected a day such as 2026-11-22")
    given: dict[str, Any] = {
        "title": title, "description": description, "license": license, "doi": doi,
        "version": version, "date": date,
        "creators": tuple(map(Agent.read, creator)) or None,
        "contact": Agent.read(contact) if contact else None,
    }  # fmt: skip
    return replace(about, **{key: value for key, value in given.items() if value is not None})


def data_licence(about: About) -> Licence:
    """Return the licence of the tables."""
    return read_licence(about.license)


def unsaid(about: About) -> list[str]:
    """Return what is not said, and what GBIF makes of that, in sentences."""
    told = []
    if len(about.title) < 10:
        told.append(
            f"The title {about.title!r} is short (--title): GBIF asks for ten letters."
            if about.title
            else "No title (--title): GBIF refuses a data set without one."
        )
    if len(about.description) < 25:
        told.append(
            f"{'The description is short' if about.description else 'No description'} "
            "(--description): GBIF asks for some sentences."
        )
    if not about.creators:
        told.append('No creator (--creator "Name <mail>"): GBIF refuses a data set without one.')
    if about.asked is None or not about.asked.mail:
        told.append('No contact with a mail (--contact "Name <mail>"): GBIF refuses it.')
    licence = data_licence(about)
    if licence.code == "unknown":
        told.append("No licence of the tables (--license): GBIF refuses a data set without one.")
    elif (licence.code, licence.version or "4.0") not in _GBIF:
        told.append(
            f"The tables are under {licence.name}: GBIF takes CC0 1.0, CC BY 4.0 and CC BY-NC 4.0 "
            "alone. Pictures may have any licence."
        )
    if not about.doi:
        told.append("No DOI (--doi): GBIF gives one; a package elsewhere should have its own.")
    return told
