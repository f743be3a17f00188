"""The metrics of the server and of the modes of its engine, as scraped."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from lmcache_internal import EmbeddedManager, InternalAPIServer, create_app
from lmcache_internal.limits import request_counts
from lmcache_internal.limits.request_counts import BUCKETS, MAX_SERIES, OVERFLOW, RequestCounts, Series
from tests.security.support import bearer, token_file
from tests.support import connect, eventually, fetch, make_manager

CPU, DISK = "LocalCPUBackend", "LocalDiskBackend"
PREFIX = "lmcache_internal:"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(autouse=True)
def _own_counts() -> Iterator[None]:
    """Reset the process-wide counts in place for each test, because many modules refer to the object."""
    counts = request_counts.requests
    before = vars(counts).copy()
    vars(counts).update(vars(RequestCounts()))
    gc.collect()  # Delete apps of other tests with engines of the same labels.
    yield
    vars(counts).update(before)


@pytest.fixture
def check_seconds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the checks of apps that are created later another timeout, and keep their results briefly."""
    monkeypatch.setattr("lmcache_internal.diagnostics.health.CHECK_SECONDS", request.param)
    for module in ("health", "background_checks"):
        monkeypatch.setattr(f"lmcache_internal.diagnostics.{module}.FRESH_SECONDS", 0.05)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[EmbeddedManager]:
    with make_manager(local_disk=str(tmp_path), max_local_disk_size=1.0) as made:
        yield made


def samples(text: str) -> Samples:
    return {
        (sample.name.removeprefix(PREFIX), tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(text)
        for sample in family.samples
        if sample.name.startswith(PREFIX)
    }


def scrape(client: FlaskClient) -> Samples:
    return samples(client.get("/metrics").text)


def value(found: Samples, name: str, **labels: str) -> float | None:
    """Return the value of the one sample with that name and these labels."""
    fitting = [number for (each, own), number in found.items() if each == name and labels.items() <= dict(own).items()]
    assert len(fitting) <= 1, fitting
    return fitting[0] if fitting else None


def request_counts_in(found: Samples) -> dict[tuple[str, str, str], float]:
    series = [(dict(own), number) for (name, own), number in found.items() if name == "requests_total"]
    return {(own["method"], own["route"], own["status"]): number for own, number in series}


ENGINE = {"worker_id": "0", "role": "worker", "model_name": "test-model"}


def test_modes_are_gauges(client: FlaskClient) -> None:
    names = ("frozen", "hot_cache_enabled", "drained", "config_revision", "plugin_load_failures")

    def modes() -> list[float | None]:
        found = scrape(client)
        bypassed = [value(found, "backend_bypassed", backend=name, **ENGINE) for name in (CPU, DISK)]
        return [*(value(found, name, **ENGINE) for name in names), *bypassed]

    assert modes() == [0, 1, 0, 0, 0, 0, 0]
    for method, path in [
        ("PUT", "/freeze/enable"),
        ("PUT", "/hot_cache/disable"),
        ("POST", "/admin/drain"),
        ("PUT", f"/bypass/add?backend_name={DISK}"),
    ]:
        assert client.open(path, method=method).status_code == 200
    assert client.post("/conf", json={"min_retrieve_tokens": 5}).status_code == 200
    assert modes() == [1, 0, 1, 1, 0, 0, 1]
    client.delete(f"/backends/{DISK}")
    assert modes()[-1] is None
    client.put("/freeze/disable")
    assert modes()[0] == 0


def check_statuses(client: FlaskClient) -> dict[str, float]:
    """Return the results of the checks of the client's engine; other tests of the process have engines, too."""
    found = ((dict(own), number) for (name, own), number in scrape(client).items() if name == "check_status")
    return {own["check"]: number for own, number in found if ENGINE.items() <= own.items()}


@pytest.mark.parametrize("check_seconds", [10], indirect=True)
@pytest.mark.usefixtures("check_seconds")
def test_health_checks_are_run_for_the_next_scrape(client: FlaskClient) -> None:
    assert eventually(lambda: len(check_statuses(client)) > 0)
    passing = dict.fromkeys(("engine", "backends", "periodic_threads", "plugins", "server", "tokens"), 0.0)
    assert check_statuses(client) == passing
    client.put("/freeze/enable")
    client.post("/admin/drain")
    for backend in (CPU, DISK):
        client.delete(f"/backends/{backend}")
    assert eventually(lambda: check_statuses(client) == passing | {"engine": 2, "backends": 2})


@pytest.fixture
def hanging(manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the check of the engine hang."""
    released = threading.Event()
    monkeypatch.setattr(manager, "is_healthy", lambda: released.wait(60))
    yield
    released.set()


@pytest.mark.parametrize("check_seconds", [60], indirect=True)
@pytest.mark.usefixtures("check_seconds", "hanging")
def test_a_check_that_hangs_delays_no_scrape(client: FlaskClient) -> None:
    began = time.monotonic()
    scrape(client)
    scrape(client)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("check_seconds", [0.2], indirect=True)
@pytest.mark.usefixtures("check_seconds", "hanging")
def test_a_check_that_hangs_is_a_failure_in_a_later_scrape(client: FlaskClient) -> None:
    assert eventually(lambda: check_statuses(client).get("engine") == 2)


def test_the_checksum_follows_the_configuration_but_no_secret() -> None:
    def checksum(**values: object) -> float | None:
        with make_manager(**values) as made:  # type: ignore[arg-type]
            return value(scrape(create_app(made).test_client()), "config_checksum", **ENGINE)

    first = checksum()
    assert first is not None
    assert checksum() == first
    assert checksum(min_retrieve_tokens=7) != first
    assert checksum(lmcache_instance_id="other") == first
    urls = [checksum(remote_url=f"redis://user:{password}@cache:6379") for password in ("first", "second")]
    assert urls[0] == urls[1] != first


def test_a_changed_setting_changes_the_checksum_until_the_rollback(client: FlaskClient) -> None:
    found = []
    for numbers in ({"min_retrieve_tokens": 5}, {"min_retrieve_tokens": 0}):
        found.append(value(scrape(client), "config_checksum", **ENGINE))
        client.post("/conf", json=numbers)
    found.append(value(scrape(client), "config_checksum", **ENGINE))
    assert found[0] == found[2] != found[1]


def test_a_scheduler_has_no_engine_metrics(scheduler: EmbeddedManager) -> None:
    found = scrape(create_app(scheduler).test_client())
    assert value(found, "drained", role="scheduler") == 0
    assert value(found, "frozen", role="scheduler") is None


def test_without_an_adapter_the_scrape_works() -> None:
    found = scrape(create_app(None).test_client())
    assert ("requests_total" in {name for name, _ in found}) is False
    assert value(found, "request_seconds_count") == 0


def test_an_engine_that_raises_does_not_fail_the_scrape(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> bool:
        raise OSError("gone")

    monkeypatch.setattr(manager.require_engine(), "is_frozen", fail)
    found = scrape(client)
    assert value(found, "frozen") is None
    assert value(found, "drained", **ENGINE) == 0


def test_two_apps_with_one_engine_have_unique_series(client: FlaskClient, manager: EmbeddedManager) -> None:
    other = create_app(manager).test_client()
    client.get("/livez")
    for accept in ("application/openmetrics-text;version=1.0.0", "text/plain"):
        text = other.get("/metrics", headers={"Accept": accept}).text
        lines = [line.rpartition(" ")[0] for line in text.splitlines() if line.startswith(PREFIX)]
        assert len(lines) == len(set(lines)) > 20
        parser = parse_openmetrics if "openmetrics" in accept else parse_text
        assert list(parser(text))


def test_plugins_that_are_not_served_are_counted(manager: EmbeddedManager, tmp_path: Path) -> None:
    (tmp_path / "bad_api.py").write_text("raise OSError")
    (tmp_path / "worse_api.py").write_text("router = 1")
    found = scrape(create_app(manager, [tmp_path]).test_client())
    assert value(found, "plugin_load_failures", **ENGINE) == 2


def test_requests_are_counted_by_route_and_status(client: FlaskClient) -> None:
    for path in ("/livez", "/livez", "/readyz/engine", "/readyz/plugins", "/readyz/etcd", "/nowhere/1", "/nowhere/2"):
        client.get(path)
    client.head("/livez")
    client.post("/livez")
    client.open("/livez", method="BREW")
    client.post("/cache/store?tokens_mock=x")
    found = scrape(client)
    assert request_counts_in(found) == {
        ("GET", "/livez", "200"): 2,
        ("HEAD", "/livez", "200"): 1,
        ("GET", "/readyz/<check>", "200"): 2,
        ("GET", "/readyz/<check>", "404"): 1,
        ("GET", "unmatched", "404"): 2,
        ("POST", "unmatched", "405"): 1,
        ("other", "unmatched", "405"): 1,
        ("POST", "/cache/store", "400"): 1,
    }
    assert value(found, "request_seconds_count") == value(found, "request_seconds_bucket", le="+Inf") == 11
    assert 0 < (value(found, "request_seconds_sum") or 0) < 60
    assert value(scrape(client), "requests_total", route="/metrics") == 1


def test_many_unknown_paths_are_one_series(client: FlaskClient) -> None:
    assert eventually(lambda: len(check_statuses(client)) > 0)  # Their series appear after the first scrape.
    before = len(scrape(client))
    for number in range(300):
        client.open(f"/{number}", method=f"M{number}")
        client.get(f"/livez/{number}")
    found = scrape(client)
    assert value(found, "requests_total", route="unmatched", method="other") == 300
    assert value(found, "requests_total", route="/livez/<check>") == 300
    assert len(found) - before <= 4


def test_refusals_are_counted(tmp_path: Path) -> None:
    file, tokens = token_file(tmp_path, viewer="viewer")
    with make_manager(extra_config={"internal_api_server_token_file": str(file)}) as manager:
        client = create_app(manager).test_client()
        assert client.get("/conf").status_code == 401
        assert client.post("/conf", headers=bearer(tokens["viewer"])).status_code == 403
        statuses = [client.get("/conf", headers=bearer("wrong")).status_code for _ in range(12)]
        found = scrape(client)
    assert value(found, "refused_requests_total", status="401") == 1 + statuses.count(401)
    assert value(found, "refused_requests_total", status="403") == 1
    assert value(found, "refused_requests_total", status="429") == statuses.count(429) > 0


PLUGIN = """
from flask import Blueprint
router = Blueprint("mine", __name__)

@router.post("/mine/<name>")
def mine(name):
    return "", 299
"""


def test_plugin_views_are_counted_by_route_even_if_refused(manager: EmbeddedManager, tmp_path: Path) -> None:
    (tmp_path / "mine_api.py").write_text(PLUGIN)
    client = create_app(manager, [tmp_path]).test_client()
    client.post("/mine/1")
    client.post("/mine/2", headers={"Origin": "http://evil.example"})
    assert request_counts_in(scrape(client)) == {
        ("POST", "/mine/<name>", "299"): 1,
        ("POST", "/mine/<name>", "403"): 1,
    }


def test_responses_of_the_event_loop_are_counted(server: InternalAPIServer) -> None:
    assert fetch(server, "/livez")[0] == 200  # Served by the event loop.
    for text in (b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
        with connect(server) as client:
            client.sendall(text)
            assert client.recv(1000)
    found = samples(fetch(server, "/metrics")[1].decode())
    counts = request_counts_in(found)
    assert counts.pop(("GET", "/livez", "200")) == 1
    assert sum(number for (_, route, status), number in counts.items() if (route, status) == ("unmatched", "400")) == 2
    assert value(found, "request_seconds_count") == 1


def test_connections_threads_and_queue_are_reported(server: InternalAPIServer) -> None:
    def load() -> list[float | None]:
        found = samples(fetch(server, "/metrics")[1].decode())
        return [value(found, name) for name in ("connections", "busy_threads", "queued_requests")]

    clients = [connect(server) for _ in range(5)]
    try:
        assert eventually(lambda: load() == [6, 1, 0])
    finally:
        for client in clients:
            client.close()
    assert eventually(lambda: load() == [1, 1, 0])


def test_a_stopped_server_is_not_reported(manager: EmbeddedManager, server: InternalAPIServer) -> None:
    server.stop()
    assert value(scrape(create_app(manager).test_client()), "connections") is None


def test_a_deleted_app_is_not_reported() -> None:
    with make_manager(worker_id=77) as manager:
        app = create_app(manager)
        assert value(scrape(app.test_client()), "frozen", worker_id="77") == 0
    del app, manager
    gc.collect()
    assert value(scrape(create_app(None).test_client()), "frozen", worker_id="77") is None


def test_no_count_is_lost_between_threads_and_scrapes() -> None:
    counts = RequestCounts()
    done = threading.Event()

    def ask() -> None:
        for number in range(5000):
            counts.add("GET", f"/{number % 7}", 200, 0.002)

    def look() -> None:
        while not done.is_set():
            counts.sum_up()
            time.sleep(0.0005)

    looking = threading.Thread(target=look)
    asking = [threading.Thread(target=ask) for _ in range(8)]
    for thread in (looking, *asking):
        thread.start()
    for thread in asking:
        thread.join()
    done.set()
    looking.join()
    counts.sum_up()
    assert sum(counts.by_series.values()) == sum(counts.by_bucket) == 40_000
    assert counts.seconds == pytest.approx(80)


def test_a_request_does_not_wait_for_a_scrape() -> None:
    counts = RequestCounts()
    with counts._lock:
        for _ in range(200):  # If it waited, this test would hang.
            counts.add("GET", "/", 200, 0.0)
    counts.sum_up()
    assert counts.by_series[Series("GET", "/", 200)] == 200


def test_pending_counts_stay_small_without_scrapes() -> None:
    counts = RequestCounts()
    for _ in range(10_000):
        counts.add("GET", "/", 200, 0.0)
        assert len(counts._waiting) < request_counts._BATCH


@pytest.mark.parametrize("seconds", [0.0, *BUCKETS, 1000.0])
def test_a_latency_is_counted_in_the_first_bucket_that_includes_it(seconds: float) -> None:
    counts = RequestCounts()
    counts.add("GET", "/", 200, seconds)
    counts.sum_up()
    expected = next(index for index, bound in enumerate((*BUCKETS, float("inf"))) if seconds <= bound)
    assert counts.by_bucket.index(1) == expected


def test_the_number_of_series_is_limited() -> None:
    counts = RequestCounts()
    for number in range(3 * MAX_SERIES):
        counts.add("GET", f"/{number}", 200, None)
    counts.sum_up()
    assert len(counts.by_series) == MAX_SERIES + 1
    assert counts.by_series[OVERFLOW] == 2 * MAX_SERIES
