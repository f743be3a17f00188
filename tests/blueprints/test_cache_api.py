"""POST /cache/store, POST /cache/retrieve and DELETE /cache/clear."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedEngine, EmbeddedManager, create_app
from lmcache_internal.diagnostics import storing
from lmcache_internal.engine.embedded.runtime import EmbeddedRuntime
from lmcache_internal.engine.runtime import Chunk
from tests.support import make_manager

ROUTES = [
    ("POST", "/cache/store?tokens_mock=0,16"),
    ("POST", "/cache/retrieve?tokens_mock=0,16"),
    ("DELETE", "/cache/clear"),
]


class Failing:
    """An engine whose methods raise."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{name}: redis://user:s3cret@host is gone")


@pytest.fixture(scope="module")
def refusing() -> Iterator[FlaskClient]:
    """The client of a scheduler: arguments are checked before the engine is required."""
    with make_manager("scheduler") as manager:
        yield create_app(manager).test_client()


@pytest.fixture
def with_disk(tmp_path: Path) -> Iterator[FlaskClient]:
    with make_manager(local_disk=str(tmp_path), max_local_disk_size=1.0) as manager:
        yield create_app(manager).test_client()


def store(client: FlaskClient, start: int = 0, end: int = 48) -> None:
    assert client.post(f"/cache/store?tokens_mock={start},{end}").status_code == 200


def retrieved(client: FlaskClient, start: int = 0, end: int = 48) -> int:
    return int(client.post(f"/cache/retrieve?tokens_mock={start},{end}").get_json()["num_retrieved"])


def removed(client: FlaskClient, *locations: str) -> int:
    return int(client.delete("/cache/clear", query_string={"locations": locations}).get_json()["num_removed"])


def test_responses_are_indented_json(client: FlaskClient) -> None:
    for method, path, text in [
        ("POST", "/cache/store?tokens_mock=0,48", '"num_tokens": 48,\n  "stored": 48'),
        ("POST", "/cache/retrieve?tokens_mock=0,50", '"num_tokens": 50,\n  "num_retrieved": 48'),
        ("DELETE", "/cache/clear", '"num_removed": 48'),
    ]:
        response = client.open(path, method=method)
        assert (response.status_code, response.content_type) == (200, "application/json")
        assert response.text == f'{{\n  "status": "success",\n  {text}\n}}'


def test_cleared_chunks_are_not_retrieved(client: FlaskClient) -> None:
    store(client)
    assert retrieved(client) == 48
    assert removed(client) == 48
    assert retrieved(client) == 0
    assert removed(client) == 0


def test_only_cached_prefix_is_retrieved(client: FlaskClient) -> None:
    store(client, 0, 32)
    assert retrieved(client, 0, 80) == 32
    assert retrieved(client, 16, 32) == 0


@pytest.mark.parametrize("tokens", ["0:48", "0,48", "%20-1%20:%2047", "-1,47"])
def test_a_range_is_written_with_a_colon_or_a_comma(client: FlaskClient, tokens: str) -> None:
    assert client.post(f"/cache/store?tokens_mock={tokens}").get_json()["num_tokens"] == 48
    other = tokens.replace(":", ",") if ":" in tokens else tokens.replace(",", ":")
    assert client.post(f"/cache/retrieve?tokens_mock={other}").get_json()["num_retrieved"] == 48


@pytest.mark.parametrize(("start", "end"), [(-32, 0), (10**18 - 33, 10**18 - 1)])
def test_negative_and_large_tokens_are_stored(client: FlaskClient, start: int, end: int) -> None:
    store(client, start, end)
    assert retrieved(client, start, end) == 32


def test_clear_without_location_clears_memory_only(with_disk: FlaskClient) -> None:
    store(with_disk)
    assert removed(with_disk) == 48
    assert retrieved(with_disk) == 48


def test_clear_accepts_several_locations(with_disk: FlaskClient) -> None:
    store(with_disk)
    assert removed(with_disk, "LocalCPUBackend", "LocalDiskBackend") == 96
    assert retrieved(with_disk) == 0


def test_clear_of_one_location_keeps_the_other(with_disk: FlaskClient) -> None:
    store(with_disk)
    assert removed(with_disk, "LocalDiskBackend") == 48
    assert removed(with_disk, "LocalDiskBackend") == 0
    assert removed(with_disk, "LocalCPUBackend") == 48


def test_unknown_location_gets_404_and_clears_nothing(client: FlaskClient) -> None:
    store(client)
    response = client.delete("/cache/clear?locations=LocalCPUBackend&locations=Nope")
    assert response.status_code == 404
    assert response.get_json() == {
        "error": "Unknown location",
        "message": "There is no backend Nope to clear; there are: LocalCPUBackend",
    }
    assert removed(client) == 48


def test_error_lists_at_most_10_unknown_locations(client: FlaskClient) -> None:
    query = "&".join(f"locations=no-{number}-such" for number in range(1000))
    assert client.delete(f"/cache/clear?{query}").text.count("-such") == 10


class Tenants(EmbeddedEngine):
    """An engine that clears only for tenant `a`."""

    def clear(self, locations: Sequence[str] | None = None, request_configs: Mapping[str, Any] | None = None) -> int:
        return super().clear(locations) if request_configs == {"tenant": "a"} else 0


def test_request_configs_reach_the_engine(client: FlaskClient, manager: EmbeddedManager) -> None:
    manager.require_engine().close()
    manager.lmcache_engine = Tenants(manager.config, manager.lmcache_engine_metadata, manager.kv_caches)
    store(client)
    assert client.delete("/cache/clear", json={"tenant": "b"}).get_json()["num_removed"] == 0
    assert removed(client) == 0
    assert client.delete("/cache/clear", data=b'{"tenant": "a"}').get_json()["num_removed"] == 48


@pytest.mark.parametrize(
    ("body", "error"),
    [(b"{", "Invalid JSON body"), (b'{"a": NaN}', "Invalid JSON body"), (b"[1]", "Request body must be a JSON object")],
)
def test_request_configs_that_are_not_an_object_get_400(client: FlaskClient, body: bytes, error: str) -> None:
    store(client)
    response = client.delete("/cache/clear", data=body)
    assert (response.status_code, response.get_json()["error"]) == (400, error)
    assert removed(client) == 48


def test_last_repeated_tokens_win(client: FlaskClient) -> None:
    assert client.post("/cache/store?tokens_mock=x&tokens_mock=0,32").get_json()["num_tokens"] == 32
    assert client.post("/cache/store?tokens_mock=0,32&tokens_mock=x").status_code == 400


def test_spaces_around_numbers_are_ignored(client: FlaskClient) -> None:
    assert client.post("/cache/store?tokens_mock=+0+,%2032%20").get_json()["num_tokens"] == 32


@pytest.mark.parametrize("query", ["", "?tokens_mock=", "?tokens=0,5"])
@pytest.mark.parametrize("action", ["store", "retrieve"])
def test_missing_tokens_get_400(refusing: FlaskClient, action: str, query: str) -> None:
    response = refusing.post(f"/cache/{action}{query}")
    assert (response.status_code, response.content_type) == (400, "application/json")
    assert response.get_json() == {"error": "Missing parameters", "message": "tokens_mock is required"}


@pytest.mark.parametrize(
    "tokens",
    [
        *("5", "a,b", "5,5", "10,5", "1,2,3", ",", "0,", "0x0,0x10", "1.0,5", "0,1e3", "--1,5", "0;16", "[0,16]"),
        *("0,999999999999", "0,1048577", "-524288,524289", "0,9223372036854775808", "-9223372036854775809,0"),
        *("9223372036854775807,9223372036854775808", "0," + "9" * 5000, "9" * 9000),
    ],
)
@pytest.mark.parametrize("action", ["store", "retrieve"])
def test_invalid_or_huge_token_range_gets_400_fast(refusing: FlaskClient, action: str, tokens: str) -> None:
    started = time.process_time()
    response = refusing.post(f"/cache/{action}", query_string={"tokens_mock": tokens})
    assert time.process_time() - started < 1
    assert (response.status_code, response.get_json()["error"]) == (400, "Invalid tokens_mock format")
    assert response.get_json()["message"].startswith("tokens_mock must be 'start,end' or 'start:end': ")
    assert len(response.text) < 300


def test_largest_token_range_is_accepted(client: FlaskClient) -> None:
    body = client.post("/cache/retrieve?tokens_mock=0,1048576").get_json()
    assert body == {"status": "success", "num_tokens": 1048576, "num_retrieved": 0}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_scheduler_gets_503(scheduler: EmbeddedManager, method: str, path: str) -> None:
    response = create_app(scheduler).test_client().open(path, method=method)
    assert response.status_code == 503
    assert response.get_json() == {"error": "LMCache API is unavailable", "message": "LMCache engine not configured."}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_starting_worker_gets_503(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr(manager.lmcache_engine, "storage_manager", None)
    response = client.open(path, method=method)
    assert (response.status_code, response.get_json()["error"]) == (503, "LMCache API is unavailable")
    assert "still starting" in response.get_json()["message"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_engine_error_gets_500_with_secrets_masked(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr(manager, "lmcache_engine", Failing())
    response = client.open(path, method=method)
    assert response.status_code == 500
    assert response.get_json() == {
        "error": f"Failed to {path[7:].partition('?')[0]} cache",
        "message": "storage_manager: redis://***@host is gone",
    }


CPU, DISK = "LocalCPUBackend", "LocalDiskBackend"
FREEZE, HOT_OFF = ("PUT", "/freeze/enable"), ("PUT", "/hot_cache/disable")


def bypass(name: str) -> tuple[str, str]:
    return "PUT", f"/bypass/add?backend_name={name}"


def close(name: str) -> tuple[str, str]:
    return "DELETE", f"/backends/{name}"


def stored(client: FlaskClient, tokens: str = "0,48") -> tuple[int | None, str | None]:
    body = client.post(f"/cache/store?tokens_mock={tokens}").get_json()
    start, _, end = tokens.partition(",")
    assert (body["status"], body["num_tokens"]) == ("success", int(end) - int(start))
    return body["stored"], body.get("reason")


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ([FREEZE], "frozen"),
        ([HOT_OFF], "hot cache off"),
        ([bypass(CPU)], f"bypassed: {CPU}"),
        ([close(CPU)], "no backend"),
        ([HOT_OFF, FREEZE], "frozen"),
        ([HOT_OFF, bypass(CPU)], f"bypassed: {CPU}"),
        ([bypass(CPU), close(CPU)], "no backend"),
    ],
)
def test_a_store_that_stores_nothing_says_so_and_why(
    client: FlaskClient, switches: list[tuple[str, str]], reason: str
) -> None:
    for method, path in switches:
        assert client.open(path, method=method).status_code == 200
    assert stored(client) == (0, reason)
    assert retrieved(client) == 0


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ([], (48, None)),
        ([HOT_OFF], (48, None)),
        ([bypass(DISK)], (48, None)),
        ([close(CPU)], (48, None)),
        ([HOT_OFF, bypass(DISK)], (0, f"bypassed: {DISK}; hot cache off")),
        ([bypass(CPU), bypass(DISK)], (0, f"bypassed: {CPU}, {DISK}")),
        ([HOT_OFF, close(DISK)], (0, "hot cache off")),
        ([close(CPU), close(DISK)], (0, "no backend")),
    ],
)
def test_what_one_backend_still_takes_is_stored(
    with_disk: FlaskClient, switches: list[tuple[str, str]], expected: tuple[int, str | None]
) -> None:
    for method, path in switches:
        assert with_disk.open(path, method=method).status_code == 200
    assert stored(with_disk) == expected
    assert retrieved(with_disk) == expected[0]


def test_what_is_cached_or_no_whole_chunk_is_not_stored_again(client: FlaskClient) -> None:
    assert stored(client, "0,32") == (32, None)
    assert stored(client, "0,32") == (0, "already cached: 32 tokens")
    assert stored(client, "0,48") == (16, "already cached: 32 tokens")
    rest = "only whole chunks are stored (tokens left over: 2)"
    assert stored(client, "0,50") == (0, f"already cached: 48 tokens; {rest}")
    assert stored(client, "100,150") == (48, rest)
    assert stored(client, "0,5") == (0, "only whole chunks are stored (tokens left over: 5)")
    client.put("/freeze/enable")
    assert stored(client, "0,48") == (0, "already cached: 48 tokens")
    assert stored(client, "0,64") == (0, "frozen")


def test_chunks_without_room_are_not_stored() -> None:
    with make_manager(max_local_cpu_size=0.000002) as manager:
        count, reason = stored(create_app(manager).test_client(), "0,320")
    assert count is not None
    assert 0 <= count < 320
    assert (reason or "").startswith("no room")


def test_counting_pins_nothing_and_changes_no_metric(client: FlaskClient) -> None:
    stored(client)
    text = client.get("/metrics?name[]=lmcache:num_lookup_requests_total").text
    assert " 0.0\n" in text
    assert removed(client) == 48


class Silent(EmbeddedRuntime):
    """An engine that cannot say what it has cached, in one of several ways."""

    def __init__(self, manager: EmbeddedManager, fault: str) -> None:
        super().__init__(manager)
        self.fault = fault
        self.calls = 0

    def chunks(self, tokens: Sequence[int]) -> Any:
        if self.fault == "raises":
            raise OSError("redis://user:s3cret@host is gone")
        return None if self.fault == "cannot" else super().chunks(tokens)

    def holds(self, chunk: Chunk) -> Any:
        self.calls += 1
        if self.fault == "hangs":
            time.sleep(0.3)
        return super().holds(chunk) if self.calls <= 3 else None


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("cannot", "this engine does not report which chunks are cached"),
        ("raises", "to name the chunks failed with OSError"),
        ("hangs", "The call to look for cached chunks has been stuck since"),
        ("writes", "48 tokens are still being written"),
    ],
)
def test_what_cannot_be_known_is_null_with_the_reason_and_the_store_is_done(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch, fault: str, reason: str
) -> None:
    monkeypatch.setattr(storing, "COUNT_SECONDS", 0.1 if fault == "hangs" else 2.0)
    monkeypatch.setattr(storing, "_WRITE_SECONDS", 0.02)
    monkeypatch.setattr(manager, "runtime", Silent(manager, fault))
    count, told = stored(client)
    assert count is None
    assert (told or "").startswith(f"not known: {reason}")
    assert "s3cret" not in (told or "")
    monkeypatch.undo()
    assert retrieved(client) == 48
