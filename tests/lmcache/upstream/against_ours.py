"""A pytest plugin that lets LMCache's unchanged tests of its internal API server run against this server.

It is loaded as a top-level module, because the package `tests` is LMCache's in this run.
"""

from __future__ import annotations

import importlib
import io
from typing import Any
from urllib.parse import urlencode

from werkzeug.test import TestResponse

from lmcache_internal import InternalAPIServer, create_app
from lmcache_internal.engine.lmcache_names import module_of


class Client:
    """Flask's test client with the parts of FastAPI's `TestClient` interface that the tests use."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._client = app.test_client()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing; FastAPI's client has this method."""

    def get(self, url: str, **options: Any) -> Response:
        return self._ask("GET", url, **options)

    def put(self, url: str, **options: Any) -> Response:
        return self._ask("PUT", url, **options)

    def post(self, url: str, **options: Any) -> Response:
        return self._ask("POST", url, **options)

    def delete(self, url: str, **options: Any) -> Response:
        return self._ask("DELETE", url, **options)

    def _ask(
        self,
        method: str,
        url: str,
        params: dict[str, Any] | None = None,
        files: dict[str, tuple[str, Any, str]] | None = None,
        json: Any = None,
    ) -> Response:
        data = {part: (_opened(content), name, media) for part, (name, content, media) in (files or {}).items()}
        query = urlencode(params, doseq=True) if params else None
        return Response(self._client.open(url, method=method, query_string=query, json=json, data=data or None))


class Response:
    """A response with httpx's interface."""

    def __init__(self, response: TestResponse) -> None:
        self.status_code = response.status_code
        self.text = response.text
        self._response = response

    def json(self) -> Any:
        return self._response.get_json(force=True)


def _opened(content: Any) -> Any:
    return io.BytesIO(content) if isinstance(content, bytes) else content


def pytest_configure() -> None:
    theirs = importlib.import_module(module_of("InternalAPIServer"))
    theirs.app = create_app(None)  # type: ignore[attr-defined]
    theirs.InternalAPIServer = InternalAPIServer  # type: ignore[attr-defined]
    importlib.import_module("fastapi.testclient").TestClient = Client  # type: ignore[attr-defined]
