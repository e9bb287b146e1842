"""Faults of data: of references, pictures and places, and what of a test was in the training."""

from merian.audit.findings import Audit, Finding, check_out, write_tables
from merian.audit.leak import audit_leak
from merian.audit.pictures import Limits, PictureAudit, audit_pictures
from merian.audit.places import audit_places
from merian.audit.reference import audit_reference

__all__ = [
    "Audit", "Finding", "Limits", "PictureAudit", "audit_leak", "audit_pictures", "audit_places",
    "audit_reference", "check_out", "write_tables",
]  # fmt: skip
