"""The metadata of an archive as EML 2.2: what GBIF shows of a data set.

Reference: https://eml.ecoinformatics.org/, GBIF metadata profile 1.3
"""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from merian.formats.about import About, Agent

__all__ = ["eml"]

_UNSAID = "to be filled in"


def eml(about: About, licence: tuple[str, str] | None = None) -> str:
    """Return the metadata as XML.

    Args:
        about: What is said of the data set.
        licence: The name and the URL of its licence, where it is a known one.
    """
    contact = about.asked
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<eml:eml xmlns:eml="https://eml.ecoinformatics.org/eml-2.2.0" packageId='
        f'{quoteattr(about.identifier or "merian-export")} system="merian" xml:lang="en">',
        "  <dataset>",
        *([f"    <alternateIdentifier>{escape(about.identifier)}</alternateIdentifier>"]
          if about.identifier else []),
        f"    <title>{escape(about.title or 'Records exported from a Merian catalogue')}</title>",
        *(line for agent in about.creators or (None,) for line in _agent("creator", agent)),
        *([f"    <pubDate>{escape(about.date[:10])}</pubDate>"] if about.date else []),
        *([f"    <abstract><para>{escape(about.description)}</para></abstract>"]
          if about.description else []),
        *_rights(about, licence),
        *_agent("contact", contact),
        "  </dataset>",
        "</eml:eml>",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _agent(role: str, agent: Agent | None) -> list[str]:
    if agent is None or not agent.name:
        return [f"    <{role}><organizationName>{_UNSAID}</organizationName></{role}>"]
    inside = [f"      <givenName>{escape(agent.given)}</givenName>"] if agent.given else []
    mail = [f"      <electronicMailAddress>{escape(agent.mail)}</electronicMailAddress>"]
    page = [f"      <onlineUrl>{escape(agent.identifier)}</onlineUrl>"]
    return [
        f"    <{role}>", "      <individualName>", *("  " + line for line in inside),
        f"        <surName>{escape(agent.family)}</surName>", "      </individualName>",
        *(mail if agent.mail else []), *(page if agent.identifier else []), f"    </{role}>",
    ]  # fmt: skip


def _rights(about: About, licence: tuple[str, str] | None) -> list[str]:
    if licence is None:
        if not about.license:
            return []
        return [f"    <intellectualRights><para>{escape(about.license)}</para>"
                "</intellectualRights>"]  # fmt: skip
    name, url = licence
    return [
        "    <intellectualRights>",
        f"      <para>This work is licensed under a <ulink url={quoteattr(url)}><citetitle>"
        f"{escape(name)}</citetitle></ulink> License.</para>",
        "    </intellectualRights>",
    ]
