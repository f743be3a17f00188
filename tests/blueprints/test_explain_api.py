"""POST /cache/explain: its response, its reasons, and its bounds."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from msgspec import structs

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.diagnostics.explain.seen import MAX_SEEN, SEEN_KEY, Seen
from lmcache_internal.engine.embedded.chunks import chunk_keys
from lmcache_internal.engine.embedded.simulated_remote import SETTING
from lmcache_internal.engine.prefix import MAX_CHUNKS, KeyParts, PrefixChunk
from tests.support import make_manager

GIB = 1 / 2**30
PROMPT = list(range(70))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[EmbeddedManager]:
    with make_manager(local_disk=str(tmp_path), max_local_disk_size=1.0) as made:
        yield made


def explain(client: FlaskClient, tokens: list[int] | None = None, **configs: Any) -> dict[str, Any]:
    body = {"tokens": PROMPT if tokens is None else tokens, "request_configs": configs or None}
    # Not as `json=`, because Flask sorts the keys, and the order of tags is part of a key.
    response = client.post("/cache/explain", data=json.dumps(body))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.get_json()
    return found


def codes(explained: dict[str, Any]) -> list[str]:
    return [each["code"] for each in explained["reasons"]]


def reason(explained: dict[str, Any], code: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in explained["reasons"] if each["code"] == code)
    assert found["message"]
    assert found["next_step"]
    return found


def test_response_has_every_chunk(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,32")
    explained = explain(client)
    sizes = {name: explained[name] for name in explained if name.endswith("tokens") or name == "chunk_size"}
    assert sizes == {
        "tokens": 70,
        "chunk_size": 16,
        "hit_tokens": 32,
        "missing_tokens": 32,
        "remainder_tokens": 6,
    }
    first, _, third, fourth = explained["chunks"]
    key = first.pop("key")
    assert first == {
        "start": 0,
        "end": 16,
        "backends": ["LocalCPUBackend", "LocalDiskBackend"],
        "storage": "memory",
        "hit": True,
    }
    assert len(bytes.fromhex(key.pop("chunk_hash"))) == 32
    assert key == {"model_name": "test-model", "world_size": 2, "worker_id": 0, "dtype": "float16", "tags": None}
    assert (third["backends"], third["storage"], third["hit"]) == ([], None, False)
    assert (fourth["start"], fourth["end"]) == (48, 64)
    assert codes(explained) == ["not-cached", "remainder-not-stored"]
    assert explained["not_checked"] == []


def test_hit_has_no_reasons(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,70")
    assert codes(explain(client)) == []


def test_disk_hit_reports_that_files_are_not_read(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,70")
    client.delete("/cache/clear?locations=LocalCPUBackend")
    explained = explain(client)
    assert (explained["hit_tokens"], explained["chunks"][0]["storage"]) == (64, "disk")
    assert explained["not_checked"] == ["LocalDiskBackend: its index is read, not its files"]


def bypass_disk(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,70")
    client.put("/bypass/add?backend_name=LocalDiskBackend")
    client.delete("/cache/clear?locations=LocalCPUBackend")


def bypass_all(client: FlaskClient) -> None:
    for name in ("LocalCPUBackend", "LocalDiskBackend"):
        client.put(f"/bypass/add?backend_name={name}")


def freeze(client: FlaskClient) -> None:
    client.put("/freeze/enable")
    client.post("/cache/store?tokens_mock=0,70")


def close_all(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,70")
    client.get("/healthz")  # Modes are seen by health checks, scrapes and the routes that change them.
    for name in ("LocalCPUBackend", "LocalDiskBackend"):
        assert client.delete(f"/backends/{name}").status_code == 200


def hot_cache_off(client: FlaskClient) -> None:
    client.delete("/backends/LocalDiskBackend")
    client.put("/hot_cache/disable")


def drain(client: FlaskClient) -> None:
    assert client.post("/admin/drain?reason=test").status_code == 200


def below_minimum(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,32")
    client.post("/conf", json={"min_retrieve_tokens": 33})


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda _: None, ["cache-empty", "remainder-not-stored"]),
        (bypass_disk, ["bypassed", "remainder-not-stored"]),
        (bypass_all, ["bypassed", "cache-empty", "remainder-not-stored"]),
        (freeze, ["frozen", "cache-empty", "remainder-not-stored"]),
        (
            close_all,
            ["backend-closed", "backend-closed", "no-backend", "cache-empty", "remainder-not-stored"],
        ),
        (hot_cache_off, ["backend-closed", "hot-cache-off", "cache-empty", "remainder-not-stored"]),
        (drain, ["drained", "cache-empty", "remainder-not-stored"]),
        (below_minimum, ["below-min-retrieve-tokens", "not-cached", "remainder-not-stored"]),
    ],
)
def test_state_is_explained(client: FlaskClient, prepare: Callable[[FlaskClient], None], expected: list[str]) -> None:
    prepare(client)
    explained = explain(client)
    assert (explained["hit_tokens"], codes(explained)) == (0, expected)
    assert all(each["next_step"] and each["evidence"] for each in explained["reasons"])


def test_prefix_of_exactly_the_minimum_is_retrieved(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,32")
    client.post("/conf", json={"min_retrieve_tokens": 32})
    explained = explain(client, PROMPT[:32])
    assert (explained["hit_tokens"], codes(explained)) == (32, [])
    assert client.post("/cache/retrieve?tokens_mock=0,32").get_json()["num_retrieved"] == 32


def test_bypassed_chunks_are_counted(client: FlaskClient) -> None:
    bypass_disk(client)
    found = reason(explain(client), "bypassed")
    since = found["evidence"].pop("since")
    assert since.endswith("+00:00")
    assert found["evidence"] == {"backend": "LocalDiskBackend", "chunks": 4, "first_start": 0}
    assert "PUT /bypass/remove" in found["next_step"]


@pytest.mark.parametrize(
    ("stored", "asked", "differs"),
    [
        ({"lmcache.tag.salt": "a"}, {}, ["tags"]),
        ({}, {"lmcache.tag.salt": "a"}, ["tags"]),
        ({"lmcache.tag.salt": "a"}, {"lmcache.tag.salt": "b"}, ["tags"]),
        (
            {"lmcache.tag.x": 1, "lmcache.tag.y": 2},
            {"lmcache.tag.y": 2, "lmcache.tag.x": 1},
            ["tags"],
        ),
    ],
)
def test_other_tags_are_reported(
    client: FlaskClient, manager: EmbeddedManager, stored: Any, asked: Any, differs: list[str]
) -> None:
    manager.require_engine().store(PROMPT, stored)
    explained = explain(client, **asked)
    evidence = reason(explained, "stored-under-another-key")["evidence"]
    assert (explained["hit_tokens"], evidence["differs"]) == (0, differs)
    assert evidence["stored"]["tags"] == ({k.removeprefix("lmcache.tag."): v for k, v in stored.items()} or None)


def test_other_configs_are_not_tags(client: FlaskClient, manager: EmbeddedManager) -> None:
    manager.require_engine().store(PROMPT)
    assert explain(client, other="x")["hit_tokens"] == 64


def test_gap_is_reported(client: FlaskClient, manager: EmbeddedManager) -> None:
    client.post("/cache/store?tokens_mock=0,70")
    storage = manager.require_engine().storage_manager
    (_, key), *_ = list(chunk_keys(PROMPT, manager.lmcache_engine_metadata))[1:]
    for backend in storage.storage_backends.values():
        backend._drop(key)
    evidence = reason(explain(client), "gap-in-prefix")["evidence"]
    assert evidence == {"missing_start": 16, "later_chunks": 2, "later_start": 32}


def test_removed_chunk_is_reported(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,64")
    assert explain(client, PROMPT[:64])["hit_tokens"] == 64
    for name in ("LocalCPUBackend", "LocalDiskBackend"):
        client.delete(f"/cache/clear?locations={name}")
    explained = explain(client, PROMPT[:64])
    assert codes(explained) == ["removed", "cache-empty"]
    evidence = reason(explained, "removed")["evidence"]
    assert evidence["seen"].endswith("+00:00")
    assert (evidence["start"], evidence["backends"]) == (0, ["LocalCPUBackend", "LocalDiskBackend"])
    assert "removed" not in codes(explain(client, PROMPT[:64], **{"lmcache.tag.salt": "a"}))


def test_chunk_of_a_closed_backend_is_not_called_removed(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,64")
    explain(client, PROMPT[:64])
    client.delete("/cache/clear?locations=LocalCPUBackend")
    client.delete("/backends/LocalDiskBackend")
    assert codes(explain(client, PROMPT[:64])) == ["backend-closed", "cache-empty"]


def test_number_of_remembered_chunks_is_limited(app: InternalApp) -> None:
    seen: Seen = app.extensions[SEEN_KEY]
    for prompt in range(3):
        key = KeyParts("m", 1, 0, "float16", str(prompt), {"a": prompt})
        seen.update([PrefixChunk(0, 16, structs.replace(key, worker_id=n), ("X",)) for n in range(MAX_SEEN // 2)])
    assert seen.last(KeyParts("m", 1, 0, "float16", "0", {"a": 0})) is None
    assert seen.last(KeyParts("m", 1, 0, "float16", "1", {"a": 1})) is not None
    assert seen.last(KeyParts("m", 1, 0, "float16", "1", {"a": 2})) is None


def test_outage_is_reported() -> None:
    with make_manager(extra_config={SETTING: 0.1}) as manager:
        client = create_app(manager).test_client()
        client.post("/cache/store?tokens_mock=0,70")
        remote = manager.require_engine().storage_manager.storage_backends["RemoteBackend"]
        vars(remote)["_calls"] = 160
        client.delete("/cache/clear?locations=LocalCPUBackend")
        explained = explain(client)
        assert codes(explained) == ["remote-unreachable", "remainder-not-stored"]
        assert explained["hit_tokens"] == 0
        assert explained["not_checked"][0].startswith("RemoteBackend: a simulated outage")


def test_scheduler_knows_only_keys(scheduler: EmbeddedManager, client: FlaskClient) -> None:
    explained = explain(create_app(scheduler).test_client())
    assert (explained["hit_tokens"], explained["missing_tokens"], explained["reasons"]) == (None, None, [])
    assert explained["not_checked"] == ["a scheduler has no storage: ask the workers"]
    hashes = [chunk["key"]["chunk_hash"] for chunk in explain(client)["chunks"]]
    assert [chunk["key"]["chunk_hash"] for chunk in explained["chunks"]] == hashes


def test_short_prompt_is_explained_on_every_rank(scheduler: EmbeddedManager, client: FlaskClient) -> None:
    for each in (client, create_app(scheduler).test_client()):
        explained = explain(each, [1, 2, 3])
        assert codes(explained) == ["prompt-shorter-than-chunk"]
        assert explained["reasons"][0]["evidence"] == {"tokens": 3, "chunk_size": 16}
        assert (explained["remainder_tokens"], explained["chunks"]) == (3, [])


def test_range_is_the_same_as_its_tokens(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,32")
    assert client.post("/cache/explain?tokens_mock=0,70").get_json() == explain(client)


def test_request_configs_apply_to_a_range(client: FlaskClient) -> None:
    configs = {"lmcache.tag.salt": "a"}
    response = client.post("/cache/explain?tokens_mock=0,70", json={"request_configs": configs})
    assert response.get_json()["chunks"][0]["key"]["tags"] == {"salt": "a"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/cache/explain", None),
        ("/cache/explain", {}),
        ("/cache/explain?tokens_mock=0,16", {"tokens": [1]}),
        ("/cache/explain?tokens_mock=16,0", None),
        ("/cache/explain?tokens_mock=0,2000000", None),
        (f"/cache/explain?tokens_mock=0,{16 * (MAX_CHUNKS + 1)}", None),
        ("/cache/explain", {"tokens": []}),
        ("/cache/explain", {"tokens": ["x"]}),
        ("/cache/explain", {"tokens": [2**63]}),
        ("/cache/explain", {"tokens": [1], "request_configs": {"lmcache.tag.x": [1]}}),
        ("/cache/explain", {"tokens": [1], "request_configs": {"x" * 257: 1}}),
        ("/cache/explain", {"tokens": [1], "request_configs": {"x": "y" * 1025}}),
        ("/cache/explain", {"tokens": [1], "request_configs": {str(number): 1 for number in range(65)}}),
        ("/cache/explain", {"tokens": [1], "request_configs": {f"lmcache.tag.{n}": "y" * 200 for n in range(5)}}),
        ("/cache/explain", {"tokens": [1], "request_configs": {"lmcache.tag.x": "\x00" * 200}}),
    ],
)
def test_bad_request_is_refused(client: FlaskClient, path: str, body: Any) -> None:
    response = client.post(path, json=body) if body is not None else client.post(path)
    assert response.status_code == 400
    assert response.get_json()["message"]


def test_engine_that_hangs_is_left_after_the_timeout(manager: EmbeddedManager) -> None:
    released = threading.Event()

    def hang(*_: object) -> bool:
        return released.wait(30)

    manager.config.extra_config = {"internal_api_server_call_timeout": 0.2}
    vars(manager.require_engine().storage_manager.storage_backends["LocalCPUBackend"])["contains"] = hang
    response = create_app(manager).test_client().post("/cache/explain?tokens_mock=0,16")
    released.set()
    assert response.status_code == 504
    assert "explain the cache has been stuck since" in response.get_json()["message"]


def test_body_is_limited(internal_api_server_client: Any) -> None:
    body = json.dumps({"tokens": [1] * 600_000})
    assert internal_api_server_client.post("/cache/explain", data=body).status_code == 413


def test_longest_prompt_is_explained(client: FlaskClient) -> None:
    response = client.post(f"/cache/explain?tokens_mock=0,{16 * MAX_CHUNKS}")
    assert len(response.get_json()["chunks"]) == MAX_CHUNKS


def test_response_is_limited(client: FlaskClient) -> None:
    """The tags of a request are in the key of each chunk."""
    configs = {"lmcache.tag.x": "\x00" * 160, "lmcache.tag.y": ""}
    response = client.post(f"/cache/explain?tokens_mock=0,{16 * MAX_CHUNKS}", json={"request_configs": configs})
    assert len(response.get_json()["chunks"]) == MAX_CHUNKS
    assert len(response.data) < 12 << 20


def test_two_explanations_run_at_once(app: InternalApp) -> None:
    client = app.test_client()
    with app.limits["explain"].hold("explain"), app.limits["explain"].hold("explain"):
        refused = client.post("/cache/explain?tokens_mock=0,70")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert client.get("/backends").status_code == 200
    assert client.post("/cache/explain?tokens_mock=0,70").status_code == 200
