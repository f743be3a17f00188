"""Environment variables of the engine's process."""

import os

from flask import Blueprint

from lmcache_internal.api import Role, operation, redact

router = Blueprint("env", __name__)
engines = ("in-process", "mp")


@router.get("/env")
@operation(action="read the environment", access=Role.ADMIN, media="text-json", cheap=True)
def environment() -> dict[str, str]:
    """Show environment variables, sorted by name, with secrets masked."""
    return {name: redact(value, name) for name, value in sorted(os.environ.items())}
