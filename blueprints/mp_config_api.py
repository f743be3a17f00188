"""The configuration of an MP server."""

from typing import Any

from flask import Blueprint

from lmcache_internal.api import ApiError, carry_detail, mp_runtime, operation, redact

router = Blueprint("mp_config", __name__, url_prefix="/config")
engines = ("mp",)
carry_detail(router, ApiError)


@router.get("")
@operation(action="read the configuration", media="pretty")
def read_config() -> dict[str, Any]:
    """Return the configuration by section, with secrets masked."""
    found: dict[str, Any] = redact(mp_runtime().configs())
    return found
