"""GET /livez, /readyz and /healthz."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata, InternalAPIServer, create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.diagnostics import shared_calls
from lmcache_internal.diagnostics.checks import CHECKS
from lmcache_internal.diagnostics.health import CHECK_SECONDS, FRESH_SECONDS, HEALTH_KEY, Health
from lmcache_internal.engine.embedded.periodic import PeriodicThread
from lmcache_internal.engine.embedded.runtime import EmbeddedRuntime
from lmcache_internal.errors import CallTimedOut
from lmcache_internal.limits import bulkheads, concurrency
from lmcache_internal.limits.timeouts import call_within
from lmcache_internal.serving.transport import MAX_THREADS
from lmcache_internal.settings import MOST_SCRIPTS
from tests.support import CHUNK, ROOT, SHAPE, eventually, fetch, in_thread, make_manager, run_script, server_values

NOT_OURS = "another WSGI server serves the app, its queue is unknown"
JSON = {"Accept": "application/json"}


@pytest.fixture
def manager() -> Iterator[EmbeddedManager]:
    """A started worker whose critical thread has run."""
    with make_manager() as made:
        assert eventually(lambda: made.periodic_threads[0].total_runs == 1)
        yield made


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()
    assert eventually(lambda: not checks_running())


class Clock:
    """The time of the health checks: whole seconds, as they are shown, and the age of their results."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.age = 1_800_000_000.0, 0.0
        monkeypatch.setattr(f"{Health.__module__}.time.time", lambda: self.now)
        monkeypatch.setattr(shared_calls, "time", SimpleNamespace(monotonic=lambda: self.age))

    def shown(self, seconds: float = 0) -> str:
        return datetime.fromtimestamp(1_800_000_000 + seconds, timezone.utc).isoformat(timespec="seconds")


class SlowManager(EmbeddedManager):
    """A manager with a slow health check that counts its calls."""

    def __init__(self, release: threading.Event) -> None:
        super().__init__(EmbeddedConfig({"chunk_size": CHUNK}), EmbeddedMetadata("test-model", SHAPE))
        self.release = release
        self.asked = 0

    def is_healthy(self) -> bool:
        self.asked += 1
        self.release.wait(30)
        return super().is_healthy()


@pytest.fixture
def slow(release: threading.Event) -> Iterator[SlowManager]:
    made = SlowManager(release)
    with made:
        yield made


def checks_running() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("call: check ")]


def ask(client: FlaskClient, path: str) -> tuple[int, str]:
    response = client.get(path)
    return response.status_code, response.text


def test_healthy_worker_passes_all_checks(client: FlaskClient) -> None:
    for path in ("/livez", "/readyz", "/healthz", "/readyz/engine", "/healthz/", "/livez/server"):
        response = client.get(path)
        assert (response.status_code, response.text) == (200, "ok")
        assert response.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize("query", ["verbose", "verbose=", "verbose=1", "verbose=true"])
def test_verbose_lists_all_checks(client: FlaskClient, query: str) -> None:
    assert ask(client, f"/livez?{query}") == (200, f"[+]server ok: {NOT_OURS}")
    lines = [
        "[+]engine ok",
        "[+]backends ok: LocalCPUBackend",
        "[+]periodic_threads ok",
        "[+]plugins ok",
        f"[+]server ok: {NOT_OURS}",
        "[+]modes ok",
        "[+]drain ok",
        "[+]tokens ok: none are configured",
    ]
    assert ask(client, f"/readyz?{query}") == ask(client, f"/healthz?{query}") == (200, "\n".join(lines))
    assert ask(client, f"/healthz/engine?{query}") == (200, "[+]engine ok")


def test_verbose_can_be_false(client: FlaskClient) -> None:
    assert ask(client, "/healthz?verbose=false") == (200, "ok")


def test_json_is_sent_on_request(client: FlaskClient, manager: EmbeddedManager) -> None:
    good = client.get("/livez", headers=JSON)
    assert without_times(good.get_json()) == {"status": "ok", "checks": {"server": {"ok": True, "message": NOT_OURS}}}
    manager.close()
    bad = client.get("/readyz", headers=JSON)
    assert (bad.status_code, bad.content_type) == (503, "application/json")
    assert bad.get_json()["status"] == "failed"
    assert bad.get_json()["checks"].keys() == CHECKS.keys()
    assert without_times(bad.get_json())["checks"]["engine"] == {
        "ok": False,
        "message": "the engine reports that it is not healthy",
    }


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    return {
        **report,
        "checks": {
            name: {key: value for key, value in check.items() if key != "since"}
            for name, check in report["checks"].items()
        },
    }


def test_head_has_status_without_body(client: FlaskClient, manager: EmbeddedManager) -> None:
    assert (client.head("/livez").status_code, client.head("/livez").data) == (200, b"")
    manager.close()
    assert (client.head("/readyz").status_code, client.head("/readyz").data) == (503, b"")


@pytest.mark.parametrize(("path", "known"), [("/livez", "server"), ("/readyz", ", ".join(CHECKS))])
def test_unknown_check_gets_404_with_known_checks(client: FlaskClient, path: str, known: str) -> None:
    response = client.get(f"{path}/etcd?verbose")
    assert response.status_code == 404
    assert response.get_json() == {
        "error": "Unknown check",
        "message": f"There is no check etcd here; there are: {known}",
    }


def test_closed_engine_is_live_but_not_ready(client: FlaskClient, manager: EmbeddedManager) -> None:
    manager.close()
    status, text = ask(client, "/readyz")
    assert status == 503
    assert text.splitlines()[0] == "[-]engine failed: the engine reports that it is not healthy"
    assert "[+]" not in text
    assert ask(client, "/healthz/engine") == (503, text.splitlines()[0])
    assert ask(client, "/livez") == (200, "ok")


def test_worker_without_backends_is_not_ready(client: FlaskClient) -> None:
    assert client.delete("/backends/LocalCPUBackend").status_code == 200
    status, text = ask(client, "/readyz/backends")
    assert (status, text) == (
        503,
        "[-]backends failed: there is no storage backend; POST /backends creates those of the configuration",
    )
    assert ask(client, "/readyz")[0] == 503


class WithRemote(EmbeddedRuntime):
    """An engine with an unreachable backend."""

    lost = "RemoteBackend"

    def unreachable_backends(self) -> dict[str, str]:
        return {self.lost: "no connection to redis://user:s3cret@cache:6379"}


def test_unreachable_remote_is_a_warning_with_password_masked(client: FlaskClient, manager: EmbeddedManager) -> None:
    manager.runtime = WithRemote(manager)
    reason = "RemoteBackend: no connection to redis://***@cache:6379"
    assert ask(client, "/readyz/backends?verbose") == (200, f"[!]backends warning: {reason}")
    assert ask(client, "/readyz") == (200, "ok")
    assert ask(client, "/healthz") == (503, f"[-]backends failed: {reason}")


def test_worker_without_reachable_backend_is_not_ready(client: FlaskClient, manager: EmbeddedManager) -> None:
    manager.runtime = WithRemote(manager)
    manager.runtime.lost = "LocalCPUBackend"
    assert ask(client, "/readyz")[0] == 503


@pytest.mark.parametrize(("level", "status"), [("critical", 503), ("high", 200)])
def test_late_critical_thread_fails_check(
    client: FlaskClient, manager: EmbeddedManager, release: threading.Event, level: str, status: int
) -> None:
    thread = PeriodicThread("Late-thread", level, 0.001, lambda: str(release.wait(30)))
    manager.periodic_threads.append(thread)
    thread.start()
    time.sleep(0.01)
    assert client.get("/readyz").status_code == client.get("/healthz").status_code == status
    if status == 503:
        reason = "late: Late-thread (every 0.001 s, never ran)"
        assert ask(client, "/readyz/periodic_threads") == (503, f"[-]periodic_threads failed: {reason}")
    release.set()


def test_stopped_thread_is_not_late(client: FlaskClient, manager: EmbeddedManager) -> None:
    manager.periodic_threads[0].stop()
    assert ask(client, "/readyz/periodic_threads") == (200, "ok")


def test_broken_plugin_fails_healthz_only(manager: EmbeddedManager, tmp_path: Path) -> None:
    (tmp_path / "bad_api.py").write_text("raise OSError('no\\nway to https://me:s3cret@host/x?key=s3cret')")
    client = create_app(manager, [tmp_path]).test_client()
    reason = "not served: bad_api.py: it fails to import: OSError"
    assert ask(client, "/healthz") == (503, f"[-]plugins failed: {reason}")
    assert f"\n[!]plugins warning: {reason}\n" in client.get("/readyz?verbose").text
    assert ask(client, "/readyz") == ask(client, "/livez") == (200, "ok")
    assert without_times(client.get("/readyz/plugins", headers=JSON).get_json())["checks"] == {
        "plugins": {"ok": True, "message": reason}
    }


def test_stuck_call_fails_healthz_only(client: FlaskClient, release: threading.Event) -> None:
    with pytest.raises(CallTimedOut):
        call_within("close the backend", release.wait, 0.01)
    told = f"{NOT_OURS}; 1 calls into the engine do not return, see GET /threads?name=stuck"
    assert ask(client, "/livez?verbose") == (200, f"[!]server warning: {told}")
    assert ask(client, "/readyz") == (200, "ok")
    assert ask(client, "/healthz") == (503, f"[-]server failed: {told}")


def test_scheduler_is_ready_without_engine(scheduler: EmbeddedManager) -> None:
    client = create_app(scheduler).test_client()
    assert client.get("/readyz").status_code == client.get("/healthz").status_code == 200
    assert ask(client, "/readyz/engine?verbose") == (200, "[+]engine ok: no storage needed on this rank")
    assert ask(client, "/readyz/backends?verbose") == (200, "[+]backends ok: not needed on this rank")


class Optimist(EmbeddedManager):
    """A manager that reports health while it starts, as LMCache's managers do."""

    def is_healthy(self) -> bool:
        return True


@pytest.fixture
def starting() -> Iterator[EmbeddedManager]:
    made = Optimist(EmbeddedConfig({"chunk_size": CHUNK}), EmbeddedMetadata("test-model", SHAPE))
    engine, storage = made.require_engine(), made.require_engine().storage_manager
    assert eventually(lambda: made.periodic_threads[0].total_runs == 1)
    engine.storage_manager = None  # type: ignore[assignment]  # LMCache's begins so.
    yield made
    engine.storage_manager = storage
    made.lmcache_engine = engine
    made.close()


def test_worker_without_storage_manager_is_not_ready(starting: EmbeddedManager) -> None:
    reason = "the engine is still starting: it has no storage manager yet"
    client = create_app(starting).test_client()
    assert ask(client, "/readyz") == (503, f"[-]engine failed: {reason}\n[-]backends failed: {reason}")
    assert ask(client, "/livez") == (200, "ok")


def test_rank_without_storage_is_ready(starting: EmbeddedManager) -> None:
    vars(starting.require_engine())["post_inited"] = True
    assert ask(create_app(starting).test_client(), "/readyz") == (200, "ok")


def test_worker_without_engine_is_not_ready(starting: EmbeddedManager) -> None:
    starting.lmcache_engine = None
    status, text = ask(create_app(starting).test_client(), "/readyz/engine")
    assert (status, text.split(":")[:2]) == (503, ["[-]engine failed", " this worker has no engine"])


@pytest.mark.parametrize("removed", [True, False])
def test_process_without_manager_is_live_but_not_ready(app: InternalApp, client: FlaskClient, removed: bool) -> None:
    if removed:
        del app.state.lmcache_adapter
    else:
        app.state.lmcache_adapter = None
    assert ask(client, "/livez") == (200, "ok")
    status, text = ask(client, "/readyz")
    assert status == 503
    assert "[-]engine failed: there is no LMCache manager\n" in text


def test_check_that_raises_fails_with_exception(app: InternalApp, client: FlaskClient) -> None:
    app.state.lmcache_adapter = object()
    status, text = ask(client, "/readyz/engine")
    assert (status, text) == (503, "[-]engine failed: AttributeError: 'object' object has no attribute 'is_healthy'")


def test_check_result_is_cached_for_one_second(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(shared_calls, "time", SimpleNamespace(monotonic=lambda: clock.now))
    assert ask(client, "/readyz")[0] == 200
    manager.close()
    clock.now = FRESH_SECONDS - 0.01
    assert ask(client, "/readyz")[0] == 200
    clock.now = FRESH_SECONDS
    assert ask(client, "/readyz")[0] == 503


def test_hanging_check_times_out_and_is_not_restarted(
    slow: SlowManager, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmcache_internal.diagnostics.health.CHECK_SECONDS", 0.5)
    monkeypatch.setattr("lmcache_internal.diagnostics.health.FRESH_SECONDS", 0.25)
    client = create_app(slow).test_client()
    reason = "[-]engine failed: did not respond within 0.5 s"
    began = time.monotonic()
    assert ask(client, "/readyz") == (503, reason)
    assert 0.5 <= time.monotonic() - began < 10
    began = time.monotonic()
    for _ in range(20):
        assert ask(client, "/readyz") == (503, reason)
    assert ask(client, "/livez") == (200, "ok")
    assert time.monotonic() - began < 5
    assert slow.asked == 1
    assert checks_running() == ["call: check engine (stuck)"]
    assert "\nlmcache_internal:stuck_calls 1.0\n" in client.get("/metrics").text
    release.set()
    assert eventually(lambda: ask(client, "/readyz") == (200, "ok"))
    assert slow.asked == 2


def test_concurrent_probes_share_one_evaluation(slow: SlowManager, release: threading.Event) -> None:
    app = create_app(slow)
    with ThreadPoolExecutor(50) as pool:
        answers = [pool.submit(lambda: ask(app.test_client(), "/readyz/engine")) for _ in range(50)]
        assert eventually(lambda: slow.asked == 1)
        time.sleep(0.2)
        assert not any(answer.done() for answer in answers)
        release.set()
    assert {answer.result() for answer in answers} == {(200, "ok")}
    assert slow.asked == 1


def test_apps_do_not_share_check_results(client: FlaskClient) -> None:
    assert ask(client, "/readyz")[0] == 200
    assert create_app(None).test_client().get("/readyz").status_code == 503


PLUGIN = '''
from flask import Blueprint, current_app

router = Blueprint("keeping", __name__)

@router.get("/keep")
def keep():
    return "True"

@router.after_request
def keep_thread(response):
    """Keep the thread: hooks after a view have no timeout."""
    current_app.state.kept.release()
    current_app.state.wake.wait(30)
    return response
'''
SCRIPT = b"app.state.kept.release(); result = app.state.wake.wait(30)"


@contextlib.contextmanager
def saturated(
    kind: str, directory: Path, scripts: int = MOST_SCRIPTS, **settings: Any
) -> Iterator[tuple[InternalAPIServer, threading.Event]]:
    """Yield a server whose threads are all busy with scripts and plugin calls until the event is set."""
    (directory / "keep_api.py").write_text(PLUGIN)
    extra = {"internal_api_server_plugin_dirs": [str(directory)], **settings}
    extra["internal_api_server_max_scripts"] = MOST_SCRIPTS
    values = server_values(kind, directory)
    with contextlib.ExitStack() as stack:
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        manager = stack.enter_context(make_manager(**values, extra_config=extra))
        patched.setattr(bulkheads, "MAX_REQUESTS_PER_VIEW", MAX_THREADS)
        patched.setattr(concurrency, "MAX_LIMITED_REQUESTS", MAX_THREADS)
        patched.setitem(concurrency.LIMITS, "plugin", MAX_THREADS)
        server = stack.enter_context(InternalAPIServer(manager))
        assert server.app is not None
        wake = server.app.state.wake = threading.Event()
        kept = server.app.state.kept = threading.Semaphore(0)
        busy = [in_thread(lambda: run_script(server, SCRIPT)) for _ in range(scripts)]
        busy += [in_thread(lambda: fetch(server, "/keep")) for _ in range(MAX_THREADS - len(busy))]
        try:
            assert all(kept.acquire(timeout=10) for _ in busy)
            yield server, wake
        finally:
            wake.set()
            for thread, _ in busy:
                thread.join()
    assert all(results[0][1] == b"True" for _, results in busy)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_livez_passes_while_all_threads_are_busy(kind: str, tmp_path: Path) -> None:
    with saturated(kind, tmp_path) as (server, wake):
        waiting, answers = in_thread(lambda: fetch(server, "/loglevel"))
        for path in ("/readyz", "/livez", "/livez/server?verbose"):
            began = time.monotonic()
            status, text = fetch(server, path)
            assert time.monotonic() - began < 10, path
            assert status == 200
        assert text.startswith(f"[+]server ok: {MAX_THREADS} of {MAX_THREADS} threads are busy, ".encode())
        assert not answers, "the others wait for a thread"
        wake.set()
        waiting.join()
    assert answers[0][0] == 200


def test_blocked_queue_fails_livez(tmp_path: Path) -> None:
    deadlines = {"internal_api_server_call_timeout": 0.3, "internal_api_server_script_timeout": 0.5}
    with saturated("tcp", tmp_path, scripts=0, **deadlines) as (server, wake):
        assert fetch(server, "/livez")[0] == 200
        waiting, answers = in_thread(lambda: fetch(server, "/loglevel"))
        assert eventually(lambda: fetch(server, "/livez")[0] == 503)
        assert re.fullmatch(
            rf"\[-\]server failed: {MAX_THREADS} of {MAX_THREADS} threads are busy, 1 requests wait, "
            r"the first for \d+\.?\d* s; calls may take 0\.5 s",
            fetch(server, "/livez")[1].decode(),
        )
        wake.set()
        waiting.join()
        assert answers[0][0] == 200
        assert eventually(lambda: fetch(server, "/livez")[0] == 200)


def test_document_lists_every_check() -> None:
    document = (ROOT / "docs" / "health.md").read_text()
    for name in (*CHECKS, "GET /livez", "GET /readyz", "GET /healthz"):
        assert f"`{name}`" in document
    assert f"{CHECK_SECONDS:g} seconds" in document


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_check_shows_since_when_it_has_its_level(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    clock = Clock(monkeypatch)

    def since(check: str) -> str:
        return str(client.get(path, headers=JSON).get_json()["checks"][check]["since"])

    def advance(seconds: float) -> None:
        clock.now += seconds
        clock.age += seconds

    assert since("engine") == since("drain") == clock.shown()
    advance(60)
    assert since("engine") == clock.shown()
    assert client.post("/admin/drain").status_code == 200
    manager.close()
    clock.age += FRESH_SECONDS
    assert since("engine") == since("drain") == clock.shown(60)
    advance(60)
    assert since("engine") == since("drain") == clock.shown(60)
    assert client.post("/admin/undrain").status_code == 200
    assert since("drain") == clock.shown(120)
    assert since("engine") == clock.shown(60)


def test_the_time_of_a_change_is_kept_while_scrapes_pause(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    client.get("/healthz")
    health: Health = client.application.extensions[HEALTH_KEY]
    health.latest = {}  # As when the background thread cannot be started.
    clock.now += 60
    checks = client.get("/healthz", headers=JSON).get_json()["checks"]
    assert {check["since"] for check in checks.values()} == {clock.shown()}
