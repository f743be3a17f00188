"""What this server offers, for programs and for people."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from lmcache_internal.api import internal_app, operation
from lmcache_internal.openapi import document_of

router = Blueprint("docs", __name__)


@router.get("/openapi.json")
@operation(doing="describe the endpoints", cheap=True)
def openapi() -> dict[str, Any]:
    """The OpenAPI document of this very app, plugins and all."""
    app = internal_app()
    document = document_of(app, app.state.gate.tokens.in_use)
    return document | {"servers": [{"url": request.script_root or "/"}]}
