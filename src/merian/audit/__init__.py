"""Audits: what is wrong with a reference or with places, and what of a test was in the training."""

from merian.audit.findings import Audit, Finding, check_out, write_tables
from merian.audit.leak import audit_leak
from merian.audit.places import audit_places
from merian.audit.reference import audit_reference

__all__ = [
    "Audit",
    "Finding",
    "audit_leak",
    "audit_places",
    "audit_reference",
    "check_out",
    "write_tables",
]
