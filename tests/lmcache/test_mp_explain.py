"""What POST /cache/explain reports of the real MP server is what a worker's lookup then returns."""

from __future__ import annotations

import inspect
import json
import time
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.support import eventually, lmcache_release

if lmcache_release() < (0, 5, 6):
    pytest.skip("the routes are those of LMCache 0.5.6 and later", allow_module_level=True)
pytest.importorskip("opentelemetry.exporter.prometheus", reason="LMCache's MP server needs it")

from lmcache_internal.engine.mp.lmcache_prefix import _hit_chunks
from tests.lmcache.mp_engine import NUM_TOKENS, Served, store, worker


def post(served: Served, path: str, body: Any = None) -> dict[str, Any]:
    data = json.dumps(body).encode() if body is not None else b""
    request = Request(f"http://127.0.0.1:{served.http}{path}", data, method="POST")
    with urlopen(request, timeout=60) as response:
        found: dict[str, Any] = json.load(response)
        return found


def explain(served: Served, tokens: list[int], **body: Any) -> dict[str, Any]:
    return post(served, "/cache/explain", {"tokens": tokens, **body})


def looked_up(client: Any, sequence: int) -> int:
    """Return the hit chunks of a worker's own lookup of the tokens of a sequence."""
    takes_tokens = "token_ids" in inspect.signature(client.create_request).parameters
    tokens = {"token_ids": tuple(range(sequence, sequence + NUM_TOKENS + 1))} if takes_tokens else {}
    request = client.create_request(sequence, f"explain-{sequence}-{time.monotonic()}", "test", **tokens)
    result = client.lookup(request)
    (client.release_request if takes_tokens else client.end_session)(request)
    return int(result.hit_chunks)


def l1_status(served: Served) -> dict[str, Any]:
    with urlopen(f"http://127.0.0.1:{served.http}/status", timeout=60) as response:
        l1: dict[str, Any] = json.load(response)["storage_manager"]["l1_manager"]
    return l1


@pytest.mark.parametrize(
    ("presence", "windows", "hit"),
    [
        ([[True, True, False]], [-1], 2),
        ([[True, True, True], [True, False, True]], [-1, -1], 1),
        ([[True, True, True], [False, False, True]], [-1, 1], 3),
        ([[True, True, True], [False, True, False]], [-1, 1], 2),
        ([[False, True, True]], [-1], 0),
    ],
)
def test_hit_of_hybrid_models_is_lmcaches(presence: list[list[bool]], windows: list[int], hit: int) -> None:
    assert _hit_chunks(presence, windows) == hit


def test_explain_agrees_with_a_lookup(served: Served) -> None:
    with worker(served) as client:
        tokens = store(client, 1)[:NUM_TOKENS]
        assert eventually(lambda: explain(served, tokens)["chunks"][0]["backends"] == ["L1", "L2:fs"])
        found = explain(served, tokens)
        assert found["hit_tokens"] == looked_up(client, 1) * found["chunk_size"] > 0
        assert [each["code"] for each in found["reasons"]] == []
        assert found["chunks"][0]["storage"] == "memory"

        other = explain(served, tokens, cache_salt="alice")
        assert other["hit_tokens"] == 0
        assert [each["code"] for each in other["reasons"]] == ["stored-under-another-key", "not-cached"]
        assert other["reasons"][0]["evidence"]["differs"] == ["cache_salt"]

        absent = explain(served, [7] * (2 * found["chunk_size"]))
        assert (absent["hit_tokens"], [each["code"] for each in absent["reasons"]]) == (0, ["not-cached"])

        short = explain(served, tokens[: found["chunk_size"] - 1])
        assert [each["code"] for each in short["reasons"]] == ["prompt-shorter-than-chunk"]


def test_explain_loads_and_locks_nothing(served: Served) -> None:
    with worker(served) as client:
        tokens = store(client, 2)[:NUM_TOKENS]
        assert eventually(lambda: explain(served, tokens)["chunks"][-1]["backends"] == ["L1", "L2:fs"])
        post(served, "/cache/clear", {"force": True})  # A lookup without a retrieve leaves its locks.
        before = l1_status(served)
        found = explain(served, tokens)
        assert (found["chunks"][0]["backends"], found["chunks"][0]["storage"]) == (["L2:fs"], "disk")
        after = l1_status(served)
        for name in ("total_object_count", "read_locked_count", "memory_used_bytes"):
            assert after[name] == before[name], name
        assert found["hit_tokens"] == looked_up(client, 2) * found["chunk_size"] > 0
