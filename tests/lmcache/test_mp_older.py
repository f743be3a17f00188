"""The MP server of LMCache 0.5.3, which has fewer functions: the others respond with 501 or 503 and a reason.

`make test-mp-older` runs it; `make test-lmcache` has no such version.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import lmcache_release

if not (0, 5, 3) <= lmcache_release() < (0, 5, 6):
    pytest.skip("it is about LMCache 0.5.3 to 0.5.5", allow_module_level=True)

from tests.lmcache.mp_engine import Served, fetch


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "expected"),
    [
        ("GET", "/", None, 200, '"status":"ok"'),
        ("GET", "/healthcheck", None, 200, "healthy"),
        ("GET", "/lmc_version", None, 200, "0.5."),
        ("GET", "/status", None, 200, '"is_healthy":true'),
        ("GET", "/config", None, 200, "storage_manager"),
        ("GET", "/config/adapters", None, 200, '"type_name":"fs"'),
        ("GET", "/metrics", None, 200, "python_info"),
        ("GET", "/readyz?verbose", None, 200, "[+]transport ok: not checked: this version of LMCache"),
        ("GET", "/cache/objects", None, 503, "does not support listing"),
        (
            "DELETE",
            "/cache/objects",
            {"keys": [{"chunk_hash_hex": "ab", "model_name": "m", "kv_rank": 0}]},
            200,
            "true",
        ),
        ("POST", "/cache/clear", {}, 200, "ok"),
        ("POST", "/cache/clear", {"force": True}, 501, "LMCache 0.5.6 can"),
        ("POST", "/cache/prefetches", {"model_name": "m", "world_size": 1, "token_ids": [1]}, 503, "layout"),
        ("POST", "/cache/checksums", {"block_ids": [0], "chunk_size": 1}, 404, "there are: none"),
        ("PUT", "/quota/alice", {"limit_gb": 1}, 200, "alice"),
        ("GET", "/reconfigure/dax/l1/status", None, 501, "in this engine version"),
        ("POST", "/metrics/reset", None, 501, "cannot be reset"),
    ],
)
def test_what_the_engine_has_is_served(
    served: Served, method: str, path: str, body: Any, status: int, expected: str
) -> None:
    found, text = fetch(served, path, method, body and json.dumps(body).encode())
    assert found == status, text
    assert expected in text


def test_an_adapter_is_added_and_removed(served: Served, tmp_path: Path) -> None:
    spec = json.dumps({"type": "fs", "base_path": str(tmp_path)}).encode()
    status, text = fetch(served, "/config/adapters", "POST", spec)
    assert (status, json.loads(text)["id"]) == (200, 1)
    assert fetch(served, "/config/adapters/1", "DELETE")[0] == 200
