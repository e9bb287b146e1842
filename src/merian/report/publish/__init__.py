"""Publishing: one catalogue as one checked package that others can read without Merian."""

from merian.report.publish.check import check
from merian.report.publish.findings import SEVERITIES, Finding, Findings, Kind
from merian.report.publish.licences import Licence, consequences, read_licence
from merian.report.publish.package import Published, publish
from merian.report.publish.telling import read_about, unsaid, with_words

__all__ = [
    "SEVERITIES",
    "Finding",
    "Findings",
    "Kind",
    "Licence",
    "Published",
    "check",
    "consequences",
    "publish",
    "read_about",
    "read_licence",
    "unsaid",
    "with_words",
]
