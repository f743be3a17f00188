"""Audit log of changes and refused requests."""

from flask import Blueprint

from lmcache_internal.api import AuditEntry, Role, internal_app, operation

router = Blueprint("audit", __name__)
engines = ("in-process", "mp")


@router.get("/audit")
@operation(action="read the audit log", media="pretty", access=Role.ADMIN, cheap=True)
def audit() -> list[AuditEntry]:
    """List the last 200 changes and the last 200 refused requests, oldest first."""
    return list(internal_app().state.gate.audit.recent)
