"""`lmcache-internal mp-server` with the real LMCache: its life, its clients, and the cases where ours cannot serve."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from statistics import median

import pytest

from tests.support import eventually, free_port, lmcache_release

if lmcache_release() < (0, 5, 6):
    pytest.skip("the routes are those of LMCache 0.5.6 and later", allow_module_level=True)
pytest.importorskip("opentelemetry.exporter.prometheus", reason="LMCache's MP server needs it")

from lmcache_internal.engine.lmcache_names import load
from lmcache_internal.engine.mp import protocols
from lmcache_internal.engine.protocols import members_of
from tests.lmcache.mp_engine import OURS, Served, await_l2, fetch, prefetched, serving, store, worker

BURN = b"import time\nuntil = time.monotonic() + 2\nwhile time.monotonic() < until: pass\nresult = 'done'\n"


def run(served: Served, source: bytes) -> tuple[int, str]:
    """Run a script in the server."""
    head = b'--b\r\nContent-Disposition: form-data; name="script"; filename="s.py"\r\n\r\n'
    body = head + source + b"\r\n--b--\r\n"
    return fetch(served, "/run_script", "POST", body, **{"Content-Type": "multipart/form-data; boundary=b"})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("mp")
    config = directory / "internal.yaml"
    config.write_text("run_script_api_enabled: true\nscript_allowed_imports: [time]\n")
    with serving(directory, OURS, "--internal-config", str(config)) as process:
        yield process


@pytest.mark.parametrize("protocol", [protocols.MPStorageManager, protocols.Reconfigurable])
def test_the_storage_manager_has_the_shape_of_the_seam(protocol: type) -> None:
    assert members_of(protocol) - set(dir(load("StorageManager"))) == set()


@pytest.mark.parametrize("name", ["MPCacheServer", "QuotaManager"])
def test_the_others_have_the_shape_of_the_seam(name: str) -> None:
    protocol = {"MPCacheServer": protocols.MPEngine, "QuotaManager": protocols.QuotaManager}[name]
    assert members_of(protocol) - set(dir(load(name))) == set()


def test_readyz_checks_the_engine_its_workers_and_its_message_queue(served: Served) -> None:
    with worker(served):
        status, text = fetch(served, "/readyz?verbose")
    assert status == 200, text
    assert "[+]engine ok" in text
    assert "[+]adapters ok: 0: fs" in text
    assert "[+]workers ok: 1 registered, 0 idle, 0 removed as silent" in text
    assert "[+]transport ok: PING over zmq" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["ping", "kvcache", "--url", "{url}"],
        ["describe", "kvcache", "--url", "{url}"],
        ["kvcache", "clear", "--url", "{url}"],
        ["quota", "set", "alice", "--limit-gb", "0.5", "--url", "{url}"],
        ["quota", "list", "--url", "{url}"],
        ["quota", "get", "alice", "--url", "{url}"],
        ["quota", "delete", "alice", "--url", "{url}"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_lmcaches_own_command_works(served: Served, arguments: list[str]) -> None:
    filled = [each.format(url=f"http://127.0.0.1:{served.http}") for each in arguments]
    result = subprocess.run(
        [sys.executable, "-m", "lmcache.cli.main", *filled], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


AGE_WORKERS = b"""
for module in app.state.engine._modules:
    for entry in getattr(module, "_cache_contexts", {}).values():
        entry.last_seen -= 100_000
for module in app.state.engine._modules:
    if getattr(module, "_reaper", None):
        module._reaper.wake()
result = "done"
"""
"""LMCache's own scan removes the workers; its shortest limit is 30 s."""


def test_a_worker_that_lmcache_removes_as_silent_is_reported(served: Served) -> None:
    with worker(served):
        assert eventually(lambda: "1 registered" in fetch(served, "/readyz/workers?verbose")[1])
        assert run(served, AGE_WORKERS) == (200, "done")
        assert eventually(lambda: "1 removed as silent" in fetch(served, "/readyz/workers?verbose")[1])
    status, text = fetch(served, "/healthz/workers")
    assert status == 503
    assert "0 registered, 0 idle, 1 removed as silent; not registered again: 1000 since" in text
    assert "lmcache_internal:mp_workers_removed_total 1.0" in fetch(served, "/metrics")[1]
    assert fetch(served, "/readyz/workers")[0] == 200


FAIL_ADAPTER = b"""
def fail(*args, **options):
    raise OSError("the disk is gone")
for descriptor, adapter in app.state.engine.storage_manager.l2_adapters():
    adapter.report_status = adapter.delete = fail
result = "done"
"""
RESTORE_ADAPTER = b"""
for descriptor, adapter in app.state.engine.storage_manager.l2_adapters():
    del adapter.report_status, adapter.delete
result = "done"
"""


def test_an_adapter_that_fails_is_named_and_workers_are_served(served: Served) -> None:
    with worker(served) as client:
        assert run(served, FAIL_ADAPTER) == (200, "done")
        try:
            warning = "[!]adapters warning: unhealthy L2 adapters: 0: fs failed: the disk is gone"
            # The outcome of a check is cached for 1 s.
            assert eventually(lambda: warning in fetch(served, "/readyz?verbose")[1])
            assert fetch(served, "/readyz")[0] == 200
            assert fetch(served, "/healthz/engine")[0] == 503
            body = json.dumps({"keys": [{"chunk_hash_hex": "ab", "model_name": "m", "kv_rank": 0}]}).encode()
            assert "L2 adapter 0 (fs): the disk is gone" in fetch(served, "/cache/objects", "DELETE", body)[1]
            assert store(client, 7)
        finally:
            assert run(served, RESTORE_ADAPTER) == (200, "done")


def test_a_script_finds_lmcaches_names_and_delays_no_probe(served: Served) -> None:
    assert run(served, b"result = type(app.state.engine).__name__, sorted(app.state.configs)[0]") == (
        200,
        "('MPCacheServer', 'coordinator')",
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        burning = pool.submit(run, served, BURN)
        time.sleep(0.3)
        waits = []
        while not burning.done():
            began = time.monotonic()
            assert fetch(served, "/healthcheck")[0] == 200
            waits.append(time.monotonic() - began)
    assert burning.result() == (200, "done")
    assert waits
    assert median(waits) < 0.5, waits  # Other processes may delay a few.


def test_sigterm_under_load_ends_the_process_as_lmcaches_does_and_l2_is_found_again(tmp_path: Path) -> None:
    stopped = threading.Event()

    def load(served: Served) -> list[int]:
        statuses = []
        while not stopped.is_set():
            with contextlib.suppress(OSError, HTTPException):
                statuses.append(fetch(served, "/status")[0])
        return statuses

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        with serving(tmp_path, OURS) as first, worker(first) as client:
            tokens = [store(client, sequence) for sequence in (1, 2)]
            await_l2(first, 4)
            loads = [pool.submit(load, first) for _ in range(4)]
            time.sleep(0.5)
            first.process.terminate()
            first.process.wait(60)
            stopped.set()
        assert {status for each in loads for status in each.result()} <= {200, 503}
        assert sum(len(each.result()) for each in loads) > 4
    assert first.process.returncode == -15
    assert "MPCacheServer closed" in first.text()
    assert "Traceback" not in first.text()
    with serving(tmp_path, OURS) as second, worker(second):
        for each in tokens:
            state = prefetched(second, each)
            assert state["found_keys"] == state["total_keys"] > 0


@pytest.mark.parametrize("broken", ["settings", "import"])
def test_the_cache_runs_where_ours_cannot_serve(tmp_path: Path, broken: str) -> None:
    config = tmp_path / "internal.yaml"
    config.write_text("extra_config: {internal_api_server_max_access: emperor}\n" if broken == "settings" else "")
    modules = tmp_path / "modules"
    modules.mkdir()
    if broken == "import":
        (modules / "waitress.py").write_text("raise RuntimeError('broken')\n")
    with contextlib.ExitStack() as stack:
        options = ["--internal-config", str(config)]
        served = stack.enter_context(serving(tmp_path, OURS, *options, search_first=str(modules)))
        assert fetch(served, "/healthcheck") == (200, '{"status": "healthy"}')
        assert json.loads(fetch(served, "/")[1]) == {"status": "ok", "service": "LMCache HTTP API"}
        status, text = fetch(served, "/status")
        assert (status, json.loads(text)["error"]) == (503, "LMCache API is unavailable")
        client = stack.enter_context(worker(served))
        assert store(client)
    errors = [line for line in served.text().splitlines() if "ERROR" in line and "HTTP API" in line]
    assert len(errors) == 1
    assert ("emperor" if broken == "settings" else "broken") in errors[0]


@pytest.mark.skipif(lmcache_release() < (0, 5, 7), reason="LMCache has API keys since 0.5.7")
def test_what_lmcaches_api_keys_lock_stays_locked(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 40)
    key.chmod(0o600)
    with serving(tmp_path, OURS, "--api-key-file", str(key)) as served:
        for path, status in (("/", 200), ("/healthcheck", 200), ("/readyz", 200), ("/metrics", 200), ("/status", 401)):
            assert fetch(served, path)[0] == status, path
        assert fetch(served, "/status", Authorization="Bearer wrong")[0] == 401
        assert fetch(served, "/status", Authorization=f"Bearer {'k' * 40}")[0] == 200
        assert fetch(served, "/cache/clear", "POST")[0] == 401
        assert fetch(served, "/cache/clear", "POST", Authorization=f"Bearer {'k' * 40}")[0] == 200


THEIRS = "lmcache.v1.multiprocess.http_server"


def _beside(config: dict[str, object]) -> list[str]:
    module = {"module_path": "lmcache_internal.integrations.lmcache_mp_module", "config": config}
    return ["--server-module", json.dumps(module)]


def test_ours_serves_beside_lmcaches(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, THEIRS, *_beside({"port": port})) as served, worker(served) as client:
        assert store(client)
        beside = replace(served, http=port)
        assert fetch(beside, "/readyz")[0] == 200
        status = json.loads(fetch(beside, "/status")[1])
        assert status["lmcache_internal"] == {"address": f"http://127.0.0.1:{port}"}
        both = (beside, served)  # They are equal as soon as the write to L2 has ended.
        assert eventually(lambda: len({fetch(server, "/status")[1] for server in both}) == 1)
        assert fetch(beside, "/cache/clear", "POST") == (200, '{"status":"ok","cleared":{"tier":"l1"}}')
        assert "stays open and has no roles" in served.text()
    assert served.process.returncode == -15
    assert "Traceback" not in served.text()


@pytest.mark.parametrize("config", [{"color": "red"}, {"port": "x"}, {"config_file": "/nowhere"}])
def test_the_server_runs_where_the_one_beside_cannot(tmp_path: Path, config: dict[str, object]) -> None:
    with serving(tmp_path, THEIRS, *_beside({"port": free_port(), **config})) as served:
        assert fetch(served, "/status")[0] == 200
    errors = [line for line in served.text().splitlines() if "ERROR" in line and "beside LMCache" in line]
    assert len(errors) == 1
