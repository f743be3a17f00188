"""GET /periodic-threads, /periodic-threads/{name} and /periodic-threads-health."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.engine.embedded.periodic import PeriodicThread
from tests.support import eventually

MONITOR = "PinMonitor-thread"


def raising() -> str:
    raise OSError("disk is gone")


@pytest.fixture
def threads(manager: EmbeddedManager) -> Iterator[dict[str, PeriodicThread]]:
    """Four threads beside the pin monitor: late, failing, ended, and never started."""
    release = threading.Event()
    made = {
        "late": PeriodicThread("late", "high", 0.001, lambda: str(release.wait(30))),
        "late low": PeriodicThread("late low", "low", 0.001, lambda: str(release.wait(30))),
        "failing": PeriodicThread("failing", "medium", 60, raising),
        "ended": PeriodicThread("ended", "critical", 60, lambda: "done"),
        "waiting": PeriodicThread("waiting", "low", 60, lambda: "never"),
    }
    manager.periodic_threads.extend(made.values())
    for name in ("late", "late low", "failing", "ended"):
        made[name].start()
    assert eventually(lambda: made["failing"].total_runs == made["ended"].total_runs == 1)
    made["ended"].stop()
    time.sleep(0.01)
    yield made
    release.set()


def names(client: FlaskClient, query: str) -> set[str]:
    return {thread["name"] for thread in client.get(f"/periodic-threads{query}").get_json()["threads"]}


def test_status_describes_the_thread(client: FlaskClient, manager: EmbeddedManager) -> None:
    assert eventually(lambda: manager.periodic_threads[0].total_runs == 1)
    response = client.get(f"/periodic-threads/{MONITOR}")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.text.startswith(f'{{"name":"{MONITOR}","level":"critical",')
    status = response.get_json()
    summary = status.pop("last_summary")
    assert time.time() - 60 < status.pop("last_run_time") == summary.pop("timestamp") <= time.time()
    assert 0 <= status.pop("last_run_ago") < 60
    assert 0 <= summary.pop("duration_ms") < 60_000
    assert summary == {"success": True, "message": "dropped 0 pins", "extra_info": {}}
    assert status == {
        "name": MONITOR,
        "level": "critical",
        "interval": 30,
        "init_wait": 0.0,
        "is_running": True,
        "is_active": True,
        "total_runs": 1,
        "failed_runs": 0,
        "success_rate": 100.0,
    }


@pytest.mark.usefixtures("threads")
class TestAmongOthers:
    def test_failed_run_is_reported(self, client: FlaskClient) -> None:
        status = client.get("/periodic-threads/failing").get_json()
        assert (status["is_active"], status["failed_runs"], status["success_rate"]) == (True, 1, 0.0)
        assert status["last_summary"]["message"] == "OSError: disk is gone"
        assert status["last_summary"]["success"] is False

    def test_thread_without_runs_has_no_summary(self, client: FlaskClient) -> None:
        status = client.get("/periodic-threads/waiting").get_json()
        assert (status["is_running"], status["last_run_time"], status["last_run_ago"]) == (False, 0.0, None)
        assert status["last_summary"] is None

    def test_name_may_contain_spaces(self, client: FlaskClient) -> None:
        assert client.get("/periodic-threads/late%20low").get_json()["level"] == "low"

    def test_summary_counts_all_threads_despite_filters(self, client: FlaskClient) -> None:
        expected = {
            "total_count": 6,
            "running_count": 4,
            "active_count": 2,
            "by_level": {
                "critical": {"total": 2, "running": 1, "active": 1},
                "high": {"total": 1, "running": 1, "active": 0},
                "medium": {"total": 1, "running": 1, "active": 1},
                "low": {"total": 2, "running": 1, "active": 0},
            },
        }
        for query in ("", "?level=high", "?running_only=1", "?active_only=true"):
            body = client.get(f"/periodic-threads{query}").get_json()
            assert list(body) == ["summary", "threads"]
            assert body["summary"] == expected

    @pytest.mark.parametrize(
        ("query", "chosen"),
        [
            ("", {MONITOR, "late", "late low", "failing", "ended", "waiting"}),
            ("?level=critical", {MONITOR, "ended"}),
            ("?level=LOW", {"late low", "waiting"}),
            ("?level=critical&level=medium", {"failing"}),
            ("?running_only=true", {MONITOR, "late", "late low", "failing"}),
            ("?running_only=true&running_only=no&level=low", {"late low", "waiting"}),
            ("?active_only=yes", {MONITOR, "failing"}),
            ("?active_only=1&level=critical", {MONITOR}),
            ("?running_only=1&level=low", {"late low"}),
            ("?active_only=1&level=high", set()),
        ],
    )
    def test_filters_select_threads(self, client: FlaskClient, query: str, chosen: set[str]) -> None:
        assert names(client, query) == chosen

    def test_health_lists_late_critical_and_high_threads(self, client: FlaskClient) -> None:
        response = client.get("/periodic-threads-health")
        assert (response.status_code, response.content_type) == (200, "application/json")
        assert response.get_json() == {
            "healthy": False,
            "unhealthy_count": 1,
            "unhealthy_threads": [{"name": "late", "level": "high", "last_run_ago": None, "interval": 0.001}],
        }


def test_health_is_true_without_late_threads(client: FlaskClient, manager: EmbeddedManager) -> None:
    assert eventually(lambda: manager.periodic_threads[0].is_active)
    response = client.get("/periodic-threads-health")
    assert response.text == '{"healthy":true,"unhealthy_count":0,"unhealthy_threads":[]}'


@pytest.mark.parametrize("level", ["x", "criticall", "0", "high,low"])
def test_invalid_level_gets_400(client: FlaskClient, level: str) -> None:
    response = client.get(f"/periodic-threads?level={level}")
    assert (response.status_code, response.content_type) == (400, "application/json")
    assert response.get_json() == {"error": f"Invalid level: {level}. Valid values: critical, high, medium, low"}


@pytest.mark.parametrize("name", ["running_only", "active_only"])
def test_filter_that_is_not_boolean_gets_400(client: FlaskClient, name: str) -> None:
    response = client.get(f"/periodic-threads?{name}=2")
    assert response.status_code == 400
    assert response.get_json()["message"] == f"Invalid value for {name}: expected bool, got '2'"


def test_unknown_name_gets_404(client: FlaskClient) -> None:
    response = client.get("/periodic-threads/nope")
    assert (response.status_code, response.content_type) == (404, "application/json")
    assert response.get_json() == {"error": "Thread not found: nope"}


@pytest.mark.parametrize("path", ["?level=" + "x" * 9000, "/" + "x" * 9000])
def test_huge_name_is_truncated(client: FlaskClient, path: str) -> None:
    assert len(client.get(f"/periodic-threads{path}").data) < 300


def test_scheduler_has_no_threads(scheduler: EmbeddedManager) -> None:
    client = create_app(scheduler).test_client()
    body: Any = client.get("/periodic-threads").get_json()
    assert (body["summary"]["total_count"], body["threads"]) == (0, [])
    assert client.get("/periodic-threads-health").get_json()["healthy"] is True
    assert client.get(f"/periodic-threads/{MONITOR}").status_code == 404


@pytest.mark.parametrize("path", ["/periodic-threads", "/periodic-threads/x", "/periodic-threads-health"])
def test_missing_engine_gets_503(path: str) -> None:
    assert create_app(None).test_client().get(path).status_code == 503


def test_failed_run_has_secrets_masked(client: FlaskClient, manager: EmbeddedManager) -> None:
    def fail() -> str:
        raise RuntimeError("redis://user:s3cret@host is gone")

    thread = PeriodicThread("failing", "low", 60, fail)
    manager.periodic_threads.append(thread)
    thread.start()
    assert eventually(lambda: thread.total_runs == 1)
    assert "redis://***@host is gone" in client.get("/periodic-threads/failing").text
    assert "s3cret" not in client.get("/periodic-threads").text
