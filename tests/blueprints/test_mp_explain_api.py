"""POST /cache/explain of an MP server."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.diagnostics.explain.explanation import reasons_of
from lmcache_internal.diagnostics.explain.situation import Situation
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from lmcache_internal.engine.embedded_mp.workers import Worker
from lmcache_internal.engine.mp.prefix import Tier, prefix_of, tier_names, whole_prefix
from lmcache_internal.engine.mp.runtime import Prompt
from lmcache_internal.engine.prefix import MAX_CHUNKS, storage_kind
from tests.mp_support import CHUNKS, INSTANCE, MODEL, TOKENS, mp_manager
from tests.support import examples

CHUNK = 16


def explain(client: FlaskClient, tokens: list[int] | None = None, **body: Any) -> dict[str, Any]:
    response = client.post("/cache/explain", json={"tokens": tokens or TOKENS, **body})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.get_json()
    return found


def codes(explained: dict[str, Any]) -> list[str]:
    return [each["code"] for each in explained["reasons"]]


def prefetched(client: FlaskClient, tokens: list[int], salt: str) -> bool:
    """Return whether a prefetch finds all chunks of the tokens."""
    body = {"model_name": MODEL, "world_size": 1, "token_ids": tokens, "cache_salt": salt}
    state = client.get(f"/cache/prefetches/{client.post('/cache/prefetches', json=body).get_json()['request_id']}")
    return bool(state.get_json()["found_keys"] == state.get_json()["total_keys"])


def test_response_has_every_chunk(mp_client: FlaskClient) -> None:
    explained = explain(mp_client, [*TOKENS, 1, 2])
    assert (explained["hit_tokens"], explained["missing_tokens"], explained["remainder_tokens"]) == (64, 0, 2)
    assert len(explained["chunks"]) == CHUNKS
    first = explained["chunks"][0]
    key = first.pop("key")
    assert first == {"start": 0, "end": 16, "backends": ["L1", "L2:fs"], "storage": "memory", "hit": True}
    assert len(bytes.fromhex(key.pop("chunk_hash"))) == 32
    assert key == {
        "model_name": MODEL,
        "world_size": 1,
        "worker_id": None,
        "dtype": None,
        "tags": None,
        "cache_salt": "",
    }
    assert (explained["reasons"], explained["not_checked"]) == ([], [])


def test_chunk_in_l2_is_a_hit_and_stays_there(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    mp_client.post("/cache/clear")
    explained = explain(mp_client)
    assert (explained["hit_tokens"], explained["chunks"][0]["backends"]) == (64, ["L2:fs"])
    assert explained["chunks"][0]["storage"] == "disk"
    assert len(mp.engine.storage_manager.l1) == 0


def test_other_salt_is_reported(mp_client: FlaskClient) -> None:
    explained = explain(mp_client, cache_salt="alice")
    assert (explained["hit_tokens"], codes(explained)) == (0, ["stored-under-another-key", "not-cached"])
    evidence = explained["reasons"][0]["evidence"]
    assert (evidence["differs"], evidence["stored"], evidence["asked"]) == (
        ["cache_salt"],
        {"cache_salt": ""},
        {"cache_salt": "alice"},
    )
    assert explained["chunks"][0]["key"]["cache_salt"] == "alice"


def test_empty_cache_is_reported() -> None:
    with mp_manager(None) as manager:
        client = create_app(manager).test_client()
        client.post("/cache/clear")
        assert codes(explain(client)) == ["cache-empty"]


def test_missing_slice_is_reported() -> None:
    with mp_manager(None) as manager:
        manager.engine.register_worker(INSTANCE, Worker(MODEL, world_size=2))
        manager.engine.store(INSTANCE, TOKENS)
        keys = manager.engine.keys_of(MODEL, 2, TOKENS)
        manager.engine.storage_manager.l1.delete([keys[3]])
        explained = explain(create_app(manager).test_client())
    assert (explained["hit_tokens"], codes(explained)) == (CHUNK, ["slices-missing"])
    assert explained["reasons"][0]["evidence"] == {
        "start": 16,
        "slices": 2,
        "slices_found": 1,
        "backends": ["L1"],
    }


def test_several_models_must_be_named(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    mp.engine.register_worker(7, Worker("other"))
    response = mp_client.post("/cache/explain", json={"tokens": TOKENS})
    assert response.status_code == 400
    assert "other (world size 1), test-model (world size 1)" in response.get_json()["message"]
    assert explain(mp_client, model_name=MODEL)["hit_tokens"] == 64
    assert explain(mp_client, model_name="other")["hit_tokens"] == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"tokens": []}, 400),
        ({"tokens": [2**63]}, 400),
        ({"tokens": TOKENS, "cache_salt": "a/b"}, 400),
        ({"tokens": TOKENS, "world_size": 0}, 400),
        ({"tokens": TOKENS, "model_name": "absent", "world_size": 1}, 503),
        ({"tokens": TOKENS, "model_name": MODEL, "world_size": 2}, 503),
    ],
)
def test_bad_request_is_refused(mp_client: FlaskClient, body: dict[str, Any], status: int) -> None:
    response = mp_client.post("/cache/explain", json=body)
    assert response.status_code == status
    assert response.get_json()["message"]


def test_number_of_chunks_is_limited(mp_client: FlaskClient) -> None:
    assert mp_client.post(f"/cache/explain?tokens_mock=0,{CHUNK * (MAX_CHUNKS + 1)}").status_code == 400
    assert mp_client.post(f"/cache/explain?tokens_mock=0,{CHUNK * MAX_CHUNKS}").status_code == 200


@pytest.mark.parametrize("seed", range(examples(10)))
def test_explain_agrees_with_prefetches(mp: EmbeddedMPManager, mp_client: FlaskClient, seed: int) -> None:
    rng = random.Random(seed)
    prompts = [list(range(80)), [*range(16), *range(100, 164)]]
    for _ in range(40):
        tokens, salt = rng.choice(prompts)[: rng.randrange(CHUNK, 81)], rng.choice(["", "a"])
        keys = mp.engine.keys_of(MODEL, 1, tokens, salt)
        match rng.randrange(4):
            case 0:
                mp.engine.store(INSTANCE, tokens, salt)
            case 1:
                mp_client.post("/cache/clear")
            case 2:
                mp.engine.storage_manager.delete_l1_keys([rng.choice(keys)])
            case _:
                mp.engine.storage_manager.l2_adapters()[0][1].delete([rng.choice(keys)])
        before = mp.engine.storage_manager.l1.keys()
        explained = explain(mp_client, tokens, cache_salt=salt)
        assert mp.engine.storage_manager.l1.keys() == before
        full = len(tokens) // CHUNK * CHUNK
        lengths = [n for n in range(CHUNK, full + 1, CHUNK) if prefetched(mp_client, tokens[:n], salt)]
        assert explained["hit_tokens"] == max(lengths, default=0)
        assert bool(codes(explained)) == (explained["hit_tokens"] < full)


def test_l2_adapter_without_lookup_is_not_checked(mp: EmbeddedMPManager) -> None:
    prompt, keys = Prompt(MODEL, 1, TOKENS), mp.engine.keys_of(MODEL, 1, TOKENS)
    tiers = [Tier("L1", set(keys[1:])), Tier("L2:x", not_checked="it cannot be looked up in")]
    prefix = prefix_of(prompt, CHUNK, [keys], tiers, whole_prefix)
    assert (prefix.hit_tokens, prefix.searched) == (0, ("L1",))
    assert prefix.not_checked == ["L2:x: it cannot be looked up in; its chunks count as missing"]
    # The chunk may be in L2, so it is not called removed, and there is no gap.
    assert [each.code for each in reasons_of(Situation(len(TOKENS), prefix))] == ["not-cached"]


@pytest.mark.parametrize(
    ("types", "names"), [(["fs", "s3"], ["L2:fs", "L2:s3"]), (["fs", "s3", "fs"], ["L2:fs#0", "L2:s3", "L2:fs#2"])]
)
def test_tiers_have_unique_names(types: list[str], names: list[str]) -> None:
    assert tier_names(types) == names
    assert [storage_kind(name) for name in names[:2]] == ["disk", "remote"]


def test_two_explanations_run_at_once(mp_client: FlaskClient) -> None:
    limit = cast("InternalApp", mp_client.application).limits["explain"]
    with limit.hold("explain"), limit.hold("explain"):
        assert mp_client.post("/cache/explain?tokens_mock=0,70").status_code == 503
    assert mp_client.post("/cache/explain?tokens_mock=0,70").status_code == 200
