"""What is said of a data set as a whole: its title, its makers, its licence.

Archives and packages carry it beside their tables. Nobody but the user can say it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["About", "Agent"]


@dataclass(frozen=True)
class Agent:
    """A person or an organisation.

    Attributes:
        name: As it is written: ``Maria Sibylla Merian``.
        mail: Where it can be reached.
        identifier: An ORCID or the like, a URL.
    """

    name: str
    mail: str = ""
    identifier: str = ""

    @classmethod
    def read(cls, text: str) -> Agent:
        """Read ``Name <mail> (identifier)``; mail and identifier may be missing."""
        found = re.fullmatch(
            r"\s*(?P<name>[^<(]*?)\s*(?:<(?P<mail>[^>]*)>)?\s*(?:\((?P<id>[^)]*)\))?\s*", text
        )
        if not found:
            return cls(text.strip())
        return cls(found["name"], (found["mail"] or "").strip(), (found["id"] or "").strip())

    @property
    def family(self) -> str:
        """The last word of the name, which registries ask for by itself."""
        return self.name.rsplit(" ", 1)[-1]

    @property
    def given(self) -> str:
        """What stands before it."""
        return self.name.rpartition(" ")[0]


@dataclass(frozen=True)
class About:
    """What is said of a data set.

    Attributes:
        title: Its title.
        description: What it is, in some sentences.
        creators: Who made it.
        contact: Whom to ask; the first creator if nobody is named.
        license: Of the tables: a name or a URL. Pictures have their own.
        license_url: Where it can be read, where that is known.
        doi: Its DOI or another identifier.
        version: Its version.
        date: When it was made, ISO 8601.
        keywords: Words to find it by.
    """

    title: str = ""
    description: str = ""
    creators: tuple[Agent, ...] = ()
    contact: Agent | None = None
    license: str = ""
    license_url: str = ""
    doi: str = ""
    version: str = ""
    date: str = ""
    keywords: tuple[str, ...] = ()

    @property
    def asked(self) -> Agent | None:
        """Whom to ask."""
        return self.contact or (self.creators[0] if self.creators else None)

    @property
    def identifier(self) -> str:
        """The DOI as a URL, or the identifier as it is."""
        plain = self.doi.removeprefix("doi:").strip()
        return f"https://doi.org/{plain}" if re.match(r"10\.\d{4,}/", plain) else plain
