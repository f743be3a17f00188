"""Real WSGI servers with tokens, on a port and on a Unix socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lmcache_internal.settings import MAX_BODY_BYTES
from tests.support import fetch, upload
from tests.wsgi.conftest import Headers


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/healthz"])
def test_public_routes_need_no_token(guarded: Any, path: str) -> None:
    assert fetch(guarded, path)[0] == 200


def test_token_has_the_access_of_its_role(guarded: Any, headers: Headers) -> None:
    assert fetch(guarded, "/conf")[0] == 401
    status, body = fetch(guarded, "/conf", headers=headers["viewer"])
    assert (status, json.loads(body)["chunk_size"]) == (200, 16)
    assert fetch(guarded, "/env", headers=headers["viewer"])[0] == 403
    assert fetch(guarded, "/env", headers=headers["admin"])[0] == 200


def test_token_is_accepted_with_proxy_headers(guarded: Any, headers: Headers) -> None:
    proxied = {"X-Forwarded-For": "10.0.0.1", "Via": "1.1 proxy"}
    assert fetch(guarded, "/env", headers=proxied)[0] == 401
    assert fetch(guarded, "/env", headers=proxied | headers["admin"])[0] == 200


def test_configuration_can_be_changed(guarded: Any, headers: Headers) -> None:
    change = b'{"min_retrieve_tokens": 32}'
    assert fetch(guarded, "/conf", "POST", change, headers["viewer"])[0] == 403
    assert fetch(guarded, "/conf", "POST", change, headers["admin"])[0] == 200
    status, body = fetch(guarded, "/conf?names=min_retrieve_tokens", headers=headers["viewer"])
    assert (status, json.loads(body)) == (200, {"min_retrieve_tokens": 32})


def test_script_can_be_uploaded_and_run(guarded: Any, headers: Headers) -> None:
    body, kind = upload(b"result = app.state.lmcache_adapter.lmcache_engine_metadata.kv_shape")
    assert fetch(guarded, "/run_script", "POST", body, kind | headers["viewer"])[0] == 403
    assert fetch(guarded, "/run_script", "POST", body, kind | headers["admin"]) == (200, b"(27, 1, 16, 1, 576)")


def test_chunked_body_is_accepted(guarded: Any, headers: Headers) -> None:
    body, kind = upload(b"result = 'in chunks'")
    chunks: Any = (body[start : start + 7] for start in range(0, len(body), 7))
    assert fetch(guarded, "/run_script", "POST", chunks, kind | headers["admin"]) == (200, b"in chunks")
    chunks = iter([b'{"min_retrieve', b'_tokens": "many"}'])
    status, body = fetch(guarded, "/conf", "POST", chunks, headers["admin"])
    assert (status, "min_retrieve_tokens" in json.loads(body)["errors"]) == (400, True)


def test_chunked_script_has_the_same_size_limit(guarded: Any, headers: Headers) -> None:
    body, kind = upload(b"#" * MAX_BODY_BYTES)
    chunks: Any = iter([body])
    assert fetch(guarded, "/run_script", "POST", chunks, kind | headers["admin"])[0] == 413
