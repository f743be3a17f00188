"""The OpenAPI documents of the embedded engines, and the files of Swagger UI that show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flask_swagger_ui

from lmcache_internal import create_app
from lmcache_internal.engine.embedded import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager

_DIST = Path(flask_swagger_ui.__file__).parent / "dist"
SWAGGER_UI = [_DIST / name for name in ("swagger-ui.css", "swagger-ui-bundle.js")]


def openapi_documents() -> dict[str, dict[str, Any]]:
    """Return the documents of a worker and of an MP server, by file name."""
    metadata = EmbeddedMetadata("example-model", (2, 2, 16, 2, 4))
    with EmbeddedManager(EmbeddedConfig({"chunk_size": 16}), metadata) as worker, EmbeddedMPManager() as mp:
        found = {"openapi": worker, "openapi-mp": mp}
        return {
            name: create_app(manager).test_client().get("/openapi.json").get_json() for name, manager in found.items()
        }
